"""A worker that is really killed with -9 at different places of a read, and the next one that takes it over (I-02, R-044)."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.demo import ROOT, DemoOrgHandle


def live(folder: Path, org: DemoOrgHandle, *point: str) -> tuple[int, dict[str, Any]]:
    """One life of the process: its exit code and what it reported."""
    folder.mkdir(exist_ok=True)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "TEST_"))}
    done = subprocess.run(
        [sys.executable, "-m", "tests.mirror.mortal", str(folder), org.url, *point],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode in (0, -signal.SIGKILL), done.stderr[-3000:]
    return done.returncode, json.loads(done.stdout.strip().splitlines()[-1]) if done.returncode == 0 else {}


@pytest.fixture
def org(demo_org: DemoOrgHandle) -> DemoOrgHandle:
    demo_org.settings(bulk_page_rows=20)
    return demo_org


def test_r_044_i_02_killed_anywhere_the_resumed_run_ends_as_if_nothing_had_happened(org, tmp_path):
    _, whole = live(tmp_path / "whole", org)
    assert whole["state"] == "success"
    assert whole["kept"] == len(whole["rows"]) > 100
    for point in ("commit", "page", "landing", "settle"):
        code, _ = live(tmp_path / point, org, point)
        assert code == -signal.SIGKILL, point
        _, resumed = live(tmp_path / point, org)
        assert resumed["state"] == "success", point
        assert resumed["resumed"] is not None
        assert (resumed["rows"], resumed["kept"]) == (whole["rows"], whole["kept"]), point
        assert resumed["counts"] == whole["counts"], f"{point}: the counts of the resumed run add up to the whole"
        assert resumed["counts"][0] == sum(resumed["counts"][1:]) > 0
