"""The full compare with live values (R-154, PX-D14): what people changed in Salesforce is seen, and put right or respected."""

from datetime import datetime

from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import HumanEdit, OutboxTarget, Run, SalesforceOrg
from integrations.sync import runs
from integrations.sync.runs import Recorder

JOB, LABEL = "outbox.verify", "Compare with live values"
Decision = HumanEdit.Decision


def verify(org: SalesforceOrg, *, target: OutboxTarget | None = None, user: Person | None = None, now: datetime) -> Run:
    """Ask for the compare of one target, or of all of a connection. `Refusal` when it is not connected."""
    if not org.is_connected:
        raise Refusal("not_connected", f"{org.name} is {org.get_state_display().lower()}; connect it first.")
    arguments = {"target": target.pk} if target is not None else {}
    return runs.request_run(JOB, org=org, user=user, arguments=arguments, now=now)


def decide_edit(edit: HumanEdit, decision: str, *, user: Person | None, now: datetime) -> HumanEdit:
    """A person says whose value counts: ours, written over theirs by the next compare, or theirs, until ours changes."""
    if decision not in (Decision.OURS, Decision.THEIRS):
        raise Refusal("bad_decision", "Say ours or theirs.")
    HumanEdit.objects.filter(pk=edit.pk).update(decision=decision, decided_by=user, decided_at=now)
    edit.refresh_from_db()
    audit.record("outbox.edit_decided", actor=user, target=f"{edit.target} {edit.field}", after={"decision": decision})
    return edit


def has_targets(org: SalesforceOrg) -> bool:
    """Whether anything was ever accepted of this connection."""
    return OutboxTarget.objects.filter(org=org, accepted__isnull=False, state=OutboxTarget.State.ACTIVE).exists()


def perform(recorder: Recorder) -> None:
    """The job `outbox.verify`."""
    from integrations.sync.outbox import verifying  # loads Arrow and the engine

    verifying.perform(recorder)
