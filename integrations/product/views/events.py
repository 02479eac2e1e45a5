"""Data health: how events come in, what was put aside, and the write keys of browsers and apps."""

from datetime import UTC
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations.access import access
from integrations.form_tokens import sent_once
from integrations.masking import may_see_people
from integrations.models import Run
from integrations.product.ingest import health, new_people, quarantine, write_keys
from integrations.product.ingest.flush import JOB, flush_due
from integrations.product.ingest.forms import WriteKeyForm
from integrations.product.models import QuarantinedEvent, WriteKey

WEEK = 7
SHOWN = 100  # quarantined events on the page
BACK = "product:data"


@require_safe
@access("analyst")
def data_health(request: HttpRequest) -> HttpResponse:
    """Figures, quarantine and keys."""
    now = timezone.now()
    overview, keys = health.read_overview(now=now), list(WriteKey.objects.filter(revoked_at=None))
    brought = new_people.today_of(keys, day=now.astimezone(UTC).date())
    context = {
        "overview": overview,
        "chart": overview.chart(),
        "recent": overview.days[:WEEK],
        "earlier": overview.days[WEEK:],
        "runs": Run.objects.filter(job=JOB).order_by("-pk")[:5],
        "aside": QuarantinedEvent.objects.all()[:SHOWN],
        "sees_people": may_see_people(request.user),
        "days_shown": health.DAYS,
        "keys": [(each, brought.get(each.pk)) for each in keys],
        "revoked": WriteKey.objects.exclude(revoked_at=None).count(),
        "keep_days": health.lake_tables.keep_days(),
    }
    return render(request, "product/data_health.html", context)


@require_POST
@access("operator")
def data_flush(request: HttpRequest) -> HttpResponse:
    """Store what waits now instead of within the minute."""
    run = flush_due(now=timezone.now())
    messages.success(request, f"Storing: run #{run.pk}." if run else "Nothing waits; everything is stored.")
    return redirect(BACK)


@require_POST
@access("operator")
def data_quarantine(request: HttpRequest) -> HttpResponse:
    """Try events again or delete them: those that are ticked, or all of one reason."""
    chosen = _chosen(request)
    verb = request.POST.get("verb", "")
    if verb == "retry":
        done = quarantine.retry(chosen, actor=request.user, now=timezone.now())
        said = f"{done.accepted:,} go into the lake with the next flush; {done.kept:,} still cannot be true."
    elif verb == "drop":
        said = f"{quarantine.drop(chosen, actor=request.user):,} deleted."
    else:
        raise Http404
    messages.success(request, said)
    return redirect(BACK)


def _chosen(request: HttpRequest) -> list[int]:
    numbers = [int(text) for text in request.POST.getlist("event") if text.isascii() and text.isdecimal() and len(text) < 19]
    if request.POST.get("all") == "yes":
        return list(QuarantinedEvent.objects.order_by("pk").values_list("pk", flat=True)[: quarantine.MOST_EVENTS])
    return numbers[: quarantine.MOST_EVENTS]


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def write_key_create(request: HttpRequest) -> HttpResponse:
    """A new key; its secret is on the answer and nowhere else."""
    form = WriteKeyForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return _form(request, form, None)
    with sent_once(request) as sending:
        if sending.is_repeat:
            return redirect(BACK)
        given = form.cleaned_data
        key, secret = write_keys.create_write_key(
            name=given["name"], allowed_origins=given["origins"], require_signature=given["require_signature"],
            actor=request.user, now=timezone.now(), most_new_people=given["most_new_people"],
        )  # fmt: skip
    return _once(request, key, secret, is_new=True)


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def write_key(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a key."""
    key = _key(pk)
    form = WriteKeyForm(request.POST or None, key=key)
    if request.method != "POST" or not form.is_valid():
        return _form(request, form, key)
    given = form.cleaned_data
    write_keys.change(
        key, name=given["name"], allowed_origins=given["origins"], require_signature=given["require_signature"],
        actor=request.user, most_new_people=given["most_new_people"],
    )  # fmt: skip
    messages.success(request, f"{key.name} saved.")
    return redirect(BACK)


@require_POST
@access("operator")
def write_key_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Refuse a key from now on."""
    key = _key(pk)
    write_keys.revoke(key, actor=request.user, now=timezone.now())
    messages.success(request, f"{key.name} is refused from now on.")
    return redirect(BACK)


@require_POST
@access("operator")
def write_key_secret(request: HttpRequest, pk: int) -> HttpResponse:
    """A new signing secret, shown once."""
    key = _key(pk)
    with sent_once(request) as sending:
        if sending.is_repeat:
            return redirect(BACK)
        secret = write_keys.new_secret(key, actor=request.user)
    return _once(request, key, secret, is_new=False)


def _key(pk: int) -> WriteKey:
    return get_object_or_404(WriteKey, pk=pk, revoked_at=None)


def _form(request: HttpRequest, form: WriteKeyForm, key: WriteKey | None) -> HttpResponse:
    status = 400 if form.is_bound else 200
    return render(request, "product/write_key.html", {"form": form, "key": key}, status=status)


def _once(request: HttpRequest, key: WriteKey, secret: str, *, is_new: bool) -> HttpResponse:
    context: dict[str, Any] = {"key": key, "secret": secret, "is_new": is_new, "snippet": snippet_of(key)}
    return render(request, "product/write_key_once.html", context)


def snippet_of(key: WriteKey) -> str:
    """The lines that a product puts into its pages."""
    # Without the digest of the file's content: pages keep these lines for years.
    script = f"{settings.BASE_URL}{settings.STATIC_URL}snippet/causeway.js"
    signed = ', signature: "FROM YOUR SERVER"' if key.require_signature else ""
    return "\n".join(
        (
            f'<script async src="{script}" data-key="{key.key}"></script>',
            "<script>",
            "  window.causeway ||= function () { (causeway.q ||= []).push(arguments); };",
            f'  causeway("identify", "USER ID", {{ email: "USER EMAIL" }}, {{ account: "ACCOUNT ID"{signed} }});',
            '  causeway("track", "Report exported", { format: "pdf" });',
            "</script>",
        )
    )
