"""Deployments and what their packages may not contain (S-040)."""

import base64
import io
import re
import stat
import struct
import time
import zipfile

import pytest

from integrations.demo_org.errors import ApiError
from integrations.demo_org.metadata.package import Package
from tests.conformity.packages import manifest, package, zipped
from tests.demo_org.core.served_org import Core
from tests.demo_org.metadata.calling import deploy, save, soap, status
from tests.effort import at_most


def has_field(core: Core, name: str) -> bool:
    return core.org.schema.find("Account").find(name) is not None


def test_a_package_is_deployed(core: Core) -> None:
    _, answer = deploy(core, package(field="Deployed__c"))
    assert "<status>Succeeded</status>" in answer
    assert "<numberComponentsDeployed>2</numberComponentsDeployed>" in answer
    assert has_field(core, "Deployed__c")


def test_what_was_deployed_tells_its_id_and_what_was_only_checked_has_none(core: Core) -> None:
    inner = "<fullName>{}</fullName><label>Told</label>"
    new = zipped({
        "package.xml": manifest({"PermissionSet": ["Told_Set"]}),
        "permissionsets/Told_Set.permissionset": f"<PermissionSet>{inner.format('Told_Set')}</PermissionSet>",
    })  # fmt: skip
    _, checked = deploy(core, new, "<checkOnly>true</checkOnly>")
    assert "<id>0PS" not in checked
    _, answer = deploy(core, new)
    own = re.search(r"<fullName>Told_Set</fullName><id>(0PS\w{15})</id><success>true</success>", answer)
    found = core.call("GET", "query", params={"q": "SELECT Id FROM PermissionSet WHERE Name = 'Told_Set'"}).json()["records"]
    assert own[1] == found[0]["Id"]
    fields = deploy(core, package(field="Told__c"))[1]
    assert re.search(r"<fullName>Account.Told__c</fullName><id>00N\w{15}</id>", fields)


def test_a_failed_package_leaves_nothing(core: Core) -> None:
    bad = package(field="Undone__c", extra={"layouts/Account-Page.layout": "<Layout/>"})
    _, answer = deploy(core, bad)
    assert "<status>Failed</status>" in answer
    assert "<problemType>Error</problemType>" in answer
    assert not has_field(core, "Undone__c")


def test_without_rollback_the_good_parts_stay(core: Core) -> None:
    bad = package(field="Partly__c", extra={"layouts/Account-Page.layout": "<Layout/>"})
    _, answer = deploy(core, bad, "<rollbackOnError>false</rollbackOnError>")
    assert "<status>SucceededPartial</status>" in answer
    assert has_field(core, "Partly__c")


def test_check_only_changes_nothing_and_can_be_deployed_later(core: Core) -> None:
    deploy_id, answer = deploy(core, package(field="Checked__c"), "<checkOnly>true</checkOnly>")
    assert "<checkOnly>true</checkOnly>" in answer
    assert "<status>Succeeded</status>" in answer
    assert not has_field(core, "Checked__c")
    quick = soap(core, "deployRecentValidation", f"<validationId>{deploy_id}</validationId>").text
    quick_id = re.search(r"<result>(0Af\w+)</result>", quick)[1]
    assert "<status>Succeeded</status>" in status(core, quick_id)
    assert has_field(core, "Checked__c")


def test_a_package_without_manifest_says_so(core: Core) -> None:
    _, answer = deploy(core, zipped({"objects/Account.object": "<CustomObject/>"}))
    assert "<problem>No package.xml found</problem>" in answer
    assert "<status>Failed</status>" in answer


def test_what_the_manifest_names_must_be_there(core: Core) -> None:
    _, answer = deploy(core, zipped({"package.xml": manifest({"PermissionSet": ["Missing"]})}))
    assert "was named in package.xml, but was not found in zipped directory" in answer


def test_destructive_changes_delete(core: Core) -> None:
    deploy(core, package(field="Doomed__c"))
    files = {
        "package.xml": manifest({}),
        "destructiveChanges.xml": manifest({"CustomField": ["Account.Doomed__c", "Account.Never__c"]}),
    }
    _, answer = deploy(core, zipped(files))
    assert "<deleted>true</deleted>" in answer
    assert "<problemType>Warning</problemType>" in answer
    assert not has_field(core, "Doomed__c")


def test_a_slow_deployment_is_pending_then_in_progress_and_can_be_canceled(core: Core) -> None:
    core.control("settings", {"deploy_seconds": 1000})
    deploy_id, answer = deploy(core, package(field="Slow__c"))
    assert "<status>Pending</status>" in answer
    core.control("clock", {"advance": 600})
    assert "<status>InProgress</status>" in status(core, deploy_id)
    assert "<done>true</done>" in soap(core, "cancelDeploy", f"<String>{deploy_id}</String>").text
    core.control("clock", {"advance": 600})
    assert "<status>Canceled</status>" in status(core, deploy_id)
    assert not has_field(core, "Slow__c")


def test_rest_deployments_have_the_documented_form(core: Core) -> None:
    parts = {
        "json": (None, '{"deployOptions": {"checkOnly": true}}', "application/json"),
        "file": ("deploy.zip", package(field="Rest__c"), "application/zip"),
    }
    made = core.call("POST", "metadata/deployRequest", files=parts)
    assert made.status_code == 201
    body = made.json()
    assert (body["deployOptions"]["checkOnly"], body["deployResult"]["done"]) == (True, False)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        seen = core.call("GET", f"metadata/deployRequest/{body['id']}?includeDetails=true").json()["deployResult"]
        if seen["done"]:
            break
    assert (seen["status"], seen["numberComponentErrors"]) == ("Succeeded", 0)
    assert isinstance(seen["details"]["componentFailures"], list)
    assert core.call("GET", "metadata/deployRequest/0AfdM00000ZZZZZ").status_code == 404


