"""One HTTP attempt with deadlines, and bounded retries by meaning (I-09, R-031, R-061, R-066). Knows nothing of tokens.

Redirects are never followed, cookies and `.netrc` never used, certificates always verified.
"""

import errno
import json as stdlib_json
import math
import random
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit

import orjson
import requests
import structlog
import urllib3

from integrations.salesforce.errors import SalesforceError, TlsRefused, UnexpectedAnswer, UpstreamUnavailable, Verdict
from integrations.salesforce.meaning import read_error
from integrations.salesforce.pool import ended_after, new_session
from integrations.salesforce.values import write_moment

log = structlog.get_logger(__name__)

CLIENT_NAME = "causeway"
CHUNK = 64 * 1024
MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Deadlines:
    """Seconds: to connect, between two bytes, for one whole attempt; and the largest answer held in memory (bytes)."""

    connect: float = 5.0
    read: float = 60.0
    overall: float = 300.0
    largest_answer: int = 64 * MEGABYTE


@dataclass(frozen=True)
class Retry:
    """How often and how patiently. Waits grow from `first_wait` by doubling up to `longest_wait` (seconds), plus jitter.

    A `Retry-After` longer than `patience` is not slept through: the error is raised with it, so that the run is deferred
    instead of holding a worker. `total` bounds all attempts and waits of one request together. `never` holds error codes
    after which it is not tried again.
    """

    tries: int = 5
    first_wait: float = 0.5
    longest_wait: float = 20.0
    jitter: float = 0.25
    patience: float = 90.0
    total: float = 900.0
    never: frozenset[str] = frozenset()
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False, compare=False)

    def wait_before(self, attempt: int, asked: float | None) -> float:
        """Seconds before attempt number `attempt` (2, 3, …); never less than what Salesforce asked for."""
        usual = min(self.longest_wait, self.first_wait * 2 ** (attempt - 2))
        if asked is not None and asked >= usual:
            return asked + random.uniform(0, self.jitter * asked)  # noqa: S311  jitter is no secret
        return usual * random.uniform(1 - self.jitter, 1 + self.jitter)  # noqa: S311


NO_RETRY = Retry(tries=1)
USUAL_RETRY = Retry()
USUAL_DEADLINES = Deadlines()


class ApiUsage(NamedTuple):
    """API requests of the org in the rolling 24 hours, as the last answer said."""

    used: int
    limit: int


@dataclass(frozen=True)
class Call:
    """One HTTP attempt for the ledger. `path` has no query string; `status` is 0 when no answer came; `error` is a code."""

    method: str
    path: str
    status: int
    seconds: float
    kind: str
    usage: ApiUsage | None = None
    error: str = ""
    attempt: int = 1

    @property
    def counts(self) -> bool:
        """Whether Salesforce charges it to the daily allowance (versions, tokens and unanswered calls are free)."""
        return self.status > 0 and self.kind not in ("login", "versions")


