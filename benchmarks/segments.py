"""How fast segments answer: counts, pages, slices and members over all customers at once, and single records in Python.

Customers with eight attributes each and a stored row of KPIs, written straight into the lake as a compacted base.

Run: `python benchmarks/segments.py [--customers 1000000] [--rounds 3]`. The target is a second an answer at a million customers
on two idle cores.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import Board, load, machine, measuring, memory_of, start_django  # noqa: E402

NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
TARGET = 1.0
ATTRIBUTES = {
    "plan": "STRING", "industry": "STRING", "region": "STRING", "seats": "NUMBER", "arr": "NUMBER", "renewal": "DATE_TIME",
    "vip": "BOOLEAN", "owner": "STRING",
}  # fmt: skip
CUSTOMERS = """
SELECT i AS id, 'c' || i AS external_id, CASE WHEN i % 5 = 0 THEN 'Müller ' ELSE 'Company ' END || hash(i, 1) % 1000000 AS name,
    'https://c' || i || '.example' AS website,
    '{"plan": "' || ['Free', 'Pro', 'Équipe'][CAST(1 + hash(i, 2) % 3 AS INT)] || '", "industry": "Industry ' || hash(i, 3) % 40
        || '", "region": "' || ['EMEA', 'APAC', 'AMER'][CAST(1 + hash(i, 4) % 3 AS INT)] || '", "seats": "' || hash(i, 5) % 1000
        || '", "arr": "' || hash(i, 6) % 1000000 || '.5", "renewal": "'
        || strftime(DATE '2026-06-01' + CAST(hash(i, 7) % 400 AS INT), '%Y-%m-%d') || 'T00:00:00Z", "vip": '
        || CASE WHEN hash(i, 8) % 10 = 0 THEN 'true' ELSE 'false' END || ', "owner": "Owner ' || hash(i, 9) % 200
        || '"}' AS attributes,
    TIMESTAMPTZ '2025-01-01 00:00:00+00' AS first_seen_at,
    TIMESTAMPTZ '2026-11-22 00:00:00+00' - to_hours(CAST(hash(i, 10) % 5000 AS INT)) AS last_seen_at,
    i AS version, false AS removed, false AS deleted
FROM (SELECT range AS i FROM range(1, $last)) AS numbers
"""
FIGURES = """
SELECT i AS customer_id, i AS id, TIMESTAMPTZ '2026-11-22 00:00:00+00' AS computed_at, false AS removed,
    CAST(hash(i, 11) % 300 AS BIGINT) AS active_users_30d, CAST(hash(i, 12) % 201 AS BIGINT) - 100 AS nps_score_90d
FROM (SELECT range AS i FROM range(1, $last)) AS numbers
"""
CONDITIONS: dict[str, list[dict[str, Any]]] = {
    "one attribute": [{"field": "attributes.plan", "op": "is", "value": "équipe"}],
    "one KPI": [{"field": "kpi.active_users_30d", "op": "less_than", "value": 20}],
    "renewal within 90 days": [{"field": "attributes.renewal", "op": "in_next", "value": 90}],
    "name contains": [{"field": "name", "op": "contains", "value": "ÜLLER 12"}],
    "six conditions": [
        {"field": "attributes.region", "op": "is_any_of", "value": ["emea", "apac"]},
        {"field": "attributes.seats", "op": "at_least", "value": 100},
        {"field": "attributes.renewal", "op": "in_next", "value": 90},
        {"field": "kpi.nps_score_90d", "op": "less_than", "value": 0},
        {"any": [{"field": "attributes.vip", "op": "is_true"}, {"field": "last_seen_at", "op": "in_last", "value": 30}]},
    ],
}


def main() -> int:
    """Measure; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    wanted = parser.parse_args()
    print(machine(), flush=True)
    board = Board()
    with tempfile.TemporaryDirectory() as folder:
        start_django(Path(folder))
        fill(wanted.customers)
        measure(wanted, board)
    print(f"{memory_of(None)}, {load()}")
    print(board.verdict())
    return 1 if board.missed else 0


def fill(customers: int) -> None:
    """The tables of the lake."""
    from django.db import transaction

    from integrations.lake.engine import open_engine
    from integrations.lake.writing import register
    from integrations.models import Attribute
    from integrations.product.kpis import tables as kpi_tables
    from integrations.sync.matching import spine

    for key, kind in ATTRIBUTES.items():
        Attribute.objects.create(entity="customer", key=key, label=key.capitalize(), type=kind)
    figures = kpi_tables.kpis_table([("active_users_30d", "whole"), ("nps_score_90d", "whole")])
    with open_engine() as engine:
        for table, statement in ((spine.spine_table("customer"), CUSTOMERS), (figures, FIGURES)):
            staged = engine.copy_to(statement, table, kind="base", last=customers + 1)
            with transaction.atomic():
                register(table, staged, now=NOW)


def measure(wanted: argparse.Namespace, board: Board) -> None:
    """Every answer several times."""
    from integrations.product.segments import asking
    from integrations.product.segments.conditions import read_tree
    from integrations.product.segments.known import know

    known = know("customer")
    target = max(TARGET * wanted.customers / 1_000_000, 0.2)

    def timed(name: str, ask: Callable[[], Any]) -> None:
        times = []
        for _ in range(wanted.rounds):
            begun = time.perf_counter()
            ask()
            times.append(time.perf_counter() - begun)
        board.answer(name, times, target=target)

    columns = [known.fields[key] for key in ("attributes.seats", "attributes.industry", "kpi.active_users_30d", "last_seen_at")]
    for name, conditions in CONDITIONS.items():
        asked = asking.Question(known, (read_tree({"all": conditions}, known),), sort="-attributes.arr")
        timed(f"count: {name}", lambda asked=asked: asking.count(asked, now=NOW))
        timed(f"page: {name}", lambda asked=asked: asking.read_page(asked, columns, first=0, rows=50, now=NOW))
    everyone = asking.Question(known)
    timed(
        "page: everyone by name",
        lambda: asking.read_page(asking.Question(known, sort="name"), columns, first=0, rows=50, now=NOW),
    )
    by, figure = known.fields["attributes.industry"], known.fields["kpi.active_users_30d"]
    timed("slice by industry, sum of a KPI", lambda: asking.slice_by(everyone, by, (("sum", figure),), now=NOW))
    timed("keys of a third", lambda: asking.member_ids(asking.Question(
        known, (read_tree({"all": CONDITIONS["one attribute"]}, known),)), now=NOW))  # fmt: skip
    measure_evaluator(known, board)


def measure_evaluator(known: Any, board: Board) -> None:
    """Single records, without looking anything up."""
    from integrations.product.segments.conditions import read_tree
    from integrations.product.segments.evaluate import fulfils

    class Facts:
        def value(self, field: Any) -> object:
            stored = {"region": "EMEA", "seats": "250", "renewal": "2026-12-24T00:00:00Z", "vip": True}
            return stored.get(field.name.rpartition(".")[2], -20 if field.source == "kpi" else NOW)

        def ids(self, field: Any) -> frozenset[str]:
            return frozenset()

        def count(self, field: Any, happened: Any) -> int:
            return 0

    tree, rows = read_tree({"all": CONDITIONS["six conditions"]}, known), 5_000
    with measuring() as used:
        for _ in range(rows):
            fulfils(tree, known.fields, Facts(), now=NOW)
    board.rate("one record, six conditions", rows, used)


if __name__ == "__main__":
    raise SystemExit(main())
