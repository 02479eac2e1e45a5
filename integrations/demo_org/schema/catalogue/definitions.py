"""What the org says about its own objects and fields: EntityDefinition, FieldDefinition, and what the Tooling API adds.

Their rows follow the schema (see `definitions` of the org). There is no Apex here, so its tables are empty.
"""

from integrations.demo_org.schema.catalogue.fields import (
    area,
    audit,
    define,
    flag,
    identity,
    make,
    moment,
    number,
    ref,
    text,
    whole,
)
from integrations.demo_org.schema.types import Field, ObjectType

CAN = (
    ("IsCustomizable", "Customizable"), ("IsApexTriggerable", "Apex Triggerable"), ("IsWorkflowEnabled", "Workflow Enabled"),
    ("IsProcessEnabled", "Process Enabled"), ("IsCompactLayoutable", "Compact Layoutable"),
    ("IsDeprecatedAndHidden", "Deprecated and Hidden"), ("IsCustomSetting", "Custom Setting"), ("IsQueryable", "Queryable"),
    ("IsSearchable", "Searchable"), ("IsTriggerable", "Triggerable"), ("IsReplicateable", "Replicateable"),
    ("IsRetrieveable", "Retrieveable"), ("IsLayoutable", "Layoutable"), ("IsIdEnabled", "Id Enabled"),
    ("IsEverCreatable", "Ever Createable"), ("IsEverUpdatable", "Ever Updateable"), ("IsEverDeletable", "Ever Deletable"),
    ("IsFeedEnabled", "Feed Enabled"),
)  # fmt: skip
FIELD_CAN = (
    ("IsCalculated", "Calculated"), ("IsHighScaleNumber", "High Scale Number"), ("IsHtmlFormatted", "Html Formatted"),
    ("IsNameField", "Name Field"), ("IsNillable", "Nillable"), ("IsWorkflowFilterable", "Workflow Filterable"),
    ("IsCompactLayoutable", "Compact Layoutable"), ("IsFieldHistoryTracked", "Field History Tracked"),
    ("IsIndexed", "Indexed"), ("IsApiFilterable", "Api Filterable"), ("IsApiSortable", "Api Sortable"),
    ("IsApiGroupable", "Api Groupable"), ("IsListVisible", "List Visible"), ("IsPolymorphicForeignKey",
        "Polymorphic Foreign Key"),
)  # fmt: skip
CLOSED = {"read_only": True, "searchable": False, "replicateable": False}


def _names() -> list[Field]:
    """How the thing is called."""
    return [
        text("DurableId", "Durable ID"), text("QualifiedApiName", "Qualified API Name", 70),
        text("NamespacePrefix", "Namespace Prefix", 15), text("DeveloperName", "Developer Name", 40),
        text("MasterLabel", "Master Label", name_field=True), text("Label", "Label", 80),
    ]  # fmt: skip


def entity_definition() -> ObjectType:
    """EntityDefinition: one row for each object that the user sees."""
    return define("EntityDefinition", "Entity Definition", "Entity Definitions", "4ie", [
        identity("Entity Definition"), moment("LastModifiedDate", "Last Modified Date"), *_names(),
        text("PluralLabel", "Plural Label", 80), text("DefaultCompactLayoutId", "Default Compact Layout", 18),
        text("KeyPrefix", "Key Prefix", 3), text("PublisherId", "Publisher ID"), *(flag(*each) for each in CAN),
        text("InternalSharingModel", "Internal Sharing Model", 40), text("ExternalSharingModel", "External Sharing Model", 40),
    ], **CLOSED)  # fmt: skip


def field_definition() -> ObjectType:
    """FieldDefinition: one row for each field that the user sees."""
    entity = make(
        "EntityDefinitionId", "Entity Definition ID", "string", length=255, reference_to=("EntityDefinition",),
        relationship_name="EntityDefinition", child_relationship="Fields",
    )  # fmt: skip
    return define("FieldDefinition", "Field Definition", "Field Definitions", "4fe", [
        identity("Field Definition"), moment("LastModifiedDate", "Last Modified Date"), *_names(), entity,
        whole("Length", "Length"), text("DataType", "Data Type"), text("ValueTypeId", "Value Type ID"),
        text("ExtraTypeInfo", "Extra Type Info", 40), whole("Precision", "Precision"), whole("Scale", "Scale"),
        text("RelationshipName", "Relationship Name", 40), text("ReferenceTargetField", "Reference Target Field"),
        area("Description", "Description"), text("PublisherId", "Publisher ID"), *(flag(*each) for each in FIELD_CAN),
    ], **CLOSED)  # fmt: skip


