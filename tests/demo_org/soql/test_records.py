"""What records look like: nesting, nulls, formats, order of keys."""

import pytest


def first(answer: dict) -> dict:
    return answer["records"][0]


def test_values_have_the_rest_formats(ask, world) -> None:
    record = first(
        ask(
            "SELECT Id, Name, AnnualRevenue, NumberOfEmployees, Is_Reference__c, CreatedDate, Industry, Product_Lines__c FROM Account WHERE Name = 'Acme'"
        )
    )
    assert record == {
        "attributes": {"type": "Account", "url": f"/services/data/v65.0/sobjects/Account/{world.ids['acme']}"},
        "Id": world.ids["acme"], "Name": "Acme", "AnnualRevenue": 1000.5, "NumberOfEmployees": 10, "Is_Reference__c": False,
        "CreatedDate": "2026-11-18T05:00:00.000+0000", "Industry": "Banking", "Product_Lines__c": "Planning;Connect",
    }  # fmt: skip


def test_keys_follow_the_query_in_canonical_case(ask) -> None:
    record = first(ask("select name, ID, owner.NAME, annualrevenue from account where name = 'ACME'"))
    assert list(record) == ["attributes", "Name", "Id", "Owner", "AnnualRevenue"]
    assert record["Owner"]["Name"] == "Bob Bobson"


def test_attributes_are_there_without_id(ask, world) -> None:
    record = first(ask("SELECT Name FROM Account WHERE Name = 'Acme'"))
    assert list(record) == ["attributes", "Name"]
    assert record["attributes"]["url"].endswith(world.ids["acme"])


def test_currency_and_percent_are_floats_even_when_whole(ask) -> None:
    record = first(ask("SELECT Amount, Probability FROM Opportunity WHERE Name = 'Three'"))
    assert (repr(record["Amount"]), repr(record["Probability"])) == ("1000.0", "100.0")


def test_compound_address_beside_its_parts(ask) -> None:
    record = first(ask("SELECT BillingAddress, BillingCity FROM Account WHERE Name = 'Acme'"))
    assert record["BillingAddress"] == {
        "city": "Paris", "country": None, "geocodeAccuracy": None, "latitude": None, "longitude": None, "postalCode": "75001",
        "state": None, "street": None,
    }  # fmt: skip
    assert record["BillingCity"] == "Paris"
    assert first(ask("SELECT BillingAddress FROM Account WHERE Name LIKE 'Émile%'"))["BillingAddress"] is None


def test_parents_nest_and_are_null_without_a_record(ask) -> None:
    found = ask("SELECT Name, Parent.Name, Parent.Owner.UserRole.Name FROM Account ORDER BY Parent.Name NULLS LAST")["records"]
    assert found[0]["Parent"]["Name"] == "Acme"
    assert found[0]["Parent"]["attributes"]["type"] == "Account"
    assert found[0]["Parent"]["Owner"]["UserRole"]["Name"] == "Chief"
    assert [each["Parent"] for each in found[1:]] == [None, None]


def test_children_nest_and_are_null_when_there_are_none(ask) -> None:
    found = ask("SELECT Name, (SELECT LastName, Account.Name FROM Contacts ORDER BY LastName DESC) FROM Account ORDER BY Name")[
        "records"
    ]
    contacts = {each["Name"]: each["Contacts"] for each in found}
    assert contacts["O'Neil 100%_x"] is None
    assert (contacts["Acme"]["totalSize"], contacts["Acme"]["done"]) == (2, True)
    assert [each["LastName"] for each in contacts["Acme"]["records"]] == ["Baker", "Archer"]
    assert contacts["Acme"]["records"][0]["Account"]["Name"] == "Acme"
    assert contacts["Acme"]["records"][0]["attributes"]["type"] == "Contact"


def test_children_have_conditions_and_limits_of_their_own(ask) -> None:
    text = "SELECT (SELECT Name FROM Contacts WHERE Email != null LIMIT 1), (SELECT Name FROM Opportunities ORDER BY Amount DESC LIMIT 1 OFFSET 1) FROM Account WHERE Name = 'Acme'"
    record = first(ask(text))
    assert [each["Name"] for each in record["Contacts"]["records"]] == ["Ann Archer"]
    assert [each["Name"] for each in record["Opportunities"]["records"]] == ["One"]
    assert record["Opportunities"]["totalSize"] == 1


def test_children_of_children(ask) -> None:
    record = first(
        ask("SELECT Name, (SELECT Name, (SELECT Name FROM Contacts) FROM ChildAccounts) FROM Account WHERE Name = 'Acme'")
    )
    child = record["ChildAccounts"]["records"][0]
    assert child["Name"] == "Émile & Söhne"
    assert child["Contacts"]["records"][0]["Name"] == "Cole"


def test_polymorphic_parents_show_the_common_fields(ask) -> None:
    found = {each["Subject"]: each for each in ask("SELECT Subject, What.Name, What.Type, Who.Type FROM Task")["records"]}
    assert {key: each["What"] and (each["What"]["Name"], each["What"]["Type"]) for key, each in found.items()} == {
        "Call": ("Acme", "Account"), "Mail": ("One", "Opportunity"), "Fix": ("00001001", "Case"), "Rest": None,
    }  # fmt: skip
    assert found["Call"]["What"]["attributes"]["type"] == "Name"
    assert "/sobjects/Account/001" in found["Call"]["What"]["attributes"]["url"]
    assert (found["Call"]["Who"]["Type"], found["Mail"]["Who"]["Type"], found["Rest"]["Who"]) == ("Contact", "Lead", None)


