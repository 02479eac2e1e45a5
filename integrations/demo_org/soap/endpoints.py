"""`/services/Soap/u/{version}` (partner) and `/services/Soap/c/{version}` (enterprise). Faults are HTTP 500."""

import re
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integrations.demo_org import replies
from integrations.demo_org.errors import ApiError
from integrations.demo_org.interface.actions import tabs_of
from integrations.demo_org.org import Caller
from integrations.demo_org.soap import data, records, signing_in
from integrations.demo_org.soap.envelopes import (
    XML_TYPE,
    Fault,
    child_text,
    children,
    read_message,
    write_answer,
    write_element,
    write_fault,
    write_result,
)

OLDEST, NEWEST = 31.0, 68.0
VERSION = re.compile(r"\d{1,3}(\.\d)?")
WITH_SESSION: dict[str, Callable[[Request, Caller, str], Any]] = {
    "logout": signing_in.log_out,
    "getUserInfo": signing_in.get_user_info,
    "getServerTimestamp": signing_in.get_server_timestamp,
    "describeTabs": lambda request, caller, session: describe_tabs(request, caller),
}


def describe_tabs(request: Request, caller: Caller) -> list[dict[str, Any]]:
    """describeTabs(): the org's one app with its tabs."""
    request.state.caller = caller
    tabs = [{key: value for key, value in each.items() if value is not None} for each in tabs_of(request)]
    return [{"label": "Sales", "logoUrl": f"{replies.origin_of(request)}/img/logo.png", "selected": True, "tabs": tabs}]


ON_RECORDS: dict[str, Callable[[Any, Caller, Element], Any]] = {
    "merge": records.merge,
    "undelete": records.undelete,
    "emptyRecycleBin": records.empty_recycle_bin,
    "convertLead": records.convert_lead,
}


def answer(request: Request) -> Response:
    """One SOAP call."""
    flavor = "partner" if request.url.path.startswith("/services/Soap/u") else "enterprise"
    try:
        check_version(request.path_params["version"])
        header, operation = read_message(replies.read_body(request))
        name = operation.tag.rpartition("}")[2]
        body = perform(request, name, header, operation, flavor=flavor)
        return Response(body, 200, {"Cache-Control": "no-store"}, XML_TYPE)
    except ApiError as problem:
        return Response(write_fault(data.as_fault(problem.code, problem.message), flavor=flavor), 500, media_type=XML_TYPE)
    except Fault as fault:
        return Response(write_fault(fault, flavor=flavor), 500, media_type=XML_TYPE)


def check_version(version: str) -> None:
    """Fault for a version that never was or is retired (before v31)."""
    if not VERSION.fullmatch(version) or not OLDEST <= float(version) <= NEWEST:
        raise Fault("UNSUPPORTED_API_VERSION", "Invalid Api version specified on URL")


def perform(request: Request, name: str, header: Element, operation: Element, *, flavor: str) -> str:
    """The answer to an operation. All but login() need the session of the SessionHeader."""
    if name == "login":
        return write_result(name, signing_in.log_in(request, operation), flavor=flavor)
    if name not in WITH_SESSION and name not in ON_RECORDS and name not in data.CALLS:
        raise Fault("INVALID_OPERATION", f"The operation {name} is not offered here")
    caller, session = admit(request, header)
    if name in data.CALLS:
        request.state.caller = caller
        inner = data.CALLS[name](data.Call(request, header, operation, flavor))
        return write_answer(name, inner, flavor=flavor, head=limit_header(request))
    if name in WITH_SESSION:
        return write_result(name, WITH_SESSION[name](request, caller, session), flavor=flavor)
    return write_result(name, ON_RECORDS[name](request.app.state.org, caller, operation), flavor=flavor)


def admit(request: Request, header: Element) -> tuple[Caller, str]:
    """Who calls, and the session; the call is counted."""
    session = next((child_text(each, "sessionId") for each in children(header, "SessionHeader")), "")
    caller = request.app.state.org.sessions.caller_for(session)
    if caller is None:
        raise Fault("INVALID_SESSION_ID", "Invalid Session ID found in SessionHeader: Illegal Session")
    usage = request.app.state.org.usage
    if usage.is_reached():
        raise Fault("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    usage.spend()  # a SOAP call counts like any other
    return caller, session


def limit_header(request: Request) -> str:
    """The LimitInfoHeader of answers to data calls."""
    usage = request.app.state.org.usage
    info = {"current": usage.used(), "limit": usage.maximum("DailyApiRequests"), "type": "API REQUESTS"}
    header = write_element("LimitInfoHeader", {"limitInfo": info})
    return f"<soapenv:Header>{header}</soapenv:Header>"


routes = [
    Route("/services/Soap/u/{version}", answer, methods=["POST"]),
    Route("/services/Soap/u/{version}/{org_id}", answer, methods=["POST"]),
    Route("/services/Soap/c/{version}", answer, methods=["POST"]),
    Route("/services/Soap/c/{version}/{org_id}", answer, methods=["POST"]),
]
