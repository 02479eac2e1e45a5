"""Facts out of mirror, product events and spine, end to end."""

import random
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from analytics.attributes.body import MapBody, Source, Step
from analytics.facts.computing import HEALTH
from analytics.facts.tables import COLUMNS, WORKING
from analytics.models import AnalyticsSettings, FactsState
from integrations.lake.engine import one_engine
from integrations.lake.erasing import erase
from integrations.models import Customer, CustomerAlias, EndUser, Entity, LakeFile, LakeTable, RecordLink
from integrations.product.kpis import job as kpis_job
from integrations.product.models import DirtyDay
from tests.analytics.b_world import (
    NOW,
    account,
    account_id,
    computed,
    deal,
    merged,
    opportunity,
    rows,
    sf,
    standard_map,
    with_settings,
)  # fmt: skip
from tests.analytics.cast import utc, write_events

D, DAY = Decimal, timedelta(days=1)


def movements(org) -> list[tuple[str, str, str, Decimal]]:
    return [
        (subject, day.isoformat(), kind, delta)
        for subject, day, kind, delta in rows(org, "movements", "subject", "day", "kind", "delta")
    ]


def milestones(org, *kinds: str) -> list[tuple[str, str, bool]]:
    found = rows(org, "milestones", "kind", "at", "derived")
    return [(kind, at.date().isoformat(), derived) for kind, at, derived in found if not kinds or kind in kinds]


def choose(org, **values) -> None:
    AnalyticsSettings.objects.update_or_create(org=org, defaults=values)


def test_facts_of_standard_sales_end_to_end(org):
    one = Customer.objects.create(external_id="acme", name="Acme")
    sf(org, "Account", [account("A", Linking__c="acme", Industry="Media", BillingCountry="DE"), account("B", Name="Bee")])
    sf(org, "Opportunity", [deal("1", "A", 1200, "2026-01-15"), deal("2", "B", 600, "2026-03-01", IsWon=False)])
    made = computed(org)
    assert rows(org, "subjects", "subject", "name", "linked_by", "mrr", "industry", "region") == [
        ("001B00000000000000", "Bee", "none", Decimal(0), None, None),
        (f"c{one.pk}", "Acme", "linking_id", Decimal(100), "Media", "DE"),
    ]
    assert movements(org) == [(f"c{one.pk}", "2026-01-15", "new", Decimal(100))]
    assert made.state.health["unlinked_accounts"] == 1
    assert made.rows["months"] == 10


def test_fz_09_every_group_of_data_becomes_facts_alike_on_both_engines(org, settings):
    """A company in which everything occurs, computed by each engine: the stored rows are equal."""
    pytest.importorskip("chdb", reason="The chdb package stands in for a ClickHouse server.")
    body = whole_company(org)
    found = []
    for engine in ("duckdb", "chdb"):
        settings.LAKE_ENGINE_URL = f"{engine}://"
        health = computed(org, body).state.health
        settings.LAKE_ENGINE_URL = "duckdb://"
        found.append(({name: rows(org, name, *(column for column, _ in COLUMNS[name])) for name in COLUMNS}, health))
        FactsState.objects.all().delete()
        LakeTable.objects.filter(name__startswith="analytics/").delete()
    assert found[0] == found[1]
    assert all(found[0][0].values())


def whole_company(org) -> MapBody:
    """Something in every table."""
    one, two = (Customer.objects.create(external_id=each, first_seen_at=utc("2026-09-03T10:00")) for each in ("acme", "bee"))
    gone = Customer.objects.create(external_id="gone", merged_into=two)
    person = EndUser.objects.create(external_id="u1", customer=one)
    RecordLink.objects.create(org=org, entity=Entity.CUSTOMER, customer=gone, object="Account", salesforce_id=account_id("B"))
    life(org)
    sf(org, "Account", [
        account("A", Linking__c="ACME", Churned_On__c="2026-04-10", Seats__c="7.5", BillingCountry="DE", Industry="Media"),
        account("B", CreatedDate="2024-01-01"), account("C", Linking__c="nobody", CurrencyIsoCode="EUR"), account("D", IsDeleted=True),
    ], stamp="2026-11-01")  # fmt: skip
    merged(org, "D", "C")
    sf(org, "Opportunity", [
        deal("7", "D", 100, "2026-02-01", Ends__c="2026-02-20", CurrencyIsoCode="EUR"), deal("8", "B", 80, "2026-03-01", Type="Trial"),
        deal("9", "B", 90, "2026-04-01", Type="One-time"), deal("x", "B", 90, "2026-10-10", IsWon=False, IsClosed=False),
    ])  # fmt: skip
    sf(org, "CurrencyType", [
        {"Id": "a", "IsoCode": "USD", "ConversionRate": 1, "IsCorporate": True}, {"Id": "b", "IsoCode": "EUR", "ConversionRate": "0.9"},
    ])  # fmt: skip
    sf(org, "AccountHistory", [
        {"Id": "1", "AccountId": account_id("A"), "Field": "Industry", "OldValue": None, "NewValue": "Media", "CreatedDate": "2026-02-01"},
    ])  # fmt: skip
    sf(org, "Contact", [{"Id": "003K", "AccountId": account_id("A")}])
    sf(org, "Lead", [{"Id": "00QL", "ConvertedAccountId": account_id("D")}])
    sf(org, "Campaign", [{"Id": "701C", "Name": "Spring", "Type": "Email", "StartDate": "2026-03-01"}])
    sf(org, "CampaignMember", [
        {"Id": "1", "CampaignId": "701C", "ContactId": "003K", "Status": "Clicked"},
        {"Id": "2", "CampaignId": "701C", "LeadId": "00QL", "HasResponded": True},
    ])  # fmt: skip
    sf(org, "Case", [{"Id": "500A", "AccountId": account_id("A"), "Type": "Bug", "CreatedDate": "2026-05-05T09:00"}])
    sf(org, "Answer__c", [{"Id": "n", "Account__c": account_id("A"), "Score__c": 9, "Answered__c": "2026-05-05"}])
    write_events([
        ("Login", one.pk, 1, utc("2026-09-03T10:00")), ("Login", gone.pk, 2, utc("2026-10-07T10:00")),
        ("Login", None, person.pk, utc("2026-10-08T10:00")),
    ])  # fmt: skip
    path = (Step("Account__c", "Account"),)
    body = standard_map(
        tx_end=opportunity("Ends__c"), tx_quantity=opportunity("Quantity__c"), churn_date=Source("Account", ("Churned_On__c",)),
        nps_score=Source("Answer__c", ("Score__c",), path=path), nps_date=Source("Answer__c", ("Answered__c",), path=path),
    )  # fmt: skip
    reads = {"CurrencyType": ("IsoCode", "ConversionRate", "IsCorporate"), "Opportunity": ("CurrencyIsoCode",),
             "AccountHistory": ("AccountId", "Field", "OldValue", "NewValue", "CreatedDate")}  # fmt: skip
    return MapBody(body.attributes, body.settings, reads)


