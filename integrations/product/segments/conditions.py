"""The conditions of a segment: JSON to a checked tree and back, and in words. Pure.

`{"all": [...]}` or `{"any": [...]}` of conditions `{"field", "op", "value"}` and, one level down, of groups of the same form.
The value is a text, a number, a list, a span `{"n": 90, "unit": "days"}`, or an activity `{"name", "times", "days"}`. An empty
tree holds for every record. What is wrong is told all at once, each with its path and the number of its condition.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from integrations.product.segments.fieldtypes import CUSTOMER, OPS, SEGMENT, Field, Known, Op, find_op
from integrations.product.segments.values import read_value, value_in_words
from integrations.sync.mapping.problems import Problem, ProblemsFound

ALL, ANY = "all", "any"
DEEPEST = 2  # groups in groups
MOST_CONDITIONS = 100
MOST_EXPANDED = 1000  # conditions, with those of the segments that it names
KEYS = frozenset(("field", "op", "value"))


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition with its value in canonical JSON."""

    field: str
    op: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions and groups of which all must hold, or any."""

    match: str = ALL
    of: "tuple[Condition | Group, ...]" = ()


Node = Condition | Group
EVERYONE = Group()


def read_tree(data: object, known: Known) -> Group:
    """The checked tree of JSON data. ProblemsFound names each condition that cannot be used, and the fix."""
    reader = _Reader(known)
    tree = reader.group(data, "conditions", 1)
    if reader.problems or tree is None:
        raise ProblemsFound(reader.problems)
    return tree if tree.of else EVERYONE


def write_tree(tree: Group) -> dict[str, Any]:
    """The tree as JSON."""
    return {tree.match: [write_tree(each) if isinstance(each, Group) else write_condition(each) for each in tree.of]}


def write_condition(condition: Condition) -> dict[str, Any]:
    """A condition as JSON; operators without a value have none."""
    written = {"field": condition.field, "op": condition.op}
    return written if condition.value is None else {**written, "value": condition.value}


def each_condition(node: Node) -> Iterator[Condition]:
    """All conditions, in their order."""
    if isinstance(node, Condition):
        yield node
        return
    for each in node.of:
        yield from each_condition(each)


class _Reader:
    """Reads a tree and gathers what is wrong; conditions are numbered as the page shows them."""

    def __init__(self, known: Known) -> None:
        self.known, self.problems, self.count = known, list[Problem](), 0

    def refuse(self, path: str, code: str, message: str) -> None:
        self.problems.append(Problem(path, code, message))

    def group(self, data: object, path: str, depth: int) -> Group | None:
        if not isinstance(data, Mapping) or len(data) != 1 or next(iter(data)) not in (ALL, ANY):
            self.refuse(path, "not_a_group", 'Must be {"all": [...]} or {"any": [...]} with a list of conditions.')
            return None
        match = next(iter(data))
        if not isinstance(data[match], list | tuple):
            self.refuse(f"{path}.{match}", "not_a_list", "Must be a list of conditions.")
            return None
        read = [self.node(each, f"{path}.{match}[{place}]", depth) for place, each in enumerate(data[match])]
        return Group(match, tuple(each for each in read if each is not None))

    def node(self, data: object, path: str, depth: int) -> Node | None:
        if isinstance(data, Mapping) and set(data) & {ALL, ANY}:
            if depth >= DEEPEST:
                self.refuse(path, "too_deep", "Groups stand one level deep: a group in a group cannot hold another.")
                return None
            inner = self.group(data, path, depth + 1)
            if inner is not None and not inner.of and not self.problems:
                self.refuse(path, "empty_group", "This group has no condition: add one or remove the group.")
            return inner
        self.count += 1
        if self.count > MOST_CONDITIONS:
            if self.count == MOST_CONDITIONS + 1:
                self.refuse(path, "too_many", f"There are more than {MOST_CONDITIONS} conditions; split the segment.")
            return None
        return self.condition(data, path, self.count)

    def condition(self, data: object, path: str, number: int) -> Condition | None:
        if not isinstance(data, Mapping) or "field" not in data or not set(data) <= KEYS:
            shape = 'Must be {"field", "op", "value"}, or a group {"all": [...]}.'
            self.refuse(path, "not_a_condition", f"Condition {number}: {shape}")
            return None
        field = self.known.fields.get(str(data["field"]))
        if data["field"] in self.known.withheld:
            text = f"Condition {number}: only operators ask for {data['field']}, because it tells who people are."
            self.refuse(f"{path}.field", "withheld", text)
            return None
        if field is None:
            fix = f"Choose a field of {'customers' if self.known.entity == 'customer' else 'end users'}."
            text = f"Condition {number}: there is no field {str(data['field'])[:80]!r} (any more). {fix}"
            self.refuse(f"{path}.field", "no_field", text)
            return None
        op = find_op(field.type, data.get("op"))
        if op is None:
            known = ", ".join(each.name for each in OPS[field.type])
            self.refuse(f"{path}.op", "no_op", f"Condition {number} ({field.label}): choose how to compare, one of {known}.")
            return None
        return self.valued(data.get("value"), f"{path}.value", number, field, op)

    def valued(self, raw: object, path: str, number: int, field: Field, op: Op) -> Condition | None:
        try:
            value = read_value(op.shape, raw)
        except ValueError as error:
            self.refuse(path, "bad_value", f"Condition {number} ({field.label} {op.label}): {error}")
            return None
        if op.shape == "segment":
            wanted = "customer" if field.of_customer else self.known.entity
            ref = self.known.segments.get(value)
            if ref is None or ref.entity != wanted:
                people = "customers" if wanted == "customer" else "end users"
                text = f"Condition {number} ({field.label}): there is no segment {value} of {people}. Choose one."
                self.refuse(path, "no_segment", text)
                return None
        return Condition(field.key, op.name, value)


# --- Segments in segments ---------------------------------------------------------------------------------------------


class CycleFound(ValueError):
    """A segment that would ask whether a record is in itself; `names` is the way round."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        super().__init__(f"The segments ask each other in a circle: {' → '.join(names)}.")


