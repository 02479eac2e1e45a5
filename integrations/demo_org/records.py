"""Objects and records over REST: the list of objects, describe, one record at a time, recent items, limits."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from uuid import uuid4

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integrations.demo_org.clock import from_text
from integrations.demo_org.errors import ApiError
from integrations.demo_org.lookups import normalize_id
from integrations.demo_org.matching import match_one
from integrations.demo_org.overview import recent_items
from integrations.demo_org.related import find_children, find_parent, is_hidden_report, is_record_id, list_children
from integrations.demo_org.replies import no_content, origin_of, read_json, reply
from integrations.demo_org.rows import RowResult
from integrations.demo_org.saving import save
from integrations.demo_org.schema.describe import describe_object, list_entry
from integrations.demo_org.schema.tooling import TOOLING_ONLY
from integrations.demo_org.schema.types import Field, ObjectType
from integrations.demo_org.showing import read_records, record_path
from integrations.demo_org.store import quote
from integrations.demo_org.versions import number_of

# the HTTP status of a refused row, by its code; 400 for all others
STATUSES = {
    "ENTITY_IS_DELETED": 404, "NOT_FOUND": 404, "INSUFFICIENT_ACCESS_OR_READONLY": 403,
    "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE": 503,
}  # fmt: skip
NOT_FOUND = ApiError(404, "NOT_FOUND", "The requested resource does not exist")
MAX_BATCH = 200
SHARED_IDS = frozenset({"KnowledgeArticleVersion"})  # its records have the ids of the articles of their type
NOT_IMITATED = frozenset({"listviews", "quickActions", "defaultValues", "suggestedArticles", "namedLayouts", "eventSchema"})
UPSERT_TELLS_CREATED = 46
IN_BODY = "The {} field should not be specified in the sobject data."


def find_kind(request: Request) -> ObjectType:
    """The object named in the path, as the caller sees it; 404 if there is none."""
    kind = request.app.state.org.schema_for(request.state.caller).find(request.path_params["name"])
    if kind is None:
        raise NOT_FOUND
    return kind


def list_objects(request: Request) -> Response:
    """Every object that the caller sees."""
    schema = request.app.state.org.schema_for(request.state.caller)
    version = request.path_params["version"]
    kinds = sorted((each for key, each in schema.objects.items() if key not in TOOLING_ONLY), key=lambda kind: kind.name)
    body = {"encoding": "UTF-8", "maxBatchSize": MAX_BATCH, "sobjects": [list_entry(each, version) for each in kinds]}
    return _conditional(request, body)


def show_object(request: Request) -> Response:
    """Short description and the items that the caller used last."""
    kind = find_kind(request)
    body = {
        "objectDescribe": list_entry(kind, request.path_params["version"]),
        "recentItems": recent_items(request, kind=kind, limit=MAX_BATCH),
    }
    return reply(request, body, root=kind.name)


def describe(request: Request) -> Response:
    """The full describe; 304 when nothing changed since the client's copy."""
    kind, org = find_kind(request), request.app.state.org
    body = describe_object(
        kind,
        org.schema_for(request.state.caller),
        version=request.path_params["version"],
        base_url=origin_of(request),
        record_types=_record_types(request, kind),
    )
    return _conditional(request, body, root="DescribeSObjectResult")


def _record_types(request: Request, kind: ObjectType) -> list[tuple[str, str, str, bool]]:
    """(id, name, developer name, active) of the object's record types."""
    org = request.app.state.org
    known = org.schema.find("RecordType")
    if known is None or known.find("SobjectType") is None:
        return []
    sql = "SELECT Id, Name, DeveloperName, IsActive FROM RecordType WHERE SobjectType = ? ORDER BY Id"
    return [(row[0], row[1], row[2], bool(row[3])) for row in org.store.read().execute(sql, (kind.name,))]


