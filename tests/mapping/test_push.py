"""From customers to Salesforce: linked ones only, prefixed fields only, converted, nothing twice."""

from datetime import UTC, datetime

import pytest
from django.utils import timezone

from integrations.models import Attribute, Customer, EndUser, OutboxTarget, RecordLink, Run
from integrations.sync.mapping import kinds, versions
from integrations.sync.mapping.body import FieldPair
from integrations.sync.matching.duplicates import choose_winner
from tests.mapping.work import change, codes_of, counts_of, link_customers, query, run_job, save

HEALTH = FieldPair("push", "attributes.health", "PX_Health__c")
USERS = FieldPair("push", "attributes.users", "PX_Active_Users_30d__c", accept_lossy=True)
PLAN = FieldPair("push", "attributes.plan", "PX_Plan__c", values={"Pro+": "Team"})
SEEN = FieldPair("push", "last_seen_at", "PX_Last_Seen__c")
ACTIVE = FieldPair("push", "attributes.active", "PX_Is_Active__c")
PAIRS = (HEALTH, USERS, PLAN, SEEN, ACTIVE)
FIELDS = "PX_Health__c, PX_Active_Users_30d__c, PX_Plan__c, PX_Last_Seen__c, PX_Is_Active__c"


@pytest.fixture
def linked(connected_org, account_mapping, cast):
    """Four accounts without product values, linked with customers that have some."""
    for key, kind in (("health", "STRING"), ("users", "NUMBER"), ("plan", "STRING"), ("active", "BOOLEAN")):
        Attribute.objects.create(entity="customer", key=key, label=key.title(), type=kind)
    records = query(connected_org, "SELECT Id, Name FROM Account WHERE PX_Health__c = null ORDER BY Id LIMIT 4")
    link_customers(
        connected_org, records, last_seen_at=datetime(2026, 11, 1, 12, 30, 15, 250_000, tzinfo=UTC),
        attributes=[
            {"health": "good", "users": "12", "plan": "Pro+", "active": True}, {"health": "bad", "users": "2.5", "plan": "team"},
            {"health": "x" * 41, "users": "1"}, {"plan": "Platinum"},
        ],
    )  # fmt: skip
    save(account_mapping, cast.olga, *PAIRS)
    return records


def held(org, records):
    """Values in Salesforce by the number of the customer."""
    ids = "','".join(each["Id"] for each in records)
    found = {each["Id"]: each for each in query(org, f"SELECT Id, {FIELDS} FROM Account WHERE Id IN ('{ids}')")}
    return [found[each["Id"]] for each in records]


def test_px_38_mapped_fields_of_linked_customers_arrive_converted(linked, connected_org):
    run = run_job("mapping.push", connected_org)
    first, second, third, fourth = held(connected_org, linked)
    assert (first["PX_Health__c"], first["PX_Active_Users_30d__c"], first["PX_Plan__c"]) == ("good", 12, "Team")
    assert first["PX_Is_Active__c"] is True
    assert first["PX_Last_Seen__c"].startswith("2026-11-01T12:30:15")
    assert (second["PX_Active_Users_30d__c"], second["PX_Plan__c"]) == (3, "Team")
    assert (third["PX_Health__c"], third["PX_Active_Users_30d__c"], fourth["PX_Plan__c"]) == (None, None, None)
    assert run.state == Run.State.PARTIAL
    assert counts_of(run, "Account") == {"written": 2, "failed": 2}
    assert codes_of(run, "Account") == {linked[2]["Id"]: "too_long", linked[3]["Id"]: "not_in_picklist"}
    assert counts_of(run, "customers") == {}


def test_r_118_a_second_push_with_nothing_changed_sends_nothing(linked, connected_org, demo_org):
    run_job("mapping.push", connected_org)
    demo_org.forget_calls()
    run = run_job("mapping.push", connected_org)
    assert counts_of(run, "Account") == {"unchanged": 2, "failed": 2}
    calls = demo_org.calls("/services/data/")
    assert not [call for call in calls if call["method"] != "GET"]
    assert len(calls) <= 5


def test_px_35_only_linked_records_are_pushed(linked, connected_org):
    Customer.objects.create(external_id="lonely", name="Lonely", attributes={"health": "good"})
    RecordLink.objects.filter(customer__external_id="c0").update(state="suspended", reason="Deleted in Salesforce.")
    RecordLink.objects.filter(customer__external_id="c1").delete()
    run = run_job("mapping.push", connected_org)
    assert codes_of(run, "Account") == {linked[2]["Id"]: "too_long", linked[3]["Id"]: "not_in_picklist"}
    assert codes_of(run, "customers") == {"c0": "suspended"}
    assert not any(each["PX_Health__c"] for each in held(connected_org, linked))


