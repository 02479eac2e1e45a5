"""Linking against a running org: search, look, link, re-point, unlink."""

from decimal import Decimal

import pytest
from django.utils import timezone

from integrations.access import Refusal
from integrations.models import AuditEntry, SalesforceOrg
from okr import licenses, linking, sources
from okr.models import Activity, KeyResult, Reading, ReportDescription, ReportLink
from okr.rights import NotAllowed

OPEN = "SELECT SUM(Amount) FROM Opportunity WHERE IsClosed = false"


def key_result(desk, **fields) -> KeyResult:
    about = {"title": "KR", "owner": desk.company.cast.marsha, "target": Decimal(10**9)} | fields
    return KeyResult.objects.create(objective=desk.company.objective, **about)


def look(desk, report, **options) -> linking.Preview:
    return linking.preview(desk.org, desk.find(report), user=desk.company.cast.jane, now=timezone.now(), **options)


def test_bw_28_search_finds_any_report_by_a_part_of_its_name(desk):
    found = linking.search(desk.org, "PIPELINE by", user=desk.company.cast.jane)
    assert {"Open pipeline by stage", "Pipeline by owner, stage and month"} <= {each.name for each in found.reports}
    assert all(each.folder for each in found.reports)


def test_bw_d13_search_gives_20_a_page_with_folder_and_format_in_any_case(desk):
    first = linking.search(desk.org, "", user=desk.company.cast.jane)
    second = linking.search(desk.org, "", user=desk.company.cast.jane, page=2)
    assert len(first.reports) == 20
    assert first.total == len(first.reports) + len(second.reports)
    assert not {each.id for each in first.reports} & {each.id for each in second.reports}
    joined = next(each for each in [*first.reports, *second.reports] if each.name == "Company overview")
    assert (joined.format, joined.usable) == ("MULTI_BLOCK", False)
    assert "Joined" in joined.reason
    (tabular,) = linking.search(desk.org, "open CASES", user=desk.company.cast.jane).reports
    assert tabular.usable
    assert "record count" in tabular.reason


def test_bw_28_the_folder_is_searched_as_well_as_the_name(desk):
    jane = desk.company.cast.jane
    every = [linking.search(desk.org, "", user=jane, page=page).reports for page in (1, 2, 3)]
    wanted = {each.id for page in every for each in page if "financ" in f"{each.name}\n{each.folder}".lower()}
    found = linking.search(desk.org, "FINANC", user=jane)
    assert {each.id for each in found.reports} == wanted
    assert any("financ" not in each.name.lower() for each in found.reports)
    assert found.total == len(wanted)
    assert [each.name for each in found.reports] == sorted(each.name for each in found.reports)


def test_bw_28_with_nothing_typed_the_latest_run_comes_first_and_never_run_ones_last(desk):
    jane = desk.company.cast.jane
    new = desk.clone(desk.find("Open pipeline by stage"), "Never run")
    first = linking.search(desk.org, "", user=jane)
    rest = [linking.search(desk.org, "", user=jane, page=page).reports for page in range(2, first.pages + 1)]
    reports = [*first.reports, *(each for page in rest for each in page)]
    assert len({each.id for each in reports}) == len(reports) == first.total
    assert reports[-1].id == new
    runs = [each.last_run for each in reports if each.last_run]
    assert runs == sorted(runs, reverse=True)
    assert None not in [each.last_run for each in reports[: len(runs)]]
    latest = reports[-2].id
    linking.preview(desk.org, latest, user=jane, now=timezone.now())
    assert linking.search(desk.org, "", user=jane).reports[0].id == latest


def test_s_030_what_is_searched_is_literal(desk):
    for text in ("x' OR Name LIKE '%", "%", "\\", "_"):
        assert linking.search(desk.org, text, user=desk.company.cast.jane).total == 0


