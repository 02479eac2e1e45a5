"""Callouts: named and external credentials put into real HTTP requests. Never more than one try, as in flows.

Requests go only to hosts that the settings allow (this machine, as delivered); redirects are not followed.
"""

import http.client
import logging
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from integrations.demo_org.automation.formulas import MERGE, as_text
from integrations.demo_org.automation.openapi import Call
from integrations.demo_org.formulas.reading import BadFormula, Literal, Name, Node, read_formula
from integrations.demo_org.formulas.reading import Call as FunctionCall
from integrations.demo_org.nested import Values, as_list, text_of

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

logger = logging.getLogger(__name__)
LARGEST_ANSWER = 12_000_000
NO_ACCESS = (
    "We couldn't access the credential(s). You might not have the required permissions, or the external credential "
    '"{}" might not exist.'
)
UNAUTHORIZED = "Unauthorized endpoint, please check Setup->Security->Remote site settings. endpoint = {}"
SETS_OF = """SELECT coalesce(s.NamespacePrefix || '__', '') || s.Name FROM PermissionSetAssignment a
    JOIN PermissionSet s ON s.Id = a.PermissionSetId WHERE a.AssigneeId = ?"""


class CalloutFailed(Exception):
    """A callout that brought no answer; the text is what a flow gets as its fault message."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    url: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a named credential leads, and the headers that it adds."""

    url: str
    headers: dict[str, str]


def secret_key(credential: str, principal: str) -> str:
    """Under which name the values of a principal are kept; they are no metadata and never retrieved."""
    return f"credential:{credential.lower()}:{principal.lower()}"


def read_secrets(org: "DemoOrg", credential: str, principal: str) -> dict[str, dict[str, Any]]:
    """The values of a principal: name -> {value, encrypted}."""
    kept = org.store.get_meta(secret_key(credential, principal))
    return orjson.loads(kept) if kept else {}


def write_secrets(org: "DemoOrg", credential: str, principal: str, values: Mapping[str, Any]) -> None:
    """Replace the values of a principal."""
    org.store.set_meta(secret_key(credential, principal), orjson.dumps(dict(values)).decode())


def principals_of(values: Mapping[str, Any]) -> list[tuple[str, int]]:
    """(name, sequence) of the named principals of an external credential, in their order."""
    found = [
        (text_of(each, "parameterName"), int(text_of(each, "sequenceNumber", "1")))
        for each in as_list(values.get("externalCredentialParameters")) if text_of(each, "parameterType") == "NamedPrincipal"
    ]  # fmt: skip
    return sorted(found, key=lambda each: each[1])


def find_note(org: "DemoOrg", kind: str, name: str) -> tuple[str, Values] | None:
    """A deployed component in its own spelling, with its content."""
    wanted = f"{kind}:{name}".lower()
    found = next((each for each in org.draft.notes if each.lower() == wanted), None)
    return (found.partition(":")[2], org.draft.notes[found]) if found else None


def find_endpoint(org: "DemoOrg", credential: str, user_id: str) -> Endpoint:
    """The address and headers of a named credential, as this user may use it. CalloutFailed says why not."""
    found = find_note(org, "NamedCredential", credential)
    if found is None:
        raise CalloutFailed(f'The named credential "{credential}" doesn\'t exist.')
    name, values = found
    if text_of(values, "calloutStatus", "Enabled") != "Enabled":
        raise CalloutFailed(f'The named credential "{name}" isn\'t enabled for callouts.')
    parameters = as_list(values.get("namedCredentialParameters"))
    url = next((text_of(each, "parameterValue") for each in parameters if text_of(each, "parameterType") == "Url"), "")
    url = url or text_of(values, "endpoint")
    external = next((text_of(each, "externalCredential") for each in parameters
                     if text_of(each, "parameterType") == "Authentication"), "")  # fmt: skip
    headers: dict[str, str] = {}
    secrets: dict[str, dict[str, Any]] = {}
    if external:
        headers, secrets = _authenticate(org, external, user_id)
    for each in _in_order(parameters, "HttpHeader"):
        headers[text_of(each, "parameterName")] = merge_header(text_of(each, "parameterValue"), secrets)
    return Endpoint(url, headers)


def _in_order(parameters: list[Any], kind: str) -> list[Values]:
    chosen = [each for each in parameters if text_of(each, "parameterType") == kind]
    return sorted(chosen, key=lambda each: int(text_of(each, "sequenceNumber", "0")))


