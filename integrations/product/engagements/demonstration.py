"""Fills a demonstration: the demo product is open, and some people have seen the live messages. Safe to repeat."""

import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from integrations.access import Person
from integrations.models import EndUser
from integrations.product.engagements import demo_product, recording
from integrations.product.engagements.showing import live_engagements
from integrations.product.ingest.listeners import EngagementSeen
from integrations.product.models.engagements import Engagement, EngagementView
from integrations.product.segments import membership

MOST_PEOPLE = 60  # of an engagement
SEEN, CLICKED, CLOSED = 70, 25, 45  # of a hundred people; CLOSED includes those who clicked
OLDEST, NEWEST = 20, 8  # days ago: long enough for weekly messages to come again


def fill_engagements(*, user: Person | None, now: datetime) -> int:
    """Open the demo product and let people see live messages that nobody has seen yet; how many did."""
    demo_product.open_demo_product(user=user, now=now)
    before = EngagementView.objects.count()
    for engagement in live_engagements(now).exclude(kind=Engagement.Kind.NPS):
        if not engagement.views.exists():
            recording.record_actions(list(_acts(engagement, now)))
    return EngagementView.objects.count() - before


def _acts(engagement: Engagement, now: datetime) -> Iterator[EngagementSeen]:
    """What a fixed part of the people who can see it did, at fixed times."""
    for person in _people(engagement, now):
        chance = zlib.crc32(f"{engagement.name}:{person.external_id}".encode()) % 100
        if chance >= SEEN:
            continue
        at = now - timedelta(days=NEWEST + chance % (OLDEST - NEWEST), minutes=chance * 7)
        yield str(engagement.pk), person.external_id, "shown", at
        if chance < CLOSED:
            action = "clicked" if chance < CLICKED else "dismissed"
            yield str(engagement.pk), person.external_id, action, at + timedelta(seconds=20)


def _people(engagement: Engagement, now: datetime) -> list[EndUser]:
    found = EndUser.objects.filter(erased_at=None, customer__isnull=False).exclude(name="").select_related("customer")
    listed = found.order_by("customer__name", "pk")[: MOST_PEOPLE * 10]
    segment = engagement.segment
    return [each for each in listed if segment is None or membership.matches(segment, each, now=now)][:MOST_PEOPLE]
