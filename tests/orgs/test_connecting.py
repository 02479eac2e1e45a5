"""The four ways in, against the real demo org; what is refused when connecting."""

import pytest

from integrations.access import Refusal
from integrations.models import Alert, AuditEntry, OrgSecret, SalesforceOrg
from integrations.orgs import lifecycle, posture, vault
from integrations.orgs.connect import client_for, flush_usage
from integrations.orgs.vault import Kind
from integrations.salesforce.errors import AppRejected, LoginRefused
from integrations.salesforce.hosts import HostRefused
from tests.orgs.conftest import make_web_org, sign_in_by_web

Method = SalesforceOrg.LoginMethod


@pytest.mark.parametrize("method", [Method.CLIENT_CREDENTIALS, Method.JWT, Method.PASSWORD])
def test_bw_23_connect_stores_and_verifies(demo_org, db, now, method):
    org = lifecycle.connect_demo_org(name="Demo", now=now, method=method)
    assert org.state == "connected"
    assert org.org_id == demo_org.info()["org_id"]
    assert org.org_name
    assert org.user_name
    assert posture.is_ready(posture.findings_of(org)), posture.findings_of(org)
    assert client_for(org, domain="okr").count("SELECT COUNT() FROM Account") > 0


def test_i_14_web_flow_with_pkce_stores_the_pair_in_the_vault_only(web_org):
    assert web_org.state == "connected"
    kinds = vault.kinds_of(web_org)
    assert {"access_token", "refresh_token", "client_secret"} <= kinds.keys()
    assert vault.read(web_org, Kind.ACCESS_TOKEN).startswith("00D")
    assert client_for(web_org, domain="okr").count("SELECT COUNT() FROM Account") > 0


def test_bw_21_password_with_token_appended_works_in_one_field(demo_org, db, now):
    user = next(each for each in demo_org.info()["users"] if "integration" in each["username"])
    org = lifecycle.create_connection(name="Legacy", environment="demo", login_url=demo_org.url, now=now)
    secrets = {"password": user["password"] + user["security_token"], "security_token": ""}
    lifecycle.save_credentials(org, method=Method.PASSWORD, username=user["username"], secrets=secrets)
    lifecycle.authorize(org, now=now)
    assert org.state == "connected"


def test_bw_13_no_token_is_needed_where_no_ip_restriction_applies(demo_org, db, now):
    demo_org.settings(security_token_required=False)
    user = next(each for each in demo_org.info()["users"] if "integration" in each["username"])
    org = lifecycle.create_connection(name="Legacy", environment="demo", login_url=demo_org.url, now=now)
    lifecycle.save_credentials(org, method=Method.PASSWORD, username=user["username"], secrets={"password": user["password"]})
    lifecycle.authorize(org, now=now)
    assert org.state == "connected"


def test_r_021_a_wrong_password_is_one_attempt_and_no_schedule_follows(demo_org, db, now):
    user = next(each for each in demo_org.info()["users"] if "integration" in each["username"])
    org = lifecycle.create_connection(name="Legacy", environment="demo", login_url=demo_org.url, now=now)
    lifecycle.save_credentials(org, method=Method.PASSWORD, username=user["username"], secrets={"password": "wrong"})
    demo_org.forget_calls()
    with pytest.raises(LoginRefused):
        lifecycle.authorize(org, now=now)
    assert len(demo_org.calls("/Soap/")) == 1
    org.refresh_from_db()
    assert org.state == "bad_login"
    with pytest.raises(Refusal, match="refused the username"):
        client_for(org, domain="okr").count("SELECT COUNT() FROM Account")
    assert len(demo_org.calls("/Soap/")) == 1


def test_r_008_a_wrong_consumer_secret_when_connecting_names_the_app(demo_org, db, now):
    client = demo_org.client("client_credentials")
    org = lifecycle.create_connection(name="Demo", environment="demo", login_url=demo_org.url, now=now)
    secrets = {"client_secret": "x" * 64}
    lifecycle.save_credentials(org, method=Method.CLIENT_CREDENTIALS, client_id=client["client_id"], secrets=secrets)
    with pytest.raises(AppRejected):
        lifecycle.authorize(org, now=now)
    org.refresh_from_db()
    assert org.state == "app_rejected"
    assert "not the user" in org.state_reason


