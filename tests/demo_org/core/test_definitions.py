"""What the org says about itself as records: EntityDefinition, FieldDefinition, CustomObject, CustomField, packages."""

from integrations.demo_org.definitions import bare_name, data_type
from integrations.demo_org.schema.types import Field
from tests.demo_org.core.served_org import Core
from tests.demo_org.metadata.calling import save


def rows(core: Core, soql: str, *, path: str = "query") -> list[dict]:
    answer = core.call("GET", path, params={"q": soql})
    assert answer.status_code == 200, answer.text
    return [{key: value for key, value in row.items() if key != "attributes"} for row in answer.json()["records"]]


def test_entities_are_found_by_name(core: Core) -> None:
    found = rows(
        core, "SELECT QualifiedApiName, Label, PluralLabel, KeyPrefix FROM EntityDefinition WHERE QualifiedApiName = 'Account'"
    )
    assert found == [{"QualifiedApiName": "Account", "Label": "Account", "PluralLabel": "Accounts", "KeyPrefix": "001"}]


def test_fields_are_found_by_their_entity_in_both_ways(core: Core) -> None:
    wanted = [
        {"QualifiedApiName": "Name", "DataType": "Name(255)"},
        {"QualifiedApiName": "ParentId", "DataType": "Lookup(Account)"},
    ]
    chosen = "SELECT QualifiedApiName, DataType FROM FieldDefinition WHERE {} AND QualifiedApiName IN ('Name', 'ParentId') ORDER BY QualifiedApiName"
    assert rows(core, chosen.format("EntityDefinition.QualifiedApiName = 'Account'")) == wanted
    assert rows(core, chosen.format("EntityDefinitionId = 'Account'")) == wanted


def test_every_field_of_describe_has_a_definition(core: Core) -> None:
    described = {each["name"] for each in core.call("GET", "sobjects/Opportunity/describe").json()["fields"]}
    found = rows(core, "SELECT QualifiedApiName FROM FieldDefinition WHERE EntityDefinition.QualifiedApiName = 'Opportunity'")
    assert {each["QualifiedApiName"] for each in found} == described


def test_a_hidden_field_and_a_hidden_object_have_no_definition(core: Core) -> None:
    core.org.settings.update({"hidden_fields": {"Account": ["Site"]}, "hidden_objects": ["Lead"]})
    counted = (
        "SELECT COUNT(Id) n FROM FieldDefinition WHERE EntityDefinition.QualifiedApiName = '{}' AND QualifiedApiName = '{}'"
    )
    assert rows(core, counted.format("Account", "Site")) == [{"n": 0}]
    assert rows(core, counted.format("Account", "Name")) == [{"n": 1}]
    assert rows(core, counted.format("Lead", "Email")) == [{"n": 0}]
    assert rows(core, "SELECT COUNT(Id) n FROM EntityDefinition WHERE QualifiedApiName = 'Lead'") == [{"n": 0}]


def test_a_new_field_has_its_definition_at_once(core: Core) -> None:
    asked = "SELECT DataType, DeveloperName FROM FieldDefinition WHERE EntityDefinitionId = 'Account' AND QualifiedApiName = 'Fresh__c'"
    assert rows(core, asked) == []
    core.org.add_field("Account", Field("Fresh__c", "Fresh", "string", length=40, custom=True))
    assert rows(core, asked) == [{"DataType": "Text(40)", "DeveloperName": "Fresh"}]


def test_custom_fields_and_objects_belong_to_the_tooling_api(core: Core) -> None:
    asked = (
        "SELECT DeveloperName, TableEnumOrId FROM CustomField WHERE TableEnumOrId = 'Account' AND DeveloperName = 'External_Id'"
    )
    assert rows(core, asked, path="tooling/query") == [{"DeveloperName": "External_Id", "TableEnumOrId": "Account"}]
    project = rows(core, "SELECT Id FROM CustomObject WHERE DeveloperName = 'Project'", path="tooling/query")[0]["Id"]
    of_project = rows(core, f"SELECT DeveloperName FROM CustomField WHERE TableEnumOrId = '{project}'", path="tooling/query")
    assert of_project
    refused = core.call("GET", "query", params={"q": "SELECT Id FROM CustomField"})
    assert (refused.status_code, refused.json()[0]["errorCode"]) == (400, "INVALID_TYPE")


def test_an_org_without_apex_has_no_classes(core: Core) -> None:
    assert rows(core, "SELECT Id, Name FROM ApexClass", path="tooling/query") == []
    assert rows(core, "SELECT Id, Name FROM ApexTrigger", path="tooling/query") == []


def test_installed_packages_name_their_version(core: Core) -> None:
    core.org.store.insert(
        "PackageLicense", [{"Id": core.org.store.next_ids("PackageLicense", 1)[0], "NamespacePrefix": "acme"}]
    )
    core.org.add_field("Account", Field("Fresh__c", "Fresh", "string", length=40, custom=True))  # the schema is another one now
    asked = (
        "SELECT SubscriberPackage.NamespacePrefix, SubscriberPackageVersion.MajorVersion, SubscriberPackageVersion.IsBeta"
        " FROM InstalledSubscriberPackage"
    )
    found = rows(core, asked, path="tooling/query")
    assert [each["SubscriberPackage"]["NamespacePrefix"] for each in found] == ["acme"]
    version = found[0]["SubscriberPackageVersion"]
    assert (version["MajorVersion"], version["IsBeta"]) == (1, False)


def test_names_are_taken_apart() -> None:
    assert bare_name("ns__Thing__c") == ("ns", "Thing")
    assert bare_name("Thing__c") == (None, "Thing")
    assert bare_name("Account") == (None, "Account")


def test_types_are_called_as_in_setup() -> None:
    assert data_type(Field("A__c", "A", "double", precision=18, scale=2)) == "Number(16, 2)"
    assert data_type(Field("A__c", "A", "textarea", length=32768)) == "Long Text Area(32768)"
    assert data_type(Field("A__c", "A", "multipicklist")) == "Picklist (Multi-Select)"
    assert data_type(Field("A__c", "A", "string", length=80, external_id=True, unique=True)) == (
        "Text(80) (External ID) (Unique Case Insensitive)"
    )
    assert data_type(Field("A__c", "A", "string", length=80, calculated=True)) == "Formula (Text)"
    assert data_type(Field("A__c", "A", "string", auto_number=True)) == "Auto Number"


def test_the_deployed_sharing_model_is_told(core: Core) -> None:
    asked = "SELECT InternalSharingModel FROM EntityDefinition WHERE QualifiedApiName = 'Account'"
    assert rows(core, asked) == [{"InternalSharingModel": "ReadWrite"}]
    inner = "<fullName>Account</fullName><label>Account</label><sharingModel>Private</sharingModel>"
    assert "<success>true</success>" in save(core, "CustomObject", inner, call="updateMetadata")
    assert rows(core, asked) == [{"InternalSharingModel": "Private"}]
