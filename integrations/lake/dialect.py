"""The few words in which the engines differ. Statements are plain SQL files; `{{word}}` and `{{word(a, b)}}` are replaced.

A statement that keeps to common SQL and these words runs on DuckDB and on ClickHouse with equal results; the tests run
every statement on both. Parameters are written `$name`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

WORD = re.compile(r"\{\{\s*([a-z_][a-z0-9_]*)\s*")
PARAMETER = re.compile(r"\$([a-z_][a-z0-9_]*)")
QUOTED = re.compile(r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)

WORDS: dict[str, tuple[str, str]] = {
    # types, for CAST(x AS {{number}})
    "text": ("VARCHAR", "Nullable(String)"),
    "flag": ("BOOLEAN", "Nullable(Bool)"),
    "whole": ("BIGINT", "Nullable(Int64)"),
    "number": ("DECIMAL(38, 12)", "Nullable(Decimal(38, 12))"),
    "day": ("DATE", "Nullable(Date32)"),
    "moment": ("TIMESTAMP WITH TIME ZONE", "Nullable(DateTime64(3, 'UTC'))"),
    "clock": ("TIME", "Nullable(Time64(6))"),
    "real": ("DOUBLE", "Nullable(Float64)"),
    "texts": ("VARCHAR[]", "Array(String)"),
    # text; positions and parts count from 1, patterns are RE2; upper() may treat ß and its like differently
    "lower": ("lower({0})", "lowerUTF8({0})"),
    "upper": ("upper({0})", "upperUTF8({0})"),
    "length": ("length({0})", "lengthUTF8({0})"),
    "trim": ("trim({0}, {whitespace})", "trim(BOTH {whitespace} FROM {0})"),
    "substring": ("substring({0}, {1}, {2})", "substringUTF8({0}, {1}, {2})"),
    "position": ("strpos({0}, {1})", "positionUTF8({0}, {1})"),
    "starts_with": ("starts_with({0}, {1})", "startsWith({0}, {1})"),
    "normalize": ("nfc_normalize({0})", "normalizeUTF8NFC({0})"),
    "replace_all": ("regexp_replace({0}, {1}, {2}, 'g')", "replaceRegexpAll({0}, {1}, {2})"),
    "matches": ("regexp_matches({0}, {1})", "match({0}, {1})"),
    "extract": ("regexp_extract({0}, {1}, 1)", "regexpExtract({0}, {1}, 1)"),
    "part": ("split_part({0}, {1}, {2})", "if(isNull({0}), NULL, arrayElement(splitByString({1}, assumeNotNull({0})), {2}))"),
    "md5": ("md5({0})", "lower(hex(MD5({0})))"),
    # lists of texts; they are never null, and collect() leaves nulls out
    "list": ("[{*}]", "[{*}]"),
    "split": (
        "coalesce(string_split({0}, {1}), CAST([] AS VARCHAR[]))",
        "if(isNull({0}), CAST([] AS Array(String)), splitByString({1}, assumeNotNull({0})))",
    ),
    "collect": (
        "coalesce(list_sort(list(DISTINCT {0}) FILTER (({0}) IS NOT NULL)), CAST([] AS VARCHAR[]))",
        "arraySort(groupUniqArray({0}))",
    ),
    "join": ("array_to_string({0}, {1})", "arrayStringConcat({0}, {1})"),
    "size": ("len({0})", "length({0})"),
    "has": ("coalesce(list_contains({0}, {1}), false)", "has({0}, {1})"),
    "unnest": ("unnest({0})", "arrayJoin({0})"),
    # groups; newest(x, by) is x where `by` is the largest, among rows where neither is null
    "newest": ("arg_max({0}, {1})", "argMax({0}, {1})"),
    "oldest": ("arg_min({0}, {1})", "argMin({0}, {1})"),
    "any": ("any_value({0})", "any({0})"),
    "count_if": ("count(*) FILTER (WHERE {0})", "countIf({0})"),
    "count_distinct": ("count(DISTINCT {0})", "uniqExact({0})"),
    "bit_or": ("bit_or({0})", "groupBitOr({0})"),
    "bit_and": ("({0} & {1})", "bitAnd({0}, {1})"),
    "shift_right": ("({0} >> {1})", "bitShiftRight({0}, {1})"),
    "bit_count": ("bit_count({0})", "bitCount({0})"),
    # time, in UTC
    "day_of": ("CAST({0} AS DATE)", "toDate32({0}, 'UTC')"),
    "month_of": ("CAST(date_trunc('month', {0}) AS DATE)", "toDate32(toStartOfMonth({0}))"),
    "add_days": ("CAST({0} + CAST({1} AS INTEGER) AS DATE)", "addDays({0}, {1})"),
    "days_between": ("date_diff('day', {0}, {1})", "dateDiff('day', {0}, {1})"),
    "add_seconds": ("({0} + to_seconds({1}))", "addSeconds({0}, {1})"),
    "seconds_between": ("date_diff('second', {0}, {1})", "dateDiff('second', {0}, {1})"),
    # numbers
    "round": ("round({0}, {1})", "round({0}, {1})"),
    "try_number": (  # plain digits only, as many as fit: engines disagree on 1e5, 1_000 and on rounding
        (
            "TRY_CAST(CASE WHEN regexp_matches(trim({0}, {whitespace}), {digits}) "
            "THEN trim({0}, {whitespace}) END AS DECIMAL(38, 12))"
        ),
        "toDecimal128OrNull(if(match(trim(BOTH {whitespace} FROM {0}), {digits}), trim(BOTH {whitespace} FROM {0}), NULL), 12)",
    ),
}
"""Word: DuckDB, ClickHouse."""
WHITESPACE = "' \t\n\r\f\v'"  # a set of ASCII only: ClickHouse trims bytes
LONG = 40_000  # characters from which on a statement is not kept in memory
DIGITS = "'^[+-]?[0-9]{1,26}([.][0-9]{1,12})?$'"


class DialectError(ValueError):
    """A statement uses a word that the table lacks, or uses it wrongly."""


@dataclass(frozen=True, eq=False)
class Dialect:
    """One engine's words and its way to name types."""

    name: str
    words: Mapping[str, str]

    def type_of(self, kind: str) -> str:
        """The SQL type of a column kind."""
        return self.words[kind]

    def null_of(self, kind: str) -> str:
        """A typed null."""
        return f"CAST(NULL AS {self.words[kind]})"

    def quote_text(self, text: str) -> str:
        """A text literal; only ClickHouse gives the backslash a meaning."""
        if "\0" in text:
            raise DialectError("A literal in a statement holds no zero character.")
        escaped = text.replace("\\", "\\\\") if self.name == "clickhouse" else text
        return "'" + escaped.replace("'", "''") + "'"

    def quote_value(self, value: str | int) -> str:
        """A literal of a key."""
        return str(int(value)) if isinstance(value, int) else self.quote_text(value)

    def list_texts(self, texts: Iterable[str]) -> str:
        """A list literal."""
        return "[" + ", ".join(map(self.quote_text, texts)) + "]"

    def translate(self, statement: str) -> str:
        """The statement in this engine's words."""
        done, at = [], 0
        while (found := WORD.search(statement, at)) is not None:
            arguments, end = _read_arguments(statement, found.end())
            done.append(statement[at : found.start()] + self._word(found[1], arguments))
            at = end
        return "".join(done) + statement[at:]

    def _word(self, word: str, arguments: list[str]) -> str:
        if word not in self.words:
            raise DialectError(f"The dialect has no word {word!r}; it knows {', '.join(sorted(self.words))}.")
        pattern = self.words[word]
        wanted = len(set(re.findall(r"\{(\d)\}", pattern)))
        if "{*}" not in pattern and wanted != len(arguments):
            raise DialectError(f"{{{{{word}}}}} takes {wanted} arguments, not {len(arguments)}.")
        inner = [self.translate(argument) for argument in arguments]
        pattern = pattern.replace("{*}", ", ".join(inner)).replace("{whitespace}", WHITESPACE).replace("{digits}", DIGITS)
        return re.sub(r"\{(\d)\}", lambda place: inner[int(place[1])], pattern)


