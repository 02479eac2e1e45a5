"""The Analytics REST resources: report list, describe, runs, instances, report types, save, clone, delete."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integrations.demo_org.errors import ApiError
from integrations.demo_org.org import Caller, DemoOrg
from integrations.demo_org.replies import no_content, read_body, read_json, reply
from integrations.demo_org.reports import library
from integrations.demo_org.reports.changes import changed, new_definition
from integrations.demo_org.reports.definition import ReportDefinition
from integrations.demo_org.reports.filters import bad
from integrations.demo_org.reports.instances import Instance
from integrations.demo_org.reports.metadata import Saved, extended_metadata, report_metadata, type_metadata
from integrations.demo_org.reports.report_types import all_report_types, report_type

BASE = "/services/data/v{version}/analytics"


def _org(request: Request) -> DemoOrg:
    return request.app.state.org


def _caller(request: Request) -> Caller:
    return request.state.caller


def _version(request: Request) -> str:
    return request.path_params["version"]


def _details(request: Request) -> bool:
    """Whether rows are wanted: by `includeDetails`, or, when that is not said, by hasDetailRows of the posted metadata."""
    asked = request.query_params.get("includeDetails")
    if asked is not None:
        return asked.lower() in {"true", "1"}
    metadata = _metadata(request) if request.method == "POST" else None
    return isinstance(metadata, dict) and metadata.get("hasDetailRows") is True


def _metadata(request: Request) -> Any:
    """The reportMetadata of a request's body, None when there is no body."""
    if not read_body(request).strip():
        return None
    body = read_json(request)
    if not isinstance(body, dict):
        raise bad("The request body must be an object")
    return body.get("reportMetadata")


def _asked(request: Request) -> Saved:
    """The report of the path with the body's changes."""
    saved = library.find_report(_org(request), _caller(request), request.path_params["report"])
    metadata = _metadata(request) if request.method == "POST" else None
    return replace(saved, definition=changed(saved.definition, metadata))


# -- reports ---------------------------------------------------------------------------------------------------------


def reports(request: Request) -> Response:
    """GET the recently viewed reports, POST a new one (or a clone with cloneId)."""
    if request.method == "POST":
        return _create(request)
    base = f"/services/data/v{_version(request)}/analytics/reports"
    return reply(request, [_listed(base, *each) for each in library.recent_reports(_org(request), _caller(request))])


def _listed(base: str, report_id: str, name: str) -> dict[str, Any]:
    """One entry of the list."""
    url = f"{base}/{report_id}"
    return {
        "describeUrl": f"{url}/describe",
        "id": report_id,
        "instancesUrl": f"{url}/instances",
        "name": name,
        "url": url,
    }


def _create(request: Request) -> Response:
    org, caller = _org(request), _caller(request)
    metadata = _metadata(request)
    clone_of = request.query_params.get("cloneId")
    if clone_of:
        source = library.find_report(org, _caller(request), clone_of)
        named = metadata if isinstance(metadata, dict) else {}
        name = str(named.get("name") or f"{source.name} (copy)")
        saved = replace(source, id=None, name=name, developer_name=str(named.get("developerName") or ""),
                        folder_id=named.get("folderId") or source.folder_id,
                        definition=changed(source.definition, named, saving=True))  # fmt: skip
    else:
        definition = new_definition(metadata)
        _check_runs(request, definition)
        saved = library.blank(definition, metadata)
    return reply(request, _described(request, library.create_report(org, caller, saved)))


def _check_runs(request: Request, definition: ReportDefinition) -> None:
    """What cannot be described cannot be saved; joined reports cannot be created by the API."""
    if definition.format == "MULTI_BLOCK":
        raise bad("Joined reports cannot be created")
    report_metadata(library.blank(definition, {}), library.viewer_of(_org(request), _caller(request)))


def report(request: Request) -> Response:
    """GET or POST: run now. PATCH: save. DELETE: delete."""
    org, caller = _org(request), _caller(request)
    if request.method == "PATCH":
        return _save(request)
    if request.method == "DELETE":
        library.delete_report(org, library.find_report(org, _caller(request), request.path_params["report"]))
        return no_content()
    return reply(request, library.run_now(org, caller, _asked(request), _version(request), details=_details(request)))


def _save(request: Request) -> Response:
    saved = library.find_report(_org(request), _caller(request), request.path_params["report"])
    metadata = _metadata(request)
    if not isinstance(metadata, dict):
        raise bad("The reportMetadata is missing")
    definition = changed(saved.definition, metadata, saving=True)
    saved = replace(
        saved, definition=definition, name=str(metadata.get("name") or saved.name),
        description=metadata.get("description", saved.description), folder_id=metadata.get("folderId") or saved.folder_id,
    )  # fmt: skip
    body = _described(request, saved)
    library.save_report(_org(request), _caller(request), saved)
    return reply(request, body)


def describe(request: Request) -> Response:
    """GET what a report is made of, without running it."""
    saved = library.find_report(_org(request), _caller(request), request.path_params["report"])
    return reply(request, _described(request, saved))


def _described(request: Request, saved: Saved) -> dict[str, Any]:
    viewer = library.viewer_of(_org(request), _caller(request))
    definition = saved.definition
    kind = report_type(viewer.schema, definition.report_type)
    body = {
        "attributes": library.attributes(saved, _version(request)),
        "reportExtendedMetadata": extended_metadata(definition, viewer),
        "reportMetadata": report_metadata(saved, viewer),
        "reportTypeMetadata": type_metadata(kind, viewer.calendar),
    }
    if definition.blocks:
        blocks = [replace(saved, definition=each) for each in definition.blocks]
        body["reportMetadata"]["blocks"] = [report_metadata(each, viewer) for each in blocks]
    return body


