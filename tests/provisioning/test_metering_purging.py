"""Old usage is forgotten by whole windows; the window of now is never touched."""

from datetime import timedelta
from decimal import Decimal

import pytest

from provisioning import tasks
from provisioning.metering import purging
from provisioning.models import UsageReport, UsageWindow
from provisioning.subscriptions import endings
from tests.provisioning.shelf import DAY, NOW, ask, customer, stock, subscribe
from tests.provisioning.test_metering_using import tell

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme(db, settings):
    settings.USAGE_DAYS = 60
    stock()
    who = customer()
    return who, subscribe(who, starts_at=NOW - 400 * DAY)


def left(**about) -> int:
    return UsageReport.objects.filter(**about).count()


def test_windows_that_are_over_go_with_their_reports_and_the_others_stay_whole(acme):
    who, _ = acme
    for days in (200, 150, 100, 61, 59, 10, 0):
        tell(1, at=NOW - days * DAY)
    windows, usage = UsageWindow.objects.count(), ask(who, "calls").usage
    kept_from = UsageWindow.objects.filter(window_start__lte=NOW - 60 * DAY).latest("window_start").window_start
    gone = purging.purge(now=NOW)
    assert not UsageReport.objects.filter(window_start__lt=kept_from).exists()
    assert not UsageWindow.objects.filter(window_start__lt=kept_from).exists()
    for window in UsageWindow.objects.all():
        assert window.used == left(window_start=window.window_start) > 0
    assert gone == (7 - left()) + (windows - UsageWindow.objects.count())
    assert left() >= 3
    assert ask(who, "calls").usage == usage >= 1
    assert purging.purge(now=NOW) == 0


def test_what_is_counted_for_ever_stays(acme):
    who, _ = acme
    tell(3, feature="storage", at=NOW - 300 * DAY)
    before = (left(), ask(who, "storage").usage)
    assert purging.purge(now=NOW) == 0
    assert (left(), ask(who, "storage").usage) == before


def test_a_long_window_that_is_not_over_keeps_reports_older_than_the_setting(acme, settings):
    settings.USAGE_DAYS = 1
    who, _ = acme
    for days in (3, 2, 0):
        tell(2, at=NOW - days * DAY)
    usage = ask(who, "calls").usage
    current = UsageWindow.objects.latest("window_start").window_start
    purging.purge(now=NOW)
    assert ask(who, "calls").usage == usage
    window = UsageWindow.objects.get(window_start=current)
    assert window.used == sum((each.amount for each in UsageReport.objects.filter(window_start=current)), Decimal(0))


def test_usage_of_a_customer_whose_subscription_ended_goes_once_no_window_can_hold_it(acme):
    _, subscription = acme
    tell(1, at=NOW - 100 * DAY)
    endings.cancel(subscription, at=NOW - 90 * DAY, now=NOW - 90 * DAY)
    assert purging.purge(now=NOW) == 0
    assert purging.purge(now=NOW + 400 * DAY) > 0
    assert not UsageReport.objects.exists()


def test_the_daily_purge_forgets_usage_in_small_steps(acme, monkeypatch):
    monkeypatch.setattr(purging, "ROWS", 2)
    for hours in range(5):
        tell(1, at=NOW - 200 * DAY + timedelta(hours=hours))
    assert purging.purge(now=NOW) == 6
    assert tasks.purge()["usage"] == 0


def test_the_most_of_a_pass_leaves_the_window_until_its_reports_are_gone(acme, monkeypatch):
    monkeypatch.setattr(purging, "ROWS", 2)
    monkeypatch.setattr(purging, "MOST", 2)
    for hours in range(3):
        tell(1, at=NOW - 200 * DAY + timedelta(hours=hours))
    assert purging.purge(now=NOW) == 2
    assert (left(), UsageWindow.objects.count()) == (1, 1)
    assert purging.purge(now=NOW) == 2
    assert (left(), UsageWindow.objects.count()) == (0, 0)
