"""The lake's copy of customers and end users, brought up to the database before a page or a call asks over it."""

from datetime import datetime

from django.db.models import Max

from integrations.models import Customer, EndUser, Entity, LakeFile
from integrations.sync.matching import spine

MOST = 20_000  # changed records that are copied while somebody waits; more are left to the jobs


def freshen(*, now: datetime) -> bool:
    """Copy what changed since the last copy, when it is little; whether the copy is now up to date."""
    copied = copied_at(Entity.CUSTOMER, Entity.END_USER)
    waiting = {entity: _changed_since(entity, copied.get(entity)) for entity in (Entity.CUSTOMER, Entity.END_USER)}
    if not any(waiting.values()):
        return True
    if any(each > MOST for each in waiting.values()):
        return False
    spine.refresh_spine(now=now)
    return True


def changed_since_copy(entity: str) -> int:
    """How many records changed since the newest file of the copy, counted up to one more than `MOST`."""
    return _changed_since(entity, copied_at(entity).get(entity))


def _changed_since(entity: str, copied: datetime | None) -> int:
    found = (Customer if entity == Entity.CUSTOMER else EndUser).objects.order_by()
    if copied is not None:
        found = found.filter(updated_at__gt=copied)
    return found[: MOST + 1].count()


def copied_at(*entities: str) -> dict[str, datetime]:
    """When the newest file of the copy was made, by entity; those without a copy are missing."""
    names = {spine.NAMES[Entity(each)]: each for each in entities}
    files = LakeFile.objects.filter(table__name__in=names, retired_at=None).order_by()
    newest = files.values_list("table__name").annotate(at=Max("registered_at"))
    return {names[name]: at for name, at in newest.values_list("table__name", "at")}
