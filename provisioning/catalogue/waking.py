"""What follows a change of the catalogue: deals that waited for it are tried again, remembered answers are dropped."""

from datetime import datetime

from django.db.models import Q

from provisioning.entitlements.changed import EVERYBODY, note_change
from provisioning.models import Provision


def catalogue_changed(*, now: datetime, everybody: bool = False) -> None:
    """Call it in the transaction of the change. `everybody`: answers about features may read otherwise now."""
    wake_blocked(now=now)
    if everybody:
        note_change(EVERYBODY, now=now)


def wake_blocked(*, now: datetime, org_id: int | None = None) -> int:
    """Deals that need a person are looked at again at once (R-185); how many."""
    blocked = Provision.objects.filter(state=Provision.State.BLOCKED)
    if org_id is not None:
        blocked = blocked.filter(org=org_id)
    return blocked.filter(Q(not_before=None) | Q(not_before__gt=now)).update(not_before=now)
