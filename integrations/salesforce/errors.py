"""What Salesforce's refusals mean.

    SalesforceError
    ├── AuthError                     the connection cannot be used until a person does something
    │   ├── ReauthorizationRequired   the grant is gone: authorize again
    │   ├── AppRejected               the org refuses our app or its credentials (R-008)
    │   ├── UserInactive              the integration user or its org is switched off (R-009)
    │   ├── AddressBlocked            the org's IP or login-hour rules refuse us (R-010)
    │   ├── LoginRefused              wrong name, password, token or audience (R-021)
    │   ├── LoginLocked               too many wrong passwords
    │   ├── ApiDisabled               the org or user has no API (or no SOAP login)
    │   └── VersionRetired            Salesforce dropped the version (R-014)
    ├── UpstreamUnavailable           5xx, network, deadlines; nothing is wrong with the connection (R-007, R-023)
    │   ├── TlsRefused                certificate wrong; never tried again by itself (R-022)
    │   ├── OrgReadOnly               maintenance, writes are off (R-153)
    │   └── QueryTooSlow              QUERY_TIMEOUT: ask for less
    ├── LimitReached
    │   ├── DailyLimitReached         rolling 24-hour allowance used up (R-058)
    │   ├── ReportLimitReached        500 report runs an hour used up
    │   └── ConcurrentLimitReached    too many at once; wait a little (R-061)
    ├── NotFound                      no such thing, or not visible to the connected user
    ├── NoAccess                      visible, but this user may not
    ├── InvalidField                  no such field, read-only, or hidden by field-level security
    ├── InvalidType                   no such object, or no permission for it (R-056)
    ├── MalformedQuery                the question itself is wrong
    │   └── TooLarge                  URL, query or id list too long: ask in parts
    ├── QueryExpired                  the cursor died: start again from a checkpoint (R-034)
    ├── RowRefused                    this record was not saved
    │   ├── RowLocked                 somebody else holds it: try again (R-132)
    │   ├── ParentMissing             the record it points to by external id does not exist (R-147)
    │   ├── AmbiguousKey              the external id fits several records (R-137)
    │   ├── BatchTooHeavy             triggers ran out of time: send fewer at once (R-140)
    │   └── StorageFull               the org has no room for new records (R-141)
    ├── ReportTooSlow                 over two minutes: run it asynchronously (R-222)
    ├── ReportBroken                  the report's own definition no longer works in Salesforce
    └── UnexpectedAnswer              nothing that Salesforce documents; a redirect, a web page, a repeated cursor

`meaning.py` holds the one table that maps answers to these classes.
"""

import re
from enum import Enum

LONGEST_MESSAGE = 1000


class Verdict(Enum):
    """What the caller should do about an answer."""

    RETRY = "retry"
    """The same request may succeed in a moment."""
    REFRESH = "refresh"
    """Get a new access token once, then ask again."""
    WAIT = "wait"
    """Nothing helps but time: end the run as deferred and come back later."""
    REAUTHORIZE = "reauthorize"
    """A person must sign in, change credentials or change a setting in the org."""
    DROP_FIELD = "drop_field"
    """Leave the named field out and go on with the others."""
    FAIL_ROW = "fail_row"
    """Only this record fails."""
    STOP = "stop"
    """Asking again cannot help."""


SECRETS = (
    re.compile(r"00D[0-9A-Za-z]{9,15}![^\s\"'<>&,;]+"),  # access token or session id
    re.compile(r"\b5Aep[0-9A-Za-z._=-]{6,}"),  # refresh token
    re.compile(r"\beyJ[0-9A-Za-z_-]{8,}(?:\.[0-9A-Za-z_-]*){0,2}"),  # JWT
    re.compile(r"\b3MVG9[0-9A-Za-z._-]{10,}"),  # consumer key
    re.compile(r"(?i)\bbearer\s+[^\s\"'<>]+"),
    re.compile(
        r"(?i)\b(access_token|refresh_token|id_token|client_secret|assertion|code_verifier|code|password|sessionId|sid)"
        r"(=|\"?\s*:\s*\"|>)[^\s\"'<>&,;]+"
    ),
)


def scrub(text: str) -> str:
    """`text` without anything that looks like a token, secret or password, at most 1,000 characters (I-14)."""
    for pattern in SECRETS:
        text = pattern.sub("[removed]", text)
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"


class SalesforceError(Exception):
    """A refusal, with Salesforce's own code and text (scrubbed) and what to do about it.

    `status` is the HTTP status, 0 when no answer came. `retry_after` is in seconds. `maybe_done` says that the request may
    have taken effect although no good answer came back, so that only a repeatable request may be sent again.
    """

    usual_verdict = Verdict.STOP

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        status: int = 0,
        fields: tuple[str, ...] = (),
        verdict: Verdict | None = None,
        retry_after: float | None = None,
        maybe_done: bool = False,
    ) -> None:
        self.message = scrub(message)
        super().__init__(self.message)
        self.code, self.status, self.fields = code, status, tuple(fields)
        self.verdict = verdict or self.usual_verdict
        self.retry_after, self.maybe_done = retry_after, maybe_done

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r}, code={self.code!r}, status={self.status}, verdict={self.verdict.name})"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.__dict__)


