"""What pages that join domains show of provisioning."""

from datetime import datetime

from integrations.models import Customer
from provisioning.models import Subscription
from provisioning.subscriptions.naming import Zones
from provisioning.subscriptions.showing import Shown, shown, with_terms

MOST = 20


def subscriptions_of(customer: Customer, *, now: datetime) -> list[Shown]:
    """A customer's subscriptions, newest first."""
    zones = Zones()
    rows = with_terms(Subscription.objects.filter(customer=customer).order_by("-id"))[:MOST]
    return [shown(each, now=now, zones=zones) for each in rows]
