"""The kind `revenue_cohorts`: of what customers paid in their first month, how much is left after 1, 2, 3 ... months."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analytics.analyses.documents import Block, Column, Document
from analytics.analyses.kinds import AnalysisKind, Asked, Choice, Parameter
from analytics.facts import reading, tables
from analytics.outcomes import statistics
from analytics.outcomes.groupings import GROUPINGS, OTHERS, UNKNOWN, bind_values, group_of, ordered_groups
from analytics.outcomes.questions import grouping_choices
from analytics.revenue import calendar, drawing
from analytics.revenue.calendar import add
from analytics.revenue.cohort_table import ALL, FEWEST, Cell, Paid, Shape, cells_of
from analytics.revenue.counting import currency_of
from analytics.revenue.flows import as_float, money, ratio
from analytics.revenue.questions import lacks, read_cohorts
from integrations.models import SalesforceOrg

if TYPE_CHECKING:
    import pyarrow as pa

    from integrations.lake.engine import Engine

SQL = Path(__file__).parent / "sql"
SUMMARY = "All, complete cells only"


def _measures(org: SalesforceOrg) -> list[Choice]:
    return [Choice("mrr", "Recurring revenue"), Choice("customers", "Customers")]


def _cohorts(org: SalesforceOrg) -> list[Choice]:
    return [Choice("month", "Month of the first payment"), Choice("quarter", "Quarter of it"), *grouping_choices(org)]


PARAMETERS = (
    Parameter("measure", "What is left of", default="mrr", choices=_measures),
    Parameter("cohorts", "Cohorts", default="month", choices=_cohorts),
    Parameter("cohort_count", "Number of cohorts", "whole", 12, help="Months or quarters of first payments.", advanced=True),
    Parameter("periods", "Number of months", "whole", 12, advanced=True),
)


def shape_of(asked: Asked) -> Shape:
    """The table's shape."""
    given = asked.parameters
    return Shape(given["cohorts"], int(given["cohort_count"]), int(given["periods"]), asked.as_of)


def compute(engine: "Engine", asked: Asked) -> Document:
    """The table with its summary row and the curve of it."""
    shape = shape_of(asked)
    bind_began(engine, asked, shape)
    asked.breathe()
    engine.bind("months", tables.facts(asked.org, "months", ["subject", "month", "mrr_end"]))
    raw = [(begun, value or UNKNOWN, int(n)) for begun, value, n in engine.rows(_SIZES)]
    totals: dict[str, int] = {}
    for _, value, n in raw:
        totals[value] = totals.get(value, 0) + n
    listed = [(None if value == UNKNOWN else value, n) for value, n in totals.items()]
    groups = [] if shape.by_time else ordered_groups(listed)
    sizes: dict[tuple[date, str], int] = {}
    for begun, value, n in raw:
        key = (begun, _shown(value, groups, shape))
        sizes[key] = sizes.get(key, 0) + n
    found = engine.rows(engine.sql(SQL / "cohorts.sql"))
    paid = [Paid(begun, _shown(value or UNKNOWN, groups, shape), month, int(n), mrr) for begun, value, month, n, mrr in found]
    cells = cells_of(shape, sizes, paid, groups)
    return _document(asked, shape, cells, sum(sizes.values()), _counts(shape, sizes), groups)


_SIZES = "SELECT begun, value, count(*) FROM began GROUP BY begun, value ORDER BY begun, value"


def _shown(value: str, groups: list[str], shape: Shape) -> str:
    return "" if shape.by_time else group_of(value, groups)


def _counts(shape: Shape, sizes: Mapping[tuple[date, str], int]) -> dict[str, int]:
    """How many began in each row."""
    found = {ALL: sum(sizes.values())}
    for (begun, value), n in sizes.items():
        name = shape.start_of(begun).isoformat() if shape.by_time else value
        found[name] = found.get(name, 0) + n
    return found


def bind_began(engine: "Engine", asked: Asked, shape: Shape) -> None:
    """Give the engine `began` (subject, begun, value): who is in a cohort, with the value at the first payment."""
    reading.bind(engine, asked.org, "movements")
    first = date(1900, 1, 1) if not shape.by_time else shape.first
    join, value = "", "CAST(NULL AS {{text}})"
    if not shape.by_time:
        starts = "SELECT subject, CAST(min(day) AS {{moment}}) AS moment FROM movements WHERE kind = 'new' GROUP BY subject"
        engine.bind("first_paid", engine.table(starts))
        bind_values(engine, asked.org, shape.cohorts, members="first_paid", key="subject", moment="moment")
        join, value = "LEFT JOIN values_then AS v ON v.member = f.subject", "v.value"
    text = engine.sql(SQL / "began.sql").replace("<<join>>", join).replace("<<value>>", value)
    engine.bind("began", engine.table(text, first=first, last=shape.last))


