"""What was sold: the contracts that won deals compiled to, and won deals that gave nothing yet."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Q
from django.urls import reverse

from integrations.models import Entity, RecordLink
from project.account_owners import names_of_deals
from project.four_way.positions import Holding, Limit, Row, Waiting, number_words
from provisioning.intent.result import CANCEL, SubscriptionIntent
from provisioning.models import Provision
from provisioning.subscriptions.spec import TermsSpec

State = Provision.State
PATIENCE = timedelta(minutes=10)
"""How long a won deal may take before it counts as sold and not granted."""
OPEN = (State.WAITING, State.RUNNING, State.BLOCKED, State.STOPPED)
KEPT = "keep"
COLUMNS = (
    "pk", "org_id", "customer_id", "account_id", "account_name", "name", "opportunity_id", "state", "sentence", "intent",
    "opened_at",
)  # fmt: skip


@dataclass
class Sold:
    """Contracts and waiting deals by customer; deals of accounts that lead to no customer stand under the account's name."""

    holdings: dict[int, dict[str, Holding]] = field(default_factory=lambda: defaultdict(dict))
    waiting: dict[int, list[Waiting]] = field(default_factory=lambda: defaultdict(list))
    nobody: dict[tuple[int, str], tuple[str, list[Waiting]]] = field(default_factory=dict)


def read_sold(roots: Mapping[int, int], *, now: datetime) -> Sold:
    """Everything that deals sold, as of `now` (UTC). `roots` leads merged customers to the one that is left."""
    found, linked = Sold(), linked_accounts()
    rows = Provision.objects.filter(slot=Provision.Slot.CONTRACT).exclude(state=State.SKIPPED)
    rows = rows.filter(Q(flag="") | Q(flag="merged") | Q(flag_answer=KEPT)).order_by("pk")
    called = names_of_deals(rows.filter(name="").values_list("org_id", "opportunity_id"))
    for row in rows.values(*COLUMNS).iterator(2_000):
        row["name"] = row["name"] or called.get((row["org_id"], row["opportunity_id"]), "")
        number = row["customer_id"] or linked.get((row["org_id"], row["account_id"]))
        customer = roots.get(number, number) if number else None
        if row["state"] in OPEN:
            _wait(found, row, customer, now)
        elif customer is not None:
            for product, holding in _holdings(row, now):
                if holding is None:
                    found.holdings[customer].pop(product, None)
                else:
                    found.holdings[customer][product] = holding
    return found


def linked_accounts() -> dict[tuple[int, str], int]:
    """Customers by connection and account id, through active links."""
    links = RecordLink.objects.filter(entity=Entity.CUSTOMER, state=RecordLink.State.ACTIVE, customer__isnull=False)
    rows = links.order_by("-wins", "linked_at", "pk").values_list("org_id", "salesforce_id", "customer_id")
    found: dict[tuple[int, str], int] = {}
    for org, account, customer in rows.iterator(5_000):
        found.setdefault((org, account), customer)
    return found


def _wait(found: Sold, row: Mapping[str, Any], customer: int | None, now: datetime) -> None:
    if now - row["opened_at"] < PATIENCE:
        return
    name = row["name"] or row["opportunity_id"]
    deal = Waiting(name, row["sentence"][:300], (_row(row, f"Won deal “{name}”: {State(row['state']).label.lower()}"),))
    if customer is not None:
        found.waiting[customer].append(deal)
    else:
        key = (row["org_id"], row["account_id"])
        found.nobody.setdefault(key, (row["account_name"] or row["account_id"], []))[1].append(deal)


def _row(row: Mapping[str, Any], words: str) -> Row:
    return Row("sold", words, reverse("provisioning:provision", args=[row["pk"]]))


def _holdings(row: Mapping[str, Any], now: datetime) -> list[tuple[str, Holding | None]]:
    """What a deal says of each product from now on: a contract, or None when it ended or took it away. A change that lies in
    the future says nothing yet."""
    found: list[tuple[str, Holding | None]] = []
    for given in row["intent"].get("subscriptions") or ():
        try:
            intent = SubscriptionIntent.from_dict(given)
        except (KeyError, TypeError, ValueError):  # an intent of another release; the subscription itself is still compared
            continue
        if intent.starts_at > now:
            continue
        over = intent.action == CANCEL or (intent.ends_at is not None and intent.ends_at <= now)
        found.append((intent.product, None if over else _holding(row, intent, now)))
    return found


def _holding(row: Mapping[str, Any], intent: SubscriptionIntent, now: datetime) -> Holding:
    spec = next((spec for at, spec in reversed(intent.later) if at <= now), intent.terms)
    words = f"Deal “{row['name'] or row['opportunity_id']}”: {spec_words(spec)}"
    limits = {each.feature: limit_of(each.limit, each.unlimited, each.revoked) for each in spec.overrides}
    add_ons = {each.key: each.quantity for each in spec.add_ons if each.quantity}
    return Holding(intent.product, spec.plan, spec.seats, add_ons, limits, intent.starts_at, rows=(_row(row, words),))


def limit_of(amount: Decimal | None, unlimited: bool, revoked: bool) -> Limit:
    """A limit of its own for a feature."""
    return Limit(None) if revoked else Limit(None, True) if unlimited else Limit(amount)


def spec_words(spec: TermsSpec) -> str:
    """Plan, seats and add-ons by key, for the row behind a finding."""
    seats = f", {number_words(spec.seats)} seats" if spec.seats is not None else ""
    extras = "".join(f", {number_words(each.quantity)} × {each.key}" for each in spec.add_ons)
    return f"{spec.plan}{seats}{extras}"
