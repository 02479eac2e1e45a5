"""Report filters to SQL: columns, operators, lists of values, filter logic, and the standard date filter."""

import csv
import re
from collections.abc import Sequence
from datetime import date, timedelta

from integrations.demo_org import ids
from integrations.demo_org.errors import ApiError
from integrations.demo_org.reports.definition import DateFilter, Filter
from integrations.demo_org.soql.conditions import Sql
from integrations.demo_org.soql.dates import COUNTED, PLAIN, Calendar
from integrations.demo_org.soql.literals import variants

TEXT = (
    "equals",
    "notEqual",
    "lessThan",
    "greaterThan",
    "lessOrEqual",
    "greaterOrEqual",
    "contains",
    "notContain",
    "startsWith",
)
ORDERED = TEXT[:6]
OPERATORS: dict[str, tuple[str, ...]] = {
    "date": ORDERED, "string": TEXT, "double": ORDERED, "picklist": TEXT, "textarea": TEXT, "percent": ORDERED, "int": ORDERED,
    "url": TEXT, "reference": ("equals", "notEqual", "startsWith"), "datetime": ORDERED, "boolean": ("equals", "notEqual"),
    "phone": TEXT, "currency": ORDERED, "html": TEXT, "id": ("equals", "notEqual", "startsWith"), "email": TEXT,
    "multipicklist": ("equals", "notEqual", "includes", "excludes"),
}  # fmt: skip
SIGNS = {"lessThan": "<", "greaterThan": ">", "lessOrEqual": "<=", "greaterOrEqual": ">="}
ROLLING = re.compile(r"(LAST|NEXT)_(\d+)_(DAYS|WEEKS|MONTHS|QUARTERS|YEARS|FISCAL_QUARTERS|FISCAL_YEARS)")
LOGIC = re.compile(r"\s*(\d+|AND|OR|NOT|\(|\))", re.IGNORECASE)
NUMBERS = frozenset({"double", "int", "currency", "percent"})
MAX_FILTERS = 20


def bad(sentence: str) -> ApiError:
    """A report that cannot be run as asked."""
    return ApiError(400, "BAD_REQUEST", sentence)


# -- dates -----------------------------------------------------------------------------------------------------------


def duration_days(duration: str, calendar: Calendar) -> tuple[date, date] | None:
    """First and last day of a duration such as THIS_FISCAL_QUARTER or LAST_N_DAYS:90; None when there is no such duration."""
    name, _, number = duration.upper().partition(":")
    rolling = ROLLING.fullmatch(name)
    if rolling:
        name, number = f"{rolling[1]}_N_{rolling[3]}", rolling[2]
    if (name in COUNTED and not number.isdigit()) or name not in COUNTED | PLAIN:
        return None
    first, after = calendar.period(name, int(number) if number else None)
    return first, after - timedelta(days=1)


def date_filter_days(asked: DateFilter, calendar: Calendar) -> tuple[str | None, str | None]:
    """First and last day (ISO) of the standard date filter as of now; None is open."""
    if asked.duration == "CUSTOM" or not asked.duration:
        return asked.start, asked.end
    days = duration_days(asked.duration, calendar)
    if days is None:
        raise bad(f"The duration value of the standard date filter is not valid: {asked.duration}")
    return days[0].isoformat(), days[1].isoformat()


def between_days(sql: str, kind: str, first: str | None, last: str | None, calendar: Calendar) -> Sql:
    """Rows from `first` to `last`, both included, in the user's time zone."""
    parts, params = [], []
    if first:
        parts.append(f"{sql} >= ?")
        params.append(_edge(first, kind, calendar))
    if last:
        parts.append(f"{sql} < ?")
        params.append(_edge((_day(last) + timedelta(days=1)).isoformat(), kind, calendar))
    return Sql(f"({' AND '.join(parts)})" if parts else "1", list(params))


def _edge(day: str, kind: str, calendar: Calendar) -> str:
    return calendar.midnight(_day(day)) if kind == "datetime" else _day(day).isoformat()


