"""Flows as the org runs them: when they start, what they do, what they must never break."""

import threading
import time
from pathlib import Path

import pytest

from integrations.demo_org.automation.working import THREADS
from integrations.demo_org.opening import open_org
from integrations.demo_org.schema.catalogue import standard_objects
from tests.demo_org.automation.flowing import (
    Receiver,
    assign,
    call,
    deploy_flow,
    deploy_service,
    filters,
    frame,
    good,
    link,
    make_deal,
    problems,
    settle,
    start,
    update,
    value,
    variable,
    won_flow,
)
from tests.demo_org.core.served_org import Core, open_core_org, serving


def log_update(text: str = "ran", *, after: str = "") -> str:
    """An element that marks the deal's account, so that the deal itself does not change."""
    return update("Mark", "Account", "Description", text, where=filters(("Id", "EqualTo", "@$Record.AccountId")), after=after)


def test_a_won_deal_is_sent_with_its_lines_and_the_answer_is_written_back(core: Core, receiver: Receiver) -> None:
    deploy_service(core, receiver.url)
    good(deploy_flow(core, "Send_Won", won_flow()))
    account = core.make("Account", Name="Harbor & Pine")
    deal = make_deal(core, AccountId=account)
    for name, quantity, price in (("Seats", 5, 20), ("Add-on", 2, 7.5)):
        product = core.make("Product2", Name=name, IsActive=True)
        standard = core.org.store.read().execute("SELECT Id FROM Pricebook2 WHERE IsStandard = 1").fetchone()
        book = standard[0] if standard else core.make("Pricebook2", Name="Standard", IsActive=True)
        entry = core.make("PricebookEntry", Pricebook2Id=book, Product2Id=product, UnitPrice=price, IsActive=True)
        core.make("OpportunityLineItem", OpportunityId=deal, PricebookEntryId=entry, Quantity=quantity, UnitPrice=price)
    assert settle(core)["runs"] == []
    answer = core.call("PATCH", f"sobjects/Opportunity/{deal}", json={"StageName": "Closed Won"})
    assert answer.status_code == 204
    told = settle(core)
    [request] = receiver.requests
    assert request["path"] == "/api/v1/deals/won"
    assert request["headers"]["Authorization"] == "Bearer key-1"
    [body] = receiver.bodies
    assert body == {
        "opportunityId": deal, "amount": 115.0, "won": True, "note": "Harbor & Pine: Harbor deal",
        "lines": [{"product": "Seats", "quantity": 5.0}, {"product": "Add-on", "quantity": 2.0}],
    }  # fmt: skip
    [run] = told["runs"]
    assert (run["state"], run["path"], run["version"]) == ("Finished", "Later", 1), run
    assert request["headers"]["Idempotency-Key"] == run["guid"]
    assert run["callouts"][0]["status"] == 200
    assert core.row("Opportunity", deal)["NextStep"] == "prov-1"


@pytest.mark.parametrize("way", ["rest", "collections", "composite", "bulk", "control", "upsert", "created"])
def test_every_way_to_save_starts_the_flow_once(core: Core, receiver: Receiver, way: str) -> None:
    deploy_service(core, receiver.url)
    good(deploy_flow(core, "Send_Won", won_flow()))
    deal = make_deal(core, External_Id__c="ext-1")
    change = {"StageName": "Closed Won"}
    if way == "rest":
        core.call("PATCH", f"sobjects/Opportunity/{deal}", json=change)
    elif way == "collections":
        record = {"attributes": {"type": "Opportunity"}, "id": deal, **change}
        core.call("PATCH", "composite/sobjects", json={"allOrNone": True, "records": [record]})
    elif way == "composite":
        part = {
            "method": "PATCH",
            "url": f"/services/data/v65.0/sobjects/Opportunity/{deal}",
            "referenceId": "a",
            "body": change,
        }
        core.call("POST", "composite", json={"compositeRequest": [part]})
    elif way == "bulk":
        core.save("Opportunity", [{"Id": deal, **change}], "update", source="bulk")
    elif way == "control":
        core.control("update", {"object": "Opportunity", "id": deal, "fields": change})
    elif way == "upsert":
        core.call("PATCH", "sobjects/Opportunity/External_Id__c/ext-1", json=change)
    else:
        deal = make_deal(core, "Closed Won")
    settle(core)
    assert [each["opportunityId"] for each in receiver.bodies] == [deal]


