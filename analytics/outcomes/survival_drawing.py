"""Survival as curves with bands, numbers at risk, medians and the test between groups."""

from typing import Any

from analytics.analyses.documents import Block, Column
from analytics.outcomes.survival_curves import FEWEST_AT_RISK, Curve, kaplan_meier, log_rank
from analytics.outcomes.survival_times import Lives

POINTS, TICKS = 120, 8
FEWEST_OF_A_GROUP = 10
STEPS = (1, 7, 30, 90, 180, 365)


def blocks(lives: Lives, empty: str) -> list[Block]:
    """Curve, figures of each group, and the test; or one block that says why there is nothing."""
    if empty:
        return [Block("curve", "Who is still there", empty=empty)]
    curves = _curves(lives)
    small = [name for name in lives.shown if name not in curves]
    found = [_curve_block(curves, small), _medians(curves)]
    if len(curves) > 1:
        found.append(_test(lives, curves))
    return found


def _curves(lives: Lives) -> dict[str, Curve]:
    """A curve for each group of ten or more."""
    found = {}
    for name in lives.shown:
        places = [place for place, group in enumerate(lives.groups) if group == name]
        if len(places) >= FEWEST_OF_A_GROUP:
            found[name] = kaplan_meier(*(_chosen(each, places) for each in (lives.lasted, lives.churned, lives.came)))
    return found


def _chosen(values: list[int], places: list[int]) -> list[int]:
    return [values[place] for place in places]


def _grid(until: float, wanted: int) -> list[int]:
    """Days from 0 on, at most so many, at a distance that people count in."""
    step = next((each for each in STEPS if until / each <= wanted), int(until / wanted) + 1)
    return list(range(0, int(until) + 1, step))


def _curve_block(curves: dict[str, Curve], small: list[str]) -> Block:
    until = {name: curve.drawn_until for name, curve in curves.items()}
    ticks = _grid(max(until.values(), default=0), TICKS)
    series, rows = [], []
    for name, curve in curves.items():
        days = sorted({*_grid(until[name], POINTS), int(until[name])})
        points = []
        for day in days:
            value, low, high = curve.at(day)
            n = curve.at_risk(day)
            points.append({"x": day, "y": value, "low": low, "high": high, "at_risk": n, "incomplete": False})
            rows.append({
                "group": name, "day": day, "survival": value, "interval": [low, high], "at_risk": n,
                "_behind": {"group": name, "what": "at_risk", "day": day},
            })  # fmt: skip
        series.append({"name": name, "points": points})
    notes = [f"A curve ends where fewer than {FEWEST_AT_RISK} customers are at risk."]
    if small:
        notes.append(f"Not enough data for a curve (fewer than {FEWEST_OF_A_GROUP} customers): {', '.join(small)}.")
    at_risk = [{"name": name, "at": [[day, curve.at_risk(day)] for day in ticks]} for name, curve in curves.items()]
    return Block(
        "curve", "Who is still there", explain="The share that has not churned by a day since the start, with 95 % limits.",
        chart_type="lines",
        chart={"x_label": "Days", "y_kind": "rate", "unit": "", "steps": True, "series": series, "at_risk": at_risk},
        columns=(
            Column("group", "Group"), Column("day", "Day", "count", "days"), Column("survival", "Still there", "rate"),
            Column("interval", "95 % limits", "interval"), Column("at_risk", "At risk", "count", "customers"),
        ),
        rows=rows, notes=notes, empty="" if curves else notes[-1],
    )  # fmt: skip


def _medians(curves: dict[str, Curve]) -> Block:
    rows = [_median_row(name, curve) for name, curve in curves.items()]
    return Block(
        "groups", "Groups", explain="The median is the first day on which half or fewer are still there.",
        columns=(
            Column("group", "Group"), Column("n", "Customers", "count", "customers"),
            Column("events", "Churned", "count", "customers"),
            Column("median", "Median", "text", "days"), Column("limits", "95 % limits of the median"),
            Column("year", "Still there after 365 days", "rate"), Column("interval", "95 % limits", "interval"),
        ),
        rows=rows,
        notes=("A median that is not reached is a result: more than half are still there where the curve ends.",),
    )  # fmt: skip


def _median_row(name: str, curve: Curve) -> dict[str, Any]:
    value, low, high = curve.at(365)
    is_known = curve.at_risk(365) >= FEWEST_AT_RISK
    return {
        "group": name, "n": curve.n, "events": curve.events, "median": _days(curve.median, curve),
        "limits": f"{_days(curve.median_low, curve)} to {_days(curve.median_high, curve)}", "year": value if is_known else None,
        "interval": [low, high] if is_known else None, "_behind": {"group": name, "what": "all"},
        "_behind:events": {"group": name, "what": "churned"}, "_behind:year": {"group": name, "what": "at_risk", "day": 365},
    }  # fmt: skip


def _days(value: float | None, curve: Curve) -> str:
    """A day on which enough are still watched; where fewer are, the curve has ended and nothing is said."""
    return "not reached" if value is None or value > curve.drawn_until else f"{value:,.0f} days"


def _test(lives: Lives, curves: dict[str, Curve]) -> Block:
    places = [place for place, group in enumerate(lives.groups) if group in curves]
    lasted, churned, came = (_chosen(each, places) for each in (lives.lasted, lives.churned, lives.came))
    tested = log_rank(lasted, churned, [lives.groups[place] for place in places], came)
    columns = (
        Column("test", "Test"), Column("statistic", "Statistic", "number"), Column("freedom", "Degrees of freedom", "count"),
        Column("p", "p", "p"),
    )  # fmt: skip
    if tested is None:
        return Block("test", "Do the groups differ?", columns=columns, empty="Not enough data: nobody churned in these groups.")
    row = {"test": tested.name, "statistic": tested.statistic, "freedom": len(curves) - 1, "p": tested.p}
    return Block(
        "test", "Do the groups differ?", explain="Two-sided test that all groups stay alike over the whole time.",
        columns=columns, rows=(row,), notes=("Association, not proof: groups may differ in other ways, too.",),
    )  # fmt: skip
