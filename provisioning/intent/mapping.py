"""Where a line of a deal leads: plan, add-on, entitlement; the most specific mapping wins (ST-20, ST-21, ST-D3, ST-D4)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from provisioning.intent.deal import DealLine, Place
from provisioning.intent.facts import Catalogue, FeatureFacts, OfferFacts, Rules
from provisioning.intent.result import Problem

PLAN, ADD_ON, ENTITLEMENT = "plan", "addon", "entitlement"
WORDS = {PLAN: "Plan", ADD_ON: "Add-on", ENTITLEMENT: "Entitlement"}
PREFIXES = {PLAN: "plan-", ADD_ON: "addon-", ENTITLEMENT: "feature-"}


@dataclass(frozen=True, slots=True)
class Mapped:
    """A line that leads somewhere. `entry` is the plan, the add-on or the feature."""

    line: DealLine
    type: str
    key: str
    entry: OfferFacts | FeatureFacts
    place: Place

    @property
    def product(self) -> str:
        """Key of our product; empty for an entitlement, which belongs to the plan that it is sold with."""
        return self.entry.product if isinstance(self.entry, OfferFacts) else ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The two values that count for a line and where each stands; places are None when nothing is set."""

    type: str = ""
    key: str = ""
    type_place: Place | None = None
    key_place: Place | None = None

    @property
    def is_empty(self) -> bool:
        return not self.type and not self.key


def choose_mapping(line: DealLine) -> Chosen:
    """The most specific non-empty value of each of the two fields (ST-D3)."""
    typed = next((each for each in line.mappings if each.type.strip()), None)
    keyed = next((each for each in line.mappings if each.key.strip()), None)
    return Chosen(
        typed.type.strip() if typed else "",
        keyed.key.strip() if keyed else "",
        typed.place if typed else None,
        keyed.place if keyed else None,
    )


def read_type(text: str) -> str:
    """Which of the three types a value means, "" for none: case, hyphens and blanks do not matter."""
    word = re.sub(r"[\s_-]+", "", text).casefold()
    return {"plan": PLAN, "addon": ADD_ON, "entitlement": ENTITLEMENT}.get(word, "")


def map_line(line: DealLine, catalogue: Catalogue, rules: Rules) -> Mapped | Problem | None:
    """Where the line leads, the problem with its mapping, or None when it has no mapping and may be left out."""
    chosen = choose_mapping(line)
    if chosen.is_empty:
        return None if rules.ignore_unmapped else _unmapped(line, rules)

    def problem(code: str, message: str, fix: str) -> Problem:
        return Problem(line.number, code, f"{line.label} {message}", fix, line.name)

    if not chosen.type or not chosen.key:
        return _half(chosen, problem, rules)
    kind = read_type(chosen.type)
    if not kind:
        words = ", ".join(WORDS.values())
        message = f"has the type “{chosen.type[:80]}” on the {chosen.type_place}."
        return problem("unknown_type", message, f"Set {rules.type_field} to one of {words}.")
    if not chosen.key.startswith(PREFIXES[kind]):
        named = f"its id {chosen.key[:120]} ({chosen.key_place})"
        message = f"is of type {WORDS[kind]} ({chosen.type_place}), but {named} does not begin with {PREFIXES[kind]}."
        begin = ", ".join(f"{prefix} for {WORDS[each].lower()}s" for each, prefix in PREFIXES.items())
        return problem("prefix_mismatch", message, f"Correct {rules.type_field} or {rules.id_field}; ids begin with {begin}.")
    known = _known(kind, catalogue)
    entry = known.get(chosen.key)
    if entry is None:
        message = f"leads to {chosen.key[:120]} ({chosen.key_place}), which the catalogue does not have."
        return problem("unknown_id", message, _hint(chosen.key, known, rules))
    refused = _refusal(entry)
    if refused:
        return problem(*refused)
    return Mapped(line, kind, chosen.key, entry, chosen.key_place or Place.PRODUCT)


def trial_days_of(mapped: Iterable[Mapped]) -> int | None:
    """The length that a plan of the deal asks for, the first that names one."""
    found = (each.entry.trial_days for each in mapped if isinstance(each.entry, OfferFacts) and each.type == PLAN)
    return next((days for days in found if days), None)


def _unmapped(line: DealLine, rules: Rules) -> Problem:
    fix = f"Set {rules.type_field} and {rules.id_field} on the product, or let unmapped lines be left out."
    return Problem(line.number, "unmapped", f"{line.label} is unmapped.", fix, line.name)


def _half(chosen: Chosen, problem: Any, rules: Rules) -> Problem:
    if chosen.key:
        kind = next((each for each, prefix in PREFIXES.items() if chosen.key.startswith(prefix)), "")
        fix = f"Set {rules.type_field} to {WORDS[kind]}." if kind else f"Set {rules.type_field} as well."
        return problem("no_type", f"has the id {chosen.key[:120]} ({chosen.key_place}) but no type.", fix)
    fix = f"Set {rules.id_field} to the id of the catalogue's entry."
    return problem("no_id", f"has the type “{chosen.type[:80]}” ({chosen.type_place}) but no id.", fix)


def _known(kind: str, catalogue: Catalogue) -> Mapping[str, OfferFacts] | Mapping[str, FeatureFacts]:
    return {PLAN: catalogue.plans, ADD_ON: catalogue.add_ons, ENTITLEMENT: catalogue.features}[kind]


def _hint(key: str, known: Mapping[str, Any], rules: Rules) -> str:
    near = get_close_matches(key.casefold(), [each.casefold() for each in known], n=1, cutoff=0.75)
    meant = next((each for each in known if near and each.casefold() == near[0]), "")
    return (
        f"Did you mean {meant}? Correct {rules.id_field}." if meant else f"Add it to the catalogue or correct {rules.id_field}."
    )


def _refusal(entry: OfferFacts | FeatureFacts) -> tuple[str, str, str] | None:
    if entry.archived:
        fix = "Restore it in the catalogue or map the product to another one."
        return "archived", f"leads to {entry.key}, which is archived.", fix
    if isinstance(entry, OfferFacts) and not entry.published:
        return "not_published", f"leads to {entry.key}, which has no published version.", "Publish it in the catalogue."
    return None
