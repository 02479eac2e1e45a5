"""List views: All, My and Recently Viewed of each object, with columns, the query behind them, and results."""

import re
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integrations.demo_org.clock import from_text
from integrations.demo_org.errors import ApiError
from integrations.demo_org.ids import make_ids
from integrations.demo_org.query import compile_for, paging_of
from integrations.demo_org.records import NOT_FOUND, find_kind
from integrations.demo_org.replies import reply
from integrations.demo_org.schema.types import Field, ObjectType
from integrations.demo_org.soql import run_query

SHOWN, MOST = 5, 2_000
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000\+0000")
HIDDEN = ("Id", "CreatedDate", "LastModifiedDate", "SystemModstamp")
SORTS = {"picklist": ("Low to High", "High to Low"), "phone": ("9-0", "0-9"), "date": ("New to Old", "Old to New")}
NUMBERS = frozenset({"int", "double", "currency", "percent"})


@dataclass(frozen=True, slots=True)
class View:
    """One list view of an object. `where` is SOQL."""

    id: str
    label: str
    developer_name: str
    where: str


def views_of(request: Request, kind: ObjectType) -> list[View]:
    """The list views of an object."""
    org = request.app.state.org
    number = sorted(org.schema.objects).index(kind.name.lower()) * 4 + 1
    made = make_ids("00B", org.store.instance, number, 3)
    plural, short = kind.label_plural, kind.name.removesuffix("__c")
    found = [View(made[0], f"All {plural}", f"All{short}s", "")]
    if kind.find("OwnerId"):
        found.append(View(made[1], f"My {plural}", f"My{short}s", f"OwnerId = '{request.state.caller.user_id}'"))
    if kind.find("LastViewedDate"):
        found.append(View(made[2], f"Recently Viewed {plural}", f"RecentlyViewed{short}s", "LastViewedDate != null"))
    return found


def find_view(request: Request, kind: ObjectType) -> View:
    """The view of the path, by id (15 or 18 characters)."""
    wanted = request.path_params["view_id"][:15]
    found = next((each for each in views_of(request, kind) if each.id[:15] == wanted), None)
    if found is None:
        raise NOT_FOUND
    return found


def columns_of(kind: ObjectType) -> list[tuple[Field, bool]]:
    """(field, hidden) of a view: the name and the next short fields, then what lists always carry."""
    plain = [f for f in kind.fields if f.type not in {"id", "reference", "textarea", "address", "location", "boolean"}]
    plain = [each for each in plain if each.name not in HIDDEN and each.sortable]
    ordered = sorted(plain, key=lambda each: not each.name_field)[:SHOWN]
    always = [made for name in HIDDEN if (made := kind.find(name)) is not None]
    return [(each, False) for each in ordered] + [(each, True) for each in always]


def query_of(kind: ObjectType, view: View) -> str:
    """The SOQL of a view."""
    names = ", ".join(select_item(made) for made, _ in columns_of(kind))
    ordered = columns_of(kind)[0][0].name
    where = f" WHERE {view.where}" if view.where else ""
    order = f"ORDER BY {ordered} ASC NULLS FIRST, Id ASC NULLS FIRST"
    return f"SELECT {names} FROM {kind.name}{where} {order}"  # noqa: S608 - SOQL of our own names


def select_item(made: Field) -> str:
    """How a column stands in the query."""
    return f"toLabel({made.name})" if made.type == "picklist" else made.name


def describe_column(made: Field, position: int, *, hidden: bool) -> dict[str, Any]:
    """One column, its keys as recorded."""
    labels = SORTS.get(made.type, ("High to Low", "Low to High") if made.type in NUMBERS else ("Z-A", "A-Z"))
    ascending, descending = (None, None) if hidden else labels
    return {
        "ascendingLabel": ascending, "descendingLabel": descending, "fieldNameOrPath": made.name, "hidden": hidden,
        "label": made.label, "selectListItem": select_item(made), "sortDirection": None if position else "ascending",
        "sortIndex": None if position else 0, "sortable": not hidden, "type": made.type,
    }  # fmt: skip


