"""What the connected user sees of an org: its objects, and how they are described (each asked at most once an hour)."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.core.cache import cache

from integrations.models import SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce.client import Client
from integrations.salesforce.describe import ObjectInfo
from integrations.salesforce.errors import InvalidType, NotFound
from integrations.sync.mirror.describing import describe_object

DOMAIN = "analytics"
KEPT = 3600  # seconds


@dataclass(frozen=True, slots=True)
class Listed:
    """One object as the list of objects names it."""

    name: str
    label: str
    custom: bool


def list_objects(org: SalesforceOrg, *, client: Client | None = None) -> list[Listed]:
    """Objects that can be read, by label; custom settings, history and sharing rows are left out. One call an hour."""
    key = f"analytics-objects:{org.pk}:{org.generation}:{org.user_id}"
    found: list[tuple[str, str, bool]] | None = cache.get(key)
    if found is None:
        if client is None:
            with client_for(org, domain=DOMAIN) as own:
                return list_objects(org, client=own)
        found = [
            (str(each["name"]), str(each.get("label") or each["name"]), bool(each.get("custom")))
            for each in client.list_objects()
            if each.get("queryable") and not each.get("customSetting")
        ]
        cache.set(key, found, KEPT)
    return sorted((Listed(*each) for each in found), key=lambda each: (each.label.casefold(), each.name))


def describe_objects(
    org: SalesforceOrg, names: Iterable[str], *, client: Client | None = None, fresh: bool = False
) -> dict[str, ObjectInfo]:
    """These objects as the connected user sees them, by Salesforce's spelling; those that the user does not see are missing.

    Raises `Refusal` when the connection is not connected, and errors of the wire.
    """
    wanted = list(dict.fromkeys(names))
    if not wanted:
        return {}
    if client is None:
        with client_for(org, domain=DOMAIN) as own:
            return describe_objects(org, wanted, client=own, fresh=fresh)
    known = {each.name.lower(): each.name for each in list_objects(org, client=client)}
    found = {}
    for name in wanted:
        spelled = known.get(name.lower())
        if spelled is None:
            continue
        try:
            found[spelled] = describe_object(org, client, spelled, fresh=fresh)
        except (NotFound, InvalidType):
            continue
    return found
