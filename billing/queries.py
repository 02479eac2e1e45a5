"""What the billing pages show: reads only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef, QuerySet, Subquery

from billing import held, preflight
from billing.kinds import kind_of
from billing.linking import work_list
from billing.models import (
    AccountLink,
    BillingCustomer,
    BillingSettings,
    CreditGrant,
    CustomerPlan,
    Deduction,
    IngestAlias,
    Invoice,
    LineItem,
    Plan,
    Price,
)
from billing.objects import ACCOUNT, BY_KEY, CUSTOMER_ACCOUNT, OBJECTS, BillingObject
from billing.push import JOB
from billing.records import MODELS, in_scope, is_narrowed, objects_of
from integrations.access import Refusal
from integrations.lake.engine import open_engine
from integrations.models import Customer, OutboxRow, OutboxTarget, Run, SalesforceOrg
from integrations.queries import count_each
from integrations.sync.mirror import tables

MOST_SHOWN = 100  # records of a kind on the page of a customer
SUGGESTED = 3  # accounts offered for a customer
Counted = tuple[str, int]  # what is counted, and of which connection or target
ALIKE = """
SELECT "Id" AS id, "Name" AS name, {{lower({{trim("Name")}})}} AS folded FROM accounts
WHERE {{has($names, {{lower({{trim("Name")}})}})}} ORDER BY "CreatedDate", "Id"
"""


@dataclass(frozen=True)
class Card:
    """One object in one connection: how many records there are here, belong there, and wait."""

    object: BillingObject
    records: int
    wanted: int
    target: OutboxTarget | None
    waiting: int


@dataclass(frozen=True)
class Place:
    """One connection as the overview shows it."""

    org: SalesforceOrg
    settings: BillingSettings
    lacks: list[preflight.Lack]
    cards: list[Card]
    last_run: Run | None
    unlinked: int

    @property
    def is_ready(self) -> bool:
        """Whether a push would write: the objects are there as far as we know."""
        return self.settings.prefix_known and not self.lacks

    @property
    def may_deploy(self) -> bool:
        """Whether we can bring what is missing: nothing of the managed package itself."""
        return not self.settings.prefix or all(lack.object == CUSTOMER_ACCOUNT.name for lack in self.lacks)

    @property
    def dialog(self) -> str:
        """Id of the question before a deployment."""
        return f"deploy-{self.org.pk}"

    @property
    def state(self) -> str:
        """One status word for the badge."""
        if not self.org.billing_enabled or not self.org.is_connected:
            return "paused"
        if self.settings.checked_at and self.lacks:
            return "action"
        if self.last_run is not None and self.last_run.state == Run.State.FAILED:
            return "action"
        return "degraded" if any(card.waiting for card in self.cards) else "healthy"


def places(org: SalesforceOrg | None) -> list[Place]:
    """The connections that may get billing objects, one or all. Five statements, however many there are."""
    everywhere = SalesforceOrg.objects.exclude(state=SalesforceOrg.State.NEW).order_by("name")
    orgs = [org] if org is not None else list(everywhere)
    settings = _settings_of(orgs)
    targets = {
        (each.org_id, each.kind): each
        for each in OutboxTarget.objects.filter(org__in=orgs, kind__startswith="billing.").select_related("org")
    }
    counts = count_each(_to_count(orgs, settings, targets))
    runs = _last_pushes(orgs)
    return [_place(each, settings[each.pk], targets, counts, runs.get(each.pk)) for each in orgs]


def _settings_of(orgs: Sequence[SalesforceOrg]) -> dict[int, BillingSettings]:
    """Settings by connection; those of a connection that never had any begin with the defaults."""
    found = {each.org.pk: each for each in BillingSettings.objects.filter(org__in=orgs).select_related("org")}
    for org in orgs:
        if org.pk not in found:
            found[org.pk] = preflight.settings_of(org)
    return found


def _last_pushes(orgs: Sequence[SalesforceOrg]) -> dict[int, Run]:
    newest = Run.objects.filter(org=OuterRef("pk"), job=JOB).order_by("-pk").values("pk")[:1]
    numbers = SalesforceOrg.objects.filter(pk__in=[each.pk for each in orgs]).annotate(last_push=Subquery(newest)).order_by()
    return {each.org_id or 0: each for each in Run.objects.filter(pk__in=numbers.values("last_push")).defer("checkpoint")}


def _to_count(
    orgs: Sequence[SalesforceOrg], settings: Mapping[int, BillingSettings], targets: Mapping[tuple[int, str], OutboxTarget]
) -> dict[Counted, QuerySet[Any]]:
    """What the cards say, each thing once: records that are here are the same in every connection."""
    found: dict[Counted, QuerySet[Any]] = {}
    for org in orgs:
        found["unlinked", org.pk] = work_list(org)
        for each in objects_of(settings[org.pk]):
            if each.is_ours:
                found[each.key, org.pk] = AccountLink.objects.filter(org=org, state=AccountLink.State.ACTIVE)
            else:
                found[each.key, 0] = MODELS[each.key]._default_manager.filter(deleted_at=None)
                if is_narrowed(settings[org.pk], each.key):
                    found[each.key, org.pk] = in_scope(org, settings[org.pk], each.key)
    waiting = {("waiting", each.pk): OutboxRow.objects.filter(target=each) for each in targets.values()}
    return {**found, **waiting}


def _place(
    org: SalesforceOrg, settings: BillingSettings, targets: Mapping[tuple[int, str], OutboxTarget],
    counts: Mapping[Counted, int], last: Run | None,
) -> Place:  # fmt: skip
    cards = []
    for each in objects_of(settings):
        target = targets.get((org.pk, kind_of(each.key)))
        here = counts[each.key, org.pk if each.is_ours else 0]
        waiting = counts["waiting", target.pk] if target else 0
        cards.append(Card(each, here, counts.get((each.key, org.pk), here), target, waiting))
    return Place(org, settings, preflight.read_lacks(settings), cards, last, counts["unlinked", org.pk])


@dataclass(frozen=True)
class ScopeChange:
    """What another scope would do: rows of each object before and after (MT-D2)."""

    object: BillingObject
    before: int
    after: int


def preview_scope(settings: BillingSettings, scope: str) -> list[ScopeChange]:
    """How many records belong into the connection now, and would with another scope. Nothing is ever deleted by it."""
    found = []
    for each in OBJECTS:
        before = in_scope(settings.org, settings, each.key).count()
        kept, settings.scope = settings.scope, scope
        after = in_scope(settings.org, settings, each.key).count()
        settings.scope = kept
        found.append(ScopeChange(each, before, after))
    return found


# --- customers --------------------------------------------------------------------------------------------------------------

CUSTOMER_COLUMNS = {"name": ("name",), "key": ("key",), "updated": ("updated_at",)}
LINK_FILTERS = {"linked": "Linked", "unlinked": "Not linked", "suspended": "Account deleted"}


def find_customers(
    *, text: str = "", link: str = "", org: SalesforceOrg | None = None, sort: str = ""
) -> QuerySet[BillingCustomer]:
    """Billing customers, filtered and sorted."""
    found = BillingCustomer.objects.filter(deleted_at=None).select_related("customer").prefetch_related("links__org")
    if text := text.replace("\0", "").strip():
        found = found.filter(name__icontains=text) | found.filter(key__icontains=text)
    own = AccountLink.objects.filter(customer=OuterRef("pk"), **({"org": org} if org else {}))
    active = Exists(own.filter(state=AccountLink.State.ACTIVE))
    if link == "linked":
        found = found.filter(active)
    elif link == "unlinked":
        found = found.exclude(active)
    elif link == "suspended":
        found = found.filter(Exists(own.filter(state=AccountLink.State.SUSPENDED)))
    word = sort.removeprefix("-")
    order = CUSTOMER_COLUMNS.get(word, ("name",))
    return found.order_by(*(f"-{each}" if sort.startswith("-") else each for each in order), "key")


def read_customer(customer: BillingCustomer) -> dict[str, Any]:
    """Everything about one billing customer."""
    key = customer.key
    customer_plans = list(CustomerPlan.objects.filter(customer_key=key, deleted_at=None).order_by("-starting_on")[:MOST_SHOWN])
    plans = Plan.objects.filter(key__in={each.plan_key for each in customer_plans}).in_bulk(field_name="key")
    for each in customer_plans:
        each.plan = plans.get(each.plan_key)  # type: ignore[attr-defined]
    orgs = SalesforceOrg.objects.exclude(state=SalesforceOrg.State.NEW).order_by("name")
    return {
        "customer": customer,
        "places": [
            {
                "org": org,
                "links": AccountLink.objects.filter(org=org, customer=customer).exclude(state=AccountLink.State.REMOVED),
                "held": held_ids(org, "customers", [key]).get(key, ""),
                "waiting": waiting_rows(org, customer),
            }
            for org in orgs
        ],
        "plans": customer_plans,
        "aliases": IngestAlias.objects.filter(customer_key=key, deleted_at=None)[:MOST_SHOWN],
        "invoices": Invoice.objects.filter(customer_key=key, deleted_at=None)[:24],
        "grants": CreditGrant.objects.filter(customer_key=key, deleted_at=None)[:MOST_SHOWN],
    }


@dataclass(frozen=True)
class Summary:
    """One billing customer as the customer's own page shows it."""

    customer: BillingCustomer
    plans: list[str]
    invoices: list[Invoice]
    grants: list[CreditGrant]


