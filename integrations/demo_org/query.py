"""The query resources: query, queryAll, tooling/query, their locators, explain and columns."""

import re
import weakref
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integrations.demo_org import definitions
from integrations.demo_org.errors import ApiError
from integrations.demo_org.org import Caller, DemoOrg
from integrations.demo_org.replies import reply
from integrations.demo_org.schema.tooling import TOOLING, TOOLING_ONLY
from integrations.demo_org.soql import CompiledQuery, Cursors, Paging, compile_query, run_more, run_query
from integrations.demo_org.soql.metadata import columns_of, explain
from integrations.demo_org.soql.sqlite_functions import register

BATCH_SIZE = re.compile(r"batchSize\s*=\s*(\d+)", re.IGNORECASE)
ABOUT_SCHEMA = re.compile(rf"\b(?:{'|'.join(definitions.TABLES)})\b", re.IGNORECASE)
_CURSORS: "weakref.WeakKeyDictionary[DemoOrg, Cursors]" = weakref.WeakKeyDictionary()


def cursors_of(org: DemoOrg) -> Cursors:
    """The open cursors of an org. They live in memory: a restart ends them, as an expired one would."""
    found = _CURSORS.get(org)
    if found is None:
        found = _CURSORS.setdefault(org, Cursors())
    return found


def locale_of(org: DemoOrg, caller: Caller) -> str:
    """The caller's locale, such as en_US."""
    row = org.store.read().execute('SELECT "LocaleSidKey" FROM "User" WHERE "Id" = ?', (caller.user_id,)).fetchone()
    return (row and row[0]) or "en_US"


def fiscal_start_of(org: DemoOrg) -> int:
    """The month in which the org's fiscal year begins."""
    row = org.store.read().execute('SELECT "FiscalYearStartMonth" FROM "Organization" LIMIT 1').fetchone()
    return int((row and row[0]) or 1)


def time_zone_of(caller: Caller) -> str:
    """The caller's time zone; UTC when it is not a known one."""
    try:
        return ZoneInfo(caller.time_zone).key
    except (KeyError, ValueError, OSError):
        return "UTC"


def hidden_folders(org: DemoOrg, caller: Caller) -> list[str]:
    """Ids of the report folders that the caller cannot see.

    The setting `hidden_folders` names folders that nobody sees (by id, name or developer name); a folder whose access type is
    Hidden is for its creator and administrators.
    """
    named = getattr(org.settings, "hidden_folders", None) or org.settings.extra.get("hidden_folders") or []
    marks = ", ".join("?" * len(named))
    conditions = [f'"{column}" IN ({marks})' for column in ("Id", "Name", "DeveloperName")] if named else []
    params = [*named, *named, *named]
    if not caller.is_admin:
        conditions.append('"AccessType" = ? AND "CreatedById" != ?')
        params += ["Hidden", caller.user_id]
    if not conditions:
        return []
    sql = f'SELECT "Id" FROM "Folder" WHERE {" OR ".join(conditions)}'  # noqa: S608
    return [row[0] for row in org.store.read().execute(sql, params)]


def compile_for(
    org: DemoOrg, caller: Caller, text: str, *, all_rows: bool = False, bulk: bool = False, tooling: bool = False
) -> CompiledQuery:
    """Compile a query as the caller may run it: visible schema, own time zone and locale, shared folders."""
    schema = org.schema_for(caller)
    hidden = {"report": ("OwnerId", hidden_folders(org, caller))}
    if ABOUT_SCHEMA.search(text):
        definitions.refresh(org)
        hidden |= definitions.hidden_definitions(org, caller)
    compiled = compile_query(
        text,
        schema=schema,
        now=org.clock.now(),
        time_zone=time_zone_of(caller),
        all_rows=all_rows,
        bulk=bulk,
        user_id=caller.user_id,
        locale=locale_of(org, caller),
        fiscal_start=fiscal_start_of(org),
        hidden_rows=hidden,
    )
    if (compiled.object.name.lower() not in TOOLING) if tooling else (compiled.object.name.lower() in TOOLING_ONLY):
        raise ApiError(400, "INVALID_TYPE", f"sObject type '{compiled.object.name}' is not supported.")
    return compiled


