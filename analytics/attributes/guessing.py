"""Which field of an org most likely holds an attribute: by the words of its name and label, and by its type. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from analytics.attributes.catalogue import BY_KEY
from analytics.attributes.checking import misfit
from integrations.salesforce.describe import FieldInfo, ObjectInfo

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_OTHER = re.compile(r"[^a-z0-9]+")
_SUFFIX = re.compile(r"__(c|pc|r)\Z", re.IGNORECASE)
_NAMESPACE = re.compile(r"\A[A-Za-z][A-Za-z0-9]{0,14}__(?=\w+__(c|pc)\Z)")


@dataclass(frozen=True, slots=True)
class Rule:
    """Phrases that name an attribute, the most telling first. A field with a word of `without` is something else."""

    phrases: tuple[str, ...]
    without: tuple[str, ...] = ()


_TABLE = """
linking_id: linking id, product account id, product customer id, app account id, workspace id, tenant id, organization id,
    account key, workspace key, customer id, customer number, external account id, external id, account external id, domain
    key | parent legacy previous salesforce
industry: industry, sector, vertical | code desc sic naics
region: region, sales region, territory, country | code sub shipping
source: account source, lead source, acquisition source, acquisition channel, source | data system id url
seats: seats, seat allocation, seats allocated, number of seats, seat count, licensed seats, licenses, user licenses,
    licensed users, purchased seats | per price used active arr mrr
trial_start: trial start, trial started, trial start date, free trial start, trial began, trial begin, trial since, trial
    date, start of trial | end expiry
trial_end: trial end, trial ended, trial end date, trial expires, trial expiry, trial expiration, trial until, end of trial
    | start
paid_start: paid start, paid since, paid start date, customer since, paying since, subscription start, subscription started,
    first paid, converted on, conversion date, became customer, first payment | end last trial
churn_date: churn date, churned on, churned at, churn, churned, date of churn, cancellation date, cancelled on, canceled on,
    terminated on, termination date, lost on, customer until, subscription ended | risk reason score probability type notes
upsell_date: upsell date, upsold on, last upsell, upgrade date, upgraded on, expansion date, last upgrade | down
downgrade_date: downgrade date, downgraded on, last downgrade, contraction date
renewal_date: last renewal, last renewal date, renewed on, renewal date, renews on, next renewal, renewal | price amount
    term status owner
winback_date: winback date, win back date, won back on, winback, win back, reactivated on, reactivation date, returned on
plan: plan, subscription plan, plan name, pricing plan, edition, package, subscription tier, tier | project account
nps_score: nps score, nps, net promoter score, promoter score, nps rating, recommendation score | date on comment
csat_score: csat score, csat, satisfaction score, customer satisfaction, satisfaction, satisfaction rating | date on comment
ces_score: ces score, ces, customer effort score, effort score, customer effort, effort rating | date on comment hours level
score: score, rating, answer, value, response, result | date on comment
answered: answered on, answered at, responded on, response date, submitted on, submitted at, survey date, completed on,
    completed date, nps date, csat date, ces date, date | created modified sent due start end
tx_amount: amount, total price, total amount, net amount, price, value | discount list tax unit
tx_recurring_yearly: arr, annual recurring revenue, annual value, annual contract value, acv, yearly value, annual amount |
    per seat weighted new
tx_recurring_monthly: mrr, monthly recurring revenue, monthly value, monthly amount, monthly fee | per seat weighted new
tx_quantity: quantity, seats, licenses, units | available used
tx_start: service start, start date, service start date, subscription start, subscription start date, contract start, term
    start, begin date, effective date, starts on, start | trial actual
tx_end: end date, service end, service end date, subscription end, subscription end date, contract end, term end, expiration
    date, expires on, ends on, end | trial actual
tx_months: term months, contract term, subscription term, term in months, contract months, duration months, months, term |
    notice renewal payment special
