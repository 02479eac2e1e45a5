"""Telling places of alerts by the rules: who is told is noted first, so that each is told once and hears of the recovery."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import send_mail
from django.db.models import Q

from integrations import hook_bodies
from integrations.access import is_admin
from integrations.alert_rules import catalogue, matching
from integrations.alert_rules.matching import NAMED, USUAL, Facts, Quiet, Route, Rule
from integrations.models import Alert, AlertChannel, AlertDelivery, AlertNotice, AlertPreference, AlertRule

log = structlog.get_logger(__name__)
Event = AlertNotice.Event
AT_ONCE = 500  # notices in one minute's task
WORDS = {
    Event.RAISED: "",
    Event.REMINDER: "Still open: ",
    Event.ESCALATED: "Nobody has answered: ",
    Event.RECOVERED: "Solved: ",
}
EVENTS = {
    Event.RAISED: hook_bodies.RAISED, Event.RECOVERED: hook_bodies.RECOVERED,
    Event.REMINDER: hook_bodies.REMINDER, Event.ESCALATED: hook_bodies.ESCALATED,
}  # fmt: skip
SOLVED = "This works again; nothing needs to be done."


# --- who is told ----------------------------------------------------------------------------------------------------------


def read_rule(row: AlertRule) -> Rule:
    """A stored rule for the comparison, with those of its channels that can be told something."""
    channels = [each.pk for each in row.channels.all() if each.is_ready]
    zone = zone_of(row.zone)
    has_hours = row.quiet_from is not None and row.quiet_to is not None and row.quiet_from != row.quiet_to
    quiet = Quiet(row.quiet_from, row.quiet_to, zone) if has_hours else None  # type: ignore[arg-type]
    return Rule(
        row.pk, frozenset(row.kinds), frozenset(row.codes), frozenset(row.severities), frozenset(row.domains),
        frozenset(each.pk for each in row.orgs.all()), frozenset(row.environments), tuple(sorted(channels)),
        any(each.is_active and each.email for each in row.people.all()), row.mails_usual, row.rhythm, row.daily_at, zone, quiet,
    )  # fmt: skip


def zone_of(name: str) -> ZoneInfo:
    """The zone of that name; UTC for one that this machine does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def facts_of(alert: Alert, parts: Sequence[Alert] = ()) -> Facts:
    """What rules ask of an alert; one that speaks for `parts` has what they have."""
    every = [alert, *parts]
    kinds = frozenset(each.kind or catalogue.kind_of(each.key) for each in every)
    orgs = [each.org for each in every if each.org is not None]
    return Facts(
        kinds, frozenset(each.code for each in every), frozenset(catalogue.domain_of(each) for each in kinds),
        frozenset(each.pk for each in orgs), frozenset(each.environment for each in orgs), alert.severity,
        alert.people.exists(), kinds <= set(catalogue.news()),
    )  # fmt: skip


def routes_for(alert: Alert, parts: Sequence[Alert] = (), *, now: datetime) -> list[Route]:
    """Where the rules in force send an alert."""
    rows = AlertRule.objects.filter(is_active=True).prefetch_related("orgs", "channels", "people")
    default = [each for each in AlertChannel.objects.filter(by_default=True).order_by("pk") if each.is_ready]
    return matching.routes_of(
        facts_of(alert, parts), [read_rule(each) for each in rows], now=now,
        default=[each.pk for each in default], warned={each.pk for each in default if each.sends_warnings},
    )  # fmt: skip


def usual_mails(alert: Alert) -> list[str]:
    """Addresses told without rules: those set for the installation, active admins, and the people named who want mail.

    A warning that names people goes to them alone: it reaches admins by an alert of its own when it lasts (BW-D9).
    """
    if alert.severity == Alert.Severity.WARNING and alert.people.filter(is_active=True).exists():
        return named_mails(alert)
    admins = get_user_model().objects.filter(is_admin()).values_list("email", flat=True).distinct()
    return _once([*settings.ALERT_EMAILS, *admins, *named_mails(alert)])


def named_mails(alert: Alert) -> list[str]:
    """Addresses of the active people that an alert names, without those who want no mail about its domain."""
    domain = catalogue.domain_of(alert.kind or catalogue.kind_of(alert.key))
    silent = AlertPreference.objects.filter(domain=domain, mail=False).values("user")
    return _once(alert.people.filter(is_active=True).exclude(pk__in=silent).order_by("pk").values_list("email", flat=True))


def _mails_of(route: Route, alert: Alert) -> list[str]:
    if route.place == USUAL:
        return usual_mails(alert)
    if route.place == NAMED:
        return named_mails(alert)
    rule = AlertRule.objects.filter(pk=route.rule).first()
    return _once(rule.people.filter(is_active=True).order_by("pk").values_list("email", flat=True)) if rule else []


def _once(mails: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(mail for mail in mails if mail))


# --- noting and telling ---------------------------------------------------------------------------------------------------


