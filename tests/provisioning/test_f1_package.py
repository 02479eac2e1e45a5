"""The metadata itself, against whole documents as Salesforce takes them (Metadata API 65.0), and the pure decisions about it."""

import io
import json
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from integrations.salesforce.metadata_callouts import (
    ExternalCredential,
    ExternalService,
    Flow,
    NamedCredential,
    OutboundMessage,
)
from integrations.salesforce.metadata_package import MetadataPackage
from integrations.salesforce.metadata_permissions import PermissionSet, joined
from integrations.salesforce.metadata_xml import read_values
from provisioning.salesforce import flow, package
from provisioning.salesforce.layouts import with_fields
from provisioning.salesforce.survey import lacking

DOCUMENTS = Path(__file__).parent / "documents"
BASE, ADDRESS = "https://causeway.example.com", "https://causeway.example.com/api/v1/provisioning/salesforce/cwp_key/"
WHOLE = package.package_of(package.Names(), base_url=f"{BASE}/")
MESSAGE = MetadataPackage(messages=(flow.message(ADDRESS, sender="jo@example.com"),), components=(flow.message_flow(),))


def values_of(document: bytes):
    return read_values(ElementTree.fromstring(document))


@pytest.mark.parametrize("path", sorted(WHOLE.files(api_version="65.0")))
def test_st_14_every_file_of_the_package_is_as_salesforce_takes_it(path):
    name = path.rpartition("/")[2]
    expected = (DOCUMENTS / (name if name.endswith(".xml") else f"{name}.xml")).read_bytes()
    assert WHOLE.files(api_version="65.0")[path].decode() == expected.decode()


@pytest.mark.parametrize("path", sorted(MESSAGE.files(api_version="65.0")))
def test_st_29_the_outbound_message_is_as_salesforce_takes_it(path):
    name = "message.xml" if path == "package.xml" else f"{path.rpartition('/')[2]}.xml"
    assert MESSAGE.files(api_version="65.0")[path].decode() == (DOCUMENTS / name).read_text()


def test_st_14_the_package_is_whole_and_deterministic():
    assert (WHOLE.problems(), MESSAGE.problems()) == ([], [])
    data = WHOLE.zipped(api_version="65.0")
    assert data == WHOLE.zipped(api_version="65.0")
    names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    assert {name.partition("/")[0] for name in names} == {
        "package.xml", "objects", "permissionsets", "flows", "namedCredentials", "externalCredentials",
        "externalServiceRegistrations",
    }  # fmt: skip


def test_st_20_and_st_21_the_two_fields_stand_on_products_and_lines():
    on = {(each.object, each.name): each for each in WHOLE.fields}
    for place in ("Product2", "OpportunityLineItem"):
        assert on[place, "Stigg_Type__c"].values == ("Plan", "Add-on", "Entitlement")
        assert on[place, "Stigg_ID__c"].type == "Text"
    cpq = package.package_of(package.Names(), cpq=True)
    assert ("SBQQ__QuoteLine__c", "Stigg_Type__c") in {(each.object, each.name) for each in cpq.fields}
    assert "SBQQ__QuoteLine__c" not in {each.object for each in WHOLE.fields}


def test_st_28_the_template_is_named_and_can_be_saved_as_a_new_flow():
    content = flow.callout_flow().element()
    assert (content["label"], content["status"]) == ("Opportunity - Subscription Template", "Draft")
    assert content["processMetadataValues"][1]["value"]["stringValue"] == "AUTO_LAYOUT_CANVAS"  # opens in Flow Builder
    copy = Flow("Our_Own_Flow", {**content, "label": "Our own flow", "status": "Active"})
    assert copy.problems() == []
    assert flow.calls_us(values_of(MetadataPackage(components=(copy,)).files(api_version="65.0")["flows/Our_Own_Flow.flow"]))


def test_st_29_it_fires_when_an_opportunity_becomes_won_after_the_commit():
    start = flow.callout_flow().element()["start"]
    assert (start["object"], start["triggerType"], start["recordTriggerType"]) == (
        "Opportunity",
        "RecordAfterSave",
        "CreateAndUpdate",
    )
    assert start["doesRequireRecordChangedToMeetCriteria"] is True
    assert [(each["field"], each["value"]) for each in start["filters"]] == [("IsWon", {"booleanValue": True})]
    assert start["scheduledPaths"]["pathType"] == "AsyncAfterCommit"
    assert "connector" not in start  # nothing in the transaction of the save


def test_nothing_is_dropped_silently_both_ways_of_failing_write_a_task():
    content = flow.callout_flow().element()
    assert content["actionCalls"]["faultConnector"]["targetReference"] == flow.LOG
    assert content["decisions"]["defaultConnector"]["targetReference"] == flow.LOG
    bounds = [(each["operator"], each["rightValue"]["numberValue"]) for each in content["decisions"]["rules"]["conditions"]]
    assert bounds == [("GreaterThanOrEqualTo", 200.0), ("LessThan", 300.0)]
    task = content["recordCreates"]
    assert (task["object"], {each["field"] for each in task["inputAssignments"]}) == (
        "Task", {"ActivityDate", "Description", "OwnerId", "Subject", "WhatId"},
    )  # fmt: skip