def _day(text: str) -> date:
    """A day written as YYYY-MM-DD (a time after it is ignored) or m/d/yyyy."""
    found = re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{4})", text.strip())
    try:
        return date(int(found[3]), int(found[1]), int(found[2])) if found else date.fromisoformat(text.strip()[:10])
    except ValueError:
        raise bad(f"The date value is not valid: {text}") from None


# -- one filter ------------------------------------------------------------------------------------------------------


def filter_sql(sql: str, kind: str, asked: Filter, calendar: Calendar, *, case_sensitive: bool = False) -> Sql:
    """The condition of one filter on a column of report type `kind`."""
    if asked.operator not in OPERATORS.get(kind, TEXT):
        raise bad(f"The filter operator is not valid for {asked.column}: {asked.operator}")
    values = split_values(asked.value)
    if kind in {"date", "datetime"}:
        return _any([_date_sql(sql, kind, asked.operator, each, calendar) for each in values], asked.operator)
    if kind in NUMBERS:
        return _any([_number_sql(sql, asked, each) for each in values], asked.operator)
    if kind == "boolean":
        return _any([_boolean_sql(sql, asked, each) for each in values], asked.operator)
    if kind == "multipicklist":
        return _any([_member_sql(sql, asked.operator, each) for each in values], asked.operator)
    if kind == "id":
        values = [_id(each) for each in values]
    return _any([_text_sql(sql, asked.operator, each) for each in values], asked.operator)


def split_values(text: str | None) -> list[str]:
    """Alternatives between commas; quotes keep a comma. An empty value means: is empty."""
    if not text:
        return [""]
    row = next(csv.reader([text], skipinitialspace=True), [""])
    return [each.strip() for each in row]


def _any(parts: list[Sql], operator: str) -> Sql:
    """Alternatives: any of them for positive operators, all of them for negative ones."""
    joiner = " AND " if operator in {"notEqual", "notContain", "excludes"} else " OR "
    return Sql(f"({joiner.join(each.text for each in parts)})", [value for each in parts for value in each.params])


def _date_sql(sql: str, kind: str, operator: str, value: str, calendar: Calendar) -> Sql:
    if not value:
        return _empty_sql(sql, operator)
    days = duration_days(value.replace(" ", "_"), calendar)
    first, last = days if days else (_day(value), _day(value))
    start, after = _edge(first.isoformat(), kind, calendar), _edge((last + timedelta(days=1)).isoformat(), kind, calendar)
    if operator == "equals":
        return Sql(f"({sql} >= ? AND {sql} < ?)", [start, after])
    if operator == "notEqual":
        return Sql(f"({sql} IS NULL OR {sql} < ? OR {sql} >= ?)", [start, after])
    bound = {
        "lessThan": ("<", start),
        "lessOrEqual": ("<", after),
        "greaterThan": (">=", after),
        "greaterOrEqual": (">=", start),
    }
    sign, edge = bound[operator]
    return Sql(f"{sql} {sign} ?", [edge])


def _number_sql(sql: str, asked: Filter, value: str) -> Sql:
    if not value:
        return _empty_sql(sql, asked.operator)
    text = value.replace(",", "").lstrip("$€£¥").rstrip("%")
    try:
        number = float(text)
    except ValueError:
        raise bad(f"The filter value for {asked.column} is not a number: {value}") from None
    if asked.operator == "equals":
        return Sql(f"{sql} = ?", [number])
    if asked.operator == "notEqual":
        return Sql(f"{sql} IS NOT ?", [number])
    return Sql(f"{sql} {SIGNS[asked.operator]} ?", [number])


def _boolean_sql(sql: str, asked: Filter, value: str) -> Sql:
    truth = {"true": 1, "1": 1, "yes": 1, "false": 0, "0": 0, "no": 0}.get(value.lower())
    if truth is None:
        raise bad(f"The filter value for {asked.column} is not true or false: {value}")
    return Sql(f"ifnull({sql}, 0) {'=' if asked.operator == 'equals' else '!='} ?", [truth])


