"""Calls to addresses that an admin typed (alert hooks): only to public hosts over TLS, checked when saved and when connecting.

The name is resolved by us and the connection is made to exactly the address that was checked, so a name that answers
differently the second time (DNS rebinding) gains nothing. Redirects are not followed, no proxy, cookie or `.netrc` is used, and
the whole call ends at its deadline. Only `ALERT_HOOK_INTERNAL_ORIGINS` (a setting, never a form) opens an inner origin (S-025).
"""

import contextlib
import http.client
import ipaddress
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import certifi

from integrations.salesforce.hosts import LONGEST_TEXT, HostRefused, origin_of

DEADLINE = 5.0  # seconds for name, connection and answer together
PORTS = frozenset((443, 8443))
INNER_SUFFIXES = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "arpa", "test", "invalid", "onion")
# Not public either, whatever the standard library of this Python says.
RESERVED = [
    ipaddress.ip_network(text)
    for text in ("192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "100::/64", "5f00::/16", "fec0::/10")
]
NAT64 = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class TargetRefused(ValueError):
    """An address that is not called; the sentence says why and repeats at most the host."""


class CallFailed(Exception):
    """No answer came; the sentence names the host only, because the path of a chat hook is a password."""


@dataclass(frozen=True)
class Reply:
    """What came back; `body` is cut to nothing where the answer is not wanted."""

    status: int
    body: bytes = b""


@dataclass(frozen=True)
class Target:
    """A checked address. `path` holds the query too; `is_inner`: named by the setting, so private addresses are right."""

    scheme: str
    host: str
    port: int
    path: str
    is_inner: bool = False


def check_target(url: str, *, inner_origins: Collection[str] = ()) -> Target:
    """The parts of `url` when it may be called at all; `TargetRefused` with a reason otherwise. Pure: no name is looked up."""
    text = url.strip() if isinstance(url, str) else ""
    try:
        origin = origin_of(text)
    except HostRefused:
        raise TargetRefused("Enter a plain web address such as https://hooks.example.com/abc.") from None
    parts = urlsplit(text)
    if not re.match(r"https?://", text, re.IGNORECASE) or parts.fragment or "#" in text or len(text) > LONGEST_TEXT:
        raise TargetRefused("Enter a whole web address that begins with https:// and has no “#”.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    place = urlsplit(origin)
    host, port = place.hostname or "", place.port or (443 if place.scheme == "https" else 80)
    if origin in _origins(inner_origins):
        return Target(place.scheme, host, port, path, is_inner=True)
    _check_public(place.scheme, host, port)
    return Target(place.scheme, host, port, path)


def check_addresses(target: Target, addresses: Collection[str]) -> str:
    """The address to connect to, when every one that the name has is public; `TargetRefused` otherwise."""
    if not addresses:
        raise CallFailed(f"{target.host} has no address.")
    if not target.is_inner and not all(is_public(each) for each in addresses):
        raise TargetRefused(f"{target.host} leads into a private network, which is not called.")
    return next(iter(addresses))


def is_public(text: str) -> bool:
    """Whether an IP address belongs to the public Internet; addresses that carry another one inside are as good as that one."""
    try:
        address: Address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if any(address.version == network.version and address in network for network in RESERVED):
        return False
    if not all(is_public(str(each)) for each in _inside(address)):
        return False
    return address.is_global and not address.is_multicast


def addresses_of(target: Target, *, seconds: float = DEADLINE) -> list[str]:
    """Every address of the host, looked up within `seconds`; `CallFailed` when there is none in time."""
    answer: queue.SimpleQueue[list[str]] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
            answer.put(list(dict.fromkeys(str(each[4][0]) for each in found)))
        except (OSError, UnicodeError):  # a label that IDNA does not know is no OSError
            answer.put([])

    threading.Thread(target=look_up, name="look-up", daemon=True).start()  # getaddrinfo itself knows no deadline
    try:
        return answer.get(timeout=max(0.01, seconds))
    except queue.Empty:
        raise CallFailed(f"The name {target.host} was not found in time.") from None


def post(target: Target, *, body: bytes, headers: Mapping[str, str], seconds: float = DEADLINE) -> int:
    """POST `body`; gives the HTTP status, whatever it is. `TargetRefused` or `CallFailed` when there is none."""
    return ask(target, method="POST", body=body, headers=headers, seconds=seconds, largest=0).status


def ask(
    target: Target, *, method: str, body: bytes | None, headers: Mapping[str, str], seconds: float = DEADLINE, largest: int
) -> Reply:
    """Any request; status and body, of which at most `largest` bytes are taken (0: none is read).

    `TargetRefused` or `CallFailed` when there is no answer, or when it is larger.
    """
    ends = time.monotonic() + seconds
    address = check_addresses(target, addresses_of(target, seconds=seconds))
    try:
        with contextlib.closing(_connect(target, address, ends)) as sock, _ended_at(ends, sock):
            return _ask(target, sock, method, body, headers, largest)
    except (OSError, http.client.HTTPException) as error:
        raise CallFailed(_words(target, error, timed_out=time.monotonic() >= ends)) from None


def _connect(target: Target, address: str, ends: float) -> socket.socket:
    """A connection to exactly `address`; the certificate must be the host's."""
    sock = socket.create_connection((address, target.port), timeout=_left(ends))
    if target.scheme != "https":
        return sock
    try:
        sock.settimeout(_left(ends))
        return ssl.create_default_context(cafile=certifi.where()).wrap_socket(sock, server_hostname=target.host)
    except BaseException:
        sock.close()
        raise


def _ask(
    target: Target, sock: socket.socket, method: str, body: bytes | None, headers: Mapping[str, str], largest: int
) -> Reply:
    """One request on an open connection."""
    usual = target.port == (443 if target.scheme == "https" else 80)
    connection = http.client.HTTPConnection(target.host, target.port)
    connection.sock = sock
    host = target.host if usual else f"{target.host}:{target.port}"
    connection.request(method, target.path, body=body, headers={**headers, "Host": host, "Connection": "close"})
    answer = connection.getresponse()
    if not largest:
        return Reply(answer.status)
    taken = answer.read(largest + 1)
    if len(taken) > largest:
        raise CallFailed(f"The answer of {target.host} is larger than {largest:,} bytes.")
    return Reply(answer.status, taken)


@contextlib.contextmanager
def _ended_at(ends: float, sock: socket.socket) -> Iterator[None]:
    """A time-out bounds the wait between two bytes only: this one ends an exchange that trickles."""

    def end() -> None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not the TLS layer's, which another thread is reading

    timer = threading.Timer(_left(ends), end)
    timer.daemon = True
    timer.start()
    try:
        sock.settimeout(_left(ends))
        yield
    finally:
        timer.cancel()


def _left(ends: float) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _words(target: Target, error: Exception, *, timed_out: bool) -> str:
    if timed_out or isinstance(error, TimeoutError):
        return f"{target.host} did not answer in time."
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The certificate of {target.host} was refused."
    return f"The connection to {target.host} failed."


def _check_public(scheme: str, host: str, port: int) -> None:
    labels = host.split(".")
    if scheme != "https":
        raise TargetRefused("The address must begin with https://.")
    if port not in PORTS:
        raise TargetRefused(f"Port {port} is not used for hooks; use 443 or 8443.")
    if len(labels) < 2 or not re.search("[a-z]", labels[-1]) or re.fullmatch(r"0x[0-9a-f]*", labels[-1]):
        raise TargetRefused("Name a host such as hooks.example.com, not an address or a machine of the inner network.")
    if labels[-1] in INNER_SUFFIXES:
        raise TargetRefused(f"“.{labels[-1]}” names belong to inner networks, which are not called.")


def _inside(address: Address) -> list[Address]:
    """IPv4 addresses that an IPv6 address only wraps: mapped, 6to4, Teredo (server and client), NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found: list[Address | None] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in NAT64:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in found if each is not None]


def _origins(given: Collection[str]) -> set[str]:
    found = set()
    for each in given:
        try:
            found.add(origin_of(each))
        except HostRefused:
            continue  # a setting that is no origin opens nothing
    return found
