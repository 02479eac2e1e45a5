"""The workbench: rows that wait, by cause and with a fix, edited, tried again alone, dismissed."""

import pytest

from integrations.access import Refusal
from integrations.models import AuditEntry, OutboxRow, Run
from integrations.sync.outbox import registering, rows
from tests.outbox.conftest import ACCOUNTS, classes

LONG = {
    "name": "long",
    "object": "Account",
    "field": "PX_Health__c",
    "op": "contains",
    "value": "bad",
    "message": "No bad health",
}


@pytest.fixture(autouse=True)
def _jobs(desk):
    registering.register()


@pytest.fixture
def refused(desk):
    """Three accounts of which two are refused by a rule."""
    desk.demo.control("rules", LONG)
    ids = desk.account_ids(3)
    target = desk.target()
    wanted = {"key": ids, "label": ["A", "B", "C"], "PX_Health__c": ["bad 1", "bad 2", "good"], "PX_NPS_Score__c": [1, 2, 3]}
    desk.push(target, wanted)
    desk.writes()
    return target, ids, wanted


def test_rows_are_grouped_by_cause_with_a_fix_in_words(desk, refused):
    (group,) = rows.groups(desk.org)
    assert (group.code, group.rows, group.state) == ("FIELD_CUSTOM_VALIDATION_EXCEPTION", 2, "retrying")
    assert group.message == "No bad health"
    assert "validation rule" in group.fix
    assert {row.label for row in rows.rows_of_group(group.target, group.code)} == {"A", "B"}


def test_an_edited_row_is_sent_alone_and_keeps_the_persons_value(desk, refused, cast, now):
    target, ids, wanted = refused
    row = desk.row(ids[0])
    rows.edit_row(row, {"PX_Health__c": "fine"}, user=cast.olga, now=now)
    run = rows.retry_row(row, user=cast.olga, now=now)
    run.refresh_from_db()
    assert (run.job, run.state) == ("outbox.retry", "success"), run.sentence
    assert classes(run, "Account") == {"written": 1}
    assert desk.writes()["rows"] == 1
    assert desk.values("Account", "PX_Health__c")[ids[0]] == "fine"
    assert desk.row(ids[0]).state == "edited"
    assert rows.groups(desk.org)[0].rows == 1

    run, _ = desk.push(target, wanted)
    assert classes(run, "Account") == {"unchanged": 2, "failed": 1}, "the source has not changed: the person's value stays"
    assert desk.values("Account", "PX_Health__c")[ids[0]] == "fine"

    run, _ = desk.push(target, {**wanted, "PX_Health__c": ["better", "bad 2", "good"]})
    assert desk.values("Account", "PX_Health__c")[ids[0]] == "better", "a new value at the source counts again"
    assert not OutboxRow.objects.filter(key=ids[0]).exists()


def test_an_edited_row_goes_with_the_next_push_too(desk, refused, cast, now):
    target, ids, wanted = refused
    rows.edit_row(desk.row(ids[1]), {"PX_Health__c": "fine"}, user=cast.olga, now=now)
    run, _ = desk.push(target, wanted)
    assert classes(run, "Account") == {"unchanged": 1, "written": 1, "failed": 1}
    assert desk.values("Account", "PX_Health__c")[ids[1]] == "fine"
    assert desk.values("Account", "PX_NPS_Score__c")[ids[1]] == 2


def test_an_edit_that_fails_again_stays_with_its_row(desk, refused, cast, now):
    _, ids, _ = refused
    row = rows.edit_row(desk.row(ids[0]), {"PX_Health__c": "bad too"}, user=cast.olga, now=now)
    rows.retry_row(row, user=cast.olga, now=now)
    row = desk.row(ids[0])
    assert (row.values["PX_Health__c"], row.edited, row.state) == ("bad 1", {"PX_Health__c": "bad too"}, "retrying")
    assert row.tries == 2


