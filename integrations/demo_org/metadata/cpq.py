"""Two more packages: Salesforce CPQ (namespace SBQQ) as far as deals need it, and the mapping fields of provisioning.

Of CPQ there are the objects and fields with their real names; nothing computes prices or makes contracts by itself. Both are
installed for all users, so that everybody sees their fields at once.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from integrations.demo_org.metadata.components import Workshop
from integrations.demo_org.nested import Values

if TYPE_CHECKING:
    from integrations.demo_org.org import Caller, DemoOrg

SPACE = "SBQQ"
QUOTE, LINE, SUBSCRIPTION = "SBQQ__Quote__c", "SBQQ__QuoteLine__c", "SBQQ__Subscription__c"
# object: label, plural, label and format of its name
OBJECTS = {
    QUOTE: ("Quote", "Quotes", "Quote Number", "Q-{00000}"),
    LINE: ("Quote Line", "Quote Lines", "Line Name", "QL-{0000000}"),
    SUBSCRIPTION: ("Subscription", "Subscriptions", "Subscription #", "SUB-{0000000}"),
}  # fmt: skip
FREQUENCY = "Monthly; Quarterly; Semiannual; Annual; Invoice Plan"
# object: (name without namespace, label, type, target, values or digits, child relationship)
FIELDS: dict[str, tuple[tuple[str, ...], ...]] = {
    QUOTE: (
        ("Opportunity2", "Opportunity", "Lookup", "Opportunity", "Quotes2"), ("Account", "Account", "Lookup", "Account",
            "R_Quotes"),
        ("Primary", "Primary", "Checkbox"), ("Type", "Type", "Picklist", "Quote; Amendment; Renewal; Re-Quote"),
        ("Status", "Status", "Picklist", "Draft; In Review; Approved; Denied; Presented; Accepted; Rejected"),
        ("StartDate", "Start Date", "Date"), ("EndDate", "End Date", "Date"),
        ("SubscriptionTerm", "Subscription Term", "Number", "5.0"), ("ExpirationDate", "Expires On", "Date"),
        ("PriceBook", "Price Book", "Lookup", "Pricebook2", "Quotes"), ("PricebookId", "Price Book ID", "Text", "18"),
        ("PrimaryContact", "Primary Contact", "Lookup", "Contact", "Quotes"),
        ("MasterContract", "Master Contract", "Lookup", "Contract", "Quotes"),
        ("BillingFrequency", "Billing Frequency", "Picklist", FREQUENCY), ("PaymentTerms", "Payment Terms", "Text", "60"),
        ("Ordered", "Ordered", "Checkbox"), ("Notes", "Notes", "LongTextArea", "32000"),
        ("LineItemCount", "Line Items", "Count", LINE, "Quote"), ("NetAmount", "Net Amount", "Sum", LINE, "Quote"),
    ),
    LINE: (
        ("Quote", "Quote", "MasterDetail", QUOTE, "LineItems"), ("Product", "Product", "Lookup", "Product2", "QuoteLines"),
        ("Number", "Number", "Number", "5.0"), ("Quantity", "Quantity", "Number", "12.2"),
        ("PriorQuantity", "Prior Quantity", "Number", "12.2"), ("StartDate", "Start Date", "Date"), ("EndDate", "End Date",
            "Date"),
        ("SubscriptionTerm", "Subscription Term", "Number", "6.2"),
        ("DefaultSubscriptionTerm", "Default Subscription Term", "Number", "5.0"),
        ("SubscriptionPricing", "Subscription Pricing", "Picklist", "Fixed Price; Percent Of Total"),
        ("BillingFrequency", "Billing Frequency", "Picklist", FREQUENCY), ("ListPrice", "List Unit Price", "Currency", "14.2"),
        ("CustomerPrice", "Customer Unit Price", "Currency", "14.2"), ("NetPrice", "Net Unit Price", "Currency", "14.2"),
        ("Discount", "Additional Discount (%)", "Percent", "11.2"), ("Description", "Description", "LongTextArea", "32000"),
        ("Existing", "Existing", "Checkbox"), ("Optional", "Optional", "Checkbox"), ("Bundle", "Bundle", "Checkbox"),
        ("Bundled", "Bundled", "Checkbox"), ("RequiredBy", "Required By", "Lookup", LINE, "Components"),
        ("PricebookEntryId", "Price Book Entry ID", "Text", "18"),
        ("RenewedSubscription", "Renewed Subscription", "Lookup", SUBSCRIPTION, "RenewalQuoteLines"),
        ("UpgradedSubscription", "Upgraded Subscription", "Lookup", SUBSCRIPTION, "UpgradeQuoteLines"),
        ("ProductName", "Product Name", "Formula", "SBQQ__Product__r.Name"),
        ("ProductCode", "Product Code", "Formula", "SBQQ__Product__r.ProductCode"),
        ("NetTotal", "Net Total", "Total", "SBQQ__Quantity__c * SBQQ__NetPrice__c"),
    ),
    SUBSCRIPTION: (
        ("Account", "Account", "Lookup", "Account", "Subscriptions"), ("Contract", "Contract", "MasterDetail", "Contract",
            "Subscriptions"),
        ("Product", "Product", "Lookup", "Product2", "Subscriptions"), ("QuoteLine", "Quote Line", "Lookup", LINE,
            "Subscriptions"),
        ("Quantity", "Quantity", "Number", "12.2"), ("RenewalQuantity", "Renewal Quantity", "Number", "12.2"),
        ("SubscriptionStartDate", "Subscription Start Date", "Date"), ("SubscriptionEndDate", "Subscription End Date", "Date"),
        ("TerminatedDate", "Terminated Date", "Date"), ("ListPrice", "List Price", "Currency", "14.2"),
        ("NetPrice", "Net Price", "Currency", "14.2"), ("Number", "Number", "Number", "5.0"),
        ("RevisedSubscription", "Revised Subscription", "Lookup", SUBSCRIPTION, "Revisions"), ("RootId", "Root ID", "Text",
            "18"),
        ("BillingFrequency", "Billing Frequency", "Picklist", FREQUENCY),
    ),
    "Opportunity": (
        ("AmendedContract", "Amended Contract", "Lookup", "Contract", "AmendmentOpportunities"),
        ("RenewedContract", "Renewed Contract", "Lookup", "Contract", "RenewalOpportunities"),
        ("PrimaryQuote", "Primary Quote", "Lookup", QUOTE, "PrimaryOpportunities"), ("Contracted", "Contracted", "Checkbox"),
        ("Ordered", "Ordered", "Checkbox"), ("Renewal", "Renewal", "Checkbox"),
        ("CreateContractedPrices", "Create Contracted Prices", "Checkbox"), ("QuotePricebookId", "Quote Price Book Id", "Text",
            "18"),
        ("OrderGroupID", "Order Group ID", "Text", "18"),
    ),
    "Contract": (
        ("Opportunity", "Opportunity", "Lookup", "Opportunity", "Contracts"), ("Quote", "Quote", "Lookup", QUOTE, "Contracts"),
        ("RenewalOpportunity", "Renewal Opportunity", "Lookup", "Opportunity", "RenewalContracts"),
        ("RenewalForecast", "Renewal Forecast", "Checkbox"), ("RenewalQuoted", "Renewal Quoted", "Checkbox"),
        ("RenewalTerm", "Renewal Term", "Number", "5.0"), ("AmendmentStartDate", "Amendment Start Date", "Date"),
        ("Evergreen", "Evergreen", "Checkbox"),
    ),
    "Product2": (
        ("SubscriptionPricing", "Subscription Pricing", "Picklist", "Fixed Price; Percent Of Total"),
        ("SubscriptionType", "Subscription Type", "Picklist", "Renewable; One-time; Evergreen"),
        ("SubscriptionTerm", "Subscription Term", "Number", "5.0"), ("BillingFrequency", "Billing Frequency", "Picklist",
            FREQUENCY),
    ),
}  # fmt: skip
CALCULATED = ("Formula", "Total", "Count", "Sum")
MAPPED = ("Product2", "OpportunityLineItem")
WRITTEN = {
    "Account": (("Stigg_Customer_ID__c", "Stigg Customer ID", "Text"), ("Stigg_Customer_URL__c", "Stigg Customer URL", "Url")),
    "Opportunity": (("Stigg_Subscription_ID__c", "Stigg Subscription ID", "Text"),
                    ("Stigg_Subscription_URL__c", "Stigg Subscription URL", "Url")),
}  # fmt: skip


def install_cpq(org: "DemoOrg", caller: "Caller") -> list[str]:
    """Install the CPQ package; the names of its objects. Installing it again changes nothing."""
    if org.draft.find(QUOTE) is None:
        workshop = Workshop(org, caller)
        workshop.draft.installing = SPACE
        for name, (label, plural, name_label, form) in OBJECTS.items():
            _keep(workshop, "CustomObject", {
                "fullName": name, "label": label, "pluralLabel": plural, "deploymentStatus": "Deployed",
                "sharingModel": "ReadWrite",
                "nameField": {"label": name_label, "type": "AutoNumber", "displayFormat": form},
            })  # fmt: skip
        for values in cpq_fields():
            _keep(workshop, "CustomField", values)
        _open_to_all(workshop)
    return list(OBJECTS)


def install_mapping(org: "DemoOrg", caller: "Caller") -> list[str]:
    """Create the mapping fields under the reference's own names, visible to all; the objects that have them."""
    workshop = Workshop(org, caller)
    for values in mapping_fields():
        owner, _, name = values["fullName"].partition(".")
        kind = org.draft.find(owner)
        if kind is not None and kind.find(name) is None:
            _keep(workshop, "CustomField", values)
    _open_to_all(workshop)
    return [*MAPPED, *WRITTEN]


