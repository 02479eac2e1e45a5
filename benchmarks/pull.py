"""How quickly accounts get from an org into the queryable mirror, against what else could be used, on one machine in one run.

1. Full pull of N accounts with 32 columns: types, counts and watermark committed. Wants: at least 0.7 of a bare download that
   a script parses with Arrow into Parquet (nothing checked, nothing kept), 3 times the usual simple-salesforce script into
   SQLite, 7 times dlt with Arrow and 50 times a Singer tap where those are installed; at most 350 MB of memory, 10 MB of log.
2. The same over a line with 80 ms and 5 MB/s a connection: 2.5 times simple-salesforce's bulk2.
3. A delta of 1%: at most 3 calls an object and 1 more, and a time that does not depend on N (the same number of changes in a
   tenth of the records, as contacts).

Run: `python benchmarks/pull.py [--rows 100000] [--rows 1000000] [--slow 1000000]`. Each side runs in a process of its own that
has imported its libraries and made one small call before the clock starts. Org and database are thrown away.

Answers L-01 and L-02.
"""

import argparse
import contextlib
import importlib.util
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.demo_org_bulk import KEY, LOADED, Client, ingest, uploads  # noqa: E402
from benchmarks.measuring import machine, memory_of, start_django  # noqa: E402
from benchmarks.targets import Verdicts  # noqa: E402
from tests.demo import DemoOrgHandle, running_demo_org  # noqa: E402

FIELDS = (
    "Id", "SystemModstamp", "CreatedDate", "IsDeleted", "MasterRecordId", "Name", "AccountNumber", "Phone", "Fax", "Website",
    "Industry", "Type", "Rating", "Site", "Description", "AnnualRevenue", "NumberOfEmployees", "BillingStreet", "BillingCity",
    "BillingState", "BillingPostalCode", "BillingCountry", "ShippingStreet", "ShippingCity", "ShippingPostalCode",
    "ShippingCountry", "TickerSymbol", "Sic", "LastModifiedDate", "OwnerId", "ParentId", KEY,
)  # fmt: skip
BACKFILL_RATE, BACKFILL_MEMORY, DAY_SECONDS, DAY_CALLS = 1_100, 512, 60, 30  # L-01, L-02
CONTACT = ("LastName", "Email", "AccountId")
QUERY = f"SELECT {','.join(FIELDS)} FROM Account"
LATENCY, SPEED, PAGE = 0.08, 5_000_000, 50_000
MOST_MEMORY, MOST_LOG = 350, 10  # MB
SMALL = 200_000
MONEY, NUMBERS, FLAGS = {"AnnualRevenue"}, {"NumberOfEmployees"}, {"IsDeleted"}
MOMENTS = {"SystemModstamp", "CreatedDate", "LastModifiedDate"}


# --- the sides, each in a process of its own ------------------------------------------------------------------------------


