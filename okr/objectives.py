"""Verbs on objectives and key results: create, change, assign, archive, delete; each notes what happened (BW-05, BW-D17)."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import IntegrityError, transaction

from integrations import audit
from integrations.access import Refusal, has_role
from okr import progress, rights
from okr.models import Activity, Department, KeyResult, Objective, Period

OBJECTIVE_FIELDS = {"title", "description", "owner", "department", "period", "parent", "weight"}
KEY_RESULT_FIELDS = {
    "title",
    "owner",
    "unit",
    "unit_label",
    "start",
    "start_from_first_reading",
    "target",
    "weight",
    "confidence",
}
LARGEST = Decimal(10) ** 18


def create_objective(
    *, title: str, owner: Any, period: Period, user: Any, now: datetime, department: Department | None = None,
    parent: Objective | None = None, description: str = "", weight: int = 1,
) -> Objective:  # fmt: skip
    """A new objective; anybody may create one, for themselves or for a department (BW-05)."""
    _check_title(title)
    _check_parent(None, parent)
    return Objective.objects.create(
        title=title.strip(), description=description, owner=owner, department=department, period=period, parent=parent,
        weight=weight, created_at=now,
    )  # fmt: skip


def update_objective(objective: Objective, *, changes: Mapping[str, Any], user: Any, now: datetime) -> Objective:
    """Change the named fields; unknown ones are refused, circles of parents too."""
    rights.check_objective(user, objective)
    _check_known(changes, OBJECTIVE_FIELDS)
    with transaction.atomic():
        current = Objective.objects.select_for_update().get(pk=objective.pk)
        if "title" in changes:
            _check_title(changes["title"])
        if "parent" in changes:
            _check_parent(current, changes["parent"])
        _assign(current, changes)
        current.save(update_fields=[*changes])
    return current


def assign_objective(
    objective: Objective, *, user: Any, now: datetime, owner: Any = None, department: Department | None = None
) -> Objective:
    """Hand an objective to a person, a department, or both (BW-D17)."""
    changes: dict[str, Any] = {"owner": owner} if owner else {}
    if department:
        changes["department"] = department
    return update_objective(objective, changes=changes, user=user, now=now)


def archive_objective(objective: Objective, *, user: Any, now: datetime) -> Objective:
    """Take an objective out of the lists; its links stop refreshing, its history stays."""
    rights.check_objective(user, objective)
    Objective.objects.filter(pk=objective.pk, archived_at=None).update(archived_at=now)
    audit.record("objective.archived", actor=user, target=objective.title)
    objective.refresh_from_db()
    return objective


def restore_objective(objective: Objective, *, user: Any, now: datetime) -> Objective:
    """Bring an archived objective back."""
    rights.check_objective(user, objective)
    Objective.objects.filter(pk=objective.pk).update(archived_at=None)
    audit.record("objective.restored", actor=user, target=objective.title)
    objective.refresh_from_db()
    return objective


def create_key_result(
    objective: Objective, *, title: str, owner: Any, target: Decimal, user: Any, now: datetime, start: Decimal = Decimal(0),
    unit: str = KeyResult.Unit.NUMBER, unit_label: str = "", weight: int = 1, start_from_first_reading: bool = False,
) -> KeyResult:  # fmt: skip
    """A new key result; it may belong to anybody, with or without a license (BW-04, BW-06)."""
    rights.check_objective(user, objective)
    if objective.archived_at:
        raise Refusal("archived", "This objective is archived; restore it first.")
    _check_title(title)
    check_goal(start=start, target=target)
    with transaction.atomic():
        key_result = KeyResult.objects.create(
            objective=objective, title=title.strip(), owner=owner, target=target, start=start, unit=unit,
            unit_label=unit_label, weight=weight, start_from_first_reading=start_from_first_reading, created_at=now,
        )  # fmt: skip
        note_activity(
            key_result, verb="created", text=f"Target {plain(target)}, owner {owner.get_username()}.", actor=user, now=now
        )
    return key_result


def update_key_result(key_result: KeyResult, *, changes: Mapping[str, Any], user: Any, now: datetime) -> KeyResult:
    """Change the named fields and note each change of owner, start or target."""
    rights.check_key_result(user, key_result)
    _check_known(changes, KEY_RESULT_FIELDS)
    with transaction.atomic():
        current = KeyResult.objects.select_for_update(of=("self",)).get(pk=key_result.pk)
        if "title" in changes:
            _check_title(changes["title"])
        check_goal(start=changes.get("start", current.start), target=changes.get("target", current.target))
        before = {name: getattr(current, name) for name in changes}
        _assign(current, changes)
        current.save(update_fields=[*changes])
        text = "; ".join(
            f"{name.replace('_', ' ')}: {plain(before[name])} to {plain(value)}"
            for name, value in changes.items()
            if before[name] != value
        )
        if text:
            note_activity(current, verb="changed", text=text[:1].upper() + text[1:] + ".", actor=user, now=now)
    return current


def assign_key_result(key_result: KeyResult, *, owner: Any, user: Any, now: datetime) -> KeyResult:
    """Give a key result to any person; a link stays, and the new owner needs no license (BW-04..BW-06, BW-25)."""
    return update_key_result(key_result, changes={"owner": owner}, user=user, now=now)


def delete_key_result(key_result: KeyResult, *, user: Any, now: datetime) -> None:
    """Remove a key result with its readings; only who may edit the objective."""
    rights.check_objective(user, key_result.objective)
    with transaction.atomic():
        KeyResult.objects.select_for_update(of=("self",)).get(pk=key_result.pk)
        audit.record(
            "key_result.deleted", actor=user, target=key_result.title, before={"objective": key_result.objective.title}
        )
        key_result.delete()


def check_goal(*, start: Decimal, target: Decimal) -> None:
    """Refuse a target equal to the start (BW-D11) and numbers that cannot be kept."""
    for number in (start, target):
        if not number.is_finite() or abs(number) >= LARGEST:
            raise Refusal("not_a_number", "Start and target must be numbers below 10^18.")
    if start.quantize(Decimal("0.000001")) == target.quantize(Decimal("0.000001")):
        raise Refusal("target_equals_start", f"The target must differ from the start ({plain(start)}).")


def note_activity(key_result: KeyResult, *, verb: str, text: str, now: datetime, actor: Any = None) -> Activity:
    """One line in the key result's story."""
    return Activity.objects.create(key_result=key_result, verb=verb, text=text, actor=actor, at=now)


