"""What each domain knows of one customer, for its page: deals in the mirror, entitlements, revenue, key results, findings.

Nothing here asks Salesforce: opportunities and owners are those of the mirror, as old as its last read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from analytics.queries import CustomerFacts, facts_of_customer
from integrations.lake.failures import EngineError
from integrations.models import Customer, Entity, MirrorObject, RecordLink, SalesforceOrg
from okr.models import ReportLink
from project.account_owners import Owner, find_rows, owners_of
from provisioning.entitlements.access import load_access
from provisioning.entitlements.deciding import Decision, decide_all
from provisioning.entitlements.wording import has_words, reason_words
from provisioning.models import Provision

OPPORTUNITIES, ACCOUNT = "Opportunity", "Account"
WANTED = ("Id", "Name", "AccountId", "StageName", "IsClosed", "IsWon", "Amount", "CurrencyIsoCode", "CloseDate")
MOST_DEALS, MOST_LINKS, MOST_REPORTS = 10, 20, 2_000
SHORTEST_NAME = 3


class Opportunity(NamedTuple):
    """One opportunity as last read; fields that are not mirrored are empty."""

    id: str
    name: str
    stage: str
    is_closed: bool
    is_won: bool
    amount: Decimal | None
    currency: str
    close_date: Any


@dataclass(frozen=True)
class Pipeline:
    """Opportunities of a customer in one connection, as last read; open ones first, then won ones, newest first."""

    org: SalesforceOrg
    read_at: datetime | None
    owners: Sequence[Owner] = field(default_factory=tuple)
    deals: Sequence[Opportunity] = field(default_factory=tuple)
    open_count: int = 0
    won_count: int = 0
    more: int = 0


class Entitled(NamedTuple):
    """One entitlement with its usage."""

    decision: Decision
    words: str
    reason: str
    tone: str


def pipelines_of(customer: Customer) -> list[Pipeline]:
    """Opportunities of the accounts that the customer is linked with, by connection; only where they are mirrored."""
    links = RecordLink.objects.filter(customer=customer, entity=Entity.CUSTOMER, object=ACCOUNT).exclude(salesforce_id="")
    found = links.filter(state=RecordLink.State.ACTIVE).select_related("org")[:MOST_LINKS]
    accounts: dict[SalesforceOrg, list[str]] = {}
    for link in found:
        accounts.setdefault(link.org, []).append(link.salesforce_id)
    wanted = MirrorObject.objects.filter(org__in=accounts, name=OPPORTUNITIES, table__isnull=False)
    mirrors: dict[int, MirrorObject] = {each.org_id: each for each in wanted.select_related("table", "org")}
    owners = owners_of([customer.pk]).get(customer.pk, []) if mirrors else []
    return [
        _pipeline(org, ids, mirrors[org.pk], [each for each in owners if each.org == org])
        for org, ids in accounts.items() if org.pk in mirrors
    ]  # fmt: skip


def _pipeline(org: SalesforceOrg, ids: list[str], mirror: MirrorObject, owners: Sequence[Owner]) -> Pipeline:
    rows = find_rows(org, OPPORTUNITIES, ids, WANTED, column="AccountId")
    named = dict(Provision.objects.filter(org=org, account_id__in=ids).values_list("opportunity_id", "name"))
    deals = sorted((_opportunity(row, named) for row in rows), key=lambda each: str(each.close_date or ""), reverse=True)
    still, won = [each for each in deals if not each.is_closed], [each for each in deals if each.is_won]
    shown = [*still, *won][:MOST_DEALS]
    return Pipeline(org, mirror.read_at, owners, shown, len(still), len(won), len(still) + len(won) - len(shown))


def _opportunity(row: Mapping[str, Any], named: Mapping[str, str]) -> Opportunity:
    """`named`: names of deals that were provisioned, for where opportunities are mirrored without theirs."""
    name, stage, currency = (str(row.get(key) or "") for key in ("Name", "StageName", "CurrencyIsoCode"))
    flags = bool(row.get("IsClosed")), bool(row.get("IsWon"))
    number = str(row.get("Id"))
    return Opportunity(number, name or named.get(number, ""), stage, *flags, row.get("Amount"), currency, row.get("CloseDate"))


def entitlements_of(customer: Customer, *, now: datetime) -> list[Entitled]:
    """What the customer may do and has used, at `now` (UTC)."""
    access = load_access([customer.pk], now=now).get(customer.pk)
    if access is None:
        return []
    return [Entitled(each, has_words(each), reason_words(each.reason), _tone(each)) for each in decide_all(access, now)]


def _tone(decision: Decision) -> str:
    near = bool(decision.limit) and decision.usage is not None and decision.usage * 10 >= (decision.limit or 0) * 9
    return "bad" if not decision.granted else "warn" if decision.over_limit or near else "ok"


def revenue_of(customer: Customer) -> list[CustomerFacts]:
    """The facts of analytics, one entry a connection; none while the lake cannot be asked."""
    try:
        return facts_of_customer(customer)
    except EngineError:
        return []


def money_of(facts: Sequence[CustomerFacts]) -> list[tuple[str, Decimal]]:
    """MRR by currency; amounts of different currencies stay apart."""
    found: dict[str, Decimal] = {}
    for each in facts:
        found[each.currency] = found.get(each.currency, Decimal(0)) + Decimal(str(each.mrr or 0))
    return sorted(found.items())


def key_results_of(customer: Customer, ids: Iterable[str]) -> list[ReportLink]:
    """Key results whose report is narrowed to this customer: a filter or a group of the link that names it or its account."""
    names = {each.casefold() for each in (customer.name, customer.external_id, *ids) if len(each) >= SHORTEST_NAME}
    if not names:
        return []
    rows = ReportLink.objects.exclude(filters=[], group_path=[]).select_related("key_result__objective")
    return [each for each in rows.order_by("key_result__title")[:MOST_REPORTS] if names & set(_values(each))]


def _values(link: ReportLink) -> Iterable[str]:
    for part in (*link.filters, *link.group_path):
        if isinstance(part, dict):
            for name in ("value", "label"):
                yield str(part.get(name) or "").strip().casefold()
