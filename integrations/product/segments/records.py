"""What is known of one customer or end user, looked up when a condition asks for it."""

import hashlib
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.core.cache import cache

from integrations.lake import reading
from integrations.lake.engine import open_engine
from integrations.models import Customer, EndUser, Entity, LakeFile, LakeTable, RecordLink
from integrations.product.kpis import tables as kpi_tables
from integrations.product.segments.binding import ACTIVE, KNOWN_ID, feature_columns, kpi_table
from integrations.product.segments.fieldtypes import ATTRIBUTE, FEATURES, KPI, LINKED, Field
from integrations.product.segments.predicates import Happened
from integrations.sync.mapping.catalogue import column_of

KEPT = 600  # seconds that figures of the lake are remembered; a newer file makes them void at once
Record = Customer | EndUser


class RecordFacts:
    """`evaluate.Facts` of a record as the database, the roll-up and the stored KPIs have it."""

    def __init__(self, record: Record) -> None:
        self.record = record

    @cached_property
    def customer(self) -> Customer | None:
        """The end user's customer, unless it was merged away or erased."""
        found = self.record.customer if isinstance(self.record, EndUser) else self.record
        return found if found is not None and not found.merged_into_id and found.erased_at is None else None

    def target(self, field: Field) -> Record | None:
        """The record that a field belongs to."""
        return self.customer if field.of_customer else self.record

    def value(self, field: Field) -> object:
        """See `evaluate.Facts`."""
        target = self.target(field)
        if target is None:
            return None
        if field.source == "attribute":
            return target.attributes.get(field.name.removeprefix(ATTRIBUTE))
        if field.source == "kpi":
            return self._kpis.get(column_of(field.name.removeprefix(KPI)))
        return getattr(target, field.name)

    def ids(self, field: Field) -> frozenset[str]:
        """See `evaluate.Facts`."""
        target = self.target(field)
        if target is None:
            return frozenset()
        states = ACTIVE if field.name.startswith(LINKED) else KNOWN_ID
        return frozenset(
            link.salesforce_id for link in self._links(target)
            if link.state in states and link.salesforce_id and field.org in (None, link.org_id)
        )  # fmt: skip

    def _links(self, target: Record) -> list[RecordLink]:
        if target is self.record:
            return self._own_links
        return self._customer_links

    @cached_property
    def _own_links(self) -> list[RecordLink]:
        return list(self.record.links.all())  # pyright: ignore[reportAttributeAccessIssue]

    @cached_property
    def _customer_links(self) -> list[RecordLink]:
        return list(self.customer.links.all()) if self.customer else []

    @cached_property
    def _kpis(self) -> dict[str, Any]:
        """Stored figures of the customer by column; empty before the first computation."""
        return kpis_of(self.customer.pk) if self.customer else {}

    def count(self, field: Field, happened: Happened) -> int:
        """See `evaluate.Facts`."""
        target = self.target(field)
        if target is None:
            return 0
        column = feature_columns().get(happened.name) if field.name == FEATURES else kpi_tables.EVENTS
        if column is None:
            return 0
        whose = Entity.CUSTOMER if isinstance(target, Customer) else Entity.END_USER
        return activity_of(
            whose, target.pk, column, "" if field.name == FEATURES else happened.name,
            first=date.fromisoformat(happened.first), last=date.fromisoformat(happened.last),
        )  # fmt: skip


def kpis_of(customer_id: int) -> dict[str, Any]:
    """Stored figures of one customer by column, remembered until the table changes."""
    table = kpi_table()
    if table is None:
        return {}

    def read() -> dict[str, Any]:
        with open_engine() as engine:
            engine.bind("kpis", reading.newest(table, keys=[customer_id]))
            found = engine.table("SELECT * FROM kpis").to_pylist()
        return {name: value for name, value in found[0].items() if isinstance(value, int | Decimal)} if found else {}

    return remembered(table, f"kpis:{customer_id}", read)


def activity_of(entity: str, key: int, column: str, name: str, *, first: date, last: date) -> int:
    """How often something was counted in `column` of the roll-up for one record, on days `first` to `last`."""
    table = kpi_tables.daily_events_table() if name else kpi_tables.daily_table()
    who = [each for each, _ in kpi_tables.WHO]

    def read() -> int:
        with open_engine() as engine:
            columns = [*who, *(["name"] if name else []), column]
            engine.bind("daily", reading.newest(table, columns=columns, since=first, until=last))
            mine, params = _mine(entity, key)
            named = "AND name = $name" if name else ""
            statement = f'SELECT sum("{column}") FROM daily WHERE ({mine}) {named}'  # noqa: S608  columns of our own
            return int(engine.rows(statement, name=name, **params)[0][0] or 0)

    return remembered(table, f"activity:{entity}:{key}:{column}:{name}:{first}:{last}", read)


def _mine(entity: str, key: int) -> tuple[str, dict[str, Any]]:
    """Which rows of the roll-up are of a record."""
    return owned_rows(key) if entity == Entity.CUSTOMER else ("end_user_id = $key", {"key": key})


def owned_rows(key: int) -> tuple[str, dict[str, Any]]:
    """Which rows with customer_id and end_user_id are of a customer, as SQL: its own, those of customers that were merged into
    it, and of its people from before they had a customer."""
    keys, fresh = [key], [key]
    while fresh:
        merged = Customer.objects.filter(merged_into__in=fresh).values_list("pk", flat=True)
        fresh = [each for each in merged if each not in keys]
        keys += fresh
    people = list(EndUser.objects.filter(customer=key, erased_at=None).values_list("pk", flat=True))
    late = "customer_id IS NULL AND end_user_id IN (SELECT {{unnest($people)}})" if people else "1 = 0"
    return f"customer_id IN (SELECT {{{{unnest($keys)}}}}) OR ({late})", {"keys": keys, "people": people}


def remembered(table: LakeTable, name: str, read: Any) -> Any:
    """What `read` gives, kept for ten minutes at most and until the table changes."""
    newest = LakeFile.objects.filter(table=table, retired_at=None).order_by("-number").values_list("number", flat=True).first()
    key = f"segments:{table.pk}:{newest}:{hashlib.sha256(name.encode()).hexdigest()}"  # a key holds no free text
    found = cache.get(key)
    if found is None:
        found = read()
        cache.set(key, found, KEPT)
    return found


def record_of(entity: str, record: Record) -> Record | None:
    """The record that a segment of this entity asks about: for a segment of customers, an end user's customer."""
    if entity == Entity.CUSTOMER and isinstance(record, EndUser):
        return RecordFacts(record).customer
    return record if isinstance(record, Customer if entity == Entity.CUSTOMER else EndUser) else None


def is_gone(record: Record) -> bool:
    """Whether it was erased or merged away and so is in no segment."""
    return record.erased_at is not None or bool(isinstance(record, Customer) and record.merged_into_id)


def moment_of_files(table: LakeTable) -> datetime | None:
    """When the newest live file of a table was registered."""
    return LakeFile.objects.filter(table=table).order_by("-registered_at").values_list("registered_at", flat=True).first()
