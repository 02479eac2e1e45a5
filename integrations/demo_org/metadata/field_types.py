"""The types of custom fields: what metadata calls them, how they are stored, what may be said about them."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from integrations.demo_org.metadata.calculated import build_formula, build_summary
from integrations.demo_org.metadata.values import Refused, Values, as_list, flag_of, number_of, text_of
from integrations.demo_org.schema.catalogue import fields as make
from integrations.demo_org.schema.types import Field, ObjectType, PicklistValue

if TYPE_CHECKING:
    from integrations.demo_org.schema.changes import Draft

BROKEN = "FIELD_INTEGRITY_EXCEPTION"
LONGEST_TEXT, LONGEST_AREA, MOST_DIGITS, MOST_VALUES = 255, 131_072, 18, 1_000
MOST_PLACES = 15  # of a coordinate
PATTERN = re.compile(r"[A-Za-z]\w*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a field is to be: its name, label, the object and everything else of the org's draft."""

    name: str
    label: str
    kind: ObjectType
    draft: "Draft"


Maker = Callable[[Place, Values], Field]


def build_field(place: Place, values: Values) -> Field:
    """The field that a CustomField component describes. Refused when something about it cannot be."""
    wanted = text_of(values, "type")
    if text_of(values, "formula") or wanted == "Summary":
        made = build_summary(place, values) if wanted == "Summary" else build_formula(place, values)
        return replace(made, help=text_of(values, "inlineHelpText") or None)
    maker = MAKERS.get(wanted)
    if maker is None:
        raise Refused("INVALID_TYPE", f"Must specify a valid type for CustomField {place.kind.name}.{place.name}: {wanted!r}")
    made = maker(place, values)
    required = flag_of(values, "required") and made.type not in {"boolean", "textarea", "location"} and not made.auto_number
    external = flag_of(values, "externalId")
    if external and made.type not in {"string", "email", "double"}:
        raise Refused(BROKEN, f"Field type {wanted} cannot be an external ID")
    unique = flag_of(values, "unique")
    if unique and made.type not in {"string", "email", "double"}:
        raise Refused(BROKEN, f"Field type {wanted} cannot be unique")
    return replace(
        made, nillable=made.nillable and not required, external_id=external, id_lookup=external or made.id_lookup,
        unique=unique, case_sensitive=flag_of(values, "caseSensitive"), help=text_of(values, "inlineHelpText") or None,
        custom=True,
    )  # fmt: skip


def _text(place: Place, values: Values) -> Field:
    if not text_of(values, "length"):
        raise Refused(BROKEN, "Must specify 'length' for a CustomField of type Text")
    length = number_of(values, "length", 255, low=1, high=LONGEST_TEXT, label="Length of a text field")
    return make.text(place.name, place.label, length, default=_literal(values))


def _long(place: Place, values: Values) -> Field:
    length = number_of(values, "length", 32_768, low=256, high=LONGEST_AREA, label="Length of a long text area")
    html = text_of(values, "type") == "Html"
    return (make.rich if html else make.area)(place.name, place.label, length)


def _area(place: Place, values: Values) -> Field:
    return make.area(place.name, place.label, 255, default=_literal(values))


def _number(place: Place, values: Values) -> Field:
    kind = text_of(values, "type")
    if not text_of(values, "precision") or not text_of(values, "scale"):
        raise Refused(BROKEN, f"Must specify 'precision' and 'scale' for a CustomField of type {kind}")
    precision = number_of(values, "precision", 18, low=1, high=MOST_DIGITS, label="Precision")
    scale = number_of(values, "scale", 0, low=0, high=precision - 1, label="Scale")
    maker = {"Number": make.number, "Currency": make.money, "Percent": make.percent}[kind]
    default = text_of(values, "defaultValue")
    try:
        return maker(place.name, place.label, precision, scale, default=float(default) if default else None)
    except ValueError as problem:
        raise Refused(BROKEN, f"The default value is no number; formulas are not imitated: {default[:40]}") from problem


def _checkbox(place: Place, values: Values) -> Field:
    if text_of(values, "defaultValue").lower() not in {"true", "false"}:
        raise Refused(BROKEN, "Must specify 'defaultValue' (true or false) for a CustomField of type Checkbox")
    return make.flag(place.name, place.label, default=flag_of(values, "defaultValue"))


def _plain(maker: Callable[..., Field]) -> Maker:
    return lambda place, values: maker(place.name, place.label)


def _lookup(place: Place, values: Values) -> Field:
    target = place.draft.find(text_of(values, "referenceTo"))
    if target is None:
        name = text_of(values, "referenceTo")
        raise Refused("INVALID_FIELD", f"referenceTo value of '{name}' does not resolve to a valid sObject type")
    relation = text_of(values, "relationshipName")
    if relation and not PATTERN.fullmatch(relation):
        raise Refused(BROKEN, f"The relationship name {relation[:40]} is not a valid name")
    children = f"{relation}__r" if relation else None
    master = text_of(values, "type") == "MasterDetail"
    return make.ref(place.name, place.label, target.name, children=children, cascade=master, required=master)


