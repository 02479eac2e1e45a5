"""The Salesforce fields of an object as a mapping sees them: offered, or not and why, and what a pair would lose. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from integrations.salesforce.describe import FieldInfo, ObjectInfo
from integrations.sync.mapping.body import PULL, PUSH
from integrations.sync.mapping.catalogue import SourceField
from integrations.sync.mapping.convert import listed, places_of
from integrations.sync.mapping.prefix import has_prefix
from integrations.sync.mapping.types import (
    CUTTABLE,
    DATE_TIME,
    IN_WORDS,
    NUMBER,
    PRODUCT_TYPE_OF,
    SALESFORCE_TYPES,
    STRING,
    TYPE_LABELS,
)

MATCHED_TYPES = frozenset((*SALESFORCE_TYPES[STRING], *SALESFORCE_TYPES[NUMBER]))  # PX-51: texts and whole numbers


@dataclass(frozen=True, slots=True)
class TargetField:
    """A Salesforce field. `why_not` says why it is not allowed; `lossy` what a conversion can lose (it then needs a person's
    tick); `notes` are worth reading but stop nothing."""

    name: str
    label: str
    type: str
    type_label: str
    product_type: str
    allowed: bool
    why_not: str = ""
    code: str = ""
    lossy: str = ""
    notes: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    restricted: bool = False
    length: int = 0


def target_fields(
    info: ObjectInfo, *, prefix: str, direction: str, source: SourceField | None = None, taken: Iterable[str] = ()
) -> list[TargetField]:
    """All fields of the object for one direction, by label. With `source` only fields of its type are allowed (PX-26..PX-29);
    `taken` are fields that another pair of this direction uses already (R-123)."""
    used = {name.lower() for name in taken}
    found = [judge(each, prefix=prefix, direction=direction, source=source, taken=used) for each in info.fields]
    return sorted(found, key=lambda each: (each.label.casefold(), each.name))


def offered(fields: Iterable[TargetField]) -> list[TargetField]:
    """Those that a person can choose."""
    return [each for each in fields if each.allowed]


def judge(
    field: FieldInfo, *, prefix: str, direction: str, source: SourceField | None = None, taken: Iterable[str] = ()
) -> TargetField:
    """What one field is for a direction."""
    code, why_not = why_not_mapped(field, prefix=prefix, direction=direction)
    theirs = PRODUCT_TYPE_OF.get(field.type, "")
    if not code and source is not None and theirs != source.type:
        code = "incompatible"
        why_not = f"It holds {IN_WORDS[theirs]}, {source.label} is {IN_WORDS[source.type]}."
    if not code and field.name.lower() in set(taken):
        code, why_not = "taken", "Another line of this mapping uses it already."
    allowed = not code
    return TargetField(
        field.name, field.label, field.type, TYPE_LABELS.get(field.type, field.type), theirs, allowed, why_not, code,
        lossy=lossy(field, source) if allowed and direction == PUSH else "",
        notes=tuple(notes(field, direction, source)) if allowed else (),
        values=field.active_values, restricted=field.restricted_picklist, length=field.length,
    )  # fmt: skip


def why_not_mapped(field: FieldInfo, *, prefix: str, direction: str) -> tuple[str, str]:
    """Code and words why the field cannot be mapped in this direction at all; empty when it can."""
    if field.type not in PRODUCT_TYPE_OF:
        return "unsupported_type", _unsupported(field)
    if direction == PULL:
        if has_prefix(field.name, prefix):
            return "prefixed", f"Fields that begin with {prefix} are written from here; reading them back would be an echo."
        return "", ""
    if field.calculated:
        return "formula", "Its value is computed by Salesforce (a formula or a roll-up), so it cannot be written."
    if field.auto_number:
        return "auto_number", "Salesforce numbers it by itself, so it cannot be written."
    if not has_prefix(field.name, prefix):
        return "not_prefixed", f"Only fields that begin with {prefix} are written."
    if not field.updateable:
        return "read_only", "It cannot be changed, or the connected user may only read it: check its field-level security."
    return "", ""


def why_not_matched(field: FieldInfo, *, prefix: str) -> tuple[str, str]:
    """Code and words why the field cannot be compared by a match rule; empty when it can (PX-37, PX-51)."""
    if has_prefix(field.name, prefix):
        return "prefixed", f"Fields that begin with {prefix} are written from here, so they are not offered for matching."
    if field.type not in MATCHED_TYPES:
        return "not_comparable", f"Only texts and whole numbers can be compared, not {_type_words(field)}."
    if PRODUCT_TYPE_OF[field.type] == NUMBER and field.scale:
        return "not_comparable", f"It has {field.scale} decimal places; only whole numbers can be compared."
    return "", ""


def match_fields(info: ObjectInfo, *, prefix: str) -> list[FieldInfo]:
    """What a custom-field rule may compare, by label."""
    fitting = [each for each in info.fields if not why_not_matched(each, prefix=prefix)[0]]
    return sorted(fitting, key=lambda each: (each.label.casefold(), each.name))


def lossy(field: FieldInfo, source: SourceField | None) -> str:
    """What writing `source` into the field can lose, in words; empty when nothing."""
    theirs = PRODUCT_TYPE_OF.get(field.type)
    if theirs == NUMBER and places_of(field)[0] == 0 and not (source and source.whole):
        return "Decimals are lost: numbers are rounded half up to whole ones."
    if theirs == DATE_TIME and field.type == "date":
        return "The time of day is lost: the field holds the day in UTC."
    if theirs == DATE_TIME and field.type == "time":
        return "The day is lost: the field holds the time of day in UTC."
    return ""


def notes(field: FieldInfo, direction: str, source: SourceField | None) -> list[str]:
    """What to know about a field that can be mapped."""
    if direction == PULL:
        return _notes_for_pull(field)
    found = []
    if not field.nillable and field.type != "boolean":
        found.append("Required in Salesforce: rows with a blank value fail.")
    if field.choices and field.restricted_picklist:
        found.append(f"Restricted picklist: takes only {listed(field.active_values, 8)}. Translate other values.")
    if field.unique:
        found.append("Unique in Salesforce: a value that another record has is refused.")
    if PRODUCT_TYPE_OF.get(field.type) == STRING and field.length and not field.choices:
        longest = source.length if source else 0
        if longest > field.length or (longest == 0 and field.length < 255):
            cure = "fail, or are cut if you tick that" if field.type in CUTTABLE else "fail"
            found.append(f"Too short for some: it holds {field.length:,} characters; longer values {cure}.")
    if PRODUCT_TYPE_OF.get(field.type) == NUMBER:
        scale, digits = places_of(field)
        after = f" and {scale} after it (rounded half up)" if scale else ""
        found.append(f"Holds {digits} digits before the point{after}; larger numbers fail.")
    return found


def _notes_for_pull(field: FieldInfo) -> list[str]:
    found = []
    if field.calculated:
        found.append("Formula: a change of it alone does not move the record; it is compared once a day.")
    if field.encrypted:
        found.append("Encrypted in Salesforce: its values would stand here in clear.")
    if field.html:
        found.append("Rich text: the value comes as HTML.")
    if field.type == "textarea" and field.length > 4000:
        found.append(f"Long text of up to {field.length:,} characters.")
    return found


def _type_words(field: FieldInfo) -> str:
    return TYPE_LABELS.get(field.type, field.type).lower() + " fields"


def _unsupported(field: FieldInfo) -> str:
    """Why a type is not in the table of PX-26..PX-29, in words."""
    if field.type == "reference":
        objects = ", ".join(field.reference_to[:3]) or "a record"
        return f"It is a lookup to {objects}; lookups are not mapped."
    if field.type in ("address", "location"):
        return "It is a compound field; choose one of its parts."
    if field.type == "encryptedstring":
        return "It is encrypted; Salesforce shows it masked."
    if field.type == "base64":
        return "It holds a file."
    return f"{TYPE_LABELS.get(field.type, field.type)} fields are not supported."
