"""One value from Salesforce to the product and back: exact, or with a notice, or refused with a reason (I-06). Pure.

Rules (PX-D10, PX-26..PX-29): numbers are decimals and round half up to the field's places; a date is midnight UTC, a time of
day is 1970-01-01 at that time UTC; multi-select values are joined with `;`; percent 12.5 means 12.5 %; text that is too long
is refused unless the pair allows cutting; picklists take API values, never labels (R-109).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any

from integrations.lake.types import PLACES
from integrations.salesforce.describe import FieldInfo
from integrations.salesforce.ids import to_18
from integrations.salesforce.values import ABSENT, FIRST_DAY, LAST_DAY, Absent, Value, read_choices, read_number
from integrations.sync.mapping.body import FieldPair
from integrations.sync.mapping.problems import Problem
from integrations.sync.mapping.stored import ProductValue
from integrations.sync.mapping.types import (
    BOOLEAN,
    CUTTABLE,
    DATE_TIME,
    IN_WORDS,
    LISTED,
    NUMBER,
    PRODUCT_TYPE_OF,
    STRING,
    TYPE_LABELS,
)

EPOCH_DAY = date(1970, 1, 1)
INT_LIMIT = 2_147_483_647
SHOWN_VALUES = 20  # of a list in a message
EXACT = Context(prec=60)
# What Salesforce takes as an e-mail address: no spaces, quotes, commas or brackets before the @, a domain with a dot after it.
EMAIL = re.compile(
    r"[^@\s,;<>()\[\]\\\"]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+"
)
NOTICES = {
    "rounded": "rounded half up to the field's decimal places",
    "cut": "cut to the field's length",
    "trimmed": "blanks at the end left out, as Salesforce does",
    "whole_seconds": "fraction of a second left out, Salesforce keeps whole seconds",
    "day_only": "time of day left out, the field holds a day",
    "time_only": "day left out, the field holds a time of day",
    "spelling": "spelled as in the picklist",
    "repeated": "values that stood twice kept once",
}
"""What was changed on purpose, by the stable code of a notice."""


@dataclass(frozen=True, slots=True)
class Converted:
    """A value that fits. `notice` is empty, or says what was changed on the way (a key of `NOTICES`)."""

    value: Any
    notice: str = ""


BLANK = Converted(None)


def refuse(code: str, message: str) -> Problem:
    """A value that does not fit; the message never quotes more than the start of it."""
    return Problem("", code, message)


def shorten(text: str, most: int = 40) -> str:
    """The start of a value, for a message."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


# --- From Salesforce ------------------------------------------------------------------------------------------------


def convert_in(value: Value | Absent, field: FieldInfo, pair: FieldPair | None = None) -> Converted | Problem:
    """A Salesforce value as product value (str, Decimal, bool, aware UTC datetime, None for a cleared field).

    `ABSENT` stays `ABSENT`: a key that the answer did not have changes nothing (R-077).
    """
    if value is ABSENT:
        return Converted(ABSENT)
    kind = PRODUCT_TYPE_OF.get(field.type)
    if kind is None:
        return refuse("unsupported_type", f"{TYPE_LABELS.get(field.type, field.type)} fields cannot be mapped.")
    if value is None or value == "":
        return BLANK
    reader: Callable[[Any, FieldInfo, FieldPair | None], Converted | Problem] = {
        STRING: _text_in, NUMBER: _number_in, BOOLEAN: _flag_in, DATE_TIME: _moment_in,
    }[kind]  # fmt: skip
    return reader(value, field, pair)


def _text_in(value: object, field: FieldInfo, pair: FieldPair | None) -> Converted | Problem:
    wrong = _refuse_text(value)
    if wrong is not None:
        return wrong
    text = str(value)
    values = pair.values if pair else {}
    if field.type == "multipicklist":
        parts = dict.fromkeys(values.get(part, part) for part in read_choices(text))
        return Converted(";".join(part for part in parts if part) or None)
    if field.type == "id":
        return _id_of(text)
    return Converted(values.get(text, text) or None)


def _number_in(value: object, field: FieldInfo, pair: FieldPair | None) -> Converted | Problem:
    number = _number_of(value)
    return number if isinstance(number, Problem) else Converted(number)


def _flag_in(value: object, field: FieldInfo, pair: FieldPair | None) -> Converted | Problem:
    return Converted(value) if isinstance(value, bool) else refuse("not_a_flag", "Not true or false.")


