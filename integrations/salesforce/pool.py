"""Connection pools whose every exchange can be ended from outside when its overall deadline passes (I-09).

`requests` bounds the time to connect and the time between two bytes, not the whole: a peer that sends one header byte a minute
would hold a worker for ever. A timer closes the socket of such an exchange.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

_in_use = threading.local()


class _Noted:
    """Notes the connection that this thread is using, so that its timer can find the socket."""

    def request(self, *arguments: Any, **options: Any) -> None:
        _in_use.connection = self
        super().request(*arguments, **options)  # type: ignore[misc]


class _PlainConnection(_Noted, HTTPConnection):
    pass


class _TlsConnection(_Noted, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection  # type: ignore[assignment]


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection  # type: ignore[assignment]


POOLS = {"http": _PlainPool, "https": _TlsPool}


class _WatchedAdapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = POOLS
        return manager


class Watch:
    """Guards one exchange of one thread; `expired` tells that the deadline ended it."""

    def __init__(self) -> None:
        self.expired = False
        self._over = False
        self._lock = threading.Lock()
        self._in_use = _in_use.__dict__  # of the thread that makes the exchange
        self._in_use.pop("connection", None)

    def end(self) -> None:
        """Close the socket, unless the exchange is over and its connection may serve another."""
        with self._lock:
            sock = getattr(self._in_use.get("connection"), "sock", None)
            if self._over:
                return
            self.expired = True
            if sock is not None:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not the TLS layer's, which another thread is reading

    def leave(self) -> None:
        """The exchange is over."""
        with self._lock:
            self._over = True
            self._in_use.pop("connection", None)


@contextlib.contextmanager
def ended_after(seconds: float) -> Iterator[Watch]:
    """Close this thread's exchange when it lasts longer than `seconds`."""
    watch = Watch()
    timer = threading.Timer(seconds, watch.end)
    timer.daemon = True
    timer.start()
    try:
        yield watch
    finally:
        watch.leave()
        timer.cancel()


def new_session(*, client_name: str) -> requests.Session:
    """A session that keeps no cookies, reads no `.netrc` and never retries by itself.

    Proxies and extra certificate authorities come from the usual environment variables.
    """
    session = requests.Session()
    session.auth = _leave_as_is  # a .netrc entry would replace the Authorization header
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update({"User-Agent": client_name, "Accept": "application/json", "Accept-Encoding": "gzip"})
    for scheme in ("https://", "http://"):
        session.mount(scheme, _WatchedAdapter(pool_maxsize=16, max_retries=0))
    return session


def _leave_as_is(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    return prepared
