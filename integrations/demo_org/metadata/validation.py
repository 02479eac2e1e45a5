"""ValidationRule components: `Object.Rule` with a formula, which saves then really evaluate (see `rules`)."""

from typing import TYPE_CHECKING

from integrations.demo_org.metadata.fields import owner_of
from integrations.demo_org.metadata.values import Refused, Values, flag_of, text_of
from integrations.demo_org.rules import DEPLOYED, make_rule
from integrations.demo_org.schema.types import ObjectType

if TYPE_CHECKING:
    from integrations.demo_org.schema.changes import Draft, Row

LONGEST_MESSAGE = 255


def find_rule(draft: "Draft", full_name: str) -> tuple[str, Values] | None:
    """The full name in its own spelling and the content of a deployed rule, or None."""
    wanted = f"{DEPLOYED}{full_name}".lower()
    found = next((name for name in draft.notes if name.lower() == wanted), None)
    return (found.removeprefix(DEPLOYED), draft.notes[found]) if found else None


def rule_names(draft: "Draft", kind: ObjectType | None = None) -> list[str]:
    """The full names of the deployed rules, of one object or all."""
    names = sorted(name.removeprefix(DEPLOYED) for name in draft.notes if name.startswith(DEPLOYED))
    return [each for each in names if kind is None or each.partition(".")[0].lower() == kind.name.lower()]


def rule_rows(draft: "Draft", values: Values, *, create: bool, update: bool) -> "list[Row]":
    """The changes that save a rule. Refused when its formula is wrong or beyond what is understood here."""
    kind, name = owner_of(draft, text_of(values, "fullName"))
    found = find_rule(draft, f"{kind.name}.{name}")
    if found is None and not create:
        raise Refused("INVALID_CROSS_REFERENCE_KEY", f"In field: fullName - no ValidationRule named {kind.name}.{name} found")
    if found is not None and not update:
        raise Refused("DUPLICATE_DEVELOPER_NAME", f"The name {name} is already used by another validation rule")
    if not name.replace("_", "").isalnum() or not name[0].isalpha():
        raise Refused(
            "INVALID_FIELD", f"The Validation Rule name can only contain letters, numbers and underscores: {name[:40]}"
        )
    for each in ("active", "errorConditionFormula", "errorMessage"):
        if not text_of(values, each):
            raise Refused("REQUIRED_FIELD_MISSING", f"Required field is missing: {each}")
    message, shown = text_of(values, "errorMessage"), text_of(values, "errorDisplayField")
    if len(message) > LONGEST_MESSAGE:
        raise Refused("STRING_TOO_LONG", f"Error Message: data value too large (max length={LONGEST_MESSAGE})")
    try:
        make_rule(kind, draft.schema(), {"formula": text_of(values, "errorConditionFormula"), "message": message,
                                         "error_field": shown or None})  # fmt: skip
    except ValueError as problem:
        raise Refused("FIELD_INTEGRITY_EXCEPTION", str(problem)) from problem
    body = {key: value for key, value in values.items() if key != "fullName" and value not in (None, "")}
    body["active"] = str(flag_of(values, "active")).lower()
    return [{"kind": "notes", "name": f"{DEPLOYED}{found[0] if found else f'{kind.name}.{name}'}", "body": body}]


def drop_rule_rows(draft: "Draft", full_name: str) -> "list[Row]":
    """The changes that delete a rule."""
    found = find_rule(draft, full_name)
    if found is None:
        raise Refused("INVALID_CROSS_REFERENCE_KEY", f"No ValidationRule named: {full_name} found")
    return [{"kind": "notes", "name": f"{DEPLOYED}{found[0]}", "body": None}]


def describe_rule(draft: "Draft", full_name: str, *, qualified: bool) -> Values | None:
    """A rule as readMetadata tells it, or None."""
    found = find_rule(draft, full_name)
    if found is None:
        return None
    name, body = found
    return {"fullName": name if qualified else name.partition(".")[2], **{key: body[key] for key in sorted(body)}}
