"""What stands around every page: connection, theme, icons, and what error pages and forms need of the request."""

import secrets
from typing import Any

import structlog
from django import template
from django.template.context import RequestContext
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations import undo
from integrations.chosen_org import address_after_choice, chosen_org, orgs_to_choose
from project.documents.help import help_for
from project.status import status_of

register = template.Library()


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


@register.simple_tag(takes_context=True)
def page_help(context: RequestContext) -> str:
    """The address of the document that helps with this page."""
    request = context.get("request")
    return help_for(request.path) if request is not None else help_for("/docs/")


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


@register.filter
def tone_of(state: str) -> str:
    """The tone of a state, for meters."""
    return status_of(state).tone


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


@register.simple_tag
def request_id() -> str:
    """The number of this request in the log, for error pages (S-092)."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


@register.filter
def undo_token(tags: object) -> str:
    """What a toast posts to take back what it tells of; nothing for most messages."""
    return undo.token_of(str(tags or ""))
