"""Values that do not fit their field: nothing of the row is sent, it waits in the outbox with the cure, and leaves by itself."""

import pytest
from django.utils import timezone

from integrations.models import Attribute, Customer, OutboxRow, RecordLink, Run
from integrations.sync.mapping.body import FieldPair
from integrations.sync.outbox import preview, rows
from tests.mapping.work import change, codes_of, counts_of, link_customers, query, run_job, save

HEALTH = FieldPair("push", "attributes.health", "PX_Health__c")
CUT = FieldPair("push", "attributes.health", "PX_Health__c", cut=True)
PLAN = FieldPair("push", "attributes.plan", "PX_Plan__c")
USERS = FieldPair("push", "attributes.users", "PX_Active_Users_30d__c", accept_lossy=True)
LONG = "x" * 41


@pytest.fixture
def linked(connected_org, account_mapping, cast):
    """Three accounts linked with customers: one whose values fit, one with two that do not, one with one that does not."""
    for key, kind in (("health", "STRING"), ("plan", "STRING"), ("users", "NUMBER")):
        Attribute.objects.create(entity="customer", key=key, label=key.title(), type=kind)
    found = query(connected_org, "SELECT Id, Name FROM Account WHERE PX_Health__c = null ORDER BY Id LIMIT 3")
    values = [{"health": "good", "plan": "Team"}, {"health": LONG, "plan": "Platinum", "users": "7"}, {"users": "12abc"}]
    link_customers(connected_org, found, attributes=values)
    save(account_mapping, cast.olga, HEALTH, PLAN, USERS)
    return found


def set_values(number: int, **values: str) -> None:
    Customer.objects.filter(external_id=f"c{number}").update(attributes=values)


def in_salesforce(org, record) -> dict:
    fields = "PX_Health__c, PX_Plan__c, PX_Active_Users_30d__c"
    return query(org, f"SELECT {fields} FROM Account WHERE Id = '{record['Id']}'")[0]


def test_r_104_r_105_r_108_a_row_that_does_not_fit_waits_with_its_cure(linked, connected_org):
    run = run_job("mapping.push", connected_org)
    assert run.state == Run.State.PARTIAL
    assert counts_of(run, "Account") == {"written": 1, "failed": 2}
    row = OutboxRow.objects.get(key=linked[1]["Id"])
    assert (row.state, row.code, row.label) == ("unfit", "too_long", linked[1]["Name"])
    assert row.fields == ["PX_Health__c", "PX_Plan__c"]
    assert row.values == {"PX_Active_Users_30d__c": "7"}, "what fits is shown, and not sent"
    assert in_salesforce(connected_org, linked[1])["PX_Active_Users_30d__c"] is None
    assert OutboxRow.objects.get(key=linked[2]["Id"]).code == "not_a_number"
    groups = {group.code: group for group in rows.groups(connected_org)}
    assert set(groups) == {"too_long", "not_a_number"}
    assert all("page Mappings" in group.fix for group in groups.values())
    assert groups["too_long"].page == f"/mappings/{connected_org.pk}/customer/"


def test_r_105_it_leaves_when_the_mapping_makes_it_fit(linked, connected_org, account_mapping, cast):
    run_job("mapping.push", connected_org)
    translated = FieldPair("push", "attributes.plan", "PX_Plan__c", values={"Platinum": "Enterprise"})
    save(account_mapping, cast.olga, CUT, translated, USERS)
    run = run_job("mapping.push", connected_org)
    assert counts_of(run, "Account") == {"unchanged": 1, "written": 1, "failed": 1}
    held = in_salesforce(connected_org, linked[1])
    assert (held["PX_Health__c"], held["PX_Plan__c"], held["PX_Active_Users_30d__c"]) == ("x" * 40, "Enterprise", 7)
    assert list(OutboxRow.objects.values_list("key", flat=True)) == [linked[2]["Id"]]