def test_every_element_of_the_flow_is_reached_and_every_target_exists():
    content = flow.callout_flow().element()
    names = {content[kind]["name"] for kind in ("actionCalls", "assignments", "decisions", "recordCreates")}
    text = json.dumps(content)
    targets = {each for each in names if f'"targetReference": "{each}"' in text}
    assert targets == names


def test_what_the_flow_assigns_is_what_the_service_takes():
    content, described = flow.callout_flow().element(), package.service().schema
    assigned = {each["assignToReference"] for each in content["assignments"]["assignmentItems"]}
    asked = described["components"]["schemas"][flow.REQUEST]
    assert assigned == {f"request.{name}" for name in asked["properties"]}
    assert set(asked["required"]) == {"opportunity_id", "org_id"}
    assert content["variables"]["apexClass"] == "ExternalService__CausewayProvisioning_ProvisioningRequest"
    path, methods = next(iter(described["paths"].items()))
    assert (path, methods["post"]["operationId"]) == ("/api/v1/provisioning/salesforce/", "provision")
    assert content["actionCalls"]["actionName"] == "CausewayProvisioning.provision"


def test_st_16_no_secret_is_in_the_package():
    text = b"".join(WHOLE.files(api_version="65.0").values()).decode()
    assert "{!'Bearer ' &amp; $Credential.Causeway.ApiKey}" in text
    assert "cwp_" not in text


@pytest.mark.parametrize(("content", "expected"), [
    ({"actionCalls": {"actionType": "externalService", "actionName": "CausewayProvisioning.provision"}}, True),
    ({"actionCalls": [{"actionType": "emailAlert", "actionName": "x"},
                      {"actionType": "externalService", "actionName": "causewayprovisioning.Provision"}]}, True),
    ({"actionCalls": {"actionType": "externalService", "actionName": "CausewayProvisioningOther.provision"}}, False),
    ({"actionCalls": {"actionType": "apex", "actionName": "CausewayProvisioning.provision"}}, False),
    ({"actionCalls": {"actionType": "outboundMessage", "actionName": "Opportunity.Causeway_Provisioning"}}, True),
    ({"actionCalls": {"actionType": "outboundMessage", "actionName": "Opportunity.Other"}}, False),
    ({}, False),
])  # fmt: skip
def test_st_38_flows_that_call_us_are_told_by_what_they_do(content, expected):
    assert flow.calls_us(content) is expected


def test_st_38_flows_that_call_us_by_a_service_or_message_of_their_own_count_too():
    own = {"actionCalls": {"actionType": "externalService", "actionName": "MyCallout.Post"}}
    message = {"actionCalls": {"actionType": "outboundMessage", "actionName": "Opportunity.Mine"}}
    assert (flow.calls_us(own), flow.calls_us(own, services=["MyCallout"])) == (False, True)
    assert (flow.calls_us(message), flow.calls_us(message, messages=["Opportunity.Mine"])) == (False, True)


def start(field, value, *, logic="and", object_="Opportunity"):
    filters = [{"field": field, "operator": "EqualTo", "value": value}]
    return {"start": {"object": object_, "filterLogic": logic, "filters": filters}}


WON, STAGE = {"booleanValue": "true"}, {"stringValue": "Closed Won"}


@pytest.mark.parametrize(("one", "other", "expected"), [
    (start("IsWon", WON), start("IsWon", WON), True),
    (start("IsWon", WON), start("isWON", {"booleanValue": "false"}), False),
    (start("IsWon", WON), start("StageName", STAGE), True),
    (start("StageName", STAGE), start("StageName", {"stringValue": "Proof of Concept"}), False),
    (start("StageName", STAGE), start("StageName", {"stringValue": "Proof of Concept"}, logic="or"), True),
    (start("StageName", STAGE), start("StageName", {"elementReference": "$Label.Won"}), True),
    (start("IsWon", WON), start("IsWon", WON, object_="Quote"), False),
    (start("IsWon", WON), {"start": {"object": "Opportunity", "filterFormula": "{!$Record.IsWon}"}}, True),
    (start("IsWon", WON), {"label": "A screen flow"}, False),
])  # fmt: skip
def test_st_38_flows_that_cannot_start_together_are_no_rivals(one, other, expected):
    assert flow.may_both_fire(one, other) is expected
    assert flow.may_both_fire(other, one) is expected


def present(package_: MetadataPackage):
    """What readMetadata would tell of an org that has all of it."""
    found = {each.kind: {each.full_name.lower(): text(each.element())} for each in package_.components}
    found["CustomField"] = {each.full_name.lower(): {"fullName": each.full_name} for each in package_.fields}
    found["PermissionSet"] = {
        each.name.lower(): {"fullName": each.name, **text(each.element())} for each in package_.permission_sets
    }
    return found


