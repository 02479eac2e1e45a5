"""Usage after customers of the product were merged, and what a metric's chart says of all customers together."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from billing import usage
from billing.merged import owners
from billing.models import BillableMetric
from billing.pricing import Period
from billing.saving import save_rows
from integrations.models import Customer, CustomerAlias
from tests.product.sending import take_in, track

NOW = datetime.now(UTC)
TODAY = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
PERIOD = Period(TODAY - timedelta(days=3), TODAY + timedelta(days=1))


def save(object_key: str, *rows: dict) -> None:
    report = save_rows(object_key, rows, source="api", now=NOW)
    assert not report.failed, report.failed


def metric(how: str = "count", **more) -> BillableMetric:
    save("billable-metrics", {"id": "calls", "name": "Calls", "event_name": "Called", "aggregation": how, **more})
    return BillableMetric.objects.get()


def report(number: int, customer: str, quantity, *, days: int = 0, value: str = "") -> None:
    row = {"id": f"u-{number}", "customer_id": customer, "metric_id": "calls", "quantity": quantity, "unique_value": value,
           "at": (TODAY - timedelta(days=days)).isoformat()}  # fmt: skip
    taken = usage.take_usage([row], now=NOW)
    assert not taken.errors, taken.errors


@pytest.mark.parametrize(
    ("billed", "survivor", "expected"),
    [
        ({1}, {}, {1: 1}),
        ({1}, {2: 1, 3: 1}, {1: 1, 2: 1, 3: 1}),  # those that were merged into it
        ({1, 2}, {2: 1, 3: 1}, {1: 1, 2: 2, 3: 1}),  # who is billed alone stays so: nothing is billed twice
        ({2}, {2: 1, 3: 1}, {2: 2, 1: 2, 3: 2}),  # only the loser is billed
        ({2, 3}, {2: 1, 3: 1}, {2: 2, 3: 3, 1: 2}),
        (set(), {2: 1}, {}),
    ],
)
def test_each_use_is_billed_to_one(billed, survivor, expected):
    assert owners(billed, survivor) == expected


@pytest.fixture
def merged(db) -> tuple[Customer, Customer]:
    """Two customers with one event each, of which only the first is billed; then the second was merged into it."""
    winner, loser = (Customer.objects.create(external_id=name, name=name.title()) for name in ("winner", "loser"))
    save("customers", {"id": "winner", "name": "Winner"})
    at = (NOW - timedelta(hours=1)).isoformat()
    take_in(
        track("e1", account="winner", user="w", event="Called", at=at, properties={"id": "a"}),
        track("e2", account="loser", user="l", event="Called", at=at, properties={"id": "a"}),
        track("e3", account="loser", user="l", event="Called", at=at, properties={"id": "b"}),
    )
    return winner, loser


def merge(loser: Customer, winner: Customer) -> None:
    Customer.objects.filter(pk=loser.pk).update(merged_into=winner)
    CustomerAlias.objects.get_or_create(customer=winner, value=loser.external_id)


@pytest.mark.parametrize(("how", "before", "after"), [("count", 1, 3), ("unique", 1, 2)])
def test_events_of_a_merged_customer_count_for_the_one_that_stands_for_it(merged, how, before, after):
    winner, loser = merged
    found = metric(how, event_property="id")
    assert usage.measure(found, ["winner"], PERIOD) == {"winner": Decimal(before)}
    merge(loser, winner)
    assert usage.measure(found, ["winner"], PERIOD) == {"winner": Decimal(after)}
    assert {key: gauge.result for key, gauge in usage.count_events(found, PERIOD).items()} == {"winner": Decimal(after)}


def test_a_merged_customer_that_is_billed_by_itself_keeps_its_events(merged):
    winner, loser = merged
    save("customers", {"id": "loser", "name": "Loser"})
    merge(loser, winner)
    found = metric()
    assert usage.measure(found, ["winner", "loser"], PERIOD) == {"winner": Decimal(1), "loser": Decimal(2)}


def test_reported_usage_of_a_billing_customer_that_went_with_the_merge_is_not_lost(merged):
    winner, loser = merged
    save("customers", {"id": "loser", "name": "Loser"})
    found = metric(event_name="", aggregation="sum")
    report(1, "loser", 5)
    report(2, "winner", 2)
    save("customers", {"id": "loser", "deleted": True})
    assert usage.measure(found, ["winner"], PERIOD) == {"winner": Decimal(2)}
    merge(loser, winner)
    assert usage.measure(found, ["winner"], PERIOD) == {"winner": Decimal(7)}
    report(3, "loser", 10)  # the product still calls it by the old name
    assert usage.measure(found, ["winner"], PERIOD) == {"winner": Decimal(17)}
    assert usage.chart(found, PERIOD).customers == {"winner": Decimal(17)}


DAYS = {
    "count": [0, 2, 0, 3], "sum": [0, 7, 0, 12], "max": [0, 5, 0, 6],
    "unique": [0, 2, 0, 2],  # "x" of both customers counts once; "x" and "z"
    "latest": [0, 7, 7, 12],  # a: 5, b: 2; then a: 6, b: 6
}  # fmt: skip
EACH = {"count": (3, 2), "sum": (11, 8), "max": (6, 6), "unique": (2, 2), "latest": (6, 6)}


@pytest.mark.django_db
@pytest.mark.parametrize("how", DAYS)
def test_the_days_of_a_chart_are_those_of_all_customers_and_not_sums_of_what_does_not_add_up(how, client, cast):
    save("customers", {"id": "a", "name": "A"}, {"id": "b", "name": "B"})
    found = metric(how, event_name="")
    report(1, "a", 5, days=2, value="x")
    report(2, "b", 2, days=2, value="y")
    report(3, "a", 0, days=0, value="x")
    report(4, "b", 6, days=0, value="x")
    row = {"id": "u-5", "customer_id": "a", "metric_id": "calls", "quantity": 6, "unique_value": "z",
           "at": (TODAY + timedelta(microseconds=1)).isoformat()}  # fmt: skip
    assert not usage.take_usage([row], now=NOW + timedelta(minutes=1)).errors
    chart = usage.chart(found, PERIOD)
    assert [int(used) for _, used in chart.days] == DAYS[how]
    assert (chart.customers["a"], chart.customers["b"]) == EACH[how]
    client.force_login(cast.olga)
    page = client.get(f"/billing/metrics/{found.pk}/").content.decode()
    assert (chart.meaning in page) == bool(chart.meaning) or not chart.meaning
    assert bool(chart.meaning) == (how in ("max", "unique", "latest"))
