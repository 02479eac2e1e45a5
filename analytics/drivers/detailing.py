"""What the page of one driver shows: four groups, dose-response, the number of uses, segments, and an experiment to follow."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from analytics.analyses.documents import Block
from analytics.drivers import detail_blocks, verdicts
from analytics.drivers.design import FAMILIES
from analytics.drivers.estimating import Finding, Findings
from analytics.drivers.segments import segments_of
from analytics.drivers.study import Levels, Study
from analytics.drivers.wording import (
    Words,
    e_value_sentence,
    experiment_sentence,
    gate_words,
    threshold_sentence,
    verdict_sentence,
)


def cell_of(finding: Finding, *, adopted: bool, outcome: bool | None = None) -> dict[str, Any]:
    """Names the accounts that did it (or not), with the outcome (or without it; None: both)."""
    found: dict[str, Any] = {"behavior": finding.behavior.key, "adopted": adopted}
    return found if outcome is None else found | {"outcome": outcome}


def adopted_of(study: Study, finding: Finding) -> np.ndarray:
    """Which accounts did it, or have the value."""
    if finding.value is not None:
        return study.attributes[finding.value[0]].codes == finding.value[1]
    assert finding.place is not None
    return study.adopted(finding.place)


def detail_of(findings: Findings, finding: Finding, words: Words, strata: Mapping[str, Levels]) -> dict[str, Any]:
    """One behavior as its page shows it."""
    study, raw = findings.study, finding.raw
    rows = np.flatnonzero(~np.isnan(study.outcome))
    others = {name: each for name, each in strata.items() if finding.value is None or name != finding.value[0]}
    segments, together = segments_of(study, others, adopted_of(study, finding), rows)
    blocks = [
        detail_blocks.doses_block(study, finding, words, rows), detail_blocks.curve_block(finding, words),
        detail_blocks.segments_block(segments, words), detail_blocks.together_block(together, finding, words),
    ]  # fmt: skip
    return {
        "key": finding.behavior.key, "label": finding.behavior.label, "family": FAMILIES[finding.behavior.family],
        "least": finding.behavior.least,
        "is_value": finding.value is not None,
        "verdict": verdicts.LABELS[finding.verdict], "tone": verdicts.TONES[finding.verdict],
        "sentences": _sentences(findings, finding, words),
        "cells": {
            "yes_had": _group(raw.kept, finding, adopted=True, outcome=True),
            "yes_not": _group(raw.adopters - raw.kept, finding, adopted=True, outcome=False),
            "no_had": _group(raw.others_kept, finding, adopted=False, outcome=True),
            "no_not": _group(raw.others_n - raw.others_kept, finding, adopted=False, outcome=False),
        },
        "figures": _figures(finding, words),
        "blocks": [_as_dict(each) for each in blocks if each is not None],
    }  # fmt: skip


def _as_dict(block: Block) -> dict[str, Any]:
    """A block as documents hold it. Not by `asdict` alone, which would copy every number of dozens of pages one by one."""
    found = {each.name: getattr(block, each.name) for each in fields(block)}
    return found | {"columns": [asdict(each) for each in block.columns]}


def _group(n: int, finding: Finding, *, adopted: bool, outcome: bool) -> dict[str, Any]:
    return {"n": n, "behind": cell_of(finding, adopted=adopted, outcome=outcome)}


def _figures(finding: Finding, words: Words) -> list[dict[str, str]]:
    """Numbers beside the four groups, as text."""
    raw = finding.raw
    found = [("With", words.value(raw.value)), ("Without", words.value(raw.others))]
    found.append(("Raw difference", f"{words.difference(raw.difference)} ({words.interval(raw.low, raw.high)})"))
    if finding.size is not None:
        found.append(("Adjusted difference", f"{words.difference(finding.size)} ({words.interval(finding.low, finding.high)})"))
        found.append(("Smallest detectable difference", words.difference(verdicts.detectable(finding.error)).lstrip("+")))
    if raw.p is not None:
        found.append((raw.test, f"p {_p(raw.p)}" + (f", q {_p(finding.raw_q)}" if finding.raw_q is not None else "")))
    if finding.p is not None:
        found.append(("Adjusted test", f"p {_p(finding.p)}, q {_p(finding.q)}"))
    if words.design.is_timed and finding.coefficient is not None:
        sign = -1.0 if words.design.outcome.is_kept else 1.0
        found.append(("Hazard ratio of one standard deviation more", f"{np.exp(sign * finding.coefficient):.2f}"))
    return [{"label": label, "text": text} for label, text in found]


def _p(value: float | None) -> str:
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _sentences(findings: Findings, finding: Finding, words: Words) -> dict[str, str]:
    label, raw = finding.behavior.label, finding.raw
    found = {
        "verdict": verdict_sentence(
            words, label, finding.verdict, size=finding.size, low=finding.low, high=finding.high, raw=raw.difference,
            error=finding.error, held=findings.held, reason=finding.reason,
        )
    }  # fmt: skip
    if finding.same_as:
        others = ", ".join(each.label for each in finding.same_as)
        found["same_as"] = f"Together with {others}: they come and go with it (correlation above 0.8) and cannot be told apart."
    if reached := gate_words(finding, words):
        found["gate"] = f"{reached}, not below; the interval above is of {finding.behavior.least} or more and may hold 0."
    if (each := finding.threshold) is not None:
        found["threshold"] = threshold_sentence(
            words, each.k, each.found.size, each.found.low, each.found.high, is_clear=each.is_clear,
            halves=(each.searched, each.estimated),
        )  # fmt: skip
    if (e := e_values_of(findings, finding)) is not None:
        found["e_value"] = e_value_sentence(*e)
    if finding.size is not None and finding.verdict in ("robust", "weak", "none"):
        found["experiment"] = _experiment(findings, finding, words)
    return found


def _experiment(findings: Findings, finding: Finding, words: Words) -> str:
    assert finding.size is not None
    study, raw = findings.study, finding.raw
    size = finding.size if finding.verdict == "robust" else verdicts.detectable(finding.error) or finding.size
    first = raw.others
    second = first + size if words.kind == "money" else min(max(first + size, 0.0), 1.0)
    accounts = (
        verdicts.accounts_for_money(size, findings.deviation)
        if words.kind == "money"
        else verdicts.accounts_for_rates(first, second)
    )
    per_month = study.size / study.months if study.months >= 1 else 0.0
    return experiment_sentence(
        words,
        finding.behavior.family,
        finding.behavior.label,
        first=first,
        second=second,
        accounts=accounts,
        per_month=per_month,
    )


def e_values_of(findings: Findings, finding: Finding) -> tuple[float, float] | None:
    """E-values of robust findings alone: others have nothing to be explained away."""
    if finding.verdict != "robust" or finding.size is None or finding.error is None:
        return None
    if findings.study.design.outcome.measure == "money":
        return verdicts.e_values_of_money(finding.size, finding.error, findings.deviation)
    share = finding.raw.adopters / max(finding.raw.adopters + finding.raw.others_n, 1)
    return verdicts.e_values(finding.size, finding.error, findings.base - finding.size * share)
