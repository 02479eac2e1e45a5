"""Keeps linked key results up to date: the hourly pass of a connection, and "refresh now" for one report (BW-34, BW-D7).

A pass makes exactly one report run for each distinct (report, filters), however many links share it, and stays within our part
of Salesforce's hourly runs. It never waits long: what is not finished when its time is up goes on in a follow-up run.
"""

from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from integrations.access import Refusal
from integrations.models import Run, SalesforceOrg
from integrations.orgs import budget
from integrations.orgs.connect import OrgClient, client_for
from integrations.orgs.states import refusal_of
from integrations.salesforce import errors
from integrations.sync import row_retries, runs
from integrations.sync.runs import Recorder
from integrations.sync.tally import Tally
from okr import licenses, notices, periods, results, rights, rounds, running, sources
from okr import reports_metadata as metadata
from okr.models import KeyResult, ReportLink
from okr.passes import DOMAIN, ROWS, Pass, Round
from okr.readings import Broken
from okr.rounds import DueSource
from okr.running import Clock, Outcome, Ran, Refused, Started

JOB, ONE_REPORT_JOB = "okr.refresh", "okr.refresh_report"
COLLECT_SECONDS = 20  # how long a page waits for an asynchronous run
GO_ON_AFTER = timedelta(seconds=60)
MOST_PARTS = 60  # follow-up runs of one round (I-09)
AGAIN_AFTER = timedelta(minutes=5)  # BW-D7
MOST_LOOKS = 20  # follow-up runs for one report that a person asked for
ROUND_FIELDS = tuple(each.name for each in fields(Round))
Status = ReportLink.Status


def perform(recorder: Recorder) -> None:
    """One pass of job okr.refresh; called again after a crash it reads only what is still unread of its round."""
    now, org = timezone.now(), recorder.org
    assert org is not None
    licenses.release_of_inactive(now=now, org=org)
    this = _round_of(recorder, now)
    recorder.save(asdict(this))
    if not org.okr_enabled:
        return
    due = rounds.due_sources(org, round_start=this.began, everything=this.everything, only=_rows_of(this), now=now)
    if not this.everything:
        this.slice = this.slice or rounds.slice_size(len(due))
    part = due[: this.slice] if this.slice else due
    recorder.expect(sum(len(source.link_ids) for source in part))
    if part:
        open_after = Pass(recorder, org, this).work(part)
        _go_on(recorder, this, waits=open_after, more=len(due) - len(part), now=timezone.now())
    notices.tell_admins(org, now=timezone.now())


def perform_one_report(recorder: Recorder) -> None:
    """Job okr.refresh_report: the page reads itself; the worker collects what takes long and takes over after a crash."""
    link = ReportLink.objects.filter(org=recorder.org, source_key=recorder.run.arguments.get("source_key", "")).first()
    if link is not None:
        _read_one(link, recorder, now=timezone.now(), looks=int(recorder.run.arguments.get("looks", 0)))


def mark_unreachable(*, now: datetime) -> int:
    """Links of connections that are down say so, with the reason (I-21); how many changed. Asks Salesforce nothing."""
    down = SalesforceOrg.objects.exclude(state=SalesforceOrg.State.CONNECTED).filter(report_links__isnull=False).distinct()
    return sum(
        results.write_unreachable(org, status=Status.CONNECTION, reason=refusal_of(org).message, now=now) for org in down
    )


def _round_of(recorder: Recorder, now: datetime) -> Round:
    """The round that this run belongs to: of the run it resumes or follows, else the timetable's slot, else now.

    A person's run (or retry) reads everything. When the next slot has come meanwhile, a round that waited becomes that slot's.
    """
    run, known = recorder.run, recorder.checkpoint or recorder.run.arguments
    follows = run.trigger == Run.Trigger.SYSTEM or run.resumed_from is not None
    if follows and known.get("start"):
        this = Round(**{name: known[name] for name in ROUND_FIELDS if name in known})
        slot = rounds.slot_of(now)
        return this if this.everything or this.began >= slot else Round(start=slot.isoformat())
    if run.trigger == Run.Trigger.SCHEDULE:
        return Round(start=(run.slot or rounds.slot_of(now)).isoformat())
    rows_of = int(run.arguments.get(row_retries.ROWS_OF) or 0)
    return Round(start=max(run.queued_at, run.started_at or run.queued_at).isoformat(), everything=True, rows_of=rows_of)


