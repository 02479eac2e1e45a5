"""Fills a demonstration: departments, quarters, objectives, and key results linked to the demo org's reports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from integrations.access import Refusal
from integrations.models import SalesforceOrg
from okr import check_ins, linking, objectives, periods, rights
from okr import reports_metadata as metadata
from okr.linking import Choice
from okr.models import Department, KeyResult, Objective, Period

WEEKS_BEFORE = 5  # check-ins by hand before a key result was linked


@dataclass(frozen=True)
class Source:
    """A report by name, a summary field, and which row: its labels, or "first" for the first row that has a name."""

    report: str
    field: str
    row: str = ""
    missing_row_is_zero: bool = False


@dataclass(frozen=True)
class Result:
    """A key result to make. With a source, start and target are shares of its live value."""

    title: str
    owner: str
    source: Source | None = None
    start: float = 0.0
    target: float = 1.25
    unit: str = "number"
    unit_label: str = ""
    steps: Sequence[float] = ()
    confidence: str = "on_track"
    note: str = ""
    weight: int = 1


@dataclass(frozen=True)
class Goal:
    """An objective to make below `parent` (a title)."""

    title: str
    owner: str
    department: str
    period: str
    results: Sequence[Result] = ()
    parent: str = ""
    description: str = ""


DEPARTMENTS = {"Sales": "jane", "Customer Success": "marsha", "Finance": "ana", "Marketing": "oliver"}
YEAR, QUARTER, LAST = "year", "quarter", "last"
COMPANY = "Grow recurring revenue without losing customers"

GOALS = (
    Goal(COMPANY, "admin", "", YEAR, description="The company's one goal of the year.", results=(
        Result("Recurring revenue of living customers", "ana",
               Source("Recurring revenue by segment and region", "s!Account.ARR__c"), start=0.82, target=1.12, weight=3,
               note="Counted from the accounts, not from invoices."),
        Result("Open three regional offices", "admin", start=0, target=3, unit="custom", unit_label="offices", steps=(0, 1, 1)),
    )),
    Goal("Win more and larger deals", "jane", "Sales", QUARTER, parent=COMPANY, results=(
        Result("Open pipeline", "marsha", Source("Open pipeline by stage", "s!AMOUNT"), start=0.7, target=1.2, weight=2,
               note="Jane linked it; Marsha owns it and needs no license."),
        Result("Bookings of the first region", "jane", Source("Closed won this quarter by region", "s!AMOUNT", "first"),
               start=0.2, target=1.4),
        Result("Win rate", "jane", Source("Win rate by owner", "FORMULA1"), start=0.8, target=1.15, confidence="at_risk",
               note="Two large deals slipped."),
        Result("New logos", "oliver", Source("New logos this quarter", "RowCount"), start=0, target=1.6),
        Result("Lost deals", "marsha", Source("Lost deals by reason", "RowCount", "first", True), start=1.5, target=0.7,
               note="Fewer is better: the target is below the start."),
    )),
    Goal("Customers stay and recommend us", "marsha", "Customer Success", QUARTER, parent=COMPANY, results=(
        Result("Average health of living customers", "marsha", Source("Average health by segment", "a!Account.Health__c"),
               start=0.9, target=1.08),
        Result("Net promoter score", "ana", Source("NPS by segment", "a!NPS_Response__c.Points__c"), start=0.6, target=1.3,
               confidence="off_track", note="The spring release hurt."),
        Result("Cases in 90 days", "marsha", Source("Cases by priority and status", "RowCount"), start=1.3, target=0.8),
        Result("Playbooks written", "marsha", start=0, target=12, unit="custom", unit_label="playbooks", steps=(1, 3, 4, 7, 8)),
    )),
    Goal("Marketing pays for itself", "oliver", "Marketing", QUARTER, parent=COMPANY, results=(
        Result("Return on campaign spend", "oliver", Source("Campaign ROI", "FORMULA1"), start=0.5, target=1.5),
        Result("Contacts without e-mail", "oliver", Source("Contacts without e-mail", "RowCount"), start=1.4, target=0.3),
        Result("Customer stories published", "jane", start=0, target=8, unit="custom", unit_label="stories", steps=(1, 2, 2, 4),
               confidence="at_risk"),
    )),
    Goal("Lay the ground for growth", "jane", "Sales", LAST, results=(
        Result("Sales people trained", "jane", start=0, target=20, unit="custom", unit_label="people", steps=(4, 9, 15, 20)),
        Result("Price list renewed", "ana", start=0, target=100, unit="percent", unit_label="%", steps=(30, 60, 90)),
    )),
)  # fmt: skip


def fill(*, org: SalesforceOrg, users: Mapping[str, Any], now: datetime) -> int:
    """Make everything once; returns how many key results were linked. `users` are admin, jane, marsha, oliver and ana.

    Admin and Jane must hold seats of `org`. A report that the org lacks leaves its key result without a link.
    """
    if Objective.objects.exists():
        return 0
    _make_departments(users)
    spans = _make_periods(users["admin"], now)
    made: dict[str, Objective] = {}
    for goal in GOALS:
        made[goal.title] = objectives.create_objective(
            title=goal.title, owner=users[goal.owner], period=spans[goal.period], user=users["admin"],
            description=goal.description,
            department=Department.objects.filter(name=goal.department).first(), parent=made.get(goal.parent), now=now,
        )  # fmt: skip
    linked = 0
    for goal in GOALS:
        for result in goal.results:
            linked += _make_result(org, made[goal.title], result, users=users, now=now)
    return linked


def _make_departments(users: Mapping[str, Any]) -> None:
    for name, lead in DEPARTMENTS.items():
        department = Department.objects.filter(name=name).first()
        if department is None:
            department = objectives.create_department(name=name, lead=users[lead], user=users["admin"])
        department.members.add(users[lead])


def _make_periods(admin: Any, now: datetime) -> dict[str, Period]:
    today = now.date()
    name, first, last = periods.quarter(today)
    before, first_before, last_before = periods.quarter(first - timedelta(days=1))
    return {
        YEAR: _period(str(today.year), date(today.year, 1, 1), date(today.year, 12, 31), admin),
        QUARTER: _period(name, first, last, admin),
        LAST: _period(before, first_before, last_before, admin),
    }


def _period(name: str, first: date, last: date, admin: Any) -> Period:
    known = Period.objects.filter(name=name).first()
    return known or objectives.create_period(name=name, starts_on=first, ends_on=last, user=admin)


def _make_result(org: SalesforceOrg, objective: Objective, result: Result, *, users: Mapping[str, Any], now: datetime) -> int:
    """One key result with its past and, when its report is there, its link."""
    linker = users["jane"] if rights.may_edit_objective(users["jane"], objective) else users["admin"]
    choice = _choose(org, result.source, user=linker, now=now) if result.source else None
    live = choice.preview.value.amount if choice and choice.preview.value else None
    scale = live or Decimal(1)
    start, target = _round(scale * Decimal(str(result.start))), _round(scale * Decimal(str(result.target)))
    key_result = objectives.create_key_result(
        objective, title=result.title, owner=users[result.owner], start=start, target=target if target != start else start + 1,
        unit=result.unit, unit_label=result.unit_label, weight=result.weight, user=users["admin"], now=now - timedelta(weeks=8),
    )  # fmt: skip
    _tell_the_past(key_result, result, live, user=users[result.owner], now=now)
    if choice is not None:
        linking.attach(key_result, choice, user=linker, now=now)
    return int(choice is not None)


def _choose(org: SalesforceOrg, source: Source, *, user: Any, now: datetime) -> Choice | None:
    try:
        found = linking.search(org, source.report, user=user).reports
        report = next((each.id for each in found if each.name == source.report), None)
        if report is None:
            return None
        seen = linking.preview(org, report, user=user, now=now)
        path = _row(seen, source)
        return linking.choose(
            org, report, field_name=source.field, group_path=path, user=user, now=now,
            missing_row_is_zero=source.missing_row_is_zero,
        )  # fmt: skip
    except Refusal:
        return None


def _row(seen: linking.Preview, source: Source) -> list[dict[str, Any]]:
    """The path of the wanted row."""
    choices = [choice for choice in metadata.flatten(seen.groups.down) if choice.path[-1]["value"] is not None]
    if source.row == "first":
        return list(choices[0].path) if choices else []
    return next((list(choice.path) for choice in choices if choice.full_label == source.row), [])


def _tell_the_past(key_result: KeyResult, result: Result, live: Decimal | None, *, user: Any, now: datetime) -> None:
    """Weekly check-ins by hand up to now: given numbers, or a path from the start towards the live value."""
    steps = [Decimal(str(step)) for step in result.steps]
    if live is not None:
        way = live - key_result.start
        steps = [
            _round(key_result.start + way * Decimal(week) / Decimal(WEEKS_BEFORE + 1)) for week in range(1, WEEKS_BEFORE + 1)
        ]
    for index, value in enumerate(steps):
        is_last = index == len(steps) - 1
        check_ins.check_in(
            key_result, user=user, value=value, confidence=result.confidence if is_last else "on_track",
            note=result.note if is_last else "", now=now - timedelta(weeks=len(steps) - index),
        )  # fmt: skip


def _round(value: Decimal) -> Decimal:
    """To two or three significant digits, as people write targets."""
    if abs(value) < 10:
        return value.quantize(Decimal("0.1"))
    digits = max(value.adjusted() - 1, 0)
    return (value / (Decimal(10) ** digits)).quantize(Decimal(1)) * Decimal(10) ** digits
