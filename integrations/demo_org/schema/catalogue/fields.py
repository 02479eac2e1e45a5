"""Short constructors for the fields that describe knows, so that the catalogue reads like a table.

Each sets what Salesforce sets for that type (groupable, sortable, filterable, aggregatable; seen in recorded describes).
`required` means: not nillable and no default. `locked` means: neither createable nor updateable.
"""

from dataclasses import replace
from typing import Any

from integrations.demo_org.schema.types import Field, ObjectType, PicklistValue

YES_NO = "Yes; No"
SALUTATIONS = "Mr.; Ms.; Mrs.; Dr.; Prof."
LEAD_SOURCES = "Web; Phone Inquiry; Partner Referral; Purchased List; Other"
GEOCODE = "Address; NearAddress; Block; Street; ExtendedZip; Zip; Neighborhood; City; County; State; Unknown"
CLEAN = (
    "Matched=In Sync; Different; Acknowledged=Reviewed; NotFound=Not Found; Inactive; Pending=Not Compared;"
    " SelectMatch=Select Match; Skipped"
)
INDUSTRIES = (
    "Agriculture; Apparel; Banking; Biotechnology; Chemicals; Communications; Construction; Consulting; Education;"
    " Electronics; Energy; Engineering; Entertainment; Environmental; Finance; Food & Beverage; Government; Healthcare;"
    " Hospitality; Insurance; Machinery; Manufacturing; Media; Not For Profit; Recreation; Retail; Shipping; Technology;"
    " Telecommunications; Transportation; Utilities; Other"
)
RATINGS = "Hot; Warm; Cold"
CURRENCIES = "USD=U.S. Dollar; EUR=Euro; GBP=British Pound; JPY=Japanese Yen"

_PLAIN = {"groupable": True, "sortable": True, "filterable": True, "aggregatable": True}
_NUMBER = {**_PLAIN, "groupable": False}
_OPAQUE = dict.fromkeys(_PLAIN, False)


def choices(text: str) -> tuple[PicklistValue, ...]:
    """Picklist entries from `value; value*; value=label`, where `*` marks the default and a leading `-` an inactive one."""
    entries = []
    for part in (each.strip() for each in text.split(";")):
        active, default = not part.startswith("-"), part.endswith("*")
        value, _, label = part.removeprefix("-").removesuffix("*").partition("=")
        entries.append(PicklistValue(value, label or value, active=active, default=default))
    return tuple(entries)


def make(name: str, label: str, kind: str, **more: Any) -> Field:
    """A field of any type. Understands `required` and `locked` besides the attributes of `Field`; custom if named `__c`."""
    if more.pop("required", False):
        more["nillable"] = False
    if more.pop("locked", False):
        more["createable"] = more["updateable"] = False
    if more.get("external_id"):
        more["id_lookup"] = True
    return Field(name, label, kind, **{"custom": name.endswith(("__c", "__s")), **more})


def text(name: str, label: str, length: int = 255, **more: Any) -> Field:
    """Text of one line."""
    return make(name, label, "string", **{"length": length, **_PLAIN, **more})


def area(name: str, label: str, length: int = 32000, **more: Any) -> Field:
    """Text of several lines; above 255 characters it can be neither filtered nor sorted nor grouped."""
    return make(name, label, "textarea", **{"length": length, **(_PLAIN if length <= 255 else _OPAQUE), **more})


def rich(name: str, label: str, length: int = 32768, **more: Any) -> Field:
    """Formatted text (HTML)."""
    return area(name, label, length, html=True, **more)


def pick(name: str, label: str, values: str, length: int = 255, **more: Any) -> Field:
    """A picklist; unrestricted unless `restricted`. A default value makes it defaulted on create."""
    entries = more.pop("entries", None) or (choices(values) if values else ())
    chosen = next((each.value for each in entries if each.default), None)
    extra = {"defaulted_on_create": True, "default": chosen} if chosen else {}
    restricted = more.pop("restricted", False)
    return make(name, label, "picklist", **{
        "length": length, "picklist": entries, "restricted_picklist": restricted, **_PLAIN, **extra, **more,
    })  # fmt: skip


def combo(name: str, label: str, values: str, **more: Any) -> Field:
    """A text with suggestions."""
    return replace(pick(name, label, values, **more), type="combobox")


def multi(name: str, label: str, values: str, **more: Any) -> Field:
    """A multi-select picklist."""
    flags = {"groupable": False, "sortable": False, "filterable": True, "aggregatable": False}
    return make(name, label, "multipicklist", **{"length": 4099, "picklist": choices(values), **flags, **more})


