"""One page of a Bulk result into a staged file of the lake: parsed here, written by a second thread at the same time.

Both halves run outside Python's lock, so that a page takes as long as the slower of them. The thread touches no database.
"""

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from integrations.lake.writing import StagedFile, TableWriter, open_writer
from integrations.models import LakeTable
from integrations.sync.mirror import landing
from integrations.sync.mirror.landing import BadRow, DamagedPage
from integrations.sync.mirror.planning import Column

if TYPE_CHECKING:
    import pyarrow as pa

AHEAD = 4  # parsed batches that may wait for the writer: memory stays flat


@dataclass
class StagedPage:
    """A page that is written whole. `first` to `last` are its ids when they rise all the way (`ascending`)."""

    staged: StagedFile = field(default_factory=lambda: StagedFile("", 0, 0))
    rows: int = 0
    bad: list[BadRow] = field(default_factory=list)
    erased: int = 0
    first: str = ""
    last: str = ""
    ascending: bool = True

    def note(self, batch: "pa.RecordBatch") -> None:
        """Follow the ids, to know without another look whether any can come twice."""
        import pyarrow.compute as pc

        if not batch.num_rows or not self.ascending:
            return
        ids = batch.column("Id")
        begin, end = ids[0].as_py(), ids[-1].as_py()
        rising = len(ids) < 2 or pc.call_function("min_max", [pc.call_function("less", [ids[:-1], ids[1:]])])["min"].as_py()
        self.ascending = bool(rising) and self.last < begin
        self.first, self.last = self.first or begin, end


def stage_page(
    table: LakeTable, columns: Sequence[Column], file: IO[bytes], *, announced: int | None, object_: str
) -> StagedPage:
    """The rows of a downloaded page as a staged file. Raises `DamagedPage`, with nothing left behind, when it is cut, has rows
    of another length, or not as many as Salesforce announced (R-031)."""
    present = landing.present(columns, landing.read_header(file))
    page = StagedPage()
    if not present:
        return page
    with open_writer(table, columns=[each.name for each in present]) as writer:
        with _Writing(writer) as writing:
            for typed in landing.csv_batches(file, present, object_=object_):
                page.bad += typed.bad
                page.note(typed.rows)
                writing.put(typed.rows)
        page.rows, page.erased = writer.rows + writer.erased_rows + len(page.bad), writer.erased_rows
        if announced is not None and announced != page.rows:
            message = f"A result page has {page.rows} rows where Salesforce announced {announced}."
            raise DamagedPage(message, code="CUT_ANSWER")
    page.staged = writer.staged
    return page


class _Writing:
    """A thread that writes batches in their order. Its failure is raised by the next `put`, or at the end."""

    def __init__(self, writer: TableWriter) -> None:
        self._writer = writer
        self._queue: queue.Queue[Any] = queue.Queue(AHEAD)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="page-writer", daemon=True)

    def __enter__(self) -> "_Writing":
        self._thread.start()
        return self

    def put(self, batch: "pa.RecordBatch") -> None:
        """Hand a batch over; waits while the writer is behind."""
        self._queue.put(batch)
        if self._failure is not None:
            raise self._failure

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._queue.put(None)
        self._thread.join()
        if self._failure is not None and kind is None:
            raise self._failure

    def _work(self) -> None:
        while (batch := self._queue.get()) is not None:
            if self._failure is None:
                try:
                    self._writer.write(batch)
                except BaseException as error:  # noqa: BLE001 - raised where the page is landed
                    self._failure = error
