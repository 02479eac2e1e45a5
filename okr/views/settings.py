"""Departments and periods, for operators and admins."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db.models import Count, ProtectedError
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations import audit
from integrations.access import Refusal, access
from integrations.form_tokens import sent_once
from integrations.undo import offer_undo
from okr import objectives, undoing
from okr.forms import DepartmentForm, PeriodForm
from okr.models import Department, Period
from okr.periods import quarter


def _page(request: HttpRequest, *, department_form: Form | None = None, period_form: Form | None = None) -> HttpResponse:
    name, first, last = quarter(timezone.now().date())
    proposal = {} if Period.objects.filter(name=name).exists() else {"name": name, "starts_on": first, "ends_on": last}
    context = {
        "departments": Department.objects.select_related("lead").annotate(n=Count("objectives")),
        "periods": Period.objects.annotate(n=Count("objectives")),
        "department_form": department_form or DepartmentForm(auto_id="department_%s"),
        "period_form": period_form or PeriodForm(auto_id="period_%s", initial=proposal),
    }
    return render(request, "okr/settings.html", context)


@require_safe
@access("operator")
def show(request: HttpRequest) -> HttpResponse:
    """Both lists and both forms."""
    return _page(request)


def _create(request: HttpRequest, form: Form, create: Callable[..., Any]) -> bool:
    """Whether it worked; a refusal stands in the form."""
    if not form.is_valid():
        return False
    with sent_once(request) as sending:
        if sending.is_repeat:
            return True
        try:
            made = create(**form.cleaned_data, user=request.user)
        except Refusal as refusal:
            form.add_error(None, refusal.message)
            sending.give_back()
            return False
    messages.success(request, f"{made} created.")
    return True


@require_POST
@access("operator")
def create_department(request: HttpRequest) -> HttpResponse:
    """A new department."""
    form = DepartmentForm(request.POST, auto_id="department_%s")
    if _create(request, form, objectives.create_department):
        return redirect("okr:settings")
    return _page(request, department_form=form)


@require_POST
@access("operator")
def create_period(request: HttpRequest) -> HttpResponse:
    """A new period."""
    form = PeriodForm(request.POST, auto_id="period_%s")
    if _create(request, form, objectives.create_period):
        return redirect("okr:settings")
    return _page(request, period_form=form)


@require_POST
@access("operator")
def delete_department(request: HttpRequest, pk: int) -> HttpResponse:
    """Its objectives stay, without a department."""
    department = get_object_or_404(Department, pk=pk)
    audit.record("department.deleted", actor=request.user, target=department.name)
    department.delete()
    messages.success(request, f"{department.name} deleted. Its objectives have no department now.")
    return redirect("okr:settings")


@require_POST
@access("operator")
def delete_period(request: HttpRequest, pk: int) -> HttpResponse:
    """Only a period without objectives can go."""
    period, now = get_object_or_404(Period, pk=pk), timezone.now()
    kept = {"name": period.name, "time_zone": period.time_zone}
    kept |= {"starts_on": period.starts_on.isoformat(), "ends_on": period.ends_on.isoformat()}
    try:
        period.delete()
    except ProtectedError:
        messages.error(request, f"{period.name} has objectives; move or archive them first.")
        return redirect("okr:settings")
    audit.record("period.deleted", actor=request.user, target=period.name)
    back = reverse("okr:settings")
    offer_undo(request, f"{period.name} deleted.", verb=undoing.DELETE_PERIOD, data=kept, back=back, now=now)
    return redirect("okr:settings")
