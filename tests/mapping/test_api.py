"""The API of mappings: strict, all problems at once, roles and scopes."""

import json

import pytest

from integrations.models import ApiKey, Attribute, Customer, Mapping, MappingVersion, Run
from integrations.sync.mapping import versions
from integrations.sync.mapping.body import FieldPair, write_body
from tests.mapping.work import save

PULL = FieldPair("pull", "attributes.industry", "Industry")
PUSH = FieldPair("push", "name", "PX_Health__c", cut=True)


@pytest.fixture
def api(client, cast):
    client.force_login(cast.olga)

    def call(method, path, body=None, raw=None, **headers):
        data = raw if raw is not None else (json.dumps(body) if body is not None else None)
        answer = getattr(client, method)(f"/api/v1/mappings/{path}", data, content_type="application/json", headers=headers)
        return answer.status_code, answer.json() if answer.content else None

    return call


def test_a_mapping_is_begun_read_and_saved(api, connected_org, cast):
    status, made = api("post", "", {"org": connected_org.pk, "entity": "customer"})
    assert (status, made["state"], made["version"], made["object"]) == (201, "draft", 0, "Account")
    status, again = api("post", "", {"org": connected_org.pk, "entity": "customer"})
    assert (status, again["id"]) == (200, made["id"])
    body = made["body"] | {"pairs": [vars(PULL) | {"values": {}}, vars(PUSH) | {"values": {}}]}
    status, saved = api("put", f"{made['id']}/?note=First", body)
    assert (status, saved["version"], saved["state"]) == (200, 1, "active")
    assert MappingVersion.objects.get().note == "First"
    status, listed = api("get", f"?org={connected_org.pk}")
    assert (status, listed["results"][0]["object"], listed["count"]) == (200, "Account", 1)
    assert "first written at 11:00" in api("get", f"{made['id']}/")[1]["timing"]["sentence"]


def test_r_281_problems_come_all_at_once_with_paths_and_nothing_changes(api, account_mapping):
    body = write_body(versions.body_of(account_mapping))
    body["pairs"] = [
        {"direction": "push", "source": "name", "target": "Industry"},
        {"direction": "pull", "source": "name", "target": "Nope"},
    ]
    status, answer = api("put", f"{account_mapping.pk}/", body)
    assert status == 400
    assert {(each["path"], each["code"]) for each in answer["error"]["problems"]} == {
        ("pairs[0].target", "not_prefixed"), ("pairs[1].source", "read_only"), ("pairs[1].target", "unknown_field"),
    }  # fmt: skip
    assert set(answer["error"]["fields"]) == {"pairs[0].target", "pairs[1].source", "pairs[1].target"}
    assert not MappingVersion.objects.exists()
    assert not Attribute.objects.exists()


@pytest.mark.parametrize(
    ("raw", "path", "code"),
    [
        ("{", "", "not_json"), ('{"format": 99}', "format", "newer_version"), ('{"pairz": []}', "pairz", "unknown_key"),
        ('{"entity": "end_user"}', "entity", "entity"), ("[]", "", "not_an_object"), ('{"rules": [{"name": "x"}]}', "rules[0].name", "unknown_rule"),
        ("", "", "not_json"),
    ],
)  # fmt: skip
def test_r_281_a_file_that_is_none_is_refused_with_its_path(api, account_mapping, raw, path, code):
    status, answer = api("put", f"{account_mapping.pk}/", raw=raw)
    assert status == 400
    assert (answer["error"]["problems"][0]["path"], answer["error"]["problems"][0]["code"]) == (path, code)
    assert Mapping.objects.get(pk=account_mapping.pk).version == 0


def test_an_export_is_taken_by_another_connection(api, account_mapping, cast):
    save(account_mapping, cast.olga, PULL, PUSH)
    status, exported = api("get", f"{account_mapping.pk}/export/")
    assert (status, exported["format"]) == (200, 1)
    assert api("put", f"{account_mapping.pk}/", exported)[0] == 200
    assert MappingVersion.objects.count() == 1, "the same body makes no version"
    assert api("get", f"{account_mapping.pk}/export/?version=7")[0] == 409
    assert api("get", f"{account_mapping.pk}/export/?version=x")[0] == 400


def test_saving_over_somebody_is_refused(api, account_mapping, cast):
    save(account_mapping, cast.olga, PULL)
    status, answer = api("put", f"{account_mapping.pk}/?expected_version=0", write_body(versions.body_of(account_mapping)))
    assert (status, answer["error"]["code"]) == (409, "changed_meanwhile")


