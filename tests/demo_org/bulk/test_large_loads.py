"""Large loads take short cuts (columns of one value stand in the statement, old values are kept as columns): the same result."""

import pytest

from integrations.demo_org.rows import UNSET
from integrations.demo_org.store import MANY, insert_sql, literal, split_constants

ROWS = MANY + 50
KEY = "External_Id__c"


def table(header: str, line) -> str:
    return header + "\n" + "".join(f"{line(n)}\n" for n in range(ROWS))


def test_a_column_of_one_value_is_stored_as_given(bulk) -> None:
    bulk.load("Account", "insert", table("Name,Site,Fax", lambda n: f'"O\'Neil ""{n}""",it\'s ?1 {{}} ; --,'))
    found = bulk.org.store.read().execute("SELECT Name, Site, Fax, OwnerId FROM Account ORDER BY rowid").fetchall()
    assert found[0] == ('O\'Neil "0"', "it's ?1 {} ; --", None, bulk.small.user_id())
    assert {row[1:] for row in found} == {found[0][1:]}
    assert len({row[0] for row in found}) == ROWS


def test_a_column_that_leaves_everything_alone_changes_nothing(bulk) -> None:
    bulk.load("Account", "insert", table(f"{KEY},Name,Site,Phone", lambda n: f"K{n},A{n},here,1"))
    job = bulk.load("Account", "upsert", table(f"{KEY},Site,Phone,Fax", lambda n: f"K{n},,#N/A,same"), externalIdFieldName=KEY)
    assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (ROWS, 0)
    assert set(bulk.org.store.read().execute("SELECT Site, Phone, Fax FROM Account")) == {("here", None, "same")}


def test_some_rows_of_a_large_load_fail_and_the_others_do_not(bulk) -> None:
    bulk.insert("Account", {"Name": "Old", KEY: "K7"})
    lines = table(f"{KEY},Name,NumberOfEmployees", lambda n: f"K{n},A{n},{'x' if n == 3 else 5}")
    job = bulk.load("Account", "insert", lines)
    failed = bulk.outcome(job, "failedResults")[1:]
    assert sorted(row[2] for row in failed) == ["K3", "K7"]
    assert {row[1].partition(":")[0] for row in failed} == {"INVALID_TYPE_ON_FIELD_IN_RECORD", "DUPLICATE_VALUE"}
    assert len(bulk.stored("Account", "Id")) == ROWS - 2 + 1


def test_audit_fields_of_a_large_upsert(bulk) -> None:
    bulk.load("Account", "insert", table(f"{KEY},Name", lambda n: f"K{n},A{n}"))
    before = dict(bulk.org.store.read().execute(f"SELECT {KEY}, CreatedDate FROM Account"))
    bulk.org.clock.advance(100)
    bulk.load("Account", "upsert", table(f"{KEY},Name", lambda n: f"K{n},B{n}"), externalIdFieldName=KEY)
    columns = f"{KEY}, Name, CreatedDate, LastModifiedDate, SystemModstamp, LastModifiedById"
    rows = bulk.org.store.read().execute(f"SELECT {columns} FROM Account").fetchall()
    assert all(
        name == f"B{key[1:]}" and created == before[key] < changed == stamp for key, name, created, changed, stamp, _ in rows
    )
    assert {row[5] for row in rows} == {bulk.small.user_id()}


@pytest.mark.parametrize("value", ["a\x00b", UNSET, 1.5, True, b"x"])
def test_what_cannot_stand_in_a_statement_stays_a_parameter(value: object) -> None:
    assert literal(value) is None
    assert split_constants({"A": [value] * MANY})[0] == {}


def test_few_rows_keep_one_statement() -> None:
    assert split_constants({"A": ["x"] * (MANY - 1)})[0] == {}
    assert insert_sql("T", {"A": ["x"] * 2})[0] == 'INSERT INTO "T" ("A") VALUES (?)'


def test_a_table_of_only_constants_still_counts_its_rows() -> None:
    sql, rows = insert_sql("T", {"A": ["x"] * MANY, "B": [None] * MANY, "C": [1, 2] * (MANY // 2)})
    assert sql == 'INSERT INTO "T" ("C", "A", "B") VALUES (?, \'x\', NULL)'
    assert len(list(rows)) == MANY
    sql, rows = insert_sql("T", {"A": ["x"] * MANY, "B": ["y"] * MANY})
    assert (sql, len(list(rows))) == ('INSERT INTO "T" ("A", "B") VALUES (?, \'y\')', MANY)
