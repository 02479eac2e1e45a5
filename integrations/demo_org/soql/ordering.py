"""ORDER BY: nulls first unless told otherwise, picklists in the order of their definition."""

from collections.abc import Callable

from integrations.demo_org.soql import faults
from integrations.demo_org.soql.expressions import Expressions
from integrations.demo_org.soql.scope import COMPOUND, Scope, Term, quote_text
from integrations.demo_org.soql.tree import Expression, Order, Query


def order_sql(scope: Scope, expressions: Expressions, query: Query) -> str:
    """The ORDER BY part of a plain query, empty when there is none."""
    terms = [order_term(scope, expressions.term, each) for each in query.order]
    return f" ORDER BY {', '.join(terms)}" if terms else ""


def order_term(scope: Scope, term: Callable[[Expression], Term], order: Order) -> str:
    """One ORDER BY term."""
    found = term(order.expression)
    check_sortable(scope, found, order)
    own = found.sql.startswith(f"{scope.root}.")
    return sort_key(found) + direction(order, nillable=not own or found.field is None or found.field.nillable)


def check_sortable(scope: Scope, found: Term, order: Order) -> None:
    """Long text, multi-select picklists and compound fields have no order."""
    if found.field is not None and not found.aggregate and (not found.field.sortable or found.type in COMPOUND):
        sentence = f"field '{found.field.name}' can not be sorted in a query call"
        raise faults.fault(scope.build.text, order.expression.at, sentence, "INVALID_FIELD")


def direction(order: Order, *, nillable: bool = True) -> str:
    """ASC or DESC, and where nulls go; SQLite's own defaults are left unsaid so that an index can serve."""
    text = " DESC" if order.descending else ""
    nulls = order.nulls or "FIRST"
    usual = "LAST" if order.descending else "FIRST"
    return text if nulls == usual or not nillable else f"{text} NULLS {nulls}"


def sort_key(found: Term) -> str:
    """What to sort by: a picklist's place in its definition, else the value."""
    field = found.field
    if field is None or found.type != "picklist" or not field.picklist or found.aggregate:
        return found.sql
    places = " ".join(f"WHEN {quote_text(each.value)} THEN {place}" for place, each in enumerate(field.picklist))
    return f"(CASE WHEN {found.sql} IS NULL THEN NULL ELSE CASE {found.sql} {places} ELSE {len(field.picklist)} END END)"
