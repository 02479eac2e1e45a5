"""Addresses of automations, of the preflight of open deals and of dry runs."""

from django.urls import path

from provisioning.views import automations, preflight

urlpatterns = [
    path("automations/", automations.automations, name="automations"),
    path("automations/new/", automations.automation_create, name="automation_create"),
    path("automations/<int:pk>/", automations.automation, name="automation"),
    path("automations/<int:pk>/edit/", automations.automation_edit, name="automation_edit"),
    path("automations/<int:pk>/copy/", automations.automation_copy, name="automation_copy"),
    path("automations/<int:pk>/state/", automations.automation_state, name="automation_state"),
    path("automations/<int:pk>/delete/", automations.automation_delete, name="automation_delete"),
    path("preflight/", preflight.preflight, name="preflight"),
    path("preflight/open-deals.csv", preflight.preflight_csv, name="preflight_csv"),
    path("dry-run/", preflight.dry_run, name="dry_run"),
]
