"""Explorers and segments as people use them: filters in the address, any field as column, slices, CSV, builder, history."""

import csv
import io
import json
import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse
from django.utils import timezone

from integrations.models import AuditEntry, Customer, SalesforceOrg
from integrations.product.models.segments import Segment, SegmentCount
from tests.product.segment_world import SegmentWorld

pytestmark = pytest.mark.django_db
ONE = "001dM0000000001QAA"


@pytest.fixture
def world(now) -> SegmentWorld:
    org = SalesforceOrg.objects.create(name="Acme production", state="connected", instance_url="https://acme.my.salesforce.com")
    world = SegmentWorld(org)
    world.attributes(industry="STRING", seats="NUMBER", renewal="DATE_TIME", vip="BOOLEAN")
    world.attributes("end_user", role="STRING")
    world.acme = world.customer(
        "c-1",
        name="Acme",
        linked=ONE,
        last_seen_at=now - timedelta(days=1),
        attributes={
            "industry": "Energy",
            "seats": "40",
            "vip": True,
            "renewal": f"{(now + timedelta(days=60)).date()}T00:00:00Z",
        },
    )
    world.bolt = world.customer(
        "c-2",
        name="bolt",
        last_seen_at=now - timedelta(days=40),
        attributes={"industry": "energy", "seats": "5", "renewal": f"{(now + timedelta(days=120)).date()}T00:00:00Z"},
    )
    world.cafe = world.customer("c-3", name="Café", attributes={"industry": "Retail", "seats": "12.5", "vip": False})
    world.jo = world.user("u-1", world.acme, name="Jo Doe", email="jo@acme.example", attributes={"role": "Owner"})
    world.sam = world.user("u-2", world.cafe, name="Sam Poe", email="sam@cafe.example", attributes={"role": "sam@cafe.example"})
    world.kpis(
        {world.acme: {"active_users_30d": 7, "nps_score_90d": 50}, world.cafe: {"active_users_30d": 2, "nps_score_90d": None}}
    )
    return world


def chip(*parts) -> str:
    return json.dumps(parts)


def names(answer) -> list[str]:
    assert answer.status_code == 200, answer.content.decode()[:600]
    return [line.record.name for line in answer.context["lines"]]


def test_px_34_accounts_are_filtered_by_salesforce_attributes_kept_in_the_address(client, cast, world):
    client.force_login(cast.jane)
    answer = client.get(reverse("product:accounts"), {"c": chip("attributes.industry", "is", "ENERGY")})
    assert names(answer) == ["Acme", "bolt"]
    assert "Industry is ENERGY" in answer.content.decode()
    both = {"c": [chip("attributes.industry", "is", "energy"), chip("attributes.seats", "at_least", 10)]}
    assert names(client.get(reverse("product:accounts"), both)) == ["Acme"]
    assert names(client.get(reverse("product:accounts"), {**both, "match": "any"})) == ["Acme", "bolt", "Café"]
    assert names(client.get(reverse("product:accounts"), {"text": "CAFÉ"})) == ["Café"]


def test_px_40_renewal_within_the_next_90_days(client, cast, world):
    client.force_login(cast.jane)
    soon = {"c": chip("attributes.renewal", "in_next", {"n": 90, "unit": "days"})}
    assert names(client.get(reverse("product:accounts"), soon)) == ["Acme"]


def test_px_35_the_salesforce_id_is_shown_and_filtered(client, cast, world):
    client.force_login(cast.jane)
    page = client.get(reverse("product:accounts")).content.decode()
    assert ONE in page
    assert "acme.my.salesforce.com" in page
    known = {"c": chip("salesforce.id", "is_not_blank")}
    assert names(client.get(reverse("product:accounts"), known)) == ["Acme"]
    assert names(client.get(reverse("product:accounts"), {"c": chip("salesforce.linked", "is_false")})) == ["bolt", "Café"]
    assert names(client.get(reverse("product:accounts"), {"c": chip("salesforce.id", "is", ONE[:15])})) == ["Acme"]


