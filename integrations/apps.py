"""The ground floor: connections, ledger, engine. Knows no domain."""

from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"
    verbose_name = "Connections and runs"