def expand(tree: Group, known: Known, *, own: int | None = None, own_name: str = "this segment") -> Group:
    """The tree with each "is in segment" replaced by that segment's conditions, so that only fields are left.

    `own` is the number of the segment itself. CycleFound for a circle, ProblemsFound for a segment whose conditions no
    longer fit (a field is gone), with its name.
    """
    way: list[tuple[int | None, str]] = [(own, own_name)] if own is not None else []
    expanded = _expand(tree, known, way, of_customer=known.entity == "customer", budget=[MOST_EXPANDED])
    assert isinstance(expanded, Group)
    return expanded


def _expand(node: Node, known: Known, way: list[tuple[int | None, str]], *, of_customer: bool, budget: list[int]) -> Node:
    if isinstance(node, Group):
        return Group(node.match, tuple(_expand(each, known, way, of_customer=of_customer, budget=budget) for each in node.of))
    budget[0] -= 1
    if budget[0] < 0:
        text = f"With the segments that it names there are more than {MOST_EXPANDED} conditions."
        raise ProblemsFound([Problem("conditions", "too_many", text)])
    field = known.fields[node.field]
    if field.type != SEGMENT:
        return node
    ref = known.segments[node.value]
    if any(ref.id == number for number, _ in way):
        raise CycleFound([name for _, name in way] + [ref.name])
    theirs = replace(known, entity=ref.entity, fields=_scope(known) if field.of_customer else known.fields)
    try:
        inner = read_tree(ref.conditions, theirs)
    except ProblemsFound as error:
        first = error.problems[0].message
        text = f"The segment “{ref.name}” that it names cannot be used: {first}"
        raise ProblemsFound([Problem("conditions", "broken_segment", text)]) from error
    prefix = CUSTOMER if field.of_customer else ""
    found = _expand(inner, theirs, [*way, (ref.id, ref.name)], of_customer=bool(prefix) or of_customer, budget=budget)
    found = _prefixed(found, prefix)
    return found if node.op == "in" else Group("none", (found,))


def _scope(known: Known) -> dict[str, Field]:
    """The customer's fields as a segment of customers names them."""
    return {
        each.name: replace(each, key=each.name) for each in known.fields.values() if each.of_customer
    }  # fmt: skip


def _prefixed(node: Node, prefix: str) -> Node:
    if not prefix:
        return node
    if isinstance(node, Group):
        return Group(node.match, tuple(_prefixed(each, prefix) for each in node.of))
    return replace(node, field=prefix + node.field)


# --- In words -----------------------------------------------------------------------------------------------------------


def say_condition(condition: Condition, known: Known) -> str:
    """ "Renewal is within the next 90 days"."""
    field = known.fields.get(condition.field)
    op = find_op(field.type, condition.op) if field else None
    if field is None or op is None:
        return f"{condition.field} (gone)"
    if op.shape == "segment":
        ref = known.segments.get(condition.value)
        return f"{op.label} {ref.name if ref else condition.value}".replace("is", f"{field.label} is", 1)
    return value_in_words(field.label, op, condition.value)


def say_tree(node: Node, known: Known) -> str:
    """The whole tree as one sentence; nothing for an empty one."""
    if isinstance(node, Condition):
        return say_condition(node, known)
    word = " and " if node.match == ALL else " or "
    parts = [f"({say_tree(each, known)})" if isinstance(each, Group) and len(each.of) > 1 else say_tree(each, known)
             for each in node.of]  # fmt: skip
    return word.join(parts)
