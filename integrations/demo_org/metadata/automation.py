"""Flows, named and external credentials, external services, workflow rules and outbound messages as components.

They are kept as notes of the schema. A flow has versions, of which one at most is active; the others only their content.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from integrations.demo_org.automation.checks import Checker
from integrations.demo_org.automation.openapi import Service, read_service
from integrations.demo_org.automation.shape import read_flow
from integrations.demo_org.automation.starting import read_rule
from integrations.demo_org.metadata.credentials import check_external, check_named
from integrations.demo_org.metadata.values import Refused, Values, as_list, text_of

if TYPE_CHECKING:
    from integrations.demo_org.schema.changes import Draft, Row

# type: directory, suffix, key prefix of its id
KINDS = {
    "ExternalCredential": ("externalCredentials", "externalCredential", "7Jk"),
    "NamedCredential": ("namedCredentials", "namedCredential", "0XA"),
    "ExternalServiceRegistration": ("externalServiceRegistrations", "externalServiceRegistration", "3ZY"),
    "WorkflowOutboundMessage": ("workflows", "workflow", "04k"), "WorkflowRule": ("workflows", "workflow", "01Q"),
    "Flow": ("flows", "flow", "301"), "FlowDefinition": ("flowDefinitions", "flowDefinition", "300"),
}  # fmt: skip
# parts of an object's workflow file, and the elements that hold them there
WORKFLOW_PARTS = {"WorkflowOutboundMessage": "outboundMessages", "WorkflowRule": "rules"}
MOST_VERSIONS = 50
DRAFTS = frozenset({"Draft", "InvalidDraft"})
MISSING = "INVALID_CROSS_REFERENCE_KEY"
MESSAGE_KEYS = frozenset({"fullName", "apiVersion", "description", "endpointUrl", "fields", "includeSessionId",
    "integrationUser",
                          "name", "protected", "useDeadLetterQueue"})  # fmt: skip
RULE_KEYS = frozenset({"fullName", "actions", "active", "booleanFilter", "criteriaItems", "description", "formula",
    "triggerType",
                       "workflowTimeTriggers"})  # fmt: skip
SERVICE_KEYS = frozenset({
    "fullName", "description", "label", "namedCredential", "namedCredentialReference", "operations", "providerAssetEndpoint",
    "registrationProvider", "registrationProviderAsset", "registrationProviderType", "schema", "schemaType",
    "schemaUploadFileExtension",
    "schemaUploadFileName", "schemaUrl", "serviceBinding", "status", "systemVersion", "catalogedApiVersion",
})  # fmt: skip


def find_note(draft: "Draft", kind: str, name: str) -> tuple[str, Values] | None:
    """A component in its own spelling, with what is kept of it."""
    wanted = f"{kind}:{name}".lower()
    found = next((each for each in draft.notes if each.lower() == wanted), None)
    return (found.partition(":")[2], draft.notes[found]) if found else None


def note_names(draft: "Draft", kind: str) -> Iterator[tuple[str, bool]]:
    """The components of a type by name."""
    kept = "Flow" if kind == "FlowDefinition" else kind
    return ((name.partition(":")[2], True) for name in sorted(draft.notes) if name.startswith(f"{kept}:"))


def find_component(draft: "Draft", kind: str, name: str) -> Values | None:
    """What readMetadata tells about a component; a flow is its active version, or else the latest one."""
    if kind == "Flow":
        version = find_version(draft, name)
        return {**version["values"], "fullName": name} if version else None
    if kind == "FlowDefinition":
        found = find_note(draft, "Flow", name)
        if found is None:
            return None
        active = found[1].get("active") or 0
        return {"fullName": found[0], **({"activeVersionNumber": str(active)} if active else {})}
    found = find_note(draft, kind, name)
    return {"fullName": found[0], **found[1]} if found else None


def split_version(name: str) -> tuple[str, int]:
    """`Flow-3` is version 3 of Flow; 0 stands for no version."""
    own, dash, number = name.rpartition("-")
    return (own, int(number)) if dash and number.isdigit() else (name, 0)


def find_version(draft: "Draft", name: str) -> dict[str, Any] | None:
    """A version of a flow: the one that is named, the active one, or the latest."""
    own, number = split_version(name)
    found = find_note(draft, "Flow", own)
    if found is None:
        return None
    versions, active = found[1]["versions"], found[1].get("active")
    if number:
        return next((each for each in versions if each["number"] == number), None)
    return next((each for each in versions if each["number"] == active), versions[-1])


def version_name(draft: "Draft", name: str) -> str:
    """The name of a flow's version, from which its id is made."""
    version, (own, _) = find_version(draft, name), split_version(name)
    return f"{own}-{version['number']}" if version else name


