"""What is billed: price plans that run, what they cost a month, and the seats on the latest invoice."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Q
from django.urls import reverse

from billing.models import BillableMetric, BillingCustomer, CustomerPlan, Invoice, LineItem, Plan, Price
from project.four_way.granting import SEATS
from project.four_way.positions import ZERO, Billed, Row, rounded
from project.four_way.positions import Price as UnitPrice
from provisioning.models import Feature, Offer

RECENT = timedelta(days=400)
"""Invoices older than this say nothing about what is billed now."""
PART = 5_000


@dataclass
class Charged:
    """Running price plans by customer, and prices of one unit of a feature by price plan."""

    plans: dict[int, list[Billed]] = field(default_factory=lambda: defaultdict(list))
    units: dict[tuple[str, str], UnitPrice] = field(default_factory=dict)
    is_used: bool = False


def read_charged(roots: Mapping[int, int], *, now: datetime) -> Charged:
    """Everything that is billed at `now` (UTC) to customers of the product."""
    plans = {each.key: each for each in Plan.objects.filter(deleted_at=None)}
    found = Charged(is_used=bool(plans))
    if not plans:
        return found
    prices = list(Price.objects.filter(plan_key__in=plans))
    found.units = _units(prices, plans)
    fees, offers, seats = _fees(prices), _same_offers(plans), _seats(prices, now)
    payers = _payers()
    running = CustomerPlan.objects.filter(deleted_at=None, starting_on__lte=now, plan_key__in=plans)
    running = running.filter(Q(ending_on=None) | Q(ending_on__gt=now)).order_by("pk")
    for row in running.iterator(PART):
        payer = payers.get(row.customer_key)
        if payer is None:
            continue
        number, customer = payer
        plan, fee = plans[row.plan_key], fees.get(row.plan_key)
        page = Row("billed", f"Price plan {plan.name}", reverse("billing:customer", args=[number]))
        found.plans[roots.get(customer, customer)].append(
            Billed(
                plan.key, plan.name, offers.get(plan.key, ""), rounded(fee / plan.period_months) if fee is not None else None,
                plan.currency, seats.get(row.customer_key, {}).get(plan.key), (page,),
            )
        )  # fmt: skip
    return found


def _payers() -> dict[str, tuple[int, int]]:
    """Number and customer of each billing customer that is a customer of the product."""
    rows = BillingCustomer.objects.filter(deleted_at=None, customer__isnull=False)
    return {key: (number, customer) for key, number, customer in rows.values_list("key", "pk", "customer_id").iterator(PART)}


def _fees(prices: Iterable[Price]) -> dict[str, Decimal]:
    """Fees for a period by price plan."""
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    for each in prices:
        if each.model == Price.Model.FIXED:
            found[each.plan_key] += each.amount
    return found


def _same_offers(plans: Mapping[str, Plan]) -> dict[str, str]:
    """The plan of the catalogue that a price plan is: the one with its key, else the only one with its name."""
    offers = Offer.objects.filter(kind=Offer.Kind.PLAN).values_list("key", "name")
    keys, names = set(), defaultdict(list)
    for key, name in offers:
        keys.add(key)
        names[name.strip().casefold()].append(key)
    found = {}
    for key, plan in plans.items():
        called = names.get(plan.name.strip().casefold(), [])
        if key in keys or len(called) == 1:
            found[key] = key if key in keys else called[0]
    return found


def _units(prices: Iterable[Price], plans: Mapping[str, Plan]) -> dict[tuple[str, str], UnitPrice]:
    """What one more unit of a feature costs, where its metric has a price of a unit."""
    features = _features_of_metrics()
    found = {}
    for each in prices:
        if each.model == Price.Model.PER_UNIT:
            for feature in features.get(each.metric_key, ()):
                found[each.plan_key, feature] = UnitPrice(each.amount, plans[each.plan_key].currency)
    return found


def _features_of_metrics() -> dict[str, list[str]]:
    """Features that a metric counts: the same events, the same name, or the same id behind `metric-` and `feature-`."""
    features = list(Feature.objects.filter(kind=Feature.Kind.METERED).values_list("key", "name", "event_name"))
    found: dict[str, list[str]] = {}
    for metric in BillableMetric.objects.filter(deleted_at=None):
        bare, name = metric.key.removeprefix("metric-"), metric.name.strip().casefold()
        found[metric.key] = [
            key for key, label, event in features
            if (event and event == metric.event_name) or label.strip().casefold() == name
            or key.removeprefix("feature-") == bare
        ]  # fmt: skip
    return found


def _seats(prices: Iterable[Price], now: datetime) -> dict[str, dict[str, Decimal]]:
    """Seats on the latest finalized invoice of each customer and plan: those charged for and those that cost nothing."""
    metrics = [each.key for each in BillableMetric.objects.filter(deleted_at=None) if each.unit.strip().lower() in SEATS]
    included = {each.plan_key: each.included for each in prices if each.metric_key in metrics}
    if not included:
        return {}
    latest: dict[str, tuple[str, str]] = {}
    rows = Invoice.objects.filter(
        deleted_at=None, status=Invoice.Status.FINALIZED, ends_at__gt=now - RECENT, plan_key__in=included
    ).order_by("ends_at", "pk")
    for key, customer, plan in rows.values_list("key", "customer_key", "plan_key").iterator(PART):
        latest[f"{customer}\0{plan}"] = (key, plan)
    owner = {invoice: (place.split("\0")[0], plan) for place, (invoice, plan) in latest.items()}
    counted: defaultdict[str, Decimal] = defaultdict(Decimal)
    lines = LineItem.objects.filter(deleted_at=None, metric_key__in=metrics).order_by()
    for invoice, quantity in lines.values_list("invoice_key", "quantity").iterator(PART):
        if invoice in owner and quantity is not None:
            counted[invoice] += quantity
    found: defaultdict[str, dict[str, Decimal]] = defaultdict(dict)
    for invoice, quantity in counted.items():
        customer, plan = owner[invoice]
        if quantity > ZERO:  # nothing charged: anything up to what is included
            found[customer][plan] = quantity + included[plan]
    return found
