"""How fast usage becomes invoices: a first round, one in which nothing changed, one in which a tenth of the usage is new.

CUSTOMERS customers with a plan each (a fee, units, tiers), five usage reports each, credit for every second one. Wants: 800
plans a second in the first round, 1,500 where nothing changed.

Run: `python benchmarks/rating.py [--customers 5000]`. The database is thrown away.
"""

import argparse
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import Board, load, machine, measuring, memory_of, start_django  # noqa: E402

NOW = datetime(2026, 10, 20, tzinfo=UTC)
START = datetime(2026, 10, 1, tzinfo=UTC)
FIRST, AGAIN = 800, 1_500  # plans a second
REPORTS = 5


def main() -> int:
    """All rounds; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=5_000)
    wanted = parser.parse_args()
    print(machine())
    board = Board()
    with tempfile.TemporaryDirectory() as folder:
        start_django(Path(folder))
        fill(wanted.customers)
        measure(board, wanted.customers)
    print(f"{memory_of(None)}, {load()}")
    print(board.verdict())
    return 1 if board.missed else 0


def fill(customers: int) -> None:
    """The records, straight into the database."""
    from billing.models import BillableMetric, BillingCustomer, CreditGrant, CustomerPlan, Plan, Price

    Plan.objects.create(key="pro", name="Pro")
    BillableMetric.objects.create(key="api", name="Calls")
    tiers = [{"up_to": "1000", "unit": "0.01"}, {"up_to": None, "unit": "0.008"}]
    Price.objects.create(key="fee", plan_key="pro", name="Fee", model="fixed", amount=Decimal(99))
    Price.objects.create(key="unit", plan_key="pro", metric_key="api", name="Calls", model="per_unit", amount=Decimal("0.02"))
    Price.objects.create(key="tier", plan_key="pro", metric_key="api", name="Tiers", model="tiered", tiers=tiers)
    names = [f"c{number:06}" for number in range(customers)]
    BillingCustomer.objects.bulk_create([BillingCustomer(key=each, name=each) for each in names], batch_size=500)
    plans = [CustomerPlan(key=f"p{each}", customer_key=each, plan_key="pro", starting_on=START) for each in names]
    CustomerPlan.objects.bulk_create(plans, batch_size=500)
    grants = [
        CreditGrant(key=f"g{each}", customer_key=each, name="Welcome", effective_at=START, initial_balance=Decimal(50))
        for each in names[::2]
    ]
    CreditGrant.objects.bulk_create(grants, batch_size=500)
    report(names, 0)


def report(names: list[str], first: int) -> None:
    """Usage of some customers."""
    from billing.models import UsageRecord

    records = [
        UsageRecord(key=f"u{first}-{each}-{number}", customer_key=each, metric_key="api", quantity=Decimal("400.25"),
                    at=START + timedelta(days=number + 1))
        for each in names for number in range(REPORTS)
    ]  # fmt: skip
    UsageRecord.objects.bulk_create(records, batch_size=500)


def measure(board: Board, customers: int) -> None:
    """Three rounds and what they wrote."""
    for name, target in (("first round", FIRST), ("nothing changed", AGAIN), ("a tenth has new usage", 0)):
        if name.startswith("a tenth"):
            report([f"c{number:06}" for number in range(0, customers, 10)], 1)
        with measuring() as used:
            outcomes = rate()
        print(outcomes)
        board.rate(name, customers, used, target=target)


def rate() -> dict[str, int]:
    """One round over all plans, as the job does it; how many invoices ended how."""
    from collections import Counter

    from billing import rating
    from billing.balances import update_balances

    round_, after, told = rating.Rate(NOW), 0, Counter[str]()
    while plans := list(rating.plans_to_rate(NOW).filter(pk__gt=after).order_by("pk")[: rating.PLANS]):
        for found in round_.rate_many(plans).values():
            outcomes: Any = found
            told.update(outcome for _, outcome in outcomes)
        after = plans[-1].pk
    update_balances(now=NOW)
    return dict(told)


if __name__ == "__main__":
    sys.exit(main())