def test_any_attribute_or_kpi_is_a_column_and_sorts(client, cast, world):
    client.force_login(cast.jane)
    query = {"col": ["attributes.seats", "kpi.active_users_30d"], "sort": "-attributes.seats"}
    answer = client.get(reverse("product:accounts"), query)
    assert names(answer) == ["Acme", "Café", "bolt"]
    cells = [[str(value) for _, value in line.cells] for line in answer.context["lines"]]
    assert cells == [["40", "7"], ["12.5", "2"], ["5", "0"]], "counts are 0, never blank"
    up = client.get(reverse("product:accounts"), {"sort": "kpi.nps_score_90d"})
    assert names(up)[0] == "Acme", "blank scores stand last in both directions"


def test_px_02_slices_count_customers_and_sum_kpis_by_a_salesforce_attribute(client, cast, world):
    client.force_login(cast.jane)
    query = {"group": "attributes.industry", "measure": "sum:kpi.active_users_30d"}
    answer = client.get(reverse("product:accounts"), query)
    assert [(each.label, each.records, int(each.figure)) for each in answer.context["slices"]] == [
        ("Energy", 2, 7),
        ("Retail", 1, 2),
    ]
    follow = answer.context["slices"][0].url
    assert names(client.get(reverse("product:accounts") + follow)) == ["Acme", "bolt"]
    for group in ("attributes.renewal", "attributes.vip", "attributes.seats", "last_seen_at", "kpi.nps_score_90d"):
        slices = client.get(reverse("product:accounts"), {"group": group}).context["slices"]
        assert sum(each.records for each in slices) == 3
        for each in slices:
            found = client.get(reverse("product:accounts") + each.url)
            assert found.context["total"] == each.records, (group, each)
    some = {"group": "attributes.vip", "match": "any", "c": chip("attributes.seats", "more_than", 1)}
    for each in client.get(reverse("product:accounts"), some).context["slices"]:
        assert client.get(reverse("product:accounts") + each.url).context["total"] == each.records
    some["c"] = [some["c"], chip("name", "is", "nobody")]
    assert not any(each.url for each in client.get(reverse("product:accounts"), some).context["slices"])


def test_a_filter_is_added_by_the_form_and_a_wrong_one_is_explained(client, cast, world):
    client.force_login(cast.jane)
    new = {"new-field": "attributes.seats", "new-op": "between", "new-value": "1", "new-value2": "20", "sort": "name"}
    answer = client.get(reverse("product:accounts"), new)
    assert answer.status_code == 302
    query = parse_qs(urlsplit(answer["Location"]).query)
    assert query == {"c": ['["attributes.seats","between",["1","20"]]'], "sort": ["name"]}
    wrong = client.get(reverse("product:accounts"), {**new, "new-value2": "many"})
    assert wrong.status_code == 400
    assert "Seats is between" in wrong.content.decode()
    assert "Type a number" in wrong.content.decode()


@pytest.mark.parametrize("bad", ["", "x", "[]", "[1,2]", '["gone","is","x"]', '["name","flies"]', '["name","is"]', "[" * 5000, '["name","is",{}]'])  # fmt: skip
def test_addresses_that_make_no_sense_are_told_and_do_not_count(client, cast, world, bad):
    client.force_login(cast.jane)
    answer = client.get(
        reverse("product:accounts"), {"c": bad, "page": "x", "segment": "999", "col": "nope", "sort": "nope", "group": "nope"}
    )
    assert answer.status_code == 200
    assert "Some filters do not count" in answer.content.decode()


def test_the_csv_holds_what_the_page_shows(client, cast, world):
    client.force_login(cast.ana)
    query = {"c": chip("attributes.industry", "is", "energy"), "col": ["attributes.seats", "attributes.vip"], "sort": "-name"}
    answer = client.get(reverse("product:accounts_csv"), query)
    rows = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert rows == [["customer", "name", "attributes.seats", "attributes.vip", "salesforce_id", "connection"],
                    ["c-2", "bolt", "5", "", "", ""], ["c-1", "Acme", "40", "yes", ONE, "Acme production"]]  # fmt: skip
    assert AuditEntry.objects.filter(action="export.accounts").exists()
    client.force_login(cast.jane)
    assert client.get(reverse("product:accounts_csv")).status_code == 403


