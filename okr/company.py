"""Departments and periods after they were made: changed and deleted, each with an audit entry. Operators and admins only."""

from collections.abc import Iterable
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import transaction
from django.db.models import ProtectedError

from integrations import audit
from integrations.access import Refusal, has_role
from okr.models import Department, Period
from okr.rights import NotAllowed


def change_department(department: Department, *, lead: Any, members: Iterable[Any], user: Any) -> Department:
    """Who leads it, and who belongs to it."""
    _check(user)
    wanted = {each.pk: each for each in members}
    with transaction.atomic():
        known = {each.pk: each for each in department.members.all()}
        before = {"lead": department.lead and department.lead.get_username(), "members": _names(known.values())}
        after = {"lead": lead and lead.get_username(), "members": _names(wanted.values())}
        if before != after:
            department.lead = lead
            department.save(update_fields=["lead"])
            department.members.set(wanted.values())
            audit.record("department.changed", actor=user, target=department.name, before=before, after=after)
    return department


def delete_department(department: Department, *, user: Any) -> None:
    """Its objectives stay, without a department."""
    _check(user)
    audit.record("department.deleted", actor=user, target=department.name)
    department.delete()


def change_period(period: Period, *, starts_on: date, ends_on: date, time_zone: str, user: Any) -> Period:
    """Its days, in a named time zone. Refusals: ends_before_start, time_zone."""
    _check(user)
    if ends_on < starts_on:
        raise Refusal("ends_before_start", "A period ends on or after the day it starts.")
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Refusal("time_zone", f"{time_zone!r} is not a time zone such as Europe/Berlin.") from error
    wanted = {"starts_on": starts_on, "ends_on": ends_on, "time_zone": time_zone}
    before = {name: getattr(period, name) for name in wanted}
    if before != wanted:
        for name, value in wanted.items():
            setattr(period, name, value)
        with transaction.atomic():
            period.save(update_fields=list(wanted))
            audit.record("period.changed", actor=user, target=period.name, before=before, after=wanted)
    return period


def delete_period(period: Period, *, user: Any) -> None:
    """Only a period without objectives can go: Refusal `in_use`."""
    _check(user)
    kept = {"starts_on": period.starts_on, "ends_on": period.ends_on, "time_zone": period.time_zone}
    try:
        with transaction.atomic():
            period.delete()
            audit.record("period.deleted", actor=user, target=period.name, before=kept)
    except ProtectedError as error:
        raise Refusal("in_use", f"{period.name} has objectives; move or archive them first.") from error


def _names(people: Iterable[Any]) -> list[str]:
    return sorted(each.get_username() for each in people)


def _check(user: Any) -> None:
    if not has_role(user, "operator", "okr"):
        raise NotAllowed("not_allowed", "Only operators and admins change departments and periods.")
