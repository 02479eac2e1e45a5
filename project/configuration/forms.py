"""Forms of the configuration page."""

from typing import Any

from django import forms

from project.configuration.document import FORMAT, VERSION
from provisioning.catalogue.yaml_text import MOST_BYTES


class FileForm(forms.Form):
    """A file to look at; nothing is changed by it."""

    file = forms.FileField(label="Configuration file", help_text=f"YAML that begins with “{VERSION}: {FORMAT}”, at most 2 MB.")
    renames = forms.CharField(
        label="Connections", required=False, widget=forms.Textarea(attrs={"rows": 2, "placeholder": "Sandbox = Production"}),
        help_text="One line for each connection of the file that stands for another one here: name there = name here.",
    )  # fmt: skip
    prune = forms.BooleanField(
        label="Remove what the file does not name", required=False,
        help_text="Only in the parts that the file has. Without it nothing is removed.",
    )  # fmt: skip

    def clean_file(self) -> bytes:
        """The bytes of the file."""
        file: Any = self.cleaned_data["file"]
        if file.size > MOST_BYTES:
            raise forms.ValidationError(f"The file has more than {MOST_BYTES // 1_000_000} MB.")
        return file.read()

    def clean_renames(self) -> dict[str, str]:
        """Names there with their names here."""
        found: dict[str, str] = {}
        for line in self.cleaned_data["renames"].splitlines():
            there, _, here = (each.strip() for each in line.partition("="))
            if not line.strip():
                continue
            if not there or not here or there in found:
                raise forms.ValidationError("Write each connection once: name there = name here.")
            found[there] = here
        return found
