"""What the outbox makes known when the program starts: its jobs."""

from integrations.sync import jobs
from integrations.sync.outbox import preview, rows, undo, verify

DOMAIN = "outbox"


def register() -> None:
    """Call once from `apps.py`; calling it again changes nothing."""
    jobs.register(jobs.Job(preview.JOB, preview.LABEL, DOMAIN, preview.perform, by_hand=True, dry=True))
    jobs.register(jobs.Job(rows.JOB, rows.LABEL, DOMAIN, rows.perform, by_hand=True))
    jobs.register(jobs.Job(undo.JOB, undo.LABEL, DOMAIN, undo.perform, by_hand=True))
    jobs.register(jobs.Job(verify.JOB, verify.LABEL, DOMAIN, verify.perform, enabled=verify.has_targets))
