"""Installing and finding the billing objects: rights, the app, its people, and what belongs to another version."""

import io
import zipfile

import pytest
from django.utils import timezone

from billing import deploying, kinds, push
from billing.objects import BY_KEY, OBJECTS
from billing.package import package_of
from billing.preflight import check_now, settings_of
from integrations.access import Refusal
from integrations.models import SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce import metadata, rest
from integrations.salesforce.describe import read_object
from integrations.sync import runs

pytestmark = pytest.mark.django_db
OBJECT_NAMES = [
    "Metronome_Billable_Metric__c", "Metronome_Credit_Grant__c", "Metronome_Customer_Plan__c", "Metronome_Customer__c",
    "Metronome_Ingest_Alias__c", "Metronome_Invoice_Line_Item__c", "Metronome_Invoice__c", "Metronome_Plan__c",
]  # fmt: skip


@pytest.fixture
def deploy(connected_org):
    def go():
        run = deploying.request_deploy(connected_org, user=None, now=timezone.now())
        run.refresh_from_db()
        return run

    return go


def make_standard_user(org: SalesforceOrg) -> None:
    """Our user in Salesforce is no administrator any more."""
    with client_for(org, domain="billing") as client:
        profile = client.query_all("SELECT Id FROM Profile WHERE Name = 'Standard User'")[0]["Id"]
        rest.update_record(client, "User", org.user_id, {"ProfileId": profile})


def test_mt_02_nothing_of_the_first_version_is_written(connected_org, demo_org):
    """Version 1 keeps its customer id on the Account: version 2 lives beside it and never touches an account."""
    demo_org.control("packages", {"package": "billing"})
    check_now(connected_org, now=timezone.now())
    settings = settings_of(connected_org)
    assert not any(each.name == "Account" for each in BY_KEY.values())
    with client_for(connected_org, domain="billing") as client:
        account = read_object(client.describe("Account"))
    target = kinds.target_of(connected_org, settings, "customers")
    for field in ("Name", "Metronome_Customer_ID__c", "NOME__Metronome_Customer_ID__c"):
        assert "billing writes NOME__Metronome_Customer__c" in kinds.may_write(target, account, field)


def test_mt_03_without_the_rights_of_an_administrator_the_run_says_which_are_missing(connected_org, deploy):
    make_standard_user(connected_org)
    run = deploy()
    assert run.state == "failed"
    assert "Modify" in run.sentence or "Customize Application" in run.sentence
    with client_for(connected_org, domain="billing") as client:
        assert not [each["name"] for each in client.list_objects() if "Metronome" in each["name"]]


def test_mt_04_who_has_no_install_link_gets_the_same_package_as_a_file(client, cast):
    client.force_login(cast.olga)
    answer = client.get("/billing/package.zip")
    assert answer["Content-Disposition"] == 'attachment; filename="billing-package.zip"'
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert sorted(name for name in names if name.startswith("objects/")) == sorted(
        f"objects/{name}.object" for name in OBJECT_NAMES
    )


def test_mt_05_an_installed_package_is_there_for_all_users(connected_org, demo_org):
    demo_org.control("packages", {"package": "billing"})
    make_standard_user(connected_org)
    assert check_now(connected_org, now=timezone.now()) == []
    assert settings_of(connected_org).prefix == "NOME__"


def test_mt_07_people_get_the_app_with_the_permission_set(connected_org, demo_org, deploy):
    deploy()
    files = package_of().files(api_version="65.0")
    assert b"<application>Metronome</application>" in files["permissionsets/Metronome_User.permissionset"]
    given_set(connected_org, demo_org, namespace=None)


def test_mt_07_the_set_of_the_managed_package_is_given_where_that_is_installed(connected_org, demo_org):
    demo_org.control("packages", {"package": "billing"})
    check_now(connected_org, now=timezone.now())
    given_set(connected_org, demo_org, namespace="NOME")


