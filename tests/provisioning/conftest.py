"""A connected demo org with the fields of provisioning and a small catalogue, and hands on both sides."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client as Browser
from django.utils import timezone

from integrations.models import Run, SalesforceOrg
from integrations.orgs.connect import OrgClient, client_for
from integrations.salesforce import metadata
from integrations.sync import runs
from integrations.sync.fields import granting
from integrations.sync.outbox import planning
from provisioning import connection, tasks
from provisioning.models import (
    Automation,
    Feature,
    Offer,
    OfferEntitlement,
    OfferVersion,
    Product,
    Provision,
    ProvisioningSettings,
    Subscription,
)
from provisioning.provision import intake, poll, warm
from provisioning.salesforce import package
from tests.demo import DemoOrgHandle

URL = "/api/v1/provisioning/salesforce/"
WON, LOST, OPEN, POC = "Closed Won", "Closed Lost", "Prospecting", "Proof of Concept"


@pytest.fixture(autouse=True)
def _patient_only_in_life(monkeypatch) -> None:
    """Waits between tries are not slept through, and no client outlives its connection."""
    monkeypatch.setattr(planning, "LOCK_WAITS", (0.0, 0.0, 0.0))
    monkeypatch.setattr(planning, "FIRST_POLL", 0.05)
    monkeypatch.setattr(intake, "ASK_EVERY", 0.0)
    warm.forget()
    cache.clear()


def publish(
    key: str, product: Product, gives: dict[str, dict[str, Any]], *, per_seat: bool = False, trial_days: int | None = None
) -> OfferVersion:
    """A published plan or add-on; `gives` are limits by feature key."""
    kind = Offer.Kind.PLAN if key.startswith("plan-") else Offer.Kind.ADDON
    offer = Offer.objects.create(key=key, name=key.partition("-")[2].title(), kind=kind, product=product)
    version = OfferVersion.objects.create(
        offer=offer, number=1, per_seat=per_seat, trial_days=trial_days, published_at=timezone.now() - timedelta(days=100)
    )
    for feature, values in gives.items():
        OfferEntitlement.objects.create(version=version, feature=Feature.objects.get(key=feature), **values)
    return version


@pytest.fixture
def catalogue(db) -> dict[str, Any]:
    """Product crm: plans basic and pro (by the seat), add-on support; features sso, projects and calls; product mail with a plan."""
    for key, kind in (("sso", "boolean"), ("projects", "numeric"), ("calls", "metered")):
        Feature.objects.create(key=f"feature-{key}", name=key.title(), kind=kind)
    crm, mail = Product.objects.create(key="crm", name="CRM"), Product.objects.create(key="mail", name="Mail")
    calls = {"limit": Decimal(100), "reset": "month"}
    return {
        "crm": crm, "mail": mail,
        "plan-basic": publish("plan-basic", crm, {"feature-projects": {"limit": Decimal(5)}, "feature-calls": calls}),
        "plan-pro": publish(
            "plan-pro", crm, {"feature-sso": {}, "feature-projects": {"limit": Decimal(50)}, "feature-calls": calls}, per_seat=True
        ),
        "addon-support": publish("addon-support", crm, {"feature-calls": {"limit": Decimal(10)}}),
        "plan-mail": publish("plan-mail", mail, {"feature-calls": calls}),
    }  # fmt: skip


def make_fields(org: SalesforceOrg, salesforce: OrgClient) -> None:
    """The fields of the default settings, visible to the integration user."""
    whole = package.package_of(package.Names())
    metadata.deploy(salesforce, whole)
    granting.assign(salesforce, org.user_id, package.WRITERS)


@dataclass
class Office:
    """Sell in the org, call as it would, poll and work as the worker does, look at both sides."""

    org: SalesforceOrg
    demo: DemoOrgHandle
    salesforce: OrgClient
    browser: Browser
    key: str = ""

    @property
    def settings(self) -> ProvisioningSettings:
        return connection.settings_of(self.org)

    # --- in Salesforce -----------------------------------------------------------------------------------------------------

    def query(self, soql: str) -> list[dict[str, Any]]:
        return list(self.salesforce.query_all(soql))

    def create(self, object_: str, **values: Any) -> str:
        return self.salesforce.request("POST", f"sobjects/{object_}", json=values).data["id"]

    def update(self, object_: str, record_id: str, **values: Any) -> None:
        self.salesforce.request("PATCH", f"sobjects/{object_}/{record_id}", json=values)

    def account(self, name: str = "Acme", **values: Any) -> str:
        return self.create("Account", Name=name, **values)

    def sold(self, mapping: str = "", *, name: str = "") -> str:
        """A price book entry of a new product that leads to `mapping`."""
        word = {"plan": "Plan", "addon": "Add-on", "feature": "Entitlement"}.get(mapping.partition("-")[0])
        mapped = {"Stigg_Type__c": word, "Stigg_ID__c": mapping} if mapping else {}
        product = self.create("Product2", Name=name or mapping or "Unmapped", IsActive=True, **mapped)
        book = self.query("SELECT Id FROM Pricebook2 WHERE IsStandard = true")[0]["Id"]
        return self.create("PricebookEntry", Product2Id=product, Pricebook2Id=book, UnitPrice=100, IsActive=True)

    def deal(
        self,
        *lines: tuple[str, Any],
        account: str | None = "",
        stage: str = OPEN,
        name: str = "Acme new business",
        **values: Any,
    ) -> str:
        """An opportunity with a line for each (mapping, quantity)."""
        book = self.query("SELECT Id FROM Pricebook2 WHERE IsStandard = true")[0]["Id"]
        owner = {} if account is None else {"AccountId": account or self.account()}
        made = self.create(
            "Opportunity", Name=name, StageName=OPEN, CloseDate=str(values.pop("CloseDate", timezone.now().date())),
            Pricebook2Id=book, **owner, **values,
        )  # fmt: skip
        for mapping, quantity in lines:
            self.create(
                "OpportunityLineItem", OpportunityId=made, PricebookEntryId=self.sold(mapping), Quantity=quantity, UnitPrice=100
            )
        if stage != OPEN:
            self.move(made, stage)
        return made

    def move(self, opportunity_id: str, stage: str) -> None:
        self.update("Opportunity", opportunity_id, StageName=stage)

    # --- as the org calls us -------------------------------------------------------------------------------------------------

    def call(self, *opportunity_ids: str, org_id: str = "", key: str = "", **more: Any) -> Any:
        """A flow's callout."""
        ids = (
            {"opportunity_id": opportunity_ids[0]} if len(opportunity_ids) == 1 else {"opportunity_ids": list(opportunity_ids)}
        )
        body = json.dumps({"org_id": org_id or self.org.org_id, "event": "won", **ids, **more})
        return self.browser.post(
            URL, body, content_type="application/json", headers={"Authorization": f"Bearer {key or self.key}"}
        )

    def message(self, *opportunity_ids: str, org_id: str = "", key: str = "") -> Any:
        """An outbound message."""
        return self.browser.post(
            f"{URL}{key or self.key}/",
            envelope(org_id or self.org.org_id, *opportunity_ids),
            content_type="text/xml; charset=UTF-8",
        )

    # --- as the worker does -------------------------------------------------------------------------------------------------

    def poll(self, *, now: datetime | None = None) -> poll.Polled:
        ProvisioningSettings.objects.filter(org=self.org).update(polled_at=None)
        return poll.poll(self.org, now=now or timezone.now())

    def work(self) -> None:
        """A minute of the worker."""
        ProvisioningSettings.objects.filter(org=self.org).update(polled_at=None)
        tasks.look_at(self.org.pk)

    def run(self, job: str) -> Run:
        run = runs.request_run(job, org=self.org, now=timezone.now())
        run.refresh_from_db()
        return run

    def all_due(self) -> None:
        """Let the time pass until every waiting deal is due."""
        Provision.objects.filter(org=self.org).exclude(not_before=None).update(not_before=timezone.now() - timedelta(seconds=1))

    # --- here -----------------------------------------------------------------------------------------------------------------

    def automate(self, trigger: str = "won", **values: Any) -> Automation:
        """The active automation of that trigger, changed as wanted."""
        made = Automation.objects.filter(org=self.org, trigger=trigger, is_active=True).first()
        if made is None:
            made = Automation.objects.create(org=self.org, name=f"On {trigger}", trigger=trigger, is_active=True)
        for name, value in values.items():
            setattr(made, name, value)
        made.save()
        return made

    def change(self, **values: Any) -> None:
        connection.save_settings(self.settings, values, actor=None, now=timezone.now())

    def provision(self, opportunity_id: str, slot: str = "contract") -> Provision:
        return Provision.objects.get(org=self.org, opportunity_id=opportunity_id, slot=slot)

    def subscription(self, opportunity_id: str) -> Subscription:
        return Subscription.objects.get(opportunity_id=opportunity_id)

    def steps(self, provision: Provision) -> dict[str, str]:
        return dict(provision.steps.order_by("position").values_list("name", "state"))


