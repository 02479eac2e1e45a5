"""How analyses get at facts: tables bound to an engine by their plain names (`subjects`, `spans`, `movements`, ...)."""

from typing import TYPE_CHECKING

from analytics.facts import tables
from analytics.models import AnalyticsSettings, FactsState
from integrations.access import Refusal
from integrations.models import SalesforceOrg

if TYPE_CHECKING:
    from integrations.lake.engine import Engine


def bind(engine: "Engine", org: SalesforceOrg, *names: str) -> None:
    """Give these tables of facts to the engine under their own names."""
    for name in names:
        engine.bind(name, tables.facts(org, name))


def state_of(org: SalesforceOrg) -> FactsState:
    """How the facts stand; `Refusal` no_facts before the first computation."""
    found = FactsState.objects.filter(org=org).first()
    if found is None:
        raise Refusal("no_facts", f"The facts of {org} have not been computed yet; start the sync of analytics first.")
    return found


def settings_of(org: SalesforceOrg) -> AnalyticsSettings:
    """Settings of a connection; defaults, not stored, while nobody made any."""
    return AnalyticsSettings.objects.filter(org=org).first() or AnalyticsSettings(org=org)