@dataclass(frozen=True)
class Answer:
    """A good answer (2xx or 304). Header names are case-insensitive; `body` is empty when it was written to a file."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")

    @cached_property
    def data(self) -> Any:
        """Decoded JSON, fractions as Decimal (I-22); None for an empty body."""
        return parse_json(self.body)

    def json(self) -> Any:
        """Same as `data`, spelled as in `requests`."""
        return self.data


def parse_json(body: bytes) -> Any:
    """JSON with fractions as Decimal; NaN and Infinity are refused (R-072). ValueError when cut or damaged."""
    if not body.strip():
        return None
    return stdlib_json.loads(body.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_refuse_constant)


def dump_json(value: object) -> bytes:
    """JSON bytes; Decimals keep every digit, NaN, Infinity and naive datetimes are refused (R-072, R-074)."""
    _refuse_nan(value)
    return orjson.dumps(value, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME)


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    if isinstance(value, datetime | date):
        return write_moment(value) if isinstance(value, datetime) else value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be sent to Salesforce")


def _refuse_nan(value: object) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a number")
    if isinstance(value, Decimal) and not value.is_finite():
        raise ValueError(f"{value} is not a number")
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ():
        _refuse_nan(item)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


KINDS = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"/services/Soap/m/", "metadata"),
        (r"/services/(?:oauth2|Soap)/|^/id/", "login"),
        (r"^/services/data/?$", "versions"),
        (r"/analytics/reports/[^/]+/instances$", "report_instance"),
        (r"/analytics/reports/[^/]+/instances/", "report_result"),
        (r"/analytics/reports/[^/]+/describe$|/analytics/reports/?$|/analytics/reportTypes", "report_describe"),
        (r"/analytics/reports/[^/]+$", "report_run"),
        (r"/jobs/query", "bulk_query"),
        (r"/jobs/ingest", "bulk_ingest"),
        (r"/(?:query|queryAll)(?:/|$)", "query"),
        (r"/composite", "composite"),
        (r"/describe(?:/|$)|/sobjects/?$", "describe"),
        (r"/limits", "limits"),
        (r"/search|/parameterizedSearch", "search"),
        (r"/sobjects/", "record"),
    )
)
KEYED_RECORD = re.compile(r"(/sobjects/[^/]+/)([^/]+)/.+")
FIXED_PARTS = frozenset(("describe", "updated", "deleted", "listviews", "layouts", "approvalLayouts", "quickActions"))


def kind_of(path: str) -> str:
    """What a call is for, in one word, for the ledger."""
    return next((kind for pattern, kind in KINDS if pattern.search(path)), "other")


def shown_path(url: str) -> str:
    """The path for logs and the ledger: no query string, and no external-id value (they can be personal data)."""
    path = urlsplit(url).path
    match = KEYED_RECORD.search(path)
    if match is None or match[2] in FIXED_PARTS:
        return path
    return path[: match.start()] + match[1] + match[2] + "/…"


class Transport:
    """A connection pool with deadlines and retries. Safe to share between threads; make one per process, not across forks."""

    def __init__(
        self,
        *,
        demo_origin: str = "",
        deadlines: Deadlines = USUAL_DEADLINES,
        retry: Retry = USUAL_RETRY,
        on_call: Callable[[Call], None] | None = None,
    ) -> None:
        self.demo_origin, self.deadlines, self.retry, self.on_call = demo_origin, deadlines, retry, on_call
        self.usage: ApiUsage | None = None
        self.app_usage: ApiUsage | None = None
        self._session = new_session(client_name=CLIENT_NAME)

    def close(self) -> None:
        """Close the pooled connections."""
        self._session.close()

    def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes | IO[bytes] | None = None,
        into: IO[bytes] | None = None,
        deadlines: Deadlines | None = None,
        retry: Retry | None = None,
        repeatable: bool = True,
    ) -> Answer:
        """A good answer, or a `SalesforceError` after the retries that its meaning allows.

        With `into` (a seekable binary file) a good body is written there; what a failed attempt wrote is cut off again.
        A request that is not `repeatable` is sent again only when it certainly had no effect.
        """
        policy, spent = retry or self.retry, 0.0
        for attempt in range(1, max(1, policy.tries) + 1):
            clock = time.monotonic()
            try:
                return self._attempt(method, url, headers, params, body, into, deadlines or self.deadlines, attempt)
            except SalesforceError as error:
                wait = policy.wait_before(attempt + 1, error.retry_after)
                spent += time.monotonic() - clock + wait
                if attempt >= policy.tries or spent > policy.total or not _worth_it(error, policy, repeatable):
                    raise
            policy.sleep(wait)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _attempt(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        params: Mapping[str, str] | None,
        body: bytes | IO[bytes] | None,
        into: IO[bytes] | None,
        deadlines: Deadlines,
        attempt: int,
    ) -> Answer:
        """One attempt, reported to `on_call` whatever comes of it."""
        clock, status, code, usage = time.monotonic(), 0, "", None
        start = into.tell() if into is not None else 0
        if body is not None and not isinstance(body, bytes):
            body.seek(0)
        try:
            with _network_errors(url, deadlines), self._send(method, url, headers, params, body, deadlines) as response:
                status, usage = response.status_code, self._note_usage(response.headers)
                return _read(response, into, deadlines)
        except SalesforceError as error:
            code = error.code or type(error).__name__
            if into is not None:
                into.seek(start)
                into.truncate()
            raise
        finally:
            seconds, kind = time.monotonic() - clock, kind_of(urlsplit(url).path)
            call = Call(method, shown_path(url), status, seconds, kind, usage, code, attempt)
            log.debug("salesforce_call", method=method, path=call.path, status=status, error=code, attempt=attempt)
            if self.on_call is not None:
                self.on_call(call)

    def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        params: Mapping[str, str] | None,
        body: bytes | IO[bytes] | None,
        deadlines: Deadlines,
    ) -> requests.Response:
        return self._session.request(
            method,
            url,
            headers=dict(headers or {}),
            params=params,
            data=body,
            timeout=(deadlines.connect, deadlines.read),
            allow_redirects=False,
            stream=True,
            proxies=self._proxies_for(url),
        )

    def _proxies_for(self, url: str) -> dict[str, str] | None:
        """No proxy for the demo org, which is near; the environment's for everything else."""
        demo = urlsplit(self.demo_origin).hostname
        return {"no_proxy": demo} if demo and demo == urlsplit(url).hostname else None

    def _note_usage(self, headers: Mapping[str, str]) -> ApiUsage | None:
        usage, app_usage = read_usage(headers.get("Sforce-Limit-Info", ""))
        self.usage, self.app_usage = usage or self.usage, app_usage or self.app_usage
        return usage


def _worth_it(error: SalesforceError, policy: Retry, repeatable: bool) -> bool:
    """Whether the same request may be sent again after `error`."""
    if error.verdict is not Verdict.RETRY or error.code in policy.never:
        return False
    return (error.retry_after or 0) <= policy.patience and (repeatable or not error.maybe_done)


