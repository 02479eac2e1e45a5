"""The flow template "Opportunity - Subscription Template" (ST-26 to ST-29), and what tells a flow that calls us.

Record-triggered, after save: an opportunity becomes won, also by being created so (ST-D1). It runs after the commit, so it
never holds up a save and sees only what was kept. Whatever goes wrong becomes a task on the opportunity: nothing is dropped
silently.
People copy it with "Save as" (ST-37) and change the copy. Pure.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from integrations.salesforce import API_VERSION
from integrations.salesforce.metadata_callouts import Flow, OutboundMessage
from integrations.salesforce.metadata_xml import Values, as_dicts, text_of

SERVICE, OPERATION, REQUEST = "CausewayProvisioning", "provision", "ProvisioningRequest"
NAME, LABEL = "Opportunity_Subscription_Template", "Opportunity - Subscription Template"
MESSAGE_NAME, MESSAGE_LABEL = "Opportunity_Subscription_Message_Template", "Opportunity - Subscription Message Template"
MESSAGE = "Causeway_Provisioning"
CALL, CHECK, LOG, FILL = "Tell_Causeway", "Was_It_Accepted", "Log_Failure", "Describe_Opportunity"
SUBJECT = "Provisioning was not started"
FAILURE = (
    "Causeway was not told that this opportunity was won: {!$Flow.FaultMessage} (HTTP status {!Tell_Causeway.responseCode}). "
    "Causeway looks for won opportunities every minute as well, so it may have been provisioned meanwhile. If not, check the "
    "named credential Causeway, its key, and that you have the permission set Causeway Provisioning User."
)
WON = [{"field": "IsWon", "operator": "EqualTo", "value": {"booleanValue": True}}]


def callout_flow(*, status: str = "Draft") -> Flow:
    """The template with an HTTP callout. A draft: activating it is a decision of its own (ST-38)."""
    assigned = [
        ("opportunity_id", {"elementReference": "$Record.Id"}), ("org_id", {"elementReference": "$Organization.Id"}),
        ("event", {"stringValue": "won"}), ("stage", {"elementReference": "$Record.StageName"}),
        ("account_id", {"elementReference": "$Record.AccountId"}), ("name", {"elementReference": "$Record.Name"}),
    ]  # fmt: skip
    return Flow(NAME, {
        "actionCalls": _call(),
        "apiVersion": API_VERSION,
        "assignments": {
            "name": FILL, "label": "Describe opportunity", **_place(176, 158),
            "assignmentItems": [
                {"assignToReference": f"request.{name}", "operator": "Assign", "value": value} for name, value in assigned
            ],
            "connector": _to(CALL),
        },
        "decisions": _decision(),
        "description": "Tells Causeway that an opportunity was won. Save it as a new flow before you change it.",
        "environments": "Default",
        "interviewLabel": f"{LABEL} {{!$Flow.CurrentDateTime}}",
        "label": LABEL,
        "processMetadataValues": _builder(),
        "processType": "AutoLaunchedFlow",
        "recordCreates": _task(),
        "start": _start({"scheduledPaths": {"connector": _to(FILL), "pathType": "AsyncAfterCommit"}}),
        "status": status,
        "textTemplates": {"name": "Failure_Text", "isViewedAsPlainText": True, "text": FAILURE},
        "variables": {"name": "request", "apexClass": f"ExternalService__{SERVICE}_{REQUEST}", "dataType": "Apex",
                      "isCollection": False, "isInput": False, "isOutput": False},
    })  # fmt: skip


def _call() -> Values:
    name = f"{SERVICE}.{OPERATION}"
    return {
        "name": CALL, "label": "Tell Causeway", **_place(176, 278), "actionName": name, "actionType": "externalService",
        "connector": _to(CHECK), "faultConnector": _to(LOG), "flowTransactionModel": "CurrentTransaction",
        "inputParameters": {"name": "body", "value": {"elementReference": "request"}}, "nameSegment": name, "offset": 0,
        "storeOutputAutomatically": True,
    }  # fmt: skip


def _decision() -> Values:
    """Answers outside of 2xx do not always take the fault path, so the status is looked at."""
    code = f"{CALL}.responseCode"
    return {
        "name": CHECK, "label": "Was it accepted?", **_place(176, 398),
        "defaultConnector": {"isGoTo": True, **_to(LOG)}, "defaultConnectorLabel": "No",
        "rules": {
            "name": "Accepted", "conditionLogic": "and",
            "conditions": [
                {"leftValueReference": code, "operator": "GreaterThanOrEqualTo", "rightValue": {"numberValue": 200.0}},
                {"leftValueReference": code, "operator": "LessThan", "rightValue": {"numberValue": 300.0}},
            ],
            "label": "Yes",
        },
    }  # fmt: skip


def _task() -> Values:
    """A task for the owner of the deal, due today. If even that fails, Salesforce mails the error to the flow's admin."""
    values = [
        ("ActivityDate", {"elementReference": "$Flow.CurrentDate"}), ("Description", {"elementReference": "Failure_Text"}),
        ("OwnerId", {"elementReference": "$Record.OwnerId"}), ("Subject", {"stringValue": SUBJECT}),
        ("WhatId", {"elementReference": "$Record.Id"}),
    ]  # fmt: skip
    return {
        "name": LOG, "label": "Log failure", **_place(440, 398),
        "inputAssignments": [{"field": name, "value": value} for name, value in values], "object": "Task",
        "storeOutputAutomatically": True,
    }  # fmt: skip


