"""Products of Salesforce and where they lead: unmapped ones first, what is wrong, and the mapping saved onto Product2."""

from collections import Counter
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations import audit
from integrations.access import Refusal, access
from integrations.chosen_org import chosen_org
from integrations.exports import stream_csv
from integrations.models import SalesforceOrg
from integrations.salesforce.errors import SalesforceError
from integrations.salesforce.ids import is_id
from integrations.sync import runs
from integrations.sync.mirror import reading, tables
from provisioning.connection import settings_of
from provisioning.mapping import judging, leads, saving
from provisioning.mapping.kind import wishes_of
from provisioning.mapping.saving import BadMappings, Wish
from provisioning.models import ProvisioningSettings
from provisioning.salesforce import checking

PAGE = 25
STATES = {
    judging.UNMAPPED: "Not mapped", judging.BROKEN: "With problems", judging.MAPPED: "Mapped",
    judging.ASIDE: "Inactive, not mapped",
}  # fmt: skip


def org_of(request: HttpRequest) -> SalesforceOrg | None:
    """The connection that the page is about: named in the address, chosen in the top bar, or the first that provisions."""
    wanted = request.GET.get("org", "")
    orgs = SalesforceOrg.objects.exclude(state=SalesforceOrg.State.NEW).order_by("-provisioning_enabled", "name")
    if wanted.isdecimal() and len(wanted) < 10:
        return orgs.filter(pk=int(wanted)).first()
    return chosen_org(request) or orgs.first()


@require_safe
@access("member")
def mapping(request: HttpRequest) -> HttpResponse:
    """Every product of one connection with where it leads."""
    org = org_of(request)
    if org is None:
        return render(request, "provisioning/mapping/list.html", {"org": None})
    context = _read(request, org)
    orgs = SalesforceOrg.objects.exclude(state=SalesforceOrg.State.NEW).filter(provisioning_enabled=True).order_by("name")
    return render(request, "provisioning/mapping/list.html", {**context, "org": org, "orgs": orgs})


def _read(request: HttpRequest, org: SalesforceOrg) -> dict[str, Any]:
    """Products, counts and what stands in the way of mapping them."""
    ids = leads.ids_of_catalogue()
    text, state = request.GET.get("text", "").replace("\0", "").strip()[:100], request.GET.get("state", "")
    told: dict[str, Any] = {"text": text, "state": state, "states": STATES, "fields": leads.fields_of(org), "ids": ids}
    try:
        judged = leads.judge_products(org, ids)
    except Refusal as refusal:
        return {**told, "unread": True} if refusal.code == "not_mirrored" else {**told, "trouble": refusal.message}
    counts = Counter(each.state for each in judged)
    judged = _narrowed(judged, text, state)
    mirror = tables.mirror_of(org, leads.PRODUCT)
    mirrored = leads.fields_mirrored(org)
    fields = leads.fields_of(org)
    page = Paginator(judged, PAGE).get_page(request.GET.get("page"))
    waiting = {each.product_id: each for each in wishes_of(org)}
    return {
        **told, "page": page, "rows": [{"judged": each, "wish": waiting.get(each.product.id)} for each in page],
        "counts": [(name, label, counts[name]) for name, label in STATES.items()], "total": sum(counts.values()),
        "read_at": mirror.read_at if mirror else None, "waiting": sum(not each.problem for each in waiting.values()),
        "ignores": settings_of(org).unmapped_lines == ProvisioningSettings.Unmapped.IGNORE,
        "lacking": sorted({fields.type, fields.id} - mirrored), "has_unlimited": fields.unlimited in mirrored,
    }  # fmt: skip


@require_safe
@access("analyst")
def mapping_csv(request: HttpRequest) -> HttpResponseBase:
    """The products of one connection as filtered, with where each leads and what is wrong."""
    org = org_of(request)
    text, state = request.GET.get("text", "").replace("\0", "").strip()[:100], request.GET.get("state", "")
    if org is None:
        return redirect("provisioning:mapping")
    try:
        judged = leads.judge_products(org)
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect(_address(org))
    audit.record("export.product_mapping", actor=request.user, target=org)
    header = ["product_id", "name", "code", "active", "type", "id", "unlimited", "leads_to", "state", "problems"]
    return stream_csv("product-mapping", header, (_cells(each) for each in _narrowed(judged, text, state)))


