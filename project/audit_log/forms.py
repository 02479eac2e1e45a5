"""The filters of the audit page; everything stands in the address."""

from typing import Any

from django import forms

from integrations.models import SalesforceOrg
from project.audit_log.finding import known_kinds, known_people
from project.audit_log.showing import words_of


class AuditFilter(forms.Form):
    """Bound to `request.GET`; what it says about wrong values comes from `finding.read_wanted`."""

    q = forms.CharField(label="Search", required=False, max_length=200)
    person = forms.ChoiceField(label="Person", required=False)
    kind = forms.ChoiceField(label="What", required=False)
    org = forms.ChoiceField(label="Connection", required=False)
    since = forms.CharField(label="From day", required=False)
    until = forms.CharField(label="To day", required=False)
    object = forms.CharField(label="Object", required=False, max_length=200)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = known_people()
        self.fields["person"].choices = [("", "Anybody"), *((name, name) for name in people)]  # pyright: ignore
        kinds = [(kind, words_of(kind) if "." in kind else f"{words_of(kind)} (all)") for kind in known_kinds()]
        self.fields["kind"].choices = [("", "Anything"), *kinds]  # pyright: ignore
        orgs = [(str(pk), name) for pk, name in SalesforceOrg.objects.values_list("pk", "name")]
        self.fields["org"].choices = [("", "Any"), *orgs]  # pyright: ignore
        for name in ("person", "kind", "org"):
            self.fields[name].widget.attrs["data-autosubmit"] = ""
        self.fields["q"].widget = forms.TextInput(attrs={"type": "search", "placeholder": "Words, a name, an address"})
        for name in ("since", "until"):
            self.fields[name].widget = forms.DateInput(attrs={"type": "date"})
        self.fields["object"].widget = forms.TextInput(attrs={"placeholder": "Name or number"})
