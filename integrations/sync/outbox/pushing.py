"""A push from end to end: settle what an earlier run left, prepare, send batch by batch, finish. Heavy to import."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from integrations.lake.engine import Engine, open_engine
from integrations.models import OutboxBatch, OutboxPush, OutboxTarget, Run
from integrations.orgs import budget
from integrations.orgs.connect import OrgClient, client_for
from integrations.salesforce.describe import ObjectInfo
from integrations.salesforce.errors import SalesforceError
from integrations.sync import retrying
from integrations.sync.endings import Defer, RunStopped
from integrations.sync.mirror import describing
from integrations.sync.outbox import (
    alarms,
    bulk_way,
    comparing,
    composite_way,
    diffing,
    door,
    intake,
    kinds,
    planning,
    preparing,
    recovery,
)
from integrations.sync.outbox.comparing import Plan
from integrations.sync.outbox.preparing import WHOLE_RUN
from integrations.sync.outbox.report import PushReport, report_of
from integrations.sync.outbox.session import Session
from integrations.sync.runs import Recorder

State = OutboxBatch.State
SHARE_WAIT = timedelta(minutes=15)
OTHER_WAIT = timedelta(seconds=30)
NOT_OURS = frozenset(("lease_lost", "ended_elsewhere"))  # another worker has the run: nothing may be written any more


@dataclass(frozen=True, slots=True)
class Wish:
    """How a push is wanted; see `push.push_rows`."""

    dry_run: bool = False
    complete: bool = True
    name: str = ""
    interactive: bool = False


def push(recorder: Recorder, target: OutboxTarget, desired: Any, wish: Wish) -> PushReport:
    """See `push.push_rows`."""
    with opened(recorder, target, wish) as work:
        if work.done:
            return report_of(work.stored, error=work.error)
        return _push(work, intake.readable(desired), wish)


@dataclass
class Work:
    """A push before its session: where it goes, and with what. `done` says that there is nothing to do (any more)."""

    recorder: Recorder
    stored: OutboxPush
    client: OrgClient
    engine: Engine
    info: ObjectInfo
    done: bool = False
    error: str = ""


@contextmanager
def opened(recorder: Recorder, target: OutboxTarget, wish: Wish) -> Iterator[Work]:
    """The push of this run to this target, with a client, an engine and the object's describe.

    Raises `Later` while another run writes to the target (I-08).
    """
    stored, _ = OutboxPush.objects.select_related("sent", "answers").get_or_create(
        run=recorder.run, target=target, name=wish.name, defaults={"is_dry": wish.dry_run, "started_at": timezone.now()}
    )
    stored.target = target
    paused = target.state == OutboxTarget.State.PAUSED and not wish.dry_run
    if stored.finished_at is not None or paused:
        error = f"The target is paused: {target.reason or 'no reason given'}" if paused else ""
        yield Work(recorder, stored, *(None,) * 3, done=True, error=error)  # type: ignore[arg-type]
        return
    other = None if wish.dry_run else claim(stored)
    if other is not None:
        sentence = f"Run #{other} writes to {target.object} now; this one goes on afterwards."
        recorder.wait(until=timezone.now() + OTHER_WAIT, sentence=sentence)
    client = client_for(target.org, domain=kinds.get(target.kind).domain)
    with client, open_engine() as engine:
        info, error = _describe(stored, client)
        yield Work(recorder, stored, client, engine, info, error=error)  # type: ignore[arg-type]


def claim(stored: OutboxPush) -> int | None:
    """Make this push the only one that writes to its target; else the number of the run that does.

    A run that is no longer active has no claim: what it left is taken up by whoever comes next.
    """

    def write() -> int | None:
        OutboxTarget.objects.select_for_update().get(pk=stored.target.pk)
        claimed = OutboxPush.objects.filter(target=stored.target, state=OutboxPush.State.PLANNED, finished_at=None)
        other = claimed.filter(run__state__in=Run.ACTIVE).exclude(run=stored.run_id).values_list("run", flat=True).first()
        if other is None:
            OutboxPush.objects.filter(pk=stored.pk).update(state=OutboxPush.State.PLANNED)
        return other

    return retrying.in_transaction(write)


def _describe(stored: OutboxPush, client: OrgClient) -> tuple[ObjectInfo | None, str]:
    try:
        return describing.describe_object(stored.target.org, client, stored.target.object), ""
    except WHOLE_RUN:
        raise
    except SalesforceError as error:
        return None, f"{stored.target.object} cannot be written: {error.message}"


def _push(work: Work, desired: Any, wish: Wish) -> PushReport:
    stored = work.stored
    if work.error:
        return _closed(work.recorder, stored, desired, work.error)
    if stored.fields:
        session, plan = resume(work), None
    else:
        settled = 0 if wish.dry_run else settle_earlier(work)
        entry = door.check_entry(kinds.get(stored.target.kind), stored.target, work.info, comparing.fields_in(desired))
        if entry.closed:
            return _closed(work.recorder, stored, desired, f"Nothing can be written: {entry.closed}.")
        session = comparing.open_session(work.recorder, stored, entry, work.info, work.client, work.engine)
        plan = prepare(session, desired, entry, wish, settled=settled)
    if wish.dry_run:
        return finish(session, estimated=preparing.estimated_calls(plan) if plan else 0)
    return send(session, wish)


def send(session: Session, wish: Wish) -> PushReport:
    """Send what is staged, and finish."""
    _check_budget(session, wish)
    send_batches(session)
    return finish(session)


def prepare(session: Session, desired: Any, entry: door.Entry, wish: Wish, *, settled: int = 0) -> Plan:
    """Compare, judge, guard and stage; store it all in one transaction."""
    plan = comparing.compare(session, desired, entry, complete=wish.complete)
    if wish.dry_run:
        preparing.estimate(session, plan)
        preparing.list_samples(session, plan)
        preparing.count_unsent(session, plan)
        session.push.rows, session.push.changed = plan.total(), plan.total(*preparing.SEND, comparing.INSTEAD)
        session.save(lambda: session.push.save(update_fields=["rows", "changed"]))
    else:
        preparing.stage(session, plan)
        preparing.count_unsent(session, plan, settled=min(settled, plan.total(diffing.SAME)))
        preparing.store_plan(session, plan)
    session.rest()
    return plan


def resume(work: Work, stored: OutboxPush | None = None) -> Session:
    """The session of a push whose plan is stored: an earlier turn of this run, or another run, made it."""
    stored = stored or work.stored
    kind, columns = kinds.get(stored.target.kind), preparing.columns_of(stored)
    by_id = stored.target.key_field.lower() == "id"
    terms = diffing.Terms(columns=columns, upsert=kind.saves_by == "upsert", by_id=by_id, blank=kind.blank, unsure=True)
    session = Session(
        work.recorder, stored, kind, work.info, work.client, work.engine, columns, terms, kind.saves_by or "delete",
        dict(stored.counts),
    )  # fmt: skip
    session.bind_accepted()
    return session


def settle_earlier(work: Work) -> int:
    """Take up pushes of this target that interrupted runs left; how many of their rows had been written after all."""
    written = 0
    for left in recovery.unfinished(work.stored.target, besides=work.stored):
        left.target = work.stored.target
        if left.fields and left.sent is not None and left.target.accepted is not None:
            session = resume(work, left)
            session.quiet = True
            session.bind_sent()
            written += recovery.settle(session)
        OutboxPush.objects.filter(pk=left.pk).update(state=OutboxPush.State.LEFT, finished_at=timezone.now())
    return written


# --- sending ------------------------------------------------------------------------------------------------------------


def send_batches(session: Session) -> None:
    """Send what is open, in order; rows that are tried again go before the next batch."""
    while (batch := next_batch(session.push)) is not None:
        session.bind_sent()
        try:
            _send(session, batch)
            _judge(session)
        except WHOLE_RUN as error:
            leave(session, getattr(error, "code", "") or type(error).__name__, str(error))
            raise
        except RunStopped as stop:
            if stop.code not in NOT_OURS:
                leave(session, stop.code, stop.sentence)
            raise
        except SalesforceError as error:
            describing.forget_description(session.target.org, session.target.object)
            leave(session, error.code or type(error).__name__, str(error), failed=True)
            return
        session.recorder.breathe()


def next_batch(stored: OutboxPush) -> OutboxBatch | None:
    """The batch to go on with: tries of refused rows first, then by place."""
    return stored.batches.filter(state__in=OutboxBatch.OPEN).order_by("-attempt", "first_place").first()


def _send(session: Session, batch: OutboxBatch) -> None:
    way: Callable[[Session, OutboxBatch], None] = bulk_way.send_bulk
    if batch.way == OutboxBatch.Way.COMPOSITE:
        way = composite_way.send_composite
    way(session, batch)


def _judge(session: Session) -> None:
    """Stop a push of which most rows fail (R-269)."""
    counts = session.counts
    failed = counts.get("failed", 0) - counts.get(preparing.UNSENT, 0)
    sent = counts.get("written", 0) + failed
    if planning.is_hopeless(sent, failed):
        sentence = f"{failed:,} of the first {sent:,} rows sent failed, so the run was stopped. See the causes."
        raise RunStopped("too_many_failures", sentence, "failed")


def leave(session: Session, code: str, message: str, *, failed: bool = False) -> None:
    """The push ends early: rows that were not sent count as not attempted (or as failed, when the object is the cause).

    Jobs that Salesforce has stay open for the next run, which collects them.
    """
    open_batches = list(session.push.batches.filter(state__in=OutboxBatch.OPEN))
    broken = list(session.push.batches.filter(state=State.ABANDONED))
    planned = sum(batch.rows for batch in open_batches + broken)
    answered = sum(batch.accepted_rows + batch.failed_rows + batch.unprocessed_rows for batch in open_batches + broken)
    untried = max(0, planned - answered - session.counts.get("left", 0))
    session.counts["left"] = session.counts.get("left", 0) + untried
    outcome = "failed" if failed else "not_attempted"
    if untried:
        session.list_row(outcome, session.target.object, code, message)
        session.count(outcome, untried - 1)
    kept = [batch.pk for batch in open_batches if batch.job_id]

    def write() -> None:
        given_up = OutboxBatch.objects.filter(pk__in=[batch.pk for batch in open_batches]).exclude(pk__in=kept)
        given_up.update(state=State.ABANDONED, error=message[:1000])
        session.write_figures()
        session.tally.write()

    retrying.in_transaction(write)
    session.tally.forget()


def _check_budget(session: Session, wish: Wish) -> None:
    """Stay within our share of the org's API (I-18)."""
    open_batches = session.push.batches.filter(state__in=OutboxBatch.OPEN)
    calls = sum(planning.calls_of(batch.way, batch.rows - batch.done_rows) for batch in open_batches if not batch.job_id)
    org, now = session.target.org, session.now()
    if not calls or budget.may_spend(org, calls=calls, domain=session.kind.domain, interactive=wish.interactive, now=now):
        return
    sentence = f"Our share of {org.name}'s API is used up for now; {calls:,} calls are needed."
    leave(session, "api_share", sentence)
    raise Defer("api_share", sentence, now + SHARE_WAIT)


