"""What is new among the rows of a read: compared with the mirror in both engines, whatever the order of arrival."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from django.db import transaction
from django.utils import timezone

from integrations.lake.tables import ensure_table
from integrations.lake.types import arrow_schema
from integrations.lake.writing import StagedFile, open_writer, register
from integrations.models import LakeTable
from integrations.sync.mirror import filling, settling, tables

pytestmark = pytest.mark.django_db
COLUMNS = (
    ("Id", "text"), ("SystemModstamp", "moment"), ("IsDeleted", "flag"), ("Name", "text"), ("Amount", "number"), ("Day", "day"),
    ("Size", "whole"),
)  # fmt: skip
START = datetime(2026, 7, 1, tzinfo=UTC)
NAMES = [name for name, _ in COLUMNS]


@pytest.fixture(params=["duckdb://", "chdb://"])
def engine(request, settings) -> str:
    if request.param == "chdb://":
        pytest.importorskip("chdb", reason="chdb is not installed: the statements are checked on DuckDB only")
    settings.LAKE_ENGINE_URL = request.param
    return request.param


@pytest.fixture
def table(db) -> LakeTable:
    return ensure_table("mirror/1/Thing", columns=COLUMNS, key="Id", version="SystemModstamp", removed="IsDeleted")


def at(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


def row(key: str, minutes: int, **values: Any) -> dict[str, Any]:
    usual = {"Name": f"{key}-{minutes}", "Amount": Decimal("0.1"), "Day": START.date(), "Size": None, "IsDeleted": False}
    return {"Id": key, "SystemModstamp": at(minutes), **usual, **values}


def stage(table: LakeTable, *rows: dict[str, Any], without: tuple[str, ...] = ()) -> StagedFile:
    kept = [column for column in COLUMNS if column[0] not in without]
    with open_writer(table, columns=[name for name, _ in kept]) as writer:
        bare = [{name: each[name] for name, _ in kept} for each in rows]
        writer.write(pa.Table.from_pylist(bare, schema=arrow_schema(kept)))
    return writer.staged


def settle(table: LakeTable, *files: StagedFile, since: datetime | None = None, **options: Any) -> settling.Settled:
    found = settling.settle(table, files, columns=NAMES, since=since, **options)
    with transaction.atomic():
        register(table, found.files, now=timezone.now())
    return found


def stored(table: LakeTable) -> dict[str, dict[str, Any]]:
    from integrations.lake.engine import open_engine
    from integrations.lake.reading import newest

    with open_engine() as opened:
        opened.bind("stored", newest(table, include_removed=True))
        return {each["Id"]: each for each in opened.table("SELECT * FROM stored").to_pylist()}


def counts(found: settling.Settled) -> tuple[int, int, int]:
    return found.written, found.unchanged, found.superseded


def test_the_first_rows_are_the_base(engine, table):
    found = settle(table, stage(table, row("a", 1), row("b", 1)))
    assert counts(found) == (2, 0, 0)
    assert [each.kind for each in found.files] == ["base"]


def test_the_first_rows_with_an_id_twice_keep_the_newer(engine, table):
    found = settle(table, stage(table, row("a", 2), row("b", 1)), stage(table, row("a", 1)))
    assert counts(found) == (2, 0, 1)
    assert stored(table)["a"]["Name"] == "a-2"


def test_rows_in_rising_order_are_not_looked_at(engine, table):
    found = settle(table, stage(table, row("a", 1)), ascending=True)
    assert [each.kind for each in found.files] == ["base"]


@pytest.mark.parametrize("since", [None, at(0)])
def test_known_rows_are_unchanged_newer_ones_written_older_ones_dropped(engine, table, since):
    settle(table, stage(table, row("a", 5), row("b", 5), row("c", 5)))
    found = settle(table, stage(table, row("a", 5), row("b", 6), row("c", 4), row("d", 5)), since=since)
    assert counts(found) == (2, 2, 0)
    assert {key: each["Name"] for key, each in stored(table).items()} == {"a": "a-5", "b": "b-6", "c": "c-5", "d": "d-5"}


@pytest.mark.parametrize(
    "changed",
    [
        {"Name": "other"},
        {"Name": None},
        {"Amount": Decimal("0.2")},
        {"Amount": None},
        {"Size": 7},
        {"IsDeleted": True},
        {"Day": None},
    ],
    ids=str,
)
def test_an_equal_version_with_another_value_is_news(engine, table, changed):
    """SystemModstamp has whole seconds, and two saves fit into one."""
    settle(table, stage(table, row("a", 5), row("b", 5)))
    found = settle(table, stage(table, row("a", 5, **changed), row("b", 5)), since=at(0))
    assert counts(found) == (1, 1, 0)
    assert stored(table)["a"].items() >= changed.items()


def test_an_equal_value_that_was_between_is_news_again(engine, table):
    """A, then B, then A in one second: the last one counts, although it was there before."""
    settle(table, stage(table, row("a", 5, Name="A")))
    settle(table, stage(table, row("a", 5, Name="B")), since=at(0))
    found = settle(table, stage(table, row("a", 5, Name="A")), since=at(0))
    assert counts(found) == (1, 0, 0)
    assert stored(table)["a"]["Name"] == "A"


def test_equal_versions_are_trusted_where_that_is_asked_for(engine, table):
    settle(table, stage(table, row("a", 5)))
    found = settle(table, stage(table, row("a", 5, Name="other")), compare_values=False)
    assert counts(found) == (0, 1, 0)


def test_r_045_of_two_readings_in_one_read_the_newer_is_kept(engine, table):
    settle(table, stage(table, row("a", 1)))
    found = settle(table, stage(table, row("a", 7), row("b", 2)), stage(table, row("a", 6), row("b", 3)), since=at(0))
    assert counts(found) == (2, 0, 2)
    assert {key: each["Name"] for key, each in stored(table).items()} == {"a": "a-7", "b": "b-3"}


def test_r_077_columns_that_the_file_lacks_keep_what_the_mirror_holds(engine, table):
    settle(table, stage(table, row("a", 1, Size=9), row("b", 1, Size=8)))
    found = settle(table, stage(table, row("a", 2), row("c", 2), without=("Size",)), since=at(0))
    assert counts(found) == (2, 0, 0)
    after = stored(table)
    assert {key: each["Size"] for key, each in after.items()} == {"a": 9, "b": 8, "c": None}
    assert after["a"]["Name"] == "a-2"


def test_r_077_a_file_without_a_column_changes_nothing_by_lacking_it(engine, table):
    settle(table, stage(table, row("a", 1, Size=9)))
    found = settle(table, stage(table, row("a", 1), without=("Size",)), since=at(0))
    assert counts(found) == (0, 1, 0)


def test_a_quiet_overlap_registers_the_staged_file_itself(engine, table):
    settle(table, stage(table, row("a", 1)))
    staged = stage(table, row("b", 60))
    assert settle(table, staged, since=at(30)).files == (staged,)


def test_without_a_version_everything_is_compared(engine, db):
    table = ensure_table("mirror/1/Plain", columns=COLUMNS, key="Id")
    settle(table, stage(table, row("a", 1), row("b", 1)))
    found = settle(table, stage(table, row("a", 1), row("b", 1, Name="other"), row("c", 1)))
    assert counts(found) == (2, 1, 0)


def test_i_07_any_order_of_arrival_ends_in_the_newest_of_each(engine, table):
    """Random reads with overlaps, delays and repetitions."""
    dice = random.Random(11)
    truth: dict[str, int] = {}
    pending: list[list[dict[str, Any]]] = []
    for minute in range(1, 25):
        for key in dice.sample("abcdefgh", 3):
            truth[key] = minute
        pending.append([row(key, version) for key, version in truth.items() if version > minute - 6])
        if dice.random() < 0.6:
            settle(
                table,
                stage(table, *pending.pop(dice.randrange(len(pending)))),
                since=at(minute - 12) if dice.random() < 0.3 else None,
            )
    for rows in dice.sample(pending, len(pending)):
        settle(table, stage(table, *rows))
    assert {key: each["Name"] for key, each in stored(table).items()} == {
        key: f"{key}-{minute}" for key, minute in truth.items()
    }


# --- columns that join later -----------------------------------------------------------------------------------------------


def page(table: LakeTable, *rows: tuple[str, int, int | None]) -> StagedFile:
    made = [{"Id": key, "SystemModstamp": at(minute), "Size": size} for key, minute, size in rows]
    columns = [column for column in COLUMNS if column[0] in ("Id", "SystemModstamp", "Size")]
    with open_writer(table, columns=[name for name, _ in columns]) as writer:
        writer.write(pa.Table.from_pylist(made, schema=arrow_schema(columns)))
    return writer.staged


def test_i_07_filling_a_column_moves_no_other_and_no_newer_row(engine, table):
    settle(table, stage(table, row("a", 5), row("b", 5), row("c", 5), row("d", 5, Size=4)))
    settle(table, stage(table, row("b", 9, Size=1)), since=at(6))
    before = stored(table)
    filled = filling.fill(table, page(table, ("a", 5, 3), ("b", 5, 2), ("c", 5, None), ("d", 5, 4), ("x", 5, 1)), ["Size"])
    assert (filled.file.rows, filled.unchanged, filled.unknown) == (1, 3, 1)
    with transaction.atomic():
        assert not filling.is_overtaken(table, filled)
        register(table, filled.file, now=timezone.now())
    after = stored(table)
    assert {key: each["Size"] for key, each in after.items()} == {"a": 3, "b": 1, "c": None, "d": 4}
    assert {key: {**each, "Size": 0} for key, each in after.items()} == {
        key: {**each, "Size": 0} for key, each in before.items()
    }


def test_filling_notices_a_file_that_came_in_between(engine, table):
    settle(table, stage(table, row("a", 5)))
    filled = filling.fill(table, page(table, ("a", 5, 3)), ["Size"])
    settle(table, stage(table, row("b", 9)), since=at(6))
    with transaction.atomic():
        assert filling.is_overtaken(table, filled)


def test_counts_of_live_and_deleted_rows(engine, table):
    assert tables.count_rows(table) == (0, 0)
    settle(table, stage(table, row("a", 5), row("b", 5), row("c", 5)))
    settle(table, stage(table, row("b", 6, IsDeleted=True)), since=at(6))
    assert tables.count_rows(table) == (2, 1)


def test_nothing_was_read(engine, table):
    assert counts(settle(table, replace(stage(table, row("a", 1)), rows=0))) == (0, 0, 0)
