"""Flows, credentials and outbound messages as records. They follow the deployed metadata; nobody writes them."""

from integrations.demo_org.schema.catalogue.fields import (
    area,
    audit,
    define,
    flag,
    identity,
    link,
    moment,
    pick,
    ref,
    text,
    whole,
)
from integrations.demo_org.schema.types import ObjectType

STATES = "Active; Draft; Obsolete; InvalidDraft"
PROCESS, TRIGGERS = "AutoLaunchedFlow; Flow", "RecordAfterSave; RecordBeforeSave; Scheduled; PlatformEvent"


def flow_definition_view() -> ObjectType:
    """FlowDefinitionView: one row for each flow."""
    return define("FlowDefinitionView", "Flow Definition View", "Flow Definition Views", "3dd", [
        identity("Flow Definition View"), text("DurableId", "Durable ID"), text("ApiName", "Flow API Name"),
        text("Label", "Process Label", name_field=True), text("Description", "Description"),
        pick("ProcessType", "Process Type", PROCESS, 40), pick("TriggerType", "Trigger", TRIGGERS, 40),
        text("NamespacePrefix", "Namespace Prefix", 15), text("ActiveVersionId", "Active Version ID"),
        text("LatestVersionId", "Latest Version ID"), text("LastModifiedBy", "Last Modified By"), flag("IsActive", "Active"),
        flag("IsOutOfDate", "Is Out Of Date"), moment("LastModifiedDate", "Last Modified Date"), flag("IsTemplate", "Template"),
        text("Builder", "Built with", 40), text("ManageableState", "Package State", 40),
        text("TriggerObjectOrEventLabel", "Object or Event Label"), text("TriggerObjectOrEventId", "Object or Event"),
        pick("RecordTriggerType", "Record Trigger", "Create; Update; CreateAndUpdate", 40), whole("TriggerOrder",
            "Trigger Order"),
        flag("HasAsyncAfterCommitPath", "Has Async After Commit Path"), whole("VersionNumber", "Version Number"),
    ], read_only=True, searchable=False, replicateable=False)  # fmt: skip


def flow_version_view() -> ObjectType:
    """FlowVersionView: one row for each version of each flow."""
    return define("FlowVersionView", "Flow Version View", "Flow Version Views", "3vd", [
        identity("Flow Version View"), text("DurableId", "Durable ID"),
        ref("FlowDefinitionViewId", "Flow Definition View ID", "FlowDefinitionView", children="Versions"),
        text("Label", "Version Label", name_field=True), text("Description", "Description"),
        pick("ProcessType", "Process Type", PROCESS, 40), pick("Status", "Status", STATES, 40),
        whole("VersionNumber", "Version Number"), pick("RunInMode", "Run in Mode", "DefaultMode; SystemModeWithoutSharing", 40),
        whole("ApiVersionRuntime", "API Version"), moment("LastModifiedDate", "Last Modified Date"), flag("IsTemplate",
            "Template"),
    ], read_only=True, searchable=False, replicateable=False)  # fmt: skip


def flow() -> ObjectType:
    """Flow (Tooling API): a version of a flow."""
    return define("Flow", "Flow", "Flows", "301", [
        identity("Flow"), ref("DefinitionId", "Flow Definition ID", "FlowDefinition", children="Versions"),
        text("MasterLabel", "Label", name_field=True), text("Description", "Description"), text("FullName", "Full Name"),
        pick("Status", "Status", STATES, 40), whole("VersionNumber", "Version Number"), whole("ApiVersion", "API Version"),
        pick("ProcessType", "Process Type", PROCESS, 40), text("RunInMode", "Run in Mode", 40), flag("IsTemplate", "Template"),
        text("ManageableState", "Package State", 40), *audit(),
    ], read_only=True, searchable=False, replicateable=False)  # fmt: skip


