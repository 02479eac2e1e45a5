"""Heat maps: a table of rates in steps of one scale. Pure."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from analytics.analyses import writing
from analytics.analyses.drawing import scales
from analytics.analyses.finding import cell_text

LEVELS = 10


def draw_heatmap(chart: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that the template of heat maps needs. The scale begins at 0 and is stretched to the largest rate."""
    rows = chart.get("rows") or ()
    rates = scales.known(cell.get("rate") for row in rows for cell in row.get("cells") or () if cell)
    step = step_of(max(rates, default=0.0))
    columns = list(chart.get("columns") or ())
    drawn = [_draw_row(row, columns, step) for row in rows]
    return {
        "columns": columns, "rows": drawn, "x_label": chart.get("x_label", ""), "y_label": chart.get("y_label", ""),
        "legend": _legend(step, rates), "has_size": any(row["size"] for row in drawn),
        "has_incomplete": any(cell and cell["complete_on"] for row in drawn for cell in row["cells"]),
        "has_counts": any(cell and cell["only_counts"] for row in drawn for cell in row["cells"]),
    }  # fmt: skip


def step_of(largest: float) -> float:
    """Width of one step of the scale: a round number, so that ten steps reach the largest rate."""
    return scales.nice_step(max(largest, 0.1), LEVELS)


def level_of(rate: float, step: float) -> int:
    """Which step a rate is in, 1 (lowest) to 10; 0 for nothing at all."""
    if rate <= 0:
        return 0
    return max(1, min(LEVELS, math.ceil(rate / step - 1e-9)))


def _draw_row(row: Mapping[str, Any], columns: Sequence[str], step: float) -> dict[str, Any]:
    cells = list(row.get("cells") or ())
    label = str(row.get("label", ""))
    return {
        "label": label, "size": writing.write(row.get("size"), "count") if row.get("size") is not None else "",
        "cells": [_draw_cell(cell, label, heading, step) for cell, heading in zip(cells, columns, strict=False)]
        + [None] * max(0, len(columns) - len(cells)),
    }  # fmt: skip


def _draw_cell(cell: Mapping[str, Any] | None, label: str, heading: str, step: float) -> dict[str, Any] | None:
    if not cell:
        return None
    rate, behind = scales.number_of(cell.get("rate")), cell.get("behind")
    counts = _counts(cell)
    text = writing.write(cell["rate"], "rate").replace("\u00a0%", "") if rate is not None else counts or writing.NOTHING
    return {
        "text": text, "percent": rate is not None, "only_counts": rate is None and bool(counts),
        "level": level_of(rate, step) if rate is not None else None, "complete_on": cell.get("complete_on") or "",
        "more": ", ".join(_more(cell, counts, rate)),
        "title": f"{label}, {heading}: " + ", ".join(_more(cell, counts, rate, True)),
        "cell": cell_text(behind) if isinstance(behind, Mapping) and behind else "",
    }  # fmt: skip


def _counts(cell: Mapping[str, Any]) -> str:
    kept, size = cell.get("kept"), cell.get("n")
    if kept is None or size is None:
        return writing.write(size, "count") if size is not None else ""
    return f"{writing.write(kept, 'count')} of {writing.write(size, 'count')}"


def _more(cell: Mapping[str, Any], counts: str, rate: float | None, whole: bool = False) -> list[str]:
    """What a cell says besides its rate."""
    words = [writing.write(cell["rate"], "rate")] if whole and rate is not None else []
    if counts and rate is not None:
        words.append(counts)
    if whole and rate is None:
        words.append(f"{counts}: too few for a rate" if counts else "no value")
    if rate is not None and cell.get("low") is not None and cell.get("high") is not None:
        words.append(f"95 % interval {writing.write_interval([cell['low'], cell['high']], 'rate')}")
    if cell.get("complete_on"):
        words.append(f"incomplete, complete on {writing.write_day(cell['complete_on'])}")
    return words


def _legend(step: float, rates: Sequence[float]) -> list[dict[str, Any]]:
    """The steps that occur, with their upper ends."""
    top = max((level_of(rate, step) for rate in rates), default=0)
    return [
        {"level": level, "label": writing.short(round(step * level, 10), "rate")} for level in range(1, top + 1)
    ]  # fmt: skip