def given_set(org: SalesforceOrg, demo_org, *, namespace: str | None) -> None:
    name = demo_org.info()["users"][-1]["username"]
    assert deploying.assign_people(org, [name, name, " "], actor=None, now=timezone.now()) == {name: ""}
    with client_for(org, domain="billing") as client:
        found = client.query_all(
            "SELECT PermissionSet.Label, PermissionSet.NamespacePrefix FROM PermissionSetAssignment "
            f"WHERE Assignee.Username = '{name}' AND PermissionSet.Name = 'Metronome_User'"
        )
    sets = [(row["PermissionSet"]["Label"], row["PermissionSet"]["NamespacePrefix"]) for row in found]
    assert sets == [("Metronome User Permission Set", namespace)]


def test_mt_07_a_name_that_fails_does_so_alone_and_lists_are_bounded(connected_org, demo_org, deploy):
    with pytest.raises(Refusal, match="Deploy the objects first"):
        deploying.assign_people(connected_org, ["a@example.com"], actor=None, now=timezone.now())
    deploy()
    good = demo_org.info()["users"][0]["username"]
    found = deploying.assign_people(connected_org, ["O'Neil@example.com", good], actor=None, now=timezone.now())
    assert found == {"O'Neil@example.com": "There is no active user with this name.", good: ""}
    with pytest.raises(Refusal, match="at most 200"):
        deploying.assign_people(connected_org, [f"u{n}@x.example" for n in range(201)], actor=None, now=timezone.now())


def test_mt_08_the_app_launcher_has_an_app_called_metronome_app(connected_org, deploy):
    deploy()
    with client_for(connected_org, domain="billing") as client:
        app = metadata.read_components(client, "CustomApplication", ["Metronome"])["Metronome"]
    assert app["label"] == "Metronome App"
    assert sorted(app["tabs"]) == OBJECT_NAMES


def test_mt_08_the_package_brings_the_same_app(connected_org, demo_org):
    demo_org.control("packages", {"package": "billing"})
    with client_for(connected_org, domain="billing") as client:
        app = metadata.read_components(client, "CustomApplication", ["NOME__Metronome"])["NOME__Metronome"]
    assert (app["label"], sorted(app["tabs"])) == ("Metronome App", [f"NOME__{name}" for name in OBJECT_NAMES])


def test_mt_09_once_the_package_is_there_the_connection_finds_it_by_itself(connected_org, demo_org):
    assert {lack.code for lack in check_now(connected_org, now=timezone.now())} == {"no_object"}
    assert not settings_of(connected_org).prefix_known
    demo_org.control("packages", {"package": "billing"})
    run = runs.request_run(push.JOB, org=connected_org, now=timezone.now())
    run.refresh_from_db()
    assert run.state == "success", run.sentence
    settings = settings_of(connected_org)
    assert (settings.prefix, settings.missing) == ("NOME__", [])


def test_mt_d15_a_package_that_nobody_looked_for_is_found_before_anything_is_deployed(connected_org, demo_org, deploy):
    demo_org.control("packages", {"package": "billing"})
    run = deploy()
    assert (run.state, "NOME__" in run.sentence) == ("failed", True)
    with client_for(connected_org, domain="billing") as client:
        names = [each["name"] for each in client.list_objects() if "Metronome" in each["name"]]
    assert len(names) == len(OBJECTS)


def test_mt_d15_a_deployment_that_goes_on_after_its_parts_were_counted_counts_them_once(connected_org, demo_org, monkeypatch):
    calls = []

    def lost(*args, **more):
        calls.append(args)
        raise SystemExit("the machine went down")

    monkeypatch.setattr(deploying.deploying, "assign_set", lost)
    with pytest.raises(SystemExit):
        deploying.request_deploy(connected_org, user=None, now=timezone.now())
    from integrations.models import Run

    run = Run.objects.get(job=deploying.JOB)
    before = run.objects_touched.get(name=deploying.PARTS).written
    monkeypatch.undo()
    assert (len(calls), before > 0, run.checkpoint["told"]) == (1, True, True)
    Run.objects.filter(pk=run.pk).update(state=Run.State.QUEUED, not_before=None)
    runs.perform_run(run.pk)
    run.refresh_from_db()
    assert run.state == "success", run.sentence
    assert run.objects_touched.get(name=deploying.PARTS).written == before
    assert len([call for call in demo_org.calls("deployRequest") if call["method"] == "POST"]) == 1
