"""The joint model of survival: hazard ratios of all attributes at once, with the check of proportionality (methods 7)."""

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from analytics.analyses.documents import Block, Column
from analytics.analyses.kinds import Asked
from analytics.outcomes.groupings import GROUPINGS, UNKNOWN, bind_values
from analytics.outcomes.survival_curves import CoxModel, Hazard, cox
from analytics.outcomes.survival_times import Lives

if TYPE_CHECKING:
    from integrations.lake.engine import Engine

COVARIATES = ("industry", "region", "source", "plan")
FEWEST_OF_A_VALUE, EVENTS_PER_COLUMN, DOUBTFUL = 25, 10, 0.05
COLUMNS = (
    Column("name", "Attribute"), Column("ratio", "Hazard ratio", "number"), Column("interval", "95 % interval", "interval"),
    Column("p", "p", "p"), Column("proportional", "p of proportionality", "p"),
)  # fmt: skip


def block(engine: "Engine", asked: Asked, lives: Lives, *, strata: str) -> Block:
    """The model as a table: hazard ratios against the most frequent value; a ratio above 1 goes with earlier churn."""
    values = {name: _values_of(engine, asked, lives, name) for name in {*COVARIATES, *([strata] if strata else [])}}
    columns, dropped = _columns(
        engine, lives, {name: values[name] for name in COVARIATES if name != strata}, sum(lives.churned)
    )
    if not columns:
        few = f"Not enough data: {sum(lives.churned)} churned; a model needs {EVENTS_PER_COLUMN} for each column."
        return Block("model", "All attributes together", empty=few)
    try:
        model = cox(lives.lasted, lives.churned, columns, entries=lives.came, strata=values[strata] if strata else None)
    except ValueError as error:
        return Block("model", "All attributes together", empty=f"Not enough data: {error}")
    return Block(
        "model", "All attributes together", columns=COLUMNS, rows=[_row(each) for each in model.hazards],
        explain="Cox model with Efron's treatment of ties. A ratio above 1 goes with earlier churn, below 1 with later.",
        notes=_notes(model, dropped, strata),
    )  # fmt: skip


def _values_of(engine: "Engine", asked: Asked, lives: Lives, name: str) -> list[str]:
    bind_values(engine, asked.org, name, members="lives", key="subject", moment="judged_at")
    found = dict(engine.rows("SELECT member, value FROM values_then"))
    return [found.get(subject) or UNKNOWN for subject in lives.subjects]


def _columns(
    engine: "Engine", lives: Lives, values: dict[str, list[str]], events: int
) -> tuple[dict[str, list[float]], list[str]]:
    """Standardised columns, the rarest left out until there are ten churns and ten stays for each; and those left out."""
    found: dict[str, list[float]] = {}
    seats = dict(engine.rows("SELECT subject, seats FROM subjects WHERE seats IS NOT NULL AND seats > 0"))
    if sum(subject in seats for subject in lives.subjects) * 2 > lives.n:
        logs = [math.log(float(seats[subject])) if subject in seats else None for subject in lives.subjects]
        found["Seats (log, per standard deviation)"] = _standardised(logs)
    ranked = []
    for name, listed in values.items():
        frequent = [value for value, n in Counter(listed).most_common() if n >= FEWEST_OF_A_VALUE]
        for value in frequent[1:]:
            column = [1.0 if each == value else 0.0 for each in listed]
            ranked.append((sum(column), f"{GROUPINGS[name]}: {value} (against {frequent[0]})", column))
    ranked.sort(key=lambda each: (-each[0], each[1]))
    room = min(events, lives.n - events) // EVENTS_PER_COLUMN
    found = dict(list({**found, **{label: column for _, label, column in ranked}}.items())[: max(room, 0)])
    found = {name: column for name, column in found.items() if len(set(column)) > 1}
    return found, [label for _, label, _ in ranked if label not in found]


def _standardised(values: list[float | None]) -> list[float]:
    known = [each for each in values if each is not None]
    mean = sum(known) / len(known)
    spread = math.sqrt(sum((each - mean) ** 2 for each in known) / len(known)) or 1.0
    return [0.0 if each is None else (each - mean) / spread for each in values]


def _row(hazard: Hazard) -> dict[str, Any]:
    return {
        "name": hazard.name, "ratio": hazard.ratio, "interval": [hazard.low, hazard.high], "p": hazard.p,
        "proportional": hazard.proportional_p,
    }  # fmt: skip


def _notes(model: CoxModel, dropped: list[str], strata: str) -> list[str]:
    doubtful = [each.name for each in model.hazards if each.proportional_p is not None and each.proportional_p < DOUBTFUL]
    notes = [f"{model.n:,} customers, {model.events:,} churned; concordance {model.concordance:.3f}. Association, not proof."]
    if strata:
        notes.append(f"Stratified by {GROUPINGS[strata].lower()}: each of its values has a baseline of its own.")
    if doubtful:
        notes.append(
            f"The ratio may change over time for: {', '.join(doubtful)}. Stratify by it, or read it as an average. "
            "Programs differ in the p-value of this check: take it as a hint."
        )
    if dropped:
        notes.append(f"Left out, because there are too few churns for more columns: {', '.join(dropped)}.")
    return notes
