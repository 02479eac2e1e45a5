"""Counting campaigns set-based: reach by state, and outcomes after a landmark that exposure ends.

Exposure is the first days of a campaign, from its first touch. At its end (the landmark) everybody who could still have the
outcome is in one of two groups: touched by then, or not. Only what happens afterwards, within the horizon, counts, and only
campaigns whose horizon is over: so nobody is in a group because of what came later (FZ-D9).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from analytics.analyses.kinds import Asked
from analytics.facts import reading
from analytics.outcomes.groupings import SQL
from analytics.outcomes.retention_plan import shift

if TYPE_CHECKING:
    import pyarrow as pa

    from integrations.lake.engine import Engine

STATES = ("sent", "delivered", "opened", "clicked", "responded")
"""From the nearest to the furthest: who clicked has opened."""
NO_TYPE = "Without a type"
MOST_JUDGED = 100
"""Campaigns whose outcomes are compared, the newest ones that reached enough customers."""
FEWEST_TOUCHED = 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """What may happen to whom: `population` gives subject, since, until (at risk between), `happened` subject, happened_at."""

    label: str
    words: str
    population: str
    happened: str


PAYING = "SELECT subject, since, until FROM paid"
OUTCOMES = {
    "churn": Outcome(
        "Churned", "churned", PAYING,
        "SELECT subject, CAST(day AS {{moment}}) AS happened_at FROM movements WHERE kind = 'churn'",
    ),
    "expansion": Outcome(
        "Expanded", "expanded", PAYING,
        "SELECT subject, CAST(day AS {{moment}}) AS happened_at FROM movements WHERE kind = 'expansion'",
    ),
    "paid": Outcome(
        "Began to pay", "began to pay",
        "SELECT subject, coalesce(started_at, trial_started_at, first_seen_at) AS since, paid_at AS until FROM subjects "
        "WHERE coalesce(started_at, trial_started_at, first_seen_at) IS NOT NULL",
        "SELECT subject, paid_at AS happened_at FROM subjects WHERE paid_at IS NOT NULL",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign and how many people reached each state, in the order of `STATES`."""

    key: str
    name: str
    type: str
    begins: datetime
    people: int
    customers: int
    reached: tuple[int, ...]

    def landmark(self, asked: Asked) -> datetime:
        """The instant at which exposure ends."""
        return self.begins + timedelta(days=asked.parameters["exposure"])

    def until(self, asked: Asked) -> datetime:
        """The instant at which its horizon is over."""
        return self.landmark(asked) + timedelta(days=asked.parameters["horizon"])

    def is_over(self, asked: Asked) -> bool:
        """Whether everything that counts had happened by `as_of`."""
        return self.until(asked) <= asked.as_of


@dataclass(frozen=True, slots=True)
class Compared:
    """Touched and others of a campaign: how many, and how many of them had the outcome."""

    touched: int = 0
    touched_with: int = 0
    others: int = 0
    others_with: int = 0


def since_of(asked: Asked) -> datetime:
    """The first day of the months of campaigns."""
    first = shift(asked.as_of.date().replace(day=1), "month", -asked.parameters["months"])
    return datetime.combine(first, time(), UTC)


def read_campaigns(engine: "Engine", asked: Asked) -> list[Campaign]:
    """Campaigns with a touch in the asked months, newest first."""
    reading.bind(engine, asked.org, "touches")
    places = {state: place for place, state in enumerate(STATES)}
    level = (
        f"CASE state {' '.join(f'WHEN {chr(39)}{state}{chr(39)} THEN {place}' for state, place in places.items())} ELSE 0 END"
    )
    states = ", ".join(f"{{{{count_if({level} >= {place})}}}} AS reached{place}" for place in places.values())
    text = engine.sql(SQL / "campaign_touches.sql").replace("<<states>>", states)
    return [
        Campaign(key, name or key, type_ or NO_TYPE, begins, people, customers, tuple(reached))
        for key, name, type_, begins, people, customers, *reached in engine.rows(text, as_of=asked.as_of, since=since_of(asked))
    ]


