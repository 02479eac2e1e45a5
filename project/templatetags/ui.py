"""The building blocks of every page: `{% load ui %}`."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from django import forms, template
from django.http import HttpRequest
from django.template.context import RequestContext
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations import queries, undo
from integrations.access import ROLES
from integrations.chosen_org import address_after_choice, chosen_org, orgs_to_choose
from integrations.salesforce import links
from integrations.salesforce.ids import is_id
from okr import queries as okr_queries
from okr.progress import progress_of
from project import display
from project.status import status_of

register = template.Library()


@dataclass(frozen=True)
class Place:
    """An entry of the sidebar, for people with at least `role`."""

    path: str
    label: str
    icon: str
    role: str = "member"


NAVIGATION: tuple[tuple[str, tuple[Place, ...]], ...] = (
    (
        "",
        (
            Place("/", "Overview", "house"),
            Place("/connections/", "Connections", "plug-zap"),
            Place("/mappings/", "Mappings", "arrow-left-right", "analyst"),
            Place("/outbox/", "Outbox", "inbox", "analyst"),
            Place("/runs/", "Runs", "list-checks", "analyst"),
            Place("/mirror/", "Mirror", "database", "analyst"),
        ),
    ),
    (
        "Customers",
        (
            Place("/customers/", "Customers", "building-2"),
            Place("/customers/end-users/", "End users", "users"),
        ),
    ),
    (
        "Product",
        (
            Place("/product/", "Sync overview", "arrow-left-right"),
            Place("/product/accounts/", "Accounts", "funnel"),
            Place("/product/audience/", "Audience", "user"),
            Place("/product/segments/", "Segments", "layers"),
            Place("/product/engagements/", "Engagements", "message-square", "analyst"),
            Place("/product/features/", "Features", "tag", "analyst"),
            Place("/product/kpis/", "KPIs", "calculator"),
            Place("/product/knowledge/", "Knowledge", "book-open", "analyst"),
            Place("/product/health/", "Health scores", "trending-up"),
            Place("/product/task-rules/", "Task rules", "list-checks"),
            Place("/product/use-cases/", "Use cases", "wand-sparkles"),
            Place("/product/data/", "Data health", "gauge", "analyst"),
        ),
    ),
    (
        "Billing",
        (
            Place("/billing/", "Billing", "receipt"),
            Place("/billing/customers/", "Billing customers", "wallet"),
            Place("/billing/invoices/", "Invoices", "file-text"),
            Place("/billing/credits/", "Credit", "coins"),
            Place("/billing/plans/", "Plans and prices", "tag"),
            Place("/billing/metrics/", "Metrics", "gauge"),
        ),
    ),
    (
        "Key results",
        (
            Place("/okr/", "Objectives", "target"),
            Place("/okr/licenses/", "Licenses", "id-card"),
            Place("/okr/settings/", "Departments and periods", "settings-2", "operator"),
        ),
    ),
)


@register.inclusion_tag("components/navigation.html", takes_context=True)
def navigation(context: RequestContext) -> dict[str, Any]:
    """The sidebar's groups; the entry with the longest matching path is the current one."""
    path = context["request"].path
    level = ROLES.index(context.get("role", "anonymous"))
    places = [place for _, group in NAVIGATION for place in group]
    matching = [place.path for place in places if path == place.path or (place.path != "/" and path.startswith(place.path))]
    current = max(matching, key=len, default="")
    groups = [(title, [place for place in group if ROLES.index(place.role) <= level]) for title, group in NAVIGATION]
    return {"groups": [(title, group) for title, group in groups if group], "current": current}


@register.inclusion_tag("components/connection_switch.html", takes_context=True)
def connection_switch(context: RequestContext) -> dict[str, Any]:
    """The top bar's connection: just its tag while there is one, a switch when there are several."""
    request = context["request"]
    user = context.get("user")
    if user is None or not user.is_authenticated:
        return {"orgs": [], "demo_mode": context.get("demo_mode")}
    orgs, chosen = orgs_to_choose(request), chosen_org(request)
    here = address_after_choice(request)
    return {
        "orgs": orgs,
        "chosen": chosen,
        "here": here,
        "csrf_token": context.get("csrf_token"),
        "demo_mode": context.get("demo_mode"),
    }


