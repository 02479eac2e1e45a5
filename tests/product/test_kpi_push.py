"""KPIs on their way to Salesforce: offered in the mapping, computed when nobody did, pushed into PX_ fields of the demo org."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from integrations.access import Refusal
from integrations.models import Customer, EndUser, Run
from integrations.product.ingest import lake_tables
from integrations.product.kpis import job, registry, values
from integrations.product.kpis.windows import start_of_day
from integrations.product.models import Feature, KpiState
from integrations.sync import leases
from integrations.sync.mapping import catalogue, versions
from integrations.sync.mapping.body import FieldPair
from integrations.sync.mapping.problems import ProblemsFound
from tests.mapping.work import counts_of, link_customers, query, run_job, save
from tests.product.kpi_world import World


@pytest.fixture(autouse=True)
def _fresh_describes() -> None:
    cache.clear()


def make_activity(customer: Customer, users: int, *, name: str = "Opened") -> None:
    now = timezone.now()
    world = World()
    for number in range(users):
        user, _ = EndUser.objects.get_or_create(external_id=f"{customer.external_id}-{number}", customer=customer)
        world.event(user.pk, customer.pk, start_of_day(now) - timedelta(hours=30 + number), name, event_id=f"{name}-{user.pk}")
        world.answer(user.pk, customer.pk, start_of_day(now) - timedelta(hours=30 + number), 10 if number else 0)
    world.store(now=now)


def held(org, records: list[dict]) -> list[tuple]:
    ids = "','".join(each["Id"] for each in records)
    fields = "Id, PX_Active_Users_30d__c, PX_NPS_Score__c"
    rows = query(org, f"SELECT {fields} FROM Account WHERE Id IN ('{ids}') ORDER BY Id")
    return [(each["PX_Active_Users_30d__c"], each["PX_NPS_Score__c"]) for each in rows]


def test_px_43_a_kpi_lands_in_a_px_field(connected_org, cast, now):
    mapping = versions.open_mapping(connected_org, "customer", now=now)
    records = query(connected_org, "SELECT Id, Name FROM Account WHERE PX_NPS_Score__c = null ORDER BY Id LIMIT 2")
    busy, idle = link_customers(connected_org, records)
    make_activity(busy, 3)
    save(mapping, cast.olga, FieldPair("push", "active_users_30d", "PX_Active_Users_30d__c"),
         FieldPair("push", "nps_score_30d", "PX_NPS_Score__c"))  # fmt: skip
    run = run_job("mapping.push", connected_org)  # nobody computed: the push does
    assert run.state == Run.State.SUCCESS, run.sentence
    assert held(connected_org, records) == [
        (3, 33),
        (0, None),
    ]  # answers 0, 10, 10; a count is 0, a score without answers blank
    assert counts_of(run_job("mapping.push", connected_org), "Account") == {"unchanged": 2}
    make_activity(idle, 1)  # late events
    assert counts_of(run_job("mapping.push", connected_org), "Account") == {"written": 1, "unchanged": 1}
    assert held(connected_org, records) == [(3, 33), (1, -100)]


def test_px_d13_a_score_that_became_blank_clears_the_field(connected_org, cast, now):
    mapping = versions.open_mapping(connected_org, "customer", now=now)
    records = query(connected_org, "SELECT Id, Name FROM Account ORDER BY Id LIMIT 1")
    (customer,) = link_customers(connected_org, records)
    make_activity(customer, 2)
    save(mapping, cast.olga, FieldPair("push", "nps_score_30d", "PX_NPS_Score__c"))
    run_job("mapping.push", connected_org)
    assert held(connected_org, records)[0][1] == 0
    other = Customer.objects.create(external_id="other")
    EndUser.objects.all().update(customer=other)  # the answers turn out to be another customer's
    rows = [dict(each, customer_id=other.pk) for each in _stored_answers()]
    World(answers=rows).store(now=timezone.now() + timedelta(seconds=1))
    run_job("mapping.push", connected_org)
    assert held(connected_org, records)[0][1] is None


def _stored_answers() -> list[dict]:
    from integrations.lake.engine import open_engine

    with open_engine() as engine:
        engine.bind("answers", lake_tables.nps_answers())
        rows = engine.table("SELECT * FROM answers").to_pylist()
    return [{**each, "received_at": each["received_at"] + timedelta(seconds=1)} for each in rows]


def test_px_d16_a_feature_is_offered_once_it_is_chosen_and_is_pushed(connected_org, cast, client, now):
    mapping = versions.open_mapping(connected_org, "customer", now=now)
    feature = Feature.objects.create(key="reports", name="Reports", rules=[{"event": "Report Created"}], position=1)
    keys = {each.key for each in catalogue.source_fields(connected_org, "customer")}
    assert "active_users_30d" in keys
    assert not any(key.endswith(":reports") for key in keys)
    Feature.objects.filter(pk=feature.pk).update(as_kpi=True)
    offered = [each for each in catalogue.source_fields(connected_org, "customer") if each.key.endswith(":reports")]
    assert len(offered) == 9
    assert all(each.read_only and each.type == "NUMBER" for each in offered)
    records = query(connected_org, "SELECT Id, Name FROM Account ORDER BY Id LIMIT 1")
    (customer,) = link_customers(connected_org, records)
    make_activity(customer, 2, name="Report Created")
    save(mapping, cast.olga, FieldPair("push", "feature_users_7d:reports", "PX_Active_Users_30d__c"))
    assert run_job("mapping.push", connected_org).state == Run.State.SUCCESS
    assert held(connected_org, records)[0][0] == 2
    client.force_login(cast.olga)
    page = client.get(f"/mappings/{connected_org.pk}/customer/").content.decode()
    assert 'value="feature_users_7d:reports"' in page
    assert "Monthly Active Users (MAU) Count" in page


def test_px_60_no_kpi_is_offered_for_end_users(connected_org, cast, now):
    mapping = versions.open_mapping(connected_org, "end_user", now=now)
    assert not {each.key for each in catalogue.source_fields(connected_org, "end_user")} & set(registry.BY_KEY)
    with pytest.raises(ProblemsFound) as found:
        save(mapping, cast.olga, FieldPair("push", "nps_score_30d", "PX_Sessions_30d__c"))
    assert [each.code for each in found.value.problems] == ["customers_only"]


@pytest.mark.django_db
def test_a_push_while_the_job_computes_takes_the_whole_figures_of_before(now):
    customer = Customer.objects.create(external_id="c")
    make_activity(customer, 1)
    fence = leases.acquire("product.kpis:0", holder="the job", now=timezone.now())
    assert fence is not None
    with pytest.raises(Refusal, match="first time"):
        job.ensure_current(now=timezone.now())
    leases.release("product.kpis:0", fence=fence)
    job.ensure_current(now=timezone.now())
    make_activity(customer, 2, name="More")
    leases.acquire("product.kpis:0", holder="the job", now=timezone.now())
    job.ensure_current(now=timezone.now())
    assert values.of_customer(customer.pk)["active_users_7d"] == 1


@pytest.mark.django_db
def test_a_push_does_not_start_a_day_of_work(monkeypatch, job):
    from integrations.product.kpis import job as kpi_job

    make_activity(Customer.objects.create(external_id="c"), 3)
    monkeypatch.setattr(kpi_job, "AT_ONCE", 2)
    job(lambda recorder: None, name="product.kpis")  # stands in, so that nothing is computed by the request itself
    with pytest.raises(Refusal) as found:
        kpi_job.ensure_current(now=timezone.now())
    assert found.value.code == "kpis_not_ready"
    assert Run.objects.filter(job="product.kpis").count() == 1
    assert not KpiState.objects.exists()