def _rows_of(this: Round) -> list[int] | None:
    """Links that the run named by the round left undone; None for a round of all links."""
    return [int(key) for key in row_retries.keys_of(this.rows_of, kind=ROWS)] if this.rows_of else None


def _go_on(recorder: Recorder, this: Round, *, waits: bool, more: int, now: datetime) -> None:
    """Ask for the follow-up run of the same round: soon for what is under way, in five minutes for the next slice."""
    too_late = not this.everything and now >= this.began + rounds.HOUR
    if not (waits or more) or too_late or this.part >= MOST_PARTS:
        return
    wait = GO_ON_AFTER if waits else rounds.SLICE_GAP
    following = replace(this, part=this.part + 1)
    runs.request_run(
        JOB, org=recorder.org, trigger=Run.Trigger.SYSTEM, user=recorder.run.requested_by, arguments=asdict(following), now=now,
        not_before=now + wait,
    )  # fmt: skip


# --- One report, now -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Refreshed:
    """Outcome of a manual refresh: the link as it is now, or `pending` when the report takes longer and follows by itself."""

    link: ReportLink
    pending: bool
    sentence: str


def refresh_now(target: KeyResult | ReportLink, *, user: Any, now: datetime) -> Refreshed:
    """Read one report at once, for all links that share it; at most once per five minutes and report (BW-D7).

    For people who may edit the key result or hold a seat. Refusals: not_linked, frozen, refreshed_recently, report_limit,
    api_limit, and the reasons of a connection that is down; the last value always stays.
    """
    link = _link_of(target)
    if not (rights.may_edit_key_result(user, link.key_result) or licenses.has_seat(user, link.org)):
        raise rights.NotAllowed("not_yours", "Only its owners and license holders refresh a key result by hand.")
    if link.status == Status.FROZEN:
        raise Refusal("frozen", "The period is closed and its last reading was taken.")
    sources.check_allowance(link.org, now=now)
    client_for(link.org, domain=DOMAIN).close()  # a connection that is down is said before the five minutes begin
    free_at = sources.claim_refresh(link.org, link.report_id, link.source_key, now=now, wait=AGAIN_AFTER)
    if free_at is not None:
        raise Refusal(
            "refreshed_recently",
            f"{link.report_name} was read by hand a moment ago; possible again at {free_at.astimezone(UTC):%H:%M} UTC.",
        )
    pending = _read_in_ledger(link, user=user, now=now)
    link = ReportLink.objects.select_related("key_result", "org").get(pk=link.pk)
    return Refreshed(link, pending, "The report takes a while; the value follows by itself." if pending else "Up to date.")


def next_refresh_at(link: ReportLink, *, now: datetime) -> datetime | None:
    """When the link is read next: the next slot of the timetable, its later check, or its last reading; None when frozen."""
    if link.frozen_at is not None:
        return None
    period = link.key_result.objective.period
    next_slot = rounds.slot_of(now) + rounds.HOUR
    if periods.is_over(period, now=now):
        last = periods.final_reading_at(ends_on=period.ends_on, time_zone=period.time_zone, settle_days=link.settle_days)
        return max(last, next_slot)
    return max(link.next_check_at or next_slot, next_slot)


def _link_of(target: KeyResult | ReportLink) -> ReportLink:
    rows = ReportLink.objects.select_related("key_result__objective__department", "org")
    found = rows.filter(pk=target.pk) if isinstance(target, ReportLink) else rows.filter(key_result_id=target.pk)
    link = found.first()
    if link is None:
        raise Refusal("not_linked", "This key result is not linked to a report.")
    return link


def _read_in_ledger(link: ReportLink, *, user: Any, now: datetime) -> bool:
    """Read with a run of its own in the ledger; when another one of this connection goes on just now, without."""
    try:
        with transaction.atomic():
            run = Run.objects.create(
                job=ONE_REPORT_JOB, org=link.org, domain=DOMAIN, trigger=Run.Trigger.MANUAL, requested_by=user, queued_at=now,
                arguments={"source_key": link.source_key, "report_id": link.report_id}, org_generation=link.org.generation,
                enqueued_at=now,
            )  # fmt: skip
    except IntegrityError:
        return _read_one(link, None, now=now)
    pending: bool | None = None
    problem: Exception | None = None
    with runs.recording(run, now=now) as recorder:
        if recorder is not None:
            try:
                pending = _read_one(link, recorder, now=now)
            except (errors.SalesforceError, Refusal) as error:
                problem = error
                raise
    if pending is None and problem is None:
        runs.cancel_run(run, user=user, now=now)
        pending = _read_one(link, None, now=now)
    if isinstance(problem, errors.SalesforceError):
        raise sources.refusal_of(problem) from problem
    if problem is not None:
        raise problem
    return bool(pending)


