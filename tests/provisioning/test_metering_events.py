"""Usage counted from product events: from the wire through the lake to the answer of a check."""

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.sync import leases
from provisioning import tasks
from provisioning.entitlements.access import load_access
from provisioning.entitlements.deciding import decide
from provisioning.metering.events import count_events
from provisioning.models import EventCount, Feature, UsageReport
from provisioning.subscriptions import changes
from tests.product.sending import take_in, text_of, track
from tests.provisioning.shelf import DAY, ask, customer, stock, subscribe

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme(db):
    stock()
    Feature.objects.filter(key="feature-calls").update(event_name="Called")
    who = customer()
    subscribe(who, now=timezone.now())
    return who


def called(name: str, *, days: float = 0, event: str = "Called", account: str = "acme"):
    return track(name, account=account, event=event, at=text_of(timezone.now() - timedelta(days=days, seconds=2)))


def used(who, at=None):
    return ask(who, "calls", at=at or timezone.now()).usage


def test_events_are_usage(acme):
    other = customer("other")
    subscribe(other, now=timezone.now())
    take_in(called("a"), called("b", days=2), called("c", event="Opened"), called("d", account="other"), called("e", days=30))
    assert count_events(now=timezone.now()) >= 3
    assert (used(acme), used(other)) == (2, 1)


def test_i_04_counting_twice_and_more_events_later(acme):
    take_in(called("a"))
    count_events(now=timezone.now())
    assert count_events(now=timezone.now()) == 0
    EventCount.objects.update(last_file=0)
    assert count_events(now=timezone.now()) == 0
    take_in(called("a2"), called("late", days=3))
    count_events(now=timezone.now())
    assert used(acme) == 3


def test_limit_of_events_denies_and_as_of_shows_then(acme):
    take_in(*(called(f"e{number}", days=1) for number in range(10)))
    count_events(now=timezone.now())
    assert ask(acme, "calls", at=timezone.now()).reason == "limit_exceeded"
    then = timezone.now() - 2 * DAY
    answer = decide(load_access([acme.pk], as_of=then)[acme.pk], "feature-calls", now=then)
    assert (answer.granted, answer.usage) == (True, 0)


def test_windows_are_those_of_the_subscription(acme):
    changes.amend(acme.subscriptions.get(), plan="plan-pro", effective_at=timezone.now() - 2 * DAY, now=timezone.now())
    take_in(called("before", days=3), called("after", days=1), called("now"))
    count_events(now=timezone.now())
    assert used(acme) == 2
    assert used(acme, timezone.now() - 3 * DAY) == 1


def test_another_event_name_counts_anew(acme):
    take_in(called("a"), called("b", event="Requested"), called("c", event="Requested", days=1))
    count_events(now=timezone.now())
    assert used(acme) == 1
    Feature.objects.filter(key="feature-calls").update(event_name="Requested")
    count_events(now=timezone.now())
    assert used(acme) == 2


def test_events_of_a_merged_customer_count_at_the_one_that_answers(acme):
    empty = customer("empty")
    type(acme).objects.filter(pk=empty.pk).update(merged_into=acme)
    take_in(called("a"), called("b", account="empty"))
    count_events(now=timezone.now())
    assert used(acme) == 2
    assert set(UsageReport.objects.values_list("customer_id", flat=True)) == {acme.pk}


def test_one_worker_counts_at_a_time_and_only_if_something_is_counted(acme):
    take_in(called("a"))
    fence = leases.acquire(tasks.COUNTING, holder="another", now=timezone.now())
    assert fence
    assert tasks.count_events() == 0
    leases.release(tasks.COUNTING, fence=fence)
    assert [tasks.count_events(), tasks.count_events()] == [1, 0]
    assert used(acme) == 1
    Feature.objects.update(event_name="")
    assert tasks.count_events() == 0
