"""Won opportunities in the mirror that were never provisioned: something was sold, and only Salesforce knows what."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.urls import reverse

from integrations.access import Person, Refusal
from integrations.audit import record
from integrations.lake.dialect import quote_name
from integrations.lake.engine import open_engine
from integrations.lake.failures import EngineError
from integrations.models import Customer, MirrorObject, SalesforceOrg
from integrations.sync.mirror import tables
from project.four_way.selling import linked_accounts
from provisioning.connection import settings_of
from provisioning.models import Provision
from provisioning.provision import taking

OPPORTUNITY = "Opportunity"
NEEDED = ("Id", "AccountId", "IsWon")
WANTED = ("Name", "Amount", "CurrencyIsoCode", "CloseDate", "OwnerId")
MOST = 20_000


@dataclass(frozen=True)
class WonDeal:
    """A won opportunity that provisioning never saw, as last read; what is not mirrored is empty."""

    org: SalesforceOrg
    id: str
    name: str
    customer: int
    customer_name: str
    amount: Decimal | None
    currency: str
    closed_on: date | None
    owner: str

    @property
    def url(self) -> str:
        """The record in Salesforce."""
        return f"{self.org.instance_url}/{self.id}" if self.org.instance_url else ""

    @property
    def look_url(self) -> str:
        """What it would provision; nothing is written there."""
        return f"{reverse('provisioning:dry_run')}?org={self.org.pk}&opportunity={self.id}"


def read_won(roots: Mapping[int, int]) -> Counter[int]:
    """How many there are, by customer; none where opportunities or their accounts are not mirrored. Asks Salesforce nothing."""
    return Counter(customer for _, customer, _ in _won(roots, ()))


def read_won_deals() -> list[WonDeal]:
    """Each of them with what is mirrored of it, the latest first."""
    merged = dict(Customer.objects.filter(merged_into__isnull=False).values_list("pk", "merged_into_id"))
    found = list(_won(merged, WANTED))
    names: dict[int, str] = {}
    numbers = sorted({customer for _, customer, _ in found})
    for start in range(0, len(numbers), 500):
        part = Customer.objects.filter(pk__in=numbers[start : start + 500], erased_at=None)
        names |= {pk: name or key for pk, name, key in part.values_list("pk", "name", "external_id")}
    people = {org: _owners(org) for org in {org for org, _, _ in found}}
    deals = [
        WonDeal(
            org, str(row["Id"]), str(row.get("Name") or ""), customer, names[customer], row.get("Amount"),
            str(row.get("CurrencyIsoCode") or ""), row.get("CloseDate"),
            people[org].get(str(row.get("OwnerId")), str(row.get("OwnerId") or "")),
        )
        for org, customer, row in found if customer in names
    ]  # fmt: skip
    return sorted(deals, key=lambda each: (str(each.closed_on or ""), each.id), reverse=True)


def take_over(
    org: SalesforceOrg, opportunity: str, *, user: Person, now: Any, address: str | None = None
) -> tuple[str, int | None]:
    """Provision a deal as if it had been won now; how it went in words, and the number of its page.

    Refusal `not_listed` for one that is not among those that were never provisioned, `switched_off` where provisioning is.
    """
    if not org.is_connected or not org.provisioning_enabled:
        raise Refusal("switched_off", f"{org} is not connected, or provisioning is switched off for it.")
    if not any(each.org == org and each.id == opportunity for each in read_won_deals()):
        raise Refusal("not_listed", "This deal is not among the won ones that were never provisioned.")
    outcome = taking.take(settings_of(org), opportunity, source=Provision.Source.MANUAL, now=now)
    after = {"org": org.name, "opportunity": opportunity, "status": outcome.status}
    record("four_way.taken_over", actor=user, target=opportunity, after=after, address=address)
    return outcome.message or outcome.status.replace("_", " ").capitalize() + ".", outcome.provision_id


def _won(roots: Mapping[int, int], wanted: Sequence[str]) -> Iterator[tuple[SalesforceOrg, int, dict[str, Any]]]:
    """Connection, customer and row of each."""
    mirrors = MirrorObject.objects.filter(name=OPPORTUNITY, table__isnull=False).select_related("org", "table")
    linked = linked_accounts() if mirrors else {}
    for mirror in mirrors:
        known = set(Provision.objects.filter(org=mirror.org).values_list("opportunity_id", flat=True))
        for row in _rows(mirror, wanted):
            customer = linked.get((mirror.org_id, row["AccountId"]))  # type: ignore[attr-defined]
            if customer is not None and row["Id"] not in known:
                yield mirror.org, roots.get(customer, customer), row


def _rows(mirror: MirrorObject, wanted: Sequence[str]) -> list[dict[str, Any]]:
    """Won rows with an account, with those of the wanted fields that are mirrored."""
    try:
        relation = tables.live(mirror.org, OPPORTUNITY, (*NEEDED, *_mirrored(mirror, wanted)))
        with open_engine() as engine:
            engine.bind("found", relation)
            names = ", ".join(quote_name(each) for each in relation.names)
            text = f'SELECT {names} FROM found WHERE "IsWon" AND "AccountId" IS NOT NULL LIMIT {MOST}'  # noqa: S608  names checked
            return engine.table(text).to_pylist()
    except (EngineError, Refusal, tables.SchemaError):
        return []


def _mirrored(mirror: MirrorObject, wanted: Sequence[str]) -> list[str]:
    if not wanted or mirror.table is None:
        return []
    known = {each.casefold() for each in tables.fields_of(mirror, mirror.table)}
    return [each for each in wanted if each.casefold() in known]


def _owners(org: SalesforceOrg) -> dict[str, str]:
    """Names of the org's users by id, where they are mirrored."""
    try:
        relation = tables.live(org, "User", ("Id", "Name"))
        with open_engine() as engine:
            engine.bind("found", relation)
            return {str(number): str(name) for number, name in engine.rows('SELECT "Id", "Name" FROM found') if name}
    except (EngineError, Refusal, tables.SchemaError):
        return {}
