"""The outbox's pages: rows that a rule of the org refused, the guard's questions, edits by people, dry run and undo."""

import re

import pytest
from django.core.cache import cache
from django.urls import reverse

from integrations.models import Attribute, Customer, GuardRequest, HumanEdit, OutboxRow, OutboxTarget, Run
from integrations.sync import guard
from integrations.sync.mapping import versions
from integrations.sync.mapping.body import FieldPair
from tests.mapping.work import change, link_customers, query, run_job, save

pytestmark = pytest.mark.django_db
RULE = {
    "name": "NPS_In_Range", "object": "Account", "field": "PX_NPS_Score__c", "op": ">", "value": 100,
    "message": "The NPS must lie between -100 and 100.", "error_field": "PX_NPS_Score__c",
}  # fmt: skip
PAIRS = (
    FieldPair("push", "attributes.health", "PX_Health__c"),
    FieldPair("push", "attributes.nps", "PX_NPS_Score__c", accept_lossy=True),
    FieldPair("push", "attributes.active", "PX_Is_Active__c"),
)


@pytest.fixture
def records(connected_org, demo_org, cast) -> list[dict]:
    """Three accounts, linked with customers; one customer's score breaks a validation rule of the org."""
    cache.clear()
    demo_org.control("rules", RULE)
    for key, kind in (("health", "STRING"), ("nps", "NUMBER"), ("active", "BOOLEAN")):
        Attribute.objects.create(entity="customer", key=key, label=key.title(), type=kind)
    found = query(connected_org, "SELECT Id, Name FROM Account WHERE PX_Health__c = null ORDER BY Id LIMIT 3")
    scores = ({"health": "Good", "nps": "12"}, {"health": "Poor", "nps": "120", "active": True}, {"health": "Fair", "nps": "0"})
    link_customers(connected_org, found, attributes=list(scores))
    save(versions.open_mapping(connected_org, "customer", now=cast.olga.date_joined), cast.olga, *PAIRS)
    return found


@pytest.fixture
def waiting(records, connected_org) -> OutboxRow:
    """The row that the rule refused."""
    run_job("mapping.push", connected_org)
    return OutboxRow.objects.get()


@pytest.fixture
def olga(client, cast):
    client.force_login(cast.olga)
    return client


def read(client, name: str, *args, **query) -> str:
    return client.get(reverse(f"integrations:{name}", args=args), query).content.decode()


def nps_of(org, record: dict) -> float | None:
    return query(org, f"SELECT PX_NPS_Score__c FROM Account WHERE Id = '{record['Id']}'")[0]["PX_NPS_Score__c"]


# --- Waiting rows -------------------------------------------------------------------------------------------------------


def test_a_refused_row_stands_under_its_cause_with_the_fix(olga, waiting, records) -> None:
    page = read(olga, "outbox")
    for text in (
        "The NPS must lie between -100 and 100.",
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        "A validation rule",
        "Retry all",
    ):
        assert text in page, text
    page = read(olga, "outbox_rows")
    assert records[1]["Name"] in page
    assert records[0]["Name"] not in page
    assert "Show all waiting rows" in read(olga, "outbox_rows", code="OTHER")


def test_the_row_shows_what_it_wants_to_write_and_which_field_was_refused(olga, waiting) -> None:
    page = read(olga, "outbox_row", waiting.pk)
    assert 'name="field-PX_NPS_Score__c" value="120"' in page
    assert re.search(r"PX_NPS_Score__c <span[^>]*>refused", page)
    assert re.search(r'<select id="field-PX_Is_Active__c".*?<option value="true" selected>', page, re.S)


