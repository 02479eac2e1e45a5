"""Record relationships as paths: `sobjects/Account/{id}/Contacts` is a list, `sobjects/Contact/{id}/Account` is a record."""

from typing import Any

from starlette.requests import Request

from integrations.demo_org.errors import ApiError
from integrations.demo_org.lookups import normalize_id
from integrations.demo_org.org import Caller, DemoOrg
from integrations.demo_org.query import compile_for, hidden_folders, paging_of
from integrations.demo_org.schema.types import Field, ObjectType, Schema
from integrations.demo_org.soql import run_query
from integrations.demo_org.store import has_column, quote

NOT_FOUND = ApiError(404, "NOT_FOUND", "The requested resource does not exist")


def is_record_id(kind: ObjectType, text: str) -> bool:
    """Whether a part of a path is the id of a record of the object rather than the name of a field."""
    record_id = normalize_id(text)
    return record_id is not None and record_id.startswith(kind.key_prefix) and kind.find(text) is None


def find_parent(org: DemoOrg, schema: Schema, kind: ObjectType, record_id: str, name: str) -> tuple[ObjectType, str] | None:
    """The object and id that a look-up relationship leads to; None if it is none. 404 when the look-up is empty."""
    made = kind.by_relationship(name)
    if made is None:
        return None
    alive = " AND IsDeleted = 0" if kind.find("IsDeleted") else ""
    sql = f"SELECT {quote(made.name)} FROM {quote(kind.name)} WHERE Id = ?{alive}"  # noqa: S608 - schema names
    row = org.store.read().execute(sql, (record_id,)).fetchone()
    parent = schema.by_prefix(row[0]) if row and row[0] else None
    if parent is None:
        raise NOT_FOUND
    return parent, row[0]


def find_children(schema: Schema, kind: ObjectType, name: str) -> tuple[ObjectType, Field] | None:
    """The child object and its look-up behind a relationship name."""
    wanted = name.lower()
    found = schema.children_of(kind.name)
    return next(((child, made) for child, made in found if (made.child_relationship or "").lower() == wanted), None)


def list_children(request: Request, child: ObjectType, made: Field, record_id: str) -> dict[str, Any]:
    """The child records, as a query would list them; `?fields=` chooses what is shown."""
    org, caller = request.app.state.org, request.state.caller
    asked = request.query_params.get("fields")
    stored = [each.name for each in child.fields if has_column(each) or each.calculated]
    names = [each.strip() for each in asked.split(",") if each.strip()] if asked else stored
    text = f"SELECT {', '.join(names)} FROM {child.name} WHERE {made.name} = '{record_id}'"  # noqa: S608 - SOQL, checked
    compiled = compile_for(org, caller, text)
    return run_query(org.store, compiled, version=request.path_params["version"], paging=paging_of(request))


def is_hidden_report(org: DemoOrg, caller: Caller, kind: ObjectType, record_id: str) -> bool:
    """Whether a report lies in a folder that the caller cannot see."""
    if kind.name != "Report":
        return False
    folders = hidden_folders(org, caller)
    row = org.store.read().execute("SELECT OwnerId FROM Report WHERE Id = ?", (record_id,)).fetchone()
    return bool(row) and row[0] in folders
