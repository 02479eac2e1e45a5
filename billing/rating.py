"""The job `billing.rate`: usage and prices become draft invoices, drafts become final when their period is over.

An invoice of ours is worked out anew from its plan, usage and grants as long as it is a draft; a final one never changes, it
can only be voided. Rating again with the same facts changes nothing. Credit goes to a customer's drafts in the order of their
periods, whatever the order in which plans, usage and grants arrived.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import DataError, IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from billing import pricing, usage
from billing.balances import update_balances
from billing.drafts import SOURCE, Draft, Item, key_of
from billing.gauge import Gauge
from billing.models import BillableMetric, CustomerPlan, Deduction, Invoice, Plan, Price
from billing.pricing import ZERO, Credit, Period, Terms, Tier
from billing.sheet import Known, Sheet
from integrations import audit
from integrations.access import Person, Refusal
from integrations.sync import retrying
from integrations.sync.runs import Recorder
from integrations.sync.tally import Tally

JOB, LABEL = "billing.rate", "Invoices from usage"
GRACE = timedelta(hours=24)  # after the end of a period, for usage that arrives late
PLANS = 200  # rated in one transaction
MOST_COUNTED = 8  # periods whose events are kept counted at a time
MOST_SHARED = 2  # periods of a batch up to which each is read for all customers
OVERLAPS = "overlaps"
OVERLAP_TEXT = "This period overlaps a final invoice of the same plan. Void that one, or correct the dates of the plan."
FAILURES = (Refusal, ArithmeticError, ValueError, DataError, IntegrityError)
Status = Invoice.Status
Outcomes = list[tuple[str, str]]
Used = dict[str, dict[tuple[str, Period], Gauge]]


def has_plans() -> bool:
    """Whether anything is to be rated."""
    return Price.objects.exists() and CustomerPlan.objects.filter(deleted_at=None).exists()


def perform(recorder: Recorder) -> None:
    """Every period that has begun and is not final, PLANS at a time; resumable at each. A plan that fails does so alone."""
    now = timezone.now()
    rate = Rate(now)
    tally = recorder.object("Invoices")
    while plans := list(plans_to_rate(now).filter(pk__gt=recorder.checkpoint.get("after", 0)).order_by("pk")[:PLANS]):
        found = rate.rate_many(plans)
        for plan in plans:
            _tell(tally, plan, found[plan.pk])
        recorder.save({"after": plans[-1].pk})
        recorder.breathe()
    update_balances(now=now)


def _tell(tally: Tally, plan: CustomerPlan, found: Outcomes | Exception) -> None:
    if isinstance(found, Refusal):
        tally.failed(plan.key, found.code, found.message)
    elif isinstance(found, Exception):
        tally.failed(plan.key, "not_rated", f"Its invoice could not be worked out ({type(found).__name__}).")
    else:
        for key, outcome in found:
            if outcome == OVERLAPS:
                tally.failed(key, "overlaps_final", OVERLAP_TEXT)
            elif outcome == "unchanged":
                tally.unchanged()
            else:
                tally.written(key, label=outcome)


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


@dataclass(frozen=True)
class Place:
    """One open period of a customer's plan: the key of its invoice, and whether that is stored as a draft."""

    key: str
    period: Period
    is_stored: bool


@dataclass
class Open:
    """What is to be worked out of one plan."""

    plan: Plan | None = None
    places: list[Place] = field(default_factory=list)
    overlapping: list[str] = field(default_factory=list)


