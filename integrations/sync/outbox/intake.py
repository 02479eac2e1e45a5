"""Taking in desired rows: every column becomes exactly what Salesforce would hold, or the row says what is wrong with it.

Named rules (I-06), each the one that Salesforce applies itself: empty text is blank; trailing blanks are cut; numbers are
rounded half up to the field's decimals; instants are cut to whole seconds; the values of a multi-select picklist have no order
(R-078); ids have 18 characters. Whole columns at a time, in Arrow.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

import pyarrow as pa
import pyarrow.compute as compute

from integrations.lake.types import DIGITS, PLACES, arrow_type
from integrations.salesforce.ids import to_18
from integrations.salesforce.values import FIRST_DAY, LAST_DAY, read_choices, read_number
from integrations.sync.outbox.columns import Column

pc: Any = compute  # its functions are made when it is imported, so no checker knows them

KEY, PARENT, LABEL, REMOVE, ABSENT, BAD = "key_", "parent_", "label_", "remove_", "absent_", "bad_"
LONGEST_KEY = 255
AT_ONCE = 2  # batches
Desired = Any
"""Rows as an Arrow table or record-batch reader, an iterable of record batches, or a relation of the lake.

Columns: `key`, `parent_key`, `label` (text; the last two may be missing) and one for each field, by its API name or a path such
as `Account__r.External_Id__c`. `remove` (flag) asks for the deletion of the record, where the kind may delete. `absent` (text,
names between spaces or commas) names fields of this row that must be left as they are; null in a field means blank.
`problem` (text, see `problems`) says that a value of the row does not fit its field: nothing of the row is sent, it waits
among the rows that need attention and leaves them when it comes without a problem.
"""


@dataclass(frozen=True, slots=True)
class KeyRule:
    """How keys are taken in: Salesforce ids become 18 characters; others are kept, at most `length` long."""

    by_id: bool
    length: int = LONGEST_KEY
    case_sensitive: bool = False
    number: bool = False


@dataclass
class Intake:
    """Turns batches of desired rows into rows of `schema`. `asked` gives the column of each incoming field name."""

    asked: dict[str, Column]
    key: KeyRule

    @property
    def schema(self) -> pa.Schema:
        """Key, parent, label, remove, absent, bad, then the fields."""
        texts = [pa.field(name, pa.string()) for name in (KEY, PARENT, LABEL)]
        own = [*texts, pa.field(REMOVE, pa.bool_()), pa.field(ABSENT, pa.string()), pa.field(BAD, pa.string())]
        return pa.schema(own + [pa.field(column.name, arrow_type(column.kind)) for column in self.asked.values()])

    def take(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """One batch. `bad_` holds `CODE:fields:sentence` of what cannot be sent."""
        bad = _Faults(rows.num_rows)
        key = self._take_key(_column(rows, "key", required=True), bad)
        arrays = [key, _as_text(_column(rows, "parent_key")), _as_text(_column(rows, "label"))]
        remove = _column(rows, "remove")
        arrays.append(pc.fill_null(remove.cast(pa.bool_()), False) if remove.type != pa.null() else _constant(False, rows))
        arrays.append(_absent(_column(rows, "absent")))
        fields = [take_column(_column(rows, name), column, bad) for name, column in self.asked.items()]
        said = pc.coalesce(_as_text(_column(rows, "problem")), bad.column())
        return pa.RecordBatch.from_arrays([*arrays, said, *fields], schema=self.schema)

    def stream(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """All batches in their order, a few in memory at a time: Arrow works outside Python's lock, so two share the cores."""
        waiting: deque[Future[pa.RecordBatch]] = deque()
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="intake") as pool:
            for batch in batches:
                waiting.append(pool.submit(self.take, batch))
                if len(waiting) > AT_ONCE:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _take_key(self, values: pa.Array, bad: "_Faults") -> pa.Array:
        raw = _blank_to_null(_as_text(values))
        longest = min(self.key.length or LONGEST_KEY, LONGEST_KEY)
        bad.note(pc.greater(pc.utf8_length(raw), longest), "STRING_TOO_LONG", "key", f"is longer than {longest} characters")
        return pc.coalesce(_take_key(raw, self.key, bad), raw)


