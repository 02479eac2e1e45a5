"""Deciding (ST-D17, ST-D18) and usage windows, as pure functions."""

import json
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from provisioning.entitlements.deciding import CustomerAccess, decide, decide_all, fall_back
from provisioning.entitlements.facts import (
    FeatureFacts,
    Gives,
    OfferFacts,
    Override,
    PromotionFacts,
    SubscriptionFacts,
    TermFacts,
)
from provisioning.entitlements.windows import EPOCH, window_at
from provisioning.subscriptions.terms import PlainTimes, status_of, term_at, trial_expired

D = Decimal
START = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
NOW = datetime(2026, 3, 10, tzinfo=UTC)
DAY = timedelta(days=1)
FEATURES = {
    "feature-sso": FeatureFacts("feature-sso", "Single sign-on", "boolean"),
    "feature-projects": FeatureFacts("feature-projects", "Projects", "numeric", "projects"),
    "feature-calls": FeatureFacts("feature-calls", "API calls", "metered", "calls", "Calls of the API"),
}


def offer(key="plan-pro", **gives: Gives) -> OfferFacts:
    return OfferFacts(key, key.title(), 3, {f"feature-{name}": each for name, each in gives.items()})


PLAN = offer(sso=Gives(), projects=Gives(D(10)), calls=Gives(D(100), reset="month"))
BARE = offer("plan-bare")


def term(plan=PLAN, at=START, seats=None, add_ons=(), resets=False, **overrides: Override) -> TermFacts:
    return TermFacts(at, plan, seats, tuple(add_ons), {f"feature-{name}": each for name, each in overrides.items()}, resets)


def subscription(*terms: TermFacts, key="sub-1", product="crm", start=START, **times) -> SubscriptionFacts:
    return SubscriptionFacts(key, product, PlainTimes(start, **times), terms or (term(),))


def customer(*subscriptions: SubscriptionFacts, promotions=(), used: int | D = 0, window=None) -> CustomerAccess:
    usage = {}
    bare = CustomerAccess(1, "acme", subscriptions, tuple(promotions), FEATURES)
    if used:
        usage = {("feature-calls", window or bare.window("feature-calls", NOW).start): used}
    return bare.with_usage(usage)


def ask(access: CustomerAccess, feature="calls", requested=None, now=NOW):
    return decide(access, f"feature-{feature}", requested=requested, now=now)


def promotion(feature="calls", **values) -> PromotionFacts:
    return PromotionFacts(7, f"feature-{feature}", values.pop("starts_at", START), **values)


# --- ST-D17: what sources add up to ---------------------------------------------------------------------------------------------


def test_st_d17_boolean_any_grant_grants():
    none = customer(subscription(term(BARE)))
    assert not ask(none, "sso").granted
    by_add_on = customer(subscription(term(BARE, add_ons=[(offer("addon-sso", sso=Gives()), D(1))])))
    by_other = customer(subscription(term(BARE)), subscription(key="sub-2", product="mail"))
    by_promotion = customer(subscription(term(BARE)), promotions=[promotion("sso")])
    assert [ask(each, "sso").granted for each in (by_add_on, by_other, by_promotion)] == [True, True, True]
    assert ask(by_other, "sso").limit is None
    assert ask(by_other, "sso").usage is None


def test_st_d17_numbers_add_up_plan_add_ons_promotions_and_two_subscriptions():
    extra = offer("addon-calls", calls=Gives(D("50.5")))
    access = customer(
        subscription(term(add_ons=[(extra, D(2))])),
        subscription(key="sub-2", product="mail"),
        promotions=[promotion(limit=D(7))],
        used=250,
    )
    answer = ask(access)
    assert (answer.limit, answer.usage, answer.remaining, answer.granted) == (100 + 101 + 100 + 7, 250, 58, True)
    assert [each["type"] for each in answer.sources] == ["plan", "add_on", "plan", "promotion"]
    assert answer.sources[1] == {
        "type": "add_on", "subscription": "sub-1", "product": "crm", "key": "addon-calls", "name": "Addon-Calls", "version": 3,
        "quantity": 2, "limit": 101, "unlimited": False, "soft": False,
    }  # fmt: skip


def test_st_d17_override_takes_the_plans_place_and_the_rest_is_added():
    extra = offer("addon-calls", calls=Gives(D(50)))
    access = customer(subscription(term(add_ons=[(extra, D(1))], calls=Override(D(5)))))
    answer = ask(access)
    assert answer.limit == 55
    assert answer.sources[0]["type"] == "override"
    assert answer.reset == "month"  # as the plan says


