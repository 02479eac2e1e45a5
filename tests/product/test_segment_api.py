"""The API of segments: made, changed, archived, counted, members, previews, fields; scopes and masks."""

import pytest

from integrations.models import ApiKey, SalesforceOrg
from integrations.product.models.segments import Segment
from tests.product.segment_world import SegmentWorld

pytestmark = pytest.mark.django_db
URL = "/api/v1/segments/"
ENERGY = {"all": [{"field": "attributes.industry", "op": "is", "value": "energy"}]}


@pytest.fixture
def world() -> SegmentWorld:
    world = SegmentWorld(SalesforceOrg.objects.create(name="Acme", state="connected"))
    world.attributes(industry="STRING")
    for key, industry in (("c-1", "Energy"), ("c-2", "ENERGY"), ("c-3", "Retail")):
        world.acme = world.customer(key, name=key.upper(), attributes={"industry": industry})
    world.user("jo@acme.example", world.acme, name="Jo Doe")
    return world


@pytest.fixture
def call(client, cast):
    """Calls with a key of a person."""

    def ask(method: str, path: str = "", data=None, *, who=None, scopes=("product:read", "product:write")):
        _, secret = ApiKey.objects.create_key(name="k", owner=who or cast.olga, scopes=list(scopes))
        header = {"Authorization": f"Api-Key {secret}"}
        return getattr(client, method)(URL + path, data, content_type="application/json", headers=header)

    return ask


def made(call, **more) -> dict:
    answer = call("post", "", {"name": "Energy", "entity": "customer", "conditions": ENERGY, **more})
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_a_segment_is_made_read_changed_and_archived(world, call):
    first = made(call)
    assert first["in_words"] == "Industry is energy"
    assert first["conditions"] == ENERGY
    path = f"{first['id']}/"
    changed = call("patch", path, {"conditions": {"any": [{"field": "name", "op": "contains", "value": "C-3"}]}}).json()
    assert (changed["name"], changed["in_words"]) == ("Energy", "Name contains C-3")
    assert [each["id"] for each in call("get").json()["results"]] == [first["id"]]
    assert call("delete", path).status_code == 204
    assert call("get").json()["results"] == []
    assert call("get", path).json()["archived"] is True
    assert call("post", f"{path}restore/").json()["archived"] is False


def test_r_281_everything_wrong_is_told_at_once_with_its_place(world, call):
    made(call)
    bad = {"all": [{"field": "nope", "op": "is"}, {"field": "attributes.industry", "op": "is", "value": ""}]}
    answer = call("post", "", {"name": "ENERGY", "entity": "customer", "conditions": bad})
    fields = answer.json()["error"]["fields"]
    assert answer.status_code == 400
    assert set(fields) == {"name", "conditions.all[0].field", "conditions.all[1].value"}
    assert "Condition 2" in fields["conditions.all[1].value"][0]
    for body in (
        [],
        {"name": 5},
        {"name": "x", "entity": "org"},
        {"name": "x", "entity": "customer", "color": 1},
        {"name": "x\0", "entity": "customer"},
    ):
        assert call("post", "", body).status_code == 400, body
    assert Segment.objects.count() == 1


def test_a_segment_cannot_ask_itself(world, call):
    first = made(call)
    second = made(call, name="Second", conditions={"all": [{"field": "segment", "op": "in", "value": first["id"]}]})
    answer = call(
        "patch", f"{first['id']}/", {"conditions": {"all": [{"field": "segment", "op": "not_in", "value": second["id"]}]}}
    )
    assert answer.status_code == 400
    assert "Energy → Second → Energy" in answer.json()["error"]["fields"]["conditions"][0]
    answer = call("patch", f"{first['id']}/", {"entity": "end_user"})
    assert "does not change" in answer.json()["error"]["fields"]["entity"][0]


def test_members_are_paged_and_counted(world, call):
    path = f"{made(call)['id']}/"
    page = call("get", f"{path}members/?page_size=1&page=2").json()
    assert page["count"] == 2
    assert [each["external_id"] for each in page["results"]] == ["c-2"]
    assert call("post", f"{path}count/").json()["members"] == 2
    assert call("get", f"{path}check/?external_id=c-1").json() == {"external_id": "c-1", "member": True}
    assert call("get", f"{path}check/?external_id=c-3").json()["member"] is False
    assert call("get", f"{path}check/?external_id=nobody").status_code == 400


def test_s_115_members_that_are_people_are_masked_for_analysts(world, call, cast):
    path = f"{made(call, name='All', entity='end_user', conditions={'all': []})['id']}/members/"
    open_ = call("get", path).json()["results"][0]
    assert (open_["external_id"], open_["name"], open_["customer"]) == ("jo@acme.example", "Jo Doe", "c-3")
    hidden = call("get", path, who=cast.ana).json()["results"][0]
    assert hidden["name"] == "J. D."
    assert "jo@acme" not in hidden["external_id"]


def test_a_preview_saves_nothing(world, call):
    answer = call("post", "preview/", {"entity": "customer", "conditions": ENERGY}).json()
    assert (answer["members"], answer["of"], answer["in_words"]) == (2, 3, "Industry is energy")
    assert [each["external_id"] for each in answer["sample"]] == ["c-1", "c-2"]
    bad = call("post", "preview/", {"entity": "customer", "conditions": {"all": [{"field": "x", "op": "is"}]}})
    assert "conditions.all[0].field" in bad.json()["error"]["fields"]
    assert not Segment.objects.exists()


def test_px_34_fields_tell_operators_and_what_comes_from_salesforce(world, call):
    fields = {each["key"]: each for each in call("get", "fields/?entity=end_user").json()}
    assert fields["customer.attributes.industry"]["from_salesforce"] is True
    assert {"op": "is_any_of", "label": "is any of", "value": "texts"} in fields["name"]["operators"]
    assert "kpi.active_users_30d" not in fields, "PX-60: end users have no KPIs of their own"
    assert "customer.kpi.active_users_30d" in fields
    assert call("get", "fields/?entity=x").status_code == 400


def test_a_segment_whose_field_is_gone_answers_with_the_reason(world, call):
    Segment.objects.create(name="Old", entity="customer", conditions={"all": [{"field": "attributes.gone", "op": "is_blank"}]})
    number = Segment.objects.get().pk
    assert call("get", f"{number}/").json()["in_words"] == ""
    for method, path in (("get", "members/"), ("post", "count/")):
        answer = call(method, f"{number}/{path}")
        assert answer.status_code == 400
        assert "attributes.gone" in str(answer.json()["error"]["fields"])
    assert "attributes.gone" in call("get", f"{number}/").json()["problem"]


def test_s_076_scopes_and_owners(world, call, cast):
    first = made(call)
    assert call("get", scopes=["product:read"]).status_code == 200
    assert call("post", "", {}, scopes=["product:read"]).status_code == 403
    assert call("get", scopes=["customers:read"]).status_code == 403
    assert call("get", who=cast.jane).status_code == 403
    refused = call("patch", f"{first['id']}/", {"name": "Mine"}, who=cast.ana)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "not_yours")
    own = call("post", "", {"name": "Own", "entity": "customer"}, who=cast.ana)
    assert own.json()["owner"] == "ana"
    assert call("patch", f"{own.json()['id']}/", {"name": "Own 2"}, who=cast.ana).json()["name"] == "Own 2"
