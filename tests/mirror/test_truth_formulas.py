"""Values that change without their record being saved (mirror.formulas)."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations.models import MirrorObject, MirrorSettings, Run, SalesforceOrg
from integrations.sync import runs
from integrations.sync.mirror import formulas, planning
from tests.mirror.reads import ask, counts, mirror, read, rows
from tests.mirror.truth import described_object, field

pytestmark = pytest.mark.django_db


def compare(org: SalesforceOrg, **arguments: Any) -> Run:
    """One run of the job."""
    org.refresh_from_db()
    run = runs.request_run("mirror.formulas", org=org, now=timezone.now(), arguments=arguments)
    run.refresh_from_db()
    return run


# --- which fields (pure) -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("described", "moves"),
    [
        (field("Tier__c", calculated=True, custom=True), True),
        (field("LastActivityDate", "date"), True),
        (field("Name", createable=True, updateable=True), False),
        (field("Type", createable=True), False),
        (field("Read_Only__c", custom=True), False),
        (field("CaseNumber", auto_number=True), False),
        (field("SystemModstamp", "datetime"), False),
        (field("Id", "id"), False),
        (field("CreatedById", "reference"), False),
    ],
)
def test_fields_that_follow_others_are_told_from_those_that_people_set(described, moves):
    info = described_object(described)
    assert formulas.moves_unseen(described, info) is moves


def test_of_a_user_who_may_save_nothing_only_calculated_fields_are_known():
    info = described_object()
    object.__setattr__(info, "updateable", False)
    assert not formulas.moves_unseen(field("Name"), info)
    assert formulas.moves_unseen(field("Tier__c", calculated=True), info)


@pytest.mark.parametrize(("days_ago", "due"), [(None, True), (6, False), (6.99, True), (7, True), (30, True)])
def test_a_compare_is_due_each_week(now, days_ago, due):
    at = None if days_ago is None else now - timedelta(days=days_ago)
    assert formulas.is_due(MirrorObject(formulas_at=at), days=7, now=now) is due


# --- through the org ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def campaigns(connected_org, need) -> SalesforceOrg:
    """Campaigns with their counts of members, which Salesforce keeps up without saving the campaign."""
    need(Campaign=("Name", "NumberOfContacts", "NumberOfLeads"), since_months=None)
    assert read(connected_org).state == "success"
    return connected_org


def join(org: SalesforceOrg, demo_org: Any) -> str:
    """A contact joins a campaign behind our back; returns the campaign."""
    campaign = next(iter(rows(org, "Campaign")))
    taken = {each["ContactId"] for each in ask(org, f"SELECT ContactId FROM CampaignMember WHERE CampaignId = '{campaign}'")}
    contact = next(each["Id"] for each in ask(org, "SELECT Id FROM Contact WHERE IsDeleted = false") if each["Id"] not in taken)
    fields = {"CampaignId": campaign, "ContactId": contact, "Status": "Sent"}
    demo_org.control("create", {"object": "CampaignMember", "fields": fields})
    return campaign


def test_a_count_that_moved_unseen_is_put_right_and_nothing_else(campaigns, demo_org):
    campaign = join(campaigns, demo_org)
    (theirs,) = ask(campaigns, f"SELECT NumberOfContacts, SystemModstamp FROM Campaign WHERE Id = '{campaign}'")
    before = rows(campaigns, "Campaign")
    assert read(campaigns).state == "success"
    assert rows(campaigns, "Campaign")[campaign]["NumberOfContacts"] != theirs["NumberOfContacts"], "no read of changes sees it"
    run = compare(campaigns)
    assert run.state == "success", run.sentence
    after = rows(campaigns, "Campaign")
    assert after[campaign]["NumberOfContacts"] == theirs["NumberOfContacts"]
    assert {**after[campaign], "NumberOfContacts": before[campaign]["NumberOfContacts"]} == before[campaign]
    assert {key: row for key, row in after.items() if key != campaign} == {
        key: row for key, row in before.items() if key != campaign
    }
    found = counts(run, "Campaign")
    assert (found["written"], found["unchanged"]) == (1, len(after) - 1)
    again = compare(campaigns, objects=["Campaign"])
    assert counts(again, "Campaign")["written"] == 0


def test_a_large_object_is_compared_by_a_bulk_job(campaigns, demo_org, monkeypatch):
    monkeypatch.setattr(planning, "REST_PAGES", 0)
    campaign = join(campaigns, demo_org)
    demo_org.forget_calls()
    assert compare(campaigns).state == "success"
    assert demo_org.calls("/jobs/query")
    (theirs,) = ask(campaigns, f"SELECT NumberOfContacts FROM Campaign WHERE Id = '{campaign}'")
    assert rows(campaigns, "Campaign")[campaign]["NumberOfContacts"] == theirs["NumberOfContacts"]


def test_i_07_a_record_saved_since_is_left_to_the_next_read(campaigns, demo_org):
    campaign = join(campaigns, demo_org)
    before = rows(campaigns, "Campaign")[campaign]
    demo_org.clock(advance=5)
    demo_org.control("update", {"object": "Campaign", "id": campaign, "fields": {"Name": "Renamed"}})
    run = compare(campaigns)
    assert counts(run, "Campaign")["skipped"] == 1
    assert rows(campaigns, "Campaign")[campaign] == before, "no half of one version and half of another"
    read(campaigns)
    assert rows(campaigns, "Campaign")[campaign]["Name"] == "Renamed"


def test_it_is_done_each_week_or_as_often_as_set(campaigns, demo_org):
    assert compare(campaigns).objects_touched.exists()
    assert not compare(campaigns).objects_touched.exists(), "not due"
    MirrorObject.objects.update(formulas_at=timezone.now() - timedelta(days=2))
    assert not compare(campaigns).objects_touched.exists()
    MirrorSettings.objects.update_or_create(org=campaigns, defaults={"formula_days": 2})
    assert compare(campaigns).objects_touched.exists()


def test_an_object_without_such_fields_costs_no_call(connected_org, need, demo_org):
    need(Contact=("LastName",), since_months=None)
    read(connected_org)
    demo_org.forget_calls()
    assert compare(connected_org).state == "success"
    assert not demo_org.calls("/query")
    assert mirror(connected_org, "Contact").formulas_at is not None
