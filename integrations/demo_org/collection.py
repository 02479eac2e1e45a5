"""Collections of up to 200 records (composite/sobjects) and record trees (composite/tree)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integrations.demo_org.errors import ApiError
from integrations.demo_org.lookups import normalize_id
from integrations.demo_org.records import canonical_names, find_kind
from integrations.demo_org.replies import read_json, reply
from integrations.demo_org.rows import RowError, RowResult
from integrations.demo_org.saving import ROLLED_BACK, save
from integrations.demo_org.schema.types import ObjectType
from integrations.demo_org.showing import read_records

MOST_RECORDS, MOST_CHUNKS, MOST_LEVELS, MOST_READ = 200, 10, 5, 2000
Rows = list[dict[str, Any]]


class RolledBack(Exception):
    """A row failed and the client wanted all or none."""


def create_records(request: Request) -> Response:
    """Create up to 200 records."""
    return reply(request, _save_mixed(request, "insert"), root="Result")


def update_records(request: Request) -> Response:
    """Change up to 200 records; each names its id."""
    return reply(request, _save_mixed(request, "update"), root="Result")


def upsert_records(request: Request) -> Response:
    """Create or change up to 200 records of one object by an external id."""
    kind = find_kind(request)
    rows, all_or_none = _read_rows(request)
    field = request.path_params["field"]
    for row in rows:
        if _type_of(row).lower() != kind.name.lower():
            raise ApiError(400, "INVALID_INPUT", f"All records must be of type {kind.name} as in the URL")
    org, caller = request.app.state.org, request.state.caller
    found = save(org, caller, kind.name, rows, operation="upsert", external_id=field, all_or_none=all_or_none)
    return reply(request, [_shown(each, tells_created=True) for each in found])


def _shown(result: RowResult, *, tells_created: bool = False) -> dict[str, Any]:
    """One row of the answer; a failed row has no id."""
    if result.success:
        created = {"created": result.created} if tells_created else {}
        return {"id": result.id, "success": True, "errors": [], **created}
    errors = [{"statusCode": each.code, "message": each.message, "fields": list(each.fields)} for each in result.errors]
    return {"success": False, "errors": errors, **({"created": False} if tells_created else {})}


def _read_rows(request: Request) -> tuple[Rows, bool]:
    """The records of the body and whether all or none is wanted; ApiError for a malformed request."""
    body = read_json(request)
    rows = body.get("records") if isinstance(body, dict) else None
    if not isinstance(rows, list) or not rows:
        raise ApiError(400, "INVALID_INPUT", "At least 1 record is required.")
    if len(rows) > MOST_RECORDS:
        text = f"record limit reached. cannot submit more than {MOST_RECORDS} records into this call"
        raise ApiError(400, "EXCEEDED_ID_LIMIT", text)
    if not all(isinstance(row, dict) for row in rows):
        raise ApiError(400, "JSON_PARSER_ERROR", "Each record must be an object")
    return rows, bool(body.get("allOrNone", False))


def _type_of(row: Mapping[str, Any]) -> str:
    """The object that a record's attributes name."""
    attributes = row.get("attributes")
    name = attributes.get("type") if isinstance(attributes, Mapping) else None
    if not isinstance(name, str) or not name:
        raise ApiError(400, "INVALID_INPUT", "Include an entity type on each record: attributes.type is missing")
    return name


def _chunks(rows: Rows) -> list[tuple[str, list[int]]]:
    """Neighbors of one type, as Salesforce cuts a collection; at most 10 of them."""
    chunks: list[tuple[str, list[int]]] = []
    for position, row in enumerate(rows):
        name = _type_of(row)
        if chunks and chunks[-1][0].lower() == name.lower():
            chunks[-1][1].append(position)
        else:
            chunks.append((name, [position]))
    if len(chunks) > MOST_CHUNKS:
        text = "Cannot have more than 10 chunks in a single operation. Please rearrange the data to reduce chunking."
        raise ApiError(400, "INVALID_INPUT", text)
    return chunks


