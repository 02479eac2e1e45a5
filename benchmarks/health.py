"""How fast health scores are computed and task rules are checked, over many customers with attributes.

The first computation writes every customer's attributes; the second finds nothing changed. Pages read the stored scores.

Run: `python benchmarks/health.py [--customers 100000]`.
"""

import argparse
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import Board, load, machine, measuring, memory_of, start_django  # noqa: E402

NOW = datetime(2026, 11, 22, 2, 45, tzinfo=UTC)
PARTS = [
    {"signal": "days_since_seen", "worst": 30, "best": 0}, {"signal": "attributes.seats", "worst": 0, "best": 50},
    {"signal": "nps.detractors_30d", "worst": 2, "best": 0}, {"signal": "attributes.plan", "best_values": ["Team"]},
]  # fmt: skip
FIRST, AGAIN, CHECKED, PAGE = 1_500, 4_000, 10_000, 0.5  # customers a second; seconds of a page
ROUNDS = 5


def main() -> int:
    """Measure; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=100_000)
    wanted = parser.parse_args()
    print(machine(), flush=True)
    board = Board()
    with tempfile.TemporaryDirectory() as folder:
        start_django(Path(folder))
        measure(wanted.customers, board)
    print(f"{memory_of(None)}, {load()}")
    print(board.verdict())
    return 1 if board.missed else 0


def measure(count: int, board: Board) -> None:
    """Compute twice, read pages, check a rule."""
    from integrations.product.health import compute, definitions, queries
    from integrations.product.task_rules import checking
    from integrations.product.task_rules import definitions as rules

    org = make_customers(count)
    score = definitions.save_score(None, definitions.Draft("Health", parts=PARTS), user=None, now=NOW)
    for name, target, later in (("first computation", FIRST, 0), ("nothing changed", AGAIN, 1)):
        with measuring() as used:
            compute.compute(score, org, now=NOW + timedelta(minutes=later))
        board.rate(name, count, used, target=target)
    board.answer("page of customers, worst first", [_timed(queries.find_scores, score) for _ in range(ROUNDS)], target=PAGE)
    with measuring() as used:
        exported = sum(1 for _ in queries.stream_scores(score, queries.Wanted()))
    board.rate("export", exported, used)
    quiet = [{"signal": "days_since_seen", "op": "at_least", "value": "55"}]
    rule = rules.save_rule(None, rules.Draft(org, "Quiet", "Call", conditions=quiet), user=None, now=NOW)
    with measuring() as used:
        checking.find_matching(rule, now=NOW)
    board.rate("task rule checked", count, used, target=CHECKED)


def make_customers(count: int) -> Any:
    """Customers with attributes, and a connection."""
    from integrations.models import Attribute, Customer, SalesforceOrg

    Attribute.objects.create(entity="customer", key="seats", label="Seats", type="NUMBER")
    Attribute.objects.create(entity="customer", key="plan", label="Plan", type="STRING")
    rows = (
        Customer(external_id=f"c-{n}", name=f"Company {n}", last_seen_at=NOW - timedelta(days=n % 60, hours=1),
                 attributes={"seats": str(n % 50), "plan": ("Free", "Team")[n % 2]})
        for n in range(count)
    )  # fmt: skip
    Customer.objects.bulk_create(rows, batch_size=5_000)
    return SalesforceOrg.objects.create(name="Bench", state=SalesforceOrg.State.CONNECTED)


def _timed(verb: Any, *given: Any) -> float:
    begun = time.perf_counter()
    verb(*given)
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main())
