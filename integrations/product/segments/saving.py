"""Segments are made, changed, archived and brought back: one verb each for pages, API, back office and templates.

Analysts change their own segments, operators all: conditions decide who sees what in the product.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from django.db import IntegrityError, transaction

from integrations import access
from integrations.access import Person, Refusal, has_role
from integrations.audit import record
from integrations.models import AuditEntry, Entity
from integrations.product.models.segments import Segment
from integrations.product.segments.conditions import CycleFound, Group, expand, read_tree, write_tree
from integrations.product.segments.fieldtypes import Known, SegmentRef
from integrations.product.segments.known import know, known_for
from integrations.sync.mapping.problems import Problem, ProblemsFound
from integrations.sync.matching.incoming import text_problem

LONGEST = {"name": 120, "description": 500}
CHANGED, GONE = "segment.changed", "This segment was deleted meanwhile. Save yours under a name of its own."


class ChangedMeanwhile(Refusal):
    """Somebody else saved the segment after its editor was opened. `stored` is the segment as it stands now."""

    def __init__(self, stored: Segment) -> None:
        self.stored = stored
        last = AuditEntry.objects.filter(action=CHANGED, target=str(stored)).order_by("-id").first()
        self.by = (last.actor_name or "the system") if last else "somebody"
        when = f"{stored.updated_at:%Y-%m-%d %H:%M:%S} UTC"
        super().__init__(
            "changed_meanwhile", f"{self.by} changed this segment at {when}. Read it again, then send your change."
        )


def version_of(segment: Segment) -> str:
    """What an editor remembers of the segment that it began with; every save gives another one."""
    return segment.updated_at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def may_change(segment: Segment, user: Person) -> bool:
    """Whether this person may change the segment."""
    return has_role(user, "operator", "product") or (
        access.may_change(user, "analyst", "product") and segment.owner_id == user.pk
    )


def save_segment(
    segment: Segment | None, *, name: str, conditions: object, user: Person | None, now: datetime, entity: str = "",
    description: str = "", address: str | None = None, version: str = "",
) -> Segment:  # fmt: skip
    """Make a segment (`segment` None; then `entity` is needed) or change one. `user` None is the system.

    `version` is what `version_of` gave when the editor began: `ChangedMeanwhile` when another save came between. Without it the
    last save wins. ProblemsFound tells all that is wrong, by place (`name`, `conditions.all[0].value`); Refusal for whom it is
    not allowed.
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
    wanted = {"name": name.strip(), "description": description.strip(), "conditions": write_tree(tree)}
    with _stored(segment, entity, user, now) as stored:
        before = {"name": stored.name, "conditions": stored.conditions} if segment else None
        if segment is not None and version and version != version_of(stored):
            if all(getattr(stored, key) == value for key, value in wanted.items()):
                return stored  # the same form sent twice
            raise ChangedMeanwhile(stored)
        for key, value in wanted.items():
            setattr(stored, key, value)
        stored.updated_at, stored.members, stored.counted_at, stored.problem = _later(now, stored), None, None, ""
        stored.save()
        after = {"name": stored.name, "conditions": stored.conditions}
        action = CHANGED if segment else "segment.created"
        record(action, actor=user, target=stored, before=before, after=after, address=address)
    return stored


@contextmanager
def _stored(segment: Segment | None, entity: str, user: Person | None, now: datetime) -> Iterator[Segment]:
    """A new segment, or the one in the database as it stands now, locked until the save is done: of two saves at once the
    second sees the first."""
    try:
        with transaction.atomic():
            if segment is None:
                yield Segment(entity=entity, owner=user, created_at=now, updated_at=now)
                return
            found = Segment.objects.select_for_update(of=("self",)).filter(pk=segment.pk).first()
            if found is None:
                raise Refusal("gone", GONE)
            yield found
    except IntegrityError as error:  # another request took the name meanwhile
        raise ProblemsFound([Problem("name", "taken", NAME_TAKEN)]) from error


def _later(now: datetime, stored: Segment) -> datetime:
    """Now, and after the save before in any case: the instant is the version."""
    return max(now, stored.updated_at + timedelta(microseconds=1)) if stored.pk else now


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
