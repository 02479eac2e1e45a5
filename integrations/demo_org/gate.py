"""What every request passes before its handler: faults, versions, sessions, limits; and what every answer gets on its way out.

Pure ASGI, so that answers stream and a connection can be cut in the middle of a body.
"""

import asyncio
import re
import time
import zlib
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from integrations.demo_org import late
from integrations.demo_org.clock import to_text
from integrations.demo_org.errors import ApiError
from integrations.demo_org.faults import Fault
from integrations.demo_org.oauth.requests import bearer_token
from integrations.demo_org.replies import JSON_TYPE, error_reply
from integrations.demo_org.versions import check_version

if TYPE_CHECKING:
    from integrations.demo_org.org import Caller, DemoOrg

MOST_URL_BYTES, MOST_HEADER_BYTES, MOST_BODY_BYTES = 16_384, 32_768, 52_428_800
VERSIONED = re.compile(r"/services/data/v([^/]+)(/.*)?")
UPLOAD = re.compile(r"/services/data/v[^/]+/jobs/ingest/[^/]+/batches")
# an external id value at the end of a path may end in .json itself
SUFFIX = re.compile(r"(/services/data(?:/(?!v[^/]+/(?:sobjects/[^/]+/[^/]+/|jobs/)).*)?)\.(json|xml)")
CONTROL = "/__demo__"
PIECE = 32_768
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
CACHE = "no-cache,must-revalidate,max-age=0,no-store,private"
MAINTENANCE = (
    "<html><head><title>Maintenance</title></head><body><h1>We are down for maintenance.</h1>"
    "<p>Sorry for the inconvenience. We'll be back shortly.</p></body></html>"
)
NOT_LOCAL = "The control plane answers only on the machine itself."
EXPIRED = ApiError(401, "INVALID_SESSION_ID", "Session expired or invalid")
API_SCOPES = frozenset({"api", "full"})


class Cut(Exception):
    """The connection is to be closed before the answer is complete."""


@dataclass
class Passage:
    """One request on its way through."""

    scope: Scope
    org: "DemoOrg"
    body: bytes = b""
    caller: "Caller | None" = None
    status: int = 0
    sent: int = 0
    fault: Fault | None = None
    metered: bool = False
    started: float = field(default_factory=time.monotonic)
    free_at: float = 0.0

    async def take_time(self, size: int) -> None:
        """Wait until so many bytes may have passed on a connection of the settings' speed."""
        speed, now = self.org.settings.bytes_per_second, time.monotonic()
        if speed > 0 and size:
            self.free_at = max(now, self.free_at) + size / speed
            await asyncio.sleep(self.free_at - now)

    @property
    def path_and_query(self) -> str:
        """The path with its query string, as faults match it."""
        query = self.scope.get("query_string", b"").decode("latin-1")
        return self.scope["path"] + (f"?{query}" if query else "")


