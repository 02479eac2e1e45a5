"""Flows as packages, a receiver for their callouts, and ways to wait until they ran."""

import io
import json
import re
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.demo_org.core.served_org import Core
from tests.demo_org.metadata.calling import deploy

SPACE = 'xmlns="http://soap.sforce.com/2006/04/metadata"'
ACK = (
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    '<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>{}</Ack></notificationsResponse>'
    "</soapenv:Body></soapenv:Envelope>"
)
SCHEMA = {
    "openapi": "3.0.3", "info": {"title": "Deals", "version": "1"}, "servers": [{"url": "/api/v1"}],
    "paths": {"/deals/{kind}": {"post": {
        "operationId": "sendDeal",
        "parameters": [
            {"name": "kind", "in": "path", "required": True, "schema": {"type": "string"}},
            {"name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string"}},
            {"name": "dry", "in": "query", "required": False, "schema": {"type": "boolean"}},
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Deal"}}}},
        "responses": {
            "200": {"description": "Done", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Done"}}}},
            "400": {"description": "Refused"},
        },
    }}},
    "components": {"schemas": {
        "Deal": {"type": "object", "properties": {
            "opportunityId": {"type": "string"}, "amount": {"type": "number"}, "seats": {"type": "integer"},
            "won": {"type": "boolean"}, "note": {"type": "string"},
            "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}},
        }},
        "Line": {"type": "object", "properties": {"product": {"type": "string"}, "quantity": {"type": "number"}}},
        "Done": {"type": "object", "properties": {"provision": {"type": "string"}}},
    }},
}  # fmt: skip


class Receiver:
    """Notes each request and answers with what was put in; 200 with a small JSON else."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.answers: list[tuple[int, str]] = []
        self.hold = threading.Event()
        self.hold.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.requests.append({"path": self.path, "headers": dict(self.headers.items()), "body": body.decode()})
                outer.hold.wait(10)
                status, text = outer.answers.pop(0) if outer.answers else (200, json.dumps({"provision": "prov-1"}))
                data = text.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_args: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.hold.set()
        self.server.shutdown()
        self.server.server_close()

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(each["body"]) for each in self.requests]


def pack(files: dict[str, str], members: dict[str, list[str]]) -> bytes:
    """A package of files."""
    types = "".join(
        f"<types>{''.join(f'<members>{each}</members>' for each in names)}<name>{kind}</name></types>"
        for kind, names in members.items()
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("package.xml", f"<Package {SPACE}>{types}<version>65.0</version></Package>")
        for path, text in files.items():
            archive.writestr(path, text)
    return buffer.getvalue()


def deploy_files(core: Core, files: dict[str, str], members: dict[str, list[str]]) -> str:
    return deploy(core, pack(files, members))[1]


def deploy_flow(core: Core, name: str, inner: str) -> str:
    """The answer of checkDeployStatus after deploying one flow."""
    return deploy_files(core, {f"flows/{name}.flow": f"<Flow {SPACE}>{inner}</Flow>"}, {"Flow": [name]})


def good(answer: str) -> None:
    assert "<status>Succeeded</status>" in answer, problems(answer) or answer


def problems(answer: str) -> list[str]:
    return re.findall(r"<problem>(.*?)</problem>", answer, re.DOTALL)


def value(text: Any) -> str:
    """A value element's content: references begin with `@`."""
    if isinstance(text, bool):
        return f"<booleanValue>{str(text).lower()}</booleanValue>"
    if isinstance(text, int | float):
        return f"<numberValue>{text}</numberValue>"
    if str(text).startswith("@"):
        return f"<elementReference>{text[1:]}</elementReference>"
    return f"<stringValue>{text}</stringValue>"


def filters(*conditions: tuple[str, str, Any]) -> str:
    return "".join(
        f"<filters><field>{name}</field><operator>{operator}</operator><value>{value(wanted)}</value></filters>"
        for name, operator, wanted in conditions
    )


def link(target: str, element: str = "connector") -> str:
    return f"<{element}><targetReference>{target}</targetReference></{element}>" if target else ""


def start(
    target: str = "", *, at_once: str = "", trigger: str = "CreateAndUpdate", where: str = "", changed: bool = False,
    object_name: str = "Opportunity", paths: str = "",
) -> str:  # fmt: skip
    """The start element; `target` is where the asynchronous path begins, `at_once` where the immediate one does."""
    later = (
        f"<scheduledPaths><name>Later</name>{link(target)}<pathType>AsyncAfterCommit</pathType></scheduledPaths>"
        if target
        else ""
    )
    must = f"<doesRequireRecordChangedToMeetCriteria>{str(changed).lower()}</doesRequireRecordChangedToMeetCriteria>"
    return (
        f"<start>{link(at_once)}{must}<filterLogic>and</filterLogic>{where}<object>{object_name}</object>"
        f"<recordTriggerType>{trigger}</recordTriggerType>{later}{paths}<triggerType>RecordAfterSave</triggerType></start>"
    )


def frame(inner: str, *, status: str = "Active", label: str = "Tested", more: str = "") -> str:
    """A flow around its elements."""
    return (
        f"<apiVersion>65.0</apiVersion><label>{label}</label><processType>AutoLaunchedFlow</processType>"
        f"<status>{status}</status>{more}{inner}"
    )


def update(name: str, object_name: str, field: str, wanted: Any, *, where: str, after: str = "", fault: str = "") -> str:
    return (
        f"<recordUpdates><name>{name}</name><label>{name}</label>{link(after)}{link(fault, 'faultConnector')}<filterLogic>and"
        f"</filterLogic>{where}<inputAssignments><field>{field}</field><value>{value(wanted)}</value></inputAssignments>"
        f"<object>{object_name}</object></recordUpdates>"
    )


def assign(name: str, *items: tuple[str, str, Any], after: str = "") -> str:
    inner = "".join(
        f"<assignmentItems><assignToReference>{to}</assignToReference><operator>{operator}</operator>"
        f"<value>{value(what)}</value></assignmentItems>"
        for to, operator, what in items
    )
    return f"<assignments><name>{name}</name><label>{name}</label>{inner}{link(after)}</assignments>"


def call(name: str, action: str, inputs: dict[str, Any], *, after: str = "", fault: str = "") -> str:
    given = "".join(
        f"<inputParameters><name>{key}</name><value>{value(what)}</value></inputParameters>" for key, what in inputs.items()
    )
    return (
        f"<actionCalls><name>{name}</name><label>{name}</label><actionName>{action}</actionName><actionType>externalService"
        f"</actionType>{link(after)}{link(fault, 'faultConnector')}<flowTransactionModel>Automatic</flowTransactionModel>{given}"
        f"<nameSegment>{action}</nameSegment><storeOutputAutomatically>true</storeOutputAutomatically></actionCalls>"
    )


def variable(name: str, kind: str, more: str = "", *, collection: bool = False) -> str:
    return (
        f"<variables><name>{name}</name><dataType>{kind}</dataType>{more}<isCollection>{str(collection).lower()}</isCollection>"
        "<isInput>false</isInput><isOutput>false</isOutput></variables>"
    )


def deploy_service(core: Core, url: str, *, secret: str | None = "key-1", grant: bool = True) -> None:
    """External credential, named credential, external service `Deals`, and a permission set that the caller holds."""
    external = (
        f"<ExternalCredential {SPACE}><authenticationProtocol>Custom</authenticationProtocol><externalCredentialParameters>"
        "<parameterGroup>Key</parameterGroup><parameterName>Key</parameterName><parameterType>NamedPrincipal</parameterType>"
        "<sequenceNumber>1</sequenceNumber></externalCredentialParameters><externalCredentialParameters><parameterName>Authorization"
        "</parameterName><parameterType>AuthHeader</parameterType><parameterValue>{!'Bearer ' &amp; $Credential.Deals_Auth.ApiKey}"
        "</parameterValue><sequenceNumber>1</sequenceNumber></externalCredentialParameters><label>Deals</label></ExternalCredential>"
    )
    named = (
        f"<NamedCredential {SPACE}><allowMergeFieldsInBody>false</allowMergeFieldsInBody><calloutStatus>Enabled</calloutStatus>"
        "<generateAuthorizationHeader>false</generateAuthorizationHeader><label>Deals</label><namedCredentialParameters>"
        f"<parameterName>Url</parameterName><parameterType>Url</parameterType><parameterValue>{url}</parameterValue>"
        "</namedCredentialParameters><namedCredentialParameters><externalCredential>Deals_Auth</externalCredential>"
        "<parameterName>ExternalCredential</parameterName><parameterType>Authentication</parameterType></namedCredentialParameters>"
        "<namedCredentialType>SecuredEndpoint</namedCredentialType></NamedCredential>"
    )
    schema = json.dumps(SCHEMA).replace("&", "&amp;").replace("<", "&lt;")
    service = (
        f"<ExternalServiceRegistration {SPACE}><label>Deals</label><namedCredentialReference>Deals_Endpoint</namedCredentialReference>"
        f"<registrationProviderType>Custom</registrationProviderType><schema>{schema}</schema><schemaType>OpenApi3</schemaType>"
        "<serviceBinding>{}</serviceBinding><status>Complete</status></ExternalServiceRegistration>"
    )
    permissions = (
        f"<PermissionSet {SPACE}><externalCredentialPrincipalAccesses><enabled>true</enabled><externalCredentialPrincipal>Deals_Auth-Key"
        "</externalCredentialPrincipal></externalCredentialPrincipalAccesses><label>Deals</label></PermissionSet>"
    )
    good(deploy_files(core, {
        "externalCredentials/Deals_Auth.externalCredential": external, "namedCredentials/Deals_Endpoint.namedCredential": named,
        "externalServiceRegistrations/Deals.externalServiceRegistration": service, "permissionsets/Deals.permissionset": permissions,
    }, {
        "ExternalCredential": ["Deals_Auth"], "NamedCredential": ["Deals_Endpoint"], "ExternalServiceRegistration": ["Deals"],
        "PermissionSet": ["Deals"],
    }))  # fmt: skip
    if grant:
        row = core.org.store.read().execute("SELECT Id FROM PermissionSet WHERE Name = 'Deals'").fetchone()
        core.make("PermissionSetAssignment", AssigneeId=core.caller.user_id, PermissionSetId=row[0])
    if secret:
        body = {"externalCredential": "Deals_Auth", "principalName": "Key", "principalType": "NamedPrincipal",
                "authenticationProtocol": "Custom", "credentials": {"ApiKey": {"value": secret, "encrypted": True}}}  # fmt: skip
        assert core.call("POST", "named-credentials/credential", json=body).status_code == 201


def won_flow(*, fault: str = "", url_kind: str = "won") -> str:
    """A flow that sends a deal when it is won: its lines are collected by a loop."""
    lines = (
        "<recordLookups><name>Get_Lines</name><label>Get Lines</label>" + link("Each_Line") + "<filterLogic>and</filterLogic>"
        + filters(("OpportunityId", "EqualTo", "@$Record.Id")) + "<getFirstRecordOnly>false</getFirstRecordOnly><object>OpportunityLineItem"
        "</object><sortField>CreatedDate</sortField><sortOrder>Asc</sortOrder>"
        "<storeOutputAutomatically>true</storeOutputAutomatically></recordLookups>"
        "<loops><name>Each_Line</name><label>Each Line</label><collectionReference>Get_Lines</collectionReference>"
        "<iterationOrder>Asc</iterationOrder>" + link("Make_Line", "nextValueConnector") + link("Fill", "noMoreValuesConnector") + "</loops>"
    )  # fmt: skip
    return frame(
        start("Get_Lines", where=filters(("IsWon", "EqualTo", True)), changed=True)
        + lines
        + assign("Make_Line", ("line.product", "Assign", "@Each_Line.Product2.Name"), ("line.quantity", "Assign", "@Each_Line.Quantity"),
                 ("deal.lines", "Add", "@line"), after="Each_Line")
        + assign("Fill", ("deal.opportunityId", "Assign", "@$Record.Id"), ("deal.amount", "Assign", "@$Record.Amount"),
                 ("deal.won", "Assign", "@$Record.IsWon"), ("deal.note", "Assign", "@Note"), after="Send")
        + call("Send", "Deals.sendDeal", {"kind": url_kind, "body": "@deal", "Idempotencyx2dKey": "@$Flow.InterviewGuid"},
               after="Done" if not fault else "", fault=fault)
        + (update("Done", "Opportunity", "NextStep", "@Send.200.provision", where=filters(("Id", "EqualTo", "@$Record.Id")))
           if not fault else "")
        + "<textTemplates><name>Note</name><isViewedAsPlainText>true</isViewedAsPlainText><text>{!$Record.Account.Name}: {!$Record.Name}"
        "</text></textTemplates>"
        + variable("deal", "Apex", "<apexClass>ExternalService__Deals_Deal</apexClass>")
        + variable("line", "Apex", "<apexClass>ExternalService__Deals_Line</apexClass>")
    )  # fmt: skip


def settle(core: Core, seconds: float = 10) -> dict[str, Any]:
    """What the control plane tells once everything that is due was done."""
    told = core.control(f"flows?wait={seconds}", method="GET")
    assert told["idle"], told
    return told


def make_deal(core: Core, stage: str = "Prospecting", **more: Any) -> str:
    return core.make("Opportunity", Name="Harbor deal", StageName=stage, CloseDate="2026-12-31", **more)
