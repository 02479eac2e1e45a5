"""Signed calls of an org: made by who has the key, not long ago, unchanged on the way, each once (S-080, S-081). Pure.

A flow's callout and an outbound message cannot sign, so they present the key itself. Apex code and middleware can: they send
the key's first 12 characters, the time, an id of their own and an HMAC-SHA256 with the key over all of it and the raw body.
The key itself then never travels.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

SIGNATURE, TIMESTAMP, DELIVERY, KEY = "Causeway-Signature", "Causeway-Timestamp", "Causeway-Delivery", "Causeway-Key"
VERSION, SKEW, LONGEST_ID = "v1", 300, 80
"""`SKEW`: seconds that a call's time may lie before or after ours."""
FROM_ANYBODY = ("no_delivery", "bad_timestamp", "bad_signature")
"""Doubts about calls that anybody may have made; a stale one was signed with the key."""


@dataclass(frozen=True)
class Signed:
    """What a signed call says of itself; texts as they came."""

    key: str
    timestamp: str
    delivery: str
    signature: str


@dataclass(frozen=True)
class Doubt:
    """Why a signed call is not believed."""

    code: str
    message: str


def read(headers: Mapping[str, str]) -> Signed | None:
    """The signature's headers; None when the call has none of them. One that is missing or empty is an empty text."""
    if not any(name in headers for name in (SIGNATURE, TIMESTAMP, KEY)):
        return None
    values = (headers.get(name, "").strip() for name in (KEY, TIMESTAMP, DELIVERY, SIGNATURE))
    return Signed(*values)


def doubt_of(signed: Signed, body: bytes, *, keys: Iterable[str], now: datetime) -> Doubt | None:
    """What stands against a signed call; None when it is genuine. `keys` are those that its sender may have signed with."""
    if not 1 <= len(signed.delivery) <= LONGEST_ID or not signed.delivery.isascii() or not signed.delivery.isprintable():
        return Doubt("no_delivery", f"Give each call an id of its own in {DELIVERY}: 1 to {LONGEST_ID} plain characters.")
    if not signed.timestamp.isascii() or not signed.timestamp.isdecimal() or len(signed.timestamp) > 12:
        return Doubt("bad_timestamp", f"{TIMESTAMP} is the time of sending in whole seconds since 1970 (UTC).")
    fits = False
    for key in keys:  # all of them, in constant time each
        wanted = sign(key, timestamp=signed.timestamp, delivery=signed.delivery, body=body)
        fits |= hmac.compare_digest(wanted.encode(), signed.signature.encode("utf-8", "replace"))
    if not fits:
        return Doubt("bad_signature", f"{SIGNATURE} does not fit the key, {TIMESTAMP}, {DELIVERY} and the body as it was sent.")
    away = now.timestamp() - int(signed.timestamp)
    if abs(away) > SKEW:
        where = "old" if away > 0 else "ahead of our clock"
        return Doubt(
            "stale", f"The call is {abs(int(away)):,} seconds {where}; at most {SKEW} are accepted. Sign each try anew."
        )
    return None


def sign(key: str, *, timestamp: str | int, delivery: str, body: bytes) -> str:
    """`v1=` and the HMAC-SHA256 in hex over timestamp, full stop, id, full stop and the raw body."""
    text = f"{timestamp}.{delivery}.".encode() + body
    return f"{VERSION}={hmac.new(key.encode(), text, hashlib.sha256).hexdigest()}"
