"""Answering one question about one customer straight from the database (ST-D19); the fast front does it from memory."""

from datetime import datetime

from provisioning.entitlements.access import find_customer, load_access
from provisioning.entitlements.deciding import (
    CUSTOMER_NOT_FOUND,
    NOT_FOUND,
    Amount,
    CustomerAccess,
    Decision,
    decide,
    fall_back,
    not_found,
)
from provisioning.entitlements.reach import Reach, is_in_reach


def access_of(
    customer: str, *, as_of: datetime | None = None, now: datetime, within: Reach = None
) -> CustomerAccess | None:  # fmt: skip
    """What the customer with this external id or alias may do; None when nobody knows it, or it is not `within` reach."""
    if "\0" in customer or len(customer) > 255:
        return None
    found = find_customer(customer)
    if found is None or not is_in_reach(found, within):
        return None
    return load_access([found.pk], as_of=as_of, now=now).get(found.pk)


def check(
    customer: str, feature: str, *, requested: Amount | None = None, as_of: datetime | None = None,
    fallback: bool | None = None, now: datetime,
) -> Decision:  # fmt: skip
    """Whether the customer may use the feature (or `requested` more of it) now, or at `as_of` with the usage of then.

    Nothing is guessed: an unknown customer or feature is not granted, unless the caller says what counts then (`fallback`),
    which the answer marks as such. The reason stays in either case.
    """
    access = access_of(customer, as_of=as_of, now=now)
    return decision_on(access, feature, requested=requested, fallback=fallback, at=as_of or now)


def decision_on(
    access: CustomerAccess | None, feature: str, *, requested: Amount | None = None, fallback: bool | None = None,
    at: datetime,
) -> Decision:  # fmt: skip
    """The same for a customer that was looked up already; None = nobody knows it."""
    if access is None:
        decision = not_found(CUSTOMER_NOT_FOUND, feature, requested=requested)
    else:
        decision = decide(access, feature, requested=requested, now=at)
    return fall_back(decision, fallback) if fallback is not None and decision.reason in NOT_FOUND else decision
