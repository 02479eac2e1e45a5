"""The kind `funnel`: trials that became paying customers, mature and open ones kept apart (methods 5)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

from analytics.analyses.documents import Document
from analytics.analyses.kinds import AnalysisKind, Asked, Choice, Parameter
from analytics.facts import reading
from analytics.outcomes import activity, funnel_drawing
from analytics.outcomes.funnel_steps import Judged, Rules, Trial, judge
from analytics.outcomes.groupings import GROUPINGS, SQL, UNKNOWN, bind_values, group_of, ordered_groups
from analytics.outcomes.lacking import lacks_rows
from analytics.outcomes.questions import Reader, grouping_choices
from analytics.outcomes.retention_plan import floor_to, shift
from integrations.models import SalesforceOrg

if TYPE_CHECKING:
    import pyarrow as pa

    from integrations.lake.engine import Engine

NONE = "none"
LACKS = (
    "No trial is known: map Free Trial Start Date in the attribute map of this connection, or name trials in its "
    "contract types."
)
PARAMETERS = (
    Parameter(
        "activation", "Activated by", default=activity.ANY, help="The step between the start of the trial and paying.",
        choices=lambda org: [*activity.act_choices(org), Choice(NONE, "No such step")],
    ),
    Parameter("group", "Compare by", default="", choices=lambda org: [Choice("", "All together"), *grouping_choices(org)]),
    Parameter("months", "Months of trials", "whole", 12),
    Parameter("window", "Days after the trial's end to pay", "whole", 30, advanced=True),
    Parameter("length", "Days of a trial without an end", "whole", 14, advanced=True),
)  # fmt: skip


@dataclass
class Trials:
    """The trials of the asked months with what became of them, and how many do not count."""

    judged: list[Judged] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    paid_before: int = 0
    before: int = 0
    unknown_use: int = 0
    gone: tuple[str, ...] = ()


def read(org: SalesforceOrg, data: Mapping[str, Any]) -> dict[str, Any]:
    """See `AnalysisKind`."""
    reader = Reader(data)
    value = reader.text("activation", activity.ANY)
    if value != NONE and not activity.is_act(value):
        offered = ", ".join([NONE, activity.ANY, f"{activity.EVENT}NAME", f"{activity.FEATURE}KEY"])
        reader.problem("activation", "unknown_choice", f"{value[:60]!r} is not offered; choose one of {offered}.")
    reader.grouping("group")
    reader.whole("months", 1, 60, 12)
    reader.whole("window", 0, 365, 30)
    reader.whole("length", 1, 365, 14)
    return reader.result()


def rules_of(asked: Asked) -> Rules:
    """The rules that complete parameters ask for."""
    given = asked.parameters
    return Rules(asked.as_of, given["window"], given["length"], needs_activation=given["activation"] != NONE)


def read_trials(engine: "Engine", asked: Asked) -> Trials:
    """Each customer's first trial of the asked months, judged."""
    since = _since(asked)
    found = Trials()
    activation = asked.parameters["activation"]
    reading.bind(engine, asked.org, "subjects")
    text = engine.sql(SQL / "funnel_trials.sql")
    params: dict[str, Any] = {}
    if activation == NONE:
        nothing = "SELECT subject, trial_started_at AS activated_at FROM subjects WHERE false"
        text = text.replace("<<activated>>", nothing)
    else:
        acts = activity.bind_acts(engine, [activation], as_of=asked.as_of, since=since)
        text = text.replace("<<activated>>", engine.sql(SQL / "funnel_activated.sql")).replace("<<acts>>", acts.text)
        params, found.gone = acts.params, acts.unknown
    rows = engine.table(text, as_of=asked.as_of, since=since, **params)
    engine.bind("trials", rows)
    asked.breathe()
    early = "SELECT count(*) AS n FROM subjects WHERE trial_started_at < $since"
    found.before = engine.rows(early, since=since)[0][0]
    groups = _groups(engine, asked)
    names = ("subject", "began", "ended", "paid_at", "activated_at")
    for row in zip(*(rows[name].to_pylist() for name in names), strict=True):
        judged = judge(Trial(*row, group=groups.get(row[0]) or UNKNOWN), rules_of(asked))
        if judged is None:
            found.paid_before += 1
        else:
            found.judged.append(judged)
    found.unknown_use = 0 if activation == NONE else rows["customer_id"].null_count
    _name_groups(found, asked)
    return found


def _since(asked: Asked) -> datetime:
    first = floor_to(asked.as_of.date(), "month")
    months = asked.parameters["months"] - (first != asked.as_of.date())
    return datetime.combine(shift(first, "month", -months), time(), UTC)