def _open_to_all(workshop: Workshop) -> None:
    """Keep what was made, seen by every user."""
    made = {
        (str(row.get("object", "")).lower(), str(row["body"]["name"]).lower())
        for row in workshop.rows
        if row["kind"] == "field"
    }
    workshop.rows = [{key: value for key, value in row.items() if key != "guarded"} for row in workshop.rows]
    for owner, name in made:
        workshop.draft.guarded.get(owner, set()).discard(name)
    workshop.keep()


def _keep(workshop: Workshop, kind: str, values: Values) -> None:
    outcome = workshop.save(kind, values)
    if outcome.refusal is not None:
        raise ValueError(f"{values['fullName']}: {outcome.refusal.message}")


def cpq_fields() -> Iterator[Values]:
    """The fields of the package; those that need others come last."""
    fields = [(owner, each) for owner, listed in FIELDS.items() for each in listed]
    order = {"MasterDetail": 1, "Lookup": 1, "Formula": 2, "Total": 3, "Count": 4, "Sum": 4}
    for owner, (name, label, kind, *more) in sorted(fields, key=lambda pair: order.get(pair[1][2], 0)):
        yield {"fullName": f"{owner}.{SPACE}__{name}__c", "label": label, "type": kind, **_shape(kind, more)}


def _shape(kind: str, more: list[str]) -> Values:
    """What a field of a type needs besides its name."""
    if kind in {"Lookup", "MasterDetail"}:
        relation = {"referenceTo": more[0], "relationshipName": f"{SPACE}__{more[1]}", "relationshipLabel": more[1]}
        return {**relation, **({"deleteConstraint": "SetNull"} if kind == "Lookup" else {})}
    if kind == "Picklist":
        return {"valueSet": {"valueSetDefinition": {"sorted": "false", "value": [
            {"fullName": each, "default": "false", "label": each} for each in more[0].split("; ")]}}}  # fmt: skip
    if kind in {"Number", "Currency", "Percent"}:
        precision, _, scale = more[0].partition(".")
        return {"precision": precision, "scale": scale}
    if kind == "Formula":
        return {"type": "Text", "formula": more[0], "formulaTreatBlanksAs": "BlankAsBlank"}
    if kind == "Total":
        return {"type": "Currency", "precision": "16", "scale": "2", "formula": more[0], "formulaTreatBlanksAs": "BlankAsZero"}
    if kind in {"Count", "Sum"}:
        key = f"{more[0]}.{SPACE}__{more[1]}__c"
        total = {"summaryOperation": "sum", "summarizedField": f"{LINE}.{SPACE}__NetTotal__c"}
        return {"type": "Summary", "summaryForeignKey": key, **({"summaryOperation": "count"} if kind == "Count" else total)}
    if kind == "Checkbox":
        return {"defaultValue": "false"}
    if kind in {"Text", "LongTextArea"}:
        return {"length": more[0], **({"visibleLines": "3"} if kind == "LongTextArea" else {})}
    return {}


def mapping_fields() -> Iterator[Values]:
    """Type, id and `unlimited` where products and lines are mapped; ids and addresses where they are written back."""
    types: list[dict[str, Any]] = [
        {"fullName": each, "default": "false", "label": each} for each in ("Plan", "Add-on", "Entitlement")
    ]
    for owner in MAPPED:
        yield {"fullName": f"{owner}.Stigg_Type__c", "label": "Stigg type", "type": "Picklist",
               "valueSet": {"restricted": "true", "valueSetDefinition": {"sorted": "false", "value": types}}}  # fmt: skip
        yield {"fullName": f"{owner}.Stigg_ID__c", "label": "Stigg ID", "type": "Text", "length": "255"}
        yield {
            "fullName": f"{owner}.Stigg_Unlimited__c",
            "label": "Stigg unlimited",
            "type": "Checkbox",
            "defaultValue": "false",
        }
    for owner, fields in WRITTEN.items():
        for name, label, kind in fields:
            yield {"fullName": f"{owner}.{name}", "label": label, "type": kind, **({"length": "255"} if kind == "Text" else {})}
