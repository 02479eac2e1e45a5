"""Job mirror.backfill: does the backfills of a connection that wait, one after the other, page by page."""

import contextlib
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from integrations.lake.writing import StagedFile, register
from integrations.models import Backfill, LakeTable, MirrorField, MirrorObject, Run
from integrations.orgs.connect import OrgClient, client_for
from integrations.salesforce import bulk
from integrations.salesforce.errors import AuthError, LimitReached, SalesforceError, UpstreamUnavailable
from integrations.sync.endings import RunStopped
from integrations.sync.mirror import filling, news, objects, planning, settling, tables
from integrations.sync.mirror.describing import describe_object
from integrations.sync.mirror.landing import BadRow
from integrations.sync.mirror.planning import Column
from integrations.sync.mirror.pulling import ObjectFailed, Pull
from integrations.sync.mirror.session import DOMAIN, Session
from integrations.sync.mirror.state import ReadState, window_of
from integrations.sync.runs import Recorder

KEY = "backfill"
PATIENCE = 15.0  # seconds that a worker waits for a Bulk job before it is given back
COME_BACK = timedelta(seconds=30)
MOST_A_RUN = 100
State = Backfill.State


class Halted(Exception):
    """A person paused or cancelled the backfill while it ran."""


def perform(recorder: Recorder) -> None:
    """Everything that waits for this connection. One that fails does not stop the next (I-10)."""
    org = recorder.org
    assert org is not None
    known = recorder.checkpoint.get(KEY) or {}
    began = datetime.fromisoformat(known["began"]) if known else timezone.now()
    client = client_for(org, domain=DOMAIN)
    problems: list[ObjectFailed] = []
    try:
        for _ in range(MOST_A_RUN):
            backfill = _next(recorder)
            if backfill is None:
                break
            try:
                BackfillRun(recorder, client, backfill, began).work()
            except Halted:
                _let_go(client, backfill)
            except ObjectFailed as problem:
                problems.append(problem)
    finally:
        client.close()
    if problems:
        raise problems[0]


def _next(recorder: Recorder) -> Backfill | None:
    """The oldest that waits or was interrupted."""
    waiting = Backfill.objects.filter(object__org=recorder.org, state__in=(State.RUNNING, State.QUEUED))
    return waiting.select_related("object__org", "object__table").order_by("id").first()


def _let_go(client: OrgClient, backfill: Backfill) -> None:
    """A cancelled backfill's Bulk job is stopped in Salesforce too; a paused one's results are waited for."""
    backfill.refresh_from_db()
    job_id = backfill.checkpoint.get("job")
    if backfill.state == State.CANCELLED and job_id:
        with contextlib.suppress(SalesforceError):  # it is done, or gone: nothing is left to stop
            bulk.abort(client, bulk.read_job(client, "query", job_id))


