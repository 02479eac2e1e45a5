"""A ClickHouse server over real HTTP: same rows, deadlines, and errors that give no secret and no value away."""

from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest
from django.db import transaction

from integrations.lake import clickhouse
from integrations.lake.engine import open_engine
from integrations.lake.failures import EngineError
from integrations.lake.reading import newest, raw
from integrations.lake.storage import ObjectStore
from integrations.lake.tables import ensure_table
from integrations.lake.writing import register
from tests.lake.clickhouse_server import PASSWORD, USER, Server, running_server
from tests.lake.rows import account, accounts, moment, read, store

pytestmark = pytest.mark.django_db


@pytest.fixture
def server(tmp_path, settings):
    pytest.importorskip("chdb")
    with running_server(tmp_path) as running:
        settings.LAKE_ENGINE_URL = running.url
        yield running


def test_the_same_rows_come_from_a_server(server: Server, settings):
    table = accounts()
    store(table, [account("a", 1), account("b", 1)], kind="base")
    store(table, [account("a", 2, Name="new"), account("c", 1, IsDeleted=True)])
    by_server, all_rows = read(table), read(raw(table))
    settings.LAKE_ENGINE_URL = "duckdb://"
    assert by_server == read(table)
    assert all_rows == read(raw(table))


def test_parameters_tables_streams_and_copies_travel(server: Server, now):
    out = ensure_table("out", columns=[("k", "text"), ("n", "number"), ("m", "moment")], key="k")
    given = pa.table({
        "k": ["a", "b'\\", None], "n": pa.array([Decimal("1.5"), None, Decimal("-2")]), "d": [date(1, 1, 1), None, date(9999, 12, 31)],
        "l": [["x", "y"], [], ["z'"]], "m": pa.array([moment(1), moment(2), None], pa.timestamp("us", "UTC")), "f": [True, None, False],
    })  # fmt: skip
    with open_engine() as engine:
        engine.bind("t", given)
        assert engine.rows("SELECT k, n, d, f FROM t WHERE {{has(l, $one)}}", one="z'") == [
            (None, Decimal(-2), date(9999, 12, 31), False)
        ]
        assert engine.rows("SELECT k FROM t WHERE k = $k AND d IS NULL", k="b'\\") == [("b'\\",)]
        engine.run("CREATE TEMPORARY TABLE kept AS SELECT k FROM t WHERE n > $least", least=Decimal("0.5"))
        assert engine.rows("SELECT count(*) FROM kept") == [(1,)]
        engine.bind("t", pa.RecordBatchReader.from_batches(given.schema, iter(given.to_batches(max_chunksize=1))))
        assert engine.rows("SELECT count(*) FROM t") == [(3,)]
        assert sum(batch.num_rows for batch in engine.batches("SELECT * FROM t", rows=2)) == 3
        staged = engine.copy_to("SELECT k, n, m FROM t WHERE k IS NOT NULL", out)
    with transaction.atomic():
        register(out, staged, now=now)
    assert [row["n"] for row in read(out)] == [Decimal("1.5"), None]
    sessions = {each["query"]["session_id"] for each in server.seen}
    assert len(sessions) == 2  # one for each engine


def test_password_travels_in_a_header_only(server: Server):
    with open_engine() as engine:
        engine.rows("SELECT 1")
    (seen,) = server.seen
    assert (seen["headers"]["X-ClickHouse-User"], seen["headers"]["X-ClickHouse-Key"]) == (USER, PASSWORD)
    assert PASSWORD not in str(seen["query"]) + seen["statement"]


@pytest.mark.parametrize(
    ("fault", "says"),
    [("redirect", "refused the statement: 302"), ("cut", "answer broke off"), ("silent", r"cannot be reached \(ReadTimeout\)")],
)
def test_i_09_bad_answers_become_sentences_in_time(server: Server, monkeypatch, fault, says):
    monkeypatch.setattr(clickhouse, "READ_SECONDS", 0.5)
    server.fault = fault
    with open_engine() as engine, pytest.raises(EngineError, match=says) as caught:
        engine.rows("SELECT 1")
    assert PASSWORD not in str(caught.value)
    assert str(server.server_port) not in str(caught.value)
    assert len(server.seen) == 1  # a redirect is not followed


def test_a_stream_that_was_left_does_not_lock_the_session(server: Server):
    with open_engine() as engine:
        engine.bind("t", pa.table({"a": list(range(5000))}))
        stream = engine.batches("SELECT a FROM t", rows=10)
        next(stream)
        server.fault = "locked"
        assert engine.rows("SELECT count(*) FROM t") == [(5000,)]
        assert server.fault == ""


def test_i_14_refusals_name_no_value_and_no_secret(server: Server, settings):
    with open_engine() as engine:
        engine.bind("t", pa.table({"mail": ["anna@example.com"]}))
        with pytest.raises(EngineError, match=r"Code: \d+") as caught:
            engine.rows("SELECT accurateCast(assumeNotNull(mail), 'Int64') FROM t")
    assert "anna" not in str(caught.value)
    settings.LAKE_ENGINE_URL = server.url.replace("p%40ss", "wr0ng")
    with open_engine() as engine, pytest.raises(EngineError, match="Authentication failed") as caught:
        engine.rows("SELECT 1")
    assert "secret" not in str(caught.value)


def test_a_server_that_is_away_is_said_so(settings, server: Server):
    settings.LAKE_ENGINE_URL = "clickhouse://u:topsecret@127.0.0.1:9/db"
    with open_engine() as engine, pytest.raises(EngineError, match="cannot be reached") as caught:
        engine.rows("SELECT 1")
    assert caught.value.code == "lake_engine_away"
    assert "topsecret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("s3://bucket/lake", "s3('s3://bucket/lake/{t/1.parquet,t/2.parquet}', 'Parquet', "),
        ("gs://bucket/lake", "gcs('gs://bucket/lake/{t/1.parquet,t/2.parquet}', 'Parquet', "),
    ],
)
def test_object_storage_is_read_by_the_server_itself(server: Server, url, says):
    from pyarrow import fs

    from integrations.lake.reading import FileRef

    with open_engine() as engine:
        engine._store = ObjectStore(fs._MockFileSystem(), "bucket/lake", url)
        files = [FileRef(f"t/{n}.parquet", n, frozenset({"k"})) for n in (1, 2)]
        assert says in engine.scan(files, [("k", "text")], places=True)


def test_relation_of_an_empty_table_on_a_server(server: Server):
    with open_engine() as engine:
        engine.bind("t", newest(accounts()))
        assert engine.table("SELECT * FROM t").num_rows == 0
