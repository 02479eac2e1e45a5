"""Addresses of the key-result pages."""

from django.urls import path

from okr.views import key_result_form, key_results, licenses, objectives, settings

app_name = "okr"
urlpatterns = [
    path("", objectives.show_all, name="objectives"),
    path("export.csv", objectives.export, name="objectives_csv"),
    path("objectives/new/", objectives.create, name="objective_create"),
    path("objectives/<int:pk>/", objectives.show, name="objective"),
    path("objectives/<int:pk>/edit/", objectives.edit, name="objective_edit"),
    path("objectives/<int:pk>/archive/", objectives.archive, name="objective_archive"),
    path("objectives/<int:pk>/restore/", objectives.restore, name="objective_restore"),
    path("objectives/<int:objective_id>/key-results/new/", key_result_form.create, name="key_result_create"),
    path("key-results/<int:pk>/", key_results.show, name="key_result"),
    path("key-results/<int:pk>/edit/", key_result_form.edit, name="key_result_edit"),
    path("key-results/<int:pk>/delete/", key_results.delete, name="key_result_delete"),
    path("key-results/<int:pk>/check-in/", key_results.check_in, name="check_in"),
    path("key-results/<int:pk>/refresh/", key_results.refresh_now, name="refresh"),
    path("key-results/<int:pk>/unlink/", key_results.unlink, name="unlink"),
    path("key-results/<int:pk>/readings.csv", key_results.readings_csv, name="readings_csv"),
    path("link/section/", key_result_form.section_part, name="link_section"),
    path("link/search/", key_result_form.search_part, name="link_search"),
    path("licenses/", licenses.show, name="licenses"),
    path("licenses/<int:org_id>/assign/", licenses.grant, name="license_grant"),
    path("licenses/<int:org_id>/release/", licenses.release, name="license_release"),
    path("licenses/<int:org_id>/pool/", licenses.resize, name="license_pool"),
    path("licenses/<int:org_id>/export.csv", licenses.export, name="licenses_csv"),
    path("settings/", settings.show, name="settings"),
    path("settings/departments/new/", settings.create_department, name="department_create"),
    path("settings/departments/<int:pk>/delete/", settings.delete_department, name="department_delete"),
    path("settings/periods/new/", settings.create_period, name="period_create"),
    path("settings/periods/<int:pk>/delete/", settings.delete_period, name="period_delete"),
]
