"""Rows that come with a problem: a domain says that a value does not fit, and the outbox keeps the row until it does."""

import pyarrow as pa
import pytest
from django.utils import timezone

from integrations.models import OutboxRow
from integrations.sync.outbox import planning, preview, registering, rows
from integrations.sync.outbox.problems import problem_text, read_problem
from tests.outbox.conftest import ACCOUNTS, classes, outcomes

HEALTH = "PX_Health__c"
LONG = problem_text("too_long", [HEALTH], "PX Health is too long: 50 > 40.")


def wanted(ids, problems, **more):
    made = {
        "key": ids,
        "label": [f"A{n}" for n in range(len(ids))],
        HEALTH: ["ok"] * len(ids),
        "PX_NPS_Score__c": [1] * len(ids),
    }
    problem = pa.array([problems.get(key) for key in ids], pa.string())
    return {**made, **more, "problem": problem}


def test_i_10_a_row_with_a_problem_is_not_sent_at_all_and_the_others_are(desk):
    ids = desk.account_ids(3)
    run, report = desk.push(desk.target(), wanted(ids, {ids[1]: LONG}))
    assert (report.written, report.failed) == (2, 1)
    assert classes(run, "Account") == {"written": 2, "failed": 1}
    told = outcomes(run, "failed")[ids[1]]
    assert (told.code, told.message, told.label) == ("too_long", "PX Health is too long: 50 > 40.", "A1")
    assert told.detail == {"fields": [HEALTH]}
    row = desk.row(ids[1])
    assert (row.state, row.values, row.fields) == ("unfit", {"PX_NPS_Score__c": "1"}, [HEALTH])
    assert desk.values("Account", "PX_NPS_Score__c")[ids[1]] is None


def test_it_leaves_by_itself_once_it_comes_without_the_problem(desk):
    ids = desk.account_ids(2)
    target = desk.target()
    for tries in (1, 2):
        desk.push(target, wanted(ids, {ids[0]: LONG}))
        assert desk.row(ids[0]).tries == tries
    run, _ = desk.push(target, wanted(ids, {}))
    assert classes(run, "Account") == {"written": 1, "unchanged": 1}
    assert not OutboxRow.objects.exists()


def test_it_leaves_when_nobody_wants_it_written_any_more(desk):
    ids = desk.account_ids(2)
    target = desk.target()
    desk.push(target, wanted(ids, {ids[0]: LONG}))
    desk.push(target, wanted(ids[1:], {}))
    assert not OutboxRow.objects.exists()


def test_a_part_of_the_rows_settles_nothing_of_the_others(desk):
    ids = desk.account_ids(2)
    target = desk.target()
    desk.push(target, wanted(ids, {ids[0]: LONG}))
    desk.push(target, wanted(ids[1:], {}), complete=False)
    assert desk.row(ids[0]).state == "unfit"


def test_i_02_a_value_that_was_accepted_stays_accepted_while_its_row_does_not_fit(desk):
    ids = desk.account_ids(1)
    target = desk.target()
    desk.push(target, wanted(ids, {}))
    blank = pa.array([None], pa.string())
    desk.push(target, wanted(ids, {ids[0]: LONG}, **{HEALTH: blank}))
    assert desk.values("Account", HEALTH)[ids[0]] == "ok", "a value that does not fit is no blank: nothing is cleared"
    run, _ = desk.push(target, wanted(ids, {}))
    assert classes(run, "Account") == {"unchanged": 1}
    assert not OutboxRow.objects.exists()


def test_the_fix_and_the_page_are_the_domains_own(desk, change_kind):
    change_kind(ACCOUNTS, fix=lambda code, fields: f"Mend {', '.join(fields)} ({code}).", page=lambda target: "/somewhere/")
    ids = desk.account_ids(2)
    long_value = {"key": ids, HEALTH: ["x" * 41, "ok"], "problem": pa.array([None, LONG], pa.string())}
    desk.push(desk.target(), long_value)
    found = {group.code: group for group in rows.groups(desk.org)}
    assert found["too_long"].fix == "Mend PX_Health__c (too_long)."
    assert found["too_long"].page == "/somewhere/"
    assert found["STRING_TOO_LONG"].state == "unfit", "what the door itself finds waits in the same way"


