"""The form of the settings of analytics in a connection."""

from typing import Self

from django import forms

from analytics.models import AnalyticsSettings

HOURS = [(hour, f"{hour:02d}:00 UTC") for hour in range(24)]


class SettingsForm(forms.Form):
    """What `starting.change_settings` takes."""

    sync_hour = forms.TypedChoiceField(label="Daily sync", choices=HOURS, coerce=int, help_text="New data arrives by itself.")
    linking = forms.ChoiceField(
        label="Accounts lead to customers", choices=AnalyticsSettings.Linking.choices,
        help_text="The Linking ID is a field of accounts; links are those of the customer pages.",
    )  # fmt: skip
    preference = forms.ChoiceField(
        label="Upsell, downgrade, renewal, churn and winback dates", choices=AnalyticsSettings.Preference.choices,
        help_text="They can be derived from the transactions of an account; derived dates are marked.",
    )  # fmt: skip
    grace_days = forms.IntegerField(
        label="Days between two terms that still count as a renewal", min_value=0, max_value=365,
        help_text="The same product again within so many days is a renewal; later, it is churn and a winback.",
    )  # fmt: skip
    currency = forms.CharField(
        label="Currency of reports", max_length=3, required=False, strip=True,
        help_text="ISO code such as EUR; empty: the org's own currency.",
    )  # fmt: skip

    hash_contacts = forms.BooleanField(
        label="Keep e-mail and phone of contacts as digests only", required=False,
        help_text="Where they are mapped: nobody here can read them. Another domain that needs them in clear keeps them so.",
    )  # fmt: skip

    @classmethod
    def of(cls, settings: AnalyticsSettings) -> Self:
        """The form with what is set now."""
        return cls(initial={name: getattr(settings, name) for name in cls.base_fields})

    def clean_currency(self) -> str:
        """An ISO code in capitals."""
        code = self.cleaned_data["currency"].upper()
        if code and not (len(code) == 3 and code.isalpha() and code.isascii()):
            raise forms.ValidationError("Write a currency as its three letters, such as EUR.")
        return code
