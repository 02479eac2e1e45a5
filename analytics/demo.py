"""Fills the demonstration of analytics: accounts of the demo org that tried or bought the product become customers with people,
with two years of their events. Safe to repeat: what is there stays.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import transaction

from analytics.demo_lives import DAYS_BACK, Life, events_of, external_id_of_user
from integrations.lake.writing import register
from integrations.models import Customer, EndUser, RecordLink, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.product.demo import event_rows, stage
from integrations.product.demo_activity import Person
from integrations.product.ingest import lake_tables
from integrations.product.models import DirtyDay, IngestDay
from integrations.sync.matching.saving import save_customers, save_end_users

DOMAIN = "analytics"
MOST = 1_000
FIELDS = "Id, Name, External_Id__c, Seats__c, Trial_Start__c, Trial_End__c, Customer_Since__c, Churned_On__c"
FIRST = ("Alma", "Boris", "Cleo", "Dario", "Edda", "Finn", "Gia", "Hana", "Ivo", "Juno", "Kian", "Lotte", "Milo", "Nia")
LAST = ("Arnold", "Berg", "Conti", "Dahl", "Engel", "Fuchs", "Gallo", "Hahn", "Ivers", "Jung", "Keller", "Lang", "Moser")


def fill(org: SalesforceOrg, *, now: datetime) -> int:
    """Customers, their people and events; how many events were written (0 when they are there already)."""
    if Customer.objects.filter(external_id__startswith="cust-").exists():
        return 0
    today = now.astimezone(UTC).date()
    lives = read_lives(org, today=today)
    save_customers([_customer_row(life, today) for life in lives], now=now)
    save_end_users([row for life in lives for row in _people_rows(life, today)], now=now)
    people = _people_of(lives)
    events = [event for life in lives for event in events_of(life, people.get(life.external_id, ()), today=today)]
    events.sort(key=lambda event: event.at)
    table = lake_tables.events_table()
    files = stage(table, event_rows(events))
    days = Counter(event.at.date() for event in events)
    with transaction.atomic():
        register(table, files, now=now)
        _mark(days, now)
    return len(events)


def read_lives(org: SalesforceOrg, *, today: date) -> list[Life]:
    """Accounts with a trial or a purchase in the last two years that no customer is linked with."""
    with client_for(org, domain=DOMAIN) as client:
        where = "External_Id__c != null AND (Trial_Start__c != null OR Customer_Since__c != null)"
        rows = client.query_all(f"SELECT {FIELDS} FROM Account WHERE {where} ORDER BY External_Id__c")  # noqa: S608
    linked = set(RecordLink.objects.filter(org=org).exclude(salesforce_id="").values_list("salesforce_id", flat=True))
    lives = [life for row in rows if row["Id"] not in linked and (life := life_of(row)) is not None]
    return [life for life in lives if 0 < (today - life.begins).days <= DAYS_BACK][:MOST]


def life_of(row: dict[str, Any]) -> Life | None:
    """An account's time in the product; None when it cannot be told."""
    begins = _day(row["Trial_Start__c"]) or _day(row["Customer_Since__c"])
    since, churned = _day(row["Customer_Since__c"]), _day(row["Churned_On__c"])
    if begins is None:
        return None
    ends = churned if since is not None else _day(row["Trial_End__c"])
    seats = int(row["Seats__c"] or 12)
    return Life(row["Id"], row["External_Id__c"], row["Name"], seats, begins, ends, since is not None and churned is None)


def _customer_row(life: Life, today: date) -> dict[str, Any]:
    return {
        "external_id": life.external_id, "name": life.name, "first_seen_at": _instant(life.begins),
        "last_seen_at": _instant(_last_day(life, today)),
    }  # fmt: skip


def _people_rows(life: Life, today: date) -> Iterable[dict[str, Any]]:
    for number in range(life.users):
        seed = sum(map(ord, life.external_id)) + number * 5
        first, last = FIRST[seed % len(FIRST)], LAST[seed // 3 % len(LAST)]
        yield {
            "external_id": external_id_of_user(life, number), "name": f"{first} {last}", "customer": life.external_id,
            "email": f"{first}.{last}.{number}@{life.external_id}.example".lower(), "first_seen_at": _instant(life.begins),
            "last_seen_at": _instant(_last_day(life, today)),
        }  # fmt: skip


def _people_of(lives: Sequence[Life]) -> dict[str, list[Person]]:
    """The people that were saved, by their customer's external id."""
    wanted = {life.external_id for life in lives}
    names = ("pk", "external_id", "customer_id", "customer__external_id", "first_seen_at", "last_seen_at")
    found: dict[str, list[Person]] = {}
    for row in EndUser.objects.filter(customer__external_id__startswith="cust-").order_by("pk").values_list(*names):
        if row[3] in wanted:
            found.setdefault(row[3], []).append(Person(*row))
    return found


def _mark(days: "Counter[date]", now: datetime) -> None:
    """The days are to be rolled up, and counted as taken in."""
    DirtyDay.objects.bulk_create(DirtyDay(day=day, since=now) for day in sorted(days))
    known = {each.day: each for each in IngestDay.objects.filter(day__in=days)}
    for day, count in days.items():
        if day in known:
            known[day].accepted += count
    IngestDay.objects.bulk_update(known.values(), ["accepted"])
    IngestDay.objects.bulk_create(IngestDay(day=day, accepted=count) for day, count in sorted(days.items()) if day not in known)


def _last_day(life: Life, today: date) -> date:
    return max(life.begins, min(life.ends or today, today) - timedelta(days=1))


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _instant(day: date) -> str:
    return datetime.combine(day, time(8), UTC).isoformat()
