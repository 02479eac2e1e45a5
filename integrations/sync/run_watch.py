"""Watches over runs: an alert when too many in a row ended with errors, or none succeeded for hours; its end by itself."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db.models import Max, Min
from django.urls import reverse

from integrations import alerts
from integrations.models import Alert, Run, RunWatch, SalesforceOrg
from integrations.sync import jobs

State, What = Run.State, RunWatch.What
BAD = (State.PARTIAL, State.FAILED, State.INTERRUPTED)
ENDED = (State.SUCCESS, *BAD)
Place = tuple[str, int | None]
"""A job and its connection."""


def is_failing(latest: Sequence[str], number: int) -> bool:
    """Whether the last `number` ended runs, newest first, all had errors. Pure."""
    return len(latest) >= number and all(state in BAD for state in latest[:number])


def is_late(*, succeeded_at: datetime | None, since: datetime, hours: int, now: datetime) -> bool:
    """Whether no run succeeded for `hours`; before the first success they count from `since`. Pure."""
    return now - (succeeded_at or since) >= timedelta(hours=hours)


def watch_runs(*, now: datetime) -> int:
    """Look at every watch; raise and recover. Returns alerts that were raised."""
    labels, raised, seen = {job.name: job.label for job in jobs.every()}, 0, set[str]()
    for watch in RunWatch.objects.filter(is_active=True).select_related("org"):
        for place in _places(watch):
            key = f"run-watch:{watch.pk}:{place[0]}:{place[1] or 0}:{watch.what}"
            if _is_bad(watch, place, now):
                seen.add(key)
                raised += _raise(watch, place, key, labels.get(place[0], place[0]), now)
    for key in Alert.objects.filter(key__startswith="run-watch:", recovered_at=None).values_list("key", flat=True):
        if key not in seen:
            alerts.recover_alert(key, now=now, note="A run of this job has succeeded, or nobody watches it any more.")
    return raised


def _places(watch: RunWatch) -> list[Place]:
    """Jobs and connections that a watch is about: those that ever ran, in connections that are not paused."""
    rows = Run.objects.filter(job__in=_jobs_of(watch))
    if watch.org is not None:
        rows = rows.filter(org=watch.org)
    running = {SalesforceOrg.State.PAUSED, SalesforceOrg.State.DISCONNECTED}
    idle = set(SalesforceOrg.objects.filter(state__in=running).values_list("pk", flat=True))
    places = rows.order_by().values_list("job", "org_id").distinct()
    return sorted(((job, org) for job, org in places if org not in idle), key=lambda each: (each[0], each[1] or 0))


def _jobs_of(watch: RunWatch) -> list[str]:
    found: Iterable[jobs.Job] = (job for job in jobs.every() if not job.by_hand and not job.dry)
    if watch.job:
        return [watch.job]
    return [job.name for job in found if not watch.domain or job.domain == watch.domain]


def _is_bad(watch: RunWatch, place: Place, now: datetime) -> bool:
    rows = Run.objects.filter(job=place[0], org=place[1], state__in=ENDED)
    if watch.what == What.ERRORS:
        return is_failing(list(rows.order_by("-id").values_list("state", flat=True)[: watch.number]), watch.number)
    at = rows.aggregate(first=Min("finished_at"))["first"]
    good = rows.filter(state=State.SUCCESS).aggregate(last=Max("finished_at"))["last"]
    return is_late(succeeded_at=good, since=max(watch.created_at, at or watch.created_at), hours=watch.number, now=now)


def _raise(watch: RunWatch, place: Place, key: str, label: str, now: datetime) -> int:
    org = SalesforceOrg.objects.filter(pk=place[1]).first() if place[1] else None
    where = f"{org.name}: " if org else ""
    if watch.what == What.ERRORS:
        title = f"{where}{label} ended with errors {watch.number} times in a row"
    else:
        title = f"{where}{label} has not succeeded for {watch.number} hours"
    made = alerts.raise_alert(
        key, code=watch.what, title=title, body=f"Found by the watch “{watch.name}”. Open the runs and look at the errors.",
        url=f"{reverse('integrations:runs')}?job={place[0]}", org=org, severity=watch.severity, now=now,
    )  # fmt: skip
    return int(made is not None)
