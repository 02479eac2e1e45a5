"""Telling every process that what a customer may do has changed; call it in the transaction of the change."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from provisioning.models import AccessChange

EVERYBODY = 0


def note_change(customer_id: int, *, now: datetime) -> None:
    """Processes drop what they remember of this customer within a second of the commit; `EVERYBODY` for all."""
    AccessChange.objects.create(customer_id=customer_id, at=now)


def note_changes(customer_ids: Iterable[int], *, now: datetime) -> None:
    """The same for several customers."""
    AccessChange.objects.bulk_create([AccessChange(customer_id=each, at=now) for each in set(customer_ids)], batch_size=500)


def purge(*, now: datetime) -> int:
    """Forget notes that every process has long read; returns how many."""
    return AccessChange.objects.filter(at__lt=now - timedelta(days=1)).delete()[0]
