"""Who was erased is gone from every file and does not come back (I-23, S-112)."""

import time
from datetime import timedelta

import pyarrow.parquet as pq
import pytest
from django.db import transaction

from integrations.lake import erasing, erasures, forgetting, storage, upkeep
from integrations.lake.reading import newest, raw
from integrations.lake.tables import ensure_table
from integrations.lake.types import SchemaError
from integrations.lake.writing import open_writer, register
from integrations.models import Erasure, LakeFile, SalesforceOrg
from tests.lake.rows import account, accounts, read, store, table_of, write_all

pytestmark = pytest.mark.django_db
ANNA, BERT = "003000000000001AAA", "003000000000002AAA"


def contacts(org=None, number=1):
    return accounts(f"mirror/{number}/Contact", org=org)


def everything_on_disk() -> str:
    found = storage.open_store()
    return "".join(
        str(pq.read_table(found.root / each.path).to_pylist()) for each in found.files() if each.path.endswith("parquet")
    )


def test_s_112_erased_contact_is_gone_from_every_file_and_stays_gone(now):
    table = contacts()
    store(table, [account(ANNA, 1, Name="Anna Lee"), account(BERT, 1)], kind="base")
    store(table, [account(ANNA, 2, Name="Anna Maria Lee")])
    (untouched,) = store(table, [account(BERT, 2)])
    done = upkeep.erase("Contact", ANNA, now=now)
    assert (done.tables, done.files, done.rows) == (1, 2, 2)
    assert [row["Id"] for row in read(raw(table))] == [BERT, BERT]
    assert [row["Id"] for row in read(newest(table, include_removed=True))] == [BERT]
    upkeep.sweep_files(now=now + timedelta(hours=2))
    assert "Anna" not in everything_on_disk()
    assert LakeFile.objects.get(pk=untouched.pk).retired_at is None

    with open_writer(table) as writer:  # the next sync brings her again
        writer.write(table_of(table, [account(ANNA, 3, Name="Anna again"), account(BERT, 3)]))
    assert (writer.rows, writer.erased_rows) == (1, 1)
    with transaction.atomic():
        register(table, writer.staged, now=now)
    assert [row["Id"] for row in read(table)] == [BERT]
    assert "Anna" not in everything_on_disk()


def test_i_23_the_list_itself_names_nobody_and_erasing_twice_is_once(now):
    table = contacts()
    store(table, [account(ANNA, 1)])
    assert upkeep.erase("Contact", ANNA, now=now).rows == 1
    assert upkeep.erase("Contact", ANNA, now=now) == erasing.Erased(1, 0, 0)
    erasure = Erasure.objects.get()
    assert ANNA not in str(vars(erasure))
    assert erasure.done_at == now
    assert upkeep.is_erased("Contact", ANNA)
    assert not upkeep.is_erased("Contact", BERT)
    assert not upkeep.is_erased("Lead", ANNA)
    assert upkeep.erased_digests("Contact") == {erasure.digest}


def test_i_23_the_same_id_in_another_org_is_another_person(now):
    first = SalesforceOrg.objects.create(name="One", login_url="https://one.my.salesforce.com")
    second = SalesforceOrg.objects.create(name="Two", login_url="https://two.my.salesforce.com")
    mine, theirs = contacts(first, 1), contacts(second, 2)
    for table in (mine, theirs):
        store(table, [account(ANNA, 1)])
    upkeep.erase("Contact", ANNA, org=first, now=now)
    assert (len(read(mine)), len(read(theirs))) == (0, 1)
    assert upkeep.is_erased("Contact", ANNA, org=first)
    assert not upkeep.is_erased("Contact", ANNA, org=second)
    assert not upkeep.is_erased("Contact", ANNA)
    upkeep.erase("Contact", ANNA, now=now)  # everywhere
    assert read(theirs) == []
    store(theirs, [account(ANNA, 2)])
    assert read(theirs) == []


def test_i_23_rows_of_others_that_name_the_person_go_too(now):
    tasks = ensure_table(
        "mirror/1/Task",
        columns=[("Id", "text"), ("WhoId", "text"), ("n", "whole")],
        key="Id",
        subjects={"WhoId": "Contact"},
        family="Task",
    )
    users = ensure_table("spine/end_users", columns=[("id", "whole"), ("mail", "text")], key="id", family="end_user")
    rows = [{"Id": "t1", "WhoId": ANNA, "n": 1}, {"Id": "t2", "WhoId": None, "n": 2}, {"Id": "t3", "WhoId": BERT, "n": 3}]
    store(tasks, rows)
    store(users, [{"id": 7, "mail": "anna@x"}, {"id": 8, "mail": "bert@x"}])
    assert upkeep.erase("Contact", ANNA, now=now).rows == 1
    assert upkeep.erase("end_user", "7", now=now).rows == 1
    store(tasks, rows)
    store(users, [{"id": 7, "mail": "again"}])
    assert [row["Id"] for row in read(tasks)] == ["t2", "t3"]
    assert [row["id"] for row in read(users)] == [8]
    with pytest.raises(SchemaError, match="subject columns n2 must be"):
        ensure_table("x", columns=[("n", "whole")], subjects={"n2": "Contact"})