def test_s_115_people_are_masked_and_not_found_by_their_addresses(client, cast, world):
    client.force_login(cast.jane)
    answer = client.get(reverse("product:audience"), {"col": ["attributes.role", "email", "customer.name"]})
    page = answer.content.decode()
    assert "jo@acme.example" not in page
    assert "sam@cafe.example" not in page
    assert "Acme" in page
    slices = client.get(reverse("product:audience"), {"group": "attributes.role"})
    assert "sam@cafe.example" not in slices.content.decode()
    assert [bool(each.url) for each in slices.context["slices"] if "@" in each.label] == [False]
    hidden = client.get(reverse("product:audience"), {"c": chip("email", "is", "jo@acme.example"), "text": "jo@acme"})
    assert hidden.context["explorer"].problems
    assert hidden.context["total"] == 0
    client.force_login(cast.olga)
    found = client.get(reverse("product:audience"), {"c": chip("email", "is", "JO@acme.example"), "text": "jo@acme"})
    assert names(found) == ["Jo Doe"]


def test_px_34_the_audience_is_filtered_by_what_salesforce_knows_of_its_company(client, cast, world):
    client.force_login(cast.jane)
    assert names(client.get(reverse("product:audience"), {"c": chip("customer.attributes.industry", "is", "Energy")})) == [
        "Jo Doe"
    ]
    assert names(client.get(reverse("product:audience"), {"c": chip("customer.salesforce.linked", "is_true")})) == ["Jo Doe"]
    assert names(client.get(reverse("product:audience"), {"c": chip("customer.kpi.active_users_30d", "less_than", 5)})) == [
        "Sam Poe"
    ]


def test_a_filter_becomes_a_segment_and_is_changed_in_the_builder(client, cast, world):
    client.force_login(cast.ana)
    query = {"entity": "customer", "c": chip("attributes.industry", "is", "energy")}
    page = client.get(reverse("product:segment_new"), query)
    form = {name: value for row in page.context["builder"].rows() for name, value in row_fields(row).items()}
    data = {"entity": "customer", "match": "all", "name": "Energy", **form}
    saved = client.post(reverse("product:segment_new"), {**data, "verb": "save"})
    segment = Segment.objects.get()
    assert saved["Location"] == reverse("product:segment", args=[segment.pk])
    assert segment.conditions == {"all": [{"field": "attributes.industry", "op": "is", "value": "energy"}]}
    detail = client.get(saved["Location"])
    assert "Industry is energy" in detail.content.decode()
    assert detail.context["total"] == 2
    assert SegmentCount.objects.get().members == 2
    assert AuditEntry.objects.filter(action="segment.created").exists()
    assert names(client.get(reverse("product:accounts"), {"segment": segment.pk})) == ["Acme", "bolt"]


def row_fields(row) -> dict[str, str]:
    return {f"c-{row.number}-{part}": value for part, value in row.texts.items()}


def test_groups_are_built_previewed_and_saved(client, cast, world):
    client.force_login(cast.olga)
    url, data = reverse("product:segment_new"), {"entity": "customer", "match": "all", "name": "Big or VIP"}
    page = client.post(url, {**data, "verb": "group"})
    assert [each.match for each in page.context["builder"].items] == ["any"]
    data |= {"c-0-field": "last_seen_at", "c-0-op": "in_last", "c-0-value": "7", "c-0-unit": "days", "g-0-here": "1", "g-0-match": "any",
             "c-1-group": "0", "c-1-field": "attributes.vip", "c-1-op": "is_true",
             "c-2-group": "0", "c-2-field": "attributes.seats", "c-2-op": "more_than", "c-2-value": "100"}  # fmt: skip
    preview = client.post(url, {**data, "verb": "preview"})
    assert preview.context["preview"]["total"] == 1
    assert preview.context["preview"]["of"] == 3
    assert "Acme" in preview.content.decode()
    assert not Segment.objects.exists()
    client.post(url, {**data, "verb": "save"})
    stored = Segment.objects.get()
    assert stored.conditions["all"][1] == {"any": [
        {"field": "attributes.vip", "op": "is_true"}, {"field": "attributes.seats", "op": "more_than", "value": "100"}]}  # fmt: skip
    again = client.get(reverse("product:segment_edit", args=[stored.pk])).content.decode()
    assert 'name="g-0-match"' in again
    removed = client.post(reverse("product:segment_edit", args=[stored.pk]), {**data, "verb": "remove:g-0"})
    assert len(removed.context["builder"].items) == 1


