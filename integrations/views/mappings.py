"""Pages of the mappings: overview, the editor with checks and samples, object change, versions, dry run, synchronize."""

import json
from collections.abc import Mapping as Map
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations import mapping_pages
from integrations.access import Refusal, access, has_role
from integrations.audit import address_of, record
from integrations.chosen_org import chosen_org
from integrations.mapping_forms import MappingForm, read_form, write_form
from integrations.models import Entity, Mapping, SalesforceOrg
from integrations.salesforce.errors import SalesforceError
from integrations.sync import runs
from integrations.sync.mapping import catalogue, facts, files, objects, preview, synchronize, versions
from integrations.sync.mapping.body import PULL, PUSH
from integrations.sync.mapping.check import Known, problems_of
from integrations.sync.mapping.problems import ProblemsFound
from integrations.sync.mapping.suggest import suggest_pairs

LARGEST_FORM = 5000  # lines; a number beyond it is nobody's typing


@require_safe
@access("analyst")
def mapping_list(request: HttpRequest) -> HttpResponse:
    """What is matched and mapped, for every connection."""
    context = mapping_pages.read_overview(org=chosen_org(request), now=timezone.now())
    return render(request, "mappings/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@access("analyst")
def mapping_edit(request: HttpRequest, org_pk: int, entity: str) -> HttpResponse:
    """The editor. A POST checks, tries out, suggests, adds a line or saves, by the button that was pressed."""
    mapping = _mapping_of(org_pk, entity)
    if request.method == "POST" and not has_role(request.user, "operator"):
        messages.error(request, "Operators and admins change mappings.")
        return redirect("integrations:mapping", org_pk=org_pk, entity=entity)
    if request.method != "POST":
        form = read_form(write_form(versions.body_of(mapping), version=mapping.version), entity)
        return _show(request, mapping, form)
    form = read_form(request.POST, entity)
    verb = request.POST.get("verb", "")
    if verb == "save":
        return _save(request, mapping, form)
    return _show(request, mapping, form, verb=verb)


def _save(request: HttpRequest, mapping: Mapping, form: MappingForm) -> HttpResponse:
    now = timezone.now()
    if form.is_valid and form.body is not None:
        stored = versions.open_mapping(mapping.org, mapping.entity, now=now)
        try:
            version = versions.save_version(
                stored,
                form.body,
                user=request.user,
                now=now,
                note=form.note,
                expected=form.expected,
                address=address_of(request),
            )
        except ProblemsFound as error:
            form.add_problems(error.problems)
        except (Refusal, SalesforceError) as error:
            form.errors.setdefault("", []).append(str(error))
        else:
            messages.success(request, f"Saved as version {version.number}. It counts from the next run on.")
            return redirect("integrations:mapping", org_pk=mapping.org.pk, entity=mapping.entity)
    return _show(request, mapping, form, status=400)


def _show(request: HttpRequest, mapping: Mapping, form: MappingForm, *, verb: str = "", status: int = 200) -> HttpResponse:
    """The page around the form, with samples when asked for; a connection that cannot be read is said, not an error page."""
    trouble, shown, known = "", None, Known({}, None, {})
    try:
        known = facts.know_object(mapping.org, mapping.entity, form.data.get("object", ""))
        if verb == "suggest" and form.body is not None and known.info is not None:
            form = _with_suggestions(request, form, known)
        if verb == "import" and form.body is not None:  # made elsewhere: what does not exist here is said at once
            form.add_problems(problems_of(form.body, known))
        if verb == "preview" and form.body is not None:
            shown = preview.preview(mapping, form.body, now=timezone.now())
            form.add_problems(shown.problems)
    except (Refusal, SalesforceError) as error:
        trouble = str(error)
    editor = mapping_pages.read_editor(mapping.org, mapping.entity, form, known, preview=shown)
    if verb in ("add-pull", "add-push"):
        number = max([*form.lines, -1]) + 1
        if number < LARGEST_FORM:
            editor.lines.append(mapping_pages.blank_line(number, PUSH if verb == "add-push" else PULL, editor))
    context = {
        "editor": editor, "mapping": mapping, "org": mapping.org, "form": form, "trouble": trouble, "verb": verb,
        "may_change": has_role(request.user, "operator"), "timing": mapping_pages.timing(now=timezone.now()),
        "dirty": request.method == "POST",
    }  # fmt: skip
    return render(request, "mappings/edit.html", context, status=status)


def _with_suggestions(request: HttpRequest, form: MappingForm, known: Known) -> MappingForm:
    """The form with new lines by name; nothing is saved."""
    assert form.body is not None
    assert known.info is not None
    data, number, added = dict(form.data), max([*form.lines, -1]) + 1, 0
    for direction in (PULL, PUSH):
        pairs = suggest_pairs(
            known.sources.values(), known.info, prefix=form.body.prefix, direction=direction, existing=form.body.pairs
        )
        for pair in pairs:
            data |= {f"pair-{number}-direction": direction, f"pair-{number}-source": pair.source}
            data[f"pair-{number}-target"] = pair.target
            number, added = number + 1, added + 1
    text = (
        f"{added} line{'s' if added != 1 else ''} suggested; nothing is saved yet." if added else "No further names are alike."
    )
    messages.info(request, text)
    return read_form(data, form.entity)


@require_safe
@access("operator")
def mapping_targets(request: HttpRequest, org_pk: int, entity: str) -> HttpResponse:
    """The choices of one line after its source changed (a fragment)."""
    mapping, line = _mapping_of(org_pk, entity), request.GET.get("line", "")
    if not (line.isascii() and line.isdigit() and len(line) <= 6):
        raise Http404
    direction = PUSH if request.GET.get(f"pair-{line}-direction") == PUSH else PULL
    source = request.GET.get(f"pair-{line}-source", "")
    known = _known_or_none(mapping, request.GET)
    found = mapping_pages.targets_for(known, prefix=request.GET.get("prefix", ""), direction=direction, source=source)
    context = {"targets": found, "chosen": request.GET.get(f"pair-{line}-target", "")}
    return render(request, "mappings/targets.html", context)


def _known_or_none(mapping: Mapping, data: Map[str, str]) -> Known:
    try:
        return facts.know_object(mapping.org, mapping.entity, data.get("object", ""))
    except (Refusal, SalesforceError):
        return Known({}, None, {})


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def mapping_object(request: HttpRequest, org_pk: int, entity: str) -> HttpResponse:
    """Another Salesforce object for the entity: says first what that resets (PX-D12)."""
    mapping = _mapping_of(org_pk, entity)
    chosen, trouble = request.POST.get("object", request.GET.get("object", "")), ""
    if request.method == "POST":
        try:
            stored = versions.open_mapping(mapping.org, entity, now=timezone.now())
            objects.change_object(
                stored, chosen, confirmed="confirmed" in request.POST, user=request.user, now=timezone.now(),
                address=address_of(request),
            )  # fmt: skip
        except Refusal as refusal:
            trouble = "" if refusal.code == "confirm" else refusal.message
        except (ProblemsFound, SalesforceError) as error:
            trouble = str(error)
        else:
            messages.success(request, f"{chosen} now stands for {mapping.get_entity_display().lower()} records.")
            return redirect("integrations:mapping", org_pk=org_pk, entity=entity)
    context: dict[str, Any] = {"mapping": mapping, "org": mapping.org, "chosen": chosen}
    context["current"] = versions.body_of(mapping).object
    try:
        context |= {"objects": facts.objects_for(mapping.org, entity)}
    except (Refusal, SalesforceError) as error:
        trouble = str(error)
    effect = objects.effect_of(mapping, chosen) if chosen and chosen != context["current"] and not trouble else None
    return render(
        request, "mappings/object.html", {**context, "trouble": trouble, "effect": effect}, status=400 if trouble else 200
    )


@require_safe
@access("analyst")
def mapping_versions(request: HttpRequest, org_pk: int, entity: str) -> HttpResponse:
    """All versions and what each changed."""
    mapping = _mapping_of(org_pk, entity)
    rows = mapping_pages.read_versions(mapping) if mapping.pk else []
    context = {"mapping": mapping, "org": mapping.org, "rows": rows, "may_change": has_role(request.user, "operator")}
    return render(request, "mappings/versions.html", context)


@require_POST
@access("operator")
def mapping_revert(request: HttpRequest, org_pk: int, entity: str, number: int) -> HttpResponse:
    """Put an earlier version in force again."""
    mapping = _mapping_of(org_pk, entity)
    try:
        version = versions.revert(mapping, number, user=request.user, now=timezone.now(), address=address_of(request))
    except (Refusal, ProblemsFound, SalesforceError) as error:
        messages.error(request, f"Version {number} cannot come back: {error}")
        return redirect("integrations:mapping_versions", org_pk=org_pk, entity=entity)
    messages.success(request, f"Version {number} is in force again, as version {version.number}.")
    return redirect("integrations:mapping", org_pk=org_pk, entity=entity)


@require_POST
@access("operator")
def mapping_state(request: HttpRequest, org_pk: int, entity: str) -> HttpResponse:
    """Pause or resume."""
    mapping = _mapping_of(org_pk, entity)
    try:
        versions.set_state(
            mapping, request.POST.get("state", ""), user=request.user, now=timezone.now(), address=address_of(request)
        )
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"{mapping.get_state_display()}.")
    return redirect("integrations:mapping", org_pk=org_pk, entity=entity)


