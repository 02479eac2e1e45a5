"""Past values of attributes, out of field history: walking back from what is now. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of a field history."""

    field: str
    old: str | None
    new: str | None
    at: datetime


def pasts_of(
    now: Mapping[str, str | None], changes: Iterable[Change], fields: Sequence[str], meanings: Mapping[str, str]
) -> list[tuple[datetime | None, str | None]]:
    """The values of an attribute made of `fields`, oldest first: since when, and what. The first one has held ever since.

    Several entries of one moment are one change. The newest value is what the record says now, whatever the history says.
    """
    state = {field: now.get(field) for field in fields}
    found: list[tuple[datetime | None, str | None]] = []
    ordered = sorted((each for each in changes if each.field in state), key=lambda each: each.at, reverse=True)
    for place, change in enumerate(ordered):
        is_last_of_moment = place == 0 or ordered[place - 1].at != change.at
        if is_last_of_moment:
            found.append((change.at, value_of(state, fields, meanings)))
        state[change.field] = change.old
    found.append((None, value_of(state, fields, meanings)))
    found.reverse()
    return [each for place, each in enumerate(found) if place == 0 or each[1] != found[place - 1][1]]


def value_of(state: Mapping[str, str | None], fields: Sequence[str], meanings: Mapping[str, str]) -> str | None:
    """The fields joined by ", " without blank ones, through the value table."""
    text = ", ".join(value for field in fields if (value := (state.get(field) or "").strip()))
    return meanings.get(text, text) or None
