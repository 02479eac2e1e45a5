"""What holds whatever is rated: sums, repetition, credit, final invoices, plans that change, customers that go, events."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from billing import usage
from billing.balances import update_balances
from billing.models import (
    BillableMetric,
    CreditGrant,
    CustomerPlan,
    Deduction,
    Invoice,
    InvoiceCounter,
    LineItem,
    Price,
    UsageRecord,
)
from billing.pricing import Period
from billing.rating import Rate, plans_to_rate, void_invoice
from billing.saving import save_rows
from integrations.access import Refusal

pytestmark = pytest.mark.django_db
START = datetime(2026, 10, 1, tzinfo=UTC)
MIDDLE = datetime(2026, 10, 20, tzinfo=UTC)
LATER = datetime(2026, 11, 3, tzinfo=UTC)
TIERS = [{"up_to": "10", "unit": "0.333"}, {"up_to": None, "unit": "0.1", "flat": "1"}]


def save(object_key: str, *rows: dict) -> list[str]:
    now = max([START, *(datetime.fromisoformat(row["updated_at"]) for row in rows if "updated_at" in row)])
    report = save_rows(object_key, rows, source="api", now=now)
    assert not report.failed, report.failed
    return [each.status for each in report.rows]


def price(key: str, model: str, **terms) -> None:
    Price.objects.create(key=key, name=key, model=model, **{"plan_key": "pro", "metric_key": "api", **terms})


def rate(now: datetime) -> list[tuple[str, str]]:
    """One round over all plans, as the job does it."""
    round_ = Rate(now)
    found = [each for plan in plans_to_rate(now).order_by("pk") for each in round_.rate(plan)]
    update_balances(now=now)
    return found


def use(quantity, *, n: int = 0, at: str = "2026-10-05T00:00:00Z", customer: str = "acme") -> None:
    number = n or UsageRecord.objects.count() + 1
    row = {"id": f"u-{number}", "customer_id": customer, "metric_id": "api", "quantity": quantity, "at": at}
    assert not usage.take_usage([row], now=LATER).errors


def grant(key: str, initial, **more) -> None:
    row = {"id": key, "customer_id": "acme", "name": key, "credit_type": "USD", "effective_at": "2026-01-01",
           "initial_balance": initial, **more}  # fmt: skip
    save("credit-grants", row)


def picture() -> list:
    """Everything that rating wrote, as it is."""
    return [
        list(model.objects.order_by("pk").values()) for model in (Invoice, LineItem, Deduction, CreditGrant, InvoiceCounter)
    ]


@pytest.fixture
def acme() -> None:
    save("plans", {"id": "pro", "name": "Pro", "currency": "USD"})
    save("billable-metrics", {"id": "api", "name": "API calls"})
    save("customers", {"id": "acme", "name": "Acme"})
    save("customer-plans", {"id": "cp", "customer_id": "acme", "plan_id": "pro", "starting_on": "2026-10-01"})


@pytest.mark.parametrize("seed", range(12))
def test_i_22_an_invoice_is_the_sum_of_its_lines_and_rating_again_changes_nothing(acme, seed):
    dice = random.Random(seed)
    for model, terms in (
        ("fixed", {"metric_key": ""}), ("per_unit", {"included": dice.randrange(5)}), ("tiered", {"tiers": TIERS}),
        ("volume", {"tiers": TIERS}), ("package", {"size": dice.randrange(1, 9)}), ("per_unit", {"minimum": 30}),
    ):  # fmt: skip
        price(f"{model}{Price.objects.count()}", model, amount=Decimal(dice.randrange(100_000)).scaleb(-4), **terms)
    for number in range(dice.randrange(4)):
        grant(f"g{number}", dice.randrange(60), priority=dice.randrange(3))
    for _ in range(dice.randrange(1, 6)):
        use(str(Decimal(dice.randrange(-50, 9_000)).scaleb(-2)))
        rate(MIDDLE)
    rate(LATER)
    for invoice in Invoice.objects.all():
        lines = LineItem.objects.filter(invoice_key=invoice.key, deleted_at=None)
        assert invoice.total == sum((line.total or 0 for line in lines), Decimal(0))
    for each in CreditGrant.objects.all():
        taken = sum((one.amount for one in Deduction.objects.filter(grant_key=each.key)), Decimal(0))
        assert 0 <= each.balance == each.initial_balance - taken
    before = picture()
    assert not {outcome for _, outcome in rate(LATER)} - {"unchanged"}
    assert picture() == before


def test_a_final_invoice_never_changes(acme):
    price("calls", "per_unit", amount=1)
    use(5)
    rate(LATER)
    final = Invoice.objects.get(status="FINALIZED")
    kept = list(LineItem.objects.filter(invoice_key=final.key).values())
    use(100)
    Price.objects.update(amount=9)
    grant("late", 50)
    save("plans", {"id": "pro", "name": "Pro", "currency": "EUR"})
    rate(LATER + timedelta(days=3))
    again = Invoice.objects.get(pk=final.pk)
    assert (again.total, again.status, again.number, again.currency) == (Decimal(5), "FINALIZED", final.number, "USD")
    assert list(LineItem.objects.filter(invoice_key=final.key).values()) == kept
    for object_key, row in (
        ("invoices", {"id": final.key, "customer_id": "acme", "total": 1}),
        ("invoices", {"id": final.key, "deleted": True}),
        ("line-items", {"id": kept[0]["key"], "invoice_id": "other", "name": "x", "total": 1}),
        ("line-items", {"id": "new", "invoice_id": final.key, "name": "x", "total": 1}),
    ):
        failed = save_rows(object_key, [row], source="api", now=LATER).failed
        assert [each.errors for each in failed], row
        assert "void the invoice" in str(failed[0].errors)


def test_an_invoice_of_ours_is_not_deleted_by_the_api(acme, client, cast):
    price("calls", "per_unit", amount=1)
    rate(LATER)
    client.force_login(cast.olga)
    answer = client.delete("/api/v1/billing/invoices/r:cp:20261001/")
    assert answer.status_code == 400
    assert "void the invoice" in answer.content.decode()
    assert Invoice.objects.get(key="r:cp:20261001").deleted_at is None


def test_credit_goes_to_the_earliest_period_whatever_came_first(acme):
    price("calls", "per_unit", amount=1)
    grant("g", 100)
    save("customer-plans", {"id": "a-second", "customer_id": "acme", "plan_id": "pro", "starting_on": "2026-09-15"})
    rate(datetime(2026, 9, 16, tzinfo=UTC))
    use(70, at="2026-10-16T00:00:00Z")
    rate(MIDDLE)
    use(60, at="2026-09-20T00:00:00Z")  # late, in a period of the second plan that is not final yet
    Invoice.objects.filter(starts_at=datetime(2026, 9, 15, tzinfo=UTC)).update(status="DRAFT")
    rate(datetime(2026, 10, 16, 1, tzinfo=UTC))
    took = {row.invoice_key: row.amount for row in Deduction.objects.all()}
    assert sum(took.values()) == Decimal(100)
    assert took.get("r:a-second:20260915", 0) == Decimal(60)
    assert CreditGrant.objects.get().balance == 0


def test_a_plan_that_changes_in_the_middle_is_billed_by_time_on_both_sides(acme):
    price("fee", "fixed", amount=310, metric_key="")
    price("big", "fixed", amount=620, metric_key="", plan_key="scale")
    save("plans", {"id": "scale", "name": "Scale"})
    rate(MIDDLE)
    base = {"customer_id": "acme", "plan_id": "pro", "starting_on": "2026-10-01"}
    save("customer-plans", {"id": "cp", **base, "ending_on": "2026-10-11"},
         {"id": "cp-2", "customer_id": "acme", "plan_id": "scale", "starting_on": "2026-10-11"})  # fmt: skip
    rate(MIDDLE)
    assert {each.plan_key: each.total for each in Invoice.objects.all()} == {"pro": Decimal(100), "scale": Decimal(620)}


def test_a_plan_that_begins_later_than_was_said_leaves_no_second_draft(acme):
    price("fee", "fixed", amount=310, metric_key="")
    grant("g", 10)
    rate(MIDDLE)
    row = {"id": "cp", "customer_id": "acme", "plan_id": "pro"}
    save("customer-plans", {**row, "starting_on": "2026-10-05"})
    assert rate(MIDDLE) == [("r:cp:20261001", "voided"), ("r:cp:20261005", "created")]
    assert [each.invoice_key for each in Deduction.objects.all()] == ["r:cp:20261005"]
    save("customer-plans", {**row, "starting_on": "2026-10-01"})
    assert rate(MIDDLE) == [("r:cp:20261005", "voided"), ("r:cp:20261001~2", "created")]


def test_days_of_a_final_invoice_are_not_billed_again(acme):
    price("fee", "fixed", amount=310, metric_key="")
    rate(LATER)
    save("customer-plans", {"id": "cp", "customer_id": "acme", "plan_id": "pro", "starting_on": "2026-10-05"})
    assert ("r:cp:20261005", "overlaps") in rate(LATER)
    assert Invoice.objects.filter(status="FINALIZED").count() == 1
    assert not Invoice.objects.filter(status="DRAFT").exists()


@pytest.mark.parametrize("gone", ["customers", "customer-plans"])
def test_drafts_of_what_was_deleted_go_and_give_their_credit_back(acme, gone):
    price("fee", "fixed", amount=310, metric_key="")
    grant("g", 10)
    rate(LATER)
    assert CreditGrant.objects.get().balance == 0
    final = Invoice.objects.get(status="FINALIZED")
    save(gone, {"id": "acme" if gone == "customers" else "cp", "deleted": True, "updated_at": LATER.isoformat()})
    assert rate(LATER) == [("r:cp:20261101", "voided")]
    final.refresh_from_db()
    assert final.status == "FINALIZED"
    assert not plans_to_rate(LATER).filter(deleted_at=None).exclude(customer_key="acme").exists()
    assert rate(LATER + timedelta(days=90)) == []


def test_an_invoice_id_from_elsewhere_fails_its_plan_alone(acme):
    from django.utils import timezone

    from billing import rating
    from integrations.sync import runs

    price("fee", "fixed", amount=1, metric_key="")
    save("invoices", {"id": "r:cp:20261001", "customer_id": "acme", "total": 7})
    save("customer-plans", {"id": "cq", "customer_id": "acme", "plan_id": "pro", "starting_on": "2026-10-01"})
    Price.objects.create(key="odd", plan_key="odd", name="Odd", model="tiered", tiers=[{"up_to": None, "unit": "a lot"}])
    save("plans", {"id": "odd", "name": "Odd"})
    save("customer-plans", {"id": "co", "customer_id": "acme", "plan_id": "odd", "starting_on": "2026-10-01"})
    run = runs.request_run(rating.JOB, now=timezone.now())
    run.refresh_from_db()
    assert run.state == "partial"
    assert run.objects_touched.get(name="Invoices").failed == 2
    assert Invoice.objects.filter(source="rating", key__startswith="r:cq:").exists()
    assert Invoice.objects.get(key="r:cp:20261001").total == Decimal(7)


def test_a_balance_that_the_source_sends_is_kept_until_our_invoices_burn_the_grant(acme):
    grant("g", 50, balance=20)
    update_balances(now=LATER)
    assert CreditGrant.objects.get().balance == Decimal(20)
    price("fee", "fixed", amount=30, metric_key="")
    rate(MIDDLE)
    grant("g", 50, balance=49)
    assert CreditGrant.objects.get().balance == Decimal(0)
    assert CreditGrant.objects.get().is_burned


def test_rating_reads_only_what_it_needs(acme, django_assert_max_num_queries):
    """Neither the number of customers nor that of past periods adds queries to a plan."""
    price("calls", "per_unit", amount=1)
    save("customer-plans", {"id": "cp", "customer_id": "acme", "plan_id": "pro", "starting_on": "2024-10-01"})
    rate(MIDDLE)
    assert Invoice.objects.filter(status="FINALIZED").count() == 24
    plan, round_ = CustomerPlan.objects.get(), Rate(MIDDLE)
    with django_assert_max_num_queries(20):
        assert [outcome for _, outcome in round_.rate(plan)] == ["unchanged"]


def test_i_22_plans_that_are_rated_together_end_as_if_each_were_rated_alone(acme):
    """Customers with several plans, credit and a plan that fails: in one batch, and one by one."""
    price("calls", "tiered", tiers=TIERS)
    price("fee", "fixed", amount=Decimal("31.1"), metric_key="", plan_key="other")
    save("plans", {"id": "other", "name": "Other", "period_months": 3})
    for name in ("acme", "b", "c"):
        save("customers", {"id": name, "name": name})
        save("customer-plans", {"id": f"x-{name}", "customer_id": name, "plan_id": "other", "starting_on": "2026-08-11"},
             {"id": f"y-{name}", "customer_id": name, "plan_id": "pro", "starting_on": "2026-09-15"},
             {"id": f"z-{name}", "customer_id": name, "plan_id": "nowhere", "starting_on": "2026-09-15"})  # fmt: skip
        use("12.5", customer=name)
    Price.objects.create(key="n", plan_key="nowhere", name="N", model="fixed", amount=1)
    grant("g", 25)
    written = []
    for size in (1, 2, 100):
        for model in (Invoice, LineItem, Deduction, InvoiceCounter):
            model.objects.all().delete()
        CreditGrant.objects.update(is_burned=False, opening=None, balance=None)
        round_, told = Rate(LATER), {}
        plans = list(plans_to_rate(LATER).order_by("pk"))
        for start in range(0, len(plans), size):
            told |= round_.rate_many(plans[start : start + size])
        update_balances(now=LATER)
        shown = {pk: each.code if isinstance(each, Refusal) else each for pk, each in told.items()}
        rows = [[{name: value for name, value in row.items() if name not in ("id", "created_at")} for row in rows]
                for rows in picture()]  # fmt: skip
        written.append((shown, [sorted(rows, key=str) for rows in rows]))
    assert written[0] == written[1] == written[2]
    assert list(written[0][0].values()).count("no_plan") == 3
    assert Deduction.objects.count() >= 1


def test_rating_many_plans_takes_few_statements(acme, django_assert_max_num_queries):
    price("calls", "per_unit", amount=1)
    for number in range(40):
        save("customers", {"id": f"n{number}", "name": "N"})
        save("customer-plans", {"id": f"n{number}", "customer_id": f"n{number}", "plan_id": "pro", "starting_on": "2026-10-01"})
    plans = list(plans_to_rate(MIDDLE))
    with django_assert_max_num_queries(22):
        assert len(Rate(MIDDLE).rate_many(plans)) == 41
    assert Invoice.objects.count() == 41


def test_what_is_a_third_of_a_period_stays_unchanged_at_the_next_rating(acme):
    price("fee", "fixed", amount=1, metric_key="")
    save("customer-plans", {"id": "cp", "customer_id": "acme", "plan_id": "pro", "starting_on": "2026-10-01",
                            "ending_on": "2026-10-11T08:00:00Z"})  # fmt: skip
    rate(MIDDLE - timedelta(days=9))
    assert LineItem.objects.get().quantity == Decimal("0.333333333333")  # what PostgreSQL keeps too


def test_a_void_updates_the_credit_that_it_touched(acme, django_assert_max_num_queries):
    price("fee", "fixed", amount=5, metric_key="")
    grant("g", 50)
    for number in range(30):
        grant(f"h{number}", 1, effective_at="2030-01-01")
    rate(MIDDLE)
    with django_assert_max_num_queries(25):
        void_invoice(Invoice.objects.get(), actor=None, now=MIDDLE)
    assert CreditGrant.objects.get(key="g").balance == Decimal(50)


def test_the_chart_reads_the_uses_once_and_counts_days_in_utc(acme, django_assert_num_queries):
    save("customers", {"id": "b", "name": "B"})
    use(5, at="2026-10-05T23:30:00-05:00")  # the 6th in UTC
    use(7, at="2026-10-06T00:00:00Z")
    use(2, at="2026-10-06T10:00:00Z", customer="b")
    period = Period(START, START + timedelta(days=31))
    metric = BillableMetric.objects.get()
    with django_assert_num_queries(2):  # who inherits from whom, and the uses
        chart = usage.chart(metric, period)
    assert chart.customers == {"acme": Decimal(12), "b": Decimal(2)}
    assert {day.isoformat(): used for day, used in chart.days if used} == {"2026-10-06": Decimal(14)}
    assert len(chart.days) == 31


@pytest.mark.parametrize(("how", "expected"), [("count", 3), ("sum", 12), ("max", 7), ("latest", 2), ("unique", 3)])
def test_events_of_the_product_are_measured_and_billed(acme, how, expected):
    from integrations.models import Customer
    from tests.product.sending import take_in, track

    Customer.objects.create(external_id="acme", name="Acme")
    save("customers", {"id": "acme", "name": "Acme", "updated_at": LATER.isoformat()})
    save("billable-metrics", {"id": "api", "name": "API calls", "event_name": "Called", "aggregation": how,
                              "event_property": "size", "filters": {"ok": True}})  # fmt: skip
    now = datetime.now(UTC)
    at = [(now - timedelta(hours=hours)).isoformat() for hours in (5, 4, 3, 2, 1)]
    take_in(
        track("e1", account="acme", event="Called", at=at[0], properties={"size": 3, "ok": True}),
        track("e2", account="acme", event="Called", at=at[1], properties={"size": 7, "ok": True}),
        track("e3", account="acme", event="Called", at=at[2], properties={"size": 2, "ok": True}),
        track("e4", account="acme", event="Called", at=at[3], properties={"size": 50, "ok": False}),
        track("e5", account="acme", event="Other", at=at[4], properties={"size": 90, "ok": True}),
    )
    metric, period = BillableMetric.objects.get(), Period(now - timedelta(days=1), now)
    assert usage.measure(metric, ["acme"], period) == {"acme": Decimal(expected)}
    assert usage.measure(metric, ["nobody"], period) == {}
    price("calls", "per_unit", amount=2)
    start = (now - timedelta(days=1)).isoformat()
    save("customer-plans", {"id": "cp", "customer_id": "acme", "plan_id": "pro", "starting_on": start})
    rate(now)
    assert Invoice.objects.get().total == Decimal(expected) * 2
