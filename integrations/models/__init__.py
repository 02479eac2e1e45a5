"""The ground floor's tables, by subject."""

from integrations.models.access import ApiKey
from integrations.models.alerts import Alert
from integrations.models.audit import AuditEntry
from integrations.models.orgs import ApiUsage, OrgSecret, SalesforceIdentity, SalesforceOrg
from integrations.models.runs import Lease, RowOutcome, Run, RunChunk, RunObject, WorkerHeartbeat

__all__ = [
    "Alert",
    "ApiKey",
    "ApiUsage",
    "AuditEntry",
    "Lease",
    "OrgSecret",
    "RowOutcome",
    "Run",
    "RunChunk",
    "RunObject",
    "SalesforceIdentity",
    "SalesforceOrg",
    "WorkerHeartbeat",
]
