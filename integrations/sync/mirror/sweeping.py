"""A few columns of every record that an object's mirror should hold, as staged files that nobody registers.

What reconciliation compares ids with, and formulas values. Read in the same way as everything else (`pulling`): a few REST
pages or a Bulk job, resumed after a kill from the state in the checkpoint.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from integrations.lake import storage
from integrations.lake.writing import StagedFile
from integrations.models import LakeTable
from integrations.orgs.connect import OrgClient, client_for
from integrations.salesforce.errors import LimitReached, UpstreamUnavailable
from integrations.sync.mirror.landing import BadRow
from integrations.sync.mirror.objects import overlap_of, settings_of
from integrations.sync.mirror.planning import Column, counts_first
from integrations.sync.mirror.pulling import Pull
from integrations.sync.mirror.session import DOMAIN, Session
from integrations.sync.mirror.state import ReadState, window_of
from integrations.sync.runs import Recorder

PATIENCE = 20.0  # seconds that a worker stays with a Bulk job before it gives itself back
COME_BACK = timedelta(seconds=30)


@dataclass
class Round:
    """A run that goes through objects one after the other: which are done, and how far the present one is."""

    recorder: Recorder
    client: OrgClient
    done: list[str] = field(default_factory=list)
    object: str = ""
    sweep: dict[str, Any] = field(default_factory=dict)
    began: datetime = field(default_factory=timezone.now)
    session: Session = field(init=False)

    def __post_init__(self) -> None:
        settings = settings_of(self.client.org)
        limit = timedelta(minutes=settings.job_minutes)
        self.session = Session(
            self.recorder, self.client, limit, self.as_json, overlap=overlap_of(settings), began=self.began
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"done": self.done, "object": self.object, "sweep": self.sweep, "began": self.began.isoformat()}

    def begin(self, name: str) -> None:
        """Turn to this object; what is known of it from before a kill stays."""
        if self.object != name:
            self.object, self.sweep = name, {}

    def forget_sweep(self) -> None:
        """The list of the present object is used up, or worthless: its files are no longer in the checkpoint."""
        self.sweep, self.session.checkpoint = {}, self.as_json

    def finish(self) -> None:
        """The present object is done; a good point to end a turn."""
        self.forget_sweep()
        self.done.append(self.object)
        self.object = ""
        self.session.save()
        self.recorder.breathe()


@contextmanager
def open_round(recorder: Recorder) -> Iterator[Round]:
    """The round of this run, gone on with from its checkpoint; its calls are on the run's account afterwards.

    When Salesforce does not answer or its allowance is used up, the run is deferred and goes on from there.
    """
    org = recorder.org
    if org is None:
        raise ValueError("This job is about one connection.")
    kept = recorder.checkpoint
    client = client_for(org, domain=DOMAIN)
    began = datetime.fromisoformat(kept["began"]) if kept.get("began") else timezone.now()
    going = Round(recorder, client, list(kept.get("done", [])), kept.get("object", ""), dict(kept.get("sweep", {})), began)
    try:
        yield going
    except (LimitReached, UpstreamUnavailable) as error:
        raise going.session.deferral(error) from error
    finally:
        going.session.note_calls()
        client.close()


class _Listed:
    """The `Keeper` of a sweep: pages wait in its state. A row that does not fit is told by whoever reads the record itself."""

    def keep(self, staged: StagedFile) -> Callable[[], None] | None:
        return None

    def fail_rows(self, rows: Sequence[BadRow]) -> None:
        return None


@contextmanager
def listed(
    going: Round, table: LakeTable, columns: Sequence[Column], *, by: str, since: datetime | None, expected: int
) -> Iterator[list[StagedFile]]:
    """These columns of all records changed since `since` (all: None), deleted ones included; the files are gone afterwards.

    `expected` rows or so decide whether they are counted before the first page is asked for. Gives the worker back while a Bulk
    job is at work. Raises what `Pull` raises.
    """
    names = [column.name for column in columns]
    state = ReadState.from_json(going.sweep) if going.sweep else ReadState(names=names, by=by, windows=window_of(since))
    going.sweep = state.as_json()
    pull = Pull(_session_of(going, state), going.object, table, columns, state, _Listed())
    if not state.way:
        pull.begin(count_first=counts_first(is_first=False, last_rows=expected))
    _collect(going, pull, state)
    files = state.staged()
    try:
        yield files
    finally:
        store = storage.open_store()
        going.forget_sweep()
        for each in files:
            store.delete(each.path)


def _session_of(going: Round, state: ReadState) -> Session:
    """The round's session; each of its checkpoints has the sweep as it stands then."""

    def checkpoint() -> dict[str, Any]:
        going.sweep = state.as_json()
        return going.as_json()

    going.session.checkpoint = checkpoint
    return going.session


def _collect(going: Round, pull: Pull, state: ReadState) -> None:
    """Until every window has landed."""
    patience = time.monotonic() + PATIENCE
    while state.job:
        time.sleep(max(0.0, min(pull.next_look - time.monotonic(), patience - time.monotonic())))
        job = pull.look()
        if job is not None:
            pull.collect(job)
        elif time.monotonic() > patience:
            going.session.save()
            going.recorder.wait(until=timezone.now() + COME_BACK, sentence=f"Salesforce is listing {going.object}.")