@register.inclusion_tag("components/scope_note.html", takes_context=True)
def scope_note(context: RequestContext) -> dict[str, Any]:
    """Says above a list that it shows one connection only, with the way back to all."""
    request = context["request"]
    here = address_after_choice(request)
    return {"chosen": chosen_org(request), "here": here, "csrf_token": context.get("csrf_token")}


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """A Lucide icon from the sprite; decorative (hidden from screen readers)."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        extra,
        static("vendor/lucide/sprite.svg"),
        name,
    )


@register.inclusion_tag("components/badge.html")
def badge(state: object, label: str = "", tone: str = "", icon: str = "") -> dict[str, str]:
    """A status word with color and icon; `label`, `tone`, `icon` override the table in `project.status`."""
    status = status_of(state)
    return {"label": label or status.label, "tone": tone or status.tone, "icon": icon or status.icon}


def zone_of(request: HttpRequest | None) -> tzinfo:
    """The browser's zone from its cookie, UTC when there is none or it is not a zone."""
    name = request.COOKIES.get("tz", "") if request is not None else ""
    try:
        return ZoneInfo(name) if name and len(name) < 50 else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


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
    """The absolute time in the person's zone, with its name."""
    if value is None:
        return empty
    full = display.absolute(value, zone_of(context.get("request")))
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', value.isoformat(), display.relative(value, timezone.now()), full
    )


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


@register.filter
def measured(value: Decimal | None, key_result: Any) -> str:
    """A value in the unit of `key_result`."""
    return display.measure(value, key_result.unit, key_result.unit_label)


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


@register.inclusion_tag("components/copyable.html")
def copyable(text: str, url: str = "", label: str = "") -> dict[str, str]:
    """An id with a copy button, linked when `url` is a web address."""
    return {"text": text, "url": safe_url(url), "label": label or text}


@register.filter
def safe_url(url: object) -> str:
    """`url` when it is a web address, else nothing: javascript: and data: are never linked (S-036)."""
    return links.safe_link(url)


@register.simple_tag(takes_context=True)
def theme(context: RequestContext) -> SafeString:
    """`data-theme` for people who chose one; without it the page follows the system."""
    request = context.get("request")
    chosen = request.COOKIES.get("theme") if request is not None else None
    return format_html('data-theme="{}"', chosen) if chosen in {"light", "dark"} else SafeString("")


@register.simple_tag
def form_token() -> SafeString:
    """A hidden field that makes a form count once, however often it is sent (R-283)."""
    return format_html('<input type="hidden" name="form_token" value="{}">', secrets.token_urlsafe(16))


@register.inclusion_tag("components/field.html")
def field(bound: forms.BoundField, optional: bool = False) -> dict[str, Any]:
    """Label, control, help and errors of a form field, tied together for screen readers."""
    described = []
    if bound.help_text:
        described.append(f"{bound.id_for_label}_help")
    if bound.errors:
        described.append(f"{bound.id_for_label}_error")
    attributes: dict[str, Any] = {}
    if described:
        attributes["aria-describedby"] = " ".join(described)
    if bound.errors:
        attributes["aria-invalid"] = "true"
    checkbox = isinstance(bound.field.widget, forms.CheckboxInput)
    shows_optional = optional or not (bound.field.required or checkbox)
    control = bound.as_widget(attrs=attributes)  # pyright: ignore[reportArgumentType]
    return {"field": bound, "control": control, "checkbox": checkbox, "optional": shows_optional}


@register.inclusion_tag("components/active_filters.html", takes_context=True)
def active_filters(context: RequestContext, form: forms.Form) -> dict[str, Any]:
    """A chip for each filter in use; pressing it takes that one away. `form` is bound to `request.GET`."""
    query = context["request"].GET
    chips = []
    for bound in form:
        value = query.get(bound.html_name, "")
        if not value or not getattr(bound.field, "narrows", True):  # an order takes nothing away
            continue
        rest = query.copy()
        rest.pop(bound.html_name, None)
        rest.pop("page", None)
        choices = {str(key): str(text) for key, text in getattr(bound.field, "choices", [])}
        chips.append({"label": bound.label, "value": choices.get(value, value), "url": f"?{rest.urlencode()}"})
    return {"chips": chips}


