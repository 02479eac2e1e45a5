"""The SOAP calls of the Metadata API, each as a function of the request's element. Results are nested values."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element

from integrations.demo_org.errors import ApiError
from integrations.demo_org.metadata import deploys, retrieval
from integrations.demo_org.metadata.components import (
    DIRECTORIES,
    Outcome,
    Workshop,
    list_components,
    read_component,
)
from integrations.demo_org.metadata.package import decode_zip
from integrations.demo_org.metadata.value_types import ELEMENTS, value_type_fields
from integrations.demo_org.metadata.values import XSI_TYPE, Refused, Values, read_values
from integrations.demo_org.soap.envelopes import Fault, child_text, child_texts, children

if TYPE_CHECKING:
    from integrations.demo_org.org import Caller, DemoOrg

MOST_COMPONENTS, MOST_QUERIES = 10, 3
NOT_MANAGED = {
    "CustomObject": ["CustomField", "ValidationRule"],
    "PermissionSet": [],
    "Workflow": ["WorkflowOutboundMessage", "WorkflowRule"],
}


def describe_metadata(_org: "DemoOrg", _caller: "Caller", _call: Element, _version: float) -> Values:
    """describeMetadata(): the types that this org imitates."""
    listed = [
        {
            "childXmlNames": NOT_MANAGED.get(kind) or None, "directoryName": directory, "inFolder": False, "metaFile": False,
            "suffix": suffix, "xmlName": kind,
        }
        for kind, (directory, suffix) in DIRECTORIES.items()
    ]  # fmt: skip
    return {"metadataObjects": listed, "organizationNamespace": "", "partialSaveAllowed": True, "testRequired": False}


def list_metadata(org: "DemoOrg", _caller: "Caller", call: Element, _version: float) -> list[Values]:
    """listMetadata(): file properties by type; up to three queries."""
    queries = children(call, "queries")
    if len(queries) > MOST_QUERIES:
        raise Fault("LIMIT_EXCEEDED", f"listMetadata takes up to {MOST_QUERIES} queries")
    return [each for query in queries for each in list_components(org, child_text(query, "type"))]


def read_metadata(org: "DemoOrg", _caller: "Caller", call: Element, version: float) -> Values:
    """readMetadata(): up to ten components of one type; nil for one that is not there."""
    kind, names = child_text(call, "type"), child_texts(call, "fullNames")
    _check_count(len(names))
    records: list[Values] = []
    for name in names:
        try:
            found = read_component(org, kind, name, version=version)
        except Refused as refusal:
            raise Fault(refusal.code, refusal.message) from refusal
        records.append({"@xsi:type": kind, **found} if found else {"@xsi:nil": "true"})
    return {"records": records}


def _check_count(count: int) -> None:
    if count > MOST_COMPONENTS:
        raise Fault("LIMIT_EXCEEDED", f"Cannot process more than {MOST_COMPONENTS} components in one call: {count}")


def _saving(*, create: bool, update: bool, tells_created: bool = False) -> Callable[..., list[Values]]:
    """A call that saves components; each is kept or refused by itself."""

    def save(org: "DemoOrg", caller: "Caller", call: Element, _version: float) -> list[Values]:
        parts = children(call, "metadata")
        _check_count(len(parts))
        results = []
        for part in parts:
            kind, values = part.get(XSI_TYPE, "").rpartition(":")[2], read_values(part)
            workshop = Workshop(org, caller)
            outcome = workshop.save(kind, values if isinstance(values, dict) else {}, create=create, update=update)
            results.append(_told(_kept(workshop, outcome), tells_created=tells_created))
        return results

    return save


def _kept(workshop: Workshop, outcome: Outcome) -> Outcome:
    """The outcome once it is real."""
    if outcome.refusal is None:
        try:
            workshop.keep()
        except Refused as refusal:
            return Outcome(outcome.full_name, changed=False, refusal=refusal)
    return outcome


def _told(outcome: Outcome, *, tells_created: bool = False) -> Values:
    """A SaveResult, UpsertResult or DeleteResult."""
    refused = outcome.refusal
    errors = {"message": refused.message, "statusCode": refused.code} if refused else None
    created = {"created": outcome.created} if tells_created else {}
    return {**created, "errors": errors, "fullName": outcome.full_name, "success": refused is None}


def delete_metadata(org: "DemoOrg", caller: "Caller", call: Element, _version: float) -> list[Values]:
    """deleteMetadata(): components by full name."""
    kind, names = child_text(call, "type"), child_texts(call, "fullNames")
    _check_count(len(names))
    results = []
    for name in names:
        workshop = Workshop(org, caller)
        results.append(_told(_kept(workshop, workshop.drop(kind, name))))
    return results


def rename_metadata(org: "DemoOrg", caller: "Caller", call: Element, _version: float) -> Values:
    """renameMetadata(): a custom object gets another API name."""
    workshop = Workshop(org, caller)
    names = child_text(call, "oldFullName"), child_text(call, "newFullName")
    return _told(_kept(workshop, workshop.rename(child_text(call, "type"), *names)))


def describe_value_type(_org: "DemoOrg", _caller: "Caller", call: Element, _version: float) -> Values:
    """describeValueType(): the elements of a component type, named {namespace}Type."""
    named = next((each.text or "" for each in call), "").rpartition("}")[2]
    if named not in ELEMENTS:
        raise Fault("INVALID_TYPE", f"This org does not imitate components of type {named}")
    flags = dict.fromkeys(("apiCreatable", "apiDeletable", "apiReadable", "apiUpdatable"), True)
    return {**flags, "valueTypeFields": value_type_fields(named)}


def deploy(org: "DemoOrg", caller: "Caller", call: Element, _version: float) -> Values:
    """deploy(): a zip of components in base64; the answer only says that it waits."""
    options = children(call, "DeployOptions") or children(call, "deployOptions")
    given = read_values(options[0]) if options else {}
    started = deploys.start(
        org, caller, data=decode_zip(child_text(call, "ZipFile")),
        options=deploys.read_options({"rollbackOnError": False, "singlePackage": False, **(given or {})}),
    )  # fmt: skip
    return {"done": False, "id": started.id, "state": "Queued"}


def check_deploy_status(org: "DemoOrg", _caller: "Caller", call: Element, _version: float) -> Values:
    """checkDeployStatus()."""
    details = child_text(call, "includeDetails").lower() == "true"
    return deploys.describe(org, _found(org, child_text(call, "asyncProcessId")), details=details)


def _found(org: "DemoOrg", deploy_id: str) -> deploys.Deploy:
    try:
        return deploys.find(org, deploy_id.strip())
    except ApiError as problem:
        text = f"invalid cross reference id: {deploy_id}"
        raise Fault("INVALID_CROSS_REFERENCE_KEY", text) from problem


def cancel_deploy(org: "DemoOrg", caller: "Caller", call: Element, _version: float) -> Values:
    """cancelDeploy()."""
    stopped = deploys.cancel(org, caller, next((each.text or "" for each in call), "").strip())
    return {"done": True, "id": stopped.id}


def deploy_recent_validation(org: "DemoOrg", caller: "Caller", call: Element, _version: float) -> str:
    """deployRecentValidation(): what was validated is deployed; the id of the new deployment."""
    return deploys.start_validated(org, caller, next((each.text or "" for each in call), "").strip()).id


def retrieve(org: "DemoOrg", _caller: "Caller", call: Element, version: float) -> Values:
    """retrieve(): components as a zip; the answer only says that it waits."""
    wanted = children(call, "request") or children(call, "retrieveRequest")
    if not wanted:
        raise Fault("INVALID_FIELD", "retrieve() needs a request")
    return {"done": False, "id": retrieval.retrieve(org, wanted[0], version=version), "state": "Queued"}


def check_retrieve_status(org: "DemoOrg", _caller: "Caller", call: Element, _version: float) -> Values:
    """checkRetrieveStatus(): the result, with the zip unless it is not wanted."""
    found = retrieval.find_result(org, child_text(call, "asyncProcessId").strip())
    if found is None:
        raise Fault("INVALID_LOCATOR", f"invalid async process id: {child_text(call, 'asyncProcessId')}")
    wants_zip = child_text(call, "includeZip").lower() != "false"
    return {**found, "zipFile": found["zipFile"] if wants_zip else ""}


def check_status(org: "DemoOrg", _caller: "Caller", call: Element, _version: float) -> Values:
    """checkStatus(): whether a retrieval or deployment is done; the older way to ask, which clients still go."""
    wanted = child_text(call, "asyncProcessId").strip()
    found = retrieval.find_result(org, wanted)
    done = True if found else bool(deploys.describe(org, _found(org, wanted), details=False)["done"])
    return {"done": done, "id": wanted, "state": "Completed" if done else "InProgress"}


CALLS: dict[str, Callable[["DemoOrg", "Caller", Element, float], Any]] = {
    "describeMetadata": describe_metadata,
    "listMetadata": list_metadata,
    "readMetadata": read_metadata,
    "createMetadata": _saving(create=True, update=False),
    "updateMetadata": _saving(create=False, update=True),
    "upsertMetadata": _saving(create=True, update=True, tells_created=True),
    "deleteMetadata": delete_metadata,
    "renameMetadata": rename_metadata,
    "describeValueType": describe_value_type,
    "deploy": deploy,
    "checkDeployStatus": check_deploy_status,
    "cancelDeploy": cancel_deploy,
    "deployRecentValidation": deploy_recent_validation,
    "retrieve": retrieve,
    "checkRetrieveStatus": check_retrieve_status,
    "checkStatus": check_status,
}
