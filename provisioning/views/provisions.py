"""The overview of provisioning, the list of deals, and one deal with its steps."""

from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations.access import Refusal, access, has_role
from integrations.chosen_org import chosen_org, scope_of
from integrations.models import SalesforceOrg
from integrations.sync import runs
from provisioning.first_steps import steps_of
from provisioning.models import Provision, ProvisioningSettings
from provisioning.provision import advancing, flags, poll, queries, steps, write_back
from provisioning.subscriptions.naming import name_subscriptions

PAGE = 50
STOP_POLLING = 286  # htmx: what is shown is final


@require_safe
@access("member")
def overview(request: HttpRequest) -> HttpResponse:
    """Is everything fine? Who must act, how each connection stands, what came in last."""
    org, now = chosen_org(request), timezone.now()
    needy = queries.provisions(org=str(org.pk) if org else "", state=queries.NEEDS)
    places = queries.places(org, now=now)
    steps_by_org = {
        each.org.pk: [
            (step, has_role(request.user, step.role, "provisioning"))
            for step in steps_of(each.org, each.settings, each.automations)
        ]
        for each in places if not each.is_removed
    }  # fmt: skip
    context = {
        "places": [(each, steps_by_org.get(each.org.pk, [])) for each in places],
        "needy": [_row(each) for each in needy[:10]], "needy_count": needy.count(),
        "recent": [_row(each) for each in queries.provisions(org=str(org.pk) if org else "")[:8]],
        "deliveries": [(each, queries.VERDICTS.get(each.verdict, ("Refused", "bad", "circle-x")))
                       for each in queries.deliveries(org, most=12)],
    }  # fmt: skip
    return render(request, "provisioning/overview.html", context)


@require_safe
@access("member")
def provision_list(request: HttpRequest) -> HttpResponse:
    """Deals with filters in the address."""
    given = request.GET
    chosen = {name: given.get(name, "").strip()[:100] for name in ("state", "kind", "q")} | {"org": scope_of(request)}
    found = queries.provisions(org=chosen["org"], state=chosen["state"], kind=chosen["kind"], search=chosen["q"])
    page = Paginator(found, PAGE).get_page(given.get("page"))
    states = [
        (queries.NEEDS, "Needs a person"),
        *((value, look[0]) for value, look in queries.LOOKS.items() if value != "blocked"),
    ]
    context = {
        "page": page, "rows": [_row(each) for each in page.object_list], "chosen": chosen, "states": states,
        "kinds": list(queries.KINDS.items()),
        "orgs": SalesforceOrg.objects.exclude(state=SalesforceOrg.State.NEW).order_by("name"),
        "filtered": any(chosen[name] for name in ("state", "kind", "q")),
    }  # fmt: skip
    return render(request, "provisioning/provisions.html", context)


def _row(provision: Provision) -> dict[str, Any]:
    return {"provision": provision, "look": queries.LOOKS[provision.state], "flag": queries.FLAGS.get(provision.flag, ""),
            "kind": queries.KINDS[provision.kind]}  # fmt: skip


def _context(provision: Provision) -> dict[str, Any]:
    resumable = queries.resumable(provision, now=timezone.now())
    return {
        "provision": provision, "kind": queries.KINDS[provision.kind], "look": queries.LOOKS[provision.state],
        "steps": queries.steps_of(provision),
        "resumable": resumable, "resumable_words": queries.STEP_WORDS.get(resumable, ""),
        "moving": queries.is_moving(provision),
        "links": queries.links_of(provision), "source": queries.SOURCES[provision.source],
        "answer_words": queries.ANSWERS.get(provision.flag_answer, provision.flag_answer),
        "flag": queries.FLAGS.get(provision.flag, ""),
        "answers": queries.may_answer(provision), "again": queries.may_ask_again(provision), "lines": _lines(provision),
        "subscriptions": _subscriptions(provision),
    }  # fmt: skip


def _subscriptions(provision: Provision) -> list[tuple[str, str]]:
    """Key and name of what the deal gave; the key stands for one that is gone."""
    keys = provision.result.get("subscription_ids") or []
    named = name_subscriptions(keys, now=timezone.now())
    return [(key, named[key].words if key in named else key) for key in keys]


