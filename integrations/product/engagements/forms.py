"""Forms of the engagement pages. Times are UTC. What fits together is checked by `authoring`, for the API alike."""

from typing import Any

from django import forms
from django.db.models import Q

from integrations.product.engagements import authoring, queries
from integrations.product.models.engagements import Engagement
from integrations.product.models.segments import Segment
from integrations.sync.mapping.problems import ProblemsFound

STATES = [("", "Any"), *((each, each.capitalize()) for each in queries.STATES)]
ACTIONS = [("", "Anything"), *((each, each.capitalize()) for each in queries.ACTIONS)]
WHEN = "%Y-%m-%dT%H:%M"


class _Filter(forms.Form):
    """Filters stand in the address; one that makes no sense is left out rather than an error."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if isinstance(field, forms.ChoiceField):
                field.widget.attrs["data-autosubmit"] = ""

    def chosen(self) -> dict[str, Any]:
        """The usable filters."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}


class EngagementFilter(_Filter):
    """What the list shows."""

    q = forms.CharField(
        label="Search", required=False, max_length=100, widget=forms.TextInput(attrs={"type": "search", "placeholder": "Name"})
    )
    kind = forms.ChoiceField(label="Kind", required=False, choices=[("", "Any"), *Engagement.Kind.choices])
    state = forms.ChoiceField(label="State", required=False, choices=STATES)


class ViewFilter(_Filter):
    """Which of the people the page of one engagement shows."""

    q = forms.CharField(
        label="Search", required=False, max_length=100,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "Person or customer"}),
    )  # fmt: skip
    action = forms.ChoiceField(label="Who", required=False, choices=ACTIONS)


class MomentField(forms.DateTimeField):
    """A minute in UTC, with the browser's own picker."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=WHEN)
        super().__init__(required=False, widget=widget, input_formats=[WHEN, "%Y-%m-%dT%H:%M:%S"], **kwargs)


class EngagementForm(forms.Form):
    """Create or edit an engagement."""

    kind = forms.ChoiceField(choices=Engagement.Kind.choices, initial=Engagement.Kind.MESSAGE)
    name = forms.CharField(
        max_length=120, label="Name", help_text="For your team.", widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    title = forms.CharField(max_length=200, help_text="What people read first. In a survey: the question.")
    body = forms.CharField(
        required=False, max_length=authoring.TEXTS["body"], label="Text", widget=forms.Textarea(attrs={"rows": 6}),
        help_text="**bold**, *italic*, [label](https://...), and lines that begin with - for a list.",
    )  # fmt: skip
    button_label = forms.CharField(required=False, max_length=60, label="Button")
    button_url = forms.CharField(
        required=False, max_length=500, label="Button leads to", help_text="https://..., mailto:... or a path of the product."
    )
    survey = forms.CharField(
        required=False, max_length=60, label="Survey key",
        help_text="Answers with one key are counted together; nps when left empty. Only for NPS surveys.",
    )  # fmt: skip
    segment = forms.ModelChoiceField(
        Segment.objects.none(), required=False, label="Who sees it", empty_label="Everybody",
        widget=forms.Select(attrs={"data-typeahead": ""}),
    )  # fmt: skip
    url_match = forms.CharField(
        required=False, max_length=500, label="On pages",
        help_text="Such as /billing/* or app.example.com/*; every page when left empty.",
    )  # fmt: skip
    frequency = forms.ChoiceField(choices=Engagement.Frequency.choices, label="How often")
    priority = forms.IntegerField(
        min_value=authoring.PRIORITIES[0], max_value=authoring.PRIORITIES[-1], initial=0,
        help_text="The highest one is shown first; one at a time.",
    )  # fmt: skip
    starts_at = MomentField(label="From", help_text="UTC; at once when left empty.")
    ends_at = MomentField(label="Until", help_text="UTC; until you end it when left empty.")

    def __init__(self, *args: Any, engagement: Engagement | None = None, **kwargs: Any) -> None:
        if engagement is not None:
            kwargs["initial"] = {name: getattr(engagement, name) for name in authoring.FIELDS} | kwargs.get("initial", {})
        super().__init__(*args, **kwargs)
        own = engagement.segment_id if engagement is not None else None
        self.fields["segment"].queryset = Segment.objects.filter(Q(archived_at=None) | Q(pk=own))  # pyright: ignore

    def take_problems(self, found: ProblemsFound) -> None:
        """Show what `authoring` refused beside its field."""
        for problem in found.problems:
            self.add_error(problem.path if problem.path in self.fields else None, problem.message)
