"""Who works on a deal: the unique key is the claim for the deal, a lease with a number the claim for the work (I-08, I-19)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet

from integrations.models import SalesforceOrg
from provisioning.models import Provision

State = Provision.State
LEASE = timedelta(seconds=90)  # longer than a callout with all its tries
WORKABLE = (State.WAITING, State.RUNNING, State.BLOCKED)
SETTLED = (State.DONE, State.INCOMPLETE, State.SKIPPED, State.STOPPED)


class LostClaim(Exception):
    """Somebody else works on this deal now; nothing may be written any more."""


def newest(org: SalesforceOrg, opportunity_id: str) -> dict[str, Provision]:
    """The newest provision of each slot of a deal."""
    rows = Provision.objects.filter(org=org, opportunity_id=opportunity_id).order_by("version")
    return {each.slot: each for each in rows}


def open_provision(
    org: SalesforceOrg, opportunity_id: str, *, slot: str, kind: str, source: str, now: datetime,
    facts: Mapping[str, Any] | None = None, working: bool = False,
) -> tuple[Provision, bool]:  # fmt: skip
    """The provision of a deal's slot, and whether it was made by this call (R-180, R-181).

    Two at once: the database lets one insert; the other waits for it and gets what the first one made. With `working` the maker
    holds the claim for the work, too. `facts` are further columns of a new one.
    """
    held = {"claimed_until": now + LEASE, "fence": 1, "attempts": 1, "state": State.RUNNING} if working else {}
    try:
        with transaction.atomic():
            made = Provision.objects.create(
                org=org, opportunity_id=opportunity_id, slot=slot, kind=kind, source=source, opened_at=now, not_before=now,
                **{**dict(facts or {}), **held},
            )  # fmt: skip
        return made, True
    except IntegrityError:
        found = Provision.objects.filter(org=org, opportunity_id=opportunity_id, slot=slot).order_by("-version").first()
        if found is None:  # it was something else that the database refused
            raise
        return found, False


def claim(provision: Provision, *, now: datetime, states: tuple[str, ...] = WORKABLE) -> bool:
    """Take the work, unless somebody has it; the claim ends by itself after a minute and a half."""
    free = Provision.objects.filter(pk=provision.pk, state__in=states).filter(Q(claimed_until=None) | Q(claimed_until__lte=now))
    taken = free.update(claimed_until=now + LEASE, fence=F("fence") + 1, attempts=F("attempts") + 1, state=State.RUNNING)
    if taken:
        provision.refresh_from_db()
    return bool(taken)


def settle(provision: Provision, **fields: Any) -> None:
    """Write the end of this turn and give the claim back; `LostClaim` when it is somebody else's."""
    _write(provision, {"claimed_until": None, **fields})


def _write(provision: Provision, fields: Mapping[str, Any]) -> None:
    if not Provision.objects.filter(pk=provision.pk, fence=provision.fence).update(**fields):
        raise LostClaim(f"Provision {provision.pk} was taken over.")
    for name, value in fields.items():
        setattr(provision, name, value)


def due(org: SalesforceOrg, *, now: datetime) -> QuerySet[Provision]:
    """Deals that the worker should look at now: new, interrupted, or tried again after a wait."""
    rows = Provision.objects.filter(org=org, state__in=WORKABLE, not_before__lte=now)
    return rows.filter(Q(claimed_until=None) | Q(claimed_until__lte=now)).order_by("not_before", "pk")
