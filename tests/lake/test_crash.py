"""Real kills between every two steps: nothing is lost, nothing is doubled, nothing is left behind (I-02, I-03)."""

import json
import os
import subprocess
import sys

import pytest

from tests.demo import ROOT
from tests.lake.victim import MOMENTS, PAGES, RACE_PAGES, ROWS

BEFORE_COMMIT = [moment for moment in MOMENTS if moment != "committed"]


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("victim")
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "TEST_", "DJANGO_"))}
    done = subprocess.run(
        [sys.executable, "-m", "tests.lake.victim", str(folder)], cwd=ROOT, env=env, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    found["race"]["given"] = [int(line) for log in folder.glob("numbers-*") for line in log.read_text().split()]
    return found


def all_rows() -> list[list[str]]:
    rows = [[f"{page:02}-{n:02}", f"Name of {page:02}-{n:02}"] for page in range(PAGES) for n in range(ROWS)]
    return sorted([*rows, ["same", f"page {PAGES - 1}"]])


@pytest.mark.parametrize("work", ["load", "compact", "erase"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_i_02_a_killed_worker_that_goes_on_ends_like_one_that_was_not_killed(results, work, moment):
    result = results[f"{work} {moment}"]
    assert (result["killed"], result["finished"]) == (-9, 0)
    wanted = [row for row in all_rows() if work != "erase" or row[0] != "same"]
    assert result["at_end"]["rows"] == wanted
    for state in (result["after_kill"], result["at_end"]):
        assert state["only_registered_on_disk"]
        assert state["all_there"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_i_03_files_and_watermark_are_there_together_or_not_at_all(results, moment):
    state = results[f"load {moment}"]["after_kill"]
    pages = 1 if moment in BEFORE_COMMIT else 2
    assert state["checkpoint"] == {"page": pages}
    assert len(state["rows"]) == pages * ROWS + 1
    assert state["numbers"] == list(range(1, pages + 1))
    assert results[f"load {moment}"]["at_end"]["numbers"] == list(range(1, PAGES + 1))


@pytest.mark.parametrize("moment", MOMENTS)
def test_i_03_a_killed_compaction_happened_wholly_or_not_at_all(results, moment):
    state = results[f"compact {moment}"]["after_kill"]
    assert state["rows"] == all_rows()
    assert (state["bases"], len(state["numbers"])) == ((0, PAGES) if moment in BEFORE_COMMIT else (1, 1))


@pytest.mark.parametrize("moment", MOMENTS)
def test_i_23_a_killed_erasure_is_remembered_and_finished_by_the_next(results, moment):
    result = results[f"erase {moment}"]
    assert result["after_kill"]["erasures"] == [1, 0]
    assert result["at_end"]["erasures"] == [1, 1]


def test_two_processes_on_one_sqlite_file_get_numbers_of_their_own_and_lose_nothing(results):
    race = results["race"]
    assert race["codes"] == [0, 0, 0, 0]
    assert len(race["given"]) == len(set(race["given"])) == 3 * RACE_PAGES
    wanted = [[f"{name}{page}", f"Name of {name}{page}"] for name in "abc" for page in range(RACE_PAGES)]
    assert race["rows"] == [*wanted, ["same", f"page {RACE_PAGES - 1}"]]
    assert race["all_there"]
    assert race["only_registered_on_disk"]


def test_the_lake_needs_neither_numpy_nor_pandas(results):
    assert results["loaded"] == []  # all of the above ran where they cannot be imported
