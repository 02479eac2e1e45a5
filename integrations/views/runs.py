"""Pages of the ledger: list, one run with live progress, its rows, start, cancel and retry."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations import outbox_pages, queries
from integrations.access import Person, Refusal, access
from integrations.audit import address_of, record
from integrations.chosen_org import scope_of
from integrations.exports import stream_csv
from integrations.fresh import ask_again, is_fresh
from integrations.models import Run, SalesforceOrg
from integrations.sorting import sort_of
from integrations.sync import jobs, row_retries, runs

PAGE = 50
LARGE_EXPORT = 10_000  # rows; more need a fresh sign-in (S-060)
FILTERS = ("state", "domain", "org", "job", "number")


@require_safe
@access("analyst", each_domain=True)
def run_list(request: HttpRequest) -> HttpResponse:
    """Runs, newest first, filtered by what stands in the address."""
    chosen = {name: request.GET.get(name, "") for name in FILTERS} | {"org": scope_of(request)}
    sort = sort_of(request.GET.get("sort", ""), queries.RUN_COLUMNS)
    found = queries.runs_shown_to(request.user, queries.find_runs(**chosen, sort=sort))
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    for run in page:
        run.label = queries.job_label(run.job)
    folded = not sort and request.GET.get("quiet") != "show"
    context = {
        "page": page,
        "sort": sort,
        "folds": queries.fold_quiet(page) if folded else [queries.Fold([run]) for run in page],
        "chosen": chosen,
        "states": Run.State.choices,
        "orgs": SalesforceOrg.objects.only("id", "name"),
        "jobs": jobs.every(),
        "startable": _startable(request.user),
        "domains": sorted({job.domain for job in jobs.every()}),
    }
    return render(request, "runs/list.html", context)


def _startable(user: Person) -> list[jobs.Job]:
    """Jobs that a general button starts, of those that `user` may start."""
    known = [job for job in jobs.every() if job.per_org and not job.by_hand]
    return [job for job in known if not queries.denial_of_job(user, job.domain)]


def _shown(request: HttpRequest, pk: int) -> Run:
    """The run, for those who may look at it."""
    runs_ = queries.runs_shown_to(request.user, Run.objects.select_related("org", "requested_by", "resumed_from"))
    return get_object_or_404(runs_, pk=pk)


def _own(request: HttpRequest, pk: int) -> Run:
    """The run, for those who may cancel and retry it: operators, and admins of its domain."""
    run = _shown(request, pk)
    if reason := queries.denial_of_job(request.user, run.domain):
        raise PermissionDenied(reason)
    return run


def _context(run: Run, user: Person) -> dict[str, object]:
    counts = queries.counts_of(run)
    done = counts["read"]
    return {
        "run": run,
        "label": queries.job_label(run.job),
        "counts": counts,
        "undone": row_retries.undone_rows(run),
        "percent": min(100, round(100 * done / run.total)) if run.total else None,
        "objects": run.objects_touched.filter(read__gt=0).order_by("name"),
        "causes": queries.causes_of(run, user=user),
        "chunks": run.chunks.order_by("position"),
        "may_act": not queries.denial_of_job(user, run.domain),
    }


@require_safe
@access("analyst", each_domain=True)
def run_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One run: how far, what came of each row, why."""
    run = _shown(request, pk)
    outcome, code = request.GET.get("outcome", ""), request.GET.get("code", "")
    rows = Paginator(queries.rows_of(run, outcome=outcome, code=code), PAGE).get_page(request.GET.get("page"))
    shown = list(queries.shown_to(request.user, rows.object_list))
    context = {**_context(run, request.user), **outbox_pages.read_run(run)}
    context |= {"rows": rows, "shown": shown, "outcome": outcome, "code": code}
    return render(request, "runs/detail.html", context)


@require_safe
@access("analyst", each_domain=True)
def run_progress(request: HttpRequest, pk: int) -> HttpResponse:
    """The live part of the page, asked for each 2 s; 286 tells htmx to stop."""
    run = _shown(request, pk)
    return render(request, "runs/progress.html", _context(run, request.user), status=200 if run.is_active else 286)


@require_safe
@access("analyst", each_domain=True)
def run_rows_csv(request: HttpRequest, pk: int) -> HttpResponseBase:
    """One line for each listed row of the run, as filtered."""
    run = _shown(request, pk)
    rows = queries.rows_of(run, outcome=request.GET.get("outcome", ""), code=request.GET.get("code", ""))
    if not is_fresh(request) and rows[LARGE_EXPORT:].exists():
        return ask_again(request, request.get_full_path())
    record("export.rows", actor=request.user, target=f"run {run.pk}", address=address_of(request))
    header = [
        "object", "key", "label", "salesforce_id", "outcome", "code", "message", "request", "salesforce_code", "http_status",
        "at",
    ]  # fmt: skip
    lines = (
        [
            row.run_object.name, row.key, row.label, row.salesforce_id, row.outcome, row.code, row.message,
            *queries.said_of(row).values(), row.at.isoformat(),
        ]
        for row in queries.shown_to(request.user, rows.iterator(2000))
    )  # fmt: skip
    return stream_csv(f"run-{run.pk}-rows", header, lines)


@require_POST
@access("operator", each_domain=True)
def start(request: HttpRequest) -> HttpResponse:
    """Run a job now for one connection."""
    org = get_object_or_404(SalesforceOrg, pk=queries.id_in(request.POST.get("org", "")))
    try:
        job = jobs.get(request.POST.get("job", ""))
    except KeyError as error:
        raise Http404 from error
    if reason := queries.denial_of_job(request.user, job.domain):
        raise PermissionDenied(reason)
    if not org.is_connected:
        messages.error(request, f"{org.name} is {org.get_state_display().lower()}; connect it first.")
        return redirect("integrations:runs")
    run = runs.request_run(job.name, org=org, trigger=Run.Trigger.MANUAL, user=request.user, now=timezone.now())
    record("run.started", actor=request.user, target=f"run {run.pk} ({job.name}, {org.name})", address=address_of(request))
    return redirect("integrations:run", pk=run.pk)


@require_POST
@access("operator", each_domain=True)
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop the run at its next save."""
    run = _own(request, pk)
    if runs.cancel_run(run, user=request.user, now=timezone.now()):
        record("run.cancelled", actor=request.user, target=f"run {run.pk}", address=address_of(request))
        messages.success(request, f"Run #{run.pk} stops at its next step.")
    else:
        messages.info(request, f"Run #{run.pk} had already ended.")
    return redirect("integrations:run", pk=run.pk)


@require_POST
@access("operator", each_domain=True)
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    """A new run of the same job."""
    run = runs.retry_run(_own(request, pk), user=request.user, now=timezone.now())
    record("run.retried", actor=request.user, target=f"run {pk} as {run.pk}", address=address_of(request))
    return redirect("integrations:run", pk=run.pk)


@require_POST
@access("operator", each_domain=True)
def retry_rows(request: HttpRequest, pk: int) -> HttpResponse:
    """A new run for the rows that failed or were not attempted, and no others."""
    run = _own(request, pk)
    try:
        again = row_retries.retry_rows(run, user=request.user, now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("integrations:run", pk=pk)
    record("run.rows_retried", actor=request.user, target=f"run {pk} as {again.pk}", address=address_of(request))
    return redirect("integrations:run", pk=again.pk)
