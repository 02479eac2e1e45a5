"""Why ids are not in Salesforce, for a person: which fields of which record, Salesforce's own words, and what helps (R-188)."""

from collections.abc import Sequence

from integrations.models import OutboxRow
from integrations.salesforce.errors import SalesforceError, UpstreamUnavailable
from integrations.sync.outbox.causes import FIXES, suggest_fix
from integrations.sync.outbox.rows import fix_of
from integrations.sync.runs import RunStopped
from provisioning.models import Provision
from provisioning.provision import kinds

INSIDE = (
    "That is no fault of the values: Salesforce failed inside. It is tried again by itself; if it stays so, look at triggers "
    "and flows of the {record}, or give the text to Salesforce support."
)
AWAY = "It is tried again by itself."


def told_of_row(kind: str, provision: Provision, fields: Sequence[str], row: OutboxRow) -> str:
    """A row that Salesforce refused."""
    said = f"Salesforce says “{row.message}”" if row.message else "Salesforce refused it"
    return f"{told(kind, provision, row.fields or fields, _with_code(said, row.code))} {fix_of(row)}".strip()


def told_of_call(kind: str, provision: Provision, fields: Sequence[str], error: SalesforceError | RunStopped) -> str:
    """A call that failed as a whole, or a run that had to end."""
    if isinstance(error, RunStopped):
        return told(kind, provision, fields, str(error).rstrip("."))
    reason = _with_code(f"Salesforce says “{str(error).strip()}”", error.code)
    return f"{told(kind, provision, fields, reason)} {_help_with(kind, error)}"


def told(kind: str, provision: Provision, fields: Sequence[str], reason: str) -> str:
    """`Stigg_Customer_ID__c of the account “Acme” (001…) is not written: ...`"""
    names = " and ".join(filter(None, (", ".join(fields[:-1]), fields[-1]))) if fields else "Nothing"
    name, key = _record(kind, provision)
    verb = "are" if len(fields) > 1 else "is"
    return f"{names} of the {kinds.OBJECTS[kind].lower()} {f'“{name}” ' if name else ''}({key}) {verb} not written: {reason}."


def _record(kind: str, provision: Provision) -> tuple[str, str]:
    if kind == kinds.ACCOUNT:
        return provision.account_name, provision.account_id
    return provision.name, provision.opportunity_id


def _with_code(said: str, code: str) -> str:
    return f"{said} ({code})" if code else said


def _help_with(kind: str, error: SalesforceError) -> str:
    if isinstance(error, UpstreamUnavailable) and error.code in ("UNKNOWN_EXCEPTION", "INTERNAL_ERROR"):
        return INSIDE.format(record=kinds.OBJECTS[kind].lower())
    return suggest_fix(error.code, error.message, error.fields) if error.code.upper() in FIXES else AWAY