def _moment_in(value: object, field: FieldInfo, pair: FieldPair | None) -> Converted | Problem:
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            return refuse("no_time_zone", "A date and time without a time zone cannot be stored.")
        return Converted(value.astimezone(UTC))
    if isinstance(value, date):
        return Converted(datetime.combine(value, time(), UTC))
    if isinstance(value, time):
        return Converted(datetime.combine(EPOCH_DAY, value.replace(tzinfo=None), UTC))
    return refuse("not_a_date", "Not a date or time.")


# --- To Salesforce --------------------------------------------------------------------------------------------------


def convert_out(value: ProductValue, kind: str, field: FieldInfo, pair: FieldPair | None = None) -> Converted | Problem:
    """A product value of type `kind` as value for the field: str, Decimal, int, bool, date, datetime, time or None (blank)."""
    theirs = PRODUCT_TYPE_OF.get(field.type)
    if theirs != kind:
        there = IN_WORDS.get(theirs or "", TYPE_LABELS.get(field.type, field.type))
        return refuse("incompatible", f"{field.label} holds {there}, not {IN_WORDS.get(kind, kind)}.")
    if value is None or value == "":
        return _blank_out(field)
    writer: Callable[[Any, FieldInfo, FieldPair | None], Converted | Problem] = {
        STRING: _text_out, NUMBER: _number_out, BOOLEAN: _flag_in, DATE_TIME: _moment_out,
    }[kind]  # fmt: skip
    return writer(value, field, pair)


def _blank_out(field: FieldInfo) -> Converted | Problem:
    if field.nillable or field.type == "boolean" or field.defaulted_on_create:
        return BLANK
    return refuse("required", f"{field.label} is required in Salesforce and cannot be blank.")


def _text_out(value: object, field: FieldInfo, pair: FieldPair | None) -> Converted | Problem:
    wrong = _refuse_text(value)
    if wrong is not None:
        return wrong
    given = str(value)
    text = given.rstrip()
    notice = "trimmed" if text != given else ""
    if not text:
        return _blank_out(field)
    values = pair.values if pair else {}
    if field.type == "multipicklist":
        return _choices_out(text, field, values)
    text = values.get(text, text)
    if not text:
        return _blank_out(field)
    if field.type in LISTED:
        return _choice_out(text, field)
    if field.type == "id":
        return _id_of(text)
    if field.type == "email" and not EMAIL.fullmatch(text):
        return refuse("not_an_email", f"{field.label}: “{shorten(text)}” is not an e-mail address.")
    return _fit(text, field, cut=bool(pair and pair.cut), notice=notice)


def _fit(text: str, field: FieldInfo, *, cut: bool, notice: str) -> Converted | Problem:
    if not field.length or len(text) <= field.length:
        return Converted(text, notice)
    if cut and field.type in CUTTABLE:
        return Converted(text[: field.length].rstrip() or None, "cut")
    return refuse("too_long", f"{field.label}: too long ({len(text):,} > {field.length:,} characters).")


def _choice_out(text: str, field: FieldInfo) -> Converted | Problem:
    """One value of a list: an active API value in any case, another text only where the list is not restricted."""
    known = _spelled(text, field)
    if known is not None:
        return Converted(known, "" if known == text else "spelling")
    if field.restricted_picklist:
        return _not_in_list(text, field)
    return _fit(text, field, cut=False, notice="")


def _choices_out(text: str, field: FieldInfo, values: Any) -> Converted | Problem:
    """Several values of a list, in the order of the list, each once."""
    given = [part.strip() for part in text.split(";") if part.strip()]
    notice = "" if len(set(given)) == len(given) else "repeated"
    chosen: dict[str, None] = {}
    for part in given:
        part = values.get(part, part)
        if not part:
            continue
        one = _choice_out(part, field)
        if isinstance(one, Problem):
            return one
        notice = notice or one.notice
        chosen[one.value] = None
    order = {choice.value: place for place, choice in enumerate(field.choices)}
    joined = ";".join(sorted(chosen, key=lambda each: order.get(each, len(order))))
    return _fit(joined, field, cut=False, notice=notice) if joined else _blank_out(field)


def _spelled(text: str, field: FieldInfo) -> str | None:
    """The list's own spelling of an active value; exact before case-insensitive."""
    active = field.active_values
    if text in active:
        return text
    folded = text.casefold()
    return next((value for value in active if value.casefold() == folded), None)


