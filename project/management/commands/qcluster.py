"""The worker: writes the timetable, runs the queue in a child process group, and starts it anew when it no longer beats.

django-q2 stops working when one of its idle processes is killed, and then does not end on SIGTERM either (reproduced), so
somebody outside of its process group has to watch.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from django.core.management.base import CommandParser
from django.db import connection
from django.db.utils import DatabaseError
from django.utils import timezone
from django_q.management.commands.qcluster import Command as QueueCommand
from django_q.tasks import async_task

from integrations.models import WorkerHeartbeat
from project.timetable import write_schedules

SILENT_FOR = timedelta(minutes=3)
LOOK_EACH = 5.0  # seconds
NAP = 0.25  # seconds between looks at the wish to stop
GRACE = 25.0  # seconds between asking the queue to stop and killing it


class Command(QueueCommand):
    """`manage.py qcluster`, supervised; `--unsupervised` is the bare queue."""

    help = "Starts the worker (queue and schedules) and keeps it alive."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--unsupervised", action="store_true", help="The bare queue, without the watchdog.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Supervise until SIGTERM or SIGINT."""
        if options["unsupervised"] or options.get("run_once"):
            parent = os.environ.get("CAUSEWAY_SUPERVISOR", "")
            if options["unsupervised"] and parent:
                threading.Thread(target=_end_with_parent, args=(int(parent),), daemon=True).start()
            super().handle(*args, **options)
            return
        write_schedules()
        async_task("integrations.tasks.beat", task_name="first beat")  # /readyz need not wait for the first full minute
        connection.close()
        Supervisor().run()


def _end_with_parent(parent: int) -> None:
    """A killed supervisor must not leave a worker behind that nobody watches.

    The supervisor names itself: asking for our parent here would already be too late when it died while we were starting.
    """
    while os.getppid() == parent:
        time.sleep(1)
    os.killpg(0, signal.SIGKILL)


class Supervisor:
    """One child with the queue in it; a new one when it dies or falls silent."""

    def __init__(self) -> None:
        self.stop_file = Path(tempfile.mkdtemp(prefix="causeway-worker-")) / "stop"
        self.stopping = False
        self.child: subprocess.Popen[bytes] | None = None
        self.started = timezone.now()

    def run(self) -> None:
        """Block until asked to stop."""
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        signal.signal(signal.SIGINT, self._ask_to_stop)
        while not self.stopping:
            self._start()
            while not self.stopping and self._is_well():
                self._rest(LOOK_EACH)
            self._end()
            self._rest(1)
        shutil.rmtree(self.stop_file.parent, ignore_errors=True)

    def _rest(self, seconds: float) -> None:
        """Sleep in short naps: a signal does not end a sleep, and a stop should not wait for one."""
        until = time.monotonic() + seconds
        while not self.stopping and time.monotonic() < until:
            time.sleep(NAP)

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True
        self.stop_file.touch()  # running jobs end at their next save

    def _start(self) -> None:
        self.started = timezone.now()
        self.child = subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, sys.argv[0], "qcluster", "--unsupervised"],
            start_new_session=True,
            env={**os.environ, "CAUSEWAY_STOP_FILE": str(self.stop_file), "CAUSEWAY_SUPERVISOR": str(os.getpid())},
        )

    def _is_well(self) -> bool:
        if self.child is None or self.child.poll() is not None:
            return False
        try:
            beat = WorkerHeartbeat.objects.filter(name="worker").values_list("beat_at", flat=True).first()
        except DatabaseError:  # the database is away: not the queue's fault
            return True
        finally:
            connection.close()
        heard = max(beat, self.started) if beat else self.started
        return timezone.now() - heard < SILENT_FOR

    def _end(self) -> None:
        child = self.child
        if child is None:
            return
        if child.poll() is None:
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(GRACE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # whatever is left of its group
        child.wait(5)
