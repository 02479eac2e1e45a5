"""Many writers at once: 4 web processes and 2 worker processes (qcluster) on one database, for some seconds.

Clients send customers, check in on key results and read pages over HTTP; tasks of the queue change the same customers, perform
runs with a ledger, count API calls and register files in the lake. Wanted: no error (on SQLite no "database is locked"), and
nothing lost: every acknowledged value of an attribute, every check-in, every count of a ledger, every number of a lake file.

Run: `python benchmarks/concurrency.py [--seconds 20] [--clients 8] [--database postgres://...]`. Without `--database` on an
SQLite file, and then on the server that TEST_DATABASE_URL names, if it names one: there a database of its own is made and
dropped. Everything else is thrown away, too.
"""

import argparse
import http.client
import itertools
import json
import os
import random
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import load, machine, make_tables, start_django  # noqa: E402

WEB, WORKERS = 4, 2
CUSTOMERS, ROWS, RESULTS = 40, 10, 4
SAVES, COUNTED, CALLS = 5, 7, 11  # of each run: saves, rows counted by each, API calls
ORGS, AHEAD = 4, 6  # connections; tasks that wait in the queue
PATIENCE = 120.0  # seconds until everything answers, or is finished
BAD_WORDS = ("database is locked", "deadlock", "OperationalError", "Traceback")


def main() -> int:
    """Both databases; 1 when something was lost or failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--database", default="", help="a PostgreSQL server (postgres://...) instead of an SQLite file")
    parser.add_argument("--inside", default="", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.inside:  # settings are read once a process, so each database has one of its own
        return measure(Path(wanted.inside), wanted.seconds, wanted.clients)
    print(machine(), flush=True)
    server = os.environ.get("TEST_DATABASE_URL", "")
    databases = [wanted.database] if wanted.database else ["", *([server] if server.startswith("postgres") else [])]
    return max(run_on(each, wanted.seconds, wanted.clients) for each in databases)


def run_on(server: str, seconds: float, clients: int) -> int:
    """One database, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder, database(server, Path(folder)) as url:
        kind = "PostgreSQL" if server else "SQLite"
        print(f"\n{kind}: {WEB} web processes, {WORKERS} workers, {clients} clients, {seconds:g} s; {load()}", flush=True)
        own = [sys.executable, __file__, "--inside", folder, "--seconds", str(seconds), "--clients", str(clients)]
        return subprocess.run(own, env=environment(Path(folder), url), cwd=ROOT, check=False).returncode


@contextmanager
def database(server: str, folder: Path) -> Iterator[str]:
    """The address of an empty database."""
    if not server:
        yield f"sqlite:///{folder / 'bench.sqlite3'}"
        return
    import psycopg
    from psycopg import sql

    name = f"causeway_bench_{secrets.token_hex(4)}"
    with psycopg.connect(server.replace("postgres://", "postgresql://", 1), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def environment(folder: Path, url: str) -> dict[str, str]:
    """What web, worker and this script share."""
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "project.settings", "SECRET_KEY": secrets.token_urlsafe(60), "CAUSEWAY_DATA": str(folder),
        "DATABASE_URL": url, "BASE_URL": f"http://127.0.0.1:{free_port()}", "LOG_LEVEL": "WARNING", "DEMO_MODE": "yes",
        "LAKE_URL": f"file://{folder / 'lake'}", "FIELD_ENCRYPTION_KEYS": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "API_RATE": "1000000/min", "WORKERS": str(WORKERS), "EMAIL_URL": "consolemail://", "PYTHONUNBUFFERED": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }  # fmt: skip


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- one database ---------------------------------------------------------------------------------------------------------


