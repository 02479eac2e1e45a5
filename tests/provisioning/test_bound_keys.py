"""API keys that are bound to customers: for everybody else they get the answer about a customer that does not exist (S-079)."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from integrations.access import Refusal
from integrations.api_keys import create_key
from integrations.models import ApiKey, AuditEntry, Customer, CustomerAlias
from provisioning.entitlements.front import CHECK
from provisioning.models import PromotionalGrant, UsageReport, UsageWindow
from tests.provisioning.shelf import customer, stock, subscribe
from tests.provisioning.test_c_front import Caller, Counting, Front, KnownKeys, Snapshot

pytestmark = pytest.mark.django_db
SCOPES = ["entitlements:read", "entitlements:write"]
API = "/api/v1/"
CALLS = "feature-calls"


@pytest.fixture
def both(db) -> tuple[Customer, Customer]:
    stock()
    found = customer("acme"), customer("bolt")
    for each in found:
        subscribe(each, now=timezone.now())
    return found


@pytest.fixture
def send(client, cast, both):
    """Calls of Acme's key, unless another one is given."""
    bound = create_key(owner=cast.ada, name="Acme's", scopes=SCOPES, expires=None, customers=[both[0]])[1]

    def send(method: str, path: str, data=None, *, secret: str = bound, **more):
        headers = {"Authorization": f"Api-Key {secret}", **more}
        if method == "get":
            return client.get(f"{API}{path}", data, headers=headers)
        return client.post(f"{API}{path}", json.dumps(data), content_type="application/json", headers=headers)

    return send


def told(answer, name: str):
    """What is said about `name`, with the name itself taken out."""
    return answer.status_code, json.loads(json.dumps(answer.json()).replace(name, "NAME"))


# --- own customers --------------------------------------------------------------------------------------------------------------


def test_s_079_a_bound_key_asks_and_counts_for_its_customer(send, both):
    assert send("get", "entitlements/check/", {"customer": "acme", "feature": CALLS}).json()["granted"] is True
    assert send("get", "entitlements/", {"customer": "acme"}).status_code == 200
    assert send("post", "entitlements/consume/", {"customer": "acme", "feature": CALLS}).json()["consumed"] == 1
    assert send("post", "usage/", {"customer": "acme", "feature": CALLS, "amount": 2}).json()["usage"] == 3
    assert send("get", "usage/", {"customer": "acme", "feature": CALLS}).status_code == 200


def test_s_079_a_key_may_be_bound_to_several_customers(send, both, cast):
    customer("cask")
    _, secret = create_key(owner=cast.ada, name="Two", scopes=SCOPES, expires=None, customers=both)
    answers = [
        send("get", "entitlements/check/", {"customer": name, "feature": CALLS}, secret=secret).status_code
        for name in ("acme", "bolt", "cask")
    ]
    assert answers == [200, 200, 404]


def test_s_079_its_customer_is_known_by_an_alias_and_after_a_merge(send, both):
    acme, bolt = both
    old = Customer.objects.create(external_id="acme-old", name="Acme before", merged_into=acme)
    CustomerAlias.objects.create(kind="external_id", value="acme-alias", customer=acme)
    CustomerAlias.objects.create(kind="external_id", value="bolt-alias", customer=bolt)
    for name, status in (("acme-alias", 200), ("acme-old", 200), ("bolt-alias", 404)):
        assert send("get", "entitlements/check/", {"customer": name, "feature": CALLS}).status_code == status
    key = ApiKey.objects.get()
    key.customers.set([old])  # the key of the one that went follows to the one that stayed
    assert send("get", "entitlements/check/", {"customer": "acme", "feature": CALLS}).status_code == 200


# --- everybody else -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more", [{}, {"requested": 3}, {"as_of": "2026-03-10T12:00:00Z"}, {"fallback": "true"}, {"fallback": "no"}]
)
def test_s_079_a_check_of_another_customer_is_that_of_one_that_does_not_exist(send, both, more):
    other = send("get", "entitlements/check/", {"customer": "bolt", "feature": CALLS, **more})
    nobody = send("get", "entitlements/check/", {"customer": "nobody", "feature": CALLS, **more})
    assert told(other, "bolt") == told(nobody, "nobody")
    assert other.status_code == (200 if "fallback" in more else 404)
    assert other.json()["reason"] == "customer_not_found"


def test_s_079_a_known_etag_of_another_customer_tells_nothing(send, both, cast):
    _, wide = create_key(owner=cast.ada, name="All", scopes=SCOPES, expires=None)
    etag = send("get", "entitlements/", {"customer": "bolt"}, secret=wide)["ETag"]
    assert send("get", "entitlements/", {"customer": "bolt"}, **{"If-None-Match": etag}).status_code == 404


