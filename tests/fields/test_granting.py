"""Assigning the permission set, with Salesforce's recorded answers."""

import pytest

from integrations.salesforce.errors import NoAccess, RowRefused
from integrations.salesforce.metadata import CustomField
from integrations.sync.fields import granting
from tests.salesforce.conftest import calls, client, naps, recordings, server, tokens
from tests.salesforce.server import Told

__all__ = ["calls", "client", "naps", "recordings", "server", "tokens"]
USER = "005ak000005hvjJAAQ"


def test_i_04_a_set_that_the_user_has_already_is_fine(server, client, recordings):
    server.tell("/query", Told(data=recordings.json("query/permissionset.json")))
    server.tell("/PermissionSetAssignment", Told(400, recordings.json("errors/duplicate-value-permission-set-assignment.json")))
    assert granting.assign(client, USER) is False
    (made,) = server.requests("/PermissionSetAssignment")
    assert b"0PSak00000M9uBBGAZ" in made.body
    assert USER.encode() in made.body


def test_other_refusals_are_raised(server, client, recordings):
    server.tell("/query", Told(data=recordings.json("query/permissionset.json")))
    for status, code, error in ((400, "FIELD_INTEGRITY_EXCEPTION", RowRefused), (403, "INSUFFICIENT_PRIVILEGES", NoAccess)):
        server.tell("/PermissionSetAssignment", Told(status, [{"errorCode": code, "message": "No", "fields": []}]))
        with pytest.raises(error):
            granting.assign(client, USER)


FIELDS = [CustomField("Account", f"PX_{name}__c", name, "Date") for name in ("A", "B", "C", "D")]


def test_fields_are_added_row_by_row_and_refusals_are_told(server, client):
    rows = [
        {"Id": "01kA00000000001", "Field": "Account.px_a__c", "PermissionsRead": True, "PermissionsEdit": True},
        {"Id": "01kA00000000002", "Field": "Account.PX_B__c", "PermissionsRead": True, "PermissionsEdit": False},
    ]
    one = {"totalSize": 1, "done": True, "records": [{"Id": "0PSak00000M9uBBGAZ"}]}
    server.tell("/query", Told(data=one), Told(data={"totalSize": 2, "done": True, "records": rows}))
    error = {"statusCode": "FIELD_INTEGRITY_EXCEPTION", "message": "No such field", "fields": []}
    twice = {"statusCode": "DUPLICATE_VALUE", "message": "duplicate", "fields": []}
    made = [{"success": False, "errors": [error]}, {"success": False, "errors": [twice]}]
    server.tell(
        "/composite/sobjects", Told(data=made), Told(data=[{"id": "01kA00000000002AAA", "success": True, "errors": []}])
    )
    refused = granting.grant(client, FIELDS)
    assert [(name, each.message) for name, each in refused] == [("Account.PX_C__c", "No such field")]
    first, second = server.requests("/composite/sobjects")
    assert (first.method, second.method) == ("POST", "PATCH")
    assert [b"PX_A__c" in each.body for each in (first, second)] == [False, False], "what is allowed already is left alone"


def test_nothing_is_sent_when_the_set_allows_everything(server, client):
    rows = [{"Id": "01k", "Field": each.full_name, "PermissionsRead": True, "PermissionsEdit": True} for each in FIELDS]
    one = {"totalSize": 1, "done": True, "records": [{"Id": "0PSak00000M9uBBGAZ"}]}
    server.tell("/query", Told(data=one), Told(data={"totalSize": 4, "done": True, "records": rows}))
    assert granting.grant(client, FIELDS) == []
    assert not server.requests("/composite")


def test_a_set_that_is_not_there_and_a_user_that_is_none_are_told(server, client):
    server.tell("/query", Told(data={"totalSize": 0, "done": True, "records": []}))
    with pytest.raises(LookupError):
        granting.assign(client, USER)
    with pytest.raises(ValueError, match="user"):
        granting.assign(client, "")
    assert not server.requests("/PermissionSetAssignment")
