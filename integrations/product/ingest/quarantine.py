"""Events that cannot be true are put aside with their reason, for a while: to look at, to try again, to drop (R-239)."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from integrations import audit
from integrations.access import Person
from integrations.models import Entity
from integrations.product.ingest.accept import MOST_EVENTS, accept_events
from integrations.product.ingest.checking import Checked, moment_of
from integrations.product.models import QuarantinedEvent
from integrations.salesforce.values import write_moment
from integrations.sync.matching.saving import was_erased

KEPT = timedelta(days=30)
MOST = 100_000  # stored at once; more are counted only
PIECE = 500


def put_aside(events: Sequence[tuple[Checked, datetime]]) -> None:
    """Store events with the reasons that they carry, in the transaction of the flush; an id once."""
    room = max(0, MOST - QuarantinedEvent.objects.count()) if events else 0
    rows = [_row(event, received) for event, received in events[:room]]
    QuarantinedEvent.objects.bulk_create(rows, batch_size=PIECE, ignore_conflicts=True)


@dataclass(frozen=True, slots=True)
class Retried:
    """Events that went to the flush again, and those that still cannot be true."""

    accepted: int
    kept: int


def retry(numbers: Iterable[int], *, actor: Person | None, now: datetime) -> Retried:
    """Try some again, at most 1,000: a day that was in the future has come, or the retention was made longer."""
    chosen = list(QuarantinedEvent.objects.filter(pk__in=list(numbers)).order_by("pk")[:MOST_EVENTS])
    if not chosen:
        return Retried(0, 0)
    done = accept_events([each.body for each in chosen], now=now, keep_quarantined=False)
    still = {each.index for each in (*done.quarantined, *done.rejected)}
    gone = [each.pk for index, each in enumerate(chosen) if index not in still]
    QuarantinedEvent.objects.filter(pk__in=gone).delete()
    audit.record("events.retried", actor=actor, target="quarantined events", after={"events": len(gone)})
    return Retried(len(gone), len(still))


def drop(numbers: Iterable[int], *, actor: Person | None) -> int:
    """Delete some for good; gives how many."""
    count, _ = QuarantinedEvent.objects.filter(pk__in=list(numbers)).delete()
    if count:
        audit.record("events.dropped", actor=actor, target="quarantined events", after={"events": count})
    return count


def purge(*, now: datetime) -> int:
    """Delete what is older than 30 days."""
    return QuarantinedEvent.objects.filter(received_at__lt=now - KEPT).delete()[0]


def forget_erased() -> int:
    """Delete events of people and companies who were erased meanwhile (I-23)."""
    gone = 0
    for entity, column in ((Entity.END_USER, "user"), (Entity.CUSTOMER, "account")):
        names = QuarantinedEvent.objects.exclude(**{column: ""}).order_by().values_list(column, flat=True).distinct()
        erased = was_erased(entity, names)
        gone += QuarantinedEvent.objects.filter(**{f"{column}__in": erased}).delete()[0] if erased else 0
    return gone


def _row(event: Checked, received: datetime) -> QuarantinedEvent:
    about = {"reason": event.reason, "user": event.user, "account": event.account, "body": _raw(event)}
    return QuarantinedEvent(event_id=event.id, received_at=received, **about)


def _raw(event: Checked) -> dict[str, Any]:
    """The event as a sender would send it."""
    raw: dict[str, Any] = {"id": event.id, "type": event.type, "at": write_moment(moment_of(event.at))}
    raw |= {name: value for name, value in (("user", event.user), ("account", event.account)) if value}
    raw |= {"event": event.name} if event.type in ("track", "page") else {}
    raw |= {"automatic": True} if event.automatic else {}
    given = json.loads(event.properties)
    return raw | ({"properties": given} if given else {}) | ({"traits": event.traits} if event.traits else {})
