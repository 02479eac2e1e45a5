"""Segments are made, changed, archived and brought back: one verb each for pages, API, back office and templates.

Analysts change their own segments, operators all: conditions decide who sees what in the product.
"""

from dataclasses import replace
from datetime import datetime

from django.db import IntegrityError, transaction

from integrations.access import Person, Refusal, has_role
from integrations.audit import record
from integrations.models import Entity
from integrations.product.models.segments import Segment
from integrations.product.segments.conditions import CycleFound, Group, expand, read_tree, write_tree
from integrations.product.segments.fieldtypes import Known, SegmentRef
from integrations.product.segments.known import know, known_for
from integrations.sync.mapping.problems import Problem, ProblemsFound
from integrations.sync.matching.incoming import text_problem

LONGEST = {"name": 120, "description": 500}


def may_change(segment: Segment, user: Person) -> bool:
    """Whether this person may change the segment."""
    return has_role(user, "operator") or (has_role(user, "analyst") and segment.owner_id == user.pk)


def save_segment(
    segment: Segment | None, *, name: str, conditions: object, user: Person | None, now: datetime, entity: str = "",
    description: str = "", address: str | None = None,
) -> Segment:  # fmt: skip
    """Make a segment (`segment` None; then `entity` is needed) or change one. `user` None is the system.

    ProblemsFound tells all that is wrong, by place (`name`, `conditions.all[0].value`); Refusal for whom it is not allowed.
    """
    entity = segment.entity if segment else entity
    if segment is not None and user is not None:
        _refuse_others(segment, user)
    if entity not in Entity.values:
        raise ProblemsFound([Problem("entity", "entity", f"Choose one of {', '.join(Entity.values)}.")])
    problems = _check_words(segment, name, description)
    try:
        tree = checked_tree(segment, entity, conditions, name=name, known=known_for(user, entity))
    except ProblemsFound as error:
        raise ProblemsFound([*problems, *error.problems]) from error
    if problems:
        raise ProblemsFound(problems)
    stored = segment or Segment(entity=entity, owner=user, created_at=now)
    before = {"name": stored.name, "conditions": stored.conditions} if segment else None
    stored.name, stored.description, stored.conditions = name.strip(), description.strip(), write_tree(tree)
    stored.updated_at, stored.members, stored.counted_at, stored.problem = now, None, None, ""
    try:
        with transaction.atomic():
            stored.save()
    except IntegrityError as error:  # another request took the name meanwhile
        raise ProblemsFound([Problem("name", "taken", NAME_TAKEN)]) from error
    after = {"name": stored.name, "conditions": stored.conditions}
    record(
        "segment.changed" if segment else "segment.created",
        actor=user,
        target=stored,
        before=before,
        after=after,
        address=address,
    )
    return stored


NAME_TAKEN = "Another segment has this name; choose a different one."


def checked_tree(
    segment: Segment | None, entity: str, conditions: object, *, name: str = "", known: Known | None = None
) -> Group:
    """The tree of conditions as it could be stored: fields and values fit, and no segment asks itself in a circle."""
    known = known or know(entity)
    tree = read_tree(conditions, known)
    known = know(entity) if known.withheld else known  # segments that are named may ask what this person may not
    own = segment.pk if segment else None
    if own is not None:
        ref = SegmentRef(own, name.strip() or str(segment), entity, write_tree(tree))
        known = replace(known, segments={**known.segments, own: ref})
    try:
        expand(tree, known, own=own, own_name=name.strip() or "this segment")
    except CycleFound as error:
        raise ProblemsFound([Problem("conditions", "circle", str(error))]) from error
    return tree


def archive(segment: Segment, *, user: Person, now: datetime, address: str | None = None) -> Segment:
    """Hide a segment from lists; engagements and segments that name it go on. Twice is once."""
    _refuse_others(segment, user)
    if segment.archived_at is None:
        segment.archived_at = now
        segment.save(update_fields=["archived_at"])
        record("segment.archived", actor=user, target=segment, address=address)
    return segment


def restore(segment: Segment, *, user: Person, now: datetime, address: str | None = None) -> Segment:
    """Bring an archived segment back. Refusal when its name was taken meanwhile."""
    _refuse_others(segment, user)
    if segment.archived_at is not None:
        if _is_taken(segment, segment.name):
            raise Refusal("name_taken", f"Another segment is called “{segment.name}” by now. Rename that one first.")
        segment.archived_at, segment.updated_at = None, now
        segment.save(update_fields=["archived_at", "updated_at"])
        record("segment.restored", actor=user, target=segment, address=address)
    return segment


def segments_naming(segment: Segment) -> list[Segment]:
    """Segments whose conditions name this one."""
    others = Segment.objects.exclude(pk=segment.pk).order_by("name")
    return [each for each in others if _names(each.conditions, segment.pk)]


def _names(node: object, number: int) -> bool:
    if isinstance(node, dict):
        is_membership = str(node.get("field", "")).removeprefix("customer.") == "segment"
        return (is_membership and node.get("value") == number) or any(_names(each, number) for each in node.values())
    return isinstance(node, list) and any(_names(each, number) for each in node)


def _check_words(segment: Segment | None, name: str, description: str) -> list[Problem]:
    problems = []
    if not name.strip():
        problems.append(Problem("name", "required", "Give the segment a name."))
    elif _is_taken(segment, name.strip()):
        problems.append(Problem("name", "taken", NAME_TAKEN))
    for field, text in (("name", name), ("description", description)):
        if problem := text_problem(text.strip(), LONGEST[field]):
            problems.append(Problem(field, "text", problem))
    return problems


def _is_taken(segment: Segment | None, name: str) -> bool:
    others = Segment.objects.filter(name__iexact=name.replace("\0", ""), archived_at=None)
    return (others.exclude(pk=segment.pk) if segment else others).exists()


def _refuse_others(segment: Segment, user: Person) -> None:
    if not may_change(segment, user):
        raise Refusal("not_yours", "Operators change every segment, analysts those that they made. Save a copy of your own.")
