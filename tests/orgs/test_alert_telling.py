"""Rules over real rows: who is told, once, when; acknowledgement, reminders, escalation, recovery where the alert went."""

from datetime import time, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations import alerts
from integrations.alert_rules import saving
from integrations.models import (
    Alert,
    AlertChannel,
    AlertDelivery,
    AlertNotice,
    AlertPreference,
    AlertRule,
    AuditEntry,
    Run,
    RunWatch,
)
from integrations.sync import run_watch


@pytest.fixture(autouse=True)
def _nobody_else(settings, cast):
    settings.ALERT_EMAILS = []


@pytest.fixture
def tell(django_capture_on_commit_callbacks):
    """Raise or recover, with what follows the commit."""

    def act(verb, key="connection:1", **about):
        with django_capture_on_commit_callbacks(execute=True):
            return verb(key, **about)

    return act


def raised(tell, now, key="connection:1", **about):
    return tell(alerts.raise_alert, key, **({"code": "x", "title": "Acme is down", "url": "/runs/"} | about), now=now)


def group(name="Team", **extra) -> AlertChannel:
    extra = {"by_default": False} | extra
    return AlertChannel.objects.create(name=name, kind="email", mails=[f"{name.lower()}@acme.example"], **extra)


def rule(*channels, **parts) -> AlertRule:
    made = AlertRule.objects.create(**({"name": f"Rule {AlertRule.objects.count()}"} | parts))
    made.channels.set(channels)
    return made


def deliveries(channel) -> list[str]:
    return list(AlertDelivery.objects.filter(channel=channel).order_by("pk").values_list("event", flat=True))


def test_a_rule_sends_only_there_and_the_recovery_follows(tell, now, mailoutbox, cast):
    pager, other = group("Pager"), group("Other", by_default=True)
    rule(pager, kinds=["connection.state"])
    raised(tell, now)
    assert (deliveries(pager), deliveries(other), mailoutbox) == (["alert.raised"], [], [])
    tell(alerts.recover_alert, now=now)
    assert (deliveries(pager), deliveries(other), mailoutbox) == (["alert.raised", "alert.recovered"], [], [])
    raised(tell, now, "guard:1:x")  # no rule is about it
    assert deliveries(other) == ["alert.raised"]
    assert [each.to for each in mailoutbox] == [["ada@acme.example"]]


def test_a_rule_whose_channel_is_paused_does_not_hide_alerts(tell, now, mailoutbox, cast):
    rule(group("Pager", is_active=False))
    raised(tell, now)
    assert [each.to for each in mailoutbox] == [["ada@acme.example"]]


def test_people_of_a_rule_get_mail_and_the_recovery(tell, now, mailoutbox, cast):
    made = rule()
    made.people.set([cast.olga])
    raised(tell, now)
    cast.olga.is_active = False
    assert [each.to for each in mailoutbox] == [["olga@acme.example"]]
    tell(alerts.recover_alert, now=now)
    assert [each.subject for each in mailoutbox][1:] == ["[Causeway] Solved: Acme is down"]


def test_who_has_left_hears_no_more(tell, now, mailoutbox, cast):
    rule().people.set([cast.olga])
    raised(tell, now)
    type(cast.olga).objects.filter(pk=cast.olga.pk).update(is_active=False)
    tell(alerts.recover_alert, now=now)
    assert len(mailoutbox) == 1


def test_a_digest_is_one_message_an_hour_and_forgets_what_recovered_before(tell, now, cast):
    team = group()
    now = now.replace(minute=10)
    rule(team, rhythm="hourly")
    for n in range(4):
        raised(tell, now, f"connection:{n}", title=f"Org {n}")
    tell(alerts.recover_alert, "connection:0", now=now)
    assert alerts.send_due_alerts(now=now + timedelta(minutes=20)) == 0
    assert alerts.send_due_alerts(now=now + timedelta(minutes=50)) == 1
    assert alerts.send_due_alerts(now=now + timedelta(minutes=51)) == 0
    only = AlertDelivery.objects.get()
    assert only.event == "alert.digest"
    assert "3 alerts" in only.body
    assert "Org 0" not in only.body
    tell(alerts.recover_alert, "connection:1", now=now + timedelta(hours=2))
    assert deliveries(team)[-1] == "alert.recovered"


