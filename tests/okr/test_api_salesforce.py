"""The API's link actions against a running org: search, fields, rows, preview, link, re-point, refresh, unlink."""

import pytest
from rest_framework.test import APIClient

from okr.models import ReportLink


@pytest.fixture
def jane(desk) -> APIClient:
    client = APIClient()
    client.force_login(desk.company.cast.jane)
    return client


def test_bw_28_to_bw_32_the_whole_way_by_api(desk, jane):
    org = desk.org.pk
    (found,) = jane.get(f"/api/v1/reports/?connection={org}&search=open pipeline by stage").json()["results"]
    report = found["id"]
    fields = jane.get(f"/api/v1/reports/{report}/fields/?connection={org}").json()
    assert [each["name"] for each in fields["fields"]] == ["s!AMOUNT", "RowCount"]
    rows = jane.get(f"/api/v1/reports/{report}/groups/?connection={org}").json()["rows"]
    body = {"connection": org, "field": "s!AMOUNT", "group_path": rows[0]["path"]}
    seen = jane.post(f"/api/v1/reports/{report}/preview/", body).json()
    assert seen["broken"] is None
    assert seen["read_as"] in seen["notice"]
    path = f"/api/v1/key-results/{desk.company.key_result.pk}/"
    made = jane.post(f"{path}link/", body | {"report": report})
    assert made.status_code == 201, made.json()
    assert jane.get(path).json()["current"] == seen["value"]["amount"]
    changed = jane.put(f"{path}link/", {"connection": org, "report": report, "field": "RowCount"})
    assert changed.json()["row"] == "Grand total"
    assert jane.post(f"{path}refresh/").json()["pending"] is False
    again = jane.post(f"{path}refresh/")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "refreshed_recently")
    assert jane.get(f"{path}readings/").json()["count"] == 2
    assert jane.delete(f"{path}link/").status_code == 204
    assert not ReportLink.objects.exists()
    assert jane.post(f"{path}refresh/").json()["error"]["code"] == "not_linked"


@pytest.mark.parametrize(
    "change",
    [{"field": ""}, {"connection": 0}, {"group_path": "EMEA"}, {"group_path": [{"value": 1}]}, {"filters": [{"column": "A"}]},
     {"settle_days": 31}, {"unit": "bananas"}, {"report": "x" * 30}],
)  # fmt: skip
def test_s_072_malformed_links_are_400_and_write_nothing(desk, jane, change):
    body = {"connection": desk.org.pk, "report": desk.find("Open pipeline by stage"), "field": "s!AMOUNT"} | change
    answer = jane.post(f"/api/v1/key-results/{desk.company.key_result.pk}/link/", body)
    assert answer.status_code == 400, answer.content
    assert not ReportLink.objects.exists()


def test_bw_35_a_report_without_fields_says_why_by_api(desk, jane):
    report = desk.find("Company overview")
    found = jane.get(f"/api/v1/reports/{report}/fields/?connection={desk.org.pk}").json()
    assert found["fields"] == []
    assert "joined" in found["reason"]


def test_reports_need_a_connection(desk, jane):
    assert jane.get("/api/v1/reports/").status_code == 400
    assert jane.get("/api/v1/reports/?connection=999999").status_code == 400
