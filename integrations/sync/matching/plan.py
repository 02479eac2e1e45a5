"""What a mapping body asks of matching: the criteria in their fixed order, what each compares, and why one is left out. Pure.

Orders: PX-49 for customers, PX-55 for end users. A criterion that cannot run (no field chosen, field not mirrored, prefixed,
types that do not go together) is skipped with a sentence, and the others run (I-10).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from integrations.sync.mapping.body import ATTRIBUTE, MappingBody, MatchRule
from integrations.sync.mapping.prefix import has_prefix
from integrations.sync.matching.domains import read_providers

CARRIED, RECENT = "sfdc_id", "recent_user_domain"
RECENT_USERS = 100  # PX-54: so many of the most recently seen users are looked at
LITERAL_AT_LEAST, MAJORITY_AT_LEAST = 51, 3  # PX-D7
COLUMNS = {
    "customer": ("external_id", "name", "website"),
    "end_user": ("external_id", "name", "email", "phone"),
}
SOURCE_OF = {"website_domain": "website", "name": "name", RECENT: "email", "email": "email", "phone": "phone"}
CARRIER_OF = {"customer": f"{ATTRIBUTE}sfdc_id", "end_user": f"{ATTRIBUTE}sfdc_contact_id"}
LABELS = {
    "sfdc_id": "Salesforce id",
    "custom_field": "Custom field",
    "website_domain": "Website domain",
    "name": "Name",
    RECENT: "Domain of recent users",
    "email": "E-mail",
    "phone": "Phone",
    "manual": "By hand",
}
TEXTS = frozenset(("string", "textarea", "picklist", "multipicklist", "combobox", "email", "url", "phone"))
IDS, NUMBERS = frozenset(("id", "reference")), frozenset(("int", "long", "double", "currency", "percent"))


@dataclass(frozen=True, slots=True)
class Criterion:
    """One rule that runs. `source` is a column or `attributes.KEY` of ours, `field` the Salesforce field, the forms say how the
    two are normalized (`forms.FORMS`). `stops` excludes public mail providers (R-103)."""

    rule: str
    source: str
    field: str
    our_form: str
    their_form: str
    when_several: str = "first"
    stops: bool = False
    at_least: int = 0
    majority: bool = False


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A rule that does not run, with a stable code (`off`, `no_field`, ...) and the reason for a person."""

    rule: str
    code: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """The criteria in their order, and the rules that do not run."""

    entity: str
    object: str
    criteria: tuple[Criterion, ...]
    left_out: tuple[LeftOut, ...]
    providers: frozenset[str]

    @property
    def digest(self) -> str:
        """Changes whenever a match could come out differently because of the configuration."""
        what = [self.entity, self.object, [asdict(each) for each in self.criteria], sorted(self.providers)]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()

    def criterion(self, rule: str) -> Criterion | None:
        """The criterion of that name, if it runs."""
        return next((each for each in self.criteria if each.rule == rule), None)


def plan_of(body: MappingBody, *, attributes: Mapping[str, str], fields: Mapping[str, str]) -> Plan:
    """The plan of a body. `attributes` are product attributes with their types, `fields` mirrored fields with theirs."""
    known = {name.lower(): (name, kind) for name, kind in fields.items()}
    criteria, left_out = [], []
    for rule in body.rules:
        planned = _plan_rule(rule, body, attributes, known)
        (criteria if isinstance(planned, Criterion) else left_out).append(planned)
    return Plan(body.entity, body.object, tuple(criteria), tuple(left_out), read_providers(body.mail_providers))


def needed_fields(body: MappingBody) -> tuple[str, ...]:
    """Salesforce fields that the rules of a body read, to be mirrored (I-23: no others)."""
    wanted = [rule.compared_field for rule in body.rules if rule.on and rule.compared_field]
    return tuple(dict.fromkeys(("Id", "CreatedDate", *wanted)))


def _plan_rule(
    rule: MatchRule, body: MappingBody, attributes: Mapping[str, str], known: Mapping[str, tuple[str, str]]
) -> Criterion | LeftOut:
    if not rule.on:
        return LeftOut(rule.name, "off", "This rule is switched off.")
    source = rule.source_field or (CARRIER_OF[body.entity] if rule.name == CARRIED else SOURCE_OF.get(rule.name, ""))
    if not source or not rule.compared_field:
        return LeftOut(rule.name, "not_chosen", "Choose a product field and a Salesforce field for this rule.")
    if has_prefix(rule.compared_field, body.prefix):
        reason = f"{rule.compared_field} carries the prefix {body.prefix}: it is written by us and not offered for matching."
        return LeftOut(rule.name, "prefixed", reason)
    found = known.get(rule.compared_field.lower())
    if found is None:
        reason = f"The mirror has no field {rule.compared_field} of {body.object} yet, or the connected user cannot see it."
        return LeftOut(rule.name, "no_field", reason)
    kind = _type_of_source(source, body.entity, rule.name, attributes)
    forms = _forms(rule, kind, found[1])
    if forms is None:
        reason = f"{source} and {found[0]} cannot be compared: both must hold text, or both whole numbers."
        return LeftOut(rule.name, "types", reason)
    return Criterion(
        rule=rule.name, source=source, field=found[0], our_form=forms[0], their_form=forms[1],
        when_several=rule.when_several, stops=rule.name in ("website_domain", RECENT),
        at_least=0 if rule.name != RECENT else MAJORITY_AT_LEAST if rule.majority else LITERAL_AT_LEAST,
        majority=rule.majority and rule.name == RECENT,
    )  # fmt: skip


def _type_of_source(source: str, entity: str, rule: str, attributes: Mapping[str, str]) -> str:
    """STRING or another product type; "" when there is no such field. Where ids are kept needs no attribute yet."""
    if source.startswith(ATTRIBUTE):
        return attributes.get(source.removeprefix(ATTRIBUTE), "STRING" if rule == CARRIED else "")
    columns = COLUMNS["end_user" if rule == RECENT else entity]
    return "STRING" if source in columns else ""


def _forms(rule: MatchRule, ours: str, theirs: str) -> tuple[str, str] | None:
    """The normal forms of both sides (PX-D5, PX-D6), None when the types do not go together (PX-51)."""
    if rule.name == "custom_field":
        return _custom_forms(ours, theirs, rule.case_sensitive)
    if ours != "STRING":
        return None
    if rule.name == CARRIED:
        return ("id", "id") if theirs in IDS | TEXTS else None
    if theirs not in TEXTS:
        return None
    whole = "registrable_" if rule.registrable_domain else ""
    return {
        "website_domain": (f"{whole}website", f"{whole}website"),
        RECENT: (f"{whole}email_domain", f"{whole}website"),
    }.get(rule.name, (rule.name, rule.name))


def _custom_forms(ours: str, theirs: str, case_sensitive: bool) -> tuple[str, str] | None:
    if ours == "NUMBER" and theirs in NUMBERS:
        return "whole", "whole"
    if ours == "STRING" and theirs in IDS:
        return "id", "id"
    if ours == "STRING" and theirs in TEXTS:
        return ("text", "text") if case_sensitive else ("folded_text", "folded_text")
    return None
