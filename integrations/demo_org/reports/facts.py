"""From the finest groups of a report to its trees of groups and its dense fact map. Pure: no SQL, no clock."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

Path = tuple[Any, ...]
Parts = list[Any]
ROOT: Path = ()


@dataclass(frozen=True)
class Level:
    """One level of grouping: how its groups are ordered and labeled. `rank` gives a sort key for a group's value."""

    rank: Callable[[Any, str], Any]
    label: Callable[[Any, Any], str]
    descending: bool = False
    by_aggregate: Callable[[Parts], Any] | None = None


@dataclass
class Node:
    """A group: its value, label, key (0_1) and subgroups in order."""

    value: Any
    label: str
    path: Path
    key: str = ""
    children: "list[Node]" = field(default_factory=list)

    def walk(self) -> "Iterable[Node]":
        """This group and all below it."""
        yield self
        for each in self.children:
            yield from each.walk()


def merge(kinds: Sequence[str], into: Parts | None, more: Sequence[Any]) -> Parts:
    """Add partial aggregates: `sum`, `min` or `max` each; None is nothing."""
    if into is None:
        return list(more)
    joined = {"sum": lambda a, b: a + b, "min": min, "max": max}
    for k, kind in enumerate(kinds):
        if more[k] is not None:
            into[k] = more[k] if into[k] is None else joined[kind](into[k], more[k])
    return into


def roll_up(leaves: Iterable[tuple[Path, Path, Sequence[Any]]], kinds: Sequence[str]) -> dict[tuple[Path, Path], Parts]:
    """Partial aggregates of every combination of row group and column group, totals included, from (down, across, parts)."""
    found: dict[tuple[Path, Path], Parts] = {}
    for down, across, parts in leaves:
        for depth in range(len(down) + 1):
            for width in range(len(across) + 1):
                key = (down[:depth], across[:width])
                found[key] = merge(kinds, found.get(key), parts)
    return found


def tree(
    paths: Iterable[Path], levels: Sequence[Level], labels: Sequence[dict[Any, Any]], parts_of: Callable[[Path], Parts]
) -> list[Node]:
    """The groups of one axis as ordered trees with keys. `labels` gives per level the shown name of a value."""
    roots: dict[Any, Node] = {}
    known: dict[Path, Node] = {}
    for path in paths:
        for depth in range(1, len(path) + 1):
            part = path[:depth]
            if part not in known:
                shown = levels[depth - 1].label(part[-1], labels[depth - 1].get(part[-1]))
                known[part] = Node(part[-1], shown, part)
                if depth == 1:
                    roots[part[-1]] = known[part]
                else:
                    known[part[:-1]].children.append(known[part])
    return _ordered(list(roots.values()), levels, 0, "", parts_of)


def _ordered(
    nodes: list[Node], levels: Sequence[Level], depth: int, prefix: str, parts_of: Callable[[Path], Parts]
) -> list[Node]:
    """Siblings in order, numbered; empty groups first when ascending."""
    if not nodes:
        return nodes
    level = levels[depth]
    if level.by_aggregate is not None:
        aggregate = level.by_aggregate
        nodes.sort(key=lambda node: _absent_first(aggregate(parts_of(node.path))), reverse=level.descending)
    else:
        nodes.sort(key=lambda node: (node.value is not None, _rank(level, node)), reverse=level.descending)
    for number, node in enumerate(nodes):
        node.key = f"{prefix}{number}"
        node.children = _ordered(node.children, levels, depth + 1, f"{node.key}_", parts_of)
    return nodes


def _rank(level: Level, node: Node) -> Any:
    return 0 if node.value is None else level.rank(node.value, node.label)


def _absent_first(value: Any) -> tuple[bool, Any]:
    return (value is not None, 0 if value is None else value)


def tree_json(nodes: Sequence[Node]) -> list[dict[str, Any]]:
    """Groups as the API writes them."""
    return [
        {"groupings": tree_json(each.children), "key": each.key, "label": each.label, "value": each.value} for each in nodes
    ]


def axis(nodes: Sequence[Node]) -> list[tuple[str, Path]]:
    """(key, path) of every group of an axis and of its total."""
    return [(each.key, each.path) for root in nodes for each in root.walk()] + [("T", ROOT)]