def test_st_d17_unlimited_beats_numbers_and_softness():
    access = customer(
        subscription(),
        subscription(term(calls=Override(unlimited=True)), key="sub-2", product="mail"),
        promotions=[promotion(limit=D(1), soft=True)],
        used=10_000,
    )
    answer = ask(access, requested=1_000_000)
    assert answer.granted
    assert answer.unlimited
    assert answer.limit is None
    assert answer.remaining is None
    assert not answer.soft
    assert answer.usage == 10_000
    assert answer.window_end is not None


def test_st_d17_one_soft_limit_makes_the_sum_soft():
    access = customer(subscription(), promotions=[promotion(limit=D(10), soft=True)], used=110)
    at_limit, above = ask(access), ask(access, requested=5)
    assert at_limit.granted
    assert at_limit.soft
    assert not at_limit.over_limit
    assert at_limit.remaining == 0
    assert above.granted
    assert above.over_limit


def test_st_d17_an_override_may_harden_what_the_plan_leaves_soft():
    soft = offer(calls=Gives(D(100), soft=True, reset="month"))
    assert ask(customer(subscription(term(soft)), used=100)).granted
    assert not ask(customer(subscription(term(soft, calls=Override(D(100), soft=False))), used=100)).granted


def test_st_d17_grant_only_allowance_is_never_unlimited():
    only = customer(promotions=[promotion(limit=D(3))], used=2, window=EPOCH)
    answer = ask(only)
    assert (answer.granted, answer.unlimited, answer.limit, answer.remaining) == (True, False, 3, 1)
    nothing = customer(subscription(term(BARE)), promotions=[promotion()])
    answer = ask(nothing)
    assert (answer.granted, answer.unlimited, answer.limit, answer.reason) == (False, False, 0, "limit_exceeded")


def test_st_d17_seats_and_quantities_multiply():
    per_seat = offer(calls=Gives(D(20), per_seat=True, reset="month"))
    add_on = offer("addon-more", calls=Gives(D(5), per_seat=True))
    access = customer(subscription(term(per_seat, seats=D(10), add_ons=[(add_on, D(3))])))
    assert ask(access).limit == 20 * 10 + 5 * 10 * 3
    assert ask(customer(subscription(term(add_ons=[(add_on, D(0))])))).limit == 100


def test_st_d17_revoked_takes_the_plans_value_only():
    revoked = Override(revoked=True)
    extra = offer("addon-calls", calls=Gives(D(50)))
    assert ask(customer(subscription(term(calls=revoked)))).reason == "revoked"
    both = ask(customer(subscription(term(calls=revoked, add_ons=[(extra, D(1))]))))
    assert both.granted
    assert both.limit == 50
    assert both.sources[0]["revoked"] is True


# --- ST-D18: reasons ------------------------------------------------------------------------------------------------------------


def test_st_d18_feature_not_found():
    answer = decide(customer(subscription()), "feature-nobody-knows", now=NOW)
    assert (answer.granted, answer.reason) == (False, "feature_not_found")
    assert fall_back(answer, True).as_dict()["fallback"] is True


def test_st_d18_no_active_subscription():
    assert ask(customer()).reason == "no_active_subscription"
    scheduled = subscription(start=NOW + DAY)
    cancelled = subscription(cancelled_at=NOW - DAY)
    assert ask(customer(scheduled)).reason == ask(customer(cancelled)).reason == "no_active_subscription"


def test_st_d18_feature_not_in_subscription():
    assert ask(customer(subscription(term(BARE)))).reason == "feature_not_in_subscription"
    before = subscription(ends_at=NOW - DAY, key="sub-0")
    other = subscription(term(BARE), key="sub-2", product="mail")
    assert ask(customer(before, other)).reason == "subscription_expired"  # renewing it would help


def test_st_d18_subscription_expired_and_trial_expired():
    assert ask(customer(subscription(ends_at=NOW))).reason == "subscription_expired"
    assert ask(customer(subscription(trial_ends_at=NOW))).reason == "trial_expired"
    assert ask(customer(subscription(trial_ends_at=NOW)), now=NOW - timedelta(microseconds=1)).granted
    both = customer(subscription(trial_ends_at=NOW - 9 * DAY), subscription(key="sub-2", product="mail", ends_at=NOW - DAY))
    assert ask(both).reason == "subscription_expired"  # what ended last
    without = subscription(term(BARE), ends_at=NOW)
    assert ask(customer(without)).reason == "no_active_subscription"