def custom_object() -> ObjectType:
    """CustomObject (Tooling API)."""
    return define("CustomObject", "Custom Object", "Custom Objects", "01I", [
        identity("Custom Object"), text("DeveloperName", "Developer Name", 40, name_field=True),
        text("NamespacePrefix", "Namespace Prefix", 15), area("Description", "Description"),
        text("ManageableState", "Manageable State", 40), text("Language", "Language", 40), *audit(),
    ], **CLOSED)  # fmt: skip


def custom_field() -> ObjectType:
    """CustomField (Tooling API). TableEnumOrId names a standard object, or has the id of a custom one."""
    return define("CustomField", "Custom Field", "Custom Fields", "00N", [
        identity("Custom Field"), text("TableEnumOrId", "Table Enum or ID", 40),
        text("DeveloperName", "Developer Name", 40, name_field=True), text("NamespacePrefix", "Namespace Prefix", 15),
        area("Description", "Description"), area("InlineHelpText", "Inline Help Text"), whole("Length", "Length"),
        whole("Precision", "Precision"), whole("Scale", "Scale"), text("RelationshipLabel", "Relationship Label", 80),
        text("ManageableState", "Manageable State", 40), *audit(),
    ], **CLOSED)  # fmt: skip


def apex(name: str, label: str, plural: str, prefix: str) -> ObjectType:
    """ApexClass and its kin: an org without Apex has none."""
    return define(name, label, plural, prefix, [
        identity(label), text("NamespacePrefix", "Namespace Prefix", 15), text("Name", "Name", name_field=True),
        number("ApiVersion", "Api Version", 18, 1), text("Status", "Status", 40), flag("IsValid", "Is Valid"),
        number("BodyCrc", "Body CRC", 18, 0), area("Body", "Body"), whole("LengthWithoutComments", "Size Without Comments"),
        *audit(),
    ], **CLOSED)  # fmt: skip


def installed_package() -> ObjectType:
    """InstalledSubscriberPackage (Tooling API): which version of which managed package is here."""
    return define("InstalledSubscriberPackage", "Installed Subscriber Package", "Installed Subscriber Packages", "0A3", [
        identity("Installed Subscriber Package"),
        ref("SubscriberPackageId", "Subscriber Package ID", "SubscriberPackage", children="InstalledSubscriberPackages"),
        ref("SubscriberPackageVersionId", "Subscriber Package Version ID", "SubscriberPackageVersion"),
        ref("MinPackageVersionId", "Min Package Version ID", "SubscriberPackageVersion"),
    ], **CLOSED)  # fmt: skip


def package() -> ObjectType:
    """SubscriberPackage (Tooling API)."""
    return define("SubscriberPackage", "Subscriber Package", "Subscriber Packages", "033", [
        identity("Subscriber Package"), text("Name", "Name", name_field=True), text("NamespacePrefix", "Namespace Prefix", 15),
        area("Description", "Description"), flag("IsPackageValid", "Is Package Valid"),
    ], **CLOSED)  # fmt: skip


def package_version() -> ObjectType:
    """SubscriberPackageVersion (Tooling API)."""
    numbers = (
        whole(f"{part}{'Number' if part == 'Build' else 'Version'}", part) for part in ("Major", "Minor", "Patch", "Build")
    )
    return define("SubscriberPackageVersion", "Subscriber Package Version", "Subscriber Package Versions", "04t", [
        identity("Subscriber Package Version"),
        ref("SubscriberPackageId", "Subscriber Package ID", "SubscriberPackage", children="SubscriberPackageVersions"),
        text("Name", "Name", name_field=True), area("Description", "Description"), *numbers,
        text("ReleaseState", "Release State", 40), flag("IsBeta", "Is Beta"), flag("IsDeprecated", "Is Deprecated"),
        flag("IsManaged", "Is Managed"), flag("IsPasswordProtected", "Is Password Protected"),
        flag("IsOrgDependent", "Is Org Dependent"), flag("IsSecurityReviewed", "Is Security Reviewed"),
    ], **CLOSED)  # fmt: skip


def objects() -> list[ObjectType]:
    """Every object of this subject."""
    return [
        entity_definition(), field_definition(), custom_object(), custom_field(),
        apex("ApexClass", "Apex Class", "Apex Classes", "01p"), apex("ApexTrigger", "Apex Trigger", "Apex Triggers", "01q"),
        installed_package(), package(), package_version(),
    ]  # fmt: skip
