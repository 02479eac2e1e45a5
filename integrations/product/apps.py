"""Product-experience sync stands on the ground floor and registers with it what it offers."""

from django.apps import AppConfig


class ProductConfig(AppConfig):
    name = "integrations.product"
    label = "product"
    verbose_name = "Product experience"

    def ready(self) -> None:
        """Make jobs, sources, needs and outbox kinds known; models are loaded only now."""
        from integrations.orgs.posture import register_need
        from integrations.product import alert_kinds, registering
        from integrations.product.engagements import counting, recording
        from integrations.product.ingest import flush, listeners
        from integrations.product.knowledge import sources as knowledge
        from integrations.product.kpis import engagement_counts, values
        from integrations.product.kpis import job as kpis
        from integrations.product.segments import counting as segments
        from integrations.sync import jobs
        from integrations.sync.mapping import catalogue

        alert_kinds.register_kinds()
        jobs.register(jobs.Job(flush.JOB, flush.LABEL, flush.DOMAIN, flush.perform, per_org=False))
        jobs.register(jobs.Job(kpis.JOB, kpis.LABEL, kpis.DOMAIN, kpis.perform, per_org=False))
        jobs.register(jobs.Job(segments.JOB, segments.LABEL, segments.DOMAIN, segments.perform, per_org=False))
        catalogue.register_sources("customer", values.source_fields, values.for_push)
        if recording.record_actions not in listeners.on_engagement:
            listeners.on_engagement.append(recording.record_actions)
        engagement_counts.register_counts(counting.active_by_customer, counting.shown_by_customer)
        registering.register()
        register_need(knowledge.posture_need())
