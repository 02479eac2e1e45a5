"""Counting support tickets by type and month, and customers by their early tickets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from analytics.analyses.kinds import Asked
from analytics.facts import reading
from analytics.outcomes.groupings import SQL
from analytics.outcomes.retention_plan import floor_to, shift

if TYPE_CHECKING:
    import pyarrow as pa

    from integrations.lake.engine import Engine

NO_TYPE = "Without a type"
EARLY = ("No ticket", "1 ticket", "2 tickets and more")
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket: days open until it was closed, or until the end of what was observed."""

    subject: str
    type: str
    month: str
    days: float
    closed: bool


@dataclass(frozen=True, slots=True)
class Life:
    """A customer that paid for the early days: its early tickets (0, 1, 2: and more), whether its horizon is over, and whether
    it stayed through it. `state`: judged, young or gone (churned in the early days)."""

    subject: str
    early: int
    state: str
    kept: bool


def span_of(asked: Asked) -> tuple[datetime, datetime]:
    """The complete months: from, to."""
    last = floor_to(asked.as_of.date(), "month")
    return _midnight(shift(last, "month", -asked.parameters["months"])), _midnight(last)


def months_of(asked: Asked) -> list[str]:
    """The complete months by name, oldest first."""
    first = span_of(asked)[0].date()
    return [f"{shift(first, 'month', place):%Y-%m}" for place in range(asked.parameters["months"])]


def _midnight(day: Any) -> datetime:
    return datetime.combine(day, time(), UTC)


def read_tickets(engine: "Engine", asked: Asked) -> list[Ticket]:
    """Tickets created in the complete months; what is open is watched up to `as_of`."""
    reading.bind(engine, asked.org, "tickets")
    first, last = span_of(asked)
    rows = engine.rows(engine.sql(SQL / "support_tickets.sql"), since=first, until=last, as_of=asked.as_of)
    return [
        Ticket(subject, type_ or NO_TYPE, f"{month:%Y-%m}", seconds / DAY, bool(closed))
        for _, subject, type_, month, seconds, closed in rows
    ]


def read_base(engine: "Engine", asked: Asked) -> dict[str, int]:
    """How many customers there were in each month."""
    import pyarrow as pa

    reading.bind(engine, asked.org, "subjects")
    first = span_of(asked)[0].date()
    begins = [_midnight(shift(first, "month", place)) for place in range(asked.parameters["months"] + 1)]
    moment = pa.timestamp("ms", tz="UTC")
    engine.bind("windows", pa.table({
        "month": pa.array(months_of(asked), pa.string()), "begins": pa.array(begins[:-1], moment),
        "ends": pa.array(begins[1:], moment),
    }))  # fmt: skip
    return dict(engine.rows(engine.sql(SQL / "support_base.sql")))


def read_lives(engine: "Engine", asked: Asked) -> list[Life]:
    """Customers by their tickets in the early days after the first paid day, and whether they stayed through the horizon."""
    reading.bind(engine, asked.org, "subjects", "tickets", "milestones")
    early, horizon = (timedelta(days=asked.parameters[name]) for name in ("early", "horizon"))
    text = engine.sql(SQL / "support_lives.sql").replace("<<landmark>>", str(int(early.total_seconds())))
    return [
        judge(subject, paid, tickets, churned, early=early, horizon=horizon, as_of=asked.as_of)
        for subject, paid, tickets, churned in engine.rows(text, as_of=asked.as_of)
    ]


def judge(
    subject: str, paid: datetime, tickets: int, churned: datetime | None, *, early: timedelta, horizon: timedelta,
    as_of: datetime,
) -> Life:  # fmt: skip
    """One customer: who churned before the landmark is out, whose horizon is not over is too young (FZ-D9). Pure."""
    landmark, until = paid + early, paid + early + horizon
    if churned is not None and churned < landmark:
        return Life(subject, min(tickets, 2), "gone", kept=False)
    state = "judged" if until <= as_of else "young"
    return Life(subject, min(tickets, 2), state, kept=churned is None or churned >= until)


def behind(engine: "Engine", asked: Asked, cell: Mapping[str, Any]) -> "pa.Table":
    """See `support.behind`."""
    import pyarrow as pa

    if "early" in cell:
        chosen = {
            each.subject for each in read_lives(engine, asked)
            if each.state == "judged" and each.early == int(cell["early"]) and cell.get("kept") in (None, each.kept)
        }  # fmt: skip
    else:
        chosen = {
            each.subject for each in read_tickets(engine, asked)
            if cell.get("month") in (None, each.month) and cell.get("type") in (None, each.type)
            and not (cell.get("open") and each.closed)
        }  # fmt: skip
    return pa.table({"subject": pa.array(sorted(each for each in chosen if each), pa.string())})
