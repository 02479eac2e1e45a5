"""Flows, credentials and layouts as components: versions, activation, reading, listing, retrieving, secrets."""

import base64
import io
import re
import zipfile

from tests.demo_org.automation.flowing import (
    SPACE,
    Receiver,
    deploy_files,
    deploy_flow,
    deploy_service,
    filters,
    frame,
    good,
    make_deal,
    problems,
    settle,
    start,
    update,
    won_flow,
)
from tests.demo_org.core.served_org import Core
from tests.demo_org.metadata.calling import grant, save, soap, text_field

SET = filters(("Id", "EqualTo", "@$Record.AccountId"))


def marking(text: str, *, status: str = "Active", label: str = "Tested") -> str:
    return frame(start("Mark") + update("Mark", "Account", "Description", text, where=SET), status=status, label=label)


def rows(core: Core, query: str, *, tooling: bool = True) -> list[dict]:
    path = "tooling/query" if tooling else "query"
    answer = core.call("GET", path, params={"q": query})
    assert answer.status_code == 200, answer.text
    return answer.json()["records"]


def test_deploying_an_active_flow_again_makes_a_version_and_only_one_is_active(core: Core) -> None:
    good(deploy_flow(core, "Marks", marking("one")))
    good(deploy_flow(core, "Marks", marking("two")))
    found = rows(core, "SELECT VersionNumber, Status, Definition.DeveloperName FROM Flow ORDER BY VersionNumber")
    assert [(each["VersionNumber"], each["Status"]) for each in found] == [(1, "Obsolete"), (2, "Active")]
    [definition] = rows(core, "SELECT Id, ActiveVersion.VersionNumber, LatestVersion.VersionNumber FROM FlowDefinition")
    assert (definition["ActiveVersion"]["VersionNumber"], definition["LatestVersion"]["VersionNumber"]) == (2, 2)
    account = core.make("Account", Name="A")
    make_deal(core, AccountId=account)
    settle(core)
    assert core.row("Account", account)["Description"] == "two"


def test_the_same_flow_once_more_changes_nothing(core: Core) -> None:
    good(deploy_flow(core, "Marks", marking("one")))
    good(deploy_flow(core, "Marks", marking("one")))
    assert len(rows(core, "SELECT Id FROM Flow")) == 1


def test_a_draft_never_switches_the_active_version_off(core: Core) -> None:
    good(deploy_flow(core, "Marks", marking("one")))
    for _ in range(2):
        good(deploy_flow(core, "Marks", marking("one", status="Draft")))
    found = rows(core, "SELECT VersionNumber, Status FROM Flow ORDER BY VersionNumber")
    assert [(each["VersionNumber"], each["Status"]) for each in found] == [(1, "Active"), (2, "Draft")]
    good(deploy_flow(core, "Marks", marking("one")))
    assert [each["Status"] for each in rows(core, "SELECT Status FROM Flow ORDER BY VersionNumber")] == ["Obsolete", "Active"]


def test_a_draft_beside_an_active_version_does_not_run_and_is_replaced(core: Core) -> None:
    good(deploy_flow(core, "Marks", marking("one")))
    for text in ("draft", "other draft"):
        good(deploy_flow(core, "Marks", marking(text, status="Draft")))
    found = rows(core, "SELECT VersionNumber, Status FROM Flow ORDER BY VersionNumber")
    assert [(each["VersionNumber"], each["Status"]) for each in found] == [(1, "Active"), (2, "Draft")]
    [view] = rows(core, "SELECT ApiName, IsActive, ActiveVersionId, LatestVersionId, TriggerObjectOrEventId, RecordTriggerType,"
                  " HasAsyncAfterCommitPath FROM FlowDefinitionView", tooling=False)  # fmt: skip
    assert view["IsActive"] is True
    assert view["ActiveVersionId"] != view["LatestVersionId"]
    assert (view["TriggerObjectOrEventId"], view["RecordTriggerType"]) == ("Opportunity", "CreateAndUpdate")
    assert view["HasAsyncAfterCommitPath"] is True
    assert len(rows(core, "SELECT Status FROM FlowVersionView WHERE FlowDefinitionView.ApiName = 'Marks'", tooling=False)) == 2