def test_quiet_hours_hold_messages_and_then_send_them(tell, now, cast):
    team = group()
    now = now.replace(hour=23, minute=0, second=0, microsecond=0)
    rule(team, quiet_from=time(22), quiet_to=time(6))
    raised(tell, now)
    assert alerts.send_due_alerts(now=now + timedelta(hours=6, minutes=59)) == 0
    assert alerts.send_due_alerts(now=now + timedelta(hours=7)) == 1
    assert deliveries(team) == ["alert.raised"]


def test_an_alert_that_came_and_went_in_quiet_hours_is_not_told_at_all(tell, now, cast):
    team = group()
    now = now.replace(hour=23, minute=0)
    rule(team, quiet_from=time(22), quiet_to=time(6))
    raised(tell, now)
    tell(alerts.recover_alert, now=now + timedelta(hours=1))
    alerts.send_due_alerts(now=now + timedelta(days=1))
    assert deliveries(team) == []


def test_a_deleted_rule_lets_go_what_it_held_back(tell, now, cast, mailoutbox):
    held = rule(rhythm="daily")
    held.people.set([cast.olga])
    raised(tell, now)
    saving.delete_rule(held, user=cast.ada)
    alerts.send_due_alerts(now=now + timedelta(minutes=1))
    assert [each.to for each in mailoutbox] == [["ada@acme.example"]]


def test_a_deleted_channel_leaves_what_it_was_to_be_told_to_admins(tell, now, cast, mailoutbox):
    team = group()
    rule(team, rhythm="daily")
    raised(tell, now)
    saving.delete_channel(team, user=cast.ada)
    alerts.send_due_alerts(now=now + timedelta(minutes=1))
    assert [each.to for each in mailoutbox] == [["ada@acme.example"]]


def test_reminders_come_while_nobody_answers(tell, now, cast):
    team = group()
    rule(team, repeat_hours=4)
    alert = raised(tell, now)
    for hours in (1, 3, 4, 5, 8):
        alerts.send_due_alerts(now=now + timedelta(hours=hours))
        alerts.send_due_alerts(now=now + timedelta(hours=hours, minutes=1))
    assert deliveries(team) == ["alert.raised", "alert.reminder", "alert.reminder"]
    alerts.acknowledge_alert(alert, user=cast.ada, now=now)
    alerts.send_due_alerts(now=now + timedelta(hours=20))
    assert len(deliveries(team)) == 3


def test_what_nobody_acknowledges_escalates_once_and_the_recovery_goes_there_too(tell, now, cast):
    team, boss = group(), group("Boss")
    rule(team, escalate_minutes=30, escalate_to=boss)
    raised(tell, now)
    for minutes in (10, 29, 30, 31, 90, 600):
        alerts.send_due_alerts(now=now + timedelta(minutes=minutes))
    assert (deliveries(team), deliveries(boss)) == (["alert.raised"], ["alert.escalated"])
    tell(alerts.recover_alert, now=now)
    assert (deliveries(team)[-1], deliveries(boss)[-1]) == ("alert.recovered", "alert.recovered")


def test_an_acknowledged_alert_does_not_escalate(tell, now, cast):
    team, boss = group(), group("Boss")
    rule(team, escalate_minutes=30, escalate_to=boss)
    alert = raised(tell, now)
    alerts.acknowledge_alert(alert, user=cast.ada, note="On it", now=now)
    alerts.send_due_alerts(now=now + timedelta(hours=3))
    assert deliveries(boss) == []
    assert AuditEntry.objects.get(action="alert.acknowledged").actor == cast.ada


def test_an_acknowledged_alert_stays_quiet_until_it_gets_worse(tell, now, cast):
    team = group()
    rule(team)
    alert = raised(tell, now, "links:1:customer", code="5", severity="warning")
    alerts.acknowledge_alert(alert, user=cast.ada, now=now)
    raised(tell, now, "links:1:customer", code="3", severity="warning", title="Better")
    alert.refresh_from_db()
    assert (alert.title, alert.acknowledged_by, deliveries(team)) == ("Better", cast.ada, ["alert.raised"])
    raised(tell, now, "links:1:customer", code="9", severity="warning", title="Worse")
    alert.refresh_from_db()
    assert (alert.acknowledged_at, deliveries(team)) == (None, ["alert.raised", "alert.raised"])