class _Faults:
    """What is wrong with each row of a batch: the first reason that was found, and all fields that do not fit."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self._code: pa.Array = pa.nulls(rows, pa.string())
        self._sentence, self._fields = self._code, self._code
        self._any = False

    def note(self, where: pa.Array, code: str, field: str, sentence: str) -> None:
        """Rows for which `where` is true (null counts as false)."""
        where = pc.fill_null(where, False)
        if not pc.any(where).as_py():
            return
        self._any = True
        first = pc.and_(where, pc.is_null(self._code))
        self._code = pc.if_else(first, pa.scalar(code), self._code)
        self._sentence = pc.if_else(first, pa.scalar(f"{field} {sentence}."), self._sentence)
        more = pc.binary_join_element_wise(self._fields, pa.scalar(field), ",", null_handling="skip")
        self._fields = pc.if_else(where, more, self._fields)

    def column(self) -> pa.Array:
        """`CODE:fields:sentence` for each row with a fault, null for the others."""
        if not self._any:
            return self._code
        return pc.binary_join_element_wise(self._code, self._fields, self._sentence, ":")


def _take_key(raw: pa.Array, rule: KeyRule, bad: _Faults) -> pa.Array:
    if rule.by_id:
        return _on_uniques(raw, to_18, bad, "BAD_KEY", "key", "is no Salesforce id")
    if rule.number:  # 7 and 7.0 are one key
        return _on_uniques(raw, _plain_number, bad, "BAD_KEY", "key", "is no number")
    return raw


def key_texts(values: pa.Array, rule: KeyRule) -> pa.Array:
    """Keys that come from Salesforce, as desired rows name them."""
    return _take_key(_blank_to_null(_as_text(values)), rule, _Faults(len(values)))


def plain_column(values: pa.Array, column: Column) -> pa.Array:
    """A column as Salesforce holds it; what does not fit the describe any more is null."""
    return take_column(values, column, _Faults(len(values)))


def names_in(desired: Any) -> list[str]:
    """Column names of desired rows that can tell them before they are read."""
    if isinstance(desired, pa.Table | pa.RecordBatch):
        return list(desired.column_names)
    if isinstance(desired, pa.RecordBatchReader):
        return list(desired.schema.names)
    names = getattr(desired, "names", None)
    if names is None:
        raise TypeError("desired rows are an Arrow table, a record-batch reader or a relation of the lake")
    return list(names)


def readable(desired: Any) -> Any:
    """`desired` with an iterator of batches made a reader, so that its columns are known."""
    if isinstance(desired, pa.Table | pa.RecordBatchReader) or hasattr(desired, "names"):
        return desired
    if isinstance(desired, pa.RecordBatch):
        return pa.Table.from_batches([desired])
    batches = iter(desired)
    first = next(batches, None)
    if first is None:
        return pa.table({"key": pa.array([], pa.string())})
    return pa.RecordBatchReader.from_batches(first.schema, _chained(first, batches))


def batches_in(desired: Any) -> Iterator[pa.RecordBatch]:
    """The batches of a table or reader."""
    yield from desired.to_batches(max_chunksize=50_000) if isinstance(desired, pa.Table) else desired


def _chained(first: pa.RecordBatch, rest: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest


# --- columns ------------------------------------------------------------------------------------------------------------


def take_column(values: pa.Array, column: Column, bad: _Faults) -> pa.Array:
    """One column as Salesforce would hold it; what does not fit is noted and null."""
    return {
        "text": _take_text, "flag": _take_flag, "whole": _take_whole, "number": _take_number, "day": _take_day,
        "moment": _take_moment, "clock": _take_clock,
    }[column.kind](values, column, bad)  # fmt: skip


def _take_text(values: pa.Array, column: Column, bad: _Faults) -> pa.Array:
    text = _as_text(values)
    if column.like == "id":
        return _on_uniques(text, to_18, bad, "MALFORMED_ID", column.field, "is no Salesforce id")
    if column.like == "choices":
        text = _on_uniques(
            text, lambda each: ";".join(sorted(read_choices(each))), bad, "BAD_VALUE", column.field, "is no text"
        )
    text = pc.utf8_rtrim(text, characters=" ")
    if column.length:
        too_long = pc.greater(pc.utf8_length(text), column.length)
        bad.note(too_long, "STRING_TOO_LONG", column.field, f"is too long (at most {column.length} characters)")
    return pc.if_else(pc.equal(text, ""), None, text)


def _take_flag(values: pa.Array, column: Column, bad: _Faults) -> pa.Array:
    if pa.types.is_boolean(values.type) or pa.types.is_null(values.type):
        return values.cast(pa.bool_())
    flags = {"true": True, "false": False, "1": True, "0": False}
    return _from_python(values, lambda each: flags[str(each).strip().lower()], column, bad, "is neither true nor false")


def _take_whole(values: pa.Array, column: Column, bad: _Faults) -> pa.Array:
    if pa.types.is_integer(values.type) or pa.types.is_null(values.type):
        return _cast_or(values, column, bad)
    digits = 10 ** (column.digits or 18)
    return _from_python(values, lambda each: _whole(each, digits), column, bad, "is no whole number that fits")


def _take_number(values: pa.Array, column: Column, bad: _Faults) -> pa.Array:
    wanted = arrow_type("number")
    if pa.types.is_decimal(values.type) or pa.types.is_null(values.type) or pa.types.is_integer(values.type):
        exact = values if pa.types.is_decimal(values.type) else values.cast(pa.int64()).cast(pa.decimal128(DIGITS - PLACES, 0))
        if pa.types.is_decimal(values.type) and values.type.scale > column.scale:
            exact = pc.round(exact, ndigits=column.scale, round_mode="half_towards_infinity")
        number = _cast_or(exact, column, bad)
    else:
        number = _from_python(values, lambda each: _number(each, column.scale), column, bad, "is not a number")
    if column.digits and 0 < column.digits < DIGITS - PLACES:
        limit = pa.scalar(Decimal(10) ** column.digits, wanted)
        too_large = pc.greater_equal(pc.abs(number), limit)
        sentence = f"is out of range (at most {column.digits} digits before the point)"
        bad.note(too_large, "NUMBER_OUTSIDE_VALID_RANGE", column.field, sentence)
    return number


def _take_day(values: pa.Array, column: Column, bad: _Faults) -> pa.Array:
    if pa.types.is_date(values.type) or pa.types.is_null(values.type):
        days = values.cast(pa.date32())
    else:  # an instant is no day: which one it is depends on a time zone
        days = _from_python(values, _day, column, bad, "is no day")
    _note_range(days, pa.scalar(FIRST_DAY, pa.date32()), pa.scalar(LAST_DAY, pa.date32()), column, bad)
    return days


def _take_moment(values: pa.Array, column: Column, bad: _Faults) -> pa.Array:
    wanted = arrow_type("moment")
    if pa.types.is_null(values.type):
        return values.cast(wanted)
    if not pa.types.is_timestamp(values.type) or values.type.tz is None:
        return pa.nulls(len(values), wanted) if _refuse_all(values, column, bad) else values.cast(wanted)
    utc = values.cast(pa.timestamp("ms", tz="UTC"), safe=False)
    seconds = pc.floor_temporal(utc, unit="second").cast(wanted)
    first, last = datetime(FIRST_DAY.year, 1, 1, tzinfo=UTC), datetime(LAST_DAY.year, 12, 31, 23, 59, 59, tzinfo=UTC)
    _note_range(seconds, pa.scalar(first, wanted), pa.scalar(last, wanted), column, bad)
    return seconds


def _take_clock(values: pa.Array, column: Column, bad: _Faults) -> pa.Array:
    if pa.types.is_time(values.type) or pa.types.is_null(values.type):
        return (
            pc.floor_temporal(values.cast(pa.time64("us")), unit="millisecond") if len(values) else values.cast(pa.time64("us"))
        )
    _refuse_all(values, column, bad)
    return pa.nulls(len(values), pa.time64("us"))


def _refuse_all(values: pa.Array, column: Column, bad: _Faults) -> bool:
    """Values of a type that cannot be read without guessing, such as an instant without time zone (R-074)."""
    bad.note(pc.is_valid(values), "BAD_VALUE", column.field, "has no time zone or is of another type")
    return True


def _note_range(values: pa.Array, first: pa.Scalar, last: pa.Scalar, column: Column, bad: _Faults) -> None:
    outside = pc.or_(pc.less(values, first), pc.greater(values, last))
    bad.note(outside, "NUMBER_OUTSIDE_VALID_RANGE", column.field, "is before 1700 or after 4000")


def _cast_or(values: pa.Array, column: Column, bad: _Faults) -> pa.Array:
    """A cast that loses nothing; a column with a value that does not fit is looked at value by value."""
    wanted = arrow_type(column.kind)
    try:
        return values.cast(wanted)
    except pa.ArrowInvalid:
        return _from_python(values, lambda each: pa.scalar(each, wanted).as_py(), column, bad, "is out of range")


def _from_python(values: pa.Array, read: Callable[[Any], Any], column: Column, bad: _Faults, sentence: str) -> pa.Array:
    """Value by value, for columns that are not of the field's type already."""
    made, failed = [], []
    for value in values.to_pylist():
        try:
            made.append(None if value is None or value == "" else read(value))
            failed.append(False)
        except (ValueError, TypeError, KeyError, InvalidOperation, pa.ArrowException):
            made.append(None)
            failed.append(True)
    bad.note(pa.array(failed, pa.bool_()), "BAD_VALUE", column.field, sentence)
    return pa.array(made, arrow_type(column.kind))


