"""Rows that Salesforce refuses: each cause has its consequence, and no row is lost, doubled or hammered."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from integrations import alerts
from integrations.models import Alert, OutboxBatch, OutboxPush, OutboxRow
from integrations.sync.outbox import kinds, planning
from tests.outbox.conftest import ACCOUNTS, PROJECTS, classes, outcomes

RULE = {
    "name": "r",
    "object": "Account",
    "field": "PX_Health__c",
    "op": "=",
    "value": "Bad",
    "message": "<b>Bad</b> is not allowed",
}


def health(desk, ids, *, values=None):
    return {"key": ids, "PX_Health__c": values or [f"H{n}" for n in range(len(ids))]}


def projects(desk, n, **columns):
    account = desk.account_ids(1)[0]
    return {"key": [f"P-{i}" for i in range(n)], "Name": [f"N{i}" for i in range(n)], "Account__c": [account] * n, **columns}


def test_r_139_a_validation_rule_is_shown_tried_once_a_run_and_parked_after_five(desk):
    desk.demo.control("rules", RULE)
    ids = desk.account_ids(2)
    rows = health(desk, ids, values=["Bad", "Good"])
    target = desk.target()
    for turn in range(1, 6):
        run, _ = desk.push(target, rows)
        row = desk.row(ids[0])
        assert (row.tries, row.state) == (turn, "retrying" if turn < 5 else "parked")
    assert run.state == "partial"
    assert row.code == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert row.message == "<b>Bad</b> is not allowed"
    assert row.values == {"PX_Health__c": "Bad"}

    desk.demo.forget_calls()
    run, _ = desk.push(target, rows)
    assert classes(run, "Account") == {"unchanged": 1, "skipped": 1}
    assert outcomes(run, "skipped")[ids[0]].code == "PARKED"
    assert not [call for call in desk.demo.calls("composite") if call["method"] != "GET"]

    rows["PX_Health__c"] = ["Fine", "Good"]
    run, _ = desk.push(target, rows)
    assert classes(run, "Account") == {"unchanged": 1, "written": 1}
    assert not OutboxRow.objects.exists()


def test_r_139_a_row_that_changes_starts_anew(desk):
    desk.demo.control("rules", {**RULE, "op": "contains"})
    ids = desk.account_ids(1)
    target = desk.target()
    for value in ("Bad 1", "Bad 1", "Bad 2"):
        desk.push(target, health(desk, ids, values=[value]))
    assert desk.row(ids[0]).tries == 1
    assert desk.row(ids[0]).values == {"PX_Health__c": "Bad 2"}


def test_a_waiting_row_whose_source_turns_back_waits_no_more(desk):
    desk.demo.control("rules", RULE)
    ids = desk.account_ids(1)
    target = desk.target()
    desk.push(target, health(desk, ids, values=["Good"]))
    desk.push(target, health(desk, ids, values=["Bad"]))
    assert OutboxRow.objects.count() == 1
    run, _ = desk.push(target, health(desk, ids, values=["Good"]))
    assert classes(run, "Account") == {"unchanged": 1}
    assert not OutboxRow.objects.exists()


def test_r_132_locked_rows_are_tried_again_in_the_run_grouped_by_parent(desk):
    ids = desk.account_ids(60)
    desk.demo.fault(path="Account", times=20, action="lock_row")
    run, report = desk.push(desk.target(), {**health(desk, ids), "parent_key": [f"p{n % 3}" for n in range(60)]})
    assert run.state == "success", run.sentence
    assert report.written == 60
    sent = [call for call in desk.demo.calls("composite") if call["method"] == "PATCH"]
    assert len(sent) == 2


def test_r_132_rows_locked_for_good_fail_with_a_reason_and_are_tried_every_run(desk):
    ids = desk.account_ids(5)
    desk.demo.settings(locked_records=[ids[0]])
    target = desk.target()
    for turn in range(1, 8):
        run, report = desk.push(target, health(desk, ids))
        assert report.failed == 1
        assert (desk.row(ids[0]).state, desk.row(ids[0]).tries) == ("retrying", turn)
    desk.demo.settings(locked_records=[])
    run, _ = desk.push(target, health(desk, ids))
    assert run.state == "success"
    assert not OutboxRow.objects.exists()


def test_r_132_five_percent_locks_in_a_bulk_job(desk):
    desk.demo.settings(bulk_lock_percent=5)
    run, report = desk.push(desk.projects(), projects(desk, 3000))
    assert run.state == "success", run.sentence
    assert report.written == 3000
    batches = list(OutboxBatch.objects.filter(run=run).order_by("pk").values_list("way", "attempt", "rows", "accepted_rows"))
    assert batches == [("bulk", 1, 3000, 2850), ("composite", 2, 150, 150)]


def test_r_140_what_is_too_heavy_together_goes_in_halves(desk):
    desk.demo.settings(trigger_row_limits={"Account": 60})
    run, report = desk.push(desk.target(), health(desk, desk.account_ids(180)))
    assert run.state == "success", run.sentence
    assert report.written == 180
    sizes = [call for call in desk.demo.calls("composite") if call["method"] == "PATCH"]
    assert len(sizes) <= 8


def test_r_140_what_is_too_heavy_alone_fails_alone(desk):
    """The trigger of the first account takes too long, whoever comes with it."""
    ids = desk.account_ids(3)
    text = "Trig: execution of AfterUpdate caused by: System.LimitException: Apex CPU time limit exceeded"
    heavy = {
        "success": False,
        "errors": [{"statusCode": "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "message": text, "fields": []}],
    }
    for together in (ids, ids[:2], ids[:1]):
        wanted = "".join(f"(?=.*{each})" if each in together else f"(?!.*{each})" for each in ids)
        answer = {"status": 200, "body": [heavy] * len(together)}
        desk.demo.fault(path="composite/sobjects", method="PATCH", body_matches=f"^{wanted}", times=50, **answer)
    run, report = desk.push(desk.target(), health(desk, ids))
    assert (report.failed, report.written) == (1, 2), run.sentence


def test_r_141_full_storage_stops_creates_but_not_updates(desk):
    target = desk.projects()
    desk.push(target, projects(desk, 3))
    desk.demo.settings(storage_full=True)
    rows = projects(desk, 403, Budget__c=[7] * 403)
    desk.demo.forget_calls()
    run, report = desk.push(target, rows)
    assert (report.written, report.failed) == (3, 400)
    assert {row.code for row in OutboxRow.objects.all()} == {"STORAGE_LIMIT_EXCEEDED"}
    assert len([call for call in desk.demo.calls("composite") if call["method"] == "PATCH"]) <= 2, "no hammering"
    desk.demo.forget_calls()
    run, report = desk.push(target, rows)
    assert report.failed == 400
    assert len([call for call in desk.demo.calls("composite") if call["method"] == "PATCH"]) == 1
    desk.demo.settings(storage_full=False)
    run, report = desk.push(target, rows)
    assert run.state == "success", run.sentence
    assert (report.created, OutboxRow.objects.count()) == (400, 0)


def test_r_141_full_storage_in_bulk_is_probed_by_one_small_call(desk):
    desk.demo.settings(storage_full=True)
    target = desk.projects()
    run, report = desk.push(target, projects(desk, 3000))
    assert report.failed == 3000
    desk.demo.forget_calls()
    desk.push(target, projects(desk, 3000))
    assert not desk.demo.calls("jobs/ingest"), "the probe said that there is no room"
    desk.demo.settings(storage_full=False)
    run, report = desk.push(target, projects(desk, 3000))
    assert (run.state, report.created) == ("success", 3000)


def test_r_138_a_deleted_record_makes_its_link_stale_and_is_not_tried_again(desk, change_kind):
    told = []
    change_kind(ACCOUNTS, on_deleted=lambda target, records, *, run, now: told.append((target.object, list(records), run)))
    ids = desk.account_ids(3)
    target = desk.target()
    desk.push(target, health(desk, ids))
    desk.demo.control("delete", {"object": "Account", "id": ids[1]})
    run, report = desk.push(target, health(desk, ids, values=["a", "b", "c"]))
    assert (report.written, report.failed) == (2, 1)
    assert told == [("Account", [(ids[1], ids[1])], run)]
    assert (desk.row(ids[1]).code, desk.row(ids[1]).state) == ("ENTITY_IS_DELETED", "parked")
    desk.demo.forget_calls()
    run, report = desk.push(target, health(desk, ids, values=["a", "b", "c"]))
    assert classes(run, "Account") == {"unchanged": 2, "skipped": 1}
    assert len(told) == 1
    assert not [call for call in desk.demo.calls("composite") if call["method"] == "PATCH"]


def test_r_137_several_records_share_the_external_id(desk):
    number = "Legacy_Number__c"
    ids = desk.account_ids(2)
    for each in ids:
        desk.demo.control("update", {"object": "Account", "id": each, "fields": {number: 4711}})
    target = desk.target(PROJECTS, "Account", number)
    _, report = desk.push(target, {"key": ["4711"], "PX_Health__c": ["Good"]})
    assert report.failed == 1
    row = desk.row("4711")
    assert row.state == "conflict"
    assert row.message.startswith("2 records share this key: ")
    assert all(each in row.message for each in ids)
    assert set(desk.values("Account", "PX_Health__c", where=f"WHERE {number} = 4711").values()).isdisjoint({"Good"})


def test_r_147_a_child_whose_parent_is_missing_waits_and_goes_once_it_is_there(desk, change_kind):
    """Accounts by external id, projects that name them by it: the parent is refused first."""
    kinds.register(kinds.OutboxKind("test.parents", "Parents", "test", lambda *_: "", operations=("upsert",)))
    change_kind(PROJECTS, parent_of="test.parents")
    desk.demo.control("rules", {**RULE, "field": "Name"})
    parents, children = desk.target("test.parents", "Account", "External_Id__c"), desk.projects()
    accounts = {"key": ["a1", "a2"], "Name": ["Bad", "Good"]}
    lines = {"key": ["p1", "p2"], "parent_key": ["a1", "a2"], "Account__r.External_Id__c": ["a1", "a2"], "Name": ["L1", "L2"]}
    desk.push(parents, accounts)
    run, _ = desk.push(children, lines)
    assert classes(run, "Project__c") == {"written": 1, "not_attempted": 1}
    assert desk.row("p1").state == "waiting_parent"
    accounts["Name"] = ["Fine", "Good"]
    desk.push(parents, accounts)
    run, _ = desk.push(children, lines)
    assert run.state == "success", run.sentence
    accounts = desk.values("Account", "External_Id__c", where="WHERE External_Id__c LIKE 'a_'")
    found = desk.values("Project__c", "Account__c", key="External_Id__c", where="WHERE External_Id__c LIKE 'p_'")
    assert {key: accounts[account] for key, account in found.items()} == {"p1": "a1", "p2": "a2"}
    assert not OutboxRow.objects.exists()


def test_r_147_salesforce_says_that_the_parent_is_missing(desk):
    lines = {"key": ["p1"], "Account__r.External_Id__c": ["nobody"], "Name": ["L1"]}
    target = desk.projects()
    for turn in range(1, 8):
        run, report = desk.push(target, lines)
        assert (desk.row("p1").state, desk.row("p1").tries) == ("waiting_parent", turn), "never dropped"
    desk.demo.control("create", {"object": "Account", "fields": {"Name": "There", "External_Id__c": "nobody"}})
    run, report = desk.push(target, lines)
    assert (run.state, report.created) == ("success", 1)


def test_r_147_parents_of_the_same_kind_go_first(desk, change_kind):
    change_kind(PROJECTS, parent_of=PROJECTS)
    desk.demo.control("fields", {"object": "Playbook__c", "field": {
        "name": "Key__c", "label": "Key", "type": "string", "length": 40, "external_id": True, "unique": True}})  # fmt: skip
    target = desk.target(PROJECTS, "Playbook__c", "Key__c")
    rows = {
        "key": ["c", "b", "a"],
        "parent_key": ["b", "a", None],
        "Parent__r.Key__c": ["b", "a", None],
        "Name": ["C", "B", "A"],
    }
    run, report = desk.push(target, rows)
    assert run.state == "success", [row.message for row in OutboxRow.objects.all()]
    assert report.created == 3
    assert OutboxBatch.objects.filter(run=run).count() == 3


def test_r_111_a_required_field_missing_on_create_is_skipped(desk):
    account = desk.account_ids(1)[0]
    run, _ = desk.push(desk.projects(), {"key": ["p1", "p2"], "Name": ["A", "B"], "Account__c": [account, None]})
    assert classes(run, "Project__c") == {"written": 1, "skipped": 1}
    assert outcomes(run, "skipped")["p2"].message.startswith("Required Account__c missing.")


def test_i_10_a_field_that_cannot_be_written_drops_alone_and_is_flagged(desk):
    """The describe is an hour old, the user's right to the field is not (R-057)."""
    ids = desk.account_ids(3)
    target = desk.target()
    desk.push(target, health(desk, ids))
    desk.demo.control("rights", {"object": "Account", "fields": {"PX_NPS_Score__c": {"read": True, "edit": False}}})
    rows = {"key": ids, "PX_Health__c": ["x"] * 3, "PX_NPS_Score__c": [1, 2, 3]}
    run, report = desk.push(target, rows)
    assert classes(run, "Account") == {"written": 3}
    assert run.state == "partial"
    assert "PX_NPS_Score__c" in report.refused
    assert outcomes(run, "failed")["PX_NPS_Score__c"].code == "FIELD_REFUSED"
    desk.demo.control("rights", method="DELETE")
    from django.core.cache import cache

    cache.clear()
    run, report = desk.push(target, rows)
    assert (run.state, report.written) == ("success", 3), "it was not taken for accepted"
    assert desk.values("Account", "PX_NPS_Score__c")[ids[2]] == 3


