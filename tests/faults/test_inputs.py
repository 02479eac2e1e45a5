"""What strangers may type: odd numbers, huge texts, templates, extra fields, guesses, forms sent twice."""

import io
import re
import time
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.core.handlers.wsgi import WSGIRequest
from django.test import Client
from django.utils.html import escape

from integrations.models import ApiKey, AuditEntry, Run, SalesforceOrg
from okr.models import Objective, Period
from project.logs import without_secrets
from tests.effort import at_most
from tests.faults.house import contents, crawl, every_address, furnish_okr, furnish_run

pytestmark = pytest.mark.django_db
ODD = ["99999999999999999999999", "-1", "²", "٣", "abc", "\0", "%00", "1e9", "1 OR 1=1", "' OR ''='", "[]", "{}", "\ud83d", "x" * 50_000, "../../etc/passwd"]  # fmt: skip
LISTS = ["/runs/", "/okr/", "/okr/licenses/", "/connections/", "/api/v1/runs/", "/api/v1/objectives/", "/api/v1/key-results/",
         "/api/v1/connections/", "/api/v1/departments/", "/api/v1/periods/", "/api/v1/licenses/"]  # fmt: skip
WORDS = ["page", "page_size", "ordering", "state", "org", "job", "number", "domain", "outcome", "code", "period", "department",
         "owner", "search", "q", "connection", "status", "objective"]  # fmt: skip


@pytest.fixture(autouse=True)
def _clean_cache():
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def org() -> SalesforceOrg:
    return SalesforceOrg.objects.create(name="Acme", login_url="https://acme.my.salesforce.com", state="connected")


def timed(client, path, given):
    began = time.monotonic()
    return client.get(path, query_params=given), time.monotonic() - began


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_r_282_s_041_odd_values_in_every_filter_are_answered_quickly(client, cast, value, monkeypatch):
    from integrations.api.access import PerKeyThrottle

    monkeypatch.setattr(PerKeyThrottle, "THROTTLE_RATES", {"api": "100000/min"})
    run = furnish_run(None)
    client.force_login(cast.ada)
    value = value.encode("utf-8", "surrogatepass").decode("latin-1") if "\ud83d" in value else value
    for path in [
        *LISTS,
        f"/runs/{run.pk}/",
        f"/runs/{run.pk}/rows.csv",
        f"/api/v1/runs/{run.pk}/rows/",
    ]:
        for word in WORDS:
            answer, seconds = timed(client, path, {word: value})
            assert answer.status_code in (200, 400, 404), f"{answer.status_code} {path} {word}"
            assert seconds < 1 or timed(client, path, {word: value})[1] < 1, f"{path} {word}"


@pytest.mark.parametrize("word", ["org", "number", "page", "job"])
def test_r_282_a_superscript_is_no_number(client, cast, word):
    client.force_login(cast.ada)
    assert client.get("/runs/", query_params={word: "²"}).status_code == 200
    assert client.get("/api/v1/runs/", query_params={word: "²"}).status_code in (200, 404)


def test_s_092_nul_in_an_address_is_a_bad_request(client, cast):
    client.force_login(cast.ada)
    assert client.get("/okr/?search=%00").status_code == 400
    answer = client.get("/api/v1/objectives/?search=a%00b")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


@pytest.mark.parametrize("value", ["", "abc", "999999", "99999999999999999999999", "\0", "²"])
def test_r_282_starting_a_run_for_nonsense_is_404(client, cast, org, value):
    client.force_login(cast.olga)
    assert client.post("/runs/start/", {"org": value, "job": "okr.refresh"}).status_code == 404
    assert client.post("/runs/start/", {"org": org.pk, "job": value}).status_code == 404
    answer = client.post("/api/v1/runs/", {"org": value, "job": value}, content_type="application/json")
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "text",
    ["(a+)+$" * 8_000 + "a" * 2_000, "password=" * 6_000, "a" * 50_000 + "@", "Bearer " + " " * 50_000, "+" + "1 " * 25_000],
)
def test_s_041_our_own_patterns_take_50_000_characters_within_a_second(text):
    from integrations.masking import hide_people
    from integrations.salesforce.hosts import HostRefused, normalize_login_url

    with at_most(1):
        without_secrets(text)
        hide_people(text)
        with pytest.raises(HostRefused):
            normalize_login_url(text)


@pytest.mark.parametrize(
    "text", ["{{7*7}}", "{% debug %}", "__import__('os').system('id')", "{0.__class__}", "${7*7}", "%(x)s %s %d"]
)
def test_s_038_texts_that_look_like_programs_are_texts(client, cast, org, text, now):
    client.force_login(cast.ada)
    period = Period.objects.create(name="Now", starts_on=now.date(), ends_on=now.date() + timedelta(days=90))
    objective = Objective.objects.create(title=text, owner=cast.jane, period=period)
    org.name = text
    org.state_reason = text
    org.save()
    run = furnish_run(org, label=text, message=text, code=text[:80], key=text)
    for path in (
        "/okr/",
        f"/okr/objectives/{objective.pk}/",
        "/connections/",
        f"/connections/{org.pk}/",
        f"/runs/{run.pk}/",
        "/runs/",
        "/",
    ):
        page = client.get(path).content.decode()
        assert "<class" not in page
        assert "uid=" not in page
        assert not re.search(r">\s*49\s*<", page)
    assert escape(text) in client.get(f"/runs/{run.pk}/").content.decode()
    assert escape(text) in client.get(f"/okr/objectives/{objective.pk}/").content.decode()
    rows = client.get(f"/api/v1/runs/{run.pk}/rows/").json()["results"]
    assert (rows[0]["label"], rows[0]["message"]) == (text, text)


