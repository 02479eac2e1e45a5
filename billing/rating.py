"""The job `billing.rate`: usage and prices become draft invoices, drafts become final when their period is over.

An invoice of ours is worked out anew from its plan, usage and grants as long as it is a draft; a final one never changes, it
can only be voided. Rating again with the same facts changes nothing. Credit goes to a customer's drafts in the order of their
periods, whatever the order in which plans, usage and grants arrived.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import DataError, IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from billing import pricing, usage
from billing.balances import deductions_of, update_balances
from billing.drafts import SOURCE, Draft, Item, drop_draft, finalize, key_of, read_draft, store_draft
from billing.gauge import Gauge
from billing.models import BillableMetric, BillingCustomer, CreditGrant, CustomerPlan, Deduction, Invoice, Plan, Price
from billing.pricing import ZERO, Credit, Period, Terms, Tier
from integrations import audit
from integrations.access import Person, Refusal
from integrations.sync import retrying
from integrations.sync.runs import Recorder

JOB, LABEL = "billing.rate", "Invoices from usage"
GRACE = timedelta(hours=24)  # after the end of a period, for usage that arrives late
MOST_COUNTED = 8  # periods whose events are kept counted at a time
OVERLAPS = "overlaps"
OVERLAP_TEXT = "This period overlaps a final invoice of the same plan. Void that one, or correct the dates of the plan."
Status = Invoice.Status


def has_plans() -> bool:
    """Whether anything is to be rated."""
    return Price.objects.exists() and CustomerPlan.objects.filter(deleted_at=None).exists()


def perform(recorder: Recorder) -> None:
    """Every period that has begun and is not final, plan by plan; resumable at each plan. A plan that fails does so alone."""
    now = timezone.now()
    rate = Rate(now)
    tally = recorder.object("Invoices")
    for plan in plans_to_rate(now).filter(pk__gt=recorder.checkpoint.get("after", 0)).order_by("pk").iterator(500):
        try:
            for key, outcome in rate.rate(plan):
                if outcome == OVERLAPS:
                    tally.failed(key, "overlaps_final", OVERLAP_TEXT)
                elif outcome == "unchanged":
                    tally.unchanged()
                else:
                    tally.written(key, label=outcome)
        except Refusal as refusal:
            tally.failed(plan.key, refusal.code, refusal.message)
        except (ArithmeticError, ValueError, DataError, IntegrityError) as error:
            tally.failed(plan.key, "not_rated", f"Its invoice could not be worked out ({type(error).__name__}).")
        recorder.save({"after": plan.pk})
        recorder.breathe()
    update_balances(now=now)


def plans_to_rate(now: datetime) -> QuerySet[CustomerPlan]:
    """Plans with prices that have begun, and those with a draft that may have to go (deleted, moved, ended earlier)."""
    running = Q(deleted_at=None, plan_key__in=Price.objects.values("plan_key"), starting_on__lte=now)
    drafts = Invoice.objects.filter(source=SOURCE, status=Status.DRAFT, deleted_at=None)
    return CustomerPlan.objects.filter(running | Q(key__in=drafts.values("customer_plan_key")))


def terms_of(price: Price) -> Terms:
    """A stored price as data."""
    tiers = tuple(
        Tier(None if each.get("up_to") in (None, "") else Decimal(str(each["up_to"])), Decimal(str(each.get("unit") or 0)),
             Decimal(str(each.get("flat") or 0)))
        for each in price.tiers
    )  # fmt: skip
    return Terms(price.model, price.amount, price.included, price.size, tiers, price.minimum)


@dataclass
class Rate:
    """One round of rating, with what it looked up already."""

    now: datetime
    prices: dict[str, list[tuple[Price, Terms]]] = field(default_factory=dict)
    metrics: dict[str, BillableMetric] = field(default_factory=dict)
    counted: dict[tuple[str, Period], dict[str, Gauge]] = field(default_factory=dict)

    def rate(self, customer_plan: CustomerPlan) -> list[tuple[str, str]]:
        """Work out the open periods of a plan: (invoice key, created, updated, finalized, voided, unchanged or overlaps)."""
        return retrying.in_transaction(lambda: self._rate(customer_plan), repeatable=True)

    def _rate(self, given: CustomerPlan) -> list[tuple[str, str]]:
        """All in one transaction, behind a lock on the customer's plans: two rounds at once do not meet in one customer."""
        own = CustomerPlan.objects.select_for_update().filter(Q(customer_key=given.customer_key) | Q(pk=given.pk))
        customer_plan = {each.pk: each for each in own.order_by("pk")}.get(given.pk)
        if customer_plan is None:
            return []
        known = list(Invoice.objects.select_for_update().filter(customer_plan_key=given.key, source=SOURCE).order_by("pk"))
        plan, wanted = self._periods(customer_plan)
        found: list[tuple[str, str]] = []
        drafts: list[Draft] = []
        for period in wanted:
            key, record, is_open = place_of(customer_plan.key, period, known)
            if not is_open:
                continue
            if record is None and overlaps(period, known):
                found.append((key, OVERLAPS))
            elif plan is not None:
                drafts.append(Draft(key, period, plan.currency, self._items(key, customer_plan, plan, period), record))
        kept = {draft.key for draft in drafts}
        for each in known:
            if each.status == Status.DRAFT and each.key not in kept:
                drop_draft(each, now=self.now)
                found.append((each.key, "voided"))
        return found + self._store(customer_plan, plan, drafts)

    def _periods(self, customer_plan: CustomerPlan) -> tuple[Plan | None, list[Period]]:
        """The plan and its periods so far; none for a deleted plan or customer, whose drafts go."""
        gone = BillingCustomer.objects.filter(key=customer_plan.customer_key).exclude(deleted_at=None).exists()
        if gone or customer_plan.deleted_at is not None:
            return None, []
        plan = Plan.objects.filter(key=customer_plan.plan_key, deleted_at=None).first()
        if plan is None:
            raise Refusal("no_plan", f"The plan {customer_plan.plan_key} of {customer_plan.key} is not here.")
        starts, ends = customer_plan.starting_on, customer_plan.ending_on
        return plan, pricing.periods(starts, ends, plan.period_months, until=self.now)

    def _store(self, customer_plan: CustomerPlan, plan: Plan | None, drafts: Sequence[Draft]) -> list[tuple[str, str]]:
        """Share the customer's credit out to all its drafts, also those of other plans, and write what differs."""
        fresh = [draft.key for draft in drafts if draft.record is None]
        if taken := Invoice.objects.filter(key__in=fresh).first():
            raise Refusal("id_taken", f"The id {taken.key} of the invoice is in use by one that came from elsewhere.")
        open_ones = Invoice.objects.select_for_update().filter(
            customer_key=customer_plan.customer_key, source=SOURCE, status=Status.DRAFT, deleted_at=None
        )
        others = [read_draft(each) for each in open_ones.exclude(customer_plan_key=customer_plan.key).order_by("pk")]
        self._burn(customer_plan.customer_key, [*drafts, *others])
        for each in others:
            store_draft(each, None, None, now=self.now)
        found = []
        for draft in drafts:
            outcome = store_draft(draft, customer_plan, plan, now=self.now)
            if self.now >= draft.period.end + GRACE:
                finalize(draft.key, now=self.now)
                outcome = "finalized"
            found.append((draft.key, outcome))
        return found

    def _burn(self, customer: str, drafts: Sequence[Draft]) -> None:
        """What final invoices took is gone, what drafts took is free again, and goes to the earliest period first."""
        grants = list(CreditGrant.objects.select_for_update().filter(customer_key=customer, deleted_at=None).order_by("pk"))
        taken = deductions_of([each.key for each in grants], leave_out={draft.key for draft in drafts})
        usable = [
            Credit(each.key, each.name, each.credit_type, each.start_of_burning - taken.get(each.key, ZERO), each.effective_at,
                   each.expires_at, each.priority)
            for each in grants
        ]  # fmt: skip
        for draft in sorted(drafts, key=lambda each: (each.period.start, each.key)):
            due = max(ZERO, draft.gross)
            draft.burned = pricing.burn(usable, due, currency=draft.currency, period=draft.period)

    def _items(self, invoice_key: str, customer_plan: CustomerPlan, plan: Plan, period: Period) -> list[Item]:
        found: list[Item] = []
        share = pricing.share_of(period, plan.period_months)
        for price, terms in self._prices(plan.key):
            quantity = self._quantity(price, customer_plan.customer_key, period)
            for number, line in enumerate(pricing.price_lines(price.name, terms, quantity, plan.currency, share=share)):
                found.append(Item(key_of(invoice_key, f"{price.key}:{number}"), line, price.metric_key))
        return found

    def _quantity(self, price: Price, customer: str, period: Period) -> Decimal:
        if not price.metric_key:
            return Decimal(1)
        metric = self.metrics.get(price.metric_key)
        if metric is None:
            metric = BillableMetric.objects.filter(key=price.metric_key, deleted_at=None).first()
            if metric is None:
                raise Refusal("no_metric", f"{price.name}: the metric {price.metric_key} is not here.")
            self.metrics[price.metric_key] = metric
        counted = self._counted(metric, period).get(customer)
        gauge = counted.copy() if counted is not None else Gauge(metric.aggregation)
        for _, at, amount, value in usage.reports_of(metric, [customer], period):
            gauge.add(at, amount, value)
        return gauge.result

    def _counted(self, metric: BillableMetric, period: Period) -> dict[str, Gauge]:
        """Events of one period, read once for all customers: most plans share their periods."""
        place = (metric.key, period)
        if place not in self.counted:
            if len(self.counted) >= MOST_COUNTED:
                self.counted.pop(next(iter(self.counted)))
            self.counted[place] = usage.count_events(metric, period)
        return self.counted[place]

    def _prices(self, plan_key: str) -> list[tuple[Price, Terms]]:
        if plan_key not in self.prices:
            self.prices[plan_key] = [(price, checked_terms(price)) for price in Price.objects.filter(plan_key=plan_key)]
        return self.prices[plan_key]


