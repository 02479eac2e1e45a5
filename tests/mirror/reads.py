"""What tests of the mirror's read share: needs for one test, one run of the job, and what the mirror holds afterwards."""

from datetime import datetime
from typing import Any

from django.utils import timezone

from integrations.models import MirrorObject, Run, RunObject, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.sync import runs
from integrations.sync.mirror import tables

ACCOUNT = ("Name", "Website", "Industry", "AnnualRevenue", "NumberOfEmployees")


def read(org: SalesforceOrg, **arguments: Any) -> Run:
    """One run of mirror.read, performed here and now."""
    org.refresh_from_db()
    run = runs.request_run("mirror.read", org=org, now=timezone.now(), arguments=arguments)
    run.refresh_from_db()
    return run


def perform(run: Run) -> Run:
    """The next turn of a queued run, or of the run that resumes an ended one, whatever time it was given."""
    waiting = Run.objects.filter(job=run.job, org=run.org, state=Run.State.QUEUED).order_by("-pk").first()
    assert waiting is not None, f"nothing waits after {run} ({run.state}, {run.sentence})"
    Run.objects.filter(pk=waiting.pk).update(not_before=None)
    runs.perform_run(waiting.pk)
    waiting.refresh_from_db()
    return waiting


def mirror(org: SalesforceOrg, object_: str = "Account") -> MirrorObject:
    found = tables.mirror_of(org, object_)
    assert found is not None
    return found


def rows(org: SalesforceOrg, object_: str = "Account", columns: Any = None) -> dict[str, dict[str, Any]]:
    """Everything live that is mirrored of an object, by id."""
    return {row["Id"]: row for row in tables.sample(org, object_, columns, n=1_000_000)}


def counts(run: Run, object_: str = "Account") -> dict[str, int]:
    """The row classes of one object; they must add up (I-01)."""
    row = RunObject.objects.get(run=run, name=object_)
    found = {name: getattr(row, name) for name in ("read", "written", "unchanged", "skipped", "failed", "not_attempted")}
    assert found["read"] == sum(found.values()) - found["read"], found
    return found


def ask(org: SalesforceOrg, query: str) -> list[dict[str, Any]]:
    """What the org itself says."""
    with client_for(org, domain="test") as client:
        return client.query_all(query, all_rows=True)


def truth(org: SalesforceOrg, fields: str, object_: str = "Account", where: str = "") -> dict[str, dict[str, Any]]:
    """The org's live records by id."""
    found = ask(org, f"SELECT Id, {fields} FROM {object_} WHERE IsDeleted = false{where}")
    return {row["Id"]: {name: value for name, value in row.items() if name != "attributes"} for row in found}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)