# --- Subjects ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("linking", ["field", "links", "both"])
def test_fz_d5_the_linking_choice_is_applied(org, linking):
    choose(org, linking=linking)
    one, two = (Customer.objects.create(external_id=each) for each in ("one", "two"))
    for customer, name in ((two, "A"), (one, "B")):
        RecordLink.objects.create(
            org=org, entity=Entity.CUSTOMER, customer=customer, object="Account", salesforce_id=account_id(name), rule="domain"
        )
    sf(org, "Account", [account("A", Linking__c="one"), account("B"), account("C", Linking__c="nobody")])
    made = computed(org)
    by = dict(rows(org, "subjects", "account_id", "linked_by"))
    expected = {
        "field": {"A": "linking_id", "B": "none"},
        "links": {"A": "link", "B": "link"},
        "both": {"A": "linking_id", "B": "link"},
    }
    if linking == "both":  # both lead to customer one: one subject with two accounts
        assert rows(org, "subjects", "accounts", "account_id") == [(0, None), (1, account_id("C")), (2, account_id("A"))]
    else:
        assert {name: by[account_id(name)] for name in "AB"} == expected[linking]
    assert by[account_id("C")] == "none"
    assert made.state.health["linking_ids_unknown"] == {"field": 1, "links": 2, "both": 1}[linking]


def test_fz_d5_nobody_is_dropped(org):
    alone = Customer.objects.create(external_id="alone", name="Alone")
    sf(org, "Account", [account("A"), account("B", Linking__c="nobody")])
    health = computed(org).state.health
    assert rows(org, "subjects", "subject", "customer_id", "account_id") == [
        (account_id("A"), None, account_id("A")), (account_id("B"), None, account_id("B")), (f"c{alone.pk}", alone.pk, None),
    ]  # fmt: skip
    assert (health["unlinked_accounts"], health["customers_without_account"], health["linking_ids_unknown"]) == (2, 1, 1)


@pytest.mark.parametrize("written", ["acme", " acme ", "ACME", "other-name", "Other-Name"])
def test_r_101_the_linking_id_is_compared_without_spaces_and_case_and_aliases_count(org, written):
    one = Customer.objects.create(external_id="acme")
    CustomerAlias.objects.create(customer=one, value="other-name")
    sf(org, "Account", [account("A", Linking__c=written)])
    computed(org)
    assert rows(org, "subjects", "subject", "account_id") == [(f"c{one.pk}", account_id("A"))]


def test_a_linking_id_that_fits_two_customers_without_case_leads_to_neither(org):
    Customer.objects.bulk_create([Customer(external_id="acme"), Customer(external_id="ACME")])
    sf(org, "Account", [account("A", Linking__c="Acme"), account("B", Linking__c="ACME")])
    computed(org)
    found = dict(rows(org, "subjects", "account_id", "linked_by"))
    assert (found[account_id("A")], found[account_id("B")]) == ("none", "linking_id")


def test_several_accounts_of_one_customer_are_one_subject_and_the_first_speaks_for_it(org):
    one = Customer.objects.create(external_id="acme", name="Acme")
    sf(org, "Account", [
        account("B", Linking__c="acme", CreatedDate="2025-05-01", Industry="Late"),
        account("A", Linking__c="acme", CreatedDate="2025-04-01", Industry="Early"),
    ])  # fmt: skip
    sf(org, "Opportunity", [deal("1", "A", 120, "2026-01-01"), deal("2", "B", 240, "2026-01-01")])
    health = computed(org).state.health
    assert rows(org, "subjects", "subject", "account_id", "accounts", "industry", "mrr") == [
        (f"c{one.pk}", account_id("A"), 2, "Early", D(30))
    ]
    assert (health["customers_with_several_accounts"], health["duplicate_accounts"]) == (1, 1)


def test_a_linking_id_on_another_object_than_the_account(org):
    one = Customer.objects.create(external_id="acme")
    sf(org, "Account", [account("A")])
    sf(org, "Contact", [{"Id": "003K".ljust(18, "0"), "AccountId": account_id("A")}])
    sf(org, "Answer__c", [{"Id": "a01".ljust(18, "0"), "Account__c": account_id("A"), "Score__c": 1}])
    Customer.objects.filter(pk=one.pk).update(external_id="1")
    computed(org, standard_map(linking_id=Source("Answer__c", ("Score__c",), path=(Step("Account__c", "Account"),))))
    assert rows(org, "subjects", "subject") == [(f"c{one.pk}",)]


