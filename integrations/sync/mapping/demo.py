"""Mappings for a demonstration: what a company would set up against the demo org, as far as its fields and attributes exist."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from integrations.models import Entity, Mapping, MappingVersion, SalesforceOrg
from integrations.sync.mapping import facts, versions
from integrations.sync.mapping.body import PULL, PUSH, FieldPair, MappingBody, default_body
from integrations.sync.mapping.check import Known, problems_of_rule, usable
from integrations.sync.mapping.suggest import suggest_pairs

PULLED = {
    Entity.CUSTOMER: {"industry": "Industry", "segment": "Segment__c", "arr": "ARR__c", "renewal_date": "Renewal_Date__c"},
    Entity.END_USER: {"title": "Title", "department": "Department"},
}
"""Attribute to be made: Salesforce field that fills it."""
PUSHED = {
    Entity.CUSTOMER: {
        "attributes.plan": "PX_Plan__c", "attributes.health": "PX_Health__c", "last_seen_at": "PX_Last_Seen__c",
        "attributes.active_users_30d": "PX_Active_Users_30d__c", "attributes.seats": "PX_Active_Users_30d__c",
        "attributes.nps": "PX_NPS_Score__c", "attributes.is_active": "PX_Is_Active__c",
        "attributes.is_paying": "PX_Is_Active__c",
    },
    Entity.END_USER: {
        "attributes.role": "PX_Role__c", "last_seen_at": "PX_Last_Seen__c", "attributes.sessions_30d": "PX_Sessions_30d__c",
        "attributes.is_active": "PX_Is_Active__c", "attributes.newsletter": "PX_Is_Active__c",
    },
}  # fmt: skip
"""Product field: Salesforce field that it is written to; of two product fields for one the first that exists is taken."""
KEYS = {
    Entity.CUSTOMER: (("attributes.crm_number", "Customer_Number__c"), ("external_id", "Product_Account_Id__c")),
    Entity.END_USER: (("attributes.member_number", "Member_Number__c"), ("external_id", "Product_User_Id__c")),
}
"""What a custom-field rule could compare, best first."""
TRANSLATED = {"PX_Plan__c": {"Business": "Team"}}


def fill(org: SalesforceOrg, *, user: Any, now: datetime) -> list[MappingVersion]:
    """Set both mappings up unless somebody did already; the versions that were saved. Everything in them is checked."""
    saved = []
    for entity in (Entity.CUSTOMER, Entity.END_USER):
        mapping = versions.open_mapping(org, entity, now=now)
        if not mapping.version:
            body = believable_body(mapping)
            saved.append(versions.save_version(mapping, body, user=user, now=now, note="First set-up"))
    return saved


def believable_body(mapping: Mapping) -> MappingBody:
    """All rules that can run, the pairs above that fit, and what else has the same name on both sides."""
    entity = Entity(mapping.entity)
    body = default_body(entity)
    known = facts.know_object(mapping.org, entity, body.object)
    pairs = [FieldPair(PULL, f"attributes.{key}", field) for key, field in PULLED[entity].items()]
    taken: set[str] = set()
    for source, field in PUSHED[entity].items():
        if source in known.sources and field not in taken:
            taken.add(field)
            pairs.append(FieldPair(PUSH, source, field, accept_lossy=True, values=TRANSLATED.get(field, {})))
    fitting = usable(replace(body, pairs=tuple(pairs)), known).body.pairs
    if known.info is not None:
        fitting += tuple(
            replace(pair, accept_lossy=True)
            for pair in suggest_pairs(known.sources.values(), known.info, prefix=body.prefix, direction=PUSH, existing=fitting)
        )
    return replace(body, pairs=fitting, rules=_rules(body, entity, known))


def _rules(body: MappingBody, entity: Entity, known: Known) -> tuple[Any, ...]:
    rules = []
    for rule in body.rules:
        choices = [replace(rule, on=True)]
        if rule.name == "custom_field":
            choices = [replace(rule, on=True, source_field=ours, salesforce_field=theirs) for ours, theirs in KEYS[entity]]
        rules.append(next((each for each in choices if not problems_of_rule(each, body, known)), rule))
    return tuple(rules)
