"""The document of drivers: a forest of adjusted differences, every number as a table, what was not tested and why."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from analytics.analyses.documents import Block, Column, Document
from analytics.drivers import verdicts
from analytics.drivers.design import FAMILIES, FOLLOW_UPS
from analytics.drivers.detailing import cell_of, detail_of, e_values_of
from analytics.drivers.estimating import Finding, Findings
from analytics.drivers.segments import strata_of
from analytics.drivers.wording import CAVEATS, GATE, Words, gate_words, held_words

DEFINITION = "docs/analytics.md#drivers"
MOST_DRAWN = 60


def write_document(findings: Findings, *, as_of: datetime, unit: str) -> Document:
    """Everything that was found, in plain data. `unit`: the currency of money."""
    study, words = findings.study, Words(findings.study.design, unit)
    shown, hidden = _shown(findings)
    strata = strata_of(study) if findings.tested or findings.untested else {}
    details = {
        each.behavior.url_key: detail_of(findings, each, words, strata)
        for each in (*findings.tested, *findings.untested)
        if each.behavior.key not in hidden
    }
    blocks = [_figures(findings, words), _forest(findings, shown, words, len(hidden)), *_counts(shown, words)]
    blocks += [_untested(findings, hidden, words), Block("caveats", "What could make this wrong", notes=CAVEATS)]
    outcome = study.design.outcome
    return Document(
        title=f"Drivers: {outcome.label.lower()}",
        as_of=as_of.isoformat(),
        population=study.size,
        population_words=(
            f"{study.size:,} accounts whose outcome was open after their first {study.design.landmark} days: what they did "
            f"until then, and what became of them in {study.design.horizon} days more. {FOLLOW_UPS[study.design.follow_up]}."
        ),
        excluded=[{"reason": each.reason.replace("_", " "), "n": each.n, "words": each.words} for each in study.excluded],
        blocks=blocks,
        notes=[*findings.notes, *([_not_held(findings)] if findings.not_held else [])],
        definition=DEFINITION,
        extra={
            "outcome": outcome.key, "seed": findings.seed, "held": list(findings.held), "not_held": list(findings.not_held),
            "held_words": held_words(findings.held), "unit": unit, "behaviors": details,
        },
    )  # fmt: skip


def _shown(findings: Findings) -> tuple[list[Finding], set[str]]:
    """What is shown of the tested ones, and the keys of those that the person hides: they were tested all the same."""
    wanted = {each.casefold() for each in findings.study.design.hidden}
    every = (*findings.tested, *findings.untested)
    hidden = {each.behavior.key for each in every if {each.behavior.key.casefold(), each.behavior.label.casefold()} & wanted}
    return [each for each in findings.tested if each.behavior.key not in hidden], hidden


def _not_held(findings: Findings) -> str:
    listed = ", ".join(dict.fromkeys(findings.not_held))
    count = len(dict.fromkeys(findings.not_held))
    what = "1 value" if count == 1 else f"{count} values"
    return f"{what} could not be held constant (too few accounts, or nothing to tell apart): {listed}."


def _figures(findings: Findings, words: Words) -> Block:
    robust = sum(each.verdict == "robust" for each in findings.tested)
    base_label = "Recurring revenue at the start, mean" if words.kind == "money" else words.design.outcome.label
    figures = [
        {"label": "Accounts", "value": findings.study.size, "kind": "count"},
        {"label": base_label, "value": words.plain(findings.base), "kind": words.kind, "unit": words.unit},
        {"label": "Tested", "value": len(findings.tested), "kind": "count", "note": "Behaviors and attribute values"},
        {"label": "Robust associations", "value": robust, "kind": "count"},
    ]
    columns = [Column("label", "Figure"), Column("text", "Value")]
    rows = [{"label": each["label"], "text": str(each["value"])} for each in figures]
    return Block("figures", "At a glance", chart_type="figures", chart={"figures": figures}, columns=columns, rows=rows)


def _forest(findings: Findings, shown: Sequence[Finding], words: Words, hidden: int) -> Block:
    explain = (
        "Adjusted difference between accounts that did it and the others, after allowing for "
        f"{held_words(findings.held)}. Ranked by the end of the interval nearer to 0."
    )
    notes = [f"{hidden} hidden; they were tested all the same."] if hidden else []
    if not findings.tested:
        empty = _why_empty(findings)
        return Block("drivers", "Drivers", explain, empty=empty, notes=notes)
    drawn = [each for each in shown if each.size is not None][:MOST_DRAWN]
    if any(gate_words(each, words) for each in drawn):
        notes.append(GATE)
    chart = {
        "unit_kind": words.difference_kind, "unit": words.unit, "floor": words.plain(findings.floor),
        "rows": [_forest_row(each, words) for each in drawn],
    }  # fmt: skip
    rows = [_row(findings, each, words) for each in shown]
    return Block("drivers", "Drivers", explain, "forest", chart, _columns(words), rows, notes)


def _why_empty(findings: Findings) -> str:
    """Why nothing was tested; where nobody has a start, that is to be mapped first (FZ-D2)."""
    study = findings.study
    if not study.size and [each.reason for each in study.excluded] == ["never_started"]:
        trial = study.design.outcome.start == "trial_started_at"
        wanted = "Free Trial Start Date" if trial else "Paid Start Date, or the transactions it follows from"
        return f"Nobody has a start of their {'trial' if trial else 'paid time'}: map {wanted} on the mapping page."
    return findings.reason or "Nothing could be tested; the reasons stand below."


def _forest_row(finding: Finding, words: Words) -> dict[str, Any]:
    return {
        "key": finding.behavior.key, "label": finding.behavior.label, "url_key": finding.behavior.url_key,
        "estimate": words.plain(finding.size), "low": words.plain(finding.low), "high": words.plain(finding.high),
        "raw": words.plain(finding.raw.difference), "raw_low": words.plain(finding.raw.low),
        "raw_high": words.plain(finding.raw.high), "with": finding.raw.adopters, "without": finding.raw.others_n,
        "verdict": verdicts.LABELS[finding.verdict], "tone": verdicts.TONES[finding.verdict],
        "note": gate_words(finding, words),
    }  # fmt: skip


def _columns(words: Words) -> list[Column]:
    money = words.kind == "money"
    value, difference, unit = words.kind, words.difference_kind, words.unit
    ratio = [] if money else [Column("ratio", "Ratio", "number"), Column("ratio_interval", "Ratio, 95 % interval", "interval"),
                              Column("phi", "Phi", "number")]  # fmt: skip
    return [
        Column("label", "Behavior"), Column("family", "Kind"), Column("verdict", "Verdict"),
        Column("with", "With", "count"), Column("without", "Without", "count"),
        Column("value", "Mean with" if money else "Rate with", value, unit),
        Column("others", "Mean without" if money else "Rate without", value, unit),
        Column("raw", "Raw difference", difference, unit), Column("raw_interval", "Raw, 95 % interval", "interval"), *ratio,
        Column("test", "Raw test"), Column("raw_p", "Raw p", "p"), Column("raw_q", "Raw q", "p"),
        Column("size", "Adjusted difference", difference, unit), Column("size_interval", "Adjusted, 95 % interval", "interval"),
        Column("p", "Adjusted p", "p"), Column("q", "Adjusted q", "p"),
        Column("detectable", "Smallest detectable difference", difference, unit),
        Column("e_value", "E-value", "number"), Column("e_value_end", "E-value of the nearer end", "number"),
        Column("gate", "Floor reached"), Column("same_as", "Together with"),
    ]  # fmt: skip


def _row(findings: Findings, finding: Finding, words: Words) -> dict[str, Any]:
    raw, e = finding.raw, e_values_of(findings, finding)
    return {
        "label": finding.behavior.label, "family": FAMILIES[finding.behavior.family],
        "verdict": verdicts.LABELS[finding.verdict], "with": raw.adopters, "without": raw.others_n,
        "value": words.plain(raw.value), "others": words.plain(raw.others), "raw": words.plain(raw.difference),
        "raw_interval": [words.plain(raw.low), words.plain(raw.high)], "ratio": raw.ratio,
        "ratio_interval": [raw.ratio_low, raw.ratio_high], "phi": raw.phi, "test": raw.test, "raw_p": raw.p,
        "raw_q": finding.raw_q, "size": words.plain(finding.size),
        "size_interval": [words.plain(finding.low), words.plain(finding.high)], "p": finding.p, "q": finding.q,
        "detectable": words.plain(verdicts.detectable(finding.error)), "e_value": e[0] if e else None,
        "e_value_end": e[1] if e else None, "gate": gate_words(finding, words),
        "same_as": ", ".join(each.label for each in finding.same_as),
        "_behind:with": cell_of(finding, adopted=True), "_behind:without": cell_of(finding, adopted=False),
    }  # fmt: skip


def _counts(shown: Sequence[Finding], words: Words) -> list[Block]:
    """The four groups of accounts of each behavior, each with its customers."""
    if not shown:
        return []
    had, lacked = ("grew", "did not grow") if words.kind == "money" else ("with the outcome", "without it")
    columns = [
        Column("label", "Behavior"),
        Column("yes_had", f"Did it, {had}", "count"), Column("yes_not", f"Did it, {lacked}", "count"),
        Column("no_had", f"Did not, {had}", "count"), Column("no_not", f"Did not, {lacked}", "count"),
    ]  # fmt: skip
    rows = []
    for each in shown:
        raw = each.raw
        row: dict[str, Any] = {
            "label": each.behavior.label, "yes_had": raw.kept, "yes_not": raw.adopters - raw.kept,
            "no_had": raw.others_kept, "no_not": raw.others_n - raw.others_kept,
        }  # fmt: skip
        for key, adopted, outcome in (("yes_had", True, True), ("yes_not", True, False), ("no_had", False, True),
                                      ("no_not", False, False)):  # fmt: skip
            row[f"_behind:{key}"] = cell_of(each, adopted=adopted, outcome=outcome)
        rows.append(row)
    return [Block("groups", "Accounts by behavior and outcome", "Each number opens its customers.", columns=columns, rows=rows)]


def _untested(findings: Findings, hidden: set[str], words: Words) -> Block:
    """Nothing is left out silently."""
    columns = [
        Column("label", "Behavior"), Column("family", "Kind"), Column("verdict", "Verdict"), Column("reason", "Reason"),
        Column("with", "With", "count"), Column("without", "Without", "count"),
        Column("raw", "Raw difference", words.difference_kind, words.unit),
    ]  # fmt: skip
    rows = [
        {
            "label": each.behavior.label, "family": FAMILIES[each.behavior.family], "verdict": verdicts.LABELS[each.verdict],
            "reason": each.reason, "with": each.raw.adopters, "without": each.raw.others_n,
            "raw": words.plain(each.raw.difference) if each.raw.adopters and each.raw.others_n else None,
        }
        for each in sorted(findings.untested, key=lambda each: (each.verdict != "leak", -each.raw.adopters, each.behavior.key))
        if each.behavior.key not in hidden
    ]  # fmt: skip
    rows += [
        {"label": each.label, "family": FAMILIES[each.family], "verdict": "Part of the outcome", "reason": reason}
        for each, reason in findings.study.left_out
    ]
    explain = "Too few accounts, a possible leak, or part of the outcome's definition: not in the model and not in the ranking."
    return Block("untested", "Not tested", explain, columns=columns, rows=rows, empty="" if rows else "Everything was tested.")
