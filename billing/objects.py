"""The eight billing objects in Salesforce, in one table: names, labels, types, keys, lookups, order (MT-15..MT-22).

Everything else follows from it: what payloads contain, what the preflight asks for, what is deployed, what the docs list. Names
stand here without the prefix, which belongs to the connection (`NOME__` of the managed package, empty for our own deploy).
Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass

PACKAGE_PREFIX = "NOME__"
ACCOUNT = "Account"

TEXT, NUMBER, DATE, DATE_TIME = "Text", "Number", "Date", "DateTime"
PICKLIST, LOOKUP, LONG_TEXT, AUTO_NUMBER, FORMULA = "Picklist", "Lookup", "LongTextArea", "AutoNumber", "Formula"
WRITTEN = frozenset((TEXT, NUMBER, DATE, DATE_TIME, PICKLIST, LOOKUP, LONG_TEXT))

# How describe names each type; any of them satisfies the preflight.
DESCRIBED = {
    TEXT: ("string",), NUMBER: ("double",), DATE: ("date",), DATE_TIME: ("datetime",), PICKLIST: ("picklist",),
    LOOKUP: ("reference",), LONG_TEXT: ("textarea",), AUTO_NUMBER: ("string",), FORMULA: ("string",),
}  # fmt: skip

NAME_LENGTH, TEXT_LENGTH, DESCRIPTION_LENGTH, CUSTOMER_ID_LENGTH = 80, 255, 30_000, 50
PRECISION, SCALE = 18, 2  # "Number(16, 2)" of the set-up screens: 16 digits before and 2 after the point
STATUSES = ("Pending", "Current", "FINALIZED", "N/A", "VOID", "DRAFT")

CASE_SENSITIVE, CASE_INSENSITIVE = "case-sensitive", "case-insensitive"


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `source` names the value of our record that fills it; `unique` says how its values must differ, "" = not.

    `to` is the key of the object that a lookup leads to, or Account.
    """

    name: str
    label: str
    type: str
    source: str = ""
    length: int = 0
    precision: int = 0
    scale: int = 0
    external_id: bool = False
    unique: str = ""
    to: str = ""
    values: tuple[str, ...] = ()
    formula: str = ""
    display_format: str = ""

    @property
    def is_standard(self) -> bool:
        """The Name field, which every custom object has and no prefix touches."""
        return self.name == "Name"

    @property
    def is_written(self) -> bool:
        """Whether we may send it: auto numbers and formulas must never be in a write."""
        return self.type in WRITTEN

    @property
    def relationship(self) -> str:
        """The parent's name in queries, without the prefix: Account__c -> Account__r."""
        return self.name.removesuffix("__c") + "__r" if self.type == LOOKUP else ""

    def api_name(self, prefix: str) -> str:
        """The field's API name in a connection with that prefix."""
        return self.name if self.is_standard else f"{prefix}{self.name}"


@dataclass(frozen=True, slots=True)
class BillingObject:
    """One object. `key` is its word here and in the API, `step` its place in the push: parents first (section 1.4)."""

    key: str
    name: str
    label: str
    plural: str
    upsert_by: str
    step: int
    fields: tuple[Field, ...]
    is_ours: bool = False
    """Never part of the package: it and its fields have no prefix."""

    def prefix(self, prefix: str) -> str:
        """The prefix that the object and its fields have in a connection with that prefix."""
        return "" if self.is_ours else prefix

    def api_name(self, prefix: str) -> str:
        """The object's API name in a connection with that prefix."""
        return f"{self.prefix(prefix)}{self.name}"

    def field_name(self, field: Field, prefix: str) -> str:
        """The API name of one of its fields in a connection with that prefix."""
        return field.api_name(self.prefix(prefix))

    def field(self, name: str) -> Field:
        """The field of that name (without prefix); KeyError when there is none."""
        found = next((each for each in self.fields if each.name == name), None)
        if found is None:
            raise KeyError(f"{self.label} has no field {name}.")
        return found

    @property
    def key_field(self) -> Field:
        """The external id that rows are upserted by."""
        return self.field(self.upsert_by)

    @property
    def written(self) -> tuple[Field, ...]:
        """The fields that we may send, the key left out."""
        return tuple(each for each in self.fields if each.is_written and each.name != self.upsert_by)

    @property
    def parents(self) -> tuple[str, ...]:
        """Keys of the billing objects that its lookups lead to."""
        return tuple(each.to for each in self.fields if each.type == LOOKUP and each.to != ACCOUNT)


def _text(name: str, label: str, source: str, length: int = TEXT_LENGTH) -> Field:
    return Field(name, label, TEXT, source, length=length)