def described_columns(kind: ObjectType) -> list[dict[str, Any]]:
    """All columns."""
    return [describe_column(made, position, hidden=hidden) for position, (made, hidden) in enumerate(columns_of(kind))]


def list_views(request: Request) -> Response:
    """GET listviews."""
    kind = find_kind(request)
    return reply(request, {
        "done": True, "listviews": [_listed(request, kind, each) for each in views_of(request, kind)], "nextRecordsUrl": None,
        "size": len(views_of(request, kind)), "sobjectType": kind.name,
    })  # fmt: skip


def _listed(request: Request, kind: ObjectType, view: View) -> dict[str, Any]:
    base = f"/services/data/v{request.path_params['version']}/sobjects/{kind.name}/listviews/{view.id}"
    return {
        "describeUrl": f"{base}/describe", "developerName": view.developer_name, "id": view.id, "label": view.label,
        "resultsUrl": f"{base}/results", "soqlCompatible": True, "url": base,
    }  # fmt: skip


def show_view(request: Request) -> Response:
    """GET listviews/{id}."""
    kind = find_kind(request)
    return reply(request, _listed(request, kind, find_view(request, kind)))


def describe_view(request: Request) -> Response:
    """GET listviews/{id}/describe: columns, order and the query."""
    kind = find_kind(request)
    view, columns = find_view(request, kind), described_columns(kind)
    order = [{"fieldNameOrPath": columns[0]["fieldNameOrPath"], "nullsPosition": "first", "sortDirection": "ascending"},
             {"fieldNameOrPath": "Id", "nullsPosition": "first", "sortDirection": "ascending"}]  # fmt: skip
    return reply(request, {
        "columns": columns, "id": view.id, "orderBy": order, "query": query_of(kind, view), "relatedEntityId": None,
        "scope": None, "scopeEntityId": None, "sobjectType": kind.name, "whereCondition": None,
    })  # fmt: skip


def view_results(request: Request) -> Response:
    """GET listviews/{id}/results: records as lists of column values, all as text; `limit` and `offset` page."""
    kind, org = find_kind(request), request.app.state.org
    view = find_view(request, kind)
    limit, offset = (_number(request, name, default) for name, default in (("limit", 25), ("offset", 0)))
    text = f"{query_of(kind, view)} LIMIT {min(limit, MOST)} OFFSET {offset}"
    compiled = compile_for(org, request.state.caller, text)
    found = run_query(org.store, compiled, version=request.path_params["version"], paging=paging_of(request))["records"]
    names = [made.name for made, _ in columns_of(kind)]
    records = [{"columns": [{"fieldNameOrPath": name, "value": _text(row.get(name))} for name in names]} for row in found]
    return reply(request, {
        "columns": described_columns(kind), "developerName": view.developer_name, "done": len(found) < limit, "id": view.id,
        "label": view.label, "records": records, "size": len(found),
    })  # fmt: skip


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    if text and not text.isdigit():
        raise ApiError(400, "NUMBER_OUTSIDE_VALID_RANGE", f"{name} must be a number: {text[:20]}")
    return int(text) if text else default


def _text(value: object) -> str | None:
    if value is None:
        return None
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"{from_text(text):%a %b %d %H:%M:%S} GMT {text[:4]}" if INSTANT.fullmatch(text) else text


_BASE = "/services/data/v{version}/sobjects/{name}/listviews"
routes = [
    Route(_BASE, list_views, methods=["GET"]),
    Route(_BASE + "/{view_id}", show_view, methods=["GET"]),
    Route(_BASE + "/{view_id}/describe", describe_view, methods=["GET"]),
    Route(_BASE + "/{view_id}/results", view_results, methods=["GET"]),
]
