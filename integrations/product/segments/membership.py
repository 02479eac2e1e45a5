"""Whether one record is in segments, and who is in a segment: what engagements, tasks and pages ask."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from integrations.models import Customer, EndUser
from integrations.product.models.segments import Segment
from integrations.product.segments import asking
from integrations.product.segments.conditions import CycleFound, Group, expand, read_tree
from integrations.product.segments.evaluate import fulfils
from integrations.product.segments.fieldtypes import Known
from integrations.product.segments.known import know
from integrations.product.segments.records import RecordFacts, is_gone, record_of
from integrations.sync.mapping.problems import ProblemsFound

if TYPE_CHECKING:
    import pyarrow as pa

log = structlog.get_logger(__name__)


def matches(segment: Segment, record: EndUser | Customer, *, now: datetime) -> bool:
    """Whether the record is in the segment now; a segment of customers is asked about an end user's customer.

    Nobody is in a segment whose conditions no longer fit (a field is gone).
    """
    return segment.pk in matching([segment], record, now=now)


def matching(segments: Iterable[Segment], record: EndUser | Customer, *, now: datetime) -> set[int]:
    """The numbers of those segments that the record is in; what they need to know is read once for all of them."""
    known: dict[str, Known] = {}
    facts: dict[str, RecordFacts] = {}
    found = set()
    for segment in segments:
        asked = record_of(segment.entity, record)
        if asked is None or is_gone(asked):
            continue
        entity = segment.entity
        known[entity] = known.get(entity) or know(entity)
        facts[entity] = facts.get(entity) or RecordFacts(asked)
        tree = usable_tree(segment, known[entity])
        if tree is not None and fulfils(tree, known[entity].fields, facts[entity], now=now):
            found.add(segment.pk)
    return found


def usable_tree(segment: Segment, known: Known) -> Group | None:
    """The expanded conditions; None (and a line in the log) when they cannot be used any more."""
    try:
        return expand(read_tree(segment.conditions, known), known, own=segment.pk, own_name=segment.name)
    except (ProblemsFound, CycleFound) as error:
        log.warning("segment_unusable", segment=segment.pk, reason=type(error).__name__)
        return None


def question_of(segment: Segment, known: Known | None = None) -> asking.Question:
    """The members of a segment as a question. ProblemsFound or CycleFound when its conditions cannot be used."""
    known = known or know(segment.entity)
    return asking.Question(known, (read_tree(segment.conditions, known),), own=segment.pk)


def members_of(segment: Segment, *, now: datetime) -> "pa.Table":
    """Keys of the members (column `id`: of customers or end users). ProblemsFound or CycleFound as `question_of`."""
    return asking.member_ids(question_of(segment), now=now)


def count_members(segment: Segment, *, now: datetime) -> int:
    """How many members there are now."""
    return asking.count(question_of(segment), now=now)
