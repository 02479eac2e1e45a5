"""Forms of the subscription pages. The verbs check; forms carry what was typed and show each problem at its field."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.utils import timezone

from provisioning.models import Feature, Offer, Product
from provisioning.subscriptions.resolving import BadTerms
from provisioning.subscriptions.spec import AddOnLine, OverrideLine, TermsSpec

SPARE_ROWS = 3
RULES = [("limit", "Limit"), ("unlimited", "Unlimited"), ("given", "Given (yes)"), ("revoked", "Taken away")]

LimitFields = tuple[forms.BoundField, forms.BoundField, forms.BoundField, forms.BoundField]


class UtcField(forms.DateTimeField):
    """A moment typed in UTC."""

    def __init__(self, **options: Any) -> None:
        shape = "%Y-%m-%dT%H:%M"
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=shape)
        super().__init__(widget=widget, input_formats=[shape, "%Y-%m-%dT%H:%M:%S"], **options)

    def to_python(self, value: Any) -> datetime | None:
        with timezone.override(UTC):
            return super().to_python(value)

    def prepare_value(self, value: Any) -> Any:
        return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) and value.tzinfo else value


class TermsForm(forms.Form):
    """Plan, seats, add-ons and own limits; from when, and until when for those that need it."""

    effective_at = UtcField(label="From (UTC)", required=False, help_text="Empty = now.")

    def __init__(self, *args: Any, product: Product, spec: TermsSpec, until: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        if until:
            self.fields["ends_at"] = UtcField(label="Until (UTC)", required=False, help_text="Empty = open.")
        offers = list(
            Offer.objects.filter(product=product, versions__published_at__isnull=False).distinct().order_by("name", "key")
        )
        plans = [(each.key, each.name) for each in offers if each.kind == Offer.Kind.PLAN]
        self.fields["plan"] = forms.ChoiceField(label="Plan", choices=plans, initial=spec.plan)
        self.fields["seats"] = forms.DecimalField(
            label="Seats", required=False, min_value=1, initial=spec.seats, help_text="Only for plans sold by the seat."
        )
        bought = dict(spec.add_ons)
        self.add_on_keys = {f"addon_{each.pk}": each.key for each in offers if each.kind == Offer.Kind.ADDON}
        for each in offers:
            if each.kind == Offer.Kind.ADDON:
                self.fields[f"addon_{each.pk}"] = forms.DecimalField(
                    label=each.name, required=False, min_value=0, initial=bought.get(each.key)
                )
        self._add_limits(spec.overrides)

    def _add_limits(self, overrides: tuple[OverrideLine, ...]) -> None:
        features = [("", "Choose a feature"), *((each.key, each.name) for each in Feature.objects.order_by("name"))]
        self.held_limits = len(overrides)
        self.limit_rows = range(len(overrides) + SPARE_ROWS)
        for number in self.limit_rows:
            line = overrides[number] if number < len(overrides) else None
            rule = "limit" if line is None or line.limit is not None else "given"
            if line is not None and (line.unlimited or line.revoked):
                rule = "unlimited" if line.unlimited else "revoked"
            place = f"Own limit {number + 1}" if line else "Feature"
            self.fields[f"feature_{number}"] = forms.ChoiceField(
                label=place, choices=features, required=False, initial=line.feature if line else ""
            )
            self.fields[f"rule_{number}"] = forms.ChoiceField(label="Rule", choices=RULES, initial=rule, required=False)
            self.fields[f"limit_{number}"] = forms.DecimalField(
                label="Number", required=False, min_value=0, initial=line.limit if line else None
            )
            self.fields[f"soft_{number}"] = forms.CharField(
                required=False, widget=forms.HiddenInput(), initial="" if line is None or line.soft is None else str(line.soft)
            )

    @property
    def add_on_fields(self) -> list[forms.BoundField]:
        """The quantities of add-ons."""
        return [self[name] for name in self.add_on_keys]

    @property
    def limit_fields(self) -> list[LimitFields]:
        """The rows of own limits that it has."""
        return [self._row(number) for number in self.limit_rows[: self.held_limits]]

    @property
    def spare_fields(self) -> list[LimitFields]:
        """Empty rows for further own limits."""
        return [self._row(number) for number in self.limit_rows[self.held_limits :]]

    @property
    def has_new_limits(self) -> bool:
        """Whether somebody typed into the empty rows."""
        return any(bool(field.value()) for field, *_ in self.spare_fields)

    def _row(self, number: int) -> LimitFields:
        return (self[f"feature_{number}"], self[f"rule_{number}"], self[f"limit_{number}"], self[f"soft_{number}"])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for number in self.limit_rows:
            if data.get(f"feature_{number}") and data.get(f"rule_{number}") == "limit" and data.get(f"limit_{number}") is None:
                self.add_error(f"limit_{number}", "Give a number, or choose another rule.")
        return data

    def spec(self) -> TermsSpec:
        """What was typed, in plain values."""
        data = self.cleaned_data
        quantities = ((key, data.get(name)) for name, key in self.add_on_keys.items())
        add_ons = tuple(AddOnLine(key, Decimal(number)) for key, number in quantities if number)
        overrides = tuple(self._line(number) for number in self.limit_rows if data.get(f"feature_{number}"))
        return TermsSpec(data["plan"], data.get("seats"), add_ons, overrides)

    def _line(self, number: int) -> OverrideLine:
        data = self.cleaned_data
        rule, soft = data.get(f"rule_{number}"), data.get(f"soft_{number}")
        limit = data.get(f"limit_{number}") if rule == "limit" else None
        kept = {"True": True, "False": False}.get(soft or "")
        return OverrideLine(data[f"feature_{number}"], limit, rule == "unlimited", rule == "revoked", kept)

    def add_problems(self, bad: BadTerms) -> None:
        """Each problem at its field, the others above the form."""
        names = {f"add_ons.{key}": name for name, key in self.add_on_keys.items()}
        names |= {f"overrides.{self.data.get(f'feature_{n}', '')}": f"feature_{n}" for n in self.limit_rows}
        for path, message in bad.problems:
            place = names.get(path, path)
            self.add_error(place if place in self.fields else None, message)


class CancelForm(forms.Form):
    """When a subscription stops."""

    when = forms.ChoiceField(
        label="When", choices=[("now", "Now"), ("end", "At the end of the period"), ("date", "At a moment")],
        widget=forms.RadioSelect, initial="now",
    )  # fmt: skip
    at = UtcField(label="Moment (UTC)", required=False)
    reason = forms.CharField(label="Why", max_length=255, required=False)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("when") == "date" and data.get("at") is None and "at" not in self.errors:
            self.add_error("at", "Say from when.")
        return data


class ExtendForm(forms.Form):
    """The new end of a trial."""

    trial_ends_at = UtcField(label="Trial until (UTC)")


class GrantForm(forms.Form):
    """A promotional grant."""

    feature = forms.ModelChoiceField(label="Feature", queryset=Feature.objects.filter(archived_at=None), to_field_name="key")
    limit = forms.DecimalField(label="Limit", required=False, min_value=0, help_text="Not for features of yes or no.")
    unlimited = forms.BooleanField(label="Unlimited", required=False)
    soft = forms.BooleanField(label="Soft: access goes on above it", required=False)
    ends_at = UtcField(label="Until (UTC)", required=False, help_text="Empty = open.")
    reason = forms.CharField(label="Why", max_length=255, required=False)


class TryForm(forms.Form):
    """A check to try, as the API answers it."""

    feature = forms.CharField(label="Feature", max_length=120)
    requested = forms.IntegerField(label="Requested", required=False, min_value=0, max_value=10**18)
    as_of = UtcField(label="As of (UTC)", required=False)
