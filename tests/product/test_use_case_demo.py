"""The demonstration's data: a lot of it, quickly, believable, and the same each time."""

import time
from datetime import UTC, datetime, timedelta

from django.core.cache import cache
from django.utils import timezone

from integrations import product_demo
from integrations.lake.engine import open_engine
from integrations.models import Customer, EndUser
from integrations.product import demo
from integrations.product.demo_activity import DAYS, Person, answers_of, course_of, events_of, share_on
from integrations.product.ingest import lake_tables
from integrations.product.models import DirtyDay, Engagement, HealthScore, IngestDay, Segment, TaskRule
from integrations.product.segments.membership import count_members
from integrations.sync.mapping import demo as mapping_demo
from integrations.sync.matching.saving import save_customers, save_end_users
from integrations.sync.mirror.needs import needs_of

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def some_customers(count: int) -> None:
    """Customers as the demonstration deals them out, a third of them with people of their own."""
    seen = [NOW - timedelta(days=n % 45, minutes=n) for n in range(count)]
    rows = [{"external_id": f"pa-{n}", "name": f"Company {n}", "last_seen_at": seen[n].isoformat(),
             "first_seen_at": (seen[n] - timedelta(days=400)).isoformat()} for n in range(count)]  # fmt: skip
    save_customers(rows, now=NOW)
    people = [{"external_id": f"pu-{n}", "customer": f"pa-{n // 4}", "first_seen_at": (NOW - timedelta(days=300)).isoformat(),
               "last_seen_at": (NOW - timedelta(days=n % 40, minutes=5)).isoformat()} for n in range(count)]  # fmt: skip
    save_end_users(people, now=NOW)


def test_demonstration_has_100_000_events_of_120_days_within_ten_seconds_and_is_filled_once(db) -> None:
    some_customers(58)
    began = time.process_time()
    written = demo.fill_events(now=NOW)
    assert time.process_time() - began < 10
    assert written >= 100_000
    assert demo.fill_events(now=NOW) == 0, "safe to repeat"
    with open_engine() as engine:
        engine.bind("events", lake_tables.events())
        engine.bind("answers", lake_tables.nps_answers())
        (found,) = engine.rows(
            'SELECT count(*), count(DISTINCT event_id), count(DISTINCT day), min("at"), max("at") FROM events'
        )
        people, names = engine.rows("SELECT count(DISTINCT end_user_id), count(DISTINCT name) FROM events")[0]
        scores = engine.rows("SELECT min(score), max(score), count(*) FROM answers")[0]
        outside = engine.rows('SELECT count(*) FROM events WHERE CAST("at" AS DATE) <> day OR customer_id IS NULL')[0][0]
    assert found[:3] == (written, written, DAYS)
    assert NOW - timedelta(days=DAYS + 1) < found[3] < found[4] <= NOW
    assert outside == 0
    assert people > 300
    assert names >= 9
    assert scores[0] <= 2
    assert scores[1] == 10
    assert scores[2] > 300
    assert DirtyDay.objects.count() == DAYS, "the roll-up hears of every day"
    assert sum(IngestDay.objects.values_list("accepted", flat=True)) == written + scores[2]
    assert EndUser.objects.filter(customer=None).count() == 0
    for customer in Customer.objects.all():
        assert customer.last_seen_at >= max(customer.end_users.values_list("last_seen_at", flat=True))


def test_demonstration_has_features_segments_and_use_cases_that_are_switched_on_once(connected_org, cast) -> None:
    cache.clear()
    now = timezone.now()
    product_demo.fill(connected_org, now=now)
    mapping_demo.fill(connected_org, user=cast.ada, now=now)
    assert demo.fill_definitions(connected_org, user=cast.ada, now=now) == len(demo.FEATURES) + len(demo.SEGMENTS) + 5
    assert demo.fill_definitions(connected_org, user=cast.ada, now=now) == 0
    assert {each.state for each in Engagement.objects.all()} == {"live"}
    assert {each.state for each in TaskRule.objects.all()} == {"active"}
    score = HealthScore.objects.get()
    assert any(part["signal"].startswith("days_until:attributes.renewal") for part in score.parts)
    assert "Case" in needs_of(connected_org), "support data is read with the first read"
    for segment in Segment.objects.filter(entity="customer"):
        count_members(segment, now=now)


def test_events_are_the_same_each_time_and_within_the_span_of_the_person() -> None:
    person = Person(1, "pu-1", 2, "pa-2", NOW - timedelta(days=80), NOW - timedelta(days=3, hours=2))
    events = list(events_of(person, now=NOW))
    assert events == list(events_of(person, now=NOW))
    assert [each.at for each in events] == sorted(each.at for each in events)
    assert events[-1].at == person.last_seen_at
    assert events[0].at >= person.first_seen_at
    assert len({each.id for each in events}) == len(events)
    assert all(0 <= each.score <= 10 and person.first_seen_at <= each.at <= NOW for each in answers_of(person, now=NOW))


def test_courses_differ() -> None:
    assert {course_of(f"pa-{n}") for n in range(60)} == {"steady", "growing", "fading", "stopped", "new"}
    assert share_on("fading", 90) > share_on("fading", 10)
    assert share_on("growing", 90) < share_on("growing", 10)
    assert (share_on("stopped", 10), share_on("new", 100)) == (0.0, 0.0)
