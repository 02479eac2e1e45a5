"""Pages of analyses: overview, asking, progress, documents, CSV, the customers behind a number, and who may do what."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from analytics.analyses import asking, behind, kinds
from analytics.models import Analysis, Result
from integrations.models import AuditEntry, SalesforceOrg
from integrations.product.kpis import tables as kpis
from tests.analytics.analysis_world import KIND, fill, known
from tests.analytics.cast import write_facts, write_rows
from tests.analytics.gallery import make_kind

pytestmark = pytest.mark.django_db
ALL = '{"by":"industry","value":null}'
RETAIL = '{"by":"industry","value":"Retail"}'


@pytest.fixture(autouse=True)
def kind():
    with known(KIND):
        yield


@pytest.fixture
def done(org, cast) -> Result:
    """A computed result."""
    org.instance_url = "https://acme.my.salesforce.com"
    org.save()
    fill(org)
    found = asking.ask(KIND, org, {}, user=cast.ana, now=timezone.now(), nightly=True)
    return asking.request_result(found, user=cast.ana, now=timezone.now())


def text_of(answer) -> str:
    return (b"".join(answer.streaming_content) if answer.streaming else answer.content).decode()


def lines_of(answer) -> list[list[str]]:
    assert answer.status_code == 200, answer.status_code
    return list(csv.reader(io.StringIO(text_of(answer))))


# --- Asking ----------------------------------------------------------------------------------------------------------


def test_sending_the_form_computes_and_leads_to_an_address_that_asks_the_same(client, cast, org):
    fill(org)
    client.force_login(cast.ana)
    answer = client.post("/analytics/sampler/", {"by": "region", "flags": "1", "paying": "1", "regions": ["", "US"]})
    assert answer.status_code == 302
    found = Analysis.objects.get()
    assert found.parameters == {"by": "region", "least": 1, "paying": True, "regions": ["US"]}
    assert answer["Location"] == f"/analytics/sampler/?org={org.pk}&by=region&paying=1&regions=US"
    page = text_of(client.get(answer["Location"]))
    assert "605.00" not in page
    assert "2,111.00\xa0EUR" in page
    assert Analysis.objects.count() == 1


def test_s_059_looking_at_a_question_stores_nothing_and_offers_to_compute(client, cast, org):
    fill(org)
    client.force_login(cast.ana)
    page = text_of(client.get("/analytics/sampler/?by=plan"))
    assert 'hx-trigger="load, submit"' in page
    assert not Analysis.objects.exists()
    assert not Result.objects.exists()


def test_the_newest_result_is_shown_at_once_while_the_facts_of_today_are_computed(client, cast, done, org):
    write_facts(org, as_of=datetime(2026, 11, 2, tzinfo=UTC), subjects=[{"subject": "c1", "industry": "Retail", "mrr": 7}])
    client.force_login(cast.ana)
    page = text_of(client.get("/analytics/sampler/"))
    assert "The facts have moved on" in page
    assert "2,111.00\xa0EUR" in page, "the older result stays readable"
    again = client.post("/analytics/sampler/", {"org": org.pk}, headers={"HX-Request": "true", "HX-Target": "answer"})
    assert again.status_code == 200
    assert text_of(again).lstrip().startswith('<div id="answer"')
    assert "7.00\xa0EUR" in text_of(again)
    assert "Compared with Nov 1, 2026" in text_of(again)


def test_progress_is_asked_for_until_the_result_is_there(client, cast, done, org):
    queued = Result.objects.filter(pk=done.pk)
    client.force_login(cast.ana)
    from integrations.models import Run

    queued.update(state=Result.State.QUEUED)
    run = Run.objects.create(job=asking.JOB, org=org, domain="analytics", state=Run.State.QUEUED, queued_at=timezone.now())
    waiting = client.get(f"/analytics/results/{done.pk}/progress/")
    assert waiting.status_code == 200
    assert 'hx-trigger="every 2s"' in text_of(waiting)
    run.delete()
    queued.update(state=Result.State.DONE)
    over = client.get(f"/analytics/results/{done.pk}/progress/")
    assert (over.status_code, over["HX-Retarget"]) == (286, "#answer")
    assert "By group" in text_of(over)


def test_bad_values_are_said_at_their_field_and_kept_in_the_form(client, cast, org):
    fill(org)
    client.force_login(cast.ana)
    for answer in (client.get("/analytics/sampler/?least=many"), client.post("/analytics/sampler/", {"least": "many"})):
        assert answer.status_code == 400
        page = text_of(answer)
        assert "At least customers must be a whole number." in page
        assert 'value="many"' in page
        assert "<details open>" in page, "the folded part with the error is open"


def test_fz_d2_a_kind_that_lacks_an_attribute_is_greyed_out_with_the_reason(client, cast, org):
    fill(org)
    kinds.register(replace(KIND, name="lacking", lacks=lambda org: "Map Free Trial Start Date first."))
    client.force_login(cast.ana)
    page = text_of(client.get("/analytics/lacking/"))
    assert "Map Free Trial Start Date first." in page
    assert "<fieldset disabled" in page
    assert f"/analytics/connections/{org.pk}/map/" in page
    refused = client.post("/analytics/lacking/", {}, follow=True)
    assert "Map Free Trial Start Date first." in text_of(refused)
    assert not Analysis.objects.exists()
    assert "Map Free Trial Start Date first." in text_of(client.get("/analytics/"))


def test_a_failed_computation_says_why_and_can_be_tried_again(client, cast, org):
    fill(org)
    client.force_login(cast.ana)
    client.post("/analytics/sampler/", {"least": "13"})
    first = Result.objects.get().computed_at
    page = text_of(client.get("/analytics/sampler/?least=13"))
    assert "The computation failed" in page
    assert "Try again" in page
    client.post("/analytics/sampler/", {"least": "13", "again": "1"})
    assert Result.objects.get().computed_at != first


def test_unknown_kinds_results_and_connections_are_not_found(client, cast, done):
    client.force_login(cast.ana)
    for path in ("/analytics/nothing/", "/analytics/results/999/", f"/analytics/results/{done.pk}/none.csv"):
        assert client.get(path).status_code == 404, path
    assert client.get("/analytics/sampler/?org=999").status_code == 200, "an org that is gone falls back"
    SalesforceOrg.objects.all().update(analytics_enabled=False)
    assert "No connection yet" in text_of(client.get("/analytics/sampler/"))


# --- Who may read ----------------------------------------------------------------------------------------------------


def test_members_read_nightly_and_saved_results_and_ask_nothing(client, cast, done, org):
    asked = asking.ask(KIND, org, {"by": "plan"}, user=cast.ana, now=timezone.now())
    other = asking.request_result(asked, user=cast.ana, now=timezone.now())
    client.force_login(cast.jane)
    page = text_of(client.get("/analytics/sampler/"))
    assert "2,111.00\xa0EUR" in page
    assert "/behind/" not in page
    assert 'hx-post="' not in page
    assert client.post("/analytics/sampler/", {"by": "region"}).status_code == 403
    assert client.get(f"/analytics/results/{other.pk}/").status_code == 404
    assert client.get(f"/analytics/results/{other.pk}/groups.csv").status_code == 404
    assert client.get(f"/analytics/results/{done.pk}/behind/?cell={ALL}").status_code == 403
    client.force_login(cast.ana)
    client.post(f"/analytics/saved/{asked.pk}/", {"name": "Plans"})
    client.force_login(cast.jane)
    assert client.get(f"/analytics/results/{other.pk}/").status_code == 200
    assert "Plans" in text_of(client.get("/analytics/"))


def test_saving_renaming_and_taking_off(client, cast, done):
    client.force_login(cast.ana)
    path = f"/analytics/saved/{done.analysis_id}/"
    assert client.post(path, {"name": " By  industry ", "next": "/analytics/"})["Location"] == "/analytics/"
    assert Analysis.objects.get().name == "By industry"
    assert client.post(path, {"name": "x", "next": "https://evil.example/"})["Location"].startswith("/analytics/sampler/")
    client.post(path, {"name": ""})
    assert Analysis.objects.get().name == ""
    actions = AuditEntry.objects.filter(action__startswith="analysis.").values_list("action", flat=True)
    assert list(actions.order_by("pk")) == ["analysis.saved", "analysis.saved", "analysis.unsaved"]


# --- Documents -------------------------------------------------------------------------------------------------------


def test_a_document_says_as_of_population_who_was_left_out_and_links_its_definition(client, cast, done):
    client.force_login(cast.ana)
    page = text_of(client.get(f"/analytics/results/{done.pk}/"))
    for words in ("Nov 1, 2026", "Every customer of the connection.", "2 customers in groups that are too small.",
                  "/analytics/definitions/#asking-saving-csv-and-api"):  # fmt: skip
        assert words in page


def test_every_block_has_a_table_and_a_csv_with_exactly_its_numbers(client, cast, org):
    """Every number of each table of the page is in the CSV with the same digits, and the other way round."""
    fill(org)
    kinds.register(make_kind())
    client.force_login(cast.ana)
    client.post("/analytics/gallery/", {})
    result = Result.objects.get()
    page = text_of(client.get("/analytics/gallery/"))
    blocks = [block for block in result.document["blocks"] if block["columns"]]
    assert len(blocks) >= 10
    for block in blocks:
        head, *rows = lines_of(client.get(f"/analytics/results/{result.pk}/{block['key']}.csv"))
        assert len(rows) == len(block["rows"]) > 0
        assert len(head) == len(block["columns"]) + sum(column["kind"] == "interval" for column in block["columns"])
        for row in rows:
            assert len(row) == len(head)
        for cell in rows[0]:
            shown = cell.replace("-", "−") if cell[:1] == "-" else cell
            whole, _, rest = shown.partition(".")
            grouped = f"{int(whole):,}" + (f".{rest}" if rest else "") if whole.isdigit() else shown
            assert grouped in page or shown.replace("<", "&lt;") in page or cell[:4] == "2025", (block["key"], cell)


def test_the_definitions_page_renders_the_documentation(client, cast):
    client.force_login(cast.jane)
    assert client.get("/analytics/definitions/").status_code == 200


def test_without_facts_the_pages_lead_to_the_set_up(client, cast, org):
    client.force_login(cast.ana)
    for path in ("/analytics/", "/analytics/sampler/"):
        assert f"/analytics/connections/{org.pk}/" in text_of(client.get(path))


# --- The customers behind a number -----------------------------------------------------------------------------------


def test_wishes_which_accounts_are_behind_a_number(client, cast, done, org):
    client.force_login(cast.olga)
    page = text_of(client.get(f"/analytics/results/{done.pk}/behind/?cell={RETAIL}"))
    assert "4 customers" in page
    assert "Customer 3" in page
    assert "bob@example.com" in page
    assert "https://acme.my.salesforce.com/001000000000003AAA" in page or "001000000000003AAA/view" in page
    assert "Customer 1<" not in page
    assert "By group: Retail" in page


def test_s_115_analysts_do_not_see_addresses_of_people(client, cast, done):
    client.force_login(cast.ana)
    page = text_of(client.get(f"/analytics/results/{done.pk}/behind/?cell={RETAIL}"))
    assert "bob@example.com" not in page
    assert "b***@e***" in page
    assert "bob@example.com" not in text_of(client.get(f"/analytics/results/{done.pk}/behind.csv?cell={RETAIL}"))


def test_the_list_sorts_and_pages_and_its_csv_has_all_in_the_same_order(client, cast, done, org, monkeypatch):
    monkeypatch.setattr(behind, "ROWS", 3)
    client.force_login(cast.ana)
    path = f"/analytics/results/{done.pk}/behind"
    last = text_of(client.get(f"{path}/?cell={ALL}&sort=tickets&page=99"))
    assert "Page 3 of 3" in last
    rows = lines_of(client.get(f"{path}.csv?cell={ALL}&sort=mrr"))
    assert rows[0] == list(behind.HEADER)
    assert [row[5] for row in rows[1:]] == ["5.00", "6.00", "100.00", "200.00", "300.00", "400.00", "500.00", "600.00"]
    assert {row[6] for row in rows[1:]} == {"EUR"}
    assert rows[3][1] == "cust-0000"
    assert AuditEntry.objects.filter(action="export.behind").count() == 1


def test_active_days_are_those_of_the_seven_days_before_the_facts(client, cast, done, org, engine_name):
    customer = behind.Customer.objects.order_by("pk").first()
    assert customer is not None
    days = [("2026-10-24", 1), ("2026-10-25", 1), ("2026-10-31", 2), ("2026-10-31", 1), ("2026-10-30", 0), ("2026-11-01", 5)]
    write_rows(kpis.daily_table(), [
        {"day": day, "customer_id": customer.pk, "end_user_id": place, "events": 9, "active_events": active, "bits0": 0}
        for place, (day, active) in enumerate(days)
    ])  # fmt: skip
    group = behind.open_cell(done, ALL)
    lines, total, _ = behind.read_page(group, user=cast.olga)
    by_name = {line.name: line for line in lines}
    assert total == 8
    assert by_name["Customer 0"].active_days == 2, (
        "Oct 25 and Oct 31; before and after do not count, nor a day without activity"
    )
    assert by_name["Customer 1"].active_days == 0
    assert by_name["Alone Ltd"].active_days is None, "no customer, so nothing is known"


@pytest.mark.parametrize(
    "cell", ["", "x", "[]", '{"by":"industry","value":"Mars"}', '{"by":"subject; DROP","value":1}', "{" * 3000]
)
def test_only_numbers_of_the_result_can_be_opened(client, cast, done, cell):
    client.force_login(cast.ana)
    for path in ("behind/", "behind.csv"):
        assert client.get(f"/analytics/results/{done.pk}/{path}", {"cell": cell}).status_code == 404


def test_a_list_of_yesterdays_number_says_that_the_facts_have_moved_on(client, cast, done, org):
    write_facts(org, as_of=datetime(2026, 11, 2, tzinfo=UTC), subjects=[{"subject": "c1", "industry": "Retail", "mrr": 7}])
    client.force_login(cast.ana)
    assert "computed anew since" in text_of(client.get(f"/analytics/results/{done.pk}/behind/?cell={ALL}"))


def test_s_060_a_large_list_needs_a_fresh_sign_in(client, cast, done, monkeypatch):
    monkeypatch.setattr("analytics.views.behind.LARGE_EXPORT", 3)
    monkeypatch.setattr("analytics.views.behind.is_fresh", lambda request: False)
    client.force_login(cast.ana)
    assert client.get(f"/analytics/results/{done.pk}/behind.csv?cell={ALL}").status_code == 302


# --- Back office -----------------------------------------------------------------------------------------------------


def test_the_back_office_lists_analyses_and_results(client, cast, done):
    client.force_login(cast.ada)
    for path in ("analysis/", f"analysis/{done.analysis_id}/change/", "result/", f"result/{done.pk}/change/"):
        assert client.get(f"/admin/analytics/{path}").status_code == 200, path
    assert "Customers by attribute" not in text_of(client.get(f"/admin/analytics/result/{done.pk}/change/"))


def test_l_10_the_overview_asks_no_more_for_more_saved_analyses(client, cast, org, done, django_assert_max_num_queries):
    for number in range(20):
        Analysis.objects.create(org=org, kind=KIND.name, owner=cast.ana, name=f"Saved {number}", digest=f"{number}")
    client.force_login(cast.ana)
    with django_assert_max_num_queries(30):
        page = text_of(client.get("/analytics/"))
    assert "Saved 19" in page
