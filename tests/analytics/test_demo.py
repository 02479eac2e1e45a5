"""The demonstration of analytics."""

from datetime import date, timedelta

from analytics import demo
from analytics.demo_lives import Life, events_of
from integrations.models import Customer, EndUser
from integrations.product.demo_activity import Person
from integrations.product.models import IngestDay

TODAY = date(2026, 11, 22)


def a_life(**more) -> Life:
    known = {
        "account_id": "001",
        "external_id": "cust-1",
        "name": "Acme",
        "seats": 30,
        "begins": TODAY - timedelta(days=200),
        "ends": None,
        "is_won": True,
    }
    return Life(**(known | more))


def people(life: Life) -> list[Person]:
    return [Person(number, f"u{number}", 1, life.external_id, None, None) for number in range(life.users)]


def test_events_are_always_the_same_and_lie_within_the_life():
    life = a_life(ends=TODAY - timedelta(days=50))
    first, again = (list(events_of(life, people(life), today=TODAY)) for _ in range(2))
    assert first == again
    assert first
    assert all(life.begins <= each.at.date() < life.ends for each in first)
    assert len({each.id for each in first}) == len(first)


def test_a_demonstration_is_filled_once(connected_org, now):
    written = demo.fill(connected_org, now=now)
    assert written > 1_000
    customers = Customer.objects.filter(external_id__startswith="cust-").count()
    assert customers > 50
    assert EndUser.objects.count() >= customers
    assert sum(IngestDay.objects.values_list("accepted", flat=True)) == written
    assert demo.fill(connected_org, now=now) == 0
