"""The customers behind a number: who they are in both systems, what they pay, and how they were lately."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analytics.analyses import asking, finding
from analytics.facts import reading
from analytics.models import FactsState, Result
from integrations.access import Person, Refusal
from integrations.lake.engine import open_engine
from integrations.masking import hide_people, may_see_people
from integrations.models import Customer
from integrations.product.kpis import tables as kpis
from integrations.sorting import sort_of
from integrations.sync.mapping.problems import ProblemsFound

if TYPE_CHECKING:
    from integrations.lake.engine import Engine

SQL = Path(__file__).parent / "sql" / "behind.sql"
DAYS = 7
ROWS = 50
BATCH = 2000
SORTS = ("name", "mrr", "seats", "open_opportunities", "tickets", "last_seen_at", "active_days")
USUAL = "-mrr"
HEADER = (
    "subject", "customer", "name", "account_id", "owner_id", "mrr", "currency", "seats", "open_opportunities", "tickets",
    "last_seen", "active_days_of_last_7",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One of them. `customer_id` None: an account that leads to no customer; `account_id` empty: one without an account."""

    subject: str
    customer_id: int | None
    customer: str
    name: str
    account_id: str
    accounts: int
    owner_id: str
    mrr: Decimal | None
    seats: Decimal | None
    open_opportunities: int | None
    tickets: int | None
    last_seen_at: datetime | None
    active_days: int | None


@dataclass(frozen=True, slots=True)
class Opened:
    """A number of a result that was opened: which cell, and what it stands for in words."""

    result: Result
    cell: Mapping[str, Any]
    words: str

    @property
    def is_of_current_facts(self) -> bool:
        """Whether the facts are still those that the number was computed from."""
        state = FactsState.objects.filter(org=self.result.analysis.org_id).first()
        return state is not None and state.digest == self.result.facts


def open_cell(result: Result, text: str) -> Opened:
    """The number that an address names; `Refusal` with status 404 in words when it is none of this result."""
    cell = finding.read_cell(text)
    kind = asking.kind_of(result.analysis)
    if cell is None or result.state != Result.State.DONE or not finding.has_cell(result.document, cell):
        raise Refusal("unknown_cell", "This result has no such number; open it from its page.")
    if kind is None or kind.behind is None:
        raise Refusal("not_listed", "The customers behind this kind of number cannot be listed.")
    return Opened(result, cell, finding.words_of(result.document, cell))


def read_page(group: Opened, *, user: Person, sort: str = "", page: int = 1, rows: int = 0) -> tuple[list[Line], int, int]:
    """One page of `rows` lines (0: 50), how many there are in all, and the page that was given: at most the last one."""
    rows = rows or ROWS
    with open_engine() as engine:
        statement = _prepare(engine, group)
        total = int(engine.rows(_select("count(*)", statement))[0][0])
        page = max(1, min(page, -(-total // rows) or 1))
        window = f"LIMIT {int(rows)} OFFSET {int((page - 1) * rows)}"
        found = engine.table(_select("*", statement, f"ORDER BY {_order(sort)} {window}")).to_pylist()
    return _lines(found, user), total, page


def count_lines(group: Opened) -> int:
    """How many customers are behind the number."""
    with open_engine() as engine:
        return int(engine.rows(_select("count(*)", _prepare(engine, group)))[0][0])


def stream_lines(group: Opened, *, user: Person, sort: str = "") -> Iterator[Line]:
    """All of them in the order of the page, read while they are sent."""
    with open_engine() as engine:
        statement = _select("*", _prepare(engine, group), f"ORDER BY {_order(sort)}")
        for batch in engine.batches(statement, BATCH):
            yield from _lines(batch.to_pylist(), user)


def subjects_of(group: Opened) -> list[str]:
    """The subjects alone, in order, for keeping them as a group."""
    with open_engine() as engine:
        return [row[0] for row in engine.rows(_select("subject", _prepare(engine, group), "ORDER BY subject"))]


def csv_line(line: Line, currency: str) -> list[Any]:
    """A line as the CSV gives it, under `HEADER`."""
    return [
        line.subject, line.customer, line.name, line.account_id, line.owner_id, _money(line.mrr), currency,
        _number(line.seats), line.open_opportunities, line.tickets,
        line.last_seen_at.isoformat() if line.last_seen_at else "", line.active_days,
    ]  # fmt: skip


def _prepare(engine: "Engine", group: Opened) -> str:
    """Everything bound; the statement that gives the lines."""
    result = group.result
    kind, asked = asking.kind_of(result.analysis), asking.asked_of(result.analysis, result)
    assert kind is not None
    assert kind.behind is not None
    try:
        chosen = kind.behind(engine, asked, group.cell)
    except (ProblemsFound, KeyError, ValueError) as error:
        raise Refusal("unknown_cell", "The customers behind this number cannot be found any more.") from error
    engine.bind("chosen", chosen.select(["subject"]))
    reading.bind(engine, result.analysis.org, "subjects")
    last = asked.as_of - timedelta(days=1)
    first = asked.as_of - timedelta(days=DAYS)
    columns = (kpis.DAY, kpis.CUSTOMER_ID, kpis.ACTIVE_EVENTS)
    engine.bind("usage", kpis.daily(columns=columns, since=first.date(), until=last.date()))
    return engine.sql(SQL)


def _select(what: str, statement: str, tail: str = "") -> str:
    """A statement around ours; all parts are words of this module."""
    return f"SELECT {what} FROM ({statement}) AS t {tail}"  # noqa: S608


def _order(sort: str) -> str:
    chosen = sort_of(sort, SORTS) or USUAL
    falling = "DESC" if chosen.startswith("-") else "ASC"
    return f"{chosen.removeprefix('-')} {falling} NULLS LAST, subject"


def _lines(rows: Sequence[Mapping[str, Any]], user: Person) -> list[Line]:
    """Rows of the engine with the spine's ids; names of people are hidden from those who may not see them."""
    numbers = [row["customer_id"] for row in rows if row["customer_id"] is not None]
    known = {each.pk: each for each in Customer.objects.filter(pk__in=numbers, erased_at=None)}
    sees = may_see_people(user)
    return [_line(row, known.get(row["customer_id"]), sees) for row in rows]


def _line(row: Mapping[str, Any], customer: Customer | None, sees_people: bool) -> Line:
    name = (customer.name if customer is not None else "") or row["name"] or row["account_id"] or row["subject"]
    return Line(
        subject=row["subject"], customer_id=customer.pk if customer is not None else None,
        customer=customer.external_id if customer is not None else "", name=name if sees_people else hide_people(name),
        account_id=row["account_id"] or "", accounts=row["accounts"] or 0, owner_id=row["owner_id"] or "", mrr=row["mrr"],
        seats=row["seats"], open_opportunities=row["open_opportunities"], tickets=row["tickets"],
        last_seen_at=row["last_seen_at"], active_days=row["active_days"],
    )  # fmt: skip


def _money(value: Decimal | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _number(value: Decimal | None) -> str:
    return "" if value is None else f"{value:f}".rstrip("0").rstrip(".") if "." in f"{value:f}" else f"{value:f}"
