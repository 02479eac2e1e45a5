"""Queries with aggregates: GROUP BY, ROLLUP, CUBE, GROUPING(), HAVING."""
# ruff: noqa: S608 - the SQL is built from the schema's own names; every value is a parameter.

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

from integrations.demo_org.errors import ApiError
from integrations.demo_org.soql import faults
from integrations.demo_org.soql.compiled import Column, column_of
from integrations.demo_org.soql.conditions import Conditions, Sql
from integrations.demo_org.soql.expressions import Expressions
from integrations.demo_org.soql.functions import AGGREGATES
from integrations.demo_org.soql.ordering import check_sortable, direction, sort_key
from integrations.demo_org.soql.scope import COMPOUND, Build, Scope, Term
from integrations.demo_org.soql.tree import Call, Condition, Expression, Item, Path, Query, SemiJoin

MAX_SUPER_GROUPS = 3
NO_LIMIT = "Non-grouped query that uses overall aggregate functions cannot also use LIMIT"


class GroupedQuery:
    """One aggregated SELECT. Terms are resolved first, so that all joins are known when the SQL is put together."""

    def __init__(self, build: Build, query: Query, scope: Scope, expressions: Expressions) -> None:
        self.build = build
        self.query = query
        self.scope = scope
        self.expressions = expressions
        self.groups = self._group_terms()
        self.group_sql = [each.sql for each in self.groups]
        self.columns: list[Column] = []
        self.outputs: list[tuple[str, str]] = []
        self.items = [self._item(each) for each in query.items]
        self.orders = [self._order_term(each.expression) for each in query.order]
        if query.having is not None:
            self._having(range(len(self.groups)))
        if not query.group and query.limit is not None:
            raise ApiError(400, "MALFORMED_QUERY", NO_LIMIT)

    # -- groups ------------------------------------------------------------------------------------------------------

    def _group_terms(self) -> list[Term]:
        grouping = self.query.group
        if grouping is None:
            return []
        if grouping.kind != "PLAIN" and len(grouping.expressions) > MAX_SUPER_GROUPS:
            sentence = f"GROUP BY {grouping.kind} can have at most {MAX_SUPER_GROUPS} fields"
            raise faults.fault(self.build.text, grouping.expressions[-1].at, sentence)
        return [self._group_term(each) for each in grouping.expressions]

    def _group_term(self, expression: Expression) -> Term:
        term = self.expressions.term(expression)
        plain = isinstance(expression, Path)
        if plain and term.field is not None and (not term.field.groupable or term.type in COMPOUND):
            sentence = f"field '{term.field.name}' can not be grouped in a query call"
            raise faults.fault(self.build.text, expression.at, sentence, "INVALID_FIELD")
        if term.aggregate:
            raise faults.unexpected(self.build.text, expression.at, "(")
        return term

    def _sets(self) -> Iterator[tuple[int, ...]]:
        """Which groups take part: all; for ROLLUP each shorter head too; for CUBE every subset."""
        count = len(self.groups)
        kind = self.query.group.kind if self.query.group else "PLAIN"
        if kind == "ROLLUP":
            yield from (tuple(range(size)) for size in range(count, -1, -1))
        elif kind == "CUBE":
            for size in range(count, -1, -1):
                yield from combinations(range(count), size)
        else:
            yield tuple(range(count))

    # -- items -------------------------------------------------------------------------------------------------------

    def _item(self, item: object) -> Term:
        """One selected expression; takes its name and adds its column."""
        if not isinstance(item, Item):
            raise ApiError(400, "MALFORMED_QUERY", "Grouped query cannot select nested queries, TYPEOF or FIELDS()")
        expression = item.expression
        if isinstance(expression, Call) and expression.name == "GROUPING":
            term = self._grouping_term(expression)
        else:
            term = self.expressions.term(expression)
            self._check_grouped(expression, term)
        unnamed = isinstance(expression, Call)
        name = item.alias or (self._next_expr() if unnamed else term.name)
        if any(name.lower() == known.lower() for known, _ in self.outputs):
            raise faults.fault(self.build.text, expression.at, f"duplicate alias: {name}")
        self.outputs.append((name, term.type))
        function = expression.name if isinstance(expression, Call) else ""
        self.columns.append(column_of(name, term, function))
        return term

    def _next_expr(self) -> str:
        """expr0, expr1, ... for what has no alias."""
        taken = sum(1 for item in self.query.items[: len(self.outputs)]
                    if isinstance(item, Item) and isinstance(item.expression, Call) and not item.alias)  # fmt: skip
        return f"expr{taken}"

    def _grouping_term(self, call: Call) -> Term:
        """GROUPING(field): 1 in subtotal rows where the field is rolled up."""
        argument = call.args[0] if len(call.args) == 1 else None
        if not isinstance(argument, Path | Call):
            raise faults.unexpected(self.build.text, call.at, call.name)
        inner = self.expressions.term(argument)
        if inner.sql not in self.group_sql or self.query.group is None or self.query.group.kind == "PLAIN":
            raise faults.fault(self.build.text, call.at, f"GROUPING needs a field of GROUP BY ROLLUP or CUBE: {inner.name}")
        return Term(f"grouping:{self.group_sql.index(inner.sql)}", "int", "GROUPING", at=call.at)

    def _check_grouped(self, expression: Expression, term: Term) -> None:
        """A field must be a group or stand inside an aggregate."""
        if term.aggregate or term.sql in self.group_sql:
            return
        if isinstance(expression, Call) and expression.name not in AGGREGATES:
            inner = expression.args[0] if expression.args else None
            if isinstance(inner, Path | Call) and self.expressions.term(inner).sql in self.group_sql:
                return
        sentence = f"Field must be grouped or aggregated: {term.name}"
        raise faults.fault(self.build.text, expression.at, sentence)

    def _order_term(self, expression: Expression) -> Term:
        """An ORDER BY term: an aggregate, a group, or an alias of the field list."""
        if isinstance(expression, Path) and len(expression.names) == 1:
            for (name, _), item in zip(self.outputs, self.items, strict=True):
                if name.lower() == expression.text.lower():
                    return item
        term = self.expressions.term(expression)
        self._check_grouped(expression, term)
        return term

    # -- SQL ---------------------------------------------------------------------------------------------------------

    def assemble(self, where: Sql) -> tuple[str, list[Any]]:
        """The statement without LIMIT, and its parameters."""
        order = self._order_sql()
        sets = list(self._sets())
        selects = [self._select(each, where) for each in sets]
        params = [value for each in selects for value in each.params]
        names = ", ".join(f"c{k}" for k in range(len(self.items)))
        union = " UNION ALL ".join(each.text for each in selects)
        return f"SELECT {names} FROM ({union}){order}", params

    def _order_sql(self) -> str:
        terms = []
        for place, (order, term) in enumerate(zip(self.query.order, self.orders, strict=True)):
            check_sortable(self.scope, term, order)
            terms.append(f"o{place}{direction(order)}")
        return f" ORDER BY {', '.join(terms)}" if terms else ""

    def _select(self, included: tuple[int, ...], where: Sql) -> Sql:
        """The rows of one grouping set."""
        listed = [f"{self._in_set(term, included)} AS c{k}" for k, term in enumerate(self.items)]
        listed += [f"{self._in_set(replace(t, sql=sort_key(t)), included, t.sql)} AS o{k}" for k, t in enumerate(self.orders)]
        having = self._having(included) if self.query.having is not None else Sql("", [])
        group = f" GROUP BY {', '.join(self.group_sql[each] for each in included)}" if included else ""
        if not included and self.groups:
            group = " GROUP BY NULL"
        condition = f" HAVING {having.text}" if having.text else ""
        text = f"SELECT {', '.join(listed)} FROM {self.scope.from_sql()}{where.text}{group}{condition}"
        return Sql(text, [*where.params, *having.params])

    def _in_set(self, term: Term, included: tuple[int, ...], plain: str = "") -> str:
        """A term within one grouping set: NULL for what is rolled up."""
        if term.sql.startswith("grouping:"):
            return str(int(int(term.sql.removeprefix("grouping:")) not in included))
        if term.aggregate:
            return term.sql
        sql = plain or term.sql
        places = [k for k, each in enumerate(self.group_sql) if each == sql or each in sql]
        return term.sql if all(k in included for k in places) else "NULL"

    def _having(self, included: range | tuple[int, ...]) -> Sql:
        """The HAVING condition within one grouping set."""
        conditions = Conditions(self.build, self._having_term(included), self._no_semi_join)
        having: Condition | None = self.query.having
        return conditions.compile(having) if having is not None else Sql("", [])

    def _having_term(self, included: range | tuple[int, ...]) -> Callable[[Expression], Term]:
        def term(expression: Expression) -> Term:
            found = self.expressions.term(expression)
            self._check_grouped(expression, found)
            return replace(found, sql=self._in_set(found, tuple(included)))

        return term

    def _no_semi_join(self, join: SemiJoin, _left: Term) -> Sql:
        raise faults.fault(self.build.text, join.at, "Semi join sub-selects are not allowed in HAVING")
