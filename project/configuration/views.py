"""The page of the configuration: what changed since the last file, a file's plan, applying it, the download. For admins."""

from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.views.decorators.http import require_POST, require_safe

from integrations import audit
from integrations.access import Refusal, access
from integrations.fresh import ask_again, is_fresh
from integrations.models import AppliedConfiguration, SalesforceOrg
from project.configuration.applying import apply_file, drift_of, plan_file
from project.configuration.exporting import export_configuration
from project.configuration.forms import FileForm
from project.configuration.planning import Plan

KEPT_SECONDS = 3600
SHOWN_FILES, SHOWN_LINES = 10, 300


@dataclass(frozen=True)
class Draft:
    """A file that somebody looks at, until it is applied or an hour has passed."""

    text: bytes
    renames: dict[str, str] = field(default_factory=dict)
    prune: bool = False


def _key(request: HttpRequest, token: str) -> str:
    return f"configuration:{request.user.pk}:{token}"


@require_safe
@access("admin")
def overview(request: HttpRequest) -> HttpResponse:
    """What changed since the last file was applied, earlier files, and the form for the next one."""
    return _overview(request, FileForm())


def _overview(request: HttpRequest, form: FileForm) -> HttpResponse:
    files = list(AppliedConfiguration.objects.select_related("actor")[:SHOWN_FILES])
    drift = drift_of(files[0], now=timezone.now()) if files else []
    context = {
        "form": form, "files": files, "last": files[0] if files else None, "drift": drift[:SHOWN_LINES],
        "more": max(0, len(drift) - SHOWN_LINES), "orgs": SalesforceOrg.objects.order_by("name"),
    }  # fmt: skip
    return render(request, "configuration/overview.html", context, status=400 if form.errors else 200)


@require_POST
@access("admin")
def plan(request: HttpRequest) -> HttpResponse:
    """What a file that was sent would do. Nothing is changed."""
    form = FileForm(request.POST, request.FILES)
    if not form.is_valid():
        return _overview(request, form)
    draft = Draft(form.cleaned_data["file"], form.cleaned_data["renames"], form.cleaned_data["prune"])
    return _plan(request, draft)


@require_POST
@access("admin")
def plan_again(request: HttpRequest, pk: int) -> HttpResponse:
    """What applying an earlier file once more would do."""
    applied = get_object_or_404(AppliedConfiguration, pk=pk)
    return _plan(request, Draft(applied.text.encode(), applied.renames))


def _plan(request: HttpRequest, draft: Draft, *, why: str = "") -> HttpResponse:
    made = plan_file(draft.text, renames=draft.renames, prune=draft.prune, actor=request.user, now=timezone.now())
    token = get_random_string(24)
    if made.changes and not made.problems:
        cache.set(_key(request, token), draft, KEPT_SECONDS)
    context = _shown(made) | {"token": token, "draft": draft, "why": why}
    return render(request, "configuration/plan.html", context, status=400 if made.problems else 409 if why else 200)


def _shown(made: Plan) -> dict[str, Any]:
    lines = [each for each in made.lines if each.action != "unchanged"]
    return {
        "plan": made, "lines": lines[:SHOWN_LINES], "more": max(0, len(lines) - SHOWN_LINES),
        "problems": made.problems[:SHOWN_LINES], "more_problems": max(0, len(made.problems) - SHOWN_LINES),
    }  # fmt: skip


@require_POST
@access("admin")
def apply(request: HttpRequest) -> HttpResponse:
    """Bring the file about that was looked at, if its plan is still the same."""
    if not is_fresh(request):
        return ask_again(request, reverse("configuration"))
    key = _key(request, request.POST.get("token", "")[:40])
    draft: Draft | None = cache.get(key)
    if draft is None:
        messages.info(request, "This file was applied already, or looked at more than an hour ago. Choose it once more.")
        return redirect("configuration")
    about: dict[str, Any] = {"renames": draft.renames, "prune": draft.prune, "expect": request.POST.get("digest", "none")}
    try:
        outcome = apply_file(
            draft.text, **about, actor=request.user, now=timezone.now(), address=audit.address_of(request)
        )  # fmt: skip
    except Refusal as refusal:
        return _plan(request, draft, why=refusal.message)
    cache.delete(key)
    if outcome.plan.problems:
        return render(request, "configuration/plan.html", _shown(outcome.plan) | {"draft": draft}, status=400)
    for problem in outcome.done.problems:
        messages.error(request, f"{problem.path}: {problem.message} What stands before it in the file was done.")
    if outcome.is_done:
        counts = outcome.done.counts
        words = f"{counts['create']} created, {counts['change']} changed, {counts['remove']} removed."
        messages.success(request, f"Applied: {words}")
    return redirect("configuration")


@require_safe
@access("admin")
def export(request: HttpRequest) -> HttpResponse:
    """The configuration as a file; an entry in the audit says who took it (S-110)."""
    org = request.GET.get("org", "")
    try:
        text = export_configuration(org=org, now=timezone.now())
    except Refusal as refusal:
        raise Http404(refusal.message) from refusal
    if request.method == "GET":
        address = audit.address_of(request)
        audit.record("configuration.exported", actor=request.user, target=org or "everything", address=address)
    response = HttpResponse(text, content_type="application/yaml; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="causeway.yaml"'
    return response


@require_safe
@access("admin")
def applied(request: HttpRequest, pk: int) -> HttpResponse:
    """The text of an earlier file."""
    found = get_object_or_404(AppliedConfiguration, pk=pk)
    response = HttpResponse(found.text, content_type="application/yaml; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="causeway-{found.pk}.yaml"'
    return response
