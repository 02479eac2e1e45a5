"""Renewing tokens: one at a time, rotation-safe, every refusal told apart, nothing after a disconnect."""

import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import connection as database
from django.utils import timezone

from integrations import alerts, disconnect
from integrations.models import Alert, AuditEntry, SalesforceOrg
from integrations.orgs import connect, lifecycle, vault
from integrations.orgs.connect import NotConnected, client_for
from integrations.orgs.states import shown_state
from integrations.orgs.vault import Kind
from integrations.salesforce.client import Grant
from integrations.salesforce.errors import (
    AddressBlocked,
    ApiDisabled,
    AppRejected,
    LoginRefused,
    ReauthorizationRequired,
    UnexpectedAnswer,
    UpstreamUnavailable,
    UserInactive,
)
from integrations.salesforce.login import Wire
from integrations.salesforce.transport import Retry
from tests.demo import free_port
from tests.orgs.conftest import make_web_org

COUNT = "SELECT COUNT() FROM Account"
TOKEN = "/services/oauth2/token"


@pytest.fixture(autouse=True)
def _patient_in_no_time(monkeypatch, settings):
    """Retries without their waits; everything else is the real thing."""
    retry = Retry(tries=3, first_wait=0.001, longest_wait=0.001)
    monkeypatch.setattr(connect.sign_in, "wire", lambda: Wire(demo_origin=settings.DEMO_ORG_URL, retry=retry))


def expire(demo_org) -> None:
    demo_org.control("sessions", method="DELETE")
    demo_org.forget_calls()


def refuse_tokens(demo_org, error: str, description: str, times: int = 20) -> None:
    demo_org.fault(path=TOKEN, status=400, body={"error": error, "error_description": description}, times=times)


def token_calls(demo_org) -> int:
    return len(demo_org.calls(TOKEN))


def test_r_002_an_expired_token_is_refreshed_once_and_the_same_question_asked_again(web_org, demo_org):
    client = client_for(web_org, domain="okr")
    rows = client.count(COUNT)
    expire(demo_org)
    assert client.count(COUNT) == rows
    assert token_calls(demo_org) == 1
    assert [call["status"] for call in demo_org.calls("/query")] == [401, 200]


def test_r_006_an_answer_without_refresh_token_leaves_the_stored_one(web_org, demo_org):
    stored = vault.read(web_org, Kind.REFRESH_TOKEN)
    expire(demo_org)
    client_for(web_org, domain="okr").count(COUNT)
    assert vault.read(web_org, Kind.REFRESH_TOKEN) == stored


def test_i_16_with_rotation_the_new_pair_is_stored_before_it_is_used(web_org, demo_org, monkeypatch):
    demo_org.settings(rotation=True)
    seen = []
    original = connect.OrgClient.request

    def spying(self, *args, **kwargs):
        answer = original(self, *args, **kwargs)
        seen.append(vault.read(web_org, Kind.ACCESS_TOKEN))
        return answer

    monkeypatch.setattr(connect.OrgClient, "request", spying)
    for _ in range(3):
        before = vault.read(web_org, Kind.REFRESH_TOKEN)
        expire(demo_org)
        client_for(web_org, domain="okr").count(COUNT)
        assert vault.read(web_org, Kind.REFRESH_TOKEN) != before
        assert token_calls(demo_org) == 1
    assert seen[-1] == vault.read(web_org, Kind.ACCESS_TOKEN)


def test_i_16_a_worker_with_an_old_token_takes_the_stored_one_without_a_call(web_org, demo_org):
    tokens = connect.OrgTokens(web_org)
    old = tokens.current()
    expire(demo_org)
    newer = connect.OrgTokens(web_org).refresh(old)
    assert token_calls(demo_org) == 1
    assert tokens.refresh(old) == newer
    assert token_calls(demo_org) == 1


