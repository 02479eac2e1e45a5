"""Events over HTTP while the flush works and both are killed (L-09): 1,000 a second in batches of 500, 1 in 100 sent twice.

The real web server and a flusher that flushes every few seconds, each SIGKILLed once and started again. The sender repeats what
was not answered, as every client must. Figures: p95 of a batch, and that every acknowledged id is stored once, exactly.

Run: `python benchmarks/ingest.py [--seconds 600] [--rate 1000] [--database postgresql://...]`. Everything is thrown away.
"""

import argparse
import contextlib
import http.client
import json
import os
import random
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import load, machine, memory_of, start_django  # noqa: E402
from benchmarks.targets import Verdicts  # noqa: E402
from tests.demo import free_port  # noqa: E402

BATCH, USERS, ACCOUNTS = 500, 20_000, 1_000
FLUSH_SECONDS, MOST_MILLISECONDS, TRIES = 10, 200, 200
NAMES = ["Report opened", "Report exported", "Dashboard viewed", "User invited", "Search done"]


def main() -> int:
    """Run it; 1 when a figure is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--rate", type=int, default=1_000, help="events a second")
    parser.add_argument("--database", default="", help="URL of an empty PostgreSQL database; SQLite otherwise")
    parser.add_argument("--flusher", action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.flusher:
        keep_flushing()
        return 0
    with tempfile.TemporaryDirectory() as folder:
        begin(Path(folder), wanted.database)
        return measure(wanted.seconds, wanted.rate, free_port(), make_key())


def begin(folder: Path, database: str) -> None:
    """A throw-away database with every table, for this process and those that it starts."""
    start_django(folder, DATABASE_URL=database or f"sqlite:///{folder / 'bench.sqlite3'}", PYTHONPATH=str(ROOT))


def make_key() -> str:
    """An API key that may send events."""
    from django.contrib.auth.models import User

    from integrations.api_keys import create_key

    owner = User.objects.create_superuser("bench", "bench@acme.example", secrets.token_urlsafe(20))
    return create_key(owner=owner, name="bench", scopes=["events:write"], expires=None)[1]


class Service:
    """A process of ours that can be killed and started again."""

    def __init__(self, *command: str) -> None:
        self.command = [sys.executable, *command]
        self.start()

    def start(self) -> None:
        """Start it, with its children in a group of its own."""
        self.process = subprocess.Popen(self.command, cwd=ROOT, start_new_session=True)

    def kill(self) -> None:
        """SIGKILL for it and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def measure(seconds: int, rate: int, port: int, key: str) -> int:
    """Send, kill, compare."""
    print(machine(), flush=True)
    how = ["--interface", "wsgi", "--host", "127.0.0.1", "--workers", "2", "--blocking-threads", "4", "--log-level", "error"]
    web = Service("-m", "granian", *how, "--port", str(port), "project.wsgi:application")
    flusher = Service(__file__, "--flusher")
    sender = Sender(port, key, rate)
    try:
        sender.wait_for_web()
        thread = threading.Thread(target=sender.send_for, args=(seconds,))
        thread.start()
        time.sleep(seconds / 3)
        web.kill()
        web.start()
        time.sleep(seconds / 6)
        flusher.kill()
        flusher.start()
        thread.join()
    finally:
        web.kill()
        flusher.kill()
    return judge(sender, seconds)


