"""Addresses of the configuration page, below /configuration/."""

from django.urls import path

from project.configuration import views

urlpatterns = [
    path("", views.overview, name="configuration"),
    path("plan/", views.plan, name="configuration_plan"),
    path("apply/", views.apply, name="configuration_apply"),
    path("export.yaml", views.export, name="configuration_export"),
    path("files/<int:pk>/", views.applied, name="configuration_file"),
    path("files/<int:pk>/plan/", views.plan_again, name="configuration_plan_again"),
]
