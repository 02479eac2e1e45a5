"""I-02: a pull that is killed at any of its calls and resumed ends like one that nobody disturbed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.demo import ROOT, DemoOrgHandle, running_demo_org

pytestmark = [pytest.mark.worker, pytest.mark.xdist_group("worker")]
SECONDS = 600


@pytest.fixture(scope="module")
def small_org(tmp_path_factory) -> Iterator[DemoOrgHandle]:
    with running_demo_org(tmp_path_factory.mktemp("crash_org"), size=20) as handle:
        yield handle


@pytest.mark.parametrize(("way", "least"), [("rest", 8), ("bulk", 12)])
def test_i_02_a_pull_killed_at_each_of_its_calls_ends_like_an_uninterrupted_one(tmp_path, small_org, way, least):
    small_org.reset()
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "TEST_", "DJANGO"))}
    command = [sys.executable, "-m", "tests.faults.pull_worker", str(tmp_path), small_org.url, way]
    try:
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=SECONDS, check=False)
    finally:
        small_org.no_faults()
        small_org.reset()
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert found["wrong"] == []
    assert found["kills"] == found["calls"] >= least, found
    assert any(each.startswith("on_merged Account") for each in found["news"])
    assert any(each.startswith("on_deleted Contact") for each in found["news"])
    assert min(found["rows"].values()) > 0
