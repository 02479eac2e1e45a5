"""The mirror over the API and in the back office: what is there, how fresh, its rows, and backfills."""

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from integrations.models import Backfill, MirrorObject, MirrorSettings, Run
from tests.mirror.reads import ACCOUNT, mirror, read, rows, truth

pytestmark = pytest.mark.django_db


@pytest.fixture
def mirrored(connected_org, need):
    need(Account=ACCOUNT, Contact=("LastName", "Email", "Phone"))
    read(connected_org)
    return connected_org


def api(person) -> APIClient:
    client = APIClient()
    client.force_authenticate(person)
    return client


def test_objects_with_freshness_parity_and_fields(mirrored, cast):
    client = api(cast.ada)
    listed = client.get("/api/v1/mirror/objects/").json()
    assert [each["name"] for each in listed["results"]] == ["Account", "Contact"]
    account = listed["results"][0]
    assert account["freshness"]["state"] == "fresh"
    assert account["freshness"]["age_seconds"] < 60
    assert account["parity"]["equal"] is None
    assert account["rows"] == len(rows(mirrored))
    detail = client.get(f"/api/v1/mirror/objects/{account['id']}/").json()
    assert {"name": "Website", "type": "url"}.items() <= next(
        f for f in detail["fields_mirrored"] if f["name"] == "Website"
    ).items()
    assert client.get("/api/v1/mirror/objects/?name=contact&state=active").json()["count"] == 1
    assert client.get("/api/v1/mirror/objects/?org=999&state=nonsense").json()["count"] == 0


def test_rows_by_id_and_a_sample(mirrored, cast):
    client, item = api(cast.ada), mirror(mirrored)
    sample = client.get(f"/api/v1/mirror/objects/{item.pk}/rows/?limit=3&fields=Name").json()
    assert len(sample) == 3
    key = next(iter(rows(mirrored)))
    found = client.get(f"/api/v1/mirror/objects/{item.pk}/rows/?ids={key[:15]}&fields=Id,Name").json()
    assert found == [{"Id": key, "Name": rows(mirrored)[key]["Name"]}]
    assert len(client.get(f"/api/v1/mirror/objects/{item.pk}/rows/?limit=999999999999").json()) == 20
    assert len(client.get(f"/api/v1/mirror/objects/{item.pk}/rows/?limit=5000").json()) <= 200


@pytest.mark.parametrize(
    "query", ["ids=nonsense", "ids=' OR 1=1", "fields=Nothing__c", "ids=" + ",".join(["001000000000001AAA"] * 201)]
)
def test_bad_questions_are_400_with_the_field(mirrored, cast, query):
    answer = api(cast.ada).get(f"/api/v1/mirror/objects/{mirror(mirrored).pk}/rows/?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["fields"].keys() == {query.partition("=")[0]}


def test_s_115_analysts_see_no_people_in_rows(mirrored, cast):
    item = mirror(mirrored, "Contact")
    path = f"/api/v1/mirror/objects/{item.pk}/rows/?limit=5"
    shown = api(cast.ada).get(path).json()
    hidden = api(cast.ana).get(path).json()
    for full, masked in zip(shown, hidden, strict=True):
        assert masked["Id"] == full["Id"]
        assert masked["LastName"] != full["LastName"]
        assert full["Email"] is None or masked["Email"] != full["Email"]


def test_roles(mirrored, cast):
    item = mirror(mirrored)
    assert api(cast.marsha).get("/api/v1/mirror/objects/").status_code == 403
    assert api(cast.ana).post(f"/api/v1/mirror/objects/{item.pk}/pause/").status_code == 403
    assert api(cast.ana).post("/api/v1/mirror/backfills/", {"object": item.pk}, format="json").status_code == 403


def test_pause_and_resume_reading(mirrored, cast):
    client, item = api(cast.ada), mirror(mirrored)
    assert client.post(f"/api/v1/mirror/objects/{item.pk}/pause/").json()["state"] == "paused"
    before = mirror(mirrored).read_at
    read(mirrored)
    assert mirror(mirrored).read_at == before
    assert client.post(f"/api/v1/mirror/objects/{item.pk}/pause/").status_code == 409
    assert client.post(f"/api/v1/mirror/objects/{item.pk}/resume/").json()["state"] == "active"
    read(mirrored)
    assert mirror(mirrored).read_at > before


def test_read_now(mirrored, cast):
    answer = api(cast.ada).post(f"/api/v1/mirror/objects/{mirror(mirrored).pk}/read/")
    assert answer.status_code == 202
    run = Run.objects.get(pk=answer.json()["id"])
    assert (run.job, run.arguments, run.state) == ("mirror.read", {"objects": ["Account"]}, "success")


def test_a_backfill_from_estimate_to_done(mirrored, cast):
    client, item = api(cast.ada), mirror(mirrored)
    answer = client.post("/api/v1/mirror/backfills/", {"object": item.pk}, format="json")
    assert answer.status_code == 201
    made = answer.json()
    assert (made["state"], made["object_name"]) == ("estimated", "Account")
    assert made["estimated_rows"] > 0
    assert client.post(f"/api/v1/mirror/backfills/{made['id']}/pause/").status_code == 409
    assert client.post(f"/api/v1/mirror/backfills/{made['id']}/start/").json()["state"] == "done"
    assert rows(mirrored).keys() == truth(mirrored, "Name").keys()
    assert client.get("/api/v1/mirror/backfills/?state=done").json()["count"] == 1


def test_a_backfill_can_be_cancelled_before_it_starts(mirrored, cast):
    client = api(cast.ada)
    made = client.post("/api/v1/mirror/backfills/", {"object": mirror(mirrored).pk}, format="json").json()
    assert client.post(f"/api/v1/mirror/backfills/{made['id']}/cancel/").json()["state"] == "cancelled"
    assert client.post(f"/api/v1/mirror/backfills/{made['id']}/resume/").status_code == 409


def test_a_refused_backfill_names_the_reason(mirrored, cast):
    body = {"object": mirror(mirrored).pk, "only_fields": ["Fax"]}
    answer = api(cast.ada).post("/api/v1/mirror/backfills/", body, format="json")
    assert answer.status_code == 409
    assert answer.json()["error"] == {"code": "unknown_field", "message": "Account.Fax is not mirrored."}


def test_settings_of_a_connection(mirrored, cast):
    client, path = api(cast.ada), f"/api/v1/mirror/settings/{mirrored.pk}/"
    assert client.get(path).json() == {"org": mirrored.pk, "first_months": None, "overlap_minutes": 10, "job_minutes": 120}
    assert client.patch(path, {"overlap_minutes": 5}, format="json").status_code == 400
    assert client.patch(path, {"overlap_minutes": 30, "org": 99}, format="json").json()["overlap_minutes"] == 30
    assert MirrorSettings.objects.get().org == mirrored


def test_the_back_office_shows_the_mirror(mirrored, cast, client):
    client.force_login(cast.ada)
    Backfill.objects.create(object=mirror(mirrored), requested_at=timezone.now())
    item = MirrorObject.objects.first()
    for name in ("mirrorobject", "backfill", "mirrorsettings", "drift", "recordmerge"):
        assert client.get(f"/admin/integrations/{name}/").status_code == 200
    assert client.get(f"/admin/integrations/mirrorobject/{item.pk}/change/").status_code == 200
