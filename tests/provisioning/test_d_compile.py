"""A deal becomes an intent or a list of problems."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given as generated
from hypothesis import strategies as st

from provisioning.intent.deal import Contract, Deal, DealLine, MappedTo, Place, Quote
from provisioning.intent.facts import Rules
from provisioning.intent.kinds import is_trial_stage, nature_of
from provisioning.intent.result import Intent, Problems
from provisioning.subscriptions.spec import OverrideLine
from tests.provisioning.deals import (
    ACCOUNT,
    NOW,
    compiled,
    deal,
    intent,
    line,
    problems,
    subscription,
    terms,
    trial,
)


def at(year: int, month: int, day: int, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


# --- mapping -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "key"), [("Plan", "plan-basic"), ("Add-on", "addon-support"), ("Entitlement", "feature-calls")]
)
def test_st_20_three_types_of_mapping(type_: str, key: str) -> None:
    lines = [line(1, "plan-basic"), line(2, key, 3, type_=type_)] if key != "plan-basic" else [line(1, key)]
    trace = intent(deal(*lines)).lines[-1]
    assert (trace.type, trace.key) == (type_, key)


@pytest.mark.parametrize("type_", ["plan", "PLAN", " Plan "])
def test_st_20_type_is_read_whatever_its_case(type_: str) -> None:
    assert intent(deal(line(1, "plan-basic", type_=type_))).subscriptions[0].terms.plan == "plan-basic"


@pytest.mark.parametrize(("type_", "key"), [("Plan", "addon-support"), ("Add-on", "plan-basic"), ("Entitlement", "calls"),
                                            ("Plan", "Plan-basic")])  # fmt: skip
def test_st_21_prefix_must_fit_the_type(type_: str, key: str) -> None:
    assert problems(deal(line(1, key, type_=type_))) == [(1, "prefix_mismatch")]


def test_st_d4_every_problem_at_once_with_its_line_and_fix() -> None:
    found = compiled(deal(
        line(1, "plan-basic"), line(2, ""), line(3, "plan-bassic"), line(4, "addon-support", type_=""), line(5, type_="Plan"),
        line(6, "plan-x", type_="Bundle"), line(7, "plan-old"), line(8, "plan-draft"),
    ))  # fmt: skip
    assert isinstance(found, Problems)
    assert [(each.line, each.code) for each in found.items] == [
        (2, "unmapped"), (3, "unknown_id"), (4, "no_type"), (5, "no_id"), (6, "unknown_type"), (7, "archived"),
        (8, "not_published"),
    ]  # fmt: skip
    assert all(each.fix and each.name == f"Item {each.line}" for each in found.items)
    assert "plan-basic" in found.items[1].fix
    assert "Add-on" in found.items[2].fix


def test_r_185_unmapped_line_stops_the_deal_and_goes_on_once_it_is_mapped() -> None:
    before = deal(line(1, "plan-basic"), line(2, ""))
    found = compiled(before)
    assert isinstance(found, Problems)
    assert found.items[0].message == "Line 2 (Item 2) is unmapped."
    assert intent(deal(line(1, "plan-basic"), line(2, "addon-support"))).subscriptions


def test_st_d4_unmapped_lines_are_left_out_when_the_setting_says_so() -> None:
    made = intent(deal(line(1, "plan-basic"), line(2, "")), rules=Rules(ignore_unmapped=True))
    assert [each.ignored for each in made.lines] == [False, True]
    nothing = intent(deal(line(1, "")), rules=Rules(ignore_unmapped=True))
    assert (nothing.subscriptions, len(nothing.notes)) == ((), 1)


def test_st_d3_the_most_specific_mapping_wins() -> None:
    both = (MappedTo(Place.LINE, "Plan", "plan-pro"), MappedTo(Place.PRODUCT, "Plan", "plan-basic"))
    made = intent(deal(line(1, mappings=both)))
    assert made.subscriptions[0].terms.plan == "plan-pro"
    assert made.lines[0].place == "line item"


def test_st_d3_a_line_may_replace_the_id_alone() -> None:
    half = (MappedTo(Place.QUOTE_LINE, "", "plan-pro"), MappedTo(Place.PRODUCT, "Plan", "plan-basic"))
    assert intent(deal(line(1, mappings=half))).subscriptions[0].terms.plan == "plan-pro"
    clash = (MappedTo(Place.LINE, "", "addon-support"), MappedTo(Place.PRODUCT, "Plan", "plan-basic"))
    assert problems(deal(line(1, mappings=clash))) == [(1, "prefix_mismatch")]


# --- plans, add-ons, entitlements --------------------------------------------------------------------------------------------


def test_st_d5_lines_of_one_product_become_one_subscription() -> None:
    made = intent(deal(line(1, "plan-pro", 10), line(2, "plan-pro", 5), line(3, "addon-support"), line(4, "addon-support", 2)))
    assert [each.terms for each in made.subscriptions] == [terms(seats=15, add_ons={"addon-support": 3})]


def test_st_d5_two_plans_of_one_product_are_refused() -> None:
    assert problems(deal(line(1, "plan-pro"), line(2, "plan-basic"))) == [(2, "two_plans")]


def test_st_d5_products_get_a_subscription_each_and_keep_their_add_ons() -> None:
    made = intent(deal(line(1, "plan-pro", 2), line(2, "plan-desk"), line(3, "addon-desk", 4), line(4, "feature-tickets", 9)))
    crm, desk = made.subscriptions
    assert (crm.terms, desk.product) == (terms(seats=2), "desk")
    assert [each.key for each in desk.terms.add_ons] == ["addon-desk"]
    assert desk.terms.overrides == (OverrideLine("feature-tickets", Decimal(9)),)


def test_st_d5_entitlement_that_fits_no_plan_of_several_is_refused() -> None:
    assert problems(deal(line(1, "plan-basic"), line(2, "plan-desk"), line(3, "feature-sso"))) == [(3, "unclear_plan")]


def test_st_d5_add_on_alone_goes_to_the_running_subscription() -> None:
    made = intent(deal(line(1, "addon-support", 2), line(2, "feature-calls", 50)), running=(subscription(),))
    (change,) = made.subscriptions
    assert (change.action, change.subscription, change.ends_at) == ("amend", "sub-1", at(2027, 1, 1))
    assert change.terms == terms(seats=10, add_ons={"addon-support": 2},
                                 overrides=(OverrideLine("feature-calls", Decimal(50)),))  # fmt: skip


def test_st_d5_a_sale_never_takes_away_what_the_customer_has() -> None:
    held = subscription(terms(seats=10, add_ons={"addon-support": 3, "addon-storage": 1}))
    made = intent(deal(line(1, "addon-support", 2)), running=(held,))
    assert made.subscriptions[0].terms == terms(seats=10, add_ons={"addon-support": 5, "addon-storage": 1})
    assert made.notes == ("Support: 3 becomes 5.",)
    stated = intent(deal(line(1, "addon-support", 2)), trigger="amendment", running=(held,))
    assert stated.subscriptions[0].terms == terms(seats=10, add_ons={"addon-support": 2, "addon-storage": 1})


@pytest.mark.parametrize("key", ["addon-support", "feature-calls"])
def test_st_d5_without_plan_and_subscription_it_is_refused(key: str) -> None:
    assert problems(deal(line(1, key))) == [(1, "no_plan")]
    assert problems(deal(line(1, "addon-support")), running=(subscription(product="desk"),)) == [(1, "no_plan")]


@pytest.mark.parametrize(("quantities", "override"), [
    ([100], OverrideLine("feature-calls", Decimal(100))),
    ([100, 50], OverrideLine("feature-calls", Decimal(150))),
    ([0], OverrideLine("feature-calls", None, revoked=True)),
    ([0, 5], OverrideLine("feature-calls", Decimal(5))),
    ([-1], OverrideLine("feature-calls", None, unlimited=True)),
    ([100, -1], OverrideLine("feature-calls", None, unlimited=True)),
    ([None], None),
    ([None, 7], OverrideLine("feature-calls", Decimal(7))),
])  # fmt: skip
def test_st_d6_quantity_of_an_entitlement(quantities: list, override: OverrideLine | None) -> None:
    lines = [line(place, "feature-calls", each) for place, each in enumerate(quantities, 2)]
    made = intent(deal(line(1, "plan-basic"), *lines))
    assert made.subscriptions[0].terms.overrides == ((override,) if override else ())


def test_st_d6_no_quantity_and_no_limit_of_the_plan_is_refused() -> None:
    assert problems(deal(line(1, "plan-basic"), line(2, "feature-tickets", None))) == [(2, "no_quantity")]
    assert intent(deal(line(1, "plan-desk"), line(2, "feature-tickets", None))).subscriptions
    assert intent(deal(line(1, "plan-basic"), line(2, "feature-sso", None))).subscriptions[0].terms.overrides


def test_st_d6_ticked_unlimited_and_yes_or_no_features() -> None:
    made = intent(deal(line(1, "plan-pro"), line(2, "feature-calls", 5, unlimited=True), line(3, "feature-sso", 1)))
    calls, sso = made.subscriptions[0].terms.overrides
    assert (calls.unlimited, sso) == (True, OverrideLine("feature-sso", None))


def test_st_d6_quantity_is_seats_only_where_the_plan_has_seats() -> None:
    assert intent(deal(line(1, "plan-pro", 12))).subscriptions[0].terms.seats == 12
    assert intent(deal(line(1, "plan-basic", 12))).subscriptions[0].terms.seats is None


@pytest.mark.parametrize("key", ["plan-pro", "plan-basic", "addon-support"])
@pytest.mark.parametrize("quantity", [0, -1, -3, "0.5", "2.25", 10**9, 10**12])
def test_r_191_impossible_quantities_block(key: str, quantity: object) -> None:
    lines = [line(1, key, quantity)] if key.startswith("plan") else [line(1, "plan-basic"), line(2, key, quantity)]
    assert problems(deal(*lines)) == [(len(lines), "bad_quantity")]


@pytest.mark.parametrize("quantity", [-2, "0.5", 10**9])
def test_r_191_impossible_limits_block(quantity: object) -> None:
    assert problems(deal(line(1, "plan-basic"), line(2, "feature-calls", quantity))) == [(2, "bad_quantity")]


def test_r_191_no_lines_no_account() -> None:
    assert problems(deal()) == [(0, "no_lines")]
    assert problems(deal(line(1, "plan-basic"), account_id="")) == [(0, "no_account")]
    assert problems(deal(line(1, "plan-basic", None))) == [(1, "no_quantity")]


# --- dates -------------------------------------------------------------------------------------------------------------------


def test_st_d7_starts_at_the_close_date_in_the_connections_zone() -> None:
    start = intent(deal(line(1, "plan-basic"), time_zone="America/Los_Angeles")).subscriptions[0]
    assert (start.starts_at, start.ends_at) == (at(2026, 11, 22, 8), None)


@pytest.mark.parametrize(
    ("now", "closes", "zone", "starts"),
    [
        # 20:00 of the 22nd in UTC: the 23rd has begun in Tokyo, whose people close a deal of an org in Los Angeles.
        (at(2026, 11, 22, 20), date(2026, 11, 23), "America/Los_Angeles", at(2026, 11, 22, 8)),
        (at(2026, 11, 23, 1), date(2026, 11, 23), "America/Los_Angeles", at(2026, 11, 22, 8)),
        (at(2026, 11, 22, 9), date(2026, 11, 23), "UTC", at(2026, 11, 23)),  # nowhere the 23rd yet
        (at(2026, 11, 22, 20), date(2026, 11, 24), "America/Los_Angeles", at(2026, 11, 24, 8)),
        (at(2026, 11, 22, 20), date(2026, 11, 20), "UTC", at(2026, 11, 20)),
    ],
)
def test_st_d7_a_close_date_begins_as_soon_as_it_is_that_day_anywhere(now, closes, zone, starts) -> None:
    given = deal(line(1, "plan-basic"), close_date=closes, time_zone=zone)
    assert intent(given, now=now).subscriptions[0].starts_at == starts
    own = deal(line(1, "plan-basic", start=date(2026, 11, 23)), close_date=closes, time_zone="America/Los_Angeles")
    assert intent(own, now=now).subscriptions[0].starts_at == at(2026, 11, 23, 8), "a start date is kept as it was agreed"


def test_st_d7_line_date_before_contract_before_close_date() -> None:
    contract = Contract("800", start=date(2026, 12, 1), term=Decimal(12))
    made = intent(deal(line(1, "plan-basic"), contract=contract)).subscriptions[0]
    assert (made.starts_at, made.ends_at) == (at(2026, 12, 1), at(2027, 12, 1))
    own = intent(deal(line(1, "plan-basic", start=date(2027, 1, 1)), contract=contract)).subscriptions[0]
    assert own.starts_at == at(2027, 1, 1)


def test_st_d7_term_and_last_day() -> None:
    assert intent(deal(line(1, "plan-basic"), term=Decimal(24))).subscriptions[0].ends_at == at(2028, 11, 22)
    whole = line(1, "plan-basic", start=date(2027, 1, 1), end=date(2027, 12, 31))
    assert intent(deal(whole)).subscriptions[0].ends_at == at(2028, 1, 1)
    short = line(1, "plan-basic", start=date(2027, 1, 31), term=Decimal(1))
    assert intent(deal(short)).subscriptions[0].ends_at == at(2027, 2, 28)


def test_r_195_future_start_in_another_zone_is_the_stated_instant() -> None:
    given = deal(line(1, "plan-basic", start=date(2027, 3, 1), term=Decimal(12)), time_zone="Asia/Tokyo")
    made = intent(given).subscriptions[0]
    assert (made.starts_at, made.ends_at) == (at(2027, 2, 28, 15), at(2028, 2, 29, 15))


def test_st_d7_day_boundaries_follow_summer_time() -> None:
    given = deal(line(1, "plan-basic", start=date(2026, 12, 1), term=Decimal(7)), time_zone="Europe/Paris")
    made = intent(given).subscriptions[0]
    assert (made.starts_at, made.ends_at) == (at(2026, 11, 30, 23), at(2027, 6, 30, 22))


@pytest.mark.parametrize(("more", "code"), [
    ({"term": Decimal(0)}, "bad_term"), ({"term": Decimal("1.5")}, "bad_term"), ({"term": Decimal(9999)}, "bad_term"),
    ({"start": date(2027, 5, 1), "end": date(2027, 4, 1)}, "bad_date"), ({"start": date(1700, 1, 1)}, "bad_date"),
    ({"end": date(2026, 11, 1)}, "bad_dates"),
])  # fmt: skip
def test_st_d7_impossible_dates_block(more: dict, code: str) -> None:
    assert problems(deal(line(1, "plan-basic", **more))) == [(1, code)]


def test_st_d7_lines_that_begin_later_or_end_earlier_are_later_changes() -> None:
    made = intent(deal(
        line(1, "plan-pro", 10, start=date(2027, 1, 1), end=date(2028, 12, 31)),
        line(2, "plan-pro", 5, start=date(2028, 1, 1), end=date(2028, 12, 31)),
        line(3, "addon-support", 1, start=date(2027, 7, 1)),
    )).subscriptions[0]  # fmt: skip
    assert (made.starts_at, made.ends_at, made.terms) == (at(2027, 1, 1), at(2029, 1, 1), terms(seats=10))
    assert made.later == (
        (at(2027, 7, 1), terms(seats=10, add_ons={"addon-support": 1})),
        (at(2028, 1, 1), terms(seats=15, add_ons={"addon-support": 1})),
    )


def test_st_d7_a_gap_between_plan_lines_is_refused() -> None:
    first = line(1, "plan-pro", 1, start=date(2027, 1, 1), end=date(2027, 3, 31))
    second = line(2, "plan-pro", 1, start=date(2027, 5, 1), end=date(2027, 12, 31))
    assert problems(deal(first, second)) == [(1, "plan_gap")]


# --- customer ----------------------------------------------------------------------------------------------------------------


def test_st_d8_where_the_customers_id_comes_from() -> None:
    base = deal(line(1, "plan-basic"), linked_customer_id="acme")
    assert (intent(base).customer_source, intent(base).customer_id) == ("link", "acme")
    stored = deal(line(1, "plan-basic"), linked_customer_id="acme", customer_id="cus-7")
    assert (intent(stored).customer_source, intent(stored).customer_id) == ("account", "cus-7")
    plain = intent(deal(line(1, "plan-basic")))
    assert (plain.customer_source, plain.customer_id) == ("account_id", f"sf-{ACCOUNT}")
    called = intent(stored, customer_path="data.id")
    assert (called.customer_source, called.customer_id) == ("callout", "")


# --- trial -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stage", "is_trial"), [
    ("POC", True), ("Technical PoC running", True), ("Proof of Concept", True), ("proof of concept - paid", True),
    ("Closed Won", False), ("Negotiation/Review", False), ("", False),
])  # fmt: skip
def test_st_d11_usual_trial_stages(stage: str, is_trial: bool) -> None:
    assert is_trial_stage(stage) is is_trial


def test_st_05_trial_begins_now_and_ends_by_its_length() -> None:
    given = deal(line(1, "plan-pro", 5, start=date(2027, 6, 1)), is_won=False, is_closed=False, stage="POC")
    made = intent(given, trigger="trial").subscriptions[0]
    assert (made.action, made.starts_at, made.trial_ends_at) == ("start", NOW, at(2026, 12, 6, 12))
    assert made.ends_at is None
    longer = intent(given, trigger="trial", trial_days=21).subscriptions[0]
    assert longer.trial_ends_at == at(2026, 12, 13, 12)
    desk = intent(deal(line(1, "plan-desk")), trigger="trial").subscriptions[0]
    assert desk.trial_ends_at == at(2026, 12, 22, 12)  # the plan's own 30 days


def test_st_d11_no_trial_beside_a_subscription() -> None:
    assert problems(deal(line(1, "plan-pro")), trigger="trial", running=(subscription(),)) == [(1, "already_subscribed")]


def test_st_d11_trial_becomes_the_paid_subscription() -> None:
    made = intent(deal(line(1, "plan-pro", 20), term=Decimal(12)), running=(trial(),)).subscriptions[0]
    assert (made.action, made.subscription, made.starts_at, made.terms) == (
        "convert",
        "sub-2",
        at(2026, 11, 22),
        terms(seats=20),
    )
    assert made.ends_at == at(2027, 11, 22)


def test_st_d11_trial_goes_on_until_a_later_start() -> None:
    made = intent(deal(line(1, "plan-pro", 20, start=date(2027, 1, 1))), running=(trial(),)).subscriptions[0]
    assert (made.starts_at, made.trial_ends_at) == (at(2027, 1, 1), at(2027, 1, 1))


def test_st_d11_paid_time_does_not_begin_before_the_trial() -> None:
    made = intent(deal(line(1, "plan-pro", 20, start=date(2026, 11, 1))), running=(trial(),)).subscriptions[0]
    assert made.starts_at == trial().starts_at


def test_st_d11_lapsed_trial_of_the_same_deal_is_converted_too() -> None:
    lapsed = trial(status="expired", trial_ends_at=at(2026, 11, 15))
    made = intent(deal(line(1, "plan-pro", 20)), running=(lapsed,)).subscriptions[0]
    assert (made.action, made.subscription, made.trial_ends_at) == ("convert", "sub-2", at(2026, 11, 15))
    other = trial(status="expired", trial_ends_at=at(2026, 11, 15), opportunity_id="006000000000005AAA")
    assert intent(deal(line(1, "plan-pro", 20)), running=(other,)).subscriptions[0].action == "start"


# --- amendment and renewal ---------------------------------------------------------------------------------------------------


def test_st_d12_how_an_amendment_or_renewal_is_recognized() -> None:
    rules = Rules()
    assert nature_of(deal(), rules) == "won"
    assert nature_of(deal(type="New Customer"), rules) == "won"
    assert nature_of(deal(type="Existing Customer - Upgrade"), rules) == "amendment"
    assert nature_of(deal(type="existing customer - renewal "), rules) == "renewal"
    assert nature_of(deal(type="Expansion", quote=Quote("q", type="Renewal")), rules) == "renewal"
    assert nature_of(deal(quote=Quote("q", type="Amendment")), rules) == "amendment"
    assert nature_of(deal(amends="800"), rules) == "amendment"
    assert nature_of(deal(renews="800"), rules) == "renewal"
    assert nature_of(deal(type="Change order"), Rules(amendment_types=("Change order",))) == "amendment"
    assert nature_of(deal(type="Upgrade"), Rules(amendment_types=("Change order",))) == "won"


def test_st_07_amendment_changes_what_it_names_and_keeps_the_rest() -> None:
    held = terms(seats=10, add_ons={"addon-support": 1, "addon-storage": 4}, overrides=(OverrideLine("feature-sso", None),))
    given = deal(
        line(1, "plan-pro", 25), line(2, "addon-support", 3), line(3, "addon-storage", 0), line(4, "feature-calls", 500)
    )
    made = intent(given, trigger="amendment", running=(subscription(held),)).subscriptions[0]
    assert (made.action, made.starts_at, made.ends_at) == ("amend", at(2026, 11, 22), at(2027, 1, 1))
    assert made.terms == terms(seats=25, add_ons={"addon-support": 3},
                               overrides=(OverrideLine("feature-sso", None), OverrideLine("feature-calls", Decimal(500))))  # fmt: skip


def test_st_09_quantity_0_on_an_amendment_line_cancels_that_line() -> None:
    quote = Quote("a0Q", type="Amendment", start=date(2026, 12, 1))
    held = terms(seats=10, add_ons={"addon-support": 1}, overrides=(OverrideLine("feature-calls", Decimal(9)),))
    lines = (line(1, "addon-support", 0, place=Place.QUOTE_LINE), line(2, "feature-calls", 0, place=Place.QUOTE_LINE))
    made = intent(deal(*lines, quote=quote), trigger="amendment", running=(subscription(held),)).subscriptions[0]
    assert (made.action, made.starts_at, made.terms) == ("amend", at(2026, 12, 1), terms(seats=10))
    gone = line(1, "plan-pro", 0, place=Place.QUOTE_LINE)
    ended = intent(deal(gone, quote=quote), trigger="amendment", running=(subscription(held),)).subscriptions[0]
    assert (ended.action, ended.subscription, ended.starts_at) == ("cancel", "sub-1", at(2026, 12, 1))


def test_st_09_a_plan_can_be_swapped_in_an_amendment() -> None:
    given = deal(line(1, "plan-pro", 0), line(2, "plan-basic", 1))
    made = intent(given, trigger="amendment", running=(subscription(),)).subscriptions[0]
    assert (made.action, made.terms) == ("amend", terms("plan-basic"))


def test_st_09_what_cannot_be_taken_away_is_refused() -> None:
    assert problems(deal(line(1, "plan-basic", 0)), trigger="amendment", running=(subscription(),)) == [(1, "not_running")]
    assert problems(deal(line(1, "plan-pro", 0)), trigger="amendment") == [(1, "not_running")]
    both = deal(line(1, "plan-pro", 0), line(2, "addon-support", 2))
    assert problems(both, trigger="amendment", running=(subscription(),)) == [(2, "plan_goes")]
    assert problems(deal(line(1, "plan-pro", 0))) == [(1, "bad_quantity")]  # no amendment


def test_st_d12_amendment_may_add_a_product_but_never_a_second_subscription() -> None:
    given = deal(line(1, "plan-desk"), line(2, "plan-pro", 11))
    made = intent(given, trigger="amendment", running=(subscription(),))
    assert {each.product: each.action for each in made.subscriptions} == {"desk": "start", "crm": "amend"}
    assert problems(deal(line(1, "plan-pro", 5)), running=(subscription(),)) == [(1, "already_subscribed")]


def test_st_d12_amendment_carries_terms_that_are_agreed_already() -> None:
    held = ((at(2026, 1, 1), terms(seats=10)), (at(2026, 12, 15), terms(seats=20)))
    made = intent(deal(line(1, "addon-support")), trigger="amendment", running=(subscription(terms=held),)).subscriptions[0]
    assert made.terms == terms(seats=10, add_ons={"addon-support": 1})
    assert made.later == ((at(2026, 12, 15), terms(seats=20, add_ons={"addon-support": 1})),)


def test_st_d12_amendment_after_the_end_is_refused() -> None:
    late = deal(line(1, "addon-support", start=date(2027, 2, 1)))
    assert problems(late, trigger="amendment", running=(subscription(),)) == [(1, "after_end")]


def test_st_07_renewal_goes_on_from_the_old_end_with_the_new_lines() -> None:
    held = subscription(terms(seats=10, add_ons={"addon-support": 1}))
    given = deal(line(1, "plan-pro", 30), term=Decimal(12), close_date=date(2026, 11, 20))
    made = intent(given, trigger="renewal", running=(held,)).subscriptions[0]
    assert (made.action, made.subscription, made.terms) == ("renew", "sub-1", terms(seats=30))
    assert (made.starts_at, made.ends_at) == (at(2027, 1, 1), at(2028, 1, 1))


def test_st_d12_renewal_without_plan_keeps_the_old_one() -> None:
    given = deal(line(1, "addon-support", 2), term=Decimal(6))
    made = intent(given, trigger="renewal", running=(subscription(),)).subscriptions[0]
    assert (made.terms, made.ends_at) == (terms(seats=10, add_ons={"addon-support": 2}), at(2027, 7, 1))


def test_st_d12_renewal_line_dates_do_not_move_its_begin() -> None:
    given = deal(line(1, "plan-pro", 30, start=date(2026, 11, 1), term=Decimal(12)))
    made = intent(given, trigger="renewal", running=(subscription(),)).subscriptions[0]
    assert (made.starts_at, made.ends_at) == (at(2027, 1, 1), at(2028, 1, 1))


def test_st_d12_late_renewal_goes_on_from_the_old_end_unless_the_deal_says_otherwise() -> None:
    ended = subscription(status="expired", ends_at=at(2026, 10, 1))
    made = intent(deal(line(1, "plan-pro", 3), term=Decimal(12)), trigger="renewal", running=(ended,)).subscriptions[0]
    assert (made.action, made.starts_at, made.ends_at) == ("renew", at(2026, 10, 1), at(2027, 10, 1))
    later = deal(line(1, "plan-pro", 3, start=date(2026, 12, 1)))
    assert intent(later, trigger="renewal", running=(ended,)).subscriptions[0].action == "start"
    long_ago = subscription(status="expired", starts_at=at(2020, 1, 1), ends_at=at(2021, 1, 1))
    anew = intent(deal(line(1, "plan-pro", 3), term=Decimal(12)), trigger="renewal", running=(long_ago,)).subscriptions[0]
    assert (anew.action, anew.starts_at) == ("start", at(2026, 11, 22))


def test_st_d12_new_business_that_begins_at_the_old_end_is_a_renewal() -> None:
    given = deal(line(1, "plan-pro", 5, start=date(2027, 1, 1)))
    assert intent(given, running=(subscription(),)).subscriptions[0].action == "renew"


def test_st_30_the_same_deal_again_changes_its_own_subscription_only() -> None:
    own = subscription(
        opportunity_id=deal().id, starts_at=at(2026, 11, 22), ends_at=None, terms=((at(2026, 11, 22), terms(seats=4)),)
    )
    made = intent(deal(line(1, "plan-pro", 4)), running=(own,)).subscriptions[0]
    assert (made.action, made.subscription, made.terms) == ("amend", "sub-1", terms(seats=4))


# --- the values themselves ---------------------------------------------------------------------------------------------------


def test_st_30_deal_and_intent_survive_json() -> None:
    given = deal(
        line(1, "plan-pro", 10, start=date(2027, 1, 1), end=date(2027, 12, 31)), line(2, "feature-calls", -1),
        quote=Quote("a0Q", "Q-1", "Quote", date(2027, 1, 1), term=Decimal(12)), contract=Contract("800", date(2027, 1, 1)),
        time_zone="Europe/Paris", modified_at=NOW, values={"Amount": "12.50", "IsWon": True}, account={"Name": "Acme"},
    )  # fmt: skip
    assert Deal.from_dict(json.loads(json.dumps(given.as_dict()))) == given
    made = intent(given)
    assert Intent.from_dict(json.loads(json.dumps(made.as_dict()))) == made


numbers = st.one_of(
    st.none(), st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**11), max_value=10**11, places=2)
)
keys = st.sampled_from(["plan-basic", "plan-pro", "plan-desk", "addon-support", "addon-desk", "feature-calls", "feature-sso",
                        "feature-none", "plan-old", "", "x"])  # fmt: skip
days = st.one_of(st.none(), st.dates(date(1600, 1, 1), date(2300, 1, 1)))
some_lines = st.lists(st.builds(
    lambda key, quantity, start, end, term, unlimited: line(
        1, key, quantity, start=start, end=end, term=term, unlimited=unlimited
    ),
    keys, numbers, days, days, st.one_of(st.none(), st.decimals(-5, 1000, places=1)), st.booleans(),
), max_size=5)  # fmt: skip


@generated(
    lines=some_lines,
    trigger=st.sampled_from(["won", "trial", "amendment", "renewal"]),
    held=st.sampled_from(["none", "paid", "trial"]),
)
def test_i_19_any_deal_gives_an_intent_or_problems_and_never_two_subscriptions_of_a_product(
    lines: list[DealLine], trigger: str, held: str
) -> None:
    running = {"none": (), "paid": (subscription(),), "trial": (trial(),)}[held]
    found = compiled(deal(*lines), trigger=trigger, running=running)
    if isinstance(found, Problems):
        assert found.items
        assert all(each.message and each.fix for each in found.items)
        return
    products = [each.product for each in found.subscriptions]
    assert products or not lines
    assert len(products) == len(set(products))
    for each in found.subscriptions:
        assert each.ends_at is None or each.ends_at > each.starts_at or each.action in ("cancel",)
        assert (each.action == "start") == (not each.subscription)
        assert each.terms.seats is None or each.terms.seats >= 0
        assert list(each.later) == sorted(each.later, key=lambda step: step[0])
