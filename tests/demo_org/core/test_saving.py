"""The save engine's rules, one by one."""

import math

import pytest

from integrations.demo_org.errors import ApiError
from integrations.demo_org.saving import save_table


def only_error(results):
    assert [each.success for each in results] == [False]
    assert len(results[0].errors) == 1, results[0].errors
    return results[0].errors[0]


@pytest.mark.parametrize(
    ("name", "value", "code", "message"),
    [
        ("Nam", "x", "INVALID_FIELD", "No such column 'Nam' on sobject of type Account"),
        ("Phone", "1" * 41, "STRING_TOO_LONG", f"Account Phone: data value too large: {'1' * 41} (max length=40)"),
        (
            "Segment__c",
            "Nope",
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "Segment: bad value for restricted picklist field: Nope",
        ),
        ("ParentId", "001", "MALFORMED_ID", "Parent Account ID: id value of incorrect type: 001"),
        ("ParentId", "001dM0000099999QAB", "MALFORMED_ID", None),
        ("ParentId", "001dM0000099999", "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"),
        ("ARR__c", 1e16, "NUMBER_OUTSIDE_VALID_RANGE", None),
        ("ARR__c", "abc", "JSON_PARSER_ERROR", None),
        ("ARR__c", True, "JSON_PARSER_ERROR", None),
        ("ARR__c", "NaN", "JSON_PARSER_ERROR", None),
        ("ARR__c", "Infinity", "JSON_PARSER_ERROR", None),
        ("NumberOfEmployees", 1.5, "JSON_PARSER_ERROR", None),
        ("Customer_Since__c", "2026-02-30", "JSON_PARSER_ERROR", None),
        ("Customer_Since__c", "1582-10-10", "JSON_PARSER_ERROR", None),
        ("Is_Reference__c", "maybe", "JSON_PARSER_ERROR", None),
        ("Phone", 5, "JSON_PARSER_ERROR", None),
        ("MasterRecordId", None, "INVALID_FIELD_FOR_INSERT_UPDATE", None),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_reason(core, name, value, code, message):
    error = only_error(core.save("Account", [{"Name": "x", name: value}]))
    assert error.code == code
    assert message is None or error.message == message
    assert core.org.store.read().execute("SELECT COUNT(*) FROM Account").fetchone()[0] == 0


def test_json_type_errors_name_the_token_that_was_found(core):
    error = only_error(core.save("Account", [{"Name": "x", "ARR__c": "abc"}]))
    assert error.message.startswith("Cannot deserialize instance of double from VALUE_STRING value abc")
    error = only_error(core.save("Account", [{"Name": "x", "Phone": {"a": 1}}]))
    assert error.message.startswith("Cannot deserialize instance of string from START_OBJECT")


def test_read_only_fields_are_named_together(core):
    error = only_error(core.save("Account", [{"Name": "x", "MasterRecordId": None, "CreatedDate": "2020-01-01T00:00:00Z"}]))
    assert error.code == "INVALID_FIELD_FOR_INSERT_UPDATE"
    assert error.message == (
        "Unable to create/update fields: MasterRecordId, CreatedDate. Please check the security settings of this field "
        "and verify that it is read/write for your profile or permission set."
    )
    assert error.fields == ("MasterRecordId", "CreatedDate")


def test_all_missing_required_fields_are_named_at_once(core):
    error = only_error(core.save("Opportunity", [{"Amount": 1}]))
    assert error.code == "REQUIRED_FIELD_MISSING"
    assert error.message == "Required fields are missing: [Name, StageName, CloseDate]"
    assert error.fields == ("Name", "StageName", "CloseDate")


def test_a_required_field_cannot_be_emptied(core):
    account = core.make("Account", Name="x")
    assert only_error(core.save("Account", [{"Id": account, "Name": None}], "update")).code == "REQUIRED_FIELD_MISSING"
    assert only_error(core.save("Account", [{"Id": account, "Name": ""}], "update")).code == "REQUIRED_FIELD_MISSING"
    assert core.row("Account", account)["Name"] == "x"


def test_values_are_stored_as_the_schema_says(core):
    account = core.make(
        "account",
        name="Trailing  ",
        Phone="",
        NumberOfEmployees="10000",
        ARR__c="12.345",
        Customer_Since__c="2024-02-29",
        Is_Reference__c="true",
        Product_Lines__c="Connect;Planning;Planning",
        segment__C="enterprise",
    )
    row = core.row("Account", account)
    assert row["Name"] == "Trailing"
    assert row["Phone"] is None
    assert row["NumberOfEmployees"] == 10000
    assert row["ARR__c"] == 12.35
    assert row["Customer_Since__c"] == "2024-02-29"
    assert row["Is_Reference__c"] == 1
    assert row["Product_Lines__c"] == "Planning;Connect"
    assert row["Segment__c"] == "Enterprise"
    assert row["Lifecycle__c"] == "Prospect"
    assert row["IsDeleted"] == 0
    assert row["OwnerId"] == row["CreatedById"] == core.caller.user_id
    assert row["CreatedDate"] == row["SystemModstamp"] == row["LastModifiedDate"]
    assert row["Customer_Number__c"].startswith("CUST-")


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2021-12-03T17:59:20Z", "2021-12-03T17:59:20.000Z"),
        ("2021-12-03T17:59:20.987+0000", "2021-12-03T17:59:20.000Z"),
        ("2021-12-03T23:29:20+05:30", "2021-12-03T17:59:20.000Z"),
    ],
)
def test_r_074_instants_with_any_offset_are_the_same_instant(core, sent, stored):
    contact = core.make("Contact", LastName="x", EmailBouncedDate=sent)
    assert core.row("Contact", contact)["EmailBouncedDate"] == stored


