"""One table says what an answer means, whatever shape the body has; no token ever gets into a message."""

import ast
import pickle
from datetime import UTC, datetime
from pathlib import Path

import pytest

from integrations.salesforce import errors as e
from integrations.salesforce.errors import Verdict
from integrations.salesforce.meaning import EVERYTHING_ELSE, RULES, explain, read_error, read_reasons, retry_after

JSON = {"Content-Type": "application/json;charset=UTF-8"}

MEANINGS = [
    # status, code, message, class, verdict (the rows of the REST guide's error table and of the OAuth errors)
    (401, "INVALID_SESSION_ID", "Session expired or invalid", e.ReauthorizationRequired, Verdict.REFRESH),
    (401, "INVALID_OPERATION_WITH_EXPIRED_PASSWORD", "expired", e.LoginRefused, Verdict.REAUTHORIZE),
    (400, "MALFORMED_QUERY", "\nSELECT x\n ^\nERROR at Row:1:Column:2\nunexpected token", e.MalformedQuery, Verdict.STOP),
    (400, "INVALID_FIELD", "No such column 'X__c' on entity 'Account'", e.InvalidField, Verdict.DROP_FIELD),
    (400, "INVALID_FIELD", "No such column 'X__c' on sobject of type Account", e.InvalidField, Verdict.DROP_FIELD),
    (
        400,
        "INVALID_FIELD",
        "Foreign key external ID: 0116 not found for field F in entity E",
        e.ParentMissing,
        Verdict.FAIL_ROW,
    ),
    (400, "INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to create/update fields: X", e.InvalidField, Verdict.DROP_FIELD),
    (400, "INVALID_TYPE", "sObject type 'X' is not supported.", e.InvalidType, Verdict.STOP),
    (400, "MALFORMED_ID", "malformed id 001", e.RowRefused, Verdict.FAIL_ROW),
    (400, "JSON_PARSER_ERROR", "Unexpected character", e.MalformedQuery, Verdict.STOP),
    (400, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Name]", e.RowRefused, Verdict.FAIL_ROW),
    (400, "STRING_TOO_LONG", "Name: data value too large: x (max length=40)", e.RowRefused, Verdict.FAIL_ROW),
    (400, "INVALID_EMAIL_ADDRESS", "Email: invalid email address: x", e.RowRefused, Verdict.FAIL_ROW),
    (400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "bad value", e.RowRefused, Verdict.FAIL_ROW),
    (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "Close date must be later", e.RowRefused, Verdict.FAIL_ROW),
    (400, "FIELD_INTEGRITY_EXCEPTION", "x", e.RowRefused, Verdict.FAIL_ROW),
    (400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", e.RowRefused, Verdict.FAIL_ROW),
    (400, "NUMBER_OUTSIDE_VALID_RANGE", "value outside of valid range", e.RowRefused, Verdict.FAIL_ROW),
    (400, "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000", e.MalformedQuery, Verdict.STOP),
    (400, "INVALID_TYPE_ON_FIELD_IN_RECORD", "x", e.RowRefused, Verdict.FAIL_ROW),
    (
        400,
        "DUPLICATE_VALUE",
        "duplicate value found: F__c duplicates value on record with id: 001",
        e.RowRefused,
        Verdict.FAIL_ROW,
    ),
    (400, "DUPLICATES_DETECTED", "You're creating a duplicate", e.RowRefused, Verdict.FAIL_ROW),
    (400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "trigger: execution of BeforeInsert", e.RowRefused, Verdict.FAIL_ROW),
    (400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "Apex CPU time limit exceeded", e.BatchTooHeavy, Verdict.FAIL_ROW),
    (400, "DELETE_FAILED", "x", e.RowRefused, Verdict.FAIL_ROW),
    (400, "CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead", e.RowRefused, Verdict.FAIL_ROW),
    (400, "ENTITY_IS_LOCKED", "the entity is locked for editing", e.RowRefused, Verdict.FAIL_ROW),
    (400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record", e.RowLocked, Verdict.RETRY),
    (400, "INVALID_QUERY_LOCATOR", "invalid query locator", e.QueryExpired, Verdict.STOP),
    (400, "QUERY_TIMEOUT", "Your query request was running for too long.", e.QueryTooSlow, Verdict.RETRY),
    (400, "EXCEEDED_ID_LIMIT", "exceeded", e.TooLarge, Verdict.STOP),
    (400, "OPERATION_TOO_LARGE", "exceeded", e.TooLarge, Verdict.STOP),
    (400, "MALFORMED_QUERY", "SOQL statements can not be longer than 100000 characters", e.TooLarge, Verdict.STOP),
    (400, "STORAGE_LIMIT_EXCEEDED", "storage limit exceeded", e.StorageFull, Verdict.STOP),
    (400, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "x", e.NoAccess, Verdict.FAIL_ROW),
    (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", e.DailyLimitReached, Verdict.WAIT),
    (403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded.", e.ConcurrentLimitReached, Verdict.RETRY),
    (403, "API_DISABLED_FOR_ORG", "The REST API is not enabled for this Organization.", e.ApiDisabled, Verdict.REAUTHORIZE),
    (403, "API_CURRENTLY_DISABLED", "API is disabled for this User", e.ApiDisabled, Verdict.REAUTHORIZE),
    (403, "INSUFFICIENT_ACCESS_OR_READONLY", "x", e.NoAccess, Verdict.FAIL_ROW),
    (403, "FUNCTIONALITY_NOT_ENABLED", "[x]", e.NoAccess, Verdict.STOP),
    (404, "NOT_FOUND", "The requested resource does not exist", e.NotFound, Verdict.STOP),
    (404, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: x", e.InvalidField, Verdict.STOP),
    (404, "ENTITY_IS_DELETED", "entity is deleted", e.NotFound, Verdict.FAIL_ROW),
    (405, "METHOD_NOT_ALLOWED", "HTTP Method 'PUT' not allowed", e.UnexpectedAnswer, Verdict.STOP),
    (410, "UNSUPPORTED_API_VERSION", "version 20.0 is retired", e.VersionRetired, Verdict.REAUTHORIZE),
    (410, "", "gone", e.VersionRetired, Verdict.REAUTHORIZE),
    (400, "InvalidVersion", "API version is not supported", e.VersionRetired, Verdict.REAUTHORIZE),
    (412, "PRECONDITION_FAILED", "x", e.RowRefused, Verdict.FAIL_ROW),
    (413, "", "", e.TooLarge, Verdict.STOP),
    (414, "", "URI Too Long", e.TooLarge, Verdict.STOP),
    (415, "UNSUPPORTED_MEDIA_TYPE", "x", e.UnexpectedAnswer, Verdict.STOP),
    (420, "", "", e.ConcurrentLimitReached, Verdict.RETRY),
    (429, "", "slow down", e.ConcurrentLimitReached, Verdict.RETRY),
    (431, "", "Bad Message 431", e.TooLarge, Verdict.STOP),
    (500, "UNKNOWN_EXCEPTION", "An unexpected error occurred.", e.UpstreamUnavailable, Verdict.RETRY),
    (502, "", "", e.UpstreamUnavailable, Verdict.RETRY),
    (503, "SERVER_UNAVAILABLE", "busy", e.UpstreamUnavailable, Verdict.RETRY),
    (503, "", "Server is currently in read-only mode", e.OrgReadOnly, Verdict.WAIT),
    (400, "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", "Not now.", e.OrgReadOnly, Verdict.WAIT),
    (503, "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", "Not now.", e.OrgReadOnly, Verdict.WAIT),
    (403, "FUNCTIONALITY_TEMPORARILY_UNAVAILABLE", "Try again later.", e.UpstreamUnavailable, Verdict.RETRY),
    (
        400,
        "FORBIDDEN",
        "You can't run more than 500 reports synchronously every 60 minutes.",
        e.ReportLimitReached,
        Verdict.WAIT,
    ),
    (
        403,
        "FORBIDDEN",
        "You can’t run more than 1,200 reports asynchronously every 60 minutes.",
        e.ReportLimitReached,
        Verdict.WAIT,
    ),
    (403, "FORBIDDEN", "You can't run more than 20 reports at once.", e.ConcurrentLimitReached, Verdict.RETRY),
    (
        400,
        "API_ERROR",
        "Max bulk v2 query jobs (10000) per 24 hrs has been reached (10021).",
        e.DailyLimitReached,
        Verdict.WAIT,
    ),
    (400, "BAD_REQUEST", "The report timed out.", e.ReportTooSlow, Verdict.STOP),
    (403, "FORBIDDEN", "You don't have sufficient privileges", e.NoAccess, Verdict.STOP),
    # unknown codes fall to a class by status
    (400, "SOMETHING_NEW", "x", e.RowRefused, Verdict.FAIL_ROW),
    (401, "SOMETHING_NEW", "x", e.UnexpectedAnswer, Verdict.REFRESH),
    (403, "SOMETHING_NEW", "x", e.NoAccess, Verdict.STOP),
    (404, "SOMETHING_NEW", "x", e.NotFound, Verdict.STOP),
    (418, "SOMETHING_NEW", "x", e.UnexpectedAnswer, Verdict.STOP),
    (599, "SOMETHING_NEW", "x", e.UpstreamUnavailable, Verdict.RETRY),
    (302, "", "", e.UnexpectedAnswer, Verdict.REFRESH),
]

OAUTH = [
    (400, "invalid_grant", "expired access/refresh token", e.ReauthorizationRequired),
    (400, "invalid_grant", "token validity expired", e.ReauthorizationRequired),
    (400, "invalid_grant", "expired authorization code", e.ReauthorizationRequired),
    (400, "invalid_grant", "authentication failure - Invalid Password", e.LoginRefused),
    (400, "invalid_grant", "authentication failure", e.LoginRefused),
    (400, "invalid_grant", "Audience validation failed", e.LoginRefused),
    (400, "invalid_grant", "user hasn't approved this consumer", e.ReauthorizationRequired),
    (400, "invalid_grant", "user is not admin approved to access this app", e.AppRejected),
    (400, "invalid_app_access", "user is not admin approved to access this app", e.AppRejected),
    (400, "invalid_grant", "ip restricted", e.AddressBlocked),
    (400, "invalid_grant", "inactive user", e.UserInactive),
    (400, "invalid_client", "invalid client credentials", e.AppRejected),
    (401, "invalid_client", "invalid client credentials", e.AppRejected),
    (400, "invalid_client_id", "client identifier invalid", e.AppRejected),
    (400, "unsupported_grant_type", "grant type not supported", e.AppRejected),
    (400, "inactive_user", "user is inactive", e.UserInactive),
    (400, "inactive_org", "organization is inactive", e.UserInactive),
    (400, "redirect_uri_mismatch", "redirect_uri must match configuration", e.AppRejected),
    (400, "rate_limit_exceeded", "login rate exceeded", e.ConcurrentLimitReached),
    (400, "invalid_request", "missing required code challenge", e.AppRejected),
    (400, "access_denied", "end-user denied authorization", e.LoginRefused),
    (400, "access-denied", "end-user denied authorization", e.LoginRefused),
    (400, "unknown_error", "retry your request", e.UpstreamUnavailable),
    (503, "server_error", "down", e.UpstreamUnavailable),
]


@pytest.mark.parametrize(("status", "code", "message", "kind", "verdict"), MEANINGS)
def test_rest_answers_mean_what_the_table_says(status, code, message, kind, verdict):
    import json

    error = read_error(status, JSON, json.dumps([{"message": message, "errorCode": code}]).encode())
    assert type(error) is kind
    assert error.verdict is verdict
    assert (error.status, error.code) == (status, code)


@pytest.mark.parametrize(("status", "code", "message", "kind"), OAUTH)
def test_r_007_r_008_r_009_r_010_oauth_errors_are_permanent_or_temporary(status, code, message, kind):
    import json

    error = read_error(status, JSON, json.dumps({"error": code, "error_description": message}).encode())
    assert type(error) is kind
    permanent = not issubclass(kind, e.UpstreamUnavailable | e.LimitReached)
    assert (error.verdict is Verdict.REAUTHORIZE) is permanent
    assert isinstance(error, e.AuthError) is permanent


SOAP = [
    "PASSWORD_LOCKOUT",
    "LOGIN_DURING_RESTRICTED_TIME",
    "LOGIN_DURING_RESTRICTED_DOMAIN",
    "LOGIN_MUST_USE_SECURITY_TOKEN",
    "INVALID_LOGIN",
]


def test_every_rule_of_the_table_decides_something():
    from integrations.salesforce.meaning import Reason

    cases = [(status, Reason(code, message)) for status, code, message, *_ in [*MEANINGS, *OAUTH, *RARE]]
    cases += [(500, Reason(code, "x")) for code in SOAP]
    unused = [rule for rule in RULES if not any(next(r for r in RULES if r.fits(*case)) is rule for case in cases)]
    assert unused == []
    assert EVERYTHING_ELSE not in RULES


RARE = [
    (403, "Bad_OAuth_Token", "Bad_OAuth_Token", e.ReauthorizationRequired),
    (401, "INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE", e.ReauthorizationRequired),
    (400, "invalid_grant", "user is restricted to login hours", e.AddressBlocked),
    (400, "invalid_grant", "user is locked out", e.LoginLocked),
    (400, "invalid_grant", "login rate exceeded", e.ConcurrentLimitReached),
    (400, "OAUTH_APP_BLOCKED", "this app is blocked by admin", e.AppRejected),
    (400, "invalid_grant", "invalid assertion", e.AppRejected),
    (400, "invalid_token", "invalid token", e.ReauthorizationRequired),
    (400, "invalid_request", "must use HTTP POST", e.UnexpectedAnswer),
    (500, "INVALID_OPERATION", "SOAP API login() is disabled by default in this org.", e.ApiDisabled),
    (403, "FORBIDDEN", "You can't run more than 500 synchronous reports within an hour", e.ReportLimitReached),
    (503, "SERVER_UNAVAILABLE", "busy", e.UpstreamUnavailable),
    (500, "TXN_SECURITY_METERING_ERROR", "transaction security policies took too long", e.UpstreamUnavailable),
    (400, "BAD_REQUEST", "The report definition is obsolete.", e.ReportBroken),
    (400, "INVALID_FIELD", "Ext__c: x matches more than one record", e.AmbiguousKey),
    (300, "", "", e.AmbiguousKey),
    (404, "X", "sObject type 'Nope' is not supported.", e.InvalidType),
    (408, "", "", e.UpstreamUnavailable),
    (503, "", "down", e.UpstreamUnavailable),
    (500, "SERVER_UNAVAILABLE", "down", e.UpstreamUnavailable),
]


@pytest.mark.parametrize(("status", "code", "message", "kind"), RARE)
def test_rarer_answers(status, code, message, kind):
    import json

    error = read_error(status, JSON, json.dumps([{"message": message, "errorCode": code}]).encode())
    assert type(error) is kind


def test_r_010_address_that_salesforce_saw_is_named():
    error = read_error(400, JSON, b'{"error":"invalid_grant","error_description":"ip restricted: 203.0.113.9"}')
    assert isinstance(error, e.AddressBlocked)
    assert error.address == "203.0.113.9"
    assert "IP restriction" in error.message


@pytest.mark.parametrize(
    ("body", "headers", "kind", "text"),
    [
        (b"", {}, e.UpstreamUnavailable, "empty answer"),
        (
            b"<html><head><title>Down for Maintenance</title></head></html>",
            {"Content-Type": "text/html"},
            e.UpstreamUnavailable,
            "Maintenance",
        ),
        (b"<!DOCTYPE html><html></html>", {}, e.UpstreamUnavailable, "web page"),
        (b'{"message":"busy","errorCode":"SERVER_UNAVAILABLE"}', JSON, e.UpstreamUnavailable, "busy"),
        (b'[{"message":"cut', JSON, e.UpstreamUnavailable, "damaged"),
        (b"\xff\xfe\x00", {}, e.UpstreamUnavailable, ""),
        (b"[]", JSON, e.UpstreamUnavailable, ""),
        (b"[" * 100_000, JSON, e.UpstreamUnavailable, "damaged"),
        (
            b'<?xml version="1.0"?><Errors><Error><errorCode>UNABLE_TO_LOCK_ROW</errorCode><message>locked</message></Error></Errors>',
            {"Content-Type": "application/xml"},
            e.RowLocked,
            "locked",
        ),
    ],
)
def test_bodies_of_any_shape_are_read(body, headers, kind, text):
    error = read_error(503, headers, body)
    assert type(error) is kind
    assert text in error.message
    assert len(error.message) < 600


def test_plain_text_code_of_the_identity_service_means_refresh():
    error = read_error(403, {"Content-Type": "text/html"}, b"Bad_OAuth_Token")
    assert error.verdict in (Verdict.REFRESH, Verdict.STOP)
    assert read_error(403, {}, b"Bad_OAuth_Token").verdict is Verdict.REFRESH


def test_r_061_retry_after_in_seconds_and_as_a_date():
    assert read_error(503, {"Retry-After": "30"}, b"").retry_after == 30
    assert retry_after("Sun, 22 Nov 2026 10:00:30 GMT", now=datetime(2026, 11, 22, 10, tzinfo=UTC)) == 30
    assert retry_after("Sun, 22 Nov 2026 09:00:00 GMT", now=datetime(2026, 11, 22, 10, tzinfo=UTC)) == 0
    assert retry_after("soon") is None
    assert retry_after("") is None


def test_several_errors_keep_all_texts_and_fields():
    body = b'[{"message":"A","errorCode":"FIELD_CUSTOM_VALIDATION_EXCEPTION","fields":["X"]},'
    body += b'{"message":"B","errorCode":"FIELD_CUSTOM_VALIDATION_EXCEPTION","fields":["Y","X"]}]'
    error = read_error(400, JSON, body)
    assert error.message == "A; B"
    assert error.fields == ("X", "Y")


def test_r_053_unknown_field_is_named_and_may_be_hidden():
    error = read_error(
        400, JSON, b'[{"message":"No such column \'Gone__c\' on entity \'Account\'.","errorCode":"INVALID_FIELD"}]'
    )
    assert error.fields == ("Gone__c",)
    assert "cannot see it" in error.message


def test_r_137_several_records_with_one_external_id_are_listed():
    body = b'["/services/data/v65.0/sobjects/Account/0014S000007NxmlQAC","/services/data/v65.0/sobjects/Account/0014S000007Nx5BQAS"]'
    error = read_error(300, JSON, body)
    assert isinstance(error, e.AmbiguousKey)
    assert error.record_ids == ("0014S000007NxmlQAC", "0014S000007Nx5BQAS")


@pytest.mark.parametrize(
    "secret",
    [
        "00D5x0000000abc!AQ4AQFakeFakeFake.Fake_Fake",
        "00Dxx0000000000EAA!SCRUBBED.SESSION.TOKEN",
        "5Aep861TSESvWeug_Fake",
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIzTVZHOSJ9.c2ln",
        "3MVG9fakeFakeFakeKey",
    ],
)
@pytest.mark.parametrize(
    "frame", ["{}", "token {} rejected", '{{"access_token":"{}"}}', "refresh_token={}&x=1", "<sessionId>{}</sessionId>"]
)
def test_i_14_s_002_messages_never_hold_tokens(secret, frame):
    text = frame.format(secret)
    for error in (
        e.UnexpectedAnswer(text),
        read_error(400, {}, text.encode()),
        explain(400, read_reasons(400, {}, text.encode())),
    ):
        assert secret not in str(error) + repr(error) + error.message
        assert secret[-8:] not in str(error)


def test_errors_survive_pickling_with_what_they_know():
    error = e.RowLocked("busy", code="UNABLE_TO_LOCK_ROW", status=400, fields=("X",), retry_after=3.0)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is e.RowLocked
    assert (copy.message, copy.code, copy.fields, copy.retry_after, copy.verdict) == (
        "busy",
        "UNABLE_TO_LOCK_ROW",
        ("X",),
        3.0,
        Verdict.RETRY,
    )


def test_s_039_xml_errors_with_entities_are_not_read():
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b SYSTEM "file:///etc/passwd">]><Errors><Error><message>&b;</message></Error></Errors>'
    error = read_error(500, {"Content-Type": "application/xml"}, bomb)
    assert "root:" not in error.message
    assert isinstance(error, e.UpstreamUnavailable)


RECORDED = {
    "errors/duplicate-value-permission-set-assignment.json": e.RowRefused,
    "errors/invalid-field-for-insert-update.json": e.InvalidField,
    "errors/invalid-field-no-such-column.json": e.InvalidField,
    "errors/invalid-query-locator.json": e.QueryExpired,
    "errors/invalid-session-id-401.json": e.ReauthorizationRequired,
    "errors/not-found-external-id-field.json": e.InvalidField,
    "errors/not-found-resource.json": e.NotFound,
    "errors/request-limit-exceeded-daily.json": e.DailyLimitReached,
    "errors/required-field-missing.json": e.RowRefused,
    "errors/save-result-success-false.json": e.RowRefused,
    "errors/soql-too-long.json": e.TooLarge,
    "errors/unable-to-lock-row.json": e.RowLocked,
    "oauth/token-audience-validation-failed.json": e.LoginRefused,
    "oauth/token-invalid-client.json": e.AppRejected,
    "oauth/token-invalid-password.json": e.LoginRefused,
    "oauth/token-refresh-expired.json": e.ReauthorizationRequired,
    "oauth/token-unsupported-grant-type.json": e.AppRejected,
    "search/malformed-search.json": e.MalformedQuery,
    "soap-login/fault-invalid-login.xml": e.LoginRefused,
    "soap-login/fault-invalid-session.xml": e.ReauthorizationRequired,
    "soap-login/fault-login-disabled-in-org.xml": e.ApiDisabled,
}


@pytest.mark.parametrize(("name", "kind"), RECORDED.items())
def test_recorded_errors_are_understood(recordings, name, kind):
    index = {item["file"]: item for item in recordings.json("index.json")}
    error = read_error(int(index[name]["status"] or 400), {}, recordings.bytes(name))
    assert type(error) is kind
    assert error.code
    assert error.message


def test_every_recorded_error_is_in_the_list_above(recordings):
    found = set(recordings.names("errors")) | {
        name for folder in ("oauth", "soap-login") for name in recordings.names(folder) if "fault-" in name or "token-" in name
    }
    good = {
        name
        for name in found
        if name.endswith(("token-refresh.json", "token-username-password.json", "token-web-server-shape.json"))
    }
    assert found - good <= set(RECORDED)


def test_what_hides_things_is_named_in_one_place():
    """Checks, reviews and jobs mean the same by "not visible": nobody writes the list of these refusals again."""
    names = {each.__name__ for each in e.Refused}
    assert names == {"NoAccess", "NotFound", "InvalidType", "InvalidField"}
    root = Path(__file__).resolve().parents[2]
    written = [
        str(path.relative_to(root))
        for app in ("analytics", "billing", "integrations", "okr", "project", "provisioning")
        for path in sorted((root / app).rglob("*.py"))
        if "NoAccess" in (text := path.read_text())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Tuple) and {getattr(each, "id", "") for each in node.elts} == names
    ]
    assert written == ["integrations/salesforce/errors.py"]
