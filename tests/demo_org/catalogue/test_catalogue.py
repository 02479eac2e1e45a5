"""The catalogue hangs together: names, targets, formulas, and the kinds of fields that the domains need."""

import sqlite3

import pytest

from integrations.demo_org.schema.catalogue import standard_objects
from integrations.demo_org.schema.catalogue.fields import choices
from integrations.demo_org.schema.types import ObjectType, Schema
from integrations.demo_org.store import table_sql

OUTSIDE = {"DandBCompany", "Individual", "OperatingHours", "ExternalDataSource", "BusinessProcess"}
OBJECTS = standard_objects()
SCHEMA = Schema(OBJECTS)


@pytest.mark.parametrize("kind", OBJECTS, ids=lambda each: each.name)
def test_field_names_are_unique_and_the_id_is_first(kind: ObjectType) -> None:
    names = [each.name for each in kind.fields]
    assert len(set(names)) == len(names)
    assert names[0] == "Id"
    assert sum(each.name_field for each in kind.fields) <= 1


def test_key_prefixes_are_unique_but_for_those_that_salesforce_shares() -> None:
    by_prefix: dict[str, set[str]] = {}
    for each in OBJECTS:
        by_prefix.setdefault(each.key_prefix, set()).add(each.name)
    shared = {prefix: names for prefix, names in by_prefix.items() if len(names) > 1}
    assert shared == {
        "01J": {"LeadStatus", "OpportunityStage"},
        "017": {"AccountHistory", "OpportunityFieldHistory"},
    }


def test_references_point_to_known_objects() -> None:
    known = {each.name for each in OBJECTS} | OUTSIDE
    assert {to for each in OBJECTS for field in each.fields for to in field.reference_to} <= known


def test_no_parent_has_two_child_relationships_of_one_name() -> None:
    seen = set()
    for each in OBJECTS:
        for field in each.fields:
            for parent in field.reference_to if field.child_relationship else ():
                assert (parent, field.child_relationship) not in seen
                seen.add((parent, field.child_relationship))
    assert {("Account", "Contacts"), ("Account", "Opportunities"), ("Opportunity", "OpportunityLineItems"),
            ("Account", "Cases"), ("Account", "Projects__r"), ("Campaign", "CampaignMembers")} <= seen  # fmt: skip


def test_relationship_names_differ_within_an_object() -> None:
    for each in OBJECTS:
        names = [field.relationship_name for field in each.fields if field.relationship_name]
        assert len(set(names)) == len(names), each.name


def test_every_formula_is_sql_over_the_objects_own_table() -> None:
    connection = sqlite3.connect(":memory:")
    for each in OBJECTS:
        for statement in table_sql(each):
            connection.execute(statement)
    tried = 0
    for each in OBJECTS:
        for field in each.fields:
            if field.calculated:
                connection.execute(f'SELECT {field.formula.format(row="t")} FROM "{each.name}" t').fetchall()
                tried += 1
    assert tried > 12


def test_dependent_picklists_name_values_of_their_controller() -> None:
    tried = 0
    for each in OBJECTS:
        for field in each.fields:
            if field.controller:
                allowed = {value.value for value in each.find(field.controller).picklist}
                assert {name for value in field.picklist for name in value.valid_for} <= allowed
                tried += 1
    assert tried


def test_compound_parts_name_their_whole() -> None:
    for each in OBJECTS:
        for field in each.fields:
            if field.compound:
                assert each.find(field.compound), f"{each.name}.{field.name}"


def test_the_account_has_every_kind_of_field_that_customers_add() -> None:
    account = SCHEMA.find("Account")
    custom = {each.type for each in account.fields if each.custom}
    assert custom >= {
        "string", "double", "picklist", "multipicklist", "currency", "percent", "date", "boolean", "encryptedstring",
        "url", "time", "location", "textarea",
    }  # fmt: skip
    text_key, number_key = account.find("External_Id__c"), account.find("Legacy_Number__c")
    assert (text_key.external_id, text_key.unique, text_key.case_sensitive) == (True, True, False)
    assert (number_key.external_id, number_key.type, number_key.unique) == (True, "double", False)
    assert account.find("Domain_Key__c").case_sensitive
    assert account.find("Summary__c").html
    assert account.find("Tier__c").calculated
    assert account.find("Customer_Number__c").auto_number


def test_master_detail_children_go_with_their_parent_and_have_no_owner() -> None:
    project = SCHEMA.find("Project__c")
    master = project.find("Account__c")
    assert (master.cascade_delete, master.nillable, master.updateable) == (True, False, False)
    assert project.find("OwnerId") is None
    assert master.relationship_name == "Account__r"


def test_choices_read_defaults_labels_and_inactive_values() -> None:
    first, second, third = choices("New*; -Old=Formerly; Plain")
    assert (first.value, first.default) == ("New", True)
    assert (second.value, second.label, second.active) == ("Old", "Formerly", False)
    assert (third.value, third.label, third.active, third.default) == ("Plain", "Plain", True, False)
