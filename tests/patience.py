"""Time in tests with the demo org: what must be waited for is waited for as long as it takes, what need not be is not.

In life a worker gives its turn back after some seconds; whether a job of some thousand rows ends within them depends on what else
the machine does. So no patience of ours ends in a test, except in those about coming back later: they let a job hang and wait not
at all. Pauses out of regard for a real org (between two tries, between two looks at a job) are short.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType

import pytest

from tests.demo import DemoOrgHandle

LONG = 600.0
"""Seconds after which something is wrong, on any machine."""


def be_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No turn of a run ends because the demo org, or this machine, takes its time."""
    from billing import deploying
    from integrations.sync import runs
    from integrations.sync.mirror import backfilling, reading, sweeping
    from integrations.sync.outbox import bulk_way, live
    from okr import passes, refresh

    for module, name in (
        (bulk_way, "INLINE_SECONDS"),
        (live, "JOB_SECONDS"),
        (reading, "PATIENCE"),
        (backfilling, "PATIENCE"),
        (sweeping, "PATIENCE"),
        (deploying, "PATIENCE"),
        (passes, "PASS_SECONDS"),
        (passes, "COLLECT_SECONDS"),
        (refresh, "COLLECT_SECONDS"),
        (runs, "SLICE_SECONDS"),
    ):
        monkeypatch.setattr(module, name, LONG)


def shorten_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody sleeps long between two tries or two looks; what Salesforce asks for by `Retry-After` is kept."""
    from integrations.orgs import connect, sign_in
    from integrations.salesforce import metadata
    from integrations.sync.mirror import downloading
    from integrations.sync.mirror import planning as reads
    from integrations.sync.outbox import planning as writes
    from okr import running

    for module, name in ((connect, "RETRY"), (sign_in, "TOKEN_RETRY"), (downloading, "RETRY")):
        monkeypatch.setattr(module, name, replace(getattr(module, name), first_wait=0.01, longest_wait=0.02))
    monkeypatch.setattr(metadata, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(reads, "FIRST_LOOK", 0.02)
    monkeypatch.setattr(reads, "PAUSE", 0.05)
    monkeypatch.setattr(writes, "LOCK_WAITS", (0.0, 0.0, 0.0))
    monkeypatch.setattr(writes, "FIRST_POLL", 0.05)
    monkeypatch.setattr(running, "POLL_SECONDS", (0.02, 0.05, 0.2, 1.0, 5.0))


@contextmanager
def worker_that_waits_for_nothing(module: ModuleType, name: str = "PATIENCE") -> Iterator[None]:
    """Inside, a worker gives its turn back when a job has not ended at the first look; `name` of `module` says how long it waits."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, name, 0.0)
        yield


@contextmanager
def bulk_jobs_that_hang(demo_org: DemoOrgHandle, module: ModuleType) -> Iterator[None]:
    """Inside, no Bulk job ends, and no worker of `module` waits for one; afterwards they end."""
    demo_org.settings(bulk_hold=True)
    with worker_that_waits_for_nothing(module):
        yield
    demo_org.settings(bulk_hold=False)
