"""Links by hand: link, unlink, lock, unlock, and taking back an entry of the journal. Each change leaves a `LinkEvent`.

A link that a person made wins over all criteria (PX-D8). What a person unlinked is kept apart: rules leave it alone until
somebody links or unlocks it. Set-based changes are in `link_store`.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from django.db.models import F

from integrations.access import Person, Refusal
from integrations.models import Customer, EndUser, Entity, LinkEvent, MappingVersion, RecordLink, Run, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce.errors import NotFound, SalesforceError
from integrations.salesforce.ids import to_18
from integrations.salesforce.rest import read_record
from integrations.sync import retrying
from integrations.sync.mapping.body import OBJECT_OF
from integrations.sync.mirror import tables as mirror

Record = Customer | EndUser
Action, State = LinkEvent.Action, RecordLink.State
MANUAL = "manual"
T = TypeVar("T")


def entity_of(record: Record) -> Entity:
    """Which of the two kinds of product record it is."""
    return Entity.CUSTOMER if isinstance(record, Customer) else Entity.END_USER


def owner_of(record: Record) -> dict[str, Record]:
    """Keyword arguments that name the record in links and journal."""
    return {entity_of(record).value: record}


def link_of(record: Record, org: SalesforceOrg) -> RecordLink | None:
    """The record's link in that connection, whatever its state."""
    return RecordLink.objects.filter(org=org, **owner_of(record)).first()


def object_of(org: SalesforceOrg, entity: str) -> str:
    """The Salesforce object that the entity is matched with (PX-44): of the mapping in force, else the standard one."""
    in_force = MappingVersion.objects.filter(mapping__org=org, mapping__entity=entity, number=F("mapping__version"))
    return in_force.order_by("pk").values_list("body__object", flat=True).first() or OBJECT_OF[entity]


def link(
    record: Record, *, org: SalesforceOrg, salesforce_id: str, actor: Person | None, now: datetime, check: bool = True,
    reason: str = "",
) -> RecordLink:  # fmt: skip
    """Link by hand, or with a `reason` on behalf of something that knows the two belong together.

    `Refusal` when the id is none, no such record exists, or the link is locked to another record.
    """
    whole = _read_id(salesforce_id)
    object_ = object_of(org, entity_of(record))
    if check:
        _check_exists(org, object_, whole)

    def write(old: RecordLink | None) -> RecordLink:
        same = old is not None and old.state == State.ACTIVE and old.salesforce_id == whole
        if old is not None and same and old.rule == MANUAL:
            return old
        if old is not None and old.locked and old.state != State.APART and not same:
            raise Refusal("locked", "This link is locked; unlock it before linking another record.")
        fresh = old or RecordLink(org=org, entity=entity_of(record), **owner_of(record))
        before = fresh.salesforce_id if old else ""
        fresh.object, fresh.salesforce_id, fresh.rule, fresh.state = object_, whole, MANUAL, State.ACTIVE
        fresh.reason, fresh.locked, fresh.wins, fresh.run = reason, same and fresh.locked, False, None
        fresh.candidates, fresh.candidate_ids, fresh.linked_at = 1, [], now
        fresh.save()
        moved = bool(before) and before != whole
        _note(record, org, Action.MOVED if moved else Action.LINKED, before, whole, actor=actor, now=now, rule=MANUAL)
        return fresh

    return _changing(record, org, write)


def unlink(record: Record, *, org: SalesforceOrg, actor: Person | None, now: datetime, keep_apart: bool = True) -> None:
    """Take the link away; with `keep_apart` no rule makes a new one. `Refusal` when there is none or it is locked."""

    def write(old: RecordLink | None) -> None:
        if old is None or old.state == State.APART:
            raise Refusal("not_linked", "There is no link to take away.")
        if old.locked:
            raise Refusal("locked", "This link is locked; unlock it first.")
        before, rule = old.salesforce_id, old.rule
        if keep_apart:
            old.salesforce_id, old.rule, old.state, old.locked = "", MANUAL, State.APART, True
            old.reason, old.candidates, old.candidate_ids = "Unlinked by a person.", 0, []
            old.wins, old.run, old.linked_at = False, None, now
            old.save()
        else:
            old.delete()
        _note(record, org, Action.UNLINKED, before, "", actor=actor, now=now, rule=rule)

    _changing(record, org, write)


def lock(record: Record, *, org: SalesforceOrg, actor: Person | None, now: datetime) -> RecordLink:
    """Keep the link as it is: no match run changes it. `Refusal` when there is none."""

    def write(old: RecordLink | None) -> RecordLink:
        if old is None:
            raise Refusal("not_linked", "There is no link to lock; link a record first.")
        if not old.locked:
            old.locked = True
            old.save(update_fields=["locked"])
            _note(record, org, Action.LOCKED, old.salesforce_id, old.salesforce_id, actor=actor, now=now, rule=old.rule)
        return old

    return _changing(record, org, write)


