"""One ready client for each connection and process: connections to Salesforce stay open between calls, deadlines are short.

A deal is read while somebody waits, so a call is tried twice at most and never for long; what does not answer is taken up by
the worker. Whether the connection may still be used is looked up every two seconds by the client itself (I-17).
"""

import os
import threading
from collections import OrderedDict
from datetime import datetime, timedelta

from django.core.cache import cache

from integrations.models import SalesforceOrg
from integrations.orgs.connect import OrgClient, client_for
from integrations.orgs.states import NotConnected
from integrations.salesforce.client import Deadlines, Retry
from integrations.salesforce.errors import SalesforceError
from integrations.sync.mirror import describing
from provisioning.connection import DOMAIN
from provisioning.models import ProvisioningSettings

MOST = 50  # connections of one process
CALLS = timedelta(days=1)
DESCRIBED = 3_000  # seconds; descriptions are kept for an hour
OBJECTS = ("Opportunity", "OpportunityLineItem", "Product2", "PricebookEntry", "Account", "Contract")
DEADLINES = Deadlines(connect=3.0, read=10.0, overall=15.0)
RETRY = Retry(tries=2, first_wait=0.2, longest_wait=1.0, patience=2.0, total=20.0)
_clients: OrderedDict[tuple[int, int, int, int, str], OrgClient] = OrderedDict()
_lock = threading.Lock()


def client_of(org: SalesforceOrg) -> OrgClient:
    """The client of this process for a connection; a new one after a disconnect, a fork or a move. Raises `NotConnected`."""
    made_at = int(org.created_at.timestamp() * 1000)  # another connection may get the same number
    key = (os.getpid(), org.pk, made_at, org.generation, org.instance_url)
    with _lock:
        found = _clients.get(key)
        if found is not None:
            _clients.move_to_end(key)
            return found
    made = client_for(org, domain=DOMAIN)
    made.transport.deadlines, made.transport.retry = DEADLINES, RETRY
    with _lock:
        found = _clients.setdefault(key, made)
        while len(_clients) > MOST:
            _clients.popitem(last=False)  # its connections close once nobody uses it
    return found


def keep_described(settings: ProvisioningSettings, *, now: datetime) -> int:
    """Look at the objects of a deal before what is remembered of them ends, so that no call waits for it; how many were asked.

    Only where an org calls us, and once in fifty minutes for all processes.
    """
    org = settings.org
    if settings.last_callout_at is None or now - settings.last_callout_at > CALLS:
        return 0
    if not cache.add(f"provisioning:described:{org.pk}:{org.created_at.timestamp():.6f}:{org.generation}", 1, DESCRIBED):
        return 0
    asked = 0
    for name in OBJECTS:
        try:
            describing.describe_object(org, client_of(org), name, fresh=True)
            asked += 1
        except (SalesforceError, NotConnected):
            continue
    return asked


def forget() -> None:
    """Forget all clients (tests begin anew with the same keys)."""
    with _lock:
        _clients.clear()
