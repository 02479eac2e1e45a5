"""The ground floor: connections, ledger, engine. Knows no domain."""

from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"
    verbose_name = "Connections and runs"

    def ready(self) -> None:
        """Make the ground floor's own jobs known; models are loaded only now."""
        from integrations.sync import jobs, lake_upkeep
        from integrations.sync.fields import creating as fields
        from integrations.sync.mapping import registering
        from integrations.sync.matching import following, match
        from integrations.sync.mirror import backfill, backfilling, formulas, needs, reading, reconcile
        from integrations.sync.outbox import registering as outbox

        jobs.register(jobs.Job(reading.JOB, "Read of the mirror", "mirror", reading.perform, enabled=needs.has_needs))
        jobs.register(
            jobs.Job(backfill.JOB, "Backfill of the mirror", "mirror", backfilling.perform, enabled=backfill.is_waiting)
        )
        jobs.register(
            jobs.Job(reconcile.JOB, "Reconciliation of the mirror", "mirror", reconcile.perform, enabled=reconcile.has_mirror)
        )
        jobs.register(
            jobs.Job(formulas.JOB, "Compare of calculated fields", "mirror", formulas.perform, enabled=reconcile.has_mirror)
        )
        registering.register()
        jobs.register(jobs.Job(fields.JOB, fields.LABEL, "product", fields.perform, by_hand=True))
        jobs.register(jobs.Job(match.JOB, "Matching of customers", match.DOMAIN, match.perform, enabled=match.is_enabled))
        following.register_hooks()
        outbox.register()
        jobs.register(jobs.Job(lake_upkeep.JOB, "Upkeep of the lake", lake_upkeep.DOMAIN, lake_upkeep.perform, per_org=False))
