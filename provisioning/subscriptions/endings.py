"""How a subscription ends and comes back: cancelling, reactivating, trials extended or ended. Each in one transaction."""

from datetime import datetime

from django.db import transaction

from integrations.access import Person, Refusal
from provisioning.models import Provision, Subscription
from provisioning.subscriptions.naming import zone_told
from provisioning.subscriptions.recording import OVER, By, claim_product, locked, note, release_if_over, set_times, was_done
from provisioning.subscriptions.resolving import BadTerms
from provisioning.subscriptions.terms import end_of, in_trial, status_of
from provisioning.subscriptions.wording import moment_words

LONGEST_REASON = 255


def cancel(
    subscription: Subscription, *, at: datetime | None = None, at_period_end: bool = False, reason: str = "",
    provision: Provision | None = None, actor: Person | None = None, now: datetime,
) -> Subscription:  # fmt: skip
    """Stop it now, at `at` (UTC, not in the past), or at the end of its period. Cancelled twice, nothing changes."""
    by = By(actor, provision)
    if len(reason) > LONGEST_REASON:
        raise BadTerms([("reason", f"has at most {LONGEST_REASON} characters, not {len(reason)}.")])
    with transaction.atomic():
        row = locked(subscription)
        status = status_of(row, now)
        if status == "cancelled" or was_done(row, "cancelled", by):
            return row
        if status == "expired":
            raise Refusal("ended", f"{row.key} expired already.")
        when = _when(row, at, at_period_end=at_period_end, now=now)
        if when == row.cancelled_at:
            return row
        shown = set_times(row, now=now, cancelled_at=when, cancel_reason=reason)
        if status_of(row, now) in OVER:
            set_times(row, now=now, running_key=None)
        words = f"Cancelled from {moment_words(when, zone_told(row.org, provision))}{': ' + reason if reason else ''}."
        note(row, "cancelled", words, effective_at=when, detail={"times": shown}, by=by, now=now)
        return row


def reactivate(subscription: Subscription, *, actor: Person | None = None, now: datetime) -> Subscription:
    """Take a cancellation back, before or after it took effect; not once the period is over."""
    with transaction.atomic():
        row = locked(subscription)
        if row.cancelled_at is None:
            raise Refusal("not_cancelled", f"{row.key} is not cancelled.")
        running_key = claim_product(row.customer_id, row.product_id, besides=row.pk, now=now)
        shown = set_times(row, now=now, cancelled_at=None, cancel_reason="", running_key=running_key)
        if status_of(row, now) in OVER:
            raise Refusal("ended", f"The period of {row.key} is over; renew it instead.")
        note(
            row,
            "reactivated",
            "The cancellation was taken back.",
            effective_at=now,
            detail={"times": shown},
            by=By(actor),
            now=now,
        )
        return row


def extend_trial(
    subscription: Subscription, *, trial_ends_at: datetime, provision: Provision | None = None, actor: Person | None = None,
    now: datetime,
) -> Subscription:  # fmt: skip
    """Let a trial last until `trial_ends_at` (UTC, later than now and than before); one that ended runs again (ST-D11)."""
    by = By(actor, provision)
    with transaction.atomic():
        row = locked(subscription)
        old = _trial_end(row)
        if trial_ends_at <= max(now, old):
            raise BadTerms([("trial_ends_at", f"must lie after {moment_words(max(now, old))}.")])
        if status_of(row, now) == "cancelled":
            raise Refusal("cancelled", f"{row.key} was cancelled; reactivate it first.")
        running_key = claim_product(row.customer_id, row.product_id, besides=row.pk, now=now)
        shown = set_times(row, now=now, trial_ends_at=trial_ends_at, running_key=running_key)
        zone = zone_told(row.org, provision)
        words = f"Trial extended from {moment_words(old, zone)} to {moment_words(trial_ends_at, zone)}."
        note(row, "trial_extended", words, effective_at=now, detail={"times": shown}, by=by, now=now)
        return row


def end_trial(
    subscription: Subscription, *, reason: str = "", provision: Provision | None = None, actor: Person | None = None,
    now: datetime,
) -> Subscription:  # fmt: skip
    """End a trial now, because the deal was lost (ST-D11); one that has not begun never begins. One that is over or converted
    stays as it is."""
    by = By(actor, provision)
    with transaction.atomic():
        row = locked(subscription)
        if row.trial_ends_at is not None and row.converted_at is None and status_of(row, now) == "scheduled":
            return cancel(row, reason=reason, provision=provision, actor=actor, now=now)
        if row.converted_at is not None or not in_trial(row, now):
            return row
        shown = set_times(row, now=now, trial_ends_at=now)
        note(row, "trial_ended", f"Trial ended{': ' + reason if reason else ''}.", effective_at=now, detail={"times": shown},
             by=by, now=now)  # fmt: skip
        release_if_over(row, now=now)
        return row


def _when(row: Subscription, at: datetime | None, *, at_period_end: bool, now: datetime) -> datetime:
    if at_period_end:
        end = row.ends_at or (row.trial_ends_at if row.converted_at is None else None)
        if end is None:
            raise Refusal("open_end", f"{row.key} has no end of period; say from when it is cancelled.")
        return end
    when = at or now
    if when < now:
        raise BadTerms([("at", "must not lie in the past.")])
    end = end_of(row)
    if row.cancelled_at is None and end is not None and when > end:
        raise BadTerms([("at", f"must not lie after the end, {moment_words(end)}.")])
    return when


def _trial_end(row: Subscription) -> datetime:
    if row.trial_ends_at is None or row.converted_at is not None:
        raise Refusal("not_a_trial", f"{row.key} is no trial.")
    return row.trial_ends_at
