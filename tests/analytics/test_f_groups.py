"""Groups: kept from a number, made a segment, sent to Salesforce as campaign members or as a field (FZ-D14)."""

import pytest
from django.urls import reverse
from django.utils import timezone

from analytics.acting import groups, kinds, places, sending
from analytics.acting.members import Member
from analytics.models import Analysis, Group, GroupMember, GroupPush, Result
from integrations.access import Refusal
from integrations.models import Customer, RecordLink, Run
from integrations.orgs.connect import client_for
from tests.analytics.cast import AS_OF, make_customers

CELL = {"block": "x", "key": "y"}


@pytest.fixture
def result(org) -> Result:
    analysis = Analysis.objects.create(org=org, kind="retention", digest="d")
    return Result.objects.create(analysis=analysis, state=Result.State.DONE, as_of=AS_OF, facts="f")


def keep(result: Result, rows, **more) -> Group:
    known = {"name": "At risk", "words": "Left within 90 days", "actor": None, "now": timezone.now()}
    return groups.keep_group(result, CELL, rows, **(known | more))


def rows_of(customers, accounts=()):
    accounts = list(accounts) + [""] * len(customers)
    return [
        {"subject": f"c{each.pk}", "customer_id": each.pk, "account_id": account}
        for each, account in zip(customers, accounts, strict=False)
    ]


def test_fz_d14_a_group_keeps_the_customers_behind_a_number(result):
    customers = make_customers(3)
    group = keep(
        result,
        [*rows_of(customers), {"subject": "001000000000001AAA", "customer_id": None, "account_id": "001000000000001AAA"}],
    )
    assert group.members.count() == 4
    assert list(group.members.exclude(account_id="").values_list("customer", "account_id")) == [(None, "001000000000001AAA")]
    with pytest.raises(Refusal) as error:
        keep(result, rows_of(customers), name="AT RISK")
    assert error.value.code == "name_taken"


@pytest.mark.parametrize(
    ("rows", "name", "code"),
    [([], "x", "nobody"), ([{"subject": "a"}], "  ", "no_name"), ([{"subject": "a"}], "x" * 121, "no_name")],
)
def test_a_group_that_cannot_be_kept_says_why(result, rows, name, code):
    with pytest.raises(Refusal) as error:
        keep(result, rows, name=name)
    assert error.value.code == code
    assert not Group.objects.exists()


def test_fz_d14_a_segment_holds_the_customers_of_the_group_and_no_others(result, cast):
    customers = make_customers(5)
    group = keep(result, rows_of(customers[:3]))
    segment = groups.make_segment(group, actor=cast.olga, now=timezone.now())
    assert groups.make_segment(Group.objects.get(pk=group.pk), actor=None, now=timezone.now()) == segment
    found = set(Customer.objects.filter(attributes__has_key=groups.attribute_key(group)).values_list("pk", flat=True))
    assert found == {each.pk for each in customers[:3]}
    assert segment.conditions["all"][0]["field"] == f"attributes.group_{group.pk}"


def test_a_customer_that_was_erased_meanwhile_is_kept_as_an_account_only(result):
    gone = make_customers(1)[0]
    Customer.objects.filter(pk=gone.pk).update(erased_at=timezone.now())
    group = keep(result, rows_of([gone], ["001000000000001AAA"]))
    assert group.members.get().customer is None


# --- Salesforce -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def sold(connected_org):
    """A group of three accounts of the demo org with contacts, and one without."""
    with client_for(connected_org, domain="analytics") as client:
        with_people = client.query_all(
            "SELECT AccountId FROM Contact WHERE AccountId != null GROUP BY AccountId ORDER BY AccountId LIMIT 3"
        )
        accounts = [row["AccountId"] for row in with_people]
        empty = client.request("POST", "sobjects/Account", json={"Name": "Nobody here"}).json()["id"]
    analysis = Analysis.objects.create(org=connected_org, kind="retention", digest="d")
    result = Result.objects.create(analysis=analysis, state=Result.State.DONE, as_of=AS_OF, facts="f")
    return keep(result, rows_of(make_customers(4), [*accounts, empty]))


def query(org, soql: str):
    with client_for(org, domain="analytics") as client:
        return client.query_all(soql)


def deploy(group: Group) -> Run:
    run = sending.request_fields(group.org, actor=None, now=timezone.now())
    run.refresh_from_db()
    return run


def draft(group: Group, **more) -> GroupPush:
    return sending.draft_push(group, actor=None, now=timezone.now(), **more)


def finish(run: Run) -> Run:
    run.refresh_from_db()
    assert run.state == Run.State.SUCCESS, (
        run.state,
        run.sentence,
        list(run.objects_touched.values_list("name", "failed", "skipped")),
    )
    return run


