"""The health score over real rows: usage, NPS, mirrored cases and renewal become an attribute, kept by day and explained."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
from django.db import transaction

from integrations.access import Refusal
from integrations.lake import writing
from integrations.lake.types import arrow_schema
from integrations.models import Attribute, AuditEntry, Customer, LakeTable, MirrorField, MirrorObject, RecordLink, SalesforceOrg
from integrations.product import demo, signals
from integrations.product.demo_activity import Answer, Person
from integrations.product.health import compute, definitions, queries
from integrations.product.health.definitions import Draft
from integrations.product.health.queries import Wanted
from integrations.product.health.scoring import BadParts
from integrations.product.ingest import lake_tables
from integrations.product.models import HealthDay, HealthScore
from integrations.sync import runs
from integrations.sync.matching.saving import save_customers
from integrations.sync.mirror.tables import ensure_mirror_table

NOW = datetime(2026, 11, 20, 2, 45, tzinfo=UTC)
KINDS = {"Id": "text", "SystemModstamp": "moment", "AccountId": "text", "IsClosed": "flag", "Priority": "text",
         "IsEscalated": "flag", "CreatedDate": "moment", "IsDeleted": "flag"}  # fmt: skip
PARTS = [
    {"signal": "days_since_seen", "weight": 2, "worst": 30, "best": 0},
    {"signal": "support.urgent_cases", "weight": 1, "worst": 2, "best": 0},
    {"signal": "nps.detractors_30d", "weight": 1, "worst": 2, "best": 0},
]


@pytest.fixture
def org(db) -> SalesforceOrg:
    return SalesforceOrg.objects.create(name="Acme", state=SalesforceOrg.State.CONNECTED)


def customer(name: str, *, days: int = 0, **attributes: object) -> Customer:
    row = {"external_id": name, "name": name.title(), "last_seen_at": (NOW - timedelta(days=days)).isoformat()}
    report = save_customers([row | {"attributes": attributes}], now=NOW, create_attributes=True)
    assert not report.count("failed"), report.rows
    return Customer.objects.get(external_id=name)


def link(org: SalesforceOrg, customer: Customer, account: str, **more: object) -> None:
    RecordLink.objects.create(org=org, entity="customer", customer=customer, object="Account", salesforce_id=account,
                              rule="manual", **more)  # fmt: skip


def mirror_cases(org: SalesforceOrg, *cases: dict[str, object]) -> None:
    table = ensure_mirror_table(org, "Case", KINDS.items(), version="SystemModstamp")
    mirror, _ = MirrorObject.objects.update_or_create(org=org, name="Case", defaults={"table": table, "read_at": NOW})
    for name in KINDS:
        MirrorField.objects.get_or_create(object=mirror, name=name)
    usual = {"SystemModstamp": NOW, "IsClosed": False, "IsEscalated": False, "IsDeleted": False, "Priority": "Medium",
             "CreatedDate": NOW - timedelta(days=5)}  # fmt: skip
    rows = [{"Id": f"500{n:015d}", **usual, **case} for n, case in enumerate(cases)]
    with writing.open_writer(table) as writer:
        writer.write(pa.Table.from_pylist(rows, schema=arrow_schema(table.columns)))
    with transaction.atomic():
        writing.register(table, writer.staged, now=NOW)


def answer(customer: Customer, score: int, *, days: int = 1, n: int = 0) -> None:
    person = Person(1, "u", customer.pk, customer.external_id, NOW, NOW)
    rows = demo.answer_rows([Answer(f"{customer.pk}-{n}", person, NOW - timedelta(days=days), score, "")])
    table = lake_tables.nps_table()
    files = demo.stage(table, rows)
    with transaction.atomic():
        writing.register(table, files, now=NOW)


def saved(org: SalesforceOrg | None, parts: object = PARTS, **more: object) -> HealthScore:
    return definitions.save_score(None, Draft("Health score", org=org, parts=parts, **more), user=None, now=NOW)  # type: ignore[arg-type]


@pytest.fixture(params=["duckdb", "chdb"])
def engine_name(request, settings) -> str:
    """The test runs once with each engine, because the statements must agree on both."""
    if request.param == "chdb":
        pytest.importorskip("chdb", reason="The chdb package stands in for a ClickHouse server.")
    settings.LAKE_ENGINE_URL = f"{request.param}://"
    return request.param


def test_px_42_product_and_support_data_make_one_score_that_is_an_attribute_and_explains_itself(org, engine_name) -> None:
    calm, worried, stranger = customer("calm", days=0), customer("worried", days=15), customer("stranger", days=60)
    link(org, calm, "001000000000001AAA")
    link(org, worried, "001000000000002AAA")
    mirror_cases(org, {"AccountId": "001000000000002AAA", "Priority": "High"},
                 {"AccountId": "001000000000002AAA", "Priority": "High", "IsClosed": True},
                 {"AccountId": "001000000000002AAA", "IsEscalated": True, "IsDeleted": True})  # fmt: skip
    answer(worried, 3)
    answer(worried, 9, n=1)
    answer(calm, 2, days=31, n=2)
    score = saved(org)
    found = compute.compute(score, org, now=NOW)
    assert found.bands == {"good": 1, "fair": 1, "poor": 1}
    values = {each.external_id: each.attributes for each in Customer.objects.all()}
    assert values["calm"] == {"health_score": "100", "health_score_band": "Good"}
    assert values["worried"] == {"health_score": "50", "health_score_band": "Fair"}
    assert values["stranger"] == {"health_score": "33", "health_score_band": "Poor"}, "cases unknown: (0*2 + 100) / 3"
    score.refresh_from_db()
    row, days = queries.explain(score, worried)
    assert row is not None
    assert [(part.signal, part.value, part.points) for part in row.parts] == [
        ("days_since_seen", "15", Decimal("50.00")), ("support.urgent_cases", "1", Decimal("50.00")),
        ("nps.detractors_30d", "1", Decimal("50.00"))]  # fmt: skip
    assert days == [(NOW.date(), 50)]
    assert queries.explain(score, stranger)[0].known == Decimal(75)  # type: ignore[union-attr]
    assert [each.external_id for each in queries.find_scores(score).rows] == ["stranger", "worried", "calm"], "worst first"
    assert [each.external_id for each in queries.find_scores(score, Wanted(sort="-score")).rows] == [
        "calm",
        "worried",
        "stranger",
    ]
    assert [each.external_id for each in queries.find_scores(score, Wanted(band="good")).rows] == ["calm"]
    assert queries.find_scores(score, Wanted(text="STRANG")).total == 1
    day = HealthDay.objects.get()
    assert (day.average, day.good, day.fair, day.poor, day.unknown) == (Decimal("61.00"), 1, 1, 1, 0)


def test_i_02_computing_again_changes_nothing_and_the_next_day_is_another_row(org) -> None:
    one = customer("one", days=3)
    score = saved(None, [{"signal": "days_since_seen", "worst": 30, "best": 0}])
    assert compute.compute(score, org, now=NOW).changed == 1
    before = Customer.objects.get(pk=one.pk).updated_at
    assert compute.compute(score, org, now=NOW + timedelta(minutes=1)).changed == 0
    assert Customer.objects.get(pk=one.pk).updated_at == before
    assert queries.find_scores(score).total == 1
    later = NOW + timedelta(days=30)
    compute.compute(score, org, now=later)
    row, days = queries.explain(score, one)
    assert [value for _, value in days] == [90, 0]
    assert row is not None
    assert row.change == -90


def test_r_115_without_known_parts_the_attribute_is_blank_and_not_0(org) -> None:
    one = customer("one", seats=7)
    score = saved(None, [{"signal": "attributes.seats", "worst": 0, "best": 10}])
    compute.compute(score, org, now=NOW)
    one.refresh_from_db()
    assert one.attributes["health_score"] == "70"
    save_customers([{"external_id": "one", "attributes": {"seats": None}}], now=NOW)
    found = compute.compute(score, org, now=NOW)
    one.refresh_from_db()
    assert "health_score" not in one.attributes
    assert "health_score_band" not in one.attributes
    assert found.bands == {"unknown": 1}
    assert found.average is None


def test_i_01_every_customer_is_in_exactly_one_class_of_the_run(org) -> None:
    for n in range(3):
        customer(f"c-{n}", seats=n)
    customer("blank")
    saved(None, [{"signal": "attributes.seats", "worst": 0, "best": 10}])
    for written, unchanged in ((3, 0), (0, 3)):
        run = runs.request_run(compute.JOB, now=NOW)
        run.refresh_from_db()
        counts = run.objects_touched.get()
        assert run.state == "success", run.sentence
        assert (counts.read, counts.written, counts.unchanged, counts.skipped, counts.failed) == (4, written, unchanged, 1, 0)


def test_cases_that_are_not_mirrored_are_unknown_and_not_none(org) -> None:
    link(org, customer("one"), "001000000000001AAA")
    keys = ["support.open_cases", "support.oldest_open_days"]
    assert dict(signals.read_values(org, keys, now=NOW))[Customer.objects.get().pk] == dict.fromkeys(keys)
    mirror_cases(org, {"AccountId": "001000000000001AAA", "CreatedDate": NOW - timedelta(days=9)})
    values = dict(signals.read_values(org, keys, now=NOW))[Customer.objects.get().pk]
    assert values == {"support.open_cases": Decimal(1), "support.oldest_open_days": Decimal(9)}


def test_px_40_days_until_a_renewal_count_in_utc_days(org) -> None:
    customer("soon", renewal="2027-02-18T00:00:00Z")
    customer("past", renewal="2026-11-19T23:00:00Z")
    customer("none")
    key = "days_until:attributes.renewal"
    assert signals.by_key(org)[key].type == "NUMBER"
    found = {pk: values[key] for pk, values in signals.read_values(org, [key], now=NOW)}
    names = dict(Customer.objects.values_list("pk", "external_id"))
    assert {names[pk]: value for pk, value in found.items()} == {"soon": Decimal(90), "past": Decimal(-1), "none": None}


def test_merged_customers_have_no_score_and_their_answers_count_for_the_survivor(org) -> None:
    kept, gone = customer("kept"), customer("gone")
    Customer.objects.filter(pk=gone.pk).update(merged_into=kept)
    answer(gone, 1)
    assert dict(signals.read_values(org, ["nps.detractors_30d"], now=NOW)) == {kept.pk: {"nps.detractors_30d": Decimal(1)}}


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"name": " "}, "name"), ({"key": "with space"}, "key"), ({"key": "plan"}, "key"), ({"good_from": 101}, "good_from"),
        ({"fair_from": 70}, "fair_from"), ({"parts": []}, "parts"), ({"org": None}, "org"),
        ({"parts": [{"signal": "attributes.health_score", "worst": 0, "best": 1}]}, "parts[1]"),
    ],
)  # fmt: skip
def test_definitions_that_cannot_be_used_are_refused_by_field(org, change, where) -> None:
    Attribute.objects.create(entity="customer", key="plan", label="Plan", type="STRING")
    Attribute.objects.create(entity="customer", key="health_score", label="Health", type="NUMBER")
    with pytest.raises(BadParts) as caught:
        definitions.save_score(None, Draft(**{"name": "S", "org": org, "parts": PARTS, **change}), user=None, now=NOW)
    assert where in caught.value.errors
    assert not HealthScore.objects.exists()


def test_definitions_are_versioned_audited_paused_and_deleted(org, cast) -> None:
    customer("one")
    score = saved(org)
    again = definitions.save_score(score, Draft("Health score", org=org, parts=PARTS), user=cast.olga, now=NOW)
    assert again.version == 1, "nothing changed"
    again = definitions.save_score(score, Draft("Health score", org=org, parts=PARTS[:1]), user=cast.olga, now=NOW)
    assert again.version == 2
    definitions.set_state(score, "paused", user=cast.olga, now=NOW)
    with pytest.raises(Refusal):
        definitions.set_state(score, "gone", user=cast.olga, now=NOW)
    compute.compute(score, org, now=NOW)
    definitions.delete_score(score, user=cast.ada, now=NOW)
    assert not LakeTable.objects.filter(name__startswith="product/health/").exists()
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert actions == ["health.saved", "health.saved", "health.saved", "health.paused", "health.deleted"]


def test_a_preview_shows_what_a_draft_would_give_and_stores_nothing(org) -> None:
    customer("fresh", days=0)
    customer("stale", days=30)
    draft = Draft("Try", org=org, parts=PARTS[:1])
    found = definitions.preview(draft, now=NOW)
    assert [(each.external_id, made.value, band) for each, made, band in found.rows] == [
        ("stale", 0, "poor"), ("fresh", 100, "good")]  # fmt: skip
    assert (found.buckets[0], found.buckets[9], found.is_sample) == (1, 1, False)
    assert not HealthScore.objects.exists()
    assert not Attribute.objects.filter(key="health_score").exists()
