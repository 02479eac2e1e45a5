"""Writing what happens to subscriptions: terms, timeline, the key that keeps a second one away. In the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.db.models import Prefetch, QuerySet

from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import Customer
from provisioning.entitlements.changed import note_change
from provisioning.models import Provision, Subscription, SubscriptionEvent, Term, TermAddOn, TermOverride
from provisioning.subscriptions.resolving import Resolved, resolved_of
from provisioning.subscriptions.terms import status_of, trial_expired

OVER = ("cancelled", "expired")
TIMES = ("starts_at", "ends_at", "trial_ends_at", "converted_at", "cancelled_at")


@dataclass(frozen=True)
class By:
    """Who or what makes a change: a person, or the provision of a deal."""

    actor: Person | None = None
    provision: Provision | None = None

    @property
    def provision_id(self) -> int | None:
        return self.provision.pk if self.provision else None


def locked_customer(customer_id: int) -> Customer:
    """The customer, locked: changes of one customer's subscriptions come one after the other. Erased ones are refused."""
    customer = Customer.objects.select_for_update(of=("self",), no_key=True).filter(pk=customer_id).first()
    if customer is None or customer.erased_at is not None:
        raise Refusal("customer_not_found", "There is no such customer, or it was erased.")
    return customer


def locked(subscription: Subscription) -> Subscription:
    """The subscription as it is now, with its customer locked."""
    locked_customer(subscription.customer_id)
    return Subscription.objects.select_for_update(of=("self",)).select_related("customer", "product").get(pk=subscription.pk)


def terms_of(subscription: Subscription) -> list[Term]:
    """Its terms in order, with everything in them."""
    return list(with_contents(Term.objects.filter(subscription=subscription)))


def with_contents(terms: "QuerySet[Term]") -> "QuerySet[Term]":
    """Terms with plan, add-ons and own limits, in the order in which they take effect."""
    return terms.select_related("plan__offer__product").prefetch_related(
        Prefetch("add_ons", TermAddOn.objects.select_related("version__offer")),
        Prefetch("overrides", TermOverride.objects.select_related("feature")),
    ).order_by("effective_at", "id")  # fmt: skip


def running_key_of(customer_id: int, product_id: int) -> str:
    """What the database keeps unique while a subscription runs or will run."""
    return f"{customer_id}:{product_id}"


def claim_product(customer_id: int, product_id: int, *, besides: int | None = None, now: datetime) -> str:
    """The running key for a subscription of that product; one that holds it and is over lets it go, any other refuses."""
    key = running_key_of(customer_id, product_id)
    holder = Subscription.objects.select_related("product").filter(running_key=key).exclude(pk=besides).first()
    if holder is not None and not release_if_over(holder, now=now):
        state = status_of(holder, now)
        raise Refusal(
            "already_subscribed",
            f"The customer has {holder.key}, a subscription of {holder.product} that is {state}. Amend or renew that one.",
        )
    return key


def release_if_over(subscription: Subscription, *, now: datetime) -> bool:
    """Let the running key of an ended subscription go and write that it expired; whether it is over."""
    status = status_of(subscription, now)
    if status not in OVER:
        return False
    if subscription.running_key is not None:
        Subscription.objects.filter(pk=subscription.pk).update(running_key=None, updated_at=now)
        subscription.running_key = None
        if status == "expired":
            trial = trial_expired(subscription, now)
            at = subscription.trial_ends_at if trial else subscription.ends_at
            words = "The trial ended." if trial else "It expired."
            note(subscription, "trial_expired" if trial else "expired", words, effective_at=at or now, by=By(), now=now)
        note_change(subscription.customer_id, now=now)
    return True


def add_term(
    subscription: Subscription, resolved: Resolved, *, at: datetime, resets_usage: bool = False, now: datetime
) -> Term:
    """A new term from `at` on."""
    term = Term.objects.create(
        subscription=subscription, effective_at=at, plan=resolved.plan, seats=resolved.seats, resets_usage=resets_usage,
        recorded_at=now,
    )  # fmt: skip
    TermAddOn.objects.bulk_create(
        TermAddOn(term=term, version=version, quantity=quantity) for version, quantity in resolved.add_ons
    )
    TermOverride.objects.bulk_create(
        TermOverride(
            term=term, feature=feature, limit=line.limit, unlimited=line.unlimited, revoked=line.revoked, soft=line.soft
        )
        for feature, line in resolved.overrides
    )
    return term


def set_times(subscription: Subscription, *, now: datetime, **changes: Any) -> dict[str, Any]:
    """Save changed instants (and `cancel_reason`); answers what changed as {name: [before, after]}."""
    changed = {name: value for name, value in changes.items() if getattr(subscription, name) != value}
    shown = {name: [_shown(getattr(subscription, name)), _shown(value)] for name, value in changed.items()}
    for name, value in changed.items():
        setattr(subscription, name, value)
    subscription.updated_at = now
    subscription.save(update_fields=[*changed, "updated_at"])
    shown.pop("running_key", None)
    return shown


def note(
    subscription: Subscription, action: str, sentence: str, *, effective_at: datetime, detail: dict[str, Any] | None = None,
    by: By, now: datetime,
) -> SubscriptionEvent:  # fmt: skip
    """One entry of the timeline; the audit trail too when a person did it; every process hears of it."""
    event = SubscriptionEvent.objects.create(
        subscription=subscription, action=action, at=now, effective_at=effective_at, detail=detail or {},
        sentence=sentence[:500], actor=by.actor, provision_id=by.provision_id,
    )  # fmt: skip
    note_change(subscription.customer_id, now=now)
    if by.actor is not None:
        audit.record(f"subscription.{action}", actor=by.actor, target=subscription.key, after=detail or {})
    return event


def was_done(subscription: Subscription, action: str, by: By) -> bool:
    """Whether this provision already did this to the subscription: a step that is done again changes nothing (I-19)."""
    if by.provision is None:
        return False
    return SubscriptionEvent.objects.filter(subscription=subscription, action=action, provision_id=by.provision.pk).exists()


def started_by(customer_id: int, product_id: int, by: By) -> Subscription | None:
    """The subscription that this provision started before."""
    if by.provision is None:
        return None
    events = SubscriptionEvent.objects.filter(provision_id=by.provision.pk, action__in=("started", "trial_started"))
    found = events.filter(subscription__customer=customer_id, subscription__product=product_id)
    event = found.select_related("subscription__product", "subscription__customer").first()
    return event.subscription if event else None


def new_key() -> str:
    """sub- and 20 characters that nobody can guess."""
    return f"sub-{uuid4().hex[:20]}"


def next_terms(terms: Sequence[Term], at: datetime) -> list[Term]:
    """Terms that take effect after `at`."""
    return [term for term in terms if term.effective_at > at]


def plan_changes(before: Resolved | None, after: Resolved) -> bool:
    """Whether the plan is another one (another version of the same plan is not)."""
    return before is not None and before.plan.offer_id != after.plan.offer_id


def same_terms(before: Term, after: Resolved) -> bool:
    """Whether the terms would be the same, versions included."""
    old = resolved_of(before)
    versions = [version.pk for version, _ in old.add_ons] == [version.pk for version, _ in after.add_ons]
    return old.plan.pk == after.plan.pk and versions and old.spec == after.spec


def _shown(value: Any) -> Any:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
