"""The API of customers, end users, links, duplicates and traces (I-04, S-070, S-072, R-121, R-282)."""

from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from integrations.api_keys import create_key
from integrations.models import Customer, EndUser, LinkEvent, RecordLink
from integrations.sync.matching import links

API = "/api/v1"


@pytest.fixture
def api(cast):
    """Olga, who operates."""
    client = APIClient()
    client.force_authenticate(cast.olga)
    return client


def send(api, path, body, status=200):
    answer = api.post(f"{API}/{path}/", body, format="json")
    assert answer.status_code == status, answer.content
    return answer.json() if answer.content else None


def get(api, path, status=200, **params):
    answer = api.get(f"{API}/{path}/", params)
    assert answer.status_code == status, answer.content
    return answer.json()


def test_customers_are_upserted_in_batches_with_a_result_a_row(api):
    body = {
        "customers": [{"external_id": "a", "name": "A"}, {"external_id": "b", "attributes": {"seats": 1.10}}],
        "create_attributes": True,
    }
    first = send(api, "customers", body)
    assert (first["created"], first["updated"], first["unchanged"], first["failed"]) == (2, 0, 0, 0)
    assert first["attributes_made"] == ["seats"]
    again = send(api, "customers", body)
    assert [each["status"] for each in again["rows"]] == ["unchanged", "unchanged"]
    assert [each["id"] for each in again["rows"]] == [each["id"] for each in first["rows"]]


@pytest.mark.parametrize(
    ("sent", "kept"), [("0.1", "0.1"), ("12345678901234567890.5", "12345678901234567890.5"), ("2.675", "2.675"), ("1e2", "100")]
)
def test_r_107_numbers_of_the_body_keep_every_digit(api, sent, kept):
    text = '{"customers": [{"external_id": "a", "attributes": {"n": NUMBER}}], "create_attributes": true}'.replace(
        "NUMBER", sent
    )
    assert api.post(f"{API}/customers/", text, content_type="application/json").status_code == 200
    assert get(api, "customers/a")["attributes"] == {"n": kept}


@pytest.mark.parametrize("body", ["{", "[NaN]", '{"a": Infinity}', "\xff", "[" * 5000, '{"customers": [1' + "0" * 5000 + "]}"])
def test_r_072_bodies_that_are_no_json_are_answered_400(api, body):
    answer = api.post(f"{API}/customers/", body.encode("latin-1"), content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] in ("parse_error", "rows_failed")


@pytest.mark.parametrize(
    ("body", "field"),
    [([], "customers"), ({"customers": []}, "customers"), ({"customers": "x"}, "customers"), ("text", "customers"),
     ({"customers": [{"external_id": "a"}], "owner": 1}, "owner"),
     ({"customers": [{"external_id": "a"}], "create_attributes": "yes"}, "create_attributes"),
     ([{"external_id": str(n)} for n in range(1001)], "customers")],
)  # fmt: skip
def test_bodies_of_another_shape_are_answered_400_by_field(api, body, field):
    assert list(send(api, "customers", body, 400)["error"]["fields"]) == [field]
    assert not Customer.objects.exists()


def test_rows_fail_alone_with_207_and_all_of_them_with_400(api):
    report = send(api, "end-users", [{"external_id": "u"}, {"email": "x"}, {"external_id": "v", "customer": "none"}], 207)
    assert [each["status"] for each in report["rows"]] == ["created", "failed", "failed"]
    assert [list(each["errors"]) for each in report["rows"]] == [[], ["external_id"], ["customer"]]
    refused = send(api, "end-users", {"external_id": ""}, 400)
    assert refused["error"]["code"] == "rows_failed"
    assert refused["rows"][0]["errors"] == {"external_id": ["Is required: the product's own id, as text."]}


@pytest.mark.parametrize(
    "field", ["id", "erased_at", "merged_into", "links", "updated_at", "is_staff", "connection", "status", "customer_id"]
)
def test_s_072_fields_that_are_not_ours_to_set_are_refused(api, field):
    send(api, "customers", [{"external_id": "a", "name": "A"}])
    before = Customer.objects.values().get()
    send(api, "customers", [{"external_id": "a", field: 5}], 400)
    assert Customer.objects.values().get() == before


@pytest.mark.parametrize(
    "external_id", ["plain", "with space", "a/b", "a?b#c", "100%", "ünï", "a&b+c", "it's", "..", "x" * 255]
)
def test_r_121_any_external_id_can_be_sent_and_found(api, external_id):
    send(api, "customers", [{"external_id": external_id, "name": "N"}])
    assert [each["name"] for each in get(api, "customers", external_id=external_id)["results"]] == ["N"]
    if "/" not in external_id and external_id != "..":
        assert get(api, f"customers/{quote(external_id, safe='')}")["external_id"] == external_id


