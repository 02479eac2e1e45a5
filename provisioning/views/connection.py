"""Settings of a connection's integration, its key, and its removal (ST-16 to ST-18, ST-40)."""

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from integrations.access import Refusal, access, has_role
from integrations.fresh import fresh_login
from integrations.models import SalesforceOrg
from integrations.orgs.states import NotConnected
from integrations.salesforce.errors import SalesforceError
from integrations.salesforce.soql import FIELD
from provisioning import connection
from provisioning.intent.facts import USUAL_AMENDMENTS, USUAL_RENEWALS
from provisioning.models import Automation, Provision, ProvisioningSettings, Subscription
from provisioning.salesforce import calling

WAITS = {"day": connection.OLD_KEY_KEPT, "now": connection.OLD_KEY_KEPT * 0}
FIELDS = (
    "type_field", "id_field", "unlimited_field", "account_id_field", "account_url_field", "opportunity_id_field",
    "opportunity_url_field", "start_field", "term_field",
)  # fmt: skip
LABELS = {
    "type_field": "Field with the type", "id_field": "Field with the id", "unlimited_field": "Field that means unlimited",
    "account_id_field": "Field for the customer id, on the account",
    "account_url_field": "Field for the customer URL, on the account",
    "opportunity_id_field": "Field for the subscription id, on the opportunity",
    "opportunity_url_field": "Field for the subscription URL, on the opportunity",
    "start_field": "Field with the start date", "term_field": "Field with the term in months",
    "unmapped_lines": "When a line has no mapping", "lost_trials": "When a deal with a running trial is lost",
    "trial_days": "Length of a trial in days", "require_signature": "Accept signed calls only",
}  # fmt: skip
HELP = {
    "start_field": "On the line or the opportunity. Empty: the close date counts, where no quote or contract says more.",
    "term_field": "On the opportunity. Empty: what is sold has no end, where no line, quote or contract says more.",
    "require_signature": "The flow templates and outbound messages cannot sign; only Apex code or a program between can.",
}
TYPES_HELP = "One on each line. Empty: {}. With CPQ its own marks decide first."
MOST_TYPES = 50


class TypesField(forms.CharField):
    """Values of a picklist, one a line."""

    widget = forms.Textarea(attrs={"rows": 3})

    def prepare_value(self, value: object) -> object:
        return "\n".join(str(each) for each in value) if isinstance(value, list) else value

    def clean(self, value: object) -> list[str]:
        text = super().clean(value) or ""
        found = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
        if len(found) > MOST_TYPES or any(len(each) > 255 for each in found):
            raise forms.ValidationError(f"At most {MOST_TYPES} values of 255 characters.")
        return found


class SettingsForm(forms.ModelForm):
    """The settings of a connection; names are API names of fields."""

    amendment_types = TypesField(
        required=False, label="Opportunity types of an amendment", help_text=TYPES_HELP.format(", ".join(USUAL_AMENDMENTS))
    )
    renewal_types = TypesField(
        required=False, label="Opportunity types of a renewal", help_text=TYPES_HELP.format(", ".join(USUAL_RENEWALS))
    )

    class Meta:
        model = ProvisioningSettings
        fields = (
            *FIELDS,
            "amendment_types",
            "renewal_types",
            "unmapped_lines",
            "trial_days",
            "lost_trials",
            "require_signature",
        )
        labels = LABELS
        help_texts = HELP

    def clean(self) -> dict[str, object]:
        values = super().clean() or {}
        for name in FIELDS:
            text = str(values.get(name) or "").strip()
            if text and (not FIELD.match(text) or "." in text):
                self.add_error(name, "Enter the API name of a field, such as Stigg_ID__c.")
            values[name] = text
        written = [str(values.get(name)).lower() for name in FIELDS[3:7] if values.get(name)]
        if len(written[:2]) == 2 and written[0] == written[1]:
            self.add_error("account_url_field", "Id and URL need a field each.")
        if not values.get("trial_days"):
            self.add_error("trial_days", "A trial lasts at least one day.")
        return values


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def settings(request: HttpRequest, org_id: int) -> HttpResponse:
    """Names of the fields and rules of the connection."""
    org = get_object_or_404(SalesforceOrg, pk=org_id)
    form = SettingsForm(request.POST or None, instance=connection.peek_settings(org))
    if request.method == "POST" and form.is_valid():
        changes = {name: form.cleaned_data[name] for name in form.Meta.fields}
        if not has_role(request.user, "admin", "provisioning"):  # who may call is decided by those who make keys
            changes.pop("require_signature")
        connection.save_settings(connection.settings_of(org), changes, actor=request.user, now=timezone.now())
        messages.success(request, "Saved. Deals that wait for a person are tried again with it.")
        return redirect("provisioning:settings", org_id=org.pk)
    context = {"org": org, "form": form, "settings": connection.peek_settings(org)}
    return render(request, "provisioning/settings.html", context, status=400 if form.errors else 200)


