"""The accounts of a study as arrays: who, what they did before the landmark, what happened after. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from analytics.drivers.design import Design

Floats = np.ndarray
NEVER = 32_767
"""Day of the first use where there was none."""


@dataclass(frozen=True, slots=True)
class Behavior:
    """Something that an account did or that happened to it. `family` is one of `design.FAMILIES`; from `least` on it counts as
    adopted."""

    key: str
    label: str
    family: str
    least: int = 1

    @property
    def url_key(self) -> str:
        """Its name in addresses."""
        return url_key(self.key)


@dataclass(frozen=True)
class Levels:
    """An attribute as of the landmark: a code an account, and what each code says ("" is not known)."""

    codes: Floats
    labels: tuple[str, ...]
    from_today: int = 0
    """Accounts without history of it, for which today's value stands in."""


@dataclass(frozen=True)
class Exclusion:
    """Why accounts are not in the study, and how many."""

    reason: str
    n: int
    words: str


@dataclass(frozen=True)
class Study:
    """One row an account. `outcome` is 1.0 or 0.0, or money; `happened_on`: days from the start to the event, -1 without.

    `counts` has a column a behavior (events, people or percent of seats), `first_use` the day of the first one from the start.
    With a timed design `followed` holds the days from the landmark to the event or the end, and rows whose follow-up is not
    complete have nan as `outcome`.
    """

    design: Design
    subjects: Sequence[str]
    outcome: Floats
    happened_on: Floats
    behaviors: tuple[Behavior, ...]
    counts: Floats
    first_use: Floats
    first_active: Floats
    active_days: Floats
    active_before: Floats
    seats: Floats
    attributes: Mapping[str, Levels]
    followed: Floats | None = None
    happened: Floats | None = None
    base_money: float = 0.0
    excluded: tuple[Exclusion, ...] = ()
    left_out: tuple[tuple[Behavior, str], ...] = ()
    """Behaviors that are not studied at all, with the reason."""
    notes: tuple[str, ...] = ()
    months: float = 0.0
    """Over how many months their starts are spread."""

    @property
    def size(self) -> int:
        """Accounts in it."""
        return len(self.outcome)

    def adopted(self, place: int, rows: Floats | slice = slice(None)) -> Floats:
        """Which accounts adopted a behavior."""
        return self.counts[rows, place] >= self.behaviors[place].least


def url_key(key: str) -> str:
    """A short name of a behavior for addresses."""
    return sha256(key.encode()).hexdigest()[:12]


def value_key(attribute: str, value: str) -> str:
    """Key of an attribute value."""
    return f"attribute:{attribute}={value}"


def value_behavior(attribute: str, value: str) -> Behavior:
    """An attribute value as a behavior."""
    return Behavior(value_key(attribute, value), f"{attribute.replace('_', ' ').capitalize()}: {value}", "attribute")
