"""The section "Integrations" of the key-result form, against a real demo org, with and without script (BW-25..BW-33)."""

import re
from decimal import Decimal
from html import unescape

import pytest
from django.urls import reverse

from okr.models import KeyResult, License, ReportLink

pytestmark = pytest.mark.django_db
SECTION = "/okr/link/section/"
SEARCH = "/okr/link/search/"


@pytest.fixture
def editor(client, world, cast, connected_org, now):
    """Jane, signed in, with a seat of the demo org; the other connection is out of use."""
    world.org.state = "paused"
    world.org.save()
    License.objects.create(org=connected_org, user=cast.jane)
    client.force_login(cast.jane)
    return client


def found(client, text: str, **more) -> str:
    answer = client.post(SEARCH, {"linking": "search", "q": text, **more})
    assert answer.status_code == 200
    return answer.content.decode()


def report_id(client, name: str) -> str:
    html = found(client, name)
    return re.search(r'name="pick" value="(00O\w{15})"[^>]*>\s*<span[^>]*><span class="strong">' + re.escape(name) + "<", html)[
        1
    ]


def values_of(html: str, name: str) -> dict[str, str]:
    """Options of a select: words -> value."""
    select = re.search(rf'<select name="{name}".*?</select>', html, re.DOTALL)[0]
    options = re.findall(r'<option value="([^"]*)"[^>]*>(.*?)</option>', select, re.DOTALL)
    return {unescape(re.sub(r"\s+", " ", words)).replace("\u2003", "").strip(): unescape(value) for value, words in options}


def measure(cast, **changes) -> dict[str, str]:
    values = {
        "title": "Linked", "owner": cast.marsha.pk, "unit": "number", "unit_label": "", "start": "0", "target": "999999999",
        "weight": 1, "form_token": "once",
    }  # fmt: skip
    return {**values, **changes}


def test_bw_27_the_form_has_a_salesforce_entry_under_integrations(editor, world):
    html = editor.get(reverse("okr:key_result_create", args=[world.objective.pk])).content.decode()
    section = html[html.index('id="integrations"') :]
    assert "Integrations" in section
    assert 'class="icon salesforce"' in section
    assert "Link a Salesforce report" in section


def test_bw_28_search_finds_any_report_by_part_of_its_name(editor):
    html = found(editor, "PIPELINE")
    assert "4 reports with “PIPELINE” in the name or folder" in html
    assert "Open pipeline by stage" in html
    assert re.search(r"Sales · summary · last run <time", html)
    assert "0 reports" in found(editor, "no such report")
    assert "%" in found(editor, "100%_'\\")  # a name to look for, not a pattern and not an error


def test_bw_d13_twenty_a_page_with_folder_and_format_and_reasons(editor):
    first, second = found(editor, ""), found(editor, "", page=2)
    assert first.count('name="pick"') == 20
    assert second.count('name="pick"') == 7
    both = first + second
    assert "Tabular report: only its record count can be used." in both
    joined = re.search(r'<button[^>]*disabled[^>]*>\s*<span[^>]*><span class="strong">Company overview<', both)
    assert joined, "a joined report is listed but cannot be chosen"
    assert "Joined report: it has no single summary value." in both


def test_bw_29_and_30_choosing_a_field_shows_its_value_and_imports_its_unit(editor, cast):
    report = report_id(editor, "Win rate by owner")
    html = editor.post(SECTION, {**measure(cast), "linking": "search", "pick": report}).content.decode()
    fields = values_of(html, "field")
    assert len(fields) == 4  # "Choose..." and three summary fields
    html = editor.post(SECTION, {**measure(cast), "linking": "report", "report": report, "field": "s!AMOUNT"}).content.decode()
    assert re.search(r'id="value-now">[\d,.$]+<', html)
    assert 'id="unit-fields" hx-swap-oob="true"' in html
    assert re.search(r'<option value="currency" selected', html)
    # chosen again with the same field, the unit is left as the person set it
    again = {**measure(cast, unit="custom", unit_label="euros"), "linking": "report", "report": report, "field": "s!AMOUNT"}
    html = editor.post(SECTION, {**again, "unit_from": f"{report} s!AMOUNT"}).content.decode()
    assert "unit-fields" not in html