@require_safe
@access("analyst")
def mapping_file(request: HttpRequest, org_pk: int, entity: str) -> HttpResponse:
    """The version in force as a file."""
    mapping = _mapping_of(org_pk, entity)
    text = json.dumps(files.export_mapping(mapping), indent=2, ensure_ascii=False) + "\n"
    response = HttpResponse(text, content_type="application/json; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="mapping-{entity}-v{mapping.version}.json"'
    return response


@require_POST
@access("operator")
def mapping_import(request: HttpRequest, org_pk: int, entity: str) -> HttpResponse:
    """Show a file in the editor: nothing is saved before a person has seen it (R-281)."""
    mapping, file = _mapping_of(org_pk, entity), request.FILES.get("file")
    if file is None:
        messages.error(request, "Choose a file first.")
        return redirect("integrations:mapping_versions", org_pk=org_pk, entity=entity)
    try:
        body = files.read_file(file.read(files.MOST_BYTES + 1), entity=entity)
    except ProblemsFound as error:
        messages.error(request, f"The file cannot be used, nothing was changed. {error}")
        return redirect("integrations:mapping_versions", org_pk=org_pk, entity=entity)
    existing = {each.key for each in catalogue.source_fields(mapping.org, entity)}
    form = read_form(write_form(body, version=mapping.version, existing=existing), entity)
    messages.info(request, "This is the file; it counts once you save it.")
    return _show(request, mapping, form, verb="import")


@require_POST
@access("operator")
def mapping_dry_run(request: HttpRequest, org_pk: int, entity: str) -> HttpResponse:
    """What a push would write now, without writing it."""
    mapping, now = _mapping_of(org_pk, entity), timezone.now()
    if not mapping.org.is_connected:
        messages.error(request, f"{mapping.org.name} is {mapping.org.get_state_display().lower()}; connect it first.")
        return redirect("integrations:mapping", org_pk=org_pk, entity=entity)
    run = runs.request_run(
        "outbox.dry_run", org=mapping.org, user=request.user, now=now, arguments={"kind": f"mapping.{entity}"}
    )
    record("run.started", actor=request.user, target=f"run {run.pk} (outbox.dry_run)", address=address_of(request))
    return redirect("integrations:run", pk=run.pk)


@require_POST
@access("operator")
def synchronize_now(request: HttpRequest, org_pk: int) -> HttpResponse:
    """Fetch, map and push in a row (PX-17)."""
    org = get_object_or_404(SalesforceOrg, pk=org_pk)
    try:
        run = synchronize.synchronize(org, user=request.user, now=timezone.now(), address=address_of(request))
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("integrations:mappings")
    return redirect("integrations:run", pk=run.pk)


def _mapping_of(org_pk: int, entity: str) -> Mapping:
    if entity not in Entity.values:
        raise Http404
    return versions.find_mapping(get_object_or_404(SalesforceOrg, pk=org_pk), entity)
