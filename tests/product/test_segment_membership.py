"""One record: in which segments it is; the job that counts; the use of the product by one customer."""

from datetime import timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
from django.db import transaction
from django.utils import timezone

from integrations.lake import writing
from integrations.lake.tables import live_files
from integrations.lake.types import arrow_schema
from integrations.models import Customer, EndUser, Run, SalesforceOrg
from integrations.product import segments
from integrations.product.ingest import lake_tables
from integrations.product.models.engagements import Engagement, EngagementView
from integrations.product.models.features import Feature
from integrations.product.models.segments import Segment, SegmentCount
from integrations.product.segments import counting, fresh, tasks
from integrations.product.segments.usage import usage_of
from integrations.sync import runs
from integrations.sync.matching import spine
from tests.product.segment_world import NOW, TODAY, SegmentWorld

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> SegmentWorld:
    world = SegmentWorld(SalesforceOrg.objects.create(name="Acme", state="connected"))
    world.attributes(plan="STRING", renewal="DATE_TIME")
    return world


def segment(entity: str, *of: dict, name: str = "S", match: str = "all") -> Segment:
    return Segment.objects.create(name=f"{name} {Segment.objects.count()}", entity=entity, conditions={match: list(of)})


def test_px_03_an_end_user_is_targeted_by_the_attributes_of_the_customer(world):
    acme = world.customer("c1", attributes={"plan": "Pro", "renewal": f"{(NOW + timedelta(days=80)).date()}T00:00:00Z"})
    jo = world.user("u1", acme)
    renewing = segment("end_user", {"field": "customer.attributes.renewal", "op": "in_next", "value": 90})
    pro = segment("customer", {"field": "attributes.plan", "op": "is", "value": "pro"})
    free = segment("customer", {"field": "attributes.plan", "op": "is", "value": "free"})
    assert segments.matching([renewing, pro, free], jo, now=NOW) == {renewing.pk, pro.pk}
    assert not segments.matches(renewing, jo, now=NOW - timedelta(days=30)), "too early"
    assert not segments.matches(pro, world.user("u2"), now=NOW), "has no customer"
    assert not segments.matches(renewing, acme, now=NOW), "a customer is no end user"


def test_nobody_is_in_a_segment_that_cannot_be_used_and_nobody_gone_is_in_any(world):
    acme = world.customer("c1")
    broken = segment("customer", {"field": "attributes.gone", "op": "is_blank"})
    everybody = segment("customer")
    assert segments.matching([broken, everybody], acme, now=NOW) == {everybody.pk}
    Customer.objects.filter(pk=acme.pk).update(erased_at=NOW)
    assert segments.matching([broken, everybody], Customer.objects.get(pk=acme.pk), now=NOW) == set()


def test_figures_and_activity_of_one_record_are_those_of_the_lake(world):
    acme, old = world.customer("c1"), world.customer("c2")
    Customer.objects.filter(pk=old.pk).update(merged_into=acme)
    jo = world.user("u1", acme)
    world.kpis({acme: {"active_users_30d": 7, "active_users_30d_pct": Decimal("-40.5")}}, active_users_30d_pct="number")
    world.events([(TODAY, acme.pk, jo.pk, "Report Created", 2), (TODAY - timedelta(days=3), old.pk, None, "Report Created", 1),
                  (TODAY - timedelta(days=9), None, jo.pk, "Report Created", 4)])  # fmt: skip
    fewer = segment("customer", {"field": "kpi.active_users_30d_pct", "op": "less_than", "value": -40})
    unknown = segment("customer", {"field": "kpi.nps_score_30d", "op": "is_blank"})

    def did(times: int, days: int, entity: str = "customer") -> Segment:
        return segment(
            entity, {"field": "events", "op": "did", "value": {"name": "Report Created", "times": times, "days": days}}
        )

    rows = [fewer, unknown, did(3, 7), did(7, 30)]
    assert segments.matching(rows, acme, now=NOW) == {each.pk for each in rows}
    assert not segments.matches(did(8, 30), acme, now=NOW)
    assert segments.matches(did(6, 30, "end_user"), jo, now=NOW)
    assert not segments.matches(did(3, 7, "end_user"), jo, now=NOW)
    world.kpis({acme: {"active_users_30d_pct": Decimal(3)}}, active_users_30d_pct="number")
    assert not segments.matches(fewer, acme, now=NOW), "a newer figure counts at once"


def test_use_of_a_feature_is_a_condition(world):
    from integrations.product.kpis import tables as kpi_tables

    acme, bolt = world.customer("c1"), world.customer("c2")
    feature = Feature.objects.create(key="reports", name="Reports", position=1)
    table = kpi_tables.daily_table([(feature.pk, 1)])
    row = {"day": TODAY, "customer_id": acme.pk, "end_user_id": None, "events": 5, kpi_tables.count_column(feature.pk): 5}
    world.write(table, [row])
    world.settle()
    using = segment("customer", {"field": "features", "op": "did", "value": {"name": "reports", "times": 5, "days": 1}})
    assert segments.members_of(using, now=NOW).column("id").to_pylist() == [acme.pk]
    assert segments.matches(using, acme, now=NOW)
    assert not segments.matches(using, bolt, now=NOW)


