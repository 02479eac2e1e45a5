"""Deployments against a real server that behaves like Salesforce, over HTTP."""

import pytest

from integrations.salesforce import describe, metadata, rest
from integrations.salesforce.client import Client
from integrations.salesforce.errors import NoAccess, NotFound
from integrations.salesforce.metadata import (
    CustomField,
    CustomObject,
    FieldPermission,
    MetadataPackage,
    ObjectPermission,
    PermissionSet,
    grants_for,
    joined,
)
from tests.salesforce.test_against_demo_org import QUICK, AssertedTokens
from tests.salesforce.test_metadata import ALL_TYPES


@pytest.fixture
def tokens_of_org(demo_org):
    return AssertedTokens(demo_org)


@pytest.fixture
def org(demo_org, tokens_of_org, calls):
    with Client(tokens_of_org, demo_origin=demo_org.url, retry=QUICK, on_call=calls.append) as client:
        yield client


def field(name: str, **more) -> CustomField:
    given = {"type": "Number", "precision": 18, "scale": 0, "label": name.removesuffix("__c"), **more}
    return CustomField("Account", name, **given)


def seen(org: Client, name: str = "Account") -> describe.ObjectInfo:
    return describe.read_object(org.describe(name))


def assign(org: Client, name: str) -> None:
    found = org.query_all(f"SELECT Id FROM PermissionSet WHERE Name = '{name}'")[0]["Id"]
    user = org.query_all("SELECT Id FROM User WHERE Username LIKE 'integration%'")[0]["Id"]
    rest.create_record(org, "PermissionSetAssignment", {"AssigneeId": user, "PermissionSetId": found})


def test_fields_are_deployed_and_seen_once_granted(org, calls):
    made = field("PX_Deployed__c", help_text="Users & <more>", description="Ours")
    package = MetadataPackage(fields=(made,), permission_sets=(PermissionSet("Causeway_Test", "T", fields=grants_for([made])),))
    result = metadata.deploy(org, package)
    assert result.success, result
    assert {(each.type, each.full_name, each.created) for each in result.components} == {
        ("CustomField", "Account.PX_Deployed__c", True), ("PermissionSet", "Causeway_Test", True),
    }  # fmt: skip
    assert seen(org).field("PX_Deployed__c") is None, "invisible until the set is assigned"
    assign(org, "Causeway_Test")
    found = seen(org).field("PX_Deployed__c")
    assert (found.type, found.precision, found.scale, found.help_text, found.updateable) == (
        "double", 18, 0, "Users & <more>", True,
    )  # fmt: skip
    assert any(each.path.endswith("/metadata/deployRequest") and each.counts for each in calls), "counted (I-18)"


IMITATED = [each for each in ALL_TYPES if each.type != "Location"]


@pytest.mark.parametrize("made", IMITATED, ids=lambda each: each.type + ("-formula" if each.formula else ""))
def test_every_type_is_taken_that_the_demo_org_imitates(org, made):
    base = [CustomField("Account", "E__c", "E", "Number", precision=18, scale=2)] if made.formula else []
    result = metadata.deploy(org, MetadataPackage(fields=(*base, made)), check_only=True)
    assert result.success, result.failures
    assert result.check_only
    assert "could be deployed" in result.sentence
    assert metadata.read_components(org, "CustomField", [made.full_name]) == {}, "nothing changed"


def test_a_new_object_with_key_lookup_and_rights(org):
    name = "Invoice__c"
    made = CustomObject(name, "Invoice", "Invoices", name_type="AutoNumber", name_format="INV-{00000}", fields=(
        CustomField(name, "Key__c", "Key", "Text", length=80, external_id=True, unique=True, case_sensitive=True),
        CustomField(name, "Account__c", "Account", "Lookup", reference_to="Account", relationship_name="Invoices"),
    ))  # fmt: skip
    rights = PermissionSet("Causeway_Billing", "Causeway Billing", fields=grants_for(made.fields),
                           objects=(ObjectPermission(name, create=True, edit=True),))  # fmt: skip
    assert metadata.deploy(org, MetadataPackage((made,), permission_sets=(rights,))).success
    assign(org, "Causeway_Billing")
    account = org.query_all("SELECT Id FROM Account LIMIT 1")[0]["Id"]
    answer = rest.upsert_record(org, name, "Key__c", "k-1", {"Account__c": account})
    assert answer.created
    assert seen(org, name).field("Key__c").external_id
    assert ("CustomObject", name) in metadata.list_components(org, "CustomObject", "PermissionSet")


def test_one_refused_component_refuses_the_package_and_says_why(org):
    with pytest.raises(ValueError, match="twice"):
        metadata.deploy(org, MetadataPackage(fields=(field("PX_Two__c"), field("px_two__c"))))
    bad = CustomField("Account", "PX_Link__c", "Link", "Lookup", reference_to="Nothing__c")
    granted = PermissionSet("Causeway_Test", "T", fields=grants_for([field("PX_One__c"), bad]))
    result = metadata.deploy(org, MetadataPackage(fields=(field("PX_One__c"), bad), permission_sets=(granted,)))
    assert (result.status, result.success) == ("Failed", False)
    assert [(each.full_name, each.explained.code) for each in result.failures] == [
        ("Account.PX_Link__c", "no_object"), ("Causeway_Test", "follows_another"),
    ]  # fmt: skip
    assert metadata.read_components(org, "CustomField", ["Account.PX_One__c"]) == {}


