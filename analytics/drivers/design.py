"""What can be asked about drivers: outcomes, windows, which behaviors, and the limits below which nothing is claimed. Pure.

Windows are whole UTC days counted from the day of the start: behaviors in `[start, landmark)`, the outcome in
`[landmark, landmark + horizon)` (methods, section 8.1). Nothing that is counted as behavior can lie after the outcome.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from integrations.sync.mapping.problems import Problem, ProblemsFound

Measure = Literal["rate", "money"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One outcome. `start`: the milestone from which days are counted; `event`: what happens.

    `noun` ends the sentence "it goes with ...". `landmark` and `horizon`: days that suit it. `words`: names of behaviors with
    one of these words are part of its definition (8.1 rule 2).
    """

    key: str
    label: str
    start: str
    event: str
    noun: str
    landmark: int = 30
    horizon: int = 180
    measure: Measure = "rate"
    is_kept: bool = False
    """Whether the outcome is that the event did not happen."""
    words: tuple[str, ...] = ()


BUYING = ("purchase", "purchased", "subscribed", "converted", "conversion", "checkout", "paid", "payment")
LEAVING = ("cancel", "canceled", "cancelled", "cancellation", "churn", "churned", "terminate", "terminated", "unsubscribed",
           "offboarding")  # fmt: skip
GROWING = ("upgrade", "upgraded", "upsell", "upsold", "expansion", "expansion")
OUTCOMES: dict[str, Outcome] = {
    each.key: each
    for each in (
        Outcome(
            "trial_to_paid", "Trial converted to paid", "trial_started_at", "paid", "trial conversion", 7, 60, words=BUYING
        ),
        Outcome("retention", "Retained (did not churn)", "paid_at", "churn", "retention", is_kept=True, words=LEAVING),
        Outcome("expansion", "Expanded", "paid_at", "expansion", "expansion", words=GROWING),
        Outcome("churn", "Churned", "paid_at", "churn", "churn", words=LEAVING),
        Outcome("revenue", "Change of recurring revenue", "paid_at", "change", "growth of recurring revenue",
                measure="money", words=(*GROWING, *LEAVING)),
    )
}  # fmt: skip
FAMILIES = {
    "event": "Events", "feature": "Features", "campaign": "Campaigns", "ticket": "Support tickets", "attribute": "Attributes",
}  # fmt: skip
ATTRIBUTES = ("industry", "region", "source", "plan", "product", "contract_type")
ADJUSTED = ("industry", "region", "source", "plan")
"""Attributes that are held constant beside size and activity (8.3)."""
ROLL_UPS = {
    "any": "How often anybody of the account did it",
    "count": "How many people of the account did it",
    "share": "Percent of the account's seats that did it",
}
FOLLOW_UPS = {"complete": "Accounts that were followed to the end", "censored": "All, by time until it happened (Cox)"}
SETTINGS = (
    "outcome", "landmark_days", "horizon_days", "families", "roll_up", "at_least", "follow_up", "floor", "hidden", "refused",
    "allowed",
)  # fmt: skip
FEWEST_SIDE, SIDE_OF = 25, 100
"""So many accounts and one of so many are needed on each side of a behavior."""
FEWEST_PER_COLUMN, FEWEST_ACCOUNTS, FEWEST_EVENTS = 10, 200, 50
FALSE_DISCOVERIES = 0.05
ALIKE = 0.8
FLOOR_POINTS, FLOOR_POINTS_LARGE, LARGE, FLOOR_SHARE = 1.0, 2.0, 50_000, 0.1
DOSES = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20)
DOSE_SHARE = 0.02
LEAK_SHARE, LEAK_DAYS = 0.01, 7
MOST_BEHAVIORS = 200


@dataclass(frozen=True)
class Design:
    """A question about drivers, complete."""

    outcome: Outcome
    landmark: int
    horizon: int
    families: tuple[str, ...]
    roll_up: str
    at_least: int
    follow_up: str
    floor: float | None
    """Percentage points (of money: percent of the mean at the landmark); None: by the size of the population."""
    refused: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()

    @property
    def is_timed(self) -> bool:
        """Whether the time until the event is studied, not only whether it came."""
        return self.follow_up == "censored" and self.outcome.measure == "rate"

    def floor_of(self, accounts: int, base: float) -> float:
        """The smallest difference that counts as practical: a rate, or money for which `base` is the mean."""
        points = self.floor if self.floor is not None else FLOOR_POINTS_LARGE if accounts >= LARGE else FLOOR_POINTS
        if self.outcome.measure == "money":
            return abs(base) * points / 100
        return min(points / 100, FLOOR_SHARE * base) if base else points / 100


