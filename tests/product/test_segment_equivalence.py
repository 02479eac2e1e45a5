"""One record or all at once: the engines' SQL and the evaluator give the same answer, for any conditions and any values."""

import random
import unicodedata
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property

import pyarrow as pa
import pytest

from integrations.lake.engine import open_engine
from integrations.models import Customer, EndUser, SalesforceOrg
from integrations.product.models.segments import Segment
from integrations.product.segments import asking
from integrations.product.segments.binding import bind_needs, feature_columns, stored_kpis
from integrations.product.segments.conditions import Group, each_condition, expand, read_tree, say_tree
from integrations.product.segments.evaluate import fulfils
from integrations.product.segments.fieldtypes import OPS, Field, Known
from integrations.product.segments.folding import fold, fold_sql
from integrations.product.segments.known import know
from integrations.product.segments.predicates import Happened
from integrations.product.segments.records import RecordFacts, is_gone
from integrations.product.segments.sql import Query
from tests.product.segment_world import NOW, TODAY, SegmentWorld, days_ago

TREES, AT_ONCE = 80, 20
ID = ["001dM0000000001QAA", "001dM0000000002QAA", "001dM0000000003QAA"]
TEXTS = ["Pro", "pro ", "PRO", "ΟΔΟΣ", "οδος", "Straße", "STRASSE", "İstanbul", "istanbul", "e\u0301cole", "École", "東京", "a%b_c", "it's",
         "\\back", "x" * 200, "true", "12", "2027-01-31T00:00:00Z", "ﬁn", "Ǆ", "\u1e9e", "$p0", "{{lower(x)}}", "'; --"]  # fmt: skip
NUMBERS = ["0", "-0.5", "12", "12.000000000001", "99999999999999999999999999", "-3", "1e5", "7.", " 8 ", "", "many"]
MOMENTS = [
    "2026-11-22T00:00:00Z", "2026-11-21T23:59:59.999999Z", "2026-11-22T10:30:15.123456Z", "2027-02-20T00:00:00Z",
    "2027-02-21T00:00:00Z", "1970-01-01T00:00:00Z", "2026-11-22T10:30:15.5Z", "2026-10-31T00:00:00Z", "not a date",
]  # fmt: skip
EVENTS = ["Report Created", "Signed In", "ünïcode"]


@pytest.fixture(params=["duckdb", "chdb"])
def engine_name(request, settings) -> str:
    if request.param == "chdb":
        pytest.importorskip("chdb", reason="The chdb package stands in for a ClickHouse server.")
    settings.LAKE_ENGINE_URL = f"{request.param}://"
    return request.param


def fill(chance: random.Random) -> SegmentWorld:
    """80 customers and 120 end users with every kind of value, some blank, some ill-typed."""
    world = SegmentWorld(SalesforceOrg.objects.create(name="One", state="connected"))
    second = SalesforceOrg.objects.create(name="Two", state="connected")
    kinds = {"plan": "STRING", "seats": "NUMBER", "vip": "BOOLEAN", "renewal": "DATE_TIME"}
    world.attributes(**kinds)
    world.attributes("end_user", role="STRING", score="NUMBER")
    customers = [_customer(world, chance, number) for number in range(80)]
    for number, each in enumerate(chance.sample(customers, 40)):
        world.link(each, chance.choice(ID), state=chance.choice(["active", "active", "suspended"]))
        if number % 3 == 0:
            world.link(each, chance.choice(ID), org=second)
    for number in range(120):
        attributes = _maybe(chance, {"role": (TEXTS, 0.3), "score": (NUMBERS, 0.3)})
        world.user(
            f"u{number}", chance.choice([*customers, None]), name=chance.choice(TEXTS), email=chance.choice(["", "a@b.example"]),
            attributes=attributes, last_seen_at=_moment(chance),
        )  # fmt: skip
    _merge_and_erase(customers)
    world.kpis({each: {"active_users_30d": chance.choice([None, 0, 5, 20]), "nps_score_30d": chance.choice([None, -20, 0, 45]),
                       "active_users_30d_pct": chance.choice([None, Decimal("12.5"), Decimal("-100")])}
                for each in customers[:50]}, active_users_30d_pct="number")  # fmt: skip
    world.events(_activity(chance, customers))
    world.settle()
    return world