billing_period: billing period, billing frequency, charge type, recurrence, revenue type, contract type
product: product name, product, package, plan, edition | code id
touched: sent date, delivered date, delivered on, sent on, sent at, touch date | responded
"""
"""A rule a line: its phrases, then the words that make a field something else."""


def _read_rules(table: str) -> dict[str, Rule]:
    """The rules of the table; a line that is indented goes on with the one before."""
    found = {}
    for line in table.strip().replace("\n    ", " ").splitlines():
        key, _, rest = line.partition(":")
        phrases, _, without = rest.partition("|")
        found[key] = Rule(tuple(each.strip() for each in phrases.split(",")), tuple(without.split()))
    return found


PART, WORD = 100, 200
RULES: Mapping[str, Rule] = _read_rules(_TABLE)
SURVEY = ("nps", "csat", "ces", "survey", "feedback", "satisfaction", "effort", "promoter")
SUBSCRIPTION = ("subscription", "license", "licence", "entitlement", "recurring", "contract line", "service term")


def plain(name: str) -> str:
    """A name as words: `Customer_Since__c` and `customerSince` are "customer since"; namespaces and suffixes are dropped."""
    bare = _SUFFIX.sub("", _NAMESPACE.sub("", name))
    return " ".join(word for word in _OTHER.split(_CAMEL.sub(" ", bare).lower()) if word)


def rank(rule: Rule, names: Iterable[str]) -> int | None:
    """How well one of these names fits: 0 is best, None not at all. A whole name fits better than a part, a part of several
    words better than one word."""
    found = []
    for text in (plain(name) for name in names):
        words = f" {text} "
        if any(f" {word} " in words for word in rule.without):
            return None
        for place, phrase in enumerate(rule.phrases):
            if text == phrase:
                found.append(place)
            elif f" {phrase} " in words:
                found.append(place + (PART if " " in phrase else WORD))
    return min(found) if found else None


@dataclass(frozen=True, slots=True)
class Guess:
    """A field that may hold an attribute; `misfit` says why its type cannot."""

    field: FieldInfo
    rank: int
    misfit: str = ""


def guesses(info: ObjectInfo | None, key: str, *, as_attribute: str = "") -> list[Guess]:
    """Fields whose names fit a rule, those that can hold the attribute first, then the better names.

    `as_attribute`: the attribute of the catalogue whose type counts; by default the rule's own key. Fields that we push into
    ourselves say nothing new and are left to the caller.
    """
    if info is None:
        return []
    desired = BY_KEY[as_attribute or key]
    found = []
    for field in info.fields:
        place = rank(RULES[key], (field.name, field.label))
        if place is not None:
            found.append(Guess(field, place, misfit(desired, field)))
    return sorted(found, key=lambda each: (bool(each.misfit), each.rank, not each.field.custom, each.field.name))


def best(info: ObjectInfo | None, key: str, *, as_attribute: str = "") -> FieldInfo | None:
    """The most likely field that can hold the attribute."""
    found = guesses(info, key, as_attribute=as_attribute)
    return found[0].field if found and not found[0].misfit else None


def wrong_type(info: ObjectInfo | None, key: str) -> str:
    """Why the field whose name fits cannot be used, "" when one can or none is named so."""
    found = guesses(info, key)
    return found[0].misfit if found and found[0].misfit else ""


def is_named(names: Iterable[str], words: Iterable[str]) -> bool:
    """Whether a name contains one of these phrases as whole words."""
    texts = [f" {plain(name)} " for name in names]
    return any(f" {word} " in text for word in words for text in texts)


def contract_type_of(value: str) -> str:
    """What a picklist value says about the contract: one_time, trial or recurring."""
    text = f" {plain(value)} "
    if any(f" {word} " in text for word in ("trial", "poc", "pilot", "evaluation")):
        return "trial"
    once = ("service", "services", "training", "one time", "onetime", "once", "implementation", "setup", "set up", "consulting",
            "hardware", "onboarding", "migration", "workshop", "perpetual")  # fmt: skip
    return "one_time" if any(f" {word} " in text for word in once) else "recurring"


def campaign_state_of(value: str) -> str:
    """How far the message came, by the status of a campaign member: one of `CAMPAIGN_STATES`, "" = not sent."""
    text = f" {plain(value)} "
    for state, words in (
        ("", ("planned", "draft", "not sent", "scheduled", "bounced", "suppressed", "no response", "unsubscribed")),
        ("responded", ("responded", "registered", "attended", "replied", "converted", "accepted", "signed up", "visited")),
        ("clicked", ("clicked", "click")),
        ("opened", ("opened", "open", "read", "viewed")),
        ("delivered", ("delivered", "received", "mailed")),
    ):
        if any(f" {word} " in text for word in words):
            return state
    return "sent"
