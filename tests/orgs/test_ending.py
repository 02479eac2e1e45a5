"""Pausing, disconnecting, revoking everything, deleting."""

import time

import pytest

from integrations import disconnect
from integrations.access import Refusal
from integrations.models import AuditEntry, OrgSecret, Run, SalesforceOrg
from integrations.orgs import lifecycle, vault
from integrations.orgs.connect import NotConnected, client_for
from integrations.orgs.vault import Kind

REVOKE = "/oauth2/revoke"
COUNT = "SELECT COUNT() FROM Account"


def make_run(org: SalesforceOrg, **fields) -> Run:
    return Run.objects.create(job="test.job", org=org, org_generation=org.generation, **fields)


def test_r_017_disconnect_revokes_erases_and_empties_the_queue(web_org, demo_org, cast, now):
    running, queued = make_run(web_org, state="running"), make_run(web_org, state="queued")
    generation = web_org.generation
    demo_org.forget_calls()
    assert disconnect.disconnect(web_org, actor=cast.ada, address="10.0.0.1", now=now)
    assert [call["status"] for call in demo_org.calls(REVOKE)] == [200]
    assert not OrgSecret.objects.exists()
    running.refresh_from_db()
    queued.refresh_from_db()
    assert (running.cancel_requested, queued.state) == (True, "cancelled")
    web_org.refresh_from_db()
    assert (web_org.state, web_org.generation, web_org.revocation_pending) == ("disconnected", generation + 1, False)
    with pytest.raises(NotConnected):
        client_for(web_org, domain="okr")
    entry = AuditEntry.objects.get(action="connection.disconnected")
    assert (entry.actor_name, entry.address) == ("ada", "10.0.0.1")


def test_r_017_the_revoked_token_is_dead_at_salesforce(web_org, demo_org, now):
    grant = client_for(web_org, domain="okr").tokens.current()
    disconnect.disconnect(web_org, now=now)
    import requests

    answer = requests.get(
        f"{demo_org.url}/services/data/v65.0/limits", headers={"Authorization": f"Bearer {grant.access_token}"}, timeout=10
    )
    assert answer.status_code == 401


def test_r_018_with_the_revoke_endpoint_down_the_secret_is_gone_and_the_rest_is_pending(web_org, demo_org, now):
    token = vault.read(web_org, Kind.REFRESH_TOKEN)
    demo_org.fault(path=REVOKE, status=503, body="down", times=3)
    assert disconnect.disconnect(web_org, now=now) is False
    web_org.refresh_from_db()
    assert web_org.revocation_pending
    assert vault.kinds_of(web_org).keys() == {"pending_revocation"}
    assert vault.read(web_org, Kind.PENDING_REVOCATION) == token
    demo_org.no_faults()
    demo_org.forget_calls()
    assert lifecycle.retry_revocations(now=now) == 1
    assert len(demo_org.calls(REVOKE)) == 1
    web_org.refresh_from_db()
    assert not web_org.revocation_pending
    assert lifecycle.retry_revocations(now=now) == 0


def test_i_09_a_revocation_is_given_up_after_a_week_and_noted(web_org, demo_org, now):
    demo_org.fault(path=REVOKE, status=503, body="down", times=9)
    disconnect.disconnect(web_org, now=now)
    assert lifecycle.retry_revocations(now=now + lifecycle.REVOKE_FOR * 2) == 1
    assert vault.kinds_of(web_org) == {}
    assert AuditEntry.objects.filter(action="connection.revocation_given_up").exists()


def test_r_019_a_locked_connection_can_still_be_disconnected(web_org, settings, now):
    settings.FIELD_ENCRYPTION_KEYS = []
    disconnect.disconnect(web_org, now=now)
    assert not OrgSecret.objects.exists()


def test_s_008_revoke_all_is_quick_and_complete(demo_org, db, cast, now):
    orgs = [lifecycle.connect_demo_org(name=f"Org {n}", now=now, method="jwt") for n in range(4)]
    for org in orgs:
        make_run(org, state="queued")
    demo_org.forget_calls()
    started = time.monotonic()
    assert disconnect.revoke_all(actor=cast.ada, now=now) == (4, 0)
    assert time.monotonic() - started < 10
    assert len(demo_org.calls(REVOKE)) == 4
    assert not OrgSecret.objects.exists()
    assert set(SalesforceOrg.objects.values_list("state", flat=True)) == {"disconnected"}
    assert set(Run.objects.values_list("state", flat=True)) == {"cancelled"}
    assert AuditEntry.objects.filter(action="connection.all_revoked").count() == 1


def test_s_008_with_salesforce_down_everything_local_still_ends_in_time(demo_org, db, now, monkeypatch):
    for n in range(3):
        lifecycle.connect_demo_org(name=f"Org {n}", now=now, method="jwt")
    demo_org.fault(path=REVOKE, status=0, delay=0.4, times=9)
    monkeypatch.setattr(disconnect, "REMOTE_SECONDS", 0.1)
    done, pending = disconnect.revoke_all(now=now)
    assert (done, pending) == (3, 2)
    assert SalesforceOrg.objects.filter(revocation_pending=True).count() == 2
    demo_org.no_faults()
    assert lifecycle.retry_revocations(now=now) == 2


def test_pause_stops_calls_and_resume_tests_first(web_org, demo_org, cast, now):
    client = client_for(web_org, domain="okr")
    queued = make_run(web_org, state="queued")
    disconnect.pause(web_org, actor=cast.olga, now=now)
    queued.refresh_from_db()
    assert queued.state == "cancelled"
    with pytest.raises(NotConnected, match="paused"):
        client_for(web_org, domain="okr")
    lifecycle.check_connection(web_org, now=now)
    web_org.refresh_from_db()
    assert web_org.state == "paused"
    lifecycle.resume(web_org, actor=cast.olga, now=now)
    web_org.refresh_from_db()
    assert web_org.state == "connected"
    assert client.count(COUNT) > 0


def test_resume_of_something_never_connected_is_refused(org, now):
    with pytest.raises(Refusal):
        lifecycle.resume(org, now=now)
    with pytest.raises(Refusal):
        lifecycle.pause(org, now=now)


def test_r_287_only_an_ended_connection_can_be_deleted(web_org, cast, now):
    with pytest.raises(Refusal, match="Disconnect"):
        lifecycle.delete_connection(web_org, actor=cast.ada)
    disconnect.disconnect(web_org, now=now)
    lifecycle.delete_connection(web_org, actor=cast.ada)
    assert not SalesforceOrg.objects.exists()
    assert AuditEntry.objects.get(action="connection.deleted").before["name"] == "Web"


def test_a_disconnected_connection_can_be_connected_again_and_keeps_its_org(demo_org, db, now):
    org = lifecycle.connect_demo_org(name="Demo", now=now, method="jwt")
    disconnect.disconnect(org, now=now)
    found = lifecycle.demo.credentials_for("jwt")
    lifecycle.save_credentials(org, method="jwt", client_id=found.client_id, username=found.username, secrets=found.secrets)
    lifecycle.authorize(org, now=now)
    org.refresh_from_db()
    assert org.state == "connected"
