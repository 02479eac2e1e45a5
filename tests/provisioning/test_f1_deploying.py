"""Deploying our side into an org: what arrives, what stays as it was, what is said when rights are missing."""

import pytest
from django.utils import timezone

from integrations.models import SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce import metadata, rest
from integrations.salesforce.errors import SalesforceError
from integrations.salesforce.metadata_xml import as_list
from integrations.sync import runs
from integrations.sync.fields import granting
from provisioning.connection import settings_of
from provisioning.salesforce import checking, deploying, package
from provisioning.salesforce.layouts import fields_on
from tests.patience import worker_that_waits_for_nothing

pytestmark = pytest.mark.django_db
NAMES = package.Names()
PRODUCT_LAYOUT = {
    "fullName": "Product2-Own Product Layout",
    "excludeButtons": ["Clone", "Delete"],
    "layoutSections": [
        {"customLabel": True, "detailHeading": True, "editHeading": True, "label": "What we sell",
         "layoutColumns": [{"layoutItems": [{"behavior": "Required", "field": "Name"}]},
                           {"layoutItems": [{"behavior": "Edit", "field": "ProductCode"}, {"emptySpace": True}]}],
         "style": "TwoColumnsLeftToRight"},
        {"customLabel": False, "detailHeading": False, "editHeading": True, "label": "Description Information",
         "layoutColumns": [{"layoutItems": [{"behavior": "Edit", "field": "Description"}]}], "style": "OneColumn"},
    ],
    "showEmailCheckbox": False,
}  # fmt: skip


@pytest.fixture
def org(connected_org) -> SalesforceOrg:
    """A connection that is no demonstration: nothing of it may call this machine, so fields, sets and layouts only."""
    connected_org.environment = SalesforceOrg.Environment.SANDBOX
    connected_org.save()
    return connected_org


@pytest.fixture
def salesforce(connected_org):
    with client_for(connected_org, domain="provisioning") as client:
        yield client


def deploy(org):
    run = deploying.request_deploy(org, user=None, now=timezone.now())
    run.refresh_from_db()
    return run


def counts(run, name):
    return run.objects_touched.filter(name=name).values("written", "unchanged", "failed").first()


def test_st_14_one_deployment_brings_everything(connected_org, salesforce):
    run = deploy(connected_org)
    assert run.state == "success", run.sentence
    whole = deploying.whole_package(connected_org, settings_of(connected_org))
    assert {"Flow", "NamedCredential", "ExternalCredential", "ExternalServiceRegistration"} < set(whole.members())
    for kind, names in whole.members().items():
        assert sorted(metadata.read_components(salesforce, kind, names)) == names, kind


def test_st_14_deploying_again_changes_nothing(connected_org, demo_org, salesforce):
    first = deploy(connected_org)
    before = metadata.read_components(salesforce, "PermissionSet", [package.READERS, package.WRITERS])
    demo_org.forget_calls()
    again = deploy(connected_org)
    assert (first.state, again.state) == ("success", "success"), again.sentence
    parts = sum(len(names) for names in deploying.whole_package(connected_org, settings_of(connected_org)).members().values())
    assert counts(again, "Parts of the package") == {"written": 0, "unchanged": parts, "failed": 0}
    assert counts(again, "Permission set") == {"written": 0, "unchanged": 1, "failed": 0}
    assert not [call for call in demo_org.calls("deployRequest") if call["method"] == "POST"]
    assert metadata.read_components(salesforce, "PermissionSet", [package.READERS, package.WRITERS]) == before


def test_st_19_the_mapping_fields_are_there_and_take_the_three_types(org, salesforce):
    run = deploy(org)
    assert run.state == "success", run.sentence
    product = {each["name"]: each for each in salesforce.describe("Product2")["fields"]}
    assert [each["value"] for each in product["Stigg_Type__c"]["picklistValues"]] == ["Plan", "Add-on", "Entitlement"]
    assert (product["Stigg_Type__c"]["type"], product["Stigg_Type__c"]["restrictedPicklist"]) == ("picklist", True)
    assert (product["Stigg_Type__c"]["label"], product["Stigg_ID__c"]["label"]) == ("Stigg type", "Stigg ID")
    assert (product["Stigg_ID__c"]["type"], product["Stigg_ID__c"]["length"]) == ("string", 255)
    assert "no_mapping" in [each.code for each in checking.read_lacks(settings_of(org))]
    made = rest.create_record(salesforce, "Product2", {"Name": "Pro", "Stigg_Type__c": "Plan", "Stigg_ID__c": "plan-pro"})
    found = salesforce.query_all("SELECT Stigg_Type__c, Stigg_ID__c FROM Product2 WHERE Stigg_ID__c = 'plan-pro'")
    assert (bool(made), [row["Stigg_Type__c"] for row in found]) == (True, ["Plan"])
    assert "no_mapping" not in [each.code for each in checking.check_now(org, now=timezone.now())]  # ST-24
    with pytest.raises(SalesforceError):
        rest.create_record(salesforce, "Product2", {"Name": "Bad", "Stigg_Type__c": "Credit"})


