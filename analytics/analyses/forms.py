"""The form above an analysis: its parameters as fields, from what an address or a form says; and back into an address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from analytics.analyses.kinds import AnalysisKind, Choice, Parameter
from integrations.models import SalesforceOrg

INPUTS = {"whole": "number", "number": "number", "text": "text", "month": "month", "day": "date"}
OWN = ("org", "csrfmiddlewaretoken", "result")
"""Names in addresses that are no parameters."""


@dataclass(slots=True)
class Field:
    """One question of the form as its template draws it."""

    parameter: Parameter
    value: Any
    choices: Sequence[Choice] | None
    errors: list[str] = field(default_factory=list)

    @property
    def input(self) -> str:
        """The type of its input."""
        return INPUTS.get(self.parameter.kind, "text")

    @property
    def values(self) -> list[str]:
        """What is chosen, as text, of a field with many values."""
        listed = self.value if isinstance(self.value, list | tuple) else [] if self.value in (None, "") else [self.value]
        return [text_of(each) for each in listed]

    @property
    def text(self) -> str:
        """Its value as text."""
        return ", ".join(self.values) if self.parameter.many else text_of(self.value)


def data_of(kind: AnalysisKind, given: QueryDict) -> dict[str, Any]:
    """What a form or an address says of the kind's parameters; what it does not name gets the kind's default.

    A sent form names its flags by `flags`, because a box that is not ticked is not sent.
    """
    found: dict[str, Any] = {}
    for parameter in kind.parameters:
        if parameter.kind == "flag":
            if parameter.key in given or "flags" in given:
                found[parameter.key] = given.get(parameter.key, "") in ("on", "1", "true", "yes")
        elif parameter.many:
            if parameter.key in given:
                found[parameter.key] = _many(parameter, given)
        elif given.get(parameter.key, "") != "":
            found[parameter.key] = given[parameter.key]
    return found


def _many(parameter: Parameter, given: QueryDict) -> list[str]:
    values = given.getlist(parameter.key)
    if parameter.choices is None and len(values) == 1:
        values = values[0].split(",")
    return [value.strip() for value in values if value.strip()]


def unknown_keys(kind: AnalysisKind, data: Mapping[str, Any]) -> list[str]:
    """Names that are no parameters of the kind."""
    known = {parameter.key for parameter in kind.parameters}
    return sorted(key for key in data if key not in known)


def fields_of(
    kind: AnalysisKind, org: SalesforceOrg, values: Mapping[str, Any], errors: Mapping[str, Sequence[str]]
) -> list[Field]:
    """The fields with their values and errors."""
    return [
        Field(
            parameter, values.get(parameter.key, parameter.default),
            parameter.choices(org) if parameter.choices is not None else None, list(errors.get(parameter.key, ())),
        )
        for parameter in kind.parameters
    ]  # fmt: skip


def other_errors(kind: AnalysisKind, errors: Mapping[str, Sequence[str]]) -> list[str]:
    """Sentences that belong to no field."""
    known = {parameter.key for parameter in kind.parameters}
    return [sentence for key, sentences in errors.items() if key not in known for sentence in sentences]


def query_of(kind: AnalysisKind, parameters: Mapping[str, Any], org: SalesforceOrg | None = None) -> str:
    """The part of an address that asks this again: every parameter that differs from its default."""
    query = QueryDict(mutable=True)
    if org is not None:
        query["org"] = str(org.pk)
    for parameter in kind.parameters:
        value = parameters.get(parameter.key, parameter.default)
        if _same(value, parameter.default):
            continue
        if isinstance(value, list | tuple):
            query.setlist(parameter.key, [text_of(each) for each in value] or [""])
        else:
            query[parameter.key] = text_of(value)
    return query.urlencode()


def _same(value: Any, default: Any) -> bool:
    if isinstance(value, list | tuple) or isinstance(default, list | tuple):
        return list(value or ()) == list(default or ())
    return text_of(value) == text_of(default)


def text_of(value: Any) -> str:
    """A value in a field or an address."""
    if isinstance(value, bool):
        return "1" if value else "0"
    return "" if value is None else str(value)


def words_of(kind: AnalysisKind, parameters: Mapping[str, Any], org: SalesforceOrg) -> list[str]:
    """Parameters that differ from their defaults, in words, for lists: "Unit: Week"."""
    found = []
    for parameter in kind.parameters:
        value = parameters.get(parameter.key, parameter.default)
        if _same(value, parameter.default) or value in (None, "", []):
            continue
        labels = {each.value: each.label for each in parameter.choices(org)} if parameter.choices is not None else {}
        shown = [text_of(each) for each in (value if isinstance(value, list | tuple) else [value])]
        words = ", ".join(labels.get(each, each) for each in shown) if parameter.kind != "flag" else "yes" if value else "no"
        found.append(f"{parameter.label}: {words}")
    return found
