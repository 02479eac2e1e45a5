"""Which fields of a deal anybody asks about: those of conditions and those of request templates."""

from collections.abc import Iterable

from integrations.models import SalesforceOrg
from provisioning.automations.placeholders import fields_in
from provisioning.models import Automation


def fields_needed(org: SalesforceOrg) -> tuple[str, ...]:
    """Fields that the connection's automations look at: `Amount`, `Account.Industry`."""
    rows = Automation.objects.filter(org=org)
    return tuple(dict.fromkeys(name for each in rows for name in fields_of(each)))


def fields_of(automation: Automation) -> Iterable[str]:
    """The fields of one automation."""
    conditions = [str(each.get("field") or "") for each in automation.conditions if isinstance(each, dict)]
    return [name for name in (*conditions, *fields_in(automation.callout)) if name]
