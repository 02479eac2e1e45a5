"""Every wanted attribute that is mapped to a field becomes a fact of its account (FZ-20 to FZ-52)."""

from datetime import date
from decimal import Decimal

import pytest

from analytics.attributes.body import Source, Step
from tests.analytics.b_world import account, account_id, computed, deal, sf, standard_map
from tests.analytics.test_b_facts import rows

SCORE = (Step("Account__c", "Account"),)


def of_account(field: str) -> Source:
    return Source("Account", (field,))


def answer(kind: str) -> dict[str, Source]:
    return {
        f"{kind}_score": Source("Answer__c", ("Score__c",), path=SCORE),
        f"{kind}_date": Source("Answer__c", ("Answered__c",), path=SCORE),
    }


def milestones(org) -> set[tuple[str, str, bool]]:
    """Kind, day and whether it was derived."""
    return {(kind, at.date().isoformat(), derived) for kind, at, derived in rows(org, "milestones", "kind", "at", "derived")}


def test_fz_21_account_start_date_is_the_first_won_deal_else_the_account_itself(org):
    sf(org, "Account", [account("A"), account("B")])
    sf(org, "Opportunity", [deal("1", "A", 10, "2026-05-01"), deal("2", "A", 10, "2026-03-01")])
    computed(org)
    found = {key: at.date() for key, at in rows(org, "subjects", "account_id", "started_at")}
    assert found == {account_id("A"): date(2026, 3, 1), account_id("B"): date(2025, 1, 1)}


def test_fz_22_fz_23_fz_25_industry_region_and_seats_are_those_of_the_account(org):
    sf(org, "Account", [account("A", Industry="Energy", BillingState="CA", BillingCountry="USA", Seats__c=40), account("B")])
    computed(org)
    found = {key: values for key, *values in rows(org, "subjects", "account_id", "industry", "region", "seats")}
    assert found[account_id("A")] == ["Energy", "CA, USA", Decimal(40)]
    assert found[account_id("B")] == [None, None, None]


def test_fz_24_source_is_that_of_the_first_won_deal_else_of_the_account(org):
    sf(org, "Account", [account("A", AccountSource="Other"), account("B", AccountSource="Web")])
    sf(
        org,
        "Opportunity",
        [deal("1", "A", 1, "2026-05-01", LeadSource="Late"), deal("2", "A", 1, "2026-03-01", LeadSource="First")],
    )
    computed(org)
    assert dict(rows(org, "subjects", "account_id", "source")) == {account_id("A"): "First", account_id("B"): "Web"}


def test_fz_30_fz_31_fz_32_trial_paid_and_churn_dates_of_fields_are_steps_of_the_account(org):
    sf(org, "Account", [account("A", Trial_Start__c="2026-01-01", Paid_Start__c="2026-01-20", Churned_On__c="2026-06-01")])
    body = standard_map(
        trial_start=of_account("Trial_Start__c"), paid_start=of_account("Paid_Start__c"), churn_date=of_account("Churned_On__c")
    )
    computed(org, body)
    assert milestones(org) >= {
        ("trial_start", "2026-01-01", False), ("paid_start", "2026-01-20", False), ("churn", "2026-06-01", False),
    }  # fmt: skip
    subject = rows(org, "subjects", "trial_started_at", "paid_at", "churned_at")[0]
    assert [each.date().isoformat() for each in subject] == ["2026-01-01", "2026-01-20", "2026-06-01"]


def test_fz_33_product_name_stands_at_each_term_and_at_the_account(org):
    sf(org, "Account", [account("A")])
    sf(org, "Opportunity", [deal("1", "A", 120, "2026-02-01", Product__c="Planner")])
    computed(org)
    assert rows(org, "spans", "product") == [("Planner",)]
    assert rows(org, "subjects", "product") == [("Planner",)]


@pytest.mark.parametrize(
    ("key", "kind"),
    [("upsell_date", "upsell"), ("downgrade_date", "downgrade"), ("renewal_date", "renewal"), ("winback_date", "winback")],
)
def test_fz_35_fz_36_fz_37_fz_38_a_mapped_date_is_a_step_and_not_derived(org, key, kind):
    sf(org, "Account", [account("A", Renewed_On__c="2026-04-05"), account("B")])
    computed(org, standard_map(**{key: of_account("Renewed_On__c")}))
    assert (kind, "2026-04-05", False) in milestones(org)


@pytest.mark.parametrize(("kind", "score"), [("nps", 9), ("csat", 4), ("ces", 6)])
def test_fz_40_fz_41_fz_42_fz_43_fz_44_fz_45_scores_come_with_their_dates(org, kind, score):
    sf(org, "Account", [account("A")])
    sf(org, "Answer__c", [
        {"Id": "a", "Account__c": account_id("A"), "Score__c": score, "Answered__c": "2026-05-01T10:00"},
        {"Id": "b", "Account__c": account_id("A"), "Score__c": 1, "Answered__c": "2026-03-01T10:00"},
    ])  # fmt: skip
    computed(org, standard_map(**answer(kind)))
    found = {(each[0], each[1], each[2].date().isoformat()) for each in rows(org, "scores", "kind", "score", "at")}
    assert found == {(kind, Decimal(score), "2026-05-01"), (kind, Decimal(1), "2026-03-01")}
    assert rows(org, "subjects", kind) == [(Decimal(score),)], "the latest answer stands at the account"


def test_fz_46_fz_47_tickets_come_with_date_and_type(org):
    sf(org, "Account", [account("A")])
    sf(org, "Case", [{"Id": "500a", "AccountId": account_id("A"), "Type": "Problem", "CreatedDate": "2026-05-01T10:00"}])
    computed(org)
    ((kind, at),) = rows(org, "tickets", "type", "at")
    assert (kind, at.date()) == ("Problem", date(2026, 5, 1))


def test_fz_50_fz_51_fz_52_campaign_name_type_date_and_what_became_of_the_message(org):
    sf(org, "Account", [account("A")])
    sf(org, "Contact", [{"Id": "003a", "AccountId": account_id("A")}])
    sf(org, "Campaign", [{"Id": "701a", "Name": "Spring tour", "Type": "Email", "StartDate": "2026-04-01"}])
    sf(org, "CampaignMember", [{"Id": "00va", "CampaignId": "701a", "ContactId": "003a", "Status": "Opened"}])
    computed(org)
    ((name, kind, state, at),) = rows(org, "touches", "campaign", "type", "state", "at")
    assert (name, kind, state, at.date()) == ("Spring tour", "Email", "opened", date(2026, 4, 1))
