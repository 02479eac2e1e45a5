"""Who stands for whom by now: customers that were merged, and people whose customer became known after their events (R-237)."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Max

from integrations.lake.engine import Engine
from integrations.models import Customer, EndUser

LONGEST_CHAIN = 20
IDS = 500  # in one query


def living_customers() -> list[int]:
    """Customers that have figures: neither merged away nor erased, by number."""
    return list(Customer.objects.filter(merged_into=None, erased_at=None).order_by("pk").values_list("pk", flat=True))


def highest_person() -> int:
    """The highest number of an end user: there are not more of them."""
    return EndUser.objects.aggregate(most=Max("pk"))["most"] or 0


def survivors() -> dict[int, int]:
    """Each merged customer with the one that stands for it in the end; one in a circle stands for itself."""
    step = dict(Customer.objects.filter(merged_into__isnull=False).values_list("pk", "merged_into_id"))
    return {start: end for start in step if (end := _end_of(start, step)) != start}


def survivors_of(customer_ids: Iterable[int]) -> dict[int, int]:
    """Some customers, each with the one that stands for it (itself, unless it was merged)."""
    found = {each: each for each in customer_ids}
    for _ in range(LONGEST_CHAIN if found else 0):
        ends = sorted(set(found.values()))
        step: dict[int, int] = {}
        for start in range(0, len(ends), IDS):
            merged = Customer.objects.filter(pk__in=ends[start : start + IDS], merged_into__isnull=False)
            step.update(merged.values_list("pk", "merged_into_id"))
        if not step:
            break
        found = {asked: step.get(end, end) for asked, end in found.items()}
    return found


def _end_of(start: int, step: dict[int, int]) -> int:
    at = start
    for _ in range(LONGEST_CHAIN):
        if at not in step:
            return at
        at = step[at]
    return start


def bind_moved(engine: Engine, names: Sequence[str]) -> bool:
    """Give the engine `merged` and `late`; whether there is anything in them. `names` are bound relations whose rows may lack a
    customer."""
    merged = survivors()
    engine.bind("merged", _pairs(merged.items(), "merged_id", "survivor_id"))
    late = {user: merged.get(customer, customer) for user, customer in _late_customers(engine, names)}
    engine.bind("late", _pairs(late.items(), "user_id", "customer_id"))
    return bool(merged or late)


def _late_customers(engine: Engine, names: Sequence[str]) -> Iterable[tuple[int, int]]:
    users: set[int] = set()
    for name in names:
        text = f"SELECT DISTINCT end_user_id FROM {name} WHERE customer_id IS NULL AND end_user_id IS NOT NULL"  # noqa: S608
        users.update(row[0] for row in engine.rows(text))
    for start in range(0, len(ordered := sorted(users)), IDS):
        known = EndUser.objects.filter(pk__in=ordered[start : start + IDS], customer__isnull=False)
        yield from known.values_list("pk", "customer_id")


def _pairs(rows: Iterable[tuple[int, int]], first: str, second: str) -> Any:
    import pyarrow as pa

    listed = sorted(rows)
    columns = {first: [each[0] for each in listed], second: [each[1] for each in listed]}
    return pa.table({name: pa.array(values, pa.int64()) for name, values in columns.items()})
