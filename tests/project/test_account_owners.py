"""Owners of accounts and names of opportunities: read by the mirror within what the integration user sees, shown on pages."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from integrations.models import Alert, Customer, Drift, MirrorField, MirrorObject, RecordLink, SalesforceOrg
from integrations.sync.mirror import describing, needs
from integrations.sync.mirror.needs import ALWAYS, Need, merge_needs
from project import account_owners, customer_sides
from project.account_owners import names_of_deals, owners_of, words_of
from project.four_way import audit
from project.security.needs import wishes_of
from provisioning.models import Provision
from tests.mirror.reads import ask, read
from tests.project.mirrored import mirror
from tests.project.test_four_way import acme, crm, deal, org  # noqa: F401  fixtures

ACCOUNT, OWNER, DEAL = "001dM0000000001QAA", "005dM0000000001QAA", "006dM0000000009QAA"


@pytest.fixture
def mirrored(monkeypatch, connected_org) -> SalesforceOrg:
    """A connection whose mirror reads accounts for another domain, and what these pages need."""
    asked = [Need("test", "Account", ("Website",), None)]
    monkeypatch.setattr(needs, "_providers", {"test": lambda org: asked, account_owners.NAME: account_owners.needs_of})  # noqa: F811
    return connected_org


def link(org: SalesforceOrg, customer: Customer, account: str = ACCOUNT) -> None:  # noqa: F811
    RecordLink.objects.create(
        org=org, entity="customer", customer=customer, object="Account", salesforce_id=account, rule="name"
    )


# --- what the mirror is asked for -------------------------------------------------------------------------------------------


def test_riding_fields_join_a_read_and_start_none():
    rider = Need("b", "Account", ("OwnerId",), since_months=None, optional=True, rides=True)
    assert merge_needs([rider]) == {}
    found = merge_needs([rider, Need("a", "account", ("Website",), since_months=3)])["Account"]
    assert (found.since_months, found.optional, found.is_optional) == (3, ("ownerid",), False)
    assert list(found.fields) == [*ALWAYS, "OwnerId", "Website"]


def test_what_one_domain_insists_on_is_not_optional():
    both = merge_needs([Need("a", "User", ("Name",), optional=True), Need("b", "User", ("Name",))])["User"]
    assert (both.optional, both.is_optional) == ((), False)
    assert merge_needs([Need("a", "User", ("Name",), optional=True)])["User"].is_optional


def test_nothing_is_asked_for_without_customers_and_no_deals_where_nobody_sells(org):  # noqa: F811
    assert list(account_owners.needs_of(org)) == []
    Customer.objects.create(external_id="one")
    assert {each.object for each in account_owners.needs_of(org)} == {"Account", "User", "Opportunity"}
    org.billing_enabled = org.analytics_enabled = org.provisioning_enabled = False
    assert {each.object for each in account_owners.needs_of(org)} == {"Account", "User"}
    org.product_enabled = False
    assert list(account_owners.needs_of(org)) == []


def test_the_mirror_reads_owners_and_deals_of_a_real_account(mirrored):
    found = ask(mirrored, "SELECT AccountId, Name, Account.Owner.Name FROM Opportunity WHERE AccountId != null LIMIT 1")[0]
    customer = Customer.objects.create(external_id="real", name="Real")
    link(mirrored, customer, found["AccountId"])
    assert read(mirrored).state == "success"
    assert words_of(owners_of([customer.pk]), customer.pk) == found["Account"]["Owner"]["Name"]
    assert found["Name"] in {each.name for each in find_deals(mirrored, found["AccountId"])}
    assert set(MirrorField.objects.get(object__name="Account", name="OwnerId").needed_by) == {account_owners.NAME}


def find_deals(org: SalesforceOrg, account: str):  # noqa: F811
    rows = account_owners.find_rows(org, "Opportunity", [account], customer_sides.WANTED, column="AccountId")
    return [customer_sides._opportunity(row, {}) for row in rows]


def test_what_the_integration_user_does_not_see_breaks_nothing_and_is_no_drift(mirrored, demo_org):
    customer = Customer.objects.create(external_id="real", name="Real")
    link(mirrored, customer, ask(mirrored, "SELECT Id FROM Account LIMIT 1")[0]["Id"])
    demo_org.settings(hidden_fields={"Account": ["OwnerId"], "Opportunity": ["Amount"]}, hidden_objects=["User"])
    run = read(mirrored)
    assert (run.state, run.sentence) == ("success", run.sentence)
    assert owners_of([customer.pk]) == {}
    assert MirrorObject.objects.get(name="User").state == "no_access"
    assert not MirrorField.objects.filter(name__in=("OwnerId", "Amount"), object__name__in=("Account",)).exists()
    assert not Drift.objects.exists()
    assert not Alert.objects.exists()
    optional = {(each.object, each.field): each.optional for each in wishes_of(mirrored)}
    assert optional["User", ""]
    assert optional["Account", "OwnerId"]
    assert not optional["Account", ""]

    demo_org.settings(hidden_fields={}, hidden_objects=[])
    for name in ("Account", "Opportunity", "User"):
        describing.forget_description(mirrored, name)
    assert read(mirrored).state == "success"
    assert MirrorObject.objects.get(name="User").state == "active"
    assert owners_of([customer.pk])[customer.pk][0].name


def test_a_field_that_is_hidden_later_is_forgotten_without_an_alert(mirrored, demo_org):
    customer = Customer.objects.create(external_id="real", name="Real")
    link(mirrored, customer, ask(mirrored, "SELECT Id FROM Account LIMIT 1")[0]["Id"])
    read(mirrored)
    assert owners_of([customer.pk])
    demo_org.settings(hidden_fields={"Account": ["OwnerId"]})
    describing.forget_description(mirrored, "Account")
    assert read(mirrored).state == "success"
    assert owners_of([customer.pk]) == {}
    assert not Drift.objects.exists()


# --- pages ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def known(org, acme, now):  # noqa: F811
    """Acme's account, its owner and a deal in the mirror."""
    SalesforceOrg.objects.filter(pk=org.pk).update(instance_url="https://acme.my.salesforce.com")
    link(org, acme)
    at = {"SystemModstamp": now}
    mirror(org, "Account", {"Id": "text", "OwnerId": "text", "SystemModstamp": "moment"},
           [{"Id": ACCOUNT, "OwnerId": OWNER, **at}], now)  # fmt: skip
    mirror(org, "User", {"Id": "text", "Name": "text", "SystemModstamp": "moment"},
           [{"Id": OWNER, "Name": "Olivia <b>Own", **at}], now)  # fmt: skip
    columns = {"Id": "text", "Name": "text", "AccountId": "text", "StageName": "text", "IsClosed": "flag", "IsWon": "flag",
               "Amount": "number", "CloseDate": "day", "SystemModstamp": "moment"}  # fmt: skip
    about = {"AccountId": ACCOUNT, "StageName": "Closed Won", "IsClosed": True, "IsWon": True, "Amount": Decimal(900),
             "CloseDate": now.date(), **at}  # fmt: skip
    mirror(org, "Opportunity", columns, [{"Id": DEAL, "Name": "Acme renewal 27", **about}], now)
    return org


