"""Outbound messages: what is sent, and how long it is tried."""

from defusedxml.ElementTree import fromstring

from tests.demo_org.automation.flowing import (
    ACK,
    SPACE,
    Receiver,
    deploy_files,
    deploy_flow,
    filters,
    frame,
    good,
    make_deal,
    problems,
    settle,
    start,
)
from tests.demo_org.core.served_org import Core

OUT, SF = "{http://soap.sforce.com/2005/09/outbound}", "{urn:sobject.enterprise.soap.sforce.com}"
SEND = (
    "<actionCalls><name>Tell</name><label>Tell</label><actionName>Opportunity.Deal_Won</actionName><actionType>outboundMessage</actionType>"
    "<flowTransactionModel>CurrentTransaction</flowTransactionModel><nameSegment>Opportunity.Deal_Won</nameSegment></actionCalls>"
)


def message(url: str, name: str = "Deal_Won", fields: tuple[str, ...] = ("Id", "Amount", "IsWon", "Name", "NextStep")) -> str:
    listed = "".join(f"<fields>{each}</fields>" for each in fields)
    return (
        f"<outboundMessages><fullName>{name}</fullName><apiVersion>65.0</apiVersion><endpointUrl>{url}/soap?key=a&amp;b=1</endpointUrl>"
        f"{listed}<includeSessionId>false</includeSessionId><integrationUser>ada@core.example</integrationUser><name>Deal won</name>"
        "<protected>false</protected><useDeadLetterQueue>false</useDeadLetterQueue></outboundMessages>"
    )


def deploy_message(core: Core, url: str, more: str = "") -> str:
    text = f"<Workflow {SPACE}>{message(url)}{more}</Workflow>"
    return deploy_files(core, {"workflows/Opportunity.workflow": text}, {"Workflow": ["Opportunity"]})


def test_a_flow_sends_the_message_in_salesforces_form(core: Core, receiver: Receiver) -> None:
    receiver.answers = [(200, ACK.format("true"))]
    good(deploy_message(core, receiver.url))
    good(
        deploy_flow(core, "Tell", frame(start(at_once="Tell", where=filters(("IsWon", "EqualTo", True)), changed=True) + SEND))
    )
    deal = make_deal(core, "Closed Won", Amount=12.5)
    settle(core)
    [request] = receiver.requests
    assert request["path"] == "/soap?key=a&b=1"
    assert request["headers"]["Content-Type"].startswith("text/xml")
    root = fromstring(request["body"])
    told = root.find(f".//{OUT}notifications")
    assert told is not None
    assert told.findtext(f"{OUT}OrganizationId") == core.org.info.org_id
    assert told.findtext(f"{OUT}ActionId", "").startswith("04k")
    assert told.findtext(f"{OUT}Notification/{OUT}Id", "").startswith("04l")
    record = told.find(f"{OUT}Notification/{OUT}sObject")
    assert record is not None
    assert [(each.tag.removeprefix(SF), each.text) for each in record] == [
        ("Id", deal), ("Amount", "12.5"), ("IsWon", "true"), ("Name", "Harbor deal"),
    ]  # fmt: skip
    assert record.get("{http://www.w3.org/2001/XMLSchema-instance}type") == "sf:Opportunity"


def test_a_message_is_sent_again_until_it_is_acknowledged(core: Core, receiver: Receiver) -> None:
    core.control("settings", {"outbound_retry_seconds": 0.01})
    receiver.answers = [
        (500, "down"),
        (200, '{"ok": true}'),
        (200, ACK.format("false")),
        (200, ACK.format("true")),
        (200, "late"),
    ]
    good(deploy_message(core, receiver.url))
    good(deploy_flow(core, "Tell", frame(start(at_once="Tell") + SEND)))
    make_deal(core)
    for _ in range(400):
        if not core.control("flows?wait=1", method="GET")["waiting"]:
            break
    told = settle(core)
    bodies = {each["body"] for each in receiver.requests}
    assert (len(receiver.requests), len(bodies)) == (4, 1), "the same notification id each time"
    assert [each["state"] for each in told["runs"] if "message" in each] == ["Retrying", "Retrying", "Retrying", "Delivered"]


