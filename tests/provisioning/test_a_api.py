"""The catalogue by the API: the same verbs, every problem at its field, safe to repeat."""

import pytest
import yaml

from integrations.models import ApiKey, AuditEntry
from provisioning.catalogue import finding
from provisioning.models import Feature, Offer, Product

pytestmark = pytest.mark.django_db
BASE = "/api/v1/catalogue"


@pytest.fixture
def api(client, cast):
    """Requests of an operator; answers (status, body)."""
    client.force_login(cast.olga)

    def call(method: str, path: str, body=None, content_type: str = "application/json"):
        options = {"data": body, "content_type": content_type} if body is not None else {}
        answer = getattr(client, method)(f"{BASE}/{path}", **options)
        return answer.status_code, answer.json() if "json" in answer.headers.get(
            "Content-Type", ""
        ) else answer.content.decode()

    return call


@pytest.fixture
def shop(api):
    assert api("post", "products/", {"key": "planner", "name": "Planner"})[0] == 201
    assert api("put", "features/feature-seats/", {"name": "Seats", "kind": "numeric", "unit": "seats"})[0] == 200
    assert api("put", "features/feature-calls/", {"name": "Calls", "kind": "metered"})[0] == 200
    assert api("post", "offers/", {"key": "plan-team", "name": "Team", "product": "planner"})[0] == 201
    return api


def test_from_nothing_to_a_plan_on_sale(shop):
    lines = [
        {"feature": "feature-seats", "limit": "5"},
        {"feature": "feature-calls", "limit": 0.25, "reset": "day", "soft": True},
    ]
    status, draft = shop(
        "put", "offers/plan-team/draft/", {"entitlements": lines, "price": "9.90", "currency": "USD", "period_months": 1}
    )
    assert (status, draft["number"], draft["price"]) == (200, None, "9.9")
    assert shop("get", "offers/plan-team/")[1]["state"] == "draft"
    status, offer = shop("post", "offers/plan-team/publish/")
    assert (status, offer["state"], offer["version"]["number"], offer["draft"]) == (200, "sold", 1, None)
    assert offer["version"]["entitlements"][0]["limit"] == "0.25"
    assert shop("post", "offers/plan-team/publish/")[1]["error"]["code"] == "no_draft"
    shop("put", "offers/plan-team/draft/", {"entitlements": lines[:1]})
    changes = shop("get", "offers/plan-team/differences/?from=1&to=draft")[1]["changes"]
    assert [each["tone"] for each in changes] == ["other", "less"]
    assert shop("delete", "offers/plan-team/draft/")[0] == 204
    assert shop("get", "offers/plan-team/differences/?from=1&to=draft")[0] == 400
    assert [each["number"] for each in shop("get", "offers/plan-team/versions/")[1]["versions"]] == [1]


def test_put_is_safe_to_repeat(shop):
    before = AuditEntry.objects.count()
    for _ in range(2):
        assert shop("put", "products/planner/", {"name": "Planner"})[0] == 200
        assert shop("put", "features/feature-seats/", {"name": "Seats", "kind": "numeric", "unit": "seats"})[0] == 200
        assert shop("put", "offers/plan-team/", {"name": "Team", "product": "planner"})[0] == 200
    assert AuditEntry.objects.count() == before
    assert shop("put", "offers/addon-x/", {"name": "X", "product": "planner"})[1]["kind"] == "addon"


@pytest.mark.parametrize(("method", "path", "body", "fields"), [
    ("post", "products/", {"key": "planner", "name": "P"}, {"key"}), ("post", "products/", {}, {"key", "name"}),
    ("post", "products/", {"key": 5, "name": 7}, {"key", "name"}), ("put", "products/plan-x/", {"name": "P"}, {"key"}),
    ("put", "products/planner/", {"key": "other", "name": "P"}, {"key"}), ("put", "products/planner/", {"name": "P", "colour": 1}, {"colour"}),
    ("put", "features/feature-x/", {"name": "X"}, {"kind"}), ("put", "features/x/", {"name": "", "kind": "boolean", "unit": "u"}, {"key", "name", "unit"}),
    ("post", "offers/", {"key": "team", "name": "T", "product": "none"}, {"key", "product"}), ("put", "offers/plan-team/", {"name": "T", "kind": "addon"}, {"kind"}),
    ("put", "offers/plan-team/draft/", {"entitlements": [{"feature": "feature-none"}]}, {"entitlements[0].feature"}),
    ("put", "offers/plan-team/draft/", {"entitlements": 5, "trial_days": "x", "per_seat": "yes", "price": [1], "note": 5},
     {"entitlements", "trial_days", "per_seat", "price", "note"}),
    ("post", "offers/plan-team/move/", {"version": 9}, {"version"}), ("post", "products/", [1], {"body"}),
])  # fmt: skip
def test_every_problem_is_told_at_its_field(shop, method, path, body, fields):
    status, answer = shop(method, path, body)
    assert status == 400, answer
    assert set(answer["error"]["fields"]) >= fields, answer


