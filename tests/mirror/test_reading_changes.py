"""mirror.read over HTTP: the first read, the next ones, what is counted, and what survives late commits, faults and kills."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from integrations import alerts
from integrations.models import Alert, Drift, LakeFile, MirrorField, MirrorObject, MirrorSettings, Run, SalesforceOrg
from integrations.salesforce.values import read_moment
from integrations.sync import leases, runs
from integrations.sync.mirror import describing, needs, planning, tables
from tests.mirror.reads import ACCOUNT, ask, counts, mirror, perform, read, rows, truth

pytestmark = pytest.mark.django_db


def change(demo_org, record_id: str, object_: str = "Account", **fields) -> None:
    demo_org.control("update", {"object": object_, "id": record_id, "fields": fields})


def recent(org) -> dict:
    """What a first read brings: changed within six months."""
    since = planning.months_before(org.authorized_at, 6)
    found = truth(org, ",".join((*ACCOUNT, "SystemModstamp")))
    return {key: row for key, row in found.items() if read_moment(row["SystemModstamp"]) >= since.replace(microsecond=0)}


# --- the first read and the next ---------------------------------------------------------------------------------------------


def test_px_32_the_first_read_brings_six_months_and_every_value_exactly(connected_org, need):
    need(Account=ACCOUNT)
    run = read(connected_org)
    assert (run.state, run.reason_code) == ("success", "")
    expected, found = recent(connected_org), rows(connected_org)
    assert 0 < len(expected) < len(truth(connected_org, "Name")), "the org has older records, which are left"
    assert found.keys() == expected.keys()
    for key, row in expected.items():
        mirrored = found[key]
        assert mirrored["Name"] == row["Name"]
        assert mirrored["AnnualRevenue"] == (None if row["AnnualRevenue"] is None else Decimal(row["AnnualRevenue"]))
        assert mirrored["SystemModstamp"] == read_moment(row["SystemModstamp"])
    kept = mirror(connected_org)
    assert kept.rows == len(expected)
    assert kept.last_way == "rest"
    assert kept.reads_from == planning.first_start(authorized_at=connected_org.authorized_at, months=6)


def test_i_01_a_run_counts_every_row_once_and_again(connected_org, demo_org, need):
    need(Account=ACCOUNT, Contact=("Email", "LastName"))
    first = read(connected_org)
    assert counts(first)["written"] == counts(first)["read"] > 100
    assert counts(first, "Contact")["written"] > 100
    key = next(iter(rows(connected_org)))
    change(demo_org, key, Name="Renamed")
    second = read(connected_org)
    assert counts(second)["written"] == 1
    third = read(connected_org)
    assert counts(third) == {"read": 1, "written": 0, "unchanged": 1, "skipped": 0, "failed": 0, "not_attempted": 0}
    assert rows(connected_org)[key]["Name"] == "Renamed"
    assert third.state == "success"


def test_a_quiet_read_costs_one_call_an_object(connected_org, need):
    need(Account=ACCOUNT, Contact=("Email",))
    assert read(connected_org).calls <= 6
    assert read(connected_org).calls == 2


def test_px_33_px_d2_a_day_later_only_changes_are_asked_for(connected_org, demo_org, need):
    need(Account=ACCOUNT)
    read(connected_org)
    demo_org.clock(advance=86_400)
    key = next(iter(rows(connected_org)))
    change(demo_org, key, Name="A day later")
    demo_org.forget_calls()
    run = read(connected_org)
    assert counts(run)["written"] == 1
    (asked,) = [call for call in demo_org.calls("/queryAll") if call["status"] == 200]  # the session of yesterday is over
    assert "ORDER+BY+SystemModstamp%2CId" in asked["query"]


def test_the_watermark_is_salesforces_time_not_ours(connected_org, demo_org, need):
    need(Account=ACCOUNT)
    ahead = timezone.now() + timedelta(days=40)
    demo_org.clock(now=ahead.isoformat())
    read(connected_org)
    mark = mirror(connected_org).watermark
    assert abs(mark - ahead) < timedelta(minutes=2)


@pytest.mark.parametrize("hours", [-7, 7])
def test_i_05_r_041_a_clock_that_differs_by_hours_loses_nothing(connected_org, demo_org, need, hours):
    """Watermark and window follow Salesforce's clock only, whether it is ahead of ours or behind."""
    demo_org.clock(advance=hours * 3600)
    need(Account=ACCOUNT, Contact=("Email",))
    read(connected_org)
    theirs = timezone.now() + timedelta(hours=hours)
    assert abs(mirror(connected_org).watermark - theirs) < timedelta(minutes=2)
    one, two, three = list(rows(connected_org))[:3]
    change(demo_org, one, Name="At once")
    assert counts(read(connected_org))["written"] == 1
    demo_org.clock(advance=1800)
    change(demo_org, two, Name="Half an hour later")
    demo_org.clock(advance=1800)
    assert counts(read(connected_org))["written"] == 1
    demo_org.settings(late_commit_seconds=300.0)
    change(demo_org, three, Name="Late")
    demo_org.settings(late_commit_seconds=0.0)
    assert counts(read(connected_org))["written"] == 0
    demo_org.clock(advance=310)
    assert counts(read(connected_org))["written"] == 1
    assert [rows(connected_org)[key]["Name"] for key in (one, two, three)] == ["At once", "Half an hour later", "Late"]
    assert rows(connected_org).keys() >= recent(connected_org).keys()