class BackfillRun:
    """One backfill in one turn of the job."""

    def __init__(self, recorder: Recorder, client: OrgClient, backfill: Backfill, began: datetime) -> None:
        self.recorder, self.client, self.backfill, self.mirror = recorder, client, backfill, backfill.object
        self.began = began
        self.fields: list[str] = list(backfill.only_fields)
        settings = objects.settings_of(self.mirror.org)
        self.session = Session(
            recorder, client, timedelta(minutes=settings.job_minutes), self._checkpoint, began=began, beside=self._keep_books
        )

    def work(self) -> None:
        """From where it stands to its end."""
        started = {"state": State.RUNNING, "started_at": self.backfill.started_at or timezone.now(), "sentence": ""}
        if not Backfill.objects.filter(pk=self.backfill.pk, state__in=(State.QUEUED, State.RUNNING)).update(**started):
            raise Halted
        try:
            self._pull()
            self._finish()
        except (LimitReached, UpstreamUnavailable) as error:
            raise self.session.deferral(error) from error
        except AuthError as error:
            self._leave(State.QUEUED, f"Waits for the connection: {error.message}")
            raise
        except (ObjectFailed, SalesforceError) as error:
            self._fail(error)
        except RunStopped as stop:
            if stop.code in ("cancelled", "disconnected"):
                self._leave(State.PAUSED, f"{stop.sentence} What has landed stays; it can be resumed.")
            raise
        finally:
            self.session.note_calls()

    def _pull(self) -> None:
        table, columns, by = self._shape()
        kept = self.backfill.checkpoint
        window = window_of(self.backfill.since, self.backfill.until)
        self.state = ReadState.from_json(kept) if kept else ReadState([each.name for each in columns], by, window)
        chosen = tuple(column for column in columns if column.name in set(self.state.names))
        pull = Pull(self.session, self.mirror.name, table, chosen, self.state, self)
        self.table = table
        if self.state.windows and not self.state.job:
            pull.begin(count_first=True)
            Backfill.objects.filter(pk=self.backfill.pk).update(estimated_rows=self.state.total or F("estimated_rows"))
        self.recorder.expect(self.state.total or self.backfill.estimated_rows)
        self._collect(pull)

    def _shape(self) -> tuple[LakeTable, tuple[Column, ...], str]:
        """The columns to ask for: all mirrored ones, or the new ones with id and stamp."""
        mirror = self.mirror
        if mirror.table is None:
            raise ObjectFailed("not_mirrored", f"{mirror.name} has not been read yet.", Run.State.FAILED)
        info = describe_object(mirror.org, self.client, mirror.name)
        stamps = planning.choose_stamps(info)
        states = (MirrorField.State.ACTIVE, MirrorField.State.BACKFILLING)
        names = list(mirror.fields.filter(state__in=states).values_list("name", flat=True))
        if self.fields:
            self.fields = [name for name in self.fields if name in names]
            names = ["Id", *([stamps.version] if stamps.version else []), *self.fields]
        plan = planning.choose_fields(info, names)
        wanted = {each.lower() for each in names}
        columns = [each for each in objects.columns_in_lake(mirror, plan) if each.name.lower() in wanted]
        kinds = [(each.name, each.kind) for each in columns]
        table = tables.ensure_mirror_table(mirror.org, mirror.name, kinds, version=stamps.version)
        return table, tuple(columns), stamps.filter

    def _collect(self, pull: Pull) -> None:
        """Wait for the Bulk job and land its pages; give the worker back while Salesforce works."""
        until = time.monotonic() + PATIENCE
        while self.state.job:
            time.sleep(max(0.0, min(pull.next_look - time.monotonic(), 1.0)))
            self._check_halt()
            if pull.next_look > time.monotonic():
                self.session.look()
                continue
            job = pull.look()
            if job is not None:
                pull.collect(job)
                until = time.monotonic() + PATIENCE
            elif pull.next_look > until:
                self.session.save()
                self.recorder.wait(until=timezone.now() + COME_BACK, sentence=f"Salesforce is preparing {self.mirror.name}.")

    def _finish(self) -> None:
        """Everything has landed."""
        now = timezone.now()

        def write() -> None:
            done = {"state": State.DONE, "finished_at": now, "sentence": " ".join(self.state.notes), "checkpoint": {}}
            Backfill.objects.filter(pk=self.backfill.pk, state=State.RUNNING).update(**done)
            self._note_reach()

        self.session.beside = None
        self.session.save(also=write)
        self.mirror.refresh_from_db()
        if not self.fields:
            news.tell_news(self.recorder, self.client, self.mirror, now=now)
        live, deleted = tables.count_rows(self.table)
        MirrorObject.objects.filter(pk=self.mirror.pk).update(rows=live, deleted_rows=deleted)

    def _note_reach(self) -> None:
        """The mirror now begins earlier, or its new fields are complete."""
        mirrors = MirrorObject.objects.filter(pk=self.mirror.pk)
        if self.backfill.only_fields:
            filled = MirrorField.objects.filter(object=self.mirror, name__in=self.fields, state=MirrorField.State.BACKFILLING)
            filled.update(state=MirrorField.State.ACTIVE)
        elif self.mirror.reads_from is not None and self.backfill.until in (None, self.mirror.reads_from):
            mirrors.update(reads_from=self.backfill.since)

    def _leave(self, state: str, sentence: str) -> None:
        """Its run ends and it does not: say how it stands."""
        Backfill.objects.filter(pk=self.backfill.pk, state=State.RUNNING).update(state=state, sentence=sentence)

    def _fail(self, error: Exception) -> None:
        """It ends with the reason; a person may start it again, and it goes on with the page that is missing."""
        problem = error if isinstance(error, RunStopped) else None
        sentence = problem.sentence if problem else str(error)
        code = problem.code if problem else getattr(error, "code", "") or type(error).__name__
        failed = {"state": State.FAILED, "sentence": sentence, "finished_at": timezone.now()}
        Backfill.objects.filter(pk=self.backfill.pk, state=State.RUNNING).update(**failed)
        raise ObjectFailed(code, f"Backfill of {self.mirror.name}: {sentence}", problem.state if problem else Run.State.FAILED)

    # --- saving ---

    def _checkpoint(self) -> dict[str, Any]:
        return {**self.recorder.checkpoint, KEY: {"began": self.began.isoformat(), "number": self.backfill.pk}}

    def _keep_books(self) -> None:
        """In the transaction of each page: how far it is. A person's pause or cancel undoes that page only."""
        running = Backfill.objects.filter(pk=self.backfill.pk, state=State.RUNNING)
        if not running.update(checkpoint=self.state.as_json()):
            raise Halted

    def _check_halt(self) -> None:
        if not Backfill.objects.filter(pk=self.backfill.pk, state=State.RUNNING).exists():
            raise Halted

    # --- Keeper ---

    def keep(self, staged: StagedFile) -> Callable[[], None]:
        """A page goes into the mirror at once, in the transaction that says where to go on (I-03)."""
        self._check_halt()
        if self.fields:
            return self._keep_fields(staged)
        settled = settling.settle(
            self.table, [staged], columns=[each.name for each in self.mirror.fields.all()], compare_values=not self.state.by
        )
        rows = self._count(settled.written, settled.unchanged, settled.superseded)
        return lambda: self._register(settled.files, rows)

    def _keep_fields(self, staged: StagedFile) -> Callable[[], None]:
        filled = filling.fill(self.table, staged, self.fields)
        rows = self._count(filled.file.rows, filled.unchanged, filled.unknown)

        def write() -> None:
            overtaken = filling.is_overtaken(self.table, filled)  # from here on nobody else can register
            now = filling.fill(self.table, staged, self.fields) if overtaken else filled
            self._register([now.file], rows)

        return write

    def _register(self, files: Sequence[StagedFile], rows: int) -> None:
        register(self.table, files, run=self.recorder.run, now=timezone.now())
        Backfill.objects.filter(pk=self.backfill.pk).update(done_rows=F("done_rows") + rows)

    def _count(self, written: int, unchanged: int, skipped: int) -> int:
        tally = self.recorder.object(self.mirror.name)
        tally.counted("written", written)
        tally.unchanged(unchanged)
        tally.counted("skipped", skipped)
        return written + unchanged + skipped

    def fail_rows(self, rows: Sequence[BadRow]) -> None:
        """Bad rows fail alone and are named (I-10)."""
        tally = self.recorder.object(self.mirror.name)
        for row in rows:
            tally.failed(row.id, row.code, row.message, salesforce_id=row.id if len(row.id) == 18 else "")