def checked_terms(price: Price) -> Terms:
    """A price that can be used; Refusal `bad_price` names what is wrong."""
    try:
        terms = terms_of(price)
    except (ArithmeticError, TypeError, AttributeError):
        raise Refusal("bad_price", f"{price.name}: each tier is up_to, unit and flat as decimal numbers.") from None
    if problems := pricing.problems_of(terms):
        raise Refusal("bad_price", f"{price.name}: {problems[0]}")
    return terms


def place_of(plan_key: str, period: Period, known: Sequence[Invoice]) -> tuple[str, Invoice | None, bool]:
    """Key and draft of a period, and whether it is open: not final, and not voided for good (pure)."""
    own = [each for each in known if each.starts_at == period.start]
    draft = next((each for each in own if each.status == Status.DRAFT), None)
    if draft is not None:
        return draft.key, draft, True
    closed = any(each.status != Status.VOID or each.replaced_at is None for each in own)
    base = key_of("r", plan_key, f"{period.start:%Y%m%d}")
    taken, key, number = {each.key for each in known}, base, 1
    while key in taken:
        number += 1
        key = f"{base}~{number}"
    return key, None, not closed


def overlaps(period: Period, known: Sequence[Invoice]) -> bool:
    """Whether a final invoice of the plan covers a part of the period: its days would be billed twice (pure)."""
    return any(
        each.status == Status.FINALIZED and each.starts_at is not None and each.ends_at is not None
        and each.starts_at < period.end and each.ends_at > period.start
        for each in known
    )  # fmt: skip


def void_invoice(invoice: Invoice, *, actor: Person | None, now: datetime, again: bool = False) -> None:
    """Void an invoice: its status goes to Salesforce, its credits are given back (MT-D10).

    `again` lets the next rating make a new invoice for the period. Refusal `void_already`, or `not_ours` for `again` with an
    invoice that did not come from rating.
    """
    with transaction.atomic():
        record = Invoice.objects.select_for_update().get(pk=invoice.pk)
        if record.status == Status.VOID:
            raise Refusal("void_already", "This invoice is void already.")
        if again and record.source != SOURCE:
            raise Refusal("not_ours", "This invoice came from another system; that one must make the new one.")
        before = record.status
        record.status, record.version_at, record.updated_at = Status.VOID, max(now, record.version_at), now
        record.save(update_fields=["status", "version_at", "updated_at"])
        taken = Deduction.objects.filter(invoice_key=record.key)
        grants = list(taken.values_list("grant_key", flat=True))
        taken.delete()
        if again:
            Invoice.objects.filter(pk=record.pk).update(replaced_at=now)
        audit.record("billing.void", actor=actor, target=record, before={"status": before}, after={"again": again})
    update_balances(now=now, grants=grants)