def read_usage(header: str) -> tuple[ApiUsage | None, ApiUsage | None]:
    """Org-wide and per-app usage from `Sforce-Limit-Info: api-usage=17/15000; per-app-api-usage=2/250(appName=x)`."""
    counts = re.findall(r"([a-z-]+)=(\d{1,12})/(\d{1,12})", header)
    found = {name: ApiUsage(int(used), int(limit)) for name, used, limit in counts}
    return found.get("api-usage"), found.get("per-app-api-usage")


def _read(response: requests.Response, into: IO[bytes] | None, deadlines: Deadlines) -> Answer:
    """The whole answer, checked; raises for everything that is not 2xx or 304."""
    good = response.status_code == 304 or 200 <= response.status_code < 300
    if good and into is not None:
        for piece in _pieces(response):
            into.write(piece)
        return Answer(response.status_code, response.headers)
    largest = deadlines.largest_answer if good else MEGABYTE
    body = bytearray()
    for piece in _pieces(response):
        body += piece
        if len(body) > largest:
            raise UnexpectedAnswer(f"Salesforce's answer is larger than {largest} bytes.", status=response.status_code)
    if not good:
        raise _refusal(response, bytes(body))
    answer = Answer(response.status_code, response.headers, bytes(body))
    _check_body(answer)
    return answer


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """The body in pieces as they arrive, decompressed."""
    while piece := response.raw.read1(CHUNK, decode_content=True):
        yield piece


def _refusal(response: requests.Response, body: bytes) -> SalesforceError:
    error = read_error(response.status_code, response.headers, body)
    target = response.headers.get("Location", "")
    if response.status_code in (301, 302, 303, 307, 308) and target:
        message = f"Salesforce redirected to “{urlsplit(target).hostname or 'another page'}”; the token was not sent there."
        error = UnexpectedAnswer(message, code="REDIRECT", status=response.status_code, verdict=error.verdict)
    return error


def _check_body(answer: Answer) -> None:
    """Find cut or damaged data now, while asking again is still possible (R-031)."""
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind.endswith("html") and answer.body:
        message = "Salesforce answered with a web page where data should be."
        raise UnexpectedAnswer(message, status=answer.status, verdict=Verdict.RETRY, maybe_done=True)
    if kind != "application/json":
        return
    try:
        answer.data  # noqa: B018  decoded once and kept
    except (ValueError, RecursionError):
        message = "Salesforce's answer was cut off or damaged."
        raise UpstreamUnavailable(message, code="CUT_ANSWER", status=answer.status, maybe_done=True) from None


@contextmanager
def _network_errors(url: str, deadlines: Deadlines) -> Iterator[None]:
    """End the exchange at its overall deadline; turn the libraries' exceptions into ours, which name the host only."""
    host = urlsplit(url).hostname
    with ended_after(deadlines.overall) as watch:
        try:
            with _translated(host):
                yield
        except UpstreamUnavailable:
            if not watch.expired:
                raise
            message = f"{host} took too long to finish its answer."
            raise UpstreamUnavailable(message, code="TIMEOUT", maybe_done=True) from None


DISK_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}


@contextmanager
def _translated(host: str | None) -> Iterator[None]:
    try:
        yield
    except requests.exceptions.SSLError as error:
        if _is_about_certificate(error):
            raise TlsRefused(f"The certificate of {host} was refused.", code="TLS") from None
        raise UpstreamUnavailable(f"The TLS connection to {host} broke off.", code="NETWORK", maybe_done=True) from None
    except requests.exceptions.ConnectTimeout:
        raise UpstreamUnavailable(f"{host} could not be reached in time.", code="CONNECT_TIMEOUT") from None
    except (requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError):
        raise UpstreamUnavailable(f"{host} did not answer in time.", code="TIMEOUT", maybe_done=True) from None
    except requests.exceptions.ConnectionError as error:
        reason = getattr(error.args[0] if error.args else None, "reason", None)
        never_sent = isinstance(reason, urllib3.exceptions.NewConnectionError)
        raise UpstreamUnavailable(f"No connection to {host}.", code="NETWORK", maybe_done=not never_sent) from None
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        if not isinstance(error, requests.exceptions.RequestException) and getattr(error, "errno", None) in DISK_TROUBLE:
            raise  # our disk, not their line
        raise UpstreamUnavailable(f"The connection to {host} broke off.", code="NETWORK", maybe_done=True) from None


def _is_about_certificate(error: BaseException | None) -> bool:
    """Whether a certificate was refused somewhere in the chain of causes, rather than a connection cut."""
    for _ in range(10):
        if error is None or isinstance(error, ssl.SSLCertVerificationError):
            break
        first = error.args[0] if error.args else None
        error = getattr(error, "reason", None) or (
            first if isinstance(first, BaseException) else error.__cause__ or error.__context__
        )
    return error is not None and "certificate" in str(error).lower()
