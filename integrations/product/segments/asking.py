"""Questions over segments and filters, set-based: how many, who (a page, all ids), and by which value of a field.

Answers are as of the last copy of the spine (`fresh`), of the daily roll-up and of the stored KPIs.
"""
# ruff: noqa: S608 - names are ours, values come as parameters

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.conf import settings

from integrations.lake.engine import Engine
from integrations.product.segments.binding import bind_needs, bound_engine, feature_columns, stored_kpis
from integrations.product.segments.conditions import EVERYONE, Group, expand
from integrations.product.segments.fieldtypes import Field, Known
from integrations.product.segments.folding import fold
from integrations.product.segments.sql import Query
from integrations.sync.mapping.types import STRING

if TYPE_CHECKING:
    import pyarrow as pa

MOST_GROUPS = 200
SEARCHED = {"customer": ("name", "external_id", "website"), "end_user": ("name", "external_id")}
SUM, AVERAGE = "sum", "avg"


@dataclass(frozen=True)
class Question:
    """Records of an entity: all conditions must hold, the `text` stands in name, id or website, `sort` is a field's key."""

    known: Known
    trees: Sequence[Group] = (EVERYONE,)
    text: str = ""
    sort: str = ""
    own: int | None = None
    searched: Sequence[str] = ()

    @property
    def entity(self) -> str:
        """customer or end_user."""
        return self.known.entity


@dataclass(frozen=True)
class Page:
    """Some records in their order, and how many there are in all."""

    ids: Sequence[int]
    values: Sequence[dict[str, Any]]
    total: int


@dataclass(frozen=True)
class Slice:
    """One value of the field that records were grouped by; `measured` has one figure a measure."""

    value: Any
    records: int
    measured: Sequence[Decimal | None] = field(default_factory=tuple)


@dataclass(frozen=True)
class Sliced:
    """The largest groups; how many groups and records there are in all."""

    slices: Sequence[Slice]
    groups: int
    records: int


def count(question: Question, *, now: datetime) -> int:
    """How many records fulfil it."""
    query, _ = _query(question, (), now=now)
    with bound_engine(question.entity, query.needs) as engine:
        return engine.rows(f"SELECT count(*) FROM ({query.rows()}) AS found", **query.params)[0][0]


def read_page(question: Question, columns: Sequence[Field], *, first: int, rows: int, now: datetime) -> Page:
    """Records `first` to `first + rows` in their order, with the values of `columns` by key, which are read for them alone."""
    query, order = _query(question, (), now=now)
    falling = "DESC" if question.sort.startswith("-") else "ASC"
    statement = (
        f"WITH kept AS {_once()}(SELECT id, {order} AS order_ FROM ({query.rows()}) AS found) "
        "SELECT (SELECT count(*) FROM kept) AS total, id FROM kept "
        f"ORDER BY order_ {falling} NULLS LAST, id LIMIT {int(rows)} OFFSET {int(first)}"
    )
    with bound_engine(question.entity, query.needs) as engine:
        shown = engine.rows(statement, **query.params)
        if not shown:  # behind the last page: the total must be asked by itself
            found = engine.rows(f"SELECT count(*) FROM ({query.rows()}) AS found", **query.params) if first else [(0,)]
            return Page([], [], found[0][0])
        ids = [row[1] for row in shown]
        values = _values_of(engine, question.known, ids, columns, now=now, kpis=query.known_kpis)
    return Page(ids, [values.get(key, _by_key(columns, [None] * len(columns))) for key in ids], shown[0][0])


def _values_of(
    engine: Engine, known: Known, ids: list[int], columns: Sequence[Field], *, now: datetime, kpis: Iterable[str]
) -> dict[int, dict[str, Any]]:
    """Values of a few records."""
    if not columns:
        return {}
    query = Query(known.entity, known.fields, engine=engine_words(), now=now, kpis=kpis)
    wanted = "".join(f", {query.column(each)}" for each in columns)
    bind_needs(engine, known.entity, query.needs, only=ids)
    rows = engine.rows(f"SELECT id{wanted} FROM ({query.rows()}) AS found", **query.params)
    return {row[0]: _by_key(columns, row[1:]) for row in rows}


def _once() -> str:
    """What makes DuckDB work a WITH out once for all its uses; ClickHouse has no word for it."""
    return "MATERIALIZED " if engine_words() == "duckdb" else ""