def test_methods_6_a_merge_of_accounts_moves_revenue_without_a_movement(org):
    sf(org, "Account", [account("A", CreatedDate="2025-01-01"), account("B", CreatedDate="2025-02-01")])
    sf(org, "Opportunity", [deal("1", "A", 1200, "2026-01-01"), deal("2", "B", 600, "2026-02-01")])
    computed(org)
    assert len(rows(org, "subjects", "subject")) == 2
    sf(org, "Account", [account("B", IsDeleted=True)], stamp="2026-11-01T00:00")
    merged(org, "B", "A")  # its deal still names the loser
    computed(org)
    assert rows(org, "subjects", "subject", "mrr") == [(account_id("A"), D(150))]
    assert [each[1:] for each in movements(org)] == [("2026-01-01", "new", D(100)), ("2026-02-01", "expansion", D(50))]


def test_merged_customers_are_one_subject(org):
    one, two = (Customer.objects.create(external_id=each) for each in ("one", "two"))
    Customer.objects.filter(pk=two.pk).update(merged_into=one)
    sf(org, "Account", [account("A", Linking__c="one"), account("B", Linking__c="two")])
    write_events([("Login", two.pk, 7, utc("2026-10-02T10:00")), ("Login", one.pk, 8, utc("2026-10-02T11:00"))])
    computed(org)
    assert rows(org, "subjects", "subject", "accounts") == [(f"c{one.pk}", 2)]
    assert rows(org, "months", "subject", "active_users", "active_days", "events") == [(f"c{one.pk}", 2, 1, 2)]


def test_deleted_accounts_leave(org):
    sf(org, "Account", [account("A"), account("B")])
    sf(org, "Opportunity", [deal("1", "A", 1200, "2026-01-01")])
    computed(org)
    sf(org, "Account", [account("A", IsDeleted=True)], stamp="2026-11-01T00:00")
    health = computed(org).state.health
    assert rows(org, "subjects", "subject") == [(account_id("B"),)]
    assert movements(org) == []
    assert health["transactions_without_account"] == 1


# --- Money -------------------------------------------------------------------------------------------------------------


def test_fz_d11_dated_rates_of_the_midnight_convert_and_unknown_currencies_are_refused(org):
    choose(org, currency="EUR")
    sf(org, "Account", [account(each) for each in "ABC"])
    sf(org, "CurrencyType", [
        {"Id": "a", "IsoCode": "USD", "ConversionRate": 1, "IsCorporate": True}, {"Id": "b", "IsoCode": "EUR", "ConversionRate": "0.9"},
    ])  # fmt: skip
    sf(org, "DatedConversionRate", [
        {"Id": "c", "IsoCode": "EUR", "ConversionRate": "0.5", "StartDate": "2026-01-01", "NextStartDate": "2026-06-01"},
        {"Id": "d", "IsoCode": "EUR", "ConversionRate": "0.8", "StartDate": "2026-06-01", "NextStartDate": "9999-12-31"},
        {"Id": "e", "IsoCode": "EUR", "ConversionRate": "0.1", "StartDate": "2026-11-02", "NextStartDate": "9999-12-31"},
    ])  # fmt: skip
    sf(org, "Opportunity", [
        deal("1", "A", 1200, "2026-01-15", CurrencyIsoCode="USD"), deal("2", "B", 1200, "2026-01-15", CurrencyIsoCode="EUR"),
        deal("3", "C", 1200, "2026-01-15", CurrencyIsoCode="GBP"), deal("4", "C", 1200, "2026-01-15", CurrencyIsoCode="GBP"),
    ])  # fmt: skip
    body = standard_map()
    reads = {"CurrencyType": ("IsoCode", "ConversionRate", "IsCorporate"), "Opportunity": ("CurrencyIsoCode",),
             "DatedConversionRate": ("IsoCode", "ConversionRate", "StartDate", "NextStartDate")}  # fmt: skip
    made = computed(org, type(body)(body.attributes, body.settings, reads))
    assert [each[3] for each in movements(org)] == [D(80), D(100)]
    assert made.state.health["refused_currencies"] == {"GBP": 2}
    assert made.state.health["currency"] == "EUR"


def test_fz_d11_without_rates_only_one_currency_is_counted(org):
    sf(org, "Account", [account(each) for each in "AB"])
    sf(org, "Opportunity", [
        deal("1", "A", 1200, "2026-01-15", CurrencyIsoCode="EUR"), deal("2", "A", 1200, "2026-02-15", CurrencyIsoCode="EUR"),
        deal("3", "B", 1200, "2026-01-15", CurrencyIsoCode="USD"),
    ])  # fmt: skip
    made = computed(org, standard_map(tx_currency=opportunity("CurrencyIsoCode")))
    assert made.state.health["currency"] == "EUR"
    assert made.state.health["refused_currencies"] == {"USD": 1}
    assert {each[0] for each in movements(org)} == {account_id("A")}


