"""Billing objects in the demo org after a push (MT-11..MT-22, MT-D1..MT-D14)."""

from decimal import Decimal

import pytest

from billing import linking
from billing.models import AccountLink
from integrations.models import OutboxRow, RowOutcome
from tests.billing.conftest import PACKAGE

pytestmark = pytest.mark.django_db


def test_mt_15_to_22_all_eight_objects_arrive_with_their_parents(acme):
    run = acme.push()
    assert (run.state, run.sentence) == ("success", run.sentence)
    assert acme.rows("Name__c, Description__c, Metronome_Plan_ID__c", "Metronome_Plan__c", "Metronome_Plan_ID__c") == [
        {"Name__c": "Pro", "Description__c": "All of it", "Metronome_Plan_ID__c": "plan-pro"}
    ]
    assert acme.rows("Name", "Metronome_Billable_Metric__c", "Metronome_Billable_Metric_ID__c") == [{"Name": "API calls"}]
    invoice = acme.salesforce.query_all(
        f"SELECT Name, {PACKAGE}Start__c, {PACKAGE}End__c, {PACKAGE}Status__c, {PACKAGE}Total__c, {PACKAGE}Currency__c,"
        f" {PACKAGE}Customer__r.{PACKAGE}Name__c, {PACKAGE}Metronome_Plan__r.{PACKAGE}Name__c FROM {PACKAGE}Metronome_Invoice__c"
    )
    assert len(invoice) == 1
    assert invoice[0]["Name"] == "Acme - 2026-10-01"
    assert (invoice[0]["NOME__Start__c"], invoice[0]["NOME__End__c"]) == ("2026-10-01", "2026-11-01")
    assert (invoice[0]["NOME__Status__c"], invoice[0]["NOME__Total__c"]) == ("FINALIZED", Decimal("10.01"))
    assert invoice[0]["NOME__Customer__r"]["NOME__Name__c"] == "Acme"
    assert invoice[0]["NOME__Metronome_Plan__r"]["NOME__Name__c"] == "Pro"
    lines = acme.rows("Quantity__c, Total__c, Name__c", "Metronome_Invoice_Line_Item__c", "Metronome_Invoice_Line_Item_ID__c")
    assert lines == [
        {"Quantity__c": 0, "Total__c": Decimal("4.5"), "Name__c": "API calls"},
        {"Quantity__c": 3, "Total__c": Decimal("5.51"), "Name__c": "Seats"},
    ]  # fmt: skip
    plans = acme.rows("Plan_Name__c, Starting_On__c", "Metronome_Customer_Plan__c", "Metronome_Customer_Plan_ID__c")
    assert plans[0]["Plan_Name__c"] == "Pro"
    fields = "Name, Balance_Including_Pending__c, Paid_Amount__c"
    grants = acme.rows(fields, "Metronome_Credit_Grant__c", "Metronome_Credit_Grant_ID__c")
    assert grants == [{"Name": "Welcome", "Balance_Including_Pending__c": Decimal("12.35"), "Paid_Amount__c": 50}]
    aliases = acme.rows("Ingest_Alias__c", "Metronome_Ingest_Alias__c", "Customer_Ingest_Alias_ID__c")
    assert aliases == [{"Ingest_Alias__c": "acme.example"}]


def test_mt_d12_a_second_push_writes_nothing(acme):
    acme.push()
    assert acme.writes() == 9
    again = acme.push()
    assert again.state == "success"
    assert acme.writes() == 0


def test_mt_d4_rounded_values_carry_a_notice(acme):
    run = acme.push()
    told = RowOutcome.objects.filter(run_object__run=run, code="rounded")
    assert {each.message for each in told} >= {"2 values were rounded to two decimals."}


def test_mt_d1_a_customer_with_several_accounts_has_a_row_for_each(acme):
    first, second = acme.accounts(2)
    customer = acme.customer("acme")
    for account in (first, second):
        linking.link_account(customer, org=acme.org, account_id=account, actor=None, now=acme.org.created_at)
    acme.push()
    found = acme.rows("Metronome_Customer_ID__c, Account__c, Name__c", "Metronome_Customer__c", "Metronome_Customer_ID__c")
    assert found == [
        {"Metronome_Customer_ID__c": "acme", "Account__c": first, "Name__c": "Acme"},
        {"Metronome_Customer_ID__c": "acme~01", "Account__c": second, "Name__c": "Acme"},
    ]


def test_mt_13_the_sample_query_finds_the_customer_from_each_account(acme):
    customer = acme.customer("acme")
    accounts = acme.accounts(2)
    for account in accounts:
        linking.link_account(customer, org=acme.org, account_id=account, actor=None, now=acme.org.created_at)
    acme.push()
    for account in accounts:
        found = acme.salesforce.query_all(
            "SELECT NOME__Metronome_Customer_ID__c, NOME__Name__c, NOME__Account__r.Name FROM NOME__Metronome_Customer__c "
            f"WHERE NOME__Account__r.Id = '{account}'"
        )
        assert [row["NOME__Name__c"] for row in found] == ["Acme"]


