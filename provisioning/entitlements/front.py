"""Answers entitlement checks in front of Django, from the memory of the process, byte for byte as Django answered before.

What it needs to know of Django's answer (headers, which keys work) it learns from Django: the first question with a key goes
the usual way, and so does everything out of the ordinary (another time, a fallback, an unknown customer, a wrong key, another
host). A question that was answered once is answered again from memory until the customer changes or the next instant at which
the answer itself would.
"""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple
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
LEARNED_FOR = 3600.0
LONGEST_QUESTION = 600
NEW_KEY = "causeway.api_key"
"""Where the view leaves the key that it accepted, in the request's environment."""

StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class Ready(NamedTuple):
    """An answer as it goes out; small, because there may be hundreds of thousands of them."""

    body: bytes
    etag: str
    cache_control: tuple[str, str]
    until: float


CONTENT_TYPE = ("Content-Type", "application/json")
CACHE_CONTROLS: dict[str, tuple[str, str]] = {}


class Front:
    """WSGI application around another one."""

    def __init__(self, application: Application, *, memory: Snapshot = snapshot, keys: KnownKeys | None = None) -> None:
        self.application = application
        self.memory, self.keys = memory, keys or KnownKeys()
        self.memory.listeners.append(self.keys.look)
        self.answers = memory.answers
        self.headers: list[tuple[str, str]] = []
        self.learned_until = 0.0
        self.hosts: set[str] = set()
        self.secure = bool(settings.SECURE_SSL_REDIRECT)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] not in (CHECK, LIST) or environ["REQUEST_METHOD"] != "GET":
            return self.application(environ, start_response)
        ready = self._from_memory(environ)
        if ready is None:
            return self._the_usual_way(environ, start_response)
        if ready.etag == environ.get("HTTP_IF_NONE_MATCH"):
            start_response("304 Not Modified", [("ETag", ready.etag), ready.cache_control, *self.headers])
            return [b""]
        length = ("Content-Length", str(len(ready.body)))
        start_response("200 OK", [CONTENT_TYPE, ("ETag", ready.etag), ready.cache_control, length, *self.headers])
        return [ready.body]

    # --- from memory ----------------------------------------------------------------------------------------------------------

    def _from_memory(self, environ: dict[str, Any]) -> Ready | None:
        """The answer, or None when Django must be asked."""
        memory = self.memory
        if memory.clock() > memory.trusted_until or not self.keys.allows(environ.get("HTTP_AUTHORIZATION", ""), SCOPE):
            return None
        if environ.get("HTTP_HOST") not in self.hosts or (self.secure and not _is_https(environ)):
            return None
        path = environ["PATH_INFO"]
        question = environ["QUERY_STRING"] if path == CHECK else LISTED + environ["QUERY_STRING"]
        ready = self.answers.get(question)
        if ready is not None and time.time() < ready.until:
            return ready
        if len(question) > LONGEST_QUESTION or time.time() > self.learned_until:
            return None
        try:
            return self._decide(path, question, environ["QUERY_STRING"])
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
        cache_control = CACHE_CONTROLS.setdefault(answer.cache_control, ("Cache-Control", answer.cache_control))
        ready = Ready(answer.body, answer.etag, cache_control, answer.until)
        if answer.until > now.timestamp():
            self.memory.remember(customer, access, question, ready)
        return ready

    # --- the usual way --------------------------------------------------------------------------------------------------------

    def _the_usual_way(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Ask Django; learn the key and the headers from an answer that it gave to a key."""

        def started(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            key = environ.get(NEW_KEY)
            if key is not None and status.startswith("200"):
                self._learn(environ, headers, key)
            return start_response(status, headers, *more)

        return self.application(environ, started)

    def _learn(self, environ: dict[str, Any], headers: list[tuple[str, str]], key: Any) -> None:
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
        self.learned_until = time.time() + LEARNED_FOR


def _is_https(environ: dict[str, Any]) -> bool:
    header = settings.SECURE_PROXY_SSL_HEADER
    if header:
        return environ.get(header[0]) == header[1]
    return environ.get("wsgi.url_scheme") == "https"
