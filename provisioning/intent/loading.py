"""What a compile must know, read from the database in a few queries; and the compile of a deal with all of it."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from integrations.models import Customer, CustomerAlias, Entity, RecordLink, SalesforceOrg
from integrations.salesforce.ids import is_id, to_18
from provisioning.connection import settings_of
from provisioning.intent.compile import compile_intent, customer_of
from provisioning.intent.deal import Deal
from provisioning.intent.facts import (
    USUAL_AMENDMENTS,
    USUAL_RENEWALS,
    AutomationRule,
    Catalogue,
    FeatureFacts,
    OfferFacts,
    Rules,
    Running,
)
from provisioning.intent.result import Intent, Problems
from provisioning.models import (
    Automation,
    Feature,
    Offer,
    OfferEntitlement,
    OfferVersion,
    Provision,
    ProvisioningSettings,
    Subscription,
    Term,
)
from provisioning.provision.customers import find_customer
from provisioning.subscriptions.spec import AddOnLine, OverrideLine, TermsSpec
from provisioning.subscriptions.terms import status_of


def rules_of(settings: ProvisioningSettings) -> Rules:
    """The settings of a connection as a compile follows them."""
    return Rules(
        ignore_unmapped=settings.unmapped_lines == ProvisioningSettings.Unmapped.IGNORE,
        trial_days=settings.trial_days,
        amendment_types=tuple(str(each) for each in settings.amendment_types) or USUAL_AMENDMENTS,
        renewal_types=tuple(str(each) for each in settings.renewal_types) or USUAL_RENEWALS,
        type_field=settings.type_field,
        id_field=settings.id_field,
    )


def rule_of(automation: Automation) -> AutomationRule:
    """An automation as decisions see it."""
    callout = automation.callout if isinstance(automation.callout, dict) else {}
    has_callout = bool(callout.get("url"))
    return AutomationRule(
        id=automation.pk or 0,
        name=automation.name,
        trigger=automation.trigger,
        stages=tuple(str(each) for each in automation.stages),
        conditions=tuple(each for each in automation.conditions if isinstance(each, dict)),
        trial_days=automation.trial_days,
        customer_path=str(callout.get("customer_path") or "") if has_callout else "",
        subscription_path=str(callout.get("subscription_path") or "") if has_callout else "",
        is_active=automation.is_active,
        version=automation.version,
    )


def load_catalogue() -> Catalogue:
    """Everything that a mapping may name, in its latest published version; four queries."""
    latest: dict[int, OfferVersion] = {}
    for version in OfferVersion.objects.exclude(published_at=None).order_by("number"):
        latest[version.offer_id] = version
    gives: defaultdict[int, set[str]] = defaultdict(set)
    lines = OfferEntitlement.objects.filter(version__in=[each.pk for each in latest.values()])
    for version_id, key in lines.values_list("version", "feature__key"):
        gives[version_id].add(key)
    plans: dict[str, OfferFacts] = {}
    add_ons: dict[str, OfferFacts] = {}
    for offer in Offer.objects.select_related("product"):
        version = latest.get(offer.pk)
        facts = OfferFacts(
            offer.key, offer.name, offer.product.key, offer.product.name,
            published=version is not None,
            archived=offer.archived_at is not None or offer.product.archived_at is not None,
            per_seat=version is not None and version.per_seat,
            trial_days=version.trial_days if version else None,
            features=frozenset(gives[version.pk]) if version else frozenset(),
        )  # fmt: skip
        (plans if offer.kind == Offer.Kind.PLAN else add_ons)[offer.key] = facts
    rows = Feature.objects.values_list("key", "name", "kind", "archived_at")
    features = {key: FeatureFacts(key, name, kind, at is not None) for key, name, kind, at in rows}
    return Catalogue(plans, add_ons, features)


def load_running(customer: Customer | None, *, now: datetime) -> tuple[Running, ...]:
    """All subscriptions of a customer with their terms, oldest first; the compile picks those that matter."""
    if customer is None:
        return ()
    rows = Subscription.objects.filter(customer=customer).select_related("product").order_by("id")
    found = list(rows)
    terms: defaultdict[int, list[Term]] = defaultdict(list)
    for term in _terms_of(found):
        terms[term.subscription_id].append(term)
    return tuple(_running(each, terms[each.pk], now) for each in found if terms[each.pk])


def accounts_with_customer(org: SalesforceOrg, account_ids: Iterable[str]) -> frozenset[str]:
    """Those accounts that may have a customer: linked ones, and those that were sold to before; two queries."""
    ids = [to_18(each) for each in set(account_ids) if is_id(each)]
    linked = RecordLink.objects.filter(org=org, entity=Entity.CUSTOMER, salesforce_id__in=ids).values_list(
        "salesforce_id", flat=True
    )
    sold = Provision.objects.filter(org=org, account_id__in=ids, customer__isnull=False).values_list("account_id", flat=True)
    return frozenset([*linked, *sold])


def names_known(names: Iterable[str]) -> frozenset[str]:
    """Those ids that a customer has, as its own or as an alias; two queries."""
    given = [each for each in set(names) if each]
    own = Customer.objects.filter(external_id__in=given).values_list("external_id", flat=True)
    aliases = CustomerAlias.objects.filter(kind="external_id", value__in=given).values_list("value", flat=True)
    return frozenset([*own, *aliases])


def _terms_of(subscriptions: Iterable[Subscription]) -> Iterable[Term]:
    with_parts = Term.objects.select_related("plan__offer").prefetch_related(
        "add_ons__version__offer",
        "overrides__feature",
        "plan__entitlements__feature",
        "add_ons__version__entitlements__feature",
    )
    return with_parts.filter(subscription__in=list(subscriptions)).order_by("effective_at", "id")


def _running(row: Subscription, terms: list[Term], now: datetime) -> Running:
    features = {each.feature.key for term in terms for each in term.plan.entitlements.all()}
    for term in terms:
        features |= {each.feature.key for add_on in term.add_ons.all() for each in add_on.version.entitlements.all()}
        features |= {each.feature.key for each in term.overrides.all()}
    by_time = {term.effective_at: _spec(term) for term in terms}  # of equal instants the last recorded counts
    return Running(
        key=row.key,
        product=row.product.key,
        status=status_of(row, now),
        starts_at=row.starts_at,
        terms=tuple(by_time.items()),
        ends_at=row.ends_at,
        trial_ends_at=row.trial_ends_at,
        cancelled_at=row.cancelled_at,
        is_trial=row.trial_ends_at is not None and row.converted_at is None,
        opportunity_id=row.opportunity_id,
        features=frozenset(features),
    )


def _spec(term: Term) -> TermsSpec:
    return TermsSpec(
        term.plan.offer.key,
        term.seats,
        tuple(AddOnLine(each.version.offer.key, each.quantity) for each in term.add_ons.all()),
        tuple(
            OverrideLine(each.feature.key, each.limit, each.unlimited, each.revoked, each.soft) for each in term.overrides.all()
        ),
    )


def compile_deal(
    org: SalesforceOrg, deal: Deal, automation: Automation, *, now: datetime, customer: Customer | None = None
) -> Intent | Problems:
    """The deal compiled with the connection's settings, the catalogue and what its customer has now.

    `customer`: who it is when that is known already (from a callout); else it follows from the account (ST-D8).
    """
    rule = rule_of(automation)
    owner = customer or find_customer(customer_of(deal, None)[1])
    return compile_intent(
        deal,
        settings=rules_of(settings_of(org)),
        catalogue=load_catalogue(),
        running=load_running(owner, now=now),
        automation=rule,
        now=now,
    )
