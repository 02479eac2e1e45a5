"""Billing objects into the database: batches by id, idempotent, the newer version wins, one result a row (I-04).

A row that fails does so alone. Versions may arrive in any order: the one with the later `updated_at` stays, also against a
deletion. Without `updated_at` a row counts as made now. Of two versions of an invoice that nothing else orders, the one further
on its way stays: void before final before draft (I-07). What rating made can only be voided, not overwritten.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from billing import incoming, linking
from billing.drafts import SOURCE as RATING
from billing.incoming import Row
from billing.models import BillingCustomer, BillingRecord, Invoice, LineItem
from billing.records import MODELS
from billing.rewriting import BATCH, rewrite
from integrations.sync import retrying

CLOCK_SKEW = timedelta(hours=1)
VERSION = ("version_at", "source", "deleted_at", "updated_at")
RANKS = {"VOID": 2, "FINALIZED": 1}  # how far an invoice is; anything else is before them
OURS = "comes from rating here and cannot be sent; void the invoice instead"
LOCK = 6_171_840  # PostgreSQL: one saver at a time, so that two versions of one record never cross


@dataclass(slots=True)
class Result:
    """What became of one row: created, updated, unchanged, deleted, stale (an older version) or failed (`errors` by field)."""

    index: int
    id: str
    status: str
    errors: dict[str, str] = field(default_factory=dict)


@dataclass
class Report:
    """The results in the order of the rows."""

    rows: list[Result] = field(default_factory=list)

    def count(self, status: str) -> int:
        """How many rows ended so."""
        return sum(1 for row in self.rows if row.status == status)

    @property
    def failed(self) -> list[Result]:
        """Rows that were not taken."""
        return [row for row in self.rows if row.status == "failed"]


def save_rows(object_key: str, rows: Iterable[object], *, source: str, now: datetime, dry_run: bool = False) -> Report:
    """Create, change or delete records of an object; see the module. `dry_run` tells what would happen and changes nothing."""
    report = Report()
    given = list(rows)
    for start in range(0, len(given), BATCH):
        read = [incoming.read_row(object_key, each) for each in given[start : start + BATCH]]
        report.rows += retrying.in_transaction(
            lambda read=read, start=start: _save(object_key, read, start, source, now, dry_run=dry_run), repeatable=True
        )
    return report


def _save(object_key: str, read: Sequence[Row], start: int, source: str, now: datetime, *, dry_run: bool) -> list[Result]:
    model = MODELS[object_key]
    _lock()
    known: dict[str, Any] = {each.key: each for each in model._default_manager.filter(key__in=[row.key for row in read])}
    ours = _invoices_of_ours(read) if model is LineItem else frozenset()
    made: dict[str, Any] = {}
    changed: dict[str, Any] = {}
    results = []
    for index, row in enumerate(read, start):
        record = known.get(row.key)
        result = Result(index, row.key, "failed", dict(row.errors))
        results.append(result)
        if row.errors:
            continue
        fresh = record is None
        if record is None:
            record = model(key=row.key, created_at=now, updated_at=now)
        result.errors = (
            _from_the_future(row, now)
            or _problems(object_key, record, row, is_new=fresh)
            or _guarded(record, row, ours, source=source)
        )
        if result.errors:
            continue
        result.status = _apply(record, row, source=source, now=now, is_new=fresh)
        if fresh:
            made[row.key] = known[row.key] = record
        elif row.key not in made and result.status != "stale":  # an unchanged record still takes the later version
            changed[row.key] = record
    if not dry_run:
        _write(object_key, made, changed)
    return results


def _from_the_future(row: Row, now: datetime) -> dict[str, str]:
    """A version dated far ahead would win over every true one that follows."""
    ahead = row.version_at is not None and row.version_at > now + CLOCK_SKEW
    return {"updated_at": "lies in the future; send when this version arose"} if ahead else {}


def _invoices_of_ours(read: Sequence[Row]) -> frozenset[str]:
    """Which of the invoices that lines are sent for rating made."""
    wanted = {row.values["invoice_key"] for row in read if row.values.get("invoice_key")}
    return frozenset(Invoice.objects.filter(key__in=wanted, source=RATING).values_list("key", flat=True))


def _guarded(record: BillingRecord, row: Row, ours: frozenset[str], *, source: str) -> dict[str, str]:
    """What rating made stays as it is: a final invoice never changes, and drafts follow their usage."""
    if record.pk is not None and record.source == RATING and source != RATING:
        return {"id": OURS}
    return {"invoice_id": OURS} if row.values.get("invoice_key") in ours else {}


def _problems(object_key: str, record: BillingRecord, row: Row, *, is_new: bool) -> dict[str, str]:
    if row.deleted:
        return {}
    values = {**{part.attribute: getattr(record, part.attribute) for part in incoming.PARTS[object_key]}, **row.values}
    errors = incoming.lacking(object_key, row.values if is_new else values)
    return errors | incoming.period_errors(object_key, values)


def _apply(record: Any, row: Row, *, source: str, now: datetime, is_new: bool) -> str:
    version = row.version_at or now
    if not is_new and (version < record.version_at or _steps_back(record, row, version)):
        return "stale"
    if getattr(record, "is_burned", False):
        row.values.pop("balance", None)  # ours since an invoice of ours took from the grant
    if row.deleted:
        if record.deleted_at is not None and not is_new:
            record.version_at = max(version, record.version_at)
            return "unchanged"
        record.deleted_at, record.version_at, record.updated_at, record.source = now, version, now, source
        return "deleted"
    differs = {name: value for name, value in row.values.items() if getattr(record, name) != value}
    if not differs and record.deleted_at is None and not is_new:
        record.version_at = max(version, record.version_at)
        return "unchanged"
    for name, value in differs.items():
        setattr(record, name, value)
    record.deleted_at, record.version_at, record.updated_at, record.source = None, version, now, source
    return "created" if is_new else "updated"


def _steps_back(record: Any, row: Row, version: datetime) -> bool:
    """Whether an invoice would go back on its way without a version that says so."""
    if not isinstance(record, Invoice) or row.deleted or "status" not in row.values or record.deleted_at is not None:
        return False
    if row.version_at is not None and version > record.version_at:
        return False
    return RANKS.get(str(row.values["status"]).upper(), 0) < RANKS.get(record.status.upper(), 0)


def _write(object_key: str, made: dict[str, Any], changed: dict[str, Any]) -> None:
    """Only what rows can carry is written: links to the product's customers and burned credit belong to others."""
    model = MODELS[object_key]
    model._default_manager.bulk_create(made.values(), batch_size=BATCH)
    names = [part.attribute for part in incoming.PARTS[object_key]]
    burned = [each for each in changed.values() if getattr(each, "is_burned", False)]
    rewrite(model, [each for each in changed.values() if each not in burned], [*names, *VERSION])
    rewrite(model, burned, [name for name in (*names, *VERSION) if name != "balance"])
    if model is BillingCustomer:
        linking.join_customers([*made.values(), *changed.values()])


def _lock() -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
