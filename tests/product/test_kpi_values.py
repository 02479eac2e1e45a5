"""Every KPI of the registry against figures computed by hand, on both engines."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest

from integrations.lake import reading
from integrations.lake.engine import open_engine
from integrations.models import Customer, EndUser, LakeFile
from integrations.product.kpis import engagement_counts, job, registry, tables
from integrations.product.kpis.values import of_customer
from integrations.product.models import DirtyDay, Engagement, EngagementView, Feature, KpiState
from tests.product.kpi_world import World

pytestmark = pytest.mark.django_db
AS_OF = datetime(2026, 11, 22, tzinfo=UTC)  # a Sunday
NOW = AS_OF + timedelta(hours=2, minutes=30)
INSTANT = timedelta(milliseconds=1)


@pytest.fixture(params=["duckdb", "chdb"])
def engine_name(request, settings) -> str:
    if request.param == "chdb":
        pytest.importorskip("chdb", reason="The chdb package stands in for a ClickHouse server.")
    settings.LAKE_ENGINE_URL = f"{request.param}://"
    return request.param


@pytest.fixture
def acme() -> Customer:
    return Customer.objects.create(external_id="acme", name="Acme")


@pytest.fixture
def no_engagements(monkeypatch) -> None:
    monkeypatch.setattr(engagement_counts, "_registered", [])


def people(customer: Customer | None, number: int) -> list[int]:
    name = customer.external_id if customer else "nobody"
    return [EndUser.objects.create(external_id=f"{name}-{n}", customer=customer).pk for n in range(number)]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def count(world: World, *, now: datetime = NOW) -> None:
    world.store(now=now)
    job.bring_up_to_date(now=now)


def scenario(customer: int, u: list[int]) -> World:
    """As of 2026-11-22: 7d is 15 to 21 Nov, before it 8 to 14 Nov; 30d from 23 Oct, before it from 23 Sep; 90d from 24 Aug,
    before it from 26 May; last week 9 to 15 Nov, last month October, last quarter July to September."""
    world = World()
    for user, day, name, times in (
        (0, "2026-11-21", "Report Created", 2), (1, "2026-11-10", "Report Created", 1), (0, "2026-11-12", "Opened", 1),
        (0, "2026-10-31T23:59:59.999", "Opened", 1), (2, "2026-10-05", "Report Created", 3),
        (3, "2026-07-01", "Report Created", 1),
    ):  # fmt: skip
        for _ in range(times):
            world.event(u[user], customer, at(day), name)
    world.event(u[4], customer, at("2026-11-20"), "identify", automatic=True)
    for user, day, score in (
        (0, "2026-11-16", 0), (0, "2026-11-20", 10), (1, "2026-11-17", 7), (2, "2026-11-18", 3),
        (3, "2026-11-09", 9), (4, "2026-11-10", 9), (5, "2026-11-11", 2), (1, "2026-11-02", 10),
        (2, "2026-11-08T23:59:59.999", 10), (0, "2026-10-01", 6), (1, "2026-10-02", 9), (2, "2026-10-03", 8),
        (0, "2026-09-30T23:59:59.999", 10), (0, "2026-07-05", 0), (1, "2026-06-15", 0),
    ):  # fmt: skip
        world.answer(u[user], customer, at(day), score)
    return world


BY_HAND = {
    # users: 7d {u0}; before {u0, u1}; 30d {u0, u1}; before {u2}; 90d {u0, u1, u2}; before {u3}; October {u0, u2}; u4 was automatic
    "active_users_7d": 1, "active_users_30d": 2, "active_users_90d": 3, "active_users_last_month": 2,
    "active_users_7d_pct": -50, "active_users_30d_pct": 100, "active_users_90d_pct": 200,
    # 7d: u0 10 (his 0 is older), u1 7, u2 3: 1 - 1 of 3; before: u2 10, u3 9, u4 9, u5 2: 3 - 1 of 4 = 50
    "nps_score_7d": 0, "nps_responses_7d": 3, "nps_score_7d_prev": 50, "nps_score_7d_pct": -100,
    # 30d: 10, 7, 3, 9, 9, 2: 3 - 2 of 6 = 16.67; before: 6, 9, 8: 1 - 1 of 3 = 0, so no percent
    "nps_score_30d": 17, "nps_responses_30d": 6, "nps_score_30d_prev": 0, "nps_score_30d_pct": None,
    # 90d: as 30d; before: 0 and 0 = -100; (17 + 100) / 100
    "nps_score_90d": 17, "nps_responses_90d": 6, "nps_score_90d_prev": -100, "nps_score_90d_pct": 117,
    # last week: 9, 9, 2 = 33.33 (u0's answer of Monday 00:00 is this week's); the week before: 10, 10
    "nps_score_last_week": 33, "nps_responses_last_week": 3, "nps_score_wow": -67, "nps_responses_wow": 50,
    # October: 6, 9, 8; September: 10
    "nps_score_last_month": 0, "nps_responses_last_month": 3, "nps_score_mom": -100, "nps_responses_mom": 200,
    # July to September: u0's latest, 10; April to June: 0
    "nps_score_last_quarter": 100, "nps_responses_last_quarter": 1, "nps_score_qoq": 200, "nps_responses_qoq": 0,
    # the feature: 7d {u0}, before {u1}; 30d {u0, u1}, before {u2}; 90d {u0, u1, u2}, before {u3}
    "feature_users_7d:reports": 1, "feature_users_7d_pct:reports": 0, "feature_events_7d:reports": 2,
    "feature_users_30d:reports": 2, "feature_users_30d_pct:reports": 100, "feature_events_30d:reports": 3,
    "feature_users_90d:reports": 3, "feature_users_90d_pct:reports": 200, "feature_events_90d:reports": 6,
    "engagements_active": 2, "engagements_total": 5,
}  # fmt: skip


def test_px_61_to_65_every_key_by_hand(engine_name, acme, monkeypatch):
    def table(number: int) -> Callable[..., pa.Table]:
        return lambda *_: pa.table({"customer_id": pa.array([acme.pk]), "n": pa.array([number])})

    monkeypatch.setattr(engagement_counts, "_registered", [])
    engagement_counts.register_counts(table(2), table(5))
    Feature.objects.create(key="reports", name="Reports", rules=[{"event": "Report Created"}], position=1, as_kpi=True)
    idle = Customer.objects.create(external_id="idle")
    count(scenario(acme.pk, people(acme, 6)))
    found = of_customer(acme.pk)
    assert found == BY_HAND
    assert set(found) == {each.key for each in registry.columns_for([registry.FeatureKpis(1, "reports", "Reports", 1)])}
    nothing = of_customer(idle.pk)
    for key, value in nothing.items():
        column = next(
            each.kpi
            for each in registry.KPIS
            for each in [registry.Column(each.key, each)]
            if each.key == key.partition(":")[0]
        )
        blank = column.kind in ("nps_score", "nps_score_delta", "nps_score_pct")
        assert value == (None if blank else 0), key


def test_px_65_the_edges_of_windows_belong_to_the_later_one(acme, no_engagements):
    u = people(acme, 4)
    world = World()
    world.event(u[0], acme.pk, AS_OF)  # today: in no window
    world.event(u[1], acme.pk, AS_OF - INSTANT)  # the last instant of 7d
    world.event(u[2], acme.pk, AS_OF - timedelta(days=7))  # the first of 7d
    world.event(u[3], acme.pk, AS_OF - timedelta(days=7) - INSTANT)  # the last before it
    count(world)
    found = of_customer(acme.pk)
    assert (found["active_users_7d"], found["active_users_30d"]) == (2, 3)
    assert found["active_users_7d_pct"] == 100  # 2 against 1


def test_r_114_events_three_days_late_replace_the_old_value(acme, no_engagements):
    u = people(acme, 3)
    world = World()
    world.event(u[0], acme.pk, AS_OF - timedelta(days=5))
    count(world)
    assert of_customer(acme.pk)["active_users_7d"] == 1
    world.event(u[1], acme.pk, AS_OF - timedelta(days=3), received=NOW)
    world.answer(u[1], acme.pk, AS_OF - timedelta(days=3), 9)
    world.store(now=NOW)
    assert not job.is_current(now=NOW)
    later = NOW + timedelta(minutes=10)
    job.bring_up_to_date(now=later)
    found = of_customer(acme.pk)
    assert (found["active_users_7d"], found["nps_score_7d"]) == (2, 100)
    assert job.is_current(now=later)
    assert not DirtyDay.objects.exists()
    assert (
        LakeFile.objects.filter(table=tables.daily_table(), day=(AS_OF - timedelta(days=3)).date(), retired_at=None).count()
        == 1
    )


def test_i_04_a_second_computation_writes_nothing_and_the_roll_up_has_the_same_bytes(acme, no_engagements, tmp_path):
    Feature.objects.create(key="reports", name="Reports", rules=[{"event": "Report Created"}], position=1, as_kpi=True)
    count(scenario(acme.pk, people(acme, 6)))
    Customer.objects.create(external_id="new")

    def files(name: str) -> list[bytes]:
        live = LakeFile.objects.filter(table__name=name, retired_at=None).order_by("day", "number")
        return [(tmp_path / "lake" / each.path).read_bytes() for each in live]

    before = {name: files(name) for name in (tables.DAILY, tables.DAILY_EVENTS)}
    for day in {each.day for each in LakeFile.objects.filter(table__name=tables.DAILY)}:
        DirtyDay.objects.create(day=day, since=NOW)
    job.bring_up_to_date(now=NOW + timedelta(minutes=1))
    assert {name: files(name) for name in before} == before
    assert KpiState.objects.get().changed == 1  # the new customer alone
    job.bring_up_to_date(now=NOW + timedelta(minutes=2))
    assert KpiState.objects.get().changed == 0
    assert LakeFile.objects.filter(table__name=tables.KPIS).count() == 2


def test_merged_customers_count_under_the_one_that_stands_for_them(engine_name, acme, no_engagements):
    old, older = (Customer.objects.create(external_id=name) for name in ("old", "older"))
    u = people(acme, 3)
    world = World()
    yesterday = AS_OF - timedelta(days=1)
    for user, customer in ((0, acme), (0, old), (1, old), (2, older)):  # u0 is at two of them: one person
        world.event(u[user], customer.pk, yesterday, "Report Created")
        world.answer(
            u[user], customer.pk, yesterday + timedelta(hours=(acme, old, older).index(customer)), 10 if customer == acme else 0
        )
    count(world)
    assert [of_customer(each.pk)["active_users_7d"] for each in (acme, old, older)] == [1, 2, 1]
    Customer.objects.filter(pk=older.pk).update(merged_into=old)
    Customer.objects.filter(pk=old.pk).update(merged_into=acme)
    job.bring_up_to_date(now=NOW + timedelta(minutes=1))
    for each in (acme, old, older):
        found = of_customer(each.pk)
        assert (found["active_users_7d"], found["nps_responses_7d"], found["nps_score_7d"]) == (3, 3, -100)
    with open_engine() as engine:
        engine.bind("kpis", reading.newest(tables.kpis_table()))
        assert engine.rows("SELECT customer_id FROM kpis") == [(acme.pk,)]


def test_r_237_people_without_a_customer_count_once_it_is_known(engine_name, acme, no_engagements):
    Feature.objects.create(key="reports", name="Reports", rules=[{"event": "Report Created"}], position=1, as_kpi=True)
    (user,) = people(None, 1)
    world = World()
    world.event(user, None, AS_OF - timedelta(days=2), "Report Created")
    world.event(user, None, AS_OF - timedelta(days=40), "Report Created")
    world.answer(user, None, AS_OF - timedelta(days=2), 9)
    count(world)
    assert of_customer(acme.pk)["active_users_7d"] == 0
    EndUser.objects.filter(pk=user).update(customer=acme)
    job.bring_up_to_date(now=NOW + timedelta(minutes=1))
    found = of_customer(acme.pk)
    assert (found["active_users_7d"], found["nps_score_7d"], found["feature_users_30d_pct:reports"]) == (1, 100, 0)
    assert (found["feature_events_7d:reports"], found["feature_events_90d:reports"]) == (1, 2)


def test_r_236_a_repeated_event_id_counts_once(acme, no_engagements):
    Feature.objects.create(key="reports", name="Reports", rules=[{"event": "Report Created"}], position=1, as_kpi=True)
    (user,) = people(acme, 1)
    world = World()
    for _ in range(3):
        world.event(user, acme.pk, AS_OF - timedelta(days=1), "Report Created", event_id="same")
        world.store(now=NOW)
    count(world)
    assert of_customer(acme.pk)["feature_events_7d:reports"] == 1


def test_percents_are_exact_and_keep_what_rounding_needs(acme, no_engagements):
    u = people(acme, 8)
    world = World()
    for user in u[:8]:
        world.event(user, acme.pk, AS_OF - timedelta(days=1))
    for user in u[:3]:
        world.event(user, acme.pk, AS_OF - timedelta(days=8))
    for user in u[:7]:
        world.event(user, acme.pk, AS_OF - timedelta(days=50))
    count(world)
    found = of_customer(acme.pk)
    assert found["active_users_7d_pct"] == Decimal("166.666666666666")  # 5 / 3, cut
    assert found["active_users_30d_pct"] == Decimal("14.285714285714")  # 1 / 7
    assert found["active_users_90d_pct"] is None  # 8 against 0


def test_a_customer_that_was_erased_has_no_figures_any_more(acme, no_engagements):
    count(World())
    assert of_customer(acme.pk)["active_users_7d"] == 0
    Customer.objects.filter(pk=acme.pk).update(erased_at=NOW)
    job.bring_up_to_date(now=NOW + timedelta(minutes=1))
    assert of_customer(acme.pk) == {}


def test_a_user_of_two_customers_counts_in_each(acme, no_engagements):
    other = Customer.objects.create(external_id="other")
    (user,) = people(acme, 1)
    world = World()
    world.event(user, acme.pk, AS_OF - timedelta(days=1))
    world.event(user, other.pk, AS_OF - timedelta(days=1))
    count(world)
    assert [of_customer(each.pk)["active_users_7d"] for each in (acme, other)] == [1, 1]


def test_px_d16_changed_rules_are_counted_anew_for_days_that_are_over(acme, no_engagements):
    feature = Feature.objects.create(
        key="reports", name="Reports", rules=[{"event": "Report Created"}], position=1, as_kpi=True
    )
    u = people(acme, 2)
    world = World()
    world.event(u[0], acme.pk, AS_OF - timedelta(days=1), "Report Created", kind="blank")
    world.event(u[1], acme.pk, AS_OF - timedelta(days=1), "Report Created", kind="monthly")
    count(world)
    assert of_customer(acme.pk)["feature_users_7d:reports"] == 2
    rules = [{"event": "Report", "match": "starts_with", "where": [{"property": "kind", "op": "is", "value": "monthly"}]}]
    Feature.objects.filter(pk=feature.pk).update(rules=rules)
    assert not job.is_current(now=NOW)
    job.bring_up_to_date(now=NOW + timedelta(minutes=1))
    assert of_customer(acme.pk)["feature_users_7d:reports"] == 1


def test_many_features_need_more_than_one_column_of_bits(engine_name, acme, no_engagements):
    u = people(acme, 12)
    world = World()
    for place in range(1, 12):
        Feature.objects.create(key=f"f{place}", name=f"F{place}", rules=[{"event": f"E{place}"}], position=place, as_kpi=True)
        for user in u[:place]:
            world.event(user, acme.pk, AS_OF - timedelta(days=6), f"E{place}")
            world.event(user, acme.pk, AS_OF - timedelta(days=170), f"E{place}")
    count(world)
    found = of_customer(acme.pk)
    assert [found[f"feature_users_7d:f{place}"] for place in range(1, 12)] == list(range(1, 12))
    assert [found[f"feature_users_90d_pct:f{place}"] for place in range(1, 12)] == [0] * 11
    assert [found[f"feature_events_30d:f{place}"] for place in range(1, 12)] == list(range(1, 12))


def test_px_61_engagements_are_counted_by_those_who_show_them(acme):
    other = Customer.objects.create(external_id="other")
    (user,) = people(acme, 1)
    people(other, 1)
    shown, *_ = [
        Engagement.objects.create(name=f"E{n}", title="T", state="live" if n < 2 else "ended") for n in range(3)
    ]  # fmt: skip
    ended = Engagement.objects.get(name="E2")
    for each in (shown, ended):
        EngagementView.objects.create(engagement=each, end_user_id=user, customer=acme, shown_at=NOW)
    count(World())
    assert [of_customer(acme.pk)[key] for key in ("engagements_active", "engagements_total")] == [2, 2]
    assert [of_customer(other.pk)[key] for key in ("engagements_active", "engagements_total")] == [2, 0]


def test_px_63_feature_users_of_90_30_and_7_days_and_their_changes(engine_name, acme, no_engagements):
    """Users of the feature by hand, each window with another number: 7d 3 against 2, 30d 4 against 3, 90d 5 against 1."""
    Feature.objects.create(key="reports", name="Reports", rules=[{"event": "Report Created"}], position=1, as_kpi=True)
    u, world = people(acme, 6), World()
    for days, users in ((1, (0, 1, 2)), (8, (0, 1)), (20, (3,)), (31, (0, 3, 4)), (95, (5,))):
        for user in users:
            world.event(u[user], acme.pk, AS_OF - timedelta(days=days), "Report Created")
            world.event(u[user], acme.pk, AS_OF - timedelta(days=days), "Report Created")  # twice is one user
            world.event(u[5], acme.pk, AS_OF - timedelta(days=days), "Opened")  # another event is none of the feature
    count(world)
    found = of_customer(acme.pk)
    assert {days: found[f"feature_users_{days}:reports"] for days in ("7d", "30d", "90d")} == {"7d": 3, "30d": 4, "90d": 5}
    changes = {days: found[f"feature_users_{days}_pct:reports"] for days in ("7d", "30d", "90d")}
    assert changes == {"7d": Decimal(50), "30d": Decimal("33.333333333333"), "90d": Decimal(400)}
    named = {name: each.key for each in registry.KPIS for name in each.list_b if "Feature" in name}
    assert named == {
        "Feature Users Last 90 Days": "feature_users_90d", "Feature Users Last 30 Days": "feature_users_30d",
        "Feature Users Last 7 Days": "feature_users_7d", "% change in 90 Day Feature Users": "feature_users_90d_pct",
        "% change in 30 Day Feature Users": "feature_users_30d_pct", "% change in 7 Day Feature Users": "feature_users_7d_pct",
    }  # fmt: skip
