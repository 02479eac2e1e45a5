"""Formulas of flows, evaluated on values: `{!$Record.Amount} * 2`, `ISCHANGED({!$Record.StageName})`.

The reading is that of the org's other formulas; those become SQL, while flows have variables that no table holds.
"""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from integrations.demo_org.automation.facts import stored
from integrations.demo_org.formulas.reading import BadFormula, Call, Literal, Name, Node, read_formula

MERGE = re.compile(r"\{!\s*([^{}]+?)\s*\}")
PRIOR, RECORD = "$Record__Prior.", "$Record."


class Scope(Protocol):
    """What names in a formula mean."""

    is_new: bool
    now: datetime

    def value_of(self, reference: str) -> Any:
        """The value of `$Record.Name`, a variable, or a part of one."""
        ...


def read_expression(text: str) -> Node:
    """The tree of a formula whose names stand in `{!...}`. BadFormula when it is not well-formed or not understood."""
    tree = read_formula(MERGE.sub(r" \1 ", text))
    _check(tree)
    return tree


def names_in(node: Node) -> set[str]:
    """The references of a formula."""
    if isinstance(node, Name):
        return {node.path}
    return set[str]().union(*map(names_in, node.arguments)) if isinstance(node, Call) else set()


def _check(node: Node) -> None:
    if not isinstance(node, Call):
        return
    if node.function not in FUNCTIONS and node.function not in LAZY:
        raise BadFormula(f"Unknown function {node.function}. Check spelling.")
    for each in node.arguments:
        _check(each)


def evaluate(node: Node, scope: Scope) -> Any:
    """The value of a formula; BadFormula when its values do not fit."""
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, Name):
        return scope.value_of(node.path)
    try:
        if node.function in LAZY:
            return LAZY[node.function](node.arguments, scope)
        return FUNCTIONS[node.function](*(evaluate(each, scope) for each in node.arguments))
    except (TypeError, ValueError, ArithmeticError, IndexError, AttributeError) as problem:
        raise BadFormula(f"The formula's values do not fit {node.function}") from problem


def _prior(argument: Node, scope: Scope) -> Any:
    if not isinstance(argument, Name) or not argument.path.startswith(RECORD):
        raise BadFormula("The function takes a field of $Record")
    return scope.value_of(PRIOR + argument.path.removeprefix(RECORD))


def _is_changed(arguments: tuple[Node, ...], scope: Scope) -> bool:
    return not scope.is_new and _same(evaluate(arguments[0], scope)) != _same(_prior(arguments[0], scope))


def _prior_value(arguments: tuple[Node, ...], scope: Scope) -> Any:
    return evaluate(arguments[0], scope) if scope.is_new else _prior(arguments[0], scope)


def _if(arguments: tuple[Node, ...], scope: Scope) -> Any:
    return evaluate(arguments[1] if evaluate(arguments[0], scope) is True else arguments[2], scope)


def _case(arguments: tuple[Node, ...], scope: Scope) -> Any:
    value = _same(evaluate(arguments[0], scope))
    for wanted, result in zip(arguments[1:-1:2], arguments[2:-1:2], strict=True):
        if value == _same(evaluate(wanted, scope)):
            return evaluate(result, scope)
    return evaluate(arguments[-1], scope)


def _all(arguments: tuple[Node, ...], scope: Scope) -> bool:
    return all(evaluate(each, scope) is True for each in arguments)


def _any(arguments: tuple[Node, ...], scope: Scope) -> bool:
    return any(evaluate(each, scope) is True for each in arguments)


def _same(value: Any) -> Any:
    """The form in which an empty text is nothing and 1 is 1.0."""
    return None if value == "" else value