def test_after_a_day_a_message_is_given_up(core: Core, receiver: Receiver) -> None:
    receiver.answers = [(500, "down")] * 9
    good(deploy_message(core, receiver.url))
    good(deploy_flow(core, "Tell", frame(start(at_once="Tell") + SEND)))
    make_deal(core)
    assert len(settle(core)["waiting"]) == 1
    core.control("clock", {"advance": 25 * 3600})
    told = settle(core)
    assert told["waiting"] == []
    assert told["runs"][-1]["state"] == "Failed"
    assert len(receiver.requests) == 2


def test_a_workflow_rule_sends_up_to_100_notifications_at_once(core: Core, receiver: Receiver) -> None:
    receiver.answers = [(200, ACK.format("true"))] * 3
    rule = (
        "<rules><fullName>Won</fullName><actions><name>Deal_Won</name><type>OutboundMessage</type></actions><active>true</active>"
        "<criteriaItems><field>Opportunity.IsWon</field><operation>equals</operation><value>True</value></criteriaItems>"
        "<triggerType>onCreateOrTriggeringUpdate</triggerType></rules>"
    )
    good(deploy_message(core, receiver.url, rule))
    rows = [{"Name": f"Deal {n}", "StageName": "Closed Won", "CloseDate": "2026-12-31"} for n in range(150)]
    made = {str(each.id) for each in core.save("Opportunity", rows)}
    settle(core)
    found = [[each.text for each in fromstring(request["body"]).iter(f"{SF}Id")] for request in receiver.requests]
    assert sorted(map(len, found)) == [50, 100]
    assert {each for ids in found for each in ids} == made
    core.save("Opportunity", [{"Id": next(iter(made)), "NextStep": "again"}], "update")
    settle(core)
    assert len(receiver.requests) == 2, "it met the criteria before"


def test_the_parts_of_a_workflow_file_can_be_read_listed_and_deleted(core: Core, receiver: Receiver) -> None:
    good(deploy_message(core, receiver.url))
    good(deploy_flow(core, "Tell", frame(start(at_once="Tell") + SEND)))
    drop = f"<Package {SPACE}><types><members>{{}}</members><name>{{}}</name></types></Package>"
    answer = deploy_files(core, {"destructiveChanges.xml": drop.format("Opportunity.Deal_Won", "WorkflowOutboundMessage")}, {})
    assert "referenced elsewhere in the org: Flow Tell" in " ".join(problems(answer))
    files = {"destructiveChanges.xml": drop.format("Tell", "FlowDefinition")}
    off = f"<FlowDefinition {SPACE}><activeVersionNumber>0</activeVersionNumber></FlowDefinition>"
    good(deploy_files(core, {"flowDefinitions/Tell.flowDefinition": off}, {"FlowDefinition": ["Tell"]}))
    good(deploy_files(core, files, {}))
    good(deploy_files(core, {"destructiveChanges.xml": drop.format("Opportunity.Deal_Won", "WorkflowOutboundMessage")}, {}))
    assert not [name for name in core.org.draft.notes if name.startswith(("Flow:", "WorkflowOutboundMessage:"))]


def test_what_a_workflow_file_may_not_hold_is_refused(core: Core, receiver: Receiver) -> None:
    answer = deploy_message(core, receiver.url, "<fieldUpdates><fullName>X</fullName></fieldUpdates>")
    assert "fieldUpdates" in " ".join(problems(answer))
    bad = f"<Workflow {SPACE}>{message('ftp://x')}</Workflow>"
    answer = deploy_files(core, {"workflows/Opportunity.workflow": bad}, {"Workflow": ["Opportunity"]})
    assert "Endpoint URL" in " ".join(problems(answer))
