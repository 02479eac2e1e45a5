"""One entry for each security-relevant action, chained so that a changed or removed one shows (I-24, S-110).

Each entry's digest covers its content and the digest before it, keyed with `SECRET_KEY`, so that a writer with only the
database cannot rebuild the chain. The log repeats each digest: cutting off the newest entries shows there.
"""

import ipaddress
import json
from dataclasses import dataclass
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from integrations.models import AuditEntry

log = structlog.get_logger(__name__)
_ADVISORY_LOCK = 6_171_829  # one appender at a time on PostgreSQL; SQLite has one writer anyway
_SALT = "integrations.audit"


def address_of(request: HttpRequest) -> str | None:
    """Address of the caller: the last hop our own proxy saw when there is one, else the peer."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    candidate = request.META.get("REMOTE_ADDR", "")
    if forwarded and getattr(settings, "SECURE_PROXY_SSL_HEADER", None):
        candidate = forwarded.rsplit(",", 1)[-1].strip()
    try:
        return str(ipaddress.ip_address(candidate))
    except ValueError:
        return None


def _digest(entry: AuditEntry, key: str) -> str:
    content = {
        "at": entry.at.isoformat(),
        "actor": entry.actor_name,
        "action": entry.action,
        "target": entry.target,
        "before": entry.before,
        "after": entry.after,
        "address": entry.address,
        "previous": entry.previous_digest,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return salted_hmac(_SALT, text, secret=key, algorithm="sha256").hexdigest()  # pyright: ignore[reportCallIssue]


def _plain(data: dict[str, Any] | None) -> dict[str, Any]:
    """`data` exactly as the database will give it back."""
    return json.loads(json.dumps(data or {}, cls=DjangoJSONEncoder))


def record(
    action: str,
    *,
    actor: Any = None,
    target: object = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    address: str | None = None,
) -> AuditEntry:
    """Append one entry. `action` is noun.verb in the past, such as connection.disconnected; `actor` None is the system."""
    person = None if actor is None or isinstance(actor, AnonymousUser) else actor
    entry = AuditEntry(
        at=timezone.now(),
        actor=person,
        actor_name=person.get_username() if person else "",
        action=action,
        target=str(target)[:200],
        before=_plain(before),
        after=_plain(after),
        address=address,
    )
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ADVISORY_LOCK])
        last = AuditEntry.objects.order_by("-id").values_list("digest", flat=True).first()
        entry.previous_digest = last or ""
        entry.digest = _digest(entry, settings.SECRET_KEY)
        entry.save(force_insert=True)
    log.info("audit", action=action, actor=entry.actor_name, target=entry.target, digest=entry.digest)
    return entry


@dataclass(frozen=True)
class Verification:
    """Outcome of `verify`: how many entries hold, and the first that does not."""

    checked: int
    broken_id: int | None = None
    why: str = ""

    @property
    def holds(self) -> bool:
        return self.broken_id is None


def _is_genuine(entry: AuditEntry) -> bool:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return any(constant_time_compare(_digest(entry, key), entry.digest) for key in keys)


def verify() -> Verification:
    """Walk the chain from the oldest entry; stops at the first that was changed, inserted or whose predecessor is gone."""
    previous, checked = "", 0
    for entry in AuditEntry.objects.order_by("id").iterator(chunk_size=1000):
        if entry.previous_digest != previous:
            return Verification(checked, entry.pk, "The entry before it was changed, removed or put in later.")
        if not _is_genuine(entry):
            return Verification(checked, entry.pk, "Its content was changed.")
        previous, checked = entry.digest, checked + 1
    return Verification(checked)
