"""How events come in, for the page Data health: days, what waits, what was put aside, what is not joined yet."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models import Count, Max

from integrations.lake.upkeep import Health, health_of
from integrations.models import LakeTable
from integrations.product.ingest import lake_tables
from integrations.product.ingest.accept import BUFFER_BYTES, Waiting, waiting
from integrations.product.models import DirtyDay, EventBatch, IngestDay, QuarantinedEvent, UnjoinedUser

DAYS = 30
LATE_FLUSH = timedelta(minutes=5)  # the flush runs each minute


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything in figures. `trouble` is a sentence for a person, empty when all is well."""

    waiting: Waiting
    age: timedelta | None
    fill: int
    broken: int
    days: list[IngestDay]
    stored: Health
    reasons: list[tuple[str, int]]
    quarantined: int
    unjoined: int
    dirty: int
    last_received: datetime | None
    trouble: str

    def chart(self) -> dict[str, Any]:
        """Events of each day as the chart's script reads them."""
        days = list(reversed(self.days))
        series = [{"label": "New events", "values": [each.accepted for each in days]}]
        series.append({"label": "Not counted", "values": [each.duplicates + each.quarantined + each.rejected for each in days]})
        return {"labels": [each.day.isoformat() for each in days], "series": series}


def read_overview(*, now: datetime) -> Overview:
    """The state of ingestion now; days without events count 0."""
    found, broken = waiting(), EventBatch.objects.filter(broken=True).count()
    table, age = lake_tables.find_table(lake_tables.EVENTS), now - found.since if found.since else None
    reasons = dict(QuarantinedEvent.objects.order_by().values_list("reason").annotate(Count("id")))
    fill = round(100 * found.bytes / BUFFER_BYTES)
    return Overview(
        waiting=found, age=age, fill=fill, broken=broken, days=read_days(now=now),
        stored=health_of(table) if table else Health(0, 0, 0, 0, None),
        reasons=[(QuarantinedEvent.Reason(reason).label, n) for reason, n in sorted(reasons.items())],
        quarantined=sum(reasons.values()), unjoined=UnjoinedUser.objects.count(),
        dirty=DirtyDay.objects.values("day").distinct().count(), last_received=_last_received(found, table),
        trouble=_trouble(age, fill, broken),
    )  # fmt: skip


def read_days(*, now: datetime, days: int = DAYS) -> list[IngestDay]:
    """The last days, newest first; one without events is there, too."""
    today = now.astimezone(UTC).date()
    first = today - timedelta(days=days - 1)
    known: dict[date, IngestDay] = {each.day: each for each in IngestDay.objects.filter(day__gte=first)}
    return [known.get(day) or IngestDay(day=day) for day in (today - timedelta(days=n) for n in range(days))]


def _last_received(found: Waiting, table: LakeTable | None) -> datetime | None:
    if found.batches:
        return EventBatch.objects.aggregate(at=Max("received_at"))["at"]
    return table.files.filter(retired_at=None).aggregate(at=Max("registered_at"))["at"] if table else None


def _trouble(age: timedelta | None, fill: int, broken: int) -> str:
    if age is not None and age > LATE_FLUSH:
        minutes = int(age.total_seconds() // 60)
        return f"Events wait for {minutes} minutes to be stored. Nothing is lost. Check that a worker runs, and the runs below."
    if fill >= 50:
        return f"The buffer is {fill} % full; senders are asked to wait when it is full. Add a worker."
    if broken:
        return f"{broken} stored requests cannot be read and were put by. Look at them in the back office."
    return ""