def side_ours(url: str, wanted: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Runs of mirror.read in one warm worker: each line on stdin names an object, `anew` forgets what is mirrored of it."""
    start_django(Path(wanted["folder"]), demo=url, LOG_LEVEL="INFO", API_BUDGET_PERCENT="90")
    from django.utils import timezone

    from integrations.models import Run, RunObject, SalesforceOrg
    from integrations.orgs.lifecycle import connect_demo_org
    from integrations.sync import runs
    from integrations.sync.mirror import needs, tables

    asked = {"User": ("Username",), "Account": FIELDS, "Contact": CONTACT}
    needs.register_needs("bench", lambda org: [needs.Need("bench", name, fields, None) for name, fields in asked.items()])
    org = SalesforceOrg.objects.first() or connect_demo_org(name="Bench", now=timezone.now())
    for words in _lines():
        line, _, anew = words.partition(" ")
        if anew:
            forget(line)
        begun, busy = time.perf_counter(), time.process_time()
        run = runs.request_run("mirror.read", org=org, now=timezone.now(), arguments={"objects": [line]})
        turns = 0
        while run.state in ("queued", "running"):
            turns += 1
            Run.objects.filter(pk=run.pk).update(not_before=None)
            runs.perform_run(run.pk)
            run.refresh_from_db()
        seconds = time.perf_counter() - begun
        counted = RunObject.objects.filter(run=run, name=line).first()
        mirror = tables.mirror_of(org, line)
        assert run.state == "success", (run.state, run.sentence)
        yield {
            "seconds": seconds, "cpu": round(time.process_time() - busy, 2), "calls": run.calls, "turns": turns,
            "rows": mirror.rows if mirror else 0, "written": counted.written if counted else 0,
            "unchanged": counted.unchanged if counted else 0,
            "watermark": str(mirror.watermark if mirror else ""), "memory": memory_of(None),
        }  # fmt: skip


def forget(name: str) -> None:
    """As if the object had never been read; the lake's files go with their table."""
    from integrations.lake import storage
    from integrations.models import LakeFile, LakeTable, MirrorObject

    tables = LakeTable.objects.filter(name__endswith=f"/{name}")
    for file in LakeFile.objects.filter(table__in=tables):
        storage.open_store().delete(file.path)
    MirrorObject.objects.filter(name=name).delete()
    tables.delete()


def _lines() -> Iterator[str]:
    for line in sys.stdin:
        yield line.strip()


def side_bare(url: str, wanted: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Create the job, wait, download page after page, parse with Arrow, write one Parquet file. No ledger, no checks."""
    import pyarrow as pa
    import pyarrow.csv as arrow_csv

    client = Client(DemoOrgHandle(url))
    types = {name: pa.string() for name in FIELDS} | dict.fromkeys(MONEY, pa.decimal128(38, 12))
    types |= dict.fromkeys(NUMBERS, pa.int64()) | dict.fromkeys(FLAGS, pa.bool_())
    types |= dict.fromkeys(MOMENTS, pa.timestamp("ms", tz="UTC"))
    convert = arrow_csv.ConvertOptions(column_types=types, strings_can_be_null=True, null_values=[""])
    parse = arrow_csv.ParseOptions(newlines_in_values=True)
    for _ in _lines():
        yield bare_download(client, Path(wanted["folder"]) / "bare.parquet", parse, convert)


def bare_download(client: Client, target: Path, parse: Any, convert: Any) -> dict[str, Any]:
    """One pull; the file is all that is left of it."""
    import http.client

    import pyarrow.csv as arrow_csv
    import pyarrow.parquet as pq

    begun, busy = time.perf_counter(), time.process_time()
    job = client.wait(f"query/{client.api('POST', 'query', {'operation': 'query', 'query': QUERY})['id']}")
    ready = time.perf_counter() - begun
    rows, locator, writer = 0, "", None
    while locator != "null":
        connection = http.client.HTTPConnection(client.address, timeout=600)
        path = f"/services/data/v65.0/jobs/query/{job['id']}/results?maxRecords=100000"
        connection.request("GET", path + (f"&locator={locator}" if locator else ""), headers=client.headers)
        answer = connection.getresponse()
        with arrow_csv.open_csv(answer, parse_options=parse, convert_options=convert) as reader:
            for batch in reader:
                writer = writer or pq.ParquetWriter(target, batch.schema, compression="zstd", compression_level=1)
                writer.write_batch(batch)
                rows += batch.num_rows
        locator = answer.headers["Sforce-Locator"]
        connection.close()
    if writer is not None:
        writer.close()
    seconds, cpu = time.perf_counter() - begun, round(time.process_time() - busy, 2)
    return {"seconds": seconds, "cpu": cpu, "rows": rows, "ready": round(ready, 2), "memory": memory_of(None)}


def side_simple(url: str, wanted: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The usual script: simple-salesforce's bulk2 with csv.DictReader (or query_all), executemany into SQLite."""
    import csv
    import io

    sf = simple_client(url)
    sf.query("SELECT Id FROM User LIMIT 1")
    database = sqlite3.connect(Path(wanted["folder"]) / "simple.sqlite3")
    database.execute(f"CREATE TABLE IF NOT EXISTS account ({', '.join(FIELDS)}, PRIMARY KEY (Id))")
    insert = f"INSERT OR REPLACE INTO account VALUES ({', '.join(f':{name}' for name in FIELDS)})"
    begun, busy = time.perf_counter(), time.process_time()
    if wanted["way"] == "bulk2":
        for page in sf.bulk2.Account.query(QUERY):
            database.executemany(insert, csv.DictReader(io.StringIO(page)))
            database.commit()
    else:
        database.executemany(insert, sf.query_all(QUERY)["records"])
    database.commit()
    rows = database.execute("SELECT count(*) FROM account").fetchone()[0]
    seconds, cpu = time.perf_counter() - begun, round(time.process_time() - busy, 2)
    yield {"seconds": seconds, "cpu": cpu, "rows": rows, "memory": memory_of(None)}


def simple_client(url: str) -> Any:
    """simple-salesforce with the org's own token; its https becomes the demo org's http."""
    import requests
    from requests.adapters import HTTPAdapter
    from simple_salesforce import Salesforce

    class Plain(HTTPAdapter):
        def send(self, request: Any, *arguments: Any, **options: Any) -> Any:
            request.url = request.url.replace("https://", "http://", 1)
            return super().send(request, *arguments, **options)

    session = requests.Session()
    session.mount(url.replace("http://", "https://"), Plain())
    token = Client(DemoOrgHandle(url)).headers["Authorization"].removeprefix("Bearer ")
    return Salesforce(instance_url=url, session_id=token, version="65.0", session=session)


def side_dlt(url: str, wanted: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """dlt with Arrow tables into DuckDB, from the same Bulk pages."""
    import dlt  # pyright: ignore[reportMissingImports]
    import pyarrow.csv as arrow_csv

    client = Client(DemoOrgHandle(url))
    begun = time.perf_counter()
    job = client.wait(f"query/{client.api('POST', 'query', {'operation': 'query', 'query': QUERY})['id']}")

    def pages() -> Iterator[Any]:
        import io

        locator = ""
        while locator != "null":
            path = f"/services/data/v65.0/jobs/query/{job['id']}/results?maxRecords=100000"
            status, body = client.call("GET", path + (f"&locator={locator}" if locator else ""))
            assert status == 200
            yield arrow_csv.read_csv(io.BytesIO(body), parse_options=arrow_csv.ParseOptions(newlines_in_values=True))
            locator = "null"

    pipeline = dlt.pipeline("bench", destination="duckdb", dataset_name="bench", pipelines_dir=wanted["folder"])
    pipeline.run(pages(), table_name="account")
    yield {"seconds": time.perf_counter() - begun, "rows": job["numberRecordsProcessed"], "memory": memory_of(None)}


SIDES: dict[str, Callable[[str, dict[str, Any]], Iterator[dict[str, Any]]]] = {
    "ours": side_ours, "bare": side_bare, "simple": side_simple, "dlt": side_dlt,
}  # fmt: skip


class Side:
    """A side at work: `ask` sends it a line and waits for its figures."""

    def __init__(self, name: str, url: str, **wanted: Any) -> None:
        command = [sys.executable, __file__, "--side", name, "--url", url, "--wanted", json.dumps(wanted)]
        self.log = Path(wanted["folder"]) / f"{name}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT
            )

    def ask(self, line: str = "") -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"A side ended with {self.process.wait()}:\n{self.log.read_text(errors='replace')[-3000:]}")
        return json.loads(answer)

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)


