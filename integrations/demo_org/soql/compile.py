"""Compiles the text of a query to SQL over the org's tables."""
# ruff: noqa: S608 - the SQL is built from the schema's own names; every value is a parameter.

from collections.abc import Mapping
from datetime import datetime

from integrations.demo_org.errors import ApiError
from integrations.demo_org.schema.types import Field, ObjectType, Schema
from integrations.demo_org.soql import faults
from integrations.demo_org.soql.compiled import ChildQuery, CompiledQuery
from integrations.demo_org.soql.conditions import Conditions, Sql, check_inner
from integrations.demo_org.soql.dates import Calendar
from integrations.demo_org.soql.expressions import Expressions
from integrations.demo_org.soql.functions import AGGREGATES
from integrations.demo_org.soql.grouping import GroupedQuery
from integrations.demo_org.soql.ordering import order_sql
from integrations.demo_org.soql.parse import parse
from integrations.demo_org.soql.scope import Build, HiddenRows, Scope, Term
from integrations.demo_org.soql.selection import Selection
from integrations.demo_org.soql.tree import Call, Item, Macro, Query, SemiJoin, Subquery, TypeOf

MAX_OFFSET = 2000
MAX_CHILDREN = 20
MAX_MACRO_ROWS = 200


def compile_query(
    text: str,
    *,
    schema: Schema,
    now: datetime,
    time_zone: str,
    all_rows: bool = False,
    bulk: bool = False,
    user_id: str = "",
    locale: str = "en_US",
    fiscal_start: int = 1,
    hidden_rows: Mapping[str, HiddenRows] | None = None,
) -> CompiledQuery:
    """Parse, check and compile one query.

    `schema` is what the caller may see; `now` (aware) and `time_zone` (IANA) give date literals their meaning; `all_rows`
    includes deleted records; `bulk` applies the Bulk API's restrictions and leaves hidden columns out; `hidden_rows` names rows
    that sharing hides (object -> field, values). Raises ApiError with Salesforce's codes and sentences.
    """
    build = Build(text, schema, Calendar(now, time_zone, locale, fiscal_start), user_id, all_rows, bulk, hidden_rows or {})
    query = parse(text)
    kind = schema.find(query.source.text)
    if kind is None:
        raise faults.no_object(text, query.source.at, query.source.text)
    if not kind.queryable:
        raise ApiError(400, "INVALID_TYPE_FOR_OPERATION", f"entity type {kind.name} does not support query")
    if query.all_rows:  # only Apex may say it; the API has queryAll
        raise ApiError(400, "MALFORMED_QUERY", "ALL ROWS not allowed in this context")
    return compile_on(build, query, kind)


def compile_on(build: Build, query: Query, kind: ObjectType, *, nested: bool = False) -> CompiledQuery:
    """Compile a parsed query over a known object."""
    _check_limits(build, query)
    scope = Scope(build, kind, query.alias)
    scope.shortcuts = {alias.lower(): path for path, alias in query.joined}
    if build.bulk:
        _check_bulk(query)
    expressions = Expressions(scope)
    if is_grouped(query):
        if nested:
            raise faults.fault(build.text, query.source.at, "only root queries support aggregate expressions")
        return _compile_grouped(build, query, scope, expressions)
    selection = Selection(scope, expressions, query, with_hidden=not build.bulk)
    children = [_compile_child(build, kind, item) for item in query.items if isinstance(item, Subquery)]
    if len(children) > MAX_CHILDREN:
        raise faults.fault(build.text, 0, f"The maximum number of child relationship queries is {MAX_CHILDREN}")
    node = selection.build_node([child.name for child in children])
    where = _where(build, query, scope, expressions)
    order = order_sql(scope, expressions, query)
    return CompiledQuery(
        query, build.text, kind, selection.columns, selection.hidden, scope.from_sql(), where.text, where.params, order,
        scope.root, node, children=children, prefixes=_prefixes(build.schema),
    )  # fmt: skip


def is_grouped(query: Query) -> bool:
    """Whether rows are aggregated."""
    calls = [each.expression for each in query.items if isinstance(each, Item) and isinstance(each.expression, Call)]
    return query.group is not None or any(_holds_aggregate(each) for each in calls)


def _holds_aggregate(call: Call) -> bool:
    """Whether a call is an aggregate or wraps one: FORMAT(MIN(CloseDate))."""
    return call.name in AGGREGATES or any(isinstance(each, Call) and _holds_aggregate(each) for each in call.args)


def _check_limits(build: Build, query: Query) -> None:
    if (query.offset or 0) > MAX_OFFSET:
        raise ApiError(400, "NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {MAX_OFFSET}")
    macros = [each for each in query.items if isinstance(each, Macro) and each.kind != "STANDARD"]
    if macros and (query.limit is None or query.limit > MAX_MACRO_ROWS):
        sentence = f"The SOQL FIELDS function must have a LIMIT of at most {MAX_MACRO_ROWS}"
        raise ApiError(400, "MALFORMED_QUERY", sentence)
    if "UPDATE" in query.locks and query.order:
        raise faults.fault(build.text, 0, "FOR UPDATE is not allowed with ORDER BY")


def _check_bulk(query: Query) -> None:
    """What Bulk API query jobs refuse."""
    refused = ""
    if query.group or is_grouped(query):
        refused = "Aggregate Relationships not supported in Bulk Query"
    elif query.offset is not None:
        refused = "OFFSET clause is not supported in Bulk Query"
    elif any(isinstance(each, TypeOf) for each in query.items):
        refused = "TYPEOF clause is not supported in Bulk Query"
    elif any(isinstance(each, Subquery) for each in query.items):
        refused = "Nested Select/Parent-child relationship not supported in Bulk Query"
    if refused:
        raise ApiError(400, "FUNCTIONALITY_NOT_ENABLED", refused)


