"""Fills a demonstration: customers and end users as a product would send them, derived from the connected demo org.

Each match rule finds some of them (PX-50..PX-59); some fit several records, two claim the same record (PX-07), some fit none.
Everything follows from the org's records, so that filling it again gives the same rows.
"""

import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import requests
from django.conf import settings

from integrations.access import Refusal
from integrations.models import Attribute, Customer, Entity, RecordLink, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.sync.matching.domains import host_of_website, read_providers
from integrations.sync.matching.saving import save_customers, save_end_users

Row = dict[str, Any]
DOMAIN = "product"
ATTRIBUTES = {
    Entity.CUSTOMER: (
        ("sfdc_id", "Salesforce account id", "STRING", "Written into the product by hand or by an earlier tool"),
        ("plan", "Plan", "STRING", "What the customer has bought"),
        ("health", "Health", "STRING", "Good, Fair or Poor, from the last four weeks"),
        ("active_users_30d", "Active users (30 days)", "NUMBER", "People seen in the last 30 days"),
        ("nps", "NPS", "NUMBER", "Latest score, -100 to 100"),
        ("is_active", "Is active", "BOOLEAN", "Seen in the last 30 days"),
    ),
    Entity.END_USER: (
        ("sfdc_contact_id", "Salesforce contact id", "STRING", "Written into the product by hand or by an earlier tool"),
        ("role", "Role", "STRING", "What the person may do in the product"),
        ("sessions_30d", "Sessions (30 days)", "NUMBER", "Visits in the last 30 days"),
        ("is_active", "Is active", "BOOLEAN", "Seen in the last 30 days"),
    ),
}
# How many customers each rule is to find, in the order in which accounts are dealt out.
BY_ID, BY_KEY, BY_WEBSITE, BY_NAME, BY_PEOPLE, SHARED = 10, 14, 16, 9, 1, 3
CROWD = 64  # users with one e-mail domain: more than 50 (PX-54)
MIRRORED = "LastModifiedDate = LAST_N_DAYS:150"  # the first read goes back six months (PX-32)
PLANS, HEALTH = ("Free", "Starter", "Team", "Enterprise"), ("Good", "Good", "Fair", "Poor")
ROLES = ("Analyst", "Planner", "Guest")
IMPOSSIBLE_NPS = 120  # of one customer; `RULE` refuses it
RULE = {
    "name": "NPS_In_Range", "object": "Account", "field": "PX_NPS_Score__c", "op": ">", "value": 100,
    "message": "The NPS must lie between -100 and 100.", "error_field": "PX_NPS_Score__c",
}  # fmt: skip
STRANGERS = (
    ("Harbor Street Bakery", "https://harborstreetbakery.example"), ("Lindqvist & Söner", ""), ("Quill Reading Rooms", ""),
    ("Freelance desk (shared)", "https://gmail.com"), ("Moonrise Festival", "https://moonrise-festival.example"),
)  # fmt: skip
FIRST = ("Amara", "Bruno", "Chiara", "Dmitri", "Elin", "Farid", "Greta", "Hugo")
LAST = ("Abbott", "Bauer", "Castro", "Dunn", "Eriksen", "Fontaine", "Gupta", "Hale")
ENDING = re.compile(r"\s+(?:GmbH|AG|Ltd|LLC|Inc\.|Holdings|Group|Partners)$")


@dataclass
class Company:
    """An account of the org with what the demonstration needs to know about it."""

    id: str
    name: str
    domain: str
    key: str


@dataclass
class Dealt:
    """The rows to send, which customer stands for which account, and who has a crowd of users of one domain."""

    customers: list[Row] = field(default_factory=list)
    accounts: dict[str, str] = field(default_factory=dict)
    crowds: list[tuple[str, str]] = field(default_factory=list)


