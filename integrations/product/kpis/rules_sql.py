"""Feature rules as SQL conditions over events, for whole days at once; `rules.fits` decides the same for one event.

Texts of people travel as parameters, never inside the statement.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from integrations.lake.dialect import Dialect
from integrations.product.kpis.rules import NUMBER_OPS, Condition, Rule, number_of, text_of

KINDS = {"duckdb": "TRY(json_type(properties, {path}))", "clickhouse": "toString(JSONType(ifNull(properties, ''), {path}))"}
TEXTS = {
    "duckdb": "TRY(json_extract_string(properties, {path}))",
    "clickhouse": (
        "if(JSONType(ifNull(properties, ''), {path}) = 'String', JSONExtractString(ifNull(properties, ''), {path}), "
        "JSONExtractRaw(ifNull(properties, ''), {path}))"
    ),
}
NUMBERS = {"duckdb": "'BIGINT', 'UBIGINT', 'DOUBLE', 'HUGEINT', 'UHUGEINT'", "clickhouse": "'Int64', 'UInt64', 'Double'"}
NESTED = {"duckdb": "'OBJECT', 'ARRAY'", "clickhouse": "'Object', 'Array'"}
NULL = {"duckdb": "'NULL'", "clickhouse": "'Null'"}
SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


@dataclass
class Conditions:
    """Conditions of one statement, with the parameters that they name."""

    dialect: Dialect
    params: dict[str, str | Decimal] = field(default_factory=dict)
    uses_properties: bool = False

    def of_rules(self, rules: Sequence[Rule]) -> str:
        """A condition that is never null: whether the event is one of the feature."""
        return "(" + " OR ".join(self._rule(each) for each in rules) + ")"

    def _rule(self, rule: Rule) -> str:
        event = self._param(rule.event)
        name = {
            "is": f"name = {event}", "starts_with": f"{{{{starts_with(name, {event})}}}}",
            "matches": f"{{{{matches(name, {event})}}}}",
        }[rule.match]  # fmt: skip
        parts = [f"coalesce({name}, false)", *(self._condition(each) for each in rule.where)]
        return "(" + " AND ".join(parts) + ")"

    def _condition(self, condition: Condition) -> str:
        self.uses_properties = True
        name = self.dialect.name
        path = self._param(self._path(condition.property))
        kind = KINDS[name].format(path=path)
        if condition.op == "exists":
            return f"coalesce({kind} <> {NULL[name]}, false)"
        if condition.op == "missing":
            return f"coalesce({kind} = {NULL[name]}, true)"
        text = f"CASE WHEN {kind} IN ({NULL[name]}, {NESTED[name]}) THEN NULL ELSE {TEXTS[name].format(path=path)} END"
        compared = f"coalesce({self._comparison(condition, kind, text)}, false)"
        return f"NOT {compared}" if condition.op == "is_not" else compared

    def _comparison(self, condition: Condition, kind: str, text: str) -> str:
        """Null where the property is missing or of another kind."""
        if condition.op in ("is", "is_not"):
            return self._equals(condition, kind, text)
        if condition.op in NUMBER_OPS:
            assert isinstance(condition.value, Decimal)
            return f"{{{{try_number({text})}}}} {SIGNS[condition.op]} {self._number(condition.value)}"
        is_number = f"{kind} IN ({NUMBERS[self.dialect.name]})"
        plain = f"CASE WHEN {is_number} THEN {{{{replace_all({text}, '[.]0$', '')}}}} ELSE {text} END"  # 5.0 reads as 5
        wanted = self._param(str(condition.value))
        if condition.op == "contains":
            return f"{{{{position({plain}, {wanted})}}}} > 0"
        return f"{{{{starts_with({plain}, {wanted})}}}}"

    def _equals(self, condition: Condition, kind: str, text: str) -> str:
        value = condition.value
        if isinstance(value, Decimal):
            return f"{{{{try_number({text})}}}} = {self._number(value)}"
        plain = f"{text} = {self._param(text_of(value) or '')}"
        is_number = f"{kind} IN ({NUMBERS[self.dialect.name]})"
        number = number_of(value) if isinstance(value, str) else None
        if number is None:
            return f"(NOT {is_number} AND {plain})"
        return f"CASE WHEN {is_number} THEN {{{{try_number({text})}}}} = {self._number(number)} ELSE {plain} END"

    def _number(self, value: Decimal) -> str:
        return f"CAST({self._param(value)} AS {{{{number}}}})"

    def _param(self, value: str | Decimal) -> str:
        name = f"rule{len(self.params)}"
        self.params[name] = value
        return f"${name}"

    def _path(self, name: str) -> str:
        """How the engine names a member of the outermost object; dots and slashes in it are part of the name."""
        return "/" + name.replace("~", "~0").replace("/", "~1") if self.dialect.name == "duckdb" else name
