"""What the check finds missing in an org, and how it says so."""

from dataclasses import asdict

import pytest
from django.utils import timezone

from integrations import alerts
from integrations.orgs.connect import client_for
from integrations.salesforce import metadata
from integrations.salesforce.describe import read_object
from integrations.sync import runs
from provisioning.connection import settings_of
from provisioning.models import Provision
from provisioning.salesforce import alarms, checking, deploying, flow, package, watching
from provisioning.salesforce.checking import Lack

pytestmark = pytest.mark.django_db


@pytest.fixture
def org(connected_org):
    """Nothing of it may call this machine: fields, sets and layouts only."""
    connected_org.environment = "sandbox"
    connected_org.save()
    return connected_org


def check(org) -> list[Lack]:
    return checking.check_now(org, now=timezone.now())


def test_st_19_an_empty_org_lacks_each_field_with_the_way_out(org):
    lacks = {f"{each.object}.{each.field}": each for each in check(org) if each.code == "no_field"}
    assert set(lacks) == {each.full_name for each in package.wanted_fields(package.Names(), cpq=False)}
    needed = {name for name, each in lacks.items() if not each.is_advice}
    assert needed == {"Product2.Stigg_Type__c", "Product2.Stigg_ID__c", "Account.Stigg_Customer_ID__c"}
    one = lacks["Product2.Stigg_ID__c"]
    assert "not visible to the integration user" in one.message  # Salesforce does not tell the two apart
    assert "Deploy" in one.fix


def test_fls_a_field_that_our_user_does_not_see_is_missing_as_long_as_the_set_does_not_show_it(org, demo_org):
    deploying.request_deploy(org, user=None, now=timezone.now())
    assert not [each for each in check(org) if not each.is_advice]
    demo_org.settings(hidden_fields={"Product2": ["Stigg_ID__c"]})
    (lack,) = [each for each in check(org) if not each.is_advice]
    assert (lack.object, lack.field, lack.code) == ("Product2", "Stigg_ID__c", "no_field")
    demo_org.settings(hidden_fields={})


def test_the_answers_are_kept_for_pages(org):
    found = check(org)
    settings = settings_of(org)
    assert checking.read_lacks(settings) == found
    assert settings.lacks == [asdict(each) for each in found]
    assert settings.checked_at is not None
    settings.lacks = [{"object": "Account", "code": "x", "message": "An older shape."}, "nonsense"]
    assert [each.message for each in checking.read_lacks(settings)] == ["An older shape."]


def described(org, name, **changes):
    """The describe of an object after the deployment, with changes to its fields by name."""
    with client_for(org, domain="provisioning") as client:
        data = client.describe(name)
    for field in data["fields"]:
        field.update(changes.get(field["name"], {}))
    data["fields"] = [
        each for each in data["fields"] if changes.get(each["name"], {}) != {"gone": True} and not each.get("gone")
    ]
    return data


def test_each_kind_of_difference_has_its_code(org):
    deploying.request_deploy(org, user=None, now=timezone.now())

    def codes(name, data):
        wanted = [each for each in package.wanted_fields(package.Names(), cpq=False) if each.object == name]
        return {each.field: each.code for each in checking.lacks_of(name, read_object(data), wanted)}

    choices = [{"active": True, "defaultValue": False, "label": "Plan", "validFor": None, "value": "Plan"}]
    assert codes("Product2", described(org, "Product2")) == {}
    changed = described(org, "Product2", Stigg_Type__c={"picklistValues": choices}, Stigg_ID__c={"type": "double"},
                        Stigg_Unlimited__c={"gone": True})  # fmt: skip
    assert codes("Product2", changed) == {
        "Stigg_Type__c": "no_value",
        "Stigg_ID__c": "other_type",
        "Stigg_Unlimited__c": "no_field",
    }
    free = described(org, "Product2", Stigg_Type__c={"type": "string", "restrictedPicklist": False, "picklistValues": []})
    assert codes("Product2", free) == {}
    fixed = described(org, "Account", Stigg_Customer_ID__c={"updateable": False})
    assert codes("Account", fixed) == {"Stigg_Customer_ID__c": "read_only"}
    closed = {**described(org, "Opportunity"), "updateable": False}
    assert set(codes("Opportunity", closed).values()) == {"no_rights"}
    assert [each.code for each in checking.lacks_of("Account", None, [])] == ["no_object"]


def test_st_d3_named_date_fields_must_be_somewhere(org):
    settings = settings_of(org)
    settings.start_field, settings.term_field = "ServiceDate", "Term__c"
    settings.save()
    found = {each.field: each for each in check(org) if each.field in ("ServiceDate", "Term__c")}
    assert set(found) == {"Term__c"}
    assert "settings" in found["Term__c"].fix


