"""What is tidied up by the clock: ended subscriptions are noted, erased customers keep nothing. Access needs none of it."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from integrations.models import Customer
from integrations.sync import retrying
from integrations.sync.matching.links import Record
from provisioning.entitlements.changed import note_changes
from provisioning.models import PromotionalGrant, Provision, Subscription, SubscriptionEvent, UsageReport, UsageWindow
from provisioning.subscriptions.finding import in_state
from provisioning.subscriptions.recording import By, note, release_if_over
from provisioning.subscriptions.terms import status_of

MOST = 1_000
"""Rows a turn; the next turn takes the rest."""
BOUNDARY = timedelta(minutes=6)
"""A little longer than the pause between two turns, so that no boundary is missed."""
ERASED = "Erased on request."


def expire(*, now: datetime) -> int:
    """Let go of the product of what ended, and write into its timeline that it expired; how many."""
    over = in_state("expired", now) | in_state("cancelled", now)
    ended = Subscription.objects.exclude(running_key=None).filter(over).order_by("pk").values_list("pk", flat=True)
    return sum(_expire(pk, now) for pk in list(ended[:MOST]))


def _expire(pk: int, now: datetime) -> bool:
    def work() -> bool:
        row = Subscription.objects.select_for_update(of=("self",)).filter(pk=pk).first()
        return row is not None and row.running_key is not None and release_if_over(row, now=now)

    return retrying.in_transaction(work, repeatable=True)


def note_boundaries(*, now: datetime) -> int:
    """Tell every process of customers whose access the clock has just changed; they follow it anyway. How many."""
    near = (now - BOUNDARY, now)
    moments = Q()
    for name in ("starts_at", "ends_at", "trial_ends_at", "converted_at", "cancelled_at", "terms__effective_at"):
        moments |= Q(**{f"{name}__range": near})
    customers = set(Subscription.objects.filter(moments).values_list("customer_id", flat=True)[:MOST])
    grants = PromotionalGrant.objects.filter(Q(starts_at__range=near) | Q(ends_at__range=near))
    customers |= set(grants.values_list("customer_id", flat=True)[:MOST])
    note_changes(customers, now=now)
    return len(customers)


def forget_erased(*, now: datetime) -> int:
    """Customers that were erased keep no access, no usage, and nothing that names them or their deals; how many (I-23)."""
    gone = list(Customer.objects.exclude(erased_at=None).values_list("pk", flat=True))
    done: list[int] = []
    for start in range(0, len(gone), MOST):
        done += sorted(_with_traces(gone[start : start + MOST]))
    for pk in done:
        forget_customer(pk, now=now)
    return len(done)


def forget_customer(customer_id: int, *, now: datetime) -> None:
    """End what runs and take out what names the customer; the bare fact that something was sold stays."""
    with transaction.atomic():
        for row in Subscription.objects.select_for_update(of=("self",)).filter(customer=customer_id):
            if status_of(row, now) not in ("cancelled", "expired"):
                row.cancelled_at = now
                note(row, "cancelled", "The customer was erased.", effective_at=now, by=By(), now=now)
            row.running_key, row.account_id, row.opportunity_id, row.cancel_reason = None, "", "", ERASED
            row.updated_at = now
            row.save()
        events = SubscriptionEvent.objects.filter(subscription__customer=customer_id)
        events.exclude(detail={}).update(detail={})
        events.filter(action__in=("cancelled", "trial_ended")).update(sentence="It ended.")  # reasons were typed by people
        grants = PromotionalGrant.objects.filter(customer=customer_id)
        grants.filter(revoked_at=None).update(revoked_at=now)
        grants.exclude(reason="").update(reason="")
        UsageReport.objects.filter(customer=customer_id).delete()
        UsageWindow.objects.filter(customer=customer_id).delete()
        deals = Provision.objects.filter(customer=customer_id)
        deals.update(name="", account_name="", sentence="", problems=[], facts={}, intent={}, result={})
        note_changes([customer_id], now=now)


def on_erased(record: Record, now: datetime) -> None:
    """In the transaction that erases a customer: its access ends at once."""
    if isinstance(record, Customer):
        forget_customer(record.pk, now=now)


def _with_traces(customer_ids: list[int]) -> set[int]:
    """Those of whom anything of provisioning is still there."""
    mine = Q(customer__in=customer_ids)
    found = set(Subscription.objects.filter(mine).exclude(cancel_reason=ERASED).values_list("customer_id", flat=True))
    found |= set(PromotionalGrant.objects.filter(mine, revoked_at=None).values_list("customer_id", flat=True))
    found |= set(UsageWindow.objects.filter(mine).values_list("customer_id", flat=True))
    return found | set(UsageReport.objects.filter(mine).values_list("customer_id", flat=True).distinct())