def test_only_a_change_that_meets_the_conditions_starts_it(core: Core, receiver: Receiver) -> None:
    deploy_service(core, receiver.url)
    good(deploy_flow(core, "Send_Won", won_flow()))
    deal = make_deal(core, "Closed Won")
    settle(core)
    for change in ({"Name": "Other"}, {"NextStep": "x"}, {"StageName": "Closed Won"}):
        core.call("PATCH", f"sobjects/Opportunity/{deal}", json=change)
    settle(core)
    assert len(receiver.requests) == 1
    for stage in ("Prospecting", "Closed Lost", "Closed Won"):
        core.call("PATCH", f"sobjects/Opportunity/{deal}", json={"StageName": stage})
    settle(core)
    assert len(receiver.requests) == 2


def test_without_that_rule_each_save_of_a_record_that_meets_them_starts_it(core: Core) -> None:
    flow = frame(start("Mark", where=filters(("IsWon", "EqualTo", True))) + log_update("{!$Record.Name}"))
    good(deploy_flow(core, "Each", flow))
    deal = make_deal(core, "Closed Won", AccountId=core.make("Account", Name="A"))
    core.call("PATCH", f"sobjects/Opportunity/{deal}", json={"Name": "Renamed"})
    assert [each["flow"] for each in settle(core)["runs"]] == ["Each", "Each"]


@pytest.mark.parametrize(("trigger", "runs"), [("Create", 1), ("Update", 1), ("CreateAndUpdate", 2)])
def test_the_kind_of_the_trigger_counts(core: Core, trigger: str, runs: int) -> None:
    good(deploy_flow(core, "Kinds", frame(start("Mark", trigger=trigger) + log_update())))
    deal = make_deal(core)
    core.call("PATCH", f"sobjects/Opportunity/{deal}", json={"Name": "Other"})
    assert len(settle(core)["runs"]) == runs


def test_200_records_are_200_interviews(core: Core, receiver: Receiver) -> None:
    deploy_service(core, receiver.url)
    good(deploy_flow(core, "Send_Won", won_flow()))
    rows = [{"Name": f"Deal {n}", "StageName": "Closed Won", "CloseDate": "2026-12-31"} for n in range(200)]
    made = [each.id for each in core.save("Opportunity", rows)]
    told = settle(core, 30)
    assert len(told["runs"]) == 200
    assert {each["opportunityId"] for each in receiver.bodies} == set(made)
    assert len(receiver.requests) == 200


def test_what_is_rolled_back_starts_nothing(core: Core, receiver: Receiver) -> None:
    deploy_service(core, receiver.url)
    good(deploy_flow(core, "Send_Won", won_flow()))
    rows = [
        {"Name": "Good", "StageName": "Closed Won", "CloseDate": "2026-12-31"},
        {"Name": "No date", "StageName": "Closed Won"},
    ]
    assert not any(each.success for each in core.save("Opportunity", rows, all_or_none=True))
    assert settle(core)["runs"] == []
    assert receiver.requests == []


def test_a_save_never_waits_for_a_callout_and_never_fails_with_it(core: Core, receiver: Receiver) -> None:
    deploy_service(core, receiver.url)
    good(deploy_flow(core, "Send_Won", won_flow()))
    receiver.hold.clear()
    begun = time.monotonic()
    deal = make_deal(core, "Closed Won")
    assert time.monotonic() - begun < 2
    receiver.answers = [(503, "down")]
    receiver.hold.set()
    [run] = settle(core)["runs"]
    assert run["state"] == "Failed"
    assert "503" in run["error"]
    assert core.row("Opportunity", deal)["StageName"] == "Closed Won"
    assert len(receiver.requests) == 1, "a callout is never tried again"


