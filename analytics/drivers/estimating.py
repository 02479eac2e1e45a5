"""Which behaviors and attribute values go with an outcome: the estimates of a study (methods, 8.2 to 8.5). Pure.

One joint model decides; a linear one says how large the difference is; two groups side by side are shown and never a claim.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from analytics.drivers import design as limits
from analytics.drivers import leaks, raw, threshold, verdicts
from analytics.drivers.columns import Prepared, prepare
from analytics.drivers.likelihood import logistic, proportional_hazards
from analytics.drivers.linear import Entered, Fit, Floats, entered_effects, least_squares
from analytics.drivers.raw import Compared
from analytics.drivers.study import Behavior, Study, value_behavior
from analytics.drivers.threshold import Threshold
from analytics.drivers.verdicts import Verdict


@dataclass(frozen=True)
class Finding:
    """What was found about one behavior. `size` is the adjusted difference with its standard error, in rates or money;
    `coefficient` that of the test, for one standard deviation more. Ratios are hazard ratios where time is studied."""

    behavior: Behavior
    raw: Compared
    verdict: Verdict
    place: int | None = None
    value: tuple[str, int] | None = None
    size: float | None = None
    error: float | None = None
    coefficient: float | None = None
    coefficient_error: float | None = None
    p: float | None = None
    q: float | None = None
    raw_q: float | None = None
    reason: str = ""
    same_as: tuple[Behavior, ...] = ()
    gate_k: int | None = None
    threshold: Threshold | None = None

    @property
    def low(self) -> float | None:
        """Lower end of the 95 % interval of the size."""
        return None if self.size is None or self.error is None else self.size - verdicts.Z_TEST * self.error

    @property
    def high(self) -> float | None:
        """Upper end of it."""
        return None if self.size is None or self.error is None else self.size + verdicts.Z_TEST * self.error


NOT_SETTLED = (
    "The estimates did not settle: some combination of behaviors tells the outcome nearly perfectly. Real differences may "
    "therefore have been missed."
)


@dataclass(frozen=True)
class Findings:
    """All findings, robust ones first. With `reason` nothing could be estimated."""

    study: Study
    base: float
    events: int
    floor: float
    tested: tuple[Finding, ...] = ()
    untested: tuple[Finding, ...] = ()
    held: tuple[str, ...] = ()
    not_held: tuple[str, ...] = ()
    reason: str = ""
    notes: tuple[str, ...] = ()
    deviation: float = 0.0
    seed: int = 0


@dataclass
class _Work:
    study: Study
    rows: Floats
    """Rows whose outcome is known in full."""
    breathe: Callable[[], None]
    ranks: raw.Ranks | None = None
    untested: list[Finding] = field(default_factory=list)


def estimate(study: Study, *, seed: int, breathe: Callable[[], None] = lambda: None) -> Findings:
    """Everything about the drivers of one outcome. The same study and seed give the same numbers."""
    rows = np.flatnonzero(~np.isnan(study.outcome))
    outcome = study.outcome[rows]
    is_money = study.design.outcome.measure == "money"
    events = int((study.happened if study.happened is not None else outcome > 0).sum())
    base = study.base_money if is_money else float(outcome.mean()) if len(rows) else 0.0
    bare = Findings(study, base, events, study.design.floor_of(len(rows), base), seed=seed)
    fewest = events if study.happened is not None else min(events, len(rows) - events)
    if reason := _too_few(len(rows), fewest, is_money):
        return replace(bare, reason=reason)
    work = _Work(study, rows, breathe, raw.Ranks.of(outcome) if is_money else None)
    places = _enough(work)
    prepared = prepare(study, places, (len(rows) if is_money else fewest) // limits.FEWEST_PER_COLUMN)
    breathe()
    tested, notes = _test(work, prepared, bare.floor, seed)
    for key, label, reason in prepared.dropped:
        work.untested.append(_not_tested(work, key, label, reason))
    constant = [each for each in prepared.columns[1:] if each.place is None and each.attribute in ("", *limits.ADJUSTED)]
    held = tuple(dict.fromkeys(each.attribute or each.name for each in constant))
    return replace(
        bare, tested=tuple(sorted(tested, key=_rank)), untested=tuple(work.untested), held=held,
        not_held=tuple(prepared.not_held), notes=(*study.notes, *notes), deviation=float(outcome.std()),
    )  # fmt: skip


def _too_few(accounts: int, events: int, is_money: bool) -> str:
    if accounts < limits.FEWEST_ACCOUNTS:
        return f"Not enough data: {accounts:,} accounts, {limits.FEWEST_ACCOUNTS} are needed."
    if not is_money and events < limits.FEWEST_EVENTS:
        return f"Not enough data: {events:,} accounts with or without the outcome, {limits.FEWEST_EVENTS} are needed of each."
    return ""


def _compare(work: _Work, adopted: Floats) -> Compared:
    outcome = work.study.outcome[work.rows]
    mine = adopted[work.rows]
    return raw.compare_money(mine, outcome, work.ranks) if work.ranks is not None else raw.compare_rates(mine, outcome)


def _enough(work: _Work) -> list[int]:
    """Behaviors that can be tested; the others are noted with the reason (8.1 and 8.2)."""
    least, found = limits.fewest_of(len(work.rows)), []
    for place, behavior in enumerate(work.study.behaviors):
        adopted = work.study.adopted(place)
        many = int(adopted[work.rows].sum())
        if min(many, len(work.rows) - many) < least:
            reason = f"{many:,} accounts did it and {len(work.rows) - many:,} did not; {least:,} are needed on each side."
            work.untested.append(Finding(behavior, _compare(work, adopted), "few", place, reason=reason))
        elif suspicion := leaks.suspect(work.study, place):
            work.untested.append(Finding(behavior, _compare(work, adopted), "leak", place, reason=suspicion))
        else:
            found.append(place)
    return found


def _not_tested(work: _Work, key: str, label: str, reason: str) -> Finding:
    """A behavior that the model has no room for."""
    for place, behavior in enumerate(work.study.behaviors):
        if behavior.key == key:
            return Finding(behavior, _compare(work, work.study.adopted(place)), "few", place, reason=reason)
    attribute, _, value = key.removeprefix("attribute:").partition("=")
    levels = work.study.attributes[attribute]
    code = levels.labels.index(value)
    compared = _compare(work, levels.codes == code)
    return Finding(Behavior(key, label, "attribute"), compared, "few", value=(attribute, code), reason=reason)


def _test(work: _Work, prepared: Prepared, floor: float, seed: int) -> tuple[list[Finding], list[str]]:
    """The joint model, sizes, q-values and verdicts."""
    joint, sign = _joint_fit(work, prepared)
    linear = least_squares(*_known_rows(work, prepared)) if prepared.values else None
    work.breathe()
    found = _of_behaviors(work, prepared, joint, sign) + _of_values(work, prepared, joint, linear, sign)
    q = raw.q_values([each.p if each.p is not None else 1.0 for each in found])
    raw_q = raw.q_values([each.raw.p if each.raw.p is not None else 1.0 for each in found])
    found = [replace(each, q=mine, raw_q=other) for each, mine, other in zip(found, q, raw_q, strict=True)]
    work.breathe()
    found = _judge(work, prepared, found, floor)
    studied = [each.place for each in found if each.place is not None and each.verdict in ("robust", "weak")]
    columns = {place: prepared.place_of(place) for place in studied}
    thresholds = threshold.search(prepared.matrix, work.study, columns, work.rows, seed) if columns else {}
    notes = [] if joint.is_converged else [NOT_SETTLED]
    return [replace(each, threshold=thresholds.get(each.place)) if each.place is not None else each for each in found], notes


def _joint_fit(work: _Work, prepared: Prepared) -> tuple[Fit, float]:
    """The deciding model, and the sign that its coefficients have for "more of the outcome"."""
    study = work.study
    if study.followed is not None and study.happened is not None:
        fit = proportional_hazards(prepared.matrix[:, 1:], study.followed, study.happened)
        padded = np.zeros((len(fit.coefficients) + 1,) * 2)
        padded[1:, 1:] = fit.covariance
        sign = -1.0 if study.design.outcome.is_kept else 1.0
        return Fit(
            np.concatenate([[0.0], fit.coefficients]), padded, fit.iterations, fit.is_converged, fit.log_likelihood
        ), sign
    fit = least_squares if study.design.outcome.measure == "money" else logistic
    return fit(*_known_rows(work, prepared)), 1.0


def _known_rows(work: _Work, prepared: Prepared) -> tuple[Floats, Floats]:
    """Matrix and outcome where the outcome is known in full; nothing is copied when that is everywhere."""
    if len(work.rows) == work.study.size:
        return prepared.matrix, work.study.outcome
    return prepared.matrix[work.rows], work.study.outcome[work.rows]


def _of_behaviors(work: _Work, prepared: Prepared, joint: Fit, sign: float) -> list[Finding]:
    """Test and size of each behavior (8.3): its own log1p gives way to "did it at least so often"."""
    study, columns = work.study, [(each, prepared.place_of(each)) for each in prepared.tested]
    if not columns:
        return []
    entered = [Entered(column, _adoption(study, place)) for place, column in columns]
    effects = entered_effects(prepared.matrix, study.outcome, entered, rows=work.rows)
    found = []
    for (place, column), size, error in zip(columns, effects.estimates, effects.errors, strict=True):
        assert column is not None
        coefficient, its_error = float(joint.coefficients[column]), float(joint.errors[column])
        same = tuple(study.behaviors[each] for each in prepared.groups[place] if each != place)
        found.append(Finding(
            study.behaviors[place], _compare(work, study.adopted(place)), "none", place,
            size=float(size) if np.isfinite(size) else None, error=float(error) if np.isfinite(error) else None,
            coefficient=sign * coefficient, coefficient_error=its_error, p=raw.wald_p(coefficient, its_error), same_as=same,
        ))  # fmt: skip
    return found


def _adoption(study: Study, place: int) -> Callable[[Floats], Floats]:
    return lambda rows: study.adopted(place, rows)


def _of_values(work: _Work, prepared: Prepared, joint: Fit, linear: Fit | None, sign: float) -> list[Finding]:
    """Each value of an attribute beside the weighted mean of its other values, all from the same two models."""
    found = []
    for attribute, code in prepared.values:
        levels = work.study.attributes[attribute]
        weights = _contrast(prepared, attribute, code, np.bincount(levels.codes, minlength=len(levels.labels)))
        coefficient, error = joint.contrast(weights)
        size, size_error = linear.contrast(weights) if linear is not None else (None, None)
        compared = _compare(work, levels.codes == code)
        found.append(Finding(
            value_behavior(attribute, levels.labels[code]), compared, "none", value=(attribute, code), size=size,
            error=size_error, coefficient=sign * coefficient, coefficient_error=error, p=raw.wald_p(coefficient, error),
        ))  # fmt: skip
    return found


def _contrast(prepared: Prepared, attribute: str, code: int, counts: Floats) -> Floats:
    """Weights of coefficients that compare a value with the mean account of all others (0 is the value without a column)."""
    weights = np.zeros(len(prepared.columns))
    others = counts.sum() - counts[code]
    for each, column in prepared.columns_of(attribute).items():
        weights[column] = 1.0 if each == code else -counts[each] / others
    return weights


def _judge(work: _Work, prepared: Prepared, found: list[Finding], floor: float) -> list[Finding]:
    """Verdicts. Only for the gate, "did it" may mean at least the best number of uses on all data."""
    passed = [verdicts.passes(each.size, each.error, each.coefficient or 0.0, floor) for each in found]
    again = {
        each.place: prepared.place_of(each.place)
        for each, is_through in zip(found, passed, strict=True)
        if each.place is not None and not is_through and (each.q or 0) <= limits.FALSE_DISCOVERIES
    }
    best = threshold.best_steps(prepared.matrix, work.study, again, work.rows) if again else {}
    judged = []
    for each, is_through in zip(found, passed, strict=True):
        step = best.get(each.place) if each.place is not None and not is_through else None
        if step is not None:
            error = (step.high - step.low) / 2 / verdicts.Z_TEST
            is_same_way = each.size is not None and each.size * step.size > 0
            is_through = is_same_way and verdicts.passes(step.size, error, each.coefficient or 0.0, floor)
        q, raw_q = each.q if each.q is not None else 1.0, each.raw_q if each.raw_q is not None else 1.0
        judged.append(replace(each, verdict=verdicts.decide(q, raw_q, is_through),
                              gate_k=step.k if step is not None and is_through else None))  # fmt: skip
    return judged


def _rank(finding: Finding) -> tuple[int, float, str]:
    """Robust ones first, by the end of the interval nearer to 0 (FZ-D8); never by p."""
    order = list(verdicts.LABELS).index(finding.verdict)
    near = verdicts.near_end(finding.size, finding.error) if finding.size is not None and finding.error is not None else -1e300
    return order, -near, finding.behavior.key
