"""Small worlds for KPI tests: events and answers written straight into the lake, and a naive reference that counts in Python."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import count
from typing import Any

import pyarrow as pa
from django.db import transaction

from integrations.lake import writing
from integrations.lake.types import arrow_schema
from integrations.product.ingest import lake_tables
from integrations.product.models import DirtyDay

NUMBERS = count()


@dataclass
class World:
    """What happened, as plain rows."""

    events: list[dict[str, Any]] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)

    def event(
        self, user: int | None, customer: int | None, at: datetime, name: str = "Opened", *, automatic: bool = False,
        received: datetime | None = None, event_id: str = "", **properties: Any,
    ) -> None:  # fmt: skip
        """One event."""
        self.events.append({
            "event_id": event_id or f"e{next(NUMBERS)}", "day": at.astimezone(UTC).date(), "at": at,
            "received_at": received or at, "customer_id": customer, "end_user_id": user, "name": name, "automatic": automatic,
            "properties": json.dumps(properties),
        })  # fmt: skip

    def answer(self, user: int | None, customer: int | None, at: datetime, score: int, survey: str = "s") -> None:
        """One NPS answer."""
        self.answers.append({
            "event_id": f"n{next(NUMBERS)}", "day": at.astimezone(UTC).date(), "at": at, "received_at": at,
            "customer_id": customer, "end_user_id": user, "survey": survey, "score": score, "comment": "",
        })  # fmt: skip

    def store(self, *, now: datetime) -> None:
        """Everything into the lake, with marks for its days; forgets it here."""
        write_rows(lake_tables.events_table(), lake_tables.EVENT_COLUMNS, self.events, now=now)
        write_rows(lake_tables.nps_table(), lake_tables.NPS_COLUMNS, self.answers, now=now)
        self.events, self.answers = [], []


def write_rows(table: Any, columns: Any, rows: list[dict[str, Any]], *, now: datetime) -> None:
    """Rows into a table by day, as the flush does: registered in the transaction that marks their days."""
    if not rows:
        return
    with writing.open_writer(table) as writer:
        writer.write(pa.Table.from_pylist(rows, schema=arrow_schema(columns)))
    with transaction.atomic():
        writing.register(table, writer.files, now=now)
        for day in sorted({each["day"] for each in rows}):
            DirtyDay.objects.create(day=day, since=now)


# --- The reference ------------------------------------------------------------------------------------------------------


def users_in(events: Iterable[dict[str, Any]], customer: int, begin: datetime, end: datetime) -> int:
    """Distinct active users of a customer."""
    return len({
        each["end_user_id"] for each in events
        if each["customer_id"] == customer and begin <= each["at"] < end and not each["automatic"] and each["end_user_id"]
    })  # fmt: skip


def percent(current: int | None, before: int | None, *, zero: bool = True) -> Fraction | None:
    """By definition, exactly."""
    if current is None or before is None:
        return None
    if before == 0:
        return Fraction(0) if current == 0 and zero else None
    return Fraction(current - before, abs(before)) * 100


def answers_in(answers: Iterable[dict[str, Any]], customer: int, begin: datetime, end: datetime) -> list[int]:
    """Scores that count: of each person and survey the latest."""
    latest: dict[Any, tuple[Any, int]] = {}
    for each in answers:
        if each["customer_id"] != customer or not begin <= each["at"] < end:
            continue
        who = (each["end_user_id"], each["survey"]) if each["end_user_id"] else each["event_id"]
        order = (each["at"], each["received_at"], each["event_id"])
        if who not in latest or order > latest[who][0]:
            latest[who] = (order, each["score"])
    return [score for _, score in latest.values()]


def nps(scores: list[int]) -> int | None:
    """By definition, rounded half away from zero."""
    if not scores:
        return None
    share = Fraction(100 * (sum(each >= 9 for each in scores) - sum(each <= 6 for each in scores)), len(scores))
    sign, size = (-1 if share < 0 else 1), abs(share)
    return sign * int(size + Fraction(1, 2))


def cut(value: Fraction | None) -> Decimal | None:
    """With 12 places, as it is stored."""
    if value is None:
        return None
    sign = -1 if value < 0 else 1
    return sign * Decimal(int(abs(value) * 10**12)).scaleb(-12)


def month_before(day: date) -> tuple[date, date]:
    """The last complete calendar month before a day."""
    end = day.replace(day=1)
    return (end - timedelta(days=1)).replace(day=1), end