def link_entry() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("package.xml", manifest({}))
        info = zipfile.ZipInfo("objects/Account.object")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    return buffer.getvalue()


def claimed_bomb(size: int) -> bytes:
    """A small archive whose directory claims an entry of `size` bytes."""
    data = bytearray(zipped({"package.xml": manifest({}), "objects/Big.object": b"0" * 1000}))
    place = data.rfind(b"PK\x01\x02")
    data[place + 24 : place + 28] = struct.pack("<I", size)
    return bytes(data)


def many_entries(count: int) -> bytes:
    """An archive whose end claims more entries than may be."""
    data = bytearray(zipped({"package.xml": manifest({})}))
    place = data.rfind(b"PK\x05\x06")
    data[place + 8 : place + 12] = struct.pack("<HH", count, count)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(zipped({"package.xml": "x", "../evil.object": "x"}), "INVALID_ZIP_FILE", id="up"),
        pytest.param(zipped({"package.xml": "x", "a/../../evil.object": "x"}), "INVALID_ZIP_FILE", id="up inside"),
        pytest.param(zipped({"package.xml": "x", "/etc/passwd": "x"}), "INVALID_ZIP_FILE", id="absolute"),
        pytest.param(zipped({"package.xml": "x", "C:/evil": "x"}), "INVALID_ZIP_FILE", id="drive"),
        pytest.param(zipped({"package.xml": "x", "a\\..\\evil": "x"}), "INVALID_ZIP_FILE", id="backslash"),
        pytest.param(link_entry(), "INVALID_ZIP_FILE", id="link"),
        pytest.param(claimed_bomb(4_000_000_000), "LIMIT_EXCEEDED", id="bomb"),
        pytest.param(many_entries(60_000), "LIMIT_EXCEEDED", id="entries"),
        pytest.param(b"not a zip at all", "INVALID_ZIP_FILE", id="no zip"),
        pytest.param(b"", "INVALID_ZIP_FILE", id="empty"),
    ],
)
def test_s_040_dangerous_packages_are_refused_before_unpacking(data: bytes, code: str, monkeypatch) -> None:
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("something was unpacked"))
    with at_most(1), pytest.raises(ApiError) as refused:
        Package(data)
    assert refused.value.code == code


def test_s_040_a_real_bomb_and_100_000_entries(core: Core) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("package.xml", manifest({}))
        for each in range(9):
            archive.writestr(f"objects/Big{each}.object", bytes(50_000_000))
    with pytest.raises(ApiError, match="unzipped"):
        Package(buffer.getvalue())
    packed = many_entries(65_535)
    refused = soap(core, "deploy", f"<ZipFile>{base64.b64encode(packed).decode()}</ZipFile>")
    assert refused.status_code == 500
    assert "LIMIT_EXCEEDED" in refused.text


def test_s_039_entities_inside_a_package_are_refused(core: Core) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><CustomObject>&a;</CustomObject>'
    files = {"package.xml": manifest({"CustomObject": ["Account"]}), "objects/Account.object": bomb}
    _, answer = deploy(core, zipped(files))
    assert "document type" in answer
    assert "root:" not in answer


def test_check_status_is_the_older_way_to_ask(core: Core) -> None:
    """Clients older than v31 of the API, and some newer ones, ask checkStatus() until a retrieval is done."""
    inner = "<retrieveRequest><unpackaged><types><members>*</members><name>CustomObject</name></types></unpackaged></retrieveRequest>"
    started = re.search(r"<id>(09S\w+)</id>", soap(core, "retrieve", inner).text)
    assert started
    told = soap(core, "checkStatus", f"<asyncProcessId>{started[1]}</asyncProcessId>").text
    assert f"<done>true</done><id>{started[1]}</id><state>Completed</state>" in told
    assert "errorMessage" not in told
    deployed, _ = deploy(core, package(field="Older__c"))
    assert "<done>true</done>" in soap(core, "checkStatus", f"<asyncProcessId>{deployed}</asyncProcessId>").text
    unknown = soap(core, "checkStatus", "<asyncProcessId>09S000000000000AAA</asyncProcessId>")
    assert (unknown.status_code, "INVALID_CROSS_REFERENCE_KEY" in unknown.text) == (500, True)


def test_installed_packages_are_components(core: Core) -> None:
    core.org.store.insert(
        "PackageLicense", [{"Id": core.org.store.next_ids("PackageLicense", 1)[0], "NamespacePrefix": "acme"}]
    )
    listed = soap(core, "listMetadata", "<queries><type>InstalledPackage</type></queries>").text
    assert "<fileName>installedPackages/acme.installedPackage</fileName>" in listed
    inner = "<retrieveRequest><unpackaged><types><members>*</members><name>InstalledPackage</name></types></unpackaged></retrieveRequest>"
    started = re.search(r"<id>(09S\w+)</id>", soap(core, "retrieve", inner).text)
    assert started
    packed = soap(core, "checkRetrieveStatus", f"<asyncProcessId>{started[1]}</asyncProcessId>").text
    data = base64.b64decode(re.search(r"<zipFile>(.+?)</zipFile>", packed)[1])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        file = archive.read("unpackaged/installedPackages/acme.installedPackage").decode()
    assert "<versionNumber>1.0</versionNumber>" in file
    refused = save(core, "InstalledPackage", "<fullName>other</fullName><versionNumber>1.0</versionNumber>")
    assert "<success>false</success>" in refused
