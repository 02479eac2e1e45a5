"""Sending by Bulk 2.0: one job for as many rows as fit into an upload, every step stored before the next (R-135, R-145).

The id of a job is stored before its upload. A worker that dies, or gives its turn back, finds the job by it and collects the
answers instead of sending again. Nothing waits longer than `INLINE_SECONDS` in a worker (R-036).
"""

import re
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as compute

from integrations.lake.dialect import quote_name
from integrations.lake.engine import ROWS
from integrations.models import OutboxBatch
from integrations.salesforce import bulk, loads
from integrations.salesforce.bulk import Job
from integrations.salesforce.errors import NotFound, QueryExpired, SalesforceError
from integrations.sync.outbox import answers, causes, diffing, in_memory, payload, planning
from integrations.sync.outbox.answers import FAILED, NOT_ATTEMPTED, WRITTEN
from integrations.sync.outbox.causes import Now
from integrations.sync.outbox.columns import Column
from integrations.sync.outbox.composite_way import ROOM, fields_named
from integrations.sync.outbox.landing import Landing, land, mark_again
from integrations.sync.outbox.session import STORAGE, Session

pc: Any = compute  # its functions are made when it is imported, so no checker knows them

State = OutboxBatch.State
INLINE_SECONDS = 20.0
LOOK_AGAIN = timedelta(seconds=30)
JOB_HOURS = 2  # a job that takes longer is stopped
MOST_ATTEMPTS = 4
UNKNOWN_FIELD = re.compile(r"Field name not found\s*:\s*([A-Za-z0-9_.]+)")
UPLOADED_TWICE = "multiple contents"
UNTRUSTED = "UNTRUSTED_ANSWER:Salesforce's answers do not add up to the rows sent.: --"


