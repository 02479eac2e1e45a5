"""What a person wants to have created: read from a form or the API, checked against the mapping's own rules. Pure.

All problems come at once, each with its path (`fields[2].name`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from integrations.salesforce.describe import ObjectInfo
from integrations.salesforce.metadata import CustomField
from integrations.salesforce.metadata_parts import LISTS, NUMBERS, label_problems, name_problems
from integrations.sync.fields.proposing import (
    LONGEST_TEXT,
    SUFFIX,
    TYPES_OF,
    described,
    field_for,
    free_name,
    name_for,
    prefix_problem,
    type_for,
)
from integrations.sync.mapping.body import PUSH, MappingBody
from integrations.sync.mapping.catalogue import SourceField
from integrations.sync.mapping.prefix import has_prefix
from integrations.sync.mapping.problems import Problem, ProblemsFound
from integrations.sync.mapping.targets import judge
from integrations.sync.mapping.types import IN_WORDS

MOST = 200
"""Fields in one go; the package and its answer stay small."""
KEYS = frozenset((
    "source", "name", "label", "type", "length", "precision", "scale", "help_text", "values", "restricted", "accept_lossy",
))  # fmt: skip
WHOLE = ("length", "precision", "scale")


@dataclass(frozen=True, slots=True)
class Wish:
    """One field to create for one product field. `accept_lossy`: a person's tick for a conversion that can lose something."""

    source: str
    field: CustomField
    accept_lossy: bool = False


def read_wishes(data: object, *, body: MappingBody, info: ObjectInfo, sources: Mapping[str, SourceField]) -> list[Wish]:
    """The wishes of a list of `{source, name?, label?, type?, length?, precision?, scale?, help_text?, values?, ...}`; what is
    left out is proposed. `ProblemsFound` with everything that is wrong."""
    problems: list[Problem] = []
    if not isinstance(data, Sequence) or isinstance(data, str | bytes) or not data:
        raise ProblemsFound([Problem("fields", "missing", "Name at least one field: a list of objects with a source.")])
    if len(data) > MOST:
        raise ProblemsFound([Problem("fields", "too_many", f"At most {MOST} fields can be created in one go.")])
    wrong_prefix = prefix_problem(body.prefix)
    if wrong_prefix:
        raise ProblemsFound([Problem("prefix", "prefix", wrong_prefix)])
    taken, found = {each.name.lower() for each in info.fields}, []
    for place, each in enumerate(data):
        own: list[Problem] = []
        wish = _read(each, body, info, sources, taken, own)
        problems += [problem.below(f"fields[{place}]") for problem in own]
        if wish is not None:
            found.append(wish)
            taken.add(wish.field.name.lower())
    problems += _twice(found)
    if problems:
        raise ProblemsFound(problems)
    return found


def _read(
    data: object, body: MappingBody, info: ObjectInfo, sources: Mapping[str, SourceField], taken: set[str], own: list[Problem]
) -> Wish | None:
    """One wish, or None with the problems in `own`."""
    if not isinstance(data, Mapping):
        own.append(Problem("", "not_an_object", "An object with a source is expected."))
        return None
    own += [Problem(str(key), "unknown_key", "There is no such setting of a field.") for key in data if key not in KEYS]
    source = sources.get(str(data.get("source") or ""))
    if source is None:
        own.append(Problem("source", "unknown_source", f"There is no product field {str(data.get('source') or '')[:80]}."))
        return None
    type_ = _text(data, "type", own) or type_for(source)
    if type_ not in TYPES_OF[source.type]:
        known = ", ".join(TYPES_OF[source.type])
        own.append(Problem("type", "incompatible", f"{source.label} is {IN_WORDS[source.type]}; choose one of {known}."))
        return None
    name = _text(data, "name", own) or free_name(name_for(source, body.prefix), taken)
    name = name if name.lower().endswith(SUFFIX) else f"{name}{SUFFIX}"
    field = _with_settings(field_for(source, info.name, name, body.prefix, type_=type_), data, own)
    accept = data.get("accept_lossy") is True
    own += _problems(field, source, body, accept=accept)
    return Wish(source.key, field, accept)


