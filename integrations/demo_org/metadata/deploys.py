"""Deployments as jobs: queued, pending, in progress, done. They survive a restart; the package is forgotten once it is done."""

import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson

from integrations.demo_org import ids
from integrations.demo_org.clock import from_text
from integrations.demo_org.errors import ApiError
from integrations.demo_org.metadata.deployment import NO_TESTS, Deployment
from integrations.demo_org.metadata.package import Package
from integrations.demo_org.metadata.values import Values
from integrations.demo_org.org import Caller

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

PREFIX = "0Af"
TABLE = """CREATE TABLE IF NOT EXISTS _deploy (id TEXT PRIMARY KEY, created TEXT NOT NULL, due REAL NOT NULL,
    caller TEXT NOT NULL, options TEXT NOT NULL, package BLOB, result TEXT, completed TEXT, canceled TEXT)"""
OPTIONS: dict[str, Any] = {
    "allowMissingFiles": False, "autoUpdatePackage": False, "checkOnly": False, "ignoreWarnings": False,
    "performRetrieve": False, "purgeOnDelete": False, "rollbackOnError": True, "runTests": [], "singlePackage": True,
    "testLevel": None,
}  # fmt: skip
KNOWN_LEVELS = frozenset({None, "NoTestRun", "RunSpecifiedTests", "RunLocalTests", "RunAllTestsInOrg", "RunRelevantTests"})
VALID_FOR = timedelta(days=10)
WORK = threading.Lock()


@dataclass(frozen=True, slots=True)
class Deploy:
    """One stored deployment. `due` is epoch seconds of the org's clock; `result` is there once it is done."""

    id: str
    created: str
    due: float
    caller: Caller
    options: dict[str, Any]
    result: Values | None
    completed: str
    canceled: str


def read_options(given: dict[str, Any]) -> dict[str, Any]:
    """All options with their values; texts of SOAP become booleans. ApiError for one that cannot be."""
    found = dict(OPTIONS)
    for name, value in given.items():
        if name not in OPTIONS or value is None:
            continue
        if isinstance(OPTIONS[name], bool):
            found[name] = value is True or str(value).lower() in {"true", "1"}
        elif name == "runTests":
            found[name] = [str(each) for each in (value if isinstance(value, list) else [value]) if each]
        else:
            found[name] = str(value)
    if found["testLevel"] not in KNOWN_LEVELS:
        raise ApiError(400, "INVALID_FIELD", f"'{found['testLevel']}' is not a valid value for the enum 'TestLevel'")
    if found["runTests"]:
        raise ApiError(400, "INVALID_OPERATION", f"This org has no Apex, so the test {found['runTests'][0]} cannot be run")
    return found


def start(org: "DemoOrg", caller: Caller, *, data: bytes, options: dict[str, Any]) -> Deploy:
    """Queue a deployment. ApiError at once when the package itself is refused (S-040)."""
    Package(data)
    now, stamp = org.clock.now().timestamp(), org.clock.stamp()
    seconds = org.settings.deploy_seconds
    who = {name: getattr(caller, name) for name in Caller.__dataclass_fields__}
    with org.store.write() as connection:
        connection.execute(TABLE)
        deploy_id = ids.make_ids(PREFIX, org.store.instance, org.store.next_numbers("_deploy", 1), 1)[0]
        row = (deploy_id, stamp, now + seconds, orjson.dumps(who).decode(), orjson.dumps(options).decode(), data)
        connection.execute("INSERT INTO _deploy VALUES (?, ?, ?, ?, ?, ?, NULL, NULL, NULL)", row)
    queued = _read(org, deploy_id)
    timer = threading.Timer(seconds, finish_due, (org, deploy_id))
    timer.daemon = True
    timer.start()
    return queued


def _read(org: "DemoOrg", deploy_id: str) -> Deploy:
    """The stored deployment; 404 if there is none."""
    missing = ApiError(404, "NOT_FOUND", "The requested resource does not exist")
    connection = org.store.read()
    try:
        wanted = ids.to_18(deploy_id)
    except ValueError:
        raise missing from None
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_deploy'").fetchone() is None:
        raise missing
    sql = "SELECT id, created, due, caller, options, result, completed, canceled FROM _deploy WHERE id = ?"
    row = connection.execute(sql, (wanted,)).fetchone()
    if row is None:
        raise missing
    caller = orjson.loads(row[3])
    return Deploy(
        row[0], row[1], row[2], Caller(**{**caller, "scopes": tuple(caller["scopes"])}), orjson.loads(row[4]),
        orjson.loads(row[5]) if row[5] else None, row[6] or "", row[7] or "",
    )  # fmt: skip


def find(org: "DemoOrg", deploy_id: str) -> Deploy:
    """The deployment as it is now; one that is due is done first."""
    found = _read(org, deploy_id)
    if found.result is None and org.clock.now().timestamp() >= found.due:
        finish_due(org, found.id)
        found = _read(org, deploy_id)
    return found


