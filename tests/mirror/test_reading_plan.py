"""What the mirror asks for and from when: decided by pure functions."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.salesforce.describe import FieldInfo
from integrations.sync.mirror import needs, planning
from integrations.sync.mirror.needs import ALWAYS, Need, merge_needs
from integrations.sync.mirror.state import Pages
from tests.mirror.truth import described_object, field

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# --- needs -----------------------------------------------------------------------------------------------------------------


def test_needs_of_all_domains_become_one_need_an_object():
    merged = merge_needs([
        Need("mapping", "Account", ("Name", "Website")), Need("billing", "account", ("name", "Plan__c"), since_months=12),
        Need("billing", "Order", ("Status",)),
    ])  # fmt: skip
    assert list(merged) == ["Account", "Order"]
    account = merged["Account"]
    assert account.domains == ("billing", "mapping")
    assert account.fields["Name"] == ("billing", "mapping")
    assert account.fields["Plan__c"] == ("billing",)
    assert list(account.fields)[: len(ALWAYS)] == list(ALWAYS)
    assert account.since_months == 12


def test_a_domain_that_needs_everything_wins():
    assert merge_needs([Need("a", "Account"), Need("b", "Account", since_months=None)])["Account"].since_months is None


def test_an_impossible_object_name_is_refused():
    with pytest.raises(ValueError, match="API name"):
        merge_needs([Need("a", "Account; DROP")])


def test_two_providers_of_one_name_are_refused(monkeypatch):
    monkeypatch.setattr(needs, "_providers", {})
    needs.register_needs("a", lambda org: [])
    with pytest.raises(ValueError, match="registered"):
        needs.register_needs("a", lambda org: [])


# --- fields ----------------------------------------------------------------------------------------------------------------


def test_i_23_only_needed_fields_are_asked_for_in_salesforces_spelling():
    info = described_object(field("Name"), field("Website", "url"), field("Secret__c"))
    plan = planning.choose_fields(info, [*ALWAYS, "name", "WEBSITE", "Name"])
    assert [column.name for column in plan.columns] == ["Id", "SystemModstamp", "IsDeleted", "Name", "Website"]
    assert not plan.missing


def test_compound_polymorphic_and_foreign_fields_are_left_out_with_a_reason():
    info = described_object(
        field("BillingAddress", "address"), field("Place__c", "location"), field("Body", "base64"),
        field("WhatId", "reference", reference_to=("Account", "Opportunity")), field("ParentId", "reference", reference_to=("Account",)),
    )  # fmt: skip
    asked = ["BillingAddress", "Place__c", "Body", "WhatId", "ParentId", "Owner.Name"]
    plan = planning.choose_fields(info, asked)
    assert [column.name for column in plan.columns] == ["ParentId"]
    assert set(plan.left_out) == set(asked) - {"ParentId"}
    assert "Account, Opportunity" in plan.left_out["WhatId"]
    assert "choose its parts" in plan.left_out["BillingAddress"]


def test_r_053_a_field_that_is_not_described_is_missing_and_the_others_stay():
    plan = planning.choose_fields(described_object(field("Name")), [*ALWAYS, "Name", "Gone__c"])
    assert plan.missing == ("Gone__c",)
    assert "Name" in [column.name for column in plan.columns]


@pytest.mark.parametrize(
    ("type_", "scale", "kind"),
    [
        ("string", 0, "text"), ("picklist", 0, "text"), ("boolean", 0, "flag"), ("int", 0, "whole"), ("double", 2, "number"),
        ("currency", 2, "number"), ("percent", 12, "number"), ("double", 15, "text"), ("date", 0, "day"),
        ("datetime", 0, "moment"), ("time", 0, "clock"), ("reference", 0, "text"), ("somethingnew", 0, "text"),
    ],
)  # fmt: skip
def test_each_describe_type_has_a_kind_that_keeps_every_digit(type_, scale, kind):
    assert planning.kind_of(field("F", type_, scale=scale)) == kind


# --- what tells changes ----------------------------------------------------------------------------------------------------


def with_stamp(**flags: bool):
    info = described_object(field("LastModifiedDate", "datetime"), field("CreatedDate", "datetime"))
    fields = tuple(
        FieldInfo(each.name, each.label, each.type, filterable=flags.get(each.name, True)) for each in info.fields
    )  # fmt: skip
    object.__setattr__(info, "fields", fields)
    return info


def test_r_088_system_modstamp_then_last_modified_then_full_compare_and_it_is_said():
    usual = planning.choose_stamps(with_stamp())
    assert (usual.version, usual.filter, usual.sentence) == ("SystemModstamp", "SystemModstamp", "")
    by_date = planning.choose_stamps(with_stamp(SystemModstamp=False))
    assert (by_date.version, by_date.filter) == ("SystemModstamp", "LastModifiedDate")
    assert "LastModifiedDate" in by_date.sentence
    neither = planning.choose_stamps(with_stamp(SystemModstamp=False, LastModifiedDate=False))
    assert neither.filter == ""
    assert "compares all" in neither.sentence


def test_r_088_a_refusal_in_the_query_counts_like_the_describe():
    found = planning.choose_stamps(with_stamp(), refused=["SystemModstamp"])
    assert found.filter == "LastModifiedDate"


def test_r_088_last_modified_date_is_asked_for_only_where_it_is_the_way():
    names = [column.name for column in planning.choose_fields(with_stamp(SystemModstamp=False), ALWAYS).columns]
    assert "LastModifiedDate" in names
    assert "LastModifiedDate" not in [column.name for column in planning.choose_fields(with_stamp(), ALWAYS).columns]


# --- windows ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "months", "earlier"),
    [
        ("2026-11-22", 6, "2026-05-22"), ("2026-08-31", 6, "2026-02-28"), ("2024-08-31", 6, "2024-02-29"),
        ("2026-03-31", 1, "2026-02-28"), ("2026-01-15", 1, "2025-12-15"), ("2026-12-31", 12, "2025-12-31"),
        ("2026-05-31", 0, "2026-05-31"), ("2026-01-31", 14, "2024-11-30"),
    ],
)  # fmt: skip
def test_px_32_six_calendar_months_back(day, months, earlier):
    assert planning.months_before(moment(f"{day}T10:30:00"), months) == moment(f"{earlier}T10:30:00")


def test_px_32_the_first_read_begins_before_the_authorization_not_before_the_run():
    found = planning.first_start(authorized_at=moment("2026-07-01T09:00:00"), months=6)
    assert found == moment("2026-01-01T09:00:00")
    assert planning.first_start(authorized_at=moment("2026-07-01T09:00:00"), months=None) is None


def test_px_d2_later_reads_begin_at_the_watermark_less_the_overlap():
    mark = moment("2026-07-02T00:00:05")
    found = planning.window_start(watermark=mark, reads_from=moment("2026-01-01T00:00:00"), overlap=10 * MINUTE)
    assert found == moment("2026-07-01T23:50:05")


def test_i_05_an_overlap_under_ten_minutes_is_ten_minutes():
    mark = moment("2026-07-02T12:00:00")
    assert planning.window_start(watermark=mark, reads_from=None, overlap=MINUTE) == mark - 10 * MINUTE


def test_px_33_the_first_read_of_a_day_covers_the_previous_day_whole():
    start = moment("2026-07-01T17:50:00")
    found = planning.daily_start(start, watermark=start + 10 * MINUTE, server_now=moment("2026-07-02T00:00:10"))
    assert found == moment("2026-07-01T00:00:00")


def test_i_05_a_watermark_in_the_future_of_salesforces_clock_says_nothing_about_today():
    mark, now = moment("2026-07-02T18:00:00"), moment("2026-07-02T12:00:00")
    assert planning.daily_start(mark - 10 * MINUTE, watermark=mark, server_now=now) == moment("2026-07-01T00:00:00")
    soon = now + 2 * MINUTE
    assert planning.daily_start(soon - 10 * MINUTE, watermark=soon, server_now=now) == soon - 10 * MINUTE


def test_px_d2_missed_days_are_caught_up():
    start = moment("2026-06-20T23:50:00")
    assert planning.daily_start(start, watermark=start + 10 * MINUTE, server_now=moment("2026-07-02T00:00:10")) == start


def test_a_second_read_of_the_day_costs_only_its_changes():
    start = moment("2026-07-02T08:50:00")
    assert planning.daily_start(start, watermark=start + 10 * MINUTE, server_now=moment("2026-07-02T12:00:00")) == start


@given(st.lists(st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2021, 1, 1)), min_size=2, max_size=20))
def test_px_33_i_05_windows_leave_no_gap_and_the_first_of_a_day_covers_the_day_before(instants):
    """Whatever the times of the reads."""
    reads = sorted(each.replace(tzinfo=UTC, microsecond=0) for each in instants)
    mark = reads[0]
    for now in reads[1:]:
        start = planning.window_start(watermark=mark, reads_from=None, overlap=10 * MINUTE)
        start = planning.daily_start(start, watermark=mark, server_now=now)
        assert start is not None
        assert start <= mark - 10 * MINUTE
        if mark.date() < now.date():
            assert start <= now.replace(hour=0, minute=0, second=0) - DAY
        mark = planning.newer(mark, now) or now


@given(st.datetimes(), st.datetimes())
def test_i_03_a_watermark_never_moves_backwards(first, second):
    one, two = first.replace(tzinfo=UTC), second.replace(tzinfo=UTC)
    assert planning.newer(one, two) == max(one, two)
    assert planning.newer(None, two) == two
    assert planning.newer(one, None) == one


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2026, 1, 1)), st.integers(0, 10**7), st.integers(2, 8))
def test_r_037_smaller_windows_together_are_the_window(start, seconds, parts):
    since = start.replace(tzinfo=UTC, microsecond=0)
    now = since + timedelta(seconds=seconds)
    found = planning.split_window((since, None), server_now=now, parts=parts)
    assert found[0][0] == since
    assert found[-1][1] is None
    assert all(left[1] == right[0] for left, right in pairwise(found))


def test_r_037_a_window_without_beginning_is_split_too():
    found = planning.split_window((None, None), server_now=moment("2026-07-01T00:00:00"))
    assert len(found) == planning.SLICES
    assert found[0][0] is None


def test_r_034_what_follows_a_row_excludes_it_and_everything_before():
    where = planning.after("SystemModstamp", (moment("2026-01-01T00:00:00"), None), (moment("2026-07-01T10:00:00"), "001x"))
    assert where == [
        "(SystemModstamp > 2026-07-01T10:00:00.000Z OR (SystemModstamp = 2026-07-01T10:00:00.000Z AND Id > '001x'))"
    ]


# --- ways and calls --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "page_rows", "rest"), [(1, 2000, True), (2000, 2000, True), (6000, 2000, True), (6001, 2000, False), (700, 200, False)]
)  # fmt: skip
def test_rest_for_small_changes_and_bulk_beyond(total, page_rows, rest):
    assert planning.is_for_rest(total, page_rows=page_rows) is rest


def test_without_a_first_page_rows_are_taken_for_wide():
    assert planning.is_for_rest(1500)
    assert not planning.is_for_rest(1501)


def test_a_read_costs_few_calls():
    assert planning.calls_for(100) == 2
    assert planning.calls_for(100_000) <= 6
    assert planning.calls_for(1_000_000) <= 30


def test_small_jobs_are_asked_about_once_and_long_ones_ever_more_rarely():
    assert planning.first_look(10_000, near=True) == planning.first_look(10_000, near=False) == planning.FIRST_LOOK
    assert planning.first_look(1_000_000, near=True) < planning.first_look(1_000_000, near=False) <= 10
    pauses = [planning.next_pause(taken, near=False) for taken in (0, 1, 10, 60, 3600)]
    assert pauses == sorted(pauses)
    assert pauses[0] >= 1
    assert pauses[-1] == 10


def test_a_query_that_is_too_long_for_an_address_goes_by_bulk():
    names = [f"A_rather_long_custom_field_name_{number:03}__c" for number in range(400)]
    assert not planning.fits_address(planning.question("Account", names, where=[], order_by="SystemModstamp"))
    assert planning.fits_address(planning.question("Account", names[:20], where=[], order_by="SystemModstamp"))


def test_rest_is_asked_in_the_order_of_change_and_bulk_without_an_order():
    where = planning.conditions("SystemModstamp", (moment("2026-01-01T00:00:00"), None))
    rest = planning.question("Account", ["Id", "Name"], where=where, order_by="SystemModstamp")
    assert rest.endswith("WHERE SystemModstamp >= 2026-01-01T00:00:00.000Z ORDER BY SystemModstamp,Id")
    assert "ORDER" not in planning.bulk_question("Account", ["Id"], where=where)


def test_pages_that_rise_and_do_not_overlap_have_no_id_twice():
    pages = Pages()
    pages.note("001C", "001F", ascending=True)
    pages.note("001A", "001B", ascending=True)
    assert pages.are_unique
    pages.note("001E", "001Z", ascending=True)
    assert not pages.are_unique
    mixed = Pages()
    mixed.note("001A", "001B", ascending=False)
    assert not mixed.are_unique
