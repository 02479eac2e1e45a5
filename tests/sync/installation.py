"""An installation in a folder of its own, with real processes: what a test of the worker or the web server needs."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tests.demo import ROOT, free_port

WAIT = 180
_migrated: list[bytes] = []
"""An empty SQLite database with all tables, once one was made."""


class Installation:
    """A data folder with a migrated database (an SQLite file unless `database` is an address), and commands run in it."""

    def __init__(self, folder: Path, *, database: str = "", **env: str) -> None:
        self.folder = folder
        self.env = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "TEST_"))},
            "CAUSEWAY_DATA": str(folder),
            "DATABASE_URL": database or f"sqlite:///{folder / 'worker.sqlite3'}",
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "PYTHONUNBUFFERED": "1",
            **env,
        }
        if database:
            self._make_tables()
        else:
            self._copy_tables(folder / "worker.sqlite3")

    def _make_tables(self) -> None:
        self.manage("migrate", "--verbosity", "0")
        self.manage("createcachetable")

    def _copy_tables(self, file: Path) -> None:
        """Migrations take ten seconds and more: once a test process."""
        if not _migrated:
            self._make_tables()
            _migrated.append(file.read_bytes())
        else:
            file.write_bytes(_migrated[0])

    def manage(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def ask(self, expression: str, *, first: str = "") -> str:
        """The value of a Python expression inside the application, after the statements `first`."""
        names = "from integrations.models import *; from django.utils import timezone; from datetime import timedelta"
        return self.manage("shell", "--no-imports", "-c", f"{names}\n{first}\nprint({expression})").strip().splitlines()[-1]

    def start_worker(self, log: str = "worker.log") -> subprocess.Popen:
        """The supervised worker; its log is a file, so that a test can read it."""
        with (self.folder / log).open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "manage.py", "qcluster"],
                cwd=ROOT,
                env=self.env,
                start_new_session=True,
                stdout=output,
                stderr=output,
            )

    def start_web(self) -> tuple[subprocess.Popen, str]:
        """The web server that `./run` starts; the second value is its address."""
        self.manage("collectstatic", "--noinput", "--verbosity", "0")
        port = free_port()
        command = [
            sys.executable,
            "-m",
            "granian",
            "--interface",
            "wsgi",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--workers",
            "1",
            "--blocking-threads",
            "4",
            "--log-level",
            "warning",
            "project.wsgi:application",
        ]
        with (self.folder / "web.log").open("ab") as output:
            process = subprocess.Popen(command, cwd=ROOT, env=self.env, start_new_session=True, stdout=output, stderr=output)
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: status_of(f"{url}/healthz") == 200)
        return process, url


def status_of(url: str) -> int:
    """The answer's status, 0 when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def wait_until(check: Callable[[], object], seconds: float = WAIT) -> object:
    """The first true value of `check`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = check()
        if value:
            return value
        time.sleep(0.3)
    raise AssertionError(f"Not within {seconds} s: {check}")


def children_of(pid: int) -> list[int]:
    """Process ids of the direct children."""
    done = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in done.stdout.split()]


def lives(pid: int) -> bool:
    """Whether the process still runs; one that ended but was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def stop(process: subprocess.Popen, seconds: float = 35) -> None:
    """Ask a process that we started to end, and make it end."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(5)


def kill_worker(process: subprocess.Popen) -> None:
    """kill -9 for the supervisor and everything below it, at once."""
    groups = children_of(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    for pid in groups:  # each child leads a group of its own
        os.killpg(pid, signal.SIGKILL)
    process.wait(5)
