"""A small Salesforce in the mirror, written directly: accounts, deals, cases, campaigns, and maps over them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction

from analytics.attributes.body import EMPTY, MapBody, Source, Step, Where
from analytics.attributes.catalogue import KEYS
from analytics.facts import tables
from analytics.facts.computing import Computed, compute
from integrations.lake.engine import open_engine
from integrations.lake.types import arrow_schema
from integrations.lake.writing import open_writer, register
from integrations.models import MirrorField, MirrorObject, RecordMerge, SalesforceOrg
from integrations.sync.mirror.tables import ensure_mirror_table
from tests.analytics.cast import utc

NOW = utc("2026-11-01T02:00")
ACCOUNT = (Step("AccountId", "Account"),)
OBJECTS: dict[str, tuple[tuple[str, str], ...]] = {
    "Account": (
        ("Name", "text"), ("Industry", "text"), ("BillingState", "text"), ("BillingCountry", "text"), ("OwnerId", "text"),
        ("Linking__c", "text"), ("Seats__c", "number"), ("Churned_On__c", "day"), ("Trial_Start__c", "day"), ("Paid_Start__c", "day"),
        ("AccountSource", "text"), ("CurrencyIsoCode", "text"), ("Renewed_On__c", "day"),
    ),
    "Opportunity": (
        ("AccountId", "text"), ("IsWon", "flag"), ("IsClosed", "flag"), ("CloseDate", "day"), ("Amount", "number"), ("Type", "text"),
        ("LeadSource", "text"), ("CurrencyIsoCode", "text"), ("Begins__c", "day"), ("Ends__c", "day"), ("Term__c", "number"),
        ("Quantity__c", "number"), ("Product__c", "text"), ("Name", "text"),
    ),
    "Subscription__c": (
        ("Account__c", "text"), ("Monthly__c", "number"), ("Begins__c", "day"), ("Ends__c", "day"), ("Product__c", "text"),
        ("Quantity__c", "number"),
    ),
    "Contact": (("AccountId", "text"),),
    "Lead": (("ConvertedAccountId", "text"),),
    "Case": (("AccountId", "text"), ("Type", "text"), ("ClosedDate", "moment")),
    "Campaign": (("Name", "text"), ("Type", "text"), ("StartDate", "day")),
    "CampaignMember": (
        ("CampaignId", "text"), ("ContactId", "text"), ("LeadId", "text"), ("Status", "text"), ("HasResponded", "flag"),
    ),
    "Answer__c": (("Account__c", "text"), ("Score__c", "number"), ("Answered__c", "moment")),
    "AccountHistory": (("AccountId", "text"), ("Field", "text"), ("OldValue", "text"), ("NewValue", "text")),
    "CurrencyType": (("IsoCode", "text"), ("ConversionRate", "number"), ("IsCorporate", "flag")),
    "DatedConversionRate": (("IsoCode", "text"), ("ConversionRate", "number"), ("StartDate", "day"), ("NextStartDate", "day")),
}  # fmt: skip
ROLES = (("Id", "text"), ("SystemModstamp", "moment"), ("CreatedDate", "moment"), ("IsDeleted", "flag"))


def sf(org: SalesforceOrg, object_: str, rows: Iterable[Mapping[str, Any]], *, stamp: str = "2026-10-31") -> None:
    """Records into the mirror; the same id again is a newer version. Days and instants may be texts."""
    import pyarrow as pa

    shape = (*ROLES, *OBJECTS[object_])
    table = ensure_mirror_table(org, object_, [each for each in shape if each[0] != "IsDeleted"], version="SystemModstamp")
    mirror, is_new = MirrorObject.objects.get_or_create(org=org, name=object_, defaults={"table": table})
    if is_new:
        MirrorField.objects.bulk_create([MirrorField(object=mirror, name=name, type="string") for name, _ in shape])
    kinds = dict(table.columns)
    full = [
        {name: _fit(row.get(name, _usual(name, stamp)), kind) for name, kind in kinds.items()} for row in rows
    ]  # fmt: skip
    with open_writer(table) as writer:
        writer.write(pa.Table.from_pylist(full, schema=arrow_schema(tuple(kinds.items()))))
    with transaction.atomic():
        register(table, writer.files, now=NOW)


def _usual(name: str, stamp: str) -> Any:
    return {"SystemModstamp": stamp, "CreatedDate": "2025-01-01", "IsDeleted": False}.get(name)


def _fit(value: Any, kind: str) -> Any:
    from tests.analytics.cast import _fit as fit

    return fit(value, kind)


def account(id: str, **fields: Any) -> dict[str, Any]:  # noqa: A002
    """An account whose 18 characters begin with 001."""
    return {"Id": account_id(id), "Name": fields.pop("Name", id), **fields}


def account_id(name: str) -> str:
    """A readable id of 18 characters."""
    return f"001{name}".ljust(18, "0")


def deal(id: str, of: str, amount: Any, closed: str | None, **fields: Any) -> dict[str, Any]:  # noqa: A002
    """A won opportunity of an account."""
    return {
        "Id": f"006{id}".ljust(18, "0"), "AccountId": account_id(of), "Amount": amount, "CloseDate": closed, "IsWon": True,
        "IsClosed": True, **fields,
    }  # fmt: skip


WON = (Where("IsWon", "=", ("true",)),)


def opportunity(field: str, **more: Any) -> Source:
    """A source on won opportunities."""
    return Source("Opportunity", (field,), where=WON, path=ACCOUNT, **more)


def standard_map(**changed: Source | None) -> MapBody:
    """Much as the preset "standard_sales" does it."""
    found: dict[str, Source | None] = {
        "linking_id": Source("Account", ("Linking__c",)),
        "industry": Source("Account", ("Industry",)),
        "region": Source("Account", ("BillingState", "BillingCountry")),
        "source": opportunity("LeadSource", pick="first", order_by="CloseDate", otherwise=Source("Account", ("AccountSource",))),
        "started_on": opportunity("CloseDate", pick="first", order_by="CloseDate", otherwise=Source("Account", ("CreatedDate",))),
        "seats": Source("Account", ("Seats__c",)),
        "tx_amount": opportunity("Amount"), "tx_start": opportunity("CloseDate"), "contract_type": opportunity("Type"),
        "product_name": opportunity("Product__c"),
        "ticket_created": Source("Case", ("CreatedDate",), path=ACCOUNT), "ticket_type": Source("Case", ("Type",), path=ACCOUNT),
        "ticket_closed": Source("Case", ("ClosedDate",), path=ACCOUNT),
    }  # fmt: skip
    member: dict[str, Any] = {
        "path": (Step("ContactId", "Contact"), *ACCOUNT),
        "other_path": (Step("LeadId", "Lead"), Step("ConvertedAccountId", "Account")),
    }
    of = (Step("CampaignId", "Campaign"),)
    states = {"Opened": "opened", "Clicked": "clicked", "Sent": "sent"}
    found |= {
        "campaign_name": Source("CampaignMember", ("Name",), of=of, **member),
        "campaign_type": Source("CampaignMember", ("Type",), of=of, **member),
        "campaign_date": Source("CampaignMember", ("StartDate",), of=of, **member),
        "campaign_state": Source("CampaignMember", ("Status",), values=states, **member),
    }  # fmt: skip
    return MapBody({key: (found | changed).get(key) for key in KEYS}, EMPTY.settings)


def with_settings(body: MapBody, **settings: Any) -> MapBody:
    """The map with other settings."""
    return replace(body, settings={**body.settings, **settings})


def merged(org: SalesforceOrg, loser: str, winner: str) -> None:
    """One account became another."""
    RecordMerge.objects.create(org=org, object="Account", loser=account_id(loser), winner=account_id(winner))


def computed(org: SalesforceOrg, body: MapBody | None = None, *, now: datetime = NOW) -> Computed:
    """The facts, computed."""
    return compute(None, org, now, body=body or standard_map())


def rows(org: SalesforceOrg, name: str, *columns: str) -> list[tuple[Any, ...]]:
    """Stored facts, in order."""
    listed = ", ".join(f'"{each}"' for each in columns)
    with open_engine() as engine:
        engine.bind("found", tables.facts(org, name))
        return engine.rows(f"SELECT {listed} FROM found ORDER BY {listed}")
