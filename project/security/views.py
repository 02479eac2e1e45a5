"""Pages of security: all connections, one connection, its permission set, people and keys, the drill."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations import audit
from integrations.access import Refusal, access
from integrations.fresh import ask_again, is_fresh
from integrations.models import SalesforceOrg, SecurityReview
from integrations.orgs.states import State
from integrations.salesforce import API_VERSION
from project.security import deploying, installation, pages, permission_set, review


def _org(pk: int) -> SalesforceOrg:
    return get_object_or_404(SalesforceOrg.objects.select_related("authorized_by"), pk=pk)


def _who(request: HttpRequest) -> dict[str, Any]:
    return {"actor": request.user, "address": audit.address_of(request)}


@require_safe
@access("admin")
def overview(request: HttpRequest) -> HttpResponse:
    """Every connection with its verdict, and this installation's own keys and people."""
    return render(request, "security/overview.html", pages.overview())


@require_POST
@access("admin")
def check_all(request: HttpRequest) -> HttpResponse:
    """Review this installation and every connection that is connected."""
    now = timezone.now()
    orgs = list(SalesforceOrg.objects.all())
    failed = [org.name if org else "this installation" for org in review.review_each(orgs, now=now)]
    after = {"failed": failed} if failed else None
    audit.record("security.checked", target=f"{len(orgs)} connections", after=after, **_who(request))
    if failed:
        messages.error(request, f"The review of {', '.join(failed)} failed unexpectedly; the log has the details.")
    else:
        messages.success(request, f"Checked {len(orgs)} connection{'' if len(orgs) == 1 else 's'}.")
    return redirect("security")


@require_safe
@access("admin")
def connection(request: HttpRequest, pk: int) -> HttpResponse:
    """One connection: findings, rights against needs, sign-in, addresses, use."""
    org = _org(pk)
    shown = pages.one(org, domain=request.GET.get("domain", ""), show=request.GET.get("show", ""), now=timezone.now())
    return render(request, "security/connection.html", {"org": org, **shown})


@require_POST
@access("admin")
def check(request: HttpRequest, pk: int) -> HttpResponse:
    """Review one connection now."""
    org = _org(pk)
    found = review.review_org(org, now=timezone.now(), ask=org.state == State.CONNECTED)
    audit.record("security.checked", target=org, after={"verdict": found.verdict}, **_who(request))
    messages.success(request, "Checked.")
    return redirect("security_org", pk=pk)


def _all_records(request: HttpRequest) -> bool:
    """Whether the set sees all records; sharing decides where the address says records=shared."""
    return (request.GET.get("records") or request.POST.get("records")) != "shared"


@require_safe
@access("admin")
def permission_set_page(request: HttpRequest, pk: int) -> HttpResponse:
    """The generated permission set, what deploying it would change, downloads and the button."""
    org = _org(pk)
    shown = pages.preview(org, all_records=_all_records(request))
    return render(request, "security/permission_set.html", {"org": org, "can_deploy": org.state == State.CONNECTED, **shown})


@require_safe
@access("admin")
def permission_set_file(request: HttpRequest, pk: int, form: str) -> HttpResponse:
    """The set as one file in source format (xml), or as a package to deploy (zip)."""
    org = _org(pk)
    kept = SecurityReview.objects.filter(org=org).first()
    if kept is None or not kept.body.get("set") or form not in ("xml", "zip"):
        messages.error(request, "Check the connection first: the permission set is made from what it finds.")
        return redirect("security_org", pk=pk)
    made = permission_set.from_json(kept.body["set"], all_records=_all_records(request))
    if form == "zip":
        data, kind, name = permission_set.package_of(made).zipped(api_version=API_VERSION), "application/zip", "causeway.zip"
    else:
        data, kind, name = permission_set.file_of(made), "application/xml", permission_set.FILE
    audit.record("export.permission_set", target=org, after={"format": form}, **_who(request))
    return HttpResponse(data, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


@require_POST
@access("admin")
def permission_set_deploy(request: HttpRequest, pk: int) -> HttpResponse:
    """Deploy the set and give it to the integration user; asks for a fresh sign-in (S-060)."""
    org = _org(pk)
    if not is_fresh(request):
        return ask_again(request, reverse("security_permission_set", args=[pk]))
    try:
        run = deploying.request_deploy(
            org, all_records=_all_records(request), user=request.user, address=audit.address_of(request)
        )
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("security_permission_set", pk=pk)
    return redirect("integrations:run", pk=run.pk)


@require_safe
@access("admin")
def people(request: HttpRequest) -> HttpResponse:
    """Who can see what, and with which keys."""
    now = timezone.now()
    context = {
        "roles": installation.roles(), "back_office": installation.back_office(), "api_keys": installation.api_keys(now=now),
        "write_keys": installation.write_keys(), "licenses": installation.licenses(), "now": now,
    }  # fmt: skip
    return render(request, "security/people.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@access("admin")
def drill(request: HttpRequest) -> HttpResponse:
    """What to do when a token was stolen, step by step, with the time it takes; also to practice (S-116)."""
    if request.method == "POST":
        action = "security.drill_ended" if "end" in request.POST else "security.drill_started"
        why = " ".join(request.POST.get("why", "").split())[:200]
        audit.record(action, target="stolen token", after={"why": why} if why else None, **_who(request))
        return redirect("security_drill")
    return render(request, "security/drill.html", pages.drill(now=timezone.now()))
