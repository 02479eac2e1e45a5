"""The API of engagements and of what is shown: rights, keys, signatures, origins, fields."""

import pytest

from integrations.models import ApiKey, EndUser
from integrations.product.ingest import write_keys
from integrations.product.models import Engagement
from tests.product.engagement_world import NOW, act, ask, make_engagement, make_key, make_people, make_segment, send

pytestmark = pytest.mark.django_db
URL = "/api/v1/engagements/"
SHOP = "https://app.shop.example"


@pytest.fixture
def people(db) -> dict[str, EndUser]:
    return make_people()


@pytest.fixture
def operator(client, cast, people):
    client.force_login(cast.olga)
    return client


def post(client, path: str, body: object = None):
    return client.post(path, body, content_type="application/json")


def test_px_03_written_started_read_and_ended_by_the_api(operator):
    segment = make_segment()
    answer = post(operator, URL, {"name": "News", "title": "Hello", "segment": segment.pk, "frequency": "daily"})
    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert (made["state"], made["kind"], made["segment"], made["counts"]) == (
        "draft", "message", segment.pk, {"shown": 0, "clicked": 0, "dismissed": 0, "answered": 0},
    )  # fmt: skip
    one = f"{URL}{made['id']}/"
    assert operator.patch(one, {"title": "Hi"}, content_type="application/json").json()["title"] == "Hi"
    assert post(operator, f"{one}state/", {"state": "live"}).json()["state_now"] == "live"
    send(operator, make_key(), act(1, made["id"], "jane", "shown"), act(2, made["id"], "jane", "clicked"))
    assert operator.get(one).json()["counts"] == {"shown": 1, "clicked": 1, "dismissed": 0, "answered": 0}
    assert [each["user"] for each in operator.get(f"{one}views/?action=clicked").json()["results"]] == ["jane"]
    assert operator.get(f"{URL}?state=live&q=news").json()["count"] == 1
    assert operator.delete(one).status_code == 409
    assert post(operator, f"{one}state/", {"state": "draft"}).json()["error"]["code"] == "no_such_step"
    assert post(operator, f"{one}state/", {"state": "ended"}).json()["state"] == "ended"
    assert operator.patch(one, {"title": "x"}, content_type="application/json").json()["error"]["code"] == "ended"
    copy = post(operator, f"{one}copy/").json()
    assert (copy["name"], copy["state"]) == ("News (2)", "draft")
    assert operator.delete(f"{URL}{copy['id']}/").status_code == 204
    draft = post(operator, f"{URL}from-template/", {"template": "nps_quarterly"}).json()
    assert (draft["kind"], draft["survey"], draft["template"]) == ("nps", "nps", "nps_quarterly")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"), ({"title": " "}, "title"), ({"kind": "banner"}, "kind"), ({"frequency": "hourly"}, "frequency"),
        ({"segment": 999_999}, "segment"), ({"priority": 101}, "priority"), ({"priority": 10**30}, "priority"), ({"body": "x" * 4001}, "body"),
        ({"button_label": "Go"}, "button_url"), ({"button_url": "/go"}, "button_label"), ({"kind": "guide"}, "button_url"),
        ({"button_label": "Go", "button_url": "javascript:alert(1)"}, "button_url"), ({"title": "{{user.nope}}"}, "title"),
        ({"body": "{{user.name"}, "body"), ({"starts_at": "2027-01-02T00:00:00Z", "ends_at": "2027-01-01T00:00:00Z"}, "ends_at"),
        ({"url_match": "*" * 9}, "url_match"), ({"body": "nul \0"}, "body"),
    ],
)  # fmt: skip
def test_px_03_what_does_not_fit_is_refused_by_field(operator, change, field):
    answer = post(operator, URL, {"name": "News", "title": "Hello"} | change)
    assert answer.status_code == 400, answer.content
    assert field in answer.json()["error"]["fields"]
    assert not Engagement.objects.exists()


def test_s_072_what_is_not_written_by_people_cannot_be_set(operator):
    made = post(
        operator, URL, {"name": "News", "title": "Hello", "state": "live", "id": 77, "created_by": 1, "template": "x"}
    ).json()
    assert (made["state"], made["template"]) == ("draft", "")
    assert made["id"] != 77


