"""From facts to lives: how long each customer was observed, whether it churned then, and in which group it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from analytics.analyses.kinds import Asked
from analytics.facts import reading
from analytics.outcomes.groupings import SQL, UNKNOWN, bind_values, group_of, ordered_groups

if TYPE_CHECKING:
    import pyarrow as pa

    from integrations.lake.engine import Engine

ORIGINS = {
    "paid_start": ("paid_at", "First paid day"), "account_start": ("started_at", "Account start"),
    "trial_start": ("trial_started_at", "Start of the trial"),
}  # fmt: skip
ENTRIES = {"start": "From the start", "first_seen": "From the first use of the product on"}
EVERYBODY = "All customers"
WHATS = ("all", "churned", "staying", "at_risk")


@dataclass(frozen=True, slots=True)
class Question:
    """Time 0, the attribute that tells groups apart (empty: none), the landmark in days, and when observation begins."""

    origin: str
    group: str = ""
    landmark: int = 0
    entry: str = "start"


@dataclass
class Lives:
    """Customers that count: `lasted` and `came` in days since the landmark; and how many do not count."""

    subjects: list[str] = field(default_factory=list)
    lasted: list[int] = field(default_factory=list)
    churned: list[int] = field(default_factory=list)
    came: list[int] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    without_start: int = 0
    gone_before: int = 0
    too_young: int = 0
    unobserved: int = 0

    @property
    def n(self) -> int:
        """How many count."""
        return len(self.subjects)


def read_lives(engine: "Engine", asked: Asked, question: Question) -> Lives:
    """Everybody with a start; who is out before the landmark, or never at risk, is counted apart (FZ-D9)."""
    reading.bind(engine, asked.org, "subjects", "milestones")
    text = engine.sql(SQL / "survival_times.sql").replace("<<origin>>", ORIGINS[question.origin][0])
    text = text.replace("<<landmark>>", str(question.landmark))
    text = text.replace("<<came>>", "s.first_seen_at" if question.entry == "first_seen" else "s." + ORIGINS[question.origin][0])
    found = engine.table(text, as_of=asked.as_of)
    engine.bind("lives", found)
    lives = Lives()
    lives.without_start = engine.rows("SELECT count(*) AS n FROM subjects")[0][0] - found.num_rows
    values = _values(engine, asked, question)
    rows = zip(*(found[name].to_pylist() for name in ("subject", "lasted", "churned", "came")), strict=True)
    for subject, lasted, churned, came in sorted(rows):
        _add(lives, question, subject, lasted, bool(churned), came, values)
    _name_groups(lives, question)
    return lives


def _add(
    lives: Lives, question: Question, subject: str, lasted: int, churned: bool, came: int | None,
    values: Mapping[str, str | None],
) -> None:  # fmt: skip
    """One customer, or the count of its kind. The windows are half-open: who churns on the day of the landmark was there."""
    left, since = lasted - question.landmark, max((came if came is not None else lasted) - question.landmark, 0)
    if left < 0:
        if churned:
            lives.gone_before += 1
        else:
            lives.too_young += 1
        return
    if question.entry == "first_seen" and (came is None or since >= left > 0 or (left == 0 and since > 0)):
        lives.unobserved += 1
        return
    lives.subjects.append(subject)
    lives.lasted.append(left)
    lives.churned.append(int(churned))
    lives.came.append(since if question.entry == "first_seen" else 0)
    lives.groups.append(values.get(subject) or UNKNOWN if question.group else EVERYBODY)


def _values(engine: "Engine", asked: Asked, question: Question) -> dict[str, str | None]:
    """The attribute of each customer when counting begins."""
    if not question.group:
        return {}
    bind_values(engine, asked.org, question.group, members="lives", key="subject", moment="judged_at")
    return dict(engine.rows("SELECT member, value FROM values_then"))


def _name_groups(lives: Lives, question: Question) -> None:
    sizes: dict[str | None, int] = {}
    for name in lives.groups:
        sizes[name] = sizes.get(name, 0) + 1
    lives.shown = ordered_groups(sizes.items()) if question.group else [EVERYBODY] if lives.n else []
    lives.groups = [group_of(name, lives.shown) for name in lives.groups]


def behind(engine: "Engine", asked: Asked, question: Question, cell: Mapping[str, Any]) -> "pa.Table":
    """The customers of a number: `group`, `what` (all, churned, staying, at_risk) and for at_risk `day` since time 0."""
    import pyarrow as pa

    lives = read_lives(engine, asked, question)
    what, day = str(cell.get("what", "all")), int(cell.get("day", 0))
    if what not in WHATS:
        raise ValueError(f"{what[:40]!r} is none of {', '.join(WHATS)}.")
    chosen = []
    for subject, lasted, churned, came, group in zip(
        lives.subjects, lives.lasted, lives.churned, lives.came, lives.groups, strict=True
    ):
        fits = {
            "all": True, "churned": bool(churned), "staying": not churned,
            "at_risk": lasted >= day and (came < day or (day == 0 and came == 0)),
        }[what]  # fmt: skip
        if fits and cell.get("group", EVERYBODY) in (group, EVERYBODY):
            chosen.append(subject)
    return pa.table({"subject": pa.array(chosen, pa.string())})
