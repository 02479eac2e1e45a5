"""The one or two figures that stand for a whole result on the first page, picked from its document. Pure.

They are numbers that the result's own page shows, never new ones: a figure without a value is left away.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from analytics.analyses import finding

Figure = Mapping[str, Any]
"""As in a block of figures: label, value, kind, unit."""
MOST = 3


def headline_of(kind: str, document: Mapping[str, Any]) -> list[Figure]:
    """At most three figures of a document; those of its first block of figures for a kind that has no rule."""
    pick = PICKED.get(kind, _figures)
    return [each for each in pick(document) if each.get("value") is not None][:MOST]


def _chart(document: Mapping[str, Any], type_: str) -> Mapping[str, Any]:
    """The first chart of a type that has something to show."""
    blocks = document.get("blocks") or ()
    shown = (each.get("chart") or {} for each in blocks if each.get("chart_type") == type_ and not each.get("empty"))
    return next(shown, {})


def _figures(document: Mapping[str, Any]) -> list[Figure]:
    """Figures of the first block of figures."""
    return list(_chart(document, "figures").get("figures") or ())


def _drivers(document: Mapping[str, Any]) -> list[Figure]:
    """What was found, and on how many."""
    order = {"Robust associations": 0, "Accounts": 2}
    found = [each for each in _figures(document) if each.get("label") != "Tested"]
    return sorted(found, key=lambda each: order.get(str(each.get("label")), 1))


def _of_row(document: Mapping[str, Any], block: str, wanted: Mapping[str, str], row: str = "") -> list[Figure]:
    """Cells of one row of a table by column: the row that begins with `row`, else the first one."""
    part = finding.block_of(document, block)
    if part is None or part.get("empty"):
        return []
    columns = {each["key"]: each for each in part.get("columns") or ()}
    rows: Sequence[Mapping[str, Any]] = part.get("rows") or ()
    first = next(iter(columns), "")
    chosen = next((each for each in rows if not row or each.get(first) == row), None)
    if chosen is None:
        return []
    return [
        {"label": label, "value": chosen.get(key), "kind": columns[key].get("kind"), "unit": columns[key].get("unit", "")}
        for key, label in wanted.items() if key in columns
    ]  # fmt: skip


def _heat_map(document: Mapping[str, Any]) -> list[Figure]:
    """Of the summary row: the first period after the start, and the last that is complete."""
    chart = _chart(document, "heatmap")
    summary = next(iter(chart.get("rows") or ()), {})
    periods = list(zip(chart.get("columns") or (), summary.get("cells") or (), strict=False))[1:]
    known = [
        (_period(name), cell["rate"])
        for name, cell in periods
        if cell and cell.get("rate") is not None and not cell.get("complete_on")
    ]
    chosen = dict([*known[:1], *known[-1:]])
    return [{"label": name, "value": rate, "kind": "rate", "unit": ""} for name, rate in chosen.items()]


def _period(name: str) -> str:
    return f"Month {name}" if str(name).isdigit() else str(name)


def _funnel(document: Mapping[str, Any]) -> list[Figure]:
    """How many mature trials went how far."""
    part = finding.block_of(document, "steps")
    steps = (part.get("chart") or {}).get("steps") or () if part is not None and not part.get("empty") else ()
    if not steps:
        return []
    rates = [{"label": each.get("label"), "value": each.get("rate"), "kind": "rate"} for each in steps[1:]]
    return [*reversed(rates), {"label": "Mature trials", "value": steps[0].get("n"), "kind": "count"}]


def _campaigns(document: Mapping[str, Any]) -> list[Figure]:
    """Everybody touched, and who answered."""
    part = finding.block_of(document, "types")
    rows = (part.get("rows") or ()) if part is not None and not part.get("empty") else ()
    touched, answered = (sum(row.get(key) or 0 for row in rows) for key in ("people", "responded"))
    if not touched:
        return []
    return [
        {"label": "Touched", "value": touched, "kind": "count"},
        {"label": "Responded", "value": answered / touched, "kind": "rate"},
    ]


PICKED: Mapping[str, Callable[[Mapping[str, Any]], list[Figure]]] = {
    "drivers": _drivers,
    "retention": _heat_map,
    "revenue_cohorts": _heat_map,
    "funnel": _funnel,
    "campaigns": _campaigns,
    "survival": lambda document: _of_row(document, "groups", {"year": "Still there after a year", "events": "Churned"}),
    "cohorts": lambda document: _of_row(document, "groups", {"kept_rate": "Retention", "converted_rate": "Conversion"}),
    "support": lambda document: _of_row(document, "types", {"n": "Tickets", "median": "Median days to close"}),
    "scores": lambda document: _of_row(document, "windows", {"score": "NPS, 30 days", "n": "Answers"}, "Last 30 days"),
}
