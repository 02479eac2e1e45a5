"""What changed between two results of the same analysis: the numbers of their tables that read differently. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from analytics.analyses import finding, writing
from analytics.analyses.documents import Kind

MOST = 100
COMPARED = ("count", "rate", "points", "money", "number")


@dataclass(frozen=True, slots=True)
class Change:
    """One number then and now."""

    block: str
    name: str
    before: str
    after: str
    difference: str


def changes_between(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> list[Change]:
    """Numbers that read differently, in the order of the later document, at most 100; rows go by their first column."""
    found: list[Change] = []
    for block in later.get("blocks") or ():
        known = finding.block_of(earlier, block.get("key", ""))
        if known is not None:
            found += list(_of_block(known, block))
    return found[:MOST]


def _of_block(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> Iterator[Change]:
    columns = later.get("columns") or ()
    if not columns:
        return
    before = {_lead(earlier, row): row for row in earlier.get("rows") or ()}
    for row in later.get("rows") or ():
        old = before.get(_lead(later, row))
        if old is None:
            continue
        for column in columns[1:]:
            change = _of_cell(column, old, row)
            if change is not None:
                yield Change(later.get("title", ""), f"{_lead(later, row)}, {column['label']}", *change)


def _of_cell(column: Mapping[str, Any], old: Mapping[str, Any], row: Mapping[str, Any]) -> tuple[str, str, str] | None:
    kind, unit, key = column.get("kind", "text"), column.get("unit", ""), column["key"]
    if kind not in COMPARED or key not in old:
        return None
    before, after = writing.write(old.get(key), kind, unit), writing.write(row.get(key), kind, unit)
    return (before, after, difference(old.get(key), row.get(key), kind, unit)) if before != after else None


def difference(before: Any, after: Any, kind: Kind, unit: str = "") -> str:
    """ "+4.2 pp", "−120.00 EUR"; nothing when one side has no value. Rates differ in percentage points."""
    old, new = writing.exact(before), writing.exact(after)
    if old is None or new is None:
        return ""
    change = new - old
    if kind in ("rate", "points"):
        return writing.write(change, "points")
    text = writing.write(change, kind, unit)
    return f"+{text}" if change > 0 else text


def _lead(block: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    columns = block.get("columns") or ()
    return finding.write_cell(columns, columns[0], row) if columns else ""
