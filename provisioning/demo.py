"""Fills a demonstration: a catalogue, the org set up as its administrator would, customers who signed up themselves, two deals.

Everything follows from the customers' names, so that filling again gives the same. The deals are moved in the demo org itself:
its flow calls, and the poll finds what did not call.
"""

import time
import zlib
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from integrations.access import Person
from integrations.models import Customer, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce.client import Client
from provisioning.catalogue import demo as catalogue_demo
from provisioning.connection import DOMAIN, settings_of
from provisioning.entitlements import promotions
from provisioning.mapping import demo as mapping_demo
from provisioning.metering.using import report
from provisioning.models import Feature, Offer, Provision, ProvisioningSettings, Subscription
from provisioning.provision import customers, poll
from provisioning.salesforce import demo as salesforce_demo
from provisioning.subscriptions import changes

WON, TRIAL = "Planning for everybody", "Insights for finance"
TERM = "Term_Months__c"
# Open deals of customers who have a contract: (end of the title, plan, seats, days until it ends)
CONTRACTS = (("More planners", "plan-planning-business", 20, 140), ("Planning, next year", "plan-planning-enterprise", 35, 12))
PATIENCE = 30.0  # seconds for the flow's call
PLANS = ("plan-planning-team", "plan-planning-business", "plan-forecasting-team", "plan-insights-enterprise")
METERED = (("feature-api-calls", 2_500), ("feature-workflow-runs", 45), ("feature-storage", 1))
CUSTOMERS, DAYS = 24, 30


def fill_catalogue(*, now: datetime) -> bool:
    """Products, features, plans and add-ons; False when there are some."""
    return catalogue_demo.fill(now)


def set_org_up(org: SalesforceOrg, *, user: Person | None, now: datetime) -> bool:
    """After the deployment: where products lead, people's rights, the key and the flow; False when it was done."""
    ProvisioningSettings.objects.filter(pk=settings_of(org).pk, term_field="").update(term_field=TERM)
    mapped = mapping_demo.fill(org, now=now)
    return salesforce_demo.switch_on(org, user=user, now=now) or mapped


def fill_subscriptions(*, user: Person | None, now: datetime) -> bool:
    """Customers who signed up by themselves (ST-04), with a month of usage and a grant; False when there are subscriptions."""
    if Subscription.objects.exists():
        return False
    customers = list(Customer.objects.filter(erased_at=None, merged_into=None).order_by("external_id")[:CUSTOMERS])
    offers = {each.key: each for each in Offer.objects.filter(key__in=PLANS).select_related("product")}
    for customer in customers:
        _sign_up(customer, offers[PLANS[_dice(customer, "plan", len(PLANS))]], user, now)
    rows = [row for customer in customers for row in _usage(customer, now)]
    for start in range(0, len(rows), 500):
        report(rows[start : start + 500], now=now)
    sso = Feature.objects.filter(key="feature-sso").first()
    if customers and sso is not None:
        until = now + timedelta(days=60)
        promotions.grant(customers[0], feature=sso.key, ends_at=until, reason="Trying single sign-on", actor=user, now=now)
    return True


def _sign_up(customer: Customer, offer: Offer, user: Person | None, now: datetime) -> None:
    started = now - timedelta(days=DAYS + _dice(customer, "start", 300))
    seats, trial = Decimal(3 + _dice(customer, "seats", 40)), _dice(customer, "trial", 6) == 0
    changes.start(
        customer, product=offer.product, plan=offer.key, seats=seats, starts_at=now - timedelta(days=9) if trial else started,
        trial_ends_at=now + timedelta(days=5) if trial else None, actor=user, now=now,
    )  # fmt: skip


def _usage(customer: Customer, now: datetime) -> list[dict[str, object]]:
    """Reports of a month, with keys of their own so that they count once."""
    return [
        {"customer": customer.external_id, "feature": feature, "amount": amount * (1 + _dice(customer, f"{feature}{day}", 9)),
         "action": "delta", "at": (now - timedelta(days=day, hours=3)).isoformat(),
         "idempotency_key": f"demo-{customer.external_id}-{feature}-{day}"}
        for feature, amount in METERED for day in range(0, DAYS, 6)
    ]  # fmt: skip


def start_contracts(org: SalesforceOrg, *, user: Person | None, now: datetime) -> int:
    """Contracts of the accounts whose amendment and renewal wait in the demo org, so that winning those shows a change."""
    started = 0
    if Provision.objects.filter(org=org).exists():
        return 0
    with client_for(org, domain=DOMAIN) as client:
        for title, plan, seats, days in CONTRACTS:
            query = f"SELECT AccountId, Account.Name FROM Opportunity WHERE Name LIKE '%{title}' AND IsClosed = false LIMIT 1"  # noqa: S608
            for row in client.query_all(query):
                started += _contract(org, row, Offer.objects.get(key=plan), seats, now + timedelta(days=days), user, now)
    return started


def _contract(
    org: SalesforceOrg, row: dict[str, Any], offer: Offer, seats: int, ends_at: datetime, user: Person | None, now: datetime
) -> int:
    account, name = str(row["AccountId"]), str(row["Account"]["Name"])
    customer = customers.linked_customer(org, account)
    if customer is None:
        customer, _ = customers.ensure_customer(customers.derived_id(account), name=name, now=now)
        customers.link_account(customer, org=org, account_id=account, now=now)
    if Subscription.objects.filter(customer=customer, product=offer.product).exists():
        return 0
    changes.start(
        customer, product=offer.product, plan=offer.key, seats=Decimal(seats), starts_at=ends_at - timedelta(days=365),
        ends_at=ends_at, org=org, account_id=account, actor=user, now=now,
    )  # fmt: skip
    return 1


def win_deals(org: SalesforceOrg, *, now: datetime) -> int:
    """Win one deal in the demo org, and start the pilot of another; how many were moved. Waits for the flow's call."""
    if Provision.objects.filter(org=org).exists():
        return 0
    moved = 0
    with client_for(org, domain=DOMAIN) as client:
        for title, stage in ((WON, "Closed Won"), (TRIAL, "Proof of Concept")):
            rows = client.query_all(f"SELECT Id FROM Opportunity WHERE Name LIKE '%{title}' AND IsClosed = false LIMIT 1")  # noqa: S608
            for row in rows:
                _begin_today(client, row["Id"], now)
                body = {"StageName": stage, "CloseDate": f"{now:%Y-%m-%d}"}
                client.request("PATCH", f"sobjects/Opportunity/{row['Id']}", json=body)
                moved += 1
    ends = time.monotonic() + PATIENCE
    while moved and time.monotonic() < ends and not Provision.objects.filter(org=org, kind="won").exists():
        time.sleep(0.5)
    poll.poll(org, now=now)
    return moved


def _begin_today(client: Client, opportunity_id: str, now: datetime) -> None:
    """What was sold starts today, as its rep would say."""
    soql = f"SELECT Id FROM OpportunityLineItem WHERE OpportunityId = '{opportunity_id}'"  # noqa: S608
    for line in client.query_all(soql):
        client.request("PATCH", f"sobjects/OpportunityLineItem/{line['Id']}", json={"ServiceDate": f"{now:%Y-%m-%d}"})


def _dice(customer: Customer, what: str, sides: int) -> int:
    return zlib.crc32(f"{customer.external_id}:{what}".encode()) % sides