def test_the_builder_names_the_condition_that_is_wrong(client, cast, world):
    client.force_login(cast.olga)
    data = {"entity": "customer", "match": "all", "name": "", "verb": "save", "c-0-field": "name", "c-0-op": "is", "c-0-value": "x",
            "c-4-field": "attributes.seats", "c-4-op": "more_than", "c-4-value": "many"}  # fmt: skip
    answer = client.post(reverse("product:segment_new"), data)
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "Condition 2 (Seats is more than): Type a number" in page
    assert "Give the segment a name." in page
    assert 'value="many"' in page
    assert 'id="c-4-errors"' in page


def test_parts_follow_field_and_operator(client, cast, world):
    client.force_login(cast.ana)
    url = reverse("product:segment_parts")
    page = client.get(url, {"entity": "customer", "prefix": "c-3-", "c-3-field": "attributes.renewal"}).content.decode()
    assert 'name="c-3-unit"' in page
    assert "is within the next" in page
    page = client.get(
        url, {"entity": "customer", "prefix": "new-", "new-field": "attributes.renewal", "new-op": "on"}
    ).content.decode()
    assert 'type="date"' in page
    for field, expected in (
        ("events", "c-1-times"),
        ("segment", "c-1-value"),
        ("attributes.vip", "is yes"),
        ("salesforce.id", "001…"),
    ):
        assert expected in client.get(url, {"entity": "customer", "prefix": "c-1-", "c-1-field": field}).content.decode()
    assert client.get(url, {"entity": "customer", "prefix": "<script>"}).status_code == 404


def test_only_its_maker_or_operators_change_a_segment(client, cast, world):
    mine = Segment.objects.create(name="Mine", entity="customer", conditions={"all": []}, owner=cast.ana)
    theirs = Segment.objects.create(name="Theirs", entity="customer", conditions={"all": []}, owner=cast.olga)
    client.force_login(cast.ana)
    assert client.get(reverse("product:segment_edit", args=[mine.pk])).status_code == 200
    assert client.get(reverse("product:segment_edit", args=[theirs.pk])).status_code == 302
    client.post(reverse("product:segment_archive", args=[theirs.pk]))
    client.post(reverse("product:segment_archive", args=[mine.pk]))
    mine.refresh_from_db()
    theirs.refresh_from_db()
    assert mine.archived_at
    assert not theirs.archived_at
    assert "Mine" not in client.get(reverse("product:segments")).content.decode()
    assert "Mine" in client.get(reverse("product:segments"), {"show": "archived"}).content.decode()
    client.post(reverse("product:segment_restore", args=[mine.pk]))
    assert (
        "Mine"
        in client.get(reverse("product:segments"), {"sort": "-members", "text": "mIn", "entity": "customer"}).content.decode()
    )


def test_a_segment_whose_field_is_gone_says_so(client, cast, world):
    broken = Segment.objects.create(
        name="Old", entity="customer", conditions={"all": [{"field": "attributes.gone", "op": "is", "value": "x"}]}
    )
    client.force_login(cast.olga)
    page = client.get(reverse("product:segment", args=[broken.pk])).content.decode()
    assert "This segment cannot be used" in page
    assert "attributes.gone" in page
    assert client.get(reverse("product:accounts"), {"segment": broken.pk}).context["total"] == 0
    assert "attributes.gone (gone)" in client.get(reverse("product:segment_edit", args=[broken.pk])).content.decode()
    assert "Cannot be used" in client.get(reverse("product:segments")).content.decode()


def test_history_of_members_is_a_chart_with_its_table(client, cast, world):
    segment = Segment.objects.create(name="All", entity="customer", conditions={"all": []})
    now = timezone.now()
    SegmentCount.objects.create(segment=segment, day=(now - timedelta(days=1)).date(), members=1, at=now)
    client.force_login(cast.jane)
    page = client.get(reverse("product:segment", args=[segment.pk]))
    assert page.context["chart"]["series"][0]["values"] == [1, 3]
    assert 'data-series="members-data"' in page.content.decode()
    assert "<caption" in page.content.decode()


def test_new_records_count_at_once(client, cast, world):
    client.force_login(cast.jane)
    assert client.get(reverse("product:accounts")).context["total"] == 3
    world.customer("c-9", name="New", updated_at=timezone.now())
    Customer.objects.filter(pk=world.bolt.pk).update(erased_at=timezone.now(), updated_at=timezone.now())
    assert names(client.get(reverse("product:accounts"))) == ["Acme", "Café", "New"]