def _not_in_list(text: str, field: FieldInfo) -> Problem:
    shown = shorten(text)
    inactive = [choice.value for choice in field.choices if not choice.active]
    labelled = next((choice for choice in field.choices if choice.active and choice.label == text), None)
    if text.casefold() in {value.casefold() for value in inactive}:
        code, what = "inactive_value", f"“{shown}” is no longer an active value"
    elif labelled:
        code, what = "not_in_picklist", f"“{shown}” is a label; its API value is “{shorten(labelled.value)}”"
    else:
        code, what = "not_in_picklist", f"“{shown}” is not among the values"
    return refuse(code, f"{field.label}: {what} (allowed: {listed(field.active_values)}).")


def listed(values: Sequence[str], most: int = SHOWN_VALUES) -> str:
    """The start of a list of values, for a message."""
    shown = ", ".join(shorten(value) for value in values[:most]) or "none"
    return shown if len(values) <= most else f"{shown} and {len(values) - most:,} more"


def _number_out(value: object, field: FieldInfo, pair: FieldPair | None) -> Converted | Problem:
    number = _number_of(value)
    if isinstance(number, Problem):
        return number
    scale, digits = places_of(field)
    if number.adjusted() > 60:
        return _out_of_range(field, scale, digits)
    rounded = number.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP, context=Context(prec=100))
    limit = min(Decimal(10) ** digits, Decimal(INT_LIMIT + 1)) if field.type == "int" else Decimal(10) ** digits
    if abs(rounded) >= limit:
        return _out_of_range(field, scale, digits)
    rounded = rounded.copy_abs() if rounded.is_zero() else rounded
    return Converted(int(rounded) if field.type == "int" else rounded, "" if rounded == number else "rounded")


def places_of(field: FieldInfo) -> tuple[int, int]:
    """Decimal places, and digits before the point, that a number field of Salesforce holds."""
    if field.type == "int":
        return 0, field.digits or 10
    return min(field.scale, PLACES), max((field.precision or 18) - field.scale, 1)


def _out_of_range(field: FieldInfo, scale: int, digits: int) -> Problem:
    places = f" and {scale} after it" if scale else ""
    return refuse("out_of_range", f"{field.label}: out of range; it holds {digits} digits before the point{places}.")


def _moment_out(value: object, field: FieldInfo, pair: FieldPair | None) -> Converted | Problem:
    if not isinstance(value, datetime):
        return refuse("not_a_date", f"{field.label}: not a date and time.")
    if value.utcoffset() is None:
        return refuse("no_time_zone", f"{field.label}: a date and time without a time zone cannot be sent.")
    try:
        moment = value.astimezone(UTC)
    except OverflowError:
        return refuse("date_range", f"{field.label}: Salesforce holds days from 1700 to 4000.")
    if field.type == "time":
        kept = moment.time().replace(microsecond=moment.microsecond // 1000 * 1000)
        return Converted(kept, "" if moment == datetime.combine(EPOCH_DAY, kept, UTC) else "time_only")
    if not FIRST_DAY <= moment.date() <= LAST_DAY:
        return refuse("date_range", f"{field.label}: Salesforce holds days from 1700 to 4000, not year {moment.year}.")
    if field.type == "date":
        return Converted(moment.date(), "day_only" if moment.time() != time() else "")
    return Converted(moment.replace(microsecond=0), "whole_seconds" if moment.microsecond else "")


# --- Both ways ------------------------------------------------------------------------------------------------------


def _refuse_text(value: object) -> Problem | None:
    if not isinstance(value, str):
        return refuse("not_a_text", "Not a text.")
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        return refuse("not_a_text", "The text has characters that cannot be stored (a NUL, or half of a character).")
    return None


def _id_of(text: str) -> Converted | Problem:
    try:
        return Converted(to_18(text))
    except ValueError:
        return refuse("not_an_id", f"“{shorten(text)}” is not a Salesforce id (15 or 18 letters and digits).")


def _number_of(value: object) -> Decimal | Problem:
    """A finite decimal, exact whatever it came as; a float counts as the digits that it prints (0.1 is 0.1)."""
    if isinstance(value, bool) or not isinstance(value, Decimal | int | float | str):
        return refuse("not_a_number", "Not a number.")
    try:
        number = read_number(value)
    except (ValueError, InvalidOperation):
        return refuse("not_a_number", f"“{shorten(str(value))}” is not a number.")
    return number if number.is_finite() else refuse("not_a_number", f"“{value}” is not a number.")


def count_notices(outcomes: Iterable[Converted | Problem]) -> dict[str, int]:
    """How often each notice came."""
    counts: dict[str, int] = {}
    for each in outcomes:
        if isinstance(each, Converted) and each.notice:
            counts[each.notice] = counts.get(each.notice, 0) + 1
    return counts
