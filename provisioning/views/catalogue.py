"""The catalogue: products with their plans and add-ons, plans side by side, and the catalogue as a file."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations import audit
from integrations.access import Refusal, access
from provisioning.catalogue import archiving, authoring, checking, contents, files, finding, queries
from provisioning.catalogue.checking import CatalogueProblems
from provisioning.catalogue.forms import EntryForm, FileForm
from provisioning.models import Feature, Offer, Product

PAGE = 25


@require_safe
@access("member")
def catalogue(request: HttpRequest) -> HttpResponse:
    """Everything that is sold, by product."""
    text, archived = request.GET.get("text", "")[:100], request.GET.get("archived") == "1"
    now = timezone.now()
    found = queries.shelves(text=text, archived=archived, now=now)
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    archived_ones = Product.objects.exclude(archived_at=None).exists() or Offer.objects.exclude(archived_at=None).exists()
    context = {
        "page": page, "text": text, "archived": archived, "has_archived": archived_ones, "features": Feature.objects.count(),
        "is_new": not Product.objects.exists(),
    }  # fmt: skip
    return render(request, "provisioning/catalogue/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def product_new(request: HttpRequest) -> HttpResponse:
    """A new product."""
    form = EntryForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            made = authoring.save_product(
                form.key_of_new, name=data["name"], description=data["description"], actor=request.user, now=timezone.now(),
                must_be_new=True,
            )  # fmt: skip
        except CatalogueProblems as bad:
            form.add_problems(bad)
        else:
            messages.success(request, f"{made} is there. Add its plans now.")
            return redirect("provisioning:product", pk=made.pk)
    context = {"form": form, "kind": "product"}
    return render(request, "provisioning/catalogue/entry_form.html", context, status=400 if form.errors else 200)


@require_safe
@access("member")
def product(request: HttpRequest, pk: int) -> HttpResponse:
    """One product."""
    found = get_object_or_404(Product, pk=pk)
    shelf = queries.shelves(product=found, archived=True, now=timezone.now())[0]
    return render(request, "provisioning/catalogue/product.html", {"product": found, "shelf": shelf})


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def product_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Its words."""
    found = get_object_or_404(Product, pk=pk)
    form = EntryForm(request.POST or None, known=found, initial={"name": found.name, "description": found.description})
    if request.method == "POST" and form.is_valid():
        try:
            authoring.save_product(found.key, **form.cleaned_data, actor=request.user, now=timezone.now())
        except CatalogueProblems as bad:
            form.add_problems(bad)
        else:
            messages.success(request, "Saved.")
            return redirect("provisioning:product", pk=pk)
    context = {"form": form, "kind": "product", "entry": found}
    return render(request, "provisioning/catalogue/entry_form.html", context, status=400 if form.errors else 200)


@require_safe
@access("member")
def product_compare(request: HttpRequest, pk: int) -> HttpResponse:
    """Plans of a product side by side."""
    found = get_object_or_404(Product, pk=pk)
    wanted = request.GET.getlist("plan")[: queries.MOST_COMPARED]
    chosen, every = queries.comparable(found, wanted, now=timezone.now())
    rows = [
        (line, [contents.line_words(each) if each is not None else None for each in cells])
        for line, cells in contents.compare([card.contents for card in chosen])
    ]
    picked = {card.offer.key for card in chosen}
    context = {"product": found, "plans": chosen, "every": every, "rows": rows, "picked": picked, "most": queries.MOST_COMPARED}
    return render(request, "provisioning/catalogue/compare.html", context)


@require_POST
@access("operator")
def entry_archive(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """Stop selling a product, feature, plan or add-on."""
    entry = get_object_or_404(_models(kind), pk=pk)
    try:
        archiving.archive(entry, actor=request.user, now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"{entry} is archived. Customers keep what they have.")
    return redirect(f"provisioning:{_page(kind)}", pk=pk)


@require_POST
@access("operator")
def entry_restore(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """Sell it again."""
    entry = get_object_or_404(_models(kind), pk=pk)
    try:
        archiving.restore(entry, actor=request.user, now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"{entry} is back.")
    return redirect(f"provisioning:{_page(kind)}", pk=pk)


def _models(kind: str) -> type[Product] | type[Feature] | type[Offer]:
    if kind not in finding.MODELS:
        raise Http404
    return finding.MODELS[kind]


def _page(kind: str) -> str:
    return kind if kind in (checking.PRODUCT, checking.FEATURE) else "offer"


@require_safe
@access("member")
def catalogue_file(request: HttpRequest) -> HttpResponse:
    """The catalogue as YAML."""
    audit.record("export.catalogue", actor=request.user, target="catalogue.yaml")
    response = HttpResponse(files.dump(), content_type="application/yaml; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="catalogue.yaml"'
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def catalogue_upload(request: HttpRequest) -> HttpResponse:
    """Try a YAML file out, look at what it would do, then save it."""
    form = FileForm(request.POST or None, request.FILES or None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "provisioning/catalogue/file.html", {"form": form}, status=400 if form.errors else 200)
    dry = "save" not in request.POST
    body = form.cleaned_data["body"]
    report = files.load(body, actor=request.user, now=timezone.now(), dry_run=dry)
    if not dry and not report.problems:
        messages.success(request, "The catalogue is as the file says.")
        return redirect("provisioning:catalogue")
    text = body if isinstance(body, str) else body.decode("utf-8", "replace")
    again = FileForm(initial={"text": text})
    moved = [each for each in report.changes if each.action != "unchanged"]
    context = {"form": again, "report": report, "moved": moved, "unchanged": report.count("unchanged")}
    return render(request, "provisioning/catalogue/file.html", context, status=400 if report.problems else 200)
