"""Twenty at once: one customer, one subscription, one write-back (R-181, I-04, I-19). SQLite file and PostgreSQL."""

import copy
import sqlite3
import threading
from collections.abc import Callable, Iterator

import pytest
from django.db import connection, connections
from django.utils import timezone

from integrations.models import Customer
from provisioning.connection import settings_of
from provisioning.models import Provision, Subscription
from provisioning.provision import taking
from provisioning.subscriptions.terms import status_of
from tests.provisioning.conftest import WON

AT_ONCE = 20


@pytest.fixture
def elsewhere(transactional_db, tmp_path) -> Iterator[Callable[[Callable[[int], object], int], list]]:
    """Runs work in threads with connections of their own: on SQLite to a file, as in life, copied from the test's database."""
    before = copy.deepcopy(connections.settings["default"])
    path = tmp_path / "race.sqlite3"

    def at_once(work: Callable[[int], object], n: int = AT_ONCE) -> list:
        if connection.vendor == "sqlite":
            with sqlite3.connect(path) as target:
                connection.connection.backup(target)
            connections.settings["default"]["NAME"] = str(path)
        barrier, answers = threading.Barrier(n), list[object]()

        def begin(number: int) -> None:
            try:
                barrier.wait(60)
                answers.append(work(number))
            except BaseException as error:  # noqa: BLE001 - shown by the test
                answers.append(error)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=begin, args=(number,)) for number in range(n)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        return answers

    yield at_once
    connections.settings["default"].update(before)


def counted(elsewhere) -> dict[str, int]:
    """What stands in the database that the threads used."""
    look = lambda number: {  # noqa: E731
        "customers": Customer.objects.filter(external_id__startswith="sf-").count(),
        "subscriptions": Subscription.objects.count(),
        "running": sum(status_of(each, timezone.now()) == "active" for each in Subscription.objects.all()),
        "provisions": Provision.objects.count(),
    }
    seen: list[dict[str, int]] = []
    thread = threading.Thread(target=lambda: (seen.append(look(0)), connections.close_all()))
    thread.start()
    thread.join(30)
    return seen[0]


@pytest.mark.django_db(transaction=True)
def test_r_181_twenty_calls_at_once_give_one_subscription(office, elsewhere):
    deal = office.deal(("plan-pro", 3), stage=WON)
    org = office.org

    def call(number: int) -> taking.Outcome:
        return taking.take(settings_of(org), deal, source="callout", now=timezone.now())

    answers = elsewhere(call)
    assert all(isinstance(each, taking.Outcome) for each in answers), answers
    statuses = [each.status for each in answers]
    assert (statuses.count("done"), statuses.count("already_done")) == (1, AT_ONCE - 1), statuses
    assert len({tuple(each.result["subscription_ids"]) for each in answers}) == 1
    assert len({each.result["customer_id"] for each in answers}) == 1
    assert counted(elsewhere) == {"customers": 1, "subscriptions": 1, "running": 1, "provisions": 1}


@pytest.mark.django_db(transaction=True)
def test_i_19_two_deals_of_one_account_at_once_never_give_two_subscriptions_of_a_product(office, elsewhere):
    account, org = office.account(), office.org
    deals = [office.deal(("plan-pro", n + 1), account=account, name=f"D {n}", stage=WON) for n in range(4)]

    def call(number: int) -> taking.Outcome:
        return taking.take(settings_of(org), deals[number], source="callout", now=timezone.now())

    answers = elsewhere(call, len(deals))
    assert all(isinstance(each, taking.Outcome) for each in answers), answers
    assert sorted(each.status for each in answers).count("done") == 1, answers
    found = counted(elsewhere)
    assert (found["customers"], found["subscriptions"], found["provisions"]) == (1, 1, 4)


@pytest.mark.django_db(transaction=True)
def test_r_181_twenty_workers_at_one_waiting_deal(office, elsewhere):
    deal, org = office.deal(("plan-pro", 3), stage=WON), office.org
    Provision.objects.create(
        org=org, opportunity_id=deal, slot="contract", kind="won", source="poll", not_before=timezone.now()
    )
    from provisioning.provision import steps

    def work(number: int) -> bool:
        return steps.advance(Provision.objects.select_related("org").get(opportunity_id=deal), now=timezone.now())

    answers = elsewhere(work)
    assert sorted(map(str, answers)) == ["False"] * (AT_ONCE - 1) + ["True"], answers
    assert counted(elsewhere) == {"customers": 1, "subscriptions": 1, "running": 1, "provisions": 1}
