"""Reading older records, or the older values of new fields, on demand: estimated first; paused, resumed, cancelled by people.

A read of changes never looks further back than its window (PX-D2). A backfill does: page by page into the mirror, each page
registered together with the place to go on from, so that a pause, a deploy or a kill costs one page (R-044, R-079). Newer
versions stay (I-07), whatever the order of arrival.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import Backfill, MirrorField, MirrorObject, Run
from integrations.orgs.connect import client_for
from integrations.salesforce import rest, soql
from integrations.salesforce.errors import QueryTooSlow, SalesforceError
from integrations.sync import runs
from integrations.sync.mirror import planning
from integrations.sync.mirror.session import DOMAIN

JOB = "mirror.backfill"
State = Backfill.State
OPEN = (State.ESTIMATED, State.QUEUED, State.RUNNING, State.PAUSED)


def estimate(
    mirror: MirrorObject,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    only_fields: Iterable[str] = (),
    user: Person | None,
    now: datetime,
) -> Backfill:
    """What it would take to read the records changed from `since` (None: the oldest) to `until`, with the numbers to decide by.

    Without `until` it ends where the mirror begins, or covers everything again when the mirror has everything. With
    `only_fields` nothing but these is read, for records that the mirror has. One call. Refusals: not_connected, not_mirrored,
    unknown_field, bad_window, cannot_count.
    """
    _check_connected(mirror)
    if mirror.watermark is None:
        raise Refusal("not_mirrored", f"{mirror.name} has not been read yet; its first read comes with the next run.")
    fields = _checked_fields(mirror, only_fields)
    until = until or (mirror.watermark if fields else mirror.reads_from)
    if since is not None and until is not None and since >= until:
        raise Refusal("bad_window", f"The mirror has everything since {until:%Y-%m-%d %H:%M} UTC: choose an earlier start.")
    rows = count_rows(mirror, since=since, until=until)
    backfill = Backfill.objects.create(
        object=mirror, since=since, until=until, only_fields=fields, estimated_rows=rows,
        estimated_calls=planning.calls_for(rows),
        estimated_seconds=planning.seconds_for(rows, rows_a_second=_measured_speed(mirror)),
        requested_by=user, requested_at=now,
    )  # fmt: skip
    _record("backfill.estimated", backfill, user, {"rows": rows, "calls": backfill.estimated_calls, "fields": fields})
    return backfill


def start(backfill: Backfill, *, user: Person | None, now: datetime) -> Run:
    """Queue it; the run that does it (or waits to). Refusals: wrong_state, overlapping, not_connected."""
    _check_connected(backfill.object)
    same = Backfill.objects.filter(object=backfill.object, state__in=(State.QUEUED, State.RUNNING, State.PAUSED))
    if same.exclude(pk=backfill.pk).filter(only_fields=backfill.only_fields).exists():
        raise Refusal("overlapping", f"A backfill of {backfill.object.name} is waiting or under way; let it end or cancel it.")
    _move(backfill, (State.ESTIMATED, State.FAILED), State.QUEUED, sentence="")
    _record("backfill.started", backfill, user)
    return _ask_for_run(backfill, user=user, now=now)


def pause(backfill: Backfill, *, user: Person | None, now: datetime) -> None:
    """Stop after the page that is being landed; what has landed stays."""
    _move(backfill, (State.QUEUED, State.RUNNING), State.PAUSED, sentence="Paused by a person.")
    _record("backfill.paused", backfill, user)


def resume(backfill: Backfill, *, user: Person | None, now: datetime) -> Run:
    """Go on with the page after the last one that landed."""
    _check_connected(backfill.object)
    _move(backfill, (State.PAUSED,), State.QUEUED, sentence="")
    _record("backfill.resumed", backfill, user)
    return _ask_for_run(backfill, user=user, now=now)


def cancel(backfill: Backfill, *, user: Person | None, now: datetime) -> None:
    """Stop for good after the page that is being landed. What has landed stays: it is true."""
    wanted = (State.ESTIMATED, State.QUEUED, State.RUNNING, State.PAUSED, State.FAILED)
    _move(backfill, wanted, State.CANCELLED, sentence="Cancelled by a person.", finished_at=now)
    _record("backfill.cancelled", backfill, user)


def is_waiting(org: Any) -> bool:
    """Whether a backfill of this connection is to be done."""
    return Backfill.objects.filter(object__org=org, state__in=(State.QUEUED, State.RUNNING)).exists()


def count_rows(mirror: MirrorObject, *, since: datetime | None, until: datetime | None) -> int:
    """How many records of that window Salesforce has, deleted ones included. One call."""
    where = planning.conditions(mirror.watermark_field, (since, until))
    client = client_for(mirror.org, domain=DOMAIN)
    try:
        return rest.query_page(client, soql.count(mirror.name, where=where), all_rows=True).page.total
    except QueryTooSlow:
        raise Refusal("cannot_count", f"Salesforce cannot count that many records of {mirror.name}; choose less.") from None
    except SalesforceError as error:
        raise Refusal("cannot_count", f"Salesforce could not count: {error.message}") from error
    finally:
        client.close()


def _checked_fields(mirror: MirrorObject, names: Iterable[str]) -> list[str]:
    """The mirrored fields of these names, in Salesforce's spelling."""
    known = {field.name.lower(): field for field in mirror.fields.exclude(state=MirrorField.State.LEFT_OUT)}
    found = []
    for name in names:
        field = known.get(name.lower())
        if field is None or field.state == MirrorField.State.GONE:
            raise Refusal("unknown_field", f"{mirror.name}.{name} is not mirrored.")
        found.append(field.name)
    return sorted(set(found))


def _check_connected(mirror: MirrorObject) -> None:
    org = mirror.org
    if not org.is_connected:
        raise Refusal("not_connected", f"{org.name} is {org.get_state_display().lower()}; connect it first.")


def _measured_speed(mirror: MirrorObject) -> float | None:
    """Records a second of this connection's last finished backfill of some size."""
    done = Backfill.objects.filter(object__org=mirror.org, state=State.DONE, done_rows__gte=10_000, started_at__isnull=False)
    last = done.exclude(finished_at=None).order_by("-finished_at").first()
    if last is None or last.started_at is None or last.finished_at is None:
        return None
    return last.done_rows / max((last.finished_at - last.started_at).total_seconds(), 1.0)


def _move(backfill: Backfill, from_: tuple[str, ...], to: str, **changes: Any) -> None:
    """One conditional update, so that two people (or a person and the worker) cannot both change it."""
    changes["state"] = to
    if not Backfill.objects.filter(pk=backfill.pk, state__in=from_).update(**changes):
        backfill.refresh_from_db()
        raise Refusal("wrong_state", f"Backfill {backfill.pk} is {backfill.get_state_display().lower()}.")
    backfill.refresh_from_db()


def _ask_for_run(backfill: Backfill, *, user: Person | None, now: datetime) -> Run:
    return runs.request_run(JOB, org=backfill.object.org, user=user, now=now)


def _record(action: str, backfill: Backfill, user: Person | None, after: dict[str, Any] | None = None) -> None:
    audit.record(action, actor=user, target=f"backfill {backfill.pk} of {backfill.object}", after=after)
