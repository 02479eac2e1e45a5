"""Provisioning: deals become subscriptions, subscriptions become entitlements."""

from django.apps import AppConfig


class ProvisioningConfig(AppConfig):
    name = "provisioning"
    verbose_name = "Provisioning"

    def ready(self) -> None:
        """Make jobs, outbox kinds and hooks known; models are loaded only now."""
        from provisioning import alert_kinds, registering

        alert_kinds.register_kinds()
        registering.register()