@require_POST
@access("admin")
@fresh_login
@never_cache
def make_key(request: HttpRequest, org_id: int) -> HttpResponse:
    """A new key, shown on this answer and never again (ST-16)."""
    org = get_object_or_404(SalesforceOrg, pk=org_id)
    keep = WAITS.get(request.POST.get("old", "day"), connection.OLD_KEY_KEPT)
    try:
        key = connection.make_key(org, actor=request.user, now=timezone.now(), keep_old=keep)
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("provisioning:settings", org_id=org.pk)
    context = {"org": org, "key": key, "settings": connection.settings_of(org)}
    return render(request, "provisioning/key.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@access("admin")
@fresh_login
def remove(request: HttpRequest, org_id: int) -> HttpResponse:
    """What a removal ends and what it leaves; POST does it (ST-40, ST-D16)."""
    org, error = get_object_or_404(SalesforceOrg, pk=org_id), ""
    if request.method == "POST":
        given = request.POST
        try:
            connection.check_confirmed(org, given.get("confirm", ""))
            left_on = _switch_flows_off(request, org) if "flows" in given else ""
            connection.remove(
                org, confirm=given.get("confirm", ""), clear="clear" in given, revoke_tokens="tokens" in given,
                actor=request.user, now=timezone.now(),
            )  # fmt: skip
        except Refusal as refusal:
            error = refusal.message
        else:
            messages.success(request, f"The integration was removed from {org}. What customers have goes on working.")
            if left_on:
                messages.warning(request, left_on)
            return redirect("provisioning:overview")
    context = {
        "org": org, "error": error, "only_domain": connection.is_only_domain(org), "settings": connection.peek_settings(org),
        "automations": Automation.objects.filter(org=org, is_active=True).count(),
        "subscriptions": Subscription.objects.filter(org=org).exclude(running_key=None).count(),
        "open": Provision.objects.filter(org=org, state__in=connection.UNFINISHED).count(),
    }  # fmt: skip
    return render(request, "provisioning/remove.html", context, status=400 if error else 200)


def _switch_flows_off(request: HttpRequest, org: SalesforceOrg) -> str:
    """Switch off the flows that call us, while the tokens still allow it; why they are on still, "" when they are off.

    Nothing else of a removal may fail because Salesforce does not answer or refuses.
    """
    try:
        calling.switch_off_all(org, actor=request.user)
    except (Refusal, NotConnected, SalesforceError) as trouble:
        why, where = str(trouble).rstrip("."), "Setup › Process Automation › Flows"
        told = f"The flows in Salesforce could not be switched off ({why}). Switch them off in {where};"
        return f"{told} until then each won deal leaves a task about a refused call."
    return ""


@require_POST
@access("admin")
@fresh_login
def set_up_again(request: HttpRequest, org_id: int) -> HttpResponse:
    """Take a removal back."""
    org = get_object_or_404(SalesforceOrg, pk=org_id)
    connection.set_up_again(org, actor=request.user, now=timezone.now())
    messages.success(request, "Deals are watched again from now on. Make a key and turn automations on.")
    return redirect("provisioning:settings", org_id=org.pk)
