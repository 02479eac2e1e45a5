"""WHERE over a world whose every record is known."""

import pytest

ACCOUNTS = [
    ("Name = 'acme'", ["Acme"]),
    ("Name = 'ÉMILE & SÖHNE'", ["Émile & Söhne"]),
    ("Name LIKE 'émile%'", ["Émile & Söhne"]),
    ("Name LIKE 'a_me'", ["Acme"]),
    (r"Name LIKE 'O\'Neil 100\%\_x'", ["O'Neil 100%_x"]),
    (r"Name LIKE '%\%%'", ["O'Neil 100%_x"]),
    (r"Name = 'O\'Neil 100%_x'", ["O'Neil 100%_x"]),
    ("Name != 'acme'", ["O'Neil 100%_x", "Émile & Söhne"]),
    ("Name <> 'acme'", ["O'Neil 100%_x", "Émile & Söhne"]),
    ("Name IN ('ACME', 'émile & söhne', 'x')", ["Acme", "Émile & Söhne"]),
    ("Name NOT IN ('ACME', 'x')", ["O'Neil 100%_x", "Émile & Söhne"]),
    ("Industry = null", ["O'Neil 100%_x"]),
    ("Industry = ''", ["O'Neil 100%_x"]),
    ("Industry != null", ["Acme", "Émile & Söhne"]),
    ("Industry != 'Banking'", ["O'Neil 100%_x", "Émile & Söhne"]),
    ("Industry NOT IN ('Banking')", ["O'Neil 100%_x", "Émile & Söhne"]),
    ("Industry IN (null, 'Banking')", ["Acme", "O'Neil 100%_x"]),
    ("Industry NOT IN (null, 'Banking')", ["Émile & Söhne"]),
    ("NOT Industry = 'Banking'", ["O'Neil 100%_x", "Émile & Söhne"]),
    ("NOT (Industry = 'Banking' OR Industry = 'Energy')", ["O'Neil 100%_x"]),
    ("(NOT(Industry = 'Banking')) AND AnnualRevenue > 3000000", ["O'Neil 100%_x"]),
    ("AnnualRevenue > 1000.5", ["O'Neil 100%_x", "Émile & Söhne"]),
    ("AnnualRevenue >= 1000.5 AND AnnualRevenue <= 2e6", ["Acme", "Émile & Söhne"]),
    ("AnnualRevenue IN (1000.5, 3)", ["Acme"]),
    ("NumberOfEmployees < 11", ["Acme"]),
    ("NumberOfEmployees = -1", []),
    ("Is_Reference__c = TRUE", ["O'Neil 100%_x"]),
    ("Is_Reference__c != true", ["Acme", "Émile & Söhne"]),
    ("Product_Lines__c INCLUDES ('Planning')", ["Acme", "Émile & Söhne"]),
    ("Product_Lines__c INCLUDES ('Planning;Connect')", ["Acme"]),
    ("Product_Lines__c INCLUDES ('Connect;Planning', 'Insights')", ["Acme"]),
    ("Product_Lines__c EXCLUDES ('Connect')", ["O'Neil 100%_x", "Émile & Söhne"]),
    ("Product_Lines__c = 'Planning'", ["Émile & Söhne"]),
    ("Domain_Key__c = 'abc'", []),
    ("Domain_Key__c = 'ABC'", ["Acme"]),
    ("Owner.Name = 'bob bobson'", ["Acme"]),
    ("Owner.Manager.Username = 'ada@core.example'", ["Acme"]),
    ("Parent.Name = 'Acme'", ["Émile & Söhne"]),
    ("Parent.Name != 'Acme'", ["Acme", "O'Neil 100%_x"]),
    ("Parent.Industry = null", ["Acme", "O'Neil 100%_x"]),
    ("IsDeleted = true", []),
    ("toLabel(Region__c) = 'americas'", ["O'Neil 100%_x"]),
    ("Id IN (SELECT AccountId FROM Contact)", ["Acme", "Émile & Söhne"]),
    ("Id NOT IN (SELECT AccountId FROM Contact)", ["O'Neil 100%_x"]),
    ("Id IN (SELECT AccountId FROM Opportunity WHERE IsWon = true) AND Id NOT IN (SELECT AccountId FROM Case)", ["Émile & Söhne"]),
    ("Id IN (SELECT AccountId FROM Contact WHERE Account.Industry = 'Energy')", ["Émile & Söhne"]),
    ("CALENDAR_YEAR(CreatedDate) = 2026", ["Acme", "Émile & Söhne"]),
    ("DAY_ONLY(CreatedDate) = 2026-11-18", ["Acme"]),
    ("DAY_ONLY(convertTimezone(CreatedDate)) = 2026-11-17", ["Acme"]),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "expected"), ACCOUNTS)