def query(request: Request) -> Response:
    """POST a report that is not saved, and run it."""
    metadata = _metadata(request)
    saved = library.blank(new_definition(metadata), metadata)
    answer = library.run_now(_org(request), _caller(request), saved, _version(request), details=_details(request))
    return reply(request, answer)


# -- instances -------------------------------------------------------------------------------------------------------


def instances(request: Request) -> Response:
    """GET the asynchronous runs of a report, POST a new one."""
    org, caller, version = _org(request), _caller(request), _version(request)
    now = org.clock.now()
    if request.method == "GET":
        saved = library.find_report(org, _caller(request), request.path_params["report"])
        found = library.library_of(org).instances.of_report(str(saved.id), now)
        return reply(request, [_instance_json(each, version, now) for each in found])
    saved, details = _asked(request), _details(request)
    library.count_run(org, library.ASYNC)
    made = library.library_of(org).instances.add(
        str(saved.id), caller.user_id, now=now, seconds=org.settings.report_seconds, details=details,
        instance=org.store.instance, compute=lambda: library.run_saved(org, caller, saved, version, details=details),
    )  # fmt: skip
    library.mark_run(org, str(saved.id))
    return reply(request, _instance_json(made, version, now, status="New"))


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _instance_url(each: Instance, version: str) -> str:
    return f"/services/data/v{version}/analytics/reports/{each.report_id}/instances/{each.id}"


def _instance_json(each: Instance, version: str, now: datetime, status: str = "") -> dict[str, Any]:
    """One entry of the list; a failed run has no url."""
    status = status or each.status(now)
    done = status in {"Success", "Error"}
    return {
        "completionDate": _stamp(each.completed) if done else None,
        "hasDetailRows": each.details,
        "id": each.id,
        "ownerId": each.owner_id,
        "queryable": False,
        "requestDate": _stamp(each.requested),
        "status": status,
        "url": None if status == "Error" else _instance_url(each, version),
    }


def instance(request: Request) -> Response:
    """GET the result of an asynchronous run (only its attributes until it is done), DELETE it."""
    org, version = _org(request), _version(request)
    now = org.clock.now()
    saved = library.find_report(org, _caller(request), request.path_params["report"])
    kept = library.library_of(org).instances
    found = kept.find(str(saved.id), request.path_params["instance"], now)
    if found is None:
        raise ApiError(404, "NOT_FOUND", library.UNAVAILABLE)
    if request.method == "DELETE":
        kept.remove(found.id)
        return no_content()
    listed = _instance_json(found, version, now)
    head = {
        **{key: listed[key] for key in ("completionDate", "id", "ownerId", "queryable", "requestDate", "status")},
        "reportId": saved.id,
        "reportName": saved.name,
        "type": "ReportInstance",
    }
    if listed["status"] == "Error":
        return reply(request, {"attributes": {**head, "errorMessage": found.error}})
    if listed["status"] != "Success":
        return reply(request, {"attributes": head})
    return reply(request, {**(found.result or {}), "attributes": head})


# -- report types ----------------------------------------------------------------------------------------------------


def report_types(request: Request) -> Response:
    """GET every report type by category."""
    schema = _org(request).schema_for(_caller(request))
    base = f"/services/data/v{_version(request)}/analytics/report-types"
    found: dict[str, list[dict[str, Any]]] = {}
    for category, name, label in all_report_types(schema):
        entry = {"describeUrl": f"{base}/{name}", "isEnabled": True, "label": label, "type": name}
        found.setdefault(category, []).append(entry)
    return reply(request, [{"label": label, "reportTypes": listed} for label, listed in found.items()])


def one_report_type(request: Request) -> Response:
    """GET what reports of one type can use."""
    viewer = library.viewer_of(_org(request), _caller(request))
    try:
        kind = report_type(viewer.schema, request.path_params["type"])
    except ApiError:
        raise ApiError(404, "NOT_FOUND", library.UNAVAILABLE) from None
    definition = ReportDefinition(kind.name)
    blank = library.blank(definition, {"name": f"New {kind.label} Report"})
    return reply(
        request,
        {
            "attributes": {"type": "Report", "reportTypeName": kind.name},
            "reportExtendedMetadata": extended_metadata(definition, viewer),
            "reportMetadata": report_metadata(blank, viewer),
            "reportTypeMetadata": type_metadata(kind, viewer.calendar),
        },
    )


routes = [
    Route(f"{BASE}/reports", reports, methods=["GET", "POST"]),
    Route(f"{BASE}/reports/", reports, methods=["GET", "POST"]),
    Route(f"{BASE}/reports/query", query, methods=["POST"]),
    Route(f"{BASE}/reports/{{report}}", report, methods=["GET", "POST", "PATCH", "DELETE"]),
    Route(f"{BASE}/reports/{{report}}/describe", describe, methods=["GET"]),
    Route(f"{BASE}/reports/{{report}}/instances", instances, methods=["GET", "POST"]),
    Route(f"{BASE}/reports/{{report}}/instances/{{instance}}", instance, methods=["GET", "DELETE"]),
    Route(f"{BASE}/report-types", report_types, methods=["GET"]),
    Route(f"{BASE}/report-types/{{type}}", one_report_type, methods=["GET"]),
]
