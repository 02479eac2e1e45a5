"""Metered features that are counted from product events: read from the lake soon after each flush, one event one unit.

Of each feature the days with new files are counted anew, by customer and hour within a usage window, and stored as reports with
keys of their own: counted twice, the count is the same (I-04), and answers as of an earlier time see them like other reports.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Max

from integrations.lake.engine import open_engine
from integrations.models import Customer, LakeFile
from integrations.product.ingest import lake_tables
from integrations.sync import retrying
from provisioning.entitlements.access import load_access
from provisioning.metering.asking import DELTA
from provisioning.metering.rewindowing import recount
from provisioning.models import EventCount, Feature, PromotionalGrant, Subscription, UsageReport

LONGEST = timedelta(days=400)
"""How far back events are counted."""
CUSTOMERS = 500
SELECT = """
SELECT customer_id, date_trunc('second', "at") AS "second", count(*) AS many, max("at") AS last FROM events
WHERE name = $name AND "at" >= $start AND "at" < $end AND customer_id IS NOT NULL GROUP BY 1, 2
"""


class Bucket(NamedTuple):
    """An hour within a usage window of one customer."""

    customer_id: int
    window_start: datetime
    hour: datetime


def count_events(*, now: datetime) -> int:
    """Count what came since the last time; the number of reports that were made, changed or taken away."""
    features = Feature.objects.filter(kind=Feature.Kind.METERED).exclude(event_name="").order_by("pk")
    return sum(_count_feature(feature, now=now) for feature in features)


def is_due() -> bool:
    """Whether any feature is counted from events at all."""
    return Feature.objects.filter(kind=Feature.Kind.METERED).exclude(event_name="").exists()


def _count_feature(feature: Feature, *, now: datetime) -> int:
    state = EventCount.objects.filter(feature=feature).first()
    known = state.last_file if state is not None and state.event_name == feature.event_name else 0
    table = lake_tables.find_table(lake_tables.EVENTS)
    files = LakeFile.objects.filter(table=table, retired_at=None, number__gt=known) if table else LakeFile.objects.none()
    newest = files.aggregate(last=Max("number"))["last"]
    if newest is None:
        return 0
    first = (now - LONGEST).date()
    days = sorted({day for day in files.values_list("day", flat=True) if day is not None and day >= first})
    changed = sum(_count_day(feature, day, now=now) for day in days)
    if state is not None and state.event_name != feature.event_name:
        changed += _forget_other_days(feature, set(days))
    EventCount.objects.update_or_create(
        feature=feature, defaults={"event_name": feature.event_name, "last_file": newest, "counted_at": now}
    )
    return changed


def _count_day(feature: Feature, day: date, *, now: datetime) -> int:
    """Make the reports of one UTC day equal to its events."""
    return _save(feature, day, _by_customer(_seconds(feature.event_name, day)), now=now)


def _seconds(name: str, day: date) -> Iterator[tuple[int, datetime, int, datetime]]:
    """(customer, second, how many, the last of them) of the events of that name."""
    start = datetime.combine(day, time(), UTC)
    with open_engine() as engine:
        engine.bind("events", lake_tables.events(columns=("customer_id", "at", "name"), since=day, until=day))
        for batch in engine.batches(SELECT, name=name, start=start, end=start + timedelta(days=1)):
            for row in batch.to_pylist():
                yield row["customer_id"], row["second"].astimezone(UTC), row["many"], row["last"].astimezone(UTC)


def _by_customer(rows: Iterator[tuple[int, datetime, int, datetime]]) -> Mapping[int, list[tuple[datetime, int]]]:
    """Counts by customer, those of merged ones at the one that answers for them."""
    found: defaultdict[int, list[tuple[datetime, int]]] = defaultdict(list)
    stand_ins = _stand_ins()
    for customer, _, many, last in rows:
        found[stand_ins.get(customer, customer)].append((last, many))
    return found


def _stand_ins() -> dict[int, int]:
    """Merged customers that never had anything of their own, each with the one that answers for them."""
    step = dict(Customer.objects.filter(merged_into__isnull=False).values_list("pk", "merged_into_id"))
    own = set(Subscription.objects.filter(customer__in=step).values_list("customer_id", flat=True))
    own |= set(PromotionalGrant.objects.filter(customer__in=step).values_list("customer_id", flat=True))
    found: dict[int, int] = {}
    for start in step:
        end, steps = start, 0
        while end in step and end not in own and steps < 20:
            end, steps = step[end], steps + 1
        found[start] = end
    return found


def _save(feature: Feature, day: date, counts: Mapping[int, list[tuple[datetime, int]]], *, now: datetime) -> int:
    start = datetime.combine(day, time(), UTC)
    stored = UsageReport.objects.filter(
        feature=feature, key__startswith=f"events:{feature.pk}:", at__gte=start, at__lt=start + timedelta(days=1)
    )
    gone = set(stored.values_list("customer_id", flat=True).distinct())
    everybody = sorted({*counts, *gone})
    changed = 0
    for place in range(0, len(everybody), CUSTOMERS):
        some = everybody[place : place + CUSTOMERS]
        access = load_access(some, now=now, with_usage=False)
        held: defaultdict[int, dict[str, UsageReport]] = defaultdict(dict)
        for row in stored.filter(customer__in=some):
            held[row.customer_id][row.key] = row
        for customer in some:
            if customer not in access:
                continue
            wanted: Counter[Bucket] = Counter()
            last: dict[Bucket, datetime] = {}
            for at, many in counts.get(customer, ()):
                hour = at.replace(minute=0, second=0, microsecond=0)
                bucket = Bucket(customer, access[customer].window(feature.key, at).start, hour)
                wanted[bucket] += many
                last[bucket] = max(at, last.get(bucket, at))
            work = _Storing(feature, customer, wanted, last, now)
            if work.differs(held[customer]):
                changed += retrying.in_transaction(lambda work=work, rows=held[customer]: work.store(dict(rows)))
    return changed


class _Storing:
    """The reports of one customer and day, compared with those that are stored."""

    def __init__(
        self, feature: Feature, customer: int, wanted: Counter[Bucket], last: Mapping[Bucket, datetime], now: datetime
    ) -> None:
        self.feature, self.customer, self.wanted, self.last, self.now = feature, customer, wanted, last, now

    def _key(self, bucket: Bucket) -> str:
        return f"events:{self.feature.pk}:{self.customer}:{bucket.window_start.timestamp():.6f}:{bucket.hour:%Y%m%d%H}"

    def differs(self, stored: Mapping[str, UsageReport]) -> bool:
        """Whether anything is to be written."""
        wanted = {self._key(bucket): (many, self.last[bucket]) for bucket, many in self.wanted.items()}
        return wanted != {key: (row.amount, row.at) for key, row in stored.items()}

    def store(self, stored: dict[str, UsageReport]) -> int:
        """Write what differs and count the windows anew; how many reports differed."""
        places: set[tuple[int, datetime]] = set()
        made: list[UsageReport] = []
        changed: list[UsageReport] = []
        for bucket, many in self.wanted.items():
            key = self._key(bucket)
            row = stored.pop(key, None)
            if row is not None and (row.amount, row.at) == (many, self.last[bucket]):
                continue
            places.add((self.feature.pk, bucket.window_start))
            if row is None:
                made.append(self._row(key, bucket, many))
            else:
                row.amount, row.at = Decimal(many), self.last[bucket]
                changed.append(row)
        places |= {(self.feature.pk, each.window_start) for each in stored.values()}
        UsageReport.objects.filter(pk__in=[each.pk for each in stored.values()]).delete()
        UsageReport.objects.bulk_create(made, batch_size=200)
        UsageReport.objects.bulk_update(changed, ["amount", "at"], batch_size=200)
        recount(self.customer, places)
        return len(made) + len(changed) + len(stored)

    def _row(self, key: str, bucket: Bucket, many: int) -> UsageReport:
        return UsageReport(
            key=key, digest="", customer_id=self.customer, feature=self.feature, action=DELTA, amount=Decimal(many),
            window_start=bucket.window_start, at=self.last[bucket], created_at=self.now,
        )  # fmt: skip


def _forget_other_days(feature: Feature, days: set[date]) -> int:
    """Counts of days that were counted under another event name and have no file any more."""
    rows = UsageReport.objects.filter(feature=feature, key__startswith=f"events:{feature.pk}:")
    stale = [each for each in rows if each.at.astimezone(UTC).date() not in days]
    rows.filter(pk__in=[each.pk for each in stale]).delete()
    by_customer: defaultdict[int, set[tuple[int, datetime]]] = defaultdict(set)
    for each in stale:
        by_customer[each.customer_id].add((feature.pk, each.window_start))
    for customer, places in by_customer.items():
        recount(customer, places)
    return len(stale)