def test_s_072_extra_fields_of_a_run_are_ignored(client, cast, org):
    client.force_login(cast.olga)
    given = {
        "job": "okr.refresh",
        "org": org.pk,
        "state": "success",
        "id": 77,
        "requested_by": cast.ada.pk,
        "trigger": "schedule",
        "calls": 9,
    }
    answer = client.post("/api/v1/runs/", given, content_type="application/json")
    assert answer.status_code == 202
    run = Run.objects.get()
    assert run.pk != 77
    assert (run.requested_by, run.trigger, run.domain) == (cast.olga, "api", "okr")
    assert run.calls == 0
    for method in (client.put, client.patch, client.delete):
        assert method(f"/api/v1/runs/{run.pk}/", {"state": "failed"}, content_type="application/json").status_code == 405


def test_r_283_run_now_sent_twice_is_one_run(client, cast, org, monkeypatch, settings):
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "sync": False}
    monkeypatch.setattr("integrations.sync.runs.async_task", lambda *args, **options: None)
    client.force_login(cast.olga)
    places = {client.post("/runs/start/", {"org": org.pk, "job": "okr.refresh"})["Location"] for _ in range(2)}
    assert len(places) == Run.objects.count() == 1


def test_s_056_guessing_api_keys_ends_after_ten(client, cast):
    _, right = ApiKey.objects.create_key(name="Right", owner=cast.ada, scopes=["runs:read"])
    prefix = right.partition(".")[0]
    answers = [client.get("/api/v1/runs/", headers={"Authorization": f"Api-Key {prefix}.{n}"}) for n in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert len({answer.content for answer in answers[:10]}) == 1, "the same text whatever was wrong"
    assert int(answers[-1]["Retry-After"]) > 0
    assert client.get("/api/v1/runs/", headers={"Authorization": f"Api-Key {right}"}).status_code == 429, (
        "the guesser's address waits"
    )
    elsewhere = Client(REMOTE_ADDR="10.9.9.9")
    assert elsewhere.get("/api/v1/runs/", headers={"Authorization": f"Api-Key {right}"}).status_code == 200
    assert AuditEntry.objects.filter(action="api_key.refused").count() == 10
    assert prefix not in str(AuditEntry.objects.filter(action="api_key.refused").values())


@pytest.mark.parametrize("secret", ["", ".", "\0", "a.b", "²" * 300, "x" * 5000])
def test_s_056_odd_keys_are_just_wrong(client, secret):
    answer = client.get("/api/v1/runs/", headers={"Authorization": f"Api-Key {secret}"})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "authentication_failed"


def test_s_059_looking_at_everything_changes_nothing(connected_org, cast, client):
    furnish_okr(connected_org, cast)
    furnish_run(connected_org)
    client.force_login(cast.ada, backend="django.contrib.auth.backends.ModelBackend")
    paths = [path for path in every_address() if not path.endswith(".csv") and "readings.csv" not in path]
    crawl(client, paths)  # what a first look may make (nothing is allowed to, but caches are filled) is not what this is about
    left_out = {"sessions.Session", "integrations.ApiUsage", "integrations.AuditEntry"}  # exports leave their entry (S-110)
    before = contents(without=left_out)
    answers = crawl(client, paths)
    assert sum(status == 200 for status, _ in answers.values()) > 30
    after = contents(without=left_out)
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert not changed


def test_s_084_sizes_that_are_no_numbers_and_bodies_without_size(client, cast, rf):
    client.force_login(cast.ada)
    for size in ("²", "-5", "1e9", ""):
        answer = client.generic("POST", "/api/v1/objectives/", b"", content_type="application/json", CONTENT_LENGTH=size)
        assert answer.status_code < 500
    hidden = io.BytesIO(b"x" * 10_000)
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "wsgi.input": hidden, "CONTENT_TYPE": "text/plain"}
    assert WSGIRequest({**rf._base_environ(), **environ}).body == b""
    assert hidden.tell() == 0, "a body that does not say its size is not read"


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/runs/", "/runs/999999/", "/okr/", "/connections/", "/admin/", "/api/v1/runs/",
                                  "/api/v1/runs/999999/", "/api/schema/", "/api/docs/", "/no-such-page", "/healthz", "/readyz", "/metrics",
                                  "/okr/licenses/", "/okr/settings/", "/okr/export.csv", "/runs/abc/", "/accounts/confirm/"])  # fmt: skip
def test_s_091_a_secure_server_says_so_on_every_answer(client, cast, settings, path):
    settings.SECURE_HSTS_SECONDS, settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = 31_536_000, True
    settings.SECURE_SSL_REDIRECT = True
    client.force_login(cast.ada)
    answer = client.get(path, secure=True)
    assert "max-age=31536000" in answer["Strict-Transport-Security"]
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    for word in ("Server", "X-Powered-By"):
        assert word not in answer.headers
    plain = client.get(path)
    assert plain.status_code == 301 or path in ("/healthz", "/readyz", "/metrics")
