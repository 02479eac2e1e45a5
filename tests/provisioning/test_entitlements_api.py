"""The API of entitlements, usage, promotions and subscriptions, as clients see it."""

import json
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.utils import timezone

from integrations.models import Customer
from provisioning.models import AccessChange, Product, PromotionalGrant, Subscription, UsageReport
from provisioning.subscriptions import endings
from provisioning.subscriptions.finding import STATES, in_state
from provisioning.subscriptions.terms import status_of, trial_expired
from tests.provisioning.shelf import DAY, customer, publish, stock, subscribe

pytestmark = pytest.mark.django_db
NOW = timezone.now()
BASE = "/api/v1/"


@pytest.fixture
def api(client, cast, db):
    stock()
    client.force_login(cast.olga)

    def send(method: str, path: str, data=None, **headers):
        if method == "get":
            return client.get(f"{BASE}{path}", data, headers=headers)
        return client.post(f"{BASE}{path}", json.dumps(data), content_type="application/json", headers=headers)

    return send


@pytest.fixture
def acme(api):
    who = customer()
    subscribe(who, now=timezone.now())
    return who


def check(api, feature="calls", *, who="acme", **more):
    headers = {"If-None-Match": more.pop("etag")} if "etag" in more else {}
    return api("get", "entitlements/check/", {"customer": who, "feature": f"feature-{feature}", **more}, **headers)


# --- checking -------------------------------------------------------------------------------------------------------------------


def test_check_answers_with_everything(api, acme):
    answer = check(api, requested=3)
    assert answer.status_code == 200
    told = answer.json()
    wanted = {"granted": True, "reason": None, "customer": "acme", "feature": "feature-calls", "limit": 10, "usage": 0,
              "remaining": 10, "requested": 3, "reset": "month", "unlimited": False, "soft": False, "fallback": False,
              "description": "All about calls"}  # fmt: skip
    assert {name: told[name] for name in wanted} == wanted
    assert told["window_start"] < told["window_end"]
    assert told["sources"][0]["key"] == "plan-team"


def test_st_d19_unknown_is_404_with_its_reason_unless_a_fallback_is_sent(api, acme):
    for asked, reason in (({"who": "nobody"}, "customer_not_found"), ({"feature": "none"}, "feature_not_found")):
        answer = check(api, **asked)
        assert (answer.status_code, answer.json()["error"]["code"], answer.json()["granted"]) == (404, reason, False)
        for text, granted in (("true", True), ("false", False)):
            told = check(api, **asked, fallback=text)
            assert told.status_code == 200
            assert (told.json()["granted"], told.json()["fallback"], told.json()["reason"]) == (granted, True, reason)
    known = check(api, fallback="true", requested=99).json()
    assert (known["granted"], known["fallback"]) == (False, False)  # a fallback never replaces what is known


def test_st_d19_every_answer_has_an_etag_and_a_max_age(api, acme):
    answer = check(api)
    assert answer["Cache-Control"].startswith("private, max-age=")
    same = check(api, etag=answer["ETag"])
    assert (same.status_code, same.content, same["ETag"]) == (304, b"", answer["ETag"])
    api("post", "entitlements/consume/", {"customer": "acme", "feature": "feature-calls"})
    moved = check(api, etag=answer["ETag"])
    assert (moved.status_code, moved.json()["usage"]) == (200, 1)
    listed = api("get", "entitlements/", {"customer": "acme"})
    assert api("get", "entitlements/", {"customer": "acme"}, **{"If-None-Match": listed["ETag"]}).status_code == 304


def test_max_age_ends_where_the_clock_changes_the_answer(api, acme):
    made = acme.subscriptions.get()
    endings.cancel(made, at=timezone.now() + timedelta(seconds=7), now=timezone.now())
    assert int(check(api, "sso")["Cache-Control"].rpartition("=")[2]) <= 7


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"requested": "0.5"}, "requested"), ({"requested": "-1"}, "requested"), ({"requested": "x"}, "requested"),
        ({"requested": "1e30"}, "requested"), ({"as_of": "yesterday"}, "as_of"), ({"as_of": "2026-03-01"}, "as_of"),
        ({"fallback": "perhaps"}, "fallback"), ({"who": ""}, "customer"), ({"who": "x" * 300}, "customer"),
    ],
)  # fmt: skip
def test_bad_questions_name_their_field(api, acme, asked, field):
    answer = check(api, **asked)
    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == [field]


