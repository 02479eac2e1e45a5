"""What each step of a deal did, in a sentence for people. Pure: from what the step recorded."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from provisioning.intent.dates import day_of, zone_of
from provisioning.intent.result import AMEND, CANCEL, CONVERT, RENEW, START, Intent, SubscriptionIntent

KINDS = (("Plan", "plan", "plans"), ("Add-on", "add-on", "add-ons"), ("Entitlement", "entitlement", "entitlements"))
PLAIN: Mapping[str, str] = {"callout": "This automation sends no request.", "write_back": "Nothing is to be written back."}


def said_of(
    name: str, *, skipped: bool, intent: Mapping[str, Any], result: Mapping[str, Any], detail: Mapping[str, Any],
    zone: str = "", written: Sequence[str] = (), names: Mapping[str, str] | None = None,
) -> str:  # fmt: skip
    """The sentence of a step that is done or was not needed.

    `zone`: the org's time zone, whose days are named. `written`: the records that got ids and addresses. `names`: what the
    catalogue calls products and plans, by key.
    """
    if skipped:
        return PLAIN.get(name, "")
    if name == "callout":
        return _called(detail)
    if name == "write_back":
        return f"{_joined(written).capitalize()} updated." if written else ""
    if not intent:
        return ""
    asked = Intent.from_dict(intent)
    tell: Mapping[str, Callable[[], str]] = {
        "compile": lambda: _compiled(asked), "customer": lambda: _customer(detail),
        "subscription": lambda: _subscribed(asked, result.get("subscription_ids") or [], zone, names or {}),
    }  # fmt: skip
    return tell[name]() if name in tell else ""


def _compiled(intent: Intent) -> str:
    used = [each for each in intent.lines if not each.ignored]
    counts = Counter(each.type for each in used)
    parts = [f"{counts[kind]} {one if counts[kind] == 1 else many}" for kind, one, many in KINDS if counts[kind]]
    left = len(intent.lines) - len(used)
    lines = f"{len(used)} line{'' if len(used) == 1 else 's'} lead{'s' if len(used) == 1 else ''} to {_joined(parts)}."
    return f"{lines} {left} left out." if left else lines


def _called(detail: Mapping[str, Any]) -> str:
    if "status" not in detail:
        return ""
    tries = detail.get("tries") or 1
    return f"Your application answered {detail['status']}{f' at try {tries}' if tries > 1 else ''}."


def _customer(detail: Mapping[str, Any]) -> str:
    if "created" not in detail:
        return ""
    return "Customer created and linked with the account." if detail["created"] else "The customer is known; nothing to create."


def _subscribed(intent: Intent, keys: Sequence[str], zone: str, names: Mapping[str, str]) -> str:
    return " ".join(_told(step, zone, names) for step, _ in zip(intent.subscriptions, keys, strict=False))


def _told(step: SubscriptionIntent, zone: str, names: Mapping[str, str]) -> str:
    what = f"of {_name(step.product, names)}: {_name(step.terms.plan, names)}"
    start, end = _day(step.starts_at, zone), _day(step.ends_at, zone) if step.ends_at else ""
    until = f" and ends {end}" if end else ""
    if step.action == START and step.trial_ends_at is not None:
        return f"Trial {what} until {_day(step.trial_ends_at, zone)}."
    told = {
        START: f"Subscription {what} starts {start}{until}.", CONVERT: f"Trial {what} becomes paid {start}{until}.",
        AMEND: f"Subscription {what} changes {start}.", RENEW: f"Subscription {what} is renewed from {start}{until}.",
        CANCEL: f"Subscription {what} ends {start}.",
    }  # fmt: skip
    return told.get(step.action, "")


def _name(key: str, names: Mapping[str, str]) -> str:
    return names.get(key) or key


def _day(at: datetime, zone: str) -> str:
    day = day_of(at, zone_of(zone))
    return f"{day:%b} {day.day}, {day.year}"


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else "nothing"
