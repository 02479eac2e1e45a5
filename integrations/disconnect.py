"""Ending or pausing a connection together with its running work; the one place that knows both halves (R-017, I-17)."""

import time
from datetime import datetime
from typing import Any

from integrations import audit
from integrations.models import SalesforceOrg
from integrations.orgs import lifecycle
from integrations.sync import runs

REMOTE_SECONDS = 8  # S-008: the button answers within 10 seconds


def disconnect(org: SalesforceOrg, *, actor: Any = None, address: str | None = None, now: datetime) -> bool:
    """Secrets gone and runs stopped at once, then Salesforce is told; False while the remote revocation is pending (R-018)."""
    lifecycle.cut_connection(org, actor=actor, address=address, now=now)
    runs.cancel_runs_of(org, reason=f"{org.name} was disconnected.", now=now)
    return lifecycle.revoke_pending(org, now=now)


def pause(org: SalesforceOrg, *, actor: Any = None, address: str | None = None, now: datetime) -> None:
    """Stop using the connection until it is resumed; its runs end as cancelled."""
    lifecycle.pause(org, actor=actor, address=address, now=now)
    runs.cancel_runs_of(org, reason=f"{org.name} was paused.", now=now)


def revoke_all(*, actor: Any = None, address: str | None = None, now: datetime) -> tuple[int, int]:
    """Disconnect everything (S-008): first all local halves, which take milliseconds, then Salesforce org by org.

    Returns (disconnected, revocations still pending).
    """
    States = SalesforceOrg.State  # noqa: N806 - a class
    orgs = list(SalesforceOrg.objects.exclude(state__in=[States.NEW, States.DISCONNECTED]))
    for org in orgs:
        lifecycle.cut_connection(org, actor=actor, address=address, now=now)
        runs.cancel_runs_of(org, reason="All connections were revoked.", now=now)
    audit.record("connection.all_revoked", actor=actor, target=f"{len(orgs)} connections", address=address)
    deadline, pending = time.monotonic() + REMOTE_SECONDS, 0
    for org in orgs:  # what does not fit now is done by the background job
        pending += time.monotonic() > deadline or not lifecycle.revoke_pending(org, now=now)
    return len(orgs), pending
