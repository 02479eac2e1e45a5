"""Answers entitlement checks in front of Django, from the memory of the process, byte for byte as Django answered before.

What it needs to know of Django's answer (headers, which keys work) it learns from Django: the first question with a key goes
the usual way, and so does everything out of the ordinary (another time, a fallback, an unknown customer, a wrong key, another
host). A question that was answered once is answered again from memory until the customer changes or the next instant at which
the answer itself would.

Every header costs the server about as much as looking the answer up, so both ways leave out what means something to pages only,
and send the strictest content policy in its shortest form.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from time import time
from typing import Any
from urllib.parse import parse_qsl

import structlog
from django.conf import settings
from django.db import DatabaseError

from provisioning.entitlements.answers import answer_check, answer_list
from provisioning.entitlements.known_keys import KnownKeys
from provisioning.entitlements.snapshot import Snapshot, snapshot

log = structlog.get_logger(__name__)
CHECK, LIST = "/api/v1/entitlements/check/", "/api/v1/entitlements/"
SCOPE = "entitlements:read"
LISTED = "\n"
"""Before the question of a list: no query string contains it, so no check can be answered with a list."""
OURS = ("etag", "cache-control", "content-length", "content-type")
"""Headers that belong to one answer; all others are the same for every answer and come from Django's."""
PERSONAL = ("set-cookie", "x-request-id", "date", "server", "connection")
PAGES_ONLY = ("allow", "x-frame-options", "referrer-policy", "cross-origin-opener-policy")
"""Headers that change nothing for a JSON answer; `STRICT` forbids framing it, too."""
STRICT = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
LEARNED_FOR = 3600.0
LONGEST_QUESTION = 600
NEW_KEY = "causeway.api_key"
"""Where the view leaves the key that it accepted, in the request's environment."""

StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
Header = tuple[str, str]
Ready = tuple[bytes, str, Header, Header, float]
"""An answer as it goes out: body, ETag, Cache-Control, Content-Length, and until when. A plain tuple of few objects of its own:
there are hundreds of thousands, each object not in the processor's cache costs, and the collector need not look at them."""

CONTENT_TYPE = ("Content-Type", "application/json")
SHARED: dict[Any, Any] = {}
"""Parts of answers that many have in common, once each."""
MOST_SHARED = 10_000


