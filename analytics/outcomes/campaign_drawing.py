"""Campaigns as tables: reach by campaign and type, touched against others, with false-discovery control over all compared."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from analytics.analyses.documents import Block, Column
from analytics.analyses.kinds import Asked
from analytics.outcomes import statistics
from analytics.outcomes.campaign_counting import FEWEST_TOUCHED, MOST_JUDGED, OUTCOMES, STATES, Campaign, Compared, judged_of

PEOPLE = ("count", "people")
CUSTOMERS = ("count", "customers")
COMPARED = (
    Column("with", "Touched", *CUSTOMERS), Column("with_k", "With the outcome", *CUSTOMERS),
    Column("with_rate", "Share", "rate"), Column("without", "Not touched", *CUSTOMERS),
    Column("without_k", "With the outcome", *CUSTOMERS),
    Column("without_rate", "Share", "rate"), Column("difference", "Difference", "points"),
    Column("interval", "95 % interval", "interval"),
)  # fmt: skip


def blocks(campaigns: Sequence[Campaign], outcomes: Mapping[str, Compared], asked: Asked) -> list[Block]:
    """Reach by type, reach by campaign, outcome by campaign, outcome by type."""
    empty = "" if campaigns else "Not enough data: 0 campaigns in these months."
    rows = [_reach(each.name, [each], {"campaign": each.key}) for each in campaigns]
    return [
        _reach_block("types", "Reach by type", _types(campaigns), empty),
        _reach_block("campaigns", "Reach by campaign", rows, empty),
        _outcome_block(campaigns, outcomes, asked), _type_block(campaigns, outcomes, asked),
    ]  # fmt: skip


def _types(campaigns: Sequence[Campaign]) -> list[dict[str, Any]]:
    by_type: dict[str, list[Campaign]] = defaultdict(list)
    for each in campaigns:
        by_type[each.type].append(each)
    return [_reach(name, by_type[name], {"type": name}) for name in sorted(by_type)]


def _reach(name: str, campaigns: Sequence[Campaign], cell: Mapping[str, Any]) -> dict[str, Any]:
    people = sum(each.people for each in campaigns)
    row: dict[str, Any] = {"name": name, "type": campaigns[0].type, "begins": campaigns[-1].begins.date().isoformat()}
    row |= {"people": people, "_behind": {**cell, "state": STATES[0]}}
    for place, state in enumerate(STATES[1:], 1):
        k = sum(each.reached[place] for each in campaigns)
        limits = statistics.wilson(k, people) if people >= FEWEST_TOUCHED else None
        row |= {
            state: k, f"{state}_rate": k / people if limits else None, f"{state}_interval": list(limits) if limits else None,
            f"_behind:{state}": {**cell, "state": state},
        }  # fmt: skip
    return row


def _reach_block(key: str, title: str, rows: Sequence[dict[str, Any]], empty: str) -> Block:
    columns = [Column("name", "Campaign" if key == "campaigns" else "Type"), Column("begins", "First touch", "day")]
    columns += [Column("type", "Type")] if key == "campaigns" else []
    columns.append(Column("people", "Touched", *PEOPLE))
    for state in STATES[1:]:
        columns += [
            Column(state, state.capitalize(), *PEOPLE), Column(f"{state}_rate", "Share", "rate"),
            Column(f"{state}_interval", "95 % interval", "interval"),
        ]  # fmt: skip
    notes = (
        "Each person of a campaign counts with the furthest state: who clicked has opened and was delivered to.",
        f"Under {FEWEST_TOUCHED} people counts only: not enough data for a rate.",
    )
    return Block(key, title, columns=columns, rows=rows, notes=notes, empty=empty)


def _outcome_block(campaigns: Sequence[Campaign], outcomes: Mapping[str, Compared], asked: Asked) -> Block:
    """Each campaign that can be judged; ranked by the lower end of its interval, not by p (FZ-D8)."""
    rows, tests = [], []
    for each in campaigns:
        own = outcomes.get(each.key)
        if own is None or min(own.touched, own.others) < FEWEST_TOUCHED:
            continue
        rows.append({"name": each.name, "type": each.type, **_compare(own, {"campaign": each.key})})
        tests.append(statistics.fisher_or_chi2(own.touched_with, own.touched, own.others_with, own.others))
    for row, tested, q in zip(rows, tests, _adjusted([each.p if each else None for each in tests]), strict=True):
        row |= {"test": tested.name if tested else "Nothing to test", "p": tested.p if tested else None, "q": q}
    rows.sort(key=lambda row: (-row["interval"][0], row["name"]))
    label = OUTCOMES[asked.parameters["outcome"]].label
    columns = (
        Column("name", "Campaign"), Column("type", "Type"), *COMPARED, Column("ratio", "Ratio", "number"),
        Column("ratio_interval", "95 % interval", "interval"), Column("test", "Test"), Column("p", "p", "p"),
        Column("q", "q", "p"),
    )  # fmt: skip
    empty = (
        f"Not enough data: no campaign has {FEWEST_TOUCHED} customers at risk in both groups and "
        f"{asked.parameters['horizon']} days behind it; {len(outcomes)} were looked at."
    )
    return Block(
        "outcomes", f"{label}: touched against not touched", columns=columns, rows=rows, empty="" if rows else empty,
        explain=f"Who could still have the outcome when {asked.parameters['exposure']} days of exposure ended, and whether it "
        f"came in the {asked.parameters['horizon']} days after. q: p after control of false discoveries over all rows.",
        notes=("Association, not proof: campaigns choose whom they touch.",),
    )  # fmt: skip


def _compare(own: Compared, cell: Mapping[str, Any]) -> dict[str, Any]:
    k1, n1, k2, n2 = own.touched_with, own.touched, own.others_with, own.others
    limits, ratio = statistics.newcombe(k1, n1, k2, n2), statistics.risk_ratio(k1, n1, k2, n2)
    return {
        "with": n1, "with_k": k1, "with_rate": k1 / n1, "without": n2, "without_k": k2, "without_rate": k2 / n2,
        "difference": k1 / n1 - k2 / n2, "interval": list(limits) if limits else None, "ratio": ratio.value if ratio else None,
        "ratio_interval": [ratio.low, ratio.high] if ratio else None, "_behind:with": {**cell, "touched": True},
        "_behind:with_k": {**cell, "touched": True, "happened": True}, "_behind:without": {**cell, "touched": False},
        "_behind:without_k": {**cell, "touched": False, "happened": True},
    }  # fmt: skip


def _adjusted(values: Sequence[float | None]) -> list[float | None]:
    """Benjamini-Hochberg q-values of those that were tested."""
    from statsmodels.stats.multitest import multipletests

    tested = [value for value in values if value is not None]
    adjusted: Any = multipletests(tested, method="fdr_bh")[1] if tested else ()
    found = iter(adjusted)
    return [None if value is None else float(next(found)) for value in values]


def _type_block(campaigns: Sequence[Campaign], outcomes: Mapping[str, Compared], asked: Asked) -> Block:
    """Types: campaigns as strata, so that the time of a campaign is compared with itself (Mantel-Haenszel)."""
    by_type: dict[str, list[Compared]] = defaultdict(list)
    for each in campaigns:
        if (own := outcomes.get(each.key)) is not None and own.touched and own.others:
            by_type[each.type].append(own)
    rows = []
    for name in sorted(by_type):
        tables = [
            ((own.touched_with, own.touched - own.touched_with), (own.others_with, own.others - own.others_with))
            for own in by_type[name]
        ]  # fmt: skip
        pooled = statistics.mantel_haenszel(tables)
        crude = statistics.odds_ratio(_summed(tables))
        rows.append({
            "name": name, "campaigns": len(tables), "crude": crude, "pooled": pooled.odds_ratio if pooled else None,
            "interval": [pooled.low, pooled.high] if pooled else None, "p": pooled.p if pooled else None,
            "_behind": {"type": name, "touched": True},
        })  # fmt: skip
    return Block(
        "pooled", "By type of campaign", rows=rows,
        explain="Odds ratio of the outcome, touched against not touched: raw, and with each campaign compared with itself.",
        columns=(
            Column("name", "Type"), Column("campaigns", "Campaigns", "count", "campaigns"),
            Column("crude", "Raw odds ratio", "number"), Column("pooled", "Mantel-Haenszel odds ratio", "number"),
            Column("interval", "95 % interval", "interval"),
            Column("p", "p", "p"),
        ),
        empty="" if rows else f"Not enough data: {len(outcomes)} campaigns can be judged.",
    )  # fmt: skip


def _summed(tables: Sequence[statistics.Table]) -> statistics.Table:
    (a, b), (c, d) = ([sum(table[row][column] for table in tables) for column in (0, 1)] for row in (0, 1))
    return (a, b), (c, d)


def excluded(campaigns: Sequence[Campaign], asked: Asked) -> list[dict[str, Any]]:
    """Campaigns whose outcome is not compared."""
    open_ones = [each for each in campaigns if not each.is_over(asked)]
    small = sum(each.is_over(asked) and each.customers < FEWEST_TOUCHED for each in campaigns)
    more = len(campaigns) - len(open_ones) - small - len(judged_of(campaigns, asked))
    listed = [
        ("too_young", len(open_ones), "campaigns are too young: the days of the outcome are not over."),
        ("small", small, f"campaigns touched fewer than {FEWEST_TOUCHED} customers; their outcome is not compared."),
        ("many", more, f"older campaigns are not compared: the newest {MOST_JUDGED} are."),
    ]
    return [{"reason": reason, "n": n, "words": f"{n:,} {words}"} for reason, n, words in listed if n]


def notes(asked: Asked) -> list[str]:
    """What to know before reading."""
    return ["Only what happens after the exposure counts, so that nobody is in a group because of what came later."]
