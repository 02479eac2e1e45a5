"""The API of analyses: kinds, asking, results, the customers behind a number; scopes and roles."""

import pytest
from django.utils import timezone

from analytics.analyses import asking
from analytics.models import Analysis, Result
from integrations.api_keys import create_key
from tests.analytics.analysis_world import KIND, fill, known

pytestmark = pytest.mark.django_db
ROOT = "/api/v1/analytics"


@pytest.fixture(autouse=True)
def kind():
    with known(KIND):
        yield


def test_kinds_tell_their_parameters_choices_and_what_lacks(client, cast, org):
    client.force_login(cast.jane)
    found = client.get(f"{ROOT}/kinds/?org={org.pk}").json()["results"][0]
    assert (found["name"], found["lacks"], found["lists_customers"]) == ("sampler", "", True)
    assert found["parameters"][0]["choices"][1] == {"value": "region", "label": "Region"}
    assert client.get(f"{ROOT}/kinds/sampler/").json()["lacks"] is None
    assert client.get(f"{ROOT}/kinds/nothing/").status_code == 400


def test_asking_answers_the_document_and_asking_again_the_same_result(client, cast, org):
    fill(org)
    client.force_login(cast.ana)
    body = {"org": org.pk, "kind": "sampler", "parameters": {"by": "region"}}
    first = client.post(f"{ROOT}/analyses/", body, content_type="application/json")
    assert first.status_code == 200
    assert first.json()["document"]["population"] == 8
    again = client.post(f"{ROOT}/analyses/", body, content_type="application/json").json()
    assert again["id"] == first.json()["id"]
    assert Analysis.objects.count() == Result.objects.count() == 1
    read = client.get(f"{ROOT}/results/{again['id']}/").json()
    assert read["document"] == first.json()["document"]
    assert "document" not in client.get(f"{ROOT}/results/?kind=sampler").json()["results"][0]
    assert client.get(f"{ROOT}/analyses/{again['analysis']}/").json()["result"]["id"] == again["id"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "sampler"}, "org"), ({"org": 10**30, "kind": "sampler"}, "org"), ({"org": "ORG", "kind": "nothing"}, "kind"),
        ({"org": "ORG", "kind": "sampler", "parameters": []}, None), ({"org": "ORG", "kind": "sampler", "parameters": [1]}, "parameters"),
        ({"org": "ORG", "kind": "sampler", "parameters": {"by": "x"}}, "by"), ({"org": "ORG", "kinds": 1}, "kinds"), ([1], "body"),
        ({"org": "ORG", "kind": "sampler", "parameters": {"whatever": 1}}, "whatever"), ({"org": "ORG", "kind": {"a": 1}}, "kind"),
    ],
)  # fmt: skip
def test_bad_bodies_name_the_field(client, cast, org, body, field):
    fill(org)
    client.force_login(cast.ana)
    sent = {name: org.pk if value == "ORG" else value for name, value in body.items()} if isinstance(body, dict) else body
    answer = client.post(f"{ROOT}/analyses/", sent, content_type="application/json")
    if field is None:
        assert answer.status_code == 200
    else:
        assert answer.status_code == 400
        assert field in answer.json()["error"]["fields"]


def test_without_facts_409_says_what_to_do(client, cast, org):
    client.force_login(cast.ana)
    answer = client.post(f"{ROOT}/analyses/", {"org": org.pk, "kind": "sampler"}, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no_facts")


def test_saving_by_the_api(client, cast, org):
    found = asking.ask(KIND, org, {}, user=cast.ana, now=timezone.now())
    client.force_login(cast.ana)
    answer = client.patch(f"{ROOT}/analyses/{found.pk}/", {"name": "Ours"}, content_type="application/json")
    assert answer.json()["name"] == "Ours"
    assert client.get(f"{ROOT}/analyses/?saved=1").json()["count"] == 1
    assert client.patch(f"{ROOT}/analyses/{found.pk}/", {"name": 1}, content_type="application/json").status_code == 400
    client.force_login(cast.jane)
    assert client.patch(f"{ROOT}/analyses/{found.pk}/", {"name": "x"}, content_type="application/json").status_code == 403


def test_the_customers_behind_a_number_by_pages(client, cast, org):
    fill(org)
    found = asking.ask(KIND, org, {}, user=cast.ana, now=timezone.now())
    result = asking.request_result(found, user=cast.ana, now=timezone.now())
    path = f"{ROOT}/results/{result.pk}/behind/"
    client.force_login(cast.ana)
    cell = '{"by":"industry","value":"Retail"}'
    answer = client.get(path, {"cell": cell, "sort": "-mrr", "page_size": 3, "page": 2}).json()
    assert (answer["count"], answer["page"], answer["currency"], answer["words"]) == (4, 2, "EUR", "By group: Retail")
    assert [each["name"] for each in answer["results"]] == ["Alone Ltd"]
    assert answer["results"][0]["customer"] is None
    first = client.get(path, {"cell": cell}).json()["results"][0]
    assert (first["mrr"], first["customer"], first["account_id"]) == ("400.00", "cust-0003", "001000000000003AAA")
    assert client.get(path, {"cell": '{"by":"x"}'}).status_code == 404
    client.force_login(cast.jane)
    assert client.get(path, {"cell": cell}).status_code in (403, 404)


def test_members_find_only_nightly_and_saved_ones(client, cast, org):
    fill(org)
    asked = asking.ask(KIND, org, {"by": "plan"}, user=cast.ana, now=timezone.now())
    result = asking.request_result(asked, user=cast.ana, now=timezone.now())
    client.force_login(cast.jane)
    assert client.get(f"{ROOT}/results/{result.pk}/").status_code == 404
    assert client.get(f"{ROOT}/analyses/").json()["count"] == 0
    client.force_login(cast.ana)
    assert client.get(f"{ROOT}/results/?analysis={asked.pk}&org={org.pk}").json()["count"] == 1


def test_s_076_reading_and_asking_are_different_scopes(client, cast, org):
    fill(org)
    _, reads = create_key(name="r", owner=cast.ana, scopes=["analytics:read"], expires=None)
    _, writes = create_key(name="w", owner=cast.ana, scopes=["analytics:write"], expires=None)
    body = {"org": org.pk, "kind": "sampler"}
    for secret, expected in ((reads, 403), (writes, 200)):
        header = {"Authorization": f"Api-Key {secret}"}
        assert client.post(f"{ROOT}/analyses/", body, content_type="application/json", headers=header).status_code == expected
    assert client.get(f"{ROOT}/kinds/", headers={"Authorization": f"Api-Key {reads}"}).status_code == 200
    assert client.get(f"{ROOT}/kinds/", headers={"Authorization": f"Api-Key {writes}"}).status_code == 403