def test_a_fault_path_gets_the_message_and_goes_on(core: Core, receiver: Receiver) -> None:
    deploy_service(core, receiver.url)
    note = update("Note_Fault", "Opportunity", "Description", "Not sent: {!$Flow.FaultMessage}",
                  where=filters(("Id", "EqualTo", "@$Record.Id")))  # fmt: skip
    good(deploy_flow(core, "Send_Won", won_flow(fault="Note_Fault") + note))
    receiver.answers = [(400, '{"error": "no plan"}')]
    deal = make_deal(core, "Closed Won")
    [run] = settle(core)["runs"]
    assert run["state"] == "Finished"
    assert core.row("Opportunity", deal)["Description"].startswith("Not sent: Failed with http response code 400")
    assert len(run["faults"]) == 1


def test_an_immediate_path_runs_in_the_save_and_can_refuse_single_rows(core: Core) -> None:
    rule = {"object": "Account", "field": "Description", "op": "=", "value": "bad", "message": "Not this one"}
    core.control("settings", {"validation_rules": [rule]})
    flow = frame(start(at_once="Mark", trigger="Create") + log_update("{!$Record.NextStep}"))
    good(deploy_flow(core, "At_Once", flow))
    account = core.make("Account", Name="A")
    rows = [{"Name": step, "StageName": "Prospecting", "CloseDate": "2026-12-31", "AccountId": account, "NextStep": step}
            for step in ("good", "bad", "fine")]  # fmt: skip
    results = core.save("Opportunity", rows)
    assert [each.success for each in results] == [True, False, True]
    assert results[1].errors[0].code == "CANNOT_EXECUTE_FLOW_TRIGGER"
    assert "Not this one" in results[1].errors[0].message
    assert core.row("Account", account)["Description"] == "fine"
    runs = settle(core)["runs"]
    assert sorted(each["state"] for each in runs) == ["Failed", "Finished", "Finished"], "what was rolled back did not run"
    left = core.org.store.read().execute("SELECT Name FROM Opportunity ORDER BY Name").fetchall()
    assert [each[0] for each in left] == ["fine", "good"]


def test_a_deal_that_may_not_change_refuses_the_lines_that_change_it(core: Core) -> None:
    core.control("settings", {"validation_rules": [{"object": "Account", "field": "Description", "op": "=", "value": "60",
                                                    "message": "Not this sum"}]})  # fmt: skip
    good(deploy_flow(core, "Sums", frame(start(at_once="Mark", trigger="Update") + log_update("{!$Record.Amount}"))))
    deal = make_deal(core, AccountId=core.make("Account", Name="A"))
    product, book = core.make("Product2", Name="Seat", IsActive=True), core.make("Pricebook2", Name="Book", IsActive=True)
    entry = core.make("PricebookEntry", Pricebook2Id=book, Product2Id=product, UnitPrice=30, IsActive=True)
    line = {"OpportunityId": deal, "PricebookEntryId": entry, "UnitPrice": 30}
    first, second = (core.save("OpportunityLineItem", [{**line, "Quantity": count}])[0] for count in (2, 1))
    assert (first.success, second.success) == (False, True)
    assert first.errors[0].code == "CANNOT_EXECUTE_FLOW_TRIGGER"
    assert core.row("Opportunity", deal)["Amount"] == 30
    core.save("OpportunityLineItem", [{**line, "Quantity": 3}])
    third = core.save("OpportunityLineItem", [{**line, "Quantity": 2}])[0]
    assert core.row("Opportunity", deal)["Amount"] == 180
    assert core.save("OpportunityLineItem", [{"Id": third.id}], "delete")[0].success
    answer = core.call("DELETE", f"sobjects/OpportunityLineItem/{second.id}")
    assert answer.status_code == 204
    assert core.row("Opportunity", deal)["Amount"] == 90
    core.save("OpportunityLineItem", [{**line, "Quantity": 1.0}])
    one = core.org.store.read().execute("SELECT Id FROM OpportunityLineItem WHERE IsDeleted = 0 AND Quantity = 3").fetchone()[0]
    made = core.save("OpportunityLineItem", [{**line, "Quantity": 1.0}])[0]
    assert made.success
    answer = core.call("DELETE", f"sobjects/OpportunityLineItem/{one}")
    assert (answer.status_code, "Not this sum" in answer.text) == (400, True), "two seats of 30 would be left"
    assert core.row("OpportunityLineItem", one)["IsDeleted"] == 0
    assert core.row("Opportunity", deal)["Amount"] == 150