def test_st_d3_names_of_the_fields_are_the_connections_choice(org, salesforce):
    settings = settings_of(org)
    settings.type_field, settings.id_field, settings.unlimited_field = "Sold_As__c", "Sold_ID__c", ""
    settings.account_id_field, settings.opportunity_url_field = "Our_Customer__c", ""
    settings.save()
    assert deploy(org).state == "success"
    for name, expected in (
        ("Product2", {"Sold_As__c", "Sold_ID__c"}), ("OpportunityLineItem", {"Sold_As__c", "Sold_ID__c"}),
        ("Account", {"Our_Customer__c", "Stigg_Customer_URL__c"}), ("Opportunity", {"Stigg_Subscription_ID__c"}),
    ):  # fmt: skip
        fields = {each["name"] for each in salesforce.describe(name)["fields"]}
        assert {each for each in fields if each.startswith(("Stigg_", "Sold_", "Our_"))} == expected
    found = next(each for each in salesforce.describe("Product2")["fields"] if each["name"] == "Sold_As__c")
    assert found["label"] == "Sold As"


def test_st_d3_a_standard_field_may_hold_the_id_and_is_not_created(org, salesforce):
    settings = settings_of(org)
    settings.id_field = "ProductCode"
    settings.save()
    whole = deploying.whole_package(org, settings)
    assert not [each for each in whole.all_fields() if each.name == "ProductCode"]
    assert deploy(org).state == "success"
    assert "ProductCode" not in {each.field for each in checking.read_lacks(settings_of(org)) if each.object == "Product2"}


def test_st_d3_two_settings_with_one_name_are_refused_with_the_fix(org):
    settings = settings_of(org)
    settings.id_field = settings.type_field
    settings.save()
    run = deploy(org)
    assert (run.state, run.reason_code) == ("failed", "bad_names")
    assert "Stigg_Type__c" in run.sentence
    assert "settings" in run.sentence


def test_st_09_and_st_23_with_cpq_quote_lines_take_the_mapping_too(org, salesforce, demo_org):
    demo_org.control("packages", {"package": "cpq"})
    run = deploy(org)
    assert run.state == "success", run.sentence
    assert settings_of(org).uses_cpq is True
    fields = {each["name"] for each in salesforce.describe("SBQQ__QuoteLine__c")["fields"]}
    assert {"Stigg_Type__c", "Stigg_ID__c", "Stigg_Unlimited__c"} <= fields
    granted = {each.field for each in metadata.find_permission_set(salesforce, package.READERS).fields}
    assert "SBQQ__QuoteLine__c.Stigg_ID__c" in granted


def test_fls_deployed_fields_are_seen_by_our_user_and_by_those_who_have_the_set(org, salesforce, demo_org):
    assert deploy(org).state == "success"
    mine = {each["name"]: each for each in salesforce.describe("Account")["fields"]}
    assert (mine["Stigg_Customer_ID__c"]["updateable"], mine["Stigg_Customer_URL__c"]["type"]) == (True, "url")
    readers = metadata.find_permission_set(salesforce, package.READERS)
    writers = metadata.find_permission_set(salesforce, package.WRITERS)
    editable = {each.field: each.editable for each in readers.fields}
    assert (editable["Product2.Stigg_Type__c"], editable["Account.Stigg_Customer_ID__c"]) == (True, False)
    assert all(each.readable for each in readers.fields)
    assert all(each.editable for each in writers.fields)
    assert readers.objects == ()
    assert {each.object: each.edit for each in writers.objects} == {
        "Account": True, "Opportunity": True, "Pricebook2": False, "Product2": True,
    }  # fmt: skip


