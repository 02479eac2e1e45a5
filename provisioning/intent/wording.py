"""An intent in words for people. Pure."""

from decimal import Decimal

from provisioning.intent.result import AMEND, CANCEL, CONVERT, RENEW, START, Intent, SubscriptionIntent
from provisioning.subscriptions.spec import OverrideLine, TermsSpec

VERBS = {START: "a new subscription", CONVERT: "a paid subscription from the trial", AMEND: "a change of {key}",
         RENEW: "a renewal of {key}", CANCEL: "the end of {key}"}  # fmt: skip


def sentence_of(intent: Intent) -> str:
    """`a new subscription: plan-pro with 20 seats, 1 addon-support, from 2027-01-01 until 2028-01-01`"""
    return "; and ".join(words_of(each) for each in intent.subscriptions)


def words_of(step: SubscriptionIntent) -> str:
    """One subscription of an intent."""
    verb = VERBS[step.action].format(key=step.subscription)
    if step.action == START and step.trial_ends_at is not None:
        verb = "a trial"
    when = f"from {step.starts_at:%Y-%m-%d}"
    end = step.trial_ends_at if step.action == START and step.trial_ends_at else step.ends_at
    until = f" until {end:%Y-%m-%d}" if end is not None and step.action != CANCEL else ""
    return f"{verb}: {terms_words(step.terms)}, {when}{until}"


def terms_words(terms: TermsSpec) -> str:
    """`plan-pro with 20 seats, 1 addon-support, feature-calls 500`"""
    seats = f" with {_number(terms.seats)} {'seat' if terms.seats == 1 else 'seats'}" if terms.seats is not None else ""
    add_ons = [f"{_number(each.quantity)} {each.key}" for each in terms.add_ons]
    return ", ".join([f"{terms.plan}{seats}", *add_ons, *(limit_words(each) for each in terms.overrides)])


def limit_words(line: OverrideLine) -> str:
    """`feature-calls unlimited`"""
    if line.revoked:
        return f"{line.feature} revoked"
    if line.unlimited:
        return f"{line.feature} unlimited"
    return f"{line.feature} {_number(line.limit)}" if line.limit is not None else line.feature


def _number(number: Decimal) -> str:
    return f"{number.normalize():f}"
