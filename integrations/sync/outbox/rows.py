"""The workbench: rows that wait, grouped by cause, and what a person can do about them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Min, Q, QuerySet

from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import GuardRequest, HumanEdit, OutboxRow, OutboxTarget, Run, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce.describe import ObjectInfo
from integrations.sync import runs
from integrations.sync.mirror import describing
from integrations.sync.outbox import door, kinds, problems
from integrations.sync.outbox.causes import suggest_fix
from integrations.sync.outbox.plain import fit_value
from integrations.sync.runs import Recorder

__all__ = [
    "Group", "dismiss_row", "edit_row", "fix_of", "groups", "page_of", "release", "retry_group", "retry_row", "rows_of_group",
    "suggest_fix",
]  # fmt: skip
JOB, LABEL = "outbox.retry", "Retry of waiting rows"
State = OutboxRow.State
WAITING = (State.RETRYING, State.WAITING_PARENT, State.PARKED, State.CONFLICT, State.UNFIT)


@dataclass(frozen=True)
class Group:
    """Rows of one target that wait for the same cause, with what to do about it."""

    target: OutboxTarget
    code: str
    state: str
    rows: int
    message: str
    fields: list[str]
    fix: str
    since: datetime
    last: datetime
    page: str = ""
    """Address of the page where it is cured, for rows that did not fit before anything was sent."""


def groups(org: SalesforceOrg | None = None) -> list[Group]:
    """Waiting rows by target, cause and state, the largest group first."""
    rows = OutboxRow.objects.filter(state__in=WAITING)
    rows = rows if org is None else rows.filter(target__org=org)
    found = rows.values("target", "code", "state").order_by().annotate(
        n=Count("pk"), since=Min("first_failed_at"), last=Max("last_failed_at"), sample=Max("pk")
    )  # fmt: skip
    found = sorted(found, key=lambda each: (-each["n"], each["code"], each["target"]))
    samples = OutboxRow.objects.select_related("target__org").in_bulk([each["sample"] for each in found])
    made = []
    for each in found:
        sample = samples[each["sample"]]
        fix = fix_of(sample)
        about = (each["code"], each["state"], each["n"], sample.message, sample.fields, fix, each["since"], each["last"])
        made.append(Group(sample.target, *about, page=page_of(sample)))
    return made


def fix_of(row: OutboxRow) -> str:
    """What a person can do about a waiting row. Its own domain knows best what to do about a value that does not fit."""
    kind = _kind_of(row)
    if row.state == State.UNFIT and kind is not None and kind.fix is not None and (said := kind.fix(row.code, row.fields)):
        return said
    return suggest_fix(row.code, row.message, row.fields)


def page_of(row: OutboxRow) -> str:
    """Address of the page where a value that does not fit is cured; "" for other rows."""
    kind = _kind_of(row)
    return kind.page(row.target) if row.state == State.UNFIT and kind is not None and kind.page is not None else ""


def _kind_of(row: OutboxRow) -> kinds.OutboxKind | None:
    """None for rows of a kind that this installation does not know any more."""
    return next((kind for kind in kinds.every() if kind.name == row.target.kind), None)


def rows_of_group(target: OutboxTarget, code: str, *, state: str = "") -> "QuerySet[OutboxRow]":
    """The rows of one group, newest failure first."""
    found = OutboxRow.objects.filter(target=target, code=code, state__in=[state] if state else WAITING)
    return found.select_related("target__org")


def edit_row(row: OutboxRow, values: Mapping[str, Any], *, user: Person | None, now: datetime) -> OutboxRow:
    """Set other values for a waiting row, by field; they count until the row itself changes. Empty clears, {} takes back.

    Raises `Refusal` (`bad_values`) with all problems when a field may not be written or a value does not fit it.
    """
    target = row.target
    info = _describe(target)
    kind, problems, fitted = kinds.get(target.kind), [], {}
    for name, value in values.items():
        reason = door.why_not(kind, target, info, name)
        field = info.field(name)
        if reason or field is None:
            problems.append(f"{name} {reason or door.HIDDEN}.")
            continue
        try:
            fitted[field.name] = fit_value(field, value)
        except ValueError as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise Refusal("bad_values", " ".join(problems))
    before = dict(row.edited)
    row.edited, row.edited_by = fitted, user if fitted else None  # type: ignore[assignment]
    row.save(update_fields=["edited", "edited_by"])
    audit.record(
        "outbox.row_edited", actor=user, target=_name(row), before={"fields": sorted(before)}, after={"fields": sorted(fitted)}
    )
    return row


def _describe(target: OutboxTarget) -> ObjectInfo:
    with client_for(target.org, domain=kinds.get(target.kind).domain) as client:
        return describing.describe_object(target.org, client, target.object)


def retry_row(row: OutboxRow, *, user: Person | None, now: datetime) -> Run:
    """Try one row again now, with its edited values if there are any; a run of the job `outbox.retry` sends only such rows."""
    return _ask(OutboxRow.objects.filter(pk=row.pk), row.target, user=user, now=now, what=_name(row))


def retry_group(target: OutboxTarget, code: str, *, state: str = "", user: Person | None, now: datetime) -> Run:
    """Try all rows of a cause again now."""
    found = rows_of_group(target, code, state=state)
    return _ask(found, target, user=user, now=now, what=f"{target}: {code}")


def _ask(rows: "QuerySet[OutboxRow]", target: OutboxTarget, *, user: Person | None, now: datetime, what: str) -> Run:
    """Mark the rows first: a retry that waits already takes them along, and none is forgotten.

    When none of them can be sent as it stands, because its values do not fit, the domain is asked to make them anew.
    """
    org = target.org
    if not org.is_connected:
        raise Refusal("not_connected", f"{org.name} is {org.get_state_display().lower()}; connect it first.")
    asked = OutboxRow.objects.filter(pk__in=rows.order_by().values("pk"), state__in=[*WAITING, State.DISMISSED])
    number = asked.update(asked_at=now)
    if not number:
        raise Refusal("nothing_waits", "No row waits there any more.")
    audit.record("outbox.retry_asked", actor=user, target=what, after={"rows": number})
    job = _job_for(asked, target)
    if job != JOB:
        asked.update(asked_at=None)
    return runs.request_run(job, org=org, trigger=Run.Trigger.MANUAL, user=user, now=now)


def _job_for(rows: "QuerySet[OutboxRow]", target: OutboxTarget) -> str:
    """The job that can do something about these rows."""
    kind = next((kind for kind in kinds.every() if kind.name == target.kind), None)
    if kind is None or not kind.job or rows.exclude(state=State.UNFIT).exists():
        return JOB
    edited = rows.exclude(edited={}).iterator(chunk_size=500)
    return JOB if any(problems.can_be_sent(row) for row in edited) else kind.job


def dismiss_row(row: OutboxRow, *, user: Person | None, now: datetime) -> OutboxRow:
    """Leave a row alone until it changes at the source."""
    OutboxRow.objects.filter(pk=row.pk).update(state=State.DISMISSED, asked_at=None)
    row.refresh_from_db()
    audit.record("outbox.row_dismissed", actor=user, target=_name(row), after={"code": row.code})
    return row


def dismiss_group(target: OutboxTarget, code: str, *, state: str = "", user: Person | None, now: datetime) -> int:
    """Leave all rows of a cause alone until they change; how many those are."""
    asked = OutboxRow.objects.filter(pk__in=rows_of_group(target, code, state=state).order_by().values("pk"))
    number = asked.update(state=State.DISMISSED, asked_at=None)
    audit.record("outbox.rows_dismissed", actor=user, target=f"{target}: {code}", after={"rows": number})
    return number


def release(target: OutboxTarget, keys: Iterable[str]) -> int:
    """Forget why these rows wait, so that the next push tries them: their record is back, or their link is another."""
    return OutboxRow.objects.filter(target=target, key__in=list(keys)).exclude(state=State.EDITED).delete()[0]


def forget(org: SalesforceOrg, keys: Iterable[str], *, labels: Iterable[str] = ()) -> int:
    """Erase waiting rows and noted edits of records or people that must be forgotten (I-23, S-112), by key or Salesforce id.

    They also leave the examples that guard requests show, by key or by one of `labels`.
    """
    wanted = list(keys)
    _forget_examples(org, {*wanted, *labels})
    gone = 0
    for model in (OutboxRow, HumanEdit):
        of_org = model.objects.filter(target__org=org)
        gone += of_org.filter(Q(key__in=wanted) | Q(salesforce_id__in=wanted)).delete()[0]
    return gone


def _forget_examples(org: SalesforceOrg, names: set[str]) -> None:
    for asked in GuardRequest.objects.filter(org=org).exclude(examples=[]):
        kept = [each for each in asked.examples if str(each) not in names]
        if len(kept) < len(asked.examples):
            GuardRequest.objects.filter(pk=asked.pk).update(examples=kept)


def _name(row: OutboxRow) -> str:
    return f"{row.target.kind}/{row.target.object} row {row.pk}"


def perform(recorder: Recorder) -> None:
    """The job `outbox.retry`: send the rows that people asked for, and no others."""
    from integrations.sync.outbox import retrying_rows  # loads Arrow and the engine

    retrying_rows.perform(recorder)
