"""Metadata: packages, answers and refusals, without an org; recorded answers where they are there."""

import io
import zipfile
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.salesforce import metadata
from integrations.salesforce.errors import NoAccess, SalesforceError, UnexpectedAnswer
from integrations.salesforce.metadata import (
    CustomField,
    CustomObject,
    CustomTab,
    FieldPermission,
    MetadataPackage,
    ObjectPermission,
    PermissionSet,
    grants_for,
    joined,
)
from integrations.salesforce.metadata_answers import read_deploy_result, read_permission_set, read_save_results
from integrations.salesforce.metadata_problems import explain_problem
from integrations.salesforce.metadata_xml import ILLEGAL, read_root, read_values, write_document
from tests.salesforce.server import Told

NUMBER = CustomField("Account", "PX_Users__c", "Users", "Number", precision=18, scale=0)
SOAP = '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>{}</e:Body></e:Envelope>'
DEPLOY_ID = "0Af3D00001NVCnwSAH"


def files_of(package: MetadataPackage) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(package.zipped(api_version="65.0"))) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def texts(xml: str, name: str) -> list[str | None]:
    return [each.text for each in fromstring(xml).iter() if each.tag.rpartition("}")[2] == name]


def test_a_package_names_in_its_manifest_what_its_files_hold():
    child = CustomObject("Invoice__c", "Invoice", "Invoices", fields=(
        CustomField("Invoice__c", "Key__c", "Key", "Text", length=80, external_id=True, unique=True, case_sensitive=True),
        CustomField("Invoice__c", "Account__c", "Account", "Lookup", reference_to="Account", relationship_name="Invoices"),
    ))  # fmt: skip
    granted = PermissionSet("Causeway_Billing", "Causeway Billing", fields=grants_for((*child.fields, NUMBER)),
                            objects=(ObjectPermission("Invoice__c", edit=True),))  # fmt: skip
    files = files_of(MetadataPackage((child,), (NUMBER,), (granted,), (CustomTab("Invoice__c"),)))
    assert list(files) == [
        "package.xml", "objects/Invoice__c.object", "objects/Account.object",
        "permissionsets/Causeway_Billing.permissionset", "tabs/Invoice__c.tab",
    ]  # fmt: skip
    assert texts(files["package.xml"], "members") == [
        "Account.PX_Users__c", "Invoice__c.Account__c", "Invoice__c.Key__c", "Invoice__c", "Invoice__c", "Causeway_Billing",
    ]  # fmt: skip
    assert texts(files["package.xml"], "version") == ["65.0"]
    assert texts(files["objects/Invoice__c.object"], "deleteConstraint") == ["SetNull"]
    assert texts(files["objects/Invoice__c.object"], "externalId") == ["true"]
    assert texts(files["objects/Account.object"], "precision") == ["18"]
    rights = files["permissionsets/Causeway_Billing.permissionset"]
    assert texts(rights, "allowRead") == ["true"], "Salesforce refuses edit without read"
    assert texts(rights, "field") == ["Account.PX_Users__c", "Invoice__c.Account__c", "Invoice__c.Key__c"]


def test_the_same_package_gives_the_same_bytes():
    package = MetadataPackage(fields=(NUMBER,))
    assert package.zipped(api_version="65.0") == package.zipped(api_version="65.0")


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_comes_back_from_xml_or_is_refused(text):
    """Texts of people never end an element early, whatever is in them."""
    facts = {"label": text, "description": f"<{text}>&"}
    if ILLEGAL.search(text):
        with pytest.raises(ValueError, match="cannot stand in XML"):
            write_document("CustomField", facts)
        return
    written = write_document("CustomField", facts)
    values = read_values(read_root(written))
    clean = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    assert values["label"] == clean
    assert set(values) == {"label", "description"}


@pytest.mark.parametrize(
    "body",
    [
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;">]><a>&z;</a>',
        b"<a><b></a>", b"", b"<a>" * 3000 + b"</a>" * 3000,
    ],
)  # fmt: skip
def test_s_039_answers_with_entities_or_damage_are_refused(body):
    with pytest.raises(UnexpectedAnswer):
        read_values(read_root(body))