def read_design(data: Mapping[str, Any]) -> dict[str, Any]:
    """Complete parameters from form or API values; `ProblemsFound` with everything that is wrong, by parameter."""
    problems = [
        Problem(key, "unknown", f"There is no setting {key}; there are {', '.join(SETTINGS)}.")
        for key in data
        if key not in SETTINGS
    ]
    outcome = OUTCOMES.get(str(data.get("outcome") or "trial_to_paid"))
    if outcome is None:
        problems.append(Problem("outcome", "choice", f"Must be one of {', '.join(OUTCOMES)}."))
        outcome = OUTCOMES["trial_to_paid"]
    read = {
        "outcome": outcome.key,
        "landmark_days": _own(_whole(data, "landmark_days", outcome.landmark, 1, 365, problems), outcome.landmark),
        "horizon_days": _own(_whole(data, "horizon_days", outcome.horizon, 1, 1095, problems), outcome.horizon),
        "families": _families(data.get("families"), problems),
        "roll_up": _choice(data, "roll_up", ROLL_UPS, problems),
        "at_least": _whole(data, "at_least", 1, 1, 1000, problems),
        "follow_up": _choice(data, "follow_up", FOLLOW_UPS, problems),
        "floor": _floor(data.get("floor"), problems),
        "refused": _names(data.get("refused")),
        "allowed": _names(data.get("allowed")),
        "hidden": _names(data.get("hidden")),
    }
    if read["follow_up"] == "censored" and outcome.measure == "money":
        problems.append(Problem("follow_up", "conflict", "A change of revenue has no time until it happened; choose complete."))
    if read["roll_up"] == "share" and read["at_least"] > 100:
        problems.append(Problem("at_least", "range", "A percentage of seats is at most 100."))
    if problems:
        raise ProblemsFound(problems)
    return read


def design_of(parameters: Mapping[str, Any]) -> Design:
    """The design of complete parameters."""
    outcome = OUTCOMES[parameters["outcome"]]
    return Design(
        outcome, parameters["landmark_days"] or outcome.landmark, parameters["horizon_days"] or outcome.horizon,
        tuple(parameters["families"]), parameters["roll_up"], parameters["at_least"], parameters["follow_up"],
        parameters["floor"], tuple(parameters["refused"]), tuple(parameters["allowed"]), tuple(parameters["hidden"]),
    )  # fmt: skip


def is_of_outcome(label: str, key: str, design: Design) -> bool:
    """Whether a behavior is part of the outcome: refused by name, or named like it and not allowed (8.1 rule 2)."""
    names = {label.casefold(), key.casefold()}
    if names & {each.casefold() for each in design.refused}:
        return True
    if names & {each.casefold() for each in design.allowed}:
        return False
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", label)
    return not set(re.findall(r"[a-z]+", spaced.casefold())).isdisjoint(design.outcome.words)


def fewest_of(accounts: int) -> int:
    """Accounts that are needed on each side of a behavior (8.2)."""
    return max(FEWEST_SIDE, -(-accounts // SIDE_OF))


def _whole(data: Mapping[str, Any], key: str, default: int, low: int, high: int, problems: list[Problem]) -> int:
    raw = data.get(key)
    if raw is None or raw == "":
        return default
    text = str(raw).strip()
    if isinstance(raw, bool) or not re.fullmatch(r"\d{1,6}", text, re.ASCII) or not low <= int(text) <= high:
        problems.append(Problem(key, "range", f"Must be a whole number from {low} to {high:,}."))
        return default
    return int(text)


def _own(days: int, usual: int) -> int | None:
    """None for the days that suit the outcome, so that another outcome brings its own."""
    return None if days == usual else days


def _floor(raw: Any, problems: list[Problem]) -> float | None:
    if raw is None or raw == "":
        return None
    try:
        value = float(str(raw))
    except ValueError:
        value = -1.0
    if isinstance(raw, bool) or not 0 <= value <= 100:
        problems.append(Problem("floor", "range", "Must be a number of percentage points from 0 to 100, or empty."))
        return None
    return value


def _choice(data: Mapping[str, Any], key: str, known: Mapping[str, str], problems: list[Problem]) -> str:
    value = str(data.get(key) or next(iter(known)))
    if value not in known:
        problems.append(Problem(key, "choice", f"Must be one of {', '.join(known)}."))
        return next(iter(known))
    return value


def _families(raw: Any, problems: list[Problem]) -> list[str]:
    chosen = _names(raw)
    if unknown := [each for each in chosen if each not in FAMILIES]:
        problems.append(Problem("families", "choice", f"Unknown: {', '.join(unknown)}; choose of {', '.join(FAMILIES)}."))
    return [each for each in FAMILIES if each in chosen or not chosen]


def _names(raw: Any) -> list[str]:
    listed: Sequence[Any] = raw if isinstance(raw, list | tuple) else re.split(r"[\n,]", str(raw or ""))
    return sorted({str(each).strip()[:200] for each in listed if str(each).strip()})
