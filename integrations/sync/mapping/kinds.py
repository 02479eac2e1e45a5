"""The two kinds of rows that mappings hand to the outbox: fields of customers and of end users (PX-35, PX-36, PX-D13)."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.urls import reverse
from django.utils import timezone

from integrations.models import Entity, Mapping, OutboxTarget, Run, SalesforceOrg
from integrations.salesforce.describe import ObjectInfo
from integrations.sync.mapping import facts, versions
from integrations.sync.mapping.body import PUSH
from integrations.sync.mapping.check import Usable, usable
from integrations.sync.mapping.counting import note_dropped
from integrations.sync.mapping.prefix import has_prefix
from integrations.sync.matching.link_store import suspend_links
from integrations.sync.outbox.kinds import GoneRecords, OutboxKind, Prepared
from integrations.sync.outbox.targets import ensure_target
from integrations.sync.runs import Recorder

PREFIX, PUSH_JOB = "mapping.", "mapping.push"
LABELS = {Entity.CUSTOMER: "Customer fields", Entity.END_USER: "End-user fields"}
FIXES = {
    "too_long": "Shorten the value of {fields} at its source, or have it cut (an option of the line on the page Mappings).",
    "not_in_picklist": "Translate the value on the page Mappings, or add it to the picklist {fields} in Salesforce.",
    "out_of_range": "Correct the number at its source, widen {fields} in Salesforce, or choose another on the page Mappings.",
    "not_an_email": "Correct the e-mail address at its source, or choose another field than {fields} on the page Mappings.",
    "date_range": "Correct the date at its source, or choose another field than {fields} on the page Mappings.",
    "required": "Give the value at its source: {fields} cannot be empty. Or take the line out on the page Mappings.",
    "no_time_zone": "Send the moment with its time zone, or choose another field than {fields} on the page Mappings.",
    "incompatible": "Choose another field than {fields} for this value on the page Mappings.",
}
OTHERWISE = "Correct the value at its source, or choose another field than {fields} for it on the page Mappings."


def kind_of(entity: str) -> str:
    """The outbox kind of an entity's fields."""
    return f"{PREFIX}{entity}"


def outbox_kinds() -> list[OutboxKind]:
    """Both kinds, to be registered."""
    return [
        OutboxKind(
            name=kind_of(entity), label=label, domain=facts.DOMAIN, may_write=may_write, operations=("update",),
            blank="clear_if_written", human_edits="ours", desired=desired_rows, targets=targets_of(entity),
            on_deleted=on_deleted, fix=fix_of, page=page_of, job=PUSH_JOB,
        )
        for entity, label in LABELS.items()
    ]  # fmt: skip


@lru_cache
def targets_of(entity: str) -> Callable[[SalesforceOrg], list[OutboxTarget]]:
    """Where the rows of an entity go in a connection: the object of its mapping, once that is set up and pushes something."""

    def find(org: SalesforceOrg) -> list[OutboxTarget]:
        mapping = versions.find_mapping(org, entity)
        body = versions.body_of(mapping)
        if mapping.state != Mapping.State.ACTIVE or not body.pairs_of(PUSH):
            return []
        return [ensure_target(org, kind=kind_of(entity), object=body.object)]

    return find


def mapping_of(target: OutboxTarget) -> Mapping:
    """The mapping that fills a target; an unsaved draft when there is none any more."""
    return versions.find_mapping(target.org, target.kind.removeprefix(PREFIX))


def may_write(target: OutboxTarget, info: ObjectInfo, field: str) -> str:
    """Only prefixed fields of the mapping's own object may be written; the reason otherwise (PX-36, PX-44)."""
    body = versions.body_of(mapping_of(target))
    if body.object.lower() != info.name.lower():
        return f"the mapping writes {body.object} now"
    return "" if has_prefix(field, body.prefix) else f"only fields that begin with {body.prefix} are written"


def on_deleted(target: OutboxTarget, records: GoneRecords, *, run: Run | None, now: datetime) -> None:
    """Records that turned out to be gone: their links are suspended, the product's records stay (R-138, PX-D15)."""
    suspend_links(target.org, target.object, [salesforce_id for _, salesforce_id in records], run=run, now=now)


def fix_of(code: str, fields: Sequence[str]) -> str:
    """How a value that does not fit its field is cured (PX-D10): at its source, or on the page Mappings."""
    return FIXES.get(code, OTHERWISE).format(fields=", ".join(fields) or "the field")


def page_of(target: OutboxTarget) -> str:
    """The page of the mapping that fills a target."""
    return reverse("integrations:mapping", args=[target.org.pk, target.kind.removeprefix(PREFIX)])


def desired_rows(target: OutboxTarget) -> Prepared:
    """What the mapping in force wants in the target now, for a dry run: rows and ledger as those of a push."""
    from integrations.sync.mapping import desired

    mapping = mapping_of(target)
    found, known = usable_of(mapping)
    sendings = desired.sendings_of(found.body, known)
    losers = desired.losers_of(target.org, found.body)
    left = desired.Left()
    rows = desired.stream(target.org, found.body, sendings, losers=losers, left=left, now=timezone.now())

    def tell(recorder: Recorder) -> None:
        note_dropped(recorder, found, PUSH)
        left.tell(mapping.entity, recorder)

    return Prepared(desired.spool(rows, desired.schema_of(sendings)), tell)


def usable_of(mapping: Mapping) -> tuple[Usable, Any]:
    """What of the body in force still fits, and the facts."""
    body = versions.body_of(mapping)
    known = facts.know_object(mapping.org, mapping.entity, body.object)
    return usable(body, known), known
