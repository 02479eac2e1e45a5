"""Managed packages that can be installed in the org: a billing package with the namespace NOME: objects, tabs, app, a set.

Its objects and fields are visible to all users at once ("Install for All Users"), its app to those who have its permission
set; nobody can create components in its namespace.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from integrations.demo_org.metadata.components import Workshop
from integrations.demo_org.metadata.values import Values

if TYPE_CHECKING:
    from integrations.demo_org.org import Caller, DemoOrg

BILLING = "NOME"
CUSTOMER, PLAN, INVOICE = "Metronome_Customer", "Metronome_Plan", "Metronome_Invoice"
STATUS = ("Pending", "Current", "FINALIZED", "N/A", "VOID", "DRAFT")
TEXT, LONG, NUMBER, DAY, MOMENT, LOOKUP, PICK, FORMULA = (
    "Text",
    "LongTextArea",
    "Number",
    "Date",
    "DateTime",
    "Lookup",
    "Picklist",
    "Formula",
)

# object: label, plural, name field (an auto-number's format, or "" for text), fields: (name, label, type, more)
OBJECTS: dict[str, tuple[str, str, tuple[str, str], tuple[tuple[Any, ...], ...]]] = {
    "Metronome_Billable_Metric": ("Metronome Billable Metric", "Metronome Billable Metrics", ("Billable Metric Name", ""), (
        ("Metronome_Billable_Metric_ID", "Metronome Billable Metric ID", TEXT, {"unique": "sensitive"}),
    )),
    PLAN: ("Metronome Plan", "Metronome Plans", ("Plan Number", "PL-{0000}"), (
        ("Description", "Description", LONG, {"length": "30000"}),
        ("Metronome_Plan_ID", "Metronome Plan ID", TEXT, {"unique": "sensitive"}),
        ("Name", "Name", TEXT, {}),
    )),
    CUSTOMER: ("Metronome Customer", "Metronome Customers", ("Metronome Customer Name", "MC-{0000}"), (
        ("Account", "Account", LOOKUP, {"to": "Account", "list": "Metronome_Customers"}),
        ("Metronome_Customer_ID", "Metronome Customer ID", TEXT, {"unique": "insensitive", "length": "50"}),
        ("Name", "Name", TEXT, {}),
    )),
    "Metronome_Credit_Grant": ("Metronome Credit Grant", "Metronome Credit Grants", ("Credit Grant Name", ""), (
        ("Balance_Including_Pending", "Balance Including Pending", NUMBER, {}),
        ("Credit_Type", "Credit Type", TEXT, {}),
        ("Customer", "Metronome Customer", LOOKUP, {"to": CUSTOMER, "list": "Credit_Grants"}),
        ("Effective_Date", "Effective Date", MOMENT, {}),
        ("Expiration_Date", "Expiration Date", MOMENT, {}),
        ("Initial_Balance", "Initial Balance", NUMBER, {}),
        ("Metronome_Credit_Grant_ID", "Metronome Credit Grant ID", TEXT, {"unique": "sensitive"}),
        ("Paid_Amount_Currency", "Paid Amount Currency", TEXT, {}),
        ("Paid_Amount", "Paid Amount", NUMBER, {}),
        ("Reason", "Reason", TEXT, {}),
    )),
    "Metronome_Customer_Plan": ("Metronome Customer Plan", "Metronome Customer Plans", ("Customer Plan Number", "CP-{0000}"), (
        ("Customer", "Metronome Customer", LOOKUP, {"to": CUSTOMER, "list": "Customer_Plans"}),
        ("Ending_On", "Ending On", MOMENT, {}),
        ("Metronome_Customer_Plan_ID", "Metronome Customer Plan ID", TEXT, {"unique": "sensitive"}),
        ("Metronome_Plan_ID", "Metronome Plan ID", TEXT, {"unique": ""}),
        ("Plan", "Plan", LOOKUP, {"to": PLAN, "list": "Customer_Plans"}),
        ("Starting_On", "Starting On", MOMENT, {}),
        ("Plan_Name", "Plan Name", FORMULA, {"formula": "NOME__Plan__r.NOME__Name__c"}),
    )),
    "Metronome_Ingest_Alias": ("Metronome Ingest Alias", "Metronome Ingest Aliases", ("Name", "IA-{0000}"), (
        ("Customer_ID", "Customer ID", LOOKUP, {"to": CUSTOMER, "list": "Ingest_Aliases"}),
        ("Customer_Ingest_Alias_ID", "Customer Ingest Alias ID", TEXT, {"unique": ""}),
        ("Ingest_Alias", "Ingest Alias", TEXT, {}),
    )),
    INVOICE: ("Metronome Invoice", "Metronome Invoices", ("Invoice Name", ""), (
        ("Currency", "Currency", TEXT, {}),
        ("Customer", "Metronome Customer", LOOKUP, {"to": CUSTOMER, "list": "Invoices"}),
        ("End", "End", DAY, {}),
        ("Metronome_Invoice_ID", "Metronome Invoice ID", TEXT, {"unique": "sensitive"}),
        ("Metronome_Plan", "Metronome Plan", LOOKUP, {"to": PLAN, "list": "Invoices"}),
        ("Start", "Start", DAY, {}),
        ("Status", "Status", PICK, {"values": STATUS}),
        ("Total", "Total", NUMBER, {}),
    )),
    f"{INVOICE}_Line_Item": ("Metronome Invoice Line Item", "Metronome Invoice Line Items", ("Record Id", "LI-{00000}"), (
        ("Credit_Type_Name", "Credit Type Name", TEXT, {}),
        ("Invoice", "Invoice", LOOKUP, {"to": INVOICE, "list": "Line_Items"}),
        ("Metronome_Invoice_ID", "Metronome Invoice ID", TEXT, {"unique": ""}),
        ("Metronome_Invoice_Line_Item_ID", "Metronome Invoice Line Item ID", TEXT, {"unique": "insensitive"}),
        ("Name", "Name", TEXT, {}),
        ("Quantity", "Quantity", NUMBER, {}),
        ("Total", "Total", NUMBER, {}),
    )),
}  # fmt: skip
SET, SET_LABEL = "Metronome_User", "Metronome User Permission Set"
APP, APP_LABEL = "Metronome", "Metronome App"


def install_billing(org: "DemoOrg", caller: "Caller") -> list[str]:
    """Install the billing package; the names of its objects. Installing it again changes nothing."""
    names = [f"{BILLING}__{name}__c" for name in OBJECTS]
    if org.draft.find(names[0]) is not None:
        return names
    workshop = Workshop(org, caller)
    workshop.draft.installing = BILLING
    for name, (label, plural, (name_label, form), _) in OBJECTS.items():
        named: Values = {
            "label": name_label,
            "type": "AutoNumber" if form else "Text",
            **({"displayFormat": form} if form else {}),
        }
        _keep(workshop, "CustomObject", {
            "fullName": f"{BILLING}__{name}__c", "label": label, "pluralLabel": plural, "nameField": named,
            "deploymentStatus": "Deployed", "sharingModel": "ReadWrite",
        })  # fmt: skip
    for values in sorted(_fields(), key=lambda each: "formula" in each):
        _keep(workshop, "CustomField", values)
    _keep_screens(workshop, names)
    for row in workshop.rows:
        if isinstance(row, dict):
            row.pop("guarded", None)
    workshop.draft.guarded = {name: each for name, each in workshop.draft.guarded.items() if not name.startswith("nome__")}
    workshop.keep()
    return names


def _keep_screens(workshop: Workshop, names: list[str]) -> None:
    """A tab for each object, the app with all of them, and the set that shows both and lets its people read."""
    for name in names:
        _keep(workshop, "CustomTab", {"fullName": name, "customObject": "true", "motif": "Custom57: Building Block"})
    app = f"{BILLING}__{APP}"
    _keep(workshop, "CustomApplication", {"fullName": app, "label": APP_LABEL, "tabs": names, "uiType": "Lightning"})
    fields = [{"field": each["fullName"], "readable": "true", "editable": "false"} for each in _fields()]
    _keep(workshop, "PermissionSet", {
        "fullName": f"{BILLING}__{SET}", "label": SET_LABEL, "description": "Read access to the Metronome objects.",
        "applicationVisibilities": [{"application": app, "visible": "true"}],
        "tabSettings": [{"tab": each, "visibility": "Visible"} for each in names],
        "objectPermissions": [{"object": each, "allowRead": "true"} for each in names], "fieldPermissions": fields,
    })  # fmt: skip


def _keep(workshop: Workshop, kind: str, values: Values) -> None:
    outcome = workshop.save(kind, values)
    if outcome.refusal is not None:
        raise ValueError(f"{values['fullName']}: {outcome.refusal.message}")


def _fields() -> Iterator[Values]:
    for name, (_, _, _, fields) in OBJECTS.items():
        for field_name, label, kind, more in fields:
            own = {"fullName": f"{BILLING}__{name}__c.{BILLING}__{field_name}__c", "label": label, "type": kind}
            yield {**own, **_shape(kind, more)}


def _shape(kind: str, more: dict[str, Any]) -> Values:
    if kind == TEXT:
        shape: Values = {"length": more.get("length", "255")}
        if "unique" in more:
            unique = more["unique"]
            shape |= {"externalId": "true", "unique": "true" if unique else "false"}
            shape |= {"caseSensitive": "true" if unique == "sensitive" else "false"} if unique else {}
        return shape
    if kind == LONG:
        return {"length": more["length"], "visibleLines": "3"}
    if kind == NUMBER:
        return {"precision": "18", "scale": "2"}
    if kind == LOOKUP:
        to = more["to"] if more["to"] == "Account" else f"{BILLING}__{more['to']}__c"
        return {"referenceTo": to, "relationshipLabel": more["list"].replace("_", " "),
                "relationshipName": f"{BILLING}__{more['list']}", "deleteConstraint": "SetNull"}  # fmt: skip
    if kind == PICK:
        entries = [{"fullName": each, "default": "false", "label": each} for each in more["values"]]
        return {"valueSet": {"restricted": "true", "valueSetDefinition": {"sorted": "false", "value": entries}}}
    if kind == FORMULA:
        return {"type": "Text", "formula": more["formula"], "formulaTreatBlanksAs": "BlankAsBlank"}
    return {}
