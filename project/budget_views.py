"""The API budget: all connections, one connection with its settings."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations.access import Refusal, access, may_change
from integrations.audit import address_of
from integrations.models import SalesforceOrg
from integrations.orgs import sharing
from integrations.orgs.budget_settings import MOST_WEIGHT, change_budget
from project.budget import LABELS, SPANS, read_all, read_budget, read_detail


class BudgetForm(forms.Form):
    """Our share, what is kept for people, and the weight and cap of each domain."""

    share_percent = forms.IntegerField(label="Our share of the org's calls, %", required=False, min_value=1, max_value=90)
    people_percent = forms.IntegerField(
        label="Kept for people, % of our share", min_value=0, max_value=50, help_text="Schedules stop before it; clicks go on."
    )

    def __init__(self, *args: Any, values: dict[str, Any], **kwargs: Any) -> None:
        initial = {name: values[name] for name in ("share_percent", "people_percent")}
        for name in sharing.DOMAINS:
            initial[f"weight_{name}"] = values["weights"].get(name, 1)
            initial[f"cap_{name}"] = values["caps"].get(name)
        super().__init__(*args, initial=initial, **kwargs)
        usual = round(settings.API_BUDGET_SHARE * 100)
        self.fields[
            "share_percent"
        ].help_text = (
            f"Empty: as the installation says, {usual} %. A tenth of the org's calls is left to others whatever you choose."
        )
        for name in sharing.DOMAINS:
            label = LABELS[name]
            self.fields[f"weight_{name}"] = forms.IntegerField(label=f"{label}: weight", min_value=0, max_value=MOST_WEIGHT)
            self.fields[f"cap_{name}"] = forms.IntegerField(
                label=f"{label}: at most, % of our share", required=False, min_value=1, max_value=100
            )

    @property
    def pairs(self) -> list[tuple[str, Any, Any]]:
        """Label, weight and cap of each domain."""
        return [(LABELS[name], self[f"weight_{name}"], self[f"cap_{name}"]) for name in sharing.DOMAINS]

    def changes(self) -> dict[str, Any]:
        """What the verb takes."""
        given = self.cleaned_data
        return {
            "share_percent": given["share_percent"], "people_percent": given["people_percent"],
            "weights": {name: given[f"weight_{name}"] for name in sharing.DOMAINS if given[f"weight_{name}"] != 1},
            "caps": {name: given[f"cap_{name}"] for name in sharing.DOMAINS if given[f"cap_{name}"] is not None},
        }  # fmt: skip


@require_safe
@access("analyst")
def budget_list(request: HttpRequest) -> HttpResponse:
    """Every connection, the fullest first."""
    return render(request, "budget/list.html", {"budgets": read_all(now=timezone.now())})


@require_safe
@access("analyst")
def budget_org(request: HttpRequest, pk: int) -> HttpResponse:
    """One connection; `?span=7d` shows a week."""
    org = get_object_or_404(SalesforceOrg, pk=pk)
    return _show(request, org, form=None)


@require_POST
@access("admin")
def budget_change(request: HttpRequest, pk: int) -> HttpResponse:
    """Save the settings."""
    org = get_object_or_404(SalesforceOrg, pk=pk)
    form = BudgetForm(request.POST, values=dict(read_budget(org, now=timezone.now()).settings))
    if not form.is_valid():
        return _show(request, org, form=form, status=422)
    try:
        change_budget(org, form.changes(), actor=request.user, now=timezone.now(), address=address_of(request))
    except Refusal as refusal:
        form.add_error(None, refusal.message)
        return _show(request, org, form=form, status=422)
    messages.success(request, "Saved. It counts from the next call.")
    return redirect("budget_org", pk=pk)


def _show(request: HttpRequest, org: SalesforceOrg, *, form: BudgetForm | None, status: int = 200) -> HttpResponse:
    span = request.GET.get("span", "")
    detail = read_detail(org, span=span if span in SPANS else "24h", now=timezone.now())
    may_admin = may_change(request.user, "admin")
    context = {
        "org": org, "detail": detail, "budget": detail.budget, "span": span if span in SPANS else "24h",
        "form": (form or BudgetForm(values=dict(detail.budget.settings))) if may_admin else None,
    }  # fmt: skip
    return render(request, "budget/detail.html", context, status=status)
