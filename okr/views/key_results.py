"""One key result: where it stands, where its numbers come from, what people say about it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations.access import Refusal, access, has_role
from integrations.audit import address_of, record
from integrations.exports import stream_csv
from integrations.form_tokens import sent_once
from integrations.undo import offer_undo
from okr import check_ins, licenses, linking, objectives, periods, progress, queries, refresh, rights, undoing
from okr.forms import CheckInForm
from okr.models import KeyResult, Reading, ReportLink
from okr.queries import link_of
from okr.reports_metadata import path_label

PAGE = 12
SHOWN = 20
CHART_POINTS = 500
Status = ReportLink.Status


@dataclass(frozen=True)
class Banner:
    """Why the value no longer moves, since when, and the button that mends it."""

    tone: str
    title: str
    cause: str
    fix: str
    kept_since: datetime | None
    url: str = ""
    action: str = ""


# What a person can do about each status. "choose" leads to the form, "connection" to the connection's page.
FIXES: dict[str, tuple[str, str]] = {
    Status.REPORT_GONE: ("choose", "Restore the report from Salesforce's recycle bin, or choose another one."),
    Status.NO_ACCESS: ("choose", "Share the report's folder with the connected Salesforce user, or choose another report."),
    Status.FIELD_GONE: ("choose", "The summary may have been removed or renamed: choose the value again."),
    Status.ROW_MISSING: ("choose", "It comes back by itself when the row does. Choose another row if it was renamed."),
    Status.NO_VALUE: ("choose", "The report shows nothing for this value at the moment."),
    Status.FORMAT: ("choose", "Choose a summary or matrix report."),
    Status.TYPE_CHANGED: ("choose", "Choose the value again, so that the unit is right."),
    Status.CURRENCY_CHANGED: ("choose", "Choose the value again, so that the currency is right."),
    Status.INCOMPLETE: ("", "The next pass tries again."),
    Status.FILTER_REFUSED: ("choose", "Change or remove the filters of this link."),
    Status.TIMEOUT: ("choose", "Make the report smaller in Salesforce: fewer rows, a shorter range of dates."),
    Status.LIMIT: ("", "It goes on by itself when Salesforce's hour is over."),
    Status.CONNECTION: ("connection", "Somebody must connect to Salesforce again."),
    Status.UPSTREAM: ("", "Salesforce does not answer; the next pass tries again."),
}
PASSING = {Status.ROW_MISSING, Status.NO_VALUE, Status.INCOMPLETE, Status.LIMIT, Status.UPSTREAM, Status.TIMEOUT}


def _read(pk: int) -> KeyResult:
    try:
        return queries.key_result(pk)
    except KeyResult.DoesNotExist as error:
        raise Http404 from error


def banner_of(key_result: KeyResult, link: ReportLink | None, *, user: Any) -> Banner | None:
    """What stands above a key result whose link does not deliver (BW-D9); None while all is well."""
    if link is None or link.status in {Status.FRESH, Status.NOT_READ, Status.FROZEN}:
        return None
    way, fix = FIXES.get(link.status, ("", "The next pass tries again."))
    url = action = ""
    if way == "choose" and rights.may_edit_key_result(user, key_result):
        url, action = f"{reverse('okr:key_result_edit', args=[key_result.pk])}#integrations", "Choose again"
    elif way == "connection" and has_role(user, "operator", "okr"):
        url, action = reverse("integrations:connection", args=[link.org.pk]), "Fix connection"
    elif way:
        whom = "an operator or admin" if way == "connection" else f"{key_result.owner.get_full_name() or key_result.owner}"
        fix = f"{fix} Ask {whom}."
    tone = "warn" if link.status in PASSING else "bad"
    return Banner(tone, Status(link.status).label, link.status_reason, fix, link.last_value_at, url, action)


def _chart(key_result: KeyResult, *, now: datetime) -> dict[str, Any]:
    period = key_result.objective.period
    latest = Reading.objects.filter(key_result=key_result).values_list("at", "value", "source")[:CHART_POINTS]
    points = [
        {"t": _milliseconds(at), "v": float(value), "manual": source == Reading.Source.CHECK_IN}
        for at, value, source in reversed(latest)
    ]
    return {
        "points": points,
        "begin": _milliseconds(periods.starts_at(starts_on=period.starts_on, time_zone=period.time_zone)),
        "end": _milliseconds(periods.ends_at(ends_on=period.ends_on, time_zone=period.time_zone)),
        "now": _milliseconds(now),
        "start": float(key_result.start),
        "target": float(key_result.target),
        "unit": key_result.unit,
        "unit_label": key_result.unit_label,
    }


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _chart_label(key_result: KeyResult, count: int) -> str:
    def words(value: Decimal | None) -> str:
        if value is None:
            return "nothing yet"
        return linking.amount_text(value, unit=key_result.unit, unit_label=key_result.unit_label)

    return (
        f"{count} readings of {key_result.title}, now {words(key_result.current)}, on the way from {words(key_result.start)} "
        f"to {words(key_result.target)}. The table below has the same numbers."
    )


def _page(request: HttpRequest, key_result: KeyResult, check_in_form: CheckInForm | None = None) -> HttpResponse:
    now, link = timezone.now(), link_of(key_result)
    page = Paginator(queries.readings_of(key_result), PAGE).get_page(request.GET.get("page"))
    for reading in page:
        reading.org = reading.run.org if reading.run else (link.org if link else None)  # pyright: ignore
    chart = _chart(key_result, now=now)
    may_edit = rights.may_edit_key_result(request.user, key_result)
    expected = progress.expected_progress(elapsed=periods.elapsed(key_result.objective.period, now=now))
    context = {
        "key_result": key_result,
        "link": link,
        "banner": banner_of(key_result, link, user=request.user),
        "share": progress.progress_of(start=key_result.start, target=key_result.target, current=key_result.current),
        "expected": expected,
        "readings": page,
        "points": chart,
        "chart_label": _chart_label(key_result, len(chart["points"])),
        "check_ins": queries.check_ins_of(key_result)[:SHOWN],
        "activity": queries.activity_of(key_result)[:SHOWN],
        "check_in_form": check_in_form or CheckInForm(is_linked=link is not None, auto_id="check_in_%s"),
        "may_edit": may_edit,
        "may_refresh": link is not None and (may_edit or licenses.has_seat(request.user, link.org)),
        "may_edit_objective": rights.may_edit_objective(request.user, key_result.objective),
        "next_refresh": refresh.next_refresh_at(link, now=now) if link else None,
    }
    return render(request, "okr/key_result.html", context)


@require_safe
@access("member")
def show(request: HttpRequest, pk: int) -> HttpResponse:
    """Everybody who is signed in sees every key result (BW-D12)."""
    return _page(request, _read(pk))


@require_POST
@access("member")
def check_in(request: HttpRequest, pk: int) -> HttpResponse:
    """A note, a confidence and, where no report speaks, a value."""  # BW-D15
    key_result = _read(pk)
    form = CheckInForm(request.POST, is_linked=link_of(key_result) is not None, auto_id="check_in_%s")
    if not form.is_valid():
        return _page(request, key_result, form)
    with sent_once(request) as sending:
        if not sending.is_repeat:
            try:
                check_ins.check_in(key_result, user=request.user, now=timezone.now(), **form.cleaned_data)
            except Refusal as refusal:
                sending.give_back()
                form.add_error(None, refusal.message)
                return _page(request, key_result, form)
            messages.success(request, "Checked in.")
    return redirect("okr:key_result", pk=pk)


@require_POST
@access("member")
def unlink(request: HttpRequest, pk: int) -> HttpResponse:
    """Cut the link; needs edit rights only (BW-D3)."""
    key_result, now, page = _read(pk), timezone.now(), reverse("okr:key_result", args=[pk])
    kept = linking.link_kept(key_result)
    try:
        linking.unlink(key_result, user=request.user, now=now)
        text = "Unlinked. The readings stay; values can be entered by hand."
        offer_undo(request, text, verb=undoing.UNLINK, data={"link": kept}, back=page, now=now)
    except Refusal as refusal:
        messages.error(request, refusal.message)
    return redirect(page)


@require_POST
@access("member")
def refresh_now(request: HttpRequest, pk: int) -> HttpResponse:
    """Read the report again, at most once in five minutes (BW-D7)."""
    try:
        done = refresh.refresh_now(_read(pk), user=request.user, now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("okr:key_result", pk=pk)
    if done.pending:
        messages.info(request, done.sentence)
    elif done.link.status == Status.FRESH:
        messages.success(request, "Read just now.")
    else:
        messages.warning(request, done.link.status_reason or Status(done.link.status).label)
    return redirect("okr:key_result", pk=pk)


@require_POST
@access("member")
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove it with all its readings."""
    key_result = _read(pk)
    try:
        objectives.delete_key_result(key_result, user=request.user, now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("okr:key_result", pk=pk)
    messages.success(request, f"{key_result.title} deleted.")
    return redirect("okr:objective", pk=key_result.objective_id)  # pyright: ignore[reportAttributeAccessIssue]


@require_safe
@access("member")
def readings_csv(request: HttpRequest, pk: int) -> HttpResponse:
    """Every reading with its provenance."""
    key_result = _read(pk)
    header = ["at", "value", "unit", "source", "report", "report_id", "field", "row", "read_as", "run", "final"]
    rows = (
        [
            reading.at.isoformat(),
            objectives.plain(reading.value),
            key_result.unit_label or key_result.unit,
            reading.source,
            reading.report_name,
            reading.report_id,
            reading.field,
            path_label(reading.group_path) if reading.report_id else "",
            reading.read_as,
            reading.run_id or "",  # pyright: ignore[reportAttributeAccessIssue]
            "yes" if reading.is_final else "no",
        ]
        for reading in queries.readings_of(key_result).iterator(2000)
    )
    record("export.readings", actor=request.user, target=f"key result {pk}", address=address_of(request))
    return stream_csv(f"key-result-{pk}-readings", header, rows)  # pyright: ignore[reportReturnType]
