"""Addresses of people and of one's own page."""

from django.urls import path

from project.people import own, views

urlpatterns = [
    path("people/", views.people, name="people"),
    path("people/new/", views.person_new, name="person_new"),
    path("people/<int:pk>/", views.person, name="person"),
    path("people/<int:pk>/rights/", views.person_rights, name="person_rights"),
    path("people/<int:pk>/link/", views.person_link, name="person_link"),
    path("people/<int:pk>/off/", views.person_off, name="person_off"),
    path("people/<int:pk>/on/", views.person_on, name="person_on"),
    path("me/", own.me, name="me"),
    path("me/name/", own.me_name, name="me_name"),
    path("me/password/", own.me_password, name="me_password"),
    path("me/sign-out/", own.me_sign_out, name="me_sign_out"),
    path("me/keys/new/", own.me_key_new, name="me_key_new"),
    path("me/keys/<str:prefix>/revoke/", own.me_key_revoke, name="me_key_revoke"),
    path("accounts/set-password/<str:uidb64>/<str:token>/", own.SetPassword.as_view(), name="set_password"),
]
