"""A worker that is killed on purpose: run as `python -m tests.faults.pull_worker FOLDER ORG_URL WAY`, it prints what it found.

It reads a mirror once, lets the org change, and then reads the changes again and again, each time from the same start, with a
process of its own that gets SIGKILL while it waits for the answer to its first, second, third ... call. What a resumed run makes
of it must equal, column by column, what an uninterrupted run makes.
"""

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

MOST_CALLS = 60
CALL_SECONDS = 60.0
WAIT_SECONDS = 3 * CALL_SECONDS  # on a machine that does much else; a worker that ends or fails is noticed at once
NEEDS = {
    "Account": ("Name", "Industry", "AnnualRevenue"),
    "Contact": ("LastName", "Email", "AccountId"),
    "Opportunity": ("Name", "StageName", "Amount", "CloseDate", "AccountId"),
}


def main(folder: Path, url: str, way: str) -> None:
    """Prepare, drill, print one line of JSON."""
    setup(folder / "now", url)
    from tests.demo import DemoOrgHandle

    org = DemoOrgHandle(url)
    if way == "bulk":
        org.settings(bulk_page_rows=60)
    began = time.monotonic()
    in_child(prepare)
    behind_our_back(org)
    close()
    shutil.copytree(folder / "now", folder / "start")
    expected = from_start(folder, lambda: in_child(lambda: read(way)))
    calls, kills, wrong = 0, 0, []
    while calls < MOST_CALLS:
        killed = False

        def interrupted(at: int = calls) -> None:
            nonlocal killed
            killed = killed_at_call(org, at, way)
            if killed:
                recover()
                in_child(lambda: read(way))

        found = from_start(folder, interrupted)
        if not killed:
            break
        calls, kills = calls + 1, kills + 1
        wrong += [f"killed in call {calls}: {each}" for each in differences(expected, found)]
    print(json.dumps({"calls": calls, "kills": kills, "wrong": wrong, "seconds": round(time.monotonic() - began),  # noqa: T201
                      "rows": {name: len(rows) for name, rows in expected["rows"].items()}, "news": expected["news"]}))  # fmt: skip


def setup(folder: Path, url: str) -> None:
    """Django on a database and a lake in `folder`, tables made straight from the models (migrations take longer)."""
    folder.mkdir(parents=True)
    os.environ |= {
        "CAUSEWAY_DATA": str(folder), "DATABASE_URL": f"sqlite:///{folder / 'pull.sqlite3'}", "DEMO_MODE": "yes",
        "DEMO_ORG_URL": url, "BASE_URL": "http://127.0.0.1:8000", "LOG_LEVEL": "CRITICAL",
        "DJANGO_SETTINGS_MODULE": "project.settings",
    }  # fmt: skip
    import django
    import duckdb  # noqa: F401 - forked workers find these loaded; nothing here uses them, so no thread is started
    import pyarrow.csv
    import pyarrow.parquet  # noqa: F401
    from django.apps import apps
    from django.conf import settings
    from django.core.management import call_command

    with contextlib.suppress(ImportError):  # where it is installed, pyarrow looks for it
        import pandas  # noqa: F401
    django.setup()
    settings.MIGRATION_MODULES = {each.label: None for each in apps.get_app_configs()}
    call_command("migrate", run_syncdb=True, verbosity=0)
    call_command("createcachetable", verbosity=0)
    listen()
    ask_for_needs()


def ask_for_needs() -> None:
    """What this installation reads: nothing but the drill's own objects."""
    from integrations.sync.mirror import needs

    asked = [needs.Need("drill", name, fields, None) for name, fields in NEEDS.items()]
    needs._providers.clear()
    needs.register_needs("drill", lambda org: asked)


def listen() -> None:
    """A domain that writes down what it is told, in the database, as domains do."""
    from django.core.cache import cache

    from integrations.sync.mirror import hooks

    def hear(event: str) -> Callable[..., None]:
        def note(org: Any, name: str, news: Any, /, *, run: Any, now: Any) -> None:
            heard = set(cache.get("drill", []))
            cache.set("drill", sorted(heard | {f"{event} {name} {each}" for each in news}), None)

        return note

    events = ("on_merged", "on_deleted", "on_revived")
    hooks.register("drill", **{event: hear(event) for event in events})


# --- the story ---------------------------------------------------------------------------------------------------------------


def prepare() -> None:
    """A connection, and a first read of everything."""
    from django.core.cache import cache
    from django.utils import timezone

    from integrations.orgs.lifecycle import connect_demo_org

    connect_demo_org(name="Demo", now=timezone.now())
    read("rest")
    cache.clear()


def behind_our_back(org: Any) -> None:
    """Changes, new records, deletions and a merge, while nobody reads."""
    from integrations.models import SalesforceOrg
    from integrations.orgs.connect import client_for

    def some(name: str, *more: str) -> list[dict[str, Any]]:
        with client_for(SalesforceOrg.objects.get(), domain="test") as client:
            return client.query_all(f"SELECT {', '.join(['Id', *more])} FROM {name} ORDER BY Id LIMIT 40")

    accounts = [each["Id"] for each in some("Account")]
    parents = {each["AccountId"] for each in some("Opportunity", "AccountId")}
    for number, each in enumerate(accounts[:5]):
        org.control("update", {"object": "Account", "id": each, "fields": {"Name": f"Renamed {number}"}})
    for number in range(5):
        org.control("create", {"object": "Contact", "fields": {"LastName": f"New {number}", "AccountId": accounts[6]}})
    for each in some("Contact")[:3]:
        org.control("delete", {"object": "Contact", "id": each["Id"]})
    loser = next(each for each in accounts if each in parents)
    winner = next(each for each in accounts if each != loser)
    org.control("merge", {"object": "Account", "master": winner, "losers": [loser]})


