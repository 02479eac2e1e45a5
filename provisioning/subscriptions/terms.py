"""What state a subscription is in and which of its terms is in force, from its instants and the clock. All instants are UTC."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar

Status = Literal["scheduled", "trial", "active", "cancelled", "expired"]
RUNNING: frozenset[Status] = frozenset(("trial", "active"))
LABELS: dict[Status, str] = {
    "scheduled": "Scheduled", "trial": "Trial", "active": "Active", "cancelled": "Cancelled", "expired": "Expired",
}  # fmt: skip


class Times(Protocol):
    """The instants of a subscription, UTC or None. Any, because a model row has them as descriptors, plain facts as values."""

    @property
    def starts_at(self) -> Any: ...
    @property
    def ends_at(self) -> Any: ...
    @property
    def trial_ends_at(self) -> Any: ...
    @property
    def converted_at(self) -> Any: ...
    @property
    def cancelled_at(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class PlainTimes:
    """The instants of a subscription by themselves."""

    starts_at: datetime
    ends_at: datetime | None = None
    trial_ends_at: datetime | None = None
    converted_at: datetime | None = None
    cancelled_at: datetime | None = None


class Effective(Protocol):
    """Something that holds from an instant on."""

    @property
    def effective_at(self) -> Any: ...


Term = TypeVar("Term", bound=Effective)


def status_of(times: Times, now: datetime) -> Status:
    """The state at `now`. What ended it first decides: a subscription that was cancelled never becomes expired later."""
    ended = _ends(times, now)
    if ended:
        return min(ended)[1]
    if now < times.starts_at:
        return "scheduled"
    return "trial" if in_trial(times, now) else "active"


def in_trial(times: Times, now: datetime) -> bool:
    """Whether `now` lies in a trial that was not converted by then; the end itself lies outside."""
    if times.trial_ends_at is None or not times.starts_at <= now < times.trial_ends_at:
        return False
    return times.converted_at is None or now < times.converted_at


def trial_expired(times: Times, now: datetime) -> bool:
    """Whether it is expired because its trial ended and nobody converted it by then."""
    ended = _ends(times, now)
    return bool(ended) and min(ended)[1] == "expired" and _trial_lapsed(times, now) and min(ended)[0] == times.trial_ends_at


def ended_at(times: Times, now: datetime) -> datetime | None:
    """When it ended, None while it runs or is still to come."""
    ended = _ends(times, now)
    return min(ended)[0] if ended else None


def end_of(times: Times) -> datetime | None:
    """When it will end (or ended) as things stand; None = open."""
    trial_end = times.trial_ends_at if times.converted_at is None else None
    return min((each for each in (times.ends_at, times.cancelled_at, trial_end) if each is not None), default=None)


def instants_of(times: Times) -> set[datetime]:
    """All instants at which its state may change."""
    given = (times.starts_at, times.ends_at, times.trial_ends_at, times.converted_at, times.cancelled_at)
    return {each for each in given if each is not None}


def term_at(terms: Sequence[Term], at: datetime) -> Term | None:
    """The term in force at `at`, of terms in the order of (effective_at, recorded); None before the first."""
    place = bisect_right(terms, at, key=lambda term: term.effective_at)
    return terms[place - 1] if place else None


def _ends(times: Times, now: datetime) -> list[tuple[datetime, Status]]:
    """What has ended it by `now`, with when; "cancelled" sorts before "expired" at the same instant."""
    ended: list[tuple[datetime, Status]] = []
    if times.cancelled_at is not None and times.cancelled_at <= now:
        ended.append((times.cancelled_at, "cancelled"))
    if times.ends_at is not None and times.ends_at <= now:
        ended.append((times.ends_at, "expired"))
    if _trial_lapsed(times, now) and times.trial_ends_at is not None:
        ended.append((times.trial_ends_at, "expired"))
    return ended


def _trial_lapsed(times: Times, now: datetime) -> bool:
    if times.trial_ends_at is None or now < times.trial_ends_at:
        return False
    return times.converted_at is None or now < times.converted_at