def paging_of(request: Request) -> Paging:
    """Page size and owner of the locators of a request."""
    org: DemoOrg = request.app.state.org
    found = BATCH_SIZE.search(request.headers.get("sforce-query-options", ""))
    size = int(found.group(1)) if found else org.settings.query_page_size
    return Paging(cursors_of(org), size, request.state.caller.user_id, org.clock.now())


def run_first(request: Request, *, all_rows: bool, tooling: bool = False) -> Response:
    """A new query: `q`, or `explain` instead of running it, or `columns=true` for its columns."""
    org: DemoOrg = request.app.state.org
    params = request.query_params
    text = params.get("explain", params.get("q", ""))
    compiled = compile_for(org, request.state.caller, text, all_rows=all_rows, tooling=tooling)
    if "explain" in params:
        return reply(request, explain(compiled, register(org.store.read())))
    if params.get("columns", "").lower() == "true":
        return reply(request, columns_of(compiled))
    version = request.path_params["version"] + ("/tooling" if tooling else "")
    answer = run_query(org.store, compiled, version=version, paging=paging_of(request))
    if compiled.query.locks:
        mark_viewed(org, request.state.caller, compiled, answer["records"])
    return reply(request, _tooling(compiled, answer) if tooling else answer, root="QueryResult")


def _tooling(compiled: CompiledQuery, answer: dict[str, Any]) -> dict[str, Any]:
    """Tooling answers carry a few more keys."""
    head = {"size": len(answer["records"]), "totalSize": answer["totalSize"], "done": answer["done"]}
    locator = answer.get("nextRecordsUrl")
    tail = {"queryLocator": locator.rsplit("/", 1)[-1] if locator else None, "entityTypeName": compiled.object.name}
    return {**head, **tail, **answer}


def mark_viewed(org: DemoOrg, caller: Caller, compiled: CompiledQuery, records: list[Any]) -> None:
    """FOR VIEW and FOR REFERENCE: the records become recently viewed or referenced ones."""
    wanted = {"VIEW": ("LastViewedDate", "LastReferencedDate"), "REFERENCE": ("LastReferencedDate",)}
    names = [name for lock in compiled.query.locks for name in wanted.get(lock, ()) if compiled.object.find(name)]
    ids = [each["attributes"]["url"].rsplit("/", 1)[-1] for each in records if "url" in each["attributes"]]
    if not names or not ids:
        return
    stamp = org.clock.stamp()
    settings = ", ".join(f'"{name}" = ?' for name in dict.fromkeys(names))
    with org.store.write() as connection:
        sql = f'UPDATE "{compiled.object.name}" SET {settings} WHERE "Id" = ?'  # noqa: S608 - schema names
        connection.executemany(sql, [(*[stamp] * len(set(names)), each) for each in ids])
    for each in ids:
        org.recent.add(caller.user_id, compiled.object.name, each)


def run_next(request: Request) -> Response:
    """The page behind a locator."""
    org: DemoOrg = request.app.state.org
    version = request.path_params["version"] + ("/tooling" if "/tooling/" in request.url.path else "")
    answer = run_more(org.store, request.path_params["locator"], version=version, paging=paging_of(request))
    return reply(request, answer, root="QueryResult")


def query(request: Request) -> Response:
    """GET query."""
    return run_first(request, all_rows=False)


def query_all(request: Request) -> Response:
    """GET queryAll: deleted records too."""
    return run_first(request, all_rows=True)


def tooling_query(request: Request) -> Response:
    """GET tooling/query, for the objects that the Tooling API shares with this org."""
    return run_first(request, all_rows=False, tooling=True)


def _both(path: str, handler: Any) -> list[Route]:
    """A route with and without a slash at its end, as clients write both."""
    return [Route(path, handler, methods=["GET"]), Route(path + "/", handler, methods=["GET"])]


BASE = "/services/data/v{version}"
routes = [
    *_both(f"{BASE}/query", query),
    *_both(f"{BASE}/queryAll", query_all),
    *_both(f"{BASE}/tooling/query", tooling_query),
    Route(f"{BASE}/query/{{locator}}", run_next, methods=["GET"]),
    Route(f"{BASE}/queryAll/{{locator}}", run_next, methods=["GET"]),
    Route(f"{BASE}/tooling/query/{{locator}}", run_next, methods=["GET"]),
]