def services_of(draft: "Draft") -> Callable[[str], Service | None]:
    """A look-up of external services in a draft."""

    def find(name: str) -> Service | None:
        found = find_note(draft, "ExternalServiceRegistration", name)
        return read_service(*found) if found else None

    return find


def component_rows(draft: "Draft", kind: str, values: Values, *, create: bool, update: bool, stamp: str) -> "list[Row]":
    """The changes that save a component; none when it is already so. Refused with the reason."""
    name = text_of(values, "fullName")
    found = find_component(draft, kind, name)
    if found is None and not create:
        raise Refused(MISSING, f"In field: fullName - no {kind} named {name} found")
    if found is not None and not update:
        raise Refused("DUPLICATE_DEVELOPER_NAME", f"Duplicate developer name: {name}")
    if kind == "Flow":
        return flow_rows(draft, values, stamp=stamp)
    if kind == "FlowDefinition":
        return activation_rows(draft, name, text_of(values, "activeVersionNumber", "0"))
    CHECKS[kind](draft, name, values)
    kept = {
        key: value for key, value in values.items() if key != "fullName" and not key.startswith("@") and value not in (None, "")
    }
    known = find_note(draft, kind, name)
    if known is not None and known[1] == kept:
        return []
    return [{"kind": "notes", "name": f"{kind}:{known[0] if known else name}", "body": kept}]


def flow_rows(draft: "Draft", values: Values, *, stamp: str) -> "list[Row]":
    """A flow that is saved: a new version, unless the latest one is a draft or the same."""
    name, _ = split_version(text_of(values, "fullName"))
    check_name(name)
    values = {key: value for key, value in values.items() if not key.startswith("@") and value not in (None, "")}
    flow = read_flow({**values, "fullName": name})
    Checker(draft, flow, find_service=services_of(draft),
            has_message=lambda each: find_note(draft, "WorkflowOutboundMessage", each) is not None).check()  # fmt: skip
    found = find_note(draft, "Flow", name)
    body: dict[str, Any] = found[1] if found else {"versions": [], "active": 0}
    versions, content = list(body["versions"]), {key: value for key, value in values.items() if key != "fullName"}
    latest = versions[-1] if versions else None
    beside = latest is not None and latest["number"] == body["active"] and flow.status in DRAFTS  # a draft switches nothing off
    if latest and not beside and {**latest["values"], "status": ""} == {**content, "status": ""}:
        return _restatus(found[0] if found else name, body, latest, flow.status)
    number = (latest["number"] if latest else 0) + 1
    if latest and latest["number"] != body["active"] and latest["values"].get("status") in DRAFTS:
        number = versions.pop()["number"]
    if len(versions) >= MOST_VERSIONS:
        raise Refused("FIELD_INTEGRITY_EXCEPTION",
            f"You've exceeded the maximum number of versions ({MOST_VERSIONS}) of a flow. "
                      "Delete versions that you don't use any more.")  # fmt: skip
    version = {"number": number, "values": content, "stamp": stamp}
    active = number if flow.status == "Active" else body["active"]
    return [_flow_note(found[0] if found else name, [*versions, version], active)]


def _restatus(name: str, body: dict[str, Any], latest: dict[str, Any], status: str) -> "list[Row]":
    """The latest version once more: only its status may be another one."""
    active = body["active"]
    wanted = latest["number"] if status == "Active" else (0 if active == latest["number"] else active)
    if wanted == active and latest["values"].get("status") == status:
        return []
    versions = [*body["versions"][:-1], {**latest, "values": {**latest["values"], "status": status}}]
    return [_flow_note(name, versions, wanted)]


