"""Several product records that hold one Salesforce id (PX-07): none of them is pushed until it is clear which one wins (PX-D9).

A person chooses, and the choice is in the journal; or, if the mapping says so, the most recently active record wins by itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max

from integrations.access import Person, Refusal
from integrations.models import EndUser, Entity, LinkEvent, Mapping, RecordLink, SalesforceOrg
from integrations.sync import retrying
from integrations.sync.matching.links import Record, entity_of, owner_of

IDS = 500
CHOSEN, MOST_ACTIVE = "chosen", "most_active"


@dataclass(frozen=True, slots=True)
class Claim:
    """One product record that is linked to the contested Salesforce record."""

    record_id: int
    external_id: str
    name: str
    last_active_at: datetime | None
    rule: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """A Salesforce record with several claims, most recently active first. `winner` is the record that is pushed, and `how` it
    was decided (chosen, most_active); None and "" while nobody has."""

    salesforce_id: str
    object: str
    claims: tuple[Claim, ...]
    winner: int | None = None
    how: str = ""


def conflicts(
    org: SalesforceOrg, entity: str, *, most_active_wins: bool | None = None, open_only: bool = False, limit: int | None = None
) -> list[Conflict]:
    """Contested Salesforce records of an entity, by id. Without `most_active_wins` the mapping in force says it."""
    automatic = _automatic(org, entity) if most_active_wins is None else most_active_wins
    found = []
    for ids in _chunks(_contested(org, entity)):
        found += _read(org, entity, ids, automatic)
        found = [each for each in found if not open_only or each.winner is None]
        if limit is not None and len(found) >= limit:
            return found[:limit]
    return found


def count_contested(org: SalesforceOrg | None) -> int:
    """Salesforce records with several claims, decided or not."""
    links = RecordLink.objects.filter(state=RecordLink.State.ACTIVE)
    links = links if org is None else links.filter(org=org)
    return links.order_by().values("org", "entity", "salesforce_id").annotate(n=Count("id")).filter(n__gt=1).count()


def losers_of(org: SalesforceOrg, entity: str, *, most_active_wins: bool | None = None) -> dict[int, str]:
    """Records that must not be pushed, with the reason: all but the winner of each conflict, all of them without a winner."""
    losers: dict[int, str] = {}
    for conflict in conflicts(org, entity, most_active_wins=most_active_wins):
        names = ", ".join(each.external_id for each in conflict.claims[:5]) + (", …" if len(conflict.claims) > 5 else "")
        reason = {
            "": f"{len(conflict.claims)} records are linked to {conflict.salesforce_id} ({names}); choose which one wins.",
            CHOSEN: f"Another record was chosen to be sent to {conflict.salesforce_id} ({names}).",
            MOST_ACTIVE: f"A more recently active record is sent to {conflict.salesforce_id} ({names}).",
        }[conflict.how]
        losers |= {each.record_id: reason for each in conflict.claims if each.record_id != conflict.winner}
    return losers


def choose_winner(record: Record, *, org: SalesforceOrg, actor: Person | None, now: datetime, reason: str = "") -> Conflict:
    """From now on this record is the one that is pushed to its Salesforce record. `Refusal` when there is no conflict."""
    entity = entity_of(record)

    def write() -> str:
        link = RecordLink.objects.select_for_update().filter(org=org, **owner_of(record)).first()
        if link is None or link.state != RecordLink.State.ACTIVE:
            raise Refusal("not_linked", "This record has no active link, so it cannot win.")
        rivals = RecordLink.objects.select_for_update().filter(
            org=org, entity=entity, state=RecordLink.State.ACTIVE, salesforce_id=link.salesforce_id
        )
        if len(rivals) < 2:
            raise Refusal("no_conflict", f"No other record is linked to {link.salesforce_id}.")
        if not link.wins:
            rivals.update(wins=False)
            RecordLink.objects.filter(pk=link.pk).update(wins=True)
            LinkEvent.objects.create(
                org=org, entity=entity, action=LinkEvent.Action.CHOSEN, before_id=link.salesforce_id,
                after_id=link.salesforce_id, rule=link.rule, actor=actor, at=now,
                reason=(reason or f"Chosen among {len(rivals)} records.")[:255], **owner_of(record),
            )  # fmt: skip
        return link.salesforce_id

    salesforce_id = retrying.in_transaction(write)
    return _read(org, entity, [salesforce_id], _automatic(org, entity))[0]


def _automatic(org: SalesforceOrg, entity: str) -> bool:
    """Whether the mapping in force lets the most recently active record win."""
    mapping = Mapping.objects.filter(org=org, entity=entity).first()
    version = mapping.versions.filter(number=mapping.version).first() if mapping else None
    return bool(version and version.body.get("most_active_wins"))


def _contested(org: SalesforceOrg, entity: str) -> list[str]:
    links = RecordLink.objects.filter(org=org, entity=entity, state=RecordLink.State.ACTIVE).order_by()
    groups = links.values("salesforce_id").annotate(n=Count("id")).filter(n__gt=1)
    return sorted(groups.values_list("salesforce_id", flat=True))


def _read(org: SalesforceOrg, entity: str, ids: Sequence[str], automatic: bool) -> list[Conflict]:
    links = RecordLink.objects.filter(org=org, entity=entity, state=RecordLink.State.ACTIVE, salesforce_id__in=ids)
    rows = list(links.select_related("customer" if entity == Entity.CUSTOMER else "end_user"))
    active = _activity(entity, [_record(each, entity) for each in rows])
    groups: dict[str, list[RecordLink]] = {}
    for each in rows:
        groups.setdefault(each.salesforce_id, []).append(each)
    return [_conflict(entity, groups[each], active, automatic) for each in ids if len(groups.get(each, ())) > 1]


def _conflict(entity: str, links: Sequence[RecordLink], active: dict[int, datetime | None], automatic: bool) -> Conflict:
    claims = []
    for link in links:
        record = _record(link, entity)
        claims.append(Claim(record.pk, record.external_id, record.name, active[record.pk], link.rule))
    claims.sort(key=lambda each: (-each.last_active_at.timestamp() if each.last_active_at else 0.0, each.record_id))
    chosen = [_record(each, entity).pk for each in links if each.wins]
    if len(chosen) == 1:
        winner, how = chosen[0], CHOSEN
    elif automatic and claims[0].last_active_at is not None:
        winner, how = claims[0].record_id, MOST_ACTIVE
    else:
        winner, how = None, ""
    return Conflict(links[0].salesforce_id, links[0].object, tuple(claims), winner, how)


def _record(link: RecordLink, entity: str) -> Any:
    return link.customer if entity == Entity.CUSTOMER else link.end_user


def _activity(entity: str, records: Sequence[Any]) -> dict[int, datetime | None]:
    """When each record was last active; a customer is as active as its most recently seen user."""
    found: dict[int, datetime | None] = {each.pk: each.last_seen_at for each in records}
    if entity == Entity.CUSTOMER:
        users = EndUser.objects.filter(customer__in=list(found), erased_at=None).order_by()
        for customer, seen in users.values_list("customer").annotate(seen=Max("last_seen_at")):
            found[customer] = max((each for each in (found[customer], seen) if each), default=None)
    return found


def _chunks(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + IDS] for start in range(0, len(ids), IDS))
