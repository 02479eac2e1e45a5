"""Taking a run back: fields get their old values where they are still ours, the rest is a conflict; nothing is undone twice."""

import pytest

from integrations.access import Refusal
from integrations.models import Undo
from integrations.sync.outbox import registering
from integrations.sync.outbox.undo import undo_run, why_not
from tests.outbox.conftest import classes, outcomes


@pytest.fixture(autouse=True)
def _jobs(desk):
    registering.register()


def taken_back(run, user, now, **options):
    again = undo_run(run, user=user, now=now, **options)
    again.refresh_from_db()
    assert again.state in ("success", "partial"), again.sentence
    return again


def test_an_undo_restores_what_stood_there_before(desk, cast, now):
    ids = desk.account_ids(3)
    before = desk.values("Account", "PX_Health__c"), desk.values("Account", "PX_Plan__c")
    run, _ = desk.push(desk.target(), {"key": ids, "PX_Health__c": ["x", "y", "z"], "PX_Plan__c": ["Team"] * 3})
    again = taken_back(run, cast.olga, now)
    counted = classes(again, "Account")
    assert counted["written"] + counted.get("unchanged", 0) == 3
    assert (desk.values("Account", "PX_Health__c"), desk.values("Account", "PX_Plan__c")) == before
    assert Undo.objects.get(run=run).done_by_run == again


def test_an_undo_of_the_second_run_gives_the_values_of_the_first(desk, cast, now):
    ids = desk.account_ids(2)
    target = desk.target()
    desk.push(target, {"key": ids, "PX_Health__c": ["one", "one"]})
    run, _ = desk.push(target, {"key": ids, "PX_Health__c": ["two", None]})
    taken_back(run, cast.olga, now)
    assert [desk.values("Account", "PX_Health__c")[each] for each in ids] == ["one", "one"]
    run, _ = desk.push(target, {"key": ids, "PX_Health__c": ["one", "one"]})
    assert classes(run, "Account") == {"unchanged": 2}, "the accepted state is that of the first run again"


def test_values_that_somebody_changed_since_are_conflicts(desk, cast, now):
    ids = desk.account_ids(3)
    target = desk.target()
    desk.push(target, {"key": ids, "PX_Health__c": ["a"] * 3, "PX_Plan__c": ["Free"] * 3})
    run, _ = desk.push(target, {"key": ids, "PX_Health__c": ["b"] * 3, "PX_Plan__c": ["Team"] * 3})
    desk.demo.control(
        "update", {"object": "Account", "id": ids[0], "fields": {"PX_Health__c": "mine", "PX_Plan__c": "Starter"}}
    )
    desk.demo.control("update", {"object": "Account", "id": ids[1], "fields": {"PX_Health__c": "mine"}})
    again = taken_back(run, cast.olga, now)
    assert classes(again, "Account") == {"written": 2, "skipped": 1}
    assert outcomes(again, "skipped")[ids[0]].code == "CONFLICT"
    assert list(again.objects_touched.get(name="Account: conflicts").rows.values_list("key", "code")) == [(ids[1], "CONFLICT")]
    health, plan = desk.values("Account", "PX_Health__c"), desk.values("Account", "PX_Plan__c")
    assert [(health[each], plan[each]) for each in ids] == [("mine", "Starter"), ("mine", "Free"), ("a", "Free")]


def test_created_records_are_deleted_only_when_asked_and_only_untouched(desk, cast, now):
    account = desk.account_ids(1)[0]
    target = desk.projects()
    rows = {"key": ["a", "b"], "Name": ["A", "B"], "Account__c": [account] * 2}
    run, _ = desk.push(target, rows)
    again = taken_back(run, cast.olga, now)
    assert classes(again, "Project__c") == {"skipped": 2}
    assert outcomes(again, "skipped")["a"].code == "CREATED"

    run, _ = desk.push(target, {**rows, "key": ["c", "d"]})
    touched = desk.values("Project__c", "Id", key="External_Id__c", where="WHERE External_Id__c = 'd'")["d"]
    desk.demo.control("update", {"object": "Project__c", "id": touched, "fields": {"Name": "Theirs"}})
    again = taken_back(run, cast.olga, now, delete_created=True)
    assert classes(again, "Project__c") == {"written": 1, "skipped": 1}
    found = desk.values("Project__c", "Name", key="External_Id__c", where="WHERE External_Id__c IN ('a', 'b', 'c', 'd')")
    assert found == {"a": "A", "b": "B", "d": "Theirs"}


def test_a_record_that_is_gone_is_a_conflict_and_not_created_again(desk, cast, now):
    account = desk.account_ids(1)[0]
    target = desk.projects()
    desk.push(target, {"key": ["a"], "Name": ["A"], "Account__c": [account]})
    run, _ = desk.push(target, {"key": ["a"], "Name": ["B"], "Account__c": [account]})
    record = desk.values("Project__c", "Id", key="External_Id__c", where="WHERE External_Id__c = 'a'")["a"]
    desk.demo.control("delete", {"object": "Project__c", "id": record})
    again = taken_back(run, cast.olga, now)
    assert classes(again, "Project__c") == {"skipped": 1}
    assert not desk.values("Project__c", "Id", key="External_Id__c", where="WHERE External_Id__c = 'a'")


def test_an_undo_of_an_undo_and_of_other_runs_is_refused_with_a_reason(desk, cast, now):
    run, _ = desk.push(desk.target(), {"key": desk.account_ids(1), "PX_Health__c": ["x"]})
    again = taken_back(run, cast.olga, now)
    for wrong, code in ((again, "undo_of_undo"), (run, "already_undone")):
        with pytest.raises(Refusal) as refusal:
            undo_run(wrong, user=cast.olga, now=now)
        assert refusal.value.code == code
        assert refusal.value.message.startswith(f"Run #{wrong.pk} ")
    from integrations.models import Run

    other = Run.objects.create(job="okr.refresh", org=desk.org, domain="okr", state="success")
    assert why_not(other)[0] == "nothing_to_undo"


def test_a_large_run_is_taken_back_by_bulk(desk, cast, now):
    accounts = desk.account_ids(20)
    n = 2600
    rows = {"key": [f"Undo-{i}" for i in range(n)], "Name": ["one"] * n, "Account__c": [accounts[i % 20] for i in range(n)]}
    target = desk.projects()
    desk.push(target, rows)
    run, _ = desk.push(target, {**rows, "Name": ["two"] * n})
    desk.demo.forget_calls()
    again = taken_back(run, cast.olga, now)
    assert classes(again, "Project__c") == {"written": n}
    assert len(desk.demo.calls("/services/data")) <= 15
    assert set(
        desk.values("Project__c", "Name", key="External_Id__c", where="WHERE External_Id__c LIKE 'Undo-%'").values()
    ) == {"one"}
