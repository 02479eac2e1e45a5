"""The form of a write key."""

from typing import Any

from django import forms

from integrations.access import Refusal
from integrations.product.ingest import write_keys
from integrations.product.models import WriteKey
from integrations.product.models.events import MOST_NEW_PEOPLE


class WriteKeyForm(forms.Form):
    """Name, origins and whether users must be signed."""

    name = forms.CharField(label="Name", max_length=80, help_text="Where it is used, such as “Web app, production”.")
    origins = forms.CharField(
        label="Allowed origins",
        required=False,
        max_length=5_000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "placeholder": "https://app.example.com"}),
        help_text="One a line. Pages of other origins are refused. * allows any. Apps and servers have none and need none.",
    )
    require_signature = forms.BooleanField(
        label="Users must be signed by our server",
        required=False,
        help_text="Then nobody can send events or read messages as another user.",
    )

    most_new_people = forms.IntegerField(
        label="Unknown people and companies a day",
        required=False,
        min_value=0,
        max_value=10_000_000,
        initial=MOST_NEW_PEOPLE,
        help_text="Beyond it, events of people and companies that are not known yet are refused until the next UTC day. "
        "Those who are known always count.",
    )

    def __init__(self, *args: Any, key: WriteKey | None = None, **kwargs: Any) -> None:
        if key is not None:
            origins = "\n".join(key.allowed_origins)
            kwargs["initial"] = {"name": key.name, "origins": origins, "require_signature": key.require_signature,
                                 "most_new_people": key.most_new_people}  # fmt: skip
        super().__init__(*args, **kwargs)

    def clean_most_new_people(self) -> int:
        given = self.cleaned_data["most_new_people"]
        return self.initial.get("most_new_people", MOST_NEW_PEOPLE) if given is None else given

    def clean_name(self) -> str:
        name = self.cleaned_data["name"].strip()
        if not name:
            raise forms.ValidationError("Give the key a name.")
        return name

    def clean_origins(self) -> list[str]:
        try:
            return write_keys.read_origins(self.cleaned_data["origins"].replace(",", "\n").splitlines())
        except Refusal as refusal:
            raise forms.ValidationError(refusal.message) from None