def test_st_d18_revoked():
    taken = customer(subscription(term(BARE)), promotions=[promotion(limit=D(3), revoked_at=NOW)])
    assert ask(taken).reason == "revoked"
    assert ask(taken, now=NOW - DAY).granted
    over = customer(promotions=[promotion(limit=D(3), revoked_at=NOW - 2 * DAY, ends_at=NOW - DAY)])
    assert ask(over).reason == "no_active_subscription"  # it would be over anyway


@pytest.mark.parametrize(
    ("used", "requested", "granted"),
    [(99, None, True), (100, None, False), (101, None, False), (99, 1, True), (99, 2, False), (0, 100, True), (0, 101, False),
     (100, 0, True), (D("99.5"), None, True), (D("99.5"), 1, False)],
)  # fmt: skip
def test_st_d18_limit_exceeded(used, requested, granted):
    answer = ask(customer(subscription(), used=used), requested=requested)
    assert (answer.granted, answer.reason) == (granted, "" if granted else "limit_exceeded")
    assert answer.remaining == max(100 - used, 0)


def test_st_d18_numeric_is_compared_with_what_is_asked():
    access = customer(subscription())
    assert [ask(access, "projects", each).granted for each in (None, 10, 11)] == [True, True, False]
    answer = ask(access, "projects")
    assert (answer.limit, answer.usage, answer.remaining, answer.window_start) == (10, None, None, None)


def test_limit_before_every_reason_of_absence():
    """Something gives it and nothing is left: the reason is the limit, although another subscription expired."""
    access = customer(subscription(), subscription(key="sub-0", product="mail", ends_at=NOW - DAY), used=100)
    assert ask(access).reason == "limit_exceeded"


# --- the clock ------------------------------------------------------------------------------------------------------------------


def test_st_d7_access_follows_the_clock_in_one_prepared_value():
    """Start, change of terms, trial end and end are seen by the same value without anything being written."""
    small, large = offer(calls=Gives(D(1), reset="month")), offer(calls=Gives(D(9), reset="month"))
    times = {"trial_ends_at": START + 10 * DAY, "converted_at": START + 5 * DAY, "ends_at": START + 40 * DAY}
    access = customer(subscription(term(small), term(large, at=START + 5 * DAY, resets=True), **times))
    seen = [
        (ask(access, now=START + days * DAY).granted, ask(access, now=START + days * DAY).limit) for days in (-1, 0, 5, 39, 40)
    ]
    assert seen == [(False, None), (True, 1), (True, 9), (True, 9), (False, None)]
    assert ask(access, now=START - DAY).valid_until == START
    assert ask(access, now=START).valid_until == START + 5 * DAY
    assert access.next_instant(START + 39 * DAY) == START + 40 * DAY
    assert access.next_instant(START + 40 * DAY) is None


def test_remembered_answers_change_with_their_window():
    hourly = offer(calls=Gives(D(1), reset="hour"))
    access = customer(subscription(term(hourly)), used=1)
    full = ask(access)
    assert not full.granted
    assert full.valid_until == full.window_end == datetime(2026, 3, 10, 0, 30, tzinfo=UTC)
    assert ask(access, now=NOW + timedelta(minutes=29, seconds=59)) is full
    later = ask(access, now=NOW + timedelta(minutes=30))
    assert later.granted
    assert later.usage == 0


def test_answer_has_everything_and_goes_into_json():
    answer = ask(customer(subscription(), used=40), requested=3).as_dict()
    assert json.loads(json.dumps(answer)) == answer
    wanted = {
        "granted": True, "reason": None, "fallback": False, "feature": "feature-calls", "name": "API calls", "kind": "metered",
        "description": "Calls of the API", "unit": "calls", "requested": 3, "unlimited": False, "limit": 100, "usage": 40,
        "remaining": 60, "soft": False, "over_limit": False, "reset": "month", "window_start": "2026-02-28T09:30:00Z",
        "window_end": "2026-03-31T09:30:00Z", "valid_until": "2026-03-31T09:30:00Z",
    }  # fmt: skip
    assert {key: value for key, value in answer.items() if key != "sources"} == wanted


def test_all_lists_what_is_given_or_taken_away():
    access = customer(subscription(term(sso=Override(revoked=True))))
    assert [(each.feature.key, each.granted) for each in decide_all(access, NOW)] == [
        ("feature-calls", True), ("feature-projects", True), ("feature-sso", False),
    ]  # fmt: skip
    assert len(decide_all(customer(), NOW)) == 0
    assert len(decide_all(customer(), NOW, only_given=False)) == 3


