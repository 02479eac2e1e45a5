"""Pages of health scores: the list, one score over all customers, one customer explained, the editor with a preview (PX-42)."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations.access import Refusal, access, has_role
from integrations.audit import address_of, record
from integrations.exports import stream_csv
from integrations.form_tokens import sent_once
from integrations.fresh import ask_again, is_fresh
from integrations.models import Customer, SalesforceOrg
from integrations.product.health import compute, definitions, forms, queries
from integrations.product.health.scoring import MISSING, BadParts
from integrations.product.models import HealthDay, HealthScore
from integrations.sync import runs

LARGE_EXPORT = 10_000  # rows; more need a fresh sign-in (S-060)
BAR = 100


@require_safe
@access("member")
def health_list(request: HttpRequest) -> HttpResponse:
    """The scores that there are, each with its newest day."""
    rows = [{"score": score, "day": score.days.first()} for score in HealthScore.objects.select_related("org")]
    return render(request, "product/health/list.html", {"rows": rows})


@require_safe
@access("member")
def health(request: HttpRequest, pk: int) -> HttpResponse:
    """One score: how it stands over all customers, how it went, and the customers themselves."""
    score = get_object_or_404(HealthScore.objects.select_related("org", "changed_by"), pk=pk)
    chosen = {name: request.GET.get(name, "") for name in ("text", "band")}
    number, sort = _page_number(request), request.GET.get("sort", "")
    page = queries.find_scores(score, queries.Wanted(**chosen, sort=sort), number=number)
    labels, history = queries.labels_of(compute.org_of(score)), queries.history_of(score)
    context = {
        "score": score, "page": page, "chosen": chosen, "sort": sort if sort in ("score", "-score") else "score",
        "bands": queries.BANDS, "day": score.days.first(), "history": history, "labels": labels,
        "parts": _parts_in_words(score, labels), "chart": _chart_of_all(history),
    }  # fmt: skip
    return render(request, "product/health/detail.html", context)


@require_safe
@access("analyst")
def health_csv(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The customers of the page with their scores and parts, as filtered."""
    score = get_object_or_404(HealthScore, pk=pk)
    wanted = queries.Wanted(*(request.GET.get(name, "") for name in ("text", "band", "sort")))
    if not is_fresh(request) and queries.find_scores(score, wanted).total > LARGE_EXPORT:
        return ask_again(request, request.get_full_path())
    record("export.health", actor=request.user, target=f"health score {score.name}", address=address_of(request))
    keys = [part["signal"] for part in score.parts]
    header = ["customer", "name", "score", "band", "known_percent", *keys]
    return stream_csv("health", header, _lines(queries.stream_scores(score, wanted), keys))


def _lines(rows: Iterator[queries.Row], keys: list[str]) -> Iterator[list[Any]]:
    for row in rows:
        values = {part.signal: part.value for part in row.parts}
        yield [row.external_id, row.name, row.score, row.band, row.known, *(values.get(key, "") for key in keys)]