def test_i_10_an_unknown_column_fails_a_bulk_job_only_once(desk):
    target = desk.projects()
    rows = projects(desk, 2500, Completion__c=[10] * 2500)
    from integrations.orgs.connect import client_for
    from integrations.sync.mirror import describing

    describing.describe_object(desk.org, client_for(desk.org, domain="test"), "Project__c")
    desk.demo.settings(hidden_fields={"Project__c": ["Completion__c"]})
    run, report = desk.push(target, rows)
    assert (report.written, run.state) == (2500, "partial"), run.sentence
    assert list(report.refused) == ["Completion__c"]
    states = list(OutboxBatch.objects.filter(run=run).order_by("pk").values_list("state", flat=True))
    assert states == ["failed", "collected"]


def test_r_148_an_object_that_is_gone_fails_alone(desk):
    target = desk.target()
    desk.demo.settings(hidden_objects=["Account"])
    run, report = desk.push(target, {"key": ["001000000000001AAA"] * 2, "PX_Health__c": ["a", "b"]})
    assert report.error.startswith("Account cannot be written")
    assert classes(run, "Account") == {"failed": 2}
    assert run.state == "failed"


def test_r_169_a_key_that_is_no_external_id_writes_nothing_and_says_so(desk):
    target = desk.target(PROJECTS, "Project__c", "Status__c")
    _, report = desk.push(target, {"key": ["a"], "Name": ["x"]})
    assert "is no external id" in report.error
    assert desk.writes()["rows"] == 0


