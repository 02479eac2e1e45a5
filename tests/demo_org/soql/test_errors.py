"""Refusals with Salesforce's codes and sentences."""

import pytest

NO_COLUMN = "If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names."
NO_OBJECT = "If you are attempting to use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names."
NO_RELATIONSHIP = "If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names."

CASES = [
    ("SELECT Id, Foo FROM Account", "INVALID_FIELD", f"No such column 'Foo' on entity 'Account'. {NO_COLUMN}"),
    ("SELECT Id FROM Account WHERE Foo = 1", "INVALID_FIELD", f"No such column 'Foo' on entity 'Account'. {NO_COLUMN}"),
    ("SELECT Owner.Foo FROM Account", "INVALID_FIELD", f"No such column 'Foo' on entity 'User'. {NO_COLUMN}"),
    ("SELECT What.Industry FROM Task", "INVALID_FIELD", f"No such column 'Industry' on entity 'Name'. {NO_COLUMN}"),
    ("SELECT Id FROM Account ALL ROWS", "MALFORMED_QUERY", "ALL ROWS not allowed in this context"),
    ("SELECT Id FROM Foo", "INVALID_TYPE", f"sObject type 'Foo' is not supported. {NO_OBJECT}"),
    ("SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Foo)", "INVALID_TYPE", f"sObject type 'Foo' is not supported. {NO_OBJECT}"),
    ("SELECT Foo.Name FROM Account", "INVALID_FIELD", f"Didn't understand relationship 'Foo' in field path. {NO_RELATIONSHIP}"),
    ("SELECT (SELECT Id FROM Foos) FROM Account", "INVALID_TYPE", f"Didn't understand relationship 'Foos' in FROM part of query call. {NO_RELATIONSHIP}"),
    ("SELECT Id FROM Account WHERE CreatedDate > '2020-01-01'", "INVALID_FIELD", "value of filter criterion for field 'CreatedDate' must be of type dateTime and should not be enclosed in quotes"),
    ("SELECT Id FROM Account WHERE CreatedDate > 2020-01-01", "INVALID_FIELD", "value of filter criterion for field 'CreatedDate' must be of type dateTime and should not be enclosed in quotes"),
    ("SELECT Id FROM Opportunity WHERE CloseDate = '2020-01-01'", "INVALID_FIELD", "value of filter criterion for field 'CloseDate' must be of type date and should not be enclosed in quotes"),
    ("SELECT Id FROM Opportunity WHERE CloseDate = 2020-01-01T00:00:00Z", "INVALID_FIELD", "value of filter criterion for field 'CloseDate' must be of type date and should not be enclosed in quotes"),
    ("SELECT Id FROM Opportunity WHERE Amount = '1'", "INVALID_FIELD", "value of filter criterion for field 'Amount' must be of type double and should not be enclosed in quotes"),
    ("SELECT Id FROM Account WHERE NumberOfEmployees = '1'", "INVALID_FIELD", "value of filter criterion for field 'NumberOfEmployees' must be of type int and should not be enclosed in quotes"),
    ("SELECT Id FROM Opportunity WHERE IsWon = 'true'", "INVALID_FIELD", "value of filter criterion for field 'IsWon' must be of type boolean and should not be enclosed in quotes"),
    ("SELECT Id FROM Account WHERE Name = 5", "INVALID_FIELD", "value of filter criterion for field 'Name' must be of type string and should be enclosed in quotes"),
    ("SELECT Id FROM Account WHERE CreatedDate > 2020-12-12T12:12:00-25:00", "MALFORMED_QUERY", "Invalid datetime: 2020-12-12T12:12:00-25:00"),
    ("SELECT Id FROM Account WHERE CreatedDate > 2020-12-12T12:12:00", "MALFORMED_QUERY", "Invalid datetime: 2020-12-12T12:12:00"),
    ("SELECT Id FROM Opportunity WHERE CloseDate = 2020-02-30", "MALFORMED_QUERY", "Invalid date: 2020-02-30"),
    ("SELECT Id FROM Account WHERE Id = 'abc'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: abc"),
    ("SELECT Id FROM Account WHERE Id LIKE '001%'", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on id field"),
    ("SELECT Id FROM Account WHERE AnnualRevenue LIKE '1%'", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator"),
    ("SELECT Id FROM Account WHERE Name INCLUDES ('a')", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on string field"),
    ("SELECT Id FROM Opportunity WHERE IsWon > true", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on boolean field"),
    ("SELECT Id FROM Account WHERE Description = 'x'", "INVALID_FIELD", "field 'Description' can not be filtered in a query call"),
    ("SELECT Id FROM Account WHERE BillingAddress = 'x'", "INVALID_FIELD", "field 'BillingAddress' can not be filtered in a query call"),
    ("SELECT Id FROM Account ORDER BY Description", "INVALID_FIELD", "field 'Description' can not be sorted in a query call"),
    ("SELECT Amount, COUNT(Id) FROM Opportunity GROUP BY Amount", "INVALID_FIELD", "field 'Amount' can not be grouped in a query call"),
    ("SELECT Name, COUNT(Id) FROM Opportunity", "MALFORMED_QUERY", "Field must be grouped or aggregated: Name"),
    ("SELECT Name, COUNT(Id) FROM Opportunity GROUP BY StageName", "MALFORMED_QUERY", "Field must be grouped or aggregated: Name"),
    ("SELECT StageName FROM Opportunity GROUP BY StageName ORDER BY Name", "MALFORMED_QUERY", "Field must be grouped or aggregated: Name"),
    ("SELECT SUM(Name) FROM Opportunity", "MALFORMED_QUERY", "field Name does not support aggregate operator SUM"),
    ("SELECT COUNT(Id) FROM Opportunity LIMIT 1", "MALFORMED_QUERY", "Non-grouped query that uses overall aggregate functions cannot also use LIMIT"),
    ("SELECT Name n FROM Account", "MALFORMED_QUERY", "only aggregate expressions use field aliasing"),
    ("SELECT Id Name FROM Account", "MALFORMED_QUERY", "only aggregate expressions use field aliasing"),
    ("SELECT Name, name FROM Account", "INVALID_FIELD", "duplicate field selected: Name"),
    ("SELECT COUNT(Id) x, SUM(Amount) x FROM Opportunity", "MALFORMED_QUERY", "duplicate alias: x"),
    ("SELECT FIELDS(ALL) FROM Account", "MALFORMED_QUERY", "The SOQL FIELDS function must have a LIMIT of at most 200"),
    ("SELECT FIELDS(CUSTOM) FROM Account LIMIT 201", "MALFORMED_QUERY", "The SOQL FIELDS function must have a LIMIT of at most 200"),
    ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000"),
    ("SELECT Id FROM Account WHERE Name = 'a' OR Id IN (SELECT AccountId FROM Contact)", "MALFORMED_QUERY", "Semi join sub-selects are only allowed at the top level WHERE expressions and not in nested WHERE expressions."),
    ("SELECT Id FROM Account WHERE Id IN (SELECT Id FROM Account)", "MALFORMED_QUERY", "The inner and outer selects should not be on the same object type"),
    ("SELECT (SELECT COUNT(Id) FROM Contacts) FROM Account", "MALFORMED_QUERY", "only root queries support aggregate expressions"),
    ("SELECT TYPEOF Owner WHEN User THEN Name END FROM Account", "INVALID_FIELD", "Relationship 'Owner' is not polymorphic; TYPEOF needs one that is"),
    ("SELECT Parent.Parent.Parent.Parent.Parent.Parent.Name FROM Account", "INVALID_FIELD", "SOQL relationship paths can have at most 5 levels: Parent.Parent.Parent.Parent.Parent.Parent.Name"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "sentence"), CASES)
def test_refusals(refusal, text: str, code: str, sentence: str) -> None:
    error = refusal(text)
    assert (error.status, error.code) == (400, code)
    assert error.message.split("\n")[-1] == sentence


def test_a_third_semi_join_is_refused(refusal) -> None:
    part = "Id IN (SELECT AccountId FROM {})"
    error = refusal(
        f"SELECT Id FROM Account WHERE {' AND '.join(part.format(each) for each in ('Contact', 'Opportunity', 'Case'))}"
    )
    assert error.code == "MALFORMED_QUERY"


def test_errors_point_at_the_field(refusal) -> None:
    error = refusal("SELECT Id, Account.Name FROM Contact WHERE Account.Foo = 'x'")
    assert error.message.startswith("\n")
    assert "\nERROR at Row:1:Column:44\n" in error.message


def test_hidden_fields_and_objects_fail_as_if_they_did_not_exist(world, refusal, ask) -> None:
    unknown = refusal("SELECT Industri FROM Account").message.replace("Industri", "Industry")
    world.org.settings.update({"hidden_fields": {"Account": ["Industry"]}, "hidden_objects": ["Lead"]})
    try:
        assert refusal("SELECT Industry FROM Account").message == unknown
        assert refusal("SELECT Id FROM Account WHERE Industry = 'x'").code == "INVALID_FIELD"
        assert refusal("SELECT Id FROM Lead").code == "INVALID_TYPE"
        assert "Industry" not in ask("SELECT FIELDS(ALL) FROM Account LIMIT 1")["records"][0]
    finally:
        world.org.settings.update({"hidden_fields": {}, "hidden_objects": []})


@pytest.mark.parametrize(
    "text",
    [
        "SELECT StageName, COUNT(Id) FROM Opportunity GROUP BY StageName",
        "SELECT COUNT() FROM Opportunity",
        "SELECT Id FROM Opportunity OFFSET 1",
        "SELECT TYPEOF What WHEN Account THEN Name END FROM Task",
        "SELECT Id, (SELECT Id FROM Contacts) FROM Account",
        "SELECT BillingAddress FROM Account",
    ],
)
def test_bulk_jobs_refuse_what_has_no_flat_rows(refusal, text: str) -> None:
    assert refusal(text, bulk=True).code == "FUNCTIONALITY_NOT_ENABLED"


def test_bulk_columns_are_flat_and_visible_only(world) -> None:
    from integrations.demo_org.query import compile_for

    compiled = compile_for(
        world.org, world.caller, "SELECT Id, account.owner.name, Amount FROM Opportunity WHERE Name = 'Two'", bulk=True
    )
    assert [each.name for each in compiled.columns] == ["Id", "Account.Owner.Name", "Amount"]
    found = world.org.store.read().execute(compiled.sql, compiled.params).fetchall()
    assert found == [(world.ids["d2"], "Bob Bobson", 250.5)]
    assert [each.field.type for each in compiled.columns if each.field] == ["id", "string", "currency"]
