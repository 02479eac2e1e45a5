"""Ids, values, SOQL and links: exact in, exact out, nothing injected."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.salesforce import ids, links, soql, values
from integrations.salesforce.errors import TooLarge
from integrations.salesforce.values import ABSENT

# --- ids ---


@pytest.mark.parametrize(
    "full", ["0014S000007NxmlQAC", "001D000000K0fXOIAZ", "750ak000009BkrxAAC", "00OR0000000K2UeMAK", "0065500000KPywjAAD"]
)
def test_r_051_fifteen_and_eighteen_characters_are_one_id(full):
    assert ids.to_18(full[:15]) == full
    assert ids.to_18(full) == full
    assert ids.to_18(full.upper()) == full
    assert ids.to_18(full.lower()) == full
    assert ids.is_id(full)
    assert ids.is_id(full[:15])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "001",
        "0014S000007NxmlQA",
        "0014S000007Nxml!",
        "0014S000007NxmlAAA",
        " 0014S000007Nxml",
        "0014S000007Nxml\n",
        "００14S000007Nxm",
        None,
        5,
    ],
)
def test_other_texts_are_no_ids(text):
    assert not ids.is_id(text)
    with pytest.raises(ValueError):
        ids.to_18(text)


@given(st.from_regex(r"[0-9A-Za-z]{15}", fullmatch=True))
def test_checksums_restore_the_case_of_any_id(body):
    full = ids.to_18(body)
    assert full[:15] == body
    assert ids.to_18(full.lower()) == full


def test_recorded_ids_fit_their_checksum(recordings):
    found = [record["Id"] for record in recordings.json("query/account-ids-105-records.json")["records"]]
    assert len(found) == 105
    assert all(ids.to_18(item[:15]) == item for item in found)


# --- values ---


@pytest.mark.parametrize(
    "text",
    [
        "2021-12-03T17:59:20.000Z",
        "2021-12-03T17:59:20.000+0000",
        "2021-12-03T17:59:20Z",
        "2021-12-03T17:59:20.000000000Z",
        "2021-12-03T23:29:20.000+05:30",
        "2021-12-03T09:59:20-0800",
        "2021-12-03t17:59:20.000z",
    ],
)
def test_r_074_instants_in_every_spelling_are_the_same_instant(text):
    assert values.read_moment(text) == datetime(2021, 12, 3, 17, 59, 20, tzinfo=UTC)
    assert values.read_moment(text).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text",
    [
        "2021-12-03T17:59:20",
        "2021-12-03",
        "",
        "yesterday",
        "2021-13-03T17:59:20Z",
        "2021-12-03T25:59:20Z",
        "0001-01-01T00:00:00+05:30",
    ],
)
def test_r_074_instants_without_zone_are_refused(text):
    with pytest.raises(ValueError):
        values.read_moment(text)


def test_r_074_naive_datetimes_are_not_written():
    with pytest.raises(ValueError, match="time zone"):
        values.write_moment(datetime(2021, 12, 3))
    india = timezone(timedelta(hours=5, minutes=30))
    assert values.write_moment(datetime(2021, 12, 3, 23, 29, 20, tzinfo=india)) == "2021-12-03T17:59:20.000Z"


@pytest.mark.parametrize("text", ["0001-01-01", "1582-10-10", "9999-12-31", "2024-02-29"])
def test_r_073_r_075_days_are_kept_as_days(text):
    assert values.read_day(text).isoformat() == text


def test_r_073_r_110_days_that_salesforce_cannot_hold_are_refused():
    assert values.write_day(date(1700, 1, 1)) == "1700-01-01"
    for day in (date(1699, 12, 31), date(4001, 1, 1)):
        with pytest.raises(ValueError):
            values.write_day(day)
    with pytest.raises(TypeError):
        values.write_day(datetime(2021, 1, 1, tzinfo=UTC))
    with pytest.raises(ValueError):
        values.read_day("2021-02-30")


@pytest.mark.parametrize("text", ["NaN", "nan", "Infinity", "-inf", "12abc", "", " ", "1,5", "0x10", "1e99999", "١٢", "--1"])
def test_r_072_r_104_texts_that_are_no_numbers_are_refused(text):
    with pytest.raises(ValueError):
        values.read_number(text)
    with pytest.raises(ValueError):
        values.read_value("currency", text)


def test_r_072_r_107_numbers_are_exact():
    assert values.read_number("2.675") == Decimal("2.675")
    assert str(values.read_number("-0.0")) == "0.0"
    assert values.read_number("1.39E8") == 139_000_000
    assert values.read_number("1e308") == Decimal("1e308")
    assert values.read_number(Decimal("0.1")) + values.read_number("0.2") == Decimal("0.3")
    assert values.write_number(Decimal("1.39E8")) == "139000000"
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError):
            values.read_number(bad)
    for bad in (Decimal("NaN"), Decimal("Infinity")):
        with pytest.raises(ValueError):
            values.write_number(bad)


def test_r_077_absent_null_and_empty_are_three_things():
    record = {"A": None, "B": ""}
    assert values.read_key(record, "A", "string") is None
    assert values.read_key(record, "B", "string") == ""
    assert values.read_key(record, "C", "string") is ABSENT
    assert values.write_cell(ABSENT) == ""
    assert values.write_cell(None) == "#N/A"
    assert values.write_cell("") == "#N/A"
    assert values.write_json("") is None
    with pytest.raises(ValueError):
        values.write_json(ABSENT)
    with pytest.raises(ValueError, match="would clear"):
        values.write_cell("#N/A")


def test_r_078_multi_select_order_does_not_matter():
    assert values.same_choices("A;B", "B;A")
    assert not values.same_choices("A;B", "A")
    assert values.same_choices(None, "")
    assert values.read_choices("b;a;b") == ("b", "a")


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("boolean", "true", True),
        ("boolean", "FALSE", False),
        ("double", "12.50", Decimal("12.50")),
        ("int", "7", Decimal(7)),
        ("percent", "15", Decimal(15)),
        ("date", "2024-02-29", date(2024, 2, 29)),
        ("datetime", "2024-02-29T10:00:00.000Z", datetime(2024, 2, 29, 10, tzinfo=UTC)),
        ("time", "12:30:00.000Z", time(12, 30)),
        ("reference", "0014S000007Nxml", "0014S000007NxmlQAC"),
        ("string", " a ", " a "),
        ("multipicklist", "a;b", "a;b"),
        ("string", "", None),
    ],
)
def test_cells_become_typed_values(kind, cell, value):
    assert values.read_cell(kind, cell) == value


@pytest.mark.parametrize(
    ("kind", "value"), [("boolean", "yes"), ("date", "29.02.2024"), ("string", 5), ("reference", "xyz"), ("datetime", 5)]
)
def test_i_06_values_that_do_not_fit_are_refused_not_changed(kind, value):
    with pytest.raises(ValueError):
        values.read_value(kind, value)


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (True, "true"),
        (Decimal("1E+3"), "1000"),
        (date(2024, 2, 29), "2024-02-29"),
        (time(12, 30), "12:30:00.000Z"),
        ("=1+1", "=1+1"),
        (7, "7"),
    ],
)
def test_r_144_values_become_cells_unchanged(value, cell):
    assert values.write_cell(value) == cell


def test_every_recorded_field_type_is_read(recordings):
    record = recordings.json("record/every-field-type.json")
    assert values.read_moment("2011-07-07T00:37:00.000+0000").year == 2011
    assert isinstance(record, dict)
    for value in record.values():
        if isinstance(value, str) and value[10:11] == "T":
            assert values.read_moment(value).tzinfo is UTC


# --- SOQL ---

INJECTIONS = [
    "x' OR Name LIKE '%",
    "\\",
    "\\' OR Id != null --",
    "'",
    "''",
    '"',
    "\\\\'",
    "x\\",
    "a\nb",
    "\r\n",
    "%",
    "_",
    "\t",
    "\u2028",
    "💥",
]


@pytest.mark.parametrize("text", INJECTIONS)
def test_s_030_every_value_stays_one_literal(text):
    for condition in (soql.equals("Name", text), soql.one_of("Name", [text, "y"]), soql.contains("Name", text)):
        inside, literals, place = False, 0, 0
        while place < len(condition):
            if inside and condition[place] == "\\":
                place += 2
                continue
            if condition[place] == "'":
                inside = not inside
                literals += inside
            place += 1
        assert not inside
        assert literals == (2 if " IN " in condition else 1)
        assert "\n" not in condition
        assert "\r" not in condition


def test_s_030_known_escapes():
    assert soql.quote('O\'Brien \\ "x"\n') == "'O\\'Brien \\\\ \\\"x\\\"\\n'"
    with pytest.raises(ValueError, match="control"):
        soql.quote("a\x00b")
    with pytest.raises(ValueError, match="4000"):
        soql.quote("a" * 4001)


def test_s_032_wildcards_in_contains_filters_are_literal():
    assert soql.contains("Name", "50%_x") == "Name LIKE '%50\\%\\_x%'"
    assert soql.starts_with("Name", "a_") == "Name LIKE 'a\\_%'"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Name OR 1=1",
        "Name--",
        "a.b.c.d.e.f.g",
        "1Name",
        "Näme",
        "Name,Id",
        "Name)",
        "Name ",
        "a..b",
        "Name\n",
        "(SELECT Id FROM X)",
    ],
)
def test_s_030_names_are_checked(name):
    with pytest.raises(ValueError):
        soql.field_name(name)
    with pytest.raises(ValueError):
        soql.select("Account", [name])
    with pytest.raises(ValueError):
        soql.select("Account", ["Id"], order_by=[name + " DESC"])


def test_literals_of_every_type():
    assert soql.quote(None) == "null"
    assert soql.quote(True) == "true"
    assert soql.quote(Decimal("1E+3")) == "1000"
    assert soql.quote(date(2024, 2, 29)) == "2024-02-29"
    assert soql.quote(datetime(2024, 2, 29, 10, tzinfo=UTC)) == "2024-02-29T10:00:00.000Z"
    for value in (float("nan"), 1.5, datetime(2024, 1, 1), object(), Decimal("NaN")):
        with pytest.raises(ValueError):
            soql.quote(value)


def test_select_is_built_from_checked_parts():
    query = soql.select(
        "Account",
        ["Id", "Name", "Owner.Name", "Id"],
        where=[
            soql.compare("SystemModstamp", ">=", datetime(2024, 1, 1, tzinfo=UTC)),
            soql.any_of(soql.equals("Type", None), soql.equals("Type", "x")),
        ],
        order_by=["SystemModstamp", "Id DESC", "Name ASC NULLS LAST"],
        limit=10,
        offset=20,
    )
    assert query == (
        "SELECT Id,Name,Owner.Name FROM Account WHERE SystemModstamp >= 2024-01-01T00:00:00.000Z AND (Type = null OR Type = 'x')"
        " ORDER BY SystemModstamp,Id DESC,Name ASC NULLS LAST LIMIT 10 OFFSET 20"
    )
    assert soql.includes("T", ["a", "b"], ["c"]) == "T INCLUDES ('a;b','c')"
    assert soql.count("Account", where=[soql.equals("Id", "x")]) == "SELECT COUNT() FROM Account WHERE Id = 'x'"
    with pytest.raises(ValueError):
        soql.one_of("Name", [])


def test_long_key_lists_are_cut_into_queries_that_fit():
    keys = [f"clé {number} & more'" for number in range(3000)]
    queries = list(soql.selects("Account", ["Id", "Name"], key="Ext__c", values=[*keys, *keys[:50]]))
    assert 5 < len(queries) < 60
    assert all(soql.encoded_length(query) <= soql.ROOM_IN_ADDRESS for query in queries)
    assert sum(query.count("clé") for query in queries) == 3000
    assert list(soql.selects("Account", ["Id"], key="Ext__c", values=[])) == []
    with pytest.raises(TooLarge):
        list(soql.selects("Account", [f"Field_{number}__c" for number in range(1500)], key="Id", values=["x"]))


# --- links ---


def test_links_to_records():
    assert (
        links.record_url("https://acme.my.salesforce.com/", "0014S000007Nxml")
        == "https://acme.my.salesforce.com/0014S000007NxmlQAC"
    )
    assert (
        links.report_url("https://acme.my.salesforce.com", "00OR0000000K2UeMAK")
        == "https://acme.my.salesforce.com/00OR0000000K2UeMAK"
    )
    page = links.lightning_url("https://acme.my.salesforce.com", "Account", "0014S000007NxmlQAC")
    assert page == "https://acme.lightning.force.com/lightning/r/Account/0014S000007NxmlQAC/view"
    with pytest.raises(ValueError):
        links.record_url("https://acme.my.salesforce.com", "../x")


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "//evil.example",
        "https://",
        "http://a b",
        'https://x"onclick=alert(1)',
        "https://user:pw@evil.example",
        "https://[::1",
        "",
        None,
        5,
        "javascript://acme.example/%0aalert(1)",
    ],
)
def test_s_036_dangerous_addresses_are_not_linked(text):
    assert links.safe_link(text) == ""


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("https://acme.example/a?b=1", "https://acme.example/a?b=1"),
        ("www.acme.example", "https://www.acme.example"),
        (" HTTP://acme.example ", "HTTP://acme.example"),
    ],
)
def test_s_036_web_addresses_are_linked(text, link):
    assert links.safe_link(text) == link
