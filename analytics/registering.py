"""What analytics makes known when the program starts: jobs, what the mirror reads, kinds of analyses, outbox kinds."""

from analytics.acting import kinds as group_kinds
from analytics.acting import sending
from analytics.analyses import asking, computing
from analytics.analyses import kinds as analyses
from analytics.attributes import needs
from analytics.connecting import first_read, personal
from analytics.drivers import kind as drivers
from analytics.facts import syncing
from analytics.outcomes import offered as outcomes
from analytics.revenue import offered as revenue
from integrations.sync import jobs
from integrations.sync.mirror import hooks
from integrations.sync.mirror.needs import register_needs
from integrations.sync.outbox import kinds as outbox

DOMAIN = "analytics"


def register() -> None:
    """Call once from `apps.py`; calling it again changes nothing."""
    register_needs(needs.NAME, needs.needs_of)
    hooks.register(DOMAIN, on_deleted=personal.on_deleted)
    jobs.register(
        jobs.Job(first_read.JOB, first_read.LABEL, DOMAIN, first_read.perform, enabled=needs.is_started, by_hand=True)
    )
    jobs.register(jobs.Job(syncing.JOB, syncing.LABEL, DOMAIN, syncing.perform, enabled=syncing.is_enabled))
    for kind in group_kinds.outbox_kinds():
        outbox.register(kind)
    jobs.register(jobs.Job(sending.JOB, sending.LABEL, DOMAIN, sending.perform, enabled=sending.is_used, by_hand=True))
    jobs.register(jobs.Job(sending.FIELDS_JOB, sending.FIELDS_LABEL, DOMAIN, sending.perform_fields, by_hand=True))
    jobs.register(jobs.Job(asking.JOB, asking.LABEL, DOMAIN, computing.perform, by_hand=True))
    for kind in (drivers.KIND, *outcomes.KINDS, *revenue.KINDS):
        analyses.register(kind)
