"""Analytics: what goes with revenue, retention and upgrades."""

from django.apps import AppConfig


class AnalyticsConfig(AppConfig):
    name = "analytics"
    verbose_name = "Analytics"

    def ready(self) -> None:
        """Make jobs, needs, kinds of analyses and outbox kinds known; models are loaded only now."""
        from analytics import registering

        registering.register()