@dataclass
class Client:
    """One caller with a key and a session of its own: what was acknowledged, and how long each kind of request took."""

    number: int
    key: str
    session: str
    results: list[int]
    wrote: dict[str, str] = field(default_factory=dict)
    checked_in: Counter[int] = field(default_factory=Counter)
    times: dict[str, list[float]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def work(self, until: float) -> None:
        """Requests in turn until the time is over."""
        address = urlsplit(os.environ["BASE_URL"])
        dice = random.Random(self.number)
        for turn in itertools.count(1):
            if time.monotonic() > until or len(self.wrong) > 20:
                return
            connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
            try:
                self._turn(connection, turn, dice)
            except OSError as error:
                self.wrong.append(f"{type(error).__name__}: {error}")
            finally:
                connection.close()

    def _turn(self, connection: http.client.HTTPConnection, turn: int, dice: random.Random) -> None:
        chosen = dice.sample(range(CUSTOMERS), ROWS)
        rows = [{"external_id": f"c{each}", "attributes": {f"client_{self.number}": str(turn)}} for each in chosen]
        if self._ask(connection, "send 10 customers", "POST", "/api/v1/customers/", {"customers": rows}):
            self.wrote |= {f"c{each}": str(turn) for each in chosen}
        result = dice.choice(self.results)
        value = str(self.number * 1_000_000 + turn)
        if self._ask(connection, "check in", "POST", f"/api/v1/key-results/{result}/check-ins/", {"value": value}):
            self.checked_in[result] += 1
        self._ask(connection, "list customers", "GET", "/api/v1/customers/?sort=-updated_at")
        self._ask(connection, "page of runs", "GET", "/runs/")

    def _ask(self, connection: http.client.HTTPConnection, kind: str, method: str, path: str, body: Any = None) -> bool:
        page = not path.startswith("/api/")
        who = {"Cookie": f"sessionid={self.session}"} if page else {"Authorization": f"Api-Key {self.key}"}
        headers = who | ({} if body is None else {"Content-Type": "application/json"})
        begun = time.perf_counter()
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        self.times.setdefault(kind, []).append(time.perf_counter() - begun)
        if answer.status >= 300:
            self.wrong.append(f"{method} {path}: {answer.status} {text[:300]!r}")
        return answer.status < 300


def measure(folder: Path, seconds: float, count: int) -> int:
    """Fill, start, work, wait, check."""
    from django.core.management import call_command

    start_django(None)
    make_tables()
    call_command("collectstatic", interactive=False, verbosity=0)
    clients = prepare(count)
    with serving(folder):
        until = time.monotonic() + seconds
        threads = [threading.Thread(target=each.work, args=(until,)) for each in clients]
        for each in threads:
            each.start()
        tasks = feed(until)
        for each in threads:
            each.join()
        left = wait_for_tasks(tasks)
    tell(clients, tasks, seconds)
    problems = [f"{left} tasks of the queue never ended"] if left else []
    problems += [f"a request failed: {text}" for each in clients for text in each.wrong[:3]]
    problems += [f"{path.name}: {line}" for path in sorted(folder.glob("*.log")) for line in bad_lines(path)[:5]]
    for check in (check_attributes, check_results, check_tasks, check_usage, check_lake):
        problems += check(clients, tasks)
    for each in problems[:30]:
        print(f"LOST  {each}")
    print("MISSED" if problems else "ok    no error, nothing lost", flush=True)
    return 1 if problems else 0


def prepare(count: int) -> list[Client]:
    """A super user, connections, customers, key results; a key and a session for each client."""
    from datetime import timedelta
    from decimal import Decimal

    from django.contrib.auth.models import User
    from django.test import Client as Browser
    from django.utils import timezone

    from integrations.api_keys import create_key
    from integrations.models import Attribute, Entity, SalesforceOrg
    from integrations.sync.matching.spine import save_customers
    from okr import objectives

    now = timezone.now()
    boss = User.objects.create_superuser("boss", "boss@example.com", secrets.token_urlsafe(20))
    for number in range(ORGS):
        SalesforceOrg.objects.create(name=f"Org {number}", state=SalesforceOrg.State.CONNECTED)
    keys = [f"client_{number}" for number in range(count)]
    Attribute.objects.bulk_create(Attribute(entity=Entity.CUSTOMER, key=key, label=key, type="STRING") for key in keys)
    save_customers([{"external_id": f"c{number}", "name": f"Customer {number}"} for number in range(CUSTOMERS)], now=now)
    period = objectives.create_period(name="Bench", starts_on=now.date(), ends_on=now.date() + timedelta(days=90), user=boss)
    objective = objectives.create_objective(title="Bench", owner=boss, period=period, user=boss, now=now)
    results = [
        objectives.create_key_result(objective, title=f"R{n}", owner=boss, target=Decimal(10), user=boss, now=now).pk
        for n in range(RESULTS)
    ]
    scopes = ["customers:read", "customers:write", "okr:read", "okr:write"]
    clients = []
    for number in range(count):
        browser = Browser()
        browser.force_login(boss)
        _, secret = create_key(owner=boss, name=f"client {number}", scopes=scopes, expires=None)
        clients.append(Client(number, secret, browser.cookies["sessionid"].value, results))
    return clients


@contextmanager
def serving(folder: Path) -> Iterator[None]:
    """Web and worker, as `./run` starts them, until the block ends."""
    from django.db import connections

    connections.close_all()
    port = urlsplit(os.environ["BASE_URL"]).port
    web = ["granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers", str(WEB),
           "--blocking-threads", "2", "--log-level", "warning", "project.wsgi:application"]  # fmt: skip
    worker = [sys.executable, "manage.py", "qcluster"]
    started = []
    try:
        for name, command in (("web", web), ("worker", worker)):
            with (folder / f"{name}.log").open("wb") as log:
                started.append(
                    subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
                )
        wait_until(lambda: answers(port or 0), "the web server")
        with ThreadPoolExecutor(WEB * 4) as pool:  # each process loads the application with its first request
            list(pool.map(lambda _: answers(port or 0), range(WEB * 8)))
        yield
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGTERM)
        for process in started:
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


