"""Usage of one feature by one customer over time, as the customer's page draws, lists and exports it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from provisioning.metering.series import series
from provisioning.models import Feature, UsageReport

SPANS = (30, 90, 365)  # days


@dataclass(frozen=True, slots=True)
class UsedOn:
    """One UTC day. `count` is what stood in the window after the day's last report, None on a day without one."""

    day: date
    used: Decimal
    count: Decimal | None = None


@dataclass(frozen=True)
class UsageOverTime:
    """Each UTC day from the first one to today."""

    feature: Feature
    days: Sequence[UsedOn] = ()

    @property
    def total(self) -> Decimal:
        """What was used in all days together."""
        return sum((each.used for each in self.days), Decimal(0))

    @property
    def used_days(self) -> list[UsedOn]:
        """Days with reports, newest first, for the table."""
        return [each for each in reversed(self.days) if each.count is not None]

    @property
    def chart(self) -> dict[str, Any]:
        """As the chart's script reads it."""
        label = f"Used a day{f', {self.feature.unit}' if self.feature.unit else ''}"
        values = [float(each.used) for each in self.days]
        return {"labels": [each.day.isoformat() for each in self.days], "series": [{"label": label, "values": values}]}


def usage_over_time(customer_id: int, feature: Feature, *, days: int, now: datetime) -> UsageOverTime:
    """The last `days` UTC days, today included; a day without reports is 0."""
    today = now.astimezone(UTC).date()
    first = today - timedelta(days=days - 1)
    since = datetime(first.year, first.month, first.day, tzinfo=UTC)
    found = {each.at.date(): each for each in series(customer_id, feature.pk, since=since, until=now, step="day")}
    listed = [first + timedelta(days=number) for number in range(days)]
    return UsageOverTime(feature, [
        UsedOn(day, found[day].used, found[day].count) if day in found else UsedOn(day, Decimal(0)) for day in listed
    ])  # fmt: skip


def charted(customer_id: int, keys: Sequence[str]) -> list[Feature]:
    """Counted features that have something to draw: those that the customer has (`keys`) or ever used, by name."""
    used = UsageReport.objects.filter(customer=customer_id).order_by().values("feature").distinct()
    metered = Feature.objects.filter(kind=Feature.Kind.METERED)
    return list((metered.filter(key__in=list(keys)) | metered.filter(pk__in=used)).order_by("name", "key"))
