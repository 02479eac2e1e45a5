"""What may stand in the header line of an upload."""

from integrations.demo_org.schema.types import ObjectType, Schema

DELETES = frozenset({"delete", "hardDelete"})


def find_header_problem(header: list[str], *, kind: ObjectType, schema: Schema, operation: str) -> str:
    """The reason why the whole job fails (its errorMessage), or nothing.

    Names are field names in any case, or `Relationship.ExternalId__c`, or `Object:Relationship.ExternalId__c`.
    """
    lowered = [name.lower() for name in header]
    if operation in DELETES and lowered != ["id"]:
        return "InvalidBatch : A delete batch must contain only the column Id"
    for name in header:
        if not knows_column(name, kind=kind, schema=schema):
            return f"InvalidBatch : Field name not found : {name}"
    twice = next((name for position, name in enumerate(header) if name.lower() in lowered[:position]), None)
    return f"InvalidBatch : Duplicate field name : {twice}" if twice is not None else ""


def knows_column(name: str, *, kind: ObjectType, schema: Schema) -> bool:
    """Whether a header names a field of the object or the external id of a parent."""
    if kind.find(name) is not None:
        return True
    path, dot, key = name.partition(".")
    target, _, relationship = path.rpartition(":")
    made = kind.by_relationship(relationship)
    if not dot or made is None:
        return False
    parents = [schema.find(each) for each in ([target] if target else made.reference_to)]
    found = [parent.find(key) for parent in parents if parent is not None and parent.name in made.reference_to]
    return any(each is not None and (each.external_id or each.id_lookup) for each in found)