class Gate:
    """The outermost layer of the server."""

    def __init__(self, app: ASGIApp, org: "DemoOrg") -> None:
        self.app, self.org = app, org

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through; the lifespan messages pass untouched."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope.setdefault("state", {})
        passage = Passage(scope, self.org)
        try:
            await self._pass(passage, receive, self._sender(passage, send))
        except Cut:
            close_connection(send)
        finally:
            self._note(passage)

    async def _pass(self, passage: Passage, receive: Receive, send: Send) -> None:
        """Check the request, then answer it or hand it on."""
        scope = passage.scope
        tidy_path(scope)
        try:
            check_size(scope)
            receive = await self._read(passage, receive)
        except ApiError as error:
            answer = too_long_page(error) if isinstance(error, TooLongError) else error_reply(Request(scope), error)
            await answer(scope, receive, send)
            return
        request = Request(scope)
        if scope["path"].startswith(CONTROL):
            answer = self.app if is_local(request) else JSONResponse({"error": NOT_LOCAL}, 403)
            await answer(scope, receive, send)
            return
        if self.org.settings.latency_seconds > 0:
            await asyncio.sleep(self.org.settings.latency_seconds)
        if scope["path"] != "/":
            passage.fault = self.org.faults.take(scope["method"], passage.path_and_query, passage.body)
        answer = await self._answer_early(passage, request)
        await (answer or self.app)(scope, receive, send)

    async def _answer_early(self, passage: Passage, request: Request) -> Response | None:
        """The answer that the gate itself gives (fault, error), or None to go on."""
        fault = passage.fault
        if fault is not None:
            if fault.delay:
                await asyncio.sleep(fault.delay)
            if fault.action == "close":
                raise Cut
            answer = self._faulty_answer(fault, request)
            if answer is not None:
                return answer
        try:
            await asyncio.to_thread(self._admit, passage, request)
        except ApiError as error:
            return error_reply(request, error)
        return None

    def _faulty_answer(self, fault: Fault, request: Request) -> Response | None:
        """What a fault answers instead of the org."""
        if fault.action == "expire_token":
            self.org.sessions.expire(bearer_token(request))
        if fault.action == "daily_limit":
            return error_reply(request, ApiError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."))
        if fault.action == "concurrent_limit":
            return error_reply(request, ApiError(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded."))
        if fault.action == "maintenance":
            return Response(MAINTENANCE, fault.status or 503, fault.headers, "text/html")
        if not fault.status:
            return None
        body = fault.body
        if body is None or isinstance(body, str):
            kind = "text/html" if str(body or "").lstrip().startswith("<") else JSON_TYPE
            named = "content-type" in map(str.lower, fault.headers)
            return Response(body or "", fault.status, fault.headers, None if named else kind)
        return Response(orjson.dumps(body), fault.status, fault.headers, JSON_TYPE)

    def _admit(self, passage: Passage, request: Request) -> None:
        """Version, session, permission and limits of a data call; other paths look after themselves."""
        late.apply_due(self.org)
        match = VERSIONED.fullmatch(passage.scope["path"])
        if not match:
            return
        check_version(match.group(1))
        token = bearer_token(request)
        caller = self.org.sessions.caller_for(token) if token else None
        if caller is None:
            raise EXPIRED
        request.state.caller = passage.caller = caller
        if not API_SCOPES & set(caller.scopes):
            text = "This session is not valid for use with the REST API"
            raise ApiError(401, "INVALID_SESSION_ID", text)
        self._meter(passage)

    def _meter(self, passage: Passage) -> None:
        """Count the call against the day's allowance, or refuse it."""
        settings, usage = self.org.settings, self.org.usage
        if not settings.api_enabled:
            raise ApiError(403, "API_DISABLED_FOR_ORG", "API is disabled for this Organization or Partner")
        passage.metered = True
        if settings.concurrent_limit_reached:
            raise ApiError(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded.")
        if usage.is_reached():
            raise ApiError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        usage.spend()

    async def _read(self, passage: Passage, receive: Receive) -> Receive:
        """Read the body for handlers that are plain functions; uploads of bulk data stay a stream."""
        scope = passage.scope
        if not scope["path"].startswith(CONTROL) and self.org.settings.bytes_per_second > 0:
            receive = _paced(passage, receive)
        if UPLOAD.fullmatch(scope["path"]):
            scope["state"]["body"] = b""
            return receive
        parts, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            part = message.get("body", b"")
            size += len(part)
            if size > MOST_BODY_BYTES:
                raise ApiError(413, "REQUEST_ENTITY_TOO_LARGE", "The request body is too large")
            parts.append(part)
            more = message.get("more_body", False)
        body = b"".join(parts)
        if Headers(scope=scope).get("content-encoding", "").lower() in {"gzip", "x-gzip"}:
            body = unzip(body)
        passage.body = scope["state"]["body"] = body
        return _replay(passage.body, receive)

    def _sender(self, passage: Passage, send: Send) -> Send:
        """A send that adds the usual headers, notes the status and cuts the body when a fault says so."""

        async def sender(message: Message) -> None:
            if message["type"] == "http.response.start":
                passage.status = message["status"]
                add_headers(passage, message)
            elif passage.fault is not None and passage.fault.cut is not None and "body" in message:
                left = passage.fault.cut - passage.sent
                if len(message["body"]) >= left:
                    await send({**message, "body": message["body"][: max(left, 0)], "more_body": True})
                    raise Cut
            passage.sent += len(message.get("body", b""))
            await send(message)

        return _slowed(passage, sender)

    def _note(self, passage: Passage) -> None:
        """Write the ledger's line."""
        scope = passage.scope
        if scope["path"].startswith(CONTROL):
            return
        self.org.calls.add(
            at=to_text(self.org.clock.now()),
            method=scope["method"],
            path=scope["state"].get("asked_path", scope["path"]),
            query=scope.get("query_string", b"").decode("latin-1"),
            status=passage.status,
            user=passage.caller.username if passage.caller else "",
            seconds=time.monotonic() - passage.started,
        )


def unzip(body: bytes) -> bytes:
    """A compressed request body as it was; ApiError 400 when it is not gzip, 413 when it grows beyond the limit."""
    reader = zlib.decompressobj(wbits=31)
    try:
        plain = reader.decompress(body, MOST_BODY_BYTES + 1)
    except zlib.error as problem:
        raise ApiError(400, "UNKNOWN_EXCEPTION", "Not in GZIP format") from problem
    if len(plain) > MOST_BODY_BYTES:
        raise ApiError(413, "REQUEST_ENTITY_TOO_LARGE", "The request body is too large")
    if not reader.eof:
        raise ApiError(400, "UNKNOWN_EXCEPTION", "Unexpected end of ZLIB input stream")
    return plain


def _paced(passage: Passage, receive: Receive) -> Receive:
    """A receive that takes no more bytes a second than the settings allow."""

    async def paced() -> Message:
        message = await receive()
        await passage.take_time(len(message.get("body", b"")))
        return message

    return paced


def _slowed(passage: Passage, send: Send) -> Send:
    """A send that gives no more bytes a second than the settings allow; the control plane is as quick as it can be."""

    async def slowed(message: Message) -> None:
        body = message.get("body", b"")
        if passage.org.settings.bytes_per_second <= 0 or not body or passage.scope["path"].startswith(CONTROL):
            await send(message)
            return
        for start in range(0, len(body), PIECE):
            part = body[start : start + PIECE]
            await passage.take_time(len(part))
            await send({**message, "body": part, "more_body": message.get("more_body", False) or start + PIECE < len(body)})

    return slowed


def is_local(request: Request) -> bool:
    """Whether the request names this machine and comes from no page of another site (DNS rebinding, forged requests)."""
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    origin = request.headers.get("origin")
    return host in LOOPBACK_NAMES and (origin is None or (urlsplit(origin).hostname or "") in LOOPBACK_NAMES)


def tidy_path(scope: Scope) -> None:
    """Drop what clients add to a path: a doubled first slash, a trailing one, a `.json` or `.xml` suffix.

    `_HttpMethod`, by which some send a PATCH as a POST, is obeyed.
    """
    path = scope["path"]
    scope["state"]["asked_path"] = path
    if path.startswith("//"):
        path = "/" + path.lstrip("/")
    if len(path) > 1 and path.endswith("/"):
        path = path.rstrip("/") or "/"
    match = SUFFIX.fullmatch(path)
    if match:
        path, scope["state"]["suffix"] = match.group(1), match.group(2)
    scope["path"] = path
    override = re.search(rb"(?:^|&)_HttpMethod=([A-Za-z]+)", scope.get("query_string", b""))
    if override and scope["method"] == "POST":
        scope["method"] = override.group(1).decode().upper()


def check_size(scope: Scope) -> None:
    """Refuse URLs and headers that Salesforce's servers would not read."""
    length = len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"")
    if length > MOST_URL_BYTES:
        raise TooLongError(414, "URI Too Long")
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MOST_HEADER_BYTES:
        raise TooLongError(431, "Request Header Fields Too Large")


class TooLongError(ApiError):
    """An address or header that is too long; answered in HTML by the web server, not by the API."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, "URI_TOO_LONG", reason)


def too_long_page(error: TooLongError) -> Response:
    """What the web server in front says."""
    page = f"<h1>Bad Message {error.status}</h1><pre>reason: {error.message}</pre>"
    return Response(page, error.status, {"Connection": "close"}, "text/html;charset=iso-8859-1")


def _replay(body: bytes, receive: Receive) -> Receive:
    """A receive that delivers the body that was read already, then what comes after it (a disconnect)."""
    delivered = False

    async def replayed() -> Message:
        nonlocal delivered
        if delivered:
            return await receive()
        delivered = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def add_headers(passage: Passage, message: MutableMapping[str, Any]) -> None:
    """The org's time, usage, caching and browser id, as the real answers have them."""
    headers = MutableHeaders(raw=message.setdefault("headers", []))
    if passage.fault is not None and not passage.fault.status:
        for name, value in passage.fault.headers.items():
            headers[name] = value
    headers.setdefault("Date", format_datetime(passage.org.clock.now().replace(microsecond=0), usegmt=True))
    path = passage.scope["path"]
    if not path.startswith("/services/") and not path.startswith("/id/"):
        return
    headers.setdefault("Cache-Control", CACHE)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    if "vary" not in headers:
        headers["Vary"] = "Accept-Encoding"
    if "BrowserId=" not in Headers(scope=passage.scope).get("cookie", ""):
        headers.append("Set-Cookie", f"BrowserId={BROWSER_ID}; path=/; SameSite=Lax")
    if passage.metered:
        headers["Sforce-Limit-Info"] = passage.org.usage.header()


BROWSER_ID = "demoOrgBrowserIdAAAAAA"


def close_connection(send: Callable[..., Any]) -> None:
    """Close the caller's connection without finishing the answer.

    ASGI knows no such thing; the server's request cycle, of which `send` is a method, holds the transport.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is not None:
        transport.close()
