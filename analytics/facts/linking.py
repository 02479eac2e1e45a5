"""Who leads where: keys of customers, links of customers and merged records, as tables for the engine (FZ-D5)."""

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

from integrations.lake.engine import Engine
from integrations.lake.types import arrow_schema
from integrations.models import Customer, CustomerAlias, Entity, RecordLink, RecordMerge, SalesforceOrg
from integrations.product.kpis import moved
from integrations.sync.mirror.merges import ends_of

ACCOUNT = "Account"


class Person(NamedTuple):
    """What the spine says about one living customer and those that were merged into it."""

    id: int
    name: str
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    created_at: datetime


def bind_spine(engine: Engine, org: SalesforceOrg) -> None:
    """Give the engine `customers`, `keys` and `folded_keys` (key, customer_id), `links` (account_id, customer_id) and
    `merged_accounts` (loser, winner)."""
    survivors = moved.survivors()
    rows = list(Customer.objects.filter(erased_at=None).order_by("pk").values_list(*_FIELDS))
    living = _living(rows, survivors)
    _bind(engine, "customers", _CUSTOMERS, living.values())
    keys = customer_keys(rows, living, survivors)
    _bind(engine, "keys", _KEYS, keys.items())
    _bind(engine, "folded_keys", _KEYS, fold_keys(keys).items())
    merged = merged_accounts(org)
    _bind(engine, "links", _LINKS, sorted(links_of(org, living, survivors, merged).items()))
    _bind(engine, "merged_accounts", _MERGED, sorted(merged.items()))


_FIELDS = ("pk", "name", "external_id", "merged_into_id", "first_seen_at", "last_seen_at", "created_at")
_CUSTOMERS = (
    ("id", "whole"),
    ("name", "text"),
    ("first_seen_at", "moment"),
    ("last_seen_at", "moment"),
    ("created_at", "moment"),
)
_KEYS = (("key", "text"), ("customer_id", "whole"))
_LINKS = (("account_id", "text"), ("customer_id", "whole"))
_MERGED = (("loser", "text"), ("winner", "text"))


def _bind(engine: Engine, name: str, columns: Sequence[tuple[str, str]], rows: Iterable[tuple[Any, ...]]) -> None:
    import pyarrow as pa

    listed, schema = list(rows), arrow_schema(columns)
    arrays = [_array([row[place] for row in listed], of.type) for place, of in enumerate(schema)]
    engine.bind(name, pa.Table.from_arrays(arrays, schema=schema))


def _array(values: list[Any], kind: Any) -> Any:
    """A column; of instants the lake keeps milliseconds."""
    import pyarrow as pa

    if not pa.types.is_timestamp(kind):
        return pa.array(values, kind)
    return pa.array(values, pa.timestamp("us", "UTC")).cast(kind, safe=False)


def _living(rows: Iterable[tuple[Any, ...]], survivors: Mapping[int, int]) -> dict[int, Person]:
    found: dict[int, Person] = {}
    for pk, name, external, _, first, last, created in rows:
        if pk not in survivors:
            found[pk] = Person(pk, name or external, first, last, created)
    if not survivors:
        return found
    for pk, _, _, _, first, last, _ in rows:
        if (end := found.get(survivors.get(pk, 0))) is not None:
            found[end.id] = Person(
                end.id, end.name, _least(end.first_seen_at, first), _most(end.last_seen_at, last), end.created_at
            )
    return found


def customer_keys(rows: Iterable[tuple[Any, ...]], living: Container[int], survivors: Mapping[int, int]) -> dict[str, int]:
    """Every key that leads to a living customer: its external id, those of customers merged into it, and aliases. The
    customer's own id wins over another's alias. `rows` are customers as `_FIELDS`, by number."""
    listed = list(rows)
    aliases = CustomerAlias.objects.order_by("-kind", "pk").values_list("value", "customer_id").iterator(chunk_size=20_000)
    merged = [(external, pk) for pk, _, external, into, *_ in reversed(listed) if into is not None]
    own = ((external, pk) for pk, _, external, into, *_ in listed if into is None)
    keys: dict[str, int] = {}
    for value, pk in chain(aliases, merged, own):  # a later one wins
        end = survivors.get(pk, pk)
        if end in living and (text := value.strip()):
            keys[text] = end
    return keys


def fold_keys(keys: Mapping[str, int]) -> dict[str, int]:
    """The keys without case, where they lead to one customer only (R-101)."""
    found: dict[str, int] = {}
    several: set[str] = set()
    for key, customer in keys.items():
        if found.setdefault(key.lower(), customer) != customer:
            several.add(key.lower())
    return {key: customer for key, customer in found.items() if key not in several}


def links_of(
    org: SalesforceOrg, living: Iterable[int], survivors: Mapping[int, int], merged: Mapping[str, str]
) -> dict[str, int]:
    """The customer that each linked account leads to. Of several customers of one account the chosen one, else the first."""
    alive = set(living)
    rows = RecordLink.objects.filter(
        org=org, entity=Entity.CUSTOMER, state=RecordLink.State.ACTIVE, object__iexact=ACCOUNT, customer__isnull=False
    )
    found: dict[str, int] = {}
    for account, customer, _ in rows.order_by("-wins", "customer_id").values_list("salesforce_id", "customer_id", "wins"):
        end = survivors.get(customer or 0, customer or 0)
        if account and end in alive:
            found.setdefault(merged.get(account, account), end)
    return found


def merged_accounts(org: SalesforceOrg) -> dict[str, str]:
    """Each account that was merged away with the one that is left (R-049)."""
    steps = dict(RecordMerge.objects.filter(org=org, object__iexact=ACCOUNT).values_list("loser", "winner"))
    return ends_of(steps, steps)


def _least(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((each for each in (one, other) if each is not None), default=None)


def _most(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((each for each in (one, other) if each is not None), default=None)
