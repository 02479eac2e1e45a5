"""Whole columns at once: what `convert` says of one value, for an Arrow array, without a step of Python per cell.

Cells that need nothing but a cast, a length check or rounding are done by Arrow; columns with few distinct values convert each
distinct value once; every other cell takes the exact path in `convert`. Both paths give the same result (tests hold them
against each other). Only jobs import this module: pyarrow is large.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as compute

from integrations.lake.types import PLACES, arrow_type
from integrations.salesforce.describe import FieldInfo
from integrations.sync.mapping.body import FieldPair
from integrations.sync.mapping.convert import INT_LIMIT, Converted, convert_in, convert_out, places_of
from integrations.sync.mapping.problems import Problem
from integrations.sync.mapping.stored import ProductValue, Stored, read_stored, write_instant, write_stored
from integrations.sync.mapping.types import BOOLEAN, DATE_TIME, LISTED, NUMBER, PRODUCT_TYPE_OF, STRING

pc: Any = compute  # its functions are made when it is imported, so no checker knows them
# Never more than what `convert` accepts without a change; the rest goes the exact way.
SAFE_END = r"[\x21-\x7e\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{2070}-\x{2fff}\x{3001}-\x{10ffff}]\z"  # no blank at the end
SAFE_EMAIL = r"\A[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9]+(?:\.[A-Za-z0-9]+)+\z"
SAFE_NUMBER = r"\A-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,12})?\z"
SAFE_DAY = (
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
SAFE_MOMENT = rf"\A[12][0-9]{{3}}-{SAFE_DAY}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{{1,6}})?Z\z"
SAFE_SIZE = Decimal(10) ** 18
KIND_OF_TYPE = {
    "boolean": "flag", "int": "whole", "double": "number", "currency": "number", "percent": "number", "date": "day",
    "datetime": "moment", "time": "clock",
}  # fmt: skip
"""The lake's kind for values of a Salesforce type; every other type is text."""
DECIMAL = pa.decimal128(38, PLACES)
MICROS = pa.timestamp("us", tz="UTC")


@dataclass
class Column:
    """A converted column, the rows that do not fit (null in `values`), and how often each notice came."""

    values: Any
    problems: dict[int, Problem] = field(default_factory=dict)
    notices: Counter[str] = field(default_factory=Counter)


@dataclass
class _Quick:
    """What Arrow could do: values, and a mask of the rows that are thereby done."""

    values: Any
    done: Any
    notices: Counter[str] = field(default_factory=Counter)


def kind_of(info: FieldInfo) -> str:
    """The lake's kind for values of a Salesforce field."""
    return KIND_OF_TYPE.get(info.type, "text")


# --- To Salesforce --------------------------------------------------------------------------------------------------


def convert_column_out(array: Any, kind: str, info: FieldInfo, pair: FieldPair | None = None) -> Column:
    """`convert_out` for each cell of an Arrow array of product values of type `kind`, typed or in their stored text."""
    array = _plain(array)
    made = arrow_type(kind_of(info))

    def exact(raw: Any) -> Converted | Problem:
        try:
            return convert_out(read_source(kind, raw), kind, info, pair)
        except ValueError as error:
            return Problem("", WRONG[kind], f"{info.label}: {error}.")

    if PRODUCT_TYPE_OF.get(info.type) != kind or info.type in LISTED | {"multipicklist", "id"} or (pair and pair.values):
        return _by_distinct(array, exact, made)
    quick: Callable[[Any, FieldInfo], _Quick] = {
        STRING: _text_out, NUMBER: _number_out, BOOLEAN: _flag_out, DATE_TIME: _moment_out,
    }[kind]  # fmt: skip
    return _finish(array, quick(array, info), exact, made)


WRONG = {STRING: "not_a_text", NUMBER: "not_a_number", BOOLEAN: "not_a_flag", DATE_TIME: "not_a_date"}


def read_source(kind: str, raw: Any) -> ProductValue:
    """A cell of a source column as product value: typed cells as they are, texts by their stored form. ValueError otherwise."""
    if isinstance(raw, str) and kind == BOOLEAN:
        raw = {"true": True, "false": False, "": None}.get(raw, raw)
    if kind == DATE_TIME and isinstance(raw, datetime):
        return raw if raw.tzinfo is not None else raw.replace(tzinfo=UTC)
    if kind == DATE_TIME and isinstance(raw, date):
        return datetime.combine(raw, time(), UTC)
    return read_stored(kind, raw)


def _text_out(array: Any, info: FieldInfo) -> _Quick:
    if not pa.types.is_string(array.type):
        return _nothing_done(array, pa.string())
    done = pc.and_(pc.match_substring_regex(array, SAFE_END), pc.invert(pc.match_substring(array, "\0")))
    if info.length:
        done = pc.and_(done, pc.less_equal(pc.utf8_length(array), info.length))
    if info.type == "email":
        done = pc.and_(done, pc.match_substring_regex(array, SAFE_EMAIL))
    return _Quick(array, pc.or_(_true(done), _blanks(array, info)))


