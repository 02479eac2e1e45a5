"""What the customer pages show, read in a fixed number of queries; personal data hidden from those who need none (S-115)."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, F, IntegerField, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Lower
from django.utils import timezone

from billing.queries import summaries_of
from integrations.access import Person, has_role
from integrations.lake.engine import one_engine
from integrations.lake.failures import EngineError
from integrations.masking import hide_people, may_see_people
from integrations.models import Attribute, Customer, EndUser, Entity, LinkEvent, RecordLink, SalesforceOrg
from integrations.product import segments
from integrations.product.models.segments import Segment
from integrations.product.segments.usage import Usage, usage_of
from integrations.salesforce.ids import is_id
from integrations.salesforce.values import read_moment
from integrations.sorting import order_of
from integrations.sync.matching import duplicates
from project import customer_sides
from project.account_owners import owners_of
from project.four_way.audit import findings_of
from project.timeline.reading import timeline_of
from provisioning.queries import subscriptions_of

Record = Customer | EndUser
State, Action = RecordLink.State, LinkEvent.Action
LINK_STATES = {
    "linked": "Linked",
    "unlinked": "Not linked",
    "ambiguous": "Ambiguous",
    "suspended": "Suspended",
    "manual": "Linked by hand",
    "apart": "Kept apart",
}
COLUMNS = {"name": Lower("name"), "website": Lower("website"), "email": Lower("email"), "seen": F("last_seen_at")}
UNDOABLE = (Action.LINKED, Action.MOVED, Action.UNLINKED, Action.LOCKED, Action.UNLOCKED)
LISTED, CONTESTED = 20, 200
LATEST = 8  # entries of the timeline on the customer's own page
MOST_SEGMENTS = 100  # that a page asks for one record


@dataclass(frozen=True)
class Contest:
    """A Salesforce record that several of our records claim (PX-07), with the page it belongs to."""

    org: SalesforceOrg
    entity: str
    conflict: duplicates.Conflict


# --- Lists -----------------------------------------------------------------------------------------------------------


def find_customers(
    *, text: str = "", link: str = "", org: SalesforceOrg | None = None, sort: str = "", user: Person
) -> QuerySet[Customer]:
    """Customers by name, id or website, with their links; every filter may be empty."""
    found = Customer.objects.filter(merged_into=None, erased_at=None)
    if text := _clean(text):
        found = found.filter(Q(name__icontains=text) | Q(external_id__icontains=text) | Q(website__icontains=text))
    people = EndUser.objects.filter(customer=OuterRef("pk"), erased_at=None).order_by().values("customer")
    counted = people.annotate(n=Count("pk")).values("n")
    found = found.annotate(people=Coalesce(Subquery(counted, output_field=IntegerField()), 0))
    return _listed(_by_link(found, "customer", link, org), org, sort)


def find_end_users(
    *, text: str = "", link: str = "", org: SalesforceOrg | None = None, sort: str = "", user: Person
) -> QuerySet[EndUser]:
    """End users by name or id, with their links; those who may see e-mail addresses also find by them."""
    found = EndUser.objects.filter(erased_at=None).select_related("customer")
    if text := _clean(text):
        wanted = Q(name__icontains=text) | Q(external_id__icontains=text)
        found = found.filter(wanted | Q(email__icontains=text) if may_see_people(user) else wanted)
    return _listed(_by_link(found, "end_user", link, org), org, sort)


def _clean(text: str) -> str:
    return text.strip()


def _listed(found: QuerySet[Any], org: SalesforceOrg | None, sort: str) -> QuerySet[Any]:
    links = RecordLink.objects.select_related("org").order_by("org__name")
    links = links if org is None else links.filter(org=org)
    columns = {name: column for name, column in COLUMNS.items() if name in ("name", "seen") or hasattr(found.model, name)}
    ordered = found.order_by(*order_of(sort or "name", columns, usual=("pk",)))
    return ordered.prefetch_related(Prefetch("links", queryset=links, to_attr="shown_links"))


def _by_link(found: QuerySet[Any], side: str, link: str, org: SalesforceOrg | None) -> QuerySet[Any]:
    mine = RecordLink.objects.filter(**{side: OuterRef("pk")})
    if org is not None:
        mine = mine.filter(org=org)
    if link == "unlinked":
        return found.filter(~Exists(mine.exclude(state=State.APART)))
    narrowed = {
        "linked": mine.filter(state=State.ACTIVE),
        "ambiguous": mine.filter(candidates__gt=1),
        "suspended": mine.filter(state=State.SUSPENDED),
        "manual": mine.filter(rule="manual").exclude(state=State.APART),
        "apart": mine.filter(state=State.APART),
    }
    return found.filter(Exists(narrowed[link])) if link in narrowed else found


def count_links(entity: str, org: SalesforceOrg | None) -> dict[str, int]:
    """How many records there are, and how many are linked, not linked, ambiguous and suspended."""
    side = "customer" if entity == Entity.CUSTOMER else "end_user"
    everyone: QuerySet[Any] = Customer.objects.filter(merged_into=None) if side == "customer" else EndUser.objects.all()
    everyone = everyone.filter(erased_at=None)
    links = RecordLink.objects.filter(entity=entity, **{f"{side}__in": everyone})
    links = links if org is None else links.filter(org=org)
    counts = links.aggregate(
        linked=Count(side, filter=Q(state=State.ACTIVE), distinct=True),
        ambiguous=Count(side, filter=Q(candidates__gt=1), distinct=True),
        suspended=Count(side, filter=Q(state=State.SUSPENDED), distinct=True),
    )
    return {**counts, "all": everyone.count(), "unlinked": _by_link(everyone, side, "unlinked", org).count()}


def hide_personal(records: Iterable[Record], user: Person) -> Iterator[Record]:
    """The records, with e-mail address and phone number of people hidden from those who may not see them; never saved."""
    open_ = may_see_people(user)
    for record in records:
        if isinstance(record, EndUser) and not open_:
            record.name = hide_people(record.name)
            record.email, record.phone = hide_people(record.email), hide_people(record.phone)
        yield record


def export_lines(found: QuerySet[Any], user: Person) -> Iterator[list[object]]:
    """One line for each link of each record; a record without a link has one line."""
    for record in hide_personal(found.iterator(2000), user):
        seen = record.last_seen_at.isoformat() if record.last_seen_at else ""
        if isinstance(record, Customer):
            start = [record.external_id, record.name, record.website, record.people, seen]  # pyright: ignore
        else:
            customer = record.customer.external_id if record.customer else ""
            start = [record.external_id, record.name, record.email, customer, seen]
        links = record.shown_links or [None]  # pyright: ignore[reportAttributeAccessIssue]
        yield from ([*start, *_link_cells(link)] for link in links)


HEADERS = {
    Entity.CUSTOMER: ["customer", "name", "website", "end_users", "last_seen_at"],
    Entity.END_USER: ["end_user", "name", "email", "customer", "last_seen_at"],
}
LINK_HEADER = ["connection", "object", "salesforce_id", "state", "rule", "candidates", "locked"]


def _link_cells(link: RecordLink | None) -> list[object]:
    if link is None:
        return [""] * len(LINK_HEADER)
    locked = "yes" if link.locked else "no"
    return [link.org.name, link.object, link.salesforce_id, link.state, link.rule, link.candidates, locked]


# --- One record ------------------------------------------------------------------------------------------------------


def read_customer(customer: Customer, *, user: Person) -> dict[str, Any]:
    """One customer: identity in both systems, attributes, people, journal of its links."""
    with one_engine():
        return _read_customer(customer, user=user, now=timezone.now())


def _read_customer(customer: Customer, *, user: Person, now: datetime) -> dict[str, Any]:
    people = customer.end_users.filter(erased_at=None)
    facts = customer_sides.revenue_of(customer)
    timeline = timeline_of(customer, user=user, facts=facts)
    ids = [each for each in customer.links.values_list("salesforce_id", flat=True) if each]
    latest = people.order_by(F("last_seen_at").desc(nulls_last=True), "pk")[:LISTED]
    return {
        "customer": customer,
        "people": list(hide_personal(latest, user)),
        "people_count": people.count(),
        "aliases": customer.aliases.order_by("kind", "value"),
        "usage": _usage(customer),
        "billing": summaries_of(customer),
        "subscriptions": subscriptions_of(customer, now=now),
        "pipelines": customer_sides.pipelines_of(customer),
        "owners": owners_of([customer.pk]).get(customer.pk, []),
        "entitlements": customer_sides.entitlements_of(customer, now=now),
        "revenue": facts,
        "mrr": customer_sides.money_of(facts),
        "key_results": customer_sides.key_results_of(customer, ids),
        "findings": findings_of(customer.pk) if has_role(user, "analyst") else [],
        "timeline": timeline[:LATEST],
        "timeline_count": len(timeline),
        **_record(customer, Entity.CUSTOMER),
    }


def _usage(customer: Customer) -> Usage | None:
    """How it uses the product; None while the lake cannot be asked, which must not take the page away."""
    try:
        return usage_of(customer, now=timezone.now())
    except EngineError:
        return None


def _segments(record: Record, entity: str) -> list[Segment]:
    """The segments that it is in now; none while the lake cannot be asked."""
    asked = list(Segment.objects.filter(entity=entity, archived_at=None)[:MOST_SEGMENTS])
    try:
        found = segments.matching(asked, record, now=timezone.now()) if asked else set()
    except EngineError:
        return []
    return [each for each in asked if each.pk in found]


def read_end_user(person: EndUser, *, user: Person) -> dict[str, Any]:
    """One end user, as `read_customer` shows a customer."""
    shown = next(hide_personal([person], user))
    return {"person": shown, **_record(shown, Entity.END_USER)}


def _record(record: Record, entity: str) -> dict[str, Any]:
    attributes = Attribute.objects.filter(entity=entity)
    links: dict[int, RecordLink] = {link.org_id: link for link in record.links.select_related("org", "run")}  # pyright: ignore
    orgs = SalesforceOrg.objects.exclude(state__in=(SalesforceOrg.State.NEW, SalesforceOrg.State.DISCONNECTED))
    events = list(LinkEvent.objects.filter(**{entity: record}).select_related("org", "actor", "run", "undoes")[:LISTED])
    return {
        "record": record,
        "entity": entity,
        "attributes": [
            (each, _shown(each, record.attributes[each.key])) for each in attributes if each.key in record.attributes
        ],
        "links": [(org, links.get(org.pk), rivals_of(links.get(org.pk))) for org in orgs],
        "segments": _segments(record, entity),
        "events": events,
        "undoable": newest_of_each(events),
    }


def _shown(attribute: Attribute, value: Any) -> Any:
    """A stored value for the page: instants as such, numbers exact."""
    if value is None or value == "":
        return None
    if attribute.type != Attribute.Type.DATE_TIME:
        return value
    try:
        return read_moment(str(value))
    except ValueError:
        return value


def rivals_of(link: RecordLink | None) -> list[RecordLink]:
    """Other active links to the same Salesforce record (PX-07)."""
    if link is None or link.state != State.ACTIVE:
        return []
    others = RecordLink.objects.filter(
        org=link.org_id, entity=link.entity, salesforce_id=link.salesforce_id, state=State.ACTIVE
    ).exclude(pk=link.pk)
    return list(others.select_related("customer", "end_user")[:LISTED])


def newest_of_each(events: Sequence[LinkEvent]) -> set[int]:
    """Entries that can be taken back: the newest of each connection, unless it is an undo itself or cannot be undone."""
    newest: dict[int, LinkEvent] = {}
    for event in events:
        newest.setdefault(event.org_id, event)
    return {each.pk for each in newest.values() if each.undoes is None and each.action in UNDOABLE}


def id_in(text: str) -> str:
    """The Salesforce id in what a person pasted: an id, or the address of a record's page. Text without one comes back."""
    parts = [part for part in re.split(r"[/?#&=\s]+", text.strip()) if is_id(part)]
    return parts[-1] if parts else text.strip()


# --- Several records that claim one ------------------------------------------------------------------------------------


def find_contests(org: SalesforceOrg | None) -> list[Contest]:
    """Contested Salesforce records of one connection or all: those that nobody has decided first."""
    orgs = [org] if org is not None else list(SalesforceOrg.objects.exclude(state=SalesforceOrg.State.NEW))
    found = [
        Contest(each, entity, conflict)
        for each in orgs
        for entity in Entity.values
        for conflict in duplicates.conflicts(each, entity, limit=CONTESTED)
    ]
    return sorted(found, key=lambda each: each.conflict.winner is not None)


def count_contested(org: SalesforceOrg | None) -> int:
    """Salesforce records with several claims, decided or not."""
    return duplicates.count_contested(org)