def test_st_15_only_our_user_gets_the_writing_set(org, salesforce):
    deploy(org)
    for name, expected in ((package.WRITERS, [org.user_id]), (package.READERS, [])):
        found = granting.find_set(salesforce, name)
        rows = salesforce.query_all(f"SELECT AssigneeId FROM PermissionSetAssignment WHERE PermissionSetId = '{found}'")
        assert [row["AssigneeId"] for row in rows] == expected, name


def test_st_15_people_who_win_deals_get_the_set_for_people(org, salesforce, demo_org):
    deploy(org)
    name = demo_org.user()["username"]
    found = deploying.assign_people(org, [name, " ", name, "nobody@example.com"], actor=None, now=timezone.now())
    assert (found[name], list(found)) == ("", [name, "nobody@example.com"])
    assert "no active user" in found["nobody@example.com"]
    set_id = granting.find_set(salesforce, package.READERS)
    assert salesforce.count(f"SELECT COUNT() FROM PermissionSetAssignment WHERE PermissionSetId = '{set_id}'") == 1


def test_st_22_every_layout_of_a_product_gets_the_fields_once_and_keeps_the_rest(org, salesforce):
    assert metadata.upsert_components(salesforce, "Layout", [PRODUCT_LAYOUT])[0].success
    name = PRODUCT_LAYOUT["fullName"]
    before = metadata.read_components(salesforce, "Layout", [name])[name]
    for turn in range(3):
        run = deploy(org)
        assert run.state == "success", run.sentence
        after = metadata.read_components(salesforce, "Layout", [name])[name]
        *rest_of_it, own = after["layoutSections"]
        assert rest_of_it == before["layoutSections"], turn
        assert {key: value for key, value in after.items() if key != "layoutSections"} == {
            key: value for key, value in before.items() if key != "layoutSections"
        }
        assert (own["label"], fields_in(own)) == (
            "Subscription mapping",
            ["Stigg_Type__c", "Stigg_ID__c", "Stigg_Unlimited__c"],
        )
    assert counts(run, "Page layouts")["written"] == 0


def fields_in(section):
    """The fields of a section, column by column."""
    return [each["field"] for column in section["layoutColumns"] for each in as_list(column["layoutItems"])]


def test_st_22_a_field_that_a_person_placed_elsewhere_is_not_placed_again(org, salesforce):
    deploy(org)
    moved = {**PRODUCT_LAYOUT, "layoutSections": [
        {**PRODUCT_LAYOUT["layoutSections"][0],
         "layoutColumns": [{"layoutItems": [{"behavior": "Edit", "field": "Stigg_ID__c"}]}]},
    ]}  # fmt: skip
    assert metadata.upsert_components(salesforce, "Layout", [moved])[0].success
    deploy(org)
    after = metadata.read_components(salesforce, "Layout", [moved["fullName"]])[moved["fullName"]]
    own = after["layoutSections"][-1]
    assert "Stigg_ID__c" not in fields_in(own)
    assert fields_on(after) >= {"stigg_id__c", "stigg_type__c"}


def test_st_22_accounts_and_opportunities_show_what_was_provisioned_read_only(org, salesforce):
    layout = {"fullName": "Account-Our Account Layout", "layoutSections": [PRODUCT_LAYOUT["layoutSections"][1]]}
    assert metadata.upsert_components(salesforce, "Layout", [layout])[0].success
    deploy(org)
    after = metadata.read_components(salesforce, "Layout", [layout["fullName"]])[layout["fullName"]]
    assert after["layoutSections"][0] == metadata_same(layout["layoutSections"][0])
    own = after["layoutSections"][1]
    assert own["label"] == "Customer"
    assert [each["layoutItems"]["behavior"] for each in own["layoutColumns"]] == ["Readonly", "Readonly"]


def metadata_same(section):
    """A section as it comes back: words for flags, single elements without a list."""
    item = section["layoutColumns"][0]["layoutItems"][0]
    return {**section, "customLabel": "false", "detailHeading": "false", "editHeading": "true",
            "layoutColumns": {"layoutItems": item}}  # fmt: skip