def test_odd_names_are_just_unknown(api, acme):
    for odd in ("🙂", "'; DROP TABLE", "%"):
        assert check(api, who=odd).status_code == 404
        assert check(api, odd).status_code == 404


def test_as_of_gives_the_answer_of_then(api, acme):
    five_days_ago = (timezone.now() - 5 * DAY).isoformat()
    row = {"customer": "acme", "feature": "feature-calls", "amount": 10, "at": (timezone.now() - 2 * DAY).isoformat()}
    assert api("post", "usage/", row).status_code == 200
    assert check(api).json()["reason"] == "limit_exceeded"
    told = check(api, as_of=five_days_ago).json()
    assert (told["granted"], told["usage"]) == (True, 0)
    before = check(api, as_of=(timezone.now() - 20 * DAY).isoformat()).json()
    assert before["reason"] == "no_active_subscription"
    listed = api("get", "entitlements/", {"customer": "acme", "as_of": five_days_ago}).json()
    assert {each["feature"]: each["usage"] for each in listed["entitlements"]}["feature-calls"] == 0


def test_list_has_what_is_given_and_taken_away(api, acme):
    told = api("get", "entitlements/", {"customer": "acme"}).json()
    assert [each["feature"] for each in told["entitlements"]] == ["feature-calls", "feature-projects", "feature-sso"]
    assert api("get", "entitlements/", {"customer": "nobody"}).status_code == 404
    assert api("get", "entitlements/").status_code == 400


def test_keys_need_the_scope(client, cast, acme):
    from integrations.models import ApiKey

    _, reader = ApiKey.objects.create_key(name="r", owner=cast.olga, scopes=["entitlements:read"])
    _, other = ApiKey.objects.create_key(name="o", owner=cast.olga, scopes=["okr:write"])
    client.logout()
    path = f"{BASE}entitlements/check/?customer=acme&feature=feature-sso"
    codes = [client.get(path, headers={"Authorization": f"Api-Key {key}"}).status_code for key in (reader, other, "no.no")]
    assert codes == [200, 403, 401]
    body = json.dumps({"customer": "acme", "feature": "feature-calls"})
    sent = client.post(
        f"{BASE}entitlements/consume/", body, content_type="application/json", headers={"Authorization": f"Api-Key {reader}"}
    )
    assert sent.status_code == 403
    assert not UsageReport.objects.exists()


def test_members_read_and_operators_write(api, acme, client, cast):
    client.force_login(cast.jane)
    assert check(api, "sso").status_code == 200
    assert api("post", "usage/", {"customer": "acme", "feature": "feature-calls", "amount": 1}).status_code == 403
    assert api("post", f"subscriptions/{acme.subscriptions.get().key}/cancel/", {}).status_code == 403


# --- consuming and usage --------------------------------------------------------------------------------------------------------


def test_consume_by_api(api, acme):
    body = {"customer": "acme", "feature": "feature-calls", "amount": "4", "idempotency_key": "k"}
    told = [api("post", "entitlements/consume/", body).json() for _ in range(2)]
    assert [(each["granted"], each["usage"], each["consumed"], each["repeated"]) for each in told] == [
        (True, 4, 4, False), (True, 4, 4, True),
    ]  # fmt: skip
    again = api("post", "entitlements/consume/", {**body, "amount": 5})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "idempotency_key_reused")
    unknown = api("post", "entitlements/consume/", {**body, "customer": "nobody"})
    assert (unknown.status_code, unknown.json()["reason"]) == (404, "customer_not_found")
    bad = api("post", "entitlements/consume/", {**body, "amount": 0.5})
    assert (bad.status_code, list(bad.json()["error"]["fields"])) == (400, ["amount"])


def test_usage_by_api_one_and_many(api, acme):
    row = {"customer": "acme", "feature": "feature-calls", "amount": 2, "idempotency_key": "a"}
    assert api("post", "usage/", row).json()["usage"] == 2
    told = api("post", "usage/", {"reports": [row, {**row, "idempotency_key": "b"}, {**row, "feature": "feature-no"}]})
    assert told.status_code == 207
    assert [each["status"] for each in told.json()["results"]] == ["repeated", "accepted", "failed"]
    assert told.json()["results"][2]["code"] == "feature_not_found"
    assert api("post", "usage/", [row]).status_code == 200
    for wrong in ([], {"reports": 5}, [row] * 1001):
        assert api("post", "usage/", wrong).status_code == 400
    assert check(api).json()["usage"] == 4


