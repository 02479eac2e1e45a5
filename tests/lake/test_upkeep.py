"""Compaction, retention, sweeping: nothing is lost, readers are not disturbed, what is nobody's goes."""

import os
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest
from django.db import transaction
from django.utils import timezone

from integrations.lake import storage, upkeep
from integrations.lake.failures import EngineError
from integrations.lake.reading import newest, raw
from integrations.lake.tables import drop_table, ensure_table
from integrations.lake.types import SchemaError
from integrations.lake.writing import StagedFile, register
from integrations.models import LakeFile, LakeTable
from tests.lake.rows import account, accounts, read, store, table_of, write_all

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def files_on_disk() -> set[str]:
    return {found.path for found in storage.open_store().files()}


def events(**extra) -> LakeTable:
    return ensure_table(
        "product/events", columns=[("event_id", "text"), ("at", "moment"), ("user", "text")], key="event_id", day="at", **extra
    )


def event(name, at, user="u1"):
    return {"event_id": name, "at": datetime.fromisoformat(at).replace(tzinfo=UTC), "user": user}


def test_compaction_changes_no_row_and_leaves_one_base(engine_name, now):
    table = accounts()
    store(table, [account("a", 1), account("b", 1)])
    store(table, [account("a", 2, Name="new"), account("c", 1, IsDeleted=True)])
    store(table, [account("b", 0, Name="older, arrived later")])
    before, with_removed = read(table), read(newest(table, include_removed=True))
    done = upkeep.compact(table, now=now)
    assert (done.before, done.files, done.rows, done.lost) == (3, 1, 3, False)
    assert read(table) == before
    assert read(newest(table, include_removed=True)) == with_removed
    live = LakeFile.objects.filter(retired_at=None)
    assert [(file.kind, file.rows) for file in live] == [("base", 3)]
    table.refresh_from_db()
    assert table.compacted_at == now
    again = upkeep.compact(table, now=now)
    assert (again.before, again.files) == (0, 0)


def test_reader_with_old_files_works_for_the_hour_of_grace(now):
    table = accounts()
    store(table, [account("a", 1)])
    store(table, [account("b", 1)])
    relation = newest(table)
    upkeep.compact(table, now=now)
    assert upkeep.sweep_files(now=now + HOUR).files == 0
    assert [row["Id"] for row in read(relation)] == ["a", "b"]
    assert upkeep.sweep_files(now=now + HOUR + timedelta(seconds=1)).files == 2
    assert files_on_disk() == set(LakeFile.objects.values_list("path", flat=True))
    assert [row["Id"] for row in read(table)] == ["a", "b"]
    with pytest.raises(EngineError, match="file"):
        read(relation)


def test_rows_that_come_during_a_compaction_stay(now, monkeypatch):
    table = accounts()
    store(table, [account("a", 1), account("b", 1)])
    store(table, [account("a", 2)])
    plain = upkeep.register

    def register_late(*args, **extra):
        monkeypatch.setattr(upkeep, "register", plain)
        store(table, [account("a", 2, Name="same version, while compacting"), account("d", 1)])
        return plain(*args, **extra)

    monkeypatch.setattr(upkeep, "register", register_late)
    upkeep.compact(table, now=now)
    assert {row["Id"]: row["Name"] for row in read(table)} == {
        "a": "same version, while compacting", "b": "Name of b", "d": "Name of d",
    }  # fmt: skip
    upkeep.compact(table, now=now)
    assert LakeFile.objects.filter(retired_at=None).count() == 1
    assert len(read(table)) == 3


def test_compaction_that_was_overtaken_changes_nothing(now, monkeypatch):
    table = accounts()
    store(table, [account("a", 1)])
    store(table, [account("b", 1)])
    plain = upkeep.open_engine

    @contextmanager
    def open_and_be_late():
        with plain() as engine:
            yield engine
        monkeypatch.setattr(upkeep, "open_engine", plain)
        assert not upkeep.compact(table, now=now).lost

    monkeypatch.setattr(upkeep, "open_engine", open_and_be_late)
    assert upkeep.compact(table, now=now).lost
    assert [file.kind for file in LakeFile.objects.filter(retired_at=None)] == ["base"]
    assert len(read(raw(table))) == 2
    assert files_on_disk() == set(LakeFile.objects.values_list("path", flat=True))