ALL_TYPES = (
    CustomField("Account", "A__c", "A", "Text", length=255),
    CustomField("Account", "B__c", "B", "TextArea"),
    CustomField("Account", "C__c", "C", "LongTextArea", length=32_768),
    CustomField("Account", "D__c", "D", "Html", length=32_768),
    CustomField("Account", "E__c", "E", "Number", precision=18, scale=2),
    CustomField("Account", "F__c", "F", "Currency", precision=16, scale=2),
    CustomField("Account", "G__c", "G", "Percent", precision=5, scale=1),
    CustomField("Account", "H__c", "H", "Checkbox"),
    CustomField("Account", "I__c", "I", "Date"),
    CustomField("Account", "J__c", "J", "DateTime"),
    CustomField("Account", "K__c", "K", "Time"),
    CustomField("Account", "L__c", "L", "Email", external_id=True),
    CustomField("Account", "M__c", "M", "Phone"),
    CustomField("Account", "N__c", "N", "Url"),
    CustomField("Account", "O__c", "O", "Lookup", reference_to="Contact", relationship_name="Os"),
    CustomField("Account", "P__c", "P", "AutoNumber", display_format="P-{0000}"),
    CustomField("Account", "Q__c", "Q", "Picklist", values=("Good", "Bad"), restricted=True),
    CustomField("Account", "R__c", "R", "MultiselectPicklist", values=("x & y", "z")),
    CustomField("Account", "S__c", "S", "EncryptedText", length=100),
    CustomField("Account", "T__c", "T", "Number", precision=18, scale=2, formula="E__c * 2"),
    CustomField("Account", "U__c", "U", "Location", scale=4),
)


@pytest.mark.parametrize("made", ALL_TYPES, ids=lambda each: each.type + ("-formula" if each.formula else ""))
def test_every_field_type_has_what_salesforce_asks_for(made):
    assert made.problems() == []
    element = made.element(qualified=True)
    assert element["fullName"] == made.full_name
    names = [name for name in element if name != "fullName"]
    assert names == sorted(names), "the order of the WSDL"
    if made.type == "Checkbox":
        assert element["defaultValue"] == "false"
        assert "required" not in element
    if made.is_calculated:
        assert grants_for([made])[0].editable is False


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (CustomField("Account", "Users", "Users", "Number", precision=18), "ends with __c"),
        (CustomField("Account", "PX__Users__c", "Users", "Number", precision=18), "single underscores"),
        (CustomField("Account", "9Users__c", "Users", "Number", precision=18), "begins with a letter"),
        (CustomField("Account", f"{'x' * 41}__c", "Users", "Number", precision=18), "more than 40 characters"),
        (CustomField("Account", "Users__c", "U" * 41, "Number", precision=18), "label has more than 40"),
        (CustomField("Account", "Users__c", " ", "Number", precision=18), "label is needed"),
        (CustomField("Account", "Users__c", "Users", "Number", precision=19), "1 to 18 digits"),
        (CustomField("Account", "Users__c", "Users", "Number", precision=2, scale=2), "fewer of them after the point"),
        (CustomField("Account", "Users__c", "Users", "Text", length=256), "1 to 255"),
        (CustomField("Account", "Users__c", "Users", "LongTextArea", length=255), "256 to 131,072"),
        (CustomField("Account", "Users__c", "Users", "Whole"), "no field type"),
        (CustomField("Account", "Users__c", "Users", "Checkbox", external_id=True), "cannot be an external id"),
        (CustomField("Account", "Users__c", "Users", "Lookup"), "names the object"),
        (CustomField("Account", "Users__c", "Users", "Picklist"), "1 to 1,000 values"),
        (CustomField("Account", "Users__c", "Users", "Picklist", values=("a", "a")), "each once"),
        (CustomField("Account", "Users__c", "Users", "AutoNumber", display_format="X"), "one number"),
        (CustomField("Account.Name", "Users__c", "Users", "Date"), "no object name"),
    ],
)  # fmt: skip
def test_what_salesforce_would_refuse_is_said_before_anything_is_sent(made, said):
    assert any(said in each for each in made.problems())
    with pytest.raises(ValueError, match=made.name):
        MetadataPackage(fields=(made,)).zipped(api_version="65.0")


