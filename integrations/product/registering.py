"""What health scores and task rules make known when the program starts: jobs, needs of the mirror, the kind of outbox rows."""

from integrations.orgs.posture import register_need
from integrations.product import support
from integrations.product.health import compute
from integrations.product.task_rules import key_field, kind, making
from integrations.sync import jobs
from integrations.sync.mirror.needs import register_needs
from integrations.sync.outbox import kinds


def register() -> None:
    """Call once from `apps.py`; calling it again changes nothing."""
    jobs.register(jobs.Job(compute.JOB, compute.LABEL, compute.DOMAIN, compute.perform, per_org=False))
    jobs.register(jobs.Job(making.JOB, making.LABEL, making.DOMAIN, making.perform, enabled=kind.has_rules))
    jobs.register(jobs.Job(key_field.JOB, key_field.LABEL, kind.DOMAIN, key_field.perform, by_hand=True))
    register_needs(support.NAME, support.needs_of_support)
    register_need(support.access_need())
    kinds.register(kind.outbox_kind())
