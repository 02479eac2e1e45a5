"""Lines and curves: straight or in steps, with bands, incomplete points apart, and the numbers at risk below. Pure."""

import itertools
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from analytics.analyses import writing
from analytics.analyses.drawing import scales
from analytics.analyses.drawing.scales import Scale, Tick
from analytics.analyses.finding import cell_text

MOST_MARKS = 60
"""A series with more points has no marks; its numbers stand in the table."""
STYLES = 6
FEW_SHARE = 0.05
"""A curve is dashed from where fewer than this share of those that it began with are watched."""


def draw_lines(chart: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that the template of lines needs."""
    series = chart.get("series") or ()
    kind = chart.get("y_kind") or "number"
    by_day = _is_by_day(series)
    xs = [x for each in series for x in map(_x, (point.get("x") for point in each.get("points") or ())) if x is not None]
    across, x_ticks = _x_axis(xs, by_day)
    x_ticks = _ticks_of_counts(chart, across) or x_ticks
    points = [point for each in series for point in each.get("points") or ()]
    values = scales.known(point.get(name) for point in points for name in ("y", "low", "high"))
    up, ticks = scales.nice_scale(
        values, zero=_begins_at_zero(values, bool(chart.get("steps"))), ceiling=1.0 if kind == "rate" else None
    )
    drawn = [_draw_series(each, place, across, up, chart, kind) for place, each in enumerate(series)]
    return {
        "series": drawn, "y_ticks": scales.value_ticks(up, ticks, kind), "x_ticks": x_ticks,
        "x_label": chart.get("x_label", ""),
        "unit": chart.get("unit", "") if kind in ("money", "number") else "", "one": len(drawn) == 1,
        "has_band": any(each["band"] for each in drawn), "has_incomplete": any(each["open_path"] for each in drawn),
        "has_few": any(each["few_path"] for each in drawn), "floor": up.low > 0 and bool(values),
        "at_risk": [_at_risk(row, place, across) for place, row in enumerate(chart.get("at_risk") or ())],
    }  # fmt: skip


def _begins_at_zero(values: Sequence[float], steps: bool) -> bool:
    """A survival curve always; lines unless all of them lie far above it, so that their changes can be seen."""
    return steps or not values or min(values) < max(values) / 2


def _is_by_day(series: Sequence[Mapping[str, Any]]) -> bool:
    return any(isinstance(point.get("x"), str) for each in series for point in each.get("points") or ())


def _x(value: Any) -> float | None:
    if isinstance(value, str):
        try:
            return float(date.fromisoformat(value[:10]).toordinal())
        except ValueError:
            return None
    return scales.number_of(value)


def _x_axis(xs: Sequence[float], by_day: bool) -> tuple[Scale, list[Tick]]:
    """The scale across and its ticks. A curve over days ends at its last point, one over numbers too."""
    if not xs:
        return Scale(0, 1), []
    low, high = min(xs), max(xs)
    if not by_day:
        whole = all(x == int(x) for x in xs)
        _, ticks = scales.nice_scale([low, high], zero=False, most=scales.MOST, whole=whole)
        scale = Scale(low, high if high > low else low + 1)
        return scale, scales.number_ticks(scale, [each for each in ticks if low <= each <= high])
    first, last = date.fromordinal(int(low)), date.fromordinal(int(high))
    scale, span = Scale(low, high if high > low else low + 1), (last - first).days
    days = scales.day_ticks(first, last) or [first]
    many = len(days) > 5
    ticks = []
    for place, each in enumerate(days):
        at = scale.at(each.toordinal())
        ticks.append(Tick(at, scales.label_of_day(each, span), scales.anchor_of(at), many and place % 2 == 1))
    return scale, ticks


def _draw_series(
    series: Mapping[str, Any], place: int, across: Scale, up: Scale, chart: Mapping[str, Any], kind: Any
) -> dict[str, Any]:
    steps, unit = bool(chart.get("steps")), chart.get("unit", "")
    points = [point for each in series.get("points") or () if (point := _point(each, across, up, kind, unit)) is not None]
    parts = _unbroken(points)
    few = _few_from(points) if steps else len(points)
    done = [[each for each in part if not each["incomplete"]] for part in (_unbroken(points[:few]) if steps else parts)]
    return {
        "name": series.get("name", ""), "style": place % STYLES + 1,
        "path": " ".join(_path(part, steps) for part in done if len(part) > 1),
        "few_path": _path(points[few - 1 :], steps) if 0 < few < len(points) else "",
        "open_path": " ".join(_path(part, False) for part in map(_open_part, parts) if len(part) > 1),
        "band": " ".join(_band(part, steps) for part in parts if any(each["low"] is not None for each in part)),
        "marks": [each for part in parts for each in part] if len(points) <= MOST_MARKS and not steps else [],
        "last": points[-1] if points else None,
    }  # fmt: skip


def _point(point: Mapping[str, Any], across: Scale, up: Scale, kind: Any, unit: str) -> dict[str, Any] | None:
    """One point in percent; y None is a gap."""
    x, y = _x(point.get("x")), scales.number_of(point.get("y"))
    if x is None:
        return None
    low, high = scales.number_of(point.get("low")), scales.number_of(point.get("high"))
    behind = point.get("behind")
    return {
        "x": across.at(x), "y": None if y is None else up.up(y), "low": None if low is None else up.up(low),
        "high": None if high is None else up.up(high), "incomplete": bool(point.get("incomplete")),
        "at_risk": scales.number_of(point.get("at_risk")),
        "title": _title(point, kind, unit), "cell": cell_text(behind) if isinstance(behind, Mapping) and behind else "",
    }  # fmt: skip


def _title(point: Mapping[str, Any], kind: Any, unit: str) -> str:
    """What a point says when asked."""
    x = point.get("x")
    name = writing.write_day(x) if isinstance(x, str) else writing.write(x, "number")
    words = [f"{name}: {writing.write(point.get('y'), kind, unit)}"]
    if point.get("low") is not None and point.get("high") is not None:
        words.append(f"95 % interval {writing.write_interval([point['low'], point['high']], kind, unit)}")
    if point.get("at_risk") is not None:
        words.append(f"{writing.write(point['at_risk'], 'count')} at risk")
    if point.get("incomplete"):
        words.append("incomplete")
    return ", ".join(words)


def _unbroken(points: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Runs of points that have a value."""
    found: list[list[dict[str, Any]]] = [[]]
    for point in points:
        if point["y"] is None:
            found.append([])
        else:
            found[-1].append(point)
    return [part for part in found if part]


def _open_part(part: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The end of a run that is incomplete, with the last complete point before it so that the line holds together."""
    first = next((place for place, each in enumerate(part) if each["incomplete"]), None)
    return [] if first is None else list(part[max(0, first - 1) :])


def _path(part: Sequence[dict[str, Any]], steps: bool) -> str:
    first, *rest = part
    draw = (lambda each: f"H{each['x']} V{each['y']}") if steps else (lambda each: f"L{each['x']} {each['y']}")
    return " ".join([f"M{first['x']} {first['y']}", *map(draw, rest)])


def _band(part: Sequence[dict[str, Any]], steps: bool) -> str:
    """Along the upper ends and back along the lower ones."""
    inside = [each for each in part if each["low"] is not None and each["high"] is not None]
    if len(inside) < 2:
        return ""
    if not steps:
        forth = " ".join(f"{'M' if place == 0 else 'L'}{each['x']} {each['high']}" for place, each in enumerate(inside))
        return forth + " " + " ".join(f"L{each['x']} {each['low']}" for each in reversed(inside)) + " Z"
    forth = f"M{inside[0]['x']} {inside[0]['high']} " + " ".join(f"H{each['x']} V{each['high']}" for each in inside[1:])
    back = [f"V{inside[-1]['low']}"]
    for place in range(len(inside) - 1, 0, -1):
        back += [f"V{inside[place - 1]['low']}", f"H{inside[place - 1]['x']}"] if place else []
    return f"{forth} {' '.join(back)} Z"


def _at_risk(row: Mapping[str, Any], place: int, across: Scale) -> dict[str, Any]:
    at = [(x, n) for x, n in ((_x(pair[0]), pair[1]) for pair in row.get("at") or ()) if x is not None]
    return {
        "name": row.get("name", ""), "style": place % STYLES + 1,
        "at": [Tick(across.at(x), writing.write(n, "count"), scales.anchor_of(across.at(x))) for x, n in _few(at)],
    }  # fmt: skip


def _ticks_of_counts(chart: Mapping[str, Any], across: Scale) -> list[Tick]:
    """Ticks where numbers at risk are given at even distances, so that each number stands below its tick; else nothing."""
    rows = chart.get("at_risk") or ()
    longest: Sequence[Any] = max((row.get("at") or () for row in rows), key=len, default=())
    places = [x for x, _ in _few([(x, n) for x, n in ((_x(pair[0]), pair[1]) for pair in longest) if x is not None])]
    if len(places) < 3 or len({round(after - before, 6) for before, after in itertools.pairwise(places)}) != 1:
        return []
    return scales.number_ticks(across, [each for each in places if across.low <= each <= across.high])


def _few_from(points: Sequence[dict[str, Any]]) -> int:
    """The first point from which on few are watched; the number of points when that never is so or nobody counted."""
    first = next((each["at_risk"] for each in points if each["at_risk"]), None)
    if first is None or any(each["y"] is None for each in points):
        return len(points)
    least = first * FEW_SHARE
    return next((place for place, each in enumerate(points) if (each["at_risk"] or 0) < least), len(points))


def _few(pairs: Sequence[tuple[float, Any]]) -> Sequence[tuple[float, Any]]:
    """At most eight of them, evenly, so that numbers do not run into each other."""
    step = -(-len(pairs) // scales.MOST)
    return pairs[:: max(1, step)]
