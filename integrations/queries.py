"""Everything that pages and API read about runs."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import Count, DurationField, ExpressionWrapper, F, IntegerField, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.expressions import BaseExpression
from django.db.models.functions import Coalesce, Now

from integrations.access import DOMAINS, Person, denial_of, domains_of, has_role
from integrations.masking import hide_people, mask_row, may_see_people
from integrations.models import RowOutcome, Run, RunObject
from integrations.sorting import order_of
from integrations.sync import jobs

K = TypeVar("K", bound=Hashable)
CLASSES = ("read", "written", "unchanged", "skipped", "failed", "not_attempted")


MOST_ID = 2**63 - 1


def id_in(text: str) -> int | None:
    """A primary key typed by a person, None for anything that cannot be one."""
    digits = text.strip().lstrip("#")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 and int(digits) <= MOST_ID else None


def count_each(wanted: Mapping[K, QuerySet[Any]]) -> dict[K, int]:
    """How many rows each query gives, in one statement for all of them."""
    names = list(wanted)
    counts = [
        wanted[name].order_by().annotate(_nth=Value(nth, IntegerField())).values("_nth").annotate(_n=Count("pk"))
        for nth, name in enumerate(names)
    ]
    if not counts:
        return {}
    found = counts[0].union(*counts[1:], all=True) if len(counts) > 1 else counts[0]
    return dict.fromkeys(names, 0) | {names[each["_nth"]]: each["_n"] for each in found}


# Columns of the list of runs; a run that has not ended yet has taken the time until now.
TOOK = ExpressionWrapper(Coalesce(F("finished_at"), Now()) - F("started_at"), output_field=DurationField())
RUN_COLUMNS: dict[str, str | BaseExpression] = {
    "run": "id", "connection": "org__name", "status": "state", "started": "started_at", "took": TOOK,
    **{name: f"rows_{name}" for name in CLASSES},
}  # fmt: skip


def find_runs(
    *, state: str = "", domain: str = "", org: str = "", job: str = "", number: str = "", sort: str = ""
) -> QuerySet[Run]:
    """Runs, newest first unless `sort` names a column, with their row counts; every text is from the address and may be ""."""
    runs = Run.objects.select_related("org", "requested_by")
    domain, job = (text.replace("\0", "") for text in (domain, job))  # PostgreSQL refuses NUL in any text
    if state in Run.State.values:
        runs = runs.filter(state=state)
    if domain:
        runs = runs.filter(domain=domain)
    if org.strip():
        runs = runs.filter(org_id=id_in(org) or 0)
    if job:
        runs = runs.filter(job=job)
    if number.strip():
        runs = runs.filter(pk=id_in(number) or 0)
    counted = runs.annotate(**{f"rows_{name}": _sum_of(name) for name in CLASSES})
    return counted.order_by(*order_of(sort, RUN_COLUMNS, usual=["-id"]))


def runs_shown_to(user: Person, runs: QuerySet[Run]) -> QuerySet[Run]:
    """All of them for analysts; those of their own domains for others, who are admins of these."""
    return runs if has_role(user, "analyst") else runs.filter(domain__in=domains_of(user))


def denial_of_job(user: Person, domain: str) -> str:
    """Why `user` may not start, cancel or retry runs of jobs of this domain; empty when they may (operators, its admins)."""
    return denial_of(user, "operator", domain if domain in DOMAINS else "", changes=True)


def _sum_of(name: str) -> Coalesce:
    """Rows of a class of one run. Asked for each run shown: joined and grouped, all 100,000 runs were added up for one page."""
    objects = RunObject.objects.filter(run=OuterRef("pk")).order_by().values("run")
    return Coalesce(Subquery(objects.annotate(n=Sum(name)).values("n")), 0)


@dataclass
class Fold:
    """Neighbors of a list of runs. Two or more that changed nothing are `quiet` and fold into one line."""

    runs: list[Run]
    quiet: bool = False


def fold_quiet(found: Iterable[Run]) -> list[Fold]:
    """The runs of a page (of `find_runs`) with those that changed nothing gathered, in the same order."""
    folds: list[Fold] = []
    for run in found:
        quiet = is_quiet(run)
        if folds and folds[-1].quiet and quiet:
            folds[-1].runs.append(run)
        else:
            folds.append(Fold([run], quiet))
    for fold in folds:
        fold.quiet = fold.quiet and len(fold.runs) > 1
    return folds


def is_quiet(run: Run) -> bool:
    """Whether a run ended well and nothing came of it: what it read was already right."""
    changed = ("written", "skipped", "failed", "not_attempted")
    return run.state == Run.State.SUCCESS and not any(getattr(run, f"rows_{name}") for name in changed)


def counts_of(run: Run) -> dict[str, int]:
    """The five classes and `read`, over all objects of the run."""
    return RunObject.objects.filter(run=run).aggregate(**{name: Sum(name, default=0) for name in CLASSES})


def causes_of(run: Run, *, user: Person) -> list[dict[str, Any]]:
    """Rows that are not simply written, grouped by outcome and code, biggest first, with one message as `user` may see it."""
    rows = RowOutcome.objects.filter(run_object__run=run).exclude(outcome=RowOutcome.Outcome.WRITTEN)
    groups = list(rows.values("outcome", "code", object=F("run_object__name")).annotate(n=Count("id")).order_by("-n", "code"))
    for group in groups:
        example = rows.filter(outcome=group["outcome"], code=group["code"], run_object__name=group["object"]).first()
        message = example.message if example else ""
        group["message"] = message if may_see_people(user) else hide_people(message)
    return groups


def rows_of(run: Run, *, outcome: str = "", code: str = "") -> QuerySet[RowOutcome]:
    """Row outcomes of a run, failed ones first."""
    rows = RowOutcome.objects.filter(run_object__run=run).select_related("run_object")
    if outcome in RowOutcome.Outcome.values:
        rows = rows.filter(outcome=outcome)
    if code:
        rows = rows.filter(code=code.replace("\0", ""))
    return rows.order_by("run_object__name", "outcome", "id")


def said_of(row: RowOutcome) -> dict[str, str]:
    """What the ledger kept of Salesforce's answer: kind of request, raw code and HTTP status, each "" when unknown.

    Jobs store them in a row's `detail` under these names; nothing else of a detail is shown (S-115).
    """
    detail = row.detail if isinstance(row.detail, dict) else {}
    return {name: str(detail.get(name) or "")[:80] for name in ("request", "salesforce_code", "http_status")}


def shown_to(user: Person, rows: Iterable[RowOutcome]) -> Iterator[RowOutcome]:
    """`rows` as `user` may see them: without the people in them for everybody below operator (S-115)."""
    return iter(rows) if may_see_people(user) else map(mask_row, rows)


def job_label(name: str) -> str:
    """The job's words for people; its name if the job is gone."""
    try:
        return jobs.get(name).label
    except KeyError:
        return name