def test_bw_25_only_license_holders_search_look_link_and_re_point(desk):
    marsha, now = desk.company.cast.marsha, timezone.now()
    report = desk.find("Open pipeline by stage")
    link = desk.link()
    for work in (
        lambda: linking.search(desk.org, "x", user=marsha),
        lambda: linking.preview(desk.org, report, user=marsha, now=now),
        lambda: linking.link(key_result(desk), org=desk.org, report_id=report, field_name="s!AMOUNT", user=marsha, now=now),
        lambda: linking.repoint(link.key_result, org=desk.org, report_id=report, field_name="RowCount", user=marsha, now=now),
    ):
        with pytest.raises(NotAllowed) as refusal:
            work()
        assert refusal.value.code == "no_license"


def test_bw_29_bw_31_bw_d12_the_preview_shows_value_folder_user_and_a_notice(desk):
    seen = look(desk, "Open pipeline by stage", field_name="s!AMOUNT")
    assert seen.value.amount == desk.truth(OPEN)
    assert (seen.folder, seen.format, seen.report_name) == ("Sales", "SUMMARY", "Open pipeline by stage")
    assert [each.name for each in seen.fields] == ["s!AMOUNT", "RowCount"]
    assert seen.read_as == desk.org.user_name != ""
    assert seen.read_as in seen.notice
    assert "everyone" in seen.notice
    assert seen.url.startswith(desk.org.instance_url)
    stage = seen.groups.down[0]
    one = look(desk, "Open pipeline by stage", field_name="s!AMOUNT", group_path=stage.path)
    value = stage.path[0]["value"]
    assert one.value.amount == desk.truth(f"{OPEN} AND StageName = '{value}'")


def test_bw_31_a_matrix_cell_by_owner_stage_and_month(desk):
    seen = look(desk, "Pipeline by owner, stage and month")
    row, column = seen.groups.down[0].children[0], seen.groups.across[0]
    path = [*row.path, *column.path]
    cell = look(desk, "Pipeline by owner, stage and month", field_name="RowCount", group_path=path)
    owner, stage, month = (step["value"] for step in path)
    soql = (
        f"SELECT COUNT(Id) FROM Opportunity WHERE IsClosed = false AND OwnerId = '{owner}' AND StageName = '{stage}' "
        f"AND CALENDAR_YEAR(CloseDate) = {int(month[:4])} AND CALENDAR_MONTH(CloseDate) = {int(month[5:7])}"
    )
    assert cell.value.amount == desk.truth(soql)
    assert path[2]["granularity"] == "Month"


def test_bw_35_a_joined_report_offers_no_field_and_says_why(desk):
    seen = look(desk, "Company overview")
    assert seen.fields == []
    assert "joined report" in seen.reason


def test_bw_d13_a_tabular_report_offers_its_record_count_only(desk):
    seen = look(desk, "Deals closing this month", field_name="RowCount")
    assert [each.name for each in seen.fields] == ["RowCount"]
    assert seen.value.amount == desk.truth("SELECT COUNT(Id) FROM Opportunity WHERE CloseDate = THIS_MONTH")


def test_bw_26_bw_32_linking_reads_at_once_and_keeps_provenance(desk):
    link = desk.link()
    link.refresh_from_db()
    assert link.key_result.current == desk.truth(OPEN)
    assert (link.status, link.folder_name, link.report_format) == ("fresh", "Sales", "SUMMARY")
    reading = Reading.objects.get(key_result=link.key_result)
    assert reading.read_as == desk.org.user_name
    assert Activity.objects.filter(key_result=link.key_result, verb="linked").exists()
    assert AuditEntry.objects.filter(action="key_result.linked", actor=desk.company.cast.jane).exists()
    assert licenses.License.objects.get().last_used_at is not None


def test_bw_30_percent_is_imported_as_percent_and_stays_45(desk):
    link = desk.link("Win rate by owner", "FORMULA1")
    assert (link.key_result.unit, link.key_result.unit_label) == ("percent", "%")
    assert 1 < link.key_result.current <= 100


def test_bw_30_money_is_imported_and_a_custom_unit_wins(desk):
    assert desk.link().key_result.unit == "currency"
    custom = desk.link(unit="custom", unit_label="points")
    assert (custom.key_result.unit, custom.key_result.unit_label) == ("custom", "points")