def test_lists_are_filtered_and_unknown_ids_are_404(shop):
    shop("post", "products/", {"key": "other", "name": "Other"})
    shop("put", "offers/addon-x/", {"name": "X", "product": "other"})
    assert [each["key"] for each in shop("get", "offers/?kind=plan")[1]["results"]] == ["plan-team"]
    assert [each["key"] for each in shop("get", "offers/?product=other")[1]["results"]] == ["addon-x"]
    assert [each["key"] for each in shop("get", "features/?search=SEAT")[1]["results"]] == ["feature-seats"]
    assert shop("post", "products/planner/archive/")[1]["error"]["code"] == "in_use"
    assert shop("post", "offers/plan-team/archive/")[1]["archived"]
    assert shop("post", "products/planner/archive/")[1]["archived"]
    assert [each["key"] for each in shop("get", "products/?archived=1")[1]["results"]] == ["planner"]
    assert shop("post", "products/planner/restore/")[0] == 200
    for path in ("products/none/", "features/none/", "offers/none/", "offers/%00/"):
        assert shop("get", path)[0] == 404


def test_a_plan_is_copied(shop):
    status, made = shop("post", "offers/plan-team/copy/", {"key": "plan-next", "name": "Next"})
    assert (status, made["key"], made["state"]) == (201, "plan-next", "draft")
    assert shop("post", "offers/plan-team/copy/", {"key": "plan-next"})[0] == 400
    assert shop("post", "offers/plan-team/copy/", {})[1]["key"] == "plan-team-copy"


def test_the_catalogue_travels_as_yaml(shop):
    shop("put", "offers/plan-team/draft/", {"entitlements": [{"feature": "feature-seats", "limit": 5}]})
    shop("post", "offers/plan-team/publish/")
    status, text = shop("get", "file/")
    assert status == 200
    assert "plan-team" in text
    wanted = text.replace("limit: 5", "limit: 6")
    tried = shop("post", "file/?dry_run=1", wanted, "application/yaml")[1]
    assert [each["words"] for each in tried["changes"] if each["key"] == "plan-team"] == [["Seats: 5 seats → 6 seats."]]
    assert finding.latest("plan-team").number == 1
    assert shop("post", "file/", wanted, "text/yaml")[0] == 200
    assert finding.latest("plan-team").number == 2
    status, answer = shop("post", "file/", "plans: [{key: x}]", "application/yaml")
    assert (status, "plans[0].key" in answer["error"]["fields"]) == (400, True)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "application/yaml"), ("*/*", "application/yaml"), ("application/yaml", "application/yaml"),
        ("application/*", "application/yaml"), ("application/json", "application/json"),
        ("application/json, */*;q=0.1", "application/json"),
    ],
)  # fmt: skip
def test_the_file_is_yaml_unless_json_is_asked_for(shop, client, accept, kind):
    answer = client.get(f"{BASE}/file/", headers={"Accept": accept} if accept else {})
    assert answer.headers["Content-Type"].partition(";")[0] == kind
    body = yaml.safe_load(answer.content) if kind.endswith("yaml") else answer.json()
    assert "planner" in [each["key"] for each in body["products"]]


def test_what_is_no_file_is_json_whatever_is_accepted(shop, client):
    tried = client.post(f"{BASE}/file/", "plans: [{key: x}]", "application/yaml", headers={"Accept": "*/*"})
    assert (tried.status_code, tried.headers["Content-Type"].partition(";")[0]) == (400, "application/json")
    client.logout()
    refused = client.get(f"{BASE}/file/", headers={"Accept": "application/yaml"})
    assert refused.status_code in (401, 403)
    assert refused.json()["error"]["code"]


def test_roles_and_scopes(client, cast):
    Product.objects.create(key="planner", name="Planner")
    client.force_login(cast.marsha)
    assert client.get(f"{BASE}/products/").status_code == 200
    assert client.put(f"{BASE}/products/planner/", {"name": "X"}, content_type="application/json").status_code == 403
    client.logout()
    for scopes, read, write in (
        (["provisioning:read"], 200, 403),
        (["provisioning:read", "provisioning:write"], 200, 200),
        (["entitlements:read"], 403, 403),
    ):
        _, key = ApiKey.objects.create_key(name="k", owner=cast.ada, scopes=scopes)
        headers = {"Authorization": f"Api-Key {key}"}
        assert client.get(f"{BASE}/offers/", headers=headers).status_code == read, scopes
        body = {"name": "Planner"}
        answer = client.put(f"{BASE}/products/planner/", body, content_type="application/json", headers=headers)
        assert answer.status_code == write, scopes
    assert client.get(f"{BASE}/features/").status_code in (401, 403)
    assert not Feature.objects.exists()
    assert not Offer.objects.exists()


def test_a_list_takes_a_few_queries_however_long_it_is(shop, django_assert_max_num_queries):
    for number in range(12):
        shop("put", f"offers/plan-{number}/", {"name": "X", "product": "planner"})
        shop("put", f"offers/plan-{number}/draft/", {"entitlements": [{"feature": "feature-seats", "limit": number}]})
        shop("post", f"offers/plan-{number}/publish/")
    with django_assert_max_num_queries(20):
        assert len(shop("get", "offers/")[1]["results"]) == 13