def test_values_that_records_have_are_offered_while_typing(client, cast, world):
    client.force_login(cast.ana)
    today = timezone.now().date()
    world.events([(today, world.acme.pk, None, "Report Created", 3), (today, world.acme.pk, None, "Signed In", 9)])
    client.get(reverse("product:accounts"))

    def offered(field: str) -> list[str]:
        page = client.get(
            reverse("product:segment_parts"), {"entity": "customer", "prefix": "c-1-", "c-1-field": field}
        ).content.decode()
        return re.findall(r'<option value="([^"]*)"></option>', page)

    assert offered("attributes.industry") == ["Energy"], "the value of several records"
    assert offered("events") == ["Signed In", "Report Created"]
    assert offered("name") == []


def test_s_115_analysts_build_no_segment_on_addresses_of_people(client, cast, world):
    data = {
        "entity": "end_user",
        "match": "all",
        "name": "Jo",
        "verb": "save",
        "c-0-field": "email",
        "c-0-op": "is",
        "c-0-value": "jo@acme.example",
    }
    client.force_login(cast.ana)
    refused = client.post(reverse("product:segment_new"), data)
    assert refused.status_code == 400
    assert "only operators" in refused.content.decode()
    client.force_login(cast.olga)
    assert client.post(reverse("product:segment_new"), data).status_code == 302
    path = reverse("product:segment", args=[Segment.objects.get().pk])
    assert "jo@acme.example" in client.get(path).content.decode()
    client.force_login(cast.jane)
    for each in (path, reverse("product:segments")):
        assert "jo@acme.example" not in client.get(each).content.decode()


def test_everything_that_narrows_the_list_becomes_part_of_the_segment(client, cast, world):
    client.force_login(cast.olga)
    base = Segment.objects.create(name="Base", entity="customer", conditions={"all": [{"field": "name", "op": "is_not_blank"}]})
    query = {
        "c": [chip("attributes.industry", "is", "energy"), chip("attributes.seats", "is", 12.5)],
        "match": "any",
        "text": "c-",
        "segment": base.pk,
    }
    listed = names(client.get(reverse("product:accounts"), query))
    page = client.get(reverse("product:segment_new"), {**query, "entity": "customer"})
    conditions = page.context["builder"].data()
    tree = client.post(
        "/api/v1/segments/preview/", {"entity": "customer", "conditions": conditions}, content_type="application/json"
    ).json()
    assert tree["members"] == len(listed) == 3
    assert {each["name"] for each in tree["sample"]} == set(listed)
    narrowed = {**query, "text": "caf"}
    conditions = client.get(reverse("product:segment_new"), {**narrowed, "entity": "customer"}).context["builder"].data()
    tree = client.post(
        "/api/v1/segments/preview/", {"entity": "customer", "conditions": conditions}, content_type="application/json"
    ).json()
    assert [each["name"] for each in tree["sample"]] == names(client.get(reverse("product:accounts"), narrowed)) == ["Café"]


def test_salesforce_ids_are_those_of_the_connection_in_the_top_bar(client, cast, world):
    other = SalesforceOrg.objects.create(name="Sandbox", state="connected")
    world.link(world.acme, "001dM0000000009QAA", org=other)
    client.force_login(cast.jane)
    assert len(client.get(reverse("product:accounts")).context["lines"][0].links) == 2
    client.post(reverse("integrations:connection_choose"), {"org": other.pk, "next": "/"})
    answer = client.get(reverse("product:accounts"))
    assert [link.salesforce_id for link in answer.context["lines"][0].links] == ["001dM0000000009QAA"]
    assert "Only what belongs to Sandbox is shown" in answer.content.decode()
    assert names(client.get(reverse("product:accounts"), {"c": chip(f"salesforce.linked@{other.pk}", "is_true")})) == ["Acme"]


@pytest.mark.parametrize("address", ["/product/accounts/", "/product/audience/", "/product/accounts/?col=kpi.nps_score_90d"])
def test_l_10_an_explorer_asks_a_fixed_number_of_questions(client, cast, world, django_assert_max_num_queries, address) -> None:
    client.force_login(cast.ana)
    client.get(address)  # brings the lake's copy up to date
    with django_assert_max_num_queries(30):
        assert client.get(address).status_code == 200
