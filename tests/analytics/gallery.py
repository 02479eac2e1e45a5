"""A document with every type of block, in the shapes that the kinds of analyses make, and the kind that gives it."""

import math
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from analytics.analyses.documents import Block, Column, Document
from analytics.analyses.kinds import AnalysisKind, Asked
from tests.analytics.analysis_world import PARAMETERS, behind, read

MONTHS = [date(2025 + (10 + n) // 12, (10 + n) % 12 + 1, 1) for n in range(12)]
ALL = {"by": "industry", "value": None}


def heatmap() -> Block:
    """Retention by cohort: the last cells are incomplete, one cohort is too small for rates."""
    rows: list[dict[str, Any]] = []
    flat: list[dict[str, Any]] = []
    for number, month in enumerate(MONTHS[:9]):
        size = 12 if number == 3 else 60 + 7 * number
        cells: list[dict[str, Any] | None] = []
        for k in range(9):
            if k + number > 9:
                cells.append(None)
                continue
            kept = round(size * (0.3 + 0.66 * math.exp(-k / 3)) * (1 - 0.02 * (number % 3)))
            rate = None if size < 20 else kept / size
            cell = {"rate": rate, "low": rate and rate - 0.08, "high": rate and min(1.0, rate + 0.07), "n": size, "kept": kept,
                    "complete_on": "2026-11-30" if k + number == 9 else None, "behind": ALL | {"k": k}}  # fmt: skip
            cells.append(cell)
            flat.append({"cohort": f"{month:%Y-%m}", "k": k, "n": size, "kept": kept, "rate": rate,
                         "ci": None if rate is None else [cell["low"], cell["high"]], "_behind:kept": ALL | {"k": k}})  # fmt: skip
        rows.append({"label": f"{month:%Y-%m}", "size": size, "cells": cells})
    chart = {"x_label": "Month", "y_label": "Cohort", "columns": [f"Month {k}" for k in range(9)], "rows": rows}
    columns = (Column("cohort", "Cohort"), Column("k", "Month", "count"), Column("n", "Size", "count"),
               Column("kept", "Retained", "count"), Column("rate", "Retention", "rate"), Column("ci", "95 % interval", "interval"))  # fmt: skip
    return Block("triangle", "Retention by cohort", "Share of customers that came back in a month after their start.",
                 "heatmap", chart, columns, flat, notes=["The summary leaves out cells that can still grow."])  # fmt: skip


def curve(names: tuple[str, ...]) -> Block:
    """Kaplan-Meier curves with bands and numbers at risk."""
    series, risk, flat = [], [], []
    for place, name in enumerate(names):
        points, at = [], []
        for day in range(0, 361, 15):
            y = math.exp(-day / (420 + 260 * place))
            wide = 0.02 + day / 6000
            n = round(240 * y * (1 - day / 700))
            points.append({"x": day, "y": y, "low": max(0, y - wide), "high": min(1, y + wide), "at_risk": n})
            flat.append({"name": name, "day": day, "s": y, "ci": [points[-1]["low"], points[-1]["high"]], "n": n})
            if day % 60 == 0:
                at.append([day, n])
        series.append({"name": name, "points": points})
        risk.append({"name": name, "at": at})
    chart = {"x_label": "Days since paid start", "y_kind": "rate", "steps": True, "series": series, "at_risk": risk}
    columns = (Column("name", "Group"), Column("day", "Day", "count"), Column("s", "Still customers", "rate"),
               Column("ci", "95 % interval", "interval"), Column("n", "At risk", "count"))  # fmt: skip
    return Block("survival", "Survival by plan", "Share of customers that still pay, by days since they began.", "lines", chart,
                 columns, flat)  # fmt: skip


def lines() -> Block:
    """Two lines over months, the last point incomplete."""
    series = []
    for place, name in enumerate(("Net revenue retention", "Gross revenue retention")):
        series.append({"name": name, "points": [
            {"x": month.isoformat(), "y": (1.08 if place == 0 else 0.91) + 0.02 * math.sin(n / 2 + place), "incomplete": n == 11}
            for n, month in enumerate(MONTHS)
        ]})  # fmt: skip
    rows = [{"month": month.isoformat(), "nrr": series[0]["points"][n]["y"], "grr": series[1]["points"][n]["y"]}
            for n, month in enumerate(MONTHS)]  # fmt: skip
    columns = (Column("month", "Month", "day"), Column("nrr", "NRR", "rate"), Column("grr", "GRR", "rate"))
    return Block("nrr", "Net and gross revenue retention", chart_type="lines",
                 chart={"x_label": "", "y_kind": "rate", "series": series}, columns=columns, rows=rows)  # fmt: skip


def forest(nasty: str = "") -> Block:
    """Adjusted differences beside raw ones."""
    told = [
        (f"Invited a colleague{nasty}", 0.118, 0.071, 0.166, 0.21, 133, 279, "Robust association", "ok"),
        ("Connected Slack", 0.064, 0.021, 0.107, 0.083, 98, 314, "Robust association", "ok"),
        ("Exported a report", 0.012, -0.021, 0.046, 0.092, 201, 211, "Explained by account type or overall activity", "warn"),
        ("Opened the newsletter at least once in the first 30 days", 0.004, 0.001, 0.008, 0.006, 260, 152, "Weak", "info"),
        ("Ticket: billing", -0.052, -0.093, -0.012, -0.07, 60, 352, "Robust association", "ok"),
    ]
    rows = [
        {"key": f"b{n}", "label": each[0], "estimate": each[1], "low": each[2], "high": each[3], "raw": each[4], "raw_low": each[4] - 0.05,
         "raw_high": each[4] + 0.05, "with": each[5], "without": each[6], "verdict": each[7], "tone": each[8], "url_key": f"b{n}"}
        for n, each in enumerate(told)
    ]  # fmt: skip
    columns = (Column("label", "Behavior"), Column("estimate", "Adjusted difference", "points"), Column("ci", "95 % interval", "interval"),
               Column("raw", "Raw difference", "points"), Column("verdict", "Verdict"))  # fmt: skip
    flat = [row | {"ci": [row["low"], row["high"]]} for row in rows]
    return Block("drivers", "What goes with conversion", "After allowing for size, industry, source and overall activity.", "forest",
                 {"unit_kind": "points", "floor": 0.01, "rows": rows}, columns, flat, notes=["Association, not proof."])  # fmt: skip


def waterfall() -> Block:
    """Movements of MRR in a month."""
    told = [("MRR on Oct 1", "84210.50", "total"), ("New", "6120.00", "up"), ("Expansion", "3480.25", "up"), ("Reactivation", "450.00", "up"),
            ("Contraction", "1210.75", "down"), ("Churn", "2890.00", "down"), ("MRR on Nov 1", "90160.00", "total")]  # fmt: skip
    steps = [{"label": label, "value": value, "role": role, "behind": ALL} for label, value, role in told]
    columns = (Column("label", "Movement"), Column("value", "MRR", "money", "EUR"))
    return Block("fall", "MRR in October 2026", "Every movement opens to its customers.", "waterfall", {"unit": "EUR", "steps": steps},
                 columns, [step | {"_behind": ALL} for step in steps])  # fmt: skip


def bars(nasty: str = "") -> list[Block]:
    """Months as columns, long labels as rows with intervals."""
    months = {"y_kind": "count", "categories": [f"{month:%b %y}" for month in MONTHS],
              "series": [{"name": "Created", "values": [20 + n * n % 13 for n in range(12)]},
                         {"name": "Closed", "values": [18 + n * 7 % 11 for n in range(12)]}]}  # fmt: skip
    names = ["Direct sale", "Marketing", "Organic search", f"A partner with a long name{nasty}"]
    rates = [0.61, 0.42, 0.377, 0.18]
    shares = {"y_kind": "rate", "categories": names, "series": [{"name": "Converted", "values": rates}],
              "low": [0.52, 0.36, 0.3, 0.09], "high": [0.69, 0.48, 0.46, 0.31]}  # fmt: skip
    month_rows = [{"m": months["categories"][n], "a": months["series"][0]["values"][n], "b": months["series"][1]["values"][n]}
                  for n in range(12)]  # fmt: skip
    share_rows = [{"name": name, "rate": rates[n], "ci": [shares["low"][n], shares["high"][n]], "_behind": ALL}
                  for n, name in enumerate(names)]  # fmt: skip
    return [
        Block("tickets", "Tickets by month", chart_type="bars", chart=months,
              columns=(Column("m", "Month"), Column("a", "Created", "count"), Column("b", "Closed", "count")), rows=month_rows),
        Block("sources", "Conversion by source", chart_type="bars", chart=shares,
              columns=(Column("name", "Source"), Column("rate", "Converted", "rate"), Column("ci", "95 % interval", "interval")),
              rows=share_rows),
    ]  # fmt: skip


def figures() -> Block:
    """Headlines."""
    listed = [
        {"label": "MRR", "value": "90160.00", "kind": "money", "unit": "EUR", "behind": ALL},
        {"label": "Net revenue retention", "value": 1.0834, "kind": "rate", "note": "12 months"},
        {"label": "Trial conversion", "value": 0.385, "kind": "rate", "low": 0.33, "high": 0.442},
        {"label": "Median time to churn", "value": None, "kind": "number", "unit": "days", "note": "not reached"},
    ]
    rows = [{"label": each["label"], "value": str(each["value"])} for each in listed]
    return Block("headlines", "Headlines", chart_type="figures", chart={"figures": listed},
                 columns=(Column("label", "Figure"), Column("value", "Value")), rows=rows)  # fmt: skip


def funnel() -> Block:
    """Trial funnel."""
    told = [("Trial started", 412, None), ("Activated", 268, 0.65), ("Paid", 133, 0.496)]
    steps = [
        {"label": label, "n": n, "rate": rate, "note": "mature trials" if not rate else "", "behind": ALL}
        for label, n, rate in told
    ]
    columns = (Column("label", "Step"), Column("n", "Accounts", "count"), Column("rate", "Of the step before", "rate"))
    return Block("funnel", "Trial funnel", "Only trials whose window has closed.", "steps", {"steps": steps}, columns, steps)


def gallery(as_of: str = "2026-11-01", nasty: str = "") -> Document:
    """Everything at once."""
    return Document(
        title="Gallery", as_of=as_of, population=412, population_words=f"Accounts with a trial since November 2025{nasty}.",
        excluded=({"reason": "too young", "n": 31, "words": "31 accounts whose window has not closed yet."},
                  {"reason": "no start", "n": 4, "words": "4 accounts without a start date."}),
        blocks=(figures(), heatmap(), curve(("Pro", "Team", f"Enterprise{nasty}")), lines(), forest(nasty), waterfall(), funnel(),
                *bars(nasty),
                Block("table", "A table alone", columns=(Column("k", "Key"), Column("p", "p", "p")),
                      rows=[{"k": f"x{nasty}", "p": 0.00001}, {"k": "y", "p": 0.04449}]),
                Block("short", "Drivers of churn", empty="Not enough data: 12 accounts, 200 are needed.")),
        notes=("Association, not proof.",), definition="retention",
    )  # fmt: skip


def make_kind(nasty: str = "") -> AnalysisKind:
    """The kind that gives it."""

    def compute(engine: Any, asked: Asked) -> Document:
        return gallery(asked.as_of.date().isoformat(), nasty)

    def customers(engine: Any, asked: Asked, cell: Mapping[str, Any]) -> Any:
        return behind(engine, asked, cell)

    return AnalysisKind(
        name="gallery", label=f"Gallery{nasty}", title=f"Every chart{nasty}", question="What does each type of block look like?",
        parameters=PARAMETERS, read=read, compute=compute, behind=customers,
    )  # fmt: skip


def in_days(day: date, days: int) -> str:
    """A day as the documents have it."""
    return (day + timedelta(days=days)).isoformat()