def test_r_015_a_grant_without_refresh_token_is_refused_when_connecting(demo_org, db, now):
    client = demo_org.client("authorization_code")
    org = lifecycle.create_connection(name="Web", environment="demo", login_url=demo_org.url, now=now)
    lifecycle.save_credentials(
        org, method=Method.WEB, client_id=client["client_id"], secrets={"client_secret": client["client_secret"]}
    )
    answer = sign_in_by_web(demo_org, client["client_id"], client["client_secret"], scope="api id")
    demo_org.forget_calls()
    with pytest.raises(Refusal, match="refresh_token"):
        lifecycle.complete_authorization(org, answer, now=now)
    org.refresh_from_db()
    assert org.state == "new"
    assert vault.kinds_of(org).keys() == {"client_secret"}
    assert len(demo_org.calls("/oauth2/revoke")) == 1


def test_r_015_a_grant_without_api_is_refused_when_connecting(demo_org, db, now):
    client = demo_org.client("authorization_code")
    org = lifecycle.create_connection(name="Web", environment="demo", login_url=demo_org.url, now=now)
    lifecycle.save_credentials(
        org, method=Method.WEB, client_id=client["client_id"], secrets={"client_secret": client["client_secret"]}
    )
    answer = sign_in_by_web(demo_org, client["client_id"], client["client_secret"], scope="refresh_token id")
    with pytest.raises(Refusal, match="scope api"):
        lifecycle.complete_authorization(org, answer, now=now)


def test_the_org_is_pinned_and_another_one_is_refused_at_reauthorization(web_org, demo_org, now):
    SalesforceOrg.objects.filter(pk=web_org.pk).update(org_id="00D000000000001EAA")
    web_org.refresh_from_db()
    before = vault.read(web_org, Kind.REFRESH_TOKEN)
    client = demo_org.client("authorization_code")
    answer = sign_in_by_web(demo_org, client["client_id"], client["client_secret"])
    demo_org.forget_calls()
    with pytest.raises(Refusal, match="another org"):
        lifecycle.complete_authorization(web_org, answer, now=now)
    web_org.refresh_from_db()
    assert web_org.state == "connected"
    assert vault.read(web_org, Kind.REFRESH_TOKEN) == before
    assert len(demo_org.calls("/oauth2/revoke")) == 1


def test_reauthorizing_revokes_the_grant_that_it_replaces(web_org, demo_org, now):
    old = vault.read(web_org, Kind.REFRESH_TOKEN)
    client = demo_org.client("authorization_code")
    answer = sign_in_by_web(demo_org, client["client_id"], client["client_secret"])
    demo_org.forget_calls()
    lifecycle.complete_authorization(web_org, answer, now=now)
    assert vault.read(web_org, Kind.REFRESH_TOKEN) not in {old, None}
    assert len(demo_org.calls("/oauth2/revoke")) == 1
    assert not web_org.revocation_pending
    assert client_for(web_org, domain="okr").count("SELECT COUNT() FROM Account") > 0


def test_s_072_and_bw_d5_the_host_of_an_authorized_connection_cannot_be_changed(web_org):
    with pytest.raises(Refusal, match="Disconnect first"):
        lifecycle.change_connection(web_org, {"login_url": "https://evil.my.salesforce.com"})


def test_s_020_a_foreign_host_is_refused_on_save(db, now):
    with pytest.raises(HostRefused):
        lifecycle.create_connection(name="x", environment="production", login_url="http://169.254.169.254/", now=now)
    assert not SalesforceOrg.objects.exists()


def test_bw_d6_saving_again_with_empty_fields_keeps_the_secrets_and_another_method_erases_them(org):
    lifecycle.save_credentials(
        org, method=Method.PASSWORD, username="u@x.example", secrets={"password": "p4ss", "security_token": "tok"}
    )
    lifecycle.save_credentials(
        org, method=Method.PASSWORD, username="v@x.example", secrets={"password": "", "security_token": ""}
    )
    assert (vault.read(org, Kind.PASSWORD), vault.read(org, Kind.SECURITY_TOKEN)) == ("p4ss", "tok")
    lifecycle.save_credentials(org, method=Method.PASSWORD, username="v@x.example", secrets={"password": "newtok"})
    assert vault.read(org, Kind.SECURITY_TOKEN) is None
    lifecycle.save_credentials(org, method=Method.WEB, client_id="k", secrets={"client_secret": "s"})
    assert vault.kinds_of(org).keys() == {"client_secret"}