def test_a_flow_is_switched_off_and_on_by_tooling_and_by_deployment(core: Core) -> None:
    good(deploy_flow(core, "Marks", marking("one")))
    [definition] = rows(core, "SELECT Id FROM FlowDefinition WHERE DeveloperName = 'Marks'")
    path = f"tooling/sobjects/FlowDefinition/{definition['Id']}"
    assert core.call("PATCH", path, json={"Metadata": {"activeVersionNumber": 0}}).status_code == 204
    assert core.call("GET", path).json()["Metadata"]["activeVersionNumber"] is None
    make_deal(core)
    assert settle(core)["runs"] == []
    on = f"<FlowDefinition {SPACE}><activeVersionNumber>1</activeVersionNumber></FlowDefinition>"
    good(deploy_files(core, {"flowDefinitions/Marks.flowDefinition": on}, {"FlowDefinition": ["Marks"]}))
    make_deal(core)
    assert len(settle(core)["runs"]) == 1
    answer = core.call("PATCH", path, json={"Metadata": {"activeVersionNumber": 7}})
    assert (answer.status_code, "no version 7" in answer.text) == (400, True)
    version = rows(core, "SELECT Id FROM Flow WHERE Status = 'Active'")[0]["Id"]
    shown = core.call("GET", f"tooling/sobjects/Flow/{version}").json()
    assert (shown["FullName"], shown["Metadata"]["label"]) == ("Marks-1", "Tested")
    good(deploy_flow(core, "Marks", marking("one", status="Obsolete")))
    assert rows(core, "SELECT Id FROM FlowDefinitionView WHERE IsActive = true", tooling=False) == []


def test_an_active_flow_cannot_be_deleted_others_can(core: Core) -> None:
    good(deploy_flow(core, "Marks", marking("one")))
    drop = f"<Package {SPACE}><types><members>Marks</members><name>Flow</name></types></Package>"
    assert "is active" in " ".join(problems(deploy_files(core, {"destructiveChanges.xml": drop}, {})))
    answer = soap(core, "deleteMetadata", "<type>Flow</type><fullNames>Marks-1</fullNames>").text
    assert "<success>false</success>" in answer
    good(deploy_flow(core, "Marks", marking("two")))
    answer = soap(core, "deleteMetadata", "<type>Flow</type><fullNames>Marks-1</fullNames>").text
    assert "<success>true</success>" in answer
    assert [each["VersionNumber"] for each in rows(core, "SELECT VersionNumber FROM Flow")] == [2]


def test_flows_are_for_the_tooling_api_alone_and_for_those_who_may_customize(core: Core) -> None:
    answer = core.call("GET", "query", params={"q": "SELECT Id FROM Flow"})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_TYPE")
    names = {each["name"] for each in core.call("GET", "sobjects").json()["sobjects"]}
    assert "FlowDefinitionView" in names
    assert not {"Flow", "FlowDefinition"} & names


def test_what_is_deployed_can_be_read_listed_and_retrieved(core: Core, receiver: Receiver) -> None:
    deploy_service(core, receiver.url, secret="never-shown")
    good(deploy_flow(core, "Send_Won", won_flow()))
    for kind, name, wanted in (
        ("Flow", "Send_Won", "<actionName>Deals.sendDeal</actionName>"), ("FlowDefinition", "Send_Won", "<activeVersionNumber>1"),
        ("NamedCredential", "Deals_Endpoint", receiver.url), ("ExternalCredential", "Deals_Auth", "$Credential.Deals_Auth.ApiKey"),
        ("ExternalServiceRegistration", "Deals", "sendDeal"), ("PermissionSet", "Deals", "Deals_Auth-Key"),
    ):  # fmt: skip
        answer = soap(core, "readMetadata", f"<type>{kind}</type><fullNames>{name}</fullNames>").text
        assert wanted in answer, kind
        listed = soap(core, "listMetadata", f"<queries><type>{kind}</type></queries><asOfVersion>65.0</asOfVersion>").text
        assert f"<fullName>{name}</fullName>" in listed
    types = "".join(f"<types><members>*</members><name>{each}</name></types>" for each in
                    ("Flow", "NamedCredential", "ExternalCredential", "ExternalServiceRegistration"))  # fmt: skip
    inner = f"<retrieveRequest><apiVersion>65.0</apiVersion><unpackaged>{types}<version>65.0</version></unpackaged></retrieveRequest>"
    started = re.search(r"<id>(09S\w+)</id>", soap(core, "retrieve", inner).text)
    assert started
    answer = soap(
        core, "checkRetrieveStatus", f"<asyncProcessId>{started[1]}</asyncProcessId><includeZip>true</includeZip>"
    ).text
    packed = re.search(r"<zipFile>(.*?)</zipFile>", answer, re.DOTALL)
    assert packed
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(packed[1]))) as archive:
        names = set(archive.namelist())
        texts = b"".join(archive.read(each) for each in names)
    assert {"unpackaged/flows/Send_Won.flow", "unpackaged/externalCredentials/Deals_Auth.externalCredential"} <= names
    assert b"never-shown" not in texts
    answer = soap(core, "describeMetadata", "<asOfVersion>65.0</asOfVersion>").text
    assert "<xmlName>Flow</xmlName>" in answer
    assert "<childXmlNames>WorkflowOutboundMessage</childXmlNames>" in answer


