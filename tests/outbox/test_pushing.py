"""A push from end to end: only what differs is sent, by the cheaper way, and every row is answered."""

import pyarrow as pa

from integrations.models import OutboxBatch
from tests.outbox.conftest import classes, outcomes


def test_only_differing_rows_and_fields_are_sent(desk):
    ids = desk.account_ids(5)
    target = desk.target()
    rows = {"key": ids, "label": [f"A{n}" for n in range(5)], "PX_Health__c": ["Good"] * 5, "PX_NPS_Score__c": [1, 2, 3, 4, 5]}
    run, report = desk.push(target, rows)
    assert run.state == "success", run.sentence
    assert classes(run, "Account") == {"written": 5}
    assert report.written == report.changed == 5
    assert set(desk.values("Account", "PX_Health__c", where="WHERE PX_NPS_Score__c != null").values()) >= {"Good"}
    listed = outcomes(run, "written")[ids[0]]
    assert listed.detail["changes"]["PX_Health__c"][1] == "Good"

    desk.demo.forget_calls()
    desk.writes()
    run, report = desk.push(target, rows)
    assert classes(run, "Account") == {"unchanged": 5}
    assert desk.writes()["rows"] == 0

    rows["PX_Health__c"] = ["Good", "Poor", "Good", "Good", "Good"]
    run, report = desk.push(target, rows)
    assert classes(run, "Account") == {"written": 1, "unchanged": 4}
    assert len([call for call in desk.demo.calls("composite") if call["method"] == "PATCH"]) == 1
    assert OutboxBatch.objects.filter(run=run).get().way == "composite"
    assert desk.values("Account", "PX_NPS_Score__c")[ids[1]] == 2


def test_a_large_push_goes_by_bulk_and_is_joined_by_key(desk):
    accounts = desk.account_ids(50)
    n = 3000
    rows = pa.table({
        "key": [f"P-{i}" for i in range(n)], "parent_key": [accounts[i % 50] for i in range(n)],
        "Name": [f"Roll-out {i}" for i in range(n)], "Account__c": [accounts[i % 50] for i in range(n)],
        "Budget__c": pa.array([i * 1.5 for i in range(n)]), "On_Track__c": [bool(i % 2) for i in range(n)],
    })  # fmt: skip
    target = desk.projects()
    run, report = desk.push(target, rows)
    assert run.state == "success", run.sentence
    assert (report.created, report.written) == (n, n)
    batch = OutboxBatch.objects.get(run=run)
    assert (batch.way, batch.state, batch.accepted_rows) == ("bulk", "collected", n)
    budgets = desk.values("Project__c", "Budget__c", key="External_Id__c", where="WHERE External_Id__c LIKE 'P-%'")
    assert {key: float(value) for key, value in budgets.items()} == {f"P-{i}": i * 1.5 for i in range(n)}
    run, report = desk.push(target, rows)
    assert classes(run, "Project__c") == {"unchanged": n}
