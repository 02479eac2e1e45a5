"""What is missing in an org: edition, fields and rights on them, the way to call us, its key, and who else calls us (ST-38).

Answers are kept in the connection's settings, so that pages show them without asking. Advice stops nothing: the poll works.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from dataclasses import fields as dataclass_fields
from datetime import datetime

from django.conf import settings as django_settings

from integrations.models import SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce import credentials, flows, metadata
from integrations.salesforce.client import Client
from integrations.salesforce.describe import FieldInfo, ObjectInfo
from integrations.salesforce.errors import InvalidType, NotFound, Refused
from integrations.salesforce.metadata_xml import Values, as_dicts, text_of
from integrations.salesforce.soql import equals
from integrations.sync.fields import granting
from integrations.sync.mirror import describing
from provisioning.connection import DOMAIN, settings_of
from provisioning.models import ProvisioningSettings
from provisioning.salesforce import alarms, flow, package
from provisioning.salesforce.package import Wanted
from provisioning.salesforce.survey import address_of

SMALL_EDITIONS = ("Personal Edition", "Contact Manager Edition", "Group Edition", "Team Edition", "Professional Edition",
                  "Base Edition", "Starter")  # fmt: skip
KINDS = {"type": ("picklist", "string"), "unlimited": ("boolean",)}
OPTIONAL = ("unlimited", "opportunity_id", "opportunity_url", "account_url")
TEXTS = ("string", "url", "textarea", "picklist")
MOST_FLOWS, SHOWN = 400, 5


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that an org does not have, or has otherwise. `fix` says what helps; `is_advice`: provisioning works without."""

    object: str
    field: str
    code: str
    message: str
    fix: str
    is_advice: bool = False


def check(
    org: SalesforceOrg, client: Client, settings: ProvisioningSettings, *, now: datetime, fresh: bool = False
) -> list[Lack]:
    """Ask the org, keep what is missing, raise or close the alerts about it. Raises the wire's errors."""
    detect_cpq(client, settings)
    found = [*_edition(client), *_fields(org, client, settings, fresh=fresh), *_calls(client, org, settings)]
    settings.lacks, settings.checked_at = [asdict(each) for each in found], now
    settings.save(update_fields=["lacks", "checked_at", "uses_cpq"])
    said = {each.code: each.message for each in found if each.object == "Flow"}
    together = None if "not_checked" in said else said.get("two_flows", "")
    alarms.tell(org, together=together, missing=[each.message for each in found if not each.is_advice], now=now)
    return found


def check_now(org: SalesforceOrg, *, now: datetime) -> list[Lack]:
    """The same with fresh describes, for a button."""
    with client_for(org, domain=DOMAIN) as client:
        return check(org, client, settings_of(org), now=now, fresh=True)


def read_lacks(settings: ProvisioningSettings) -> list[Lack]:
    """What the latest check did not find."""
    known = Lack.__dataclass_fields__
    rows = [each for each in settings.lacks if isinstance(each, Mapping) and {"object", "code", "message"} <= each.keys()]
    return [Lack(**{name: each.get(name, "") for name in known}) for each in rows]


def names_of(settings: ProvisioningSettings) -> package.Names:
    """The field names that a connection chose."""
    return package.Names(**{each.name: str(getattr(settings, each.name)).strip() for each in dataclass_fields(package.Names)})


def detect_cpq(client: Client, settings: ProvisioningSettings) -> None:
    """Note whether the org has CPQ quote lines that the user sees (ST-09)."""
    names = {each["name"] for each in client.list_objects()}
    has_cpq = package.QUOTE_LINE in names
    if settings.uses_cpq is not has_cpq:
        settings.uses_cpq = has_cpq
        settings.save(update_fields=["uses_cpq"])


def _edition(client: Client) -> list[Lack]:
    """Flows that call out need Enterprise Edition or higher (ST-11)."""
    try:
        rows = client.query_all("SELECT OrganizationType FROM Organization LIMIT 1")
    except Refused:
        return []
    return edition_lacks(str(rows[0].get("OrganizationType") or "") if rows else "")


def edition_lacks(edition: str) -> list[Lack]:
    """What an edition cannot do (pure); an edition that is not known is taken for a large one."""
    if edition not in SMALL_EDITIONS:
        return []
    text = f"This org is a {edition}. Provisioning by a flow needs Enterprise Edition or higher."
    return [Lack("Organization", "", "edition", text, "The poll works as long as the edition allows API access.", True)]


# --- fields -----------------------------------------------------------------------------------------------------------------


def _fields(org: SalesforceOrg, client: Client, settings: ProvisioningSettings, *, fresh: bool) -> list[Lack]:
    wanted = package.wanted_fields(names_of(settings), cpq=bool(settings.uses_cpq))
    found: list[Lack] = []
    infos: dict[str, ObjectInfo | None] = {}
    for name in dict.fromkeys((*(each.object for each in wanted), package.OPPORTUNITY)):
        infos[name] = _describe(org, client, name, fresh=fresh)
        found += lacks_of(name, infos[name], [each for each in wanted if each.object == name])
    return [*found, *dates_lacking(settings, infos), *_mapping(client, settings, infos)]


