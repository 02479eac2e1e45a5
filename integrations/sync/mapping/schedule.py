"""The product sync's day in UTC (PX-14..PX-17, PX-D1): fetch at 00:00, map at 04:00, push at 03:00, 11:00 and 19:00. Pure.

GMT is UTC: no daylight saving moves a slot. What is fetched at midnight is mapped after the 03:00 push has gone, so it first
reaches Salesforce at 11:00; pages say so with `explain_timing`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

FETCH_HOURS, MAP_HOURS, PUSH_HOURS = (0,), (4,), (3, 11, 19)
FETCH_CRON, MAP_CRON, PUSH_CRON = "0 0 * * *", "0 4 * * *", "0 3,11,19 * * *"
WAIT = timedelta(hours=2)
"""How long mapping waits for a fetch that is still running or failed."""


def next_slot(hours: Sequence[int], *, after: datetime) -> datetime:
    """The first of these full UTC hours after the instant."""
    start = after.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    day = start.replace(hour=0)
    slots = (day + timedelta(days=days, hours=hour) for days in (0, 1) for hour in sorted(hours))
    return next(slot for slot in slots if slot > after)


def last_slot(hours: Sequence[int], *, now: datetime) -> datetime:
    """The latest of these full UTC hours that is not after `now`."""
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    slots = (day - timedelta(days=days) + timedelta(hours=hour) for days in (0, 1) for hour in sorted(hours, reverse=True))
    return next(slot for slot in slots if slot <= now)


def first_push_of(fetched_at: datetime) -> datetime:
    """When a record that was fetched at that instant is first pushed: the push after the mapping after the fetch."""
    return next_slot(PUSH_HOURS, after=next_slot(MAP_HOURS, after=fetched_at))


@dataclass(frozen=True)
class Timing:
    """The next slots (UTC), when what the next fetch brings is first pushed, and a sentence for the page."""

    next_fetch: datetime
    next_map: datetime
    next_push: datetime
    first_push_of_next_fetch: datetime
    sentence: str


def explain_timing(*, now: datetime) -> Timing:
    """What the mapping page shows about time."""
    fetch = next_slot(FETCH_HOURS, after=now)
    pushes = " and ".join([", ".join(f"{hour:02d}:00" for hour in PUSH_HOURS[:-1]), f"{PUSH_HOURS[-1]:02d}:00"])
    first = first_push_of(fetch)
    sentence = (
        f"All times are UTC. Salesforce is read at {FETCH_HOURS[0]:02d}:00, matched and mapped at {MAP_HOURS[0]:02d}:00, and "
        f"written at {pushes}. What is read at {FETCH_HOURS[0]:02d}:00 is therefore first written at {first:%H:%M}, because "
        f"the {PUSH_HOURS[0]:02d}:00 push comes before mapping. Synchronize does all three in a row and leaves the timetable "
        "as it is."
    )
    return Timing(fetch, next_slot(MAP_HOURS, after=now), next_slot(PUSH_HOURS, after=now), first, sentence)
