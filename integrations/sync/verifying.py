"""Whether the ledger is true: every finished run's rows add up (I-01), and its state says what they say (I-12)."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Count, F, QuerySet, Sum

from integrations.models import RowOutcome, Run, RunObject

CLASSES = ("written", "unchanged", "skipped", "failed", "not_attempted")


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing in the ledger that cannot be true."""

    run: int
    what: str

    def __str__(self) -> str:
        return f"Run #{self.run}: {self.what}"


def count_finished() -> int:
    """How many runs `breaches` looks at."""
    return _finished().count()


def breaches() -> Iterator[Breach]:
    """Everything that does not hold, over all finished runs; nothing is loaded but what is wrong."""
    yield from _sums_that_differ()
    yield from _more_rows_than_counted()
    yield from _false_successes()
    yield from _ends_without_time()


def _finished() -> "QuerySet[Run]":
    return Run.objects.exclude(state__in=Run.ACTIVE)


def _sums_that_differ() -> Iterator[Breach]:
    total = sum((F(name) for name in CLASSES[1:]), F(CLASSES[0]))
    counted = RunObject.objects.exclude(run__state__in=Run.ACTIVE).annotate(total=total).exclude(read=F("total"))
    for each in counted.order_by("run_id").values("run_id", "name", "read", *CLASSES).iterator():
        said = ", ".join(f"{each[name]} {name.replace('_', ' ')}" for name in CLASSES)
        yield Breach(each["run_id"], f"{each['name']}: {each['read']} rows read, but {said}.")


def _more_rows_than_counted() -> Iterator[Breach]:
    """The row log holds samples; it can never hold more rows of a class than were counted."""
    for outcome in RowOutcome.Outcome.values:
        logged = RunObject.objects.exclude(run__state__in=Run.ACTIVE).filter(rows__outcome=outcome)
        over = logged.annotate(logged=Count("rows")).filter(logged__gt=F(outcome)).order_by("run_id")
        for each in over.values("run_id", "name", "logged", outcome).iterator():
            said = f"{each['logged']} rows are logged as {outcome}, but {each[outcome]} counted"
            yield Breach(each["run_id"], f"{each['name']}: {said}.")


def _false_successes() -> Iterator[Breach]:
    bad = Sum("objects_touched__failed", default=0) + Sum("objects_touched__not_attempted", default=0)
    successes = Run.objects.filter(state=Run.State.SUCCESS).annotate(bad=bad).filter(bad__gt=0)
    for pk, count in successes.order_by("id").values_list("pk", "bad").iterator():
        yield Breach(pk, f"is a success, although {count} rows failed or were not attempted.")


def _ends_without_time() -> Iterator[Breach]:
    for pk in _finished().filter(finished_at=None).order_by("id").values_list("pk", flat=True).iterator():
        yield Breach(pk, "has ended, but nobody knows when.")