def tell_raised(alert: Alert, parts: Sequence[Alert] = (), *, now: datetime) -> None:
    """Note every place that is to be told of an alert (anew), and tell those whose time has come."""
    alert.notices.filter(told_at=None).delete()  # type: ignore[attr-defined]
    routes = routes_for(alert, parts, now=now)
    notices = [
        AlertNotice(alert=alert, rule_id=each.rule, channel_id=each.channel, place=each.place, due_at=each.due_at)
        for each in routes
    ]
    due = [each for each in AlertNotice.objects.bulk_create(notices) if each.due_at <= now]
    for notice in due:
        _tell([notice], now=now)


def tell_recovered(alert: Alert, note: str, *, now: datetime) -> None:
    """One recovery for each place that was told; who was not told yet hears nothing."""
    alert.notices.filter(told_at=None).delete()  # type: ignore[attr-defined]
    rows = AlertNotice.objects.filter(alert=alert)
    told: dict[str, AlertNotice] = {}
    for each in rows.select_related("rule", "channel").order_by("pk"):
        if each.event == Event.RECOVERED:  # what was told after it is open again
            told.pop(each.place, None)
        else:
            told[each.place] = each
    if not told and not rows.exists():  # told before places were noted
        told = {each.place: AlertNotice(rule_id=each.rule, channel_id=each.channel, mails=_mails_of(each, alert))
                for each in routes_for(alert, now=now) if each.due_at <= now}  # fmt: skip
    for place, before in told.items():
        quiet = read_rule(before.rule).quiet if before.rule else None
        notice = AlertNotice.objects.create(
            alert=alert, event=Event.RECOVERED, rule_id=before.rule_id, channel_id=before.channel_id, place=place,
            mails=_still_ours(before.mails), note=(note or SOLVED)[:300], due_at=quiet.ends(now) if quiet else now,
        )  # fmt: skip
        if notice.due_at <= now:
            _tell([notice], now=now)


def _still_ours(mails: Sequence[str]) -> list[str]:
    """Without people who have left since."""
    gone = set(get_user_model().objects.filter(is_active=False, email__in=mails).values_list("email", flat=True))
    return [each for each in mails if each not in gone]


def send_due(*, now: datetime) -> int:
    """Tell what waited for a digest or the end of quiet hours; then reminders and escalations. Returns messages sent."""
    _note_reminders(now=now)
    _note_escalations(now=now)
    waiting = AlertNotice.objects.filter(told_at=None, due_at__lte=now).filter(
        Q(event=Event.RECOVERED) | Q(alert__recovered_at=None)
    )
    groups: defaultdict[tuple[str, str], list[AlertNotice]] = defaultdict(list)
    for notice in waiting.select_related("alert", "alert__org", "rule", "channel").order_by("due_at", "pk")[:AT_ONCE]:
        groups[notice.place, _rhythm(notice)].append(notice)
    return sum(_tell_group(notices, rhythm, now=now) for (_, rhythm), notices in groups.items())


def _rhythm(notice: AlertNotice) -> str:
    return notice.rule.rhythm if notice.rule else matching.NOW


def _tell_group(notices: list[AlertNotice], rhythm: str, *, now: datetime) -> int:
    if matching.is_one_message(rhythm, len(notices)):
        return _tell(notices, now=now)
    return sum(_tell([each], now=now) for each in notices)


def _tell(notices: Sequence[AlertNotice], *, now: datetime) -> int:
    """One message to the place that all `notices` share. Of two workers only one sends each."""
    mine = [each for each in notices if AlertNotice.objects.filter(pk=each.pk, told_at=None).update(told_at=now)]
    if not mine:
        return 0
    if mine[0].channel_id is not None:
        queue(mine, now=now)
        return 1
    receivers: defaultdict[str, list[AlertNotice]] = defaultdict(list)
    for each in mine:
        if each.event != Event.RECOVERED:
            each.mails = _mails_of(Route(each.place, now, each.rule_id), each.alert)
            AlertNotice.objects.filter(pk=each.pk).update(mails=each.mails)
        for address in each.mails:
            receivers[address].append(each)
    for address, about in receivers.items():
        subject, body = message_of(about)
        mail(subject, body, [address])
    return 1


# --- messages -------------------------------------------------------------------------------------------------------------


def message_of(notices: Sequence[AlertNotice]) -> tuple[str, str]:
    """Subject and text of a mail about one or several alerts."""
    if len(notices) == 1:
        notice, alert = notices[0], notices[0].alert
        subject = f"[Causeway] {WORDS[Event(notice.event)]}{alert.title}"
        body = (
            notice.note if notice.event == Event.RECOVERED else "\n\n".join(part for part in (alert.body, link(alert)) if part)
        )
        return subject, body
    lines = [f"{WORDS[Event(each.event)]}{each.alert.title}\n{link(each.alert)}".strip() for each in notices]
    return f"[Causeway] {len(notices)} alerts", "\n\n".join(lines)


