"""Flows in the Tooling API: a version or definition with its metadata, and switching a flow on and off by PATCH."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integrations.demo_org.errors import ApiError
from integrations.demo_org.metadata.automation import find_component, find_note, split_version
from integrations.demo_org.metadata.components import Workshop
from integrations.demo_org.metadata.endpoints import require_right
from integrations.demo_org.nested import Refused
from integrations.demo_org.org import DemoOrg
from integrations.demo_org.records import NOT_FOUND
from integrations.demo_org.replies import no_content, read_json, reply
from integrations.demo_org.showing import attributes

COLUMNS = {
    "Flow": ("FullName", "MasterLabel", "Description", "Status", "VersionNumber", "ProcessType", "DefinitionId", "ApiVersion"),
    "FlowDefinition": ("DeveloperName", "MasterLabel", "Description", "ActiveVersionId", "LatestVersionId"),
}  # fmt: skip


def _row(org: DemoOrg, kind: str, record_id: str) -> dict[str, Any]:
    """The record of that id; 404 if there is none."""
    columns = ", ".join(COLUMNS[kind])
    sql = f'SELECT Id, {columns} FROM "{kind}" WHERE substr(Id, 1, 15) = ?'  # noqa: S608 - names of our own
    row = org.store.read().execute(sql, (record_id[:15],)).fetchone()
    if row is None:
        raise NOT_FOUND
    return dict(zip(("Id", *COLUMNS[kind]), row, strict=True))


def show(request: Request, kind: str) -> Response:
    """GET tooling/sobjects/Flow|FlowDefinition/{id}: the record with FullName and Metadata."""
    org, version = request.app.state.org, request.path_params["version"]
    row = _row(org, kind, request.path_params["record_id"])
    name = row["FullName"] if kind == "Flow" else row["DeveloperName"]
    found = find_component(org.draft, kind, name) or {}
    metadata = {key: value for key, value in found.items() if key != "fullName"}
    if kind == "FlowDefinition":
        number = metadata.get("activeVersionNumber")
        metadata = {
            "activeVersionNumber": int(number) if number else None,
            "description": None,
            "masterLabel": row["MasterLabel"],
        }
    shown = {"attributes": attributes(f"{version}/tooling", kind, row["Id"]), **row, "FullName": name, "Metadata": metadata}
    return reply(request, shown, root=kind)


def change(request: Request, kind: str) -> Response:
    """PATCH: {"Metadata": {"activeVersionNumber": n}} for a definition, {"Metadata": {"status": ...}} for a version."""
    org = request.app.state.org
    require_right(request)
    row = _row(org, kind, request.path_params["record_id"])
    body = read_json(request)
    metadata = body.get("Metadata") if isinstance(body, dict) else None
    if not isinstance(metadata, dict):
        raise ApiError(400, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Metadata]", ("Metadata",))
    name, number = row.get("DeveloperName"), metadata.get("activeVersionNumber") or 0
    if kind == "Flow":
        name, number = _wanted_version(org, row, metadata)
    workshop = Workshop(org, request.state.caller)
    outcome = workshop.save("FlowDefinition", {"fullName": str(name), "activeVersionNumber": str(number)})
    if outcome.refusal is not None:
        raise ApiError(400, outcome.refusal.code, outcome.refusal.message, ())
    workshop.keep()
    return no_content()


def _wanted_version(org: DemoOrg, row: dict[str, Any], metadata: dict[str, Any]) -> tuple[str, int]:
    """The flow and the version that is to be active; other changes of a version go through a deployment."""
    name, number = split_version(row["FullName"])
    status = metadata.get("status")
    if status not in {"Active", "Obsolete", "Draft"}:
        raise ApiError(
            400, "INVALID_FIELD", "This org changes only the status of a flow's version here; deploy other changes", ()
        )
    found = find_note(org.draft, "Flow", name)
    active = found[1]["active"] if found else 0
    return name, number if status == "Active" else (0 if active == number else active)


def remove(request: Request, kind: str) -> Response:
    """DELETE: a version that is not active, or a flow without an active version."""
    org = request.app.state.org
    require_right(request)
    row = _row(org, kind, request.path_params["record_id"])
    workshop = Workshop(org, request.state.caller)
    outcome = workshop.drop(kind, str(row.get("FullName") or row.get("DeveloperName")))
    if outcome.refusal is not None:
        raise ApiError(400, outcome.refusal.code, outcome.refusal.message, ())
    try:
        workshop.keep()
    except Refused as problem:
        raise ApiError(400, problem.code, problem.message, ()) from problem
    return no_content()


def _routes(kind: str) -> list[Route]:
    path = f"/services/data/v{{version}}/tooling/sobjects/{kind}/{{record_id}}"
    deeds = {"GET": show, "PATCH": change, "DELETE": remove}

    def endpoint(request: Request) -> Response:
        return deeds[request.method](request, kind)

    return [Route(path, endpoint, methods=list(deeds))]


routes = [*_routes("Flow"), *_routes("FlowDefinition")]
