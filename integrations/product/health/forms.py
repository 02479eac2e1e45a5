"""The form of a health score: lines of parts, read into a draft and shown again with what is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from integrations.models import SalesforceOrg
from integrations.product import signals
from integrations.product.form_rows import Line, blank_line, place_errors, read_lines, whole_number
from integrations.product.health.definitions import Draft
from integrations.product.health.scoring import MISSING, read_parts, shown
from integrations.product.models import HealthScore

NAMES = ("signal", "weight", "worst", "best", "best_values", "missing")
NUMBERS = ("good_from", "fair_from", "least_known")


@dataclass
class ScoreForm:
    """What was typed. `errors` are those of single fields and of the whole; those of lines stand with the lines."""

    values: dict[str, str] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)

    def draft(self) -> Draft:
        """The draft that the form describes; impossible numbers become values that the verbs refuse by name."""
        org = SalesforceOrg.objects.filter(pk=self.values["org"]).first() if self.values["org"].isdigit() else None
        numbers = {name: whole_number(self.values[name]) for name in NUMBERS}
        return Draft(self.values["name"], self.values["key"], org, [_part(line) for line in self.lines], **numbers)

    def refuse(self, errors: Mapping[str, str]) -> None:
        """Show what the verb refused."""
        self.errors |= place_errors(self.lines, errors, "parts")

    def add_line(self) -> None:
        """One more line."""
        self.lines.append(blank_line(self.lines, NAMES))


def read_form(data: Mapping[str, str]) -> ScoreForm:
    """The form as it was sent."""
    values = {name: data.get(name, "").strip() for name in ("name", "key", "org", *NUMBERS)}
    return ScoreForm(values, read_lines(data, "part", NAMES, needed="signal"))


def write_form(score: HealthScore | None) -> ScoreForm:
    """The form of a stored score, or a new one."""
    if score is None:
        first = SalesforceOrg.objects.order_by("pk").first()
        values = {"name": "Health score", "key": "health_score", "org": str(first.pk) if first else "", "good_from": "70",
                  "fair_from": "40", "least_known": "50"}  # fmt: skip
        form = ScoreForm(values)
        form.add_line()
        return form
    values = {name: str(getattr(score, name)) for name in ("name", "key", *NUMBERS)}
    values["org"] = str(score.org_id or "")
    lines = []
    for number, part in enumerate(read_parts(score.parts)):
        typed = {
            "signal": part.signal, "weight": str(part.weight), "missing": part.missing,
            "best_values": ", ".join(part.best_values),
            "worst": "" if part.worst is None else shown(part.worst), "best": "" if part.best is None else shown(part.best),
        }  # fmt: skip
        lines.append(Line(number, typed))
    return ScoreForm(values, lines)


def choices_of(org: SalesforceOrg | None, *, without: tuple[str, ...] = ()) -> list[tuple[str, list[signals.Signal]]]:
    """The signals by group, for a list to choose from."""
    if org is None:
        return []
    found = [each for each in signals.signals_of(org) if each.key not in without]
    found.sort(key=lambda each: each.group)
    return [(group, sorted(some, key=lambda each: each.label)) for group, some in groupby(found, key=lambda each: each.group)]


def _part(line: Line) -> dict[str, Any]:
    given = line.values
    part: dict[str, Any] = {"signal": given["signal"], "weight": whole_number(given["weight"] or "1")}
    part["missing"] = given["missing"] or next(iter(MISSING))
    best_values = [text.strip() for text in given["best_values"].split(",") if text.strip()]
    if best_values:
        return {**part, "best_values": best_values}
    return {**part, "worst": given["worst"], "best": given["best"]}
