"""Choosing the Linking ID: which field of accounts holds what the product calls its customers, measured before it is chosen
(FZ-D5).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from analytics.attributes.body import ACCOUNT, MapBody, Source
from analytics.attributes.catalogue import BY_KEY
from analytics.attributes.checking import misfit
from analytics.attributes.guessing import RULES, rank
from analytics.attributes.seeing import DOMAIN, describe_objects
from integrations.models import Customer, CustomerAlias, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce import soql
from integrations.salesforce.client import Client
from integrations.salesforce.describe import FieldInfo, ObjectInfo

SAMPLE = 4_000  # accounts: two calls
MOST = 12  # candidates
PIECE = 500
NUMBERS = ("double", "int", "long")
NEARLY = 0.95
"""A field that leads to so many of the customers of the best one counts as leading to as many."""
ENOUGH = 0.05
"""Share of the sample that must lead to a customer before a measured field is preferred to one with a fitting name."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A field measured on a sample of accounts. `matched` accounts lead to a customer, `exact` ones without a change of case;
    `shared` values stand on several."""

    field: str
    label: str
    sampled: int
    filled: int
    matched: int
    customers: int
    exact: int
    shared: int
    samples: tuple[str, ...] = ()
    is_key: bool = False
    """Whether Salesforce keeps its values apart: unique, or an external id."""

    @property
    def rate(self) -> float:
        """Share of the sampled accounts that lead to a customer, 0 to 1."""
        return self.matched / self.sampled if self.sampled else 0.0


def candidate_fields(info: ObjectInfo) -> list[FieldInfo]:
    """Fields that may hold a key, the likely ones first: by name, external ids, unique ones, account number, the id itself."""
    found = [each for each in info.fields if not misfit(BY_KEY["linking_id"], each) and _may_be_key(each)]
    return sorted(found, key=lambda each: (_place(each), each.name))[:MOST]


def _may_be_key(field: FieldInfo) -> bool:
    if field.type in ("textarea", "reference", "picklist", "encryptedstring", "email"):
        return False
    named = rank(RULES["linking_id"], (field.name, field.label)) is not None
    special = field.external_id or field.unique or field.name in ("Id", "AccountNumber", "Website", "Name")
    return (
        named or special or (field.custom and not field.calculated and field.type in ("string", *NUMBERS) and _says_key(field))
    )


def _says_key(field: FieldInfo) -> bool:
    words = f" {field.name} {field.label} ".lower().replace("_", " ")
    return any(f" {word} " in words for word in ("id", "key", "number", "no", "code", "ref", "uuid", "guid"))


def _place(field: FieldInfo) -> int:
    named = rank(RULES["linking_id"], (field.name, field.label))
    if named is not None:
        return named
    return 500 + 10 * (not field.external_id) + 5 * (not field.unique) + (field.name in ("Id", "Name", "Website")) * 100


def measure(org: SalesforceOrg, *, client: Client | None = None) -> list[Candidate]:
    """The candidates of this org with the share of a sample of accounts that each leads to a customer, best first.

    At most three calls. Keys are a customer's external id and its aliases, compared as they are and without regard to case.
    Raises errors of the wire.
    """
    if client is None:
        with client_for(org, domain=DOMAIN) as own:
            return measure(org, client=own)
    info = describe_objects(org, [ACCOUNT], client=client).get(ACCOUNT)
    if info is None:
        return []
    fields = candidate_fields(info)
    rows = _sample(client, fields)
    found = [judge(each, [value_text(row.get(each.name)) for row in rows]) for each in fields]
    return best_first(found)


def best_first(found: Sequence[Candidate]) -> list[Candidate]:
    """Candidates in the order in which they are offered.

    Of those that lead to about as many customers as the best one, a field whose values are exactly the keys of the product
    comes before one that needs a change of case, then a field whose values Salesforce keeps apart; all others by what they
    match.
    """
    most = max((each.matched for each in found), default=0)

    def place(each: Candidate) -> tuple[Any, ...]:
        is_near = bool(most) and each.matched >= most * NEARLY
        is_exact = is_near and each.exact >= each.matched * NEARLY
        return not is_near, not is_exact, is_near and not each.is_key, -each.matched, -each.exact, each.shared, each.filled

    return sorted(found, key=place)


def _sample(client: Client, fields: Sequence[FieldInfo]) -> list[dict[str, Any]]:
    """The accounts that were changed last: old ones that nobody touches say little about a key that is in use."""
    names = list(dict.fromkeys(["Id", *(each.name for each in fields)]))
    query = soql.select(ACCOUNT, names, order_by=["SystemModstamp DESC"], limit=SAMPLE)
    return client.query_all(query)


def judge(field: FieldInfo, values: Sequence[str]) -> Candidate:
    """How well the values of one field lead to customers."""
    filled = [each for each in values if each]
    known = customers_of(set(filled))
    hits = [known[key] for value in filled if (key := value if value in known else value.lower()) in known]
    exact = sum(1 for value in filled if value in known)
    return Candidate(
        field.name, field.label, sampled=len(values), filled=len(filled), matched=len(hits), customers=len(set(hits)),
        exact=exact, shared=len(filled) - len(set(filled)), samples=tuple(dict.fromkeys(filled))[:3],
        is_key=bool(field.external_id or field.unique),
    )  # fmt: skip


def customers_of(values: Iterable[str]) -> dict[str, int]:
    """Customer by key, as it is stored and in lower case, of those values that lead to one."""
    found: dict[str, int] = {}
    wanted = sorted({each for value in values for each in (value, value.lower())})
    for start in range(0, len(wanted), PIECE):
        part = wanted[start : start + PIECE]
        for value, pk in CustomerAlias.objects.filter(value__in=part).values_list("value", "customer_id"):
            found.setdefault(value, pk)
        own = Customer.objects.filter(external_id__in=part, erased_at=None).values_list("external_id", "pk", "merged_into")
        found |= {value: merged or pk for value, pk, merged in own}
    return {key.lower(): pk for key, pk in found.items()} | found


def value_text(value: object) -> str:
    """A key as text: 4711.0 is 4711, blank space around it does not count."""
    if value is None or isinstance(value, bool | dict):
        return ""
    if isinstance(value, float | Decimal) and value == int(value):
        return str(int(value))
    return str(value).strip()


def with_best_linking(org: SalesforceOrg, body: MapBody) -> MapBody:
    """The map with the candidate that matches most as its Linking ID; the guess by name stays where nothing matches."""
    found = measure(org)
    if not found or found[0].rate < ENOUGH:
        return body
    return replace(body, attributes={**body.attributes, "linking_id": Source(ACCOUNT, (found[0].field,))})
