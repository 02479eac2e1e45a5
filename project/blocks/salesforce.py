"""Ids and pages of Salesforce, and its own words."""

from collections.abc import Callable
from typing import Any

from django import template

from integrations import queries
from integrations.salesforce import links
from integrations.salesforce.ids import is_id

register = template.Library()


@register.inclusion_tag("components/copyable.html")
def copyable(text: str, url: str = "", label: str = "") -> dict[str, str]:
    """An id with a copy button, linked when `url` is a web address."""
    return {"text": text, "url": safe_url(url), "label": label or text}


@register.filter
def safe_url(url: object) -> str:
    """`url` when it is a web address, else nothing: javascript: and data: are never linked (S-036)."""
    return links.safe_link(url)


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
def salesforce_said(row: Any) -> str:
    """Salesforce's own words about a row, for the expert: "EXCEEDED_ID_LIMIT · HTTP 400 · report run"; nothing when unknown."""
    said = queries.said_of(row)
    status = f"HTTP {said['http_status']}" if said["http_status"] else ""
    return " · ".join(filter(None, (said["salesforce_code"], status, said["request"].replace("_", " "))))
