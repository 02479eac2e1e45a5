"""The sentences of results. Pure.

They say what goes with what, never what makes what happen (methods, 8.6); a test reads every sentence that is produced.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from analytics.analyses import writing
from analytics.analyses.documents import Kind
from analytics.drivers import verdicts
from analytics.drivers.design import Design

if TYPE_CHECKING:
    from analytics.drivers.estimating import Finding

CENT = Decimal("0.01")
ASSOCIATION = "An association, not proof."
EXPERIMENTS = {
    "event": "Encourage every second new account, chosen at random, to do “{label}” within its first {days} days",
    "feature": "Encourage every second new account, chosen at random, to use “{label}” within its first {days} days",
    "campaign": "Send it to every second new account, chosen at random, within its first {days} days",
}


@dataclass(frozen=True, slots=True)
class Words:
    """How the values of one study are written: `unit` is the currency of money."""

    design: Design
    unit: str = ""

    @property
    def kind(self) -> Kind:
        """The kind of a value: a rate, or money."""
        return "money" if self.design.outcome.measure == "money" else "rate"

    @property
    def difference_kind(self) -> Kind:
        """The kind of a difference."""
        return "money" if self.design.outcome.measure == "money" else "points"

    def plain(self, value: float | None) -> Any:
        """A value as documents hold it: a rate as float, money as text; None where there is none."""
        if value is None or not math.isfinite(value):
            return None
        return str(Decimal(repr(float(value))).quantize(CENT, rounding=ROUND_HALF_UP)) if self.kind == "money" else float(value)

    def value(self, value: float | None) -> str:
        """A rate or an amount."""
        return writing.write(value, self.kind, self.unit)

    def difference(self, value: float | None) -> str:
        """A difference, with its sign."""
        text = writing.write(value, self.difference_kind, self.unit)
        return f"+{text}" if self.kind == "money" and value is not None and value > 0 else text

    def interval(self, low: float | None, high: float | None) -> str:
        """An interval of differences."""
        return writing.write_interval([low, high], self.difference_kind, self.unit)


def list_words(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def held_words(held: Sequence[str]) -> str:
    """What was held constant, in the order and the words of the definition, such as "size, industry and overall activity"."""
    found = [name for name in ("size", "industry", "region", "source", "plan") if any(each.startswith(name) for each in held)]
    if any("active days" in each or each.startswith("activity") for each in held):
        found.append("overall activity")
    return list_words(found) or "nothing"


def verdict_sentence(
    words: Words, label: str, verdict: str, *, size: float | None, low: float | None, high: float | None,
    raw: float, error: float | None, held: Sequence[str], reason: str = "",
) -> str:  # fmt: skip
    """The finding about one behavior in a sentence or two."""
    outcome = words.design.outcome.noun
    allowing = f"after allowing for {held_words(held)}"
    shown = raw if verdict == "explained" else size
    outcome = f"less {outcome}" if shown is not None and shown < 0 and verdict != "none" else outcome
    if verdict == "robust":
        return (
            f"“{label}” goes with {outcome}: {words.difference(size)} (95 % interval {words.interval(low, high)}), {allowing}. "
            f"{ASSOCIATION}"
        )
    if verdict == "explained":
        return (
            f"Side by side, “{label}” goes with {outcome} ({words.difference(raw)}), but no longer {allowing}: account type or "
            "overall activity explains it."
        )
    if verdict == "weak":
        return (
            f"“{label}” is associated with {outcome}, but the difference {allowing} may be too small to matter, or its two "
            f"estimates disagree: {words.difference(size)} (95 % interval {words.interval(low, high)}). {ASSOCIATION}"
        )
    if verdict == "none":
        seen = words.difference(verdicts.detectable(error)).lstrip("+")
        would = f" A difference of {seen} or more would have been found in four of five such studies." if error else ""
        return f"No evidence that “{label}” goes with {outcome} {allowing}.{would}"
    return reason


def threshold_sentence(
    words: Words, k: int, size: float, low: float, high: float, *, is_clear: bool, halves: tuple[int, int]
) -> str:
    """What the half that did not choose the number says about it."""
    unit = {"any": "times", "count": "people", "share": "percent of seats"}[words.design.roll_up]
    found = f"{words.difference(size)} (95 % interval {words.interval(low, high)})"
    how = f"The number was chosen on {halves[0]:,} accounts at random and estimated on the other {halves[1]:,}."
    if is_clear:
        return f"Accounts with at least {k} ({unit}) beside those with fewer: {found}. {how}"
    alike = f"No clear threshold: accounts just below and just from {k} ({unit}) are alike."
    return f"{alike} At least {k} beside fewer: {found}. {how}"


def e_value_sentence(point: float, end: float) -> str:
    """How strong something unmeasured would have to be (VanderWeele & Ding 2017)."""
    if end <= 1.0:
        return f"E-value {point:.2f}; the interval holds no difference at all, so nothing needs explaining away."
    return (
        f"E-value {point:.2f} ({end:.2f} for the nearer end of the interval): something that was not measured would have to go "
        f"with both the behavior and the outcome by a ratio of at least {point:.2f} each to explain the difference away."
    )


def experiment_sentence(
    words: Words, family: str, label: str, *, first: float, second: float, accounts: int | None, per_month: float
) -> str:
    """An experiment that would tell more, with its size for 80 % power."""
    if family not in EXPERIMENTS:
        return "It cannot be given to accounts at random; compare similar accounts before and after it changed instead."
    begin = EXPERIMENTS[family].format(label=label, days=words.design.landmark)
    if accounts is None:
        return f"{begin}. There is no difference to plan its size by."
    filled = 2 * accounts / per_month if per_month > 0 else 0.0
    months = f" About {per_month:,.0f} accounts start a month, so both halves fill in {filled:,.1f} months." if filled else ""
    return (
        f"{begin}, and compare both halves after {words.design.landmark + words.design.horizon} days. To find "
        f"{words.value(second)} beside {words.value(first)} with 80 % power at 5 %, {accounts:,} accounts are needed in each "
        f"half, if all who are encouraged follow; if half of them do, four times as many.{months}"
    )


GATE = (
    "“Floor reached at … or more”: the interval shown is of doing it at least once and may hold 0. The practical floor was "
    "reached between accounts that did it so often and the others. That interval is not shown, because the same data chose the "
    "number; the page of the behavior says how often is enough, estimated on the half that did not choose it."
)
"""Said where a behavior counts as robust by its best number of uses alone (methods, 8.3)."""


def gate_words(finding: "Finding", words: Words) -> str:
    """At which number of uses the practical floor was reached, where that is not the number that is shown; else nothing."""
    if finding.gate_k is None or finding.verdict != "robust":
        return ""
    unit = {"any": "uses", "count": "people", "share": "percent of seats"}[words.design.roll_up]
    return f"Floor reached at {finding.gate_k} or more {unit}"


CAVEATS = (
    (
        "Association, not proof: accounts were not assigned at random. What was not measured, such as a keen person on their "
        "side, may stand behind both the behavior and the outcome."
    ),
    (
        "Behaviors are counted in the first days only, outcomes after them only; accounts that are younger, or had their "
        "outcome before, are left out and counted."
    ),
    (
        "Of all behaviors with a q-value up to 0.05, at most one in twenty is expected to be a false discovery, over "
        "everything that was tested."
    ),
    (
        "Size, account type and activity are held constant as far as they are recorded; what is recorded badly is held "
        "constant badly."
    ),
)
