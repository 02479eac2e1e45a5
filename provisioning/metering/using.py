"""Consuming and reporting usage: checked and counted in one transaction, each report once (ST-D20, I-04, I-20, R-197 to R-199).

Uses of one customer come one after the other behind the locked rows of their windows, so two callers never take the last unit
both. A report that comes late counts in the window in which it happened. What it tells has happened: no limit refuses it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.db import IntegrityError
from django.db.models import Max
from django.utils import timezone

from integrations.models import Customer
from integrations.models.exact import plain
from integrations.sync import retrying
from provisioning.entitlements.access import find_customers, load_access
from provisioning.entitlements.deciding import CustomerAccess, Decision, decide, number_json
from provisioning.entitlements.facts import amount
from provisioning.entitlements.reach import Reach
from provisioning.entitlements.used import Happened, count
from provisioning.metering.asking import CONSUME, SET, Use, read_use
from provisioning.models import UsageReport, UsageWindow

CUSTOMER_NOT_FOUND, FEATURE_NOT_FOUND = "customer_not_found", "feature_not_found"
NOT_METERED, COUNTED, KEY_REUSED, BELOW_ZERO, INVALID = (
    "not_metered", "counted_from_events", "idempotency_key_reused", "below_zero", "invalid",
)  # fmt: skip
STATUSES = {CUSTOMER_NOT_FOUND: 404, FEATURE_NOT_FOUND: 404, KEY_REUSED: 409, BELOW_ZERO: 409}
WindowKey = tuple[str, datetime]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one use: accepted, denied (consuming only), repeated, or failed with a code and messages by field."""

    status: str
    code: str = ""
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    answer: Mapping[str, Any] = field(default_factory=dict)

    @property
    def http_status(self) -> int:
        """As an answer to one use by itself."""
        return 200 if self.status != "failed" else STATUSES.get(self.code, 400)

    @property
    def message(self) -> str:
        """What is wrong, in one text."""
        return " ".join(f"{name}: {each}" for name, messages in self.fields.items() for each in messages)


def failed(code: str, **fields: str) -> Outcome:
    """A use that was not taken."""
    return Outcome("failed", code, {name: [message] for name, message in fields.items()})


def consume(given: object, *, now: datetime, within: Reach = None) -> Outcome:
    """Take so much of a metered feature if it is there: {customer, feature, amount, idempotency_key}. Never more than is sold.

    The answer is that of a check, with `consumed` and the usage afterwards. The same key again gets the same answer.
    """
    return take([given], consuming=True, now=now, within=within)[0]


def report(rows: Sequence[object], *, now: datetime, within: Reach = None) -> list[Outcome]:
    """Usage that has happened: {customer, feature, amount, action, at, idempotency_key} each, one outcome each."""
    return take(rows, consuming=False, now=now, within=within)


def take(rows: Sequence[object], *, consuming: bool, now: datetime, within: Reach = None) -> list[Outcome]:
    """Outcomes of uses in their order. Those of one customer are taken in one transaction, in their order.

    Customers that are not `within` reach are answered as if they did not exist, whatever the idempotency key.
    """
    found: dict[int, Outcome] = {}
    uses: dict[int, Use] = {}
    for index, given in enumerate(rows):
        read = read_use(given, consume=consuming, now=now)
        if isinstance(read, Use):
            uses[index] = read
        else:
            found[index] = Outcome("failed", INVALID, read)
    customers = find_customers({use.customer for use in uses.values()})
    by_customer: defaultdict[int, dict[int, Use]] = defaultdict(dict)
    for index, use in uses.items():
        customer = customers.get(use.customer)
        if customer is None or (within is not None and customer not in within):
            found[index] = failed(CUSTOMER_NOT_FOUND, customer=f"There is no customer “{use.customer[:80]}”.")
        else:
            by_customer[customer][index] = use
    known = {} if consuming else load_access(by_customer, now=now, with_usage=False)
    for customer, some in sorted(by_customer.items()):
        if consuming or customer in known:
            found |= _take_of(customer, some, known.get(customer), now=now)
        else:
            found |= _gone(some)
    return [found[index] for index in range(len(rows))]


