"""`/api/v1/events/` and `/api/v1/nps/` over HTTP: who may send, what is refused and how, CORS, throttles, sizes."""

import json
import time
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from integrations.api_keys import create_key
from integrations.models import AuditEntry, EndUser
from integrations.product.api import browsers
from integrations.product.ingest import accept as accepting
from integrations.product.ingest import listeners, write_keys
from integrations.product.models import EventBatch, IngestDay, WriteKey
from tests.effort import at_most
from tests.product.sending import DAY, flush, post, stored, text_of, track

pytestmark = pytest.mark.django_db
PAGE = "https://app.acme.example"


@pytest.fixture
def server(cast) -> str:
    """An API key that may send and read."""
    _, secret = create_key(owner=cast.olga, name="server", scopes=["events:read", "events:write"], expires=None)
    return f"Api-Key {secret}"


@pytest.fixture
def write_key(now) -> WriteKey:
    return write_keys.create_write_key(name="Web", allowed_origins=[PAGE], actor=None, now=now)[0]


def rejected(answer) -> list[tuple[int, str, str]]:
    return [(each["index"], each["field"], each["code"]) for each in answer.json()["rejected"]]


def test_a_batch_is_taken_and_good_events_stay_although_others_are_wrong(server):
    answer = post(
        {"batch": [track("a"), track("", user="u"), {"id": "c", "type": "jump", "user": "u"}, track("d")]}, key=server
    )
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 2
    assert rejected(answer) == [(1, "id", "required"), (2, "type", "invalid")]
    flush()
    assert stored() == [("a",), ("d",)]


@pytest.mark.parametrize("body", [track("a"), [track("a")], {"batch": [track("a")]}])
def test_a_single_object_a_list_and_a_batch_are_the_same(server, body):
    assert post(body, key=server).json() == {"accepted": 1, "quarantined": [], "rejected": []}
    assert EventBatch.objects.count() == 1


WRONG = [
    (track("e", user=None), "user", "required"),
    (track(None), "id", "required"),
    (track("  "), "id", "blank"),
    (track("e" * 101), "id", "too_long"),
    (track(["e"]), "id", "not_text"),
    (track(True), "id", "not_text"),
    (track("e", event=""), "event", "required"),
    (track("e", event="x" * 201), "event", "too_long"),
    (track("e", user="a\0b"), "user", "invalid"),
    (track("e", user="half \ud800"), "user", "invalid"),
    (track("e", account="x" * 256), "account", "too_long"),
    (track("e", at="2026-10-05T08:00:00"), "at", "invalid"),
    (track("e", at="yesterday"), "at", "invalid"),
    (track("e", at=1730000000), "at", "invalid"),
    (track("e", at="2026-02-30T08:00:00Z"), "at", "invalid"),
    (track("e", at="0001-01-01T00:00:00+14:00"), "at", "invalid"),
    (track("e", properties=[1]), "properties", "not_an_object"),
    (track("e", properties={f"p{n}": n for n in range(101)}), "properties", "too_many"),
    (track("e", properties={"a": "x", "long": "y" * 17_000}), "properties.long", "too_long"),
    (track("e", properties={"n" * 101: 1}), "properties." + "n" * 40, "too_long"),
    (track("e", properties={"a": ["b", {"c": "d\0"}]}), "properties", "invalid"),
    (track("e", properties={"a": "half \ud800"}), "properties", "invalid"),
    (track("e", automatic="yes"), "automatic", "invalid"),
    (track("e", traits={"a": 1}), "traits", "misplaced"),
    (track("e", acount="x"), "acount", "unknown_field"),
    ({"id": "e", "type": ["track"], "user": "u"}, "type", "invalid"),
    ({"id": "e", "type": "identify"}, "user", "required"),
    ({"id": "e", "type": "identify", "account": "a"}, "user", "required"),
    ({"id": "e", "type": "group", "user": "u"}, "account", "required"),
    ({"id": "e", "type": "page", "account": "a"}, "user", "required"),
    ({"id": "e", "type": "identify", "user": "u", "traits": [1]}, "traits", "not_an_object"),
    ({"id": "e", "type": "identify", "user": "u", "traits": {"a b": 1}}, "traits.a b", "invalid"),
    ({"id": "e", "type": "identify", "user": "u", "traits": {"a": {"b": 1}}}, "traits.a", "invalid"),
    ({"id": "e", "type": "identify", "user": "u", "traits": {"a": 10**26}}, "traits.a", "invalid"),
    ({"id": "e", "type": "identify", "user": "u", "traits": {"email": "x" * 255}}, "traits.email", "too_long"),
    ({"id": "e", "type": "identify", "user": "u", "traits": {"name": 7}}, "traits.name", "not_text"),
    ({"id": "e", "type": "nps", "user": "u", "properties": {"score": 11}}, "properties.score", "invalid"),
    ({"id": "e", "type": "nps", "user": "u", "properties": {"score": -1}}, "properties.score", "invalid"),
    ({"id": "e", "type": "nps", "user": "u", "properties": {"score": 7.5}}, "properties.score", "invalid"),
    ({"id": "e", "type": "nps", "user": "u", "properties": {"score": "9"}}, "properties.score", "invalid"),
    ({"id": "e", "type": "nps", "user": "u", "properties": {"score": True}}, "properties.score", "invalid"),
    ({"id": "e", "type": "nps", "user": "u"}, "properties.score", "invalid"),
    ({"id": "e", "type": "nps", "user": "u", "properties": {"score": 5, "comment": "x" * 4001}}, "properties.comment", "too_long"),
    ({"id": "e", "type": "engagement", "user": "u", "properties": {"action": "shown"}}, "properties.engagement", "required"),
    ({"id": "e", "type": "engagement", "user": "u", "properties": {"engagement": 1, "action": "seen"}}, "properties.action", "invalid"),
    ("e", "event", "not_an_object"),
    (None, "event", "not_an_object"),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "field", "code"), WRONG)
