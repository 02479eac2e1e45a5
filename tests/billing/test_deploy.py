"""Our own objects in an org without the package (MT-D15, MT-D16), and the preflight."""

import io
import zipfile

import pytest
from django.utils import timezone

from billing import deploying, push
from billing.objects import OBJECTS
from billing.package import package_of
from billing.preflight import check_now, settings_of
from billing.saving import save_rows
from integrations.access import Refusal
from integrations.orgs.connect import client_for
from integrations.sync import runs
from tests.patience import worker_that_waits_for_nothing


@pytest.fixture
def deploy(connected_org):
    def go():
        run = deploying.request_deploy(connected_org, user=None, now=timezone.now())
        run.refresh_from_db()
        return run

    return go


def test_mt_d15_the_package_is_whole_and_deterministic():
    package = package_of()
    assert package.problems() == []
    data = package.zipped(api_version="65.0")
    assert data == package.zipped(api_version="65.0")
    names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    assert {name.partition("/")[0] for name in names} == {
        "package.xml", "objects", "permissionsets", "tabs", "applications", "layouts",
    }  # fmt: skip
    assert len([name for name in names if name.startswith("objects/")]) == 8


@pytest.mark.django_db
def test_mt_d15_an_empty_org_gets_the_objects_and_then_the_rows(connected_org, demo_org, deploy):
    assert len(check_now(connected_org, now=timezone.now())) == 8
    run = deploy()
    assert (run.state, run.sentence) == ("success", run.sentence)
    assert check_now(connected_org, now=timezone.now()) == []
    assert (settings_of(connected_org).prefix, settings_of(connected_org).prefix_known) == ("", True)
    save_rows("plans", [{"id": "p", "name": "Pro"}], source="api", now=timezone.now())
    pushed = runs.request_run(push.JOB, org=connected_org, now=timezone.now())
    pushed.refresh_from_db()
    assert pushed.state == "success", pushed.sentence
    with client_for(connected_org, domain="billing") as client:
        found = client.query_all("SELECT Name__c, Metronome_Plan_ID__c FROM Metronome_Plan__c")
    assert [row["Name__c"] for row in found] == ["Pro"]


@pytest.mark.django_db
def test_mt_d15_deploying_again_changes_nothing(deploy):
    deploy()
    again = deploy()
    assert again.state == "success"
    assert again.objects_touched.get(name="Parts of the package").failed == 0


@pytest.mark.django_db
def test_mt_d15_nothing_is_deployed_beside_the_managed_package(connected_org, demo_org, deploy):
    demo_org.control("packages", {"package": "billing"})
    check_now(connected_org, now=timezone.now())
    with pytest.raises(Refusal, match="NOME__"):
        deploy()


@pytest.mark.django_db
def test_mt_06_a_slow_deployment_is_followed_to_its_end(connected_org, demo_org, deploy):
    demo_org.settings(deploy_seconds=3600)
    with worker_that_waits_for_nothing(deploying):
        run = deploy()
    assert run.state == "queued"
    assert "eploy" in run.sentence or run.not_before is not None
    sent = len(demo_org.calls("deployRequest"))
    demo_org.control("clock", {"advance": 3601})
    type(run).objects.filter(pk=run.pk).update(not_before=None)
    runs.perform_run(run.pk)
    run.refresh_from_db()
    assert run.state == "success", run.sentence
    posts = [call for call in demo_org.calls("deployRequest") if call["method"] == "POST"]
    assert (len(posts), sent > 0) == (1, True)


@pytest.mark.django_db
def test_mt_d16_people_get_the_reading_set(connected_org, demo_org, deploy):
    deploy()
    name = demo_org.control("info")["users"][0]["username"]
    found = deploying.assign_people(connected_org, [name, "nobody@example.com"], actor=None, now=timezone.now())
    assert found[name] == ""
    assert "no active user" in found["nobody@example.com"]


@pytest.mark.django_db
def test_preflight_names_a_field_that_is_too_small(connected_org, demo_org):
    from integrations.salesforce.describe import read_object

    demo_org.control("packages", {"package": "billing"})
    with client_for(connected_org, domain="billing") as client:
        data = client.describe("NOME__Metronome_Invoice__c")
    from billing.objects import INVOICE
    from billing.preflight import lacks_of

    assert lacks_of(INVOICE, read_object(data), "NOME__") == []
    changed = {
        "NOME__Total__c": {"precision": 10}, "NOME__Status__c": {"type": "string"}, "NOME__Customer__c": {"referenceTo": ["Account"]},
        "NOME__Metronome_Invoice_ID__c": {"externalId": False}, "NOME__Currency__c": {"length": 3}, "NOME__End__c": {"createable": False, "updateable": False},
    }  # fmt: skip
    for field in data["fields"]:
        field.update(changed.get(field["name"], {}))
    data["fields"] = [each for each in data["fields"] if each["name"] != "NOME__Start__c"]
    codes = {lack.code for lack in lacks_of(INVOICE, read_object(data), "NOME__")}
    assert codes == {"too_small", "other_type", "other_parent", "no_external_id", "too_short", "read_only", "no_field"}
    assert [lack.code for lack in lacks_of(INVOICE, None, "")] == ["no_object"]
    assert len(OBJECTS) == 8


@pytest.mark.django_db
def test_mt_d1_the_junction_is_the_other_way_to_have_several_accounts(connected_org, demo_org, deploy):
    from billing import linking
    from billing.models import BillingCustomer

    demo_org.control("packages", {"package": "billing"})
    settings = settings_of(connected_org)
    settings.many_accounts, settings.scope = "junction", "all"
    settings.save()
    lacks = check_now(connected_org, now=timezone.now())
    assert [lack.object for lack in lacks] == ["Metronome_Customer_Account__c"]
    run = deploy()
    assert run.state == "success", run.sentence
    assert check_now(connected_org, now=timezone.now()) == []
    save_rows("customers", [{"id": "acme", "name": "Acme"}], source="api", now=timezone.now())
    with client_for(connected_org, domain="billing") as client:
        accounts = [row["Id"] for row in client.query_all("SELECT Id FROM Account ORDER BY Id LIMIT 2")]
        customer = BillingCustomer.objects.get()
        links = [
            linking.link_account(customer, org=connected_org, account_id=each, actor=None, now=timezone.now())
            for each in accounts
        ]
        for expected in (accounts, accounts[:1]):
            pushed = runs.request_run(push.JOB, org=connected_org, now=timezone.now())
            pushed.refresh_from_db()
            assert pushed.state == "success", pushed.sentence
            found = client.query_all(
                "SELECT Account__c, Customer__r.NOME__Metronome_Customer_ID__c FROM Metronome_Customer_Account__c ORDER BY Account__c"
            )
            assert [row["Account__c"] for row in found] == expected
            assert {row["Customer__r"]["NOME__Metronome_Customer_ID__c"] for row in found} == {"acme"}
            assert client.count("SELECT count() FROM NOME__Metronome_Customer__c") == 1
            linking.unlink_account(links[1], actor=None, now=timezone.now())