def test_r_074_an_instant_without_offset_is_refused(core):
    error = only_error(core.save("Contact", [{"LastName": "x", "EmailBouncedDate": "2021-12-03T17:59:20"}]))
    assert error.code == "JSON_PARSER_ERROR"


def test_checkboxes_are_never_null(core):
    account = core.make("Account", Name="x", Is_Reference__c=None)
    assert core.row("Account", account)["Is_Reference__c"] == 0


def test_absent_keys_leave_fields_alone_and_null_clears_them(core):
    account = core.make("Account", Name="x", Phone="1", Fax="2")
    assert core.save("Account", [{"Id": account, "Fax": None}], "update")[0].success
    row = core.row("Account", account)
    assert (row["Phone"], row["Fax"]) == ("1", None)


def test_in_csv_empty_leaves_alone_and_na_clears(core):
    account = core.make("Account", Name="x", Phone="1", Fax="2", ARR__c=5, Segment__c="Enterprise")
    header = ["Id", "Phone", "Fax", "ARR__c", "Segment__c"]
    rows = [[account, "", "#N/A", "", "#N/A"]]
    assert save_table(core.org, core.caller, "Account", header, rows, operation="update")[0].success
    row = core.row("Account", account)
    assert (row["Phone"], row["Fax"], row["ARR__c"], row["Segment__c"]) == ("1", None, 5, None)


def test_in_csv_a_wrong_type_is_a_row_error(core):
    rows = [["a", "12"], ["b", "abc"]]
    results = save_table(core.org, core.caller, "Account", ["Name", "ARR__c"], rows, operation="insert")
    assert [each.success for each in results] == [True, False]
    error = results[1].errors[0]
    assert (error.code, error.fields) == ("INVALID_TYPE_ON_FIELD_IN_RECORD", ("ARR__c",))
    assert error.message == "Annual Recurring Revenue: value not of required type: abc"


def test_rows_of_different_shapes_keep_their_order(core):
    rows = [{"Name": "a"}, {"Name": "b", "Phone": "1"}, {"Phone": "2"}, {"Name": "d"}]
    results = core.save("Account", rows)
    assert [each.success for each in results] == [True, True, False, True]
    assert [core.row("Account", each.id)["Name"] for each in results if each.success] == ["a", "b", "d"]


def test_15_character_ids_are_stored_as_18(core):
    account = core.make("Account", Name="x")
    contact = core.make("Contact", LastName="y", AccountId=account[:15])
    assert core.row("Contact", contact)["AccountId"] == account


def test_a_lookup_to_another_object_is_refused(core):
    contact = core.make("Contact", LastName="y")
    error = only_error(core.save("Contact", [{"LastName": "z", "AccountId": contact}]))
    assert error.code == "FIELD_INTEGRITY_EXCEPTION"


def test_a_lookup_to_a_deleted_record_is_refused(core):
    account = core.make("Account", Name="x")
    core.save("Account", [{"Id": account}], "delete")
    assert only_error(core.save("Contact", [{"LastName": "z", "AccountId": account}])).code == "ENTITY_IS_DELETED"


