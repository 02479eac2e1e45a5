"""Many changed records at once."""

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Model

BATCH = 500


def rewrite(model: type[Model], records: Iterable[Any], names: Sequence[str], *, unique: Sequence[str] = ("key",)) -> None:
    """Change known records by inserting them over themselves: an update by cases is twenty times slower."""
    again = [copy.copy(each) for each in records]
    if not again:
        return
    for each in again:
        each.pk = None
    model._default_manager.bulk_create(  # pyright: ignore[reportAttributeAccessIssue]
        again, batch_size=BATCH, update_conflicts=True, unique_fields=list(unique), update_fields=list(names)
    )