def test_the_job_counts_each_segment_and_one_that_fails_does_so_alone(world):
    world.customer("c1")
    world.user("u1")
    good, broken = segment("customer"), segment("end_user", {"field": "attributes.gone", "op": "is_blank"})
    Segment.objects.create(name="Old", entity="customer", archived_at=NOW)
    run = runs.request_run(counting.JOB, org=None, now=timezone.now())
    runs.perform_run(run.pk)
    run.refresh_from_db()
    good.refresh_from_db()
    broken.refresh_from_db()
    assert (good.members, run.state) == (1, Run.State.PARTIAL)
    assert "attributes.gone" in broken.problem
    assert list(SegmentCount.objects.values_list("segment", "members")) == [(good.pk, 1)]


def test_counting_twice_on_a_day_keeps_the_last_number(world):
    world.customer("c1")
    world.settle()
    all_ = segment("customer")
    counting.count_segment(all_, now=NOW)
    world.customer("c2")
    spine.refresh_spine(now=NOW + timedelta(hours=2))
    counting.count_segment(all_, now=NOW + timedelta(hours=2))
    assert SegmentCount.objects.get().members == 2


def test_the_copy_is_freshened_when_little_changed_and_left_alone_when_much_did(world, monkeypatch):
    world.customer("c1")
    assert fresh.freshen(now=timezone.now())
    assert fresh.changed_since_copy("customer") == 0
    monkeypatch.setattr(fresh, "MOST", 2)
    for number in range(3):
        world.user(f"u{number}", updated_at=timezone.now())
    assert not fresh.freshen(now=timezone.now())
    assert fresh.changed_since_copy("end_user") == 3


def test_px_04_the_use_of_a_customer_by_day_with_figures_answers_and_engagements(world, cast, client):
    acme, bolt = world.customer("c1", name="Acme"), world.customer("c2")
    jo, sam = world.user("u1", acme), world.user("u2", acme)
    today = timezone.now().date()
    world.kpis({acme: {"active_users_30d": 2, "nps_score_90d": None}})
    world.events([(today, acme.pk, jo.pk, "A", 2), (today, acme.pk, sam.pk, "B", 1), (today - timedelta(days=89), acme.pk, jo.pk, "A", 4),
                  (today - timedelta(days=120), acme.pk, jo.pk, "A", 9), (today, bolt.pk, None, "A", 50)])  # fmt: skip
    _answer(acme, jo, 9, "Great <b>tool</b>")
    engagement = Engagement.objects.create(name="Renew", title="Renew")
    for person, clicked in ((jo, timezone.now()), (sam, None)):
        EngagementView.objects.create(
            engagement=engagement, end_user=person, customer=acme, shown_at=timezone.now(), clicked_at=clicked
        )
    usage = usage_of(acme, now=timezone.now())
    assert len(usage.days) == 91
    assert (usage.days[-1].users, usage.days[-1].events) == (2, 3)
    assert usage.total_events == 7
    assert {column.key: value for column, value in usage.figures}["active_users_30d"] == 2
    assert [(each.score, each.comment) for each in usage.answers] == [(9, "Great <b>tool</b>")]
    assert [(each.name, shown, answered) for each, shown, answered in usage.engagements] == [("Renew", 2, 1)]
    client.force_login(cast.jane)
    page = client.get(f"/customers/{acme.pk}/").content.decode()
    assert "Use of the product" in page
    assert "Great &lt;b&gt;tool" in page
    assert 'data-series="usage-data"' in page
    assert usage_of(world.customer("c9"), now=timezone.now()).is_empty
    assert (
        "No event of this customer" in client.get(f"/customers/{Customer.objects.get(external_id='c9').pk}/").content.decode()
    )


def _answer(customer: Customer, person: EndUser, score: int, comment: str) -> None:
    table, now = lake_tables.nps_table(), timezone.now()
    row = {"event_id": "n1", "day": now.date(), "at": now, "received_at": now, "customer_id": customer.pk, "end_user_id": person.pk,
           "survey": "nps", "score": score, "comment": comment}  # fmt: skip
    with writing.open_writer(table, kind="delta") as writer:
        writer.write(pa.Table.from_pylist([row], schema=arrow_schema(lake_tables.NPS_COLUMNS)))
    with transaction.atomic():
        for staged in writer.files:
            writing.register(table, staged, now=now)


def test_the_copy_is_kept_up_to_date_and_its_files_stay_few(world):
    for number in range(10):
        world.customer(f"c{number}", updated_at=timezone.now())
        assert tasks.keep_copy()["customer"] == 1
    assert live_files(spine.spine_table("customer"))[0].kind == "base"
    assert len(live_files(spine.spine_table("customer"))) < 9
    assert world.ask("customer", {"all": []}) == {f"c{number}" for number in range(10)}


def test_a_record_page_names_the_segments_that_it_is_in(world, client, cast):
    acme = world.customer("c1", attributes={"plan": "Pro"})
    jo = world.user("u1", acme)
    Segment.objects.create(
        name="Paying <b>", entity="customer", conditions={"all": [{"field": "attributes.plan", "op": "is", "value": "pro"}]}
    )
    Segment.objects.create(
        name="Free ones", entity="customer", conditions={"all": [{"field": "attributes.plan", "op": "is", "value": "free"}]}
    )
    Segment.objects.create(name="People of Pro", entity="end_user",
                           conditions={"all": [{"field": "customer.attributes.plan", "op": "is", "value": "pro"}]})  # fmt: skip
    client.force_login(cast.jane)
    page = client.get(f"/customers/{acme.pk}/").content.decode()
    assert "Paying &lt;b&gt;" in page
    assert "Free ones" not in page
    assert "People of Pro" in client.get(f"/customers/end-users/{jo.pk}/").content.decode()
