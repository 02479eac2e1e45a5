"""Rows in the mirror, as a read leaves them."""

from datetime import datetime

from django.db import transaction

from integrations.lake.types import arrow_schema
from integrations.lake.writing import open_writer, register
from integrations.models import MirrorField, MirrorObject, SalesforceOrg
from integrations.sync.mirror import tables as mirror_tables


def mirror(org: SalesforceOrg, name: str, columns: dict[str, str], rows: list[dict[str, object]], now: datetime) -> None:
    """A mirrored object with these rows, as a read leaves it."""
    import pyarrow as pa

    table = mirror_tables.ensure_mirror_table(org, name, list(columns.items()), version="SystemModstamp")  # type: ignore[arg-type]
    made = MirrorObject.objects.create(org=org, name=name, table=table, read_at=now)
    for field in columns:
        MirrorField.objects.create(object=made, name=field, type="string")
    kinds = dict(table.columns)
    full = [{**dict.fromkeys(kinds), "IsDeleted": False, **row} for row in rows]
    with open_writer(table) as writer:
        writer.write(pa.Table.from_pylist(full, schema=arrow_schema(tuple(kinds.items()))))
    with transaction.atomic():
        register(table, writer.files, now=now)
