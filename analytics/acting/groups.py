"""Keeping the customers behind a number, and making a segment of them (FZ-D14)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from analytics.models import Group, GroupMember, GroupPush, Result
from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import Attribute, Customer, Entity
from integrations.product.models import Segment
from integrations.product.segments.saving import save_segment
from integrations.sync.mapping.types import BOOLEAN
from integrations.sync.matching.saving import save_customers

MOST, LONGEST = 100_000, 120
BATCH = 5_000


def keep_group(
    result: Result, cell: Mapping[str, Any], rows: Iterable[Mapping[str, Any]], *, name: str, words: str, actor: Person | None,
    now: datetime,
) -> Group:  # fmt: skip
    """Keep the customers of one number as they are now. `rows`: `subject`, `customer_id`, `account_id` of each.

    Refusals: no_name, name_taken, nobody, too_many.
    """
    org = result.analysis.org
    name = name.strip()
    if not name or len(name) > LONGEST:
        raise Refusal("no_name", f"Give the group a name of at most {LONGEST} characters.")
    if Group.objects.filter(org=org, name__iexact=name, archived_at=None).exists():
        raise Refusal("name_taken", f"A group called “{name}” exists already. Choose another name.")
    listed = list(rows)
    if not listed:
        raise Refusal("nobody", "There is no customer behind this number, so there is nothing to keep.")
    if len(listed) > MOST:
        raise Refusal("too_many", f"{len(listed):,} customers are behind this number; a group holds at most {MOST:,}.")
    with transaction.atomic():
        group = Group.objects.create(
            org=org, name=name, analysis=result.analysis, cell=dict(cell), words=words[:500], as_of=result.as_of, owner=actor,
            created_at=now,
        )  # fmt: skip
        known = set(Customer.objects.filter(erased_at=None, merged_into=None).values_list("pk", flat=True))
        GroupMember.objects.bulk_create((_member(group, row, known) for row in listed), batch_size=BATCH)
        audit.record("analytics.group_kept", actor=actor, target=group, after={"members": len(listed)})
    return group


def _member(group: Group, row: Mapping[str, Any], known: set[int]) -> GroupMember:
    customer = row.get("customer_id")
    return GroupMember(
        group=group, subject=row["subject"], customer_id=customer if customer in known else None,
        account_id=row.get("account_id") or "",
    )  # fmt: skip


def attribute_key(group: Group) -> str:
    """The customer attribute that says who is in the group."""
    return f"group_{group.pk}"


def make_segment(group: Group, *, actor: Person | None, now: datetime) -> Segment:
    """A segment of the group's customers, for messages and mappings: they get an attribute, and the segment asks for it.

    Accounts that no customer is linked with cannot be in it. Calling it again gives the same segment. Refusal: nobody.
    """
    if group.segment is not None:
        return group.segment
    ids = _external_ids(group)
    if not ids:
        raise Refusal("nobody", "No customer of the product is in this group: its accounts are not linked.")
    key, about = attribute_key(group), {"label": f"In group: {group.name}"[:120], "type": BOOLEAN}
    Attribute.objects.get_or_create(entity=Entity.CUSTOMER, key=key, defaults=about)
    save_customers([{"external_id": each, "attributes": {key: True}} for each in ids], now=now)
    with transaction.atomic():
        segment = save_segment(
            None, name=_free_name(group.name), entity=Entity.CUSTOMER, user=actor, now=now,
            conditions={"all": [{"field": f"attributes.{key}", "op": "is_true"}]},
            description=f"Kept from analytics: {group.words}"[:500],
        )  # fmt: skip
        Group.objects.filter(pk=group.pk).update(segment=segment)
        audit.record(
            "analytics.group_segment", actor=actor, target=group, after={"segment": segment.name, "customers": len(ids)}
        )
    group.segment = segment
    return segment


def _external_ids(group: Group) -> Sequence[str]:
    """Of those that were not erased; one that was merged away leads to its survivor when it is saved."""
    members = group.members.filter(customer__erased_at=None).exclude(customer=None)
    return list(members.values_list("customer__external_id", flat=True))


def _free_name(name: str) -> str:
    taken = {each.lower() for each in Segment.objects.filter(archived_at=None).values_list("name", flat=True)}
    for number in range(1, 1_000):
        wanted = name if number == 1 else f"{name[:110]} ({number})"
        if wanted.lower() not in taken:
            return wanted
    raise Refusal("name_taken", f"Too many segments are called “{name}”.")


def archive(group: Group, *, actor: Person | None, now: datetime) -> None:
    """Hide it from the list. Refusal while something of it stands in Salesforce."""
    if group.pushes.filter(state__in=[GroupPush.State.ACTIVE, GroupPush.State.ENDING]).exists():
        raise Refusal("in_salesforce", "This group stands in Salesforce; take it back there first.")
    Group.objects.filter(pk=group.pk, archived_at=None).update(archived_at=now)
    audit.record("analytics.group_archived", actor=actor, target=group)
