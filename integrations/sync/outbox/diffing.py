"""What differs between desired rows and the accepted state, set-based: statements over the engine, one scan and join each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from integrations.lake.dialect import quote_name, quote_text
from integrations.lake.engine import Engine
from integrations.salesforce.values import NULL_MARK
from integrations.sync.outbox.columns import Column
from integrations.sync.outbox.planning import LONGEST_CELL, LONGEST_ROW

FOLDER = Path(__file__).parent / "sql"
SEND, REMOVE, SAME = "send", "remove", "same"
Placed = Sequence[tuple[int, Column]]
"""Columns with their places in the masks."""


@dataclass(frozen=True)
class Terms:
    """What a comparison depends on beside the rows. The flags say which helper tables are bound: `twins` (twin_), `kept`
    (key_, kept_), `orphans` (key_), `levels` (key_, level_), `live` (key_ and the columns)."""

    columns: tuple[Column, ...]
    upsert: bool
    by_id: bool
    blank: str = "clear_if_written"
    may_remove: bool = False
    fold_keys: bool = False
    twins: bool = False
    kept: bool = False
    orphans: bool = False
    levels: bool = False
    live: bool = False
    unsure: bool = False
    absent: bool = True
    work: bool = False
    """The rows that are not the same stand in a table `work` already."""
    guarded: frozenset[str] = field(default_factory=frozenset)
    """Effects (clear, delete) that wait for a person's yes (I-11)."""


def read_statement(name: str, **parts: str) -> str:
    """A statement of this room with its `<<marks>>` filled in; words of the dialect are left for the engine."""
    text = _read(name)
    for mark, part in parts.items():
        text = text.replace(f"<<{mark}>>", part)
    return text


@lru_cache
def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def diff_statement(terms: Terms) -> str:
    """One row for each desired row, with its fate."""
    numbers = range(len(terms.columns))
    return read_statement(
        "diff.sql",
        fate=_fate(terms),
        sent=mask_of(f"c{n}" for n in numbers),
        known=mask_of(f"k{n}" for n in numbers),
        clear=mask_of(f"x{n}" for n in numbers),
        heavy=_heavy(terms),
        id="d.key_" if terms.by_id else "a.id_",
        level="coalesce(l.level_, 0)" if terms.levels else "0",
        twin="t.twin_ IS NOT NULL" if terms.twins else "false",
        kept="k.kept_" if terms.kept else "CAST(NULL AS {{text}})",
        orphan="o.key_ IS NOT NULL" if terms.orphans else "false",
        cells="".join(_cell(terms, column, n) for n, column in enumerate(terms.columns)),
        joins=_joins(terms),
    )


def twins_statement(terms: Terms) -> str:
    """Keys that stand more than once in the desired rows."""
    return read_statement("twins.sql", folded=_folded("key_", terms))


def work_source(terms: Terms) -> str:
    """What to select the compared rows from."""
    return "work" if terms.work else f"({diff_statement(terms)})"


def sums_statement(terms: Terms) -> str:
    """Rows by fate, level, way and newness."""
    some_clear = any_of(f"x{n}" for n in range(len(terms.columns)))
    return read_statement("sums.sql", work=work_source(terms), clears=some_clear, unknown=unknown_in(terms))


def unknown_in(terms: Terms) -> str:
    """Whether a row would replace a value that we do not know."""
    return any_of(f"(c{n} AND NOT k{n})" for n in range(len(terms.columns)))


def stage_statement(terms: Terms, *, creates_last: bool) -> str:
    """The rows to send in their order; `$offset` is the place before the first."""
    values = "".join(
        f", CASE WHEN c{n} THEN v{n} END AS {quote_name(column.name)}, b{n} AS {quote_name(column.before)}"
        for n, column in enumerate(terms.columns)
    )
    new = "new_, " if creates_last else ""
    return read_statement("stage.sql", work=work_source(terms), values=values, new=new)


