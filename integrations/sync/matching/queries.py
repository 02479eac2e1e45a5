"""What pages and API read about customers, end users, their links and the journal."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.expressions import BaseExpression

from integrations.models import Customer, EndUser, Entity, LinkEvent, RecordLink, SalesforceOrg
from integrations.sorting import order_of
from integrations.sync.matching.links import Record, owner_of

State = RecordLink.State
LINKS = ("linked", "unlinked", "suspended", "ambiguous", "locked", "manual", "apart", "conflict")
"""What `link` can ask for. `unlinked` has no active link; `ambiguous` had several candidates; `conflict` shares its record."""
COLUMNS: dict[str, str | BaseExpression] = {
    "external_id": "external_id", "name": "name", "last_seen_at": "last_seen_at", "first_seen_at": "first_seen_at",
    "updated_at": "updated_at",
}  # fmt: skip


def find_customers(
    *, search: str = "", link: str = "", org: SalesforceOrg | None = None, external_id: str = "", sort: str = ""
) -> QuerySet[Customer]:
    """Customers by id: external id, name or website contains `search`, with that kind of link (in `org`, or in any)."""
    found = Customer.objects.filter(erased_at=None, merged_into=None)
    found = _narrow(found, "customer", search, ("external_id", "name", "website"), link, org, external_id)
    return found.order_by(*order_of(sort, COLUMNS, usual=["id"]))


def find_end_users(
    *, search: str = "", link: str = "", org: SalesforceOrg | None = None, external_id: str = "", customer: str = "",
    sort: str = "",
) -> QuerySet[EndUser]:  # fmt: skip
    """End users by id; `customer` is the external id of theirs."""
    found = EndUser.objects.filter(erased_at=None).select_related("customer")
    found = _narrow(found, "end_user", search, ("external_id", "name", "email"), link, org, external_id)
    if customer:
        found = found.filter(customer__external_id=_plain(customer))
    return found.order_by(*order_of(sort, {**COLUMNS, "email": "email"}, usual=["id"]))


def _narrow(
    found: Any, entity: str, search: str, columns: tuple[str, ...], link: str, org: SalesforceOrg | None, external_id: str
) -> Any:
    if external_id:
        found = found.filter(external_id=_plain(external_id))
    text = _plain(search).strip()
    if text:
        wanted = Q()
        for column in columns:
            wanted |= Q(**{f"{column}__icontains": text})
        found = found.filter(wanted)
    return found if link not in LINKS else found.filter(_with_link(entity, link, org))


def _with_link(entity: str, link: str, org: SalesforceOrg | None) -> Any:
    links = RecordLink.objects.filter(**{entity: OuterRef("pk")}, **({"org": org} if org else {}))
    active = links.filter(state=State.ACTIVE)
    if link == "conflict":
        twins = RecordLink.objects.filter(
            org=OuterRef("org"), entity=entity, salesforce_id=OuterRef("salesforce_id"), state=State.ACTIVE
        ).exclude(pk=OuterRef("pk"))
        return Exists(active.filter(Exists(twins)))
    kinds = {
        "linked": active, "unlinked": active, "suspended": links.filter(state=State.SUSPENDED),
        "ambiguous": active.filter(candidates__gt=1), "locked": links.filter(locked=True).exclude(state=State.APART),
        "manual": active.filter(rule="manual"), "apart": links.filter(state=State.APART),
    }  # fmt: skip
    chosen = Exists(kinds[link])
    return ~chosen if link == "unlinked" else chosen


def links_of(record: Record) -> QuerySet[RecordLink]:
    """The record's links, one a connection."""
    return RecordLink.objects.filter(**owner_of(record)).select_related("org").order_by("org__name", "id")


def find_links(
    *, org: SalesforceOrg | None = None, entity: str = "", state: str = "", rule: str = "", salesforce_id: str = ""
) -> QuerySet[RecordLink]:
    """Links by id; every text may be ""."""
    found = RecordLink.objects.select_related("org", "customer", "end_user")
    if org is not None:
        found = found.filter(org=org)
    for name, value in (("entity", entity), ("state", state), ("rule", rule), ("salesforce_id", salesforce_id)):
        if value:
            found = found.filter(**{name: _plain(value)})
    return found.order_by("id")


def journal(*, record: Record | None = None, org: SalesforceOrg | None = None) -> QuerySet[LinkEvent]:
    """The journal, newest first: of one record, of a connection, or all."""
    events = LinkEvent.objects.select_related("org", "actor", "customer", "end_user")
    if record is not None:
        events = events.filter(**owner_of(record))
    if org is not None:
        events = events.filter(org=org)
    return events.order_by("-id")


def count_records(entity: str) -> int:
    """How many records of an entity there are, without erased and merged ones; from indexes, whatever the size."""
    if entity == Entity.END_USER:
        return EndUser.objects.count() - EndUser.objects.filter(erased_at__isnull=False).count()
    erased = Customer.objects.filter(erased_at__isnull=False).count()
    return Customer.objects.count() - erased - Customer.objects.filter(merged_into__isnull=False, erased_at=None).count()


@dataclass(frozen=True, slots=True)
class Standing:
    """How many records of an entity there are, and how they stand in one connection."""

    total: int
    linked: int
    suspended: int
    apart: int
    ambiguous: int
    by_rule: dict[str, int]

    @property
    def unmatched(self) -> int:
        """Records without any link."""
        return max(self.total - self.linked - self.suspended - self.apart, 0)

    @property
    def share(self) -> float:
        """Linked records of all, in percent."""
        return 100 * self.linked / self.total if self.total else 0.0


def standing(org: SalesforceOrg, entity: str) -> Standing:
    """Counts for a page: three statements, whatever the size."""
    total = count_records(entity)
    links = RecordLink.objects.filter(org=org, entity=entity).order_by()
    rows = links.values("state", "rule").annotate(n=Count("id"), several=Count("id", filter=Q(candidates__gt=1)))
    states: dict[str, int] = {}
    rules: dict[str, int] = {}
    ambiguous = 0
    for row in rows:
        states[row["state"]] = states.get(row["state"], 0) + row["n"]
        if row["state"] == State.ACTIVE:
            rules[row["rule"]] = rules.get(row["rule"], 0) + row["n"]
            ambiguous += row["several"]
    linked, suspended, apart = (states.get(each, 0) for each in (State.ACTIVE, State.SUSPENDED, State.APART))
    return Standing(total, linked, suspended, apart, ambiguous, rules)


def _plain(text: str) -> str:
    return text.replace("\0", "")  # PostgreSQL refuses NUL in any text