@pytest.mark.parametrize("path", ["entitlements/", "usage/"])
def test_s_079_lists_of_another_customer_are_those_of_one_that_does_not_exist(send, both, path):
    other = send("get", path, {"customer": "bolt", "feature": CALLS})
    nobody = send("get", path, {"customer": "nobody", "feature": CALLS})
    assert told(other, "bolt") == told(nobody, "nobody")
    assert other.status_code == 404


@pytest.mark.parametrize("path", ["entitlements/consume/", "usage/"])
def test_s_079_nothing_is_counted_for_another_customer(send, both, path):
    body = {"feature": CALLS, "amount": 1}
    other, nobody = (send("post", path, {**body, "customer": name}) for name in ("bolt", "nobody"))
    assert told(other, "bolt") == told(nobody, "nobody")
    assert other.status_code == 404
    assert not UsageReport.objects.exists()
    assert not UsageWindow.objects.exists()


def test_s_079_of_many_reports_only_those_of_its_customer_count(send, both):
    rows = [{"customer": name, "feature": CALLS, "amount": 1} for name in ("acme", "bolt", "nobody", "acme")]
    answer = send("post", "usage/", {"reports": rows})
    results = answer.json()["results"]
    assert answer.status_code == 207
    assert [each["status"] for each in results] == ["accepted", "failed", "failed", "accepted"]
    assert [each.get("code") for each in results[1:3]] == ["customer_not_found"] * 2
    assert set(UsageReport.objects.values_list("customer", flat=True)) == {both[0].pk}


def test_s_079_the_idempotency_key_of_another_customer_gives_no_answer(send, both, cast):
    _, wide = create_key(owner=cast.ada, name="All", scopes=SCOPES, expires=None)
    use = {"customer": "bolt", "feature": CALLS, "idempotency_key": "bolt-1"}
    assert send("post", "entitlements/consume/", use, secret=wide).status_code == 200
    again = send("post", "entitlements/consume/", use)
    assert (again.status_code, again.json()["reason"]) == (404, "customer_not_found")
    assert UsageReport.objects.count() == 1


# --- nothing else ---------------------------------------------------------------------------------------------------------------


def test_s_079_a_bound_key_gives_its_customer_nothing(send, both):
    gift = {"customer": "acme", "feature": "feature-sso"}
    assert send("post", "entitlements/promotions/", gift).status_code == 403
    assert send("get", "entitlements/promotions/").status_code == 403
    assert not PromotionalGrant.objects.exists()


def test_s_079_a_bound_key_is_let_in_nowhere_else_whatever_its_scopes(client, cast, both):
    """Even with scopes that it can never be given, every other list of the API stays closed."""
    key, secret = create_key(owner=cast.ada, name="Acme's", scopes=SCOPES, expires=None, customers=[both[0]])
    every = [
        f"{area}:{kind}" for area in ("customers", "provisioning", "runs", "connections", "okr") for kind in ("read", "write")
    ]
    ApiKey.objects.filter(pk=key.pk).update(scopes=[*SCOPES, *every])
    for path in ("customers", "subscriptions", "runs", "connections", "objectives", "provisions"):
        answer = client.get(f"{API}{path}/", headers={"Authorization": f"Api-Key {secret}"})
        assert (path, answer.status_code) == (path, 403)
        assert "bound to customers" in answer.json()["error"]["message"]


def test_s_079_a_bound_key_never_gets_wider(send, both, cast):
    """Neither by losing its customers, nor by being made without any."""
    acme = both[0]
    _, none = create_key(owner=cast.ada, name="None", scopes=SCOPES, expires=None, customers=[])
    assert send("get", "entitlements/check/", {"customer": "acme", "feature": CALLS}, secret=none).status_code == 404
    Customer.objects.filter(pk=acme.pk).update(erased_at=timezone.now())
    for name in ("acme", "bolt"):
        assert send("get", "entitlements/check/", {"customer": name, "feature": CALLS}).status_code == 404
    ApiKey.objects.get(name="Acme's").customers.clear()
    assert send("get", "entitlements/check/", {"customer": "bolt", "feature": CALLS}).status_code == 404


# --- making, revoking, in front -------------------------------------------------------------------------------------------------


def test_s_079_wide_scopes_are_refused_for_a_bound_key(cast, both):
    with pytest.raises(Refusal, match="take away customers:read"):
        create_key(owner=cast.ada, name="k", scopes=[*SCOPES, "customers:read"], expires=None, customers=[both[0]])
    assert not ApiKey.objects.exists()


