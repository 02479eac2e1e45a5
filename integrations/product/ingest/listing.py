"""Stored events and NPS answers, for people and the API: newest first, by customer, end user, name or survey, and day."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from integrations.lake.engine import open_engine
from integrations.lake.reading import Relation
from integrations.models import Customer, EndUser
from integrations.product.ingest import lake_tables as tables
from integrations.product.ingest.checking import NAME_LENGTH
from integrations.salesforce.values import write_moment
from integrations.sync.matching.saving import customers_called

PAGE = 50
SHARED = ("event_id", '"at"', "customer_id", "end_user_id")
CONDITIONS = {
    "customer": "customer_id = $customer", "user": "end_user_id = $user",
    "survey": "survey = $survey", "event": "name = $event",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Listed:
    """One page, and how many there are."""

    count: int
    rows: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which ones: external ids of a customer and an end user, the UTC days `since` to `until`; empty is all."""

    customer: str = ""
    user: str = ""
    since: date | None = None
    until: date | None = None
    page: int = 1


def find_events(wanted: Wanted, *, event: str = "") -> Listed:
    """Stored events, of one name if it is given."""
    relation = tables.events(since=wanted.since, until=wanted.until)
    found = _read(relation, wanted, ("name", "automatic", "properties"), {"event": event[:NAME_LENGTH]} if event else {})
    for row in found.rows:
        row["event"], row["properties"] = row.pop("name"), json.loads(row["properties"])
    return found


def find_answers(wanted: Wanted, *, survey: str = "") -> Listed:
    """Stored NPS answers, of one survey if it is given."""
    relation = tables.nps_answers(since=wanted.since, until=wanted.until)
    return _read(relation, wanted, ("survey", "score", "comment"), {"survey": survey[:NAME_LENGTH]} if survey else {})


def _read(relation: Relation, wanted: Wanted, columns: Sequence[str], params: dict[str, Any]) -> Listed:
    if wanted.customer:
        found = customers_called([wanted.customer]).get(wanted.customer)
        params["customer"] = found.pk if found else 0
    if wanted.user:
        users = EndUser.objects.filter(external_id=wanted.user, erased_at=None)
        params["user"] = users.values_list("pk", flat=True).first() or 0
    where = " AND ".join(CONDITIONS[name] for name in params) or "true"
    select = ", ".join((*SHARED, *columns))
    place = f'ORDER BY "at" DESC, event_id LIMIT {PAGE} OFFSET {(wanted.page - 1) * PAGE}'
    with open_engine() as engine:
        engine.bind("stored", relation)
        count = engine.rows(f"SELECT count(*) FROM stored WHERE {where}", **params)[0][0]  # noqa: S608 - our own words
        rows = engine.rows(f"SELECT {select} FROM stored WHERE {where} {place}", **params)  # noqa: S608
    return Listed(count, _named(rows, columns))


def _named(rows: list[tuple[Any, ...]], columns: Sequence[str]) -> list[dict[str, Any]]:
    """With the product's ids in the place of ours."""
    customers = dict(Customer.objects.filter(pk__in={row[2] for row in rows}).values_list("pk", "external_id"))
    users = dict(EndUser.objects.filter(pk__in={row[3] for row in rows}).values_list("pk", "external_id"))
    return [
        {"id": name, "at": write_moment(at), "customer": customers.get(customer), "user": users.get(user)}
        | dict(zip(columns, rest, strict=True))
        for name, at, customer, user, *rest in rows
    ]