@pytest.mark.parametrize(("edition", "small"), [
    ("Professional Edition", True), ("Group Edition", True), ("Enterprise Edition", False), ("Developer Edition", False),
    ("Unlimited Edition", False), ("", False),
])  # fmt: skip
def test_st_11_editions_below_enterprise_are_named(edition, small):
    found = checking.edition_lacks(edition)
    assert [each.code for each in found] == (["edition"] if small else [])
    assert not found or ("Enterprise" in found[0].message and found[0].is_advice)


def test_st_38_one_flow_is_fine_none_and_two_are_said():
    won = flow.callout_flow().element()
    poc = {**won, "start": {**won["start"], "filters": [{**won["start"]["filters"][0], "value": {"booleanValue": False}}]}}
    assert [each.code for each in checking.flow_lacks({})] == ["no_flow"]
    assert checking.flow_lacks({"A": won}) == []
    assert checking.flow_lacks({"A": won, "For_trials": poc}) == []
    (lack,) = checking.flow_lacks({f"F{number}": won for number in range(8)})
    assert (lack.code, "and 3 more" in lack.message, "all but one" in lack.fix) == ("two_flows", True, True)


def test_a_user_who_may_not_look_is_told_and_nothing_else_stops(org, demo_org):
    fault = (
        '<?xml version="1.0"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><e:Fault>'
        "<faultcode>sf:INSUFFICIENT_ACCESS</faultcode><faultstring>INSUFFICIENT_ACCESS: not allowed</faultstring>"
        "</e:Fault></e:Body></e:Envelope>"
    )
    demo_org.fault(path="/services/Soap/m/", times=20, status=500, headers={"Content-Type": "text/xml"}, body=fault)
    found = check(org)
    assert [each.code for each in found if each.object == "Flow"] == ["not_checked"]
    assert "View Setup" in next(each.fix for each in found if each.code == "not_checked")
    assert [each for each in found if each.code == "no_field"]


def test_our_address_is_known_in_every_spelling(settings):
    settings.BASE_URL = "https://causeway.example.com"
    assert all(checking.is_our_address(each) for each in (
        "https://causeway.example.com", "https://Causeway.example.com/api/v1/provisioning/salesforce/x/",
        "https://causeway.example.com?x=1",
    ))  # fmt: skip
    assert not any(checking.is_our_address(each) for each in (
        "https://causeway.example.com.evil.example", "https://other.example.com", "", "http://causeway.example.com",
    ))  # fmt: skip


def test_components_are_read_by_their_own_names_only(org, demo_org):
    demo_org.forget_calls()
    check(org)
    assert len(demo_org.calls("/services/Soap/m/")) <= 4
    with client_for(org, domain="provisioning") as client:
        assert metadata.read_components(client, "Flow", [flow.NAME]) == {}


def open_codes(org):
    return sorted(alerts.open_alerts().filter(org=org).values_list("code", flat=True))


def test_st_38_two_flows_raise_one_alert_that_ends_with_them(org, now):
    for together, expected in (("A, B", ["two_flows"]), ("A, B", ["two_flows"]), (None, ["two_flows"]), ("", [])):
        alarms.tell(org, together=together, missing=[], now=now)
        assert open_codes(org) == expected, together


def test_an_org_that_worked_and_lacks_something_raises_an_alert_and_one_in_the_making_does_not(org, now):
    missing = [f"Field {number} is gone." for number in range(7)]
    alarms.tell(org, together="", missing=missing, now=now)
    assert open_codes(org) == []
    Provision.objects.create(org=org, opportunity_id="006000000000001AAA", slot="contract", kind="won", source="poll")
    alarms.tell(org, together="", missing=missing, now=now)
    alert = alerts.open_alerts().get(org=org)
    assert (alert.code, "And 2 more" in alert.body, alert.url) == ("lacks", True, f"/provisioning/connections/{org.pk}/set-up/")
    alarms.tell(org, together="", missing=[], now=now)
    assert open_codes(org) == []


def test_the_daily_check_looks_only_where_provisioning_was_set_up(org):
    assert not watching.is_enabled(org)
    assert check(org)
    assert watching.is_enabled(org)
    run = runs.request_run(watching.JOB, org=org, now=timezone.now())
    run.refresh_from_db()
    row = run.objects_touched.get(name="Check")
    assert (run.state, row.failed > 0, row.skipped > 0) == ("partial", True, True)
    codes = {each.code for each in row.rows.all()}
    assert {"no_field", "no_credential", "no_flow"} <= codes
    settings = settings_of(org)
    settings.removed_at = timezone.now()
    settings.save()
    assert not watching.is_enabled(org)
    org.provisioning_enabled = False
    assert not watching.is_enabled(org)
