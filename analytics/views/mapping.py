"""The attribute map: what each attribute is read from, how well it is filled, presets, and one attribute at a time (FZ-D2)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from analytics.analyses import kinds
from analytics.attributes import authoring, editing, filling, linking, map_page
from analytics.attributes.body import MapBody, as_json
from analytics.attributes.catalogue import BY_KEY
from analytics.attributes.coverage import coverage_of
from analytics.attributes.presets import ABOUT, PRESETS
from analytics.attributes.reading import read_body
from analytics.connecting import starting
from analytics.models import AttributeMap
from analytics.views.set_up import connected_org, said
from integrations.access import Refusal, access, has_role
from integrations.models import SalesforceOrg
from integrations.salesforce.errors import SalesforceError
from integrations.sync.mapping.problems import ProblemsFound

VERSIONS = 20


@require_safe
@access("analyst")
def attribute_map(request: HttpRequest, org_id: int) -> HttpResponse:
    """Every attribute in its group; with `?preset=` what that preset would make, not saved."""
    org = connected_org(org_id)
    found = authoring.current_map(org)
    preset = request.GET.get("preset", "")
    context: dict[str, Any] = {
        "org": org, "presets": [(key, label, ABOUT[key]) for key, label in PRESETS.items()], "preset": preset,
        "number": found[1] if found is not None else 0, "is_operator": has_role(request.user, "operator", "analytics"),
        "versions": AttributeMap.objects.filter(org=org).select_related("author").defer("body")[:VERSIONS],
    }  # fmt: skip
    try:
        context |= _shown(org, found, preset)
        if "coverage" in request.GET:
            _cover(org, context)
    except (Refusal, SalesforceError) as error:
        context["problem"] = said(error)
    return render(request, "analytics/map.html", context)


def _shown(org: SalesforceOrg, found: tuple[MapBody, int] | None, preset: str) -> dict[str, Any]:
    """The map in force, or what a preset would make of the org."""
    if found is not None and not preset:
        body, notes = found[0], {}
    else:
        filled = filling.fill_preset(org, preset or filling.choose_preset(org))
        body, notes = linking.with_best_linking(org, filled.body), filled.notes
        preset = filled.preset
    labels = {each.name: each.label for each in kinds.every()}
    groups = map_page.groups_of(body, notes=notes, labels=labels)
    return {"groups": groups, "preset": preset, "is_preview": bool(notes), "body": body, "settings": body.settings}


@require_safe
@access("analyst")
def map_coverage(request: HttpRequest, org_id: int) -> HttpResponse:
    """The list of attributes with how well each is filled: comes after the page, because it may ask Salesforce."""
    org = connected_org(org_id)
    preset = request.GET.get("preset", "")
    found = authoring.current_map(org)
    context: dict[str, Any] = {
        "org": org,
        "with_coverage": True,
        "is_operator": has_role(request.user, "operator", "analytics"),
    }
    try:
        context |= _shown(org, found, preset)
        _cover(org, context)
    except (Refusal, SalesforceError) as error:
        context["problem"] = said(error)
    return render(request, "analytics/map_attributes.html", context)


def _cover(org: SalesforceOrg, context: dict[str, Any]) -> None:
    """Add to each attribute of the page how well it is filled."""
    covered = coverage_of(org, context["body"])
    for group in context["groups"]:
        group.rows = [replace(row, coverage=covered.get(row.desired.key)) for row in group.rows]
    context["with_coverage"] = True


@require_POST
@access("operator")
def map_preset(request: HttpRequest, org_id: int) -> HttpResponse:
    """Put a preset's map in force as the next version."""
    org = connected_org(org_id)
    try:
        filled = filling.fill_preset(org, request.POST.get("preset", ""))
        body = linking.with_best_linking(org, filled.body)
        saved = authoring.save_map(org, body, actor=request.user, now=timezone.now(), preset=filled.preset)
    except (Refusal, SalesforceError, ProblemsFound) as error:
        messages.error(request, said(error))
    else:
        messages.success(request, f"{PRESETS[filled.preset]} is in force (version {saved.number}).")
    return redirect("analytics:map", org_id=org.pk)


