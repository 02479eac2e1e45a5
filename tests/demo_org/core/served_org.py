"""A demo org with the standard objects, one user and the sales stages, served over HTTP from a thread of the test process."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
import uvicorn

from integrations.demo_org.oauth.accounts import create_login
from integrations.demo_org.opening import open_org
from integrations.demo_org.org import Caller, DemoOrg
from integrations.demo_org.saving import RowResult, save
from integrations.demo_org.schema.catalogue import standard_objects
from integrations.demo_org.schema.catalogue.sales import STAGES
from integrations.demo_org.server import create_app

NOW = "2026-01-02T03:04:05.000Z"
DATA = "/services/data/v65.0"


def open_core_org(directory: Path) -> DemoOrg:
    """An org with one administrator and the opportunity stages."""
    org = open_org(directory, objects=standard_objects())
    with org.store.write():
        profile, user = org.store.next_ids("Profile", 1)[0], org.store.next_ids("User", 1)[0]
        org.store.insert("Profile", [{"Id": profile, "Name": "System Administrator", "SystemModstamp": NOW}])
        person = {"Id": user, "Username": "ada@core.example", "LastName": "Ada", "Name": "Ada", "IsActive": 1}
        org.store.insert("User", [{**person, "ProfileId": profile, "TimeZoneSidKey": "UTC"}])
        stages = [
            {
                "MasterLabel": label, "ApiName": label, "IsActive": 1, "DefaultProbability": probability, "IsClosed": closed,
                "IsWon": won, "ForecastCategory": category, "ForecastCategoryName": shown,
            }
            for label, probability, closed, won, category, shown in STAGES
        ]  # fmt: skip
        made = org.store.next_ids("OpportunityStage", len(stages))
        org.store.insert("OpportunityStage", [{"Id": key, **row} for key, row in zip(made, stages, strict=True)])
    create_login(org, user, "ada@core.example", "pw", "token")
    org.store.keep_pristine()
    return org


class Core:
    """The org and a signed-in HTTP client for it."""

    def __init__(self, org: DemoOrg, url: str) -> None:
        self.org, self.url = org, url
        self.http = requests.Session()
        self.token = ""

    def start_over(self) -> None:
        """Reset the org and sign in again."""
        self.org.reset()
        self.http.cookies.clear()
        self.sign_in()

    def sign_in(self) -> None:
        """Open a session and use it from now on."""
        self.token = self.org.sessions.open(self.caller.user_id, scopes=("api",))
        self.http.headers["Authorization"] = f"Bearer {self.token}"

    @property
    def caller(self) -> Caller:
        row = self.org.store.read().execute('SELECT Id, Username FROM "User"').fetchone()
        return Caller(row[0], username=row[1], is_admin=True)

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        """One request; a path that does not start with a slash is below the version's root."""
        return self.http.request(method, self.url + (path if path.startswith("/") else f"{DATA}/{path}"), timeout=20, **more)

    def control(self, path: str, body: Any = None, *, method: str = "POST") -> Any:
        answer = requests.request(method, f"{self.url}/__demo__/{path}", json=body, timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def save(self, object_name: str, rows: list[dict[str, Any]], operation: str = "insert", **more: Any) -> list[RowResult]:
        return save(self.org, self.caller, object_name, rows, operation=operation, **more)

    def make(self, object_name: str, **fields: Any) -> str:
        """Create a record that must succeed; its id."""
        result = self.save(object_name, [fields])[0]
        assert result.success, result.errors
        return str(result.id)

    def row(self, object_name: str, record_id: str) -> dict[str, Any]:
        """The stored row, whatever its state."""
        cursor = self.org.store.read().execute(f'SELECT * FROM "{object_name}" WHERE Id = ?', (record_id,))
        found = cursor.fetchone()
        return dict(zip([each[0] for each in cursor.description], found, strict=True)) if found else {}


@contextlib.contextmanager
def serving(org: DemoOrg) -> Iterator[Core]:
    """Serve the org on a free port until the block ends."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = uvicorn.Config(create_app(org), host="127.0.0.1", port=port, log_level="critical", server_header=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    core = Core(org, f"http://127.0.0.1:{port}")
    try:
        yield core
    finally:
        core.http.close()
        server.should_exit = True
        thread.join(10)
