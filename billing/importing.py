"""CSV files of billing objects: read, tried out, saved, with one line for every row that cannot be taken."""

import csv
import io
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from billing.incoming import OWN, PARTS
from billing.saving import Report, save_rows

MOST_ROWS = 50_000
LONGEST_CELL = 131_072


class BadFile(ValueError):
    """A file that is no usable CSV; its text says why."""


@dataclass
class Sheet:
    """A file as rows, with the line of each in the file."""

    columns: list[str]
    rows: list[dict[str, Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


def read_sheet(object_key: str, data: bytes) -> Sheet:
    """The rows of a CSV file. Cells that are empty say nothing; unknown columns are refused before anything is saved."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadFile(f"The file is not UTF-8 (byte {error.start + 1}). Save it as “CSV UTF-8”.") from None
    if "\0" in text:
        raise BadFile("The file holds zero bytes; it is no text.")
    known = {*OWN, *(part.name for part in PARTS[object_key])}
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        header = [name.strip().lower() for name in next(reader, [])]
    except csv.Error as error:
        raise BadFile(f"Line 1: {error}.") from None
    if "id" not in header:
        raise BadFile(f"The first line must name the columns, id among them. Known: {', '.join(sorted(known))}.")
    if unknown := [name for name in header if name not in known]:
        raise BadFile(f"Unknown column {unknown[0] or '(blank)'}. Known: {', '.join(sorted(known))}.")
    if len(set(header)) != len(header):
        raise BadFile("A column stands there twice.")
    sheet = Sheet(header)
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(sheet.rows) >= MOST_ROWS:
                raise BadFile(f"The file has more than {MOST_ROWS:,} rows. Split it, or use the API.")
            if len(cells) > len(header):
                raise BadFile(f"Line {reader.line_num}: {len(cells)} cells, but {len(header)} columns.")
            sheet.rows.append({name: cell for name, cell in zip(header, cells, strict=False) if cell.strip()})
            sheet.lines.append(reader.line_num)
    except csv.Error as error:
        raise BadFile(f"Line {reader.line_num}: {error}.") from None
    if not sheet.rows:
        raise BadFile("The file has no rows below its first line.")
    return sheet


def _delimiter(text: str) -> str:
    first = text.split("\n", 1)[0]
    return ";" if first.count(";") > first.count(",") else "," if first.count("\t") <= first.count(",") else "\t"


def import_sheet(object_key: str, sheet: Sheet, *, now: datetime, dry_run: bool) -> Report:
    """Save the rows, or with `dry_run` tell what saving would do."""
    return save_rows(object_key, sheet.rows, source="csv", now=now, dry_run=dry_run)


def error_lines(sheet: Sheet, report: Report) -> list[tuple[int, str, str, str]]:
    """(line, id, column, problem) of everything that was not taken."""
    return [(sheet.lines[row.index], row.id, name, problem) for row in report.failed for name, problem in row.errors.items()]
