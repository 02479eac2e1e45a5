"""Setting analytics up in a connection: the estimate, the one button, progress, settings (FZ-05..FZ-09, FZ-D6, FZ-D7)."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from analytics.attributes.authoring import current_map
from analytics.attributes.catalogue import CATALOGUE
from analytics.connecting import forms, progress, starting
from analytics.connecting.estimate import estimate
from integrations.access import Person, Refusal, access, has_role
from integrations.form_tokens import sent_once
from integrations.models import SalesforceOrg
from integrations.salesforce.errors import SalesforceError
from integrations.sync.mapping.problems import ProblemsFound

ACTIONS: dict[str, tuple[Callable[..., Any], str]] = {
    "pause": (starting.pause, "Paused. What has been read stays; nothing more is read until you resume."),
    "resume": (starting.resume, "It goes on with what is missing."),
    "stop": (starting.stop, "Stopped. Facts and results stay; nothing more is read for analytics."),
}


def connected_org(org_id: int) -> SalesforceOrg:
    """A connection that is or was connected; 404 for others."""
    without = (SalesforceOrg.State.NEW, SalesforceOrg.State.DISCONNECTED)
    return get_object_or_404(SalesforceOrg.objects.exclude(state__in=without), pk=org_id)


@require_safe
@access("member")
def set_up(request: HttpRequest, org_id: int) -> HttpResponse:
    """One button before it is started; progress and settings afterwards."""
    org, now = connected_org(org_id), timezone.now()
    found = current_map(org)
    context = {
        "org": org, "progress": progress.read_progress(org, now=now), "settings": starting.settings_for(org),
        "form": forms.SettingsForm.of(starting.settings_for(org)), "map_number": found[1] if found is not None else 0,
        "mapped": sum(1 for each in CATALOGUE if each.ref and found is not None and found[0].is_mapped(each.key)),
        "wanted": sum(1 for each in CATALOGUE if each.ref), "is_operator": has_role(request.user, "operator", "analytics"),
        "why_not": why_not(org), "count_now": "count" in request.GET,
    }  # fmt: skip
    if context["count_now"]:
        context |= _estimated(org, now)
    return render(request, "analytics/set_up.html", context)


@require_safe
@access("operator")
def set_up_estimate(request: HttpRequest, org_id: int) -> HttpResponse:
    """What the first read takes, counted now: a part of the page that comes after it."""
    org = connected_org(org_id)
    return render(request, "analytics/set_up_estimate.html", {"org": org} | _estimated(org, timezone.now()))


@require_safe
@access("member")
def set_up_progress(request: HttpRequest, org_id: int) -> HttpResponse:
    """The part of the page that is asked for again while something moves."""
    org = connected_org(org_id)
    context = {"org": org, "progress": progress.read_progress(org, now=timezone.now())}
    return render(request, "analytics/set_up_progress.html", context)


@require_POST
@access("operator")
def set_up_start(request: HttpRequest, org_id: int) -> HttpResponse:
    """The one button; pressing it twice starts once."""
    org = connected_org(org_id)
    with sent_once(request) as sending:
        if not sending.is_repeat:
            try:
                starting.start(org, actor=request.user, now=timezone.now())
            except (Refusal, SalesforceError, ProblemsFound) as error:
                sending.give_back()
                messages.error(request, said(error))
                return redirect("analytics:set_up", org_id=org.pk)
            sending.led_to(request.path)
            messages.success(request, "Started. The newest year is read first; results appear while the rest follows.")
    return redirect("analytics:set_up", org_id=org.pk)


@require_POST
@access("operator")
def set_up_act(request: HttpRequest, org_id: int, action: str) -> HttpResponse:
    """Pause, resume or stop."""
    org = connected_org(org_id)
    if action not in ACTIONS:
        raise Http404
    perform, words = ACTIONS[action]
    try:
        _act(perform, org, request.user, timezone.now())
    except (Refusal, SalesforceError) as error:
        messages.error(request, said(error))
    else:
        messages.success(request, words)
    return redirect("analytics:set_up", org_id=org.pk)


@require_POST
@access("operator")
def set_up_settings(request: HttpRequest, org_id: int) -> HttpResponse:
    """Save the settings; what is wrong is said at its field."""
    org, now = connected_org(org_id), timezone.now()
    form = forms.SettingsForm(request.POST)
    if form.is_valid():
        starting.change_settings(org, form.cleaned_data, actor=request.user, now=now)
        messages.success(request, "Settings saved. Facts follow them with the next sync.")
        return redirect("analytics:set_up", org_id=org.pk)
    context = {
        "org": org, "progress": progress.read_progress(org, now=now), "settings": starting.settings_for(org), "form": form,
        "is_operator": True, "why_not": why_not(org),
    }  # fmt: skip
    return render(request, "analytics/set_up.html", context, status=422)


def why_not(org: SalesforceOrg) -> str:
    """Why the button cannot be pressed now, "" when it can."""
    if not org.analytics_enabled:
        return "Analytics is switched off in this connection."
    return "" if org.is_connected else f"{org} is {org.get_state_display().lower()}: connect it first."


def said(error: Exception) -> str:
    """What went wrong, for a person."""
    if isinstance(error, Refusal | SalesforceError):
        return error.message
    return str(error)


def _act(perform: Callable[..., Any], org: SalesforceOrg, actor: Person, now: datetime) -> None:
    perform(org, actor=actor, now=now)


def _estimated(org: SalesforceOrg, now: datetime) -> dict[str, Any]:
    """The estimate, or why there is none."""
    try:
        body, preset = starting.map_to_start_with(org)
        return {"estimate": estimate(org, body, now=now), "preset": preset}
    except (Refusal, SalesforceError) as error:
        return {"problem": said(error)}
