"""A PostgreSQL server of our own, so that a test can restart it without hurting anybody."""

import contextlib
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo import free_port


class PrivatePostgres:
    """One cluster in a folder of its own, on a free port, trusting this machine."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.binaries, self.data, self.port = binaries, folder / "data", free_port()
        self.user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name  # the server refuses root
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
        self._call("initdb", "-D", str(self.data), "-U", "causeway", "--auth=trust", "--no-sync")
        self.start()

    def _call(self, program: str, *words: str) -> None:
        """Output goes nowhere: the server would keep a pipe open."""
        done = subprocess.run(
            [str(self.binaries / program), *words], user=self.user if os.getuid() == 0 else None, cwd="/",
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{program} failed"

    @property
    def url(self) -> str:
        return f"postgres://causeway@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -k {self.data} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._call("pg_ctl", "start", "-w", "-D", str(self.data), "-l", str(self.data / "log"), "-o", options)

    def stop(self) -> None:
        self._call("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(self.data))


@contextlib.contextmanager
def private_postgres() -> Iterator[PrivatePostgres]:
    """A running server; skips with a reason where PostgreSQL is not installed."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb")) or [shutil.which("initdb") or ""]
    if not found[-1]:
        pytest.skip("needs PostgreSQL's server programs: sudo apt install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="causeway-postgres-"))
    server = PrivatePostgres(Path(found[-1]).parent, folder)
    try:
        yield server
    finally:
        with contextlib.suppress(AssertionError):
            server.stop()
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            os.kill(int((server.data / "postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
