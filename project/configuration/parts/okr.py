"""Key results: departments, periods, and who holds a license of a connection."""

from datetime import date
from typing import Any

from django.contrib.auth import get_user_model

from integrations.sync.mapping.problems import Problem, ProblemsFound
from okr import company, licenses, objectives
from okr.models import Department, License, Period
from project.configuration.section import Entry, Part, Section, Work, plain, text


class Departments(Section):
    """Departments with their lead and members, by user name."""

    place, label, removable = ("departments",), "Departments", True
    parts = {"lead": text(None), "members": Part("list", [])}

    def read(self, work: Work) -> dict[str, Entry]:
        """All of them."""
        rows = Department.objects.select_related("lead").prefetch_related("members").order_by("name")
        return {each.name: self._entry(each) for each in rows}

    def _entry(self, department: Department) -> Entry:
        members = sorted(each.get_username() for each in department.members.all())
        return {"name": department.name, "lead": department.lead and department.lead.get_username(), "members": members}

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """Everybody named must have an account."""
        lead = find_people([entry["lead"]], "lead")[0] if entry["lead"] else None
        members = find_people(entry["members"], "members")
        found = Department.objects.filter(name=key).first()
        if found is None:
            found = objectives.create_department(name=key, user=work.person())
        company.change_department(found, lead=lead, members=members, user=work.person())

    def remove(self, key: str, entry: Entry, work: Work) -> None:
        """Its objectives stay."""
        company.delete_department(Department.objects.get(name=key), user=work.person())


class Periods(Section):
    """Periods in which objectives are pursued."""

    place, label, removable = ("periods",), "Periods", True
    parts = {"starts_on": text(), "ends_on": text(), "time_zone": text("UTC")}

    def read(self, work: Work) -> dict[str, Entry]:
        """All of them, from the first on."""
        rows = Period.objects.order_by("starts_on", "name")
        return {each.name: plain({"name": each.name, **{name: getattr(each, name) for name in self.parts}}) for each in rows}

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """Both days belong to it."""
        days = {name: _day(name, entry[name]) for name in ("starts_on", "ends_on")}
        found = Period.objects.filter(name=key).first()
        if found is None:
            objectives.create_period(name=key, **days, time_zone=entry["time_zone"], user=work.person())
        else:
            company.change_period(found, **days, time_zone=entry["time_zone"], user=work.person())

    def remove(self, key: str, entry: Entry, work: Work) -> None:
        """Only without objectives."""
        company.delete_period(Period.objects.get(name=key), user=work.person())


class LicenseHolders(Section):
    """Who may link key results to reports of a connection, by user name."""

    place, label, keys, per_org, removable, stays = ("license_holders",), "License holders", ("username",), True, True, True

    def read(self, work: Work) -> dict[str, Entry]:
        """Active people who hold a seat."""
        held = License.objects.filter(org=work.place, user__is_active=True).order_by("user__username")
        return {name: {"username": name} for name in held.values_list("user__username", flat=True)}

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """One seat of the pool."""
        user = find_people([key], "username")[0]
        licenses.grant_license(work.place, user=user, actor=work.person(), now=work.now)

    def remove(self, key: str, entry: Entry, work: Work) -> None:
        """Links stay and keep refreshing."""
        user = find_people([key], "username")[0]
        licenses.release_license(work.place, user=user, actor=work.person(), now=work.now)


def find_people(names: list[Any], path: str) -> list[Any]:
    """The accounts of these user names; ProblemsFound for those that nobody has."""
    known = get_user_model().objects.filter(username__in=[each for each in names if isinstance(each, str)])
    found = {each.get_username(): each for each in known}
    missing = [str(each)[:80] for each in names if each not in found]
    if missing:
        words = f"Nobody here has the user name {', '.join(missing)}; create the account first, or leave it out."
        raise ProblemsFound([Problem(path, "unknown_person", words)])
    return [found[each] for each in dict.fromkeys(names)]


def _day(name: str, value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ProblemsFound([Problem(name, "day", "must be a day such as 2027-01-31.")]) from None


SECTIONS = (Departments(), Periods(), LicenseHolders())