def test_i_03_without_a_word_of_salesforces_about_its_time_the_watermark_stays(connected_org, demo_org, need):
    need(Account=ACCOUNT)
    read(connected_org)
    before = mirror(connected_org).watermark
    demo_org.clock(advance=3600)
    key = next(iter(rows(connected_org)))
    demo_org.fault(path="/services/data", times=50, status=0, headers={"Date": "some time ago"})
    change(demo_org, key, Name="Without a time")
    run = read(connected_org)
    assert (run.state, counts(run)["written"]) == ("success", 1)
    assert mirror(connected_org).watermark == before
    assert "carried no time" in mirror(connected_org).note
    demo_org.no_faults()
    assert counts(read(connected_org))["written"] == 0
    assert mirror(connected_org).watermark > before


def test_i_05_a_watermark_in_salesforces_future_hides_nothing(connected_org, demo_org, need):
    """One answer told a wrong time; what changes until then is found all the same."""
    need(Account=ACCOUNT)
    demo_org.clock(advance=6 * 3600)
    read(connected_org)
    demo_org.clock(advance=-6 * 3600)
    key = next(iter(rows(connected_org)))
    change(demo_org, key, Name="Before the mark")
    assert counts(read(connected_org))["written"] == 1
    assert rows(connected_org)[key]["Name"] == "Before the mark"


def test_i_03_the_watermark_never_moves_backwards(connected_org, demo_org, need):
    need(Account=ACCOUNT)
    read(connected_org)
    later = timezone.now() + timedelta(days=3)
    MirrorObject.objects.update(watermark=later)
    read(connected_org)
    assert mirror(connected_org).watermark == later


def test_i_03_rows_and_watermark_are_one_transaction(connected_org, need, monkeypatch):
    """When the watermark cannot be written, no row of the read is there either."""
    need(Account=ACCOUNT)
    original = runs.Recorder.save

    def refuse_at_the_end(self, checkpoint=None, *, also=None, now=None):
        def write():
            if also is not None:
                also()
            if LakeFile.objects.exists():
                raise runs.RunStopped("test", "Stopped after the rows, before the commit.")

        original(self, checkpoint, also=write, now=now)

    with monkeypatch.context() as patch:
        patch.setattr(runs.Recorder, "save", refuse_at_the_end)
        run = read(connected_org)
    assert run.reason_code == "test"
    assert not LakeFile.objects.exists()
    assert mirror(connected_org).watermark is None
    assert read(connected_org).state == "success"
    assert rows(connected_org).keys() == recent(connected_org).keys()


def test_px_d2_the_first_read_is_adjustable_for_a_connection_and_an_object(connected_org, need):
    need(Account=ACCOUNT, Contact=("Email",))
    MirrorSettings.objects.create(org=connected_org, first_months=0)
    MirrorObject.objects.create(org=connected_org, name="Contact", first_months=1)
    read(connected_org)
    assert rows(connected_org).keys() == truth(connected_org, "Name").keys()
    assert mirror(connected_org, "Contact").reads_from == planning.first_start(
        authorized_at=connected_org.authorized_at, months=1
    )


def test_a_domain_that_needs_everything_gets_everything(connected_org, need):
    need(since_months=None, Account=ACCOUNT)
    read(connected_org)
    assert rows(connected_org).keys() == truth(connected_org, "Name").keys()


