"""The data calls of the SOAP API: query, create, update, upsert, delete, retrieve, search, describe and their kin.

Reading calls are answered by the same handlers as REST's, run inside this request, so that both say the same.
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode
from xml.etree.ElementTree import Element

from starlette.requests import Request

from integrations.demo_org import saving
from integrations.demo_org.dispatch import Part, run_part
from integrations.demo_org.errors import ApiError
from integrations.demo_org.lookups import normalize_id
from integrations.demo_org.rows import RowError, RowResult
from integrations.demo_org.soap import sobjects
from integrations.demo_org.soap.envelopes import Fault, child_text, child_texts, children, write_element

MOST_RECORDS, MOST_CHUNKS, MOST_DESCRIBED = 200, 10, 100
USUAL_BATCH = 500  # REST gives 2,000 at once, SOAP 500 unless QueryOptions says otherwise
LOCATED = re.compile(r"ERROR at Row:(\d+):Column:(\d+)")
QUERY_FAULTS = {
    "MALFORMED_QUERY": "MalformedQueryFault", "INVALID_FIELD": "InvalidFieldFault", "INVALID_TYPE": "InvalidSObjectFault",
    "MALFORMED_SEARCH": "MalformedSearchFault",
}  # fmt: skip
OTHER_FAULTS = {
    "INVALID_QUERY_LOCATOR": "InvalidQueryLocatorFault", "MALFORMED_ID": "InvalidIdFault", "INVALID_ID_FIELD": "InvalidIdFault",
}  # fmt: skip


class RolledBack(Exception):
    """A record failed and AllOrNoneHeader wanted all or none."""


class Call:
    """One call: who asks, with which headers, in which flavor."""

    def __init__(self, request: Request, header: Element, operation: Element, flavor: str) -> None:
        self.request, self.header, self.operation, self.flavor = request, header, operation, flavor
        self.base = f"/services/data/v{float(request.path_params['version']):.1f}"

    def option(self, header: str, name: str) -> str:
        """A value of a SOAP header, empty if it is not there."""
        return next((child_text(each, name) for each in children(self.header, header)), "")

    def text(self, name: str) -> str:
        """A plain argument of the call."""
        return child_text(self.operation, name)

    def ask(self, path: str, *, method: str = "GET", body: Any = None, **headers: str) -> Any:
        """The JSON of a REST resource. Fault when it refuses."""
        part = Part(method, f"{self.base}/{path}", body, {key.replace("_", "-"): value for key, value in headers.items()})
        outcome = run_part(self.request, part)
        if outcome.is_good:
            return outcome.body
        error = outcome.body[0] if isinstance(outcome.body, list) else {"errorCode": "UNKNOWN_EXCEPTION", "message": ""}
        raise as_fault(error["errorCode"], error["message"])


def as_fault(code: str, message: str) -> Fault:
    """A refusal of REST as the fault that SOAP knows for it; those of queries tell row and column."""
    if code in QUERY_FAULTS:
        place = LOCATED.search(message)
        row, column = (place[1], place[2]) if place else ("-1", "-1")
        return Fault(code, message, kind=QUERY_FAULTS[code], more={"row": row, "column": column})
    return Fault(code, message, kind=OTHER_FAULTS.get(code, "UnexpectedErrorFault"))


def query(call: Call) -> str:
    """query(queryString)."""
    return _query(call, "query?" + urlencode({"q": call.text("queryString")}))


def query_all(call: Call) -> str:
    """queryAll(queryString): deleted records too."""
    return _query(call, "queryAll?" + urlencode({"q": call.text("queryString")}))


def query_more(call: Call) -> str:
    """queryMore(queryLocator)."""
    locator = call.text("queryLocator")
    if not re.fullmatch(r"[\w-]+", locator, re.ASCII):
        raise as_fault("INVALID_QUERY_LOCATOR", "invalid query locator")
    return _query(call, f"query/{locator}")


def _query(call: Call, path: str) -> str:
    size = call.option("QueryOptions", "batchSize") or str(USUAL_BATCH)
    found = call.ask(path, sforce_query_options=f"batchSize={size}" if size.isdecimal() else "")
    return sobjects.write_query("result", found, flavor=call.flavor)


def retrieve(call: Call) -> str:
    """retrieve(fieldList, sObjectType, ids): in the order of the ids, nil where there is no such record."""
    ids = child_texts(call.operation, "ids")
    for each in ids:
        if normalize_id(each) is None:
            raise as_fault("MALFORMED_ID", f"malformed id {each}")
    names = [each.strip() for each in call.text("fieldList").split(",") if each.strip()]
    kind = quote(call.text("sObjectType") or call.text("sobjectType"), safe="")
    found = call.ask(f"composite/sobjects/{kind}", method="POST", body={"ids": ids, "fields": names}) if ids else []
    wanted = {each.lower() for each in names}
    shown = [
        each and {key: value for key, value in each.items() if key == "attributes" or key.lower() in wanted} for each in found
    ]
    return "".join(sobjects.write_record("result", each, flavor=call.flavor) for each in shown)


def search(call: Call) -> str:
    """search(searchString)."""
    found = call.ask("search?" + urlencode({"q": call.text("searchString") or call.text("sosl")}))
    records = found["searchRecords"] if isinstance(found, dict) else found
    inner = "".join(
        f"<searchRecords>{sobjects.write_record('record', each, flavor=call.flavor)}</searchRecords>" for each in records
    )
    return f"<result>{inner}</result>"


def describe_global(call: Call) -> str:
    """describeGlobal()."""
    return _described(call.ask("sobjects"))


def describe_sobjects(call: Call) -> str:
    """describeSObject(sObjectType) and describeSObjects(sObjectType, ...)."""
    names = [each.text or "" for each in call.operation]
    if len(names) > MOST_DESCRIBED:
        raise Fault("EXCEEDED_ID_LIMIT", f"cannot describe more than {MOST_DESCRIBED} objects in this call")
    found = [call.ask(f"sobjects/{_known(call, name)}/describe") for name in names]
    return "".join(_described({**each, **_pages(each)}) for each in found)


def _pages(described: dict[str, Any]) -> dict[str, str | None]:
    """The addresses of an object's pages, which SOAP shows without their group."""
    urls = described["urls"]
    names = {"urlDetail": "uiDetailTemplate", "urlEdit": "uiEditTemplate", "urlNew": "uiNewRecord"}
    return {own: urls.get(name) for own, name in names.items()}


