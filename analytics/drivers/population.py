"""Who is in a study, and what became of them: eligibility by whole UTC days, every account that is left out counted by reason.

numpy and Arrow only: it runs in jobs, and in a web request for the customers behind a number.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from analytics.drivers.design import Design
from analytics.drivers.study import Exclusion
from analytics.facts import reading

if TYPE_CHECKING:
    from integrations.lake.engine import Engine
    from integrations.models import SalesforceOrg

SQL = Path(__file__).resolve().parent / "sql"
Days = np.ndarray
NO_DAY = -(2**30)
EPOCH = date(1970, 1, 1)
DAY_MILLISECONDS = 86_400_000
BEFORE_DAYS = 30
"""Activity before the start is counted over so many days."""


@dataclass
class Population:
    """Accounts that are at risk at their landmark, in rising order of subject. Days count from 1970: `event` that of the
    outcome, `left` that of the churn; NO_DAY without."""

    design: Design
    rows: pa.Table
    begins: Days
    event: Days = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    left: Days = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    at_landmark: np.ndarray = field(default_factory=lambda: np.empty(0))
    at_end: np.ndarray = field(default_factory=lambda: np.empty(0))
    has_revenue: bool = False
    """Whether movements of revenue are known at all."""
    excluded: list[Exclusion] = field(default_factory=list)

    @property
    def landmark(self) -> Days:
        """First day after the behavior window."""
        return self.begins + self.design.landmark

    @property
    def ends(self) -> Days:
        """First day after the outcome window."""
        return self.landmark + self.design.horizon

    def keep(self, wanted: np.ndarray, reason: str, words: Callable[[int], str]) -> None:
        """Leave out the others, counted."""
        lost = int(len(wanted) - wanted.sum())
        if not lost:
            return
        self.excluded.append(Exclusion(reason, lost, words(lost)))
        self.rows = self.rows.filter(pa.array(wanted))
        self.begins = self.begins[wanted]
        for name in ("event", "left", "at_landmark", "at_end"):
            if len(getattr(self, name)):
                setattr(self, name, getattr(self, name)[wanted])

    def bind(self, engine: "Engine") -> None:
        """Give the engine `population`: i, subject, customer_id, and the days of the windows."""
        columns = {
            "i": pa.array(np.arange(len(self.begins))),
            "subject": self.rows.column("subject").combine_chunks(),
            "customer_id": self.rows.column("customer_id").combine_chunks(),
            "before": _dates(self.begins - BEFORE_DAYS),
            "begins": _dates(self.begins),
            "landmark": _dates(self.landmark),
            "ends": _dates(self.ends),
            "landmark_at": pa.array(self.landmark * DAY_MILLISECONDS, pa.timestamp("ms", "UTC")),
        }
        engine.bind("population", pa.table(columns))


def find_population(
    engine: "Engine", org: "SalesforceOrg", design: Design, *, as_of: datetime, first_day: date | None
) -> Population:
    """Accounts at risk at their landmark, with the day of their outcome. `first_day`: from which day on events are known (None:
    there are no events at all, so nobody is left out for the lack of them)."""
    reading.bind(engine, org, "subjects", "movements", "milestones")
    rows = engine.table(engine.sql(SQL / "subjects.sql"))
    people = Population(design, rows, days_of(rows.column(design.outcome.start)))
    started = "trial" if design.outcome.start == "trial_started_at" else "paid time"
    people.keep(people.begins != NO_DAY, "never_started", lambda n: f"{n:,} never started a {started}.")
    if first_day is not None:
        begins = (first_day - EPOCH).days
        people.keep(people.begins >= begins, "before_events",
                    lambda n: f"{n:,} started before {first_day}, from when on events are known.")  # fmt: skip
        known = ~people.rows.column("customer_id").is_null().to_numpy(zero_copy_only=False)
        people.keep(known, "unlinked", lambda n: f"{n:,} are linked with no customer, so that their events are not known.")
    _leave_out_young(people, as_of)
    people.bind(engine)
    _find_outcomes(engine, people)
    _leave_out_settled(people)
    people.bind(engine)
    return people


def days_of(column: pa.ChunkedArray) -> Days:
    """UTC days since 1970; NO_DAY where nothing is known."""
    days = column.cast(pa.date32()).cast(pa.int32()).cast(pa.int64())
    return days.fill_null(NO_DAY).to_numpy()


def as_day(as_of: datetime) -> int:
    """The UTC day that begins at this midnight."""
    return (as_of.astimezone(UTC).date() - EPOCH).days


def scattered(table: pa.Table, column: str, size: int, empty: Any) -> np.ndarray:
    """A column by account; `empty` where it has no row or null."""
    found = np.full(size, empty)
    values = table.column(column)
    if pa.types.is_date32(values.type):
        values = values.cast(pa.int32())
    values = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    known = ~np.isnan(values)
    found[table.column("i").to_numpy()[known]] = values[known]
    return found


def _dates(days: Days) -> pa.Array:
    return pa.array(days.astype(np.int32), pa.int32()).cast(pa.date32())


def _leave_out_young(people: Population, as_of: datetime) -> None:
    """Survivorship guard (FZ-D9): without full follow-up nobody counts as without the outcome."""
    today, design = as_day(as_of), people.design
    if design.is_timed:
        people.keep(people.landmark < today, "too_young",
                    lambda n: f"{n:,} have not reached their landmark of {design.landmark} days.")  # fmt: skip
        return
    days = design.landmark + design.horizon
    people.keep(people.ends <= today, "too_young", lambda n: f"{n:,} started less than {days} days ago: too young to tell.")


def _find_outcomes(engine: "Engine", people: Population) -> None:
    size, event = len(people.begins), people.design.outcome.event
    people.at_landmark = people.at_end = np.zeros(size)
    if event == "paid":
        people.event = days_of(people.rows.column("paid_at"))
        return
    text = engine.sql(SQL / "ends.sql")
    churn = engine.table(text, milestone="churn", movement="churn")
    people.event = people.left = scattered(churn, "since_start", size, NO_DAY).astype(np.int64)
    if event == "expansion":
        grown = engine.table(text, milestone="upsell", movement="expansion")
        people.event = scattered(grown, "since_landmark", size, NO_DAY).astype(np.int64)
    revenue = engine.table(engine.sql(SQL / "revenue.sql"))
    people.has_revenue = revenue.num_rows > 0
    people.at_landmark = scattered(revenue, "at_landmark", size, 0.0)
    people.at_end = scattered(revenue, "at_end", size, 0.0)


def _leave_out_settled(people: Population) -> None:
    """Only accounts that are still at risk at the landmark count (8.1 rule 1)."""
    event, days = people.design.outcome.event, people.design.landmark
    if event == "paid":
        early = (people.event != NO_DAY) & (people.event < people.begins)
        people.keep(~early, "customer_before", lambda n: f"{n:,} had paid before their trial began.")
        early = (people.event != NO_DAY) & (people.event < people.landmark)
        people.keep(
            ~early, "settled", lambda n: f"{n:,} paid before their landmark of {days} days, so nothing was left to see."
        )
        return
    gone = (people.left != NO_DAY) & (people.left < people.landmark)
    people.keep(~gone, "settled", lambda n: f"{n:,} had left before their landmark of {days} days.")
    if people.has_revenue or event == "change":  # where only dates are mapped, nothing is known of revenue
        people.keep(people.at_landmark > 0, "not_paying", lambda n: f"{n:,} had no recurring revenue at their landmark.")
