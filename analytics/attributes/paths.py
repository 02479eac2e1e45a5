"""Ways along lookups from the records of an object to their account. Pure."""

from collections.abc import Iterable, Mapping

from analytics.attributes.body import ACCOUNT, Step
from integrations.salesforce.describe import FieldInfo, ObjectInfo

MOST_STEPS = 3
MOST_PATHS = 8
BRIDGES = ("Contact", "Lead", "Opportunity", "Order", "Contract", "Asset", "Case", "Quote", "Campaign", "Product2")
"""Standard objects that lead on: to an account, or to what is sold."""
USUAL = {"AccountId": 0, "Account__c": 1, "OpportunityId": 2, "OrderId": 2, "ContractId": 3, "ContactId": 4,
         "ConvertedAccountId": 5, "LeadId": 6}  # fmt: skip
"""Lookups that nearly always name whose a record is; others are taken only where there is no such."""
HIERARCHY = frozenset(("ParentId", "MasterRecordId", "RootAssetId", "OriginalOrderId", "OriginalOrderItemId"))


def lookups(info: ObjectInfo) -> list[FieldInfo]:
    """Lookups to one object that the mirror can hold, the usual ones first."""
    found = [each for each in info.fields if each.type == "reference" and each.reference_to and not each.is_polymorphic]
    return sorted((each for each in found if each.name not in HIERARCHY), key=_rank)


def _rank(field: FieldInfo) -> tuple[int, str]:
    return USUAL.get(field.name, 2 if field.reference_to == (ACCOUNT,) else 9), field.name


def find_paths(objects: Mapping[str, ObjectInfo], start: str) -> list[tuple[Step, ...]]:
    """Paths from `start` to Account, shortest and most usual first; [()] for Account itself, [] when there is none."""
    if start == ACCOUNT:
        return [()]
    found: list[tuple[Step, ...]] = []
    ways: list[tuple[Step, ...]] = [()]
    for _ in range(MOST_STEPS):
        longer: list[tuple[Step, ...]] = []
        for way in ways:
            for step in _steps_from(objects, start, way):
                if step.object == ACCOUNT:
                    found.append((*way, step))
                else:
                    longer.append((*way, step))
        ways = longer
        if len(found) >= MOST_PATHS:
            break
    return found[:MOST_PATHS]


def _steps_from(objects: Mapping[str, ObjectInfo], start: str, way: tuple[Step, ...]) -> Iterable[Step]:
    at = way[-1].object if way else start
    info = objects.get(at)
    seen = {start, *(step.object for step in way)}
    for field in lookups(info) if info is not None else ():
        target = field.reference_to[0]
        if target == ACCOUNT or (target in objects and target not in seen and target in _may_bridge(objects)):
            yield Step(field.name, target)


def _may_bridge(objects: Mapping[str, ObjectInfo]) -> set[str]:
    return {name for name, info in objects.items() if name in BRIDGES or info.custom}


def choose_paths(objects: Mapping[str, ObjectInfo], start: str) -> tuple[tuple[Step, ...], tuple[Step, ...]] | None:
    """The path to take and the one to take where that ends in nothing; None when no account can be reached.

    A second path is taken only where a record is one of two things: a campaign member is a contact or a lead.
    """
    found = find_paths(objects, start)
    if not found:
        return None
    first = found[0]
    if not first:
        return (), ()
    other = next((each for each in found[1:] if each[0].object == "Lead" and first[0].object == "Contact"), ())
    return first, other


def words_of(path: Iterable[Step], start: str) -> str:
    """A path as people read it: CampaignMember > Contact > Account."""
    return " > ".join([start, *(step.object for step in path)])
