"""The saved reports of an org: finding, reading, running, saving, cloning, deleting them for a caller."""

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from integrations.demo_org import ids
from integrations.demo_org.clock import from_text
from integrations.demo_org.errors import ApiError
from integrations.demo_org.org import Caller, DemoOrg
from integrations.demo_org.query import fiscal_start_of, hidden_folders, locale_of, time_zone_of
from integrations.demo_org.reports.definition import ReportDefinition, load_definition, store_definition
from integrations.demo_org.reports.filters import bad
from integrations.demo_org.reports.instances import Instances
from integrations.demo_org.reports.joined import run_joined
from integrations.demo_org.reports.metadata import Saved, extended_metadata, report_metadata
from integrations.demo_org.reports.run import Viewer, groups_json, run_definition
from integrations.demo_org.soql.dates import Calendar
from integrations.demo_org.soql.sqlite_functions import register

SYNC, ASYNC, AT_ONCE = "HourlySyncReportRuns", "HourlyAsyncReportRuns", "ConcurrentSyncReportRuns"
FORMAT_WORDS = {"TABULAR": "Tabular", "SUMMARY": "Summary", "MATRIX": "Matrix", "MULTI_BLOCK": "MultiBlock"}
VIEWED_AGAIN_SECONDS = 60
UNAVAILABLE = "The data you're trying to access is unavailable."
NO_ACCESS = "You don't have sufficient privileges to perform this operation."
MOST_RECENT = 200


class Library:
    """What is kept in memory about the reports of one org: asynchronous runs and how many run right now."""

    def __init__(self) -> None:
        self.instances = Instances()
        self._running = 0
        self._lock = threading.Lock()

    @contextmanager
    def running(self, most: int) -> Iterator[None]:
        """One synchronous run among at most `most`. ApiError 403 when there are too many."""
        with self._lock:
            if self._running >= most:
                raise ApiError(
                    403, "FORBIDDEN", f"You can't run more than {most} reports synchronously at once. Try again later."
                )
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1


_LIBRARIES: "weakref.WeakKeyDictionary[DemoOrg, Library]" = weakref.WeakKeyDictionary()
_LIBRARIES_LOCK = threading.Lock()


def library_of(org: DemoOrg) -> Library:
    """The library of an org."""
    with _LIBRARIES_LOCK:
        found = _LIBRARIES.get(org)
        if found is None:
            found = _LIBRARIES[org] = Library()
            org.on_reset(found.instances.clear)
        return found


def viewer_of(org: DemoOrg, caller: Caller) -> Viewer:
    """How reports look to a caller: own time zone, locale, visible schema."""
    calendar = Calendar(org.clock.now(), time_zone_of(caller), locale_of(org, caller), fiscal_start_of(org))
    return Viewer(org.schema_for(caller), calendar, caller.user_id, multi_currency=org.settings.multi_currency)


# -- finding ---------------------------------------------------------------------------------------------------------


def find_report(org: DemoOrg, caller: Caller, report_id: str) -> Saved:
    """A report by id. ApiError 404 when it does not exist (any more), 403 when its folder is not shared."""
    try:
        key = ids.to_18(report_id)
    except ValueError:
        raise ApiError(404, "NOT_FOUND", UNAVAILABLE) from None
    sql = 'SELECT "Id", "Name", "DeveloperName", "OwnerId", "Description" FROM "Report" WHERE "Id" = ? AND "IsDeleted" = 0'
    row = org.store.read().execute(sql, (key,)).fetchone()
    definition = load_definition(org.store.read(), key) if row else None
    if row is None or definition is None:
        raise ApiError(404, "NOT_FOUND", UNAVAILABLE)
    if row[3] in hidden_folders(org, caller):
        raise ApiError(403, "FORBIDDEN", NO_ACCESS)
    return Saved(row[0], row[1], row[2], row[3], row[4], definition)


def recent_reports(org: DemoOrg, caller: Caller) -> list[tuple[str, str]]:
    """(id, name) of up to 200 recently viewed reports, the latest first."""
    hidden = set(hidden_folders(org, caller))
    sql = (
        'SELECT "Id", "Name", "OwnerId" FROM "Report" WHERE "IsDeleted" = 0 AND ifnull("LastViewedDate", "LastRunDate")'
        ' IS NOT NULL ORDER BY ifnull("LastViewedDate", "LastRunDate") DESC, "Id"'
    )
    found = [(row[0], row[1]) for row in org.store.read().execute(sql) if row[2] not in hidden]
    return found[:MOST_RECENT]


def mark_run(org: DemoOrg, report_id: str) -> None:
    """Remember that a report was run and viewed; at most once a minute, since it costs a write."""
    row = org.store.read().execute('SELECT "LastRunDate" FROM "Report" WHERE "Id" = ?', (report_id,)).fetchone()
    if row and row[0] and 0 <= (org.clock.now() - from_text(row[0])).total_seconds() < VIEWED_AGAIN_SECONDS:
        return
    stamp = org.clock.stamp()
    with org.store.write() as connection:
        sql = 'UPDATE "Report" SET "LastRunDate" = ?, "LastViewedDate" = ?, "LastReferencedDate" = ? WHERE "Id" = ?'
        connection.execute(sql, (stamp, stamp, stamp, report_id))


# -- running ---------------------------------------------------------------------------------------------------------


def count_run(org: DemoOrg, name: str) -> None:
    """Count a run against an hourly limit. ApiError 403 with Salesforce's sentence when it is used up."""
    most = org.usage.maximum(name)
    if org.usage.used(name) >= most:
        way = "synchronously" if name == SYNC else "asynchronously"
        raise ApiError(403, "FORBIDDEN", f"You can't run more than {most} reports {way} every 60 minutes. Try again later.")
    org.usage.spend(name)