def _take_of(customer: int, uses: dict[int, Use], known: CustomerAccess | None, *, now: datetime) -> dict[int, Outcome]:
    """Uses of one customer; those that cannot be counted fail, the others are taken together.

    Who consumes (`known` is None) asks behind the locked customer, so that no change of the subscription slips in between.
    """

    def work() -> dict[int, Outcome]:
        access = known or _locked_access(customer, now)
        if access is None:
            return _gone(uses)
        found = {index: wrong for index, use in uses.items() if (wrong := _unfit(access, use)) is not None}
        fit = {index: use for index, use in uses.items() if index not in found}
        return found | (_Taking(access, fit, now).take() if fit else {})

    for last in (False, False, True):
        try:
            return retrying.in_transaction(work)
        except IntegrityError:  # another customer's use with the same key came first: now it is seen
            if last:
                raise
    raise AssertionError


def _locked_access(customer: int, now: datetime) -> CustomerAccess | None:
    """What the customer may do, with the customer locked until the transaction ends; None when it was erased."""
    if Customer.objects.select_for_update(of=("self",), no_key=True).filter(pk=customer, erased_at=None).first() is None:
        return None
    return load_access([customer], now=now, with_usage=False).get(customer)


def _gone(uses: dict[int, Use]) -> dict[int, Outcome]:
    return {index: failed(CUSTOMER_NOT_FOUND, customer="The customer was erased.") for index in uses}


def _unfit(access: CustomerAccess, use: Use) -> Outcome | None:
    feature = access.features.get(use.feature)
    if feature is None:
        return failed(FEATURE_NOT_FOUND, feature=f"There is no feature “{use.feature[:80]}”.")
    if feature.kind != "metered":
        return failed(NOT_METERED, feature=f"{use.feature} is {feature.kind}; only metered features are counted.")
    if feature.counted:
        return failed(COUNTED, feature=f"{use.feature} is counted from product events, not by reports.")
    return None