def test_fz_34_one_time_sales_and_trials_are_no_recurring_revenue(org):
    sf(org, "Account", [account("A")])
    sf(org, "Opportunity", [
        deal("1", "A", 500, "2026-02-10", Type="One-time sale"), deal("2", "A", 0, "2026-02-01", Type="Trial", Term__c=1),
        deal("3", "A", 1200, "2026-03-01", Type="New Business", Term__c=12),
    ])  # fmt: skip
    computed(org, standard_map(tx_months=opportunity("Term__c")))
    assert rows(org, "spans", "kind", "mrr") == [("one_time", D(0)), ("recurring", D(100)), ("trial", D(0))]
    found = dict(rows(org, "months", "month", "one_time"))
    assert found[date(2026, 2, 1)] == D(500)
    assert found[date(2026, 3, 1)] == D(0)
    subject = rows(org, "subjects", "trial_started_at", "trial_ended_at", "paid_at")[0]
    assert [each.date().isoformat() for each in subject] == ["2026-02-01", "2026-03-01", "2026-03-01"]


def test_custom_subscriptions_with_monthly_amounts_and_an_open_end(org):
    sf(org, "Account", [account("A")])
    sf(org, "Subscription__c", [{"Id": "s1", "Account__c": account_id("A"), "Monthly__c": "99.50", "Begins__c": "2026-05-01"}])
    path = (Step("Account__c", "Account"),)
    body = standard_map(
        tx_amount=Source("Subscription__c", ("Monthly__c",), path=path), tx_start=Source("Subscription__c", ("Begins__c",), path=path),
        tx_end=Source("Subscription__c", ("Ends__c",), path=path), product_name=None, contract_type=None,
    )  # fmt: skip
    health = computed(org, with_settings(body, tx_amount_is="monthly")).state.health
    assert rows(org, "spans", "mrr", "ends_on", "source_object") == [(D("99.5"), None, "Subscription__c")]
    assert health["spans_without_end"] == 1
    assert rows(org, "subjects", "mrr", "churned_at") == [(D("99.5"), None)]


def test_what_is_wrong_with_transactions_is_counted(org):
    sf(org, "Account", [account("A")])
    sf(org, "Opportunity", [
        deal("1", "A", 100, None), deal("2", "A", 100, "2026-02-01", Ends__c="2026-01-01"), deal("3", "A", None, "2026-01-01"),
        deal("4", "Z", 100, "2026-01-01"), deal("5", "A", 100, "9999-12-30"),
    ])  # fmt: skip
    health = computed(org, standard_map(tx_end=opportunity("Ends__c"))).state.health
    assert {key: health[key] for key in health if key.startswith(("spans", "transactions"))} == {
        "transactions": 5, "transactions_without_account": 1, "spans": 1, "spans_without_start": 1, "spans_reversed": 1,
        "spans_without_amount": 1, "spans_with_default_term": 2, "spans_without_end": 0, "spans_out_of_range": 1,
    }  # fmt: skip


def test_fz_d10_paying_is_mrr_above_zero_at_the_end_of_a_month(org):
    sf(org, "Account", [account("A")])
    sf(
        org,
        "Opportunity",
        [deal("1", "A", 300, "2026-02-10", Ends__c="2026-04-09"), deal("2", "A", 300, "2026-06-10", Ends__c="2026-07-09")],
    )
    computed(org, standard_map(tx_end=opportunity("Ends__c")))
    paying = {month.month for month, mrr in rows(org, "months", "month", "mrr_end") if mrr > 0}
    assert paying == {2, 3, 6}


# --- Milestones --------------------------------------------------------------------------------------------------------


def life(org) -> None:
    """Starts, upsells, downgrades, renews, leaves, comes back."""
    sf(org, "Account", [account("A", Churned_On__c="2026-04-10", Paid_Start__c="2024-12-24", CreatedDate="2024-06-01")])
    sf(org, "Opportunity", [
        deal("1", "A", 1200, "2025-01-01", Ends__c="2025-12-31", Product__c="P"),
        deal("2", "A", 1800, "2026-01-10", Ends__c="2026-06-30", Product__c="P"),
        deal("3", "A", 120, "2025-03-01", Ends__c="2025-04-30", Product__c="X"),
        deal("4", "A", 1200, "2026-09-01", Ends__c="2027-08-31", Product__c="P"),
    ])  # fmt: skip


def test_fz_d4_milestones_are_derived_from_the_timeline_of_an_account(org):
    life(org)
    computed(org, standard_map(tx_end=opportunity("Ends__c")))
    assert milestones(org, "paid_start", "upsell", "downgrade", "renewal", "churn", "winback") == [
        ("churn", "2026-07-01", True), ("downgrade", "2025-05-01", True), ("paid_start", "2025-01-01", True),
        ("renewal", "2026-01-10", True), ("upsell", "2025-03-01", True), ("upsell", "2026-01-10", True),
        ("winback", "2026-09-01", True),
    ]  # fmt: skip
    assert rows(org, "subjects", "derived", "churned_at") == [("churn,downgrade,paid_start,renewal,upsell,winback", None)]


def test_fz_d4_a_mapped_field_comes_first_and_ends_service(org):
    life(org)
    mapped = {"churn_date": Source("Account", ("Churned_On__c",)), "paid_start": Source("Account", ("Paid_Start__c",))}
    computed(org, standard_map(tx_end=opportunity("Ends__c"), **mapped))
    assert milestones(org, "paid_start", "churn") == [("churn", "2026-04-10", False), ("paid_start", "2024-12-24", False)]
    assert [each[1:3] for each in movements(org) if each[2] in ("churn", "reactivation")][-2:] == [
        ("2026-04-10", "churn"), ("2026-09-01", "reactivation"),
    ]  # fmt: skip
    choose(org, preference="derived")
    computed(org, standard_map(tx_end=opportunity("Ends__c"), **mapped))
    assert milestones(org, "paid_start", "churn") == [("churn", "2026-07-01", True), ("paid_start", "2025-01-01", True)]


