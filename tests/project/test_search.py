"""Search everywhere: each kind of thing, what a role may see, ids of Salesforce, bounds, page, suggestions and JSON."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import BillingCustomer, Invoice
from integrations.models import Customer, CustomerAlias, EndUser, Mapping, RecordLink, Run, SalesforceOrg
from integrations.product.models.segments import Segment
from okr.models import KeyResult, Objective, Period
from project.searching import places
from project.searching.finding import find_everywhere
from provisioning.models import Automation, Offer, Product, Provision, Subscription

ACCOUNT, DEAL = "001dM0000000001QAA", "006dM0000000001QAA"


@pytest.fixture
def world(cast, now) -> dict[str, object]:
    """One of each, with Acme somewhere in its name."""
    org = SalesforceOrg.objects.create(name="Acme production", state="connected", instance_url="https://acme.my.salesforce.com")
    acme = Customer.objects.create(external_id="cus-1", name="Acme Ltd", website="https://acme.example")
    jo = EndUser.objects.create(external_id="u-1", name="Jo Acmeson", email="jo@acme.example", customer=acme)
    RecordLink.objects.create(org=org, entity="customer", customer=acme, object="Account", salesforce_id=ACCOUNT, rule="name")
    period = Period.objects.create(name="Q4", starts_on=now.date(), ends_on=now.date() + timedelta(days=90))
    goal = Objective.objects.create(title="Win Acme", owner=cast.jane, period=period)
    key_result = KeyResult.objects.create(objective=goal, title="Acme revenue", owner=cast.jane, target=10)
    segment = Segment.objects.create(name="Like Acme", entity="customer")
    BillingCustomer.objects.create(key="cus-1", name="Acme Ltd", customer=acme)
    invoice = Invoice.objects.create(key="inv-1", customer_key="cus-1", number="ACME-2026-7")
    product = Product.objects.create(key="crm", name="CRM")
    offer = Offer.objects.create(key="plan-acme", name="Acme special", kind="plan", product=product)
    subscription = Subscription.objects.create(
        key="sub-77", customer=acme, product=product, starts_at=now, opportunity_id=DEAL, org=org
    )
    deal = Provision.objects.create(
        org=org, opportunity_id=DEAL, account_id=ACCOUNT, slot="contract", kind="won", source="poll", name="Acme renewal",
        account_name="Acme Ltd", customer=acme,
    )  # fmt: skip
    automation = Automation.objects.create(org=org, name="Acme new business", trigger="won")
    mapping = Mapping.objects.create(org=org, entity="customer")
    run = Run.objects.create(job="mirror.read", org=org)
    return {
        "customers": acme, "end_users": jo, "goals": goal, "key_result": key_result, "segments": segment, "invoices": invoice,
        "offers": offer, "subscriptions": subscription, "deals": deal, "connections": org, "automations": automation,
        "mappings": mapping, "runs": run,
    }  # fmt: skip


def found(text: str, user) -> dict[str, list[str]]:
    return {each.key: [hit.url for hit in each.hits] for each in find_everywhere(text, user=user)}


def test_one_word_finds_one_of_each(world, cast) -> None:
    groups = found("acme", cast.olga)
    pages = {
        "customers": reverse("customer", args=[world["customers"].pk]), "end_users": reverse("end_user", args=[world["end_users"].pk]),
        "goals": reverse("okr:objective", args=[world["goals"].pk]), "segments": reverse("product:segment", args=[world["segments"].pk]),
        "invoices": reverse("billing:invoice", args=[world["invoices"].pk]),
        "offers": reverse("provisioning:offer", args=[world["offers"].pk]),
        "subscriptions": reverse("provisioning:subscription", args=["sub-77"]),
        "deals": reverse("provisioning:provision", args=[world["deals"].pk]),
        "connections": reverse("integrations:connection", args=[world["connections"].pk]),
        "automations": reverse("provisioning:automation", args=[world["automations"].pk]),
        "mappings": reverse("integrations:mapping", args=[world["connections"].pk, "customer"]),
    }  # fmt: skip
    assert {key: groups[key][0] for key in pages} == pages
    assert set(groups) == set(pages)
    assert groups["goals"][1] == reverse("okr:key_result", args=[world["key_result"].pk])


@pytest.mark.parametrize("text", ["#{}", "{}"])
def test_runs_are_found_by_number_with_and_without_sign(world, cast, text) -> None:
    run = world["runs"]
    Run.objects.filter(pk=run.pk).update(id=4711)
    assert found(text.format(4711), cast.ana)["runs"] == [reverse("integrations:run", args=[4711])]
    assert "runs" not in found(text.format(4711), cast.jane)


def test_runs_are_found_by_the_name_of_their_job(world, cast) -> None:
    assert "runs" in found("mirror", cast.ana)


def test_members_see_neither_e_mail_addresses_nor_pages_that_are_closed_to_them(world, cast) -> None:
    groups = found("acme", cast.jane)
    assert not {"automations", "mappings", "runs"} & set(groups)
    assert "end_users" not in found("jo@acme.example", cast.jane)
    assert found("jo@acme.example", cast.olga)["end_users"]
    EndUser.objects.update(name="jo@acme.example (admin)")
    shown = [hit.title for each in find_everywhere("admin", user=cast.jane) if each.key == "end_users" for hit in each.hits]
    assert shown == ["j***@a*** (admin)"]


@pytest.mark.parametrize(
    "text", [ACCOUNT, ACCOUNT[:15], f"https://acme.lightning.force.com/lightning/r/Account/{ACCOUNT}/view"]
)
def test_an_id_of_salesforce_leads_to_what_is_linked_with_it(world, cast, text) -> None:
    urls = found(text, cast.jane)["records"]
    assert urls == [
        reverse("customer", args=[world["customers"].pk]),
        reverse("provisioning:provision", args=[world["deals"].pk]),
    ]
    assert found(text, cast.ana)["records"][-1] == f"{reverse('record_why')}?record={ACCOUNT}"


def test_an_opportunity_leads_to_its_deal_and_subscription(world, cast) -> None:
    urls = found(DEAL, cast.jane)["records"]
    assert urls == [
        reverse("provisioning:provision", args=[world["deals"].pk]), reverse("provisioning:subscription", args=["sub-77"]),
    ]  # fmt: skip


def test_an_id_that_nothing_knows_finds_nothing_for_members(world, cast) -> None:
    assert found("001dM0000000009QAA", cast.jane) == {}


def test_aliases_lead_to_the_customer_that_is_left(world, cast) -> None:
    acme = world["customers"]
    CustomerAlias.objects.create(customer=acme, value="old-acme-id-9")
    assert found("old-acme-id-9", cast.jane)["customers"] == [reverse("customer", args=[acme.pk])]


def test_erased_merged_and_archived_things_are_not_found(world, cast, now) -> None:
    Customer.objects.update(erased_at=now)
    EndUser.objects.update(erased_at=now)
    Segment.objects.update(archived_at=now)
    Invoice.objects.update(deleted_at=now)
    gone = {"customers", "end_users", "segments", "invoices", "subscriptions"}
    assert not gone & set(found("acme", cast.ada))
    assert reverse("customer", args=[world["customers"].pk]) not in found(ACCOUNT, cast.ada)["records"]


def test_eight_of_a_group_and_the_way_to_all_of_them(world, cast) -> None:
    Customer.objects.bulk_create(Customer(external_id=f"n{n}", name=f"Nordic {n}") for n in range(20))
    group = next(each for each in find_everywhere("nordic", user=cast.jane) if each.key == "customers")
    assert (len(group.hits), group.more, group.url) == (8, True, f"{reverse('customers')}?text=nordic")


def test_names_that_begin_with_the_text_come_first(world, cast) -> None:
    first = Customer.objects.create(external_id="z1", name="Berg and sons")
    Customer.objects.bulk_create(Customer(external_id=f"b{n}", name=f"Old Berg {n}") for n in range(12))
    assert found("berg", cast.jane)["customers"][0] == reverse("customer", args=[first.pk])


def test_ids_are_found_beyond_the_newest_rows(world, cast, monkeypatch) -> None:
    monkeypatch.setattr(places, "NEWEST", 2)
    Customer.objects.bulk_create(Customer(external_id=f"n{n}", name=f"Nordic {n}") for n in range(5))
    assert found("cus-1", cast.jane)["customers"] == [reverse("customer", args=[world["customers"].pk])]
    assert "customers" not in found("Acme Ltd", cast.jane)


@pytest.mark.parametrize("text", ["", " ", "a", "#", "\0", "%", "_" * 500, "' OR 1=1 --", "#x", "#99999999999999999999999"])
def test_short_and_odd_texts_find_nothing_and_break_nothing(world, cast, text) -> None:
    assert found(text, cast.ada) == {}


def test_the_number_of_queries_does_not_grow(world, cast, django_assert_max_num_queries) -> None:
    Customer.objects.bulk_create(Customer(external_id=f"acme{n}", name=f"Acme {n}") for n in range(200))
    with django_assert_max_num_queries(60):
        find_everywhere("acme", user=cast.olga)


def test_page_suggestions_and_json(world, cast, client: Client) -> None:
    assert client.get(reverse("search"), {"q": "acme"}).status_code == 302
    client.force_login(cast.jane)
    page = client.get(reverse("search"), {"q": "<acme>"}).content.decode()
    assert "Nothing found" in page
    assert "<acme>" not in page
    page = client.get(reverse("search"), {"q": "acme"}).content.decode()
    assert 'value="acme"' in page
    assert "Acme Ltd" in page
    part = client.get(reverse("search"), {"q": "acme"}, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert "picker-item" in part
    data = client.get(reverse("search"), {"q": "acme", "format": "json"}).json()
    assert data["groups"][0]["hits"][0] == {
        "title": "Acme Ltd", "about": "cus-1", "url": reverse("customer", args=[world["customers"].pk]),
    }  # fmt: skip
    assert "Type two characters" in client.get(reverse("search")).content.decode()