def test_lists_are_searched_filtered_sorted_and_paged(api, world):
    account = world.account("Acme")
    for number, name in enumerate(("Acme", "acme", "Bolt", "Cog")):
        world.customer(f"c{number}", name=name, website=f"w{number}.example")
    world.rules(name=True)
    world.match()
    links.lock(Customer.objects.get(external_id="c0"), org=world.org, actor=None, now=world.now)

    def ids(**params):
        return [each["external_id"] for each in get(api, "customers", **params)["results"]]

    assert ids(search="ACM") == ["c0", "c1"]
    assert ids(search="w2.ex") == ["c2"]
    assert ids(link="linked", org=world.org.pk) == ids(link="conflict") == ["c0", "c1"]
    assert ids(link="unlinked") == ["c2", "c3"]
    assert ids(link="locked") == ["c0"]
    assert ids(link="ambiguous") == ids(link="apart") == ids(link="suspended") == ids(link="manual") == []
    assert ids(sort="-name")[0] == "c1"
    page = get(api, "customers", page_size=2, page=2)
    assert (page["count"], [each["external_id"] for each in page["results"]]) == (4, ["c2", "c3"])
    shown = get(api, "customers/c0")["links"][0]
    assert (shown["salesforce_id"], shown["rule"], shown["locked"], shown["ambiguous"]) == (account, "name", True, False)


@pytest.mark.parametrize(
    "params", [{"page_size": 10**9}, {"page_size": "-1"}, {"page_size": "abc"}, {"sort": "x"}, {"link": "x"}]
)
def test_r_282_odd_parameters_are_capped_or_ignored(api, params):
    send(api, "customers", [{"external_id": "a"}])
    assert get(api, "customers", **params)["count"] == 1


@pytest.mark.parametrize("org", ["abc", "999999", "-1", "9" * 30])
def test_an_unknown_connection_is_named(api, org):
    assert list(get(api, "customers", 400, link="linked", org=org)["error"]["fields"]) == ["org"]


def test_links_are_made_locked_and_taken_away_by_hand(api, world, cast):
    account = world.account("Acme")
    world.customer("c1")
    about = {"org": world.org.pk}
    made = send(api, "customers/c1/link", {**about, "salesforce_id": account[:15]})
    assert (made["salesforce_id"], made["rule"], made["state"]) == (account, "manual", "active")
    assert send(api, "customers/c1/lock", about)["locked"]
    assert send(api, "customers/c1/unlink", about, 409)["error"]["code"] == "locked"
    assert not send(api, "customers/c1/unlock", about)["locked"]
    assert send(api, "customers/c1/unlink", about, 204) is None
    events = get(api, "customers/c1/journal")["results"]
    assert [each["action"] for each in events] == ["unlinked", "unlocked", "locked", "linked"]
    assert {each["actor"] for each in events} == {"olga"}
    undone = send(api, f"link-events/{events[0]['id']}/undo", {})
    assert (undone["action"], undone["after_id"], undone["undoes"]) == ("linked", account, events[0]["id"])
    assert [each["external_id"] for each in get(api, "links", org=world.org.pk, rule="manual")["results"]] == ["c1"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [("customers/none/link", {"org": "here", "salesforce_id": "x"}, 404), ("customers/c1/link", {}, 400),
     ("customers/c1/link", {"org": 999_999, "salesforce_id": "x"}, 400), ("customers/c1/lock", {"org": "x"}, 400),
     ("end-users/c1/unlink", {"org": "here"}, 404), ("link-events/999999/undo", {}, 404)],
)  # fmt: skip
def test_s_070_what_does_not_exist_is_not_found(api, world, path, body, status):
    world.customer("c1")
    send(api, path, {**body, "org": world.org.pk} if body.get("org") == "here" else body, status)


def test_a_link_to_a_record_that_salesforce_does_not_have_is_refused(api, connected_org):
    from django.utils import timezone

    from integrations.sync.matching.spine import save_customers

    save_customers([{"external_id": "c1"}], now=timezone.now())
    refused = send(api, "customers/c1/link", {"org": connected_org.pk, "salesforce_id": "001000000000000AAA"}, 409)
    assert refused["error"]["code"] == "no_such_record"


