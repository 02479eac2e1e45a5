"""Reading engagements for lists: counts, who saw one, filters and order."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform

from integrations.models import Attribute, Entity
from integrations.product.engagements import rules
from integrations.product.engagements.variables import shown
from integrations.product.models.engagements import Engagement, EngagementView
from integrations.sorting import order_of

COLUMNS = {
    "name": "name", "priority": "priority", "shown": "shown", "clicked": "clicked", "starts": "starts_at",
    "changed": "updated_at",
}  # fmt: skip
MOST_PARTS = 50
ACTIONS = ("shown", "clicked", "dismissed", "answered")
VIEW_COLUMNS = {
    "person": "end_user__name", "customer": "end_user__customer__name", "shown": "shown_at", "clicked": "clicked_at",
    "dismissed": "dismissed_at", "answered": "answered_at",
}  # fmt: skip
STATES = (rules.DRAFT, rules.SCHEDULED, rules.LIVE, rules.PAUSED, rules.ENDED)


@dataclass(frozen=True)
class Counts:
    """People who did something with an engagement."""

    shown: int
    clicked: int
    dismissed: int
    answered: int

    @property
    def click_rate(self) -> float | None:
        """Share of those who saw it who clicked; None while nobody saw it."""
        return self.clicked / self.shown if self.shown else None

    @property
    def answer_rate(self) -> float | None:
        """Share of those who saw it who answered."""
        return self.answered / self.shown if self.shown else None


def find_engagements(
    *, now: datetime, q: str = "", kind: str = "", state: str = "", segment: int | None = None, sort: str = ""
) -> QuerySet[Engagement]:
    """Engagements with their counts (`shown`, `clicked`, `dismissed`, `answered`), by priority unless sorted otherwise."""
    found = with_counts(Engagement.objects.select_related("segment"))
    if q.strip():
        found = found.filter(Q(name__icontains=q.strip()) | Q(title__icontains=q.strip()))
    if kind:
        found = found.filter(kind=kind)
    if segment is not None:
        found = found.filter(segment=segment)
    if state:
        found = found.filter(_in_state(state, now))
    return found.order_by(*order_of(sort, COLUMNS, usual=("-priority", "-id")))


def with_counts(found: QuerySet[Engagement]) -> QuerySet[Engagement]:
    """How many people saw, clicked, closed and answered each; one join."""
    return found.annotate(**{action: Count(f"views__{action}_at") for action in ACTIONS})


def counts_of(engagement: Engagement) -> Counts:
    """The four figures of one engagement."""
    counted = EngagementView.objects.filter(engagement=engagement).aggregate(
        **{action: Count(f"{action}_at") for action in ACTIONS}
    )  # fmt: skip
    return Counts(**counted)


def find_views(engagement: Engagement, *, q: str = "", action: str = "", sort: str = "") -> QuerySet[EngagementView]:
    """Who did what with it, latest first unless sorted otherwise; `action` keeps those who did that. Whoever was erased still
    counts, but is nobody any more (I-23)."""
    found = EngagementView.objects.filter(engagement=engagement, end_user__erased_at=None).select_related("end_user__customer")
    if action in ACTIONS:
        found = found.filter(**{f"{action}_at__isnull": False})
    if q.strip():
        text = q.strip()
        person = Q(end_user__name__icontains=text) | Q(end_user__external_id__icontains=text)
        found = found.filter(person | Q(end_user__customer__name__icontains=text))
    return found.order_by(*order_of(sort, VIEW_COLUMNS, usual=("-last_shown_at", "-id")))


@dataclass(frozen=True)
class Part:
    """People whose customer has one value of an attribute; `value` is empty for those without one."""

    value: str
    counts: Counts


def attributes_to_slice_by() -> list[Attribute]:
    """Attributes of customers, those pulled from Salesforce first (PX-34)."""
    return list(Attribute.objects.filter(entity=Entity.CUSTOMER).order_by("-pulled", "label", "key"))


def slice_by(engagement: Engagement, attribute: Attribute, *, most: int = MOST_PARTS) -> list[Part]:
    """The figures by the value of an attribute of the customer, the largest parts first (PX-02, PX-34)."""
    column = KeyTextTransform(attribute.key, "end_user__customer__attributes")
    counted = {action: Count(f"{action}_at") for action in ACTIONS}
    found = EngagementView.objects.filter(engagement=engagement).annotate(value=column).values("value").annotate(**counted)
    parts: dict[str, Counts] = {}
    for row in found.order_by("-shown", "value")[: most * 2]:
        value = shown(row["value"], attribute.type) or ""
        before = parts.get(value, Counts(0, 0, 0, 0))
        parts[value] = Counts(**{action: getattr(before, action) + row[action] for action in ACTIONS})
    ordered = sorted(parts.items(), key=lambda part: (-part[1].shown, not part[0], part[0]))
    return [Part(value, counts) for value, counts in ordered[:most]]


def _in_state(state: str, now: datetime) -> Any:
    """The states that people read (`rules.state_now`) as a condition."""
    over = Q(ends_at__isnull=False, ends_at__lte=now)
    waits = Q(starts_at__isnull=False, starts_at__gt=now)
    conditions = {
        rules.DRAFT: Q(state=rules.DRAFT),
        rules.LIVE: Q(state=rules.LIVE) & ~over & ~waits,
        rules.SCHEDULED: Q(state=rules.LIVE) & waits & ~over,
        rules.PAUSED: Q(state=rules.PAUSED) & ~over,
        rules.ENDED: Q(state=rules.ENDED) | (Q(state__in=(rules.LIVE, rules.PAUSED)) & over),
    }
    return conditions.get(state, Q())
