"""A small company with objectives, and links that need no Salesforce to exist."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from integrations.models import SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce.ids import to_18
from okr import linking, sources
from okr.models import Department, KeyResult, License, Objective, Period, ReportLink
from tests.cast import Cast
from tests.okr.reports import step

RUN_PATH = re.compile(r"/analytics/reports/[0-9A-Za-z]{15,18}$")
REPORT = to_18("00O5e000001AbCd")


@dataclass
class Company:
    """Sales with one open objective of Jane's and a key result of Marsha's."""

    cast: Cast
    sales: Department
    period: Period
    objective: Objective
    key_result: KeyResult


@pytest.fixture
def org(db) -> SalesforceOrg:
    """A connection that is up, as far as the database knows."""
    return SalesforceOrg.objects.create(
        name="Acme", environment="production", login_url="https://login.salesforce.com", state=SalesforceOrg.State.CONNECTED,
        instance_url="https://acme.my.salesforce.com", user_name="integration@acme.example", org_id="00D5e000001AbCdEAK",
    )  # fmt: skip


@pytest.fixture
def company(cast) -> Company:
    today = timezone.now().date()
    sales = Department.objects.create(name="Sales", lead=cast.jane)
    period = Period.objects.create(name="Now", starts_on=today - timedelta(days=30), ends_on=today + timedelta(days=60))
    objective = Objective.objects.create(title="Grow EMEA", owner=cast.jane, department=sales, period=period)
    key_result = KeyResult.objects.create(objective=objective, title="Pipeline", owner=cast.marsha, target=Decimal(590))
    return Company(cast, sales, period, objective, key_result)


@pytest.fixture
def seat(org, cast) -> License:
    return License.objects.create(org=org, user=cast.jane)


@pytest.fixture
def make_link(org, company) -> Callable[..., ReportLink]:
    """Links to EMEA's sum of one report, each with a key result of its own."""

    def make(
        title: str = "", *, value: int | None = None, report_id: str = REPORT, period: Period | None = None, **fields: Any
    ) -> ReportLink:
        objective = company.objective
        if period is not None:
            objective = Objective.objects.create(title=f"In {period.name}", owner=company.cast.jane, period=period)
        key_result = KeyResult.objects.create(
            objective=objective, title=title or "Linked", owner=fields.pop("owner", company.cast.marsha), target=Decimal(590),
            current=value, unit=fields.pop("unit", "currency"), unit_label=fields.pop("unit_label", "USD"),
        )  # fmt: skip
        about = {
            "field": "s!AMOUNT", "field_label": "Sum of Amount", "field_type": "currency", "group_path": [step("REGION", "EMEA")],
            "report_name": "Pipeline", "linked_by": company.cast.jane, "status": "fresh", "filters": [],
            "last_checked_at": timezone.now() - timedelta(hours=1), "last_value_at": timezone.now() - timedelta(hours=1),
        }  # fmt: skip
        about |= fields
        key = sources.source_key(org, report_id, about["filters"])
        return ReportLink.objects.create(key_result=key_result, org=org, report_id=report_id, source_key=key, **about)

    return make


@pytest.fixture
def closed_period(db) -> Period:
    today = timezone.now().date()
    return Period.objects.create(name="Past", starts_on=today - timedelta(days=120), ends_on=today - timedelta(days=10))


def past(days: int) -> date:
    return timezone.now().date() - timedelta(days=days)


@dataclass
class Desk:
    """Jane's desk: a connection to the demo org, her seat, and hands to change reports in Salesforce."""

    org: SalesforceOrg
    company: Company
    salesforce: Any
    demo: Any

    def find(self, name: str) -> str:
        """The id of the demo org's report of that name."""
        (row,) = self.salesforce.query_all(f"SELECT Id FROM Report WHERE Name = '{name}'")
        return row["Id"]

    def change(self, report_id: str, **metadata: Any) -> None:
        """Save the report in Salesforce with other metadata."""
        self.salesforce.request("PATCH", f"analytics/reports/{report_id}", json={"reportMetadata": metadata})

    def clone(self, report_id: str, name: str) -> str:
        body = {"reportMetadata": {"name": name}}
        data = self.salesforce.request("POST", "analytics/reports", params={"cloneId": report_id}, json=body).data
        return data["reportMetadata"]["id"]

    def delete(self, report_id: str) -> None:
        self.salesforce.request("DELETE", f"analytics/reports/{report_id}")

    def truth(self, soql: str) -> Decimal:
        """A number straight from Salesforce's records."""
        (row,) = self.salesforce.query_all(soql)
        return Decimal(str(row["expr0"] or 0)).quantize(Decimal("0.000001"))

    def link(
        self, report: str = "Open pipeline by stage", field: str = "s!AMOUNT", title: str = "Number", **options: Any
    ) -> ReportLink:
        """A new key result of Marsha's, linked by Jane."""
        key_result = KeyResult.objects.create(
            objective=self.company.objective, title=title, owner=self.company.cast.marsha, target=Decimal(10**9)
        )
        report_id = report if report.startswith("00O") else self.find(report)
        now = timezone.now()
        return linking.link(
            key_result, org=self.org, report_id=report_id, field_name=field, user=self.company.cast.jane, now=now, **options
        )

    def runs(self) -> list[str]:
        """Report runs that Salesforce saw, synchronous ones."""
        return [call["path"] for call in self.demo.calls("/analytics/reports/") if RUN_PATH.search(call["path"])]


@pytest.fixture
def desk(demo_org, connected_org, company) -> Desk:
    License.objects.create(org=connected_org, user=company.cast.jane)
    return Desk(connected_org, company, client_for(connected_org, domain="test"), demo_org)
