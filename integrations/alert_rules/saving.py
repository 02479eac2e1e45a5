"""Changing channels, rules, watches and preferences: checked, recorded in the audit, one verb for pages, API and files.

Wrong values raise Django's `ValidationError` by field; what must not be called raises `Refusal` `address_refused`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from integrations import audit, hooks
from integrations.access import Refusal
from integrations.alert_rules import catalogue, telling
from integrations.models import (
    Alert,
    AlertChannel,
    AlertDelivery,
    AlertNotice,
    AlertPreference,
    AlertRule,
    RunWatch,
    SalesforceOrg,
)
from integrations.sync import jobs

Kind = AlertChannel.Kind
MOST_MAILS, MOST_HOURS, MOST_MINUTES = 50, 24 * 14, 60 * 24 * 7
CHANNEL_PARTS = ("name", "kind", "mails", "sends_warnings", "by_default", "is_active")
RULE_PARTS = (
    "name", "is_active", "kinds", "codes", "severities", "domains", "environments", "mails_usual", "rhythm", "daily_at",
    "quiet_from", "quiet_to", "zone", "repeat_hours", "escalate_minutes", "escalate_to",
)  # fmt: skip
RULE_LISTS = ("orgs", "channels", "people")
WATCH_PARTS = ("name", "what", "job", "domain", "org", "number", "severity", "is_active")


# --- channels -------------------------------------------------------------------------------------------------------------


def save_channel(
    channel: AlertChannel | None, values: Mapping[str, Any], *, url: str = "", needs_address: bool = True, user: Any,
    address: str | None = None,
) -> tuple[AlertChannel, str]:  # fmt: skip
    """Create or change a channel; gives it and, for a new webhook, its signing secret, which is shown this once.

    A channel from a file comes without its address (`needs_address` False): nothing is sent until somebody enters one.
    """
    row = channel or AlertChannel()
    before = _of_channel(row) if channel else {}
    for name in CHANNEL_PARTS:
        if name in values:
            setattr(row, name, values[name])
    row.name, row.mails = str(row.name).strip(), list(dict.fromkeys(str(each).strip() for each in row.mails))
    if channel and before["kind"] != row.kind and Kind.EMAIL in (before["kind"], row.kind):
        raise ValidationError({"kind": "An e-mail group stays one: make a new channel."})
    if row.kind == Kind.EMAIL:
        url = ""
    _check_channel(row, url, needs_address=needs_address)
    secret = ""
    with transaction.atomic():
        row.save()
        if url:
            hooks.set_address(row, url)
        if row.kind == Kind.WEBHOOK and not row.secret:
            secret = hooks.new_secret(row)
        action = "alert_channel.changed" if channel else "alert_channel.created"
        audit.record(action, actor=user, target=row.name, before=before, after=_of_channel(row), address=address)
    return row, secret


def _check_channel(row: AlertChannel, url: str, *, needs_address: bool) -> None:
    wrong: dict[str, str] = {}
    _check_name(row, AlertChannel, wrong)
    if row.kind not in Kind.values:
        wrong["kind"] = f"Choose one of {', '.join(Kind.values)}."
    if row.kind == Kind.EMAIL:
        if not row.mails or len(row.mails) > MOST_MAILS:
            wrong["mails"] = f"Enter 1 to {MOST_MAILS} e-mail addresses."
        for each in row.mails:
            try:
                validate_email(each)
            except ValidationError:
                wrong["mails"] = f"“{each[:80]}” is no e-mail address."
    elif url:
        try:
            hooks.check_address(url)
        except Refusal as refusal:
            wrong["url"] = refusal.message
    elif not row.address and needs_address:
        wrong["url"] = "Enter the address that alerts are sent to."
    if wrong:
        raise ValidationError({**wrong})


def _of_channel(row: AlertChannel) -> dict[str, Any]:
    return {
        "name": row.name, "kind": row.kind, "host": row.host, "mails": row.mails, "warnings": row.sends_warnings,
        "by_default": row.by_default, "active": row.is_active,
    }  # fmt: skip


def pause_channel(channel: AlertChannel, *, is_active: bool, user: Any, address: str | None = None) -> None:
    """Stop or go on sending to it; what waits stays. Refusal `no_address` for one that has none yet."""
    if is_active and not channel.has_address:
        raise Refusal("no_address", "Enter the address of this channel first.")
    AlertChannel.objects.filter(pk=channel.pk).update(is_active=is_active)
    action = "alert_channel.resumed" if is_active else "alert_channel.paused"
    audit.record(action, actor=user, target=channel.name, after={"active": is_active}, address=address)


def rotate_secret(channel: AlertChannel, *, user: Any, address: str | None = None) -> str:
    """A new signing secret of a webhook, returned this once; the old one is void. Refusal `not_signed` for other kinds."""
    if channel.kind != Kind.WEBHOOK:
        raise Refusal("not_signed", "Only webhooks are signed.")
    secret = hooks.new_secret(channel)
    audit.record("alert_channel.secret_changed", actor=user, target=channel.name, after={"host": channel.host}, address=address)
    return secret


def try_channel(channel: AlertChannel, *, user: Any, now: datetime, address: str | None = None) -> AlertDelivery:
    """One test alert at once; the delivery says what the receiver answered."""
    made = hooks.send_test(channel, by=user.get_username(), now=now)
    after = {"status": made.status, "state": made.state}
    audit.record("alert_channel.tested", actor=user, target=channel.name, after=after, address=address)
    return made


def delete_channel(channel: AlertChannel, *, user: Any, address: str | None = None) -> None:
    """Take a channel away with its deliveries; rules that lead only to it stop counting."""
    with transaction.atomic():  # what it was still to be told goes to admins instead
        audit.record("alert_channel.deleted", actor=user, target=channel.name, before=_of_channel(channel), address=address)
        waiting = AlertNotice.objects.filter(channel=channel, told_at=None)
        waiting.update(channel=None, place="usual", due_at=channel.created_at)
        channel.delete()


# --- rules ----------------------------------------------------------------------------------------------------------------


def save_rule(rule: AlertRule | None, values: Mapping[str, Any], *, user: Any, address: str | None = None) -> AlertRule:
    """Create or change a rule. `values` has parts by name; orgs, channels, people are lists of rows. What is missing stays."""
    row = rule or AlertRule()
    before = _of_rule(row) if rule else {}
    for name in RULE_PARTS:
        if name in values:
            setattr(row, name, values[name])
    row.name = str(row.name).strip()
    lists = {name: list(values[name]) if name in values else _list_of(rule, name) for name in RULE_LISTS}
    _check_rule(row, lists)
    with transaction.atomic():
        row.save()
        for name, each in lists.items():
            getattr(row, name).set(each)
        action = "alert_rule.changed" if rule else "alert_rule.created"
        audit.record(action, actor=user, target=row.name, before=before, after=_of_rule(row), address=address)
    return row


def _list_of(rule: AlertRule | None, name: str) -> list[Any]:
    return list(getattr(rule, name).all()) if rule else []


def _check_rule(row: AlertRule, lists: Mapping[str, list[Any]]) -> None:
    wrong: dict[str, str] = {}
    _check_name(row, AlertRule, wrong)
    known = {
        "kinds": {each.name for each in catalogue.every()}, "severities": set(Alert.Severity.values),
        "domains": set(catalogue.DOMAINS), "environments": set(SalesforceOrg.Environment.values),
    }  # fmt: skip
    for name, allowed in known.items():
        strange = [str(each)[:60] for each in getattr(row, name) if each not in allowed]
        if strange:
            wrong[name] = f"{', '.join(strange)} is not known; known: {', '.join(sorted(allowed))}."
    if not all(isinstance(each, str) and 0 < len(each) <= 80 for each in row.codes):
        wrong["codes"] = "A code is a text of at most 80 characters."
    if not (lists["channels"] or lists["people"] or row.mails_usual):
        wrong["channels"] = "Choose a channel, a person, or mail to admins: a rule that leads nowhere would hide alerts."
    if row.rhythm not in AlertRule.Rhythm.values:
        wrong["rhythm"] = f"Choose one of {', '.join(AlertRule.Rhythm.values)}."
    _check_times(row, wrong)
    if wrong:
        raise ValidationError({**wrong})


def _check_times(row: AlertRule, wrong: dict[str, str]) -> None:
    try:
        ZoneInfo(row.zone)
    except (KeyError, ValueError, OSError):
        wrong["zone"] = "Enter a time zone such as Europe/Berlin or UTC."
    if (row.quiet_from is None) != (row.quiet_to is None):
        wrong["quiet_to"] = "Quiet hours need a beginning and an end."
    elif row.quiet_from is not None and row.quiet_from == row.quiet_to:
        wrong["quiet_to"] = "Quiet hours cannot end when they begin; leave both empty, or pause the rule."
    for name, most in (("repeat_hours", MOST_HOURS), ("escalate_minutes", MOST_MINUTES)):
        value = getattr(row, name)
        if value is not None and not 1 <= value <= most:
            wrong[name] = f"Enter a number from 1 to {most:,}, or nothing."
    if (row.escalate_minutes is None) != (row.escalate_to is None):
        wrong["escalate_to"] = "An escalation needs minutes and a channel."


def _of_rule(row: AlertRule) -> dict[str, Any]:
    found = {name: getattr(row, name) for name in RULE_PARTS if name != "escalate_to"}
    found["escalate_to"] = row.escalate_to.name if row.escalate_to else ""
    return found | {name: sorted(str(each) for each in getattr(row, name).all()) for name in RULE_LISTS}


def pause_rule(rule: AlertRule, *, is_active: bool, user: Any, address: str | None = None) -> None:
    """Let a rule rest, or count again; alerts of a resting rule go where they go without it."""
    AlertRule.objects.filter(pk=rule.pk).update(is_active=is_active)
    action = "alert_rule.resumed" if is_active else "alert_rule.paused"
    audit.record(action, actor=user, target=rule.name, after={"active": is_active}, address=address)


def delete_rule(rule: AlertRule, *, user: Any, address: str | None = None) -> None:
    """Take a rule away; what it holds back for a digest or quiet hours is told within a minute."""
    with transaction.atomic():
        audit.record("alert_rule.deleted", actor=user, target=rule.name, before=_of_rule(rule), address=address)
        AlertNotice.objects.filter(rule=rule, told_at=None, place=f"rule:{rule.pk}").update(place="usual")
        AlertNotice.objects.filter(rule=rule, told_at=None).update(due_at=rule.created_at)
        rule.delete()


def try_rule(rule: AlertRule, *, user: Any, now: datetime, address: str | None = None) -> list[tuple[str, bool, str]]:
    """A test message to each place of a rule at once, whatever the hour: place, whether it was taken, the answer in words."""
    found: list[tuple[str, bool, str]] = []
    places = {each.pk: each for each in [*rule.channels.all(), *([rule.escalate_to] if rule.escalate_to else [])]}
    for channel in places.values():
        made = hooks.send_test(channel, by=user.get_username(), now=now)
        found.append((channel.name, made.state == AlertDelivery.State.SENT, made.error or f"Taken ({made.status})."))
    people = [each.email for each in rule.people.filter(is_active=True) if each.email]
    if people:
        subject = f"[Causeway] Test of the alert rule {rule.name}"
        went = telling.mail(subject, "Nothing is wrong. Alerts of this rule come to you.", people)
        found.append((", ".join(people), went, "Handed to the mail server." if went else "The mail server did not take it."))
    after = {place: answer for place, _, answer in found}
    audit.record("alert_rule.tested", actor=user, target=rule.name, after=after, address=address)
    return found


# --- watches and preferences ----------------------------------------------------------------------------------------------


def save_watch(watch: RunWatch | None, values: Mapping[str, Any], *, user: Any, address: str | None = None) -> RunWatch:
    """Create or change a watch over runs."""
    row = watch or RunWatch()
    before = _of_watch(row) if watch else {}
    for name in WATCH_PARTS:
        if name in values:
            setattr(row, name, values[name])
    row.name = str(row.name).strip()
    _check_watch(row)
    with transaction.atomic():
        row.save()
        action = "run_watch.changed" if watch else "run_watch.created"
        audit.record(action, actor=user, target=row.name, before=before, after=_of_watch(row), address=address)
    return row


def _check_watch(row: RunWatch) -> None:
    wrong: dict[str, str] = {}
    _check_name(row, RunWatch, wrong)
    every = jobs.every()
    if row.job and row.job not in {each.name for each in every}:
        wrong["job"] = f"There is no job {row.job[:60]}."
    if row.domain and row.domain not in {each.domain for each in every}:
        wrong["domain"] = f"No job belongs to {row.domain[:20]}."
    if row.what not in RunWatch.What.values:
        wrong["what"] = f"Choose one of {', '.join(RunWatch.What.values)}."
    if row.severity not in Alert.Severity.values:
        wrong["severity"] = f"Choose one of {', '.join(Alert.Severity.values)}."
    if not 1 <= row.number <= MOST_HOURS:
        wrong["number"] = f"Enter a number from 1 to {MOST_HOURS}."
    if wrong:
        raise ValidationError({**wrong})


def _of_watch(row: RunWatch) -> dict[str, Any]:
    return {name: getattr(row, name) for name in WATCH_PARTS if name != "org"} | {"org": row.org.name if row.org else ""}


def delete_watch(watch: RunWatch, *, user: Any, address: str | None = None) -> None:
    """Take a watch away; its open alerts end with the next look."""
    with transaction.atomic():
        audit.record("run_watch.deleted", actor=user, target=watch.name, before=_of_watch(watch), address=address)
        watch.delete()


def save_preferences(user: Any, *, silent: Iterable[str], address: str | None = None) -> None:
    """Domains about which a person gets no mail although an alert names them; all others send it."""
    chosen = {each for each in silent if each in catalogue.DOMAINS}
    before = silent_domains(user)
    for domain in catalogue.DOMAINS:
        AlertPreference.objects.update_or_create(user=user, domain=domain, defaults={"mail": domain not in chosen})
    if before != chosen:
        after = {"silent": sorted(chosen)}
        audit.record(
            "alert_preferences.changed", actor=user, target=user.get_username(), before={"silent": sorted(before)}, after=after,
            address=address,
        )  # fmt: skip


def silent_domains(user: Any) -> set[str]:
    """Domains about which a person wants no mail."""
    return set(AlertPreference.objects.filter(user=user, mail=False).values_list("domain", flat=True))


def _check_name(row: Any, model: Any, wrong: dict[str, str]) -> None:
    if not row.name or len(row.name) > 80:
        wrong["name"] = "Enter a name of at most 80 characters."
    elif model.objects.filter(name=row.name).exclude(pk=row.pk).exists():
        wrong["name"] = f"Another one is called {row.name} already."
