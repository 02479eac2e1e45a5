"""Composite, batch, graph, collections and trees."""

import json
from pathlib import Path

import pytest

DATA = "/services/data/v65.0"
RECORDINGS = Path(__file__).resolve().parents[4] / "shared" / "salesforce-recordings"


def recorded(name: str):
    path = RECORDINGS / name
    if not path.exists():
        pytest.skip("the recordings are not beside this checkout")
    return json.loads(path.read_text())


def part(method, path, reference, body=None, **more):
    return {"method": method, "url": f"{DATA}/{path}", "referenceId": reference, **({"body": body} if body else {}), **more}


def composite(core, parts, *, all_or_none=False):
    answer = core.call("POST", "composite", json={"allOrNone": all_or_none, "compositeRequest": parts})
    assert answer.status_code == 200, answer.text
    return answer.json()["compositeResponse"]


def count(core, name="Account"):
    return core.org.store.read().execute(f"SELECT COUNT(*) FROM {name} WHERE IsDeleted = 0").fetchone()[0]


@pytest.mark.parametrize("all_or_none", [True, False])
def test_later_parts_use_what_earlier_ones_answered(core, all_or_none):
    parts = [
        part("POST", "sobjects/Account", "acc", {"Name": "Acme"}),
        part("POST", "sobjects/Contact", "con", {"LastName": "Doe", "AccountId": "@{acc.id}"}),
        part("GET", "sobjects/Contact/@{con.id}?fields=AccountId,LastName", "get"),
        part("GET", "query/?q=SELECT+Id,Name+FROM+Account+WHERE+Id='@{acc.id}'", "qry"),
        part("PATCH", "sobjects/Account/@{qry.records[0].Id}", "upd", {"Name": "@{get.LastName} and sons"}),
    ]
    rows = composite(core, parts, all_or_none=all_or_none)
    assert [row["httpStatusCode"] for row in rows] == [201, 201, 200, 200, 204]
    account = rows[0]["body"]["id"]
    assert rows[0]["httpHeaders"] == {"Location": f"{DATA}/sobjects/Account/{account}"}
    assert rows[2]["body"]["AccountId"] == account
    assert rows[4]["body"] is None
    assert core.row("Account", account)["Name"] == "Doe and sons"
    assert set(rows[0]) == set(recorded("composite/create-two-with-location.json")["compositeResponse"][0])


def test_all_or_none_halts_and_rolls_back(core):
    parts = [
        part("POST", "sobjects/Account", "a", {"Name": "x"}),
        part("POST", "sobjects/Contact", "b", {"Email": "bad"}),
        part("POST", "sobjects/Account", "c", {"Name": "y"}),
    ]
    rows = composite(core, parts, all_or_none=True)
    assert [row["body"][0]["errorCode"] for row in rows][::2] == ["PROCESSING_HALTED"] * 2
    assert rows[1]["body"][0]["errorCode"] == "INVALID_EMAIL_ADDRESS"
    assert [row["httpStatusCode"] for row in rows] == [400] * 3
    assert count(core) == 0


def test_without_all_or_none_good_parts_stay(core):
    parts = [
        part("POST", "sobjects/Contact", "a", {"Email": "x@example.com"}),
        part("POST", "sobjects/Account", "b", {"Name": "x"}),
        part("GET", "sobjects/Contact/@{a.id}", "c"),
        part("GET", "nothing", "d"),
    ]
    rows = composite(core, parts)
    assert [row["httpStatusCode"] for row in rows] == [400, 201, 400, 404]
    assert rows[2]["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert rows[3]["body"] == recorded("composite/subrequest-404-not-found.json")["compositeResponse"][0]["body"]
    assert count(core) == 1


def test_an_invalid_email_answers_as_recorded(core):
    body = {"LastName": "x", "Email": "Not a real email address"}
    rows = composite(core, [part("POST", "sobjects/Contact", "badContact", body)])
    assert rows[0] == recorded("composite/subrequest-invalid-email.json")


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [part("GET", "limits", f"r{number}") for number in range(26)],
        [part("GET", "query?q=x", f"r{number}") for number in range(6)],
        [part("GET", "limits", "not-allowed")],
        [part("GET", "limits", "twice"), part("GET", "limits", "twice")],
        [{"url": "/x", "referenceId": "a"}],
    ],
)
def test_a_composite_that_is_not_well_formed_is_refused_whole(core, parts):
    answer = core.call("POST", "composite", json={"compositeRequest": parts})
    assert answer.status_code == 400
    assert answer.json()[0]["errorCode"] in {"INVALID_INPUT", "LIMIT_EXCEEDED"}


