"""Forms of the key-result pages. They check shape; the verbs decide."""

from decimal import Decimal
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib.auth import get_user_model

from integrations.models import SalesforceOrg
from okr.models import Department, KeyResult, Objective, Period
from okr.periods import MOST_SETTLE_DAYS
from okr.queries import ORDERS

LIST_STATES = [
    ("", "Any"),
    ("on_track", "On track"),
    ("at_risk", "At risk"),
    ("off_track", "Off track"),
    ("stale", "Not updating"),
    ("linked", "Linked to Salesforce"),
    ("archived", "Archived"),
]


class PersonField(forms.ModelChoiceField):
    """An active person, by full name."""

    def __init__(self, **kwargs: Any) -> None:
        people = get_user_model().objects.filter(is_active=True).order_by("first_name", "last_name", "username")
        kwargs.setdefault("widget", forms.Select(attrs={"data-typeahead": ""}))
        super().__init__(people, **kwargs)

    def label_from_instance(self, obj: Any) -> str:
        full = obj.get_full_name()
        return f"{full} ({obj.get_username()})" if full else obj.get_username()


class PlainDecimalField(forms.DecimalField):
    """Shows 510000 rather than 510000.000000."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=24, decimal_places=6, **kwargs)
        self.widget.attrs.update({"step": "any", "inputmode": "decimal"})

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, Decimal):
            text = f"{value:f}"
            return text.rstrip("0").rstrip(".") if "." in text else text
        return value


class ObjectiveFilter(forms.Form):
    """What stands in the address of the objectives list."""

    q = forms.CharField(label="Search", required=False, max_length=100)
    owner = PersonField(label="Owner", required=False, empty_label="Anyone")
    department = forms.ModelChoiceField(Department.objects.all(), label="Department", required=False, empty_label="Any")
    period = forms.ModelChoiceField(Period.objects.all(), label="Period", required=False, empty_label="Any")
    status = forms.ChoiceField(label="Status", choices=LIST_STATES, required=False)
    order = forms.ChoiceField(label="Order", choices=ORDERS, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("owner", "department", "period", "status", "order"):
            self.fields[name].widget.attrs["data-autosubmit"] = ""
        self.fields["order"].narrows = False  # pyright: ignore[reportAttributeAccessIssue]
        self.fields["q"].widget = forms.TextInput(attrs={"type": "search", "placeholder": "Title"})

    def chosen(self) -> dict[str, Any]:
        """The usable filters; a value that makes no sense is left out rather than an error."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value and name != "order"}

    @property
    def order_in_use(self) -> str:
        """One of `ORDERS`."""
        self.is_valid()
        return self.cleaned_data.get("order", "")


