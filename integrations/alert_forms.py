"""Forms of the alert pages: channels, rules, watches over runs, one's own messages."""

from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError

from integrations.alert_rules import catalogue, saving
from integrations.models import Alert, AlertChannel, AlertRule, RunWatch, SalesforceOrg
from integrations.sync import jobs

TIME = forms.TimeInput(attrs={"type": "time"}, format="%H:%M")


class ChannelForm(forms.Form):
    """A channel. Its address is typed, checked and never shown again."""

    name = forms.CharField(max_length=80, help_text="How rules and the list of messages call it.")
    kind = forms.ChoiceField(label="What it is", choices=AlertChannel.Kind.choices)
    url = forms.CharField(
        label="Address of the hook", max_length=2000, required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "https://hooks.example.com/…"}),
        help_text="A public https address. Kept encrypted and not shown again; leave empty to keep the present one.",
    )  # fmt: skip
    mails = forms.CharField(
        label="E-mail addresses", required=False, widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Of an e-mail group: one a line.",
    )  # fmt: skip
    by_default = forms.BooleanField(
        label="Gets every alert that no rule names", required=False, help_text="Off: only what a rule sends here."
    )
    sends_warnings = forms.BooleanField(
        label="Warnings too, not only what needs an action", required=False, help_text="Only for alerts that no rule names."
    )
    is_active = forms.BooleanField(label="Active", required=False, help_text="Off: nothing is sent; waiting messages stay.")

    @classmethod
    def of(cls, channel: AlertChannel | None, data: Any = None) -> "ChannelForm":
        """The form of a channel, or of a new one."""
        first = {name: getattr(channel or AlertChannel(), name) for name in saving.CHANNEL_PARTS}
        return cls(data, initial=first | {"mails": "\n".join(first["mails"])})

    def values(self) -> dict[str, Any]:
        """What the verb takes."""
        given = self.cleaned_data
        mails = [each.strip() for each in given["mails"].replace(",", "\n").splitlines() if each.strip()]
        return {name: given[name] for name in saving.CHANNEL_PARTS} | {"mails": mails}


class RuleForm(forms.ModelForm):
    """Which alerts, where to, when."""

    kinds = forms.MultipleChoiceField(
        label="Kinds of alerts", required=False, widget=forms.SelectMultiple(attrs={"size": 8}),
        help_text="Nothing chosen: any. Hold Ctrl or ⌘ to choose several.",
    )  # fmt: skip
    codes = forms.CharField(required=False, help_text="Only these codes, divided by commas; seldom needed.")
    severities = forms.MultipleChoiceField(
        required=False, choices=Alert.Severity.choices, widget=forms.CheckboxSelectMultiple, label="Severity"
    )
    domains = forms.MultipleChoiceField(
        required=False, choices=list(catalogue.DOMAINS.items()), widget=forms.CheckboxSelectMultiple, label="Domains"
    )
    environments = forms.MultipleChoiceField(
        required=False, choices=SalesforceOrg.Environment.choices, widget=forms.CheckboxSelectMultiple, label="Environments"
    )

    class Meta:
        model = AlertRule
        fields = [
            "name", "is_active", "kinds", "codes", "severities", "domains", "environments", "orgs", "channels", "people",
            "mails_usual", "rhythm", "daily_at", "quiet_from", "quiet_to", "zone", "repeat_hours", "escalate_minutes",
            "escalate_to",
        ]  # fmt: skip
        labels = {
            "orgs": "Connections", "rhythm": "When", "daily_at": "Hour of the daily message", "quiet_from": "Quiet from",
            "quiet_to": "Quiet until", "zone": "Time zone", "repeat_hours": "Remind after hours",
            "escalate_minutes": "Escalate after minutes", "escalate_to": "Escalate to",
        }  # fmt: skip
        help_texts = {
            "people": "They get mail, besides those whom an alert names.",
            "quiet_from": "Nothing is sent in these hours; it comes when they end.",
            "repeat_hours": "While the alert is open and nobody has acknowledged it.",
            "escalate_minutes": "When nobody has acknowledged it by then.",
        }
        widgets = {
            "orgs": forms.CheckboxSelectMultiple, "channels": forms.CheckboxSelectMultiple, "daily_at": TIME,
            "people": forms.SelectMultiple(attrs={"size": 5}), "quiet_from": TIME, "quiet_to": TIME,
        }  # fmt: skip

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        every = catalogue.every()
        groups = [
            (label, [(each.name, each.label) for each in every if each.domain == domain])
            for domain, label in catalogue.DOMAINS.items()
        ]
        self.fields["kinds"].choices = [group for group in groups if group[1]]  # type: ignore[attr-defined]
        people = get_user_model().objects.filter(is_active=True).exclude(email="").order_by("username")
        self.fields["people"].queryset = people  # type: ignore[attr-defined]
        self.fields["orgs"].queryset = SalesforceOrg.objects.order_by("name")  # type: ignore[attr-defined]
        if self.instance.pk:
            self.initial["codes"] = ", ".join(self.instance.codes)

    def clean_codes(self) -> list[str]:
        """Codes as a list."""
        return [each.strip() for each in self.cleaned_data["codes"].split(",") if each.strip()]

    def validate_unique(self) -> None:
        """The verb asks."""

    def _post_clean(self) -> None:
        """The instance stays as it is stored: the verb changes it, and tells the audit what it was before."""


class WatchForm(forms.ModelForm):
    """A watch over runs."""

    job = forms.ChoiceField(required=False)
    domain = forms.ChoiceField(label="Or all jobs of", required=False)

    class Meta:
        model = RunWatch
        fields = ["name", "what", "number", "job", "domain", "org", "severity", "is_active"]
        labels = {"what": "What is watched", "number": "Runs in a row, or hours", "org": "Connection"}
        help_texts = {"org": "Nothing chosen: each connection by itself."}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        every = [each for each in jobs.every() if not each.by_hand and not each.dry]
        self.fields["job"].choices = [("", "Any job"), *((each.name, each.label) for each in every)]  # type: ignore[attr-defined]
        domains = sorted({each.domain for each in every})
        choices = [("", "Any domain"), *((each, each.capitalize()) for each in domains)]
        self.fields["domain"].choices = choices  # type: ignore[attr-defined]

    def validate_unique(self) -> None:
        """The verb asks."""

    def _post_clean(self) -> None:
        """The instance stays as it is stored: the verb changes it."""


def put_errors(form: forms.BaseForm, error: ValidationError) -> None:
    """What a verb found wrong, at the fields; at the top what has no field."""
    for name, texts in error.message_dict.items():
        for text in texts:
            form.add_error(name if name in form.fields else None, text)
