"""Step 3: the customer of an account (ST-31, ST-D8). The same account leads to the same customer, from wherever it comes."""

from datetime import datetime

from integrations.access import Refusal
from integrations.models import Customer, Entity, RecordLink, SalesforceOrg
from integrations.sync.matching import links, saving
from provisioning.models import Provision

ACCOUNT = "Account"
SOLD = "A deal of this account was provisioned for this customer."
LONGEST_ID = 255


def derived_id(account_id: str) -> str:
    """The id of a customer that nobody named: made from the 18-character account id."""
    return f"sf-{account_id}"


def linked_customer(org: SalesforceOrg, account_id: str) -> Customer | None:
    """The customer of an account: by its active link, else by what an earlier deal of the account was provisioned for."""
    if not account_id:
        return None
    active = RecordLink.objects.filter(
        org=org, entity=Entity.CUSTOMER, salesforce_id=account_id, state=RecordLink.State.ACTIVE, customer__erased_at=None
    )
    link = active.select_related("customer").order_by("-wins", "linked_at", "pk").first()
    if link is not None and link.customer is not None:
        return _standing(link.customer)
    earlier = Provision.objects.filter(org=org, account_id=account_id, customer__isnull=False, customer__erased_at=None)
    found = earlier.select_related("customer").order_by("-pk").first()
    return _standing(found.customer) if found is not None and found.customer is not None else None


def _standing(customer: Customer) -> Customer:
    """The customer itself, or the one that it was merged into."""
    if customer.merged_into_id is None:
        return customer
    return saving.customers_called([customer.external_id]).get(customer.external_id, customer)


def find_customer(external_id: str) -> Customer | None:
    """The customer with that id or alias; merged ones are replaced by those that stand for them."""
    return saving.customers_called([external_id]).get(external_id) if external_id else None


def ensure_customer(external_id: str, *, name: str, now: datetime) -> tuple[Customer, bool]:
    """The customer with that id, and whether it was made now. One that exists keeps its own name.

    Raises `Refusal` when the id is none, or belongs to a customer that was erased on request.
    """
    if not external_id or len(external_id) > LONGEST_ID:
        raise Refusal("no_customer_id", f"A customer id has 1 to {LONGEST_ID} characters; this one has {len(external_id)}.")
    found = find_customer(external_id)
    if found is not None:
        return found, False
    result = saving.save_customers([{"external_id": external_id, "name": name}], now=now).rows[0]
    if result.errors:
        raise Refusal("customer_refused", " ".join(text for texts in result.errors.values() for text in texts))
    if result.status != "created":
        return Customer.objects.get(pk=result.id), False
    return Customer(id=result.id, external_id=external_id, name=name, created_at=now, updated_at=now), True


def link_account(customer: Customer, *, org: SalesforceOrg, account_id: str, is_free: bool = False, now: datetime) -> str:
    """Link customer and account where both are free; else a sentence, because a link of others is not ours to move.

    `is_free`: both were just looked at, and neither has a link.
    """
    if not account_id:
        return ""
    own = None if is_free else links.link_of(customer, org)
    if own is not None:
        if own.salesforce_id == account_id and own.state == RecordLink.State.ACTIVE:
            return ""
        if own.state == RecordLink.State.APART:
            return "A person keeps this customer apart from Salesforce records; it was not linked with the account."
        return f"This customer is linked with {own.salesforce_id} already; the account was not linked."
    if links.object_of(org, Entity.CUSTOMER) != ACCOUNT:
        return "Customers of this connection are matched with another object than Account; no link was made."
    others = RecordLink.objects.filter(org=org, entity=Entity.CUSTOMER, salesforce_id=account_id, state=RecordLink.State.ACTIVE)
    other = None if is_free else others.select_related("customer").first()
    if other is not None:
        return f"The account is linked with {other.customer} already; no second link was made."
    links.link(customer, org=org, salesforce_id=account_id, actor=None, now=now, check=False, reason=SOLD)
    return ""