def test_mt_d3_a_removed_link_clears_the_lookup_or_deletes_the_further_row(acme):
    customer = acme.customer("acme")
    now = acme.org.created_at
    links = [linking.link_account(customer, org=acme.org, account_id=each, actor=None, now=now) for each in acme.accounts(2)]
    acme.push()
    for link in links:
        linking.unlink_account(link, actor=None, now=now)
    acme.push()
    found = acme.rows("Metronome_Customer_ID__c, Account__c", "Metronome_Customer__c", "Metronome_Customer_ID__c")
    assert found == [{"Metronome_Customer_ID__c": "acme", "Account__c": None}]


def test_mt_11_linked_scope_leaves_the_others_out(acme):
    acme.save("customers", {"id": "orphan", "name": "Orphan"})
    acme.change(scope="linked")
    account = acme.accounts(1)[0]
    linking.link_account(acme.customer("acme"), org=acme.org, account_id=account, actor=None, now=acme.org.created_at)
    acme.push()
    found = acme.rows("Metronome_Customer_ID__c", "Metronome_Customer__c", "Metronome_Customer_ID__c")
    assert [row["Metronome_Customer_ID__c"] for row in found] == ["acme"]


def test_mt_d10_line_items_that_left_the_draft_are_deleted(acme):
    acme.push()
    assert acme.save("line-items", {"id": "l-1", "deleted": True}) == ["deleted"]
    acme.push()
    found = acme.rows("Name__c", "Metronome_Invoice_Line_Item__c", "Metronome_Invoice_Line_Item_ID__c")
    assert [row["Name__c"] for row in found] == ["Seats"]


def test_mt_d6_an_unknown_status_is_a_row_error_and_nothing_is_guessed(acme):
    acme.save("invoices", {"id": "inv-2", "customer_id": "acme", "status": "PARTLY_PAID", "total": 1})
    run = acme.push()
    assert run.state == "partial"
    waiting = OutboxRow.objects.get(key="inv-2")
    assert "PARTLY_PAID" in waiting.message
    assert len(acme.rows("Name", "Metronome_Invoice__c", "Metronome_Invoice_ID__c")) == 1


def test_mt_d15_nothing_is_written_into_an_org_without_the_objects(connected_org, demo_org):
    from django.utils import timezone

    from billing import push
    from billing.saving import save_rows
    from integrations.sync import runs

    save_rows("plans", [{"id": "p", "name": "Pro"}], source="api", now=timezone.now())
    run = runs.request_run(push.JOB, org=connected_org, now=timezone.now())
    run.refresh_from_db()
    assert (run.state, run.reason_code) == ("failed", "not_installed")
    assert demo_org.control("writes")["rows"] == 0
    assert AccountLink.objects.count() == 0


def test_mt_d2_what_left_the_scope_stays_is_listed_and_goes_only_by_order(acme):
    from django.utils import timezone

    from billing import leftovers, push
    from integrations.sync import runs

    acme.save("customers", {"id": "other", "name": "Other"})
    account = acme.accounts(1)[0]
    linking.link_account(acme.customer("other"), org=acme.org, account_id=account, actor=None, now=acme.org.created_at)
    acme.push()
    acme.change(scope="linked")
    acme.push()
    assert len(acme.rows("Name__c", "Metronome_Customer__c", "Name__c")) == 2
    found = {each.object.key: each.examples for each in leftovers.find_leftovers(acme.org, now=timezone.now())}
    assert found == {
        "line-items": ["l-1", "l-2"], "invoices": ["inv-1"], "credit-grants": ["g-1"], "customer-plans": ["cp-1"],
        "ingest-aliases": ["a-1"], "customers": ["acme"],
    }  # fmt: skip
    run = runs.request_run(push.REMOVE_JOB, org=acme.org, now=timezone.now())
    run.refresh_from_db()
    assert run.state == "success", run.sentence
    assert acme.rows("Name__c", "Metronome_Customer__c", "Name__c") == [{"Name__c": "Other"}]
    assert acme.rows("Name", "Metronome_Invoice__c", "Metronome_Invoice_ID__c") == []
    assert leftovers.find_leftovers(acme.org, now=timezone.now()) == []


def test_mt_d3_a_merged_account_is_followed_and_a_deleted_one_cleared(acme):
    from django.utils import timezone

    from integrations.models import Run

    first, second, third = acme.accounts(3)
    now = timezone.now()
    customer = acme.customer("acme")
    link = linking.link_account(customer, org=acme.org, account_id=first, actor=None, now=now)
    run = Run.objects.create(job="mirror.read", org=acme.org, domain="mirror", queued_at=now)
    for _ in range(2):  # the mirror may tell it twice
        linking.on_merged(acme.org, "Account", [(first, second)], run=run, now=now)
    link.refresh_from_db()
    assert (link.account_id, link.is_primary, link.state) == (second, True, "active")
    linking.link_account(customer, org=acme.org, account_id=third, actor=None, now=now)
    linking.on_merged(acme.org, "Account", [(second, third)], run=run, now=now)
    active = AccountLink.objects.get(state="active")
    assert (active.account_id, active.is_primary) == (third, True)
    linking.on_deleted(acme.org, "Account", [third], run=run, now=now)
    acme.push()
    found = acme.rows("Metronome_Customer_ID__c, Account__c", "Metronome_Customer__c", "Metronome_Customer_ID__c")
    assert found == [{"Metronome_Customer_ID__c": "acme", "Account__c": None}]
    linking.on_revived(acme.org, "Account", [third], run=run, now=now)
    active.refresh_from_db()
    assert (active.state, active.is_primary) == ("active", True)


