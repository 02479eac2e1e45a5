"""Forms of people: who they are, what they may do, and what everybody changes about themselves."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.models import User

from integrations.access import DOMAINS, ROLE_LABELS, SCOPES
from project.people.own_keys import LONGEST_NAME
from project.people.rights import GIVEN, Rights

NARROWS = [("", "All roles"), *((role, ROLE_LABELS[role]) for role in reversed(GIVEN)), ("domain", "Admin of a domain")]
STATES = [("", "Active"), ("off", "Switched off"), ("all", "All")]


class PeopleFilter(forms.Form):
    """Above the list."""

    q = forms.CharField(label="Search", required=False, max_length=100, widget=forms.TextInput(
        attrs={"type": "search", "placeholder": "Name or e-mail"}))  # fmt: skip
    role = forms.ChoiceField(label="Role", required=False, choices=NARROWS)
    state = forms.ChoiceField(label="State", required=False, choices=STATES)


class RightsForm(forms.Form):
    """A role, and domains beside it. Which of them may be given is asked by the verb; here only those are offered."""

    role = forms.ChoiceField(label="Role")
    domains = forms.MultipleChoiceField(
        label="Admin of", required=False, choices=list(DOMAINS.items()), widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, offered: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].choices = [(role, ROLE_LABELS[role]) for role in offered]  # pyright: ignore

    def rights(self) -> Rights:
        """What was chosen; the form is valid."""
        chosen = self.cleaned_data["domains"]
        return Rights(self.cleaned_data["role"], tuple(each for each in DOMAINS if each in chosen))


class InviteForm(RightsForm):
    """A new person."""

    username = forms.CharField(
        label="Username", max_length=150, help_text="What they sign in with, such as their e-mail address."
    )
    email = forms.EmailField(label="E-mail", required=False, max_length=254)
    first_name = forms.CharField(label="First name", required=False, max_length=150)
    last_name = forms.CharField(label="Last name", required=False, max_length=150)
    send = forms.BooleanField(label="Send the link by e-mail", required=False)
    field_order = ["username", "email", "first_name", "last_name", "role", "domains", "send"]


class NameForm(forms.ModelForm):
    """One's own name. The e-mail address is not one's own to change: it can let a Salesforce user in."""

    class Meta:
        model = User
        fields = ["first_name", "last_name"]


class OwnPasswordForm(PasswordChangeForm):
    """One's own password. The page has more on it, so the cursor does not jump here."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["old_password"].widget.attrs.pop("autofocus", None)


class OwnKeyForm(forms.Form):
    """A new API key of one's own: what it is for, what it may, until when."""

    name = forms.CharField(label="What it is for", max_length=LONGEST_NAME, help_text="Such as the program that will use it.")
    days = forms.TypedChoiceField(
        label="Ends after", coerce=int, initial=90,
        choices=[(7, "7 days"), (30, "30 days"), (90, "90 days"), (180, "180 days"), (365, "a year")],
    )  # fmt: skip
    scopes = forms.MultipleChoiceField(label="May", widget=forms.CheckboxSelectMultiple)

    def __init__(self, *args: Any, usable: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["scopes"].choices = [(each, f"{SCOPES[each]} ({each})") for each in usable]  # pyright: ignore
