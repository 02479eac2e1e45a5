"""How fast KPIs are counted: against hand-written SQL over the same files, against many count(distinct), and from the roll-up.

Events of 200,000 people at 20,000 companies over 181 days, in compacted files, one a day; people come on some days and then do
several things. Every figure is the middle of several fresh processes, one way after the other in each round, so the start of
the engine is part of it; the roll-up is also compared with its libraries loaded, as a worker has them after its first job.

Run: `python benchmarks/kpi.py [--events 10000000] [--people 200000] [--features 8] [--rounds 3]`.

Answers L-05.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import Board, load, machine, measuring, memory_of, start_django  # noqa: E402
from benchmarks.targets import Verdicts  # noqa: E402

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)
DAYS, VISIT, NAMES = 181, 12, 20
STATED = 10_000_000  # events for which times are promised
KINDS = ("engine_raw", "engine_daily", "hand", "distinct")
MAKE = """
SELECT 'e' || (i + {first}) AS event_id, DATE '{day}' AS day,
    CAST(epoch_ms({midnight} + CAST(hash(i, 7) % 86400000 AS BIGINT)) AS TIMESTAMPTZ) AS "at",
    CAST(epoch_ms({midnight} + 86400000) AS TIMESTAMPTZ) AS received_at,
    CAST(hash(visit, {day_number}) % {people} AS BIGINT) % {companies} + 1 AS customer_id,
    CAST(hash(visit, {day_number}) % {people} AS BIGINT) + 1 AS end_user_id,
    'Event ' || (hash(i, 3) % {names}) AS name, hash(i, 5) % 20 = 0 AS automatic, '{{}}' AS properties