def _authenticate(org: "DemoOrg", external: str, user_id: str) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """The headers of an external credential, and the values that formulas may use, by `Credential.Parameter`."""
    found = find_note(org, "ExternalCredential", external)
    if found is None:
        raise CalloutFailed(NO_ACCESS.format(external))
    name, values = found
    principal = next((each for each, _ in principals_of(values) if may_use(org, name, each, user_id)), None)
    if principal is None:
        raise CalloutFailed(NO_ACCESS.format(name))
    secrets = {f"{name}.{key}".lower(): each for key, each in read_secrets(org, name, principal).items()}
    parameters = as_list(values.get("externalCredentialParameters"))
    headers = {text_of(each, "parameterName"): merge_header(text_of(each, "parameterValue"), secrets)
               for each in _in_order(parameters, "AuthHeader")}  # fmt: skip
    return headers, secrets


def may_use(org: "DemoOrg", credential: str, principal: str, user_id: str) -> bool:
    """Whether a permission set of the user opens the principal. The setting `credential_access_required` lifts the need."""
    if not org.settings.credential_access_required:
        return True
    names = [row[0] for row in org.store.read().execute(SETS_OF, (user_id,))]
    wanted = {f"{credential}-{principal}".lower(), f"{credential} - {principal}".lower()}
    notes = (org.draft.notes.get(f"PrincipalAccess:{name}") or {} for name in names)
    return any(str(each).lower() in wanted for note in notes for each in note.get("principals", []))


def merge_header(text: str, secrets: Mapping[str, Mapping[str, Any]]) -> str:
    """A custom header with `{!'Bearer ' & $Credential.Name.Key}` put in. CalloutFailed when a value is not there."""
    try:
        return MERGE.sub(lambda match: as_text(_header_value(read_formula(match.group(1)), secrets)), text)
    except BadFormula as problem:
        raise CalloutFailed(f"The custom header can't be evaluated: {problem}") from problem


def _header_value(node: Node, secrets: Mapping[str, Mapping[str, Any]]) -> str:
    if isinstance(node, Literal):
        return as_text(node.value)
    if isinstance(node, Name):
        found = secrets.get(node.path.removeprefix("$Credential.").lower())
        if found is None:
            raise BadFormula(f"{node.path} has no value")
        return str(found.get("value", ""))
    if isinstance(node, FunctionCall) and node.function in {"&", "+"}:
        return "".join(_header_value(each, secrets) for each in node.arguments)
    raise BadFormula("only texts and $Credential values can be joined with &")


def check_address(org: "DemoOrg", url: str) -> None:
    """Refuse an address whose host the settings do not allow, or that is no web address."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or parts.username or (parts.hostname or "") not in org.settings.callout_hosts:
        raise CalloutFailed(UNAUTHORIZED.format(url.partition("?")[0]))


def send(org: "DemoOrg", url: str, *, method: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
    """One request and its answer. CalloutFailed when there is none within the settings' time."""
    try:
        check_address(org, url)
        parts = urlsplit(url)
        port = parts.port
    except ValueError as problem:
        raise CalloutFailed(UNAUTHORIZED.format(url.partition("?")[0])) from problem
    seconds = max(org.settings.callout_seconds, 0.01)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(str(parts.hostname), port, timeout=seconds)
    started = time.monotonic()
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, target, body=body, headers={"User-Agent": "SFDC-Callout/65.0", **headers})
        response = connection.getresponse()
        data = _read(response, connection, started + seconds)
    except TimeoutError as problem:
        raise CalloutFailed("Read timed out") from problem
    except (OSError, http.client.HTTPException, ssl.SSLError, UnicodeError, ValueError) as problem:
        raise CalloutFailed(str(problem) or type(problem).__name__) from problem
    finally:
        connection.close()
    return Answer(response.status, data, url, time.monotonic() - started)


def _read(response: http.client.HTTPResponse, connection: http.client.HTTPConnection, until: float) -> bytes:
    """The body, within what is left of the time and not beyond the largest answer."""
    parts, size = [], 0
    while part := response.read1(65_536):
        parts.append(part)
        size += len(part)
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if size > LARGEST_ANSWER:
            raise CalloutFailed("Exceeded max size limit of 12000000")
        _set_timeout(connection.sock, left)
    return b"".join(parts)


def _set_timeout(held: socket.socket | None, seconds: float) -> None:
    if held is not None:
        held.settimeout(seconds)


def perform(org: "DemoOrg", credential: str, call: Call, *, user_id: str) -> Answer:
    """A call through a named credential."""
    endpoint = find_endpoint(org, credential, user_id)
    url = endpoint.url.rstrip("/") + call.path
    return send(org, url, method=call.method, headers={**call.headers, **endpoint.headers}, body=call.body)
