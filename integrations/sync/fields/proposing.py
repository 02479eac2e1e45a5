"""Which Salesforce fields are missing for a mapping's push, and what each should be: name, type, size, help. Pure.

Names carry the push prefix (PX-36, PX-D11); types follow the type map (PX-26..PX-29): a text becomes Text, a number Number, yes
or no Checkbox, a date and time Date/Time.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from integrations.salesforce.describe import Choice, FieldInfo, ObjectInfo
from integrations.salesforce.metadata import CustomField
from integrations.salesforce.metadata_parts import LONGEST_HELP, LONGEST_LABEL, LONGEST_NAME
from integrations.sync.mapping.body import PULL, PUSH, FieldPair
from integrations.sync.mapping.catalogue import SourceField
from integrations.sync.mapping.prefix import has_prefix
from integrations.sync.mapping.targets import judge
from integrations.sync.mapping.types import BOOLEAN, DATE_TIME, NUMBER, STRING

# What a product type may become; the first is proposed.
TYPES_OF: dict[str, tuple[str, ...]] = {
    STRING: ("Text", "TextArea", "LongTextArea", "Email", "Url", "Phone", "Picklist", "MultiselectPicklist"),
    NUMBER: ("Number", "Percent", "Currency"), BOOLEAN: ("Checkbox",), DATE_TIME: ("DateTime", "Date", "Time"),
}  # fmt: skip
TYPE_LABELS = {
    "Text": "Text", "TextArea": "Text area", "LongTextArea": "Long text area", "Email": "Email", "Url": "URL", "Phone": "Phone",
    "Picklist": "Picklist", "MultiselectPicklist": "Multi-select picklist", "Number": "Number", "Percent": "Percent",
    "Currency": "Currency", "Checkbox": "Checkbox", "DateTime": "Date/time", "Date": "Date", "Time": "Time",
}  # fmt: skip
DESCRIBED_AS = {
    "Text": "string", "TextArea": "textarea", "LongTextArea": "textarea", "Email": "email", "Url": "url", "Phone": "phone",
    "Picklist": "picklist", "MultiselectPicklist": "multipicklist", "Number": "double", "Percent": "percent",
    "Currency": "currency", "Checkbox": "boolean", "DateTime": "datetime", "Date": "date", "Time": "time",
}  # fmt: skip
LONGEST_TEXT, LONG_TEXT, LONGEST_LONG_TEXT = 255, 32_768, 131_072
DIGITS, PLACES = 18, 2
SUFFIX = "__c"
NO_WORD = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A product field that no line of the mapping writes yet. `existing` names a field of the org that could take it as it is;
    `clash` says why its obvious name was not free; `pulled` that its values come from Salesforce."""

    source: SourceField
    field: CustomField
    existing: str = ""
    clash: str = ""
    pulled: bool = False


def propose(
    sources: Iterable[SourceField], info: ObjectInfo, *, prefix: str, pairs: Iterable[FieldPair] = ()
) -> list[Proposal]:
    """A proposal for each product field that is not written yet, in the order of the catalogue. No two share a name."""
    pairs = tuple(pairs)
    written = {each.source for each in pairs if each.direction == PUSH}
    pulled = {each.source for each in pairs if each.direction == PULL}
    targets = {each.target.lower() for each in pairs if each.direction == PUSH}
    taken = {each.name.lower() for each in info.fields}
    found = []
    for source in sources:
        if source.key in written:
            continue
        plain = name_for(source, prefix)
        there = info.field(plain)
        existing = there.name if there and _fits(there, source, prefix) and there.name.lower() not in targets else ""
        clash = ""
        if there is not None and not existing:
            clash = f"{there.name} is there already, as {there.type}; it cannot take {source.label}."
            if there.name.lower() in targets:
                clash = f"{there.name} is written by another line of this mapping."
        name = plain if existing else free_name(plain, taken)
        taken.add(name.lower())
        found.append(Proposal(source, field_for(source, info.name, name, prefix), existing, clash, source.key in pulled))
    return found


def _fits(field: FieldInfo, source: SourceField, prefix: str) -> bool:
    """Whether the mapping could write the source into a field that exists, without loss."""
    found = judge(field, prefix=prefix, direction=PUSH, source=source)
    return found.allowed and not found.lossy


