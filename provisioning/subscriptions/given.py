"""What callers give to the verbs of subscriptions, made plain: terms in whole or in parts, products, keys, instants."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from integrations.access import Refusal
from integrations.models import SalesforceOrg
from provisioning.models import OfferVersion, Product, Provision, Subscription
from provisioning.subscriptions.recording import new_key
from provisioning.subscriptions.resolving import BadTerms
from provisioning.subscriptions.spec import AddOnLine, OverrideLine, TermsSpec
from provisioning.subscriptions.wording import moment_words

Lines = Iterable[tuple[str, Decimal]]
Limits = Iterable[OverrideLine]
LONGEST_KEY = 120


def wanted_terms(
    terms: TermsSpec | None, plan: OfferVersion | str | None, seats: Decimal | None, add_ons: Lines, overrides: Limits
) -> tuple[TermsSpec, OfferVersion | None]:
    """The terms of a new subscription, and the version of the plan when one was chosen."""
    if terms is not None:
        return terms, plan if isinstance(plan, OfferVersion) else None
    if plan is None:
        raise BadTerms([("plan", "Name a plan.")])
    version = plan if isinstance(plan, OfferVersion) else None
    key = version.offer.key if version else str(plan)
    return TermsSpec(key, seats, _lines(add_ons), _limits(overrides)), version


def merged_terms(
    base: TermsSpec | None, plan: OfferVersion | str | None, seats: Decimal | None, add_ons: Lines | None,
    overrides: Limits | None,
) -> TermsSpec:  # fmt: skip
    """The terms that hold with what was given in place of theirs; what is None stays."""
    if base is None:
        raise BadTerms([("effective_at", "lies before the first terms.")])
    key = plan.offer.key if isinstance(plan, OfferVersion) else plan or base.plan
    return TermsSpec(
        key,
        base.seats if seats is None else seats,
        base.add_ons if add_ons is None else _lines(add_ons),
        base.overrides if overrides is None else _limits(overrides),
    )


def _lines(add_ons: Lines) -> tuple[AddOnLine, ...]:
    return tuple(AddOnLine(*each) for each in add_ons)


def _limits(overrides: Limits) -> tuple[OverrideLine, ...]:
    return tuple(overrides)


def product_of(product: Product | str) -> Product:
    """The product, also by its key."""
    found = product if isinstance(product, Product) else Product.objects.filter(key=product).first()
    if found is None:
        raise BadTerms([("product", f"There is no product “{str(product)[:120]}”.")])
    return found


def origin_of(
    provision: Provision | None, org: SalesforceOrg | None, account_id: str, opportunity_id: str
) -> tuple[SalesforceOrg | None, str, str]:
    """Connection, account and opportunity that it was sold by; a provision knows them."""
    if provision is None:
        return org, account_id, opportunity_id
    return org or provision.org, account_id or provision.account_id, opportunity_id or provision.opportunity_id


def key_of(given: str | None) -> str:
    """The key that was asked for, if it is free, or a new one."""
    if not given:
        return new_key()
    if len(given) > LONGEST_KEY or not given.isprintable() or "/" in given:
        raise BadTerms([("key", f"has at most {LONGEST_KEY} printable characters, without a slash.")])
    if Subscription.objects.filter(key=given).exists():
        raise Refusal("key_taken", f"There is a subscription with the key “{given}” already.")
    return given


def check_times(starts_at: datetime, *, ends_at: datetime | None, trial_ends_at: datetime | None = None) -> None:
    """Ends come after the start; `BadTerms` names the wrong ones."""
    problems = []
    if ends_at is not None and ends_at <= starts_at:
        problems.append(("ends_at", f"must lie after the start, {moment_words(starts_at)}."))
    if trial_ends_at is not None and trial_ends_at <= starts_at:
        problems.append(("trial_ends_at", f"must lie after the start, {moment_words(starts_at)}."))
    if problems:
        raise BadTerms(problems)