def test_partitioned_table_has_a_file_a_day_and_compacts_by_day(engine_name, now):
    table = events()
    made = store(table, [event("1", "2026-01-01T23:59:59"), event("2", "2026-01-02T00:00:00"), event("1", "2026-01-01T10:00")])
    assert {file.day.isoformat(): file.rows for file in made} == {"2026-01-01": 2, "2026-01-02": 1}
    store(table, [event("1", "2026-01-01T10:00", user="later file"), event("3", "1969-12-31T23:59:59")])
    found = {row["event_id"]: row["user"] for row in read(table)}
    assert found == {"1": "later file", "2": "u1", "3": "u1"}
    upkeep.compact(table, now=now)
    live = LakeFile.objects.filter(retired_at=None)
    assert sorted((file.day.isoformat(), file.kind, file.rows) for file in live) == [
        ("1969-12-31", "base", 1), ("2026-01-01", "base", 1), ("2026-01-02", "base", 1),
    ]  # fmt: skip
    assert {row["event_id"]: row["user"] for row in read(table)} == found
    one = newest(table, since=date(2026, 1, 2), until=date(2026, 1, 2))
    assert len(one.files) == 1
    assert [row["event_id"] for row in read(one)] == ["2"]


def test_the_same_key_on_another_day_is_another_row_before_and_after_compaction(engine_name, now):
    table = events()
    store(table, [event("1", "2026-01-01"), event("1", "2026-01-02")])
    store(table, [event("1", "2026-01-02", user="u2")])
    before = read(table)
    assert sorted(row["user"] for row in before) == ["u1", "u2"]
    upkeep.compact(table, now=now)
    assert read(table) == before
    store(table, [event("1", "2026-01-01", user="u3")])
    assert sorted(row["user"] for row in read(table)) == ["u2", "u3"]


def test_days_beyond_what_is_kept_open_share_the_memory(monkeypatch):
    monkeypatch.setattr("integrations.lake.writing.OPEN_DAYS", 3)
    monkeypatch.setattr("integrations.lake.writing.BUFFER_BYTES", 200)
    table = events()
    rows = [event(f"{n}", (datetime(2026, 1, 1) + timedelta(days=n % 7)).isoformat()) for n in range(70)]
    made = write_all(table, [table_of(table, rows[n : n + 5]) for n in range(0, 70, 5)])
    assert sum(file.rows for file in made) == 70
    with transaction.atomic():
        register(table, made, now=timezone.now())
    assert len(read(table)) == 70


def test_r_261_writer_that_fails_in_the_middle_leaves_nothing(monkeypatch):
    table = events()
    pages = [table_of(table, [event(f"{n}", f"2026-01-{n:02}") for n in range(1, 32)])] * 2
    monkeypatch.setattr("integrations.lake.writing.OPEN_DAYS", 3)  # so that most files are finished when it fails
    with pytest.raises(SchemaError):
        write_all(table, [*pages, pa.table({"x": [1]})])
    assert files_on_disk() == set()


def test_s_114_events_past_their_retention_go(now):
    table = events(keep_days=30)
    today = now.astimezone(UTC).date()
    store(table, [event(f"{n}", (today - timedelta(days=n)).isoformat()) for n in (0, 29, 30, 31, 400)])
    assert upkeep.retire_old(table, now=now) == 2
    assert sorted(row["event_id"] for row in read(table)) == ["0", "29", "30"]
    upkeep.sweep_files(now=now + HOUR * 2)
    assert len(files_on_disk()) == 3
    assert upkeep.retire_old(accounts(), now=now) == 0
    with pytest.raises(SchemaError, match="keep_days is at least 1 and needs a day column"):
        ensure_table("x", columns=[("a", "text")], keep_days=3)
    with pytest.raises(SchemaError, match="keep_days"):
        events(keep_days=0)


