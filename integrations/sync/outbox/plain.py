"""Values of rows as our own JSON, and back: what waiting rows, human edits and samples show and keep. Light to import."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from integrations.salesforce.describe import FieldInfo
from integrations.salesforce.ids import to_18
from integrations.salesforce.values import (
    FIRST_DAY,
    LAST_DAY,
    read_choices,
    read_day,
    read_flag,
    read_moment,
    read_number,
    read_time,
    write_json,
)
from integrations.sync.outbox.columns import Column, kind_of, like_of


def plain_value(value: Any) -> Any:
    """A value for a JSON column of ours: numbers as text, so that no digit is lost; instants and days in ISO form."""
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime | date | time):
        return write_json(value)
    return value


def plain_values(row: Mapping[str, Any], columns: Sequence[Column]) -> dict[str, Any]:
    """The sent fields of a row by name, as our JSON."""
    mask = row["sent_"]
    return {column.field: plain_value(row[column.name]) for column, sign in zip(columns, mask, strict=True) if sign == "1"}


def fit_value(info: FieldInfo, value: Any) -> Any:
    """A value that a person typed for a field, as our JSON; ValueError says what does not fit and what would.

    The same rules as for desired rows: blank is null, numbers are rounded to the field's decimals, instants to seconds.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return False if info.type == "boolean" else None
    text = value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    read = {"number": _number, "whole": _number, "flag": _flag, "day": _day, "moment": _moment, "clock": _clock, "text": _text}
    return plain_value(read[kind_of(info)](info, text.strip() if kind_of(info) != "text" else text.rstrip(" ")))


def _number(info: FieldInfo, text: str) -> Any:
    number = read_number(text).quantize(Decimal(1).scaleb(-info.scale), "ROUND_HALF_UP")
    digits = info.digits if kind_of(info) == "whole" else info.precision - info.scale
    if digits > 0 and abs(number) >= Decimal(10) ** digits:
        raise ValueError(f"{info.label} holds at most {digits} digits before the point.")
    return int(number) if kind_of(info) == "whole" else number


def _flag(info: FieldInfo, text: str) -> bool:
    return read_flag(text)


def _day(info: FieldInfo, text: str) -> date:
    day = read_day(text)
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"{info.label} holds days from 1700 to 4000.")
    return day


def _moment(info: FieldInfo, text: str) -> datetime:
    moment = read_moment(text).replace(microsecond=0)
    if not FIRST_DAY <= moment.date() <= LAST_DAY:
        raise ValueError(f"{info.label} holds instants from 1700 to 4000.")
    return moment


def _clock(info: FieldInfo, text: str) -> time:
    return read_time(text)


def _text(info: FieldInfo, text: str) -> str:
    if like_of(info) == "id":
        return to_18(text)
    if like_of(info) == "choices":
        text = ";".join(sorted(read_choices(text)))
    if info.length and len(text) > info.length:
        raise ValueError(f"{info.label} holds at most {info.length} characters; these are {len(text)}.")
    chosen = read_choices(text) if like_of(info) == "choices" else (text,)
    if info.restricted_picklist and (wrong := [each for each in chosen if each not in info.active_values]):
        raise ValueError(f"{wrong[0]!r} is no value of {info.label}; it has {', '.join(info.active_values[:20])}.")
    return text
