"""Reads a deal at once from Salesforce: opportunity, account, contract, products, and the primary quote where the org has CPQ.

One call, two where the org has CPQ (ST-09, ST-30): the opportunity with its lines, and the quote lines. Only fields that exist
and that the integration user may read are asked for.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from django.core.cache import cache
from django.utils.functional import cached_property

from integrations.models import SalesforceOrg
from integrations.salesforce.client import Client
from integrations.salesforce.errors import InvalidField, InvalidType
from integrations.salesforce.ids import is_id, to_18
from integrations.salesforce.rest import child_records
from integrations.salesforce.soql import equals, select
from integrations.salesforce.values import read_day, read_moment, read_number
from provisioning.connection import settings_of
from provisioning.intent.dates import day_of, zone_of
from provisioning.intent.deal import Contract, Deal, DealLine, MappedTo, Place, Quote
from provisioning.intent.needed import fields_needed
from provisioning.intent.seeing import QUOTE, QUOTE_LINE, Sight, hold, recall
from provisioning.provision.customers import linked_customer

OPPORTUNITY = (
    "Id", "Name", "StageName", "IsClosed", "IsWon", "Type", "CloseDate", "AccountId", "ContractId", "CreatedDate",
    "SystemModstamp", "LastStageChangeDate", "Amount", "CurrencyIsoCode", "OwnerId", "SBQQ__AmendedContract__c",
    "SBQQ__RenewedContract__c",
)  # fmt: skip
CONTRACT = ("StartDate", "EndDate", "ContractTerm")
LINE = ("Id", "SortOrder", "CreatedDate", "Quantity", "ServiceDate", "EndDate", "Product2Id", "ProductCode", "OpportunityId")
PRODUCT = ("Name", "ProductCode")
QUOTE_FIELDS = ("Id", "Name", "SBQQ__Type__c", "SBQQ__StartDate__c", "SBQQ__EndDate__c", "SBQQ__SubscriptionTerm__c",
                "SBQQ__Primary__c")  # fmt: skip
QUOTE_LINE_FIELDS = (
    "Id", "SBQQ__Number__c", "CreatedDate", "SBQQ__Quantity__c", "SBQQ__StartDate__c", "SBQQ__EndDate__c",
    "SBQQ__SubscriptionTerm__c", "SBQQ__Product__c", "SBQQ__Quote__c", "SBQQ__Optional__c",
)  # fmt: skip
LINES = "OpportunityLineItems"  # the child relationship
MOST_LINES = 1_000
ZONE_KEPT = 3_600  # seconds


class DealGone(Exception):
    """There is no such opportunity for the integration user; `deleted` when it lies in the recycle bin."""

    def __init__(self, opportunity_id: str, *, deleted: bool) -> None:
        why = "was deleted" if deleted else "does not exist, or the integration user does not see it"
        super().__init__(f"Opportunity {opportunity_id} {why}.")
        self.opportunity_id, self.deleted = opportunity_id, deleted


class TooManyLines(Exception):
    """A deal with more lines than anybody sells at once."""


def read_deal(client: Client, org: SalesforceOrg, opportunity_id: str, *, extra: Iterable[str] = ()) -> Deal:
    """The deal as Salesforce has it now. `extra`: further fields to read, such as `Amount` or `Account.Industry`.

    Raises `DealGone`, `TooManyLines`, or a `SalesforceError`. When Salesforce knows less than we remember of its fields, they
    are asked for anew, once.
    """
    if not is_id(opportunity_id):
        raise ValueError(f"not a Salesforce id: {opportunity_id[:40]!r}")
    reading = Reading(client, org, (*fields_needed(org), *extra))
    try:
        return reading.read(to_18(opportunity_id))
    except (InvalidField, InvalidType):
        reading.sight.forget()
        return reading.read(to_18(opportunity_id))


class Reading:
    """One reading of one deal or of several."""

    def __init__(self, client: Client, org: SalesforceOrg, extra: Iterable[str] = ()) -> None:
        self.client, self.org, self.sight = client, org, Sight(org, client)
        self.settings = settings_of(org)
        self.extra = tuple(dict.fromkeys(extra))
        self.known_accounts: frozenset[str] | None = None  # accounts that may have a customer; None = any

    def read(self, opportunity_id: str) -> Deal:
        """The deal with its lines."""
        self.look()
        found = self.client.query_all(self._query(opportunity_id))
        if not found:
            raise DealGone(opportunity_id, deleted=self._is_deleted(opportunity_id))
        lines = list(child_records(self.client, found[0].pop(LINES, None)))
        quote_lines = self._quote_lines(opportunity_id)
        return self.deal(found[0], lines, quote_lines)

    def _query(self, opportunity_id: str) -> str:
        """The opportunity with its lines in one question: somebody waits for the answer."""
        outer = select("Opportunity", self.opportunity_fields(), where=[equals("Id", opportunity_id)])
        fields = self.line_fields()
        if not fields:  # the user sees no lines
            return outer
        inner = select(LINES, fields, limit=MOST_LINES + 1)
        return outer.replace(" FROM Opportunity ", f",({inner}) FROM Opportunity ", 1)

    def look(self) -> None:
        """Make sure that the fields of the settings are looked for even when they were just made."""
        own = (self.settings.type_field, self.settings.id_field)
        self.sight.look_for("Product2", own)
        self.sight.look_for("Account", [self.settings.account_id_field])
        self.sight.look_for("Opportunity", [name for name in self.extra if "." not in name])

    def opportunity_fields(self) -> list[str]:
        """What is read of an opportunity, its account and its contract."""
        sight, settings = self.sight, self.settings
        own = [name for name in self.extra if "." not in name]
        names = sight.readable("Opportunity", (*OPPORTUNITY, settings.start_field, settings.term_field, *own))
        account = [name.partition(".")[2] for name in self.extra if name.startswith("Account.")]
        if "AccountId" in names:
            names += [f"Account.{each}" for each in sight.readable("Account", ("Name", settings.account_id_field, *account))]
        if "ContractId" in names:
            names += [f"Contract.{each}" for each in sight.readable("Contract", CONTRACT)]
        return names

    def line_fields(self) -> list[str]:
        """What is read of a line item, its product and its price book entry."""
        settings, sight = self.settings, self.sight
        own = (*LINE, *self._mapping_fields, settings.start_field, settings.term_field)
        names = sight.readable("OpportunityLineItem", own)
        names += [f"Product2.{each}" for each in sight.readable("Product2", (*PRODUCT, *self._mapping_fields))]
        return names + [f"PricebookEntry.{each}" for each in sight.readable("PricebookEntry", self._mapping_fields)]

    def quote_line_fields(self) -> list[str]:
        """What is read of a CPQ quote line, its quote and its product."""
        own = (*QUOTE_LINE_FIELDS, *self._mapping_fields)
        names = self.sight.readable(QUOTE_LINE, own)
        names += [f"SBQQ__Quote__r.{each}" for each in self.sight.readable(QUOTE, QUOTE_FIELDS)]
        product = self.sight.readable("Product2", (*PRODUCT, *self._mapping_fields))
        return names + [f"SBQQ__Product__r.{each}" for each in product]

    def deal(self, record: Mapping[str, Any], lines: list[dict[str, Any]], quote_lines: list[dict[str, Any]]) -> Deal:
        """The deal of what was read; the quote's lines take the place of the opportunity's products (ST-09)."""
        if max(len(lines), len(quote_lines)) > MOST_LINES:
            raise TooManyLines(f"This deal has more than {MOST_LINES:,} lines.")
        settings, account = self.settings, record.get("Account") or {}
        contract = record.get("Contract") or {}
        account_id = _id(record.get("AccountId"))
        strange = self.known_accounts is not None and account_id not in self.known_accounts
        linked = None if strange else linked_customer(self.org, account_id)
        made = [self._quote_line(each) for each in quote_lines] or [self._line(each) for each in lines]
        made.sort(key=lambda each: each[0])
        return Deal(
            id=_id(record["Id"]),
            name=_text(record.get("Name")),
            stage=_text(record.get("StageName")),
            is_closed=bool(record.get("IsClosed")),
            is_won=bool(record.get("IsWon")),
            type=_text(record.get("Type")),
            close_date=_day(record.get("CloseDate")),
            account_id=account_id,
            account_name=_text(account.get("Name")),
            customer_id=_text(_value(account, settings.account_id_field)).strip(),
            linked_customer_id=linked.external_id if linked is not None else "",
            start=_day(_value(record, settings.start_field), self.zone),
            term=_number(_value(record, settings.term_field)),
            quote=_quote(quote_lines[0].get("SBQQ__Quote__r") or {}) if quote_lines else None,
            contract=_contract(_id(record.get("ContractId")), contract) if record.get("ContractId") else None,
            amends=_id(record.get("SBQQ__AmendedContract__c")),
            renews=_id(record.get("SBQQ__RenewedContract__c")),
            lines=tuple(_numbered(line, place) for place, (_, line) in enumerate(made, 1)),
            time_zone=self.zone,
            created_at=_moment(record.get("CreatedDate")),
            modified_at=_moment(record.get("SystemModstamp")),
            stage_changed_at=_moment(record.get("LastStageChangeDate")),
            values=_plain_values(record),
            account=_plain_values(account),
        )

    @cached_property
    def zone(self) -> str:
        """The org's time zone, where its days begin."""
        return time_zone_of(self.org, self.client)

    @property
    def _mapping_fields(self) -> tuple[str, ...]:
        return (self.settings.type_field, self.settings.id_field, self.settings.unlimited_field)

    def _quote_lines(self, opportunity_id: str) -> list[dict[str, Any]]:
        """The lines of the primary quote; none without CPQ, without a primary quote, or when it is empty."""
        if not self.sight.has_quotes() or self.sight.field(QUOTE, "SBQQ__Primary__c") is None:
            return []
        where = [equals("SBQQ__Quote__r.SBQQ__Opportunity2__c", opportunity_id), "SBQQ__Quote__r.SBQQ__Primary__c = true"]
        found = self.client.query_all(select(QUOTE_LINE, self.quote_line_fields(), where=where, limit=MOST_LINES + 1))
        newest = max((_id(each.get("SBQQ__Quote__c")) for each in found), default="")
        return [each for each in found if _id(each.get("SBQQ__Quote__c")) == newest and not each.get("SBQQ__Optional__c")]

    def _line(self, record: Mapping[str, Any]) -> tuple[Any, DealLine]:
        settings, product, entry = self.settings, record.get("Product2") or {}, record.get("PricebookEntry") or {}
        sources = ((Place.LINE, record), (Place.ENTRY, entry), (Place.PRODUCT, product))
        start = _day(_value(record, settings.start_field), self.zone) or _day(record.get("ServiceDate"))
        code = product.get("ProductCode") or record.get("ProductCode")
        made = DealLine(
            id=_id(record["Id"]), number=0, name=_text(product.get("Name") or code),
            product_id=_id(record.get("Product2Id")), product_code=_text(code),
            quantity=_number(record.get("Quantity")), unlimited=self._unlimited(record, entry, product), start=start,
            end=_day(record.get("EndDate")), term=_number(_value(record, settings.term_field)),
            mappings=self._mappings(sources),
        )  # fmt: skip
        return (record.get("SortOrder") is None, record.get("SortOrder") or 0, record.get("CreatedDate") or "", made.id), made

    def _quote_line(self, record: Mapping[str, Any]) -> tuple[Any, DealLine]:
        product = record.get("SBQQ__Product__r") or {}
        sources = ((Place.QUOTE_LINE, record), (Place.PRODUCT, product))
        number = record.get("SBQQ__Number__c")
        made = DealLine(
            id=_id(record["Id"]), number=0, name=_text(product.get("Name")), product_id=_id(record.get("SBQQ__Product__c")),
            product_code=_text(product.get("ProductCode")), quantity=_number(record.get("SBQQ__Quantity__c")),
            unlimited=self._unlimited(record, product), start=_day(record.get("SBQQ__StartDate__c")),
            end=_day(record.get("SBQQ__EndDate__c")), term=_number(record.get("SBQQ__SubscriptionTerm__c")),
            mappings=self._mappings(sources),
        )  # fmt: skip
        return (number is None, number or 0, record.get("CreatedDate") or "", made.id), made

    def _mappings(self, sources: Iterable[tuple[Place, Mapping[str, Any]]]) -> tuple[MappedTo, ...]:
        settings = self.settings
        return tuple(
            MappedTo(place, _text(_value(record, settings.type_field)), _text(_value(record, settings.id_field)))
            for place, record in sources
        )

    def _unlimited(self, *sources: Mapping[str, Any]) -> bool:
        """Ticked on the line, its entry or its product: a tick box is off by default, so only a tick says something."""
        return any(_value(record, self.settings.unlimited_field) is True for record in sources)

    def _is_deleted(self, opportunity_id: str) -> bool:
        soql = select("Opportunity", ["Id"], where=[equals("Id", opportunity_id), "IsDeleted = true"])
        try:
            return bool(self.client.query_all(soql, all_rows=True))
        except InvalidField:
            return False