def _save_mixed(request: Request, operation: str) -> list[dict[str, Any]]:
    """Save records of several objects in their order."""
    rows, all_or_none = _read_rows(request)
    chunks = _chunks(rows)

    def save_chunk(name: str, positions: list[int]) -> list[RowResult]:
        return _save_chunk(request, name, [rows[each] for each in positions], operation)

    return [_shown(each) for each in _in_chunks(request, chunks, len(rows), save_chunk, all_or_none=all_or_none)]


def _save_chunk(request: Request, name: str, rows: Rows, operation: str) -> list[RowResult]:
    """Save neighbors of one type; an unknown type fails each of them."""
    try:
        return save(request.app.state.org, request.state.caller, name, rows, operation=operation)
    except ApiError as error:
        code = "INVALID_TYPE" if error.status == 404 else error.code
        text = f"sObject type '{name}' is not supported." if error.status == 404 else error.message
        return [RowResult(None, success=False, errors=[RowError(code, text)]) for _ in rows]


def _in_chunks(
    request: Request,
    chunks: Sequence[tuple[str, list[int]]],
    count: int,
    run: Callable[[str, list[int]], list[RowResult]],
    *,
    all_or_none: bool,
) -> list[RowResult]:
    """Run each chunk in one transaction; with all or none, good rows are rolled back and say so."""
    results: list[RowResult] = [RowResult(None, success=False)] * count
    try:
        with request.app.state.org.store.write():
            for name, positions in chunks:
                for position, result in zip(positions, run(name, positions), strict=True):
                    results[position] = result
            if all_or_none and not all(each.success for each in results):
                raise RolledBack
    except RolledBack:
        undone = RowResult(None, success=False, errors=[ROLLED_BACK])
        results = [undone if each.success else each for each in results]
    return results


def delete_records(request: Request) -> Response:
    """Delete up to 200 records named in `?ids=`."""
    ids = [each.strip() for each in request.query_params.get("ids", "").split(",") if each.strip()]
    if not ids:
        raise ApiError(400, "INVALID_INPUT", "At least 1 record is required.")
    if len(ids) > MOST_RECORDS:
        raise ApiError(400, "EXCEEDED_ID_LIMIT", f"record limit reached. cannot submit more than {MOST_RECORDS} records")
    all_or_none = request.query_params.get("allOrNone", "").lower() == "true"
    schema = request.app.state.org.schema_for(request.state.caller)
    rows: Rows = []
    for each in ids:
        kind = schema.by_prefix(each)
        rows.append({"attributes": {"type": kind.name if kind else ""}, "Id": each})

    def delete_chunk(name: str, positions: list[int]) -> list[RowResult]:
        if not name:
            bad = [RowError("MALFORMED_ID", f"malformed id {ids[each]}") for each in positions]
            return [RowResult(None, success=False, errors=[each]) for each in bad]
        return _save_chunk(request, name, [{"Id": ids[each]} for each in positions], "delete")

    chunks = [(row["attributes"]["type"], [position]) for position, row in enumerate(rows)]
    found = _in_chunks(request, _merge(chunks), len(ids), delete_chunk, all_or_none=all_or_none)
    return reply(request, [_shown(each) for each in found])


def _merge(chunks: list[tuple[str, list[int]]]) -> list[tuple[str, list[int]]]:
    """Neighbors of one type joined."""
    merged: list[tuple[str, list[int]]] = []
    for name, positions in chunks:
        if merged and merged[-1][0] == name:
            merged[-1][1].extend(positions)
        else:
            merged.append((name, list(positions)))
    return merged


def read_collection(request: Request) -> Response:
    """Records of one object by id (GET with ids and fields, or POST for longer lists); null where there is none."""
    kind = find_kind(request)
    if request.method == "POST":
        body = read_json(request)
        ids, names = (body.get("ids"), body.get("fields")) if isinstance(body, dict) else (None, None)
    else:
        ids = [each for each in request.query_params.get("ids", "").split(",") if each]
        names = [each for each in request.query_params.get("fields", "").split(",") if each]
    if not isinstance(ids, list) or not isinstance(names, list) or not ids or not names:
        raise ApiError(400, "INVALID_INPUT", "ids and fields are required")
    most = MOST_READ if request.method == "POST" else 800
    if len(ids) > most:
        raise ApiError(400, "EXCEEDED_ID_LIMIT", f"record limit reached. cannot submit more than {most} records into this call")
    chosen = canonical_names(kind, [str(each) for each in names])
    wanted = [normalize_id(str(each)) or "" for each in ids]
    connection, version = request.app.state.org.store.read(), request.path_params["version"]
    found = read_records(connection, kind, wanted, names=chosen, version=version)
    return reply(request, [found.get(each) for each in wanted], root=kind.name)


