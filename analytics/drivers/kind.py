"""The kind of analysis `drivers`: which behaviors and attributes go with an outcome (FZ-01, FZ-03, FZ-D8, FZ-D9).

Loaded when the program starts, so what needs numpy is imported by the functions that run in jobs, or behind a number.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from analytics.analyses.documents import Document
from analytics.analyses.kinds import AnalysisKind, Asked, Choice, Parameter
from analytics.drivers.design import FAMILIES, FOLLOW_UPS, OUTCOMES, ROLL_UPS, design_of, read_design
from analytics.outcomes.questions import lacks_facts
from integrations.models import SalesforceOrg

if TYPE_CHECKING:
    import pyarrow as pa

    from integrations.lake.engine import Engine

NIGHTLY = tuple({"outcome": name} for name in ("trial_to_paid", "retention", "expansion", "revenue"))


def _choices(known: Mapping[str, str]) -> list[Choice]:
    return [Choice(value, label) for value, label in known.items()]


PARAMETERS = (
    Parameter("outcome", "Outcome", "choice", "trial_to_paid",
              lambda org: [Choice(each.key, each.label) for each in OUTCOMES.values()]),
    Parameter("landmark_days", "Behaviors of the first days", "whole", None,
              help="Empty: 30 days after the start, 7 for trials. Only accounts still at risk then are studied."),
    Parameter("horizon_days", "Outcome within days after", "whole", None,
              help="Empty: 180 days, 60 for trials. Accounts that are too young are left out and counted."),
    Parameter("families", "What is studied", "choice", list(FAMILIES), lambda org: _choices(FAMILIES), many=True),
    Parameter("roll_up", "People rolled up to accounts", "choice", "any", lambda org: _choices(ROLL_UPS), advanced=True),
    Parameter("at_least", "Counts as done from", "whole", 1, advanced=True,
              help="Times, people or percent of seats, as rolled up."),
    Parameter("follow_up", "Accounts in the test", "choice", "complete", lambda org: _choices(FOLLOW_UPS), advanced=True),
    Parameter("floor", "Practical floor, percentage points", "number", None, advanced=True,
              help="Empty: 1, from 50,000 accounts 2, and never more than a tenth of the base rate. Of revenue: percent."),
    Parameter("hidden", "Hide", "text", [], many=True, advanced=True,
              help="Behaviors, between commas. They are tested all the same, so that nothing gets easier by hiding."),
    Parameter("refused", "Part of the outcome", "text", [], many=True, advanced=True,
              help="Behaviors that say the same as the outcome, between commas."),
    Parameter("allowed", "Not part of the outcome", "text", [], many=True, advanced=True,
              help="Behaviors that are only named like the outcome, between commas."),
)  # fmt: skip


def read(org: SalesforceOrg, data: Mapping[str, Any]) -> dict[str, Any]:
    """See `AnalysisKind`."""
    return read_design(data)


def compute(engine: "Engine", asked: Asked) -> Document:
    """The report; in a job alone."""
    from analytics.drivers.estimating import estimate
    from analytics.drivers.matrix import build_study
    from analytics.drivers.reporting import write_document

    study = build_study(engine, asked.org, design_of(asked.parameters), as_of=asked.as_of, breathe=asked.breathe)
    asked.breathe()
    findings = estimate(study, seed=asked.seed, breathe=asked.breathe)
    return write_document(findings, as_of=asked.as_of, unit=asked.currency)


def behind(engine: "Engine", asked: Asked, cell: Mapping[str, Any]) -> "pa.Table":
    """The accounts of one of the four groups of a behavior, or of its adopters or others."""
    from analytics.drivers.members import accounts_of

    return accounts_of(engine, asked.org, design_of(asked.parameters), cell, as_of=asked.as_of)


KIND = AnalysisKind(
    name="drivers",
    label="Drivers",
    title="Drivers",
    question="Which behaviors and attributes go with trials that convert, customers who stay, expansion and revenue?",
    parameters=PARAMETERS,
    read=read,
    compute=compute,
    behind=behind,
    lacks=lacks_facts,
    nightly=NIGHTLY,
    icon="git-compare",
)