def test_r_104_it_leaves_when_the_value_changes_or_needs_not_be_sent_any_more(linked, connected_org):
    run_job("mapping.push", connected_org)
    set_values(1, users="8")
    RecordLink.objects.filter(customer__external_id="c2").delete()
    run = run_job("mapping.push", connected_org)
    assert run.state == Run.State.SUCCESS
    assert counts_of(run, "Account") == {"unchanged": 1, "written": 1}
    assert not OutboxRow.objects.exists()
    set_values(1, users="8", health=LONG)
    run_job("mapping.push", connected_org)
    assert OutboxRow.objects.get().code == "too_long"
    set_values(1, users="8")
    run = run_job("mapping.push", connected_org)
    assert (counts_of(run, "Account"), OutboxRow.objects.count()) == ({"unchanged": 2}, 0)


def test_another_problem_is_told_in_the_same_row_and_starts_anew(linked, connected_org):
    for _ in range(2):
        run_job("mapping.push", connected_org)
    assert OutboxRow.objects.get(key=linked[2]["Id"]).tries == 2
    set_values(2, plan="Nonsense")
    run_job("mapping.push", connected_org)
    row = OutboxRow.objects.get(key=linked[2]["Id"])
    assert (row.code, row.tries) == ("not_in_picklist", 1)


def test_a_dry_run_counts_rows_that_do_not_fit_as_the_next_run_does(linked, connected_org, account_mapping, cast):
    RecordLink.objects.filter(customer__external_id="c0").update(state="suspended", reason="Deleted in Salesforce.")
    dry = preview.dry_run(connected_org, "mapping.customer", now=timezone.now()).run
    assert not OutboxRow.objects.exists(), "a dry run changes nothing"
    dry.refresh_from_db()
    run = run_job("mapping.push", connected_org)
    told = preview.read_dry_run(dry).counts
    assert told["Account"] == {"written": 0, "unchanged": 0, "skipped": 0, "failed": 2, "not_attempted": 0}
    assert told == {each.name: {key: getattr(each, key) for key in preview.COUNTS} for each in run.objects_touched.all()}
    assert codes_of(dry, "Account") == codes_of(run, "Account")
    assert codes_of(dry, "customers") == codes_of(run, "customers") == {"c0": "suspended"}
    assert dry.state == run.state == Run.State.PARTIAL
    dry = preview.dry_run(connected_org, "mapping.customer", now=timezone.now()).run
    assert preview.read_dry_run(dry).counts == told, "also with rows that wait"


def test_other_values_of_a_person_are_sent_whole_and_count_until_the_product_changes(linked, connected_org, cast):
    run_job("mapping.push", connected_org)
    row = OutboxRow.objects.get(key=linked[1]["Id"])
    rows.edit_row(row, {"PX_Health__c": "short"}, user=cast.olga, now=timezone.now())
    rows.retry_row(row, user=cast.olga, now=timezone.now())
    assert in_salesforce(connected_org, linked[1])["PX_Active_Users_30d__c"] is None, "the plan does not fit yet: nothing goes"
    row.refresh_from_db()
    rows.edit_row(row, {"PX_Health__c": "short", "PX_Plan__c": "Team"}, user=cast.olga, now=timezone.now())
    rows.retry_row(row, user=cast.olga, now=timezone.now())
    held = in_salesforce(connected_org, linked[1])
    assert (held["PX_Health__c"], held["PX_Plan__c"], held["PX_Active_Users_30d__c"]) == ("short", "Team", 7)
    for _ in range(2):
        run = run_job("mapping.push", connected_org)
        assert counts_of(run, "Account") == {"unchanged": 2, "failed": 1}
    assert in_salesforce(connected_org, linked[1])["PX_Health__c"] == "short"
    set_values(1, health=LONG + "y", plan="Platinum", users="9")
    run = run_job("mapping.push", connected_org)
    row.refresh_from_db()
    assert (row.state, row.values, row.edited) == ("unfit", {"PX_Active_Users_30d__c": "9"}, {})


