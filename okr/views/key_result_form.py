"""The key-result form with its section "Integrations": search, choose, look, submit (BW-26..BW-32)."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from integrations.access import Refusal, access
from integrations.form_tokens import sent_once
from okr import link_section, linking, objectives, queries, rights
from okr.forms import KeyResultForm
from okr.link_section import CLOSED, SEARCH, Section
from okr.models import KeyResult, Objective

FIELDS = ("title", "owner", "unit", "unit_label", "start", "start_from_first_reading", "target", "weight")


def _key_result(pk: int) -> KeyResult:
    try:
        return queries.key_result(pk)
    except KeyResult.DoesNotExist as error:
        raise Http404 from error


def _is_submit(request: HttpRequest) -> bool:
    """Whether the form shall be saved, rather than one of the section's buttons obeyed.

    Enter in a text field counts as Submit, except while a report is being searched: there it searches.
    """
    data = request.POST
    if data.get("pick") or data.get("step") or data.get("page"):
        return False
    return "save" in data or data.get("linking", CLOSED) != SEARCH


def _with_unit(data: QueryDict, section: Section) -> bool:
    """Write the imported unit into the form's data; True when there was a new one."""
    imported = link_section.imported_unit(section)
    if imported is None:
        return False
    data["unit"], data["unit_label"] = imported
    section.unit_from = section.source
    return True


def _show(
    request: HttpRequest,
    *,
    form: KeyResultForm,
    section: Section,
    objective: Objective,
    key_result: KeyResult | None,
    **more: Any,
) -> HttpResponse:
    context = {"form": form, "section": section, "objective": objective, "key_result": key_result, **more}
    context["pool"] = None if section.may_link else link_section.pool_of(section)
    return render(request, "okr/key_result_form.html", context)


def _answer(request: HttpRequest, *, objective: Objective, key_result: KeyResult | None) -> HttpResponse:
    if request.method != "POST":
        initial = {} if key_result else {"owner": request.user.pk}
        form = KeyResultForm(key_result=key_result, initial=initial)
        section = link_section.open_section(request.user, key_result)
        return _show(request, form=form, section=section, objective=objective, key_result=key_result)
    now = timezone.now()
    section = link_section.read_section(request.user, key_result, request.POST)
    if _is_submit(request):
        return _submit(request, section, objective=objective, key_result=key_result, now=now)
    link_section.look(section, now=now)
    data = request.POST.copy()
    imported = _with_unit(data, section)
    form = KeyResultForm(initial=data.dict(), auto_id="id_%s")
    return _show(request, form=form, section=section, objective=objective, key_result=key_result, imported=imported)


def _submit(
    request: HttpRequest, section: Section, *, objective: Objective, key_result: KeyResult | None, now: datetime
) -> HttpResponse:
    form = KeyResultForm(request.POST)
    if form.is_valid():
        with sent_once(request) as sending:
            if sending.is_repeat:
                return redirect(sending.url or reverse("okr:objective", args=[objective.pk]))
            saved = _save(request, form, section, objective=objective, key_result=key_result, now=now)
            if saved is not None:
                sending.led_to(reverse("okr:key_result", args=[saved.pk]))
                messages.success(request, _saved_words(section, saved, created=key_result is None))
                return redirect(sending.url)
            sending.give_back()
    error = section.error
    link_section.look(section, now=now)
    section.error = error or section.error
    return _show(request, form=form, section=section, objective=objective, key_result=key_result)


def _save(
    request: HttpRequest,
    form: KeyResultForm,
    section: Section,
    *,
    objective: Objective,
    key_result: KeyResult | None,
    now: datetime,
) -> KeyResult | None:
    """The saved key result; None with the reason in form or section. Salesforce is asked before anything is written."""
    values = form.cleaned_data
    choice = None
    if section.state != CLOSED:
        # Somebody who never saw the imported unit (no script, straight to Submit) still gets it.
        seen_unit = section.unit_from == section.source
        try:
            choice = link_section.choose(
                section,
                unit=values["unit"] if seen_unit else None,
                unit_label=values["unit_label"] if seen_unit else "",
                now=now,
            )
        except Refusal as refusal:
            section.error = refusal.message
            return None
    try:
        return _write(request.user, values, choice, objective=objective, key_result=key_result, now=now)
    except Refusal as refusal:
        form.add_error(None, refusal.message)
        return None


def _write(
    user: Any,
    values: dict[str, Any],
    choice: linking.Choice | None,
    *,
    objective: Objective,
    key_result: KeyResult | None,
    now: datetime,
) -> KeyResult:
    with transaction.atomic():
        if key_result is None:
            saved = objectives.create_key_result(objective, **values, user=user, now=now)
        else:
            changes = {name: values[name] for name in FIELDS if values[name] != getattr(key_result, name)}
            saved = objectives.update_key_result(key_result, changes=changes, user=user, now=now) if changes else key_result
        if choice is not None:
            linking.attach(saved, choice, user=user, now=now)
    return saved


def _saved_words(section: Section, saved: KeyResult, *, created: bool) -> str:
    if section.state != CLOSED:
        return f"{saved.title} is linked and updates itself from now on."
    return f"{saved.title} {'created' if created else 'saved'}."


@require_http_methods(["GET", "HEAD", "POST"])
@access("member", changes=True)
def create(request: HttpRequest, objective_id: int) -> HttpResponse:
    """A new key result below an objective."""
    objective = get_object_or_404(Objective.objects.select_related("department", "period"), pk=objective_id)
    if not rights.may_edit_objective(request.user, objective):
        raise PermissionDenied
    return _answer(request, objective=objective, key_result=None)


@require_http_methods(["GET", "HEAD", "POST"])
@access("member", changes=True)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a key result, its owner, its target, its source."""
    key_result = _key_result(pk)
    if not rights.may_edit_key_result(request.user, key_result):
        raise PermissionDenied
    return _answer(request, objective=key_result.objective, key_result=key_result)


def _key_result_of_form(request: HttpRequest) -> KeyResult | None:
    number = request.POST.get("key_result", "")
    if not number:
        return None
    key_result = _key_result(int(number) if number.isdecimal() and number.isascii() and len(number) < 18 else 0)
    if not rights.may_edit_key_result(request.user, key_result):
        raise PermissionDenied
    return key_result


@require_POST
@access("member")
def section_part(request: HttpRequest) -> HttpResponse:
    """The section alone, for pages with script; with the unit fields when a unit was imported."""
    section = link_section.read_section(request.user, _key_result_of_form(request), request.POST)
    link_section.look(section, now=timezone.now())
    data = request.POST.copy()
    imported = _with_unit(data, section)
    context: dict[str, Any] = {"section": section, "pool": None if section.may_link else link_section.pool_of(section)}
    context["focus_search"] = section.state == SEARCH
    if imported:
        context |= {"form": KeyResultForm(initial=data.dict()), "imported": True, "oob": True}
    return render(request, "okr/link/section_answer.html", context)


@require_POST
@access("member")
def search_part(request: HttpRequest) -> HttpResponse:
    """Search results alone, while typing (BW-28)."""
    section = link_section.read_section(request.user, None, request.POST)
    section.state = SEARCH
    link_section.look(section, now=timezone.now())
    return render(request, "okr/link/results.html", {"section": section})