@contextlib.contextmanager
def side(name: str, url: str, **wanted: Any) -> Iterator[Side]:
    """A side, ended at the end."""
    made = Side(name, url, **wanted)
    try:
        yield made
    finally:
        made.close()


# --- the comparison --------------------------------------------------------------------------------------------------------


class Board:
    """Figures as they come, and what was missed."""

    def __init__(self) -> None:
        self.missed: list[str] = []
        self.pulls: dict[int, tuple[float, int]] = {}
        self.days: dict[int, tuple[float, int]] = {}

    def targets(self) -> int:
        """The lines of L-01 and L-02, from the largest sizes that were measured."""
        verdicts = Verdicts("pull.py")
        rows, (seconds, memory) = max(self.pulls.items())
        good = rows / seconds >= BACKFILL_RATE and memory <= BACKFILL_MEMORY
        said = f"{rows:,} rows x {len(FIELDS)} fields in {seconds:.1f} s ({rows / seconds:,.0f} rows/s), worker {memory} MB"
        verdicts.add("L-01", said, met=good if rows >= 1_000_000 else None)
        rows, (seconds, calls) = max(self.days.items())
        good = seconds <= DAY_SECONDS and calls <= DAY_CALLS
        verdicts.add("L-02", f"2 % of {rows:,} in {seconds:.1f} s, {calls} calls", met=good if rows >= 100_000 else None)
        return verdicts.close()

    def show(self, name: str, found: dict[str, Any]) -> None:
        """One side's figures."""
        extra = ", ".join(f"{key} {value}" for key, value in found.items() if key not in ("seconds", "rows", "memory"))
        rate = found["rows"] / found["seconds"]
        print(f"{name:42} {found['seconds']:8.2f} s {rate:>11,.0f} records/s  {found['memory']}  {extra}", flush=True)

    def want(self, name: str, figure: float, target: float, *, at_most: bool = False) -> None:
        """Whether a figure is what was wanted."""
        met = figure <= target if at_most else figure >= target
        sign = "at most" if at_most else "at least"
        print(f"    {name}: {figure:.2f}, wanted {sign} {target:g}: {'met' if met else 'MISSED'}", flush=True)
        if not met:
            self.missed.append(name)


