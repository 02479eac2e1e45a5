"""What stands in front of Django for entitlement checks: the same bytes and headers, and nothing that Django would refuse."""

import json
import sys
from datetime import timedelta
from io import BytesIO

import pytest
from django.core import signals
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.utils import timezone

from integrations.api_keys import create_key
from integrations.models import ApiKey, Customer
from provisioning.entitlements.changed import note_change
from provisioning.entitlements.front import CHECK, LIST, Front
from provisioning.entitlements.known_keys import KnownKeys
from provisioning.entitlements.snapshot import Snapshot
from provisioning.models import Feature, PromotionalGrant

pytestmark = pytest.mark.django_db
SCOPES = ["entitlements:read", "entitlements:write"]


class Counting:
    """Django behind the front, counting how often it is asked."""

    def __init__(self) -> None:
        self.application, self.asked = get_wsgi_application(), 0

    def __call__(self, environ, start_response):
        self.asked += 1
        signals.request_started.disconnect(close_old_connections)  # the test's transaction lives in this connection
        try:
            return [b"".join(self.application(environ, start_response))]
        finally:
            signals.request_started.connect(close_old_connections)


class Caller:
    """Asks the front as a web server would."""

    def __init__(self, front: Front, header: str) -> None:
        self.front, self.header = front, header

    def get(self, path: str, query: str, **more: str):
        environ = {
            "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": "GET", "HTTP_HOST": "localhost", "SERVER_NAME": "localhost",
            "SERVER_PORT": "80", "REMOTE_ADDR": "127.0.0.1", "wsgi.url_scheme": "http", "HTTP_AUTHORIZATION": self.header,
            "wsgi.input": BytesIO(), "wsgi.errors": sys.stderr, "SCRIPT_NAME": "", **more,
        }  # fmt: skip
        told = {}

        def start_response(status, headers, *_):
            told.update(status=int(status.split()[0]), headers=dict(headers))

        body = b"".join(self.front(environ, start_response))
        return told["status"], told["headers"], body


@pytest.fixture
def acme() -> Customer:
    customer = Customer.objects.create(external_id="acme", name="Acme")
    feature = Feature.objects.create(key="feature-sso", name="SSO", kind="boolean")
    PromotionalGrant.objects.create(customer=customer, feature=feature, ends_at=timezone.now() + timedelta(days=9))
    return customer


@pytest.fixture
def key(admin_user) -> tuple[ApiKey, str]:
    return create_key(owner=admin_user, name="k", scopes=SCOPES, expires=None)


@pytest.fixture
def caller(key) -> Caller:
    return Caller(Front(Counting(), memory=Snapshot(background=False), keys=KnownKeys()), f"Api-Key {key[1]}")


@pytest.mark.parametrize(("path", "query"), [(CHECK, "customer=acme&feature=feature-sso"), (LIST, "customer=acme")])
def test_the_answer_from_memory_is_the_one_that_django_gave(caller, acme, path, query):
    first = caller.get(path, query)
    asked = caller.front.application.asked
    second = caller.get(path, query)
    third = caller.get(path, query)
    assert caller.front.application.asked == asked == 1
    assert first[0] == 200
    assert json.loads(first[2])["customer"] == "acme"

    def fixed(answer):
        return answer[0], {name: value for name, value in answer[1].items() if name.lower() != "x-request-id"}, answer[2]

    assert fixed(second) == fixed(first) == fixed(third)


def test_st_d19_an_etag_that_still_holds_is_answered_with_304(caller, acme):
    _, headers, _ = caller.get(CHECK, "customer=acme&feature=feature-sso")
    status, again, body = caller.get(CHECK, "customer=acme&feature=feature-sso", HTTP_IF_NONE_MATCH=headers["ETag"])
    assert (status, body, again["ETag"]) == (304, b"", headers["ETag"])
    assert caller.front.application.asked == 1


def test_a_change_is_seen_with_the_next_look(caller, acme):
    caller.get(CHECK, "customer=acme&feature=feature-sso")
    PromotionalGrant.objects.update(revoked_at=timezone.now())
    note_change(acme.pk, now=timezone.now())
    caller.front.memory.look()
    status, _, body = caller.get(CHECK, "customer=acme&feature=feature-sso")
    answer = json.loads(body)
    assert (status, answer["granted"], answer["reason"]) == (200, False, "revoked")


