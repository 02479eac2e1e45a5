"""The full compare with live values: what people change in Salesforce is seen, and handled as the kind says (R-154, PX-D14)."""

import pytest

from integrations.models import HumanEdit
from integrations.sync.outbox import registering
from integrations.sync.outbox.verify import decide_edit, verify
from tests.outbox.conftest import ACCOUNTS, PROJECTS, classes


@pytest.fixture(autouse=True)
def _jobs(desk):
    registering.register()


@pytest.fixture
def pushed(desk):
    """Three accounts as we want them, and one value that somebody changed in Salesforce."""
    ids = desk.account_ids(3)
    target = desk.target()
    rows = {"key": ids, "PX_Health__c": ["a", "b", "c"], "PX_NPS_Score__c": [1, 2, 3]}
    desk.push(target, rows)
    desk.demo.control("update", {"object": "Account", "id": ids[1], "fields": {"PX_Health__c": "theirs"}})
    return target, ids, rows


def compared(desk, target, now):
    run = verify(desk.org, target=target, now=now)
    run.refresh_from_db()
    assert run.state in ("success", "partial"), run.sentence
    return run


def test_r_154_px_d14_ours_is_put_right(desk, pushed, now):
    target, ids, rows = pushed
    run, _ = desk.push(target, rows)
    assert classes(run, "Account") == {"unchanged": 3}, "a usual push cannot see it"
    desk.writes()
    run = compared(desk, target, now)
    assert classes(run, "Account") == {"unchanged": 2, "written": 1}
    assert desk.writes()["rows"] == 1
    assert desk.values("Account", "PX_Health__c")[ids[1]] == "b"
    edit = HumanEdit.objects.get()
    assert (edit.field, edit.ours, edit.theirs, edit.decision) == ("PX_Health__c", "b", "theirs", "ours")
    target.refresh_from_db()
    assert target.verified_at is not None
    run = compared(desk, target, now)
    assert classes(run, "Account") == {"unchanged": 3}


def test_r_154_theirs_stays_until_our_value_changes(desk, pushed, change_kind, now):
    change_kind(ACCOUNTS, human_edits="theirs")
    target, ids, rows = pushed
    run = compared(desk, target, now)
    assert classes(run, "Account") == {"unchanged": 2, "skipped": 1}
    assert HumanEdit.objects.get().decision == "theirs"
    run, _ = desk.push(target, rows)
    assert classes(run, "Account") == {"unchanged": 3}
    assert desk.values("Account", "PX_Health__c")[ids[1]] == "theirs"
    desk.push(target, {**rows, "PX_Health__c": ["a", "new", "c"]})
    assert desk.values("Account", "PX_Health__c")[ids[1]] == "new"
    compared(desk, target, now)
    assert not HumanEdit.objects.exists(), "nothing differs any more"


def test_r_154_a_person_is_asked_and_the_answer_counts(desk, pushed, change_kind, cast, now):
    change_kind(ACCOUNTS, human_edits="ask")
    target, ids, _ = pushed
    run = compared(desk, target, now)
    edit = HumanEdit.objects.get()
    assert edit.decision == "open"
    assert run.objects_touched.get(name="Account: changed by people").skipped == 1
    assert desk.values("Account", "PX_Health__c")[ids[1]] == "theirs"
    decide_edit(edit, "theirs", user=cast.olga, now=now)
    compared(desk, target, now)
    assert HumanEdit.objects.get().decided_by == cast.olga
    decide_edit(HumanEdit.objects.get(), "ours", user=cast.olga, now=now)
    run = compared(desk, target, now)
    assert classes(run, "Account") == {"unchanged": 2, "written": 1}
    assert desk.values("Account", "PX_Health__c")[ids[1]] == "b"


def test_r_154_fields_that_we_never_wrote_are_not_looked_at(desk, now):
    ids = desk.account_ids(2)
    target = desk.target()
    desk.push(target, {"key": ids, "PX_Health__c": ["a", None]})
    desk.demo.control("update", {"object": "Account", "id": ids[1], "fields": {"PX_Health__c": "theirs", "PX_Plan__c": "Team"}})
    run = compared(desk, target, now)
    assert classes(run, "Account") == {"unchanged": 1}
    assert desk.values("Account", "PX_Health__c")[ids[1]] == "theirs"


def test_r_138_px_d15_a_record_that_is_gone_is_reported_and_forgotten(desk, pushed, change_kind, now):
    told = []
    change_kind(ACCOUNTS, on_deleted=lambda target, records, *, run, now: told.extend(records))
    target, ids, _ = pushed
    desk.demo.control("delete", {"object": "Account", "id": ids[0]})
    run = compared(desk, target, now)
    assert classes(run, "Account") == {"unchanged": 1, "skipped": 1, "written": 1}
    assert told == [(ids[0], ids[0])]
    run = compared(desk, target, now)
    assert classes(run, "Account") == {"unchanged": 2}


def test_a_large_target_is_compared_by_one_bulk_query(desk, now):
    accounts, n = desk.account_ids(20), 2600
    rows = {"key": [f"P{i}" for i in range(n)], "Name": [f"N{i}" for i in range(n)], "Account__c": [accounts[i % 20] for i in range(n)],
            "Budget__c": [i / 4 for i in range(n)], "On_Track__c": [bool(i % 2) for i in range(n)]}  # fmt: skip
    target = desk.target(PROJECTS, "Project__c", "External_Id__c")
    desk.push(target, rows)
    wrong = desk.values("Project__c", "Id", key="External_Id__c", where="WHERE External_Id__c = 'P7'")["P7"]
    desk.demo.control("update", {"object": "Project__c", "id": wrong, "fields": {"Budget__c": 99, "On_Track__c": False}})
    desk.demo.forget_calls()
    run = compared(desk, target, now)
    assert classes(run, "Project__c") == {"unchanged": n - 1, "written": 1}
    assert len(desk.demo.calls("/services/data")) <= 8
    assert (
        float(desk.values("Project__c", "Budget__c", key="External_Id__c", where="WHERE External_Id__c = 'P7'")["P7"]) == 1.75
    )
