"""Merging what several sources tell into one list, newest first, a page at a time. Pure.

A source first gives only instants and keys, as many as the page may need, and whole rows for the page alone: the cost depends
on the page and not on how much ever happened.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple


class Mark(NamedTuple):
    """One entry before it is read: when, of which source, its key there."""

    at: datetime
    source: str
    key: Any


@dataclass(frozen=True)
class Entry:
    """One line of the timeline. `why` is the cause in words, `origin` where we know it from with `origin_url` as its page;
    `effective_at` where it took effect at another time. Instants are UTC."""

    at: datetime
    kind: str
    icon: str
    title: str
    url: str = ""
    why: str = ""
    origin: str = ""
    origin_url: str = ""
    effective_at: datetime | None = None


@dataclass(frozen=True)
class Source:
    """`latest(n)`: the newest n as (at, key), newest first; `count()`: how many there are; `read(keys)`: their entries.

    `rows`: the query whose rows `count` counts, so that those of several sources can be counted at once; None without one.
    """

    name: str
    kind: str
    latest: Callable[[int], Iterable[tuple[datetime, Any]]]
    count: Callable[[], int]
    read: Callable[[Sequence[Any]], Mapping[Any, Entry]]
    rows: Any = None


def read_page(sources: Sequence[Source], *, number: int, size: int) -> list[Entry]:
    """The entries of page `number` (from 1). At the same instant the order of the sources decides."""
    needed = number * size
    places = {each.name: place for place, each in enumerate(sources)}
    marked = [[Mark(at, each.name, key) for at, key in each.latest(needed)] for each in sources]
    merged = heapq.merge(*marked, key=lambda mark: (mark.at, -places[mark.source]), reverse=True)
    page = list(islice(merged, needed - size, needed))
    known = {each.name: each.read([mark.key for mark in page if mark.source == each.name]) for each in sources}
    found = (known[mark.source].get(mark.key) for mark in page)
    return [each for each in found if each is not None]


def count(sources: Iterable[Source]) -> int:
    """How many entries there are in all."""
    return sum(each.count() for each in sources)
