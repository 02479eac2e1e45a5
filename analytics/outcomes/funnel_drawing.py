"""The trial funnel as steps, months, open trials and groups; rates of mature trials only."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from analytics.analyses.documents import Block, Column
from analytics.outcomes import statistics
from analytics.outcomes.funnel_steps import Incidence, Judged, Rate, Rules, count, incidence
from analytics.outcomes.groupings import group_of

FEWEST, FEWEST_AT_RISK, POINTS = 20, 10, 120
STEPS: dict[str, Callable[[Judged], bool]] = {
    "began": lambda each: True, "activated": lambda each: each.is_activated, "paid": lambda each: each.is_paid,
    "lost": lambda each: each.state == "lost", "open": lambda each: each.state == "open",
    "unactivated": lambda each: each.paid_unactivated,
}  # fmt: skip
LABELS = {"began": "Trial started", "activated": "Activated", "paid": "Paid"}


def steps(trials: Sequence[Judged], rules: Rules) -> Block:
    """The funnel of mature trials."""
    found = count(trials)
    numbers = {"began": found.began, "activated": found.activated, "paid": found.paid}
    if not rules.needs_activation:
        del numbers["activated"]
    rows, before = [], found.began
    enough = found.began >= FEWEST
    for step, n in numbers.items():
        rows.append({
            "step": LABELS[step], "n": n, "rate": _rate(n, found.began, enough), "interval": _interval(n, found.began, enough),
            "of_before": _rate(n, before, enough), "_behind": {"step": step, "mature": True},
        })  # fmt: skip
        before = n
    drawn = [{"label": row["step"], "n": row["n"], "rate": row["rate"], "note": "", "behind": row["_behind"]} for row in rows]
    return Block(
        "steps", "Mature trials", explain="Trials whose time to pay is over, and how far they came.", chart_type="steps",
        chart={"steps": drawn}, rows=rows, notes=() if enough else (_few(found),),
        columns=(
            Column("step", "Step"), Column("n", "Customers", "count", "customers"), Column("rate", "Of all trials", "rate"),
            Column("interval", "95 % interval", "interval"), Column("of_before", "Of the step before", "rate"),
        ),
        empty="" if found.began else "Not enough data: 0 trials are mature; the months below say when the first ones are.",
    )  # fmt: skip


def months(trials: Sequence[Judged], rules: Rules) -> Block:
    """Trials by the month of their start; a month is complete once all its trials are mature."""
    by_month: dict[str, list[Judged]] = defaultdict(list)
    for each in trials:
        by_month[each.trial.began.strftime("%Y-%m")].append(each)
    rows = [_month(name, by_month[name]) for name in sorted(by_month)]
    return Block(
        "months", "Trials by month", explain="Rates of mature trials. A month is complete once all its trials are mature.",
        rows=rows,
        columns=(
            Column("month", "Month"), Column("began", "Started", "count", "customers"),
            Column("mature", "Mature", "count", "customers"),
            Column("activated", "Activated", "count", "customers"), Column("paid", "Paid", "count", "customers"),
            Column("rate", "Paid of mature", "rate"), Column("interval", "95 % interval", "interval"),
            Column("complete_on", "Complete on", "day"),
        ),
        notes=(f"Months with fewer than {FEWEST} mature trials show counts only: not enough data for a rate.",),
        empty="" if rows else "Not enough data: 0 trials began in these months.",
    )  # fmt: skip


def _month(name: str, listed: Sequence[Judged]) -> dict[str, Any]:
    found = count(listed)
    enough = found.began >= FEWEST
    open_until = [each.closes for each in listed if not each.is_mature]
    cell = {"month": name, "mature": True}
    return {
        "month": name, "began": len(listed), "mature": found.began, "activated": found.activated, "paid": found.paid,
        "rate": _rate(found.paid, found.began, enough), "interval": _interval(found.paid, found.began, enough),
        "complete_on": _midnight(max(open_until)) if open_until else None, "_behind": {"step": "began", "month": name},
        "_behind:mature": {"step": "began", **cell}, "_behind:activated": {"step": "activated", **cell},
        "_behind:paid": {"step": "paid", **cell}, "_behind:rate": {"step": "paid", **cell},
    }  # fmt: skip


def _midnight(closes: Any) -> str:
    """The first UTC day on whose midnight the instant has passed."""
    whole = closes.replace(hour=0, minute=0, second=0, microsecond=0)
    return (whole if whole == closes else whole + timedelta(days=1)).date().isoformat()


def waiting(trials: Sequence[Judged], rules: Rules) -> list[Block]:
    """Open trials, and the time to conversion of all."""
    listed = [each for each in trials if not each.is_mature]
    paid = sum(each.is_paid for each in listed)
    figures = [
        ("Open trials", len(listed), {"step": "began"}),
        ("Already paid", paid, {"step": "paid"}),
        ("Activated", sum(each.is_activated for each in listed), {"step": "activated"}),
    ]
    shown = figures if rules.needs_activation else figures[:2]
    open_block = Block(
        "open", "Open trials", explain="Their time to pay is not over, so they are in no rate above.", chart_type="figures",
        chart={"figures": [
            {"label": label, "value": n, "kind": "count", "unit": "customers", "low": None, "high": None, "note": "",
             "behind": {**cell, "mature": False}}
            for label, n, cell in shown
        ]},
        columns=(Column("figure", "Figure"), Column("n", "Customers", "count", "customers")),
        rows=[{"figure": label, "n": n, "_behind": {**cell, "mature": False}} for label, n, cell in shown],
    )  # fmt: skip
    return [open_block, _curve(trials)]


def _curve(trials: Sequence[Judged]) -> Block:
    found = incidence([each.days for each in trials], [each.state for each in trials])
    drawn = [each for each in found if each.at_risk >= FEWEST_AT_RISK]
    points = [Incidence(0.0, 0.0, 0.0, 0.0, len(trials)), *_thinned(drawn)]
    rows = [
        {"day": each.time, "share": each.value, "interval": [each.low, each.high], "at_risk": each.at_risk} for each in points
    ]
    empty = ""
    if len(trials) < FEWEST or not drawn:
        paid = sum(each.is_paid for each in trials)
        empty = f"Not enough data: {len(trials)} trials, {paid} of them paid; {FEWEST} trials are needed."
    return Block(
        "curve", "Time to conversion", chart_type="lines",
        explain="The share of all trials, open ones too, that has paid by a day since the start (Aalen-Johansen): open trials "
        "count as long as they were watched, and a trial whose time to pay is over is lost.",
        chart={
            "x_label": "Days since the start of the trial", "y_kind": "rate", "unit": "", "steps": True,
            "series": [{"name": "Paid", "points": [
                {"x": each.time, "y": each.value, "low": each.low, "high": each.high, "at_risk": each.at_risk,
                 "incomplete": False}
                for each in points
            ]}],
            "at_risk": [{"name": "Watched", "at": [[each.time, each.at_risk] for each in _thinned(points, 6)]}],
        },
        columns=(
            Column("day", "Day", "number", "days"), Column("share", "Paid", "rate"),
            Column("interval", "95 % limits", "interval"),
            Column("at_risk", "Watched", "count", "customers"),
        ),
        rows=rows, notes=(f"The curve ends where fewer than {FEWEST_AT_RISK} trials are watched.",), empty=empty,
    )  # fmt: skip


def _thinned(points: Sequence[Incidence], most: int = POINTS) -> list[Incidence]:
    """At most so many of them, evenly, with the last."""
    step = max(-(-len(points) // most), 1)
    kept = list(points[::step])
    return kept if not points or kept[-1] == points[-1] else [*kept, points[-1]]


def groups(trials: Sequence[Judged], rules: Rules, shown: Sequence[str], label: str) -> Block:
    """Mature trials by an attribute as it was when they began, with the test that all convert alike."""
    parts = {name: count(each for each in trials if group_of(each.trial.group, shown) == name) for name in shown}
    rows = [_group(name, found) for name, found in parts.items()]
    tested = statistics.chi2_of([[found.paid, found.began - found.paid] for found in parts.values() if found.began >= FEWEST])
    notes = [
        f"{label} as it was when the trial began. Groups under {FEWEST} mature trials show counts only. Association, not proof."
    ]
    if tested is not None:
        notes.append(f"Chi-square test that all groups of {FEWEST} and more convert alike: p = {tested.p:.3g}.")
    return Block(
        "groups", f"By {label.lower()}", rows=rows, notes=notes,
        columns=(
            Column("group", label), Column("mature", "Mature", "count", "customers"),
            Column("activated", "Activated", "count", "customers"), Column("paid", "Paid", "count", "customers"),
            Column("rate", "Paid of mature", "rate"), Column("interval", "95 % interval", "interval"),
        ),
        empty="" if rows else "Not enough data: 0 trials began in these months.",
    )  # fmt: skip


def _group(name: str, found: Rate) -> dict[str, Any]:
    enough = found.began >= FEWEST
    cell = {"group": name, "mature": True}
    return {
        "group": name, "mature": found.began, "activated": found.activated, "paid": found.paid,
        "rate": _rate(found.paid, found.began, enough), "interval": _interval(found.paid, found.began, enough),
        "_behind": {"step": "began", **cell}, "_behind:activated": {"step": "activated", **cell},
        "_behind:paid": {"step": "paid", **cell}, "_behind:rate": {"step": "paid", **cell},
    }  # fmt: skip


def _rate(k: int, n: int, enough: bool) -> float | None:
    return statistics.rate(k, n) if enough else None


def _interval(k: int, n: int, enough: bool) -> list[float] | None:
    found = statistics.wilson(k, n) if enough else None
    return list(found) if found else None


def _few(found: Rate) -> str:
    return f"Not enough data for rates: {found.began} mature trials, {FEWEST} are needed."
