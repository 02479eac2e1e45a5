"""Mapping linked customers at size: pulled values onto attributes, desired rows of a push, against the same work per cell.

1. ROWS linked customers with five attributes beside ROWS mirrored accounts with four pulled fields, half of which differ.
2. The first pull writes half of them; the second finds nothing to write.
3. The desired rows of a push with six fields, as the job makes them.
4. Their conversion alone, by columns and value by value (the exact path): columns are at least eight times as quick and give
   the same rows.

Run: `python benchmarks/mapping.py [--rows 1000000] [--memory 256]`. Database and lake are thrown away.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import Board, machine, measuring, memory_of, start_django  # noqa: E402

SAMPLE = 200_000  # rows that are converted in both ways
PULLED = {"industry": "Industry", "seats": "Seats__c", "is_vip": "Vip__c", "renewal": "Renewal__c"}
PUSHED = {
    "attributes.plan": "PX_Plan__c", "attributes.seats": "PX_Seats__c", "attributes.is_vip": "PX_Vip__c",
    "attributes.renewal": "PX_Renewal__c", "name": "PX_Name__c", "last_seen_at": "PX_Seen__c",
}  # fmt: skip
CUSTOMERS = """
INSERT INTO integrations_customer (external_id, name, website, attributes, last_seen_at, created_at, updated_at)
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {rows} - 1)
SELECT 'cust-' || i, 'Customer ' || i, '',
    '{{"plan": "Team", "seats": "' || (i * 0.25) || '", "is_vip": true, "renewal": "2027-01-31T00:00:00Z", "industry": "'
        || CASE WHEN i % 2 THEN 'Retail' ELSE 'Energy' END || '"}}',
    '2026-11-01 08:30:00.250000', '2025-01-01 00:00:00', '2026-01-01 00:00:00' FROM n
"""
LINKS = """
INSERT INTO integrations_recordlink
    (org_id, entity, customer_id, object, salesforce_id, rule, state, reason, locked, wins, candidates, candidate_ids,
     mapping_version, linked_at)
SELECT {org}, 'customer', id, 'Account', '001' || printf('%012d', id) || 'AAA', 'manual', 'active', '', 0, 0, 1, '[]', 1,
    '2026-01-01 00:00:00' FROM integrations_customer
"""
ACCOUNTS = """
SELECT '001' || lpad((range + 1)::VARCHAR, 12, '0') || 'AAA' AS "Id", 'Energy' AS "Industry",
    CAST(range * 0.25 AS DECIMAL(38, 12)) AS "Seats__c", true AS "Vip__c", DATE '2027-01-31' AS "Renewal__c"
FROM range({rows})
"""


def main() -> int:
    """All parts; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--memory", type=int, default=256, help="MB for the engine")
    wanted = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        start_django(Path(folder), LAKE_MEMORY_MB=str(wanted.memory))
        return measure(wanted.rows)


def fill(rows: int) -> tuple[Any, Any]:
    """The connection with its links, and the mirror's table."""
    from django.db import connection, transaction
    from django.utils import timezone

    from integrations.lake import tables, writing
    from integrations.lake.engine import open_engine
    from integrations.models import Attribute, SalesforceOrg

    org = SalesforceOrg.objects.create(name="Bench", login_url="https://bench.my.salesforce.com")
    for key, kind in (
        ("plan", "STRING"),
        ("seats", "NUMBER"),
        ("is_vip", "BOOLEAN"),
        ("renewal", "DATE_TIME"),
        ("industry", "STRING"),
    ):
        Attribute.objects.create(entity="customer", key=key, label=key, type=kind)
    with connection.cursor() as cursor:
        cursor.execute(CUSTOMERS.format(rows=rows))
        cursor.execute(LINKS.format(org=org.pk))
    kinds = (("Id", "text"), ("Industry", "text"), ("Seats__c", "number"), ("Vip__c", "flag"), ("Renewal__c", "day"))
    table = tables.ensure_table(f"mirror/{org.pk}/Account", columns=kinds, key="Id")
    with open_engine() as engine:
        staged = engine.copy_to(ACCOUNTS.format(rows=rows), table, kind="base")
    with transaction.atomic():
        writing.register(table, staged, now=timezone.now())
    return org, table


def described() -> Any:
    """The account object as Salesforce would describe it."""
    from integrations.salesforce.describe import Choice, FieldInfo, ObjectInfo

    def field(name: str, kind: str, **extra: Any) -> FieldInfo:
        return FieldInfo(name, name, kind, createable=True, updateable=True, custom=True, **extra)

    plans = tuple(Choice(value, value, True, False) for value in ("Free", "Team", "Enterprise"))
    number = {"precision": 18, "scale": 2}
    fields = (
        field("Industry", "picklist", length=255), field("Seats__c", "double", **number), field("Vip__c", "boolean"),
        field("Renewal__c", "date"), field("PX_Plan__c", "picklist", length=255, choices=plans, restricted_picklist=True),
        field("PX_Seats__c", "double", **number), field("PX_Vip__c", "boolean"), field("PX_Renewal__c", "date"),
        field("PX_Name__c", "string", length=80), field("PX_Seen__c", "datetime"),
    )  # fmt: skip
    return ObjectInfo("Account", "Account", "001", False, True, True, True, True, True, True, True, fields)


