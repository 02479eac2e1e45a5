"""Usage put into other windows after a change that reaches into the past: a reset point or a start that is told late."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django.utils import timezone

from provisioning.entitlements.access import load_access
from provisioning.entitlements.used import Happened, count
from provisioning.models import UsageReport, UsageWindow

ROWS = 2_000
Place = tuple[int, datetime]


def rewindow(customer_id: int, *, since: datetime, now: datetime) -> int:
    """Count usage from `since` on in the windows that hold now, in the caller's transaction; how many reports moved."""
    reports = UsageReport.objects.filter(customer=customer_id, at__gte=since)
    if since > now or not reports.exists():
        return 0
    _lock(customer_id)
    access = load_access([customer_id], now=now, with_usage=False)[customer_id]
    moved: list[UsageReport] = []
    places: set[Place] = set()
    for each in reports.select_related("feature").order_by("pk").iterator(chunk_size=ROWS):
        start = access.window(each.feature.key, each.at).start
        if start != each.window_start:
            places |= {(each.feature_id, each.window_start), (each.feature_id, start)}
            each.window_start = start
            moved.append(each)
    UsageReport.objects.bulk_update(moved, ["window_start"], batch_size=500)
    recount(customer_id, places)
    return len(moved)


def recount(customer_id: int, places: Iterable[Place]) -> None:
    """Set the counts of these windows to what their reports come to, in the caller's transaction."""
    _lock(customer_id)
    for feature, start in sorted(places):
        rows = UsageReport.objects.filter(customer=customer_id, feature=feature, window_start=start).order_by("at", "id")
        used = max(count(Happened(*each) for each in rows.values_list("action", "amount")), Decimal(0))
        UsageWindow.objects.update_or_create(
            customer_id=customer_id, feature_id=feature, window_start=start,
            defaults={"used": used, "updated_at": timezone.now()},
        )  # fmt: skip


def _lock(customer_id: int) -> None:
    """Let uses that are being counted finish first, so that their reports are seen."""
    list(UsageWindow.objects.select_for_update().filter(customer=customer_id).order_by("pk").values_list("pk", flat=True))