# --- changes while we look -----------------------------------------------------------------------------------------------------


def test_r_041_a_late_commit_is_caught_by_the_overlap(connected_org, demo_org, need):
    """The row becomes visible 300 s after its stamp; the reads in between do not see it, the next one does."""
    need(Account=ACCOUNT)
    read(connected_org)
    demo_org.clock(advance=3600)
    key = next(iter(rows(connected_org)))
    demo_org.settings(late_commit_seconds=300.0)
    change(demo_org, key, Name="Late")
    demo_org.settings(late_commit_seconds=0.0)
    demo_org.clock(advance=200)
    assert counts(read(connected_org))["written"] == 0
    demo_org.clock(advance=200)
    assert counts(read(connected_org))["written"] == 1
    assert rows(connected_org)[key]["Name"] == "Late"
    assert len([each for each in rows(connected_org) if each == key]) == 1


def test_r_045_two_versions_of_a_record_in_one_read_leave_the_newer(connected_org, demo_org, need):
    """A record of page 1 changes before the last page: it comes twice, and the newer version is what is kept."""
    need(Account=ACCOUNT)
    demo_org.settings(query_page_size=50)
    first = ask(connected_org, "SELECT Id FROM Account ORDER BY SystemModstamp, Id LIMIT 1")[0]["Id"]
    MirrorSettings.objects.create(org=connected_org, first_months=0)
    demo_org.fault(path="/query/01g", after=0, times=1, status=0, delay=1.0)

    import threading

    timer = threading.Timer(0.6, lambda: change(demo_org, first, Name="Changed in between"))
    timer.start()
    run = read(connected_org)
    timer.join()
    assert run.state == "success"
    read(connected_org)
    assert rows(connected_org)[first]["Name"] == "Changed in between"


def test_two_saves_in_one_second_are_both_seen(connected_org, demo_org, need):
    """SystemModstamp has whole seconds: an equal version with other values is news, an equal one with equal values is not."""
    need(Account=ACCOUNT)
    read(connected_org)
    key = next(iter(rows(connected_org)))
    still = (timezone.now() + timedelta(minutes=1)).replace(microsecond=0)
    demo_org.clock(now=still.isoformat(), frozen=True)
    change(demo_org, key, Name="First save")
    assert counts(read(connected_org))["written"] == 1
    change(demo_org, key, Name="Second save")
    assert counts(read(connected_org))["written"] == 1
    assert rows(connected_org)[key]["Name"] == "Second save"
    assert counts(read(connected_org))["written"] == 0


def test_r_046_a_deleted_record_is_marked_and_no_longer_shown(connected_org, demo_org, need):
    need(Account=ACCOUNT)
    read(connected_org)
    key = next(iter(rows(connected_org)))
    demo_org.control("delete", {"object": "Account", "id": key})
    read(connected_org)
    assert key not in rows(connected_org)
    kept = mirror(connected_org)
    assert kept.rows == len(rows(connected_org))
    assert kept.deleted_rows >= 1


def test_r_077_a_field_that_is_not_in_the_answer_keeps_its_value(connected_org, demo_org, need):
    """A hidden field is not asked for; the record's other changes come, its mirrored value stays."""
    need(Account=ACCOUNT)
    read(connected_org)
    key, before = next((key, row) for key, row in rows(connected_org).items() if row["Industry"])
    demo_org.settings(hidden_fields={"Account": ["Industry"]})
    describing.forget_description(connected_org, "Account")
    change(demo_org, key, Name="Only the name")
    run = read(connected_org)
    after = rows(connected_org)[key]
    assert (after["Name"], after["Industry"]) == ("Only the name", before["Industry"])
    assert run.state == "partial"


def test_r_077_null_clears(connected_org, demo_org, need):
    need(Account=ACCOUNT)
    read(connected_org)
    key = next(key for key, row in rows(connected_org).items() if row["Industry"])
    change(demo_org, key, Industry=None)
    read(connected_org)
    assert rows(connected_org)[key]["Industry"] is None


# --- shapes that change ----------------------------------------------------------------------------------------------------