def _on_uniques(text: pa.Array, read: Callable[[str], str], bad: _Faults, code: str, field: str, sentence: str) -> pa.Array:
    """`read` on each different text once; blank stays blank."""
    encoded = pc.dictionary_encode(text)
    made, failed = [], []
    for value in encoded.dictionary.to_pylist():
        try:
            made.append(read(value.strip()) if value and value.strip() else None)
            failed.append(False)
        except ValueError:
            made.append(None)
            failed.append(True)
    bad.note(pc.take(pa.array(failed, pa.bool_()), encoded.indices), code, field, sentence)
    return pc.take(pa.array(made, pa.string()), encoded.indices)


def _whole(value: Any, limit: int) -> int:
    number = read_number(value).to_integral_value(ROUND_HALF_UP)
    if abs(number) >= limit:
        raise ValueError("does not fit")
    return int(number)


def _number(value: Any, scale: int) -> Decimal:
    number = read_number(repr(value) if isinstance(value, float) else value)
    return number.quantize(Decimal(1).scaleb(-min(scale, PLACES)), ROUND_HALF_UP)


def _day(value: Any) -> date:
    if not isinstance(value, str):
        raise ValueError("not a day")
    return date.fromisoformat(value)


def _blank_to_null(text: pa.Array) -> pa.Array:
    """Trailing blanks cut; nothing but white space is nothing (R-122)."""
    return pc.if_else(pc.equal(pc.utf8_trim_whitespace(text), ""), None, pc.utf8_rtrim(text, characters=" "))


