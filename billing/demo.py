"""Fills a demonstration: plans with prices, usage, credit and three months of invoices for the product's customers.

Everything follows from the customers and the month, so that filling again gives the same rows. The demo org gets the managed
package first, as its administrator would install it.
"""

import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import requests
from django.conf import settings

from billing import pricing
from billing.linking import follow_matches
from billing.models import BillingCustomer, BillingSettings, Plan, Price
from billing.preflight import settings_of
from billing.saving import save_rows
from billing.usage import take_usage
from integrations.models import Customer, SalesforceOrg

SECONDS = 30
MONTHS = 3
ORPHANS = (("cus-walkup-1", "Walk-up Coffee Collective"), ("cus-walkup-2", "Self-Serve Studio"))
PLANS = (
    ("plan-start", "Start", "For small teams: a fee and what is used above it."),
    ("plan-pro", "Pro", "For teams that work with it every day."),
    ("plan-scale", "Scale", "For companies; storage by the package."),
)
METRICS = (
    ("metric-api-calls", "API calls", "sum", "calls"),
    ("metric-storage", "Storage", "max", "GB"),
    ("metric-seats", "Active seats", "unique", "seats"),
)
TIERS = [{"up_to": "10000", "unit": "0.004", "flat": "0"}, {"up_to": "100000", "unit": "0.002", "flat": "0"},
         {"up_to": None, "unit": "0.001", "flat": "0"}]  # fmt: skip
PRICES: tuple[dict[str, Any], ...] = (
    {"key": "price-start-fee", "plan_key": "plan-start", "name": "Platform fee", "model": "fixed", "amount": Decimal(49)},
    {"key": "price-start-calls", "plan_key": "plan-start", "metric_key": "metric-api-calls", "name": "API calls",
     "model": "per_unit", "amount": Decimal("0.005"), "included": Decimal(5000)},
    {"key": "price-pro-fee", "plan_key": "plan-pro", "name": "Platform fee", "model": "fixed", "amount": Decimal(199)},
    {"key": "price-pro-calls", "plan_key": "plan-pro", "metric_key": "metric-api-calls", "name": "API calls", "model": "tiered",
     "tiers": TIERS},
    {"key": "price-pro-seats", "plan_key": "plan-pro", "metric_key": "metric-seats", "name": "Active seats",
     "model": "per_unit", "amount": Decimal(12), "included": Decimal(3)},
    {"key": "price-scale-fee", "plan_key": "plan-scale", "name": "Platform fee", "model": "fixed", "amount": Decimal(990)},
    {"key": "price-scale-calls", "plan_key": "plan-scale", "metric_key": "metric-api-calls", "name": "API calls",
     "model": "volume", "tiers": TIERS},
    {"key": "price-scale-storage", "plan_key": "plan-scale", "metric_key": "metric-storage", "name": "Storage",
     "model": "package", "amount": Decimal(25), "size": Decimal(100)},
)  # fmt: skip


def fill(org: SalesforceOrg, *, now: datetime) -> bool:
    """Write everything once; False when billing customers exist. Rating and the push follow as runs."""
    if BillingCustomer.objects.exists():
        return False
    install_package()
    BillingSettings.objects.filter(pk=settings_of(org).pk).update(scope=BillingSettings.Scope.ALL)
    first = pricing.add_months(now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0), -MONTHS)
    customers = list(Customer.objects.filter(erased_at=None, merged_into=None).order_by("external_id"))
    _save("plans", [{"id": key, "name": name, "description": text} for key, name, text in PLANS], now)
    _save(
        "billable-metrics",
        [{"id": key, "name": name, "aggregation": how, "unit": unit} for key, name, how, unit in METRICS],
        now,
    )
    for position, price in enumerate(PRICES):
        Price.objects.get_or_create(key=price["key"], defaults={**price, "position": position})
    _save("customers", [{"id": each.external_id, "name": each.name} for each in customers], now)
    _save("customers", [{"id": key, "name": name} for key, name in ORPHANS], now)
    keys = [each.external_id for each in customers] + [key for key, _ in ORPHANS]
    _save("ingest-aliases", [{"id": f"alias-{key}", "customer_id": key, "alias": f"{key}@meter"} for key in keys[:20]], now)
    _save("customer-plans", [_plan_of(key, first) for key in keys], now)
    _save("credit-grants", [_grant_of(key, first) for key in keys if dice(key, "credit", 4) == 0], now)
    reports = list(_usage(keys, first, now))
    for start in range(0, len(reports), 1000):
        take_usage(reports[start : start + 1000], now=now)
    follow_matches(org, now=now)
    return Plan.objects.exists()


def install_package() -> None:
    """An administrator installs the package in the demo org; installing it twice changes nothing."""
    url = f"{settings.DEMO_ORG_URL}/__demo__/packages"
    requests.post(url, json={"package": "billing"}, timeout=SECONDS).raise_for_status()


def dice(key: str, what: str, sides: int) -> int:
    """The same number for the same words, every time."""
    return zlib.crc32(f"{key}/{what}".encode()) % sides


def _save(object_key: str, rows: list[dict[str, Any]], now: datetime) -> None:
    report = save_rows(object_key, rows, source="api", now=now)
    if report.failed:
        raise ValueError(f"{object_key}: {report.failed[0]}")


def _plan_of(key: str, first: datetime) -> dict[str, Any]:
    plan = PLANS[dice(key, "plan", 3)][0]
    start = first + timedelta(days=0 if dice(key, "start", 3) else dice(key, "day", 28))
    return {"id": f"cp-{key}", "customer_id": key, "plan_id": plan, "starting_on": start.isoformat()}


def _grant_of(key: str, first: datetime) -> dict[str, Any]:
    amount = (100, 250, 500, 1000)[dice(key, "amount", 4)]
    return {
        "id": f"grant-{key}", "customer_id": key, "name": "Welcome credit", "credit_type": "USD", "reason": "New customer",
        "effective_at": first.isoformat(), "expires_at": (first + timedelta(days=365)).isoformat(), "initial_balance": amount,
        "paid_amount": 0, "paid_currency": "USD",
    }  # fmt: skip


def _usage(keys: list[str], first: datetime, now: datetime) -> Iterator[dict[str, Any]]:
    """A report of each metric every third day."""
    days = (now - first).days
    for key in keys:
        size = 50 + dice(key, "size", 4000)
        for day in range(0, days, 3):
            at = (first + timedelta(days=day, hours=dice(key, f"hour{day}", 24))).isoformat()
            calls = size + dice(key, f"calls{day}", size)
            for metric, quantity, value in (
                ("metric-api-calls", calls, ""), ("metric-storage", size // 10 + day, ""),
                ("metric-seats", 1, f"seat-{dice(key, f'seat{day}', 8)}"),
            ):  # fmt: skip
                yield {"id": f"{metric}-{key}-{day}", "customer_id": key, "metric_id": metric, "quantity": quantity,
                       "unique_value": value, "at": at}  # fmt: skip
