"""One entry for each security-relevant action, chained so that a changed or removed one shows (I-24, S-110).

Each entry's digest covers its content and the digest before it, keyed with `SECRET_KEY`, so that a writer with only the
database cannot rebuild the chain. The log repeats each digest, and nightly checks note the newest one.
"""

import ipaddress
import json
import re
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from integrations.access import Refusal
from integrations.audit_chain import PRUNED, Anchor, Line, Verification, digest_of, seal, walk
from integrations.models import AuditCheck, AuditEntry, SalesforceOrg

__all__ = [
    "Verification", "address_of", "check_chain", "find_anchor", "keys", "line_of", "noted_anchors", "prune", "record", "verify",
]  # fmt: skip

log = structlog.get_logger(__name__)
_ADVISORY_LOCK = 6_171_829  # one appender at a time on PostgreSQL; SQLite has one writer anyway
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


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


def line_of(entry: AuditEntry) -> Line:
    """The entry as the chain sees it."""
    return Line(
        number=entry.pk or 0, at=entry.at.isoformat(), actor=entry.actor_name, action=entry.action, target=entry.target,
        before=entry.before, after=entry.after, address=entry.address, previous=entry.previous_digest, digest=entry.digest,
        subject=entry.subject, connection=entry.connection,
    )  # fmt: skip


def _plain(data: dict[str, Any] | None) -> dict[str, Any]:
    """`data` exactly as any of the databases will give it back: PostgreSQL takes no NUL and tells large numbers in full."""
    text = _NUL.sub(r"\1", json.dumps(data or {}, cls=DjangoJSONEncoder))
    return json.loads(text, parse_float=_stored_number)


def _stored_number(text: str) -> float | int:
    number = float(text)
    return int(number) if abs(number) >= 1e15 and number.is_integer() else number


def _about(target: object) -> tuple[str, int | None]:
    """The row that an entry is about, and the number of its connection."""
    if not isinstance(target, Model) or target.pk is None:
        return "", None
    org = target.pk if isinstance(target, SalesforceOrg) else getattr(target, "org_id", None)
    return f"{target._meta.label_lower}:{target.pk}"[:100], org if isinstance(org, int) else None


def record(
    action: str,
    *,
    actor: Any = None,
    target: object = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    address: str | None = None,
) -> AuditEntry:
    """Append one entry. `action` is noun.verb in the past, such as connection.disconnected; `actor` None is the system.

    A `target` that is a row is remembered as such, so that its page can be linked and its connection filtered by.
    """
    subject, org_number = _about(target)
    person = None if actor is None or isinstance(actor, AnonymousUser) else actor
    entry = AuditEntry(
        at=timezone.now(),
        actor=person,
        actor_name=person.get_username() if person else "",
        action=action,
        target=str(target).replace("\0", "")[:200],
        subject=subject,
        connection=org_number,
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
        entry.digest = digest_of(line_of(entry), settings.SECRET_KEY)
        entry.save(force_insert=True)
    log.info("audit", action=action, actor=entry.actor_name, target=entry.target, digest=entry.digest)
    return entry


def keys() -> list[str]:
    """Keys that may have signed an entry, the newest first."""
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


def verify() -> Verification:
    """Walk the chain from the oldest entry; stops at the first that was changed, inserted or whose predecessor is gone.

    The digests noted by earlier checks must still be there, so a tail that was cut off shows, and a chain that somebody with
    the key wrote anew shows as well, unless they also had a copy of these notes and nobody kept one outside.
    """
    noted = noted_anchors()
    entries = AuditEntry.objects.order_by("id").iterator(chunk_size=1000)
    return walk((line_of(entry) for entry in entries), keys(), anchors=noted)


# --- what checks note ---------------------------------------------------------------------------------------------------


def noted_anchors(most: int = 1000) -> list[Anchor]:
    """Newest digests that checks noted while the chain held; rows without our signature are not believed."""
    rows = AuditCheck.objects.filter(broken_id=None, last_id__isnull=False).order_by("-id")[:most]
    return [Anchor(row.last_id or 0, row.last_digest) for row in rows if _is_ours(row)]


def check_chain(*, now: datetime) -> AuditCheck:
    """Verify now and note the outcome with the newest digest; the note is kept and shown."""
    found = verify()
    last = found.last if found.holds else None
    check = AuditCheck(
        at=now, checked=found.checked, broken_id=found.broken_id, why=found.why,
        last_id=last.number if last else None, last_digest=last.digest if last else "",
    )  # fmt: skip
    check.signature = seal(_signed_text(check), settings.SECRET_KEY)
    check.save()
    return check


def _signed_text(check: AuditCheck) -> str:
    return f"check:{check.at.isoformat()}:{check.checked}:{check.broken_id}:{check.last_id}:{check.last_digest}"


def _is_ours(check: AuditCheck) -> bool:
    text = _signed_text(check)
    return any(constant_time_compare(seal(text, key), check.signature) for key in keys())


def find_anchor(anchor: Anchor) -> str:
    """What an anchor from outside says: `holds`, `pruned` (older than what is kept), `missing` or `other`."""
    entry = AuditEntry.objects.filter(pk=anchor.number).first()
    if entry is not None:
        return "holds" if constant_time_compare(entry.digest, anchor.digest) else "other"
    pruned = AuditEntry.objects.filter(action=PRUNED).first()
    return "pruned" if pruned is not None and anchor.number <= int(pruned.after.get("through", 0)) else "missing"


def prune(*, before: datetime, now: datetime) -> int:
    """Remove entries made before `before`; returns how many. The newest entry always stays.

    The removal is itself an entry that names the last removed digest, so the rest verifies from there on. A chain that does not
    hold is left alone: Refusal `audit_broken`.
    """
    newest = AuditEntry.objects.order_by("-id").values_list("id", flat=True).first()
    kept = AuditEntry.objects.filter(at__gte=before).order_by("id").values_list("id", flat=True).first() or newest
    if kept is None:
        return 0
    gone = AuditEntry.objects.filter(id__lt=kept).order_by("id")
    last = gone.last()
    if last is None:
        return 0
    found = verify()
    if not found.holds:
        raise Refusal("audit_broken", f"Entry {found.broken_id} does not fit, so nothing is removed. {found.why}")
    with transaction.atomic():
        after = {
            "through": last.pk, "through_digest": last.digest, "entries": gone.count(), "until": last.at, "older_than": before,
        }  # fmt: skip
        record(PRUNED, target=f"{after['entries']} entries", after=after)
        return gone.delete()[0]
