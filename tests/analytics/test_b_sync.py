"""The daily sync end to end: what is new in Salesforce comes by itself, facts and analyses follow."""

from datetime import timedelta

import pytest
from django.utils import timezone

from analytics import queries
from analytics.attributes.body import as_json
from analytics.facts import syncing
from analytics.models import AnalyticsSettings, AttributeMap, FactsState
from integrations.models import Customer, MirrorObject, Run, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.sync import runs
from tests.analytics.b_world import NOW, account, computed, deal, rows, sf, standard_map
from tests.analytics.cast import utc

pytestmark = pytest.mark.django_db


@pytest.fixture
def started(connected_org) -> SalesforceOrg:
    """Analytics was started here, with the map of standard sales."""
    from analytics.attributes.authoring import save_map
    from analytics.attributes.filling import fill_preset

    SalesforceOrg.objects.filter(pk=connected_org.pk).update(analytics_enabled=True)
    connected_org.refresh_from_db()
    AnalyticsSettings.objects.create(org=connected_org, started_at=timezone.now())
    save_map(connected_org, fill_preset(connected_org, "standard_sales").body, actor=None, now=timezone.now())
    return connected_org


def sync(org: SalesforceOrg, **arguments) -> Run:
    """One run of the job, in all its turns."""
    run = runs.request_run(syncing.JOB, org=org, arguments=arguments, now=timezone.now())
    for _ in range(20):
        run.refresh_from_db()
        if not run.is_active:
            return run
        Run.objects.filter(org=org, state=Run.State.QUEUED).update(not_before=None)
        runs.perform_run(run.pk)
    raise AssertionError("The run goes on for ever.")


def test_fz_08_new_data_arrives_by_itself_and_becomes_facts(started):
    first = sync(started)
    assert first.state == Run.State.SUCCESS, first.sentence
    state = FactsState.objects.get(org=started)
    assert state.health["accounts"] > 0
    assert state.health["spans"] > 0
    assert first.configuration == "map 1"
    assert state.run == first
    before = len(rows(started, "subjects", "subject"))
    with client_for(started, domain="test") as client:
        made = client.request("POST", "/sobjects/Account", json={"Name": "Brand new"})
    assert made
    MirrorObject.objects.filter(org=started).update(read_at=timezone.now() - timedelta(hours=2))
    again = sync(started)
    assert again.state == Run.State.SUCCESS, again.sentence
    assert len(rows(started, "subjects", "subject")) == before + 1


def test_what_was_read_within_the_hour_is_not_read_again(started):
    sync(started)
    run = sync(started)
    assert run.state == Run.State.SUCCESS
    assert Run.objects.get(pk=run.pk).calls == 0


def test_nothing_runs_before_the_button_and_while_paused(connected_org):
    assert not syncing.is_enabled(connected_org)
    SalesforceOrg.objects.filter(pk=connected_org.pk).update(analytics_enabled=True)
    connected_org.refresh_from_db()
    settings = AnalyticsSettings.objects.create(org=connected_org, started_at=timezone.now())
    assert syncing.is_enabled(connected_org)
    AnalyticsSettings.objects.filter(pk=settings.pk).update(paused_at=timezone.now())
    assert not syncing.is_enabled(connected_org)
    assert sync(connected_org).state == Run.State.SUCCESS
    assert not FactsState.objects.exists()


def test_the_facts_of_one_customer(org):
    one = Customer.objects.create(external_id="acme", name="Acme")
    gone = Customer.objects.create(external_id="old", merged_into=one)
    sf(org, "Account", [account("A", Linking__c="acme")])
    sf(org, "Opportunity", [deal("1", "A", 1200, "2026-01-15"), deal("2", "A", 600, "2026-03-01")])
    AttributeMap.objects.create(org=org, number=1, body=as_json(standard_map()))
    assert queries.facts_of_customer(one) == []
    computed(org)
    found = queries.facts_of_customer(gone)
    assert found == queries.facts_of_customer(one)
    assert (found[0].mrr, str(found[0].cohort), found[0].as_of) == (150, "2026-01-01", utc("2026-11-01"))
    assert [(each.kind, each.after) for each in found[0].movements] == [("expansion", 150), ("new", 100)]
    assert {each.kind for each in found[0].milestones} == {"account_start", "paid_start", "upsell"}
    assert found[0].as_of < NOW


def test_web_processes_import_no_pyarrow_for_the_sync():
    import subprocess
    import sys

    code = "import analytics.facts.syncing, analytics.revenue.offered, analytics.queries, sys; print('pyarrow' in sys.modules)"
    setup = "import django; django.setup();"
    done = subprocess.run([sys.executable, "-c", setup + code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False", done.stderr[-500:]
