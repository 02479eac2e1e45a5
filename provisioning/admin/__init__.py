"""Back office of provisioning, by subject."""

from provisioning.admin import provisions, subscriptions
from provisioning.automations import admin as automations
from provisioning.catalogue import admin as catalogue

__all__ = ["automations", "catalogue", "provisions", "subscriptions"]
