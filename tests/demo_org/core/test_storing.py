"""The store: restarts, resets, readers beside a writer, nested transactions."""

import threading

import pytest

from integrations.demo_org.opening import open_org
from integrations.demo_org.org import Caller
from integrations.demo_org.saving import save
from integrations.demo_org.schema.stored import field_from_json, field_to_json, object_from_json, object_to_json
from integrations.demo_org.schema.types import Field, ObjectType, PicklistValue


def tiny():
    stamps = [Field(name, name, "datetime", createable=False, updateable=False) for name in ("CreatedDate", "SystemModstamp")]
    fields = (
        Field("Id", "Id", "id", length=18, createable=False, updateable=False),
        Field("IsDeleted", "Deleted", "boolean", nillable=False, createable=False, updateable=False),
        Field("Name", "Name", length=80, nillable=False, name_field=True),
        Field("Key__c", "Key", length=20, external_id=True, unique=True, custom=True),
        Field("Number__c", "Number", auto_number=True, default="T-{000}", createable=False, updateable=False),
        *stamps,
    )
    return [ObjectType("Thing__c", "Thing", "Things", "a00", fields, custom=True)]


def create(org, *names):
    return save(org, Caller(""), "Thing__c", [{"Name": name} for name in names], operation="insert")


def create_and_fail(org):
    with org.store.write():
        create(org, "inner")
        raise RuntimeError


def names(org):
    return [row[0] for row in org.store.read().execute("SELECT Name FROM Thing__c ORDER BY Id")]


def test_records_numbers_and_deployed_fields_survive_a_restart(tmp_path):
    org = open_org(tmp_path, objects=tiny())
    first = create(org, "a", "b")
    org.add_field("Thing__c", Field("Color__c", "Color", "picklist", picklist=(PicklistValue("red"),), custom=True))
    org.close()
    again = open_org(tmp_path, objects=tiny())
    assert names(again) == ["a", "b"]
    third = create(again, "c")[0]
    assert third.id not in {each.id for each in first}
    sql = "SELECT Number__c FROM Thing__c WHERE Id = ?"
    assert again.store.read().execute(sql, (third.id,)).fetchone()[0] == "T-003"
    assert save(again, Caller(""), "Thing__c", [{"Name": "d", "Color__c": "red"}], operation="insert")[0].success
    again.close()


def test_an_interrupted_seeding_starts_again(tmp_path):
    org = open_org(tmp_path, objects=tiny())
    create(org, "half")
    org.close()
    (tmp_path / "pristine.sqlite3").unlink()
    again = open_org(tmp_path, objects=tiny())
    assert names(again) == []
    again.close()


def test_a_reset_is_seen_by_every_thread(tmp_path):
    org = open_org(tmp_path, objects=tiny())
    create(org, "a")
    seen, go, done = [], threading.Event(), threading.Event()

    def look():
        seen.append(names(org))
        done.set()
        go.wait(60)
        seen.append(names(org))

    thread = threading.Thread(target=look)
    thread.start()
    done.wait(60)
    org.reset()
    go.set()
    thread.join(60)
    assert seen == [["a"], []]
    assert create(org, "b")[0].success
    org.close()


def test_a_reader_sees_only_what_was_committed_and_the_writer_what_it_wrote(tmp_path):
    org = open_org(tmp_path, objects=tiny())
    elsewhere = []
    with org.store.write():
        create(org, "a")
        assert names(org) == ["a"]
        thread = threading.Thread(target=lambda: elsewhere.append(names(org)))
        thread.start()
        thread.join(60)
    assert elsewhere == [[]]
    assert names(org) == ["a"]
    org.close()


def test_an_inner_transaction_rolls_back_alone(tmp_path):
    org = open_org(tmp_path, objects=tiny())
    with org.store.write():
        create(org, "outer")
        with pytest.raises(RuntimeError):
            create_and_fail(org)
        create(org, "after")
    assert names(org) == ["outer", "after"]
    org.close()


def test_writers_wait_for_each_other_and_lose_nothing(tmp_path):
    org = open_org(tmp_path, objects=tiny())
    threads = [threading.Thread(target=lambda n=n: [create(org, f"{n}-{m}") for m in range(20)]) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(set(names(org))) == 100
    ids = [row[0] for row in org.store.read().execute("SELECT Id FROM Thing__c")]
    assert len(set(ids)) == 100
    org.close()


def test_reader_connections_cannot_write(tmp_path):
    org = open_org(tmp_path, objects=tiny())
    with pytest.raises(Exception, match="readonly"):
        org.store.read().execute("DELETE FROM Thing__c")
    org.close()


def test_described_types_survive_the_way_through_json():
    kind = tiny()[0]
    assert object_from_json(object_to_json(kind)) == kind
    made = Field("P__c", "P", "picklist", picklist=(PicklistValue("a", valid_for=("x",)),), reference_to=("Account",))
    assert field_from_json(field_to_json(made)) == made


def test_resets_beside_readers_never_show_a_torn_file(tmp_path):
    org = open_org(tmp_path, objects=tiny())
    create(org, *(f"row {number}" for number in range(200)))
    org.store.keep_pristine()
    stop, problems = threading.Event(), []

    def look():
        while not stop.is_set():
            found = len(names(org))
            if not 200 <= found <= 201:
                problems.append(found)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        create(org, "one more")
        org.reset()
    stop.set()
    for thread in threads:
        thread.join(10)
    assert problems == []
    assert len(names(org)) == 200
    org.close()
