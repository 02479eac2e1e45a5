"""Fills the demonstration of product experience: people, 120 days of their events and answers, and what is built on them.

Safe to repeat: what is there stays. The events go straight into the lake, as the flush of the ingest writes them.
"""

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Count

from integrations import product_demo
from integrations.access import Person as User
from integrations.access import Refusal
from integrations.lake.reading import count_live
from integrations.lake.writing import StagedFile, open_writer, register
from integrations.models import Customer, EndUser, LakeTable, SalesforceOrg
from integrations.product.demo_activity import SURVEY, Answer, Event, Person, answers_of, course_of, events_of
from integrations.product.engagements import authoring as engagements
from integrations.product.ingest import lake_tables
from integrations.product.kpis.defining import Wanted, save_feature
from integrations.product.models import DirtyDay, Engagement, Feature, HealthScore, IngestDay, Segment, TaskRule
from integrations.product.segments.saving import save_segment
from integrations.product.task_rules import definitions as task_rules
from integrations.product.use_cases import make_use_case
from integrations.sync.matching.saving import save_customers, save_end_users

if TYPE_CHECKING:
    import pyarrow as pa

LEAST_PEOPLE = 9  # of a customer: the contacts of the org are too few for figures that mean something
FIRST = ("Ada", "Ben", "Carla", "Deniz", "Eva", "Femi", "Gita", "Henrik", "Ines", "Jonas", "Kenji", "Lena", "Mateo", "Nora")
LAST = ("Adler", "Brandt", "Cruz", "Duarte", "Ellis", "Ferrari", "Grant", "Holm", "Ito", "Jensen", "Kaya", "Lopez", "Meyer")
ROLES = ("Analyst", "Planner", "Guest")
FEATURES = (
    Wanted("boards", "Boards", [{"event": "Board ", "match": "starts_with"}, {"event": "Card moved", "match": "is"}],
           as_kpi=True),
    Wanted("reports", "Reports", [{"event": "Report ", "match": "starts_with"}], as_kpi=True),
    Wanted("exports", "Exports", [{"event": "Report exported", "match": "is"}]),
    Wanted("search", "Search", [{"event": "Search performed", "match": "is"}]),
    Wanted("teamwork", "Working together",
           [{"event": "Comment added", "match": "is"}, {"event": "Teammate invited", "match": "is"}]),
)  # fmt: skip
LAST_MONTH = {"field": "last_seen_at", "op": "in_last", "value": {"n": 30, "unit": "days"}}
LAST_WEEK = {"field": "last_seen_at", "op": "in_last", "value": {"n": 7, "unit": "days"}}
FALLING = {"field": "kpi.active_users_30d_pct", "op": "at_most", "value": "-20"}
SEGMENTS = (
    ("Active and linked", "customer", {"all": [LAST_MONTH, {"field": "salesforce.linked", "op": "is_true"}]}),
    ("At risk: use falls", "customer", {"all": [FALLING]}),
    ("Came in the last week", "end_user", {"all": [LAST_WEEK]}),
)
USE_CASES = ("renewal_90_days", "nps_quarterly", "usage_fell", "no_login", "health_score")
DELAY = timedelta(seconds=4)  # between an event and its arrival


def fill(org: SalesforceOrg, *, now: datetime, user: User | None = None) -> int:
    """Everything of this domain that a demonstration needs; how many events were written (0 when they are there already)."""
    written = fill_events(now=now)
    fill_definitions(org, user=user, now=now)
    return written


def fill_definitions(org: SalesforceOrg, *, user: User | None, now: datetime) -> int:
    """Features, segments, engagements, a score and task rules, as far as nobody made some already; how many were made."""
    made = 0
    if not Feature.objects.exists():
        for wanted in FEATURES:
            save_feature(wanted, user=user, now=now)
        made += len(FEATURES)
    if not Segment.objects.exists():
        for name, entity, tree in SEGMENTS:
            save_segment(None, name=name, entity=entity, conditions=tree, user=user, now=now)
        made += len(SEGMENTS)
    if not (Engagement.objects.exists() or TaskRule.objects.exists() or HealthScore.objects.exists()):
        made += sum(_make(key, org, user=user, now=now) for key in USE_CASES)
    return made


def _make(key: str, org: SalesforceOrg, *, user: User | None, now: datetime) -> bool:
    """A use case, switched on; one that is not possible here is left out."""
    try:
        made = make_use_case(key, org=org, user=user, now=now)
    except Refusal:
        return False
    if isinstance(made, TaskRule):
        task_rules.set_state(made, TaskRule.State.ACTIVE, user=user, now=now)
    elif isinstance(made, Engagement):
        engagements.set_state(made, Engagement.State.LIVE, user=user, now=now)
    return True


