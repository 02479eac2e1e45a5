"""Alerts: channels without addresses and secrets, rules, and watches over runs."""

from collections.abc import Mapping
from datetime import time
from typing import Any

from integrations.alert_rules import saving
from integrations.models import AlertChannel, AlertRule, RunWatch, SalesforceOrg
from integrations.sync.mapping.problems import Problem, ProblemsFound
from project.configuration.parts.okr import find_people
from project.configuration.section import Entry, Part, Section, Work, flag, text, whole


class Channels(Section):
    """By name. Addresses of hooks and signing secrets are entered on the page, which says which channels lack one."""

    place, label, removable = ("alerts", "channels"), "Alert channels", True
    parts = {
        "kind": text("webhook"), "mails": Part("list", []), "warnings": flag(False), "by_default": flag(True),
        "active": flag(True),
    }  # fmt: skip

    def read(self, work: Work) -> dict[str, Entry]:
        """All of them."""
        return {
            each.name: {
                "name": each.name, "kind": str(each.kind), "mails": list(each.mails), "warnings": each.sends_warnings,
                "by_default": each.by_default, "active": each.is_active,
            }
            for each in AlertChannel.objects.order_by("name")
        }  # fmt: skip

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """A new hook is sent to once somebody has entered its address."""
        values = {
            "name": key, "kind": entry["kind"], "mails": entry["mails"], "sends_warnings": entry["warnings"],
            "by_default": entry["by_default"], "is_active": entry["active"],
        }  # fmt: skip
        row = AlertChannel.objects.filter(name=key).first()
        saving.save_channel(row, values, needs_address=False, user=work.actor)

    def remove(self, key: str, entry: Entry, work: Work) -> None:
        """With its deliveries."""
        saving.delete_channel(AlertChannel.objects.get(name=key), user=work.actor)


class Rules(Section):
    """By name; connections and channels by name, people by user name, hours as 22:00."""

    place, label, removable = ("alerts", "rules"), "Alert rules", True
    parts = {
        "active": flag(True), "kinds": Part("list", []), "codes": Part("list", []), "severities": Part("list", []),
        "domains": Part("list", []), "environments": Part("list", []), "connections": Part("list", []),
        "channels": Part("list", []), "people": Part("list", []), "mail_to_admins": flag(False), "rhythm": text("now"),
        "daily_at": text("08:00"), "quiet_from": text(None), "quiet_to": text(None), "zone": text("UTC"),
        "repeat_hours": whole(None), "escalate_minutes": whole(None), "escalate_to": text(None),
    }  # fmt: skip
    plain_lists = ("kinds", "codes", "severities", "domains", "environments")

    def read(self, work: Work) -> dict[str, Entry]:
        """All of them."""
        rows = AlertRule.objects.select_related("escalate_to").prefetch_related("orgs", "channels", "people").order_by("name")
        return {each.name: self._entry(each) for each in rows}

    def _entry(self, rule: AlertRule) -> Entry:
        return {
            "name": rule.name, "active": rule.is_active, **{name: list(getattr(rule, name)) for name in self.plain_lists},
            "connections": sorted(each.name for each in rule.orgs.all()),
            "channels": sorted(each.name for each in rule.channels.all()),
            "people": sorted(each.get_username() for each in rule.people.all()), "mail_to_admins": rule.mails_usual,
            "rhythm": str(rule.rhythm), "daily_at": _hour(rule.daily_at), "quiet_from": _hour(rule.quiet_from),
            "quiet_to": _hour(rule.quiet_to), "zone": rule.zone, "repeat_hours": rule.repeat_hours,
            "escalate_minutes": rule.escalate_minutes, "escalate_to": rule.escalate_to.name if rule.escalate_to else None,
        }  # fmt: skip

    def renamed(self, given: Entry, renames: Mapping[str, str]) -> Entry:
        """Connections are renamed in it."""
        if not isinstance(given.get("connections"), list):
            return given
        return {**given, "connections": [renames.get(each, each) for each in given["connections"]]}

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """What it names must exist."""
        values: dict[str, Any] = {name: entry[name] for name in self.plain_lists}
        values |= {
            "name": key, "is_active": entry["active"], "mails_usual": entry["mail_to_admins"], "rhythm": entry["rhythm"],
            "zone": entry["zone"], "repeat_hours": entry["repeat_hours"], "escalate_minutes": entry["escalate_minutes"],
            "orgs": _named(SalesforceOrg, entry["connections"], "connections"),
            "channels": _named(AlertChannel, entry["channels"], "channels"), "people": find_people(entry["people"], "people"),
            **{name: _time(entry[name], name) for name in ("daily_at", "quiet_from", "quiet_to")},
        }  # fmt: skip
        escalate = _named(AlertChannel, [entry["escalate_to"]], "escalate_to") if entry["escalate_to"] else [None]
        values["escalate_to"] = escalate[0]
        saving.save_rule(AlertRule.objects.filter(name=key).first(), values, user=work.actor)

    def remove(self, key: str, entry: Entry, work: Work) -> None:
        """What it holds back is told."""
        saving.delete_rule(AlertRule.objects.get(name=key), user=work.actor)


class Watches(Section):
    """Watches over runs, by name."""

    place, label, removable = ("alerts", "watches"), "Watches over runs", True
    parts = {
        "what": text("errors"), "number": whole(3), "job": text(), "domain": text(), "connection": text(None),
        "severity": text("action"), "active": flag(True),
    }  # fmt: skip

    def read(self, work: Work) -> dict[str, Entry]:
        """All of them."""
        return {
            each.name: {
                "name": each.name, "what": str(each.what), "number": each.number, "job": each.job, "domain": each.domain,
                "connection": each.org.name if each.org else None, "severity": str(each.severity), "active": each.is_active,
            }
            for each in RunWatch.objects.select_related("org").order_by("name")
        }  # fmt: skip

    def renamed(self, given: Entry, renames: Mapping[str, str]) -> Entry:
        """Its connection is renamed."""
        name = given.get("connection")
        return {**given, "connection": renames.get(name, name)} if isinstance(name, str) else given

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """Runs are looked at every ten minutes."""
        org = _named(SalesforceOrg, [entry["connection"]], "connection")[0] if entry["connection"] else None
        values = {name: entry[name] for name in ("what", "number", "job", "domain", "severity")}
        values |= {"name": key, "org": org, "is_active": entry["active"]}
        saving.save_watch(RunWatch.objects.filter(name=key).first(), values, user=work.actor)

    def remove(self, key: str, entry: Entry, work: Work) -> None:
        """Its open alerts end."""
        saving.delete_watch(RunWatch.objects.get(name=key), user=work.actor)


def _named(model: Any, names: list[Any], path: str) -> list[Any]:
    """Rows by name; ProblemsFound for names that nothing has."""
    found = {each.name: each for each in model.objects.filter(name__in=[each for each in names if isinstance(each, str)])}
    missing = [str(each)[:80] for each in names if each not in found]
    if missing:
        raise ProblemsFound([Problem(path, "unknown", f"Nothing here is called {', '.join(missing)}.")])
    return [found[each] for each in dict.fromkeys(names)]


def _hour(value: time | None) -> str | None:
    return f"{value:%H:%M}" if value else None


def _time(value: str | None, path: str) -> time | None:
    try:
        return time.fromisoformat(value) if value else None
    except ValueError:
        raise ProblemsFound([Problem(path, "hour", "must be an hour such as 22:00, in quotation marks.")]) from None


SECTIONS = (Channels(), Rules(), Watches())