FROM (SELECT range AS i, range // {visit} AS visit FROM range({rows})) AS t
ORDER BY event_id
"""


def main() -> int:
    """Measure; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--people", type=int, default=200_000)
    parser.add_argument("--features", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.child:
        print(json.dumps(count_once(wanted.child, wanted.features)))
        return 0
    print(machine(), flush=True)
    board = Board()
    with tempfile.TemporaryDirectory() as folder:
        start_django(Path(folder))
        measure(wanted, board)
    print(f"{memory_of(None)}, {load()}")
    print(board.verdict())
    whole, day = board.seen["all"], board.seen["day"]
    said = f"{wanted.events:,} events in {whole:.1f} s, one late day again in {day:.1f} s"
    verdicts = Verdicts("kpi.py")
    verdicts.add("L-05", said, met=whole <= 600 and day <= 60 if wanted.events >= STATED else None)
    return max(verdicts.close(), 1 if board.missed else 0)


def measure(wanted: argparse.Namespace, board: Board) -> None:
    """Write the events, roll them up, then count in each way."""
    from integrations.product.kpis import job, rollup

    make_features(wanted.features)
    with measuring() as used:
        write_events(wanted.events, wanted.people)
    board.rate("events written and registered", wanted.events, used)
    make_customers(wanted.people)
    now = AS_OF + timedelta(hours=2, minutes=30)
    with measuring() as used:
        job.bring_up_to_date(now=now)
    board.rate("roll-up of all days, and KPIs", wanted.events, used)
    board.seen["all"] = used.seconds
    if wanted.events <= STATED:
        board.answer("roll-up and KPIs (L-05)", [used.seconds], target=600)
    print(f"roll-up: {rollup.DailyState.objects.count()} days, {daily_rows():,} rows", flush=True)
    with measuring() as used:
        mark_day()
        job.bring_up_to_date(now=now + timedelta(minutes=1))
    board.seen["day"] = used.seconds
    board.answer("one late day, and KPIs again (L-05)", [used.seconds], target=60)
    kinds = KINDS if wanted.events <= 2 * STATED else KINDS[:-1]  # many count(distinct) want more memory than there is
    told = run_children(kinds, wanted)
    answers = {each["answer"] for found in told.values() for each in found}
    assert len(answers) == 1, answers
    seconds = {kind: [each["seconds"] for each in found] for kind, found in told.items()}
    warm = {kind: [each["seconds"] - each["loading"] for each in found] for kind, found in told.items()}
    base = {kind: statistics.median(each) for kind, each in seconds.items()}
    print("; ".join(f"{kind}: {each:.3f} s" for kind, each in base.items()), flush=True)
    board.answer("engine, over events, against hand", seconds["engine_raw"], target=1.2 * base["hand"])
    if "distinct" in base:
        board.answer("engine, over events, against distinct", seconds["engine_raw"], target=base["distinct"] / 4)
    board.answer("engine, from the roll-up", seconds["engine_daily"], target=0.25 * base["engine_raw"])
    board.answer("the same, libraries loaded", warm["engine_daily"], target=0.25 * statistics.median(warm["engine_raw"]))


def make_features(number: int) -> None:
    """Features by event name."""
    from integrations.product.models import Feature

    for place in range(1, number + 1):
        Feature.objects.create(
            key=f"f{place}", name=f"F{place}", rules=[{"event": f"Event {place}"}], position=place, as_kpi=True
        )


def make_customers(people: int) -> None:
    """The companies of the events."""
    from integrations.models import Customer

    Customer.objects.bulk_create(
        [Customer(pk=pk, external_id=f"c{pk}") for pk in range(1, companies_of(people) + 1)], batch_size=5000
    )


def companies_of(people: int) -> int:
    """Ten people a company."""
    return max(people // 10, 1)


def write_events(events: int, people: int) -> None:
    """A base file a day, as the lake's upkeep leaves them."""
    import duckdb
    from django.db import transaction

    from integrations.lake.engine import fit_batch
    from integrations.lake.writing import open_writer, register
    from integrations.product.ingest import lake_tables

    table = lake_tables.events_table()
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    for number in range(DAYS):
        day = AS_OF - timedelta(days=DAYS - number)
        sql = MAKE.format(
            day=day.date(), midnight=int(day.timestamp() * 1000), day_number=number, people=people, names=NAMES, visit=VISIT,
            companies=companies_of(people), rows=events // DAYS, first=number * (events // DAYS),
        )  # fmt: skip
        with open_writer(table, kind="base") as writer:
            for batch in connection.sql(sql).to_arrow_reader(50_000):
                writer.write(fit_batch(batch, writer.schema))
        with transaction.atomic():
            register(table, writer.files, now=AS_OF)


def mark_day() -> None:
    """As if late events had come for a day of the window."""
    from integrations.product.models import DirtyDay

    DirtyDay.objects.create(day=(AS_OF - timedelta(days=4)).date())


def daily_rows() -> int:
    """Rows of the roll-up."""
    from django.db.models import Sum

    from integrations.product.models import DailyState

    return DailyState.objects.aggregate(n=Sum("rows"))["n"] or 0


def run_children(kinds: Sequence[str], wanted: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """What fresh processes told, some of each way, by turns: what else the machine does then meets all ways alike."""
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
    for _ in range(wanted.rounds):
        for kind in kinds:
            command = [sys.executable, __file__, "--child", kind, "--features", str(wanted.features)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=900)
            found[kind].append(json.loads(done.stdout))
    return found


# --- In a process of its own --------------------------------------------------------------------------------------------


def count_once(kind: str, features: int) -> dict[str, Any]:
    """Count users in all windows once; the clock begins before the engine's libraries are loaded (`loading` seconds of it)."""
    start_django(None)
    begun = time.perf_counter()
    import duckdb  # noqa: F401
    import pyarrow  # noqa: F401

    loading = time.perf_counter() - begun
    table, names = count_by_engine(raw=kind == "engine_raw") if kind.startswith("engine") else count_by_hand(kind, features)
    return {"seconds": time.perf_counter() - begun, "loading": loading, "answer": sums_of(table, names)}


def count_by_engine(*, raw: bool) -> tuple[Any, list[str]]:
    """What the product does for the figures of users."""
    from integrations.lake.engine import open_engine
    from integrations.product.kpis import catalog, counting, moved
    from integrations.product.kpis.windows import windows_of

    windows, counted = windows_of(AS_OF), catalog.read_counted()
    with open_engine() as engine:
        if raw:
            activity = counting.event_activity(engine, windows, counted.offered, counted.rules)
        else:
            activity = counting.daily_activity(windows, counted.offered)
        engine.bind("activity", activity.relation)
        statement = counting.users_statement(engine, activity, windows, counted.offered, moved=False,
                                             people=moved.highest_person())  # fmt: skip
        table = engine.table(statement.text, **statement.params)
    return table, [name for name in table.column_names if name != "customer_id"]


def sums_of(table: Any, names: list[str]) -> str:
    """Something to compare: the sum of each column, in order."""
    import pyarrow.compute as pc

    return ",".join(str(pc.call_function("sum", [table.column(name)]).as_py()) for name in names)


def count_by_hand(kind: str, features: int) -> tuple[Any, list[str]]:
    """The same figures in plain SQL over the same files."""
    import duckdb
    from django.conf import settings

    from integrations.lake import storage
    from integrations.lake.tables import live_files
    from integrations.product.ingest import lake_tables
    from integrations.product.kpis.windows import USAGE, windows_of

    store = storage.open_store()
    files = [store.address(each.path) for each in live_files(lake_tables.events_table())]  # pyright: ignore
    windows = windows_of(AS_OF)
    inside = [f"\"at\" >= TIMESTAMPTZ '{windows[name].start}' AND \"at\" < TIMESTAMPTZ '{windows[name].end}'" for name in USAGE]
    # Many count(distinct) do not fit into the memory of a job and cannot spill, so they get what they want.
    memory = f"{settings.LAKE_MEMORY_MB}MB" if kind == "hand" else "80%"
    connection = duckdb.connect(config={
        "memory_limit": memory, "preserve_insertion_order": False, "temp_directory": str(store.scratch()),
    })  # fmt: skip
    connection.execute("SET TimeZone = 'UTC'")
    write = hand_written if kind == "hand" else many_distinct
    text, names = write(inside, features)
    return connection.sql(text.format(files=files)).to_arrow_table(), names


def hand_written(inside: list[str], features: int) -> tuple[str, list[str]]:
    """Two steps: a number a person with a bit for each window and feature, then counts of bits by company."""
    bits = ["bit_or(CASE WHEN NOT automatic THEN w ELSE 0 END) AS b0"]
    bits += [f"bit_or(CASE WHEN name = 'Event {place}' THEN w ELSE 0 END) AS b{place}" for place in range(1, features + 1)]
    asked = asked_figures(inside, features)
    names = [name for name, _, _ in asked]
    counts = [f"count(*) FILTER (WHERE b{place} & {1 << number} <> 0) AS {name}" for name, place, number in asked]
    text = (
        f"WITH p AS (SELECT customer_id, end_user_id, {', '.join(bits)} FROM (SELECT *, {window_bits(inside)} AS w "
        f"FROM read_parquet({{files}})) GROUP BY ALL) SELECT customer_id, {', '.join(counts)} FROM p GROUP BY customer_id"
    )
    return text, names


def window_bits(inside: list[str]) -> str:
    """The windows of a row as bits."""
    return " + ".join(f"CASE WHEN {each} THEN {1 << number} ELSE 0 END" for number, each in enumerate(inside))


def many_distinct(inside: list[str], features: int) -> tuple[str, list[str]]:
    """One count(DISTINCT ...) a figure."""
    asked = asked_figures(inside, features)
    counts = [
        f"count(DISTINCT end_user_id) FILTER (WHERE {what_of(place)} AND {inside[number]}) AS {name}"
        for name, place, number in asked
    ]
    names = [name for name, _, _ in asked]
    return f"SELECT customer_id, {', '.join(counts)} FROM read_parquet({{files}}) GROUP BY customer_id", names


def what_of(place: int) -> str:
    """The events of a feature; those that people caused for 0."""
    return f"name = 'Event {place}'" if place else "NOT automatic"


def asked_figures(inside: list[str], features: int) -> list[tuple[str, int, int]]:
    """Name, feature (0: any) and window of each figure; the calendar month is asked of active users alone."""
    return [
        (f"u{place}_{number}", place, number)
        for place in range(features + 1) for number in range(len(inside) - (1 if place else 0))
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
