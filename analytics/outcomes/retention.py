"""The kind `retention`: which share of those who began together came back, period by period (FZ-D10, methods 4)."""

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from analytics.analyses.documents import Block, Column, Document
from analytics.analyses.kinds import AnalysisKind, Asked, Choice, Parameter
from analytics.outcomes import activity, retention_counting, retention_drawing
from analytics.outcomes.groupings import GROUPINGS
from analytics.outcomes.questions import Reader, grouping_choices, lacks_facts
from analytics.outcomes.retention_counting import MILESTONES, PAYING, Question
from analytics.outcomes.retention_plan import (
    MEASURES,
    MOST_COHORTS,
    MOST_PERIODS,
    TIME_COHORTS,
    UNITS,
    BracketProblem,
    Plan,
    read_brackets,
)
from integrations.models import SalesforceOrg

if TYPE_CHECKING:
    import pyarrow as pa

    from integrations.lake.engine import Engine

MILESTONE_LABELS = {"trial_start": "Start of the trial", "paid_start": "First paid day", "account_start": "Account start"}
BRACKETS = "0-1, 1-7, 7-30, 30-90"


def _starts(org: SalesforceOrg) -> list[Choice]:
    return [*activity.act_choices(org), *(Choice(key, label) for key, label in MILESTONE_LABELS.items())]


def _backs(org: SalesforceOrg) -> list[Choice]:
    return [*activity.act_choices(org), Choice(PAYING, "Paying")]


def _cohorts(org: SalesforceOrg) -> list[Choice]:
    return [Choice("month", "Month of the start"), Choice("week", "Week of the start"), *grouping_choices(org)]


def _few(*pairs: tuple[str, str]) -> Any:
    listed = [Choice(value, label) for value, label in pairs]
    return lambda org: listed


PARAMETERS = (
    Parameter("entity", "Who", default="customer", choices=_few(("customer", "Customers"), ("user", "People"))),
    Parameter("start", "Begin with", default=activity.ANY, choices=_starts, help="The first time anybody does this."),
    Parameter("back", "Come back with", default=activity.ANY, choices=_backs),
    Parameter("unit", "Period", default="month", choices=_few(("day", "Day"), ("week", "Week"), ("month", "Month of 30 days"))),
    Parameter(
        "measure", "Counts as retained", default="n_day",
        choices=_few(
            ("n_day", "Came back in the period"), ("unbounded", "Came back in the period or later"),
            ("bracket", "Came back in brackets of days"),
        ),
    ),
    Parameter("cohorts", "Cohorts", default="month", choices=_cohorts),
    Parameter("cohort_count", "Number of cohorts", "whole", 12, help="Months or weeks of starts.", advanced=True),
    Parameter("periods", "Number of periods", "whole", 12, advanced=True),
    Parameter("aligned", "Calendar periods", "flag", False, help="UTC days, ISO weeks and months.", advanced=True),
    Parameter("brackets", "Brackets", "text", BRACKETS, help="Days since the start, such as 0-7, 7-14.", advanced=True),
)  # fmt: skip


def read(org: SalesforceOrg, data: Mapping[str, Any]) -> dict[str, Any]:
    """See `AnalysisKind`."""
    reader = Reader(data)
    entity = reader.choice("entity", ("customer", "user"), "customer")
    start = _act(reader, "start", [*MILESTONES])
    back = _act(reader, "back", [PAYING])
    reader.choice("unit", UNITS, "month")
    measure = reader.choice("measure", MEASURES, "n_day")
    reader.choice("cohorts", [*TIME_COHORTS, *GROUPINGS], "month")
    reader.whole("cohort_count", 1, MOST_COHORTS, 12)
    reader.whole("periods", 1, MOST_PERIODS, 12)
    aligned = reader.flag("aligned", False)
    if entity == "user":
        for key, value, others in (("start", start, MILESTONES), ("back", back, (PAYING,))):
            if value in others:
                reader.problem(key, "not_of_people", "People have neither trials nor contracts: choose an event, or customers.")
    if measure == "bracket":
        _read_brackets(reader, aligned)
    else:
        reader.values["brackets"] = ""
    return reader.result()


def _act(reader: Reader, key: str, others: list[str]) -> str:
    value = reader.text(key, activity.ANY)
    if not activity.is_act(value) and value not in others:
        offered = ", ".join([activity.ANY, f"{activity.EVENT}NAME", f"{activity.FEATURE}KEY", *others])
        reader.problem(key, "unknown_choice", f"{value[:60]!r} is not offered; choose one of {offered}.")
    return value


def _read_brackets(reader: Reader, aligned: bool) -> None:
    text = reader.text("brackets", BRACKETS)
    if aligned:
        reader.problem(
            "aligned", "not_with_brackets", "Brackets are counted from each one's own start: switch calendar periods off."
        )
    try:
        reader.values["brackets"] = ", ".join(f"{first}-{after}" for first, after in read_brackets(text))
    except BracketProblem as problem:
        reader.problem("brackets", "bad_brackets", str(problem))


def plan_of(asked: Asked) -> Plan:
    """The periods and cohorts of complete parameters."""
    given = asked.parameters
    return Plan(
        measure=given["measure"], unit=given["unit"], periods=given["periods"], aligned=given["aligned"],
        cohorts=given["cohorts"], cohort_count=given["cohort_count"], as_of=asked.as_of,
        brackets=read_brackets(given["brackets"]) if given["brackets"] else (),
    )  # fmt: skip


