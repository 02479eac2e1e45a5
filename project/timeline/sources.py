"""What each domain tells of a customer's past: links, deals, subscriptions, billing, NPS, messages, revenue, tasks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Coalesce, Greatest
from django.urls import reverse

from billing.models import CreditGrant, CustomerPlan, Invoice, Plan
from integrations.access import Person
from integrations.masking import hide_people, may_see_people
from integrations.models import Customer, LinkEvent
from integrations.product.models.engagements import EngagementView
from integrations.product.models.task_rules import CsmTask
from project.blocks.values import RULES, money, person
from project.timeline.entries import Entry, Source
from provisioning.models import PromotionalGrant, Provision, ProvisionStep, SubscriptionEvent

KINDS = {
    "links": "Salesforce links", "deals": "Deals", "subscriptions": "Subscriptions", "billing": "Billing", "nps": "NPS answers",
    "messages": "Messages", "revenue": "Revenue", "tasks": "Tasks",
}  # fmt: skip
Reader = Callable[[Any], Entry]
STEPS = {
    "compile": "Read the deal and worked out what it gives", "callout": "Asked the product for its own resources",
    "customer": "Made or found the customer", "subscription": "Made or changed the subscription",
    "write_back": "Wrote ids and addresses back to Salesforce",
}  # fmt: skip


def of_rows(name: str, kind: str, rows: QuerySet[Any], at: Any, read: Reader, *, related: Sequence[str] = ()) -> Source:
    """A source of database rows; `at` names their instant or is an expression for it."""
    dated = rows.annotate(told_at=at) if not isinstance(at, str) else rows
    column = at if isinstance(at, str) else "told_at"
    dated = dated.exclude(**{column: None})

    def latest(most: int) -> Iterable[tuple[datetime, Any]]:
        return dated.order_by(f"-{column}", "-pk").values_list(column, "pk")[:most]

    def read_all(keys: Sequence[Any]) -> Mapping[Any, Entry]:
        if not keys:
            return {}
        return {each.pk: read(each) for each in dated.filter(pk__in=keys).select_related(*related)}

    return Source(name, kind, latest, dated.count, read_all, dated)


def of_list(name: str, kind: str, entries: Sequence[Entry]) -> Source:
    """A source whose few entries are read already."""
    ordered = sorted(enumerate(entries), key=lambda each: each[1].at, reverse=True)
    return Source(
        name, kind, lambda most: [(entry.at, key) for key, entry in ordered[:most]], lambda: len(entries),
        lambda keys: {key: entries[key] for key in keys},
    )  # fmt: skip


def database_sources(customer: Customer, user: Person) -> list[Source]:
    """All sources in the database, the effect before its cause where both happened at the same instant."""
    keys = list(customer.billing_customers.filter(deleted_at=None).values_list("key", flat=True))  # pyright: ignore
    provisions = Provision.objects.filter(customer=customer)
    steps = ProvisionStep.objects.filter(provision__customer=customer, state=ProvisionStep.State.DONE)
    subscriptions = SubscriptionEvent.objects.filter(subscription__customer=customer)
    promotions = PromotionalGrant.objects.filter(customer=customer)
    invoices = Invoice.objects.filter(customer_key__in=keys, deleted_at=None).exclude(status=Invoice.Status.DRAFT)
    issued = Coalesce("issued_at", Greatest("ends_at", "starts_at"), "ends_at", "created_at")
    credit = CreditGrant.objects.filter(customer_key__in=keys, deleted_at=None)
    messages = EngagementView.objects.filter(customer=customer)
    shows = may_see_people(user)
    plans = dict(Plan.objects.values_list("key", "name")) if keys else {}
    return [
        of_rows("steps", "deals", steps, "ended_at", _step, related=("provision__org", "provision__automation")),
        of_rows(
            "subscriptions", "subscriptions", subscriptions, "at", _subscription, related=("subscription__product", "actor")
        ),
        of_rows("deals", "deals", provisions.defer("facts", "intent"), "opened_at", _deal, related=("org", "automation")),
        of_rows("promotions", "subscriptions", promotions, "created_at", _promotion, related=("feature", "granted_by")),
        of_rows("links", "links", LinkEvent.objects.filter(customer=customer), "at", _link, related=("org", "actor", "run")),
        of_rows("invoices", "billing", invoices, issued, _invoice),
        of_rows("plans", "billing", _plans(keys), "starting_on", lambda row: _plan(row, plans)),
        of_rows("credit", "billing", credit, "effective_at", _credit),
        of_rows("answers", "messages", messages, "answered_at", lambda row: _message(row, "answered", shows), related=_SEEN),
        of_rows("clicks", "messages", messages, "clicked_at", lambda row: _message(row, "clicked", shows), related=_SEEN),
        of_rows("messages", "messages", messages, "shown_at", lambda row: _message(row, "saw", shows), related=_SEEN),
        of_rows("tasks", "tasks", CsmTask.objects.filter(customer=customer), "opened_at", _task, related=("rule",)),
    ]


_SEEN = ("engagement", "end_user")


def _plans(keys: Sequence[str]) -> QuerySet[CustomerPlan]:
    return CustomerPlan.objects.filter(customer_key__in=keys, deleted_at=None)


def _deal(row: Provision) -> Entry:
    verb = "is a trial" if row.slot == Provision.Slot.TRIAL else "won"
    why = row.sentence or (f"Automation “{row.automation}”, {row.get_kind_display().lower()}" if row.automation else "")
    return Entry(
        row.opened_at, "deals", "check", f"Opportunity “{row}” {verb}: {row.get_state_display().lower()}",
        reverse("provisioning:provision", args=[row.pk]), why, f"{row.org}, by {_source(row).lower()}",
    )  # fmt: skip


def _source(row: Provision) -> str:
    return Provision.Source(row.source).label


def _step(row: ProvisionStep) -> Entry:
    page = reverse("provisioning:provision", args=[row.provision.pk])
    words = STEPS.get(row.name, row.name.replace("_", " ").capitalize())
    return Entry(row.ended_at or row.provision.opened_at, "deals", "zap", words, page, row.sentence, f"deal “{row.provision}”")


def _subscription(row: SubscriptionEvent) -> Entry:
    page = reverse("provisioning:subscription", args=[row.subscription.key])
    origin, origin_page = f"by {person(row.actor)}" if row.actor else "by Causeway", ""
    if row.provision_id:
        origin, origin_page = "by a deal", reverse("provisioning:provision", args=[row.provision_id])
    later = row.effective_at if row.effective_at != row.at else None
    title = f"{row.subscription.product}: {row.sentence}"
    return Entry(row.at, "subscriptions", "id-card", title, page, "", origin, origin_page, later)


def _promotion(row: PromotionalGrant) -> Entry:
    origin = f"by {person(row.granted_by)}" if row.granted_by else "by the API"
    page = reverse("provisioning:customer", args=[row.customer_id])
    title = f"{row.feature} granted outside of any plan"
    return Entry(row.created_at, "subscriptions", "id-card", title, page, row.reason, origin)


def _link(row: Any) -> Entry:
    change = " to ".join(each for each in (row.before_id, row.after_id) if each)
    undo = " (undo)" if row.undoes_id else ""
    title = f"{row.get_action_display()}{undo}{': ' if change else ''}{change}"
    rule = "" if row.rule in ("", "manual") else f"Rule “{RULES.get(row.rule, row.rule)}”"
    origin, page = f"{row.org}, by {person(row.actor)}" if row.actor else str(row.org), ""
    if row.run_id:
        origin, page = f"{row.org}, run #{row.run_id}", reverse("integrations:run", args=[row.run_id])
    return Entry(row.at, "links", "link", title, "", " ".join(each for each in (rule, row.reason) if each), origin, page)


def _invoice(row: Any) -> Entry:
    word = "void" if row.status == Invoice.Status.VOID else row.status.lower()
    title = f"Invoice {row.number or row.key} {word}: {money(row.total, row.currency)}"
    span = f"For {row.starts_at:%Y-%m-%d} to {row.ends_at:%Y-%m-%d}" if row.starts_at and row.ends_at else ""
    origin = "rated by Causeway" if row.source == "rating" else f"from {row.source.upper()}"
    return Entry(row.told_at, "billing", "file-text", title, reverse("billing:invoice", args=[row.pk]), span, origin)


def _plan(row: CustomerPlan, names: Mapping[str, str]) -> Entry:
    ends = f", until {row.ending_on:%Y-%m-%d}" if row.ending_on else ""
    return Entry(
        row.starting_on, "billing", "receipt", f"Price plan {names.get(row.plan_key, row.plan_key)} starts{ends}",
        origin=f"from {row.source.upper()}",
    )  # fmt: skip


def _credit(row: CreditGrant) -> Entry:
    title = f"Credit “{row.name}”: {money(row.initial_balance, row.credit_type)}"
    return Entry(
        row.effective_at, "billing", "coins", title, reverse("billing:credit", args=[row.pk]), row.reason,
        f"from {row.source.upper()}",
    )  # fmt: skip


def _message(row: EngagementView, verb: str, shows_people: bool) -> Entry:
    at = {"saw": row.shown_at, "clicked": row.clicked_at, "answered": row.answered_at}[verb] or datetime.min.replace(tzinfo=UTC)
    name = str(row.end_user) if shows_people else hide_people(str(row.end_user))
    return Entry(
        at, "messages", "message-square", f"{name} {verb} “{row.engagement}”",
        reverse("product:engagement", args=[row.engagement_id]), "", "in the product",
        reverse("end_user", args=[row.end_user_id]),
    )  # fmt: skip


def _task(row: CsmTask) -> Entry:
    title = f"Needs attention: {row.rule}"
    return Entry(
        row.opened_at, "tasks", "list-checks", title, reverse("product:task_rule", args=[row.rule_id]),
        "; ".join(hide_people(row.reason).splitlines()), f"task {row.get_state_display().lower()}",
    )  # fmt: skip