def flow_definition() -> ObjectType:
    """FlowDefinition (Tooling API): a flow with its active and latest version."""
    return define("FlowDefinition", "Flow Definition", "Flow Definitions", "300", [
        identity("Flow Definition"), text("DeveloperName", "API Name"), text("MasterLabel", "Label", name_field=True),
        text("Description", "Description"), text("NamespacePrefix", "Namespace Prefix", 15),
        ref("ActiveVersionId", "Active Version ID", "Flow"), ref("LatestVersionId", "Latest Version ID", "Flow"),
        text("ManageableState", "Package State", 40), *audit(),
    ], read_only=True, searchable=False, replicateable=False)  # fmt: skip


def named_credential() -> ObjectType:
    """NamedCredential."""
    return define("NamedCredential", "Named Credential", "Named Credentials", "0XA", [
        identity("Named Credential"), text("DeveloperName", "Name", 80), text("Language", "Master Language", 40),
        text("MasterLabel", "Label", 80, name_field=True), text("NamespacePrefix", "Namespace Prefix", 15),
        link("Endpoint", "URL", length=4000, filterable=False, groupable=False), text("PrincipalType", "Identity Type", 40),
        flag("CalloutOptionsGenerateAuthorizationHeader", "Generate Authorization Header"), *audit(),
    ], read_only=True, searchable=False, replicateable=False)  # fmt: skip


def external_credential() -> ObjectType:
    """ExternalCredential (Tooling API)."""
    return define("ExternalCredential", "External Credential", "External Credentials", "7Jk", [
        identity("External Credential"), text("DeveloperName", "Name", 80), text("Language", "Master Language", 40),
        text("MasterLabel", "Label", 80, name_field=True), text("NamespacePrefix", "Namespace Prefix", 15),
        text("AuthenticationProtocol", "Authentication Protocol", 40), *audit(),
    ], read_only=True, searchable=False, replicateable=False)  # fmt: skip


def external_service() -> ObjectType:
    """ExternalServiceRegistration."""
    return define("ExternalServiceRegistration", "External Service Registration", "External Service Registrations", "3ZY", [
        identity("External Service Registration"), text("DeveloperName", "Name", 80), text("MasterLabel", "Label", 80,
            name_field=True),
        text("Language", "Master Language", 40), text("NamespacePrefix", "Namespace Prefix", 15), text("Status", "Status", 40),
        text("SchemaType", "Schema Type", 40), area("NamedCredential", "Named Credential", 255), *audit(),
    ], read_only=True, searchable=False, replicateable=False)  # fmt: skip


def outbound_message() -> ObjectType:
    """WorkflowOutboundMessage (Tooling API)."""
    return define("WorkflowOutboundMessage", "Workflow Outbound Message", "Workflow Outbound Messages", "04k", [
        identity("Workflow Outbound Message"), text("Name", "Name", 80, name_field=True), text("FullName", "Full Name"),
        text("EntityDefinitionId", "Entity Definition ID"), text("IntegrationUserId", "User ID", 18),
        link("EndpointUrl", "Endpoint URL", length=1000, filterable=False, groupable=False), text("ApiVersion", "API Version",
            10),
        *audit(),
    ], read_only=True, searchable=False, replicateable=False)  # fmt: skip


def workflow_rule() -> ObjectType:
    """WorkflowRule (Tooling API)."""
    return define("WorkflowRule", "Workflow Rule", "Workflow Rules", "01Q", [
        identity("Workflow Rule"), text("Name", "Name", 80, name_field=True), text("FullName", "Full Name"),
        text("TableEnumOrId", "Object", 40), *audit(),
    ], read_only=True, searchable=False, replicateable=False)  # fmt: skip


def objects() -> list[ObjectType]:
    """Automation."""
    return [
        flow_definition_view(), flow_version_view(), flow(), flow_definition(), named_credential(), external_credential(),
        external_service(), outbound_message(), workflow_rule(),
    ]  # fmt: skip
