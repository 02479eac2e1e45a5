"""The ground floor's tables, by subject."""

from integrations.models.access import ApiKey
from integrations.models.alerts import Alert, AlertChannel, AlertDelivery
from integrations.models.audit import AuditEntry
from integrations.models.configuration import AppliedConfiguration
from integrations.models.customers import Attribute, Customer, CustomerAlias, EndUser, Entity, LinkEvent, MatchState, RecordLink
from integrations.models.lake import Erasure, LakeFile, LakeTable
from integrations.models.mappings import Mapping, MappingVersion
from integrations.models.mirror import Backfill, Drift, MirrorField, MirrorObject, MirrorSettings, RecordMerge
from integrations.models.orgs import ApiUsage, OrgSecret, SalesforceIdentity, SalesforceOrg
from integrations.models.outbox import GuardRequest, HumanEdit, OutboxBatch, OutboxPush, OutboxRow, OutboxTarget, Undo
from integrations.models.runs import Lease, RowOutcome, Run, RunChunk, RunObject, WorkerHeartbeat

__all__ = [
    "Alert",
    "AlertChannel",
    "AlertDelivery",
    "ApiKey",
    "ApiUsage",
    "AppliedConfiguration",
    "Attribute",
    "AuditEntry",
    "Backfill",
    "Customer",
    "CustomerAlias",
    "Drift",
    "EndUser",
    "Entity",
    "Erasure",
    "GuardRequest",
    "HumanEdit",
    "LakeFile",
    "LakeTable",
    "Lease",
    "LinkEvent",
    "Mapping",
    "MappingVersion",
    "MatchState",
    "MirrorField",
    "MirrorObject",
    "MirrorSettings",
    "OrgSecret",
    "OutboxBatch",
    "OutboxPush",
    "OutboxRow",
    "OutboxTarget",
    "RecordLink",
    "RecordMerge",
    "RowOutcome",
    "Run",
    "RunChunk",
    "RunObject",
    "SalesforceIdentity",
    "SalesforceOrg",
    "Undo",
    "WorkerHeartbeat",
]
