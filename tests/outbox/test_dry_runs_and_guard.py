"""Before anything is written: what a push would do, and what only a person may allow."""

import pytest

from integrations.models import GuardRequest, OutboxPush, OutboxTarget, Run
from integrations.sync import guard
from integrations.sync.outbox import preview, registering
from tests.outbox.conftest import ACCOUNTS, PROJECTS, classes, outcomes


@pytest.fixture(autouse=True)
def _jobs(desk):
    registering.register()


@pytest.fixture
def wanted(desk, change_kind):
    """Desired rows that a dry run finds by itself."""
    ids = desk.account_ids(120)
    rows = {"key": ids, "label": [f"A{n}" for n in range(120)], "PX_Health__c": ["Good"] * 120, "PX_NPS_Score__c": [1] * 120}
    import pyarrow as pa

    change_kind(ACCOUNTS, desired=lambda target: pa.table(rows))
    return rows


def test_a_dry_run_counts_what_the_next_push_does_and_writes_nothing(desk, wanted, cast, now):
    target = desk.target()
    desk.push(target, {**wanted, "PX_NPS_Score__c": [1] * 100 + [2] * 20})
    wanted["PX_Health__c"] = ["Poor"] * 30 + ["Good"] * 90
    wanted["key"] = [*wanted["key"][:119], ""]
    desk.writes()
    before = list(OutboxTarget.objects.values())
    found = preview.dry_run(desk.org, ACCOUNTS, user=cast.olga, now=now)
    assert found.is_ready
    found.run.refresh_from_db()
    assert (found.run.job, found.run.requested_by) == ("outbox.dry_run", cast.olga)
    assert desk.writes()["rows"] == 0
    assert list(OutboxTarget.objects.values()) == before
    assert found.counts["Account"] == {"written": 49, "unchanged": 70, "skipped": 0, "failed": 1, "not_attempted": 0}
    assert found.api_calls == 1
    change = next(each for each in found.samples if each.key == wanted["key"][0])
    assert (change.field, change.old, change.new, change.label) == ("PX_Health__c", "Good", "Poor", "A0")
    said = "49 would be written, 70 unchanged, 1 would fail. Nothing was written."
    assert (found.run.state, found.run.sentence) == ("partial", said)
    run, _ = desk.push(target, wanted)
    assert found.counts["Account"] == {"skipped": 0, "not_attempted": 0, **classes(run, "Account")}
    assert run.sentence == "49 written, 70 unchanged, 1 failed."


def test_a_dry_run_leaves_waiting_rows_batches_and_jobs_alone(desk, wanted, now):
    target = desk.target()
    desk.demo.control(
        "rules", {"name": "r", "object": "Account", "field": "PX_Health__c", "op": "=", "value": "Good", "message": "No"}
    )
    desk.push(target, wanted)
    before = list(target.rows.order_by("pk").values())
    preview.dry_run(desk.org, now=now)
    assert list(target.rows.order_by("pk").values()) == before
    assert OutboxPush.objects.filter(is_dry=True).get().batches.count() == 0


def test_a_dry_run_warns_when_far_more_changes_than_usual(desk, wanted, now):
    target = desk.target()
    desk.push(target, wanted)
    for number in range(4):
        wanted["PX_Health__c"] = [f"Good {number}", *["Good"] * 119]
        desk.push(target, wanted)
    OutboxPush.objects.order_by("pk").first().delete()
    wanted["PX_Health__c"] = ["Poor"] * 120
    found = preview.dry_run(desk.org, ACCOUNTS, now=now)
    assert any("100% of the rows would change" in warning for warning in found.warnings), found.warnings
    wanted["PX_Health__c"] = [f"Good {number}", *["Good"] * 118, "Poor"]
    assert preview.dry_run(desk.org, ACCOUNTS, now=now).warnings == []