def unlock(record: Record, *, org: SalesforceOrg, actor: Person | None, now: datetime) -> RecordLink | None:
    """Let match runs change it again. A record that was kept apart may be matched again; then there is no link (None)."""

    def write(old: RecordLink | None) -> RecordLink | None:
        if old is None:
            raise Refusal("not_linked", "There is nothing to unlock.")
        if not old.locked:
            return old
        _note(record, org, Action.UNLOCKED, old.salesforce_id, old.salesforce_id, actor=actor, now=now, rule=old.rule)
        if old.state == State.APART:
            old.delete()
            return None
        old.locked = False
        old.save(update_fields=["locked"])
        return old

    return _changing(record, org, write)


def undo(event: LinkEvent, *, actor: Person | None, now: datetime) -> LinkEvent:
    """Put back what the entry changed, as an entry of its own. `Refusal` when the link was changed again since, when it was
    undone already, or when Salesforce itself was the cause (a deletion or its end)."""
    record: Record | None = event.customer or event.end_user
    if record is None:
        raise Refusal("gone", "The record of this entry is gone.")
    if event.undone_by.exists():  # pyright: ignore[reportAttributeAccessIssue]
        raise Refusal("undone", "This entry was undone already.")
    last = LinkEvent.objects.filter(org=event.org, **owner_of(record)).order_by("-id").first()
    if last is None or last.pk != event.pk:
        raise Refusal("changed_since", "The link was changed again since; undo the newest entry first.")
    _put_back(record, event, actor=actor, now=now)
    made = LinkEvent.objects.filter(org=event.org, **owner_of(record)).order_by("-id").first()
    assert made is not None
    LinkEvent.objects.filter(pk=made.pk).update(undoes=event)
    made.refresh_from_db()
    return made


def _put_back(record: Record, event: LinkEvent, *, actor: Person | None, now: datetime) -> None:
    org = event.org
    if event.action == Action.LINKED:
        unlink(record, org=org, actor=actor, now=now)
    elif event.action == Action.MOVED:
        link(record, org=org, salesforce_id=event.before_id, actor=actor, now=now, check=False)
    elif event.action == Action.UNLINKED:
        if link_of(record, org) is not None:
            unlock(record, org=org, actor=actor, now=now)
        link(record, org=org, salesforce_id=event.before_id, actor=actor, now=now, check=False)
    elif event.action == Action.LOCKED:
        unlock(record, org=org, actor=actor, now=now)
    elif event.action == Action.UNLOCKED and link_of(record, org) is not None:
        lock(record, org=org, actor=actor, now=now)
    else:
        raise Refusal("not_undoable", f"“{event.get_action_display()}” cannot be undone; link or unlink the record instead.")


def _changing(record: Record, org: SalesforceOrg, write: Callable[[RecordLink | None], T]) -> T:
    """`write` with the link locked, and the record itself, so that two people do not make two links."""

    def work() -> T:
        model = type(record)
        held = model.objects.select_for_update().filter(pk=record.pk, erased_at=None).first()
        if held is None:
            raise Refusal("gone", "This record was erased or deleted.")
        return write(RecordLink.objects.select_for_update().filter(org=org, **owner_of(record)).first())

    return retrying.in_transaction(work)


def _note(
    record: Record, org: SalesforceOrg, action: str, before: str, after: str, *, actor: Person | None, now: datetime,
    rule: str = "", reason: str = "", run: Run | None = None,
) -> LinkEvent:  # fmt: skip
    return LinkEvent.objects.create(
        org=org, entity=entity_of(record), action=action, before_id=before, after_id=after, rule=rule, reason=reason,
        actor=actor, run=run, at=now, **owner_of(record),
    )  # fmt: skip


def _read_id(text: str) -> str:
    try:
        return to_18(str(text).strip())
    except ValueError:
        raise Refusal("not_an_id", "salesforce_id: must be a Salesforce record id of 15 or 18 characters.") from None


def _check_exists(org: SalesforceOrg, object_: str, salesforce_id: str) -> None:
    """Known to the mirror, or to Salesforce itself (the mirror may begin six months ago, PX-32)."""
    try:
        if mirror.find(org, object_, [salesforce_id], ["Id"]):
            return
    except Refusal:  # never read so far
        pass
    try:
        with client_for(org, domain="product") as client:
            read_record(client, object_, salesforce_id, fields=["Id"])
    except NotFound:
        raise Refusal("no_such_record", f"salesforce_id: there is no {object_} with this id, or it is hidden.") from None
    except SalesforceError as error:
        raise Refusal("not_checked", f"Salesforce could not be asked for this record: {error}") from error