def read_all(
    question: Question, columns: Sequence[Field], *, now: datetime, rows: int = 5000
) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    """All records in their order, in pieces: id and the values of `columns` by key."""
    query, order = _query(question, columns, now=now)
    wanted = "".join(f", {query.column(each)}" for each in columns)
    falling = "DESC" if question.sort.startswith("-") else "ASC"
    statement = f"SELECT id{wanted} FROM ({query.rows()}) AS found ORDER BY {order} {falling} NULLS LAST, id"
    with bound_engine(question.entity, query.needs) as engine:
        for batch in engine.batches(statement, rows, **query.params):
            lists = [column.to_pylist() for column in batch.columns]
            yield [(row[0], _by_key(columns, row[1:])) for row in zip(*lists, strict=True)]


def member_ids(question: Question, *, now: datetime) -> "pa.Table":
    """The keys of all records that fulfil it, as an Arrow table with the column `id`."""
    query, _ = _query(question, (), now=now)
    with bound_engine(question.entity, query.needs) as engine:
        return engine.table(f"SELECT id FROM ({query.rows()}) AS found ORDER BY id", **query.params)


def slice_by(question: Question, by: Field, measures: Sequence[tuple[str, Field]], *, now: datetime) -> Sliced:
    """Records by the value of a field (PX-02): counts, and sums or averages of numbers; the largest groups first.

    Texts that differ by case only are one group, named by the first of them; dates are grouped by month. At most 200 groups.
    """
    query, _ = _query(question, (by, *(each for _, each in measures)), now=now)
    key = _group_key(query, by)
    figures = "".join(f", {_figure(kind, query.column(each))} AS m{place}" for place, (kind, each) in enumerate(measures))
    label = f"min({query.column(by)})" if by.type == STRING else key
    grouped = f"SELECT {label} AS label, count(*) AS n{figures} FROM ({query.rows()}) AS found GROUP BY {key}"
    statement = (
        f"WITH grouped AS {_once()}({grouped}) SELECT (SELECT count(*) FROM grouped) AS groups_, "
        f"(SELECT sum(n) FROM grouped) AS records_, * FROM grouped ORDER BY n DESC, label NULLS LAST LIMIT {MOST_GROUPS}"
    )
    with bound_engine(question.entity, query.needs) as engine:
        found = engine.rows(statement, **query.params)
    slices = [Slice(row[2], row[3], row[4:]) for row in found]
    return Sliced(slices, found[0][0] if found else 0, int(found[0][1]) if found else 0)


def _group_key(query: Query, by: Field) -> str:
    column = query.column(by)
    if by.type == STRING:
        return query.folded(by)
    if by.type != "DATE_TIME":
        return column
    if by.source == "attribute":
        return f"{{{{substring({column}, 1, 7)}}}}"
    return f"{{{{substring(CAST({{{{month_of({column})}}}} AS {{{{text}}}}), 1, 7)}}}}"


def _figure(kind: str, column: str) -> str:
    if kind == SUM:
        return f"sum({column})"
    total = f"CAST(sum({column}) AS {{{{real}}}})"
    return f"{total} / nullIf(count({column}), 0)"


def _query(question: Question, columns: Sequence[Field], *, now: datetime) -> tuple[Query, str]:
    """The statement, and the column that its rows are sorted by."""
    fields = question.known.fields
    query = Query(
        question.entity, fields, engine=engine_words(), now=now, kpis=stored_kpis(), features=feature_columns()
    )  # fmt: skip
    for tree in question.trees:
        query.keep(expand(tree, question.known, own=question.own))
    if question.text.strip():
        query.keep_text([fields[name] for name in question.searched or SEARCHED[question.entity]], fold(question.text.strip()))
    for each in columns:
        query.column(each)
    return query, _order(query, question)


def engine_words() -> str:
    """Which engine's words a statement needs where the dialect has none."""
    return "duckdb" if settings.LAKE_ENGINE_URL.startswith("duckdb") else "clickhouse"


def _order(query: Query, question: Question) -> str:
    """The column that records are sorted by."""
    wanted = question.known.fields.get(question.sort.removeprefix("-"))
    if wanted is None or not wanted.shown:
        return "id"
    return query.folded(wanted) if wanted.type == STRING else query.column(wanted)


def _by_key(columns: Sequence[Field], values: Sequence[Any]) -> dict[str, Any]:
    return {each.key: value for each, value in zip(columns, values, strict=True)}
