"""Accounts whose truth is known: what goes with the outcome by itself, what only seems to, and what does not."""

from dataclasses import dataclass, replace

import numpy as np

from analytics.drivers.design import design_of, read_design
from analytics.drivers.study import Behavior, Levels, Study

INDUSTRIES = ("", "Software", "Retail", "Banking")
SOURCES = ("", "Marketing", "Direct")


@dataclass(frozen=True)
class Planted:
    """A study and the places of its true behaviors, of those that size and activity explain, and of the others."""

    study: Study
    true: tuple[int, ...]
    confounded: tuple[int, ...]
    none: tuple[int, ...]


def study_of(counts, outcome, *, active=None, seats=None, parameters=None, attributes=None, first_use=None, happened_on=None):
    """A study of these counts; what is not given says nothing."""
    size, many = counts.shape
    nothing = np.zeros(size)
    return Study(
        design=design_of(read_design({"outcome": "retention", **(parameters or {})})),
        subjects=[f"c{number}" for number in range(size)],
        outcome=np.asarray(outcome, dtype=float),
        happened_on=np.full(size, -1, dtype=np.int32) if happened_on is None else happened_on,
        behaviors=tuple(Behavior(f"event:E{number}", f"E{number}", "event") for number in range(many)),
        counts=counts.astype(np.float32),
        first_use=np.where(counts > 0, 0, 32767).astype(np.int16) if first_use is None else first_use,
        first_active=np.zeros(size, dtype=np.int32),
        active_days=nothing if active is None else active,
        active_before=nothing,
        seats=np.full(size, np.nan) if seats is None else seats,
        attributes=attributes or {},
    )


def plant(*, accounts=20_000, seed=1, effect=0.9, behaviors=24, confounded=6, true=4, money=False, parameters=None) -> Planted:
    """True behaviors raise the log-odds by `effect` from the third use on; confounded ones follow activity and size alone,
    which go with the outcome too."""
    rng = np.random.default_rng(seed)
    seats = np.exp(rng.normal(3, 1, accounts)).round() + 1
    industry, source = rng.integers(0, 4, accounts), rng.integers(0, 3, accounts)
    active = rng.binomial(30, 1 / (1 + np.exp(-rng.normal(-0.5, 1, accounts) - 0.3 * (np.log(seats) - 3))))
    counts = np.empty((accounts, behaviors))
    for place in range(behaviors):
        level = rng.uniform(0.3, 1.2)
        if true <= place < true + confounded:
            level = level * np.exp(0.09 * (active - 12) + 0.25 * (np.log(seats) - 3))
        counts[:, place] = rng.poisson(level * rng.gamma(1.5, 1 / 1.5, accounts))
    score = -1.2 + 0.08 * (active - 12) + 0.3 * (np.log(seats) - 3) + np.array([0, 0.3, -0.3, 0.5])[industry]
    score = score + effect * (counts[:, :true] >= 2).sum(axis=1)
    outcome = (rng.random(accounts) < 1 / (1 + np.exp(-score))).astype(float)
    if money:
        outcome = 40 * score + rng.normal(0, 150, accounts)
    attributes = {"industry": Levels(industry, INDUSTRIES), "source": Levels(source, SOURCES)}
    study = study_of(counts, outcome, active=active, seats=seats, attributes=attributes, parameters=parameters)
    study = replace(study, base_money=200.0) if money else study
    return Planted(study, tuple(range(true)), tuple(range(true, true + confounded)), tuple(range(true + confounded, behaviors)))
