"""jsforce, the client that most JavaScript integrations use, works against the demo org."""

import base64
import json
import re
import subprocess

import pytest

from tests.conformity.clients import CLIENTS, HERE, HOW, NODE, environment
from tests.conformity.packages import package
from tests.conformity.world import CALLBACK, World

SCRIPTS = [each for each in sorted((HERE / "jsforce").glob("*.mjs")) if each.stem != "harness"]
SCENARIOS = [
    (script.stem, name) for script in SCRIPTS for name in re.findall(r"^  async (\w+)\(", script.read_text(), re.MULTILINE)
]  # fmt: skip
VERIFIER = "conformity-verifier-0123456789-0123456789-0123456789"
CHALLENGE = "F6qvbLG1t3eKdYwC77BvoNAzxwCa8JFCDgHBXK2PgZM"
pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(not (NODE.exists() and (CLIENTS / "node_modules" / "jsforce").is_dir()), reason=f"jsforce is {HOW}"),
]


@pytest.fixture(scope="module")
def outcomes(world: World, tmp_path_factory) -> dict[tuple[str, str], dict]:
    """One run of each script; what became of each scenario."""
    user, client = world.org.user("administrator"), world.org.client("authorization_code")
    more = {"scope": "api refresh_token id", "code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    facts = {
        "url": world.org.url, "user": user, "client": client, "code": world.authorize(client, user, **more),
        "verifier": VERIFIER, "redirect": CALLBACK, "org_id": world.org.info()["org_id"],
        "zip": base64.b64encode(package(field="Js_Deployed__c")).decode(),
    }  # fmt: skip
    found: dict[tuple[str, str], dict] = {}
    home = tmp_path_factory.mktemp("home")
    for script in SCRIPTS:
        run = subprocess.run(
            [NODE, script, CLIENTS], input=json.dumps(facts), capture_output=True, text=True, timeout=600, check=False,
            env=environment(home),
        )  # fmt: skip
        lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
        assert lines, run.stderr[-3000:]
        found |= {(script.stem, each["name"]): each for each in lines}
    return found


@pytest.mark.parametrize("scenario", SCENARIOS, ids="-".join)
def test_scenario(scenario: tuple[str, str], outcomes: dict[tuple[str, str], dict]) -> None:
    assert scenario in outcomes, "the script ended before this scenario"
    assert outcomes[scenario]["ok"], outcomes[scenario].get("detail")


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 40