def test_r_053_r_057_a_field_that_goes_is_dropped_alone_with_one_alert(connected_org, demo_org, need):
    """The cached describe still has it: INVALID_FIELD drops the cache, the field, and nothing else."""
    need(Account=ACCOUNT)
    read(connected_org)
    key = next(iter(rows(connected_org)))
    demo_org.settings(hidden_fields={"Account": ["Website"]})
    change(demo_org, key, Name="Still read")
    run = read(connected_org)
    assert run.state == "partial"
    assert rows(connected_org)[key]["Name"] == "Still read"
    assert MirrorField.objects.get(object__name="Account", name="Website").state == "gone"
    assert Drift.objects.filter(field="Website", kind="field_gone").count() == 1
    read(connected_org)
    assert Alert.objects.filter(org=connected_org).count() == 1
    assert len(alerts.open_alerts()) == 1


def test_r_056_an_object_that_may_not_be_seen_is_skipped_and_keeps_its_rows(connected_org, demo_org, need):
    need(Account=ACCOUNT, Contact=("Email",))
    read(connected_org)
    before = rows(connected_org, "Contact")
    demo_org.settings(hidden_objects=["Contact"])
    describing.forget_description(connected_org, "Contact")
    key = next(iter(rows(connected_org)))
    change(demo_org, key, Name="Accounts go on")
    run = read(connected_org)
    assert counts(run, "Contact")["skipped"] == 1
    assert counts(run)["written"] == 1
    assert rows(connected_org, "Contact") == before
    assert mirror(connected_org, "Contact").state == "no_access"
    demo_org.settings(hidden_objects=[])
    assert read(connected_org).state == "success"
    assert mirror(connected_org, "Contact").state == "active"


def test_r_056_with_a_cached_describe_too(connected_org, demo_org, need):
    need(Account=ACCOUNT, Contact=("Email",))
    read(connected_org)
    demo_org.settings(hidden_objects=["Contact"])
    run = read(connected_org)
    assert counts(run, "Contact")["skipped"] == 1
    assert mirror(connected_org, "Contact").state == "no_access"


def test_an_object_that_never_was_does_not_stop_the_others(connected_org, need):
    need(Account=ACCOUNT, Nothing__c=("Name",))
    run = read(connected_org)
    assert run.state == "partial"
    assert counts(run)["written"] > 0
    assert counts(run, "Nothing__c")["skipped"] == 1


def test_fields_that_cannot_be_mirrored_say_why(connected_org, need):
    need(Account=("Name", "BillingAddress", "Owner.Name"))
    assert read(connected_org).state == "success"
    left = MirrorField.objects.filter(object__name="Account", state="left_out")
    assert {field.name: bool(field.reason) for field in left} == {"BillingAddress": True, "Owner.Name": True}
    assert "BillingAddress" not in next(iter(rows(connected_org).values()))


def test_a_need_that_ends_is_no_longer_read_or_shown(connected_org, demo_org, need):
    need(Account=("Name", "Website"), Contact=("Email",))
    read(connected_org)
    need(Account=("Name",))
    demo_org.forget_calls()
    read(connected_org)
    assert mirror(connected_org, "Contact").state == "unneeded"
    assert not [call for call in demo_org.calls("/queryAll") if "Contact" in call["query"]]
    assert "Website" not in next(call["query"] for call in demo_org.calls("/queryAll"))
    assert "Website" not in next(iter(rows(connected_org).values()))


def test_r_088_an_object_that_cannot_be_filtered_by_its_stamp_is_read_another_way_and_says_so(connected_org, demo_org, need):
    need(Account=ACCOUNT)
    read(connected_org)
    key = next(iter(rows(connected_org)))
    described = ask_describe(connected_org, "Account")
    assert described["SystemModstamp"] is True
    demo_org.fault(path=r"queryAll\?q=.*SystemModstamp\+%3E%3D", times=1, status=400, body=[
        {"errorCode": "INVALID_FIELD", "message": "field 'SystemModstamp' can not be filtered in a query call"}
    ])  # fmt: skip
    change(demo_org, key, Name="By another date")
    run = read(connected_org)
    assert run.state == "success"
    kept = mirror(connected_org)
    assert kept.watermark_field == "LastModifiedDate"
    assert "LastModifiedDate" in kept.note
    assert rows(connected_org)[key]["Name"] == "By another date"


