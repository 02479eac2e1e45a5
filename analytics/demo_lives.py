"""How the customers of the demonstration use the product from their first day on: two years of events. Pure, always the same.

What a newcomer finds with the driver report is planted here: teams that invite colleagues early buy and stay more often, those
that build a report in the first weeks somewhat more often; sharing boards, exports and searches go with nothing.
"""

import json
import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from integrations.product.demo_activity import Event, Person

EARLY = 30  # days in which the first habits form
MOST_USERS = 6
DAYS_BACK = 750
INVITED, SHARED, BUILT = "Teammate invited", "Board shared", "Report built"
USUAL: tuple[str, ...] = ("Card moved", "Search performed", "Comment added", "Report exported", "Board created", "Api called")
WEIGHTS: tuple[int, ...] = (30, 12, 10, 7, 4, 3)
# Chance that a team does it in its first 30 days: of those that stay or buy, and of the others.
EARLY_CHANCES = {INVITED: (0.72, 0.34), BUILT: (0.62, 0.40), SHARED: (0.45, 0.42)}


@dataclass(frozen=True, slots=True)
class Life:
    """One account of the org as the demonstration needs it; days in UTC."""

    account_id: str
    external_id: str
    name: str
    seats: int
    begins: date
    """First day in the product: of the trial, or of the paid time."""
    ends: date | None
    """First day without service: churned, or the end of a trial that led to nothing."""
    is_won: bool
    """Bought, and stayed until now."""

    @property
    def users(self) -> int:
        """How many people of it use the product; that has nothing to do with what becomes of the account."""
        return 1 + zlib.crc32(f"users {self.external_id}".encode()) % MOST_USERS


def external_id_of_user(life: Life, number: int) -> str:
    """The product's id of one of its people."""
    return f"{life.external_id}-u{number}"


def events_of(life: Life, people: Sequence[Person], *, today: date) -> Iterator[Event]:
    """The events of one customer, oldest first; none today, because today is not over."""
    dice = random.Random(zlib.crc32(f"life {life.external_id}".encode()))  # noqa: S311  made-up data, not a secret
    last = min(life.ends or today, today)
    early = {name: dice.random() < chances[0 if life.is_won else 1] for name, chances in EARLY_CHANCES.items()}
    zeal = dice.uniform(0.06, 0.16) * (1.0 if life.is_won else 0.7)
    number = 0
    for place in range((last - life.begins).days):
        day = life.begins + timedelta(days=place)
        if day.weekday() > 4 or (today - day).days > DAYS_BACK:
            continue
        fading = 0.25 if life.ends is not None and (life.ends - day).days < 60 else 1.0
        for person in people:
            if dice.random() >= (0.35 if place < EARLY else zeal * fading):
                continue
            for name in _doings(dice, place, early):
                yield _event(dice, person, number, day, name)
                number += 1


def _doings(dice: random.Random, place: int, early: dict[str, bool]) -> list[str]:
    done = dice.choices(USUAL, WEIGHTS, k=dice.randint(1, 3))
    for name, does in early.items():
        chance = (0.25 if does else 0.0) if place < EARLY else 0.04
        if dice.random() < chance:
            done.append(name)
    return done


def _event(dice: random.Random, person: Person, number: int, day: date, name: str) -> Event:
    at = datetime.combine(day, time(7 + dice.randrange(11), dice.randrange(60), dice.randrange(60)), UTC)
    return Event(f"demo-life-{person.external_id}-{number}", person, name, at, json.dumps({"from": "web"}))