class ObjectiveForm(forms.Form):
    """Create or edit an objective."""

    title = forms.CharField(max_length=200, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    description = forms.CharField(required=False, max_length=5000, widget=forms.Textarea(attrs={"rows": 3}))
    owner = PersonField()
    department = forms.ModelChoiceField(Department.objects.all(), required=False, empty_label="None")
    period = forms.ModelChoiceField(Period.objects.all(), empty_label=None)
    parent = forms.ModelChoiceField(Objective.objects.filter(archived_at=None), required=False, empty_label="None")
    weight = forms.IntegerField(min_value=1, max_value=100, initial=1, help_text="Share in the parent objective's progress.")

    def __init__(self, *args: Any, objective: Objective | None = None, **kwargs: Any) -> None:
        if objective is not None:
            kwargs["initial"] = {name: getattr(objective, name) for name in self.base_fields} | kwargs.get("initial", {})
        super().__init__(*args, **kwargs)
        self.fields["parent"].widget.attrs["data-typeahead"] = ""
        if objective is not None:
            self.fields["parent"].queryset = Objective.objects.filter(archived_at=None).exclude(pk=objective.pk)  # pyright: ignore[reportAttributeAccessIssue]


class KeyResultForm(forms.Form):
    """Create or edit a key result: what is counted and how far it shall go (BW-32)."""

    title = forms.CharField(max_length=200, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    owner = PersonField(help_text="Anyone can own a key result, with or without a Salesforce license.")
    unit = forms.ChoiceField(choices=KeyResult.Unit.choices, initial=KeyResult.Unit.NUMBER)
    unit_label = forms.CharField(
        required=False, max_length=20, label="Unit's name", help_text="Currency code for money (USD), a word for a custom unit."
    )
    start = PlainDecimalField(initial=0, help_text="Where it stood at the beginning.")
    start_from_first_reading = forms.BooleanField(required=False, label="Take the first reading as the start")
    target = PlainDecimalField(help_text="The number to reach; lower than the start if less is better.")
    weight = forms.IntegerField(min_value=1, max_value=100, initial=1, help_text="Share in the objective's progress.")

    def __init__(self, *args: Any, key_result: KeyResult | None = None, **kwargs: Any) -> None:
        if key_result is not None:
            kwargs["initial"] = {name: getattr(key_result, name) for name in self.base_fields} | kwargs.get("initial", {})
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        unit, label = data.get("unit"), (data.get("unit_label") or "").strip()
        if unit == KeyResult.Unit.CURRENCY and label and not (len(label) == 3 and label.isalpha()):
            self.add_error("unit_label", "Give the currency's code, such as USD.")
        elif unit == KeyResult.Unit.CURRENCY:
            label = label.upper()
        elif unit == KeyResult.Unit.PERCENT:
            label = "%"
        elif unit == KeyResult.Unit.CUSTOM and not label:
            self.add_error("unit_label", "Give the unit a name, such as deals.")
        data["unit_label"] = "" if unit == KeyResult.Unit.NUMBER else label
        start, target = data.get("start"), data.get("target")
        if start is not None and target is not None and start == target:
            self.add_error("target", "The target must differ from the start.")
        return data


class CheckInForm(forms.Form):
    """How it goes, in a person's words."""

    value = PlainDecimalField(required=False, label="New value")
    confidence = forms.ChoiceField(choices=[("", "Unchanged"), *KeyResult.Confidence.choices], required=False)
    note = forms.CharField(required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))

    def __init__(self, *args: Any, is_linked: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if is_linked:
            del self.fields["value"]


class LinkOptionsForm(forms.Form):
    """What a person may set about a link besides the report and its value."""

    missing_row_is_zero = forms.BooleanField(
        required=False,
        label="Count a missing row as zero",
        help_text="For sums and counts whose row disappears when there is nothing in it. Otherwise the last value is kept.",
    )
    settle_days = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MOST_SETTLE_DAYS,
        initial=0,
        label="Settle days",
        help_text="Days after the period's end for the last reading, so that late entries still count.",
    )


class GrantForm(forms.Form):
    """Assign a seat."""

    person = PersonField(label="Person", empty_label="Choose a person")


class PoolForm(forms.Form):
    """The size of a connection's pool (BW-D1)."""

    seats = forms.IntegerField(min_value=0, max_value=100_000, label="Number of licenses")


class DepartmentForm(forms.Form):
    """A new department."""

    name = forms.CharField(max_length=80)
    lead = PersonField(required=False, empty_label="Nobody", help_text="May edit the objectives of the department.")


class PeriodForm(forms.Form):
    """A new period."""

    name = forms.CharField(max_length=40, widget=forms.TextInput(attrs={"placeholder": "2027 Q1"}))
    starts_on = forms.DateField(label="First day", widget=forms.DateInput(attrs={"type": "date"}))
    ends_on = forms.DateField(label="Last day", widget=forms.DateInput(attrs={"type": "date"}))
    time_zone = forms.ChoiceField(
        label="Time zone",
        initial="UTC",
        choices=lambda: [(name, name) for name in sorted(available_timezones())],
        help_text="Days begin and end in this zone.",
        widget=forms.Select(attrs={"data-typeahead": ""}),
    )


def connected_orgs() -> list[SalesforceOrg]:
    """Connections that a key result can be linked to now."""
    return list(SalesforceOrg.objects.filter(state=SalesforceOrg.State.CONNECTED, okr_enabled=True))