def summaries_of(customer: Customer, *, invoices: int = 3) -> list[Summary]:
    """How a customer of the product is billed: its running plans, latest invoices and credit."""
    names = dict(Plan.objects.values_list("key", "name"))
    found = []
    for each in customer.billing_customers.filter(deleted_at=None):  # pyright: ignore[reportAttributeAccessIssue]
        plans = CustomerPlan.objects.filter(customer_key=each.key, deleted_at=None, ending_on=None)
        latest = Invoice.objects.filter(customer_key=each.key, deleted_at=None)[:invoices]
        grants = CreditGrant.objects.filter(customer_key=each.key, deleted_at=None)[:invoices]
        labels = [names.get(key, key) for key in plans.values_list("plan_key", flat=True)]
        found.append(Summary(each, labels, list(latest), list(grants)))
    return found


def held_ids(org: SalesforceOrg, object_key: str, keys: Sequence[str]) -> dict[str, str]:
    """Salesforce ids of what the org accepted of these rows, by key."""
    return held.held_ids(preflight.settings_of(org), object_key, keys)


def waiting_rows(org: SalesforceOrg, customer: BillingCustomer) -> list[OutboxRow]:
    """Rows of a customer and of what belongs to it that Salesforce did not take."""
    keys = [customer.key, *Invoice.objects.filter(customer_key=customer.key).values_list("key", flat=True)[:500]]
    rows = OutboxRow.objects.filter(target__org=org, target__kind__startswith="billing.", key__in=keys)
    return list(rows.select_related("target")[:20])