@pytest.mark.parametrize(("grace", "found"), [(5, ["churn", "winback"]), (30, ["renewal", "upsell"])])
def test_fz_d4_the_gap_is_a_setting(org, grace, found):
    choose(org, grace_days=grace)
    sf(org, "Account", [account("A")])
    sf(org, "Opportunity", [
        deal("1", "A", 1200, "2025-01-01", Ends__c="2025-12-31"), deal("2", "A", 1800, "2026-01-21", Ends__c="2026-12-31"),
    ])  # fmt: skip
    computed(org, standard_map(tx_end=opportunity("Ends__c")))
    assert [each[0] for each in milestones(org, "churn", "winback", "renewal", "upsell")] == found


def test_fz_d4_more_of_the_same_for_the_same_money_is_an_upsell(org):
    sf(org, "Account", [account("A")])
    sf(org, "Opportunity", [
        deal("1", "A", 1200, "2025-01-01", Ends__c="2025-12-31", Quantity__c=10),
        deal("2", "A", 1200, "2026-01-01", Ends__c="2026-12-31", Quantity__c=15),
    ])  # fmt: skip
    computed(org, standard_map(tx_end=opportunity("Ends__c"), tx_quantity=opportunity("Quantity__c")))
    assert [each[:2] for each in milestones(org, "upsell", "downgrade", "renewal")] == [
        ("renewal", "2026-01-01"), ("upsell", "2026-01-01"),
    ]  # fmt: skip
    assert [each[2] for each in movements(org)] == ["new"]


def test_fz_d3_the_start_is_the_first_won_deal_else_the_creation_of_the_account(org):
    sf(org, "Account", [account("A", CreatedDate="2024-01-01"), account("B", CreatedDate="2024-02-02")])
    sf(
        org,
        "Opportunity",
        [deal("2", "A", 100, "2025-06-01"), deal("1", "A", 100, "2025-05-01"), deal("3", "B", 9, "2024-01-01", IsWon=False)],
    )
    computed(org)
    assert [each.date().isoformat() for _, each in rows(org, "subjects", "subject", "started_at")] == [
        "2025-05-01",
        "2024-02-02",
    ]


def test_every_renewal_of_a_mapped_field_counts_and_days_to_come_do_not(org):
    sf(org, "Account", [account("A", Renewed_On__c="2026-05-05"), account("B", Renewed_On__c="2027-05-05")])
    computed(org, standard_map(renewal_date=Source("Account", ("Renewed_On__c",))))
    assert milestones(org, "renewal") == [("renewal", "2026-05-05", False)]


# --- Attributes and their past -------------------------------------------------------------------------------------------


def test_attributes_come_from_their_sources_with_values_and_fallbacks(org):
    sf(org, "Account", [
        account("A", BillingState="BY", BillingCountry="DE", Seats__c="12", AccountSource="Web"),
        account("B", BillingCountry="FR", AccountSource="Web", Industry=" "),
    ])  # fmt: skip
    sf(org, "Opportunity", [
        deal("1", "A", 1, "2026-02-01", LeadSource="Partner"), deal("2", "A", 1, "2026-01-01", LeadSource="Ads"),
        deal("3", "A", 1, "2025-01-01", LeadSource="Lost", IsWon=False),
    ])  # fmt: skip
    values = {"Ads": "Marketing"}
    first = opportunity(
        "LeadSource", pick="first", order_by="CloseDate", values=values, otherwise=Source("Account", ("AccountSource",))
    )
    computed(org, standard_map(source=first))
    assert rows(org, "subjects", "account_id", "region", "source", "seats", "industry") == [
        (account_id("A"), "BY, DE", "Marketing", D(12), None), (account_id("B"), "FR", "Web", None, None),
    ]  # fmt: skip


def history(org, attribute: str) -> list[tuple[str | None, str | None]]:
    found = rows(org, "attribute_history", "attribute", "since", "value")
    picked = [(since and since.date().isoformat(), value) for name, since, value in found if name == attribute]
    return sorted(picked, key=lambda each: each[0] or "")


def test_methods_8_the_past_comes_from_field_history_and_own_snapshots(org):
    sf(org, "Account", [account("A", Industry="Media", Seats__c=5)])
    sf(org, "AccountHistory", [
        {"Id": "1", "AccountId": account_id("A"), "Field": "Industry", "OldValue": "Old", "NewValue": "Retail", "CreatedDate": "2026-02-01"},
        {"Id": "2", "AccountId": account_id("A"), "Field": "Industry", "OldValue": "Retail", "NewValue": "Media", "CreatedDate": "2026-05-01"},
        {"Id": "3", "AccountId": account_id("A"), "Field": "Name", "OldValue": "x", "NewValue": "y", "CreatedDate": "2026-05-02"},
    ])  # fmt: skip
    body = standard_map()
    body = type(body)(
        body.attributes, body.settings, {"AccountHistory": ("AccountId", "Field", "OldValue", "NewValue", "CreatedDate")}
    )
    computed(org, body)
    assert history(org, "industry") == [(None, "Old"), ("2026-02-01", "Retail"), ("2026-05-01", "Media")]
    assert history(org, "seats") == [(None, "5")]
    sf(org, "Account", [account("A", Industry="Media", Seats__c=9)], stamp="2026-11-02")
    computed(org, body, now=NOW + 2 * DAY)
    computed(org, body, now=NOW + 3 * DAY)
    assert history(org, "seats") == [(None, "5"), ("2026-11-03", "9")]
    sf(org, "Account", [account("A", Industry="Media")], stamp="2026-11-04")
    computed(org, body, now=NOW + 4 * DAY)
    assert history(org, "seats")[-1] == ("2026-11-05", None)


