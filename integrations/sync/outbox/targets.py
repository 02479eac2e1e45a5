"""Targets of the outbox: which rows of which kind go to which object, and the lake tables that belong to them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from integrations import audit
from integrations.access import Person
from integrations.lake.tables import columns_of, drop_table, ensure_table
from integrations.models import LakeTable, OutboxPush, OutboxTarget, Run, SalesforceOrg
from integrations.salesforce.ids import is_id, to_18
from integrations.salesforce.soql import field_name, object_name
from integrations.sync.outbox import kinds
from integrations.sync.outbox.columns import LONGEST, PATH, Column

ACCEPTED_OWN = (("key_", "text"), ("id_", "text"), ("unsure_", "text"), ("gone_", "flag"))
SENT_OWN = (
    ("key_", "text"), ("id_", "text"), ("parent_", "text"), ("label_", "text"), ("new_", "flag"), ("remove_", "flag"),
    ("sent_", "text"), ("known_", "text"), ("place_", "whole"),
)  # fmt: skip
ANSWER_OWN = (
    ("key_", "text"), ("id_", "text"), ("created_", "flag"), ("outcome_", "text"), ("error_", "text"), ("place_", "whole"),
)  # fmt: skip


def ensure_target(org: SalesforceOrg, *, kind: str, object: str, key_field: str = "Id") -> OutboxTarget:  # noqa: A002
    """The target of that kind and object; made when it is new. Another key field starts its accepted state anew."""
    kinds.get(kind)
    wanted = {"key_field": field_name(key_field)}
    target, _ = OutboxTarget.objects.get_or_create(org=org, kind=kind, object=object_name(object), defaults=wanted)
    if target.key_field != key_field:
        forget_accepted(target)
        target.key_field = key_field
        target.save(update_fields=["key_field"])
    return target


def forget_accepted(target: OutboxTarget) -> None:
    """Forget what Salesforce accepted of a target: its next push sends everything. Waiting rows go too."""
    table, target.accepted = target.accepted, None
    target.save(update_fields=["accepted"])
    target.rows.all().delete()
    if table is not None:
        drop_table(table)


def pause_target(target: OutboxTarget, *, reason: str, user: Person | None, now: datetime) -> None:
    """Nothing is pushed to the target until it is resumed."""
    _set_state(target, OutboxTarget.State.PAUSED, reason, user)


def resume_target(target: OutboxTarget, *, user: Person | None, now: datetime) -> None:
    """Pushes go on with the next run."""
    _set_state(target, OutboxTarget.State.ACTIVE, "", user)


def _set_state(target: OutboxTarget, state: str, reason: str, user: Person | None) -> None:
    before = target.state
    if OutboxTarget.objects.filter(pk=target.pk).exclude(state=state).update(state=state, reason=reason):
        audit.record(f"outbox.{state}", actor=user, target=target, before={"state": before}, after={"reason": reason})
    target.refresh_from_db()


# --- lake tables ------------------------------------------------------------------------------------------------------


def family_of(target: OutboxTarget) -> str:
    """What erasures call the rows of a target (I-23): its object, or object and key where the key is no Salesforce id."""
    by_id = target.key_field.lower() == "id"
    return target.object if by_id else f"{target.object}.{target.key_field}"[:80]


def fit_columns(table: LakeTable | None, columns: Iterable[Column]) -> tuple[Column, ...]:
    """The columns under names that the table has for their kind: a field whose type changed gets a new column (R-055)."""
    known = {} if table is None else {name.lower(): kind for name, kind in columns_of(table)}
    fitted = []
    for column in columns:
        if known.get(column.name.lower(), column.kind) != column.kind:
            column = replace(column, name=f"{column.name[: LONGEST - 20]}{PATH}{column.kind}")
        fitted.append(column)
    return tuple(fitted)


def ensure_accepted(target: OutboxTarget, columns: Sequence[Column]) -> LakeTable:
    """The table of accepted states, wide enough for these columns."""
    table = ensure_table(
        f"outbox/{target.pk}",
        columns=[*ACCEPTED_OWN, *((column.name, column.kind) for column in columns)],
        key="key_",
        removed="gone_",
        org=target.org,
        family=family_of(target),
    )
    if target.accepted is None or target.accepted.pk != table.pk:
        OutboxTarget.objects.filter(pk=target.pk).update(accepted=table)
        target.accepted = table
    target.accepted = table
    return table


def ensure_sent(push: OutboxPush, columns: Sequence[Column]) -> LakeTable:
    """The table of the rows of one push: what is sent, and what stood there before."""
    own = [*SENT_OWN]
    for column in columns:
        own += [(column.name, column.kind), (column.before, column.kind)]
    return _push_table(push, "sent", own)


def ensure_answers(push: OutboxPush) -> LakeTable:
    """The table of what became of the rows of one push."""
    return _push_table(push, "answers", ANSWER_OWN)


def _push_table(push: OutboxPush, name: str, columns: Sequence[tuple[str, str]]) -> LakeTable:
    target = push.target
    family = family_of(target)
    return ensure_table(f"outbox/{target.pk}/{name}/{push.pk}", columns=columns, key="key_", org=target.org, family=family)


def other_columns(table: LakeTable, columns: Sequence[Column]) -> list[str]:
    """Accepted columns that a push does not write."""
    taken = {column.name.lower() for column in columns} | {name for name, _ in ACCEPTED_OWN}
    return [name for name, _ in columns_of(table) if name.lower() not in taken]


def is_planned(run: Run, target: OutboxTarget) -> bool:
    """Whether the outbox took the rows of this run for the target in already and goes on with them."""
    return OutboxPush.objects.filter(run=run, target=target).exclude(fields=[]).exists()


def id_or_blank(text: str) -> str:
    """`text` as an 18-character id, "" when it is none."""
    return to_18(text) if is_id(text) else ""
