"""jsforce, the client that most JavaScript integrations use, works against the demo org."""

import json
import re
import subprocess

import pytest

from tests.conformity.clients import CLIENTS, HERE, HOW, NODE, environment
from tests.conformity.world import CALLBACK, World

SCRIPT = HERE / "jsforce" / "run.mjs"
SCENARIOS = re.findall(r"^  async (\w+)\(", SCRIPT.read_text(), re.MULTILINE)
VERIFIER = "conformity-verifier-0123456789-0123456789-0123456789"
CHALLENGE = "F6qvbLG1t3eKdYwC77BvoNAzxwCa8JFCDgHBXK2PgZM"
pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(not (NODE.exists() and (CLIENTS / "node_modules" / "jsforce").is_dir()), reason=f"jsforce is {HOW}"),
]


@pytest.fixture(scope="module")
def outcomes(world: World, tmp_path_factory) -> dict[str, dict]:
    """One run of the script; what became of each scenario."""
    user, client = world.org.user("administrator"), world.org.client("authorization_code")
    more = {"scope": "api refresh_token id", "code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    facts = {
        "url": world.org.url, "user": user, "client": client, "code": world.authorize(client, user, **more),
        "verifier": VERIFIER, "redirect": CALLBACK, "org_id": world.org.info()["org_id"],
    }  # fmt: skip
    run = subprocess.run(
        [NODE, SCRIPT, CLIENTS], input=json.dumps(facts), capture_output=True, text=True, timeout=180, check=False,
        env=environment(tmp_path_factory.mktemp("home")),
    )  # fmt: skip
    found = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    assert found, run.stderr[-3000:]
    return {each["name"]: each for each in found}


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str, outcomes: dict[str, dict]) -> None:
    assert name in outcomes, "the script ended before this scenario"
    assert outcomes[name]["ok"], outcomes[name].get("detail")


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 15
