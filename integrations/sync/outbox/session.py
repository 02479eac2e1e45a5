"""One push at work: its ledger, its client, its engine, and the lake tables that it reads and writes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from integrations.lake import reading
from integrations.lake.engine import Engine
from integrations.models import LakeTable, OutboxPush, OutboxTarget, Run
from integrations.orgs.connect import OrgClient
from integrations.salesforce.describe import ObjectInfo
from integrations.salesforce.errors import SalesforceError
from integrations.sync.endings import RunStopped
from integrations.sync.outbox.columns import Column
from integrations.sync.outbox.diffing import Terms
from integrations.sync.outbox.kinds import OutboxKind
from integrations.sync.runs import Recorder
from integrations.sync.tally import Tally

if TYPE_CHECKING:
    import pyarrow as pa

STORAGE = "storage"
"""Mark in the counts of a push: the org has no room for new records."""


@dataclass
class Session:
    """Everything that the steps of a push share. `columns` stand in the order of the masks."""

    recorder: Recorder
    push: OutboxPush
    kind: OutboxKind
    info: ObjectInfo
    client: OrgClient
    engine: Engine
    columns: tuple[Column, ...]
    terms: Terms
    operation: str
    counts: dict[str, int] = field(default_factory=dict)
    stopped: RunStopped | None = None
    halt: SalesforceError | None = None
    """The org takes no writes any more; raised once everything is stored."""
    is_whole: bool = False
    """The sent rows were staged with all that was accepted of them, so that nobody need look it up again."""
    quiet: bool = False
    """Answers of an earlier run are taken in: its rows are counted by what the present comparison finds."""
    work: "pa.Table | None" = None
    """The compared rows that are not the same, where they are few (what the engine knows as `work`)."""
    kept: "pa.Table | None" = None
    """The rows of this push as they were staged, where they are few; None when only the lake has them."""
    _bound: "pa.Table | None" = None
    _told: int = 0

    def __post_init__(self) -> None:
        self._told = self.client.calls  # those before belong to somebody else

    @property
    def run(self) -> Run:
        return self.recorder.run

    @property
    def target(self) -> OutboxTarget:
        return self.push.target

    @property
    def by_id(self) -> bool:
        """Whether rows name their records by Salesforce id."""
        return self.terms.by_id

    @property
    def tally(self) -> Tally:
        """Where the rows of this object are counted."""
        return self.recorder.object(self.target.object)

    @cached_property
    def key_field(self) -> str:
        """The key in Salesforce's spelling."""
        found = self.info.field(self.target.key_field)
        return found.name if found else self.target.key_field

    @property
    def without(self) -> set[str]:
        """Fields that turned out not to be writable (I-10)."""
        return set(self.push.refused)

    @property
    def placed(self) -> list[tuple[int, Column]]:
        """Columns that are really sent, with their places in the masks: without those refused on the way."""
        return [(place, column) for place, column in enumerate(self.columns) if column.field not in self.without]

    @property
    def accepted(self) -> LakeTable:
        assert self.target.accepted is not None
        return self.target.accepted

    @property
    def sent(self) -> LakeTable:
        assert self.push.sent is not None
        return self.push.sent

    @property
    def answers(self) -> LakeTable:
        assert self.push.answers is not None
        return self.push.answers

    def bind_accepted(self) -> None:
        """The accepted state as it is now."""
        self.engine.bind("accepted", reading.newest(self.accepted))
        self.engine.bind("stored", reading.raw(self.accepted, columns=["unsure_"]))

    def bind_sent(self) -> None:
        """The rows of this push as they are now."""
        if self.kept is None:
            self.engine.bind("sent", reading.newest(self.sent))
        elif self._bound is not self.kept:  # a remote engine takes a copy
            self.engine.bind("sent", self.kept)
        self._bound = self.kept

    # --- counting ---

    def count(self, outcome: str, n: int, *, name: str = "") -> None:
        """Count rows of a class without listing them; `name` counts them under a word of the push's own, too."""
        if not n:
            return
        self.counts[name or outcome] = self.counts.get(name or outcome, 0) + n
        if not self.quiet:
            self.guarded(self.tally.counted, outcome, n)

    def list_row(self, outcome: str, key: str, code: str = "", message: str = "", **about: Any) -> None:
        """Count and list one row."""
        self.counts[outcome] = self.counts.get(outcome, 0) + 1
        if self.quiet:
            return
        if outcome == "written":
            self.guarded(self.tally.written, key, about.get("label", ""), about.get("salesforce_id", ""), about.get("detail"))
            return
        self.guarded(getattr(self.tally, outcome), key, code, message, **about)

    def guarded(self, count: Any, *values: Any, **about: Any) -> None:
        """Count; a run that must stop for it stops after what is known was stored (see `rest`)."""
        try:
            count(*values, **about)
        except RunStopped as stop:
            self.stopped = stop

    def rest(self) -> None:
        """A point where everything is stored: ends the run that must end."""
        if self.stopped is not None:
            raise self.stopped

    def save(self, also: Callable[[], None] | None = None, *, now: datetime | None = None) -> None:
        """Store a step: what `also` writes, the counts and the push's own figures, in one transaction.

        `also` may be called again after a lost race; what is told here is told once all the same.
        """
        spent = self.client.calls - self._told

        def write() -> None:
            if also is not None:
                also()
            self.write_figures(spent)

        self.recorder.save(also=write, now=now)
        self._told += spent
        self.push.calls += spent

    def write_figures(self, spent: int = 0) -> None:
        """Counts, refused fields and calls of the push (inside a transaction)."""
        if spent:
            self.recorder.spent(spent)
        OutboxPush.objects.filter(pk=self.push.pk).update(
            counts=self.counts, refused=self.push.refused, calls=self.push.calls + spent
        )

    def refuse_field(self, name: str, reason: str) -> None:
        """Leave a field out from now on, in this push, and say so in the ledger (I-10)."""
        if name in self.push.refused:
            return
        self.push.refused[name] = reason
        field_tally = self.recorder.object(f"{self.target.object} fields"[:80])
        self.guarded(field_tally.failed, name, "FIELD_REFUSED", f"{name} {reason}.")

    def now(self) -> datetime:
        """The present instant (UTC)."""
        return timezone.now()
