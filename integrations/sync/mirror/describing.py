"""What an object of a connection looks like, asked at most once an hour (R-057). The mirror, mapping and outbox share it.

The describe is kept in Django's cache, which all processes share; who meets INVALID_FIELD forgets it and asks again.
"""

import zlib

import orjson
from django.core.cache import cache

from integrations.models import SalesforceOrg
from integrations.salesforce.client import Client
from integrations.salesforce.describe import ObjectInfo, read_object

KEPT_SECONDS = 3600  # at most an hour


def describe_object(org: SalesforceOrg, client: Client, name: str, *, fresh: bool = False) -> ObjectInfo:
    """The object as the connected user sees it; one call when it is not known or `fresh` is asked for.

    Raises `NotFound` or `InvalidType` when the user sees no such object.
    """
    key = _key(org, name)
    known = None if fresh else cache.get(key)
    if known is not None:
        return read_object(orjson.loads(zlib.decompress(known)))
    data = client.describe(name)
    info = read_object(data)
    cache.set(key, zlib.compress(orjson.dumps(data, default=str), 1), KEPT_SECONDS)
    return info


def forget_description(org: SalesforceOrg, name: str) -> None:
    """Drop what is known of an object: Salesforce just contradicted it (R-057)."""
    cache.delete(_key(org, name))


def _key(org: SalesforceOrg, name: str) -> str:
    """Each authorization has its own: another user may see other fields, another connection may get the same number."""
    made = int(org.created_at.timestamp() * 1000)
    return f"describe:{org.pk}:{made}:{org.generation}:{org.user_id}:{name.lower()}"
