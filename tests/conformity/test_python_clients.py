"""Python clients that are not among our dependencies, each unmodified: REST, Bulk 1.0, Bulk 2.0, SOAP, an ORM, a Singer tap."""

import json
import re
import subprocess

import pytest

from tests.conformity.clients import CLIENTS, HERE, HOW, environment
from tests.conformity.world import World

PYTHON = CLIENTS / "python" / "bin" / "python"
SCRIPTS = [each for each in sorted((HERE / "python_clients").glob("*.py")) if each.stem != "harness"]
SCENARIOS = [
    (script.stem, name) for script in SCRIPTS for name in re.findall(r"^def (scenario_\w+)\(", script.read_text(), re.MULTILINE)
]  # fmt: skip
pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(not PYTHON.exists(), reason=f"the Python clients are {HOW}"),
]


@pytest.fixture(scope="module")
def outcomes(world: World, tmp_path_factory) -> dict[tuple[str, str], dict]:
    """One run of each script; what became of each scenario."""
    world.org.settings(password_flow_enabled=True, bulk_job_seconds=0)
    facts = {
        "url": world.org.url, "user": world.org.user("administrator"), "token": world.api.token,
        "client": world.org.client("authorization_code"), "server_client": world.org.client("client_credentials"),
        "refresh_token": world.web_tokens().data["refresh_token"],
    }  # fmt: skip
    found: dict[tuple[str, str], dict] = {}
    home = tmp_path_factory.mktemp("home")
    for script in SCRIPTS:
        run = subprocess.run(
            [PYTHON, script], input=json.dumps(facts), capture_output=True, text=True, timeout=600, check=False,
            env=environment(home) | {"PYTHONDONTWRITEBYTECODE": "1"}, cwd=home,
        )  # fmt: skip
        lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
        found |= {(script.stem, each["name"]): each for each in lines}
        found[script.stem, ""] = {"detail": run.stderr[-3000:]}
    return found


@pytest.mark.parametrize("scenario", SCENARIOS, ids="-".join)
def test_scenario(scenario: tuple[str, str], outcomes: dict[tuple[str, str], dict]) -> None:
    assert scenario in outcomes, f"the script ended before this scenario: {outcomes[scenario[0], '']['detail']}"
    assert outcomes[scenario]["ok"], outcomes[scenario].get("detail")


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 20