def time_zone_of(org: SalesforceOrg, client: Client) -> str:
    """The org's time zone, else that of the integration user, else UTC; asked once an hour."""
    key = f"provisioning:zone:{org.pk}:{org.created_at.timestamp():.6f}:{org.generation}"
    held, known = recall(key)
    if held:
        return known
    known = cache.get(key)
    if known is None:
        try:
            rows = client.query_all("SELECT TimeZoneSidKey FROM Organization LIMIT 1")
        except (InvalidField, InvalidType):
            rows = []
        user = (org.posture.get("user") or {}).get("TimeZoneSidKey")
        known = (rows[0].get("TimeZoneSidKey") if rows else None) or user or "UTC"
        cache.set(key, known, ZONE_KEPT)
    return hold(key, known)


def _quote(record: Mapping[str, Any]) -> Quote:
    return Quote(
        _id(record.get("Id")), _text(record.get("Name")), _text(record.get("SBQQ__Type__c")),
        _day(record.get("SBQQ__StartDate__c")), _day(record.get("SBQQ__EndDate__c")),
        _number(record.get("SBQQ__SubscriptionTerm__c")),
    )  # fmt: skip


def _contract(contract_id: str, record: Mapping[str, Any]) -> Contract:
    start, end = _day(record.get("StartDate")), _day(record.get("EndDate"))
    return Contract(contract_id, start, end, _number(record.get("ContractTerm")))


def _numbered(line: DealLine, number: int) -> DealLine:
    return replace(line, number=number)


def _value(record: Mapping[str, Any], name: str) -> Any:
    """A field by its name in any case: settings are typed by people, answers spell as Salesforce does."""
    if not name:
        return None
    if name in record:
        return record[name]
    wanted = name.lower()
    return next((value for key, value in record.items() if key.lower() == wanted), None)


def _plain_values(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record's own fields, without its parents."""
    return {name: value for name, value in record.items() if name != "attributes" and not isinstance(value, dict | list)}


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _id(value: object) -> str:
    return to_18(value) if isinstance(value, str) and is_id(value) else ""


def _day(value: object, zone: str = "UTC") -> date | None:
    """A day; a start field may hold a date and time, whose day is that of the org's time zone."""
    if not isinstance(value, str) or not value:
        return None
    try:
        return day_of(read_moment(value), zone_of(zone)) if "T" in value else read_day(value)
    except ValueError:
        return None


def _number(value: object) -> Decimal | None:
    if value is None or isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    try:
        return read_number(value)
    except ValueError:
        return None


def _moment(value: object) -> Any:
    return read_moment(value) if isinstance(value, str) and value else None