def _groups(engine: "Engine", asked: Asked) -> dict[str, str | None]:
    group = asked.parameters["group"]
    if not group:
        return {}
    bind_values(engine, asked.org, group, members="trials", key="subject", moment="began")
    return dict(engine.rows("SELECT member, value FROM values_then"))


def _name_groups(found: Trials, asked: Asked) -> None:
    if asked.parameters["group"]:
        sizes: dict[str | None, int] = {}
        for each in found.judged:
            sizes[each.trial.group] = sizes.get(each.trial.group, 0) + 1
        found.shown = ordered_groups(sizes.items())


def compute(engine: "Engine", asked: Asked) -> Document:
    """Steps of mature trials, months, open trials with their time to conversion, and groups."""
    found = read_trials(engine, asked)
    rules = rules_of(asked)
    blocks = [funnel_drawing.steps(found.judged, rules), funnel_drawing.months(found.judged, rules)]
    blocks += funnel_drawing.waiting(found.judged, rules)
    if found.shown:
        label = GROUPINGS[asked.parameters["group"]]
        blocks.append(funnel_drawing.groups(found.judged, rules, found.shown, label))
    mature = sum(each.is_mature for each in found.judged)
    words = f"{len(found.judged):,} first trials since {_since(asked).date()}: {mature:,} mature, the others open."
    return Document(
        title="Trial funnel", as_of=asked.as_of.date().isoformat(), population=len(found.judged), population_words=words,
        excluded=_excluded(found, asked), blocks=blocks, notes=_notes(found, asked), definition="trial-funnel",
    )  # fmt: skip


def behind(engine: "Engine", asked: Asked, cell: Mapping[str, Any]) -> "pa.Table":
    """The customers of a number: `step` (began, activated, paid, lost, open, unactivated), and of a `month` or a `group`;
    `mature` true or false: only those whose time to pay is over, or only open ones."""
    import pyarrow as pa

    found = read_trials(engine, asked)
    step = str(cell.get("step", "began"))
    if step not in funnel_drawing.STEPS:
        raise ValueError(f"{step[:40]!r} is none of {', '.join(funnel_drawing.STEPS)}.")
    chosen = [
        each.trial.subject for each in found.judged
        if funnel_drawing.STEPS[step](each) and cell.get("mature") in (None, each.is_mature)
        and cell.get("month") in (None, each.trial.began.strftime("%Y-%m"))
        and cell.get("group") in (None, group_of(each.trial.group, found.shown))
    ]  # fmt: skip
    return pa.table({"subject": pa.array(chosen, pa.string())})


def _excluded(found: Trials, asked: Asked) -> list[dict[str, Any]]:
    listed = [
        ("before", found.before, f"customers began their trial before {_since(asked).date()}."),
        ("paid_before", found.paid_before, "customers had paid before their trial began."),
    ]
    return [{"reason": reason, "n": n, "words": f"{n:,} {words}"} for reason, n, words in listed if n]


def _notes(found: Trials, asked: Asked) -> list[str]:
    given = asked.parameters
    assumed = sum(each.is_assumed for each in found.judged)
    notes = [
        f"A trial converts when it is paid from its start until {given['window']} days after its end.",
        "It is mature once that time is over; open trials are never in the denominator of a rate.",
        "Each customer counts once, with its first trial.",
    ]
    if assumed:
        notes.append(f"{assumed:,} trials have no end date and are taken to last {given['length']} days.")
    if given["activation"] != NONE:
        notes.append(
            f"Activated: {activity.words_of(given['activation'])} at or after the start. Paying counts only after that."
        )
        skipped = sum(each.paid_unactivated for each in found.judged)
        if skipped:
            notes.append(f"{skipped:,} customers paid without having been activated before; they are not counted as paid here.")
        if found.unknown_use:
            notes.append(f"{found.unknown_use:,} trials lead to no customer of the product: their use is not known.")
    notes += [f"{activity.words_of(each).capitalize()} no longer exists, so nobody did it." for each in found.gone]
    return notes


def lacks(org: SalesforceOrg) -> str:
    """Why the funnel cannot be asked yet."""
    return lacks_rows(org, ("trial_start",), LACKS, table="milestones", where="kind = 'trial_start'")


KIND = AnalysisKind(
    name="funnel", label="Trial funnel", title="Trial funnel", icon="funnel",
    question="Which share of trials becomes paying, and where do the others stop?",
    parameters=PARAMETERS, read=read, compute=compute, behind=behind, lacks=lacks, nightly=({}, {"group": "source"}),
)  # fmt: skip
