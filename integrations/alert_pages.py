"""What the alert pages show."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, OuterRef, Prefetch, Q, QuerySet, Subquery

from integrations.access import has_role
from integrations.alert_rules import catalogue, telling
from integrations.models import Alert, AlertChannel, AlertDelivery, AlertNotice, AlertRule

HISTORY_FILTERS = ("kind", "domain", "severity", "state", "q")


def seen_by(user: Any) -> QuerySet[Alert]:
    """Alerts that a person may see: operators all of them, others what names them or nobody."""
    alerts = Alert.objects.select_related("org", "acknowledged_by")
    if has_role(user, "operator"):
        return alerts
    return alerts.filter(Q(people=user) | Q(people=None)).distinct()


def may_acknowledge(user: Any, alert: Alert) -> bool:
    """Operators any alert, others what names them."""
    return has_role(user, "operator") or alert.people.filter(pk=user.pk).exists()


def open_of(user: Any) -> list[Alert]:
    """Open alerts, not acknowledged and severe ones first, those spoken for by another left out."""
    found = seen_by(user).filter(recovered_at=None, part_of=None)
    mine = set(Alert.objects.filter(recovered_at=None, people=user).values_list("pk", flat=True))
    operator = has_role(user, "operator")
    rows = sorted(found, key=lambda each: (each.acknowledged_at is not None, each.severity, -each.since.timestamp()))
    for each in rows:
        each.may_acknowledge = operator or each.pk in mine  # type: ignore[attr-defined]
    return dress(rows)


def dress(alerts: list[Alert]) -> list[Alert]:
    """Give each its kind in words."""
    for each in alerts:
        kind = each.kind or catalogue.kind_of(each.key)
        each.kind_label, each.domain = catalogue.label_of(kind), catalogue.domain_of(kind)  # type: ignore[attr-defined]
    return alerts


def find(user: Any, chosen: dict[str, str]) -> QuerySet[Alert]:
    """History: all alerts that match, newest first; every filter is a text and may be empty."""
    rows = seen_by(user)
    if chosen.get("kind"):
        rows = rows.filter(kind=chosen["kind"])
    if chosen.get("domain"):
        rows = rows.filter(kind__in=[each.name for each in catalogue.every() if each.domain == chosen["domain"]])
    if chosen.get("severity"):
        rows = rows.filter(severity=chosen["severity"])
    if chosen.get("state") in ("open", "recovered"):
        rows = rows.filter(recovered_at__isnull=chosen["state"] == "open")
    if chosen.get("q"):
        rows = rows.filter(title__icontains=chosen["q"].replace("\0", ""))
    return rows.order_by("-since", "-pk")


@dataclass(frozen=True)
class Told:
    """One line of what became of an alert."""

    at: datetime
    words: str
    detail: str = ""
    is_due: bool = False


def story_of(alert: Alert, *, sees_addresses: bool) -> list[Told]:
    """What happened to an alert, in order: raised, told where, acknowledged, recovered."""
    lines = [Told(alert.since, "Raised", alert.code)]
    for notice in AlertNotice.objects.filter(alert=alert).select_related("rule", "channel").order_by("pk"):
        by = f"by the rule {notice.rule.name}" if notice.rule else "without a rule"
        what = AlertNotice.Event(notice.event).label
        place = place_of(notice, sees_addresses=sees_addresses)
        if notice.told_at is None:
            lines.append(Told(notice.due_at, f"{what}: goes to {place}", by, is_due=True))
        else:
            lines.append(Told(notice.told_at, f"{what}: told to {place}", by))
    if alert.acknowledged_at:
        who = alert.acknowledged_by.get_username() if alert.acknowledged_by else "somebody"
        lines.append(Told(alert.acknowledged_at, f"Acknowledged by {who}", alert.acknowledged_note))
    if alert.recovered_at:
        lines.append(Told(alert.recovered_at, "Recovered"))
    return sorted(lines, key=lambda each: each.at)


def place_of(notice: AlertNotice, *, sees_addresses: bool) -> str:
    """A place in words; addresses only for those who may see them."""
    if notice.channel is not None:
        return notice.channel.name
    words = {"usual": "admins by mail", "named": "those whom it names"}.get(notice.place, "people of the rule")
    if not notice.mails:
        return words
    return ", ".join(notice.mails) if sees_addresses else f"{len(notice.mails)} people by mail"


def channels() -> list[AlertChannel]:
    """Every channel with its last message, what waits, and how many rules use it."""
    last = AlertDelivery.objects.filter(channel=OuterRef("pk")).order_by("-pk")
    return list(
        AlertChannel.objects.annotate(
            last_state=Subquery(last.values("state")[:1]), last_at=Subquery(last.values("created_at")[:1]),
            last_error=Subquery(last.values("error")[:1]), in_rules=Count("rules", distinct=True),
            waiting=Count("deliveries", filter=Q(deliveries__state="waiting"), distinct=True),
        )
    )  # fmt: skip


def rules() -> list[AlertRule]:
    """Every rule with what it says in words."""
    found = AlertRule.objects.select_related("escalate_to").prefetch_related("orgs", "people", Prefetch("channels"))
    rows = list(found)
    for each in rows:
        each.says, each.tells = which_of(each), where_of(each)  # type: ignore[attr-defined]
        each.leads = telling.read_rule(each).leads_somewhere  # type: ignore[attr-defined]
    return rows


def which_of(rule: AlertRule) -> str:
    """Which alerts a rule is about, in words."""
    parts = [
        " or ".join(catalogue.label_of(each) for each in rule.kinds), " or ".join(f"code {each}" for each in rule.codes),
        " or ".join(str(Alert.Severity(each).label) for each in rule.severities if each in Alert.Severity.values),
        " or ".join(catalogue.DOMAINS.get(str(each), str(each)) for each in rule.domains),
        " or ".join(str(each) for each in rule.orgs.all()), " or ".join(each.capitalize() for each in rule.environments),
    ]  # fmt: skip
    return "; ".join(part for part in parts if part) or "Every alert"


def where_of(rule: AlertRule) -> str:
    """Whom a rule tells and when, in words."""
    places = [f"{each.name}{'' if each.is_active else ' (paused)'}" for each in rule.channels.all()]
    places += [each.get_username() for each in rule.people.all()]
    places += ["mail to admins"] if rule.mails_usual else []
    text = f"{', '.join(places) or 'Nobody'}, {str(AlertRule.Rhythm(rule.rhythm).label).lower()}"
    if rule.rhythm == AlertRule.Rhythm.DAILY:
        text += f" at {rule.daily_at:%H:%M} {rule.zone}"
    if rule.quiet_from and rule.quiet_to:
        text += f"; quiet {rule.quiet_from:%H:%M}–{rule.quiet_to:%H:%M} {rule.zone}"
    if rule.repeat_hours:
        text += f"; again after {rule.repeat_hours} h"
    if rule.escalate_minutes and rule.escalate_to:
        text += f"; after {rule.escalate_minutes} min to {rule.escalate_to.name}"
    return text


def recent_matches(rule: AlertRule, *, since: datetime) -> list[Alert]:
    """Alerts raised since then that a rule would be about; shown beside it."""
    made = telling.read_rule(rule)
    rows = Alert.objects.filter(since__gte=since).select_related("org").prefetch_related("people").order_by("-since")[:500]
    return dress([each for each in rows if telling.matching.matches(made, telling.facts_of(each))])[:10]
