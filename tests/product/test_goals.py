"""What the integration is for, from one end to the other (PX-01), and both directions for every kind of object (PX-05)."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from integrations.models import Attribute, Customer, EndUser, Mapping, RecordLink
from integrations.product.health import compute, definitions
from integrations.product.health.definitions import Draft
from integrations.product.kpis import job
from integrations.product.kpis.windows import start_of_day
from integrations.sync.mapping import objects, versions
from integrations.sync.mapping.body import FieldPair
from tests.mapping.work import change, query, run_job, save
from tests.product.engagement_world import ask, make_engagement, make_key, make_people, make_segment
from tests.product.kpi_world import World


@pytest.fixture(autouse=True)
def _fresh_describes() -> None:
    cache.clear()


@pytest.mark.django_db
def test_px_01_a_customer_that_uses_less_is_found_early_and_its_people_are_kept_engaged(client):
    """Acme's people stop coming: its health falls before it leaves, and only its people get the message."""
    people, now = make_people(), timezone.now()
    acme, borg = (Customer.objects.get(external_id=name) for name in ("acme", "borg"))
    world, midnight = World(), start_of_day(now)
    for days in (40, 41):
        world.event(people["jane"].pk, acme.pk, midnight - timedelta(days=days))
        world.event(people["jim"].pk, acme.pk, midnight - timedelta(days=days))
        world.event(people["ola"].pk, borg.pk, midnight - timedelta(days=days))
    world.event(people["jane"].pk, acme.pk, midnight - timedelta(days=29))
    world.event(people["ola"].pk, borg.pk, midnight - timedelta(days=1))
    world.store(now=now)
    job.bring_up_to_date(now=now)
    parts = [{"signal": "active_users_30d_pct", "worst": -50, "best": 0}]
    score = definitions.save_score(None, Draft("Health score", parts=parts), user=None, now=now)
    compute.compute(score, None, now=now)  # pyright: ignore[reportArgumentType]  a score of no connection
    assert {each.external_id: each.attributes["health_score"] for each in (refreshed(acme), refreshed(borg))} == {
        "acme": "0", "borg": "100",
    }  # fmt: skip
    key = make_key()
    made = make_engagement(segment=make_segment("At risk", field="attributes.health_score", op="less_than", value="40"))
    shown = {name: [each["id"] for each in ask(client, key, name)] for name in people}
    assert shown == {"jane": [made.pk], "jim": [made.pk], "ola": []}


def refreshed(customer: Customer) -> Customer:
    customer.refresh_from_db()
    return customer


CASES = {
    "Account": ("customer", "Industry", "STRING", "Banking", "PX_Health__c", "good"),
    "Contact": ("end_user", "Title", "STRING", "Chief Pilot", "PX_Role__c", "Editor"),
    "Workspace__c": ("customer", "Workspace_Key__c", "STRING", "key-of-px-05", "PX_Health__c", "fair"),
}


@pytest.mark.parametrize("name", CASES)
def test_px_05_values_go_both_ways_for_accounts_contacts_and_custom_objects(connected_org, cast, now, name):
    entity, pulled, kind, value, pushed, sent = CASES[name]
    mapping: Mapping = versions.open_mapping(connected_org, entity, now=now)
    if name.endswith("__c"):
        objects.change_object(mapping, name, confirmed=True, user=cast.olga, now=now)
        mapping.refresh_from_db()
    for key in ("pulled", "pushed"):
        Attribute.objects.create(entity=entity, key=key, label=key, type=kind)
    record = query(connected_org, f"SELECT Id, {pushed} FROM {name} ORDER BY Id LIMIT 1")[0]
    model = Customer if entity == "customer" else EndUser
    owner = model.objects.create(external_id="x1", name="X", attributes={"pushed": sent})
    RecordLink.objects.create(org=connected_org, entity=entity, object=name, salesforce_id=record["Id"], rule="manual",
                              **{entity: owner})  # fmt: skip
    save(mapping, cast.olga, FieldPair("pull", "attributes.pulled", pulled), FieldPair("push", "attributes.pushed", pushed))
    change(connected_org, name, record["Id"], **{pulled: value})
    run_job("mirror.read", connected_org)
    run_job("mapping.pull", connected_org)
    owner.refresh_from_db()
    assert owner.attributes["pulled"] == value
    run_job("mapping.push", connected_org)
    assert query(connected_org, f"SELECT {pushed} FROM {name} WHERE Id = '{record['Id']}'")[0][pushed] == sent