def _id(name: str, label: str, source: str, *, unique: str = "", length: int = TEXT_LENGTH) -> Field:
    return Field(name, label, TEXT, source, length=length, external_id=True, unique=unique)


def _number(name: str, label: str, source: str) -> Field:
    return Field(name, label, NUMBER, source, precision=PRECISION, scale=SCALE)


def _lookup(name: str, label: str, source: str, to: str) -> Field:
    return Field(name, label, LOOKUP, source, to=to)


def _name(label: str, source: str) -> Field:
    return Field("Name", label, TEXT, source, length=NAME_LENGTH)


def _number_name(label: str, display_format: str) -> Field:
    return Field("Name", label, AUTO_NUMBER, display_format=display_format)


PLAN = BillingObject(
    "plans", "Metronome_Plan__c", "Metronome Plan", "Metronome Plans", "Metronome_Plan_ID__c", 1,
    (
        _number_name("Plan Number", "P-{000000}"),
        Field("Description__c", "Description", LONG_TEXT, "description", length=DESCRIPTION_LENGTH),
        _id("Metronome_Plan_ID__c", "Metronome Plan ID", "key", unique=CASE_SENSITIVE),
        _text("Name__c", "Name", "name"),
    ),
)  # fmt: skip
METRIC = BillingObject(
    "billable-metrics", "Metronome_Billable_Metric__c", "Metronome Billable Metric", "Metronome Billable Metrics",
    "Metronome_Billable_Metric_ID__c", 1,
    (
        _name("Billable Metric Name", "name"),
        _id("Metronome_Billable_Metric_ID__c", "Metronome Billable Metric ID", "key", unique=CASE_SENSITIVE),
    ),
)  # fmt: skip
CUSTOMER = BillingObject(
    "customers", "Metronome_Customer__c", "Metronome Customer", "Metronome Customers", "Metronome_Customer_ID__c", 2,
    (
        _number_name("Metronome Customer Name", "MC-{000000}"),
        _lookup("Account__c", "Account", "account_id", ACCOUNT),
        _id("Metronome_Customer_ID__c", "Metronome Customer ID", "key", unique=CASE_INSENSITIVE, length=CUSTOMER_ID_LENGTH),
        _text("Name__c", "Name", "name"),
    ),
)  # fmt: skip
INGEST_ALIAS = BillingObject(
    "ingest-aliases", "Metronome_Ingest_Alias__c", "Metronome Ingest Alias", "Metronome Ingest Aliases",
    "Customer_Ingest_Alias_ID__c", 3,
    (
        _number_name("Name", "IA-{000000}"),
        _lookup("Customer_ID__c", "Customer ID", "customer", "customers"),
        _id("Customer_Ingest_Alias_ID__c", "Customer Ingest Alias ID", "key"),
        _text("Ingest_Alias__c", "Ingest Alias", "alias"),
    ),
)  # fmt: skip
CUSTOMER_PLAN = BillingObject(
    "customer-plans", "Metronome_Customer_Plan__c", "Metronome Customer Plan", "Metronome Customer Plans",
    "Metronome_Customer_Plan_ID__c", 3,
    (
        _number_name("Customer Plan Number", "CP-{000000}"),
        _lookup("Customer__c", "Metronome Customer", "customer", "customers"),
        Field("Ending_On__c", "Ending On", DATE_TIME, "ending_on"),
        _id("Metronome_Customer_Plan_ID__c", "Metronome Customer Plan ID", "key", unique=CASE_SENSITIVE),
        _id("Metronome_Plan_ID__c", "Metronome Plan ID", "plan"),
        _lookup("Plan__c", "Plan", "plan", "plans"),
        Field("Starting_On__c", "Starting On", DATE_TIME, "starting_on"),
        Field("Plan_Name__c", "Plan Name", FORMULA, formula="{prefix}Plan__r.{prefix}Name__c"),
    ),
)  # fmt: skip
CREDIT_GRANT = BillingObject(
    "credit-grants", "Metronome_Credit_Grant__c", "Metronome Credit Grant", "Metronome Credit Grants",
    "Metronome_Credit_Grant_ID__c", 3,
    (
        _name("Credit Grant Name", "name"),
        _number("Balance_Including_Pending__c", "Balance Including Pending", "balance"),
        _text("Credit_Type__c", "Credit Type", "credit_type"),
        _lookup("Customer__c", "Metronome Customer", "customer", "customers"),
        Field("Effective_Date__c", "Effective Date", DATE_TIME, "effective_at"),
        Field("Expiration_Date__c", "Expiration Date", DATE_TIME, "expires_at"),
        _number("Initial_Balance__c", "Initial Balance", "initial_balance"),
        _id("Metronome_Credit_Grant_ID__c", "Metronome Credit Grant ID", "key", unique=CASE_SENSITIVE),
        _text("Paid_Amount_Currency__c", "Paid Amount Currency", "paid_currency"),
        _number("Paid_Amount__c", "Paid Amount", "paid_amount"),
        _text("Reason__c", "Reason", "reason"),
    ),
)  # fmt: skip
INVOICE = BillingObject(
    "invoices", "Metronome_Invoice__c", "Metronome Invoice", "Metronome Invoices", "Metronome_Invoice_ID__c", 3,
    (
        _name("Invoice Name", "name"),
        _text("Currency__c", "Currency", "currency"),
        _lookup("Customer__c", "Metronome Customer", "customer", "customers"),
        Field("End__c", "End", DATE, "end_date"),
        _id("Metronome_Invoice_ID__c", "Metronome Invoice ID", "key", unique=CASE_SENSITIVE),
        _lookup("Metronome_Plan__c", "Metronome Plan", "plan", "plans"),
        Field("Start__c", "Start", DATE, "start_date"),
        Field("Status__c", "Status", PICKLIST, "status", values=STATUSES),
        _number("Total__c", "Total", "total"),
    ),
)  # fmt: skip
LINE_ITEM = BillingObject(
    "line-items", "Metronome_Invoice_Line_Item__c", "Metronome Invoice Line Item", "Metronome Invoice Line Items",
    "Metronome_Invoice_Line_Item_ID__c", 4,
    (
        _number_name("Record Id", "LI-{000000000}"),
        _text("Credit_Type_Name__c", "Credit Type Name", "credit_type"),
        _lookup("Invoice__c", "Invoice", "invoice", "invoices"),
        _id("Metronome_Invoice_ID__c", "Metronome Invoice ID", "invoice"),
        _id(
            "Metronome_Invoice_Line_Item_ID__c", "Metronome Invoice Line Item ID", "key", unique=CASE_INSENSITIVE
        ),
        _text("Name__c", "Name", "name"),
        _number("Quantity__c", "Quantity", "quantity"),
        _number("Total__c", "Total", "total"),
    ),
)  # fmt: skip