def finish_due(org: "DemoOrg", deploy_id: str) -> None:
    """Do a deployment that is due and not done; quiet when there is nothing to do."""
    with WORK:
        try:
            found = _read(org, deploy_id)
        except ApiError:
            return  # the org was reset
        if found.result is not None or org.clock.now().timestamp() < found.due:
            return
        row = org.store.read().execute("SELECT package FROM _deploy WHERE id = ?", (found.id,)).fetchone()
        result = Deployment(org, found.caller, found.options).run(row[0])
        _complete(org, found.id, result)


def _complete(org: "DemoOrg", deploy_id: str, result: Values, *, canceled: str = "") -> None:
    with org.store.write() as connection:
        sql = "UPDATE _deploy SET result = ?, completed = ?, canceled = ? WHERE id = ? AND result IS NULL"
        connection.execute(sql, (orjson.dumps(result).decode(), org.clock.stamp(), canceled, deploy_id))
        # what was only validated may still be deployed
        validated = "json_extract(options, '$.checkOnly') = 1 AND json_extract(result, '$.status') = 'Succeeded'"
        connection.execute(f"UPDATE _deploy SET package = NULL WHERE id = ? AND NOT ({validated})", (deploy_id,))  # noqa: S608


def cancel(org: "DemoOrg", caller: Caller, deploy_id: str) -> Deploy:
    """Stop a deployment that is not done."""
    with WORK:
        found = _read(org, deploy_id)
        if found.result is not None:
            raise ApiError(400, "INVALID_ID_FIELD", f"Deployment already completed: {deploy_id}")
        empty = {"componentSuccesses": [], "componentFailures": [], "status": "Canceled"}
        counts = dict.fromkeys(("numberComponentErrors", "numberComponentsDeployed", "numberComponentsTotal"), 0)
        _complete(org, found.id, {**empty, **counts}, canceled=caller.user_id)
    return _read(org, deploy_id)


def start_validated(org: "DemoOrg", caller: Caller, validated_id: str) -> Deploy:
    """A quick deployment of what was validated (checkOnly) in the last 10 days."""
    found = find(org, validated_id)
    fresh = org.clock.now() - from_text(found.created) <= VALID_FOR
    if not found.options["checkOnly"] or found.result is None or found.result["status"] != "Succeeded" or not fresh:
        text = f"The validation {validated_id} cannot be deployed: it is unknown, failed, or too old"
        raise ApiError(400, "INVALID_ID_FIELD", text)
    row = org.store.read().execute("SELECT package FROM _deploy WHERE id = ?", (found.id,)).fetchone()
    return start(org, caller, data=row[0], options={**found.options, "checkOnly": False})


def status_of(org: "DemoOrg", deploy: Deploy) -> str:
    """Pending, then InProgress, then what it came to."""
    if deploy.result is not None:
        return deploy.result["status"]
    half = max(org.settings.deploy_seconds, 0) / 2
    return "InProgress" if half and org.clock.now().timestamp() >= deploy.due - half else "Pending"


def describe(org: "DemoOrg", deploy: Deploy, *, details: bool, arrays: bool = False) -> Values:
    """The deploy result, its keys in the order of the recordings. `arrays`: lists are there even when empty (REST)."""
    status, result = status_of(org, deploy), deploy.result or {}
    told = {
        "componentFailures": result.get("componentFailures", []),
        "componentSuccesses": result.get("componentSuccesses", []),
    }
    shown = {key: value for key, value in told.items() if value or arrays}
    if arrays:
        shown = {"allComponentMessages": [], **shown, "retrieveResult": None}
    running = status not in {"Pending"}
    body: Values = {
        "canceledBy": deploy.canceled[:15] or None,
        "canceledByName": user_name(org, deploy.canceled) if deploy.canceled else None,
        "checkOnly": deploy.options["checkOnly"],
        "completedDate": deploy.completed or None,
        "createdBy": deploy.caller.user_id[:15],
        "createdByName": user_name(org, deploy.caller.user_id),
        "createdDate": deploy.created,
        "details": {**shown, "runTestResult": dict(NO_TESTS)} if details else None,
        "done": deploy.result is not None,
        "errorMessage": result.get("errorMessage"),
        "errorStatusCode": result.get("errorStatusCode"),
        "id": deploy.id,
        "ignoreWarnings": deploy.options["ignoreWarnings"],
        "lastModifiedDate": deploy.completed or deploy.created,
        "numberComponentErrors": result.get("numberComponentErrors", 0),
        "numberComponentsDeployed": result.get("numberComponentsDeployed", 0),
        "numberComponentsTotal": result.get("numberComponentsTotal", 0),
        "numberTestErrors": 0,
        "numberTestsCompleted": 0,
        "numberTestsTotal": 0,
        "rollbackOnError": deploy.options["rollbackOnError"],
        "runTestsEnabled": bool(deploy.options["testLevel"]) and deploy.options["testLevel"] != "NoTestRun",
        "startDate": deploy.created if running else None,
        "status": status,
        "success": status in {"Succeeded", "SucceededPartial"},
    }
    return {key: value for key, value in body.items() if value is not None}


def user_name(org: "DemoOrg", user_id: str) -> str:
    """The full name of a user."""
    row = org.store.read().execute('SELECT Name FROM "User" WHERE Id = ?', (user_id,)).fetchone()
    return row[0] if row else ""
