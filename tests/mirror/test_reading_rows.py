"""Salesforce's cells and JSON values as typed rows: exact, whole, null where Salesforce says null, and never silently other."""

import io
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.sync.mirror import landing
from integrations.sync.mirror.landing import DamagedPage
from integrations.sync.mirror.planning import Column

ID = "001000000000001AAA"
KINDS = {
    "string": "text", "boolean": "flag", "int": "whole", "currency": "number", "date": "day", "datetime": "moment",
    "time": "clock", "reference": "text",
}  # fmt: skip


def columns(*types: str) -> tuple[Column, ...]:
    return (Column("Id", "id", "text"), *(Column(f"F{place}", each, KINDS[each]) for place, each in enumerate(types)))


def page(*rows: tuple[str, ...], header: tuple[str, ...] = ("Id", "F0"), end: str = "\n") -> io.BytesIO:
    quoted = [",".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row) for row in (header, *rows)]
    return io.BytesIO((end.join(quoted) + end).encode())


def landed(source: io.BytesIO, wanted: tuple[Column, ...]) -> tuple[list[dict], list[landing.BadRow]]:
    rows, bad = [], []
    for typed in landing.csv_batches(source, wanted, object_="Account"):
        rows += typed.rows.to_pylist()
        bad += typed.bad
    return rows, bad


def one(kind: str, cell: str):
    rows, bad = landed(page((ID, cell)), columns(kind))
    return rows[0]["F0"] if rows else bad[0]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("0.1", Decimal("0.1")), ("2.675", Decimal("2.675")), ("1.39E8", Decimal(139_000_000)), ("-0.0", Decimal(0)),
        ("99999999999999.99", Decimal("99999999999999.99")), ("123456789012345678", Decimal(123456789012345678)), ("", None),
    ],
)  # fmt: skip
def test_i_22_numbers_are_exact_decimals(cell, value):
    assert one("currency", cell) == value


