"""Counting API calls: gathered in memory for a moment, then added to `ApiUsage` by UTC hour and domain (I-18)."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from integrations.models import ApiUsage, SalesforceOrg

FLUSH_AFTER = 0.05  # seconds: only bursts are gathered; real calls are slower and are written one by one
FLUSH_CALLS = 20
COUNTS = (
    "calls", "report_runs", "report_instances", "bulk_calls", "bulk_jobs", "composite_calls", "query_calls", "errors",
)  # fmt: skip


def hour_of(now: datetime) -> datetime:
    """The full UTC hour that `now` lies in."""
    return now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


@dataclass
class Waited:
    """Seconds that a piece of work waited for Salesforce's answers."""

    seconds: float = 0.0


Key = tuple[int, str, datetime]  # connection, domain, hour
_listed: dict[Key, frozenset[str]] = {}  # objects that the stored row names surely, as this process saw it committed
_waited: ContextVar[Waited | None] = ContextVar("waited", default=None)


@contextmanager
def measuring() -> Iterator[Waited]:
    """Add up the time of the calls that this thread makes until the block ends; what is left of the clock is our own.

    Somebody waits: counts are not written call by call. Whoever measures flushes them with what it writes at the end.
    """
    waited = Waited()
    token = _waited.set(waited)
    try:
        yield waited
    finally:
        _waited.reset(token)


def note_wait(seconds: float) -> None:
    """A call of this thread was answered."""
    waited = _waited.get()
    if waited is not None:
        waited.seconds += seconds


@dataclass
class _Count:
    calls: int = 0
    report_runs: int = 0
    report_instances: int = 0
    bulk_calls: int = 0
    bulk_jobs: int = 0
    composite_calls: int = 0
    query_calls: int = 0
    errors: int = 0
    limit: tuple[int, int] | None = None
    limit_at: datetime | None = None
    objects: set[str] = field(default_factory=set)


class UsageBuffer:
    """Calls not yet written to `ApiUsage`, for one process; safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[int, str, datetime], _Count] = {}
        self._waiting = 0
        self._flushed = 0.0

    def add(
        self,
        org_id: int,
        domain: str,
        *,
        counted: bool,
        failed: bool,
        report: str = "",
        way: str = "",
        object_name: str = "",
        limit: tuple[int, int] | None,
    ) -> None:
        """Count one call. `report` is sync, instance or empty; `way` is bulk, bulk_job, composite, query or empty; `limit` is
        (used, allowed) from the answer's header."""
        now = timezone.now()
        with self._lock:
            count = self._counts.setdefault((org_id, domain, hour_of(now)), _Count())
            count.calls += counted
            count.errors += failed
            count.report_runs += report == "sync"
            count.report_instances += report == "instance"
            count.bulk_calls += way in ("bulk", "bulk_job")
            count.bulk_jobs += way == "bulk_job"
            count.composite_calls += way == "composite"
            count.query_calls += way == "query"
            if object_name:
                count.objects.add(object_name)
            if limit is not None:
                count.limit, count.limit_at = limit, now
            self._waiting += 1
            due = self._waiting >= FLUSH_CALLS or (now.timestamp() - self._flushed >= FLUSH_AFTER and _waited.get() is None)
        if due:
            self.flush()

    def flush(self) -> None:
        """Write everything that waits; counts go in by F() so that no process overwrites another's."""
        with self._lock:
            counts, self._counts, self._waiting = self._counts, {}, 0
            self._flushed = timezone.now().timestamp()
        for (org_id, domain, hour), count in counts.items():
            _write(org_id, domain, hour, count)

    def forget(self) -> None:
        """Drop what waits, for a process whose database was put away."""
        with self._lock:
            self._counts, self._waiting = {}, 0
        _listed.clear()


def _write(org_id: int, domain: str, hour: datetime, count: _Count) -> None:
    changes: dict[str, object] = {name: F(name) + getattr(count, name) for name in COUNTS}
    if count.limit is not None:
        changes |= {"limit_used": count.limit[0], "limit_max": count.limit[1], "limit_at": count.limit_at}
    key = (org_id, domain, hour)
    row_of_hour = ApiUsage.objects.filter(org_id=org_id, hour=hour, domain=domain)
    if count.objects <= _listed.get(key, frozenset()) and row_of_hour.update(**changes):
        return  # nearly always, in one statement
    with transaction.atomic():
        if not SalesforceOrg.objects.filter(pk=org_id).exists():
            return  # deleted meanwhile
        row, _ = ApiUsage.objects.get_or_create(org_id=org_id, hour=hour, domain=domain)
        if count.objects - set(row.objects_asked):  # another process may add to the list at this moment: one after the other
            row = ApiUsage.objects.select_for_update().get(pk=row.pk)
        new_objects = count.objects - set(row.objects_asked)
        if new_objects:
            changes["objects_asked"] = sorted(set(row.objects_asked) | new_objects)
        ApiUsage.objects.filter(pk=row.pk).update(**changes)
        listed = frozenset([*row.objects_asked, *new_objects])
        transaction.on_commit(lambda: _remember(key, listed))


def _remember(key: Key, listed: frozenset[str]) -> None:
    for old in [each for each in list(_listed) if each[2] < key[2]]:
        _listed.pop(old, None)
    _listed[key] = listed


USAGE = UsageBuffer()
