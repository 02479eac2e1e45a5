"""The button: fetch, map and push in a row, refused while one runs; and the dry run of a push."""

import pytest

from integrations.access import Refusal
from integrations.models import Attribute, AuditEntry, EndUser, OutboxTarget, Run
from integrations.sync.mapping import kinds, registering, synchronize
from integrations.sync.mapping.body import FieldPair
from integrations.sync.outbox.preview import dry_run
from tests.mapping.work import codes_of, counts_of, link_customers, query, run_job, save

PAIRS = (FieldPair("pull", "attributes.site", "Site"), FieldPair("push", "attributes.health", "PX_Health__c"))


@pytest.fixture
def linked(connected_org, account_mapping, cast):
    Attribute.objects.create(entity="customer", key="health", label="Health", type="STRING")
    newest = "ORDER BY LastModifiedDate DESC, Id LIMIT 2"
    records = query(connected_org, f"SELECT Id, Name, Site FROM Account WHERE PX_Health__c = null {newest}")
    link_customers(connected_org, records, attributes={"health": "good"})
    EndUser.objects.create(external_id="u1", name="Jo")
    save(account_mapping, cast.olga, *PAIRS)
    return records


def test_px_17_synchronize_fetches_maps_and_pushes_in_a_row(linked, connected_org, cast, now):
    run = synchronize.synchronize(connected_org, user=cast.olga, now=now)
    run.refresh_from_db()
    assert run.state == Run.State.SUCCESS, run.sentence
    assert list(Run.objects.order_by("pk").values_list("job", flat=True)) == [
        "product.synchronize", "mirror.read", "mapping.pull", "mapping.push",
    ]  # fmt: skip
    assert counts_of(run, "Steps") == {"written": 3}
    assert query(connected_org, f"SELECT PX_Health__c FROM Account WHERE Id = '{linked[0]['Id']}'")[0]["PX_Health__c"] == "good"
    assert AuditEntry.objects.filter(action="run.started", actor=cast.olga).exists()


def test_px_d1_synchronize_is_refused_while_one_is_running(linked, connected_org, cast, now):
    Run.objects.create(job="product.synchronize", org=connected_org, state=Run.State.RUNNING, heartbeat_at=now)
    with pytest.raises(Refusal) as refused:
        synchronize.synchronize(connected_org, user=cast.olga, now=now)
    assert refused.value.code == "running"
    assert Run.objects.count() == 1


def test_a_step_that_fails_leaves_the_next_ones_alone(linked, connected_org, cast, now, demo_org):
    demo_org.settings(api_enabled=False)
    run = synchronize.synchronize(connected_org, user=cast.olga, now=now)
    run.refresh_from_db()
    assert run.state == Run.State.PARTIAL, run.sentence
    assert counts_of(run, "Steps") == {"failed": 1, "not_attempted": 2}
    assert codes_of(run, "Steps")["mapping.push"] == "step_failed"
    assert not Run.objects.filter(job__startswith="mapping.").exists()


def test_synchronize_needs_a_connection_that_is_connected(linked, connected_org, cast, now):
    connected_org.product_enabled = False
    connected_org.save()
    with pytest.raises(Refusal) as refused:
        synchronize.synchronize(connected_org, user=cast.olga, now=now)
    assert refused.value.code == "switched_off"
    connected_org.state = "paused"
    with pytest.raises(Refusal) as refused:
        synchronize.synchronize(connected_org, user=cast.olga, now=now)
    assert refused.value.code == "not_connected"


def test_a_dry_run_before_the_first_push_writes_nothing_and_counts_the_same(linked, connected_org, cast, now, demo_org):
    demo_org.forget_calls()
    found = dry_run(connected_org, kinds.kind_of("customer"), user=cast.olga, now=now)
    assert found.run.state == Run.State.SUCCESS, found.run.sentence
    assert found.counts["Account"]["written"] == 2
    assert [(each.field, each.new) for each in found.samples] == [("PX_Health__c", "good")] * 2
    assert not [call for call in demo_org.calls("/services/data/") if call["method"] not in ("GET",)]
    assert counts_of(run_job("mapping.push", connected_org), "Account") == {"written": 2}


def test_r_138_a_record_that_is_gone_suspends_its_link(linked, connected_org, now):
    from integrations.models import RecordLink

    target = OutboxTarget.objects.create(org=connected_org, kind="mapping.customer", object="Account", key_field="Id")
    kinds.on_deleted(target, [(linked[0]["Id"], linked[0]["Id"])], run=None, now=now)
    states = RecordLink.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == ["suspended", "active"]


def test_registering_again_changes_nothing():
    registering.register()
    registering.register()


def test_nothing_is_registered_for_a_connection_without_a_mapping(connected_org):
    assert not registering.is_enabled(connected_org)
    run = run_job("mapping.pull", connected_org)
    assert (run.state, run.sentence) == (Run.State.SUCCESS, "Nothing to do.")


def test_px_17_a_step_that_ends_wakes_the_run_that_waits_for_it(connected_org, now):
    """With a worker the row waits for each step; its end is what goes on with it, not the next look."""
    from datetime import timedelta

    from integrations.sync import runs

    waiting = Run.objects.create(
        job="product.synchronize", org=connected_org, queued_at=now, not_before=now + timedelta(hours=1),
        checkpoint={"steps": {"mapping.pull": {"ended": True}, "mapping.push": {"ended": True}}},
    )  # fmt: skip
    step = Run.objects.create(
        job="mirror.read", org=connected_org, queued_at=now, arguments={runs.CALLER: waiting.pk},
        org_generation=connected_org.generation,
    )  # fmt: skip
    Run.objects.filter(pk=waiting.pk).update(
        org_generation=connected_org.generation,
        checkpoint={
            "steps": {"mirror.read": {"run": step.pk}, "mapping.pull": {"ended": True}, "mapping.push": {"ended": True}}
        },
    )
    runs.perform_run(step.pk)
    waiting.refresh_from_db()
    assert waiting.not_before is None
    assert waiting.state in (Run.State.SUCCESS, Run.State.PARTIAL), waiting.sentence
