"""Reading KPI values: for a push, for one customer, for pages.

Stored figures are as of the start of the UTC day, so that all pushes of a day agree; a connection may choose the instant of the
push, or a time zone for calendar periods, and then its figures are computed for the push. Percents are exact (12 places);
whoever shows them rounds once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from integrations.access import Refusal
from integrations.lake import reading
from integrations.lake.engine import open_engine
from integrations.lake.reading import Relation
from integrations.models import Customer, LakeTable, SalesforceOrg
from integrations.product.kpis import catalog, job, moved, tables
from integrations.product.kpis.engagement_counts import count_engagements
from integrations.product.kpis.registry import UNITS, Column, columns_for
from integrations.product.kpis.windows import start_of_day
from integrations.product.models import KpiSettings, KpiState
from integrations.sync.mapping.catalogue import SourceField, column_of
from integrations.sync.mapping.stored import write_plain
from integrations.sync.mapping.types import NUMBER

if TYPE_CHECKING:
    import pyarrow as pa

GROUP, FEATURES_GROUP = "KPIs", "KPIs of features"
Figure = Decimal | int | None


@dataclass(frozen=True)
class Wish:
    """As of when, and in which zone calendar periods begin, the figures of a push are; `is_stored`: as they are stored."""

    as_of: datetime
    zone: tzinfo
    is_stored: bool


def columns_now() -> list[Column]:
    """Every KPI that exists now, those of features too."""
    return columns_for(catalog.offered_features())


def source_fields(org: SalesforceOrg | None = None) -> list[SourceField]:
    """What the mapping page offers: the reference's name and our definition side by side (PX-43, PX-D16)."""
    return [
        SourceField(
            each.key, each.label, NUMBER, each.definition, FEATURES_GROUP if each.feature else GROUP, read_only=True,
            whole=each.kpi.is_whole,
        )
        for each in columns_now()
    ]  # fmt: skip


def wish_of(org: SalesforceOrg | None, *, now: datetime) -> Wish:
    """What a connection chose; the start of the UTC day and UTC unless it did."""
    chosen = KpiSettings.objects.filter(org=org).first() if org is not None else None
    zone: tzinfo = UTC if chosen is None or chosen.time_zone == "UTC" else ZoneInfo(chosen.time_zone)
    at_once = chosen is not None and chosen.as_of == KpiSettings.AsOf.NOW
    instant = now.replace(microsecond=now.microsecond // 1000 * 1000)  # events have milliseconds
    return Wish(instant if at_once else start_of_day(now), zone, not at_once and zone is UTC)


def as_of_now(org: SalesforceOrg | None = None, *, now: datetime) -> datetime:
    """The instant that a push of this connection at `now` counts up to."""
    return wish_of(org, now=now).as_of


def of_customers(keys: Sequence[str], as_of: datetime | None = None) -> Relation:
    """The stored figures of all customers: `id` and a column for each key, named by `column_of`. Refusal when they are of
    another instant than `as_of`, or a key is unknown."""
    known = {each.key: each for each in columns_now()}
    if unknown := [key for key in keys if key not in known]:
        raise Refusal("unknown_kpi", f"No KPI is called {', '.join(unknown)}; /api/v1/kpis/ lists them.")
    state = KpiState.objects.first()
    if as_of is not None and (state is None or state.as_of != as_of):
        raise Refusal("other_instant", f"The stored KPIs are not as of {as_of:%Y-%m-%d %H:%M} UTC.")
    return reading.newest(_table(columns_now()), columns=["id", *(column_of(key) for key in keys)])


def for_push(org: SalesforceOrg, keys: Sequence[str], *, now: datetime) -> "Relation | pa.Table":
    """The figures for a push at `now`, brought up to date first where they are not (see `catalogue.register_sources`)."""
    wish = wish_of(org, now=now)
    job.ensure_current(now=now, without_figures=not wish.is_stored)
    return of_customers(keys) if wish.is_stored else _computed(keys, wish, now)


def of_customer(customer_id: int) -> dict[str, Figure]:
    """The stored figures of one customer (of the one that stands for it, when it was merged) by key, exactly; None is blank.
    Empty while nothing was computed for it."""
    return of_some([customer_id]).get(customer_id, {})


def of_some(customer_ids: Iterable[int], keys: Sequence[str] = ()) -> dict[int, dict[str, Figure]]:
    """The same for some customers (a few thousand at most); all keys unless some are named."""
    columns = [each for each in columns_now() if not keys or each.key in keys]
    survivors = moved.survivors_of(customer_ids)
    names = [column_of(each.key) for each in columns]
    table = LakeTable.objects.filter(name=tables.KPIS).first()
    if table is None or not survivors:
        return {}
    with open_engine() as engine:
        relation = reading.newest(_table(columns), columns=["id", *names], keys=sorted(set(survivors.values())))
        engine.bind("wanted", relation)
        rows = {row[0]: row[1:] for row in engine.rows("SELECT * FROM wanted")}
    return {
        asked: dict(zip([each.key for each in columns], rows[survivor], strict=True))
        for asked, survivor in survivors.items() if survivor in rows
    }  # fmt: skip


def describe(column: Column) -> dict[str, Any]:
    """One KPI for the API and pages."""
    kpi = column.kpi
    return {
        "key": column.key, "label": column.label, "definition": column.meaning, "unit": kpi.unit,
        "unit_label": UNITS[kpi.unit], "window": kpi.window, "feature": column.feature.key if column.feature else None,
        "list_a": list(kpi.list_a), "list_b": list(kpi.list_b), "list_c": [name.removesuffix(" (2)") for name in kpi.list_c],
    }  # fmt: skip


def customer_called(text: str) -> Customer | None:
    """A customer by the product's id, or by our number."""
    found = Customer.objects.filter(external_id=text, erased_at=None).first()
    if found is None and text.isascii() and text.isdigit() and len(text) < 19:
        found = Customer.objects.filter(pk=int(text), erased_at=None).first()
    return found


def rounded(value: Figure, places: int = 1) -> Figure:
    """For output: half away from zero, once. Whole numbers stay as they are."""
    if value is None or isinstance(value, int):
        return value
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def digits(value: Figure) -> str | None:
    """Every digit that is stored, as plain text."""
    if value is None or isinstance(value, int):
        return value if value is None else str(value)
    return write_plain(value)


def _computed(keys: Sequence[str], wish: Wish, now: datetime) -> "pa.Table":
    """Figures for one push alone, with the customer's number as `id`."""
    import pyarrow as pa

    from integrations.product.kpis import compute

    counted = catalog.read_counted()
    columns = [each for each in counted.columns if each.key in keys]
    seen = count_engagements(now)
    with open_engine() as engine:
        found = compute.figures_of(engine, columns, counted, seen, as_of=wish.as_of, zone=wish.zone)
        table = pa.Table.from_batches(found, schema=compute.schema_of(columns))
    return table.rename_columns(["id", *table.column_names[1:]])


def _table(columns: Sequence[Column]) -> LakeTable:
    """`product/kpis` with these columns: a KPI that is new reads as blank until it was computed."""
    kinds = {True: "whole", False: "number"}
    return tables.kpis_table([(column_of(each.key), kinds[each.kpi.is_whole]) for each in columns])
