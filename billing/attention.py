"""What of billing waits for a person: each question a fixed number of statements for each connection."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min

from billing import preflight
from billing.models import AccountLink, BillingCustomer, BillingSettings
from integrations.models import SalesforceOrg


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many things of one connection wait, and since when (UTC) if that is known."""

    org: SalesforceOrg
    rows: int
    since: datetime | None = None
    words: str = ""


def lacking(orgs: Iterable[SalesforceOrg]) -> list[Waiting]:
    """Those of `orgs` in which objects or fields that billing writes are missing, as of the last check."""
    found = []
    for org in orgs:
        settings: BillingSettings | None = getattr(org, "billing", None)
        if settings is None or not org.billing_enabled or not org.is_connected or settings.checked_at is None:
            continue
        lacks = preflight.read_lacks(settings)
        if lacks:
            found.append(Waiting(settings.org, len(lacks), settings.checked_at, f"{lacks[0].message} {lacks[0].fix}"))
    return found


def deleted_accounts() -> list[Waiting]:
    """Links of billing customers to accounts that were deleted in Salesforce, by connection."""
    rows = AccountLink.objects.filter(state=AccountLink.State.SUSPENDED, org__billing_enabled=True).order_by()
    groups = list(rows.values("org").annotate(n=Count("pk"), since=Min("changed_at")))
    orgs = SalesforceOrg.objects.in_bulk([each["org"] for each in groups])
    return [Waiting(orgs[each["org"]], each["n"], each["since"]) for each in groups if each["org"] in orgs]


def unlinked() -> list[Waiting]:
    """Billing customers without an account in each connection that billing writes to."""
    orgs = SalesforceOrg.objects.filter(billing_enabled=True, billing__prefix_known=True, state=SalesforceOrg.State.CONNECTED)
    total = BillingCustomer.objects.filter(deleted_at=None).count()
    linked = AccountLink.objects.filter(state=AccountLink.State.ACTIVE, customer__deleted_at=None).order_by()
    counts = dict(linked.values_list("org").annotate(n=Count("customer", distinct=True)).values_list("org", "n"))
    found = [Waiting(org, total - counts.get(org.pk, 0)) for org in orgs]
    return [each for each in found if each.rows > 0]


def left_over(*, now: datetime) -> list[Waiting]:
    """Records that Salesforce still has and that nothing in scope has any more. Reads the lake: for the worker only."""
    from billing.leftovers import find_leftovers  # loads Arrow

    orgs = SalesforceOrg.objects.filter(billing_enabled=True, billing__prefix_known=True, state=SalesforceOrg.State.CONNECTED)
    found = [Waiting(org, sum(each.rows for each in find_leftovers(org, now=now))) for org in orgs]
    return [each for each in found if each.rows]