def describe_layout(call: Call) -> str:
    """describeLayout(sObjectType)."""
    name = _known(call, call.text("sObjectType") or call.text("sobjectType"))
    return _described(call.ask(f"sobjects/{name}/describe/layouts"))


def _known(call: Call, name: str) -> str:
    """The name of an object that the caller sees; InvalidSObjectFault otherwise."""
    if call.request.app.state.org.schema_for(call.request.state.caller).find(name) is None:
        raise as_fault("INVALID_TYPE", f"sObject type '{name}' is not supported.")
    return quote(name, safe="")


def _described(body: Any) -> str:
    return sobjects.write_plain("result", body)


def get_updated(call: Call) -> str:
    """getUpdated(sObjectType, startDate, endDate)."""
    return _replicated(call, "updated")


def get_deleted(call: Call) -> str:
    """getDeleted(sObjectType, startDate, endDate)."""
    return _replicated(call, "deleted")


def _replicated(call: Call, what: str) -> str:
    name = _known(call, call.text("sObjectType") or call.text("sobjectType"))
    window = urlencode({"start": call.text("startDate"), "end": call.text("endDate")})
    return sobjects.write_plain("result", call.ask(f"sobjects/{name}/{what}/?{window}"))


def set_password(call: Call) -> str:
    """setPassword(userId, password)."""
    user = quote(call.text("userId"), safe="")
    call.ask(f"sobjects/User/{user}/password", method="POST", body={"NewPassword": call.text("password")})
    return "<result/>"


def reset_password(call: Call) -> str:
    """resetPassword(userId): a new one of the system's making."""
    user = quote(call.text("userId"), safe="")
    made = call.ask(f"sobjects/User/{user}/password", method="DELETE")
    return write_element("result", {"password": made["NewPassword"]})


def create(call: Call) -> str:
    """create(sObjects)."""
    return _save(call, "insert")


def update(call: Call) -> str:
    """update(sObjects)."""
    return _save(call, "update")


