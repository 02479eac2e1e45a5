"""From usage to invoices: drafts, finalization, credits, voids."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from billing import rating, usage
from billing.models import CreditGrant, Deduction, Invoice, LineItem, Price
from billing.rating import Rate, update_balances, void_invoice
from billing.saving import save_rows
from integrations.access import Refusal

pytestmark = pytest.mark.django_db
START = datetime(2026, 10, 1, tzinfo=UTC)
MIDDLE = datetime(2026, 10, 20, tzinfo=UTC)
LATER = datetime(2026, 11, 3, tzinfo=UTC)


def save(object_key: str, *rows: dict) -> None:
    report = save_rows(object_key, rows, source="api", now=START)
    assert not report.failed, report.failed


@pytest.fixture
def acme():
    save("plans", {"id": "pro", "name": "Pro", "currency": "USD"})
    save("billable-metrics", {"id": "api", "name": "API calls", "aggregation": "sum"})
    save("customers", {"id": "acme", "name": "Acme"})
    save("ingest-aliases", {"id": "a", "customer_id": "acme", "alias": "acme.example"})
    save("customer-plans", {"id": "cp", "customer_id": "acme", "plan_id": "pro", "starting_on": "2026-10-01"})
    Price.objects.create(key="fee", plan_key="pro", name="Platform fee", model="fixed", amount=100)
    Price.objects.create(
        key="calls", plan_key="pro", metric_key="api", name="API calls", model="per_unit", amount=Decimal("0.01"), included=1000,
        position=1,
    )  # fmt: skip


def report(n: int, quantity, *, customer="acme", at="2026-10-05T00:00:00Z") -> dict:
    return {"id": f"u-{n}", "customer_id": customer, "metric_id": "api", "quantity": quantity, "at": at}


def rate(now: datetime) -> list[tuple[str, str]]:
    from billing.models import CustomerPlan

    found = Rate(now).rate(CustomerPlan.objects.get())
    update_balances(now=now)
    return found


def lines(invoice: Invoice) -> dict[str, Decimal]:
    return dict(LineItem.objects.filter(invoice_key=invoice.key, deleted_at=None).values_list("name", "total"))


def test_usage_becomes_a_draft_that_follows_the_usage(acme):
    usage.take_usage([report(1, 1500), report(2, "250.5", customer="acme.example")], now=MIDDLE)
    assert rate(MIDDLE) == [("r:cp:20261001", "created")]
    invoice = Invoice.objects.get()
    assert (invoice.status, invoice.total) == ("DRAFT", Decimal("107.51"))  # 100 + 750.5 x 0.01 = 7.505 half up
    assert rate(MIDDLE) == [("r:cp:20261001", "unchanged")]
    usage.take_usage([report(3, 1000)], now=MIDDLE)
    assert rate(MIDDLE) == [("r:cp:20261001", "updated")]
    assert lines(Invoice.objects.get()) == {"Platform fee": Decimal(100), "API calls": Decimal("17.51")}


def test_a_period_that_is_over_is_finalized_and_the_next_one_begins(acme):
    usage.take_usage([report(1, 1500), report(2, 10, at="2026-11-01T00:00:00Z")], now=LATER)
    assert rate(LATER) == [("r:cp:20261001", "finalized"), ("r:cp:20261101", "created")]
    first = Invoice.objects.get(key="r:cp:20261001")
    assert (first.status, first.number, first.total) == ("FINALIZED", "INV-2026-000001", Decimal(105))
    usage.take_usage([report(3, 1_000_000)], now=LATER)  # too late for the final one
    rate(LATER)
    first.refresh_from_db()
    assert first.total == Decimal(105)


def test_a_period_waits_a_day_for_late_usage(acme):
    rate(datetime(2026, 11, 1, 12, tzinfo=UTC))
    assert set(Invoice.objects.values_list("status", flat=True)) == {"DRAFT"}


def test_i_04_the_same_usage_report_counts_once(acme):
    taken = usage.take_usage([report(1, 5), report(1, 5)], now=MIDDLE)
    assert (taken.accepted, taken.repeated) == (1, 1)
    again = usage.take_usage([report(1, 5)], now=MIDDLE)
    assert (again.accepted, again.repeated) == (0, 1)


def test_bad_usage_names_its_fields(acme):
    rows = [report(1, "many"), report(2, 1, customer="nobody"), {**report(3, 1), "metric_id": "x"}, {"id": "y"},
            report(4, 1, at="2030-01-01T00:00:00Z"), report(5, 1)]  # fmt: skip
    taken = usage.take_usage(rows, now=MIDDLE)
    assert [set(taken.errors.get(n, ())) for n in range(6)] == [
        {"quantity"}, {"customer_id"}, {"metric_id"}, {"customer_id", "metric_id", "at"}, {"at"}, set(),
    ]  # fmt: skip
    assert taken.accepted == 1


def test_mt_d9_credits_burn_down_and_the_balance_includes_the_draft(acme):
    save("credit-grants", {"id": "g", "customer_id": "acme", "name": "Welcome", "credit_type": "USD",
                           "effective_at": "2026-01-01", "initial_balance": 60})  # fmt: skip
    rate(MIDDLE)
    invoice = Invoice.objects.get()
    assert invoice.total == Decimal(40)
    assert lines(invoice)["Credit: Welcome"] == Decimal(-60)
    assert CreditGrant.objects.get().balance == 0
    rate(MIDDLE)
    assert Deduction.objects.get().amount == Decimal(60)


def test_mt_d10_a_void_gives_credits_back_and_a_new_invoice_only_if_asked(acme):
    save("credit-grants", {"id": "g", "customer_id": "acme", "name": "Welcome", "credit_type": "USD",
                           "effective_at": "2026-01-01", "initial_balance": 60})  # fmt: skip
    rate(LATER)
    first = Invoice.objects.get(key="r:cp:20261001")
    void_invoice(first, actor=None, now=LATER)
    assert CreditGrant.objects.get().balance == Decimal(60)
    assert [key for key, _ in rate(LATER)] == ["r:cp:20261101"]
    with pytest.raises(Refusal):
        void_invoice(first, actor=None, now=LATER)
    second = Invoice.objects.get(key="r:cp:20261101")
    void_invoice(second, actor=None, now=LATER, again=True)
    assert [key for key, _ in rate(LATER)] == ["r:cp:20261101~2"]


def test_lines_that_leave_a_draft_are_deleted(acme):
    usage.take_usage([report(1, 1500)], now=MIDDLE)
    rate(MIDDLE)
    Price.objects.get(key="calls").delete()
    rate(MIDDLE)
    assert lines(Invoice.objects.get()) == {"Platform fee": Decimal(100)}
    assert LineItem.objects.exclude(deleted_at=None).count() == 1


@pytest.mark.parametrize(("how", "expected"), [("sum", 8), ("count", 3), ("max", 5), ("latest", 2), ("unique", 2)])
def test_each_aggregation_by_hand(how, expected):
    rows = [(START, Decimal(5), "a"), (START + timedelta(hours=1), Decimal(1), "b"), (MIDDLE, Decimal(2), "a")]
    assert usage.aggregate(how, rows) == expected
    assert usage.aggregate(how, []) == 0


def test_the_job_rates_every_plan_and_tells_what_it_cannot(acme):
    from django.utils import timezone

    from integrations.sync import runs

    save("customer-plans", {"id": "cp-2", "customer_id": "acme", "plan_id": "pro", "starting_on": "2026-10-01"})
    Price.objects.create(key="bad", plan_key="other", name="Bad", model="tiered")
    save("plans", {"id": "other", "name": "Other"})
    save("customer-plans", {"id": "cp-3", "customer_id": "acme", "plan_id": "other", "starting_on": "2026-10-01"})
    run = runs.request_run(rating.JOB, now=timezone.now())
    run.refresh_from_db()
    assert run.state == "partial"
    counted = run.objects_touched.get(name="Invoices")
    assert (counted.written >= 2, counted.failed) == (True, 1)


def test_credit_that_another_system_used_before_us_is_not_given_twice(acme):
    save("credit-grants", {"id": "g", "customer_id": "acme", "name": "Welcome", "credit_type": "USD",
                           "effective_at": "2026-01-01", "initial_balance": 60, "balance": 25})  # fmt: skip
    for _ in range(2):
        rate(MIDDLE)
        assert Invoice.objects.get().total == Decimal(75)
        assert CreditGrant.objects.get().balance == 0
    void_invoice(Invoice.objects.get(), actor=None, now=MIDDLE)
    assert CreditGrant.objects.get().balance == Decimal(25)
