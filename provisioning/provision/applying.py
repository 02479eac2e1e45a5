"""Step 4 in verbs of subscriptions: every subscription of an intent, inside the step's transaction (ST-32, ST-D11, ST-D12)."""

from datetime import datetime
from typing import Any

from integrations.access import Refusal
from integrations.models import Customer
from provisioning.intent.result import AMEND, CANCEL, CONVERT, RENEW, START, Intent, SubscriptionIntent
from provisioning.models import Provision, Subscription
from provisioning.subscriptions import changes, endings

# The customer's subscriptions are not what they were when the deal was judged.
OUTDATED = frozenset(("already_subscribed", "ended", "cancelled", "is_a_trial", "not_a_trial", "expired"))


class Outdated(Exception):
    """Another deal or a person changed the customer's subscriptions in between: judge anew."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.code, self.message = refusal.code, refusal.message


def apply_intent(intent: Intent, *, customer: Customer, provision: Provision, now: datetime) -> list[Subscription]:
    """The subscriptions in the order of the intent; new ones get the callout's ids (ST-36).

    Raises `Outdated`, or `Refusal` for what another judgement will not cure. A step that was done for this provision already
    changes nothing (I-19): the verbs themselves look at who did it.
    """
    ids = provision.result.get("callout", {}).get("subscription_ids") or {}
    try:
        return [_apply(each, ids.get(each.product), customer=customer, provision=provision, now=now)
                for each in intent.subscriptions]  # fmt: skip
    except Refusal as refusal:
        if refusal.code in OUTDATED:
            raise Outdated(refusal) from refusal
        raise


def _apply(
    step: SubscriptionIntent, key: str | None, *, customer: Customer, provision: Provision, now: datetime
) -> Subscription:
    by: dict[str, Any] = {"provision": provision, "now": now}
    if step.action == START:
        return changes.start(
            customer, product=step.product, terms=step.terms, starts_at=step.starts_at, ends_at=step.ends_at,
            trial_ends_at=step.trial_ends_at, later=step.later, key=key, **by,
        )  # fmt: skip
    subscription = Subscription.objects.filter(key=step.subscription, customer=customer).first()
    if subscription is None:
        raise Outdated(Refusal("ended", f"{customer} has no subscription {step.subscription} any more."))
    if step.action == CONVERT:
        return changes.convert(
            subscription, terms=step.terms, at=step.starts_at, ends_at=step.ends_at, later=step.later,
            opportunity_id=provision.opportunity_id, **by,
        )  # fmt: skip
    if step.action == AMEND:
        return changes.amend(subscription, terms=step.terms, effective_at=step.starts_at, later=step.later, **by)
    if step.action == RENEW:
        return changes.renew(
            subscription, terms=step.terms, starts_at=step.starts_at, ends_at=step.ends_at, later=step.later, **by
        )
    if step.action == CANCEL:
        return endings.cancel(
            subscription, at=max(step.starts_at, now), reason="Cancelled by an amendment in Salesforce.", **by
        )
    raise Refusal("unknown_action", f"There is no action {step.action}.")
