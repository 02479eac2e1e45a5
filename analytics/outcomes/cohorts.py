"""The kind `cohorts`: groups of customers by any attribute, with retention, revenue, conversion and NPS side by side."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from analytics.analyses.documents import Block, Column, Document
from analytics.analyses.kinds import AnalysisKind, Asked, Parameter
from analytics.facts import reading
from analytics.outcomes import scoring, statistics
from analytics.outcomes.answers import read_answers
from analytics.outcomes.funnel_steps import Rules, Trial, judge
from analytics.outcomes.groupings import GROUPINGS, SQL, UNKNOWN, bind_values, group_of, ordered_groups
from analytics.outcomes.questions import Reader, grouping_choices, lacks_facts
from analytics.outcomes.retention_plan import shift
from integrations.models import SalesforceOrg

if TYPE_CHECKING:
    import pyarrow as pa

    from integrations.lake.engine import Engine

FEWEST, ANSWER_DAYS = 20, 90
ALL = "All customers"
AS_THEY_WERE = (
    "Attributes as they were: today for counts and revenue, at the start of the period for retention, at the start of the "
    "trial for conversion. Association, not proof."
)
PARAMETERS = (
    Parameter("group", "Group by", default="industry", choices=grouping_choices),
    Parameter("months", "Retention over months", "whole", 12),
)  # fmt: skip


def read(org: SalesforceOrg, data: Mapping[str, Any]) -> dict[str, Any]:
    """See `AnalysisKind`."""
    reader = Reader(data)
    reader.choice("group", GROUPINGS, "industry")
    reader.whole("months", 1, 60, 12)
    return reader.result()


@dataclass(slots=True)
class Member:
    """A customer: its groups now, then and at the start of its trial, its revenue, its mature trial, its answers."""

    subject: str
    now: Decimal
    then: Decimal
    group: str = UNKNOWN
    group_then: str = UNKNOWN
    group_trial: str = UNKNOWN
    converted: bool | None = None
    scores: list[Decimal] = field(default_factory=list)


WHATS = {
    "all": ("group", lambda each: True), "paying": ("group", lambda each: each.now > 0),
    "not_paying": ("group", lambda each: each.now <= 0), "were_paying": ("group_then", lambda each: each.then > 0),
    "kept": ("group_then", lambda each: each.then > 0 and each.now > 0),
    "lost": ("group_then", lambda each: each.then > 0 and each.now <= 0),
    "trials": ("group_trial", lambda each: each.converted is not None),
    "converted": ("group_trial", lambda each: bool(each.converted)),
    "not_converted": ("group_trial", lambda each: each.converted is False),
    "answered": ("group", lambda each: bool(each.scores)),
}  # fmt: skip
"""What can be counted: by which group a customer counts, and whether it does."""


def then_of(asked: Asked) -> datetime:
    """The midnight so many months before: the same day of its month, or the month's first where the month is shorter."""
    first = shift(asked.as_of.date().replace(day=1), "month", -asked.parameters["months"])
    try:
        day = first.replace(day=asked.as_of.day)
    except ValueError:
        day = shift(first, "month", 1)
    return datetime.combine(day, time(), UTC)


def read_members(engine: "Engine", asked: Asked) -> tuple[list[Member], list[str]]:
    """Every customer, and the groups to show."""
    reading.bind(engine, asked.org, "subjects", "movements")
    then = then_of(asked)
    found = engine.table(engine.sql(SQL / "cohort_states.sql"), now=asked.as_of, before=then)
    engine.bind("states", found)
    asked.breathe()
    values = {moment: _values(engine, asked, moment) for moment in ("now_at", "then_at", "trial_started_at")}
    rules = Rules(asked.as_of, needs_activation=False)
    members = {}
    names = ("subject", "trial_started_at", "trial_ended_at", "paid_at", "now_mrr", "then_mrr")
    for subject, began, ended, paid, now, before in zip(*(found[name].to_pylist() for name in names), strict=True):
        group, group_then, group_trial = (values[moment].get(subject) or UNKNOWN for moment in values)
        own = Member(subject, now, before, group, group_then, group_trial)
        if began is not None and began < asked.as_of:
            judged = judge(Trial(subject, began, ended, paid), rules)
            own.converted = judged.is_paid if judged is not None and judged.is_mature else None
        members[subject] = own
    for answer in scoring.latest(_nps_answers(engine, asked)):
        if answer.subject in members:
            members[answer.subject].scores.append(answer.score)
    return list(members.values()), _name_groups(list(members.values()))


