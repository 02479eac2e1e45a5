"""The billing pages: each opens for its roles, forms work and refuse with a reason."""

import io
from decimal import Decimal

import pytest
from django.utils import timezone

from billing.models import AccountLink, BillableMetric, BillingCustomer, BillingSettings, CreditGrant, Invoice, Plan, Price
from billing.preflight import settings_of
from billing.queries import places
from billing.saving import save_rows
from integrations.models import SalesforceOrg

pytestmark = pytest.mark.django_db


def save(object_key: str, *rows: dict) -> None:
    assert not save_rows(object_key, rows, source="api", now=timezone.now()).failed


@pytest.fixture
def records(connected_org):
    save("plans", {"id": "pro", "name": "Pro"})
    save("billable-metrics", {"id": "api", "name": "API calls"})
    save("customers", {"id": "acme", "name": "Acme <b>"}, {"id": "other", "name": "Other"})
    save("customer-plans", {"id": "cp", "customer_id": "acme", "plan_id": "pro", "starting_on": "2026-10-01"})
    save(
        "credit-grants",
        {"id": "g", "customer_id": "acme", "name": "Welcome", "effective_at": "2026-01-01", "initial_balance": 5},
    )
    save("invoices", {"id": "i", "customer_id": "acme", "plan_id": "pro", "starts_at": "2026-10-01", "ends_at": "2026-11-01",
                      "status": "FINALIZED", "total": "10"})  # fmt: skip
    save("line-items", {"id": "l", "invoice_id": "i", "name": "Seats", "quantity": 2, "total": "9.5"})
    return connected_org


def paths(org) -> list[str]:
    return [
        "/billing/", "/billing/links/", "/billing/customers/", "/billing/customers/?text=acm&link=unlinked&sort=-updated",
        f"/billing/customers/{BillingCustomer.objects.get(key='acme').pk}/", "/billing/invoices/",
        "/billing/invoices/?status=FINALIZED&customer=acme&sort=-starts", f"/billing/invoices/{Invoice.objects.get().pk}/",
        "/billing/credits/?text=wel", f"/billing/credits/{CreditGrant.objects.get().pk}/", "/billing/plans/",
        f"/billing/plans/{Plan.objects.get().pk}/", f"/billing/plans/{Plan.objects.get().pk}/prices/new/", "/billing/metrics/",
        f"/billing/metrics/{BillableMetric.objects.get().pk}/", "/billing/import/", f"/billing/connections/{org.pk}/settings/", "/billing/import/plans.csv",
        "/billing/invoices/export.csv",
    ]  # fmt: skip


def test_every_page_opens_for_an_operator_and_escapes_names(client, cast, records):
    client.force_login(cast.olga)
    for path in paths(records):
        answer = client.get(path)
        text = b"".join(answer.streaming_content) if answer.streaming else answer.content
        assert answer.status_code == 200, path
        assert b"Acme <b>" not in text or path.endswith(".csv"), path


def test_l_10_the_overview_asks_no_more_for_more_connections(client, cast, records, django_assert_max_num_queries):
    client.force_login(cast.olga)
    BillingSettings.objects.update_or_create(org=records, defaults={"scope": BillingSettings.Scope.ALL})
    for number in range(5):
        org = SalesforceOrg.objects.create(name=f"Org {number}", state="connected")
        BillingSettings.objects.create(org=org, scope=BillingSettings.Scope.LINKED, prefix_known=True)
    acme = BillingCustomer.objects.get(key="acme")
    AccountLink.objects.create(customer=acme, org=org, account_id="001dM0000000001QAA")
    with django_assert_max_num_queries(15):
        client.get("/billing/")
    shown = {each.org.pk: each for each in places(None)}
    cards = {card.object.key: card for card in shown[org.pk].cards}
    assert (cards["customers"].records, cards["customers"].wanted, shown[org.pk].unlinked) == (2, 1, 1)
    assert (cards["line-items"].records, cards["line-items"].wanted) == (1, 1)
    whole = {card.object.key: card.wanted for card in shown[records.pk].cards}
    assert (whole["customers"], whole["invoices"], shown[records.pk].unlinked) == (2, 1, 2)


def test_empty_pages_say_what_to_do(client, cast):
    client.force_login(cast.jane)
    for path in (
        "/billing/",
        "/billing/customers/",
        "/billing/invoices/",
        "/billing/credits/",
        "/billing/plans/",
        "/billing/metrics/",
    ):
        assert client.get(path).status_code == 200
        assert b'class="empty"' in client.get(path).content, path


def test_an_invoice_whose_lines_do_not_add_up_says_so(client, cast, records):
    client.force_login(cast.jane)
    text = client.get(f"/billing/invoices/{Invoice.objects.get().pk}/").content.decode()
    assert "The lines add up to 9.50" in text


def test_mt_12_link_make_primary_and_unlink(client, cast, records):
    client.force_login(cast.olga)
    customer = BillingCustomer.objects.get(key="acme")
    for account in ("001000000000001", "https://acme.lightning.force.com/lightning/r/Account/001000000000002AAA/view"):
        client.post(f"/billing/customers/{customer.pk}/link/{records.pk}/", {"account_id": account})
    assert AccountLink.objects.filter(state="active").count() == 2
    second = AccountLink.objects.get(is_primary=False)
    client.post(f"/billing/links/{second.pk}/primary/")
    second.refresh_from_db()
    assert second.is_primary
    client.post(f"/billing/links/{second.pk}/remove/")
    assert AccountLink.objects.filter(state="active").count() == 1
    answer = client.post(f"/billing/customers/{customer.pk}/link/{records.pk}/", {"account_id": "nothing"}, follow=True)
    assert "is no id of an account" in answer.content.decode()


