"""Customers and end users into the database: batches by external id, idempotent, one result a row (I-04).

A row that fails does so alone. `updated_at` moves only when a column really changes, and then always forward, because the
lake's copy takes the later version. Whoever was erased stays away (I-23, S-112).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from integrations.lake import erasures
from integrations.models import Attribute, Customer, CustomerAlias, EndUser, Entity
from integrations.sync import retrying
from integrations.sync.mapping.stored import same_stored
from integrations.sync.matching import incoming
from integrations.sync.matching.incoming import Errors, Incoming

BATCH = 500  # rows a transaction
STEP = timedelta(microseconds=1)
MODELS: dict[str, type[Customer] | type[EndUser]] = {Entity.CUSTOMER: Customer, Entity.END_USER: EndUser}
LOCKS = {Entity.CUSTOMER: 6_171_830, Entity.END_USER: 6_171_831}  # PostgreSQL: one saver of an entity at a time
LONGEST_CHAIN = 20


@dataclass(slots=True)
class RowResult:
    """What became of one row: created, updated, unchanged or failed (then `errors` name the fields)."""

    index: int
    external_id: str
    status: str
    id: int | None = None
    errors: Errors = field(default_factory=dict)


@dataclass
class SaveReport:
    """The results in the order of the rows, and attributes that were made on the way."""

    rows: list[RowResult] = field(default_factory=list)
    attributes_made: list[str] = field(default_factory=list)

    def count(self, status: str) -> int:
        """How many rows ended so."""
        return sum(1 for row in self.rows if row.status == status)


def save_customers(rows: Iterable[object], *, now: datetime, create_attributes: bool = False) -> SaveReport:
    """Create or change customers by external id. A row has external_id, name, website, first_seen_at, last_seen_at (instants
    with a zone), attributes. An id that was merged away or is an alias leads to the customer that stands for it now."""
    return _save(Entity.CUSTOMER, list(rows), now=now, create_attributes=create_attributes)


def save_end_users(rows: Iterable[object], *, now: datetime, create_attributes: bool = False) -> SaveReport:
    """Create or change end users by external id: as customers, with email, phone and customer (its external id)."""
    return _save(Entity.END_USER, list(rows), now=now, create_attributes=create_attributes)


def attribute_types(entity: str) -> dict[str, str]:
    """Known attributes of an entity with their types."""
    return dict(Attribute.objects.filter(entity=entity).values_list("key", "type"))


def customers_called(external_ids: Iterable[str]) -> dict[str, Customer]:
    """Customers by external id or alias, merged ones replaced by those that stand for them; unknown ids are missing."""
    wanted = list(dict.fromkeys(external_ids))
    found = {each.external_id: each for each in Customer.objects.filter(external_id__in=wanted, erased_at=None)}
    found |= _by_alias(each for each in wanted if each not in found)
    return {name: _survivor(customer) for name, customer in found.items()}


def _by_alias(external_ids: Iterable[str]) -> dict[str, Customer]:
    aliases = CustomerAlias.objects.filter(kind="external_id", value__in=list(external_ids), customer__erased_at=None)
    return {alias.value: alias.customer for alias in aliases.select_related("customer")}


def _save(entity: str, rows: Sequence[object], *, now: datetime, create_attributes: bool) -> SaveReport:
    types = attribute_types(entity)
    report = SaveReport()
    if create_attributes:
        report.attributes_made = make_attributes(entity, incoming.new_attributes(rows, types))
        types = attribute_types(entity)
    for start in range(0, len(rows), BATCH):
        read = [incoming.read_row(entity, row, types=types) for row in rows[start : start + BATCH]]
        report.rows += retrying.in_transaction(
            lambda read=read, start=start: _save_batch(entity, read, start, types, now), repeatable=True
        )
    return report


def make_attributes(entity: str, wanted: Mapping[str, str]) -> list[str]:
    """Make attributes with these keys and types where they are missing; the keys that were new."""
    new = []
    for key, kind in wanted.items():
        label = key.replace("_", " ").capitalize()
        made = Attribute.objects.get_or_create(entity=entity, key=key, defaults={"label": label, "type": kind})[1]
        new += [key] if made else []
    return new


def _save_batch(entity: str, read: list[Incoming], start: int, types: Mapping[str, str], now: datetime) -> list[RowResult]:
    _lock(entity)
    _refuse_erased(entity, read)
    parents = _parents(read) if entity == Entity.END_USER else {}
    known = _known(entity, [each.external_id for each in read if not each.errors])
    made: dict[str, Any] = {}
    changed: dict[int, Any] = {}
    results = []
    for index, each in enumerate(read, start):
        record = None if each.errors else known.get(each.external_id) or made.get(each.external_id)
        if each.errors:
            status = "failed"
        elif record is None:
            record = made[each.external_id] = MODELS[entity](external_id=each.external_id, created_at=now, updated_at=now)
            _apply(record, each, types, parents)
            status = "created"
        else:
            status = "updated" if _apply(record, each, types, parents) else "unchanged"
            if status == "updated" and record.pk:
                changed[record.pk] = record
        results.append((RowResult(index, each.external_id, status, errors=each.errors), record))
    _write(entity, list(made.values()), list(changed.values()), now)
    for result, record in results:
        result.id = record.pk if record is not None else None
    return [result for result, _ in results]


def _lock(entity: str) -> None:
    """Two batches with the same new id come one after the other (SQLite has one writer anyway)."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCKS[Entity(entity)]])


