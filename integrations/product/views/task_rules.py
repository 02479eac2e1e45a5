"""Pages of task rules: the list, one rule with the tasks that it made and a dry run, the editor (PX-41)."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations.access import Refusal, access, has_role
from integrations.audit import address_of, record
from integrations.chosen_org import chosen_org
from integrations.exports import stream_csv
from integrations.form_tokens import sent_once
from integrations.fresh import ask_again, is_fresh
from integrations.models import SalesforceOrg
from integrations.product.health.forms import choices_of
from integrations.product.health.scoring import BadParts
from integrations.product.models import Segment, TaskRule
from integrations.product.task_rules import checking, conditions, definitions, forms, key_field, making, queries
from integrations.sorting import order_of, sort_of
from integrations.sync import runs

PAGE = 50
LARGE_EXPORT = 10_000  # rows; more need a fresh sign-in (S-060)


@require_safe
@access("member")
def task_rules(request: HttpRequest) -> HttpResponse:
    """The rules of all connections or of the chosen one."""
    org, sort = chosen_org(request), sort_of(request.GET.get("sort", ""), queries.RULE_COLUMNS)
    chosen = {name: request.GET.get(name, "") for name in ("text", "state")}
    found = queries.find_rules(org=org, text=chosen["text"], state=chosen["state"]).order_by(
        *order_of(sort, queries.RULE_COLUMNS, usual=["org", "name", "pk"])
    )
    orgs = [org] if org is not None else list(SalesforceOrg.objects.exclude(state=SalesforceOrg.State.DISCONNECTED))
    context = {
        "page": Paginator(found, PAGE).get_page(request.GET.get("page")), "chosen": chosen, "sort": sort,
        "states": queries.RULE_STATES, "orgs": orgs,
        "missing": [(each, text) for each in orgs if (text := queries.lacks_key(each))],
    }  # fmt: skip
    return render(request, "product/task_rules/list.html", context)


@require_safe
@access("analyst")
def task_rules_csv(request: HttpRequest) -> HttpResponseBase:
    """The rules of the list, as filtered."""
    chosen = {name: request.GET.get(name, "") for name in ("text", "state")}
    found = queries.find_rules(org=chosen_org(request), text=chosen["text"], state=chosen["state"]).order_by(
        "org", "name", "pk"
    )
    record("export.task_rules", actor=request.user, target="task rules", address=address_of(request))
    rows = ([*_plain(rule), getattr(rule, "made"), getattr(rule, "waits")] for rule in found)  # noqa: B009  annotated
    header = ["rule", "connection", "state", "subject", "segment", "cooldown_days", "matching", "checked_at", "made", "waiting"]
    return stream_csv("task-rules", header, rows)


def _plain(rule: TaskRule) -> list[Any]:
    checked = rule.checked_at.isoformat() if rule.checked_at else ""
    return [
        rule.name, rule.org.name, rule.state, rule.subject, rule.segment or "", rule.cooldown_days, rule.matching, checked,
    ]  # fmt: skip


@require_safe
@access("member")
def task_rule(request: HttpRequest, pk: int) -> HttpResponse:
    """One rule: when it holds, what its tasks say, the tasks that it made; with `?try=1` what it would do now."""
    rule = get_object_or_404(TaskRule.objects.select_related("org", "segment", "created_by"), pk=pk)
    chosen = {name: request.GET.get(name, "") for name in ("text", "state")}
    tasks = queries.find_tasks(rule=rule, **chosen)
    trial, trouble = None, ""
    if request.GET.get("try") and has_role(request.user, "analyst", "product"):
        try:
            trial = checking.try_rule(rule, now=timezone.now())
        except BadParts as error:
            trouble = str(error)
    context = {
        "rule": rule, "page": Paginator(tasks, PAGE).get_page(request.GET.get("page")), "chosen": chosen, "trial": trial,
        "trouble": trouble, "states": queries.TASK_STATES, "words": queries.words_of(rule), "total": rule.tasks.count(),
        "missing": queries.lacks_key(rule.org),
    }  # fmt: skip
    return render(request, "product/task_rules/detail.html", context)


@require_safe
@access("analyst")
def tasks_csv(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The tasks of the page, as filtered."""
    rule = get_object_or_404(TaskRule, pk=pk)
    found = queries.find_tasks(rule=rule, text=request.GET.get("text", ""), state=request.GET.get("state", ""))
    if not is_fresh(request) and found[LARGE_EXPORT:].exists():
        return ask_again(request, request.get_full_path())
    record("export.tasks", actor=request.user, target=f"task rule {rule.name}", address=address_of(request))
    return stream_csv("tasks", queries.TASK_HEADER, queries.task_lines(found))


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def task_rule_create(request: HttpRequest) -> HttpResponse:
    """A new rule, as a draft."""
    wanted = request.POST.get("org") or request.GET.get("org", "")
    org = SalesforceOrg.objects.filter(pk=wanted).first() if wanted.isdigit() else chosen_org(request)
    org = org or SalesforceOrg.objects.exclude(state=SalesforceOrg.State.DISCONNECTED).first()
    if org is None:
        messages.error(request, "Connect a Salesforce org first: tasks are made there.")
        return redirect("product:task_rules")
    return _edit(request, None, org)


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def task_rule_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a rule; tasks that it made stay as they are."""
    rule = get_object_or_404(TaskRule.objects.select_related("org", "segment"), pk=pk)
    return _edit(request, rule, rule.org)


def _edit(request: HttpRequest, rule: TaskRule | None, org: SalesforceOrg) -> HttpResponse:
    if request.method != "POST":
        return _show(request, rule, forms.write_form(rule, org))
    form, verb, trial = forms.read_form(request.POST, org), request.POST.get("verb", ""), None
    if verb == "save":
        return _save(request, rule, form)
    if verb == "add":
        form.add_line()
    elif verb == "try":
        try:
            trial = checking.try_rule(definitions.unsaved(form.draft(), rule), now=timezone.now())
        except BadParts as error:
            form.refuse(error.errors)
    return _show(request, rule, form, trial=trial)


def _save(request: HttpRequest, rule: TaskRule | None, form: forms.RuleForm) -> HttpResponse:
    with sent_once(request) as sending:
        if sending.is_repeat:
            return redirect(sending.url or "product:task_rules")
        try:
            saved = definitions.save_rule(
                rule, form.draft(), user=request.user, now=timezone.now(), address=address_of(request)
            )
        except (BadParts, Refusal) as error:
            sending.give_back()
            form.refuse(error.errors if isinstance(error, BadParts) else {"rule": error.message})
            return _show(request, rule, form, status=400)
        sending.led_to(f"/product/task-rules/{saved.pk}/")
    text = "Saved." if saved.state != TaskRule.State.DRAFT else "Saved as a draft. Try it, then switch it on."
    messages.success(request, text)
    return redirect("product:task_rule", pk=saved.pk)


def _show(
    request: HttpRequest, rule: TaskRule | None, form: forms.RuleForm, *, trial: Any = None, status: int = 200
) -> HttpResponse:
    context = {
        "rule": rule, "form": form, "org": form.org, "signals": choices_of(form.org), "operators": conditions.OPERATORS,
        "always": conditions.ALWAYS, "segments": Segment.objects.filter(entity="customer", archived_at=None), "trial": trial,
        "dirty": request.method == "POST", "orgs": SalesforceOrg.objects.exclude(state=SalesforceOrg.State.DISCONNECTED),
        "owners": TaskRule.Owner.choices, "matches": TaskRule.Match.choices,
    }  # fmt: skip
    return render(request, "product/task_rules/edit.html", context, status=status)


@require_POST
@access("operator")
def task_rule_state(request: HttpRequest, pk: int) -> HttpResponse:
    """Switch on, pause or archive."""
    rule = get_object_or_404(TaskRule.objects.select_related("org", "segment"), pk=pk)
    try:
        definitions.set_state(
            rule, request.POST.get("state", ""), user=request.user, now=timezone.now(), address=address_of(request)
        )
    except Refusal as refusal:
        messages.error(request, refusal.message)
    except BadParts as error:
        messages.error(request, f"The rule cannot be switched on: {error}")
    else:
        messages.success(request, f"{rule.name}: {rule.get_state_display().lower()}.")
    return redirect("product:task_rule", pk=pk)


@require_POST
@access("operator")
def task_rules_check(request: HttpRequest, org_pk: int) -> HttpResponse:
    """Check the rules of a connection now and make the tasks that are due."""
    org = get_object_or_404(SalesforceOrg, pk=org_pk)
    if not org.is_connected:
        messages.error(request, f"{org.name} is {org.get_state_display().lower()}; connect it first.")
        return redirect("product:task_rules")
    run = runs.request_run(making.JOB, org=org, user=request.user, now=timezone.now())
    record("run.started", actor=request.user, target=f"run {run.pk} ({making.JOB}, {org.name})", address=address_of(request))
    return redirect("integrations:run", pk=run.pk)


@require_POST
@access("operator")
def task_key_create(request: HttpRequest, org_pk: int) -> HttpResponse:
    """Create the key field of tasks in Salesforce."""
    org = get_object_or_404(SalesforceOrg, pk=org_pk)
    try:
        run = key_field.request_key_field(org, user=request.user, now=timezone.now(), address=address_of(request))
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("product:task_rules")
    return redirect("integrations:run", pk=run.pk)