def _conditional(request: Request, body: Mapping[str, Any], *, root: str = "Result") -> Response:
    """The answer with ETag and Last-Modified, or 304."""
    changed = from_text(request.app.state.org.schema_changed_at(request.state.caller))
    tag = '"' + hashlib.sha256(orjson.dumps(body)).hexdigest()[:10] + '--gzip"'
    headers = {"ETag": tag, "Last-Modified": format_datetime(changed.astimezone(UTC), usegmt=True)}
    since, none_match = request.headers.get("if-modified-since"), request.headers.get("if-none-match")
    if none_match is not None:
        if tag.strip('"') in none_match:
            return Response(status_code=304, headers=headers)
    elif since:
        try:
            if changed <= parsedate_to_datetime(since):
                return Response(status_code=304, headers=headers)
        except (ValueError, TypeError):
            pass  # a date that cannot be read counts as none
    return reply(request, body, headers=headers, root=root)


def create_record(request: Request) -> Response:
    """Create one record: 201 with its id and Location."""
    kind = find_kind(request)
    row = read_row(request)
    result = save_one(request, kind, row, operation="insert")
    location = record_path(request.path_params["version"], kind.name, str(result.id))
    body = success_body(result)
    if kind.name.endswith("__e"):  # a platform event is only queued, which its answer tells as an "error"
        body["errors"] = [{"statusCode": "OPERATION_ENQUEUED", "message": str(uuid4()), "fields": []}]
    return reply(request, body, 201, {"Location": location})


def read_row(request: Request) -> dict[str, Any]:
    """The body as one record; JSON_PARSER_ERROR if it is something else."""
    body = read_json(request)
    if not isinstance(body, dict):
        text = "The HTTP entity body is required, but this request has no entity body, or it is not an object."
        raise ApiError(400, "JSON_PARSER_ERROR", text)
    return body


def success_body(result: RowResult) -> dict[str, Any]:
    """The body of a successful save."""
    return {"id": result.id, "success": True, "errors": []}


def save_one(request: Request, kind: ObjectType, row: Mapping[str, Any], **how: Any) -> RowResult:
    """Save one row; a refusal becomes the HTTP error."""
    result = save(request.app.state.org, request.state.caller, kind.name, [row], **how)[0]
    if not result.success:
        raise refusal(result)
    request.app.state.org.recent.add(request.state.caller.user_id, kind.name, str(result.id))
    return result


class RowsRefusedError(ApiError):
    """A refusal with several errors (two validation rules, for instance)."""

    def __init__(self, status: int, result: RowResult) -> None:
        first = result.errors[0]
        without_fields = first.code in {"INVALID_FIELD", "JSON_PARSER_ERROR"}
        super().__init__(status, first.code, first.message, None if without_fields else first.fields)
        self.errors = result.errors


def refusal(result: RowResult) -> RowsRefusedError:
    """The HTTP error of a refused row."""
    return RowsRefusedError(STATUSES.get(result.errors[0].code, 400), result)


def find_id(request: Request, kind: ObjectType) -> str:
    """The id in the path as 18 characters; 400 if it is none, 404 if it belongs to another object."""
    text = request.path_params["record_id"]
    record_id = normalize_id(text)
    if text in NOT_IMITATED:
        raise NOT_FOUND
    if record_id is None:
        raise ApiError(400, "MALFORMED_ID", f"malformed id {text}", ("Id",))
    if not record_id.startswith(kind.key_prefix) and kind.name not in SHARED_IDS:
        raise NOT_FOUND
    return record_id


def asked_fields(request: Request, kind: ObjectType) -> list[str] | None:
    """The fields of `?fields=`, Id added; None for all. INVALID_FIELD for one that does not exist."""
    text = request.query_params.get("fields")
    return None if not text else canonical_names(kind, text.split(","))


def canonical_names(kind: ObjectType, names: Sequence[str]) -> list[str]:
    """Field names in the object's spelling, each once, Id added at the end."""
    found: dict[str, None] = {}
    for name in (each.strip() for each in names):
        made = kind.find(name)
        if made is None:
            raise ApiError(400, "INVALID_FIELD", f"No such column '{name}' on sobject of type {kind.name}")
        found[made.name] = None
    found.setdefault("Id", None)
    return list(found)


