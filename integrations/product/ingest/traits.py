"""Which trait was said when: one that is older than the stored one changes nothing, however late it comes (I-07)."""

from collections.abc import Iterable, Mapping
from typing import Any

from integrations.models import Customer, EndUser, Entity
from integrations.product.models import TraitTimes
from integrations.sync import retrying

PIECE = 500
Said = Mapping[str, tuple[int, Any]]
"""Trait -> when it was said (milliseconds since 1970), and its value."""
Times = dict[int, dict[str, int]]


def read_times(entity: str, numbers: Iterable[int]) -> Times:
    """When the stored traits of these records were said."""
    ids, found = list(numbers), Times()
    for start in range(0, len(ids), PIECE):
        rows = TraitTimes.objects.filter(entity=entity, record__in=ids[start : start + PIECE])
        found |= dict(rows.values_list("record", "times"))
    return found


def newest_of(said: Said, times: Mapping[str, int]) -> dict[str, Any]:
    """The values that are not older than what is stored."""
    return {name: value for name, (at, value) in said.items() if at >= times.get(name, at)}


def write_times(entity: str, said: Mapping[int, Said], known: Times) -> None:
    """Remember the later time of each trait of these records; harmless to repeat."""
    rows = []
    for record, traits in said.items():
        before = known.get(record, {})
        after = before | {name: max(at, before.get(name, at)) for name, (at, _) in traits.items()}
        if after != before:
            rows.append(TraitTimes(entity=entity, record=record, times=after))
    for start in range(0, len(rows), PIECE):
        piece = rows[start : start + PIECE]
        retrying.in_transaction(lambda piece=piece: _upsert(piece), repeatable=True)


def forget_erased() -> int:
    """Delete the rows of those who were erased (I-23); gives how many."""
    gone = {Entity.END_USER: EndUser, Entity.CUSTOMER: Customer}
    return sum(
        TraitTimes.objects.filter(
            entity=entity, record__in=model.objects.filter(erased_at__isnull=False).order_by().values("pk")
        ).delete()[0]
        for entity, model in gone.items()
    )


def _upsert(rows: list[TraitTimes]) -> None:
    TraitTimes.objects.bulk_create(rows, update_conflicts=True, unique_fields=["entity", "record"], update_fields=["times"])
