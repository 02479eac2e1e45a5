"""The ways in which a subscription begins and changes (ST-05 to ST-07, ST-D5, ST-D7, ST-D11, ST-D12), each in one transaction.

Every verb locks the customer, writes the timeline and tells every process that access changed. A customer never has a second
running subscription of a product: the database refuses it. Given the same `provision` again, a verb changes nothing (I-19).
Terms are `TermsSpec`: the whole of what holds from then on. `later` are changes agreed now that take effect afterwards; terms
that were to take effect after the change and have not yet are replaced by it. All instants are UTC.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from integrations.access import Person, Refusal
from integrations.models import Customer, SalesforceOrg
from provisioning.metering.rewindowing import rewindow
from provisioning.models import OfferVersion, Product, Provision, Subscription, Term
from provisioning.subscriptions.given import (
    Limits,
    Lines,
    check_times,
    key_of,
    merged_terms,
    origin_of,
    product_of,
    wanted_terms,
)
from provisioning.subscriptions.naming import names_of, zone_told
from provisioning.subscriptions.recording import (
    OVER,
    By,
    add_term,
    claim_product,
    locked,
    locked_customer,
    next_terms,
    note,
    plan_changes,
    same_terms,
    set_times,
    started_by,
    terms_of,
    was_done,
)
from provisioning.subscriptions.resolving import BadTerms, Resolved, resolve, resolved_of
from provisioning.subscriptions.spec import TermsSpec
from provisioning.subscriptions.terms import status_of, term_at
from provisioning.subscriptions.wording import changed_words, moment_words, terms_words

Later = Sequence[tuple[datetime, TermsSpec]]


def start(
    customer: Customer, *, product: Product | str, terms: TermsSpec | None = None, plan: OfferVersion | str | None = None,
    seats: Decimal | None = None, add_ons: Lines = (), overrides: Limits = (), starts_at: datetime,
    ends_at: datetime | None = None, trial_ends_at: datetime | None = None, later: Later = (), key: str | None = None,
    org: SalesforceOrg | None = None, account_id: str = "", opportunity_id: str = "", provision: Provision | None = None,
    actor: Person | None = None, now: datetime,
) -> Subscription:  # fmt: skip
    """Begin a subscription at `starts_at`, as a trial when it has an end of trial. Terms: `terms`, or plan, seats and the rest.

    Refused (`already_subscribed`) while another one of the product runs or is scheduled; bad terms raise `BadTerms`.
    """
    by = By(actor, provision)
    spec, version = wanted_terms(terms, plan, seats, add_ons, overrides)
    check_times(starts_at, ends_at=ends_at, trial_ends_at=trial_ends_at)
    with transaction.atomic():
        locked_customer(customer.pk)
        sold = product_of(product)
        if (before := started_by(customer.pk, sold.pk, by)) is not None:
            return before
        resolved = resolve(spec, product=sold, plan=version)
        coming = [(at, resolve(each, product=sold, before=[])) for at, each in later]
        org, account_id, opportunity_id = origin_of(provision, org, account_id, opportunity_id)
        made = Subscription(
            key=key_of(key), customer=customer, product=sold, starts_at=starts_at, ends_at=ends_at, trial_ends_at=trial_ends_at,
            org=org, account_id=account_id, opportunity_id=opportunity_id, created_at=now, updated_at=now,
        )  # fmt: skip
        running_key = claim_product(customer.pk, sold.pk, now=now)
        made.running_key = None if status_of(made, now) in OVER else running_key
        made.save(force_insert=True)
        _write(made, [(starts_at, resolved), *coming], before=None, now=now)
        zone = zone_told(org, provision)
        words = f"{'Trial' if trial_ends_at else 'Subscription'} from {moment_words(starts_at, zone)}"
        end = trial_ends_at or ends_at
        words += f" until {moment_words(end, zone)}: {terms_words(resolved)}." if end else f": {terms_words(resolved)}."
        action = "trial_started" if trial_ends_at else "started"
        note(made, action, words, effective_at=starts_at, detail={"after": resolved.spec.as_dict()}, by=by, now=now)
        return made


def convert(
    subscription: Subscription, *, terms: TermsSpec | None = None, plan: OfferVersion | str | None = None,
    seats: Decimal | None = None, add_ons: Lines | None = None, overrides: Limits | None = None, at: datetime,
    ends_at: datetime | None = None, later: Later = (), opportunity_id: str = "", provision: Provision | None = None,
    actor: Person | None = None, now: datetime,
) -> Subscription:  # fmt: skip
    """Make a trial a paid subscription from `at` without a gap: a trial that would end before goes on until then (ST-D11).

    A trial that ended before can be converted as well, and so can one that was ended because the deal was lost. Terms as for
    `amend`: what is None stays as it was.
    """
    by = By(actor, provision)
    with transaction.atomic():
        row = locked(subscription)
        if was_done(row, "converted", by):
            return row
        if row.trial_ends_at is None or row.converted_at is not None:
            raise Refusal("not_a_trial", f"{row.key} is no trial; amend or renew it.")
        at = max(at, row.starts_at)
        check_times(at, ends_at=ends_at)
        running = status_of(row, now) not in OVER
        trial_end = max(row.trial_ends_at, at) if running else row.trial_ends_at
        running_key = claim_product(row.customer_id, row.product_id, besides=row.pk, now=now)
        base, version = _spec_at(row, at), plan if isinstance(plan, OfferVersion) else None
        spec = terms or merged_terms(base, plan, seats, add_ons, overrides)
        resolved = _replace_terms(row, spec, at=at, later=later, plan=version, now=now)
        changes = {"converted_at": at, "trial_ends_at": trial_end, "ends_at": ends_at, "cancelled_at": None}
        shown = set_times(row, now=now, running_key=running_key, cancel_reason="", **changes)
        if opportunity_id and row.opportunity_id != opportunity_id:
            set_times(row, now=now, opportunity_id=opportunity_id)
        when = moment_words(at, zone_told(row.org, provision))
        words = f"The trial becomes a subscription from {when}: {terms_words(resolved)}."
        detail = {"times": shown, "after": resolved.spec.as_dict()}
        note(row, "converted", words, effective_at=at, detail=detail, by=by, now=now)
        return row


def amend(
    subscription: Subscription, *, terms: TermsSpec | None = None, plan: OfferVersion | str | None = None,
    seats: Decimal | None = None, add_ons: Lines | None = None, overrides: Limits | None = None,
    effective_at: datetime, later: Later = (), provision: Provision | None = None, actor: Person | None = None, now: datetime,
) -> Subscription:  # fmt: skip
    """Change what it gives from `effective_at`; usage is kept, but a change of plan starts usage windows anew (ST-D12).

    Give `terms`, or only what changes: what is None stays as it is at that time.
    """
    by = By(actor, provision)
    with transaction.atomic():
        row = locked(subscription)
        if was_done(row, "amended", by):
            return row
        _must_run(row, now)
        at = max(effective_at, row.starts_at)
        if row.ends_at is not None and at >= row.ends_at:
            raise BadTerms([("effective_at", f"must lie before the end, {moment_words(row.ends_at)}.")])
        held = term_at(terms_of(row), at)
        base = resolved_of(held).spec if held else None
        spec = terms or merged_terms(base, plan, seats, add_ons, overrides)
        version = plan if isinstance(plan, OfferVersion) else None
        if held is not None and not later and same_terms(held, resolve(spec, product=row.product, before=[held], plan=version)):
            return row
        resolved = _replace_terms(row, spec, at=at, later=later, plan=version, now=now)
        changed = changed_words(base, resolved.spec, names_of(base, resolved.spec))
        words = f"From {moment_words(at, zone_told(row.org, provision))}: {changed}."
        detail = {"before": base.as_dict() if base else None, "after": resolved.spec.as_dict()}
        set_times(row, now=now)
        note(row, "amended", words, effective_at=at, detail=detail, by=by, now=now)
        return row


def renew(
    subscription: Subscription, *, terms: TermsSpec | None = None, plan: OfferVersion | str | None = None,
    seats: Decimal | None = None, add_ons: Lines | None = None, overrides: Limits | None = None,
    starts_at: datetime | None = None, ends_at: datetime | None, later: Later = (), provision: Provision | None = None,
    actor: Person | None = None, now: datetime,
) -> Subscription:  # fmt: skip
    """Extend it from its old end (or `starts_at`) until `ends_at` with the new terms, or with those that hold (ST-D12).

    One that expired meanwhile goes on without a gap; a cancellation at the end of the period is taken back.
    """
    by = By(actor, provision)
    with transaction.atomic():
        row = locked(subscription)
        if was_done(row, "renewed", by):
            return row
        if status_of(row, now) == "cancelled":
            raise Refusal("cancelled", f"{row.key} was cancelled; reactivate it or start a new one.")
        if row.trial_ends_at is not None and row.converted_at is None:
            raise Refusal("is_a_trial", f"{row.key} is a trial; convert it.")
        at = max(starts_at or row.ends_at or now, row.starts_at)
        if row.ends_at is not None:
            at = min(at, row.ends_at)  # no gap
        check_times(at, ends_at=ends_at)
        base, version = _spec_at(row, at), plan if isinstance(plan, OfferVersion) else None
        spec = terms or merged_terms(base, plan, seats, add_ons, overrides)
        running_key = claim_product(row.customer_id, row.product_id, besides=row.pk, now=now)
        resolved = _replace_terms(row, spec, at=at, later=later, plan=version, now=now)
        shown = set_times(row, now=now, ends_at=ends_at, cancelled_at=None, cancel_reason="", running_key=running_key)
        if status_of(row, now) in OVER:
            set_times(row, now=now, running_key=None)
        zone, changed = zone_told(row.org, provision), changed_words(base, resolved.spec, names_of(base, resolved.spec))
        words = f"Renewed from {moment_words(at, zone)} until {moment_words(ends_at, zone)}: {changed}."
        detail = {"times": shown, "before": base.as_dict() if base else None, "after": resolved.spec.as_dict()}
        note(row, "renewed", words, effective_at=at, detail=detail, by=by, now=now)
        return row


def change_plan_version(
    subscription: Subscription, *, version: OfferVersion, effective_at: datetime, actor: Person | None = None, now: datetime
) -> Subscription:
    """Move it to another published version of its plan or of one of its add-ons; all else, and usage, stays."""
    with transaction.atomic():
        row = locked(subscription)
        _must_run(row, now)
        at = max(effective_at, row.starts_at)
        terms = terms_of(row)
        held = term_at(terms, at)
        moved = [
            (max(term.effective_at, at), _moved(resolved_of(term), version)) for term in [held, *next_terms(terms, at)] if term
        ]
        changed = [(when, after) for when, after in moved if after is not None]
        if not changed:
            return row
        for when, after in changed:
            add_term(row, after, at=when, now=now)
        rewindow(row.customer_id, since=at, now=now)
        set_times(row, now=now)
        words = f"From {moment_words(at, zone_told(row.org, None))} on version {version.number} of {version.offer}."
        detail = {"offer": version.offer.key, "version": version.number}
        note(row, "version_changed", words, effective_at=at, detail=detail, by=By(actor), now=now)
        return row


def _moved(terms: Resolved, version: OfferVersion) -> Resolved | None:
    """The terms with that version in place of another one of the same offer; None when there is none."""
    if version.published_at is None:
        raise Refusal("draft", f"{version} is a draft; publish it first.")
    if terms.plan.offer_id == version.offer_id and terms.plan.pk != version.pk:
        if version.per_seat and terms.seats is None:
            raise BadTerms([("seats", f"{version} is sold by the seat; amend the subscription and say how many.")])
        return Resolved(version, terms.seats if version.per_seat else None, terms.add_ons, terms.overrides)
    add_ons = tuple((version if each.offer_id == version.offer_id else each, quantity) for each, quantity in terms.add_ons)
    changed = [each.pk for each, _ in add_ons] != [each.pk for each, _ in terms.add_ons]
    return Resolved(terms.plan, terms.seats, add_ons, terms.overrides) if changed else None


def _replace_terms(
    row: Subscription, spec: TermsSpec, *, at: datetime, later: Later, plan: OfferVersion | None = None, now: datetime
) -> Resolved:
    """Record `spec` from `at` on in place of what was to follow."""
    existing = terms_of(row)
    following = next_terms(existing, at)
    covered = {when for when, _ in later}
    passed = [term for term in following if term.effective_at <= now and term.effective_at not in covered]
    if passed:
        last = moment_words(passed[-1].effective_at)
        raise BadTerms([("effective_at", f"must not lie before the last change, {last}.")])
    upto = [term for term in existing if term.effective_at <= at]
    resolved = resolve(spec, product=row.product, before=upto[-1:], plan=plan)
    coming = [(when, resolve(each, product=row.product, before=existing)) for when, each in later if when > at]
    Term.objects.filter(pk__in=[term.pk for term in following if term.effective_at > now]).delete()
    before = resolved_of(upto[-1]) if upto else None
    _write(row, [(at, resolved), *coming], before=before, now=now)
    return resolved


def _write(row: Subscription, steps: Sequence[tuple[datetime, Resolved]], *, before: Resolved | None, now: datetime) -> None:
    for at, resolved in sorted(steps, key=lambda step: step[0]):
        add_term(row, resolved, at=at, resets_usage=plan_changes(before, resolved), now=now)
        before = resolved
    rewindow(row.customer_id, since=min(at for at, _ in steps), now=now)


def _spec_at(row: Subscription, at: datetime) -> TermsSpec | None:
    """The terms in force at an instant, in plain values."""
    held = term_at(terms_of(row), at)
    return resolved_of(held).spec if held else None


def _must_run(row: Subscription, now: datetime) -> None:
    if (status := status_of(row, now)) in OVER:
        raise Refusal("ended", f"{row.key} is {status}; {'reactivate' if status == 'cancelled' else 'renew'} it first.")