def _number_out(array: Any, info: FieldInfo) -> _Quick:
    scale, digits = places_of(info)
    limit = min(Decimal(10) ** digits, SAFE_SIZE)
    if info.type == "int":
        limit = min(limit, Decimal(INT_LIMIT + 1))
    if pa.types.is_string(array.type):
        readable = pc.match_substring_regex(array, SAFE_NUMBER)
        array = pc.if_else(_true(readable), array, None)
    elif not (pa.types.is_decimal(array.type) or pa.types.is_integer(array.type)):
        return _nothing_done(array, arrow_type(kind_of(info)))
    try:
        numbers = array.cast(DECIMAL)
    except pa.ArrowInvalid:
        return _nothing_done(array, arrow_type(kind_of(info)))
    small = _true(pc.less(pc.abs(numbers), pa.scalar(SAFE_SIZE, DECIMAL)))
    numbers = pc.if_else(small, numbers, None)
    rounded = pc.round(numbers, scale, "half_towards_infinity")
    done = _true(pc.less(pc.abs(rounded), pa.scalar(limit, DECIMAL)))
    changed = pc.and_(done, _true(pc.not_equal(rounded, numbers)))
    values = pc.if_else(done, rounded, None)
    notices = Counter({"rounded": pc.sum(changed).as_py() or 0})
    return _Quick(values.cast(pa.int64()) if info.type == "int" else values, done, notices)


def _flag_out(array: Any, info: FieldInfo) -> _Quick:
    if pa.types.is_boolean(array.type):
        return _Quick(array, pc.is_valid(array))
    if not pa.types.is_string(array.type):
        return _nothing_done(array, pa.bool_())
    yes, no = pc.equal(array, "true"), pc.equal(array, "false")
    return _Quick(yes, _true(pc.or_(yes, no)))


def _moment_out(array: Any, info: FieldInfo) -> _Quick:
    made = arrow_type(kind_of(info))
    if pa.types.is_string(array.type):
        array = pc.if_else(_true(pc.match_substring_regex(array, SAFE_MOMENT)), array, None)
    elif not pa.types.is_timestamp(array.type):
        return _nothing_done(array, made)
    moments = array.cast(MICROS)
    done = pc.is_valid(moments)
    if info.type != "time":
        first, last = (pa.scalar(datetime(year, 1, 1, tzinfo=UTC), MICROS) for year in (1700, 4001))
        done = pc.and_(pc.greater_equal(moments, first), pc.less(moments, last))
    done = _true(done)
    moments = pc.if_else(done, moments, None)
    kept, notice = _truncated(moments, info.type)
    changed = pc.and_(done, _true(pc.not_equal(kept, moments)))
    return _Quick(_as_field(kept, moments, info.type, made), done, Counter({notice: pc.sum(changed).as_py() or 0}))


def _truncated(moments: Any, type_name: str) -> tuple[Any, str]:
    """The instants as far as the field can hold them, and the notice for those that lose something."""
    if type_name == "date":
        return pc.floor_temporal(moments, unit="day"), "day_only"
    if type_name == "datetime":
        return pc.floor_temporal(moments, unit="second"), "whole_seconds"
    milliseconds = pc.floor_temporal(moments, unit="millisecond").cast(pa.time64("us"))
    return milliseconds.cast(pa.int64()).cast(pa.timestamp("us")).cast(MICROS), "time_only"


def _as_field(kept: Any, moments: Any, type_name: str, made: Any) -> Any:
    if type_name == "time":
        return kept.cast(pa.time64("us"))
    return kept.cast(made)


# --- From Salesforce ------------------------------------------------------------------------------------------------


def convert_column_in(array: Any, info: FieldInfo, pair: FieldPair | None = None) -> Column:
    """`convert_in` and `write_stored` for each cell of a mirrored column: text, or bool for checkboxes; null for a blank."""
    array = _plain(array)
    kind = PRODUCT_TYPE_OF.get(info.type, "")
    made = pa.bool_() if kind == BOOLEAN else pa.string()

    def exact(raw: Any) -> Converted | Problem:
        one = convert_in(_utc(raw), info, pair)
        return one if isinstance(one, Problem) else Converted(_stored(one.value), one.notice)

    if not kind or info.type in LISTED | {"multipicklist", "id"} or (pair and pair.values):
        return _by_distinct(array, exact, made)
    quick: Callable[[Any], _Quick] = {STRING: _text_in, NUMBER: _number_in, BOOLEAN: _flag_in, DATE_TIME: _moment_in}[kind]
    return _finish(array, quick(array), exact, made)


def _stored(value: Any) -> Stored:
    return write_instant(value) if isinstance(value, datetime) else write_stored(value)


def _utc(raw: Any) -> Any:
    return raw.astimezone(UTC) if isinstance(raw, datetime) and raw.tzinfo is not None else raw


def _text_in(array: Any) -> _Quick:
    if not pa.types.is_string(array.type):
        return _nothing_done(array, pa.string())
    blank = _true(pc.equal(array, ""))
    fine = _true(pc.invert(pc.match_substring(array, "\0")))
    return _Quick(pc.if_else(blank, None, array), pc.or_(fine, pc.is_null(array)))