def test_i_16_a_dead_holder_of_the_lease_does_not_block_for_ever(web_org, demo_org):
    expire(demo_org)
    SalesforceOrg.objects.filter(pk=web_org.pk).update(refreshing_until=timezone.now() - timedelta(seconds=1))
    assert client_for(web_org, domain="okr").count(COUNT) > 0


def test_i_09_waiting_for_another_worker_is_bounded(web_org, demo_org, monkeypatch):
    expire(demo_org)
    monkeypatch.setattr(connect, "WAIT_FOR_OTHERS", 0.05)
    SalesforceOrg.objects.filter(pk=web_org.pk).update(refreshing_until=timezone.now() + timedelta(seconds=60))
    with pytest.raises(UpstreamUnavailable, match="still renewing"):
        client_for(web_org, domain="okr").count(COUNT)
    assert token_calls(demo_org) == 0


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_r_003_four_workers_with_a_401_make_one_token_call(demo_org):
    org = make_web_org(demo_org)
    demo_org.settings(rotation=True)
    grants = [connect.OrgTokens(org) for _ in range(4)]
    old = grants[0].current()
    expire(demo_org)
    demo_org.fault(path=TOKEN, status=0, delay=0.3, times=1)
    results, failures, start = [], [], threading.Barrier(4)

    def work(tokens):
        try:
            start.wait(60)
            results.append(tokens.refresh(old))
        except Exception as error:  # noqa: BLE001
            failures.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=work, args=(tokens,)) for tokens in grants]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert len({grant.access_token for grant in results}) == 1
    assert token_calls(demo_org) == 1


def test_r_001_a_revoked_grant_is_one_call_one_alert_and_silence(web_org, demo_org, now):
    other = make_web_org(demo_org, name="Other", user=demo_org.user("System Administrator"))
    demo_org.control(f"approvals/{web_org.user_name}", method="DELETE")
    demo_org.forget_calls()
    client = client_for(web_org, domain="okr")
    with pytest.raises(ReauthorizationRequired):
        client.count(COUNT)
    for _ in range(5):
        with pytest.raises(NotConnected) as refusal:
            client_for(web_org, domain="okr").count(COUNT)
        assert refusal.value.code == "reauth_required"
    assert token_calls(demo_org) == 1
    web_org.refresh_from_db()
    assert web_org.state == "needs_reauthorization"
    assert "Authorize this connection again" in refusal.value.message
    assert Alert.objects.filter(key=f"connection:{web_org.pk}").count() == 1
    assert AuditEntry.objects.filter(action="connection.failed", target="Web").count() == 1
    assert client_for(other, domain="okr").count(COUNT) > 0


def test_r_001_a_persons_test_makes_no_token_call_within_15_minutes_either(web_org, demo_org, now):
    refuse_tokens(demo_org, "invalid_grant", "expired access/refresh token")
    expire(demo_org)
    with pytest.raises(ReauthorizationRequired):
        client_for(web_org, domain="okr").count(COUNT)
    findings = lifecycle.check_connection(web_org, now=now)
    assert token_calls(demo_org) == 1
    assert findings[-1].ok is False


@pytest.mark.parametrize("status", [500, 503])
def test_r_007_an_unwell_token_endpoint_gets_three_tries_and_nothing_is_disconnected(web_org, demo_org, status):
    expire(demo_org)
    demo_org.fault(path=TOKEN, status=status, body="<html>down</html>", times=9)
    with pytest.raises(UpstreamUnavailable):
        client_for(web_org, domain="okr").count(COUNT)
    assert token_calls(demo_org) == 3
    web_org.refresh_from_db()
    assert web_org.state == "connected"
    assert web_org.refreshing_until is None
    demo_org.no_faults()
    assert client_for(web_org, domain="okr").count(COUNT) > 0


