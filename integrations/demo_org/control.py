"""The control plane under /__demo__/: what tests and curious people can look at and change from outside (see /__demo__/help).

It needs no session; the gate lets it answer only under a loopback name and never to another site's page in a browser.
"""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import wraps
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from integrations.demo_org import merging, removal
from integrations.demo_org.control_access import change_field, check_rules, manage_rights, manage_rules
from integrations.demo_org.control_flows import manage_flows
from integrations.demo_org.control_help import help_route
from integrations.demo_org.control_work import expire_cursors, manage_jobs, purge, set_allowance
from integrations.demo_org.errors import ApiError
from integrations.demo_org.hindrances import CONTROL
from integrations.demo_org.metadata import cpq, packages
from integrations.demo_org.oauth.accounts import describe_logins, first_login
from integrations.demo_org.oauth.clients import describe_clients
from integrations.demo_org.org import Caller, DemoOrg
from integrations.demo_org.replies import origin_of
from integrations.demo_org.rows import RowResult
from integrations.demo_org.saving import save

Handler = Callable[[Request, DemoOrg, dict[str, Any]], Any]


class Refused(Exception):
    """A control call that makes no sense."""


def guarded(handler: Handler) -> Callable[[Request], Response]:
    """A route's endpoint: reads the body and turns refusals into sentences."""

    @wraps(handler)
    def endpoint(request: Request) -> Response:
        try:
            answer = handler(request, request.app.state.org, _read(request))
        except (Refused, ValueError) as problem:
            return JSONResponse({"error": str(problem)}, 400)
        except ApiError as problem:
            return JSONResponse({"error": problem.message, "code": problem.code}, 400)
        return JSONResponse(answer)

    return endpoint


def _read(request: Request) -> dict[str, Any]:
    """The JSON body, {} when there is none."""
    body = request.state.body
    try:
        found = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError as problem:
        raise Refused(f"The body is not JSON: {problem}") from problem
    if not isinstance(found, dict):
        raise Refused("The body must be a JSON object.")
    return found


def show_info(request: Request, org: DemoOrg, _body: dict[str, Any]) -> Any:
    """Who may sign in, with which app, and which org this is."""
    return {
        "base_url": origin_of(request),
        "org_id": org.info.org_id,
        "name": org.info.name,
        "users": describe_logins(org),
        "oauth_clients": describe_clients(org),
    }


def reset(_request: Request, org: DemoOrg, _body: dict[str, Any]) -> Any:
    """Everything as freshly seeded."""
    org.reset()
    return {"reset": True}


def show_calls(request: Request, org: DemoOrg, _body: dict[str, Any]) -> Any:
    """The ledger of requests, oldest first; DELETE forgets it."""
    if request.method == "DELETE":
        org.calls.clear()
    return {"calls": org.calls.rows()}


def manage_faults(request: Request, org: DemoOrg, body: dict[str, Any]) -> Any:
    """POST orders a fault: {match: {path, method, body}, times, after, status, headers, body, delay, cut, action}.

    GET lists the open ones, DELETE forgets them. For example 429 with a wait: {status: 429, headers: {"Retry-After": "30"}}.
    """
    if request.method == "POST":
        org.faults.order(body)
    elif request.method == "DELETE":
        org.faults.clear()
    return {"faults": org.faults.rows()}


def manage_clock(request: Request, org: DemoOrg, body: dict[str, Any]) -> Any:
    """POST {"now": ISO time}, {"advance": seconds} or {"real": true}; with "frozen": true the time stands still."""
    if request.method == "POST":
        if "now" in body:
            moment = datetime.fromisoformat(str(body["now"]))
            org.clock.set(moment if moment.tzinfo else moment.replace(tzinfo=UTC), frozen=bool(body.get("frozen")))
        elif "advance" in body:
            org.clock.advance(float(body["advance"]))
        elif body.get("real"):
            org.clock.use_real()
        else:
            raise Refused('Say {"now": ISO time}, {"advance": seconds} or {"real": true}.')
        removal.purge_expired(org)
        org.automation.resume()
    return {"now": org.clock.now().isoformat()}


def manage_settings(request: Request, org: DemoOrg, body: dict[str, Any]) -> Any:
    """POST changes the named settings; GET shows all. What they do is listed at the end of the help."""
    if request.method == "POST":
        check_rules(org, body.get("validation_rules"))
        org.settings.update(body)
    return org.settings.as_dict()