def suggest_accounts(org: SalesforceOrg, customers: Sequence[BillingCustomer]) -> dict[int, list[dict[str, str]]]:
    """Mirrored accounts with the same name, oldest first, for some unlinked customers; {} while no accounts are mirrored."""
    names: dict[str, list[int]] = {}
    for each in customers:
        if each.name.strip():
            names.setdefault(each.name.strip().lower(), []).append(each.pk)
    if not names:
        return {}
    try:
        relation = tables.live(org, ACCOUNT, ["Id", "Name", "CreatedDate"])
    except (Refusal, tables.SchemaError):
        return {}
    found: dict[int, list[dict[str, str]]] = {}
    with open_engine() as engine:
        engine.bind("accounts", relation)
        for account, name, folded in engine.rows(ALIKE, names=list(names)):
            for pk in names.get(folded, ()):
                offers = found.setdefault(pk, [])
                if len(offers) < SUGGESTED:
                    offers.append({"id": account, "name": name})
    return found


# --- invoices, grants, plans ------------------------------------------------------------------------------------------------

INVOICE_COLUMNS = {"starts": ("starts_at",), "key": ("key",), "customer": ("customer_key",), "status": ("status",)}


def find_invoices(*, text: str = "", status: str = "", customer: str = "", sort: str = "") -> QuerySet[Invoice]:
    """Invoices, newest period first unless sorted otherwise."""
    found = Invoice.objects.filter(deleted_at=None)
    if text := text.replace("\0", "").strip():
        named = BillingCustomer.objects.filter(name__icontains=text).values("key")
        found = found.filter(key__icontains=text) | found.filter(number__icontains=text) | found.filter(customer_key__in=named)
    if status:
        found = found.filter(status=status.replace("\0", ""))
    if customer:
        found = found.filter(customer_key=customer.replace("\0", ""))
    word = sort.removeprefix("-")
    if word not in INVOICE_COLUMNS:
        return found.order_by("-starts_at", "-key")
    return found.order_by(*(f"-{each}" if sort.startswith("-") else each for each in INVOICE_COLUMNS[word]), "key")


