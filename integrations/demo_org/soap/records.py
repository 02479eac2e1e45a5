"""The record calls that only SOAP has: merge(), undelete(), emptyRecycleBin(), convertLead()."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element

from integrations.demo_org import consequences, derived, merging, saving
from integrations.demo_org.errors import ApiError
from integrations.demo_org.lookups import find_ids, normalize_id
from integrations.demo_org.org import Caller
from integrations.demo_org.rows import RowResult
from integrations.demo_org.soap.envelopes import Fault, child_text, child_texts, children, local_name

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

MOST_IDS = 200
EMPTY = "emptyRecycleBin"
NO_ENTRY = "Invalid record id; no recycle bin entry found"
NOT_FIELDS = frozenset({"type", "Id", "fieldsToNull"})


def merge(org: "DemoOrg", caller: Caller, operation: Element) -> list[dict[str, Any]]:
    """merge(): one result for each request (a master record with the values it keeps, and up to two others)."""
    return [_merge_one(org, caller, request) for request in operation]  # clients differ in what they call the request


def undelete(org: "DemoOrg", caller: Caller, operation: Element) -> list[dict[str, Any]]:
    """undelete(): records come back from the recycle bin."""
    return _by_object(org, caller, child_texts(operation, "ids"), "undelete")


def empty_recycle_bin(org: "DemoOrg", caller: Caller, operation: Element) -> list[dict[str, Any]]:
    """emptyRecycleBin(): deleted records are gone for good."""
    return _by_object(org, caller, child_texts(operation, "ids"), EMPTY)


def convert_lead(org: "DemoOrg", caller: Caller, operation: Element) -> list[dict[str, Any]]:
    """convertLead(): each lead becomes an account, a contact and (unless refused) an opportunity."""
    return [_convert_one(org, caller, each) for each in children(operation, "leadConverts")]


def _merge_one(org: "DemoOrg", caller: Caller, request: Element) -> dict[str, Any]:
    master = children(request, "masterRecord")
    if not master:
        raise Fault("INVALID_FIELD", "masterRecord is missing", kind="InvalidFieldFault")
    kept, master_id = _values(master[0]), child_text(master[0], "Id")
    losers = child_texts(request, "recordToMergeIds")
    try:
        moved = merging.merge_records(
            org, caller, child_text(master[0], "type"), master=master_id, losers=losers, fields=kept or None
        )
    except ApiError as problem:
        return {"errors": [_error(problem.code, problem.message, ())], "id": None, "success": False}
    merged = [normalize_id(each) or each for each in losers]
    return {"id": normalize_id(master_id), "mergedRecordIds": merged, "success": True, "updatedRelatedIds": moved}


def _by_object(org: "DemoOrg", caller: Caller, ids: list[str], operation: str) -> list[dict[str, Any]]:
    """Apply an operation to ids of any objects; results in the order of the ids."""
    if len(ids) > MOST_IDS:
        raise Fault("EXCEEDED_ID_LIMIT", f"record limit reached. cannot submit more than {MOST_IDS} records into this call")
    results: list[dict[str, Any]] = []
    for each in ids:
        record_id = normalize_id(each)
        kind = org.schema_for(caller).by_prefix(record_id) if record_id else None
        if record_id is None or kind is None:
            problem = _error("MALFORMED_ID" if record_id is None else "INVALID_ID_FIELD", f"bad id {each}", ("Id",))
            results.append({"errors": [problem], "id": None, "success": False})
            continue
        if operation == EMPTY and not find_ids(org.store.read(), kind, [record_id]).get(record_id):
            results.append({"errors": [_error("INVALID_ID_FIELD", NO_ENTRY, ("Id",))], "id": None, "success": False})
            continue
        try:
            wanted = "hardDelete" if operation == EMPTY else operation
            saved = saving.save(org, caller, kind.name, [{"Id": record_id}], operation=wanted)[0]
        except ApiError as refusal:
            results.append({"errors": [_error(refusal.code, refusal.message, ())], "id": None, "success": False})
            continue
        results.append(_result(saved, record_id))
    return results


def _convert_one(org: "DemoOrg", caller: Caller, wish: Element) -> dict[str, Any]:
    """Create what is missing, then mark the lead; nothing of it stays if a part fails."""
    lead_id = normalize_id(child_text(wish, "leadId")) or ""
    try:
        with org.store.write() as connection:
            lead = _open_lead(connection, lead_id)
            owner = child_text(wish, "ownerId") or lead["OwnerId"] or caller.user_id
            account = child_text(wish, "accountId") or _create(
                org, caller, "Account", {"Name": lead["Company"] or lead["LastName"], "OwnerId": owner}
            )
            person = {"LastName": lead["LastName"], "FirstName": lead["FirstName"], "Email": lead["Email"]}
            contact = child_text(wish, "contactId") or _create(
                org, caller, "Contact", {**person, "AccountId": account, "OwnerId": owner}
            )
            opportunity = None if child_text(wish, "doNotCreateOpportunity") == "true" else _opportunity(
                org, caller, wish, lead, account=account, owner=owner
            )  # fmt: skip
            _mark(org, connection, lead_id, wish, made=(account, contact, opportunity))
    except ApiError as problem:
        failure = {"accountId": None, "contactId": None, "errors": [_error(problem.code, problem.message, ())]}
        return {**failure, "leadId": lead_id, "opportunityId": None, "success": False}
    return {"accountId": account, "contactId": contact, "leadId": lead_id, "opportunityId": opportunity, "success": True}


def _open_lead(connection: Any, lead_id: str) -> Mapping[str, Any]:
    """The lead's columns; ApiError if it cannot be converted."""
    cursor = connection.execute("SELECT * FROM Lead WHERE Id = ? AND IsDeleted = 0", (lead_id,))
    row = cursor.fetchone()
    if row is None:
        raise ApiError(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    lead = dict(zip([each[0] for each in cursor.description], row, strict=True))
    if lead["IsConverted"]:
        raise ApiError(400, "CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
    return lead


def _opportunity(org: "DemoOrg", caller: Caller, wish: Element, lead: Mapping[str, Any], *, account: str, owner: str) -> str:
    """The opportunity of a converted lead; like Salesforce it closes on the last day of the quarter."""
    today = org.clock.now().date()
    first_of_next = date(today.year + (today.month > 9), (today.month - 1) // 3 * 3 + 4 - (12 if today.month > 9 else 0), 1)
    name = child_text(wish, "opportunityName") or lead["Company"] or lead["LastName"]
    row = {"Name": name, "AccountId": account, "OwnerId": owner, "StageName": "Prospecting"}
    return _create(org, caller, "Opportunity", {**row, "CloseDate": (first_of_next - timedelta(days=1)).isoformat()})


def _mark(org: "DemoOrg", connection: Any, lead_id: str, wish: Element, *, made: tuple[str, str, str | None]) -> None:
    """Write what a lead becomes; these columns are closed to ordinary saves."""
    stamp = org.clock.stamp()
    connection.execute(
        "UPDATE Lead SET IsConverted = 1, ConvertedDate = ?, ConvertedAccountId = ?, ConvertedContactId = ?, "
        "ConvertedOpportunityId = ?, Status = coalesce(nullif(?, ''), Status), SystemModstamp = ?, LastModifiedDate = ? "
        "WHERE Id = ?",
        (stamp[:10], *made, child_text(wish, "convertedStatus"), stamp, stamp, lead_id),
    )
    deed = consequences.Deed(org, connection, org.schema.objects["lead"], stamp, "", [])
    derived.count_lead(deed, lead_id)


def _create(org: "DemoOrg", caller: Caller, name: str, row: dict[str, Any]) -> str:
    """Insert one record or raise its first error."""
    result = saving.save(org, caller, name, [row], operation="insert")[0]
    if not result.success or result.id is None:
        raise ApiError(400, result.errors[0].code, result.errors[0].message)
    return result.id


def _values(record: Element) -> dict[str, Any]:
    """The field values of an sObject element; `fieldsToNull` become None."""
    values: dict[str, Any] = {local_name(each): each.text for each in record if local_name(each) not in NOT_FIELDS}
    return values | dict.fromkeys(child_texts(record, "fieldsToNull"))


def _result(saved: RowResult, record_id: str) -> dict[str, Any]:
    if saved.success:
        return {"id": saved.id or record_id, "success": True}
    errors = [_error(each.code, each.message, tuple(each.fields)) for each in saved.errors]
    return {"errors": errors, "id": None, "success": False}


def _error(code: str, message: str, fields: tuple[str, ...]) -> dict[str, Any]:
    return {**({"fields": list(fields)} if fields else {}), "message": message, "statusCode": code}
