"""The work of a query job: compile the SOQL, let SQLite write the CSV lines, keep them for the pages."""

from typing import TYPE_CHECKING

import orjson

from integrations.demo_org.bulk import jobs
from integrations.demo_org.bulk.runner import RUNNERS, Pulse, fail_job, milliseconds_since
from integrations.demo_org.bulk.spool import write_spool
from integrations.demo_org.org import Caller
from integrations.demo_org.soql import CompiledQuery, compile_query

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg


def compile_for(org: "DemoOrg", caller: Caller, *, query: str, operation: str) -> CompiledQuery:
    """The query as SQL, within the rules of bulk queries; raises ApiError with Salesforce's text."""
    return compile_query(
        query,
        schema=org.schema_for(caller),
        now=org.clock.now(),
        time_zone=caller.time_zone,
        all_rows=operation == "queryAll",
        bulk=True,
    )


def run_query(org: "DemoOrg", job: jobs.Job, pulse: Pulse) -> None:
    """Do the whole job: from InProgress to JobComplete, unless it is aborted or told to fail."""
    text = jobs.switch(org, "bulk_fail", "")
    if text:
        if pulse.rest(job):
            fail_job(org, job, text)
        return
    compiled = compile_for(org, job.who, query=job.query, operation=job.operation)
    rows = write_spool(
        org.store.read(),
        compiled.sql,
        compiled.params,
        columns=[each.type for each in compiled.columns],
        hidden=len(compiled.hidden),
        folder=jobs.folder_of(org, job),
        delimiter=jobs.DELIMITERS[job.delimiter],
        line_ending=jobs.LINE_ENDINGS[job.line_ending],
        go_on=pulse.go_on,
    )
    if rows < 0 or not pulse.rest(job):
        return
    header = orjson.dumps([each.name for each in compiled.columns]).decode()
    total = milliseconds_since(org, job)
    jobs.change_job(
        org, job, only_from=frozenset({jobs.RUNNING}), state=jobs.COMPLETE, processed=rows, header=header, total_ms=total
    )


RUNNERS.register(jobs.QUERY, run_query)
