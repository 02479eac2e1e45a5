"""Report types: which object a report is about, and what its columns mean."""

from dataclasses import dataclass, field

from integrations.demo_org.errors import ApiError
from integrations.demo_org.reports import columns
from integrations.demo_org.schema.types import Field, ObjectType, Schema

FISCAL = frozenset({"fiscal_quarter", "fiscal_year"})
SPECIAL = {"fiscal_quarter": "string", "fiscal_year": "int", "age": "int", "case_age": "int"}
REPORT_TYPES = {"combobox": "picklist", "encryptedstring": "string", "reference": "id", "long": "int", "time": "string"}
HIDDEN_TYPES = frozenset({"address", "location", "base64", "complexvalue", "anyType"})
DATE_ONLY = frozenset({"CREATED_DATE", "LAST_UPDATE", "ACCOUNT_CREATED_DATE", "ACCOUNT_LAST_UPDATE", "CUST_CREATED_DATE"})


@dataclass(frozen=True)
class ReportColumn:
    """One column: `path` as in a query, `id_path` of the id that its cells carry, or a `special` computation over `paths`."""

    name: str
    label: str
    type: str
    path: str = ""
    id_path: str = ""
    special: str = ""
    paths: tuple[str, ...] = ()
    field: Field | None = None

    @property
    def data_type(self) -> str:
        """The word that report metadata uses for the type."""
        return REPORT_TYPES.get(self.type, self.type)

    @property
    def is_lookup(self) -> bool:
        """Whether cells carry a record id."""
        return bool(self.id_path)

    @property
    def shows_day(self) -> bool:
        """Whether a datetime shows only its day, as the standard created and modified columns do."""
        return self.type == "datetime" and self.name in DATE_ONLY


@dataclass(frozen=True)
class ReportType:
    """A report type over object `kind`; `categories` are (label, column names) in display order."""

    name: str
    label: str
    kind: ObjectType
    columns: dict[str, ReportColumn]
    categories: tuple[tuple[str, tuple[str, ...]], ...]
    date_column: str
    noun: str
    standard_filters: tuple[str, ...] = ()

    def find(self, name: str) -> ReportColumn | None:
        """The column of that API name, in any case."""
        return self.columns.get(name) or next((c for key, c in self.columns.items() if key.lower() == name.lower()), None)


@dataclass(frozen=True)
class _Standard:
    label: str
    object_name: str
    categories: dict[str, str]
    date_column: str = "CREATED_DATE"
    standard_filters: tuple[str, ...] = ()
    parents: dict[str, str] = field(default_factory=dict)


STANDARD = {
    "Opportunity": _Standard(
        "Opportunities", "Opportunity", columns.OPPORTUNITY, "CLOSE_DATE", ("open", "probability"), {"Account": "Account."}
    ),
    "OpportunityProduct": _Standard(
        "Opportunities with Products", "OpportunityLineItem", columns.OPPORTUNITY_PRODUCT, "CLOSE_DATE",
        ("open", "probability"),
        {"Opportunity": "Opportunity.", "Account": "Opportunity.Account.", "Product2": "Product2."},
    ),
    "AccountList": _Standard("Accounts", "Account", columns.ACCOUNT),
    "ContactList": _Standard("Contacts & Accounts", "Contact", columns.CONTACT, parents={"Account": "Account."}),
    "LeadList": _Standard("Leads", "Lead", columns.LEAD),
    "CaseList": _Standard("Cases", "Case", columns.CASE, parents={"Account": "Account.", "Contact": "Contact."}),
    "CampaignList": _Standard("Campaigns", "Campaign", columns.CAMPAIGN, "START_DATE"),
    "Activity": _Standard("Tasks", "Task", columns.ACTIVITY, "DUE_DATE"),
    "UserList": _Standard("Users", "User", columns.USER),
    "ProductList": _Standard("Products", "Product2", columns.PRODUCT),
}  # fmt: skip
ALIASES = {"Campaign": "CampaignList", "User": "UserList", "Product2": "ProductList", "Account": "AccountList"}


def report_type(schema: Schema, name: str) -> ReportType:
    """The report type of that name, for what `schema` shows. ApiError when there is none (any more)."""
    name = ALIASES.get(name, name)
    standard = STANDARD.get(name)
    object_name = standard.object_name if standard else name.removeprefix("CustomEntity$")
    kind = schema.find(object_name) if standard or name.startswith("CustomEntity$") else None
    if kind is None:
        raise ApiError(400, "BAD_REQUEST", f"The report type is invalid or you do not have access to it: {name}")
    return _build_standard(schema, name, kind, standard) if standard else _build_custom(schema, name, kind)