def test_a_dry_run_of_something_unknown_says_so(desk, now):
    run = Run.objects.create(job=preview.JOB, org=desk.org, domain="outbox", arguments={"kind": "nobody.knows"})
    from integrations.sync import runs

    runs.perform_run(run.pk)
    run.refresh_from_db()
    assert (run.state, run.reason_code) == ("failed", "unknown_kind")
    with pytest.raises(KeyError):
        preview.dry_run(desk.org, "nobody.knows", now=now)


def test_i_11_a_mass_clear_waits_for_a_persons_yes(desk, cast, now):
    ids = desk.account_ids(150)
    target = desk.target()
    rows = {"key": ids, "label": [f"A{n}" for n in range(150)], "PX_Health__c": ["Good"] * 150}
    desk.push(target, rows)
    desk.writes()
    rows["PX_Health__c"] = [None] * 60 + ["Poor"] * 90
    run, _ = desk.push(target, rows)
    assert classes(run, "Account") == {"written": 90, "skipped": 60}
    assert desk.writes()["rows"] == 90
    assert outcomes(run, "skipped")[ids[0]].code == "MASS_CHANGE"
    asked = GuardRequest.objects.get()
    assert (asked.effect, asked.rows, asked.of_rows, asked.answer) == ("clear", 60, 150, None)
    assert asked.examples[:2] == ["A0", "A1"] or set(asked.examples) <= {f"A{n}" for n in range(60)}

    run, _ = desk.push(target, rows)
    assert classes(run, "Account") == {"unchanged": 90, "skipped": 60}
    assert GuardRequest.objects.count() == 1
    run = guard.answer(asked, yes=True, user=cast.olga, now=now)
    assert classes(run, "Account") == {"unchanged": 90, "written": 60}
    assert desk.values("Account", "PX_Health__c")[ids[0]] is None


def test_i_11_a_few_clears_need_no_yes(desk):
    ids = desk.account_ids(150)
    target = desk.target()
    desk.push(target, {"key": ids, "PX_Health__c": ["Good"] * 150})
    run, _ = desk.push(target, {"key": ids, "PX_Health__c": [None] * 30 + ["Good"] * 120})
    assert classes(run, "Account") == {"written": 30, "unchanged": 120}
    assert not GuardRequest.objects.exists()


def test_i_11_a_mass_deletion_waits_too(desk, cast, now):
    account = desk.account_ids(1)[0]
    target = desk.projects()
    rows = {"key": [f"Gone-{n}" for n in range(60)], "Name": ["x"] * 60, "Account__c": [account] * 60}
    desk.push(target, rows)
    run, _ = desk.push(target, {**rows, "remove": [True] * 60})
    assert classes(run, "Project__c") == {"skipped": 60}
    asked = GuardRequest.objects.get()
    assert asked.effect == "delete"
    run = guard.answer(asked, yes=True, user=cast.olga, now=now)
    assert classes(run, "Project__c") == {"written": 60}
    assert not desk.values("Project__c", "Id", key="External_Id__c", where="WHERE External_Id__c LIKE 'Gone-%'")


def test_a_paused_target_is_left_alone(desk, cast, now):
    from integrations.sync.outbox import targets

    target = desk.target()
    targets.pause_target(target, reason="Wrong numbers", user=cast.olga, now=now)
    _, report = desk.push(target, {"key": desk.account_ids(1), "PX_Health__c": ["x"]})
    assert report.error == "The target is paused: Wrong numbers"
    assert desk.writes()["rows"] == 0
    targets.resume_target(target, user=cast.olga, now=now)
    _, report = desk.push(target, {"key": desk.account_ids(1), "PX_Health__c": ["x"]})
    assert report.written == 1


def test_another_key_field_starts_the_accepted_state_anew(desk):
    account = desk.account_ids(1)[0]
    target = desk.target(PROJECTS, "Account", "External_Id__c")
    desk.push(target, {"key": ["k"], "Name": ["New"]})
    assert desk.target(PROJECTS, "Account", "Domain_Key__c").pk == target.pk
    target.refresh_from_db()
    assert target.accepted is None
    assert account
