"""How fast the outbox pushes, against the demo org over HTTP, beside a bare script and simple-salesforce in the same run.

1. ROWS rows by external id with answers read back: at least 0.7 of the speed of a bare CSV + one PUT, at least 2.5 times
   that of simple-salesforce's bulk2.upsert, at most 6 calls for each 100 MB.
2. The same push with 5 % changed: exactly the changed rows are sent, in at most 0.15 of the time.
3. UNCHANGED rows of which none changed: nothing is sent, in at most 5 calls.

Run: `python benchmarks/push.py [--rows 100000] [--unchanged 1000000]`. Database, lake and org are thrown away.

Answers L-03 and L-04.
"""

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import Board, Usage, machine, measuring, memory_of, start_django  # noqa: E402
from benchmarks.targets import Verdicts  # noqa: E402
from tests.demo import DemoOrgHandle, running_demo_org  # noqa: E402

OF_BARE, OF_SIMPLE, CALLS_A_PART, PART, OF_FIRST, MOST_CALLS = 0.7, 2.5, 6, 100_000_000, 0.15, 5
SHARE = 20  # one row in so many changes in part 2
KIND, OBJECT, KEY = "bench.projects", "Project__c", "External_Id__c"
FIELDS = ("Name", "Account__c", "Status__c", "Start_Date__c", "Budget__c", "Completion__c", "On_Track__c", "Risks__c")


@dataclass
class Bench:
    """What all parts need."""

    demo: DemoOrgHandle
    org: Any
    accounts: list[str]
    board: Board
    targets: list[tuple[str, str, bool | None]] = field(default_factory=list)