def test_r_023_without_network_nothing_is_marked_and_it_goes_on_by_itself(web_org, demo_org, settings, monkeypatch):
    real, nowhere = demo_org.url, f"http://127.0.0.1:{free_port()}"
    monkeypatch.setattr("integrations.salesforce.transport.Retry.wait_before", lambda *_: 0.001)
    settings.DEMO_ORG_URL = nowhere
    SalesforceOrg.objects.filter(pk=web_org.pk).update(login_url=nowhere, instance_url=nowhere)
    web_org.refresh_from_db()
    with pytest.raises(UpstreamUnavailable):
        client_for(web_org, domain="okr").count(COUNT)
    settings.DEMO_ORG_URL = real
    SalesforceOrg.objects.filter(pk=web_org.pk).update(login_url=real, instance_url=real)
    web_org.refresh_from_db()
    assert web_org.state == "connected"
    assert client_for(web_org, domain="okr").count(COUNT) > 0


def test_r_008_a_rotated_consumer_secret_is_worded_as_the_app_and_not_retried(web_org, demo_org):
    refuse_tokens(demo_org, "invalid_client", "invalid client credentials")
    expire(demo_org)
    with pytest.raises(AppRejected):
        client_for(web_org, domain="okr").count(COUNT)
    with pytest.raises(NotConnected, match="rejects the app, not the user"):
        client_for(web_org, domain="okr").count(COUNT)
    assert token_calls(demo_org) == 1
    web_org.refresh_from_db()
    assert web_org.state == "app_rejected"


def test_r_009_a_frozen_user_is_told_apart(web_org, demo_org):
    demo_org.control(f"logins/{web_org.user_name}", {"frozen": True}, method="PATCH")
    expire(demo_org)
    with pytest.raises(UserInactive):
        client_for(web_org, domain="okr").count(COUNT)
    web_org.refresh_from_db()
    assert web_org.state == "user_inactive"


def test_r_010_an_ip_restriction_names_the_address_and_waits_15_minutes(web_org, demo_org):
    expire(demo_org)
    refuse_tokens(demo_org, "invalid_grant", "ip restricted: request from 203.0.113.9", times=1)
    with pytest.raises(AddressBlocked):
        client_for(web_org, domain="okr").count(COUNT)
    web_org.refresh_from_db()
    assert web_org.state == "ip_blocked"
    assert "203.0.113.9" in web_org.state_reason
    with pytest.raises(NotConnected):
        client_for(web_org, domain="okr").count(COUNT)
    assert token_calls(demo_org) == 1
    assert lifecycle.retry_blocked(now=timezone.now()) == 0
    with time_machine.travel(timezone.now() + timedelta(minutes=16), tick=True):
        assert lifecycle.retry_blocked(now=timezone.now()) == 1
        assert client_for(web_org, domain="okr").count(COUNT) > 0
    web_org.refresh_from_db()
    assert web_org.state == "connected"


def test_r_012_a_moved_instance_is_taken_only_within_allowed_domains(web_org, demo_org):
    expire(demo_org)
    body = {
        "access_token": "00DxCANARY!moved.token.of.the.new.instance",
        "instance_url": "https://acme2.my.salesforce.com",
        "id": f"{demo_org.url}/id/{web_org.org_id}/{web_org.user_id}",
        "issued_at": "1795312800000",
        "token_type": "Bearer",
    }
    demo_org.fault(path=TOKEN, status=200, body=body)
    tokens = connect.OrgTokens(web_org)
    assert tokens.refresh(tokens.current()).instance_url == "https://acme2.my.salesforce.com"
    web_org.refresh_from_db()
    assert web_org.instance_url == "https://acme2.my.salesforce.com"
    assert web_org.state == "connected"


def test_r_012_and_i_15_a_foreign_instance_gets_no_token(web_org, demo_org):
    expire(demo_org)
    body = {
        "access_token": "00DxCANARY!stolen",
        "instance_url": "https://salesforce.com.evil.example",
        "id": f"{demo_org.url}/id/{web_org.org_id}/{web_org.user_id}",
        "issued_at": "1795312800000",
    }
    demo_org.fault(path=TOKEN, status=200, body=body)
    with pytest.raises(UnexpectedAnswer):
        client_for(web_org, domain="okr").count(COUNT)
    web_org.refresh_from_db()
    assert web_org.state == "needs_reauthorization"
    assert "evil.example" in web_org.state_reason
    assert web_org.instance_url == demo_org.url


