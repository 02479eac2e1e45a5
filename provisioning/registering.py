"""What provisioning makes known when the program starts: jobs, outbox kinds, what the mirror reads and whom it tells."""

from integrations.connection_pages import register_panel
from integrations.orgs import vault
from integrations.sync import jobs
from integrations.sync.matching import forgetting
from integrations.sync.mirror import hooks, needs
from integrations.sync.outbox import kinds as outbox
from provisioning import connection
from provisioning.automations import authoring
from provisioning.catalogue import move_job
from provisioning.connection import DOMAIN
from provisioning.mapping import kind as product_mapping
from provisioning.mapping import leads, writing
from provisioning.panel import read_panel
from provisioning.provision import advancing, flags, kinds, write_back
from provisioning.salesforce import deploying, watching
from provisioning.subscriptions import upkeep


def register() -> None:
    """Call once from `apps.py`; calling it again changes nothing."""
    advance = jobs.Job(advancing.JOB, advancing.LABEL, DOMAIN, advancing.perform, by_hand=True)
    jobs.register(advance)
    jobs.register(
        jobs.Job(write_back.JOB, write_back.LABEL, DOMAIN, write_back.perform, enabled=write_back.is_enabled, by_hand=True)
    )
    jobs.register(jobs.Job(write_back.CLEAR_JOB, write_back.CLEAR_LABEL, DOMAIN, write_back.perform_clear, by_hand=True))
    jobs.register(jobs.Job(deploying.JOB, deploying.LABEL, DOMAIN, deploying.perform, by_hand=True))
    jobs.register(jobs.Job(watching.JOB, watching.LABEL, DOMAIN, watching.perform, enabled=watching.is_enabled))
    jobs.register(jobs.Job(product_mapping.JOB, product_mapping.LABEL, DOMAIN, writing.perform, by_hand=True))
    jobs.register(jobs.Job(move_job.JOB, move_job.LABEL, DOMAIN, move_job.perform, per_org=False, by_hand=True))
    outbox.register(product_mapping.outbox_kind())
    needs.register_needs(DOMAIN, leads.needs_of)
    for kind in kinds.outbox_kinds():
        outbox.register(kind)
    needs.register_needs(f"{DOMAIN}.accounts", flags.needs_of)
    vault.register_rotation(DOMAIN, authoring.rotate_secrets)
    vault.register_rotation(f"{DOMAIN}.signing", connection.rotate_signing_keys)
    forgetting.register(DOMAIN, upkeep.on_erased)
    hooks.register(DOMAIN, on_merged=flags.on_merged, on_deleted=flags.on_deleted)
    register_panel(DOMAIN, read_panel)