def send_bulk(
    session: Session, batch: OutboxBatch, *, only_collect: bool = False, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Bring a batch from where it stands to its answers. Raises `Later` while Salesforce works.

    `only_collect`: what was not sent yet is given up, because newer rows are about to be compared.
    """
    if batch.state == State.CREATED:
        take_up(session, batch)
    if batch.state == State.STAGED and only_collect:
        _store(session, batch, {"state": State.ABANDONED, "error": "Its run was interrupted."})
    if batch.state == State.STAGED:
        if batch.attempt > 1:
            sleep(planning.LOCK_WAITS[min(batch.attempt, len(planning.LOCK_WAITS)) - 1])
        _upload(session, batch)
    if batch.state == State.SENT:
        collect(session, batch, _wait(session, batch, sleep))
    session.rest()
    if session.halt is not None:
        raise session.halt


def take_up(session: Session, batch: OutboxBatch) -> None:
    """A job was created, and nobody knows how far it came: one that works goes on, one that is still open is given up."""
    try:
        job = bulk.read_job(session.client, "ingest", batch.job_id)
        if job.state == "Open":
            bulk.abort(session.client, job)
    except NotFound:
        job = None
    gone_on = job is not None and job.state not in ("Open", "Aborted")
    update: dict[str, Any] = (
        {"state": State.SENT, "sent_at": session.now()} if gone_on else {"state": State.STAGED, "job_id": ""}
    )
    _store(session, batch, update)


def _upload(session: Session, batch: OutboxBatch) -> None:
    """Write the file, create the job, store its id, upload, close."""
    with tempfile.TemporaryDirectory(prefix="causeway-load-") as folder:
        load = _Load(session, batch, Path(folder) / "rows.csv")
        load.write()
        if load.unsent or not load.file.rows:
            _settle_unsent(session, batch, load)
        if not load.file.rows:
            return
        key = session.key_field if batch.operation == "upsert" else ""
        job = loads.create_load(session.client, session.target.object, batch.operation, key_field=key)
        _keep_job(session, batch, job, load)
        with load.file.path.open("rb") as source:
            try:
                loads.upload(session.client, job, source)
            except SalesforceError as error:
                if UPLOADED_TWICE not in error.message.lower():  # an earlier try of the same upload had arrived
                    raise
    loads.complete(session.client, job)
    _store(session, batch, {"state": State.SENT, "sent_at": session.now()})


class _Load:
    """The file of a batch: as many rows as one upload takes, without new records while the org has no room (R-141)."""

    def __init__(self, session: Session, batch: OutboxBatch, path: Path) -> None:
        self.session, self.batch = session, batch
        self.removes = batch.operation == "delete"
        self.columns = [] if self.removes else self._columns()
        self.key_name = "Id" if self.removes or session.by_id else session.key_field
        header = [self.key_name, *(column.field for column, _ in self.columns)]
        self.file = payload.LoadFile(path, header, largest=planning.PART_BYTES)
        self.unsent: list[str] = []
        self.last_place = batch.last_place
        self._no_room = bool(session.counts.get(STORAGE)) and batch.operation == "upsert"

    def write(self) -> None:
        """Fill the file; `last_place` is where it ends."""
        try:
            for rows in self._rows():
                if not self._add(pa.Table.from_batches([rows])):
                    break
        finally:
            self.file.close()

    def _rows(self) -> Iterable[pa.RecordBatch]:
        """The rows of the batch in their order, a part at a time."""
        first, last, kept = self.batch.first_place, self.batch.last_place, self.session.kept
        if kept is None:
            return self.session.engine.batches(self._statement(), first=first, last=last)
        return in_memory.between(kept, first, last).to_batches(max_chunksize=ROWS)

    def _add(self, table: pa.Table) -> bool:
        if self._no_room:
            self.unsent += table.filter(table.column("new_")).column("key_").to_pylist()
            table = table.filter(pc.invert(table.column("new_")))
        key = "id_" if self.removes else "key_"
        taken = self.file.add(payload.load_cells(table, self.columns, self.key_name, key=key))
        if taken == table.num_rows:
            return True
        self.last_place = table.column("place_")[taken].as_py() - 1
        return False

    def _statement(self) -> str:
        names = ["key_", "id_", "new_", "sent_", "place_", *(column.name for column, _ in self.columns)]
        return diffing.read_statement("places.sql", names=", ".join(map(quote_name, names)))

    def _columns(self) -> list[tuple[Column, int]]:
        """Columns that at least one row of the batch holds."""
        sql = "SELECT DISTINCT sent_ FROM sent WHERE place_ >= $first AND place_ <= $last"
        found = self.session.engine.rows(sql, first=self.batch.first_place, last=self.batch.last_place)
        places = {place for place, _ in self.session.placed}
        header = payload.load_header((mask for (mask,) in found), self.session.columns)
        return [(column, place) for column, place in header if place in places]


def _settle_unsent(session: Session, batch: OutboxBatch, load: _Load) -> None:
    """New records that are not sent, because the org has no room (R-141), count as failed."""
    table = answers.answer_table(load.unsent, FAILED, error=ROOM)
    update: dict[str, Any] = {"failed_rows": batch.failed_rows + len(load.unsent)}
    if not load.file.rows:
        update |= {"state": State.COLLECTED, "collected_at": session.now()}
    land(session, batch, Landing(table, update))


def _keep_job(session: Session, batch: OutboxBatch, job: Job, load: _Load) -> None:
    """Store the job's id before anything is uploaded (R-135). Rows that did not fit become a batch of their own (R-145)."""
    rest = batch.last_place - load.last_place
    update: dict[str, Any] = {"state": State.CREATED, "job_id": job.id, "without": sorted(session.without)}
    update |= {"last_place": load.last_place, "rows": batch.rows - rest}

    def write() -> None:
        OutboxBatch.objects.filter(pk=batch.pk).update(**update)
        if rest > 0:
            first, last = load.last_place + 1, load.last_place + rest
            add_batch(session, batch, first=first, last=last, rows=rest, way=batch.way, attempt=batch.attempt)

    session.save(write)
    for name, value in update.items():
        setattr(batch, name, value)


def add_batch(session: Session, like: OutboxBatch, *, first: int, last: int, rows: int, way: str, attempt: int) -> OutboxBatch:
    """One more batch of the same push (inside a transaction)."""
    number = 1 + (OutboxBatch.objects.filter(run=session.run).order_by("-number").values_list("number", flat=True).first() or 0)
    return OutboxBatch.objects.create(
        push=session.push, target=session.target, run=session.run, number=number, first_place=first, last_place=last,
        way=way, operation=like.operation, rows=rows, attempt=attempt, created_at=session.now(),
    )  # fmt: skip


def _wait(session: Session, batch: OutboxBatch, sleep: Callable[[float], None]) -> Job | None:
    """The finished job; None when Salesforce does not know it any more. `Later` when it takes long."""
    end = time.monotonic() + INLINE_SECONDS
    pause, looks = planning.first_poll(batch.rows, _usual_pace(batch)), 0
    sleep(min(max(0.0, pause - _since(session, batch)), INLINE_SECONDS))
    while True:
        try:
            job = bulk.read_job(session.client, "ingest", batch.job_id)
        except NotFound:
            return None
        if job.is_done:
            return job
        looks, since = looks + 1, _since(session, batch)
        if since > JOB_HOURS * 3600:
            return bulk.abort(session.client, job)
        pause = planning.next_poll(pause, looks=looks, rows=batch.rows, processed=job.processed, seconds=since)
        left = end - time.monotonic()
        session.save()
        if left <= 0 or pause > left + LOOK_AGAIN.total_seconds() / 2:
            _come_back(session, batch, job)
        sleep(min(pause, left))


def _since(session: Session, batch: OutboxBatch) -> float:
    """Seconds since Salesforce has all rows of the batch."""
    return (session.now() - batch.sent_at).total_seconds() if batch.sent_at else 0.0


def _come_back(session: Session, batch: OutboxBatch, job: Job) -> None:
    """Give the worker back until the job may be done (R-036). Always raises."""
    rest = planning.rest_of(batch.rows, job.processed, _since(session, batch), least=LOOK_AGAIN.total_seconds())
    sentence = f"Salesforce works on {batch.rows:,} rows of {session.target.object}."
    session.recorder.wait(until=session.now() + timedelta(seconds=rest), sentence=sentence)


def _usual_pace(batch: OutboxBatch) -> float | None:
    """Seconds a row of the target's latest job, None when there was none."""
    earlier = OutboxBatch.objects.filter(target=batch.target, way=batch.way, state=State.COLLECTED, collected_at__isnull=False)
    last = earlier.exclude(sent_at=None).order_by("-pk").first()
    if last is None or not last.rows or last.sent_at is None or last.collected_at is None:
        return None
    return (last.collected_at - last.sent_at).total_seconds() / last.rows


# --- collecting ---------------------------------------------------------------------------------------------------------


def collect(session: Session, batch: OutboxBatch, job: Job | None) -> None:
    """Take in the answers of a job, whatever became of it; every row ends in exactly one class."""
    keys = _sent_keys(session, batch)
    if job is None:
        _distrust(session, batch, keys, "The job is gone in Salesforce; its rows are sent again.")
        return
    if (field := unknown_field(session, job)) is not None:
        session.refuse_field(field, "is not known to Salesforce any more")
        _store(session, batch, {"state": State.FAILED, "error": job.message[:1000]}, again=not session.quiet)
        return
    try:
        table = answers.read_load(session.client, job, _key_name(session, batch), sent=len(keys))
    except (NotFound, QueryExpired):
        _distrust(session, batch, keys, "The job's answers are gone in Salesforce; its rows are sent again.")
        return
    if batch.operation == "delete":
        table = _by_key(session, table)
    if not answers.add_up(table, keys):
        told = ", ".join(f"{n:,} {name}" for name, n in answers.counts_of(table).items()) or "no answers"
        _distrust(session, batch, keys, f"{len(keys):,} rows were sent, and Salesforce tells of {told}.")
        return
    _land_answers(session, batch, job, table)


def _key_name(session: Session, batch: OutboxBatch) -> str:
    return "Id" if session.by_id or batch.operation == "delete" else session.key_field


def _sent_keys(session: Session, batch: OutboxBatch) -> pa.ChunkedArray:
    """Keys that the upload had: rows that found no room were settled before it."""
    sql = "SELECT key_, new_ FROM sent WHERE place_ >= $first AND place_ <= $last"
    rows = session.engine.table(sql, first=batch.first_place, last=batch.last_place)
    if batch.failed_rows:
        rows = rows.filter(pc.invert(rows.column("new_")))
    return rows.column("key_")


def _by_key(session: Session, table: pa.Table) -> pa.Table:
    """Answers to deletions name the record; the key of its row is looked up. A record that was gone is deleted all right."""
    session.engine.bind("told", table)
    return session.engine.table(diffing.read_statement("deleted.sql")).cast(answers.SCHEMA)


def unknown_field(session: Session, job: Job) -> str | None:
    """The field of ours for which Salesforce refused the whole upload."""
    found = UNKNOWN_FIELD.search(job.message) if job.state == "Failed" else None
    if found is None:
        return None
    return next((column.field for _, column in session.placed if column.field.lower() == found[1].lower()), None)


def _land_answers(session: Session, batch: OutboxBatch, job: Job, table: pa.Table) -> None:
    counts = answers.counts_of(table)
    again = [] if session.quiet else _worth_again(session, batch, table)
    table = mark_again(table, again) if again else table
    done = job.state == "JobComplete"
    update: dict[str, Any] = {
        "state": State.COLLECTED if done else State.FAILED,
        "collected_at": session.now(),
        "accepted_rows": counts.get(WRITTEN, 0),
        "failed_rows": batch.failed_rows + counts.get(FAILED, 0) - len(again),
        "unprocessed_rows": counts.get(NOT_ATTEMPTED, 0),
        "error": "" if done else (job.message or f"The job ended as {job.state}.")[:1000],
    }
    landing = Landing(table, update, without=batch.without)
    if again:
        landing.unsure = pa.array(again, pa.string())
        landing.also = _stage_again(session, batch, again, landing)
    land(session, batch, landing)


def _worth_again(session: Session, batch: OutboxBatch, table: pa.Table) -> list[str]:
    """Keys of refused rows that may succeed in this very run; each different answer is read once."""
    failed = table.filter(pc.equal(table.column("outcome_"), FAILED))
    if not failed.num_rows or batch.operation == "delete":
        return []
    encoded = failed.column("error_").combine_chunks().dictionary_encode()
    verdicts = [_look_at(session, text) for text in encoded.dictionary.to_pylist()]
    keys = [
        key
        for key, place in zip(failed.column("key_").to_pylist(), encoded.indices.to_pylist(), strict=True)
        if verdicts[place]
    ]
    return keys if batch.attempt < MOST_ATTEMPTS else []


def _look_at(session: Session, text: str) -> bool:
    """What one kind of answer asks of this run."""
    error = loads.row_error(text)
    session.halt = session.halt or causes.read_only(error)
    now = causes.cause_of(error, by_id=session.by_id).now
    if now is Now.NO_MORE_CREATES:
        session.counts[STORAGE] = 1
    if now is Now.WITHOUT_FIELD:
        named = fields_named(session, error)
        for column in named:
            session.refuse_field(column.field, f"cannot be written: {error.message}")
        return bool(named)
    return now in (Now.AGAIN, Now.SMALLER)


def _stage_again(session: Session, batch: OutboxBatch, keys: list[str], landing: Landing) -> Callable[[], None]:
    """Stage rows once more at places of their own, as a batch that is sent next."""
    diffing.bind_keys(session.engine, "again", key_=keys)
    after = session.engine.rows("SELECT max(place_) FROM sent")[0][0]
    names = ", ".join(f"s.{quote_name(name)}" for name, _ in session.sent.columns if name != "place_")
    sql = diffing.read_statement("again.sql", names=names)
    staged = session.engine.copy_to(sql, session.sent, after=after)
    landing.files.append((session.sent, staged))
    session.kept = None  # there are more rows now
    way = planning.choose_way(staged.rows)

    def write() -> None:
        add_batch(
            session, batch, first=after + 1, last=after + staged.rows, rows=staged.rows, way=way, attempt=batch.attempt + 1
        )

    return write


def _distrust(session: Session, batch: OutboxBatch, keys: pa.ChunkedArray, sentence: str) -> None:
    """Nothing can be said about these rows: they count as not attempted, and all that was sent of them is in doubt."""
    plain = keys.combine_chunks() if isinstance(keys, pa.ChunkedArray) else keys
    table = answers.answer_table(plain.to_pylist(), NOT_ATTEMPTED, error=UNTRUSTED)
    update = {"state": State.FAILED, "error": sentence, "unprocessed_rows": len(keys), "collected_at": session.now()}
    land(session, batch, Landing(table, update, unsure=plain, without=batch.without))


def _store(session: Session, batch: OutboxBatch, update: dict[str, Any], *, again: bool = False) -> None:
    """Store a step; `again` sends the same rows by a new job."""

    def write() -> None:
        OutboxBatch.objects.filter(pk=batch.pk).update(**update)
        if again:
            first, last = batch.first_place, batch.last_place
            add_batch(session, batch, first=first, last=last, rows=batch.rows, way=batch.way, attempt=batch.attempt)

    session.save(write)
    for name, value in update.items():
        setattr(batch, name, value)