def _member_sql(sql: str, operator: str, value: str) -> Sql:
    if not value:
        return _empty_sql(sql, "equals" if operator in {"equals", "includes"} else "notEqual")
    whole = f"(';' || ifnull({sql}, '') || ';') LIKE ? ESCAPE '\\'"
    if operator in {"equals", "notEqual"}:
        return Sql(f"{sql} IS {'NOT ' if operator == 'notEqual' else ''}?", [value])
    return Sql(f"NOT {whole}" if operator == "excludes" else whole, [f"%;{_pattern(value)};%"])


def _text_sql(sql: str, operator: str, value: str) -> Sql:
    if not value and operator in {"equals", "notEqual"}:
        return _empty_sql(sql, operator)
    if operator in SIGNS:
        return Sql(f"{sql} {SIGNS[operator]} ?", [value])
    forms = variants(value) or [value]
    if operator in {"equals", "notEqual"}:
        found = f"ifnull({sql} IN ({', '.join('?' * len(forms))}), 0)"
        return Sql(f"NOT {found}" if operator == "notEqual" else found, list(forms))
    shape = "{}%" if operator == "startsWith" else "%{}%"
    likes = " OR ".join([f"{sql} LIKE ? ESCAPE '\\'"] * len(forms))
    text = f"ifnull(({likes}), 0)"
    return Sql(f"NOT {text}" if operator == "notContain" else text, [shape.format(_pattern(each)) for each in forms])


def _empty_sql(sql: str, operator: str) -> Sql:
    """Is empty; or is not."""
    return Sql(f"{sql} IS {'NOT ' if operator != 'equals' else ''}NULL", [])


def _id(value: str) -> str:
    try:
        return ids.to_18(value)
    except ValueError:
        return value


def _pattern(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


# -- logic -----------------------------------------------------------------------------------------------------------


def join_filters(parts: Sequence[Sql], logic: str | None) -> Sql:
    """All filters joined by the filter logic `(1 AND 2) OR 3`, or by AND when there is none."""
    if not parts:
        return Sql("1", [])
    if not logic:
        return Sql(" AND ".join(each.text for each in parts), [value for each in parts for value in each.params])
    return _Logic(logic, parts).whole()


class _Logic:
    """Reads filter logic. Each filter must be used; AND and OR do not mix without parentheses."""

    def __init__(self, text: str, parts: Sequence[Sql]) -> None:
        self.text = text
        self.parts = parts
        self.tokens = [found.group(1).upper() for found in LOGIC.finditer(text)]
        self.used: set[int] = set()
        if "".join(self.tokens) != re.sub(r"\s", "", text).upper():
            raise self.bad()

    def bad(self) -> ApiError:
        return bad(f"The filter logic is not valid: {self.text}")

    def whole(self) -> Sql:
        found = self.joined()
        if self.tokens or len(self.used) < len(self.parts):
            raise self.bad()
        return found

    def peek(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def joined(self) -> Sql:
        parts = [self.one()]
        operator = self.peek() if self.peek() in {"AND", "OR"} else ""
        while operator and self.peek() == operator:
            self.tokens.pop(0)
            parts.append(self.one())
        if self.peek() in {"AND", "OR"}:
            raise self.bad()
        text = f" {operator} ".join(each.text for each in parts)
        return Sql(f"({text})", [value for each in parts for value in each.params])

    def one(self) -> Sql:
        word = self.tokens.pop(0) if self.tokens else ""
        if word == "NOT":
            inner = self.one()
            return Sql(f"NOT ifnull({inner.text}, 0)", inner.params)
        if word == "(":
            inner = self.joined()
            if not self.tokens or self.tokens.pop(0) != ")":
                raise self.bad()
            return inner
        if not word.isdigit() or not 1 <= int(word) <= len(self.parts):
            raise self.bad()
        self.used.add(int(word))
        return self.parts[int(word) - 1]
