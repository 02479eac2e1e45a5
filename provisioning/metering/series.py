"""How usage of one feature by one customer went: per hour, day, week or month (UTC), and per window."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from provisioning.entitlements.facts import amount
from provisioning.metering.asking import SET
from provisioning.models import UsageReport, UsageWindow

STEPS = ("hour", "day", "week", "month")
MOST_POINTS = 1_000
LENGTHS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1), "month": timedelta(days=28)}


class Point(NamedTuple):
    """What was used from `at` until the next point, and the count of the window at its end."""

    at: datetime
    used: Decimal
    count: Decimal


def series(customer_id: int, feature_id: int, *, since: datetime, until: datetime, step: str) -> list[Point]:
    """Points in [since, until) with anything in them. A count that was set counts with what it moved."""
    rows = UsageReport.objects.filter(customer=customer_id, feature=feature_id, at__lt=until).order_by("at", "id")
    earlier = rows.filter(window_start__in=rows.filter(at__gte=since).order_by().values("window_start").distinct())
    found: dict[datetime, Point] = {}
    counts: dict[datetime, Decimal] = {}
    for action, number, window, at in earlier.values_list("action", "amount", "window_start", "at").iterator(chunk_size=5_000):
        before = counts.get(window, Decimal(0))
        after = number if action == SET else before + number
        counts[window] = after
        if at >= since:
            begin = begin_of(at, step)
            point = found.get(begin, Point(begin, Decimal(0), Decimal(0)))
            found[begin] = Point(begin, point.used + after - before, after)
    return [found[at] for at in sorted(found)][-MOST_POINTS:]


def begin_of(at: datetime, step: str) -> datetime:
    """The begin of the hour, day, week (Monday) or month in UTC that contains `at`."""
    hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if step == "hour":
        return hour
    day = hour.replace(hour=0)
    if step == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if step == "month" else day


def windows(customer_id: int, feature_id: int, *, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """Counts of the windows that began in [since, until), and of the one without an end."""
    rows = UsageWindow.objects.filter(customer=customer_id, feature=feature_id, window_start__lt=until)
    found = rows.filter(window_start__gte=since) | rows.filter(window_start__year=1970)
    listed = found.order_by("-window_start")[:MOST_POINTS]
    return [{"window_start": each.window_start, "used": amount(each.used)} for each in reversed(listed)]