def field_for(source: SourceField, object_name: str, name: str, prefix: str, *, type_: str = "") -> CustomField:
    """The custom field for a product field, with the size that its values need."""
    wanted = type_ or type_for(source)
    digits = DIGITS if wanted in TYPES_OF[NUMBER] else 0
    return CustomField(
        object_name, name, label_for(source, prefix), wanted,
        length=length_for(source, wanted), precision=digits, scale=scale_for(source, wanted),
        help_text=help_for(source), description=f"Product experience writes {source.key} here.",
    )  # fmt: skip


def type_for(source: SourceField) -> str:
    """Metadata's word for the type; texts that may be longer than 255 characters become long text areas."""
    if source.type == STRING and source.length > LONGEST_TEXT:
        return "LongTextArea"
    if source.type == NUMBER and source.key.endswith("_pct"):
        return "Percent"
    return TYPES_OF[source.type][0]


def length_for(source: SourceField, type_: str) -> int:
    """Characters of a text, 0 for other types."""
    if type_ == "LongTextArea":
        return min(max(source.length, LONG_TEXT), LONGEST_LONG_TEXT)
    return min(source.length or LONGEST_TEXT, LONGEST_TEXT) if type_ == "Text" else 0


def scale_for(source: SourceField, type_: str) -> int:
    """Digits after the point."""
    return PLACES if type_ in TYPES_OF[NUMBER] and not source.whole else 0


def name_for(source: SourceField, prefix: str) -> str:
    """The API name that the key asks for: `PX_Active_Users_30d__c` for `active_users_30d`."""
    key = source.attribute or source.key.removeprefix("attributes.")
    words = [word for word in NO_WORD.split(_ascii(key)) if word] or [w for w in NO_WORD.split(_ascii(source.label)) if w]
    stem = "_".join(word[:1].upper() + word[1:] for word in words or ["Field"])
    return _cut(f"{prefix}{stem}") + SUFFIX


def free_name(name: str, taken: Collection[str]) -> str:
    """The name, or with the first number behind it that nobody has (`taken` in lower case)."""
    stem, number = name.removesuffix(SUFFIX), 2
    while name.lower() in taken:
        ending = f"_{number}"
        name, number = _cut(stem, LONGEST_NAME - len(ending)) + ending + SUFFIX, number + 1
    return name


def _cut(stem: str, most: int = LONGEST_NAME) -> str:
    return stem[:most].rstrip("_")


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def label_for(source: SourceField, prefix: str) -> str:
    """The label: the prefix's words, so that reports show the fields side by side, and the product field's label."""
    words = prefix.replace("_", " ").strip()
    label = source.label if source.label.casefold().startswith(f"{words} ".casefold()) else f"{words} {source.label}"
    if len(label) <= LONGEST_LABEL:
        return label.strip()
    return f"{label[: LONGEST_LABEL - 1].rsplit(' ', 1)[0].rstrip()}…"


def help_for(source: SourceField) -> str:
    """What people read beside the field in Salesforce."""
    text = f"{source.description or source.label}. Written by the product; changes here are overwritten.".replace("..", ".")
    return text if len(text) <= LONGEST_HELP else f"{text[: LONGEST_HELP - 1]}…"


def described(field: CustomField) -> FieldInfo:
    """The new field as describe will tell it, so that the mapping's own rules can judge it before it exists."""
    choices = tuple(Choice(value, value, active=True, default=False) for value in field.values)
    lengths = {"TextArea": 255, "Email": 80, "Url": 255, "Phone": 40}
    return FieldInfo(
        field.name, field.label, DESCRIBED_AS.get(field.type, field.type.lower()),
        length=field.length or lengths.get(field.type, 0), precision=field.precision, scale=field.scale,
        nillable=field.type != "Checkbox", createable=True, updateable=True, custom=True, choices=choices,
        restricted_picklist=field.restricted, help_text=field.help_text,
    )  # fmt: skip


def prefix_problem(prefix: str) -> str:
    """Why no custom field can be named with this prefix; empty when one can. Salesforce takes a double underscore for the
    namespace of a package."""
    if "__" in prefix or not re.match(r"[A-Za-z][A-Za-z0-9_]*\Z", prefix, re.ASCII):
        return f"No field can be created with the prefix {prefix}: Salesforce takes two underscores for a package's namespace."
    if not has_prefix(f"{prefix}X{SUFFIX}", prefix):
        return f"No field can be created with the prefix {prefix}."
    return ""
