"""The metadata that provisioning puts into an org: mapping fields, write-back fields, permission sets, the way to call us.

Names of fields are settings of the connection (ST-D3). Pure; what an org has already is left out by `survey`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from integrations.salesforce.metadata import CustomField, FieldPermission, MetadataPackage, ObjectPermission, PermissionSet
from integrations.salesforce.metadata_callouts import ExternalCredential, ExternalService, NamedCredential
from integrations.salesforce.metadata_parts import NAME
from provisioning.salesforce import flow

PRODUCT, LINE, QUOTE_LINE = "Product2", "OpportunityLineItem", "SBQQ__QuoteLine__c"
ACCOUNT, OPPORTUNITY = "Account", "Opportunity"
TYPES = ("Plan", "Add-on", "Entitlement")
READERS, READERS_LABEL = "Causeway_Provisioning_User", "Causeway Provisioning User"
WRITERS, WRITERS_LABEL = "Causeway_Provisioning", "Causeway Provisioning"
CREDENTIAL, PRINCIPAL, SECRET = "Causeway", "Causeway", "ApiKey"
SERVICE, SERVICE_LABEL = flow.SERVICE, "Causeway provisioning"
PATH = "/api/v1/provisioning/salesforce/"
LONG = 255  # characters of a text field
LABELS = {
    "Stigg_Type__c": "Stigg type", "Stigg_ID__c": "Stigg ID", "Stigg_Unlimited__c": "Stigg unlimited",
}  # fmt: skip
HELP = {
    "type": "What this leads to: a plan, an add-on, or an entitlement of the plan. Empty: nothing is provisioned.",
    "id": "The id of the plan (plan-...), add-on (addon-...) or feature (feature-...) that this leads to.",
    "unlimited": "For an entitlement: no limit, whatever the quantity says.",
    "account_id": "The customer that was provisioned for this account. Written by Causeway.",
    "account_url": "The customer's page. Written by Causeway.",
    "opportunity_id": "The subscription that this opportunity started or changed. Written by Causeway.",
    "opportunity_url": "The subscription's page. Written by Causeway.",
}
SECTIONS = {ACCOUNT: "Customer", OPPORTUNITY: "Subscription"}
MAPPING_SECTION = "Subscription mapping"


@dataclass(frozen=True, slots=True)
class Names:
    """The field names that a connection chose (ST-D3); an empty one is not used. The defaults are the reference's own."""

    type_field: str = "Stigg_Type__c"
    id_field: str = "Stigg_ID__c"
    unlimited_field: str = "Stigg_Unlimited__c"
    account_id_field: str = "Stigg_Customer_ID__c"
    account_url_field: str = "Stigg_Customer_URL__c"
    opportunity_id_field: str = "Stigg_Subscription_ID__c"
    opportunity_url_field: str = "Stigg_Subscription_URL__c"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A field that provisioning uses. `role` says for what; `written`: by us, so people only read it."""

    object: str
    name: str
    role: str
    written: bool

    @property
    def full_name(self) -> str:
        """`Object.Field__c`"""
        return f"{self.object}.{self.name}"

    @property
    def is_ours(self) -> bool:
        """Whether we can create it: a standard field, or one of a package, must be there already."""
        return bool(NAME.match(self.name))


def wanted_fields(names: Names, *, cpq: bool) -> list[Wanted]:
    """The fields that a connection uses: the mapping on products and lines (ST-19, ST-23), ids and addresses (ST-33)."""
    mapping = (("type", names.type_field), ("id", names.id_field), ("unlimited", names.unlimited_field))
    places = (PRODUCT, LINE, QUOTE_LINE) if cpq else (PRODUCT, LINE)
    found = [Wanted(place, name, role, written=False) for place in places for role, name in mapping]
    found += [Wanted(ACCOUNT, names.account_id_field, "account_id", written=True),
              Wanted(ACCOUNT, names.account_url_field, "account_url", written=True),
              Wanted(OPPORTUNITY, names.opportunity_id_field, "opportunity_id", written=True),
              Wanted(OPPORTUNITY, names.opportunity_url_field, "opportunity_url", written=True)]  # fmt: skip
    return [each for each in found if each.name]


def package_of(names: Names, *, cpq: bool = False, base_url: str = "") -> MetadataPackage:
    """Everything for an org that has nothing of it. Without `base_url` nothing in it calls us (the poll still works)."""
    wanted = [each for each in wanted_fields(names, cpq=cpq) if each.is_ours]
    calls = bool(base_url)
    return MetadataPackage(
        fields=tuple(field_of(each) for each in wanted),
        permission_sets=(people_set(wanted, calls=calls), our_set(wanted, calls=calls)),
        components=(credential(), endpoint(base_url), service(), flow.callout_flow()) if calls else (),
    )


def field_of(wanted: Wanted) -> CustomField:
    """The definition of a field that we create."""
    kinds = {"type": "Picklist", "unlimited": "Checkbox", "account_url": "Url", "opportunity_url": "Url"}
    kind = kinds.get(wanted.role, "Text")
    return CustomField(
        wanted.object, wanted.name, label_of(wanted.name), kind, length=LONG if kind == "Text" else 0,
        values=TYPES if kind == "Picklist" else (), restricted=kind == "Picklist", help_text=HELP[wanted.role],
    )  # fmt: skip


def label_of(name: str) -> str:
    """The words of an API name, spelled as the reference spells its own (ST-20, ST-21)."""
    return LABELS.get(name) or name.removesuffix("__c").replace("_", " ")


def people_set(wanted: list[Wanted], *, calls: bool) -> PermissionSet:
    """For people who keep products and win deals: see all fields, set the mapping (ST-24), let the flow call for them."""
    fields = tuple(FieldPermission(each.full_name, readable=True, editable=not each.written) for each in wanted)
    about = (
        "See what was provisioned and set what products lead to. Everybody who wins deals needs it: the flow calls for them."
    )
    return PermissionSet(READERS, READERS_LABEL, about, fields=fields, principals=(credential().access,) if calls else ())


def our_set(wanted: list[Wanted], *, calls: bool) -> PermissionSet:
    """For the integration user only (ST-15): read deals, write ids and addresses, and the mapping of products."""
    fields = tuple(FieldPermission(each.full_name, readable=True, editable=True) for each in wanted)
    objects = tuple(
        ObjectPermission(name, read=True, edit=edit)
        for name, edit in ((ACCOUNT, True), (OPPORTUNITY, True), (PRODUCT, True), ("Pricebook2", False))
    )
    about = "What Causeway's integration user needs for provisioning. Give it to nobody else."
    return PermissionSet(
        WRITERS, WRITERS_LABEL, about, fields=fields, objects=objects, principals=(credential().access,) if calls else ()
    )


def sections(names: Names, *, cpq: bool) -> Iterator[tuple[str, str, list[Wanted]]]:
    """Object, title and fields of the section that its page layouts get (ST-22)."""
    wanted = wanted_fields(names, cpq=cpq)
    for place in dict.fromkeys(each.object for each in wanted):
        yield place, SECTIONS.get(place, MAPPING_SECTION), [each for each in wanted if each.object == place]


# --- the way to call us -------------------------------------------------------------------------------------------------------


def credential() -> ExternalCredential:
    """Who calls: the key is a secret of the principal and no metadata (ST-16, ST-18)."""
    header = "{!'Bearer ' & $Credential." + f"{CREDENTIAL}.{SECRET}" + "}"
    about = "The integration key is the authentication parameter ApiKey of the principal Causeway."
    return ExternalCredential(CREDENTIAL, "Causeway", PRINCIPAL, {"Authorization": header}, description=about)


def endpoint(base_url: str) -> NamedCredential:
    """Where to call."""
    return NamedCredential(CREDENTIAL, "Causeway", base_url.rstrip("/"), CREDENTIAL)


def service() -> ExternalService:
    """What can be called: one operation that tells us of an opportunity. We read the record again, so ids are enough."""
    text = {"type": "string"}
    asked = {"opportunity_id": text, "org_id": text, "event": text, "stage": text, "account_id": text, "name": text}
    answer = {"description": "Taken.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}}}
    body = {"required": True, "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{flow.REQUEST}"}}}}
    return ExternalService(SERVICE, SERVICE_LABEL, CREDENTIAL, {
        "openapi": "3.0.1",
        "info": {"title": SERVICE_LABEL, "version": "1.0"},
        "paths": {PATH: {"post": {
            "operationId": flow.OPERATION, "summary": "Provision an opportunity",
            "requestBody": body, "responses": {"2XX": answer},
        }}},
        "components": {"schemas": {
            flow.REQUEST: {"type": "object", "required": ["opportunity_id", "org_id"], "properties": asked},
            "Answer": {"type": "object", "properties": {"status": text, "message": text}},
        }},
    }, (flow.OPERATION,), description="Tells Causeway that an opportunity was won.")  # fmt: skip
