"""The eight objects field by field, written out from the reference, against our package, our payloads and the installed one."""

import io
import zipfile
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import pytest

from billing import deploying
from billing.objects import BY_KEY, payload_columns
from billing.package import package_of
from integrations.orgs.connect import client_for
from tests.billing.conftest import PACKAGE

Lines = list[tuple[str, ...]]
NOW = datetime(2026, 10, 15, tzinfo=UTC)

# field, label, type, properties: as the reference lists them, names without the prefix
METRIC: Lines = [
    ("Name", "Billable Metric Name", "Text(80)"),
    ("Metronome_Billable_Metric_ID__c", "Metronome Billable Metric ID", "Text(255)", "ExtId", "U-CS"),
]
CREDIT_GRANT: Lines = [
    ("Name", "Credit Grant Name", "Text(80)"),
    ("Balance_Including_Pending__c", "Balance Including Pending", "Number(16, 2)"),
    ("Credit_Type__c", "Credit Type", "Text(255)"),
    ("Customer__c", "Metronome Customer", "Lookup(Metronome_Customer__c)"),
    ("Effective_Date__c", "Effective Date", "Date/Time"),
    ("Expiration_Date__c", "Expiration Date", "Date/Time"),
    ("Initial_Balance__c", "Initial Balance", "Number(16, 2)"),
    ("Metronome_Credit_Grant_ID__c", "Metronome Credit Grant ID", "Text(255)", "ExtId", "U-CS"),
    ("Paid_Amount_Currency__c", "Paid Amount Currency", "Text(255)"),
    ("Paid_Amount__c", "Paid Amount", "Number(16, 2)"),
    ("Reason__c", "Reason", "Text(255)"),
]
CUSTOMER_PLAN: Lines = [
    ("Name", "Customer Plan Number", "Auto Number", "not writable"),
    ("Customer__c", "Metronome Customer", "Lookup(Metronome_Customer__c)"),
    ("Ending_On__c", "Ending On", "Date/Time"),
    ("Metronome_Customer_Plan_ID__c", "Metronome Customer Plan ID", "Text(255)", "ExtId", "U-CS"),
    ("Metronome_Plan_ID__c", "Metronome Plan ID", "Text(255)", "ExtId"),
    ("Plan__c", "Plan", "Lookup(Metronome_Plan__c)"),
    ("Starting_On__c", "Starting On", "Date/Time"),
    ("Plan_Name__c", "Plan Name", "Formula (Text)", "not writable"),
]
CUSTOMER: Lines = [
    ("Name", "Metronome Customer Name", "Auto Number", "not writable"),
    ("Account__c", "Account", "Lookup(Account)"),
    ("Metronome_Customer_ID__c", "Metronome Customer ID", "Text(50)", "ExtId", "U-CI"),
    ("Name__c", "Name", "Text(255)"),
]
LINE_ITEM: Lines = [
    ("Name", "Record Id", "Auto Number", "not writable"),
    ("Credit_Type_Name__c", "Credit Type Name", "Text(255)"),
    ("Invoice__c", "Invoice", "Lookup(Metronome_Invoice__c)"),
    ("Metronome_Invoice_ID__c", "Metronome Invoice ID", "Text(255)", "ExtId"),
    ("Metronome_Invoice_Line_Item_ID__c", "Metronome Invoice Line Item ID", "Text(255)", "ExtId", "U-CI"),
    ("Name__c", "Name", "Text(255)"),
    ("Quantity__c", "Quantity", "Number(16, 2)"),
    ("Total__c", "Total", "Number(16, 2)"),
]
INVOICE: Lines = [
    ("Name", "Invoice Name", "Text(80)"),
    ("Currency__c", "Currency", "Text(255)"),
    ("Customer__c", "Metronome Customer", "Lookup(Metronome_Customer__c)"),
    ("End__c", "End", "Date"),
    ("Metronome_Invoice_ID__c", "Metronome Invoice ID", "Text(255)", "ExtId", "U-CS"),
    ("Metronome_Plan__c", "Metronome Plan", "Lookup(Metronome_Plan__c)"),
    ("Start__c", "Start", "Date"),
    ("Status__c", "Status", "Picklist", "Pending", "Current", "FINALIZED", "N/A", "VOID", "DRAFT"),
    ("Total__c", "Total", "Number(16, 2)"),
]
PLAN: Lines = [
    ("Name", "Plan Number", "Auto Number", "not writable"),
    ("Description__c", "Description", "Long Text Area(30000)"),
    ("Metronome_Plan_ID__c", "Metronome Plan ID", "Text(255)", "ExtId", "U-CS"),
    ("Name__c", "Name", "Text(255)"),
]
INGEST_ALIAS: Lines = [
    ("Name", "Name", "Auto Number", "not writable"),
    ("Customer_ID__c", "Customer ID", "Lookup(Metronome_Customer__c)"),
    ("Customer_Ingest_Alias_ID__c", "Customer Ingest Alias ID", "Text(255)", "ExtId"),
    ("Ingest_Alias__c", "Ingest Alias", "Text(255)"),
]
EVERY = {
    "Metronome_Billable_Metric": METRIC, "Metronome_Credit_Grant": CREDIT_GRANT, "Metronome_Customer_Plan": CUSTOMER_PLAN,
    "Metronome_Customer": CUSTOMER, "Metronome_Invoice_Line_Item": LINE_ITEM, "Metronome_Invoice": INVOICE,
    "Metronome_Plan": PLAN, "Metronome_Ingest_Alias": INGEST_ALIAS,
}  # fmt: skip
OF_EVERY_OBJECT = {
    "Id", "OwnerId", "IsDeleted", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp",
    "LastViewedDate", "LastReferencedDate",
}  # fmt: skip


