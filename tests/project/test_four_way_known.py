"""Findings that somebody explained, nights, and won deals that provisioning never saw."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from integrations.access import Refusal
from integrations.models import AuditEntry, Customer, FindingsNight, KnownFinding, RecordLink, SalesforceOrg
from project.four_way import audit, known, trend, winning
from project.four_way.positions import Finding, Kind, Severity
from tests.project.mirrored import mirror
from tests.project.test_four_way import acme, crm, deal, org, subscribe  # noqa: F401  fixtures

JSON = {"content_type": "application/json"}
FOUND = Finding(
    Kind.USED_ABOVE_GRANTED, Severity.MEDIUM, 7, "Acme", "calls", "140 of 100 calls used, 40 above.", Decimal(100), "USD"
)  # fmt: skip


def kept(finding: Finding = FOUND) -> KnownFinding:
    return KnownFinding(
        severity=finding.severity, amount=finding.amount, currency=finding.currency, words=known.words_of(finding)
    )


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True), ({"sentence": "151 of 100 calls used, 51 above."}, True), ({"amount": Decimal(110)}, True),
        ({"amount": Decimal("110.01")}, False), ({"amount": Decimal(3)}, True), ({"severity": Severity.HIGH}, False),
        ({"severity": Severity.LOW}, True), ({"sentence": "3 calls used; nothing gives it."}, False), ({"currency": "EUR"}, False),
        ({"amount": None, "currency": ""}, True),
    ],
)  # fmt: skip
def test_an_explained_finding_is_the_same_until_it_changes_or_gets_worse(changes, same):
    assert known.is_same(kept(), replace(FOUND, **changes)) is same
    assert known.key_of(replace(FOUND, **changes)) == known.key_of(FOUND)


def test_another_customer_kind_or_subject_is_another_finding():
    others = [{"customer": 8}, {"kind": Kind.SEATS}, {"subject": "storage"}, {"customer": None, "customer_name": "Other"}]
    assert len({known.key_of(replace(FOUND, **each)) for each in others} | {known.key_of(FOUND)}) == 5


@given(st.decimals(0, 10**6, places=2), st.decimals(0, 10**6, places=2))
def test_more_money_than_a_tenth_brings_it_back(before, after):
    assert known.is_same(kept(replace(FOUND, amount=before)), replace(FOUND, amount=after)) is (
        after <= before * Decimal("1.1")
    )


@pytest.fixture
def given_away(crm, acme, now):  # noqa: F811
    """A subscription that nobody sold or bills: one finding."""
    subscribe(acme, crm, now)
    return audit.compute_audit(now=now).findings[0]


def test_a_finding_is_explained_on_the_page_and_put_back(client, cast, given_away, acme, now):  # noqa: F811
    client.force_login(cast.olga)
    key = known.key_of(given_away)
    assert "Explain" in client.get("/audit/four-way/").content.decode()
    client.post(reverse("four_way_explain"), {"key": key, "reason": "Partner, see contract"})
    html = client.get("/audit/four-way/").content.decode()
    assert "Every finding is explained." in html
    html = client.get("/audit/four-way/?known=1").content.decode()
    assert "Partner, see contract" in html
    assert "Olga Perez" in html
    assert audit.findings_of(acme.pk) == []
    client.post(reverse("four_way_explain"), {"key": key, "undo": "1"})
    assert not KnownFinding.objects.exists()
    assert audit.findings_of(acme.pk)
    noted = AuditEntry.objects.filter(action__startswith="four_way").order_by("id").values_list("action", "actor_name")
    assert list(noted) == [("four_way.explained", "olga"), ("four_way.reopened", "olga")]


def test_explaining_needs_a_reason_and_a_finding(given_away, cast, now):
    for key, reason, code in ((known.key_of(given_away), " ", "no_reason"), ("x", "Because", "no_finding")):
        with pytest.raises(Refusal) as refused:
            known.explain([given_away], key, reason=reason, user=cast.ada, now=now)
        assert refused.value.code == code


def test_the_api_explains_and_lists_the_explained(client, cast, given_away):
    client.force_login(cast.olga)
    one = client.get("/api/v1/four-way-audit/").json()["results"][0]
    url = "/api/v1/four-way-audit/explain/"
    assert client.post(url, {"key": one["key"], "reason": "Partner"}, **JSON).status_code == 204
    assert client.get("/api/v1/four-way-audit/").json()["results"] == []
    assert client.get("/api/v1/four-way-audit/?known=1").json()["results"][0]["key"] == one["key"]
    assert client.post(url, {"key": one["key"], "reason": ""}, **JSON).status_code == 204
    assert client.post(url, {"key": "gone", "reason": "x"}, **JSON).json()["error"]["code"] == "no_finding"


def test_nights_keep_count_and_money_by_currency(db, now):
    euro = replace(FOUND, amount=Decimal(5), currency="EUR")
    trend.keep_night([FOUND, FOUND, euro], now=now - timedelta(days=1))
    trend.keep_night([FOUND], now=now)
    trend.keep_night([], now=now)  # compared again
    today, before = trend.read_nights()
    assert (today.count, today.worth) == (0, [])
    assert (before.count, before.worth) == (3, [("EUR", Decimal(5)), ("USD", Decimal(200))])
    assert [each.count for each in trend.read_nights(kind="seats")] == [0, 0]
    trend.keep_night([], now=now + timedelta(days=500))
    assert FindingsNight.objects.count() == 1


def test_the_nightly_comparison_keeps_its_night(given_away):
    assert audit.run_nightly() == 1
    assert FindingsNight.objects.get().count == 1


# --- won before provisioning ----------------------------------------------------------------------------------------------

ACCOUNT = "001dM0000000001QAA"


@pytest.fixture
def won(crm, org, acme, now):  # noqa: F811
    """Two won opportunities of Acme, one of which was provisioned."""
    RecordLink.objects.create(org=org, entity="customer", customer=acme, object="Account", salesforce_id=ACCOUNT, rule="name")
    done = deal(org, acme, now, account_id=ACCOUNT)
    columns = {"Id": "text", "AccountId": "text", "IsWon": "flag", "Name": "text", "CloseDate": "day", "OwnerId": "text",
               "SystemModstamp": "moment"}  # fmt: skip
    about = {"AccountId": ACCOUNT, "IsWon": True, "SystemModstamp": now, "CloseDate": date(2025, 3, 1)}
    rows = [
        {"Id": done.opportunity_id, "Name": "Done", **about},
        {"Id": "006A", "Name": "Old deal", "OwnerId": "005A", **about},
    ]
    mirror(org, "Opportunity", columns, rows, now)
    mirror(org, "User", {"Id": "text", "Name": "text", "SystemModstamp": "moment"},
           [{"Id": "005A", "Name": "Rita Rep", "SystemModstamp": now}], now)  # fmt: skip
    return org


def test_won_deals_that_were_never_provisioned_are_listed_by_name_with_their_owner(client, cast, won, acme):  # noqa: F811
    one = winning.read_won_deals()
    assert [(each.name, each.owner, each.customer, each.closed_on) for each in one] == [
        ("Old deal", "Rita Rep", acme.pk, date(2025, 3, 1))
    ]
    client.force_login(cast.ana)
    html = client.get("/audit/four-way/won/").content.decode()
    assert "Old deal" in html
    assert "Rita Rep" in html
    assert "Take over" not in html
    assert "Old deal" not in client.get("/audit/four-way/won/?text=nothing").content.decode()
    lines = b"".join(client.get("/audit/four-way/won.csv").streaming_content).decode().splitlines()
    assert len(lines) == 2
    client.force_login(cast.olga)
    assert "Take over" in client.get("/audit/four-way/won/").content.decode()


def test_only_a_listed_deal_of_a_running_connection_is_taken_over(won, cast, now, acme):  # noqa: F811
    SalesforceOrg.objects.filter(pk=won.pk).update(provisioning_enabled=True)
    won.refresh_from_db()
    with pytest.raises(Refusal) as refused:
        winning.take_over(won, "006X", user=cast.olga, now=now)
    assert refused.value.code == "not_listed"
    SalesforceOrg.objects.filter(pk=won.pk).update(provisioning_enabled=False)
    won.refresh_from_db()
    with pytest.raises(Refusal) as refused:
        winning.take_over(won, "006A", user=cast.olga, now=now)
    assert refused.value.code == "switched_off"
    assert Customer.objects.count() == 1
