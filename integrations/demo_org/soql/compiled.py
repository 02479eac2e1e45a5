"""What a query compiles to: SQL to run, flat columns, and how rows become nested records."""
# ruff: noqa: S608 - the SQL is built from the schema's own names; every value is a parameter.

from dataclasses import dataclass, field
from typing import Any

from integrations.demo_org.schema.types import Field, ObjectType
from integrations.demo_org.soql.scope import Term
from integrations.demo_org.soql.tree import Query

NUMBERS = frozenset({"double", "currency", "percent"})


@dataclass(frozen=True)
class Column:
    """One output column: its dotted name as a CSV header, the type of its values (describe word), the field behind it."""

    name: str
    type: str
    sql: str
    field: Field | None = None
    entity: str = ""
    function: str = ""


@dataclass
class Leaf:
    """A value: the row's column `index`, of describe type `type`."""

    index: int
    type: str


@dataclass
class Compound:
    """An address or location, from (key, column index) pairs."""

    parts: list[tuple[str, int]]
    types: list[str]


@dataclass
class Node:
    """A record: `object_name` fixed, or told from the id's prefix when None; `label` overrides the attributes' type."""

    object_name: str | None
    id_index: int
    label: str | None = None
    entries: "dict[str, Leaf | Compound | Node | Choice | Child]" = field(default_factory=dict)


@dataclass
class Choice:
    """TYPEOF: the node of the object that the id belongs to, else `otherwise`."""

    id_index: int
    by_object: dict[str, Node]
    otherwise: Node | None


@dataclass
class Child:
    """A nested query: its compiled form, and which of `CompiledQuery.children` it is."""

    index: int


@dataclass
class CompiledQuery:
    """A query ready to run. `columns` are the visible ones; hidden ones (ids for attributes) follow them in the rows.

    `sql` with `params` gives all rows, limit and order applied. `ids_sql` gives only the record ids in that order, in
    one text; `page_sql` takes a JSON array of ids and gives those rows in that order.
    """

    query: Query
    text: str
    object: ObjectType
    columns: list[Column]
    hidden: list[str]
    source: str
    where: str
    params: list[Any]
    order: str
    root: str
    node: Node | None = None
    aggregate: bool = False
    count_only: bool = False
    grouped_sql: str = ""
    outputs: list[tuple[str, str]] = field(default_factory=list)
    children: "list[ChildQuery]" = field(default_factory=list)
    prefixes: dict[str, str] = field(default_factory=dict)

    def limit_sql(self, most: int | None = None) -> str:
        """LIMIT and OFFSET as SQL, with at most `most` rows."""
        limits = [each for each in (self.query.limit, most) if each is not None]
        if not limits and not self.query.offset:
            return ""
        return f" LIMIT {min(limits, default=-1)} OFFSET {self.query.offset or 0}"

    @property
    def select(self) -> str:
        """The column list."""
        return ", ".join([each.sql for each in self.columns] + self.hidden) or "1"

    @property
    def sql(self) -> str:
        """The whole statement."""
        return self.sql_of()

    def sql_of(self, most: int | None = None) -> str:
        """The statement, cut off after `most` rows."""
        if self.count_only:
            return f"SELECT COUNT(*) FROM (SELECT 1 FROM {self.source}{self.where}{self.limit_sql()})"
        if self.aggregate:
            return f"{self.grouped_sql}{self.limit_sql(most)}"
        return f"SELECT {self.select} FROM {self.source}{self.where}{self.order}{self.limit_sql(most)}"

    @property
    def ids_sql(self) -> str:
        """All record ids in order, joined without separator (18 characters each)."""
        inner = f'SELECT {self.root}."Id" AS id FROM {self.source}{self.where}{self.order}{self.limit_sql()}'
        return f"SELECT group_concat(id, '') FROM ({inner})"

    @property
    def page_sql(self) -> str:
        """The rows of given ids (a JSON array), in the order given."""
        table = f'"{self.object.name}" AS {self.root}'
        rest = self.source.removeprefix(table)
        return (
            f'SELECT {self.select} FROM json_each(?) AS page CROSS JOIN {table} ON {self.root}."Id" = page.value{rest}'
            " ORDER BY page.key"
        )

    @property
    def width(self) -> int:
        """How heavy a row is: one per column, fifty more per long text."""
        return len(self.columns) + sum(50 for each in self.columns if each.field and each.field.length > 4000)


@dataclass
class ChildQuery:
    """A nested query with the column that points to the parent."""

    name: str
    compiled: CompiledQuery
    key: str

    def rows_sql(self) -> str:
        """Children of the parents in a JSON array, at most `?` each: columns, then parent id and number of children."""
        inner = self.compiled
        limit, offset = inner.query.limit, inner.query.offset or 0
        over = f"(PARTITION BY {self.key}{inner.order or f' ORDER BY {inner.root}.rowid'})"
        joiner = " AND " if inner.where else " WHERE "
        names = [f"c{k}" for k in range(len(inner.columns) + len(inner.hidden))]
        listed = ", ".join(
            f"{sql} AS {name}" for sql, name in zip([c.sql for c in inner.columns] + inner.hidden, names, strict=True)
        )
        rows = (
            f"SELECT {listed}, {self.key} AS parent, ROW_NUMBER() OVER {over} AS number,"
            f" COUNT(*) OVER (PARTITION BY {self.key}) AS total FROM {inner.source}{inner.where}{joiner}"
            f"{self.key} IN (SELECT value FROM json_each(?))"
        )
        total = f"MAX(0, total - {offset})" if limit is None else f"MIN({limit}, MAX(0, total - {offset}))"
        last = f"{offset} + ?" if limit is None else f"{offset} + MIN({limit}, ?)"
        return (
            f"SELECT {', '.join(names)}, parent, {total} FROM ({rows}) WHERE number > {offset} AND number <= {last}"
            " ORDER BY parent, number"
        )

    def ids_sql(self) -> str:
        """All children ids of one parent (`?`), in order, joined without separator."""
        inner = self.compiled
        joiner = " AND " if inner.where else " WHERE "
        rows = (
            f'SELECT {inner.root}."Id" AS id FROM {inner.source}{inner.where}{joiner}{self.key} = ?'
            f"{inner.order or f' ORDER BY {inner.root}.rowid'}{inner.limit_sql()}"
        )
        return f"SELECT group_concat(id, '') FROM ({rows})"


def column_of(name: str, term: Term, function: str = "") -> Column:
    """The output column of a term."""
    return Column(name, term.type, term.sql, term.field, term.entity, function)
