"""The page "Create fields in Salesforce" and its API, against a real (demo) org."""

import json

import pytest
from django.urls import reverse

from integrations.models import ApiKey, Attribute, Run
from integrations.orgs.connect import client_for
from integrations.salesforce import metadata, rest
from integrations.sync.fields import creating
from integrations.sync.mapping import versions
from integrations.sync.mapping.body import PUSH

pytestmark = pytest.mark.django_db


@pytest.fixture
def seats(db) -> Attribute:
    return Attribute.objects.create(entity="customer", key="seats", label="Seats", type="NUMBER")


@pytest.fixture
def address(connected_org) -> str:
    return reverse("integrations:mapping_fields", args=[connected_org.pk, "customer"])


@pytest.fixture
def olga(client, cast):
    client.force_login(cast.olga)
    return client


@pytest.fixture
def api(olga):
    def call(method, path, body=None, **headers):
        data = None if body is None else json.dumps(body)
        answer = getattr(olga, method)(f"/api/v1/mappings/{path}", data, content_type="application/json", headers=headers)
        return answer.status_code, answer.json()

    return call


def line_of(page: str, key: str) -> int:
    """Number of the line of a product field on the page."""
    before = page.split(f'value="{key}"', maxsplit=1)[0]
    return int(before.rsplit('name="field-', 1)[1].split("-")[0])


def test_the_page_proposes_fields_and_creates_the_ticked_ones(olga, address, seats, account_mapping, demo_org):
    page = olga.get(address).content.decode()
    number = line_of(page, "attributes.seats")
    assert 'value="PX_Seats__c"' in page
    assert "PX_Health__c" not in page
    form = {f"field-{number}-on": "on", f"field-{number}-source": "attributes.seats", "verb": "create", "add_lines": "on",
            f"field-{number}-name": "PX_Chairs__c", f"field-{number}-type": "Number", f"field-{number}-scale": "2",
            f"field-{number}-precision": "10", f"field-{number}-label": "PX Chairs"}  # fmt: skip
    answer = olga.post(address, form)
    run = Run.objects.get(job=creating.JOB)
    assert answer.headers["Location"] == reverse("integrations:run", args=[run.pk])
    assert (run.state, run.sentence) == (Run.State.SUCCESS, "3 written, 0 unchanged.")
    account_mapping.refresh_from_db()
    assert [each.target for each in versions.body_of(account_mapping).pairs_of(PUSH)] == ["PX_Chairs__c"]
    assert "Account.PX_Chairs__c" in olga.get(answer.headers["Location"]).content.decode()
    assert 'value="attributes.seats"' not in olga.get(address).content.decode()


def test_what_cannot_be_created_is_said_at_its_line_and_what_was_typed_stays(olga, address, seats):
    number = line_of(olga.get(address).content.decode(), "attributes.seats")
    form = {f"field-{number}-on": "on", f"field-{number}-source": "attributes.seats", "verb": "create",
            f"field-{number}-name": "Chairs__c", f"field-{number}-type": "Number"}  # fmt: skip
    answer = olga.post(address, form)
    page = answer.content.decode()
    assert answer.status_code == 400
    assert f'id="field-{number}-errors"' in page
    assert "Only fields that begin with PX_ are written" in page
    assert 'value="Chairs__c"' in page
    assert olga.post(address, {"verb": "create"}).status_code == 400
    assert not Run.objects.filter(job=creating.JOB).exists()


def test_check_only_asks_salesforce_and_changes_nothing(olga, address, seats, connected_org):
    number = line_of(olga.get(address).content.decode(), "attributes.seats")
    olga.post(address, {f"field-{number}-on": "on", f"field-{number}-source": "attributes.seats", "verb": "check"})
    assert Run.objects.get(job=creating.JOB).arguments["check_only"] is True
    with client_for(connected_org, domain="test") as wire:
        assert metadata.read_components(wire, "CustomField", ["Account.PX_Seats__c"]) == {}


