"""L-11: 20 connections that refresh at once on 2 workers, then again while the reports of one of them are slow.

Each connection has key results on reports of its own. All runs are asked for in one moment, as a full hour does. Wanted: no run
starts more than 15 minutes late, and with one slow org the others are done no more than a tenth later than without.

Run: `python benchmarks/connections.py [--orgs 20] [--reports 5] [--seconds 1.0] [--rounds 3]`; `--seconds` is how long the slow
org thinks about each report. Everything is thrown away.
"""

import argparse
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.house import House, enter, make_keys, wait_for, working  # noqa: E402
from benchmarks.measuring import machine  # noqa: E402
from benchmarks.okr_refresh import make_reports  # noqa: E402
from benchmarks.targets import Verdicts  # noqa: E402
from tests.demo import running_demo_org  # noqa: E402

LATEST, MOST_DELAY = 15 * 60.0, 1.10


@dataclass(frozen=True, slots=True)
class Round:
    """All refreshes of one moment: the latest start, and when the quick orgs were done, in seconds from the asking."""

    latest_start: float
    quick_done: float
    slow_done: float
    ended_well: bool


def main() -> int:
    """With and without a slow org; 1 when it holds others up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orgs", type=int, default=20)
    parser.add_argument("--reports", type=int, default=5, help="of each connection")
    parser.add_argument("--seconds", type=float, default=1.0, help="the slow org's thinking about each report")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    make_keys()
    print(machine(), flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="causeway-orgs-") as folder,
        running_demo_org(Path(folder) / "org", size=50) as demo,
    ):
        place = House(Path(folder) / "house", DEMO_ORG_URL=demo.url, WORKERS="2")
        enter(place)
        orgs, slow_reports = furnish_orgs(options.orgs, options.reports)
        with working(place):
            perform_all(orgs)  # warm
            even = [perform_all(orgs) for _ in range(options.rounds)]
            one_slow = []
            for _ in range(options.rounds):
                demo.fault(path="|".join(slow_reports), times=100_000, status=0, delay=options.seconds)
                one_slow.append(perform_all(orgs))
                demo.no_faults()
    return judge(options, even, one_slow)


def furnish_orgs(number: int, reports: int) -> tuple[list[Any], list[str]]:
    """Connections with linked key results; and the reports of the first one."""
    from django.utils import timezone

    from integrations.orgs.lifecycle import connect_demo_org

    orgs = [connect_demo_org(name=f"Org {n}", now=timezone.now()) for n in range(number)]
    made = make_reports(orgs[0], number * reports)
    shares = [made[n * reports : (n + 1) * reports] for n in range(number)]
    for org, share in zip(orgs, shares, strict=True):
        link_reports(org, share)
    return orgs, shares[0]


def link_reports(org: Any, reports: list[str]) -> None:
    """A key result for each report."""
    from datetime import timedelta
    from decimal import Decimal

    from django.contrib.auth.models import User
    from django.utils import timezone

    from okr.models import KeyResult, Objective, Period, ReportLink
    from okr.sources import source_key

    owner, _ = User.objects.get_or_create(username="bench")
    today = timezone.now().date()
    dates = {"starts_on": today - timedelta(days=30), "ends_on": today + timedelta(days=60)}
    period, _ = Period.objects.get_or_create(name="Bench", defaults=dates)
    objective, _ = Objective.objects.get_or_create(title="Bench", owner=owner, period=period)
    for report in reports:
        result = KeyResult.objects.create(objective=objective, title=report, owner=owner, target=Decimal(10**12))
        ReportLink.objects.create(
            key_result=result, org=org, report_id=report, report_name="Copy", field="s!AMOUNT", filters=[], linked_by=owner,
            source_key=source_key(org, report, []),
        )  # fmt: skip


def perform_all(orgs: list[Any]) -> Round:
    """Ask for one refresh of each connection at once, the slow one first, and wait for all."""
    from django.utils import timezone

    from integrations.models import ApiUsage, Run
    from integrations.sync import runs

    ApiUsage.objects.all().delete()  # the hourly limit of report runs is not what is measured
    asked = timezone.now()
    made = [runs.request_run("okr.refresh", org=org, now=timezone.now()).pk for org in orgs]
    wait_for(lambda: not Run.objects.filter(pk__in=made, state__in=Run.ACTIVE).exists(), seconds=1800)
    done = {run.pk: run for run in Run.objects.filter(pk__in=made)}
    starts = [(run.started_at - asked).total_seconds() for run in done.values() if run.started_at]
    ends = [((done[pk].finished_at or asked) - asked).total_seconds() for pk in made]
    return Round(max(starts), statistics.fmean(ends[1:]), ends[0], all(run.state == "success" for run in done.values()))


def judge(options: argparse.Namespace, even: list[Round], one_slow: list[Round]) -> int:
    """The middle rounds against each other."""
    usual = statistics.median(each.quick_done for each in even)
    beside = statistics.median(each.quick_done for each in one_slow)
    latest = max(each.latest_start for each in [*even, *one_slow])
    whole = all(each.ended_well for each in [*even, *one_slow])
    print(f"  quick orgs done after {usual:.2f} s on average, {beside:.2f} s beside a slow one "
          f"(which took {statistics.median(each.slow_done for each in one_slow):.1f} s)")  # fmt: skip
    ratio = beside / usual
    said = f"{options.orgs} connections on 2 workers: latest start {latest:.1f} s, others x{ratio:.2f} beside a slow one"
    verdicts = Verdicts("connections.py")
    full = options.orgs >= 20
    good = latest <= LATEST and whole and (ratio <= MOST_DELAY)
    verdicts.add(
        "L-11", said + ("" if whole else ", NOT every run a success"), met=good if full else (None if whole else False)
    )
    return verdicts.close()


if __name__ == "__main__":
    sys.exit(main())
