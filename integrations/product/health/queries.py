"""What pages and API read of health scores: customers with their scores, one customer explained, the history."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Q

from integrations.lake import reading
from integrations.lake.engine import open_engine
from integrations.models import Customer, RecordLink, SalesforceOrg
from integrations.product import signals
from integrations.product.health import storing
from integrations.product.health.scoring import PartResult
from integrations.product.models import HealthDay, HealthScore

PAGE = 50
BANDS = {"good": "Good", "fair": "Fair", "poor": "Poor", "unknown": "Too little known"}
STREAMED = 2_000  # rows of an export at once
HISTORY = 90  # days of a customer's own history


@dataclass(frozen=True)
class Row:
    """A customer's score of one day."""

    customer_id: int
    name: str
    external_id: str
    score: int | None
    band: str
    known: Decimal
    parts: list[PartResult]
    change: int | None = None
    """Against the score of 30 days earlier; None when there was none."""
    salesforce_id: str = ""

    @property
    def worst(self) -> PartResult | None:
        """The part that costs most; None when nothing is lost."""
        found = max(self.parts, key=lambda part: part.lost, default=None)
        return found if found is not None and found.lost > 0 else None


@dataclass(frozen=True)
class Page:
    """Some rows of many."""

    rows: list[Row]
    total: int
    day: date | None
    number: int = 1

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return max(1, -(-self.total // PAGE))

    @property
    def previous(self) -> int:
        """Number of the page before."""
        return self.number - 1

    @property
    def next(self) -> int:
        """Number of the page after."""
        return self.number + 1


def latest_day(score: HealthScore) -> date | None:
    """The UTC day of the newest computation."""
    found = score.days.first()
    return found.day if found is not None else None


@dataclass(frozen=True)
class Wanted:
    """Which customers a list shows: by name or id, by band, worst first unless `sort` is -score."""

    text: str = ""
    band: str = ""
    sort: str = ""

    def statement(self) -> tuple[str, str, dict[str, Any]]:
        """The conditions, the order and the parameters."""
        conditions, params = [], dict[str, Any]()
        if self.band in BANDS:
            conditions.append("s.band = $band")
            params["band"] = self.band
        if self.text.strip():
            conditions.append("{{has($ids, CAST(s.customer_id AS {{text}}))}}")
            params["ids"] = [str(pk) for pk in _ids_called(self.text)]
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        order = f"s.score {'DESC' if self.sort == '-score' else 'ASC'} NULLS LAST, s.customer_id"
        return where, order, params


COLUMNS = "s.customer_id, s.score, s.band, s.known, s.parts"


def find_scores(score: HealthScore, wanted: Wanted | None = None, *, number: int = 1) -> Page:
    """One page of customers with their newest score. Filters that mean nothing match all."""
    day = latest_day(score)
    if day is None:
        return Page([], 0, None)
    where, order, params = (wanted or Wanted()).statement()
    with open_engine() as engine:
        engine.bind("scores", storing.scores_on(score, day))
        total = engine.rows(f"SELECT count(*) FROM scores AS s {where}", **params)[0][0]  # noqa: S608  our own words
        number = max(1, min(number, max(1, -(-total // PAGE))))
        limit = f"LIMIT {PAGE} OFFSET {(number - 1) * PAGE}"
        found = engine.rows(f"SELECT {COLUMNS} FROM scores AS s {where} ORDER BY {order} {limit}", **params)  # noqa: S608
        earlier = _scores_before(engine, score, day, [row[0] for row in found])
    return Page(_rows(score, found, earlier), total, day, number)


def stream_scores(score: HealthScore, wanted: Wanted) -> Iterator[Row]:
    """All of them in the same order, a bounded number in memory at a time (R-280)."""
    day = latest_day(score)
    if day is None:
        return
    where, order, params = wanted.statement()
    with open_engine() as engine:
        engine.bind("scores", storing.scores_on(score, day))
        sql = f"SELECT {COLUMNS} FROM scores AS s {where} ORDER BY {order}"  # noqa: S608  our own words
        for batch in engine.batches(sql, STREAMED, **params):
            columns = [column.to_pylist() for column in batch.columns]
            yield from _rows(score, list(zip(*columns, strict=True)), {})


def explain(score: HealthScore, customer: Customer) -> tuple[Row | None, list[tuple[date, int | None]]]:
    """A customer's newest score with its parts, and the scores of the last 90 days."""
    day = latest_day(score)
    if day is None:
        return None, []
    history = reading.newest(
        storing.table_of(score), columns=["customer_id", "day", "score"], since=day - timedelta(days=HISTORY)
    )
    with open_engine() as engine:
        engine.bind("scores", storing.scores_on(score, day))
        engine.bind("history", history)
        own = "WHERE customer_id = $customer"
        found = engine.rows(f"SELECT customer_id, score, band, known, parts FROM scores {own}", customer=customer.pk)  # noqa: S608
        days = engine.rows(f"SELECT day, score FROM history {own} ORDER BY day", customer=customer.pk)  # noqa: S608
        earlier = _scores_before(engine, score, day, [customer.pk])
    rows = _rows(score, found, earlier)
    return (rows[0] if rows else None), [(each, None if value is None else int(value)) for each, value in days]


def history_of(score: HealthScore, *, days: int = 90) -> list[HealthDay]:
    """The last days over all customers, oldest first."""
    return list(reversed(score.days.all()[:days]))


def labels_of(org: SalesforceOrg | None) -> dict[str, str]:
    """Names of the signals."""
    return {} if org is None else {each.key: each.label for each in signals.signals_of(org)}


def _scores_before(engine: Any, score: HealthScore, day: date, ids: Sequence[int]) -> dict[int, int]:
    if not ids:
        return {}
    engine.bind("before", storing.scores_on(score, day - timedelta(days=30), columns=["customer_id", "score"]))
    sql = "SELECT customer_id, score FROM before WHERE score IS NOT NULL AND {{has($ids, CAST(customer_id AS {{text}}))}}"
    return {int(pk): int(value) for pk, value in engine.rows(sql, ids=[str(pk) for pk in ids])}


def _rows(score: HealthScore, found: Sequence[tuple[Any, ...]], earlier: dict[int, int]) -> list[Row]:
    ids = [row[0] for row in found]
    customers = Customer.objects.in_bulk(ids)
    links = RecordLink.objects.filter(customer__in=ids, state=RecordLink.State.ACTIVE, org=score.org_id)
    known = dict(links.values_list("customer", "salesforce_id"))
    return [
        Row(
            pk, customers[pk].name, customers[pk].external_id, None if value is None else int(value), band, percent,
            storing.read_results(parts), int(value) - earlier[pk] if value is not None and pk in earlier else None,
            known.get(pk, ""),
        )
        for pk, value, band, percent, parts in found if pk in customers
    ]  # fmt: skip


def _ids_called(text: str) -> list[int]:
    wanted = text.strip().replace("\0", "")
    named = Customer.objects.filter(Q(name__icontains=wanted) | Q(external_id__icontains=wanted), erased_at=None)
    return list(named.values_list("pk", flat=True)[:5_000])
