"""NPS, CSAT and CES of some answers, with 95 % intervals. Pure (methods 3).

Answers off their scale are rejected by the caller's facts, not bent. Of one respondent, survey and window the latest counts.
No answers: None, never 0. Values are unrounded; fewer than 5 answers are shown greyed.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from analytics.outcomes.statistics import Z95, wilson

KINDS = {"nps": "NPS", "csat": "CSAT", "ces": "CES"}
FEW = 5
PROMOTER, PASSIVE = 9, 7


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. `respondent` is null where nobody knows who answered: it then stands for itself."""

    key: str
    subject: str
    kind: str
    score: Decimal
    at: datetime
    source: str
    respondent: str | None


@dataclass(frozen=True, slots=True)
class Score:
    """A score of n answers: NPS from -100 to 100, CSAT as a share, CES as a mean; with its interval."""

    value: float
    low: float
    high: float
    n: int

    @property
    def is_thin(self) -> bool:
        """Whether it comes from so few answers that it is shown greyed."""
        return self.n < FEW


def latest(answers: Iterable[Answer]) -> list[Answer]:
    """Of each respondent and survey (kind, source and customer) the latest answer."""
    found: dict[tuple[str, ...], Answer] = {}
    for each in sorted(answers, key=lambda answer: (answer.at, answer.key)):
        who = (each.respondent, "") if each.respondent else ("", each.key)
        found[(each.kind, each.source, each.subject, *who)] = each
    return list(found.values())


def score_of(kind: str, scores: Sequence[Decimal], scales: Mapping[str, int] | None = None) -> Score | None:
    """The score of these answers; None of none."""
    if not scores:
        return None
    if kind == "nps":
        return nps(scores)
    return csat(scores, (scales or {}).get("csat", 5)) if kind == "csat" else ces(scores)


def nps(scores: Sequence[Decimal]) -> Score | None:
    """100 * (promoters - detractors) / responses, with 1.96 * 100 * sqrt((p + d - (p - d)^2) / n) on either side."""
    n = len(scores)
    if not n:
        return None
    p, d = sum(each >= PROMOTER for each in scores) / n, sum(each < PASSIVE for each in scores) / n
    spread = Z95 * 100 * math.sqrt(max(p + d - (p - d) ** 2, 0.0) / n)
    value = 100 * (p - d)
    return Score(value, max(value - spread, -100.0), min(value + spread, 100.0), n)


def csat(scores: Sequence[Decimal], scale: int = 5) -> Score | None:
    """The share of the two best scores (4 and 5 on 1 to 5), with Wilson's interval."""
    n, happy = len(scores), sum(each >= scale - 1 for each in scores)
    limits = wilson(happy, n)
    return Score(happy / n, *limits, n) if limits else None


def ces(scores: Sequence[Decimal]) -> Score | None:
    """The mean (higher: easier), with the normal interval of a mean."""
    n = len(scores)
    if not n:
        return None
    mean = float(sum(scores, Decimal(0)) / n)
    if n == 1:
        return Score(mean, mean, mean, 1)
    spread = math.sqrt(sum((float(each) - mean) ** 2 for each in scores) / (n - 1))
    return Score(mean, mean - Z95 * spread / math.sqrt(n), mean + Z95 * spread / math.sqrt(n), n)


def change(kind: str, now: Score | None, before: Score | None) -> float | None:
    """The difference of two scores in their unit (points of NPS, pp of CSAT); None if either side has no answers."""
    return None if now is None or before is None else now.value - before.value


def percent_change(now: int, before: int) -> float | None:
    """Percent change of counts: None from 0 to something (it is new), 0 from 0 to 0 (methods 2)."""
    if before:
        return 100 * (now - before) / before
    return None if now else 0.0
