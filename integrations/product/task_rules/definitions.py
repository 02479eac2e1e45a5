"""Setting up task rules: save, switch on, pause, archive. A rule changes nothing about tasks that it made already (PX-41)."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import Entity, SalesforceOrg
from integrations.product import signals
from integrations.product.health.scoring import BadParts
from integrations.product.models import Segment, TaskRule
from integrations.product.task_rules.conditions import Condition, read_conditions, write_conditions
from integrations.salesforce.ids import is_id, to_18

NUMBERS = {"due_in_days": (0, 365), "cooldown_days": (0, 3650), "most_a_day": (1, 2000)}
TEXTS = {"name": 80, "subject": 200, "priority": 40, "status": 40}
LONGEST_DESCRIPTION = 8_000
USER = "005"


@dataclass(frozen=True)
class Draft:
    """A rule as a form or an API call gives it."""

    org: SalesforceOrg
    name: str
    subject: str
    conditions: Any = field(default_factory=list)
    match: str = TaskRule.Match.ALL
    segment: Segment | None = None
    description: str = ""
    priority: str = "Normal"
    status: str = "Not Started"
    due_in_days: int = 3
    owner: str = TaskRule.Owner.ACCOUNT
    owner_id: str = ""
    cooldown_days: int = 30
    most_a_day: int = 100


PLAIN = (
    "org", "name", "subject", "match", "segment", "description", "priority", "status", "due_in_days", "owner", "cooldown_days",
    "most_a_day",
)  # fmt: skip


def save_rule(
    rule: TaskRule | None, draft: Draft, *, user: Person | None, now: datetime, address: str | None = None
) -> TaskRule:
    """Make a rule (as a draft) or change one. `BadParts` names every field that cannot be used, with the fix."""
    conditions = check(draft, rule)
    stored = rule or TaskRule(key=uuid.uuid4().hex[:20], created_at=now)
    if rule is not None and rule.state == TaskRule.State.ARCHIVED:
        raise Refusal("archived", "The rule is archived; make a new one.")
    if rule is not None and rule.org_id != draft.org.pk:
        raise Refusal("other_connection", "A rule stays with its connection; make a new one for the other.")
    before = describe(stored) if rule is not None else {}
    _fill(stored, draft, conditions)
    stored.changed_at = now
    if rule is None and user is not None and user.is_authenticated:
        stored.created_by = user  # pyright: ignore[reportAttributeAccessIssue]
    with transaction.atomic():
        stored.save()
        audit.record("task_rule.saved", actor=user, target=f"task rule {stored.name}", before=before, after=describe(stored),
                     address=address)  # fmt: skip
    return stored


def unsaved(draft: Draft, rule: TaskRule | None = None) -> TaskRule:
    """The rule that the draft would be, to try it out; nothing is stored."""
    conditions = check(draft, rule)
    made = TaskRule(pk=rule.pk if rule else None, key=rule.key if rule else "")
    _fill(made, draft, conditions)
    return made


def set_state(rule: TaskRule, state: str, *, user: Person | None, now: datetime, address: str | None = None) -> None:
    """Switch on, pause or archive. What is archived stays archived; its tasks stay in Salesforce."""
    allowed = {TaskRule.State.ACTIVE, TaskRule.State.PAUSED, TaskRule.State.ARCHIVED}
    if state not in allowed:
        raise Refusal("unknown_state", f"A rule can be made {', '.join(sorted(allowed))}.")
    if rule.state == TaskRule.State.ARCHIVED:
        raise Refusal("archived", "The rule is archived; make a new one.")
    if state == TaskRule.State.ACTIVE:
        check(draft_of(rule), rule)
    before, rule.state, rule.changed_at = rule.state, state, now
    if before != state:
        rule.save(update_fields=["state", "changed_at"])
        target = f"task rule {rule.name}"
        audit.record(f"task_rule.{state}", actor=user, target=target, before={"state": before}, address=address)


def check(draft: Draft, rule: TaskRule | None = None) -> tuple[Condition, ...]:
    """The conditions of a usable draft; `BadParts` names what cannot be used."""
    errors = dict(_field_errors(draft, rule))
    known = {key: each.type for key, each in signals.by_key(draft.org).items()}
    conditions: tuple[Condition, ...] = ()
    try:
        conditions = read_conditions(draft.conditions, known=known)
    except BadParts as error:
        errors |= error.errors
    else:
        if not conditions and draft.segment is None:
            errors["conditions"] = "Needs a condition or a segment; otherwise every customer would get a task."
    if errors:
        raise BadParts(errors)
    return conditions


def draft_of(rule: TaskRule) -> Draft:
    """The rule as a draft, to change some of it."""
    return Draft(conditions=rule.conditions, owner_id=rule.owner_id, **{name: getattr(rule, name) for name in PLAIN})


def describe(rule: TaskRule) -> dict[str, Any]:
    """The rule as the audit keeps it."""
    plain = {name: getattr(rule, name) for name in PLAIN if name not in ("org", "segment")}
    return {**plain, "org": rule.org_id, "segment": rule.segment_id, "owner_id": rule.owner_id, "conditions": rule.conditions}


def _fill(rule: TaskRule, draft: Draft, conditions: tuple[Condition, ...]) -> None:
    for name in PLAIN:
        setattr(rule, name, getattr(draft, name))
    rule.conditions = write_conditions(conditions)
    rule.owner_id = to_18(draft.owner_id) if draft.owner == TaskRule.Owner.USER else ""


def _field_errors(draft: Draft, rule: TaskRule | None) -> Mapping[str, str]:
    errors: dict[str, str] = {}
    for name, longest in TEXTS.items():
        text = getattr(draft, name)
        if not isinstance(text, str) or not text.strip() or len(text) > longest:
            errors[name] = f"Is 1 to {longest} characters long."
    others = TaskRule.objects.filter(org=draft.org, name__iexact=draft.name).exclude(state=TaskRule.State.ARCHIVED)
    if "name" not in errors and others.exclude(pk=rule.pk if rule is not None else None).exists():
        errors["name"] = "Another rule of this connection has this name."
    if not isinstance(draft.description, str) or len(draft.description) > LONGEST_DESCRIPTION:
        errors["description"] = f"Is at most {LONGEST_DESCRIPTION:,} characters long."
    for name, (least, most) in NUMBERS.items():
        value = getattr(draft, name)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            errors[name] = f"Is a whole number from {least} to {most}."
    if draft.match not in TaskRule.Match.values:
        errors["match"] = f"Is one of {', '.join(TaskRule.Match.values)}."
    if draft.owner not in TaskRule.Owner.values:
        errors["owner"] = f"Is one of {', '.join(TaskRule.Owner.values)}."
    elif draft.owner == TaskRule.Owner.USER and not (is_id(draft.owner_id) and draft.owner_id.startswith(USER)):
        errors["owner_id"] = "Is the id of a Salesforce user: 15 or 18 characters that begin with 005."
    if draft.segment is not None and (draft.segment.entity != Entity.CUSTOMER or draft.segment.archived_at is not None):
        errors["segment"] = "Is a segment of customers that is not archived."
    return errors
