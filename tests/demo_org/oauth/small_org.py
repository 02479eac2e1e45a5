"""A small org in this process, served over real HTTP: the standard catalogue, two users, no seeded company."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
import uvicorn

from integrations.demo_org.bulk.runner import RUNNERS
from integrations.demo_org.oauth import accounts, clients
from integrations.demo_org.opening import load_catalogue, open_org
from integrations.demo_org.org import DemoOrg
from integrations.demo_org.server import create_app

ADMIN, ADMIN_PASSWORD, ADMIN_TOKEN = "ada@harbor.example", "sunrise-1", "AdaToken123"
READER, READER_PASSWORD, READER_TOKEN = "ron@harbor.example", "moonlight-2", "RonToken456"
STAMP = "2026-01-05T08:00:00.000Z"


class SmallOrg:
    """The org, its address, and short ways to talk to it."""

    def __init__(self, org: DemoOrg) -> None:
        self.org = org
        self.url = ""
        self.http = requests.Session()

    def client(self, flow: str = "authorization_code") -> dict[str, Any]:
        return next(each for each in clients.describe_clients(self.org) if flow in each["flows"])

    def user_id(self, username: str = ADMIN) -> str:
        return accounts.find_login(self.org, username=username).user_id

    def token(self, **fields: str) -> requests.Response:
        return self.http.post(f"{self.url}/services/oauth2/token", data=fields)

    def server_token(self) -> dict[str, Any]:
        """A token by the client-credentials flow: the quickest way in."""
        app = self.client("client_credentials")
        answer = self.token(grant_type="client_credentials", client_id=app["client_id"], client_secret=app["client_secret"])
        assert answer.status_code == 200, answer.text
        return answer.json()

    def login_caller(self) -> Any:
        """The admin as a Caller, for calls into the org's own functions."""
        return self.org.sessions.caller_for(self.org.sessions.open(self.user_id(), scopes=("api",)))


def add_people(org: DemoOrg) -> None:
    """The org's own record, two profiles and two users with logins."""
    store = org.store
    with store.write():
        profiles = store.next_ids("Profile", 2)
        for record_id, name in zip(profiles, ("System Administrator", "Standard User"), strict=True):
            store.insert("Profile", [{"Id": record_id, "Name": name, "SystemModstamp": STAMP}])
        people = (
            (ADMIN, ADMIN_PASSWORD, ADMIN_TOKEN, "Ada", "Admin", profiles[0], "America/Los_Angeles"),
            (READER, READER_PASSWORD, READER_TOKEN, "Ron", "Reader", profiles[1], "Europe/Paris"),
        )
        for username, password, token, first, last, profile, zone in people:
            (user_id,) = store.next_ids("User", 1)
            row = {
                "Id": user_id, "Username": username, "Email": username, "FirstName": first, "LastName": last,
                "Name": f"{first} {last}", "Alias": first.lower(), "IsActive": 1, "ProfileId": profile,
                "TimeZoneSidKey": zone, "LocaleSidKey": "en_US", "LanguageLocaleKey": "en_US", "SystemModstamp": STAMP,
                "LastModifiedDate": STAMP,
            }  # fmt: skip
            store.insert("User", [row])
            accounts.create_login(org, user_id, username, password, token)
        clients.seed_clients(org)


def open_small_org(directory: Path) -> DemoOrg:
    """A new (or reopened) org in `directory`."""
    org = open_org(directory, objects=load_catalogue())
    if accounts.first_login(org) is None:
        add_people(org)
        org.store.keep_pristine()
    return org


@contextlib.contextmanager
def serving(org: DemoOrg) -> Iterator[SmallOrg]:
    """Serve the org on a free loopback port."""
    small = SmallOrg(org)
    config = uvicorn.Config(create_app(org), host="127.0.0.1", port=0, log_level="warning", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    small.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield small
    finally:
        server.should_exit = True
        thread.join(10)
        RUNNERS.stop(org)