def _flow_note(name: str, versions: list[dict[str, Any]], active: int) -> "Row":
    """The note of a flow; versions that are not active any more are obsolete."""
    shown = []
    for each in versions:
        status = each["values"].get("status", "Draft")
        status = "Active" if each["number"] == active else "Obsolete" if status == "Active" else status
        shown.append({**each, "values": {**each["values"], "status": status}})
    return {"kind": "notes", "name": f"Flow:{name}", "body": {"versions": shown, "active": active}}


def activation_rows(draft: "Draft", name: str, number: str) -> "list[Row]":
    """Make a version the active one; 0 switches the flow off. An activated version is checked anew."""
    found = find_note(draft, "Flow", name)
    if found is None:
        raise Refused(MISSING, f"In field: fullName - no FlowDefinition named {name} found")
    wanted = int(number) if number.isdigit() else -1
    version = next((each for each in found[1]["versions"] if each["number"] == wanted), None)
    if wanted != 0 and version is None:
        raise Refused("FIELD_INTEGRITY_EXCEPTION", f"The flow {name} has no version {number}")
    if version is not None:
        flow = read_flow({**version["values"], "status": "Active", "fullName": found[0]})
        Checker(draft, flow, find_service=services_of(draft),
                has_message=lambda each: find_note(draft, "WorkflowOutboundMessage", each) is not None).check()  # fmt: skip
    if wanted == found[1]["active"]:
        return []
    return [_flow_note(found[0], found[1]["versions"], wanted)]


def drop_rows(draft: "Draft", kind: str, name: str) -> "list[Row]":
    """The changes that delete a component. Refused while something else needs it, or while a flow is active."""
    own, number = split_version(name) if kind == "Flow" else (name, 0)
    found = find_note(draft, "Flow" if kind == "FlowDefinition" else kind, own)
    if found is None:
        raise Refused(MISSING, f"No {kind} named: {name} found")
    name, body = found
    if kind in {"Flow", "FlowDefinition"}:
        return _drop_flow(name, body, number)
    user = _user_of(draft, kind, name)
    if user:
        raise Refused(
            "DELETE_FAILED", f"This {kind} is referenced elsewhere in the org: {user}. Remove the usage and try again."
        )
    return [{"kind": "notes", "name": f"{kind}:{name}", "body": None}]


def _drop_flow(name: str, body: dict[str, Any], number: int) -> "list[Row]":
    if body["active"] and number in {0, body["active"]}:
        raise Refused("DELETE_FAILED", f"The flow {name}-{body['active']} is active. Deactivate it before you delete it.")
    if number and all(each["number"] != number for each in body["versions"]):
        raise Refused(MISSING, f"No Flow named: {name}-{number} found")
    left = [each for each in body["versions"] if number and each["number"] != number]
    return [_flow_note(name, left, body["active"]) if left else {"kind": "notes", "name": f"Flow:{name}", "body": None}]


def _user_of(draft: "Draft", kind: str, name: str) -> str:
    """The component that needs this one, or nothing."""
    for key, body in draft.notes.items():
        other, _, own = key.partition(":")
        if (
            kind == "ExternalCredential"
            and other == "NamedCredential"
            and any(
                text_of(each, "externalCredential").lower() == name.lower()
                for each in as_list(body.get("namedCredentialParameters"))
            )
        ):
            return f"NamedCredential {own}"
        if kind == "NamedCredential" and other == "ExternalServiceRegistration" and name.lower() in {
            text_of(body, "namedCredential").lower(), text_of(body, "namedCredentialReference").lower(),
        }:  # fmt: skip
            return f"ExternalServiceRegistration {own}"
        if other == "Flow" and kind in {"WorkflowOutboundMessage", "ExternalServiceRegistration"} and any(
            _calls(text_of(call, "actionName"), kind, name)
            for version in body["versions"] for call in as_list(version["values"].get("actionCalls"))
        ):  # fmt: skip
            return f"Flow {own}"
        if (
            kind == "WorkflowOutboundMessage"
            and other == "WorkflowRule"
            and any(
                f"{own.partition('.')[0]}.{text_of(each, 'name')}".lower() == name.lower()
                for each in as_list(body.get("actions"))
            )
        ):
            return f"WorkflowRule {own}"
    return ""


