"""The records that tell of flows, credentials and messages (FlowDefinitionView, Flow, NamedCredential, ...): written anew with
each change of the metadata behind them."""

from typing import TYPE_CHECKING, Any
from zlib import crc32

from integrations.demo_org import ids
from integrations.demo_org.automation.shape import read_flow
from integrations.demo_org.metadata.automation import KINDS
from integrations.demo_org.nested import Refused, Values, as_list, text_of
from integrations.demo_org.store import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from integrations.demo_org.org import Caller, DemoOrg
    from integrations.demo_org.schema.changes import Draft, Row

Rows = dict[str, list[dict[str, Any]]]
TABLES = ("FlowDefinitionView", "FlowVersionView", "Flow", "FlowDefinition", "NamedCredential", "ExternalCredential",
          "ExternalServiceRegistration", "WorkflowOutboundMessage", "WorkflowRule")  # fmt: skip


def concerns_automation(rows: "Iterable[Row]") -> bool:
    """Whether a change of the metadata changes what these records tell."""
    return any(row["kind"] == "notes" and str(row["name"]).partition(":")[0] in KINDS for row in rows)


def write_listing(org: "DemoOrg", caller: "Caller", draft: "Draft") -> None:
    """Write the records anew. Belongs to the transaction that changes the metadata."""
    if org.schema.find("FlowDefinitionView") is None:
        return
    stamp = org.clock.stamp()
    found: Rows = {name: [] for name in TABLES}
    for key, body in draft.notes.items():
        kind, _, name = key.partition(":")
        if kind == "Flow":
            _list_flow(org, draft, found, name, body)
        elif kind in KINDS:
            found[kind].append({**LISTED[kind](name, body), "Id": own_id(org, kind, name)})
    audit = {"CreatedDate": stamp, "CreatedById": caller.user_id, "LastModifiedDate": stamp, "LastModifiedById": caller.user_id,
             "SystemModstamp": stamp}  # fmt: skip
    with org.store.write() as connection:
        for table, rows in found.items():
            kind = org.schema.objects[table.lower()]
            connection.execute(f"DELETE FROM {quote(table)}")  # noqa: S608 - names of our own
            for row in rows:
                whole = {**{name: value for name, value in audit.items() if kind.find(name)}, **row}
                org.store.insert(table, [{name: value for name, value in whole.items() if kind.find(name)}])


def own_id(org: "DemoOrg", kind: str, name: str) -> str:
    """The id of a component, made from its name."""
    return ids.make_ids(KINDS[kind][2], org.store.instance, crc32(name.lower().encode()), 1)[0]


def _list_flow(org: "DemoOrg", draft: "Draft", found: Rows, name: str, body: dict[str, Any]) -> None:
    """A flow and its versions, in all four tables."""
    definition, versions = own_id(org, "FlowDefinition", name), body["versions"]
    made = {each["number"]: own_id(org, "Flow", f"{name}-{each['number']}") for each in versions}
    active, latest = made.get(body["active"]), versions[-1]
    shown = next((each for each in versions if each["number"] == body["active"]), latest)
    label, about = text_of(shown["values"], "label"), text_of(shown["values"], "description") or None
    found["FlowDefinition"].append({
        "Id": definition, "DeveloperName": name, "MasterLabel": label, "Description": about, "ActiveVersionId": active,
        "LatestVersionId": made[latest["number"]], "ManageableState": "unmanaged",
    })  # fmt: skip
    found["FlowDefinitionView"].append({
        **_trigger(draft, name, shown["values"]), "Id": definition, "DurableId": definition, "ApiName": name, "Label": label,
        "Description": about, "ProcessType": "AutoLaunchedFlow", "ActiveVersionId": active,
        "LatestVersionId": made[latest["number"]],
        "IsActive": int(active is not None), "LastModifiedDate": latest["stamp"], "ManageableState": "unmanaged",
        "VersionNumber": shown["number"], "Builder": "Flow Builder",
    })  # fmt: skip
    for each in versions:
        _list_version(found, name, definition, made[each["number"]], each)


