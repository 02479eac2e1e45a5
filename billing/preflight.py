"""Does a connection have the billing objects, all of them, as the table says? Nothing is written before it does (MT-D15)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from billing.models import BillingSettings
from billing.objects import ACCOUNT, BY_KEY, DESCRIBED, FORMULA, LOOKUP, NUMBER, BillingObject, Field, prefix_in
from billing.records import objects_of
from integrations.models import SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce.client import Client
from integrations.salesforce.describe import FieldInfo, ObjectInfo
from integrations.salesforce.errors import InvalidType, NotFound
from integrations.sync.mirror import describing

DOMAIN = "billing"


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that an org does not have, or has otherwise. `field` is empty for a whole object. `fix` says what helps."""

    object: str
    field: str
    code: str
    message: str
    fix: str


def lacks_of(billing_object: BillingObject, info: ObjectInfo | None, prefix: str) -> list[Lack]:
    """What is missing in an object as the integration user sees it (pure)."""
    name, own = billing_object.api_name(prefix), billing_object.prefix(prefix)
    if info is None:
        first = "Install the package" if own else "Deploy the objects"
        fix = f"{first}, or give the integration user the permission set."
        return [Lack(name, "", "no_object", f"{name} is not there, or the integration user does not see it.", fix)]
    found = []
    if not (info.createable and info.updateable):
        fix = "Give the integration user Create and Edit on it."
        found.append(Lack(name, "", "no_rights", f"The integration user may not write {name}.", fix))
    for field in billing_object.fields:
        known, is_key = info.field(field.api_name(own)), field.name == billing_object.upsert_by
        found += _lacks_of_field(name, field, known, own, prefix, key=is_key)
    return found


def _lacks_of_field(
    object_: str, field: Field, info: FieldInfo | None, prefix: str, parents_prefix: str, *, key: bool
) -> list[Lack]:
    name = field.api_name(prefix)

    def lack(code: str, message: str, fix: str) -> list[Lack]:
        return [Lack(object_, name, code, message, fix)]

    if info is None:
        fix = "Deploy the objects again, or give the integration user field access."
        return lack("no_field", f"{object_}.{name} is not there, or not visible to the integration user.", fix)
    if info.type not in DESCRIBED[field.type]:
        words = " or ".join(DESCRIBED[field.type])
        return lack(
            "other_type", f"{object_}.{name} is a {info.type}, not a {words}.", "Change its type or delete it, then deploy."
        )
    if field.type == LOOKUP:
        to = ACCOUNT if field.to == ACCOUNT else BY_KEY[field.to].api_name(parents_prefix)
        if to not in info.reference_to:
            leads = ", ".join(info.reference_to) or "nothing"
            return lack("other_parent", f"{object_}.{name} leads to {leads}, not to {to}.", "Delete the field, then deploy.")
    if field.is_written and not (info.createable or info.updateable):
        return lack("read_only", f"{object_}.{name} is read-only for the integration user.", "Give it Edit on the field.")
    if key and not info.external_id:
        return lack("no_external_id", f"{object_}.{name} is no external id.", "Tick External ID on the field.")
    if key and field.unique and not info.unique:  # two records with one key could not be told apart
        return lack("not_unique", f"{object_}.{name} is not unique.", "Tick Unique on the field, or deploy again.")
    if field.values and info.restricted_picklist:
        taken = {choice.value for choice in info.choices if choice.active}
        if absent := [value for value in field.values if value not in taken]:
            return lack("no_value", f"{object_}.{name} does not take {', '.join(absent)}.", "Add the values to the picklist.")
    if field.type == NUMBER and (info.precision - info.scale < field.precision - field.scale or info.scale < field.scale):
        size = f"{info.precision - info.scale}, {info.scale}"
        return lack("too_small", f"{object_}.{name} is Number({size}), not Number(16, 2).", "Make it larger.")
    if field.length and field.type != FORMULA and info.length and info.length < field.length:
        return lack("too_short", f"{object_}.{name} takes {info.length} characters, not {field.length}.", "Make it longer.")
    return []


def check(org: SalesforceOrg, client: Client, settings: BillingSettings, *, now: datetime, fresh: bool = False) -> list[Lack]:
    """Ask the org for its objects and store what is missing; the prefix is detected first while nobody chose one."""
    if not settings.prefix_known or fresh:
        _detect(client, settings)
    found: list[Lack] = []
    for billing_object in objects_of(settings):
        info = _describe(org, client, billing_object.api_name(settings.prefix), fresh=fresh)
        found += lacks_of(billing_object, info, settings.prefix)
    settings.missing, settings.checked_at = [asdict(each) for each in found], now
    settings.save(update_fields=["prefix", "prefix_known", "missing", "checked_at"])
    return found


def check_now(org: SalesforceOrg, *, now: datetime) -> list[Lack]:
    """The same with fresh describes, for a button."""
    settings = settings_of(org)
    with client_for(org, domain=DOMAIN) as client:
        return check(org, client, settings, now=now, fresh=True)


def settings_of(org: SalesforceOrg) -> BillingSettings:
    """The settings of a connection; defaults the first time."""
    return BillingSettings.objects.get_or_create(org=org)[0]


def _detect(client: Client, settings: BillingSettings) -> None:
    found = prefix_in([each["name"] for each in client.list_objects()])
    if found is not None and not settings.prefix_known:
        settings.prefix, settings.prefix_known = found, True


def _describe(org: SalesforceOrg, client: Client, name: str, *, fresh: bool) -> ObjectInfo | None:
    try:
        return describing.describe_object(org, client, name, fresh=fresh)
    except (NotFound, InvalidType):
        return None


def read_lacks(settings: BillingSettings) -> list[Lack]:
    """What the latest check did not find."""
    return [Lack(**each) for each in settings.missing if isinstance(each, Mapping)]