def test_the_token_of_another_org_is_not_used_after_a_refresh(web_org, demo_org):
    expire(demo_org)
    body = {
        "access_token": "00DxCANARY!other.org",
        "instance_url": demo_org.url,
        "id": f"{demo_org.url}/id/00D000000000001EAA/{web_org.user_id}",
        "issued_at": "1795312800000",
    }
    demo_org.fault(path=TOKEN, status=200, body=body)
    with pytest.raises(NotConnected, match="another org"):
        client_for(web_org, domain="okr").count(COUNT)
    assert len(demo_org.calls("/query")) == 1


def test_bw_d14_two_consecutive_bad_logins_stop_the_connection_with_one_alert(password_org, demo_org):
    demo_org.control(f"logins/{password_org.username}", {"password": "Changed-1"}, method="PATCH")
    expire(demo_org)
    with pytest.raises(LoginRefused):
        client_for(password_org, domain="okr").count(COUNT)
    password_org.refresh_from_db()
    assert (password_org.state, password_org.bad_logins) == ("connected", 1)
    with pytest.raises(NotConnected, match="refused the last login"):
        client_for(password_org, domain="okr").count(COUNT)
    assert len(demo_org.calls("/Soap/")) == 1
    with time_machine.travel(timezone.now() + timedelta(hours=1), tick=True), pytest.raises(LoginRefused):
        client_for(password_org, domain="okr").count(COUNT)
    password_org.refresh_from_db()
    assert (password_org.state, password_org.bad_logins) == ("bad_login", 2)
    with time_machine.travel(timezone.now() + timedelta(hours=5), tick=True), pytest.raises(NotConnected):
        client_for(password_org, domain="okr").count(COUNT)
    assert len(demo_org.calls("/Soap/")) == 2
    assert Alert.objects.filter(key=f"connection:{password_org.pk}").count() == 1


def test_bw_d14_only_a_successful_manual_test_resumes(password_org, demo_org, now):
    user = next(each for each in demo_org.info()["users"] if each["username"] == password_org.username)
    demo_org.control(f"logins/{password_org.username}", {"password": "Changed-1"}, method="PATCH")
    SalesforceOrg.objects.filter(pk=password_org.pk).update(state="bad_login", bad_logins=2)
    password_org.refresh_from_db()
    expire(demo_org)
    with pytest.raises(NotConnected):
        lifecycle.resume(password_org, now=now)
    password_org.refresh_from_db()
    assert password_org.state == "bad_login"
    assert len(demo_org.calls("/Soap/")) == 1
    demo_org.control(f"logins/{password_org.username}", {"password": user["password"]}, method="PATCH")
    lifecycle.check_connection(password_org, now=now)
    password_org.refresh_from_db()
    assert (password_org.state, password_org.bad_logins) == ("connected", 0)


def test_bw_d14_one_bad_login_is_forgotten_after_a_good_one(password_org, demo_org):
    SalesforceOrg.objects.filter(pk=password_org.pk).update(bad_logins=1)
    expire(demo_org)
    client_for(password_org, domain="okr").count(COUNT)
    password_org.refresh_from_db()
    assert password_org.bad_logins == 0


