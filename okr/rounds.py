"""What a pass has to read: due links grouped by source, each source one report run (BW-D7, BW-D16), in a handful of queries."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Max

from integrations.models import SalesforceOrg
from okr import periods
from okr.models import Period, ReportLink, ReportSource

SPREAD_ABOVE = 400  # distinct sources: near Salesforce's 500 runs an hour the round is spread over the hour
SLICES = 10  # five minutes apart
SLICE_GAP = timedelta(minutes=5)
SLOW_FOR = timedelta(days=7)  # then a slow report is tried synchronously again
INSTANCE_LASTS = timedelta(hours=1)  # Salesforce keeps results 24 h; an older one would be yesterday's number
HOUR = timedelta(hours=1)


@dataclass
class DueSource:
    """One report run to make (or to collect, when `instance_id` is set), with the links that wait for it."""

    key: str
    report_id: str
    link_ids: list[int] = field(default_factory=list)
    filters: list[dict[str, Any]] = field(default_factory=list)
    is_slow: bool = False
    instance_id: str = ""
    instance_at: datetime | None = None
    oldest: datetime | None = None
    body: dict[str, Any] | None = None  # `reportMetadata` to send; None = the report as saved


def slot_of(now: datetime) -> datetime:
    """The latest instant of the timetable: `REFRESH_MINUTE` of this or the hour before (UTC, so DST changes nothing; R-226)."""
    slot = now.replace(minute=settings.REFRESH_MINUTE, second=0, microsecond=0)
    return slot if slot <= now else slot - HOUR


def due_sources(
    org: SalesforceOrg, *, round_start: datetime, everything: bool, now: datetime, only: Collection[int] | None = None
) -> list[DueSource]:
    """Sources with links that were not checked since `round_start`, longest unchecked first.

    `everything` (a person's run) also takes links that back off after failures. Links of closed periods are due once, after
    their settle offset; between the end and that instant they rest. `only`: no other links than these.
    """
    due: dict[str, DueSource] = {}
    links = ReportLink.objects.filter(org=org, frozen_at=None, key_result__objective__archived_at=None)
    if only is not None:
        links = links.filter(pk__in=only)
    rows = links.values_list(
        "pk", "source_key", "report_id", "settle_days", "last_checked_at", "next_check_at", "key_result__objective__period_id"
    )
    rests = _Resting(now)
    for pk, key, report_id, settle_days, checked, not_before, period_id in rows.iterator(chunk_size=2000):
        if checked is not None and checked >= round_start:
            continue
        if not everything and not_before is not None and not_before > now:
            continue
        if rests.at(period_id, settle_days):
            continue
        source = due.setdefault(key, DueSource(key, report_id, oldest=checked))
        source.link_ids.append(pk)
        source.oldest = min(source.oldest, checked) if source.oldest and checked else None
    _add_what_is_known(org, due, now=now)
    return sorted(due.values(), key=lambda each: (each.oldest is not None, each.oldest, each.key))


def source_of(link: ReportLink, *, now: datetime) -> DueSource:
    """The source of one link with all links that share it and are not frozen."""
    shared = ReportLink.objects.filter(org_id=link.org_id, source_key=link.source_key, frozen_at=None)
    source = DueSource(link.source_key, link.report_id, list(shared.order_by("pk").values_list("pk", flat=True)))
    _add_what_is_known(link.org, {link.source_key: source}, now=now)
    return source


def final_links(link_ids: Iterable[int], *, now: datetime) -> set[int]:
    """Those of `link_ids` whose next reading is the last one."""
    rows = ReportLink.objects.filter(pk__in=list(link_ids)).values_list("pk", "settle_days", "key_result__objective__period_id")
    rests = _Resting(now)
    return {pk for pk, settle_days, period_id in rows if rests.is_final(period_id, settle_days)}


def slice_size(total: int) -> int:
    """How many sources to read at once of a round of `total` (BW-D7)."""
    return total if total <= SPREAD_ABOVE else -(-total // SLICES)


class _Resting:
    """Knows for each (period, settle offset) whether its links are open, resting, or due for the last time."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._periods = {each.pk: each for each in Period.objects.all()}
        self._last: dict[tuple[int, int], datetime] = {}

    def at(self, period_id: int, settle_days: int) -> bool:
        """Over, but not settled yet."""
        return self._end(period_id) <= self.now < self._final(period_id, settle_days)

    def is_final(self, period_id: int, settle_days: int) -> bool:
        return self.now >= self._final(period_id, settle_days)

    def _end(self, period_id: int) -> datetime:
        return self._final(period_id, 0)

    def _final(self, period_id: int, settle_days: int) -> datetime:
        key = (period_id, settle_days)
        if key not in self._last:
            period = self._periods[period_id]
            self._last[key] = periods.final_reading_at(
                ends_on=period.ends_on, time_zone=period.time_zone, settle_days=settle_days
            )
        return self._last[key]


def _add_what_is_known(org: SalesforceOrg, due: dict[str, DueSource], *, now: datetime) -> None:
    """Filters (from one link of each source) and what earlier runs taught; two queries."""
    samples = (
        ReportLink.objects.filter(org=org).values("source_key").annotate(sample=Max("pk")).values_list("sample", flat=True)
    )
    for key, filters in ReportLink.objects.filter(pk__in=samples).exclude(filters=[]).values_list("source_key", "filters"):
        if key in due:
            due[key].filters = filters
    for known in ReportSource.objects.filter(org=org).exclude(slow_at=None, instance_id=""):
        source = due.get(known.source_key)
        if source is None:
            continue
        source.is_slow = known.slow_at is not None and now - known.slow_at < SLOW_FOR
        if known.instance_id and known.instance_at and now - known.instance_at < INSTANCE_LASTS:
            source.instance_id, source.instance_at = known.instance_id, known.instance_at
