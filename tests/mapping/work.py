"""Short ways to runs, records of the demo org and saved mappings, for the stories of pull and push."""

from dataclasses import replace
from typing import Any

from django.utils import timezone

from integrations.models import Customer, Mapping, MappingVersion, RecordLink, Run, RunObject, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce.rest import update_record
from integrations.sync import runs
from integrations.sync.mapping import versions
from integrations.sync.mapping.body import FieldPair


def run_job(name: str, org: SalesforceOrg, **extra: Any) -> Run:
    """Perform a job now; the run as it ended (or as it waits)."""
    run = runs.request_run(name, org=org, now=timezone.now(), **extra)
    run.refresh_from_db()
    return run


def counts_of(run: Run, name: str) -> dict[str, int]:
    """The counts of one kind of row, without the classes that are empty."""
    row = RunObject.objects.filter(run=run, name=name).first()
    names = ("written", "unchanged", "skipped", "failed", "not_attempted")
    return {} if row is None else {key: getattr(row, key) for key in names if getattr(row, key)}


def codes_of(run: Run, name: str) -> dict[str, str]:
    """Reason codes by key of the rows of one kind that a run names."""
    row = RunObject.objects.filter(run=run, name=name).first()
    return {} if row is None else dict(row.rows.exclude(code="").values_list("key", "code"))


def query(org: SalesforceOrg, soql: str) -> list[dict[str, Any]]:
    """Records as Salesforce holds them now."""
    with client_for(org, domain="test") as client:
        return client.query_all(soql)


def change(org: SalesforceOrg, object_: str, record_id: str, **values: Any) -> None:
    """Somebody changes a record in Salesforce."""
    with client_for(org, domain="test") as client:
        update_record(client, object_, record_id, values)


def save(mapping: Mapping, user: Any, *pairs: FieldPair, **changes: Any) -> MappingVersion:
    """Save the body in force with these pairs."""
    body = replace(versions.body_of(mapping), pairs=pairs, **changes)
    return versions.save_version(mapping, body, user=user, now=timezone.now())


def link_customers(org: SalesforceOrg, records: list[dict[str, Any]], **extra: Any) -> list[Customer]:
    """A customer for each record, linked with it by hand."""
    made = []
    for number, record in enumerate(records):
        values = {key: value[number] if isinstance(value, list) else value for key, value in extra.items()}
        customer = Customer.objects.create(external_id=f"c{number}", **({"name": record["Name"]} | values))
        RecordLink.objects.create(
            org=org, entity="customer", customer=customer, object=record["attributes"]["type"], salesforce_id=record["Id"],
            rule="manual",
        )  # fmt: skip
        made.append(customer)
    return made
