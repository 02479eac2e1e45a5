"""What a provision says about itself: columns from the deal, ids and addresses of what was made (ST-33, ST-39)."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings as site

from integrations.models import Customer
from provisioning.intent.deal import Deal
from provisioning.models import Provision, ProvisioningSettings, Subscription

NAME_LENGTH = 255


def facts_of(deal: Deal) -> dict[str, Any]:
    """Columns of a provision that repeat the deal."""
    return {"name": deal.name[:NAME_LENGTH], "account_id": deal.account_id, "account_name": deal.account_name[:NAME_LENGTH]}


def customer_url(customer: Customer) -> str:
    """The customer's page here, as Salesforce stores it."""
    return f"{site.BASE_URL}/provisioning/customers/{customer.pk}/"


def subscription_url(key: str) -> str:
    """The subscription's page here, as Salesforce stores it."""
    return f"{site.BASE_URL}/provisioning/subscriptions/{key}/"


def customer_result(customer: Customer) -> dict[str, Any]:
    """What the answer and the write-back say of the customer."""
    return {"customer_id": customer.external_id, "customer_url": customer_url(customer)}


def subscription_result(made: Sequence[Subscription]) -> dict[str, Any]:
    """What they say of the subscriptions."""
    keys = [each.key for each in made]
    return {"subscription_ids": keys, "subscription_urls": [subscription_url(key) for key in keys]}


def account_fields(settings: ProvisioningSettings) -> dict[str, str]:
    """Which of the two account fields hold what (ST-33); fields without a name are not written."""
    named = {settings.account_id_field: "customer_id", settings.account_url_field: "customer_url"}
    return {field: part for field, part in named.items() if field}


def opportunity_fields(settings: ProvisioningSettings) -> dict[str, str]:
    """The same for the opportunity (ST-D15)."""
    named = {settings.opportunity_id_field: "subscription_ids", settings.opportunity_url_field: "subscription_urls"}
    return {field: part for field, part in named.items() if field}


def wants_write_back(settings: ProvisioningSettings, provision: Provision) -> bool:
    """Whether anything of this provision is to be written into Salesforce."""
    automation = provision.automation
    if automation is not None and not automation.write_back:
        return False
    return bool(account_fields(settings) or opportunity_fields(settings))
