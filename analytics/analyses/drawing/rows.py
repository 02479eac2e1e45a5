"""Charts that are rows: forest plots, waterfalls, funnels and horizontal bars. They fit a phone as they are. Pure."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from analytics.analyses import writing
from analytics.analyses.drawing import scales
from analytics.analyses.drawing.scales import Scale
from analytics.analyses.finding import cell_text

ROLES = {"total": "total", "up": "up", "down": "down"}
FOLDED_FROM = 15
"""A forest with more rows shows so many until it is opened."""
CUT = 0.3
"""A waterfall whose levels differ by less than this share has a cut axis."""
ICONS = {"ok": "circle-check", "warn": "triangle-alert", "bad": "octagon-alert", "info": "info"}


def cell_of(part: Mapping[str, Any]) -> str:
    """The cell of a part of a chart as text for its link; nothing without one."""
    behind = part.get("behind")
    return cell_text(behind) if isinstance(behind, Mapping) and behind else ""


# --- Forest ----------------------------------------------------------------------------------------------------------


def draw_forest(chart: Mapping[str, Any]) -> dict[str, Any]:
    """Adjusted differences with their intervals as filled marks, raw ones hollow; 0 and the practical floor as lines."""
    rows, kind = chart.get("rows") or (), chart.get("unit_kind") or "points"
    floor = abs(scales.number_of(chart.get("floor")) or 0.0)
    values = scales.known(row.get(name) for row in rows for name in ("estimate", "low", "high", "raw"))
    scale, ticks = scales.nice_scale([*values, floor, -floor], most=6)
    return {
        "rows": [_forest_row(row, scale, kind, chart.get("unit", "")) for row in rows],
        "ticks": scales.value_ticks(scale, ticks, kind, up=False), "zero": scale.at(0),
        "floors": [scale.at(floor), scale.at(-floor)] if floor else [],
        "floor": writing.write(floor, kind, chart.get("unit", "")).lstrip("+") if floor else "",
        "has_raw": any(row.get("raw") is not None for row in rows), "kind": kind, "is_long": len(rows) > FOLDED_FROM,
    }  # fmt: skip


def _forest_row(row: Mapping[str, Any], scale: Scale, kind: Any, unit: str) -> dict[str, Any]:
    def place(name: str) -> float | None:
        value = scales.number_of(row.get(name))
        return None if value is None else scale.at(value)

    at, low, high = place("estimate"), place("low"), place("high")
    counts = [f"{writing.write(row[name], 'count')} {name}" for name in ("with", "without") if row.get(name) is not None]
    interval = [row.get("low"), row.get("high")]
    return {
        "label": row.get("label", ""), "key": row.get("key", ""), "url_key": row.get("url_key") or "",
        "at": at, "low": low, "high": high, "raw": place("raw"), "raw_low": place("raw_low"), "raw_high": place("raw_high"),
        "estimate": writing.write(row.get("estimate"), kind, unit), "interval": writing.write_interval(interval, kind, unit),
        "raw_text": writing.write(row.get("raw"), kind, unit) if row.get("raw") is not None else "",
        "counts": ", ".join(counts), "icon": ICONS.get(str(row.get("tone")), "circle-dashed"),
        "note": row.get("note", ""), "verdict": row.get("verdict", ""), "tone": row.get("tone", ""), "cell": cell_of(row),
    }  # fmt: skip


# --- Waterfall -------------------------------------------------------------------------------------------------------


def draw_waterfall(chart: Mapping[str, Any]) -> dict[str, Any]:
    """Each step as a bar that begins where the step before it ended; totals begin at 0."""
    unit, kind = chart.get("unit", ""), chart.get("kind") or "money"
    spans = _spans(chart.get("steps") or ())
    values = [each for low, high in spans for each in (low, high)]
    scale, ticks, is_cut = _fall_scale(spans, values)
    rows = [_waterfall_row(step, span, scale, kind, unit) for step, span in zip(chart.get("steps") or (), spans, strict=True)]
    for row, following in itertools.pairwise(rows):
        row["joint"], following["before"] = row["end"], row["end"]
    return {"rows": rows, "ticks": scales.value_ticks(scale, ticks, kind, up=False), "zero": scale.at(0), "unit": unit,
            "cut_at": writing.write(scale.low, kind, unit) if is_cut else ""}  # fmt: skip


def _fall_scale(spans: Sequence[tuple[float, float]], values: Sequence[float]) -> tuple[Scale, list[float], bool]:
    """From 0, unless all levels lie so high that the movements between them could not be seen: then the axis is cut, which the
    chart says."""
    levels = [end for _, end in spans]
    if levels and 0 < min(levels) < max(levels) and max(levels) - min(levels) < max(levels) * CUT:
        low = min(levels) - (max(levels) - min(levels)) * 0.6
        scale, ticks = scales.nice_scale([low, max(levels)], zero=False, most=4)
        if scale.low > 0:
            return scale, ticks, True
    scale, ticks = scales.nice_scale(values, most=4)
    return scale, ticks, False


def _spans(steps: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """From and to of each step."""
    found, level = [], 0.0
    for step in steps:
        value = scales.number_of(step.get("value")) or 0.0
        if step.get("role") == "total":
            found.append((0.0, value))
            level = value
        else:
            end = level + abs(value) * (-1 if step.get("role") == "down" else 1)
            found.append((level, end))
            level = end
    return found


def _waterfall_row(step: Mapping[str, Any], span: tuple[float, float], scale: Scale, kind: Any, unit: str) -> dict[str, Any]:
    role = ROLES.get(str(step.get("role")), "total")
    start, end = scale.at(min(span)), scale.at(max(span))
    value = writing.exact(step.get("value"))
    text = writing.write(abs(value) if value is not None and role != "total" else step.get("value"), kind, unit)
    sign = {"up": "+", "down": writing.MINUS, "total": ""}[role] if value else ""
    return {
        "label": step.get("label", ""), "role": role, "x": start, "width": round(max(end - start, 0.4 if value else 0), 2),
        "text": f"{sign}{text}", "end": scale.at(span[1]), "joint": None,
        "is_none": not value and role != "total", "before": None, "cell": cell_of(step),
    }  # fmt: skip


# --- Funnel ----------------------------------------------------------------------------------------------------------


def draw_steps(chart: Mapping[str, Any]) -> dict[str, Any]:
    """Steps of a funnel: each bar is its share of the first, with what went on from the step before."""
    steps = chart.get("steps") or ()
    counts = [scales.number_of(step.get("n")) for step in steps]
    first = next((n for n in counts if n), 0.0)
    rows = []
    for place, (step, n) in enumerate(zip(steps, counts, strict=True)):
        before = counts[place - 1] if place else None
        lost = before - n if before is not None and n is not None and before >= n else None
        rows.append({
            "label": step.get("label", ""), "n": writing.write(step.get("n"), "count"), "number": place + 1,
            "width": round((n or 0) / first * 100, 2) if first else 0, "note": step.get("note", ""),
            "rate": writing.write(step.get("rate"), "rate") if step.get("rate") is not None else "",
            "lost": writing.write(lost, "count") if lost else "", "cell": cell_of(step),
        })  # fmt: skip
    return {"rows": rows}
