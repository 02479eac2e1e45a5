"""Pages and API of alerts: who sees and does what, forms, deliveries, secrets that are never shown again."""

import contextlib
import json
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from integrations import alerts, hooks
from integrations.alert_rules import saving
from integrations.api_keys import create_key
from integrations.models import (
    Alert,
    AlertChannel,
    AlertDelivery,
    AlertPreference,
    AlertRule,
    AuditEntry,
    RunWatch,
    SalesforceOrg,
)
from tests.salesforce.server import FaultServer, Told


@pytest.fixture
def server(settings):
    started = FaultServer()
    started.tell("/", Told(data={"ok": True}))
    settings.ALERT_HOOK_INTERNAL_ORIGINS = [started.url]
    with contextlib.closing(started):
        yield started


@pytest.fixture
def ada(client, cast):
    client.force_login(cast.ada)
    return client


@pytest.fixture
def keyed(client, cast):
    """Calls of the API with a key of given scopes."""

    def call(method, path, body=None, scopes=("alerts:read", "alerts:write")):
        _, secret = create_key(owner=cast.ada, name="k", scopes=scopes, expires=None)
        options = {"data": json.dumps(body), "content_type": "application/json"} if body is not None else {}
        return getattr(client, method)(f"/api/v1/{path}", headers={"Authorization": f"Api-Key {secret}"}, **options)

    return call


def raised(now, key="connection:1", people=(), **about) -> Alert:
    alert = alerts.raise_alert(key, **({"code": "x", "title": "Acme is down", "url": "/runs/"} | about), people=people, now=now)
    assert alert is not None
    return alert


def url(name, *args) -> str:
    return reverse(f"integrations:{name}", args=args)


def test_open_alerts_show_the_fix_and_are_acknowledged_by_name(ada, cast, now):
    alert = raised(now)
    html = ada.get("/alerts/").content.decode()
    assert "Acme is down" in html
    assert "Connection is down" in html
    assert 'href="/runs/"' in html
    page = ada.post(url("alert_acknowledge", alert.pk), {"note": "On it", "back": "alert"}, follow=True).content.decode()
    assert "Ada Min takes care of it" in page
    assert "On it" in page
    assert "Acknowledged" in ada.get("/alerts/").content.decode()
    ada.post(url("alert_acknowledge", alert.pk), {"undo": "1"})
    alert.refresh_from_db()
    assert alert.acknowledged_at is None


def test_members_see_what_concerns_them_and_acknowledge_only_that(client, cast, now):
    mine, theirs, all_of_us = (
        raised(now, "okr:1:a", [cast.marsha], title="Mine"), raised(now, "okr:1:b", [cast.jane], title="Hers"), raised(now)
    )  # fmt: skip
    client.force_login(cast.marsha)
    html = client.get("/alerts/").content.decode()
    assert "Mine" in html
    assert "Hers" not in html
    assert client.get(url("alert", theirs.pk)).status_code == 404
    assert client.post(url("alert_acknowledge", all_of_us.pk)).status_code == 403
    assert client.post(url("alert_acknowledge", mine.pk)).status_code == 302
    mine.refresh_from_db()
    assert mine.acknowledged_by == cast.marsha


def test_history_has_both_times_filters_and_csv(ada, now):
    raised(now - timedelta(days=2))
    alerts.recover_alert("connection:1", now=now - timedelta(days=1))
    raised(now, "guard:1:x", title="Ninety rows")
    html = ada.get("/alerts/history/?state=recovered").content.decode()
    assert "Acme is down" in html
    assert "Ninety rows" not in html
    assert "Ninety rows" in ada.get("/alerts/history/?domain=sync").content.decode()
    assert "Ninety rows" not in ada.get("/alerts/history/?kind=connection.state").content.decode()
    lines = b"".join(ada.get("/alerts/history.csv").streaming_content).decode().splitlines()
    assert len(lines) == 3
    assert AuditEntry.objects.filter(action="export.alerts").exists()


