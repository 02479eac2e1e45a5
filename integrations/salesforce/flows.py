"""Flows of an org by the Tooling API: which are active, and switching one on or off. Needs Manage Flow.

Only one version of a flow is active at a time; version 0 means none.
"""

from dataclasses import dataclass
from typing import Any

from integrations.salesforce.client import Client, read_page
from integrations.salesforce.errors import NotFound
from integrations.salesforce.soql import equals

NOTHING_ACTIVE = 0
MOST_PAGES = 20
COLUMNS = "Id, DeveloperName, ActiveVersionId, LatestVersionId, LatestVersion.VersionNumber"


@dataclass(frozen=True, slots=True)
class FlowState:
    """A flow as the org keeps it: its definition's id, API name, whether a version is active, the newest version's number."""

    id: str
    name: str
    active: bool
    latest: int


def list_flows(client: Client, *, active_only: bool = False) -> list[FlowState]:
    """The org's flows by API name; at most 40,000."""
    where = " WHERE ActiveVersionId != null" if active_only else ""
    return [_state(row) for row in _tooling(client, f"SELECT {COLUMNS} FROM FlowDefinition{where} ORDER BY DeveloperName")]  # noqa: S608


def find_flow(client: Client, name: str) -> FlowState | None:
    """The flow of that API name that is not part of a package; None when there is none."""
    where = f"{equals('DeveloperName', name)} AND NamespacePrefix = null"
    rows = _tooling(client, f"SELECT {COLUMNS} FROM FlowDefinition WHERE {where} LIMIT 1")  # noqa: S608  quoted
    return _state(rows[0]) if rows else None


def activate_flow(client: Client, name: str) -> bool:
    """Make the newest version the active one; False when it was. `NotFound` when there is no such flow."""
    found = _found(client, name)
    definition = client.get(f"tooling/sobjects/FlowDefinition/{found.id}")
    if found.active and definition.get("ActiveVersionId") == definition.get("LatestVersionId"):
        return False
    _set_active(client, found, found.latest)
    return True


def deactivate_flow(client: Client, name: str) -> bool:
    """Let no version of it be active; False when none was. `NotFound` when there is no such flow."""
    found = _found(client, name)
    if found.active:
        _set_active(client, found, NOTHING_ACTIVE)
    return found.active


def _found(client: Client, name: str) -> FlowState:
    found = find_flow(client, name)
    if found is None:
        raise NotFound(f"The org has no flow {name}.", code="NO_FLOW")
    return found


def _set_active(client: Client, flow: FlowState, number: int) -> None:
    body = {"Metadata": {"activeVersionNumber": number}}
    client.request("PATCH", f"tooling/sobjects/FlowDefinition/{flow.id}", json=body)


def _tooling(client: Client, soql: str) -> list[dict[str, Any]]:
    """All rows of a small query about the org's set-up."""
    found, path, params = [], "tooling/query", {"q": soql}
    for _ in range(MOST_PAGES):
        page = read_page(client.get(path, params=params))
        found += page.records
        if not page.cursor:
            break
        path, params = page.cursor, {}
    return found


def _state(row: dict[str, Any]) -> FlowState:
    newest = row.get("LatestVersion") or {}
    return FlowState(str(row["Id"]), str(row["DeveloperName"]), bool(row.get("ActiveVersionId")),
                     int(newest.get("VersionNumber") or 1))  # fmt: skip
