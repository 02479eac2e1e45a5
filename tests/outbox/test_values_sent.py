"""What arrives in Salesforce is what was wanted: exact values by both ways, blanks, keys of any signs, nothing superfluous."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from integrations.lake import reading
from integrations.lake.engine import open_engine
from integrations.lake.tables import ensure_table
from integrations.lake.writing import open_writer, register
from integrations.models import OutboxBatch, OutboxRow
from integrations.sync.outbox import payload
from integrations.sync.outbox.columns import Column
from tests.outbox.conftest import ACCOUNTS, PROJECTS, classes, outcomes

ODD_KEYS = ["a/b", "a?b", "a#b", "a%2Fb", "a&b", "a'b", 'a"b', "a+b", "a b", "ключ", "日本", "a,b;c", "=1+1", "😀"]
ODD_TEXTS = [
    "line\nbreak",
    "cr\r\nlf",
    'quo"te',
    "=SUM(A1)",
    "comma, semi;",
    "tab\there",
    "a\u2028b",
    " lead",
    "😀 עברית",
    "\ufeffbom",
    "0012",
    "null",
]


@pytest.mark.parametrize("filler", [0, 2600])
def test_r_121_r_144_keys_and_cells_of_any_signs_arrive_as_they_are(desk, filler):
    account = desk.account_ids(1)[0]
    n = max(len(ODD_KEYS), len(ODD_TEXTS))
    keys = [*(f"{key}-{i}" for i, key in enumerate(ODD_KEYS)), *(f"fill-{i}" for i in range(filler + n - len(ODD_KEYS)))]
    texts = [*ODD_TEXTS, *(f"text {i}" for i in range(len(keys) - len(ODD_TEXTS)))]
    rows = {"key": keys, "Name": ["x"] * len(keys), "Account__c": [account] * len(keys), "Risks__c": texts}
    target = desk.projects()
    run, report = desk.push(target, rows)
    assert run.state == "success", [row.message for row in OutboxRow.objects.all()[:3]]
    assert report.created == len(keys)
    found = desk.values("Project__c", "Risks__c", key="External_Id__c", where="WHERE External_Id__c != null")
    assert {key: found.get(key) for key in keys} == dict(zip(keys, texts, strict=True))
    run, report = desk.push(target, rows)
    assert classes(run, "Project__c") == {"unchanged": len(keys)}


@pytest.mark.parametrize("filler", [0, 2600])
def test_i_06_every_kind_of_value_arrives_exactly(desk, filler):
    account = desk.account_ids(1)[0]
    n = 1 + filler
    rows = pa.table({
        "key": [f"P{i}" for i in range(n)], "Name": ["x"] * n, "Account__c": [account[:15]] * n,
        "Budget__c": pa.array([Decimal("12345678901234.57")] * n), "Completion__c": pa.array([12.5] * n),
        "On_Track__c": [False] * n, "Go_Live__c": pa.array([date(2027, 2, 28)] * n), "Status__c": ["Pilot"] * n,
    })  # fmt: skip
    target = desk.projects()
    run, _ = desk.push(target, rows)
    assert run.state == "success", [row.message for row in OutboxRow.objects.all()[:3]]
    names = "Budget__c, Completion__c, On_Track__c, Go_Live__c, Status__c, Account__c"
    (found,) = desk.salesforce.query_all(f"SELECT {names} FROM Project__c WHERE External_Id__c = 'P0'")
    found.pop("attributes")
    assert found == {
        "Budget__c": Decimal("12345678901234.57"), "Completion__c": Decimal("12.5"), "On_Track__c": False,
        "Go_Live__c": "2027-02-28", "Status__c": "Pilot", "Account__c": account,
    }  # fmt: skip
    run, _ = desk.push(target, rows)
    assert classes(run, "Project__c") == {"unchanged": n}, "what Salesforce would round or cut is no change"


def test_instants_are_cut_to_seconds_as_salesforce_does(desk):
    ids = desk.account_ids(1)
    at = datetime(2026, 11, 22, 7, 8, 9, 876543, tzinfo=UTC)
    target = desk.target()
    desk.push(target, {"key": ids, "PX_Last_Seen__c": pa.array([at], pa.timestamp("us", tz="Europe/Berlin"))})
    assert desk.values("Account", "PX_Last_Seen__c")[ids[0]] == "2026-11-22T07:08:09.000+0000"
    later = pa.array([at.replace(microsecond=1)], pa.timestamp("us", tz="UTC"))
    run, _ = desk.push(target, {"key": ids, "PX_Last_Seen__c": later})
    assert classes(run, "Account") == {"unchanged": 1}


@pytest.mark.parametrize("filler", [0, 2600])
def test_r_142_px_d13_a_blank_clears_only_what_we_had_written(desk, filler):
    account = desk.account_ids(1)[0]
    n = 3 + filler
    keys = [f"P{i}" for i in range(n)]
    target = desk.projects()
    base = {"key": keys, "Name": ["x"] * n, "Account__c": [account] * n}
    desk.push(target, {**base, "Risks__c": ["ours"] * 2 + [None] * (n - 2), "Budget__c": pa.array([1.0] * n)})
    other = desk.values("Project__c", "Id", key="External_Id__c", where="WHERE External_Id__c LIKE 'P%'")["P2"]
    desk.demo.control("update", {"object": "Project__c", "id": other, "fields": {"Risks__c": "theirs"}})
    blank = {**base, "Risks__c": [None, "ours"] + [None] * (n - 2), "Budget__c": pa.array([2.0] * n)}
    run, report = desk.push(target, blank)
    assert run.state == "success", run.sentence
    assert report.written == n
    found = desk.values("Project__c", "Risks__c", key="External_Id__c", where="WHERE External_Id__c LIKE 'P%'")
    assert (found["P0"], found["P1"], found["P2"]) == (None, "ours", "theirs")
    run, _ = desk.push(target, blank)
    assert classes(run, "Project__c") == {"unchanged": n}


def test_r_077_an_absent_value_leaves_the_field_as_it_is(desk):
    ids = desk.account_ids(2)
    target = desk.target()
    desk.push(target, {"key": ids, "PX_Health__c": ["a", "b"], "PX_Plan__c": ["Free", "Team"]})
    rows = {"key": ids, "PX_Health__c": [None, None], "PX_Plan__c": ["Team", "Free"], "absent": ["PX_Health__c", None]}
    desk.push(target, rows)
    found = desk.values("Account", "PX_Health__c")
    assert (found[ids[0]], found[ids[1]]) == ("a", None)


def test_a_cleared_checkbox_is_false_and_stays_so(desk):
    ids = desk.account_ids(1)
    target = desk.target()
    desk.push(target, {"key": ids, "PX_Is_Active__c": [True]})
    run, _ = desk.push(target, {"key": ids, "PX_Is_Active__c": pa.array([None], pa.bool_())})
    assert classes(run, "Account") == {"written": 1}
    assert desk.values("Account", "PX_Is_Active__c")[ids[0]] is False
    run, _ = desk.push(target, {"key": ids, "PX_Is_Active__c": pa.array([None], pa.bool_())})
    assert classes(run, "Account") == {"unchanged": 1}


@pytest.mark.parametrize(("blank", "cleared"), [("leave", "kept"), ("clear", None)])
def test_other_rules_for_blanks(desk, change_kind, blank, cleared):
    change_kind(ACCOUNTS, blank=blank)
    ids = desk.account_ids(1)
    desk.demo.control(
        "update", {"object": "Account", "id": ids[0], "fields": {"PX_Health__c": "kept", "PX_Is_Active__c": True}}
    )
    rows = {"key": ids, "PX_Health__c": pa.array([None], pa.string()), "PX_Plan__c": ["Free"]}
    target = desk.target()
    desk.push(target, rows)
    assert desk.values("Account", "PX_Health__c")[ids[0]] == cleared
    run, _ = desk.push(target, rows)
    assert classes(run, "Account") == {"unchanged": 1}


def test_r_078_the_order_of_chosen_values_is_no_change(desk):
    desk.demo.control("fields", {"object": "Account", "field": {
        "name": "PX_Topics__c", "label": "Topics", "type": "multipicklist", "picklist": [
            {"value": each, "label": each} for each in ("B", "A", "C")]}})  # fmt: skip
    ids = desk.account_ids(1)
    target = desk.target()
    run, _ = desk.push(target, {"key": ids, "PX_Topics__c": ["A;B"]})
    assert run.state == "success", run.sentence
    run, _ = desk.push(target, {"key": ids, "PX_Topics__c": ["B;A;A"]})
    assert classes(run, "Account") == {"unchanged": 1}


def test_r_118_r_117_a_push_without_changes_sends_nothing_in_at_most_five_calls(desk):
    account = desk.account_ids(1)[0]
    rows = {"key": [f"P{i}" for i in range(4000)], "Name": ["x"] * 4000, "Account__c": [account] * 4000}
    target = desk.projects()
    desk.push(target, rows)
    from django.core.cache import cache

    for _ in range(3):
        cache.clear()
        desk.demo.forget_calls()
        desk.writes()
        run, report = desk.push(target, rows)
        assert classes(run, "Project__c") == {"unchanged": 4000}
        assert len(desk.demo.calls("/services/data")) <= 5
        assert report.calls <= 5
        assert desk.writes()["rows"] == 0


def test_r_122_rows_without_a_key_fail_and_create_nothing(desk):
    account = desk.account_ids(1)[0]
    rows = {"key": ["", "   ", None, "ok"], "label": ["A", "B", "C", "D"], "Name": ["x"] * 4, "Account__c": [account] * 4}
    run, report = desk.push(desk.projects(), rows)
    assert classes(run, "Project__c") == {"written": 1, "failed": 3}
    assert {row.code for row in outcomes(run, "failed").values()} == {"MISSING_KEY"}
    assert desk.writes()["rows"] == 1
    assert report.failed == 3


def test_px_d9_rows_that_claim_one_record_are_not_sent_and_listed(desk):
    ids = desk.account_ids(2)
    target = desk.target()
    rows = {"key": [ids[0], ids[0][:15], ids[1]], "PX_Health__c": ["a", "b", "c"]}
    run, _ = desk.push(target, rows)
    assert classes(run, "Account") == {"written": 1, "failed": 2}
    assert desk.row(ids[0]).state == "conflict"
    assert desk.values("Account", "PX_Health__c")[ids[0]] not in ("a", "b")
    run, _ = desk.push(target, {"key": ids, "PX_Health__c": ["a", "c"]})
    assert classes(run, "Account") == {"written": 1, "unchanged": 1}
    assert not OutboxRow.objects.exists()


def test_px_d9_external_ids_that_differ_by_case_only_are_one_key(desk):
    account = desk.account_ids(1)[0]
    run, _ = desk.push(desk.projects(), {"key": ["abc", "ABC", "x"], "Name": ["n"] * 3, "Account__c": [account] * 3})
    assert classes(run, "Project__c") == {"written": 1, "failed": 2}


def test_r_104_r_105_r_107_r_110_r_072_a_value_that_does_not_fit_fails_its_row_alone(desk):
    ids = desk.account_ids(5)
    rows = pa.table({
        "key": ids, "PX_NPS_Score__c": pa.array([1.0, float("nan"), 1e17, 2.0, 3.0]),
        "PX_Health__c": ["ok", "ok", "ok", "x" * 41, "ok"],
        "PX_Last_Seen__c": pa.array([None, None, None, None, datetime(1500, 1, 1, tzinfo=UTC)], pa.timestamp("us", tz="UTC")),
    })  # fmt: skip
    run, _ = desk.push(desk.target(), rows)
    assert classes(run, "Account") == {"written": 1, "failed": 4}
    failed = outcomes(run, "failed")
    assert "not a number" in failed[ids[1]].message
    assert "out of range" in failed[ids[2]].message
    assert "too long (at most 40 characters)" in failed[ids[3]].message
    assert "before 1700" in failed[ids[4]].message
    assert {row.state for row in OutboxRow.objects.all()} == {"unfit"}


def test_r_074_an_instant_without_time_zone_is_refused(desk):
    rows = {"key": desk.account_ids(1), "PX_Last_Seen__c": pa.array([datetime(2026, 1, 1)])}
    run, _ = desk.push(desk.target(), rows)
    assert classes(run, "Account") == {"failed": 1}


def test_r_146_cells_that_bulk_cannot_take_go_by_rest(desk):
    desk.demo.control("fields", {"object": "Project__c", "field": {
        "name": "Notes__c", "label": "Notes", "type": "textarea", "length": 131072}})  # fmt: skip
    account, n = desk.account_ids(1)[0], 2600
    notes = ["long " * 8000, "#N/A", *(f"short {i}" for i in range(n - 2))]
    rows = {"key": [f"P{i}" for i in range(n)], "Name": ["x"] * n, "Account__c": [account] * n, "Notes__c": notes}
    run, report = desk.push(desk.projects(), rows)
    assert run.state == "success", [row.message for row in OutboxRow.objects.all()[:3]]
    ways = dict(OutboxBatch.objects.filter(run=run).values_list("way", "rows"))
    assert ways == {"composite": 2, "bulk": n - 2}
    found = desk.values("Project__c", "Notes__c", key="External_Id__c", where="WHERE External_Id__c IN ('P0', 'P1', 'P2')")
    assert found == {"P0": ("long " * 8000).rstrip(), "P1": "#N/A", "P2": "short 0"}
    assert report.created == n


def test_the_door_lets_no_field_through_that_may_not_be_written(desk, change_kind):
    change_kind(ACCOUNTS, may_write=lambda target, info, name: "" if name.startswith("PX_") else "only prefixed fields")
    ids = desk.account_ids(1)
    before = desk.values("Account", "Name")[ids[0]]
    rows = {"key": ids, "px_health__C": ["Good"], "Name": ["Hijacked"], "Customer_Number__c": ["1"], "Nope__c": ["x"]}
    run, report = desk.push(desk.target(), rows)
    assert classes(run, "Account") == {"written": 1}
    assert run.state == "partial"
    assert report.refused["Name"] == "only prefixed fields"
    assert "calculated" in report.refused["Customer_Number__c"]
    assert "cannot see it" in report.refused["Nope__c"]
    assert desk.values("Account", "Name")[ids[0]] == before
    assert desk.values("Account", "PX_Health__c")[ids[0]] == "Good"


def test_a_field_that_is_set_on_create_only_is_not_sent_again(desk):
    accounts = desk.account_ids(2)
    target = desk.projects()
    desk.push(target, {"key": ["p"], "Name": ["x"], "Account__c": [accounts[0]]})
    run, _ = desk.push(target, {"key": ["p"], "Name": ["x"], "Account__c": [accounts[1]]})
    assert classes(run, "Project__c") == {"unchanged": 1}


def test_rows_can_come_from_a_relation_of_the_lake_or_a_stream(desk, now):
    ids = desk.account_ids(3)
    table = ensure_table("test/rows", columns=[("key", "text"), ("PX_Health__c", "text")], key="key")
    with open_writer(table) as writer:
        writer.write(pa.table({"key": ids, "PX_Health__c": ["a", "b", "c"]}))
    from django.db import transaction

    with transaction.atomic():
        register(table, writer.staged, now=now)
    target = desk.target()
    run, report = desk.push(target, reading.newest(table))
    assert report.written == 3, run.sentence
    batches = iter(pa.table({"key": ids, "PX_Health__c": ["a", "b", "x"]}).to_batches(max_chunksize=1))
    run, report = desk.push(target, batches)
    assert classes(run, "Account") == {"written": 1, "unchanged": 2}
    with open_engine() as engine:
        engine.bind("accepted", reading.newest(type(target).objects.get(pk=target.pk).accepted))
        assert dict(engine.rows('SELECT key_, "PX_Health__c" FROM accepted')) == dict(zip(ids, "abx", strict=True))


def test_a_field_whose_type_changed_is_compared_anew_and_nothing_else(desk):
    ids = desk.account_ids(2)
    field = {"name": "PX_Extra__c", "label": "Extra", "type": "string", "length": 40}
    desk.demo.control("fields", {"object": "Account", "field": field})
    target = desk.target()
    desk.push(target, {"key": ids, "PX_Extra__c": ["1", "2"], "PX_Health__c": ["a", "b"]})
    number = {"name": "PX_Extra__c", "type": "double", "precision": 8, "scale": 0, "length": 0}
    desk.demo.control("fields", {"object": "Account", "field": number})
    from django.core.cache import cache

    cache.clear()
    run, _ = desk.push(target, {"key": ids, "PX_Extra__c": pa.array([1, 3]), "PX_Health__c": ["a", "b"]})
    assert run.state == "success", run.sentence
    listed = outcomes(run, "written")[ids[1]].detail["changes"]
    assert list(listed) == ["PX_Extra__c"]
    run, _ = desk.push(target, {"key": ids, "PX_Extra__c": pa.array([1, 3]), "PX_Health__c": ["a", "b"]})
    assert classes(run, "Account") == {"unchanged": 2}


def test_delete_only_what_we_wrote_and_only_where_the_kind_may(desk, change_kind):
    account = desk.account_ids(1)[0]
    target = desk.projects()
    rows = {"key": ["a", "b"], "Name": ["x", "y"], "Account__c": [account] * 2}
    desk.push(target, rows)
    run, report = desk.push(target, {**rows, "remove": [True, False]})
    assert classes(run, "Project__c") == {"written": 1, "unchanged": 1}
    assert set(desk.values("Project__c", "Id", key="External_Id__c", where="WHERE External_Id__c IN ('a', 'b')")) == {"b"}
    run, report = desk.push(
        target, {"key": ["a", "z"], "Name": ["x", "y"], "Account__c": [account] * 2, "remove": [True, True]}
    )
    assert classes(run, "Project__c") == {"unchanged": 2}
    change_kind(PROJECTS, operations=("upsert",))
    run, report = desk.push(target, {**rows, "remove": [False, True]})
    assert (report.failed, report.created) == (1, 1)


# --- the payload, without a wire ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0, 2, 12])
def test_numbers_are_written_without_exponent_or_superfluous_zeros(scale):
    values = pa.array(
        [Decimal("0"), Decimal("1E-12"), Decimal("12.50"), Decimal("-100"), Decimal("1E20"), None], pa.decimal128(38, 12)
    )
    texts = payload.cell_texts(values, Column("N__c", "N__c", "number", "number", scale=scale)).to_pylist()
    assert texts == ["0", "0.000000000001", "12.5", "-100", "100000000000000000000", None]


def test_r_145_a_load_file_stops_before_it_is_too_large(tmp_path):
    file = payload.LoadFile(tmp_path / "rows.csv", ["Key"], largest=1000)
    cells = pa.table({"Key": [f"key {i:04d}" for i in range(500)]})
    taken = file.add(cells)
    file.close()
    assert 0 < taken < 500
    assert file.bytes == (tmp_path / "rows.csv").stat().st_size <= 1000
    assert (tmp_path / "rows.csv").read_text().count("\n") == taken + 1
