"""Addresses of Salesforce pages for people to click, and web addresses out of Salesforce fields made safe (S-036)."""

import re
from urllib.parse import urlsplit

from integrations.salesforce.hosts import origin_of
from integrations.salesforce.ids import to_18


def record_url(instance_url: str, id: str) -> str:  # noqa: A002  Salesforce's own word
    """The page of a record; this short form redirects correctly in Classic, Lightning and the mobile app."""
    return f"{origin_of(instance_url)}/{to_18(id)}"


def report_url(instance_url: str, id: str) -> str:  # noqa: A002
    """The page of a report."""
    return record_url(instance_url, id)


def lightning_url(instance_url: str, object_: str, id: str) -> str:  # noqa: A002
    """The Lightning page of a record, for orgs on a My Domain; the short form elsewhere."""
    origin = origin_of(instance_url)
    if not origin.endswith(".my.salesforce.com") or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", object_, re.ASCII):
        return record_url(instance_url, id)
    return f"{origin.removesuffix('.my.salesforce.com')}.lightning.force.com/lightning/r/{object_}/{to_18(id)}/view"


def safe_link(text: object) -> str:
    """A web address from a Salesforce field, safe as a link target; empty when it must not be linked (S-036).

    Only http and https with a host pass; a bare `www.acme.com` gets `https://`. `javascript:`, `data:` and control
    characters never pass.
    """
    cleaned = text.strip() if isinstance(text, str) else ""
    if not cleaned or len(cleaned) > 2048 or re.search(r"[\x00-\x20\x7f\\\"'<>`]", cleaned):
        return ""
    if re.match(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+([/?#]|\Z)", cleaned, re.ASCII):
        cleaned = f"https://{cleaned}"
    try:
        parts = urlsplit(cleaned)
        host = parts.hostname
    except ValueError:
        return ""
    return cleaned if parts.scheme.lower() in ("http", "https") and host and "@" not in parts.netloc else ""