def test_two_fields_of_an_object_are_retrieved_in_one_file(core: Core) -> None:
    for name in ("One__c", "Two__c"):
        assert "<success>true</success>" in save(core, "CustomField", text_field(f"Account.{name}"))
    types = "<types><members>Account.One__c</members><members>Account.Two__c</members><name>CustomField</name></types>"
    inner = f"<retrieveRequest><apiVersion>65.0</apiVersion><unpackaged>{types}<version>65.0</version></unpackaged></retrieveRequest>"
    started = re.search(r"<id>(09S\w+)</id>", soap(core, "retrieve", inner).text)
    assert started
    answer = soap(
        core, "checkRetrieveStatus", f"<asyncProcessId>{started[1]}</asyncProcessId><includeZip>true</includeZip>"
    ).text
    packed = re.search(r"<zipFile>(.*?)</zipFile>", answer, re.DOTALL)
    assert packed
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(packed[1]))) as archive:
        text = archive.read("unpackaged/objects/Account.object").decode()
    assert "<fullName>One__c</fullName>" in text
    assert "<fullName>Two__c</fullName>" in text


def test_a_named_credential_in_use_is_not_deleted(core: Core, receiver: Receiver) -> None:
    deploy_service(core, receiver.url)
    answer = soap(core, "deleteMetadata", "<type>NamedCredential</type><fullNames>Deals_Endpoint</fullNames>").text
    assert "referenced elsewhere in the org: ExternalServiceRegistration Deals" in answer


def test_wrong_credentials_are_refused_by_name(core: Core) -> None:
    external = "<fullName>Bad</fullName><authenticationProtocol>Oauth</authenticationProtocol><label>Bad</label>"
    assert "authentication protocol Oauth" in save(core, "ExternalCredential", external)
    named = (
        "<fullName>Bad</fullName><label>Bad</label><namedCredentialParameters><parameterName>Url</parameterName><parameterType>Url"
        "</parameterType><parameterValue>{}</parameterValue></namedCredentialParameters>{}<namedCredentialType>SecuredEndpoint"
        "</namedCredentialType>"
    )
    assert "needs one parameter of type Authentication" in save(core, "NamedCredential", named.format("https://x.example", ""))
    assert "invalid value nowhere" in save(core, "NamedCredential", named.format("nowhere", ""))
    more = ("<namedCredentialParameters><externalCredential>Gone</externalCredential><parameterName>E</parameterName><parameterType>"
            "Authentication</parameterType></namedCredentialParameters>")  # fmt: skip
    assert "no ExternalCredential named Gone" in save(core, "NamedCredential", named.format("https://x.example", more))


