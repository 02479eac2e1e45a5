import pytest

from integrations.demo_org.errors import ApiError
from integrations.demo_org.saving import save_table


def test_an_upsert_creates_then_changes(core):
    rows = [{"External_Id__c": f"k{number}", "Name": f"n{number}"} for number in range(3)]
    first = core.save("Account", rows, "upsert", external_id="External_Id__c")
    assert [each.created for each in first] == [True] * 3
    rows = [{"External_Id__c": f"K{number}", "Name": f"m{number}"} for number in range(4)]
    second = core.save("Account", rows, "upsert", external_id="external_id__c")
    assert [each.created for each in second] == [False, False, False, True]
    assert [each.id for each in second[:3]] == [each.id for each in first]
    assert core.row("Account", first[0].id)["Name"] == "m0"
    assert core.row("Account", first[0].id)["External_Id__c"] == "k0"


def test_a_key_twice_in_one_call_fails_in_the_later_row(core):
    rows = [{"External_Id__c": "k", "Name": "1"}, {"External_Id__c": "K", "Name": "2"}]
    results = core.save("Account", rows, "upsert", external_id="External_Id__c")
    assert [each.success for each in results] == [True, False]
    assert results[1].errors[0].code == "DUPLICATE_VALUE"


def test_a_missing_key_fails_its_row(core):
    rows = [{"External_Id__c": None, "Name": "1"}, {"External_Id__c": "k", "Name": "2"}]
    results = core.save("Account", rows, "upsert", external_id="External_Id__c")
    assert results[0].errors[0].code == "MISSING_ARGUMENT"
    assert results[1].created


def test_a_key_that_names_several_records_fails_its_row(core):
    core.save("Account", [{"Name": "a", "Legacy_Number__c": 7}, {"Name": "b", "Legacy_Number__c": 7}])
    results = core.save("Account", [{"Legacy_Number__c": 7, "Name": "c"}], "upsert", external_id="Legacy_Number__c")
    assert results[0].errors[0].code == "DUPLICATE_EXTERNAL_ID"
    assert "more than one record found" in results[0].errors[0].message


def test_case_sensitive_keys_are_different_records(core):
    rows = [{"Domain_Key__c": "a", "Name": "1"}, {"Domain_Key__c": "A", "Name": "2"}]
    results = core.save("Account", rows, "upsert", external_id="Domain_Key__c")
    assert [each.created for each in results] == [True, True]


def test_an_upsert_by_id_creates_without_and_changes_with_one(core):
    account = core.make("Account", Name="x")
    results = core.save("Account", [{"Id": account, "Name": "y"}, {"Id": None, "Name": "z"}], "upsert", external_id="Id")
    assert [each.created for each in results] == [False, True]
    assert core.row("Account", account)["Name"] == "y"


def test_deleted_records_are_not_matched(core):
    old = core.make("Account", Name="x", External_Id__c="k")
    core.save("Account", [{"Id": old}], "delete")
    result = core.save("Account", [{"External_Id__c": "k", "Name": "y"}], "upsert", external_id="External_Id__c")[0]
    assert result.created
    assert result.id != old


def test_an_ordinary_field_is_no_key(core):
    with pytest.raises(ApiError) as caught:
        core.save("Account", [{"Phone": "1", "Name": "y"}], "upsert", external_id="Phone")
    assert caught.value.message == "Provided external ID field does not exist or is not accessible: Phone"


def test_a_bad_row_does_not_stop_the_others(core):
    core.make("Account", Name="x", External_Id__c="known")
    rows = [
        {"External_Id__c": "known", "Name": None},
        {"External_Id__c": "new", "Name": None},
        {"External_Id__c": "new2", "Name": "good"},
        {"External_Id__c": "k" * 65, "Name": "long"},
    ]
    results = core.save("Account", rows, "upsert", external_id="External_Id__c")
    assert [each.success for each in results] == [False, False, True, False]
    assert results[3].errors[0].code == "STRING_TOO_LONG"


def test_a_wide_csv_load_keeps_each_value_in_its_row_and_column(core):
    header = ["External_Id__c", "Name", "ARR__c", "Is_Reference__c", "Customer_Since__c", "Segment__c", "Phone"]
    rows = [
        [
            f"k{n}",
            f"name {n}",
            f"{n}.5",
            "true" if n % 2 else "false",
            f"2020-01-{n % 28 + 1:02d}",
            "Enterprise",
            str(n) if n % 3 else "",
        ]
        for n in range(1500)
    ]
    results = save_table(core.org, core.caller, "Account", header, rows, operation="upsert", external_id="External_Id__c")
    assert all(each.created for each in results)
    rows[700][6], rows[701][1] = "#N/A", "changed"
    again = save_table(core.org, core.caller, "Account", header, rows, operation="upsert", external_id="External_Id__c")
    assert [each.id for each in again] == [each.id for each in results]
    assert not any(each.created for each in again)
    row = core.row("Account", again[701].id)
    assert (row["Name"], row["ARR__c"], row["Is_Reference__c"], row["Phone"]) == ("changed", 701.5, 1, "701")
    assert core.row("Account", again[700].id)["Phone"] is None
    assert core.row("Account", again[3].id)["Phone"] is None


def bulk_upsert(core, keys: list[str]) -> list:
    """An upsert as a bulk job makes it: one call for many chunks of 200 rows."""
    rows = [[key, f"n{place}"] for place, key in enumerate(keys)]
    header = ["External_Id__c", "Name"]
    return save_table(core.org, core.caller, "Account", header, rows, operation="upsert", external_id="External_Id__c")


def test_a_key_twice_in_a_bulk_load_updates_when_the_rows_are_in_different_chunks(core):
    keys = [f"k{number}" for number in range(450)]
    keys[200], keys[449] = "K0", "k0"
    results = bulk_upsert(core, keys)
    assert all(each.success for each in results)
    assert [results[place].created for place in (0, 199, 200, 448, 449)] == [True, True, False, True, False]
    assert results[0].id == results[200].id == results[449].id
    assert core.row("Account", results[0].id)["Name"] == "n449"
    assert core.org.store.read().execute("SELECT COUNT(*) FROM Account WHERE Name LIKE 'n%'").fetchone()[0] == 448


def test_a_key_twice_in_one_chunk_of_a_bulk_load_fails_in_the_later_row(core):
    keys = [f"k{number}" for number in range(450)]
    keys[399] = "K200"
    results = bulk_upsert(core, keys)
    assert [place for place, each in enumerate(results) if not each.success] == [399]
    error = results[399].errors[0]
    assert (error.code, error.message) == ("DUPLICATE_VALUE", "Duplicate external id specified: k200")


def test_a_known_key_twice_in_a_bulk_load_keeps_the_last_value(core):
    known = core.make("Account", Name="x", External_Id__c="k0")
    results = bulk_upsert(core, ["k0", *(f"n{number}" for number in range(299)), "k0"])
    assert [(each.id, each.created) for each in (results[0], results[300])] == [(known, False)] * 2
    assert core.row("Account", known)["Name"] == "n300"
