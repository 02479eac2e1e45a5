"""Pages of the audit: the list, one entry's link from elsewhere, exports, verifying."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations import audit, audit_keeping
from integrations.access import access
from integrations.audit_chain import read_anchor
from integrations.fresh import ask_again, is_fresh
from integrations.models import AuditEntry
from project.audit_log import exporting
from project.audit_log.finding import Wanted, find_entries, read_wanted
from project.audit_log.forms import AuditFilter
from project.audit_log.showing import differences, is_subscription, page_of, words_of
from project.blocks.values import zone_of
from provisioning.subscriptions.naming import Named, name_subscriptions

PAGE = 50
LARGE_EXPORT = 10_000  # rows; more need a fresh sign-in (S-060)
FORMATS = {"csv": ("text/csv; charset=utf-8", exporting.csv_lines), "jsonl": ("application/x-ndjson", exporting.json_lines)}
ANCHOR_SAID = {
    "": ("bad", "This is no digest of the audit. It is written causeway-audit:NUMBER:DIGEST."),
    "holds": ("ok", "This digest holds: everything up to that entry is as it was when the digest was noted."),
    "pruned": ("info", "The entry of this digest was removed by the retention, so it cannot be compared any more."),
    "missing": ("bad", "There is no entry of that number. Entries were removed after this digest was noted."),
    "other": ("bad", "The entry has another digest now. The chain was written anew after this digest was noted."),
}


def _found(request: HttpRequest) -> tuple[Wanted, dict[str, str], QuerySet[AuditEntry]]:
    wanted, problems = read_wanted(request.GET)
    return wanted, problems, find_entries(wanted, zone=zone_of(request))


def _named(entries: Iterable[AuditEntry]) -> dict[str, Named]:
    """The subscriptions among the targets of a page; one query, none without them."""
    return name_subscriptions(
        (entry.target for entry in entries if is_subscription(entry.action, entry.target)), now=timezone.now()
    )


def address_of_subject(entry: AuditEntry, named: Mapping[str, Named] | None = None) -> str:
    """The page of what an entry is about; empty when there is none. `named`: the subscriptions that are known."""
    if named and entry.target in named:
        return reverse("provisioning:subscription", args=[entry.target])
    page = page_of(entry.subject, entry.target)
    if page is None:
        return ""
    try:
        return reverse(page[0], args=[page[1]])
    except NoReverseMatch:
        return ""


@require_safe
@access("admin")
def audit_log(request: HttpRequest) -> HttpResponse:
    """Who did what, when, from where; with what changed, and whether the log itself can be believed."""
    wanted, problems, entries = _found(request)
    page = Paginator(entries, PAGE).get_page(request.GET.get("page"))
    named = _named(page)
    rows = [
        {
            "entry": entry, "words": words_of(entry.action), "url": address_of_subject(entry, named),
            "named": named.get(entry.target), "differences": differences(entry.before, entry.after),
        }
        for entry in page
    ]  # fmt: skip
    check = audit_keeping.latest_check()
    context: dict[str, Any] = {
        "rows": rows, "page": page, "form": AuditFilter(request.GET), "problems": problems, "is_filtered": bool(wanted.told()),
        "check": check, "anchor": audit_keeping.anchor_of(check), "broken_since": audit_keeping.broken_since(),
        "is_large": page.paginator.count > LARGE_EXPORT, "compared": _compared(request.GET.get("anchor", "")),
        "keeps_days": audit_keeping.days_kept(), "zone": zone_of(request),
    }  # fmt: skip
    return render(request, "audit/log.html", context)


def _compared(text: str) -> tuple[str, str] | None:
    """Tone and sentence about a digest from outside, None when none was given."""
    if not text.strip():
        return None
    anchor = read_anchor(text)
    return ANCHOR_SAID[audit.find_anchor(anchor) if anchor else ""]


@require_safe
@access("admin")
def audit_export(request: HttpRequest, form: str) -> HttpResponseBase:
    """Exactly what is filtered, newest first, with digests and a seal; the export itself is an entry."""
    wanted, problems, entries = _found(request)
    if problems or form not in FORMATS:
        for sentence in problems.values():
            messages.error(request, sentence)
        return redirect("audit_log")
    newest = AuditEntry.objects.order_by("-id").values_list("id", flat=True).first() or 0
    entries = entries.filter(id__lte=newest)  # what is written while the file is made is not in it
    count = entries.count()
    if count > LARGE_EXPORT and not is_fresh(request):
        return ask_again(request, request.get_full_path())
    about = {"entries": count, "format": form, "filters": wanted.told()}
    audit.record("export.audit", actor=request.user, target="audit", after=about, address=audit.address_of(request))
    kind, write = FORMATS[form]
    response = StreamingHttpResponse(write(_read(entries)), content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="audit.{form}"'
    return response


def _read(entries: QuerySet[AuditEntry]) -> Iterator[AuditEntry]:
    yield from entries.iterator(chunk_size=1000)


@require_POST
@access("admin")
def audit_verify(request: HttpRequest) -> HttpResponse:
    """Verify the whole chain now; `send` also hands the newest digest to the alert channels."""
    now = timezone.now()
    check = audit_keeping.verify_chain(now=now)
    if check.broken_id is not None:
        messages.error(request, f"Entry {check.broken_id} does not fit. {check.why}")
        return redirect("audit_log")
    messages.success(request, f"The chain holds: {check.checked:,} entries.")
    if "send" in request.POST:
        sent = audit_keeping.send_anchor(check, now=now)
        if sent:
            messages.success(request, f"The newest digest goes to {sent} alert channel{'s' if sent > 1 else ''}.")
        else:
            messages.warning(request, "There is no active alert channel to send it to. Copy it instead.")
        audit.record("audit.anchor_sent", actor=request.user, target=f"{sent} channels", address=audit.address_of(request))
    return redirect("audit_log")
