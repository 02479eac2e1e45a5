"""Questions over all records, on both engines: counts, pages in order, everything, slices; tables that do not exist yet."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from integrations.models import Attribute, SalesforceOrg
from integrations.product.ingest import lake_tables
from integrations.product.segments import asking, records, suggesting
from integrations.product.segments.asking import Question
from integrations.product.segments.conditions import read_tree
from integrations.product.segments.known import know
from integrations.product.segments.usage import usage_of
from tests.product.segment_world import NOW, SegmentWorld, days_ago

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["duckdb", "chdb"])
def engine_name(request, settings) -> str:
    if request.param == "chdb":
        pytest.importorskip("chdb", reason="The chdb package stands in for a ClickHouse server.")
    settings.LAKE_ENGINE_URL = f"{request.param}://"
    return request.param


@pytest.fixture
def world() -> SegmentWorld:
    world = SegmentWorld(SalesforceOrg.objects.create(name="Acme", state="connected"))
    world.attributes(industry="STRING", seats="NUMBER", vip="BOOLEAN", renewal="DATE_TIME")
    return world


def fill(world: SegmentWorld) -> None:
    values = [
        ("a", "Zürich", "Retail", "10", 3),
        ("b", "älpler", "retail", "2.5", None),
        ("c", "Bern", None, None, 5),
        ("d", "arosa", "Energy", "-1", 0),
    ]
    made = {}
    for key, name, industry, seats, users in values:
        attributes = {
            "industry": industry,
            "seats": seats,
            "vip": key == "a",
            "renewal": "2027-01-31T00:00:00Z" if key != "c" else None,
        }
        made[world.customer(key, name=name, attributes=attributes, last_seen_at=days_ago(ord(key) - 97))] = {
            "active_users_30d": users
        }
    world.kpis(made)
    for number, customer in enumerate(made):
        world.user(f"u{number}", customer)
    world.user("alone")
    world.settle()


def test_pages_are_sorted_by_any_field_blanks_last(world, engine_name):
    fill(world)
    known = know("customer")

    def order(sort: str) -> str:
        found = asking.read_page(Question(known, sort=sort), [known.fields["external_id"]], first=0, rows=10, now=NOW)
        assert found.total == 4
        return "".join(each["external_id"] for each in found.values)

    assert order("name") == "dcab"
    assert order("-name") == "bacd"
    assert order("attributes.seats") == "dbac"
    assert order("-attributes.seats") == "abdc"
    assert order("-kpi.active_users_30d") == "cabd", "a count without a figure is 0"
    assert order("-last_seen_at") == "abcd"
    assert order("attributes.vip") == "bcda"
    assert order("nonsense") == "abcd"


def test_pages_hold_exact_values_and_know_the_total(world, engine_name):
    fill(world)
    known = know("customer")
    columns = [
        known.fields[key] for key in ("attributes.seats", "attributes.vip", "attributes.renewal", "last_seen_at", "name")
    ]
    found = asking.read_page(Question(known, sort="name"), columns, first=3, rows=2, now=NOW)
    assert found.total == 4
    values = found.values[0]
    assert values["attributes.seats"] == Decimal("2.5")
    assert values["attributes.vip"] is False
    assert values["attributes.renewal"] == "2027-01-31T00:00:00"
    assert values["last_seen_at"] == days_ago(1).replace(microsecond=123_000)
    assert values["name"] == "älpler"
    behind = asking.read_page(Question(known, sort="name"), columns, first=50, rows=2, now=NOW)
    assert (behind.total, behind.ids) == (4, [])


def test_end_users_show_columns_of_their_customer(world, engine_name):
    fill(world)
    known = know("end_user")
    columns = [known.fields[key] for key in ("customer.name", "customer.attributes.seats", "customer.kpi.active_users_30d")]
    found = asking.read_page(Question(known, sort="-customer.attributes.seats"), columns, first=0, rows=2, now=NOW)
    assert [each["customer.name"] for each in found.values] == ["Zürich", "älpler"]
    assert [each["customer.kpi.active_users_30d"] for each in found.values] == [3, 0]
    rest = asking.read_page(Question(known, sort="-customer.attributes.seats"), columns, first=2, rows=9, now=NOW)
    assert [each["customer.name"] for each in rest.values] == ["arosa", "Bern", None]


def test_everything_is_streamed_in_the_same_order(world, engine_name):
    fill(world)
    known = know("customer")
    pieces = list(asking.read_all(Question(known, sort="-name"), [known.fields["external_id"]], now=NOW, rows=2))
    assert "".join(values["external_id"] for piece in pieces for _, values in piece) == "bacd"


def test_px_02_slices_on_both_engines(world, engine_name):
    fill(world)
    known = know("customer")

    def sliced(key: str, *measures) -> list:
        found = asking.slice_by(Question(known), known.fields[key], measures, now=NOW)
        assert found.records == 4
        assert found.groups == len(found.slices)
        return [
            (each.value, each.records, *(None if m is None else round(float(m), 6) for m in each.measured))
            for each in found.slices
        ]

    seats, users = known.fields["attributes.seats"], known.fields["kpi.active_users_30d"]
    retail, *others = sliced("attributes.industry", ("sum", seats), ("avg", users))
    assert (retail[0].lower(), *retail[1:]) == ("retail", 2, 12.5, 1.5)
    assert others == [("Energy", 1, -1.0, 0.0), (None, 1, None, 5.0)]
    assert sorted(map(str, sliced("attributes.vip"))) == ["(False, 3)", "(True, 1)"]
    assert sliced("attributes.renewal") == [("2027-01", 3), (None, 1)]
    assert sliced("last_seen_at") == [("2026-11", 4)]


def test_text_is_searched_without_case_in_name_id_and_website(world, engine_name):
    fill(world)
    known = know("customer")
    for text, expected in (("ÄLP", 1), ("zürich", 1), ("D", 1), ("%", 0), ("", 4), ("'", 0)):
        assert asking.count(Question(known, text=text), now=NOW) == expected, text


def test_before_anything_was_computed_figures_are_blank_and_counts_0(world, engine_name):
    world.customer("c1")
    world.settle()
    known = know("customer")

    def count(*of: dict) -> int:
        return asking.count(Question(known, (read_tree({"all": list(of)}, known),)), now=NOW)

    assert count({"field": "kpi.nps_score_30d", "op": "is_blank"}) == 1
    assert count({"field": "kpi.active_users_30d", "op": "is", "value": 0}) == 1
    assert count({"field": "events", "op": "did", "value": {"name": "x"}}) == 0
    assert count({"field": "events", "op": "did_not", "value": {"name": "x"}}) == 1
    assert count({"field": "salesforce.linked", "op": "is_false"}) == 1


def test_s_030_values_are_parameters_never_text_of_the_statement(world, engine_name):
    world.customer("c1", name="x' OR 1=1 --", attributes={"industry": "{{lower(x)}} $p0 \\"})
    world.settle()
    known = know("customer")
    for field, value in (("name", "x' OR 1=1 --"), ("attributes.industry", "{{LOWER(x)}} $P0 \\")):
        tree = read_tree({"all": [{"field": field, "op": "is", "value": value}]}, known)
        assert asking.count(Question(known, (tree,)), now=NOW) == 1
    wrong = read_tree({"all": [{"field": "name", "op": "is", "value": "y' OR 1=1 --"}]}, known)
    assert asking.count(Question(known, (wrong,)), now=NOW) == 0


def test_an_attribute_with_a_key_that_is_no_name_is_not_offered(world):
    Attribute.objects.create(entity="customer", key='a"b', label="Odd", type="STRING")
    assert 'attributes.a"b' not in know("customer").fields
    assert "attributes.seats" in know("customer").fields


def test_years_at_the_ends_of_the_calendar_are_compared(world, engine_name):
    world.customer("old", first_seen_at=datetime(1066, 10, 14, tzinfo=UTC), attributes={"renewal": "1066-10-14T00:00:00Z"})
    world.customer("far", first_seen_at=datetime(9999, 12, 31, tzinfo=UTC), attributes={"renewal": "9999-12-31T00:00:00Z"})
    world.settle()
    known = know("customer")
    for field in ("first_seen_at", "attributes.renewal"):
        assert world.ask("customer", {"all": [{"field": field, "op": "before", "value": "1500-01-01"}]}) == {"old"}
        assert world.ask("customer", {"all": [{"field": field, "op": "on", "value": "9999-12-31"}]}) == {"far"}
        assert world.ask("customer", {"all": [{"field": field, "op": "more_than_ahead", "value": 3660}]}) == {"far"}
    assert known.entity == "customer"


def test_px_04_usage_and_event_names_on_both_engines(world, engine_name):
    acme, bolt = world.customer("c1"), world.customer("c2")
    jo = world.user("u1", acme)
    old = world.customer("c3", merged_into=acme)
    today = NOW.date()
    world.events(
        [
            (today, acme.pk, jo.pk, "A", 2),
            (today, None, jo.pk, "B", 1),
            (today, old.pk, None, "A", 4),
            (today, bolt.pk, None, "C", 50),
        ]
    )
    rows = [{"event_id": f"n{score}", "day": today, "at": NOW, "received_at": NOW, "customer_id": acme.pk, "end_user_id": jo.pk,
             "survey": "nps", "score": score, "comment": None} for score in (9, 3)]  # fmt: skip
    world.write(lake_tables.nps_table(), rows)
    usage = usage_of(acme, now=NOW)
    assert (usage.days[-1].users, usage.days[-1].events) == (1, 7)
    assert sorted((each.score, each.comment) for each in usage.answers) == [(3, ""), (9, "")]
    assert usage_of(bolt, now=NOW).total_events == 50
    assert suggesting.event_names(now=NOW) == ["C", "A", "B"]


def test_activity_of_one_record_on_both_engines(world, engine_name):
    acme = world.customer("c1")
    jo = world.user("u1", acme)
    today = NOW.date()
    world.kpis({acme: {"active_users_30d": 3}})
    world.events([(today, acme.pk, jo.pk, "A", 2), (today, None, jo.pk, "A", 1), (today, acme.pk, None, "B", 5)])
    assert records.activity_of("customer", acme.pk, "events", "A", first=today, last=today) == 3
    assert records.activity_of("end_user", jo.pk, "events", "A", first=today, last=today) == 3
    assert records.activity_of("customer", acme.pk, "active_events", "", first=today, last=today) == 8
    assert records.kpis_of(acme.pk)["active_users_30d"] == 3
    assert records.kpis_of(acme.pk + 1) == {}