DUCKDB = Dialect("duckdb", {word: pair[0] for word, pair in WORDS.items()})
CLICKHOUSE = Dialect("clickhouse", {word: pair[1] for word, pair in WORDS.items()})


def quote_name(name: str) -> str:
    """An identifier, quoted for both engines."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """A text literal that every engine reads alike: one with a backslash is refused, it must be a parameter."""
    if "\\" in text or "\0" in text:
        raise DialectError("A literal in a statement holds no backslash; use a parameter.")
    return "'" + text.replace("'", "''") + "'"


def split_statements(text: str) -> list[str]:
    """The statements between semicolons, without empty ones."""
    pieces, begin = [], 0
    for at, letter in _outside_quotes(text):
        if letter == ";":
            pieces.append(text[begin:at])
            begin = at + 1
    pieces.append(text[begin:])
    return [piece.strip() for piece in pieces if QUOTED.sub(_no_comment, piece).strip()]


def names_of_parameters(statement: str) -> tuple[str, ...]:
    """Names written as `$name` outside quotes, each once."""
    return _known_names(statement) if len(statement) < LONG else _known_names.__wrapped__(statement)


@lru_cache(maxsize=256)
def _known_names(statement: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found[1] for found in PARAMETER.finditer(QUOTED.sub(_blank, statement))))


def replace_parameters(statement: str, place: Callable[[str], str]) -> str:
    """The statement with each `$name` outside quotes replaced by `place(name)`."""
    bare = QUOTED.sub(_blank, statement)
    done, at = [], 0
    for found in PARAMETER.finditer(bare):
        done.append(statement[at : found.start()] + place(found[1]))
        at = found.end()
    return "".join(done) + statement[at:]


def _blank(found: re.Match[str]) -> str:
    return " " * len(found[0])


def _no_comment(found: re.Match[str]) -> str:
    return "" if found[0].startswith(("--", "/*")) else found[0]


def _outside_quotes(text: str) -> Iterator[tuple[int, str]]:
    yield from enumerate(QUOTED.sub(_blank, text))


def _read_arguments(text: str, at: int) -> tuple[list[str], int]:
    """Arguments in parentheses, if any, and where `}}` ends."""
    arguments: list[str] = []
    if text.startswith("(", at):
        closing, arguments = _close_parenthesis(text, at)
        at = closing + 1
    while at < len(text) and text[at].isspace():
        at += 1
    if not text.startswith("}}", at):
        raise DialectError(f"A {{{{word}}}} is not closed: {text[max(at - 40, 0) : at + 10]!r}")
    return arguments, at + 2


def _close_parenthesis(text: str, begin: int) -> tuple[int, list[str]]:
    depth, start, arguments = 0, begin + 1, list[str]()
    for at, letter in _outside_quotes(text):
        if at < begin:
            continue
        if letter in "([":
            depth += 1
        elif letter in ")]":
            depth -= 1
        if (depth == 1 and letter == ",") or depth == 0:
            arguments.append(text[start:at].strip())
            start = at + 1
        if depth == 0:
            return at, arguments if arguments != [""] else []
    raise DialectError(f"A parenthesis is not closed: {text[begin : begin + 40]!r}")
