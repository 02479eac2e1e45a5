"""Exports of the audit, which prove themselves: each line carries its digests, the last line a seal over all lines.

`manage.py verify_audit FILE` reads them back. CSV cells that a spreadsheet would run get an apostrophe (S-034); reading takes
it off again where the digest says so.
"""

import csv
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO

from integrations import audit
from integrations.audit_chain import FileCheck, Line, Sealer, check_file, is_genuine
from integrations.exports import safe_cell
from integrations.models import AuditEntry

COLUMNS = (
    "number", "at", "actor", "action", "target", "subject", "connection", "before", "after", "address", "previous_digest",
    "digest",
)  # fmt: skip
SEAL = "seal"
LONGEST_LINE = 8_000_000  # characters; an entry is far shorter


class UnreadableExport(ValueError):
    """The file is not an export of the audit; the message says where it stops being one."""


def dict_of(line: Line) -> dict[str, Any]:
    """The line with the names of the export."""
    return {
        "number": line.number, "at": line.at, "actor": line.actor, "action": line.action, "target": line.target,
        "subject": line.subject, "connection": line.connection, "before": line.before, "after": line.after,
        "address": line.address, "previous_digest": line.previous, "digest": line.digest,
    }  # fmt: skip


def json_lines(entries: Iterable[AuditEntry]) -> Iterator[bytes]:
    """One JSON object a line, the seal last."""
    sealer = Sealer(audit.keys())
    for entry in entries:
        line = audit.line_of(entry)
        sealer.add(line)
        yield f"{json.dumps(dict_of(line), ensure_ascii=False)}\n".encode()
    yield f"{json.dumps({SEAL: sealer.value(), 'entries': sealer.count})}\n".encode()


class _Echo:
    def write(self, line: str) -> str:
        return line


def csv_lines(entries: Iterable[AuditEntry]) -> Iterator[bytes]:
    """RFC 4180 with a heading; the last row has the word seal in its first column and the seal in its last."""
    writer = csv.writer(_Echo(), lineterminator="\r\n")
    sealer = Sealer(audit.keys())
    yield writer.writerow(COLUMNS).encode()
    for entry in entries:
        line = audit.line_of(entry)
        sealer.add(line)
        row = dict_of(line) | {name: json.dumps(getattr(line, name), ensure_ascii=False) for name in ("before", "after")}
        yield writer.writerow([safe_cell(row[name]) for name in COLUMNS]).encode()
    yield writer.writerow([SEAL, f"{sealer.count} entries", *[""] * (len(COLUMNS) - 3), sealer.value()]).encode()


# --- reading back -------------------------------------------------------------------------------------------------------


def check_export(file: TextIO) -> FileCheck:
    """What an exported file proves, CSV or JSON lines. Raises `UnreadableExport`."""
    start = file.read(1)
    file.seek(0)
    reader = _JsonLines(file) if start == "{" else _CsvLines(file)
    return check_file(reader, reader.seal, audit.keys())


class _Reader:
    """Lines of an export, and its seal once they are read. Nothing may follow the seal."""

    def __init__(self, file: TextIO) -> None:
        self.file, self._seal, self._is_spoiled = file, "", False

    def seal(self) -> str:
        return "" if self._is_spoiled else self._seal

    def _refuse(self, number: int, why: str) -> UnreadableExport:
        return UnreadableExport(f"Line {number} is no line of an audit export: {why}.")


class _JsonLines(_Reader):
    def __iter__(self) -> Iterator[Line]:
        for number in itertools.count(1):
            text = self.file.readline(LONGEST_LINE)
            if not text:
                return
            if not text.strip():
                continue
            try:
                data = json.loads(text)
            except ValueError as error:
                raise self._refuse(number, "it is not JSON") from error
            if not isinstance(data, dict):
                raise self._refuse(number, "it is not an object")
            if self._seal:
                self._is_spoiled = True
            if SEAL in data:
                self._seal = str(data[SEAL])
                continue
            yield _line(data, lambda why, at=number: self._refuse(at, why))


class _CsvLines(_Reader):
    def __iter__(self) -> Iterator[Line]:
        csv.field_size_limit(LONGEST_LINE)
        rows = csv.reader(self.file)
        if tuple(next(rows, ())) != COLUMNS:
            raise self._refuse(1, f"the heading must be {','.join(COLUMNS)}")
        for number, row in enumerate(rows, 2):
            if not row:
                continue
            if self._seal:
                self._is_spoiled = True
            if row[0] == SEAL:
                self._seal = row[-1]
                continue
            if len(row) != len(COLUMNS):
                raise self._refuse(number, f"it has {len(row)} cells, not {len(COLUMNS)}")
            yield _original(dict(zip(COLUMNS, row, strict=True)), lambda why, at=number: self._refuse(at, why))


def _original(cells: dict[str, str], refuse: Callable[[str], UnreadableExport]) -> Line:
    """The line behind the cells: an apostrophe before a formula may be ours or the text's own; the digest decides."""
    data: dict[str, Any] = dict(cells)
    try:
        data |= {name: json.loads(cells[name]) for name in ("before", "after")}
    except ValueError as error:
        raise refuse("before and after are JSON") from error
    data["connection"] = cells["connection"] or None
    data["address"] = cells["address"] or None
    marked = [name for name in ("actor", "action", "target") if cells[name].startswith("'")]
    keys, first = audit.keys(), None
    for chosen in itertools.product((True, False), repeat=len(marked)):
        texts = {name: cells[name][1:] for name, is_ours in zip(marked, chosen, strict=True) if is_ours}
        line = _line(data | texts, refuse)
        first = first or line
        if is_genuine(line, keys):
            return line
    assert first is not None
    return first


def _line(data: dict[str, Any], refuse: Callable[[str], UnreadableExport]) -> Line:
    missing = [name for name in COLUMNS if name not in data]
    if missing:
        raise refuse(f"{', '.join(missing)} is missing")
    if not isinstance(data["before"], dict) or not isinstance(data["after"], dict):
        raise refuse("before and after are objects")
    try:
        number = int(data["number"])
        connection = None if data["connection"] is None else int(data["connection"])
    except (TypeError, ValueError) as error:
        raise refuse("number and connection are whole numbers") from error
    texts = {name: str(data[name]) for name in ("at", "actor", "action", "target", "subject", "digest")}
    address = None if data["address"] is None else str(data["address"])
    return Line(
        number=number, connection=connection, before=data["before"], after=data["after"], address=address,
        previous=str(data["previous_digest"]), **texts,
    )  # fmt: skip
