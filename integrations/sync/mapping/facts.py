"""What exists now, gathered for the checks: product fields, the described object, what other connections fill already."""

from collections.abc import Iterable

from django.core.cache import cache

from integrations.models import Mapping, MappingVersion, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce.describe import ObjectInfo
from integrations.salesforce.errors import InvalidType, NotFound
from integrations.sync.mapping.body import ATTRIBUTE, OBJECT_OF, PULL
from integrations.sync.mapping.catalogue import customers_only, source_fields
from integrations.sync.mapping.check import CUSTOM_OBJECT, Known, know
from integrations.sync.mirror.describing import describe_object

DOMAIN = "product"
"""Who pays for the calls, and whose switch on the connection stops them."""
OBJECTS_KEPT = 3600  # seconds


def know_object(org: SalesforceOrg, entity: str, object_name: str, *, fresh: bool = False) -> Known:
    """The facts for one entity and object. Raises `NotConnected` and errors of the wire; an unseen object is `info=None`."""
    info = describe(org, object_name, fresh=fresh)
    return know_with(org, entity, info)


def know_with(org: SalesforceOrg, entity: str, info: ObjectInfo | None) -> Known:
    """The facts around an object that was described already."""
    elsewhere, only = filled_elsewhere(org, entity), customers_only(org, entity)
    return know(source_fields(org, entity), info, filled_elsewhere=elsewhere, customers_only=only)


def describe(org: SalesforceOrg, object_name: str, *, fresh: bool = False) -> ObjectInfo | None:
    """The object as the connected user sees it; None when there is none such for that user."""
    if object_name not in OBJECT_OF.values() and not CUSTOM_OBJECT.match(object_name):
        return None
    with client_for(org, domain=DOMAIN) as client:
        try:
            return describe_object(org, client, object_name, fresh=fresh)
        except (NotFound, InvalidType):
            return None


def filled_elsewhere(org: SalesforceOrg, entity: str) -> dict[str, str]:
    """Attributes that the mapping of another connection pulls into, with that connection's name (R-123)."""
    found: dict[str, str] = {}
    others = Mapping.objects.filter(entity=entity, version__gt=0).exclude(org=org).select_related("org").order_by("org__name")
    bodies = {each.mapping_id: each for each in newest_versions(others)}
    for mapping in others:
        for pair in bodies[mapping.pk].body.get("pairs", []) if mapping.pk in bodies else ():
            if pair.get("direction") == PULL and str(pair.get("source", "")).startswith(ATTRIBUTE):
                found.setdefault(pair["source"].removeprefix(ATTRIBUTE), mapping.org.name)
    return found


def newest_versions(mappings: Iterable[Mapping]) -> list[MappingVersion]:
    """The version in force of each, in one query."""
    wanted = {each.pk: each.version for each in mappings}
    rows = MappingVersion.objects.filter(mapping__in=list(wanted), number__in=set(wanted.values()))
    return [each for each in rows if wanted[each.mapping_id] == each.number]


def objects_for(org: SalesforceOrg, entity: str) -> list[tuple[str, str]]:
    """API name and label of what may stand for the entity: the standard object, then custom ones by label (PX-08, PX-45)."""
    key = f"mapping-objects:{org.pk}:{org.generation}:{org.user_id}"
    objects = cache.get(key)
    if objects is None:
        with client_for(org, domain=DOMAIN) as client:
            objects = [_listed(each) for each in client.list_objects() if each.get("queryable")]
        cache.set(key, objects, OBJECTS_KEPT)
    standard = [(name, label) for name, label, _ in objects if name == OBJECT_OF[entity]]
    custom = [(name, label) for name, label, setting in objects if CUSTOM_OBJECT.match(name) and not setting]
    return standard + sorted(custom, key=lambda each: (each[1].casefold(), each[0]))


def _listed(each: dict[str, object]) -> tuple[str, str, bool]:
    name = str(each["name"])
    return name, str(each.get("label") or name), bool(each.get("customSetting"))