def _list_version(found: Rows, name: str, definition: str, version_id: str, version: dict[str, Any]) -> None:
    values, number = version["values"], version["number"]
    api = text_of(values, "apiVersion", "65.0").partition(".")[0]
    shared = {
        "Description": text_of(values, "description") or None, "Status": text_of(values, "status", "Draft"),
        "VersionNumber": number,
        "ProcessType": "AutoLaunchedFlow", "RunInMode": text_of(values, "runInMode", "DefaultMode"),
        "LastModifiedDate": version["stamp"],
    }  # fmt: skip
    whole = int(api) if api.isdigit() else None
    label = text_of(values, "label")
    found["Flow"].append({**shared, "Id": version_id, "DefinitionId": definition, "MasterLabel": label,
        "FullName": f"{name}-{number}",
                          "ApiVersion": whole, "ManageableState": "unmanaged"})  # fmt: skip
    found["FlowVersionView"].append({**shared, "Id": version_id, "DurableId": version_id, "FlowDefinitionViewId": definition,
                                     "Label": label, "ApiVersionRuntime": whole})  # fmt: skip


def _trigger(draft: "Draft", name: str, values: Values) -> dict[str, Any]:
    """What starts a flow, as the view tells it."""
    try:
        flow = read_flow({**values, "fullName": name})
    except Refused:
        return {}
    kind = draft.find(flow.object)
    return {
        "TriggerType": "RecordAfterSave", "RecordTriggerType": flow.trigger, "TriggerObjectOrEventId": flow.object,
        "TriggerObjectOrEventLabel": kind.label if kind else flow.object,
        "TriggerOrder": flow.order if flow.order < 1_001 else None,
        "HasAsyncAfterCommitPath": int(any(each.delay is None for each in flow.paths)),
    }  # fmt: skip


def _named(name: str, values: Values) -> dict[str, Any]:
    parameters = as_list(values.get("namedCredentialParameters"))
    url = next((text_of(each, "parameterValue") for each in parameters if text_of(each, "parameterType") == "Url"), "")
    return {
        "DeveloperName": name, "MasterLabel": text_of(values, "label"), "Language": "en_US", "PrincipalType": "NamedUser",
        "Endpoint": url or text_of(values, "endpoint"),
        "CalloutOptionsGenerateAuthorizationHeader": int(text_of(values, "generateAuthorizationHeader") == "true"),
    }  # fmt: skip


def _external(name: str, values: Values) -> dict[str, Any]:
    return {"DeveloperName": name, "MasterLabel": text_of(values, "label"), "Language": "en_US",
            "AuthenticationProtocol": text_of(values, "authenticationProtocol")}  # fmt: skip


def _service(name: str, values: Values) -> dict[str, Any]:
    credential = text_of(values, "namedCredentialReference") or text_of(values, "namedCredential")
    return {"DeveloperName": name, "MasterLabel": text_of(values, "label"), "Language": "en_US", "NamedCredential": credential,
            "Status": text_of(values, "status", "Complete"), "SchemaType": text_of(values, "schemaType",
                "OpenApi3")}  # fmt: skip


def _message(name: str, values: Values) -> dict[str, Any]:
    return {"Name": text_of(values, "name"), "FullName": name, "EntityDefinitionId": name.partition(".")[0],
            "EndpointUrl": text_of(values, "endpointUrl"), "ApiVersion": text_of(values, "apiVersion") or None}  # fmt: skip


def _rule(name: str, _values: Values) -> dict[str, Any]:
    return {"Name": name.partition(".")[2], "FullName": name, "TableEnumOrId": name.partition(".")[0]}


LISTED = {
    "NamedCredential": _named, "ExternalCredential": _external, "ExternalServiceRegistration": _service,
    "WorkflowOutboundMessage": _message, "WorkflowRule": _rule,
}  # fmt: skip