def test_snapshots_move_along_when_an_account_gets_its_customer(org):
    sf(org, "Account", [account("A", Seats__c=5, Linking__c="acme")])
    computed(org)
    sf(org, "Account", [account("A", Seats__c=7, Linking__c="acme")], stamp="2026-11-02")
    one = Customer.objects.create(external_id="acme")
    computed(org, now=NOW + DAY)
    found = [each for each in rows(org, "attribute_history", "subject", "attribute", "value") if each[1] == "seats"]
    assert found == [(f"c{one.pk}", "seats", "5"), (f"c{one.pk}", "seats", "7")]


# --- Campaigns, tickets, scores ------------------------------------------------------------------------------------------


def test_fz_50_52_campaign_members_lead_to_accounts_over_contacts_and_converted_leads(org):
    sf(org, "Account", [account("A"), account("B")])
    sf(org, "Contact", [{"Id": "003K", "AccountId": account_id("A")}])
    sf(org, "Lead", [{"Id": "00QL", "ConvertedAccountId": account_id("B")}, {"Id": "00QM"}])
    sf(org, "Campaign", [{"Id": "701C", "Name": "Spring", "Type": "Email", "StartDate": "2026-03-01"}])
    sf(org, "CampaignMember", [
        {"Id": "1", "CampaignId": "701C", "ContactId": "003K", "Status": "Clicked"},
        {"Id": "2", "CampaignId": "701C", "LeadId": "00QL", "Status": "Sent", "HasResponded": True},
        {"Id": "3", "CampaignId": "701C", "LeadId": "00QM", "Status": "Sent"},
        {"Id": "4", "CampaignId": "701C", "ContactId": "003K", "Status": "Whatever"},
    ])  # fmt: skip
    health = computed(org).state.health
    assert rows(org, "touches", "member", "subject", "contact_id", "campaign", "type", "state") == [
        ("1", account_id("A"), "003K", "Spring", "Email", "clicked"), ("2", account_id("B"), None, "Spring", "Email", "responded"),
        ("4", account_id("A"), "003K", "Spring", "Email", "sent"),
    ]  # fmt: skip
    assert {at.date().isoformat() for (at,) in rows(org, "touches", "at")} == {"2026-03-01"}
    assert (health["touches"], health["touches_without_account"]) == (3, 1)
    assert list(rows(org, "months", "subject", "touches", "responses")) == [
        (account_id("A"), 2, 0), (account_id("B"), 1, 1),
    ]  # fmt: skip


def test_fz_46_47_tickets(org):
    sf(org, "Account", [account("A")])
    sf(org, "Case", [
        {"Id": "500A", "AccountId": account_id("A"), "Type": "Bug", "CreatedDate": "2026-05-05T09:00", "ClosedDate": "2026-05-06"},
        {"Id": "500B", "AccountId": account_id("A"), "Type": "Question", "CreatedDate": "2026-11-01T01:00"},
        {"Id": "500C", "AccountId": None, "Type": "Question", "CreatedDate": "2026-05-05"},
    ])  # fmt: skip
    health = computed(org).state.health
    assert rows(org, "tickets", "ticket", "type") == [("500A", "Bug")]  # B is of today, which is in no window
    assert health["tickets_without_account"] == 1
    assert rows(org, "subjects", "tickets") == [(1,)]


def test_methods_3_scores_off_their_scale_are_left_out_and_counted(org):
    from integrations.product.ingest import lake_tables
    from tests.analytics.cast import write_rows

    one = Customer.objects.create(external_id="acme")
    sf(org, "Account", [account("A", Linking__c="acme")])
    sf(org, "Answer__c", [
        {"Id": str(number), "Account__c": account_id("A"), "Score__c": score, "Answered__c": f"2026-05-{number + 1:02d}"}
        for number, score in enumerate(("9", "11", "-1", "7.5", "10", None))
    ])  # fmt: skip
    at = utc("2026-06-01T10:00")
    answer = {
        "event_id": "n1",
        "day": at.date(),
        "at": at,
        "received_at": at,
        "customer_id": one.pk,
        "end_user_id": 5,
        "score": 3,
    }
    write_rows(lake_tables.nps_table(), [answer])
    path = (Step("Account__c", "Account"),)
    body = standard_map(
        nps_score=Source("Answer__c", ("Score__c",), path=path), nps_date=Source("Answer__c", ("Answered__c",), path=path)
    )
    health = computed(org, body).state.health
    assert rows(org, "scores", "subject", "kind", "score", "source") == [
        (f"c{one.pk}", "nps", D(3), "product"), (f"c{one.pk}", "nps", D(9), "salesforce"), (f"c{one.pk}", "nps", D(10), "salesforce"),
    ]  # fmt: skip
    assert (health["scores"], health["scores_off_scale"]) == (3, 3)
    assert rows(org, "subjects", "nps") == [(D(3),)]


# --- Events ------------------------------------------------------------------------------------------------------------


def test_fz_d12_people_are_rolled_up_to_customers_alike_from_events_and_from_the_roll_up(org):
    one = Customer.objects.create(
        external_id="acme", first_seen_at=utc("2026-09-03T10:00"), last_seen_at=utc("2026-11-01T01:00")
    )
    write_events([
        ("Login", one.pk, 1, utc("2026-09-03T10:00")), ("Login", one.pk, 2, utc("2026-09-03T12:00")),
        ("Login", one.pk, 1, utc("2026-10-07T10:00")), ("Login", one.pk, 1, utc("2026-11-01T01:00")),
    ])  # fmt: skip
    expected = [(date(2026, 9, 1), 1, 2, 2), (date(2026, 10, 1), 1, 1, 1)]
    computed(org)
    assert rows(org, "months", "month", "active_days", "active_users", "events") == expected
    assert rows(org, "subjects", "last_seen_at") == [(utc("2026-10-07"),)]  # today is in no window
    kpis_job.bring_up_to_date(now=NOW)
    computed(org)
    assert rows(org, "months", "month", "active_days", "active_users", "events") == expected


