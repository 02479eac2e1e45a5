"""Small histories for tests of outcomes: raw events, and retention counted in plain Python by its definition."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

import pyarrow as pa
from django.db import transaction

from analytics.analyses.kinds import AnalysisKind, Asked
from analytics.outcomes.retention_plan import UNITS, Plan
from integrations.lake.engine import open_engine
from integrations.lake.tables import drop_table
from integrations.lake.types import arrow_schema
from integrations.lake.writing import open_writer, register
from integrations.models import LakeTable, SalesforceOrg
from integrations.product.ingest import lake_tables
from tests.analytics.cast import AS_OF

NUMBERS = count()
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Event:
    """One stored event."""

    name: str
    customer: int | None
    user: int | None
    at: datetime
    automatic: bool = False
    event_id: str = ""
    received: datetime | None = None


def store(events: Iterable[Event]) -> None:
    """Events into `product/events` as one file a day."""
    rows = [
        {
            "event_id": each.event_id or f"e{next(NUMBERS)}", "day": each.at.date(), "at": each.at, "received_at": each.received or each.at,
            "customer_id": each.customer, "end_user_id": each.user, "name": each.name, "automatic": each.automatic, "properties": "{}",
        }
        for each in events
    ]  # fmt: skip
    table = lake_tables.events_table()
    rows.sort(key=lambda each: each["day"])
    with open_writer(table) as writer:  # a delta, as the flush writes them
        writer.write(pa.Table.from_pylist(rows, schema=arrow_schema(lake_tables.EVENT_COLUMNS)))
    with transaction.atomic():
        register(table, writer.files, now=AS_OF)


def forget_events() -> None:
    """No event was ever stored."""
    for table in LakeTable.objects.filter(name=lake_tables.EVENTS):
        drop_table(table)


def asked(kind: AnalysisKind, org: SalesforceOrg, *, as_of: datetime = AS_OF, **data: Any) -> Asked:
    """The question with complete parameters."""
    return Asked(org=org, parameters=kind.read(org, data), as_of=as_of, currency="USD")


def compute(kind: AnalysisKind, org: SalesforceOrg, *, as_of: datetime = AS_OF, **data: Any) -> Any:
    """The document of a question."""
    with open_engine() as engine:
        return kind.compute(engine, asked(kind, org, as_of=as_of, **data))


def behind(kind: AnalysisKind, org: SalesforceOrg, cell: dict[str, Any], *, as_of: datetime = AS_OF, **data: Any) -> list[str]:
    """The subjects behind a cell, in order."""
    assert kind.behind is not None
    with open_engine() as engine:
        found = kind.behind(engine, asked(kind, org, as_of=as_of, **data), cell)
    listed = found["subject"].to_pylist()
    assert len(listed) == len(set(listed))
    return sorted(listed)


def block(document: Any, key: str) -> Any:
    """A block of a document by its key."""
    return next(each for each in document.blocks if each.key == key)


def make_history(dice: random.Random, customers: list[int], *, as_of: datetime, events: int = 250) -> list[Event]:
    """Events of some customers over half a year; many at exact distances from each other, some at the same instant."""
    anchors = [as_of - timedelta(days=dice.randrange(1, 180), milliseconds=dice.randrange(86_400_000)) for _ in range(12)]
    made = []
    for _ in range(events):
        at = dice.choice(anchors) + DAY * dice.choice([0, 0, 1, 2, 7, 14, 30, 31, 60])
        at += timedelta(milliseconds=dice.choice([-1, 0, 0, 0, 1, 3_600_000]))
        customer = dice.choice(customers)
        user = dice.choice([None, *(customer * 10 + place for place in range(3)), 7])  # user 7 works for everybody
        made.append(Event(dice.choice("ABC"), customer, user, at, automatic=dice.random() < 0.2))
    return made


# --- The reference ------------------------------------------------------------------------------------------------------


@dataclass
class Row:
    """A cohort counted in Python."""

    size: int = 0
    judged: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)


Does = Callable[[Event], bool]
ACTS: dict[str, Does] = {
    "any": lambda each: True,
    "event:A": lambda each: each.name == "A",
    "event:B": lambda each: each.name == "B",
}


def reference(
    events: Iterable[Event], plan: Plan, *, entity: str, start: str, back: str, survivors: dict[int, int] | None = None
) -> dict[str, Row]:
    """The retention of cohorts by time, by definition. Events must carry ids when some stand twice."""
    moved = survivors or {}
    own = [replace(each, customer=moved.get(each.customer, each.customer)) for each in events if each.customer is not None]
    own = [
        each for each in own if not each.automatic and each.at < plan.as_of and (entity == "customer" or each.user is not None)
    ]
    members: dict[Any, list[Event]] = {}
    for each in own:
        members.setdefault(each.customer if entity == "customer" else (each.customer, each.user), []).append(each)
    rows: dict[str, Row] = {}
    for history in members.values():
        starts = [each.at for each in history if ACTS[start](each)]
        if not starts or min(starts).date() < plan.begins:
            continue
        began = min(starts)
        row = rows.setdefault(_cohort(plan, began), Row(0, [0] * plan.columns, [0] * plan.columns))
        row.size += 1
        returns = _returns(history, began, ACTS[start], ACTS[back])
        for column in range(plan.columns):
            row.judged[column] += 1
            row.kept[column] += any(lies_in(plan, column, began, at) for at in returns)
    return rows


def _returns(history: list[Event], began: datetime, starts: Does, backs: Does) -> list[datetime]:
    """Instants of returns; one start event at the beginning is not one of them."""
    both = [each for each in history if each.at == began and starts(each) and backs(each)]
    rest = [each.at for each in history if each.at >= began and backs(each) and each not in both]
    return rest + [each.at for each in both[1:]]


def _cohort(plan: Plan, began: datetime) -> str:
    day = began.astimezone(UTC).date()
    return (day.replace(day=1) if plan.cohorts == "month" else day - timedelta(days=day.weekday())).isoformat()


def lies_in(plan: Plan, column: int, began: datetime, at: datetime) -> bool:
    if plan.measure == "bracket":
        first, after = plan.brackets[column]
        return began + first * DAY <= at < began + after * DAY
    if plan.aligned:
        distance = _period(plan.unit, at) - _period(plan.unit, began)
        return distance >= column if plan.measure == "unbounded" else distance == column
    begins = began + column * UNITS[plan.unit] * DAY
    return begins <= at and (plan.measure == "unbounded" or at < begins + UNITS[plan.unit] * DAY)


def _period(unit: str, at: datetime) -> int:
    day = at.astimezone(UTC).date()
    if unit == "month":
        return day.year * 12 + day.month
    return (day - date(1970, 1, 5)).days // (7 if unit == "week" else 1)
