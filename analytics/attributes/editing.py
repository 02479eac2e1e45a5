"""Changing one attribute of a map: what may be chosen, what a form says, and what it does to its record group."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from analytics.attributes.body import ACCOUNT, BLANK_OPERATORS, MapBody, Source, Step, Where
from analytics.attributes.catalogue import BY_KEY, MAIN_OF, Desired, group_keys
from analytics.attributes.checking import DATES, misfit, type_words
from analytics.attributes.guessing import RULES, rank
from analytics.attributes.paths import BRIDGES, choose_paths, find_paths, lookups, words_of
from integrations.salesforce.describe import FieldInfo, ObjectInfo
from integrations.sync.mirror.planning import why_left_out

FILTER_ROWS = 3
MOST_CHOICES = 60  # values of a picklist that get a line of their own
MOST_HOLDERS = 6
SEVERAL = 3  # fields that are joined
AS_IT_IS = "="  # of a value table with fixed results: no translation


@dataclass(frozen=True, slots=True)
class Option:
    """A field to choose. `value` is how forms name it: Industry, or Product2Id>Product2.Name of a record pointed to."""

    value: str
    label: str
    type: str
    misfit: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """Fields of one object, the record's own or one that it points to."""

    label: str
    options: tuple[Option, ...]


def encode(of: Sequence[Step], name: str) -> str:
    """A field as forms name it."""
    return "".join(f"{step.field}>{step.object}." for step in of) + name


def decode(text: str) -> tuple[tuple[Step, ...], str]:
    """The steps and the field of such a name; ValueError when it is none."""
    *steps, name = text.split(".")
    found = []
    for each in steps:
        field, arrow, target = each.partition(">")
        if not (field and arrow and target):
            raise ValueError(f"{text[:80]} names no field.")
        found.append(Step(field, target))
    return tuple(found), name


def field_options(objects: Mapping[str, ObjectInfo], name: str, desired: Desired | None) -> list[Options]:
    """Fields of an object and of the records that it points to. Fitting names first; what cannot hold the attribute says why.

    Without `desired`: all fields that can be compared, for conditions.
    """
    info = objects.get(name)
    if info is None:
        return []
    found = [Options(f"{info.label} ({info.name})", _of(info, (), desired))]
    for field in lookups(info):
        target = objects.get(field.reference_to[0])
        if target is None or target.name == name or len(found) > MOST_HOLDERS:
            continue
        step = Step(field.name, target.name)
        found.append(Options(f"{target.label} of the record ({field.name})", _of(target, (step,), desired)))
    return found


def _of(info: ObjectInfo, of: tuple[Step, ...], desired: Desired | None) -> tuple[Option, ...]:
    rows = []
    for field in info.fields:
        reason = misfit(desired, field) if desired is not None else why_left_out(field)
        if desired is None and reason:
            continue
        rows.append((_place(field, desired), Option(encode(of, field.name), _label(field), type_words(field), reason)))
    return tuple(option for _, option in sorted(rows, key=lambda row: (bool(row[1].misfit), row[0], row[1].label.casefold())))


def _place(field: FieldInfo, desired: Desired | None) -> int:
    rule = RULES.get(desired.key) if desired is not None else None
    place = rank(rule, (field.name, field.label)) if rule is not None else None
    return 1_000 if place is None else place


def _label(field: FieldInfo) -> str:
    return field.name if field.label == field.name else f"{field.label} ({field.name})"


def objects_to_see(names: Iterable[str], info: ObjectInfo | None) -> list[str]:
    """Objects whose fields an editor of this object shows: it, and those that it points to, as far as they lead on."""
    targets = [field.reference_to[0] for field in lookups(info)] if info is not None else []
    known = [each for each in targets if each in (ACCOUNT, *BRIDGES) or each.endswith("__c")]
    return list(dict.fromkeys([*names, *known[:MOST_HOLDERS], ACCOUNT, "Contact", "Lead"]))


def path_options(objects: Mapping[str, ObjectInfo], name: str) -> list[tuple[str, str]]:
    """Ways to the account as forms name them, with words."""
    return [(encode(path, ""), words_of(path, name)) for path in find_paths(objects, name)]


def date_fields(info: ObjectInfo | None) -> list[FieldInfo]:
    """By what the first or latest record of an account can be told."""
    return [each for each in info.fields if each.type in DATES] if info is not None else []


# --- From a form -----------------------------------------------------------------------------------------------------------