def fill(org: SalesforceOrg, *, now: datetime) -> int:
    """Customers and end users of the demonstration, once; how many rows were sent."""
    if Customer.objects.exists():
        return 0
    make_attributes()
    with client_for(org, domain=DOMAIN) as client:
        fields = "Id, Name, Website, Product_Account_Id__c, Lifecycle__c"
        found = client.query_all(f"SELECT {fields} FROM Account WHERE {MIRRORED} ORDER BY CreatedDate, Id LIMIT 1500")  # noqa: S608
        dealt = deal_customers(found, now=now)
        ids = "', '".join(dealt.accounts)
        fields = "Id, Name, Email, Phone, AccountId, Product_User_Id__c"
        where = f"AccountId IN ('{ids}') AND {MIRRORED}"
        people = client.query_all(f"SELECT {fields} FROM Contact WHERE {where} ORDER BY Id LIMIT 400") if ids else []  # noqa: S608
        once = client.query_all("SELECT Phone FROM Contact WHERE Phone != null GROUP BY Phone HAVING COUNT(Id) = 1 LIMIT 2000")
    save_customers(dealt.customers, now=now)
    users = deal_end_users(people, dealt, {each["Phone"] for each in once}, now=now)
    save_end_users(users, now=now)
    return len(dealt.customers) + len(users)


def change_some(*, now: datetime) -> int:
    """Some customers use the product more or less than at the last push, so that a dry run has something to show; how many."""
    linked = RecordLink.objects.filter(state=RecordLink.State.ACTIVE, customer__isnull=False).order_by("customer")
    rows = []
    for customer in Customer.objects.filter(pk__in=linked.values("customer")).order_by("pk")[:18:2]:
        users = int(customer.attributes.get("active_users_30d", 0))
        changes = {"active_users_30d": users + 7, "health": "Good" if customer.attributes.get("health") != "Good" else "Fair"}
        rows.append({"external_id": customer.external_id, "attributes": changes})
    return save_customers(rows, now=now).count("updated")


def make_attributes() -> None:
    """The product's own attributes, with labels that people understand."""
    for entity, listed in ATTRIBUTES.items():
        for key, label, kind, description in listed:
            about = {"label": label, "type": kind, "description": description}
            Attribute.objects.get_or_create(entity=entity, key=key, defaults=about)


def add_rule() -> None:
    """An administrator of the demo org adds a validation rule; `Refusal` when the demo org does not answer."""
    try:
        answer = requests.post(f"{settings.DEMO_ORG_URL}/__demo__/rules", json=RULE, timeout=(2, 10), allow_redirects=False)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise Refusal("demo_org_down", f"The demo org at {settings.DEMO_ORG_URL} does not answer. Start it first.") from error


# --- Customers -------------------------------------------------------------------------------------------------------


def deal_customers(accounts: Iterable[Row], *, now: datetime) -> Dealt:
    """Deal the org's accounts out to the rules. Pure."""
    known = [_company(each) for each in accounts if each.get("Lifecycle__c") != "Churned"]
    domains = Counter(each.domain for each in known if each.domain)
    names = Counter(each.name.casefold() for each in known)
    free = [each for each in known if domains[each.domain] < 2 and names[each.name.casefold()] < 2]
    dealt, providers = Dealt(), read_providers(None)

    def take(number: int, fits: Callable[[Company], object]) -> list[Company]:
        taken = [each for each in free if fits(each)][:number]
        for each in taken:
            free.remove(each)
        return taken

    def own_site(each: Company) -> bool:
        return bool(each.domain) and each.domain not in providers

    for each in take(BY_ID, lambda _: True):
        _add(dealt, each, now, attributes={"sfdc_id": each.id})
    for each in take(BY_KEY, lambda each: each.key):
        _add(dealt, each, now, external_id=each.key)
    for each in take(BY_PEOPLE, own_site):
        _add(dealt, each, now, name=f"{each.name.split()[0]} trial team")
        dealt.crowds.append((dealt.customers[-1]["external_id"], each.domain))
    for each in take(BY_WEBSITE, own_site):
        _add(dealt, each, now, name=ENDING.sub("", each.name) + " workspace", website=f"https://{each.domain}/welcome")
    for each in take(BY_NAME, lambda _: True):
        _add(dealt, each, now, name=each.name.upper())
    _add_shared(dealt, known, domains, names, now)
    _add_odd_ones(dealt, now)
    return dealt


def _company(row: Row) -> Company:
    domain = host_of_website(row.get("Website") or "") or ""
    return Company(row["Id"], row["Name"], domain, row.get("Product_Account_Id__c") or "")


def _add_shared(dealt: Dealt, known: Sequence[Company], domains: Counter[str], names: Counter[str], now: datetime) -> None:
    """Customers whose website or name several accounts have: the match is ambiguous (PX-D3)."""
    providers = read_providers(None)
    for domain in [domain for domain, count in domains.items() if count > 1 and domain not in providers][:SHARED]:
        first = next(each for each in known if each.domain == domain)
        _add(dealt, first, now, name=f"{ENDING.sub('', first.name)} (all teams)", website=f"https://{domain}")
    for name in [name for name, count in names.items() if count > 1][:SHARED]:
        first = next(each for each in known if each.name.casefold() == name)
        if first.id not in dealt.accounts:
            _add(dealt, first, now)


