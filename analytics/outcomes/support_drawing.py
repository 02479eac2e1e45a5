"""Support as tables and charts: months, types, time to close, and retention by early tickets."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from analytics.analyses.documents import Block, Column
from analytics.analyses.kinds import Asked
from analytics.outcomes import statistics
from analytics.outcomes.support_counting import EARLY, Life, Ticket, months_of
from analytics.outcomes.survival_curves import kaplan_meier

FEWEST, TYPES = 20, 10
CUSTOMERS = ("count", "customers")


def blocks(tickets: Sequence[Ticket], base: Mapping[str, int], lives: Sequence[Life], asked: Asked) -> list[Block]:
    """Months, types, early tickets."""
    empty = "" if tickets else "Not enough data: 0 tickets in these months."
    return [_months(tickets, base, asked, empty), _types(tickets, empty), _early(lives, asked)]


def _months(tickets: Sequence[Ticket], base: Mapping[str, int], asked: Asked, empty: str) -> Block:
    months, all_types = months_of(asked), [name for name, _ in Counter(each.type for each in tickets).most_common()]
    shown = all_types[:TYPES]
    counts = Counter((each.month, each.type) for each in tickets)
    totals, who = Counter(each.month for each in tickets), {(each.month, each.subject) for each in tickets}
    asking = Counter(month for month, _ in who)
    rows = [
        {
            "month": month, "tickets": totals[month], "customers": asking[month], "base": base.get(month, 0),
            "per_100": 100 * totals[month] / base[month] if base.get(month) else None,
            **{f"type{place}": counts[month, name] for place, name in enumerate(shown)},
            **{f"_behind:type{place}": {"month": month, "type": name} for place, name in enumerate(shown)},
            "_behind": {"month": month},
        }
        for month in months
    ]  # fmt: skip
    series = [{"name": name, "values": [counts[month, name] for month in months]} for name in shown]
    notes = ["Customers of a month: begun before its end and not churned before its beginning."]
    if len(all_types) > TYPES:
        notes.append(f"{len(all_types) - TYPES} rarer types are in the totals only.")
    return Block(
        "months", "Tickets by month and type", chart_type="bars", rows=rows, notes=notes, empty=empty,
        chart={"y_kind": "count", "unit": "tickets", "categories": months, "series": series},
        columns=(
            Column("month", "Month"), Column("tickets", "Tickets", "count", "tickets"),
            Column("customers", "With tickets", *CUSTOMERS),
            Column("base", "Customers", *CUSTOMERS), Column("per_100", "Tickets for each 100 customers", "number"),
            *(Column(f"type{place}", name, "count", "tickets") for place, name in enumerate(shown)),
        ),
    )  # fmt: skip


def _types(tickets: Sequence[Ticket], empty: str) -> Block:
    names = [name for name, _ in Counter(each.type for each in tickets).most_common()]
    rows = [_type("All types", list(tickets), {})] if tickets else []
    rows += [_type(name, [each for each in tickets if each.type == name], {"type": name}) for name in names]
    return Block(
        "types", "Time to close", rows=rows, empty=empty,
        explain="Half of the tickets of a type are closed within the median; open ones count as long as they were watched.",
        columns=(
            Column("type", "Type"), Column("n", "Tickets", "count", "tickets"),
            Column("open", "Still open", "count", "tickets"),
            Column("median", "Median days to close", "number", "days"), Column("limits", "95 % limits"),
        ),
        notes=(f"Kaplan-Meier; under {FEWEST} tickets no median is shown: not enough data.",),
    )  # fmt: skip


def _type(name: str, tickets: Sequence[Ticket], cell: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "type": name, "n": len(tickets), "open": sum(not each.closed for each in tickets), "median": None, "limits": "",
        "_behind": dict(cell), "_behind:open": {**cell, "open": True},
    }  # fmt: skip
    if len(tickets) >= FEWEST:
        curve = kaplan_meier([each.days for each in tickets], [each.closed for each in tickets])
        row["median"] = curve.median
        row["limits"] = f"{_days(curve.median_low)} to {_days(curve.median_high)}"
    return row


def _days(value: float | None) -> str:
    return "not reached" if value is None else f"{value:.1f}"


def _early(lives: Sequence[Life], asked: Asked) -> Block:
    early, horizon = asked.parameters["early"], asked.parameters["horizon"]
    judged = [each for each in lives if each.state == "judged"]
    groups = [[each for each in judged if each.early == place] for place in range(len(EARLY))]
    rows = [_early_row(place, group) for place, group in enumerate(groups)]
    counts = [(sum(each.kept for each in group), len(group)) for group in groups if len(group) >= FEWEST]
    tested = (
        statistics.fisher_or_chi2(*counts[0], *counts[1]) if len(counts) == 2
        else statistics.chi2_of([[kept, n - kept] for kept, n in counts])
    )  # fmt: skip
    notes = [f"Groups under {FEWEST} show counts only: not enough data for a rate. Association, not proof."]
    if tested is not None:
        notes.append(f"{tested.name.capitalize()} that groups of {FEWEST} and more stay alike: p = {tested.p:.3g}.")
    return Block(
        "early", "Retention by early tickets", rows=rows, notes=notes,
        explain=f"Customers that paid for {early} days, by their tickets in them, and how many stayed for {horizon} days more.",
        columns=(
            Column("tickets", "Early tickets"), Column("n", "Customers", *CUSTOMERS), Column("kept", "Stayed", *CUSTOMERS),
            Column("rate", "Retention", "rate"), Column("interval", "95 % interval", "interval"),
        ),
        empty="" if judged else f"Not enough data: nobody's first paid day lies {early + horizon} days back.",
    )  # fmt: skip


def _early_row(place: int, group: Sequence[Life]) -> dict[str, Any]:
    kept, n = sum(each.kept for each in group), len(group)
    limits = statistics.wilson(kept, n) if n >= FEWEST else None
    return {
        "tickets": EARLY[place], "n": n, "kept": kept, "rate": kept / n if limits else None,
        "interval": list(limits) if limits else None, "_behind": {"early": place},
        "_behind:kept": {"early": place, "kept": True}, "_behind:rate": {"early": place, "kept": True},
    }  # fmt: skip


def excluded(lives: Sequence[Life], asked: Asked) -> list[dict[str, Any]]:
    """Customers that the comparison by early tickets leaves out."""
    early, horizon = asked.parameters["early"], asked.parameters["horizon"]
    listed = [
        ("too_young", "young", f"customers first paid less than {early + horizon} days ago: too young for retention."),
        ("gone_before", "gone", f"customers churned within their first {early} paid days."),
    ]
    found = [(reason, sum(each.state == state for each in lives), words) for reason, state, words in listed]
    return [{"reason": reason, "n": n, "words": f"{n:,} {words}"} for reason, n, words in found if n]