def test_fz_d14_a_field_of_the_accounts_is_written_after_its_preview_and_taken_back(sold):
    with pytest.raises(Refusal) as error:
        draft(sold, way="field", field="CW_Group__c", value="At risk")
    assert error.value.code == "missing_fields"
    finish(deploy(sold))
    push = draft(sold, way="field", field="cw_group__c", value="At risk")
    with pytest.raises(Refusal) as error:
        sending.send_push(push, actor=None, now=timezone.now())
    assert error.value.code == "not_previewed"
    finish(sending.preview_push(push, actor=None, now=timezone.now()))
    assert not query(sold.org, "SELECT Id FROM Account WHERE CW_Group__c != null")
    push.refresh_from_db()
    finish(sending.send_push(push, actor=None, now=timezone.now()))
    written = query(sold.org, "SELECT Id, CW_Group__c FROM Account WHERE CW_Group__c != null")
    assert {row["Id"] for row in written} == set(sold.members.values_list("account_id", flat=True))
    assert {row["CW_Group__c"] for row in written} == {"At risk"}
    run = sending.take_back(push, actor=None, now=timezone.now())
    assert run is not None
    finish(run)
    assert not query(sold.org, "SELECT Id FROM Account WHERE CW_Group__c != null")
    push.refresh_from_db()
    assert push.state == GroupPush.State.ENDED


def test_fz_d14_campaign_members_are_made_once_beside_those_that_others_made(sold):
    finish(deploy(sold))
    campaign = query(sold.org, "SELECT Id, Name FROM Campaign ORDER BY Id LIMIT 1")[0]
    account = sold.members.order_by("pk").first().account_id
    stranger = query(sold.org, f"SELECT Id FROM Contact WHERE AccountId = '{account}' ORDER BY Id LIMIT 1")[0]["Id"]
    with client_for(sold.org, domain="analytics") as client:
        members = query(
            sold.org, f"SELECT Id FROM CampaignMember WHERE CampaignId = '{campaign['Id']}' AND ContactId = '{stranger}'"
        )
        if not members:
            client.request("POST", "sobjects/CampaignMember", json={"CampaignId": campaign["Id"], "ContactId": stranger})
    push = draft(sold, way="campaign", campaign_id=campaign["Id"][:15])
    assert push.campaign == campaign["Name"]
    preview = sending.preview_push(push, actor=None, now=timezone.now())
    finish(preview)
    push.refresh_from_db()
    for _ in range(2):  # I-04
        run = finish(sending.send_push(push, actor=None, now=timezone.now()))
    ids = ", ".join(f"'{each}'" for each in sold.members.values_list("account_id", flat=True))
    wanted = {row["Id"] for row in query(sold.org, f"SELECT Id FROM Contact WHERE AccountId IN ({ids})")}
    made = query(
        sold.org, f"SELECT ContactId FROM CampaignMember WHERE CampaignId = '{campaign['Id']}' AND CW_Member_Key__c != null"
    )
    assert {row["ContactId"] for row in made} == wanted - {stranger}
    assert len(made) == len(wanted) - 1
    assert run.objects_touched.get(name="CampaignMember").skipped >= 1
    back = sending.take_back(push, actor=None, now=timezone.now())
    assert back is not None
    finish(back)
    assert not query(
        sold.org, f"SELECT Id FROM CampaignMember WHERE CampaignId = '{campaign['Id']}' AND CW_Member_Key__c != null"
    )
    assert query(sold.org, f"SELECT Id FROM CampaignMember WHERE CampaignId = '{campaign['Id']}' AND ContactId = '{stranger}'")


def test_only_linked_contacts_who_use_the_product_become_members_when_asked(sold):
    finish(deploy(sold))
    from integrations.models import EndUser

    member = sold.members.order_by("pk").first()
    contact = query(sold.org, f"SELECT Id FROM Contact WHERE AccountId = '{member.account_id}' ORDER BY Id LIMIT 1")[0]["Id"]
    user = EndUser.objects.create(external_id="u1", customer=member.customer)
    RecordLink.objects.create(
        org=sold.org, entity="end_user", end_user=user, object="Contact", salesforce_id=contact, rule="manual"
    )
    campaign = query(sold.org, "SELECT Id FROM Campaign ORDER BY Id DESC LIMIT 1")[0]["Id"]
    push = draft(sold, way="campaign", campaign_id=campaign, people="users")
    from analytics.acting.members import find_members

    found = find_members(sold.org, [push])
    keys = {each.key for each in found.wanted} | set(found.present)
    assert keys == {Member(campaign, contact).key}
    assert len(found.without_contact) == 3


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"way": "letter"}, "unknown_way"),
        ({"way": "campaign", "campaign_id": "nonsense"}, "unknown_campaign"),
        ({"way": "campaign", "campaign_id": "701000000000000AAA"}, "missing_fields"),
        ({"way": "field", "field": "Name", "value": "x"}, "missing_fields"),
    ],
)
def test_a_push_that_cannot_be_says_why(sold, given, code):
    with pytest.raises(Refusal) as error:
        draft(sold, **given)
    assert error.value.code == code


@pytest.mark.parametrize(
    ("type_", "value", "is_fine"),
    [
        ("boolean", "yes", False),
        ("boolean", "TRUE", True),
        ("string", " ", False),
        ("picklist", "Gold", True),
        ("picklist", "Tin", False),
    ],
)
def test_a_value_must_fit_the_field(type_, value, is_fine):
    assert (places.value_problem(places.Target("CW_X__c", "X", type_, ("Gold", "Silver")), value) == "") is is_fine


