"""The customer's page across all domains, and its timeline: what stands there, who sees what, what it costs."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from billing.models import BillingCustomer, CreditGrant, CustomerPlan, Invoice, Plan
from integrations.models import Customer, EndUser, LinkEvent, RecordLink, Run, SalesforceOrg
from integrations.product.models.engagements import Engagement, EngagementView
from okr.models import KeyResult, Objective, Period, ReportLink
from project import customer_sides
from project.four_way import audit
from project.timeline.entries import Entry, Source, count, read_page
from project.timeline.reading import timeline_of
from provisioning.models import Feature, Offer, OfferEntitlement, OfferVersion, Product, Provision, ProvisionStep
from provisioning.subscriptions import changes
from tests.project.mirrored import mirror

ACCOUNT, OTHER = "001dM0000000001QAA", "001dM0000000002QAA"


@pytest.fixture
def org(db) -> SalesforceOrg:
    return SalesforceOrg.objects.create(name="Acme org", state="connected", instance_url="https://acme.my.salesforce.com")


@pytest.fixture
def acme(org, now) -> Customer:
    customer = Customer.objects.create(external_id="acme", name="Acme Ltd", last_seen_at=now)
    RecordLink.objects.create(
        org=org, entity="customer", customer=customer, object="Account", salesforce_id=ACCOUNT, rule="name"
    )
    return customer


def read(client: Client, name: str, *args, **query) -> str:
    answer = client.get(reverse(name, args=args), query)
    assert answer.status_code == 200
    return answer.content.decode()


def sell(org: SalesforceOrg, customer: Customer, now: datetime) -> Provision:
    """A won deal whose steps are done, with the subscription that it gave."""
    product = Product.objects.create(key="crm", name="CRM")
    calls = Feature.objects.create(key="feature-calls", name="Calls", kind="metered", unit="calls")
    offer = Offer.objects.create(key="plan-pro", name="Pro", kind="plan", product=product)
    version = OfferVersion.objects.create(offer=offer, number=1, per_seat=True, published_at=now - timedelta(days=90))
    OfferEntitlement.objects.create(version=version, feature=calls, limit=Decimal(100))
    deal = Provision.objects.create(
        org=org, opportunity_id="006dM0000000001QAA", account_id=ACCOUNT, slot="contract", kind="won", source="poll", state="done",
        name="Acme renewal", customer=customer, opened_at=now - timedelta(minutes=5), finished_at=now - timedelta(minutes=4),
    )  # fmt: skip
    for position, name in enumerate(("customer", "subscription", "write_back")):
        ProvisionStep.objects.create(
            provision=deal, name=name, position=position, state="done", ended_at=now - timedelta(minutes=4 - position)
        )
    changes.start(customer, product=product, plan="plan-pro", seats=Decimal(7), starts_at=now, actor=None, now=now)
    return deal


def bill(customer: Customer, now: datetime) -> Invoice:
    Plan.objects.create(key="pro", name="Pro monthly")
    BillingCustomer.objects.create(key="acme", name="Acme", customer=customer)
    CustomerPlan.objects.create(key="cp", customer_key="acme", plan_key="pro", starting_on=now - timedelta(days=40))
    CreditGrant.objects.create(key="g", customer_key="acme", name="Welcome", effective_at=now - timedelta(days=39),
                               initial_balance=Decimal(100))  # fmt: skip
    Invoice.objects.create(key="draft", customer_key="acme", starts_at=now, ends_at=now, status="DRAFT")
    return Invoice.objects.create(
        key="i1", customer_key="acme", number="INV-7", currency="EUR", total=Decimal("12.50"), status="FINALIZED",
        starts_at=now - timedelta(days=40), ends_at=now - timedelta(days=10),
    )  # fmt: skip


# --- the page -----------------------------------------------------------------------------------------------------------


def test_one_page_tells_of_deal_subscription_invoice_and_what_happened(client, cast, org, acme, now) -> None:
    deal, invoice = sell(org, acme, now), bill(acme, now)
    client.force_login(cast.jane)
    shown = read(client, "customer", acme.pk)
    for words in ("Pro monthly", "12.50 EUR", "7 seats", "Calls", "0 of 100", "Wrote ids and addresses back to Salesforce",
                  "Opportunity “Acme renewal” won", "100.00 USD"):  # fmt: skip
        assert words in shown, words
    for page in (reverse("provisioning:provision", args=[deal.pk]), reverse("billing:invoice", args=[invoice.pk]),
                 reverse("customer_timeline", args=[acme.pk]), f"https://acme.my.salesforce.com/{ACCOUNT}"):  # fmt: skip
        assert page in shown or page.replace("/" + ACCOUNT, "") in shown, page
    assert "draft" not in {each.title for each in timeline_of(acme, user=cast.jane)[0:50]}


def test_a_customer_of_whom_nothing_is_known_has_a_page(client, cast, now) -> None:
    customer = Customer.objects.create(external_id="new", name="<b>New</b>")
    client.force_login(cast.jane)
    assert "&lt;b&gt;New" in read(client, "customer", customer.pk)
    assert "Nothing happened yet" in read(client, "customer_timeline", customer.pk)


def test_opportunities_and_owner_are_those_of_the_mirror(client, cast, org, acme, now) -> None:
    columns = {"Id": "text", "Name": "text", "AccountId": "text", "StageName": "text", "IsClosed": "flag", "IsWon": "flag",
               "SystemModstamp": "moment", "Amount": "number"}  # fmt: skip
    at = {"SystemModstamp": now}
    mirror(org, "Opportunity", columns, [
        {"Id": "006A", "Name": "Big one", "AccountId": ACCOUNT, "StageName": "Prospecting", "IsClosed": False, "IsWon": False,
         "Amount": Decimal(900), **at},
        {"Id": "006B", "Name": "Old one", "AccountId": ACCOUNT, "StageName": "Closed Won", "IsClosed": True, "IsWon": True, **at},
        {"Id": "006C", "Name": "Lost one", "AccountId": ACCOUNT, "StageName": "Lost", "IsClosed": True, "IsWon": False, **at},
        {"Id": "006D", "Name": "Somebody else's", "AccountId": OTHER, "IsClosed": False, "IsWon": False, **at},
    ], now)  # fmt: skip
    mirror(org, "Account", {"Id": "text", "OwnerId": "text", "SystemModstamp": "moment"},
           [{"Id": ACCOUNT, "OwnerId": "005X", **at}], now)  # fmt: skip
    mirror(
        org,
        "User",
        {"Id": "text", "Name": "text", "SystemModstamp": "moment"},
        [{"Id": "005X", "Name": "Olivia Own", **at}],
        now,
    )
    found = customer_sides.pipelines_of(acme)
    assert [([one.words for one in each.owners], each.open_count, each.won_count) for each in found] == [(["Olivia Own"], 1, 1)]
    assert [deal.name for deal in found[0].deals] == ["Big one", "Old one"]
    client.force_login(cast.jane)
    shown = read(client, "customer", acme.pk)
    assert "Big one" in shown
    assert "900.00" in shown
    assert "Somebody else" not in shown


def test_key_results_whose_report_names_the_customer(cast, org, acme, now) -> None:
    period = Period.objects.create(name="Q4", starts_on=now.date(), ends_on=now.date() + timedelta(days=90))
    goal = Objective.objects.create(title="Grow", owner=cast.jane, period=period)

    def link(title: str, **parts) -> None:
        key_result = KeyResult.objects.create(objective=goal, title=title, owner=cast.jane, target=10)
        ReportLink.objects.create(key_result=key_result, org=org, report_id="00O000000000001EAA", report_name="R", field="s!A",
                                  source_key="x", **parts)  # fmt: skip

    link("by name", filters=[{"column": "ACCOUNT_NAME", "operator": "equals", "value": "acme ltd"}])
    link("by id", filters=[{"column": "ACCOUNT_ID", "operator": "equals", "value": ACCOUNT}])
    link("by group", group_path=[{"field": "ACCOUNT_NAME", "value": ACCOUNT, "label": "Acme Ltd"}])
    link("another", filters=[{"column": "ACCOUNT_NAME", "operator": "equals", "value": "Acme Ltd & Sons"}])
    link("all")
    found = customer_sides.key_results_of(acme, [ACCOUNT])
    assert [each.key_result.title for each in found] == ["by group", "by id", "by name"]


def test_findings_of_the_audit_stand_on_the_page_for_those_who_may_open_it(client, cast, org, acme, now) -> None:
    sell(org, acme, now)  # without a recorded intent: granted, and nothing says that it was sold
    audit.compute_audit(now=now)
    client.force_login(cast.ana)
    assert f"{reverse('four_way')}?customer={acme.pk}" in read(client, "customer", acme.pk)
    client.force_login(cast.jane)
    assert reverse("four_way") not in read(client, "customer", acme.pk)


def test_links_back_from_billing_and_provisioning(client, cast, org, acme, now) -> None:
    deal, _ = sell(org, acme, now), bill(acme, now)
    client.force_login(cast.ana)
    here = reverse("customer", args=[acme.pk])
    billing = BillingCustomer.objects.get()
    for name, number in (
        ("billing:customer", billing.pk),
        ("provisioning:customer", acme.pk),
        ("provisioning:provision", deal.pk),
    ):
        assert here in read(client, name, number), name


# --- the timeline -------------------------------------------------------------------------------------------------------


def test_the_timeline_tells_cause_before_effect_with_provenance(client, cast, org, acme, now) -> None:
    deal = sell(org, acme, now)
    run = Run.objects.create(job="mapping.pull", org=org)
    LinkEvent.objects.create(org=org, entity="customer", customer=acme, action="linked", after_id=ACCOUNT, rule="name", run=run,
                             at=now - timedelta(days=1))  # fmt: skip
    entries = timeline_of(acme, user=cast.ana)[0:50]
    assert [each.kind for each in entries] == ["subscriptions", "deals", "deals", "deals", "deals", "links"]
    assert entries[-1].why == "Rule “Name”"
    assert (entries[-1].origin, entries[-1].origin_url) == (
        f"Acme org, run #{run.pk}",
        reverse("integrations:run", args=[run.pk]),
    )
    assert entries[-2].url == reverse("provisioning:provision", args=[deal.pk])
    assert timeline_of(acme, user=cast.jane)[0:50][-1].origin_url == ""  # runs are for analysts
    client.force_login(cast.jane)
    shown = read(client, "customer_timeline", acme.pk, kind="links")
    assert "Linked: " in shown
    assert "Acme renewal" not in shown


def test_names_of_people_are_masked_for_those_who_need_none(cast, acme, now) -> None:
    person = EndUser.objects.create(external_id="u", name="jo@acme.example", customer=acme)
    message = Engagement.objects.create(name="Hello", kind="message")
    EngagementView.objects.create(engagement=message, end_user=person, customer=acme, shown_at=now, clicked_at=now)
    told = {role: [each.title for each in timeline_of(acme, user=user, kind="messages")[0:50]]
            for role, user in (("member", cast.jane), ("operator", cast.olga))}  # fmt: skip
    assert told["operator"] == ["jo@acme.example clicked “Hello”", "jo@acme.example saw “Hello”"]
    assert told["member"] == ["j***@a*** clicked “Hello”", "j***@a*** saw “Hello”"]


def test_ten_thousand_entries_cost_as_many_queries_as_ten(client, cast, org, acme, now, django_assert_max_num_queries) -> None:
    LinkEvent.objects.bulk_create(
        LinkEvent(
            org=org, entity="customer", customer=acme, action="linked", after_id=ACCOUNT, at=now - timedelta(minutes=number)
        )
        for number in range(10_000)
    )
    sell(org, acme, now)
    client.force_login(cast.ana)
    with django_assert_max_num_queries(30):  # L-10
        last = read(client, "customer_timeline", acme.pk, page=201)
    assert "Page 201 of 201" in last
    with django_assert_max_num_queries(75):
        assert "All 10,0" in read(client, "customer", acme.pk)


@pytest.mark.parametrize("query", [{"kind": "?"}, {"page": "-3"}, {"page": "x"}, {"kind": "nps"}, {"kind": "revenue"}])
def test_odd_addresses_are_answered(client, cast, acme, query) -> None:
    client.force_login(cast.jane)
    read(client, "customer_timeline", acme.pk, **query)


def test_a_merged_customer_leads_to_the_one_that_is_left_and_an_erased_one_nowhere(client, cast, acme, now) -> None:
    old = Customer.objects.create(external_id="old", name="Old", merged_into=acme)
    client.force_login(cast.jane)
    assert client.get(reverse("customer_timeline", args=[old.pk])).headers["Location"] == reverse(
        "customer_timeline", args=[acme.pk]
    )
    Customer.objects.filter(pk=acme.pk).update(erased_at=now)
    assert client.get(reverse("customer_timeline", args=[acme.pk])).status_code == 404


START = datetime(2026, 1, 1, tzinfo=UTC)


def source(name: str, minutes: list[int]) -> Source:
    entries = {
        number: Entry(START + timedelta(minutes=at), name, "clock", f"{name}{number}") for number, at in enumerate(minutes)
    }
    ordered = sorted(entries, key=lambda number: (entries[number].at, number), reverse=True)
    return Source(
        name, name, lambda most: [(entries[each].at, each) for each in ordered[:most]], lambda: len(entries),
        lambda keys: {key: entries[key] for key in keys},
    )  # fmt: skip


@given(st.lists(st.lists(st.integers(0, 50), max_size=12), min_size=1, max_size=4), st.integers(1, 7))
def test_pages_are_the_whole_in_order_without_gaps_or_doubles(lists, size) -> None:
    sources = [source("abcd"[place], minutes) for place, minutes in enumerate(lists)]
    total = count(sources)
    pages = [read_page(sources, number=number, size=size) for number in range(1, -(-total // size) + 1)]
    told = [each for page in pages for each in page]
    assert len(told) == total == sum(len(each) for each in lists)
    assert len({each.title for each in told}) == total
    assert [each.at for each in told] == sorted((each.at for each in told), reverse=True)
    assert read_page(sources, number=len(pages) + 1, size=size) == []