def test_bw_d10_the_code_of_a_multi_currency_org_is_imported(desk):
    desk.demo.settings(multi_currency=True)
    link = desk.link()
    code = link.currency
    assert len(code) == 3
    assert link.key_result.unit_label == code


def test_bw_37_only_reports_can_be_linked(desk):
    account = desk.salesforce.query_all("SELECT Id FROM Account LIMIT 1")[0]["Id"]
    for text in (account, "nonsense", "00O"):
        with pytest.raises(Refusal) as refusal:
            linking.preview(desk.org, text, user=desk.company.cast.jane, now=timezone.now())
        assert refusal.value.code == "not_a_report"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"field_name": "s!NOPE"}, "field_gone"),
        ({"field_name": "s!AMOUNT", "group_path": [{"field": "STAGE_NAME", "value": "Nowhere"}]}, "row_missing"),
        ({"field_name": ""}, "field_missing"),
        ({"field_name": "s!AMOUNT", "settle_days": 31}, "settle_days"),
        ({"field_name": "a!AMOUNT", "missing_row_is_zero": True}, "zero_is_wrong"),
        ({"field_name": "s!AMOUNT", "unit": "bananas"}, "unknown_unit"),
        ({"field_name": "s!AMOUNT", "filters": [{"column": "NOPE", "operator": "equals", "value": "x"}]}, "filter_column"),
        ({"field_name": "s!AMOUNT", "filters": [{"column": "AMOUNT"}]}, "filter_incomplete"),
    ],
)  # fmt: skip
def test_s_072_a_choice_that_can_never_be_read_is_refused_and_nothing_is_written(desk, options, code):
    target = key_result(desk)
    report = desk.find("Open pipeline by stage")
    with pytest.raises(Refusal) as refusal:
        linking.link(target, org=desk.org, report_id=report, user=desk.company.cast.jane, now=timezone.now(), **options)
    assert refusal.value.code == code
    assert not ReportLink.objects.exists()
    assert not Reading.objects.exists()


def test_bw_d8_a_row_that_is_empty_today_can_be_linked_as_zero(desk):
    link = desk.link(group_path=[{"field": "STAGE_NAME", "value": "Nowhere"}], missing_row_is_zero=True)
    assert (link.key_result.current, link.status) == (0, "fresh")


def test_bw_d11_start_from_the_first_reading(desk):
    target = key_result(desk, start_from_first_reading=True)
    linking.link(target, org=desk.org, report_id=desk.find("Open pipeline by stage"), field_name="s!AMOUNT",
                 user=desk.company.cast.jane, now=timezone.now())  # fmt: skip
    target.refresh_from_db()
    assert target.start == target.current == desk.truth(OPEN)


def test_bw_d11_a_first_reading_equal_to_the_target_is_refused(desk):
    target = key_result(desk, start_from_first_reading=True, target=desk.truth(OPEN))
    with pytest.raises(Refusal) as refusal:
        linking.link(target, org=desk.org, report_id=desk.find("Open pipeline by stage"), field_name="s!AMOUNT",
                     user=desk.company.cast.jane, now=timezone.now())  # fmt: skip
    assert refusal.value.code == "target_equals_start"
    assert not ReportLink.objects.exists()


def test_bw_31_filters_narrow_the_report_and_keep_its_own(desk):
    filters = [{"column": "AMOUNT", "operator": "greaterThan", "value": "50000"}]
    link = desk.link("Lost deals by reason", "RowCount", filters=filters)
    own = "SELECT COUNT(Id) FROM Opportunity WHERE StageName = 'Closed Lost' AND CloseDate = LAST_N_DAYS:365 AND Amount > 50000"
    assert link.key_result.current == desk.truth(own)


