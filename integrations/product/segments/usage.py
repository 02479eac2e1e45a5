"""How one customer uses the product: users and events by day, its figures, NPS answers and engagements (PX-04)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from integrations.lake.engine import open_engine
from integrations.models import Customer
from integrations.product.ingest import lake_tables
from integrations.product.kpis import blanks
from integrations.product.kpis import tables as kpi_tables
from integrations.product.kpis.registry import COUNT, Column, columns_for
from integrations.product.models.engagements import Engagement, EngagementView
from integrations.product.segments.history import history_of
from integrations.product.segments.records import kpis_of, owned_rows
from integrations.sync.mapping.catalogue import column_of

DAYS, ANSWERS = 90, 5
HEADLINE = (
    "active_users_7d", "active_users_30d", "active_users_30d_pct", "nps_score_90d", "nps_responses_90d", "engagements_total",
)  # fmt: skip


@dataclass(frozen=True)
class UsageDay:
    """What happened on a UTC day."""

    day: date
    users: int
    events: int


@dataclass(frozen=True)
class Answer:
    """An NPS answer."""

    at: datetime
    score: int
    comment: str
    survey: str


@dataclass(frozen=True)
class Usage:
    """What the page shows of one customer."""

    days: Sequence[UsageDay] = ()
    figures: Sequence[tuple[Column, Any]] = ()
    answers: Sequence[Answer] = ()
    engagements: Sequence[tuple[Engagement, int, int]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever heard of it."""
        return not (any(each.events for each in self.days) or self.answers or self.engagements)

    @property
    def total_events(self) -> int:
        """Events of all days shown."""
        return sum(each.events for each in self.days)

    @property
    def chart(self) -> dict[str, Any]:
        """The days as the chart's script reads them."""
        return {
            "labels": [each.day.isoformat() for each in self.days],
            "series": [
                {"label": "Active users", "values": [each.users for each in self.days]},
                {"label": "Events", "values": [each.events for each in self.days], "second": True},
            ],
        }


def usage_of(customer: Customer, *, now: datetime) -> Usage:
    """The last 90 complete UTC days and today; days without events are 0. Figures are the stored ones (as of last midnight)."""
    today = now.astimezone(UTC).date()
    first = today - timedelta(days=DAYS)
    stored = kpis_of(customer.pk)
    known = {each.key: each for each in columns_for(())}
    history = history_of()
    began = history.began(customer.first_seen_at)
    figures = [(known[key], _figure(known[key], stored, history.as_of, began)) for key in HEADLINE] if stored else []
    with open_engine() as engine:
        days = _days(engine, customer, first, today)
        answers = _answers(engine, customer, first, today)
    return Usage(days, figures, answers, _engagements(customer))


def _figure(column: Column, stored: dict[str, Any], as_of: datetime | None, began: datetime | None) -> Any:
    """The stored figure, or why it is blank (R-112); a count is 0 and never blank."""
    value = stored.get(column_of(column.key))
    if value is not None or column.kpi.unit == COUNT:
        return value or 0 if column.kpi.unit == COUNT else value
    others = {key: stored.get(column_of(key)) for key in blanks.asked_with(column)}
    return blanks.or_blank(None, blanks.why_blank(column, others, as_of=as_of, began=began))


def _days(engine: Any, customer: Customer, first: date, last: date) -> list[UsageDay]:
    columns = [name for name, _ in kpi_tables.WHO] + [kpi_tables.EVENTS, kpi_tables.ACTIVE_EVENTS]
    engine.bind("daily", kpi_tables.daily(columns=columns, since=first, until=last))
    mine, params = owned_rows(customer.pk)
    rows = engine.rows(engine.sql("product/segments/statements/usage_days.sql").replace("<<mine>>", mine), **params)
    found = {day: UsageDay(day, users, events) for day, users, events in rows}
    days = [first + timedelta(days=place) for place in range((last - first).days + 1)]
    return [found.get(day, UsageDay(day, 0, 0)) for day in days]


def _answers(engine: Any, customer: Customer, first: date, last: date) -> list[Answer]:
    engine.bind("answers", lake_tables.nps_answers(since=first, until=last))
    mine, params = owned_rows(customer.pk)
    text = engine.sql("product/segments/statements/usage_answers.sql").replace("<<mine>>", mine)
    return [Answer(*row) for row in engine.rows(f"{text} LIMIT {ANSWERS}", **params)]


def _engagements(customer: Customer) -> list[tuple[Engagement, int, int]]:
    """Engagements that were shown to its people: how many saw and how many clicked or answered."""
    views = EngagementView.objects.filter(customer=customer, shown_at__isnull=False)
    shown, answered = Counter[int](), Counter[int]()
    for number, clicked_at, answered_at in views.values_list("engagement_id", "clicked_at", "answered_at"):
        shown[number] += 1
        answered[number] += bool(clicked_at or answered_at)
    found = [(each, shown[each.pk], answered[each.pk]) for each in Engagement.objects.in_bulk(list(shown)).values()]
    return sorted(found, key=lambda each: (-each[1], each[0].name))