def test_an_alert_tells_where_it_went_and_addresses_only_to_operators(client, cast, now, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        alert = raised(now)
    client.force_login(cast.olga)
    assert "ada@acme.example" in client.get(url("alert", alert.pk)).content.decode()
    client.force_login(cast.marsha)
    html = client.get(url("alert", alert.pk)).content.decode()
    assert "ada@acme.example" not in html
    assert "1 people by mail" in html or "by mail" in html


def test_a_channel_is_made_tested_paused_and_its_secret_shown_once(ada, server):
    form = {"name": "Pager", "kind": "webhook", "url": f"{server.url}/hook/secret-path", "is_active": "on", "by_default": "on"}
    html = ada.post(url("alert_channel_new"), form).content.decode()
    made = AlertChannel.objects.get()
    assert "only this once" in html
    assert "secret-path" not in ada.get(url("alert_channel", made.pk)).content.decode()
    assert "took the test alert (200)" in ada.post(url("alert_channel_test", made.pk), follow=True).content.decode()
    old = bytes(made.secret)
    assert "only this once" in ada.post(url("alert_channel_secret", made.pk)).content.decode()
    made.refresh_from_db()
    assert bytes(made.secret) != old
    ada.post(url("alert_channel_pause", made.pk))
    assert not AlertChannel.objects.get().is_active
    ada.post(url("alert_channel_pause", made.pk), {"active": "1"})
    ada.post(url("alert_channel", made.pk), {**form, "name": "Renamed", "url": ""})
    made.refresh_from_db()
    assert made.name == "Renamed"
    assert hooks.send_test(made, by="ada", now=made.created_at).state == "sent"
    ada.post(url("alert_channel_delete", made.pk))
    actions = AuditEntry.objects.filter(action__startswith="alert_channel").order_by("id").values_list("action", flat=True)
    assert [each.removeprefix("alert_channel.") for each in actions] == [
        "created", "tested", "secret_changed", "paused", "resumed", "changed", "deleted"
    ]  # fmt: skip


def test_s_025_the_page_refuses_inner_addresses(ada):
    for wrong, words in (("http://169.254.169.254/x", "must begin with https"), ("", "Enter the address")):
        answer = ada.post(url("alert_channel_new"), {"name": "P", "kind": "slack", "url": wrong, "is_active": "on"})
        assert answer.status_code == 400
        assert words in answer.content.decode()
    assert not AlertChannel.objects.exists()


def test_s_060_channels_change_only_shortly_after_signing_in(ada, settings):
    settings.FRESH_LOGIN_MINUTES = -1
    assert "/accounts/confirm/" in ada.get(url("alert_channel_new"))["Location"]


@pytest.mark.parametrize(("mails", "good"), [("a@b.example\nc@d.example", True), ("nobody", False), ("", False)])
def test_an_e_mail_group_needs_addresses(ada, mails, good):
    ada.post(url("alert_channel_new"), {"name": "G", "kind": "email", "mails": mails, "is_active": "on"})
    assert AlertChannel.objects.exists() is good


def test_an_e_mail_group_is_sent_to_and_tested(ada, mailoutbox, now, django_capture_on_commit_callbacks):
    made = AlertChannel.objects.create(name="G", kind="email", mails=["a@b.example", "c@d.example"])
    assert "took the test alert" in ada.post(url("alert_channel_test", made.pk), follow=True).content.decode()
    assert [each.to for each in mailoutbox] == [["a@b.example"], ["c@d.example"]]
    with django_capture_on_commit_callbacks(execute=True):
        raised(now)
    hooks.deliver_due(now=now)
    assert mailoutbox[-1].subject == "[Causeway] Acme is down"


def test_deliveries_show_attempts_and_the_next_one_and_are_sent_again(ada, server, now):
    made = AlertChannel.objects.create(name="Pager")
    hooks.set_address(made, f"{server.url}/hook")
    server.tell("/hook", Told(503), Told(data={}))
    delivery = AlertDelivery.objects.create(channel=made, event="alert.raised", body="{}", next_attempt_at=now)
    hooks.deliver_due(now=now)
    html = ada.get("/alerts/deliveries/").content.decode()
    assert "1 of 5" in html
    assert "The receiver answered 503." in html
    assert "Send now" in html
    ada.post(url("alert_resend", delivery.pk))
    hooks.deliver_due(now=now + timedelta(seconds=20))
    delivery.refresh_from_db()
    assert delivery.state == "sent"
    ada.post(url("alert_resend", delivery.pk))
    delivery.refresh_from_db()
    assert delivery.state == "waiting"


RULE = {"name": "Night", "is_active": "on", "rhythm": "now", "daily_at": "08:00", "zone": "Europe/Berlin"}


def test_a_rule_is_made_shown_tested_and_deleted(ada, cast, mailoutbox, now):
    team = AlertChannel.objects.create(name="Team", kind="email", mails=["t@acme.example"])
    raised(now)
    form = {**RULE, "channels": [team.pk], "kinds": ["connection.state"], "quiet_from": "22:00", "quiet_to": "06:00"}
    answer = ada.post(url("alert_rule_new"), form, follow=True)
    made = AlertRule.objects.get()
    html = answer.content.decode()
    assert "Connection is down" in html
    assert "quiet 22:00–06:00 Europe/Berlin" in html
    assert "Acme is down" in ada.get(url("alert_rule", made.pk)).content.decode()
    assert "Team: Taken (250)." in ada.post(url("alert_rule_test", made.pk), follow=True).content.decode()
    assert mailoutbox[0].to == ["t@acme.example"]
    ada.post(url("alert_rule", made.pk), {**form, "name": "Day"})
    noted = AuditEntry.objects.get(action="alert_rule.changed")
    assert (noted.before["name"], noted.after["name"]) == ("Night", "Day")
    ada.post(url("alert_rule_pause", made.pk))
    assert not AlertRule.objects.get().is_active
    ada.post(url("alert_rule_delete", made.pk))
    assert not AlertRule.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({}, "a rule that leads nowhere would hide alerts"), ({"mails_usual": "on", "zone": "Mars"}, "Enter a time zone"),
        ({"mails_usual": "on", "quiet_from": "22:00"}, "a beginning and an end"),
        ({"mails_usual": "on", "quiet_from": "22:00", "quiet_to": "22:00"}, "cannot end when they begin"),
        ({"mails_usual": "on", "escalate_minutes": "5"}, "minutes and a channel"),
        ({"mails_usual": "on", "repeat_hours": "9999"}, "Enter a number from 1 to"), ({"mails_usual": "on", "name": " "}, "required"),
        ({"mails_usual": "on", "kinds": ["nonsense"]}, "not one of the available choices"),
    ],
)  # fmt: skip
def test_a_wrong_rule_says_what_is_wrong(ada, wrong, words):
    answer = ada.post(url("alert_rule_new"), {**RULE, **wrong})
    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert not AlertRule.objects.exists()


