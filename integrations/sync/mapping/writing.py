"""Attribute changes into the database, thousands at a time: merged by the database itself, so that nobody's keys get lost.

The rows are not read first: between reading and writing a client may have set another attribute of the same record.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import connection

from integrations.models import Customer, EndUser, Entity
from integrations.sync.mapping.stored import Stored

BATCH = 5_000
Patch = tuple[int, Mapping[str, Stored]]
"""Id of a record and its changed attributes; None takes the key away (PX-D13)."""


def write_attributes(entity: str, patches: Sequence[Patch], *, now: datetime) -> int:
    """Set or clear attributes of these records; call it inside a transaction. Erased records stay as they are.

    `updated_at` always moves forward, because the lake's copy takes the later version. Returns how many rows were changed.
    """
    table = (Customer if entity == Entity.CUSTOMER else EndUser)._meta.db_table
    write = _write_postgresql if connection.vendor == "postgresql" else _write_sqlite
    return sum(write(table, patches[start : start + BATCH], now) for start in range(0, len(patches), BATCH))


def _write_postgresql(table: str, patches: Sequence[Patch], now: datetime) -> int:
    statement = f"""
        UPDATE {connection.ops.quote_name(table)} AS record
        SET attributes = (record.attributes || given.filled::jsonb)
                         - ARRAY(SELECT jsonb_array_elements_text(given.cleared::jsonb)),
            updated_at = GREATEST(%s, record.updated_at + interval '1 microsecond')
        FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS given(id, filled, cleared)
        WHERE record.id = given.id AND record.erased_at IS NULL
    """  # noqa: S608  the name of our own table
    ids = [record for record, _ in patches]
    filled = [json.dumps({key: value for key, value in patch.items() if value is not None}) for _, patch in patches]
    cleared = [json.dumps([key for key, value in patch.items() if value is None]) for _, patch in patches]
    with connection.cursor() as cursor:
        cursor.execute(statement, [now, ids, filled, cleared])
        return cursor.rowcount


def _write_sqlite(table: str, patches: Sequence[Patch], now: datetime) -> int:
    """A merge patch (RFC 7396): null takes a key away."""
    at = connection.ops.adapt_datetimefield_value(now)
    statement = f"""
        UPDATE {connection.ops.quote_name(table)}
        SET attributes = json_patch(attributes, %s),
            updated_at = CASE WHEN updated_at < %s THEN %s ELSE django_format_dtdelta('+', updated_at, 1) END
        WHERE id = %s AND erased_at IS NULL
    """  # noqa: S608  the name of our own table
    with connection.cursor() as cursor:
        cursor.executemany(statement, [(json.dumps(dict(patch)), at, at, record) for record, patch in patches])
        return cursor.rowcount
