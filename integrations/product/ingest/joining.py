"""Events whose end user had no customer yet get it when it appears (R-237).

The rows are written again with the customer filled in, under the same id and time; the lake reads the later ones. Their days
are computed anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from integrations.lake.engine import open_engine
from integrations.lake.reading import newest
from integrations.lake.writing import StagedFile, register
from integrations.models import Entity, LakeTable
from integrations.product.ingest import lake_tables as tables
from integrations.product.ingest.seen import Seen, move_seen
from integrations.product.ingest.storing import Row, day_of
from integrations.product.models import DirtyDay, UnjoinedUser
from integrations.sync.matching.saving import customers_called
from integrations.sync.runs import Recorder

MOST_USERS = 5_000  # a turn


def is_due() -> bool:
    """Whether somebody with unjoined events has a customer by now."""
    return _ready().exists()


def remember(rows: Sequence[Row]) -> None:
    """Note end users and days of new events without a customer, in the transaction that stores the events."""
    spans: dict[int, tuple[date, date]] = {}
    for row in rows:
        if row.end_user is not None and row.customer is None:
            day = day_of(row.event.at)
            first, last = spans.get(row.end_user, (day, day))
            spans[row.end_user] = min(first, day), max(last, day)
    if not spans:
        return
    for known in UnjoinedUser.objects.filter(end_user__in=list(spans)):
        first, last = spans[known.end_user_id]
        spans[known.end_user_id] = min(first, known.first_day), max(last, known.last_day)
    made = [UnjoinedUser(end_user_id=user, first_day=first, last_day=last) for user, (first, last) in spans.items()]
    UnjoinedUser.objects.bulk_create(
        made, batch_size=1_000, update_conflicts=True, unique_fields=["end_user"], update_fields=["first_day", "last_day"]
    )


def join_once(recorder: Recorder, *, now: datetime) -> bool:
    """Fill in the customers of some end users; False when nobody is left. Safe to kill and to repeat."""
    ready = _take()
    if not ready.users:
        return False
    staged: list[tuple[LakeTable, list[StagedFile]]] = [
        (table, _filled(table, ready)) for table in (tables.events_table(), tables.nps_table())
    ]

    def commit() -> None:
        UnjoinedUser.objects.filter(pk__in=ready.numbers).delete()
        days = {each.day for table, files in staged for each in files if each.day}
        for table, files in staged:
            register(table, files, run=recorder.run, now=now)
        DirtyDay.objects.bulk_create([DirtyDay(day=day, since=now) for day in sorted(days)])

    move_seen(Entity.CUSTOMER, ready.seen, now=now)
    tally = recorder.object("Events joined with their customer")
    tally.counted("written", sum(each.rows for each in staged[0][1]))
    recorder.save(also=commit)
    return True


@dataclass(frozen=True, slots=True)
class _Ready:
    """Notes to be done now: end users, the customers that stand for theirs, and the days of their events."""

    numbers: list[int]
    users: list[int]
    customers: list[int]
    first: date
    last: date
    seen: list[Seen]


def _ready():  # noqa: ANN202 - a query set of values_list is long to name and private
    return UnjoinedUser.objects.filter(
        end_user__customer__isnull=False, end_user__customer__erased_at=None, end_user__erased_at=None
    )


def _take() -> _Ready:
    found = list(_ready().select_related("end_user__customer").order_by("pk")[:MOST_USERS])
    merged = {
        each.end_user.customer.external_id for each in found if each.end_user.customer and each.end_user.customer.merged_into_id
    }
    stand_ins = customers_called(merged)
    numbers, users, customers = list[int](), list[int](), list[int]()
    for each in found:
        customer = each.end_user.customer
        assert customer is not None
        numbers.append(each.pk)
        users.append(each.end_user_id)
        customers.append(stand_ins.get(customer.external_id, customer).pk)
    days = [each.first_day for each in found] + [each.last_day for each in found] or [date.min]
    return _Ready(numbers, users, customers, min(days), max(days), _seen(found, customers))


def _seen(found: Sequence[UnjoinedUser], customers: Sequence[int]) -> list[Seen]:
    """The customers were seen when their end users were."""
    spans: dict[int, tuple[datetime, datetime]] = {}
    for each, customer in zip(found, customers, strict=True):
        first, last = each.end_user.first_seen_at, each.end_user.last_seen_at
        if first is not None and last is not None:
            known = spans.get(customer, (first, last))
            spans[customer] = min(first, known[0]), max(last, known[1])
    return [(customer, first, last) for customer, (first, last) in spans.items()]


def _filled(table: LakeTable, ready: _Ready) -> list[StagedFile]:
    import pyarrow as pa

    names = [name for name, _ in table.columns]
    tables_of = {name: "j" if name == tables.CUSTOMER_ID else "e" for name in names}
    select = ", ".join(f'{place}."{name}" AS "{name}"' for name, place in tables_of.items())
    sql = f"SELECT {select} FROM events AS e JOIN joined AS j ON e.{tables.END_USER_ID} = j.{tables.END_USER_ID}"  # noqa: S608
    with open_engine() as engine:
        engine.bind("events", newest(table, since=ready.first, until=ready.last))
        columns = {tables.END_USER_ID: ready.users, tables.CUSTOMER_ID: ready.customers}
        engine.bind("joined", pa.table({name: pa.array(values, pa.int64()) for name, values in columns.items()}))
        return engine.copy_all_to(f"{sql} WHERE e.{tables.CUSTOMER_ID} IS NULL", table)