def _customer(world: SegmentWorld, chance: random.Random, number: int) -> Customer:
    attributes = _maybe(
        chance,
        {"plan": (TEXTS, 0.2), "seats": (NUMBERS, 0.2), "vip": ([True, False, "true", "yes"], 0.3), "renewal": (MOMENTS, 0.2)},
    )
    return world.customer(
        f"c{number}", name=chance.choice(TEXTS), website=chance.choice(["", "https://acme.example"]), attributes=attributes,
        first_seen_at=_moment(chance), last_seen_at=_moment(chance),
    )  # fmt: skip


def _maybe(chance: random.Random, values: dict) -> dict:
    return {key: chance.choice(each) for key, (each, blank) in values.items() if chance.random() > blank}


def _moment(chance: random.Random) -> datetime | None:
    edges = [
        datetime(2026, 11, 22, tzinfo=UTC),
        datetime(2026, 11, 15, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_400, UTC),
    ]
    return chance.choice([None, *edges, edges[0] - timedelta(microseconds=600), NOW, days_ago(chance.randrange(60))])


def _merge_and_erase(customers: list[Customer]) -> None:
    for gone, left in ((70, 1), (71, 70)):
        Customer.objects.filter(pk=customers[gone].pk).update(merged_into=customers[left])
    Customer.objects.filter(pk=customers[72].pk).update(erased_at=NOW, name="", attributes={})


def _activity(chance: random.Random, customers: list[Customer]):
    people = list(EndUser.objects.values_list("pk", "customer_id"))
    for _ in range(300):
        user, customer = chance.choice(people)
        day = TODAY - timedelta(days=chance.randrange(40))
        yield day, chance.choice([customer, None]), user, chance.choice(EVENTS), chance.randrange(1, 4)
    for _ in range(40):
        yield TODAY - timedelta(days=chance.randrange(40)), chance.choice(customers).pk, None, EVENTS[0], 1


class Told(RecordFacts):
    """Facts of the database, with figures and activity from what the test wrote, counted its own way."""

    def __init__(self, record: Customer | EndUser, world: SegmentWorld) -> None:
        super().__init__(record)
        self.world = world

    def value(self, field: Field) -> object:
        if field.source == "kpi":
            row = self.world.figures.get(self.customer.pk, {}) if self.customer else {}
            return row.get(field.name.removeprefix("kpi."))
        return super().value(field)

    def count(self, field: Field, happened: Happened) -> int:
        target = self.target(field)
        rows = [
            row for row in self.world.happened if row[3] == happened.name and happened.first <= str(row[0]) <= happened.last
        ]
        if isinstance(target, EndUser):
            return sum(row[4] for row in rows if row[2] == target.pk)
        return sum(row[4] for row in rows if target and self.whose(row[1], row[2]) == target.pk)

    def whose(self, customer: int | None, user: int | None) -> int | None:
        if customer is None:
            return self.customers_of_users.get(user or 0)
        into = self.merged.get(customer)
        return self.whose(into, None) if into else customer

    @cached_property
    def merged(self) -> dict[int, int]:
        return dict(Customer.objects.exclude(merged_into=None).values_list("pk", "merged_into_id"))

    @cached_property
    def customers_of_users(self) -> dict[int, int | None]:
        return dict(EndUser.objects.values_list("pk", "customer_id"))


class Maker:
    """Random conditions over everything that may be named."""

    def __init__(self, chance: random.Random, known: Known, segments: list[Segment]) -> None:
        self.chance, self.known, self.segments = chance, known, segments

    def tree(self) -> dict:
        of = [self.group() if self.chance.random() < 0.25 else self.condition() for _ in range(self.chance.randrange(1, 4))]
        return {self.chance.choice(["all", "any"]): of}

    def group(self) -> dict:
        return {self.chance.choice(["all", "any"]): [self.condition() for _ in range(self.chance.randrange(1, 4))]}

    def condition(self) -> dict:
        asked = self.chance.choice(list(self.known.fields.values()))
        op = self.chance.choice(OPS[asked.type])
        return {"field": asked.key, "op": op.name, "value": self.value(asked, op.shape)}

    def value(self, asked: Field, shape: str) -> object:
        pick = self.chance.choice
        texts = [each for each in TEXTS if each.strip()]
        good = [each for each in NUMBERS if each.strip() and each not in ("many",)]
        dates = ["2026-11-22", "2026-10-31", "2026-11-22T10:30:15.123456Z", "2026-11-22T10:30:15.123Z", "2027-02-20"]
        if shape == "segment":
            wanted = "customer" if asked.of_customer else self.known.entity
            return pick([each.pk for each in self.segments if each.entity == wanted])
        return {
            "none": lambda: None, "text": lambda: pick([*texts, "o", "ab", "ß"]), "texts": lambda: self.chance.sample(texts, 3),
            "number": lambda: pick(good), "numbers": lambda: sorted(self.chance.sample(["-3", "0", "5", "12", "20.5"], 2), key=Decimal),
            "date": lambda: pick(dates), "dates": lambda: ["2026-10-31", pick(["2026-11-22", "2027-02-20"])],
            "span": lambda: {"n": pick([0, 1, 7, 30, 90]), "unit": pick(["days", "weeks", "months"])},
            "activity": lambda: {"name": pick(EVENTS), "times": pick([1, 2, 5]), "days": pick([0, 7, 30])},
            "id": lambda: pick(ID), "ids": lambda: self.chance.sample(ID, 2),
        }[shape]()  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("entity", ["customer", "end_user"])
