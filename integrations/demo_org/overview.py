"""What an org tells of itself over REST: recently used records, limits, how many records there are."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integrations.demo_org.replies import reply
from integrations.demo_org.schema.types import ObjectType
from integrations.demo_org.showing import attributes
from integrations.demo_org.store import quote

MAX_BATCH = 200


def recent_items(request: Request, *, kind: ObjectType | None, limit: int) -> list[dict[str, Any]]:
    """What the caller used last, newest first."""
    org, version = request.app.state.org, request.path_params["version"]
    schema = org.schema_for(request.state.caller)
    items = []
    for object_name, record_id in org.recent.items(request.state.caller.user_id):
        seen = schema.find(object_name)
        if seen is None or (kind is not None and seen.name != kind.name):
            continue
        label = next((each.name for each in seen.fields if each.name_field), "Id")
        alive = "AND IsDeleted = 0" if seen.find("IsDeleted") else ""
        sql = f"SELECT {quote(label)} FROM {quote(seen.name)} WHERE Id = ? {alive}"  # noqa: S608
        row = org.store.read().execute(sql, (record_id,)).fetchone()
        if row:
            shown = {"attributes": attributes(version, seen.name, record_id), "Id": record_id, label: row[0]}
            items.append(shown)
    return items[:limit]


def show_recent(request: Request) -> Response:
    """The records that the caller used last."""
    text = request.query_params.get("limit", "200")
    limit = int(text) if text.isdigit() else MAX_BATCH
    return reply(request, recent_items(request, kind=None, limit=limit))


def show_limits(request: Request) -> Response:
    """What is left of every limit."""
    return reply(request, request.app.state.org.usage.as_dict(), root="Limits")


def count_records(request: Request) -> Response:
    """How many records the named objects have (all objects when none are named); unknown names are left out."""
    org = request.app.state.org
    schema = org.schema_for(request.state.caller)
    text = request.query_params.get("sObjects", "")
    names = [each.strip() for each in text.split(",") if each.strip()] or [each.name for each in schema.objects.values()]
    kinds = sorted({kind.name: kind for name in names if (kind := schema.find(name))}.items())
    rows = []
    for name, kind in kinds:
        alive = " WHERE IsDeleted = 0" if kind.find("IsDeleted") else ""
        count = org.store.read().execute(f"SELECT COUNT(*) FROM {quote(name)}{alive}").fetchone()[0]  # noqa: S608
        rows.append({"count": count, "name": name})
    return reply(request, {"sObjects": rows})


BASE = "/services/data/v{version}"
routes = [
    Route(f"{BASE}/recent", show_recent, methods=["GET"]),
    Route(f"{BASE}/limits", show_limits, methods=["GET"]),
    Route(f"{BASE}/limits/recordCount", count_records, methods=["GET"]),
]