def test_usage_series(api, acme):
    now = timezone.now()
    for days, number, action in ((3, 2, "delta"), (3, 3, "delta"), (1, 4, "set"), (0, 1, "delta")):
        row = {"customer": "acme", "feature": "feature-calls", "amount": number, "action": action}
        assert api("post", "usage/", {**row, "at": (now - days * DAY).isoformat()}).status_code == 200
    told = api("get", "usage/", {"customer": "acme", "feature": "feature-calls"}).json()
    assert [(each["used"], each["count"]) for each in told["points"]] == [(5, 5), (-1, 4), (1, 5)]
    assert told["windows"][-1]["used"] == 5
    later = {"customer": "acme", "feature": "feature-calls", "since": (now - 2 * DAY).isoformat()}
    assert [each["count"] for each in api("get", "usage/", later).json()["points"]] == [4, 5]
    assert api("get", "usage/", {**later, "step": "year"}).status_code == 400
    assert api("get", "usage/", {**later, "since": "2001-01-01T00:00:00Z"}).status_code == 400
    assert api("get", "usage/", {"customer": "nobody", "feature": "feature-calls"}).status_code == 404


# --- promotions -----------------------------------------------------------------------------------------------------------------


def test_promotions_are_granted_listed_and_revoked(api, acme):
    end = (timezone.now() + 9 * DAY).isoformat()
    body = {"customer": "acme", "feature": "feature-storage", "limit": 20, "ends_at": end, "reason": "thanks"}
    made = api("post", "entitlements/promotions/", body)
    assert made.status_code == 201
    told = check(api, "storage").json()
    assert (told["granted"], told["limit"], told["unlimited"], told["sources"][0]["type"]) == (True, 20, False, "promotion")
    assert check(api, "storage", as_of=end).json()["granted"] is False
    AccessChange.objects.all().delete()
    assert api("post", f"entitlements/promotions/{made.json()['id']}/revoke/").json()["revoked_at"]
    assert AccessChange.objects.filter(customer_id=acme.pk).count() == 1
    assert check(api, "storage").json()["reason"] == "revoked"
    assert api("get", "entitlements/promotions/", {"customer": "acme"}).json()["count"] == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"feature": "feature-storage"}, "limit"), ({"feature": "feature-storage", "limit": 0}, "limit"),
        ({"feature": "feature-storage", "limit": -3}, "limit"), ({"feature": "feature-storage", "limit": 1, "unlimited": True}, "limit"),
        ({"feature": "feature-sso", "limit": 1}, "limit"), ({"feature": "feature-none", "limit": 1}, "feature"),
        ({"feature": "feature-sso", "ends_at": "2001-01-01T00:00:00Z"}, "ends_at"), ({}, "feature"),
        ({"feature": "feature-sso", "ends_at": "soon"}, "ends_at"),
    ],
)  # fmt: skip
def test_bad_promotions_name_their_field(api, acme, body, field):
    answer = api("post", "entitlements/promotions/", {"customer": "acme", **body})
    assert (answer.status_code, list(answer.json()["error"]["fields"])) == (400, [field])
    assert not PromotionalGrant.objects.exists()


# --- subscriptions --------------------------------------------------------------------------------------------------------------


def test_st_04_the_same_entitlements_for_self_service_and_sales(api, acme):
    Customer.objects.create(external_id="self", name="Self")
    body = {"customer": "self", "plan": "plan-team", "add_ons": [{"key": "addon-calls", "quantity": 2}],
            "overrides": [{"feature": "feature-projects", "limit": "7"}]}  # fmt: skip
    made = api("post", "subscriptions/", body)
    assert made.status_code == 201
    sold = subscribe(customer("sales"), add_ons={"addon-calls": 2}, overrides={"projects": 7}, now=timezone.now())
    assert sold.key != made.json()["key"]
    for feature in ("sso", "projects", "calls"):
        mine, theirs = check(api, feature, who="self").json(), check(api, feature, who="sales").json()
        assert {mine[name] == theirs[name] for name in ("granted", "limit", "usage", "soft", "reset")} == {True}
    assert api("post", "subscriptions/", body).json()["error"]["code"] == "already_subscribed"


