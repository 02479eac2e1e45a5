"""Taking up what an interrupted run left: jobs that Salesforce has are collected, never sent again (R-135, I-02).

Rows that may have been on their way when the worker died are marked as in doubt, so that the next comparison sends them again
whatever the accepted state says. Nothing stale is ever sent: what was not sent yet is compared anew.
"""

from typing import Any

import pyarrow as pa

from integrations.models import OutboxBatch, OutboxPush, OutboxTarget, Run
from integrations.sync.outbox import answers, bulk_way
from integrations.sync.outbox.landing import Landing, land
from integrations.sync.outbox.session import Session

State = OutboxBatch.State


def unfinished(target: OutboxTarget, *, besides: OutboxPush) -> list[OutboxPush]:
    """Pushes of the target that other runs left, oldest first."""
    left = OutboxPush.objects.filter(target=target, is_dry=False, finished_at=None).exclude(pk=besides.pk)
    left = left.exclude(state=OutboxPush.State.WAITING, run__state__in=Run.ACTIVE)  # it has not begun, and will
    return list(left.select_related("target__org", "run").order_by("pk"))


def settle(session: Session) -> int:
    """Bring every open batch of an earlier push to its end without sending a row; how many rows it turned out to have written.

    Raises `Later` while Salesforce still works on one of its jobs.
    """
    written = 0
    for batch in session.push.batches.filter(state__in=OutboxBatch.OPEN).order_by("pk"):
        if batch.way == OutboxBatch.Way.COMPOSITE or not batch.job_id:
            _abandon(session, batch)
            continue
        bulk_way.send_bulk(session, batch, only_collect=True)
        written += batch.accepted_rows
    return written


def _abandon(session: Session, batch: OutboxBatch) -> None:
    """Give up what was not sent; what may have been sent is in doubt."""
    update: dict[str, Any] = {"state": State.ABANDONED, "error": batch.error or "Its run was interrupted."}
    first, last = batch.first_place + batch.done_rows, batch.first_place + batch.sent_rows - 1
    keys = pa.array([], pa.string())
    if batch.state == State.SENT and last >= first:
        sql = "SELECT key_ FROM sent WHERE place_ >= $first AND place_ <= $last"
        keys = session.engine.table(sql, first=first, last=last).column("key_").combine_chunks()
    land(session, batch, Landing(answers.nothing(), update, unsure=keys))
