"""Counting a retention table set-based: first starts, then one bit a period for each member, then sums by cohort.

Two passes over the events whatever the number of cohorts and periods. The same tables answer who is behind a number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

from analytics.analyses.kinds import Asked
from analytics.facts import reading
from analytics.outcomes import activity
from analytics.outcomes.groupings import OTHERS, SQL, UNKNOWN, bind_values, ordered_groups
from analytics.outcomes.retention_plan import DAY_MILLIS, UNITS, Plan
from integrations.product.kpis import moved

if TYPE_CHECKING:
    import pyarrow as pa

    from integrations.lake.engine import Engine

MILESTONES = {"trial_start": "trial_started_at", "paid_start": "paid_at", "account_start": "started_at"}
PAYING = "paying"
FAR = 1 << 62
ALL = "*"
"""The cohort that stands for the summary."""


@dataclass(frozen=True, slots=True)
class Question:
    """Who is counted and what they do: `entity` user or customer, `start` an act or a milestone, `back` an act or paying."""

    entity: str
    start: str
    back: str


@dataclass(frozen=True, slots=True)
class Counts:
    """One cohort: its size, and for each period how many could be judged and how many of them came back."""

    size: int
    judged: tuple[int, ...]
    kept: tuple[int, ...]


@dataclass
class Counted:
    """The table, and who is not in it."""

    cohorts: dict[str, Counts] = field(default_factory=dict)
    before: int = 0
    unknown_people: int = 0
    without_customer: int = 0
    gone: tuple[str, ...] = ()


def prepare(engine: "Engine", asked: Asked, plan: Plan, question: Question) -> Counted:
    """Bind `tallied`: a row a member with its cohort and the bits of its periods. Gives who was left out."""
    counted = Counted()
    reading.bind(engine, asked.org, "subjects", "movements")
    members = _members(engine, asked, plan, question, counted)
    engine.bind("members", members)
    asked.breathe()
    engine.bind("marks", _marks(engine, asked, plan, question, counted))
    asked.breathe()
    values, cohort = "", _cohort(plan)
    if not plan.by_time:
        bind_values(engine, asked.org, plan.cohorts, members="members", key="member", moment="began")
        values, cohort = "LEFT JOIN values_then AS v ON v.member = s.member", f"coalesce(v.value, '{UNKNOWN}')"
    text = _fill(engine.sql(SQL / "retention_tallied.sql"), cohort=cohort, values=values)
    engine.bind("tallied", engine.table(text))
    return counted


def count(engine: "Engine", asked: Asked, plan: Plan, question: Question) -> Counted:
    """The table of retention. Attributes: the most frequent values, the others put together."""
    counted = prepare(engine, asked, plan, question)
    sums = []
    for column in range(plan.columns):
        judged = _judged(plan, column)
        sums.append(f"{{{{count_if({judged})}}}} AS judged{column}")
        sums.append(f"{{{{count_if({judged} AND {_kept(plan, column)})}}}} AS kept{column}")
    text = _fill(engine.sql(SQL / "retention_counts.sql"), sums=", ".join(sums))
    found = {str(row[0]): _counts(row[1:]) for row in engine.rows(text, as_of=asked.as_of)}
    counted.cohorts = found if plan.by_time else _folded(found)
    return counted


def behind(engine: "Engine", asked: Asked, plan: Plan, question: Question, cell: Mapping[str, Any]) -> "pa.Table":
    """The subjects of a number: `cohort` (`*`: the summary), `period` (none: the whole cohort), `kept` (came back or not)."""
    prepare(engine, asked, plan, question)
    column = cell.get("period")
    cohort = str(cell.get("cohort", ALL))
    chosen, params = _chosen_cohort(engine, plan, cohort, column)
    if column is not None:
        place = int(column)
        if not 0 <= place < plan.columns:
            raise ValueError(f"There is no period {place}.")
        chosen += f" AND {_judged(plan, place)}"
        chosen += f" AND {'' if cell.get('kept', True) else 'NOT '}({_kept(plan, place)})"
    text = _fill(engine.sql(SQL / "retention_behind.sql"), chosen=chosen)
    return engine.table(text, as_of=asked.as_of, **params)


# --- Members ------------------------------------------------------------------------------------------------------------


def _members(engine: "Engine", asked: Asked, plan: Plan, question: Question, counted: Counted) -> "pa.Table":
    """Everybody who began in the time of the cohorts: member, subject, customer_id, end_user_id, began."""
    import pyarrow as pa
    import pyarrow.compute

    pc: Any = pyarrow.compute
    found = _starts(engine, asked, question, counted)
    begins = pa.scalar(datetime.combine(plan.begins, time(), UTC), found.schema.field("began").type)
    within = pc.greater_equal(found["began"], begins)
    counted.before = found.num_rows - (pc.sum(within).as_py() or 0)
    found = found.filter(within)
    if question.back != PAYING:
        counted.without_customer = found["customer_id"].null_count
        found = found.filter(pc.is_valid(found["customer_id"]))
    return found.append_column("member", pa.array(range(found.num_rows), pa.int64()))


def _starts(engine: "Engine", asked: Asked, question: Question, counted: Counted) -> "pa.Table":
    if question.start in MILESTONES:
        moved.bind_moved(engine, ())
        text = _fill(engine.sql(SQL / "retention_milestones.sql"), milestone=MILESTONES[question.start])
        if question.back == PAYING:  # movements are of the subjects as the facts have them
            text = text.replace("m.merged_id = s.customer_id", "m.merged_id = s.customer_id AND false")
        return engine.table(text, as_of=asked.as_of)
    acts = activity.bind_acts(engine, [question.start], as_of=asked.as_of)
    counted.gone += acts.unknown
    of_people = question.entity == "user"
    if of_people:
        counted.unknown_people = engine.rows(engine.sql(SQL / "people_without_customer.sql"), as_of=asked.as_of)[0][0]
    text = _fill(
        engine.sql(SQL / "retention_starts.sql"), acts=acts.text, who="end_user_id" if of_people else "CAST(NULL AS {{whole}})",
        named="AND end_user_id IS NOT NULL" if of_people else "", also=", end_user_id" if of_people else "",
    )  # fmt: skip
    return engine.table(text, **acts.params)


# --- Marks --------------------------------------------------------------------------------------------------------------


def _marks(engine: "Engine", asked: Asked, plan: Plan, question: Question, counted: Counted) -> "pa.Table":
    if question.back == PAYING:
        return _paying(engine, asked, plan)
    same = question.start == question.back
    listed = [question.start] if same else [question.back] if question.start in MILESTONES else [question.start, question.back]
    acts = activity.bind_acts(engine, listed, as_of=asked.as_of, since=datetime.combine(plan.begins, time(), UTC))
    counted.gone += tuple(each for each in acts.unknown if each not in counted.gone)
    text = _fill(
        engine.sql(SQL / "retention_marks.sql"), acts=acts.text, did=f"did{len(listed) - 1}",
        is_start="false" if question.start in MILESTONES else "a.did0", reached=_reached(engine, plan, "a.moment", "s.began"),
        period=_period(plan), same_person=" AND s.end_user_id = a.end_user_id" if question.entity == "user" else "",
    )  # fmt: skip
    return engine.table(text, **acts.params)


def _paying(engine: "Engine", asked: Asked, plan: Plan) -> "pa.Table":
    import pyarrow as pa

    spans = [(column, column + 1) if plan.aligned else _millis(plan.span(column)) for column in range(plan.columns)]
    if plan.measure == "unbounded":
        spans = [(begins, FAR) for begins, _ in spans]
    columns = {"period": range(plan.columns), "begins": [each[0] for each in spans], "after": [each[1] for each in spans]}
    engine.bind("windows", pa.table({name: pa.array(values, pa.int64()) for name, values in columns.items()}))
    engine.bind("paid", engine.table(engine.sql(SQL / "paid.sql"), as_of=asked.as_of))
    last = "{{add_seconds(paid_until, -1)}}" if plan.aligned else "paid_until"
    text = _fill(
        engine.sql(SQL / "retention_paying.sql"), first=_reached(engine, plan, "paid_from", "began"),
        last=_reached(engine, plan, last, "began") + ("" if plan.aligned else " - 1"),
    )  # fmt: skip
    return engine.table(text)


def _millis(span: tuple[int, int]) -> tuple[int, int]:
    return span[0] * DAY_MILLIS, span[1] * DAY_MILLIS


def _reached(engine: "Engine", plan: Plan, moment: str, began: str) -> str:
    """How far after its start a moment lies: milliseconds, or calendar periods."""
    if plan.aligned:
        return f"{_index(plan.unit, moment)} - {_index(plan.unit, began)}"
    return f"{activity.millis(engine, moment)} - {activity.millis(engine, began)}"


def _index(unit: str, moment: str) -> str:
    """The number of the calendar period in which a moment lies."""
    if unit == "month":
        return f"(EXTRACT(YEAR FROM {moment}) * 12 + EXTRACT(MONTH FROM {moment}))"
    days = f"{{{{days_between(CAST('1970-01-05' AS {{{{day}}}}), {{{{day_of({moment})}}}})}}}}"  # a Monday
    return f"CAST(floor({days} / 7) AS {{{{whole}}}})" if unit == "week" else days


def _period(plan: Plan) -> str:
    """The number of the column that a distance from the start falls into; null for none."""
    if plan.measure == "bracket":
        spans = [_millis(span) for span in plan.brackets]
        cases = [f"WHEN reached >= {a} AND reached < {b} THEN {place}" for place, (a, b) in enumerate(spans)]
        return f"CASE {' '.join(cases)} END"
    length = 1 if plan.aligned else UNITS[plan.unit] * DAY_MILLIS
    number = f"CAST(floor(reached / {length}) AS {{{{whole}}}})"
    beyond = str(plan.periods - 1) if plan.measure == "unbounded" else "NULL"
    return f"CASE WHEN reached < {plan.periods * length} THEN {number} ELSE {beyond} END"


# --- Sums ---------------------------------------------------------------------------------------------------------------


def _cohort(plan: Plan) -> str:
    day = "{{day_of(s.began)}}"
    if plan.cohorts == "month":
        return "CAST({{month_of(s.began)}} AS {{text}})"
    since = f"{{{{days_between(CAST('1970-01-05' AS {{{{day}}}}), {day})}}}}"
    return f"CAST({{{{add_days({day}, 0 - {since} % 7)}}}} AS {{{{text}}}})"


def _kept(plan: Plan, column: int) -> str:
    if plan.measure == "unbounded":  # whoever came back in a later period came back on or after this one
        return f"mask >= {1 << column}"
    return f"{{{{bit_and(mask, {1 << column})}}}} <> 0"


def _judged(plan: Plan, column: int) -> str:
    """Whose window counts. In cohorts by time all, because the cell as a whole is complete or not; elsewhere those whose own
    window is closed (FZ-D9)."""
    if plan.by_time:
        return "true"
    if plan.aligned:
        return f"{_index(plan.unit, 'began')} + {column} < {_index(plan.unit, 'CAST($as_of AS {{moment}})')}"
    return f"{{{{add_seconds(began, {plan.span(column)[1] * 86_400})}}}} <= $as_of"


def _counts(row: Sequence[int]) -> Counts:
    return Counts(row[0], tuple(row[1::2]), tuple(row[2::2]))


def _folded(found: Mapping[str, Counts]) -> dict[str, Counts]:
    """The groups to show, the largest first, with the rare ones added up."""
    shown = ordered_groups((name, each.size) for name, each in found.items())
    folded: dict[str, Counts] = {}
    for name in shown:
        parts = [each for value, each in found.items() if value == name or (name == OTHERS and value not in shown)]
        folded[name] = Counts(
            sum(each.size for each in parts), tuple(map(sum, zip(*(each.judged for each in parts), strict=True))),
            tuple(map(sum, zip(*(each.kept for each in parts), strict=True))),
        )  # fmt: skip
    return folded


def _chosen_cohort(engine: "Engine", plan: Plan, cohort: str, column: Any) -> tuple[str, dict[str, Any]]:
    """The condition for members of a cohort."""
    if cohort == ALL and plan.by_time and column is not None:
        complete = [day.isoformat() for day in plan.cohort_starts() if plan.is_complete(day, int(column))]
        return f"cohort IN ({', '.join(map(engine.dialect.quote_text, complete)) or 'NULL'})", {}
    if cohort == ALL:
        return "true", {}
    if cohort == OTHERS and not plan.by_time:
        sizes = engine.rows("SELECT cohort, count(*) AS n FROM tallied GROUP BY cohort")
        shown = ", ".join(map(engine.dialect.quote_text, ordered_groups(sizes)))
        return f"(cohort = $cohort OR cohort NOT IN ({shown}))", {"cohort": cohort}
    return "cohort = $cohort", {"cohort": cohort}


def _fill(text: str, **parts: str) -> str:
    for name, part in parts.items():
        text = text.replace(f"<<{name}>>", part)
    return text