def link(alert: Alert) -> str:
    """Absolute address of the page where it can be fixed."""
    return f"{settings.BASE_URL}{alert.url}" if alert.url.startswith("/") else alert.url


def facts_for_hook(notice: AlertNotice, *, now: datetime) -> dict[str, Any]:
    """What a channel is sent about one alert."""
    alert = notice.alert
    return {
        "title": alert.title, "body": alert.body, "url": link(alert), "severity": alert.severity, "code": alert.code,
        "key": alert.key, "kind": alert.kind, "connection": alert.org.name if alert.org else "",
        "since": alert.since.isoformat(), "at": now.isoformat(), "note": notice.note,
    }  # fmt: skip


def queue(notices: Sequence[AlertNotice], *, now: datetime) -> None:
    """A waiting delivery to their channel; the task of the next minute sends it (`hooks.deliver_due`)."""
    channel = notices[0].channel
    if channel is None:
        return
    page = f"{settings.BASE_URL}/alerts/"
    facts = [facts_for_hook(each, now=now) | {"event": EVENTS[Event(each.event)], "page": page} for each in notices]
    if len(notices) == 1:
        event = EVENTS[Event(notices[0].event)]
        body = hook_bodies.body_of(channel.kind, event, facts_for_hook(notices[0], now=now))
    else:
        event, body = hook_bodies.DIGEST, hook_bodies.digest_of(channel.kind, facts, at=now.isoformat())
    AlertDelivery.objects.create(
        channel=channel, alert=notices[0].alert if len(notices) == 1 else None, event=event, body=body, next_attempt_at=now
    )


def mail(subject: str, body: str, recipients: list[str]) -> bool:
    """One mail a recipient, so that addresses stay private; whether all went out. A broken mail server breaks nothing."""
    went = True
    for address in recipients:
        try:
            send_mail(subject.replace("\n", " "), body, settings.DEFAULT_FROM_EMAIL, [address])
        except OSError as error:  # SMTPException is one, too
            went = False
            log.warning("alert mail not sent", error=type(error).__name__)
    return went


# --- reminders and escalations --------------------------------------------------------------------------------------------


def _told(now: datetime) -> Any:
    """Told alerts that nobody took up and somebody should."""
    return AlertNotice.objects.filter(
        told_at__isnull=False, alert__recovered_at=None, alert__acknowledged_at=None, rule__is_active=True,
    ).exclude(alert__kind__in=catalogue.news()).select_related("rule", "rule__escalate_to", "alert")  # fmt: skip


def _note_reminders(*, now: datetime) -> None:
    """One for each place whose rule asks for it, so many hours after it was last told."""
    last: dict[tuple[int, str], AlertNotice] = {}
    rows = _told(now).exclude(event__in=(Event.RECOVERED, Event.ESCALATED)).filter(rule__repeat_hours__gt=0)
    for each in rows.order_by("told_at", "pk")[: AT_ONCE * 4]:
        last[each.alert_id, each.place] = each
    waiting = set(AlertNotice.objects.filter(told_at=None).values_list("alert_id", "place"))
    for key, each in last.items():
        assert each.rule is not None
        assert each.told_at is not None
        if key in waiting or now - each.told_at < timedelta(hours=each.rule.repeat_hours or 0):
            continue
        quiet = read_rule(each.rule).quiet
        AlertNotice.objects.create(
            alert_id=each.alert_id, event=Event.REMINDER, rule_id=each.rule_id, channel_id=each.channel_id, place=each.place,
            due_at=quiet.ends(now) if quiet else now,
        )  # fmt: skip


def _note_escalations(*, now: datetime) -> None:
    """Once for each alert and rule, when nobody acknowledged it for so many minutes after it was told."""
    rows = _told(now).filter(
        event=Event.RAISED, rule__escalate_minutes__gt=0, rule__escalate_to__isnull=False, told_at__gte=_oldest(now)
    )
    for each in rows.order_by("told_at")[:AT_ONCE]:
        assert each.rule is not None
        assert each.told_at is not None
        target = each.rule.escalate_to
        if target is None or not target.is_ready or now - each.told_at < timedelta(minutes=each.rule.escalate_minutes or 0):
            continue
        done = AlertNotice.objects.filter(
            alert_id=each.alert_id, rule_id=each.rule_id, event=Event.ESCALATED, due_at__gte=each.told_at
        )
        if done.exists():
            continue
        quiet = read_rule(each.rule).quiet
        AlertNotice.objects.create(
            alert_id=each.alert_id, event=Event.ESCALATED, rule_id=each.rule_id, channel=target, place=f"channel:{target.pk}",
            due_at=quiet.ends(now) if quiet else now,
        )  # fmt: skip


def _oldest(now: datetime) -> datetime:
    """Alerts older than this are not escalated any more: a new rule says nothing about what was open long before."""
    return now - timedelta(days=14)