def test_a_parent_is_found_by_its_external_id(core):
    account = core.make("Account", Name="x", External_Id__c="Key-1")
    contact = core.make("Contact", LastName="y", Account={"External_Id__c": "key-1"})
    assert core.row("Contact", contact)["AccountId"] == account
    rows = [["z", "KEY-1"], ["q", "nowhere"]]
    results = save_table(core.org, core.caller, "Contact", ["LastName", "Account.External_Id__c"], rows, operation="insert")
    assert core.row("Contact", results[0].id)["AccountId"] == account
    assert (
        results[1].errors[0].message == "Foreign key external ID: nowhere not found for field External_Id__c in entity Account"
    )
    assert results[1].errors[0].code == "INVALID_FIELD"


def test_two_parents_with_the_key_are_ambiguous(core):
    for name in ("a", "b"):
        core.make("Account", Name=name, Legacy_Number__c=116)
    error = only_error(core.save("Contact", [{"LastName": "y", "Account": {"Legacy_Number__c": 116}}]))
    assert "matches more than one" in error.message


def test_a_parent_cannot_be_named_by_an_ordinary_field(core):
    core.make("Account", Name="x", Phone="1")
    error = only_error(core.save("Contact", [{"LastName": "y", "Account": {"Phone": "1"}}]))
    assert error.message == "The external foreign key reference does not reference a valid entity: Account"


def test_unique_fields_refuse_a_second_record_by_their_case_rule(core):
    first = core.make("Account", Name="x", External_Id__c="A1", Domain_Key__c="acme")
    error = only_error(core.save("Account", [{"Name": "y", "External_Id__c": "a1"}]))
    assert error.code == "DUPLICATE_VALUE"
    assert error.message == f"duplicate value found: External_Id__c duplicates value on record with id: {first[:15]}"
    assert core.save("Account", [{"Name": "z", "Domain_Key__c": "ACME"}])[0].success  # case-sensitive: another value
    assert core.save("Account", [{"Id": first, "External_Id__c": "A1"}], "update")[0].success


def test_unique_values_doubled_in_one_call_fail_in_the_later_row(core):
    results = core.save("Account", [{"Name": "x", "External_Id__c": "q"}, {"Name": "y", "External_Id__c": "Q"}])
    assert [each.success for each in results] == [True, False]


def test_all_or_none_rolls_back_the_good_rows(core):
    results = core.save("Account", [{"Name": "good"}, {"Name": None}], all_or_none=True)
    assert [each.errors[0].code for each in results] == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"]
    assert core.org.store.read().execute("SELECT COUNT(*) FROM Account").fetchone()[0] == 0


def test_an_insert_with_an_id_is_refused(core):
    account = core.make("Account", Name="x")
    error = only_error(core.save("Account", [{"Id": account, "Name": "y"}]))
    assert error.message == "cannot specify Id in an insert call"


@pytest.mark.parametrize(
    ("given", "code"),
    [(None, "MISSING_ARGUMENT"), ("xyz", "MALFORMED_ID"), ("001dM0000099999", "INVALID_CROSS_REFERENCE_KEY")],
)
def test_updates_need_the_id_of_a_record(core, given, code):
    assert only_error(core.save("Account", [{"Id": given, "Name": "y"}], "update")).code == code


def test_the_same_record_twice_in_an_update_fails_once(core):
    account = core.make("Account", Name="x")
    results = core.save("Account", [{"Id": account, "Name": "1"}, {"Id": account[:15], "Name": "2"}], "update")
    assert [each.success for each in results] == [True, False]
    assert core.row("Account", account)["Name"] == "1"


def test_objects_that_are_read_only_refuse_writes(core):
    with pytest.raises(ApiError) as caught:
        core.save("OpportunityStage", [{"MasterLabel": "x"}])
    assert caught.value.code == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
    with pytest.raises(ApiError) as caught:
        core.save("Nope", [{"Name": "x"}])
    assert caught.value.status == 404


def test_validation_rules_of_the_settings_refuse_rows_with_their_message(core):
    rule = {"object": "account", "field": "ARR__c", "op": ">", "value": 100, "message": "Too good", "error_field": "ARR__c"}
    core.org.settings.update({"validation_rules": [rule]})
    error = only_error(core.save("Account", [{"Name": "x", "ARR__c": 101}]))
    assert (error.code, error.message, error.fields) == ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Too good", ("ARR__c",))
    account = core.make("Account", Name="x", ARR__c=99)
    assert core.save("Account", [{"Id": account, "Phone": "1"}], "update")[0].success
    assert not core.save("Account", [{"Id": account, "ARR__c": 200}], "update")[0].success


def test_two_rules_give_two_errors(core):
    rules = [{"object": "Account", "field": "Phone", "op": "blank", "message": text} for text in ("one", "two")]
    core.org.settings.update({"validation_rules": rules})
    assert [each.message for each in core.save("Account", [{"Name": "x"}])[0].errors] == ["one", "two"]


