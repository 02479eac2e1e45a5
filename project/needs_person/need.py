"""One thing that needs a person, who may see it, and the order of all of them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any


class Urgency(IntEnum):
    """What happens if nobody does anything."""

    NOW = 0
    TODAY = 1
    SOON = 2


HEADINGS = {
    Urgency.NOW: ("Stands still", "Something does not work until a person acts."),
    Urgency.TODAY: ("Waits for a decision", "Everything else goes on; this part waits."),
    Urgency.SOON: ("Before a date", "Works today, and will stop."),
}
WORDS = {Urgency.NOW: "now", Urgency.TODAY: "today", Urgency.SOON: "soon"}


@dataclass(frozen=True, slots=True)
class Need:
    """One line of the list: `kind` is a stable code, `count` how many things, `url` the page of the fix, filtered to the cause.

    `role` is the smallest one that can act on it. `since` (UTC) is None where nobody knows; `until` is the date that counts.
    """

    kind: str
    domain: str
    urgency: Urgency
    title: str
    url: str
    action: str = "Open"
    body: str = ""
    count: int = 1
    since: datetime | None = None
    until: datetime | None = None
    role: str = "operator"
    connection: str = ""

    @property
    def tone(self) -> str:
        """Of the notice."""
        return "bad" if self.urgency == Urgency.NOW else "warn" if self.urgency == Urgency.TODAY else "quiet"


def to_plain(need: Need) -> dict[str, object]:
    """Of JSON types only, to be kept; without what is as it is by default."""
    kept = {each.name: getattr(need, each.name) for each in fields(need) if getattr(need, each.name) != each.default}
    return {name: _plain(value) for name, value in kept.items()}


def _plain(value: object) -> object:
    if isinstance(value, Urgency):
        return int(value)
    return value.isoformat() if isinstance(value, datetime) else value


def from_plain(kept: Mapping[str, Any]) -> Need:
    """What `to_plain` gave. Raises KeyError, TypeError or ValueError for what another release kept."""
    moments = {name: datetime.fromisoformat(kept[name]) for name in ("since", "until") if kept.get(name)}
    return Need(**{**kept, "urgency": Urgency(kept["urgency"]), **moments})


LAST = datetime(9999, 1, 1, tzinfo=UTC)


CAUSES = ("operations.worker", "connections.")  # much else stands still because of them


def in_order(needs: Iterable[Need]) -> list[Need]:
    """The most urgent first; within an urgency what others hang on, then what has a date by it, the oldest, the largest."""

    def rank(need: Need) -> tuple[object, ...]:
        follows = not need.kind.startswith(CAUSES)
        return (need.urgency, follows, need.until or LAST, need.since or LAST, -need.count, need.title)

    return sorted(needs, key=rank)


@dataclass(frozen=True, slots=True)
class Heading:
    """The needs of one urgency."""

    urgency: Urgency
    needs: Sequence[Need]

    @property
    def title(self) -> str:
        """Its words."""
        return HEADINGS[self.urgency][0]

    @property
    def says(self) -> str:
        """What it means."""
        return HEADINGS[self.urgency][1]


def grouped(needs: Sequence[Need]) -> list[Heading]:
    """Needs in order, under their headings; empty headings are left out."""
    found = [Heading(urgency, [each for each in needs if each.urgency == urgency]) for urgency in Urgency]
    return [heading for heading in found if heading.needs]


def words_for(count: int, one: str, many: str = "") -> str:
    """`1 row waits`, `1,204 rows wait`: `one` and `many` follow the number."""
    return f"1 {one}" if count == 1 else f"{count:,} {many or one + 's'}"
