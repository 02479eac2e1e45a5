"""Retention as heat map, table and curve: rates with Wilson intervals, incomplete cells with their date, an honest summary."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analytics.analyses.documents import Block, Column
from analytics.outcomes import statistics
from analytics.outcomes.retention_counting import ALL, Counted
from analytics.outcomes.retention_plan import FEWEST, Plan

SUMMARY = "All, complete cells only"


@dataclass(frozen=True, slots=True)
class Cell:
    """One number: of `n`, `kept` came back. `rate` is null for a cohort under 20, which shows counts only."""

    cohort: str
    period: int
    n: int
    kept: int
    rate: float | None
    interval: tuple[float, float] | None
    complete_on: str | None = None


def cells_of(plan: Plan, counted: Counted) -> dict[str, list[Cell | None]]:
    """The cells of each row, `*` first: the summary is the sum of retained by the sum of members over complete cells."""
    rows: dict[str, list[Cell | None]] = {}
    if plan.by_time:
        for day in plan.cohort_starts():
            name = day.isoformat()
            if name in counted.cohorts:
                rows[name] = [_cell_by_time(plan, counted, name, day, column) for column in range(plan.columns)]
    else:
        rows = {name: [_cell_of_group(counted, name, column) for column in range(plan.columns)] for name in counted.cohorts}
    return {ALL: [_summary(rows, column) for column in range(plan.columns)], **rows}


def _cell_by_time(plan: Plan, counted: Counted, name: str, day: Any, column: int) -> Cell | None:
    """Null where not even the first member of the cohort can have reached the period."""
    own = counted.cohorts[name]
    done = plan.is_complete(day, column)
    if not done and plan.has_not_begun(day, column):
        return None
    complete_on = None if done else plan.completes_on(day, column).isoformat()
    return make_cell(name, column, own.size, own.kept[column], own.size, complete_on)


def _cell_of_group(counted: Counted, name: str, column: int) -> Cell | None:
    own = counted.cohorts[name]
    return make_cell(name, column, own.judged[column], own.kept[column], own.judged[column]) if own.judged[column] else None


def _summary(rows: dict[str, list[Cell | None]], column: int) -> Cell | None:
    listed = [cells[column] for cells in rows.values()]
    complete = [cell for cell in listed if cell is not None and cell.complete_on is None]
    n = sum(cell.n for cell in complete)
    return make_cell(ALL, column, n, sum(cell.kept for cell in complete), n) if n else None


def make_cell(cohort: str, period: int, n: int, kept: int, size: int, complete_on: str | None = None) -> Cell:
    """A cell; under 20 members without a rate."""
    if size < FEWEST:
        return Cell(cohort, period, n, kept, None, None, complete_on)
    return Cell(cohort, period, n, kept, statistics.rate(kept, n), statistics.wilson(kept, n), complete_on)


def heatmap(plan: Plan, cells: dict[str, list[Cell | None]], counted: Counted) -> dict[str, Any]:
    """The chart; see `Block`."""
    rows = []
    for name, listed in cells.items():
        size = sum(each.size for each in counted.cohorts.values()) if name == ALL else counted.cohorts[name].size
        drawn = [None if cell is None else _drawn(cell) for cell in listed]
        rows.append({"label": label_of(plan, name), "size": size, "cells": drawn, "behind": {"cohort": name}})
    return {
        "x_label": "Bracket" if plan.measure == "bracket" else plan.unit.capitalize(), "y_label": "Cohort",
        "columns": [plan.label(column) for column in range(plan.columns)], "rows": rows,
    }  # fmt: skip


def _drawn(cell: Cell) -> dict[str, Any]:
    low, high = cell.interval or (None, None)
    return {
        "rate": cell.rate, "low": low, "high": high, "n": cell.n, "kept": cell.kept, "complete_on": cell.complete_on,
        "behind": _behind(cell),
    }  # fmt: skip


def _behind(cell: Cell, *, kept: bool = True) -> dict[str, Any]:
    return {"cohort": cell.cohort, "period": cell.period, "kept": kept}


def rows(plan: Plan, cells: dict[str, list[Cell | None]], counted: Counted) -> list[dict[str, Any]]:
    """Every number of the heat map, a row a cell."""
    listed = []
    for name, row in cells.items():
        size = sum(each.size for each in counted.cohorts.values()) if name == ALL else counted.cohorts[name].size
        listed += [
            {
                "cohort": label_of(plan, name), "size": size, "period": plan.label(cell.period), "n": cell.n, "kept": cell.kept,
                "rate": cell.rate, "interval": list(cell.interval) if cell.interval else None, "complete_on": cell.complete_on,
                "_behind": _behind(cell), "_behind:size": {"cohort": name},
            }
            for cell in row if cell is not None
        ]  # fmt: skip
    return listed


def curve(plan: Plan, cells: dict[str, list[Cell | None]], empty: str) -> Block:
    """The summary as a line with its intervals; periods without a complete cell are not drawn (R-242)."""
    found: Sequence[Cell] = [cell for cell in cells[ALL] if cell is not None]
    points = [
        {
            "x": cell.period, "y": cell.rate, "low": cell.interval[0] if cell.interval else None,
            "high": cell.interval[1] if cell.interval else None, "at_risk": cell.n, "incomplete": False,
        }
        for cell in found if cell.rate is not None
    ]  # fmt: skip
    table = [
        {
            "period": plan.label(cell.period), "n": cell.n, "kept": cell.kept, "rate": cell.rate,
            "interval": list(cell.interval) if cell.interval else None, "_behind": _behind(cell),
        }
        for cell in found
    ]  # fmt: skip
    enough = f"Not enough data: no period is complete for {FEWEST} or more; the table shows when cells complete."
    notes = []
    if plan.measure == "unbounded":
        notes.append("The line may rise although no cohort does: later points are those of older cohorts only.")
    return Block(
        "curve", "Retention curve", explain="All cohorts together, over complete cells only, with 95 % intervals.",
        chart_type="lines",
        chart={
            "x_label": "Bracket" if plan.measure == "bracket" else f"{plan.unit.capitalize()}s since the start",
            "y_kind": "rate", "unit": "", "steps": False, "series": [{"name": "Retention", "points": points}],
            "at_risk": [{"name": "Counted", "at": [[cell.period, cell.n] for cell in found]}],
        },
        columns=(
            Column("period", "Period"), Column("n", "Counted", "count"), Column("kept", "Retained", "count"),
            Column("rate", "Retention", "rate"), Column("interval", "95 % interval", "interval"),
        ),
        rows=table, notes=notes, empty=empty or ("" if points else enough),
    )  # fmt: skip


def label_of(plan: Plan, cohort: str) -> str:
    """The name of a row."""
    if cohort == ALL:
        return SUMMARY
    return cohort[:7] if plan.cohorts == "month" else f"Week of {cohort}" if plan.by_time else cohort


def notes(plan: Plan) -> list[str]:
    """What to know before reading the table."""
    said = [f"Rates with Wilson 95 % intervals. Cohorts under {FEWEST} show counts only: not enough data for a rate."]
    if plan.by_time:
        said.append("A cell is complete once its window has closed for the last possible member; it may grow until then.")
        said.append("The summary is the sum of retained by the sum of members over complete cells, not a mean of rates.")
    else:
        said.append("Each cell counts only those whose own window has closed, so later periods count fewer.")
    if plan.measure == "unbounded":
        said.append(
            "Whoever comes back later still raises earlier periods, complete cells too. The summary may rise from one period "
            "to the next, because later cells are of other cohorts."
        )
    return said