class _Taking:
    """Uses of one customer in one transaction."""

    def __init__(self, access: CustomerAccess, uses: dict[int, Use], now: datetime) -> None:
        self.access, self.uses, self.now = access, uses, now
        self.starts = {index: access.window(use.feature, use.at).start for index, use in uses.items()}
        self.features = {use.feature: access.features[use.feature].id for use in uses.values()}
        self.windows: dict[WindowKey, UsageWindow] = {}
        self.known: dict[str, UsageReport] = {}
        self.new: list[UsageReport] = []
        self.changed: set[WindowKey] = set()
        self.recount: set[WindowKey] = set()
        self.latest: dict[WindowKey, tuple[datetime, datetime]] = {}

    def take(self) -> dict[int, Outcome]:
        """Lock the windows, look which keys are known, count, write."""
        self._lock()
        keys = [use.key for use in self.uses.values() if use.key]
        self.known = {each.key: each for each in UsageReport.objects.filter(key__in=keys)}
        if any(use.action != CONSUME for use in self.uses.values()):
            self.latest = self._latest()
        found = {index: self._one(index, use) for index, use in self.uses.items()}
        UsageReport.objects.bulk_create(self.new, batch_size=200)
        for place in self.recount:
            self.windows[place].used = self._recounted(place)
        written = timezone.now()
        for place in self.changed:
            self.windows[place].updated_at = written
        UsageWindow.objects.bulk_update([self.windows[each] for each in self.changed], ["used", "updated_at"], batch_size=200)
        return found

    def _lock(self) -> None:
        places = {(use.feature, self.starts[index]) for index, use in self.uses.items()}
        rows = UsageWindow.objects.filter(
            customer=self.access.customer_id, feature__in=self.features.values(),
            window_start__in={start for _, start in places},
        )  # fmt: skip
        by_feature = {pk: key for key, pk in self.features.items()}
        held = {(by_feature[each.feature_id], each.window_start): each for each in rows.select_for_update().order_by("pk")}
        missing = sorted(places - set(held))
        if missing:
            UsageWindow.objects.bulk_create(
                [
                    UsageWindow(customer_id=self.access.customer_id, feature_id=self.features[key], window_start=start)
                    for key, start in missing
                ],
                ignore_conflicts=True,
            )
            held = {(by_feature[each.feature_id], each.window_start): each for each in rows.select_for_update().order_by("pk")}
        self.windows = {place: held[place] for place in places}

    def _one(self, index: int, use: Use) -> Outcome:
        known = self.known.get(use.key) if use.key else None
        if known is not None:
            return self._again(use, known)
        place = (use.feature, self.starts[index])
        outcome, moved, after = self._consumed(use, place) if use.action == CONSUME else self._reported(use, place)
        if outcome.status == "failed" or (outcome.status == "denied" and not use.key):
            return outcome
        if moved or use.action == SET:
            self.windows[place].used = after
            self.changed.add(place)
        row = UsageReport(
            key=use.key or f"auto-{uuid4()}", digest=use.digest, customer_id=self.access.customer_id,
            feature_id=self.features[use.feature], action=use.action, amount=moved if use.action == CONSUME else use.amount,
            used_after=after, window_start=place[1], at=use.at, answer=dict(outcome.answer) if use.action == CONSUME else {},
            created_at=self.now,
        )  # fmt: skip
        self.new.append(row)
        self.known[row.key] = row
        return outcome

    def _again(self, use: Use, known: UsageReport) -> Outcome:
        if known.digest != use.digest:
            text = "This key came with another content before; nothing was counted. Use a new key for each use."
            return failed(KEY_REUSED, idempotency_key=text)
        answer = known.answer or _told(use, known.used_after or Decimal(0))
        return Outcome("repeated", answer={**answer, "repeated": True})

    def _consumed(self, use: Use, place: WindowKey) -> tuple[Outcome, Decimal, Decimal]:
        used = self.windows[place].used
        wanted = amount(use.amount)
        before = decide(self.access.with_usage({place: amount(used) or 0}), use.feature, requested=wanted, now=use.at)
        moved = use.amount if before.granted else Decimal(0)
        shown = _after(before, amount(used + moved) or 0)
        answer = {
            "customer": use.customer, **shown.as_dict(), "consumed": number_json(amount(moved)), "repeated": False,
        }  # fmt: skip
        return Outcome("accepted" if before.granted else "denied", before.reason, answer=answer), moved, used + moved

    def _reported(self, use: Use, place: WindowKey) -> tuple[Outcome, Decimal, Decimal]:
        used = self.windows[place].used
        after = use.amount if use.action == SET else used + use.amount
        if after < 0:
            text = f"takes the count below 0: it is {plain(used):f} in the window from {place[1].isoformat()}."
            return failed(BELOW_ZERO, amount=text), Decimal(0), used
        if self._overtaken(use, place):
            self.recount.add(place)
        return Outcome("accepted", answer=_told(use, after)), after - used, after

    def _overtaken(self, use: Use, place: WindowKey) -> bool:
        """Whether the count depends on order and something that happened later is counted already."""
        latest, latest_set = self.latest.get(place, (use.at, use.at))
        self.latest[place] = (max(latest, use.at), max(latest_set, use.at) if use.action == SET else latest_set)
        return use.at < (latest if use.action == SET else latest_set)

    def _latest(self) -> dict[WindowKey, tuple[datetime, datetime]]:
        """When anything, and when a count itself, was last reported in each window, after the earliest use asked for here."""
        first = min(use.at for use in self.uses.values())
        rows = UsageReport.objects.filter(
            customer=self.access.customer_id, feature__in=self.features.values(),
            window_start__in={start for _, start in self.windows}, at__gt=first,
        )  # fmt: skip
        grouped = rows.order_by().values_list("feature__key", "window_start", "action").annotate(last=Max("at"))
        found: dict[WindowKey, tuple[datetime, datetime]] = dict.fromkeys(self.windows, (first, first))
        for key, start, action, last in grouped:
            if (place := (key, start)) in found:
                latest, latest_set = found[place]
                found[place] = (max(latest, last), max(latest_set, last) if action == SET else latest_set)
        return found

    def _recounted(self, place: WindowKey) -> Decimal:
        rows = UsageReport.objects.filter(
            customer=self.access.customer_id, feature=self.features[place[0]], window_start=place[1]
        ).order_by("at", "id")
        return max(count(Happened(*each) for each in rows.values_list("action", "amount")), Decimal(0))


def _after(decision: Decision, used: int | Decimal) -> Decision:
    """The same decision with the usage afterwards."""
    if decision.usage is None:
        return decision
    left = None if decision.limit is None else max(decision.limit - used, 0)
    over = decision.limit is not None and used > decision.limit
    return decision._replace(usage=used, remaining=left, over_limit=over or (decision.over_limit and decision.granted))


def _told(use: Use, after: Decimal) -> dict[str, Any]:
    """The answer to a report."""
    return {"customer": use.customer, "feature": use.feature, "usage": number_json(amount(after)), "repeated": False}