def _prefixes(schema: Schema) -> dict[str, str]:
    """Object names by key prefix."""
    return {each.key_prefix: each.name for each in schema.objects.values() if each.key_prefix}


# -- where -----------------------------------------------------------------------------------------------------------


def _where(build: Build, query: Query, scope: Scope, expressions: Expressions) -> Sql:
    """The WHERE part: the query's own condition, the scope, and no deleted rows."""
    parts, params = [], []
    if query.where is not None:
        conditions = Conditions(
            build, _filter_term(build, expressions), lambda join, term: _semi_join(build, scope, join, term)
        )
        found = conditions.compile(query.where)
        parts.append(found.text)
        params += found.params
    if not (build.all_rows or query.all_rows) and scope.kind.find("IsDeleted"):
        parts.append(f'{scope.root}."IsDeleted" = 0')
    hidden = build.hidden_rows.get(scope.kind.name.lower())
    if hidden and hidden[1]:
        parts.append(f'{scope.root}."{hidden[0]}" NOT IN ({", ".join("?" * len(hidden[1]))})')
        params += hidden[1]
    if query.scope not in {None, "EVERYTHING"} and scope.kind.find("OwnerId"):
        parts.append(f'{scope.root}."OwnerId" = ?')
        params.append(build.user_id)
    return Sql(f" WHERE {' AND '.join(parts)}" if parts else "", params)


def _filter_term(build: Build, expressions: Expressions):  # noqa: ANN202 - a function over expressions
    """Terms for WHERE, where aggregates have no place."""

    def term(expression: object) -> Term:
        if isinstance(expression, Call) and expression.name in AGGREGATES:
            sentence = f"Aggregate function {expression.name} is not allowed in a WHERE clause"
            raise faults.fault(build.text, expression.at, sentence)
        return expressions.term(expression)  # pyright: ignore[reportArgumentType]

    return term


def _semi_join(build: Build, outer: Scope, join: SemiJoin, left: Term) -> Sql:
    """left [NOT] IN (SELECT field FROM object WHERE ...)."""
    query = join.query
    kind = build.schema.find(query.source.text)
    if kind is None:
        raise faults.no_object(build.text, query.source.at, query.source.text)
    if kind is outer.kind and left.type == "id":
        raise faults.fault(build.text, join.at, "The inner and outer selects should not be on the same object type")
    if len(query.items) != 1 or not isinstance(query.items[0], Item):
        raise faults.fault(build.text, join.at, "A semi join sub-select must select exactly one field")
    scope = Scope(build, kind, query.alias)
    expressions = Expressions(scope)
    inner = expressions.term(query.items[0].expression)
    check_inner(build, left, inner, query, join.at)
    where = _where(build, query, scope, expressions)
    select = f"SELECT {inner.sql} FROM {scope.from_sql()}{where.text}"
    if not join.negated:
        return Sql(f"{left.sql} IN ({select})", where.params)
    given = f"{' AND ' if where.text else ' WHERE '}{inner.sql} IS NOT NULL"
    return Sql(f"({left.sql} IS NULL OR {left.sql} NOT IN ({select}{given}))", where.params)


# -- nested queries --------------------------------------------------------------------------------------------------


def _compile_child(build: Build, parent: ObjectType, item: Subquery) -> ChildQuery:
    """A nested query over a child relationship of `parent`."""
    name = item.query.source.names[-1]
    found = child_relationship(build.schema, parent, name)
    if found is None:
        raise faults.no_child_relationship(build.text, item.query.source.at, name)
    kind, reference = found
    compiled = compile_on(build, item.query, kind, nested=True)
    return ChildQuery(reference.child_relationship or name, compiled, f'{compiled.root}."{reference.name}"')


def child_relationship(schema: Schema, parent: ObjectType, name: str) -> tuple[ObjectType, Field] | None:
    """The child object and its reference field behind a relationship name, in any case."""
    wanted = name.lower()
    for kind, reference in schema.children_of(parent.name):
        if (reference.child_relationship or "").lower() == wanted:
            return kind, reference
    return None


# -- groups ----------------------------------------------------------------------------------------------------------


def _compile_grouped(build: Build, query: Query, scope: Scope, expressions: Expressions) -> CompiledQuery:
    """A query with aggregates or GROUP BY."""
    where_of = lambda: _where(build, query, scope, expressions)  # noqa: E731 - joins must be known before FROM is written
    if _is_plain_count(query):
        where = where_of()
        return CompiledQuery(
            query, build.text, scope.kind, [], [], scope.from_sql(), where.text, where.params, "", scope.root, count_only=True
        )
    grouped = GroupedQuery(build, query, scope, expressions)
    where = where_of()
    sql, params = grouped.assemble(where)
    return CompiledQuery(
        query, build.text, scope.kind, grouped.columns, [], scope.from_sql(), where.text, params, "", scope.root,
        aggregate=True, grouped_sql=sql, outputs=grouped.outputs,
    )  # fmt: skip


def _is_plain_count(query: Query) -> bool:
    """SELECT COUNT() FROM ... without groups."""
    counts = [each for each in query.items if isinstance(each, Item) and each.expression == Call("COUNT")]
    if not counts:
        return False
    if len(query.items) > 1 or query.group or counts[0].alias:
        raise ApiError(400, "MALFORMED_QUERY", "COUNT() must be the only element in the SELECT list, without GROUP BY or alias")
    return True
