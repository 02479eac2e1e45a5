"""Turning what clients send (JSON values, CSV text) into what is stored, a column at a time.

Each distinct value is converted once and spread by C-level maps, so that a wide bulk load stays quick.
Texts follow Salesforce's answers; where the JSON way and the CSV way differ, both are here.
"""

import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from itertools import repeat

from integrations.demo_org.rows import UNSET, RowError
from integrations.demo_org.schema.types import Field

NULL_CSV = "#N/A"
EMAIL = re.compile(
    r"[^@\s,;<>()\[\]\\\"]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+"
)
TRUE, FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no"})
WHOLE = frozenset({"int", "long"})
NUMBERS = frozenset({"double", "currency", "percent"}) | WHOLE
# whole numbers of so many digits fit every field
SURE_DIGITS = 9
EARLIEST_YEAR, LATEST_YEAR = 1700, 4000
Converted = tuple[Sequence[object], dict[int, RowError]]


class Unfit(Exception):
    """A value that a field does not take."""

    def __init__(self, code: str, message: str, *, fields: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.error = RowError(code, message, fields)


def convert_column(made: Field, column: Sequence[object], *, source: str) -> Converted:
    """The stored values of a column, and the rows that do not fit. `source` is rest or bulk (CSV text)."""
    types = set(map(type, column))
    if made.is_text and types == {str} and made.type not in {"email", "picklist", "multipicklist"}:
        return _convert_texts(made, column, source=source)
    if made.type in NUMBERS and types == {str} and "" not in column:
        quick = _convert_whole(column) if made.type in WHOLE else _convert_numbers(made, column)
        if quick is not None:
            return quick, {}
    return _convert_distinct(made, column, types, source=source)


def _convert_texts(made: Field, column: Sequence[object], *, source: str) -> Converted:
    """A column of plain texts: trailing blanks go, empty is null (CSV: untouched), too long is refused."""
    values: list[object] = list(map(str.rstrip, column))  # type: ignore[arg-type]
    errors: dict[int, RowError] = {}
    if made.length and max(map(len, values), default=0) > made.length:  # type: ignore[arg-type]
        long = [row for row, value in enumerate(values) if len(value) > made.length]  # type: ignore[arg-type]
        errors = {row: _too_long(made, str(values[row])) for row in long}
    if source == "bulk":
        if "" in values:
            values = [value or UNSET for value in values]
        if NULL_CSV in values:
            values = [None if value == NULL_CSV else value for value in values]
    elif "" in values:
        values = [value or None for value in values]
    return values, errors


def _convert_whole(column: Sequence[object]) -> Sequence[object] | None:
    """A column of short, plain digits in one go; None if any of them needs a closer look."""
    if max(map(len, column)) > SURE_DIGITS or not all(map(str.isdecimal, column)) or not all(map(str.isascii, column)):  # type: ignore[arg-type]
        return None
    return list(map(int, column))  # type: ignore[arg-type]


def _convert_numbers(made: Field, column: Sequence[object]) -> list[float] | None:
    """A column of number texts in one go; None if any of them needs a closer look."""
    try:
        values = list(map(float, column))  # type: ignore[arg-type]
    except ValueError:
        return None
    if "_" in "".join(column):  # type: ignore[arg-type]
        return None
    if not math.isfinite(math.fsum(values)) or max(map(abs, values), default=0) >= 10.0 ** _whole_digits(made):
        return None
    rounded = list(map(round, values, repeat(made.scale)))
    if rounded == values:
        return values
    return [a if a == b else _round(text, made.scale) for a, b, text in zip(values, rounded, column, strict=True)]


def _convert_distinct(made: Field, column: Sequence[object], types: set[type], *, source: str) -> Converted:
    """A column by way of its distinct values (row by row if they cannot be told apart by hash)."""
    convert = converter(made, source=source)
    if types <= {str, type(None)} or (len(types) == 1 and types <= {bool, int, float, str}):
        table: dict[object, object] = {}
        bad: dict[object, RowError] = {}
        for value in set(column):
            try:
                table[value] = convert(value)
            except Unfit as unfit:
                table[value], bad[value] = None, unfit.error
        errors = {row: bad[value] for row, value in enumerate(column) if value in bad} if bad else {}
        return list(map(table.__getitem__, column)), errors
    values, errors = [], {}
    for row, value in enumerate(column):
        try:
            values.append(convert(value))
        except Unfit as unfit:
            values.append(None)
            errors[row] = unfit.error
    return values, errors


def converter(made: Field, *, source: str) -> Callable[[object], object]:
    """The function that turns one value of a field into its stored form; it raises Unfit."""
    inner = CONVERTERS.get(made.type, _text)

    def convert(value: object) -> object:
        if isinstance(value, str):
            value = value.rstrip()
        if source == "bulk":
            if value == "":
                return UNSET
            if value == NULL_CSV:
                value = None
        if value is None or value == "":
            return 0 if made.type == "boolean" else None
        try:
            return inner(made, value)
        except (ValueError, InvalidOperation, OverflowError) as problem:
            raise wrong_type(made, value, source=source) from problem

    return convert


def wrong_type(made: Field, value: object, *, source: str) -> Unfit:
    """The refusal of a value whose type is wrong: the JSON parser's for REST, a row error for bulk."""
    if source == "bulk":
        text = f"{made.label}: value not of required type: {value}"
        return Unfit("INVALID_TYPE_ON_FIELD_IN_RECORD", text, fields=(made.name,))
    kind = JAVA_TYPES.get(made.type, "string")
    token, shown = _token(value)
    text = f"Cannot deserialize instance of {kind} from {token} value {shown} or request may be missing a required field at "
    return Unfit("JSON_PARSER_ERROR", text + "[line:1, column:2]")


def _token(value: object) -> tuple[str, str]:
    """What the JSON parser calls a value, and how it shows it."""
    if isinstance(value, bool):
        return f"VALUE_{str(value).upper()}", str(value).lower()
    if isinstance(value, int):
        return "VALUE_NUMBER_INT", str(value)
    if isinstance(value, float):
        return "VALUE_NUMBER_FLOAT", str(value)
    if isinstance(value, dict):
        return "START_OBJECT", "{"
    return ("START_ARRAY", "[") if isinstance(value, list) else ("VALUE_STRING", str(value))


def _need_text(value: object) -> str:
    """The value if it is a text; a ValueError (wrong type) otherwise."""
    if not isinstance(value, str):
        raise ValueError("not a text")
    return value


def _too_long(made: Field, value: str) -> RowError:
    text = f"{made.label}: data value too large: {value} (max length={made.length})"
    return RowError("STRING_TOO_LONG", text, (made.name,))


def _text(made: Field, value: object) -> str:
    """Any text with a maximal length."""
    text = _need_text(value)
    if made.length and len(text) > made.length:
        raise Unfit("STRING_TOO_LONG", _too_long(made, text).message, fields=(made.name,))
    return text


def _email(made: Field, value: object) -> str:
    """An e-mail address."""
    text = _text(made, value)
    if not EMAIL.fullmatch(text):
        raise Unfit("INVALID_EMAIL_ADDRESS", f"{made.label}: invalid email address: {text}", fields=(made.name,))
    return text


def _picklist(made: Field, value: object) -> str:
    """One picklist value, in the spelling of the definition; unknown ones only if the list is not restricted."""
    text = _text(made, value)
    known = next((each.value for each in made.picklist if each.value.casefold() == text.casefold() and each.active), None)
    if known is None and made.restricted_picklist:
        message = f"{made.label}: bad value for restricted picklist field: {text}"
        raise Unfit("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, fields=(made.name,))
    return known or text


def _multipicklist(made: Field, value: object) -> str:
    """Several picklist values, each once, in the order of the definition."""
    chosen = dict.fromkeys(_picklist(made, part.strip()) for part in _need_text(value).split(";") if part.strip())
    order = {each.value: position for position, each in enumerate(made.picklist)}
    return ";".join(sorted(chosen, key=lambda each: order.get(each, len(order))))


def _boolean(_made: Field, value: object) -> int:
    """A checkbox; the texts true and false count too."""
    if isinstance(value, bool):
        return int(value)
    word = _need_text(value).strip().lower()
    if word in TRUE:
        return 1
    if word in FALSE:
        return 0
    raise ValueError(word)


def _decimal(value: object) -> Decimal:
    """The number that a value says; Python's digit groups (1_000) are not known here."""
    text = str(value).strip()
    if "_" in text:
        raise ValueError(text)
    return Decimal(text)


def _whole(made: Field, value: object) -> int:
    """An integer."""
    if isinstance(value, bool):
        raise ValueError("not a number")
    number = _decimal(value)
    if not number.is_finite() or number != number.to_integral_value():
        raise ValueError(value)
    if abs(number) >= 10 ** (made.digits or 9) and abs(number) > 2_147_483_647:
        raise _out_of_range(made, value)
    return int(number)


def _number(made: Field, value: object) -> float:
    """A decimal number, rounded half up to the field's scale."""
    if isinstance(value, bool):
        raise ValueError("not a number")
    number = _decimal(value)
    if not number.is_finite():
        raise ValueError(value)
    if abs(number) >= Decimal(10) ** _whole_digits(made):
        raise _out_of_range(made, value)
    return _round(str(number), made.scale)


def _whole_digits(made: Field) -> int:
    """How many digits may stand before the decimal point."""
    return max((made.precision or 18) - made.scale, 1)


def _round(text: object, scale: int) -> float:
    """A number text rounded half up to `scale` digits."""
    return float(Decimal(str(text).strip()).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)) + 0.0


def _out_of_range(made: Field, value: object) -> Unfit:
    text = f"{made.label}: value outside of valid range on numeric field: {value}"
    return Unfit("NUMBER_OUTSIDE_VALID_RANGE", text, fields=(made.name,))


def _check_year(year: int) -> None:
    if not EARLIEST_YEAR <= year <= LATEST_YEAR:
        raise ValueError(year)


def _date(_made: Field, value: object) -> str:
    """A day. Of a full instant only the day is kept."""
    text = _need_text(value)
    day = date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text).date()
    _check_year(day.year)
    return day.isoformat()


def _datetime(_made: Field, value: object) -> str:
    """An instant; it must say its offset. Stored in UTC with whole seconds."""
    moment = datetime.fromisoformat(_need_text(value))
    if moment.tzinfo is None:
        raise ValueError(value)
    moment = moment.astimezone(UTC)
    _check_year(moment.year)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _time(_made: Field, value: object) -> str:
    """A time of day."""
    return time.fromisoformat(_need_text(value).removesuffix("Z")).strftime("%H:%M:%S.000Z")


def _id(_made: Field, value: object) -> str:
    """An id as sent; its form and its target are checked against the records later."""
    return _need_text(value)


JAVA_TYPES = {
    "boolean": "boolean", "int": "int", "long": "long", "double": "double", "currency": "double", "percent": "double",
    "date": "date", "datetime": "datetime", "time": "time",
}  # fmt: skip
CONVERTERS: dict[str, Callable[[Field, object], object]] = {
    "email": _email, "picklist": _picklist, "multipicklist": _multipicklist, "boolean": _boolean, "int": _whole,
    "long": _whole, "double": _number, "currency": _number, "percent": _number, "date": _date, "datetime": _datetime,
    "time": _time, "id": _id, "reference": _id,
}  # fmt: skip