def test_a_watch_is_made_on_the_page(ada):
    form = {"name": "Late", "what": "late", "number": "6", "job": "mirror.read", "severity": "action", "is_active": "on"}
    html = ada.post(url("run_watch_new"), form, follow=True).content.decode()
    assert "No successful run for 6 h" in html
    watch = RunWatch.objects.get()
    assert ada.post(url("run_watch", watch.pk), {**form, "number": "0"}).status_code == 400
    ada.post(url("run_watch_delete", watch.pk))
    assert not RunWatch.objects.exists()


def test_s_110_the_audit_says_what_a_watch_was_before(ada):
    form = {"name": "Late", "what": "late", "number": "6", "job": "mirror.read", "severity": "action", "is_active": "on"}
    ada.post(url("run_watch_new"), form)
    watch = RunWatch.objects.get()
    ada.post(url("run_watch", watch.pk), {**form, "number": "8", "is_active": ""})
    made, changed = AuditEntry.objects.get(action="run_watch.created"), AuditEntry.objects.get(action="run_watch.changed")
    assert (made.before, made.after["number"]) == ({}, 6)
    assert (changed.before["number"], changed.before["is_active"]) == (6, True)
    assert (changed.after["number"], changed.after["is_active"]) == (8, False)
    ada.post(url("run_watch_delete", watch.pk))
    assert AuditEntry.objects.get(action="run_watch.deleted").before["name"] == "Late"


@pytest.mark.parametrize("save", [saving.save_watch, saving.save_rule, saving.save_channel])
def test_s_110_nothing_is_saved_that_the_audit_cannot_take(db, save):
    values = {
        saving.save_watch: {"name": "Late", "what": "late", "number": 6, "job": "mirror.read"},
        saving.save_rule: {"name": "Late", "mails_usual": True},
        saving.save_channel: {"name": "Late", "kind": "email", "mails": ["t@acme.example"]},
    }[save]
    nobody = get_user_model()(username="ghost")  # not stored, so no entry can name it
    with pytest.raises(ValueError, match="unsaved related object"):
        save(None, values, user=nobody)
    assert [model.objects.count() for model in (RunWatch, AlertRule, AlertChannel)] == [0, 0, 0]


