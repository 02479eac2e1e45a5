"""Customers, end users, links, KPIs and daily activity in real tables, for tests of segments."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from django.db import transaction

from integrations.lake import writing
from integrations.lake.tables import columns_of
from integrations.lake.types import arrow_schema
from integrations.models import Attribute, Customer, EndUser, LakeTable, RecordLink, SalesforceOrg
from integrations.product.kpis import tables as kpi_tables
from integrations.product.segments import asking
from integrations.product.segments.conditions import read_tree
from integrations.product.segments.known import know
from integrations.sync.matching import spine

NOW = datetime(2026, 11, 22, 10, 30, 15, 123_456, tzinfo=UTC)
TODAY = NOW.date()


def days_ago(n: int, **more: int) -> datetime:
    """An instant so many days before NOW."""
    return NOW - timedelta(days=n, **more)


@dataclass
class SegmentWorld:
    """A product with data; `settle` brings the lake up to the database."""

    org: SalesforceOrg
    happened: list[tuple[date, int | None, int | None, str, int]] = field(default_factory=list)
    figures: dict[int, dict[str, Any]] = field(default_factory=dict)

    def attributes(self, entity: str = "customer", **kinds: str) -> None:
        for key, kind in kinds.items():
            Attribute.objects.create(entity=entity, key=key, label=key.capitalize(), type=kind, pulled=key == "industry")

    def customer(self, external_id: str, *, linked: str = "", state: str = "active", **values: Any) -> Customer:
        made = Customer.objects.create(external_id=external_id, **({"name": external_id} | values))
        if linked:
            self.link(made, linked, state=state)
        return made

    def user(self, external_id: str, customer: Customer | None = None, **values: Any) -> EndUser:
        return EndUser.objects.create(external_id=external_id, customer=customer, **({"name": external_id} | values))

    def link(
        self, record: Customer | EndUser, salesforce_id: str, *, org: SalesforceOrg | None = None, state: str = "active"
    ) -> None:
        side = "customer" if isinstance(record, Customer) else "end_user"
        object_ = "Account" if side == "customer" else "Contact"
        RecordLink.objects.create(
            org=org or self.org,
            entity=side,
            object=object_,
            salesforce_id=salesforce_id,
            rule="manual",
            state=state,
            **{side: record},
        )

    def kpis(self, rows: Mapping[Customer, Mapping[str, int | Decimal | None]], **kinds: str) -> None:
        """Stored figures; `kinds` are the lake kinds of columns that are not whole."""
        names = {name for row in rows.values() for name in row}
        self.figures |= {each.pk: dict(row) for each, row in rows.items()}
        table = kpi_tables.kpis_table([(name, kinds.get(name, "whole")) for name in sorted(names)])
        self.write(table, [{"customer_id": each.pk, "id": each.pk, "computed_at": NOW, "removed": False, **row}
                           for each, row in rows.items()])  # fmt: skip

    def events(self, rows: Iterable[tuple[date, int | None, int | None, str, int]]) -> None:
        """The roll-up: day, customer, end user, name of the event, how many."""
        rows = list(rows)
        self.happened += rows
        names = ("day", "customer_id", "end_user_id", "name", "events")
        self.write(kpi_tables.daily_events_table(), [dict(zip(names, row, strict=True)) for row in rows])
        daily = [
            {"day": d, "customer_id": c, "end_user_id": u, "events": n, "active_events": n, "bits0": 1}
            for d, c, u, _, n in rows
        ]
        self.write(kpi_tables.daily_table(), daily)

    def write(self, table: LakeTable, rows: list[dict[str, Any]]) -> None:
        schema = arrow_schema(columns_of(table))
        full = [dict.fromkeys(schema.names) | row for row in rows]
        full.sort(key=lambda row: row[table.day]) if table.day else None
        with writing.open_writer(table, kind="delta") as writer:
            writer.write(pa.Table.from_pylist(full, schema=schema))
        with transaction.atomic():
            for staged in writer.files:
                writing.register(table, staged, now=NOW)

    def settle(self) -> None:
        spine.refresh_spine(now=NOW)

    def ask(self, entity: str, tree: Mapping[str, Any]) -> set[str]:
        """External ids of those that fulfil the tree, by the engine."""
        known = know(entity)
        ids = asking.member_ids(asking.Question(known, (read_tree(tree, known),)), now=NOW).column("id").to_pylist()
        model = Customer if entity == "customer" else EndUser
        return set(model.objects.filter(pk__in=ids).values_list("external_id", flat=True))
