"""The objects of the demo org: Salesforce's own and those that the demo company added."""

from integrations.demo_org.schema.catalogue import (
    automation,
    custom,
    definitions,
    marketing,
    people,
    product,
    sales,
    service,
    setup,
)
from integrations.demo_org.schema.types import ObjectType

SUBJECTS = (people, sales, product, service, marketing, setup, automation, definitions, custom)


def standard_objects() -> list[ObjectType]:
    """Every object of the org, in no particular order; names and key prefixes are unique (but for shared history prefixes)."""
    return [each for subject in SUBJECTS for each in subject.objects()]