def source_from_form(
    data: Mapping[str, str], desired: Desired, objects: Mapping[str, ObjectInfo], before: Source | None
) -> Source:
    """What the form of one attribute says. ValueError with a sentence when it says nothing that can be checked further."""
    name = data.get("object", "")
    info = objects.get(name)
    if info is None:
        raise ValueError("Choose an object that the connected user can read.")
    chosen = [decode(text) for number in range(SEVERAL) if (text := data.get(f"field-{number}", ""))]
    if not chosen:
        raise ValueError("Choose a field.")
    of = chosen[0][0]
    if any(each[0] != of for each in chosen):
        raise ValueError("Fields that are joined must stand on the same record.")
    path, other = _paths_from_form(data, objects, name)
    return Source(
        object=info.name, fields=tuple(each[1] for each in chosen), where=tuple(_wheres_from_form(data)),
        values=_values_from_form(data, desired), path=path, other_path=other, of=of, pick=_pick(data, desired, info),
        order_by=data.get("order_by", "") if info.name != ACCOUNT else "",
        otherwise=_otherwise(data, info.name, path, other, before),
    )  # fmt: skip


def _paths_from_form(
    data: Mapping[str, str], objects: Mapping[str, ObjectInfo], name: str
) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    usual = choose_paths(objects, name)
    if usual is None:
        raise ValueError(f"No lookup leads from {name} to an account: choose another object.")
    text = data.get("path", "")
    if not text:
        return usual
    path, _ = decode(text)
    return usual if path == usual[0] else (path, ())


def _pick(data: Mapping[str, str], desired: Desired, info: ObjectInfo) -> str:
    if desired.records or info.name == ACCOUNT:
        return "latest"
    return data.get("pick") or ("every" if desired.every else "latest")


def _wheres_from_form(data: Mapping[str, str]) -> Iterable[Where]:
    for number in range(FILTER_ROWS):
        text, op = data.get(f"where-{number}-field", ""), data.get(f"where-{number}-op", "=")
        if not text:
            continue
        of, name = decode(text)
        typed = data.get(f"where-{number}-value", "").strip()
        values = [] if op in BLANK_OPERATORS else [typed] if op not in ("in", "not in") else typed.split(",")
        yield Where(name, op, tuple(value.strip() for value in values if value.strip()), of)


def _values_from_form(data: Mapping[str, str], desired: Desired) -> dict[str, str]:
    """The value table: a line for each picklist value, and free lines "Value = Result". Blank means "as it is", but with fixed
    results it means "none of them"."""
    found: dict[str, str] = {}
    for number in range(MOST_CHOICES):
        value = data.get(f"value-{number}-from")
        result = data.get(f"value-{number}-to", AS_IT_IS).strip()
        if value and result != AS_IT_IS and (result or desired.results):
            found[value] = result
    for line in data.get("more_values", "").splitlines():
        value, _, result = line.partition("=")
        if value.strip():
            found[value.strip()] = result.strip()
    return {value: result for value, result in found.items() if result != value}


def _otherwise(
    data: Mapping[str, str], name: str, path: tuple[Step, ...], other: tuple[Step, ...], before: Source | None
) -> Source | None:
    text = data.get("otherwise", "")
    if text == "keep":
        return before.otherwise if before is not None else None
    if not text:
        return None
    of, field = decode(text)
    return Source(name, (field,), path=path, other_path=other, of=of)


# --- What a change does to the map -----------------------------------------------------------------------------------------


def with_source(body: MapBody, key: str, source: Source | None) -> tuple[MapBody, list[str]]:
    """The map with this attribute changed, and labels of attributes that had to go.

    Attributes of one record group stand on one object and share conditions and paths: those of another object are unmapped,
    the others follow the group's main attribute.
    """
    desired = BY_KEY[key]
    changed = {**body.attributes, key: source}
    if source is None or not desired.records:
        return replace(body, attributes=changed), []
    gone = [
        each for each in group_keys(desired.records)
        if (found := changed.get(each)) is not None and found.object != source.object
    ]  # fmt: skip
    changed |= dict.fromkeys(gone)
    main = changed.get(MAIN_OF[desired.records]) or source
    for each in group_keys(desired.records):
        found = changed.get(each)
        if found is not None:
            changed[each] = _following(found, main)
    return replace(body, attributes=changed), [BY_KEY[each].label for each in gone]


def _following(source: Source, main: Source) -> Source:
    """The source with conditions and paths of its group."""
    rest = _following(source.otherwise, main) if source.otherwise is not None else None
    return replace(source, where=main.where, path=main.path, other_path=main.other_path, otherwise=rest)


def words_of_source(source: Source) -> str:
    """Where an attribute stands, for people: Opportunity > Account > Industry."""
    steps = [source.object, *(step.object for step in source.of)]
    return " › ".join([*steps, ", ".join(source.fields)])


def words_of_where(source: Source) -> list[str]:
    """Its conditions for people."""
    parts = ([*(step.object for step in each.of), each.field, each.op, ", ".join(each.values)] for each in source.where)
    return [" ".join(each).strip() for each in parts]