def _cells(judged: judging.Judged) -> list[object]:
    product = judged.product
    problems = " ".join(f"{each.message} {each.fix}" for each in judged.troubles)
    return [product.id, product.name, product.code, product.active, product.type, product.ref, product.unlimited, judged.name,
            STATES[judged.state], problems]  # fmt: skip


def _narrowed(judged: list[judging.Judged], text: str, state: str) -> list[judging.Judged]:
    found = [each for each in judged if state not in STATES or each.state == state]
    return [each for each in found if not text or _fits(each, text.casefold())]


def _fits(judged: judging.Judged, text: str) -> bool:
    product = judged.product
    return any(text in word.casefold() for word in (product.name, product.code, product.ref, product.id, judged.name))


@require_POST
@access("operator")
def mapping_preview(request: HttpRequest, org_id: int) -> HttpResponse:
    """What saving would change on each product; nothing is written yet."""
    org = get_object_or_404(SalesforceOrg, pk=org_id)
    try:
        changes = saving.preview_mappings(org, wishes_in(request.POST))
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect(_address(org))
    if not changes:
        saving.drop_settled(org, wishes_in(request.POST), changes)
        messages.info(request, "Nothing differs from what Salesforce has.")
        return redirect(_address(org))
    problems = any(each.problem for each in changes)
    context = {
        "org": org, "changes": changes, "problems": problems, "ids": leads.ids_of_catalogue(), "fields": leads.fields_of(org),
    }  # fmt: skip
    return render(request, "provisioning/mapping/preview.html", context, status=400 if problems else 200)


@require_POST
@access("operator")
def mapping_save(request: HttpRequest, org_id: int) -> HttpResponse:
    """Write the mappings onto the products; the run can be undone."""
    org = get_object_or_404(SalesforceOrg, pk=org_id)
    try:
        run = saving.save_mappings(org, wishes_in(request.POST), actor=request.user, now=timezone.now())
    except BadMappings as bad:
        messages.error(request, f"Nothing was saved. {bad.message}")
        return redirect(_address(org))
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect(_address(org))
    if run is None:
        messages.info(request, "Nothing differs from what Salesforce has.")
        return redirect(_address(org))
    if run.is_active:
        messages.success(request, f"Run #{run.pk} writes it to Salesforce; it can be undone there.")
    return redirect(_address(org)) if not run.is_active else redirect("integrations:run", pk=run.pk)


@require_POST
@access("operator")
def mapping_read(request: HttpRequest, org_id: int) -> HttpResponse:
    """Read products and prices of the connection again."""
    org = get_object_or_404(SalesforceOrg, pk=org_id)
    if not org.is_connected or not org.provisioning_enabled:
        messages.error(request, f"{org} is not connected, or provisioning is switched off for it.")
        return redirect(_address(org))
    try:
        checking.check_now(org, now=timezone.now())  # fields that somebody made meanwhile are read too
    except (SalesforceError, Refusal) as error:
        messages.error(request, f"{org} could not be asked: {error}")
        return redirect(_address(org))
    wanted = {"objects": list(leads.OBJECTS)}
    run = runs.request_run(reading.JOB, org=org, user=request.user, arguments=wanted, now=timezone.now())
    if run.is_active:
        return redirect("integrations:run", pk=run.pk)
    messages.success(request, "Products and prices were read.")
    return redirect(_address(org))


def _address(org: SalesforceOrg) -> str:
    return f"{reverse('provisioning:mapping')}?org={org.pk}"


def wishes_in(data: QueryDict) -> list[Wish]:
    """What a form says: `ref-<id>` and `unlimited-<id>` for each product whose row was shown."""
    found = []
    for name in data:
        product_id = name.removeprefix("ref-")
        if name.startswith("ref-") and is_id(product_id):
            found.append(Wish(product_id, data.get(name, "").strip(), f"unlimited-{product_id}" in data))
    return found