def test_r_088_without_any_date_everything_is_compared(connected_org, demo_org, need):
    need(Account=ACCOUNT)
    refusals = [
        {"errorCode": "INVALID_FIELD", "message": f"field '{name}' can not be filtered in a query call"}
        for name in ("SystemModstamp", "LastModifiedDate")
    ]
    for body in refusals:
        demo_org.fault(path=r"queryAll\?q=.*WHERE", times=1, status=400, body=[body])
    run = read(connected_org)
    assert counts(run)["written"] == len(truth(connected_org, "Name")) + mirror(connected_org).deleted_rows
    assert "compares all" in mirror(connected_org).note


def ask_describe(org, name: str) -> dict[str, bool]:
    from integrations.orgs.connect import client_for

    with client_for(org, domain="test") as client:
        return {each["name"]: each["filterable"] for each in client.describe(name)["fields"]}


def test_r_055_a_type_that_changed_lets_values_that_fit_go_on(connected_org, demo_org, need):
    need(Account=(*ACCOUNT, "Level__c"))
    level = {"name": "Level__c", "label": "Level", "type": "double", "precision": 10, "scale": 2}
    demo_org.control("fields", {"object": "Account", "field": level})
    first, second, *_ = truth(connected_org, "Name")
    change(demo_org, first, Level__c=1)
    read(connected_org)
    text = {"name": "Level__c", "label": "Level", "type": "string", "length": 40}
    demo_org.control("fields", {"object": "Account", "field": text})
    describing.forget_description(connected_org, "Account")
    change(demo_org, first, Level__c="12.5")
    change(demo_org, second, Level__c="high")
    run = read(connected_org)
    assert rows(connected_org)[first]["Level__c"] == Decimal("12.5")
    assert counts(run)["failed"] == 1
    assert run.state == "partial"
    assert Drift.objects.filter(field="Level__c", kind="type_changed").exists()


# --- the run around it -----------------------------------------------------------------------------------------------------


def test_r_081_two_workers_and_one_reads(connected_org, need):
    need(Account=ACCOUNT)
    lease = leases.acquire(f"mirror.read:{connected_org.pk}", holder="another", now=timezone.now())
    run = Run.objects.create(job="mirror.read", org=connected_org, domain="mirror", org_generation=connected_org.generation)
    assert runs.perform_run(run.pk) == "already running"
    assert not MirrorObject.objects.exists()
    leases.release(f"mirror.read:{connected_org.pk}", fence=lease)
    runs.perform_run(run.pk)
    run.refresh_from_db()
    assert run.state == "success"


def test_i_13_r_085_a_run_works_on_the_needs_that_it_started_with(connected_org, demo_org, need, monkeypatch):
    """The needs change in mid-run; the resumed run reads the rest of what it began with."""
    need(Account=ACCOUNT, Contact=("Email",))
    demo_org.fault(path=r"queryAll\?q=SELECT\+COUNT.*FROM\+Contact", times=1, action="daily_limit")
    run = read(connected_org)
    assert (run.state, run.reason_code) == ("deferred", "api_limit")
    need(Account=("Name",))
    again = perform(run)
    assert again.state == "success"
    assert counts(again, "Contact")["written"] > 0
    assert again.configuration == Run.objects.get(pk=run.pk).configuration


def test_nobody_needs_anything_and_nothing_is_read(connected_org, demo_org, need):
    need()
    assert not needs.has_needs(connected_org)
    assert runs.start_slot("mirror.read", now=timezone.now()) == []
    demo_org.forget_calls()
    assert read(connected_org).state == "success"
    assert not demo_org.calls("/services/data/v")


def test_chosen_objects_are_read_alone_and_the_others_stay_needed(connected_org, need):
    need(Account=ACCOUNT, Contact=("Email",))
    run = read(connected_org, objects=["contact"])
    assert counts(run, "Contact")["written"] > 0
    assert mirror(connected_org, "Account").watermark is None
    assert mirror(connected_org, "Account").state == "active"


def test_tables_find_and_sample(connected_org, need):
    need(Account=ACCOUNT)
    with pytest.raises(Exception, match="has not been read yet"):
        tables.live(connected_org, "Account")
    read(connected_org)
    key = next(iter(rows(connected_org)))
    assert tables.find(connected_org, "account", [key[:15]], ["Name"])[0].keys() == {"Id", "Name"}
    assert tables.find(connected_org, "Account", []) == []
    assert len(tables.sample(connected_org, "Account", ["Name"], n=3)) == 3
    assert SalesforceOrg.objects.get().mirror_objects.get().table.name == f"mirror/{connected_org.pk}/Account"
