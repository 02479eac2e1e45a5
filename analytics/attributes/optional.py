"""Fields that facts use where an org has them: currencies, field history, person accounts. Found when a map is saved."""

from collections.abc import Iterable, Mapping

from analytics.attributes.body import ACCOUNT, MapBody, Source, fields_needed
from analytics.attributes.seeing import describe_objects
from integrations.models import SalesforceOrg
from integrations.salesforce.describe import ObjectInfo
from integrations.sync.mirror.planning import why_left_out

CURRENCY = "CurrencyIsoCode"
CURRENCY_OBJECTS = {
    "CurrencyType": ("IsoCode", "ConversionRate", "IsCorporate", "IsActive"),
    "DatedConversionRate": ("IsoCode", "StartDate", "NextStartDate", "ConversionRate"),
}
HISTORY_FIELDS = ("Field", "OldValue", "NewValue", "CreatedDate")
PERSON = ("IsPersonAccount", "PersonContactId")
ALWAYS: Mapping[str, tuple[str, ...]] = {
    ACCOUNT: ("Name", "OwnerId", "CreatedDate", *PERSON, CURRENCY),
    "Contact": ("AccountId",),
    "Opportunity": ("AccountId", "OwnerId", "IsClosed", "IsWon", "CloseDate", "Amount"),
}
"""Who the account is, whose it is, and what is open: shown with the customers behind every number."""


def fields_that_exist(org: SalesforceOrg, body: MapBody, objects: Mapping[str, ObjectInfo]) -> dict[str, tuple[str, ...]]:
    """By object, what is there of the optional fields that this map can use. `objects`: what the map names, described."""
    found: dict[str, tuple[str, ...]] = {}
    known = {**describe_objects(org, [name for name in ALWAYS if name not in objects]), **objects}
    wanted = dict(ALWAYS)
    money = body.group("transactions")
    if money is not None:
        wanted[money.object] = (*wanted.get(money.object, ()), CURRENCY)
    for name, fields in wanted.items():
        if kept := _kept(known.get(name), fields):
            found[name] = kept
    if CURRENCY in found.get(ACCOUNT, ()):
        seen = describe_objects(org, CURRENCY_OBJECTS)
        found |= {name: kept for name, info in seen.items() if (kept := _kept(info, CURRENCY_OBJECTS[name]))}
    for name, info in describe_objects(org, [history_of(each) for each in _with_attributes(body)]).items():
        if parent := parent_field(info):
            found[name] = (parent, *_kept(info, HISTORY_FIELDS))
    return found


def history_of(name: str) -> str:
    """The object that keeps the field history of another: AccountHistory, OpportunityFieldHistory, Seat__History."""
    if name == "Opportunity":
        return "OpportunityFieldHistory"
    return f"{name[:-3]}__History" if name.endswith("__c") else f"{name}History"


def parent_field(info: ObjectInfo) -> str:
    """The field of a history object that names the record: AccountId, OpportunityId, ParentId."""
    for field in info.fields:
        if field.type == "reference" and field.name not in ("CreatedById",) and not field.is_polymorphic:
            return field.name
    return ""


def _with_attributes(body: MapBody) -> list[str]:
    """Objects on which attributes of accounts stand: those whose past values are wanted (as of a landmark)."""
    keys = ("industry", "region", "source", "plan", "seats")
    sources: Iterable[Source] = (each for key in keys if (found := body.get(key)) for each in found.chain())
    return list(
        dict.fromkeys([ACCOUNT, *(each.object for each in sources if not each.of and each.object in fields_needed(body))])
    )


def _kept(info: ObjectInfo | None, fields: Iterable[str]) -> tuple[str, ...]:
    if info is None:
        return ()
    return tuple(found.name for name in fields if (found := info.field(name)) is not None and not why_left_out(found))
