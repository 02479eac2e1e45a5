"""How billing stands in each connection, its settings, the push, and the list of customers without an account."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from billing import deploying, linking, preflight, push, queries, rating
from billing.forms import SettingsForm
from billing.models import AccountLink, BillingCustomer, Invoice
from billing.package import READERS_LABEL, package_of
from integrations import audit
from integrations.access import Refusal, access
from integrations.chosen_org import chosen_org
from integrations.models import SalesforceOrg
from integrations.people_pages import assign_typed
from integrations.queries import count_each
from integrations.salesforce import API_VERSION
from integrations.salesforce.errors import SalesforceError
from integrations.salesforce.ids import is_id
from integrations.sync import runs

PAGE = 50


@require_safe
@access("member")
def show(request: HttpRequest) -> HttpResponse:
    """Cards for each connection, problems first."""
    invoices = Invoice.objects.filter(deleted_at=None)
    counts = count_each({
        "customers": BillingCustomer.objects.filter(deleted_at=None), "invoices": invoices,
        "drafts": invoices.filter(status="DRAFT"),
    })  # fmt: skip
    context = {"places": queries.places(chosen_org(request)), "rates": rating.has_plans(), **counts}
    return render(request, "billing/overview.html", context)


@require_POST
@access("operator")
def push_now(request: HttpRequest, org_id: int) -> HttpResponse:
    """Start a push; its run shows the progress."""
    org = get_object_or_404(SalesforceOrg, pk=org_id)
    if not org.billing_enabled or not org.is_connected:
        messages.error(request, f"{org} is switched off or not connected.")
        return redirect("billing:overview")
    run = runs.request_run(push.JOB, org=org, user=request.user, now=timezone.now())
    return redirect("integrations:run", pk=run.pk)


@require_POST
@access("operator")
def rate_now(request: HttpRequest) -> HttpResponse:
    """Work out the invoices again."""
    run = runs.request_run(rating.JOB, user=request.user, now=timezone.now())
    return redirect("integrations:run", pk=run.pk)


@require_POST
@access("operator")
def check(request: HttpRequest, org_id: int) -> HttpResponse:
    """Ask the org again for its billing objects."""
    org = get_object_or_404(SalesforceOrg, pk=org_id)
    try:
        lacks = preflight.check_now(org, now=timezone.now())
    except (SalesforceError, Refusal) as error:
        messages.error(request, f"{org} could not be asked: {error}")
    else:
        words = f"{len(lacks)} things are missing in {org}." if lacks else f"{org} has everything that billing needs."
        (messages.warning if lacks else messages.success)(request, words)
    return redirect("billing:overview")


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def settings(request: HttpRequest, org_id: int) -> HttpResponse:
    """Settings of a connection; another scope is shown with its effect before it is saved (MT-D2)."""
    org = get_object_or_404(SalesforceOrg, pk=org_id)
    saved = preflight.settings_of(org)
    form = SettingsForm(request.POST or None, instance=preflight.settings_of(org))
    context: dict[str, Any] = {"org": org, "form": form, "settings": saved}
    if request.method == "POST" and form.is_valid():
        changes = queries.preview_scope(saved, form.cleaned_data["scope"])
        if form.cleaned_data["scope"] != saved.scope and "confirm" not in request.POST:
            return render(request, "billing/settings.html", {**context, "changes": changes})
        before = {name: getattr(saved, name) for name in form.changed_data}
        made = form.save(commit=False)
        names = list(form.changed_data)
        if "prefix" in names:
            made.prefix_known, made.missing, made.checked_at = True, [], None
            names += ["prefix_known", "missing", "checked_at"]
        made.save(update_fields=names)  # a check at the same time writes what it found
        after = {name: getattr(made, name) for name in form.changed_data}
        audit.record("billing.settings", actor=request.user, target=org, before=before, after=after)
        messages.success(request, "Saved. The next push follows it.")
        return redirect("billing:overview")
    return render(request, "billing/settings.html", context, status=400 if form.errors else 200)


@require_POST
@access("admin")
def deploy(request: HttpRequest, org_id: int) -> HttpResponse:
    """Create our objects in the org; the run shows how far it is (MT-D15)."""
    org = get_object_or_404(SalesforceOrg, pk=org_id)
    try:
        run = deploying.request_deploy(org, user=request.user, now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("billing:overview")
    return redirect("integrations:run", pk=run.pk)


@require_safe
@access("operator")
def package_zip(request: HttpRequest) -> HttpResponse:
    """The same package as a file, for people who deploy it themselves."""
    audit.record("export.billing_package", actor=request.user, target="billing-package.zip")
    response = HttpResponse(package_of().zipped(api_version=API_VERSION), content_type="application/zip")
    response["Content-Disposition"] = 'attachment; filename="billing-package.zip"'
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@access("admin")
def people(request: HttpRequest, org_id: int) -> HttpResponse:
    """Give people in Salesforce the right to see billing records (MT-07, MT-D16)."""
    org = get_object_or_404(SalesforceOrg, pk=org_id)
    shown = assign_typed(
        request, org, lambda names: deploying.assign_people(org, names, actor=request.user, now=timezone.now())
    )
    return render(request, "billing/people.html", {**shown, "set": READERS_LABEL})


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def leftover(request: HttpRequest, org_id: int) -> HttpResponse:
    """Records out of scope: what a removal would delete; POST does it (MT-D2)."""
    from billing import leftovers  # loads Arrow

    org = get_object_or_404(SalesforceOrg, pk=org_id)
    if request.method == "POST":
        run = runs.request_run(push.REMOVE_JOB, org=org, user=request.user, now=timezone.now())
        audit.record("billing.remove", actor=request.user, target=org, after={"run": run.pk})
        return redirect("integrations:run", pk=run.pk)
    return render(request, "billing/leftovers.html", {"org": org, "found": leftovers.find_leftovers(org, now=timezone.now())})


# --- customers without an account -------------------------------------------------------------------------------------------


def org_of(request: HttpRequest) -> SalesforceOrg | None:
    """The connection that a linking page is about: named in the address, chosen in the top bar, or the first one."""
    wanted = request.GET.get("org", "")
    orgs = SalesforceOrg.objects.exclude(state=SalesforceOrg.State.NEW).order_by("name")
    if wanted.isdecimal() and len(wanted) < 10:
        return orgs.filter(pk=int(wanted)).first()
    return chosen_org(request) or orgs.first()


@require_safe
@access("analyst")
def links(request: HttpRequest) -> HttpResponse:
    """The work list: who is billed and has no account, with accounts of the same name."""
    org = org_of(request)
    page = Paginator(linking.work_list(org) if org else BillingCustomer.objects.none(), PAGE).get_page(request.GET.get("page"))
    offers = queries.suggest_accounts(org, list(page.object_list)) if org else {}
    rows = [{"customer": each, "offers": offers.get(each.pk, [])} for each in page.object_list]
    lost = AccountLink.objects.filter(state=AccountLink.State.SUSPENDED, org=org).select_related("customer", "org")
    context = {"org": org, "page": page, "rows": rows, "lost": lost, "orgs": SalesforceOrg.objects.exclude(state="new")}
    return render(request, "billing/links.html", context)


@require_POST
@access("operator")
def link(request: HttpRequest, pk: int, org_id: int) -> HttpResponse:
    """Link an account by its id or address."""
    customer, org = get_object_or_404(BillingCustomer, pk=pk), get_object_or_404(SalesforceOrg, pk=org_id)
    try:
        account = account_in(request.POST.get("account_id", ""))
        linking.link_account(customer, org=org, account_id=account, actor=request.user, now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"{customer} is linked in {org}. The next push writes it.")
    return _back(request, customer)


@require_POST
@access("operator")
def unlink(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a link away."""
    found = get_object_or_404(AccountLink.objects.select_related("customer"), pk=pk)
    linking.unlink_account(found, actor=request.user, now=timezone.now())
    messages.success(request, "Unlinked. The next push clears it in Salesforce.")
    return _back(request, found.customer)


@require_POST
@access("operator")
def primary(request: HttpRequest, pk: int) -> HttpResponse:
    """Let the customer's own row carry this account."""
    found = get_object_or_404(AccountLink.objects.select_related("customer"), pk=pk)
    try:
        linking.make_primary(found, actor=request.user, now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, "This is the primary account now.")
    return _back(request, found.customer)


def _back(request: HttpRequest, customer: BillingCustomer) -> HttpResponse:
    if request.POST.get("from") == "links":
        return redirect("billing:links")
    return redirect("billing:customer", pk=customer.pk)


def account_in(text: str) -> str:
    """The id in what was pasted: an id, or the address of a record's page."""
    parts = [part for part in text.replace("?", "/").replace("#", "/").split("/") if is_id(part.strip())]
    return parts[-1].strip() if parts else text.strip()
