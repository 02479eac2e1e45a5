"""What holds for every address: roles, CSRF, safe GETs, headers, error pages, methods."""

from urllib.parse import urljoin, urlsplit

import pytest
from django.apps import apps
from django.test import Client

from integrations.models import ApiKey
from tests.project.addresses import address_of, is_api, ours

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("name", "pattern"), [pytest.param(n, p, id=n) for n, p in ours() if is_api(p)])
def test_s_076_a_key_without_the_scope_gets_nothing(client, cast, name, pattern):
    _, secret = ApiKey.objects.create_key(name="No scopes", owner=cast.ada, scopes=[])
    answer = client.get(address_of(name, pattern), headers={"Authorization": f"Api-Key {secret}"})
    assert answer.status_code in (403, 405)


def test_s_076_revoked_and_expired_keys_are_refused_at_once(client, cast, now):
    key, secret = ApiKey.objects.create_key(name="Runs", owner=cast.ada, scopes=["runs:read"])
    header = {"Authorization": f"Api-Key {secret}"}
    assert client.get("/api/v1/runs/", headers=header).status_code == 200
    assert secret not in str(ApiKey.objects.values().get()), "only a hash is stored"
    key.revoked = True
    key.save()
    assert client.get("/api/v1/runs/", headers=header).status_code == 401
    _, secret = ApiKey.objects.create_key(name="Old", owner=cast.ada, scopes=["runs:read"], expiry_date=now)
    assert client.get("/api/v1/runs/", headers={"Authorization": f"Api-Key {secret}"}).status_code == 401