@pytest.mark.parametrize("way", ["read-only", "daily limit"])
def test_r_153_r_058_a_run_that_must_wait_is_deferred_and_keeps_what_was_done(desk, monkeypatch, way):
    target, ids = desk.target(), desk.account_ids(190)
    desk.push(target, health(desk, ids[:50]))
    monkeypatch.setattr(planning, "ROWS_A_CALL", 40)
    refused = {"statusCode": "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", "message": "Not now.", "fields": []}
    how = {"action": "daily_limit", "times": 9}
    if way == "read-only":
        how = {"status": 200, "body": [{"success": False, "errors": [refused]}] * 40}
    desk.demo.fault(path="composite/sobjects", method="PATCH", after=1, **how)
    run, _ = desk.push(target, health(desk, ids))
    assert run.state == "deferred", run.sentence
    assert classes(run, "Account") == {"unchanged": 50, "written": 40, "not_attempted": 100}
    desk.demo.no_faults()
    desk.writes()
    run, report = desk.push(target, health(desk, ids))
    assert run.state == "success", run.sentence
    assert report.written == desk.writes()["rows"] == 100


def test_r_153_a_read_only_org_takes_no_bulk_job_either(desk):
    desk.demo.settings(read_only=True)
    target, rows = desk.projects(), projects(desk, 2600)
    run, _ = desk.push(target, rows)
    assert run.state == "deferred", run.sentence
    assert classes(run, "Project__c") == {"not_attempted": 2600}
    desk.demo.settings(read_only=False)
    run, report = desk.push(target, rows)
    assert (run.state, report.created) == ("success", 2600)


