"""The org calls us: the key in its credential, the flow from a won opportunity to the call, failures, flows that fire twice."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.utils import timezone

from integrations.access import Refusal
from integrations.models import AuditEntry
from integrations.orgs.connect import client_for
from integrations.salesforce import credentials, flows, metadata, rest
from integrations.salesforce.metadata_callouts import ExternalService, Flow, NamedCredential
from integrations.sync.fields import granting
from provisioning.connection import make_key, settings_of
from provisioning.provision import messages
from provisioning.salesforce import calling, checking, demo, deploying, flow, package
from tests.conformity.conftest import RECORDINGS
from tests.conformity.shape import compare, xml_to_tree

pytestmark = pytest.mark.django_db
PATIENCE = 20  # seconds that flows may take here at most


class Listener(ThreadingHTTPServer):
    """Stands where our own endpoint would: keeps what arrives, answers `status`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.arrived = 200, []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Any

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.arrived.append((self.path, dict(self.headers), body))
        soap = b"xml" in self.headers.get("Content-Type", "").encode()
        answer = ACK if soap else b'{"status": "done", "message": "Provisioned."}'
        self.send_response(self.server.status)
        self.send_header("Content-Type", "text/xml" if soap else "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        """Quiet."""


ACK = (
    b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    b'<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse>'
    b"</soapenv:Body></soapenv:Envelope>"
)


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recorded answers are not on this machine")
def test_an_outbound_message_as_recorded_is_read_and_acknowledged():
    folder = RECORDINGS / "events"
    hint = messages.read_xml((folder / "outbound-message-request-shape.xml").read_bytes())
    assert hint == messages.Hint("00Dxx0000000000EAA", ("006xx0000000001AAA",))
    recorded = xml_to_tree((folder / "outbound-message-ack.xml").read_text())
    assert xml_to_tree(messages.write_ack(taken=True)) == recorded


@pytest.fixture
def listener(settings) -> Iterator[Listener]:
    server = Listener()
    settings.BASE_URL = server.url
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def salesforce(connected_org):
    with client_for(connected_org, domain="provisioning") as client:
        yield client


@pytest.fixture
def ready(connected_org, listener):
    """An org with everything deployed, its key stored, the template active."""
    run = deploying.request_deploy(connected_org, user=None, now=timezone.now())
    run.refresh_from_db()
    assert run.state == "success", run.sentence
    key, problem = calling.renew_key(connected_org, actor=None, now=timezone.now())
    assert problem == ""
    given = deploying.assign_people(connected_org, [connected_org.user_name], actor=None, now=timezone.now())
    assert set(given.values()) == {""}
    calling.activate(connected_org, flow.NAME, actor=None, now=timezone.now())
    return key


@pytest.fixture
def settle(demo_org):
    """Wait until the org has nothing left to do after a commit."""
    return lambda: demo_org.control(f"flows?wait={PATIENCE}")["idle"]


def opportunity(salesforce, **values) -> str:
    account = salesforce.query_all("SELECT Id FROM Account ORDER BY Id LIMIT 1")[0]["Id"]
    row = {"Name": "Big deal", "StageName": "Prospecting", "CloseDate": "2026-11-22", "AccountId": account, **values}
    return rest.create_record(salesforce, "Opportunity", row).or_raise().id


def win(salesforce, found) -> None:
    rest.update_record(salesforce, "Opportunity", found, {"StageName": "Closed Won"})


def test_st_26_and_st_29_a_won_opportunity_calls_with_the_key_and_its_ids(ready, connected_org, salesforce, listener, settle):
    found = opportunity(salesforce)
    assert settle()
    assert listener.arrived == []
    win(salesforce, found)
    assert settle()
    ((path, headers, body),) = listener.arrived
    assert (path, headers["Authorization"]) == ("/api/v1/provisioning/salesforce/", f"Bearer {ready}")
    told = json.loads(body)
    assert (told["opportunity_id"], told["org_id"][:15]) == (found, connected_org.org_id[:15])
    assert (told["event"], told["stage"], told["name"]) == ("won", "Closed Won", "Big deal")
    assert messages.read_json(body) == messages.Hint(connected_org.org_id, (found,))  # what our endpoint makes of it
    rest.update_record(salesforce, "Opportunity", found, {"Name": "Bigger deal"})  # won already: nothing becomes won
    assert settle()
    assert len(listener.arrived) == 1
    assert tasks(salesforce, found) == []


def test_st_d1_an_opportunity_that_is_created_as_won_calls_too(ready, salesforce, listener, settle):
    found = opportunity(salesforce, StageName="Closed Won")
    assert settle()
    ((_, _, body),) = listener.arrived
    assert json.loads(body)["opportunity_id"] == found


def tasks(salesforce, found):
    return salesforce.query_all(f"SELECT Subject, Description, OwnerId FROM Task WHERE WhatId = '{found}'")


@pytest.mark.parametrize("status", [401, 404, 500])
def test_nothing_is_dropped_silently_a_refused_call_becomes_a_task(ready, salesforce, listener, status, settle):
    listener.status = status
    found = opportunity(salesforce, StageName="Closed Won")
    assert settle()
    (task,) = tasks(salesforce, found)
    assert task["Subject"] == "Provisioning was not started"
    assert "Causeway was not told" in task["Description"]
    assert len(listener.arrived) == 1
    owner = salesforce.query_all(f"SELECT OwnerId FROM Opportunity WHERE Id = '{found}'")[0]["OwnerId"]
    assert task["OwnerId"] == owner


def test_nothing_is_dropped_silently_when_nobody_listens(ready, salesforce, listener, settle):
    listener.shutdown()
    listener.server_close()
    found = opportunity(salesforce, StageName="Closed Won")
    assert settle()
    (task,) = tasks(salesforce, found)
    assert "Causeway was not told" in task["Description"]


def test_st_16_and_st_18_a_new_key_goes_into_the_credential_and_the_old_one_is_replaced(
    ready, connected_org, salesforce, listener, settle
):
    key, problem = calling.renew_key(connected_org, actor=None, now=timezone.now())
    assert (problem, key == ready) == ("", False)
    opportunity(salesforce, StageName="Closed Won")
    assert settle()
    ((_, headers, _),) = listener.arrived
    assert headers["Authorization"] == f"Bearer {key}"
    assert not [each for each in AuditEntry.objects.all() if key in str(each.__dict__)]


def test_st_18_a_key_that_is_not_this_connections_is_refused(connected_org):
    with pytest.raises(Refusal, match="not the integration key"):
        calling.store_key(connected_org, "cwp_somethingelse", actor=None, now=timezone.now())
    old = make_key(connected_org, actor=None, now=timezone.now())
    make_key(connected_org, actor=None, now=timezone.now())
    with pytest.raises(Refusal, match="was replaced"):  # accepted for a day more, but nothing to store
        calling.store_key(connected_org, old, actor=None, now=timezone.now())


def test_st_18_without_a_deployment_the_key_is_shown_to_be_pasted(connected_org, listener):
    key, problem = calling.renew_key(connected_org, actor=None, now=timezone.now())
    assert key.startswith("cwp_")
    assert "Deploy first" in problem


def test_st_17_the_check_says_what_is_missing_for_calls_step_by_step(connected_org, salesforce, listener):
    def codes():
        return [each.code for each in checking.check_now(connected_org, now=timezone.now()) if each.object != "Flow"
                and each.code not in ("no_field", "no_object", "no_mapping")]  # fmt: skip

    assert codes() == ["no_credential"]
    deploying.request_deploy(connected_org, user=None, now=timezone.now())
    assert codes() == ["no_key", "no_people"]
    deploying.assign_people(connected_org, [connected_org.user_name], actor=None, now=timezone.now())
    assert codes() == ["no_key"]
    key = make_key(connected_org, actor=None, now=timezone.now())
    assert codes() == ["key_not_stored"]
    calling.store_key(connected_org, key, actor=None, now=timezone.now())
    assert codes() == []
    assert credentials.is_configured(salesforce, package.CREDENTIAL, package.PRINCIPAL) is True


def own_copy(salesforce, name="Our_Own_Flow", *, action="CausewayProvisioning.provision") -> None:
    """What "Save as" and Activate leave in an org."""
    content = flow.callout_flow(status="Active").element()
    content |= {
        "label": name.replace("_", " "),
        "actionCalls": {**content["actionCalls"], "actionName": action, "nameSegment": action},
    }
    result = metadata.deploy(salesforce, metadata.MetadataPackage(components=(Flow(name, content),)))
    assert result.success, [each.problem for each in result.failures]


def test_st_34_and_st_37_a_copy_of_the_template_works_on_its_own(connected_org, ready, salesforce, listener, settle):
    own_copy(salesforce)
    calling.deactivate(connected_org, flow.NAME, actor=None, now=timezone.now())
    found = opportunity(salesforce, StageName="Closed Won")
    assert settle()
    ((_, _, body),) = listener.arrived
    assert json.loads(body)["opportunity_id"] == found


def test_st_38_two_active_flows_are_found_and_named(connected_org, ready, salesforce):
    own_copy(salesforce)
    assert list(checking.active_callers(salesforce)) == [flow.NAME, "Our_Own_Flow"] or sorted(
        checking.active_callers(salesforce)
    ) == sorted([flow.NAME, "Our_Own_Flow"])
    (lack,) = [each for each in checking.check_now(connected_org, now=timezone.now()) if each.object == "Flow"]
    assert (lack.code, lack.is_advice) == ("two_flows", True)
    for words in (flow.NAME, "Our_Own_Flow"):
        assert words in lack.message
    assert flow.NAME in lack.fix
    assert sorted(each["code"] for each in settings_of(connected_org).lacks) == ["no_mapping", "two_flows"]


def test_st_38_the_template_is_not_activated_beside_another_flow_unless_it_replaces_it(connected_org, ready, salesforce):
    own_copy(salesforce)
    calling.deactivate(connected_org, flow.NAME, actor=None, now=timezone.now())
    with pytest.raises(Refusal, match="both would fire") as refused:
        calling.activate(connected_org, flow.NAME, actor=None, now=timezone.now())
    assert "Our_Own_Flow" in refused.value.message
    assert list(checking.active_callers(salesforce)) == ["Our_Own_Flow"]
    assert calling.activate(connected_org, flow.NAME, instead=True, actor=None, now=timezone.now()) == ["Our_Own_Flow"]
    assert list(checking.active_callers(salesforce)) == [flow.NAME]
    assert not [each for each in settings_of(connected_org).lacks if each["object"] == "Flow"]


def test_st_38_a_flow_with_a_callout_of_its_own_to_our_address_counts(connected_org, ready, salesforce, listener):
    described = package.service().schema
    parts = (
        NamedCredential("Handmade", "H", f"{listener.url}/", "Causeway"),
        ExternalService("Handmade", "H", "Handmade", described, ("provision",)),
    )
    assert metadata.deploy(salesforce, metadata.MetadataPackage(components=parts)).success
    content = flow.callout_flow(status="Active").element()
    call = {**content["actionCalls"], "actionName": "Handmade.provision", "nameSegment": "Handmade.provision"}
    variable = {**content["variables"], "apexClass": f"ExternalService__Handmade_{flow.REQUEST}"}
    made = Flow("By_Hand", {**content, "label": "By hand", "actionCalls": call, "variables": variable})
    result = metadata.deploy(salesforce, metadata.MetadataPackage(components=(made,)))
    assert result.success, [each.problem for each in result.failures]
    assert sorted(checking.active_callers(salesforce)) == ["By_Hand", flow.NAME]


def test_st_38_flows_that_do_something_else_do_not_count(connected_org, ready, salesforce):
    other = {
        "apiVersion": 65.0, "label": "Other", "processType": "AutoLaunchedFlow", "status": "Active",
        "recordCreates": {"name": "Make", "label": "Make", "locationX": 0, "locationY": 0, "object": "Task",
                          "inputAssignments": [{"field": "Subject", "value": {"stringValue": "Call"}}]},
        "start": {"locationX": 0, "locationY": 0, "connector": {"targetReference": "Make"}, "object": "Opportunity",
                  "recordTriggerType": "Create", "triggerType": "RecordAfterSave"},
    }  # fmt: skip
    result = metadata.deploy(salesforce, metadata.MetadataPackage(components=(Flow("Other", other),)))
    assert result.success, [each.problem for each in result.failures]
    assert list(checking.active_callers(salesforce)) == [flow.NAME]
    with pytest.raises(Refusal, match="no active flow that calls"):
        calling.deactivate(connected_org, "Other", actor=None, now=timezone.now())


def test_st_27_deploying_again_leaves_an_active_changed_flow_alone(connected_org, ready, salesforce):
    content = flow.callout_flow(status="Active").element()
    changed = Flow(flow.NAME, {**content, "description": "Ours now."})
    assert metadata.deploy(salesforce, metadata.MetadataPackage(components=(changed,))).success
    run = deploying.request_deploy(connected_org, user=None, now=timezone.now())
    run.refresh_from_db()
    assert run.state == "success", run.sentence
    there = metadata.read_components(salesforce, "Flow", [flow.NAME])[flow.NAME]
    assert (there["description"], there["status"]) == ("Ours now.", "Active")
    assert list(checking.active_callers(salesforce)) == [flow.NAME]


def test_st_25_switching_twice_changes_nothing(connected_org, ready, salesforce):
    assert flows.activate_flow(salesforce, flow.NAME) is False
    assert flows.deactivate_flow(salesforce, flow.NAME) is True
    assert flows.deactivate_flow(salesforce, flow.NAME) is False
    assert flows.activate_flow(salesforce, flow.NAME) is True
    with pytest.raises(Refusal, match="none of our templates"):
        calling.activate(connected_org, "Somebody_Elses", actor=None, now=timezone.now())


def test_st_15_without_the_permission_set_the_call_is_refused_and_a_task_says_so(
    ready, connected_org, salesforce, listener, settle
):
    for name in (package.READERS, package.WRITERS):
        held = f"PermissionSetId = '{granting.find_set(salesforce, name)}' AND AssigneeId = '{connected_org.user_id}'"
        for row in salesforce.query_all(f"SELECT Id FROM PermissionSetAssignment WHERE {held}"):
            rest.delete_record(salesforce, "PermissionSetAssignment", row["Id"])
    found = opportunity(salesforce, StageName="Closed Won")
    assert settle()
    (task,) = tasks(salesforce, found)
    assert "permission set Causeway Provisioning User" in task["Description"]
    assert listener.arrived == []
    assert "no_people" in [each.code for each in checking.check_now(connected_org, now=timezone.now())]


def test_st_40_all_flows_that_call_us_can_be_switched_off_at_once(connected_org, ready, salesforce):
    own_copy(salesforce)
    assert calling.switch_off_all(connected_org, actor=None) == sorted([flow.NAME, "Our_Own_Flow"])
    assert checking.active_callers(salesforce) == {}
    assert calling.switch_off_all(connected_org, actor=None) == []


def test_the_demonstration_is_switched_on_once(connected_org, listener, salesforce, settle):
    deploying.request_deploy(connected_org, user=None, now=timezone.now())
    assert demo.switch_on(connected_org, user=None, now=timezone.now()) is True
    opportunity(salesforce, StageName="Closed Won")
    assert settle()
    assert len(listener.arrived) == 1
    assert demo.switch_on(connected_org, user=None, now=timezone.now()) is False


def test_an_outbound_message_tells_us_with_the_key_in_its_address(connected_org, ready, salesforce, listener, settle):
    calling.use_message(connected_org, ready, actor=None, now=timezone.now())
    calling.activate(connected_org, flow.MESSAGE_NAME, instead=True, actor=None, now=timezone.now())
    assert list(checking.active_callers(salesforce)) == [flow.MESSAGE_NAME]
    found = opportunity(salesforce, StageName="Closed Won")
    assert settle()
    ((path, _, body),) = listener.arrived
    assert path == f"/api/v1/provisioning/salesforce/{ready}/"
    assert messages.read_xml(body) == messages.Hint(connected_org.org_id, (found,))
    if RECORDINGS.is_dir():
        recorded = (RECORDINGS / "events" / "outbound-message-request-shape.xml").read_text()
        fields = {".Envelope.Body.notifications.Notification.sObject.": "the fields that the message was set up with"}
        differ = compare(xml_to_tree(body.decode()), xml_to_tree(recorded))
        assert [str(each) for each in differ if not any(each.path.startswith(name) for name in fields)] == []
    calling.use_message(connected_org, ready, actor=None, now=timezone.now())  # once more changes nothing
    assert list(checking.active_callers(salesforce)) == [flow.MESSAGE_NAME]