def test_an_answer_ends_with_the_instant_at_which_it_changes(caller, acme):
    """Within the last seconds before it, every answer is worked out anew, because its max-age shrinks."""
    PromotionalGrant.objects.update(ends_at=timezone.now() + timedelta(seconds=5))
    caller.get(CHECK, "customer=acme&feature=feature-sso")
    _, headers, _ = caller.get(CHECK, "customer=acme&feature=feature-sso")
    assert 0 <= int(headers["Cache-Control"].rpartition("=")[2]) <= 5
    assert not caller.front.memory.answers


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("customer=acme&feature=feature-sso&requested=0.5", 400),
        ("customer=nobody&feature=feature-sso", 404),
        ("customer=acme&feature=feature-none", 404),
        ("customer=acme", 400),
        ("feature=feature-sso", 400),
        ("customer=acme&feature=feature-sso&requested=-1", 400),
        ("customer=acme&feature=feature-sso&requested=much", 400),
        ("customer=acme&feature=feature-sso&as_of=2020-01-01T00:00:00Z", 200),
    ],
)
def test_what_is_out_of_the_ordinary_is_djangos(caller, acme, query, status):
    caller.get(CHECK, "customer=acme&feature=feature-sso")
    asked = caller.front.application.asked
    assert caller.get(CHECK, query)[0] == status
    assert caller.front.application.asked == asked + 1


def test_a_customer_named_twice_is_djangos(caller, acme):
    caller.get(CHECK, "customer=acme&feature=feature-sso")
    asked = caller.front.application.asked
    caller.get(CHECK, "customer=acme&customer=other&feature=feature-sso")
    assert caller.front.application.asked == asked + 1


@pytest.mark.parametrize("header", ["", "Api-Key wrong.key", "Bearer x", "Api-Key"])
def test_s_076_without_a_key_that_works_django_refuses(caller, acme, header):
    caller.get(CHECK, "customer=acme&feature=feature-sso")
    stranger = Caller(caller.front, header)
    assert stranger.get(CHECK, "customer=acme&feature=feature-sso")[0] in (401, 403)


def test_s_076_a_revoked_key_is_refused_after_one_look(caller, acme, key):
    caller.get(CHECK, "customer=acme&feature=feature-sso")
    ApiKey.objects.filter(pk=key[0].pk).update(revoked=True)
    caller.front.memory.look()
    assert caller.get(CHECK, "customer=acme&feature=feature-sso")[0] in (401, 403)


def test_a_key_without_the_scope_is_refused_though_the_answer_is_known(caller, acme, admin_user):
    caller.get(CHECK, "customer=acme&feature=feature-sso")
    narrow = create_key(owner=admin_user, name="n", scopes=["okr:read"], expires=None)[1]
    assert Caller(caller.front, f"Api-Key {narrow}").get(CHECK, "customer=acme&feature=feature-sso")[0] == 403


def test_another_host_is_djangos_to_judge(caller, acme):
    caller.get(CHECK, "customer=acme&feature=feature-sso")
    assert caller.get(CHECK, "customer=acme&feature=feature-sso", HTTP_HOST="evil.example")[0] == 400


def test_memory_that_is_not_up_to_date_is_not_used(caller, acme):
    caller.get(CHECK, "customer=acme&feature=feature-sso")
    caller.front.memory.trusted_until = 0
    asked = caller.front.application.asked
    caller.get(CHECK, "customer=acme&feature=feature-sso")
    assert caller.front.application.asked == asked + 1


def test_other_addresses_and_methods_pass_through(caller):
    asked = caller.front.application.asked
    assert caller.get("/healthz", "")[0] == 200
    assert caller.front.application.asked == asked + 1


def test_s_096_calls_that_django_answers_are_limited_by_key(caller, acme, settings, monkeypatch):
    from provisioning.entitlements.throttle import EntitlementThrottle

    monkeypatch.setattr(EntitlementThrottle, "_counts", {})
    settings.ENTITLEMENT_RATE = 3
    statuses = [caller.get(CHECK, "customer=acme&feature=feature-sso&as_of=2020-01-01T00:00:00Z")[0] for _ in range(4)]
    assert statuses == [200, 200, 200, 429]


def test_a_check_is_never_answered_with_a_remembered_list(caller, acme):
    caller.get(LIST, "customer=acme")
    caller.get(LIST, "customer=acme")
    for query in ("list?customer=acme", "%0Acustomer=acme"):
        assert caller.get(CHECK, query)[0] == 400


def test_answers_from_memory_carry_what_a_program_needs_and_nothing_for_pages(caller, acme):
    for _ in range(2):
        _, headers, _ = caller.get(CHECK, "customer=acme&feature=feature-sso")
        assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert not {"Allow", "Referrer-Policy", "Cross-Origin-Opener-Policy"} & set(headers)


def test_a_refusal_keeps_every_header_of_djangos(caller, acme):
    status, refused, _ = caller.get(CHECK, "customer=acme")
    assert status == 400
    assert {"Allow", "X-Frame-Options", "Referrer-Policy"} <= set(refused)
    assert "script-src" in refused["Content-Security-Policy"]