def _geolocation(place: Place, values: Values) -> Field:
    """The compound field; its two numbers are made by `location_parts`."""
    if not text_of(values, "scale"):
        raise Refused(BROKEN, "Must specify 'scale' for a CustomField of type Location")
    number_of(values, "scale", 0, low=0, high=MOST_PLACES, label="Scale")
    return make.location(place.name, place.label)[-1]


def location_parts(made: Field, scale: int) -> list[Field]:
    """Latitude and longitude of a geolocation field; none for other fields."""
    if made.type != "location":
        return []
    return [replace(each, scale=scale) for each in make.location(made.name, made.label)[:-1]]


def _auto_number(place: Place, values: Values) -> Field:
    form = text_of(values, "displayFormat", "{0}")
    if not re.fullmatch(r"[^{}]*\{0+\}[^{}]*", form):
        raise Refused(BROKEN, f"The display format must contain one number such as {{0000}}: {form[:40]}")
    return make.counter(place.name, place.label, form)


def _picklist(place: Place, values: Values) -> Field:
    value_set = values.get("valueSet") if isinstance(values.get("valueSet"), dict) else {}
    entries, restricted, controller = _entries(values, value_set or {})
    several = text_of(values, "type") == "MultiselectPicklist"
    chosen = next((each.value for each in entries if each.default), None)
    if controller and place.kind.find(controller) is None:
        raise Refused("INVALID_FIELD", f"No such controlling field {controller} on {place.kind.name}")
    extra: dict[str, Any] = {"defaulted_on_create": True, "default": chosen} if chosen else {}
    made = make.multi(place.name, place.label, "") if several else make.pick(place.name, place.label, "", **extra)
    return replace(made, picklist=tuple(entries), restricted_picklist=restricted, controller=controller or None)


def _entries(values: Values, value_set: Values) -> tuple[list[PicklistValue], bool, str]:
    """The entries of a picklist, whether it is restricted, and its controlling field; the forms of v38+ and before."""
    if text_of(value_set, "valueSetName"):
        raise Refused("INVALID_FIELD", "Global value sets are not imitated")
    old = values.get("picklist") if isinstance(values.get("picklist"), dict) else {}
    definition = value_set.get("valueSetDefinition") or {}
    listed = as_list(definition.get("value")) or as_list((old or {}).get("picklistValues"))
    if not listed:
        raise Refused(BROKEN, "Must specify the values of a CustomField of type Picklist")
    if len(listed) > MOST_VALUES:
        raise Refused("LIMIT_EXCEEDED", f"A picklist cannot have more than {MOST_VALUES} values")
    allowed = {text_of(each, "valueName"): tuple(as_list(each.get("controllingFieldValue")))
               for each in as_list(value_set.get("valueSettings"))}  # fmt: skip
    entries = []
    for each in listed:
        if not isinstance(each, dict) or not text_of(each, "fullName"):
            raise Refused(BROKEN, "Each picklist value needs a fullName")
        name = text_of(each, "fullName")
        entries.append(PicklistValue(
            name, text_of(each, "label", name), active=flag_of(each, "isActive", default=True),
            default=flag_of(each, "default"), valid_for=allowed.get(name, ()),
        ))  # fmt: skip
    controller = text_of(value_set, "controllingField") or text_of(old or {}, "controllingField")
    return entries, flag_of(value_set, "restricted"), controller


def _literal(values: Values) -> str | None:
    """The default of a text: a formula in Salesforce; only a quoted text is understood here."""
    text = text_of(values, "defaultValue")
    if not text:
        return None
    match = re.fullmatch(r"\"([^\"]*)\"|'([^']*)'", text)
    if not match:
        raise Refused(BROKEN, f"Only a quoted text is understood as default value: {text[:40]}")
    return match.group(1) or match.group(2) or None


MAKERS: dict[str, Maker] = {
    "Text": _text, "TextArea": _area, "LongTextArea": _long, "Html": _long, "Number": _number, "Currency": _number,
    "Percent": _number, "Checkbox": _checkbox, "Date": _plain(make.day), "DateTime": _plain(make.moment),
    "Time": _plain(make.clock), "Email": _plain(make.mail), "Phone": _plain(make.phone), "Url": _plain(make.link),
    "EncryptedText": _plain(make.secret), "Lookup": _lookup, "MasterDetail": _lookup, "AutoNumber": _auto_number,
    "Picklist": _picklist, "MultiselectPicklist": _picklist, "Location": _geolocation,
}  # fmt: skip


def type_word(made: Field) -> str:
    """What metadata calls the type of a field."""
    if made.auto_number:
        return "AutoNumber"
    if made.type == "reference":
        return "MasterDetail" if made.cascade_delete and not made.nillable else "Lookup"
    if made.type == "textarea":
        return "Html" if made.html else "LongTextArea" if made.length > LONGEST_TEXT else "TextArea"
    return {
        "string": "Text", "double": "Number", "currency": "Currency", "percent": "Percent", "boolean": "Checkbox",
        "date": "Date", "datetime": "DateTime", "time": "Time", "email": "Email", "phone": "Phone", "url": "Url",
        "encryptedstring": "EncryptedText", "picklist": "Picklist", "multipicklist": "MultiselectPicklist",
        "location": "Location", "int": "Number", "combobox": "Text", "address": "Address",
    }.get(made.type, "Text")  # fmt: skip