def test_a_refusal_of_salesforces_is_not_told_as_the_domains(desk, change_kind):
    change_kind(ACCOUNTS, fix=lambda code, fields: "Mend it.", page=lambda target: "/somewhere/")
    desk.demo.control("rules", {"name": "r", "object": "Account", "field": HEALTH, "op": "=", "value": "ok", "message": "No"})
    desk.push(desk.target(), wanted(desk.account_ids(1), {}))
    (group,) = rows.groups(desk.org)
    assert (group.code, group.page) == ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "")
    assert "validation rule" in group.fix


def test_several_fields_that_do_not_fit_are_all_needed_from_a_person(desk, cast):
    registering.register()
    (key,) = desk.account_ids(1)
    both = problem_text("too_long", [HEALTH, "PX_Plan__c"], "Two do not fit.")
    desk.push(desk.target(), wanted([key], {key: both}))
    row = desk.row(key)
    now = timezone.now()
    rows.retry_row(row, user=cast.olga, now=now)
    rows.edit_row(row, {HEALTH: "short"}, user=cast.olga, now=now)
    desk.writes()
    run = rows.retry_row(row, user=cast.olga, now=now)
    assert (desk.writes()["rows"], run.state) == (0, "success")
    assert desk.row(key).asked_at is None
    rows.edit_row(row, {HEALTH: "short", "PX_Plan__c": "Team"}, user=cast.olga, now=now)
    rows.retry_row(row, user=cast.olga, now=now)
    assert desk.writes()["rows"] == 1
    assert desk.values("Account", HEALTH)[key] == "short"
    assert desk.row(key).state == "edited"


def test_a_dry_run_says_the_same_and_keeps_nothing(desk, change_kind):
    registering.register()
    ids = desk.account_ids(4)
    made = wanted(ids, {ids[0]: LONG, ids[2]: LONG})
    change_kind(ACCOUNTS, desired=lambda target: pa.table(made))
    desk.target()
    found = preview.dry_run(desk.org, ACCOUNTS, now=timezone.now())
    found.run.refresh_from_db()
    assert found.counts["Account"] == {"written": 2, "unchanged": 0, "skipped": 0, "failed": 2, "not_attempted": 0}
    assert not OutboxRow.objects.exists()
    run, _ = desk.push(desk.target(), made)
    assert classes(run, "Account") == {"written": 2, "failed": 2}
    assert {key: row.code for key, row in outcomes(found.run, "failed").items()} == dict.fromkeys((ids[0], ids[2]), "too_long")


@pytest.mark.parametrize("engine", ["duckdb", "chdb"])
def test_upserted_rows_in_bulk_and_on_both_engines(desk, settings, engine, monkeypatch):
    if engine == "chdb":
        pytest.importorskip("chdb", reason="The chdb package stands in for a ClickHouse server.")
    settings.LAKE_ENGINE_URL = f"{engine}://"
    monkeypatch.setattr(planning, "COMPOSITE_SECONDS", 1000.0)  # everything goes by Bulk
    account = desk.account_ids(1)[0]
    keys = [f"Roll-{n}" for n in range(300)]
    bad = problem_text("too_long", ["Name"], "Name: with a colon, and: another.")
    made = {
        "key": keys, "parent_key": [account] * 300, "Name": [f"N{n}" for n in range(300)], "Account__c": [account] * 300,
        "problem": pa.array([bad if n % 3 == 0 else None for n in range(300)], pa.string()),
    }  # fmt: skip
    run, report = desk.push(desk.projects(), made)
    assert classes(run, "Project__c") == {"written": 200, "failed": 100}
    assert report.created == 200
    assert OutboxRow.objects.filter(state="unfit").count() == 100
    assert desk.row("Roll-0").message == "Name: with a colon, and: another."
    made["problem"] = pa.nulls(300, pa.string())
    run, report = desk.push(desk.projects(), made)
    assert classes(run, "Project__c") == {"written": 100, "unchanged": 200}
    assert not OutboxRow.objects.exists()


@pytest.mark.parametrize(
    ("text", "parts"),
    [("a:B,C:d:e", ("a", ["B", "C"], "d:e")), ("a::d", ("a", [], "d")), ("a", ("a", [], "")), ("", ("", [], ""))],
)
def test_problems_come_back_as_they_were(text, parts):
    assert read_problem(text) == parts
    assert read_problem(problem_text(*parts)) == parts