def test_conditions_find(names, condition: str, expected: list[str]) -> None:
    assert sorted(names(f"SELECT Name FROM Account WHERE {condition}")) == expected


def test_ids_match_in_15_and_18_characters(world, names) -> None:
    key = world.ids["acme"]
    assert names(f"SELECT Name FROM Account WHERE Id = '{key[:15]}'") == ["Acme"]
    assert names(f"SELECT Name FROM Account WHERE Id IN ('{key}')") == ["Acme"]
    assert sorted(names(f"SELECT Name FROM Contact WHERE AccountId = '{key[:15]}'")) == ["Ann Archer", "Ben Baker"]


def test_an_18_character_id_is_safe_in_any_case(world, names) -> None:
    assert names(f"SELECT Name FROM Account WHERE Id = '{world.ids['acme'].lower()}'") == ["Acme"]


def test_a_15_character_id_is_case_sensitive(world, names) -> None:
    assert names(f"SELECT Name FROM Account WHERE Id = '{world.ids['acme'][:15].swapcase()}'") == []


def test_deleted_records_are_only_in_query_all(names) -> None:
    assert "Gone Ltd" not in names("SELECT Name FROM Account")
    assert "Gone Ltd" in names("SELECT Name FROM Account", all_rows=True)
    assert names("SELECT Name FROM Account WHERE IsDeleted = true", all_rows=True) == ["Gone Ltd"]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("CloseDate = TODAY", ["One"]),
        ("CloseDate > TODAY", ["Five", "Two"]),
        ("CloseDate >= TODAY AND CloseDate < 2027-01-01", ["One", "Two"]),
        ("CloseDate != THIS_YEAR", ["Five", "Four"]),
        ("CloseDate = LAST_N_DAYS:30", ["One", "Three"]),
        ("CloseDate = NEXT_N_DAYS:13", ["Two"]),
        ("CloseDate = NEXT_N_DAYS:12", []),
        ("CloseDate IN (TODAY, 2026-12-01)", ["One", "Two"]),
        ("CloseDate NOT IN (THIS_YEAR)", ["Five", "Four"]),
        ("CloseDate < LAST_YEAR", []),
        ("CloseDate <= LAST_YEAR", ["Four"]),
        ("CloseDate = N_MONTHS_AGO:1", ["Three"]),
    ],
)
def test_date_literals_on_dates(names, condition: str, expected: list[str]) -> None:
    assert sorted(names(f"SELECT Name FROM Opportunity WHERE {condition}")) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("CreatedDate = TODAY", []),
        ("CreatedDate = YESTERDAY", ["Acme"]),  # 05:00Z is the evening before in Los Angeles
        ("CreatedDate = LAST_N_DAYS:1", ["Acme"]),
        ("CreatedDate = THIS_MONTH", ["Acme", "Émile & Söhne"]),
        ("CreatedDate = LAST_YEAR", ["O'Neil 100%_x"]),
        ("CreatedDate > 2026-11-18T05:00:00Z", []),
        ("CreatedDate >= 2026-11-17T21:00:00-08:00", ["Acme"]),
        ("CreatedDate = 2026-11-18T05:00:00.000+0000", ["Acme"]),
    ],
)
def test_date_literals_on_instants_follow_the_users_time_zone(names, condition: str, expected: list[str]) -> None:
    assert sorted(names(f"SELECT Name FROM Account WHERE {condition}")) == expected


def test_scope_mine_keeps_own_records(names) -> None:
    assert sorted(names("SELECT Name FROM Account USING SCOPE mine")) == ["O'Neil 100%_x", "Émile & Söhne"]
    assert len(names("SELECT Name FROM Account USING SCOPE everything WITH SECURITY_ENFORCED")) == 3


def test_relationship_aliases_of_the_from_part(names) -> None:
    found = names("SELECT c.Name FROM Contact c, c.Account a WHERE a.Name = 'Acme' AND c.LastName = 'Baker'")
    assert found == ["Ben Baker"]


def test_values_never_become_sql(names) -> None:
    assert names(r"SELECT Name FROM Account WHERE Name = 'x\' OR 1=1 --'") == []
    assert names(r"SELECT Name FROM Account WHERE Name LIKE '%\'; DROP TABLE Account; --'") == []
    assert len(names("SELECT Name FROM Account")) == 3
