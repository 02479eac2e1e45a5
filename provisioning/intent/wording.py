"""An intent in words for people. Pure."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from provisioning.intent.dates import day_of, day_words, zone_of
from provisioning.intent.result import AMEND, CANCEL, CONVERT, RENEW, START, Intent, SubscriptionIntent
from provisioning.subscriptions.spec import OverrideLine, TermsSpec

VERBS = {START: "a new subscription of {product}", CONVERT: "a paid subscription of {product} from the trial",
         AMEND: "a change of {product}", RENEW: "a renewal of {product}", CANCEL: "the end of {product}"}  # fmt: skip


def sentence_of(intent: Intent, names: Mapping[str, str], *, zone: str) -> str:
    """`a new subscription of Platform: Pro with 20 seats, 1 × Support, from Jan 1, 2027 until Jan 1, 2028`

    `names`: of products, plans, add-ons and features by key; what has none is told by its key. Days are those of `zone`.
    """
    told = {each.key: each.key_name for each in intent.lines if each.key_name} | dict(names)
    return "; and ".join(words_of(each, told, zone_of(zone)) for each in intent.subscriptions)


def words_of(step: SubscriptionIntent, names: Mapping[str, str], zone: ZoneInfo) -> str:
    """One subscription of an intent."""
    product = names.get(step.product, step.product)
    is_trial = step.action == START and step.trial_ends_at is not None
    verb = f"a trial of {product}" if is_trial else VERBS[step.action].format(product=product)
    if step.action == CANCEL:
        return f"{verb} on {_day(step.starts_at, zone)}"
    end = step.trial_ends_at if is_trial else step.ends_at
    until = f" until {_day(end, zone)}" if end is not None else ""
    return f"{verb}: {terms_words(step.terms, names)}, from {_day(step.starts_at, zone)}{until}"


def terms_words(terms: TermsSpec, names: Mapping[str, str]) -> str:
    """`Pro with 20 seats, 1 × Support, API calls 500`"""
    seats = f" with {_number(terms.seats)} {'seat' if terms.seats == 1 else 'seats'}" if terms.seats is not None else ""
    add_ons = [f"{_number(each.quantity)} × {names.get(each.key, each.key)}" for each in terms.add_ons]
    limits = [limit_words(each, names) for each in terms.overrides]
    return ", ".join([f"{names.get(terms.plan, terms.plan)}{seats}", *add_ons, *limits])


def limit_words(line: OverrideLine, names: Mapping[str, str]) -> str:
    """`API calls unlimited`"""
    name = names.get(line.feature, line.feature)
    if line.revoked:
        return f"{name} taken away"
    if line.unlimited:
        return f"{name} unlimited"
    return f"{name} {_number(line.limit)}" if line.limit is not None else name


def _day(at: datetime, zone: ZoneInfo) -> str:
    return day_words(day_of(at, zone))


def _number(number: Decimal) -> str:
    text = f"{number:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