def test_mt_d13_ids_that_differ_only_in_case_are_both_reported_before_sending(acme):
    acme.save("customers", {"id": "Twin", "name": "One"}, {"id": "TWIN", "name": "Two"})
    run = acme.push()
    assert run.state == "partial"
    assert set(OutboxRow.objects.values_list("key", flat=True)) == {"Twin", "TWIN"}
    assert [row["Name__c"] for row in acme.rows("Name__c", "Metronome_Customer__c", "Name__c")] == ["Acme"]


def test_r_137_a_key_that_is_on_several_records_fails_its_row_and_names_them(acme):
    for _ in range(2):
        acme.demo.control("create", {"object": "NOME__Metronome_Ingest_Alias__c",
                                     "fields": {"NOME__Customer_Ingest_Alias_ID__c": "a-1"}})  # fmt: skip
    there = [each["Id"] for each in acme.salesforce.query_all("SELECT Id FROM NOME__Metronome_Ingest_Alias__c ORDER BY Id")]
    run = acme.push()
    assert run.state == "partial"
    waiting = OutboxRow.objects.get(key="a-1")
    assert waiting.state == "conflict"
    assert all(each in waiting.message for each in there), waiting.message
    assert acme.rows("Ingest_Alias__c", "Metronome_Ingest_Alias__c", "Ingest_Alias__c") == [{"Ingest_Alias__c": None}] * 2


def test_mt_d10_a_void_reaches_salesforce(acme):
    from django.utils import timezone

    from billing.models import Invoice
    from billing.rating import void_invoice

    acme.push()
    void_invoice(Invoice.objects.get(), actor=None, now=timezone.now())
    acme.push()
    assert acme.rows("Status__c", "Metronome_Invoice__c", "Metronome_Invoice_ID__c") == [{"Status__c": "VOID"}]


def test_mt_d12_a_run_that_is_cut_off_goes_on_where_it_was(acme, monkeypatch):
    from billing import pushing
    from integrations.sync import runs

    real, calls = pushing.push_object, []

    def cut(recorder, settings, key, *, now):
        calls.append(key)
        if key == "invoices" and calls.count("invoices") == 1:
            recorder.wait(until=now, sentence="cut off")
        return real(recorder, settings, key, now=now)

    monkeypatch.setattr(pushing, "push_object", cut)
    run = acme.push()
    type(run).objects.filter(pk=run.pk).update(not_before=None)
    runs.perform_run(run.pk)
    run.refresh_from_db()
    assert run.state == "success"
    assert calls.count("customers") == 1
    assert calls.count("invoices") == 2
    assert acme.writes() == 9


def test_mt_d8_the_plan_name_is_a_formula_that_follows_the_plan(acme):
    acme.push()
    acme.save("plans", {"id": "plan-pro", "name": "Professional"})
    acme.push()
    found = acme.rows("Plan_Name__c", "Metronome_Customer_Plan__c", "Metronome_Customer_Plan_ID__c")
    assert found == [{"Plan_Name__c": "Professional"}]


def test_mt_10_each_environment_is_a_connection_of_its_own(acme, demo_org):
    from django.utils import timezone

    from billing.kinds import outbox_kinds
    from billing.preflight import settings_of
    from billing.records import in_scope
    from integrations.models import SalesforceOrg

    sandbox = SalesforceOrg.objects.create(name="Sandbox", login_url="https://test.salesforce.com", environment="sandbox")
    account = acme.accounts(1)[0]
    linking.link_account(acme.customer("acme"), org=acme.org, account_id=account, actor=None, now=timezone.now())
    acme.change(scope="linked")
    assert in_scope(acme.org, settings_of(acme.org), "customers").count() == 1
    assert in_scope(sandbox, settings_of(sandbox), "customers").count() == 0
    assert all(kind.targets is not None and kind.targets(sandbox) == [] for kind in outbox_kinds())


def test_mt_d11_a_missed_slot_makes_one_push_and_two_never_overlap(acme, settings, monkeypatch):
    from django.utils import timezone
    from django_q.conf import Conf

    from billing import push
    from integrations.models import Run
    from integrations.sync import runs
    from project.timetable import timetable

    slot = next(each for each in timetable() if each.job == push.JOB)
    assert slot.cron == "0 7 * * *"
    monkeypatch.setattr(Conf, "SYNC", False)
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "sync": False}
    asked = [runs.start_slot(push.JOB, now=timezone.now()) for _ in range(3)]
    assert len({run.pk for each in asked for run in each}) == 1
    assert Run.objects.filter(job=push.JOB).count() == 1
