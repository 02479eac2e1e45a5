"""Pages of subscriptions and of a customer's entitlements."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from integrations.models import SalesforceOrg
from provisioning.models import PromotionalGrant, Subscription, Term
from tests.provisioning.shelf import DAY, ask, customer, stock, subscribe

pytestmark = pytest.mark.django_db
BASE = "/provisioning"


@pytest.fixture
def operator(client, cast) -> Client:
    stock()
    client.force_login(cast.olga)
    return client


@pytest.fixture
def acme(operator):
    return customer()


@pytest.fixture
def org(db) -> SalesforceOrg:
    return SalesforceOrg.objects.create(
        name="Acme",
        login_url="https://acme.my.salesforce.com",
        instance_url="https://acme.my.salesforce.com",
        state="connected",
    )


def text(response) -> str:
    assert response.status_code == 200, response.content[:2000]
    return response.content.decode()


def form_of(spec_plan="plan-team", **values) -> dict:
    return {"plan": spec_plan, "rule_0": "limit", "rule_1": "limit", "rule_2": "limit", **values}


def test_list_finds_by_state_product_and_words(operator, acme):
    now = timezone.now()
    one = subscribe(acme, now=now)
    other = subscribe(customer("globex"), "plan-mail", now=now, trial_ends_at=now + DAY)
    page = text(operator.get(f"{BASE}/subscriptions/"))
    assert one.key in page
    assert other.key in page
    assert "Team v1" in page
    for asked, there, not_there in (
        ({"status": "trial"}, other, one), ({"product": "crm"}, one, other), ({"search": "glob"}, other, one),
        ({"customer": "acme"}, one, other),
    ):  # fmt: skip
        page = text(operator.get(f"{BASE}/subscriptions/", asked))
        assert there.key in page
        assert not_there.key not in page
    assert "Nothing matches" in text(operator.get(f"{BASE}/subscriptions/", {"search": "none"}))
    for sort in ("customer", "-ends", "starts", "odd"):
        assert one.key in text(operator.get(f"{BASE}/subscriptions/", {"sort": sort}))


def test_csv_has_what_the_list_shows(operator, acme):
    now = timezone.now()
    subscribe(acme, now=now, ends_at=now + 9 * DAY)
    subscribe(customer("globex"), "plan-mail", now=now)
    answer = operator.get(f"{BASE}/subscriptions/export.csv", {"product": "crm"})
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert len(lines) == 2
    assert lines[0].lstrip("\ufeff").startswith("key,customer_id,customer,product,state,gives")
    assert ",acme,Acme,crm,active,Team v1," in lines[1]
    operator.logout()
    assert operator.get(f"{BASE}/subscriptions/export.csv").status_code == 302


def test_list_asks_few_queries(operator, acme, django_assert_max_num_queries):
    for number in range(8):
        subscribe(customer(f"c{number}"), add_ons={"addon-calls": 1}, overrides={"sso": "revoked"}, now=timezone.now())
    with django_assert_max_num_queries(25):
        operator.get(f"{BASE}/subscriptions/")


def test_st_d15_and_st_39_pages_link_to_account_and_opportunity(operator, acme, org):
    ids = {"account_id": "001000000000001AAA", "opportunity_id": "006000000000001AAA"}
    made = subscribe(acme, now=timezone.now(), org=org, **ids)
    for path in (f"{BASE}/subscriptions/{made.key}/", f"{BASE}/customers/{acme.pk}/", f"{BASE}/subscriptions/"):
        page = text(operator.get(path))
        assert f"https://acme.my.salesforce.com/{ids['opportunity_id']}" in page
    page = text(operator.get(f"{BASE}/subscriptions/{made.key}/"))
    assert f"https://acme.my.salesforce.com/{ids['account_id']}" in page
    assert f"/provisioning/customers/{acme.pk}/" in page


def test_one_shows_terms_limits_and_timeline(operator, acme):
    made = subscribe(acme, add_ons={"addon-calls": 2}, overrides={"projects": 7, "sso": "revoked"}, now=timezone.now())
    page = text(operator.get(f"{BASE}/subscriptions/{made.key}/"))
    for words in ("Active", "2 × ", "taken away", "Subscription from", "own limit"):
        assert words in page
    assert operator.get(f"{BASE}/subscriptions/sub-none/").status_code == 404


def test_st_d12_change_is_previewed_and_then_saved(operator, acme):
    made = subscribe(acme, overrides={"projects": 7}, now=timezone.now())
    path = f"{BASE}/subscriptions/{made.key}/change/amend/"
    assert "Own limits" in text(operator.get(path))
    typed = form_of(
        "plan-pro", feature_0="feature-projects", limit_0="9", feature_1="feature-sso", rule_1="revoked", rule_3="limit"
    )
    page = text(operator.post(path, typed))
    assert "What the customer will see change" in page
    assert "7 projects" in page
    assert "9 projects" in page
    assert "Audit" in page
    assert Term.objects.count() == 1
    assert made.events.count() == 1
    assert operator.post(path, {**typed, "confirm": "1"}).status_code == 302
    now = timezone.now()
    assert (ask(acme, "projects", at=now).limit, ask(acme, "sso", at=now).reason) == (9, "revoked")
    assert made.events.first().actor.username == "olga"


def test_wrong_changes_are_shown_at_their_field(operator, acme):
    made = subscribe(acme, now=timezone.now())
    path = f"{BASE}/subscriptions/{made.key}/change/amend/"
    answer = operator.post(path, form_of("plan-seats", feature_0="feature-calls"))
    assert answer.status_code == 400
    assert "Give a number, or choose another rule." in answer.content.decode()
    answer = operator.post(path, form_of("plan-seats"))
    assert "sold by the seat" in answer.content.decode()
    assert operator.post(path, form_of("plan-mail")).status_code == 400
    assert operator.get(f"{BASE}/subscriptions/{made.key}/change/odd/").status_code == 404


def test_cancel_reactivate_renew_extend_and_convert(operator, acme):
    now = timezone.now()
    made = subscribe(acme, now=now, ends_at=now + 30 * DAY)
    path = f"{BASE}/subscriptions/{made.key}"
    operator.post(f"{path}/cancel/", {"when": "end", "reason": "budget"})
    made.refresh_from_db()
    assert made.cancelled_at == made.ends_at
    operator.post(f"{path}/reactivate/")
    operator.post(f"{path}/change/renew/", form_of(ends_at=f"{now + 90 * DAY:%Y-%m-%dT%H:%M}", confirm="1"))
    made.refresh_from_db()
    assert made.cancelled_at is None
    assert made.ends_at > now + 89 * DAY
    page = operator.post(f"{path}/cancel/", {"when": "date"}, follow=True)
    assert "Say from when." in page.content.decode()
    trial = subscribe(acme, "plan-mail", now=now, trial_ends_at=now + DAY)
    path = f"{BASE}/subscriptions/{trial.key}"
    assert "Extend the trial" in text(operator.get(f"{path}/"))
    operator.post(f"{path}/extend/", {"trial_ends_at": f"{now + 9 * DAY:%Y-%m-%dT%H:%M}"})
    trial.refresh_from_db()
    assert trial.trial_ends_at > now + 8 * DAY
    operator.post(f"{path}/change/convert/", form_of("plan-mail", confirm="1"))
    trial.refresh_from_db()
    assert trial.converted_at
    assert "no trial" in operator.post(f"{path}/extend/", {"trial_ends_at": "2099-01-01T00:00"}, follow=True).content.decode()


def test_customer_page_shows_entitlements_usage_and_sources(operator, acme):
    from provisioning.metering.using import report

    now = timezone.now()
    subscribe(acme, add_ons={"addon-calls": 2}, overrides={"sso": "revoked"}, now=now)
    report([{"customer": "acme", "feature": "feature-calls", "amount": 19}], now=now)
    page = text(operator.get(f"{BASE}/customers/{acme.pk}/"))
    for words in ("19 of 20", "Plan Team v1: 10", "2 × Calls: 10", "It was taken away from this customer.", "20 calls a month"):
        assert words in page
    type(acme).objects.filter(pk=acme.pk).update(erased_at=now)
    assert operator.get(f"{BASE}/customers/{acme.pk}/").status_code == 404


def test_customer_page_tries_a_check(operator, acme):
    now = timezone.now()
    subscribe(acme, now=now)
    path = f"{BASE}/customers/{acme.pk}/"
    assert "Denied: The limit is reached." in text(operator.get(path, {"feature": "feature-calls", "requested": "11"}))
    assert "Granted: 10 calls a month" in text(operator.get(path, {"feature": "feature-calls"}))
    then = f"{now - timedelta(days=20):%Y-%m-%dT%H:%M}"
    assert "Denied: No subscription runs." in text(operator.get(path, {"feature": "feature-sso", "as_of": then}))
    assert "There is no such feature." in text(operator.get(path, {"feature": "<b>"}))
    assert "requested" in text(operator.get(path, {"feature": "feature-calls", "requested": "-1"}))


def test_grants_are_given_and_taken_back(operator, acme):
    path = f"{BASE}/customers/{acme.pk}"
    operator.post(f"{path}/grants/", {"feature": "feature-storage", "limit": "20", "reason": "thanks"})
    made = PromotionalGrant.objects.get()
    assert (made.limit, made.granted_by.username) == (20, "olga")
    assert "thanks" in text(operator.get(f"{path}/"))
    operator.post(f"{BASE}/grants/{made.pk}/revoke/")
    made.refresh_from_db()
    assert made.revoked_at
    page = operator.post(f"{path}/grants/", {"feature": "feature-storage"}, follow=True).content.decode()
    assert "Give a limit, or make it unlimited." in page
    operator.post(f"{path}/grants/", {"feature": "feature-none"})
    assert PromotionalGrant.objects.count() == 1


def test_st_d8_merged_customer_is_flagged_and_keeps_what_it_has(operator, acme):
    subscribe(acme, now=timezone.now())
    survivor = customer("survivor")
    type(acme).objects.filter(pk=acme.pk).update(merged_into=survivor)
    page = text(operator.get(f"{BASE}/customers/{acme.pk}/"))
    assert "Merged into" in page
    assert ask(acme, "sso", at=timezone.now()).granted
    assert Subscription.objects.get().cancelled_at is None


def test_members_see_and_do_not_change(operator, acme, cast):
    made = subscribe(acme, now=timezone.now())
    operator.force_login(cast.jane)
    page = text(operator.get(f"{BASE}/subscriptions/{made.key}/"))
    assert "Cancel the subscription" not in page
    assert "Grant a feature" not in text(operator.get(f"{BASE}/customers/{acme.pk}/"))
    for path in (f"subscriptions/{made.key}/cancel/", f"subscriptions/{made.key}/reactivate/", f"customers/{acme.pk}/grants/"):
        assert operator.post(f"{BASE}/{path}").status_code == 403
    assert operator.get(f"{BASE}/subscriptions/{made.key}/change/amend/").status_code == 403
