"""Report aggregates: names such as s!AMOUNT, the partial sums that SQL gathers for them, their values and labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.demo_org.reports.cells import number_label, plain_number
from integrations.demo_org.reports.definition import ReportDefinition
from integrations.demo_org.reports.filters import bad
from integrations.demo_org.reports.formulas import Formula
from integrations.demo_org.reports.report_types import ReportColumn
from integrations.demo_org.reports.statement import Statement

KINDS = {"s!": "Sum of", "a!": "Average", "m!": "Smallest", "mx!": "Largest", "u!": "Unique"}
SUMMED = frozenset({"int", "double", "currency", "percent", "boolean"})
ORDERED = SUMMED | {"date", "datetime"}


@dataclass(frozen=True)
class Aggregate:
    """One aggregate: its kind (prefix, RowCount or FORMULA), column, data type, label and decimals."""

    name: str
    kind: str
    data_type: str
    label: str
    column: ReportColumn | None = None
    scale: int = 0
    formula: Formula | None = None


@dataclass
class Parts:
    """The partial aggregates of a report: SQL and how each merges; `places` tells where an aggregate finds its own."""

    sql: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    places: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def add(self, sql: str, kind: str) -> int:
        """The place of a partial aggregate, added if it is new."""
        for place, each in enumerate(self.sql):
            if each == sql:
                return place
        self.sql.append(sql)
        self.kinds.append(kind)
        return len(self.sql) - 1


def split_name(name: str) -> tuple[str, str]:
    """Prefix and column of an aggregate's name: ("s!", "AMOUNT")."""
    prefix, mark, column = name.partition("!")
    return (prefix + mark, column) if mark else (name, "")


def aggregate_of(statement: Statement, name: str) -> Aggregate | None:
    """The aggregate of that name; None when its column is gone; ApiError when it makes no sense."""
    if name.lower() == "rowcount":
        return Aggregate("RowCount", "RowCount", "int", "Record Count")
    formula = next((each for each in statement.definition.formulas if each.name == name), None)
    if formula is not None:
        return Aggregate(name, "FORMULA", formula.data_type, formula.label, scale=2, formula=Formula(formula.expression))
    prefix, column_name = split_name(name)
    if prefix not in KINDS:
        raise bad(f"The aggregate is not valid: {name}")
    column = statement.find(column_name)
    if column is None:
        return None
    allowed = ORDERED if prefix in {"m!", "mx!"} else SUMMED
    if prefix != "u!" and column.type not in allowed:
        raise bad(f"The aggregate is not valid for the column: {name}")
    scale = column.field.scale if column.field else 0
    data_type = "int" if prefix == "u!" else column.data_type
    if prefix == "a!" and data_type in {"int", "boolean"}:
        data_type, scale = "double", 2
    if data_type == "boolean":
        data_type = "int"
    return Aggregate(f"{prefix}{column.name}", prefix, data_type, f"{KINDS[prefix]} {column.label}", column, scale)


def aggregates_of(statement: Statement, definition: ReportDefinition) -> list[Aggregate]:
    """The aggregates of a report in order; those whose column is gone drop out."""
    return [each for each in (aggregate_of(statement, name) for name in definition.aggregates) if each]


def gather(statement: Statement, aggregates: Sequence[Aggregate]) -> Parts:
    """What SQL must compute for the aggregates. The row count always comes first."""
    parts = Parts()
    parts.add("COUNT(*)", "sum")
    parts.places["RowCount"] = (0,)
    for each in aggregates:
        _gather_one(statement, parts, each)
    return parts


def _gather_one(statement: Statement, parts: Parts, each: Aggregate) -> None:
    if each.formula is not None:
        for name in each.formula.needs:
            needed = aggregate_of(statement, name)
            if needed is None or needed.formula is not None:
                raise bad(f"The formula reads a column that does not exist: {name}")
            _gather_one(statement, parts, needed)
        return
    if each.column is None or each.name in parts.places:
        return
    sql = statement.sql(each.column)
    if each.kind == "u!":
        parts.places[each.name] = ()
    elif each.kind == "a!":
        parts.places[each.name] = (parts.add(f"SUM({sql})", "sum"), parts.add(f"COUNT({sql})", "sum"))
    else:
        function, kind = {"s!": ("SUM", "sum"), "m!": ("MIN", "min"), "mx!": ("MAX", "max")}[each.kind]
        parts.places[each.name] = (parts.add(f"{function}({sql})", kind),)


def value_of(each: Aggregate, parts: Parts, found: Sequence[Any] | None, unique: Mapping[str, int]) -> Any:
    """The value of an aggregate in one cell; empty cells give 0, dates None."""
    empty = None if each.data_type in {"date", "datetime"} else 0
    if each.kind == "u!":
        return unique.get(each.name, 0)
    if each.formula is not None:
        names = {name: _number(name, parts, found, unique) for name in each.formula.needs}
        value = each.formula.compute(names)
        return None if value is None else plain_number(value)
    value = _number(each.name, parts, found, unique)
    return empty if value is None else plain_number(value)


def _number(name: str, parts: Parts, found: Sequence[Any] | None, unique: Mapping[str, int]) -> Any:
    """The number behind a name: a part, a quotient of two, or a count of distinct values."""
    places = parts.places.get(name, ())
    if not places:
        return unique.get(name, 0)
    if found is None:
        return None
    if len(places) == 1:
        return found[places[0]]
    total, count = found[places[0]], found[places[1]]
    return total / count if count else None


def label_of(each: Aggregate, value: Any, locale: str, currency: str) -> str:
    """The value as the locale writes it."""
    return number_label(value, each.data_type, each.scale, locale, currency)
