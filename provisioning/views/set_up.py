"""The set-up of an org: what is there and missing, deploying, people, the key in Salesforce, flows (ST-11 to ST-28, ST-38)."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations import audit
from integrations.access import Refusal, access
from integrations.models import Run, SalesforceOrg
from integrations.people_pages import assign_typed
from integrations.salesforce import API_VERSION
from integrations.salesforce.errors import SalesforceError
from provisioning.models import ProvisioningSettings
from provisioning.salesforce import calling, checking, deploying, guide, package

LONGEST_KEY = 200


def _settings(org: SalesforceOrg) -> ProvisioningSettings:
    """The settings of a connection without keeping defaults: looking at a page changes nothing (S-059)."""
    return ProvisioningSettings.objects.filter(org=org).first() or ProvisioningSettings(org=org)


@require_safe
@access("operator")
def show(request: HttpRequest, org_id: int) -> HttpResponse:
    """The steps with their state; nothing is asked of Salesforce."""
    org = get_object_or_404(SalesforceOrg, pk=org_id)
    settings = _settings(org)
    lacks = checking.read_lacks(settings)
    why_not = deploying.uncallable(org)
    context = {
        "org": org, "settings": settings, "lacks": lacks, "why_not": why_not,
        "steps": guide.steps_of(org, settings, lacks, can_call=not why_not),
        "run": Run.objects.filter(org=org, job=deploying.JOB).order_by("-pk").first(),
        "blocking": sum(not each.is_advice for each in lacks),
    }  # fmt: skip
    return render(request, "provisioning/set_up/show.html", context)


@require_POST
@access("operator")
def check(request: HttpRequest, org_id: int) -> HttpResponse:
    """Ask the org what is missing."""
    org = get_object_or_404(SalesforceOrg, pk=org_id)
    try:
        lacks = checking.check_now(org, now=timezone.now())
    except (SalesforceError, Refusal) as error:
        messages.error(request, f"{org} could not be asked: {deploying.explained(error)}")
    else:
        missing, advice = sum(not each.is_advice for each in lacks), sum(each.is_advice for each in lacks)
        if missing:
            what = "1 thing is" if missing == 1 else f"{missing} things are"
            messages.warning(request, f"{what} missing in {org}: see the steps.")
        elif advice:
            more = "1 thing is" if advice == 1 else f"{advice} things are"
            messages.success(request, f"{org} works. {more} recommended: see the steps.")
        else:
            messages.success(request, f"{org} has everything that provisioning needs.")
    return redirect("provisioning:set_up", org_id=org.pk)


@require_POST
@access("admin")
def deploy(request: HttpRequest, org_id: int) -> HttpResponse:
    """Put our side into the org; the run shows how far it is."""
    org = get_object_or_404(SalesforceOrg, pk=org_id)
    try:
        run = deploying.request_deploy(org, user=request.user, now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("provisioning:set_up", org_id=org.pk)
    return redirect("integrations:run", pk=run.pk)


@require_safe
@access("operator")
def package_zip(request: HttpRequest, org_id: int) -> HttpResponse:
    """The same package as a file, for people who deploy it themselves."""
    org = get_object_or_404(SalesforceOrg, pk=org_id)
    try:
        data = deploying.whole_package(org, _settings(org)).zipped(api_version=API_VERSION)
    except ValueError as error:  # field names that no package can hold
        messages.error(request, f"{error} Change the field names in the settings.")
        return redirect("provisioning:set_up", org_id=org.pk)
    audit.record("export.provisioning_package", actor=request.user, target="provisioning-package.zip")
    response = HttpResponse(data, content_type="application/zip")
    response["Content-Disposition"] = 'attachment; filename="provisioning-package.zip"'
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@access("admin")
def people(request: HttpRequest, org_id: int) -> HttpResponse:
    """Give people in Salesforce the set that lets them see the fields and call."""
    org = get_object_or_404(SalesforceOrg, pk=org_id)
    shown = assign_typed(
        request, org, lambda names: deploying.assign_people(org, names, actor=request.user, now=timezone.now()),
        explain=deploying.explained,
    )  # fmt: skip
    return render(request, "provisioning/set_up/people.html", {**shown, "set": package.READERS_LABEL})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access("admin")
def key(request: HttpRequest, org_id: int) -> HttpResponse:
    """Store the integration key in Salesforce: a new one, or one that was made before. A key is shown only where it must be."""
    org = get_object_or_404(SalesforceOrg, pk=org_id)
    context: dict[str, Any] = {"org": org, "settings": _settings(org), "package": package}
    context["why_not"] = deploying.uncallable(org)
    if request.method != "POST":
        return render(request, "provisioning/set_up/key.html", context)
    now, given = timezone.now(), request.POST.get("key", "").strip()
    try:
        if request.POST.get("action") == "renew":
            made, problem = calling.renew_key(org, actor=request.user, now=now)
            if problem:  # it exists and can be stored by hand only: it must be shown now or never
                return render(request, "provisioning/set_up/key.html", {**context, "made": made, "problem": problem})
        elif not given or len(given) > LONGEST_KEY:
            raise Refusal("no_key", "Paste the integration key.")
        elif request.POST.get("action") == "message":
            calling.use_message(org, given, actor=request.user, now=now)
        else:
            calling.store_key(org, given, actor=request.user, now=now)
    except (SalesforceError, Refusal) as error:
        shown = error.message if isinstance(error, Refusal) else deploying.explained(error)
        return render(request, "provisioning/set_up/key.html", {**context, "problem": shown}, status=400)
    messages.success(request, f"{org} knows the integration key. Calls with it are accepted from now on.")
    return redirect("provisioning:flows", org_id=org.pk)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access("admin")
def flows(request: HttpRequest, org_id: int) -> HttpResponse:
    """The flows that call us, as the org has them now; switching them on and off (ST-38)."""
    org = get_object_or_404(SalesforceOrg, pk=org_id)
    if request.method == "POST":
        _switch(request, org)
        return redirect("provisioning:flows", org_id=org.pk)
    context: dict[str, Any] = {"org": org, "labels": calling.TEMPLATES}
    try:
        templates, active = calling.look_at_flows(org)
    except (SalesforceError, Refusal) as error:
        context["problem"] = f"{org} could not be asked: {deploying.explained(error)}"
    else:
        context["rows"] = [
            {"name": name, "label": calling.TEMPLATES.get(name, name), "active": name in active,
             "template": name in calling.TEMPLATES, "dialog": f"flow-{number}"}
            for number, name in enumerate(dict.fromkeys([*(each.name for each in templates), *active]))
        ]  # fmt: skip
        context |= {"active": active, "clash": [name for name, rivals in active.items() if rivals]}
    return render(request, "provisioning/set_up/flows.html", context)


def _switch(request: HttpRequest, org: SalesforceOrg) -> None:
    name, action, now = request.POST.get("name", ""), request.POST.get("action", ""), timezone.now()
    try:
        if action == "deactivate":
            calling.deactivate(org, name, actor=request.user, now=now)
            messages.success(request, f"{name} is switched off.")
        else:
            off = calling.activate(org, name, instead=action == "replace", actor=request.user, now=now)
            also = f" Switched off for it: {', '.join(off)}." if off else ""
            messages.success(request, f"{calling.TEMPLATES[name]} is active.{also}")
    except (SalesforceError, Refusal) as error:
        messages.error(request, error.message if isinstance(error, Refusal) else deploying.explained(error))
