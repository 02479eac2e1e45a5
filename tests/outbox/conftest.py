"""A kind of rows of the tests' own, pushed by a job of their own to the demo org's accounts, contacts and custom objects."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pytest
from django.utils import timezone

from integrations.models import OutboxRow, OutboxTarget, RowOutcome, Run, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.sync import jobs, runs
from integrations.sync.outbox import bulk_way, kinds, targets
from integrations.sync.outbox.push import PushReport, push_rows
from tests.demo import DemoOrgHandle
from tests.patience import worker_that_waits_for_nothing

ACCOUNTS, PROJECTS = "test.accounts", "test.projects"


def anything(*_about: Any) -> str:
    """Every field may be written."""
    return ""


@pytest.fixture(autouse=True)
def _kinds(monkeypatch) -> None:
    monkeypatch.setattr(kinds, "_kinds", {})
    kinds.register(kinds.OutboxKind(ACCOUNTS, "Test accounts", "test", anything))
    kinds.register(kinds.OutboxKind(PROJECTS, "Test projects", "test", anything, operations=("upsert", "delete")))


@dataclass
class Desk:
    """Hands on both sides: push rows here, look at and change records there."""

    org: SalesforceOrg
    demo: DemoOrgHandle
    salesforce: Any
    reports: list[PushReport] = field(default_factory=list)
    crash: Exception | None = None

    def target(self, kind: str = ACCOUNTS, object: str = "Account", key_field: str = "Id") -> OutboxTarget:  # noqa: A002
        return targets.ensure_target(self.org, kind=kind, object=object, key_field=key_field)

    def projects(self) -> OutboxTarget:
        """Roll-out projects, upserted by their external id."""
        return self.target(PROJECTS, "Project__c", "External_Id__c")

    def push(self, target: OutboxTarget, rows: Any, **options: Any) -> tuple[Run, PushReport]:
        """Perform one run that pushes `rows` (a table, or a dict of columns); the report is None when it did not end well."""
        desired = pa.table(rows) if isinstance(rows, dict) else rows
        self.reports.clear()

        def perform(recorder: runs.Recorder) -> None:
            fresh = OutboxTarget.objects.select_related("org", "accepted").get(pk=target.pk)
            try:
                self.reports.append(push_rows(recorder, fresh, desired, **options))
            except Exception as error:
                self.crash = error
                raise

        jobs._jobs["test.push"] = jobs.Job("test.push", "Push", "test", perform)
        run = runs.request_run("test.push", org=self.org, now=timezone.now())
        run.refresh_from_db()
        if run.reason_code in ("unexpected", "lake_engine") and self.crash is not None:
            raise self.crash
        return run, self.reports[-1] if self.reports else None

    def push_and_leave(self, target: OutboxTarget, rows: Any) -> tuple[Run, PushReport]:
        """A push by a worker that does not wait for its Bulk job, which Salesforce holds until `demo.settings(bulk_hold=False)`."""
        self.demo.settings(bulk_hold=True)
        with worker_that_waits_for_nothing(bulk_way, "INLINE_SECONDS"):
            return self.push(target, rows)

    def again(self, run: Run) -> Run:
        """The next turn of a run that waits."""
        Run.objects.filter(pk=run.pk).update(not_before=None)
        runs.perform_run(run.pk)
        run.refresh_from_db()
        return run

    def account_ids(self, n: int) -> list[str]:
        return [row["Id"] for row in self.salesforce.query_all(f"SELECT Id FROM Account ORDER BY Id LIMIT {n}")]

    def values(self, object: str, name: str, *, key: str = "Id", where: str = "") -> dict[str, Any]:  # noqa: A002
        """A field of all records by their key."""
        rows = self.salesforce.query_all(f"SELECT {key}, {name} FROM {object} {where}")
        return {row[key]: row[name] for row in rows}

    def writes(self) -> dict[str, Any]:
        """What the demo org counted as written since the last look."""
        found = self.demo.control("writes")
        self.demo.control("writes", method="DELETE")
        return found

    def row(self, key: str) -> OutboxRow:
        return OutboxRow.objects.get(key=key)


@pytest.fixture
def desk(connected_org: SalesforceOrg, demo_org: DemoOrgHandle, monkeypatch) -> Desk:
    monkeypatch.setattr(jobs, "_jobs", dict(jobs._jobs))
    desk = Desk(connected_org, demo_org, client_for(connected_org, domain="test"))
    desk.writes()
    demo_org.forget_calls()
    return desk


@pytest.fixture
def change_kind() -> Callable[..., kinds.OutboxKind]:
    """Other rules for a kind, for one test."""

    def change(name: str, **rules: Any) -> kinds.OutboxKind:
        kinds._kinds[name] = replace(kinds.get(name), **rules)
        return kinds.get(name)

    return change


def classes(run: Run, name: str) -> dict[str, int]:
    """The counts of one kind of thing in the ledger; they add up (I-01)."""
    counted = run.objects_touched.get(name=name)
    found = {key: getattr(counted, key) for key in ("written", "unchanged", "skipped", "failed", "not_attempted")}
    assert counted.read == sum(found.values())
    return {key: n for key, n in found.items() if n}


def outcomes(run: Run, outcome: str) -> dict[str, RowOutcome]:
    """Listed rows of one class by key."""
    return {row.key: row for row in RowOutcome.objects.filter(run_object__run=run, outcome=outcome)}