def test_s_079_a_bound_key_is_made_in_the_back_office(client, cast, both):
    client.force_login(cast.ada, backend="django.contrib.auth.backends.ModelBackend")
    form = {
        "name": "Acme's", "owner": cast.ada.pk, "scopes": ["entitlements:read", "runs:read"], "customers": [both[0].pk],
        "expiry_date_0": "", "expiry_date_1": "",
    }  # fmt: skip
    refused = client.post("/admin/integrations/apikey/add/", form)
    assert "take away runs:read" in refused.content.decode()
    assert not ApiKey.objects.exists()
    client.post("/admin/integrations/apikey/add/", {**form, "scopes": ["entitlements:read"]}, follow=True)
    key = ApiKey.objects.get()
    assert (key.bound, list(key.customers.all())) == (True, [both[0]])
    assert AuditEntry.objects.get(action="api_key.created").after["customers"] == ["acme"]
    assert "acme" in client.get(f"/admin/integrations/apikey/{key.pk}/change/").content.decode()


def test_s_079_a_key_without_customers_asks_about_all(client, cast, both):
    client.force_login(cast.ada, backend="django.contrib.auth.backends.ModelBackend")
    form = {"name": "All", "owner": cast.ada.pk, "scopes": ["entitlements:read"], "expiry_date_0": "", "expiry_date_1": ""}
    client.post("/admin/integrations/apikey/add/", form, follow=True)
    assert ApiKey.objects.get().bound is False


def test_s_079_a_bound_key_is_made_on_the_command_line(send, cast, both, capsys):
    call_command("new_api_key", "ada", "--customer", "bolt")
    secret = capsys.readouterr().out.strip()
    answers = [
        send("get", "entitlements/check/", {"customer": name, "feature": CALLS}, secret=secret).status_code
        for name in ("acme", "bolt")
    ]
    assert answers == [404, 200]
    with pytest.raises(CommandError, match="no customer nobody"):
        call_command("new_api_key", "ada", "--customer", "nobody")
    with pytest.raises(CommandError, match="take away runs:read"):
        call_command("new_api_key", "ada", "--customer", "bolt", "--scope", "runs:read")


@pytest.fixture
def in_front(cast, both):
    key, secret = create_key(owner=cast.ada, name="Acme's", scopes=SCOPES, expires=None, customers=[both[0]])
    front = Front(Counting(), memory=Snapshot(background=False), keys=KnownKeys())
    return key, front, Caller(front, f"Api-Key {secret}")


def test_s_079_the_front_never_answers_another_customer_from_memory(in_front, cast):
    """Whatever others asked before stays in memory, and the bound key still gets 404 for it."""
    _, front, bound = in_front
    wide = Caller(front, "Api-Key " + create_key(owner=cast.ada, name="All", scopes=SCOPES, expires=None)[1])
    for query in (f"customer=bolt&feature={CALLS}", f"customer=acme&feature={CALLS}"):
        assert [wide.get(CHECK, query)[0] for _ in range(3)] == [200] * 3
    assert front.answers
    assert [bound.get(CHECK, f"customer=bolt&feature={CALLS}")[0] for _ in range(3)] == [404] * 3
    assert [bound.get(CHECK, f"customer=acme&feature={CALLS}")[0] for _ in range(3)] == [200] * 3
    assert [bound.get(CHECK, f"customer=bolt&feature={CALLS}")[0] for _ in range(3)] == [404] * 3


def test_s_079_a_key_that_gets_bound_is_forgotten_by_the_front(in_front, cast):
    _, front, _ = in_front
    key, secret = create_key(owner=cast.ada, name="All", scopes=SCOPES, expires=None)
    caller = Caller(front, f"Api-Key {secret}")
    assert [caller.get(CHECK, f"customer=bolt&feature={CALLS}")[0] for _ in range(2)] == [200] * 2
    ApiKey.objects.filter(pk=key.pk).update(bound=True)
    front.keys.look()
    assert caller.get(CHECK, f"customer=bolt&feature={CALLS}")[0] == 404


def test_s_079_a_revoked_bound_key_is_refused_with_its_next_question(in_front):
    key, _, bound = in_front
    assert [bound.get(CHECK, f"customer=acme&feature={CALLS}")[0] for _ in range(2)] == [200] * 2
    ApiKey.objects.filter(pk=key.pk).update(revoked=True)
    assert bound.get(CHECK, f"customer=acme&feature={CALLS}")[0] == 401


@pytest.mark.parametrize("end", ["expired", "owner"])
def test_s_079_a_bound_key_ends_with_its_day_and_with_its_owner(in_front, cast, end):
    key, _, bound = in_front
    if end == "expired":
        ApiKey.objects.filter(pk=key.pk).update(expiry_date=timezone.now() - timedelta(seconds=1))
    else:
        User.objects.filter(pk=cast.ada.pk).update(is_active=False)
    assert bound.get(CHECK, f"customer=acme&feature={CALLS}")[0] == 401
