"""Retention of usage: reports, and counts of windows, that are over and older than USAGE_DAYS are forgotten.

Whole windows go, never a part of one: a count stays what its reports come to. What the window of now or of the last kept day
needs stays however old it is, and so does what is counted in one window for ever.
"""

import time
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from provisioning.entitlements.access import load_access
from provisioning.entitlements.deciding import CustomerAccess
from provisioning.entitlements.windows import EPOCH
from provisioning.models import Feature, UsageReport, UsageWindow

LONGEST_WINDOW = timedelta(days=366)
CUSTOMERS, ROWS = 200, 5_000  # at once
MOST = 500_000  # rows of one pass; the next day goes on
SECONDS = 200.0  # of one pass: the queue gives a task 300


def kept_days() -> int:
    """For how many days usage is kept: the setting USAGE_DAYS."""
    return settings.USAGE_DAYS


def purge(*, now: datetime) -> int:
    """Delete reports and windows past their time; how many rows went."""
    cutoff, gone, ends = now - timedelta(days=kept_days()), 0, time.monotonic() + SECONDS
    for feature in Feature.objects.filter(kind=Feature.Kind.METERED).order_by("pk"):
        last = 0
        while some := _customers(feature, cutoff, after=last):
            access = load_access(some, now=now, with_usage=False)
            for customer in some:
                if customer in access:
                    edge = _edge(access[customer], feature.key, cutoff=cutoff, now=now)
                    gone += _delete(customer, feature, edge, cutoff, most=MOST - gone)
                if gone >= MOST or time.monotonic() > ends:
                    return gone
            last = some[-1]
    return gone


def _customers(feature: Feature, cutoff: datetime, *, after: int) -> list[int]:
    """The next customers with windows that began before the cutoff."""
    rows = UsageWindow.objects.filter(feature=feature, customer__gt=after, window_start__lt=cutoff, window_start__gt=EPOCH)
    return list(rows.order_by("customer").values_list("customer", flat=True).distinct()[:CUSTOMERS])


def _edge(access: CustomerAccess, feature: str, *, cutoff: datetime, now: datetime) -> datetime:
    """Windows that began before it are over and nobody asks for them any more."""
    starts = [window.start for at in (cutoff, now) if (window := access.window(feature, at)).end is not None]
    return min(starts) if len(starts) == 2 else min([*starts, cutoff - LONGEST_WINDOW])


def _delete(customer: int, feature: Feature, edge: datetime, cutoff: datetime, *, most: int) -> int:
    """Reports first, so that a window never lacks some of its own while it is still there."""
    about: dict[str, Any] = {"customer": customer, "feature": feature, "window_start__lt": edge, "window_start__gt": EPOCH}
    gone = _delete_some(UsageReport.objects.filter(**about), most)
    left = UsageReport.objects.filter(**about).exists()
    return gone if left else gone + _delete_some(UsageWindow.objects.filter(**about), most)


def _delete_some(rows: QuerySet[Any], most: int) -> int:
    gone = 0
    while gone < most and (keys := list(rows.values_list("pk", flat=True)[:ROWS])):
        gone += rows.model._default_manager.filter(pk__in=keys).delete()[0]
    return gone