def all_report_types(schema: Schema) -> list[tuple[str, str, str]]:
    """(category, type, label) of every report type that the caller can use."""
    found = [("Standard", name, each.label) for name, each in STANDARD.items() if schema.find(each.object_name)]
    used = {each.object_name for each in STANDARD.values()}
    others = [each for each in schema.objects.values() if each.name not in used and each.queryable]
    return found + [("Other Reports", f"CustomEntity${each.name}", each.label_plural) for each in others]


def _build_standard(schema: Schema, name: str, kind: ObjectType, standard: _Standard) -> ReportType:
    found: dict[str, ReportColumn] = {}
    categories = []
    for label, text in standard.categories.items():
        listed = [each for each in (_column(schema, kind, line) for line in _lines(text)) if each]
        fresh = [each for each in listed if each.name not in found]
        found.update({each.name: each for each in fresh})
        categories.append((label, tuple(each.name for each in fresh)))
    prefixes = {kind.name: "", **standard.parents}
    categories += _custom_categories(schema, kind, prefixes, found)
    return ReportType(
        name, standard.label, kind, found, tuple(categories), standard.date_column, standard.label.lower(),
        standard.standard_filters,
    )  # fmt: skip


def _build_custom(schema: Schema, name: str, kind: ObjectType) -> ReportType:
    """A report type over any other object: its own fields as Object.Field."""
    found: dict[str, ReportColumn] = {}
    for line in _lines(columns.CUSTOM.format(kind.label)):
        made = _column(schema, kind, line)
        if made:
            found[made.name] = made
    for each in kind.fields:
        _add_own(schema, kind, "", each, found)
    return ReportType(
        name, kind.label_plural, kind, found, ((kind.label, tuple(found)),), "CUST_CREATED_DATE", kind.label_plural.lower()
    )


def _custom_categories(
    schema: Schema, kind: ObjectType, prefixes: dict[str, str], found: dict[str, ReportColumn]
) -> list[tuple[str, tuple[str, ...]]]:
    """The custom fields of the object and of the parents that the type joins."""
    categories = []
    for object_name, prefix in prefixes.items():
        owner = schema.find(object_name)
        if owner is None:
            continue
        before = set(found)
        for each in owner.fields:
            if each.custom:
                _add_own(schema, kind, prefix, each, found, owner)
        fresh = tuple(name for name in found if name not in before)
        if fresh:
            categories.append((f"{owner.label}: Custom Info", fresh))
    return categories


def _add_own(
    schema: Schema, kind: ObjectType, prefix: str, each: Field, found: dict[str, ReportColumn], owner: ObjectType | None = None
) -> None:
    """A field under its generic name Object.Field; a reference shows the name of what it points to."""
    if each.type in HIDDEN_TYPES:
        return
    name = f"{(owner or kind).name}.{each.name}"
    if each.type == "reference" and each.relationship_name:
        made = _make(schema, kind, name, each.label, f"{prefix}{each.relationship_name}.Name", f"{prefix}{each.name}")
    else:
        made = _make(schema, kind, name, each.label, f"{prefix}{each.name}", "")
    if made:
        found[name] = made


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def _column(schema: Schema, kind: ObjectType, line: str) -> ReportColumn | None:
    """A column from a line of the tables; None when the org or the user has no such field."""
    name, _, rest = line.partition(" = ")
    label, _, meaning = rest.rpartition(" : ")
    if meaning.startswith("!"):
        special, *paths = meaning[1:].split()
        fits = all(field_at(schema, kind, each) for each in paths)
        return ReportColumn(name, label, SPECIAL[special], special=special, paths=tuple(paths)) if fits else None
    path, _, id_path = meaning.partition(" @")
    return _make(schema, kind, name, label, path.strip(), id_path.strip())


def _make(schema: Schema, kind: ObjectType, name: str, label: str, path: str, id_path: str) -> ReportColumn | None:
    found = field_at(schema, kind, path)
    if found is None or (id_path and field_at(schema, kind, id_path) is None):
        return None
    return ReportColumn(name, label, found.type, path, id_path, field=found)


def field_at(schema: Schema, kind: ObjectType, path: str) -> Field | None:
    """The field at the end of a path, or None."""
    *steps, last = path.split(".")
    here: ObjectType | None = kind
    for step in steps:
        reference = here.by_relationship(step) if here else None
        targets = [schema.find(each) for each in reference.reference_to] if reference else []
        here = next((each for each in targets if each), None)
    if here is None:
        return None
    return here.find(last) or (next((f for f in here.fields if f.name_field), None) if last == "Name" and steps else None)
