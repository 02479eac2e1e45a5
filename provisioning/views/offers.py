"""Plans and add-ons: their versions, the editor of a draft, what differs, who is on which, and moving them."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations.access import Refusal, access
from integrations.models import Run
from provisioning.catalogue import authoring, checking, finding, holders, move_job, moving, queries
from provisioning.catalogue.checking import CatalogueProblems
from provisioning.catalogue.contents import Contents, differences, line_words, price_words
from provisioning.catalogue.forms import DraftEditor, OfferForm
from provisioning.mapping import leads
from provisioning.models import Offer, OfferVersion, Product


def _offer(pk: int) -> Offer:
    return get_object_or_404(Offer.objects.select_related("product"), pk=pk)


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def offer_new(request: HttpRequest, kind: str) -> HttpResponse:
    """A new plan or add-on; its draft comes next."""
    if kind not in (checking.PLAN, checking.ADDON):
        raise Http404
    asked = request.GET.get("product", "")
    chosen = Product.objects.filter(pk=int(asked)).first() if asked.isdecimal() and len(asked) < 10 else None
    only = Product.objects.filter(archived_at=None)[:2]
    form = OfferForm(request.POST or None, kind=kind, initial={"product": chosen or (only[0] if len(only) == 1 else None)})
    if request.method == "POST" and form.is_valid():
        data, now = form.cleaned_data, timezone.now()
        try:
            made = authoring.save_offer(
                form.key_of_new, kind=kind, product=data["product"], name=data["name"], description=data["description"],
                actor=request.user, now=now, must_be_new=True,
            )  # fmt: skip
            authoring.start_draft(made, actor=request.user, now=now)
        except CatalogueProblems as bad:
            form.add_problems(bad)
        else:
            return redirect("provisioning:offer_draft", pk=made.pk)
    context = {"form": form, "kind": kind, "no_products": not only}
    return render(request, "provisioning/catalogue/entry_form.html", context, status=400 if form.errors else 200)


@require_safe
@access("member")
def offer(request: HttpRequest, pk: int) -> HttpResponse:
    """One plan or add-on."""
    found = _offer(pk)
    page = queries.read_offer(found, now=timezone.now())
    context = {"page": page, "offer": found, "leads": leads.leading_to(found.key)}
    return render(request, "provisioning/catalogue/offer.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def offer_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Its words; they are no part of a version."""
    found = _offer(pk)
    form = OfferForm(request.POST or None, known=found, kind=found.kind,
                     initial={"name": found.name, "description": found.description})  # fmt: skip
    if request.method == "POST" and form.is_valid():
        about: dict[str, Any] = {"kind": found.kind, "product": found.product, "actor": request.user, "now": timezone.now()}
        try:
            authoring.save_offer(found.key, **form.cleaned_data, **about)
        except CatalogueProblems as bad:
            form.add_problems(bad)
        else:
            messages.success(request, "Saved.")
            return redirect("provisioning:offer", pk=pk)
    context = {"form": form, "kind": found.kind, "entry": found}
    return render(request, "provisioning/catalogue/entry_form.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def offer_draft(request: HttpRequest, pk: int) -> HttpResponse:
    """The editor of what the next version gives. Nobody gets anything of it before it is published."""
    found, features = _offer(pk), finding.known_features()
    if request.method != "POST":
        version = finding.draft_of(found) or finding.published_of(found)
        note = version.note if version is not None and version.published_at is None else ""
        inside = finding.contents_of(version) if version is not None else Contents()
        editor = DraftEditor.of(found, features, inside, note)
        draft = finding.draft_of(found)
        editor.seen = draft.updated_at.isoformat() if draft is not None else ""
        return _show_editor(request, editor)
    editor = DraftEditor.posted(found, features, request.POST)
    verb = request.POST.get("verb", "save")
    if editor.change(verb, request.POST):
        return _show_editor(request, editor, dirty=True)
    try:
        draft = _save_draft(request, editor)
        if verb == "publish":
            draft = authoring.publish(draft, actor=request.user, now=timezone.now())
    except CatalogueProblems as bad:
        editor.add_problems(bad)
        return _show_editor(request, editor, status=400, dirty=True)
    except Refusal as refusal:
        editor.general.append(refusal.message)
        return _show_editor(request, editor, status=409, dirty=True)
    messages.success(request, _told(found, draft))
    return redirect("provisioning:offer", pk=pk)


def _told(found: Offer, draft: OfferVersion) -> str:
    if draft.published_at is None:
        return "The draft is saved. Nobody has it before you publish it."
    return f"Version {draft.number} of {found} is on sale. Customers keep the version that they have until you move them."


def _save_draft(request: HttpRequest, editor: DraftEditor) -> OfferVersion:
    seen = parse_datetime(editor.seen) if editor.seen else None
    if not editor.seen and finding.draft_of(editor.offer) is not None:
        raise Refusal("changed_meanwhile", "Somebody started a draft meanwhile. Load the page again.")
    return authoring.save_draft(editor.offer, **editor.given, actor=request.user, now=timezone.now(), seen=seen)


def _show_editor(request: HttpRequest, editor: DraftEditor, *, status: int = 200, dirty: bool = False) -> HttpResponse:
    context = {"editor": editor, "offer": editor.offer, "dirty": dirty, "current": finding.published_of(editor.offer)}
    return render(request, "provisioning/catalogue/draft.html", context, status=status)


@require_POST
@access("operator")
def offer_publish(request: HttpRequest, pk: int) -> HttpResponse:
    """Sell what the saved draft says."""
    found = _offer(pk)
    draft = finding.draft_of(found)
    if draft is None:
        messages.error(request, "There is no draft to publish.")
        return redirect("provisioning:offer", pk=pk)
    try:
        messages.success(request, _told(found, authoring.publish(draft, actor=request.user, now=timezone.now())))
    except Refusal as refusal:
        messages.error(request, refusal.message)
    return redirect("provisioning:offer", pk=pk)


@require_POST
@access("operator")
def offer_discard(request: HttpRequest, pk: int) -> HttpResponse:
    """Throw the draft away."""
    found = _offer(pk)
    if (draft := finding.draft_of(found)) is not None:
        authoring.discard(draft, actor=request.user, now=timezone.now())
        messages.success(request, "The draft is gone.")
    return redirect("provisioning:offer", pk=pk)


@require_POST
@access("operator")
def offer_copy(request: HttpRequest, pk: int) -> HttpResponse:
    """A new plan or add-on that gives the same, as a draft."""
    try:
        made = authoring.duplicate(_offer(pk), actor=request.user, now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("provisioning:offer", pk=pk)
    messages.success(request, f"This is the copy, with the id {made.key}. It is a draft.")
    return redirect("provisioning:offer", pk=made.pk)


@require_safe
@access("member")
def offer_version(request: HttpRequest, pk: int, number: str) -> HttpResponse:
    """One version, beside another one when `?with=` names it (by default the one before)."""
    found = _offer(pk)
    try:
        version = queries.version_numbered(found, number)
        other_number = request.GET.get("with", "")
        other = queries.version_numbered(found, other_number) if other_number else _before(found, version)
    except Refusal as refusal:
        raise Http404 from refusal
    inside = finding.contents_of(version)
    changed = differences(finding.contents_of(other), inside) if other is not None else []
    having = holders.holders_of(found, now=timezone.now(), versions=[version.pk])
    context = {
        "offer": found, "version": version, "other": other, "changes": changed, "price": price_words(inside),
        "contents": inside, "lines": [(line, line_words(line)) for line in inside.lines],
        "having": having[: moving.SHOWN], "count": having.count(),
        "numbers": list(OfferVersion.objects.filter(offer=found).exclude(pk=version.pk).order_by("-number")),
    }  # fmt: skip
    return render(request, "provisioning/catalogue/version.html", context)


def _before(found: Offer, version: OfferVersion) -> OfferVersion | None:
    earlier = finding.published().filter(offer=found).exclude(pk=version.pk).order_by("-number")
    return (earlier.filter(number__lt=version.number) if version.number else earlier).first()


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def offer_move(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """Who would change by a move to this version, and how; POST does it for the chosen ones."""
    found, now = _offer(pk), timezone.now()
    version = finding.published().filter(offer=found, number=number).first()
    if version is None:
        raise Http404
    if request.method == "POST":
        return _move(request, found, version, now)
    return render(request, "provisioning/catalogue/move.html", {
        "offer": found, "version": version, "groups": moving.preview_move(version, now=now),
        "moving": Run.objects.filter(job=move_job.JOB, state__in=Run.ACTIVE).first(),
    })  # fmt: skip


def _move(request: HttpRequest, found: Offer, version: OfferVersion, now: datetime) -> HttpResponse:
    chosen = [int(each) for each in request.POST.getlist("version") if each.isdecimal() and len(each) < 10]
    if not chosen:
        messages.error(request, "Choose whom to move.")
        return redirect("provisioning:offer_move", pk=found.pk, number=version.number)
    try:
        run = move_job.ask_move(version, versions=chosen, actor=request.user, now=now)
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("provisioning:offer_move", pk=found.pk, number=version.number)
    messages.success(request, f"Customers are moved to version {version.number} of {found}. This page shows how far it is.")
    return redirect("integrations:run", pk=run.pk)
