"""The real worker in processes of its own: it beats, takes work, survives the death of its parts, and stops when told."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.demo import ROOT

pytestmark = [pytest.mark.worker, pytest.mark.xdist_group("worker")]
WAIT = 60


class Installation:
    """A data folder with a migrated SQLite file, and commands run in it."""

    def __init__(self, folder: Path) -> None:
        self.env = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "TEST_"))},
            "CAUSEWAY_DATA": str(folder),
            "DATABASE_URL": f"sqlite:///{folder / 'worker.sqlite3'}",
            "DJANGO_SETTINGS_MODULE": "project.settings",
        }
        self.manage("migrate", "--verbosity", "0")

    def manage(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def ask(self, expression: str) -> str:
        """The value of a Python expression inside the application."""
        names = "from integrations.models import *; from django.utils import timezone"
        return self.manage("shell", "--no-imports", "-c", f"{names}; print({expression})").strip().splitlines()[-1]

    def start_worker(self) -> subprocess.Popen:
        return subprocess.Popen([sys.executable, "manage.py", "qcluster"], cwd=ROOT, env=self.env, start_new_session=True)


@pytest.fixture(scope="module")
def installation(tmp_path_factory) -> Installation:
    return Installation(tmp_path_factory.mktemp("worker"))


@pytest.fixture
def worker(installation) -> Iterator[subprocess.Popen]:
    process = installation.start_worker()
    yield process
    if process.poll() is None:
        process.terminate()
        process.wait(35)


def wait_until(check: Callable[[], object], seconds: float = WAIT) -> object:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = check()
        if value:
            return value
        time.sleep(0.3)
    raise AssertionError(f"Not within {seconds} s: {check}")


def children_of(pid: int) -> list[int]:
    done = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in done.stdout.split()]


def test_worker_beats_writes_the_timetable_restarts_and_stops(installation, worker):
    """R-250, R-263: the queue's process dies and comes back; SIGTERM ends everything within 30 s."""
    wait_until(lambda: installation.ask("WorkerHeartbeat.objects.count()") == "1")
    schedules = installation.manage(
        "shell", "--no-imports", "-c", "from django_q.models import Schedule as s; print(s.objects.count())"
    )
    assert int(schedules.split()[-1]) >= 5

    first = children_of(worker.pid)
    assert first
    os.kill(first[0], signal.SIGKILL)
    second = wait_until(lambda: [pid for pid in children_of(worker.pid) if pid not in first])

    began = time.monotonic()
    worker.terminate()
    assert worker.wait(30) == 0
    assert time.monotonic() - began < 30
    assert not any(Path(f"/proc/{pid}").exists() for pid in second)


def test_killed_supervisor_leaves_no_worker_behind(installation):
    process = installation.start_worker()
    queue = wait_until(lambda: children_of(process.pid))
    process.kill()
    process.wait(5)
    wait_until(
        lambda: (
            not any(
                Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2] for pid in queue
            )
        ),
        15,
    )