def plain(value: Any) -> str:
    """A value in a sentence: Decimals without trailing zeros, people by name, nothing as a dash."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if value is None or value == "":
        return "-"
    return value.get_username() if hasattr(value, "get_username") else str(value)


# --- Departments and periods ---------------------------------------------------------------------------------------------


def create_department(*, name: str, user: Any, lead: Any = None) -> Department:
    """A new department; operators and admins only."""
    _check_operator(user)
    try:
        with transaction.atomic():
            return Department.objects.create(name=name.strip(), lead=lead)
    except IntegrityError as error:
        raise Refusal("name_taken", f"There is a department called {name.strip()} already.") from error


def create_period(*, name: str, starts_on: date, ends_on: date, user: Any, time_zone: str = "UTC") -> Period:
    """A new period in a named time zone; operators and admins only."""
    _check_operator(user)
    if ends_on < starts_on:
        raise Refusal("ends_before_start", "A period ends on or after the day it starts.")
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Refusal("time_zone", f"{time_zone!r} is not a time zone such as Europe/Berlin.") from error
    try:
        with transaction.atomic():
            return Period.objects.create(name=name.strip(), starts_on=starts_on, ends_on=ends_on, time_zone=time_zone)
    except IntegrityError as error:
        raise Refusal("name_taken", f"There is a period called {name.strip()} already.") from error


# --- Inside ----------------------------------------------------------------------------------------------------------


def _assign(record: Objective | KeyResult, changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        setattr(record, name, value.strip() if name == "title" else value)


def _check_known(changes: Mapping[str, Any], allowed: set[str]) -> None:
    unknown = set(changes) - allowed
    if unknown:
        raise Refusal("unknown_field", f"Cannot be changed here: {', '.join(sorted(unknown))}.")


def _check_title(title: str) -> None:
    if not title.strip():
        raise Refusal("title_missing", "Please give it a title.")


def _check_parent(objective: Objective | None, parent: Objective | None) -> None:
    """Parents make a tree: nothing can be its own ancestor."""
    if parent is None or objective is None:
        return
    parent_of = dict(Objective.objects.exclude(parent=None).values_list("pk", "parent_id"))
    if progress.would_make_a_cycle(objective=objective.pk, parent=parent.pk, parent_of=parent_of):
        raise Refusal(
            "parent_cycle", f"{parent.title} is below {objective.title} already; an objective cannot be its own ancestor."
        )


def _check_operator(user: Any) -> None:
    if not has_role(user, "operator", "okr"):
        raise rights.NotAllowed("not_allowed", "Only operators and admins change departments and periods.")
