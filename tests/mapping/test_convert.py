"""One value at a time: exact, with a notice, or refused with a reason."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.salesforce.values import ABSENT
from integrations.sync.mapping.body import FieldPair
from integrations.sync.mapping.convert import NOTICES, Converted, convert_in, convert_out, count_notices
from integrations.sync.mapping.problems import Problem
from integrations.sync.mapping.stored import read_stored, same_stored, write_plain, write_stored
from integrations.sync.mapping.types import PRODUCT_TYPE_OF, SALESFORCE_TYPES
from tests.mapping.shapes import make_choices, make_field

CUT = FieldPair("push", "attributes.x", "PX_X__c", cut=True)
TIERS = make_choices("Gold", "Silver", "Old", inactive=("Old",), labels={"Gold": "Or"})

QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def out(value, kind, field, pair=None):
    """The converted value; a problem is its code."""
    one = convert_out(value, kind, field, pair)
    return one.code if isinstance(one, Problem) else one.value


def number(text, **field):
    one = convert_out(Decimal(text), "NUMBER", make_field(kind=field.pop("kind", "double"), **field))
    return (one.code, "") if isinstance(one, Problem) else (str(one.value), one.notice)


# --- PX-26..PX-29: what goes with what ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("DATE_TIME", {"date", "datetime", "time"}),
        ("STRING", {"string", "textarea", "picklist", "multipicklist", "combobox", "email", "url", "id", "phone"}),
        ("NUMBER", {"int", "double", "percent", "currency"}),
        ("BOOLEAN", {"boolean"}),
    ],
    ids=["px_26", "px_27", "px_28", "px_29"],
)
def test_px_26_px_27_px_28_px_29_type_map(kind, names):
    assert set(SALESFORCE_TYPES[kind]) == names


def test_px_d10_unlisted_types_are_refused_both_ways():
    for kind in ("reference", "address", "location", "encryptedstring", "base64", "anyType", "complexvalue", "long"):
        field = make_field(kind=kind)
        assert kind not in PRODUCT_TYPE_OF
        assert convert_in("x", field).code == "unsupported_type"
        assert {out("x", each, field) for each in SALESFORCE_TYPES} == {"incompatible"}


def test_px_26_types_that_do_not_go_together_are_refused():
    assert out(Decimal(5), "NUMBER", make_field(kind="string")) == "incompatible"
    assert out("5", "STRING", make_field(kind="double")) == "incompatible"
    assert out(True, "BOOLEAN", make_field(kind="picklist")) == "incompatible"


# --- Numbers ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted", "notice"),
    [
        ("2.675", "2.68", "rounded"), ("-2.675", "-2.68", "rounded"), ("1.005", "1.01", "rounded"), ("2.665", "2.67", "rounded"),
        ("0.005", "0.01", "rounded"), ("0.004999", "0.00", "rounded"), ("2.67", "2.67", ""), ("2.6700", "2.67", ""),
        ("-0.001", "0.00", "rounded"), ("1E+3", "1000.00", ""),
    ],
)  # fmt: skip
def test_r_107_numbers_round_half_up_as_decimals(text, wanted, notice):
    assert number(text, precision=16, scale=2) == (wanted, notice)


def test_r_107_sums_of_decimals_stay_exact():
    assert number(str(Decimal("0.1") + Decimal("0.2")), scale=1) == ("0.3", "")
    assert convert_out(Decimal("0.1"), "NUMBER", make_field(kind="double", scale=17, precision=18)).value == Decimal("0.1")


@pytest.mark.parametrize("text", ["1e14", "-1e14", "99999999999999.995", "123456789012345.67", "1e308", "1e400"])
def test_r_107_numbers_out_of_range_fail_before_they_are_sent(text):
    code, _ = number(text, precision=16, scale=2)
    assert code == "out_of_range"


def test_r_107_largest_number_of_a_field_passes():
    assert number("99999999999999.99", precision=16, scale=2) == ("99999999999999.99", "")


@pytest.mark.parametrize("text", ["NaN", "-NaN", "Infinity", "-Infinity", "sNaN"])
def test_r_072_nan_and_infinity_never_pass(text):
    assert number(text) == ("not_a_number", "")
    assert convert_in(Decimal(text), make_field(kind="double")).code == "not_a_number"
    assert convert_in(float("nan"), make_field(kind="double")).code == "not_a_number"


def test_r_072_minus_zero_is_zero():
    assert str(convert_in(Decimal("-0.0"), make_field(kind="double")).value) == "0.0"
    assert number("-0", scale=0) == ("0", "")


@pytest.mark.parametrize("text", ["12abc", "", " ", "1,5", "0x10", "1_000", "١٢"])
def test_r_104_text_is_never_guessed_into_a_number(text):
    found = convert_in(text, make_field(kind="double"))
    assert found == Converted(None) if text == "" else found.code == "not_a_number"


def test_px_d10_number_to_int_rounds_half_up_with_a_notice():
    assert number("2.5", kind="int") == ("3", "rounded")
    assert number("-2.5", kind="int") == ("-3", "rounded")
    assert number("99999999", kind="int", digits=8) == ("99999999", "")
    assert number("100000000", kind="int", digits=8)[0] == "out_of_range"
    assert number("2147483648", kind="int", digits=0)[0] == "out_of_range"
    assert isinstance(out(Decimal(7), "NUMBER", make_field(kind="int")), int)


def test_px_d10_percent_holds_percent_points():
    assert number("12.5", kind="percent") == ("12.50", "")
    assert convert_in(Decimal("12.5"), make_field(kind="percent")).value == Decimal("12.5")


# --- Text -------------------------------------------------------------------------------------------------------------------


def test_r_105_text_too_long_fails_with_both_lengths():
    found = convert_out("x" * 12, "STRING", make_field(length=10))
    assert found.code == "too_long"
    assert "(12 > 10" in found.message


def test_r_105_text_is_cut_and_counted_only_where_that_is_allowed():
    assert convert_out("abcdefghij!", "STRING", make_field(length=10), CUT) == Converted("abcdefghij", "cut")
    assert convert_out("abcdefghi  !", "STRING", make_field(length=10), CUT) == Converted("abcdefghi", "cut")
    for kind in ("email", "url", "phone", "picklist"):
        assert out("jo@" + "a" * 90 + ".example", "STRING", make_field(kind=kind, length=20), CUT) == "too_long"


@pytest.mark.parametrize(
    "text", ["👩‍👩‍👧", "שלום", "e\u0301", "a\u200bb", "\u202eabc", "𝔘", "a\nb\r\nc\td", "=1+1", '"quoted", x']
)
def test_r_071_any_character_passes_unchanged_both_ways(text):
    field = make_field()
    assert convert_in(text, field) == Converted(text)
    assert convert_out(text, "STRING", field) == Converted(text)


def test_r_071_what_cannot_be_stored_is_refused():
    for text in ("a\0b", "\ud800"):
        assert out(text, "STRING", make_field()) == "not_a_text"
        assert convert_in(text, make_field()).code == "not_a_text"


def test_blanks_at_the_end_are_left_out_as_salesforce_does():
    assert convert_out("Acme  ", "STRING", make_field()) == Converted("Acme", "trimmed")
    assert convert_out("   ", "STRING", make_field()) == Converted(None)


@pytest.mark.parametrize(
    "text", ["jo", "jo@acme", "jo @acme.example", "jo@acme..example", "a,b@acme.example", "jo@-acme.example"]
)
def test_email_shapes_that_salesforce_refuses_fail_here(text):
    assert out(text, "STRING", make_field(kind="email")) == "not_an_email"


def test_email_and_phone_and_url_shapes_that_salesforce_takes_pass():
    assert out("jo.o'neil+x@mail.acme.example", "STRING", make_field(kind="email")) == "jo.o'neil+x@mail.acme.example"
    assert out("+49 (30) 1234-5 ext 7", "STRING", make_field(kind="phone")) == "+49 (30) 1234-5 ext 7"
    assert out("acme.example/a b", "STRING", make_field(kind="url")) == "acme.example/a b"


def test_ids_get_18_characters():
    assert convert_in("001000000000001", make_field(kind="id")).value == "001000000000001AAA"
    assert convert_in("nonsense", make_field(kind="id")).code == "not_an_id"


# --- Picklists ------------------------------------------------------------------------------------------------------------


def test_r_108_value_outside_a_restricted_picklist_fails_with_the_list():
    found = convert_out("Bronze", "STRING", make_field(kind="picklist", choices=TIERS, restricted_picklist=True))
    assert found.code == "not_in_picklist"
    assert "“Bronze”" in found.message
    assert "Gold, Silver" in found.message
    assert "Old" not in found.message


def test_r_108_inactive_value_says_so():
    found = convert_out("old", "STRING", make_field(kind="picklist", choices=TIERS, restricted_picklist=True))
    assert found.code == "inactive_value"


def test_r_109_api_values_are_used_and_a_label_is_refused_with_its_value():
    field = make_field(kind="picklist", choices=TIERS, restricted_picklist=True)
    assert out("Gold", "STRING", field) == "Gold"
    found = convert_out("Or", "STRING", field)
    assert found.code == "not_in_picklist"
    assert "its API value is “Gold”" in found.message


def test_picklist_values_get_the_spelling_of_the_list():
    field = make_field(kind="picklist", choices=TIERS, restricted_picklist=True)
    assert convert_out("gold", "STRING", field) == Converted("Gold", "spelling")
    assert convert_out("Bronze", "STRING", make_field(kind="picklist", choices=TIERS)) == Converted("Bronze")


def test_value_map_translates_both_ways_before_anything_else():
    field = make_field(kind="picklist", choices=TIERS, restricted_picklist=True)
    pair = FieldPair("push", "attributes.plan", "PX_Tier__c", values={"Pro+": "Gold", "none": ""})
    assert out("Pro+", "STRING", field, pair) == "Gold"
    assert out("none", "STRING", field, pair) is None
    assert convert_in("Gold", field, FieldPair("pull", "attributes.plan", "Tier__c", values={"Gold": "Pro+"})).value == "Pro+"


def test_px_d10_multi_select_values_are_joined_by_semicolons():
    field = make_field(kind="multipicklist", choices=TIERS, restricted_picklist=True)
    assert out("Silver;Gold", "STRING", field) == "Gold;Silver"
    assert convert_out("Silver; gold ;Silver", "STRING", field) == Converted("Gold;Silver", "repeated")
    assert out("Gold;Bronze", "STRING", field) == "not_in_picklist"
    assert out(";;", "STRING", field) is None
    assert convert_in("Silver;Gold;Gold", field).value == "Silver;Gold"


# --- Dates ------------------------------------------------------------------------------------------------------------------


def test_px_d10_date_is_midnight_utc_and_time_is_in_1970():
    assert convert_in(date(2027, 1, 31), make_field(kind="date")).value == datetime(2027, 1, 31, tzinfo=UTC)
    assert convert_in(time(8, 30), make_field(kind="time")).value == datetime(1970, 1, 1, 8, 30, tzinfo=UTC)
    moment = datetime(2021, 12, 3, 17, 59, 20, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert convert_in(moment, make_field(kind="datetime")).value == moment.astimezone(UTC)


def test_px_d10_back_it_is_the_utc_day_instant_and_time():
    moment = datetime(2027, 1, 31, 23, 30, tzinfo=timezone(timedelta(hours=-11)))
    assert convert_out(moment, "DATE_TIME", make_field(kind="date")) == Converted(date(2027, 2, 1), "day_only")
    assert convert_out(moment, "DATE_TIME", make_field(kind="time")) == Converted(time(10, 30), "time_only")
    assert convert_out(moment, "DATE_TIME", make_field(kind="datetime")) == Converted(moment.astimezone(UTC))
    precise = moment.replace(microsecond=900_000)
    assert convert_out(precise, "DATE_TIME", make_field(kind="datetime")).notice == "whole_seconds"


@QUICK
@given(st.dates(date(1700, 1, 1), date(4000, 12, 31)))
def test_r_075_a_day_never_shifts_on_its_way_in_and_out(day):
    field = make_field(kind="date")
    assert convert_out(convert_in(day, field).value, "DATE_TIME", field) == Converted(day)


@pytest.mark.parametrize("moment", [datetime(1699, 12, 31, 23, tzinfo=UTC), datetime(4001, 1, 1, tzinfo=UTC)])
@pytest.mark.parametrize("kind", ["date", "datetime"])
def test_r_110_dates_outside_1700_to_4000_fail_before_they_are_sent(moment, kind):
    assert out(moment, "DATE_TIME", make_field(kind=kind)) == "date_range"


@pytest.mark.parametrize("day", [date(1, 1, 1), date(1582, 10, 10), date(9999, 12, 31)])
def test_r_073_old_and_far_days_are_stored_when_pulled(day):
    value = convert_in(day, make_field(kind="date")).value
    assert read_stored("DATE_TIME", write_stored(value)) == value


def test_r_074_naive_instants_are_refused():
    assert out(datetime(2021, 1, 1), "DATE_TIME", make_field(kind="datetime")) == "no_time_zone"
    assert convert_in(datetime(2021, 1, 1), make_field(kind="datetime")).code == "no_time_zone"
    with pytest.raises(ValueError, match="time zone"):
        read_stored("DATE_TIME", "2021-01-01T00:00:00")


# --- Null, absent, empty ------------------------------------------------------------------------------------------------


def test_r_077_absent_null_and_empty_stay_three_things():
    field = make_field()
    assert convert_in(ABSENT, field).value is ABSENT
    assert convert_in(None, field).value is None
    assert convert_in("", field).value is None


def test_r_111_a_required_field_is_never_sent_blank():
    assert out(None, "STRING", make_field(nillable=False)) == "required"
    assert out("  ", "STRING", make_field(nillable=False)) == "required"
    assert out(None, "STRING", make_field()) is None
    assert out(None, "BOOLEAN", make_field(kind="boolean", nillable=False)) is None


def test_flags_are_flags():
    assert out(True, "BOOLEAN", make_field(kind="boolean")) is True
    assert out("yes", "BOOLEAN", make_field(kind="boolean")) == "not_a_flag"


# --- Round trips ------------------------------------------------------------------------------------------------------------

VALUES = {
    "string": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60),
    "double": st.decimals(-(10**15), 10**15, places=2),
    "int": st.integers(-99_999_999, 99_999_999).map(Decimal),
    "boolean": st.booleans(),
    "date": st.dates(date(1700, 1, 1), date(4000, 12, 31)),
    "datetime": st.datetimes(datetime(1700, 1, 1), datetime(4000, 12, 31), timezones=st.just(UTC)).map(
        lambda each: each.replace(microsecond=0)
    ),
    "time": st.times().map(lambda each: each.replace(microsecond=each.microsecond // 1000 * 1000)),
}


@QUICK
@given(st.sampled_from(sorted(VALUES)).flatmap(lambda kind: st.tuples(st.just(kind), VALUES[kind])))
def test_i_06_a_value_comes_back_from_the_product_as_it_was(pair):
    kind, value = pair
    field = make_field(kind=kind, length=60)
    ours = convert_in(value, field)
    product = PRODUCT_TYPE_OF[kind]
    again = read_stored(product, write_stored(ours.value))
    assert again == ours.value
    back = convert_out(again, product, field)
    if kind == "string" and (value != value.rstrip()):
        assert back.value == (value.rstrip() or None)
    else:
        assert back == Converted(value)


@QUICK
@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20))
def test_stored_numbers_have_one_spelling(value):
    text = write_plain(value)
    assert "E" not in text
    assert Decimal(text) == value
    assert write_plain(Decimal(text)) == text
    assert same_stored("NUMBER", text, f"{text}0" if "." in text else f"{text}.00")


def test_stored_forms_that_mean_the_same_are_the_same():
    assert same_stored("DATE_TIME", "2021-12-03T17:59:20Z", "2021-12-03T23:29:20+05:30")
    assert not same_stored("STRING", "1", "1.0")
    assert not same_stored("BOOLEAN", True, "true")


def test_notices_are_counted_by_kind():
    field = make_field(kind="int")
    outcomes = [convert_out(Decimal(text), "NUMBER", field) for text in ("1.5", "2", "2.5", "NaN")]
    assert count_notices(outcomes) == {"rounded": 2}
    assert "rounded" in NOTICES