def test_the_catalog_and_ones_own_mail_are_for_everybody(client, cast):
    client.force_login(cast.marsha)
    assert "Key result stopped updating" in client.get("/alerts/kinds/").content.decode()
    client.post("/alerts/mine/", {"mail": ["connections", "sync"]})
    assert AlertPreference.objects.filter(user=cast.marsha, domain="okr", mail=False).exists()
    html = client.get("/alerts/mine/").content.decode()
    assert 'value="okr">' in html
    assert 'value="sync" checked>' in html


# --- API ------------------------------------------------------------------------------------------------------------------


def test_the_api_lists_and_acknowledges(keyed, now, cast):
    alert = raised(now)
    found = keyed("get", "alerts/?state=open").json()["results"]
    assert [(each["kind"], each["domain"], each["recovered_at"]) for each in found] == [
        ("connection.state", "connections", None)
    ]
    assert keyed("get", "alerts/?state=x").status_code == 400
    body = keyed("post", f"alerts/{alert.pk}/acknowledge/", {"note": "mine"}).json()
    assert (body["acknowledged_by"], body["acknowledged_note"]) == ("ada", "mine")
    assert keyed("post", f"alerts/{alert.pk}/take-back/").json()["acknowledged_at"] is None
    alerts.recover_alert(alert.key, now=now)
    answer = keyed("post", f"alerts/{alert.pk}/acknowledge/", {})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_open")
    assert keyed("get", "alerts/", scopes=["runs:read"]).status_code == 403
    assert keyed("post", f"alerts/{alert.pk}/acknowledge/", {}, scopes=["alerts:read"]).status_code == 403


def test_s_001_the_api_takes_addresses_and_secrets_and_never_gives_them_back(keyed, server, cast):
    body = {"name": "Pager", "kind": "webhook", "url": f"{server.url}/hook/secret-path"}
    made = keyed("post", "alert-channels/", body)
    assert made.status_code == 201
    secret, pk = made.json()["secret"], made.json()["id"]
    assert len(secret) > 30
    for path in ("alert-channels/", f"alert-channels/{pk}/", f"alert-channels/{pk}/deliveries/"):
        text = keyed("get", path).content.decode()
        assert "secret-path" not in text
        assert secret not in text
    assert keyed("post", f"alert-channels/{pk}/test/").json()["state"] == "sent"
    assert keyed("post", f"alert-channels/{pk}/rotate-secret/").json()["secret"] != secret
    assert keyed("patch", f"alert-channels/{pk}/", {"is_active": False}).json()["is_active"] is False
    assert keyed("post", "alert-channels/", {**body, "name": "P2", "url": "http://10.0.0.1/"}).json()["error"]["fields"]["url"]
    assert keyed("post", "alert-channels/", body).json()["error"]["fields"]["name"]
    assert keyed("delete", f"alert-channels/{pk}/").status_code == 204


def test_the_api_makes_changes_and_tests_rules(keyed, cast, db):
    team = AlertChannel.objects.create(name="Team", kind="email", mails=["t@acme.example"])
    org = SalesforceOrg.objects.create(name="Acme")
    body = {"name": "R", "channels": [team.pk], "orgs": [org.pk], "people": ["olga"], "domains": ["okr"], "repeat_hours": 4}
    made = keyed("post", "alert-rules/", body)
    assert made.status_code == 201, made.content
    pk = made.json()["id"]
    assert made.json()["people"] == ["olga"]
    changed = keyed("patch", f"alert-rules/{pk}/", {"severities": ["action"]}).json()
    assert (changed["severities"], changed["channels"], changed["repeat_hours"]) == (["action"], [team.pk], 4)
    assert keyed("patch", f"alert-rules/{pk}/", {"kinds": ["nonsense"]}).json()["error"]["fields"]["kinds"]
    assert keyed("patch", f"alert-rules/{pk}/", {"channels": [], "people": []}).status_code == 400
    assert [each["taken"] for each in keyed("post", f"alert-rules/{pk}/test/").json()] == [True, True]
    assert keyed("delete", f"alert-rules/{pk}/").status_code == 204
    assert len(keyed("get", "alert-kinds/").json()["results"]) > 15