def test_one_composite_costs_one_api_request(core):
    before = core.org.usage.used()
    composite(core, [part("GET", "limits", f"r{number}") for number in range(20)])
    assert core.org.usage.used() == before + 1


def test_a_batch_runs_each_request_on_its_own(core):
    account = core.make("Account", Name="x")
    body = {
        "batchRequests": [
            {"method": "PATCH", "url": f"v65.0/sobjects/Account/{account}", "richInput": {"Name": "NewName"}},
            {"method": "GET", "url": f"v65.0/sobjects/Account/{account}?fields=Name,BillingPostalCode"},
        ]
    }
    found = core.call("POST", "composite/batch", json=body).json()
    wanted = recorded("composite/batch-response.json")
    assert [each["statusCode"] for each in found["results"]] == [each["statusCode"] for each in wanted["results"]]
    assert list(found["results"][1]["result"]) == list(wanted["results"][1]["result"])
    assert found["hasErrors"] is False


def test_a_batch_halts_when_told_to(core):
    requests = [{"method": "GET", "url": "v65.0/nothing"}, {"method": "GET", "url": "v65.0/limits"}]
    found = core.call("POST", "composite/batch", json={"haltOnError": True, "batchRequests": requests}).json()
    assert [each["statusCode"] for each in found["results"]] == [404, 412]
    assert found["hasErrors"] is True


def test_each_graph_succeeds_or_fails_as_a_whole(core):
    good = [
        part("POST", "sobjects/Account", "a", {"Name": "x"}),
        part("POST", "sobjects/Contact", "b", {"LastName": "y", "AccountId": "@{a.id}"}),
    ]
    bad = [part("POST", "sobjects/Account", "a", {"Name": "z"}), part("POST", "sobjects/Contact", "b", {"Nope": "y"})]
    body = {"graphs": [{"graphId": "1", "compositeRequest": good}, {"graphId": "2", "compositeRequest": bad}]}
    found = core.call("POST", "composite/graph", json=body).json()["graphs"]
    assert [each["isSuccessful"] for each in found] == [True, False]
    assert (count(core), count(core, "Contact")) == (1, 1)


def records(*names, kind="Account", **more):
    return [{"attributes": {"type": kind}, "Name": name, **more} for name in names]


def test_a_collection_answers_in_the_order_of_its_records(core):
    rows = [*records("a"), {"attributes": {"type": "Contact"}, "LastName": "b"}, *records(None, "d")]
    found = core.call("POST", "composite/sobjects", json={"allOrNone": False, "records": rows}).json()
    assert [each["success"] for each in found] == [True, True, False, True]
    assert [each.get("id", "-")[:3] for each in found] == ["001", "003", "-", "001"]
    assert list(found[0]) == list(recorded("composite-collections/create-one-compact.json")[0])
    assert found[2] == {
        "success": False,
        "errors": [
            {"statusCode": "REQUIRED_FIELD_MISSING", "message": "Required fields are missing: [Name]", "fields": ["Name"]}
        ],
    }


def test_a_collection_with_all_or_none_answers_as_recorded(core):
    contacts = [core.make("Contact", LastName=name) for name in "ab"]
    rows = [
        {"attributes": {"type": "Contact"}, "id": contacts[0], "LastName": "x"},
        {"attributes": {"type": "Contact"}, "id": contacts[1], "unknownField_LastName": "y"},
    ]
    found = core.call("PATCH", "composite/sobjects", json={"allOrNone": True, "records": rows}).json()
    assert found == recorded("composite-collections/update-allornone-unknown-field.json")
    assert core.row("Contact", contacts[0])["LastName"] == "a"


