"""`support/knowledgeArticles`: the published articles in the reader's language, page by page."""

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integrations.demo_org.errors import ApiError
from integrations.demo_org.lookups import normalize_id
from integrations.demo_org.records import NOT_FOUND
from integrations.demo_org.replies import reply

PAGE, LARGEST_PAGE = 20, 100
LANGUAGE = re.compile(r"[a-z]{2}(?:[-_][A-Za-z]{2})?")
PUBLISHED = "PublishStatus = 'Online' AND IsLatestVersion = 1 AND IsDeleted = 0 AND Language LIKE ?"
COLUMNS = "KnowledgeArticleId, ArticleNumber, LastPublishedDate, Summary, Title, UrlName"


def language_of(request: Request) -> str:
    """The reader's language as articles name it (en_US); 400 without the Accept-Language header."""
    found = LANGUAGE.match(request.headers.get("accept-language", "").strip())
    if not found:
        raise ApiError(400, "INVALID_INPUT", "The Accept-Language header is required")
    language, _, country = found.group().replace("-", "_").partition("_")
    return f"{language}_{country.upper()}" if country else f"{language}%"


def _number(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise ApiError(400, "INVALID_INPUT", f"{name} must be a number from 1 to {most}: {text[:20]}")
    return int(text)


def list_articles(request: Request) -> Response:
    """GET support/knowledgeArticles: `pageNumber`, `pageSize` (20, at most 100), `q` in title or summary."""
    size, number = _number(request, "pageSize", PAGE, LARGEST_PAGE), _number(request, "pageNumber", 1, 100_000)
    connection, values = request.app.state.org.store.read(), [language_of(request)]
    where, wanted = PUBLISHED, request.query_params.get("q", "")
    if wanted:
        where += " AND (instr(lower(Title), lower(?)) OR instr(lower(coalesce(Summary, '')), lower(?)))"
        values += [wanted, wanted]
    sql = f"SELECT {COLUMNS} FROM KnowledgeArticleVersion WHERE {where} ORDER BY LastPublishedDate DESC, Id LIMIT ? OFFSET ?"  # noqa: S608
    rows = connection.execute(sql, (*values, size + 1, (number - 1) * size)).fetchall()
    path = f"/services/data/v{request.path_params['version']}/support/knowledgeArticles"
    following = f"{path}?pageNumber={number + 1}&pageSize={size}" if len(rows) > size else None
    current, articles = f"{path}?pageNumber={number}&pageSize={size}", [_listed(row, path) for row in rows[:size]]
    body = {"articles": articles, "currentPageUrl": current, "nextPageUrl": following, "pageNumber": number}
    return reply(request, body)


def _listed(row: tuple[Any, ...], path: str) -> dict[str, Any]:
    article, number, published, summary, title, url_name = row
    return {
        "articleNumber": number, "categoryGroups": [], "downVoteCount": 0, "id": article,
        "lastPublishedDate": published[:-5] + "Z" if published else None, "summary": summary, "title": title, "upVoteCount": 0,
        "url": f"{path}/{article}", "urlName": url_name, "viewCount": 0, "viewScore": 0.0,
    }  # fmt: skip


def show_article(request: Request) -> Response:
    """GET support/knowledgeArticles/{id}: one article with its fields."""
    org, language = request.app.state.org, language_of(request)
    article = normalize_id(request.path_params["article"]) or ""
    names = f"{COLUMNS}, Id, CreatedDate, VersionNumber, ArticleType"
    sql = f"SELECT {names} FROM KnowledgeArticleVersion WHERE KnowledgeArticleId = ? AND {PUBLISHED}"  # noqa: S608
    row = org.store.read().execute(sql, (article, language)).fetchone()
    if row is None:
        raise NOT_FOUND
    version_id, created, number, kind = row[6:]
    made = org.schema_for(request.state.caller).find(kind)
    shown = [f for f in made.fields if f.custom or f.name in {"Title", "Summary", "UrlName"}] if made else []
    columns = ", ".join(each.name for each in shown) or "Id"
    values = org.store.read().execute(f"SELECT {columns} FROM {kind} WHERE Id = ?", (version_id,)).fetchone()  # noqa: S608
    path = f"/services/data/v{request.path_params['version']}/support/knowledgeArticles"
    items = [
        {"label": each.label, "name": each.name, "type": each.type.upper(), "value": value}
        for each, value in zip(shown, values, strict=False)
    ]
    body = {**_listed(row[:6], path), "articleType": kind, "createdDate": created[:-5] + "Z", "layoutItems": items,
            "versionNumber": number}  # fmt: skip
    return reply(request, body)


_BASE = "/services/data/v{version}/support/knowledgeArticles"
routes = [
    Route(_BASE, list_articles, methods=["GET"]),
    Route(_BASE + "/{article}", show_article, methods=["GET"]),
]
