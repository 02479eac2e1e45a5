"""Behaviors that look like the outcome itself, seen from the other side (methods, 8.1 rule 2). Pure."""

import math

import numpy as np

from analytics.drivers import design as limits
from analytics.drivers.study import Study

RARE, FEWEST = 0.01, 10
"""What chance alone would do less often than this is suspected; of fewer accounts nothing is said."""
EVERYBODY = 0.02
"""Where fewer than this lack the outcome at all, that the adopters have it says nothing."""


def suspect(study: Study, place: int) -> str:
    """Why a behavior looks like part of the outcome, in a sentence; "" when it does not."""
    if study.design.outcome.measure != "rate":
        return ""
    adopted = study.adopted(place)
    return _hardly_anybody_lacks(study, adopted) or _only_just_before(study, place, adopted)


def _hardly_anybody_lacks(study: Study, adopted: np.ndarray) -> str:
    known = ~np.isnan(study.outcome)
    mine, others = study.outcome[adopted & known], study.outcome[~adopted & known]
    if len(mine) < FEWEST or not len(others):
        return ""
    lacking, elsewhere = 1 - float(mine.mean()), 1 - float(others.mean())
    overall = 1 - float(study.outcome[known].mean())
    by_chance = math.exp(len(mine) * math.log1p(-elsewhere)) if elsewhere < 1 else 0.0
    if lacking >= limits.LEAK_SHARE or overall < EVERYBODY or by_chance > RARE:
        return ""
    return f"Only {lacking:.1%} of the accounts that did it lack the outcome: it may be recorded with the outcome."


def _only_just_before(study: Study, place: int, adopted: np.ndarray) -> str:
    """All uses within a week of the outcome, where the accounts' activity as a whole reaches further back."""
    had = study.happened_on >= 0
    mine = adopted & had & (study.first_use[:, place] >= 0)
    if mine.sum() < FEWEST:
        return ""
    happened = study.happened_on.astype(np.int64)
    if (happened[mine] - study.first_use[mine, place] > limits.LEAK_DAYS).any():
        return ""
    active = had & (study.first_active >= 0) & (study.first_active <= happened)
    near = float((happened[active] - study.first_active[active] <= limits.LEAK_DAYS).mean()) if active.any() else 1.0
    if near ** int(mine.sum()) > RARE:
        return ""
    return f"All uses lie within {limits.LEAK_DAYS} days of the outcome: it may be a step of the outcome itself."
