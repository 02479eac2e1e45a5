"""After a restore: values in Salesforce that are newer than the backup stay, everything else goes on as always (I-07, L-13)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.lake.tables import live_files
from integrations.models import HumanEdit, LakeFile, OutboxTarget
from integrations.sync.outbox import registering
from integrations.sync.outbox.verify import decide_edit, verify
from tests.outbox.conftest import PROJECTS, classes

HEALTH, SCORE = "PX_Health__c", "PX_NPS_Score__c"


@pytest.fixture(autouse=True)
def _jobs(desk):
    registering.register()


class Past:
    """A target as it was at an earlier instant, put back as a restored backup does."""

    def __init__(self, target: OutboxTarget) -> None:
        self.target, self.made_at = target, timezone.now()
        target.refresh_from_db()
        self.files = [file.pk for file in live_files(target.accepted)]

    def restore(self) -> None:
        LakeFile.objects.filter(table=self.target.accepted).exclude(pk__in=self.files).delete()
        LakeFile.objects.filter(pk__in=self.files).update(retired_at=None)
        now = timezone.now()
        OutboxTarget.objects.filter(pk=self.target.pk).update(
            restored_at=now, restored_from=self.made_at, settled_by=None, verified_at=None
        )


@pytest.fixture
def lost(desk):
    """Three accounts pushed, a backup, then other values for the first two; and the backup again."""
    ids, target = desk.account_ids(3), desk.target()
    old = {"key": ids, HEALTH: ["a", "b", "c"], SCORE: [1, 2, 3]}
    desk.push(target, old)
    past = Past(target)
    desk.push(target, {**old, HEALTH: ["a new", "b", "c"], SCORE: [1, 20, 3]})
    past.restore()
    desk.writes()
    return target, ids, old


def test_i_07_l_13_what_was_sent_after_the_backup_is_not_overwritten_by_older_values(desk, lost):
    target, ids, old = lost
    run, _ = desk.push(target, {**old, HEALTH: ["a older", "b older", "c older"], SCORE: [1, 2, 3]})
    assert desk.values("Account", HEALTH)[ids[0]] == "a new", "changed since the backup"
    assert float(desk.values("Account", SCORE)[ids[1]]) == 20
    assert [desk.values("Account", HEALTH)[each] for each in ids[1:]] == ["b older", "c older"], "these nobody touched"
    assert classes(run, "Account: newer than the backup") == {"skipped": 2}
    edits = {(edit.key, edit.field): (edit.ours, edit.theirs, edit.lost) for edit in HumanEdit.objects.all()}
    assert edits == {(ids[0], HEALTH): ("a older", "a new", True), (ids[1], SCORE): ("2", "20", True)}


def test_l_13_after_one_run_it_has_converged_and_new_values_go_out(desk, lost):
    target, ids, old = lost
    desk.push(target, old)
    desk.writes()
    run, _ = desk.push(target, old)
    assert classes(run, "Account") == {"unchanged": 3}
    assert desk.writes()["rows"] == 0
    target.refresh_from_db()
    assert target.restored_at is None, "another run settled it"
    desk.push(target, {**old, HEALTH: ["newest", "b", "c"]})
    assert desk.values("Account", HEALTH)[ids[0]] == "newest"


@pytest.mark.parametrize("push_first", [True, False])
def test_i_07_r_154_the_weekly_compare_takes_nothing_back_that_the_backup_forgot(desk, lost, now, push_first):
    target, ids, old = lost
    if push_first:
        desk.push(target, old)
    for _ in range(2):
        run = verify(desk.org, target=target, now=now)
        run.refresh_from_db()
        assert run.state == "success", run.sentence
        assert desk.values("Account", HEALTH)[ids[0]] == "a new"
    assert HumanEdit.objects.filter(lost=True).count() == 2
    desk.push(target, {**old, HEALTH: ["newest", "b", "c"]})
    if push_first:
        assert desk.values("Account", HEALTH)[ids[0]] == "newest"
        verify(desk.org, target=target, now=now)
        assert HumanEdit.objects.filter(lost=True).count() == 1, "what no longer differs is no longer listed"


def test_a_person_may_let_our_older_value_win(desk, lost, cast, now):
    target, ids, old = lost
    desk.push(target, old)
    decide_edit(HumanEdit.objects.get(field=HEALTH), "ours", user=cast.olga, now=now)
    verify(desk.org, target=target, now=now)
    assert desk.values("Account", HEALTH)[ids[0]] == "a"


def test_a_change_by_people_from_before_the_backup_is_ours_to_replace_only_where_it_is_new_to_us(desk, now):
    """A first value for a record that stood untouched since before the backup goes out."""
    ids, target = desk.account_ids(2), desk.target()
    desk.push(target, {"key": ids[:1], HEALTH: ["a"]})
    desk.demo.control("update", {"object": "Account", "id": ids[1], "fields": {HEALTH: "theirs"}})
    past = Past(target)
    past.made_at += timedelta(hours=1)  # as if long after the change
    past.restore()
    desk.push(target, {"key": ids, HEALTH: ["a", "ours"]})
    assert desk.values("Account", HEALTH)[ids[1]] == "ours"


def test_records_made_after_the_backup_are_found_by_their_key(desk):
    target = desk.target(PROJECTS, "Project__c", "External_Id__c")
    account = desk.account_ids(1)[0]
    rows = {"key": ["P1"], "Name": ["One"], "Account__c": [account], "Budget__c": [1.0]}
    desk.push(target, rows)
    past = Past(target)
    more = {"key": ["P1", "P2"], "Name": ["One", "Two new"], "Account__c": [account] * 2, "Budget__c": [1.0, 5.0]}
    desk.push(target, more)
    past.restore()
    desk.push(target, {**more, "Name": ["One", "Two"]})
    assert desk.values("Project__c", "Name", key="External_Id__c") | {"P1": "One", "P2": "Two new"} == desk.values(
        "Project__c", "Name", key="External_Id__c"
    )


def test_doubts_of_the_backup_end_with_the_live_values(desk):
    ids, target = desk.account_ids(1), desk.target()
    desk.push(target, {"key": ids, HEALTH: ["start"]})
    desk.demo.fault(path="composite/sobjects", method="PATCH", times=99, cut=0)
    desk.push(target, {"key": ids, HEALTH: ["in doubt"]})
    desk.demo.no_faults()
    past = Past(target)
    desk.push(target, {"key": ids, HEALTH: ["sent later"]})
    past.restore()
    desk.push(target, {"key": ids, HEALTH: ["in doubt"]})
    assert desk.values("Account", HEALTH)[ids[0]] == "sent later"


def test_rows_that_a_person_asks_for_wait_until_the_target_is_settled(desk, lost, now):
    from integrations.models import OutboxRow
    from integrations.sync import runs

    target, ids, _ = lost
    OutboxRow.objects.create(target=target, key=ids[0], values={HEALTH: "old"}, asked_at=now)
    run = runs.request_run("outbox.retry", org=desk.org, now=now)
    run.refresh_from_db()
    assert classes(run, "Account") == {"skipped": 1}
    assert desk.values("Account", HEALTH)[ids[0]] == "a new"
