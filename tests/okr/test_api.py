"""The API: same rules as the pages. What needs a running Salesforce is in test_api_salesforce."""

import pytest
from rest_framework.test import APIClient

from integrations.models import ApiKey
from okr.models import CheckIn, KeyResult, License, Objective


@pytest.fixture
def api(cast):
    """Clients by person; `api(person)` is signed in."""

    def sign_in(person) -> APIClient:
        client = APIClient()
        client.force_login(person)
        return client

    return sign_in


def key_client(owner, scopes) -> tuple[APIClient, ApiKey]:
    key, secret = ApiKey.objects.create_key(name="k", owner=owner, scopes=scopes)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
    return client, key


def test_objectives_come_with_key_results_links_and_progress(api, company, make_link):
    make_link("Pipeline EMEA", value=295)
    body = api(company.cast.marsha).get("/api/v1/objectives/").json()
    (objective,) = body["results"]
    linked = next(each for each in objective["key_results"] if each["link"])
    assert linked["progress"] == "0.500000"
    assert linked["link"]["row"] == "EMEA"
    assert linked["link"]["status"] == "fresh"
    assert objective["progress"] == "0.250000"
    assert objective["unknown"] == 1


def test_bw_05_the_story_by_api(api, company):
    jane = api(company.cast.jane)
    made = jane.post("/api/v1/objectives/", {
        "title": "Sell more", "owner": company.cast.jane.pk, "department": company.sales.pk, "period": company.period.pk,
    })  # fmt: skip
    assert made.status_code == 201, made.json()
    result = jane.post("/api/v1/key-results/", {
        "objective": made.json()["id"], "title": "Deals", "owner": company.cast.marsha.pk, "target": "20", "weight": 2,
    })  # fmt: skip
    assert result.status_code == 201, result.json()
    assert (result.json()["owner_name"], result.json()["target"], result.json()["start"]) == ("marsha", "20.000000", "0.000000")


def test_s_070_strangers_may_look_but_not_change(api, company):
    stranger = api(company.cast.ana)
    path = f"/api/v1/key-results/{company.key_result.pk}/"
    assert stranger.get(path).status_code == 200
    for method, url in (("patch", path), ("delete", path), ("delete", f"{path}link/"), ("post", f"{path}check-ins/")):
        answer = getattr(stranger, method)(url, {"title": "x", "note": "x"})
        assert answer.status_code == 403, (method, url, answer.content)
    assert KeyResult.objects.get(pk=company.key_result.pk).title == "Pipeline"
    assert stranger.get("/api/v1/key-results/999999/").status_code == 404
    assert stranger.patch("/api/v1/key-results/999999/", {"title": "x"}).status_code == 404


def test_s_072_extra_fields_are_ignored(api, company):
    path = f"/api/v1/key-results/{company.key_result.pk}/"
    answer = api(company.cast.jane).patch(path, {
        "title": "New", "current": "5", "objective": 999, "id": 77, "created_at": "2020-01-01T00:00Z", "link": {}, "current_at": None,
    })  # fmt: skip
    assert answer.status_code == 200
    after = KeyResult.objects.get(pk=company.key_result.pk)
    assert (after.title, after.current, after.objective_id) == ("New", None, company.objective.pk)
    changed = api(company.cast.jane).patch(f"/api/v1/objectives/{company.objective.pk}/", {"archived_at": "2020-01-01T00:00Z"})
    assert changed.status_code == 200
    assert Objective.objects.get(pk=company.objective.pk).archived_at is None


def test_bw_d11_target_equal_to_start_is_refused_in_words(api, company):
    answer = api(company.cast.jane).patch(f"/api/v1/key-results/{company.key_result.pk}/", {"target": "0"})
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "target_equals_start"


def test_bw_d15_check_ins(api, company, make_link):
    path = f"/api/v1/key-results/{company.key_result.pk}/check-ins/"
    marsha = api(company.cast.marsha)
    assert marsha.post(path, {"value": "12.5", "note": "ok"}).status_code == 201
    assert marsha.get(path).json()["results"][0]["value"] == "12.500000"
    assert CheckIn.objects.get().author == company.cast.marsha
    linked = make_link()
    refused = marsha.post(f"/api/v1/key-results/{linked.key_result_id}/check-ins/", {"value": "1"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "linked")


def test_bw_25_linking_by_api_needs_a_license_like_the_page(api, company, org):
    body = {"connection": org.pk, "report": "00O5e000001AbCd", "field": "s!AMOUNT"}
    answer = api(company.cast.marsha).post(f"/api/v1/key-results/{company.key_result.pk}/link/", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "no_license")
    assert api(company.cast.marsha).get(f"/api/v1/reports/?connection={org.pk}&search=x").status_code == 403


def test_s_074_licenses_by_api_have_the_same_limits(api, company, org):
    org.seats = 1
    org.save()
    olga = api(company.cast.olga)
    grant = {"connection": org.pk, "user": company.cast.jane.pk}
    assert api(company.cast.marsha).post("/api/v1/licenses/", grant).status_code == 403
    assert olga.post("/api/v1/licenses/", grant).status_code == 201
    refused = olga.post("/api/v1/licenses/", grant | {"user": company.cast.ana.pk})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "no_seat_left")
    assert olga.put("/api/v1/licenses/pool/", {"connection": org.pk, "seats": 5}).status_code == 403
    ada = api(company.cast.ada)
    assert ada.put("/api/v1/licenses/pool/", {"connection": org.pk, "seats": 0}).json()["error"]["code"] == "below_use"
    assert ada.put("/api/v1/licenses/pool/", {"connection": org.pk, "seats": 5}).json() == {"used": 1, "total": 5, "free": 4}
    (held,) = api(company.cast.marsha).get(f"/api/v1/licenses/?connection={org.pk}").json()["results"]
    assert held["username"] == "jane"
    assert olga.delete(f"/api/v1/licenses/{held['id']}/").status_code == 204
    assert not License.objects.exists()
    events = olga.get(f"/api/v1/licenses/history/?connection={org.pk}").json()["results"]
    assert [each["event"] for each in events] == ["released", "pool_changed", "granted"]