def test_preferences_silence_mail_about_ones_own_and_nobody_elses(tell, now, cast, mailoutbox):
    AlertPreference.objects.create(user=cast.jane, domain="okr", mail=False)
    raised(tell, now, "okr:1:a", severity="warning", people=[cast.jane, cast.marsha])
    assert [each.to for each in mailoutbox] == [["marsha@acme.example"]]
    raised(tell, now, "connection:9", severity="warning", people=[cast.jane])
    assert mailoutbox[-1].to == ["jane@acme.example"]


def test_a_digest_of_connections_follows_the_rule_of_one_of_them(tell, now, cast, connected_orgs):
    team = group()
    rule(team).orgs.set(connected_orgs[:1])
    for org in connected_orgs:
        raised(tell, now, f"connection:{org.pk}", org=org, gather=True)
    with_digest = now + timedelta(minutes=2)
    alerts.send_due_alerts(now=with_digest)
    assert deliveries(team) == ["alert.raised"]


@pytest.fixture
def connected_orgs(db):
    from integrations.models import SalesforceOrg

    return [SalesforceOrg.objects.create(name=f"Org {n}") for n in range(3)]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["raise", "worse", "recover", "minute", "day"]), max_size=12))
def test_every_told_alert_has_exactly_one_recovery(tell, now, cast, steps):
    Alert.objects.all().delete()
    AlertRule.objects.all().delete()
    AlertChannel.objects.all().delete()
    team, later = group(), group("Later")
    rule(team)
    rule(later, rhythm="hourly")
    for number, step in enumerate([*steps, "recover", "day"]):
        now += timedelta(days=1) if step == "day" else timedelta(minutes=1)
        if step in ("raise", "worse"):
            raised(tell, now, code=step if step == "raise" else f"w{number}")
        elif step == "recover":
            tell(alerts.recover_alert, now=now)
        alerts.send_due_alerts(now=now)
    for alert in Alert.objects.all():
        for place in (f"channel:{team.pk}", f"channel:{later.pk}"):
            told = AlertNotice.objects.filter(alert=alert, place=place, told_at__isnull=False)
            recoveries = told.filter(event="recovered").count()
            assert recoveries == (1 if told.exclude(event="recovered").exists() else 0)
    assert not AlertNotice.objects.filter(told_at=None).exists()


# --- watches over runs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("latest", "number", "failing"),
    [
        ([], 1, False), (["failed"], 1, True), (["failed", "partial", "interrupted"], 3, True), (["failed"] * 2, 3, False),
        (["success", "failed", "failed", "failed"], 3, False), (["failed", "success", "failed"], 2, False),
    ],
)  # fmt: skip
def test_runs_fail_when_as_many_in_a_row_had_errors(latest, number, failing):
    assert run_watch.is_failing(latest, number) is failing


def test_a_watch_raises_for_each_place_and_recovers(job, now, cast):
    job(lambda recorder: None)
    watch = saving.save_watch(None, {"name": "Errors", "what": "errors", "number": 2, "job": "test.job"}, user=cast.ada)
    for _ in range(2):
        Run.objects.create(job="test.job", domain="test", state="partial", finished_at=now)
    assert run_watch.watch_runs(now=now) == 1
    assert run_watch.watch_runs(now=now) == 0
    assert alerts.open_alerts().get().kind == "runs.failing"
    Run.objects.create(job="test.job", domain="test", state="success", finished_at=now)
    run_watch.watch_runs(now=now)
    assert not alerts.open_alerts().exists()
    RunWatch.objects.filter(pk=watch.pk).update(what="late", number=6)
    assert run_watch.watch_runs(now=now + timedelta(hours=5)) == 0
    assert run_watch.watch_runs(now=now + timedelta(hours=7)) == 1
    assert alerts.open_alerts().get().kind == "runs.late"
    saving.delete_watch(watch, user=cast.ada)
    run_watch.watch_runs(now=now + timedelta(hours=7))
    assert not alerts.open_alerts().exists()