def question_of(asked: Asked) -> Question:
    """Who is counted and what they do."""
    return Question(asked.parameters["entity"], asked.parameters["start"], asked.parameters["back"])


def compute(engine: "Engine", asked: Asked) -> Document:
    """The table of retention with its summary and its curve."""
    plan, question = plan_of(asked), question_of(asked)
    counted = retention_counting.count(engine, asked, plan, question)
    asked.breathe()
    cells = retention_drawing.cells_of(plan, counted)
    nouns = "people" if question.entity == "user" else "customers"
    population = sum(each.size for each in counted.cohorts.values())
    empty = "" if population else f"Not enough data: 0 {nouns} began in this time; at least 1 is needed."
    heat = Block(
        "table", "Retention by cohort", explain=_explain(plan, question), chart_type="heatmap",
        chart=retention_drawing.heatmap(plan, cells, counted), columns=_columns(nouns),
        rows=retention_drawing.rows(plan, cells, counted), notes=retention_drawing.notes(plan), empty=empty,
    )  # fmt: skip
    return Document(
        title="Retention", as_of=asked.as_of.date().isoformat(), population=population, definition="retention",
        population_words=f"{population:,} {nouns} who began with {_words(question.start)} since {_day(plan.begins)}.",
        excluded=_excluded(plan, question, counted, nouns), blocks=(heat, retention_drawing.curve(plan, cells, empty)),
        notes=_notes(question, counted),
    )  # fmt: skip


def behind(engine: "Engine", asked: Asked, cell: Mapping[str, Any]) -> "pa.Table":
    """The customers behind a cell; of people, the customers that they belong to."""
    return retention_counting.behind(engine, asked, plan_of(asked), question_of(asked), cell)


def _day(day: date) -> str:
    """A day as sentences say it: Dec 1, 2025."""
    return f"{day:%b} {day.day}, {day.year}"


def _words(value: str) -> str:
    return MILESTONE_LABELS[value].lower() if value in MILESTONE_LABELS else activity.words_of(value)


def _explain(plan: Plan, question: Question) -> str:
    back = "paid" if question.back == PAYING else f"came back with {activity.words_of(question.back)}"
    if plan.measure == "bracket":
        when = "between the days since their own start that each column names"
    else:
        length = f"calendar {plan.unit}" if plan.aligned else f"{UNITS[plan.unit]} days since their own start"
        when = f"in each period of {length}" if not plan.aligned else f"in each {length} after that of their start"
        when += " or in any later one" if plan.measure == "unbounded" else ""
    return f"The share of those who began with {_words(question.start)} and {back} {when}."


def _columns(nouns: str) -> tuple[Column, ...]:
    return (
        Column("cohort", "Cohort"), Column("size", "Began", "count", nouns), Column("period", "Period"),
        Column("n", "Counted", "count", nouns), Column("kept", "Retained", "count", nouns), Column("rate", "Retention", "rate"),
        Column("interval", "95 % interval", "interval"), Column("complete_on", "Complete on", "day"),
    )  # fmt: skip


def _excluded(plan: Plan, question: Question, counted: retention_counting.Counted, nouns: str) -> list[dict[str, Any]]:
    listed = [
        ("before", counted.before, f"{nouns} began before {_day(plan.begins)}, the first day of the first cohort."),
        ("unknown_customer", counted.unknown_people, "people whose customer is not known."),
        (
            "without_product",
            counted.without_customer,
            "accounts lead to no customer of the product: their use is not known.",
        ),
    ]
    if not plan.by_time and counted.cohorts:
        sizes = sum(each.size for each in counted.cohorts.values())
        young = sizes - sum(each.judged[0] for each in counted.cohorts.values())
        listed.append(("too_young", young, f"{nouns} are too young for the first period; later periods leave out more."))
    else:
        young = sum(
            counted.cohorts[day.isoformat()].size
            for day in plan.cohort_starts() if day.isoformat() in counted.cohorts and not plan.is_complete(day, 0)
        )  # fmt: skip
        listed.append(("too_young", young, f"{nouns} are in cohorts without a complete period; the summary leaves them out."))
    return [{"reason": reason, "n": n, "words": f"{n:,} {words}"} for reason, n, words in listed if n]


def _notes(question: Question, counted: retention_counting.Counted) -> list[str]:
    notes = ["Days are UTC days. The day that is still going on is never counted (incomplete days would look like a drop)."]
    if question.entity == "user":
        notes.append("A person at two customers counts once at each of them.")
    if question.back != PAYING or question.start not in MILESTONES:
        notes.append("Events that nobody caused, such as a message being shown, make nobody active.")
    if question.back == PAYING:
        notes.append("Paying: recurring revenue above zero on at least one day of the period.")
    notes += [f"{activity.words_of(each).capitalize()} no longer exists, so nobody did it." for each in counted.gone]
    return notes


KIND = AnalysisKind(
    name="retention", label="Retention", title="Retention", icon="repeat",
    question="Which share of those who began together is still active, or still paying, some time later?",
    parameters=PARAMETERS, read=read, compute=compute, behind=behind, lacks=lacks_facts,
    nightly=(
        {}, {"entity": "user", "unit": "week", "cohorts": "week"}, {"start": "paid_start", "back": PAYING, "measure": "n_day"},
    ),
)  # fmt: skip
