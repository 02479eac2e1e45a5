"""From Salesforce into the product, onto pages and into the export, and back: every value arrives as it was."""

import csv
import io
from html import escape

import pytest
from django.urls import reverse

from integrations.models import Attribute, Customer
from integrations.sync.mapping.body import FieldPair
from integrations.sync.mirror import planning as reading
from integrations.sync.outbox import planning as writing
from tests.mapping.work import change, counts_of, link_customers, query, run_job, save

TEXTS = (
    "😀 𝒳𝒴 four bytes", "עברית \u202eabc\u202c both ways", "e\u0301 and é differ", "zero\u200bwidth\u200djoiner", 'quote " comma, tab\tx',
    "=1+1", "+49 30", "@SUM(A1)", "'quoted'", "<script>alert(1)</script>", "{{7*7}} {% debug %}", "null", "#N/A", "NaN", "TRUE",
    "1,5", "-0", "\u2028 line \u2029 end", "\ufeffBOM", "a;b;c", "back\\slash", "0x1F", "﷽", "Ⅻ ﬁ ß İ",
)  # fmt: skip


@pytest.fixture(params=["REST", "Bulk"])
def way(request, monkeypatch, demo_org) -> str:
    """Both ways that rows travel, in both directions."""
    if request.param == "Bulk":
        monkeypatch.setattr(reading, "REST_PAGES", 0)
        monkeypatch.setattr(writing, "COMPOSITE_SECONDS", 1000.0)
    return request.param


def test_r_069_r_071_r_072_texts_of_any_signs_arrive_in_product_page_export_and_salesforce(
    connected_org, account_mapping, cast, client, way
):
    Attribute.objects.create(entity="customer", key="note", label="Note", pulled=True)
    records = query(connected_org, f"SELECT Id, Name FROM Account ORDER BY Id LIMIT {len(TEXTS)}")
    for record, text in zip(records, TEXTS, strict=True):
        change(connected_org, "Account", record["Id"], Description=text, Name=f"Acme {text}")
    link_customers(connected_org, records, name=[f"Acme {text}" for text in TEXTS])
    pairs = FieldPair("pull", "attributes.note", "Description"), FieldPair("push", "attributes.note", "PX_Health__c")
    save(account_mapping, cast.olga, *pairs)
    for job in ("mirror.read", "mapping.pull", "mapping.push"):
        run_job(job, connected_org)
    held = {each["Id"]: each for each in query(connected_org, "SELECT Id, Description, PX_Health__c FROM Account")}
    stored = {each.external_id: each for each in Customer.objects.all()}
    client.force_login(cast.olga)
    for number, (record, text) in enumerate(zip(records, TEXTS, strict=True)):
        customer = stored[f"c{number}"]
        assert customer.attributes["note"] == held[record["Id"]]["Description"] == text
        assert held[record["Id"]]["PX_Health__c"] == text, way
        page = client.get(reverse("customer", args=[customer.pk])).content.decode()
        assert escape(text) in page
        assert "<script>alert" not in page
    exported = b"".join(client.get(reverse("customers_csv")).streaming_content).decode()
    names = {row["customer"]: row["name"] for row in csv.DictReader(io.StringIO(exported, newline=""))}
    assert names == {key: each.name for key, each in stored.items()}
    again = run_job("mapping.push", connected_org)
    assert counts_of(again, "Account") == {"unchanged": len(TEXTS)}, "what came back from Salesforce is no change (R-118)"


@pytest.mark.parametrize(
    ("stored", "day"), [("1700-01-01", "1700-01-01"), ("2026-02-28", "2026-02-28"), ("4000-12-31", "4000-12-31")]
)
def test_r_073_r_075_days_pass_unshifted_and_odd_ones_break_no_page(
    connected_org, account_mapping, cast, client, way, stored, day
):
    Attribute.objects.create(entity="customer", key="since", label="Since", type="DATE_TIME", pulled=True)
    records = query(connected_org, "SELECT Id, Name FROM Account ORDER BY Id LIMIT 1")
    change(connected_org, "Account", records[0]["Id"], Renewal_Date__c=stored)
    (customer,) = link_customers(connected_org, records)
    save(account_mapping, cast.olga, FieldPair("pull", "attributes.since", "Renewal_Date__c"))
    for job in ("mirror.read", "mapping.pull"):
        run_job(job, connected_org)
    customer.refresh_from_db()
    assert customer.attributes["since"].startswith(f"{day}T00:00:00")
    client.force_login(cast.olga)
    assert client.get(reverse("customer", args=[customer.pk])).status_code == 200
    assert client.get("/api/v1/customers/c0/").status_code == 200