def flag(name: str, label: str, *, default: bool = False, **more: Any) -> Field:
    """A checkbox: never null."""
    flags = {"nillable": False, "defaulted_on_create": True, "default": default, **_PLAIN, "aggregatable": False}
    return make(name, label, "boolean", **{**flags, **more})


def whole(name: str, label: str, digits: int = 8, **more: Any) -> Field:
    """An integer of a standard field (custom numbers are doubles)."""
    return make(name, label, "int", **{"digits": digits, **_PLAIN, **more})


def number(name: str, label: str, precision: int = 18, scale: int = 0, **more: Any) -> Field:
    """A number with a fixed scale."""
    return make(name, label, "double", **{"precision": precision, "scale": scale, **_NUMBER, **more})


def money(name: str, label: str, precision: int = 18, scale: int = 2, **more: Any) -> Field:
    """An amount in the record's currency."""
    return make(name, label, "currency", **{"precision": precision, "scale": scale, **_NUMBER, **more})


def percent(name: str, label: str, precision: int = 5, scale: int = 2, **more: Any) -> Field:
    """A percentage: 15 means 15 %."""
    return make(name, label, "percent", **{"precision": precision, "scale": scale, **_NUMBER, **more})


def day(name: str, label: str, **more: Any) -> Field:
    """A date without a time zone."""
    return make(name, label, "date", **{**_PLAIN, **more})


def moment(name: str, label: str, **more: Any) -> Field:
    """A date and time in UTC."""
    return make(name, label, "datetime", **{**_NUMBER, **more})


def clock(name: str, label: str, **more: Any) -> Field:
    """A time of day."""
    return make(name, label, "time", **{**_NUMBER, "aggregatable": False, **more})


def mail(name: str, label: str, **more: Any) -> Field:
    """An e-mail address."""
    return make(name, label, "email", **{"length": 80, **_PLAIN, **more})


def phone(name: str, label: str, **more: Any) -> Field:
    """A telephone number."""
    return make(name, label, "phone", **{"length": 40, **_PLAIN, **more})


def link(name: str, label: str, **more: Any) -> Field:
    """A web address."""
    return make(name, label, "url", **{"length": 255, **_PLAIN, **more})


def secret(name: str, label: str, length: int = 175, **more: Any) -> Field:
    """Classic encrypted text: masked for most users, not filterable."""
    return make(name, label, "encryptedstring", **{"length": length, **_OPAQUE, **more})


def ref(name: str, label: str, to: str, **more: Any) -> Field:
    """A lookup. `to` names the targets, separated by blanks; `children` is the relationship's name seen from the parent.

    The relationship is the field without Id (`Account__r` for `Account__c`) unless `rel` says otherwise; `rel=None` for none.
    """
    usual = name[:-1] + "r" if name.endswith("__c") else name.removesuffix("Id")
    targets = tuple(to.split())
    return make(name, label, "reference", **{
        "length": 18, "reference_to": targets, "relationship_name": more.pop("rel", usual),
        "child_relationship": more.pop("children", None), "cascade_delete": more.pop("cascade", False),
        "name_pointing": len(targets) > 1, **_PLAIN, **more,
    })  # fmt: skip


def counter(name: str, label: str, form: str = "{00000000}", length: int = 30, **more: Any) -> Field:
    """An auto-number; `form` (kept in `default`) is its display format, such as CUST-{000000}."""
    return make(name, label, "string", **{
        "length": length, "auto_number": True, "default": form, "required": True, "locked": True,
        "defaulted_on_create": True, **_PLAIN, "groupable": False, **more,
    })  # fmt: skip


def formula(name: str, label: str, kind: str, sql: str, **more: Any) -> Field:
    """A formula field: `sql` is evaluated over the row, `{row}.` before each column."""
    flags = _PLAIN if kind in ("string", "date") else _NUMBER
    size = {"length": 1300} if kind == "string" else {"precision": 18, "scale": 2} if kind != "date" else {}
    return make(name, label, kind, **{"calculated": True, "formula": sql, "locked": True, **size, **flags, **more})


def rollup(name: str, label: str, kind: str, sql: str, **more: Any) -> Field:
    """A roll-up summary: a calculated number over the children, given as a subquery."""
    return formula(name, label, kind, sql, **more)


def identity(label: str) -> Field:
    """The Id of an object called `label`."""
    return make("Id", f"{label} ID", "id", length=18, required=True, locked=True, defaulted_on_create=True, id_lookup=True)