def test_a_corrected_value_is_accepted_at_once(olga, waiting, records, connected_org) -> None:
    values = {"field-PX_Health__c": "Poor", "field-PX_NPS_Score__c": "95", "field-PX_Is_Active__c": "true"}
    answer = olga.post(reverse("integrations:outbox_row", args=[waiting.pk]), {**values, "verb": "retry"})
    run = Run.objects.get(job="outbox.retry")
    assert answer.url == reverse("integrations:run", args=[run.pk])
    assert run.state == "success", run.sentence
    assert nps_of(connected_org, records[1]) == 95
    waiting.refresh_from_db()
    assert (waiting.state, waiting.edited) == ("edited", {"PX_NPS_Score__c": "95"})
    assert "Nothing waits" in read(olga, "outbox")


def test_a_value_that_does_not_fit_stays_typed_with_the_reason(olga, waiting) -> None:
    answer = olga.post(reverse("integrations:outbox_row", args=[waiting.pk]), {"field-PX_NPS_Score__c": "lots", "verb": "save"})
    page = answer.content.decode()
    assert answer.status_code == 400
    assert 'value="lots"' in page
    assert "PX_NPS_Score__c" in page
    waiting.refresh_from_db()
    assert waiting.edited == {}


def test_saved_values_wait_for_the_next_push(olga, waiting, records, connected_org) -> None:
    values = {"field-PX_NPS_Score__c": "90", "field-PX_Is_Active__c": "true", "verb": "save"}
    page = olga.post(reverse("integrations:outbox_row", args=[waiting.pk]), values, follow=True).content.decode()
    assert "Kept for the next try" in page
    assert "The product says: 120" in page
    assert nps_of(connected_org, records[1]) is None
    run_job("mapping.push", connected_org)
    assert nps_of(connected_org, records[1]) == 90


def test_all_rows_of_a_cause_are_tried_again_or_left_alone(olga, waiting, demo_org, records, connected_org) -> None:
    group = {"target": waiting.target_id, "code": waiting.code, "state": waiting.state}
    page = olga.post(reverse("integrations:outbox_dismiss"), group, follow=True).content.decode()
    assert "1 row is left alone" in page
    assert OutboxRow.objects.get().state == "dismissed"
    assert records[1]["Name"] in read(olga, "outbox_rows", state="dismissed")
    demo_org.control("rules", {}, method="DELETE")
    olga.post(reverse("integrations:outbox_retry"), {"row": waiting.pk})
    assert nps_of(connected_org, records[1]) == 120
    assert not OutboxRow.objects.exists()
    again = olga.post(reverse("integrations:outbox_retry"), group, follow=True).content.decode()
    assert "No row waits there any more" in again
    assert olga.post(reverse("integrations:outbox_retry"), {"row": "x"}).status_code == 404


def test_analysts_read_causes_and_change_nothing(client, cast, waiting) -> None:
    client.force_login(cast.ana)
    page = read(client, "outbox")
    assert "The NPS must lie" in page
    assert "Retry all" not in page
    assert client.get(reverse("integrations:outbox_row", args=[waiting.pk])).status_code == 403
    assert client.post(reverse("integrations:outbox_retry"), {"row": waiting.pk}).status_code == 403


def test_a_repaired_product_clears_its_row_by_itself(olga, waiting, connected_org) -> None:
    customer = Customer.objects.get(external_id="c1")
    customer.attributes = {**customer.attributes, "nps": "44"}
    customer.save()
    run_job("mapping.push", connected_org)
    assert not OutboxRow.objects.exists()


# --- Guard, human edits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "said"), [("yes", True), ("no", False)])
def test_i_11_a_mass_change_waits_for_a_person(olga, records, connected_org, now, answer, said) -> None:
    run = run_job("mapping.push", connected_org)
    facts = {"subject": "mapping.customer/Account", "effect": "clear", "rows": 80, "of_rows": 200, "digest": "d" * 64}
    assert not guard.ask(connected_org, **facts, examples=["Acme: PX_Health__c"], run=run, now=now)
    page = read(olga, "outbox")
    assert "80 of 200 rows would be cleared" in page
    assert "Acme: PX_Health__c" in page
    asked = GuardRequest.objects.get()
    olga.post(reverse("integrations:guard_answer", args=[asked.pk]), {"answer": answer})
    asked.refresh_from_db()
    assert asked.answer is said
    assert "would be cleared" not in read(olga, "outbox")
    assert guard.ask(connected_org, **facts, now=now) is said


