"""Nothing missing, nothing orphaned (I-05), against the demo org over HTTP."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.utils import timezone

from integrations.lake import erasing
from integrations.lake.engine import open_engine
from integrations.models import GuardRequest, MirrorObject, Run, SalesforceOrg
from integrations.sync import guard, runs
from integrations.sync.mirror import fetching, planning, sweeping, tables
from integrations.sync.mirror import reconcile as reconciling
from tests.demo import DemoOrgHandle
from tests.mirror.reads import counts, mirror, perform, read, rows, truth
from tests.mirror.truth import ledger
from tests.patience import bulk_jobs_that_hang

pytestmark = pytest.mark.django_db
FIELDS = ("Name", "Industry", "AnnualRevenue")


def reconcile(org: SalesforceOrg, **arguments: Any) -> Run:
    """One run of the job."""
    org.refresh_from_db()
    run = runs.request_run("mirror.reconcile", org=org, now=timezone.now(), arguments=arguments)
    run.refresh_from_db()
    return run


def make(org: DemoOrgHandle, object_: str = "Account", **fields: Any) -> str:
    """Somebody else creates a record."""
    return org.control("create", {"object": object_, "fields": fields})["id"]


def removed(org: SalesforceOrg, object_: str = "Account") -> dict[str, dict[str, Any]]:
    """The mirrored records that are marked as deleted, by id."""
    with open_engine() as engine:
        engine.bind("everything", tables.live(org, object_, include_removed=True))
        found = engine.table('SELECT * FROM everything WHERE "IsDeleted"').to_pylist()
    return {row["Id"]: row for row in found}


def same(org: SalesforceOrg, object_: str = "Account", fields: str = "Name") -> None:
    """The mirror's live records are the org's, with these values."""
    ours = {key: {name: row[name] for name in fields.split(", ")} for key, row in rows(org, object_).items()}
    theirs = {key: {name: row[name] for name in fields.split(", ")} for key, row in truth(org, fields, object_).items()}
    assert ours == theirs


@pytest.fixture
def accounts(connected_org, need) -> SalesforceOrg:
    """A connection whose accounts have been read once."""
    need(Account=FIELDS, since_months=None)
    assert read(connected_org).state == "success"
    return connected_org


def test_i_05_equal_sides_are_unchanged(accounts):
    run = reconcile(accounts)
    assert run.state == "success", run.sentence
    found = counts(run)
    assert found["unchanged"] == found["read"] == 200
    kept = mirror(accounts)
    assert (kept.parity_theirs, kept.parity_ours, kept.parity_repaired) == (200, 200, 0)
    assert kept.parity_at is not None
    assert kept.ids_at is not None


def test_i_05_a_hard_deleted_record_is_found_and_marked_with_its_last_values(accounts, demo_org):
    gone = next(iter(rows(accounts)))
    name = rows(accounts)[gone]["Name"]
    before = mirror(accounts).deleted_rows
    demo_org.control("delete", {"object": "Account", "id": gone, "hard": True})
    assert read(accounts).state == "success"
    assert gone in rows(accounts), "a read of changes cannot see it"
    assert reconcile(accounts).state == "success"
    same(accounts)
    assert removed(accounts)[gone]["Name"] == name, "its history is kept (R-046)"
    assert mirror(accounts).deleted_rows == before + 1


def test_i_05_records_purged_from_the_bin_unseen_are_found_without_the_list_of_deletions(accounts, demo_org):
    """Deleted and purged between two reads, and longer ago than Salesforce lists."""
    gone = list(rows(accounts))[:3]
    for each in gone:
        demo_org.control("delete", {"object": "Account", "id": each})
    demo_org.clock(advance=16 * 86400)
    assert read(accounts).state == "success"
    reconcile(accounts)
    assert not set(gone) & set(rows(accounts))
    same(accounts)


def test_i_05_a_record_that_was_lost_is_fetched(accounts, demo_org):
    """Committed hours after its stamp: beyond every overlap."""
    demo_org.clock(advance=-7200)
    late = make(demo_org, Name="Late")
    demo_org.clock(real=True)
    MirrorObject.objects.update(watermark=timezone.now())
    run = reconcile(accounts)
    found = counts(run)
    assert (found["written"], mirror(accounts).parity_repaired) == (1, 1)
    row = run.objects_touched.get().rows.get()
    assert (row.salesforce_id, row.detail) == (late, {"repair": "fetched"})
    same(accounts)


def test_i_05_an_update_that_was_lost_is_fetched_although_the_counts_are_equal(accounts, demo_org):
    first = next(iter(rows(accounts)))
    demo_org.control("update", {"object": "Account", "id": first, "fields": {"Name": "Renamed"}})
    MirrorObject.objects.update(watermark=timezone.now() + timedelta(hours=1))
    assert counts(reconcile(accounts))["written"] == 1
    assert rows(accounts)[first]["Name"] == "Renamed"


def test_i_05_changes_since_the_last_read_are_left_to_the_next_one(accounts, demo_org):
    first = next(iter(rows(accounts)))
    demo_org.clock(advance=5)
    demo_org.control("update", {"object": "Account", "id": first, "fields": {"Name": "Renamed"}})
    make(demo_org, Name="New")
    run = reconcile(accounts)
    assert counts(run)["written"] == 0
    assert read(accounts).state == "success"
    same(accounts)


def test_i_05_records_outside_the_first_window_are_neither_missing_nor_orphans(connected_org, need, demo_org):
    old = make(demo_org, Name="Old")
    demo_org.clock(advance=200 * 86400)
    fresh = make(demo_org, Name="Fresh")
    SalesforceOrg.objects.update(authorized_at=timezone.now() + timedelta(days=200))
    need(Account=FIELDS, since_months=6)
    read(connected_org)
    assert fresh in rows(connected_org)
    assert old not in rows(connected_org)
    run = reconcile(connected_org)
    found = counts(run)
    assert found["written"] == found["not_attempted"] == 0
    assert old not in rows(connected_org)
    kept = mirror(connected_org)
    assert kept.parity_theirs == kept.parity_ours == found["unchanged"]
    MirrorObject.objects.update(reads_from=timezone.now() - timedelta(days=400))
    reconcile(connected_org)
    assert old in rows(connected_org), "once the window goes back so far it is missing"


def test_i_05_equal_counts_are_enough_for_large_objects_until_a_week_has_passed(accounts, demo_org, monkeypatch):
    monkeypatch.setattr(reconciling, "SMALL", 0)
    reconcile(accounts)
    first = mirror(accounts).ids_at
    assert first is not None, "the first time every id is compared"
    demo_org.forget_calls()
    again = reconcile(accounts)
    assert [call["query"].count("COUNT") for call in demo_org.calls("/query")] == [1], "nothing was listed"
    assert mirror(accounts).ids_at == first
    assert counts(again)["unchanged"] == 200
    MirrorObject.objects.update(ids_at=first - timedelta(days=7))
    reconcile(accounts)
    assert mirror(accounts).ids_at > first


def test_i_05_large_objects_are_listed_by_a_bulk_job(accounts, demo_org, monkeypatch):
    monkeypatch.setattr(planning, "REST_PAGES", 0)
    gone, *_ = rows(accounts)
    demo_org.control("delete", {"object": "Account", "id": gone, "hard": True})
    MirrorObject.objects.update(deleted_watermark=None)
    demo_org.forget_calls()
    assert reconcile(accounts).state == "success"
    assert demo_org.calls("/jobs/query")
    same(accounts)


def test_r_036_a_slow_list_gives_the_worker_back_and_is_collected_later(accounts, demo_org, monkeypatch):
    monkeypatch.setattr(planning, "REST_PAGES", 0)
    with bulk_jobs_that_hang(demo_org, sweeping):
        run = reconcile(accounts)
        assert (run.state, run.sentence) == ("queued", "Salesforce is listing Account.")
    assert perform(run).state == "success"
    assert len([call for call in demo_org.calls("/jobs/query") if call["method"] == "POST"]) == 1, "the same job"


# --- the guard -------------------------------------------------------------------------------------------------------------


def purge_many(org: SalesforceOrg, demo_org: DemoOrgHandle, number: int) -> list[str]:
    """So many accounts vanish in a way that nobody lists: hidden from us by sharing looks the same."""
    gone = list(rows(org))[:number]
    for each in gone:
        demo_org.control("delete", {"object": "Account", "id": each, "hard": True})
    demo_org.clock(advance=16 * 86400)
    return gone


def test_i_11_a_fifth_of_an_object_is_not_marked_without_a_yes(accounts, demo_org, cast):
    gone = purge_many(accounts, demo_org, 60)
    run = reconcile(accounts)
    assert run.state == "partial"
    found = counts(run)
    assert found["not_attempted"] == 60
    assert set(gone) <= set(rows(accounts)), "nothing was marked"
    request = guard.pending(accounts).get()
    assert (request.subject, request.effect, request.rows, request.of_rows) == ("mirror/Account", "delete", 60, 200)
    assert set(request.examples) <= set(gone)
    kept = mirror(accounts)
    assert (kept.parity_theirs, kept.parity_ours) == (140, 200), "the page tells the truth"
    again = guard.answer(request, yes=True, user=cast.olga, now=timezone.now())
    assert again is not None
    again.refresh_from_db()
    assert again.state == "success", again.sentence
    assert not set(gone) & set(rows(accounts))
    same(accounts)


def test_i_11_fewer_than_fifty_or_a_fifth_are_marked_at_once(accounts, demo_org):
    gone = purge_many(accounts, demo_org, 39)
    assert reconcile(accounts).state == "success"
    assert not set(gone) & set(rows(accounts))
    assert not GuardRequest.objects.exists()


def test_r_048_records_that_are_seen_again_come_back_live(accounts):
    """Marked because sharing had hidden them; now they are visible again, in the version that we know."""
    few = list(rows(accounts))[:3]
    with ledger(accounts, "test.bury") as recorder:
        assert fetching.bury_records(recorder, mirror(accounts), few, now=timezone.now()) == 3
    assert not set(few) & set(rows(accounts))
    assert counts(reconcile(accounts))["written"] == 3
    same(accounts)


# --- one bad object --------------------------------------------------------------------------------------------------------


def test_r_056_a_hidden_object_is_skipped_and_nothing_is_deleted(connected_org, need, demo_org):
    need(Account=FIELDS, Contact=("LastName",), since_months=None)
    read(connected_org)
    before = rows(connected_org, "Contact")
    demo_org.settings(hidden_objects=["Contact"])
    cache.clear()
    run = reconcile(connected_org)
    assert run.state == "success"
    assert counts(run, "Contact")["skipped"] == 1
    assert counts(run, "Account")["unchanged"] == 200, "the others go on"
    assert rows(connected_org, "Contact") == before
    assert mirror(connected_org, "Contact").state == "no_access"
    demo_org.settings(hidden_objects=[])
    reconcile(connected_org)
    assert mirror(connected_org, "Contact").state == "active"


def test_i_10_an_object_that_fails_does_not_stop_the_others(connected_org, need, demo_org):
    need(Account=FIELDS, Contact=("LastName",), since_months=None)
    read(connected_org)
    demo_org.fault(path=r"COUNT.*FROM(%20|\+)Account", status=400, body=[{"errorCode": "UNKNOWN_THING", "message": "no"}])
    run = reconcile(connected_org)
    assert run.state == "partial"
    assert counts(run, "Account")["failed"] == 1
    assert counts(run, "Contact")["failed"] == 0


def test_r_058_an_allowance_that_is_used_up_defers_and_the_next_turn_goes_on(connected_org, need, demo_org):
    need(Account=FIELDS, Contact=("LastName",), since_months=None)
    read(connected_org)
    demo_org.fault(path=r"COUNT.*FROM(%20|\+)Contact", action="daily_limit")
    run = reconcile(connected_org)
    assert (run.state, run.reason_code) == ("deferred", "api_limit")
    demo_org.no_faults()
    again = perform(run)
    assert again.state == "success", again.sentence
    assert not again.objects_touched.filter(name="Account").exists(), "Account was done before"


def test_reconciliation_waits_for_a_read_that_is_going_on(accounts):
    Run.objects.create(job="mirror.read", org=accounts, state="running", started_at=timezone.now(), heartbeat_at=timezone.now())
    run = reconcile(accounts)
    assert (run.state, run.sentence) == ("queued", "Waits until the read of the mirror has ended.")
    long_ago = timezone.now() - timedelta(hours=3)
    Run.objects.filter(pk=run.pk).update(checkpoint={**run.checkpoint, "began": long_ago.isoformat()})
    assert perform(run).state == "success", "but not for ever"


def test_the_command_compares_every_id_of_the_objects_that_are_named(accounts, demo_org, monkeypatch):
    monkeypatch.setattr(reconciling, "SMALL", 0)
    reconcile(accounts)
    out = StringIO()
    first = mirror(accounts).ids_at
    call_command("reconcile", "--org", "Demo", "--object", "account", stdout=out)
    assert "Account: 200 read, 0 written, 200 unchanged" in out.getvalue()
    assert mirror(accounts).ids_at > first


def test_s_112_an_erased_person_does_not_come_back_by_reconciliation(connected_org, need):
    need(Contact=("LastName",), since_months=None)
    read(connected_org)
    erased = next(iter(rows(connected_org, "Contact")))
    erasing.erase("Contact", erased, org=connected_org, now=timezone.now())
    assert erased not in rows(connected_org, "Contact")
    run = reconcile(connected_org)
    assert erased not in rows(connected_org, "Contact")
    assert run.state == "success"
    assert counts(run, "Contact")["written"] == 0
    kept = mirror(connected_org, "Contact")
    assert kept.parity_theirs == kept.parity_ours
    assert kept.parity_erased == 1


def test_s_112_counting_is_enough_although_somebody_must_stay_forgotten(accounts, demo_org, monkeypatch):
    """An erased record, which Salesforce still counts, must not cost a list of all ids every day."""
    monkeypatch.setattr(reconciling, "SMALL", 0)
    erased, other = list(rows(accounts))[:2]
    erasing.erase("Account", erased, org=accounts, now=timezone.now())
    reconcile(accounts)
    demo_org.forget_calls()
    first = mirror(accounts).ids_at
    run = reconcile(accounts)
    assert (counts(run)["unchanged"], counts(run)["written"]) == (199, 0)
    assert mirror(accounts).ids_at == first, "the counts agree, so no id was listed"
    assert (mirror(accounts).parity_theirs, mirror(accounts).parity_ours) == (199, 199)
    made = make(demo_org, Name="New")
    MirrorObject.objects.update(watermark=timezone.now() + timedelta(minutes=1))
    run = reconcile(accounts)
    assert made in rows(accounts), "a record that is missing is found all the same"
    assert erased not in rows(accounts)
    assert other in rows(accounts)


def test_i_01_records_that_must_stay_forgotten_are_counted_as_left_out(accounts, demo_org):
    erased = next(iter(rows(accounts)))
    erasing.erase("Account", erased, org=accounts, now=timezone.now())
    demo_org.control("update", {"object": "Account", "id": erased, "fields": {"Name": "Again"}})
    run = read(accounts)
    assert erased not in rows(accounts)
    assert counts(run) == {"read": 1, "written": 0, "unchanged": 0, "skipped": 1, "failed": 0, "not_attempted": 0}