def test_bw_d9_what_salesforce_refuses_is_said_in_words(desk):
    with pytest.raises(Refusal) as refusal:
        look(desk, "Pipeline of a deleted product line", field_name="s!AMOUNT")
    assert "obsolete" in refusal.value.message
    report = desk.clone(desk.find("Open pipeline by stage"), "Soon gone")
    desk.delete(report)
    with pytest.raises(Refusal) as refusal:
        linking.preview(desk.org, report, user=desk.company.cast.jane, now=timezone.now())
    assert refusal.value.code == "report_gone"


def test_bw_33_re_pointing_keeps_the_history_and_is_noted(desk):
    link = desk.link()
    before = link.key_result.current
    changed = linking.repoint(
        link.key_result, org=desk.org, report_id=link.report_id, field_name="RowCount", settle_days=5,
        user=desk.company.cast.jane, now=timezone.now(),
    )  # fmt: skip
    assert changed.pk == link.pk
    assert list(link.key_result.readings.order_by("pk").values_list("value", flat=True)) == [before, changed.key_result.current]
    story = Activity.objects.get(key_result=link.key_result, verb="re-pointed")
    assert "5 days after the period's end" in story.text


def test_a_linked_key_result_is_not_linked_twice(desk):
    link = desk.link()
    with pytest.raises(Refusal) as refusal:
        linking.link(link.key_result, org=desk.org, report_id=link.report_id, field_name="RowCount",
                     user=desk.company.cast.jane, now=timezone.now())  # fmt: skip
    assert refusal.value.code == "already_linked"


def test_bw_d3_bw_d15_unlinking_keeps_value_and_history_and_needs_no_seat(desk):
    link = desk.link()
    licenses.release_license(desk.org, user=desk.company.cast.jane, actor=desk.company.cast.ada, now=timezone.now())
    linking.unlink(link.key_result, user=desk.company.cast.marsha, now=timezone.now())
    after = KeyResult.objects.get(pk=link.key_result_id)
    assert after.current == link.key_result.current
    assert after.readings.count() == 1
    assert not ReportLink.objects.exists()


def test_an_unchanged_report_is_described_once(desk):
    for _ in range(3):
        look(desk, "Open pipeline by stage")
    assert len([each for each in desk.demo.calls("/describe") if "/analytics/reports/" in each["path"]]) == 1
    desk.change(desk.find("Open pipeline by stage"), aggregates=["RowCount", "s!AMOUNT", "a!AMOUNT"])
    assert "a!AMOUNT" in [each.name for each in look(desk, "Open pipeline by stage").fields]
    assert ReportDescription.objects.count() == 1


def test_fields_are_told_without_a_report_run(desk):
    found = linking.describe(desk.org, desk.find("Campaign ROI"), user=desk.company.cast.jane, now=timezone.now())
    assert "FORMULA1" in [each.name for each in found.fields]
    assert desk.runs() == []


def test_a_connection_whose_switch_is_off_offers_nothing(desk):
    SalesforceOrg.objects.update(okr_enabled=False)
    desk.org.refresh_from_db()
    with pytest.raises(Refusal) as refusal:
        linking.search(desk.org, "", user=desk.company.cast.jane)
    assert refusal.value.code == "okr_off"


def test_bw_d7_a_preview_is_refused_when_the_hours_runs_are_used_up(desk):
    from integrations.models import ApiUsage
    from integrations.orgs import budget

    ApiUsage.objects.update_or_create(org=desk.org, hour=budget.hour_of(timezone.now()), domain="other",
                                      defaults={"report_runs": 500, "report_instances": 1200})  # fmt: skip
    with pytest.raises(Refusal) as refusal:
        look(desk, "Open pipeline by stage")
    assert refusal.value.code == "report_limit"


def test_source_keys_ignore_the_order_of_filters_and_the_length_of_ids(desk):
    one, two = {"column": "A", "operator": "equals", "value": "1"}, {"column": "B", "operator": "equals", "value": "2"}
    report = desk.find("Open pipeline by stage")
    assert sources.source_key(desk.org, report, [one, two]) == sources.source_key(desk.org, report[:15], [two, one])
    assert sources.source_key(desk.org, report, [one]) != sources.source_key(desk.org, report, [])
