"""The real worker in processes of its own: it beats, takes work, survives the death of its parts, and stops when told."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.sync.installation import Installation, children_of, lives, stop, wait_until

pytestmark = [pytest.mark.worker, pytest.mark.xdist_group("worker")]


@pytest.fixture(scope="module")
def installation(tmp_path_factory) -> Installation:
    return Installation(tmp_path_factory.mktemp("worker"))


@pytest.fixture
def worker(installation) -> Iterator[subprocess.Popen]:
    process = installation.start_worker()
    yield process
    stop(process)


def test_r_263_worker_beats_writes_the_timetable_restarts_and_stops(installation, worker):
    """The queue's process dies and comes back; SIGTERM ends everything within 30 s."""
    wait_until(lambda: installation.ask("WorkerHeartbeat.objects.count()") == "1")
    schedules = installation.ask("s.objects.count()", first="from django_q.models import Schedule as s")
    assert int(schedules) >= 5

    first = children_of(worker.pid)
    assert first
    os.kill(first[0], signal.SIGKILL)
    second = wait_until(lambda: [pid for pid in children_of(worker.pid) if pid not in first])

    began = time.monotonic()
    worker.terminate()
    assert worker.wait(30) == 0
    assert time.monotonic() - began < 30
    assert not any(lives(pid) for pid in second)


def test_killed_supervisor_leaves_no_worker_behind(installation):
    """Even when it dies while its child is still starting."""
    process = installation.start_worker()
    queue = wait_until(lambda: children_of(process.pid))
    process.kill()
    process.wait(5)
    wait_until(lambda: not any(lives(pid) for pid in queue), 15)
