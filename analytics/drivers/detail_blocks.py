"""The charts and tables on the page of one driver, as blocks of documents. Pure."""

from typing import Any

import numpy as np

from analytics.analyses.documents import Block, Column
from analytics.drivers import threshold
from analytics.drivers.estimating import Finding
from analytics.drivers.segments import Segment, Together
from analytics.drivers.study import Study
from analytics.drivers.threshold import Dose
from analytics.drivers.wording import Words


def _uses(dose: Dose) -> str:
    if dose.high is None:
        return f"{dose.low} or more"
    return str(dose.low) if dose.high == dose.low else f"{dose.low} to {dose.high}"


def doses_block(study: Study, finding: Finding, words: Words, rows: np.ndarray) -> Block | None:
    if finding.place is None:
        return None
    doses = threshold.doses(study.counts[rows, finding.place], study.outcome[rows], study.design)
    table = [
        {
            "uses": _uses(each),
            "accounts": each.accounts, "value": words.plain(each.value),
            "interval": [words.plain(each.value_low), words.plain(each.value_high)],
        }
        for each in doses
    ]  # fmt: skip
    chart = {
        "y_kind": words.kind, "unit": words.unit, "categories": [each["uses"] for each in table],
        "series": [{"name": words.design.outcome.label, "values": [each["value"] for each in table]}],
        "low": [each["interval"][0] for each in table], "high": [each["interval"][1] for each in table],
    }  # fmt: skip
    head = {"any": "Times", "count": "People", "share": "Percent of seats"}[study.design.roll_up]
    columns = [
        Column("uses", head if finding.behavior.family in ("event", "feature") else "Times"),
        Column("accounts", "Accounts", "count"),
        Column("value", "Mean" if words.kind == "money" else "Rate", words.kind, words.unit),
        Column("interval", "95 % interval", "interval"),
    ]  # fmt: skip
    explain = "Accounts by how often it was done in the window, none left out; nothing is held constant here."
    return Block("doses", "Dose and response", explain, "bars", chart, columns, table)


def curve_block(finding: Finding, words: Words) -> Block | None:
    if finding.threshold is None:
        return None
    rows = [
        {
            "label": f"At least {each.k}", "accounts": each.accounts, "size": words.plain(each.size),
            "interval": [words.plain(each.low), words.plain(each.high)],
        }
        for each in finding.threshold.curve
    ]  # fmt: skip
    drawn = [{"key": row["label"], "label": row["label"], "estimate": row["size"], "low": row["interval"][0],
              "high": row["interval"][1], "with": row["accounts"]} for row in rows]  # fmt: skip
    columns = [
        Column("label", "Uses"), Column("accounts", "Accounts with", "count"),
        Column("size", "Adjusted difference", words.difference_kind, words.unit),
        Column("interval", "95 % interval", "interval"),
    ]  # fmt: skip
    explain = "Accounts with at least so many uses beside those with fewer, on the half that did not choose the number."
    chart = {"unit_kind": words.difference_kind, "unit": words.unit, "rows": drawn}
    return Block("numbers", "How often is enough", explain, "forest", chart, columns, rows)


def segments_block(segments: list[Segment], words: Words) -> Block | None:
    rows = [
        {
            "label": f"{each.attribute.replace('_', ' ').capitalize()}: {each.label}", "with": each.adopters,
            "value": words.plain(each.value), "without": each.others, "others": words.plain(each.others_value),
            "difference": words.plain(each.difference), "interval": [words.plain(each.low), words.plain(each.high)],
        }
        for each in segments
    ]  # fmt: skip
    if not rows:
        return None
    drawn = [row for row in rows if row["difference"] is not None]
    columns = [
        Column("label", "Segment"), Column("with", "With", "count"), Column("value", "Value with", words.kind, words.unit),
        Column("without", "Without", "count"), Column("others", "Value without", words.kind, words.unit),
        Column("difference", "Raw difference", words.difference_kind, words.unit),
        Column("interval", "95 % interval", "interval"),
    ]  # fmt: skip
    chart = {
        "y_kind": words.difference_kind, "unit": words.unit, "categories": [row["label"] for row in drawn],
        "series": [{"name": "Raw difference", "values": [row["difference"] for row in drawn]}],
        "low": [row["interval"][0] for row in drawn], "high": [row["interval"][1] for row in drawn],
    }  # fmt: skip
    note = "Segments with fewer than 20 accounts on a side show counts alone. Differences between segments were not tested."
    return Block(
        "segments",
        "By segment",
        "Raw differences within each segment.",
        "bars" if drawn else "",
        chart,
        columns,
        rows,
        [note],
    )


def together_block(together: list[Together], finding: Finding, words: Words) -> Block | None:
    if not together:
        return None
    raw = finding.raw
    rows: list[dict[str, Any]] = [
        {"label": "Nothing (raw)", "difference": words.plain(raw.difference),
         "interval": [words.plain(raw.low), words.plain(raw.high)],
         "odds": _odds(finding), "odds_interval": [None, None], "p": raw.p}
    ]  # fmt: skip
    for each in together:
        pooled = each.pooled
        rows.append({
            "label": each.attribute.replace("_", " ").capitalize(), "strata": each.strata,
            "difference": words.plain(each.difference),
            "interval": [words.plain(each.low), words.plain(each.high)], "odds": pooled.odds_ratio if pooled else None,
            "odds_interval": [pooled.low, pooled.high] if pooled else [None, None], "p": pooled.p if pooled else None,
        })  # fmt: skip
    odds = [] if words.kind == "money" else [Column("odds", "Odds ratio", "number"),
                                             Column("odds_interval", "Odds ratio, 95 % interval", "interval"),
                                             Column("p", "p", "p")]  # fmt: skip
    columns = [
        Column("label", "Held constant by strata"), Column("strata", "Strata", "count"),
        Column("difference", "Difference", words.difference_kind, words.unit),
        Column("interval", "95 % interval", "interval"), *odds,
    ]  # fmt: skip
    explain = "The raw difference beside the common one over the strata of each attribute (Mantel and Haenszel)."
    return Block("strata", "Raw and stratified", explain, columns=columns, rows=rows)


def _odds(finding: Finding) -> float | None:
    raw = finding.raw
    a, b, c, d = raw.kept, raw.adopters - raw.kept, raw.others_kept, raw.others_n - raw.others_kept
    return a * d / (b * c) if a and b and c and d else None