def measure(rows: int) -> int:
    """The figures, one a line."""
    board = Board()
    org, table = fill(rows)
    for name in ("first pull (half changes)", "second pull (nothing changes)"):
        with measuring() as used:
            written = pull(org, table)
        board.rate(name, rows, used, extra=f"  {written:,} written")
    with measuring() as used:
        made = sum(batch.num_rows for batch in push(org))
    board.rate("desired rows of a push", made, used)
    pieces = list(first_pieces(org, min(rows, SAMPLE)))
    converted = sum(piece.num_rows for piece in pieces)
    with measuring() as by_column:
        fast = convert_columns(pieces)
    board.rate("conversion by column", converted, by_column)
    with measuring() as by_value:
        slow = convert_values(pieces)
    board.rate("conversion value by value", converted, by_value)
    print(memory_of(None))
    if not all(one.equals(other) for one, other in zip(fast, slow, strict=True)):
        print("MISSED: both ways must give the same rows")
        return 1
    ratio = by_value.processor / max(by_column.processor, 0.001)
    print(f"by column {ratio:.1f} times as quick, target 8: {'met' if ratio >= 8 else 'MISSED'}")
    return 0 if ratio >= 8 else 1


def pull(org: Any, table: Any) -> int:
    """Pieces of links beside the mirror, the differences written; how many rows."""
    from django.db import transaction
    from django.utils import timezone

    from integrations.lake import reading
    from integrations.lake.engine import open_engine
    from integrations.sync.mapping import filling
    from integrations.sync.mapping.body import FieldPair
    from integrations.sync.mapping.linked import read_linked
    from integrations.sync.mapping.writing import write_attributes

    info, written = described(), 0
    fillings = [filling.Filling(FieldPair("pull", f"attributes.{key}", name), info.field(name)) for key, name in PULLED.items()]
    with open_engine() as engine:
        engine.bind("records", reading.newest(table))
        for piece in read_linked(org, "customer", "Account", [each.pair.source for each in fillings]):
            found = filling.fill(engine, piece, fillings)
            with transaction.atomic():
                written += write_attributes("customer", found.patches, now=timezone.now())
    return written


def sendings() -> tuple[Any, Any]:
    """The body of the push and its pairs."""
    from integrations.models import SalesforceOrg
    from integrations.sync.mapping import desired
    from integrations.sync.mapping.body import FieldPair, default_body
    from integrations.sync.mapping.catalogue import source_fields
    from integrations.sync.mapping.check import know

    pairs = tuple(FieldPair("push", source, name, accept_lossy=True) for source, name in PUSHED.items())
    body = replace(default_body("customer"), pairs=pairs)
    return body, desired.sendings_of(body, know(source_fields(SalesforceOrg.objects.get(), "customer"), described()))


def push(org: Any) -> Iterator[Any]:
    """The desired rows, as the job makes them."""
    from django.utils import timezone

    from integrations.sync.mapping import desired

    body, chosen = sendings()
    yield from desired.stream(org, body, chosen, losers={}, left=desired.Left(), now=timezone.now())


def first_pieces(org: Any, rows: int) -> Iterator[Any]:
    """The first linked rows with the values to convert."""
    from integrations.sync.mapping.linked import read_linked

    done = 0
    for piece in read_linked(org, "customer", "Account", list(PUSHED)):
        yield piece.slice(0, rows - done)
        done += piece.num_rows
        if done >= rows:
            return


def convert_columns(pieces: Sequence[Any]) -> list[Any]:
    """Every column of every piece at once."""
    from integrations.sync.mapping.columns import convert_column_out

    chosen = sendings()[1]
    return [
        convert_column_out(piece.column(f"k{place}"), each.kind, each.info, each.pair).values
        for piece in pieces
        for place, each in enumerate(chosen)
    ]


def convert_values(pieces: Sequence[Any]) -> list[Any]:
    """The same, each value through the exact path."""
    import pyarrow as pa

    from integrations.lake.types import arrow_type
    from integrations.sync.mapping import columns
    from integrations.sync.mapping.convert import Converted, convert_out

    made = []
    for piece in pieces:
        for place, each in enumerate(sendings()[1]):
            raws = piece.column(f"k{place}").to_pylist()
            outcomes = [convert_out(columns.read_source(each.kind, raw), each.kind, each.info, each.pair) for raw in raws]
            values = [one.value if isinstance(one, Converted) else None for one in outcomes]
            made.append(pa.array(values, arrow_type(columns.kind_of(each.info))))
    return made


if __name__ == "__main__":
    sys.exit(main())
