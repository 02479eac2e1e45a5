"""Compiles WHERE and HAVING to SQL with parameters. Every condition is true or false, never unknown, as in Salesforce."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from integrations.demo_org.soql import faults
from integrations.demo_org.soql.literals import Range, Stored, stored, variants
from integrations.demo_org.soql.parse import walk
from integrations.demo_org.soql.scope import COMPOUND, Build, Term
from integrations.demo_org.soql.tree import (
    Comparison,
    Condition,
    Expression,
    Logic,
    Membership,
    Negation,
    Query,
    SemiJoin,
    Value,
)

IDS = frozenset({"id", "reference"})
MAX_SEMI_JOINS = 2
TOP_LEVEL = "Semi join sub-selects are only allowed at the top level WHERE expressions and not in nested WHERE expressions."


@dataclass
class Sql:
    """A piece of SQL and its parameters."""

    text: str
    params: list[Stored]


class Conditions:
    """Compiles the conditions of one SELECT. `term` turns an expression into SQL, `nested` compiles a semi-join's SELECT."""

    def __init__(self, build: Build, term: Callable[[Expression], Term], nested: Callable[[SemiJoin, Term], Sql]) -> None:
        self.build = build
        self.term = term
        self.nested = nested

    def compile(self, condition: Condition) -> Sql:
        """A whole WHERE or HAVING condition."""
        self._check_semi_joins(condition)
        return self._any(condition)

    def _check_semi_joins(self, condition: Condition) -> None:
        joins = [each for each in walk(condition) if isinstance(each, SemiJoin)]
        self.build.semi_joins += len(joins)
        if self.build.semi_joins > MAX_SEMI_JOINS:
            sentence = f"Maximum {MAX_SEMI_JOINS} semi join sub-selects are allowed in a query"
            raise faults.fault(self.build.text, joins[-1].at, sentence)
        top = condition.parts if isinstance(condition, Logic) and condition.operator == "AND" else (condition,)
        for each in joins:
            if not any(each is part for part in top):
                raise faults.fault(self.build.text, each.at, TOP_LEVEL)

    def _any(self, condition: Condition) -> Sql:
        if isinstance(condition, Logic):
            parts = [self._any(each) for each in condition.parts]
            text = f" {condition.operator} ".join(part.text for part in parts)
            return Sql(f"({text})", [value for part in parts for value in part.params])
        if isinstance(condition, Negation):
            inner = self._any(condition.part)
            return Sql(f"NOT ifnull({inner.text}, 0)", inner.params)
        if isinstance(condition, SemiJoin):
            return self.nested(condition, self._left(condition.left))
        if isinstance(condition, Membership):
            return self._membership(condition)
        return self._comparison(condition)

    def _left(self, expression: Expression) -> Term:
        """The left side, which must be a field that can be filtered."""
        term = self.term(expression)
        if term.field is not None and (not term.field.filterable or term.type in COMPOUND) and not term.aggregate:
            sentence = f"field '{term.field.name}' can not be filtered in a query call"
            raise faults.fault(self.build.text, expression.at, sentence, "INVALID_FIELD")
        return term

    # -- one value ---------------------------------------------------------------------------------------------------

    def _comparison(self, condition: Comparison) -> Sql:
        term = self._left(condition.left)
        operator, value = condition.operator, condition.right
        if operator == "LIKE":
            return self._like(term, value, condition.at)
        self._check_order(term, operator, condition.at)
        found = stored(self.build, term, value)
        if isinstance(found, Range):
            return self._in_range(term, operator, found)
        if operator in {"=", "!="}:
            return self._equality(term, operator == "!=", [found])
        if found is None:
            return Sql("0", [])
        return Sql(f"{term.sql} {operator} ?", [found])

    def _check_order(self, term: Term, operator: str, at: int) -> None:
        """Some types know only equality."""
        if operator in {"=", "!="}:
            return
        if term.type == "boolean":
            raise faults.wrong_operator(self.build.text, at, "invalid operator on boolean field")
        if term.type == "multipicklist":
            raise faults.wrong_operator(self.build.text, at, "invalid operator on multipicklist field")

    def _in_range(self, term: Term, operator: str, period: Range) -> Sql:
        column, first, after = term.sql, period.first, period.after
        if operator == "=":
            return Sql(f"({column} >= ? AND {column} < ?)", [first, after])
        if operator == "!=":
            return Sql(f"({column} IS NULL OR {column} < ? OR {column} >= ?)", [first, after])
        simple = {"<": ("<", first), "<=": ("<", after), ">": (">=", after), ">=": (">=", first)}
        sign, bound = simple[operator]
        return Sql(f"{column} {sign} ?", [bound])

    def _equality(self, term: Term, negated: bool, values: Sequence[Stored]) -> Sql:
        """column [not] one of the values; null is a value of its own, so `!= 'x'` finds empty fields too."""
        wanted = [each for each in values if each is not None]
        parts: list[Sql] = []
        if wanted:
            parts.append(self._one_of(term, negated, wanted))
        has_null = len(wanted) < len(values)
        if negated:
            joined = Sql(" AND ".join(["1"] + [each.text for each in parts]), [v for each in parts for v in each.params])
            if has_null:
                return Sql(f"({term.sql} IS NOT NULL AND {joined.text})", joined.params)
            return Sql(f"({term.sql} IS NULL OR ({joined.text}))", joined.params)
        if has_null:
            parts.append(Sql(f"{term.sql} IS NULL", []))
        text = " OR ".join(each.text for each in parts)
        return Sql(f"({text})" if len(parts) > 1 else text, [value for each in parts for value in each.params])

    def _one_of(self, term: Term, negated: bool, values: Sequence[Stored]) -> Sql:
        """column IN (values), with every spelling of letters beyond A-Z."""
        spelled: list[Stored] = []
        folded: list[Stored] = []
        for each in values:
            forms = variants(each) if isinstance(each, str) and term.is_text and not each.isascii() else [each]
            if forms is None:
                folded.append(str(each).casefold())
            else:
                spelled += forms
        parts = []
        if spelled:
            single = len(spelled) == 1
            parts.append(f"{term.sql} = ?" if single else f"{term.sql} IN ({', '.join('?' * len(spelled))})")
        if folded:
            parts.append(f"sf_fold({term.sql}) IN ({', '.join('?' * len(folded))})")
        text = " OR ".join(parts) if len(parts) == 1 else f"({' OR '.join(parts)})"
        return Sql(f"NOT {text}" if negated else text, spelled + folded)

    def _like(self, term: Term, value: Value, at: int) -> Sql:
        if term.type in IDS:
            raise faults.wrong_operator(self.build.text, at, "invalid operator on id field")
        textual = term.type == "string" or (term.field is not None and term.field.is_text)
        if not textual or term.type == "multipicklist":
            raise faults.wrong_operator(self.build.text, at)
        if value.kind != "string":
            raise faults.wrong_type(self.build.text, term.at, term.name, "string")
        forms = variants(value.pattern)
        if forms is None:
            return Sql(f"sf_fold({term.sql}) LIKE ? ESCAPE '\\'", [value.pattern.casefold()])
        one = f"{term.sql} LIKE ? ESCAPE '\\'"
        text = f"({' OR '.join([one] * len(forms))})" if len(forms) > 1 else one
        return Sql(text, list(forms))

    # -- many values -------------------------------------------------------------------------------------------------

    def _membership(self, condition: Membership) -> Sql:
        term = self._left(condition.left)
        if condition.operator in {"INCLUDES", "EXCLUDES"}:
            return self._includes(term, condition)
        found = [stored(self.build, term, each) for each in condition.values]
        periods = [each for each in found if isinstance(each, Range)]
        negated = condition.operator == "NOT IN"
        if not periods:
            return self._equality(term, negated, found)
        rest = [each for each in found if not isinstance(each, Range)]
        parts = [self._in_range(term, "!=" if negated else "=", each) for each in periods]
        parts += [self._equality(term, negated, rest)] if rest else []
        text = (" AND " if negated else " OR ").join(each.text for each in parts)
        return Sql(f"({text})", [value for each in parts for value in each.params])

    def _includes(self, term: Term, condition: Membership) -> Sql:
        """INCLUDES ('a;b', 'c'): (a and b) or c."""
        if term.type != "multipicklist":
            raise faults.wrong_operator(self.build.text, condition.at, f"invalid operator on {term.type} field")
        choices, params = [], []
        for value in condition.values:
            if value.kind != "string":
                raise faults.wrong_type(self.build.text, term.at, term.name, "string")
            members = [each for each in value.value.split(";") if each]
            choices.append(" AND ".join(["(';' || " + term.sql + " || ';') LIKE ? ESCAPE '\\'"] * len(members)) or "0")
            params += [f"%;{_escape(each)};%" for each in members]
        text = "(" + " OR ".join(f"({each})" for each in choices) + ")"
        return Sql(f"NOT ifnull({text}, 0)" if condition.operator == "EXCLUDES" else f"ifnull({text}, 0)", params)


def _escape(text: str) -> str:
    """Text as a LIKE pattern that matches only itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def check_inner(build: Build, outer: Term, inner: Term, query: Query, at: int) -> None:
    """The rules of semi-joins: both sides are ids that point to the same object, and not over the outer object itself."""
    for side, where in ((outer, "outer"), (inner, "inner")):
        if side.type not in IDS:
            sentence = f"The {where} select field '{side.name}' in the semi join must be an id or reference field"
            raise faults.fault(build.text, at, sentence)
    if query.group or query.limit or query.order:
        raise faults.unexpected(build.text, at, "GROUP" if query.group else "LIMIT" if query.limit else "ORDER")