def _number_in(array: Any) -> _Quick:
    if not (pa.types.is_decimal(array.type) or pa.types.is_integer(array.type)):
        return _nothing_done(array, pa.string())
    numbers = array.cast(DECIMAL) if pa.types.is_integer(array.type) else array
    texts = numbers.cast(pa.string())
    whole = pc.utf8_rtrim(pc.if_else(pc.match_substring(texts, "."), pc.utf8_rtrim(texts, "0"), texts), ".")
    zero = _true(pc.equal(numbers, pa.scalar(Decimal(0), numbers.type)))
    plain = _true(pc.invert(pc.match_substring(texts, "E")))
    return _Quick(pc.if_else(zero, "0", whole), pc.or_(pc.or_(zero, plain), pc.is_null(array)))


def _flag_in(array: Any) -> _Quick:
    if not pa.types.is_boolean(array.type):
        return _nothing_done(array, pa.bool_())
    return _Quick(array, pa.array([True] * len(array), pa.bool_()))


def _moment_in(array: Any) -> _Quick:
    if pa.types.is_date(array.type):
        inside = pc.and_(pc.greater_equal(array, date(1000, 1, 1)), pc.less_equal(array, date(9999, 12, 31)))
        inside = _true(inside)
        return _Quick(pc.strftime(pc.if_else(inside, array, None), "%Y-%m-%dT00:00:00Z"), pc.or_(inside, pc.is_null(array)))
    if not pa.types.is_timestamp(array.type) or array.type.tz is None:
        return _nothing_done(array, pa.string())
    first, last = (pa.scalar(datetime(year, 1, 1, tzinfo=UTC), array.type) for year in (1000, 9999))
    seconds = pc.floor_temporal(array, unit="second")
    inside = _true(pc.and_(pc.greater_equal(array, first), pc.less(array, last)))
    done = pc.and_(inside, _true(pc.equal(seconds, array)))
    naive = pc.if_else(done, seconds, None).cast(pa.timestamp("s", tz="UTC")).cast(pa.timestamp("s"))
    return _Quick(pc.strftime(naive, "%Y-%m-%dT%H:%M:%SZ"), pc.or_(done, pc.is_null(array)))


# --- Putting both paths together -------------------------------------------------------------------------------------


def _finish(array: Any, quick: _Quick, exact: Callable[[Any], Converted | Problem], made: Any) -> Column:
    """The quick values, and the exact path for the rows that are left."""
    left = pc.invert(quick.done)
    values = pc.if_else(quick.done, quick.values, None).cast(made)
    rows = pc.indices_nonzero(left).to_pylist()
    if not rows:
        return Column(values, {}, +quick.notices)
    column = Column(values, {}, quick.notices)
    replaced = _convert_each(array.filter(left).to_pylist(), rows, exact, column)
    column.values = pc.replace_with_mask(values, left, pa.array(replaced, made))
    column.notices = +column.notices
    return column


def _convert_each(raws: Sequence[Any], rows: Sequence[int], exact: Callable[[Any], Converted | Problem], column: Column) -> Any:
    found = []
    for row, raw in zip(rows, raws, strict=True):
        one = exact(raw)
        if isinstance(one, Problem):
            column.problems[row] = one
            found.append(None)
            continue
        if one.notice:
            column.notices[one.notice] += 1
        found.append(one.value)
    return found


def _by_distinct(array: Any, exact: Callable[[Any], Converted | Problem], made: Any) -> Column:
    """Each distinct value once, spread over its rows."""
    coded = array.dictionary_encode(null_encoding="encode")
    outcomes = [exact(raw) for raw in coded.dictionary.to_pylist()]
    values = pa.array([None if isinstance(one, Problem) else one.value for one in outcomes], made)
    column = Column(values.take(coded.indices))
    told = {code for code, one in enumerate(outcomes) if isinstance(one, Problem) or one.notice}
    if told:
        marked = pc.indices_nonzero(pc.is_in(coded.indices, pa.array(sorted(told), coded.indices.type)))
        for row, code in zip(marked.to_pylist(), coded.indices.take(marked).to_pylist(), strict=True):
            one = outcomes[code]
            if isinstance(one, Problem):
                column.problems[row] = one
            else:
                column.notices[one.notice] += 1
    return column


def _blanks(array: Any, info: FieldInfo) -> Any:
    """Rows whose blank needs no word: the exact path says which fields may be blank."""
    allowed = not isinstance(convert_out(None, STRING, info), Problem)
    return pc.is_null(array) if allowed else pa.array([False] * len(array), pa.bool_())


def _nothing_done(array: Any, made: Any) -> _Quick:
    return _Quick(pa.nulls(len(array), made), pa.array([False] * len(array), pa.bool_()))


def _true(mask: Any) -> Any:
    """Null counts as no."""
    return pc.fill_null(mask, False)


def _plain(array: Any) -> Any:
    """One contiguous array with the plain types that the rest knows."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_large_string(array.type) or pa.types.is_string_view(array.type):
        array = array.cast(pa.string())
    return array