def test_another_type_under_the_same_name_is_explained(org):
    result = metadata.deploy(org, MetadataPackage(fields=(field("PX_Health__c"),)))
    assert [each.explained.code for each in result.failures] == ["other_type"]


def test_deploying_twice_changes_nothing(org):
    package = MetadataPackage(fields=(field("PX_Again__c"),))
    assert metadata.deploy(org, package).components[0].created
    again = metadata.deploy(org, package)
    assert (again.success, again.components[0].created) == (True, False)


def test_r_002_a_session_that_ends_while_salesforce_deploys_is_renewed(org, demo_org, tokens_of_org):
    demo_org.settings(deploy_seconds=1.0)
    ended = []

    def sleep(seconds: float) -> None:
        if not ended:
            expired = tokens_of_org.grant
            org.request("POST", "/services/oauth2/revoke", data=f"token={expired.access_token}",
                        headers={"Content-Type": "application/x-www-form-urlencoded"})  # fmt: skip
            ended.append(expired)
        demo_org.clock(advance=1.0)

    result = metadata.deploy(org, MetadataPackage(fields=(field("PX_Slow__c"),)), sleep=sleep)
    assert result.success
    assert tokens_of_org.refreshed == 1
    posts = [each for each in demo_org.calls("/metadata/deployRequest") if each["method"] == "POST"]
    assert len(posts) == 1


def test_a_slow_deployment_gives_its_job_back_and_can_be_canceled(org, demo_org):
    demo_org.settings(deploy_seconds=60)
    with pytest.raises(metadata.DeployPending) as caught:
        metadata.deploy(org, MetadataPackage(fields=(field("PX_Late__c"),)), deadline=0)
    metadata.cancel_deploy(org, caught.value.job_id)
    result = metadata.deploy(org, MetadataPackage(), job_id=caught.value.job_id)
    assert (result.done, result.success, result.sentence) == (True, False, "The deployment was canceled in Salesforce.")
    with pytest.raises(NotFound):
        metadata.read_deploy(org, "0Af00000000009Z")


def test_without_the_right_nothing_is_deployed(org, demo_org):
    take_rights_away(org)
    with pytest.raises(NoAccess):
        metadata.deploy(org, MetadataPackage(fields=(field("PX_No__c"),)))
    with pytest.raises(NoAccess):
        metadata.find_permission_set(org, "Causeway_Integration")


def take_rights_away(org: Client) -> None:
    """An administrator takes the rights to change the setup from the integration's profile and permission sets."""
    for each in org.query_all("SELECT Id FROM PermissionSet"):
        rest.update_record(org, "PermissionSet", each["Id"],
                           {"PermissionsCustomizeApplication": False, "PermissionsModifyMetadata": False})  # fmt: skip


def test_a_deployed_permission_set_replaces_so_it_is_joined_with_the_one_there(org):
    """API 40.0 and later: what the package leaves out is taken away."""
    first, second = field("PX_First__c"), field("PX_Second__c")
    one = PermissionSet("Causeway_Test", "T", fields=grants_for([first]), user_permissions=("RunReports",))
    assert metadata.deploy(org, MetadataPackage(fields=(first, second), permission_sets=(one,))).success
    other = PermissionSet("Causeway_Test", "T", fields=grants_for([second]))
    assert metadata.deploy(org, MetadataPackage(permission_sets=(other,))).success
    found = metadata.find_permission_set(org, "Causeway_Test")
    assert [each.field for each in found.fields] == ["Account.PX_Second__c"]
    assert found.user_permissions == ()
    assert metadata.deploy(org, MetadataPackage(permission_sets=(joined(found, one),))).success
    found = metadata.find_permission_set(org, "Causeway_Test")
    assert found.fields == (
        FieldPermission("Account.PX_First__c", True, True),
        FieldPermission("Account.PX_Second__c", True, True),
    )
    assert found.user_permissions == ("RunReports",)


def test_single_components_are_saved_and_deleted_by_themselves(org):
    parts = [field(f"PX_N{number}__c").element(qualified=True) for number in range(12)]
    bad = {**parts[0], "fullName": "Account.PX_Bad__c", "type": "Nothing"}
    results = metadata.upsert_components(org, "CustomField", [*parts, bad])
    assert [each.success for each in results] == [True] * 12 + [False]
    again = metadata.upsert_components(org, "CustomField", parts[:1])
    assert (again[0].success, again[0].created) == (True, False)
    gone = metadata.delete_components(org, "CustomField", ["Account.PX_N0__c", "Account.PX_Nope__c"])
    assert [each.success for each in gone] == [True, False]
    assert set(metadata.read_components(org, "CustomField", ["Account.PX_N0__c", "Account.PX_N1__c"])) == {"Account.PX_N1__c"}