def main() -> int:
    """Run all parts; 1 when a figure is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--unchanged", type=int, default=1_000_000)
    wanted = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder, running_demo_org(Path(folder) / "org") as demo:
        start_django(Path(folder), demo=demo.url)
        register_kind()
        bench = Bench(demo, connect(), [], Board())
        bench.accounts = accounts_of(bench)
        first = measure_push(bench, wanted.rows)
        bare = measure_bare(bench, wanted.rows)
        simple = measure_simple(bench, wanted.rows)
        judge(bench, f"speed of a bare script ({bare.seconds:.2f} s)", bare.seconds / first.seconds, OF_BARE)
        judge(bench, f"speed of simple-salesforce ({simple.seconds:.2f} s)", simple.seconds / first.seconds, OF_SIMPLE)
        measure_unchanged(bench, wanted.unchanged)
    print(bench.board.verdict())
    verdicts = Verdicts("push.py")
    for name, said, met in bench.targets:
        verdicts.add(name, said, met=met)
    return max(verdicts.close(), 1 if bench.board.missed else 0)


def judge(bench: Bench, what: str, figure: float, least: float) -> None:
    """A ratio that should be at least so much."""
    met = figure >= least
    print(f"{figure:.2f} times the {what}, wanted {least:g}: {'met' if met else 'MISSED'}", flush=True)
    note(bench, what, met)


def most(bench: Bench, what: str, figure: float, limit: float) -> None:
    """A figure that should be at most so much."""
    met = figure <= limit
    print(f"{what}: {figure:,.2f}, at most {limit:g}: {'met' if met else 'MISSED'}", flush=True)
    note(bench, what, met)


def note(bench: Bench, what: str, met: bool) -> None:
    bench.board.measured += 1
    if not met:
        bench.board.missed.append(what)


# --- the installation -----------------------------------------------------------------------------------------------------


def register_kind() -> None:
    """What the rows are pushed as."""
    from integrations.sync.outbox import kinds

    kinds.register(kinds.OutboxKind(KIND, "Bench", "bench", lambda *_: "", operations=("upsert",)))


def connect() -> Any:
    """A connection to the demo org over OAuth."""
    from django.utils import timezone

    from integrations.orgs.lifecycle import connect_demo_org

    return connect_demo_org(name="Bench", now=timezone.now())


def accounts_of(bench: Bench) -> list[str]:
    """Parents for the rows; and the describe, which is an hour old at most."""
    from integrations.orgs.connect import client_for
    from integrations.sync.mirror import describing

    with client_for(bench.org, domain="bench") as client:
        describing.describe_object(bench.org, client, OBJECT)
        return [row["Id"] for row in client.query_all("SELECT Id FROM Account ORDER BY Id LIMIT 150")]


def rows_of(bench: Bench, n: int, *, prefix: str, changed: int = 0) -> Any:
    """Desired rows; the first `changed` ones have another budget."""
    import pyarrow as pa

    first = date(2026, 1, 1)
    return pa.table({
        "key": [f"{prefix}-{i:07d}" for i in range(n)],
        "parent_key": [bench.accounts[i % len(bench.accounts)] for i in range(n)],
        "Name": [f"Roll-out {i}" for i in range(n)],
        "Account__c": [bench.accounts[i % len(bench.accounts)] for i in range(n)],
        "Status__c": [("Discovery", "Pilot", "Live")[i % 3] for i in range(n)],
        "Start_Date__c": pa.array([first + timedelta(days=i % 365) for i in range(n)]),
        "Budget__c": pa.array([float(i) + (0.5 if i < changed else 0) for i in range(n)]).cast(pa.decimal128(18, 2)),
        "Completion__c": pa.array([float(i % 100) for i in range(n)]).cast(pa.decimal128(18, 2)),
        "On_Track__c": [i % 2 == 0 for i in range(n)],
        "Risks__c": [f"Risk {i}: nobody, \"somebody\" or everybody is late" for i in range(n)],
    })  # fmt: skip


# --- part 1 and 2 ---------------------------------------------------------------------------------------------------------


def measure_push(bench: Bench, n: int) -> Usage:
    """Part 1, ours; then part 2."""
    rows = rows_of(bench, n, prefix="ours")
    used, report, calls = pushed(bench, rows)
    assert report.created == n, report
    parts = max(1, -(-rows.nbytes // PART))
    print(f"{memory_of(None)} after the first push of {n:,} rows")
    bench.board.rate(f"push of {n:,} rows", n, used, extra=f"  {calls} calls")
    bench.targets.append(("L-03", f"{n:,} rows in {used.seconds:.1f} s, {calls} calls",
                          used.seconds <= 300 and calls <= 100 if n >= 100_000 else None))  # fmt: skip
    most(bench, "calls for each 100 MB", calls / parts, CALLS_A_PART)
    again, report, calls = pushed(bench, rows_of(bench, n, prefix="ours", changed=n // SHARE))
    assert (report.written, report.unchanged) == (n // SHARE, n - n // SHARE), report
    bench.board.rate(f"push with {100 / SHARE:g} % changed", n, again, extra=f"  {calls} calls")
    most(bench, "part of the first push's time", again.seconds / used.seconds, OF_FIRST)
    writes = bench.demo.control("writes")["rows"]
    most(bench, "rows written besides the changed ones", abs(writes - n - n // SHARE), 0)
    return used


def pushed(bench: Bench, rows: Any) -> tuple[Usage, Any, int]:
    """One run that pushes `rows`, in a worker that is warm: what it used, its report, its data calls."""
    from django.utils import timezone

    from integrations.models import Run
    from integrations.sync import jobs, runs
    from integrations.sync.outbox import pushing  # noqa: F401  what takes time to load
    from integrations.sync.outbox.push import push_rows
    from integrations.sync.outbox.targets import ensure_target

    reports = []

    def perform(recorder: runs.Recorder) -> None:
        target = ensure_target(bench.org, kind=KIND, object=OBJECT, key_field=KEY)
        reports.append(push_rows(recorder, target, rows))

    jobs._jobs["bench.push"] = jobs.Job("bench.push", "Bench", "bench", perform)
    bench.demo.forget_calls()
    with measuring() as used:
        run = Run.objects.create(job="bench.push", org=bench.org, domain="bench", queued_at=timezone.now())
        while runs.perform_run(run.pk) == "queued":
            Run.objects.filter(pk=run.pk).update(not_before=None)
    run.refresh_from_db()
    assert reports, f"{run.state}: {run.sentence}"
    return used, reports[-1], len(bench.demo.calls("/services/data/"))


@contextmanager
def fresh_org(bench: Bench) -> Iterator[Any]:
    """A client of a freshly seeded org, so that nobody works on the other's records."""
    from integrations.orgs.connect import client_for

    bench.demo.reset()
    with client_for(bench.org, domain="bench") as client:
        client.limits()
        yield client


