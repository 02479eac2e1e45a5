"""Tables, files, newest rows, engine: the contract that every other room stands on."""

from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from integrations.lake import storage
from integrations.lake.engine import open_engine
from integrations.lake.failures import EngineError
from integrations.lake.reading import count_live, newest, raw
from integrations.lake.tables import drop_table, ensure_table
from integrations.lake.types import SchemaError
from integrations.lake.writing import open_writer, register
from integrations.models import LakeFile, LakeTable
from tests.lake.rows import COLUMNS, account, accounts, moment, read, store, table_of, write_all

pytestmark = pytest.mark.django_db


def test_what_is_written_is_read(engine_name):
    table = accounts()
    rows = [account("a"), account("b", Name=None, Amount=None, Employees=None, Active=None, Opened=None, OpensAt=None)]
    (file,) = store(table, rows)
    assert read(table) == rows
    assert (file.number, file.kind, file.rows, file.columns) == (1, "delta", 2, [name for name, _ in COLUMNS])
    assert count_live(table) == 2


def test_empty_table_reads_as_no_rows_in_its_types(engine_name):
    table = accounts()
    with open_engine() as engine:
        engine.bind("t", newest(table))
        found = engine.table("SELECT * FROM t")
        engine.bind("r", raw(table))
        assert engine.rows("SELECT count(*), max(_number) FROM r") == [(0, None)]
    assert found.num_rows == 0
    assert found.schema.field("Amount").type == pa.decimal128(38, 12)
    assert count_live(table) == 0
    assert store(table, []) == []


def test_newest_row_of_a_key_from_base_and_deltas(engine_name):
    table = accounts()
    store(table, [account("a", 1), account("b", 1), account("c", 5)], kind="base")
    store(table, [account("a", 2, Name="newer"), account("c", 4, Name="older"), account("d", 1)])
    store(table, [account("b", 3, IsDeleted=True), account("a", 2, Name="same version, later file")])
    names = {row["Id"]: row["Name"] for row in read(table)}
    assert names == {"a": "same version, later file", "c": "Name of c", "d": "Name of d"}
    assert {row["Id"] for row in read(newest(table, include_removed=True))} == set("abcd")
    assert count_live(table) == 3


def test_chosen_columns_do_not_need_the_deciding_ones(engine_name):
    table = accounts()
    store(table, [account("a", 1)], kind="base")
    store(table, [account("a", 2, Name="new"), account("b", 1, IsDeleted=True)])
    assert read(newest(table, columns=["Name"])) == [{"Name": "new"}]
    with pytest.raises(SchemaError, match="has no columns Nmae"):
        newest(table, columns=["Nmae"])


def test_without_version_the_later_file_wins_and_without_key_every_row_stays(engine_name):
    keyed = ensure_table("outbox/1", columns=[("key", "text"), ("Name", "text")], key="key")
    store(keyed, [{"key": "a", "Name": "1"}, {"key": "b", "Name": "1"}], kind="base")
    store(keyed, [{"key": "a", "Name": "2"}, {"key": "a", "Name": "3"}])
    assert read(keyed) == [{"key": "a", "Name": "3"}, {"key": "b", "Name": "1"}]
    plain = ensure_table("log", columns=[("what", "text")])
    store(plain, [{"what": "x"}, {"what": "x"}])
    assert len(read(plain)) == count_live(plain) == 2


def test_raw_shows_every_row_with_the_number_of_its_file(engine_name):
    table = accounts()
    store(table, [account("a", 1)])
    store(table, [account("a", 2), account("b", 1)])
    rows = read(raw(table, columns=["Id"]), "SELECT _number, Id FROM t")
    assert rows == [{"_number": 1, "Id": "a"}, {"_number": 2, "Id": "a"}, {"_number": 2, "Id": "b"}]


def test_new_column_is_null_in_older_files_and_old_one_in_files_that_lack_it(engine_name):
    table = accounts()
    store(table, [account("a", 1)], kind="base")
    table = accounts(columns=[*COLUMNS, ("Tier__c", "text"), ("Never__c", "number")])
    store(table, [account("b", 1, Tier__c="gold")], columns=["Id", "SystemModstamp", "IsDeleted", "Tier__c"])
    found = {row["Id"]: (row["Name"], row["Tier__c"], row["Never__c"]) for row in read(table)}
    assert found == {"a": ("Name of a", None, None), "b": (None, "gold", None)}


