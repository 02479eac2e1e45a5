"""Whether a body can be used: every problem at once, each with its path (PX-26..29, PX-37, PX-51, PX-60, PX-D11, R-123).

Pure: it is given what exists. The same rules decide what a form offers, what a save refuses and which pairs a run can still
use after the shape of the object changed in Salesforce (R-053, R-055).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from integrations.salesforce.describe import FieldInfo, ObjectInfo
from integrations.sync.mapping.body import ATTRIBUTE, OBJECT_OF, PULL, PUSH, FieldPair, MappingBody, MatchRule
from integrations.sync.mapping.catalogue import SourceField
from integrations.sync.mapping.prefix import refuse_prefix
from integrations.sync.mapping.problems import Problem
from integrations.sync.mapping.targets import lossy, why_not_mapped, why_not_matched
from integrations.sync.mapping.types import CUTTABLE, IN_WORDS, NUMBER, PRODUCT_TYPE_OF, STRING

NEW_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}\Z", re.ASCII)
CUSTOM_OBJECT = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,76}__c\Z", re.ASCII)
UNSEEN = "or the connected user cannot see it"


@dataclass(frozen=True)
class Known:
    """What exists: product fields by key, the described object, who else fills attributes (key: name of the connection), and
    the keys of computed fields that only customers have (PX-60)."""

    sources: Mapping[str, SourceField]
    info: ObjectInfo | None
    filled_elsewhere: Mapping[str, str]
    customers_only: frozenset[str] = frozenset()


def know(
    sources: Iterable[SourceField],
    info: ObjectInfo | None,
    *,
    filled_elsewhere: Mapping[str, str] | None = None,
    customers_only: Iterable[str] = (),
) -> Known:
    """The facts that checks need."""
    return Known({each.key: each for each in sources}, info, filled_elsewhere or {}, frozenset(customers_only))


def problems_of(body: MappingBody, known: Known) -> list[Problem]:
    """Everything that is wrong with the body, in the order of the form; empty when it can be saved."""
    found = [*_of_object(body, known.info)]
    wrong_prefix = refuse_prefix(body.prefix)
    if wrong_prefix:
        found.append(Problem("prefix", "prefix", wrong_prefix))
    if known.info is not None:
        for place, rule in enumerate(body.rules):
            if rule.on:
                found += [each.below(f"rules[{place}]") for each in problems_of_rule(rule, body, known)]
    found += [
        each.below(f"pairs[{place}]") for place, pair in enumerate(body.pairs) for each in problems_of_pair(pair, body, known)
    ]
    found += _twice(body)
    return found


def _of_object(body: MappingBody, info: ObjectInfo | None) -> Iterable[Problem]:
    standard = OBJECT_OF[body.entity]
    if body.object.lower() != standard.lower() and not CUSTOM_OBJECT.match(body.object):
        yield Problem("object", "object", f"Choose {standard} or a custom object (its name ends with __c).")
    elif info is None:
        yield Problem("object", "unknown_object", f"Salesforce has no object {body.object}, {UNSEEN}.")
    elif not info.queryable:
        yield Problem("object", "object", f"{info.label} cannot be queried.")
    elif body.pairs_of(PUSH) and not info.updateable:
        yield Problem("object", "read_only", f"The connected user may not change {info.label} records.")


# --- Match rules ----------------------------------------------------------------------------------------------------


def problems_of_rule(rule: MatchRule, body: MappingBody, known: Known) -> list[Problem]:
    """What is wrong with one rule that is on; paths are below the rule."""
    assert known.info is not None
    found: list[Problem] = []
    field = _compared(rule, body, known.info, found)
    source = known.sources.get(rule.source_field)
    if rule.source_field and source is None:
        found.append(Problem("source_field", "unknown_source", f"There is no product field {rule.source_field}."))
    if rule.name == "custom_field":
        found += _of_custom_field(rule, source, field)
    elif source is not None and source.type != STRING:
        found.append(Problem("source_field", "incompatible", f"{source.label} is {IN_WORDS[source.type]}; choose a text."))
    elif field is not None and rule.name != "sfdc_id" and PRODUCT_TYPE_OF.get(field.type) != STRING:
        found.append(Problem("salesforce_field", "incompatible", f"{field.label} is no text."))
    return found


def _compared(rule: MatchRule, body: MappingBody, info: ObjectInfo, found: list[Problem]) -> FieldInfo | None:
    name = rule.compared_field
    if not name:
        found.append(Problem("salesforce_field", "missing", "Choose a Salesforce field."))
        return None
    field = info.field(name)
    if field is None:
        cure = "" if rule.salesforce_field else " Choose the field that holds it."
        found.append(Problem("salesforce_field", "unknown_field", f"{info.label} has no field {name}, {UNSEEN}.{cure}"))
        return None
    code, why_not = why_not_matched(field, prefix=body.prefix)
    if code:
        found.append(Problem("salesforce_field", code, f"{field.label}: {why_not}"))
    return field


def _of_custom_field(rule: MatchRule, source: SourceField | None, field: FieldInfo | None) -> Iterable[Problem]:
    """PX-51, PX-57: both fields of the same type, texts or whole numbers."""
    if not rule.source_field:
        yield Problem("source_field", "missing", "Choose a product field.")
    elif source is not None and source.type not in (STRING, NUMBER):
        text = f"{source.label} is {IN_WORDS[source.type]}; choose a text or a whole number."
        yield Problem("source_field", "not_comparable", text)
    elif source is not None and field is not None:
        theirs = PRODUCT_TYPE_OF.get(field.type, "")
        if theirs != source.type and theirs:
            text = f"{field.label} is {IN_WORDS[theirs]}, {source.label} is {IN_WORDS[source.type]}."
            yield Problem("salesforce_field", "incompatible", text)


# --- Field pairs ----------------------------------------------------------------------------------------------------


def problems_of_pair(pair: FieldPair, body: MappingBody, known: Known) -> list[Problem]:
    """What is wrong with one pair for itself; paths are below the pair."""
    found: list[Problem] = []
    source = known.sources.get(pair.source)
    found += _of_source(pair, source, known)
    field = known.info.field(pair.target) if known.info else None
    if known.info is not None and field is None:
        found.append(Problem("target", "unknown_field", f"{known.info.label} has no field {pair.target}, {UNSEEN}."))
    if field is not None:
        found += _of_target(pair, source, field, body)
        found += _of_values(pair, field)
    return found


def _of_source(pair: FieldPair, source: SourceField | None, known: Known) -> Iterable[Problem]:
    if source is None:
        yield from _of_unknown_source(pair, known)
    elif pair.direction == PULL and (source.read_only or not source.attribute):
        yield Problem("source", "read_only", f"{source.label} comes from the product; pull into an attribute instead.")
    elsewhere = known.filled_elsewhere.get(pair.attribute) if pair.direction == PULL and pair.attribute else None
    if elsewhere:
        text = f"The connection {elsewhere} fills this attribute already; two sources would overwrite each other."
        yield Problem("source", "taken", text)


def _of_unknown_source(pair: FieldPair, known: Known) -> Iterable[Problem]:
    """A pull may name an attribute that is made when the mapping is saved; nothing else may name what does not exist."""
    if pair.direction == PULL and pair.source.startswith(ATTRIBUTE):
        if not NEW_ATTRIBUTE.match(pair.attribute):
            text = "The key of a new attribute has at most 80 letters, digits and underscores and begins with a letter."
            yield Problem("source", "attribute_key", text)
        alike = [key for key in known.sources if key.casefold() == pair.source.casefold()]
        if alike:
            text = f"There is an attribute {alike[0].removeprefix(ATTRIBUTE)} already; two keys must not differ by case only."
            yield Problem("source", "attribute_key", text)
    elif pair.source in known.customers_only:
        yield Problem("source", "customers_only", "KPIs and NPS exist for customers only; end users have attributes.")
    else:
        yield Problem("source", "unknown_source", f"There is no product field {pair.source}.")


def _of_target(pair: FieldPair, source: SourceField | None, field: FieldInfo, body: MappingBody) -> Iterable[Problem]:
    code, why_not = why_not_mapped(field, prefix=body.prefix, direction=pair.direction)
    theirs = PRODUCT_TYPE_OF.get(field.type, "")
    if code:
        yield Problem("target", code, f"{field.label}: {why_not}")
    elif source is not None and source.type != theirs:
        text = f"{field.label} holds {IN_WORDS[theirs]}, {source.label} is {IN_WORDS[source.type]}; choose fields of one type."
        yield Problem("target", "incompatible", text)
    elif pair.direction == PUSH and source is not None:
        loses = lossy(field, source)
        if loses and not pair.accept_lossy:
            yield Problem("accept_lossy", "lossy", f"{field.label}: {loses} Tick that you accept it.")
    if pair.cut and (pair.direction == PULL or field.type not in CUTTABLE):
        yield Problem("cut", "not_cut", f"{field.label}: only texts that are pushed can be cut.")


def _of_values(pair: FieldPair, field: FieldInfo) -> Iterable[Problem]:
    if not pair.values:
        return
    if PRODUCT_TYPE_OF.get(field.type) != STRING or field.type == "id":
        yield Problem("values", "no_values", f"{field.label}: only texts and picklists can be translated.")
        return
    active = set(field.active_values)
    for given, written in pair.values.items():
        path = f"values[{given[:40]!r}]"
        if not given:
            yield Problem(path, "blank", "A blank cannot be translated.")
        if field.type == "multipicklist" and ";" in given + written:
            yield Problem(path, "separator", f"{field.label} separates values by ;, so none can contain it.")
        elif pair.direction == PUSH and field.restricted_picklist and written and written not in active:
            yield Problem(path, "not_in_picklist", f"“{written[:40]}” is no active value of {field.label}.")


def _twice(body: MappingBody) -> list[Problem]:
    """R-123: nothing is written by two pairs; what is written is the field in a push and the attribute in a pull."""
    first: dict[tuple[str, str], int] = {}
    found = []
    for place, pair in enumerate(body.pairs):
        written = (pair.direction, (pair.target if pair.direction == PUSH else pair.source).casefold())
        if not all(written):
            continue
        if written in first:
            side = "target" if pair.direction == PUSH else "source"
            name = pair.target if pair.direction == PUSH else pair.attribute or pair.source
            text = f"{name} is written by line {first[written] + 1} already; two lines would overwrite each other."
            found.append(Problem(f"pairs[{place}].{side}", "twice", text))
        else:
            first[written] = place
    return found


# --- What a run can still use ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Usable:
    """A saved body cut down to what still fits the object, and what was left out with the reason."""

    body: MappingBody
    dropped: Sequence[tuple[FieldPair, Problem]]
    rules_off: Sequence[tuple[MatchRule, Problem]]


def usable(body: MappingBody, known: Known) -> Usable:
    """One field that is gone or changed its type costs only its own pair or rule (R-053, R-055, I-10)."""
    dropped, kept = [], []
    for pair in body.pairs:
        wrong = next(iter(problems_of_pair(pair, body, replace(known, filled_elsewhere={}))), None)
        if wrong is None:
            kept.append(pair)
        else:
            dropped.append((pair, wrong))
    rules, off = [], []
    for rule in body.rules:
        wrong = next(iter(problems_of_rule(rule, body, known)), None) if rule.on and known.info else None
        rules.append(rule if wrong is None else replace(rule, on=False))
        if wrong is not None:
            off.append((rule, wrong))
    return Usable(replace(body, pairs=tuple(kept), rules=tuple(rules)), dropped, off)