@dataclass
class Rate:
    """One round of rating, with what it looked up already."""

    now: datetime
    prices: dict[str, list[tuple[Price, Terms]]] = field(default_factory=dict)
    metrics: dict[str, BillableMetric] = field(default_factory=dict)
    counted: dict[tuple[str, Period], dict[str, Gauge]] = field(default_factory=dict)

    def rate(self, customer_plan: CustomerPlan) -> Outcomes:
        """Work out the open periods of a plan: (invoice key, created, updated, finalized, voided, unchanged or overlaps)."""
        found = self.rate_many([customer_plan])[customer_plan.pk]
        if isinstance(found, Exception):
            raise found
        return found

    def rate_many(self, plans: Sequence[CustomerPlan]) -> dict[int, Outcomes | Exception]:
        """The same of some plans by number, together; what became of a plan that failed is why. Where they cannot be written
        together each is done by itself, so that a plan fails alone."""
        if len(plans) > 1:
            try:
                return self._in_transaction(plans)
            except FAILURES:
                pass
        found: dict[int, Outcomes | Exception] = {}
        for plan in plans:
            try:
                found |= self._in_transaction([plan])
            except FAILURES as error:
                found[plan.pk] = error
        return found

    def _in_transaction(self, plans: Sequence[CustomerPlan]) -> dict[int, Outcomes | Exception]:
        """All or nothing, behind a lock on the customers' plans: two rounds at once do not meet in one customer."""
        return retrying.in_transaction(lambda: self._rate(plans), repeatable=True)

    def _rate(self, plans: Sequence[CustomerPlan]) -> dict[int, Outcomes | Exception]:
        sheet = Sheet.read(plans, now=self.now)
        found: dict[int, Outcomes | Exception] = {each.pk: [] for each in plans}
        opened: dict[int, Open] = {}
        drafts: dict[int, list[Draft]] = {}
        for pk, each in sheet.plans.items():
            try:
                opened[pk] = self._open(sheet, each)
            except FAILURES as error:
                found[pk] = error
        used = self._used(sheet, opened)
        for pk, wanted in opened.items():
            try:
                drafts[pk] = self._drafts(sheet, sheet.plans[pk], wanted, used)
            except FAILURES as error:
                found[pk] = error
        for pk, wanted in drafts.items():
            found[pk] = self._settle(sheet, sheet.plans[pk], opened[pk], wanted)
        sheet.write()
        return found

    # --- what is to be worked out ---------------------------------------------------------------------------------------

    def _open(self, sheet: Sheet, customer_plan: CustomerPlan) -> Open:
        """The open periods so far; none for a deleted plan or customer, whose drafts go."""
        if customer_plan.deleted_at is not None or customer_plan.customer_key in sheet.gone:
            return Open()
        plan = sheet.catalog.get(customer_plan.plan_key)
        if plan is None:
            raise Refusal("no_plan", f"The plan {customer_plan.plan_key} of {customer_plan.key} is not here.")
        known, found = sheet.known[customer_plan.key], Open(plan)
        starts, ends = customer_plan.starting_on, customer_plan.ending_on
        for period in pricing.periods(starts, ends, plan.period_months, until=self.now):
            key, is_stored, is_open = place_of(customer_plan.key, period, known)
            if not is_open:
                continue
            if not is_stored and overlaps(period, known):
                found.overlapping.append(key)
            else:
                found.places.append(Place(key, period, is_stored))
        return found

    def _drafts(self, sheet: Sheet, customer_plan: CustomerPlan, opened: Open, used: Used) -> list[Draft]:
        if opened.plan is None:
            return []
        plan = opened.plan
        return [
            Draft(
                each.key, each.period, plan.currency, self._items(each, customer_plan, plan, used), sheet.invoices.get(each.key)
            )
            for each in opened.places
        ]

    def _items(self, place: Place, customer_plan: CustomerPlan, plan: Plan, used: Used) -> list[Item]:
        found: list[Item] = []
        share = pricing.share_of(place.period, plan.period_months)
        for price, terms in self._prices(plan.key):
            quantity = self._quantity(price, customer_plan.customer_key, place.period, used)
            for number, line in enumerate(pricing.price_lines(price.name, terms, quantity, plan.currency, share=share)):
                found.append(Item(key_of(place.key, f"{price.key}:{number}"), line, price.metric_key))
        return found

    # --- settling -------------------------------------------------------------------------------------------------------

    def _settle(self, sheet: Sheet, customer_plan: CustomerPlan, opened: Open, drafts: Sequence[Draft]) -> Outcomes:
        """Drop drafts without a period, share the customer's credit out to all its drafts, those of other plans too, and keep
        what differs; what is over becomes final."""
        kept = {draft.key for draft in drafts}
        found = [(key, OVERLAPS) for key in opened.overlapping]
        for each in sheet.known[customer_plan.key]:
            if each.key in sheet.invoices and sheet.invoices[each.key].status == Status.DRAFT and each.key not in kept:
                sheet.drop(each.key)
                found.append((each.key, "voided"))
        customer = customer_plan.customer_key
        others = sheet.other_drafts(customer, customer_plan.key)
        _burn(sheet, customer, [*drafts, *others])
        for each in others:
            sheet.store(each, customer)
        for draft in drafts:
            outcome = sheet.store(draft, customer, customer_plan, opened.plan)
            if self.now >= draft.period.end + GRACE:
                sheet.finalize(draft.key)
                outcome = "finalized"
            found.append((draft.key, outcome))
        return found

    # --- usage and prices -----------------------------------------------------------------------------------------------

    def _used(self, sheet: Sheet, opened: Mapping[int, Open]) -> Used:
        """The usage that these plans are billed for: reports in one query for each metric, events see `_events`."""
        asked: dict[str, set[tuple[str, Period]]] = defaultdict(set)
        for pk, each in opened.items():
            for price, _ in self._prices_or_none(each.plan):
                if price.metric_key:
                    customer = sheet.plans[pk].customer_key
                    asked[price.metric_key] |= {(customer, place.period) for place in each.places}
        found: Used = {}
        self._read_metrics(asked)
        for key, wanted in asked.items():
            metric = self.metrics.get(key)
            if metric is None or not wanted:
                continue
            found[key] = usage.gauge_reports(metric, wanted)
            for place, gauge in self._events(metric, wanted).items():
                found[key].setdefault(place, Gauge(metric.aggregation)).join(gauge)
        return found

    def _read_metrics(self, keys: Iterable[str]) -> None:
        missing = [key for key in keys if key not in self.metrics]
        if missing:
            self.metrics |= BillableMetric.objects.filter(key__in=missing, deleted_at=None).in_bulk(field_name="key")

    def _events(self, metric: BillableMetric, wanted: Collection[tuple[str, Period]]) -> dict[tuple[str, Period], Gauge]:
        """What their events come to. Periods that most plans share are read once for all customers and kept; others in one pass
        for these customers."""
        periods = {period for _, period in wanted}
        if not metric.event_name:
            return {}
        if len(periods) > MOST_SHARED:
            return usage.gauge_events(metric, wanted)
        counted = {period: self._counted(metric, period) for period in periods}
        return {(key, period): counted[period][key] for key, period in wanted if key in counted[period]}

    def _counted(self, metric: BillableMetric, period: Period) -> dict[str, Gauge]:
        """Events of one period, read once for all customers: most plans share their periods."""
        place = (metric.key, period)
        if place not in self.counted:
            if len(self.counted) >= MOST_COUNTED:
                self.counted.pop(next(iter(self.counted)))
            self.counted[place] = usage.count_events(metric, period)
        return self.counted[place]

    def _quantity(self, price: Price, customer: str, period: Period, used: Used) -> Decimal:
        if not price.metric_key:
            return Decimal(1)
        if price.metric_key not in self.metrics:
            raise Refusal("no_metric", f"{price.name}: the metric {price.metric_key} is not here.")
        gauge = used.get(price.metric_key, {}).get((customer, period))
        return ZERO if gauge is None else gauge.result

    def _prices_or_none(self, plan: Plan | None) -> list[tuple[Price, Terms]]:
        """The prices of a plan; none while they cannot be used, which its plans tell when they are worked out."""
        try:
            return [] if plan is None else self._prices(plan.key)
        except Refusal:
            return []

    def _prices(self, plan_key: str) -> list[tuple[Price, Terms]]:
        if plan_key not in self.prices:
            self.prices[plan_key] = [(price, checked_terms(price)) for price in Price.objects.filter(plan_key=plan_key)]
        return self.prices[plan_key]


