"""Against the demo org over HTTP: records are merged, deleted and restored there, and links follow through the mirror."""

import pytest
from django.utils import timezone

from integrations import alerts
from integrations.models import Customer, Mapping, MappingVersion, RecordLink
from integrations.orgs.connect import client_for
from integrations.salesforce import rest
from integrations.sync import runs
from integrations.sync.mapping.body import default_body, write_body
from integrations.sync.matching import links
from integrations.sync.matching.spine import save_customers


@pytest.fixture
def org(connected_org):
    """Matching by website and name is on, the accounts are read."""
    body = write_body(default_body("customer"))
    for rule in body["rules"]:
        rule["on"] = rule["name"] in ("sfdc_id", "name", "website_domain")
    mapping = Mapping.objects.create(org=connected_org, entity="customer", state="active", version=1)
    MappingVersion.objects.create(mapping=mapping, number=1, body=body)
    go("mirror.read", connected_org)
    return connected_org


def go(job, org):
    run = runs.request_run(job, org=org, now=timezone.now())
    run.refresh_from_db()
    assert run.state == "success", (job, run.state, run.sentence)


def state_of(external_id):
    link = RecordLink.objects.get(customer__external_id=external_id)
    return link.salesforce_id, link.state


def test_px_d15_links_follow_merges_deletions_and_restores(org, demo_org):
    with client_for(org, domain="test") as client:
        rows = client.query_all("SELECT Id FROM Account WHERE SystemModstamp = LAST_N_DAYS:90 ORDER BY Id LIMIT 3")
        loser, winner, gone = (row["Id"] for row in rows)
        save_customers([{"external_id": f"c{n}", "attributes": {"sfdc_id": row["Id"]}} for n, row in enumerate(rows)],
                       now=timezone.now(), create_attributes=True)  # fmt: skip
        go("customers.match", org)
        assert [state_of(f"c{n}") for n in range(3)] == [(loser, "active"), (winner, "active"), (gone, "active")]
        demo_org.control("merge", {"object": "Account", "master": winner, "losers": [loser]})
        rest.delete_record(client, "Account", gone)
    go("mirror.read", org)
    assert [state_of(f"c{n}") for n in range(3)] == [(winner, "active"), (winner, "active"), (gone, "suspended")]
    assert alerts.open_alerts().filter(key__startswith="links:").exists()
    demo_org.control("undelete", {"object": "Account", "id": gone})
    go("mirror.read", org)
    assert state_of("c2") == (gone, "active")
    assert not alerts.open_alerts().filter(key__startswith="links:").exists()


def test_a_link_by_hand_may_lead_to_a_record_that_is_older_than_the_mirror(org, demo_org):
    with client_for(org, domain="test") as client:
        asset = client.query_all("SELECT Id FROM Account ORDER BY Id DESC LIMIT 1")[0]["Id"]
    from integrations.models import LakeFile

    LakeFile.objects.filter(table__name__contains="Account").delete()  # nothing is mirrored, as before the first six months
    save_customers([{"external_id": "c"}], now=timezone.now())
    link = links.link(Customer.objects.get(), org=org, salesforce_id=asset[:15], actor=None, now=timezone.now())
    assert link.salesforce_id == asset
