"""The lake's copy of customers and end users, brought up to the database before a page or a call asks over it."""

from datetime import datetime

from integrations.models import Customer, EndUser, Entity, LakeFile
from integrations.sync.matching import spine

MOST = 20_000  # changed records that are copied while somebody waits; more are left to the jobs


def freshen(*, now: datetime) -> bool:
    """Copy what changed since the last copy, when it is little; whether the copy is now up to date."""
    waiting = {entity: changed_since_copy(entity) for entity in (Entity.CUSTOMER, Entity.END_USER)}
    if not any(waiting.values()):
        return True
    if any(each > MOST for each in waiting.values()):
        return False
    spine.refresh_spine(now=now)
    return True


def changed_since_copy(entity: str) -> int:
    """How many records changed since the newest file of the copy, counted up to one more than `MOST`."""
    found = (Customer if entity == Entity.CUSTOMER else EndUser).objects.order_by()
    copied = copied_at(entity)
    if copied is not None:
        found = found.filter(updated_at__gt=copied)
    return found[: MOST + 1].count()


def copied_at(entity: str) -> datetime | None:
    """When the newest file of the copy was made."""
    files = LakeFile.objects.filter(table__name=spine.NAMES[Entity(entity)], retired_at=None)
    return files.order_by("-registered_at").values_list("registered_at", flat=True).first()
