"""Describes, limits, single records and collections: typed, answered row by row, never sent twice by mistake."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from integrations.salesforce import composite, describe, limits, rest
from integrations.salesforce import errors as e
from tests.salesforce.server import Told

OK = "0014S000007NxmlQAC"


def saved(*results):
    return Told(data=list(results))


def good(record_id=OK, **more):
    return {"id": record_id, "success": True, "errors": [], **more}


def bad(code="REQUIRED_FIELD_MISSING", message="Required fields are missing: [Name]", fields=("Name",)):
    return {"success": False, "errors": [{"statusCode": code, "message": message, "fields": list(fields)}]}


# --- describes ---


def test_flags_say_what_may_be_written(recordings):
    lead = describe.read_object(recordings.json("describe/lead-v42.json"))
    assert (lead.name, lead.key_prefix) == ("Lead", "00Q")
    assert lead.field("lastname").is_required
    assert not lead.field("Id").createable
    assert not lead.field("IsConverted").is_required
    assert lead.field("Status").active_values
    assert lead.field("Nope__c") is None
    assert lead.field("OwnerId").is_polymorphic


def test_external_ids_are_listed(recordings):
    field = describe.read_field(recordings.json("describe/field-external-id-number-v42.json"))
    assert field.external_id
    assert field.id_lookup
    assert field.type == "double"


@pytest.mark.parametrize(
    "name", ["campaign-v42", "case-v48", "contact-v48", "opportunity-v48", "topic-v42", "opportunitycontactrole-v48"]
)
def test_recorded_describes_are_read(recordings, name):
    data = recordings.json(f"describe/{name}.json")
    info = describe.read_object(data)
    assert len(info.fields) == len(data["fields"])
    assert info.field("Id").type == "id"
    for field, raw in zip(info.fields, data["fields"], strict=True):
        assert (field.createable, field.updateable, field.calculated) == (
            raw["createable"],
            raw["updateable"],
            raw["calculated"],
        )
        assert field.choices == () or field.type in ("picklist", "multipicklist", "combobox")


def test_unknown_and_missing_keys_of_describes_do_no_harm():
    info = describe.read_object({"name": "X__c", "fields": [{"name": "A__c", "type": "string", "newKey": 1}], "brandNew": {}})
    assert info.field("a__C").nillable
    with pytest.raises(e.UnexpectedAnswer):
        describe.read_object({"fields": []})


def test_limits_are_read(recordings):
    found = limits.read_limits(recordings.json("limits/limits-developer-edition.json"))
    assert found[limits.DAILY_REQUESTS] == limits.Limit("DailyApiRequests", 15000, 14998)
    assert found[limits.DAILY_REQUESTS].used == 2
    assert found[limits.ASYNC_REPORTS].max == limits.USUAL_ASYNC_REPORTS
    assert limits.read_limits({"New": {"Per": 1}, "X": 5}) == {}


# --- single records ---


@pytest.mark.parametrize(
    "key", ["a/b", "a?b", "a#b", "50%", "a&b", "o'brien", "a+b", "a b", "ключ", "a;b=c", "💥", "a\\b", "..x", "%2F"]
)
def test_r_121_external_ids_with_any_characters_arrive_as_they_are(server, client, key):
    from urllib.parse import unquote

    server.tell("/sobjects", Told(201, good()))
    answer = rest.upsert_record(client, "Account", "Ext__c", key, {"Name": "x", "Amount__c": Decimal("0.10")})
    seen = server.seen[0]
    prefix = "/services/data/v65.0/sobjects/Account/Ext__c/"
    assert seen.path.startswith(prefix)
    assert unquote(seen.path.removeprefix(prefix)) == key
    assert "+" not in seen.path
    assert seen.query == {}
    assert answer.created
    assert answer.id == OK
    assert json.loads(seen.body) == {"Name": "x", "Amount__c": 0.1}


@pytest.mark.parametrize("key", [".", ".."])
def test_r_121_keys_of_dots_cannot_change_the_path(server, client, key):
    server.tell("/composite/sobjects/Account/Ext__c", saved(good(created=True)))
    assert rest.upsert_record(client, "Account", "Ext__c", key, {"Name": "x"}).created
    assert json.loads(server.seen[0].body)["records"] == [{"attributes": {"type": "Account"}, "Name": "x", "Ext__c": key}]


def test_r_122_empty_external_ids_are_refused(server, client):
    for key in ("", "  "):
        with pytest.raises(ValueError, match="empty"):
            rest.upsert_record(client, "Account", "Ext__c", key, {"Name": "x"})
    with pytest.raises(ValueError, match="key field"):
        rest.upsert_record(client, "Account", "Ext__c", "k", {"ext__c": "k"})
    assert server.seen == []


@pytest.mark.parametrize(
    ("answer", "created"),
    [
        (Told(201, good()), True),
        (Told(204), False),
        (Told(200, good(created=False)), False),
        (Told(200, good(created=True)), True),
    ],
)
def test_upsert_answers_of_every_version(server, client, answer, created):
    server.tell("/sobjects", answer)
    assert rest.upsert_record(client, "Account", "Ext__c", "k", {"Name": "x"}).created is created


def test_r_137_several_records_with_the_key(server, client):
    server.tell(
        "/sobjects",
        Told(300, [f"/services/data/v65.0/sobjects/Account/{OK}", "/services/data/v65.0/sobjects/Account/0014S000007Nx5BQAS"]),
    )
    with pytest.raises(e.AmbiguousKey) as refusal:
        rest.upsert_record(client, "Account", "Ext__c", "k", {"Name": "x"})
    assert refusal.value.record_ids == (OK, "0014S000007Nx5BQAS")


def test_create_read_update_delete(server, client):
    server.tell("/sobjects/Account", Told(201, good()))
    assert rest.create_record(client, "Account", {"Name": "x"}).created
    server.tell(f"/sobjects/Account/{OK}", Told(data={"Name": "x", "Id": OK}), Told(204), Told(204))
    assert rest.read_record(client, "Account", OK[:15], fields=["Name"])["Name"] == "x"
    assert server.seen[-1].query == {"fields": ["Name"]}
    rest.update_record(client, "Account", OK, {"Name": None})
    assert server.seen[-1].body == b'{"Name":null}'
    rest.delete_record(client, "Account", OK)
    assert server.seen[-1].method == "DELETE"
    with pytest.raises(ValueError):
        rest.read_record(client, "Account", "../x")


def test_child_records_over_pages_and_null(server, client, recordings):
    assert list(rest.child_records(client, None)) == []
    record = recordings.json("query/parent-child-multiselect.json")["records"][0]
    assert [child["Name"] for child in rest.child_records(client, record["Whizbangs__r"])] == ["Child Whizbang"]
    server.tell("/query/01gC", Told(data={"totalSize": 2, "done": True, "records": [{"Name": "b"}]}))
    first = {"totalSize": 2, "done": False, "nextRecordsUrl": "/services/data/v65.0/query/01gC", "records": [{"Name": "a"}]}
    assert [child["Name"] for child in rest.child_records(client, first)] == ["a", "b"]
    server.tell("/query/01gC", Told(data=first))
    with pytest.raises(e.UnexpectedAnswer, match="repeated"):
        list(rest.child_records(client, first))


def test_changed_and_deleted_ids(server, client, recordings):
    server.tell("/updated", Told(data=recordings.json("replication/get-updated.json")))
    server.tell("/deleted", Told(data=recordings.json("replication/get-deleted.json")))
    window = {"start": datetime(2015, 8, 1, tzinfo=UTC), "end": datetime(2015, 8, 19, tzinfo=UTC)}
    updated = rest.read_updated(client, "Contact", **window)
    assert len(updated.ids) == 7
    assert updated.covered_until == datetime(2015, 8, 19, 8, 17, tzinfo=UTC)
    assert server.seen[0].query["start"] == ["2015-08-01T00:00:00+00:00"]
    deleted = rest.read_deleted(client, "Contact", **window)
    assert deleted.ids == ("a00D0000008pQRAIA2",)
    assert deleted.available_since == datetime(2013, 5, 3, 15, 57, tzinfo=UTC)


# --- collections ---


def test_rows_go_two_hundred_a_call_and_are_answered_one_by_one(server, client):
    def answers(count):
        return saved(*[good(created=True) if number % 2 else bad() for number in range(count)])

    server.tell("/composite/sobjects/Account/Ext__c", answers(200), answers(200), answers(50))
    rows = ({"Ext__c": str(number), "Name": "x"} for number in range(450))
    batches = list(composite.upsert_rows(client, "Account", "Ext__c", rows))
    assert [len(batch) for batch in batches] == [200, 200, 50]
    assert len(server.seen) == 3
    assert all(item.method == "PATCH" for item in server.seen)
    first = batches[0][0]
    assert not first.success
    assert isinstance(first.error, e.RowRefused)
    assert (first.error.code, first.error.fields) == ("REQUIRED_FIELD_MISSING", ("Name",))
    assert batches[0][1].created
    with pytest.raises(e.RowRefused):
        first.or_raise()


def test_i_01_wrong_number_of_answers_says_nothing_about_any_row(server, client):
    server.tell("/composite", saved(good()))
    with pytest.raises(e.UnexpectedAnswer, match="1 answers for 2 records"):
        list(composite.update_rows(client, "Account", [{"Id": OK}, {"Id": OK}]))
    server.tell("/composite", Told(data={"x": 1}))
    with pytest.raises(e.UnexpectedAnswer):
        list(composite.update_rows(client, "Account", [{"Id": OK}]))


def test_answers_before_a_failing_batch_are_kept(server, client):
    server.tell(
        "/composite",
        saved(*[good()] * 200),
        Told(403, [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]),
    )
    batches = composite.update_rows(client, "Account", [{"Id": OK}] * 300)
    assert len(next(batches)) == 200
    with pytest.raises(e.DailyLimitReached):
        next(batches)


def test_i_04_inserts_without_key_are_not_repeated_but_upserts_are(server, client):
    server.tell("/composite/sobjects", Told(500, raw=b""), saved(good()))
    with pytest.raises(e.UpstreamUnavailable):
        list(composite.insert_rows(client, "Account", [{"Name": "x"}]))
    assert len(server.seen) == 1
    server.tell("/composite/sobjects", Told(500, raw=b""), saved(good(created=False)))
    assert not next(iter(composite.upsert_rows(client, "Account", "Ext__c", [{"Ext__c": "1"}])))[0].created
    assert len(server.seen) == 3


def test_deletes_go_by_ids(server, client, recordings):
    server.tell("/composite/sobjects", Told(data=recordings.json("composite-collections/delete-three.json")))
    ids = ["0014S000007NxmlQAC", "0014S000007Nx5BQAS", "0014S000007NxlpQAC"]
    batch = next(iter(composite.delete_rows(client, [item[:15] for item in ids], all_or_none=True)))
    assert [row.id for row in batch] == ids
    assert server.seen[0].query == {"ids": [",".join(ids)], "allOrNone": ["true"]}


def test_recorded_collection_answers_are_read(recordings):
    for name in recordings.names("composite-collections"):
        data = recordings.json(name)
        rows = [composite.read_row(item) for item in data]
        assert len(rows) == len(data), name
        for row, item in zip(rows, data, strict=True):
            assert row.success is item["success"]
            assert (row.error is None) is row.success
            if row.error is not None:
                assert row.error.code == item["errors"][0]["statusCode"]
    rolled = [composite.read_row(item) for item in recordings.json("composite-collections/update-allornone-unknown-field.json")]
    assert {type(row.error) for row in rolled} == {e.RowRefused, e.InvalidField}


def test_recorded_save_refusal_keeps_its_id(recordings):
    row = composite.read_row(recordings.json("errors/save-result-success-false.json"))
    assert not row.success
    assert row.id.startswith("001RM000003oLru")
    assert row.error.code == "MALFORMED_ID"


def test_requests_sent_together(server, client, recordings):
    server.tell("/composite", Told(data=recordings.json("composite/create-two-with-location.json")))
    asked = [
        composite.SubRequest(f"NewPayment{n}", "POST", "sobjects/blng__Payment__c", {"Amount__c": Decimal("1.10")})
        for n in (1, 2)
    ]
    answers = composite.send_together(client, asked, all_or_none=True)
    assert [(item.name, item.status, item.error) for item in answers] == [
        ("NewPayment1", 201, None),
        ("NewPayment2", 201, None),
    ]
    sent = json.loads(server.seen[0].body)
    assert sent["allOrNone"] is True
    assert sent["compositeRequest"][0]["url"] == "/services/data/v65.0/sobjects/blng__Payment__c"
    with pytest.raises(ValueError):
        composite.send_together(client, [])
    with pytest.raises(ValueError):
        composite.send_together(client, [composite.SubRequest("a-b", "GET", "limits")])


def test_recorded_refusals_inside_composite_answers(recordings):
    missing = recordings.json("composite/subrequest-404-not-found.json")["compositeResponse"][0]
    assert isinstance(composite.read_sub_answer(missing).error, e.NotFound)
    mail = composite.read_sub_answer(recordings.json("composite/subrequest-invalid-email.json"))
    assert isinstance(mail.error, e.RowRefused)
    assert mail.error.fields == ("Email",)
    four = recordings.json("composite/four-queries-200.json")["compositeResponse"]
    assert all(composite.read_sub_answer(item).error is None for item in four)


@pytest.mark.parametrize(
    "name", ["create/account-201-v60.json", "create/account-201.json", "create/topic-201.json", "upsert/created-201.json"]
)
def test_recorded_create_answers_are_read(recordings, name):
    assert composite.read_row(recordings.json(name), created=True).created