def test_updates_without_ids_answer_as_recorded(core):
    rows = [{"attributes": {"type": "Contact"}, "LastName": name} for name in "ab"]
    found = core.call("PATCH", "composite/sobjects", json={"records": rows}).json()
    assert found == recorded("composite-collections/update-missing-ids.json")


def test_a_collection_upsert_tells_what_was_created(core):
    core.make("Account", Name="x", External_Id__c="k1")
    rows = [{**row, "External_Id__c": key} for row, key in zip(records("a", "b"), ("k1", "k2"), strict=True)]
    found = core.call("PATCH", "composite/sobjects/Account/External_Id__c", json={"records": rows}).json()
    assert [each["created"] for each in found] == [False, True]
    by_id = core.call("PATCH", "composite/sobjects/Account/Id", json={"records": records("c", Id=None)}).json()
    assert list(by_id[0]) == list(recorded("composite-collections/upsert-opportunity-by-id-null.json")[0])
    assert by_id[0]["created"] is True


def test_collections_delete_by_ids(core):
    made = [core.make("Account", Name=name) for name in "ab"]
    found = core.call("DELETE", f"composite/sobjects?ids={made[0]},{made[1]},001dM0000099999&allOrNone=false").json()
    assert [each["success"] for each in found] == [True, True, False]
    assert count(core) == 0
    made = core.make("Account", Name="c")
    found = core.call("DELETE", f"composite/sobjects?ids={made},001dM0000099999&allOrNone=true").json()
    assert found[0]["errors"][0]["statusCode"] == "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert count(core) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_collections_read_by_ids_with_null_for_what_is_not_there(core, method):
    made = [core.make("Account", Name=name) for name in "ab"]
    ids = [made[1], "001dM0000099999", made[0][:15]]
    if method == "GET":
        answer = core.call("GET", f"composite/sobjects/Account?ids={','.join(ids)}&fields=name")
    else:
        answer = core.call("POST", "composite/sobjects/Account", json={"ids": ids, "fields": ["name"]})
    assert [each and each["Name"] for each in answer.json()] == ["b", None, "a"]


def test_collections_have_limits(core):
    answer = core.call("POST", "composite/sobjects", json={"records": []})
    assert (answer.status_code, answer.json()[0]["message"]) == (400, "At least 1 record is required.")
    assert core.call("POST", "composite/sobjects", json={"records": records(*"x" * 201)}).status_code == 400
    mixed = [row for number in range(6) for row in [*records("a"), {"attributes": {"type": "Contact"}, "LastName": "b"}]]
    assert "10 chunks" in core.call("POST", "composite/sobjects", json={"records": mixed}).json()[0]["message"]
    assert core.call("POST", "composite/sobjects", json={"records": [{"Name": "x"}]}).status_code == 400


def test_an_unknown_type_fails_its_records_only(core):
    rows = records("a") + records("b", kind="Nope")
    found = core.call("POST", "composite/sobjects", json={"records": rows}).json()
    assert [each["success"] for each in found] == [True, False]
    assert found[1]["errors"][0]["statusCode"] == "INVALID_TYPE"


def tree(name, reference, **children):
    return {"attributes": {"type": "Account", "referenceId": reference}, "Name": name, **children}


def test_a_tree_is_created_as_a_whole(core):
    contacts = {"records": [{"attributes": {"type": "Contact", "referenceId": "ref2"}, "LastName": "c"}]}
    answer = core.call("POST", "composite/tree/Account", json={"records": [tree("a", "ref1", Contacts=contacts)]})
    assert answer.status_code == 201
    body = answer.json()
    assert (body["hasErrors"], [each["referenceId"] for each in body["results"]]) == (False, ["ref1", "ref2"])
    assert core.row("Contact", body["results"][1]["id"])["AccountId"] == body["results"][0]["id"]


def test_a_tree_with_one_bad_record_creates_nothing(core):
    contacts = {"records": [{"attributes": {"type": "Contact", "referenceId": "ref2"}, "Email": "bad"}]}
    answer = core.call("POST", "composite/tree/Account", json={"records": [tree("a", "ref1", Contacts=contacts)]})
    assert answer.status_code == 400
    body = answer.json()
    assert (body["hasErrors"], [each["referenceId"] for each in body["results"]]) == (True, ["ref2"])
    assert count(core) == 0