def test_the_customers_page_names_the_owner_and_leads_to_both_in_salesforce(client, cast, known, acme):  # noqa: F811
    client.force_login(cast.jane)
    shown = client.get(reverse("customer", args=[acme.pk])).content.decode()
    for words in ("Account owner", "Olivia &lt;b&gt;Own", f"https://acme.my.salesforce.com/{OWNER}", "Acme renewal 27",
                  f"https://acme.my.salesforce.com/{DEAL}", "Closed Won", "900.00"):  # fmt: skip
        assert words in shown, words


def test_the_four_way_audit_names_deal_and_owner(client, cast, known, acme, now):  # noqa: F811
    late = now - timedelta(days=1)
    Provision.objects.create(org=known, opportunity_id=DEAL, account_id=ACCOUNT, customer=acme, slot="contract", kind="won",
                             source="poll", state="blocked", sentence="A product is not mapped.", opened_at=late)  # fmt: skip
    assert names_of_deals([(known.pk, DEAL), (known.pk, ACCOUNT)]) == {(known.pk, DEAL): "Acme renewal 27"}
    audit.compute_audit(now=now)
    client.force_login(cast.ana)
    shown = client.get(reverse("four_way")).content.decode()
    assert "Acme renewal 27" in shown
    assert DEAL not in shown
    assert "Olivia &lt;b&gt;Own" in shown
    lines = b"".join(client.get(reverse("four_way_csv")).streaming_content).decode().splitlines()
    assert lines[0].endswith("owner")
    assert "Olivia <b>Own" in lines[1]
    answer = client.get("/api/v1/four-way-audit/").json()["results"]
    assert {each["owner"] for each in answer} == {"Olivia <b>Own"}