def show_record(request: Request) -> Response:
    """One record with all fields, or those asked for."""
    kind = find_kind(request)
    return _show(request, kind, find_id(request, kind))


def _show(request: Request, kind: ObjectType, record_id: str) -> Response:
    """The answer with one live record; 404 if it is not there."""
    org = request.app.state.org
    names = asked_fields(request, kind)
    if is_hidden_report(org, request.state.caller, kind, record_id):
        raise NOT_FOUND
    found = read_records(org.store.read(), kind, [record_id], names=names, version=request.path_params["version"])
    if not found:
        raise NOT_FOUND
    org.recent.add(request.state.caller.user_id, kind.name, record_id)
    return reply(request, found[record_id], headers=_record_headers(found[record_id]), root=kind.name)


def _record_headers(record: Mapping[str, Any]) -> dict[str, str]:
    """Last-Modified of a record that shows when it was changed."""
    changed = record.get("LastModifiedDate")
    return {"Last-Modified": format_datetime(from_text(changed), usegmt=True)} if changed else {}


def update_record(request: Request) -> Response:
    """Change one record: 204."""
    kind = find_kind(request)
    record_id = find_id(request, kind)
    row = read_row(request)
    _refuse_key(row, "Id")
    require_live(request, kind, record_id)
    save_one(request, kind, {**row, "Id": record_id}, operation="update")
    return no_content()


def _refuse_key(row: Mapping[str, Any], name: str) -> None:
    """The key of the URL must not be in the body."""
    if any(key.lower() == name.lower() for key in row):
        raise ApiError(400, "INVALID_FIELD", IN_BODY.format(name))


def require_live(request: Request, kind: ObjectType, record_id: str) -> None:
    """404 NOT_FOUND if there is no such record, 404 ENTITY_IS_DELETED if it is in the recycle bin."""
    deleted = "IsDeleted" if kind.find("IsDeleted") else "0"
    sql = f"SELECT {deleted} FROM {quote(kind.name)} WHERE Id = ?"  # noqa: S608
    row = request.app.state.org.store.read().execute(sql, (record_id,)).fetchone()
    if row is None:
        raise NOT_FOUND
    if row[0]:
        raise ApiError(404, "ENTITY_IS_DELETED", "entity is deleted", ())


def delete_record(request: Request) -> Response:
    """Move one record to the recycle bin: 204."""
    kind = find_kind(request)
    record_id = find_id(request, kind)
    require_live(request, kind, record_id)
    save_one(request, kind, {"Id": record_id}, operation="delete")
    return no_content()


def _key_field(request: Request, kind: ObjectType) -> Field:
    """The external id field of the path; 404 with Salesforce's text if it cannot identify records."""
    name = request.path_params["field"]
    made = kind.find(name)
    if made is None or not (made.external_id or made.id_lookup):
        raise ApiError(404, "NOT_FOUND", f"Provided external ID field does not exist or is not accessible: {name}")
    return made


def _matches(request: Request, kind: ObjectType, key: Field) -> list[str]:
    """The ids of the records that the URL's key value names; several are the 300 answer."""
    text = request.path_params["value"]
    if key.name == "Id":
        record_id = normalize_id(text)
        if record_id is None:
            raise ApiError(400, "MALFORMED_ID", f"malformed id {text}", ("Id",))
        return [record_id]
    return match_one(request.app.state.org.store.read(), kind, key, text)


def _several(request: Request, kind: ObjectType, found: Sequence[str]) -> Response:
    """300: the paths of all records that match."""
    version = request.path_params["version"]
    return reply(request, [record_path(version, kind.name, each) for each in found], 300)


def show_by_key(request: Request) -> Response:
    """One record by external id; or what a relationship of a record leads to (`Account/{id}/Contacts`)."""
    kind = find_kind(request)
    if is_record_id(kind, request.path_params["field"]):
        return _show_related(request, kind)
    found = _matches(request, kind, _key_field(request, kind))
    if not found:
        raise NOT_FOUND
    return _several(request, kind, found) if len(found) > 1 else _show(request, kind, found[0])