def test_subscription_life_by_api(api, acme):
    key = acme.subscriptions.get().key
    path = f"subscriptions/{key}/"
    assert (
        api(
            "post", f"{path}amend/", {"plan": "plan-pro", "overrides": [{"feature": "feature-sso", "revoked": True}]}
        ).status_code
        == 200
    )
    assert check(api, "sso").json()["reason"] == "revoked"
    end = (timezone.now() + 30 * DAY).isoformat()
    assert api("post", f"{path}renew/", {"ends_at": end}).json()["ends_at"] is not None
    assert api("post", f"{path}cancel/", {"at_period_end": True}).json()["status"] == "active"
    assert api("post", f"{path}cancel/", {"reason": "no budget"}).json()["status"] == "cancelled"
    assert api("post", f"{path}reactivate/").json()["status"] == "active"
    events = api("get", f"{path}timeline/").json()["events"]
    assert [each["action"] for each in events] == ["reactivated", "cancelled", "cancelled", "renewed", "amended", "started"]
    assert {each["actor"] for each in events[:5]} == {"olga"}
    shown = api("get", path).json()
    assert (shown["terms"]["plan"], shown["customer"], len(shown["all_terms"])) == ("plan-pro", "acme", 3)
    assert shown["url"].endswith(f"/provisioning/subscriptions/{key}/")


def test_trial_by_api(api, acme):
    body = {"customer": "acme", "plan": "plan-mail", "trial_ends_at": (timezone.now() + DAY).isoformat()}
    path = f"subscriptions/{api('post', 'subscriptions/', body).json()['key']}/"
    longer = {"trial_ends_at": (timezone.now() + 9 * DAY).isoformat()}
    assert api("post", f"{path}extend-trial/", longer).json()["status"] == "trial"
    assert api("post", f"{path}convert/", {}).json()["status"] == "active"
    assert api("post", f"{path}convert/", {}).status_code == 409


def test_bad_changes_are_told_by_field(api, acme):
    path = f"subscriptions/{acme.subscriptions.get().key}/"
    wrong = {"plan": "plan-none", "add_ons": [{"key": "addon-none", "quantity": 1}]}
    assert set(api("post", f"{path}amend/", wrong).json()["error"]["fields"]) == {"plan", "add_ons.addon-none"}
    assert api("post", f"{path}amend/", {"add_ons": [{"key": "addon-calls", "quantity": "x"}]}).status_code == 400
    assert api("post", f"{path}cancel/", {"at": "2001-01-01T00:00:00Z"}).json()["error"]["fields"] == {
        "at": ["must not lie in the past."]
    }
    assert api("post", f"{path}amend/", {"plan": "plan-pro", "plan_version": 9}).status_code == 400
    assert api("get", "subscriptions/sub-none/").status_code == 404
    assert api("get", f"subscriptions/{quote('a/b', safe='')}/").status_code == 404
    assert api("get", "subscriptions/", {"status": "odd"}).status_code == 400


def test_lists_find_by_customer_product_state_and_words(api, acme):
    publish("plan-more", "mail")
    subscribe(acme, "plan-mail", now=timezone.now(), trial_ends_at=timezone.now() + DAY)
    assert api("get", "subscriptions/", {"customer": "acme"}).json()["count"] == 2
    assert api("get", "subscriptions/", {"product": "mail", "status": "trial"}).json()["count"] == 1
    assert api("get", "subscriptions/", {"status": "active", "search": "acm"}).json()["count"] == 1
    assert api("get", "subscriptions/", {"customer": "nobody"}).json()["count"] == 0


def test_states_in_sql_are_those_of_the_clock(db):
    """Every combination of instants around now falls into the same state by query and by rule."""
    product, who = Product.objects.create(key="p"), customer("c")
    marks = [None, NOW - 2 * DAY, NOW - DAY, NOW + DAY]
    rows = [
        Subscription(key=f"{a}{b}{c}{d}{s}", customer=who, product=product, starts_at=start, ends_at=marks[a],
                     trial_ends_at=marks[b], converted_at=marks[c], cancelled_at=marks[d])
        for s, start in enumerate((NOW - 3 * DAY, NOW + timedelta(hours=1)))
        for a in range(4) for b in range(4) for c in range(4) for d in range(4)
    ]  # fmt: skip
    Subscription.objects.bulk_create(rows)
    for state in STATES:
        found = set(Subscription.objects.filter(in_state(state, NOW)).values_list("key", flat=True))
        wanted = {
            each.key for each in rows
            if (trial_expired(each, NOW) if state == "trial_expired" else status_of(each, NOW) == state)
        }  # fmt: skip
        assert found == wanted, state