def behind(engine: "Engine", asked: Asked, cell: Mapping[str, Any]) -> "pa.Table":
    """Who began in a cohort; with a period those who still pay then (`kept` true) or no longer (false)."""
    shape = shape_of(asked)
    bind_began(engine, asked, shape)
    engine.bind("months", tables.facts(asked.org, "months", ["subject", "month", "mrr_end"]))
    fits, params = _fits(shape, cell)
    text = engine.sql(SQL / "behind_cohort.sql")
    if cell.get("period") is None:
        return engine.table(text.replace("<<join>>", "").replace("<<fits>>", fits), **params)
    period = int(cell["period"])
    months = _month_pairs(shape, period, only_complete=not shape.by_time or cell["cohort"] == ALL)
    engine.bind("pairs", months)
    join = "JOIN pairs AS p ON p.earlier = b.begun LEFT JOIN months AS m ON m.subject = b.subject AND m.month = p.later"
    pays = "coalesce(m.mrr_end, 0) > 0" if cell.get("kept", True) else "coalesce(m.mrr_end, 0) = 0"
    return engine.table(text.replace("<<join>>", join).replace("<<fits>>", f"{fits} AND {pays}"), **params)


def _month_pairs(shape: Shape, period: int, *, only_complete: bool) -> "pa.Table":
    """Every month of begin with the month so many later, of cohorts that the cell counts."""
    import pyarrow as pa

    earlier = [each for each in _begins(shape) if add(each, period) <= shape.last]
    if only_complete:
        last = {each: add(shape.start_of(each), shape.length - 1) if shape.by_time else each for each in earlier}
        earlier = [each for each in earlier if calendar.is_complete(add(last[each], period), shape.as_of)]
    later = [add(each, period) for each in earlier]
    return pa.table({"earlier": pa.array(earlier, pa.date32()), "later": pa.array(later, pa.date32())})


def _begins(shape: Shape) -> list[date]:
    first = shape.first if shape.by_time else date(1970, 1, 1)
    return [add(first, count) for count in range(calendar.apart(first, shape.last) + 1)]


