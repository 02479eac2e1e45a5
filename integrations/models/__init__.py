"""The ground floor's tables, by subject."""

from integrations.models.access import ApiKey
from integrations.models.alerts import (
    Alert,
    AlertChannel,
    AlertDelivery,
    AlertNotice,
    AlertPreference,
    AlertRule,
    RunWatch,
)
from integrations.models.audit import AuditCheck, AuditEntry
from integrations.models.backups import Backup
from integrations.models.budget import BudgetSettings, Dismissed
from integrations.models.configuration import AppliedConfiguration
from integrations.models.customers import Attribute, Customer, CustomerAlias, EndUser, Entity, LinkEvent, MatchState, RecordLink
from integrations.models.findings import FindingsNight, KnownFinding
from integrations.models.lake import Erasure, LakeFile, LakeTable
from integrations.models.mappings import Mapping, MappingVersion
from integrations.models.mirror import Backfill, Drift, MirrorField, MirrorObject, MirrorSettings, RecordMerge
from integrations.models.orgs import ApiUsage, OrgSecret, SalesforceIdentity, SalesforceOrg
from integrations.models.outbox import GuardRequest, HumanEdit, OutboxBatch, OutboxPush, OutboxRow, OutboxTarget, Undo
from integrations.models.runs import Lease, RowOutcome, Run, RunChunk, RunObject, WorkerHeartbeat
from integrations.models.security import SecurityFinding, SecurityReview

__all__ = [
    "Alert",
    "AlertChannel",
    "AlertDelivery",
    "AlertNotice",
    "AlertPreference",
    "AlertRule",
    "ApiKey",
    "ApiUsage",
    "AppliedConfiguration",
    "Attribute",
    "AuditCheck",
    "AuditEntry",
    "Backfill",
    "Backup",
    "BudgetSettings",
    "Customer",
    "CustomerAlias",
    "Dismissed",
    "Drift",
    "EndUser",
    "Entity",
    "Erasure",
    "FindingsNight",
    "GuardRequest",
    "HumanEdit",
    "KnownFinding",
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
    "RunWatch",
    "SalesforceIdentity",
    "SalesforceOrg",
    "SecurityFinding",
    "SecurityReview",
    "Undo",
    "WorkerHeartbeat",
]