def test_no_callout_is_made_while_a_record_is_being_saved(core: Core, receiver: Receiver) -> None:
    deploy_service(core, receiver.url)
    flow = frame(start(at_once="Send", trigger="Create") + call("Send", "Deals.sendDeal", {"kind": "x", "body": "@deal"})
                 + variable("deal", "Apex", "<apexClass>ExternalService__Deals_Deal</apexClass>"))  # fmt: skip
    good(deploy_flow(core, "At_Once", flow))
    result = core.save("Opportunity", [{"Name": "X", "StageName": "Prospecting", "CloseDate": "2026-12-31"}])[0]
    assert not result.success
    assert "Callout from triggers" in result.errors[0].message
    assert receiver.requests == []


def test_a_flow_is_not_started_again_by_its_own_change(core: Core) -> None:
    change = update("Change", "Opportunity", "NextStep", "changed", where=filters(("Id", "EqualTo", "@$Record.Id")))
    good(deploy_flow(core, "Itself", frame(start("Change") + change)))
    deal = make_deal(core)
    assert len(settle(core)["runs"]) == 1
    assert core.row("Opportunity", deal)["NextStep"] == "changed"


def test_flows_that_start_each_other_come_to_an_end(core: Core) -> None:
    ping = update(
        "Ping", "Account", "Description", "{!$Flow.InterviewGuid}", where=filters(("Id", "EqualTo", "@$Record.AccountId"))
    )
    pong = ("<recordCreates><name>Pong</name><label>Pong</label><inputAssignments><field>Name</field><value><stringValue>Next"
            "</stringValue></value></inputAssignments><inputAssignments><field>StageName</field><value><stringValue>Prospecting"
            "</stringValue></value></inputAssignments><inputAssignments><field>CloseDate</field><value><dateValue>2026-12-31</dateValue>"
            "</value></inputAssignments><inputAssignments><field>AccountId</field><value><elementReference>$Record.Id</elementReference>"
            "</value></inputAssignments><object>Opportunity</object></recordCreates>")  # fmt: skip
    good(deploy_flow(core, "Ping", frame(start("Ping", trigger="Create") + ping)))
    good(deploy_flow(core, "Pong", frame(start("Pong", trigger="Update", object_name="Account") + pong)))
    make_deal(core, AccountId=core.make("Account", Name="A"))
    told = settle(core, 20)
    assert len(told["runs"]) < 40
    assert told["waiting"] == []