def whole_statement(placed: Placed) -> str:
    """Like `accept_statement`, for rows that were staged with everything that was accepted of them: no look at it again."""
    values = "".join(
        f", CASE WHEN {sign('s.sent_', n)} THEN s.{quote_name(column.name)} ELSE s.{quote_name(column.before)} END "
        f"AS {quote_name(column.name)}"
        for n, column in placed
    )
    return read_statement("accept_whole.sql", values=values)


def accept_statement(placed: Placed, others: Sequence[str], *, unsure: bool) -> str:
    """Rows of the accepted table for what `answers` says was written; `others` are accepted columns that were not sent."""
    values = "".join(
        f", CASE WHEN {sign('s.sent_', n)} THEN s.{quote_name(column.name)} ELSE a.{quote_name(column.name)} END "
        f"AS {quote_name(column.name)}"
        for n, column in placed
    )
    values += "".join(f", a.{quote_name(name)} AS {quote_name(name)}" for name in others)
    return read_statement("accept.sql", values=values, unsure=_still_unsure(placed) if unsure else "CAST(NULL AS {{text}})")


def unsure_statement(placed: Placed, others: Sequence[str]) -> str:
    """Rows of the accepted table for what may or may not have been written: the old values, with the sent fields in doubt."""
    names = " || ".join(  # each name once: only then does an answer remove it
        f"CASE WHEN {sign('s.sent_', n)} AND NOT ({_in_doubt(column)}) THEN {quote_text(column.name + ' ')} ELSE '' END"
        for n, column in placed
    )
    every = [column.name for _, column in placed] + list(others)
    values = "".join(f", a.{quote_name(name)} AS {quote_name(name)}" for name in every)
    return read_statement("unsure.sql", names=names or "''", values=values)


def bind_keys(engine: Engine, name: str, **columns: Sequence[object]) -> None:
    """Give a small table of texts and numbers a name in the engine."""
    import pyarrow as pa

    engine.bind(name, pa.table({key: pa.array(values) for key, values in columns.items()}))


# --- parts ----------------------------------------------------------------------------------------------------------


def _cell(terms: Terms, column: Column, n: int) -> str:
    name = quote_name(column.name)
    is_live = terms.live and not column.lookup  # a parent's key is not asked for
    known = f"a.{name} IS NOT NULL" + (" OR v.key_ IS NOT NULL" if is_live else "")
    differs = _differs(terms, column)
    before = f"CASE WHEN {differs} THEN coalesce(a.{name}, v.{name}) ELSE a.{name} END" if is_live else f"a.{name}"
    clears = f"{differs} AND d.{name} IS NULL AND a.{name} IS NOT NULL"
    return f", {_wanted(terms, column)} AS v{n}, {before} AS b{n}, {differs} AS c{n}, ({known}) AS k{n}, ({clears}) AS x{n}"


def _wanted(terms: Terms, column: Column) -> str:
    """The value to write. A checkbox cannot be empty: cleared means false."""
    value = f"d.{quote_name(column.name)}"
    if column.kind != "flag" or terms.blank == "leave":
        return value
    return f"coalesce({value}, CASE WHEN {_may_clear(terms, column)} THEN false END)"


def _may_clear(terms: Terms, column: Column) -> str:
    """When a blank is sent (PX-D13)."""
    reasons = [f"a.{quote_name(column.name)} IS NOT NULL"]
    if terms.unsure:
        reasons.append(_in_doubt(column))
    if terms.blank == "clear":
        reasons.append("a.key_ IS NULL")
    return " OR ".join(reasons)


def _differs(terms: Terms, column: Column) -> str:
    value, was = _wanted(terms, column), f"a.{quote_name(column.name)}"
    doubt = f" OR {_in_doubt(column)}" if terms.unsure else ""
    changed = f"{value} IS NOT NULL AND ({was} IS NULL OR {value} <> {was}{doubt})"
    cleared = f"{value} IS NULL AND ({_may_clear(terms, column)})"
    blank = f" OR ({cleared})" if terms.blank != "leave" and column.kind != "flag" else ""
    named = quote_text(f" {column.field.lower()} ")
    absent = f" AND {{{{position(coalesce(d.absent_, ''), {named})}}}} = 0" if terms.absent else ""
    only = " AND a.key_ IS NULL" if column.new_only else " AND a.key_ IS NOT NULL" if column.old_only else ""
    return f"((({changed}){blank}){absent}{only})"