def test_px_d9_none_of_several_claims_is_pushed_until_one_wins(linked, connected_org, account_mapping, cast, now):
    rival = Customer.objects.create(external_id="rival", name="Rival", attributes={"health": "rival"}, last_seen_at=now)
    RecordLink.objects.create(org=connected_org, entity="customer", customer=rival, object="Account",
                              salesforce_id=linked[0]["Id"], rule="name")  # fmt: skip
    run = run_job("mapping.push", connected_org)
    codes = codes_of(run, "customers")
    assert (codes["c0"], codes["rival"]) == ("duplicate_link", "duplicate_link")
    assert held(connected_org, linked)[0]["PX_Health__c"] is None
    choose_winner(Customer.objects.get(external_id="c0"), org=connected_org, actor=cast.olga, now=now)
    run = run_job("mapping.push", connected_org)
    assert codes_of(run, "customers")["rival"] == "duplicate_link"
    assert held(connected_org, linked)[0]["PX_Health__c"] == "good"
    RecordLink.objects.update(wins=False)
    save(account_mapping, cast.olga, *PAIRS, most_active_wins=True)
    run_job("mapping.push", connected_org)
    assert held(connected_org, linked)[0]["PX_Health__c"] == "rival"


def test_px_36_the_door_lets_only_prefixed_fields_of_the_mapping_through(linked, connected_org):
    from integrations.sync.mapping.facts import describe

    info = describe(connected_org, "Account")
    assert info is not None
    target = OutboxTarget(org=connected_org, kind="mapping.customer", object="Account", key_field="Id")
    assert kinds.may_write(target, info, "PX_Health__c") == ""
    assert "PX_" in kinds.may_write(target, info, "Industry")
    other = describe(connected_org, "Workspace__c")
    assert other is not None
    assert "Account" in kinds.may_write(target, other, "PX_Health__c")


def test_px_d13_a_blank_clears_only_what_we_had_written(linked, connected_org):
    change(connected_org, "Account", linked[1]["Id"], PX_Health__c="theirs")
    Customer.objects.filter(external_id="c1").update(attributes={"users": "5"})
    run_job("mapping.push", connected_org)
    assert held(connected_org, linked)[1]["PX_Health__c"] == "theirs", "never written by us, so a blank sends nothing"
    Customer.objects.filter(external_id="c0").update(attributes={"plan": "Free"})
    run_job("mapping.push", connected_org)
    first = held(connected_org, linked)[0]
    assert (first["PX_Health__c"], first["PX_Active_Users_30d__c"], first["PX_Plan__c"]) == (None, None, "Free")
    assert first["PX_Is_Active__c"] is False


def test_r_117_pulling_and_pushing_settles(linked, connected_org, account_mapping, cast):
    pairs = (
        FieldPair("pull", "attributes.health", "Industry"),
        FieldPair("pull", "attributes.users", "NumberOfEmployees"),
        HEALTH,
        USERS,
    )
    for record in linked:
        change(connected_org, "Account", record["Id"], NumberOfEmployees=7)
    save(account_mapping, cast.olga, *pairs)
    for job in ("mirror.read", "mapping.pull", "mapping.push"):
        run_job(job, connected_org)
    for _ in range(3):
        for job in ("mirror.read", "mapping.pull", "mapping.push"):
            run = run_job(job, connected_org)
            assert run.state == Run.State.SUCCESS, run.sentence
            if job != "mirror.read":  # which sees once that the push touched the records
                assert "written" not in counts_of(run, "customers") | counts_of(run, "Account"), job
    assert [each["PX_Active_Users_30d__c"] for each in held(connected_org, linked)] == [7] * 4


def test_r_053_a_pushed_field_that_is_hidden_costs_only_itself(linked, connected_org, demo_org, account_mapping):
    from django.core.cache import cache

    demo_org.settings(hidden_fields={"Account": ["PX_Plan__c"]})
    cache.clear()
    run = run_job("mapping.push", connected_org)
    soql = f"SELECT PX_Health__c FROM Account WHERE Id = '{linked[0]['Id']}'"
    first = query(connected_org, soql)[0]
    assert first["PX_Health__c"] == "good"
    assert run.state == Run.State.PARTIAL
    assert codes_of(run, "Mapped fields") == {"Account: attributes.plan → PX_Plan__c": "unknown_field"}
    account_mapping.refresh_from_db()
    assert [each["what"] for each in account_mapping.set_aside] == ["attributes.plan → PX_Plan__c"]


def test_px_46_end_users_go_to_contacts(connected_org, contact_mapping, cast):
    Attribute.objects.create(entity="end_user", key="role", label="Role", type="STRING")
    record = query(connected_org, "SELECT Id, Name FROM Contact WHERE PX_Role__c = null ORDER BY Id LIMIT 1")[0]
    user = EndUser.objects.create(external_id="u1", name="Jo", attributes={"role": "Admin"})
    RecordLink.objects.create(
        org=connected_org, entity="end_user", end_user=user, object="Contact", salesforce_id=record["Id"], rule="manual"
    )
    save(contact_mapping, cast.olga, FieldPair("push", "attributes.role", "PX_Role__c"))
    run = run_job("mapping.push", connected_org)
    assert run.state == Run.State.SUCCESS, run.sentence
    assert query(connected_org, f"SELECT PX_Role__c FROM Contact WHERE Id = '{record['Id']}'")[0]["PX_Role__c"] == "Admin"


def test_a_paused_mapping_pushes_nothing(linked, connected_org, account_mapping, cast):
    versions.set_state(account_mapping, "paused", user=cast.olga, now=timezone.now())
    run = run_job("mapping.push", connected_org)
    assert run.state == Run.State.SUCCESS
    assert not any(each["PX_Health__c"] for each in held(connected_org, linked))
