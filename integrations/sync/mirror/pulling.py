"""Bringing one object's window in: a few REST pages, or a Bulk 2.0 job whose pages are staged as they arrive.

Nothing here decides what is new or moves a watermark: pages become staged files, the state says which, and `Keeper` is told of
each so that it can be saved before the next one. A killed run goes on with the page after the last one that was saved.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Protocol

from django.utils import timezone

from integrations.lake.writing import StagedFile
from integrations.models import LakeTable, Run
from integrations.salesforce import bulk, rest, soql
from integrations.salesforce.errors import (
    InvalidField,
    NotFound,
    QueryExpired,
    QueryTooSlow,
    SalesforceError,
    UnexpectedAnswer,
    UpstreamUnavailable,
)
from integrations.salesforce.ids import to_18
from integrations.salesforce.meaning import Reason, explain
from integrations.salesforce.values import read_moment
from integrations.sync.endings import RunStopped
from integrations.sync.mirror import fetching, planning
from integrations.sync.mirror.downloading import Downloads, Page
from integrations.sync.mirror.landing import BadRow, DamagedPage
from integrations.sync.mirror.planning import Column
from integrations.sync.mirror.session import Session
from integrations.sync.mirror.staging import StagedPage, stage_page
from integrations.sync.mirror.state import Pages, ReadState, staged_as_json

REST, BULK = "rest", "bulk"  # as in MirrorObject.Way
MOST_REMADE = 3  # jobs that are made again because their results were gone
MOST_DAMAGED = 3  # downloads of one page that turn out to be cut
MOST_RESTARTS = 3  # of a REST query whose cursor died
MOST_REST_PAGES = 5_000


class ObjectFailed(RunStopped):
    """The read of one object cannot go on; the others can. Carries how the run ends because of it."""


class Keeper(Protocol):
    """What becomes of the pages of a read."""

    def keep(self, staged: StagedFile) -> Callable[[], None] | None:
        """A page has landed; what to write in the transaction that saves the state."""
        ...

    def fail_rows(self, rows: Sequence[BadRow]) -> None:
        """Rows of a page that could not be kept."""
        ...


class Pull:
    """The read of one object, resumable from its state."""

    def __init__(
        self, session: Session, object_: str, table: LakeTable, columns: Sequence[Column], state: ReadState, keeper: Keeper
    ) -> None:
        self.session, self.client, self.object = session, session.client, object_
        self.table, self.columns, self.state, self.keeper = table, tuple(columns), state, keeper
        self.next_look = 0.0

    # --- asking ---

    def begin(self, *, count_first: bool, rest_allowed: bool = True) -> None:
        """Find out how many rows there are, and bring them in over REST or start a Bulk job. At most three calls."""
        page = None
        where = planning.conditions(self.state.by, self.state.window)
        question = self._question(where)
        if count_first or not planning.fits_address(question):
            self._count(where)
        else:
            page = self._first_page(question)
        total = self.state.total
        if total == 0:
            self.state.way = self.state.way or REST
            self.state.keep_job()
        elif rest_allowed and total is not None and self._is_for_rest(total, question, page):
            self._read_rest(page or self._first_page(question), where)
        else:
            self.start_job()

    def _question(self, where: Sequence[str]) -> str:
        return planning.question(self.object, [each.name for each in self.columns], where=where, order_by=self.state.by)

    def _count(self, where: Sequence[str]) -> None:
        """How many rows the window has; unknown when even counting takes Salesforce too long."""
        try:
            page = rest.query_page(self.client, soql.count(self.object, where=where), all_rows=True)
        except QueryTooSlow:
            self.state.total = None
            return
        self._note_start(page.began)
        self.state.total = page.page.total

    def _first_page(self, question: str) -> rest.DatedPage | None:
        try:
            page = rest.query_page(self.client, question, all_rows=True)
        except QueryTooSlow:
            self.state.total = None
            return None
        self._note_start(page.began)
        self.state.total = page.page.total
        return page

    def _is_for_rest(self, total: int, question: str, page: rest.DatedPage | None) -> bool:
        if not planning.fits_address(question):
            return False
        if page is None:
            return planning.is_for_rest(total)
        return planning.is_for_rest(total, page_rows=len(page.page.records))

    def _note_start(self, began: datetime | None) -> None:
        """The read began when Salesforce first answered, by Salesforce's clock. Our own clock never takes its place, because a
        watermark that is too late loses rows: without any word of Salesforce's the watermark stays where it is."""
        if not self.state.started and began is not None:
            self.state.started = began.isoformat()

    # --- REST ---

    def _read_rest(self, first: rest.DatedPage | None, where: Sequence[str]) -> None:
        self.state.way = REST
        for records in self._rest_pages(first, where):
            staged = fetching.stage_records(self.table, records, self.columns, object_=self.object)
            self.keeper.fail_rows(staged.bad)
            self.state.erased += staged.erased
            for file in staged.files:
                self._keep(file, unique=False)
            self.session.look()
        self.state.keep_job()

    def _rest_pages(self, page: rest.DatedPage | None, where: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
        """Pages in the order of change. Where a cursor died, the question goes on behind the last row (R-034)."""
        if page is None:
            raise QueryTooSlow("Salesforce cannot answer this query in time.", code="QUERY_TIMEOUT")
        restarts, seen, last = 0, set[str](), (None, "")
        for _ in range(MOST_REST_PAGES):
            records = page.page.records
            if records:
                yield records
                last = self._place_of(records[-1])
            cursor = page.page.cursor
            if not cursor:
                return
            if cursor in seen:
                break
            seen.add(cursor)
            try:
                page = rest.query_page(self.client, cursor=cursor)
            except QueryExpired:
                restarts += 1
                if restarts > MOST_RESTARTS:
                    raise
                page = rest.query_page(self.client, self._question(self._after(last)), all_rows=True)
        raise UnexpectedAnswer("Salesforce repeated a query cursor; the query was stopped.", code="REPEATED_CURSOR")

    def _after(self, last: tuple[datetime | None, str]) -> list[str]:
        return planning.after(self.state.by, self.state.window, last)

    def _place_of(self, record: dict[str, Any]) -> tuple[datetime | None, str]:
        stamp = record.get(self.state.by) if self.state.by else None
        return (read_moment(stamp) if stamp else None), to_18(record["Id"])

    # --- Bulk: the job ---

    def start_job(self) -> None:
        """Create the query job and save its id before anything else (a killed run then collects its results)."""
        where = planning.conditions(self.state.by, self.state.window)
        question = planning.bulk_question(self.object, [each.name for each in self.columns], where=where)
        self.state.forget_job()
        job = bulk.start_query(self.client, question, all_rows=True)
        self._note_job_start(job)
        self.state.way, self.state.job, self.state.asked_at = BULK, job.id, timezone.now().isoformat()
        near = self.session.near.is_near
        self.next_look = time.monotonic() + planning.first_look(self.state.total or 0, near=near)
        self.session.save()

    def _note_job_start(self, job: bulk.Job) -> None:
        """A job's creation is the exact start of its read; of several jobs (smaller windows, again) the first counts."""
        created = job.data.get("createdDate")
        if created and not self.state.is_split and not self.state.remade:
            self.state.started = read_moment(str(created)).isoformat()

    @property
    def is_waiting(self) -> bool:
        """Whether a job is at work for it."""
        return bool(self.state.job)

    def look(self) -> bulk.Job | None:
        """Ask how the job is doing; the job once it is complete, None while it works. Each question is a call.

        Raises `ObjectFailed` when it was aborted, failed for good or took too long (R-036..R-038).
        """
        try:
            job = bulk.read_job(self.client, "query", self.state.job)
        except NotFound:
            self._make_again("The Bulk job was gone (Salesforce keeps them 7 days); it was started again.")
            return None
        if job.state == "JobComplete":
            return job
        if job.state == "Aborted":
            sentence = f"The Bulk job for {self.object} was aborted in Salesforce; the next slot reads it."
            raise ObjectFailed("aborted_in_salesforce", f"aborted in Salesforce: {sentence}", Run.State.CANCELLED)
        if job.state == "Failed":
            self._take_failure(job)
            return None
        self._check_deadline(job)
        self._look_again()
        return None

    def _look_again(self) -> None:
        taken = (timezone.now() - datetime.fromisoformat(self.state.asked_at)).total_seconds()
        self.next_look = time.monotonic() + planning.next_pause(taken, near=self.session.near.is_near)

    def _check_deadline(self, job: bulk.Job) -> None:
        asked = datetime.fromisoformat(self.state.asked_at)
        if timezone.now() - asked < self.session.job_limit:
            return
        with contextlib.suppress(SalesforceError):  # it ended in this moment, or nobody answers: the job ends by itself
            bulk.abort(self.client, job)
        minutes = int(self.session.job_limit.total_seconds() // 60)
        sentence = f"Salesforce did not finish the Bulk job for {self.object} within {minutes} minutes; it was aborted."
        raise ObjectFailed("job_timeout", sentence, Run.State.FAILED)

    def _take_failure(self, job: bulk.Job) -> None:
        """A failed job: a refused field is told as such; anything else is tried once more in smaller windows (R-037)."""
        error = explain(400, [_reason_in(job.message)])
        if isinstance(error, InvalidField):
            raise error
        said = f"Salesforce says: {job.message or 'no reason'}"
        parts = planning.split_window(self.state.window, server_now=self.session.server_now()) if self.state.by else []
        if self.state.is_split or len(parts) < 2:
            raise ObjectFailed("job_failed", f"The Bulk job for {self.object} failed. {said}", Run.State.FAILED)
        self.state.is_split = True
        self.state.note(f"A Bulk job failed ({said}); it was tried again in {len(parts)} smaller windows.")
        self.state.set_windows(parts)
        self.start_job()

    def _make_again(self, note: str) -> None:
        self.state.remade += 1
        if self.state.remade > MOST_REMADE:
            sentence = f"The results of the Bulk job for {self.object} disappeared {MOST_REMADE} times; it was given up."
            raise ObjectFailed("job_gone", sentence, Run.State.FAILED)
        self.state.note(note)
        self.start_job()

    # --- Bulk: the pages ---

    def collect(self, job: bulk.Job) -> None:
        """Land the pages of a complete job that have not landed yet; starts the next window's job, if there is one."""
        try:
            if job.processed:
                self._land_pages(job)
                self._check_sum(job)
        except QueryExpired:
            self._make_again("A result page was no longer there; the Bulk job was started again.")
            return
        except NotFound:
            self._make_again("The results of the Bulk job were gone (deleted, or older than 7 days); it was started again.")
            return
        self.state.keep_job()
        if self.state.windows:
            self.start_job()

    def _land_pages(self, job: bulk.Job) -> None:
        with self._downloads(job) as downloads:
            for page in downloads.pages(while_waiting=self.session.look):
                with page.file:
                    landed = self._land(job, page)
                self.keeper.fail_rows(landed.bad)
                self.state.landed.append(page.locator)
                self.state.following = page.raw.locator if downloads.follow else ""
                self.state.rows += landed.rows
                self.state.erased += landed.erased
                self._note_ids(landed)
                self._keep(landed.staged, save=True)
                self.session.recorder.breathe()

    def _downloads(self, job: bulk.Job) -> Downloads:
        """One page after the other when it is one or two, else all that Salesforce offers in parallel."""
        compressed = not self.session.near.is_near
        landed = set(self.state.landed)
        if job.processed > planning.RESULT_ROWS and not self.state.following:
            try:
                links = [locator for locators in bulk.result_links(self.client, job) for locator in locators]
                return Downloads(self.client, job, [each for each in links if each not in landed], compressed=compressed)
            except NotFound:  # an org that offers no parallel pages, unless the job itself is gone
                bulk.read_job(self.client, "query", job.id)
        first = [self.state.following] if self.state.following or not landed else []
        return Downloads(self.client, job, first, compressed=compressed, follow=True)

    def _land(self, job: bulk.Job, page: Page) -> StagedPage:
        """Stage a page whole. One that is cut is downloaded again, a few times at most (R-031)."""
        file, announced = page.file, page.raw.announced
        for left in range(MOST_DAMAGED - 1, -1, -1):
            try:
                return stage_page(self.table, self.columns, file, announced=announced, object_=self.object)
            except DamagedPage as error:
                if not left:
                    raise UpstreamUnavailable(error.message, code="CUT_ANSWER") from None
            file.seek(0)
            file.truncate()
            announced = bulk.fetch_page(self.client, job, file, locator=page.locator).announced
        raise AssertionError("unreachable")

    def _check_sum(self, job: bulk.Job) -> None:
        if self.state.rows != job.processed:
            message = f"The pages of a Bulk job have {self.state.rows:,} rows where Salesforce announced {job.processed:,}."
            raise UpstreamUnavailable(message, code="CUT_ANSWER")

    # --- keeping ---

    def _keep(self, staged: StagedFile, *, unique: bool = True, save: bool = False) -> None:
        also = self.keeper.keep(staged) if staged.rows else None
        if staged.rows and also is None:
            self.state.page_files.append(staged_as_json(staged))
        if not unique:
            self.state.pages = {"ascending": False, "spans": []}
        if save or also is not None:
            self.session.save(also)

    def _note_ids(self, page: StagedPage) -> None:
        pages = Pages(**self.state.pages) if self.state.pages else Pages()
        if page.last:
            pages.note(page.first, page.last, ascending=page.ascending)
        self.state.pages = {"ascending": pages.ascending, "spans": pages.spans}


def _reason_in(message: str) -> Reason:
    """`CODE : text` or `CODE: text` of a failed job, as a reason of the table of meanings."""
    code, colon, text = message.partition(":")
    code = code.strip().split(" ")[-1]
    return Reason(code, text.strip()) if colon and code.isupper() else Reason("", message)