def _with_settings(field: CustomField, data: Mapping[str, Any], own: list[Problem]) -> CustomField:
    """The proposed field with what was said about it."""
    changes: dict[str, Any] = {}
    for key in ("label", "help_text"):
        text = _text(data, key, own)
        if text:
            changes[key] = text
    for key in WHOLE:
        number = None if data.get(key) in (None, "") else _whole(data[key])
        if number is None and data.get(key) not in (None, ""):
            own.append(Problem(key, "not_a_number", "A whole number is needed."))
        if number is not None and _has_size(field, key, number):
            changes[key] = number
    if field.type in LISTS:
        values = data.get("values") or ()
        listed = values.splitlines() if isinstance(values, str) else values
        if not isinstance(listed, Sequence) or not all(isinstance(each, str) for each in listed):
            own.append(Problem("values", "not_a_list", "A list of texts is expected."))
            listed = ()
        changes["values"] = tuple(each.strip() for each in listed if each.strip())
        changes["restricted"] = data.get("restricted") is True
    return replace(field, **changes)


def _has_size(field: CustomField, key: str, number: int) -> bool:
    """Whether a size belongs to the field's type. A length that is left over from the type Text does not: a form keeps it when
    a person changes only the type."""
    if key == "length":
        return bool(field.length) and not (field.type == "LongTextArea" and 0 < number <= LONGEST_TEXT)
    return field.type in NUMBERS


def _problems(field: CustomField, source: SourceField, body: MappingBody, *, accept: bool) -> list[Problem]:
    """What Salesforce or the mapping would refuse."""
    found = [Problem("name", "name", each) for each in name_problems(field.name)]
    found += [Problem("label", "label", each) for each in label_problems(field.label)]
    if not found and not has_prefix(field.name, body.prefix):
        text = f"Only fields that begin with {body.prefix} are written, so {field.name} would stay empty."
        found.append(Problem("name", "not_prefixed", text))
    known = {each.message for each in found}
    found += [Problem("type", "field", each) for each in field.problems() if each not in known]
    judged = judge(described(field), prefix=body.prefix, direction=PUSH, source=source)
    if judged.lossy and not accept:
        found.append(Problem("accept_lossy", "lossy", f"{judged.lossy} Tick that you accept it."))
    return found


def _twice(found: Sequence[Wish]) -> list[Problem]:
    names = [each.field.name.lower() for each in found]
    keys = [each.source for each in found]
    problems = [
        Problem(f"fields[{place}].name", "twice", f"{found[place].field.name} is asked for twice.")
        for place, name in enumerate(names) if name in names[:place]
    ]  # fmt: skip
    return problems + [
        Problem(f"fields[{place}].source", "twice", f"{key} is asked for twice.")
        for place, key in enumerate(keys) if key in keys[:place]
    ]  # fmt: skip


def _text(data: Mapping[str, Any], key: str, own: list[Problem]) -> str:
    value = data.get(key)
    if value is not None and not isinstance(value, str):
        own.append(Problem(key, "not_a_text", "A text is expected."))
        return ""
    return (value or "").strip()


def _whole(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = value.strip() if isinstance(value, str) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def write_wish(wish: Wish) -> dict[str, Any]:
    """A wish as JSON, for a run's arguments."""
    field = asdict(wish.field)
    field["values"] = list(field["values"])
    return {"source": wish.source, "accept_lossy": wish.accept_lossy, "field": field}


def stored_wish(data: Mapping[str, Any]) -> Wish:
    """A wish that `write_wish` wrote."""
    field = dict(data["field"])
    field["values"] = tuple(field.get("values") or ())
    return Wish(str(data["source"]), CustomField(**field), bool(data.get("accept_lossy")))