def test_what_does_not_fit_is_refused_by_index_and_field(server, raw, field, code):
    answer = post(json.dumps({"batch": [track("good"), raw]}), key=server)
    assert answer.status_code == 202
    assert rejected(answer) == [(1, field, code)]
    flush()
    assert stored() == [("good",)]


def test_when_none_can_be_taken_the_answer_is_400_and_the_day_counts_it(server, now):
    answer = post({"batch": [track("e", user=None), 5]}, key=server)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid"
    assert [each[0] for each in rejected(answer)] == [0, 1]
    assert IngestDay.objects.get().rejected == 2


@pytest.mark.parametrize(
    "body",
    ["", "{", "nonsense", '{"batch": NaN}', '[{"id": "a", "properties": {"x": Infinity}}]', "[" * 100_000, b"\xff\xfe", "9" * 5000],
    ids=range(8),
)  # fmt: skip
def test_a_body_that_is_no_json_is_refused(server, body):
    answer = post(body, key=server)
    assert answer.status_code == 400
    assert "error" in answer.json()
    assert not EventBatch.objects.exists()


@pytest.mark.parametrize(
    "body", [{"batch": []}, {"batch": {}}, [], {"batch": [1], "batches": []}, {"batch": [1], "sent_at": "x"}]
)
def test_a_body_of_another_shape_names_the_field(server, body):
    answer = post(body, key=server)
    assert answer.status_code == 400
    assert answer.json()["error"]["fields"]


def test_numbers_beyond_every_range_are_refused_not_stored_as_infinity(server):
    answer = post('[{"id": "e", "type": "track", "event": "x", "user": "u", "properties": {"a": 1e400}}]', key=server)
    assert rejected(answer) == [(0, "properties", "invalid")]


def test_a_batch_and_a_body_have_an_end(server):
    most = [track(f"e{n}") for n in range(1000)]
    assert post({"batch": most}, key=server).status_code == 202
    answer = post({"batch": [*most, track("one more")]}, key=server)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_many")
    answer = post({"batch": [track("e", properties={"a": "x" * 1024 * 1024})]}, key=server)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_s_084_a_body_of_50_mb_is_refused_before_it_is_read(server):
    with at_most(1):
        answer = Client().post(
            "/api/v1/events/", data=b"x" * 100, content_type="application/json", headers={"Authorization": server},
            CONTENT_LENGTH=str(50 * 1024 * 1024),
        )  # fmt: skip
    assert answer.status_code == 413


