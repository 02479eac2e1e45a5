"""The crash drill (I-02): a real process is killed -9 at each of its calls to Salesforce in turn, and another one goes on.

Each call is killed twice: once so that it still takes effect although nobody hears the answer, and once so that it never does.
Afterwards Salesforce holds what it holds after an uninterrupted run, and no record is there twice.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.demo import ROOT, DemoOrgHandle, running_demo_org
from tests.sync.installation import Installation

pytestmark = [pytest.mark.worker, pytest.mark.xdist_group("worker")]
DATA_CALLS = "/services/data/"
LATE = 0.7  # seconds that a call is held back, to find the moment of the kill
PATIENCE = 600.0
ACCOUNT_FIELDS = "Id, PX_Health__c, PX_NPS_Score__c"
PROJECT_FIELDS = "External_Id__c, Name, Risks__c, Account__c"


class Drill:
    """An installation that can be put back to its beginning, beside a demo org that can, too, and processes to kill."""

    def __init__(self, folder: Path, demo: DemoOrgHandle) -> None:
        self.folder, self.demo, self.kept, self.told = folder / "live", demo, folder / "kept", folder / "told"
        self.place = Installation(
            self.folder, DEMO_MODE="yes", DEMO_ORG_URL=demo.url, BASE_URL="http://127.0.0.1:8000", LOG_LEVEL="ERROR"
        )
        shutil.copytree(self.folder, self.kept)
        self.told.mkdir()
        command, pipe = [sys.executable, "-m", "tests.faults.push_drill"], subprocess.PIPE
        self.mother = subprocess.Popen(command, cwd=ROOT, env=self.place.env, stdin=pipe, stdout=pipe, text=True)

    def close(self) -> None:
        self.mother.communicate()

    def start(self, step: str) -> tuple[int, Path]:
        """A process that does a step; its number, and the file in which its outcome appears."""
        file = self.told / f"{uuid.uuid4().hex}.json"
        assert self.mother.stdin is not None
        assert self.mother.stdout is not None
        self.mother.stdin.write(f"{step} {file}\n")
        self.mother.stdin.flush()
        return int(self.mother.stdout.readline()), file

    def begin(self) -> tuple[int, Path]:
        """A fresh org and database; a process that has made the first round and waits for a word to go on."""
        self.demo.no_faults()
        self.demo.reset()
        shutil.rmtree(self.folder)
        shutil.copytree(self.kept, self.folder)
        pid, file = self.start("push")
        wait_for(lambda: file.with_suffix(".ready").exists() or file.exists())
        assert not file.exists(), file.read_text()
        self.demo.forget_calls()
        return pid, file

    def outcome(self, file: Path) -> dict[str, Any]:
        """What a process that nobody disturbs tells at its end."""
        wait_for(file.exists)
        return json.loads(file.read_text())

    def kill_at(self, call: int, *, takes_effect: bool) -> bool:
        """Kill the second round at its call number `call` (from 0); False when it makes fewer calls."""
        pid, file = self.begin()
        self.demo.fault(path=DATA_CALLS, after=call, delay=LATE, **({} if takes_effect else {"action": "close"}))
        file.with_suffix(".go").touch()
        wait_for(lambda: file.exists() or not self.demo.control("faults")["faults"])
        if file.exists():
            return False
        os.kill(pid, signal.SIGKILL)
        time.sleep(LATE + 0.2)  # what was on its way arrives, or does not
        self.demo.no_faults()
        return True

    def state(self) -> dict[str, list[Any]]:
        """What Salesforce holds in every column that the push writes."""
        from urllib.parse import quote

        client = self.demo.client("client_credentials")
        token = post(f"{self.demo.url}/services/oauth2/token", {
            "grant_type": "client_credentials", "client_id": client["client_id"], "client_secret": client["client_secret"]})  # fmt: skip
        found = {}
        for name, soql in (
            ("accounts", f"SELECT {ACCOUNT_FIELDS} FROM Account WHERE PX_Health__c LIKE 'H%' OR PX_NPS_Score__c != null"),
            ("projects", f"SELECT {PROJECT_FIELDS} FROM Project__c WHERE External_Id__c LIKE 'Drill-%'"),
        ):
            url = f"{self.demo.url}/services/data/v65.0/query?q={quote(soql)}"
            rows = get(url, token["access_token"])["records"]
            found[name] = sorted([row[key] for key in row if key != "attributes"] for row in rows if row)
        return found


def wait_for(check: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not check():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.01)


def post(url: str, form: dict[str, str]) -> Any:
    from urllib.parse import urlencode
    from urllib.request import Request, urlopen

    with urlopen(Request(url, urlencode(form).encode()), timeout=120) as answer:
        return json.loads(answer.read())


def get(url: str, token: str) -> Any:
    from urllib.request import Request, urlopen

    with urlopen(Request(url, headers={"Authorization": f"Bearer {token}"}), timeout=120) as answer:
        return json.loads(answer.read())


@pytest.fixture(scope="module")
def drill(tmp_path_factory):
    folder = Path(tmp_path_factory.mktemp("drill"))
    with running_demo_org(folder / "org") as demo:
        drill = Drill(folder, demo)
        yield drill
        drill.close()


@pytest.fixture(scope="module")
def whole(drill) -> dict[str, Any]:
    """The end of an uninterrupted push, and the calls that it makes."""
    _, file = drill.begin()
    file.with_suffix(".go").touch()
    done = drill.outcome(file)
    assert done["state"] == "success", done
    return {"calls": drill.demo.calls(DATA_CALLS), "state": drill.state(), "sums": done["sums"]}


def adds_up(sums: dict[str, int]) -> bool:
    return sums["read"] == sum(n for name, n in sums.items() if name != "read")


@pytest.mark.parametrize("takes_effect", [True, False], ids=["answer lost", "call lost"])
def test_i_02_r_044_killed_at_each_call_and_resumed_salesforce_is_as_after_an_uninterrupted_run(drill, whole, takes_effect):
    assert len(whole["calls"]) >= 8
    assert len(whole["state"]["projects"]) == 120
    for call, made in enumerate(whole["calls"]):
        if not takes_effect and made["method"] == "GET":
            continue  # a reading call that is lost is the same as one whose answer is lost
        assert drill.kill_at(call, takes_effect=takes_effect), f"call {call} was never made"
        done = drill.outcome(drill.start("resume")[1])
        where = f"killed at call {call}: {made['method']} {made['path']}"
        assert done["state"] == "success", (where, done)
        assert drill.state() == whole["state"], where
        for name, sums in done["sums"].items():
            assert adds_up(sums), (where, name, sums)
            assert sums["read"] == whole["sums"][name]["read"], (where, name, sums)
        jobs = [each for each in drill.demo.calls("/jobs/ingest") if each["method"] == "POST"]
        assert len(jobs) <= 2, where