def test_traces_and_duplicates_over_the_api(api, world):
    account = world.account("Acme")
    world.customer("c1", name="Acme")
    world.customer("c2", name="Acme")
    world.rules(name=True)
    world.match()
    trace = get(api, "customers/c1/explain", org=world.org.pk)
    assert trace["salesforce_id"] == account
    assert [step["outcome"] for step in trace["steps"] if step["rule"] == "name"] == ["matched"]
    theirs = get(api, "explain", org=world.org.pk, salesforce_id=account)
    assert {each["external_id"] for each in theirs["links"]} == {"c1", "c2"}
    assert get(api, "explain", 400, org=world.org.pk)["error"]["fields"] == {"salesforce_id": ["Is required."]}
    found = get(api, "duplicates", org=world.org.pk)
    assert (found["count"], found["results"][0]["winner"]) == (1, None)
    body = {"org": world.org.pk, "entity": "customer", "external_id": "c2"}
    assert send(api, "duplicates", body)["winner"] == Customer.objects.get(external_id="c2").pk
    assert send(api, "duplicates", {**body, "external_id": "none"}, 400)["error"]["fields"]["external_id"]


def test_an_erasure_must_be_confirmed_by_an_admin(api, world, cast):
    world.customer("c1", name="Acme")
    send(api, "customers/c1/erase", {"confirm": "c1"}, 403)
    api.force_authenticate(cast.ada)
    send(api, "customers/c1/erase", {"confirm": "yes"}, 400)
    send(api, "customers/c1/erase", {"confirm": "c1"})
    get(api, "customers/c1", 404)
    assert get(api, "customers")["count"] == 0
    assert send(api, "customers", [{"external_id": "c1"}], 400)["rows"][0]["errors"]["external_id"]


def test_s_115_analysts_see_no_people(api, world, cast):
    world.customer("acme")
    world.user("erika@acme.example", customer="acme", name="Erika Mustermann", email="erika@acme.example", phone="+49 171 5550199",
               attributes={"mail": "erika@acme.example", "ok": True})  # fmt: skip
    api.force_authenticate(cast.ana)
    shown = get(api, "end-users")["results"][0]
    assert "erika" not in str(shown).lower()
    assert "Mustermann" not in str(shown)
    assert "55501" not in str(shown)
    assert shown["customer"] == "acme"
    api.force_authenticate(cast.olga)
    assert get(api, "end-users")["results"][0]["email"] == "erika@acme.example"


def test_keys_need_the_scope(world, cast):
    world.customer("c1")
    _, reading = create_key(owner=cast.olga, name="r", scopes=["customers:read"], expires=None)
    _, writing = create_key(owner=User.objects.get(username="olga"), name="w", scopes=["customers:write"], expires=None)
    client = APIClient()
    assert client.get(f"{API}/customers/", HTTP_AUTHORIZATION=f"Api-Key {reading}").status_code == 200
    assert client.get(f"{API}/customers/", HTTP_AUTHORIZATION=f"Api-Key {writing}").status_code == 403
    body = [{"external_id": "c2"}]
    assert client.post(f"{API}/customers/", body, format="json", HTTP_AUTHORIZATION=f"Api-Key {reading}").status_code == 403
    assert client.post(f"{API}/customers/", body, format="json", HTTP_AUTHORIZATION=f"Api-Key {writing}").status_code == 200
    assert client.get(f"{API}/customers/").status_code in (401, 403)


def test_l_10_a_page_takes_few_statements_whatever_its_size(api, world, django_assert_max_num_queries):
    world.customers({"external_id": f"c{n}", "name": "N"} for n in range(60))
    world.users({"external_id": f"u{n}", "customer": f"c{n}"} for n in range(60))
    for path in ("customers", "end-users"):
        with django_assert_max_num_queries(12):
            assert len(get(api, path)["results"]) == 50


def test_the_back_office_lists_them(client, world, cast):
    account = world.account("Acme")
    world.customer("c1", name="Acme")
    world.user("u1", email="a@b.example")
    world.rules(name=True)
    world.match()
    client.force_login(cast.ada, backend="django.contrib.auth.backends.ModelBackend")
    for name in ("customer", "enduser", "recordlink", "linkevent", "matchstate", "customeralias"):
        assert client.get(f"/admin/integrations/{name}/").status_code == 200, name
    assert account in client.get("/admin/integrations/recordlink/").content.decode()
    chosen = {"action": "unlink", "_selected_action": [RecordLink.objects.get().pk]}
    assert client.post("/admin/integrations/recordlink/", chosen).status_code == 302
    assert LinkEvent.objects.order_by("-id").first().action == "unlinked"
    assert EndUser.objects.count() == 1
