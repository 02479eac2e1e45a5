"""How fast billing objects reach an org: a first push, one with nothing changed, one with 1 % changed; the demo org over HTTP.

CUSTOMERS customers, four invoices each, five line items an invoice. Prints rows a second, API calls and memory of each push,
and how fast the desired rows alone are made. Wants: an unchanged push sends nothing and takes at most 0.35 of the first push's
time; 1 % changed sends exactly those rows.

Run: `python benchmarks/billing_push.py [--customers 50000]`. Database, lake and org are thrown away.
"""

import argparse
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import Board, machine, measuring, memory_of, start_django  # noqa: E402
from tests.demo import DemoOrgHandle, running_demo_org  # noqa: E402

INVOICES, LINES = 4, 5
OF_FIRST, ONE_IN = 0.35, 100
START = datetime(2026, 10, 1, tzinfo=UTC)
END = datetime(2026, 11, 1, tzinfo=UTC)


def main() -> int:
    """All pushes; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=50_000)
    wanted = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder, running_demo_org(Path(folder) / "org") as demo:
        start_django(Path(folder), demo=demo.url)
        org = connect(demo)
        fill(wanted.customers)
        return measure(org, demo, wanted.customers)


def connect(demo: DemoOrgHandle) -> Any:
    """A connection whose org has the package; all customers are in scope."""
    from django.utils import timezone

    from billing.preflight import settings_of
    from integrations.orgs.lifecycle import connect_demo_org

    demo.control("packages", {"package": "billing"})
    org = connect_demo_org(name="Bench", now=timezone.now())
    settings = settings_of(org)
    settings.scope = "all"
    settings.save()
    return org


def fill(customers: int) -> None:
    """The records, straight into the database."""
    from decimal import Decimal

    from billing.models import BillingCustomer, Invoice, LineItem, Plan

    Plan.objects.create(key="pro", name="Pro")
    for start in range(0, customers, 2_000):
        numbers = range(start, min(start + 2_000, customers))
        BillingCustomer.objects.bulk_create(BillingCustomer(key=f"c{n}", name=f"Customer {n}") for n in numbers)
        pairs = [(n, i) for n in numbers for i in range(INVOICES)]
        Invoice.objects.bulk_create(
            Invoice(key=f"i{n}-{i}", customer_key=f"c{n}", plan_key="pro", starts_at=START, ends_at=END, status="FINALIZED",
                    total=Decimal(n % 1000) + Decimal("0.5"))
            for n, i in pairs
        )  # fmt: skip
        LineItem.objects.bulk_create(
            LineItem(key=f"l{n}-{i}-{line}", invoice_key=f"i{n}-{i}", name=f"Line {line}", quantity=Decimal(line),
                     total=Decimal(n % 1000) / 10, credit_type="USD")
            for n, i in pairs for line in range(LINES)
        )  # fmt: skip


def measure(org: Any, demo: DemoOrgHandle, customers: int) -> int:
    """Rows alone, then the three pushes."""
    from django.db.models import F
    from django.utils import timezone

    from billing.models import LineItem
    from billing.preflight import settings_of
    from billing.rows import Told, stream

    board, lines = Board(), customers * INVOICES * LINES
    settings = settings_of(org)
    settings.prefix, settings.prefix_known = "NOME__", True
    settings.save()
    with measuring() as used:
        made = sum(batch.num_rows for batch in stream(org, settings, "line-items", now=timezone.now(), told=Told()))
    board.rate("desired rows of line items", made, used)
    rows = 1 + customers * (1 + INVOICES) + lines
    first = push(board, org, demo, "first push", rows, expect=rows)
    again = push(board, org, demo, "unchanged push", rows, expect=0)

    changed = LineItem.objects.filter(pk__in=LineItem.objects.order_by("pk").values("pk")[: lines // ONE_IN])
    number = changed.update(name="Changed", updated_at=F("updated_at"))
    push(board, org, demo, "push with 1 % changed", rows, expect=number)
    print(f"{again.seconds / first.seconds:.2f} of the first push's time, at most {OF_FIRST}")
    if again.seconds / first.seconds > OF_FIRST:
        board.missed.append("an unchanged push takes too long")
    print(memory_of(None))
    print(board.verdict())
    return 1 if board.missed else 0


def push(board: Board, org: Any, demo: DemoOrgHandle, what: str, rows: int, *, expect: int) -> Any:
    """One run to its end."""
    from django.utils import timezone

    from integrations.models import Run
    from integrations.sync import runs

    demo.control("writes", method="DELETE")
    demo.forget_calls()
    with measuring() as used:
        run = Run.objects.create(job="billing.push", org=org, domain="billing", queued_at=timezone.now())
        while runs.perform_run(run.pk) == "queued":
            Run.objects.filter(pk=run.pk).update(not_before=None)
    run.refresh_from_db()
    if run.state != Run.State.SUCCESS:
        raise SystemExit(f"The run ended {run.state}: {run.sentence}")
    written = demo.control("writes")["rows"]
    calls = len(demo.calls("/services/data/"))
    board.rate(what, rows, used, extra=f"  {calls} calls, {written:,} rows written")
    if written != expect:
        board.missed.append(f"{what}: {written:,} rows were written, not {expect:,}")
    return used


if __name__ == "__main__":
    sys.exit(main())
