"""Who does what in a believable product: events and survey answers of some people over 120 days. Pure, and always the same.

Each customer has a course (steady, growing, fading, stopped, new), each person a zeal; both follow from their ids, so that
filling a demonstration again gives the same rows. Nothing happens before somebody's first or after their last visit.
"""

import json
import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

DAYS = 120
SURVEY = "nps"
SURVEY_EVERY = 15  # days between two chances that one person is asked
COURSES = ("steady", "steady", "steady", "steady", "growing", "growing", "fading", "fading", "stopped", "new")
ZEAL = (0.3, 0.55, 0.55, 0.75, 0.95)  # share of working days on which somebody comes
WEEKEND = 0.12
SHORTEST, LONGEST = 3, 13  # events of one visit
PAGES = ("/home", "/boards", "/reports", "/billing", "/settings", "/search")
ACTIONS = (
    # event (as the page of the demo product names them), weight, property and its values
    ("Card moved", 28, ("to", ("Doing", "Review", "Done"))),
    ("Board created", 7, ("template", ("blank", "sprint", "launch"))),
    ("Board shared", 6, ("with", ("team", "company", "link"))),
    ("Report built", 13, ("template", ("blank", "monthly", "forecast"))),
    ("Report exported", 8, ("format", ("csv", "pdf", "xlsx"))),
    ("Search performed", 13, ("results", (0, 3, 12, 40))),
    ("Comment added", 10, ("on", ("card", "report"))),
    ("Teammate invited", 2, ("role", ("Analyst", "Planner", "Guest"))),
    ("Api called", 5, ("version", ("v1", "v2"))),
    ("Plans compared", 1, ("plan", ("Team", "Enterprise"))),
)
COMMENTS = {
    "promoter": ("Saves me an hour a day.", "The boards are exactly what we needed.", "", ""),
    "passive": ("Good, but exports are slow.", "", ""),
    "detractor": ("We could not get help for a week.", "Too many clicks for a simple report.", ""),
}
NAMES = tuple(name for name, _, _ in ACTIONS)
WEIGHTS = tuple(weight for _, weight, _ in ACTIONS)
CHOICES = {name: (key, values) for name, _, (key, values) in ACTIONS}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whose visits are made up. `customer` is the customer's external id."""

    id: int
    external_id: str
    customer_id: int | None
    customer: str
    first_seen_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `properties` is JSON."""

    id: str
    person: Person
    name: str
    at: datetime
    properties: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to the survey."""

    id: str
    person: Person
    at: datetime
    score: int
    comment: str


def course_of(customer: str) -> str:
    """How the use of a customer develops."""
    return COURSES[_seed(f"course {customer}") % len(COURSES)]


def share_on(course: str, ago: int) -> float:
    """Which part of their usual zeal the people of a customer show so many days ago, 0..1."""
    if course == "growing":
        return 1.0 - 0.7 * ago / DAYS
    if course == "fading":
        return 1.0 if ago > 55 else max(0.08, (ago - 5) / 50)
    if course == "stopped":
        return 1.0 if ago > 40 else 0.0
    if course == "new":
        return 1.0 if ago < 32 else 0.0
    return 1.0


def events_of(person: Person, *, now: datetime, days: int = DAYS) -> Iterator[Event]:
    """The person's events of the last `days`, oldest first; the last one is their latest visit."""
    dice = random.Random(_seed(f"events {person.external_id}"))  # noqa: S311  made-up data, not a secret
    zeal, course = ZEAL[dice.randrange(len(ZEAL))], course_of(person.customer)
    today, number = now.astimezone(UTC).date(), 0
    last = person.last_seen_at.astimezone(UTC).date()
    for ago in range(days - 1, -1, -1):
        day = today - timedelta(days=ago)
        wanted = zeal * share_on(course, ago) * (WEEKEND if day.weekday() > 4 else 1.0)
        comes = dice.random() < wanted
        count = dice.randint(SHORTEST, LONGEST)
        if not (comes or day == last) or not person.first_seen_at.date() <= day <= last:
            continue
        for at in _times(dice, day, count, person):
            yield _event(dice, person, number, at)
            number += 1


def answers_of(person: Person, *, now: datetime, days: int = DAYS) -> Iterator[Answer]:
    """What the person answered to the survey: most people are asked once or twice in that time, some never."""
    dice = random.Random(_seed(f"survey {person.external_id}"))  # noqa: S311
    mood = _seed(f"mood {person.customer}") % 100 / 100
    course = course_of(person.customer)
    for number, ago in enumerate(range(days - 1 - dice.randrange(SURVEY_EVERY), 0, -SURVEY_EVERY)):
        score = max(0, min(10, round(dice.gauss(7.2 + 2.6 * mood, 2.3) - (2.5 if course in ("fading", "stopped") else 0))))
        day = now.astimezone(UTC).date() - timedelta(days=ago)
        asked = dice.random() < 0.22
        comment = dice.choice(COMMENTS["promoter" if score > 8 else "detractor" if score < 7 else "passive"])
        at = datetime.combine(day, time(9 + dice.randrange(8), dice.randrange(60)), UTC)
        if asked and person.first_seen_at <= at <= person.last_seen_at:
            yield Answer(f"demo-nps-{person.external_id}-{number}", person, at, score, comment)


def _times(dice: random.Random, day: date, count: int, person: Person) -> Sequence[datetime]:
    """The instants of one visit, rising, none before the first or after the last time that the person was seen."""
    start = datetime.combine(day, time(6 + dice.randrange(11), dice.randrange(60)), UTC)
    times = [start + timedelta(seconds=second) for second in sorted(dice.choices(range(1, 2400), k=count))]
    if day == person.last_seen_at.date():
        step = person.last_seen_at - times[-1]
        times = [at + step for at in times]
    return [at for at in times if person.first_seen_at <= at <= person.last_seen_at]


def _event(dice: random.Random, person: Person, number: int, at: datetime) -> Event:
    own_id = f"demo-{person.external_id}-{number}"
    if dice.random() < 0.25:
        return Event(own_id, person, "page", at, json.dumps({"path": dice.choice(PAGES)}))
    name = dice.choices(NAMES, WEIGHTS)[0]
    key, values = CHOICES[name]
    return Event(own_id, person, name, at, json.dumps({key: dice.choice(values)}))


def _seed(text: str) -> int:
    return zlib.crc32(text.encode())
