"""Whatever strangers type into addresses, forms and bodies of entitlements, usage and subscriptions: told plainly, never a fault."""

import json

import pytest
from django.core.cache import cache
from django.utils import timezone

from provisioning.models import PromotionalGrant, Subscription, Term, UsageReport
from tests.provisioning.shelf import DAY, customer, stock, subscribe

pytestmark = pytest.mark.django_db
ODD = [
    "99999999999999999999999",
    "-1",
    "²",
    "٣",
    "abc",
    "\0",
    "%00",
    "1e9",
    "1 OR 1=1",
    "[]",
    "{}",
    "x" * 50_000,
    "NaN",
]
VALUES = [None, True, -1, 0.5, 10**30, "x" * 5_000, "\0", [], {}, [1], {"a": 1}, "\ud83d", "NaN"]
READ = {
    "entitlements/": ["customer", "as_of"],
    "entitlements/check/": ["customer", "feature", "requested", "as_of", "fallback"],
    "entitlements/promotions/": ["customer", "feature", "page"],
    "usage/": ["customer", "feature", "since", "until", "step"],
    "subscriptions/": ["customer", "product", "status", "opportunity_id", "search", "page", "page_size"],
}
GOOD = {"customer": "acme", "feature": "feature-calls"}


@pytest.fixture
def made(client, cast) -> Subscription:
    stock()
    client.force_login(cast.ada)
    return subscribe(customer(), now=timezone.now(), trial_ends_at=timezone.now() + DAY)


def contents() -> list[int]:
    return [each.objects.count() for each in (Subscription, Term, PromotionalGrant, UsageReport)]


@pytest.mark.parametrize("path", READ)
def test_odd_questions_are_no_fault(client, made, path):
    cache.clear()
    for name in READ[path]:
        for odd in ODD:
            answer = client.get(f"/api/v1/{path}", {**GOOD, name: odd})
            assert answer.status_code in (200, 400, 404), (path, name, odd[:40], answer.content[:300])


def bodies(made: Subscription) -> dict[str, tuple[dict, list[str]]]:
    later = (timezone.now() + 90 * DAY).isoformat()
    one = f"subscriptions/{made.key}/"
    return {
        "entitlements/consume/": ({**GOOD, "amount": 1}, ["customer", "feature", "amount", "idempotency_key"]),
        "usage/": ({**GOOD, "amount": 1}, ["customer", "feature", "amount", "action", "at", "idempotency_key", "reports"]),
        "entitlements/promotions/": ({**GOOD, "limit": 1}, ["customer", "feature", "limit", "unlimited", "starts_at", "ends_at", "reason"]),
        "subscriptions/": ({"customer": "acme", "plan": "plan-mail"}, ["customer", "plan", "product", "key", "starts_at", "seats", "add_ons", "overrides"]),
        f"{one}amend/": ({"plan": "plan-pro"}, ["plan", "plan_version", "seats", "add_ons", "overrides", "effective_at"]),
        f"{one}renew/": ({"ends_at": later}, ["ends_at", "starts_at", "plan"]),
        f"{one}convert/": ({}, ["at", "ends_at", "add_ons"]),
        f"{one}cancel/": ({}, ["at", "at_period_end", "reason"]),
        f"{one}extend-trial/": ({}, ["trial_ends_at"]),
    }  # fmt: skip


def test_odd_bodies_are_no_fault(client, made):
    for path, (good, names) in bodies(made).items():
        cache.clear()  # what was counted against the throttle
        for name in names:
            for value in VALUES:
                answer = client.post(f"/api/v1/{path}", json.dumps({**good, name: value}), content_type="application/json")
                assert answer.status_code in (200, 201, 207, 400, 404, 409), (path, name, str(value)[:40], answer.content[:300])
        for whole in ("", "{", "[]", "5", "null", '"x"', "[null]", '{"a":NaN}', "[" * 3_000):
            answer = client.post(f"/api/v1/{path}", whole, content_type="application/json")
            assert answer.status_code in (200, 201, 207, 400, 409), (path, whole[:20], answer.content[:300])


def test_odd_addresses_and_forms_are_no_fault(client, made):
    who = made.customer_id
    for odd in ODD:
        for path, name in (
            ("subscriptions/", "search"), ("subscriptions/", "status"), ("subscriptions/", "page"), ("subscriptions/", "sort"),
            ("subscriptions/", "customer"), (f"customers/{who}/", "feature"),
        ):  # fmt: skip
            assert client.get(f"/provisioning/{path}", {name: odd}).status_code in (200, 400), (path, name, odd[:40])
        for name in ("requested", "as_of"):
            assert client.get(f"/provisioning/customers/{who}/", {"feature": "feature-calls", name: odd}).status_code in (
                200,
                400,
            )
    before = contents()
    for odd in ODD:
        for path, name in (
            ("change/amend/", "plan"), ("change/amend/", "effective_at"), ("change/amend/", "feature_0"), ("change/renew/", "ends_at"),
            ("cancel/", "at"), ("extend/", "trial_ends_at"),
        ):  # fmt: skip
            typed = {"plan": "plan-team", "when": "date", "feature_0": "feature-calls", "rule_0": "limit", name: odd}
            answer = client.post(f"/provisioning/subscriptions/{made.key}/{path}", typed)
            assert answer.status_code in (200, 302, 400), (path, name, odd[:40])
        answer = client.post(
            f"/provisioning/customers/{who}/grants/", {"feature": odd, "limit": odd, "ends_at": odd, "reason": odd}
        )
        assert answer.status_code in (302, 400)
    assert contents() == before


def test_s_072_extra_fields_change_nothing(client, made):
    extra = {"running_key": None, "customer_id": 1, "actor": "jane", "id": 5, "cancelled_at": None, "org": 1}
    answer = client.post(
        f"/api/v1/subscriptions/{made.key}/amend/", json.dumps({"plan": "plan-pro", **extra}), content_type="application/json"
    )
    assert answer.status_code == 200
    fresh = Subscription.objects.get()
    assert (fresh.running_key, fresh.customer_id, fresh.org_id) == (made.running_key, made.customer_id, None)
    assert fresh.events.first().actor.username == "ada"
