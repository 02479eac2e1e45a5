"""Addresses of security."""

from django.urls import path

from project.security import views

urlpatterns = [
    path("", views.overview, name="security"),
    path("check/", views.check_all, name="security_check_all"),
    path("people/", views.people, name="security_people"),
    path("drill/", views.drill, name="security_drill"),
    path("<int:pk>/", views.connection, name="security_org"),
    path("<int:pk>/check/", views.check, name="security_check"),
    path("<int:pk>/permission-set/", views.permission_set_page, name="security_permission_set"),
    path("<int:pk>/permission-set/deploy/", views.permission_set_deploy, name="security_deploy"),
    path("<int:pk>/permission-set.<slug:form>", views.permission_set_file, name="security_permission_set_file"),
]
