"""Rows of the database back into rows to send: waiting rows that are tried again, values that an undo or a repair restores."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from integrations.lake.types import arrow_schema
from integrations.lake.writing import StagedFile, open_writer
from integrations.models import LakeTable, OutboxRow
from integrations.sync.outbox.columns import Column
from integrations.sync.outbox.intake import plain_column
from integrations.sync.outbox.live import typed_column
from integrations.sync.outbox.session import Session
from integrations.sync.outbox.targets import SENT_OWN


def wanted_values(row: OutboxRow) -> dict[str, Any]:
    """What is sent of a waiting row: what we wanted, with a person's values instead where there are some."""
    return {**row.values, **row.edited}


def sent_table(session: Session, rows: Sequence[OutboxRow], *, after: int) -> pa.Table:
    """Waiting rows as sent rows, parents' children together."""
    ordered = sorted(rows, key=lambda row: (row.parent_key, row.key))
    values = [wanted_values(row) for row in ordered]
    about = [
        {"key_": row.key, "id_": row.key if session.by_id else row.salesforce_id or None, "parent_": row.parent_key or None,
         "label_": row.label or None, "new_": not (session.by_id or row.salesforce_id)}
        for row in ordered
    ]  # fmt: skip
    return rows_table(session.columns, about, values, after=after)


def rows_table(
    columns: Sequence[Column], about: Sequence[Mapping[str, Any]], values: Sequence[Mapping[str, Any]], *, after: int
) -> pa.Table:
    """Sent rows from plain values by field; a field that a row does not name is left alone."""
    named = [{name.lower(): value for name, value in each.items()} for each in values]
    masks = ["".join("1" if column.field.lower() in each else "0" for column in columns) for each in named]
    own = {
        "key_": [each["key_"] for each in about],
        "id_": [each.get("id_") for each in about],
        "parent_": [each.get("parent_") for each in about],
        "label_": [each.get("label_") for each in about],
        "new_": [bool(each.get("new_")) for each in about],
        "remove_": [bool(each.get("remove_")) for each in about],
        "sent_": masks,
        "known_": ["0" * len(columns)] * len(about),
        "place_": list(range(after + 1, after + 1 + len(about))),
    }
    schema = arrow_schema(SENT_OWN)
    arrays = [pa.array(own[item.name], item.type) for item in schema]
    names = list(schema.names)
    for column in columns:
        arrays.append(_column([each.get(column.field.lower()) for each in named], column))
        names.append(column.name)
    return pa.Table.from_arrays(arrays, names=names)


def _column(values: Sequence[Any], column: Column) -> pa.Array:
    texts = [None if value is None else str(value).lower() if isinstance(value, bool) else str(value) for value in values]
    return plain_column(typed_column(pa.array(texts, pa.string()), column), column)


def stage_rows(table: LakeTable, rows: pa.Table) -> StagedFile:
    """Rows as a staged file of the push's sent rows; their before-images are not known."""
    with open_writer(table, columns=rows.column_names) as writer:
        writer.write(rows)
    return writer.staged
