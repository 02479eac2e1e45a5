"""A fault server, tokens held in memory, quick retries, and the recorded answers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integrations.salesforce.client import Client, Deadlines, Grant, Retry
from integrations.salesforce.login import Wire
from tests.salesforce.server import FaultServer

RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "salesforce-recordings"


class HeldTokens:
    """Tokens in memory: refresh gives T2, T3, … and counts."""

    def __init__(self, url: str, token: str = "T1") -> None:
        self.grant = Grant(token, url)
        self.refreshes: list[Grant] = []

    def current(self) -> Grant:
        return self.grant

    def refresh(self, rejected: Grant) -> Grant:
        self.refreshes.append(rejected)
        self.grant = Grant(f"T{len(self.refreshes) + 1}", self.grant.instance_url)
        return self.grant


class Naps:
    """A sleep that only notes how long it was asked for."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    server = FaultServer()
    yield server
    server.close()


@pytest.fixture
def naps() -> Naps:
    return Naps()


@pytest.fixture
def tokens(server: FaultServer) -> HeldTokens:
    return HeldTokens(server.url)


@pytest.fixture
def calls() -> list[Any]:
    return []


@pytest.fixture
def client(server: FaultServer, tokens: HeldTokens, naps: Naps, calls: list[Any]) -> Iterator[Client]:
    quick = Deadlines(connect=0.5, read=0.5, overall=2.0)
    with Client(tokens, demo_origin=server.url, deadlines=quick, retry=Retry(sleep=naps), on_call=calls.append) as client:
        yield client


@pytest.fixture
def wire(server: FaultServer, naps: Naps, calls: list[Any]) -> Wire:
    quick = Deadlines(connect=0.5, read=0.5, overall=2.0)
    return Wire(server.url, quick, Retry(tries=3, sleep=naps), calls.append)


class Recordings:
    """Recorded Salesforce answers by file name."""

    def path(self, name: str) -> Path:
        return RECORDINGS / name

    def bytes(self, name: str) -> bytes:
        return (RECORDINGS / name).read_bytes()

    def json(self, name: str) -> Any:
        return json.loads(self.bytes(name))

    def names(self, folder: str) -> list[str]:
        return sorted(f"{folder}/{path.name}" for path in (RECORDINGS / folder).iterdir())


@pytest.fixture
def recordings() -> Recordings:
    if not RECORDINGS.is_dir():
        pytest.skip("the recorded Salesforce answers are not beside this checkout (../shared/salesforce-recordings)")
    return Recordings()