def test_px_03_the_preview_saves_nothing(operator):
    answer = post(operator, f"{URL}preview/", {"title": "Hello {{user.name}}", "body": "**x**"})
    assert answer.json()["message"]["title"] == "Hello Jane Doe"
    assert answer.json()["message"]["body"] == [["p", ["strong", "x"]]]
    assert not Engagement.objects.exists()


def test_s_070_analysts_read_members_do_not(client, cast, people):
    make_engagement()
    client.force_login(cast.ana)
    assert client.get(URL).status_code == 200
    assert post(client, URL, {"name": "x", "title": "y"}).status_code == 403
    client.force_login(cast.marsha)
    assert client.get(URL).status_code == 403


def test_s_076_keys_need_the_scope_and_write_keys_only_ask_what_is_shown(client, cast, people):
    made, key = make_engagement(), make_key()
    _, reader = ApiKey.objects.create_key(name="R", owner=cast.olga, scopes=["product:read"])
    header = {"Authorization": f"Api-Key {reader}"}
    assert client.get(URL, headers=header).status_code == 200
    assert client.post(URL, {}, headers=header, content_type="application/json").status_code == 403
    assert client.get("/api/v1/in-app/?user=jane", headers=header).json()["messages"][0]["id"] == made.pk
    write = {"Authorization": f"Write-Key {key.key}"}
    assert client.get("/api/v1/in-app/?user=jane", headers=write).json()["messages"][0]["id"] == made.pk
    assert client.get(URL, headers=write).status_code in (401, 403)
    assert client.get("/api/v1/in-app/?user=jane").status_code == 401
    assert client.get("/api/v1/in-app/?user=jane&key=cwk_wrong").status_code == 401
    write_keys.revoke(key, actor=None, now=NOW)
    assert client.get("/api/v1/in-app/?user=jane", headers=write).status_code == 401


def test_s_080_a_key_that_requires_signatures_shows_nothing_without_the_right_one(client, people):
    make_engagement(title="Hello {{user.name}}")
    key = make_key(require_signature=True)
    secret = write_keys.secret_of(key)
    mine, others = write_keys.sign(secret, "jane", "acme"), write_keys.sign(secret, "jim", "acme")
    for wrong in ("", others, mine[:-1], mine.upper()):
        assert (
            client.get("/api/v1/in-app/", {"key": key.key, "user": "jane", "account": "acme", "signature": wrong}).status_code
            == 403
        )
    assert ask(client, key, "jane", account="acme", signature=mine)[0]["title"] == "Hello Jane Doe"


def test_s_101_only_named_origins_may_read_what_is_shown(client, people):
    make_engagement()
    key = make_key(allowed_origins=[SHOP])
    path = f"/api/v1/in-app/?key={key.key}&user=jane"
    answer = client.get(path, headers={"Origin": SHOP})
    assert answer["Access-Control-Allow-Origin"] == SHOP
    assert "Access-Control-Allow-Credentials" not in answer
    for origin in ("https://evil.example", "null"):
        refused = client.get(path, headers={"Origin": origin})
        assert refused.status_code == 403
        assert "Access-Control-Allow-Origin" not in refused


@pytest.mark.parametrize(("name", "value"), [("user", ""), ("user", "x" * 256), ("account", "x" * 256), ("url", "x" * 2001)])
def test_px_03_a_question_that_makes_no_sense_names_its_field(client, people, name, value):
    given = {"key": make_key().key, "user": "jane"} | {name: value}
    answer = client.get("/api/v1/in-app/", given)
    assert answer.status_code == 400
    assert name in answer.json()["error"]["fields"]


def test_px_03_what_uses_an_archived_segment_goes_on_and_nothing_new_begins_with_it(operator):
    segment = make_segment()
    made = make_engagement(segment=segment)
    segment.archived_at = NOW
    segment.save()
    one = f"{URL}{made.pk}/"
    assert post(operator, f"{one}state/", {"state": "paused"}).status_code == 200
    changed = operator.patch(one, {"title": "Other", "segment": segment.pk}, content_type="application/json")
    assert changed.json()["title"] == "Other"
    assert post(operator, f"{one}state/", {"state": "live"}).json()["state"] == "live"
    refused = post(operator, URL, {"name": "New", "title": "New", "segment": segment.pk})
    assert "archived" in refused.json()["error"]["fields"]["segment"][0]
