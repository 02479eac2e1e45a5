"""Runs compiled queries: pages of nested records, nested queries, locators."""

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from integrations.demo_org.errors import ApiError
from integrations.demo_org.soql.compiled import ChildQuery, CompiledQuery
from integrations.demo_org.soql.cursors import Cursor, Cursors
from integrations.demo_org.soql.render import record_maker
from integrations.demo_org.soql.sqlite_functions import register

LARGEST_PAGE = 2000
SMALLEST_PAGE = 200
FULL_WIDTH = 30
MOST_GROUPS = 2000
CHILD_BUDGET = 40_000
NO_MORE = "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch"


class Readable(Protocol):
    """What running needs of the store."""

    instance: str
    generation: int

    def read(self) -> sqlite3.Connection:
        """This thread's connection."""
        ...


@dataclass(frozen=True)
class Paging:
    """How results are cut into pages. Without `cursors` everything comes at once."""

    cursors: Cursors | None = None
    batch_size: int = LARGEST_PAGE
    user_id: str = ""
    now: datetime | None = None


def run_query(
    store: Readable, compiled: CompiledQuery, *, version: str = "65.0", paging: Paging | None = None
) -> dict[str, Any]:
    """The answer of the query resource: totalSize, done, records and nextRecordsUrl when there is more.

    `version` is what follows /services/data/v in addresses: 65.0, or 65.0/tooling.
    """
    return Runner(store, version, paging or Paging()).first(compiled)


def run_more(store: Readable, locator: str, *, version: str, paging: Paging) -> dict[str, Any]:
    """The next page of a query. ApiError INVALID_QUERY_LOCATOR when the locator is unknown or too old."""
    return Runner(store, version, paging).more(locator)


def page_size(compiled: CompiledQuery, batch_size: int) -> int:
    """Records per page: the wish of the client, less for wide rows."""
    wished = max(SMALLEST_PAGE, min(LARGEST_PAGE, batch_size))
    if compiled.width <= FULL_WIDTH:
        return wished
    return max(SMALLEST_PAGE, min(wished, LARGEST_PAGE * FULL_WIDTH // compiled.width))


class Runner:
    """Runs queries of one request."""

    def __init__(self, store: Readable, version: str, paging: Paging) -> None:
        self.store = store
        self.version = version
        self.paging = paging
        self.connection = register(store.read())

    # -- whole queries -----------------------------------------------------------------------------------------------

    def first(self, compiled: CompiledQuery) -> dict[str, Any]:
        """The first page."""
        if compiled.count_only:
            total = self.connection.execute(compiled.sql, compiled.params).fetchone()[0]
            return {"totalSize": total, "done": True, "records": []}
        if compiled.aggregate:
            return self._groups(compiled)
        if self.paging.cursors is None:
            return self._answer(compiled, self.connection.execute(compiled.sql, compiled.params).fetchall())
        size = page_size(compiled, self.paging.batch_size)
        rows = self.connection.execute(compiled.sql_of(size + 1), compiled.params).fetchall()
        if len(rows) <= size:
            return self._answer(compiled, rows)
        listed = self.connection.execute(compiled.ids_sql, compiled.params).fetchone()[0] or ""
        return self._page(*self._open(compiled, listed, size), 0)

    def _groups(self, compiled: CompiledQuery) -> dict[str, Any]:
        rows = self.connection.execute(compiled.sql_of(MOST_GROUPS + 1), compiled.params).fetchall()
        if len(rows) > MOST_GROUPS:
            raise ApiError(400, "EXCEEDED_ID_LIMIT", NO_MORE)
        return self._answer(compiled, rows)

    def _answer(self, compiled: CompiledQuery, rows: list[Any]) -> dict[str, Any]:
        """A result that fits one page."""
        return {"totalSize": len(rows), "done": True, "records": self._records(compiled, rows)}

    # -- pages -------------------------------------------------------------------------------------------------------

    def _open(self, compiled: CompiledQuery, listed: str, size: int) -> tuple[Cursor, str]:
        """Keep the ids of a result under a new locator."""
        paging = self.paging
        assert paging.cursors is not None
        assert paging.now is not None
        cursor = Cursor(compiled, listed, paging.user_id, paging.now, self.store.generation, size)
        return cursor, paging.cursors.add(cursor, instance=self.store.instance)

    def more(self, locator: str) -> dict[str, Any]:
        """A later page."""
        paging = self.paging
        assert paging.cursors is not None
        assert paging.now is not None
        cursor, name, offset = paging.cursors.find(
            locator, user_id=paging.user_id, now=paging.now, generation=self.store.generation
        )
        return self._page(cursor, name, offset)

    def _page(self, cursor: Cursor, name: str, offset: int) -> dict[str, Any]:
        wanted = cursor.part(offset, cursor.page_size)
        rows = self.connection.execute(cursor.compiled.page_sql, (json.dumps(wanted),)).fetchall()
        end = offset + len(wanted)
        answer: dict[str, Any] = {"totalSize": cursor.total, "done": end >= cursor.total}
        if end < cursor.total:
            answer["nextRecordsUrl"] = self._next_url(name, end)
        answer["records"] = self._records(cursor.compiled, rows)
        return answer

    def _next_url(self, name: str, offset: int) -> str:
        return f"/services/data/v{self.version}/query/{name}-{offset}"

    def _records(self, compiled: CompiledQuery, rows: list[Any]) -> list[Any]:
        make = record_maker(compiled, self.version)
        children = self._children(compiled, rows) if compiled.children and rows else []
        return [make(row, children) for row in rows]

    # -- nested queries ----------------------------------------------------------------------------------------------

    def _children(self, compiled: CompiledQuery, rows: list[Any]) -> list[dict[str, Any]]:
        """For each nested query its results by parent id."""
        assert compiled.node is not None
        parents = [row[compiled.node.id_index] for row in rows]
        return [self._child(each, parents) for each in compiled.children]

    def _child(self, child: ChildQuery, parents: list[str]) -> dict[str, Any]:
        """The results of one nested query for the records of a page."""
        most = max(SMALLEST_PAGE, min(page_size(child.compiled, self.paging.batch_size), CHILD_BUDGET // len(parents)))
        if self.paging.cursors is None:
            most = 2**31
        params = [*child.compiled.params, json.dumps(parents), most]
        rows = self.connection.execute(child.rows_sql(), params).fetchall()
        records = self._records(child.compiled, rows)
        found: dict[str, list[Any]] = {}
        totals: dict[str, int] = {}
        for row, record in zip(rows, records, strict=True):
            found.setdefault(row[-2], []).append(record)
            totals[row[-2]] = row[-1]
        return {parent: self._child_answer(child, parent, totals[parent], each) for parent, each in found.items()}

    def _child_answer(self, child: ChildQuery, parent: str, total: int, records: list[Any]) -> dict[str, Any]:
        """One record's nested result, with a locator when there are more."""
        answer: dict[str, Any] = {"totalSize": total, "done": len(records) >= total}
        if len(records) < total:
            params = [*child.compiled.params, parent]
            listed = self.connection.execute(child.ids_sql(), params).fetchone()[0] or ""
            _, name = self._open(child.compiled, listed, page_size(child.compiled, self.paging.batch_size))
            answer["nextRecordsUrl"] = self._next_url(name, len(records))
        answer["records"] = records
        return answer
