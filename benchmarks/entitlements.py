"""L-08: entitlement checks over HTTP: authenticated GETs about many customers, against a bare answer and the plain way.

One server process on one core, the load (h2load, HTTP/1.1) on the other. Figures and what is wanted of them:

- checks a second: at least 0.8 of the same server answering from a dict, at least 30 times the plain way (Django's view with
  key, throttle and queries, on gunicorn or on the same server, whichever is quicker);
- at half of that load, 99 of 100 answers within 5 ms;
- a change is visible to every one of three processes within 1 s of its commit;
- 100 parallel consumptions against a limit of 10 grant exactly 10, through HTTP on two processes;
- a check by the Python client's own memory within 5 microseconds.

Run: `python benchmarks/entitlements.py [--customers 100000] [--seconds 10] [--database postgresql://...]`. Needs
h2load (Debian: nghttp2-client). Everything is thrown away.
"""

import argparse
import contextlib
import http.client
import json
import os
import random
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import load, machine, memory_of  # noqa: E402
from benchmarks.targets import Verdicts  # noqa: E402
from tests.demo import free_port  # noqa: E402

CONNECTIONS = 16
ROUNDS, WARM_UP = 3, 1
CHECK = "/api/v1/entitlements/check/"
FEATURES = ["feature-sso", "feature-seats", "feature-calls", "feature-exports", "feature-audit"]
LEAST_OF_BARE, LEAST_OF_PLAIN, MOST_P99, MOST_VISIBLE, MOST_LOCAL = 0.8, 30.0, 5.0, 1.0, 5.0


