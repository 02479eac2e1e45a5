"""Which customers get a task now, and whose episode has ended. Pure.

An episode begins when a customer is found to need attention and ends when they are found not to any more. One task belongs to
one episode. The next episode begins only after the cool-down, counted from the beginning of the last one.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

PLACEHOLDER = re.compile(r"\{\{([a-z]+)\}\}")


@dataclass(frozen=True, slots=True)
class Last:
    """The last episode of one customer by a rule."""

    number: int
    opened_at: datetime
    is_open: bool


@dataclass
class Steps:
    """What to do: `open` are customers with the number of their new episode, `end` those whose episode is over, `cooling` and
    `held` those that need attention but have to wait for the cool-down or for tomorrow."""

    open: list[tuple[int, int]] = field(default_factory=list)
    end: list[int] = field(default_factory=list)
    going_on: int = 0
    cooling: int = 0
    held: int = 0


def plan_episodes(
    matching: Iterable[int], known: Mapping[int, Last], *, now: datetime, cooldown: timedelta, most: int,
    checked: Iterable[int] | None = None,
) -> Steps:  # fmt: skip
    """Compare who needs attention now with the last episodes. `most` bounds the new ones; `checked` (default: everybody) says
    who was looked at: only their episodes can end."""
    wanted = sorted(set(matching))
    steps = Steps()
    for customer in wanted:
        last = known.get(customer)
        if last is not None and last.is_open:
            steps.going_on += 1
        elif last is not None and now - last.opened_at < cooldown:
            steps.cooling += 1
        elif len(steps.open) >= max(0, most):
            steps.held += 1
        else:
            steps.open.append((customer, last.number + 1 if last is not None else 1))
    looked_at, still = None if checked is None else set(checked), set(wanted)
    steps.end = [
        customer for customer, last in sorted(known.items())
        if last.is_open and customer not in still and (looked_at is None or customer in looked_at)
    ]  # fmt: skip
    return steps


def fill_in(template: str, words: Mapping[str, str]) -> str:
    """`{{customer}}` and its like replaced in one pass; anything else in braces stays as it is written (S-038)."""
    return PLACEHOLDER.sub(lambda found: words.get(found[1], found[0]), template)


def cut(text: str, longest: int) -> str:
    """`text` in at most `longest` characters, its end marked when it was cut."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def spread(items: Sequence[str], size: int) -> list[list[str]]:
    """The items in lists of at most `size`."""
    return [list(items[start : start + size]) for start in range(0, len(items), size)]
