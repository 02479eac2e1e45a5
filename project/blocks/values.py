"""How values read: times in the person's zone, numbers, money, shares, names."""

from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django import template
from django.http import HttpRequest
from django.template.context import RequestContext
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from project import display

register = template.Library()


def zone_of(request: HttpRequest | None) -> tzinfo:
    """The browser's zone from its cookie, UTC when there is none or it is not a zone."""
    return _zone_named(request.COOKIES.get("tz", "") if request is not None else "") or UTC


def _zone_named(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name) if name and len(name) < 50 else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@register.simple_tag(takes_context=True)
def when(context: RequestContext, moment: datetime | None, empty: str = "never") -> SafeString | str:
    """ "12 min ago" with the absolute time and zone in the title."""
    if moment is None:
        return empty
    shown = display.relative(moment, timezone.now())
    full = display.absolute(moment, zone_of(context.get("request")))
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), full, shown)


@register.simple_tag(takes_context=True)
def moment(context: RequestContext, value: datetime | None, empty: str = "–") -> SafeString | str:
    """The absolute time to the minute in the person's zone, with its name; to the second in the title."""
    if value is None:
        return empty
    zone = zone_of(context.get("request"))
    full = f"{display.relative(value, timezone.now())}: {display.absolute(value, zone)}"
    shown = display.clock(value, zone)
    return format_html('<time class="time-long" datetime="{}" title="{}">{}</time>', value.isoformat(), full, shown)


@register.simple_tag(takes_context=True)
def day(context: RequestContext, value: datetime | None, empty: str = "–") -> SafeString | str:
    """The day in the person's zone, "Nov 24, 2026", with the absolute time in the title; for lists."""
    if value is None:
        return empty
    zone = zone_of(context.get("request"))
    at = value.astimezone(zone)
    shown, full = f"{at:%b} {at.day}, {at.year}", display.absolute(value, zone)
    return format_html('<time datetime="{}" title="{}">{}</time>', value.isoformat(), full, shown)


@register.simple_tag(takes_context=True)
def contract_day(context: RequestContext, value: datetime | None, zone: str = "", empty: str = "–") -> SafeString | str:
    """When something that was sold begins or ends, in the time zone named `zone` (the seller's), else the person's: "Nov 24,
    2026" where a day begins at that instant, else with hour, minute and zone; the absolute time in the title."""
    if value is None:
        return empty
    at = value.astimezone(_zone_named(zone) or zone_of(context.get("request")))
    is_midnight = (at.hour, at.minute) == (0, 0)
    shown = f"{at:%b} {at.day}, {at.year}" if is_midnight else f"{at:%b} {at.day}, {at.year} {at:%H:%M %Z}"
    full = display.absolute(value, at.tzinfo or UTC)
    return format_html('<time class="time-long" datetime="{}" title="{}">{}</time>', value.isoformat(), full, shown)


@register.filter
def day_text(value: str | date | None) -> str:
    """A day, or ISO 8601 text that begins with one, as people write it: Nov 24, 2026. Other text stays as it is."""
    if not value:
        return "–"
    try:
        day = value if isinstance(value, date) else date.fromisoformat(value[:10])
    except ValueError:
        return str(value)
    return f"{day:%b} {day.day}, {day.year}"


@register.filter
def spaced(key: str) -> str:
    """A key in words: credit-grants -> credit grants, active_users -> active users."""
    return key.replace("-", " ").replace("_", " ")


@register.filter
def amount(value: Decimal | int | float | None) -> str:
    """9891 -> 9,891."""
    return display.amount(value)


@register.filter
def money(value: Decimal | None, currency: str = "") -> str:
    """An amount in major units with two decimals and its currency or credit type: 1,234.50 USD."""
    return "–" if value is None else f"{value:,.2f} {currency}".rstrip()


@register.filter
def duration(value: timedelta | float | None) -> str:
    """Seconds or a timedelta -> "2 min 5 s"."""
    return display.duration(value)


@register.filter
def percent(value: Decimal | float | None) -> str:
    """A share (0.86) -> "86%"; may pass 100 % (BW-D11)."""
    return "–" if value is None else f"{round(Decimal(str(value)) * 100)}%"


def _share(value: Any, maximum: Any) -> float:
    """`value` of `maximum` as 0..100."""
    if not maximum or value is None:
        return 0.0
    return max(0.0, min(100.0, float(value) / float(maximum) * 100))


@register.inclusion_tag("components/meter.html")
def meter(value: Any, maximum: Any = 1, label: str = "", text: str = "", tone: str = "", size: str = "") -> dict[str, Any]:
    """A bar for `value` of `maximum`; `label` says what is measured, `text` how much in words."""
    share = _share(value, maximum)
    return {
        "share": f"{share:.1f}",
        "now": f"{share:.0f}",
        "label": label,
        "text": text or f"{share:.0f}%",
        "tone": tone,
        "size": size,
    }


@register.filter
def person(user: Any) -> str:
    """A person's name; a dash for nobody."""
    if user is None:
        return "–"
    return user.get_full_name() or user.get_username()


@register.filter
def times(count: int) -> range:
    """`{% for step in depth|times %}` repeats so often."""
    return range(int(count or 0))


@register.filter
def get(mapping: Any, key: str) -> Any:
    """`mapping[key]`, or nothing."""
    return mapping.get(key, "")


RULES = {
    "sfdc_id": "Salesforce id",
    "custom_field": "Custom field",
    "website_domain": "Website domain",
    "name": "Name",
    "recent_user_domain": "Domain of recent users",
    "email": "E-mail",
    "phone": "Phone",
    "manual": "Linked by hand",
    "merge": "Merged in Salesforce",
}


@register.filter
def rule_label(rule: str) -> str:
    """A match rule in words (PX-50..PX-59)."""
    return RULES.get(rule, rule.replace("_", " ").capitalize() or "–")


PRODUCT_TYPES = {"STRING": "text", "NUMBER": "number", "BOOLEAN": "yes or no", "DATE_TIME": "date and time"}


@register.filter
def type_label(kind: str) -> str:
    """A product type in words (PX-26..PX-29)."""
    return PRODUCT_TYPES.get(kind, kind)
