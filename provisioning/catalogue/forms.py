"""Forms of the catalogue pages. The verbs check; forms only carry what was typed and show each problem at its field."""

from typing import Any

from django import forms
from django.http import QueryDict

from provisioning.catalogue import checking
from provisioning.catalogue.checking import CatalogueProblems, KnownFeature
from provisioning.catalogue.contents import BOOLEAN, METERED, Contents
from provisioning.models import Feature, Offer, Product, Reset

MAX_FILE = 2_000_000
_AREA = forms.Textarea(attrs={"rows": 3})
_MONO = forms.TextInput(attrs={"class": "mono", "spellcheck": "false", "autocomplete": "off", "autocapitalize": "none"})


class EntryForm(forms.Form):
    """Name, id and description. Ids are made of the name when left empty, and stay once they are saved."""

    kind = checking.PRODUCT
    name = forms.CharField(label="Name", max_length=checking.LONGEST_NAME)
    key = forms.CharField(label="Id", max_length=checking.LONGEST_KEY, required=False, widget=_MONO)
    description = forms.CharField(label="Description", required=False, widget=_AREA, max_length=checking.LONGEST_TEXT)

    def __init__(self, *args: Any, known: Product | Feature | Offer | None = None, kind: str = "", **options: Any) -> None:
        super().__init__(*args, **options)
        self.kind = kind or self.kind
        if known is not None:
            del self.fields["key"]
            return
        start = checking.PREFIXES[self.kind]
        begins = f"Starts with {start}; " if start else ""
        self.fields[
            "key"
        ].help_text = f"{begins}made of the name when left empty. Salesforce and API clients use it, so it stays."
        self.fields["key"].widget.attrs["placeholder"] = f"{start}{'planner' if not start else 'team'}"

    @property
    def key_of_new(self) -> str:
        """The id that was typed, or one made of the name."""
        return self.cleaned_data.get("key", "").strip() or checking.slug(self.kind, self.cleaned_data["name"])

    def add_problems(self, bad: CatalogueProblems) -> None:
        """Each problem at its field, the others above the form."""
        for each in bad.problems:
            known = each.path in self.fields
            self.add_error(each.path if known else None, each.message if known else f"{each.path} {each.message}".strip())


class FeatureForm(EntryForm):
    """A feature; its kind decides what plans can say about it."""

    kind = checking.FEATURE
    feature_kind = forms.ChoiceField(label="Kind", choices=Feature.Kind.choices, widget=forms.RadioSelect)
    unit = forms.CharField(
        label="Unit", required=False, max_length=checking.LONGEST_UNIT, help_text="What is counted, in the plural: calls, GB."
    )
    event_name = forms.CharField(
        label="Product event", required=False, max_length=checking.LONGEST_EVENT,
        help_text="For counted features: count these events by themselves. Leave it empty to report usage by the API.",
    )  # fmt: skip

    def add_problems(self, bad: CatalogueProblems) -> None:
        for each in bad.problems:
            field = "feature_kind" if each.path == "kind" else each.path
            self.add_error(field if field in self.fields else None, each.message)


class OfferForm(EntryForm):
    """A plan or add-on: its words."""

    product = forms.ModelChoiceField(label="Product", queryset=Product.objects.filter(archived_at=None))

    def __init__(self, *args: Any, known: Offer | None = None, **options: Any) -> None:
        super().__init__(*args, known=known, **options)
        if known is not None:
            del self.fields["product"]