@pytest.fixture
def installed(connected_org, demo_org):
    """Label and fields of an object of the managed package, as the org describes them to us."""
    demo_org.control("packages", {"package": "billing"})

    def look(name: str) -> tuple[str, Lines]:
        with client_for(connected_org, domain="billing") as client:
            return described(client, name, PACKAGE)

    return look


def described(client: Any, name: str, prefix: str) -> tuple[str, Lines]:
    found = client.describe(f"{prefix}{name}__c")
    own = [each for each in found["fields"] if each["name"] not in OF_EVERY_OBJECT]
    return found["label"], in_order(name, [described_line(each, prefix) for each in own])


def described_line(field: dict[str, Any], prefix: str) -> tuple[str, ...]:
    kinds = {
        "string": f"Text({field['length']})", "textarea": f"Long Text Area({field['length']})", "date": "Date",
        "double": f"Number({field['precision'] - field['scale']}, {field['scale']})", "datetime": "Date/Time",
        "reference": f"Lookup({', '.join(each.removeprefix(prefix) for each in field['referenceTo'])})", "picklist": "Picklist",
    }  # fmt: skip
    kind = "Auto Number" if field["autoNumber"] else "Formula (Text)" if field["calculated"] else kinds[field["type"]]
    more = ["ExtId"] if field["externalId"] else []
    more += ["U-CS" if field["caseSensitive"] else "U-CI"] if field["unique"] else []
    more += [] if field["createable"] and field["updateable"] else ["not writable"]
    more += [each["value"] for each in field["picklistValues"]]
    return field["name"].removeprefix(prefix), field["label"], kind, *more


def deployed(name: str) -> tuple[str, Lines]:
    """The same of our own package, from the file that is deployed."""
    archive = zipfile.ZipFile(io.BytesIO(package_of().zipped(api_version="65.0")))
    root = ElementTree.fromstring(archive.read(f"objects/{name}__c.object"))
    for each in root.iter():
        each.tag = each.tag.rpartition("}")[2]
    named = root.find("nameField")
    assert named is not None
    auto = named.findtext("type") == "AutoNumber"
    first = ("Name", named.findtext("label") or "", *(("Auto Number", "not writable") if auto else ("Text(80)",)))
    return root.findtext("label") or "", in_order(name, [first, *(deployed_line(each) for each in root.findall("fields"))])


def deployed_line(field: ElementTree.Element) -> tuple[str, ...]:
    def text(tag: str) -> str:
        return field.findtext(tag) or ""

    kind = text("type")
    if text("formula"):
        kind, more = f"Formula ({kind})", ["not writable"]
    else:
        more = ["ExtId"] if text("externalId") == "true" else []
        more += ["U-CS" if text("caseSensitive") == "true" else "U-CI"] if text("unique") == "true" else []
    if kind == "Number":
        kind = f"Number({int(text('precision')) - int(text('scale'))}, {text('scale')})"
    words = {"DateTime": "Date/Time", "Lookup": f"Lookup({text('referenceTo')})", "Text": f"Text({text('length')})",
             "LongTextArea": f"Long Text Area({text('length')})"}  # fmt: skip
    more += [each.findtext("fullName") or "" for each in field.iter("value")]
    return text("fullName"), text("label"), words.get(kind, kind), *more


def in_order(name: str, lines: Lines) -> Lines:
    """In the order of the reference; what it does not know comes last."""
    places = {line[0]: place for place, line in enumerate(EVERY[name])}
    return sorted(lines, key=lambda line: places.get(line[0], len(places)))


def check(key: str, name: str, label: str, installed: Any) -> None:
    """Our package, the installed one and our payloads have these fields and no others."""
    expected = EVERY[name]
    assert deployed(name) == (label, expected)
    assert installed(name) == (label, expected)
    writable = {line[0] for line in expected if "not writable" not in line}
    for prefix in ("", PACKAGE):
        told = {field.name for _, field in payload_columns(BY_KEY[key], prefix)} | {BY_KEY[key].upsert_by}
        assert told == writable


pytestmark = pytest.mark.django_db


def test_mt_15_billable_metric(installed):
    check("billable-metrics", "Metronome_Billable_Metric", "Metronome Billable Metric", installed)


def test_mt_16_credit_grant(installed):
    check("credit-grants", "Metronome_Credit_Grant", "Metronome Credit Grant", installed)


def test_mt_17_customer_plan(installed):
    check("customer-plans", "Metronome_Customer_Plan", "Metronome Customer Plan", installed)


def test_mt_18_customer(installed):
    check("customers", "Metronome_Customer", "Metronome Customer", installed)


def test_mt_19_invoice_line_item(installed):
    check("line-items", "Metronome_Invoice_Line_Item", "Metronome Invoice Line Item", installed)


def test_mt_20_invoice(installed):
    check("invoices", "Metronome_Invoice", "Metronome Invoice", installed)


def test_mt_21_plan(installed):
    check("plans", "Metronome_Plan", "Metronome Plan", installed)


def test_mt_22_ingest_alias(installed):
    check("ingest-aliases", "Metronome_Ingest_Alias", "Metronome Ingest Alias", installed)


def test_mt_d15_what_we_deploy_is_described_like_the_package(connected_org):
    run = deploying.request_deploy(connected_org, user=None, now=NOW)
    run.refresh_from_db()
    assert run.state == "success", run.sentence
    with client_for(connected_org, domain="billing") as client:
        for name, expected in EVERY.items():
            assert described(client, name, "")[1] == expected