def _fits(shape: Shape, cell: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    name = str(cell["cohort"])
    if name == ALL:
        return "1 = 1", {}
    if shape.by_time:
        start = date.fromisoformat(name)
        return "b.begun >= $start AND b.begun < $after", {"start": start, "after": add(start, shape.length)}
    if name == UNKNOWN:
        return "b.value IS NULL", {}
    if name == OTHERS:
        return "b.value IS NOT NULL AND NOT {{has($shown, b.value)}}", {"shown": list(cell["shown"])}
    return "b.value = $value", {"value": name}


# --- Drawing ---------------------------------------------------------------------------------------------------------


def _document(
    asked: Asked, shape: Shape, cells: dict[str, list[Cell | None]], population: int, counts: Mapping[str, int],
    groups: list[str],
) -> Document:  # fmt: skip
    currency = currency_of(asked)
    empty = "" if population else "Not enough data: 0 customers began to pay in this time; at least 1 is needed."
    money_ = asked.parameters["measure"] == "mrr"
    named = [each for each in groups if each not in (OTHERS, UNKNOWN)]
    words = f"{population:,} customers who paid for the first time"
    words += f" since {shape.first}." if shape.by_time else "."
    return Document(
        title="Revenue of cohorts" if money_ else "Paying customers of cohorts", as_of=asked.as_of.date().isoformat(),
        population=population, population_words=words, excluded=drawing.excluded(asked.org),
        blocks=(
            _table(asked, shape, cells, counts, named, currency, empty),
            _curve(shape, cells, money_=money_, empty=empty),
        ),
        definition="revenue-of-cohorts",
        notes=["Every month is a calendar month in UTC; month 0 is that of the first payment, counted at its end."],
    )  # fmt: skip


def _rate(cell: Cell, *, money_: bool) -> float | None:
    """Null for few members and for a zero denominator (R-241)."""
    if cell.members < FEWEST:
        return None
    return as_float(ratio(cell.mrr, cell.base)) if money_ else statistics.rate(cell.paying, cell.members)


def _table(
    asked: Asked, shape: Shape, cells: dict[str, list[Cell | None]], counts: Mapping[str, int], named: list[str],
    currency: str, empty: str,
) -> Block:  # fmt: skip
    money_ = asked.parameters["measure"] == "mrr"
    by = "Cohort" if shape.by_time else GROUPINGS[shape.cohorts]
    columns = (
        Column("cohort", by), Column("size", "Began", "count", "customers"), Column("period", "Month"),
        Column("members", "Counted", "count", "customers"), Column("paying", "Paying", "count", "customers"),
        Column("base", "MRR of month 0", "money", currency), Column("mrr", "MRR", "money", currency),
        Column("rate", "Left", "rate"), Column("interval", "95 % interval", "interval"),
        Column("complete_on", "Complete on", "day"),
    )  # fmt: skip
    heat, rows = [], []
    for name, listed in cells.items():
        label, size = _label(shape, name), counts.get(name, 0)
        own = {"cohort": name, **({"shown": named} if name == OTHERS else {})}
        drawn = [None if each is None else _drawn(each, own, money_=money_) for each in listed]
        heat.append({"label": label, "size": size, "cells": drawn, "behind": own})
        rows += [
            {
                "cohort": label, "size": size, "period": each.period, "members": each.members, "paying": each.paying,
                "base": money(each.base), "mrr": money(each.mrr), "rate": shown["rate"],
                "interval": None if shown["low"] is None else [shown["low"], shown["high"]], "complete_on": each.complete_on,
                "_behind": shown["behind"], "_behind:size": own,
            }
            for each, shown in zip(listed, drawn, strict=True) if each is not None and shown is not None
        ]  # fmt: skip
    chart = {"x_label": "Month", "y_label": by, "columns": [str(each) for each in range(shape.periods)], "rows": heat}
    return Block(
        "table", "What is left of the first month's revenue" if money_ else "Who still pays", chart_type="heatmap", chart=chart,
        explain="MRR at the end of each month, by that at the end of month 0." if money_ else "Of those who began, who pays.",
        columns=columns, rows=rows, notes=_notes(cells), empty=empty,
    )  # fmt: skip


def _label(shape: Shape, name: str) -> str:
    if name == ALL:
        return SUMMARY
    if not shape.by_time:
        return name
    start = date.fromisoformat(name)
    return calendar.label(start) if shape.length == 1 else f"Q{(start.month + 2) // 3} {start.year}"


def _drawn(cell: Cell, own: Mapping[str, Any], *, money_: bool) -> dict[str, Any]:
    rate = _rate(cell, money_=money_)
    interval = None if money_ or rate is None else statistics.wilson(cell.paying, cell.members)
    low, high = interval or (None, None)
    return {
        "rate": rate, "low": low, "high": high, "n": cell.members, "kept": cell.paying, "complete_on": cell.complete_on,
        "behind": {**own, "period": cell.period, "kept": True},
    }  # fmt: skip


def _notes(cells: dict[str, list[Cell | None]]) -> list[str]:
    found = [each for row in cells.values() for each in row if each is not None]
    notes = []
    if any(each.members < FEWEST for each in found):
        notes.append(f"Not enough data for a rate: cohorts under {FEWEST} customers show counts and amounts only.")
    if any(each.complete_on for each in found):
        notes.append("Hatched cells are not complete: they still change until the day that they name.")
    return notes


def _curve(shape: Shape, cells: dict[str, list[Cell | None]], *, money_: bool, empty: str) -> Block:
    """The summary row as a line; months without a complete cell are not drawn (R-242)."""
    found = [cell for cell in cells[ALL] if cell is not None]
    points, rows = [], []
    for cell in found:
        drawn = _drawn(cell, {"cohort": ALL}, money_=money_)
        if drawn["rate"] is None:
            continue
        point = {"x": cell.period, "y": drawn["rate"], "low": drawn["low"], "high": drawn["high"]}
        points.append(point | {"at_risk": cell.members, "incomplete": False})
        rows.append({"period": cell.period, "members": cell.members, "rate": drawn["rate"], "_behind": drawn["behind"]})
    columns = (Column("period", "Month"), Column("members", "Counted", "count", "customers"), Column("rate", "Left", "rate"))
    if not empty and not points:
        empty = f"Not enough data: fewer than {FEWEST} customers have a complete month."
    chart = {
        "x_label": "Months since the first payment", "y_kind": "rate", "unit": "", "steps": False,
        "series": [{"name": SUMMARY, "points": points}], "at_risk": [],
    }  # fmt: skip
    return Block("curve", "All cohorts", chart_type="lines", chart=chart, columns=columns, rows=rows, empty=empty)


KIND = AnalysisKind(
    name="revenue_cohorts", label="Revenue of cohorts", title="Revenue of cohorts",
    question="Of what customers paid in their first month, how much is left later?", parameters=PARAMETERS, read=read_cohorts,
    compute=compute, behind=behind, lacks=lacks, nightly=({}, {"measure": "customers"}), icon="table",
)  # fmt: skip