def text(value):
    """Values as XML gives them back."""
    if isinstance(value, dict):
        return {name: text(each) for name, each in value.items()}
    if isinstance(value, list):
        return [text(each) for each in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_st_14_an_org_that_has_everything_lacks_nothing():
    assert lacking(WHOLE, present(WHOLE)).members() == {}
    assert lacking(WHOLE, {}) == WHOLE


def test_st_27_a_changed_flow_and_credential_are_never_overwritten():
    there = present(WHOLE)
    there["Flow"][flow.NAME.lower()] = {"fullName": flow.NAME, "label": "Ours now", "status": "Active"}
    there["ExternalCredential"]["causeway"] = {"fullName": "Causeway", "label": "Ours now"}
    assert lacking(WHOLE, there).members() == {}


def test_a_new_address_is_deployed_to_an_org_that_calls_the_old_one():
    moved = package.package_of(package.Names(), base_url="https://new.example.com")
    assert lacking(moved, present(WHOLE)).members() == {"NamedCredential": ["Causeway"]}
    old = present(WHOLE)
    old["ExternalServiceRegistration"]["causewayprovisioning"]["schema"] = '{"openapi": "3.0.0"}'
    assert lacking(WHOLE, old).members() == {"ExternalServiceRegistration": ["CausewayProvisioning"]}
    same = present(WHOLE)
    schema = json.loads(same["ExternalServiceRegistration"]["causewayprovisioning"]["schema"])
    same["ExternalServiceRegistration"]["causewayprovisioning"]["schema"] = json.dumps(schema, indent=2)
    assert lacking(WHOLE, same).members() == {}


def test_a_permission_set_that_others_extended_is_joined_and_keeps_their_principals():
    there = PermissionSet("S", "S", kept={"externalCredentialPrincipalAccesses": [
        {"enabled": "true", "externalCredentialPrincipal": "Other-One"},
        {"enabled": "false", "externalCredentialPrincipal": "Causeway-Causeway"},
    ]})  # fmt: skip
    made = joined(there, PermissionSet("S", "S", principals=("Causeway-Causeway",))).element()
    assert made["externalCredentialPrincipalAccesses"] == [
        {"enabled": True, "externalCredentialPrincipal": "Causeway-Causeway"},
        {"enabled": "true", "externalCredentialPrincipal": "Other-One"},
    ]


def test_st_22_a_layout_without_sections_gets_one_where_the_schema_wants_it():
    wanted = [each for each in package.wanted_fields(package.Names(), cpq=False) if each.object == "Account"]
    made = with_fields({"fullName": "Account-A", "excludeButtons": "Share", "showEmailCheckbox": "false"}, "Customer", wanted)
    assert made is not None
    assert list(made) == ["fullName", "excludeButtons", "layoutSections", "showEmailCheckbox"]
    assert with_fields(made, "Customer", wanted) is None


def test_st_22_names_in_another_case_count_as_there_and_missing_ones_join_our_section():
    wanted = [each for each in package.wanted_fields(package.Names(), cpq=False) if each.object == "Product2"]
    own = {
        "label": "Subscription mapping",
        "layoutColumns": [{"layoutItems": {"field": "stigg_id__C", "behavior": "Edit"}}, ""],
    }
    made = with_fields({"layoutSections": own}, "Subscription mapping", wanted)
    assert made is not None
    (section,) = made["layoutSections"]
    assert [each["field"] for each in section["layoutColumns"][0]["layoutItems"]] == [
        "stigg_id__C",
        "Stigg_Type__c",
        "Stigg_Unlimited__c",
    ]
    assert section["layoutColumns"][1] == ""


@pytest.mark.parametrize("bad", [
    NamedCredential("Causeway", "C", "ftp://x", "Causeway"), NamedCredential("Bad__Name", "C", BASE, "Causeway"),
    ExternalCredential("Causeway", "C", "Bad Principal", {}), ExternalCredential("Causeway", "C", "P", {"Bad Header": "x"}),
    ExternalService("With_Underscore", "S", "Causeway", {}, ()), ExternalService("S", "S", "C", {"x": "y" * 100_001}, ()),
    OutboundMessage("Opportunity", "M", "M", BASE, ""), OutboundMessage("Opportunity", "M", "M", BASE, "jo", ("Name",)),
    OutboundMessage("Opp ty", "M", "M", BASE, "jo"), Flow("F", {"status": "On"}), Flow("9", {"status": "Draft"}),
])  # fmt: skip
def test_what_salesforce_would_refuse_is_known_before_sending(bad):
    parts = {"messages": (bad,)} if isinstance(bad, OutboundMessage) else {"components": (bad,)}
    assert len(MetadataPackage(**parts).problems()) == 1
