"""The read of one object: its shape, its window, its rows, and the one transaction that puts them into the mirror."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from integrations.lake.writing import StagedFile, register
from integrations.models import LakeTable, MirrorField, MirrorObject, Run
from integrations.orgs.budget import may_spend
from integrations.salesforce.describe import ObjectInfo
from integrations.salesforce.errors import InvalidField
from integrations.sync.mirror import deletions, drift, news, objects, planning, settling, tables
from integrations.sync.mirror.describing import describe_object, forget_description
from integrations.sync.mirror.landing import BadRow
from integrations.sync.mirror.needs import ObjectNeed
from integrations.sync.mirror.planning import Column
from integrations.sync.mirror.pulling import ObjectFailed, Pull
from integrations.sync.mirror.session import DOMAIN, Session
from integrations.sync.mirror.state import Pages, ReadState, window_of

MOST_REFUSED = 20  # fields of one object that are dropped in one read


class ObjectRead:
    """The read of one object within a run."""

    def __init__(self, session: Session, mirror: MirrorObject, need: ObjectNeed, states: dict[str, ReadState]) -> None:
        self.session, self.recorder, self.client = session, session.recorder, session.client
        self.mirror, self.need, self.states, self.name = mirror, need, states, need.object
        self.pull: Pull | None = None
        self.refused: list[str] = []
        self.unfilterable: list[str] = []
        self.info: ObjectInfo | None = None

    @property
    def state(self) -> ReadState:
        return self.states[self.name]

    @property
    def is_waiting(self) -> bool:
        """Whether a Bulk job is at work for it."""
        return self.pull is not None and self.pull.is_waiting

    @property
    def waiting_since(self) -> datetime:
        """When the job was created."""
        return datetime.fromisoformat(self.state.asked_at)

    def begin(self) -> None:
        """Describe, ask, and land what came over REST; a Bulk job is only started."""
        self._check_allowance()
        for _ in range(MOST_REFUSED):
            try:
                self._begin_once()
                return
            except InvalidField as error:
                self._drop(error)
        raise ObjectFailed("fields_refused", f"Salesforce refuses field after field of {self.name}.", Run.State.FAILED)

    def look(self) -> None:
        """Ask about the Bulk job; land its pages when it is complete."""
        assert self.pull is not None
        try:
            job = self.pull.look()
            if job is not None:
                self.pull.collect(job)
                self._land_if_complete()
        except InvalidField as error:
            self._drop(error)
            self.begin()

    def _check_allowance(self) -> None:
        """R-058: what would not fit our share is not begun."""
        calls = planning.calls_for(max(self.mirror.last_rows, planning.PAGE_ROWS))
        if not may_spend(self.mirror.org, calls=calls, domain=DOMAIN, now=timezone.now()):
            raise self.session.later("api_limit", "Our share of Salesforce's API allowance is used up.")

    def _begin_once(self) -> None:
        table, columns = self._prepare()
        state = self.states.get(self.name)
        resumes = state is not None and (bool(state.job) or state.committed) and not self.refused
        if not resumes:
            state = self.states[self.name] = self._new_state(columns)
        assert state is not None
        chosen = tuple(column for column in columns if column.name in set(state.names))
        self.pull = Pull(self.session, self.mirror.name, table, chosen, state, self)
        if not resumes:
            count_first = planning.counts_first(is_first=self.mirror.watermark is None, last_rows=self.mirror.last_rows)
            self.pull.begin(count_first=count_first)
            self._expect()
        self._land_if_complete()

    def _prepare(self) -> tuple[LakeTable, tuple[Column, ...]]:
        """The object's shape as the user sees it now, noted in our books, and its table in the lake."""
        org = self.mirror.org
        info = self.info = describe_object(org, self.client, self.name)
        if self.mirror.table is None and self.mirror.name != info.name:
            MirrorObject.objects.filter(pk=self.mirror.pk).update(name=info.name)
            self.mirror.name = info.name
        plan = objects.match_fields(self.mirror, info, self.need, now=self.session.now)
        drift.check_shape(self.recorder, self.mirror, info, now=self.session.now)
        stamps = planning.choose_stamps(info, refused=self.unfilterable)
        columns = tuple(each for each in objects.columns_in_lake(self.mirror, plan) if each.name not in self.refused)
        if not any(column.type == "id" for column in columns):
            raise ObjectFailed("no_id", f"{self.name} has no Id that could be read.", Run.State.FAILED)
        kept = [(column.name, column.kind) for column in columns]
        table = tables.ensure_mirror_table(org, self.mirror.name, kept, version=stamps.version)
        self.stamps = stamps
        objects.note_shape(self.mirror, info, watermark_field=stamps.filter, note=stamps.sentence)
        return table, columns

    def _new_state(self, columns: Sequence[Column]) -> ReadState:
        mirror = self.mirror
        since = None
        if self.stamps.filter:
            overlap = self.session.overlap
            since = planning.window_start(watermark=mirror.watermark, reads_from=mirror.reads_from, overlap=overlap)
            if mirror.watermark is not None:
                since = planning.daily_start(since, watermark=mirror.watermark, server_now=self.session.server_now())
        text = since.isoformat() if since is not None else None
        state = ReadState(names=[each.name for each in columns], by=self.stamps.filter, windows=window_of(since), since=text)
        if self.stamps.sentence:
            state.note(self.stamps.sentence)
        return state

    def _expect(self) -> None:
        """The progress bar covers what is known so far."""
        self.recorder.expect(sum(state.total or 0 for state in self.states.values()))

    def _drop(self, error: InvalidField) -> None:
        """A field that Salesforce refuses although it was described: look again, and do without it (R-053, R-057)."""
        forget_description(self.mirror.org, self.name)
        self.pull = None
        self.states.pop(self.name, None)
        if "filtered" in error.message and self.stamps.filter and self.stamps.filter not in self.unfilterable:
            self.unfilterable.append(self.stamps.filter)
            return
        fresh = describe_object(self.mirror.org, self.client, self.name)
        still = [name for name in error.fields if fresh.field(name) is not None and name not in self.refused]
        gone = [name for name in error.fields if fresh.field(name) is None]
        if not still and not gone:
            raise ObjectFailed(error.code or "fields_refused", f"{self.name}: {error.message}", Run.State.FAILED)
        self.refused += still
        for name in still:
            if name.lower() in self.need.optional:
                continue  # nobody insists on it
            message = f"{self.name}.{name}: {error.message}"
            self.recorder.object(self.mirror.name).failed(f"field {name}", "field_refused", message)

    # --- Keeper ---

    def keep(self, staged: StagedFile) -> None:
        """Pages of a read are registered all at once at its end, so that readers see whole reads only (PX-D1)."""

    def fail_rows(self, rows: Sequence[BadRow]) -> None:
        """Bad rows fail alone and are named (I-10)."""
        tally = self.recorder.object(self.mirror.name)
        for row in rows:
            tally.failed(row.id, row.code, row.message, salesforce_id=row.id if len(row.id) == 18 else "")

    # --- landing ---

    def _land_if_complete(self) -> None:
        state = self.state
        if state.windows or state.done:
            return
        has_news = state.committed or self._settle()
        self._after(count=has_news)
        state.done = True
        self.session.save()

    def _settle(self) -> bool:
        """Commit what is new of the rows that have landed; whether there was any."""
        state = self.state
        assert self.pull is not None
        table, columns = self.pull.table, [field.name for field in self.mirror.fields.exclude(state=MirrorField.State.LEFT_OUT)]
        since = datetime.fromisoformat(state.since) if state.since else None
        unique = Pages(**state.pages).are_unique if state.pages else False
        settled = settling.settle(table, state.staged(), columns=columns, since=since, ascending=unique)
        self._commit(table, settled, since)
        return bool(settled.written)

    def _commit(self, table: LakeTable, settled: settling.Settled, since: datetime | None) -> None:
        """Rows, counts, watermark and checkpoint: all of it or nothing (I-03)."""
        state, now = self.state, timezone.now()
        tally = self.recorder.object(self.mirror.name)
        tally.counted("written", settled.written)
        tally.unchanged(settled.unchanged)
        tally.counted("skipped", settled.superseded + state.erased)
        watermark = planning.newer(self.mirror.watermark, datetime.fromisoformat(state.started) if state.started else None)
        if not state.started:
            state.note("Salesforce's answers carried no time, so the next read begins where this one did.")
        state.committed, files = True, settled.files
        state.files = []
        changes: dict[str, Any] = {
            "table": table, "watermark": watermark, "read_at": now, "last_run": self.recorder.run, "last_way": state.way,
            "last_rows": state.total or settled.written + settled.unchanged, "note": " ".join(state.notes),
        }  # fmt: skip

        def write() -> None:
            register(table, files, run=self.recorder.run, now=now)
            MirrorObject.objects.filter(pk=self.mirror.pk).update(**changes)

        self.session.save(also=write)
        self.mirror.refresh_from_db()

    def _after(self, *, count: bool) -> None:
        """Counts, deletions, merges; the domains hear of them. Done again after a kill in the midst of it (I-02)."""
        assert self.info is not None
        if deletions.needs_list(self.mirror, self.info):
            server_now = self.session.server_now()
            deletions.mark_removed(
                self.recorder, self.client, self.mirror, self.info, server_now=server_now, now=self.session.now
            )
        news.tell_news(self.recorder, self.client, self.mirror, now=self.session.now)
        if count and self.mirror.table is not None:
            live, deleted = tables.count_rows(self.mirror.table)
            MirrorObject.objects.filter(pk=self.mirror.pk).update(rows=live, deleted_rows=deleted)