def test_only_months_with_new_events_are_written_again(org):
    one = Customer.objects.create(external_id="acme")
    write_events([("Login", one.pk, 1, utc("2026-08-03T10:00")), ("Login", one.pk, 1, utc("2026-10-03T10:00"))])
    computed(org)
    before = {each.day: each.path for each in LakeFile.objects.filter(table__name__endswith="/months", retired_at=None)}
    write_more(one.pk)
    made = computed(org)
    after = {each.day: each.path for each in LakeFile.objects.filter(table__name__endswith="/months", retired_at=None)}
    assert before[date(2026, 8, 1)] == after[date(2026, 8, 1)]
    assert before[date(2026, 10, 1)] != after[date(2026, 10, 1)]
    assert made.changed["months"] == 1
    assert made.changed["activity"] == 1


def write_more(customer: int) -> None:
    from integrations.product.ingest import lake_tables
    from tests.analytics.c_world import Event, store

    store([Event("Login", customer, 9, utc("2026-10-20T10:00"))])
    assert lake_tables.find_table(lake_tables.EVENTS) is not None
    DirtyDay.objects.create(day=date(2026, 10, 20))


def test_r_236_repeated_events_are_counted_once(org):
    from tests.analytics.c_world import Event, store

    one = Customer.objects.create(external_id="acme")
    events = [Event("Login", one.pk, 1, utc("2026-10-03T10:00"), event_id=f"e{number}") for number in range(100)]
    store(events)
    store(events[:7])
    computed(org)
    assert rows(org, "months", "events") == [(100,)]


def test_r_237_events_of_an_unknown_customer_are_kept_and_joined_when_it_appears(org):
    person = EndUser.objects.create(external_id="u1")
    write_events([("Login", None, person.pk, utc("2026-10-03T10:00"))])
    computed(org)
    assert rows(org, "months", "events") == []
    one = Customer.objects.create(external_id="acme")
    EndUser.objects.filter(pk=person.pk).update(customer=one)
    computed(org)
    assert rows(org, "months", "subject", "active_users", "events") == [(f"c{one.pk}", 1, 1)]


# --- Twice, erased, broken -----------------------------------------------------------------------------------------------


def test_r_235_computing_twice_gives_the_same_bytes_and_writes_nothing(org):
    one = Customer.objects.create(external_id="acme")
    sf(org, "Account", [account("A", Linking__c="acme", Seats__c=3), account("B")])
    sf(org, "Opportunity", [deal("1", "A", 1200, "2026-01-15"), deal("2", "B", 600, "2026-03-01")])
    write_events([("Login", one.pk, 1, utc("2026-10-03T10:00"))])
    first = computed(org)
    files = set(LakeFile.objects.filter(table__name__startswith="analytics/", retired_at=None).values_list("path", flat=True))
    sf(org, "Opportunity", [deal("1", "A", 1200, "2026-01-15"), deal("2", "B", 600, "2026-03-01")], stamp="2026-10-31")
    again = computed(org, now=NOW + timedelta(hours=5))
    assert (
        set(LakeFile.objects.filter(table__name__startswith="analytics/", retired_at=None).values_list("path", flat=True))
        == files
    )
    assert again.state.digest == first.state.digest
    assert not any(again.changed.values())


def test_i_02_a_computation_that_breaks_leaves_the_facts_of_before(org, monkeypatch):
    sf(org, "Account", [account("A")])
    digest = computed(org).state.digest
    sf(org, "Account", [account("B")])

    def broken(*args, **kwargs):
        raise RuntimeError("killed")

    monkeypatch.setattr(FactsState.objects, "update_or_create", broken)
    with pytest.raises(RuntimeError):
        computed(org)
    assert rows(org, "subjects", "subject") == [(account_id("A"),)]
    assert FactsState.objects.get(org=org).digest == digest


def test_i_23_an_erased_customer_leaves_the_facts_and_stays_away(org):
    one = Customer.objects.create(external_id="acme", name="Acme")
    sf(org, "Account", [account("A", Linking__c="acme")])
    write_events([("Login", one.pk, 1, utc("2026-10-03T10:00"))])
    computed(org)
    erase("customer.id", str(one.pk), now=NOW)
    Customer.objects.filter(pk=one.pk).update(erased_at=NOW, external_id="erased-1", name="")
    assert rows(org, "subjects", "subject") == []
    assert rows(org, "months", "events") == []
    computed(org)
    assert rows(org, "subjects", "subject", "name") == [(account_id("A"), "A")]
    assert rows(org, "months", "events") == []


def test_without_map_and_mirror_the_product_alone_gives_facts(org):
    one = Customer.objects.create(external_id="acme", name="Acme")
    write_events([("Login", one.pk, 1, utc("2026-10-03T10:00"))])
    made = computed(org)
    assert rows(org, "subjects", "subject", "name", "linked_by") == [(f"c{one.pk}", "Acme", "none")]
    assert "Account" in made.state.health["missing_objects"]
    assert made.rows["months"] == 1


def test_the_health_page_knows_every_key(org):
    assert set(computed(org).state.health) == set(HEALTH)