def _plain_number(text: str) -> str:
    return format(read_number(text).normalize(), "f")


def _in_order(choices: str) -> str:
    return ";".join(sorted(read_choices(choices)))


def _as_text(values: pa.Array) -> pa.Array:
    if values.type == pa.string():
        return values
    if pa.types.is_decimal(values.type):
        return pa.array(
            [None if value is None else format(value.normalize(), "f") for value in values.to_pylist()], pa.string()
        )
    return values.cast(pa.string())


def _absent(values: pa.Array) -> pa.Array:
    """Names of fields to leave alone as ` A B `, so that one search finds a name."""
    if pa.types.is_null(values.type):
        return values.cast(pa.string())
    if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        values = pc.binary_join(values.cast(pa.list_(pa.string())), " ")
    text = pc.replace_substring_regex(pc.utf8_lower(_as_text(values)), r"[,;\s]+", " ")
    return pc.binary_join_element_wise(pa.scalar(""), text, pa.scalar(""), " ")


def _column(rows: pa.RecordBatch, name: str, *, required: bool = False) -> pa.Array:
    place = rows.schema.get_field_index(name)
    if place < 0:
        if required:
            raise ValueError(f"desired rows need a column {name}")
        return pa.nulls(rows.num_rows)
    column = rows.column(place)
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _constant(value: bool, rows: pa.RecordBatch) -> pa.Array:
    return pa.repeat(pa.scalar(value), rows.num_rows)
