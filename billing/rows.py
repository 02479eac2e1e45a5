"""The desired rows of each billing object in a connection, as a stream of Arrow batches for the outbox.

Rows that must not be sent are there too, with the reason in `problem`: they are counted and parked like rows that Salesforce
refuses. Rows that must go from Salesforce (deleted line items, removed further accounts) ask for it with `remove`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

import pyarrow as pa
from django.db.models import OuterRef, QuerySet, Subquery

from billing import held, payloads
from billing.linking import Linked, links_of
from billing.models import BillingCustomer, BillingSettings
from billing.objects import BY_KEY, DATE, DATE_TIME, LOOKUP, NUMBER, BillingObject, payload_columns
from billing.records import PARENT, gone, in_scope, unlinked
from integrations.lake.types import arrow_type
from integrations.models import SalesforceOrg

BATCH = 5_000
KINDS = {DATE: "day", DATE_TIME: "moment", NUMBER: "number"}
COLUMNS: dict[str, tuple[str, ...]] = {
    "plans": ("name", "description"),
    "billable-metrics": ("name",),
    "ingest-aliases": ("customer_key", "alias"),
    "customer-plans": ("customer_key", "plan_key", "starting_on", "ending_on"),
    "credit-grants": (
        "customer_key", "name", "credit_type", "effective_at", "expires_at", "initial_balance", "balance", "paid_amount",
        "paid_currency", "reason",
    ),
    "invoices": (
        "customer_key", "plan_key", "currency", "starts_at", "ends_at", "status", "issued_at", "total", "customer_name",
    ),
    "line-items": ("invoice_key", "name", "quantity", "total", "credit_type"),
}  # fmt: skip


@dataclass
class Told:
    """What a person should know about the values of a stream: how many were changed by a named rule."""

    notices: Counter[str] = field(default_factory=Counter)


def schema_of(billing_object: BillingObject, prefix: str) -> pa.Schema:
    """Columns of the rows: the outbox's own, then one for each field that we write."""
    texts = [pa.field(name, pa.string()) for name in ("key", "parent_key", "label", "problem")]
    fields = [
        pa.field(name, arrow_type(KINDS.get(each.type, "text"))) for name, each in payload_columns(billing_object, prefix)
    ]
    return pa.schema([*texts, pa.field("remove", pa.bool_()), *fields])


def stream(
    org: SalesforceOrg, settings: BillingSettings, key: str, *, now: datetime, told: Told, scoped: bool = False
) -> pa.RecordBatchReader:
    """All desired rows of an object; `scoped` leaves out what is only told to let go of its account."""
    billing_object = BY_KEY[key]
    schema = schema_of(billing_object, settings.prefix)
    wording = payloads.Wording(now, settings.current_wording, settings.pending_wording, settings.last_included_day)
    if key == "customers":
        rows = customer_rows(org, settings, scoped=scoped)
    else:
        rows = junction_rows(org, settings) if key == "customer-accounts" else plain_rows(org, settings, key)
    build = _Builder(billing_object, settings.prefix, schema, wording, told)
    return pa.RecordBatchReader.from_batches(schema, build.batches(rows))


def plain_rows(org: SalesforceOrg, settings: BillingSettings, key: str) -> Iterator[Mapping[str, Any]]:
    """Records of every object but customers, those to be removed last."""
    records = in_scope(org, settings, key)
    if key == "invoices":
        name = BillingCustomer.objects.filter(key=OuterRef("customer_key")).values("name")[:1]
        records = records.annotate(customer_name=Subquery(name))
    yield from records.order_by().values("key", *COLUMNS[key]).iterator(BATCH)
    for record_key in gone(key).order_by().values_list("key", flat=True).iterator(BATCH):
        yield {"key": record_key, "remove": True}


def customer_rows(org: SalesforceOrg, settings: BillingSettings, *, scoped: bool = False) -> Iterator[Mapping[str, Any]]:
    """One row for each customer, and one more for each further account (MT-D1). Customers that lost their last account lose it
    there too, if they are there (MT-D3); `scoped` leaves them out."""
    for chunk in _customers(in_scope(org, settings, "customers")):
        links = links_of(org, [row["pk"] for row in chunk])
        for row in chunk:
            yield from _rows_of(row, links.get(row["pk"], []), settings)
    if scoped:
        return
    for chunk in _customers(unlinked(org, settings)):
        links = links_of(org, [row["pk"] for row in chunk])
        there = held.held_ids(settings, "customers", [row["key"] for row in chunk])
        for row in chunk:
            if row["key"] in there:
                yield from _rows_of(row, links.get(row["pk"], []), settings)


