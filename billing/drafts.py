"""Storing the draft invoices of rating: the invoice, its lines, what it takes from credit. Only what differs is written."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing.models import CreditGrant, CustomerPlan, Deduction, Invoice, InvoiceCounter, LineItem, Plan
from billing.pricing import ZERO, Burned, Line, Period

SOURCE = "rating"
LONGEST_KEY = 200
CREDIT_NAME = "Credit: {name}"
Status = Invoice.Status


@dataclass(frozen=True, slots=True)
class Item:
    """A line with the key under which it is kept."""

    key: str
    line: Line
    metric_key: str = ""


@dataclass
class Draft:
    """One draft as it shall be. `items` leave credit out; `record` is None while it is not stored."""

    key: str
    period: Period
    currency: str
    items: list[Item]
    record: Invoice | None = None
    burned: Burned = field(default_factory=Burned)

    @property
    def gross(self) -> Decimal:
        """What is due before credit."""
        return sum((item.line.total for item in self.items), ZERO)


def key_of(*parts: object) -> str:
    """A key made of parts, short enough for Salesforce."""
    text = ":".join(str(part) for part in parts)
    if len(text) <= LONGEST_KEY:
        return text
    return f"{text[: LONGEST_KEY - 17]}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def credit_key(invoice_key: str, grant_key: str) -> str:
    """The key of the line that shows what a grant paid."""
    return key_of(invoice_key, f"credit:{grant_key}")


def read_draft(invoice: Invoice) -> Draft:
    """A stored draft, its credit left out: what it owes is not worked out again here."""
    grants = Deduction.objects.filter(invoice_key=invoice.key).values_list("grant_key", flat=True)
    credit = {credit_key(invoice.key, grant) for grant in grants}
    lines = LineItem.objects.filter(invoice_key=invoice.key, deleted_at=None).exclude(key__in=credit)
    items = [
        Item(each.key, Line(each.name, each.quantity or ZERO, each.unit_price, each.total or ZERO), each.metric_key)
        for each in lines.order_by("position", "key")
    ]
    start, end = invoice.starts_at, invoice.ends_at
    assert start is not None
    assert end is not None
    return Draft(invoice.key, Period(start, end), invoice.currency, items, invoice)


def store_draft(draft: Draft, customer_plan: CustomerPlan | None, plan: Plan | None, *, now: datetime) -> str:
    """Write what differs: created, updated or unchanged. Without a plan only credit, lines and total."""
    is_new = draft.record is None
    record = draft.record or Invoice(key=draft.key, source=SOURCE, created_at=now)
    wanted: dict[str, Any] = {"total": draft.gross - draft.burned.total}
    if customer_plan is not None and plan is not None:
        wanted |= {
            "customer_key": customer_plan.customer_key, "customer_plan_key": customer_plan.key, "plan_key": plan.key,
            "currency": draft.currency, "starts_at": draft.period.start, "ends_at": draft.period.end, "status": Status.DRAFT,
            "deleted_at": None,
        }  # fmt: skip
    changed = _change(record, wanted, now=now)
    touched = _store_lines(draft, now=now)
    _store_deductions(draft, now=now)
    return "created" if is_new else "updated" if changed or touched else "unchanged"


def _change(record: Invoice | LineItem, wanted: dict[str, Any], *, now: datetime) -> bool:
    if record.pk is not None and all(getattr(record, name) == value for name, value in wanted.items()):
        return False
    for name, value in {**wanted, "version_at": now, "updated_at": now}.items():
        setattr(record, name, value)
    record.save()
    return True


def _store_lines(draft: Draft, *, now: datetime) -> bool:
    known = {each.key: each for each in LineItem.objects.filter(invoice_key=draft.key)}
    touched = False
    for position, item in enumerate([*draft.items, *_credit_items(draft)]):
        line = item.line
        record = known.pop(item.key, None) or LineItem(key=item.key, invoice_key=draft.key, source=SOURCE, created_at=now)
        wanted: dict[str, Any] = {
            "name": line.name[:255], "quantity": line.quantity, "unit_price": line.unit_price, "total": line.total,
            "credit_type": draft.currency, "metric_key": item.metric_key, "position": position, "deleted_at": None,
        }  # fmt: skip
        touched = _change(record, wanted, now=now) or touched
    left = [each.pk for each in known.values() if each.deleted_at is None]
    LineItem.objects.filter(pk__in=left).update(deleted_at=now, version_at=now, updated_at=now)
    return touched or bool(left)


def _credit_items(draft: Draft) -> Sequence[Item]:
    names = dict(CreditGrant.objects.filter(key__in=draft.burned.amounts).values_list("key", "name"))
    return [
        Item(credit_key(draft.key, grant), Line(CREDIT_NAME.format(name=names[grant])[:255], Decimal(1), -amount, -amount))
        for grant, amount in draft.burned.amounts.items()
    ]


def _store_deductions(draft: Draft, *, now: datetime) -> None:
    known = {each.grant_key: each for each in Deduction.objects.filter(invoice_key=draft.key)}
    for grant, amount in draft.burned.amounts.items():
        record = known.pop(grant, None) or Deduction(grant_key=grant, invoice_key=draft.key, made_at=now)
        if record.pk is None or record.amount != amount:
            record.amount = amount
            record.save()
    Deduction.objects.filter(pk__in=[each.pk for each in known.values()]).delete()
    for grant in CreditGrant.objects.filter(key__in=draft.burned.amounts, is_burned=False):
        CreditGrant.objects.filter(pk=grant.pk).update(is_burned=True, opening=grant.start_of_burning)


def finalize(key: str, *, now: datetime) -> None:
    """A draft becomes final and gets its number; call it in the transaction that holds the invoice's lock."""
    Invoice.objects.filter(key=key, status=Status.DRAFT).update(
        status=Status.FINALIZED, number=next_number(now), issued_at=now, version_at=now, updated_at=now
    )


def next_number(now: datetime) -> str:
    """The next invoice number of the year, without gaps: call it in the transaction that uses it."""
    counter, _ = InvoiceCounter.objects.select_for_update().get_or_create(year=now.year)
    counter.last += 1
    counter.save(update_fields=["last"])
    return f"INV-{now.year}-{counter.last:06}"


def drop_draft(invoice: Invoice, *, now: datetime) -> None:
    """A draft whose period its plan no longer has: void, credit given back; the period may be rated again if it returns."""
    Deduction.objects.filter(invoice_key=invoice.key).delete()
    Invoice.objects.filter(pk=invoice.pk, status=Status.DRAFT).update(
        status=Status.VOID, replaced_at=now, version_at=now, updated_at=now
    )