def test_st_27_what_an_administrator_changed_stays(org, salesforce):
    deploy(org)
    field = metadata.read_components(salesforce, "CustomField", ["Product2.Stigg_ID__c"])["Product2.Stigg_ID__c"]
    assert metadata.upsert_components(salesforce, "CustomField", [{**field, "label": "What it leads to"}])[0].success
    granted = metadata.FieldPermission("Account.Industry", readable=True)
    own = metadata.find_permission_set(salesforce, package.READERS)
    wider = metadata.joined(own, metadata.PermissionSet(own.name, own.label, fields=(granted,)))
    metadata.upsert_components(salesforce, "PermissionSet", [{"fullName": own.name, **wider.element()}])
    settings = settings_of(org)
    settings.account_url_field = "Customer_Page__c"  # so that the sets must be deployed again
    settings.save()
    assert deploy(org).state == "success"
    labels = {each["name"]: each["label"] for each in salesforce.describe("Product2")["fields"]}
    assert labels["Stigg_ID__c"] == "What it leads to"
    after = {each.field for each in metadata.find_permission_set(salesforce, package.READERS).fields}
    assert {"Account.Industry", "Account.Customer_Page__c", "Account.Stigg_Customer_ID__c"} <= after


def test_a_slow_deployment_is_followed_to_its_end(org, demo_org):
    demo_org.settings(deploy_seconds=3600)
    with worker_that_waits_for_nothing(deploying.deploying):
        run = deploy(org)
    assert (run.state, "deploying" in run.sentence) == ("queued", True)
    demo_org.control("clock", {"advance": 3601})
    type(run).objects.filter(pk=run.pk).update(not_before=None)
    runs.perform_run(run.pk)
    run.refresh_from_db()
    assert run.state == "success", run.sentence
    assert len([call for call in demo_org.calls("deployRequest") if call["method"] == "POST"]) == 1


def test_a_run_that_waits_for_its_flow_counts_nothing_twice(connected_org, demo_org, salesforce):
    demo_org.settings(deploy_seconds=3600)
    with worker_that_waits_for_nothing(deploying.deploying):
        run = deploy(connected_org)
        for _ in range(2):  # the parts, then the flow
            assert run.state == "queued"
            demo_org.control("clock", {"advance": 3601})
            type(run).objects.filter(pk=run.pk).update(not_before=None)
            runs.perform_run(run.pk)
            run.refresh_from_db()
    assert run.state == "success", run.sentence
    parts = sum(len(names) for names in deploying.whole_package(connected_org, settings_of(connected_org)).members().values())
    assert counts(run, "Parts of the package") == {"written": parts, "unchanged": 0, "failed": 0}
    assert counts(run, "Permission set") == {"written": 1, "unchanged": 0, "failed": 0}
    layouts = counts(run, "Page layouts")
    assert (layouts["written"] > 0, layouts["unchanged"], layouts["failed"]) == (True, 0, 0)


def test_st_12_missing_rights_are_named_with_the_way_out(org, demo_org):
    demo_org.fault(path="/services/Soap/m/", times=9, status=500, headers={"Content-Type": "text/xml"}, body=(
        '<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:sf="http://soap.sforce.com/2006/04/metadata"><soapenv:Body><soapenv:Fault>'
        "<faultcode>sf:INSUFFICIENT_ACCESS</faultcode><faultstring>INSUFFICIENT_ACCESS: use of the Metadata API requires a user "
        "with the ModifyAllData or ModifyMetadata permissions</faultstring></soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    ))  # fmt: skip
    run = deploy(org)
    assert (run.state, run.reason_code) == ("failed", "no_right"), run.sentence
    for words in ("Manage Flow", "Modify Metadata", "Manage Named Credentials", "administrator"):
        assert words in run.sentence


def test_st_17_an_address_that_salesforce_cannot_reach_is_said_and_left_out(org, salesforce):
    run = deploy(org)
    row = run.objects_touched.get(name=deploying.CALLS).rows.get()
    assert row.code == "not_reachable"
    assert "BASE_URL" in row.message
    assert "poll" in row.message
    assert not metadata.find_permission_set(salesforce, package.READERS).principals


@pytest.mark.parametrize(("address", "reachable"), [
    ("https://causeway.example.com", True), ("http://causeway.example.com", False), ("https://localhost:8443", False),
    ("https://10.0.0.7", False), ("https://causeway.internal", False),
])  # fmt: skip
def test_st_17_only_public_https_addresses_are_called(org, settings, address, reachable):
    settings.BASE_URL = address
    assert bool(deploying.uncallable(org)) is not reachable
    members = deploying.whole_package(org, settings_of(org)).members()
    assert ("Flow" in members, "NamedCredential" in members) == (reachable, reachable)