def test_decisions_formulas_and_what_the_record_was_before(core: Core) -> None:
    decision = (
        "<decisions><name>Which</name><label>Which</label>" + link("Same", "defaultConnector") + "<defaultConnectorLabel>Other"
        "</defaultConnectorLabel><rules><name>Grew</name><conditionLogic>1 AND (2 OR 3)</conditionLogic><conditions>"
        "<leftValueReference>Growth</leftValueReference><operator>GreaterThan</operator><rightValue>" + value(10) + "</rightValue>"
        "</conditions><conditions><leftValueReference>$Record.StageName</leftValueReference><operator>IsChanged</operator><rightValue>"
        + value(True) + "</rightValue></conditions><conditions><leftValueReference>$Record__Prior.StageName</leftValueReference>"
        "<operator>EqualTo</operator><rightValue>" + value("Prospecting") + "</rightValue></conditions>" + link("Larger")
        + "<label>Grew</label></rules></decisions>"
    )  # fmt: skip
    own = filters(("Id", "EqualTo", "@$Record.Id"))
    flow = frame(
        start("Which", trigger="Update") + decision
        + update("Larger", "Opportunity", "NextStep", "{!Growth} more since {!$Record__Prior.Amount}", where=own)
        + update("Same", "Opportunity", "NextStep", "same", where=own)
        + "<formulas><name>Growth</name><dataType>Number</dataType><expression>ROUND({!$Record.Amount} - {!$Record__Prior.Amount}, 0)"
        "</expression><scale>0</scale></formulas>"
    )  # fmt: skip
    good(deploy_flow(core, "Growth", flow))
    deal = make_deal(core, Amount=100)
    core.call("PATCH", f"sobjects/Opportunity/{deal}", json={"Amount": 130})
    settle(core)
    assert core.row("Opportunity", deal)["NextStep"] == "30 more since 100"
    core.call("PATCH", f"sobjects/Opportunity/{deal}", json={"Amount": 131})
    settle(core)
    assert core.row("Opportunity", deal)["NextStep"] == "same"


def test_a_start_formula_decides(core: Core) -> None:
    where = '<filterFormula>AND(ISCHANGED({!$Record.StageName}), NOT(ISPICKVAL({!$Record__Prior.StageName}, "Qualification")))</filterFormula>'
    flow = frame(start("Mark", trigger="Update", where=where.replace('"', "&quot;")) + log_update())
    good(deploy_flow(core, "By_Formula", flow))
    deal = make_deal(core)
    for stage, runs in (("Qualification", 1), ("Prospecting", 1), ("Needs Analysis", 2), ("Needs Analysis", 2)):
        core.call("PATCH", f"sobjects/Opportunity/{deal}", json={"StageName": stage})
        assert len(settle(core)["runs"]) == runs, stage


def test_a_path_with_a_delay_waits_for_its_time_and_looks_again(core: Core) -> None:
    paths = ("<scheduledPaths><name>In_A_Day</name><label>In a day</label>" + link("Mark") + "<offsetNumber>1</offsetNumber>"
             "<offsetUnit>Days</offsetUnit><timeSource>RecordTriggerEvent</timeSource></scheduledPaths>")  # fmt: skip
    flow = frame(start(paths=paths, where=filters(("StageName", "EqualTo", "Needs Analysis"))) + log_update("late"))
    good(deploy_flow(core, "Delayed", flow))
    account = core.make("Account", Name="A")
    stays, goes = (make_deal(core, "Needs Analysis", AccountId=account, NextStep=each) for each in ("a", "b"))
    assert [each["kind"] for each in settle(core)["waiting"]] == ["run", "run"]
    core.call("PATCH", f"sobjects/Opportunity/{goes}", json={"StageName": "Closed Lost"})
    core.control("clock", {"advance": 86_500})
    told = settle(core)
    assert {(each["record"], each["state"]) for each in told["runs"]} == {(stays, "Finished"), (goes, "Skipped")}
    assert told["waiting"] == []


def test_line_items_that_change_a_deal_start_its_flows(core: Core) -> None:
    good(deploy_flow(core, "Amounts", frame(start("Mark", trigger="Update", where=filters(("Amount", "GreaterThan", 50)), changed=True)
                                            + log_update("{!$Record.Amount}"))))  # fmt: skip
    account = core.make("Account", Name="A")
    deal = make_deal(core, AccountId=account)
    product = core.make("Product2", Name="Seat", IsActive=True)
    book = core.make("Pricebook2", Name="Book", IsActive=True)
    entry = core.make("PricebookEntry", Pricebook2Id=book, Product2Id=product, UnitPrice=30, IsActive=True)
    core.make("OpportunityLineItem", OpportunityId=deal, PricebookEntryId=entry, Quantity=2, UnitPrice=30)
    settle(core)
    assert core.row("Account", account)["Description"] == "60"