@pytest.mark.parametrize("cell", ["NaN", "Infinity", "1e308", "12abc", "0.1234567890123", "1,5", "1_000"])
def test_r_072_what_is_no_number_fails_its_row_alone_with_field_and_without_value(cell):
    other = "001000000000002AAA"
    rows, bad = landed(page((ID, cell), (other, "7")), columns("currency"))
    assert [row["Id"] for row in rows] == [other]
    assert [(each.id, each.code) for each in bad] == [(ID, "not_mirrored")]
    assert "Account.F0" in bad[0].message
    assert cell not in bad[0].message


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("2021-12-03T17:59:20.000Z", datetime(2021, 12, 3, 17, 59, 20, tzinfo=UTC)),
        ("2021-12-03T17:59:20.000+0000", datetime(2021, 12, 3, 17, 59, 20, tzinfo=UTC)),
        ("2021-12-03T23:29:20.123+05:30", datetime(2021, 12, 3, 17, 59, 20, 123_000, tzinfo=UTC)),
        ("2021-12-03T17:59:20Z", datetime(2021, 12, 3, 17, 59, 20, tzinfo=UTC)),
        ("0001-01-01T00:00:00.000Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.000Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_r_074_instants_are_the_same_instant_in_every_spelling(cell, value):
    assert one("datetime", cell) == value


def test_r_074_an_instant_without_zone_is_refused():
    assert one("datetime", "2021-12-03T17:59:20.000").code == "not_mirrored"


@pytest.mark.parametrize("day", ["0001-01-01", "1582-10-10", "2024-02-29", "9999-12-31"])
def test_r_075_r_073_days_never_shift(day):
    assert one("date", day) == date.fromisoformat(day)


def test_a_time_of_day_keeps_its_milliseconds_and_has_no_zone():
    assert one("time", "12:30:00.250Z") == time(12, 30, 0, 250_000)


@pytest.mark.parametrize(
    "text",
    [
        "two\nlines", "two\r\nlines", 'a "quoted" word', '"', '""', '","', "a,b", "tab\there", "line\u2028separator", "\u2029",
        "\ufeffmark", "\x85next", "\x0bvertical", "عربي", "\U0001f600", "e\u0301", "\u200bzero", "NULL", "N/A", "nan", "#N/A",
        " spaces ", "true", "\r", "0x1A",
    ],
)  # fmt: skip
def test_r_069_r_071_text_arrives_as_it_is(text):
    assert one("string", text) == text


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40), min_size=1, max_size=30)
)
def test_r_069_any_text_survives_chunks_of_any_size(texts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(landing, "CHUNK", 16)
        rows, bad = landed(page(*((ID, text) for text in texts)), columns("string"))
    assert [row["F0"] for row in rows] == texts
    assert not bad


def test_r_069_a_byte_order_mark_and_crlf_lines():
    source = io.BytesIO(b"\xef\xbb\xbf" + page((ID, "x"), end="\r\n").getvalue())
    assert landed(source, columns("string"))[0] == [{"Id": ID, "F0": "x"}]


def test_r_077_an_empty_cell_is_null_in_every_type():
    rows, bad = landed(page((ID, "", "", "", "", "", "", ""), header=("Id", *(f"F{n}" for n in range(7)))),
                       columns("string", "boolean", "int", "currency", "date", "datetime", "time"))  # fmt: skip
    assert not bad
    assert rows == [{"Id": ID} | {f"F{n}": None for n in range(7)}]


def test_r_077_null_empty_and_absent_json_values_are_told_apart():
    records = [{"Id": ID, "F0": None}, {"Id": ID, "F0": ""}, {"Id": ID}, {"Id": ID, "F0": "x"}]
    groups = list(landing.record_batches(records, columns("string"), object_="Account"))
    found = {tuple(column.name for column in have): typed.rows.to_pylist() for have, typed in groups}
    assert found[("Id", "F0")] == [{"Id": ID, "F0": None}, {"Id": ID, "F0": None}, {"Id": ID, "F0": "x"}]
    assert found[("Id",)] == [{"Id": ID}], "a record without the key says nothing about the field"


def test_json_and_csv_give_the_same_values():
    wanted = columns("string", "boolean", "int", "currency", "date", "datetime", "time")
    record = {
        "Id": ID, "F0": 'a "b"\n,', "F1": False, "F2": 7, "F3": Decimal("1.39E+8"), "F4": "2024-02-29",
        "F5": "2021-12-03T17:59:20.000+0000", "F6": "12:30:00.000Z",
    }  # fmt: skip
    ((_, typed),) = landing.record_batches([record], wanted, object_="Account")
    cells = (ID, 'a "b"\n,', "false", "7", "139000000", "2024-02-29", "2021-12-03T17:59:20.000Z", "12:30:00.000Z")
    rows, _ = landed(page(cells, header=tuple(each.name for each in wanted)), wanted)
    assert typed.rows.to_pylist() == rows


def test_r_051_short_ids_are_stored_long_and_a_wrong_one_fails():
    rows, bad = landed(
        page(("001dM000003tzXa", "003dM000003tzXa"), (ID, ""), ("nonsense", "")), columns("reference")
    )  # fmt: skip
    assert [row["Id"] for row in rows] == ["001dM000003tzXaQAI", ID]
    assert rows[0]["F0"] == "003dM000003tzXaQAI"
    assert [each.id for each in bad] == ["nonsense"]


def test_a_row_without_id_fails():
    rows, bad = landed(page(("", "x"), (ID, "y")), columns("string"))
    assert [row["F0"] for row in rows] == ["y"]
    assert bad[0].message == "Account.Id is not a record id."


def test_whole_numbers_may_come_with_a_point_but_not_with_a_fraction():
    assert one("int", "12.0") == 12
    assert one("int", "12.5").code == "not_mirrored"
    assert one("int", str(2**63)).code == "not_mirrored"


@pytest.mark.parametrize("cut", [30, 45, 52])
def test_r_031_a_cut_page_is_damaged_and_not_short(cut):
    source = io.BytesIO(page((ID, "some text"), (ID, "more")).getvalue()[:cut])
    with pytest.raises(DamagedPage):
        landed(source, columns("string"))


def test_r_031_a_row_of_another_length_is_damage():
    with pytest.raises(DamagedPage):
        landed(page((ID, "a"), (ID,), (ID, "b")), columns("string"))


def test_r_039_a_page_without_rows_is_its_header():
    assert landed(page(), columns("string")) == ([], [])
    assert landed(io.BytesIO(b""), columns("string")) == ([], [])


def test_columns_that_were_not_asked_for_are_left_aside():
    rows, _ = landed(page((ID, "x", "y"), header=("Id", "Other", "F0")), columns("string"))
    assert rows == [{"Id": ID, "F0": "y"}]