def _start(path: Values) -> Values:
    return {
        **_place(50, 0), "doesRequireRecordChangedToMeetCriteria": True, "filterLogic": "and", "filters": WON,
        "object": "Opportunity", "recordTriggerType": "CreateAndUpdate", **path, "triggerType": "RecordAfterSave",
    }  # fmt: skip


def _builder() -> list[Values]:
    named = (("BuilderType", "LightningFlowBuilder"), ("CanvasMode", "AUTO_LAYOUT_CANVAS"),
             ("OriginBuilderType", "LightningFlowBuilder"))  # fmt: skip
    return [{"name": name, "value": {"stringValue": value}} for name, value in named]


def _place(x: int, y: int) -> Values:
    return {"locationX": x, "locationY": y}


def _to(target: str) -> Values:
    return {"targetReference": target}


# --- the alternative: an outbound message -------------------------------------------------------------------------------------


def message_flow(*, status: str = "Draft") -> Flow:
    """The same trigger with an outbound message, which Salesforce repeats for a day until we acknowledge it."""
    name = f"Opportunity.{MESSAGE}"
    return Flow(MESSAGE_NAME, {
        "actionCalls": {
            "name": "Send_Message", "label": "Send message", **_place(176, 158), "actionName": name,
            "actionType": "outboundMessage", "flowTransactionModel": "CurrentTransaction",
            "inputParameters": {"name": "SObjectRowId", "value": {"elementReference": "$Record.Id"}}, "nameSegment": name,
            "offset": 0,
        },
        "apiVersion": API_VERSION,
        "description": "Sends Causeway a message when an opportunity was won. Save it as a new flow before you change it.",
        "environments": "Default",
        "interviewLabel": f"{MESSAGE_LABEL} {{!$Flow.CurrentDateTime}}",
        "label": MESSAGE_LABEL,
        "processMetadataValues": _builder(),
        "processType": "AutoLaunchedFlow",
        "start": _start({"connector": _to("Send_Message")}),
        "status": status,
    })  # fmt: skip


def message(url: str, *, sender: str) -> OutboundMessage:
    """The outbound message; its address carries the key, because a message has no headers of ours."""
    return OutboundMessage("Opportunity", MESSAGE, "Causeway provisioning", url, sender, ("Id", "StageName"),
                           description="Tells Causeway that an opportunity was won.")  # fmt: skip


# --- flows of the org ---------------------------------------------------------------------------------------------------------


def may_both_fire(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether one save can start both flows, as far as their start says (ST-38, ST-D14).

    They cannot when they watch different objects, or when both demand another value of the same field. What cannot be told by
    the filters alone (formulas, filters joined by "or") counts as yes.
    """
    first, second = as_dicts(one.get("start")), as_dicts(other.get("start"))
    if not first or not second or text_of(first[0], "object").lower() != text_of(second[0], "object").lower():
        return False
    demanded, also = _demanded(first[0]), _demanded(second[0])
    return all(demanded[name] == also[name] for name in demanded.keys() & also.keys())


def _demanded(start: Mapping[str, Any]) -> dict[str, str]:
    """The values that a record must have so that the flow starts, by field in lower case."""
    if text_of(start, "filterLogic").lower() not in ("", "and"):
        return {}
    return {
        text_of(each, "field").lower(): str(next(iter(value.values()), "")).lower()
        for each in as_dicts(start.get("filters"))
        if text_of(each, "operator") == "EqualTo" and isinstance(value := each.get("value"), dict)
        and "elementReference" not in value
    }  # fmt: skip


def calls_us(content: Mapping[str, Any], *, services: Iterable[str] = (SERVICE,), messages: Iterable[str] = ()) -> bool:
    """Whether a flow tells us of records: by an operation of one of these services or by one of these outbound messages."""
    starts = tuple(f"{each}.".lower() for each in services)
    ours = {each.lower() for each in messages} | {f"Opportunity.{MESSAGE}".lower()}
    for call in as_dicts(content.get("actionCalls")):
        kind, name = text_of(call, "actionType"), text_of(call, "actionName").lower()
        if (kind == "externalService" and name.startswith(starts)) or (kind == "outboundMessage" and name in ours):
            return True
    return False