def test_a_loop_without_end_is_stopped(core: Core) -> None:
    flow = frame(start("First") + assign("First", ("number", "Add", 1), after="Second") + assign("Second", ("number", "Add", 1), after="First")
                 + variable("number", "Number", "<scale>0</scale>"))  # fmt: skip
    good(deploy_flow(core, "Endless", flow))
    make_deal(core)
    [run] = settle(core)["runs"]
    assert "number of iterations exceeded" in run["error"]


def test_callouts_stay_on_this_machine(core: Core, receiver: Receiver) -> None:
    deploy_service(core, "http://198.51.100.7:8080")
    good(deploy_flow(core, "Send_Won", won_flow()))
    make_deal(core, "Closed Won")
    [run] = settle(core)["runs"]
    assert "Unauthorized endpoint" in run["error"]
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("secret", "grant", "wanted"), [(None, True, "has no value"), ("k", False, "couldn't access the credential")]
)
def test_a_credential_needs_a_value_and_access(
    core: Core, receiver: Receiver, secret: str | None, grant: bool, wanted: str
) -> None:
    deploy_service(core, receiver.url, secret=secret, grant=grant)
    good(deploy_flow(core, "Send_Won", won_flow()))
    make_deal(core, "Closed Won")
    [run] = settle(core)["runs"]
    assert wanted in run["error"]
    assert receiver.requests == []


def test_what_waits_survives_the_end_of_the_process(tmp_path: Path, receiver: Receiver) -> None:
    """The run stands in the data file with the save itself: nothing is lost when the process ends before it was done."""
    org = open_core_org(tmp_path)
    with serving(org) as core:
        core.sign_in()
        deploy_service(core, receiver.url)
        good(deploy_flow(core, "Send_Won", won_flow()))
        org.automation.stop()
        deal = make_deal(core, "Closed Won")
        assert receiver.requests == []
    org.close()
    again = open_org(tmp_path, objects=standard_objects())
    again.automation.resume()
    assert again.automation.wait_until_idle(10)
    again.close()
    assert [each["opportunityId"] for each in receiver.bodies] == [deal]


def test_a_reset_forgets_what_waits_and_what_ran(core: Core, receiver: Receiver) -> None:
    deploy_service(core, receiver.url)
    good(deploy_flow(core, "Send_Won", won_flow()))
    receiver.hold.clear()
    make_deal(core, "Closed Won")
    core.control("reset")
    receiver.hold.set()
    told = settle(core)
    assert (told["flows"], told["waiting"]) == ([], [])
    assert core.org.store.read().execute("SELECT COUNT(*) FROM Opportunity").fetchone()[0] == 0


def test_few_callouts_are_under_way_at_once(core: Core, receiver: Receiver) -> None:
    deploy_service(core, receiver.url)
    good(deploy_flow(core, "Send_Won", won_flow()))
    receiver.hold.clear()
    core.save("Opportunity", [{"Name": f"D {n}", "StageName": "Closed Won", "CloseDate": "2026-12-31"} for n in range(40)])
    until = time.monotonic() + 5
    while len(receiver.requests) < THREADS and time.monotonic() < until:
        threading.Event().wait(0.01)
    assert len(receiver.requests) == THREADS
    receiver.hold.set()
    assert len(settle(core, 20)["runs"]) == 40
    assert len(receiver.requests) == 40


