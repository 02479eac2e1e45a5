"""Forms of the billing pages."""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms

from billing import pricing
from billing.models import BillableMetric, BillingSettings, Price
from billing.objects import OBJECTS
from billing.pricing import Terms, Tier

CSV_BYTES = 5_000_000
PREFIX = re.compile(r"(?=.{3,17}\Z)[A-Za-z](_?[A-Za-z0-9])*__\Z")


class SettingsForm(forms.ModelForm):
    """How billing goes to one connection."""

    class Meta:
        model = BillingSettings
        fields = ["scope", "many_accounts", "prefix", "current_wording", "pending_wording", "last_included_day"]
        help_texts = {
            "scope": "Customers that leave the scope keep their records in Salesforce; they are no longer updated.",
            "many_accounts": "How a customer with several accounts looks in Salesforce. Our own object must be created first.",
            "current_wording": "Drafts of the running period are called Current.",
            "last_included_day": "Invoice ends show the last included day.",
            "prefix": "NOME__ for the package, empty for objects that we deploy. It is found by itself at the first check.",
        }

    def clean_prefix(self) -> str:
        found = self.cleaned_data["prefix"].strip()
        if found and not PREFIX.match(found):
            raise forms.ValidationError(
                "A prefix is a namespace of 1 to 15 letters, digits and single underscores, and two underscores: NOME__."
            )
        return found


class PriceForm(forms.ModelForm):
    """One price of a plan. Tiers are lines of “up to; unit price; flat fee”, the last one without an end."""

    tier_lines = forms.CharField(
        label="Tiers", required=False, widget=forms.Textarea(attrs={"rows": 4}),
        help_text="For tiered and volume prices, one tier a line: up to ; price of a unit ; flat fee. End with * for the rest.",
    )  # fmt: skip

    class Meta:
        model = Price
        fields = ["name", "model", "metric_key", "amount", "included", "size", "minimum"]
        labels = {"metric_key": "Billable metric", "size": "Units in a package", "included": "Included units",
                  "minimum": "Minimum"}  # fmt: skip

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        metrics = BillableMetric.objects.filter(deleted_at=None)
        choices = [("", "None (a fee for the period)"), *((each.key, each.name) for each in metrics)]
        self.fields["metric_key"] = forms.ChoiceField(label="Billable metric", choices=choices, required=False)
        for name, value in (("amount", 0), ("included", 0), ("size", 1), ("minimum", 0)):
            self.fields[name].required = False
            self.fields[name].initial = self.fields[name].initial or value

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        for name, value in (("amount", 0), ("included", 0), ("size", 1), ("minimum", 0)):
            if data.get(name) is None and name not in self.errors:
                data[name] = Decimal(value)
        tiers = self._tiers(data.get("tier_lines", ""))
        if self.errors:
            return data
        if data["model"] != pricing.FIXED and not data["metric_key"]:
            self.add_error("metric_key", "Choose what is counted; only a fee needs no metric.")
        terms = Terms(data["model"], data["amount"], data["included"], data["size"], tiers, data["minimum"])
        for problem in pricing.problems_of(terms):
            field, _, words = problem.partition(": ")
            where = {"tiers": "tier_lines"}.get(field, field if field in self.fields else None)
            self.add_error(where, words[:1].upper() + words[1:] + ".")
        plain = [
            {"up_to": None if each.up_to is None else str(each.up_to), "unit": str(each.unit), "flat": str(each.flat)}
            for each in tiers
        ]
        self.instance.tiers = plain if data["model"] in (pricing.TIERED, pricing.VOLUME) else []
        return data

    def _tiers(self, text: str) -> tuple[Tier, ...]:
        found = []
        for number, line in enumerate((each for each in text.splitlines() if each.strip()), 1):
            parts = [part.strip() for part in line.split(";")]
            try:
                end = None if parts[0] in ("*", "") else Decimal(parts[0])
                found.append(Tier(end, Decimal(parts[1]), Decimal(parts[2]) if len(parts) > 2 and parts[2] else Decimal(0)))
            except (InvalidOperation, IndexError):
                self.add_error("tier_lines", f"Line {number}: write it as 1000 ; 0.05 ; 0, or * ; 0.02 for the rest.")
        return tuple(found)


class ImportForm(forms.Form):
    """A CSV file of one object."""

    object = forms.ChoiceField(label="Object", choices=[(each.key, each.plural.removeprefix("Metronome ")) for each in OBJECTS])
    file = forms.FileField(label="CSV file", help_text="UTF-8, at most 5 MB; the first line names the columns, id is needed.")

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > CSV_BYTES:
            raise forms.ValidationError("The file is larger than 5 MB. Split it, or use the API.")
        return file
