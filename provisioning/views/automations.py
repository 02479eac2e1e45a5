"""Pages of automations: the list, one in words with its versions, the editor with a try on a real deal (ST-34 to ST-38)."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.text import capfirst
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations.access import Refusal, access
from integrations.chosen_org import chosen_org
from integrations.form_tokens import sent_once
from integrations.models import SalesforceOrg
from integrations.orgs.states import NotConnected
from integrations.orgs.vault import VaultLocked
from integrations.salesforce.errors import SalesforceError
from provisioning.automations import authoring, finding, forms
from provisioning.automations.authoring import BadAutomation, Draft
from provisioning.automations.conditions import OPERATORS, WORDS
from provisioning.automations.placeholders import CATALOGUE
from provisioning.automations.stages import Choices, read_choices
from provisioning.automations.words import WHAT, Words, words_of
from provisioning.intent import picking, preflight
from provisioning.intent.lines import DealGone, TooManyLines
from provisioning.models import Automation

Unreadable = (SalesforceError, NotConnected, VaultLocked, DealGone, TooManyLines)


def orgs_to_show(request: HttpRequest) -> list[SalesforceOrg]:
    """The connection chosen in the top bar, or all that provisioning can use."""
    chosen = chosen_org(request)
    usable = SalesforceOrg.objects.exclude(state__in=(SalesforceOrg.State.NEW, SalesforceOrg.State.DISCONNECTED))
    return [chosen] if chosen is not None else list(usable)


def org_asked(request: HttpRequest) -> SalesforceOrg | None:
    """The connection that the address or the form names, else the chosen one, else the first."""
    wanted = request.POST.get("org") or request.GET.get("org", "")
    found = SalesforceOrg.objects.filter(pk=int(wanted)).first() if wanted.isdecimal() and len(wanted) < 10 else None
    orgs = orgs_to_show(request)
    return found or (orgs[0] if orgs else None)


def choices_or_why(org: SalesforceOrg) -> tuple[Choices | None, str]:
    """Stages and fields of the org, or why it cannot be asked."""
    try:
        return read_choices(org), ""
    except (SalesforceError, Refusal) as error:  # not connected, or its secrets are locked
        return None, str(error)


def said(automation: Automation | Draft, choices: Choices | None = None) -> Words:
    """An automation in words."""
    usual = [each.name for each in choices.usual_trials] if choices else []
    return words_of(
        trigger=automation.trigger, stages=automation.stages, conditions=automation.conditions, callout=automation.callout,
        write_back=automation.write_back, trial_days=automation.trial_days, usual_trials=usual,
    )  # fmt: skip


@require_safe
@access("analyst")
def automations(request: HttpRequest) -> HttpResponse:
    """What happens when, by connection."""
    now = timezone.now()
    places = []
    for org in orgs_to_show(request):
        rows = [{"row": each, "words": said(each)} for each in finding.read_automations(org, now=now)]
        places.append({"org": org, "rows": rows})
    return render(request, "provisioning/automations/list.html", {"places": places})


@require_safe
@access("analyst")
def automation(request: HttpRequest, pk: int) -> HttpResponse:
    """One automation in words; with `?opportunity=` what it would do with that deal."""
    row = get_object_or_404(Automation.objects.select_related("org"), pk=pk)
    choices, trouble = choices_or_why(row.org)
    text = request.GET.get("opportunity", "").replace("\0", "").strip()
    context: dict[str, Any] = {
        "row": row, "org": row.org, "words": said(row, choices), "trouble": trouble, "text": text,
        "versions": finding.versions_of(row)[:20], "provisions": row.provisions.order_by("-id")[:10],  # pyright: ignore[reportAttributeAccessIssue]
        "against": [] if row.is_active else authoring.overlapping(row, choices), **try_deal(row.org, text, row),
    }  # fmt: skip
    return render(request, "provisioning/automations/detail.html", context)


def try_deal(org: SalesforceOrg, text: str, automation: Automation | None) -> dict[str, Any]:
    """A dry run for the deal that a person typed: forecast, or deals to choose from, or why it did not work."""
    if not text:
        return {}
    opportunity_id = picking.id_in(text)
    try:
        if not opportunity_id:
            found = picking.find_opportunities(org, text)
            if len(found) != 1:
                return {"candidates": found, "try_trouble": "" if found else "No opportunity has this in its name."}
            opportunity_id = found[0].id
        return {"forecast": preflight.dry_run(org, opportunity_id, now=timezone.now(), automation=automation)}
    except Unreadable as error:
        return {"try_trouble": str(error)}


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def automation_create(request: HttpRequest) -> HttpResponse:
    """A new automation; it is not active yet."""
    org = org_asked(request)
    if org is None:
        messages.error(request, "Connect a Salesforce org first.")
        return redirect("provisioning:automations")
    return _edit(request, None, org)


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def automation_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change an automation: a new version. Templates are copied first."""
    row = get_object_or_404(Automation.objects.select_related("org"), pk=pk)
    if row.is_template:
        messages.info(request, f"“{row.name}” ships with Causeway: copy it and change the copy.")
        return redirect("provisioning:automation", pk=pk)
    return _edit(request, row, row.org)


