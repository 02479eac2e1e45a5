"""What a column of the lake can hold: seven kinds, exact and typed, and how they look in Arrow.

Nothing is a float: a number is a decimal with 26 digits before and 12 after the point, so that NaN and Infinity cannot be
stored at all (R-072) and money stays exact (I-22). Instants are UTC with milliseconds, days have no zone (R-075).
"""

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

Column = tuple[str, str]
"""Name and kind."""

KINDS = ("text", "flag", "whole", "number", "day", "moment", "clock")
DIGITS, PLACES = 38, 12
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}\Z", re.ASCII)


class SchemaError(ValueError):
    """Rows that do not fit their table; the sentence names table, column and fix."""


def read_columns(columns: Iterable[Sequence[str]]) -> tuple[Column, ...]:
    """Checked columns: known kinds, plain names, no two that differ by case only (engines fold case)."""
    read: dict[str, Column] = {}
    for name, kind in columns:
        if not NAME.match(name):
            raise SchemaError(f"Column {name!r}: a name is letters, digits and _, begins with a letter, at most 80 long.")
        if kind not in KINDS:
            raise SchemaError(f"Column {name}: the kind is one of {', '.join(KINDS)}, not {kind!r}.")
        if name.lower() in read:
            raise SchemaError(f"Column {name} is named twice.")
        read[name.lower()] = (name, kind)
    return tuple(read.values())


def arrow_type(kind: str) -> "pa.DataType":
    """The one Arrow type of a kind."""
    import pyarrow as pa

    return {
        "text": pa.string(),
        "flag": pa.bool_(),
        "whole": pa.int64(),
        "number": pa.decimal128(DIGITS, PLACES),
        "day": pa.date32(),
        "moment": pa.timestamp("ms", tz="UTC"),
        "clock": pa.time64("us"),
    }[kind]


def arrow_schema(columns: Iterable[Sequence[str]]) -> "pa.Schema":
    """The schema of a file with these columns; every column may be null."""
    import pyarrow as pa

    return pa.schema([pa.field(name, arrow_type(kind)) for name, kind in columns])


PYTHON = {"text": str, "flag": bool, "whole": int, "number": Decimal, "day": date, "moment": datetime, "clock": time}
"""What a value of each kind is in Python; null is None."""
