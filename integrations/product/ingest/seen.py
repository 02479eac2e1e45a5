"""First and last seen of many records at once, moved outwards by the database itself: the common case of a flush.

Short transactions: on SQLite everybody who sends events waits for them (L-09).
"""

import time
from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from integrations.models import Customer, EndUser, Entity
from integrations.sync import retrying

BATCH = 500
WAY = 0.02  # seconds
Seen = tuple[int, datetime, datetime]
"""Id of a record, and when it was first and last seen in these events."""


def move_seen(entity: str, seen: Sequence[Seen], *, now: datetime) -> None:
    """Widen the times of these records; erased ones and those that would not change stay as they are.

    `updated_at` always moves forward, because the lake's copy takes the later version. Harmless to repeat.
    """
    table = (Customer if entity == Entity.CUSTOMER else EndUser)._meta.db_table
    write = _write_postgresql if connection.vendor == "postgresql" else _write_sqlite
    ordered = sorted(seen)  # so that two writers never wait for each other in a circle
    for start in range(0, len(ordered), BATCH):
        piece = ordered[start : start + BATCH]
        retrying.in_transaction(lambda piece=piece: write(table, piece, now), repeatable=True)
        make_way()


def make_way() -> None:
    """Between two short transactions, on SQLite: those who wait for its one write lock only look now and then, and would
    find it taken each time."""
    if connection.vendor == "sqlite":
        time.sleep(WAY)


def _write_postgresql(table: str, seen: Sequence[Seen], now: datetime) -> None:
    statement = f"""
        UPDATE {connection.ops.quote_name(table)} AS record
        SET first_seen_at = LEAST(record.first_seen_at, given.first), last_seen_at = GREATEST(record.last_seen_at, given.last),
            updated_at = GREATEST(%s, record.updated_at + interval '1 microsecond')
        FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[]) AS given(id, first, last)
        WHERE record.id = given.id AND record.erased_at IS NULL
          AND (record.first_seen_at IS NULL OR record.last_seen_at IS NULL
               OR given.first < record.first_seen_at OR given.last > record.last_seen_at)
    """  # noqa: S608  the name of our own table
    with connection.cursor() as cursor:
        cursor.execute(statement, [now, *map(list, zip(*seen, strict=True))])


def _write_sqlite(table: str, seen: Sequence[Seen], now: datetime) -> None:
    text = connection.ops.adapt_datetimefield_value
    statement = f"""
        UPDATE {connection.ops.quote_name(table)}
        SET first_seen_at = min(coalesce(first_seen_at, %s), %s), last_seen_at = max(coalesce(last_seen_at, %s), %s),
            updated_at = CASE WHEN updated_at < %s THEN %s ELSE django_format_dtdelta('+', updated_at, 1) END
        WHERE id = %s AND erased_at IS NULL
          AND (first_seen_at IS NULL OR last_seen_at IS NULL OR %s < first_seen_at OR %s > last_seen_at)
    """  # noqa: S608  the name of our own table
    at = text(now)
    rows = [(number, text(first), text(last)) for number, first, last in seen]
    with connection.cursor() as cursor:
        cursor.executemany(
            statement, [(first, first, last, last, at, at, number, first, last) for number, first, last in rows]
        )  # fmt: skip
