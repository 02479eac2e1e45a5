"""Random worlds against a naive reference that counts in Python: from the roll-up, from the events, at any instant, in any zone."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.lake.engine import open_engine
from integrations.models import Customer, EndUser, SalesforceOrg
from integrations.product.kpis import catalog, compute, figures, job, windows
from integrations.product.kpis.engagement_counts import count_engagements
from integrations.product.kpis.values import as_of_now, for_push, of_customer, rounded
from integrations.product.models import Feature, KpiSettings
from tests.product.kpi_world import World, answers_in, cut, nps, percent, users_in

AS_OF = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday after a short month
NOW = AS_OF + timedelta(hours=2, minutes=30)
ZONES = ("UTC", "Pacific/Auckland", "America/Sao_Paulo")


@pytest.fixture(params=["duckdb", "chdb"])
def engine_name(request, settings) -> str:
    if request.param == "chdb":
        pytest.importorskip("chdb", reason="The chdb package stands in for a ClickHouse server.")
    settings.LAKE_ENGINE_URL = f"{request.param}://"
    return request.param


def make_world(dice: random.Random, customers: list[int], users: list[int], *, around: datetime) -> World:
    """Events and answers over 300 days, many of them near edges of windows."""
    found = windows.windows_of(around)
    edges = [each for window in found.values() for each in (window.start, window.end)]
    world, some_days = World(), dice.sample(range(-1, 299), 25)

    def instant() -> datetime:
        if dice.random() < 0.3:
            return dice.choice(edges) + timedelta(milliseconds=dice.choice([-1, 0, 1]))
        return around - timedelta(days=dice.choice(some_days), milliseconds=dice.randrange(86_400_000))

    for _ in range(250):
        world.event(dice.choice([*users, None]), dice.choice(customers), instant(), dice.choice(["A", "B", "C"]),
                    automatic=dice.random() < 0.2, n=dice.randrange(4))  # fmt: skip
    for _ in range(120):
        survey = dice.choice(["one", "two"])
        world.answer(dice.choice([*users, None]), dice.choice(customers), instant(), dice.randrange(11), survey)
    return world


def expected(world: World, customer: int, as_of: datetime, zone: Any) -> dict[str, Any]:
    """Every figure by its definition."""
    found = windows.windows_of(as_of, zone=zone)

    def users(name: str, events: list[dict[str, Any]] = world.events) -> int:
        return users_in(events, customer, found[name].start, found[name].end)

    def scores(name: str) -> list[int]:
        return answers_in(world.answers, customer, found[name].start, found[name].end)

    of_feature = [
        {**each, "automatic": False} for each in world.events if each["name"] == "A" and '"n": 3' not in each["properties"]
    ]
    wanted: dict[str, Any] = {"active_users_last_month": users("last_month")}
    for name in ("7d", "30d", "90d"):
        before = f"{name}_prev"
        wanted[f"active_users_{name}"] = users(name)
        wanted[f"active_users_{name}_pct"] = percent(users(name), users(before))
        wanted[f"feature_users_{name}:a"] = users(name, of_feature)
        wanted[f"feature_users_{name}_pct:a"] = percent(users(name, of_feature), users(before, of_feature))
        here = [each for each in of_feature if each["customer_id"] == customer and found[name].has(each["at"])]
        wanted[f"feature_events_{name}:a"] = len(here)
        wanted[f"nps_score_{name}"], wanted[f"nps_score_{before}"] = nps(scores(name)), nps(scores(before))
        wanted[f"nps_responses_{name}"] = len(scores(name))
        wanted[f"nps_score_{name}_pct"] = percent(nps(scores(name)), nps(scores(before)), zero=False)
    for name, change in (("last_week", "wow"), ("last_month", "mom"), ("last_quarter", "qoq")):
        now, then = nps(scores(name)), nps(scores(f"{name}_prev"))
        wanted[f"nps_score_{name}"], wanted[f"nps_responses_{name}"] = now, len(scores(name))
        wanted[f"nps_score_{change}"] = None if now is None or then is None else now - then
        wanted[f"nps_responses_{change}"] = percent(len(scores(name)), len(scores(f"{name}_prev")))
    return {key: cut(value) if isinstance(value, Fraction) else value for key, value in wanted.items()}


def make_cast() -> tuple[list[int], list[int]]:
    customers = [Customer.objects.create(external_id=f"c{n}").pk for n in range(3)]
    rules = [{"event": "A", "where": [{"property": "n", "op": "lt", "value": 3}]}]
    Feature.objects.create(key="a", name="A", rules=rules, position=1, as_kpi=True)
    return customers, [EndUser.objects.create(external_id=f"u{n}").pk for n in range(9)]


@pytest.mark.django_db
@pytest.mark.parametrize("seed", [1, 2])
def test_from_the_roll_up_as_of_midnight(engine_name, seed):
    customers, users = make_cast()
    world = make_world(random.Random(seed), customers, users, around=AS_OF)
    wanted = {customer: expected(world, customer, AS_OF, UTC) for customer in customers}
    world.store(now=NOW)
    job.bring_up_to_date(now=NOW)
    for customer in customers:
        found = of_customer(customer)
        assert {key: found[key] for key in wanted[customer]} == wanted[customer]


@pytest.mark.django_db
@pytest.mark.parametrize("zone", ZONES)
def test_px_d16_from_the_events_at_any_instant_and_in_any_zone(engine_name, zone):
    customers, users = make_cast()
    as_of = datetime(2026, 4, 1, 3, 17, 5, 250_000, tzinfo=UTC)  # March is over in Auckland, and in UTC, not in Sao Paulo
    world = make_world(random.Random(zone), customers, users, around=as_of)
    wanted = {customer: expected(world, customer, as_of, ZoneInfo(zone)) for customer in customers}
    world.store(now=as_of)
    counted = catalog.read_counted()
    seen = count_engagements(as_of)
    with open_engine() as engine:
        rows = [
            row for batch in compute.figures_of(engine, counted.columns, counted, seen, as_of=as_of, zone=ZoneInfo(zone))
            for row in batch.to_pylist()
        ]  # fmt: skip
    from integrations.sync.mapping.catalogue import column_of

    for row in rows:
        assert {key: row[column_of(key)] for key in wanted[row["customer_id"]]} == wanted[row["customer_id"]]
    assert len(rows) == 3


@pytest.mark.django_db
def test_px_43_a_connection_may_choose_the_instant_and_its_time_zone(now):
    customers, users = make_cast()
    org = SalesforceOrg.objects.create(name="One", login_url="https://one.my.salesforce.com")
    other = SalesforceOrg.objects.create(name="Two", login_url="https://two.my.salesforce.com")
    at = datetime(2026, 3, 1, 11, 0, 30, 123_000, tzinfo=UTC)  # past the end of February in UTC as well as in Auckland
    world = World()
    world.event(users[0], customers[0], at - timedelta(seconds=10))
    world.event(users[1], customers[0], datetime(2026, 2, 28, 11, 30, tzinfo=UTC))  # 1 March in Auckland
    world.store(now=at)
    KpiSettings.objects.create(org=org, as_of="now", time_zone="Pacific/Auckland")
    keys = ["active_users_7d", "active_users_last_month"]
    assert (as_of_now(org, now=at), as_of_now(other, now=at)) == (at, datetime(2026, 3, 1, tzinfo=UTC))
    table = for_push(org, keys, now=at + timedelta(microseconds=456))
    assert isinstance(table, pa.Table)
    rows: list[dict[str, Any]] = table.to_pylist()  # pyright: ignore[reportAttributeAccessIssue]
    row = next(each for each in rows if each["id"] == customers[0])
    assert row == {"id": customers[0], "active_users_7d": 2, "active_users_last_month": 0}
    with open_engine() as engine:
        engine.bind("kpis", for_push(other, keys, now=at))
        found = engine.rows(f"SELECT active_users_7d, active_users_last_month FROM kpis WHERE id = {customers[0]}")
    assert found == [(1, 1)]  # complete UTC days only; February in UTC


COUNTS = st.integers(0, 10**7)


@given(st.lists(st.tuples(st.one_of(st.none(), COUNTS), st.one_of(st.none(), COUNTS)), min_size=1), st.integers(0, 11))
def test_percents_round_as_the_exact_fraction_would(pairs, places):
    current, before = (pa.array([pair[side] for pair in pairs], pa.int64()) for side in (0, 1))
    found = figures.percent(current, before).to_pylist()
    for value, (now, then) in zip(found, pairs, strict=True):
        exact = percent(now, then)
        assert value == cut(exact)
        if exact is not None:
            shown = rounded(value, places)
            size = int(abs(exact) * 10**places + Fraction(1, 2))  # half away from zero
            assert shown == Decimal(-size if exact < 0 else size).scaleb(-places)


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500)), min_size=1))
def test_nps_is_rounded_half_away_from_zero_and_blank_without_answers(groups):
    answers, promoters, detractors = (
        pa.array(values, pa.int64())
        for values in ([sum(each) for each in groups], [each[0] for each in groups], [each[1] for each in groups])
    )
    found = figures.score(answers, promoters, detractors).to_pylist()
    assert found == [nps([9] * each[0] + [6] * each[1] + [7] * each[2]) for each in groups]
    assert all(each is None or -100 <= each <= 100 for each in found)


def test_half_points_go_away_from_zero():
    array = [pa.array(values, pa.int64()) for values in ([8, 8, 200], [5, 0, 1], [0, 5, 0])]
    assert figures.score(*array).to_pylist() == [63, -63, 1]  # 62.5, -62.5, 0.5
    assert rounded(Decimal("-0.25")) == Decimal("-0.3")
    assert rounded(Decimal("0.25")) == Decimal("0.3")
    assert rounded(None) is None
    assert rounded(7) == 7