def test_names_that_differ_only_by_case_and_empty_packages_are_refused():
    twin = CustomField("Account", "px_users__c", "Users", "Date")
    assert any("twice" in each for each in MetadataPackage(fields=(NUMBER, twin)).problems())
    assert MetadataPackage().problems() == ["There is nothing to deploy."]


def test_required_and_detail_fields_take_no_permissions():
    required = CustomField("Account", "R__c", "R", "Date", required=True)
    detail = CustomField("Line__c", "Parent__c", "Parent", "MasterDetail", reference_to="Account")
    assert grants_for((required, detail, NUMBER)) == (FieldPermission("Account.PX_Users__c", True, True),)


def test_joining_permission_sets_takes_nothing_away():
    there = PermissionSet(
        "P", "By hand", fields=(FieldPermission("Account.A__c", True, True), FieldPermission("Account.B__c", True)),
        objects=(ObjectPermission("Account", delete=True),), user_permissions=("RunReports",),
        kept={"license": "Salesforce", "tabSettings": {"tab": "Home", "visibility": "Available"}},
    )  # fmt: skip
    wanted = PermissionSet("P", "Ours", fields=(FieldPermission("account.b__C", True, True), FieldPermission("Account.C__c")),
                           objects=(ObjectPermission("Account", create=True),), tabs=("Invoice__c",))  # fmt: skip
    both = joined(there, wanted).element()
    assert {each["field"]: each["editable"] for each in both["fieldPermissions"]} == {
        "Account.A__c": True, "Account.B__c": True, "Account.C__c": False,
    }  # fmt: skip
    assert both["objectPermissions"][0] | {"allowDelete": True, "allowCreate": True} == both["objectPermissions"][0]
    assert (both["label"], both["license"]) == ("By hand", "Salesforce")
    assert [each["visibility"] for each in both["tabSettings"]] == ["Available", "Visible"]
    assert both["userPermissions"] == [{"enabled": True, "name": "RunReports"}]


# --- Answers ---------------------------------------------------------------------------------------------------------


def result_of(recordings, name):
    root = read_root(recordings.bytes(f"metadata/{name}"))
    results = [read_values(each) for each in root.iter() if each.tag.rpartition("}")[2] == "result"]
    return results[0] if len(results) == 1 else results


def test_recorded_deployments_are_read(recordings):
    done = read_deploy_result(result_of(recordings, "checkdeploystatus-succeeded.xml"))
    assert (done.id, done.status, done.done, done.success) == ("0Af3D00001NVCnwSAH", "Succeeded", True, True)
    assert (done.total, done.deployed, len(done.components), done.check_only) == (4, 4, 4, False)
    assert done.sentence == "4 components deployed."
    pending = read_deploy_result(result_of(recordings, "checkdeploystatus-pending.xml"))
    assert (pending.done, pending.check_only, pending.components) == (False, True, ())
    queued = read_deploy_result(result_of(recordings, "deploy-queued.xml"))
    assert (queued.id, queued.status, queued.done) == ("0Af3B00001CMyfASAT", "Queued", False)
    old = read_deploy_result(result_of(recordings, "checkdeploystatus-no-package-v23.xml"))
    assert (old.done, old.success) == (True, False)
    assert old.failures[0].problem == "No package.xml found"


def test_recorded_saves_and_permission_sets_are_read(recordings):
    saved = read_save_results(result_of(recordings, "upsertmetadata-customfields.xml"), kind="CustomField")
    assert [each.created for each in saved] == [True, True, False, True, False, False]
    assert all(each.success for each in saved)
    records = result_of(recordings, "readmetadata-permissionset.xml")["records"]
    found = read_permission_set(records)
    assert found.name == "IntegrationCustomFieldVisibility"
    assert found.fields == (FieldPermission("TestObject15__c.Hobby__c", True, True),)