@require_POST
@access("operator")
def map_settings(request: HttpRequest, org_id: int) -> HttpResponse:
    """What amounts and end dates mean, the usual term, the scales of surveys."""
    org = connected_org(org_id)
    try:
        body, number = _to_change(org)
        data = as_json(body) | {"settings": {name: request.POST.get(name, "") for name in body.settings}}
        authoring.save_map(org, read_body(data), actor=request.user, now=timezone.now(), expected=number)
    except (Refusal, SalesforceError, ProblemsFound) as error:
        messages.error(request, said(error))
    else:
        messages.success(request, "Saved. Facts follow with the next sync.")
    return redirect("analytics:map", org_id=org.pk)


@require_POST
@access("operator")
def map_revert(request: HttpRequest, org_id: int) -> HttpResponse:
    """Put an earlier version in force again, as a new one."""
    org = connected_org(org_id)
    number = request.POST.get("number", "")
    try:
        body = authoring.map_of(org, int(number) if number.isdigit() else 0)
        saved = authoring.save_map(org, body, actor=request.user, now=timezone.now())
    except (Refusal, SalesforceError, ProblemsFound) as error:
        messages.error(request, said(error))
    else:
        messages.success(request, f"Version {number} is in force again, as version {saved.number}.")
    return redirect("analytics:map", org_id=org.pk)


@require_safe
@access("analyst")
def map_export(request: HttpRequest, org_id: int) -> HttpResponse:
    """The map in force as a file."""
    org = connected_org(org_id)
    found = authoring.current_map(org)
    if found is None:
        raise Http404
    answer = JsonResponse(as_json(found[0]), json_dumps_params={"indent": 1})
    answer["Content-Disposition"] = f'attachment; filename="attributes-{org.pk}-v{found[1]}.json"'
    return answer


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def map_attribute(request: HttpRequest, org_id: int, key: str) -> HttpResponse:
    """Choose where one attribute stands; the form shows the fields of the object that is chosen in it."""
    org = connected_org(org_id)
    if key not in BY_KEY:
        raise Http404
    try:
        body, number = _to_change(org)
        if request.method == "POST":
            return _save(request, org, key, body, number)
        editor = map_page.open_editor(org, key, body, request.GET)
    except (Refusal, SalesforceError) as error:
        messages.error(request, said(error))
        return redirect("analytics:map", org_id=org.pk)
    return _editor_page(request, org, editor, number)


def _save(request: HttpRequest, org: SalesforceOrg, key: str, body: MapBody, number: int) -> HttpResponse:
    """Unmap, or map as the form says; what does not fit is said in the form."""
    editor = map_page.open_editor(org, key, body, request.POST)
    expected = request.POST.get("number", "")
    try:
        source = None if "unmap" in request.POST else map_page.source_of(editor, request.POST)
        changed, gone = editing.with_source(body, key, source)
        shown = int(expected) if expected.isdigit() else number
        authoring.save_map(org, changed, actor=request.user, now=timezone.now(), expected=shown)
    except ProblemsFound as error:
        editor.problems = [each.message for each in error.problems]
    except (ValueError, Refusal) as error:
        editor.problems = [said(error)]
    else:
        words = f" {', '.join(gone)} stood on another object and must be chosen anew." if gone else ""
        messages.success(request, f"{BY_KEY[key].label}: saved.{words} Facts follow with the next sync.")
        return redirect("analytics:map", org_id=org.pk)
    return _editor_page(request, org, editor, number, status=422)


def _editor_page(
    request: HttpRequest, org: SalesforceOrg, editor: map_page.Editor, number: int, *, status: int = 200
) -> HttpResponse:
    part = request.headers.get("HX-Request") == "true" and request.method == "GET"
    template = "analytics/map_editor.html" if part else "analytics/map_attribute.html"
    return render(request, template, {"org": org, "editor": editor, "number": number}, status=status)


def _to_change(org: SalesforceOrg) -> tuple[MapBody, int]:
    """The map in force with its number; before the first one, what the presets make of the org, and 0."""
    found = authoring.current_map(org)
    return found if found is not None else (starting.map_to_start_with(org)[0], 0)


def lacks_by_kind(org: SalesforceOrg) -> Mapping[str, str]:
    """Why kinds of analyses are greyed out, by label."""
    return {each.label: reason for each in kinds.every() if (reason := each.lacks(org))}