def _values(engine: "Engine", asked: Asked, moment: str) -> dict[str, str | None]:
    bind_values(engine, asked.org, asked.parameters["group"], members="states", key="subject", moment=moment)
    return dict(engine.rows("SELECT member, value FROM values_then"))


def _nps_answers(engine: "Engine", asked: Asked) -> list[scoring.Answer]:
    since = asked.as_of - timedelta(days=ANSWER_DAYS)
    return [each for each in read_answers(engine, asked.org, since=since, until=asked.as_of) if each.kind == "nps"]


def _name_groups(members: Sequence[Member]) -> list[str]:
    """The groups to show: values of now, and those that somebody had then and nobody has now."""
    sizes: dict[str | None, int] = {}
    for each in members:
        then = [each.group_then] * (each.then > 0) + [each.group_trial] * (each.converted is not None)
        for name in {each.group, *then}:
            sizes[name] = sizes.get(name, 0) + 1
    shown = ordered_groups(sizes.items())
    for each in members:
        each.group, each.group_then, each.group_trial = (
            group_of(name, shown) for name in (each.group, each.group_then, each.group_trial)
        )
    return shown


def compute(engine: "Engine", asked: Asked) -> Document:
    """One row a group, the first of everybody."""
    members, shown = read_members(engine, asked)
    label, months = GROUPINGS[asked.parameters["group"]], asked.parameters["months"]
    tallies = _tally(members)
    rows = [_row(name, tallies.get(name) or Tally()) for name in (ALL, *shown)]
    block = Block(
        "groups", f"Customers by {label.lower()}", columns=_columns(label, months, asked.currency), rows=rows,
        notes=_notes(label, months, rows), empty="" if members else "Not enough data: 0 customers.",
    )  # fmt: skip
    return Document(
        title="Cohorts", as_of=asked.as_of.date().isoformat(), population=len(members), definition="cohorts",
        population_words=f"{len(members):,} customers.", blocks=(block,), excluded=_excluded(members),
        notes=(AS_THEY_WERE,),
    )  # fmt: skip


def _columns(label: str, months: int, currency: str) -> tuple[Column, ...]:
    people = ("count", "customers")
    return (
        Column("group", label), Column("n", "Customers", *people), Column("paying", "Paying", *people),
        Column("paying_rate", "Share paying", "rate"), Column("paying_interval", "95 % interval", "interval"),
        Column("mrr", "MRR", "money", currency), Column("mrr_each", "MRR of each paying", "money", currency),
        Column("were_paying", f"Paying {months} months ago", *people), Column("kept", "Of these paying now", *people),
        Column("kept_rate", "Retention", "rate"), Column("kept_interval", "95 % interval", "interval"),
        Column("trials", "Mature trials", *people), Column("converted", "Converted", *people),
        Column("converted_rate", "Conversion", "rate"), Column("converted_interval", "95 % interval", "interval"),
        Column("nps", "NPS", "number", "points"), Column("nps_interval", "95 % interval", "interval"),
        Column("answers", "Answers", "count", "answers"),
    )  # fmt: skip


@dataclass
class Tally:
    """One group, counted."""

    counts: Counter[str] = field(default_factory=Counter)
    mrr: Decimal = Decimal(0)
    scores: list[Decimal] = field(default_factory=list)


