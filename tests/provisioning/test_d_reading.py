"""Reading a deal from the demo org over HTTP."""

from datetime import date
from decimal import Decimal

import pytest
from django.core.cache import cache
from django.utils import timezone

from integrations.orgs.connect import client_for
from provisioning.connection import settings_of
from provisioning.intent.deal import Deal, Place
from provisioning.intent.lines import DealGone, read_deal

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(connected_org):
    with client_for(connected_org, domain="provisioning") as made:
        yield made


def some_deal(client, *, won: bool) -> dict:
    flag = "true" if won else "false"
    soql = f"SELECT Id, Name, AccountId FROM Opportunity WHERE IsWon = {flag} AND HasOpportunityLineItem = true ORDER BY Id LIMIT 1"
    return client.query_all(soql)[0]


def test_st_30_reads_the_deal_with_its_products(connected_org, client) -> None:
    record = some_deal(client, won=True)
    deal = read_deal(client, connected_org, record["Id"][:15])
    count = client.count(f"SELECT COUNT() FROM OpportunityLineItem WHERE OpportunityId = '{record['Id']}'")
    assert (deal.id, deal.name, deal.account_id, deal.outcome) == (record["Id"], record["Name"], record["AccountId"], "won")
    assert [each.number for each in deal.lines] == list(range(1, count + 1))
    assert all(each.name and each.product_id and each.quantity for each in deal.lines)
    assert [each.place for each in deal.lines[0].mappings] == [Place.LINE, Place.ENTRY, Place.PRODUCT]
    assert deal.account_name
    assert deal.contract is not None
    assert isinstance(deal.close_date, date)
    assert Deal.from_dict(deal.as_dict()).lines == deal.lines


def test_st_d7_days_begin_in_the_time_zone_of_the_org(connected_org, client) -> None:
    zone = client.query_all("SELECT TimeZoneSidKey FROM Organization")[0]["TimeZoneSidKey"]
    assert read_deal(client, connected_org, some_deal(client, won=True)["Id"]).time_zone == zone


def test_st_d3_reads_mapping_fields_by_the_names_of_the_settings_as_soon_as_they_exist(connected_org, client) -> None:
    record = some_deal(client, won=False)
    assert read_deal(client, connected_org, record["Id"]).lines[0].mappings[-1].key == ""
    settings = settings_of(connected_org)  # fields that exist: the reading spells them as Salesforce does
    settings.type_field, settings.id_field, settings.term_field = "family", "PRODUCTCODE", "term_months__c"
    settings.save()
    cache.clear()
    deal = read_deal(client, connected_org, record["Id"], extra=["Amount", "Account.Industry", "No_Such__c"])
    product = deal.lines[0].mappings[-1]
    known = client.query_all(f"SELECT Family, ProductCode FROM Product2 WHERE Id = '{deal.lines[0].product_id}'")[0]
    assert (product.type, product.key) == (known["Family"], known["ProductCode"])
    assert deal.term in {Decimal(12), Decimal(24), Decimal(36)}
    assert "Amount" in deal.values
    assert "Industry" in deal.account
    assert "No_Such__c" not in deal.values


def test_st_d7_a_start_field_with_a_time_counts_on_its_day_in_the_orgs_zone(connected_org, client, demo_org) -> None:
    account = client.query_all("SELECT Id FROM Account LIMIT 1")[0]["Id"]
    demo_org.clock(now="2026-12-01T03:30:00Z")  # still the day before in New York
    body = {"Name": "Late", "StageName": "Prospecting", "CloseDate": "2027-01-01", "AccountId": account}
    made = client.request("POST", "sobjects/Opportunity", json=body).data["id"]
    settings = settings_of(connected_org)
    settings.start_field = "CreatedDate"
    settings.save()
    deal = read_deal(client, connected_org, made)
    assert deal.created_at is not None
    assert (deal.start, deal.created_at.date()) == (date(2026, 11, 30), date(2026, 12, 1))


def test_st_d13_deleted_and_unknown_deals_are_told_apart(connected_org, client) -> None:
    record = some_deal(client, won=False)
    client.request("DELETE", f"sobjects/Opportunity/{record['Id']}")
    with pytest.raises(DealGone) as deleted:
        read_deal(client, connected_org, record["Id"])
    assert deleted.value.deleted
    with pytest.raises(DealGone) as unknown:
        read_deal(client, connected_org, "006000000000ZZZ")
    assert not unknown.value.deleted


def test_st_30_reading_costs_few_calls_once_the_fields_are_known(connected_org, client, demo_org) -> None:
    record = some_deal(client, won=True)
    read_deal(client, connected_org, record["Id"])
    demo_org.forget_calls()
    started = timezone.now()
    read_deal(client, connected_org, record["Id"])
    assert len(demo_org.calls()) <= 3
    assert (timezone.now() - started).total_seconds() < 5
