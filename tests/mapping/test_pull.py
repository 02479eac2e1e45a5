"""From Salesforce onto attributes: matched first, only what differs, cleared values clear, every row in one class."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.cache import cache
from django.db import transaction
from django.utils import timezone

from integrations.models import (
    Alert,
    Attribute,
    Customer,
    EndUser,
    Mapping,
    MappingVersion,
    MirrorField,
    MirrorObject,
    RecordLink,
    Run,
    RunObject,
)
from integrations.sync import runs
from integrations.sync.mapping import linked as linked_rows
from integrations.sync.mapping import stage, versions
from integrations.sync.mapping.body import FieldPair
from integrations.sync.mapping.writing import write_attributes
from tests.mapping.shapes import at
from tests.mapping.work import change, codes_of, counts_of, link_customers, query, run_job, save

INDUSTRY = FieldPair("pull", "attributes.industry", "Industry")
EMPLOYEES = FieldPair("pull", "attributes.employees", "NumberOfEmployees")
REVENUE = FieldPair("pull", "attributes.revenue", "AnnualRevenue")
NEWEST = "ORDER BY LastModifiedDate DESC, Id LIMIT 3"


@pytest.fixture
def linked(connected_org, account_mapping, cast):
    """Three accounts of the demo org linked with customers, and what Salesforce holds for them."""
    save(account_mapping, cast.olga, INDUSTRY, EMPLOYEES, REVENUE)
    fields = "Id, Name, Industry, NumberOfEmployees, AnnualRevenue"
    records = query(connected_org, f"SELECT {fields} FROM Account WHERE Industry != null AND AnnualRevenue != null {NEWEST}")
    link_customers(connected_org, records, attributes={"kept": "yes"})
    EndUser.objects.create(external_id="u1", name="Jo", customer=Customer.objects.get(external_id="c0"))
    run_job("mirror.read", connected_org)
    return records


def attributes_of(external_id):
    return Customer.objects.get(external_id=external_id).attributes


def test_px_06_fields_of_the_matched_record_are_copied_onto_attributes(linked, connected_org):
    run = run_job("mapping.pull", connected_org)
    assert run.state == Run.State.SUCCESS, run.sentence
    for number, record in enumerate(linked):
        attributes = attributes_of(f"c{number}")
        assert attributes["industry"] == record["Industry"]
        assert Decimal(attributes["employees"]) == record["NumberOfEmployees"]
        assert Decimal(attributes["revenue"]) == Decimal(str(record["AnnualRevenue"]))
        assert attributes["kept"] == "yes"
    assert counts_of(run, "customers") == {"written": 3}
    assert run.configuration == f"mapping {Mapping.objects.get().pk} v1"


def test_a_second_pull_writes_nothing_and_only_changes_come(linked, connected_org):
    run_job("mapping.pull", connected_org)
    stamps = list(Customer.objects.order_by("pk").values_list("updated_at", flat=True))
    run = run_job("mapping.pull", connected_org)
    assert counts_of(run, "customers") == {"unchanged": 3}
    assert list(Customer.objects.order_by("pk").values_list("updated_at", flat=True)) == stamps
    change(connected_org, "Account", linked[1]["Id"], Industry="Banking")
    run_job("mirror.read", connected_org)
    run = run_job("mapping.pull", connected_org)
    assert counts_of(run, "customers") == {"written": 1, "unchanged": 2}
    assert attributes_of("c1")["industry"] == "Banking"


def test_values_that_mean_the_same_are_not_written_again(linked, connected_org):
    run_job("mapping.pull", connected_org)
    customer = Customer.objects.get(external_id="c0")
    customer.attributes["revenue"] += ".000"
    customer.save()
    assert counts_of(run_job("mapping.pull", connected_org), "customers") == {"unchanged": 3}


def test_px_d13_a_cleared_field_clears_the_attribute(linked, connected_org):
    run_job("mapping.pull", connected_org)
    change(connected_org, "Account", linked[0]["Id"], Industry=None)
    run_job("mirror.read", connected_org)
    run_job("mapping.pull", connected_org)
    assert "industry" not in attributes_of("c0")
    assert "employees" in attributes_of("c0")


def test_i_01_suspended_and_unknown_records_are_skipped_with_the_reason(linked, connected_org):
    RecordLink.objects.filter(customer__external_id="c0").update(state="suspended", reason="Deleted in Salesforce.")
    RecordLink.objects.filter(customer__external_id="c1").update(salesforce_id="001000000000009AAA")
    Customer.objects.filter(external_id="c2").update(erased_at=timezone.now())
    run = run_job("mapping.pull", connected_org)
    assert counts_of(run, "customers") == {"skipped": 2}
    assert codes_of(run, "customers") == {"c0": "suspended", "c1": "not_mirrored"}
    assert attributes_of("c2") == {"kept": "yes"}


def test_i_23_only_mapped_and_compared_fields_are_asked_of_salesforce(linked, connected_org):
    names = set(MirrorField.objects.filter(object__name="Account").values_list("name", flat=True))
    assert names == {
        "Id",
        "SystemModstamp",
        "CreatedDate",
        "IsDeleted",
        "MasterRecordId",
        "Industry",
        "NumberOfEmployees",
        "AnnualRevenue",
        "Name",  # these two for the customers' pages: who owns the account
        "OwnerId",
    }


def test_r_053_a_field_that_is_gone_costs_only_itself(linked, connected_org, demo_org, account_mapping):
    demo_org.settings(hidden_fields={"Account": ["NumberOfEmployees"]})
    cache.clear()
    run = run_job("mapping.pull", connected_org)
    assert run.state == Run.State.PARTIAL
    assert counts_of(run, "customers") == {"written": 3}
    assert "industry" in attributes_of("c0")
    assert "employees" not in attributes_of("c0")
    account_mapping.refresh_from_db()
    assert account_mapping.state == Mapping.State.ACTIVE
    assert [each["code"] for each in account_mapping.set_aside] == ["unknown_field"]
    demo_org.settings(hidden_fields={})
    cache.clear()
    assert run_job("mapping.pull", connected_org).state == Run.State.SUCCESS
    account_mapping.refresh_from_db()
    assert account_mapping.set_aside == []


def test_r_056_an_object_that_is_gone_pauses_its_mapping_until_it_is_back(linked, connected_org, demo_org, account_mapping):
    run_job("mapping.pull", connected_org)
    demo_org.settings(hidden_objects=["Account"])
    cache.clear()
    run_job("mirror.read", connected_org)
    account_mapping.refresh_from_db()
    assert (account_mapping.state, account_mapping.paused_by_drift) == (Mapping.State.PAUSED, True)
    assert "no longer in Salesforce" in account_mapping.reason
    assert attributes_of("c0")["industry"] == linked[0]["Industry"], "nothing is deleted here"
    demo_org.settings(hidden_objects=[])
    cache.clear()
    run_job("mirror.read", connected_org)
    account_mapping.refresh_from_db()
    assert (account_mapping.state, account_mapping.reason) == (Mapping.State.ACTIVE, "")


def test_a_person_s_pause_is_not_lifted_by_a_shape_that_fits_again(linked, connected_org, demo_org, account_mapping, cast, now):
    versions.set_state(account_mapping, "paused", user=cast.olga, now=now)
    for hidden in (["Account"], []):
        demo_org.settings(hidden_objects=hidden)
        cache.clear()
        run_job("mirror.read", connected_org)
    account_mapping.refresh_from_db()
    assert (account_mapping.state, account_mapping.reason) == (Mapping.State.PAUSED, "Paused by a person.")


def test_a_field_that_was_added_fills_only_what_was_read_with_it(linked, connected_org, account_mapping, cast):
    """Older records are read without a new field at first: its null is unknown there and clears nothing (R-077)."""
    Customer.objects.filter(external_id="c0").update(attributes={"phone": "known"})
    save(account_mapping, cast.olga, INDUSTRY, FieldPair("pull", "attributes.phone", "Phone"))
    run = run_job("mapping.pull", connected_org)
    assert codes_of(run, "Mapped fields") == {"Account: Phone → attributes.phone": "not_fetched"}
    account = MirrorObject.objects.get(org=connected_org, name="Account")
    change(connected_org, "Account", linked[0]["Id"], Phone=None)
    run_job("mirror.read", connected_org)
    MirrorField.objects.filter(object=account, name="Phone").update(state=MirrorField.State.BACKFILLING)
    run_job("mapping.pull", connected_org)
    assert attributes_of("c0")["phone"] == "known"
    MirrorField.objects.filter(object=account, name="Phone").update(state=MirrorField.State.ACTIVE)
    run_job("mapping.pull", connected_org)
    assert "phone" not in attributes_of("c0")


# --- Matching comes first -------------------------------------------------------------------------------------------------


def test_px_15_records_are_matched_before_they_are_mapped(connected_org, account_mapping, cast):
    records = query(
        connected_org,
        f"SELECT Id, Name, Industry, Product_Account_Id__c FROM Account WHERE Product_Account_Id__c != null AND Industry != null {NEWEST}",
    )
    for record in records:
        Customer.objects.create(external_id=record["Product_Account_Id__c"], name="Somebody")
    EndUser.objects.create(external_id="u1", name="Jo")
    rules = versions.body_of(account_mapping).rules
    from dataclasses import replace

    rules = tuple(
        replace(rule, on=True, source_field="external_id", salesforce_field="Product_Account_Id__c")
        if rule.name == "custom_field" else rule for rule in rules
    )  # fmt: skip
    save(account_mapping, cast.olga, INDUSTRY, rules=rules)
    run_job("mirror.read", connected_org)
    run = run_job("mapping.pull", connected_org)
    assert RecordLink.objects.filter(org=connected_org, rule="custom_field").count() >= 1
    matched = RecordLink.objects.filter(org=connected_org).select_related("customer").first()
    assert matched is not None
    assert matched.customer is not None
    industry = query(connected_org, f"SELECT Industry FROM Account WHERE Id = '{matched.salesforce_id}'")[0]["Industry"]
    assert matched.customer.attributes.get("industry") == industry
    assert run.state == Run.State.SUCCESS, run.sentence


# --- Crashes, turns, changes of the configuration -----------------------------------------------------------------------


def test_i_02_a_pull_in_many_turns_ends_like_one_in_one_go(linked, connected_org, monkeypatch):
    monkeypatch.setattr(linked_rows, "ROWS", 1)
    monkeypatch.setattr(runs, "SLICE_SECONDS", -1)
    run = run_job("mapping.pull", connected_org)
    assert run.state == Run.State.SUCCESS, run.sentence
    assert counts_of(run, "customers") == {"written": 3}
    assert [attributes_of(f"c{n}")["industry"] for n in range(3)] == [each["Industry"] for each in linked]


def test_i_02_a_killed_pull_goes_on_where_it_was(linked, connected_org, monkeypatch):
    """The process dies while the second piece is written: its transaction never was, the first one stays counted once."""
    monkeypatch.setattr(linked_rows, "ROWS", 1)
    from integrations.sync.mapping import pull

    real, written = pull.write_attributes, []

    def dying(entity, patches, *, now):
        written.append(len(patches))
        if len(written) == 2:
            raise KeyboardInterrupt
        return real(entity, patches, now=now)

    monkeypatch.setattr(pull, "write_attributes", dying)
    run = Run.objects.create(job="mapping.pull", org=connected_org, domain="product", org_generation=connected_org.generation)
    with pytest.raises(KeyboardInterrupt):
        runs.perform_run(run.pk)
    Run.objects.filter(pk=run.pk, state="running").update(heartbeat_at=timezone.now() - timedelta(minutes=10))
    runs.sweep(now=timezone.now())
    again = Run.objects.filter(resumed_from=run).get()
    assert again.state == Run.State.SUCCESS, again.sentence
    assert counts_of(run, "customers") == {"written": 1}
    assert counts_of(again, "customers") == {"written": 2}
    assert again.configuration == Run.objects.get(pk=run.pk).configuration != ""
    assert [attributes_of(f"c{n}")["industry"] for n in range(3)] == [each["Industry"] for each in linked]


@pytest.mark.parametrize("how", ["deleted", "paused", "object"])
def test_r_085_a_run_whose_mapping_is_taken_away_ends_as_cancelled(
    linked, connected_org, account_mapping, cast, now, monkeypatch, how
):
    monkeypatch.setattr(linked_rows, "ROWS", 1)
    from integrations.sync.mapping import filling, objects

    real, seen = filling.fill, []

    def fill(*given):
        seen.append(1)
        if len(seen) == 2:
            if how == "deleted":
                versions.delete_mapping(account_mapping, user=cast.ada)
            elif how == "paused":
                versions.set_state(account_mapping, "paused", user=cast.ada, now=now)
            else:
                objects.change_object(account_mapping, "Workspace__c", confirmed=True, user=cast.ada, now=now)
        return real(*given)

    monkeypatch.setattr(filling, "fill", fill)
    run = run_job("mapping.pull", connected_org)
    assert (run.state, run.reason_code) == (Run.State.CANCELLED, "configuration_changed"), run.sentence
    sums = RunObject.objects.filter(run=run)
    assert all(row.read == row.written + row.unchanged + row.skipped + row.failed + row.not_attempted for row in sums)


def test_i_13_a_run_works_on_the_version_that_it_started_with(linked, connected_org, account_mapping, cast, monkeypatch):
    monkeypatch.setattr(linked_rows, "ROWS", 1)
    from integrations.sync.mapping import filling

    real, seen = filling.fill, []

    def fill(*given):
        seen.append(1)
        if len(seen) == 1:
            save(account_mapping, cast.olga, REVENUE)
        return real(*given)

    monkeypatch.setattr(filling, "fill", fill)
    run = run_job("mapping.pull", connected_org)
    assert run.state == Run.State.SUCCESS, run.sentence
    assert run.configuration.endswith("v1")
    assert MappingVersion.objects.count() == 2
    assert all("industry" in attributes_of(f"c{number}") for number in range(3))


# --- PX-D1: the fetch of the day ------------------------------------------------------------------------------------------


def test_px_d1_mapping_waits_for_the_fetch_of_the_day_and_then_goes_on(linked, connected_org):
    yesterday = timezone.now() - timedelta(days=1)
    MirrorObject.objects.filter(org=connected_org).update(watermark=yesterday)
    run = run_job("mapping.pull", connected_org, trigger=Run.Trigger.SCHEDULE, slot=timezone.now())
    assert run.state == Run.State.QUEUED
    assert "Waits for the fetch" in run.sentence
    assert run.not_before is not None
    assert run.not_before - timezone.now() <= stage.LOOK_AGAIN
    Run.objects.filter(pk=run.pk).update(not_before=None)
    MirrorObject.objects.filter(org=connected_org).update(watermark=timezone.now())
    runs.perform_run(run.pk)
    run.refresh_from_db()
    assert run.state == Run.State.SUCCESS, run.sentence
    assert counts_of(run, "customers") == {"written": 3}


def test_px_d1_after_two_hours_the_last_complete_stage_is_mapped_with_a_warning(linked, connected_org):
    MirrorObject.objects.filter(org=connected_org).update(watermark=timezone.now() - timedelta(days=1))
    slot = timezone.now() - timedelta(hours=2, minutes=1)
    run = run_job("mapping.pull", connected_org, trigger=Run.Trigger.SCHEDULE, slot=slot)
    assert run.state == Run.State.SUCCESS, run.sentence
    assert counts_of(run, "customers") == {"written": 3}
    assert codes_of(run, "Fetch of the day") == {"Account": "older_stage"}
    assert Alert.objects.get(key=f"mapping-stage:{connected_org.pk}").recovered_at is None
    MirrorObject.objects.filter(org=connected_org).update(watermark=timezone.now())
    run_job("mapping.pull", connected_org)
    assert Alert.objects.get(key=f"mapping-stage:{connected_org.pk}").recovered_at is not None


def test_px_d1_who_starts_it_by_hand_does_not_wait(linked, connected_org):
    MirrorObject.objects.filter(org=connected_org).update(watermark=timezone.now() - timedelta(days=1))
    assert run_job("mapping.pull", connected_org).state == Run.State.SUCCESS


@pytest.mark.parametrize(
    ("now", "trigger", "late", "wanted"),
    [
        ("04:00", "schedule", True, "04:05"), ("05:58", "schedule", True, "06:00"), ("06:00", "schedule", True, None),
        ("04:00", "schedule", False, None), ("04:00", "manual", True, None), ("04:30", "retry", True, "04:35"),
        ("04:00", "system", True, None),
    ],
)  # fmt: skip
def test_px_d1_waiting_is_bounded(now, trigger, late, wanted):
    found = stage.Stage(at("2026-11-22 00:00"), {"Account": None} if late else {})
    again = stage.wait_until(found, asked_at=at("2026-11-22 04:00"), trigger=trigger, now=at(f"2026-11-22 {now}"))
    assert again == (at(f"2026-11-22 {wanted}") if wanted else None)


# --- Writing ----------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_attributes_are_merged_by_the_database_and_time_moves_forward(now):
    later = now + timedelta(days=1)
    one = Customer.objects.create(external_id="a", attributes={"x": "1", "q'\"\\u0041": "é\n"}, updated_at=later)
    two = Customer.objects.create(external_id="b", attributes={"x": "1"}, erased_at=now)
    patches = [(one.pk, {"x": None, "y": "ü;\"'%s{}", "flag": True}), (two.pk, {"x": "2"})]
    with transaction.atomic():
        assert write_attributes("customer", patches, now=now) == 1
    one.refresh_from_db()
    two.refresh_from_db()
    assert one.attributes == {"q'\"\\u0041": "é\n", "y": "ü;\"'%s{}", "flag": True}
    assert json.dumps(two.attributes) == '{"x": "1"}'
    assert one.updated_at == later + timedelta(microseconds=1)
    with transaction.atomic():
        write_attributes("customer", [(one.pk, {"x": "3"})], now=later + timedelta(hours=1))
    one.refresh_from_db()
    assert one.updated_at == later + timedelta(hours=1)


def test_px_26_to_29_every_type_is_pulled(connected_org, account_mapping, cast):
    fields = {"text": "Site", "url": "Website", "phone": "Phone", "number": "AnnualRevenue", "whole": "NumberOfEmployees",
              "moment": "CreatedDate", "record": "Id", "opens": "Support_Opens__c", "flag": "PX_Is_Active__c"}  # fmt: skip
    pulled = {key: name for key, name in fields.items() if not name.startswith("PX_")}
    save(account_mapping, cast.olga, *(FieldPair("pull", f"attributes.{key}", name) for key, name in pulled.items()))
    assert dict(Attribute.objects.values_list("key", "type")) == {
        "text": "STRING", "url": "STRING", "phone": "STRING", "number": "NUMBER", "whole": "NUMBER", "moment": "DATE_TIME",
        "record": "STRING", "opens": "DATE_TIME",
    }  # fmt: skip
    names = ", ".join(pulled.values())
    records = query(connected_org, f"SELECT {names}, Name FROM Account WHERE Support_Opens__c != null {NEWEST}")
    link_customers(connected_org, records)
    EndUser.objects.create(external_id="u1", name="Jo")
    run_job("mirror.read", connected_org)
    run = run_job("mapping.pull", connected_org)
    assert run.state == Run.State.SUCCESS, run.sentence
    for number, record in enumerate(records):
        attributes = attributes_of(f"c{number}")
        assert attributes["record"] == record["Id"]
        assert attributes["moment"] == record["CreatedDate"][:19] + "Z"
        assert attributes["opens"] == f"1970-01-01T{record['Support_Opens__c'][:8]}Z"
        assert attributes.get("url") == record["Website"]