def _show_related(request: Request, kind: ObjectType) -> Response:
    """Follow the relationships of the path: any number of parents, at the end perhaps a list of children."""
    org, caller = request.app.state.org, request.state.caller
    schema, record_id = org.schema_for(caller), normalize_id(request.path_params["field"]) or ""
    *steps, last = request.path_params["value"].split("/")
    for name in (*steps, last):
        parent = find_parent(org, schema, kind, record_id, name)
        if parent is None:
            break
        kind, record_id = parent
    else:
        return _show(request, kind, record_id)
    children = find_children(schema, kind, last) if name == last else None
    if children is None:
        raise NOT_FOUND
    require_live(request, kind, record_id)
    return reply(request, list_children(request, *children, record_id), root="QueryResult")


def delete_by_key(request: Request) -> Response:
    """Delete one record by external id."""
    kind = find_kind(request)
    found = _matches(request, kind, _key_field(request, kind))
    if not found:
        raise NOT_FOUND
    if len(found) > 1:
        return _several(request, kind, found)
    require_live(request, kind, found[0])
    save_one(request, kind, {"Id": found[0]}, operation="delete")
    return no_content()


def upsert_record(request: Request) -> Response:
    """Create or change the record that an external id names: 201, else 200 (204 before v46); 300 if it names several."""
    kind = find_kind(request)
    if is_record_id(kind, request.path_params["field"]):
        return _update_related(request, kind)
    key = _key_field(request, kind)
    row = read_row(request)
    _refuse_key(row, key.name)
    _refuse_key(row, "Id")
    found = _matches(request, kind, key)
    if len(found) > 1:
        return _several(request, kind, found)
    tells = number_of(request) >= UPSERT_TELLS_CREATED
    if found:
        require_live(request, kind, found[0])
        result = save_one(request, kind, {**row, "Id": found[0]}, operation="update")
        return reply(request, {**success_body(result), "created": False}) if tells else no_content()
    if request.query_params.get("updateOnly", "").lower() == "true":
        raise NOT_FOUND
    result = save_one(request, kind, {**row, key.name: request.path_params["value"]}, operation="upsert", external_id=key.name)
    location = record_path(request.path_params["version"], kind.name, str(result.id))
    created = {"created": True} if tells else {}
    return reply(request, {**success_body(result), **created}, 201, {"Location": location})


def _update_related(request: Request, kind: ObjectType) -> Response:
    """Change the parent that a relationship of a record leads to: 204."""
    org, record_id = request.app.state.org, normalize_id(request.path_params["field"]) or ""
    schema = org.schema_for(request.state.caller)
    parent = find_parent(org, schema, kind, record_id, request.path_params["value"])
    if parent is None:
        raise NOT_FOUND
    row = read_row(request)
    _refuse_key(row, "Id")
    save_one(request, parent[0], {**row, "Id": parent[1]}, operation="update")
    return no_content()


SOBJECTS = "/services/data/v{version}/sobjects"
routes = [
    Route(SOBJECTS, list_objects, methods=["GET"]),
    Route(f"{SOBJECTS}/{{name}}", show_object, methods=["GET"]),
    Route(f"{SOBJECTS}/{{name}}", create_record, methods=["POST"]),
    Route(f"{SOBJECTS}/{{name}}/describe", describe, methods=["GET"]),
    Route(f"{SOBJECTS}/{{name}}/{{record_id}}", show_record, methods=["GET"]),
    Route(f"{SOBJECTS}/{{name}}/{{record_id}}", update_record, methods=["PATCH"]),
    Route(f"{SOBJECTS}/{{name}}/{{record_id}}", delete_record, methods=["DELETE"]),
    Route(f"{SOBJECTS}/{{name}}/{{field}}/{{value:path}}", show_by_key, methods=["GET"]),
    Route(f"{SOBJECTS}/{{name}}/{{field}}/{{value:path}}", upsert_record, methods=["PATCH"]),
    Route(f"{SOBJECTS}/{{name}}/{{field}}/{{value:path}}", delete_by_key, methods=["DELETE"]),
]
