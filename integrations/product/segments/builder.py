"""The condition builder's form: what a page sends to JSON conditions, and JSON conditions to what a page shows. Pure.

Names in the form: `match`; for a group g `g-G-match`; for a condition n `c-N-group` (empty, or the group's number),
`c-N-field`, `c-N-op`, `c-N-value`, `c-N-value2`, `c-N-unit`, `c-N-name`, `c-N-times`, `c-N-days`. A condition without a field
is no condition.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.product.segments.conditions import ALL, ANY
from integrations.product.segments.fieldtypes import OPS, Field, Known, Op, find_op
from integrations.product.segments.spans import UNITS
from integrations.sync.mapping.problems import Problem

PARTS = ("field", "op", "value", "value2", "unit", "name", "times", "days")
NUMBERED = re.compile(r"([cg])-(\d{1,5})-([a-z0-9]+)\Z")
PATH = re.compile(r"\.(?:all|any)\[(\d+)\]")
MOST = 200


@dataclass
class Row:
    """A condition of the page: what was typed, and what may be chosen next."""

    number: int
    texts: Mapping[str, str]
    known: Known
    errors: list[str] = field(default_factory=list)
    prefix: str = ""

    def __post_init__(self) -> None:
        self.prefix = self.prefix or f"c-{self.number}-"

    @property
    def field(self) -> Field | None:
        """The chosen field."""
        return self.known.fields.get(self.texts.get("field", ""))

    @property
    def groups(self) -> list[tuple[str, list[Field]]]:
        """All fields, by group, an end user's own first."""
        found: dict[str, list[Field]] = {}
        for each in self.known.fields.values():
            found.setdefault(f"Customer: {each.group}" if each.of_customer else each.group, []).append(each)
        return list(found.items())

    @property
    def ops(self) -> Sequence[Op]:
        """The operators of its type."""
        return OPS[self.field.type] if self.field else ()

    @property
    def op(self) -> Op | None:
        """The chosen operator; the first one while none is chosen."""
        if self.field is None:
            return None
        return find_op(self.field.type, self.texts.get("op", "")) or self.ops[0]

    @property
    def shape(self) -> str:
        """The shape of the value that the operator takes."""
        return self.op.shape if self.op else ""

    @property
    def units(self) -> Sequence[str]:
        """Units of time."""
        return UNITS

    @property
    def segments(self) -> list[tuple[int, str]]:
        """Segments that may be named."""
        wanted = "customer" if self.field and self.field.of_customer else self.known.entity
        found = [(each.id, each.name) for each in self.known.segments.values() if each.entity == wanted]
        return sorted(found, key=lambda each: each[1].lower())

    def raw(self) -> dict[str, Any]:
        """The condition as JSON, unchecked."""
        op = self.op
        written: dict[str, Any] = {"field": self.texts.get("field", ""), "op": op.name if op else self.texts.get("op", "")}
        return written if self.shape in ("", "none") else {**written, "value": self._value()}

    def _value(self) -> Any:
        text = self.texts.get
        if self.shape in ("numbers", "dates"):
            return [text("value", ""), text("value2", "")]
        if self.shape == "span":
            return {"n": text("value", ""), "unit": text("unit", "days")}
        if self.shape == "activity":
            return {"name": text("name", ""), "times": text("times", ""), "days": text("days", "")}
        return text("value", "")


@dataclass
class Box:
    """A group of the page."""

    number: int
    match: str
    rows: list[Row] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    is_group = True

    def raw(self) -> dict[str, Any]:
        """The group as JSON, unchecked."""
        return {self.match: [row.raw() for row in self.rows if row.texts.get("field")]}


