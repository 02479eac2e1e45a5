"""Pages of analytics, below /analytics/."""

from django.urls import URLPattern, path

from analytics.views import analyses, behind, drivers, groups, health, mapping, overview, security, set_up

app_name = "analytics"
urlpatterns: list[URLPattern] = [
    path("", overview.overview, name="overview"),
    path("definitions/", analyses.definitions_page, name="definitions"),
    path("results/<int:pk>/", analyses.result, name="result"),
    path("results/<int:pk>/progress/", analyses.progress, name="progress"),
    path("results/<int:pk>/behind/", behind.people, name="behind"),
    path("results/<int:pk>/behind.csv", behind.people_csv, name="behind_csv"),
    path("results/<int:pk>/<slug:block>.csv", analyses.block_csv, name="block_csv"),
    path("drivers/<int:pk>/<slug:key>/", drivers.driver, name="driver"),
    path("drivers/<int:pk>/<slug:key>/<slug:block>.csv", drivers.driver_csv, name="driver_csv"),
    path("saved/<int:pk>/", analyses.name_analysis, name="name"),
    path("groups/", groups.group_list, name="groups"),
    path("groups/keep/<int:result_pk>/", groups.group_keep, name="group_keep"),
    path("groups/<int:pk>/", groups.group_detail, name="group"),
    path("groups/<int:pk>/export.csv", groups.group_csv, name="group_csv"),
    path("groups/<int:pk>/segment/", groups.group_segment, name="group_segment"),
    path("groups/<int:pk>/send/", groups.group_push, name="group_push"),
    path("groups/<int:pk>/send/<int:push_pk>/", groups.group_push_act, name="group_push_act"),
    path("groups/<int:pk>/fields/", groups.group_fields, name="group_fields"),
    path("groups/<int:pk>/archive/", groups.group_archive, name="group_archive"),
    path("security/", security.security, name="security"),
    path("connections/<int:org_id>/", set_up.set_up, name="set_up"),
    path("connections/<int:org_id>/estimate/", set_up.set_up_estimate, name="set_up_estimate"),
    path("connections/<int:org_id>/progress/", set_up.set_up_progress, name="set_up_progress"),
    path("connections/<int:org_id>/start/", set_up.set_up_start, name="set_up_start"),
    path("connections/<int:org_id>/settings/", set_up.set_up_settings, name="set_up_settings"),
    path("connections/<int:org_id>/act/<slug:action>/", set_up.set_up_act, name="set_up_act"),
    path("connections/<int:org_id>/map/", mapping.attribute_map, name="map"),
    path("connections/<int:org_id>/map/coverage/", mapping.map_coverage, name="map_coverage"),
    path("connections/<int:org_id>/map/preset/", mapping.map_preset, name="map_preset"),
    path("connections/<int:org_id>/map/settings/", mapping.map_settings, name="map_settings"),
    path("connections/<int:org_id>/map/revert/", mapping.map_revert, name="map_revert"),
    path("connections/<int:org_id>/map/export.json", mapping.map_export, name="map_export"),
    path("connections/<int:org_id>/map/<slug:key>/", mapping.map_attribute, name="map_attribute"),
    path("connections/<int:org_id>/health/", health.health, name="health"),
    path("connections/<int:org_id>/health/unlinked.csv", health.unlinked_csv, name="health_unlinked_csv"),
    path("<slug:kind>/", analyses.analysis, name="analysis"),  # last: the other addresses are not kinds
]
