"""The kind `scores`: NPS, CSAT and CES in rolling and calendar windows, against the window before (methods 3)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from analytics.analyses.documents import Block, Column, Document, Kind
from analytics.analyses.kinds import AnalysisKind, Asked, Choice, Parameter
from analytics.outcomes.answers import read_answers, scales_of
from analytics.outcomes.lacking import lacks_rows
from analytics.outcomes.questions import Reader
from analytics.outcomes.retention_plan import floor_to, shift
from analytics.outcomes.scoring import FEW, KINDS, PASSIVE, PROMOTER, Answer, Score, change, latest, percent_change, score_of
from integrations.models import SalesforceOrg
from integrations.product.kpis.windows import Window, windows_of

if TYPE_CHECKING:
    import pyarrow as pa

    from integrations.lake.engine import Engine

WINDOWS = {
    "7d": "Last 7 days", "30d": "Last 30 days", "90d": "Last 90 days", "last_week": "Last week", "last_month": "Last month",
    "last_quarter": "Last quarter",
}  # fmt: skip
WHATS = ("all", "promoters", "passives", "detractors")
LACKS = "No answer to a survey is known: map NPS, CSAT or CES in the attribute map of this connection."
UNITS: dict[str, tuple[Kind, str]] = {"nps": ("number", "points"), "csat": ("rate", ""), "ces": ("number", "")}
PARAMETERS = (
    Parameter(
        "score", "Score", default="nps", choices=lambda org: [Choice(key, label) for key, label in KINDS.items()],
    ),
    Parameter("months", "Months", "whole", 12),
)  # fmt: skip


def read(org: SalesforceOrg, data: Mapping[str, Any]) -> dict[str, Any]:
    """See `AnalysisKind`."""
    reader = Reader(data)
    reader.choice("score", KINDS, "nps")
    reader.whole("months", 1, 60, 12)
    return reader.result()


def months_of(as_of: datetime, count: int) -> dict[str, Window]:
    """The last complete calendar months, oldest first, by name."""
    last = floor_to(as_of.date(), "month")
    edges = [datetime.combine(shift(last, "month", -back), time(), UTC) for back in range(count, -1, -1)]
    return {f"{begin:%Y-%m}": Window(begin, end) for begin, end in pairwise(edges)}


def compute(engine: "Engine", asked: Asked) -> Document:
    """Windows with their change, and complete months."""
    kind, months = asked.parameters["score"], months_of(asked.as_of, asked.parameters["months"])
    windows, scales = windows_of(asked.as_of), scales_of(asked.org)
    since = min(min(each.start for each in windows.values()), min(each.start for each in months.values()))
    answers = [each for each in read_answers(engine, asked.org, since=since, until=asked.as_of) if each.kind == kind]
    empty = "" if answers else f"Not enough data: 0 answers since {since.date()}."
    found = {name: _score(kind, answers, each, scales) for name, each in {**windows, **months}.items()}
    return Document(
        title=f"{KINDS[kind]} over time", as_of=asked.as_of.date().isoformat(), population=len(answers), definition="scores",
        population_words=f"{len(answers):,} answers since {since.date()}.", notes=_notes(kind, scales),
        blocks=(_windows_block(kind, found, empty), _months_block(kind, found, list(months), empty)),
    )  # fmt: skip


def _within(answers: Sequence[Answer], window: Window) -> list[Answer]:
    return latest(each for each in answers if window.has(each.at))


def _score(kind: str, answers: Sequence[Answer], window: Window, scales: Mapping[str, int]) -> Score | None:
    return score_of(kind, [each.score for each in _within(answers, window)], scales)


def _windows_block(kind: str, found: Mapping[str, Score | None], empty: str) -> Block:
    shape, unit = UNITS[kind]
    rows = []
    for name, label in WINDOWS.items():
        now, before = found[name], found[f"{name}_prev"]
        count, earlier = (each.n if each else 0 for each in (now, before))
        rows.append({
            "window": label, "score": now.value if now else None, "interval": [now.low, now.high] if now else None, "n": count,
            "previous": before.value if before else None, "change": change(kind, now, before),
            "responses_change": percent_change(count, earlier), "note": _remark(now), "_behind": {"window": name},
            "_behind:previous": {"window": f"{name}_prev"},
        })  # fmt: skip
    difference = Column("change", "Change", "points" if kind == "csat" else "number", unit)
    return Block(
        "windows", "Windows", explain="Complete UTC days only; each window against the one before it.", rows=rows, empty=empty,
        columns=(
            Column("window", "Window"), Column("score", KINDS[kind], shape, unit),
            Column("interval", "95 % interval", "interval"),
            Column("n", "Answers", "count", "answers"), Column("previous", "Window before", shape, unit), difference,
            Column("responses_change", "Change of answers", "number", "%"), Column("note", "Remark"),
        ),
    )  # fmt: skip


def _months_block(kind: str, found: Mapping[str, Score | None], months: Sequence[str], empty: str) -> Block:
    shape, unit = UNITS[kind]
    rows, points = [], []
    for name in months:
        own = found[name]
        rows.append({
            "month": name, "score": own.value if own else None, "interval": [own.low, own.high] if own else None,
            "n": own.n if own else 0, "note": _remark(own), "_behind": {"window": name},
        })  # fmt: skip
        if own is not None:
            points.append({"x": f"{name}-01", "y": own.value, "low": own.low, "high": own.high, "at_risk": own.n,
                           "incomplete": False})  # fmt: skip
    return Block(
        "months", "By month", explain="Complete calendar months; the month that is going on is not drawn.", chart_type="lines",
        chart={"x_label": "Month", "y_kind": shape, "unit": unit, "steps": False, "at_risk": [],
               "series": [{"name": KINDS[kind], "points": points}]},
        columns=(
            Column("month", "Month"), Column("score", KINDS[kind], shape, unit),
            Column("interval", "95 % interval", "interval"),
            Column("n", "Answers", "count", "answers"), Column("note", "Remark"),
        ),
        rows=rows, empty=empty,
    )  # fmt: skip


def _remark(score: Score | None) -> str:
    if score is None:
        return "No answers"
    return f"Fewer than {FEW} answers" if score.is_thin else ""


def _notes(kind: str, scales: Mapping[str, int]) -> list[str]:
    said = {
        "nps": "NPS: share of 9 and 10 less share of 0 to 6, from -100 to 100. Changes are in points.",
        "csat": f"CSAT: share of {scales['csat'] - 1} and {scales['csat']} on 1 to {scales['csat']}.",
        "ces": f"CES: mean on 1 to {scales['ces']}; higher is easier.",
    }
    return [said[kind], "Of one respondent and survey the latest answer in a window counts. No answers: blank, not 0."]


def behind(engine: "Engine", asked: Asked, cell: Mapping[str, Any]) -> "pa.Table":
    """The customers whose answers are in a `window` (7d, last_month_prev, 2026-05 ...); `what`: all, promoters, passives,
    detractors (of NPS)."""
    import pyarrow as pa

    windows = {**windows_of(asked.as_of), **months_of(asked.as_of, asked.parameters["months"])}
    name, what = str(cell.get("window", "90d")), str(cell.get("what", "all"))
    if name not in windows or what not in WHATS:
        raise ValueError(f"There are no {what[:40]!r} of a window {name[:40]!r}.")
    window = windows[name]
    answers = read_answers(engine, asked.org, since=window.start, until=window.end)
    chosen = {
        each.subject for each in _within([each for each in answers if each.kind == asked.parameters["score"]], window)
        if {"all": True, "promoters": each.score >= PROMOTER, "detractors": each.score < PASSIVE,
            "passives": PASSIVE <= each.score < PROMOTER}[what]
    }  # fmt: skip
    return pa.table({"subject": pa.array(sorted(chosen), pa.string())})


def lacks(org: SalesforceOrg) -> str:
    """Why scores cannot be asked yet."""
    return lacks_rows(org, ("nps_score", "csat_score", "ces_score"), LACKS, table="scores")


KIND = AnalysisKind(
    name="scores", label="Scores", title="NPS, CSAT and CES", icon="gauge",
    question="How do customers rate us, and is that changing?",
    parameters=PARAMETERS, read=read, compute=compute, behind=behind, lacks=lacks,
    nightly=({}, {"score": "csat"}, {"score": "ces"}),
)  # fmt: skip