def test_a_single_component_comes_without_a_list():
    one = {"id": DEPLOY_ID, "status": "Failed", "done": "true", "success": "false", "numberComponentsTotal": "1",
           "details": {"componentFailures": {"fullName": "Account.A__c", "problem": "bad", "problemType": "Error",
                                             "success": "false", "componentType": "CustomField"}}}  # fmt: skip
    result = read_deploy_result(one)
    assert [each.full_name for each in result.failures] == ["Account.A__c"]
    assert result.sentence == "1 of 1 components were refused. Nothing was changed."


@pytest.mark.parametrize("values", [{}, {"id": DEPLOY_ID}, {"status": "Succeeded"}])
def test_what_is_no_deploy_answer_is_refused(values):
    with pytest.raises(UnexpectedAnswer):
        read_deploy_result(values)


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        ("There is already a field named PX_Users on Account.", "name_taken"),
        ("Cannot change the type of PX_Users__c from Text to Number", "other_type"),
        ("Cannot update a field type from Text to Number", "other_type"),
        ("This entity has reached its maximum number of 800 custom fields", "too_many_fields"),
        ("Account already has 25 external ID fields", "too_many_external_ids"),
        ("In field: field - no CustomField named Account.A__c found", "follows_another"),
        ("In field: CustomObject - no CustomObject named Nope__c found", "no_object"),
        ("You do not have permission to modify the metadata of this org", "no_right"),
        ("use of the Metadata API requires a user with the ModifyAllData or ModifyMetadata permissions", "no_right"),
        ("You cannot deploy to a required field: Account.A__c", "required_field"),
        ("Permission Edit Contact depends on permission(s): Read Account", "depends"),
        ("something nobody has seen before", "refused"),
    ],
)
def test_every_refusal_says_what_salesforce_said_and_most_say_what_to_do(problem, code):
    explained = explain_problem(problem)
    assert explained.code == code
    assert problem.rstrip(".") in explained.sentence
    assert bool(explained.fix) == (code != "refused")


def test_a_deployment_that_fails_as_a_whole_says_why_as_far_as_it_is_known():
    failed = {"id": DEPLOY_ID, "status": "Failed", "done": True, "success": False}
    assert "named no part" in read_deploy_result(failed).sentence
    told = read_deploy_result(
        {**failed, "errorMessage": "Another deployment is in progress", "errorStatusCode": "ALREADY_IN_PROCESS"}
    )
    assert told.sentence.startswith(
        "Another deployment is going on in this org. Salesforce says: Another deployment is in progress."
    )
    secret = read_deploy_result({**failed, "errorMessage": "bad token 00D000000000001!AQEAQ.secret"})
    assert "secret" not in secret.sentence


def test_consequences_come_after_their_causes():
    failed = [
        {"fullName": "Causeway", "problem": "In field: field - no CustomField named Account.A__c found", "success": "false"},
        {"fullName": "Account.A__c", "problem": "Label: data value too large", "success": "false"},
    ]
    result = read_deploy_result({"id": DEPLOY_ID, "status": "Failed", "details": {"componentFailures": failed}})
    assert [each.full_name for each in result.failures] == ["Account.A__c", "Causeway"]


# --- The wire, with faults -------------------------------------------------------------------------------------------


def status(done, **more):
    return Told(data={"id": DEPLOY_ID, "deployResult": {"id": DEPLOY_ID, "done": done, "success": done, "numberComponentsTotal": 1,
                                                        "status": "Succeeded" if done else "InProgress", **more}})  # fmt: skip


