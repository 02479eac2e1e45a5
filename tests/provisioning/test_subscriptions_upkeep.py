"""What the clock tidies up, erasure, and usage after changes that reach into the past."""

from datetime import timedelta
from decimal import Decimal

import pytest

from integrations.models import SalesforceOrg
from integrations.sync.matching import forgetting
from provisioning.entitlements import promotions
from provisioning.entitlements.access import find_customer, load_access
from provisioning.metering.using import consume, report
from provisioning.models import (
    AccessChange,
    PromotionalGrant,
    Provision,
    Subscription,
    SubscriptionEvent,
    UsageReport,
    UsageWindow,
)
from provisioning.subscriptions import changes, endings, upkeep
from tests.provisioning.shelf import DAY, NOW, ask, customer, spec, stock, subscribe

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme(db):
    stock()
    return customer()


def use(amount: int, at=NOW):
    return report([{"customer": "acme", "feature": "feature-calls", "amount": amount, "at": at.isoformat()}], now=NOW)


def test_expired_ones_let_go_and_say_so_once(acme):
    ended, trial = subscribe(acme, ends_at=NOW + DAY), subscribe(acme, "plan-mail", trial_ends_at=NOW + DAY)
    running = subscribe(customer("b"), ends_at=NOW + 9 * DAY)
    later = NOW + 2 * DAY
    assert [upkeep.expire(now=NOW), upkeep.expire(now=later), upkeep.expire(now=later)] == [0, 2, 0]
    assert Subscription.objects.exclude(running_key=None).get() == running
    assert ended.events.filter(action="expired").get().effective_at == ended.ends_at
    assert trial.events.filter(action="trial_expired").get().effective_at == trial.trial_ends_at


def test_coming_cancellation_lets_go_at_its_time(acme):
    made = subscribe(acme)
    endings.cancel(made, at=NOW + DAY, now=NOW)
    assert Subscription.objects.get().running_key
    assert upkeep.expire(now=NOW + DAY) == 1
    assert [each.action for each in made.events.all()] == ["cancelled", "started"]


def test_boundaries_are_noted_for_every_process(acme):
    subscribe(acme, ends_at=NOW)
    promoted = customer("promoted")
    promotions.grant(promoted, feature="feature-calls", limit=Decimal(1), ends_at=NOW + DAY, now=NOW - 5 * DAY)
    subscribe(customer("quiet"))
    AccessChange.objects.all().delete()
    assert upkeep.note_boundaries(now=NOW + timedelta(minutes=1)) == 1
    assert upkeep.note_boundaries(now=NOW + DAY) == 1
    assert set(AccessChange.objects.values_list("customer_id", flat=True)) == {acme.pk, promoted.pk}


def test_i_23_erased_customer_keeps_neither_access_nor_traces(acme, cast):
    org = SalesforceOrg.objects.create(name="Demo", login_url="https://login.salesforce.com")
    deal = Provision.objects.create(
        org=org, opportunity_id="006000000000001AAA", slot="contract", kind="won", source="poll", state="done",
        name="Acme new", account_name="Acme", customer=acme, facts={"name": "Acme new"}, intent={"customer_name": "Acme"},
    )  # fmt: skip
    made = subscribe(acme, account_id="001000000000001AAA", opportunity_id="006000000000001AAA")
    promotions.grant(acme, feature="feature-calls", limit=Decimal(1), reason="for Jane Doe", now=NOW)
    consume({"customer": "acme", "feature": "feature-calls", "idempotency_key": "jane-doe-1"}, now=NOW)
    other = subscribe(customer("other"))
    forgetting.erase(acme, actor=cast.ada, now=NOW)
    assert find_customer("acme") is None
    assert load_access([acme.pk]) == {}
    assert consume({"customer": "acme", "feature": "feature-calls"}, now=NOW).code == "customer_not_found"
    assert AccessChange.objects.filter(customer_id=acme.pk).exists()
    deal.refresh_from_db()
    assert (deal.name, deal.account_name, deal.facts, deal.intent) == ("", "", {}, {})
    PromotionalGrant.objects.update(revoked_at=None)  # somebody granted in the same moment: the clock finds it
    AccessChange.objects.all().delete()
    assert [upkeep.forget_erased(now=NOW), upkeep.forget_erased(now=NOW)] == [1, 0]
    made.refresh_from_db()
    assert (made.account_id, made.opportunity_id, made.cancelled_at, made.running_key) == ("", "", NOW, None)
    assert not UsageReport.objects.exists()
    assert not UsageWindow.objects.exists()
    assert PromotionalGrant.objects.get().reason == ""
    assert not SubscriptionEvent.objects.filter(subscription=made).exclude(detail={}).exists()
    assert AccessChange.objects.filter(customer_id=acme.pk).exists()
    other.refresh_from_db()
    assert other.cancelled_at is None


def test_usage_follows_a_plan_change_that_is_told_late(acme):
    made = subscribe(acme)
    use(3, NOW - 5 * DAY)
    use(4, NOW - DAY)
    when = NOW - 2 * DAY
    changes.amend(made, plan="plan-pro", effective_at=when, now=NOW)
    answer = ask(acme, "calls")
    assert (answer.window_start, answer.usage) == (when, 4)
    assert ask(acme, "calls", at=when - timedelta(seconds=1)).usage == 3


def test_usage_before_a_start_that_is_told_late_counts(acme):
    use(6, NOW - DAY)
    use(2, NOW - 20 * DAY)
    subscribe(acme, starts_at=NOW - 3 * DAY)
    assert ask(acme, "calls").usage == 6


def test_amendment_without_another_plan_moves_no_usage(acme):
    made = subscribe(acme)
    use(6, NOW - DAY)
    before = ask(acme, "calls").window_start
    changes.amend(made, terms=spec("plan-team", add_ons={"addon-calls": 1}), effective_at=NOW - 2 * DAY, now=NOW)
    assert (ask(acme, "calls").window_start, ask(acme, "calls").usage) == (before, 6)