def _calls(action: str, kind: str, name: str) -> bool:
    wanted = action if kind == "WorkflowOutboundMessage" else action.partition(".")[0]
    return wanted.lower() == name.lower()


def check_name(name: str) -> None:
    """Refuse names that are no developer names."""
    if not name.replace("_", "").isalnum() or not name[:1].isalpha() or "__" in name or name.endswith("_"):
        text = (
            "Flow API Name: can only contain underscores and alphanumeric characters. It must be unique, begin with a letter, "
            "not include spaces, not end with an underscore, and not contain two consecutive underscores."
        )
        raise Refused("INVALID_FIELD", text)


def _only(values: Values, known: frozenset[str], kind: str) -> None:
    unknown = sorted(each for each in values if each not in known and not each.startswith("@"))
    if unknown:
        raise Refused("INVALID_TYPE", f"This org does not imitate {unknown[0]} of {kind} components")


def _check_service(draft: "Draft", name: str, values: Values) -> None:
    _only(values, SERVICE_KEYS, "ExternalServiceRegistration")
    if not text_of(values, "label"):
        raise Refused("REQUIRED_FIELD_MISSING", "Required field is missing: label")
    service = read_service(name, values)
    if find_note(draft, "NamedCredential", service.credential) is None:
        raise Refused(MISSING, f"In field: namedCredential - no NamedCredential named {service.credential or 'none'} found")


def _check_message(draft: "Draft", name: str, values: Values) -> None:
    _only(values, MESSAGE_KEYS, "WorkflowOutboundMessage")
    kind = draft.find(name.partition(".")[0])
    if kind is None or "." not in name:
        raise Refused(MISSING, f"In field: fullName - no CustomObject named {name.partition('.')[0]} found")
    for each in ("endpointUrl", "integrationUser", "name"):
        if not text_of(values, each):
            raise Refused("REQUIRED_FIELD_MISSING", f"Required field is missing: {each}")
    if not text_of(values, "endpointUrl").lower().startswith(("http://", "https://")):
        raise Refused("INVALID_FIELD", f"Endpoint URL: invalid URL {text_of(values, 'endpointUrl')[:80]}")
    for each in as_list(values.get("fields")):
        if kind.find(str(each)) is None:
            raise Refused(MISSING, f"In field: fields - no CustomField named {kind.name}.{each} found")


def _check_rule(draft: "Draft", name: str, values: Values) -> None:
    _only(values, RULE_KEYS, "WorkflowRule")
    kind = draft.find(name.partition(".")[0])
    if kind is None:
        raise Refused(MISSING, f"In field: fullName - no CustomObject named {name.partition('.')[0]} found")
    rule = read_rule(kind.name, name, values)
    for field_name, _, _ in rule.items:
        if kind.find(field_name) is None:
            raise Refused(MISSING, f"In field: field - no CustomField named {kind.name}.{field_name} found")
    for each in rule.messages:
        if find_note(draft, "WorkflowOutboundMessage", each) is None:
            raise Refused(MISSING, f"In field: name - no WorkflowOutboundMessage named {each} found")


def _check_external(draft: "Draft", name: str, values: Values) -> None:
    check_external(name, values)


def _check_named(draft: "Draft", name: str, values: Values) -> None:
    external = check_named(name, values)
    if external and find_note(draft, "ExternalCredential", external) is None:
        raise Refused(MISSING, f"In field: externalCredential - no ExternalCredential named {external} found")


CHECKS: dict[str, Callable[["Draft", str, Values], None]] = {
    "ExternalCredential": _check_external, "NamedCredential": _check_named, "ExternalServiceRegistration": _check_service,
    "WorkflowOutboundMessage": _check_message, "WorkflowRule": _check_rule,
}  # fmt: skip
