"""Real kills between every two steps of accepting and flushing: nothing that was answered is lost, nothing is doubled."""

import json
import os
import subprocess
import sys

import pytest

from tests.demo import ROOT
from tests.product.ingest_victim import MOMENTS


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("victim")
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "TEST_", "DJANGO_"))}
    command = [sys.executable, "-m", "tests.product.ingest_victim", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def without_times(state: dict) -> dict:
    return {name: value for name, value in state.items() if name != "users"} | {"users": [each[:2] for each in state["users"]]}


def test_undisturbed_every_id_is_there_once(results):
    state = results["undisturbed"]["at_end"]
    assert [row[0] for row in state["events"]] == ["e1", "e2", "e3", "e4", "i1", "n1"]
    assert [row[1] for row in state["events"]] == [True, True, False, True, True, True]
    assert (state["rows"], state["nps"], state["aside"], state["waiting"]) == (6, [["n1", 9]], ["q1"], 0)
    assert state["counts"] == {
        "accepted__sum": 6, "duplicates__sum": 3, "quarantined__sum": 1, "late__sum": 3,
    }  # fmt: skip
    assert state["users"][0][1] == {"plan": "pro"}
    assert state["unjoined"] == ["alone"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_i_02_a_flush_that_is_killed_and_goes_on_ends_like_one_that_was_not(results, moment):
    result = results[moment]
    assert (result["killed"], result["finished"]) == (-9, 0)
    assert without_times(result["at_end"]) == without_times(results["undisturbed"]["at_end"])
    for state in (result["after_kill"], result["at_end"]):
        assert state["only_registered_on_disk"]
        assert state["all_there"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_i_03_events_and_the_end_of_their_requests_are_there_together_or_not_at_all(results, moment):
    state = results[moment]["after_kill"]
    turns = {10: [], 5: ["e1", "e2", "i1"], 0: ["e1", "e2", "e3", "e4", "i1", "n1"]}
    assert [row[0] for row in state["events"]] == turns[state["waiting"]]
    assert (state["waiting"] == 0) == (moment == "committed")
    assert (state["counts"]["accepted__sum"] or 0) == len(state["events"])
    assert bool(state["dirty"]) == bool(state["events"])


@pytest.mark.parametrize("moment", ["storing", "stored", "answered"])
def test_l_09_what_was_answered_outlives_a_kill_of_the_web_process(results, moment):
    result = results[f"accept {moment}"]
    assert (result["killed"], result["finished"]) == (-9, 0)
    events = [row[0] for row in result["at_end"]["events"]]
    assert events == (["e1", "e2"] if moment == "answered" else [])
