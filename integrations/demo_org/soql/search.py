"""SOSL: FIND {terms} IN ... FIELDS RETURNING objects."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from integrations.demo_org.errors import ApiError
from integrations.demo_org.schema.types import Field, ObjectType, Schema
from integrations.demo_org.soql import faults
from integrations.demo_org.soql.compile import compile_on
from integrations.demo_org.soql.compiled import CompiledQuery
from integrations.demo_org.soql.dates import Calendar
from integrations.demo_org.soql.parse import Parser
from integrations.demo_org.soql.run import Readable, run_query
from integrations.demo_org.soql.scope import Build, HiddenRows
from integrations.demo_org.soql.terms import Term, compile_terms, malformed, parse_terms
from integrations.demo_org.soql.tree import Item, Path, Query

GROUPS = frozenset({"ALL", "NAME", "EMAIL", "PHONE", "SIDEBAR"})
TEXT = frozenset({"string", "textarea", "email", "phone", "url", "combobox"})
MOST = 2000
ARTICLE, VERSION = "Knowledge__kav", "KnowledgeArticleVersion"
NO_BRACES = "No search term found. The search term must be enclosed in braces."


@dataclass(frozen=True)
class Search:
    """A parsed search: the terms, the field group, one query per object, the overall limit."""

    text: str
    terms: Term
    group: str
    returning: tuple[Query, ...]
    limit: int


def parse_search(text: str) -> Search:
    """Read a SOSL text. ApiError MALFORMED_SEARCH when it is not one."""
    head, brace, rest = text.partition("{")
    end = _closing(rest)
    if not brace or end < 0:
        raise malformed(NO_BRACES)
    if head.strip().upper() != "FIND":
        raise malformed(f"unexpected token: '{head.split()[0] if head.split() else '{'}'")
    try:
        return _after_terms(text, parse_terms(rest[:end]), len(head) + 1 + end + 1)
    except ApiError as problem:
        if problem.code == "MALFORMED_QUERY":
            raise ApiError(400, "MALFORMED_SEARCH", problem.message) from None
        raise


def _closing(rest: str) -> int:
    """Where the brace closes, past escaped ones; -1 when it does not."""
    position = 0
    while position < len(rest):
        if rest[position] == "\\":
            position += 2
            continue
        if rest[position] == "}":
            return position
        position += 1
    return -1


def _after_terms(text: str, terms: Term, start: int) -> Search:
    parser = Parser(text, start)
    group = "ALL"
    if parser.take_word("IN"):
        group = parser.token.word
        if group not in GROUPS:
            parser.refuse()
        parser.advance()
        parser.need_word("FIELDS")
    returning = parser.some(lambda: _returned(parser)) if parser.take_word("RETURNING") else ()
    if parser.take_word("WITH", "SPELL_CORRECTION"):  # nothing is corrected here, so that both answers are alike
        if parser.token.text != "=":
            parser.refuse()
        parser.advance()
        _one_of(parser, "TRUE", "FALSE")
    limit = parser.number_after("LIMIT")
    if parser.take_word("UPDATE"):  # counts views of articles, which changes no answer
        parser.some(lambda: _one_of(parser, "TRACKING", "VIEWSTAT"))
    parser.finish()
    return Search(text, terms, group, returning, min(MOST, MOST if limit is None else limit))


def _one_of(parser: Parser, *words: str) -> str:
    """One of these words; anything else is refused."""
    if parser.token.word not in words:
        parser.refuse()
    return parser.advance().word


def _returned(parser: Parser) -> Query:
    """Account, or Account(Id, Name WHERE ... ORDER BY ... LIMIT ...)."""
    source = parser.plain_path()
    query = Query((Item(Path(("Id",), source.at)),), source)
    if not parser.take_mark("("):
        return query
    items = parser.some(parser.item)
    query = replace(query, items=items, scope=parser.scope(), where=parser.where(), order=parser.order())
    query = replace(query, limit=parser.number_after("LIMIT"), offset=parser.number_after("OFFSET"))
    parser.need_mark(")")
    return query


def run_search(
    store: Readable,
    search: Search,
    *,
    schema: Schema,
    now: datetime,
    time_zone: str,
    user_id: str = "",
    locale: str = "en_US",
    version: str = "65.0",
    hidden_rows: Mapping[str, HiddenRows] | None = None,
) -> list[dict[str, Any]]:
    """The records that match, object by object in the order asked for, at most 2,000 in all."""
    calendar = Calendar(now, time_zone, locale)
    found: list[dict[str, Any]] = []
    for query in search.returning or _everywhere(schema):
        kind = schema.find(query.source.text)
        if kind is None or not kind.searchable:
            raise faults.no_object(search.text, query.source.at, query.source.text)
        left = search.limit - len(found)
        if left <= 0:
            break
        query = replace(query, limit=min(left, MOST if query.limit is None else query.limit))
        compiled = compile_on(Build(search.text, schema, calendar, user_id, hidden_rows=hidden_rows or {}), query, kind)
        if _narrow(compiled, kind, search, schema):
            found += run_query(store, compiled, version=version)["records"]
    return found


def _everywhere(schema: Schema) -> tuple[Query, ...]:
    """All searchable objects, when the search names none."""
    names = sorted(each.name for each in schema.objects.values() if each.searchable and each.queryable)
    return tuple(Query((Item(Path(("Id",))),), Path((name,))) for name in names)


def _narrow(compiled: CompiledQuery, kind: ObjectType, search: Search, schema: Schema) -> bool:
    """Add the search condition to a compiled query; False when the object has no field of the group."""
    columns = [f'{compiled.root}."{each.name}"' for each in kind.fields if _is_searched(each, search.group)]
    article = schema.find(ARTICLE) if kind.name == VERSION else None
    parts = [each for each in article.fields if each.custom and _is_searched(each, search.group)] if article else []
    # an article is indexed whole, by whichever name it is searched
    columns += [f'(SELECT a."{each.name}" FROM "{ARTICLE}" a WHERE a.Id = {compiled.root}.Id)' for each in parts]  # noqa: S608
    if not columns:
        return False
    condition = compile_terms(search.terms, columns)
    compiled.where += f"{' AND ' if compiled.where else ' WHERE '}{condition.text}"
    compiled.params += condition.params
    return True


def _is_searched(field: Field, group: str) -> bool:
    """Whether a field belongs to a group; calculated fields are in no index."""
    if field.calculated:
        return False
    if group == "NAME":
        return field.name_field or (field.compound == "Name" and field.type == "string")
    if group in {"EMAIL", "PHONE"}:
        return field.type == group.lower()
    return field.type in TEXT