def test_versions_with_their_changes_and_the_way_back(api, account_mapping, cast):
    save(account_mapping, cast.olga, PULL)
    save(account_mapping, cast.olga, PULL, PUSH)
    status, answer = api("get", f"{account_mapping.pk}/versions/")
    assert [each["number"] for each in answer["results"]] == [2, 1]
    assert [each["path"] for each in answer["results"][0]["changes"]] == ["pairs.name → PX_Health__c"]
    assert answer["results"][0]["saved_by"] == "olga"
    status, answer = api("post", f"{account_mapping.pk}/revert/", {"version": 1})
    assert (status, answer["version"], len(answer["body"]["pairs"])) == (200, 3, 1)
    assert api("post", f"{account_mapping.pk}/revert/", {"version": 99})[0] == 409
    assert api("post", f"{account_mapping.pk}/revert/", {"version": "x"})[0] == 400


def test_targets_sources_objects_and_suggestions(api, account_mapping, cast):
    Attribute.objects.create(entity="customer", key="plan", label="Plan", type="STRING")
    pk = account_mapping.pk
    status, found = api("get", f"{pk}/targets/?direction=push&source=attributes.plan")
    assert status == 200
    assert {each["name"] for each in found} == {"PX_Health__c", "PX_Plan__c"}
    _, every = api("get", f"{pk}/targets/?direction=push&all=true")
    assert next(each for each in every if each["name"] == "Industry")["code"] == "not_prefixed"
    assert api("get", f"{pk}/targets/?direction=sideways")[0] == 400
    assert api("get", f"{pk}/targets/?source=nope")[0] == 400
    _, sources = api("get", f"{pk}/sources/")
    assert {"external_id", "name", "website", "attributes.plan"} <= {each["key"] for each in sources}
    _, pairs = api("get", f"{pk}/suggest/?direction=push")
    assert ("attributes.plan", "PX_Plan__c") in {(each["source"], each["target"]) for each in pairs}
    _, objects = api("get", f"{pk}/objects/")
    assert objects[0] == {"name": "Account", "label": "Account"}


def test_preview_of_an_unsaved_body(api, account_mapping):
    Customer.objects.create(external_id="c1", name="Acme")
    body = write_body(versions.body_of(account_mapping)) | {"pairs": [vars(PUSH) | {"values": {}}]}
    status, shown = api("post", f"{account_mapping.pk}/preview/?rows=2", body)
    assert status == 200
    assert shown["pairs"][0]["samples"] == [
        {"record": "Acme", "before": "Acme", "after": "Acme", "notice": "", "problem": "", "code": ""}
    ]
    assert api("post", f"{account_mapping.pk}/preview/")[0] == 200
    assert not MappingVersion.objects.exists()


def test_px_d12_the_object_is_changed_after_a_question(api, account_mapping, cast):
    save(account_mapping, cast.olga, PULL)
    status, answer = api("post", f"{account_mapping.pk}/object/", {"object": "Workspace__c"})
    assert (status, answer["error"]["code"]) == (409, "confirm")
    assert "resets 1 field lines" in answer["error"]["message"]
    status, answer = api("post", f"{account_mapping.pk}/object/", {"object": "Workspace__c", "confirmed": True})
    assert (status, answer["object"]) == (200, "Workspace__c")


def test_pausing_and_synchronizing(api, account_mapping, connected_org, cast, now):
    save(account_mapping, cast.olga, PULL)
    status, answer = api("post", f"{account_mapping.pk}/state/", {"state": "paused", "reason": "Clean-up"})
    assert (status, answer["state"], answer["reason"]) == (200, "paused", "Clean-up")
    assert api("post", f"{account_mapping.pk}/state/", {"state": "draft"})[0] == 400
    Run.objects.create(job="product.synchronize", org=connected_org, state=Run.State.RUNNING, heartbeat_at=now)
    status, answer = api("post", "synchronize/", {"org": connected_org.pk})
    assert (status, answer["error"]["code"]) == (409, "running")


def test_salesforce_that_is_away_is_a_409_and_no_crash(api, account_mapping, demo_org):
    demo_org.settings(api_enabled=False)
    status, answer = api("get", f"{account_mapping.pk}/targets/")
    assert status == 409, answer


def test_s_071_analysts_read_and_s_076_keys_need_the_scope(client, account_mapping, cast):
    path = f"/api/v1/mappings/{account_mapping.pk}/"
    client.force_login(cast.marsha)
    assert client.get(path).status_code == 403
    client.force_login(cast.ana)
    assert client.get(path).status_code == 200
    assert client.put(path, "{}", content_type="application/json").status_code == 403
    client.logout()
    _, secret = ApiKey.objects.create_key(name="Reads", owner=cast.olga, scopes=["mappings:read"])
    header = {"Authorization": f"Api-Key {secret}"}
    assert client.get(path, headers=header).status_code == 200
    assert client.put(path, "{}", content_type="application/json", headers=header).status_code == 403


def test_r_282_odd_numbers_in_the_address_are_no_crash(api, account_mapping):
    for query in ("?org=x", "?org=-1", "?org=99999999999999999999"):
        assert api("get", query)[0] == 400
    assert api("get", "?org=9")[1]["count"] == 0
    assert api("get", "999999999999999999/")[0] == 404
