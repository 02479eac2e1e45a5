"""L-06: how a refresh of many key results behaves against the demo org over HTTP.

Part 1: LINKS links on REPORTS reports: exactly REPORTS report runs and no describe while no report changed.
Part 2: SETS distinct (report, filter) sets: the round ends within its hour, inside 500 synchronous and 1,200 asynchronous
runs with a fifth of both left for people. Clocks are moved between the slices of a round; the work is real.

Run: `python benchmarks/okr_refresh.py [--links 10000] [--reports 300] [--sets 900]`. Database and org are thrown away.
"""

import argparse
import contextlib
import re
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import start_django  # noqa: E402
from benchmarks.targets import Verdicts  # noqa: E402
from tests.demo import DemoOrgHandle, running_demo_org  # noqa: E402

RUN = re.compile(r"/analytics/reports/[0-9A-Za-z]{15,18}$")
SYNC_LIMIT, ASYNC_LIMIT, FOR_PEOPLE = 500, 1200, 0.20
SOURCE = "Open pipeline by stage"
FILTERED = [[], [{"column": "AMOUNT", "operator": "greaterThan", "value": "1000"}],
            [{"column": "AMOUNT", "operator": "lessThan", "value": "900000"}]]  # fmt: skip


def main() -> int:
    """Run both parts; 1 when a figure is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--links", type=int, default=10_000)
    parser.add_argument("--reports", type=int, default=300)
    parser.add_argument("--sets", type=int, default=900)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_demo_org(Path(folder) / "org") as demo:
        start_django(Path(folder), demo=demo.url)
        org = connect()
        report_ids = make_reports(org, max(wanted.reports, -(-wanted.sets // len(FILTERED))))
        begun = time.perf_counter()
        checks = measure_links(org, demo, report_ids[: wanted.reports], wanted.links)
        seconds = (time.perf_counter() - begun) / 2  # two rounds
        exact = all(holds for _, holds in checks)
        checks += [] if not wanted.sets else measure_sets(org, demo, report_ids, wanted.sets)
    for text, holds in checks:
        print(f"{'ok  ' if holds else 'MISS'}  {text}")
    verdicts = Verdicts("okr_refresh.py")
    said = f"{wanted.links:,} key results on {wanted.reports} reports in {seconds:.1f} s, {wanted.reports} report runs"
    full = wanted.links >= 1000 and wanted.reports >= 200
    verdicts.add("L-06", said if exact else f"{said} NOT met exactly", met=(exact and seconds <= 600) if full else None)
    return max(verdicts.close(), 0 if all(holds for _, holds in checks) else 1)


def connect() -> Any:
    """A connection to the demo org over OAuth."""
    from django.utils import timezone

    from integrations.orgs.lifecycle import connect_demo_org

    return connect_demo_org(name="Bench", now=timezone.now())


def make_reports(org: Any, number: int) -> list[str]:
    """Copies of one summary report."""
    from integrations.orgs.connect import client_for

    with client_for(org, domain="bench") as client:
        (row,) = client.query_all(f"SELECT Id FROM Report WHERE Name = '{SOURCE}'")  # a constant
        made = []
        for index in range(number):
            body = {"reportMetadata": {"name": f"Copy {index}"}}
            data = client.request("POST", "analytics/reports", params={"cloneId": row["Id"]}, json=body).data
            made.append(data["reportMetadata"]["id"])
    return made


def make_links(org: Any, sources: list[tuple[str, list[dict[str, str]]]], number: int) -> None:
    """`number` linked key results over those (report, filters), written in bulk."""
    from django.contrib.auth.models import User
    from django.utils import timezone

    from okr.models import KeyResult, Objective, Period, ReportLink
    from okr.sources import source_key

    ReportLink.objects.all().delete()
    KeyResult.objects.all().delete()
    owner, _ = User.objects.get_or_create(username="bench")
    today = timezone.now().date()
    period, _ = Period.objects.get_or_create(
        name="Bench", defaults={"starts_on": today - timedelta(days=30), "ends_on": today + timedelta(days=60)}
    )
    objective, _ = Objective.objects.get_or_create(title="Bench", owner=owner, period=period)
    results = KeyResult.objects.bulk_create(
        (
            KeyResult(objective=objective, title=f"Number {index}", owner=owner, target=Decimal(10**12))
            for index in range(number)
        ),
        batch_size=500,
    )
    keys = [source_key(org, report, filters) for report, filters in sources]
    links = []
    for index, result in enumerate(results):
        report, filters = sources[index % len(sources)]
        links.append(ReportLink(
            key_result=result, org=org, report_id=report, report_name="Copy", field="s!AMOUNT" if index % 2 else "RowCount",
            source_key=keys[index % len(sources)], filters=filters, linked_by=owner,
        ))  # fmt: skip
    ReportLink.objects.bulk_create(links, batch_size=500)


def measure_links(org: Any, demo: DemoOrgHandle, reports: list[str], number: int) -> list[tuple[str, bool]]:
    """Part 1, twice: first every value is new, then nothing changed."""
    from integrations.models import RunObject
    from okr.models import ReportLink

    make_links(org, [(report, []) for report in reports], number)
    checks = []
    for name in ("all values new", "nothing changed"):
        demo.forget_calls()
        begin = time.perf_counter()
        run = perform(org, "manual")
        seconds = time.perf_counter() - begin
        runs, started, described = counted(demo)
        counts = RunObject.objects.get(run=run)
        fresh = ReportLink.objects.filter(status="fresh").count()
        print(
            f"{number:,} links on {len(reports)} reports, {name}: {seconds:.1f} s, {runs} sync and {started} async runs, "
            f"{described} describes, {counts.written:,} written, {counts.unchanged:,} unchanged, {memory()}"
        )
        checks += [
            (f"{name}: exactly {len(reports)} report runs ({runs + started})", runs + started == len(reports)),
            (f"{name}: no describe ({described})", described == 0),
            (f"{name}: every link fresh and counted", fresh == counts.read == number),
        ]
        org.usage.all().delete()
    return checks


def measure_sets(org: Any, demo: DemoOrgHandle, reports: list[str], number: int) -> list[tuple[str, bool]]:
    """Part 2: one scheduled round, its follow-up runs performed when they are due."""
    from integrations.orgs.connect import client_for
    from okr import sources
    from okr.models import ReportLink

    sets = [(report, filters) for filters in FILTERED for report in reports][:number]
    make_links(org, sets, number)
    with client_for(org, domain="bench") as client, moved_to(demo, datetime.now(UTC) + timedelta(minutes=1)) as now:
        stamps = sources.changed_descriptions(client, org, sorted({report for report, filters in sets if filters}))
        for report, stamp in stamps.items():  # as linking would have left them
            sources.describe_anew(client, org, report, now=now, modified_at=stamp)
    org.usage.all().delete()
    demo.forget_calls()
    # Two hours on: the runs of part 1 must not count in the org's rolling hour.
    slot = (datetime.now(UTC) + timedelta(hours=2)).replace(minute=0, second=2, microsecond=0)
    begin = time.perf_counter()
    done = list(round_of(org, demo, slot))
    ended = done[-1][1]
    assert all(run.state in {"success", "deferred"} for run, _ in done), [run.sentence for run, _ in done]
    seconds = time.perf_counter() - begin
    runs, started, described = counted(demo)
    fresh = ReportLink.objects.filter(status="fresh", last_checked_at__gte=slot).count()
    took = ended - slot
    print(
        f"{number} distinct sets: {len(done)} passes over {took}, {seconds:.1f} s of work, {runs} synchronous and "
        f"{started} asynchronous runs, {described} describes, {memory()}"
    )
    return [
        (f"all {number} sets read within the hour ({fresh} in {took})", fresh == number and took < timedelta(hours=1)),
        (f"synchronous runs leave a fifth ({runs} of {SYNC_LIMIT})", runs <= SYNC_LIMIT * (1 - FOR_PEOPLE)),
        (f"asynchronous runs leave a fifth ({started} of {ASYNC_LIMIT})", started <= ASYNC_LIMIT * (1 - FOR_PEOPLE)),
        (f"exactly one run a set ({runs + started})", runs + started == number),
        (f"no describe of an unchanged report ({described})", described == 0),
    ]


def round_of(org: Any, demo: DemoOrgHandle, slot: datetime) -> Iterator[tuple[Any, datetime]]:
    """Every pass of the round, each at its own time; at most 100."""
    from integrations.models import Run

    at, trigger = slot, "schedule"
    for _ in range(100):
        with moved_to(demo, at):
            run = perform(org, trigger)
            yield run, datetime.now(UTC)
        waiting = Run.objects.filter(org=org, job="okr.refresh", state="queued").first()
        if waiting is None:
            return
        at, trigger = (waiting.not_before or at) + timedelta(seconds=1), "system"


def perform(org: Any, trigger: str) -> Any:
    """One pass, as a worker performs it."""
    from django.utils import timezone

    from integrations.orgs.connect import flush_usage
    from integrations.sync import runs

    run = runs.request_run("okr.refresh", org=org, trigger=trigger, now=timezone.now())
    runs.perform_run(run.pk)
    flush_usage()
    run.refresh_from_db()
    return run


@contextlib.contextmanager
def moved_to(demo: DemoOrgHandle, at: datetime) -> Iterator[datetime]:
    """Both clocks at `at`, running on."""
    import time_machine

    demo.clock(now=at.isoformat())
    with time_machine.travel(at, tick=True):
        yield at


def counted(demo: DemoOrgHandle) -> tuple[int, int, int]:
    """Synchronous runs, asynchronous runs started, describes, as the org counted them."""
    calls = demo.calls("/analytics/reports/")
    runs = sum(1 for call in calls if RUN.search(call["path"]) and call["method"] in {"GET", "POST"})
    started = sum(1 for call in calls if call["path"].endswith("/instances") and call["method"] == "POST")
    return runs, started, sum(1 for call in calls if call["path"].endswith("/describe"))


def memory() -> str:
    """The most memory this process has used."""
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB"


if __name__ == "__main__":
    sys.exit(main())
