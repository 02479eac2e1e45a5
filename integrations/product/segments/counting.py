"""The job that counts the members of every segment each day, so that a segment has a history."""

from datetime import UTC, datetime

from django.utils import timezone

from integrations.lake.failures import EngineError
from integrations.product.models.segments import Segment, SegmentCount
from integrations.product.segments.conditions import CycleFound
from integrations.product.segments.membership import count_members
from integrations.sync.mapping.problems import ProblemsFound
from integrations.sync.matching import spine
from integrations.sync.runs import Recorder

JOB, LABEL, DOMAIN = "product.segments", "Count of segments", "product"


def perform(recorder: Recorder) -> None:
    """One pass over all segments that are not archived; goes on after the one that the checkpoint names."""
    after = recorder.checkpoint.get("after", 0)
    tally = recorder.object("Segments")
    if not after:
        spine.refresh_spine(now=timezone.now(), run=recorder.run)
    for segment in Segment.objects.filter(archived_at=None, pk__gt=after).order_by("pk"):
        before = segment.members
        try:
            members = count_segment(segment, now=timezone.now())
        except (ProblemsFound, CycleFound, EngineError) as error:
            tally.failed(str(segment.pk), type(error).__name__, problem_of(error), label=segment.name)
        else:
            if members == before:
                tally.unchanged()
            else:
                tally.written(str(segment.pk), label=segment.name, detail={"before": before, "after": members})
        recorder.save({"after": segment.pk})
        recorder.breathe()


def count_segment(segment: Segment, *, now: datetime) -> int:
    """Count the members and keep the number, for the segment and for its UTC day.

    When the conditions cannot be used (a field is gone) that is kept as `problem` and raised: ProblemsFound or CycleFound.
    """
    try:
        members = count_members(segment, now=now)
    except (ProblemsFound, CycleFound) as error:
        Segment.objects.filter(pk=segment.pk).update(problem=problem_of(error)[:500])
        segment.problem = problem_of(error)[:500]
        raise
    keep_count(segment, members, now=now)
    return members


def keep_count(segment: Segment, members: int, *, now: datetime) -> None:
    """Remember how many members there are; of one day the last count stands."""
    Segment.objects.filter(pk=segment.pk).update(members=members, counted_at=now, problem="")
    segment.members, segment.counted_at, segment.problem = members, now, ""
    SegmentCount.objects.update_or_create(
        segment=segment, day=now.astimezone(UTC).date(), defaults={"members": members, "at": now}
    )


def problem_of(error: Exception) -> str:
    """What is wrong with the conditions, for a person."""
    if isinstance(error, ProblemsFound):
        return " ".join(each.message for each in error.problems)
    return str(error)
