"""What the mapping makes known when the program starts: its jobs, what it needs of the mirror, its kinds of outbox rows."""

from functools import partial

from django.db.models import Q

from integrations.models import Entity, Mapping, SalesforceOrg
from integrations.orgs.posture import Need, register_need
from integrations.sync import jobs
from integrations.sync.mapping import facts, kinds, needs, pull, push, shape, synchronize, versions
from integrations.sync.mapping.body import OBJECT_OF
from integrations.sync.mirror import hooks
from integrations.sync.mirror.needs import register_needs
from integrations.sync.outbox import kinds as outbox_kinds


def register() -> None:
    """Call once from `apps.py`; calling it again changes nothing."""
    jobs.register(jobs.Job(pull.JOB, pull.LABEL, facts.DOMAIN, pull.perform, enabled=is_enabled))
    jobs.register(jobs.Job(push.JOB, push.LABEL, facts.DOMAIN, push.perform, enabled=is_enabled))
    jobs.register(jobs.Job(synchronize.JOB, synchronize.LABEL, facts.DOMAIN, synchronize.perform, enabled=is_enabled))
    register_needs(needs.NEEDS, needs.needs_of_mappings)
    hooks.register(needs.NEEDS, on_drift=shape.on_drift)
    for need in posture_needs():
        register_need(need)
    for kind in kinds.outbox_kinds():
        outbox_kinds.register(kind)


def is_enabled(org: SalesforceOrg) -> bool:
    """Whether there is something to map for this connection, or was before its object went away."""
    working = Q(state=Mapping.State.ACTIVE) | Q(paused_by_drift=True)
    return org.product_enabled and Mapping.objects.filter(working, org=org, version__gt=0).exists()


def posture_needs() -> list[Need]:
    """The integration user must be able to read the standard objects that are mapped (PX-30)."""
    return [
        Need(OBJECT_OF[entity], ("Id",), f"{label} mapping", enabled=partial(is_mapped, entity))
        for entity, label in Entity.choices
    ]


def is_mapped(entity: str, org: SalesforceOrg) -> bool:
    """Whether the entity's standard object is the one that is mapped."""
    if not org.product_enabled:
        return False
    mapping = versions.find_mapping(org, entity)
    return mapping.version > 0 and versions.body_of(mapping).object == OBJECT_OF[entity]