def _tally(members: Sequence[Member]) -> dict[str, Tally]:
    """All groups in one pass; everybody counts for `ALL` too."""
    found: dict[str, Tally] = defaultdict(Tally)
    for each in members:
        for what, (group, counts) in WHATS.items():
            if counts(each):
                for name in (ALL, getattr(each, group)):
                    found[name].counts[what] += 1
        for name in (ALL, each.group):
            found[name].mrr += max(each.now, Decimal(0))
            found[name].scores += each.scores
    return found


def _row(name: str, tally: Tally) -> dict[str, Any]:
    counts, mrr = tally.counts, tally.mrr
    row: dict[str, Any] = {"group": name, "n": counts["all"], "mrr": _money(mrr), "_behind": {"group": name, "what": "all"}}
    row["mrr_each"] = _money(mrr / counts["paying"]) if counts["paying"] else None
    for what, of in (("paying", "all"), ("kept", "were_paying"), ("converted", "trials")):
        row |= _share(what, of, counts, name)
    nps = scoring.nps(tally.scores)
    row |= {
        "nps": nps.value if nps else None, "nps_interval": [nps.low, nps.high] if nps else None, "answers": nps.n if nps else 0,
        "_behind:answers": {"group": name, "what": "answered"}, "_behind:mrr": {"group": name, "what": "paying"},
    }  # fmt: skip
    return row


def _share(what: str, of: str, counts: Mapping[str, int], name: str) -> dict[str, Any]:
    k, n = counts[what], counts[of]
    limits = statistics.wilson(k, n) if n >= FEWEST else None
    return {
        what: k, of: n, f"{what}_rate": k / n if n >= FEWEST else None, f"{what}_interval": list(limits) if limits else None,
        f"_behind:{what}": {"group": name, "what": what}, f"_behind:{what}_rate": {"group": name, "what": what},
        f"_behind:{of}": {"group": name, "what": of},
    }  # fmt: skip


def chosen(members: Sequence[Member], name: str, what: str) -> list[Member]:
    """The customers of a group that count for something."""
    group, counts = WHATS[what]
    return [each for each in members if name in (ALL, getattr(each, group)) and counts(each)]


def _money(value: Decimal) -> str:
    return str(value.quantize(Decimal("0.01")))


def _notes(label: str, months: int, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    notes = [
        f"Groups under {FEWEST} show counts only: not enough data for a rate. Intervals by Wilson.",
        f"Retention: of those who paid {months} months ago, how many pay now.",
        "Conversion: of mature trials, how many were paid within 30 days after their end.",
        f"NPS of the last {ANSWER_DAYS} days; fewer than {scoring.FEW} answers say little.",
    ]  # fmt: skip
    table = [[row["kept"], row["were_paying"] - row["kept"]] for row in rows[1:] if row["were_paying"] >= FEWEST]
    tested = statistics.chi2_of(table)
    if tested is not None:
        notes.append(f"Chi-square test that all values of {label.lower()} retain alike: p = {tested.p:.3g}.")
    return notes


def _excluded(members: Sequence[Member]) -> list[dict[str, Any]]:
    n = sum(each.group == UNKNOWN for each in members)
    return [{"reason": "unknown", "n": n, "words": f"{n:,} customers have no value and stand under {UNKNOWN}."}] if n else []


def behind(engine: "Engine", asked: Asked, cell: Mapping[str, Any]) -> "pa.Table":
    """The customers of a `group` (All customers: of all) that count for `what`."""
    import pyarrow as pa

    what = str(cell.get("what", "all"))
    if what not in WHATS:
        raise ValueError(f"{what[:40]!r} is none of {', '.join(WHATS)}.")
    members, _ = read_members(engine, asked)
    found = [each.subject for each in chosen(members, str(cell.get("group", ALL)), what)]
    return pa.table({"subject": pa.array(found, pa.string())})


KIND = AnalysisKind(
    name="cohorts", label="Cohorts", title="Cohorts by attribute", icon="users",
    question="How do customers of different kinds differ in retention, revenue, conversion and NPS?",
    parameters=PARAMETERS, read=read, compute=compute, behind=behind, lacks=lacks_facts,
    nightly=({}, {"group": "source"}, {"group": "plan"}),
)  # fmt: skip