def test_an_edit_is_checked_by_describe_and_door_with_all_problems(desk, refused, cast, change_kind, now):
    change_kind(ACCOUNTS, may_write=lambda target, info, name: "" if name.startswith("PX_") else "only prefixed fields")
    _, ids, _ = refused
    with pytest.raises(Refusal) as refusal:
        rows.edit_row(
            desk.row(ids[0]),
            {"PX_Health__c": "x" * 41, "PX_NPS_Score__c": "twelve", "PX_Plan__c": "Gold", "Name": "x", "Nope__c": "y"},
            user=cast.olga,
            now=now,
        )
    said = refusal.value.message
    for words in ("at most 40 characters", "not a number", "no value of PX Plan", "only prefixed fields", "cannot see it"):
        assert words in said
    assert desk.row(ids[0]).edited == {}


@pytest.mark.parametrize(("typed", "kept"), [("12,5", None), ("3.4", "3"), ("", None), (7, "7"), ("1000", None)])
def test_edited_numbers_are_kept_as_salesforce_would(desk, refused, cast, now, typed, kept):
    _, ids, _ = refused
    values = {"PX_NPS_Score__c": typed}
    if kept is None and typed:
        with pytest.raises(Refusal):
            rows.edit_row(desk.row(ids[0]), values, user=cast.olga, now=now)
    else:
        assert rows.edit_row(desk.row(ids[0]), values, user=cast.olga, now=now).edited == {"PX_NPS_Score__c": kept}


def test_a_whole_cause_is_tried_again_and_sends_only_its_rows(desk, refused, cast, now):
    target, _, _ = refused
    desk.demo.control("rules", method="DELETE")
    (group,) = rows.groups(desk.org)
    run = rows.retry_group(target, group.code, user=cast.olga, now=now)
    run.refresh_from_db()
    assert classes(run, "Account") == {"written": 2}
    assert desk.writes()["rows"] == 2
    assert not OutboxRow.objects.exists()
    assert AuditEntry.objects.filter(action="outbox.retry_asked").count() == 1


def test_a_dismissed_row_is_left_alone_until_it_changes(desk, refused, cast, now):
    target, ids, wanted = refused
    rows.dismiss_row(desk.row(ids[0]), user=cast.olga, now=now)
    run, _ = desk.push(target, wanted)
    assert classes(run, "Account") == {"unchanged": 1, "skipped": 1, "failed": 1}
    assert {row.key for row in rows.rows_of_group(target, "FIELD_CUSTOM_VALIDATION_EXCEPTION")} == {ids[1]}
    run, _ = desk.push(target, {**wanted, "PX_Health__c": ["good", "bad 2", "good"]})
    assert classes(run, "Account") == {"unchanged": 1, "written": 1, "failed": 1}


def test_a_parked_row_is_tried_when_a_person_asks(desk, refused, cast, now):
    _, ids, _ = refused
    OutboxRow.objects.update(state="parked", tries=5)
    rows.retry_row(desk.row(ids[0]), user=cast.olga, now=now)
    assert desk.row(ids[0]).tries == 6
    assert desk.row(ids[0]).asked_at is None
    assert desk.row(ids[1]).tries == 5


def test_a_retry_that_waits_already_takes_more_rows_along(desk, refused, cast, now):
    _, ids, _ = refused
    desk.demo.control("rules", method="DELETE")
    waiting = Run.objects.create(job=rows.JOB, org=desk.org, domain="outbox")
    assert rows.retry_row(desk.row(ids[0]), user=cast.olga, now=now) == waiting
    assert rows.retry_row(desk.row(ids[1]), user=cast.olga, now=now) == waiting
    from integrations.sync import runs

    runs.perform_run(waiting.pk)
    assert classes(waiting, "Account") == {"written": 2}


def test_nothing_is_asked_of_a_connection_that_is_off(desk, refused, cast, now):
    type(desk.org).objects.update(state="disconnected")
    with pytest.raises(Refusal, match="connect it first"):
        rows.retry_row(desk.row(refused[1][0]), user=cast.olga, now=now)


def test_a_released_row_is_tried_again(desk, refused):
    target, ids, wanted = refused
    OutboxRow.objects.update(state="parked", tries=5)
    assert rows.release(target, [ids[0]]) == 1
    run, _ = desk.push(target, wanted)
    assert classes(run, "Account") == {"unchanged": 1, "skipped": 1, "failed": 1}
