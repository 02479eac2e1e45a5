"""getUpdated and getDeleted: which records changed or went in a window of time."""

from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integrations.demo_org.clock import from_text, to_text
from integrations.demo_org.errors import ApiError
from integrations.demo_org.records import find_kind
from integrations.demo_org.replies import reply
from integrations.demo_org.schema.types import ObjectType
from integrations.demo_org.store import quote

UPDATED_DAYS, DELETED_DAYS = 30, 15
MOST_IDS = 600_000


def show_updated(request: Request) -> Response:
    """The ids of records created or changed between `start` and `end`."""
    kind = find_kind(request)
    start, end = _window(request, kind, days=UPDATED_DAYS)
    stamp = next((name for name in ("SystemModstamp", "LastModifiedDate", "CreatedDate") if kind.find(name)), "")
    alive = "AND IsDeleted = 0" if kind.find("IsDeleted") else ""
    sql = f"SELECT Id FROM {quote(kind.name)} WHERE {stamp} >= ? AND {stamp} < ? {alive} ORDER BY {stamp}, Id LIMIT ?"  # noqa: S608
    rows = request.app.state.org.store.read().execute(sql, (to_text(start), to_text(end), MOST_IDS + 1)).fetchall()
    _check_count(len(rows))
    return reply(request, {"ids": [row[0] for row in rows], "latestDateCovered": _show(_covered(request, end))})


def show_deleted(request: Request) -> Response:
    """The records deleted between `start` and `end`, with the moment."""
    kind = find_kind(request)
    start, end = _window(request, kind, days=DELETED_DAYS)
    org = request.app.state.org
    sql = "SELECT id, at FROM _deleted WHERE object = ? AND at >= ? AND at < ? ORDER BY at, id LIMIT ?"
    rows = org.store.read().execute(sql, (kind.name, to_text(start), to_text(end), MOST_IDS + 1)).fetchall()
    _check_count(len(rows))
    body = {
        "deletedRecords": [{"id": row[0], "deletedDate": _show(from_text(row[1]))} for row in rows],
        "earliestDateAvailable": _show(org.clock.now() - timedelta(days=DELETED_DAYS)),
        "latestDateCovered": _show(_covered(request, end)),
    }
    return reply(request, body)


def _check_count(count: int) -> None:
    """More ids than one answer may have."""
    if count > MOST_IDS:
        raise ApiError(400, "EXCEEDED_ID_LIMIT", "exceeded the maximum number of ids: narrow the time window")


def _window(request: Request, kind: ObjectType, *, days: int) -> tuple[datetime, datetime]:
    """Start and end in UTC, seconds dropped; ApiError when they make no sense."""
    if not kind.replicateable:
        raise ApiError(400, "INVALID_TYPE", f"{kind.name} is not replicateable")
    start, end = (_parameter(request, name) for name in ("start", "end"))
    now = request.app.state.org.clock.now()
    if end <= start:
        text = "endDate must be at least one minute greater than startDate"
        raise ApiError(400, "INVALID_REPLICATION_DATE", text)
    if start > now:
        raise ApiError(400, "INVALID_REPLICATION_DATE", "startDate before org replication enabled date or in the future")
    if start < now - timedelta(days=days, minutes=1):
        text = f"startDate cannot be more than {days} days ago"
        raise ApiError(400, "INVALID_REPLICATION_DATE", text)
    return start, end


def _parameter(request: Request, name: str) -> datetime:
    """One of the two moments; a plus sign that the URL turned into a blank is understood."""
    text = request.query_params.get(name, "").replace(" ", "+")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as problem:
        raise ApiError(400, "INVALID_REPLICATION_DATE", f"invalid or missing {name} date: {text}") from problem
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def _covered(request: Request, end: datetime) -> datetime:
    """Up to when the answer is complete: not beyond the stamp of a write that is still to be committed."""
    org = request.app.state.org
    limit = min(end, org.clock.now().replace(second=0, microsecond=0))
    waiting = org.store.read().execute("SELECT MIN(json_extract(body, '$.stamp')) FROM _late").fetchone()[0]
    return min(limit, from_text(waiting).replace(second=0)) if waiting else limit


def _show(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


routes = [
    Route("/services/data/v{version}/sobjects/{name}/updated", show_updated, methods=["GET"]),
    Route("/services/data/v{version}/sobjects/{name}/deleted", show_deleted, methods=["GET"]),
]