def test_bw_31_a_row_narrows_the_value(editor, cast):
    report = report_id(editor, "Open pipeline by stage")
    chosen = {**measure(cast), "linking": "report", "report": report, "field": "s!AMOUNT"}
    html = editor.post(SECTION, chosen).content.decode()
    total = Decimal(re.search(r'id="value-now">\$?([\d,.]+)<', html)[1].replace(",", ""))
    rows = values_of(html, "row")
    assert rows.pop("Grand total") == ""
    parts = []
    for token in rows.values():
        part = editor.post(SECTION, {**chosen, "row": token}).content.decode()
        parts.append(Decimal(re.search(r'id="value-now">\$?([\d,.]+)<', part)[1].replace(",", "")))
    assert sum(parts) == total
    assert len(parts) > 2


def test_bw_31_nested_rows_and_columns_of_a_matrix(editor, cast):
    report = report_id(editor, "Pipeline by owner, stage and month")
    html = editor.post(SECTION, {**measure(cast), "linking": "report", "report": report, "field": "RowCount"}).content.decode()
    assert "&emsp;" in html  # stages below owners
    columns = values_of(html, "column")
    assert len(columns) > 1


def test_bw_32_submit_makes_key_result_and_link_together(editor, cast, world, connected_org):
    report = report_id(editor, "Open pipeline by stage")
    sent = {
        **measure(cast, unit="currency", unit_label="USD"), "linking": "report", "org": connected_org.pk, "report": report,
        "field": "s!AMOUNT", "unit_from": f"{report} s!AMOUNT", "settle_days": "5", "save": "1",
    }  # fmt: skip
    address = reverse("okr:key_result_create", args=[world.objective.pk])
    first, second = editor.post(address, sent), editor.post(address, sent)
    made = KeyResult.objects.get(title="Linked")  # one object
    assert first["Location"] == second["Location"] == reverse("okr:key_result", args=[made.pk])
    assert (made.owner, made.unit, made.unit_label) == (cast.marsha, "currency", "USD")  # BW-05: she has no license
    assert made.current == made.readings.get().value > 0
    assert (made.link.report_name, made.link.settle_days, made.link.status) == ("Open pipeline by stage", 5, "fresh")
    assert "is linked and updates itself" in editor.get(first["Location"]).content.decode()


def test_the_same_steps_work_without_script(editor, cast, world):
    address = reverse("okr:key_result_create", args=[world.objective.pk])
    html = editor.post(address, measure(cast, step="search", linking="")).content.decode()
    assert 'value="Linked"' in html  # what was typed stays
    html = editor.post(address, measure(cast, linking="search", q="deal size")).content.decode()  # Enter in the search field
    assert "Open pipeline by deal size" in html
    report = report_id(editor, "Open pipeline by deal size")
    html = editor.post(address, measure(cast, linking="search", q="deal size", pick=report)).content.decode()
    assert "Show value" in html
    html = editor.post(
        address, measure(cast, linking="report", report=report, field="s!AMOUNT", step="preview")
    ).content.decode()
    assert 'id="value-now"' in html
    assert not KeyResult.objects.filter(title="Linked").exists()
    answer = editor.post(address, measure(cast, linking="report", report=report, field="s!AMOUNT", save="1"))
    assert answer.status_code == 302
    assert KeyResult.objects.get(title="Linked").unit == "currency"  # imported though nobody saw it


def test_bw_d12_value_folder_and_exposure_notice_before_saving(editor, cast, connected_org):
    report = report_id(editor, "Open pipeline by stage")
    html = editor.post(SECTION, {**measure(cast), "linking": "report", "report": report, "field": "s!AMOUNT"}).content.decode()
    assert f"read with the Salesforce access of {connected_org.user_name}" in html
    assert "The report lies in the folder “Sales”." in html
    assert f"{connected_org.instance_url}/{report}" in html


def test_filters_narrow_the_live_value(editor, cast):
    report = report_id(editor, "Open pipeline by stage")
    chosen = {**measure(cast), "linking": "report", "report": report, "field": "RowCount"}
    html = editor.post(SECTION, chosen).content.decode()
    columns = values_of(html, "filter-0-column")
    before = int(re.search(r'id="value-now">([\d,]+)<', html)[1].replace(",", ""))
    amount = next(value for words, value in columns.items() if words == "Amount")
    chosen["filter-0-column"] = amount
    html = editor.post(SECTION, chosen).content.decode()
    assert "greaterThan" in values_of(html, "filter-0-operator")
    html = editor.post(SECTION, {**chosen, "filter-0-operator": "greaterThan", "filter-0-value": "20000"}).content.decode()
    after = int(re.search(r'id="value-now">([\d,]+)<', html)[1].replace(",", ""))
    assert 0 < after < before
    html = editor.post(SECTION, {**chosen, "filter-0-operator": "greaterThan", "filter-0-value": "many"}).content.decode()
    assert "Amount is compared with a number." in html