def test_missing_rights_are_said_on_the_page_before_anybody_clicks(olga, address, connected_org):
    with client_for(connected_org, domain="test") as wire:
        for each in wire.query_all("SELECT Id FROM PermissionSet"):
            changes = {"PermissionsCustomizeApplication": False, "PermissionsModifyMetadata": False}
            rest.update_record(wire, "PermissionSet", each["Id"], changes)
    page = olga.get(address).content.decode()
    assert "The integration user may not create fields" in page
    assert "Modify Metadata Through Metadata API Functions" in page


def test_the_page_says_that_salesforce_cannot_be_asked(olga, address, demo_org):
    demo_org.fault(path="/describe", times=2, status=404, body=[{"errorCode": "NOT_FOUND", "message": "Gone"}])
    answer = olga.get(address)
    assert answer.status_code == 200
    assert "Salesforce could not be asked" in answer.content.decode()


def test_the_mapping_links_the_page_for_those_who_may_use_it(olga, client, cast, connected_org, address):
    edit = reverse("integrations:mapping", args=[connected_org.pk, "customer"])
    assert f'href="{address}"' in olga.get(edit).content.decode()
    client.force_login(cast.ana)
    assert f'href="{address}"' not in client.get(edit).content.decode()
    assert client.get(address).status_code == 403
    client.force_login(cast.olga)
    assert client.get(address.replace("customer", "nobody")).status_code == 404


def test_the_api_lists_what_is_missing_and_creates_it(api, account_mapping, seats):
    status, answer = api("get", f"{account_mapping.pk}/missing-fields/")
    assert (status, answer["object"], answer["prefix"]) == (200, "Account", "PX_")
    found = {each["source"]: each for each in answer["fields"]}
    assert (found["attributes.seats"]["name"], found["attributes.seats"]["type"], found["attributes.seats"]["scale"]) == (
        "PX_Seats__c", "Number", 2,
    )  # fmt: skip
    assert found["attributes.seats"]["types"] == ["Number", "Percent", "Currency"]
    wish = {
        key: found["attributes.seats"][key] for key in ("source", "name", "label", "type", "precision", "scale", "help_text")
    }
    status, answer = api("post", f"{account_mapping.pk}/create-fields/", {"fields": [wish]})
    assert (status, answer["state"]) == (202, "success")
    assert Run.objects.get(pk=answer["run"]).trigger == Run.Trigger.API
    assert "attributes.seats" not in {
        each["source"] for each in api("get", f"{account_mapping.pk}/missing-fields/")[1]["fields"]
    }


def test_the_api_names_every_problem_with_its_path(api, account_mapping, seats):
    body = {"fields": [{"source": "attributes.seats", "name": "X__c"}, {"source": "nope"}]}
    status, answer = api("post", f"{account_mapping.pk}/create-fields/", body)
    assert status == 400
    assert {(each["path"], each["code"]) for each in answer["error"]["problems"]} == {
        ("fields[0].name", "not_prefixed"), ("fields[1].source", "unknown_source"),
    }  # fmt: skip
    assert api("post", f"{account_mapping.pk}/create-fields/", {"fields": "x"})[0] == 400
    assert api("post", f"{account_mapping.pk}/create-fields/", {"fields": []})[0] == 400
    assert api("post", "999999/create-fields/", {"fields": [{"source": "name"}]})[0] == 404


def test_s_076_the_api_needs_the_scope_and_the_role(api, client, cast, account_mapping, seats):
    client.logout()
    path, body = f"{account_mapping.pk}/create-fields/", {"fields": [{"source": "attributes.seats"}], "check_only": True}
    _, reader = ApiKey.objects.create_key(name="r", owner=cast.olga, scopes=["mappings:read"])
    _, writer = ApiKey.objects.create_key(name="w", owner=cast.olga, scopes=["mappings:write"])
    assert api("post", path, body)[0] in (401, 403)
    assert api("get", f"{account_mapping.pk}/missing-fields/", Authorization=f"Api-Key {reader}")[0] == 200
    assert api("post", path, body, Authorization=f"Api-Key {reader}")[0] == 403
    assert api("post", path, body, Authorization=f"Api-Key {writer}")[0] == 202
    client.force_login(cast.ana)
    assert api("post", path, body)[0] == 403