def peak(found: dict[str, Any]) -> int:
    """Peak memory in MB."""
    return int(found["memory"].partition("peak ")[2].partition(" MB")[0].replace(",", "") or 0)


def measure_full(board: Board, demo: DemoOrgHandle, folder: Path, rows: int) -> None:
    """Part 1 and 3 for one N. Small ones are measured several times in turn, and the best of each counts."""
    print(f"\n{rows:,} accounts, {len(FIELDS)} columns", flush=True)
    load(demo, rows)
    times = 1 if rows > SMALL else 3
    with side("ours", demo.url, folder=str(folder)) as ours, side("bare", demo.url, folder=str(folder)) as bare:
        ours.ask("User")
        pairs = [(ours.ask("Account anew"), bare.ask()) for _ in range(times)]
        found, plain = (min(each, key=lambda one: one["seconds"]) for each in zip(*pairs, strict=True))
        bare.close()
        assert found["rows"] >= rows
        board.show("mirror.read, everything", found)
        compare(board, rows, found, "bare download, Arrow, Parquet", plain, 0.7)
        for name, least, other in compared(demo, folder, rows):
            compare(board, rows, found, name, other, least)
        board.want(f"{rows:,}: peak memory in MB", peak(found), MOST_MEMORY, at_most=True)
        board.pulls[rows] = (found["seconds"], peak(found))
        board.want(f"{rows:,}: log in MB", ours.log.stat().st_size / 1e6, MOST_LOG, at_most=True)
        measure_delta(board, demo, ours, rows)


def compare(board: Board, rows: int, ours: dict[str, Any], name: str, other: dict[str, Any], least: float) -> None:
    """Records a second against another way."""
    board.show(name, other)
    board.want(f"{rows:,}: ratio to {name}", (ours["rows"] / ours["seconds"]) / (other["rows"] / other["seconds"]), least)


def compared(demo: DemoOrgHandle, folder: Path, rows: int) -> Iterator[tuple[str, float, dict[str, Any]]]:
    """The other ways with the ratio that is wanted; what is not installed is said and left out."""
    yield "simple-salesforce bulk2, SQLite", 3, run_side("simple", demo, folder, way="bulk2")
    if rows <= SMALL:
        yield "simple-salesforce query_all, SQLite", 3, run_side("simple", demo, folder, way="query_all")
    if importlib.util.find_spec("dlt") is None:
        print("dlt with Arrow: skipped, dlt is not installed (pip install 'dlt[duckdb]')")
    else:
        yield "dlt with Arrow, DuckDB", 7, run_side("dlt", demo, folder)
    print("a Singer tap: skipped, tap-salesforce is not installed and speaks https only")


def run_side(name: str, demo: DemoOrgHandle, folder: Path, **wanted: Any) -> dict[str, Any]:
    """One measurement of another side, in a folder of its own."""
    with tempfile.TemporaryDirectory(dir=folder) as own, side(name, demo.url, folder=own, **wanted) as other:
        return other.ask()