@dataclass
class Builder:
    """The whole of it, in the order of the page. `errors` are about the conditions as a whole."""

    known: Known
    match: str = ALL
    items: list[Row | Box] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def rows(self) -> Iterator[Row]:
        """All conditions."""
        for each in self.items:
            yield from each.rows if isinstance(each, Box) else (each,)

    def data(self) -> dict[str, Any]:
        """The conditions as JSON, unchecked; what has no field is left out, and so are groups without any."""
        return {self.match: [each.raw() for each in self._filled()]}

    def _filled(self) -> list[Row | Box]:
        return [
            each for each in self.items
            if (any(row.texts.get("field") for row in each.rows) if isinstance(each, Box) else each.texts.get("field"))
        ]  # fmt: skip

    def add_problems(self, problems: Sequence[Problem]) -> list[Problem]:
        """Put problems to the conditions that they are about; those about something else come back."""
        others = []
        for each in problems:
            if not each.path.startswith("conditions"):
                others.append(each)
                continue
            self._owner(each.path).errors.append(each.message)
        return others

    def _owner(self, path: str) -> "Row | Box | Builder":
        owner: Row | Box | Builder = self
        for place in map(int, PATH.findall(path)):
            within: Sequence[Row | Box] = (
                self._filled() if isinstance(owner, Builder)
                else [row for row in owner.rows if row.texts.get("field")] if isinstance(owner, Box) else []
            )  # fmt: skip
            if place >= len(within):
                return owner
            owner = within[place]
        return owner

    def next_number(self) -> int:
        """A number that no condition has yet."""
        return max((row.number for row in self.rows()), default=-1) + 1

    def add_row(self, group: int | None = None) -> None:
        """An empty condition at the end, or at the end of a group."""
        row = Row(self.next_number(), {}, self.known)
        box = next((each for each in self.items if isinstance(each, Box) and each.number == group), None)
        (box.rows if box else self.items).append(row)  # pyright: ignore[reportArgumentType]

    def add_group(self) -> None:
        """A new group with one empty condition, of the other kind than the whole."""
        number = max((each.number for each in self.items if isinstance(each, Box)), default=-1) + 1
        box = Box(number, ANY if self.match == ALL else ALL)
        self.items.append(box)
        box.rows.append(Row(self.next_number(), {}, self.known))

    def remove(self, what: str) -> None:
        """Take away `c-3` or `g-1`."""
        kind, _, number = what.partition("-")
        gone = int(number) if number.isascii() and number.isdigit() and len(number) < 6 else -1
        if kind == "g":
            self.items = [each for each in self.items if not (isinstance(each, Box) and each.number == gone)]
            return
        for each in self.items:
            if isinstance(each, Box):
                each.rows = [row for row in each.rows if row.number != gone]
        self.items = [each for each in self.items if isinstance(each, Box) or each.number != gone]


def read_builder(data: Mapping[str, str], known: Known) -> Builder:
    """The builder of one POST, in the order of the page."""
    texts: dict[tuple[str, int], dict[str, str]] = {}
    for name in data:
        if found := NUMBERED.match(name):
            texts.setdefault((found[1], int(found[2])), {})[found[3]] = str(data.get(name) or "").strip()
    builder = Builder(known, _match(data.get("match")))
    boxes: dict[int, Box] = {}
    for kind, number in list(texts)[:MOST]:
        mine = texts[kind, number]
        if kind == "g" and number not in boxes:
            boxes[number] = Box(number, _match(mine.get("match"), ANY))
            builder.items.append(boxes[number])
        elif kind == "c":
            group = mine.get("group", "")
            box = boxes.get(int(group)) if group.isascii() and group.isdigit() and len(group) < 6 else None
            (box.rows if box else builder.items).append(Row(number, mine, known))  # pyright: ignore[reportArgumentType]
    return builder


def write_builder(tree: object, known: Known) -> Builder:
    """The builder that shows stored conditions, even such that no longer fit."""
    match, of = _parts(tree)
    builder, number = Builder(known, match), 0
    for each in of:
        if isinstance(each, Mapping) and (ALL in each or ANY in each):
            inner, rows = _parts(each)
            box = Box(sum(isinstance(item, Box) for item in builder.items), inner)
            builder.items.append(box)
            for row in rows:
                box.rows.append(Row(number, texts_of(row, known), known))
                number += 1
        else:
            builder.items.append(Row(number, texts_of(each, known), known))
            number += 1
    return builder


def texts_of(condition: object, known: Known) -> dict[str, str]:
    """What the form's fields of a JSON condition hold."""
    if not isinstance(condition, Mapping):
        return {}
    key, value = str(condition.get("field", "")), condition.get("value")
    texts = {"field": key, "op": str(condition.get("op", ""))}
    asked = known.fields.get(key)
    op = find_op(asked.type, texts["op"]) if asked else None
    shape = op.shape if op else ""
    if isinstance(value, list | tuple):
        if shape in ("numbers", "dates") and len(value) == 2:
            return {**texts, "value": str(value[0]), "value2": str(value[1])}
        return {**texts, "value": "\n".join(map(str, value))}
    if isinstance(value, Mapping):
        return {**texts, **{"value" if name == "n" else str(name): str(each) for name, each in value.items()}}
    return texts if value is None else {**texts, "value": str(value)}


def _parts(tree: object) -> tuple[str, list[Any]]:
    if isinstance(tree, Mapping):
        for match in (ALL, ANY):
            if isinstance(tree.get(match), list | tuple):
                return match, list(tree[match])
    return ALL, []


def _match(text: object, usual: str = ALL) -> str:
    return str(text) if text in (ALL, ANY) else usual
