"""What a person reads when ids cannot be written into Salesforce: which fields of which record, Salesforce's words, the way on."""

import pytest

from integrations.connection_pages import read_lines
from tests.provisioning.conftest import WON

pytestmark = pytest.mark.django_db
BROKEN = [{"errorCode": "UNKNOWN_EXCEPTION", "message": "An unexpected error occurred. Please include this ErrorId: 1-2"}]


def test_r_188_a_call_that_fails_as_a_whole_names_fields_record_and_the_way_on(office, cast, client):
    office.demo.fault(path="/composite", method="PATCH", times=50, status=500, body=BROKEN)
    account = office.account("Harbor Foods")
    deal = office.deal(("plan-pro", 3), account=account, stage=WON)
    office.call(deal)
    provision = office.provision(deal)
    assert (provision.state, provision.reason_code) == ("incomplete", "UNKNOWN_EXCEPTION")
    assert provision.sentence.startswith(
        f"Stigg_Customer_ID__c and Stigg_Customer_URL__c of the account “Harbor Foods” ({account}) are not written: Salesforce says "
    )
    for words in (BROKEN[0]["message"], "UNKNOWN_EXCEPTION", "no fault of the values", "tried again by itself"):
        assert words in provision.sentence
    client.force_login(cast.olga)
    page = client.get(f"/provisioning/provisions/{provision.pk}/").content.decode()
    assert "Harbor Foods" in page
    assert "Write again" in page


def test_r_188_a_refused_row_names_what_salesforce_named_and_what_helps(office):
    refusal = {"statusCode": "INSUFFICIENT_ACCESS_OR_READONLY", "message": "No edit access", "fields": ["Stigg_Customer_ID__c"]}
    rows = [{"id": None, "success": False, "errors": [refusal]}]
    office.demo.fault(path="/composite/sobjects", method="PATCH", times=50, status=200, body=rows)
    deal = office.deal(("plan-pro", 3), stage=WON, name="Spring deal")
    office.call(deal)
    sentence = office.provision(deal).sentence
    assert sentence.startswith("Stigg_Customer_ID__c of the account “Acme” (001")
    assert "says “No edit access” (INSUFFICIENT_ACCESS_OR_READONLY)" in sentence
    assert "check its sharing and permissions" in sentence


def test_the_write_back_of_a_connection_is_switched_on_while_nothing_is_due(office):
    deal = office.deal(("plan-pro", 3), stage=WON)
    office.call(deal)
    assert office.provision(deal).state == "done"
    line = {each.name: each for each in read_lines(office.org)}["provisioning.write_back"]
    assert line.enabled
    office.org.provisioning_enabled = False
    office.org.save()
    assert not {each.name: each for each in read_lines(office.org)}["provisioning.write_back"].enabled