def test_of_two_groups_the_later_one_counts_and_one_that_ends_takes_only_its_own_away(result):
    customers = make_customers(3)
    first = keep(result, rows_of(customers[:2], ["a1", "a2"]))
    second = keep(result, rows_of(customers[1:], ["a2", "a3"]), name="Second")
    pushes = [
        GroupPush.objects.create(group=first, way="field", field="CW_Group__c", value="1", state=GroupPush.State.ENDING),
        GroupPush.objects.create(group=second, way="field", field="CW_Group__c", value="2", state=GroupPush.State.ACTIVE),
        GroupPush.objects.create(group=second, way="field", field="CW_Flag__c", value="true", state=GroupPush.State.ENDING),
    ]
    rows = {row["key"]: row for row in kinds.flag_rows(pushes).to_pylist()}
    assert {key: row["CW_Group__c"] for key, row in rows.items()} == {"a1": None, "a2": "2", "a3": "2"}
    assert {key: row["CW_Flag__c"] for key, row in rows.items()} == {"a1": None, "a2": "false", "a3": "false"}
    assert rows["a1"]["absent"] == "CW_Flag__c"


# --- pages ------------------------------------------------------------------------------------------------------------------


def test_the_pages_of_groups(client, result, cast):
    client.force_login(cast.olga)
    assert b"No group yet" in client.get(reverse("analytics:groups")).content
    group = keep(result, rows_of(make_customers(2), ["001000000000001AAA"]))
    assert b"At risk" in client.get(reverse("analytics:groups")).content
    page = client.get(reverse("analytics:group", args=[group.pk])).content.decode()
    assert "2 customers" in page
    assert "Make a segment" in page
    lines = b"".join(client.get(reverse("analytics:group_csv", args=[group.pk])).streaming_content).decode().splitlines()
    assert lines[0] == "subject,customer,name,account_id"
    assert len(lines) == 3
    client.post(reverse("analytics:group_segment", args=[group.pk]))
    group.refresh_from_db()
    assert group.segment is not None
    client.post(reverse("analytics:group_archive", args=[group.pk]))
    group.refresh_from_db()
    assert group.archived_at is not None


def test_a_group_that_stands_in_salesforce_is_not_archived(result):
    group = keep(result, rows_of(make_customers(1), ["001000000000001AAA"]))
    GroupPush.objects.create(group=group, way="field", field="CW_Group__c", value="1", state=GroupPush.State.ACTIVE)
    with pytest.raises(Refusal) as error:
        groups.archive(group, actor=None, now=timezone.now())
    assert error.value.code == "in_salesforce"
    assert GroupMember.objects.filter(group=group).count() == 1


# --- API --------------------------------------------------------------------------------------------------------------------


def test_the_api_of_groups(client, result, cast):
    client.force_login(cast.olga)
    group = keep(result, rows_of(make_customers(2), ["001000000000001AAA"]))
    listed = client.get("/api/v1/analytics/groups/").json()
    assert [each["members"] for each in listed["results"]] == [2]
    members = client.get(f"/api/v1/analytics/groups/{group.pk}/members/").json()["results"]
    assert [each["account_id"] for each in members] == ["001000000000001AAA", None]
    made = client.post(f"/api/v1/analytics/groups/{group.pk}/segment/", content_type="application/json").json()
    assert made["segment"]
    refused = client.post(
        f"/api/v1/analytics/groups/{group.pk}/send/", {"way": "field", "fild": "x"}, content_type="application/json"
    )
    assert refused.status_code == 400
    assert "fild" in str(refused.json())


def test_a_group_goes_to_salesforce_by_the_api(client, sold, cast):
    client.force_login(cast.olga)
    finish(deploy(sold))
    body = {"way": "field", "field": "CW_Group__c", "value": "At risk"}
    sent = client.post(f"/api/v1/analytics/groups/{sold.pk}/send/", body, content_type="application/json")
    assert sent.status_code == 201, sent.content
    push = sent.json()
    assert push["state"] == "draft"
    done = client.post(f"/api/v1/analytics/groups/{sold.pk}/pushes/{push['id']}/send/", content_type="application/json").json()
    assert done["state"] == "active"
    assert len(query(sold.org, "SELECT Id FROM Account WHERE CW_Group__c = 'At risk'")) == 4
    client.force_login(cast.ana)
    denied = client.post(f"/api/v1/analytics/groups/{sold.pk}/pushes/{push['id']}/take-back/", content_type="application/json")
    assert denied.status_code == 403


def test_a_customer_that_was_merged_meanwhile_stands_in_the_segment_by_its_survivor(result, cast):
    gone, survivor, other = make_customers(3)
    group = keep(result, rows_of([gone, other]))
    Customer.objects.filter(pk=gone.pk).update(merged_into=survivor)
    groups.make_segment(group, actor=cast.olga, now=timezone.now())
    found = set(Customer.objects.filter(attributes__has_key=groups.attribute_key(group)).values_list("pk", flat=True))
    assert found == {survivor.pk, other.pk}
