"""The kind `survival`: how long customers stay from their start to their first churn (methods 7)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from analytics.analyses.documents import Document
from analytics.analyses.kinds import AnalysisKind, Asked, Choice, Parameter
from analytics.outcomes import survival_drawing, survival_hazards, survival_times
from analytics.outcomes.groupings import GROUPINGS
from analytics.outcomes.questions import Reader, grouping_choices, lacks_facts
from analytics.outcomes.survival_times import ENTRIES, ORIGINS, Question
from integrations.models import SalesforceOrg

if TYPE_CHECKING:
    import pyarrow as pa

    from integrations.lake.engine import Engine

FEWEST, LONGEST = 20, 3650


def _few(pairs: Mapping[str, str]) -> Any:
    listed = [Choice(value, label) for value, label in pairs.items()]
    return lambda org: listed


def _groups(org: SalesforceOrg) -> list[Choice]:
    return [Choice("", "All together"), *grouping_choices(org)]


PARAMETERS = (
    Parameter("origin", "From", default="paid_start", choices=_few({key: label for key, (_, label) in ORIGINS.items()})),
    Parameter("group", "Compare by", default="", choices=_groups, help="As it was at the start."),
    Parameter(
        "landmark", "Only who stayed so many days", "whole", 0, advanced=True,
        help="Time then counts from that day on: for comparing groups that formed after the start.",
    ),
    Parameter("entry", "Under observation", default="start", choices=_few(ENTRIES), advanced=True),
    Parameter("cox", "Joint model", "flag", False, help="Hazard ratios of all attributes together.", advanced=True),
    Parameter("strata", "Strata of the model", default="", choices=_groups, advanced=True),
)  # fmt: skip


def read(org: SalesforceOrg, data: Mapping[str, Any]) -> dict[str, Any]:
    """See `AnalysisKind`."""
    reader = Reader(data)
    reader.choice("origin", ORIGINS, "paid_start")
    reader.grouping("group")
    reader.whole("landmark", 0, LONGEST, 0)
    reader.choice("entry", ENTRIES, "start")
    has_model = reader.flag("cox", False)
    reader.grouping("strata")
    if not has_model:
        reader.values["strata"] = ""
    return reader.result()


def question_of(asked: Asked) -> Question:
    """What is asked, from complete parameters."""
    given = asked.parameters
    return Question(given["origin"], given["group"], given["landmark"], given["entry"])


def compute(engine: "Engine", asked: Asked) -> Document:
    """Curves, medians, the test between groups, and on demand a model."""
    question = question_of(asked)
    lives = survival_times.read_lives(engine, asked, question)
    asked.breathe()
    events = sum(lives.churned)
    empty = ""
    if lives.n < FEWEST or not events:
        empty = f"Not enough data: {lives.n} customers, {events} of whom churned; at least {FEWEST} and one churn are needed."
    blocks = survival_drawing.blocks(lives, empty)
    if asked.parameters["cox"] and not empty:
        asked.breathe()
        blocks.append(survival_hazards.block(engine, asked, lives, strata=asked.parameters["strata"]))
    return Document(
        title="Survival", as_of=asked.as_of.date().isoformat(), population=lives.n, definition="survival",
        population_words=f"{lives.n:,} customers since their {_start(question)}, {events:,} of whom churned.",
        excluded=_excluded(lives, question), blocks=blocks, notes=_notes(question),
    )  # fmt: skip


def behind(engine: "Engine", asked: Asked, cell: Mapping[str, Any]) -> "pa.Table":
    """The customers of a group: all, churned, staying (not churned by now), or at risk on a day."""
    return survival_times.behind(engine, asked, question_of(asked), cell)


def _start(question: Question) -> str:
    return ORIGINS[question.origin][1].lower()


def _excluded(lives: survival_times.Lives, question: Question) -> list[dict[str, Any]]:
    start = _start(question)
    listed = [
        ("no_start", lives.without_start, f"customers have no {start} before the day of this result."),
        ("gone_before", lives.gone_before, f"customers churned within {question.landmark} days, before counting begins."),
        ("too_young", lives.too_young, f"customers began less than {question.landmark} days ago: too young to count."),
        ("unobserved", lives.unobserved, "customers came under observation only when they had churned, or never."),
    ]
    return [{"reason": reason, "n": n, "words": f"{n:,} {words}"} for reason, n, words in listed if n]


def _notes(question: Question) -> list[str]:
    notes = [
        "The event is the first churn, dated at the end of service. Others are observed up to the day of this result.",
        "Kaplan-Meier with log-log 95 % limits; programs that use the log transform give slightly other limits of the median.",
    ]
    if question.landmark:
        notes.append(f"Only customers who stayed for {question.landmark} days count, and time begins there.")
    if question.entry != "start":
        notes.append("Customers count as at risk only from the day on which they came under observation (delayed entry).")
    if question.group:
        notes.append(f"{GROUPINGS[question.group]} as it was when counting begins, not as it is today. Association, not proof.")
    return notes


KIND = AnalysisKind(
    name="survival", label="Survival", title="Survival", icon="hourglass",
    question="How long do customers stay, and does that differ between groups?",
    parameters=PARAMETERS, read=read, compute=compute, behind=behind, lacks=lacks_facts, nightly=({}, {"group": "plan"}),
)  # fmt: skip
