"""Erasing a customer or an end user (I-23, S-112): out of the database, the lake and the row samples, and never back.

What is left is a row without content that others may refer to, an audit entry and a keyed digest of the product's id, by
which the API, the next sync and every writer of the lake know that this one must stay forgotten.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from integrations import audit
from integrations.access import Person, Refusal
from integrations.lake import erasing, erasures
from integrations.models import (
    Customer,
    CustomerAlias,
    EndUser,
    Entity,
    LinkEvent,
    RecordLink,
    RowOutcome,
    SalesforceOrg,
)  # fmt: skip
from integrations.sync import retrying
from integrations.sync.matching.links import Record, entity_of, owner_of
from integrations.sync.matching.saving import STEP
from integrations.sync.outbox import rows as outbox_rows

ERASED = "Erased on request."
Forgets = Callable[[Record, datetime], None]
_forgetters: dict[str, Forgets] = {}


def register(domain: str, forget: Forgets) -> None:
    """Let a domain forget a record in the transaction in which it is erased; it may be asked again for the same record."""
    _forgetters[domain] = forget


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What went: rows of the lake, links, row samples."""

    lake_rows: int
    links: int
    samples: int


def erase(
    record: Record, *, actor: Person | None, now: datetime, with_end_users: bool = False, mirrored: bool | None = None,
    address: str | None = None,
) -> Forgotten:  # fmt: skip
    """Erase for good; there is no undo. `mirrored` also erases our copies of the linked Salesforce records (default: of
    persons, not of companies). Salesforce itself is not touched. May be called again after a failure."""
    if record.erased_at is not None:
        raise Refusal("erased", "This record was erased already.")
    entity = entity_of(record)
    total = Forgotten(0, 0, 0)
    if with_end_users and isinstance(record, Customer):
        for user in EndUser.objects.filter(customer=record, erased_at=None).order_by("id"):
            total = _sum(total, erase(user, actor=actor, now=now, address=address))
    links = list(RecordLink.objects.filter(**owner_of(record)).select_related("org"))
    rows = _erase_from_lake(record, entity, now=now)
    if entity == Entity.END_USER if mirrored is None else mirrored:
        rows += sum(_erase_copy(each, now=now) for each in links if each.salesforce_id)
    samples = retrying.in_transaction(lambda: _erase_rows(record, entity, links, now=now))
    audit.record(f"{entity}.erased", actor=actor, target=f"{entity} {record.pk}", address=address)
    return _sum(total, Forgotten(rows, len(links), samples))


def _sum(left: Forgotten, right: Forgotten) -> Forgotten:
    return Forgotten(left.lake_rows + right.lake_rows, left.links + right.links, left.samples + right.samples)


def _erase_from_lake(record: Record, entity: str, *, now: datetime) -> int:
    """By the product's id and by ours: tables name people by either."""
    names = [record.external_id]
    if isinstance(record, Customer):
        names += record.aliases.filter(kind="external_id").values_list("value", flat=True)  # pyright: ignore
    rows = sum(erasing.erase(entity, name, now=now).rows for name in names)
    return rows + erasing.erase(f"{entity}.id", str(record.pk), now=now).rows


def _erase_copy(link: RecordLink, *, now: datetime) -> int:
    return erasing.erase(link.object, link.salesforce_id, org=link.org, now=now).rows


def _erase_rows(record: Record, entity: str, links: list[RecordLink], *, now: datetime) -> int:
    owner = owner_of(record)
    ids = {each.salesforce_id for each in links if each.salesforce_id}
    ids |= set(LinkEvent.objects.filter(**owner).exclude(after_id="").values_list("after_id", flat=True))
    samples = _redact_samples(record.external_id, ids)
    for org in SalesforceOrg.objects.filter(pk__in=_orgs_of(record, links)):
        outbox_rows.forget(org, {record.external_id, *ids}, labels=[record.name] if record.name else [])
    LinkEvent.objects.filter(**owner).delete()
    RecordLink.objects.filter(**owner).delete()
    blank = {"name": "", "attributes": {}, "first_seen_at": None, "last_seen_at": None, "erased_at": now}
    blank |= {"external_id": f"erased-{erasures.digest_of(record.external_id, kind=entity)[:40]}"}
    blank |= {"updated_at": max(now, record.updated_at + STEP)}
    if isinstance(record, Customer):
        CustomerAlias.objects.filter(customer=record).delete()
        blank |= {"website": ""}
    else:
        blank |= {"email": "", "phone": "", "customer": None}
    type(record).objects.filter(pk=record.pk).update(**blank)
    record.refresh_from_db()
    for forget in _forgetters.values():
        forget(record, now)
    return samples


def _redact_samples(external_id: str, salesforce_ids: set[str]) -> int:
    """Row samples keep their class and code, so that the counts of their runs still add up (I-01)."""
    named = RowOutcome.objects.filter(Q(key__in=[external_id, *salesforce_ids]) | Q(salesforce_id__in=salesforce_ids))
    changed = 0
    for row in named.iterator(chunk_size=1000):
        row.key, row.label, row.salesforce_id, row.message, row.detail = f"erased-{row.pk}", "", "", ERASED, {}
        row.save(update_fields=["key", "label", "salesforce_id", "message", "detail"])
        changed += 1
    return changed


def _orgs_of(record: Record, links: list[RecordLink]) -> set[int]:
    """Connections in which the record is linked or once was: rows of former links may still wait there."""
    once = LinkEvent.objects.filter(**owner_of(record)).order_by().values_list("org_id", flat=True).distinct()
    return {*once, *(each.org.pk for each in links)}