def run_now(org: DemoOrg, caller: Caller, saved: Saved, version: str, *, details: bool) -> dict[str, Any]:
    """A synchronous run, counted against the hourly limit."""
    with library_of(org).running(org.usage.maximum(AT_ONCE)):
        count_run(org, SYNC)
        answer = run_saved(org, caller, saved, version, details=details)
    if saved.id:
        mark_run(org, saved.id)
    return answer


def run_saved(org: DemoOrg, caller: Caller, saved: Saved, version: str, *, details: bool) -> dict[str, Any]:
    """The full answer of a run."""
    viewer = viewer_of(org, caller)
    connection = register(org.store.read())
    definition = saved.definition
    if definition.format == "MULTI_BLOCK":
        body = run_joined(connection, viewer, definition, details=details)
    else:
        result = run_definition(connection, viewer, definition, details=details)
        body = {
            "allData": result.all_data,
            "factMap": result.facts,
            "groupingsAcross": groups_json(result.across),
            "groupingsDown": groups_json(result.down),
        }
    return {
        "attributes": attributes(saved, version),
        **body,
        "hasDetailRows": details and definition.show_details,
        "hasExceededTogglableLimit": False,
        "reportExtendedMetadata": extended_metadata(definition, viewer),
        "reportMetadata": report_metadata(saved, viewer),
    }


def attributes(saved: Saved, version: str) -> dict[str, Any]:
    """The head of an answer; a report that is not saved has no addresses."""
    base = f"/services/data/v{version}/analytics/reports/{saved.id}" if saved.id else None
    return {
        "describeUrl": base and f"{base}/describe",
        "instancesUrl": base and f"{base}/instances",
        "reportId": saved.id,
        "reportName": saved.name,
        "type": "Report",
    }


# -- saving ----------------------------------------------------------------------------------------------------------


def create_report(org: DemoOrg, caller: Caller, saved: Saved) -> Saved:
    """Save a new report; its name, developer name and folder come from `saved`."""
    if not saved.name:
        raise bad("The report name is missing")
    folder = saved.folder_id or caller.user_id
    stamp = org.clock.stamp()
    with org.store.write() as connection:
        report_id = org.store.next_ids("Report", 1)[0]
        row = {
            "Id": report_id, "Name": saved.name, "DeveloperName": _free_name(org, saved), "OwnerId": folder,
            "FolderName": _folder_name(org, folder), "Format": FORMAT_WORDS[saved.definition.format],
            "Description": saved.description, "IsDeleted": 0, "CreatedDate": stamp, "CreatedById": caller.user_id,
            "LastModifiedDate": stamp, "LastModifiedById": caller.user_id, "SystemModstamp": stamp,
        }  # fmt: skip
        org.store.insert("Report", [row])
        store_definition(connection, report_id, saved.definition)
    return replace(saved, id=report_id, folder_id=folder, developer_name=str(row["DeveloperName"]))


def save_report(org: DemoOrg, caller: Caller, saved: Saved) -> None:
    """Overwrite a saved report."""
    stamp = org.clock.stamp()
    with org.store.write() as connection:
        connection.execute(
            'UPDATE "Report" SET "Name" = ?, "Description" = ?, "OwnerId" = ?, "FolderName" = ?, "Format" = ?,'
            ' "LastModifiedDate" = ?, "LastModifiedById" = ?, "SystemModstamp" = ? WHERE "Id" = ?',
            (
                saved.name, saved.description, saved.folder_id, _folder_name(org, saved.folder_id or ""),
                FORMAT_WORDS[saved.definition.format], stamp, caller.user_id, stamp, saved.id,
            ),
        )  # fmt: skip
        store_definition(connection, str(saved.id), saved.definition)


def delete_report(org: DemoOrg, saved: Saved) -> None:
    """Put a report into the recycle bin; runs answer 404 from then on."""
    stamp = org.clock.stamp()
    with org.store.write() as connection:
        sql = 'UPDATE "Report" SET "IsDeleted" = 1, "LastModifiedDate" = ?, "SystemModstamp" = ? WHERE "Id" = ?'
        connection.execute(sql, (stamp, stamp, saved.id))
        connection.execute("INSERT OR REPLACE INTO _deleted VALUES (?, 'Report', ?, ?)", (saved.id, stamp, saved.id))


def _free_name(org: DemoOrg, saved: Saved) -> str:
    """A developer name that no report has yet."""
    stem = "".join(each if each.isalnum() and each.isascii() else "_" for each in saved.developer_name or saved.name)[:60]
    sql = 'SELECT COUNT(*) FROM "Report" WHERE "DeveloperName" = ?'
    taken = lambda name: org.store.read().execute(sql, (name,)).fetchone()[0]  # noqa: E731
    number, name = 1, stem
    while taken(name) and number < 10_000:
        number, name = number + 1, f"{stem}_{number}"
    return name


def _folder_name(org: DemoOrg, folder_id: str) -> str:
    row = org.store.read().execute('SELECT "Name" FROM "Folder" WHERE "Id" = ?', (folder_id,)).fetchone()
    return row[0] if row else "Private Reports"


def blank(definition: ReportDefinition, metadata: dict[str, Any]) -> Saved:
    """A report that is not saved, named by the client's metadata."""
    return Saved(
        None, str(metadata.get("name") or ""), str(metadata.get("developerName") or ""), metadata.get("folderId"),
        metadata.get("description"), definition,
    )  # fmt: skip