@register.inclusion_tag("components/sort_header.html", takes_context=True)
def sort_header(context: RequestContext, name: str, label: str, num: bool = False, falling: bool = False) -> dict[str, Any]:
    """A table head that sorts: the address keeps the order (`?sort=-name`). `falling`: the first press puts the most on top.

    The page's context has `sort`, the order in use as the view understood it; pressing it again turns it round.
    """
    sort = str(context.get("sort") or "")
    active = sort.removeprefix("-") == name
    following = (name if sort.startswith("-") else f"-{name}") if active else (f"-{name}" if falling else name)
    query = context["request"].GET.copy()
    query.pop("page", None)
    query["sort"] = following
    direction = ("descending" if sort.startswith("-") else "ascending") if active else ""
    return {"label": label, "num": num, "direction": direction, "url": f"?{query.urlencode()}"}


@register.simple_tag
def request_id() -> str:
    """The number of this request in the log, for error pages (S-092)."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


@register.filter
def salesforce_said(row: Any) -> str:
    """Salesforce's own words about a row, for the expert: "EXCEEDED_ID_LIMIT · HTTP 400 · report run"; nothing when unknown."""
    said = queries.said_of(row)
    status = f"HTTP {said['http_status']}" if said["http_status"] else ""
    return " · ".join(filter(None, (said["salesforce_code"], status, said["request"].replace("_", " "))))


@register.filter
def undo_token(tags: object) -> str:
    """What a toast posts to take back what it tells of; nothing for most messages."""
    return undo.token_of(str(tags or ""))


@register.filter
def took(run: Any) -> float | None:
    """Seconds a run took, or has taken so far; None before it starts."""
    if run.started_at is None:
        return None
    return max(0.0, ((run.finished_at or timezone.now()) - run.started_at).total_seconds())


@register.filter
def time_left(run: Any, percent_done: int | None) -> str:
    """ "about 3 min left", from the pace so far; nothing before 5 %."""
    elapsed = took(run)
    if not elapsed or not percent_done or percent_done < 5 or percent_done >= 100:
        return ""
    return f"about {display.duration(elapsed * (100 - percent_done) / percent_done)} left"


@register.filter
def longest(runs: Any) -> float:
    """The longest duration among the runs of a page, for the duration bars."""
    return max((took(run) or 0.0 for run in runs), default=0.0)


def _salesforce_url(org: Any, record_id: str, make: Callable[[str, str], str]) -> str:
    if not org or not org.instance_url or not is_id(record_id):
        return ""
    try:
        return safe_url(make(org.instance_url, record_id))
    except ValueError:
        return ""


@register.filter
def record_url(org: Any, record_id: str) -> str:
    """The record's page in Salesforce; nothing without an id or a usable address (S-036)."""
    return _salesforce_url(org, record_id, links.record_url)


@register.filter
def report_url(org: Any, report_id: str) -> str:
    """The report's page in Salesforce."""
    return _salesforce_url(org, report_id, links.report_url)


@register.filter
def get(mapping: Any, key: str) -> Any:
    """`mapping[key]`, or nothing."""
    return mapping.get(key, "")


@register.filter
def progress(key_result: Any) -> Decimal | None:
    """Share of the way from start to target; may pass 1 (BW-D11)."""
    return progress_of(start=key_result.start, target=key_result.target, current=key_result.current)


@register.filter
def link_of(key_result: Any) -> Any:
    """The key result's report link, or None; without a query when it was selected along."""
    return getattr(key_result, "link", None)


@register.filter
def key_result_state(key_result: Any) -> str:
    """The one word that matters most: a broken source, else reached, else what its people say."""
    return okr_queries.state_of(key_result)


@register.filter
def tone_of(state: str) -> str:
    """The tone of a state, for meters."""
    return status_of(state).tone


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


@register.filter
def path_label(path: Any) -> str:
    """A link's row in words: "EMEA > New Business", or "Grand total"."""
    return " › ".join(str(step.get("label", step.get("value", ""))) for step in path or []) or "Grand total"


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
def in_unit(value: Decimal | None, choice: Any) -> str:
    """A live value in the unit of a report's summary field."""
    return display.measure(value, choice.unit, choice.unit_label)