def test_bw_35_without_a_summary_field_the_page_says_what_to_check(editor, cast):
    html = found(editor, "Company overview")
    joined = re.search(r'name="pick" value="(00O\w{15})"', html)[1]
    html = editor.post(SECTION, {**measure(cast), "linking": "search", "pick": joined}).content.decode()
    assert "No summary field can be selected" in html
    assert "joined report" in html


@pytest.mark.parametrize("target", ["00D000000000001EAA", "001000000000001AAA", "zzz", "'; DROP TABLE", "00OdM0000000000XXX"])
def test_bw_37_only_reports_can_be_linked(editor, cast, target):
    html = editor.post(SECTION, {**measure(cast), "linking": "search", "pick": target}).content.decode()
    assert 'role="alert"' in html
    assert 'id="id_field"' not in html


def test_a_refused_choice_leaves_nothing_half_done(editor, cast, world):
    report = report_id(editor, "Open pipeline by stage")
    address = reverse("okr:key_result_create", args=[world.objective.pk])
    answer = editor.post(address, measure(cast, linking="report", report=report, field="s!NOPE", save="1"))
    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()
    answer = editor.post(address, measure(cast, linking="report", report=report, field="", save="1"))
    assert "Choose a summary field." in answer.content.decode()
    answer = editor.post(address, measure(cast, linking="search", q="", save="1"))
    assert "Choose a report, or close the search." in answer.content.decode()
    assert not KeyResult.objects.filter(title="Linked").exists()
    answer = editor.post(address, measure(cast, linking="report", report=report, field="s!AMOUNT", save="1"))
    assert answer.status_code == 302  # the same form, put right


def test_an_existing_link_is_kept_unless_changed(editor, cast, world, connected_org, now):
    report = report_id(editor, "Open pipeline by stage")
    address = reverse("okr:key_result_create", args=[world.objective.pk])
    editor.post(address, measure(cast, linking="report", report=report, field="s!AMOUNT", save="1"))
    made = KeyResult.objects.get(title="Linked")
    linked_at = made.link.linked_at
    edit = reverse("okr:key_result_edit", args=[made.pk])
    assert "Change value, row or filters" in editor.get(edit).content.decode()
    editor.post(edit, measure(cast, title="Renamed", unit="currency", linking="", save="1", form_token="b"))
    assert ReportLink.objects.get(key_result=made).linked_at == linked_at
    html = editor.post(SECTION, {**measure(cast), "key_result": made.pk, "linking": "", "step": "edit"}).content.decode()
    assert re.search(r'<option value="s!AMOUNT" selected', html)
    editor.post(
        edit,
        measure(
            cast, linking="report", report=report, field="RowCount", unit_from=f"{report} RowCount", save="1", form_token="c"
        ),
    )
    link = ReportLink.objects.get(key_result=made)
    assert (link.field, link.key_result.unit) == ("RowCount", "number")


def test_bw_25_without_a_seat_nothing_is_asked_of_salesforce(client, world, cast, connected_org, demo_org):
    client.force_login(cast.marsha)
    demo_org.forget_calls()
    html = client.post(SECTION, {"linking": "search", "q": "", "step": "search"}).content.decode()
    assert "Linking needs a Salesforce license" in html
    assert demo_org.calls("/query") == []


def test_s_035_a_report_with_a_nasty_name_is_text(editor, cast, demo_org, monkeypatch):
    demo_org.fault(path="/query", status=200, body={
        "totalSize": 1, "done": True,
        "records": [{"attributes": {"type": "Report", "url": "/x"}, "Id": "00O000000000001EAA", "Name": "<img src=x onerror=alert(1)>",
                     "FolderName": "</script><svg onload=alert(1)>", "Format": "Summary", "LastRunDate": None}],
    }, times=5)  # fmt: skip
    html = found(editor, "img")
    assert "<img" not in html
    assert "<svg onload" not in html


def test_a_connection_that_is_down_is_said_in_words(editor, cast, connected_org):
    connected_org.state = "needs_reauthorization"
    connected_org.save()
    html = editor.get(reverse("okr:key_result_create", args=[KeyResult.objects.first().objective_id])).content.decode()
    assert "No Salesforce connection is ready." in html


def test_a_limit_of_salesforce_is_said_in_words(editor, cast, demo_org):
    body = [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}]
    demo_org.fault(path="/query", status=403, body=body, times=20)
    html = found(editor, "pipeline")
    demo_org.no_faults()
    assert 'role="alert"' in html
    assert "limit is reached" in html