def test_mt_d2_another_scope_is_shown_before_it_is_saved(client, cast, records):
    client.force_login(cast.olga)
    path, wanted = f"/billing/connections/{records.pk}/settings/", {"scope": "all", "many_accounts": "rows", "prefix": ""}
    shown = client.post(path, wanted)
    assert "What another scope changes" in shown.content.decode()
    assert settings_of(records).scope == "linked"
    assert client.post(path, {**wanted, "confirm": "1"}).status_code == 302
    assert settings_of(records).scope == "all"
    assert client.post(path, {**wanted, "scope": "linked", "confirm": "1", "prefix": "NOME"}).status_code == 400


def test_mt_d10_voiding_by_the_page(client, cast, records):
    invoice = Invoice.objects.get()
    client.force_login(cast.jane)
    assert client.post(f"/billing/invoices/{invoice.pk}/void/").status_code == 403
    client.force_login(cast.olga)
    client.post(f"/billing/invoices/{invoice.pk}/void/")
    invoice.refresh_from_db()
    assert invoice.status == "VOID"
    assert "void already" in client.post(f"/billing/invoices/{invoice.pk}/void/", follow=True).content.decode()


def test_prices_are_made_checked_and_deleted(client, cast, records):
    client.force_login(cast.olga)
    path = f"/billing/plans/{Plan.objects.get().pk}/prices/new/"
    good = {"name": "Calls", "model": "tiered", "metric_key": "api", "tier_lines": "100 ; 0.10\n* ; 0.05 ; 1"}
    assert client.post(path, good).status_code == 302
    made = Price.objects.get()
    assert made.tiers == [{"up_to": "100", "unit": "0.10", "flat": "0"}, {"up_to": None, "unit": "0.05", "flat": "1"}]
    for wrong, words in (
        ({"tier_lines": "100 ; x"}, "Line 1"), ({"tier_lines": "100 ; 1"}, "must have no end"),
        ({"metric_key": ""}, "Choose what is counted"), ({"amount": "-1"}, "Must not be negative"),
    ):  # fmt: skip
        answer = client.post(path, {**good, **wrong})
        assert (answer.status_code, words in answer.content.decode()) == (400, True), words
    edit = f"/billing/plans/{Plan.objects.get().pk}/prices/{made.pk}/"
    assert "100 ; 0.10 ; 0" in client.get(edit).content.decode()
    client.post(edit, {"name": "Fee", "model": "fixed", "amount": "49.9"})
    made.refresh_from_db()
    assert (made.model, made.amount, made.tiers) == ("fixed", Decimal("49.9"), [])
    client.post(edit + "delete/")
    assert Price.objects.count() == 0


def upload(client, text: bytes, **more):
    file = io.BytesIO(text)
    file.name = "rows.csv"
    return client.post("/billing/import/", {"object": "customers", "file": file, **more})


def test_a_csv_file_is_tried_then_saved(client, cast):
    client.force_login(cast.olga)
    text = "id;name\nc-1;Größe\n;Nobody\nc-2;Two\n".encode()
    tried = upload(client, text).content.decode()
    assert "What would happen" in tried
    assert BillingCustomer.objects.count() == 0
    saved = upload(client, text, save="1").content.decode()
    assert "must not be blank" in saved
    assert sorted(BillingCustomer.objects.values_list("name", flat=True)) == ["Größe", "Two"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"name\nx\n", "id among them"), (b"id,colour\n1,red\n", "Unknown column colour"), (b"id,name\n", "no rows"),
        ("id,name\n1,Grö\n".encode("latin-1"), "not UTF-8"), (b"id,name\n1,a,b\n", "Line 2: 3 cells"), (b"", "empty"),
        (b"id,id\n1,2\n", "twice"), (b"id\n\x00\n", "zero bytes"),
    ],
)  # fmt: skip
def test_a_bad_csv_file_says_why_and_saves_nothing(client, cast, text, words):
    client.force_login(cast.olga)
    answer = upload(client, text, save="1")
    assert (answer.status_code, words in answer.content.decode()) == (400, True)
    assert BillingCustomer.objects.count() == 0


def test_mt_14_the_push_starts_from_the_page(client, cast, records):
    client.force_login(cast.olga)
    answer = client.post(f"/billing/connections/{records.pk}/push/")
    assert answer.url.startswith("/runs/")
    text = client.get("/billing/").content.decode()
    assert "Nothing is written" in text


def test_the_customers_own_page_shows_how_it_is_billed(client, cast, records):
    from integrations.models import Customer

    spine = Customer.objects.create(external_id="acme", name="Acme")
    BillingCustomer.objects.filter(key="acme").update(customer=spine)
    client.force_login(cast.jane)
    text = client.get(f"/customers/{spine.pk}/").content.decode()
    assert "10.00 USD" in text
    assert "Pro" in text