def _refuse_erased(entity: str, read: Sequence[Incoming]) -> None:
    gone = was_erased(entity, [each.external_id for each in read if each.external_id])
    for each in read:
        if each.external_id in gone:
            each.refuse("external_id", "Was erased on request and is not stored again.")


def was_erased(entity: str, external_ids: Iterable[str]) -> set[str]:
    """Those of the product's ids that must stay forgotten (I-23)."""
    digests = erasures.erased_digests(entity)
    if not digests:
        return set()
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return {
        each for each in external_ids
        if any(erasures.digest_of(each, kind=entity, secret=secret) in digests for secret in secrets)
    }  # fmt: skip


def _known(entity: str, external_ids: Sequence[str]) -> dict[str, Any]:
    """The records with these ids, locked; for customers also by alias and merge."""
    rows = MODELS[entity].objects.select_for_update().filter(external_id__in=external_ids, erased_at=None)
    found: dict[str, Any] = {each.external_id: each for each in rows}
    if entity == Entity.CUSTOMER:
        elsewhere = _by_alias(each for each in external_ids if each not in found)
        elsewhere |= {name: each for name, each in found.items() if each.merged_into_id}
        by_id: dict[int, Any] = {each.pk: each for each in found.values()}
        for name, customer in elsewhere.items():
            standing = _survivor(customer)
            found[name] = by_id.setdefault(standing.pk, standing)
    return found


def _survivor(customer: Customer) -> Customer:
    for _ in range(LONGEST_CHAIN):
        if customer.merged_into is None:
            return customer
        customer = customer.merged_into
    return customer


def _parents(read: Sequence[Incoming]) -> dict[str, int]:
    """Keys of the customers that rows name; a row whose customer is unknown fails with the field's name."""
    found = customers_called(each.parent for each in read if each.parent)
    for each in read:
        if each.parent and each.parent not in found:
            each.refuse("customer", "There is no customer with this external id; send the customer first.")
    return {name: customer.pk for name, customer in found.items()}


def _apply(record: Any, each: Incoming, types: Mapping[str, str], parents: Mapping[str, int]) -> bool:
    """Set what differs; whether anything did."""
    changed = False
    values = dict(each.values)
    if each.parent is not None:
        values["customer_id"] = parents.get(each.parent)
    for name, value in values.items():
        if getattr(record, name) != value:
            setattr(record, name, value)
            changed = True
    attributes = dict(record.attributes)
    for key, value in each.attributes.items():
        if value is None:
            changed |= attributes.pop(key, None) is not None
        elif not same_stored(types[key], attributes.get(key), value):
            attributes[key] = value
            changed = True
    record.attributes = attributes
    return changed


def _write(entity: str, made: Sequence[Any], changed: Sequence[Any], now: datetime) -> None:
    """Two statements for the batch: the new rows, and the changed ones by their primary key."""
    model: Any = MODELS[entity]
    columns = ["name", *incoming.TEXT_LENGTHS[entity], *incoming.MOMENTS, "attributes", "updated_at"]
    columns += ["customer"] if entity == Entity.END_USER else []
    model.objects.bulk_create(made, batch_size=BATCH)
    for record in changed:
        record.updated_at = max(now, record.updated_at + STEP)
    model.objects.bulk_create(
        changed, batch_size=BATCH, update_conflicts=True, unique_fields=["id"], update_fields=list(dict.fromkeys(columns))
    )