def test_only_keys_with_the_scope_and_operators_send(cast):
    assert post(track("e")).status_code == 401
    assert post(track("e"), key="Api-Key wrong.key").status_code == 401
    _, reading = create_key(owner=cast.olga, name="r", scopes=["events:read", "customers:write"], expires=None)
    _, small = create_key(owner=cast.jane, name="j", scopes=["events:write"], expires=None)
    assert post(track("e"), key=f"Api-Key {reading}").status_code == 403
    assert post(track("e"), key=f"Api-Key {small}").status_code == 403
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.ada)
    assert post(track("e"), client=client).status_code == 403
    assert not EventBatch.objects.exists()


def test_a_write_key_sends_from_its_pages_and_does_nothing_else(write_key, server):
    key = f"Write-Key {write_key.key}"
    answer = post(track("e"), key=key, Origin=PAGE)
    assert answer.status_code == 202
    assert answer["Access-Control-Allow-Origin"] == PAGE
    assert "Access-Control-Allow-Credentials" not in answer
    assert post(track("f"), key=key).status_code == 202  # an app has no origin
    assert post(track("g"), key=key, Origin="http://localhost:8000").status_code == 202  # our own pages
    client = Client(headers={"Authorization": key})
    for url in ("/api/v1/events/", "/api/v1/nps/", "/api/v1/customers/", "/api/v1/runs/", "/api/v1/connections/"):
        assert client.get(url).status_code in (401, 403), url
    assert EventBatch.objects.filter(write_key=write_key).count() == 3


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", f"{PAGE}.evil.example", "https://acme.example", f"{PAGE}:8443"]
)
def test_s_101_other_origins_get_no_answer_that_they_can_read(write_key, origin):
    answer = post(track("e"), key=f"Write-Key {write_key.key}", Origin=origin)
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer
    preflight = Client().options("/api/v1/events/", headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
    assert "Access-Control-Allow-Origin" not in preflight
    assert not EventBatch.objects.exists()


def test_a_preflight_is_answered_for_known_origins_without_a_key(write_key):
    headers = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    answer = Client().options("/api/v1/events/", headers=headers)
    assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (204, PAGE)
    assert "Authorization" in answer["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer
    assert "Origin" in answer["Vary"]


def test_an_api_key_is_not_for_browsers(server):
    assert "Access-Control-Allow-Origin" not in post(track("e"), key=server, Origin=PAGE)


def test_send_beacon_works_with_the_key_in_the_address_and_plain_text(write_key):
    url = f"/api/v1/events/?key={write_key.key}"
    answer = Client().post(
        url, data=json.dumps([track("e")]), content_type="text/plain;charset=UTF-8", headers={"Origin": PAGE}
    )
    assert answer.status_code == 202


def test_a_revoked_key_is_refused_at_once(write_key, cast, now):
    key = f"Write-Key {write_key.key}"
    assert post(track("e"), key=key).status_code == 202
    assert write_keys.revoke(write_key, actor=cast.olga, now=now)
    assert not write_keys.revoke(write_key, actor=cast.olga, now=now)
    answer = post(track("f"), key=key)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Api-Key")
    assert post(track("g"), key="Write-Key cwk_nobody").status_code == 401
    assert AuditEntry.objects.filter(action="write_key.revoked").count() == 1


def test_s_080_a_key_that_needs_signatures_takes_only_signed_users(now):
    key, secret = write_keys.create_write_key(name="App", require_signature=True, actor=None, now=now)
    signed = write_keys.sign(secret, "u1")
    batch = [
        track("good", signature=signed), track("none"), track("other", user="u2", signature=signed),
        track("account", account="acme", signature=signed), track("upper", signature=signed.upper()),
        track("acme", account="acme", signature=write_keys.sign(secret, "u1", "acme")), track("odd", signature="é"),
    ]  # fmt: skip
    answer = post({"batch": batch}, key=f"Write-Key {key.key}")
    assert answer.json()["accepted"] == 2
    assert rejected(answer) == [(n, "signature", "invalid") for n in (1, 2, 3, 4, 6)]
    assert post({"batch": [track("two")], "signature": signed}, key=f"Write-Key {key.key}").status_code == 202
    write_keys.new_secret(key, actor=None)
    assert post({"batch": [track("three")], "signature": signed}, key=f"Write-Key {key.key}").status_code == 400


def test_a_signing_secret_is_stored_encrypted(now):
    key, secret = write_keys.create_write_key(name="App", actor=None, now=now)
    key.refresh_from_db()
    assert secret.encode() not in bytes(key.secret)
    assert write_keys.secret_of(key) == secret


@pytest.mark.parametrize(
    ("given", "read"),
    [("https://App.Acme.example/", "https://app.acme.example"), ("http://localhost:3000", "http://localhost:3000"),
     ("https://a.example:443", "https://a.example"), ("*", "*"), ("http://[::1]:80", "http://[::1]")],
)  # fmt: skip
def test_origins_are_kept_as_browsers_send_them(given, read):
    assert write_keys.read_origin(given) == read


@pytest.mark.parametrize("given", ["app.acme.example", "https://", "ftp://a.example", "https://a.example/path", "https://u@a.example",
                                   "javascript:alert(1)", "https://a.example:99999", "https://a.example?x", "null"])  # fmt: skip
def test_what_is_no_origin_is_refused_with_the_fix(given):
    with pytest.raises(write_keys.Refusal, match=r"https://app\.example\.com"):
        write_keys.read_origin(given)


def test_s_096_one_key_is_throttled_with_retry_after_and_others_are_not(write_key, server, monkeypatch):
    monkeypatch.setattr(browsers, "PER_ADDRESS", 3)
    key = f"Write-Key {write_key.key}"
    codes = [post(track(f"e{n}"), key=key).status_code for n in range(4)]
    assert codes == [202, 202, 202, 429]
    answer = post(track("x"), key=key, Origin=PAGE)
    assert answer["Access-Control-Allow-Origin"] == PAGE  # so that the page can read when to try again
    assert 0 < int(answer["Retry-After"]) <= 60
    assert Client().post(
        "/api/v1/events/", data=track("y"), content_type="application/json", headers={"Authorization": key}, REMOTE_ADDR="10.1.1.1"
    ).status_code == 202  # fmt: skip
    assert post(track("z"), key=server).status_code == 202


def test_a_full_buffer_answers_503_with_retry_after_and_keeps_what_it_has(server, monkeypatch):
    assert post(track("e"), key=server).status_code == 202
    monkeypatch.setattr(accepting, "BUFFER_BYTES", 10)
    answer = post(track("f"), key=server)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "buffer_full")
    assert int(answer["Retry-After"]) > 0
    assert EventBatch.objects.count() == 1
    flush()
    assert post(track("f"), key=server).status_code == 202


def test_a_wrong_clock_is_corrected_by_the_time_of_sending(server, now):
    wrong = timedelta(hours=3)
    body = {"batch": [track("e", at=text_of(now - timedelta(minutes=10) + wrong))], "sent_at": text_of(now + wrong)}
    assert post(body, key=server).json()["accepted"] == 1
    body = {"batch": [track("f", at=text_of(now - timedelta(minutes=10)))], "sent_at": text_of(now - timedelta(seconds=20))}
    assert post(body, key=server).json()["accepted"] == 1
    flush()
    [(first,), (second,)] = stored('"at"')
    assert abs(first - (now - timedelta(minutes=10))) < timedelta(seconds=30)
    assert abs(second - (now - timedelta(minutes=10))) < timedelta(milliseconds=2)


def test_r_239_the_answer_says_what_was_put_aside(server):
    answer = post([track("a", at="1970-01-01T00:00:00Z"), track("b")], key=server)
    assert answer.json()["accepted"] == 1
    assert [(each["index"], each["code"]) for each in answer.json()["quarantined"]] == [(0, "too_old")]


def test_engagement_events_are_told_at_once_and_only_the_shown_ones_are_automatic(server, monkeypatch):
    told = []
    monkeypatch.setattr(listeners, "on_engagement", [told.extend])
    events = [
        {"id": action, "type": "engagement", "user": "u1", "properties": {"engagement": 7, "action": action}}
        for action in ("shown", "clicked", "dismissed", "answered")
    ]
    assert post(events, key=server).json()["accepted"] == 4
    assert [(each[0], each[1], each[2]) for each in told] == [("7", "u1", e["id"]) for e in events]
    flush()
    assert stored("event_id, automatic") == [("answered", False), ("clicked", False), ("dismissed", False), ("shown", True)]


def test_a_listener_that_fails_takes_the_batch_with_it(server, monkeypatch):
    """Otherwise the view would be lost, although the sender was told that it was taken."""

    def fail(_seen):
        raise RuntimeError

    monkeypatch.setattr(listeners, "on_engagement", [fail])
    event = {"id": "s", "type": "engagement", "user": "u1", "properties": {"engagement": "7", "action": "shown"}}
    client = Client(raise_request_exception=False)
    assert post(event, key=server, client=client).status_code == 500
    assert not EventBatch.objects.exists()


def test_nps_answers_come_in_and_are_listed(server, now, engine_name):
    url = "/api/v1/nps/"
    given = [
        {
            "id": "n1",
            "user": "u1",
            "account": "acme",
            "score": 9,
            "survey": "spring",
            "comment": "Good",
            "at": text_of(now - DAY),
        },
        {"id": "n2", "user": "u2", "account": "acme", "score": 0},
        {"id": "n3", "user": "u3", "account": "other", "score": 7, "survey": "spring"},
    ]
    assert post({"batch": given}, key=server, url=url).json()["accepted"] == 3
    assert post(given[0], key=server, url=url).status_code == 202
    answer = post({"id": "n4", "user": "u", "score": 10.5}, key=server, url=url)
    assert rejected(answer) == [(0, "properties.score", "invalid")]
    assert rejected(post({"id": "n4", "user": "u", "scores": 10}, key=server, url=url)) == [(0, "scores", "unknown_field")]
    flush()
    client = Client(headers={"Authorization": server})
    everything = client.get(url).json()
    assert everything["count"] == 3
    assert everything["results"][-1] == {
        "id": "n1", "at": text_of((now - DAY).replace(microsecond=(now.microsecond // 1000) * 1000))[:23] + "Z",
        "customer": "acme", "user": "u1", "survey": "spring", "score": 9, "comment": "Good",
    }  # fmt: skip

    def ids(query: str) -> list[str]:
        return sorted(each["id"] for each in client.get(f"{url}?{query}").json()["results"])

    assert ids("customer=acme") == ["n1", "n2"]
    assert ids("survey=spring&customer=other") == ["n3"]
    assert ids("user=u2") == ["n2"]
    assert ids(f"until={(now - DAY).date()}") == ["n1"]
    assert ids("customer=nobody") == ids("page=7") == ids("survey=' OR 1=1 --") == []
    assert client.get(f"{url}?since=soon").status_code == 400


def test_nps_answers_are_events_too_and_keep_their_survey(server):
    post({"id": "n1", "user": "u1", "score": 10.0}, key=server, url="/api/v1/nps/")
    flush()
    assert stored("name, automatic") == [("nps", False)]
    assert EndUser.objects.get().external_id == "u1"


def test_stored_events_are_listed_newest_first(server, now, engine_name):
    at = [text_of(now - n * DAY) for n in range(3)]
    given = [track("a", at=at[0], account="acme", properties={"n": [1, None]}), track("b", at=at[1], event="Saved"),
             track("c", user="u2", at=at[2], account="acme")]  # fmt: skip
    post({"batch": given}, key=server)
    client = Client(headers={"Authorization": server})
    assert client.get("/api/v1/events/").json() == {"count": 0, "page": 1, "results": []}
    flush()
    answer = client.get("/api/v1/events/").json()
    assert [each["id"] for each in answer["results"]] == ["a", "b", "c"]
    assert answer["results"][0] | {"at": ""} == {
        "id": "a", "at": "", "customer": "acme", "user": "u1", "event": "Opened", "automatic": False, "properties": {"n": [1, None]},
    }  # fmt: skip

    def ids(query: str) -> list[str]:
        return [each["id"] for each in client.get(f"/api/v1/events/?{query}").json()["results"]]

    assert ids("event=Saved") == ["b"]
    assert ids("user=u2") == ["c"]
    assert ids(f"customer=acme&since={(now - DAY).date()}") == ["a", "b"]
    assert ids("event=' OR true --") == []


def test_whole_numbers_are_fine_as_ids(server):
    assert post(track(17, user=4711, account=5), key=server).json()["accepted"] == 1
    flush()
    assert stored() == [("17",)]
    assert EndUser.objects.get().external_id == "4711"


def test_checking_500_events_takes_milliseconds():
    now = timezone.now()
    batch = [track(f"e{n}", account="acme", at=text_of(now), properties={"page": "/x", "n": n}) for n in range(500)]
    begin = time.process_time()
    accepting.accept_events(batch, now=now)
    assert time.process_time() - begin < 0.2