def lacks_of(name: str, info: ObjectInfo | None, wanted: Iterable[Wanted]) -> list[Lack]:
    """What is missing of an object as the integration user sees it (pure)."""
    if info is None:
        fix = "Give the integration user Read on it, or the permission set Causeway Provisioning."
        return [Lack(name, "", "no_object", f"The integration user does not see {name}.", fix)]
    return [lack for each in wanted for lack in _lacks_of_field(each, info.field(each.name), info)]


def _lacks_of_field(wanted: Wanted, info: FieldInfo | None, owner: ObjectInfo) -> list[Lack]:
    name = wanted.full_name
    optional = wanted.object in (package.LINE, package.QUOTE_LINE) or wanted.role in OPTIONAL

    def lack(code: str, message: str, fix: str) -> list[Lack]:
        return [Lack(wanted.object, wanted.name, code, message, fix, optional)]

    if info is None:
        fix = "Deploy, or give the integration user the permission set Causeway Provisioning."
        if not wanted.is_ours:
            fix = "Check the name in the settings, and that the integration user may read the field."
        return lack("no_field", f"{name} is not there, or not visible to the integration user.", fix)
    kinds = KINDS.get(wanted.role, TEXTS)
    if info.type not in kinds:
        words = " or ".join(kinds)
        return lack("other_type", f"{name} is a {info.type}, not a {words}.", "Choose another field name in the settings.")
    if wanted.role == "type" and info.restricted_picklist:
        taken = {choice.value for choice in info.choices if choice.active}
        if absent := [value for value in package.TYPES if value not in taken]:
            return lack("no_value", f"{name} does not take {', '.join(absent)}.", "Add the values to the picklist.")
    if wanted.written and not info.updateable:
        return lack("read_only", f"{name} is read-only for the integration user.", "Give it Edit on the field.")
    if wanted.written and not owner.updateable:
        return lack("no_rights", f"The integration user may not edit {wanted.object}.", "Give it Edit on the object.")
    return []


def dates_lacking(settings: ProvisioningSettings, infos: Mapping[str, ObjectInfo | None]) -> list[Lack]:
    """Fields for start and term that the settings name and no object has (pure)."""
    found = []
    lines = (package.LINE, package.QUOTE_LINE, package.OPPORTUNITY)
    for name, places in ((settings.start_field, lines), (settings.term_field, (package.OPPORTUNITY,))):
        seen = [info for place in places if (info := infos.get(place)) is not None]
        if name and not any(info.field(name) for info in seen):
            where = " or ".join(place for place in places if place in infos)
            fix = "Check the name in the settings, and that the integration user may read the field."
            found.append(Lack(places[-1], name, "no_field", f"{name} is on no {where} that we see.", fix))
    return found


def _mapping(client: Client, settings: ProvisioningSettings, infos: Mapping[str, ObjectInfo | None]) -> list[Lack]:
    """Whether any product leads to something (ST-24)."""
    info = infos.get(package.PRODUCT)
    field = info.field(settings.type_field) if info else None
    if field is None or not field.filterable:
        return []
    if client.count(f"SELECT COUNT() FROM Product2 WHERE {field.name} != null"):  # noqa: S608  as describe spells it
        return []
    text = f"No product says in {field.name} what it leads to, so every won opportunity waits for a mapping."
    return [Lack(package.PRODUCT, field.name, "no_mapping", text, "Map your products, here or in Salesforce.", True)]


def _describe(org: SalesforceOrg, client: Client, name: str, *, fresh: bool) -> ObjectInfo | None:
    try:
        return describing.describe_object(org, client, name, fresh=fresh)
    except (NotFound, InvalidType):
        return None


# --- calls ------------------------------------------------------------------------------------------------------------------


def _calls(client: Client, org: SalesforceOrg, settings: ProvisioningSettings) -> list[Lack]:
    """The credential, its key, and the flows that call us; all of it advice, because the poll works without."""
    try:
        active = active_callers(client)
        present = metadata.read_components(client, "NamedCredential", [package.CREDENTIAL])
        has_key = credentials.is_configured(client, package.CREDENTIAL, package.PRINCIPAL) if present else None
        people = _people(client)
    except Refused as error:
        text = f"The integration user may not look at the org's flows and credentials: {error}"
        fix = "Give it View Setup and Configuration and Modify Metadata, or check Setup › Flows yourself."
        return [Lack("Flow", "", "not_checked", text, fix, True)]
    lacks = credential_lacks(present.get(package.CREDENTIAL), has_key, settings)
    return [*lacks, *people_lacks(people if present else None), *flow_lacks(active)]