def test_px_34_sql_and_evaluator_agree_on_random_conditions(engine_name, entity):
    chance = random.Random(f"{entity} 7")
    world = fill(chance)
    segments = [
        Segment.objects.create(name="Paying", entity="customer", conditions={"any": [{"field": "attributes.plan", "op": "is", "value": "pro"}]}),
        Segment.objects.create(name="Seen", entity="end_user", conditions={"all": [{"field": "last_seen_at", "op": "in_last", "value": 30}]}),
    ]  # fmt: skip
    segments.append(Segment.objects.create(
        name="Both", entity="customer", conditions={"all": [{"field": "segment", "op": "not_in", "value": segments[0].pk}]}))  # fmt: skip
    known = know(entity)
    maker = Maker(chance, known, segments)
    trees = [expand(read_tree(maker.tree(), known), known) for _ in range(TREES)]
    assert {known.fields[each.field].type for tree in trees for each in each_condition(tree)} == set(OPS) - {"SEGMENT"}
    by_engine = ask_engine(entity, known, trees)
    records = (Customer if entity == "customer" else EndUser).objects.all()
    facts = {each.pk: Told(each, world) for each in records.select_related() if not is_gone(each)}
    assert set(by_engine) == set(facts)
    held = 0
    for place, tree in enumerate(trees):
        for key, mine in facts.items():
            expected = fulfils(tree, known.fields, mine, now=NOW)
            held += expected
            assert by_engine[key][place] is expected, (
                f"{say_tree(tree, known)}: {mine.record.external_id} {mine.record.attributes}"
            )
    assert 0.1 < held / (len(trees) * len(facts)) < 0.9, "conditions of both outcomes"


def ask_engine(entity: str, known: Known, trees: list[Group]) -> dict[int, list[bool]]:
    """Each tree for each record, some trees in one statement."""
    found: dict[int, list[bool]] = {}
    for start in range(0, len(trees), AT_ONCE):
        query = Query(
            entity, known.fields, engine=asking.engine_words(), now=NOW, kpis=stored_kpis(), features=feature_columns()
        )  # fmt: skip
        flags = ", ".join(f"{query.condition(tree)} AS t{place}" for place, tree in enumerate(trees[start : start + AT_ONCE]))
        with open_engine() as engine:
            bind_needs(engine, entity, query.needs)
            for row in engine.rows(f"SELECT id, {flags} FROM ({query.rows()}) AS found", **query.params):
                found.setdefault(row[0], []).extend(bool(each) for each in row[1:])
    return found


def test_folding_is_the_same_for_every_character(engine_name):
    signs = [sign for sign in map(chr, range(1, 0x110000)) if unicodedata.category(sign) not in ("Cn", "Co", "Cs")]
    texts = [sign if place % 2 else f"A{sign}Σ" for place, sign in enumerate(signs)]
    with open_engine() as engine:
        engine.bind("texts", pa.table({"text": pa.array(texts)}))
        found = engine.rows(f"SELECT text, {fold_sql('text')} FROM texts")
    wrong = [(text, folded, fold(text)) for text, folded in found if folded != fold(text)]
    assert not wrong, wrong[:20]
    assert fold("STRASSE ΟΔΟΣ É") == fold("straße οδος e\u0301")
