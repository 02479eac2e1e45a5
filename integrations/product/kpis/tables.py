"""The lake tables of this package: the daily roll-up of events, and the KPIs of each customer.

`product/daily` has one row for each UTC day, customer and end user with events of that day; `product/daily_events` one for each
name of an event besides. A day is replaced as a whole, so there is no key and nothing to merge; sums over days are exact.

A column `bits0`, `bits1`, ... says what happened on the day at all: slot s of column w is the bit `2 ** (WINDOWS * s)` and
stands for position `SLOTS * w + s`. Position 0 is "active" (an event that the person caused), the others are features.
Multiplied by the bits of a day's windows, and or-ed over the days, one number says in which windows a person did what.
"""

from collections.abc import Iterable, Sequence
from datetime import date

from integrations.lake import reading
from integrations.lake.reading import Relation
from integrations.lake.tables import ensure_table, peek_table
from integrations.lake.types import Column
from integrations.models import LakeTable
from integrations.product.ingest import lake_tables

DAILY, DAILY_EVENTS, KPIS = "product/daily", "product/daily_events", "product/kpis"
DAY, CUSTOMER_ID, END_USER_ID, NAME = "day", "customer_id", "end_user_id", "name"
EVENTS, ACTIVE_EVENTS = "events", "active_events"
COMPUTED_AT, REMOVED = "computed_at", "removed"
WINDOWS = 7
"""Windows in which users are counted, and so the distance of two slots."""
SLOTS = 9
"""Slots of one column: 63 bits of a signed number."""
WHO: tuple[Column, ...] = ((DAY, "day"), (CUSTOMER_ID, "whole"), (END_USER_ID, "whole"))
SUBJECTS = lake_tables.SUBJECTS


def bits_column(position: int) -> str:
    """The column in which a position has its slot."""
    return f"bits{position // SLOTS}"


def slot_value(position: int) -> int:
    """The lowest bit of a position's slot."""
    return 1 << (WINDOWS * (position % SLOTS))


def count_column(feature_id: int) -> str:
    """The column of `product/daily` with the number of a feature's events."""
    return f"feature_{feature_id}"


def daily_table(features: Sequence[tuple[int, int]] = (), *, make: bool = True) -> LakeTable:
    """`product/daily`, with the columns that features (id, position) need: day, customer_id and end_user_id (null where
    unknown), events (all of them), active_events (those that the person caused), bits and counts of features. With `make` false
    only to read from."""
    columns = [*WHO, (EVENTS, "whole"), (ACTIVE_EVENTS, "whole"), (bits_column(0), "whole")]
    for feature_id, position in features:
        columns.append((count_column(feature_id), "whole"))
        if (bits_column(position), "whole") not in columns:
            columns.append((bits_column(position), "whole"))
    return _by_day(DAILY, columns, make=make)


def daily_events_table(*, make: bool = True) -> LakeTable:
    """`product/daily_events`: day, customer_id, end_user_id, name of the event, events (how many)."""
    return _by_day(DAILY_EVENTS, [*WHO, (NAME, "text"), (EVENTS, "whole")], make=make)


def daily(*, columns: Iterable[str] | None = None, since: date | None = None, until: date | None = None) -> Relation:
    """The roll-up of the UTC days `since` to `until` (both included)."""
    return reading.newest(daily_table(make=False), columns=columns, since=since, until=until)


def daily_events(*, columns: Iterable[str] | None = None, since: date | None = None, until: date | None = None) -> Relation:
    """The same by name of the event."""
    return reading.newest(daily_events_table(make=False), columns=columns, since=since, until=until)


def kpis_table(columns: Iterable[Column] = ()) -> LakeTable:
    """`product/kpis`: a row a customer by `customer_id` (and the same number as `id`), one column for each key of the registry,
    named by `column_of(key)`. `computed_at` is when the row last changed."""
    own = [(CUSTOMER_ID, "whole"), ("id", "whole"), (COMPUTED_AT, "moment"), (REMOVED, "flag")]
    return ensure_table(
        KPIS, columns=[*own, *columns], key=CUSTOMER_ID, version=COMPUTED_AT, removed=REMOVED,
        subjects={CUSTOMER_ID: SUBJECTS[CUSTOMER_ID]},
    )  # fmt: skip


def _by_day(name: str, columns: Sequence[Column], *, make: bool) -> LakeTable:
    table = ensure_table if make else peek_table
    return table(name, columns=columns, day=DAY, keep_days=lake_tables.keep_days(), subjects=SUBJECTS)
