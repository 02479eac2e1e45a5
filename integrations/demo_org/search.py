"""The search resources: search (SOSL) and parameterizedSearch."""

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integrations.demo_org.errors import ApiError
from integrations.demo_org.org import DemoOrg
from integrations.demo_org.query import hidden_folders, locale_of, time_zone_of
from integrations.demo_org.replies import read_json, reply
from integrations.demo_org.soql.search import parse_search, run_search

OBJECT_ANSWER_SINCE = 37.0
RESERVED = re.compile(r'([&|!(){}\[\]^~:\\"\'+\-])')
FIELD_LIST = re.compile(r"[\w.,() ]*", re.ASCII)


def answer(request: Request, text: str, *, always_object: bool = False) -> Response:
    """Run a SOSL text; a bare array before v37."""
    org: DemoOrg = request.app.state.org
    caller = request.state.caller
    version = request.path_params["version"]
    found = run_search(
        org.store,
        parse_search(text),
        schema=org.schema_for(caller),
        now=org.clock.now(),
        time_zone=time_zone_of(caller),
        user_id=caller.user_id,
        locale=locale_of(org, caller),
        version=version,
        hidden_rows={"report": ("OwnerId", hidden_folders(org, caller))},
    )
    wrapped = always_object or float(version) >= OBJECT_ANSWER_SINCE
    return reply(request, {"searchRecords": found} if wrapped else found, root="SearchResult")


def search(request: Request) -> Response:
    """GET search?q=FIND {...}."""
    return answer(request, request.query_params.get("q", ""))


def parameterized_search(request: Request) -> Response:
    """GET or POST parameterizedSearch: the same without SOSL."""
    asked = read_json(request) if request.method == "POST" else _from_query(request)
    if not isinstance(asked, dict) or not str(asked.get("q") or "").strip():
        raise ApiError(400, "MALFORMED_SEARCH", "No search term found. The search term must be enclosed in braces.")
    return answer(request, sosl_of(asked), always_object=True)


def _from_query(request: Request) -> dict[str, Any]:
    """The body that a GET's parameters stand for: sobject=Account&Account.fields=id,name&Account.limit=10."""
    params = request.query_params
    names = [name for each in params.getlist("sobject") for name in each.split(",") if name]
    objects = []
    for name in names:
        own = {key: params.get(f"{name}.{key}") for key in ("fields", "limit", "where", "orderBy")}
        objects.append({"name": name, **{key: value for key, value in own.items() if value}})
    plain = {key: params.get(key) for key in ("q", "in", "fields", "overallLimit", "defaultLimit") if params.get(key)}
    return {**plain, "sobjects": objects}


def sosl_of(asked: dict[str, Any]) -> str:
    """The SOSL text of a parameterized search; the term is taken literally but for * and ?."""
    term = RESERVED.sub(r"\\\1", str(asked["q"]).strip())
    group = str(asked.get("in") or "ALL")
    objects = [_returning(each, asked) for each in asked.get("sobjects") or []]
    returning = f" RETURNING {', '.join(objects)}" if objects else ""
    limit = asked.get("overallLimit")
    return f"FIND {{{term}}} IN {_word(group)} FIELDS{returning}" + (f" LIMIT {_number(limit)}" if limit else "")


def _returning(each: Any, asked: dict[str, Any]) -> str:
    each = each if isinstance(each, dict) else {"name": str(each)}
    fields = each.get("fields") or asked.get("fields") or ["Id"]
    listed = fields if isinstance(fields, str) else ", ".join(map(str, fields))
    if not FIELD_LIST.fullmatch(listed):
        raise ApiError(400, "MALFORMED_SEARCH", f"unexpected token: '{listed}'")
    text = listed
    text += f" WHERE {each['where']}" if each.get("where") else ""
    text += f" ORDER BY {each['orderBy']}" if each.get("orderBy") else ""
    limit = each.get("limit") or asked.get("defaultLimit")
    text += f" LIMIT {_number(limit)}" if limit else ""
    return f"{_word(str(each.get('name') or ''))}({text})"


def _word(text: str) -> str:
    """A plain name; anything else is refused rather than spliced into the text."""
    if not re.fullmatch(r"\w+", text, re.ASCII):
        raise ApiError(400, "MALFORMED_SEARCH", f"unexpected token: '{text}'")
    return text


def _number(value: Any) -> int:
    """A limit."""
    try:
        return max(0, int(value))
    except (TypeError, ValueError):
        raise ApiError(400, "MALFORMED_SEARCH", f"unexpected token: '{value}'") from None


BASE = "/services/data/v{version}"
routes = [
    Route(f"{BASE}/search", search, methods=["GET"]),
    Route(f"{BASE}/search/", search, methods=["GET"]),
    Route(f"{BASE}/parameterizedSearch", parameterized_search, methods=["GET", "POST"]),
    Route(f"{BASE}/parameterizedSearch/", parameterized_search, methods=["GET", "POST"]),
]