def test_locked_records_refuse_their_children_too(core):
    account = core.make("Account", Name="x")
    other = core.make("Account", Name="y")
    core.org.settings.update({"locked_records": [account]})
    results = core.save("Contact", [{"LastName": "a", "AccountId": account}, {"LastName": "b", "AccountId": other}])
    assert [each.success for each in results] == [False, True]
    error = results[0].errors[0]
    assert error.code == "UNABLE_TO_LOCK_ROW"
    assert error.message == f"unable to obtain exclusive access to this record or 1 records: {account[:15]}"


def test_a_lock_fault_hits_the_next_rows_only(core):
    core.org.faults.order({"action": "lock_row", "times": 2, "match": {"path": "Account"}})
    results = core.save("Account", [{"Name": str(number)} for number in range(3)])
    assert [each.success for each in results] == [False, False, True]
    assert core.save("Account", [{"Name": "4"}])[0].success


def test_hidden_fields_do_not_exist_for_writers(core):
    core.org.settings.update({"hidden_fields": {"account": ["Phone"]}})
    assert (
        only_error(core.save("Account", [{"Name": "x", "Phone": "1"}])).message
        == "No such column 'Phone' on sobject of type Account"
    )


def test_currency_codes_exist_only_with_multi_currency(core):
    assert only_error(core.save("Account", [{"Name": "x", "CurrencyIsoCode": "EUR"}])).code == "INVALID_FIELD"
    core.org.settings.update({"multi_currency": True})
    account = core.make("Account", Name="x", CurrencyIsoCode="EUR")
    assert core.row("Account", account)["CurrencyIsoCode"] == "EUR"
    assert core.row("Account", core.make("Account", Name="y"))["CurrencyIsoCode"] == "USD"


TEXTS = [
    "\U0001f600 \U0001d49c \u200f\u05e2\u05d1\u05e8",
    "zero\u200bwidth and \u2028 separator",
    'quote " and \\ backslash',
    "line\nbreak\r\nand\ttab",
    "e\u0301 vs \u00e9",
]


@pytest.mark.parametrize("text", TEXTS)
def test_r_071_any_text_comes_back_as_it_was(core, text):
    account = core.make("Account", Name="x", Description=text)
    assert core.call("GET", f"sobjects/Account/{account}").json()["Description"] == text


@pytest.mark.parametrize("value", [0.1, -0.0, 123456789.99, 1e13])
def test_r_072_numbers_come_back_as_numbers(core, value):
    account = core.make("Account", Name="x", ARR__c=value)
    found = core.call("GET", f"sobjects/Account/{account}").json()["ARR__c"]
    assert math.isclose(found, value)
    assert str(found) != "-0.0"


def test_system_stamps_never_go_back(core):
    stamps = [core.row("Account", core.make("Account", Name=str(number)))["SystemModstamp"] for number in range(5)]
    assert stamps == sorted(stamps)


def test_writes_are_counted(core):
    core.org.writes.clear()
    core.save("Account", [{"Name": "x"}, {"Name": None}])
    assert (core.org.writes.rows, core.org.writes.failed, core.org.writes.by_object) == (1, 1, {"Account": 1})


@pytest.mark.parametrize(
    ("text", "stored"),
    [("0", 0), ("0042", 42), ("999999999", 999_999_999), ("-7", -7), ("12.0", 12), ("#N/A", None), ("", None)],
)
def test_whole_numbers_of_csv_are_stored_whatever_their_form(core, text, stored):
    rows = [["a", text], ["b", "5"]]
    results = save_table(core.org, core.caller, "Account", ["Name", "NumberOfEmployees"], rows, operation="insert")
    assert core.row("Account", results[0].id)["NumberOfEmployees"] == stored
    assert core.row("Account", results[1].id)["NumberOfEmployees"] == 5


@pytest.mark.parametrize("text", ["٣x", "1_000", "4.5", "²"])
def test_texts_that_are_no_whole_numbers_are_row_errors_in_csv(core, text):
    rows = [["a", text], ["b", "5"]]
    for name in ("NumberOfEmployees", "AnnualRevenue") if text != "4.5" else ("NumberOfEmployees",):
        results = save_table(core.org, core.caller, "Account", ["Name", name], rows, operation="insert")
        assert [each.success for each in results] == [False, True]
    assert results[0].errors[0].code == "INVALID_TYPE_ON_FIELD_IN_RECORD"
