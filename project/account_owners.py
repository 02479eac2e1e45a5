"""Who owns the accounts of customers in Salesforce, and what opportunities are called, as the mirror last read them.

Nothing here asks Salesforce. What the integration user may not see is missing, and nothing fails because of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from integrations.access import Refusal
from integrations.lake.dialect import quote_name
from integrations.lake.engine import open_engine
from integrations.lake.failures import EngineError
from integrations.models import Customer, Entity, MirrorObject, RecordLink, SalesforceOrg
from integrations.sync.mirror import tables
from integrations.sync.mirror.needs import Need

NAME = "customers"
ACCOUNT, OPPORTUNITY, USER = "Account", "Opportunity", "User"
DEAL_FIELDS = (
    "Name", "AccountId", "OwnerId", "StageName", "IsClosed", "IsWon", "Amount", "CurrencyIsoCode", "CloseDate",
)  # fmt: skip
MONTHS = 12
"""Of the first read of opportunities: older ones that nobody has touched since say little about a customer today."""
PART = 5_000


class Owner(NamedTuple):
    """A user of Salesforce who owns an account; without a name where users cannot be read."""

    org: SalesforceOrg
    id: str
    name: str

    @property
    def words(self) -> str:
        """The name, else the id."""
        return self.name or self.id


def needs_of(org: SalesforceOrg) -> Iterable[Need]:
    """Names for the customers' pages: owners of accounts that are read anyway, opportunities and users.

    Only while there are customers, and optional throughout: nothing is missed where the integration user sees less.
    """
    sells = org.provisioning_enabled or org.billing_enabled or org.analytics_enabled
    if not (sells or org.product_enabled) or not Customer.objects.filter(erased_at=None).exists():
        return
    yield Need(NAME, ACCOUNT, ("Name", "OwnerId"), optional=True, rides=True)
    yield Need(NAME, USER, ("Name",), since_months=None, optional=True)
    if sells:
        yield Need(NAME, OPPORTUNITY, DEAL_FIELDS, since_months=MONTHS, optional=True)


def owners_of(customers: Iterable[int]) -> dict[int, list[Owner]]:
    """The owners of the accounts that customers (by number) are linked with, each once."""
    links = RecordLink.objects.filter(entity=Entity.CUSTOMER, object=ACCOUNT, state=RecordLink.State.ACTIVE)
    accounts: dict[SalesforceOrg, dict[str, list[int]]] = {}
    for some in _parts(list(dict.fromkeys(customers))):
        rows = links.filter(customer__in=some).exclude(salesforce_id="").select_related("org")
        for link in rows.order_by("-wins", "linked_at", "pk"):
            accounts.setdefault(link.org, {}).setdefault(link.salesforce_id, []).append(link.customer_id or 0)
    found: dict[int, dict[Owner, None]] = {}
    for org, linked in accounts.items():
        for account, owner in _owners(org, list(linked)).items():
            for customer in linked.get(account, ()):
                found.setdefault(customer, {})[owner] = None
    return {customer: list(owners) for customer, owners in found.items()}


def _owners(org: SalesforceOrg, accounts: Sequence[str]) -> dict[str, Owner]:
    """Owners by account, where accounts are mirrored with them."""
    rows = find_rows(org, ACCOUNT, accounts, ("OwnerId",))
    owners = {str(row["Id"]): str(row["OwnerId"]) for row in rows if row.get("OwnerId")}
    people = find_rows(org, USER, list(dict.fromkeys(owners.values())), ("Name",))
    names = {str(row["Id"]): str(row.get("Name") or "") for row in people}
    return {account: Owner(org, owner, names.get(owner, "")) for account, owner in owners.items()}


def names_of_deals(deals: Iterable[tuple[int, str]]) -> dict[tuple[int, str], str]:
    """Names of opportunities by connection and id, where they are mirrored."""
    wanted: dict[int, list[str]] = {}
    for org, opportunity in deals:
        wanted.setdefault(org, []).append(opportunity)
    found: dict[tuple[int, str], str] = {}
    for org in SalesforceOrg.objects.filter(pk__in=wanted):
        for row in find_rows(org, OPPORTUNITY, wanted[org.pk], ("Name",)):
            if row.get("Name"):
                found[org.pk, str(row["Id"])] = str(row["Name"])
    return found


def find_rows(
    org: SalesforceOrg, object_: str, ids: Sequence[str], wanted: Sequence[str], *, column: str = "Id"
) -> list[dict[str, Any]]:
    """Mirrored records with one of the ids in a column, with those of the wanted fields that are mirrored; none where the
    column is not, and while the lake cannot be asked."""
    mirror = MirrorObject.objects.filter(org=org, name=object_, table__isnull=False).select_related("table").first()
    if mirror is None or mirror.table is None or not ids:
        return []
    known = {each.casefold(): each for each in tables.fields_of(mirror, mirror.table)}
    key = known.get(column.casefold())
    columns = [known[each.casefold()] for each in wanted if each.casefold() in known]
    if key is None or not columns:
        return []
    try:
        return [row for some in _parts(ids) for row in _rows(org, object_, key, columns, some)]
    except (EngineError, Refusal, tables.SchemaError):
        return []


def _rows(org: SalesforceOrg, object_: str, key: str, columns: Sequence[str], ids: Sequence[str]) -> list[dict[str, Any]]:
    relation = tables.live(org, object_, dict.fromkeys([key, *columns]))
    names = ", ".join(quote_name(each) for each in relation.names)
    where = f"{{{{has($ids, {quote_name(key)})}}}}"
    with open_engine() as engine:
        engine.bind("found", relation)
        return engine.table(f"SELECT {names} FROM found WHERE {where}", ids=list(ids)).to_pylist()  # noqa: S608  names checked


def _parts(values: Sequence[Any]) -> list[Sequence[Any]]:
    return [values[start : start + PART] for start in range(0, len(values), PART)]


def words_of(owners: Mapping[int, Sequence[Owner]], customer: int | None) -> str:
    """The owners of one customer's accounts in words; empty when none is known."""
    return ", ".join(dict.fromkeys(each.words for each in owners.get(customer or 0, ())))
