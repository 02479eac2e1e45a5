"""Faults between billing and Salesforce: each row ends in one class, nothing is doubled, the next push puts it right."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from billing import linking, preflight, push
from billing.models import Invoice, LineItem
from billing.saving import save_rows
from integrations.models import OutboxRow, RowOutcome, Run, RunObject
from integrations.sync import runs

pytestmark = pytest.mark.django_db
LINES, LINE_KEY = "Metronome_Invoice_Line_Item__c", "Metronome_Invoice_Line_Item_ID__c"
INVOICES, INVOICE_KEY = "Metronome_Invoice__c", "Metronome_Invoice_ID__c"


def lines(office) -> list[str]:
    return [row[LINE_KEY] for row in office.rows(LINE_KEY, LINES, LINE_KEY)]


def conserved(run: Run) -> None:
    """I-01: every row is in exactly one class."""
    for each in RunObject.objects.filter(run=run):
        if each.read:
            assert each.read == each.written + each.unchanged + each.skipped + each.failed + each.not_attempted, each.name


@pytest.mark.parametrize(
    "order", [("VOID", "FINALIZED", "DRAFT"), ("DRAFT", "VOID", "FINALIZED"), ("FINALIZED", "DRAFT", "VOID")]
)
@pytest.mark.parametrize("stamps", ["own", "same", "none"])
def test_r_160_the_latest_version_of_an_invoice_stays_whatever_the_order(order, stamps):
    days = {"DRAFT": 1, "FINALIZED": 2, "VOID": 3}
    for status in order:
        row = {"id": "i", "customer_id": "c", "status": status, "total": days[status]}
        if stamps != "none":
            row["updated_at"] = f"2026-10-{days[status] if stamps == 'own' else 9:02}T00:00:00Z"
        save_rows("invoices", [row], source="api", now=timezone.now())
    assert (Invoice.objects.get().status, Invoice.objects.get().total) == ("VOID", Decimal(3))


def test_r_160_a_version_that_says_so_may_go_back():
    """A billing system that reopens an invoice sends a later version."""
    for status, day in (("FINALIZED", 1), ("DRAFT", 2)):
        row = {"id": "i", "customer_id": "c", "status": status, "updated_at": f"2026-10-0{day}T00:00:00Z"}
        save_rows("invoices", [row], source="api", now=timezone.now())
    assert Invoice.objects.get().status == "DRAFT"


@pytest.mark.parametrize("status", [400, 403, 500])
def test_r_148_i_10_an_object_that_fails_whole_leaves_the_others_alone(acme, status):
    """Credit grants are refused in every call; invoices and lines go on, and the next push brings what is missing."""
    base = {"customer_id": "acme", "name": "G", "credit_type": "USD", "effective_at": "2020-01-01", "initial_balance": 10}
    acme.save("credit-grants", {"id": "g-2", **base, "balance": 1})
    body = [{"errorCode": "INSUFFICIENT_ACCESS", "message": "Nobody writes credit grants."}]
    acme.demo.fault(path="Metronome_Credit_Grant__c", method="PATCH", times=99, status=status, body=body)
    run = acme.push()
    conserved(run)
    assert run.state == "partial", run.sentence
    counts = {each.name: (each.written, each.failed + each.not_attempted) for each in RunObject.objects.filter(run=run)}
    grants = [name for name in counts if "Credit" in name or "credit" in name]
    assert counts.pop(grants[0])[0] == 0
    assert all(left == 0 for _, left in counts.values()), counts
    assert lines(acme) == ["l-1", "l-2"]
    acme.demo.no_faults()
    assert acme.push().state == "success"
    ids = acme.rows("Metronome_Credit_Grant_ID__c", "Metronome_Credit_Grant__c", "Metronome_Credit_Grant_ID__c")
    assert "g-2" in [row["Metronome_Credit_Grant_ID__c"] for row in ids]


def test_r_163_lines_that_do_not_add_up_go_as_given_and_are_flagged(acme, client, cast):
    acme.save("invoices", {"id": "inv-1", "total": "99.99"})
    run = acme.push()
    assert run.state == "success"
    assert acme.rows("Total__c", INVOICES, INVOICE_KEY) == [{"Total__c": Decimal("99.99")}]
    assert [row["Total__c"] for row in acme.rows("Total__c", LINES, LINE_KEY)] == [Decimal("4.5"), Decimal("5.51")]
    client.force_login(cast.jane)
    assert "The lines add up to 10.0" in client.get(f"/billing/invoices/{Invoice.objects.get().pk}/").content.decode()


def test_r_165_zero_negative_and_overdrawn_amounts_keep_their_sign(acme):
    acme.save("invoices", *({"id": f"n{n}", "customer_id": "acme", "status": "FINALIZED", "total": total}
                            for n, total in enumerate(("0", "-0.0", "-12.345", "-0.004"))))  # fmt: skip
    base = {"customer_id": "acme", "name": "Old", "credit_type": "USD", "effective_at": "2020-01-01", "initial_balance": 10}
    acme.save(
        "credit-grants", {"id": "g-2", **base, "expires_at": "2021-01-01", "balance": 0}, {"id": "g-3", **base, "balance": "-5"}
    )
    assert acme.push().state == "success"
    found = acme.rows("Metronome_Invoice_ID__c, Total__c", INVOICES, INVOICE_KEY)
    assert {row[INVOICE_KEY]: row["Total__c"] for row in found if row[INVOICE_KEY] != "inv-1"} == {
        "n0": 0, "n1": 0, "n2": Decimal("-12.35"), "n3": 0,
    }  # fmt: skip
    grants = acme.rows("Balance_Including_Pending__c", "Metronome_Credit_Grant__c", "Metronome_Credit_Grant_ID__c")
    assert [row["Balance_Including_Pending__c"] for row in grants] == [Decimal("12.35"), 0, -5]


def test_r_167_a_narrower_scope_deletes_nothing_and_lists_what_left(acme, client, cast):
    acme.push()
    acme.writes()
    acme.change(scope="linked")
    assert acme.push().state == "success"
    assert acme.writes() == 0
    assert lines(acme) == ["l-1", "l-2"]
    client.force_login(cast.olga)
    assert "inv-1" in client.get(f"/billing/connections/{acme.org.pk}/leftovers/").content.decode()


def test_r_168_many_lines_of_one_invoice_complete_in_spite_of_locks_and_are_paged(acme, client, cast):
    acme.save("line-items", *({"id": f"m-{n:04}", "invoice_id": "inv-1", "name": f"Line {n}", "total": 1} for n in range(600)))
    acme.demo.settings(lock_percent=5)
    run = acme.push()
    conserved(run)
    acme.demo.settings(lock_percent=0)
    if run.state != "success":
        assert acme.push().state == "success"
    assert len(lines(acme)) == 602
    assert not OutboxRow.objects.exists()
    client.force_login(cast.jane)
    path = f"/billing/invoices/{Invoice.objects.get().pk}/"
    first, last = client.get(path).content.decode(), client.get(f"{path}?page=4").content.decode()
    assert first.count('<td class="lead') == 200
    assert last.count('<td class="lead') == 2
    assert "602" in first


def test_r_169_an_external_id_that_is_not_unique_is_named_and_nothing_is_written(acme):
    acme.demo.control(
        "fields", {"object": "NOME__Metronome_Plan__c", "field": {"name": "NOME__Metronome_Plan_ID__c", "unique": False}}
    )
    acme.demo.control("fields", {"object": "NOME__Metronome_Invoice__c", "field": {"name": "NOME__Total__c"}, "remove": True})
    run = acme.push()
    assert (run.state, run.reason_code) == ("failed", "not_installed")
    found = {(each.field, each.code) for each in preflight.read_lacks(preflight.settings_of(acme.org))}
    assert found == {("NOME__Metronome_Plan_ID__c", "not_unique"), ("NOME__Total__c", "no_field")}
    assert acme.writes() == 0


def test_r_171_the_same_batch_five_times_has_one_effect(acme):
    rows = [{"id": "x", "invoice_id": "inv-1", "name": "X", "total": 1, "updated_at": "2026-10-01T00:00:00Z"}] * 2
    got = [[each.status for each in save_rows("line-items", rows, source="api", now=timezone.now()).rows] for _ in range(5)]
    assert got == [["created", "unchanged"], *[["unchanged", "unchanged"]] * 4]
    assert LineItem.objects.filter(key="x").count() == 1
    acme.push()
    assert lines(acme).count("x") == 1


def test_r_132_locked_rows_are_tried_again_in_the_same_run(acme):
    acme.demo.control("faults", {"action": "lock_row", "match": {"path": LINES}, "times": 3})
    run = acme.push()
    assert run.state == "success"
    assert lines(acme) == ["l-1", "l-2"]


def test_r_139_a_validation_rule_refuses_one_row_and_the_others_go(acme):
    rule = {"object": f"NOME__{LINES}", "field": "NOME__Name__c", "op": "=", "value": "Seats", "message": "No <b>seats</b>"}
    acme.demo.settings(validation_rules=[rule])
    run = acme.push()
    conserved(run)
    assert run.state == "partial"
    assert lines(acme) == ["l-1"]
    assert "No <b>seats</b>" in OutboxRow.objects.get().message
    acme.demo.settings(validation_rules=[])
    assert acme.push().state == "success"
    assert lines(acme) == ["l-1", "l-2"]


def test_r_111_a_required_field_of_the_org_is_told_by_row_and_other_objects_go_on(acme):
    acme.demo.control("fields", {"object": "NOME__Metronome_Credit_Grant__c", "field": {
        "name": "Approver__c", "label": "Approver", "type": "string", "length": 40, "nillable": False}})  # fmt: skip
    run = acme.push()
    conserved(run)
    told = RowOutcome.objects.get(run_object__run=run, key="g-1")
    assert told.outcome in ("skipped", "failed")
    assert "Approver" in told.message
    assert acme.rows("Name", "Metronome_Credit_Grant__c", "Metronome_Credit_Grant_ID__c") == []
    assert lines(acme) == ["l-1", "l-2"]


def test_r_133_a_duplicate_rule_is_told_by_row(acme):
    acme.demo.settings(duplicate_rules=[{"object": "NOME__Metronome_Customer__c", "fields": ["NOME__Name__c"]}])
    acme.push()
    acme.save("customers", {"id": "acme-2", "name": "Acme"})
    run = acme.push()
    conserved(run)
    assert run.state == "partial"
    assert OutboxRow.objects.get().key == "acme-2"


def test_r_002_a_token_that_expires_in_between_is_renewed_and_nothing_doubles(acme):
    for after in (0, 3, 6, 9):
        acme.demo.fault(path="/services/data/", action="expire_token", after=after)
    assert acme.push().state == "success"
    assert lines(acme) == ["l-1", "l-2"]
    acme.demo.no_faults()
    acme.writes()
    acme.push()
    assert acme.writes() == 0


def test_r_141_full_storage_stops_creating_and_still_updates(acme):
    acme.push()
    acme.save("line-items", {"id": "l-1", "name": "Renamed"}, {"id": "l-3", "invoice_id": "inv-1", "name": "New", "total": 1})
    acme.demo.settings(storage_full=True)
    run = acme.push()
    conserved(run)
    assert run.state in ("partial", "failed")
    assert [row["Name__c"] for row in acme.rows("Name__c", LINES, LINE_KEY)] == ["Renamed", "Seats"]
    acme.demo.settings(storage_full=False)
    assert acme.push().state == "success"
    assert lines(acme) == ["l-1", "l-2", "l-3"]


def test_r_142_what_became_blank_is_cleared_there(acme):
    acme.push()
    acme.save("credit-grants", {"id": "g-1", "expires_at": "", "reason": "", "paid_amount": None, "paid_currency": ""})
    acme.push()
    found = acme.rows("Paid_Amount__c, Paid_Amount_Currency__c", "Metronome_Credit_Grant__c", "Metronome_Credit_Grant_ID__c")
    assert found == [{"Paid_Amount__c": None, "Paid_Amount_Currency__c": None}]


@pytest.mark.parametrize("key", ["a/b?c#d%e&f'g+h", "mit Leerzeichen", "größe-✓", 'q"uote'])
def test_r_121_ids_of_any_shape_arrive_unchanged(acme, key):
    acme.save("invoices", {"id": key, "customer_id": "acme", "status": "DRAFT", "total": 1})
    acme.save("line-items", {"id": f"l:{key}", "invoice_id": key, "name": "x", "total": 1})
    assert acme.push().state == "success"
    acme.writes()
    acme.push()
    assert acme.writes() == 0
    found = acme.salesforce.query_all(f"SELECT NOME__{INVOICE_KEY} FROM NOME__{INVOICES}")
    assert key in {row[f"NOME__{INVOICE_KEY}"] for row in found}


def test_r_147_children_of_a_parent_that_salesforce_refused_wait_and_follow(acme):
    rule = {"object": f"NOME__{INVOICES}", "field": "NOME__Currency__c", "op": "=", "value": "USD", "message": "Not now"}
    acme.demo.settings(validation_rules=[rule])
    run = acme.push()
    conserved(run)
    assert run.state == "partial"
    assert lines(acme) == []
    acme.demo.settings(validation_rules=[])
    assert acme.push().state == "success"
    assert lines(acme) == ["l-1", "l-2"]


@pytest.mark.parametrize("cut", ["plans", "customers", "invoices", "line-items"])
def test_i_02_a_push_killed_after_an_object_ends_as_if_it_had_not_been(acme, monkeypatch, cut):
    """The process dies after Salesforce took the rows and before that is written down here."""
    from billing import pushing

    real, died = pushing.push_object, []

    class Killed(BaseException):
        pass

    def push_then_die(recorder, settings, key, *, now):
        real(recorder, settings, key, now=now)
        if key == cut and not died:
            died.append(key)
            raise Killed

    monkeypatch.setattr(pushing, "push_object", push_then_die)
    with pytest.raises(Killed):
        acme.push()
    lost = Run.objects.get(job=push.JOB)
    Run.objects.filter(pk=lost.pk).update(
        state=Run.State.RUNNING, finished_at=None, heartbeat_at=timezone.now() - timedelta(hours=1)
    )
    assert runs.sweep(now=timezone.now())["interrupted"] == 1
    assert Run.objects.get(resumed_from=lost).state == "success"
    assert lines(acme) == ["l-1", "l-2"]
    for name, key in (("Metronome_Plan__c", "Metronome_Plan_ID__c"), (INVOICES, INVOICE_KEY)):
        assert len(acme.rows(key, name, key)) == 1
    acme.writes()
    acme.push()
    assert acme.writes() == 0


def test_mt_d14_another_org_behind_the_connection_stops_it_before_anything_is_written(acme):
    acme.org.org_id = "00D000000000777EAA"
    acme.org.save()
    acme.demo.fault(path="/services/data/", action="expire_token")
    run = acme.push()
    assert run.state != "success"
    assert acme.writes() == 0
    acme.org.refresh_from_db()
    assert acme.org.state == "needs_reauthorization"


def test_mt_d1_a_customer_whose_id_is_another_ones_further_row_is_reported(acme):
    acme.save("customers", {"id": "acme~01", "name": "Imposter"})
    for account in acme.accounts(2):
        linking.link_account(acme.customer("acme"), org=acme.org, account_id=account, actor=None, now=timezone.now())
    run = acme.push()
    conserved(run)
    assert run.state == "partial"
    assert {row.key for row in OutboxRow.objects.filter(target__kind="billing.customers")} == {"acme~01"}


def test_mt_13_an_account_that_is_linked_again_is_found_again(acme):
    """The bare row carries the other account meanwhile, so this one needs a row of its own."""
    first, second = acme.accounts(2)
    now, customer = timezone.now(), acme.customer("acme")
    link = linking.link_account(customer, org=acme.org, account_id=first, actor=None, now=now)
    linking.unlink_account(link, actor=None, now=now)
    linking.link_account(customer, org=acme.org, account_id=second, actor=None, now=now)
    linking.link_account(customer, org=acme.org, account_id=first, actor=None, now=now)
    acme.push()
    found = acme.rows("Account__c", "Metronome_Customer__c", "Metronome_Customer_ID__c")
    assert {row["Account__c"] for row in found} == {first, second}


def test_mt_d3_a_revived_account_is_found_again_though_another_became_primary(acme):
    first, second = acme.accounts(2)
    now, customer = timezone.now(), acme.customer("acme")
    linking.link_account(customer, org=acme.org, account_id=first, actor=None, now=now)
    run = Run.objects.create(job="mirror.read", org=acme.org, domain="mirror", queued_at=now)
    linking.on_deleted(acme.org, "Account", [first], run=run, now=now)
    linking.link_account(customer, org=acme.org, account_id=second, actor=None, now=now)
    linking.on_revived(acme.org, "Account", [first], run=run, now=now)
    acme.push()
    found = acme.rows("Account__c", "Metronome_Customer__c", "Metronome_Customer_ID__c")
    assert {row["Account__c"] for row in found} == {first, second}


def test_mt_d3_a_chain_of_merges_is_followed_to_its_end():
    assert linking.last_winners([("a", "b"), ("b", "c"), ("x", "y"), ("y", "x")]) == {"a": "c", "b": "c", "x": "x", "y": "y"}


def test_i_12_a_push_into_a_disabled_connection_is_not_started(acme):
    acme.org.billing_enabled = False
    acme.org.save()
    assert not push.is_enabled(acme.org)
    assert runs.start_slot(push.JOB, now=timezone.now()) == []
