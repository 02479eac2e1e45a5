"""What a compile must know beside the deal, in plain frozen values: catalogue, running subscriptions, settings, automation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from provisioning.subscriptions.spec import TermsSpec

USUAL_AMENDMENTS = (
    "Amendment", "Upgrade", "Downgrade", "Expansion", "Upsell", "Cross-Sell", "Add-On", "Existing Customer - Upgrade",
    "Existing Customer - Replacement", "Existing Customer - Downgrade",
)  # fmt: skip
USUAL_RENEWALS = ("Renewal", "Existing Customer - Renewal")


@dataclass(frozen=True, slots=True)
class OfferFacts:
    """A plan or an add-on as it is sold now. `published` False = only a draft; `features` maps feature key to itself given."""

    key: str
    name: str
    product: str
    product_name: str
    published: bool = True
    archived: bool = False
    per_seat: bool = False
    trial_days: int | None = None
    features: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FeatureFacts:
    """A feature; `kind` is boolean, numeric or metered."""

    key: str
    name: str
    kind: str
    archived: bool = False


@dataclass(frozen=True)
class Catalogue:
    """Everything that a mapping may name, by key."""

    plans: Mapping[str, OfferFacts] = field(default_factory=dict)
    add_ons: Mapping[str, OfferFacts] = field(default_factory=dict)
    features: Mapping[str, FeatureFacts] = field(default_factory=dict)

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Names of products, plans, add-ons and features by key."""
        offers = (*self.plans.values(), *self.add_ons.values())
        products = {each.product: each.product_name or each.product for each in offers}
        return products | {each.key: each.name for each in (*offers, *self.features.values())}


@dataclass(frozen=True)
class Running:
    """A customer's subscription of a product that runs, will run, or was a trial that ran out. Ends are exclusive, UTC.

    `status` is scheduled, trial, active, expired (or trial_expired) or cancelled; `terms` in order of their `effective_at`.
    """

    key: str
    product: str
    status: str
    starts_at: datetime
    terms: tuple[tuple[datetime, TermsSpec], ...]
    ends_at: datetime | None = None
    trial_ends_at: datetime | None = None
    cancelled_at: datetime | None = None
    is_trial: bool = False
    opportunity_id: str = ""
    features: frozenset[str] = frozenset()

    def terms_at(self, at: datetime) -> TermsSpec:
        """What is in force at an instant: the last that took effect, before all of them the first."""
        found = [spec for effective_at, spec in self.terms if effective_at <= at]
        return found[-1] if found else self.terms[0][1]

    def terms_after(self, at: datetime) -> list[tuple[datetime, TermsSpec]]:
        """Later terms that are already agreed."""
        return [(effective_at, spec) for effective_at, spec in self.terms if effective_at > at]


@dataclass(frozen=True)
class Rules:
    """The connection's settings that a compile follows."""

    ignore_unmapped: bool = False
    trial_days: int = 14
    amendment_types: tuple[str, ...] = USUAL_AMENDMENTS
    renewal_types: tuple[str, ...] = USUAL_RENEWALS
    type_field: str = "Stigg_Type__c"
    id_field: str = "Stigg_ID__c"


@dataclass(frozen=True)
class AutomationRule:
    """An automation as decisions see it. `conditions` are {field, operator, value}; `paths` those of its callout's answer."""

    id: int
    name: str
    trigger: str
    stages: tuple[str, ...] = ()
    conditions: tuple[Mapping[str, Any], ...] = ()
    trial_days: int | None = None
    customer_path: str = ""
    subscription_path: str = ""
    is_active: bool = True
    version: int = 1