OBJECTS: tuple[BillingObject, ...] = (
    PLAN, METRIC, CUSTOMER, INGEST_ALIAS, CUSTOMER_PLAN, CREDIT_GRANT, INVOICE, LINE_ITEM,
)  # fmt: skip
# The other way to hang a customer on several accounts (MT-D1): records of an object of our own instead of extra customer rows.
CUSTOMER_ACCOUNT = BillingObject(
    "customer-accounts", "Metronome_Customer_Account__c", "Metronome Customer Account", "Metronome Customer Accounts",
    "Metronome_Customer_Account_ID__c", 3,
    (
        _number_name("Customer Account Number", "CA-{000000}"),
        _lookup("Account__c", "Account", "account_id", ACCOUNT),
        _lookup("Customer__c", "Metronome Customer", "customer", "customers"),
        _id("Metronome_Customer_Account_ID__c", "Metronome Customer Account ID", "key", unique=CASE_SENSITIVE),
    ),
    is_ours=True,
)  # fmt: skip
BY_KEY: dict[str, BillingObject] = {each.key: each for each in (*OBJECTS, CUSTOMER_ACCOUNT)}


def path_of(owner: BillingObject, field: Field, prefix: str) -> str:
    """What a payload calls a lookup: the parent's external id, or the field itself where the parent is an Account."""
    if field.to == ACCOUNT:
        return owner.field_name(field, prefix)
    parent = BY_KEY[field.to]
    return f"{owner.prefix(prefix)}{field.relationship}.{parent.field_name(parent.key_field, prefix)}"


def payload_columns(owner: BillingObject, prefix: str) -> Iterator[tuple[str, Field]]:
    """The columns of its rows with the field each one fills; the key column is not among them."""
    for field in owner.written:
        yield (path_of(owner, field, prefix) if field.type == LOOKUP else owner.field_name(field, prefix)), field


def prefix_in(names: list[str]) -> str | None:
    """The prefix under which an org has the objects, by its object names: the package's own first; None without them."""
    endings = [name.removesuffix(CUSTOMER.name) for name in names if name.endswith(CUSTOMER.name)]
    found = [prefix for prefix in endings if prefix == "" or (prefix.endswith("__") and prefix.count("__") == 1)]
    return max(found, key=lambda prefix: (prefix == PACKAGE_PREFIX, prefix != "", prefix), default=None)