class FileForm(forms.Form):
    """A YAML file."""

    file = forms.FileField(label="YAML file", required=False, help_text="At most 2 MB, as the download writes it.")
    text = forms.CharField(
        label="or its text", required=False, max_length=MAX_FILE, strip=False,
        widget=forms.Textarea(attrs={"rows": 12, "class": "mono", "spellcheck": "false"}),
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        file = data.get("file")
        if file is not None and file.size > MAX_FILE:
            self.add_error("file", "The file is larger than 2 MB.")
        elif file is not None:
            data["body"] = file.read()
        elif (data.get("text") or "").strip():
            data["body"] = data["text"].replace("\r\n", "\n")
        else:
            self.add_error("file", "Choose a file or paste its text.")
        return data


class DraftEditor:
    """What stands in the editor of a draft: texts as they were typed, one row a feature, problems by field."""

    TERMS = ("trial_days", "price", "currency", "period_months", "note")
    FLAGS = ("per_seat", "unlimited", "soft")

    def __init__(self, offer: Offer, features: dict[str, KnownFeature]) -> None:
        self.offer, self.features = offer, features
        self.terms: dict[str, str] = dict.fromkeys(self.TERMS, "")
        self.per_seat = False
        self.rows: list[dict[str, Any]] = []
        self.errors: dict[str, list[str]] = {}
        self.general: list[str] = []
        self.seen = ""

    @classmethod
    def of(cls, offer: Offer, features: dict[str, KnownFeature], contents: Contents, note: str = "") -> "DraftEditor":
        """The editor of something stored."""
        made = cls(offer, features)
        price = "" if contents.price is None else f"{contents.price:f}"
        made.terms = {"trial_days": str(contents.trial_days or ""), "price": price, "currency": contents.currency,
                      "period_months": str(contents.period_months or ""), "note": note}  # fmt: skip
        made.per_seat = contents.per_seat
        for line in contents.lines:
            limit = "" if line.limit is None else f"{line.limit:f}"
            made._add(
                line.feature, limit=limit, per_seat=line.per_seat, unlimited=line.unlimited, soft=line.soft, reset=line.reset
            )
        return made

    @classmethod
    def posted(cls, offer: Offer, features: dict[str, KnownFeature], data: QueryDict) -> "DraftEditor":
        """The editor as it was sent; rows keep the order of their numbers."""
        made = cls(offer, features)
        made.terms = {name: data.get(name, "").strip() for name in cls.TERMS}
        made.terms["currency"] = made.terms["currency"].upper()
        made.per_seat, made.seen = "per_seat" in data, data.get("seen", "")
        numbers = sorted({int(part[1]) for name in data if len(part := name.split("-")) == 3 and part[0] == "line"
                          and part[1].isdecimal() and len(part[1]) < 5})  # fmt: skip
        for number in numbers[: checking.MOST_ENTITLEMENTS]:
            name = f"line-{number}-"
            flags = {flag: f"{name}{flag}" in data for flag in cls.FLAGS}
            made._add(data.get(f"{name}feature", ""), limit=data.get(f"{name}limit", "").strip(),
                      reset=data.get(f"{name}reset", ""), **flags)  # fmt: skip
        return made

    def change(self, verb: str, data: QueryDict) -> bool:
        """Add a row (`add`) or take one out (`drop-2`); whether that was asked for."""
        if verb == "add":
            present = {row["feature"] for row in self.rows}
            for key in data.getlist("add"):
                if key in self.features and key not in present:
                    self._add(key)
            return True
        number = verb.removeprefix("drop-")
        if verb.startswith("drop-") and number.isdecimal() and int(number) < len(self.rows):
            del self.rows[int(number)]
            return True
        return False

    def _add(self, key: str, **given: Any) -> None:
        known = self.features.get(key)
        kind = known.kind if known else ""
        row = {"limit": "", "reset": "", "per_seat": False, "unlimited": False, "soft": False, **given}
        self.rows.append({
            **row, "feature": key, "name": known.name if known else key, "kind": kind, "unit": known.unit if known else "",
            "counts": kind not in (BOOLEAN, ""), "resets": kind == METERED, "archived": bool(known and known.archived),
        })  # fmt: skip

    @property
    def given(self) -> dict[str, Any]:
        """What `save_draft` takes."""
        lines = [{name: row[name] for name in checking.ENTITLEMENT_PARTS} for row in self.rows]
        numbers = {name: value or None for name, value in self.terms.items() if name != "note"}
        return {**numbers, "currency": self.terms["currency"], "per_seat": self.per_seat, "entitlements": lines,
                "note": self.terms["note"]}  # fmt: skip

    @property
    def offered(self) -> list[KnownFeature]:
        """Features that can be added."""
        present = {row["feature"] for row in self.rows}
        found = [each for each in self.features.values() if not each.archived and each.key not in present]
        return sorted(found, key=lambda each: each.name.casefold())

    @property
    def numbered(self) -> list[dict[str, Any]]:
        """Rows with their number and their problems."""
        return [
            {**row, "number": number, "errors": [words for path, texts in self.errors.items()
                                                 if path.startswith(f"entitlements[{number}]") for words in texts]}
            for number, row in enumerate(self.rows)
        ]  # fmt: skip

    def add_problems(self, bad: CatalogueProblems) -> None:
        """Each problem at its field or row."""
        for each in bad.problems:
            placed = each.path in self.terms or each.path == "per_seat" or each.path.startswith("entitlements[")
            if placed:
                self.errors.setdefault(each.path, []).append(each.message)
            else:
                self.general.append(f"{each.path}: {each.message}" if each.path else each.message)

    resets = [(value, label) for value, label in Reset.choices]
