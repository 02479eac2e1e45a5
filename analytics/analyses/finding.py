"""Numbers of a document by their cells, and the rows of its tables as text. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analytics.analyses import writing

BEHIND = "_behind"
DEEPEST = 12
LONGEST_CELL = 2000


@dataclass(frozen=True, slots=True)
class TableCell:
    """One cell of a table: how it reads, whether it is a number, and the customers behind it."""

    label: str
    text: str
    is_number: bool
    behind: Mapping[str, Any] | None = None

    @property
    def behind_text(self) -> str:
        """Its cell as it stands in addresses."""
        return cell_text(self.behind) if self.behind else ""


def cell_text(cell: Mapping[str, Any]) -> str:
    """A cell as it stands in addresses: the same cell is always the same text."""
    return json.dumps(cell, sort_keys=True, separators=(",", ":"), default=str)


def read_cell(text: str) -> dict[str, Any] | None:
    """The cell that an address names; None for what cannot be one."""
    if not text or len(text) > LONGEST_CELL:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found else None


def has_cell(document: Mapping[str, Any], cell: Mapping[str, Any]) -> bool:
    """Whether the document has a number with this cell, anywhere in it."""
    wanted = cell_text(cell)
    return any(cell_text(each) == wanted for each in cells_of(document))


def cells_of(part: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """Every cell in a document or a part of one."""
    if depth > DEEPEST:
        return
    if isinstance(part, Mapping):
        for key, value in part.items():
            is_cell = str(key) in ("behind", BEHIND) or str(key).startswith(f"{BEHIND}:")
            if is_cell and isinstance(value, Mapping) and value:
                yield value
            yield from cells_of(value, depth + 1)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from cells_of(value, depth + 1)


def block_of(document: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    """The block of that key."""
    return next((block for block in document.get("blocks") or () if block.get("key") == key), None)


def words_of(document: Mapping[str, Any], cell: Mapping[str, Any]) -> str:
    """Which number a cell stands for, in words: "Retention by cohort: 2026-01, Month 3: 62.5 %"; "" when no table has it."""
    wanted = cell_text(cell)
    for block in document.get("blocks") or ():
        for row in block.get("rows") or ():
            lead = _lead(block, row)
            for column in block.get("columns") or ():
                found = row.get(f"{BEHIND}:{column['key']}")
                if isinstance(found, Mapping) and cell_text(found) == wanted:
                    text = write_cell(block["columns"], column, row)
                    return (
                        f"{block['title']}: {lead}, {column['label']} {text}" if lead != text else f"{block['title']}: {lead}"
                    )
            if isinstance(row.get(BEHIND), Mapping) and cell_text(row[BEHIND]) == wanted:
                return f"{block['title']}: {lead}"
        if text := _words_of_chart(block, wanted):
            return text
    return ""


def _words_of_chart(block: Mapping[str, Any], wanted: str) -> str:
    for part in _labelled(block.get("chart") or {}):
        if isinstance(part.get("behind"), Mapping) and cell_text(part["behind"]) == wanted:
            return f"{block['title']}: {part['label']}"
    return ""


def _labelled(chart: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Parts of a chart that have a label and may have a cell; those of a heat map get both labels."""
    for name in ("figures", "steps"):
        yield from chart.get(name) or () if not isinstance(chart.get(name), bool) else ()
    columns = chart.get("columns") or ()
    for row in chart.get("rows") or ():
        for place, cell in enumerate(row.get("cells") or ()):
            if cell:
                heading = columns[place] if place < len(columns) else ""
                yield {**cell, "label": f"{row.get('label', '')}, {heading}"}


def _lead(block: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    columns = block.get("columns") or ()
    return write_cell(columns, columns[0], row) if columns else ""


def write_cell(columns: Sequence[Mapping[str, Any]], column: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """One value of a table for a person."""
    value, kind = row.get(column["key"]), column.get("kind", "text")
    if kind == "interval":
        of = measured(columns, column)
        return writing.write_interval(value, of.get("kind", "number"), of.get("unit", ""))
    return writing.write(value, kind, column.get("unit", ""))


def measured(columns: Sequence[Mapping[str, Any]], column: Mapping[str, Any]) -> Mapping[str, Any]:
    """The column whose interval this one is: the nearest one before it that is no interval."""
    found: Mapping[str, Any] = {}
    for each in columns:
        if each["key"] == column["key"]:
            return found
        if each.get("kind") != "interval":
            found = each
    return found


def table_rows(block: Mapping[str, Any]) -> Iterator[list[TableCell]]:
    """The rows of a block's table as they are shown."""
    columns = block.get("columns") or ()
    for row in block.get("rows") or ():
        yield [
            TableCell(
                column["label"], write_cell(columns, column, row), is_number(column),
                row.get(f"{BEHIND}:{column['key']}") or (row.get(BEHIND) if place == 0 else None),
            )
            for place, column in enumerate(columns)
        ]  # fmt: skip


def is_number(column: Mapping[str, Any]) -> bool:
    """Whether the column's values stand on the right."""
    return column.get("kind", "text") not in ("text", "day")


def csv_header(block: Mapping[str, Any]) -> list[str]:
    """Heads of the CSV, each different: labels with their units; an interval has two columns named after what it is about."""
    columns, heads = block.get("columns") or (), []
    names = _names(columns)
    for column in columns:
        if column.get("kind") == "interval":
            of = measured(columns, column)
            name = names.get(of.get("key", ""), column["label"])
            heads += [f"{name}, {column['label']}, {end}{_csv_unit(of)}" for end in ("low", "high")]
        else:
            heads.append(names[column["key"]] + _csv_unit(column))
    return [
        head if heads.index(head) == place else f"{head} {heads[:place].count(head) + 1}" for place, head in enumerate(heads)
    ]


def _names(columns: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Columns by key with names that tell them apart: of equal labels ("Share") each is named after the column before it."""
    labels = [column["label"] for column in columns if column.get("kind") != "interval"]
    found: dict[str, str] = {}
    before = ""
    for column in columns:
        if column.get("kind") == "interval":
            continue
        repeated = labels.count(column["label"]) > 1
        found[column["key"]] = f"{before}, {column['label']}" if repeated and before else column["label"]
        before = before if repeated else column["label"]
    return found


def csv_rows(block: Mapping[str, Any]) -> Iterator[list[str]]:
    """Lines of the CSV: the numbers of the table to the same digits, without units and separators."""
    columns = block.get("columns") or ()
    for row in block.get("rows") or ():
        line: list[str] = []
        for column in columns:
            value, kind = row.get(column["key"]), column.get("kind", "text")
            if kind == "interval":
                of = measured(columns, column).get("kind", "number")
                line += [writing.plain(each, of) for each in writing.ends(value)]
            else:
                line.append(writing.plain(value, kind))
        yield line


def _csv_unit(column: Mapping[str, Any]) -> str:
    unit = writing.UNITS.get(column.get("kind", ""), column.get("unit", ""))
    return f" ({unit})" if unit and unit not in column.get("label", "") else ""