def judged_of(campaigns: Sequence[Campaign], asked: Asked) -> list[Campaign]:
    """Those whose outcomes are compared."""
    fit = [each for each in campaigns if each.is_over(asked) and each.customers >= FEWEST_TOUCHED]
    return fit[:MOST_JUDGED]


def count_outcomes(engine: "Engine", asked: Asked, campaigns: Sequence[Campaign]) -> dict[str, Compared]:
    """Touched against others for each campaign that can be judged."""
    judged = judged_of(campaigns, asked)
    if not judged:
        return {}
    text = engine.sql(SQL / "campaign_counts.sql").replace("<<outcomes>>", _bind_outcomes(engine, asked, judged))
    found = {each.key: Compared() for each in judged}
    counts: dict[str, dict[int, tuple[int, int]]] = {}
    for key, touched, n, k in engine.rows(text, as_of=asked.as_of):
        counts.setdefault(key, {})[touched] = (n, k)
    for key, own in counts.items():
        found[key] = Compared(*own.get(1, (0, 0)), *own.get(0, (0, 0)))
    return found


def _bind_outcomes(engine: "Engine", asked: Asked, judged: Sequence[Campaign]) -> str:
    """Bind what the outcomes need, and give the statement with a row a campaign and subject at risk."""
    import pyarrow as pa

    reading.bind(engine, asked.org, "subjects", "movements", "touches")
    engine.bind("paid", engine.table(engine.sql(SQL / "paid.sql"), as_of=asked.as_of))
    moment = pa.timestamp("ms", tz="UTC")
    engine.bind("judged", pa.table({
        "campaign_id": pa.array([each.key for each in judged], pa.string()),
        "landmark": pa.array([each.landmark(asked) for each in judged], moment),
        "until": pa.array([each.until(asked) for each in judged], moment),
    }))  # fmt: skip
    outcome = OUTCOMES[asked.parameters["outcome"]]
    text = engine.sql(SQL / "campaign_outcomes.sql").replace("<<population>>", outcome.population)
    return text.replace("<<outcome>>", outcome.happened)


def behind(engine: "Engine", asked: Asked, cell: Mapping[str, Any]) -> "pa.Table":
    """See `campaigns.behind`."""
    import pyarrow as pa

    campaigns = read_campaigns(engine, asked)
    chosen = [
        each for each in campaigns
        if cell.get("campaign") in (None, each.key) and cell.get("type") in (None, each.type)
    ]  # fmt: skip
    if "state" in cell:
        return _reached(engine, asked, chosen, str(cell["state"]))
    judged = [each for each in judged_of(campaigns, asked) if each in chosen]
    if not judged:
        return pa.table({"subject": pa.array([], pa.string())})
    wanted = [f"{name} = {int(bool(cell[name]))}" for name in ("touched", "happened") if cell.get(name) is not None]
    inner = _bind_outcomes(engine, asked, judged)
    return engine.table(f"SELECT DISTINCT subject FROM ({inner}) AS o WHERE {' AND '.join(wanted) or 'true'} ORDER BY subject")  # noqa: S608


def _reached(engine: "Engine", asked: Asked, campaigns: Sequence[Campaign], state: str) -> "pa.Table":
    if state not in STATES:
        raise ValueError(f"{state[:40]!r} is none of {', '.join(STATES)}.")
    further = ", ".join(map(engine.dialect.quote_text, STATES[STATES.index(state) :]))
    keys = ", ".join(map(engine.dialect.quote_text, (each.key for each in campaigns))) or "''"
    known = "" if state == STATES[0] else f" AND state IN ({further})"
    return engine.table(
        f'SELECT DISTINCT subject FROM touches WHERE campaign_id IN ({keys}) AND "at" >= $since AND "at" < $as_of{known} '  # noqa: S608
        "AND subject IS NOT NULL ORDER BY subject",
        since=since_of(asked), as_of=asked.as_of,
    )  # fmt: skip