def test_an_edit_goes_with_the_next_push_too_and_a_refusal_of_it_is_told(linked, connected_org, cast, demo_org):
    run_job("mapping.push", connected_org)
    row = OutboxRow.objects.get(key=linked[2]["Id"])
    rows.edit_row(row, {"PX_Active_Users_30d__c": "12"}, user=cast.olga, now=timezone.now())
    demo_org.control("rules", {"name": "no twelve", "object": "Account", "field": "PX_Active_Users_30d__c", "op": "=",
                               "value": 12, "message": "Twelve is unlucky"})  # fmt: skip
    run_job("mapping.push", connected_org)
    row.refresh_from_db()
    assert (row.state, row.message, row.edited) == ("unfit", "Twelve is unlucky", {"PX_Active_Users_30d__c": "12"})
    rows.edit_row(row, {"PX_Active_Users_30d__c": "13"}, user=cast.olga, now=timezone.now())
    run = run_job("mapping.push", connected_org)
    assert codes_of(run, "Account").keys() == {linked[1]["Id"]}
    assert in_salesforce(connected_org, linked[2])["PX_Active_Users_30d__c"] == 13


def test_a_retry_of_rows_that_were_mended_at_the_source_pushes_anew(linked, connected_org, account_mapping, cast):
    run_job("mapping.push", connected_org)
    set_values(2, users="12")
    run = rows.retry_row(OutboxRow.objects.get(key=linked[2]["Id"]), user=cast.olga, now=timezone.now())
    assert (run.job, run.requested_by) == ("mapping.push", cast.olga)
    assert in_salesforce(connected_org, linked[2])["PX_Active_Users_30d__c"] == 12
    row = OutboxRow.objects.get()
    assert (row.code, row.asked_at) == ("too_long", None)
    save(account_mapping, cast.olga, CUT, USERS)
    run = rows.retry_group(row.target, "too_long", state="unfit", user=cast.olga, now=timezone.now())
    assert run.job == "mapping.push"
    assert not OutboxRow.objects.exists()


def test_a_row_that_is_left_alone_stays_so_until_it_changes(linked, connected_org, cast):
    run_job("mapping.push", connected_org)
    rows.dismiss_row(OutboxRow.objects.get(key=linked[2]["Id"]), user=cast.olga, now=timezone.now())
    run = run_job("mapping.push", connected_org)
    assert counts_of(run, "Account") == {"unchanged": 1, "skipped": 1, "failed": 1}
    assert codes_of(run, "Account")[linked[2]["Id"]] == "DISMISSED"
    set_values(2, users="13abc")
    run_job("mapping.push", connected_org)
    assert OutboxRow.objects.get(key=linked[2]["Id"]).state == "unfit"


def test_what_salesforce_holds_stays_while_a_row_does_not_fit(linked, connected_org):
    run_job("mapping.push", connected_org)
    change(connected_org, "Account", linked[0]["Id"], PX_Health__c="good")
    set_values(0, health=LONG, plan="Free")
    run_job("mapping.push", connected_org)
    held = in_salesforce(connected_org, linked[0])
    assert (held["PX_Health__c"], held["PX_Plan__c"]) == ("good", "Team")


def test_the_workbench_shows_the_cure_and_takes_other_values(linked, connected_org, cast, client):
    run_job("mapping.push", connected_org)
    row = OutboxRow.objects.get(key=linked[2]["Id"])
    client.force_login(cast.olga)
    overview = client.get("/outbox/").content.decode()
    assert f'href="/mappings/{connected_org.pk}/customer/"' in overview
    page = client.get(f"/outbox/rows/{row.pk}/").content.decode()
    assert 'name="field-PX_Active_Users_30d__c"' in page
    assert f'href="/mappings/{connected_org.pk}/customer/"' in page
    client.post(f"/outbox/rows/{row.pk}/", {"field-PX_Active_Users_30d__c": "12", "verb": "retry"})
    assert in_salesforce(connected_org, linked[2])["PX_Active_Users_30d__c"] == 12