def test_an_outcome_may_ask_that_the_record_did_not_meet_it_before(core: Core) -> None:
    own = filters(("Id", "EqualTo", "@$Record.AccountId"))
    decision = (
        "<decisions><name>Which</name><label>Which</label>" + link("Mark", "defaultConnector") + "<defaultConnectorLabel>No</defaultConnectorLabel>"
        "<rules><name>Now</name><conditionLogic>and</conditionLogic><conditions><leftValueReference>$Record.IsWon</leftValueReference>"
        "<operator>EqualTo</operator><rightValue>" + value(True) + "</rightValue></conditions>" + link("Just_Won")
        + "<doesRequireRecordChangedToMeetCriteria>true</doesRequireRecordChangedToMeetCriteria><label>Now</label></rules></decisions>"
    )  # fmt: skip
    flow = frame(start("Which", trigger="Update") + decision + log_update("not now")
                 + update("Just_Won", "Account", "Description", "just won", where=own))  # fmt: skip
    good(deploy_flow(core, "Outcomes", flow))
    account = core.make("Account", Name="A")
    deal = make_deal(core, AccountId=account)
    for change, wanted in (({"StageName": "Closed Won"}, "just won"), ({"NextStep": "x"}, "not now")):
        core.call("PATCH", f"sobjects/Opportunity/{deal}", json=change)
        settle(core)
        assert core.row("Account", account)["Description"] == wanted


def test_an_answer_that_is_not_in_time_is_a_fault(core: Core, receiver: Receiver) -> None:
    deploy_service(core, receiver.url)
    good(deploy_flow(core, "Send_Won", won_flow()))
    core.control("settings", {"callout_seconds": 0.05})
    receiver.hold.clear()
    make_deal(core, "Closed Won")
    [run] = settle(core)["runs"]
    assert (run["state"], "Read timed out" in run["error"]) == ("Failed", True)


WRONG = {
    "an element that is not imitated": ("<screens><name>Ask</name></screens>" + log_update(), "screens (Ask)"),
    "a part that is not imitated": (log_update().replace("<label>Mark</label>", "<label>Mark</label><dance>yes</dance>"), "dance"),
    "a field that is not there": (log_update().replace("Description", "Nothing__c"), '"Nothing__c" for the object "Account"'),
    "an object that is not there": (log_update().replace("<object>Account", "<object>Nothing"), 'object "Nothing"'),
    "a connector to nowhere": (log_update(after="Gone"), 'element "Gone"'),
    "a reference to nothing": (log_update("{!nobody}"), 'invalid reference to "nobody"'),
    "an action that is not there": (log_update(after="Act") + call("Act", "Nothing.doIt", {}), 'action "Nothing.doIt"'),
    "an action that is not imitated": (
        log_update(after="Act") + call("Act", "x", {}).replace("externalService", "emailSimple"), "emailSimple"),
    "a class that is not there": (log_update() + variable("x", "Apex", "<apexClass>ExternalService__No_Thing</apexClass>"), "apexClass"),
    "an unknown function": (
        log_update() + "<formulas><name>F</name><dataType>Number</dataType><expression>VLOOKUP(1)</expression></formulas>", "VLOOKUP"),
    "an operator that is not imitated": (log_update().replace("EqualTo", "Sounds"), "Sounds"),
    "an element alone": (log_update() + assign("Alone", ("x", "Assign", 1)) + variable("x", "Number"), '"Alone"'),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_flow_is_refused_by_name(core: Core, what: str) -> None:
    inner, wanted = WRONG[what]
    answer = deploy_flow(core, "Wrong", frame(start("Mark") + inner))
    assert "<status>Failed</status>" in answer, what
    assert wanted in " ".join(problems(answer)).replace("&quot;", '"'), problems(answer)
    assert core.control("flows", method="GET")["flows"] == []


@pytest.mark.parametrize(("old", "new", "wanted"), [
    ("RecordAfterSave", "RecordBeforeSave", "RecordBeforeSave"), ("AutoLaunchedFlow", "Flow", "AutoLaunchedFlow"),
    ("<label>Tested</label>", "", "label"), ("<status>Active</status>", "<status>Running</status>", "Running"),
])  # fmt: skip
def test_a_wrong_frame_is_refused(core: Core, old: str, new: str, wanted: str) -> None:
    answer = deploy_flow(core, "Wrong", frame(start("Mark") + log_update()).replace(old, new, 1))
    assert wanted in " ".join(problems(answer)), answer