def test_polymorphic_owner_may_be_a_queue(names) -> None:
    assert names("SELECT Owner.Name, CaseNumber FROM Case WHERE Owner.Name = 'Support desk'") == ["00001001"]
    assert names("SELECT CaseNumber FROM Case WHERE Owner.Type = 'Queue'") == []
    assert names("SELECT Subject FROM Task WHERE What.Type IN ('Account', 'Case')") == ["Call", "Fix"]


def test_typeof_shows_each_record_in_its_own_shape(ask) -> None:
    text = "SELECT Subject, TYPEOF What WHEN Account THEN Industry, AnnualRevenue WHEN Opportunity THEN StageName ELSE Name END FROM Task"
    found = {each["Subject"]: each["What"] for each in ask(text)["records"]}
    plain = {key: each and {name: value for name, value in each.items() if name != "attributes"} for key, each in found.items()}
    assert plain == {
        "Call": {"Industry": "Banking", "AnnualRevenue": 1000.5}, "Mail": {"StageName": "Prospecting"},
        "Fix": {"Name": "00001001"}, "Rest": None,
    }  # fmt: skip
    assert found["Mail"]["attributes"]["type"] == "Opportunity"


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("SELECT toLabel(Region__c) FROM Account WHERE Name = 'Acme'", "Region__c", "Europe, Middle East & Africa"),
        ("SELECT toLabel(Region__c) region FROM Account WHERE Name = 'Acme'", "region", "Europe, Middle East & Africa"),
        ("SELECT FORMAT(AnnualRevenue) FROM Account WHERE Name LIKE 'O%'", "AnnualRevenue", "$139,000,000"),
        ("SELECT FORMAT(CloseDate) closing FROM Opportunity WHERE Name = 'Two'", "closing", "12/1/2026"),
        ("SELECT FORMAT(CreatedDate) FROM Account WHERE Name = 'Acme'", "CreatedDate", "11/17/2026, 9:00 PM"),
        ("SELECT FORMAT(convertCurrency(Amount)) FROM Opportunity WHERE Name = 'Two'", "Amount", "$250.50"),
        ("SELECT convertCurrency(Amount) FROM Opportunity WHERE Name = 'Two'", "Amount", 250.5),
    ],
)
def test_functions_of_the_field_list(ask, text: str, key: str, expected: object) -> None:
    assert first(ask(text))[key] == expected


def test_distance(ask, world) -> None:
    paris, london = (48.8566, 2.3522), (51.5074, -0.1278)
    with world.org.store.write() as connection:
        connection.execute(
            'UPDATE Account SET "Headquarters__Latitude__s" = ?, "Headquarters__Longitude__s" = ? WHERE Name = ?',
            (*paris, "Acme"),
        )
    point = f"DISTANCE(Headquarters__c, GEOLOCATION({london[0]}, {london[1]}), 'km')"
    record = first(ask(f"SELECT Name, Headquarters__c, {point} FROM Account WHERE {point} < 400 ORDER BY {point}"))
    assert record["Headquarters__c"] == {"latitude": paris[0], "longitude": paris[1]}
    assert record["expr0"] == pytest.approx(343.5, abs=1)
    assert ask(f"SELECT Name FROM Account WHERE {point} < 300")["totalSize"] == 0


def test_fields_macros(ask, world) -> None:
    kind = world.org.schema_for(world.caller).find("Contact")
    everything = first(ask("SELECT FIELDS(ALL) FROM Contact LIMIT 1"))
    assert list(everything)[1:] == [each.name for each in kind.fields]
    custom = first(ask("SELECT FIELDS(CUSTOM) FROM Contact LIMIT 200"))
    assert set(custom) == {"attributes"} | {each.name for each in kind.fields if each.custom}
    assert "Id" in first(ask("SELECT FIELDS(STANDARD), Newsletter__c FROM Contact"))


def test_order_puts_nulls_first_unless_told_otherwise(names) -> None:
    assert names("SELECT Name FROM Opportunity ORDER BY Amount")[0] == "Five"
    assert names("SELECT Name FROM Opportunity ORDER BY Amount DESC")[0] == "Five"
    assert names("SELECT Name FROM Opportunity ORDER BY Amount DESC NULLS LAST") == ["Four", "Three", "Two", "One", "Five"]
    assert names("SELECT Name FROM Opportunity ORDER BY Amount ASC NULLS LAST, Name")[-1] == "Five"


def test_picklists_sort_by_their_definition(names) -> None:
    found = names("SELECT StageName FROM Opportunity ORDER BY StageName, Name")
    assert found == ["Prospecting", "Prospecting", "Qualification", "Closed Won", "Closed Won"]


def test_limit_and_offset(names) -> None:
    assert names("SELECT Name FROM Account ORDER BY Name LIMIT 1 OFFSET 1") == ["O'Neil 100%_x"]
    assert names("SELECT Name FROM Account LIMIT 0") == []