def credential_lacks(named: Values | None, has_key: bool | None, settings: ProvisioningSettings) -> list[Lack]:
    """What is missing so that a flow may call (pure)."""
    if named is None:
        text = "Salesforce has no named credential Causeway, so no flow can call. Won opportunities are found by the poll only."
        return [Lack("NamedCredential", package.CREDENTIAL, "no_credential", text, "Deploy.", True)]
    if not settings.callout_key_digest:
        text = "There is no integration key yet."
        return [Lack("ExternalCredential", package.CREDENTIAL, "no_key", text, "Make a key and store it in Salesforce.", True)]
    if has_key is False:
        text = "Salesforce does not know the integration key, so calls of the flow are refused."
        fix = "Store the key here, or in Setup › Named Credentials › External Credentials › Causeway › Principals."
        return [Lack("ExternalCredential", package.CREDENTIAL, "key_not_stored", text, fix, True)]
    return []


def people_lacks(people: int | None) -> list[Lack]:
    """A flow calls with the rights of whoever saves (pure). `people` have the set; None where there is nothing to call with."""
    if people is None or people > 0:
        return []
    text = f"Nobody has the permission set {package.READERS_LABEL}, so calls of their flows are refused by Salesforce."
    fix = "Give it to everybody who wins opportunities."
    return [Lack("PermissionSet", package.READERS, "no_people", text, fix, True)]


def _people(client: Client) -> int:
    found = granting.find_set(client, package.READERS)
    where = equals("PermissionSetId", found)
    return client.count(f"SELECT COUNT() FROM PermissionSetAssignment WHERE {where}") if found else 0  # noqa: S608  quoted


def flow_lacks(callers: Mapping[str, Values]) -> list[Lack]:
    """Exactly one active flow should call us for a deal (pure): where two can start, both fire (ST-38)."""
    if not callers:
        text = "No active flow calls Causeway. Won opportunities are found by the poll, within two minutes."
        return [Lack("Flow", flow.NAME, "no_flow", text, f"Activate “{flow.LABEL}” or your own copy of it.", True)]
    active = [name for name in callers if rivals_of(name, callers)]
    if not active:
        return []
    shown = ", ".join(active[:SHOWN]) + (f" and {len(active) - SHOWN} more" if len(active) > SHOWN else "")
    text = f"{len(active)} active flows call Causeway: {shown}. All of them fire; each deal is provisioned once all the same."
    default = flow.NAME if flow.NAME in active else "all but one"
    return [Lack("Flow", flow.NAME, "two_flows", text, f"Deactivate {default} in Setup › Flows, or here.", True)]


def rivals_of(name: str, callers: Mapping[str, Values]) -> list[str]:
    """The other flows that may start with the same save (pure)."""
    own = callers[name]
    return [other for other, content in callers.items() if other != name and flow.may_both_fire(own, content)]


def active_callers(client: Client) -> dict[str, Values]:
    """The active flows that call us, by API name: by our service, by one of somebody's own at our address, or by an outbound
    message to it. At most `MOST_FLOWS` flows are looked at.
    """
    names = [each.name for each in flows.list_flows(client, active_only=True)][:MOST_FLOWS]
    if not names:
        return {}
    read = metadata.read_components(client, "Flow", names)
    services, messages = _ways_to_us(client, read.values())
    return {name: each for name, each in read.items() if flow.calls_us(each, services=services, messages=messages)}


def _ways_to_us(client: Client, contents: Iterable[Values]) -> tuple[list[str], list[str]]:
    """The registered services and outbound messages that lead to our address, among those that these flows use."""
    asked: dict[str, set[str]] = {"externalService": set(), "outboundMessage": set()}
    for content in contents:
        for call in as_dicts(content.get("actionCalls")):
            if text_of(call, "actionType") in asked:
                asked[text_of(call, "actionType")].add(text_of(call, "actionName"))
    services = sorted({name.partition(".")[0] for name in asked["externalService"]})
    registered = metadata.read_components(client, "ExternalServiceRegistration", services) if services else {}
    credential_of = {
        name: text_of(each, "namedCredentialReference") or text_of(each, "namedCredential") for name, each in registered.items()
    }
    named = sorted({each for each in credential_of.values() if each})
    addresses = metadata.read_components(client, "NamedCredential", named) if named else {}
    ours = {name for name, each in addresses.items() if is_our_address(address_of(each))} | {package.CREDENTIAL}
    sent = sorted(asked["outboundMessage"])
    messages = metadata.read_components(client, "WorkflowOutboundMessage", sent) if sent else {}
    return (
        [package.SERVICE, *(name for name, credential in credential_of.items() if credential in ours)],
        [name for name, each in messages.items() if is_our_address(text_of(each, "endpointUrl"))],
    )


def is_our_address(address: str) -> bool:
    """Whether an address leads to this installation."""
    ours = django_settings.BASE_URL.lower()
    return address.lower() == ours or address.lower().startswith((f"{ours}/", f"{ours}?"))
