"""Findings night by night: how many, and what they are worth a month."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.db import transaction

from integrations.models import FindingsNight
from project.four_way.positions import ZERO, Finding

KEPT, SHOWN = timedelta(days=400), 30


@dataclass
class Night:
    """One day (UTC): findings, and their worth by currency."""

    day: date
    count: int = 0
    amounts: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    @property
    def worth(self) -> Sequence[tuple[str, Decimal]]:
        """Currency and amount."""
        return sorted(self.amounts.items())


def keep_night(findings: Sequence[Finding], *, now: datetime) -> None:
    """Write down what was found on the day of `now`; comparing again on a day replaces it."""
    day = now.astimezone(UTC).date()
    counts: defaultdict[tuple[str, str], int] = defaultdict(int)
    sums: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for each in findings:
        place = (str(each.kind), each.currency)
        counts[place] += 1
        sums[place] += each.amount or ZERO
    rows = [
        FindingsNight(day=day, kind=kind, currency=currency, count=count, amount=sums[kind, currency])
        for (kind, currency), count in counts.items()
    ] or [FindingsNight(day=day, kind="")]  # a night without findings is one, too
    with transaction.atomic():
        FindingsNight.objects.filter(day=day).delete()
        FindingsNight.objects.filter(day__lt=day - KEPT).delete()
        FindingsNight.objects.bulk_create(rows)


def read_nights(*, kind: str = "", shown: int = SHOWN) -> list[Night]:
    """The latest nights, newest first; with `kind` what was found of it."""
    days = list(FindingsNight.objects.order_by("-day").values_list("day", flat=True).distinct()[:shown])
    nights = {day: Night(day) for day in days}
    rows = FindingsNight.objects.filter(day__in=days)
    for row in rows.filter(kind=kind) if kind else rows:
        night = nights[row.day]
        night.count += row.count
        if row.amount:
            night.amounts[row.currency] += row.amount
    return list(nights.values())