def test_r_149_one_alert_for_many_failures_and_one_note_when_they_are_over(desk, settings, now):
    settings.ALERT_EMAILS = ["ops@acme.example"]
    desk.demo.control("rules", RULE)
    ids = desk.account_ids(120)
    target = desk.target()
    for _ in range(3):
        desk.push(target, health(desk, ids, values=["Bad"] * 120))
        alerts.send_due_alerts(now=timezone.now() + timedelta(minutes=5))
    (alert,) = Alert.objects.filter(key=f"outbox:{target.pk}")
    assert "120 of 120 rows of Account" in alert.title
    desk.push(target, health(desk, ids, values=["Good"] * 120))
    alert.refresh_from_db()
    assert alert.recovered_at is not None
    assert len([message for message in mail.outbox if "120 of 120" in message.subject and "Solved" not in message.subject]) <= 1


def test_r_269_a_push_of_which_most_rows_fail_is_stopped(desk):
    rule = {"name": "r", "object": "Project__c", "field": "Name", "op": "contains", "value": "N", "message": "No"}
    desk.demo.control("rules", rule)
    run, _ = desk.push(desk.projects(), projects(desk, 5500))
    assert (run.state, run.reason_code) == ("failed", "too_many_failures")
    counted = run.objects_touched.get(name="Project__c")
    assert counted.failed == 5500
    assert len(outcomes(run, "failed")) <= 1000
    assert OutboxPush.objects.get(run=run).counts["failed"] == 5500
