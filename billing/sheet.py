"""What rating reads and writes of some customers: read at once and locked, changed in memory, written at once.

Reading and writing each plan by itself takes some twenty statements a plan; a sheet takes them once for all of its plans. Plans
are worked on in the sheet one after the other, and each sees what those before it left, as if each had been stored.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Q

from billing.drafts import LONGEST_NAME, SOURCE, Draft, Item, as_kept, credit_item, credit_key
from billing.models import BillingCustomer, CreditGrant, CustomerPlan, Deduction, Invoice, InvoiceCounter, LineItem, Plan
from billing.pricing import ZERO, Line, Period
from billing.rewriting import BATCH, rewrite
from integrations.access import Refusal

Status = Invoice.Status
INVOICE_FIELDS = (
    "total", "customer_key", "customer_plan_key", "plan_key", "currency", "starts_at", "ends_at", "status", "deleted_at",
    "number", "issued_at", "replaced_at", "version_at", "updated_at",
)  # fmt: skip
LINE_FIELDS = (
    "name", "quantity", "unit_price", "total", "credit_type", "metric_key", "position", "deleted_at", "version_at",
    "updated_at",
)  # fmt: skip


class Known(NamedTuple):
    """What rating must know of an invoice that it made for a plan."""

    key: str
    status: str
    starts_at: datetime | None
    ends_at: datetime | None
    replaced_at: datetime | None


@dataclass
class Sheet:
    """See the module. Names of customers, plans, invoices, lines and grants are their keys."""

    now: datetime
    plans: dict[int, CustomerPlan] = field(default_factory=dict)
    catalog: dict[str, Plan] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    known: dict[str, list[Known]] = field(default_factory=lambda: defaultdict(list))
    invoices: dict[str, Invoice] = field(default_factory=dict)
    lines: dict[str, dict[str, LineItem]] = field(default_factory=lambda: defaultdict(dict))
    deductions: dict[str, dict[str, Deduction]] = field(default_factory=lambda: defaultdict(dict))
    taken: dict[str, dict[str, Decimal]] = field(default_factory=lambda: defaultdict(dict))
    grants: dict[str, dict[str, CreditGrant]] = field(default_factory=lambda: defaultdict(dict))
    counter: InvoiceCounter | None = None
    changed: dict[str, Any] = field(default_factory=dict)
    dropped: list[int] = field(default_factory=list)

    # --- reading --------------------------------------------------------------------------------------------------------

    @classmethod
    def read(cls, plans: Sequence[CustomerPlan], *, now: datetime) -> "Sheet":
        """Read and lock all that belongs to these plans and their customers; in the transaction that writes it. Whoever rates
        the same customers waits at the first statement."""
        sheet = cls(now)
        customers = {each.customer_key for each in plans}
        own = CustomerPlan.objects.select_for_update().filter(
            Q(customer_key__in=customers) | Q(pk__in=[each.pk for each in plans])
        )
        wanted = {each.pk for each in plans}
        sheet.plans = {each.pk: each for each in own.order_by("pk") if each.pk in wanted}
        customers = {each.customer_key for each in sheet.plans.values()}
        named = {each.plan_key for each in sheet.plans.values()}
        sheet.catalog = {each.key: each for each in Plan.objects.filter(key__in=named, deleted_at=None)}
        deleted = BillingCustomer.objects.filter(key__in=customers).exclude(deleted_at=None)
        sheet.gone = frozenset(deleted.values_list("key", flat=True))
        sheet._read_invoices([each.key for each in sheet.plans.values()], customers)
        sheet._read_credit(customers)
        return sheet

    def _read_invoices(self, plan_keys: Sequence[str], customers: Iterable[str]) -> None:
        ours = Invoice.objects.filter(source=SOURCE)
        open_ones = Q(customer_plan_key__in=plan_keys) | Q(customer_key__in=customers, deleted_at=None)
        drafts = ours.select_for_update().filter(open_ones, status=Status.DRAFT).order_by("pk")
        self.invoices = {each.key: each for each in drafts}
        rows = ours.filter(customer_plan_key__in=plan_keys).order_by("pk")
        for plan_key, *row in rows.values_list("customer_plan_key", *Known._fields).iterator(5_000):
            self.known[plan_key].append(Known(*row))
        for line in LineItem.objects.filter(invoice_key__in=list(self.invoices)).order_by("position", "key"):
            self.lines[line.invoice_key][line.key] = line

    def _read_credit(self, customers: Iterable[str]) -> None:
        grants = CreditGrant.objects.select_for_update().filter(customer_key__in=customers, deleted_at=None).order_by("pk")
        for grant in grants:
            self.grants[grant.customer_key][grant.key] = grant
        keys = [key for own in self.grants.values() for key in own]
        for each in Deduction.objects.filter(Q(grant_key__in=keys) | Q(invoice_key__in=list(self.invoices))).order_by("pk"):
            self.taken[each.grant_key][each.invoice_key] = each.amount
            if each.invoice_key in self.invoices:
                self.deductions[each.invoice_key][each.grant_key] = each

    # --- working --------------------------------------------------------------------------------------------------------

    def other_drafts(self, customer: str, plan_key: str) -> list[Draft]:
        """The customer's open drafts of other plans, as they stand."""
        return [
            self.read_draft(each) for each in self.invoices.values()
            if each.customer_key == customer and each.customer_plan_key != plan_key and each.status == Status.DRAFT
            and each.deleted_at is None
        ]  # fmt: skip

    def read_draft(self, invoice: Invoice) -> Draft:
        """A stored draft, its credit left out: what it owes is not worked out again here."""
        credit = {credit_key(invoice.key, grant) for grant in self.deductions[invoice.key]}
        lines = [each for each in self.lines[invoice.key].values() if each.deleted_at is None and each.key not in credit]
        items = [
            Item(each.key, Line(each.name, each.quantity or ZERO, each.unit_price, each.total or ZERO), each.metric_key)
            for each in sorted(lines, key=lambda each: (each.position, each.key))
        ]
        start, end = invoice.starts_at, invoice.ends_at
        assert start is not None
        assert end is not None
        return Draft(invoice.key, Period(start, end), invoice.currency, items, invoice)

    def taken_of(self, grant: str, *, leave_out: frozenset[str]) -> Decimal:
        """What invoices took from a grant, some of them excepted."""
        return sum((amount for invoice, amount in self.taken[grant].items() if invoice not in leave_out), ZERO)

    def store(self, draft: Draft, customer: str, customer_plan: CustomerPlan | None = None, plan: Plan | None = None) -> str:
        """Change what differs: created, updated or unchanged. Without a plan only credit, lines and total."""
        is_new = draft.record is None
        record = draft.record or Invoice(key=draft.key, source=SOURCE, created_at=self.now)
        wanted: dict[str, Any] = {"total": draft.gross - draft.burned.total}
        if customer_plan is not None and plan is not None:
            wanted |= {
                "customer_key": customer, "customer_plan_key": customer_plan.key, "plan_key": plan.key,
                "currency": draft.currency, "starts_at": draft.period.start, "ends_at": draft.period.end,
                "status": Status.DRAFT, "deleted_at": None,
            }  # fmt: skip
        self.invoices[draft.key] = record
        changed = self._change(record, wanted, is_new=is_new)
        touched = self._store_lines(draft, customer)
        self._store_deductions(draft, customer)
        return "created" if is_new else "updated" if changed or touched else "unchanged"

    def finalize(self, key: str) -> None:
        """A draft becomes final and gets its number."""
        record = self.invoices[key]
        wanted = {"status": Status.FINALIZED, "number": self._next_number(), "issued_at": self.now}
        self._change(record, wanted)

    def drop(self, key: str) -> None:
        """A draft whose period its plan no longer has: void, credit given back; the period may be rated again if it returns."""
        for grant, each in self.deductions.pop(key, {}).items():
            self._drop_deduction(grant, each)
        self._change(self.invoices[key], {"status": Status.VOID, "replaced_at": self.now})

    def _change(self, record: Invoice | LineItem, wanted: dict[str, Any], *, is_new: bool = False) -> bool:
        if not is_new and all(getattr(record, name) == value for name, value in wanted.items()):
            return False
        for name, value in {**wanted, "version_at": self.now, "updated_at": self.now}.items():
            setattr(record, name, value)
        self.changed[f"{type(record).__name__}:{record.key}"] = record
        return True

    def _store_lines(self, draft: Draft, customer: str) -> bool:
        known, touched = self.lines[draft.key], False
        credit = [
            credit_item(draft.key, grant, self.grants[customer][grant].name, amount)
            for grant, amount in draft.burned.amounts.items()
        ]
        items = [*draft.items, *credit]
        for position, item in enumerate(items):
            line, record = item.line, known.get(item.key)
            is_new = record is None
            if record is None:
                record = LineItem(key=item.key, invoice_key=draft.key, source=SOURCE, created_at=self.now)
                known[item.key] = record
            wanted: dict[str, Any] = {
                "name": line.name[:LONGEST_NAME], "quantity": as_kept(line.quantity), "unit_price": as_kept(line.unit_price),
                "total": line.total, "credit_type": draft.currency, "metric_key": item.metric_key, "position": position,
                "deleted_at": None,
            }  # fmt: skip
            touched = self._change(record, wanted, is_new=is_new) or touched
        kept = {item.key for item in items}
        left = [each for key, each in known.items() if key not in kept and each.deleted_at is None]
        for each in left:
            self._change(each, {"deleted_at": self.now})
        return touched or bool(left)

    def _store_deductions(self, draft: Draft, customer: str) -> None:
        known = self.deductions[draft.key]
        for grant, amount in draft.burned.amounts.items():
            record = known.get(grant)
            if record is None:
                record = known[grant] = Deduction(grant_key=grant, invoice_key=draft.key, made_at=self.now, amount=amount)
                self.changed[f"Deduction:{draft.key}:{grant}"] = record
            elif record.amount != amount:
                record.amount = amount
                self.changed[f"Deduction:{draft.key}:{grant}"] = record
            self.taken[grant][draft.key] = amount
            self._burn_first(self.grants[customer][grant])
        for grant in [each for each in known if each not in draft.burned.amounts]:
            self._drop_deduction(grant, known.pop(grant))

    def _burn_first(self, grant: CreditGrant) -> None:
        """The first invoice of ours that takes from a grant: from now on we keep its balance."""
        if not grant.is_burned:
            grant.opening = grant.start_of_burning
            grant.is_burned = True
            self.changed[f"CreditGrant:{grant.key}"] = grant

    def _drop_deduction(self, grant: str, record: Deduction) -> None:
        self.taken[grant].pop(record.invoice_key, None)
        self.changed.pop(f"Deduction:{record.invoice_key}:{grant}", None)
        if record.pk is not None:
            self.dropped.append(record.pk)

    def _next_number(self) -> str:
        """The next invoice number of the year, without gaps: locked until the sheet is written."""
        if self.counter is None:
            self.counter, _ = InvoiceCounter.objects.select_for_update().get_or_create(year=self.now.year)
        self.counter.last += 1
        return f"INV-{self.now.year}-{self.counter.last:06}"

    # --- writing --------------------------------------------------------------------------------------------------------

    def write(self) -> None:
        """Write what changed. Refusal `id_taken` where a new invoice's id is in use by one that came from elsewhere."""
        found: dict[type, list[Any]] = defaultdict(list)
        for each in self.changed.values():
            found[type(each)].append(each)
        fresh = [each.key for each in found[Invoice] if each.pk is None]
        for start in range(0, len(fresh), BATCH):
            if taken := Invoice.objects.filter(key__in=fresh[start : start + BATCH]).first():
                raise Refusal("id_taken", f"The id {taken.key} of the invoice is in use by one that came from elsewhere.")
        for start in range(0, len(self.dropped), BATCH):
            Deduction.objects.filter(pk__in=self.dropped[start : start + BATCH]).delete()
        _write(Invoice, found[Invoice], INVOICE_FIELDS)
        _write(LineItem, found[LineItem], LINE_FIELDS)
        _write(Deduction, found[Deduction], ("amount",), unique=("grant_key", "invoice_key"))
        rewrite(CreditGrant, found[CreditGrant], ("is_burned", "opening"))
        if self.counter is not None:
            self.counter.save(update_fields=["last"])


def _write(model: Any, records: Sequence[Any], names: Sequence[str], *, unique: Sequence[str] = ("key",)) -> None:
    fresh, known = [each for each in records if each.pk is None], [each for each in records if each.pk is not None]
    model.objects.bulk_create(fresh, batch_size=BATCH)
    rewrite(model, known, names, unique=unique)
