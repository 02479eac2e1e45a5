"""One engine for the steps of one job: the same one again, empty, unless it is in use or has failed."""

from pathlib import Path

import pyarrow as pa
import pytest

from integrations.lake.duck import DuckEngine
from integrations.lake.engine import one_engine, open_engine
from integrations.lake.failures import EngineError
from integrations.lake.reading import newest
from tests.lake.rows import account, accounts, store

pytestmark = pytest.mark.django_db
NUMBERS = pa.table({"n": [1, 2, 3]})


@pytest.fixture
def started(monkeypatch) -> list[DuckEngine]:
    """Every engine that is started from now on."""
    engines: list[DuckEngine] = []
    begin = DuckEngine.__init__

    def note(self: DuckEngine) -> None:
        begin(self)
        engines.append(self)

    monkeypatch.setattr(DuckEngine, "__init__", note)
    return engines


def is_closed(engine: DuckEngine) -> bool:
    return not Path(engine._scratch).exists()


def test_the_steps_of_a_job_take_turns_with_one_engine(started):
    table = accounts()
    store(table, [account("a")])
    with one_engine():
        with open_engine() as engine:
            engine.bind("numbers", NUMBERS)
            engine.bind("streamed", NUMBERS.to_reader())
            engine.bind("accounts", newest(table))
            assert engine.rows("SELECT count(*) FROM numbers, streamed, accounts") == [(9,)]
        with open_engine() as engine:
            for name in ("numbers", "streamed", "accounts"):
                with pytest.raises(EngineError):
                    engine.rows(f"SELECT * FROM {name}")
            engine.bind("numbers", pa.table({"text": ["x"]}))
            assert engine.rows("SELECT * FROM numbers") == [("x",)]
        assert len(started) == 1
        assert not is_closed(started[0])
    assert is_closed(started[0])


def test_an_engine_in_use_is_nobody_elses(started):
    with one_engine(), open_engine() as first:
        first.bind("numbers", NUMBERS)
        with open_engine() as second:
            second.bind("numbers", pa.table({"n": [9]}))
            assert second.rows("SELECT n FROM numbers") == [(9,)]
        assert first.rows("SELECT sum(n) FROM numbers") == [(6,)]
    assert len(started) == 2
    assert all(map(is_closed, started))


def test_an_engine_that_failed_is_not_used_again(started):
    with one_engine():
        with pytest.raises(EngineError), open_engine() as engine:
            engine.rows("SELECT * FROM nothing")
        assert is_closed(started[0])
        with open_engine() as engine:
            assert engine.rows("SELECT 1") == [(1,)]
    assert len(started) == 2
    assert all(map(is_closed, started))


def test_a_result_that_was_left_half_read_is_in_nobodys_way(started):
    with one_engine():
        with open_engine() as engine:
            for batch in engine.batches("SELECT range AS n FROM range(100000)", rows=1000):
                assert batch.num_rows
                break
        with open_engine() as engine:
            assert engine.rows("SELECT count(*) FROM range(10)") == [(10,)]
    assert all(map(is_closed, started))


def test_without_a_job_each_engine_is_its_own(started):
    for _ in range(2):
        with open_engine() as engine:
            assert engine.rows("SELECT 1") == [(1,)]
    assert len(started) == 2


def test_the_other_engine_agrees(engine_name):
    with one_engine():
        for value in (1, 2):
            with open_engine() as engine:
                engine.bind("numbers", pa.table({"n": [value]}))
                assert engine.rows("SELECT n FROM numbers") == [(value,)]


def test_a_run_is_one_job(job, started):
    from django.utils import timezone

    from integrations.sync import runs

    def perform(recorder: runs.Recorder) -> None:
        for _ in range(3):
            with open_engine() as engine:
                engine.bind("numbers", NUMBERS)

    job(perform, per_org=False)
    run = runs.request_run("test.job", now=timezone.now())
    assert run.state == "success", run.sentence
    assert len(started) == 1
    assert is_closed(started[0])


def test_a_kept_result_stays_in_the_engine_replaces_its_name_and_is_gone_with_the_step():
    with one_engine():
        with open_engine() as engine:
            engine.bind("numbers", NUMBERS)
            assert engine.keep("numbers", "-- twice as much\nSELECT n * $times AS n FROM numbers", times=2)
            assert engine.keep("numbers", "SELECT n + 1 AS n FROM numbers")
            assert engine.rows("SELECT n FROM numbers ORDER BY n") == [(3,), (5,), (7,)]
            engine.bind("numbers", NUMBERS)
            assert engine.rows("SELECT sum(n) FROM numbers") == [(6,)]
            with pytest.raises(EngineError):
                engine.keep("numbers", "SELECT no_such_column FROM numbers")
            assert engine.rows("SELECT sum(n) FROM numbers") == [(6,)]
            engine.keep("kept", "SELECT n FROM numbers")
        with open_engine() as engine, pytest.raises(EngineError):
            engine.rows("SELECT n FROM kept")