def test_secrets_go_in_and_never_come_out(core: Core, receiver: Receiver) -> None:
    deploy_service(core, receiver.url, secret=None)
    where = {"externalCredential": "Deals_Auth", "principalName": "Key", "principalType": "NamedPrincipal"}
    shown = core.call("GET", "named-credentials/credential", params=where).json()
    assert (shown["authenticationStatus"], shown["credentials"]) == ("NotConfigured", {})
    body = {**where, "authenticationProtocol": "Custom", "credentials": {"ApiKey": {"value": "k-1", "encrypted": True}}}
    assert core.call("PUT", "named-credentials/credential", json=body).status_code == 404
    assert core.call("POST", "named-credentials/credential", json=body).status_code == 201
    assert core.call("POST", "named-credentials/credential", json=body).status_code == 409
    body["credentials"] = {"ApiKey": {"value": "k-2", "encrypted": True}, "Region": {"value": "eu", "encrypted": False}}
    answer = core.call("PUT", "named-credentials/credential", json=body)
    assert answer.status_code == 200
    assert answer.json()["credentials"] == {
        "ApiKey": {"encrypted": True, "revealable": False, "value": None},
        "Region": {"encrypted": False, "revealable": False, "value": "eu"},
    }  # fmt: skip
    body["credentials"] = {"Region": {"value": "us", "encrypted": False}}
    assert set(core.call("PATCH", "named-credentials/credential", json=body).json()["credentials"]) == {"ApiKey", "Region"}
    [listed] = core.call("GET", "named-credentials/external-credentials").json()["externalCredentials"]
    assert (listed["developerName"], listed["authenticationStatus"]) == ("Deals_Auth", "Configured")
    assert listed["principals"][0]["principalAccess"][0]["developerName"] == "Deals"
    assert listed["relatedNamedCredentials"][0]["developerName"] == "Deals_Endpoint"
    one = core.call("GET", "named-credentials/external-credentials/Deals_Auth").json()
    assert one == listed
    named = core.call("GET", "named-credentials/named-credential-setup/Deals_Endpoint").json()
    assert (named["calloutUrl"], named["externalCredentials"][0]["developerName"]) == (receiver.url, "Deals_Auth")
    assert core.call("DELETE", "named-credentials/credential", params=where).status_code == 204
    assert core.call("GET", "named-credentials/credential", params=where).json()["credentials"] == {}
    assert core.call("GET", "named-credentials/credential", params={**where, "principalName": "No"}).status_code == 404
    assert core.call("GET", "named-credentials/external-credentials/No").status_code == 404


def test_an_existing_layout_is_read_changed_and_saved_and_describe_shows_it(core: Core) -> None:
    assert "<success>true</success>" in save(core, "CustomField", text_field("Product2.Plan_Type__c"))
    listed = soap(core, "listMetadata", "<queries><type>Layout</type></queries><asOfVersion>65.0</asOfVersion>").text
    for name in ("Product2-Product Layout", "Account-Account Layout", "Opportunity-Opportunity Layout",
                 "OpportunityLineItem-Opportunity Product Layout"):  # fmt: skip
        assert f"<fullName>{name}</fullName>" in listed
    answer = soap(core, "readMetadata", "<type>Layout</type><fullNames>Product2-Product Layout</fullNames>").text
    found = re.search(r"<records[^>]*>(.*)</records>", answer, re.DOTALL)
    assert found
    assert "Plan_Type__c" not in found[1]
    assert "<field>ProductCode</field>" in found[1]
    section = (
        "<layoutSections><customLabel>true</customLabel><detailHeading>true</detailHeading><editHeading>true</editHeading><label>Plans"
        "</label><layoutColumns><layoutItems><behavior>Edit</behavior><field>Plan_Type__c</field></layoutItems></layoutColumns>"
        "<layoutColumns/><style>TwoColumnsTopToBottom</style></layoutSections>"
    )
    changed = found[1].replace("</layoutSections>", f"</layoutSections>{section}", 1)
    assert "<success>true</success>" in save(core, "Layout", changed, call="updateMetadata")
    again = soap(core, "readMetadata", "<type>Layout</type><fullNames>Product2-Product Layout</fullNames>").text
    assert again.count("<field>Plan_Type__c</field>") == 1
    path = "sobjects/Product2/describe/layouts"
    hidden = core.call("GET", path).json()["layouts"][0]["detailLayoutSections"]
    assert "Plans" not in [each["heading"] for each in hidden], "nobody may see the field yet"
    grant(core, "Product2.Plan_Type__c")
    shown = core.call("GET", path).json()["layouts"][0]["detailLayoutSections"]
    assert [each["heading"] for each in shown][:2] == ["Product Information", "Plans"]
    [item] = shown[1]["layoutRows"][0]["layoutItems"]
    assert item["layoutComponents"][0]["value"] == "Plan_Type__c"
    deployed = f"<Layout {SPACE}>{changed.replace('<fullName>Product2-Product Layout</fullName>', '')}</Layout>"
    name = "Product2-Product Layout"
    good(deploy_files(core, {f"layouts/{name}.layout": deployed}, {"Layout": [name]}))


def test_a_layout_with_a_field_that_is_not_there_is_refused(core: Core) -> None:
    inner = (
        "<fullName>Account-Account Layout</fullName><layoutSections><label>X</label><layoutColumns><layoutItems><behavior>Edit</behavior>"
        "<field>Nothing__c</field></layoutItems></layoutColumns><style>OneColumn</style></layoutSections>"
    )
    assert "no CustomField named Account.Nothing__c found" in save(core, "Layout", inner)