def create_tree(request: Request) -> Response:
    """Records with their children (200 in all, 5 levels deep): all are created (201) or none (400)."""
    kind = find_kind(request)
    body = read_json(request)
    rows = body.get("records") if isinstance(body, dict) else None
    if not isinstance(rows, list) or not rows:
        raise ApiError(400, "INVALID_INPUT", "At least 1 record is required.")
    tree = Tree(request)
    tree.check(rows, level=1)
    try:
        with request.app.state.org.store.write():
            tree.create(kind, rows, parent=None)
            if tree.failed:
                raise RolledBack
    except RolledBack:
        return reply(request, {"hasErrors": True, "results": tree.failed}, 400)
    return reply(request, {"hasErrors": False, "results": tree.created}, 201)


class Tree:
    """One tree request while it runs."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.created: Rows = []
        self.failed: Rows = []
        self._names: set[str] = set()

    def check(self, rows: Rows, *, level: int) -> None:
        """Depth, size and reference ids, before anything is created."""
        if level > MOST_LEVELS:
            raise ApiError(400, "INVALID_INPUT", f"A record tree can't be deeper than {MOST_LEVELS} levels")
        for row in rows:
            _type_of(row)
            name = row["attributes"].get("referenceId")
            if not isinstance(name, str) or not name or name in self._names:
                raise ApiError(400, "INVALID_INPUT", "Each record needs a referenceId of its own in its attributes")
            self._names.add(name)
            for value in row.values():
                if isinstance(value, dict) and "records" in value:
                    self.check(value["records"], level=level + 1)
        if len(self._names) > MOST_RECORDS:
            raise ApiError(400, "INVALID_INPUT", f"A record tree can't have more than {MOST_RECORDS} records")

    def create(self, kind: ObjectType, rows: Rows, *, parent: tuple[str, str] | None) -> None:
        """Create records of one level (`parent` is the look-up field and the parent's id), then their children."""
        flat = [self._own_values(row, parent) for row in rows]
        results = _save_chunk(self.request, kind.name, flat, "insert")
        for row, result in zip(rows, results, strict=True):
            name = row["attributes"]["referenceId"]
            if result.success:
                self.created.append({"referenceId": name, "id": result.id})
                self._create_children(kind, row, str(result.id))
            else:
                self.failed.append({"referenceId": name, "errors": _shown(result)["errors"]})

    def _own_values(self, row: Mapping[str, Any], parent: tuple[str, str] | None) -> dict[str, Any]:
        """The record without its children, with its parent."""
        own = {key: value for key, value in row.items() if not (isinstance(value, dict) and "records" in value)}
        return own | ({parent[0]: parent[1]} if parent else {})

    def _create_children(self, kind: ObjectType, row: Mapping[str, Any], record_id: str) -> None:
        """Create the child records of one record."""
        schema = self.request.app.state.org.schema_for(self.request.state.caller)
        for key, value in row.items():
            if not (isinstance(value, dict) and "records" in value):
                continue
            for child, made in schema.children_of(kind.name):
                if (made.child_relationship or "").lower() == key.lower():
                    self.create(child, value["records"], parent=(made.name, record_id))
                    break
            else:
                raise ApiError(400, "INVALID_FIELD", f"No such column '{key}' on sobject of type {kind.name}")


BASE = "/services/data/v{version}/composite"
routes = [
    Route(f"{BASE}/sobjects", create_records, methods=["POST"]),
    Route(f"{BASE}/sobjects", update_records, methods=["PATCH"]),
    Route(f"{BASE}/sobjects", delete_records, methods=["DELETE"]),
    Route(f"{BASE}/sobjects/{{name}}", read_collection, methods=["GET", "POST"]),
    Route(f"{BASE}/sobjects/{{name}}/{{field}}", upsert_records, methods=["PATCH"]),
    Route(f"{BASE}/tree/{{name}}", create_tree, methods=["POST"]),
]