def test_releasing_many_by_api(api, company, org):
    for person in (company.cast.jane, company.cast.ana):
        License.objects.create(org=org, user=person)
    body = {"connection": org.pk, "users": [company.cast.jane.pk, company.cast.ana.pk]}
    assert api(company.cast.olga).post("/api/v1/licenses/release/", body).json()["used"] == 0


def test_s_076_keys_act_within_their_scopes(company):
    reader, _ = key_client(company.cast.jane, ["okr:read"])
    path = f"/api/v1/key-results/{company.key_result.pk}/"
    assert reader.get(path).status_code == 200
    assert reader.patch(path, {"title": "x"}).status_code == 403
    writer, key = key_client(company.cast.jane, ["okr:read", "okr:write"])
    assert writer.patch(path, {"title": "x"}).status_code == 200
    stranger, _ = key_client(company.cast.jane, ["runs:read"])
    assert stranger.get(path).status_code == 403
    key.revoked = True
    key.save()
    assert writer.get(path).status_code in {401, 403}


def test_anonymous_gets_nothing(company):
    for path in ("objectives/", "key-results/", "departments/", "periods/", "licenses/", "reports/"):
        assert APIClient().get(f"/api/v1/{path}").status_code in {401, 403}


@pytest.mark.parametrize("query", ["page_size=1000000000", "page_size=-1", "page_size=abc", "owner=abc", "owner=99999999999999999999",
                                   "status=nonsense", "period=-1", "ordering=password", "page=99999"])  # fmt: skip
@pytest.mark.parametrize("path", ["objectives", "key-results"])
def test_r_282_silly_parameters_are_capped_or_refused(api, company, path, query):
    assert api(company.cast.jane).get(f"/api/v1/{path}/?{query}").status_code in {200, 400, 404}


def test_departments_and_periods(api, company):
    olga, jane = api(company.cast.olga), api(company.cast.jane)
    assert jane.get("/api/v1/departments/").json()["results"][0]["name"] == "Sales"
    period = {"name": "2027 Q1", "starts_on": "2027-01-01", "ends_on": "2027-03-31"}
    assert jane.post("/api/v1/periods/", period).status_code == 403
    assert olga.post("/api/v1/periods/", period).json()["time_zone"] == "UTC"
    assert olga.post("/api/v1/periods/", period | {"name": "x", "ends_on": "2026-01-01"}).status_code == 409
    assert olga.post("/api/v1/departments/", {"name": "Service"}).status_code == 201


def test_readings_and_activity(api, company, make_link):
    link = make_link()
    link.key_result.readings.create(value=5, source="report", report_name="Pipeline", group_path=link.group_path)
    jane = api(company.cast.jane)
    (reading,) = jane.get(f"/api/v1/key-results/{link.key_result_id}/readings/").json()["results"]
    assert (reading["value"], reading["group_path"][0]["value"]) == ("5.000000", "EMEA")
    assert jane.get(f"/api/v1/key-results/{link.key_result_id}/activity/").json()["count"] == 0
    assert jane.get(f"/api/v1/key-results/{link.key_result_id}/link/").json()["report_name"] == "Pipeline"


def test_bw_d3_unlinking_needs_edit_rights_only(api, company, make_link):
    link = make_link(value=5)
    assert api(company.cast.marsha).delete(f"/api/v1/key-results/{link.key_result_id}/link/").status_code == 204
    after = KeyResult.objects.get(pk=link.key_result_id)
    assert (after.current, hasattr(after, "link")) == (5, False)


def test_the_schema_describes_this_domain_without_warnings(capsys, db):
    from drf_spectacular.drainage import GENERATOR_STATS
    from drf_spectacular.generators import SchemaGenerator

    GENERATOR_STATS.reset()
    schema = SchemaGenerator().get_schema(request=None, public=True)
    said = [line for line in capsys.readouterr().err.splitlines() if "/okr/" in line]
    assert said == []
    for path in ("objectives/", "key-results/{id}/link/", "reports/{id}/preview/", "licenses/pool/"):
        assert f"/api/v1/{path}" in schema["paths"], sorted(schema["paths"])