def fill_events(*, now: datetime) -> int:
    """People, events and survey answers; 0 when there are events already."""
    table = lake_tables.events_table()
    if count_live(table):
        return 0
    add_people(now=now)
    people = read_people()
    events = [event for person in people for event in events_of(person, now=now)]
    answers = [answer for person in people for answer in answers_of(person, now=now)]
    answered = lake_tables.nps_table()
    staged = stage(table, event_rows(events)), stage(answered, answer_rows(answers))
    with transaction.atomic():
        for target, files in zip((table, answered), staged, strict=True):
            register(target, files, now=now)
        days = Counter(event.at.date() for event in events) + Counter(answer.at.date() for answer in answers)
        DirtyDay.objects.bulk_create(DirtyDay(day=day, since=now) for day in sorted(days))
        IngestDay.objects.bulk_create(_days(days), ignore_conflicts=True)
    see_customers(people, now=now)
    return len(events)


def add_people(*, now: datetime) -> int:
    """Colleagues for customers with few end users; they have no record in Salesforce. How many were added."""
    product_demo.make_attributes()
    customers = Customer.objects.filter(erased_at=None, merged_into=None).annotate(people=Count("end_users")).order_by("pk")
    rows = [
        _colleague(customer, number, now)
        for customer in customers
        for number in range(max(0, LEAST_PEOPLE + customer.pk % 5 - customer.people))  # pyright: ignore[reportAttributeAccessIssue]
    ]
    return save_end_users(rows, now=now).count("created")


def read_people() -> list[Person]:
    """The end users of customers, with the span in which they were seen."""
    users = EndUser.objects.filter(erased_at=None, customer__isnull=False, customer__erased_at=None).order_by("pk")
    names = ("pk", "external_id", "customer_id", "customer__external_id", "first_seen_at", "last_seen_at")
    return [Person(*row) for row in users.values_list(*names) if row[4] and row[5]]


def see_customers(people: Iterable[Person], *, now: datetime) -> None:
    """A customer was last seen when the last of its people was."""
    latest: dict[str, datetime] = {}
    for each in people:
        latest[each.customer] = max(each.last_seen_at, latest.get(each.customer, each.last_seen_at))
    known = Customer.objects.filter(external_id__in=latest).values_list("external_id", "last_seen_at")
    later = [name for name, seen in known if seen is None or latest[name] > seen]
    save_customers([{"external_id": name, "last_seen_at": latest[name].isoformat()} for name in later], now=now)


def stage(table: LakeTable, rows: "pa.Table") -> list[StagedFile]:
    """The rows as files, one a day; they exist once they are registered."""
    with open_writer(table) as writer:
        writer.write(rows)
    return writer.files


def event_rows(events: Sequence[Event]) -> "pa.Table":
    """Events as rows of `product/events`, by day."""
    own = {
        lake_tables.NAME: [each.name for each in events],
        lake_tables.AUTOMATIC: [False] * len(events),
        lake_tables.PROPERTIES: [each.properties for each in events],
    }
    return _rows(events, lake_tables.EVENT_COLUMNS, own)


def answer_rows(answers: Sequence[Answer]) -> "pa.Table":
    """Answers as rows of `product/nps`, by day."""
    own = {
        lake_tables.SURVEY: [SURVEY] * len(answers),
        lake_tables.SCORE: [each.score for each in answers],
        lake_tables.COMMENT: [each.comment for each in answers],
    }
    return _rows(answers, lake_tables.NPS_COLUMNS, own)


def _rows(
    each: Sequence[Event] | Sequence[Answer], columns: Sequence[tuple[str, str]], own: dict[str, list[Any]]
) -> "pa.Table":
    import pyarrow as pa

    from integrations.lake.types import arrow_schema

    values: dict[str, list[Any]] = {
        lake_tables.EVENT_ID: [one.id for one in each],
        lake_tables.DAY: [one.at.date() for one in each],
        lake_tables.AT: [one.at for one in each],
        lake_tables.RECEIVED_AT: [one.at + DELAY for one in each],
        lake_tables.CUSTOMER_ID: [one.person.customer_id for one in each],
        lake_tables.END_USER_ID: [one.person.id for one in each],
        **own,
    }
    return pa.Table.from_pydict(values, schema=arrow_schema(columns)).sort_by(lake_tables.DAY)


def _days(counts: "Counter[date]") -> list[IngestDay]:
    return [IngestDay(day=day, accepted=count) for day, count in sorted(counts.items())]


def _colleague(customer: Customer, number: int, now: datetime) -> dict[str, Any]:
    seed = zlib.crc32(f"colleague {customer.external_id} {number}".encode())
    first, last = FIRST[seed % len(FIRST)], LAST[seed // 16 % len(LAST)]
    domain = zlib.crc32(customer.external_id.encode())
    ago = seed // 7 % 5 if seed % 4 else seed // 7 % 60
    if course_of(customer.external_id) == "stopped":
        ago += 40
    seen = (now - timedelta(days=ago, minutes=1 + seed % 900)).replace(microsecond=0)
    began = seen - timedelta(days=60 + seed % 500)
    return {
        "external_id": f"pu-c{customer.pk}-{number}", "name": f"{first} {last}", "customer": customer.external_id,
        "email": f"{first}.{last}.{number}@t{domain:08x}.example".lower(), "first_seen_at": began.isoformat(),
        "last_seen_at": seen.isoformat(), "attributes": {"role": ROLES[seed % 3], "is_active": ago < 30},
    }  # fmt: skip
