"""What the watch over unusual use of the API counts and compares (S-011), for people to look at."""

import statistics
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet, Sum

from integrations.models import ApiUsage, SalesforceOrg
from integrations.orgs.posture import ASKED_BY_CHECKS
from integrations.orgs.usage import hour_of

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Compared:
    """Our calls of this hour and of the same hour in the last seven days, and which objects were ever asked for."""

    this_hour: int
    usual: float
    is_known: bool
    objects: tuple[str, ...]
    new_objects: tuple[str, ...]


def compared(org: SalesforceOrg, *, now: datetime) -> Compared:
    """The figures of one connection; `is_known` False while there is nothing older than a day to compare with."""
    hour = hour_of(now)
    week = [hour - DAY * days for days in range(1, 8)]
    usage = ApiUsage.objects.filter(org=org)
    rows = usage.filter(hour__in=[hour, *week]).values_list("hour").annotate(n=Sum("calls"))
    sums = dict(rows.values_list("hour", "n"))
    before, current = _objects(usage.filter(hour__lt=hour)), _objects(usage.filter(hour=hour))
    usual = statistics.median(sums.get(at, 0) for at in week)
    known = usage.filter(hour__lt=hour - DAY).exists()
    return Compared(
        sums.get(hour, 0), usual, known, tuple(sorted(before | current)), tuple(sorted(current - before - ASKED_BY_CHECKS))
    )


def _objects(usage: QuerySet[ApiUsage]) -> set[str]:
    return {name for names in usage.values_list("objects_asked", flat=True) for name in names}
