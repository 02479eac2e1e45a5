"""Who may write now (I-08). A lease ends by itself; its fencing number tells a stale holder from the present one."""

from datetime import datetime, timedelta

from django.db.models import F, Q

from integrations.models import Lease
from integrations.sync import retrying

LEASE_TIME = timedelta(minutes=4)


def acquire(name: str, *, holder: str, now: datetime) -> int | None:
    """The new fencing number, or None while somebody else holds the lease."""
    Lease.objects.get_or_create(name=name)
    free = Q(expires_at=None) | Q(expires_at__lte=now)

    def take() -> int | None:
        changed = Lease.objects.filter(free, name=name).update(holder=holder, fence=F("fence") + 1, expires_at=now + LEASE_TIME)
        return Lease.objects.get(name=name).fence if changed else None

    return retrying.in_transaction(take)


def extend(name: str, *, fence: int, now: datetime) -> bool:
    """Keep the lease; False when it went to somebody else, who then may write instead of us."""
    return Lease.objects.filter(name=name, fence=fence).update(expires_at=now + LEASE_TIME) == 1


def release(name: str, *, fence: int) -> None:
    """Give the lease back if it is still ours."""
    Lease.objects.filter(name=name, fence=fence).update(expires_at=None, holder="")