@pytest.mark.parametrize(
    ("code", "text", "state"),
    [
        ("LOGIN_MUST_USE_SECURITY_TOKEN", "Invalid username, password, security token; or user locked out.", "bad_login"),
        ("USER_LOCKED_OUT", "locked out", "login_locked"),
        ("INVALID_OPERATION", "SOAP API login() is disabled by default in this org.", "api_disabled"),
    ],
)
def test_bw_d14_causes_of_a_refused_login_are_told_apart(password_org, demo_org, code, text, state):
    SalesforceOrg.objects.filter(pk=password_org.pk).update(bad_logins=1)
    expire(demo_org)
    fault = (
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body><soapenv:Fault>'
        f"<faultcode>sf:{code}</faultcode><faultstring>{code}: {text}</faultstring></soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    )
    demo_org.fault(path="/Soap/", status=500, body=fault, headers={"Content-Type": "text/xml"})
    with pytest.raises(Exception):  # noqa: B017 - which one is the state's business
        client_for(password_org, domain="okr").count(COUNT)
    password_org.refresh_from_db()
    assert password_org.state == state


def test_px_47_without_api_enabled_the_connection_says_which_permission_is_missing(web_org, demo_org):
    demo_org.settings(api_enabled=False)
    demo_org.forget_calls()
    with pytest.raises(ApiDisabled):
        client_for(web_org, domain="okr").count(COUNT)
    assert token_calls(demo_org) == 0
    web_org.refresh_from_db()
    assert web_org.state == "api_disabled"
    shown = shown_state(web_org, locked=False)
    assert "API Enabled" in shown.fix
    assert "Professional Edition needs the API add-on" in shown.fix


def test_r_024_all_connections_revoked_at_once_are_one_digest_and_few_calls(demo_org, db, now, cast, mailoutbox):
    orgs = [make_web_org(demo_org, name=f"Org {n}", user=demo_org.info()["users"][n % 5]) for n in range(5)]
    refuse_tokens(demo_org, "invalid_grant", "expired access/refresh token", times=100)
    expire(demo_org)
    for _ in range(3):
        for org in orgs:
            with pytest.raises((ReauthorizationRequired, NotConnected)):
                client_for(org, domain="okr").count(COUNT)
    assert token_calls(demo_org) == 5
    assert alerts.send_due_alerts(now=timezone.now() + timedelta(minutes=2)) == 1
    assert [mail.subject for mail in mailoutbox] == ["[Causeway] 5 connections need attention"]
    assert set(SalesforceOrg.objects.values_list("state", flat=True)) == {"needs_reauthorization"}


def test_i_17_no_call_with_the_old_token_after_a_disconnect(web_org, demo_org, now, monkeypatch):
    client = client_for(web_org, domain="okr")
    client.count(COUNT)
    disconnect.disconnect(web_org, now=now)
    demo_org.forget_calls()
    monkeypatch.setattr(connect, "RECHECK", 0)
    with pytest.raises(NotConnected, match="disconnected"):
        client.count(COUNT)
    assert demo_org.calls("/query") == []
    assert connect.RECHECK < 10


def test_i_17_the_recheck_is_well_below_ten_seconds():
    assert connect.RECHECK <= 5


def test_i_17_tokens_that_arrive_after_a_disconnect_are_only_kept_for_revocation(web_org, demo_org, now):
    generation = web_org.generation
    answer = connect.sign_in.sign_in(web_org)
    disconnect.disconnect(web_org, now=now)
    with pytest.raises(NotConnected):
        connect.keep_tokens(web_org, answer, generation=generation, now=now)
    assert vault.kinds_of(web_org).keys() == {"pending_revocation"}
    assert lifecycle.retry_revocations(now=now) == 1
    assert vault.kinds_of(web_org) == {}


def test_i_15_a_grant_never_shows_its_token(web_org):
    grant = connect.OrgTokens(web_org).current()
    assert isinstance(grant, Grant)
    assert grant.access_token not in repr(grant)


def test_r_019_a_locked_vault_makes_no_call(web_org, demo_org, settings):
    settings.FIELD_ENCRYPTION_KEYS = []
    demo_org.forget_calls()
    with pytest.raises(vault.VaultLocked):
        client_for(web_org, domain="okr").count(COUNT)
    assert demo_org.calls() == []