def bare(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """The same server, answering from a dict: what the server itself costs."""
    body = BARE.get(environ["QUERY_STRING"]) or BODY
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


BODY = b"x" * 640
# As many answers as there are customers, so that both ways miss the processor's caches alike.
BARE = {
    f"customer=acme-{number}&feature={feature}": BODY[:-6] + b"%06d" % number
    for number in range(100_000) for feature in FEATURES
} if os.environ.get("BARE_ANSWERS") else {}  # fmt: skip


def main() -> int:
    """Run it; 1 when a figure is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=10, help="of each measurement")
    parser.add_argument("--database", default="", help="URL of an empty PostgreSQL database; SQLite otherwise")
    parser.add_argument("--steady", type=int, default=60, help="seconds of 200 checks a second (L-08: 1800)")
    wanted = parser.parse_args()
    if shutil.which("h2load") is None:
        print("h2load is missing: sudo apt install nghttp2-client")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        begin(Path(folder), wanted.database)
        key = fill(wanted.customers)
        return Bench(Path(folder), wanted.customers, wanted.seconds, key, steady=wanted.steady).run()


def begin(folder: Path, database: str) -> None:
    """A throw-away database with every table, for this process and those that it starts."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "project.settings", "SECRET_KEY": secrets.token_urlsafe(60), "CAUSEWAY_DATA": str(folder),
        "DATABASE_URL": database or f"sqlite:///{folder / 'bench.sqlite3'}", "BASE_URL": "http://127.0.0.1:8000",
        "LAKE_URL": f"file://{folder / 'lake'}", "LOG_LEVEL": "ERROR", "PYTHONPATH": str(ROOT), "API_RATE": "10000000/min",
        "ENTITLEMENT_RATE": "1000000000", "FIELD_ENCRYPTION_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    }  # fmt: skip
    import django
    from django.conf import settings
    from django.core.management import call_command

    from tests.lake.victim import NoMigrations

    settings.MIGRATION_MODULES = NoMigrations()
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    call_command("createcachetable", verbosity=0)


def fill(customers: int) -> str:
    """A catalogue of one product and three plans, one subscription a customer; an API key that may ask and consume."""
    from django.contrib.auth.models import User

    from integrations.api_keys import create_key
    from integrations.models import Customer
    from provisioning import models

    now = datetime.now(UTC)
    product = models.Product.objects.create(key="product-app", name="App")
    kinds = ("boolean", "numeric", "metered", "metered", "boolean")
    features = [
        models.Feature.objects.create(key=key, name=key.removeprefix("feature-").title(), kind=kind)
        for key, kind in zip(FEATURES, kinds, strict=True)
    ]
    plans = []
    for number, name in enumerate(("Start", "Pro", "Scale"), 1):
        offer = models.Offer.objects.create(key=f"plan-{name.lower()}", name=name, kind="plan", product=product)
        plan = models.OfferVersion.objects.create(offer=offer, number=1, published_at=now)
        limits = (None, 10 * number, 10_000 * number, 10, None)
        for feature, limit in zip(features, limits, strict=True):
            reset = "month" if feature.kind == "metered" else ""
            models.OfferEntitlement.objects.create(version=plan, feature=feature, limit=limit, reset=reset)
        plans.append(plan)
    started = time.perf_counter()
    for start in range(0, customers, 5_000):
        numbers = range(start, min(start + 5_000, customers))
        rows = Customer.objects.bulk_create([Customer(external_id=f"acme-{each}", name=f"Acme {each}") for each in numbers])
        made = models.Subscription.objects.bulk_create([
            models.Subscription(
                key=f"sub-{each.external_id}", customer=each, product=product, running_key=f"{each.pk}:{product.pk}",
                starts_at=now - timedelta(days=40),
            )
            for each in rows
        ])  # fmt: skip
        models.Term.objects.bulk_create([
            models.Term(subscription=each, effective_at=each.starts_at, plan=plans[each.pk % 3]) for each in made
        ])  # fmt: skip
    print(f"{customers:,} customers with subscriptions written in {time.perf_counter() - started:.1f} s", flush=True)
    owner = User.objects.create_superuser("bench", "bench@acme.example", secrets.token_urlsafe(20))
    return create_key(owner=owner, name="bench", scopes=["entitlements:read", "entitlements:write"], expires=None)[1]


class Server:
    """One server process on the first core."""

    def __init__(self, kind: str, application: str, *, workers: int = 1, front: bool = True, pinned: bool = True) -> None:
        self.port = free_port()
        place = ["taskset", "-c", "0"] if pinned else []
        env = {**os.environ, "ENTITLEMENT_FRONT": "yes" if front else "no"}
        env |= {"BARE_ANSWERS": "yes"} if application.startswith("benchmarks.") else {}
        self.process = subprocess.Popen(
            [*place, *COMMANDS[kind](self.port, application, workers)], cwd=ROOT, start_new_session=True, env=env
        )

    def close(self) -> None:
        """Stop it and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def wait(self, headers: dict[str, str]) -> None:
        """Until it answers."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                ask(self.port, f"{CHECK}?customer=acme-0&feature=feature-sso", headers)
                return
            time.sleep(0.1)
        raise SystemExit("The server did not answer.")


COMMANDS = {
    "granian": lambda port, application, workers: [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers",
        str(workers), "--blocking-threads", "4", "--log-level", "warning", application,
    ],
    "gunicorn": lambda port, application, workers: [
        sys.executable, "-m", "gunicorn", application, "--bind", f"127.0.0.1:{port}", "--workers", str(workers),
        "--threads", "4", "--log-level", "warning", "--timeout", "120",
    ],
}  # fmt: skip


class Bench:
    """All measurements."""

    def __init__(self, folder: Path, customers: int, seconds: int, key: str, *, steady: int = 60) -> None:
        self.steady = steady
        self.folder, self.customers, self.seconds, self.key = folder, customers, seconds, key
        self.headers = {"Authorization": f"Api-Key {key}"}
        self.missed: list[str] = []
        dice = random.Random(7)
        self.urls = [
            f"{CHECK}?customer=acme-{dice.randrange(customers)}&feature={dice.choice(FEATURES)}" for _ in range(customers)
        ]

    def run(self) -> int:
        """Everything in turn."""
        print(machine(), flush=True)
        rates = {}
        with serving("granian", "project.wsgi:application", self, front=False) as server:
            rates["plain"] = self.load(server, "plain way on granian")
        with serving("gunicorn", "project.wsgi:application", self, front=False) as server:
            rates["plain_gunicorn"] = self.load(server, "plain way on gunicorn")
        with (
            serving("granian", "benchmarks.entitlements:bare", self) as bare_server,
            serving("granian", "project.wsgi:application", self) as server,
        ):
            self.warm(server)
            # In turn, because a machine's pace changes within minutes; the other server is at rest meanwhile.
            pairs = [
                (self.load(bare_server, "bare answer on granian"), self.load(server, "checks on granian"))
                for _ in range(ROUNDS)
            ]
            rates["ours"] = statistics.median(each[1] for each in pairs)
            self.judge("checks of bare", statistics.median(ours / bare for bare, ours in pairs), LEAST_OF_BARE)
            best = max(rates["plain"], rates["plain_gunicorn"])
            self.judge("checks of the plain way", rates["ours"] / best, LEAST_OF_PLAIN)
            self.half(server, rates["ours"] / 2)
            print(memory_of(self.child(server)), flush=True)
        with serving("granian", "project.wsgi:application", self, workers=3, pinned=False) as server:
            self.visible(server)
            self.race(server)
        with serving("granian", "project.wsgi:application", self) as server:
            self.local(server)
            verdicts = keep_steady(server.port, self.urls, self.headers, seconds=self.steady)
        print("All targets met" if not self.missed else f"MISSED: {'; '.join(self.missed)}")
        return max(verdicts.close(), 1 if self.missed else 0)

    def judge(self, name: str, figure: float, target: float, *, most: bool = False) -> None:
        """Print a figure with its target."""
        met = figure <= target if most else figure >= target
        how = "at most" if most else "at least"
        print(f"{name:40} {figure:10.2f}  wanted {how} {target:g}: {'met' if met else 'MISSED'}", flush=True)
        if not met:
            self.missed.append(f"{name} {figure:.2f}")

    def warm(self, server: Server) -> None:
        """Ask every question once, as a process that has been up for a while was asked.

        On one connection, because each connection of h2load begins with the first question.
        """
        started = time.perf_counter()
        ask(server.port, self.urls[0], self.headers)
        self.h2load(server, requests=len(self.urls), connections=1)
        print(f"every question asked once in {time.perf_counter() - started:.1f} s", flush=True)
        self.rest(server)
        print(f"all customers in memory after {time.perf_counter() - started:.1f} s", flush=True)

    def rest(self, server: Server) -> None:
        """Until the server has read all customers: it then uses less than a tenth of its core."""
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            before = self.used(server)
            time.sleep(1)
            if self.used(server) - before < 0.1:
                return
        raise SystemExit("The server did not come to rest.")

    def used(self, server: Server) -> float:
        """CPU seconds of the server's worker so far."""
        fields = Path(f"/proc/{self.child(server)}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def load(self, server: Server, name: str) -> float:
        """Requests a second with everything the server can take."""
        before = self.used(server)
        text = self.h2load(server)
        spent = self.used(server) - before
        line = next(each for each in text.splitlines() if each.startswith("finished in"))
        done = next(each for each in text.splitlines() if each.startswith("status codes"))
        rate = float(line.split(",")[1].split()[0])
        each = spent / (rate * (self.seconds + WARM_UP)) * 1e6
        print(f"{name:40} {rate:10,.0f} a second, {each:.1f} us CPU each  {done}  {load()}", flush=True)
        if " 0 3xx, 0 4xx, 0 5xx" not in done:
            self.missed.append(f"{name}: wrong answers")
        return rate

    def half(self, server: Server, rate: float) -> None:
        """The 99th of 100 answers at half load."""
        log = self.folder / "answers.tsv"
        log.unlink(missing_ok=True)
        self.h2load(server, more=["--rps", str(rate / CONNECTIONS), "--log-file", str(log)])
        times = sorted(int(line.split("\t")[2]) / 1000 for line in log.read_text().splitlines())
        p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
        print(
            f"at half load: {len(times) / self.seconds:,.0f} a second, p50 {p50:.2f} ms, slowest {times[-1]:.1f} ms", flush=True
        )
        self.judge("p99 at half load, ms", p99, MOST_P99, most=True)

    def h2load(
        self, server: Server, *, requests: int = 0, connections: int = CONNECTIONS, more: list[str] | None = None
    ) -> str:  # fmt: skip
        """Run the load on the second core; its report."""
        uris = self.folder / "uris.txt"
        uris.write_text("\n".join(f"http://127.0.0.1:{server.port}{each}" for each in self.urls))
        how_long = ["-n", str(requests)] if requests else ["-D", str(self.seconds), "--warm-up-time", str(WARM_UP)]
        command = [
            "taskset", "-c", "1", "h2load", "--h1", "-c", str(connections), *how_long, "-i", str(uris),
            "-H", f"Authorization: Api-Key {self.key}", *(more or []),
        ]  # fmt: skip
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def visible(self, server: Server) -> None:
        """How long after its commit every process tells of a change (fresh connections, so that all processes are asked)."""
        from django.utils import timezone

        from integrations.models import Customer
        from provisioning.entitlements.changed import note_change
        from provisioning.models import Feature, PromotionalGrant

        feature, waits = Feature.objects.create(key="feature-beta", name="Beta", kind="boolean"), []
        note_change(0, now=timezone.now())
        time.sleep(2)
        for number in range(10):
            customer = Customer.objects.get(external_id=f"acme-{number}")
            url = f"{CHECK}?customer={customer.external_id}&feature=feature-beta"
            for _ in range(12):
                assert not ask(server.port, url, self.headers)["granted"]
            now = timezone.now()
            PromotionalGrant.objects.create(customer=customer, feature=feature, ends_at=now + timedelta(days=1))
            note_change(customer.pk, now=now)
            begun, agreed = time.perf_counter(), 0
            last_no = begun
            while agreed < 40:
                if ask(server.port, url, self.headers)["granted"]:
                    agreed += 1
                else:
                    agreed, last_no = 0, time.perf_counter()
            waits.append(last_no - begun)
        print(f"a change is visible everywhere after {statistics.median(waits):.2f} s (middle of {len(waits)})", flush=True)
        self.judge("longest until a change is visible, s", max(waits), MOST_VISIBLE, most=True)

    def race(self, server: Server) -> None:
        """100 parallel consumptions of a feature with a limit of 10."""
        granted: list[bool] = []

        def consume() -> None:
            body = {"customer": "acme-77", "feature": "feature-exports", "amount": 1, "idempotency_key": secrets.token_hex(8)}
            for _ in range(20):
                with contextlib.suppress(OSError):
                    granted.append(ask(server.port, "/api/v1/entitlements/consume/", self.headers, body)["granted"])
                    return
                time.sleep(0.2)

        threads = [threading.Thread(target=consume) for _ in range(100)]
        started = time.perf_counter()
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        print(f"100 parallel consumptions took {time.perf_counter() - started:.2f} s, {len(granted)} were answered", flush=True)
        self.judge("granted of 100 against a limit of 10", abs(sum(granted) - 10), 0, most=True)

    def local(self, server: Server) -> None:
        """The Python client's answer from its own memory."""
        from provisioning.clients.causeway_entitlements import Entitlements

        client = Entitlements(f"http://127.0.0.1:{server.port}", self.key, timeout=10)
        assert client.warm([f"acme-{each}" for each in range(100)]) == 100
        names, rounds, times = [f"acme-{each}" for each in range(100)], 2_000, []
        for _ in range(5):
            started = time.perf_counter()
            for _ in range(rounds // 100):
                for name in names:
                    client.check(name, "feature-calls")
            times.append((time.perf_counter() - started) / rounds * 1e6)
        client.close()
        self.judge("local check of the Python client, us", statistics.median(times), MOST_LOCAL, most=True)

    def child(self, server: Server) -> int:
        """The worker of a server with one worker."""
        found = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        return int(found[-1]) if found else server.process.pid


def keep_steady(port: int, urls: list[str], headers: dict[str, str], *, seconds: int) -> Verdicts:
    """200 checks a second, each at its own time whether the one before was answered or not: 8 connections take turns."""
    times: list[float] = []
    errors, clients, rate = [0], 8, 200
    begun = time.perf_counter() + 0.1

    def ask_for(number: int) -> None:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        for turn in range(number, rate * seconds, clients):
            due = begun + turn / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            try:
                line.request("GET", urls[turn % len(urls)], headers=headers)
                answer = line.getresponse()
                answer.read()
                errors[0] += answer.status != 200
            except OSError:
                errors[0] += 1
                line.close()
            times.append(time.perf_counter() - due)

    threads = [threading.Thread(target=ask_for, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cuts = statistics.quantiles(times, n=100)
    p50, p95, p99 = (cuts[place - 1] * 1000 for place in (50, 95, 99))
    said = f"200/s for {seconds} s: p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms, {errors[0]} errors"
    good = p50 <= 10 and p95 <= 50 and p99 <= 150 and not errors[0]
    verdicts = Verdicts("entitlements.py")
    verdicts.add("L-08", said, met=good if seconds >= 1800 else None if not errors[0] else False)
    return verdicts


@contextlib.contextmanager
def serving(kind: str, application: str, bench: Bench, **options: Any) -> Iterator[Server]:
    """A server for the length of a measurement."""
    server = Server(kind, application, **options)
    try:
        server.wait(bench.headers)
        yield server
    finally:
        server.close()


def ask(port: int, path: str, headers: dict[str, str], body: Any = None) -> Any:
    """One question on a connection of its own; the parsed answer. OSError when it is not answered with 200."""
    data = json.dumps(body, default=str).encode() if body is not None else None
    sent = {**headers, **({"Content-Type": "application/json"} if data else {})}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=data, headers=sent)
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read()
    return json.loads(text) if text.startswith(b"{") else {}


if __name__ == "__main__":
    raise SystemExit(main())
