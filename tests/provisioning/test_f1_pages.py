"""The set-up pages: steps with their state, for whom they open, what each button does, secrets that are shown once or never."""

import io
import zipfile

import pytest
from django.utils import timezone

from integrations.models import SalesforceOrg
from provisioning.connection import find_key, settings_of
from provisioning.salesforce import checking, deploying, flow, guide

pytestmark = pytest.mark.django_db


def path(org, rest: str = "") -> str:
    return f"/provisioning/connections/{org.pk}/set-up/{rest}"


def test_st_13_to_st_28_the_steps_are_there_in_order_before_anything_is_done(client, cast, connected_org):
    client.force_login(cast.ada)
    text = client.get(path(connected_org)).content.decode()
    titles = ["Connect the org", "Put it into Salesforce", "Let people see and call", "Store the integration key", "Map products",
              "Activate the flow"]  # fmt: skip
    places = [text.index(f"{number}. {title}") for number, title in enumerate(titles, start=1)]
    assert places == sorted(places)
    for words in ("Stigg_Type__c", "Opportunity - Subscription Template", "External Credentials › Causeway", "Save As New"):
        assert words in text
    assert text.count("Not checked yet") == 4


def test_the_steps_follow_what_the_check_found(connected_org):
    settings = settings_of(connected_org)

    def states(*codes, checked=True, can_call=True, key="x"):
        settings.checked_at, settings.callout_key_digest = (timezone.now() if checked else None), key
        lacks = [
            checking.Lack(*{"no_field": ("Account", "F__c"), "two_flows": ("Flow", ""), "no_flow": ("Flow", ""),
                            "no_credential": ("NamedCredential", "")}.get(code, ("ExternalCredential", "")),
                          code, "m", "f", code != "no_field")
            for code in codes
        ]  # fmt: skip
        found = {each.key: each.state for each in guide.steps_of(connected_org, settings, lacks, can_call=can_call)}
        return [found[each] for each in ("deploy", "key", "flow")]

    assert states(checked=False) == ["unknown", "unknown", "unknown"]
    assert states() == ["done", "done", "done"]
    assert states("no_field") == ["open", "done", "done"]
    assert states("no_credential", "no_flow") == ["advised", "done", "advised"]
    assert states("no_key", "two_flows", key="") == ["done", "open", "advised"]
    assert states("key_not_stored") == ["done", "advised", "done"]
    assert states("no_flow", can_call=False) == ["done", "advised", "advised"]


@pytest.mark.parametrize(("person", "page", "expected"), [
    ("jane", "", 403), ("olga", "", 200), ("ada", "", 200), ("olga", "key/", 403), ("olga", "people/", 403), ("olga", "flows/", 403),
    ("ada", "key/", 200), ("ada", "people/", 200), ("olga", "package.zip", 200), ("jane", "package.zip", 403),
])  # fmt: skip
def test_pages_open_for_their_roles(client, cast, connected_org, person, page, expected):
    client.force_login(getattr(cast, person))
    assert client.get(path(connected_org, page)).status_code == expected


