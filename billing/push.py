"""The job `billing.push` (MT-14, daily at 07:00 UTC and on demand). Light to import; its work is in `pushing`."""

from billing.models import BillingCustomer, Plan
from integrations.models import SalesforceOrg
from integrations.sync.runs import Recorder

JOB, LABEL = "billing.push", "Billing objects to Salesforce"


REMOVE_JOB, REMOVE_LABEL = "billing.remove", "Removal of records out of scope"


def is_enabled(org: SalesforceOrg) -> bool:
    """Whether the timetable starts it: switched on, and somebody is billed or a plan is known."""
    return org.billing_enabled and (BillingCustomer.objects.exists() or Plan.objects.exists())


def perform(recorder: Recorder) -> None:
    """Preflight, links, then one push for each object."""
    from billing import pushing  # loads Arrow

    pushing.perform(recorder)


def perform_removal(recorder: Recorder) -> None:
    """What left the scope is deleted in Salesforce, because a person asked for it (MT-D2)."""
    from billing import leftovers  # loads Arrow

    leftovers.perform(recorder)
