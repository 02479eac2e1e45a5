"""Bars: columns for short labels such as months, rows for long ones; with intervals where the document has them. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from analytics.analyses import writing
from analytics.analyses.drawing import scales
from analytics.analyses.drawing.rows import cell_of
from analytics.analyses.drawing.scales import Scale

LONGEST_LABEL, MOST_COLUMNS = 8, 36
GAP = 0.28
"""Share of a category that stays free."""
STYLES = 6


def draw_bars(chart: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that the template of bars needs."""
    categories = [str(each) for each in chart.get("categories") or ()]
    series, kind, unit = chart.get("series") or (), chart.get("y_kind") or "number", chart.get("unit", "")
    ends = [_ends(chart, each, len(categories), len(series)) for each in series]
    values = scales.known(value for each in series for value in each.get("values") or ())
    values += scales.known(value for low, high in ends for value in (*low, *high))
    scale, ticks = scales.nice_scale(values, ceiling=1.0 if kind == "rate" else None)
    upright = len(categories) <= MOST_COLUMNS and all(len(each) <= LONGEST_LABEL for each in categories)
    drawn = [
        [_bar(each, place, ends[place], number, scale, kind, unit, name) for place, each in enumerate(series)]
        for number, name in enumerate(categories)
    ]
    frame = {
        "upright": upright, "zero": scale.up(0) if upright else scale.at(0),
        "unit": unit if kind in ("money", "number") else "",
        "ticks": scales.value_ticks(scale, ticks, kind, up=upright), "x_label": chart.get("x_label", ""),
        "legend": [{"name": each.get("name", ""), "style": place % STYLES + 1} for place, each in enumerate(series)],
        "one": len(series) == 1, "has_interval": any(low or high for low, high in ends),
    }  # fmt: skip
    return frame | (_columns(categories, drawn) if upright else {"rows": _rows(categories, drawn)})


def _ends(chart: Mapping[str, Any], series: Mapping[str, Any], size: int, count: int) -> tuple[Sequence[Any], Sequence[Any]]:
    """Lower and upper ends by category: of the series, or of the chart when it has one series."""
    found = []
    for name in ("low", "high"):
        of = series.get(name) if series.get(name) is not None else chart.get(name) if count == 1 else None
        found.append(of if isinstance(of, list | tuple) and len(of) == size else ())
    return found[0], found[1]


def _bar(
    series: Mapping[str, Any], place: int, ends: tuple[Sequence[Any], Sequence[Any]], number: int, scale: Scale, kind: Any,
    unit: str, category: str,
) -> dict[str, Any]:  # fmt: skip
    values, behinds = series.get("values") or (), series.get("behind") or ()
    value = values[number] if number < len(values) else None
    drawn, zero = scales.number_of(value), scale.at(0)
    at = scale.at(drawn) if drawn is not None else zero
    low, high = (each[number] if each else None for each in ends)
    text = writing.write(value, kind, unit)
    interval = writing.write_interval([low, high], kind, unit) if low is not None and high is not None else ""
    behind = behinds[number] if isinstance(behinds, list | tuple) and number < len(behinds) else None
    title = f"{series.get('name', '')}, {category}: {text}" + (f", 95 % interval {interval}" if interval else "")
    return {
        "style": place % STYLES + 1, "text": text, "interval": interval, "title": title.lstrip(", "), "start": min(at, zero),
        "length": round(abs(at - zero), 2), "known": drawn is not None, "name": series.get("name", ""),
        "low": _at(low, scale), "high": _at(high, scale), "cell": cell_of({"behind": behind}),
    }  # fmt: skip


def _at(value: Any, scale: Scale) -> float | None:
    found = scales.number_of(value)
    return None if found is None else scale.at(found)


def _columns(categories: Sequence[str], drawn: Sequence[Sequence[dict[str, Any]]]) -> dict[str, Any]:
    """Places across of upright bars, in percent; labels that would not fit side by side are left out evenly."""
    count = len(categories)
    width = 100 / count if count else 100
    every = max(1, -(-count // 12))
    few = every * max(1, -(-count // (4 * every)))
    found = []
    for number, bars in enumerate(drawn):
        left, each = number * width + width * GAP / 2, width * (1 - GAP) / max(1, len(bars))
        for place, bar in enumerate(bars):
            bar |= {
                "x": round(left + each * place, 2), "width": round(each * 0.92, 2),
                "middle": round(left + each * (place + 0.46), 2), "y": round(100 - bar["start"] - bar["length"], 2),
                "low": None if bar["low"] is None else round(100 - bar["low"], 2),
                "high": None if bar["high"] is None else round(100 - bar["high"], 2),
            }  # fmt: skip
            found.append(bar)
    labels = [
        {"at": round((number + 0.5) * width, 2), "label": name, "is_minor": number % few != 0}
        for number, name in enumerate(categories) if number % every == 0
    ]  # fmt: skip
    return {"columns": found, "labels": labels}


def _rows(categories: Sequence[str], drawn: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [{"label": name, "bars": bars} for name, bars in zip(categories, drawn, strict=True)]