def _add_odd_ones(dealt: Dealt, now: datetime) -> None:
    """A second customer that claims the first one's record (PX-07), an impossible score, and companies that no rule finds."""
    for first in dealt.customers[:1]:
        twin = _row(len(dealt.customers), f"{first['name']} (old workspace)", now)
        twin["attributes"] |= {"sfdc_id": first["attributes"]["sfdc_id"], "plan": "Free", "health": "Poor"}
        dealt.customers.append(twin)
    if len(dealt.customers) > 2:
        dealt.customers[1]["attributes"]["nps"] = IMPOSSIBLE_NPS
    for name, website in STRANGERS:
        dealt.customers.append(_row(len(dealt.customers), name, now) | ({"website": website} if website else {}))


def _add(dealt: Dealt, company: Company, now: datetime, **given: Any) -> None:
    row = _row(len(dealt.customers), company.name, now)
    row["attributes"] |= given.pop("attributes", {})
    dealt.customers.append(row | given)
    dealt.accounts[company.id] = dealt.customers[-1]["external_id"]


def _row(number: int, name: str, now: datetime) -> Row:
    """A customer's row; use and mood follow from its number."""
    seed = zlib.crc32(f"customer {number}".encode())
    days = seed % 45 if seed % 5 else seed % 3
    attributes = {
        "plan": PLANS[seed // 7 % 4], "health": HEALTH[seed // 11 % 4], "active_users_30d": 3 + seed % 140 if days < 30 else 0,
        "nps": seed // 13 % 140 - 50, "is_active": days < 30,
    }  # fmt: skip
    return _seen(f"pa-{seed:08x}", name, attributes, now, ago=timedelta(days=days, minutes=seed % 900), age=120 + seed % 700)


def _seen(external_id: str, name: str, attributes: Row, now: datetime, *, ago: timedelta, age: int) -> Row:
    seen = (now - ago).replace(microsecond=0)
    first = seen - timedelta(days=age)
    return {"external_id": external_id, "name": name, "attributes": attributes, "first_seen_at": first.isoformat(),
            "last_seen_at": seen.isoformat()}  # fmt: skip


# --- End users -------------------------------------------------------------------------------------------------------


def deal_end_users(contacts: Iterable[Row], dealt: Dealt, single_phones: set[str], *, now: datetime) -> list[Row]:
    """The contacts of the dealt accounts as end users, in turn by each rule, and the crowd of one customer. Pure."""
    users = []
    for number, contact in enumerate(contacts):
        row: Row = _person(number, contact["Name"], now) | {"customer": dealt.accounts[contact["AccountId"]]}
        way = number % 3
        if contact.get("Phone") in single_phones:
            row["phone"] = contact["Phone"].replace(" ", "-")
        elif way == 0:
            row["attributes"]["sfdc_contact_id"] = contact["Id"]
        elif way == 1 and contact.get("Product_User_Id__c"):
            row["external_id"] = contact["Product_User_Id__c"]
        if "phone" not in row and contact.get("Email"):
            row["email"] = contact["Email"].upper() if number % 5 == 0 else contact["Email"]
        users.append(row)
    for customer, domain in dealt.crowds:
        users += [_one_of_crowd(number, customer, domain, now) for number in range(CROWD)]
    return users


def _one_of_crowd(number: int, customer: str, domain: str, now: datetime) -> Row:
    first, last = FIRST[number % 8], LAST[number // 8 % 8]
    row = _person(10_000 + number, f"{first} {last}", now)
    return row | {"customer": customer, "email": f"{first}.{last}@{domain}".lower()}


def _person(number: int, name: str, now: datetime) -> Row:
    seed = zlib.crc32(f"person {number}".encode())
    days = seed % 60
    attributes = {"role": ROLES[seed // 7 % 3], "sessions_30d": seed // 9 % 60 if days < 30 else 0, "is_active": days < 30}
    return _seen(f"pu-{seed:08x}", name, attributes, now, ago=timedelta(days=days, minutes=seed % 900), age=90 + seed % 500)