def _in_doubt(column: Column) -> str:
    return f"{{{{position(coalesce(a.unsure_, ''), {quote_text(f' {column.name} ')})}}}} > 0"


def _still_unsure(placed: Placed) -> str:
    """Doubts that the answer did not remove."""
    text = "a.unsure_"
    for n, column in placed:
        name = quote_text(f" {column.name} ")
        text = f"replace({text}, {name}, CASE WHEN {sign('s.sent_', n)} THEN ' ' ELSE {name} END)"
    return f"CASE WHEN {text} <> ' ' THEN {text} END"


def _fate(terms: Terms) -> str:
    differs = any_of([f"c{n}" for n in range(len(terms.columns))] + (["new_"] if terms.upsert else []))
    removed = "guarded" if "delete" in terms.guarded else REMOVE
    cases = [
        ("key_ IS NULL", "no_key"), ("kept_ IS NOT NULL", None), ("bad_ IS NOT NULL", "bad"), ("twin_", "twin"),
        ("remove_ AND new_", SAME), ("remove_", removed if terms.may_remove else "forbidden"), (f"NOT ({differs})", SAME),
    ]  # fmt: skip
    text = "".join(f" WHEN {when} THEN {'kept_' if fate is None else quote_text(fate)}" for when, fate in cases)
    text += " WHEN orphan_ THEN 'orphan'"
    if "clear" in terms.guarded:
        text += " WHEN {{position(clear_, '1')}} > 0 THEN 'guarded'"
    return f"CASE{text} ELSE 'send' END"


def _heavy(terms: Terms) -> str:
    """Rows that Bulk cannot take: a cell or a row too long (R-146), or a text that Bulk would read as blank."""
    texts = [(n, column) for n, column in enumerate(terms.columns) if column.kind == "text"]
    tests = [f"(c{n} AND v{n} = {quote_text(NULL_MARK)})" for n, _ in texts]
    long = [n for n, column in texts if not column.length or column.length > LONGEST_CELL]
    tests += [f"(c{n} AND {{{{length(v{n})}}}} > {LONGEST_CELL})" for n in long]
    if sum(column.length or LONGEST_ROW for _, column in texts) > LONGEST_ROW // 2:
        sizes = " + ".join(f"coalesce(CASE WHEN c{n} THEN {{{{length(v{n})}}}} END, 0)" for n, _ in texts)
        tests.append(f"({sizes} > {LONGEST_ROW * 3 // 4})")
    return f"coalesce({any_of(tests)}, false)"


def _joins(terms: Terms) -> str:
    joins = ""
    if terms.twins:
        joins += f" LEFT JOIN twins AS t ON t.twin_ = {_folded('d.key_', terms)}"
    if terms.kept:
        joins += " LEFT JOIN kept AS k ON k.key_ = d.key_"
    if terms.orphans:
        joins += " LEFT JOIN orphans AS o ON o.key_ = d.parent_"
    if terms.levels:
        joins += " LEFT JOIN levels AS l ON l.key_ = d.key_"
    if terms.live:
        joins += " LEFT JOIN live AS v ON v.key_ = d.key_"
    return joins


def _folded(key: str, terms: Terms) -> str:
    return f"{{{{lower({key})}}}}" if terms.fold_keys else key


def mask_of(flags: Iterable[str]) -> str:
    """One sign for each flag, as a text."""
    return " || ".join(f"CASE WHEN {flag} THEN '1' ELSE '0' END" for flag in flags) or "''"


def any_of(flags: Iterable[str]) -> str:
    """Whether one of them is true."""
    return " OR ".join(flags) or "false"


def sign(mask: str, n: int) -> str:
    """Whether a mask holds the field at place `n`."""
    return f"{{{{substring({mask}, {n + 1}, 1)}}}} = '1'"


def equal(left: str, right: str) -> str:
    """Whether two values are the same, nulls too."""
    return f"coalesce({left} = {right}, {left} IS NULL AND {right} IS NULL)"
