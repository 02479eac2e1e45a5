"""What an alert hook is sent: body and signature. Pure: no ORM, no clock, no network."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

RAISED, RECOVERED, TEST = "alert.raised", "alert.recovered", "alert.test"
WEBHOOK, CHAT = "webhook", "chat"
SIGNATURE, TIMESTAMP, DELIVERY, EVENT = "Causeway-Signature", "Causeway-Timestamp", "Causeway-Delivery", "Causeway-Event"
LONGEST_CHAT = 3_000  # characters; chat services cut or refuse longer ones
HEADINGS = {RAISED: "Needs you", RECOVERED: "Solved", TEST: "Test"}


def body_of(kind: str, event: str, facts: Mapping[str, Any]) -> str:
    """The JSON text for one kind of channel.

    `facts`: title, body, url (absolute), severity, code, key, connection, since, at (ISO 8601, UTC), note.
    """
    data = {"text": chat_text(event, facts)} if kind == CHAT else {"event": event, **facts}
    return json.dumps(data, ensure_ascii=False, sort_keys=True)


def chat_text(event: str, facts: Mapping[str, Any]) -> str:
    """Plain text that Slack, Teams and Mattermost show alike. Names from outside cannot mention people or hide links."""
    lines = [f"{HEADINGS.get(event, 'Alert')}: {_plain(facts.get('title'))}"]
    lines += [_plain(facts.get(name)) for name in ("note" if event == RECOVERED else "body",) if facts.get(name)]
    lines += [str(facts["url"])] if facts.get("url") else []
    text = "\n".join(lines)
    return text if len(text) <= LONGEST_CHAT else text[: LONGEST_CHAT - 1] + "…"


def signature_of(secret: str, *, timestamp: int, body: bytes) -> str:
    """`v1=` and the HMAC-SHA256, in hex, over the timestamp (decimal Unix seconds), a full stop and the body."""
    signed = str(timestamp).encode() + b"." + body
    return f"v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def headers_of(*, event: str, delivery: str, timestamp: int, body: bytes, secret: str) -> dict[str, str]:
    """Headers of one attempt; signed only when the channel has a secret."""
    headers = {
        "Content-Type": "application/json; charset=utf-8", "User-Agent": "causeway", "Accept": "*/*",
        EVENT: event, DELIVERY: delivery, TIMESTAMP: str(timestamp),
    }  # fmt: skip
    if secret:
        headers[SIGNATURE] = signature_of(secret, timestamp=timestamp, body=body)
    return headers


def _plain(text: object) -> str:
    """Without markup: chat services read &, < and > as such, and `<!channel>` would call everybody."""
    return str(text or "").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").strip()
