"""What of product events waits for a person."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min

from integrations.product.ingest.accept import BUFFER_BYTES, Waiting
from integrations.product.models import QuarantinedEvent

LATE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Buffer:
    """Events that are not stored yet although they should be: how many wait, since when (UTC), how full the buffer is (%)."""

    waiting: Waiting
    fill: int
    is_late: bool


def buffer_in_need(found: Waiting, *, now: datetime) -> Buffer | None:
    """The buffer, when its oldest request waits for 15 minutes or it is half full; None while all is well."""
    fill = round(100 * found.bytes / BUFFER_BYTES)
    late = found.since is not None and now - found.since >= LATE
    return Buffer(found, fill, late) if late or fill >= 50 else None


def put_aside() -> list[dict[str, Any]]:
    """Events in quarantine by reason. Counts a table that can be large: for the worker, not for pages."""
    rows = QuarantinedEvent.objects.order_by().values("reason")
    return list(rows.annotate(n=Count("pk"), since=Min("received_at")))