def read(way: str) -> None:
    """Ask for a read, or go on with the one that waits, and see it through."""
    from django.utils import timezone

    from integrations.models import Run, SalesforceOrg
    from integrations.sync import runs
    from integrations.sync.attending import see_through
    from integrations.sync.mirror import planning

    if way == "bulk":
        planning.REST_PAGES = 0
        planning.RESULT_ROWS = 60
    waiting = Run.objects.filter(job="mirror.read", state=Run.State.QUEUED).first()
    run = waiting or runs.request_run("mirror.read", org=SalesforceOrg.objects.get(), now=timezone.now())
    ended = see_through(run, tell=lambda text: None, seconds=WAIT_SECONDS)
    if ended.state != Run.State.SUCCESS:
        raise RuntimeError(f"{ended}: {ended.state} {ended.sentence}")


# --- killing -----------------------------------------------------------------------------------------------------------------


def killed_at_call(org: Any, number: int, way: str) -> bool:
    """Start a worker and kill it while call `number` (from 0) waits for its answer; False when it made fewer calls."""
    org.no_faults()
    org.fault(path="/services/", after=number, times=1, status=0, delay=WAIT_SECONDS)
    worker = fork(lambda: read(way))
    deadline = time.monotonic() + WAIT_SECONDS
    try:
        while org.control("faults")["faults"]:
            ended, status = os.waitpid(worker, os.WNOHANG)
            if ended:
                if status:
                    raise RuntimeError(f"The worker failed by itself: {status}")
                return False
            if time.monotonic() > deadline:
                os.kill(worker, signal.SIGKILL)
                os.waitpid(worker, 0)
                raise RuntimeError(f"The worker never made call {number}: {where_it_stands(org)}")
            time.sleep(0.02)
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
        return True
    finally:
        org.no_faults()


def where_it_stands(org: Any) -> str:
    """What a worker that hangs had done: its runs, what they wait for, its last calls."""
    from integrations.models import Run

    runs = list(Run.objects.order_by("-id").values_list("state", "reason_code", "sentence", "not_before")[:3])
    close()
    return f"runs {runs}, calls {[(each['method'], each['path'], each['status']) for each in org.calls()[-3:]]}"


def recover() -> None:
    """Four minutes later the sweeper finds the dead worker's run."""
    from django.utils import timezone

    from integrations.models import Lease, Run
    from integrations.sync import runs

    long_ago = timezone.now() - timedelta(minutes=5)
    Run.objects.filter(state=Run.State.RUNNING).update(heartbeat_at=long_ago)
    Lease.objects.update(expires_at=long_ago)
    runs.sweep(now=timezone.now())
    close()


def fork(work: Callable[[], None]) -> int:
    """A worker process of its own; what the drill knows of databases stays here."""
    close()
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    try:
        work()
        code = 0
    except BaseException as error:  # noqa: BLE001 - the parent reads the exit code
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        code = 1
    os._exit(code)


def in_child(work: Callable[[], None]) -> None:
    """Do it in a process of its own, so that this one never starts a thread."""
    _, status = os.waitpid(fork(work), 0)
    if status:
        raise RuntimeError("A worker failed.")


# --- comparing ---------------------------------------------------------------------------------------------------------------


def from_start(folder: Path, work: Callable[[], None]) -> dict[str, Any]:
    """Everything that the mirror holds after `work`, begun from the same start each time."""
    close()
    shutil.rmtree(folder / "now")
    shutil.copytree(folder / "start", folder / "now")
    work()
    in_child(lambda: export(folder / "found.json"))
    return json.loads((folder / "found.json").read_text())


def export(path: Path) -> None:
    """Rows (deleted ones too), merges, counts and news, as JSON."""
    from django.core.cache import cache

    from integrations.lake.engine import open_engine
    from integrations.models import MirrorObject, RecordMerge, SalesforceOrg
    from integrations.sync import verifying
    from integrations.sync.mirror import tables

    org, found = SalesforceOrg.objects.get(), {}
    for name in NEEDS:
        with open_engine() as engine:
            engine.bind("everything", tables.live(org, name, include_removed=True))
            rows = engine.table("SELECT * FROM everything").to_pylist()
        found[name] = {row["Id"]: {key: str(value) for key, value in row.items()} for row in rows}
    books = list(MirrorObject.objects.order_by("name").values_list("name", "rows", "deleted_rows", "state"))
    breaches = [str(each) for each in verifying.breaches()]
    merges = sorted(RecordMerge.objects.values_list("loser", "winner"))
    everything = {"rows": found, "merges": merges, "news": cache.get("drill", []), "books": books, "breaches": breaches}
    path.write_text(json.dumps(everything))


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """What differs, in words."""
    wrong = [f"{part} differ: {found[part]}" for part in ("merges", "news", "books") if expected[part] != found[part]]
    wrong += found["breaches"]
    for name, rows in expected["rows"].items():
        ours = found["rows"][name]
        wrong += [f"{name} {key} is missing" for key in rows if key not in ours]
        wrong += [f"{name} {key} is too many" for key in ours if key not in rows]
        for key in set(rows) & set(ours):
            wrong += [f"{name} {key} {column}" for column, value in rows[key].items() if ours[key].get(column) != value]
    return wrong[:20]


def close() -> None:
    """Leave no connection open: a forked process must not share it, and files are copied."""
    from django.db import connections

    connections.close_all()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