def _read_one(link: ReportLink, recorder: Recorder | None, *, now: datetime, looks: int = 0) -> bool:
    """Run the report of `link` and write all links that share it; True when it goes on asynchronously."""
    source = rounds.source_of(link, now=now)
    tally = recorder.object(ROWS) if recorder else None
    client = client_for(link.org, domain=DOMAIN)
    with client:
        try:
            if source.filters:
                stamp = sources.folder_and_stamp(client, link.report_id)[1]
                description = sources.description_of(client, link.org, link.report_id, now=now, modified_at=stamp)
                source.body = sources.run_metadata(description, source.filters)
            outcome = _run_one(client, link.org, source, now=now)
        except errors.SalesforceError as error:
            outcome = Refused(error, "report_describe")
        finally:
            if recorder:
                recorder.spent(client.calls)
    if isinstance(outcome, Started):
        _look_again(link, looks, now=timezone.now())
        return True
    _write_one(link.org, source, outcome, recorder, tally)
    return False


def _run_one(client: OrgClient, org: SalesforceOrg, source: DueSource, *, now: datetime) -> Outcome:
    """Synchronously, or asynchronously when it is known or turns out to be slow or no synchronous run is left."""
    left = budget.report_runs_left(org, now=now, interactive=True)
    if not source.is_slow and not source.instance_id and left.sync:
        outcome = running.run_now(client, source)
        if not (isinstance(outcome, Refused) and isinstance(outcome.error, errors.ReportTooSlow)):
            return outcome
        sources.note_source(org, source.report_id, source.key, slow_at=timezone.now())
    if not source.instance_id:
        begun = running.start(client, source)
        if not isinstance(begun, Started):
            return begun
        source.instance_id = begun.instance_id
        sources.note_source(org, source.report_id, source.key, instance_id=begun.instance_id, instance_at=timezone.now())
    clock = Clock(COLLECT_SECONDS)
    _, outcome = next(iter(running.collect_all(client, [source], patience=COLLECT_SECONDS, clock=clock)))
    if not isinstance(outcome, Started):
        sources.note_source(org, source.report_id, source.key, instance_id="", instance_at=None)
    return outcome


def _look_again(link: ReportLink, looks: int, *, now: datetime) -> None:
    """A run of its own collects the result; when it gives up, the hourly pass takes over."""
    if looks < MOST_LOOKS:
        about = {"source_key": link.source_key, "report_id": link.report_id, "looks": looks + 1}
        runs.request_run(
            ONE_REPORT_JOB, org=link.org, trigger=Run.Trigger.SYSTEM, arguments=about, now=now, not_before=now + GO_ON_AFTER
        )


def _write_one(
    org: SalesforceOrg, source: DueSource, outcome: Ran | Refused, recorder: Recorder | None, tally: Tally | None
) -> None:
    at, run = timezone.now(), recorder.run if recorder else None
    if isinstance(outcome, Ran):
        told = results.told_by(outcome.report, org, at=at, run=run)
        results.write_answer(source, outcome.report, told, tally=tally)
        sources.note_structures(org, {source.report_id: metadata.digest_of(outcome.report)}, now=at)
        sources.note_source(org, source.report_id, source.key, last_run_at=at, seconds=round(outcome.seconds, 3))
        return
    if isinstance(outcome.error, errors.AuthError):
        results.write_unreachable(org, status=Status.CONNECTION, reason=outcome.error.message, now=at)
        raise outcome.error
    if isinstance(outcome.error, (errors.LimitReached, errors.UpstreamUnavailable)):
        raise outcome.error
    status, reason = sources.status_of(outcome.error, filtered=bool(source.filters))
    told = results.Told(org, at, run, call=running.said_by(outcome.error, outcome.request))
    results.write_refusal(source, Broken(status, reason), told, tally=tally)
