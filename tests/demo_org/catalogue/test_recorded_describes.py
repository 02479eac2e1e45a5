"""The catalogue agrees with what real orgs answered to describe, wherever the recorded field is a standard one."""

import json
from pathlib import Path

import pytest

from integrations.demo_org.schema.catalogue import standard_objects
from integrations.demo_org.schema.catalogue.sales import PROOF_OF_CONCEPT
from integrations.demo_org.schema.types import Field, Schema

RECORDINGS = Path(__file__).resolve().parents[4] / "shared" / "salesforce-recordings" / "describe"
DESCRIBES = {
    "Contact": "contact-v48", "Lead": "lead-v42", "Opportunity": "opportunity-v48", "Case": "case-v48",
    "Campaign": "campaign-v42", "Topic": "topic-v42", "OpportunityContactRole": "opportunitycontactrole-v48",
}  # fmt: skip
ATTRIBUTES = {
    "type": "type", "length": "length", "precision": "precision", "scale": "scale", "digits": "digits",
    "nillable": "nillable", "createable": "createable", "updateable": "updateable", "label": "label",
    "defaultedOnCreate": "defaulted_on_create", "groupable": "groupable", "sortable": "sortable",
    "filterable": "filterable", "aggregatable": "aggregatable", "idLookup": "id_lookup", "nameField": "name_field",
    "namePointing": "name_pointing", "autoNumber": "auto_number", "calculated": "calculated",
    "relationshipName": "relationship_name", "compoundFieldName": "compound", "restrictedPicklist": "restricted_picklist",
}  # fmt: skip
pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recorded answers are not on this machine")


def recorded(name: str) -> dict:
    return json.loads((RECORDINGS / f"{DESCRIBES[name]}.json").read_text())


@pytest.fixture(scope="module")
def schema() -> Schema:
    return Schema(standard_objects())


def differences(ours: Field, theirs: dict, object_name: str) -> list[str]:
    found = []
    for key, attribute in ATTRIBUTES.items():
        mine = getattr(ours, attribute)
        if mine != theirs.get(key):
            found.append(f"{object_name}.{ours.name}.{key}: ours {mine!r}, recorded {theirs.get(key)!r}")
    if set(ours.reference_to) != set(theirs["referenceTo"]):
        found.append(f"{object_name}.{ours.name}.referenceTo: ours {ours.reference_to}, recorded {theirs['referenceTo']}")
    return found


@pytest.mark.parametrize("name", DESCRIBES)
def test_every_recorded_standard_field_is_there_and_alike(name: str, schema: Schema) -> None:
    ours = schema.find(name)
    found = []
    for theirs in recorded(name)["fields"]:
        if theirs["custom"]:
            continue
        mine = ours.find(theirs["name"])
        found += differences(mine, theirs, name) if mine else [f"{name}.{theirs['name']} is missing"]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", DESCRIBES)
def test_standard_fields_come_in_the_recorded_order(name: str, schema: Schema) -> None:
    wanted = [each["name"] for each in recorded(name)["fields"] if not each["custom"]]
    present = [each.name for each in schema.find(name).fields if each.name in set(wanted)]
    assert present == wanted


@pytest.mark.parametrize("name", DESCRIBES)
def test_the_object_says_what_it_can_do_as_recorded(name: str, schema: Schema) -> None:
    ours, theirs = schema.find(name), recorded(name)
    pairs = {"label": ours.label, "labelPlural": ours.label_plural, "keyPrefix": ours.key_prefix, "custom": ours.custom}
    pairs |= {"createable": ours.createable, "updateable": ours.updateable, "deletable": ours.deletable}
    pairs |= {"queryable": ours.queryable, "searchable": ours.searchable, "mergeable": ours.mergeable}
    pairs |= {"replicateable": ours.replicateable, "undeletable": ours.undeletable}
    assert pairs == {key: theirs[key] for key in pairs}


@pytest.mark.parametrize("name", DESCRIBES)
def test_children_are_called_as_recorded(name: str, schema: Schema) -> None:
    theirs = {(each["childSObject"], each["field"]): each for each in recorded(name)["childRelationships"]}
    found = []
    for child, field in schema.children_of(name):
        real = theirs.get((child.name, field.name))
        if real is None:
            continue
        if (field.child_relationship, field.cascade_delete) != (real["relationshipName"], real["cascadeDelete"]):
            found.append(
                f"{child.name}.{field.name}: ours {field.child_relationship}, cascade {field.cascade_delete};"
                f" recorded {real['relationshipName']}, cascade {real['cascadeDelete']}"
            )
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", DESCRIBES)
def test_recorded_picklist_values_exist(name: str, schema: Schema) -> None:
    """Values of fields whose list is Salesforce's own (the rest is each org's to change)."""
    own = {"Salutation", "CleanStatus", "MailingGeocodeAccuracy", "GeocodeAccuracy", "ForecastCategory", "StageName",
           "ForecastCategoryName", "Role", "Industry", "Rating", "LeadSource", "Status", "Priority", "Origin"}  # fmt: skip
    for theirs in recorded(name)["fields"]:
        if theirs["name"] in own:
            mine = schema.find(name).find(theirs["name"])
            listed = [each for each in mine.picklist if each.value != PROOF_OF_CONCEPT[0]]  # the demo company's own stage
            shown = [(each.value, each.label, each.default, each.active) for each in listed]
            assert shown == [
                (each["value"], each["label"], each["defaultValue"], each["active"]) for each in theirs["picklistValues"]
            ], theirs["name"]


def test_the_recorded_account_record_has_only_fields_that_we_know(schema: Schema) -> None:
    body = json.loads((RECORDINGS.parent / "record" / "account-get-all-fields.json").read_text())
    names = [name for name in body if not name.endswith("__c") and name != "attributes"]
    present = [each.name for each in schema.find("Account").fields if each.name in set(names)]
    assert present == names


def test_the_recorded_organization_record_has_only_fields_that_we_know(schema: Schema) -> None:
    body = json.loads((RECORDINGS.parent / "record" / "organization-get.json").read_text())
    names = [name for name in body if name != "attributes"]
    present = [each.name for each in schema.find("Organization").fields if each.name in set(names)]
    assert present == names
