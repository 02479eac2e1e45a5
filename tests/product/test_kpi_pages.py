"""Pages and API of KPIs and features: who may do what, what is shown, what is refused and where the sentence stands."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations.models import ApiKey, AuditEntry, Customer, EndUser, Mapping, MappingVersion, Run, SalesforceOrg
from integrations.product.kpis import job
from integrations.product.kpis.windows import start_of_day
from integrations.product.models import Feature, KpiSettings
from integrations.sync.mapping.body import FieldPair, default_body, write_body
from tests.product.kpi_world import World

pytestmark = pytest.mark.django_db
RULES = [{"event": "Report", "match": "starts_with", "where": [{"property": "kind", "op": "is", "value": "monthly"}]}]


@pytest.fixture
def acme() -> Customer:
    """A customer with two people who used reports yesterday, of whom one answered."""
    customer = Customer.objects.create(external_id="acme/1", name="Acme")
    world, yesterday = World(), start_of_day(timezone.now()) - timedelta(hours=5)
    for number in range(2):
        user = EndUser.objects.create(external_id=f"u{number}", customer=customer).pk
        world.event(user, customer.pk, yesterday, "Report Created", kind="monthly" if number else "blank")
        world.event(user, customer.pk, yesterday, "Opened")
    world.answer(user, customer.pk, yesterday, 9)
    world.store(now=timezone.now())
    return customer


def key_of(person: Any, *scopes: str) -> dict[str, str]:
    _, secret = ApiKey.objects.create_key(name="test", owner=person, scopes=list(scopes))  # pyright: ignore
    return {"HTTP_AUTHORIZATION": f"Api-Key {secret}"}


# --- Features -----------------------------------------------------------------------------------------------------------


def form(**extra: str) -> dict[str, str]:
    return {
        "key": "reports", "name": "Reports", "active": "on", "as_kpi": "on", "rule-0-event": "Report", "rule-0-match": "starts_with",
        "rule-0-where-0-property": "kind", "rule-0-where-0-op": "is", "rule-0-where-0-value": "monthly", "verb": "save",
    } | extra  # fmt: skip


def test_px_d16_a_feature_is_made_in_the_editor(client, cast):
    client.force_login(cast.olga)
    answer = client.post("/product/features/new/", form())
    assert answer.status_code == 302, answer.content.decode()
    made = Feature.objects.get()
    assert (made.key, made.name, made.as_kpi, made.position, made.rules) == ("reports", "Reports", True, 1, RULES)
    assert AuditEntry.objects.filter(action="feature.created", target="reports").exists()
    page = client.get("/product/features/").content.decode()
    assert "Event starts with Report, and kind is monthly" in page
    assert "Offered as KPI" in page
    editor = client.get(f"/product/features/{made.pk}/").content.decode()
    assert 'value="monthly"' in editor and "readonly" in editor  # noqa: PT018


def test_the_editor_tries_rules_out_on_stored_events_and_saves_nothing(client, cast, acme):
    job.bring_up_to_date(now=timezone.now())
    client.force_login(cast.olga)
    page = client.post("/product/features/new/", form(verb="try", key="", name="")).content.decode()
    assert "What these rules fit" in page
    assert ">1</span> event of" in page
    page = client.post("/product/features/new/", form(verb="try", **{"rule-0-where-0-op": "exists"})).content.decode()
    assert ">2</span> events of" in page
    assert "Report Created" in page  # also as a name to choose
    assert not Feature.objects.exists()


def test_lines_are_added_and_dropped_without_losing_what_was_typed(client, cast):
    client.force_login(cast.olga)
    page = client.post("/product/features/new/", form(verb="add")).content.decode()
    assert 'name="rule-1-event"' in page and 'value="monthly"' in page  # noqa: PT018
    page = client.post("/product/features/new/", form(verb="add-0")).content.decode()
    assert 'name="rule-0-where-1-property"' in page
    page = client.post("/product/features/new/", form(verb="drop-0-0")).content.decode()
    assert 'value="monthly"' not in page and 'value="Report"' in page  # noqa: PT018
    for verb in ("drop-9", "drop-0-9", "add-99", "nonsense"):
        assert client.post("/product/features/new/", form(verb=verb)).status_code == 200


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"key": "Reports!"}, "Use at most 50 small letters"),
        ({"key": "pct_x"}, "cannot begin with pct_"),
        ({"name": " "}, "Give a name"),
        ({"rule-0-event": ""}, "the name of an event"),
        ({"rule-0-event": "(", "rule-0-match": "matches"}, "not a regular expression"),
        ({"rule-0-where-0-op": "gt"}, "Must be a number"),
        ({"rule-0-where-0-op": "near"}, "Must be one of"),
        ({"rule-0-where-0-property": ""}, "the name of a property"),
        ({"rule-0-match": "ends"}, "Must be one of"),
    ],
)
def test_what_is_wrong_with_a_feature_stands_in_the_form(client, cast, change, sentence):
    client.force_login(cast.olga)
    answer = client.post("/product/features/new/", form(**change))
    assert answer.status_code == 400
    assert sentence in answer.content.decode().replace("&#x27;", "'")
    assert not Feature.objects.exists()


def test_the_key_of_a_feature_stays_and_no_two_have_the_same(client, cast):
    client.force_login(cast.olga)
    made = Feature.objects.create(key="reports", name="Reports", rules=RULES, position=1)
    assert client.post("/product/features/new/", form()).status_code == 400
    assert client.post(f"/product/features/{made.pk}/", form(key="other", name="Renamed")).status_code == 302
    made.refresh_from_db()
    assert (made.key, made.name) == ("reports", "Renamed")


def push(org: SalesforceOrg, source: str) -> None:
    mapping = Mapping.objects.create(org=org, entity="customer", state="active", version=1)
    body = write_body(default_body("customer")) | {"pairs": [vars(FieldPair("push", source, "PX_Users__c")) | {"values": {}}]}
    MappingVersion.objects.create(mapping=mapping, number=1, body=body)


def test_a_feature_that_a_mapping_pushes_is_not_taken_away(client, cast):
    client.force_login(cast.olga)
    made = Feature.objects.create(key="reports", name="Reports", rules=RULES, position=1, as_kpi=True)
    push(SalesforceOrg.objects.create(name="One", login_url="https://one.my.salesforce.com"), "feature_users_7d:reports")
    page = client.post(f"/product/features/{made.pk}/delete/", follow=True).content.decode()
    assert "the mapping of One pushes feature_users_7d:reports" in page
    without = {name: value for name, value in form().items() if name != "as_kpi"}
    assert client.post(f"/product/features/{made.pk}/", without).status_code == 409
    MappingVersion.objects.all().delete()
    assert client.post(f"/product/features/{made.pk}/delete/").status_code == 302
    assert not Feature.objects.exists()


def test_roles_of_the_pages(client, cast):
    made = Feature.objects.create(key="reports", name="Reports", rules=RULES, position=1)
    expected = {
        "jane": {"/product/kpis/": 200, "/product/features/": 403, "/product/features/new/": 403},
        "ana": {"/product/kpis/": 200, "/product/features/": 200, "/product/features/new/": 403, f"/product/features/{made.pk}/": 200},
    }  # fmt: skip
    for name, pages in expected.items():
        client.force_login(getattr(cast, name))
        assert {path: client.get(path).status_code for path in pages} == pages
    assert client.post(f"/product/features/{made.pk}/", form(name="Changed")).status_code == 302
    made.refresh_from_db()
    assert made.name == "Reports"
    assert client.post("/product/kpis/compute/").status_code == 403


# --- KPIs ---------------------------------------------------------------------------------------------------------------


def test_px_43_the_page_shows_every_definition_beside_the_references_names(client, cast, acme):
    Feature.objects.create(key="reports", name="<b>Reports</b>", rules=RULES, position=1, as_kpi=True)
    client.force_login(cast.olga)
    assert "nothing was computed yet" in client.get("/product/kpis/").content.decode()
    assert client.post("/product/kpis/compute/").status_code == 302
    assert Run.objects.get(job="product.kpis").state == Run.State.SUCCESS
    page = client.get("/product/kpis/", {"customer": "acme/1"}).content.decode()
    for text in ("Monthly Active Users (MAU) Count", "30 Day Active User Count<br>", "Monthly active users<br>",
                 "Feature Users Last 7 Days: &lt;b&gt;Reports", "feature_<wbr>users_<wbr>7d:reports",
                 "NPS, Net Promoter and Net Promoter Score are registered trademarks"):  # fmt: skip
        assert text in page
    assert "<b>Reports" not in page
    assert "No customer has the id nobody" in client.get("/product/kpis/", {"customer": "nobody"}).content.decode()


def test_a_connection_chooses_instant_and_zone_on_the_page(client, cast):
    org = SalesforceOrg.objects.create(name="One", login_url="https://one.my.salesforce.com", state="connected")
    client.force_login(cast.olga)
    address = f"/product/kpis/settings/{org.pk}/"
    assert (
        "Mars/Base is no time zone"
        in client.post(address, {"as_of": "now", "time_zone": "Mars/Base"}, follow=True).content.decode()
    )
    assert not KpiSettings.objects.exists()
    client.post(address, {"as_of": "now", "time_zone": "Europe/Berlin"})
    assert (KpiSettings.objects.get().as_of, KpiSettings.objects.get().time_zone) == ("now", "Europe/Berlin")
    assert AuditEntry.objects.filter(action="kpi_settings.changed").count() == 1


def test_the_api_lists_definitions_and_values(client, cast, acme):
    Feature.objects.create(key="reports", name="Reports", rules=RULES, position=1, as_kpi=True)
    idle = Customer.objects.create(external_id="idle")
    key = key_of(cast.olga, "product:read", "product:write")
    found = client.get("/api/v1/kpis/", **key).json()
    one = next(each for each in found if each["key"] == "active_users_30d")
    assert (one["list_a"], one["list_b"], one["unit"]) == (
        ["Monthly Active Users (MAU) Count"], ["30 Day Active User Count"], "count",
    )  # fmt: skip
    assert client.post("/api/v1/kpis/compute/", **key).status_code == 202
    values = client.get("/api/v1/kpis/values/", {"customer": "acme/1"}, **key).json()
    assert values["as_of"].startswith(f"{start_of_day(timezone.now()):%Y-%m-%dT00:00:00}")
    wanted = {"active_users_7d": 2, "active_users_7d_pct": None, "nps_score_7d": 100, "nps_responses_7d": 1, "feature_users_7d:reports": 1,
              "feature_events_7d:reports": 1}  # fmt: skip
    assert {name: values["values"][name] for name in wanted} == wanted
    everybody = client.get("/api/v1/kpis/values/", {"keys": "active_users_7d,nps_score_7d"}, **key).json()
    assert [each["values"] for each in everybody["results"]] == [
        {"active_users_7d": 2, "nps_score_7d": 100}, {"active_users_7d": 0, "nps_score_7d": None},
    ]  # fmt: skip
    assert everybody["results"][1]["customer"] == idle.external_id
    assert client.get("/api/v1/kpis/values/", {"customer": "nobody"}, **key).status_code == 404
    assert "nps_7d" in str(client.get("/api/v1/kpis/values/", {"keys": "nps_7d"}, **key).json())


def test_percents_are_given_rounded_and_with_all_digits(client, cast, acme):
    world = World()
    for number in range(3):
        user = EndUser.objects.create(external_id=f"old{number}", customer=acme).pk
        world.event(user, acme.pk, start_of_day(timezone.now()) - timedelta(days=8))
    world.store(now=timezone.now())
    job.bring_up_to_date(now=timezone.now())
    values = client.get("/api/v1/kpis/values/?customer=acme/1", **key_of(cast.olga, "product:read")).json()
    assert values["values"]["active_users_7d_pct"] == -33.3
    assert values["exact"]["active_users_7d_pct"] == "-33.333333333333"
    assert values["exact"]["active_users_7d"] == "2"


def test_the_api_of_features(client, cast, acme):
    key = key_of(cast.olga, "product:read", "product:write")
    body = {"key": "reports", "name": "Reports", "rules": RULES, "as_kpi": True}
    made = client.post("/api/v1/features/", body, content_type="application/json", **key)
    assert made.status_code == 201, made.json()
    assert made.json()["rules"] == RULES
    assert "feature_users_30d:reports" in made.json()["kpis"]
    path = f"/api/v1/features/{made.json()['id']}/"
    changed = client.patch(path, {"name": "Report builder"}, content_type="application/json", **key)
    assert changed.json()["name"] == "Report builder"
    assert client.patch(path, {"key": "x"}, content_type="application/json", **key).status_code == 400
    tried = client.post("/api/v1/features/preview/", {"rules": RULES}, content_type="application/json", **key).json()
    assert (tried["events"], tried["users"], tried["customers"], tried["names"]) == (1, 1, 1, {"Report Created": 1})
    half = [{"event": "Report", "where": [{"property": "kind", "op": "is_not", "value": 0.5}]}]
    assert (
        client.patch(path, {"rules": half}, content_type="application/json", **key).json()["rules"][0]["where"][0]["value"]
        == 0.5
    )
    for body_of_list in ("[]", "[1]", '"text"', "null"):
        for address in (path, "/api/v1/kpis/settings/"):
            assert client.put(address, body_of_list, content_type="application/json", **key).status_code == 400, address
    wrong = client.post("/api/v1/features/preview/", {"rules": [{"event": ""}]}, content_type="application/json", **key)
    assert list(wrong.json()["error"]["fields"]) == ["rules[0].event"]
    job.bring_up_to_date(now=timezone.now())
    assert client.get("/api/v1/features/event-names/", **key).json() == {"Opened": 2, "Report Created": 2}
    assert client.delete(path, **key).status_code == 204
    reader = key_of(cast.ana, "product:read", "product:write")
    assert client.post("/api/v1/features/", body, content_type="application/json", **reader).status_code == 403
    assert client.get("/api/v1/features/", **key_of(cast.olga, "runs:read")).status_code == 403


def test_the_api_of_settings(client, cast):
    org = SalesforceOrg.objects.create(name="One", login_url="https://one.my.salesforce.com")
    key = key_of(cast.olga, "product:read", "product:write")
    given = {"org": org.pk, "as_of": "now", "time_zone": "Asia/Tokyo"}
    for _ in range(2):
        assert client.put("/api/v1/kpis/settings/", given, content_type="application/json", **key).json() == given
    assert client.get("/api/v1/kpis/settings/", **key).json() == [given]
    wrong = client.put("/api/v1/kpis/settings/", given | {"time_zone": "x"}, content_type="application/json", **key)
    assert list(wrong.json()["error"]["fields"]) == ["time_zone"]


def test_the_back_office_shows_features_and_the_roll_up(client, cast, acme):
    Feature.objects.create(key="reports", name="Reports", rules=RULES, position=1)
    job.bring_up_to_date(now=timezone.now())
    client.force_login(cast.ada)
    for name in ("feature", "dailystate", "kpistate", "kpisettings"):
        assert client.get(f"/admin/product/{name}/").status_code == 200, name