def test_i_09_waiting_is_bounded_and_goes_on_with_the_job_id(server, client, naps):
    server.tell(f"/deployRequest/{DEPLOY_ID}", status(False))
    server.tell("/metadata/deployRequest", Told(201, {"id": DEPLOY_ID[:15]}), status(False))
    started = []
    with pytest.raises(metadata.DeployPending) as caught:
        metadata.deploy(client, MetadataPackage(fields=(NUMBER,)), on_started=started.append, deadline=0, sleep=naps)
    assert started == [DEPLOY_ID] == [caught.value.job_id]
    server.tell(f"/deployRequest/{DEPLOY_ID}", status(False), status(True))
    assert metadata.deploy(client, MetadataPackage(), job_id=DEPLOY_ID, sleep=naps).success
    assert len(server.requests("/metadata/deployRequest")) == 4
    assert [each.method for each in server.seen].count("POST") == 1, "the package goes out once"
    assert naps.seconds == [metadata.FIRST_WAIT]


def test_an_upload_without_answer_is_not_sent_again(server, client):
    server.tell("/metadata/deployRequest", Told(hang_up=True))
    with pytest.raises(SalesforceError):
        metadata.start_deploy(client, MetadataPackage(fields=(NUMBER,)))
    assert len(server.requests("/metadata/deployRequest")) == 1


def test_the_upload_is_one_part_json_and_one_part_zip(server, client):
    server.tell("/metadata/deployRequest", Told(201, {"id": DEPLOY_ID}))
    assert metadata.start_deploy(client, MetadataPackage(fields=(NUMBER,)), check_only=True) == DEPLOY_ID
    (seen,) = server.seen
    assert b'"checkOnly":true' in seen.body
    assert b"PK\x03\x04" in seen.body
    assert seen.headers["Content-Type"].startswith("multipart/form-data; boundary=")


def test_r_002_a_soap_session_that_ends_is_renewed_and_the_new_one_is_sent(server, client, tokens):
    fault = SOAP.format("<e:Fault><faultcode>sf:INVALID_SESSION_ID</faultcode><faultstring>INVALID_SESSION_ID: Invalid Session"
                        " ID found in SessionHeader</faultstring></e:Fault>")  # fmt: skip
    good = SOAP.format('<readMetadataResponse xmlns="x"><result><records><fullName>P</fullName><label>L</label></records>'
                       "</result></readMetadataResponse>")  # fmt: skip
    kind = {"Content-Type": "text/xml"}
    server.tell("/Soap/m/", Told(500, raw=fault.encode(), headers=kind), Told(raw=good.encode(), headers=kind))
    found = metadata.find_permission_set(client, "P")
    assert found is not None
    assert found.label == "L"
    assert [b"<sessionId>T1</sessionId>" in server.seen[0].body, b"<sessionId>T2</sessionId>" in server.seen[1].body] == [
        True
    ] * 2
    assert len(tokens.refreshes) == 1


def test_a_soap_refusal_for_lack_of_rights_is_no_access(server, client):
    fault = SOAP.format("<e:Fault><faultcode>sf:INSUFFICIENT_ACCESS</faultcode><faultstring>INSUFFICIENT_ACCESS: use of the "
                        "Metadata API requires a user with the ModifyAllData or ModifyMetadata permissions</faultstring>"
                        "</e:Fault>")  # fmt: skip
    server.tell("/Soap/m/", Told(500, raw=fault.encode(), headers={"Content-Type": "text/xml"}))
    with pytest.raises(NoAccess) as caught:
        metadata.read_components(client, "CustomField", ["Account.A__c"])
    assert explain_problem(caught.value.message, code=caught.value.code).code == "no_right"
    assert len(server.seen) == 1


def test_texts_in_soap_messages_are_escaped(server, client):
    answer = SOAP.format("<readMetadataResponse><result/></readMetadataResponse>")
    server.tell("/Soap/m/", Told(raw=answer.encode(), headers={"Content-Type": "text/xml"}))
    assert metadata.read_components(client, "CustomField", ["</fullNames><evil/>&"]) == {}
    root = read_root(server.seen[0].body)
    assert not [each for each in root.iter() if "evil" in str(each.tag)]
