"""SOSL: terms, field groups, objects."""

import pytest

from integrations.demo_org.errors import ApiError
from integrations.demo_org.search import sosl_of
from integrations.demo_org.soql.search import parse_search, run_search


@pytest.fixture
def find(world):
    def run(text: str, **more) -> list[dict]:
        options = {"schema": world.org.schema_for(world.caller), "now": world.org.clock.now(), "time_zone": "UTC"}
        return run_search(world.org.store, parse_search(text), **{**options, **more})

    return run


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FIND {acme} RETURNING Account(Name)", ["Acme"]),
        ("FIND {ACME} IN NAME FIELDS RETURNING Account(Name)", ["Acme"]),
        ("FIND {acm} RETURNING Account(Name)", []),
        ("FIND {acm*} RETURNING Account(Name)", ["Acme"]),
        ("FIND {ac?e} RETURNING Account(Name)", ["Acme"]),
        ("FIND {émile} RETURNING Account(Name)", ["Émile & Söhne"]),
        ("FIND {ÉMILE AND SÖHNE} RETURNING Account(Name)", ["Émile & Söhne"]),
        ("FIND {émile söhne} RETURNING Account(Name)", ["Émile & Söhne"]),
        ("FIND {émile AND acme} RETURNING Account(Name)", []),
        ("FIND {émile OR acme} RETURNING Account(Name ORDER BY Name)", ["Acme", "Émile & Söhne"]),
        ("FIND {(émile OR acme) AND NOT paris} RETURNING Account(Name)", ["Émile & Söhne"]),
        ('FIND {"line one"} RETURNING Account(Name)', ["Acme"]),
        ('FIND {"two one"} RETURNING Account(Name)', []),
        ("FIND {paris} IN NAME FIELDS RETURNING Account(Name)", []),
        ("FIND {paris} IN ALL FIELDS RETURNING Account(Name)", ["Acme"]),
        ("FIND {example} IN EMAIL FIELDS RETURNING Contact(Name ORDER BY Name)", ["Ann Archer", "Cole"]),
        ("FIND {0100} IN PHONE FIELDS RETURNING Contact(Name)", ["Ben Baker"]),
        ("FIND {archer} RETURNING Account(Name), Contact(Name WHERE Account.Name = 'Acme' LIMIT 5)", ["Ann Archer"]),
        (r"FIND {O\'Neil} RETURNING Account(Name)", ["O'Neil 100%_x"]),
        ("FIND {example OR acme} RETURNING Account(Name), Contact(Name ORDER BY Name) LIMIT 2", ["Acme", "Ann Archer"]),
    ],
)  # fmt: skip
def test_terms(find, text: str, expected: list[str]) -> None:
    assert [each["Name"] for each in find(text)] == expected


def test_without_returning_every_object_gives_ids(find, world) -> None:
    found = find("FIND {archer}")
    assert found == [
        {
            "attributes": {"type": "Contact", "url": f"/services/data/v65.0/sobjects/Contact/{world.ids['ann']}"},
            "Id": world.ids["ann"],
        }
    ]


def test_deleted_records_are_not_found(find) -> None:
    assert find("FIND {gone} RETURNING Account(Name)") == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("FIND bar", "MALFORMED_SEARCH"),
        ("FIND {bar", "MALFORMED_SEARCH"),
        ("", "MALFORMED_SEARCH"),
        ("FIND {a}", "MALFORMED_SEARCH"),
        ("FIND {*}", "MALFORMED_SEARCH"),
        ("FIND {acme AND}", "MALFORMED_SEARCH"),
        ("FIND {(acme}", "MALFORMED_SEARCH"),
        ("SEEK {acme}", "MALFORMED_SEARCH"),
        ("FIND {acme} IN SOME FIELDS", "MALFORMED_SEARCH"),
        ("FIND {acme} RETURNING Account(Name", "MALFORMED_SEARCH"),
        ("FIND {acme} RETURNING Account(Name) WITH HIGHLIGHT", "MALFORMED_SEARCH"),
        ("FIND {acme} RETURNING Account(Name) UPDATE EVERYTHING", "MALFORMED_SEARCH"),
        ("FIND {acme} RETURNING Account(Name) WITH SPELL_CORRECTION = maybe", "MALFORMED_SEARCH"),
        ("FIND {acme} RETURNING Nothing(Name)", "INVALID_TYPE"),
        ("FIND {acme} RETURNING Account(Nothing)", "INVALID_FIELD"),
    ],
)
def test_refusals(find, text: str, code: str) -> None:
    with pytest.raises(ApiError) as caught:
        find(text)
    assert caught.value.code == code


def test_parameterized_search_is_sosl_underneath() -> None:
    asked = {
        "q": "a'b* {x}", "in": "NAME", "fields": ["Id"], "overallLimit": 5, "defaultLimit": 3,
        "sobjects": [{"name": "Account", "fields": ["Id", "Name"], "where": "Name != null", "orderBy": "Name", "limit": 2}, {"name": "Contact"}],
    }  # fmt: skip
    expected = (
        r"FIND {a\'b* \{x\}} IN NAME FIELDS RETURNING Account(Id, Name WHERE Name != null ORDER BY Name LIMIT 2),"
        " Contact(Id LIMIT 3) LIMIT 5"
    )
    assert sosl_of(asked) == expected
    with pytest.raises(ApiError):
        sosl_of({"q": "abc", "sobjects": [{"name": "Account) RETURNING User"}]})
