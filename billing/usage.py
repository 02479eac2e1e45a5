"""Usage of billable metrics: taken in once by key, and measured for a period from reports and product events."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from billing import incoming
from billing.gauge import Gauge
from billing.incoming import Row, Wrong
from billing.merged import called_by_product, heirs_of
from billing.models import BillableMetric, BillingCustomer, IngestAlias, UsageRecord
from billing.pricing import ZERO, Period
from integrations.sync import retrying

BATCH = 500
FUTURE = timedelta(minutes=5)
NEEDED = ("id", "customer_id", "metric_id", "at")
READERS = {
    "id": incoming.READ_KEY, "customer_id": incoming.READ_KEY, "metric_id": incoming.READ_KEY, "quantity": incoming.amount,
    "at": incoming.moment, "unique_value": incoming.text(),
}  # fmt: skip


@dataclass(slots=True)
class Taken:
    """What became of a batch: ids that are new, ids that were known, and errors by place."""

    accepted: int = 0
    repeated: int = 0
    errors: dict[int, dict[str, str]] = field(default_factory=dict)


def take_usage(rows: Sequence[object], *, now: datetime) -> Taken:
    """Keep usage reports: `id`, `customer_id` (a billing customer or one of its ingest aliases), `metric_id`, `quantity`
    (default 1), `at`. The same id counts once; a report from the future is refused."""
    taken = Taken()
    read = [_read(each, now=now) for each in rows]
    customers = customers_called(row.values["customer_id"] for row in read if not row.errors)
    metrics = set(BillableMetric.objects.filter(deleted_at=None).values_list("key", flat=True))
    good: dict[str, UsageRecord] = {}
    for index, row in enumerate(read):
        if not row.errors and row.values["customer_id"] not in customers:
            row.errors["customer_id"] = "is no billing customer and no ingest alias"
        if not row.errors and row.values["metric_id"] not in metrics:
            row.errors["metric_id"] = "is no billable metric"
        if row.errors:
            taken.errors[index] = row.errors
            continue
        record = UsageRecord(
            key=row.key, customer_key=customers[row.values["customer_id"]], metric_key=row.values["metric_id"],
            quantity=row.values.get("quantity", Decimal(1)), unique_value=row.values.get("unique_value", ""),
            at=row.values["at"], received_at=now,
        )  # fmt: skip
        taken.repeated += row.key in good
        good.setdefault(row.key, record)
    known = retrying.in_transaction(lambda: _store(good), repeatable=True)
    taken.repeated += known
    taken.accepted = len(good) - known
    return taken


def _store(good: Mapping[str, UsageRecord]) -> int:
    known = set(UsageRecord.objects.filter(key__in=good).values_list("key", flat=True))
    fresh = [record for key, record in good.items() if key not in known]
    for record in fresh:
        record.pk = None
    UsageRecord.objects.bulk_create(fresh, batch_size=BATCH, ignore_conflicts=True)
    return len(known)


def _read(given: object, *, now: datetime) -> Row:
    row = Row()
    if not isinstance(given, Mapping):
        row.errors["row"] = "must be an object"
        return row
    for name, value in given.items():
        reader = READERS.get(name)
        if reader is None:
            row.errors[str(name)[:80]] = f"is not known; known are {', '.join(READERS)}"
            continue
        try:
            row.values[name] = reader(value)
        except Wrong as wrong:
            row.errors[name] = str(wrong)
    for name in NEEDED:
        if name not in row.errors and row.values.get(name) in (None, ""):
            row.errors[name] = "is needed"
    if "quantity" in row.values and row.values["quantity"] is None:
        row.values["quantity"] = Decimal(1)
    if not row.errors and row.values["at"] > now + FUTURE:
        row.errors["at"] = "lies in the future"
    row.key = row.values.get("id", "")
    return row


def customers_called(names: Iterable[str]) -> dict[str, str]:
    """Billing customers by their id, an ingest alias (MT-22), or a name of the product's customer that each of them is."""
    wanted = set(names)
    found = {key: key for key in BillingCustomer.objects.filter(deleted_at=None, key__in=wanted).values_list("key", flat=True)}
    aliases = IngestAlias.objects.filter(deleted_at=None, alias__in=wanted - found.keys()).order_by("key")
    for alias, customer in aliases.values_list("alias", "customer_key"):
        found.setdefault(alias, customer)
    return found | called_by_product(wanted - found.keys())


# --- measuring --------------------------------------------------------------------------------------------------------------

Use = tuple[str, datetime, Decimal, str]  # billing customer, instant, amount, value
MOST_NAMED = 500  # customers that a query names; beyond that everything is read


def measure(metric: BillableMetric, customers: Collection[str], period: Period) -> dict[str, Decimal]:
    """How much of a metric each of some billing customers used in [start, end): reports, and product events if it has any."""
    gauges: dict[str, Gauge] = {}
    for customer, at, quantity, value in uses_of(metric, customers, period):
        gauges.setdefault(customer, Gauge(metric.aggregation)).add(at, quantity, value)
    return {customer: gauge.result for customer, gauge in gauges.items()}


def uses_of(metric: BillableMetric, customers: Collection[str] | None, period: Period) -> Iterator[Use]:
    """Every single use of some billing customers (None: of all) in [start, end), reported or from events, in no order."""
    yield from reports_of(metric, customers, period)
    if metric.event_name:
        from billing import events  # loads Arrow

        yield from events.uses_of(metric, customers, period)