def _order(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda left, right: left is not None and right is not None and test(left, right)


def _plus(left: Any, right: Any) -> Any:
    if isinstance(right, date):
        left, right = right, left
    if isinstance(left, date):
        return None if right is None else left + timedelta(days=float(right))
    if isinstance(left, str) or isinstance(right, str):
        return as_text(left) + as_text(right)
    return None if left is None or right is None else left + right


def _minus(left: Any, right: Any) -> Any:
    if left is None or right is None:
        return None
    if isinstance(left, date):
        return (left - right).total_seconds() / 86_400 if isinstance(right, date) else left - timedelta(days=right)
    return left - right


def _number(operate: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda left, right: None if left is None or right is None else operate(left, right)


def _add_months(day: date, months: float) -> date:
    total = day.year * 12 + day.month - 1 + int(months)
    year, month = divmod(total, 12)
    for last in range(day.day, 27, -1):
        try:
            return day.replace(year=year, month=month + 1, day=last)
        except ValueError:
            continue
    return day.replace(year=year, month=month + 1)


def as_text(value: Any) -> str:
    """A value as TEXT() gives it: whole numbers without a point, dates in ISO form, nothing as an empty text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(stored(value))


LAZY: dict[str, Callable[[tuple[Node, ...], Scope], Any]] = {
    "ISCHANGED": _is_changed, "PRIORVALUE": _prior_value, "IF": _if, "CASE": _case, "AND": _all, "&&": _all, "OR": _any,
    "||": _any, "ISNEW": lambda _arguments, scope: scope.is_new, "TODAY": lambda _arguments, scope: scope.now.date(),
    "NOW": lambda _arguments, scope: scope.now,
}  # fmt: skip
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "NOT": lambda value: value is not True, "=": lambda a, b: _same(a) == _same(b), "<>": lambda a, b: _same(a) != _same(b),
    "<": _order(lambda a, b: a < b), ">": _order(lambda a, b: a > b), "<=": _order(lambda a, b: a <= b),
    ">=": _order(lambda a, b: a >= b), "+": _plus, "-": _minus, "*": _number(lambda a, b: a * b),
    "/": _number(lambda a, b: a / b), "&": lambda a, b: as_text(a) + as_text(b), "NEGATE": lambda a: None if a is None else -a,
    "PLUS": lambda a: a, "ISBLANK": lambda a: a in (None, ""), "ISNULL": lambda a: a is None,
    "ISPICKVAL": lambda a, b: _same(a) == _same(b), "BLANKVALUE": lambda a, b: b if a in (None, "") else a,
    "NULLVALUE": lambda a, b: b if a is None else a, "TEXT": as_text, "VALUE": lambda a: float(a) if a not in (None,
        "") else None,
    "LEN": lambda a: len(as_text(a)), "LEFT": lambda a, n: as_text(a)[: max(int(n), 0)],
    "RIGHT": lambda a, n: as_text(a)[-int(n) :] if n > 0 else "",
    "MID": lambda a, start, n: as_text(a)[max(int(start) - 1, 0) : max(int(start) - 1, 0) + int(n)],
    "UPPER": lambda a: as_text(a).upper(), "LOWER": lambda a: as_text(a).lower(), "TRIM": lambda a: as_text(a).strip(),
    "CONTAINS": lambda a, b: as_text(b) in as_text(a), "BEGINS": lambda a, b: as_text(a).startswith(as_text(b)),
    "SUBSTITUTE": lambda a, old, new: as_text(a).replace(as_text(old), as_text(new)), "ABS": abs,
    "ROUND": lambda a, digits: None if a is None else round(a, int(digits)), "MIN": min, "MAX": max, "MOD": lambda a, b: a % b,
    "FLOOR": lambda a: float(a // 1), "CEILING": lambda a: float(-(-a // 1)), "YEAR": lambda a: a.year,
    "MONTH": lambda a: a.month,
    "DAY": lambda a: a.day, "DATE": lambda y, m, d: date(int(y), int(m), int(d)), "ADDMONTHS": _add_months,
    "DATEVALUE": lambda a: a.date() if isinstance(a, datetime) else date.fromisoformat(str(stored(a))[:10]),
    "CASESAFEID": lambda a: a, "BR": lambda: "\n",
}  # fmt: skip