class Front:
    """WSGI application around another one. The way from `__call__` to an answer in memory is written for speed."""

    def __init__(self, application: Application, *, memory: Snapshot = snapshot, keys: KnownKeys | None = None) -> None:
        self.application = application
        self.memory, self.keys = memory, keys or KnownKeys()
        self.memory.listeners.append(self.keys.look)
        self.answers = memory.answers
        self.headers: list[Header] = []
        self.learned_until = 0.0
        self.hosts: set[str] = set()
        self.secure = bool(settings.SECURE_SSL_REDIRECT)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if (path != CHECK and path != LIST) or environ["REQUEST_METHOD"] != "GET":
            return self.application(environ, start_response)
        now = time()
        ready = None
        if self._may_answer(environ, now):
            query = environ["QUERY_STRING"]
            ready = self.answers.get(query if path == CHECK else LISTED + query)
            if ready is None or now >= ready[4]:
                ready = self._answer_anew(path, query, now)
        if ready is None:
            return self._the_usual_way(environ, start_response)
        body, etag, cache_control, length, _ = ready
        if "HTTP_IF_NONE_MATCH" in environ and environ["HTTP_IF_NONE_MATCH"] == etag:
            start_response("304 Not Modified", [("ETag", etag), cache_control, *self.headers])
            return [b""]
        start_response("200 OK", [CONTENT_TYPE, ("ETag", etag), cache_control, length, *self.headers])
        return [body]

    # --- from memory ----------------------------------------------------------------------------------------------------------

    def _may_answer(self, environ: dict[str, Any], now: float) -> bool:
        """Whether memory is up to date, and the key, the host and the scheme are ones that Django has accepted."""
        memory = self.memory
        return (
            memory.clock() <= memory.trusted_until
            and "HTTP_AUTHORIZATION" in environ
            and self.keys.allows(environ["HTTP_AUTHORIZATION"], SCOPE, now)
            and environ.get("HTTP_HOST") in self.hosts
            and (not self.secure or _is_https(environ))
        )

    def _answer_anew(self, path: str, query: str, now: float) -> Ready | None:
        """The answer to a question that is not remembered, or no longer holds; None when Django must be asked."""
        question = query if path == CHECK else LISTED + query
        if len(question) > LONGEST_QUESTION or now > self.learned_until:
            return None
        try:
            return self._decide(path, question, query)
        except DatabaseError:
            return None

    def _decide(self, path: str, question: str, query: str) -> Ready | None:
        """Answer a question that was not asked since the customer changed."""
        pairs = parse_qsl(query, keep_blank_values=True)
        asked = dict(pairs)
        wanted = {"customer", "feature", "requested"} if path == CHECK else {"customer"}
        if len(asked) != len(pairs) or not set(asked) <= wanted or not asked.get("customer"):
            return None
        found = self.memory.find(asked["customer"])
        if found is None:
            return None
        customer, access = found
        now = datetime.now(UTC)
        if path == CHECK:
            answer = answer_check(access, asked.get("feature", ""), asked.get("requested"), now=now)
        else:
            answer = answer_list(access, now=now)
        access.forget_conclusions()  # 5 kB a question, and the answer itself is kept
        if answer is None:
            return None
        ready = _pack(answer.body, answer.etag, answer.cache_control, answer.until)
        if answer.until > now.timestamp():
            self.memory.remember(customer, access, question, ready)
        return ready

    # --- the usual way --------------------------------------------------------------------------------------------------------

    def _the_usual_way(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Ask Django; learn the key and the headers from an answer that it gave to a key."""

        def started(status: str, headers: list[Header], *more: Any) -> Any:
            if status.startswith(("200", "304")):
                headers = _for_programs(headers)
            key = environ.get(NEW_KEY)
            if key is not None and status.startswith("200"):
                self._learn(environ, headers, key)
            return start_response(status, headers, *more)

        return self.application(environ, started)

    def _learn(self, environ: dict[str, Any], headers: list[Header], key: Any) -> None:
        try:
            self.memory.start()
        except DatabaseError:
            log.warning("entitlements.not_started")
            return
        self.keys.learn(environ.get("HTTP_AUTHORIZATION", ""), key)
        self.hosts.add(environ.get("HTTP_HOST", ""))
        fixed = [(name, value) for name, value in headers if name.lower() not in OURS and name.lower() not in PERSONAL]
        if fixed != self.headers:
            self.headers = fixed
            self.memory.forget_answers()
        self.learned_until = time() + LEARNED_FOR


def _pack(body: bytes, etag: str, cache_control: str, until: float) -> Ready:
    """An answer to keep; what others have, too, is shared with them."""
    if len(SHARED) >= MOST_SHARED:
        SHARED.clear()
    cached = SHARED.setdefault(cache_control, ("Cache-Control", cache_control))
    length = SHARED.setdefault(("length", len(body)), ("Content-Length", str(len(body))))
    return (body, etag, cached, length, SHARED.setdefault(until, until))


def _for_programs(headers: list[Header]) -> list[Header]:
    """Django's headers without what only pages need; an answer that is a page keeps all."""
    told = {name.lower(): value for name, value in headers}
    if "content-security-policy" not in told or not told.get("content-type", "application/json").startswith("application/json"):
        return headers
    dropped = (*PAGES_ONLY, "content-security-policy")
    return [*((name, value) for name, value in headers if name.lower() not in dropped), STRICT]


def _is_https(environ: dict[str, Any]) -> bool:
    header = settings.SECURE_PROXY_SSL_HEADER
    if header:
        return environ.get(header[0]) == header[1]
    return environ.get("wsgi.url_scheme") == "https"