def _rebuild(kind: type[SalesforceError], message: str, state: dict[str, object]) -> SalesforceError:
    """Pickling support: exceptions with keyword arguments do not survive it by themselves."""
    error = kind(message)
    error.__dict__.update(state)
    return error


class AuthError(SalesforceError):
    """The connection cannot be used until a person does something."""

    usual_verdict = Verdict.REAUTHORIZE


class ReauthorizationRequired(AuthError):
    """The grant is revoked or expired."""


class AppRejected(AuthError):
    """The org does not accept our app: wrong key or secret, blocked, not approved, wrong callback address."""


class UserInactive(AuthError):
    """The integration user is frozen or deactivated, or the whole org is inactive."""


class AddressBlocked(AuthError):
    """The org refuses our network address or this time of day. `address` is what Salesforce saw, if it said so."""

    address = ""


class LoginRefused(AuthError):
    """User name, password, security token or audience is wrong; not tried again by itself."""


class LoginLocked(AuthError):
    """The user is locked out after wrong passwords."""


class ApiDisabled(AuthError):
    """The org's edition, the user's profile or an org setting gives no API (or no SOAP login)."""


class VersionRetired(AuthError):
    """Salesforce no longer (or not yet) serves the API version."""


class UpstreamUnavailable(SalesforceError):
    """Salesforce or the way to it is down; the connection itself is fine."""

    usual_verdict = Verdict.RETRY


class TlsRefused(UpstreamUnavailable):
    """The certificate is expired, self-signed or of another host. There is no switch to ignore that."""

    usual_verdict = Verdict.STOP


class OrgReadOnly(UpstreamUnavailable):
    """The org is in read-only maintenance."""

    usual_verdict = Verdict.WAIT


class QueryTooSlow(UpstreamUnavailable):
    """The query ran into Salesforce's own time limit."""


class LimitReached(SalesforceError):
    """An allowance of the org is used up for now."""

    usual_verdict = Verdict.WAIT


class DailyLimitReached(LimitReached):
    """All API requests of the rolling 24 hours are used."""


class ReportLimitReached(LimitReached):
    """All report runs of the hour are used, by us or by others in the org."""


class ConcurrentLimitReached(LimitReached):
    """Too many long requests at once."""

    usual_verdict = Verdict.RETRY


class NotFound(SalesforceError):
    """Missing, deleted, or not visible to the connected user (Salesforce does not tell which)."""


class NoAccess(SalesforceError):
    """The connected user lacks a permission."""


class InvalidField(SalesforceError):
    """`fields` names what was refused. A field that the user cannot see looks exactly like one that does not exist."""

    usual_verdict = Verdict.DROP_FIELD


class InvalidType(SalesforceError):
    """No such object, or the connected user cannot see it."""


class MalformedQuery(SalesforceError):
    """The query or the request body does not parse."""


class TooLarge(MalformedQuery):
    """Address, query, body or id list is over a limit; ask in parts."""


class QueryExpired(SalesforceError):
    """The cursor of a query (or the result of a job) is gone; begin again from the last stored checkpoint."""


class RowRefused(SalesforceError):
    """One record was not saved, for a reason in its data or in the org's rules."""

    usual_verdict = Verdict.FAIL_ROW


class RowLocked(RowRefused):
    """The record or its parent is locked by another transaction."""

    usual_verdict = Verdict.RETRY


class ParentMissing(RowRefused):
    """A look-up by external id found no parent."""


class AmbiguousKey(RowRefused):
    """Several records share the external id; `record_ids` lists them (18 characters) when Salesforce did."""

    record_ids: tuple[str, ...] = ()


class BatchTooHeavy(RowRefused):
    """Triggers or flows ran over Salesforce's limits for one transaction."""


class StorageFull(RowRefused):
    """The org's storage is full: no new records, changes of existing ones still work."""

    usual_verdict = Verdict.STOP


class ReportTooSlow(SalesforceError):
    """A synchronous report run takes over two minutes."""


class ReportBroken(SalesforceError):
    """Salesforce itself cannot run the report any more: somebody must repair it there."""


class UnexpectedAnswer(SalesforceError):
    """An answer that Salesforce does not give: a redirect, a web page where data should be, a cursor that repeats."""


Refused = (NoAccess, NotFound, InvalidType, InvalidField)
"""For `except`: the thing asked for is hidden from the connected user or not there. The connection itself is fine."""
