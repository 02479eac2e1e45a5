"""The parts of a parsed query. Positions (`at`, characters from 0) serve error messages and do not count in comparisons."""

from dataclasses import dataclass, field
from typing import Literal as Choice


def _place() -> int:
    return field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Path:
    """A field, with the relationships that lead to it: Account.Owner.Name."""

    names: tuple[str, ...]
    at: int = _place()

    @property
    def text(self) -> str:
        """The path as written."""
        return ".".join(self.names)


@dataclass(frozen=True, slots=True)
class Value:
    """A literal. `kind`: string, number, date, datetime, time, boolean, null, name (TODAY, LAST_N_DAYS), currency.

    `value` is the unescaped text or the number as text; `pattern` is a string with its LIKE escapes kept; `count` is the n
    of LAST_N_DAYS:n.
    """

    kind: str
    value: str
    pattern: str = ""
    count: int | None = None
    at: int = _place()


@dataclass(frozen=True, slots=True)
class Call:
    """A function over fields: `name` in capitals."""

    name: str
    args: tuple["Path | Call | Value", ...] = ()
    at: int = _place()


Expression = Path | Call


@dataclass(frozen=True, slots=True)
class Item:
    """One selected expression."""

    expression: Expression
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Macro:
    """FIELDS(ALL), FIELDS(CUSTOM) or FIELDS(STANDARD)."""

    kind: str
    at: int = _place()


@dataclass(frozen=True, slots=True)
class TypeOf:
    """TYPEOF What WHEN Account THEN Phone ELSE Name END."""

    path: Path
    branches: tuple[tuple[str, tuple[Path, ...]], ...]
    otherwise: tuple[Path, ...] = ()
    at: int = _place()


@dataclass(frozen=True, slots=True)
class Subquery:
    """A nested query over a child relationship."""

    query: "Query"
    at: int = _place()


@dataclass(frozen=True, slots=True)
class Comparison:
    """left operator value, operator one of = != < <= > >= LIKE."""

    left: Expression
    operator: str
    right: Value
    at: int = _place()


@dataclass(frozen=True, slots=True)
class Membership:
    """left [NOT] IN (values), or INCLUDES / EXCLUDES for multi-select picklists; `operator` IN, NOT IN, INCLUDES, EXCLUDES."""

    left: Expression
    operator: str
    values: tuple[Value, ...]
    at: int = _place()


@dataclass(frozen=True, slots=True)
class SemiJoin:
    """left [NOT] IN (SELECT ...)."""

    left: Expression
    negated: bool
    query: "Query"
    at: int = _place()


@dataclass(frozen=True, slots=True)
class Logic:
    """Conditions joined by one of AND, OR."""

    operator: Choice["AND", "OR"]
    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """NOT condition."""

    part: "Condition"


Condition = Comparison | Membership | SemiJoin | Logic | Negation


@dataclass(frozen=True, slots=True)
class Grouping:
    """GROUP BY; `kind` is PLAIN, ROLLUP or CUBE."""

    kind: str
    expressions: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """One ORDER BY term; `nulls` is FIRST, LAST or None (then first)."""

    expression: Expression
    descending: bool = False
    nulls: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A whole SELECT."""

    items: tuple["Item | Macro | TypeOf | Subquery", ...]
    source: Path
    alias: str | None = None
    joined: tuple[tuple[Path, str], ...] = ()
    scope: str | None = None
    where: Condition | None = None
    security: str | None = None
    group: Grouping | None = None
    having: Condition | None = None
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int | None = None
    locks: tuple[str, ...] = ()
    all_rows: bool = False