def envelope(org_id: str, *opportunity_ids: str) -> str:
    """An outbound message as Salesforce sends it."""
    notes = "".join(
        f'<Notification><Id>04l{n:012d}AAA</Id><sObject xsi:type="sf:Opportunity" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">'
        f"<sf:Id>{each}</sf:Id><sf:StageName>Anything</sf:StageName></sObject></Notification>"
        for n, each in enumerate(opportunity_ids)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
        '<notifications xmlns="http://soap.sforce.com/2005/09/outbound">'
        f"<OrganizationId>{org_id}</OrganizationId><ActionId>04k000000000001AAA</ActionId>"
        '<SessionId xsi:nil="true"/><EnterpriseUrl>https://acme.example/services/Soap/c/65.0</EnterpriseUrl>'
        f"<PartnerUrl>https://acme.example/services/Soap/u/65.0</PartnerUrl>{notes}</notifications></soapenv:Body></soapenv:Envelope>"
    )


@pytest.fixture
def make_office(client) -> Callable[..., Office]:
    """Turns a connection into an office: fields in the org, a key, automations for new business, trials, changes and renewals."""

    def make(org: SalesforceOrg, demo: DemoOrgHandle) -> Office:
        salesforce = client_for(org, domain="provisioning")
        make_fields(org, salesforce)
        office = Office(org, demo, salesforce, client)
        office.key = connection.make_key(org, actor=None, now=timezone.now())
        for trigger in Automation.Trigger.values:
            office.automate(trigger)
        demo.forget_calls()
        return office

    return make


@pytest.fixture
def office(connected_org: SalesforceOrg, demo_org: DemoOrgHandle, catalogue, make_office) -> Office:
    """A connected demo org that sells plan-basic, plan-pro, addon-support and plan-mail."""
    return make_office(connected_org, demo_org)
