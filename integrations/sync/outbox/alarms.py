"""Telling people about a target in trouble: one message when it begins, one note when it is over (R-149)."""

from datetime import datetime

from integrations import alerts
from integrations.models import OutboxPush
from integrations.orgs.states import page_of
from integrations.sync.outbox import planning


def tell(push: OutboxPush, *, now: datetime, message: str = "") -> None:
    """Open, keep or close the alert of the push's target: over a tenth, over 100 or all of its rows failed."""
    target, failed = push.target, int(push.counts.get("failed", 0))
    key = f"outbox:{target.pk}"
    if not planning.is_alarming(push.rows, failed):
        if not failed:
            alerts.recover_alert(key, now=now, note=f"All rows of {target.object} are accepted by {target.org.name} again.")
        return
    alerts.raise_alert(
        key,
        code="rows_failed",
        title=f"{target.org.name}: {failed:,} of {push.rows:,} rows of {target.object} were not accepted",
        body=message or "The causes, with what to do about each, are listed with the rows that wait.",
        url=page_of(target.org),
        org=target.org,
        severity="warning",
        now=now,
    )
