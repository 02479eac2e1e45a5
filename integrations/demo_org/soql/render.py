"""Turns rows into records: nested dicts in the shapes and number formats of the REST API."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from integrations.demo_org.soql.compiled import Child, Choice, CompiledQuery, Compound, Leaf, Node

Row = Sequence[Any]
Children = Sequence[Mapping[str, Any]]
Make = Callable[[Row, Children], Any]


def record_maker(compiled: CompiledQuery, version: str) -> Make:
    """A function from (row, results of the nested queries by parent id) to the record."""
    if compiled.aggregate:
        return _aggregate_maker(compiled)
    assert compiled.node is not None
    return _node_maker(compiled.node, Urls(compiled.prefixes, version))


class Urls:
    """Record addresses of one API version."""

    def __init__(self, prefixes: Mapping[str, str], version: str) -> None:
        self.prefixes = prefixes
        self.base = f"/services/data/v{version}/sobjects/"

    def attributes(self, record_id: str, object_name: str | None, label: str | None) -> dict[str, str]:
        """The `attributes` of a record; the object is told from the id when it is not known."""
        name = object_name or self.prefixes.get(record_id[:3], "Name")
        return {"type": label or name, "url": f"{self.base}{name}/{record_id}"}


def value_maker(kind: str) -> Callable[[Any], Any] | None:
    """From a stored value to its JSON form; None when they are the same."""
    if kind == "datetime":
        return lambda value: value and value.replace("Z", "+0000")
    if kind == "boolean":
        return bool
    if kind in {"double", "currency", "percent"}:
        return lambda value: None if value is None else float(value)
    return None


def _aggregate_maker(compiled: CompiledQuery) -> Make:
    """AggregateResult rows have no url."""
    fields = [(name, index, _aggregate_value(kind)) for index, (name, kind) in enumerate(compiled.outputs)]

    def make(row: Row, _children: Children) -> dict[str, Any]:
        record: dict[str, Any] = {"attributes": {"type": "AggregateResult"}}
        for name, index, convert in fields:
            record[name] = convert(row[index]) if convert else row[index]
        return record

    return make


def _aggregate_value(kind: str) -> Callable[[Any], Any] | None:
    """Grouped booleans may be absent in subtotal rows."""
    return (lambda value: None if value is None else bool(value)) if kind == "boolean" else value_maker(kind)


def _node_maker(node: Node, urls: Urls) -> Make:
    """Records of one node; None when the row has no such record."""
    plan = [(name, *_entry_maker(entry, urls, node.id_index)) for name, entry in node.entries.items()]
    id_index, object_name, label = node.id_index, node.object_name, node.label

    def make(row: Row, children: Children) -> dict[str, Any] | None:
        record_id = row[id_index]
        if record_id is None:
            return None
        record: dict[str, Any] = {"attributes": urls.attributes(record_id, object_name, label)}
        for name, index, convert, deeper in plan:
            if deeper is not None:
                record[name] = deeper(row, children)
            else:
                record[name] = convert(row[index]) if convert else row[index]
        return record

    return make


Entry = tuple[int, Callable[[Any], Any] | None, Make | None]


def _entry_maker(entry: Leaf | Compound | Node | Choice | Child, urls: Urls, id_index: int) -> Entry:
    """(column, conversion, None) for a plain value, (0, None, function) for anything nested."""
    if isinstance(entry, Leaf):
        return entry.index, value_maker(entry.type), None
    if isinstance(entry, Node):
        return 0, None, _node_maker(entry, urls)
    if isinstance(entry, Compound):
        return 0, None, _compound_maker(entry)
    if isinstance(entry, Choice):
        return 0, None, _choice_maker(entry, urls)
    return 0, None, _child_maker(entry, id_index)


def _compound_maker(entry: Compound) -> Make:
    """An address or location; null when all parts are empty."""
    plan = [(key, index, value_maker(kind)) for (key, index), kind in zip(entry.parts, entry.types, strict=True)]

    def make(row: Row, _children: Children) -> dict[str, Any] | None:
        value = {key: convert(row[index]) if convert else row[index] for key, index, convert in plan}
        return value if any(each is not None for each in value.values()) else None

    return make


def _choice_maker(entry: Choice, urls: Urls) -> Make:
    """The record in the shape of its own object."""
    makers = {name: _node_maker(node, urls) for name, node in entry.by_object.items()}
    otherwise = _node_maker(entry.otherwise, urls) if entry.otherwise else None
    index = entry.id_index

    def make(row: Row, children: Children) -> dict[str, Any] | None:
        if row[index] is None:
            return None
        chosen = makers.get(urls.prefixes.get(row[index][:3], ""), otherwise)
        return chosen(row, children) if chosen else None

    return make


def _child_maker(entry: Child, id_index: int) -> Make:
    """The result of a nested query for the row's record, null when it found nothing."""
    number = entry.index

    def make(row: Row, children: Children) -> Any:
        return children[number].get(row[id_index])

    return make
