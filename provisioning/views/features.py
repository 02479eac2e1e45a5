"""Features: what plans and add-ons can give."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from integrations.access import access
from provisioning.catalogue import authoring, queries
from provisioning.catalogue.checking import CatalogueProblems
from provisioning.catalogue.forms import FeatureForm
from provisioning.models import Feature

PAGE = 50


@require_safe
@access("member")
def features(request: HttpRequest) -> HttpResponse:
    """All features."""
    text, kind = request.GET.get("text", "")[:100], request.GET.get("kind", "")
    archived = request.GET.get("archived") == "1"
    found = queries.features(text=text, kind=kind, archived=archived)
    context = {
        "page": Paginator(found, PAGE).get_page(request.GET.get("page")), "text": text, "kind": kind, "archived": archived,
        "kinds": Feature.Kind.choices, "is_new": not Feature.objects.exists(),
        "has_archived": Feature.objects.exclude(archived_at=None).exists(),
    }  # fmt: skip
    return render(request, "provisioning/catalogue/features.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def feature_new(request: HttpRequest) -> HttpResponse:
    """A new feature."""
    form = FeatureForm(request.POST or None, initial={"feature_kind": Feature.Kind.BOOLEAN})
    if request.method == "POST" and form.is_valid() and (made := _save(request, form, form.key_of_new, fresh=True)):
        messages.success(request, f"{made} is there. Give it to plans and add-ons in their drafts.")
        return redirect("provisioning:feature", pk=made.pk)
    context = {"form": form, "kind": "feature"}
    return render(request, "provisioning/catalogue/feature_form.html", context, status=400 if form.errors else 200)


@require_safe
@access("member")
def feature(request: HttpRequest, pk: int) -> HttpResponse:
    """One feature, and who gives it."""
    found = get_object_or_404(Feature, pk=pk)
    return render(request, "provisioning/catalogue/feature.html", {"feature": found, "uses": queries.uses_of_feature(found)})


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def feature_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Its words, its unit, and its kind as long as nobody has it."""
    found = get_object_or_404(Feature, pk=pk)
    initial = {"name": found.name, "description": found.description, "feature_kind": found.kind, "unit": found.unit,
               "event_name": found.event_name}  # fmt: skip
    form = FeatureForm(request.POST or None, known=found, initial=initial)
    if request.method == "POST" and form.is_valid() and _save(request, form, found.key, fresh=False):
        messages.success(request, "Saved.")
        return redirect("provisioning:feature", pk=pk)
    context = {"form": form, "kind": "feature", "entry": found}
    return render(request, "provisioning/catalogue/feature_form.html", context, status=400 if form.errors else 200)


def _save(request: HttpRequest, form: FeatureForm, key: str, *, fresh: bool) -> Feature | None:
    data = form.cleaned_data
    try:
        return authoring.save_feature(
            key, name=data["name"], kind=data["feature_kind"], description=data["description"], unit=data["unit"],
            event_name=data["event_name"], actor=request.user, now=timezone.now(), must_be_new=fresh,
        )  # fmt: skip
    except CatalogueProblems as bad:
        form.add_problems(bad)
        return None
