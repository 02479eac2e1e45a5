"""Two at once, on PostgreSQL: numbers without gaps or doubles, credit taken once, one effect for one event."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import connections

from billing import usage
from billing.models import CreditGrant, CustomerPlan, Deduction, Invoice, InvoiceCounter, LineItem, Price, UsageRecord
from billing.rating import Rate, void_invoice
from billing.saving import save_rows
from integrations.access import Refusal

START = datetime(2026, 10, 1, tzinfo=UTC)
LATER = datetime(2026, 11, 3, tzinfo=UTC)
AT_ONCE = 4


def at_once(work: Callable[[int], object]) -> list[BaseException]:
    """Do it in several threads that begin together; what went wrong in them."""
    barrier, wrong = threading.Barrier(AT_ONCE), []

    def begin(number: int) -> None:
        try:
            barrier.wait(60)
            work(number)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            wrong.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return wrong


def save(object_key: str, *rows: dict) -> None:
    report = save_rows(object_key, rows, source="api", now=START)
    assert not report.failed, report.failed


@pytest.fixture
def customer(transactional_db) -> None:
    save("plans", {"id": "pro", "name": "Pro"})
    save("customers", {"id": "acme", "name": "Acme"})
    Price.objects.create(key="fee", plan_key="pro", name="Fee", model="fixed", amount=30)
    for number in range(3):
        save("customer-plans", {"id": f"cp-{number}", "customer_id": "acme", "plan_id": "pro", "starting_on": "2026-10-01"})
    save("credit-grants", {"id": "g", "customer_id": "acme", "name": "G", "effective_at": "2026-01-01", "initial_balance": 100})


def test_i_04_rating_at_once_doubles_neither_numbers_nor_credit(customer):
    def rate(number: int) -> None:
        plans = list(CustomerPlan.objects.order_by("pk"))
        for plan in plans if number % 2 else reversed(plans):
            Rate(LATER).rate(plan)

    assert at_once(rate) == []
    final = Invoice.objects.filter(status="FINALIZED")
    assert sorted(final.values_list("number", flat=True)) == [f"INV-2026-{n:06}" for n in (1, 2, 3)]
    assert InvoiceCounter.objects.get().last == 3
    assert Invoice.objects.filter(status="DRAFT").count() == 3
    assert sum(each.amount for each in Deduction.objects.all()) == Decimal(100)
    for each in Invoice.objects.all():
        lines = LineItem.objects.filter(invoice_key=each.key, deleted_at=None)
        assert each.total == sum((line.total or 0 for line in lines), Decimal(0))


def test_a_void_during_rating_stays_void(customer):
    plan = CustomerPlan.objects.order_by("pk")[0]
    Rate(datetime(2026, 10, 20, tzinfo=UTC)).rate(plan)

    def work(number: int) -> None:
        if number:
            Rate(LATER).rate(plan)
        else:
            void_invoice(Invoice.objects.get(key="r:cp-0:20261001"), actor=None, now=LATER)

    assert at_once(work) == []
    assert Invoice.objects.get(key="r:cp-0:20261001").status == "VOID"
    assert not Deduction.objects.filter(invoice_key="r:cp-0:20261001").exists()


def test_r_171_the_same_event_at_once_has_one_effect(customer):
    save("billable-metrics", {"id": "api", "name": "API"})
    reports = [{"id": f"u{n}", "customer_id": "acme", "metric_id": "api", "at": "2026-10-02T00:00:00Z"} for n in range(50)]
    rows = [{"id": f"i{n}", "customer_id": "acme", "total": n, "updated_at": "2026-10-01T00:00:00Z"} for n in range(50)]
    taken: list[int] = []

    def send(number: int) -> None:
        turned = rows if number % 2 else list(reversed(rows))
        assert not save_rows("invoices", turned, source="api", now=LATER).failed
        taken.append(usage.take_usage(reports if number % 2 else list(reversed(reports)), now=LATER).accepted)

    assert at_once(send) == []
    assert UsageRecord.objects.count() == 50
    assert Invoice.objects.count() == 50


def test_voids_at_once_give_credit_back_once(customer):
    plan = CustomerPlan.objects.order_by("pk")[0]
    Rate(datetime(2026, 10, 20, tzinfo=UTC)).rate(plan)
    invoice = Invoice.objects.get()
    wrong = at_once(lambda _: void_invoice(invoice, actor=None, now=LATER))
    assert [type(each) for each in wrong] == [Refusal] * (AT_ONCE - 1)
    assert CreditGrant.objects.get().balance == Decimal(100)
