"""A small company with everything that the pages show: objectives, links in every mood, runs, licenses, nasty names."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.cache import cache

from integrations.models import Run, RunObject, SalesforceOrg
from integrations.models.runs import RowOutcome
from okr.models import Activity, CheckIn, Department, KeyResult, License, Objective, Period, Reading, ReportLink

NASTY = "<img src=x onerror=alert(1)>\"'</script>"
REPORT = "00O000000000001EAA"


@dataclass
class World:
    """Handles on what the tests look at."""

    org: SalesforceOrg
    period: Period
    sales: Department
    objective: Objective
    linked: KeyResult
    manual: KeyResult
    run: Run

    @property
    def addresses(self) -> dict[str, str]:
        """Every page of this room that members may see, by name."""
        return {
            "home": "/",
            "objectives": "/okr/",
            "objective": f"/okr/objectives/{self.objective.pk}/",
            "objective_create": "/okr/objectives/new/",
            "key_result": f"/okr/key-results/{self.linked.pk}/",
            "key_result_manual": f"/okr/key-results/{self.manual.pk}/",
            "licenses": "/okr/licenses/",
        }

    @property
    def editors_addresses(self) -> dict[str, str]:
        """Those that need Jane (owner) or an admin."""
        return {
            "objective_edit": f"/okr/objectives/{self.objective.pk}/edit/",
            "key_result_create": f"/okr/objectives/{self.objective.pk}/key-results/new/",
            "key_result_edit": f"/okr/key-results/{self.linked.pk}/edit/",
        }

    @property
    def operators_addresses(self) -> dict[str, str]:
        return {"settings": "/okr/settings/", "runs": "/runs/", "run": f"/runs/{self.run.pk}/"}


def make_key_result(objective: Objective, title: str, owner, **extra) -> KeyResult:
    numbers = {
        "start": Decimal(0),
        "current": Decimal(510_000),
        "target": Decimal(590_000),
        "unit": "currency",
        "unit_label": "USD",
    }
    return KeyResult.objects.create(objective=objective, title=title, owner=owner, **{**numbers, **extra})


def make_link(key_result: KeyResult, org: SalesforceOrg, now, **extra) -> ReportLink:
    facts = {
        "report_id": REPORT,
        "report_name": "Pipeline by region",
        "folder_name": "Sales",
        "report_format": "SUMMARY",
        "field": "s!AMOUNT",
        "field_label": "Sum of Amount",
        "group_path": [{"field": "REGION", "field_label": "Region", "value": "EMEA", "label": "EMEA", "across": False}],
        "source_key": "one",
        "status": "fresh",
        "last_checked_at": now - timedelta(minutes=12),
        "last_value_at": now - timedelta(minutes=12),
    }
    return ReportLink.objects.create(key_result=key_result, org=org, **{**facts, **extra})


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    cache.clear()  # form tokens and throttles of the test before


@pytest.fixture
def world(cast, now) -> World:
    org = SalesforceOrg.objects.create(
        name="Acme production",
        state="connected",
        login_url="https://acme.my.salesforce.com",
        instance_url="https://acme.my.salesforce.com",
        user_name="integration@acme.example",
        org_id="00D000000000001EAA",
    )
    today = now.date()
    period = Period.objects.create(
        name="This quarter", starts_on=today - timedelta(days=40), ends_on=today + timedelta(days=50)
    )
    sales = Department.objects.create(name="Sales")
    objective = Objective.objects.create(
        title="Grow EMEA", owner=cast.jane, department=sales, period=period, description="Win."
    )
    linked = make_key_result(objective, "Pipeline EMEA", cast.marsha, current_at=now, confidence="on_track")
    make_link(linked, org, now, linked_by=cast.jane)
    manual = make_key_result(
        objective, "New partners", cast.jane, unit="custom", unit_label="partners", current=None, target=Decimal(12)
    )
    run = Run.objects.create(
        job="okr.refresh", org=org, domain="okr", state="partial", started_at=now, finished_at=now, total=2
    )
    counts = RunObject.objects.create(run=run, name="key results", read=2, written=1, failed=1)
    RowOutcome.objects.create(
        run_object=counts, key="1", label=NASTY, outcome="failed", code="report_gone", message=NASTY, salesforce_id=REPORT
    )
    for days in (30, 20, 10, 0):
        Reading.objects.create(
            key_result=linked,
            value=Decimal(510_000 - days * 1000),
            at=now - timedelta(days=days),
            source="report",
            run=run,
            report_id=REPORT,
            report_name="Pipeline by region",
            read_as="integration@acme.example",
        )
    CheckIn.objects.create(key_result=linked, author=cast.marsha, note="Two partners signed.", confidence="on_track", at=now)
    Activity.objects.create(key_result=linked, actor=cast.jane, verb="linked", text="Fed by Pipeline by region.", at=now)
    License.objects.create(org=org, user=cast.jane, granted_by=cast.ada)
    return World(org, period, sales, objective, linked, manual, run)


@pytest.fixture
def nasty_world(world, cast, now) -> World:
    """The same with names that try to be markup, everywhere a name can come from outside."""
    cast.jane.first_name = NASTY[:30]
    cast.jane.last_name = NASTY
    cast.jane.save()
    world.sales.name = f"{NASTY} dep"
    world.sales.save()
    world.period.name = NASTY[:30]
    world.period.save()
    for record in (world.objective, world.linked, world.manual):
        record.title = NASTY
    world.objective.description = NASTY
    world.objective.save()
    world.linked.save()
    world.manual.unit_label = "<b>x</b>"
    world.manual.save()
    world.org.name, world.org.user_name = NASTY, NASTY
    world.org.save()
    ReportLink.objects.update(
        report_name=NASTY, folder_name=NASTY, field_label=NASTY, status="report_gone", status_reason=NASTY,
        group_path=[{"field": "X", "field_label": NASTY, "value": NASTY, "label": NASTY, "across": False}],
        filters=[{"column": NASTY, "operator": "equals", "value": NASTY}],
    )  # fmt: skip
    Reading.objects.update(report_name=NASTY, read_as=NASTY, group_path=[{"field": "X", "value": NASTY, "label": NASTY}])
    CheckIn.objects.update(note=NASTY)
    Activity.objects.update(text=NASTY)
    return world
