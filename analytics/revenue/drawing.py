"""Blocks of the report on recurring revenue. Every number opens to the customers behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from analytics.analyses.documents import Block, Column
from analytics.models import FactsState
from analytics.outcomes.groupings import OTHERS
from analytics.revenue import calendar
from analytics.revenue.calendar import Period
from analytics.revenue.counting import Month
from analytics.revenue.flows import DOWN, UP, Flow, Kept, as_float, money
from integrations.models import SalesforceOrg

LABELS = {
    "start": "MRR at the start", "new": "New", "expansion": "Expansion", "reactivation": "Reactivation",
    "contraction": "Contraction", "churn": "Churn", "end": "MRR at the end",
}  # fmt: skip
PARTS = ("start", "new", "expansion", "reactivation", "contraction", "churn", "end")
FEW = 20


@dataclass(frozen=True, slots=True)
class Line:
    """One month of the table."""

    month: date
    found: Month | None
    as_of: datetime

    @property
    def flow(self) -> Flow:
        """What moved."""
        return self.found.flow if self.found is not None else Flow()

    @property
    def complete_on(self) -> str | None:
        """When a month that is going on is over; None for a complete one (R-242)."""
        return None if calendar.is_complete(self.month, self.as_of) else calendar.add(self.month, 1).isoformat()


def cell(part: str, period: Period, **more: Any) -> dict[str, Any]:
    """Names a number of the waterfall."""
    return {"part": part, "first": period.first.isoformat(), "last": period.last.isoformat(), **more}


def kept_cell(part: str, month: date, **more: Any) -> dict[str, Any]:
    """Names a number of the retention after twelve months."""
    return {"part": part, "month": month.isoformat(), **more}


def figures(flow: Flow, paying: int, kept: Kept, period: Period, currency: str, empty: str) -> Block:
    """The headline: MRR, who pays it, and what stays after twelve months."""
    month = period.last
    shown = [
        _figure("MRR", money(flow.end), "money", currency, behind=cell("end", period)),
        _figure("Change", money(flow.end - flow.start), "money", currency, note=f"In {period.words()}"),
        _figure("Paying customers", paying, "count", "customers", behind=cell("end", period)),
        _figure(
            "Per customer", money(flow.end / paying) if paying else None, "money", currency, note="MRR by paying customers"
        ),
        _figure("Net revenue retention", as_float(kept.nrr), "rate", note=_base(kept), behind=kept_cell("base", month)),
        _figure("Gross revenue retention", as_float(kept.grr), "rate", note=_base(kept), behind=kept_cell("shrunk", month)),
        _figure("Customer retention", as_float(kept.logos), "rate", note=_base(kept), behind=kept_cell("lost", month)),
    ]
    rows = [{**each, "_behind": each["behind"]} for each in shown]
    columns = (Column("label", "Figure"), Column("value", "Value"), Column("unit", "Unit"), Column("note", "Remark"))
    return Block(
        "figures", f"At the end of {calendar.label(month)}", chart_type="figures", chart={"figures": shown}, columns=columns,
        rows=[{name: each[name] for name in ("label", "value", "unit", "note")} | _open(each) for each in rows], empty=empty,
    )  # fmt: skip


def _open(each: Mapping[str, Any]) -> dict[str, Any]:
    return {"_behind": each["behind"]} if each["behind"] else {}


def _figure(
    label: str, value: Any, kind: str, unit: str = "", *, note: str = "", behind: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "label": label, "value": value, "kind": kind, "unit": unit, "low": None, "high": None, "note": note, "behind": behind,
    }  # fmt: skip


def _base(kept: Kept) -> str:
    if kept.base == 0:
        return "Not enough data: nobody paid 12 months before"
    few = f"; fewer than {FEW}, so it says little" if kept.base_subjects < FEW else ""
    return f"Of {kept.base_subjects:,} customers who paid 12 months before{few}"


def waterfall(flow: Flow, period: Period, currency: str, empty: str) -> Block:
    """From the MRR at the start to that at the end, step by step."""
    roles = dict.fromkeys(UP, "up") | dict.fromkeys(DOWN, "down")
    steps = [
        {
            "label": LABELS[part], "value": money(_signed(flow, part)), "role": roles.get(part, "total"),
            "behind": cell(part, period),
        }
        for part in PARTS
    ]  # fmt: skip
    columns = (Column("part", "Part"), Column("amount", "MRR", "money", currency))
    rows = [{"part": each["label"], "amount": each["value"], "_behind": each["behind"]} for each in steps]
    explain = "Start, plus what is new, expanded and won back, less what shrank and left, is exactly the end."
    return Block(
        "waterfall", f"What moved recurring revenue in {period.words()}", explain=explain, chart_type="waterfall",
        chart={"unit": currency, "steps": steps}, columns=columns, rows=rows, empty=empty,
    )  # fmt: skip


def _signed(flow: Flow, part: str) -> Decimal:
    value: Decimal = getattr(flow, part)
    return -value if part in DOWN else value


def months_table(lines: Sequence[Line], currency: str, empty: str) -> Block:
    """Every month, newest last; the month that is going on stands in the table and not in the chart."""
    columns = (
        Column("month", "Month"), *(Column(part, LABELS[part], "money", currency) for part in PARTS),
        Column("customers", "Paying customers", "count", "customers"), Column("one_time", "One-time sales", "money", currency),
        Column("complete_on", "Complete on", "day"),
    )  # fmt: skip
    done = [each for each in lines if each.complete_on is None]
    series = [
        {"name": LABELS[part], "values": [money(_signed(each.flow, part)) for each in done]} for part in (*UP, *DOWN)
    ]  # fmt: skip
    chart = {"y_kind": "money", "unit": currency, "categories": [calendar.label(each.month) for each in done], "series": series}
    return Block(
        "months", "Month by month", explain="Contraction and churn go down.", chart_type="bars", chart=chart, columns=columns,
        rows=[_month_row(each) for each in lines], empty=empty,
    )  # fmt: skip


def _month_row(line: Line) -> dict[str, Any]:
    period, flow = Period(line.month, line.month), line.flow
    row: dict[str, Any] = {"month": calendar.label(line.month), "complete_on": line.complete_on}
    for part in PARTS:
        row[part] = money(_signed(flow, part))
        row[f"_behind:{part}"] = cell(part, period)
    found = line.found
    row |= {"customers": found.paying_end if found else 0, "one_time": money(found.one_time if found else Decimal(0))}
    return row | {"_behind:customers": cell("end", period), "_behind:one_time": cell("one_time", period)}


def retention_lines(months: Sequence[tuple[date, Kept]], empty: str) -> Block:
    """NRR, GRR and customer retention by month. A month without a base has no point (R-241)."""
    kinds = (("nrr", "Net revenue retention"), ("grr", "Gross revenue retention"), ("logos", "Customer retention"))
    series = [
        {
            "name": label,
            "points": [
                {
                    "x": month.isoformat(), "y": as_float(getattr(kept, name)), "low": None, "high": None,
                    "at_risk": kept.base_subjects, "incomplete": False,
                }
                for month, kept in months if getattr(kept, name) is not None
            ],
        }
        for name, label in kinds
    ]  # fmt: skip
    columns = (
        Column("month", "Month"), Column("base", "Paid 12 months before", "count", "customers"),
        Column("kept", "Of these still pay", "count", "customers"), *(Column(name, label, "rate") for name, label in kinds),
    )  # fmt: skip
    rows = [_kept_row(month, kept) for month, kept in months]
    if not empty and not any(each["points"] for each in series):
        empty = "Not enough data: nobody paid twelve months before any of these months."
    explain = "Of the customers who paid twelve months before the end of each month: what is left of their MRR (net), without \
expansion (gross), and of themselves."
    return Block(
        "retention", "What stays after twelve months", explain=explain, chart_type="lines",
        chart={"x_label": "Month", "y_kind": "rate", "unit": "", "steps": False, "series": series, "at_risk": []},
        columns=columns, rows=rows, notes=_few_notes(months), empty=empty,
    )  # fmt: skip


def _few_notes(months: Sequence[tuple[date, Kept]]) -> list[str]:
    if any(0 < kept.base_subjects < FEW for _, kept in months):
        return [f"Some months have fewer than {FEW} customers in their base: one of them moves the rate a lot."]
    return []


def _kept_row(month: date, kept: Kept) -> dict[str, Any]:
    return {
        "month": calendar.label(month), "base": kept.base_subjects, "kept": kept.kept_subjects, "nrr": as_float(kept.nrr),
        "grr": as_float(kept.grr), "logos": as_float(kept.logos), "_behind:base": kept_cell("base", month),
        "_behind:kept": kept_cell("kept", month), "_behind:nrr": kept_cell("base", month),
        "_behind:grr": kept_cell("shrunk", month), "_behind:logos": kept_cell("lost", month),
    }  # fmt: skip


def split_table(
    label: str, rows: Sequence[tuple[str, Flow, int, Kept]], period: Period, currency: str, named: Sequence[str], empty: str
) -> Block:
    """The waterfall by value of an attribute; the rows add up to the whole."""
    columns = (
        Column("value", label), *(Column(part, LABELS[part], "money", currency) for part in PARTS),
        Column("customers", "Paying customers", "count", "customers"), Column("nrr", "Net revenue retention", "rate"),
        Column("grr", "Gross revenue retention", "rate"), Column("base", "Paid 12 months before", "count", "customers"),
    )  # fmt: skip
    made = []
    for value, flow, paying, kept in rows:
        which: dict[str, Any] = {"value": value, **({"shown": list(named)} if value == OTHERS else {})}
        row: dict[str, Any] = {"value": value, "customers": paying, "nrr": as_float(kept.nrr), "grr": as_float(kept.grr)}
        for part in PARTS:
            row[part] = money(_signed(flow, part))
            row[f"_behind:{part}"] = cell(part, period, **which)
        row |= {"base": kept.base_subjects, "_behind:customers": cell("end", period, **which)}
        row |= {f"_behind:{name}": kept_cell("base", period.last, **which) for name in ("base", "nrr", "grr")}
        made.append(row)
    note = f"{label} as it was at the end of {calendar.label(period.last)}."
    return Block("split", f"By {label.lower()}", columns=columns, rows=made, notes=[note], empty=empty)


def excluded(org: SalesforceOrg) -> list[dict[str, Any]]:
    """What the facts had to leave out of money, in words with numbers."""
    state = FactsState.objects.filter(org=org).first()
    health: Mapping[str, Any] = state.health if state is not None else {}
    listed = [
        ("no_rate", n, f"{n:,} transactions in {name}, for which there is no rate")
        for name, n in (health.get("refused_currencies") or {}).items()
    ]
    for key, words in (
        ("transactions_without_account", "transactions that lead to no account"),
        ("spans_without_start", "transactions without a begin"),
        ("spans_reversed", "transactions that end before they begin"),
        ("spans_out_of_range", "transactions with dates out of range"),
    ):
        n = int(health.get(key) or 0)
        listed.append((key, n, f"{n:,} {words}"))
    return [{"reason": reason, "n": n, "words": words} for reason, n, words in listed if n]
