"""Reports: search, describe, run now, run in the background.

Salesforce allows an org 500 synchronous and 1,200 asynchronous runs an hour, shared with dashboards and every other tool:
`ReportLimitReached` says that they are used. A deleted report is `NotFound`, one in a folder that the connected user cannot
see looks the same or is `NoAccess`, one that runs over two minutes is `ReportTooSlow`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from integrations.salesforce import soql
from integrations.salesforce.client import Client, Deadlines
from integrations.salesforce.errors import ReportTooSlow, UnexpectedAnswer, UpstreamUnavailable
from integrations.salesforce.ids import key_prefix, to_18
from integrations.salesforce.values import read_moment

RUN_DEADLINES = Deadlines(read=150.0, overall=180.0)
"""Salesforce itself ends a synchronous run after two minutes."""
MOST_OFFSET = 2_000
FIELDS = ("Id", "Name", "DeveloperName", "FolderName", "Format", "LastRunDate")
BY_NAME = ("Name", "Id")
LATEST_FIRST = ("LastRunDate DESC NULLS LAST", *BY_NAME)


@dataclass(frozen=True)
class ReportSummary:
    """One report in the picker. `format` is TABULAR, SUMMARY, MATRIX or MULTI_BLOCK; `last_run` aware UTC or None."""

    id: str
    name: str
    folder: str
    format: str
    last_run: datetime | None


@dataclass(frozen=True)
class ReportPage:
    """One page of a search and the number of all matches."""

    reports: list[ReportSummary]
    total: int


def search_reports(client: Client, text: str, *, page: int = 1, page_size: int = 20) -> ReportPage:
    """Reports that the connected user can read with `text` in their name or their folder's, in any case (BW-28, BW-D13).

    Without a text those that ran last come first, those that never ran last; with one they are in the order of their names.
    The id settles ties, so that no report stands on two pages. `%` and `_` are literal. Pages beyond 2,000 matches are
    empty: a person narrows the search.
    """
    words = text.strip()
    where = [soql.any_of(soql.contains("Name", words), soql.contains("FolderName", words))] if words else []
    total = client.count(soql.count("Report", where=where))
    offset = (max(1, page) - 1) * page_size
    if offset >= total or offset > MOST_OFFSET:
        return ReportPage([], total)
    order = BY_NAME if words else LATEST_FIRST
    query = soql.select("Report", FIELDS, where=where, order_by=order, limit=page_size, offset=offset or None)
    return ReportPage([read_summary(record) for record in client.query(query)], total)


def read_summary(record: Mapping[str, Any]) -> ReportSummary:
    """A `ReportSummary` from a Report record; SOQL's spelling of formats becomes the Analytics one."""
    formats = {"Tabular": "TABULAR", "Summary": "SUMMARY", "Matrix": "MATRIX", "MultiBlock": "MULTI_BLOCK"}
    kind = str(record.get("Format") or "")
    last_run = record.get("LastRunDate")
    return ReportSummary(
        id=to_18(record["Id"]),
        name=str(record.get("Name") or ""),
        folder=str(record.get("FolderName") or ""),
        format=formats.get(kind, kind.upper()),
        last_run=read_moment(last_run) if last_run else None,
    )


def describe_report(client: Client, report_id: str) -> dict[str, Any]:
    """The report's metadata: `reportMetadata`, `reportTypeMetadata`, `reportExtendedMetadata`. Costs no run."""
    return _object(client.get(f"analytics/reports/{_report(report_id)}/describe"), "reportMetadata")


def run_report(client: Client, report_id: str, *, metadata: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Run now, without details, and give the result with its `factMap` (fractions as Decimal). Costs one run of 500 an hour.

    `metadata` (`reportMetadata` changes such as filters) applies to this run only. At most 3 tries, none after a time-out.
    """
    path, params = f"analytics/reports/{_report(report_id)}", {"includeDetails": "false"}
    body = {"reportMetadata": dict(metadata)} if metadata else None
    few = replace(client.transport.retry, tries=min(3, client.transport.retry.tries), never=frozenset(("TIMEOUT",)))
    try:
        method = "POST" if body else "GET"
        answer = client.request(method, path, params=params, json=body, deadlines=RUN_DEADLINES, retry=few, repeatable=True)
    except UpstreamUnavailable as error:
        if error.code != "TIMEOUT" and error.status != 504:
            raise
        message = "The report takes too long to run at once; run it in the background."
        raise ReportTooSlow(message, code="REPORT_TIMEOUT", status=error.status) from None
    return _object(answer.data, "factMap")


def start_report(client: Client, report_id: str, *, metadata: Mapping[str, Any] | None = None) -> str:
    """Start a run in the background and give the instance id (18 characters). Costs one run of 1,200 an hour."""
    body = {"reportMetadata": dict(metadata)} if metadata else {}
    path = f"analytics/reports/{_report(report_id)}/instances"
    data = client.request("POST", path, params={"includeDetails": "false"}, json=body).data
    return to_18(_object(data, "id")["id"])


def read_instance(client: Client, report_id: str, instance_id: str) -> dict[str, Any]:
    """The state and, once finished, the result of a background run; kept for 24 hours, then `NotFound`.

    `instance_state` reads the state of this answer.
    """
    return _object(client.get(f"analytics/reports/{_report(report_id)}/instances/{to_18(instance_id)}"), "attributes")


def instance_state(data: Mapping[str, Any]) -> str:
    """`New`, `Running`, `Success` or `Error` of a `read_instance` answer (a finished one has its facts)."""
    status = (data.get("attributes") or {}).get("status") or data.get("status")
    return str(status or ("Success" if data.get("factMap") else "Running"))


def _report(report_id: str) -> str:
    if key_prefix(report_id) != "00O":
        raise ValueError(f"not a report id: {report_id!r}")
    return to_18(report_id)


def _object(data: object, needed: str) -> dict[str, Any]:
    if not isinstance(data, dict) or needed not in data:
        raise UnexpectedAnswer(f"A report answer has no {needed}.", code="BAD_REPORT_ANSWER")
    return data
