"""Every statement of the outbox on DuckDB and on ClickHouse's engine, with the same outcome."""

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from integrations.models import OutboxRow
from integrations.sync.outbox import comparing, kinds, registering, rows
from integrations.sync.outbox.undo import undo_run
from integrations.sync.outbox.verify import verify
from tests.outbox.conftest import ACCOUNTS, PROJECTS, classes


@pytest.fixture(params=["duckdb", "chdb", "duckdb, too many to hold"], autouse=True)
def _engine(request, settings, monkeypatch) -> None:
    name, _, many = request.param.partition(",")
    if name == "chdb":
        pytest.importorskip("chdb", reason="The chdb package stands in for a ClickHouse server.")
    if many:  # rows stay with the engine: no table of them in memory
        monkeypatch.setattr(comparing, "WORK_BYTES", 0)
    settings.LAKE_ENGINE_URL = f"{name}://"


def accounts(ids, turn):
    n = len(ids)
    return pa.table({
        "key": ids, "label": [f"A{i}" for i in range(n)], "parent_key": ["x", None] * (n // 2),
        "PX_Health__c": [f"{turn}-{i}" if i % 3 else None for i in range(n)],
        "PX_NPS_Score__c": pa.array([turn + i for i in range(n)]), "PX_Is_Active__c": [bool((i + turn) % 2) for i in range(n)],
        "PX_Last_Seen__c": pa.array([datetime(2026, 1, turn, i, tzinfo=UTC) for i in range(n)]),
        "absent": ["PX_NPS_Score__c"] + [None] * (n - 1),
    })  # fmt: skip


def test_a_whole_story_is_the_same_on_both_engines(desk, change_kind, now):
    """First push, changes, refusals, a retry, twins, dry run, compare, undo."""
    registering.register()
    desk.demo.control(
        "rules", {"name": "r", "object": "Account", "field": "PX_Health__c", "op": "=", "value": "2-1", "message": "No"}
    )
    ids, target = desk.account_ids(10), desk.target()
    run, _ = desk.push(target, accounts(ids, 1))
    assert classes(run, "Account") == {"written": 10}, run.sentence
    run, _ = desk.push(target, accounts(ids, 1))
    assert classes(run, "Account") == {"unchanged": 10}
    changed, _ = desk.push(target, accounts(ids, 2))
    assert classes(changed, "Account") == {"written": 9, "failed": 1}
    run, _ = desk.push(target, accounts(ids, 2))
    assert classes(run, "Account") == {"unchanged": 9, "failed": 1}
    rows.edit_row(OutboxRow.objects.get(), {"PX_Health__c": "fine"}, user=None, now=now)
    run = rows.retry_row(OutboxRow.objects.get(), user=None, now=now)
    run.refresh_from_db()
    assert classes(run, "Account") == {"written": 1}
    run, _ = desk.push(target, accounts(ids, 2))
    assert classes(run, "Account") == {"unchanged": 10}

    change_kind(ACCOUNTS, desired=lambda target: accounts([*ids[:8], ids[0], ""], 3))
    from integrations.sync.outbox.preview import dry_run

    found = dry_run(desk.org, ACCOUNTS, now=now)
    assert found.counts["Account"] == {"written": 7, "unchanged": 0, "skipped": 0, "failed": 3, "not_attempted": 0}

    desk.demo.control("update", {"object": "Account", "id": ids[2], "fields": {"PX_NPS_Score__c": 99}})
    run = verify(desk.org, target=target, now=now)
    run.refresh_from_db()
    assert classes(run, "Account") == {"unchanged": 9, "written": 1}, run.sentence
    assert desk.values("Account", "PX_NPS_Score__c")[ids[2]] == 4

    run = undo_run(changed, user=None, now=now)
    run.refresh_from_db()
    assert run.state in ("success", "partial"), run.sentence
    assert desk.values("Account", "PX_Health__c")[ids[2]] == "1-2"


def test_bulk_families_and_deletions_are_the_same_on_both_engines(desk, change_kind):
    change_kind(PROJECTS, parent_of=PROJECTS)
    kinds.get(PROJECTS)
    owners, n = desk.account_ids(5), 2600
    rows_wanted = {
        "key": [f"E-{i}" for i in range(n)], "parent_key": [f"E-{i - 1}" if 0 < i < 4 else None for i in range(n)],
        "Name": ["x" if i else "#N/A" for i in range(n)], "Account__c": [owners[i % 5] for i in range(n)],
        "Go_Live__c": pa.array([date(2027, 1, 1 + i % 28) for i in range(n)]), "Budget__c": pa.array([i / 4 for i in range(n)]),
    }  # fmt: skip
    target = desk.projects()
    run, _ = desk.push(target, rows_wanted)
    assert classes(run, "Project__c") == {"written": n}, run.sentence
    run, _ = desk.push(target, {**rows_wanted, "Budget__c": pa.array([None if i == 7 else i / 4 for i in range(n)])})
    assert classes(run, "Project__c") == {"written": 1, "unchanged": n - 1}
    run, _ = desk.push(target, {**rows_wanted, "remove": [i < 3 for i in range(n)]})
    assert classes(run, "Project__c") == {"written": 4, "unchanged": n - 4}
    left = desk.values("Project__c", "Budget__c", key="External_Id__c", where="WHERE External_Id__c LIKE 'E-%'")
    assert len(left) == n - 3
    assert float(left["E-7"]) == 1.75