@require_safe
@access("member")
def health_customer(request: HttpRequest, pk: int, customer_pk: int) -> HttpResponse:
    """Why one customer's score is what it is."""
    score = get_object_or_404(HealthScore.objects.select_related("org"), pk=pk)
    customer = get_object_or_404(Customer, pk=customer_pk, erased_at=None)
    row, days = queries.explain(score, customer)
    labels = queries.labels_of(compute.org_of(score))
    context = {"score": score, "customer": customer, "row": row, "days": list(reversed(days)), "labels": labels,
               "bands": queries.BANDS, "chart": _chart("Score", days)}  # fmt: skip
    return render(request, "product/health/customer.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def health_create(request: HttpRequest) -> HttpResponse:
    """A new score."""
    return _edit(request, None)


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def health_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a score; a preview shows what that would give."""
    return _edit(request, get_object_or_404(HealthScore, pk=pk))


def _edit(request: HttpRequest, score: HealthScore | None) -> HttpResponse:
    if request.method != "POST":
        return _show(request, score, forms.write_form(score))
    form, verb = forms.read_form(request.POST), request.POST.get("verb", "")
    if verb == "save":
        return _save(request, score, form)
    preview = None
    if verb == "preview":
        try:
            preview = definitions.preview(form.draft(), now=timezone.now(), score=score)
        except BadParts as error:
            form.refuse(error.errors)
    elif verb == "add":
        form.add_line()
    return _show(request, score, form, preview=preview)


def _save(request: HttpRequest, score: HealthScore | None, form: forms.ScoreForm) -> HttpResponse:
    with sent_once(request) as sending:
        if sending.is_repeat:
            return redirect(sending.url or "product:health_list")
        try:
            saved = definitions.save_score(
                score, form.draft(), user=request.user, now=timezone.now(), address=address_of(request)
            )
        except BadParts as error:
            sending.give_back()
            form.refuse(error.errors)
            return _show(request, score, form, status=400)
        sending.led_to(f"/product/health/{saved.pk}/")
    messages.success(request, "Saved. It counts from the next computation on.")
    return redirect("product:health", pk=saved.pk)


def _show(
    request: HttpRequest, score: HealthScore | None, form: forms.ScoreForm, *, preview: Any = None, status: int = 200
) -> HttpResponse:
    orgs = list(SalesforceOrg.objects.exclude(state=SalesforceOrg.State.DISCONNECTED))
    key = form.values.get("key", "")
    without = (f"attributes.{key}", f"attributes.{key}{compute.BAND}")
    first = next((org for org in orgs if str(org.pk) == form.values.get("org")), orgs[0] if orgs else None)
    context = {
        "score": score, "form": form, "orgs": orgs, "signals": forms.choices_of(first, without=without), "missing": MISSING,
        "preview": preview, "bands": queries.BANDS, "dirty": request.method == "POST",
    }  # fmt: skip
    return render(request, "product/health/edit.html", context, status=status)


@require_POST
@access("operator")
def health_state(request: HttpRequest, pk: int) -> HttpResponse:
    """Pause or go on."""
    score = get_object_or_404(HealthScore, pk=pk)
    try:
        definitions.set_state(
            score, request.POST.get("state", ""), user=request.user, now=timezone.now(), address=address_of(request)
        )
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"{score.name}: {score.get_state_display().lower()}.")
    return redirect("product:health", pk=pk)


@require_POST
@access("operator")
def health_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete the definition with its history."""
    score = get_object_or_404(HealthScore, pk=pk)
    definitions.delete_score(score, user=request.user, now=timezone.now(), address=address_of(request))
    messages.success(request, f"{score.name} was deleted. The attribute keeps its last values.")
    return redirect("product:health_list")


@require_POST
@access("operator")
def health_compute(request: HttpRequest) -> HttpResponse:
    """Compute all active scores now."""
    run = runs.request_run(compute.JOB, user=request.user, now=timezone.now())
    record("run.started", actor=request.user, target=f"run {run.pk} ({compute.JOB})", address=address_of(request))
    if has_role(request.user, "analyst", "product"):
        return redirect("integrations:run", pk=run.pk)
    return redirect("product:health_list")


def _chart_of_all(history: list[HealthDay]) -> dict[str, Any]:
    """The averages by day."""
    return _chart("Average", [(each.day, None if each.average is None else float(each.average)) for each in history])


def _chart(label: str, days: Sequence[tuple[date, float | None]]) -> dict[str, Any]:
    """What the chart draws; the same numbers stand in a table."""
    return {
        "labels": [day.isoformat() for day, _ in days], "series": [{"label": label, "values": [value for _, value in days]}],
    }  # fmt: skip


def _page_number(request: HttpRequest) -> int:
    text = request.GET.get("page", "1")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 1


def _parts_in_words(score: HealthScore, labels: dict[str, str]) -> list[dict[str, Any]]:
    whole = sum(part["weight"] for part in score.parts) or 1
    return [
        {**part, "label": labels.get(part["signal"], part["signal"]), "share": round(BAR * part["weight"] / whole)}
        for part in score.parts
    ]  # fmt: skip