def test_s_096_a_busy_key_is_slowed_and_others_are_not(client, cast, settings, monkeypatch):
    from integrations.api.access import PerKeyThrottle

    monkeypatch.setattr(PerKeyThrottle, "THROTTLE_RATES", {"api": "3/min"})
    keys = [ApiKey.objects.create_key(name=str(n), owner=cast.ada, scopes=["runs:read"])[1] for n in range(2)]
    answers = [client.get("/api/v1/runs/", headers={"Authorization": f"Api-Key {keys[0]}"}) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert int(answers[-1]["Retry-After"]) > 0
    assert client.get("/api/v1/runs/", headers={"Authorization": f"Api-Key {keys[1]}"}).status_code == 200


def rows_of_everything() -> dict[str, int]:
    """Row counts of every table that a page could change (sessions and log-in attempts aside)."""
    # An export leaves its entry in the audit (S-110); that is a log, not a change.
    left_out = {"integrations.AuditEntry", "sessions.Session", "axes.AccessLog", "axes.AccessAttempt"}
    return {model._meta.label: model.objects.count() for model in apps.get_models() if model._meta.label not in left_out}


def test_s_059_get_changes_nothing(client, cast):
    client.force_login(cast.ada)
    before = rows_of_everything()
    for name, pattern in ours():
        client.get(address_of(name, pattern))
    after = rows_of_everything()
    assert {key: (before[key], after[key]) for key in before if before[key] != after[key]} == {}


KEYED = ("provisioning_salesforce", "provisioning_salesforce_message")  # no session counts there, only the key in the call


def test_s_059_unsafe_methods_need_the_csrf_token(cast):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(cast.ada)
    for name, pattern in ours():
        path = address_of(name, pattern)
        for method in ("post", "put", "patch", "delete"):
            answer = getattr(strict, method)(path)
            refused = (401, 405) if name in KEYED else (403, 404, 405)
            assert answer.status_code in refused, f"{method} {path}: {answer.status_code}"


@pytest.mark.parametrize(
    "path", ["/", "/accounts/login/", "/runs/", "/connections/", "/okr/", "/no-such-page", "/healthz", "/api/v1/runs/"]
)
def test_s_091_headers_on_every_answer(client, cast, path):
    client.force_login(cast.ada)
    answer = client.get(path)
    policy = answer["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "unsafe-eval" not in policy
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/", "/runs/", "/okr/", "/connections/", "/api/v1/runs/"])
def test_s_100_private_pages_are_not_stored(client, cast, path):
    client.force_login(cast.ada)
    assert "no-store" in client.get(path)["Cache-Control"]


def test_s_092_error_pages_say_nothing_about_the_inside(client, cast):
    client.raise_request_exception = False
    strict = Client(enforce_csrf_checks=True)
    client.force_login(cast.marsha)
    answers = [
        client.get("/no-such-page"),
        client.get("/runs/"),
        strict.post("/accounts/login/"),
        client.post("/runs/"),
        client.get("/runs/%00"),
    ]
    for answer in answers:
        text = answer.content.decode()
        assert answer.status_code in (400, 403, 404, 405)
        for word in ("Traceback", "Django Version", "django.", "Exception", "settings"):
            assert word not in text, f"{answer.status_code}: {word}"


@pytest.mark.parametrize(
    "path",
    [
        "/.git/config",
        "/.env",
        "/project/settings.py",
        "/static/",
        "/static/..%2f..%2fmanage.py",
        "/var/keys.json",
        "/manage.py~",
    ],
)
def test_s_094_files_of_the_house_are_not_served(client, path):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("method", ["TRACE", "BREW", "PROPFIND"])
@pytest.mark.parametrize("path", ["/runs/", "/api/v1/runs/", "/healthz"])
def test_s_095_unknown_methods_are_refused(client, cast, method, path):
    client.force_login(cast.ada)
    assert client.generic(method, path).status_code == 405


def test_s_095_method_override_is_ignored(client, cast):
    client.force_login(cast.ada)
    answer = client.get("/api/v1/runs/", headers={"X-HTTP-Method-Override": "DELETE"})
    assert answer.status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_s_101_no_origin_is_reflected(client, cast, origin):
    client.force_login(cast.ada)
    answer = client.get("/api/v1/runs/", headers={"Origin": origin})
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


REDIRECTS = ["//evil.example", "/\\evil.example", "https:evil.example", "https:///evil.example", "%2f%2fevil.example", "http://localhost@evil.example",
             "javascript:alert(1)", "\\\\evil.example", "/%09/evil.example", "https://evil。example", "//0x7f000001", "data:text/html,x",
             "http://evil.example", "///evil.example", "/../..//evil.example//x", " //evil.example", "\t//evil.example"]  # fmt: skip


@pytest.mark.parametrize("target", REDIRECTS)
def test_s_051_sign_in_stays_on_its_own_host(client, cast, target):
    answer = client.post(
        "/accounts/login/",
        {"username": "jane", "password": "correct-horse-battery", "next": target},
        query_params={"next": target},
    )
    assert answer.status_code == 302
    location = answer["Location"]
    assert urlsplit(urljoin("http://testserver/accounts/login/", location)).hostname == "testserver"
    assert not location.startswith(("//", "/\\", "\\"))


def test_s_054_session_changes_at_login_and_dies_at_logout_and_when_disabled(client, cast):
    client.get("/accounts/login/")
    client.post("/accounts/login/", {"username": "jane", "password": "correct-horse-battery"})
    first = client.session.session_key
    assert client.get("/okr/").status_code == 200
    stolen = client.cookies.copy()
    client.post("/accounts/logout/")
    client.cookies = stolen
    assert client.get("/okr/").status_code == 302
    client.logout()
    client.post("/accounts/login/", {"username": "jane", "password": "correct-horse-battery"})
    assert client.session.session_key != first
    cast.jane.is_active = False
    cast.jane.save()
    assert client.get("/okr/").status_code == 302


def test_s_056_eleven_wrong_passwords_lock_the_account_with_the_same_words(client, cast):
    answers = [client.post("/accounts/login/", {"username": "jane", "password": "wrong"}) for _ in range(11)]
    assert answers[-1].status_code == 429
    right = client.post("/accounts/login/", {"username": "jane", "password": "correct-horse-battery"})
    assert right.status_code == 429
    unknown = [client.post("/accounts/login/", {"username": "nobody", "password": "wrong"}) for _ in range(11)]
    assert unknown[0].status_code == answers[0].status_code
    assert unknown[-1].status_code == 429


@pytest.mark.parametrize("given", ["1000000000", "-1", "abc", "0", ""])
def test_r_282_odd_page_sizes_never_break(client, cast, given):
    client.force_login(cast.ada)
    for path in ("/api/v1/runs/", "/api/v1/objectives/", "/api/v1/key-results/", "/api/v1/connections/"):
        assert client.get(path, query_params={"page_size": given}).status_code in (200, 400)
        assert client.get(path, query_params={"ordering": given or "no_such_field"}).status_code in (200, 400)
        assert client.get(path, query_params={"page": given}).status_code in (200, 400, 404)


def test_s_084_a_huge_body_is_refused_before_parsing(client, cast, settings):
    client.force_login(cast.ada)
    body = b"x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
    assert client.post("/api/v1/objectives/", body, content_type="application/json").status_code == 413


def test_schema_is_complete_and_without_warnings(capfd):
    from drf_spectacular.drainage import GENERATOR_STATS
    from drf_spectacular.generators import SchemaGenerator

    with GENERATOR_STATS.silence():
        schema = SchemaGenerator().get_schema(request=None, public=True)
    assert not GENERATOR_STATS._warn_cache, dict(GENERATOR_STATS._warn_cache)
    assert not GENERATOR_STATS._error_cache, dict(GENERATOR_STATS._error_cache)
    for word in ("connections", "runs", "reports", "objectives", "key-results"):
        assert any(path.startswith(f"/api/v1/{word}/") for path in schema["paths"]), word


def policy_of(answer) -> dict[str, set[str]]:
    return {part.split()[0]: set(part.split()[1:]) for part in answer["Content-Security-Policy"].split("; ")}


def test_s_035_only_the_back_office_may_evaluate_and_nothing_may_run_inline_scripts(client, cast):
    client.force_login(cast.ada)
    for path in ("/admin/", "/admin/auth/user/", "/admin/integrations/run/"):
        policy = policy_of(client.get(path))
        assert "'unsafe-eval'" in policy["script-src"], path  # Unfold's scripts evaluate expressions in attributes
        assert "'unsafe-inline'" not in policy["script-src"]
        assert policy["script-src"] - {"'self'", "'unsafe-eval'"} == {each for each in policy["script-src"] if "nonce" in each}
        assert "'unsafe-inline'" in policy["style-src"]
    for path in ("/", "/runs/", "/accounts/login/", "/nothing/", "/administration/"):
        text = client.get(path)["Content-Security-Policy"]
        assert "unsafe" not in text, path
