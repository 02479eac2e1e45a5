"""What analytics asks of the mirror: objects and fields of the attribute map, once somebody has started it (FZ-07, I-23)."""

from collections.abc import Iterable

from analytics.attributes.authoring import current_map
from analytics.attributes.body import MapBody, fields_needed
from analytics.attributes.catalogue import PERSONAL
from analytics.models import AnalyticsSettings
from integrations.models import SalesforceOrg
from integrations.sync.mirror.needs import Need

NAME = DOMAIN = "analytics"
FIRST_MONTHS = 12
"""The first read takes the newest year, so that results come early; older records follow by themselves (FZ-D6)."""


def needs_of(org: SalesforceOrg) -> Iterable[Need]:
    """One need an object, while analytics is switched on, started, and has a map. Asks Salesforce nothing.

    Of contacts that is their id and account, unless e-mail or phone are mapped (FZ-D13).
    """
    if not is_started(org):
        return
    found = current_map(org)
    if found is None:
        return
    secret = hashed_fields(org, found[0])
    for name, fields in fields_needed(found[0]).items():
        hashed = tuple(field for field in fields if (name, field) in secret)
        yield Need(DOMAIN, name, fields, since_months=FIRST_MONTHS, hashed=hashed)


def hashed_fields(org: SalesforceOrg, body: MapBody) -> set[tuple[str, str]]:
    """Fields of contacts, by object and name, of which only digests are kept (FZ-D13): those that hold nothing else mapped."""
    if not AnalyticsSettings.objects.filter(org=org, hash_contacts=True).exists():
        return set()
    return {
        (each.holder, field)
        for key in PERSONAL if (source := body.get(key)) is not None
        for each in source.chain() for field in each.fields
    }  # fmt: skip


def is_started(org: SalesforceOrg) -> bool:
    """Whether somebody pressed the one button, and analytics is switched on in the connection."""
    return org.analytics_enabled and AnalyticsSettings.objects.filter(org=org, started_at__isnull=False).exists()
