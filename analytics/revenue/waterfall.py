"""The kind `revenue`: what moved recurring revenue, and how much of it stays (FZ-03, FZ-D11, methods 6)."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from analytics.analyses.documents import Block, Document
from analytics.analyses.kinds import AnalysisKind, Asked, Choice, Parameter
from analytics.outcomes.groupings import GROUPINGS, OTHERS, UNKNOWN, group_of, ordered_groups
from analytics.outcomes.questions import grouping_choices
from analytics.revenue import calendar, counting, drawing
from analytics.revenue.calendar import Period
from analytics.revenue.counting import Month
from analytics.revenue.drawing import Line
from analytics.revenue.flows import Flow, Kept, joined
from analytics.revenue.questions import lacks, read_revenue
from integrations.models import SalesforceOrg

if TYPE_CHECKING:
    import pyarrow as pa

    from integrations.lake.engine import Engine


def _lengths(org: SalesforceOrg) -> list[Choice]:
    return [Choice("1", "One month"), Choice("3", "Three months"), Choice("12", "Twelve months")]


PARAMETERS = (
    Parameter("month", "Until the month", "month", "", help="Empty: the last complete month."),
    Parameter("length", "Waterfall over", default="1", choices=_lengths),
    Parameter("months", "Months in table and lines", "whole", 13, advanced=True),
    Parameter("by", "Split by", default="", choices=grouping_choices),
)


def compute(engine: "Engine", asked: Asked) -> Document:
    """Figures, the waterfall, every month, retention with a base of twelve months, and the split."""
    counting.bind_months(engine, asked)
    period, shown = period_of(asked), months_of(asked)
    currency = counting.currency_of(asked)
    everything = Period(min(period.first, shown.first), max(period.last, shown.last))
    monthly = {month: each for (month, _), each in counting.count_flows(engine, everything).items()}
    asked.breathe()
    listed = calendar.months_in(shown)
    complete = [each for each in listed if calendar.is_complete(each, asked.as_of)]
    kept = {month: each for (month, _), each in counting.count_kept(engine, sorted({*complete, period.last})).items()}
    flow = flow_of(monthly, period)
    paying = monthly[period.last].paying_end if period.last in monthly else 0
    empty = "" if any(each.paying_end or each.paying_start for each in monthly.values()) else NOTHING
    blocks = [
        drawing.figures(flow, paying, kept.get(period.last, Kept()), period, currency, empty),
        drawing.waterfall(flow, period, currency, empty),
        drawing.months_table([Line(each, monthly.get(each), asked.as_of) for each in listed], currency, empty),
        drawing.retention_lines([(each, kept.get(each, Kept())) for each in complete], empty),
    ]
    if asked.parameters["by"]:
        asked.breathe()
        blocks.append(_split(engine, asked, period, currency, empty))
    return Document(
        title="Recurring revenue", as_of=asked.as_of.date().isoformat(), population=paying,
        population_words=f"{paying:,} customers paying at the end of {calendar.label(period.last)}.",
        excluded=drawing.excluded(asked.org), blocks=blocks, notes=_notes(asked, currency), definition="recurring-revenue",
    )  # fmt: skip


NOTHING = "Not enough data: no customer has had recurring revenue in this time; at least 1 is needed."


def period_of(asked: Asked) -> Period:
    """The months of the waterfall."""
    last = calendar.read_month(asked.parameters["month"]) or calendar.last_complete(asked.as_of)
    return Period(calendar.add(last, 1 - int(asked.parameters["length"])), last)


def months_of(asked: Asked) -> Period:
    """The months of table and lines: up to the one that is going on, unless a month was chosen."""
    chosen = calendar.read_month(asked.parameters["month"])
    last = chosen or calendar.going_on(asked.as_of) or calendar.last_complete(asked.as_of)
    count = int(asked.parameters["months"])
    return Period(calendar.add(last, 1 - count if chosen or calendar.is_complete(last, asked.as_of) else -count), last)


def flow_of(monthly: Mapping[date, Month], period: Period) -> Flow:
    """The months of a period, one after the other; a month without a row has neither revenue nor movement."""
    listed = [monthly[each].flow if each in monthly else Flow() for each in calendar.months_in(period)]
    total = listed[0]
    for each in listed[1:]:
        total = total.then(each)
    return total


def behind(engine: "Engine", asked: Asked, cell: Mapping[str, Any]) -> "pa.Table":
    """The customers behind a number of any block."""
    if cell["part"] in counting.KEPT_CONDITIONS:
        return counting.behind_kept(engine, asked, cell)
    return counting.behind_flow(engine, asked, cell)


def _split(engine: "Engine", asked: Asked, period: Period, currency: str, empty: str) -> Block:
    """The waterfall by value of an attribute, as it was at the end of the period."""
    counting.bind_groups(engine, asked, asked.parameters["by"], calendar.add(period.last, 1))
    flows = counting.count_flows(engine, period, grouped=True)
    kept = counting.count_kept(engine, [period.last], grouped=True)
    names = {value for _, value in flows} | {value for _, value in kept}
    sizes = dict.fromkeys(names, 0)
    for (month, value), each in flows.items():
        sizes[value] += each.paying_end if month == period.last else 0
    shown = ordered_groups([(None if value == UNKNOWN else value, size) for value, size in sizes.items()])
    rows = []
    for group in shown:
        values = [value for value in sizes if group_of(value, shown) == group]
        parts = [flow_of({m: each for (m, v), each in flows.items() if v == value}, period) for value in values]
        held = [kept[period.last, value] for value in values if (period.last, value) in kept]
        rows.append((group, joined(parts), sum(sizes[value] for value in values), _sum_kept(held)))
    named = [each for each in shown if each not in (OTHERS, UNKNOWN)]
    return drawing.split_table(GROUPINGS[asked.parameters["by"]], rows, period, currency, named, empty)


def _sum_kept(parts: Sequence[Kept]) -> Kept:
    zero = Decimal(0)
    return Kept(
        sum(each.base_subjects for each in parts), sum(each.kept_subjects for each in parts),
        sum((each.base for each in parts), zero), sum((each.kept for each in parts), zero),
        sum((each.capped for each in parts), zero),
    )  # fmt: skip


def _notes(asked: Asked, currency: str) -> list[str]:
    running = calendar.going_on(asked.as_of)
    notes = [f"All amounts in {currency or 'the currency of the org'}, at one fixed rate: a change of rates is no movement."]
    if running is not None:
        notes.append(f"{calendar.label(running)} is not over: it has the days until {asked.as_of.date().isoformat()} only.")
    return notes


KIND = AnalysisKind(
    name="revenue", label="Revenue", title="Recurring revenue",
    question="What moved recurring revenue, and how much of it stays?", parameters=PARAMETERS, read=read_revenue,
    compute=compute, behind=behind, lacks=lacks, nightly=({}, {"length": "12"}), icon="banknote",
)  # fmt: skip