def name_customers(records: Sequence[Any]) -> None:
    """Put the billing customer of each record into its `customer`."""
    wanted = {each.customer_key for each in records}
    known = {each.key: each for each in BillingCustomer.objects.filter(key__in=wanted)}
    for each in records:
        each.customer = known.get(each.customer_key)


LINES_SHOWN = 200


def read_invoice(invoice: Invoice, *, page: object = 1) -> dict[str, Any]:
    """One invoice with a page of its lines, and what Salesforce holds of it."""
    lines = LineItem.objects.filter(invoice_key=invoice.key, deleted_at=None)
    total, number = Decimal(0), 0
    for each in lines.order_by().values_list("total", flat=True).iterator(5_000):  # text in SQLite: it cannot add it up
        total, number = total + (each or Decimal(0)), number + 1
    name_customers([invoice])
    return {
        "invoice": invoice,
        "page": Paginator(lines, LINES_SHOWN).get_page(page),  # type: ignore[arg-type]
        "lines_total": total,
        "adds_up": invoice.total is None or not number or total == invoice.total,
        "plan": Plan.objects.filter(key=invoice.plan_key).first() if invoice.plan_key else None,
        "places": [
            {"org": org, "held": held_ids(org, "invoices", [invoice.key]).get(invoice.key, ""),
             "waiting": OutboxRow.objects.filter(target__org=org, target__kind=kind_of("invoices"), key=invoice.key).first()}
            for org in SalesforceOrg.objects.exclude(state=SalesforceOrg.State.NEW).order_by("name")
        ],
    }  # fmt: skip


def burn_down(grant: CreditGrant) -> list[tuple[datetime, Decimal, str]]:
    """What was left of a grant after each invoice that took from it: (end of its period, left, invoice)."""
    left = grant.start_of_burning
    found = [(grant.effective_at, left, "")]
    taken = {each.invoice_key: each.amount for each in Deduction.objects.filter(grant_key=grant.key)}
    for invoice in Invoice.objects.filter(key__in=taken).order_by("ends_at", "key"):
        left -= taken[invoice.key]
        found.append((invoice.ends_at or invoice.updated_at, left, invoice.key))
    return found


def prices_of(plan: Plan) -> QuerySet[Price]:
    """The prices of a plan, in their order."""
    return Price.objects.filter(plan_key=plan.key)


def customers_on(plan: Plan, *, now: datetime) -> int:
    """How many customers have the plan now."""
    running = CustomerPlan.objects.filter(plan_key=plan.key, deleted_at=None, starting_on__lte=now)
    return (running.filter(ending_on=None) | running.filter(ending_on__gt=now)).count()


def object_named(key: str) -> BillingObject | None:
    """The object of that key."""
    return BY_KEY.get(key)
