"""`/services/Soap/m/{version}` and `/services/data/v{version}/metadata/deployRequest`."""

import re
from typing import Any
from urllib.parse import unquote

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integrations.demo_org import replies
from integrations.demo_org.errors import ApiError
from integrations.demo_org.metadata import deploys
from integrations.demo_org.metadata.calls import CALLS
from integrations.demo_org.metadata.values import NAMESPACE, write_values
from integrations.demo_org.rights import holds
from integrations.demo_org.soap.endpoints import check_version
from integrations.demo_org.soap.envelopes import (
    ENVELOPE,
    HEAD,
    XML_TYPE,
    XSI,
    Fault,
    child_text,
    children,
    local_name,
    read_message,
    write_fault,
)

LARGEST_MESSAGE = 52_428_800
ILLEGAL = "Invalid Session ID found in SessionHeader: Illegal Session"
NO_RIGHT = "You do not have permission to modify the metadata of this org"
BOUNDARY = re.compile(r'boundary="?([^";,]+)"?', re.IGNORECASE)
PART_NAME = re.compile(rb'name="?([^";\r\n]+)"?', re.IGNORECASE)


def answer(request: Request) -> Response:
    """One SOAP call of the Metadata API. Faults are HTTP 500."""
    try:
        check_version(request.path_params["version"])
        header, call = read_message(replies.read_body(request), largest=LARGEST_MESSAGE)
        result = perform(request, header, call)
        return Response(write_result(local_name(call), result), 200, {"Cache-Control": "no-store"}, XML_TYPE)
    except (ApiError, Fault) as problem:
        fault = problem if isinstance(problem, Fault) else Fault(problem.code, problem.message)
        return Response(write_fault(fault, flavor="metadata"), 500, media_type=XML_TYPE)


def perform(request: Request, header: Any, call: Any) -> Any:
    """The result of a call; all need the session of the SessionHeader, and a user who may change the org."""
    name, org = local_name(call), request.app.state.org
    if name not in CALLS:
        raise Fault("INVALID_OPERATION", f"The operation {name} is not offered here")
    session = next((child_text(each, "sessionId") for each in children(header, "SessionHeader")), "")
    caller = org.sessions.caller_for(session.strip())
    if caller is None:
        raise Fault("INVALID_SESSION_ID", ILLEGAL)
    request.state.caller = caller
    if not may_customize(request):
        raise Fault("INSUFFICIENT_ACCESS", NO_RIGHT)
    org.usage.spend()
    return CALLS[name](org, caller, call, float(request.path_params["version"]))


def may_customize(request: Request) -> bool:
    """Whether the caller may change the org's metadata: administrators, and who holds one of the two permissions for it."""
    org, caller = request.app.state.org, request.state.caller
    return any(holds(org, caller, each) for each in ("CustomizeApplication", "ModifyMetadata"))


def write_result(name: str, result: Any) -> str:
    """The answer to a call; a list repeats `result`."""
    return (
        f'{HEAD}<soapenv:Envelope xmlns:soapenv="{ENVELOPE}" xmlns="{NAMESPACE}" xmlns:xsi="{XSI}"><soapenv:Body>'
        f"<{name}Response>{write_values('result', result)}</{name}Response></soapenv:Body></soapenv:Envelope>"
    )


# -- REST ------------------------------------------------------------------------------------------------------------


def create_deploy(request: Request) -> Response:
    """POST metadata/deployRequest: multipart with the options and the zip; or JSON naming a validated deployment."""
    org, caller = request.app.state.org, request.state.caller
    require_right(request)
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        options, data = read_parts(request)
        started = deploys.start(org, caller, data=data, options=deploys.read_options(options))
        validated = None
    else:
        body = replies.read_json(request)
        validated = body.get("validatedDeployRequestId") if isinstance(body, dict) else None
        if not validated:
            raise ApiError(400, "INVALID_INPUT", "A multipart body or validatedDeployRequestId is needed")
        started = deploys.start_validated(org, caller, str(validated))
    return replies.reply(request, _shown(request, started, details=False, validated=validated), 201)


def require_right(request: Request) -> None:
    """403 for users who may not change the org."""
    if not may_customize(request):
        raise ApiError(403, "INSUFFICIENT_ACCESS", NO_RIGHT)


def _shown(request: Request, found: deploys.Deploy, *, details: bool, validated: str | None = None) -> dict[str, Any]:
    result = deploys.describe(request.app.state.org, found, details=details, arrays=True)
    return {"id": found.id, "validatedDeployRequestId": validated, "deployResult": result, "deployOptions": found.options}


def show_deploy(request: Request) -> Response:
    """GET metadata/deployRequest/{id}."""
    details = request.query_params.get("includeDetails", "").lower() == "true"
    found = deploys.find(request.app.state.org, request.path_params["deploy_id"])
    return replies.reply(request, _shown(request, found, details=details))


def change_deploy(request: Request) -> Response:
    """PATCH metadata/deployRequest/{id}: the only change is to cancel."""
    require_right(request)
    body = replies.read_json(request)
    wanted = body.get("deployResult", {}).get("status") if isinstance(body, dict) else None
    if wanted != "Canceling":
        raise ApiError(400, "INVALID_INPUT", 'The body must be {"deployResult": {"status": "Canceling"}}')
    found = deploys.cancel(request.app.state.org, request.state.caller, request.path_params["deploy_id"])
    return replies.reply(request, _shown(request, found, details=False), 202)


def read_parts(request: Request) -> tuple[dict[str, Any], bytes]:
    """Deploy options and zip of a multipart body (parts named json or entity_content, and file)."""
    match = BOUNDARY.search(request.headers.get("content-type", ""))
    if not match:
        raise ApiError(400, "INVALID_MULTIPART_REQUEST", "The multipart body has no boundary")
    parts = split_parts(replies.read_body(request), unquote(match.group(1)).encode())
    data = parts.get("file")
    described = parts.get("json") or parts.get("entity_content") or b"{}"
    if data is None:
        raise ApiError(400, "INVALID_MULTIPART_REQUEST", "The multipart body has no part named file")
    try:
        body = orjson.loads(described)
    except orjson.JSONDecodeError as problem:
        raise ApiError(400, "JSON_PARSER_ERROR", "The deploy options are not JSON") from problem
    options = body.get("deployOptions") if isinstance(body, dict) else None
    return options if isinstance(options, dict) else {}, data


def split_parts(body: bytes, boundary: bytes) -> dict[str, bytes]:
    """The parts of a multipart body by their name, byte for byte."""
    found = {}
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:]:
        head, separator, content = part.partition(b"\r\n\r\n")
        name = PART_NAME.search(head)
        if separator and name:
            found[name.group(1).decode("utf-8", "replace")] = content
    return found


_REST = "/services/data/v{version}/metadata/deployRequest"
routes = [
    Route("/services/Soap/m/{version}", answer, methods=["POST"]),
    # some clients put the organization, or a word such as deployRequest, behind the version
    Route("/services/Soap/m/{version}/{rest:path}", answer, methods=["POST"]),
    Route(_REST, create_deploy, methods=["POST"]),
    Route(_REST + "/{deploy_id}", show_deploy, methods=["GET"]),
    Route(_REST + "/{deploy_id}", change_deploy, methods=["PATCH"]),
]