def _burn(sheet: Sheet, customer: str, drafts: Sequence[Draft]) -> None:
    """What final invoices took is gone, what drafts took is free again, and goes to the earliest period first."""
    leave_out = frozenset(draft.key for draft in drafts)
    usable = [
        Credit(each.key, each.name, each.credit_type, each.start_of_burning - sheet.taken_of(each.key, leave_out=leave_out),
               each.effective_at, each.expires_at, each.priority)
        for each in sheet.grants[customer].values()
    ]  # fmt: skip
    for draft in sorted(drafts, key=lambda each: (each.period.start, each.key)):
        due = max(ZERO, draft.gross)
        draft.burned = pricing.burn(usable, due, currency=draft.currency, period=draft.period)


def checked_terms(price: Price) -> Terms:
    """A price that can be used; Refusal `bad_price` names what is wrong."""
    try:
        terms = terms_of(price)
    except (ArithmeticError, TypeError, AttributeError):
        raise Refusal("bad_price", f"{price.name}: each tier is up_to, unit and flat as decimal numbers.") from None
    if problems := pricing.problems_of(terms):
        raise Refusal("bad_price", f"{price.name}: {problems[0]}")
    return terms


def place_of(plan_key: str, period: Period, known: Sequence[Known]) -> tuple[str, bool, bool]:
    """Key of a period's invoice, whether that is a stored draft, and whether the period is open: not final, and not voided for
    good (pure)."""
    own = [each for each in known if each.starts_at == period.start]
    draft = next((each for each in own if each.status == Status.DRAFT), None)
    if draft is not None:
        return draft.key, True, True
    closed = any(each.status != Status.VOID or each.replaced_at is None for each in own)
    base = key_of("r", plan_key, f"{period.start:%Y%m%d}")
    taken, key, number = {each.key for each in known}, base, 1
    while key in taken:
        number += 1
        key = f"{base}~{number}"
    return key, False, not closed


def overlaps(period: Period, known: Sequence[Known]) -> bool:
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