def answers(port: int) -> bool:
    """Whether the web server is there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/api/v1/customers/")
        return connection.getresponse().status < 500
    except OSError:
        return False
    finally:
        connection.close()


def wait_until(done: Callable[[], bool], what: str) -> None:
    """Wait for something that happens in another process."""
    end = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > end:
            raise SystemExit(f"Gave up waiting for {what}.")
        time.sleep(0.1)


# --- what the queue does --------------------------------------------------------------------------------------------------


def feed(until: float) -> int:
    """Keep some tasks waiting in the queue until the time is over; how many there were."""
    from django_q.models import OrmQ
    from django_q.tasks import async_task

    number = 0
    while time.monotonic() < until:
        while OrmQ.objects.count() < AHEAD + WORKERS:
            async_task("benchmarks.concurrency.work", number, task_name=f"bench-{number}")
            number += 1
        time.sleep(0.02)
    return number


def wait_for_tasks(tasks: int) -> int:
    """Until all are done; how many are not in the end."""
    from django_q.models import Task

    end = time.monotonic() + PATIENCE
    while (left := tasks - Task.objects.filter(name__startswith="bench-").count()) and time.monotonic() < end:
        time.sleep(0.2)
    return left


def work(number: int) -> int:
    """One task: attributes of shared customers, a run with a ledger, API calls, a file of the lake."""
    from django.db import transaction
    from django.utils import timezone

    from integrations.lake.tables import ensure_table
    from integrations.lake.writing import open_writer, register
    from integrations.models import Run, SalesforceOrg
    from integrations.orgs.usage import USAGE
    from integrations.sync import jobs, runs
    from integrations.sync.matching.spine import save_customers

    shared, *others = SalesforceOrg.objects.order_by("pk")
    org = others[number % len(others)]
    rows = [{"external_id": name, "attributes": {f"task_{number % 10}": str(number)}} for name in customers_of(number)]
    save_customers(rows, now=timezone.now(), create_attributes=True)

    def perform(recorder: runs.Recorder) -> None:
        for turn in range(SAVES):
            recorder.object("rows").counted("written", COUNTED)
            recorder.save({"turn": turn})

    name = f"bench.{number}"
    jobs._jobs[name] = jobs.Job(name, "Bench", "bench", perform)
    run = Run.objects.create(job=name, org=org, domain="bench", queued_at=timezone.now())
    runs.perform_run(run.pk)
    for call in range(CALLS):  # all tasks into the same row
        USAGE.add(shared.pk, "bench", counted=True, failed=False, object_name=f"O{number}x{call}", limit=None)
        USAGE.flush()
    table = ensure_table("bench/files", columns=[("id", "whole")], key="id")
    import pyarrow as pa

    with open_writer(table) as writer:
        writer.write(pa.table({"id": pa.array([number], pa.int64())}))
    with transaction.atomic():
        register(table, writer.staged, now=timezone.now())
    return number


def customers_of(number: int) -> list[str]:
    """The customers that a task changes: with the same attribute, different ones in each of ten rounds."""
    return [f"c{(number // 10 * 3 + each) % CUSTOMERS}" for each in range(3)]


# --- what must be true at the end -----------------------------------------------------------------------------------------


def check_attributes(clients: list[Client], tasks: int) -> list[str]:
    """The last acknowledged value of each client stands, whatever others wrote to the same customer."""
    from integrations.models import Customer

    found = dict(Customer.objects.values_list("external_id", "attributes"))
    lost = [
        f"{name}: client {each.number} wrote {value}, there is {found[name].get(f'client_{each.number}')}"
        for each in clients for name, value in each.wrote.items() if found[name].get(f"client_{each.number}") != value
    ]  # fmt: skip
    for number in range(tasks):
        for name in customers_of(number):
            if f"task_{number % 10}" not in found[name]:
                lost += [f"{name}: what task {number} wrote is not there"]
    return lost


def check_results(clients: list[Client], tasks: int) -> list[str]:
    """Every check-in is there with its reading, and the value shown is the last one."""
    from okr.models import CheckIn, KeyResult, Reading

    lost = []
    for result in KeyResult.objects.all():
        said = sum(each.checked_in[result.pk] for each in clients)
        kept, read = (model.objects.filter(key_result=result).count() for model in (CheckIn, Reading))
        last = Reading.objects.filter(key_result=result).order_by("-pk").values_list("value", flat=True).first()
        if not said == kept == read:
            lost.append(f"key result {result.pk}: {said} check-ins acknowledged, {kept} kept, {read} readings")
        if said and result.current != last:
            lost.append(f"key result {result.pk} shows {result.current}, the last reading is {last}")
    return lost


def check_tasks(clients: list[Client], tasks: int) -> list[str]:
    """Each task was performed once, its run succeeded, its ledger adds up."""
    from django.db.models import Sum
    from django_q.models import Failure

    from integrations.models import Run, RunObject

    lost = [f"task {each.name} failed: {str(each.result)[:300]}" for each in Failure.objects.all()[:5]]
    states = Counter(Run.objects.filter(domain="bench").values_list("state", flat=True))
    if states != Counter({"success": tasks} if tasks else {}):
        lost.append(f"{tasks} runs, their states: {dict(states)}")
    written = RunObject.objects.filter(run__domain="bench").aggregate(n=Sum("written", default=0))["n"]
    if written != tasks * SAVES * COUNTED:
        lost.append(f"{tasks * SAVES * COUNTED} rows were counted, the ledgers say {written}")
    return lost


def check_usage(clients: list[Client], tasks: int) -> list[str]:
    """Every API call is counted, and every object that was asked for is known."""
    from integrations.models import ApiUsage

    rows = list(ApiUsage.objects.filter(domain="bench"))
    calls, objects = sum(each.calls for each in rows), {name for each in rows for name in each.objects_asked}
    lost = [] if calls == tasks * CALLS else [f"{tasks * CALLS} API calls were made, {calls} are counted"]
    fits = len(objects) == tasks * CALLS
    return lost if fits else [*lost, f"{tasks * CALLS} objects were asked for, {len(objects)} are known"]


def check_lake(clients: list[Client], tasks: int) -> list[str]:
    """Each file has a number of its own, without gaps."""
    from integrations.models import LakeFile

    numbers = sorted(LakeFile.objects.filter(table__name="bench/files").values_list("number", flat=True))
    fits = numbers == list(range(1, tasks + 1))
    return [] if fits else [f"{tasks} files were registered, their numbers are {numbers[:5]}...{numbers[-5:]} ({len(numbers)})"]


def bad_lines(path: Path) -> list[str]:
    """Lines of a log that tell of an error."""
    text = path.read_text(errors="replace") if path.exists() else ""
    return [line[:300] for line in text.splitlines() if any(word in line for word in BAD_WORDS)]


def tell(clients: list[Client], tasks: int, seconds: float) -> None:
    """Requests and tasks, and how long they took."""
    kinds: dict[str, list[float]] = {}
    for each in clients:
        for kind, times in each.times.items():
            kinds.setdefault(kind, []).extend(times)
    for kind, times in kinds.items():
        middle, last = statistics.median(times), statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]
        print(
            f"{kind:20} {len(times):>6,} requests  {len(times) / seconds:>7,.0f}/s  middle {middle * 1000:>6,.0f} ms  "
            f"p95 {last * 1000:>6,.0f} ms  slowest {max(times) * 1000:>6,.0f} ms"
        )
    print(f"{'tasks of the queue':20} {tasks:>6,} tasks     {tasks / seconds:>7,.1f}/s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
