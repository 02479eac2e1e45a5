"""The job `outbox.retry`: rows that people asked for, each target in one push of its own. Heavy to import."""

from integrations.models import OutboxRow, OutboxTarget
from integrations.sync.outbox import comparing, door, kinds, preparing, problems, pushing, restored, rowwork, waiting
from integrations.sync.outbox.comparing import Plan
from integrations.sync.outbox.pushing import Wish
from integrations.sync.outbox.report import PushReport
from integrations.sync.runs import Recorder

WISH = Wish(interactive=True)


def perform(recorder: Recorder) -> None:
    """Send what was asked for until now, parents first."""
    targets = OutboxTarget.objects.filter(org=recorder.org, rows__asked_at__isnull=False).select_related("org", "accepted")
    open_here = OutboxTarget.objects.filter(org=recorder.org, pushes__run=recorder.run).select_related("org", "accepted")
    order = [kind.name for kind in kinds.in_order(kind.name for kind in kinds.every())]
    found = {target.pk: target for target in [*targets.distinct(), *open_here.distinct()] if target.kind in order}
    for target in sorted(found.values(), key=lambda each: (order.index(each.kind), each.pk)):
        retry_target(recorder, target)


def retry_target(recorder: Recorder, target: OutboxTarget) -> PushReport | None:
    """Send the asked rows of one target."""
    with pushing.opened(recorder, target, WISH) as work:
        if work.done:
            return None
        if work.error:
            recorder.object(target.object).failed(target.object, "TARGET_CLOSED", work.error)
            return None
        if work.stored.fields:
            return pushing.send(pushing.resume(work), WISH)
        if restored.is_doubtful(target, run=recorder.run):
            sentence = "After a restore, a whole push compares with Salesforce first; ask again after it."
            recorder.object(target.object).skipped(target.object, "RESTORED", sentence)
            return None
        pushing.settle_earlier(work)
        rows = list(waiting.asked_rows(target))
        names = list(dict.fromkeys(name for row in rows for name in rowwork.wanted_values(row)))
        entry = door.check_entry(kinds.get(target.kind), target, work.info, names)
        if entry.closed:
            recorder.object(target.object).failed(target.object, "TARGET_CLOSED", f"Nothing can be written: {entry.closed}.")
            return None
        session = comparing.open_session(recorder, work.stored, entry, work.info, work.client, work.engine)
        session.bind_accepted()
        send = [row for row in rows if problems.can_be_sent(row)]
        plan = Plan([])
        preparing.begin_push(session)
        preparing.stage_waiting(session, plan, send)
        session.push.rows = len(rows)
        session.count("skipped", len(rows) - len(send))
        preparing.store_plan(session, plan)
        OutboxRow.objects.filter(pk__in=[row.pk for row in rows]).update(asked_at=None)
        return pushing.send(session, WISH)
