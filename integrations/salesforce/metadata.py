"""The Metadata API: deploy a package, look how far it is, read, save, list and delete single components.

Deployments go over REST (`metadata/deployRequest`, since API 41.0): multipart, charged and refreshed like every other call.
Single components exist in SOAP only; such a message names the session of the moment each time it is sent, so that a session
that ends in between is renewed as usual (R-002). Requirements: the user needs Modify Metadata or Customize Application.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from integrations.salesforce.client import Client
from integrations.salesforce.errors import UnexpectedAnswer, UpstreamUnavailable, Verdict
from integrations.salesforce.ids import is_id, to_18
from integrations.salesforce.metadata_answers import (
    ComponentResult,
    DeployResult,
    read_deploy_result,
    read_permission_set,
    read_save_results,
)
from integrations.salesforce.metadata_package import CustomTab, MetadataPackage
from integrations.salesforce.metadata_parts import CustomField, CustomObject
from integrations.salesforce.metadata_permissions import (
    FieldPermission,
    ObjectPermission,
    PermissionSet,
    grants_for,
    joined,
)
from integrations.salesforce.metadata_problems import Explained, explain_problem
from integrations.salesforce.metadata_xml import (
    HEAD,
    NAMESPACE,
    XSI,
    Values,
    as_dicts,
    local_name,
    read_root,
    read_values,
    write_part,
)
from integrations.salesforce.soap_body import SessionBody
from integrations.salesforce.transport import dump_json

__all__ = [
    "ComponentResult", "CustomField", "CustomObject", "CustomTab", "DeployPending", "DeployResult", "Explained",
    "FieldPermission", "MetadataPackage", "ObjectPermission", "PermissionSet", "cancel_deploy", "delete_components", "deploy",
    "explain_problem", "find_permission_set", "grants_for", "joined", "list_components", "read_components", "read_deploy",
    "start_deploy", "upsert_components",
]  # fmt: skip

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
LARGEST_ZIP = 39_000_000
"""Bytes; Salesforce's limit for a package."""
COMPONENTS_A_CALL, QUERIES_A_CALL = 10, 3
USUAL_DEADLINE = 600.0
"""Seconds that `deploy` waits for the end before it gives the job id back."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 15.0  # seconds between two looks
BOUNDARY = "----causeway-metadata-7f3a9c1e5b"


class DeployPending(UpstreamUnavailable):
    """The deadline came before the end: nothing is wrong, call `deploy` again with `job_id` to go on waiting."""

    usual_verdict = Verdict.WAIT

    def __init__(self, job_id: str, message: str = "Salesforce is still deploying.") -> None:
        super().__init__(message, code="DEPLOY_PENDING")
        self.job_id = job_id


def deploy(
    client: Client,
    package: MetadataPackage,
    check_only: bool = False,
    *,
    job_id: str = "",
    on_started: Callable[[str], None] | None = None,
    deadline: float = USUAL_DEADLINE,
    sleep: Callable[[float], None] = time.sleep,
) -> DeployResult:
    """Deploy and wait for the end, at most `deadline` seconds; `DeployPending` then names the job to go on with.

    `check_only` validates in the org and changes nothing. With `job_id` nothing is sent again. All or nothing: one refused
    component refuses the package. `on_started` gets the job id before the first look, so that a crash loses nothing.
    """
    if not job_id:
        job_id = start_deploy(client, package, check_only=check_only)
        if on_started is not None:
            on_started(job_id)
    ends, wait = time.monotonic() + deadline, FIRST_WAIT
    while True:
        result = read_deploy(client, job_id)
        if result.done:
            return result
        if time.monotonic() + wait > ends:
            raise DeployPending(job_id, result.sentence)
        sleep(wait)
        wait = min(wait * 1.6, LONGEST_WAIT)


def start_deploy(client: Client, package: MetadataPackage, *, check_only: bool = False) -> str:
    """Send a package; the id of the job (`0Af…`, 18 characters). ValueError names what is wrong with the package.

    Not sent again after an unclear failure: the org may have it already. Deploying the same package twice changes nothing.
    """
    data = package.zipped(api_version=client.api_version)
    if len(data) > LARGEST_ZIP:
        raise ValueError(f"The package has {len(data):,} bytes; Salesforce takes {LARGEST_ZIP:,}.")
    options = {
        "allowMissingFiles": False, "autoUpdatePackage": False, "checkOnly": check_only, "ignoreWarnings": True,
        "performRetrieve": False, "purgeOnDelete": False, "rollbackOnError": True, "singlePackage": True,
        "testLevel": "NoTestRun",
    }  # fmt: skip
    answer = client.request(
        "POST", "metadata/deployRequest", data=_multipart(dump_json({"deployOptions": options}), data),
        headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
    )  # fmt: skip
    found = answer.data.get("id") if isinstance(answer.data, dict) else None
    if not isinstance(found, str) or not is_id(found):
        raise UnexpectedAnswer("Salesforce took the deployment but gave it no id.", code="BAD_DEPLOY_ANSWER")
    return to_18(found)


def _multipart(options: bytes, data: bytes) -> bytes:
    """The two parts of a deployment; the boundary cannot occur in JSON of ours, and a zip with it would be a marvel."""
    edge = BOUNDARY.encode()
    if edge in data:
        raise ValueError("The package holds the boundary text of its own upload.")
    parts = (
        (b'name="json"', b"application/json", options),
        (b'name="file"; filename="package.zip"', b"application/zip", data),
    )
    sent = [
        b"--%s\r\nContent-Disposition: form-data; %s\r\nContent-Type: %s\r\n\r\n%s\r\n" % (edge, name, kind, body)
        for name, kind, body in parts
    ]
    return b"".join([*sent, b"--%s--\r\n" % edge])


def read_deploy(client: Client, job_id: str) -> DeployResult:
    """How far a deployment is, with its components; `NotFound` when the org does not know it (results are kept for days)."""
    data = client.get(f"metadata/deployRequest/{to_18(job_id)}", params={"includeDetails": "true"})
    inner = data.get("deployResult") if isinstance(data, dict) else None
    if not isinstance(inner, dict):
        raise UnexpectedAnswer("This is not the answer to a deployment.", code="BAD_DEPLOY_ANSWER")
    return read_deploy_result({"id": data.get("id"), **inner})


def cancel_deploy(client: Client, job_id: str) -> None:
    """Ask Salesforce to stop a deployment; it may still end well, so look at it afterwards."""
    client.request("PATCH", f"metadata/deployRequest/{to_18(job_id)}", json={"deployResult": {"status": "Canceling"}})


# --- Single components (SOAP) ----------------------------------------------------------------------------------------


def read_components(client: Client, kind: str, names: Iterable[str]) -> dict[str, Values]:
    """Components by full name as nested values; those that are not there are missing. Ten a call.

    Unlike describe it also tells fields that the user cannot see for lack of field-level security.
    """
    found: dict[str, Values] = {}
    for batch in _batches(list(dict.fromkeys(names)), COMPONENTS_A_CALL):
        parts = [write_part("type", kind), *(write_part("fullNames", name) for name in batch)]
        for result in _call(client, "readMetadata", b"".join(parts), repeatable=True):
            records = [each for each in as_dicts(result.get("records")) if each.get("fullName")]
            found |= {str(each["fullName"]): each for each in records}
    return found


def find_permission_set(client: Client, name: str) -> PermissionSet | None:
    """The permission set of that API name with all that it allows; None when there is none."""
    found = read_components(client, "PermissionSet", [name])
    return read_permission_set(next(iter(found.values()))) if found else None


def upsert_components(client: Client, kind: str, parts: Sequence[Mapping[str, Any]]) -> list[ComponentResult]:
    """Create or change components (values with `fullName`), ten a call; each is kept or refused by itself."""
    found: list[ComponentResult] = []
    for batch in _batches(list(parts), COMPONENTS_A_CALL):
        body = b"".join(write_part("metadata", {"@xsi:type": kind, **each}) for each in batch)
        results = read_save_results(_call(client, "upsertMetadata", body, repeatable=True), kind=kind)
        if len(results) != len(batch):
            raise UnexpectedAnswer("Salesforce answered for another number of components.", code="BAD_SAVE_ANSWER")
        found += results
    return found


def delete_components(client: Client, kind: str, names: Iterable[str]) -> list[ComponentResult]:
    """Delete components by full name, ten a call; what is not there is refused by itself."""
    found: list[ComponentResult] = []
    for batch in _batches(list(names), COMPONENTS_A_CALL):
        body = b"".join([write_part("type", kind), *(write_part("fullNames", name) for name in batch)])
        found += read_save_results(_call(client, "deleteMetadata", body, repeatable=True), kind=kind)
    return found


def list_components(client: Client, *kinds: str) -> list[tuple[str, str]]:
    """Type and full name of all components of some types, three types a call."""
    found: list[tuple[str, str]] = []
    for batch in _batches(list(kinds), QUERIES_A_CALL):
        body = b"".join(write_part("queries", {"type": kind}) for kind in batch)
        listed = _call(client, "listMetadata", body, repeatable=True)
        found += [(str(each.get("type") or ""), str(each["fullName"])) for each in listed if each.get("fullName")]
    return found


def _message(name: str, body: bytes, token: str) -> bytes:
    session, called = write_part("sessionId", token), name.encode()
    return HEAD + (
        f'<env:Envelope xmlns:env="{ENVELOPE}" xmlns:xsi="{XSI}"><env:Header><SessionHeader xmlns="{NAMESPACE}">'.encode()
        + session + b"</SessionHeader></env:Header><env:Body>"
        + b'<%s xmlns="%s">%s</%s></env:Body></env:Envelope>' % (called, NAMESPACE.encode(), body, called)
    )  # fmt: skip


def _call(client: Client, name: str, body: bytes, *, repeatable: bool) -> list[Values]:
    """One SOAP call; its `result` elements as dicts. Raises a `SalesforceError` for a fault."""
    answer = client.request(
        "POST", f"/services/Soap/m/{client.api_version}", data=SessionBody(client, lambda token: _message(name, body, token)),
        headers={"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""', "Accept": "text/xml"},
        repeatable=repeatable,
    )  # fmt: skip
    root = read_root(answer.body)
    response = next((each for each in root.iter() if local_name(each) == f"{name}Response"), None)
    if response is None:
        raise UnexpectedAnswer("Salesforce gave a SOAP answer to another question.", code="BAD_SOAP_ANSWER")
    results = [read_values(each) for each in response if local_name(each) == "result"]
    return [each for each in results if isinstance(each, dict)]


def _batches(items: list[Any], size: int) -> list[list[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
