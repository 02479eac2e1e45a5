"""Whether a map fits an org: objects and fields exist and can be read, types fit, every path leads to an account. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation

from analytics.attributes.body import ACCOUNT, BLANK_OPERATORS, MapBody, Source, Step, Where
from analytics.attributes.catalogue import BY_KEY, RECORD_LABELS, Desired
from integrations.salesforce.describe import FieldInfo, ObjectInfo
from integrations.sync.mapping.problems import Problem
from integrations.sync.mirror.planning import why_left_out

DATES = frozenset(("date", "datetime"))
NUMBERS = frozenset(("double", "currency", "percent", "int", "long"))
PICKLISTS = frozenset(("picklist", "multipicklist", "combobox"))
WANTED = {"day": "A date is needed", "number": "A number is needed", "key": "A text that identifies the account is needed",
          "personal": "An e-mail address or phone number is needed", "text": "A text is needed"}  # fmt: skip
TYPE_WORDS = {
    "string": "text", "textarea": "long text", "double": "a number", "currency": "an amount", "percent": "a percentage",
    "int": "a number", "picklist": "a picklist", "multipicklist": "a multi-select picklist", "boolean": "a checkbox",
    "date": "a date", "datetime": "a date with time", "reference": "a lookup", "url": "a web address",
    "email": "an e-mail address",
    "phone": "a phone number", "id": "a record id", "encryptedstring": "encrypted text", "time": "a time of day",
}  # fmt: skip


def problems_of(body: MapBody, objects: Mapping[str, ObjectInfo]) -> list[Problem]:
    """Everything in the map that does not fit these objects, each with its path in the JSON form and what to do."""
    found: list[Problem] = []
    for key, source in body.attributes.items():
        if source is not None:
            found += _of_attribute(BY_KEY[key], source, objects)
    return found + _of_groups(body)


def type_words(field: FieldInfo) -> str:
    """What kind of value a field holds, for people."""
    return TYPE_WORDS.get(field.type, field.type)


def misfit(desired: Desired, field: FieldInfo) -> str:
    """Why a field cannot hold this attribute, "" when it can: "A date is needed here: Customer_Since__c is text."."""
    if reason := why_left_out(field):
        return reason
    if desired.kind == "day":
        fits = field.type in DATES
    elif desired.kind == "number":
        fits = field.type in NUMBERS or (field.type in PICKLISTS and _are_numbers(field.active_values))
    elif desired.kind == "key":
        fits = field.type in ("string", "id", "double", "int", "long", "url", "email", "textarea", "reference", "picklist")
    elif desired.kind == "personal":
        fits = field.type in ("email", "phone", "string")
    else:
        fits = field.type not in ("location", "address", "base64", "time")
    return "" if fits else f"{WANTED[desired.kind]} here: {field.name} is {type_words(field)}."


def _are_numbers(values: Sequence[str]) -> bool:
    return bool(values) and all(_is_number(each) for each in values)


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def _of_attribute(desired: Desired, source: Source, objects: Mapping[str, ObjectInfo]) -> list[Problem]:
    path, found = f"attributes.{desired.key}", list[Problem]()
    for number, each in enumerate(source.chain()):
        at = path + ".otherwise" * number
        found += _of_source(desired, each, objects, at, is_first=number == 0)
        if desired.records and each.object != source.object:
            text = f"{desired.label} must stay on {source.object}, on which the other attributes of its records stand."
            found.append(Problem(f"{at}.object", "other_object", text))
    return found


def _of_source(
    desired: Desired, source: Source, objects: Mapping[str, ObjectInfo], at: str, *, is_first: bool
) -> Iterable[Problem]:
    info = objects.get(source.object)
    if info is None or not info.queryable:
        text = f"The connected user sees no object {source.object} that can be read. Choose another, or give the user access."
        yield Problem(f"{at}.object", "unknown_object", text)
        return
    holder, problem = _follow(source.object, source.of, objects)
    if problem:
        yield Problem(f"{at}.of", "bad_path", problem)
    elif holder is not None:
        yield from _of_fields(desired, source, holder, at)
    if is_first or not desired.records:
        yield from _of_paths(source, objects, at)
    for number, where in enumerate(source.where):
        yield from _of_where(where, source.object, objects, f"{at}.where[{number}]")
    if source.order_by and info.field(source.order_by) is None:
        yield Problem(f"{at}.order_by", "unknown_field", f"{info.name} has no field {source.order_by} that the user can see.")
    for value, result in source.values.items():
        if desired.results and result and result not in desired.results:
            text = f"{value} must lead to {', '.join(desired.results[:-1])} or {desired.results[-1]}."
            yield Problem(f"{at}.values", "unknown_result", text)


def _of_fields(desired: Desired, source: Source, holder: ObjectInfo, at: str) -> Iterable[Problem]:
    if len(source.fields) > 1 and not desired.several:
        yield Problem(f"{at}.fields", "several", f"{desired.label} is one field.")
    for number, name in enumerate(source.fields):
        field = holder.field(name)
        if field is None:
            text = f"{holder.name} has no field {name}, or the connected user may not see it."
            yield Problem(f"{at}.fields[{number}]", "unknown_field", text)
        elif reason := misfit(desired, field):
            yield Problem(f"{at}.fields[{number}]", "wrong_type", reason)


def _of_paths(source: Source, objects: Mapping[str, ObjectInfo], at: str) -> Iterable[Problem]:
    if source.object == ACCOUNT and not source.path:
        return
    for name, steps in (("path", source.path), ("other_path", source.other_path)):
        if name == "other_path" and not steps:
            continue
        end, problem = _follow(source.object, steps, objects)
        if problem or end is None:
            yield Problem(f"{at}.{name}", "bad_path", problem)
        elif end.name != ACCOUNT:
            text = f"{source.object} must lead to an account: choose the lookup that leads from it to Account."
            yield Problem(f"{at}.{name}", "no_account", text)


def _follow(start: str, steps: Sequence[Step], objects: Mapping[str, ObjectInfo]) -> tuple[ObjectInfo | None, str]:
    """Where the steps end, or why they cannot be gone."""
    at = objects.get(start)
    for step in steps:
        if at is None:
            break
        field = at.field(step.field)
        if field is None or step.object not in field.reference_to:
            return None, f"{at.name}.{step.field} does not lead to {step.object}, or the connected user may not see it."
        if reason := why_left_out(field):
            return None, reason
        at = objects.get(step.object)
    return at, "" if at is not None else f"The connected user sees no object {steps[-1].object if steps else start}."


def _of_where(where: Where, start: str, objects: Mapping[str, ObjectInfo], at: str) -> Iterable[Problem]:
    holder, problem = _follow(start, where.of, objects)
    if problem or holder is None:
        yield Problem(f"{at}.of", "bad_path", problem)
        return
    field = holder.field(where.field)
    if field is None or why_left_out(field):
        yield Problem(f"{at}.field", "unknown_field", f"{holder.name} has no field {where.field} that can be compared.")
        return
    if where.op in BLANK_OPERATORS:
        if where.values:
            yield Problem(f"{at}.values", "no_value", f"{where.op} takes no value.")
        return
    if not where.values or (len(where.values) > 1 and where.op not in ("in", "not in")):
        yield Problem(f"{at}.values", "one_value", "Give one value; several only with in and not in.")
    for value in where.values:
        if text := _unlike(value, field):
            yield Problem(f"{at}.values", "bad_value", text)


def _unlike(value: str, field: FieldInfo) -> str:
    """Why a text is no value of a field, "" when it is one."""
    if field.type == "boolean" and value not in ("true", "false"):
        return f"{field.name} is a checkbox: compare it with true or false."
    if field.type in NUMBERS and not _is_number(value):
        return f"{field.name} is a number: {value[:40]} is none."
    if field.type in DATES and not _is_day(value):
        return f"{field.name} is a date: write it as 2026-01-31."
    if field.restricted_picklist and field.choices and value not in {each.value for each in field.choices}:
        return f"{value[:40]} is no value of {field.name}."
    return ""


def _is_day(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text[:10]))
    except ValueError:
        return False


def _of_groups(body: MapBody) -> list[Problem]:
    """All attributes of one record group stand on one object."""
    found: list[Problem] = []
    for records, label in RECORD_LABELS.items():
        group = body.group(records)
        for key, source in group.sources.items() if group is not None else ():
            assert group is not None
            if source.object != group.object:
                text = f"{label} are records of {group.object}: choose a field of it, not of {source.object}."
                found.append(Problem(f"attributes.{key}.object", "other_object", text))
    return found