def reports_of(metric: BillableMetric, customers: Collection[str] | None, period: Period) -> Iterator[Use]:
    """The reported uses; those of a billing customer that went with a merge count for the one that is left."""
    heirs = heirs_of(customers)
    wanted = None if customers is None else {*customers, *heirs}
    rows = UsageRecord.objects.filter(metric_key=metric.key, at__gte=period.start, at__lt=period.end).order_by()
    if wanted is not None and len(wanted) <= MOST_NAMED:
        rows = rows.filter(customer_key__in=wanted)
    for row in rows.values_list("customer_key", "at", "quantity", "unique_value").iterator(5_000):
        if wanted is None or row[0] in wanted:
            yield (heirs[row[0]], *row[1:]) if row[0] in heirs else row


Place = tuple[str, Period]  # a billing customer and a period


def gauge_reports(metric: BillableMetric, wanted: Collection[Place]) -> dict[Place, Gauge]:
    """What was reported of some customers in a period of each, in one pass."""
    names, span = _covering(wanted)
    return _gauge(metric, wanted, reports_of(metric, names, span))


def gauge_events(metric: BillableMetric, wanted: Collection[Place]) -> dict[Place, Gauge]:
    """The same of events."""
    from billing import events  # loads Arrow

    names, span = _covering(wanted)
    return _gauge(metric, wanted, events.uses_of(metric, names, span))


def _covering(wanted: Collection[Place]) -> tuple[set[str], Period]:
    periods = [period for _, period in wanted]
    return {key for key, _ in wanted}, Period(min(each.start for each in periods), max(each.end for each in periods))


def _gauge(metric: BillableMetric, wanted: Collection[Place], uses: Iterable[Use]) -> dict[Place, Gauge]:
    periods: dict[str, list[Period]] = {}
    for key, period in wanted:
        periods.setdefault(key, []).append(period)
    found: dict[Place, Gauge] = {}
    for key, at, quantity, value in uses:
        for period in periods.get(key, ()):
            if period.start <= at < period.end:
                found.setdefault((key, period), Gauge(metric.aggregation)).add(at, quantity, value)
    return found


def count_events(metric: BillableMetric, period: Period) -> dict[str, Gauge]:
    """What the events of all billing customers come to, in one pass; {} for a metric of reports only."""
    gauges: dict[str, Gauge] = {}
    if metric.event_name:
        from billing import events  # loads Arrow

        for customer, at, quantity, value in events.uses_of(metric, None, period):
            gauges.setdefault(customer, Gauge(metric.aggregation)).add(at, quantity, value)
    return gauges


def aggregate(how: str, rows: Iterable[tuple[datetime, Decimal, str]]) -> Decimal:
    """Usage of one customer from its uses (pure)."""
    gauge = Gauge(how)
    for row in rows:
        gauge.add(*row)
    return gauge.result


MEANINGS = {
    BillableMetric.Aggregation.MAX: "the largest of all customers",
    BillableMetric.Aggregation.UNIQUE: "the different values of all customers; what several of them name counts once",
    BillableMetric.Aggregation.LATEST: "the latest of each customer up to that day, added up",
}


@dataclass(frozen=True)
class Chart:
    """Usage of a metric by customer, and of all of them on each UTC day; `meaning` says how a day's number comes about where
    customers are not simply added up."""

    customers: dict[str, Decimal]
    days: list[tuple[date, Decimal]]
    meaning: str = ""


def chart(metric: BillableMetric, period: Period) -> Chart:
    """Usage of every customer in a period of whole UTC days, reported and from events, in one pass over the uses."""
    whole: dict[str, Gauge] = {}
    by_day = _Days(metric.aggregation)
    for customer, at, quantity, value in uses_of(metric, None, period):
        whole.setdefault(customer, Gauge(metric.aggregation)).add(at, quantity, value)
        by_day.add(customer, at, quantity, value)
    days = [period.start.date() + timedelta(days=n) for n in range((period.end - period.start).days)]
    meaning = MEANINGS.get(BillableMetric.Aggregation(metric.aggregation), "")
    return Chart({customer: gauge.result for customer, gauge in whole.items()}, by_day.of(days), meaning)


class _Days:
    """What all customers used on each UTC day. Uses are counted and summed over customers; of values the largest or the number
    of different ones counts, which do not add up; of a level (`latest`) each customer's last one up to the day is added."""

    def __init__(self, how: str) -> None:
        self.how = how
        self.parts: dict[tuple[date, str], Gauge] = {}

    def add(self, customer: str, at: datetime, quantity: Decimal, value: str) -> None:
        """One use."""
        key = (at.astimezone(UTC).date(), customer if self.how == BillableMetric.Aggregation.LATEST else "")
        self.parts.setdefault(key, Gauge(self.how)).add(at, quantity, value)

    def of(self, days: Sequence[date]) -> list[tuple[date, Decimal]]:
        """The number of each day; 0 for one without any use."""
        if self.how != BillableMetric.Aggregation.LATEST:
            return [(day, self.parts[day, ""].result if (day, "") in self.parts else ZERO) for day in days]
        levels: dict[str, Decimal] = {}
        told: dict[date, dict[str, Decimal]] = {}
        for (day, customer), gauge in self.parts.items():
            told.setdefault(day, {})[customer] = gauge.result
        found = []
        for day in days:
            levels |= told.get(day, {})
            found.append((day, sum(levels.values(), ZERO)))
        return found