def _lines(provision: Provision) -> list[dict[str, Any]]:
    """The deal's lines with where each led, or what is wrong with it."""
    problems: dict[int, list[dict[str, Any]]] = {}
    for each in provision.problems:
        problems.setdefault(each.get("line", 0), []).append(each)
    traces = {each["number"]: each for each in provision.intent.get("lines", [])}
    lines = provision.facts.get("lines", [])
    return [
        {"number": each["number"], "name": each["name"], "quantity": _number(each["quantity"]),
         "trace": traces.get(each["number"]) or _mapped(each), "problems": problems.get(each["number"], [])}
        for each in lines
    ]  # fmt: skip


def _mapped(line: dict[str, Any]) -> dict[str, str] | None:
    """Where a line of a deal that was not compiled leads, by its own mapping."""
    named = next((each for each in line.get("mappings") or () if each.get("key")), None)
    return None if named is None else {"type": named.get("type", ""), "key": named["key"], "place": named.get("place", "")}


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _find(pk: int) -> Provision:
    return get_object_or_404(Provision.objects.select_related("org", "customer", "automation"), pk=pk)


@require_safe
@access("member")
def provision(request: HttpRequest, pk: int) -> HttpResponse:
    """One deal: what was read, where each line led, the steps, what was made."""
    found = _find(pk)
    whole = [each for each in found.problems if not each.get("line")]
    return render(request, "provisioning/provision.html", {**_context(found), "problems": whole})


@require_safe
@access("member")
def progress(request: HttpRequest, pk: int) -> HttpResponse:
    """The live part of that page."""
    found = _find(pk)
    status = 200 if queries.is_moving(found) else STOP_POLLING
    return render(request, "provisioning/provision_steps.html", _context(found), status=status)


@require_POST
@access("operator")
def resume(request: HttpRequest, pk: int) -> HttpResponse:
    """Try again at the step where it stands."""
    found, now = _find(pk), timezone.now()
    try:
        steps.resume(found, step=request.POST.get("step", ""), actor=request.user, now=now)
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        found.refresh_from_db()
        job = write_back.JOB if found.state == Provision.State.INCOMPLETE else advancing.JOB
        runs.request_run(job, org=found.org, user=request.user, now=now)
        messages.success(request, f"{found} goes on now.")
    return redirect("provisioning:provision", pk=pk)


@require_POST
@access("operator")
def answer(request: HttpRequest, pk: int) -> HttpResponse:
    """Decide about a deal that was undone in Salesforce (ST-D13)."""
    try:
        flags.answer(_find(pk), request.POST.get("answer", ""), actor=request.user, now=timezone.now())
        messages.success(request, "Decided. The subscription's page shows what it means.")
    except Refusal as refusal:
        messages.error(request, refusal.message)
    return redirect("provisioning:provision", pk=pk)


@require_POST
@access("operator")
def again(request: HttpRequest, pk: int) -> HttpResponse:
    """Provision a deal anew after everything that it gave has ended."""
    now = timezone.now()
    try:
        made = flags.provide_again(_find(pk), actor=request.user, now=now)
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("provisioning:provision", pk=pk)
    runs.request_run(advancing.JOB, org=made.org, user=request.user, now=now)
    return redirect("provisioning:provision", pk=made.pk)


@require_POST
@access("operator")
def look_now(request: HttpRequest, org_id: int) -> HttpResponse:
    """Poll one connection at once."""
    org, now = get_object_or_404(SalesforceOrg, pk=org_id), timezone.now()
    if not org.is_connected or not org.provisioning_enabled:
        messages.error(request, f"{org} is switched off or not connected.")
        return redirect("provisioning:overview")
    ProvisioningSettings.objects.filter(org=org).update(polled_at=None)
    found = poll.poll(org, now=now)
    advancing.start_due(org, now=now)
    if found.trouble:
        messages.error(request, found.trouble)
    else:
        messages.success(request, f"{found.rows} changed opportunities were looked at, {found.opened} of them are for us.")
    return redirect("provisioning:overview")