def test_ensure_table_is_idempotent_and_refuses_what_would_change_meaning():
    table = accounts()
    assert accounts().pk == table.pk
    with pytest.raises(SchemaError, match="column Amount is number and cannot become Amount text"):
        accounts(columns=[*[c for c in COLUMNS if c[0] != "Amount"], ("Amount", "text")])
    with pytest.raises(SchemaError, match="column Amount is number and cannot become AMOUNT number"):
        accounts(columns=[*[c for c in COLUMNS if c[0] != "Amount"], ("AMOUNT", "number")])
    with pytest.raises(SchemaError, match="its key is Id and cannot become none"):
        ensure_table(table.name, columns=COLUMNS)
    with pytest.raises(SchemaError, match="key column Nope must be text or whole; it is not among the columns"):
        ensure_table("x", columns=COLUMNS, key="Nope")
    for name in ("", "/x", "a//b", "../x", "a/../b", "a/", "a b", "a" * 201):
        with pytest.raises(SchemaError, match="a name is parts"):
            ensure_table(name, columns=COLUMNS)
    for bad in (("a b", "text"), ("_number", "whole"), ("x", "float"), ("", "text")):
        with pytest.raises(SchemaError):
            ensure_table("x", columns=[bad])


def test_wrong_rows_are_refused_by_name_and_leave_no_file():
    table = accounts()
    good = table_of(table, [account("a")])
    for bad, says in [
        (good.drop_columns(["Name"]), r"lack \['Name'\]"),
        (good.append_column("More", pa.array(["x"])), r"have \['More'\]"),
        (good.set_column(2, "Amount", pa.array([1.5])), "column Amount must be decimal128"),
        (table_of(table, [account("a") | {"Id": None}]), "1 rows have no Id"),
    ]:
        with pytest.raises(SchemaError, match=says):
            write_all(table, [good, bad])
    assert list(storage.open_store().files()) == []
    assert not LakeFile.objects.exists()


def test_registering_needs_a_transaction_and_happens_once(transactional_db):
    table = accounts()
    with open_writer(table) as writer:
        writer.write(table_of(table, [account("a")]))
    with pytest.raises(transaction.TransactionManagementError):
        register(table, writer.staged, now=timezone.now())
    with transaction.atomic():
        register(table, writer.staged, now=timezone.now())
    with pytest.raises(IntegrityError), transaction.atomic():
        register(table, writer.staged, now=timezone.now())
    assert LakeTable.objects.get().next_number == 2


def test_dropped_table_is_gone():
    table = accounts()
    store(table, [account("a")])
    drop_table(table)
    assert not LakeFile.objects.exists()
    with open_writer(table) as writer:
        writer.write(table_of(table, [account("b")]))
    with pytest.raises(LakeTable.DoesNotExist), transaction.atomic():
        register(table, writer.staged, now=timezone.now())


def test_engine_parameters_tables_streams_and_copies(engine_name):
    table = accounts()
    store(table, [account(f"{n:03}", n, Amount=Decimal(n)) for n in range(500)])
    target = ensure_table("out", columns=[("Id", "text"), ("Total", "number"), ("At", "moment")], key="Id")
    with open_engine() as engine:
        engine.bind("t", newest(table))
        engine.bind("few", pa.table({"Id": ["001", "400"]}))
        stream = pa.RecordBatchReader.from_batches(pa.schema([("Id", pa.string())]), iter([pa.record_batch({"Id": ["400"]})]))
        engine.bind("one", stream)
        assert engine.rows("SELECT t.Id FROM t JOIN few ON few.Id = t.Id JOIN one ON one.Id = t.Id") == [("400",)]
        assert engine.rows("SELECT Id FROM one") == engine.rows("SELECT Id FROM one")
        wanted = {
            "at": moment(10),
            "day": date(2024, 2, 29),
            "least": Decimal("3.5"),
            "name": "Name of 005 $x",
            "ids": ["004", "009"],
        }
        assert engine.rows(
            "SELECT count(*) FROM t WHERE SystemModstamp < $at AND Amount > $least AND Opened = $day", **wanted
        ) == [(6,)]
        assert engine.rows("SELECT Id FROM t WHERE Name || ' $x' = $name", **wanted) == [("005",)]
        assert engine.rows("SELECT Id FROM t WHERE {{has($ids, Id)}} ORDER BY Id", **wanted) == [("004",), ("009",)]
        engine.run(
            "CREATE TEMPORARY TABLE a AS SELECT Id FROM t WHERE Id < $to; CREATE TEMPORARY TABLE b AS SELECT Id FROM a",
            to="002",
        )
        assert engine.rows("SELECT count(*) FROM b") == [(2,)]
        assert sum(batch.num_rows for batch in engine.batches("SELECT * FROM t", rows=100)) == 500
        staged = engine.copy_to("SELECT Id, Amount AS Total, SystemModstamp AS At FROM t WHERE Amount >= $n", target, n=499)
        with pytest.raises(EngineError, match="needs the parameters nope"):
            engine.run("SELECT $nope")
    with transaction.atomic():
        register(target, staged, now=timezone.now())
    assert read(target) == [{"Id": "499", "Total": Decimal(499), "At": moment(499)}]


