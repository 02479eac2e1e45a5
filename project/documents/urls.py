"""Addresses of the documents."""

from django.urls import path

from project.documents import views

urlpatterns = [
    path("", views.documents, name="documents"),
    path("<slug:slug>/", views.document, name="document"),
]