def measure_delta(board: Board, demo: DemoOrgHandle, ours: Side, rows: int) -> None:
    """1% of the accounts change; the same number of contacts, of which there are a tenth, does too."""
    changes = max(1, rows // 100)
    ours.ask("Contact")
    demo.clock(advance=3600)
    change_accounts(demo, changes)
    change_contacts(demo, changes)
    demo.clock(advance=60)
    large, small = ours.ask("Account"), ours.ask("Contact")
    board.show(f"delta of {changes:,} in {rows:,} accounts", {**large, "rows": large["written"]})
    board.show(f"delta of {changes:,} in {max(changes, rows // 10):,} contacts", {**small, "rows": small["written"]})
    assert large["written"] == changes, large
    board.want(f"{rows:,}: calls of a delta of one object", large["calls"], 4, at_most=True)
    change_accounts(demo, 2 * changes)
    demo.clock(advance=3600)
    day = ours.ask("Account")
    board.days[rows] = (day["seconds"], day["calls"])
    board.want(
        f"{rows:,}: its time over that in a tenth of the records", large["seconds"] / small["seconds"], 2.0, at_most=True
    )


def measure_slow(board: Board, demo: DemoOrgHandle, folder: Path, rows: int) -> None:
    """Part 2. Parallel pages are as large as simple-salesforce asks for its own."""
    print(f"\n{rows:,} accounts over {LATENCY * 1000:.0f} ms and {SPEED / 1e6:g} MB/s a connection", flush=True)
    load(demo, rows)
    with side("ours", demo.url, folder=str(folder)) as ours:
        ours.ask("User")
        demo.settings(latency_seconds=LATENCY, bytes_per_second=SPEED, extra={"bulk_parallel_rows": PAGE})
        found = ours.ask("Account")
    board.show("mirror.read, everything", found)
    other = run_side("simple", demo, folder, way="bulk2")
    board.show("simple-salesforce bulk2, SQLite", other)
    ratio = (found["rows"] / found["seconds"]) / (other["rows"] / other["seconds"])
    board.want(f"{rows:,} over a slow line: ratio to simple-salesforce bulk2", ratio, 2.5)
    demo.settings(latency_seconds=0.0, bytes_per_second=0)


def load(demo: DemoOrgHandle, rows: int) -> None:
    """So many accounts and a tenth of contacts; then a day passes, so that nothing of it lies in an overlap."""
    field = {"name": KEY, "label": "Bench Key", "length": 40, "external_id": True, "id_lookup": True, "unique": True}
    demo.control("fields", {"object": "Account", "field": field})
    demo.settings(limits={"DailyApiRequests": 10_000_000})
    client = Client(demo)
    begun = time.perf_counter()
    ingest(client, "insert", list(uploads(rows, LOADED, "First")))
    lines = [f"Person {number},p{number}@example.com\n" for number in range(max(rows // 10, rows // 100))]
    ingest(client, "insert", [("LastName,Email\n" + "".join(lines)).encode()], "Contact")
    print(f"loaded in {time.perf_counter() - begun:.0f} s", flush=True)
    demo.clock(advance=2 * 86_400)


def change_accounts(demo: DemoOrgHandle, changes: int) -> None:
    """Another name for the first so many accounts."""
    body = f"{KEY},Name\n" + "".join(f"K{number:09},Renamed {number}\n" for number in range(changes))
    ingest(Client(demo), "upsert", [body.encode()])


def change_contacts(demo: DemoOrgHandle, changes: int) -> None:
    """Another name for so many contacts."""
    client = Client(demo)
    query = f"SELECT Id FROM Contact WHERE LastName LIKE 'Person %' LIMIT {changes}"
    job = client.wait(f"query/{client.api('POST', 'query', {'operation': 'query', 'query': query})['id']}")
    _, body = client.call("GET", f"/services/data/v65.0/jobs/query/{job['id']}/results")
    ids = body.decode().replace('"', "").split()[1:]
    ingest(client, "update", [("Id,LastName\n" + "".join(f"{each},Renamed\n" for each in ids)).encode()], "Contact")


def main() -> int:
    """Run what was asked for; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, action="append", help="N of a full pull and delta; may be given several times")
    parser.add_argument("--slow", type=int, default=1_000_000, help="N over the slow line; 0 leaves it out")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--url", default="", help=argparse.SUPPRESS)
    parser.add_argument("--wanted", default="{}", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.side:
        for found in SIDES[wanted.side](wanted.url, json.loads(wanted.wanted)):
            print(json.dumps(found), flush=True)
        return 0
    print(machine(), flush=True)
    board = Board()
    for rows in wanted.rows or [100_000, 1_000_000]:
        with tempfile.TemporaryDirectory() as folder, running_demo_org(Path(folder) / "org", size=5) as demo:
            measure_full(board, demo, Path(folder), rows)
    if wanted.slow:
        with tempfile.TemporaryDirectory() as folder, running_demo_org(Path(folder) / "org", size=5) as demo:
            measure_slow(board, demo, Path(folder), wanted.slow)
    print(f"\nMISSED: {'; '.join(board.missed)}" if board.missed else "\nAll targets met")
    return max(board.targets(), 1 if board.missed else 0)


if __name__ == "__main__":
    sys.exit(main())
