"""Accepting events: checked in one pass, stored in one row, then answered. What was answered is not lost (L-09, I-04)."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Count, F, Min, Q, Sum

from integrations.access import Refusal
from integrations.product.ingest import lake_tables, listeners, new_people
from integrations.product.ingest.checking import (
    FUTURE,
    Checked,
    Limits,
    Rejection,
    check_events,
    moment_of,
)  # fmt: skip
from integrations.product.ingest.packing import pack
from integrations.product.models import EventBatch, IngestDay, WriteKey
from integrations.sync import retrying

MOST_EVENTS = 1_000  # a request
BUFFER_BYTES = 2 * 1024**3  # what may wait, before compression: about eight million events
RETRY_SECONDS = 60
CLOCK_WRONG = timedelta(minutes=1)  # a sender's clock is corrected only beyond this
MESSAGES = {FUTURE: "Is more than 5 minutes in the future.", "too_old": "Is older than events are kept."}


class BufferFull(Refusal):
    """The flush is far behind; the sender keeps its events and tries again (HTTP 503)."""

    status = 503

    def __init__(self) -> None:
        super().__init__("buffer_full", "Too many events wait to be stored. Send them again later.")


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An event that was put aside: its place in the request, and why."""

    index: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a request: events stored (repeats of an id among them), put aside and refused."""

    accepted: int
    quarantined: list[Quarantined]
    rejected: list[Rejection]


def accept_events(
    raw: Sequence[object],
    *,
    now: datetime,
    key: WriteKey | None = None,
    sent_at: datetime | None = None,
    may_send: Callable[[str, str, str], bool] | None = None,
    keep_quarantined: bool = True,
) -> Accepted:
    """Store the good ones of at most 1,000 events durably; the flush puts each id into the lake once.

    `sent_at` is the sender's clock when it sent: a clock that is wrong by more than a minute is corrected. `may_send` gets
    user, account and signature of each event. `keep_quarantined=False` stores only what is taken. Raises `TooMany` and
    `BufferFull`.
    """
    if len(raw) > MOST_EVENTS:
        raise TooMany(len(raw))
    skew = now - sent_at if sent_at else timedelta(0)
    oldest = now.astimezone(UTC).date() - timedelta(days=lake_tables.keep_days())
    limits = Limits(now, oldest, skew if abs(skew) > CLOCK_WRONG else timedelta(0), may_send)
    good, bad = check_events(raw, limits)
    aside = _aside(raw, good, bad)
    kept = [each for each in good if keep_quarantined or not each.reason]
    if kept:
        _refuse_when_full()
        over = _store(kept, _places_of(raw, good, bad, kept), bad, key, now)
        return Accepted(sum(1 for each in good if not each.reason) - len(over), aside, sorted([*bad, *over], key=_place))
    if bad:
        _count_rejected(len(bad), now)
    return Accepted(0, aside, bad)


def _place(each: Rejection) -> int:
    return each.index


class TooMany(Refusal):
    """More events than one request may have (HTTP 413)."""

    status = 413

    def __init__(self, count: int) -> None:
        super().__init__("too_many", f"Send at most {MOST_EVENTS:,} events a request, not {count:,}.")


def _store(
    good: list[Checked], places: Sequence[int], bad: Sequence[Rejection], key: WriteKey | None, now: datetime
) -> list[Rejection]:
    """One row for the request; listeners in the same transaction, so that both are there or neither. Gives the events that a
    write key may not bring any more today (see `new_people`)."""

    def write() -> list[Rejection]:
        kept, over = (good, []) if key is None else new_people.bound(key, good, places, now=now)
        if kept:
            body, size = pack(kept)
            EventBatch.objects.create(
                received_at=now, rows=len(kept), rejected=len(bad) + len(over), size=size, body=body, write_key=key
            )  # fmt: skip
            listeners.tell_engagements([_seen(each) for each in kept if each.type == "engagement" and not each.reason])
        return over

    over = retrying.in_transaction(write)
    if len(over) == len(good):
        _count_rejected(len(bad) + len(over), now)
    return over


def _count_rejected(count: int, now: datetime) -> None:
    """A request without one good event leaves no row for the flush to count."""
    day = now.astimezone(UTC).date()
    IngestDay.objects.get_or_create(day=day)
    IngestDay.objects.filter(day=day).update(rejected=F("rejected") + count)


def _seen(each: Checked) -> listeners.EngagementSeen:
    given = json.loads(each.properties)
    return given["engagement"], each.user, given["action"], moment_of(each.at)


def _places(raw: Sequence[object], bad: list[Rejection]) -> list[int]:
    """Where the good ones stand in the request."""
    refused = {each.index for each in bad}
    return [index for index in range(len(raw)) if index not in refused]


def _places_of(raw: Sequence[object], good: list[Checked], bad: list[Rejection], kept: list[Checked]) -> list[int]:
    """The same of those that are kept."""
    places = _places(raw, bad)
    return places if len(kept) == len(good) else [at for at, each in zip(places, good, strict=True) if not each.reason]


def _aside(raw: Sequence[object], good: list[Checked], bad: list[Rejection]) -> list[Quarantined]:
    return [
        Quarantined(index, each.reason, MESSAGES[each.reason])
        for index, each in zip(_places(raw, bad), good, strict=True) if each.reason
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Waiting:
    """The buffer: requests, events and bytes that wait, and since when the oldest does."""

    batches: int
    rows: int
    bytes: int
    since: datetime | None
    broken: int = 0
    """Requests whose events cannot be read, and since when there are any."""
    broken_since: datetime | None = None


def waiting() -> Waiting:
    """What the next flush finds; one statement."""
    broken = Q(broken=True)
    sums = EventBatch.objects.aggregate(
        n=Count("pk"), rows=Sum("rows"), bytes=Sum("size"), since=Min("received_at"), unread=Count("pk", filter=broken),
        unread_since=Min("received_at", filter=broken),
    )  # fmt: skip
    return Waiting(sums["n"], sums["rows"] or 0, sums["bytes"] or 0, sums["since"], sums["unread"], sums["unread_since"])


def _refuse_when_full() -> None:
    if (EventBatch.objects.aggregate(bytes=Sum("size"))["bytes"] or 0) >= BUFFER_BYTES:
        raise BufferFull