def test_checks_are_quick():
    """Far above tens of thousands a second, with an amount or without; generous, so that a busy machine passes."""
    access = customer(subscription(), used=4)
    begun = time.perf_counter()
    for _ in range(5_000):
        ask(access)
        ask(access, requested=1)
    assert time.perf_counter() - begun < 1.0


# --- windows --------------------------------------------------------------------------------------------------------------------


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("reset", "now", "start", "end"),
    [
        ("month", "2026-01-31T09:30", "2026-01-31T09:30", "2026-02-28T09:30"),
        ("month", "2026-02-28T09:29", "2026-01-31T09:30", "2026-02-28T09:30"),
        ("month", "2026-02-28T09:30", "2026-02-28T09:30", "2026-03-31T09:30"),
        ("month", "2026-04-30T10:00", "2026-04-30T09:30", "2026-05-31T09:30"),
        ("month", "2028-02-29T09:30", "2028-02-29T09:30", "2028-03-31T09:30"),
        ("month", "2025-12-31T09:29", "2025-11-30T09:30", "2025-12-31T09:30"),
        ("year", "2027-01-31T09:29", "2026-01-31T09:30", "2027-01-31T09:30"),
        ("week", "2026-02-07T09:29", "2026-01-31T09:30", "2026-02-07T09:30"),
        ("day", "2026-03-29T09:30", "2026-03-29T09:30", "2026-03-30T09:30"),
        ("hour", "2026-01-31T11:00", "2026-01-31T10:30", "2026-01-31T11:30"),
        ("hour", "2026-01-31T09:00", "2026-01-31T08:30", "2026-01-31T09:30"),
    ],
)
def test_windows_are_anchored_at_the_start(reset, now, start, end):
    assert window_at(reset, [START], at(now)) == (at(start), at(end))


def test_windows_of_29_february_and_without_reset():
    leap = at("2024-02-29T00:00")
    assert window_at("year", [leap], at("2025-06-01T00:00")) == (at("2025-02-28T00:00"), at("2026-02-28T00:00"))
    assert window_at("year", [leap], at("2028-06-01T00:00")).start == at("2028-02-29T00:00")
    assert window_at("", [], NOW) == (EPOCH, None)


def test_reset_points_cut_windows():
    points = [START, at("2026-02-10T00:00")]
    assert window_at("month", points, at("2026-02-09T00:00")) == (START, points[1])
    assert window_at("month", points, at("2026-02-10T00:00")) == (points[1], at("2026-03-10T00:00"))


# --- states ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "status"),
    [
        ({}, "active"),
        ({"ends_at": NOW}, "expired"),
        ({"ends_at": NOW + DAY}, "active"),
        ({"trial_ends_at": NOW + DAY}, "trial"),
        ({"trial_ends_at": NOW}, "expired"),
        ({"trial_ends_at": NOW + DAY, "converted_at": NOW}, "active"),
        ({"trial_ends_at": NOW + DAY, "converted_at": NOW + DAY}, "trial"),
        ({"trial_ends_at": NOW - 5 * DAY, "converted_at": NOW - DAY}, "active"),
        ({"trial_ends_at": NOW - 5 * DAY, "converted_at": NOW + DAY}, "expired"),
        ({"cancelled_at": NOW}, "cancelled"),
        ({"cancelled_at": NOW + DAY}, "active"),
        ({"cancelled_at": NOW - DAY, "ends_at": NOW - 2 * DAY}, "expired"),
        ({"cancelled_at": NOW - 2 * DAY, "ends_at": NOW - DAY}, "cancelled"),
        ({"cancelled_at": NOW - DAY, "ends_at": NOW - DAY}, "cancelled"),
    ],
)
def test_st_d7_status_follows_the_clock(times, status):
    plain = PlainTimes(START, **times)
    assert status_of(plain, NOW) == status
    assert trial_expired(plain, NOW) == (status == "expired" and "trial_ends_at" in times)


def test_scheduled_and_cancelled_before_the_start():
    assert status_of(PlainTimes(NOW + DAY), NOW) == "scheduled"
    assert status_of(PlainTimes(NOW + DAY, cancelled_at=NOW), NOW) == "cancelled"


def test_of_terms_with_the_same_instant_the_last_recorded_counts():
    first, second, third = term(), term(BARE), term(at=NOW + DAY)
    assert term_at((first, second, third), NOW) is second
    assert term_at((first, second, third), START - DAY) is None