def test_the_current_map_is_taken_and_its_version_noted(org):
    from analytics.attributes.body import as_json
    from analytics.facts.computing import compute
    from analytics.models import AttributeMap

    sf(org, "Account", [account("A", Industry="Media")])
    AttributeMap.objects.create(org=org, number=7, body=as_json(standard_map()))
    assert compute(None, org, NOW).state.map_number == 7
    assert rows(org, "subjects", "industry") == [("Media",)]


@pytest.mark.parametrize("seed", range(2))
def test_months_that_are_computed_piece_by_piece_are_those_of_a_computation_from_scratch(org, seed):
    """Deals, tickets and links that come, change and go at any time of the past: only months from the first change are computed."""
    chance = random.Random(seed)
    customers = [Customer.objects.create(external_id=f"x{number}") for number in range(4)]
    links = {name: f"x{number}" for number, name in enumerate("ABCD")}
    sf(org, "Account", [account(name, Linking__c=link) for name, link in links.items()])
    body = standard_map(tx_end=opportunity("Ends__c"))
    for night in range(3):
        stamp = f"2026-11-{night + 1:02d}"
        deals = [
            deal(
                str(chance.randint(1, 9)), chance.choice("ABCDE"), chance.randint(1, 90) * 10, f"2026-{chance.randint(1, 10):02d}-05",
                IsDeleted=chance.random() < 0.2, Type=chance.choice([None, "One-time"]),
            )
            for _ in range(3)
        ]  # fmt: skip
        sf(org, "Opportunity", deals, stamp=stamp)
        opened = f"2026-{chance.randint(1, 10):02d}-07"
        sf(org, "Case", [{"Id": "500A", "AccountId": account_id(chance.choice("AB")), "CreatedDate": opened}], stamp=stamp)
        if night == 2:
            sf(org, "Account", [account("E", Linking__c=chance.choice(["x0", "new", None]))], stamp=stamp)
            write_more(customers[0].pk)
        now = NOW + night * DAY
        computed(org, body, now=now)
        found, health = everything(org)
        assert found["months"]
        FactsState.objects.filter(org=org).update(seen={})
        computed(org, body, now=now)
        assert everything(org) == (found, health)


def everything(org):
    """All facts and the counts of data health."""
    names = COLUMNS | WORKING
    with one_engine():
        stored = {name: rows(org, name, *(column for column, _ in names[name])) for name in names}
    return stored, FactsState.objects.get(org=org).health


@pytest.mark.parametrize("seed", range(3))
def test_what_is_taken_over_from_the_night_before_is_what_a_computation_from_scratch_gives(org, seed):
    """Terms that begin and end in the days around each midnight, also of subjects nobody touched; deals that change their
    account, price and term, or go; rates, links and settings that change: spans, movements and milestones are the same."""
    chance = random.Random(seed)
    for number in range(3):
        Customer.objects.create(external_id=f"x{number}")
    sf(org, "Account", [account(name, Linking__c=f"x{number}") for number, name in enumerate("ABCDFGH")])
    sf(org, "CurrencyType", rates("1.25"))
    mapped = standard_map(
        tx_start=opportunity("Begins__c"), tx_end=opportunity("Ends__c"), tx_currency=opportunity("CurrencyIsoCode")
    )  # fmt: skip
    body = replace(
        with_settings(mapped, default_months=1), reads={"CurrencyType": ("IsoCode", "ConversionRate", "IsCorporate")}
    )  # fmt: skip
    sf(org, "Opportunity", [_term(chance, number) for number in range(50)], stamp="2026-10-30")
    moved = 0
    for night in range(4):
        stamp = f"2026-11-{night + 1:02d}"
        if night:
            sf(org, "Opportunity", [_term(chance, chance.randint(0, 52)) for _ in range(chance.choice([0, 2]))], stamp=stamp)
        if night == 2:
            _change_the_world(org, seed, stamp)
        before = set(rows(org, "movements", "subject", "day", "kind"))
        computed(org, body, now=NOW + night * DAY)
        found, health = everything(org)
        moved += len(set(rows(org, "movements", "subject", "day", "kind")) - before) if night else 0
        FactsState.objects.filter(org=org).update(seen={})
        computed(org, body, now=NOW + night * DAY)
        assert everything(org) == (found, health)
    assert moved > 5


def _term(chance, number):
    """A deal whose service begins and ends some days around the first of November."""
    begins = NOW.date() + chance.randint(-20, 4) * DAY
    ends = begins + chance.randint(-1, 20) * DAY if chance.random() < 0.8 else None
    return deal(
        f"n{number}", chance.choice("ABCDEFGH"), chance.randint(1, 90) * 10, None, Begins__c=begins.isoformat(),
        Ends__c=ends and ends.isoformat(), Product__c=chance.choice([None, "One", "Two"]), IsDeleted=chance.random() < 0.15,
        Type=chance.choice([None, None, None, "Renewal", "Replacement", "Trial", "One-time"]), CurrencyIsoCode=chance.choice([*["EUR", "USD"] * 4, "CHF"]),
    )  # fmt: skip


def _change_the_world(org, seed, stamp):
    """One thing besides the records of the source, another one for each seed."""
    if seed == 0:
        sf(org, "CurrencyType", rates("2"), stamp=stamp)
    elif seed == 1:
        sf(org, "Account", [account("A", Linking__c=None), account("E", Linking__c="x1")], stamp=stamp)
    else:
        AnalyticsSettings.objects.update_or_create(org=org, defaults={"grace_days": 3})


def rates(of_dollars):
    """Two currencies; of the third there is no rate."""
    return [
        {"Id": "01LE", "IsoCode": "EUR", "ConversionRate": 1, "IsCorporate": True},
        {"Id": "01LU", "IsoCode": "USD", "ConversionRate": of_dollars, "IsCorporate": False},
    ]