# --- ending -------------------------------------------------------------------------------------------------------------


def finish(session: Session, *, estimated: int = 0) -> PushReport:
    """The push is done: its figures are kept, the target remembers it, people hear of trouble or of its end."""
    stored, now = session.push, session.now()
    update: dict[str, Any] = {"state": OutboxPush.State.DONE, "finished_at": now}

    def write() -> None:
        OutboxPush.objects.filter(pk=stored.pk).update(**update)
        if not stored.is_dry:
            OutboxTarget.objects.filter(pk=stored.target.pk).update(pushed_at=now, last_run=session.run)

    session.save(write)
    stored.counts, stored.finished_at = dict(session.counts), now
    if not stored.is_dry:
        alarms.tell(stored, now=now)
    return report_of(stored, estimated_calls=estimated or stored.calls)


def _closed(recorder: Recorder, stored: OutboxPush, desired: Any, message: str) -> PushReport:
    """Nothing of this target can be written: its rows count as failed, the other targets go on (R-148, R-169)."""
    rows = _count_rows(desired)
    tally = recorder.object(stored.target.object)
    if rows:
        tally.failed(stored.target.object, "TARGET_CLOSED", message)
        tally.counted("failed", rows - 1)
    stored.counts, stored.rows, stored.finished_at = {"failed": rows}, rows, timezone.now()
    stored.state = OutboxPush.State.DONE
    recorder.save(also=stored.save)
    if not stored.is_dry:
        alarms.tell(stored, now=timezone.now(), message=message)
    return report_of(stored, error=message)


def _count_rows(desired: Any) -> int:
    if hasattr(desired, "num_rows"):
        return int(desired.num_rows)
    with comparing.read_batches(desired) as batches:
        return sum(batch.num_rows for batch in batches)
