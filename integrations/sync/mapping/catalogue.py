"""The one list of product fields that can be matched, filled and sent: columns, attributes, and what domains register (KPIs).

Form, validation, pull and push all read it. A provider is a pure read of configuration; its `values` give an Arrow table or a
relation with the column `id` (primary key of the customer) and one column per key, computed for a whole push at once.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations.models import Attribute, Entity, SalesforceOrg
from integrations.sync.mapping.body import ATTRIBUTE
from integrations.sync.mapping.types import DATE_TIME, PRODUCT_TYPES, STRING

COLUMNS_GROUP, ATTRIBUTES_GROUP = "Product fields", "Attributes"


@dataclass(frozen=True, slots=True)
class SourceField:
    """A product field. `length` bounds its text (0: unknown), `whole` says that its numbers never have decimals, `pulled` that
    it was made to hold a Salesforce value; the product fills all others itself."""

    key: str
    label: str
    type: str
    description: str = ""
    group: str = ATTRIBUTES_GROUP
    read_only: bool = False
    length: int = 0
    whole: bool = False
    pulled: bool = False

    def __post_init__(self) -> None:
        if self.type not in PRODUCT_TYPES:
            raise ValueError(f"{self.key}: a type is one of {', '.join(PRODUCT_TYPES)}, not {self.type!r}.")

    @property
    def attribute(self) -> str:
        """Key of the attribute that it is; empty for anything else."""
        return self.key.removeprefix(ATTRIBUTE) if self.key.startswith(ATTRIBUTE) else ""


Provider = Callable[[SalesforceOrg], Iterable[SourceField]]
Values = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Registered:
    """One domain's fields for one entity: `values(org, keys, now=...)` computes them."""

    name: str
    provider: Provider
    values: Values


_registered: dict[str, dict[str, Registered]] = {Entity.CUSTOMER: {}, Entity.END_USER: {}}


def register_sources(entity: str, provider: Provider, values: Values, *, name: str = "") -> None:
    """Offer the fields of a domain for an entity; `values(org, keys, now=...)` must give them for all records of the entity,
    in columns named by `column_of(key)`.

    Only customers have computed fields: for end users there are attributes alone (PX-60), so that is a ValueError.
    """
    if entity != Entity.CUSTOMER:
        raise ValueError("KPIs and NPS exist for customers only; end users have attributes alone.")
    name = name or getattr(provider, "__module__", "")
    wanted = Registered(name, provider, values)
    if _registered[entity].get(name, wanted) != wanted:
        raise ValueError(f"{name} has registered other sources already.")
    _registered[entity][name] = wanted


def column_of(key: str) -> str:
    """The name of a key's column in what `values` gives."""
    return re.sub(r"\W", "_", key)


COLUMNS: dict[str, tuple[SourceField, ...]] = {
    "customer": (
        SourceField("external_id", "Customer id", STRING, "The product's own id", COLUMNS_GROUP, read_only=True, length=255),
        SourceField("name", "Name", STRING, "The customer's name in the product", COLUMNS_GROUP, read_only=True, length=255),
        SourceField("website", "Website", STRING, "The customer's website", COLUMNS_GROUP, read_only=True, length=255),
        SourceField("first_seen_at", "First seen", DATE_TIME, "First use of the product", COLUMNS_GROUP, read_only=True),
        SourceField("last_seen_at", "Last seen", DATE_TIME, "Latest use of the product", COLUMNS_GROUP, read_only=True),
    ),
    "end_user": (
        SourceField("external_id", "User id", STRING, "The product's own id", COLUMNS_GROUP, read_only=True, length=255),
        SourceField("name", "Name", STRING, "The user's name in the product", COLUMNS_GROUP, read_only=True, length=255),
        SourceField("email", "Email", STRING, "The user's e-mail address", COLUMNS_GROUP, read_only=True, length=254),
        SourceField("phone", "Phone", STRING, "The user's phone number", COLUMNS_GROUP, read_only=True, length=60),
        SourceField("first_seen_at", "First seen", DATE_TIME, "First use of the product", COLUMNS_GROUP, read_only=True),
        SourceField("last_seen_at", "Last seen", DATE_TIME, "Latest use of the product", COLUMNS_GROUP, read_only=True),
    ),
}


def source_fields(org: SalesforceOrg, entity: str) -> list[SourceField]:
    """Every product field of an entity that this connection may use, columns first."""
    found = [*COLUMNS[entity]]
    attributes = Attribute.objects.filter(entity=entity).order_by("label", "key")
    found.extend(
        SourceField(f"{ATTRIBUTE}{each.key}", each.label, each.type, each.description, pulled=each.pulled)
        for each in attributes
    )
    for registered in _registered[entity].values():
        found.extend(registered.provider(org))
    return found


def customers_only(org: SalesforceOrg, entity: str) -> list[str]:
    """Keys of computed fields that this entity does not have although customers do (PX-60)."""
    if entity == Entity.CUSTOMER:
        return []
    return [each.key for registered in _registered[Entity.CUSTOMER].values() for each in registered.provider(org)]


def values_of(org: SalesforceOrg, entity: str, keys: Sequence[str], *, now: datetime) -> list[tuple[list[str], Any]]:
    """The computed fields among `keys`: for each domain its keys and a table or relation with `id` and these columns."""
    computed = []
    for registered in _registered[entity].values():
        own = {each.key for each in registered.provider(org)}
        mine = [key for key in keys if key in own]
        if mine:
            computed.append((mine, registered.values(org, mine, now=now)))
    return computed