def measure_bare(bench: Bench, n: int) -> Usage:
    """The least that must be done: a CSV by DuckDB, one PUT, polling, the answers read back and counted."""
    import duckdb
    import pyarrow.csv as arrow_csv
    import requests

    rows = rows_of(bench, n, prefix="bare")
    with fresh_org(bench) as client, tempfile.TemporaryDirectory() as folder:
        path, session = Path(folder) / "rows.csv", requests.Session()
        session.headers["Authorization"] = f"Bearer {client.tokens.current().access_token}"
        base = f"{bench.demo.url}/services/data/v65.0/jobs/ingest"
        with measuring() as used:
            duckdb.execute(f"COPY (SELECT key AS {KEY}, {', '.join(FIELDS)} FROM rows) TO '{path}' (HEADER)")
            job = session.post(base, json={"object": OBJECT, "operation": "upsert", "externalIdFieldName": KEY,
                                           "contentType": "CSV", "lineEnding": "LF"}).json()["id"]  # fmt: skip
            with path.open("rb") as source:
                session.put(f"{base}/{job}/batches", data=source, headers={"Content-Type": "text/csv"}).raise_for_status()
            session.patch(f"{base}/{job}", json={"state": "UploadComplete"}).raise_for_status()
            while session.get(f"{base}/{job}").json()["state"] != "JobComplete":
                time.sleep(0.1)
            answers = session.get(f"{base}/{job}/successfulResults").content
            found = arrow_csv.read_csv(io.BytesIO(answers), parse_options=arrow_csv.ParseOptions(newlines_in_values=True))
        assert found.num_rows == n, found.num_rows
        assert rows.num_rows == n
    bench.board.rate(f"bare script, {n:,} rows", n, used)
    return used


def measure_simple(bench: Bench, n: int) -> Usage:
    """The usual library."""
    from urllib.parse import urlsplit

    rows = rows_of(bench, n, prefix="simple").rename_columns(["key", "parent_key", *FIELDS])
    with fresh_org(bench) as client:
        library = library_for(client, urlsplit(bench.demo.url))
        records = [{KEY: row["key"], **{name: str(row[name]) for name in FIELDS}} for row in rows.to_pylist()]
        with measuring() as used:
            handler = getattr(library.bulk2, OBJECT)
            found = handler.upsert(records=records, external_id_field=KEY)
            answers = [handler.get_successful_records(each["job_id"]) for each in found]
        assert sum(each["numberRecordsProcessed"] - each["numberRecordsFailed"] for each in found) == n, found[:1]
        assert all(answers)
    bench.board.rate(f"simple-salesforce, {n:,} rows", n, used)
    return used


def library_for(client: Any, place: Any) -> Any:
    """simple-salesforce against the demo org: its addresses are always https, so they are turned back on the way."""
    import requests
    from requests.adapters import HTTPAdapter
    from simple_salesforce.api import Salesforce

    class Plain(HTTPAdapter):
        def send(self, request: Any, *args: Any, **options: Any) -> Any:
            request.url = str(request.url).replace("https://", "http://", 1)
            return super().send(request, *args, **options)

    session = requests.Session()
    session.mount(f"https://{place.netloc}", Plain())
    token = client.tokens.current().access_token
    return Salesforce(instance=place.netloc, session_id=token, version="65.0", session=session)


# --- part 3 ---------------------------------------------------------------------------------------------------------------


def measure_unchanged(bench: Bench, n: int) -> None:
    """A target of which Salesforce accepted everything already: the accepted state is written straight into the lake."""
    rows = rows_of(bench, n, prefix="same")
    accept(bench, rows)
    bench.demo.control("writes", method="DELETE")
    used, report, calls = pushed(bench, rows)
    assert (report.unchanged, report.written, report.failed) == (n, 0, 0), report
    bench.board.rate(f"unchanged push of {n:,} rows", n, used, extra=f"  {calls} calls")
    good = used.seconds <= 180 and calls <= MOST_CALLS
    said = f"{n:,} rows in {used.seconds:.1f} s, 0 sent, {calls} calls"
    bench.targets.append(("L-04", said, good if n >= 1_000_000 else None))
    most(bench, "calls of an unchanged push", calls, MOST_CALLS)
    most(bench, "rows written by it", bench.demo.control("writes")["rows"], 0)
    print(memory_of(None))


def accept(bench: Bench, rows: Any) -> None:
    """Make `rows` the accepted state."""
    import pyarrow as pa
    from django.db import transaction
    from django.utils import timezone

    from integrations.lake.types import arrow_type
    from integrations.lake.writing import open_writer, register
    from integrations.sync.outbox import targets

    target = targets.ensure_target(bench.org, kind=KIND, object=OBJECT, key_field=KEY)
    assert target.accepted is not None
    table, kinds = target.accepted, dict(target.accepted.columns)
    target.accepted.files.all().delete()
    n = rows.num_rows
    columns = {"key_": rows.column("key"), "id_": rows.column("key"), "unsure_": pa.nulls(n, pa.string()),
               "gone_": pa.array([False] * n)}  # fmt: skip
    columns |= {name: rows.column(name).cast(arrow_type(kinds[name])) for name in FIELDS}
    with open_writer(table, kind="base", columns=list(columns)) as writer:
        writer.write(pa.table(columns))
    with transaction.atomic():
        register(table, writer.staged, now=timezone.now())


if __name__ == "__main__":
    sys.exit(main())