def deleted() -> Field:
    """IsDeleted: in the recycle bin."""
    return flag("IsDeleted", "Deleted", locked=True)


def owner(to: str = "User", **more: Any) -> Field:
    """OwnerId, given to the creator unless told otherwise."""
    return ref("OwnerId", "Owner ID", to, required=True, defaulted_on_create=True, **more)


def creation() -> list[Field]:
    """CreatedDate and CreatedById."""
    return [
        moment("CreatedDate", "Created Date", required=True, locked=True, defaulted_on_create=True),
        ref("CreatedById", "Created By ID", "User", required=True, locked=True, defaulted_on_create=True),
    ]


def modstamp() -> Field:
    """SystemModstamp: when a person or the system last changed the row."""
    return moment("SystemModstamp", "System Modstamp", required=True, locked=True, defaulted_on_create=True)


def audit() -> list[Field]:
    """Who created and changed the record, and when."""
    return [
        *creation(),
        moment("LastModifiedDate", "Last Modified Date", required=True, locked=True, defaulted_on_create=True),
        ref("LastModifiedById", "Last Modified By ID", "User", required=True, locked=True, defaulted_on_create=True),
        modstamp(),
    ]


def viewed() -> list[Field]:
    """When the user last saw the record or one that points to it."""
    return [
        moment("LastViewedDate", "Last Viewed Date", locked=True),
        moment("LastReferencedDate", "Last Referenced Date", locked=True),
    ]


def last_activity() -> Field:
    """LastActivityDate: due date of the newest closed task or event."""
    return day("LastActivityDate", "Last Activity", locked=True)


def currency_code(**more: Any) -> Field:
    """CurrencyIsoCode, present in multi-currency orgs only."""
    return pick(
        "CurrencyIsoCode", "Currency ISO Code", CURRENCIES, 3,
        restricted=True, defaulted_on_create=True, default="USD", **more,
    )  # fmt: skip


def record_type() -> Field:
    """RecordTypeId."""
    return ref("RecordTypeId", "Record Type ID", "RecordType", defaulted_on_create=True)


def address(prefix: str = "", label: str | None = None) -> list[Field]:
    """The parts of an address and the compound field that joins them."""
    start, whole_name = f"{label or prefix} ".lstrip(), f"{prefix}Address"
    part = {"compound": whole_name}
    return [
        area(f"{prefix}Street", f"{start}Street", 255, **part),
        text(f"{prefix}City", f"{start}City", 40, **part),
        text(f"{prefix}State", f"{start}State/Province", 80, **part),
        text(f"{prefix}PostalCode", f"{start}Zip/Postal Code", 20, **part),
        text(f"{prefix}Country", f"{start}Country", 80, **part),
        number(f"{prefix}Latitude", f"{start}Latitude", 18, 15, **part),
        number(f"{prefix}Longitude", f"{start}Longitude", 18, 15, **part),
        pick(f"{prefix}GeocodeAccuracy", f"{start}Geocode Accuracy", GEOCODE, 40, restricted=True, **part),
        make(f"{prefix}Address", f"{start}Address", "address", locked=True, **{**_OPAQUE, "filterable": True}),
    ]


def location(name: str, label: str) -> list[Field]:
    """A custom geolocation field `X__c` with its parts `X__Latitude__s` and `X__Longitude__s`."""
    stem = name.removesuffix("__c")
    return [
        number(f"{stem}__Latitude__s", f"{label} (Latitude)", 15, 12, compound=name),
        number(f"{stem}__Longitude__s", f"{label} (Longitude)", 15, 12, compound=name),
        make(name, label, "location", locked=True, **{**_OPAQUE, "filterable": True}),
    ]


def person_name() -> list[Field]:
    """LastName, FirstName, Salutation and the Name made of them."""
    return [
        text("LastName", "Last Name", 80, required=True, compound="Name"),
        text("FirstName", "First Name", 40, compound="Name"),
        pick("Salutation", "Salutation", SALUTATIONS, 40, compound="Name"),
        text("Name", "Full Name", 121, required=True, locked=True, name_field=True),
    ]


def define(name: str, label: str, plural: str, prefix: str, fields: list[Field], **more: Any) -> ObjectType:
    """An object; `read_only=True` for those that the API never writes."""
    if more.pop("read_only", False):
        more = {"createable": False, "updateable": False, "deletable": False, "undeletable": False, **more}
        fields = [replace(each, createable=False, updateable=False) for each in fields]
    return ObjectType(name, label, plural, prefix, tuple(fields), custom=name.endswith("__c"), **more)
