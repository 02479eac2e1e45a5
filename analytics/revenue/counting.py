"""Sums of the months of facts: what moved, and what was kept after twelve months; and who is behind each of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analytics.analyses.kinds import Asked
from analytics.facts import tables
from analytics.facts.reading import state_of
from analytics.outcomes.groupings import OTHERS, UNKNOWN, bind_values
from analytics.revenue.calendar import Period, add
from analytics.revenue.flows import Flow, Kept

if TYPE_CHECKING:
    import pyarrow as pa

    from integrations.lake.engine import Engine

SQL = Path(__file__).parent / "sql"
YEAR = 12
COLUMNS = (
    "subject", "month", "mrr_start", "mrr_end", "new", "expansion", "contraction", "churn", "reactivation", "one_time",
)  # fmt: skip
JOIN = "LEFT JOIN values_then AS v ON v.member = m.subject"
EVERYTHING = ""


@dataclass(frozen=True, slots=True)
class Month:
    """One month of one group: the flow, how many paid at both ends, and what was sold once."""

    flow: Flow
    paying_start: int
    paying_end: int
    one_time: Decimal


def bind_months(engine: "Engine", asked: Asked) -> None:
    """Give the engine `months`."""
    engine.bind("months", tables.facts(asked.org, "months", COLUMNS))


def bind_groups(engine: "Engine", asked: Asked, attribute: str, on: date) -> None:
    """Give the engine `values_then`: the attribute of every subject as it was at the end of the day before `on`."""
    import pyarrow as pa

    from integrations.lake.types import arrow_type

    moment = min(datetime.combine(on, time(), UTC), asked.as_of)
    engine.bind("everybody", tables.facts(asked.org, "subjects", ["subject"]))
    subjects = engine.table("SELECT subject FROM everybody ORDER BY subject").column("subject")
    moments = pa.array([moment] * len(subjects), arrow_type("moment"))
    engine.bind("grouped", pa.table({"subject": subjects, "moment": moments}))
    bind_values(engine, asked.org, attribute, members="grouped", key="subject", moment="moment")


def currency_of(asked: Asked) -> str:
    """Of the money in the facts: what they were computed in."""
    return str(state_of(asked.org).health.get("currency") or asked.currency)


def count_flows(engine: "Engine", period: Period, *, grouped: bool = False) -> dict[tuple[date, str], Month]:
    """Every month of a period, by value of the attribute (`EVERYTHING` without one)."""
    found = engine.rows(_text(engine, "flows", grouped=grouped), first=period.first, last=period.last)
    return {
        (month, value or (UNKNOWN if grouped else EVERYTHING)): Month(
            Flow(start, new, expansion, reactivation, contraction, churn, end), int(before), int(after), one_time
        )
        for month, value, start, new, expansion, reactivation, contraction, churn, end, before, after, one_time in found
    }


def count_kept(
    engine: "Engine", months: Sequence[date], *, distance: int = YEAR, grouped: bool = False
) -> dict[tuple[date, str], Kept]:
    """What is left at the end of each month of what was there so many months before."""
    import pyarrow as pa

    pairs = {
        "earlier": pa.array([add(each, -distance) for each in months], pa.date32()),
        "later": pa.array(months, pa.date32()),
    }
    engine.bind("pairs", pa.table(pairs))
    found = engine.rows(_text(engine, "kept", grouped=grouped))
    return {
        (month, value or (UNKNOWN if grouped else EVERYTHING)): Kept(int(n), int(kept_n), base, kept, capped)
        for month, value, n, kept_n, base, kept, capped in found
    }


def first_month(engine: "Engine") -> date | None:
    """The first month with recurring revenue."""
    return engine.rows("SELECT min(month) FROM months WHERE mrr_end > 0 OR mrr_start > 0 OR new > 0")[0][0]


CONDITIONS: Mapping[str, str] = {
    "start": "m.month = $first AND m.mrr_start > 0", "end": "m.month = $last AND m.mrr_end > 0", "new": "m.new > 0",
    "expansion": "m.expansion > 0", "reactivation": "m.reactivation > 0", "contraction": "m.contraction > 0",
    "churn": "m.churn > 0", "one_time": "m.one_time <> 0",
}  # fmt: skip
KEPT_CONDITIONS: Mapping[str, str] = {
    "base": "1 = 1", "kept": "coalesce(t.mrr_end, 0) > 0", "lost": "coalesce(t.mrr_end, 0) = 0",
    "shrunk": "coalesce(t.mrr_end, 0) < m.mrr_end", "grown": "coalesce(t.mrr_end, 0) > m.mrr_end",
}  # fmt: skip


def behind_flow(engine: "Engine", asked: Asked, cell: Mapping[str, Any]) -> "pa.Table":
    """Who has a share in one number of the waterfall. KeyError for a part that does not exist."""
    period = Period(date.fromisoformat(cell["first"]), date.fromisoformat(cell["last"]))
    condition = CONDITIONS[cell["part"]]
    bind_months(engine, asked)
    fits, join, params = _fits(engine, asked, cell, add(period.last, 1))
    text = engine.sql(SQL / "behind_flow.sql").replace("<<condition>>", condition).replace("<<fits>>", fits)
    return engine.table(text.replace("<<join>>", join), first=period.first, last=period.last, **params)


def behind_kept(engine: "Engine", asked: Asked, cell: Mapping[str, Any], *, distance: int = YEAR) -> "pa.Table":
    """Who is in the base of a month's retention, who was kept, lost, shrunk or grown."""
    later = date.fromisoformat(cell["month"])
    condition = KEPT_CONDITIONS[cell["part"]]
    bind_months(engine, asked)
    fits, join, params = _fits(engine, asked, cell, add(later, 1))
    text = engine.sql(SQL / "behind_kept.sql").replace("<<condition>>", condition).replace("<<fits>>", fits)
    return engine.table(text.replace("<<join>>", join), later=later, earlier=add(later, -distance), **params)


def _fits(engine: "Engine", asked: Asked, cell: Mapping[str, Any], on: date) -> tuple[str, str, dict[str, Any]]:
    """The condition of a value of an attribute; `OTHERS` are those that are not shown by themselves."""
    if "value" not in cell:
        return "1 = 1", "", {}
    bind_groups(engine, asked, asked.parameters["by"], on)
    if cell["value"] == UNKNOWN:
        return "v.value IS NULL", JOIN, {}
    if cell["value"] == OTHERS:
        return "v.value IS NOT NULL AND NOT {{has($shown, v.value)}}", JOIN, {"shown": list(cell["shown"])}
    return "v.value = $value", JOIN, {"value": str(cell["value"])}


def _text(engine: "Engine", name: str, *, grouped: bool) -> str:
    text = engine.sql(SQL / f"{name}.sql")
    value = "v.value" if grouped else "CAST(NULL AS {{text}})"
    return text.replace("<<value>>", value).replace("<<join>>", JOIN if grouped else "")
