"""Terms and instants in words, for the timeline and the pages (pure)."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from provisioning.subscriptions.spec import OverrideLine, TermsSpec

if TYPE_CHECKING:
    from provisioning.subscriptions.resolving import Resolved


def moment_words(at: datetime | None, zone: str = "") -> str:
    """ "Mar 1, 2026" at midnight of the time zone (default UTC), else with the time; "open" for no end."""
    if at is None:
        return "open"
    local = at.astimezone(zone_of(zone))
    day = f"{local:%b} {local.day}, {local.year}"
    return day if (local.hour, local.minute, local.second) == (0, 0, 0) else f"{day} {local:%H:%M %Z}"


def zone_of(name: str) -> ZoneInfo:
    """The zone of that name, UTC when there is none."""
    try:
        return ZoneInfo(name or "UTC")
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def number_words(number: Decimal) -> str:
    """10000 -> 10,000; 0.50 -> 0.5."""
    text = f"{number:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def terms_words(terms: "Resolved") -> str:
    """ "Team v2, 10 seats, 2 x Extra calls, 3 own limits"."""
    parts = [f"{terms.plan.offer} v{terms.plan.number}"]
    if terms.seats is not None:
        parts.append(f"{number_words(terms.seats)} {'seat' if terms.seats == 1 else 'seats'}")
    parts += [f"{number_words(quantity)} × {version.offer}" for version, quantity in terms.add_ons]
    if terms.overrides:
        count = len(terms.overrides)
        parts.append(f"{count} own {'limit' if count == 1 else 'limits'}")
    return ", ".join(parts)


def changed_words(before: TermsSpec | None, after: TermsSpec, names: Mapping[str, str]) -> str:
    """What differs between two terms, in one line; `names` of plans, add-ons and features by key."""
    if before is None:
        return f"plan {names.get(after.plan, after.plan)}"
    parts = []
    if before.plan != after.plan:
        parts.append(f"plan {names.get(before.plan, before.plan)} → {names.get(after.plan, after.plan)}")
    if before.seats != after.seats:
        parts.append(f"seats {_number(before.seats)} → {_number(after.seats)}")
    old_add_ons, new_add_ons = dict(before.add_ons), dict(after.add_ons)
    for key in sorted({*old_add_ons, *new_add_ons}):
        old, new = old_add_ons.get(key), new_add_ons.get(key)
        if old != new:
            parts.append(f"{names.get(key, key)} {_number(old)} → {_number(new)}")
    old_limits = {line.feature: line for line in before.overrides}
    new_limits = {line.feature: line for line in after.overrides}
    differing = (key for key in sorted({*old_limits, *new_limits}) if old_limits.get(key) != new_limits.get(key))
    limits = ((names.get(key, key), limit_words(old_limits.get(key)), limit_words(new_limits.get(key))) for key in differing)
    parts += [f"{name} {old} → {new}" for name, old, new in limits]
    return "; ".join(parts) or "nothing changes"


def limit_words(line: OverrideLine | None) -> str:
    """A limit of its own in words."""
    if line is None:
        return "as the plan says"
    if line.revoked:
        return "taken away"
    words = "unlimited" if line.unlimited else "granted" if line.limit is None else number_words(line.limit)
    return words + (" (soft)" if line.soft else "")


def _number(number: Decimal | None) -> str:
    return "none" if number is None else number_words(number)
