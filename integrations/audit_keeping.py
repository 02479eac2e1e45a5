"""Looks after the audit each night: proves the chain, notes its newest digest, tells when it is broken, prunes it.

The note (the anchor) also goes to the log, which lives elsewhere: whoever cuts the chain or writes it anew cannot change that.
"""

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.utils import timezone

from integrations import alerts, audit, hook_bodies
from integrations.audit_chain import Anchor
from integrations.models import AlertChannel, AlertDelivery, AuditCheck

log = structlog.get_logger(__name__)
ALERT = "audit:chain"
CHECKS_KEPT = timedelta(days=400)
ANCHOR_EVENT = "audit.anchor"


def run_nightly() -> dict[str, int]:
    """The timetable's call: verify, remove what is past `AUDIT_DAYS` (0 = keep everything), note the newest digest."""
    now = timezone.now()
    check = verify_chain(now=now)
    days = days_kept()
    removed = 0
    if check.broken_id is None and days > 0:
        removed = audit.prune(before=now - timedelta(days=days), now=now)
        check = verify_chain(now=now) if removed else check
    AuditCheck.objects.filter(at__lt=now - CHECKS_KEPT).delete()
    return {"checked": check.checked, "broken": int(check.broken_id is not None), "removed": removed}


def days_kept() -> int:
    """How long entries are kept, in days; 0 = for ever."""
    return settings.AUDIT_DAYS


def verify_chain(*, now: datetime) -> AuditCheck:
    """Verify, note the outcome, open or close the alert, write the anchor to the log."""
    check = audit.check_chain(now=now)
    if check.broken_id is not None:
        alerts.raise_alert(
            ALERT, code=f"broken-{check.broken_id}", title="The audit was tampered with",
            body=(
                f"Entry {check.broken_id} does not fit the chain. {check.why} {check.checked:,} entries before it hold. "
                "Compare with a backup and with the digests in the log before anything else is changed."
            ),
            url="/audit/", now=now,
        )  # fmt: skip
        log.error("audit chain broken", entry=check.broken_id, checked=check.checked)
        return check
    alerts.recover_alert(ALERT, now=now, note="The whole chain holds again.")
    anchor = anchor_of(check)
    if anchor:
        log.info("audit anchor", anchor=str(anchor), entries=check.checked)
    return check


def anchor_of(check: AuditCheck | None) -> Anchor | None:
    """The newest digest that a check noted."""
    return Anchor(check.last_id, check.last_digest) if check and check.last_id is not None and check.last_digest else None


def latest_check() -> AuditCheck | None:
    """The newest verification."""
    return AuditCheck.objects.first()


def broken_since() -> datetime | None:
    """When the chain was first found broken, None while it holds."""
    latest = latest_check()
    if latest is None or latest.broken_id is None:
        return None
    held = AuditCheck.objects.filter(broken_id=None).first()
    later = AuditCheck.objects.filter(broken_id__isnull=False, pk__gt=held.pk if held else 0).order_by("pk").first()
    return later.at if later else latest.at


def send_anchor(check: AuditCheck, *, now: datetime) -> int:
    """Hand the anchor to every active alert channel, so that a copy stands outside; returns to how many."""
    anchor = anchor_of(check)
    if anchor is None:
        return 0
    body = f"{anchor} ({check.checked:,} entries)"
    facts = {
        "title": "Digest of the audit, to keep", "body": body, "url": f"{settings.BASE_URL}/audit/", "severity": "warning",
        "code": ANCHOR_EVENT, "key": ALERT, "connection": "", "since": check.at.isoformat(), "at": now.isoformat(), "note": "",
    }  # fmt: skip
    made = AlertDelivery.objects.bulk_create(
        AlertDelivery(
            channel=channel,
            event=ANCHOR_EVENT,
            body=hook_bodies.body_of(channel.kind, ANCHOR_EVENT, facts),
            next_attempt_at=now,
        )
        for channel in AlertChannel.objects.filter(is_active=True)
    )
    return len(made)