def test_r_071_texts_come_back_as_they_were(engine_name):
    table = accounts()
    texts = [
        "😀 𝒳",
        "שלום",
        "e\u0301",
        "a\u200bb",
        "line\nbreak\r\n\ttab",
        "\u2028",
        "'; DROP TABLE t; --",
        '"',
        "",
        " ",
        "\\",
        "a\0b",
        "\ufeffx",
    ]
    rows = [account(f"{n:02}", Name=text) for n, text in enumerate(texts)]
    store(table, rows)
    assert [row["Name"] for row in read(table)] == texts
    assert read(table, "SELECT Name FROM t WHERE Name = $name", name=texts[4]) == [{"Name": texts[4]}]


def test_r_073_first_and_last_day(engine_name):
    table = accounts()
    days = [date(1, 1, 1), date(1582, 10, 10), date(1969, 12, 31), date(9999, 12, 31)]
    rows = [
        account(
            f"{n}",
            Opened=day,
            OpensAt=time(23, 59, 59, 999999),
            SystemModstamp=datetime(*day.timetuple()[:3], 23, 59, 59, 999000, tzinfo=UTC),
        )
        for n, day in enumerate(days)
    ]
    store(table, rows)
    assert read(table) == rows
    assert read(table, "SELECT {{day_of(SystemModstamp)}} AS d FROM t") == [{"d": day} for day in days]


def test_i_22_numbers_are_exact(engine_name):
    table = accounts()
    numbers = ["0.1", "2.675", "99999999999999999999999999.999999999999", "-0.000000000001", "123456789012345678"]
    store(table, [account(f"{n}", Amount=Decimal(number)) for n, number in enumerate(numbers)])
    assert [row["Amount"] for row in read(table)] == [Decimal(number) for number in numbers]
    assert read(table, "SELECT sum(Amount) AS s FROM t WHERE Id IN ('0', '1')") == [{"s": Decimal("2.775")}]


def test_engine_error_names_no_value(engine_name):
    with open_engine() as engine:
        engine.bind("t", pa.table({"mail": ["anna@example.com"]}))
        with pytest.raises(EngineError) as caught:
            engine.rows(
                "SELECT CAST(mail AS BIGINT) FROM t"
                if engine_name == "duckdb"
                else "SELECT accurateCast(assumeNotNull(mail), 'Int64') FROM t"
            )
        assert "anna" not in str(caught.value)
        assert caught.value.__cause__ is None
        with pytest.raises(EngineError, match="nmae"):
            engine.rows('SELECT "nmae" FROM t')


def test_engine_sees_the_lake_and_nothing_else(tmp_path):
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with open_engine() as engine:
        for sql in (
            f"SELECT * FROM read_csv('{tmp_path}/secret.csv')",
            "INSTALL httpfs",
            "LOAD httpfs",
            "SET memory_limit='9GB'",
            f"COPY (SELECT 1) TO '{tmp_path}/out.csv'",
            "SELECT * FROM read_parquet('https://example.com/x.parquet')",
        ):
            with pytest.raises(EngineError):
                engine.run(sql)
        assert not (tmp_path / "out.csv").exists()
    assert not any((tmp_path / "lake").rglob("engine-*"))