def administrator(org: DemoOrg) -> Caller:
    """The user in whose name the control plane acts."""
    login = first_login(org)
    return Caller(login.user_id if login else "", username=login.username if login else "", is_admin=True)


def _save(org: DemoOrg, body: dict[str, Any], row: dict[str, Any], operation: str) -> Any:
    """Save one row behind the app's back; faults, locks, full storage and maintenance do not stand in its way."""
    results = save(org, administrator(org), str(body.get("object", "")), [row], operation=operation, source=CONTROL)
    return _shown(results[0])


def _shown(result: RowResult) -> Any:
    """The outcome, or a refusal with the reason."""
    if not result.success:
        raise Refused("; ".join(f"{each.code}: {each.message}" for each in result.errors))
    return {"id": result.id}


def update_record(_request: Request, org: DemoOrg, body: dict[str, Any]) -> Any:
    """POST {object, id, fields}: somebody else changes a record."""
    return _save(org, body, {**body.get("fields", {}), "Id": body.get("id")}, "update")


def create_record(_request: Request, org: DemoOrg, body: dict[str, Any]) -> Any:
    """POST {object, fields}: somebody else creates a record."""
    return _save(org, body, body.get("fields", {}), "insert")


def delete_record(_request: Request, org: DemoOrg, body: dict[str, Any]) -> Any:
    """POST {object, id, hard}: somebody else deletes a record; `hard` leaves nothing in the recycle bin."""
    return _save(org, body, {"Id": body.get("id")}, "hardDelete" if body.get("hard") else "delete")


def undelete_record(_request: Request, org: DemoOrg, body: dict[str, Any]) -> Any:
    """POST {object, id}: somebody takes a record out of the recycle bin."""
    return _save(org, body, {"Id": body.get("id")}, "undelete")


def merge(_request: Request, org: DemoOrg, body: dict[str, Any]) -> Any:
    """POST {object, master, losers, fields?}: somebody merges records."""
    moved = merging.merge_records(
        org,
        administrator(org),
        str(body.get("object", "")),
        master=str(body.get("master", "")),
        losers=[str(each) for each in body.get("losers", [])],
        fields=body.get("fields"),
    )
    return {"id": body.get("master"), "moved": moved}


def install_package(_request: Request, org: DemoOrg, body: dict[str, Any]) -> Any:
    """POST {"package": "billing" | "cpq" | "provisioning"}: an administrator installs a package for all users.

    billing: managed, namespace NOME. cpq: objects and fields of Salesforce CPQ (SBQQ). provisioning: the mapping fields.
    """
    install = PACKAGES.get(str(body.get("package")))
    if install is None:
        raise Refused(f'Say which package: {", ".join(PACKAGES)}, such as {{"package": "cpq"}}.')
    return {"objects": install(org, administrator(org))}


PACKAGES = {"billing": packages.install_billing, "cpq": cpq.install_cpq, "provisioning": cpq.install_mapping}


def show_writes(request: Request, org: DemoOrg, _body: dict[str, Any]) -> Any:
    """How many rows were written since the last reset (or DELETE)."""
    if request.method == "DELETE":
        org.writes.clear()
    return asdict(org.writes)


def _route(path: str, handler: Handler, *methods: str) -> Route:
    return Route(f"/__demo__/{path}", guarded(handler), methods=list(methods))


routes = [
    _route("info", show_info, "GET"),
    _route("reset", reset, "POST"),
    _route("calls", show_calls, "GET", "DELETE"),
    _route("faults", manage_faults, "GET", "POST", "DELETE"),
    _route("clock", manage_clock, "GET", "POST"),
    _route("settings", manage_settings, "GET", "POST"),
    _route("create", create_record, "POST"),
    _route("update", update_record, "POST"),
    _route("delete", delete_record, "POST"),
    _route("undelete", undelete_record, "POST"),
    _route("merge", merge, "POST"),
    _route("packages", install_package, "POST"),
    _route("fields", change_field, "POST"),
    _route("rights", manage_rights, "GET", "POST", "DELETE"),
    _route("rules", manage_rules, "GET", "POST", "DELETE"),
    _route("jobs", manage_jobs, "GET", "POST"),
    _route("expire_cursors", expire_cursors, "POST"),
    _route("purge", purge, "POST"),
    _route("allowance", set_allowance, "POST"),
    _route("flows", manage_flows, "GET", "POST", "DELETE"),
    _route("writes", show_writes, "GET", "DELETE"),
]
routes.append(help_route(routes))
