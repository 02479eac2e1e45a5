"""Billing objects in Salesforce."""

from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "billing"
    verbose_name = "Billing"

    def ready(self) -> None:
        """Make jobs, needs and outbox kinds known; models are loaded only now."""
        from billing import alert_kinds, deploying, kinds, linking, preflight, push, rating
        from integrations.sync import jobs
        from integrations.sync.mirror import hooks, needs
        from integrations.sync.outbox import kinds as outbox

        alert_kinds.register_kinds()
        jobs.register(jobs.Job(push.JOB, push.LABEL, preflight.DOMAIN, push.perform, enabled=push.is_enabled))
        jobs.register(jobs.Job(rating.JOB, rating.LABEL, preflight.DOMAIN, rating.perform, per_org=False))
        deploy = jobs.Job(deploying.JOB, deploying.LABEL, preflight.DOMAIN, deploying.perform, by_hand=True)
        jobs.register(deploy)
        jobs.register(jobs.Job(push.REMOVE_JOB, push.REMOVE_LABEL, preflight.DOMAIN, push.perform_removal, by_hand=True))
        for kind in kinds.outbox_kinds():
            outbox.register(kind)
        needs.register_needs(preflight.DOMAIN, linking.needs_of)
        hooks.register(
            preflight.DOMAIN,
            on_merged=linking.on_merged,
            on_deleted=linking.on_deleted,
            on_revived=linking.on_revived,
        )
