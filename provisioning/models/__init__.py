"""Catalogue, subscriptions, usage, automations and provisions."""

from provisioning.models.automations import AutomationVersion
from provisioning.models.catalogue import Feature, Offer, OfferEntitlement, OfferVersion, Product, ProductMapping, Reset
from provisioning.models.provisions import Automation, Delivery, Provision, ProvisioningSettings, ProvisionStep
from provisioning.models.subscriptions import (
    AccessChange,
    EventCount,
    PromotionalGrant,
    Subscription,
    SubscriptionEvent,
    Term,
    TermAddOn,
    TermOverride,
    UsageReport,
    UsageWindow,
)

__all__ = [
    "AccessChange", "Automation", "AutomationVersion", "Delivery", "EventCount", "Feature", "Offer", "OfferEntitlement",
    "OfferVersion", "Product", "ProductMapping", "PromotionalGrant", "Provision", "ProvisionStep",
    "ProvisioningSettings", "Reset", "Subscription", "SubscriptionEvent", "Term", "TermAddOn", "TermOverride",
    "UsageReport", "UsageWindow",
]  # fmt: skip
