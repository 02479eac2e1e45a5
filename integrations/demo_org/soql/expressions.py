"""Compiles fields and functions to SQL terms."""
# ruff: noqa: S608 - the SQL is built from the schema's own names; every value is a parameter.

import math

from integrations.demo_org.soql import faults
from integrations.demo_org.soql.dates import local_sql
from integrations.demo_org.soql.functions import AGGREGATES, DATE_PARTS, DATETIME_ONLY, EARTH_RADIUS
from integrations.demo_org.soql.scope import COMPOUND, Build, Scope, Term, quote_text
from integrations.demo_org.soql.tree import Call, Expression, Path, Value

NUMBERS = frozenset({"int", "long", "double", "currency", "percent"})
SUMMED = frozenset({"SUM", "AVG"})


class Expressions:
    """Compiles the expressions of one SELECT."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.build: Build = scope.build

    def term(self, expression: Expression) -> Term:
        """The SQL of a field or a function."""
        if isinstance(expression, Path):
            return self.scope.resolve(expression)
        if expression.name in AGGREGATES:
            return self.aggregate(expression)
        if expression.name in DATE_PARTS:
            return self.date_part(expression)
        known = {
            "TOLABEL": self.label, "FORMAT": self.formatted, "CONVERTCURRENCY": self.converted, "DISTANCE": self.distance,
            "CONVERTTIMEZONE": self.local,
        }  # fmt: skip
        if expression.name not in known:
            raise faults.unexpected(self.build.text, expression.at, expression.name)
        return known[expression.name](expression)

    def _only(self, call: Call) -> Expression:
        """The single argument of a function."""
        if len(call.args) != 1 or isinstance(call.args[0], Value):
            raise faults.unexpected(self.build.text, call.at, call.name)
        return call.args[0]

    # -- aggregates --------------------------------------------------------------------------------------------------

    def aggregate(self, call: Call) -> Term:
        """COUNT, COUNT_DISTINCT, SUM, AVG, MIN, MAX."""
        if call.name == "COUNT" and not call.args:
            return Term("COUNT(*)", "int", "COUNT", at=call.at, aggregate=True)
        inner = self.term(self._only(call))
        self._check_aggregate(call, inner)
        if call.name in {"COUNT", "COUNT_DISTINCT"}:
            distinct = "DISTINCT " if call.name == "COUNT_DISTINCT" else ""
            return Term(f"COUNT({distinct}{inner.sql})", "int", inner.name, at=call.at, aggregate=True)
        kind = "double" if call.name == "AVG" and inner.type in {"int", "long"} else inner.type
        return Term(f"{call.name}({inner.sql})", kind, inner.name, inner.field, inner.entity, call.at, aggregate=True)

    def _check_aggregate(self, call: Call, inner: Term) -> None:
        """Sums need numbers; long text knows no aggregate at all."""
        field = inner.field
        fits = inner.type in NUMBERS if call.name in SUMMED else inner.type not in COMPOUND | {"boolean"}
        if call.name in {"COUNT", "COUNT_DISTINCT"}:
            fits = inner.type not in COMPOUND
        if not fits or (field is not None and not field.aggregatable and field.type != "id"):
            sentence = f"field {inner.name} does not support aggregate operator {call.name}"
            raise faults.fault(self.build.text, call.at, sentence)

    # -- dates -------------------------------------------------------------------------------------------------------

    def date_part(self, call: Call) -> Term:
        """CALENDAR_YEAR(CreatedDate) and its kin; datetimes count in UTC unless convertTimezone() is around them."""
        inner = self.term(self._only(call))
        allowed = {"datetime"} if call.name in DATETIME_ONLY else {"date", "datetime"}
        if inner.type not in allowed:
            sentence = f"Invalid argument of function {call.name}: {inner.name} is not a {' or '.join(sorted(allowed))} field"
            raise faults.fault(self.build.text, call.at, sentence, "INVALID_FIELD")
        sql = DATE_PARTS[call.name].format(inner.sql, self.build.calendar.fiscal_start)
        return Term(sql, "date" if call.name == "DAY_ONLY" else "int", inner.name, None, inner.entity, call.at)

    def local(self, call: Call) -> Term:
        """convertTimezone(CreatedDate), only meaningful inside a date function."""
        inner = self.term(self._only(call))
        if inner.type != "datetime":
            raise faults.fault(self.build.text, call.at, f"convertTimezone needs a dateTime field, not '{inner.name}'")
        calendar = self.build.calendar
        sql = local_sql(inner.sql, calendar.time_zone, calendar.now.year)
        return Term(sql, "datetime", inner.name, None, inner.entity, call.at)

    # -- conversions -------------------------------------------------------------------------------------------------

    def label(self, call: Call) -> Term:
        """toLabel(Status): the label of a picklist value."""
        inner = self.term(self._only(call))
        pairs = [(each.value, each.label) for each in (inner.field.picklist if inner.field else ()) if each.label != each.value]
        if not pairs:
            return inner
        cases = " ".join(f"WHEN {quote_text(value)} THEN {quote_text(label)}" for value, label in pairs)
        sql = f"(CASE {inner.sql} {cases} ELSE {inner.sql} END COLLATE NOCASE)"
        return Term(sql, "string", inner.name, inner.field, inner.entity, call.at)

    def formatted(self, call: Call) -> Term:
        """FORMAT(Amount): the value as the user's locale writes it."""
        inner = self.term(self._only(call))
        if inner.type not in NUMBERS | {"date", "datetime", "time"}:
            raise faults.fault(self.build.text, call.at, f"field {inner.name} does not support FORMAT", "INVALID_FIELD")
        scale = inner.field.scale if inner.field else 0
        calendar = self.build.calendar
        column = local_sql(inner.sql, calendar.time_zone, calendar.now.year) if inner.type == "datetime" else inner.sql
        sql = f"sf_format({column}, '{inner.type}', {scale}, {quote_text(calendar.locale)})"
        return Term(sql, "string", inner.name, None, inner.entity, call.at, inner.aggregate)

    def converted(self, call: Call) -> Term:
        """convertCurrency(Amount): in the user's currency, which is the corporate one."""
        argument = self._only(call)
        inner = self.term(argument)
        if inner.type != "currency":
            sentence = f"convertCurrency is not supported on field '{inner.name}'"
            raise faults.fault(self.build.text, call.at, sentence, "INVALID_FIELD")
        code = self._code_of(argument)
        if code is None or not self.build.schema.find("CurrencyType"):
            return inner
        rate = f'(SELECT "ConversionRate" FROM "CurrencyType" WHERE "IsoCode" = {code})'
        return Term(f"({inner.sql} / ifnull({rate}, 1.0))", "currency", inner.name, inner.field, inner.entity, call.at)

    def _code_of(self, argument: Expression) -> str | None:
        """The currency code beside an amount, NULL-safe; None in a single-currency org."""
        if not isinstance(argument, Path):
            return None
        names = self.scope.own_names(argument)
        step = self.scope.step(argument, names[:-1])
        return f'{step.tables[0][1]}."CurrencyIsoCode"' if step.kind.find("CurrencyIsoCode") else None

    # -- places ------------------------------------------------------------------------------------------------------

    def distance(self, call: Call) -> Term:
        """DISTANCE(Location__c, GEOLOCATION(37.7, -122.4), 'mi'): great-circle distance in miles or kilometers."""
        if len(call.args) != 3:
            raise faults.unexpected(self.build.text, call.at, call.name)
        first, second, unit = call.args
        radius = EARTH_RADIUS.get(unit.value.lower()) if isinstance(unit, Value) else None
        if radius is None:
            raise faults.fault(self.build.text, call.at, "The unit of DISTANCE must be 'mi' or 'km'")
        (lat1, lon1), (lat2, lon2) = self._point(first, call), self._point(second, call)
        return Term(f"sf_distance({lat1}, {lon1}, {lat2}, {lon2}, {radius})", "double", "DISTANCE", at=call.at)

    def _point(self, argument: Path | Call | Value, call: Call) -> tuple[str, str]:
        """Latitude and longitude as SQL."""
        if isinstance(argument, Path):
            return self._stored_point(argument)
        numbers = [each for each in argument.args if isinstance(each, Value)] if isinstance(argument, Call) else []
        if not isinstance(argument, Call) or argument.name != "GEOLOCATION" or len(numbers) != 2:
            raise faults.unexpected(self.build.text, call.at, call.name)
        latitude, longitude = (float(each.value) for each in numbers if each.kind == "number")
        if not (math.fabs(latitude) <= 90 and math.fabs(longitude) <= 180):
            raise faults.fault(self.build.text, argument.at, "Invalid geolocation")
        return repr(latitude), repr(longitude)

    def _stored_point(self, path: Path) -> tuple[str, str]:
        term = self.scope.resolve(path)
        names = self.scope.own_names(path)
        step = self.scope.step(path, names[:-1])
        parts = {each.name.lower(): each for each in step.kind.fields if each.compound == term.name}
        found = {key: next((f for name, f in parts.items() if key in name), None) for key in ("latitude", "longitude")}
        if term.type not in COMPOUND or not all(found.values()):
            raise faults.fault(self.build.text, path.at, f"field '{term.name}' is not a location", "INVALID_FIELD")
        alias = step.tables[0][1]
        return tuple(f'{alias}."{each.name}"' for each in found.values() if each)  # pyright: ignore[reportReturnType]