def test_r_154_an_edit_by_a_person_is_shown_and_decided(olga, records, connected_org) -> None:
    run_job("mapping.push", connected_org)
    change(connected_org, "Account", records[0]["Id"], PX_Health__c="Rosy")
    target = OutboxTarget.objects.get()
    olga.post(reverse("integrations:outbox_verify", args=[target.pk]))
    edit = HumanEdit.objects.get()
    page = read(olga, "human_edits")
    assert "Written over by ours" in page, "a mapping puts its own values right (PX-D14)"
    assert (
        query(connected_org, f"SELECT PX_Health__c FROM Account WHERE Id = '{records[0]['Id']}'")[0]["PX_Health__c"] == "Good"
    )
    HumanEdit.objects.update(decision="open")
    assert "1 value of ours was changed" in read(olga, "outbox")
    page = read(olga, "human_edits")
    for text in ("Rosy", "Good", "PX_Health__c", records[0]["Id"]):
        assert text in page, text
    assert (
        "Decided"
        in olga.post(reverse("integrations:human_edit", args=[edit.pk]), {"decision": "theirs"}, follow=True).content.decode()
    )
    edit.refresh_from_db()
    assert edit.decision == "theirs"
    assert "No value waits for a decision" in read(olga, "human_edits")
    assert (
        "Say ours or theirs"
        in olga.post(reverse("integrations:human_edit", args=[edit.pk]), {"decision": "both"}, follow=True).content.decode()
    )


# --- Dry run and undo on the run's page -----------------------------------------------------------------------------------


def test_the_dry_run_tells_old_and_new_and_writes_nothing(olga, records, connected_org, demo_org) -> None:
    demo_org.control("writes", method="DELETE")
    answer = olga.post(reverse("integrations:mapping_dry_run", args=[connected_org.pk, "customer"]))
    run = Run.objects.get(job="outbox.dry_run")
    assert answer.url == reverse("integrations:run", args=[run.pk])
    page = read(olga, "run", run.pk)
    for text in ("What a push would do now", "3 would change", "PX_Health__c", "Good", "Run for real", "Nothing was written"):
        assert text in page, text
    assert demo_org.control("writes")["rows"] == 0
    assert not OutboxRow.objects.exists()
    pushed = run_job("mapping.push", connected_org)
    counts = {each.name: each.written + each.failed for each in pushed.objects_touched.all()}
    assert counts["Account"] == 3, "the dry run counted what the real run tried"


def test_a_run_is_taken_back_from_its_page(olga, records, connected_org) -> None:
    run = run_job("mapping.push", connected_org)
    page = read(olga, "run", run.pk)
    assert "Undo this run" in page
    assert "Written to Salesforce" in page
    answer = olga.post(reverse("integrations:run_undo", args=[run.pk]))
    done_by = Run.objects.get(job="outbox.undo")
    assert answer.url == reverse("integrations:run", args=[done_by.pk])
    assert done_by.state == "success", done_by.sentence
    assert nps_of(connected_org, records[0]) is None
    page = read(olga, "run", run.pk)
    assert "Undo this run" not in page
    assert "taken back already" in page
    refused = olga.post(reverse("integrations:run_undo", args=[run.pk]), follow=True).content.decode()
    assert "taken back already" in refused


def test_a_run_that_wrote_nothing_offers_no_undo(olga, records, connected_org) -> None:
    run = run_job("mirror.read", connected_org)
    page = read(olga, "run", run.pk)
    assert "Undo this run" not in page
    assert "wrote nothing" in olga.post(reverse("integrations:run_undo", args=[run.pk]), follow=True).content.decode()