def test_st_14_the_package_is_a_file_with_the_names_of_the_connection(client, cast, connected_org):
    settings = settings_of(connected_org)
    settings.type_field = "Sold_As__c"
    settings.save()
    client.force_login(cast.olga)
    answer = client.get(path(connected_org, "package.zip"))
    assert answer["Content-Type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert b"Sold_As__c" in archive.read("objects/Product2.object")
    assert "flows/Opportunity_Subscription_Template.flow" in archive.namelist()
    settings.type_field = settings.id_field
    settings.save()
    assert client.get(path(connected_org, "package.zip")).status_code == 302


def test_st_14_deploying_from_the_page_starts_a_run_and_the_check_sees_it(client, cast, connected_org):
    client.force_login(cast.ada)
    answer = client.post(path(connected_org, "deploy/"))
    run = connected_org.runs.get(job=deploying.JOB)
    assert (answer.status_code, answer.url, run.state) == (302, f"/runs/{run.pk}/", "success")
    page = client.get(path(connected_org)).content.decode()
    assert "Last deployment" in page
    client.force_login(cast.olga)
    assert client.post(path(connected_org, "deploy/")).status_code == 403
    answer = client.post(path(connected_org, "check/"), follow=True)
    assert "recommended" in answer.content.decode()


def test_a_connection_that_is_not_there_cannot_be_deployed(client, cast, connected_org):
    SalesforceOrg.objects.filter(pk=connected_org.pk).update(state="disconnected")
    client.force_login(cast.ada)
    answer = client.post(path(connected_org, "deploy/"), follow=True)
    assert "not connected" in answer.content.decode()
    assert not connected_org.runs.filter(job=deploying.JOB).exists()
    assert client.post(path(connected_org, "check/"), follow=True).status_code == 200


def test_st_16_a_key_is_shown_only_where_salesforce_did_not_take_it(client, cast, connected_org):
    client.force_login(cast.ada)
    answer = client.post(path(connected_org, "key/"), {"action": "renew"})
    text = answer.content.decode()
    key = next(
        each
        for each in text.replace('"', " ").replace("<", " ").replace(">", " ").split()
        if each.startswith("cwp_") and len(each) > 20
    )
    assert find_key(key, now=timezone.now()).org_id == connected_org.pk
    assert "not shown again" in text
    assert "no-store" in answer["Cache-Control"]
    assert key not in client.get(path(connected_org, "key/")).content.decode()
    client.post(path(connected_org, "deploy/"))
    answer = client.post(path(connected_org, "key/"), {"action": "renew"})
    assert (answer.status_code, answer.url) == (302, path(connected_org, "flows/"))


def test_st_18_a_pasted_key_is_stored_and_a_wrong_one_refused(client, cast, connected_org):
    client.force_login(cast.ada)
    client.post(path(connected_org, "deploy/"))
    for wrong in ("", "nonsense", "cwp_" + "x" * 300):
        answer = client.post(path(connected_org, "key/"), {"action": "store", "key": wrong})
        assert answer.status_code == 400, wrong
        assert not wrong or wrong not in answer.content.decode()
    from provisioning.connection import make_key

    key = make_key(connected_org, actor=cast.ada, now=timezone.now())
    assert client.post(path(connected_org, "key/"), {"action": "store", "key": f" {key} "}).status_code == 302


def test_st_25_and_st_38_flows_are_switched_from_the_page(client, cast, connected_org):
    client.force_login(cast.ada)
    assert "The org has no flow of ours" in client.get(path(connected_org, "flows/")).content.decode()
    client.post(path(connected_org, "deploy/"))
    text = client.get(path(connected_org, "flows/")).content.decode()
    assert (flow.LABEL in text, "Switch on" in text, "No active flow" in text) == (True, True, True)
    answer = client.post(path(connected_org, "flows/"), {"action": "activate", "name": flow.NAME}, follow=True)
    text = answer.content.decode()
    assert ("is active." in text, "Switch off" in text) == (True, True)
    client.post(path(connected_org, "flows/"), {"action": "deactivate", "name": flow.NAME})
    assert "Switch on" in client.get(path(connected_org, "flows/")).content.decode()
    answer = client.post(path(connected_org, "flows/"), {"action": "activate", "name": "Nonsense"}, follow=True)
    assert "none of our templates" in answer.content.decode()


def test_st_15_people_get_the_set_from_the_page(client, cast, connected_org, demo_org):
    client.force_login(cast.ada)
    assert "Deploy it first" in client.post(path(connected_org, "people/"), {"usernames": "x@y.z"}).content.decode()
    client.post(path(connected_org, "deploy/"))
    text = client.post(
        path(connected_org, "people/"), {"usernames": f"{demo_org.user()['username']}, <b>@nowhere"}
    ).content.decode()
    assert ("Assigned" in text, "Not assigned" in text, "<b>@nowhere" in text) == (True, True, False)


def test_st_17_an_installation_that_cannot_be_called_says_so(client, cast, connected_org):
    SalesforceOrg.objects.filter(pk=connected_org.pk).update(environment="production")
    client.force_login(cast.olga)
    text = client.get(path(connected_org)).content.decode()
    assert ("Salesforce cannot call this installation" in text, "BASE_URL" in text) == (True, True)
