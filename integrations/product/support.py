"""What health scores and task rules ask of the mirror: the cases of accounts, once a score or a rule uses them (PX-42)."""

from collections.abc import Iterable

from integrations.models import SalesforceOrg
from integrations.orgs.posture import Need as AccessNeed
from integrations.product import signals
from integrations.product.models import HealthScore, TaskRule
from integrations.sync.mirror.needs import Need

NAME, DOMAIN = "product.support", "product"
MONTHS = 12  # of the first read: older cases that nobody has touched since say little about a customer today


def needs_of_support(org: SalesforceOrg) -> Iterable[Need]:
    """Cases, while an active score or rule of this connection uses support data."""
    if uses_cases(org):
        yield Need(DOMAIN, signals.CASE, signals.CASE_FIELDS, since_months=MONTHS)


def uses_cases(org: SalesforceOrg) -> bool:
    """Whether anything that is active counts cases of this connection."""
    if not org.product_enabled:
        return False
    scores = HealthScore.objects.filter(org=org, state=HealthScore.State.ACTIVE).values_list("parts", flat=True)
    rules = TaskRule.objects.filter(org=org, state=TaskRule.State.ACTIVE).values_list("conditions", flat=True)
    named = (each.get("signal", "") for parts in (*scores, *rules) for each in parts)
    return signals.uses_support(list(named))


def access_need() -> AccessNeed:
    """The integration user must be able to read cases where they count."""
    why = "Support data of health scores and task rules"
    return AccessNeed(signals.CASE, ("AccountId", "IsClosed"), why, enabled=uses_cases)