def test_sweeper_takes_old_strays_and_nothing_else(now):
    table = accounts()
    store(table, [account("a", 1)])
    (stray,) = write_all(table, [table_of(table, [account("b", 1)])])
    store_ = storage.open_store()
    (store_.root / ".tmp" / "killed.part").write_bytes(b"half")
    (store_.root / ".tmp" / "engine-1-dead").mkdir()
    (store_.root / ".tmp" / "engine-1-dead" / "spill").write_bytes(b"x" * 10)
    assert upkeep.sweep_files(now=now) == upkeep.Swept(0, 0)
    for folder, _, names in os.walk(store_.root):
        for name in names:
            os.utime(os.path.join(folder, name), (now.timestamp() - 90_000,) * 2)
    swept = upkeep.sweep_files(now=now)
    assert swept.files == 3
    assert swept.bytes == stray.bytes + 4 + 10
    assert files_on_disk() == set(LakeFile.objects.values_list("path", flat=True))
    assert [row["Id"] for row in read(table)] == ["a"]


def test_a_file_that_cannot_be_deleted_keeps_no_other_from_going(now, monkeypatch):
    table = accounts()
    store(table, [account("a", 1)])
    store(table, [account("b", 1)])
    first = LakeFile.objects.order_by("number").first()
    LakeFile.objects.update(retired_at=now)
    plain = storage.Folder.delete

    def refuse(self, path):
        if path == first.path:
            raise PermissionError(13, "Permission denied")
        plain(self, path)

    monkeypatch.setattr(storage.Folder, "delete", refuse)
    swept = upkeep.sweep_files(now=now + HOUR * 2)
    assert (swept.files, swept.stuck) == (1, 1)
    assert list(LakeFile.objects.all()) == [first]


def test_dropped_table_is_swept_from_the_disk(now):
    table = accounts()
    store(table, [account("a", 1)])
    drop_table(table)
    upkeep.sweep_files(now=now + DAY + HOUR)
    assert files_on_disk() == set()


def test_which_tables_are_due(now):
    def table(name, base=0, deltas=(), age=timedelta()):
        made = accounts(name)
        if base:
            store(made, [account(f"{n}", 1) for n in range(base)], kind="base")
        for rows in deltas:
            store(made, [account(f"{n}", 1) for n in range(rows)])
        LakeFile.objects.filter(table=made).update(registered_at=now - age)

    table("empty")
    table("only_base", base=20)
    table("few", base=100, deltas=[5, 4])
    table("tenth", base=100, deltas=[5, 5])
    table("many", base=100, deltas=[1] * 8)
    table("old", base=100, deltas=[1], age=timedelta(days=7))
    table("first", deltas=[1])
    log = ensure_table("log", columns=[("x", "text")])
    for _ in range(8):
        store(log, [{"x": "1"}])
    assert [each.name for each in upkeep.compact_due(now=now)] == ["tenth", "many", "old", "first", "log"]
    assert list(upkeep.due_tables(now=now)) == []
    assert len(read(log)) == 8


def test_a_thousand_small_deltas_read_as_one_and_compact(now, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # 2,000 of them take seconds and prove nothing here
    table = accounts()
    with transaction.atomic():
        for n in range(1000):
            (staged,) = write_all(
                table, [table_of(table, [account(f"{n % 100:03}", n), account("same", 1000 - n, Name=f"{n}")])]
            )
            register(table, staged, now=now)
    rows = {row["Id"]: row for row in read(table)}
    assert len(rows) == 101
    assert rows["same"]["Name"] == "0"
    assert all(rows[f"{n:03}"]["SystemModstamp"].timestamp() == 1_700_000_900 + n for n in range(100))
    assert upkeep.compact(table, now=now).rows == 101
    assert {row["Id"]: row for row in read(table)} == rows


def test_missing_file_is_found_and_reading_says_so(now):
    table = accounts()
    (file,) = store(table, [account("a", 1)])
    assert upkeep.missing_files() == []
    storage.open_store().delete(file.path)
    assert upkeep.missing_files() == [file]
    with pytest.raises(EngineError):
        read(table)


def test_health_counts_live_files(now):
    table = accounts()
    store(table, [account("a", 1)])
    store(table, [account("a", 2), account("b", 1)])
    upkeep.compact(table, now=now)
    store(table, [account("c", 1)])
    health = upkeep.health_of(table)
    assert (health.files, health.deltas, health.rows) == (2, 1, 3)
    assert health.bytes > 0


def test_staged_file_survives_a_checkpoint():
    staged = StagedFile("a/b.parquet", 3, 10, "delta", ("x", "y"), date(2026, 1, 1), 4)
    import json

    assert StagedFile.from_json(json.loads(json.dumps(staged.to_json()))) == staged