def test_s_110_connecting_leaves_its_entries_without_secrets(demo_org, cast, now):
    org = lifecycle.connect_demo_org(name="Demo", now=now, actor=cast.ada)
    actions = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["connection.created", "connection.credentials_changed", "connection.authorized", "connection.recovered"]
    texts = str(list(AuditEntry.objects.values_list("before", "after")))
    for secret in OrgSecret.objects.filter(org=org):
        assert vault.read(org, secret.kind) not in texts


def test_r_014_a_retired_api_version_is_caught_by_the_test(web_org, demo_org, now):
    demo_org.fault(
        path="^/services/data/?$", status=200, body=[{"label": "Old", "url": "/services/data/v31.0", "version": "31.0"}]
    )
    findings = posture.check_access(web_org, now=now)
    version = next(each for each in findings if each.key == "version")
    assert version.ok is False
    assert "65.0" in version.sentence


def test_r_014_a_410_fails_with_the_version_named_and_one_alert(web_org, demo_org, now):
    body = [{"message": "The requested resource no longer exists", "errorCode": "UNSUPPORTED_API_VERSION"}]
    demo_org.fault(path="/query", status=410, body=body, times=2)
    client = client_for(web_org, domain="okr")
    for _ in range(2):
        with pytest.raises(Exception, match="no longer exists"):
            client.count("SELECT COUNT() FROM Account")
    web_org.refresh_from_db()
    assert web_org.state == "connected"
    assert Alert.objects.filter(key=f"connection:{web_org.pk}", code="version_retired").count() == 1


def test_bw_35_missing_access_is_said_in_words_with_the_fix(web_org, demo_org, now):
    demo_org.settings(hidden_objects=["Report"])
    findings = {each.key: each for each in posture.check_access(web_org, now=now)}
    assert findings["reports"].ok is False
    assert "Run Reports" in findings["reports"].fix
    assert findings["api"].ok is True


def test_bw_10_an_administrator_as_integration_user_is_warned_about(demo_org, db, now):
    org = make_web_org(demo_org, user=demo_org.user("System Administrator"))
    findings = {each.key: each for each in posture.findings_of(org)}
    assert findings["least_access"].advice
    assert "lowest access" in findings["least_access"].fix
    assert posture.is_ready(posture.findings_of(org))


def test_needs_of_domains_are_checked_with_their_reason(web_org, demo_org, now, monkeypatch):
    monkeypatch.setattr(posture, "_needs", {})
    posture.register_need(posture.Need("Account", ("Id", "Nope__c"), "customers"))
    posture.register_need(posture.Need("Missing__c", ("Id",), "billing"))
    posture.register_need(posture.Need("Contact", ("Id",), "switched off", enabled=lambda org: False))
    findings = {each.key: each for each in posture.check_access(web_org, now=now)}
    assert "Nope__c" in findings["object:Account"].sentence
    assert "billing" in findings["object:Missing__c"].sentence
    assert "object:Contact" not in findings


def test_i_10_a_connection_whose_check_breaks_does_not_stop_the_others(web_org, demo_org, now, monkeypatch):
    SalesforceOrg.objects.create(name=f"{web_org.name} and after it", state="connected", authorized_at=now)
    monkeypatch.setattr(posture, "_needs", {})
    posture.register_need(posture.Need("Account", ("Id",), "customers", enabled=lambda org: org.pk != web_org.pk or 1 / 0))
    assert posture.check_all(now=now) == 1


def test_daily_check_alerts_once_and_recovers(web_org, demo_org, now):
    demo_org.settings(hidden_objects=["Report"])
    assert posture.check_all(now=now) == 1
    posture.check_all(now=now)
    assert Alert.objects.filter(key=f"access:{web_org.pk}", recovered_at=None).count() == 1
    demo_org.settings(hidden_objects=[])
    posture.check_all(now=now)
    assert not Alert.objects.filter(key=f"access:{web_org.pk}", recovered_at=None).exists()
    flush_usage()