def upsert(call: Call) -> str:
    """upsert(externalIDFieldName, sObjects)."""
    key = call.text("externalIDFieldName") or call.text("externalIdFieldName")
    return _save(call, "upsert", key=key or "Id")


def _save(call: Call, operation: str, *, key: str = "") -> str:
    """Save records of up to ten objects in their order; one result each."""
    rows = [sobjects.read_record(each) for each in children(call.operation, "sObjects")]
    _check_count(len(rows))
    results = _in_order(call, [name for name, _ in rows], [row for _, row in rows], operation, key)
    return "".join(write_element("result", _shown(each, operation)) for each in results)


def delete(call: Call) -> str:
    """delete(ids)."""
    ids = [each.text or "" for each in call.operation]  # clients differ in what they call them
    _check_count(len(ids))
    schema = call.request.app.state.org.schema_for(call.request.state.caller)
    known = [(schema.by_prefix(each) if normalize_id(each) else None) for each in ids]
    results = _in_order(call, [kind.name if kind else "" for kind in known], [{"Id": each} for each in ids], "delete", "")
    return "".join(write_element("result", _shown(each, "delete")) for each in results)


def _check_count(count: int) -> None:
    if count > MOST_RECORDS:
        text = f"record limit reached. cannot submit more than {MOST_RECORDS} records into this call"
        raise Fault("EXCEEDED_ID_LIMIT", text)


def _in_order(call: Call, names: list[str], rows: list[dict[str, Any]], operation: str, key: str) -> list[RowResult]:
    """Neighbors of one object are saved together; with AllOrNoneHeader good rows are undone if one fails."""
    results: list[RowResult] = []
    start, chunks = 0, 0
    try:
        with call.request.app.state.org.store.write():
            while start < len(rows):
                end = next((at for at in range(start, len(rows)) if names[at].lower() != names[start].lower()), len(rows))
                chunks += 1
                if chunks > MOST_CHUNKS and operation != "delete":
                    raise Fault("LIMIT_EXCEEDED", f"Cannot have more than {MOST_CHUNKS} chunks in a single operation.")
                results += _save_chunk(call, names[start], rows[start:end], operation, key)
                start = end
            wants_all = call.option("AllOrNoneHeader", "allOrNone") in {"true", "1"}
            if wants_all and not all(each.success for each in results):
                raise RolledBack
    except RolledBack:
        undone = RowResult(None, success=False, errors=[saving.ROLLED_BACK])
        results = [undone if each.success else each for each in results]
    return results


def _save_chunk(call: Call, name: str, rows: list[dict[str, Any]], operation: str, key: str) -> list[RowResult]:
    """Records of one object; what refuses the object refuses each of them."""
    if not name:
        return [
            RowResult(None, success=False, errors=[RowError("MALFORMED_ID", f"bad id {row['Id']}", ("Id",))]) for row in rows
        ]
    org, caller = call.request.app.state.org, call.request.state.caller
    if org.schema_for(caller).find(name) is None:
        raise as_fault("INVALID_TYPE", f"sObject type '{name}' is not supported.")
    try:
        return saving.save(org, caller, name, rows, operation=operation, external_id=key or None, source="bulk")
    except ApiError as problem:
        error = RowError(problem.code, problem.message, tuple(problem.fields or ()))
        return [RowResult(None, success=False, errors=[error]) for _ in rows]


def _shown(result: RowResult, operation: str) -> dict[str, Any]:
    """One SaveResult, UpsertResult or DeleteResult."""
    created = {"created": result.created} if operation == "upsert" else {}
    errors = [{"fields": list(each.fields), "message": each.message, "statusCode": each.code} for each in result.errors]
    return {**created, **({} if result.success else {"errors": errors}), "id": result.id, "success": result.success}


CALLS: dict[str, Callable[[Call], str]] = {
    "query": query, "queryAll": query_all, "queryMore": query_more, "retrieve": retrieve, "search": search,
    "create": create, "update": update, "upsert": upsert, "delete": delete,
    "describeGlobal": describe_global, "describeSObject": describe_sobjects, "describeSObjects": describe_sobjects,
    "describeLayout": describe_layout, "getUpdated": get_updated, "getDeleted": get_deleted,
    "setPassword": set_password, "resetPassword": reset_password,
}  # fmt: skip