def test_i_23_a_named_column_can_be_searched_without_being_a_subject(now):
    log = ensure_table("log", columns=[("who", "text"), ("what", "text")])
    store(log, [{"who": ANNA, "what": "x"}, {"who": None, "what": "y"}])
    assert upkeep.erase("Contact", ANNA, tables={log: "who"}, now=now).rows == 1
    assert [row["what"] for row in read(log)] == ["y"]


def test_i_07_a_rewritten_file_stays_as_old_as_it_was(now):
    table = ensure_table("outbox/1", columns=[("key", "text"), ("v", "text")], key="key")
    store(table, [{"key": "a", "v": "old"}, {"key": "erased", "v": "x"}])
    store(table, [{"key": "a", "v": "new"}])
    upkeep.erase("1", "erased", now=now)
    assert read(table) == [{"key": "a", "v": "new"}]
    assert list(LakeFile.objects.filter(retired_at=None).values_list("number", flat=True)) == [1, 2]


def test_i_23_what_was_staged_before_the_erasure_is_cleaned_on_its_way_in(now):
    table = contacts()
    staged = write_all(table, [table_of(table, [account(ANNA, 1), account(BERT, 1)])])
    only_anna = write_all(table, [table_of(table, [account(ANNA, 1)])])
    upkeep.erase("Contact", ANNA, now=now)
    with transaction.atomic():
        assert len(register(table, [*staged, *only_anna], now=now)) == 1
    assert [row["Id"] for row in read(raw(table))] == [BERT]


def test_i_23_compaction_beside_an_erasure_does_not_bring_the_person_back(now, monkeypatch):
    table = contacts()
    store(table, [account(ANNA, 1), account(BERT, 1)])
    store(table, [account(BERT, 2)])
    plain = upkeep.reading.relation_of

    def erase_now(*args, **extra):
        relation = plain(*args, **extra)
        monkeypatch.setattr(upkeep.reading, "relation_of", plain)
        upkeep.erase("Contact", ANNA, now=now)
        return relation

    monkeypatch.setattr(upkeep.reading, "relation_of", erase_now)
    assert upkeep.compact(table, now=now).lost
    assert [row["Id"] for row in read(raw(table))] == [BERT, BERT]
    assert not upkeep.compact(table, now=now).lost
    assert [row["Id"] for row in read(raw(table))] == [BERT]


def test_i_23_an_erasure_that_died_is_finished_from_its_digest(now):
    table = contacts()
    store(table, [account(ANNA, 1), account(BERT, 1)])
    store(table, [account(BERT, 2)])
    erasing._remember("Contact", ANNA, org=None, tables=[table], now=now)
    assert len(read(table)) == 2
    (done,) = forgetting.finish_erasures(now=now)
    assert Erasure.objects.get().done_at == now
    assert done.kind == "Contact"
    assert [row["Id"] for row in read(raw(table))] == [BERT, BERT]
    assert forgetting.finish_erasures(now=now) == []


def test_i_23_a_new_secret_key_still_knows_whom_the_old_one_erased(now, settings):
    table = contacts()
    upkeep.erase("Contact", ANNA, now=now)
    old = settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "n" * 60, [old]
    assert upkeep.is_erased("Contact", ANNA)
    store(table, [account(ANNA, 1)])
    assert read(table) == []
    assert upkeep.forgotten_keys() == 0
    settings.SECRET_KEY_FALLBACKS = []
    assert upkeep.forgotten_keys() == 1


def test_i_23_erasing_in_a_partitioned_table_keeps_its_days(now):
    table = ensure_table("e", columns=[("id", "text"), ("at", "day")], key="id", day="at", family="event")
    store(table, [{"id": "a", "at": now.date()}, {"id": "b", "at": now.date()}, {"id": "a", "at": now.date() - timedelta(1)}])
    assert upkeep.erase("event", "a", now=now).files == 2
    (file,) = LakeFile.objects.filter(retired_at=None)
    assert file.day == now.date()
    assert [row["id"] for row in read(table)] == ["b"]


def test_the_check_of_a_million_ids_is_affordable(now):
    upkeep.erase("Contact", ANNA, now=now)
    known = erasures.list_of(contacts())
    begun = time.process_time()
    assert not any(known.covers("Id", f"003{n:015}") for n in range(20_000))
    assert time.process_time() - begun < 0.5  # 25 us an id at the very worst; about 3 us measured