class Sender:
    """Sends batches on time and repeats what was not answered with the same ids."""

    def __init__(self, port: int, key: str, rate: int) -> None:
        self.port, self.key, self.rate = port, key, rate
        self.times: list[float] = []
        self.acknowledged: set[str] = set()
        self.repeated = self.errors = 0
        self._random = random.Random(9)
        self._open: http.client.HTTPConnection | None = None

    def wait_for_web(self) -> None:
        """Until it answers; not measured."""
        for _ in range(TRIES):
            try:
                self._post([])
            except (OSError, http.client.HTTPException):
                self._open = None
                time.sleep(0.1)
            else:
                return
        raise SystemExit("The web process did not start.")

    def send_for(self, seconds: int) -> None:
        """One batch each half second (at 1,000 a second), each with one event in a hundred of an earlier batch."""
        begin, sent, older = time.monotonic(), 0, list[dict[str, Any]]()
        while time.monotonic() - begin < seconds:
            batch = [self._event(sent + n) for n in range(BATCH)]
            if older:
                batch[:: BATCH // 5] = self._random.sample(older, 5)
                self.repeated += 5
            self._send(batch)
            sent += BATCH
            older = batch
            time.sleep(max(0.0, begin + sent / self.rate - time.monotonic()))

    def _event(self, number: int) -> dict[str, Any]:
        user = self._random.randrange(USERS)
        at = datetime.now(UTC) - timedelta(seconds=self._random.randrange(600))
        return {
            "id": f"{number:09d}-{secrets.token_hex(12)}", "type": "track", "event": self._random.choice(NAMES),
            "user": f"user-{user}", "account": f"account-{user % ACCOUNTS}", "at": at.isoformat().replace("+00:00", "Z"),
            "properties": {"path": f"/reports/{number % 500}", "browser": "Firefox", "seconds": number % 90},
        }  # fmt: skip

    def _send(self, batch: list[dict[str, Any]]) -> None:
        for _ in range(TRIES):
            begin = time.perf_counter()
            try:
                status = self._post(batch)
            except (OSError, http.client.HTTPException):
                self.errors += 1
                self._open = None
                time.sleep(0.1)
                continue
            self.times.append(time.perf_counter() - begin)
            if status == 202:
                self.acknowledged.update(each["id"] for each in batch)
                return
            time.sleep(1)
        raise SystemExit("A batch was not taken.")

    def _post(self, batch: list[dict[str, Any]]) -> int:
        if self._open is None:
            self._open = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": f"Api-Key {self.key}", "Content-Type": "application/json"}
        self._open.request("POST", "/api/v1/events/", json.dumps({"batch": batch}), headers)
        answer = self._open.getresponse()
        answer.read()
        return answer.status


def keep_flushing() -> None:
    """A worker that does nothing but flush, until it is killed."""
    import django

    django.setup()
    from integrations.models import Lease, Run
    from integrations.product.ingest.flush import JOB

    # What a killed one left; the sweeper does this after four minutes.
    Run.objects.filter(job=JOB).update(state=Run.State.INTERRUPTED)
    Lease.objects.all().delete()
    while True:
        time.sleep(FLUSH_SECONDS)
        flush()
        print(f"  {rows_waiting():>9,} events wait, flusher {memory_of(None)}, {load()}", flush=True)


def flush() -> None:
    """One flush; of nothing when nothing waits."""
    from django.utils import timezone

    from integrations.models import Run
    from integrations.product.ingest.flush import JOB, flush_due
    from integrations.sync import runs

    run = flush_due(now=timezone.now())
    if run is not None:
        runs.perform_run(run.pk)
        run.refresh_from_db()
        if run.state != Run.State.SUCCESS or run.job != JOB:
            print(f"  flush ended {run.state}: {run.sentence}", flush=True)


def rows_waiting() -> int:
    """Events in the buffer."""
    from integrations.product.ingest.accept import waiting

    return waiting().rows


def judge(sender: Sender, seconds: int) -> int:
    """Flush the rest, then compare what was acknowledged with what is stored."""
    from django.utils import timezone

    from integrations.lake.engine import open_engine
    from integrations.lake.reading import raw
    from integrations.models import Lease, Run
    from integrations.product.ingest import lake_tables
    from integrations.product.ingest.flush import JOB

    Run.objects.filter(job=JOB).update(state=Run.State.INTERRUPTED, finished_at=timezone.now())
    Lease.objects.all().delete()
    left, begin = rows_waiting(), time.perf_counter()
    flush()
    took = time.perf_counter() - begin
    with open_engine() as engine:
        engine.bind("stored", raw(lake_tables.events_table(), columns=["event_id"]))
        stored = [row[0] for row in engine.rows("SELECT event_id FROM stored")]
    p95 = statistics.quantiles(sender.times, n=20)[-1] * 1000 if len(sender.times) > 1 else 0.0
    sent = len(sender.acknowledged)
    print(f"{sent:,} events acknowledged in {seconds} s; {sender.repeated:,} sent twice, {sender.errors} connections broken")
    middle, longest = statistics.median(sender.times) * 1000, max(sender.times) * 1000
    slow = sum(1 for each in sender.times if each * 1000 > MOST_MILLISECONDS)
    print(f"a batch: median {middle:.0f} ms, p95 {p95:.0f} ms, max {longest:.0f} ms; {slow} of {len(sender.times)} were slower")
    print(f"last flush: {left:,} events in {took:.1f} s ({left / max(took, 0.001):,.0f} a second)")
    checks = [
        (f"p95 at most {MOST_MILLISECONDS} ms: {p95:.0f} ms", p95 <= MOST_MILLISECONDS),
        (f"0 acknowledged events lost: {len(sender.acknowledged.difference(stored))}", sender.acknowledged.issubset(stored)),
        (f"each id stored once: {len(stored):,} rows, {len(set(stored)):,} ids", len(stored) == len(set(stored))),
        (f"at the asked rate: {sent / seconds:,.0f} a second", sent >= 0.95 * sender.rate * seconds * 0.99),
    ]
    for text, holds in checks:
        print(f"{'ok  ' if holds else 'MISS'}  {text}")
    verdicts = Verdicts("ingest.py")
    lost = len(sender.acknowledged.difference(stored))
    said = (
        f"{sent / seconds:,.0f} events/s for {seconds} s: p95 {p95:.0f} ms, {lost} lost, {len(stored) - len(set(stored))} twice"
    )
    good = all(holds for _, holds in checks)
    safe = not lost and len(stored) == len(set(stored))
    verdicts.add("L-09", said, met=good if seconds >= 600 and sender.rate >= 1000 else None if safe else False)
    return max(verdicts.close(), 0 if good else 1)


if __name__ == "__main__":
    raise SystemExit(main())