def _rows_of(row: Mapping[str, Any], own: list[Linked], settings: BillingSettings) -> Iterator[Mapping[str, Any]]:
    further = settings.many_accounts == BillingSettings.ManyAccounts.ROWS
    primary = next((link for link in own if link.is_primary and link.is_active), None)
    yield {**row, "account_id": primary.account_id if primary else None}
    for link in own:
        if link.ordinal and (link.is_removed or link.is_primary or not further):
            yield {**row, "ordinal": link.ordinal, "remove": True}
        elif link.ordinal:  # the row of a deleted account stays, without it (MT-D3)
            yield {**row, "ordinal": link.ordinal, "account_id": link.account_id if link.is_active else None}


def _customers(records: QuerySet[Any]) -> Iterator[list[Any]]:
    return _chunks(records.order_by("pk").values("pk", "key", "name").iterator(BATCH))


def junction_rows(org: SalesforceOrg, settings: BillingSettings) -> Iterator[Mapping[str, Any]]:
    """One row for each account of each customer, the primary one too; those of removed links go, also of customers that have
    no other account and so left the scope."""
    for records in (in_scope(org, settings, "customers"), unlinked(org, settings)):
        for chunk in _customers(records):
            links = links_of(org, [row["pk"] for row in chunk])
            for row in chunk:
                for link in links.get(row["pk"], []):
                    own = {"key": f"{row['key']}:{link.account_id}", "name": row["name"], "customer_key": row["key"]}
                    yield {**own, "account_id": link.account_id, "remove": not link.is_active}


def _chunks(rows: Iterator[Any]) -> Iterator[list[Any]]:
    while chunk := list(islice(rows, BATCH)):
        yield chunk


class _Builder:
    """Turns our records into batches of `schema`, column by column."""

    def __init__(
        self, billing_object: BillingObject, prefix: str, schema: pa.Schema, wording: payloads.Wording, told: Told
    ) -> None:
        self.object, self.prefix, self.schema, self.wording, self.told = billing_object, prefix, schema, wording, told
        self.values: Callable[..., dict[str, Any]] = payloads.PAYLOADS[billing_object.key]
        self.sources = [(each.source, each.type == LOOKUP) for _, each in payload_columns(billing_object, prefix)]
        self.parent = PARENT.get(billing_object.key, "")
        self.longest = billing_object.key_field.length

    def batches(self, rows: Iterator[Mapping[str, Any]]) -> Iterator[pa.RecordBatch]:
        """One batch for each BATCH rows."""
        for chunk in _chunks(iter(rows)):
            yield self._batch(chunk)

    def _batch(self, records: list[Mapping[str, Any]]) -> pa.RecordBatch:
        keys: list[str] = []
        problems: list[str | None] = []
        found: list[dict[str, Any]] = []
        for record in records:
            key, values, problem = self._judge(record)
            keys.append(key)
            found.append(values)
            problems.append(problem)
        labels = [record.get("name") or record["key"] for record in records]
        removes = [bool(record.get("remove")) for record in records]
        parents = [values.get(self.parent) for values in found]
        cells = [
            [values.get(source) or None for values in found] if is_lookup else [values.get(source) for values in found]
            for source, is_lookup in self.sources
        ]
        columns = [keys, parents, labels, problems, removes, *cells]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, self.schema, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _judge(self, record: Mapping[str, Any]) -> tuple[str, dict[str, Any], str | None]:
        """Key, values, and what is wrong; of a row with a value that does not fit nothing is sent."""
        key = record["key"]
        try:
            if record.get("ordinal"):
                key = payloads.key_of(key, record["ordinal"])
            if record.get("remove"):
                return key, {}, None
            if len(key) > self.longest:
                text = f"The id has {len(key)} characters, Salesforce takes {self.longest}."
                raise payloads.Unfit("key_too_long", self.object.upsert_by, text)
            return key, self.values(record, self.wording, self.told.notices), None
        except payloads.Unfit as unfit:
            problem = unfit.problem
            name = self.object.field_name(self.object.field(problem.field), self.prefix)
            return key, {}, f"{problem.code}:{name}:{problem.message}"
