"""What a change would do: it is made, looked at and undone again, so that the preview is the change itself."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from provisioning.entitlements.access import load_access
from provisioning.entitlements.deciding import decide_all
from provisioning.entitlements.wording import has_words


@dataclass(frozen=True, slots=True)
class Difference:
    """One feature that reads otherwise afterwards."""

    feature: str
    name: str
    before: str
    after: str


class _Undo(Exception):
    """Leaves the transaction without a trace."""


def preview(change: Callable[[], object], *, customer_id: int, at: datetime) -> list[Difference]:
    """Features whose answer at `at` (UTC) differs after `change`, by name. Refusals of the change come through."""
    found: list[Difference] = []
    try:
        with transaction.atomic():
            before = _answers(customer_id, at)
            change()
            after = _answers(customer_id, at)
            found = [
                Difference(key, name, words, after[key][1]) for key, (name, words) in before.items() if after[key][1] != words
            ]
            raise _Undo
    except _Undo:
        return found


def _answers(customer_id: int, at: datetime) -> dict[str, tuple[str, str]]:
    access = load_access([customer_id], now=at)[customer_id]
    answers = decide_all(access, at, only_given=False)
    return {each.feature.key: (each.feature.name, has_words(each)) for each in answers}
