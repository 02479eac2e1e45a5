"""The fields that conditions and columns may name: product columns, attributes, KPIs, links, activity, other segments."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from integrations.access import Person
from integrations.masking import hide_people, may_see_people
from integrations.models import Attribute, Entity, SalesforceOrg
from integrations.product.kpis import catalog, registry
from integrations.product.models.features import Feature
from integrations.product.models.segments import Segment
from integrations.product.segments.fieldtypes import (
    ACTIVITY,
    ATTRIBUTE,
    CUSTOMER,
    EVENTS,
    FEATURES,
    ID,
    KPI,
    LINKED,
    MEMBERSHIP,
    SALESFORCE_ID,
    SEGMENT,
    Field,
    Known,
    SegmentRef,
)
from integrations.sync.mapping.catalogue import COLUMNS
from integrations.sync.mapping.types import BOOLEAN, NUMBER
from integrations.sync.matching.incoming import ATTRIBUTE_KEY

PERSONAL = frozenset(("email", "phone"))
PRODUCT, ATTRIBUTES, KPIS, SALESFORCE, USE = "Product fields", "Attributes", "KPIs", "Salesforce", "Use and segments"


def know(entity: str) -> Known:
    """Everything that conditions over an entity may name, read from the database (four small queries)."""
    features = list(Feature.objects.filter(active=True))
    orgs = list(SalesforceOrg.objects.exclude(state=SalesforceOrg.State.NEW).order_by("name"))
    attributes = list(Attribute.objects.order_by("label", "key"))
    fields = list(_fields(entity, attributes, features, orgs))
    if entity == Entity.END_USER:
        customers = _fields(Entity.CUSTOMER, attributes, features, orgs)
        fields += [replace(each, key=CUSTOMER + each.key, label=f"Customer: {each.label}") for each in customers]
    refs = {each.pk: SegmentRef(each.pk, each.name, each.entity, each.conditions) for each in Segment.objects.all()}
    return Known(str(entity), {each.key: each for each in fields}, refs)


def known_for(user: Person | None, entity: str) -> Known:
    """What this person may name: without the addresses of people for roles that may not see those (S-115)."""
    return visible_to(user, know(entity))


def visible_to(user: Person | None, known: Known) -> Known:
    """The part of what conditions may name that this person may name."""
    if user is None or may_see_people(user):
        return known
    withheld = frozenset(key for key, each in known.fields.items() if each.personal)
    return replace(known, fields={key: each for key, each in known.fields.items() if key not in withheld}, withheld=withheld)


def words_for(user: Person, words: str) -> str:
    """Conditions in words, addresses of people hidden from roles that may not see those."""
    return words if may_see_people(user) else hide_people(words)


def feature_ids() -> dict[str, int]:
    """The numbers of features by key: the roll-up names its columns by them."""
    return dict(Feature.objects.filter(active=True).values_list("key", "id"))


def _fields(
    entity: str, attributes: Iterable[Attribute], features: list[Feature], orgs: list[SalesforceOrg]
) -> Iterator[Field]:
    for each in COLUMNS[entity]:
        yield Field(each.key, each.label, each.type, PRODUCT, each.description, personal=each.key in PERSONAL)
    for each in attributes:
        if each.entity == entity and ATTRIBUTE_KEY.match(each.key):  # keys become paths into JSON
            group = f"{ATTRIBUTES} from Salesforce" if each.pulled else ATTRIBUTES
            yield Field(f"{ATTRIBUTE}{each.key}", each.label, each.type, group, each.description, pulled=each.pulled)
    if entity == Entity.CUSTOMER:
        for column in registry.columns_for(catalog.offered_of(features)):
            zero = column.kpi.unit == registry.COUNT
            yield Field(f"{KPI}{column.key}", column.label, NUMBER, KPIS, column.definition, zero=zero)
    yield from _links(entity, orgs)
    yield Field(EVENTS, "Event", ACTIVITY, USE, "An event happened at least so often in the last days.")
    if features:
        yield Field(FEATURES, "Feature", ACTIVITY, USE, "A feature was used at least so often in the last days.")
    yield Field(MEMBERSHIP, "Segment", SEGMENT, USE, "Is, or is not, in another segment.")


def _links(entity: str, orgs: list[SalesforceOrg]) -> Iterator[Field]:
    """Links with any connection; with each one by itself where there are several."""
    record = "Account" if entity == Entity.CUSTOMER else "Contact"
    yield Field(LINKED, f"Linked to a Salesforce {record.lower()}", BOOLEAN, SALESFORCE, "An active link, in any connection.")
    yield Field(SALESFORCE_ID, f"Salesforce {record.lower()} id", ID, SALESFORCE, "Known ids, suspended links too.")
    if len(orgs) > 1:
        for org in orgs:
            yield Field(f"{LINKED}@{org.pk}", f"Linked in {org.name}", BOOLEAN, SALESFORCE, org=org.pk)
            yield Field(f"{SALESFORCE_ID}@{org.pk}", f"Salesforce id in {org.name}", ID, SALESFORCE, org=org.pk)
