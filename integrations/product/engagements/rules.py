"""When an engagement is shown: its state, its time, the page, and what the person did before. Pure.

All times are UTC; windows are half-open: at `ends_at` itself it has ended.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

DRAFT, LIVE, PAUSED, ENDED, SCHEDULED = "draft", "live", "paused", "ended", "scheduled"
ONCE, UNTIL_CLOSED, DAILY, WEEKLY, QUARTERLY = "once", "until_closed", "daily", "weekly", "quarterly"
REMINDERS = {DAILY: timedelta(days=1), WEEKLY: timedelta(days=7)}
QUARTER = timedelta(days=90)
MOVES = {DRAFT: (LIVE,), LIVE: (PAUSED, ENDED), PAUSED: (LIVE, ENDED), ENDED: ()}
MOST_STARS = 8
LONGEST_PATTERN = 500


@dataclass(frozen=True, slots=True)
class Seen:
    """What one person did with one engagement; all first times but the last showing."""

    shown_at: datetime | None = None
    last_shown_at: datetime | None = None
    clicked_at: datetime | None = None
    dismissed_at: datetime | None = None
    answered_at: datetime | None = None


def state_now(state: str, starts_at: datetime | None, ends_at: datetime | None, *, now: datetime) -> str:
    """The state that people should read: a live one may still wait for its start or be over."""
    if state in (LIVE, PAUSED) and ends_at is not None and ends_at <= now:
        return ENDED
    if state == LIVE and starts_at is not None and starts_at > now:
        return SCHEDULED
    return state


def is_due(frequency: str, seen: Seen | None, *, now: datetime) -> bool:
    """Whether somebody who did `seen` sees it (again).

    once: never after the first showing. until_closed: until it is clicked, answered or closed. daily and weekly: again after
    that time until it is clicked or answered. quarterly: again 90 days after the last showing, whatever was done.
    """
    if seen is None or seen.shown_at is None:
        return True
    if frequency == ONCE:
        return False
    acted = seen.clicked_at is not None or seen.answered_at is not None
    if frequency == UNTIL_CLOSED:
        return not acted and seen.dismissed_at is None
    since = now - (seen.last_shown_at or seen.shown_at)
    if frequency == QUARTERLY:
        return since >= QUARTER
    return not acted and since >= REMINDERS.get(frequency, QUARTER)


def url_matches(pattern: str, url: str) -> bool:
    """Whether the page at `url` is meant: an empty pattern means every page, `*` any text.

    A pattern that starts with / is compared with the path, any other with host and path (and the scheme, if it names one); a
    pattern that holds a ? also with the query. Fragments never count. Upper and lower case differ in paths, not in hosts.
    """
    if not pattern:
        return True
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    query = f"?{parts.query}" if "?" in pattern else ""
    path = (parts.path or "/") + query
    if pattern.startswith("/"):
        return fits(pattern, path)
    origin, slash, rest = _cut_origin(pattern)
    scheme = f"{parts.scheme}://" if "://" in pattern else ""
    return fits(origin.lower() + slash + rest, f"{scheme}{parts.netloc}".lower() + path)


def _cut_origin(pattern: str) -> tuple[str, str, str]:
    start = pattern.find("://")
    slash = pattern.find("/", start + 3 if start >= 0 else 0)
    return (pattern, "", "") if slash < 0 else (pattern[:slash], "/", pattern[slash + 1 :])


def fits(pattern: str, text: str) -> bool:
    """Whether `text` fits a pattern with `*`. Takes each piece at its first place, so the time is linear (S-041)."""
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    *middle, last = rest
    if not text.startswith(first):
        return False
    at = len(first)
    for piece in middle:
        found = text.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return len(text) - len(last) >= at and text.endswith(last)
