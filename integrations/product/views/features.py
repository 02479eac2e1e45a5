"""Pages of features: the list with recent use, the editor that tries rules out before they are saved, and deleting."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations.access import Refusal, access, has_role
from integrations.audit import address_of
from integrations.lake.failures import EngineError
from integrations.product.kpis import defining
from integrations.product.kpis.defining import FeatureProblems
from integrations.product.kpis.editor import Editor, read_editor, say_rules, write_editor
from integrations.product.kpis.rules import MATCH_LABELS, OP_LABELS, Wanted
from integrations.product.models import Feature


@require_safe
@access("analyst")
def feature_list(request: HttpRequest) -> HttpResponse:
    """All features, with events and people of the last 30 complete days."""
    trouble, usage = "", {}
    try:
        usage = defining.usage_of_features(now=timezone.now())
    except EngineError as error:
        trouble = error.message
    rows = [(each, say_rules(each.rules), usage.get(each.pk)) for each in Feature.objects.all()]
    context = {"rows": rows, "trouble": trouble, "may_change": has_role(request.user, "operator", "product")}
    return render(request, "product/features/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def feature_new(request: HttpRequest) -> HttpResponse:
    """A new feature."""
    if request.method == "POST":
        return _posted(request, None)
    event = request.GET.get("event", "").replace("\0", "")[:200]
    return _show(request, None, write_editor(rules=[{"event": event}] if event else []))


@require_http_methods(["GET", "HEAD", "POST"])
@access("analyst")
def feature(request: HttpRequest, pk: int) -> HttpResponse:
    """One feature; operators change it here."""
    found = get_object_or_404(Feature, pk=pk)
    if request.method == "POST":
        if not has_role(request.user, "operator", "product"):
            messages.error(request, "Operators and admins change features.")
            return redirect("product:feature", pk=pk)
        return _posted(request, found)
    return _show(request, found, write_editor(found.key, found.name, found.rules, active=found.active, as_kpi=found.as_kpi))


def _posted(request: HttpRequest, found: Feature | None) -> HttpResponse:
    editor, verb = read_editor(request.POST), request.POST.get("verb", "")
    if found is not None:
        editor.key = found.key
    if verb == "save":
        return _save(request, found, editor)
    if verb == "try":
        return _try(request, found, editor)
    editor.change(verb)
    return _show(request, found, editor, dirty=True)


def _save(request: HttpRequest, found: Feature | None, editor: Editor) -> HttpResponse:
    try:
        saved = defining.save_feature(
            editor.wanted, feature=found, user=request.user, now=timezone.now(), address=address_of(request)
        )
    except FeatureProblems as error:
        editor.add_problems(error.problems)
        return _show(request, found, editor, status=400, dirty=True)
    except Refusal as refusal:
        editor.errors["rules"] = [refusal.message]
        return _show(request, found, editor, status=409, dirty=True)
    messages.success(request, f"{saved.name} is saved; its figures come with the next computation.")
    return redirect("product:features")


def _try(request: HttpRequest, found: Feature | None, editor: Editor) -> HttpResponse:
    """Count what the rules fit; what is wrong with key or name does not matter yet."""
    wanted = editor.wanted
    probe = Wanted(found.key if found else "preview", "Preview", wanted.rules)
    try:
        rules = defining.check(probe, found or Feature(key="preview"))
        tried = defining.try_rules(rules, now=timezone.now())
    except FeatureProblems as error:
        editor.add_problems(error.problems)
        return _show(request, found, editor, status=400, dirty=True)
    except EngineError as error:
        editor.errors["rules"] = [error.message]
        return _show(request, found, editor, status=400, dirty=True)
    return _show(request, found, editor, tried=tried, dirty=True)


def _show(request: HttpRequest, found: Feature | None, editor: Editor, *, status: int = 200, **extra: Any) -> HttpResponse:
    if not editor.rules:
        editor.change("add")
    try:
        names = defining.known_events(now=timezone.now())
    except EngineError:
        names = []
    context = {
        "feature": found, "editor": editor, "matches": MATCH_LABELS.items(), "ops": OP_LABELS.items(), "names": names,
        "may_change": has_role(request.user, "operator", "product"),
    }  # fmt: skip
    return render(request, "product/features/edit.html", {**context, **extra}, status=status)


@require_POST
@access("operator")
def feature_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a feature that no mapping pushes."""
    found = get_object_or_404(Feature, pk=pk)
    try:
        defining.delete_feature(found, user=request.user, now=timezone.now(), address=address_of(request))
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("product:feature", pk=pk)
    messages.success(request, f"{found.name} is deleted.")
    return redirect("product:features")
