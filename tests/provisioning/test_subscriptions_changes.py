"""How subscriptions begin, change and end: one of a product, no gap, usage kept, history told."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from integrations.access import Refusal
from integrations.models import AuditEntry
from provisioning.entitlements.windows import EPOCH
from provisioning.models import AccessChange, Provision, Subscription, Term, UsageWindow
from provisioning.subscriptions import changes, endings
from provisioning.subscriptions.recording import release_if_over, terms_of
from provisioning.subscriptions.resolving import BadTerms, spec_of
from provisioning.subscriptions.spec import TermsSpec
from provisioning.subscriptions.terms import status_of
from tests.provisioning.crowd import Crowd
from tests.provisioning.shelf import DAY, NOW, ask, customer, publish, spec, stock, subscribe

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _catalogue(db) -> None:
    stock()


@pytest.fixture
def acme():
    return customer()


def actions(subscription: Subscription) -> list[str]:
    return [each.action for each in subscription.events.order_by("id")]


def provision_of(org, number: int = 1) -> Provision:
    return Provision.objects.create(org=org, opportunity_id=f"006{number:015}", slot="contract", kind="won", source="poll")


# --- beginning ------------------------------------------------------------------------------------------------------------------


def test_start_gives_access_and_tells_everybody(acme, cast):
    made = subscribe(acme, add_ons={"addon-calls": 2}, overrides={"projects": 9, "audit": 1}, actor=cast.olga)
    assert made.key.startswith("sub-")
    assert (ask(acme, "calls").limit, ask(acme, "projects").limit, ask(acme, "audit").granted) == (20, 9, True)
    assert AccessChange.objects.filter(customer_id=acme.pk).exists()
    assert AuditEntry.objects.filter(action="subscription.started", target=made.key).exists()
    assert "2 × Calls" in made.events.get().sentence


def test_r_195_start_in_another_time_zone_is_that_instant(acme):
    tokyo = datetime(2026, 4, 1, tzinfo=timezone(timedelta(hours=9)))
    made = subscribe(acme, starts_at=tokyo)
    made.refresh_from_db()
    assert made.starts_at == datetime(2026, 3, 31, 15, tzinfo=UTC)
    assert status_of(made, NOW) == "scheduled"
    assert ask(acme, "sso").reason == "no_active_subscription"
    assert not ask(acme, "sso", at=tokyo - timedelta(seconds=1)).granted
    assert ask(acme, "sso", at=tokyo).granted


def test_st_d7_term_end_is_exclusive_and_needs_no_job(acme):
    end = NOW + 30 * DAY
    made = subscribe(acme, ends_at=end)
    assert ask(acme, "sso", at=end - timedelta(microseconds=1)).granted
    assert ask(acme, "sso", at=end).reason == "subscription_expired"
    assert made.running_key is not None
    again = subscribe(acme, now=end, starts_at=end)  # the old one lets go without a job
    assert again.pk != made.pk
    assert actions(made) == ["started", "expired"]


def test_st_d5_second_active_subscription_of_a_product_is_impossible(acme):
    first = subscribe(acme)
    with pytest.raises(Refusal, match=first.key) as refused:
        subscribe(acme, "plan-pro")
    assert refused.value.code == "already_subscribed"
    late = customer("late")
    subscribe(late, starts_at=NOW + DAY)
    with pytest.raises(Refusal, match="scheduled"):
        subscribe(late, "plan-pro")
    assert subscribe(acme, "plan-mail").product.key == "mail"  # another product is another subscription


def test_st_d5_the_database_itself_refuses_a_second_one(acme):
    first = subscribe(acme)
    with pytest.raises(IntegrityError), transaction.atomic():
        Subscription.objects.create(
            key="sub-x", customer=acme, product=first.product, running_key=first.running_key, starts_at=NOW
        )


def test_everything_wrong_is_told_at_once(acme):
    wrong = TermsSpec(
        "plan-seats", None,
        (("addon-calls", Decimal("0.5")), ("addon-none", Decimal(1)), ("plan-pro", Decimal(1))),  # pyright: ignore
        (("feature-none", None, True, False), ("feature-calls", Decimal(5), True, False)),  # pyright: ignore
    )  # fmt: skip
    with pytest.raises(BadTerms) as refused:
        subscribe(acme, terms=wrong)
    assert set(refused.value.fields) == {
        "seats", "add_ons.addon-calls", "add_ons.addon-none", "add_ons.plan-pro", "overrides.feature-none",
        "overrides.feature-calls",
    }  # fmt: skip
    assert not Subscription.objects.exists()


@pytest.mark.parametrize("seats", [0, -1, "0.5", 10**10, "NaN"])
def test_seats_must_be_whole(acme, seats):
    with pytest.raises(BadTerms, match="seats"):
        subscribe(acme, terms=TermsSpec("plan-seats", Decimal(seats)))


def test_terms_of_another_product_drafts_and_ends_before_starts_are_refused(acme):
    with pytest.raises(BadTerms, match="belongs to the product Mail"):
        subscribe(acme, "plan-mail", product="crm")
    draft = publish("plan-draft", "crm")
    type(draft).objects.update(published_at=None)
    with pytest.raises(BadTerms, match="no published plan"):
        subscribe(acme, "plan-draft")
    with pytest.raises(BadTerms, match="ends_at"):
        subscribe(customer("b"), "plan-team", ends_at=NOW - 10 * DAY)


def test_erased_customer_gets_nothing(acme):
    type(acme).objects.update(erased_at=NOW)
    with pytest.raises(Refusal, match="erased"):
        subscribe(acme)


def test_i_19_the_same_provision_again_changes_nothing(acme, connected_org):
    deal = provision_of(connected_org)
    first, again = (subscribe(acme, provision=deal) for _ in range(2))
    assert first.pk == again.pk
    assert (first.org, first.opportunity_id) == (connected_org, deal.opportunity_id)
    more = provision_of(connected_org, 2)
    for _ in range(3):
        changes.amend(first, terms=spec("plan-pro"), effective_at=NOW, provision=more, now=NOW)
    renewal = provision_of(connected_org, 3)
    for _ in range(3):
        changes.renew(first, ends_at=NOW + 90 * DAY, provision=renewal, now=NOW)
    assert actions(first) == ["started", "amended", "renewed"]
    assert Term.objects.count() == 3


# --- trials ---------------------------------------------------------------------------------------------------------------------


def trial(who, days: int = 14, **values) -> Subscription:
    return subscribe(who, "plan-pro", starts_at=NOW - DAY, trial_ends_at=NOW + (days - 1) * DAY, **values)


def test_st_05_trial_gives_access_until_its_end(acme):
    made = trial(acme)
    assert status_of(made, NOW) == "trial"
    assert ask(acme, "audit").granted
    assert ask(acme, "audit", at=NOW + 13 * DAY).reason == "trial_expired"
    assert actions(made) == ["trial_started"]


def test_st_d11_and_r_192_trial_becomes_paid_without_a_gap(acme):
    made = trial(acme)
    paid = NOW + 30 * DAY  # the contract begins after the trial would end
    changes.convert(made, terms=spec("plan-pro", overrides={"calls": 7}), at=paid, ends_at=paid + 365 * DAY, now=NOW)
    made.refresh_from_db()
    granted = {day: ask(acme, "audit", at=NOW + day * DAY).granted for day in (0, 13, 29, 30, 394, 395)}
    assert granted == {0: True, 13: True, 29: True, 30: True, 394: True, 395: False}
    assert ask(acme, "calls", at=NOW + 29 * DAY).limit == 1000
    assert ask(acme, "calls", at=NOW + 30 * DAY).limit == 7
    assert Subscription.objects.count() == 1
    assert actions(made) == ["trial_started", "converted"]
    assert status_of(made, NOW - timedelta(hours=1)) == "trial"  # history kept


def test_st_d11_trial_converts_at_once_and_after_it_lapsed(acme):
    made = trial(acme)
    changes.convert(made, terms=spec("plan-pro"), at=NOW, now=NOW)
    made.refresh_from_db()
    assert status_of(made, NOW) == "active"
    other = trial(customer("late"))
    later = NOW + 40 * DAY
    assert release_if_over(other, now=later)
    changes.convert(other, terms=spec("plan-pro"), at=later, now=later)
    other.refresh_from_db()
    assert (status_of(other, NOW + 20 * DAY), status_of(other, later)) == ("expired", "active")
    assert other.running_key
    with pytest.raises(Refusal, match="no trial"):
        changes.convert(other, terms=spec("plan-pro"), at=later, now=later)


def test_st_d11_lapsed_trial_is_not_converted_beside_a_running_one(acme):
    old = trial(acme)
    later = NOW + 40 * DAY
    subscribe(acme, now=later)
    with pytest.raises(Refusal, match="Amend or renew"):
        changes.convert(old, terms=spec("plan-pro"), at=later, now=later)


def test_st_d11_extend_and_lose(acme):
    made = trial(acme)
    endings.extend_trial(made, trial_ends_at=NOW + 50 * DAY, now=NOW)
    assert ask(acme, "audit", at=NOW + 49 * DAY).granted
    with pytest.raises(BadTerms, match="must lie after"):
        endings.extend_trial(made, trial_ends_at=NOW + 20 * DAY, now=NOW)
    endings.end_trial(made, reason="lost", now=NOW)
    assert ask(acme, "audit").reason == "trial_expired"
    made.refresh_from_db()
    assert made.running_key is None
    endings.extend_trial(made, trial_ends_at=NOW + 60 * DAY, now=NOW + DAY)  # sales gives another chance
    assert ask(acme, "audit", at=NOW + 2 * DAY).granted
    assert actions(made) == ["trial_started", "trial_extended", "trial_ended", "trial_expired", "trial_extended"]


def test_st_d11_a_lost_trial_that_has_not_begun_never_begins(acme):
    made = subscribe(acme, "plan-pro", starts_at=NOW + DAY, trial_ends_at=NOW + 15 * DAY)
    endings.end_trial(made, reason="lost", now=NOW)
    assert not ask(acme, "audit", at=NOW + 2 * DAY).granted
    assert subscribe(acme, starts_at=NOW).running_key  # the product is free again


def test_st_d11_lost_trial_ends_at_its_end_by_itself(acme):
    made = trial(acme)
    paid = subscribe(customer("paid"))
    with pytest.raises(Refusal, match="no trial"):
        endings.extend_trial(paid, trial_ends_at=NOW + DAY, now=NOW)
    assert endings.end_trial(paid, now=NOW).trial_ends_at is None
    assert ask(acme, "audit", at=made.trial_ends_at - timedelta(seconds=1)).granted


# --- amendments and renewals ----------------------------------------------------------------------------------------------------


def test_st_07_and_st_d12_amendment_changes_from_its_date_and_keeps_usage(acme):
    made = subscribe(acme)
    start = ask(acme, "calls").window_start
    UsageWindow.objects.create(customer=acme, feature_id=feature("calls"), window_start=start, used=Decimal(8))
    when = NOW + 5 * DAY
    changed = spec("plan-team", add_ons={"addon-calls": 4}, overrides={"sso": "revoked"})
    changes.amend(made, terms=changed, effective_at=when, now=NOW)
    before, after = ask(acme, "calls", at=when - timedelta(seconds=1)), ask(acme, "calls", at=when)
    assert (before.limit, before.usage) == (10, 8)
    assert (after.limit, after.usage, after.window_start) == (30, 8, start)
    assert ask(acme, "sso").granted
    assert ask(acme, "sso", at=when).reason == "revoked"
    assert Subscription.objects.count() == 1
    assert made.events.first().sentence == "From Mar 15, 2026 12:00 UTC: Calls none → 4; Sso as the plan says → taken away."


def feature(key: str) -> int:
    from provisioning.models import Feature

    return Feature.objects.get(key=f"feature-{key}").pk


def test_st_d12_amendment_of_parts_keeps_the_rest(acme):
    made = subscribe(acme, add_ons={"addon-calls": 1}, overrides={"projects": 9})
    changes.amend(made, add_ons=[("addon-calls", Decimal(3))], effective_at=NOW, now=NOW)
    assert spec_of(terms_of(made)[-1]) == spec("plan-team", add_ons={"addon-calls": 3}, overrides={"projects": 9})
    changes.amend(made, add_ons=[], overrides=[], effective_at=NOW + DAY, now=NOW)
    assert spec_of(terms_of(made)[-1]) == spec("plan-team")


def test_plan_change_starts_windows_anew_but_not_those_that_never_reset(acme):
    made = subscribe(acme)
    when = NOW + 3 * DAY
    changes.amend(made, plan="plan-pro", effective_at=when, now=NOW)
    assert ask(acme, "calls").window_end == when
    after = ask(acme, "calls", at=when)
    assert (after.limit, after.window_start) == (1000, when)
    seats = subscribe(customer("seats"), "plan-seats", seats=3)
    UsageWindow.objects.create(customer=seats.customer, feature_id=feature("storage"), window_start=EPOCH, used=Decimal(60))
    changes.amend(seats, plan="plan-seats", seats=Decimal(9), effective_at=when, now=NOW)
    assert ask(seats.customer, "storage", at=when).usage == 60
    assert ask(seats.customer, "projects", at=when).limit == 18


def test_amendment_replaces_what_was_to_follow_and_leaves_what_was(acme):
    made = subscribe(acme)
    changes.amend(made, plan="plan-pro", effective_at=NOW + 20 * DAY, now=NOW)
    changes.amend(made, overrides=spec(overrides={"calls": 77}).overrides, effective_at=NOW + 5 * DAY, now=NOW)
    assert [each.plan.offer.key for each in terms_of(made)] == ["plan-team", "plan-team"]
    later = NOW + 6 * DAY
    with pytest.raises(BadTerms, match="last change"):
        changes.amend(made, plan="plan-pro", effective_at=NOW + 4 * DAY, now=later)


def test_later_terms_are_agreed_with_the_change(acme):
    made = subscribe(acme)
    more = spec("plan-team", add_ons={"addon-calls": 2})
    changes.amend(made, terms=more, effective_at=NOW, later=[(NOW + 9 * DAY, spec("plan-pro"))], now=NOW)
    assert [ask(acme, "calls", at=NOW + day * DAY).limit for day in (0, 8, 9)] == [20, 20, 1000]
    assert ask(acme, "calls", at=NOW + 9 * DAY).window_start == NOW + 9 * DAY


def test_same_terms_again_are_no_change(acme):
    made = subscribe(acme)
    changes.amend(made, terms=spec("plan-team"), effective_at=NOW, now=NOW)
    assert actions(made) == ["started"]


def test_versions_stay_as_sold_until_somebody_moves_them(acme):
    made = subscribe(acme)
    newer = publish("plan-team", calls={"limit": 99, "reset": "month"})
    changes.amend(made, add_ons=[("addon-calls", Decimal(1))], effective_at=NOW, now=NOW)
    assert ask(acme, "calls").limit == 15
    changes.change_plan_version(made, version=newer, effective_at=NOW + DAY, now=NOW)
    assert [ask(acme, "calls", at=NOW + day * DAY).limit for day in (0, 1)] == [15, 104]
    assert ask(acme, "calls").window_start == ask(acme, "calls", at=NOW + DAY).window_start
    changes.change_plan_version(made, version=newer, effective_at=NOW + 2 * DAY, now=NOW)
    assert actions(made) == ["started", "amended", "version_changed"]


def test_st_d12_renewal_goes_on_from_the_old_end(acme):
    end = NOW + 20 * DAY
    made = subscribe(acme, ends_at=end)
    changes.renew(made, terms=spec("plan-pro"), ends_at=end + 365 * DAY, now=NOW)
    assert [ask(acme, "projects", at=at).limit for at in (end - DAY, end)] == [5, 50]
    assert status_of(made.__class__.objects.get(), end + 364 * DAY) == "active"
    assert Subscription.objects.count() == 1


def test_st_d12_late_renewal_leaves_no_gap_and_takes_a_coming_cancellation_back(acme):
    made = subscribe(acme, ends_at=NOW + DAY)
    late = NOW + 10 * DAY
    assert release_if_over(Subscription.objects.get(), now=late)
    changes.renew(made, starts_at=NOW + 5 * DAY, ends_at=NOW + 90 * DAY, now=late)
    assert ask(acme, "sso", at=NOW + 2 * DAY).granted
    assert Subscription.objects.get().running_key
    endings.cancel(made, at_period_end=True, now=late)
    changes.renew(made, ends_at=NOW + 200 * DAY, now=late)
    assert ask(acme, "sso", at=NOW + 150 * DAY).granted


def test_ended_ones_are_not_amended_and_cancelled_ones_not_renewed(acme):
    made = subscribe(acme, ends_at=NOW + DAY)
    with pytest.raises(Refusal, match="renew it first"):
        changes.amend(made, plan="plan-pro", effective_at=NOW, now=NOW + 2 * DAY)
    with pytest.raises(BadTerms, match="before the end"):
        changes.amend(made, plan="plan-pro", effective_at=NOW + 3 * DAY, now=NOW)
    endings.cancel(made, now=NOW)
    with pytest.raises(Refusal, match="reactivate it"):
        changes.renew(made, ends_at=NOW + 9 * DAY, now=NOW)


# --- cancelling -----------------------------------------------------------------------------------------------------------------


def test_cancel_now_at_a_date_at_the_end_and_back(acme):
    made = subscribe(acme, ends_at=NOW + 30 * DAY)
    endings.cancel(made, at_period_end=True, reason="budget", now=NOW)
    assert ask(acme, "sso", at=NOW + 29 * DAY).granted
    endings.cancel(made, at=NOW + 3 * DAY, now=NOW)
    assert ask(acme, "sso", at=NOW + 3 * DAY).reason == "no_active_subscription"
    endings.reactivate(made, now=NOW)
    endings.cancel(made, now=NOW + DAY)
    assert Subscription.objects.get().running_key is None
    endings.cancel(made, now=NOW + 2 * DAY)  # twice is once
    endings.reactivate(made, now=NOW + 3 * DAY)
    assert ask(acme, "sso", at=NOW + 3 * DAY).granted
    assert actions(made) == ["started", "cancelled", "cancelled", "reactivated", "cancelled", "reactivated"]


def test_cancelling_refusals(acme):
    made = subscribe(acme)
    with pytest.raises(Refusal, match="no end of period"):
        endings.cancel(made, at_period_end=True, now=NOW)
    with pytest.raises(BadTerms, match="past"):
        endings.cancel(made, at=NOW - DAY, now=NOW)
    endings.cancel(made, now=NOW)
    subscribe(acme, "plan-pro", starts_at=NOW)
    with pytest.raises(Refusal) as refused:
        endings.reactivate(made, now=NOW)
    assert refused.value.code == "already_subscribed"


# --- many at once ---------------------------------------------------------------------------------------------------------------


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
@pytest.mark.xdist_group("races")
class TestAtOnce:
    def test_st_d5_of_twelve_starts_at_once_one_makes_a_subscription(self, transactional_db, tmp_path):
        who = customer("crowd")
        crowd = Crowd(tmp_path)
        found = crowd.together(lambda number: subscribe(who, "plan-pro" if number % 2 else "plan-team"), 12)
        made = [each for each in found if isinstance(each, Subscription)]
        assert len(made) == 1
        assert {each.code for each in found if not isinstance(each, Subscription)} == {"already_subscribed"}
        assert crowd.ask(Subscription.objects.count) == 1

    def test_amendments_at_once_are_one_after_the_other(self, transactional_db, tmp_path):
        made = subscribe(customer("crowd"))
        crowd = Crowd(tmp_path)
        found = crowd.together(
            lambda number: changes.amend(
                made, overrides=spec(overrides={"calls": 20 + number}).overrides, effective_at=NOW, now=NOW
            ),
            8,
        )
        assert {type(each) for each in found} == {Subscription}
        assert crowd.ask(Term.objects.count) == 9
