"""Key results that update themselves from Salesforce reports."""

from django.apps import AppConfig


class OkrConfig(AppConfig):
    name = "okr"
    verbose_name = "Objectives and key results"

    def ready(self) -> None:
        """Make the jobs known; models are loaded only now."""
        from integrations import undo
        from integrations.sync import jobs
        from okr import alert_kinds, refresh, undoing

        alert_kinds.register_kinds()

        jobs.register(
            jobs.Job(
                refresh.JOB,
                "Key result refresh",
                refresh.DOMAIN,
                refresh.perform,
                enabled=lambda org: org.okr_enabled,
                retry_rows=True,
            )
        )
        jobs.register(
            jobs.Job(refresh.ONE_REPORT_JOB, "Report refresh by hand", refresh.DOMAIN, refresh.perform_one_report, by_hand=True)
        )
        for name, verb in undoing.VERBS.items():
            undo.register(name, verb)
