"""The connection pages as people use them."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from django.utils.html import escape

from integrations.models import Alert, AuditEntry, Run, SalesforceOrg
from integrations.orgs import lifecycle, setup_guide, vault
from integrations.orgs.vault import Kind
from integrations.sync import jobs
from tests.cast import PASSWORD

Method = SalesforceOrg.LoginMethod


def words(answer) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


def new_connection(client, **fields):
    return client.post("/connections/new/", {"place": "production", "name": "Acme", **fields})


# --- step 1 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "host", "login_url", "environment"),
    [
        ("production", "", "https://login.salesforce.com", "production"),
        ("sandbox", "", "https://test.salesforce.com", "sandbox"),
        ("my_domain", "https://Acme.my.salesforce.com/setup/home?x=1", "https://acme.my.salesforce.com", "production"),
        (
            "my_domain",
            "acme--uat.sandbox.lightning.force.com/lightning/page/home",
            "https://acme--uat.sandbox.my.salesforce.com",
            "sandbox",
        ),
        ("production", "https://na9.salesforce.com/home/home.jsp", "https://na9.salesforce.com", "production"),
    ],
)
def test_bw_22_and_bw_d5_any_pasted_address_is_reduced_to_the_login_host(ada, place, host, login_url, environment):
    answer = new_connection(ada, place=place, host=host)
    org = SalesforceOrg.objects.get()
    assert answer["Location"] == f"/connections/{org.pk}/sign-in/"
    assert (org.login_url, org.environment, org.state) == (login_url, environment, "new")


@pytest.mark.parametrize(
    "host", ["ACME.my.salesforce.com/", "  https://acme.my.salesforce.com  ", "http://acme.my.salesforce.com/x/y"]
)
def test_r_013_spelling_is_normalized(ada, host):
    new_connection(ada, place="my_domain", host=host)
    assert SalesforceOrg.objects.get().login_url == "https://acme.my.salesforce.com"


HOSTILE = [
    "http://127.0.0.1/", "http://localhost:8000", "http://10.0.0.1", "http://192.168.1.1", "http://169.254.169.254/latest/meta-data/",
    "http://2130706433/", "http://0177.0.0.1/", "http://0x7f000001/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "[::1]",
    "https://user@acme.my.salesforce.com", "https://acme.my.salesforce.com@evil.example", "https://acme.my.salesforce.com.evil.example",
    "https://evilsalesforce.com", "https://salesforce.com.evil.example", "https://my.salesforce.com.evil.example#.salesforce.com",
    "https://acme.my.salesforce.com:22", "https://acme.my.salesforce.com:6379", "file:///etc/passwd", "gopher://acme.my.salesforce.com",
    "ftp://acme.my.salesforce.com", "javascript:alert(1)", "https://", "//evil.example", "https:\\\\evil.example", "https://а.my.salesforce.com",
    "https://acme.my.salesforce.com\\@evil.example", "https://acme。my。salesforce。com", "https://%61cme.my.salesforce.com", "https://www.salesforce.com",
    "metadata.google.internal", "0", "http://0/", "https://.my.salesforce.com", "https://acme..my.salesforce.com", "https://acme.my.salesforce.com.",
    "https://acme.my.salesforce.com\r\nHost: evil.example", "x" * 3000,
]  # fmt: skip


@pytest.mark.parametrize("host", HOSTILE)
def test_s_020_hostile_hosts_are_refused_on_save_with_a_reason(ada, host):
    answer = new_connection(ada, place="my_domain", host=host)
    assert answer.status_code == 200
    assert 'class="error"' in answer.content.decode()
    assert not SalesforceOrg.objects.exists()


def test_s_020_the_demo_org_only_through_a_setting(ada, settings):
    settings.DEMO_ORG_URL = ""
    assert "Demo org" not in words(ada.get("/connections/new/"))
    assert new_connection(ada, place="demo").status_code == 200
    assert new_connection(ada, place="my_domain", host="http://127.0.0.1:8600").status_code == 200
    assert not SalesforceOrg.objects.exists()


def test_the_demo_org_is_offered_and_chosen_beforehand(ada, demo_org):
    page = words(ada.get("/connections/new/"))
    assert re.search(r'value="demo" checked', page)
    new_connection(ada, place="demo", name="")
    org = SalesforceOrg.objects.get()
    assert (org.name, org.environment, org.login_url) == ("Demo org", "demo", demo_org.url)


def test_a_name_is_used_once(ada, org):
    assert "already a connection" in words(new_connection(ada, name="acme"))
    new_connection(ada, name="")
    new_connection(ada, name="")
    assert set(SalesforceOrg.objects.values_list("name", flat=True)) == {"Acme", "Production", "Production 2"}


def test_r_283_a_form_sent_twice_makes_one_connection(ada):
    first = new_connection(ada, form_token="once")
    second = new_connection(ada, form_token="once", name="Acme again")
    assert first["Location"] == second["Location"]
    assert SalesforceOrg.objects.count() == 1


def test_going_back_loses_nothing(ada, org):
    lifecycle.save_credentials(org, method=Method.WEB, client_id="3MVG9.key", secrets={"client_secret": "s"})
    page = words(ada.get(f"/connections/{org.pk}/environment/"))
    assert 'value="my_domain" checked' in page
    assert "https://acme.my.salesforce.com" in page
    answer = ada.post(f"/connections/{org.pk}/environment/", {"place": "sandbox", "name": "Acme sandbox"})
    assert answer["Location"] == f"/connections/{org.pk}/sign-in/"
    org.refresh_from_db()
    assert (org.login_url, org.environment, org.name) == ("https://test.salesforce.com", "sandbox", "Acme sandbox")
    assert "3MVG9.key" in words(ada.get(f"/connections/{org.pk}/sign-in/"))


def test_setting_up_can_be_left_and_found_again(ada, org):
    assert "Finish setting up" in words(ada.get("/connections/"))
    assert "Finish setting up" in words(ada.get(f"/connections/{org.pk}/"))


# --- step 2: the guide and the credentials --------------------------------------------------------------------------------


def guide_text(method: str) -> str:
    steps = setup_guide.steps_for(method, callback_url="https://causeway.example/oauth/complete/salesforce-connection/")
    return " ".join(
        " ".join([step.title, step.text, step.where, step.why, step.warning, *(f"{v.label}: {v.text}" for v in step.values)])
        for step in steps
    )


@pytest.mark.parametrize(
    ("requirement", "method", "expected"),
    [
        ("BW-07", "web", "administrator here, and an administrator in Salesforce"),
        ("BW-08", "web", "username must be unique"),
        ("BW-09", "web", "API Enabled, Run Reports"),
        ("BW-09", "web", "Read access is enough"),
        ("BW-10", "web", "LOWEST access"),
        ("BW-11", "web", "sign in as the new user once"),
        ("BW-12", "password", "Reset My Security Token"),
        ("BW-13", "password", "no token is needed"),
        ("BW-14", "web", "Install for All Users"),
        ("BW-15", "web", "people who use both products"),
        ("BW-16", "web", "to the integration user too"),
        ("BW-17", "web", "Installed Packages › Manage Licenses"),
        ("BW-18", "web", "two hours"),
        ("BW-24", "password", "Password Never Expires"),
        ("ECA", "web", "External Client App"),
        ("PKCE", "web", "Require PKCE"),
        ("policies", "client_credentials", "Run As"),
    ],
)
def test_bw_07_to_bw_18_and_bw_24_the_guide_says(requirement, method, expected):
    assert expected in guide_text(method), requirement


def test_bw_07_the_page_shows_the_callback_to_copy_exactly_as_it_is_sent(ada, org):
    page = words(ada.get(f"/connections/{org.pk}/sign-in/"))
    assert 'data-copy="http://localhost/oauth/complete/salesforce-connection/"' in page
    assert "Manage user data via APIs (api)" in page


@pytest.mark.parametrize("method", Method.values)
def test_bw_20_all_four_ways_are_offered(ada, org, method):
    page = words(ada.get(f"/connections/{org.pk}/sign-in/?method={method}"))
    for other in Method.values:
        assert f"?method={other}" in page


def test_bw_19_to_bw_23_the_legacy_form_connects(ada, demo_org, now):
    user = next(each for each in demo_org.info()["users"] if "integration" in each["username"])
    org = lifecycle.create_connection(name="Legacy", environment="demo", login_url=demo_org.url, now=now)
    page = words(ada.get(f"/connections/{org.pk}/sign-in/?method=password"))
    for label in ("Username", "Password", "Security token", "Host URL"):
        assert f">{label}" in page
    assert "Summer &#x27;27" in page
    form = {
        "method": "password", "username": user["username"], "password": user["password"], "security_token": user["security_token"],
        "host": f"{demo_org.url}/home/home.jsp",
    }  # fmt: skip
    answer = ada.post(f"/connections/{org.pk}/sign-in/", form)
    assert answer["Location"] == f"/connections/{org.pk}/check/"
    org.refresh_from_db()
    assert org.state == "connected"
    assert "retires SOAP login" in words(ada.get(f"/connections/{org.pk}/"))


def test_bw_d6_secrets_are_never_shown_again(ada, org):
    lifecycle.save_credentials(
        org,
        method=Method.PASSWORD,
        username="u@acme.example",
        secrets={"password": "CANARYpass1", "security_token": "CANARYtok2"},
    )
    page = words(ada.get(f"/connections/{org.pk}/sign-in/?method=password"))
    assert "CANARY" not in page
    assert "Stored. Leave empty to keep it." in page


def test_bw_d6_a_refused_form_does_not_echo_the_password(ada, org):
    form = {
        "method": "password",
        "username": "",
        "password": "CANARYpass1",
        "security_token": "CANARYtok2",
        "host": "http://10.0.0.1",
    }
    page = words(ada.post(f"/connections/{org.pk}/sign-in/", form))
    assert "not a Salesforce address" in page
    assert "CANARY" not in page


def test_save_and_go_on_later(ada, org):
    form = {"method": "web", "client_id": "3MVG9.key", "client_secret": "CANARYsecret", "later": "1"}
    assert ada.post(f"/connections/{org.pk}/sign-in/", form)["Location"] == f"/connections/{org.pk}/"
    org.refresh_from_db()
    assert (org.client_id, vault.read(org, Kind.CLIENT_SECRET)) == ("3MVG9.key", "CANARYsecret")


def test_a_made_key_shows_only_the_certificate(ada, org):
    answer = ada.post(f"/connections/{org.pk}/key/")
    assert "method=jwt" in answer["Location"]
    page = words(ada.get(f"/connections/{org.pk}/sign-in/?method=jwt"))
    assert "BEGIN CERTIFICATE" in page
    assert "PRIVATE KEY-----\n" not in page
    assert vault.read(org, Kind.PRIVATE_KEY).startswith("-----BEGIN PRIVATE KEY")


def test_the_demo_org_fills_itself_in(ada, demo_org, now):
    org = lifecycle.create_connection(name="Demo", environment="demo", login_url=demo_org.url, now=now)
    answer = ada.post(f"/connections/{org.pk}/sign-in/", {"method": "web", "fill": "1"})
    assert answer["Location"].startswith(f"{demo_org.url}/services/oauth2/authorize?")
    answer = ada.post(f"/connections/{org.pk}/sign-in/", {"method": "jwt", "fill": "1"})
    assert answer["Location"] == f"/connections/{org.pk}/check/"


def test_without_an_encryption_key_saving_says_so(ada, org, settings):
    settings.FIELD_ENCRYPTION_KEYS = []
    form = {"method": "web", "client_id": "k", "client_secret": "s"}
    assert "FIELD_ENCRYPTION_KEYS" in words(ada.post(f"/connections/{org.pk}/sign-in/", form))


# --- steps 3 and 4 ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def a_job(monkeypatch):
    done = []
    job = jobs.Job("test.first", "First read", "okr", lambda recorder: done.append(recorder.org.pk))
    monkeypatch.setattr(jobs, "_jobs", {"test.first": job})
    return done


def test_the_wizard_ends_with_a_finished_first_sync(ada, demo_org, now, a_job):
    org = lifecycle.connect_demo_org(name="Demo", now=now, method="jwt")
    page = words(ada.get(f"/connections/{org.pk}/check/"))
    assert "first sync" in page
    assert "API version 65.0" in page
    answer = ada.post(f"/connections/{org.pk}/first-sync/")
    assert answer["Location"] == f"/connections/{org.pk}/first-sync/"
    assert a_job == [org.pk]
    page = words(ada.get(f"/connections/{org.pk}/first-sync/"))
    assert "First read" in page
    assert "Succeeded" in page
    live = ada.get(f"/connections/{org.pk}/first-sync/", headers={"HX-Request": "true"})
    assert live.status_code == 286


def test_the_access_check_says_what_is_missing_and_how_to_fix_it(ada, demo_org, now):
    demo_org.settings(hidden_objects=["Report"])
    org = lifecycle.connect_demo_org(name="Demo", now=now, method="jwt")
    page = words(ada.get(f"/connections/{org.pk}/check/"))
    assert "may not read or run reports" in page
    assert "Run Reports" in page


# --- list and health card -----------------------------------------------------------------------------------------------------


def test_the_card_shows_what_a_person_asks(ada, demo_org, now, a_job, cast):
    org = lifecycle.connect_demo_org(name="Demo", now=now, method="jwt", actor=cast.ada)
    Run.objects.create(job="test.first", org=org, state="success")
    page = words(ada.get(f"/connections/{org.pk}/"))
    info = demo_org.info()
    for text in ("Connected", "Demo", org.org_id, f'data-copy="{org.org_id}"', escape(info["name"]), org.user_name, "we stop at",
                 "issued", "First read", "Succeeded", "Ada Min", "Legacy" if org.login_method == "password" else "JWT"):  # fmt: skip
        assert text in page, text


def test_bw_d2_the_integration_user_is_shown_apart_and_takes_no_seat(ada, demo_org, now):
    org = lifecycle.connect_demo_org(name="Demo", now=now, method="jwt")
    assert "uses none of the licenses here" in words(ada.get(f"/connections/{org.pk}/"))


def test_bw_d1_seats_default_to_30(org):
    assert org.seats == 30


def test_bw_38_help_on_failed_logins(ada, org):
    page = words(ada.get(f"/connections/{org.pk}/"))
    for cause in ("Expired authorization", "Wrong password or token", "Locked user", "Address not allowed", "Login History"):
        assert cause in page


@pytest.mark.parametrize(
    "state", [state for state in SalesforceOrg.State.values if state not in {"new", "connected", "paused"}]
)
def test_every_trouble_has_words_and_a_fix_on_the_page(ada, org, state):
    SalesforceOrg.objects.filter(pk=org.pk).update(state=state)
    page = words(ada.get(f"/connections/{org.pk}/"))
    assert SalesforceOrg.State(state).label in page
    assert SalesforceOrg.State(state).label in words(ada.get("/connections/"))
    if state != "disconnected":
        assert "notice-bad" in page


def test_r_024_one_page_to_authorize_them_all(ada, demo_org, now):
    for n in range(3):
        lifecycle.connect_demo_org(name=f"Org {n}", now=now, method="jwt")
    SalesforceOrg.objects.update(state="needs_reauthorization")
    assert "3 connections must be authorized again" in words(ada.get("/connections/"))
    assert words(ada.get("/connections/reauthorize/")).count("/authorize/") == 3
    first = SalesforceOrg.objects.first()
    answer = ada.post(f"/connections/{first.pk}/authorize/", {"after": "reauthorize"})
    assert answer["Location"] == "/connections/reauthorize/"
    assert words(ada.get("/connections/reauthorize/")).count("/authorize/") == 2


def test_r_024_values_stay_readable_while_all_is_broken(client, cast, org):
    SalesforceOrg.objects.update(state="needs_reauthorization")
    client.force_login(cast.jane, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/connections/").status_code == 200
    assert client.get(f"/connections/{org.pk}/").status_code == 200


# --- verbs, roles, fresh sign-in ------------------------------------------------------------------------------------------------


ADMIN_ONLY = [
    ("get", "/connections/new/"), ("get", "/connections/{pk}/environment/"), ("get", "/connections/{pk}/sign-in/"),
    ("get", "/connections/{pk}/settings/"), ("get", "/connections/{pk}/check/"), ("get", "/connections/{pk}/first-sync/"),
    ("get", "/connections/reauthorize/"), ("get", "/connections/revoke-all/"), ("post", "/connections/{pk}/authorize/"),
    ("post", "/connections/{pk}/disconnect/"), ("post", "/connections/{pk}/delete/"), ("post", "/connections/{pk}/key/"),
]  # fmt: skip
OPERATOR = [("post", "/connections/{pk}/test/"), ("post", "/connections/{pk}/pause/"), ("post", "/connections/{pk}/resume/")]


@pytest.mark.parametrize(("method", "path"), [*ADMIN_ONLY, *OPERATOR])
def test_s_071_strangers_and_members_are_kept_out(client, cast, org, method, path):
    path = path.format(pk=org.pk)
    assert "/accounts/login/" in getattr(client, method)(path)["Location"]
    client.force_login(cast.ana, backend="django.contrib.auth.backends.ModelBackend")
    assert getattr(client, method)(path).status_code == 403


@pytest.mark.parametrize(("method", "path"), ADMIN_ONLY)
def test_bw_07_operators_do_not_connect(client, cast, org, method, path):
    client.force_login(cast.olga, backend="django.contrib.auth.backends.ModelBackend")
    assert getattr(client, method)(path.format(pk=org.pk)).status_code == 403


def test_operators_pause_test_and_resume(client, cast, demo_org, now):
    org = lifecycle.connect_demo_org(name="Demo", now=now, method="jwt")
    client.force_login(cast.olga, backend="django.contrib.auth.backends.ModelBackend")
    client.post(f"/connections/{org.pk}/pause/")
    org.refresh_from_db()
    assert org.state == "paused"
    client.post(f"/connections/{org.pk}/resume/")
    client.post(f"/connections/{org.pk}/test/")
    org.refresh_from_db()
    assert org.state == "connected"
    actions = list(AuditEntry.objects.filter(actor=cast.olga).order_by("id").values_list("action", flat=True))
    assert actions == ["connection.paused", "connection.resumed", "connection.tested"]
    page = words(client.get(f"/connections/{org.pk}/"))
    assert "Disconnect" not in page
    assert "Consumer key" not in page


@pytest.mark.parametrize(("method", "path"), [pair for pair in ADMIN_ONLY if "settings" not in pair[1] and "check" not in pair[1]
                                              and "first-sync" not in pair[1] and "reauthorize" not in pair[1]])  # fmt: skip
def test_s_060_a_stale_session_confirms_first_and_nothing_is_done(ada, org, method, path):
    SalesforceOrg.objects.filter(pk=org.pk).update(state="connected")
    with time_machine.travel(timezone.now() + timedelta(minutes=16), tick=True):
        answer = getattr(ada, method)(path.format(pk=org.pk), {"confirm": org.name})
        assert answer["Location"].startswith("/accounts/confirm/?next=")
    org.refresh_from_db()
    assert org.state == "connected"


def test_s_060_confirming_opens_the_door_for_15_minutes(ada, org):
    with time_machine.travel(timezone.now() + timedelta(minutes=20), tick=True):
        before = ada.session.session_key
        assert ada.post("/accounts/confirm/", {"password": "wrong", "next": "/connections/new/"}).status_code == 200
        assert ada.get("/connections/new/").status_code == 302
        answer = ada.post("/accounts/confirm/", {"password": PASSWORD, "next": "/connections/new/"})
        assert answer["Location"] == "/connections/new/"
        assert ada.session.session_key != before
        assert ada.get("/connections/new/").status_code == 200
    with time_machine.travel(timezone.now() + timedelta(minutes=40), tick=True):
        assert ada.get("/connections/new/").status_code == 302


def test_s_056_confirming_is_throttled_like_a_sign_in(ada, settings):
    for _ in range(settings.AXES_FAILURE_LIMIT + 1):
        ada.post("/accounts/confirm/", {"password": "wrong"})
    assert ada.post("/accounts/confirm/", {"password": PASSWORD}).status_code in {200, 403, 429}


def test_r_287_disconnecting_needs_the_name_and_says_what_hangs_on_it(ada, demo_org, now, cast):
    org = lifecycle.connect_demo_org(name="Demo", now=now, method="jwt")
    Run.objects.create(job="x.y", org=org, state="success")
    page = words(ada.get(f"/connections/{org.pk}/"))
    assert "1 runs" in page
    ada.post(f"/connections/{org.pk}/disconnect/", {"confirm": "wrong"})
    org.refresh_from_db()
    assert org.state == "connected"
    ada.post(f"/connections/{org.pk}/disconnect/", {"confirm": "Demo"})
    org.refresh_from_db()
    assert org.state == "disconnected"
    assert len(demo_org.calls("/oauth2/revoke")) == 1
    assert AuditEntry.objects.get(action="connection.disconnected").address == "127.0.0.1"
    ada.post(f"/connections/{org.pk}/delete/", {"confirm": "Demo"})
    assert not SalesforceOrg.objects.exists()


def test_s_008_revoke_all_needs_the_words(ada, demo_org, now):
    lifecycle.connect_demo_org(name="Demo", now=now, method="jwt")
    assert ada.post("/connections/revoke-all/", {"confirm": "no"}).status_code == 200
    assert SalesforceOrg.objects.get().state == "connected"
    assert ada.post("/connections/revoke-all/", {"confirm": "Revoke all"}).status_code == 302
    assert SalesforceOrg.objects.get().state == "disconnected"


def test_s_059_reading_changes_nothing(ada, org):
    for path in ("test", "pause", "resume", "authorize", "disconnect", "delete", "key"):
        assert ada.get(f"/connections/{org.pk}/{path}/").status_code == 405
    assert AuditEntry.objects.exclude(action="connection.created").count() == 0


def test_s_110_settings_are_noted_with_before_and_after(ada, org):
    ada.post(
        f"/connections/{org.pk}/settings/",
        {
            "name": "Acme EU",
            "environment": "sandbox",
            "okr_enabled": "on",
            "product_enabled": "on",
            "billing_enabled": "on",
            "analytics_enabled": "on",
            "provisioning_enabled": "on",
        },
    )
    entry = AuditEntry.objects.get(action="connection.changed")
    assert entry.before == {"name": "Acme", "environment": "production"}
    assert entry.after == {"name": "Acme EU", "environment": "sandbox"}


def test_s_035_a_hostile_org_name_is_only_text(ada, org):
    SalesforceOrg.objects.filter(pk=org.pk).update(
        org_name="<img src=x onerror=alert(1)>", state="connected", instance_url="javascript:alert(1)"
    )
    for path in ("/connections/", f"/connections/{org.pk}/"):
        page = ada.get(path).content.decode()
        assert "<img src=x" not in page
        assert 'href="javascript:' not in page


def test_a_connection_that_is_not_there_is_404(ada):
    assert ada.get("/connections/999/").status_code == 404


def test_the_empty_list_offers_the_one_thing_to_do(ada, client, cast):
    assert "Connect your first Salesforce org" in words(ada.get("/connections/"))
    ada.logout()
    client.force_login(cast.jane, backend="django.contrib.auth.backends.ModelBackend")
    page = words(client.get("/connections/"))
    assert "An administrator connects Salesforce" in page
    assert "/connections/new/" not in page


def test_l_10_the_list_asks_few_questions(ada, django_assert_max_num_queries, now):
    for n in range(20):
        org = SalesforceOrg.objects.create(name=f"Org {n}", login_url="https://acme.my.salesforce.com", state="connected")
        vault.store(org, Kind.REFRESH_TOKEN, "x" * 30)
    with django_assert_max_num_queries(15):
        ada.get("/connections/")
    # One page of one connection, on which every domain says how it stands: 30 where it works; here each domain is asked, too,
    # what it would read.
    with django_assert_max_num_queries(37):
        ada.get(f"/connections/{SalesforceOrg.objects.first().pk}/")
    assert not Alert.objects.exists()


@pytest.mark.parametrize("step", ["check", "first-sync"])
def test_steps_that_need_a_sign_in_lead_there_first(ada, org, step):
    answer = ada.get(f"/connections/{org.pk}/{step}/")
    assert answer["Location"] == f"/connections/{org.pk}/sign-in/"


def test_the_first_sync_starts_and_lists_what_is_switched_on_and_nothing_that_a_page_starts(ada, demo_org, now, job):
    done = []
    job(lambda recorder: done.append("plain"), name="plain.job")
    job(lambda recorder: done.append("by hand"), name="hand.job", by_hand=True)
    job(lambda recorder: done.append("off"), name="off.job", enabled=lambda org: False)
    connected = lifecycle.connect_demo_org(name="Demo", now=now)
    ada.post(f"/connections/{connected.pk}/first-sync/")
    assert "plain" in done
    assert not {"by hand", "off"} & set(done)
    page = ada.get(f"/connections/{connected.pk}/first-sync/")
    assert not {"hand.job", "off.job"} & {line.name for line in page.context["lines"]}
    assert "switched off for this connection" in page.content.decode()
    html = ada.get("/runs/").content.decode()
    startable = html[html.index('id="start-job"') : html.index('id="start-org"')]
    assert "plain.job" in startable
    assert "hand.job" not in startable


def test_the_icon_is_where_browsers_look_for_it(client):
    assert client.get("/favicon.ico")["Location"].startswith("/static/favicon")
