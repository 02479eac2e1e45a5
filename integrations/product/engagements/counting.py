"""Engagements by customer, for the KPIs `engagements_active` and `engagements_total` (PX-61), set-based."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import Count
from django.db.models.functions import Coalesce

from integrations.lake.engine import Engine, open_engine
from integrations.models import Entity
from integrations.product.engagements.showing import live_engagements
from integrations.product.kpis import moved
from integrations.product.models.engagements import EngagementView
from integrations.product.models.segments import Segment
from integrations.product.segments import membership
from integrations.product.segments.conditions import CycleFound
from integrations.product.segments.fresh import freshen
from integrations.sync.mapping.problems import ProblemsFound
from integrations.sync.matching import spine

if TYPE_CHECKING:
    import pyarrow as pa

EVERYBODY = 0


def active_by_customer(now: datetime) -> "pa.Table":
    """Columns customer_id and n: engagements that are live at `now` and that at least one of the customer's users can see.

    Whether somebody closed one already does not matter, nor on which page it stands. Customers without one are left out.
    """
    weights: dict[int, int] = {}
    segments: dict[int, Segment] = {}
    for engagement in live_engagements(now):
        key = engagement.segment_id or EVERYBODY
        weights[key] = weights.get(key, 0) + 1
        if engagement.segment is not None:
            segments[key] = engagement.segment
    if not weights:
        return _table({})
    freshen(now=now)
    return _sum(weights, segments, now)


def shown_by_customer() -> "pa.Table":
    """Columns customer_id and n: distinct engagements ever shown to the customer's users, merged ones under the survivor."""
    whose = Coalesce("end_user__customer_id", "customer_id")
    pairs = (
        EngagementView.objects.filter(shown_at__isnull=False, end_user__erased_at=None)
        .annotate(whose=whose)
        .filter(whose__isnull=False)
        .values_list("whose", "engagement_id")
        .annotate(n=Count("id"))
    )
    survivors = moved.survivors()
    seen: dict[int, set[int]] = {}
    for customer, engagement, _ in pairs.iterator(chunk_size=5000):
        if customer is not None:
            seen.setdefault(survivors.get(customer) or customer, set()).add(engagement)
    return _table({customer: len(found) for customer, found in seen.items()})


def _sum(weights: dict[int, int], segments: dict[int, Segment], now: datetime) -> "pa.Table":
    """Add up the weights of the segments that each customer, or one of its users, is in."""
    import pyarrow as pa

    # Asked one after the other, before the next engine is opened: chDB allows one in a process.
    asked = {key: _members(segment, now) for key, segment in segments.items()}
    members = {key: table for key, table in asked.items() if table is not None}
    counted = [key for key in weights if key == EVERYBODY or key in members]
    if not counted:
        return _table({})
    with open_engine() as engine:
        engine.bind("people", _people(engine))
        for key, table in members.items():
            engine.bind(f"members_{key}", table)
        parts = " UNION ALL ".join(_part(f"members_{key}", segments.get(key), weights[key]) for key in counted)
        found = engine.table(f"SELECT customer_id, sum(n) AS n FROM ({parts}) AS each_one GROUP BY customer_id")  # noqa: S608
    return found.cast(pa.schema([("customer_id", pa.int64()), ("n", pa.int64())]))


def _part(name: str, segment: Segment | None, weight: int) -> str:
    """Customers of one segment, each once, with how many engagements that segment has. Names are ours."""
    if segment is None:
        return f"SELECT DISTINCT customer_id, {weight} AS n FROM people"  # noqa: S608
    column = "customer_id" if segment.entity == Entity.CUSTOMER else "end_user_id"
    where = f"{column} IN (SELECT id FROM {name})"  # noqa: S608
    return f"SELECT DISTINCT customer_id, {weight} AS n FROM people WHERE {where}"  # noqa: S608


def _members(segment: Segment, now: datetime) -> "pa.Table | None":
    """None when the conditions cannot be used any more: then nobody sees its engagements."""
    try:
        return membership.members_of(segment, now=now)
    except (ProblemsFound, CycleFound):
        return None


def _people(engine: Engine) -> "pa.Table":
    """Every end user with a customer, merged ones under the survivor; read from the lake, because there may be millions."""
    import pyarrow as pa
    import pyarrow.compute as pc

    engine.bind("persons", spine.relation(Entity.END_USER, columns=["id", "customer_id"]))
    found = engine.table("SELECT id AS end_user_id, customer_id FROM persons WHERE customer_id IS NOT NULL")
    merged = moved.survivors()
    if not merged:
        return found
    customers = found["customer_id"].combine_chunks()
    places = pc.index_in(customers, value_set=pa.array(merged, customers.type))  # pyright: ignore
    survivors = pa.array(list(merged.values()), customers.type).take(pc.fill_null(places, 0))  # pyright: ignore
    standing = pc.if_else(pc.is_valid(places), survivors, customers)  # pyright: ignore
    return pa.table({"end_user_id": found["end_user_id"], "customer_id": standing})


def _table(counts: dict[int, int]) -> "pa.Table":
    import pyarrow as pa

    ordered = sorted(counts)
    return pa.table(
        {
            "customer_id": pa.array(ordered, pa.int64()),
            "n": pa.array([counts[each] for each in ordered], pa.int64()),
        }
    )
