"""Taking back what a run wrote, from its before-images: only where the value in Salesforce is still ours."""

from datetime import datetime

from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import OutboxPush, Run, Undo
from integrations.sync import runs
from integrations.sync.runs import Recorder

JOB, LABEL = "outbox.undo", "Undo of a push"


def why_not(run: Run) -> tuple[str, str]:
    """Code and sentence of why a run cannot be taken back; ("", "") when it can."""
    if run.job == JOB:
        return "undo_of_undo", f"Run #{run.pk} took another run back; that cannot be taken back itself. Push again instead."
    if run.is_active:
        return "still_running", f"Run #{run.pk} is not at its end yet; cancel it or wait."
    if Undo.objects.filter(run=run, done_by_run__isnull=False).exists():
        return "already_undone", f"Run #{run.pk} was taken back already."
    if run.org is None or not OutboxPush.objects.filter(run=run, is_dry=False, changed__gt=0).exists():
        return "nothing_to_undo", f"Run #{run.pk} wrote nothing to Salesforce."
    if not OutboxPush.objects.filter(run=run, is_dry=False, sent__isnull=False).exists():
        return "images_gone", f"What stood in Salesforce before run #{run.pk} is not kept any more."
    if not run.org.is_connected:
        return "not_connected", f"{run.org.name} is {run.org.get_state_display().lower()}; connect it first."
    return "", ""


def undo_run(run: Run, *, user: Person | None, now: datetime, delete_created: bool = False) -> Run:
    """Take `run` back by a run of the job `outbox.undo`: fields get the values from before where they still hold ours.

    The others are listed as conflicts. `delete_created` also deletes records that the run created and nobody changed since.
    Raises `Refusal` with the reason when it cannot be done.
    """
    code, sentence = why_not(run)
    if code:
        raise Refusal(code, sentence)
    asked = {"asked_by": user, "asked_at": now, "delete_created": delete_created}
    undo, _ = Undo.objects.update_or_create(run=run, defaults=asked)
    done_by = runs.request_run(JOB, org=run.org, user=user, arguments={"run": run.pk}, now=now)
    if done_by.arguments.get("run") != run.pk:
        undo.delete()
        raise Refusal("queued_already", f"Run #{done_by.pk} takes another run back first. Try again when it has ended.")
    if not Undo.objects.filter(pk=undo.pk, done_by_run=None).update(done_by_run=done_by):
        raise Refusal("already_undone", f"Run #{run.pk} was taken back already.")
    audit.record("run.undone", actor=user, target=f"run {run.pk}", after={"by": done_by.pk, "delete_created": delete_created})
    return done_by


def perform(recorder: Recorder) -> None:
    """The job `outbox.undo`."""
    from integrations.sync.outbox import undoing  # loads Arrow and the engine

    undoing.perform(recorder)