def _edit(request: HttpRequest, row: Automation | None, org: SalesforceOrg) -> HttpResponse:
    choices, trouble = choices_or_why(org)
    if request.method != "POST":
        form = forms.write_form(row, trigger=request.GET.get("trigger", "won"))
        return _show(request, row, org, form, choices, trouble)
    form, verb = forms.read_form(request.POST), request.POST.get("verb", "")
    if verb == "save":
        return _save(request, row, org, form, choices, trouble)
    if verb in ("condition", "header"):
        form.add(verb)
    tried = _try(row, org, form, choices) if verb == "try" else {}
    return _show(request, row, org, form, choices, trouble, tried=tried)


def _try(row: Automation | None, org: SalesforceOrg, form: forms.AutomationForm, choices: Choices | None) -> dict[str, Any]:
    """What the automation would do as it is typed; nothing is saved or sent."""
    try:
        columns = authoring.check_draft(form.draft(), choices=choices, known=row)
    except BadAutomation as bad:
        form.refuse(bad.errors)
        return {}
    tried = try_deal(org, form.values["opportunity"], Automation(org=org, **columns)) or {"try_trouble": "Name an opportunity."}
    forecast = tried.get("forecast")
    products = [each.product for each in forecast.intent.subscriptions] if forecast and forecast.intent else []
    return tried | {"sample_ids": form.ids_in_sample(products)}


def _save(
    request: HttpRequest, row: Automation | None, org: SalesforceOrg, form: forms.AutomationForm, choices: Choices | None,
    trouble: str,
) -> HttpResponse:  # fmt: skip
    with sent_once(request) as sending:
        if sending.is_repeat:
            return redirect(sending.url or "provisioning:automations")
        try:
            saved = authoring.save_automation(
                row, form.draft(), org=org, choices=choices, actor=request.user, now=timezone.now()
            )
        except Refusal as refusal:
            sending.give_back()
            form.refuse(refusal.errors if isinstance(refusal, BadAutomation) else {"name": refusal.message})
            return _show(request, row, org, form, choices, trouble, status=400)
        sending.led_to(f"/provisioning/automations/{saved.pk}/")
    messages.success(request, "Saved." if saved.is_active else "Saved. Try it on a deal, then activate it.")
    return redirect("provisioning:automation", pk=saved.pk)


def _show(
    request: HttpRequest, row: Automation | None, org: SalesforceOrg, form: forms.AutomationForm, choices: Choices | None,
    trouble: str, *, tried: dict[str, Any] | None = None, status: int = 200,
) -> HttpResponse:  # fmt: skip
    groups = [(kind, [(name, WORDS[name]) for name in names]) for kind, names in OPERATORS.items()]
    context = {
        "row": row, "org": org, "orgs": orgs_to_show(request), "form": form, "choices": choices, "trouble": trouble,
        "triggers": [(each.value, capfirst(WHAT[each])) for each in Automation.Trigger],
        "stages": choices.stages if choices else [], "operators": groups,
        "methods": ("POST", "PUT", "PATCH", "GET", "DELETE"), "catalogue": CATALOGUE, "dirty": request.method == "POST",
        **(tried or {}),
    }  # fmt: skip
    return render(request, "provisioning/automations/edit.html", context, status=status)


@require_POST
@access("operator")
def automation_copy(request: HttpRequest, pk: int) -> HttpResponse:
    """An inactive copy, opened in the editor (ST-37)."""
    row = get_object_or_404(Automation.objects.select_related("org"), pk=pk)
    try:
        made = authoring.copy_automation(row, name=request.POST.get("name", ""), actor=request.user, now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("provisioning:automation", pk=pk)
    messages.success(request, f"Copied as “{made.name}”. It is not active yet.")
    return redirect("provisioning:automation_edit", pk=made.pk)


@require_POST
@access("operator")
def automation_state(request: HttpRequest, pk: int) -> HttpResponse:
    """Activate, activate instead of those that stand against it, or deactivate (ST-38)."""
    row = get_object_or_404(Automation.objects.select_related("org"), pk=pk)
    verb, now = request.POST.get("verb", ""), timezone.now()
    try:
        if verb == "deactivate":
            authoring.deactivate(row, actor=request.user, now=now)
        else:
            choices, _ = choices_or_why(row.org)
            authoring.activate(row, choices=choices, replacing=verb == "replace", actor=request.user, now=now)
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"“{row.name}” is {'not active any more' if verb == 'deactivate' else 'active'}.")
    return redirect("provisioning:automation", pk=pk)


@require_POST
@access("operator")
def automation_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove one that is not active."""
    row = get_object_or_404(Automation.objects.select_related("org"), pk=pk)
    try:
        authoring.delete_automation(row, actor=request.user)
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("provisioning:automation", pk=pk)
    messages.success(request, f"“{row.name}” was deleted.")
    return redirect("provisioning:automations")
