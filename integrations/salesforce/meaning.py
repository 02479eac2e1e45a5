"""The one table that says what each answer of Salesforce means, and the readers of its error bodies.

Bodies come as an array of `{message, errorCode, fields}`, a bare object, `statusCode` instead of `errorCode` (save results),
`{error, error_description}` (OAuth), a SOAP fault, XML, a web page, plain text, or nothing. Sources: the REST, Bulk 2.0,
Analytics, SOAP and OAuth guides, and recorded answers.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache

from defusedxml import DefusedXmlException, ElementTree

from integrations.salesforce import errors as e
from integrations.salesforce.ids import is_id, to_18

V = e.Verdict


@dataclass(frozen=True)
class Reason:
    """One element of an error body, whatever its spelling was."""

    code: str
    message: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """First rule that fits decides. `codes` empty = any code; `status` empty = any; `text` is searched in the message."""

    error: type[e.SalesforceError]
    codes: frozenset[str] = frozenset()
    status: frozenset[int] = frozenset()
    text: re.Pattern[str] | None = None
    verdict: V | None = None
    sentence: str = ""
    maybe_done: bool = False

    def fits(self, status: int, reason: Reason) -> bool:
        if self.codes and reason.code.upper() not in self.codes:
            return False
        if self.status and status not in self.status:
            return False
        return self.text is None or self.text.search(reason.message) is not None


def _rule(
    error: type[e.SalesforceError],
    codes: str = "",
    *,
    status: Iterable[int] = (),
    text: str = "",
    verdict: V | None = None,
    sentence: str = "",
    maybe_done: bool = False,
) -> Rule:
    pattern = re.compile(text, re.IGNORECASE) if text else None
    return Rule(error, frozenset(codes.upper().split()), frozenset(status), pattern, verdict, sentence, maybe_done)


INACTIVE = "The Salesforce user is inactive or frozen."
NOT_FROM_HERE = "The org does not let our network address in (IP restriction)."
NOT_NOW = "The org does not let this user in at this hour."
HIDDEN = "It does not exist, or the connected user cannot see it."

RULES: tuple[Rule, ...] = (
    # --- the session (REST 401, identity services) ---
    _rule(e.ReauthorizationRequired, "INVALID_SESSION_ID", verdict=V.REFRESH),
    _rule(e.ReauthorizationRequired, "BAD_OAUTH_TOKEN MISSING_OAUTH_TOKEN BAD_OAUTH", verdict=V.REFRESH),
    _rule(e.ReauthorizationRequired, "INVALID_AUTH_HEADER"),
    _rule(e.LoginRefused, "INVALID_OPERATION_WITH_EXPIRED_PASSWORD", sentence="The Salesforce user's password has expired."),
    # --- OAuth: {"error": …} ---
    _rule(e.UserInactive, "INACTIVE_USER INACTIVE_OWNER_OR_USER", sentence=INACTIVE),
    _rule(e.UserInactive, "INACTIVE_ORG ORG_LOCKED TRIAL_EXPIRED", sentence="The Salesforce org is inactive or locked."),
    _rule(e.UserInactive, "INVALID_GRANT", text=r"inactive|frozen|deactivated", sentence=INACTIVE),
    _rule(
        e.AddressBlocked,
        "INVALID_GRANT ACCESS_DENIED LOGIN_DURING_RESTRICTED_DOMAIN IP_RESTRICTED INVALID_LOGIN",
        text=r"\bip\b|restricted ip|ip (?:address|range)|restricted domain",
        sentence=NOT_FROM_HERE,
    ),
    _rule(e.AddressBlocked, "LOGIN_DURING_RESTRICTED_DOMAIN", sentence=NOT_FROM_HERE),
    _rule(e.AddressBlocked, "LOGIN_DURING_RESTRICTED_TIME", sentence=NOT_NOW),
    _rule(e.AddressBlocked, "INVALID_GRANT", text=r"login hours|restricted time", sentence=NOT_NOW),
    _rule(e.LoginLocked, "PASSWORD_LOCKOUT USER_LOCKED_OUT"),
    _rule(e.LoginLocked, "INVALID_GRANT", text=r"locked out|lockout"),
    _rule(e.ConcurrentLimitReached, "RATE_LIMIT_EXCEEDED LOGIN_RATE_EXCEEDED TOO_MANY_REQUESTS"),
    _rule(e.ConcurrentLimitReached, "INVALID_GRANT", text=r"login rate exceeded|rate limit", verdict=V.WAIT),
    _rule(
        e.AppRejected,
        "INVALID_APP_ACCESS OAUTH_APP_ACCESS_DENIED INVALID_GRANT ACCESS_DENIED",
        text=r"not admin approved|not approved for access|admin[- ]approved",
        sentence="The org's admin has not approved this user for our app: assign the app's permission set.",
    ),
    _rule(e.AppRejected, "INVALID_APP_ACCESS OAUTH_APP_ACCESS_DENIED OAUTH_APP_BLOCKED"),
    _rule(
        e.ReauthorizationRequired,
        "INVALID_GRANT",
        text=r"hasn.?t approved this consumer",
        sentence="The Salesforce user has not approved our app yet, or the admin has not pre-authorized it.",
    ),
    _rule(e.LoginRefused, "INVALID_GRANT", text=r"audience"),
    _rule(e.LoginRefused, "INVALID_GRANT", text=r"authentication failure|invalid password|invalid username"),
    _rule(
        e.AppRejected, "INVALID_GRANT", text=r"invalid assertion|signature|certificate|client identifier|no client credentials"
    ),
    _rule(e.ReauthorizationRequired, "INVALID_GRANT"),
    _rule(
        e.AppRejected,
        "INVALID_CLIENT INVALID_CLIENT_ID INVALID_CLIENT_CREDENTIALS UNAUTHORIZED_CLIENT "
        "REDIRECT_URI_MISMATCH REDIRECT_URI_MISSING UNSUPPORTED_GRANT_TYPE UNSUPPORTED_RESPONSE_TYPE "
        "INVALID_SCOPE INVALID_ASSERTION_TYPE INVALID_ASSERTION",
    ),
    _rule(e.AppRejected, "INVALID_REQUEST", text=r"code challenge|code_challenge|code verifier|code_verifier"),
    _rule(e.LoginRefused, "ACCESS_DENIED ACCESS-DENIED END_USER_DENIED", sentence="Access was denied on Salesforce's page."),
    _rule(e.ReauthorizationRequired, "INVALID_TOKEN"),
    _rule(e.UpstreamUnavailable, "SERVER_ERROR TEMPORARILY_UNAVAILABLE UNKNOWN_ERROR"),
    _rule(e.UnexpectedAnswer, "INVALID_REQUEST"),
    # --- SOAP login ---
    _rule(e.ApiDisabled, "INVALID_OPERATION", text=r"soap api login|login\(\)"),
    _rule(
        e.LoginRefused,
        "LOGIN_MUST_USE_SECURITY_TOKEN",
        sentence="Salesforce wants the security token: enter the password immediately followed by the token.",
    ),
    _rule(e.LoginRefused, "INVALID_LOGIN LOGIN_CHALLENGE_ISSUED LOGIN_CHALLENGE_PENDING INVALID_SSO_GATEWAY_URL"),
    # --- the org, the API, the version ---
    _rule(e.ApiDisabled, "API_DISABLED_FOR_ORG API_CURRENTLY_DISABLED CLIENT_NOT_ACCESSIBLE_FOR_USER API_DISABLED"),
    _rule(e.VersionRetired, "UNSUPPORTED_API_VERSION INVALID_VERSION INVALIDVERSION"),
    _rule(e.VersionRetired, status=(410,)),
    _rule(e.OrgReadOnly, "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", sentence="The org takes no changes for now."),
    _rule(e.OrgReadOnly, text=r"read[- ]only (?:mode|maintenance)|currently (?:in )?read[- ]only"),
    # --- allowances ---
    _rule(e.ReportLimitReached, text=r"can.t run more than [\d,]+ reports? (?:a?synchronously )?every"),
    _rule(e.ReportLimitReached, text=r"more than [\d,]+ (?:a?synchronous )?report\w* .{0,40}(?:every|per|within|in the last) "),
    _rule(e.ConcurrentLimitReached, text=r"more than [\d,]+ reports?\b.{0,40}(?:at once|at (?:a|the same) time|concurrently)"),
    _rule(e.ConcurrentLimitReached, "REQUEST_LIMIT_EXCEEDED", text=r"concurrent"),
    _rule(e.DailyLimitReached, "REQUEST_LIMIT_EXCEEDED API_LIMIT_EXCEEDED EXCEEDEDQUOTA TOO_MANY_JOBS"),
    _rule(e.DailyLimitReached, text=r"max bulk .{0,40} per 24 h"),
    _rule(e.ConcurrentLimitReached, status=(420, 429)),
    # --- time-outs, server trouble ---
    _rule(e.ReportTooSlow, text=r"report.{0,60}(?:timed out|time[- ]?out|taking too long|took too long)"),
    _rule(e.QueryTooSlow, "QUERY_TIMEOUT"),
    _rule(e.RowLocked, "UNABLE_TO_LOCK_ROW ROW_LOCKED"),
    _rule(e.BatchTooHeavy, text=r"CPU time limit exceeded|Too many (?:SOQL queries|DML)|LimitException"),
    _rule(e.StorageFull, "STORAGE_LIMIT_EXCEEDED"),
    _rule(e.UpstreamUnavailable, "SERVER_UNAVAILABLE SERVICE_UNAVAILABLE", status=(0, 503)),
    _rule(e.UpstreamUnavailable, "SERVER_UNAVAILABLE SERVICE_UNAVAILABLE UNKNOWN_EXCEPTION INTERNAL_ERROR", maybe_done=True),
    _rule(e.UpstreamUnavailable, "TXN_SECURITY_METERING_ERROR FUNCTIONALITY_TEMPORARILY_UNAVAILABLE"),
    _rule(e.ReportBroken, text=r"report definition is obsolete|report definition .{0,40}(?:invalid|error)"),
    # --- queries ---
    _rule(e.QueryExpired, "INVALID_QUERY_LOCATOR INVALID_LOCATOR"),
    _rule(e.TooLarge, text=r"can not be longer than"),
    _rule(e.TooLarge, "EXCEEDED_ID_LIMIT OPERATION_TOO_LARGE EXCEEDED_MAX_SEMIJOIN_SUBSELECTS REQUEST_HEADER_FIELDS_TOO_LARGE"),
    _rule(e.TooLarge, status=(413, 414, 431)),
    _rule(e.ParentMissing, text=r"foreign key external id: .* not found"),
    _rule(e.AmbiguousKey, text=r"matches more than one|more than one record found"),
    _rule(e.AmbiguousKey, status=(300,)),
    _rule(e.InvalidField, "NOT_FOUND", text=r"external id field does not exist", verdict=V.STOP, sentence=HIDDEN),
    _rule(e.InvalidField, "INVALID_FIELD", sentence=HIDDEN),
    _rule(e.InvalidField, "INVALID_FIELD_FOR_INSERT_UPDATE"),
    _rule(e.InvalidType, "INVALID_TYPE INVALID_TYPE_FOR_OPERATION INVALIDENTITY", sentence=HIDDEN),
    _rule(e.InvalidType, text=r"sobject type '[^']*' is not supported", sentence=HIDDEN),
    _rule(e.MalformedQuery, "MALFORMED_QUERY MALFORMED_SEARCH INVALID_SEARCH INVALID_QUERY_FILTER_OPERATOR JSON_PARSER_ERROR"),
    _rule(e.MalformedQuery, "NUMBER_OUTSIDE_VALID_RANGE", text=r"offset"),
    # --- records ---
    _rule(e.NotFound, "ENTITY_IS_DELETED", verdict=V.FAIL_ROW),
    _rule(
        e.NoAccess,
        "INSUFFICIENT_ACCESS_OR_READONLY INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY INSUFFICIENT_ACCESS",
        verdict=V.FAIL_ROW,
    ),
    _rule(e.NoAccess, "FUNCTIONALITY_NOT_ENABLED FORBIDDEN INSUFFICIENT_PRIVILEGES"),
    _rule(
        e.RowRefused,
        "REQUIRED_FIELD_MISSING STRING_TOO_LONG INVALID_EMAIL_ADDRESS INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
        " FIELD_CUSTOM_VALIDATION_EXCEPTION FIELD_INTEGRITY_EXCEPTION INVALID_CROSS_REFERENCE_KEY NUMBER_OUTSIDE_VALID_RANGE"
        " INVALID_TYPE_ON_FIELD_IN_RECORD DUPLICATE_VALUE DUPLICATES_DETECTED CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY "
        "DELETE_FAILED CANNOT_UPDATE_CONVERTED_LEAD MALFORMED_ID ENTITY_IS_LOCKED MISSING_ARGUMENT DUPLICATE_EXTERNAL_ID"
        " ALL_OR_NONE_OPERATION_ROLLED_BACK PROCESSING_HALTED SELF_REFERENCE_FROM_TRIGGER DEPENDENCY_EXISTS",
    ),
    _rule(e.NotFound, "NOT_FOUND INVALID_ID_FIELD"),
    # --- codes that we do not know, by status ---
    _rule(e.UnexpectedAnswer, status=(301, 302, 303, 307, 308), verdict=V.REFRESH),
    _rule(e.UnexpectedAnswer, status=(401,), verdict=V.REFRESH),
    _rule(e.NoAccess, status=(403,)),
    _rule(e.NotFound, status=(404,)),
    _rule(e.UpstreamUnavailable, status=(408, 425)),
    _rule(e.RowRefused, status=(400, 412)),
    _rule(e.UnexpectedAnswer, status=range(400, 500)),
    _rule(e.UpstreamUnavailable, status=(503,)),
    _rule(e.UpstreamUnavailable, status=range(500, 600), maybe_done=True),
)
EVERYTHING_ELSE = Rule(e.UnexpectedAnswer)
ADDRESS = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b|\b(?:[0-9a-f]{1,4}:){3,7}[0-9a-f]{0,4}\b", re.IGNORECASE)
NAMED_COLUMN = re.compile(r"[Nn]o such (?:column|relation) '([^']{1,255})'")
TITLE = re.compile(r"<title[^>]*>\s*([^<]{1,200}?)\s*</title", re.IGNORECASE)
IN_PATH = re.compile(r"/([0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?)/?\Z")


def explain(status: int, reasons: Sequence[Reason], *, headers: Mapping[str, str] | None = None) -> e.SalesforceError:
    """The exception for an answer with this HTTP status and these reasons (the first that a specific rule knows leads)."""
    reasons = list(reasons) or [Reason("", "")]
    lead, rule = min(((reason, _find(status, reason)) for reason in reasons), key=lambda pair: _rank(pair[1]))
    error = rule.error(
        _sentence(rule, reasons, status),
        code=lead.code,
        status=status,
        fields=_fields(reasons),
        verdict=rule.verdict,
        retry_after=retry_after((headers or {}).get("Retry-After", "")),
        maybe_done=rule.maybe_done,
    )
    if isinstance(error, e.AddressBlocked) and (seen := ADDRESS.search(error.message)):
        error.address = seen.group()
    return error


def read_error(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime | None = None) -> e.SalesforceError:
    """The exception for a refused HTTP answer. Never contains tokens; never fails, whatever the body is."""
    error = explain(status, read_reasons(status, headers, body), headers=headers)
    if now is not None:
        error.retry_after = retry_after(headers.get("Retry-After", ""), now=now)
    if isinstance(error, e.AmbiguousKey):
        error.record_ids = _ids_in_paths(body)
    return error


def read_reasons(status: int, headers: Mapping[str, str], body: bytes) -> list[Reason]:
    """All reasons in an error body of any shape."""
    text = body.decode("utf-8", errors="replace").strip("\ufeff \r\n\t")
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if not text:
        return [Reason("", f"Salesforce gave an empty answer (HTTP {status}).")]
    if text[0] in "[{":
        try:
            return reasons_in(json.loads(text)) or [Reason("", _short(text))]
        except (ValueError, RecursionError):
            return [Reason("", f"Salesforce gave a damaged answer (HTTP {status}).")]
    if kind.endswith("html") or text[:200].lower().lstrip().startswith(("<!doctype html", "<html")):
        return [Reason("", _of_page(status, text))]
    if text.startswith("<"):
        return read_xml(text.encode()) or [Reason("", f"Salesforce gave XML that is not an error (HTTP {status}).")]
    if re.fullmatch(r"[A-Za-z_]{3,60}", text):
        return [Reason(text.upper(), text)]
    return [Reason("", _short(text))]


def reasons_in(data: object) -> list[Reason]:
    """Reasons in decoded JSON: arrays, bare objects, save results, OAuth errors; [] when there are none."""
    if isinstance(data, list):
        return [reason for item in data[:50] for reason in reasons_in(item)]
    if not isinstance(data, dict):
        return []
    if isinstance(data.get("error"), str):
        return [Reason(data["error"], str(data.get("error_description") or data["error"]))]
    if isinstance(data.get("errors"), list) and not (data.get("errorCode") or data.get("statusCode")):
        return reasons_in(data["errors"])
    code = data.get("errorCode") or data.get("statusCode") or data.get("exceptionCode")
    message = data.get("message") or data.get("exceptionMessage") or data.get("errorMessage")
    if not isinstance(code, str) and message is None:
        return []
    names = data.get("fields") if isinstance(data.get("fields"), list) else []
    return [Reason(str(code or ""), str(message or code), tuple(str(name) for name in names or ()))]


def read_xml(body: bytes) -> list[Reason]:
    """Reasons in a SOAP fault, `<Errors>` or Bulk `<error>`; entities and external references are refused (S-039)."""
    try:
        root = ElementTree.fromstring(body, forbid_dtd=True)
    except (ElementTree.ParseError, DefusedXmlException, ValueError):
        return []
    texts = {_local(node.tag): (node.text or "").strip() for node in root.iter() if not len(node)}
    code = texts.get("exceptionCode") or texts.get("errorCode") or texts.get("faultcode", "").rpartition(":")[2]
    message = texts.get("exceptionMessage") or texts.get("message") or texts.get("faultstring") or ""
    return [Reason(code, message.removeprefix(f"{code}: "))] if code or message else []


def retry_after(text: str, *, now: datetime | None = None) -> float | None:
    """Seconds from a `Retry-After` header (a number, or a date seen from `now`), None when absent or unreadable."""
    text = text.strip()
    if re.fullmatch(r"\d{1,7}(?:\.\d+)?", text):
        return float(text)
    try:
        due = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    due = due if due.tzinfo else due.replace(tzinfo=UTC)
    return max(0.0, (due - (now or datetime.now(UTC))).total_seconds())


def _find(status: int, reason: Reason) -> Rule:
    return next((rule for rule in RULES if rule.fits(status, reason)), EVERYTHING_ELSE)


@cache
def _rank(rule: Rule) -> int:
    return RULES.index(rule) if rule in RULES else len(RULES)


def _sentence(rule: Rule, reasons: Sequence[Reason], status: int) -> str:
    said = "; ".join(dict.fromkeys(" ".join(reason.message.split()) for reason in reasons if reason.message))
    said = said or ", ".join(reason.code for reason in reasons if reason.code) or f"HTTP {status}"
    return f"{rule.sentence} Salesforce says: {said}" if rule.sentence else said


def _fields(reasons: Sequence[Reason]) -> tuple[str, ...]:
    """Fields that the body names, in its list or (unknown columns) in its text."""
    names: dict[str, None] = {}
    for reason in reasons:
        found = reason.fields or (tuple(NAMED_COLUMN.findall(reason.message)) if "INVALID_FIELD" in reason.code else ())
        names.update(dict.fromkeys(found))
    return tuple(names)


def _ids_in_paths(body: bytes) -> tuple[str, ...]:
    """Record ids at the end of the record addresses of an HTTP 300 answer."""
    try:
        data = json.loads(body)
    except ValueError:
        return ()
    paths = [item for item in data if isinstance(item, str)] if isinstance(data, list) else []
    found = [match[1] for path in paths if (match := IN_PATH.search(path))]
    return tuple(to_18(item) for item in found if is_id(item))


def _of_page(status: int, text: str) -> str:
    title = TITLE.search(text[:20_000])
    return f"Salesforce answered with a web page (HTTP {status}{': ' + title[1] if title else ''})."


def _short(text: str) -> str:
    return text if len(text) <= 300 else text[:299] + "…"


def _local(tag: object) -> str:
    return str(tag).rpartition("}")[2]
