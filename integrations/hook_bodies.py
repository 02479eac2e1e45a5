"""What an alert hook is sent: body and signature. Pure: no ORM, no clock, no network."""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

RAISED, RECOVERED, TEST = "alert.raised", "alert.recovered", "alert.test"
REMINDER, ESCALATED, DIGEST = "alert.reminder", "alert.escalated", "alert.digest"
WEBHOOK, CHAT, EMAIL = "webhook", "chat", "email"
LISTED = 20
SIGNATURE, TIMESTAMP, DELIVERY, EVENT = "Causeway-Signature", "Causeway-Timestamp", "Causeway-Delivery", "Causeway-Event"
LONGEST_CHAT = 3_000  # characters; chat services cut or refuse longer ones
HEADINGS = {
    RAISED: "Needs you", RECOVERED: "Solved", TEST: "Test", REMINDER: "Still open", ESCALATED: "Nobody has answered",
    DIGEST: "Needs you",
}  # fmt: skip


def body_of(kind: str, event: str, facts: Mapping[str, Any]) -> str:
    """The JSON text for one kind of channel; for an e-mail group subject and text.

    `facts`: title, body, url (absolute), severity, code, key, connection, since, at (ISO 8601, UTC), note.
    """
    return _json(MAKERS[kind](event, facts) if kind in MAKERS else {"event": event, **facts})


def digest_of(kind: str, alerts: Sequence[Mapping[str, Any]], *, at: str) -> str:
    """The same for several alerts in one message; each of `alerts` has an `event` besides its facts."""
    if kind not in MAKERS:
        return _json({"event": DIGEST, "at": at, "alerts": [dict(each) for each in alerts]})
    lines = [f"{HEADINGS.get(str(each['event']), 'Alert')}: {each.get('title')}" for each in alerts[:LISTED]]
    lines += [f"And {len(alerts) - LISTED} more."] if len(alerts) > LISTED else []
    page = str(alerts[0].get("page") or alerts[0].get("url") or "")
    return _json(MAKERS[kind](DIGEST, {"title": f"{len(alerts)} alerts", "body": "\n".join(lines), "url": page}))


def chat_text(event: str, facts: Mapping[str, Any]) -> str:
    """Plain text that chat services show alike. Names from outside cannot mention people or hide links."""
    return _text(event, facts, _plain)


def _text(event: str, facts: Mapping[str, Any], clean: Callable[[object], str]) -> str:
    lines = [f"{HEADINGS.get(event, 'Alert')}: {clean(facts.get('title'))}"]
    lines += [clean(facts.get(name)) for name in ("note" if event == RECOVERED else "body",) if facts.get(name)]
    lines += [str(facts["url"])] if facts.get("url") else []
    return _short("\n".join(lines))


def _of_chat(event: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {"text": chat_text(event, facts)}


def _of_slack(event: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Text for notifications, and a section with a bold heading and a link; &, < and > are escaped as Slack asks."""
    heading = f"*{HEADINGS.get(event, 'Alert')}:* {_plain(facts.get('title'))}"
    rest = _plain(facts.get("note" if event == RECOVERED else "body"))
    url = str(facts.get("url") or "")
    parts = [_short(heading), _short(rest), f"<{url}|Open in Causeway>" if url and not set(url) & set("<>|") else ""]
    sections = [{"type": "section", "text": {"type": "mrkdwn", "text": each}} for each in parts if each]
    return {"text": chat_text(event, facts), "blocks": sections}


def _of_teams(event: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """An adaptive card in a message, as the workflow “When a Teams webhook request is received” takes it."""
    tone = "good" if event == RECOVERED else "attention" if facts.get("severity") == "action" else "warning"
    title = _short(f"{HEADINGS.get(event, 'Alert')}: {_no_markdown(facts.get('title'))}")
    rest = _short(_no_markdown(facts.get("note" if event == RECOVERED else "body")).replace("\n", "\n\n"))
    body: list[dict[str, Any]] = [{"type": "TextBlock", "text": title, "weight": "bolder", "color": tone, "wrap": True}]
    body += [{"type": "TextBlock", "text": rest, "wrap": True}] if rest else []
    named = [("Connection", facts.get("connection")), ("Since", facts.get("since"))]
    told = [{"title": name, "value": _no_markdown(value)} for name, value in named if value]
    body += [{"type": "FactSet", "facts": told}] if told else []
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.2", "body": body,
    }  # fmt: skip
    if facts.get("url"):
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open in Causeway", "url": str(facts["url"])}]
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "contentUrl": None, "content": card}]}


def _of_mattermost(event: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Markdown that holds none of its own: neither links nor mentions come from names."""
    return {"text": _text(event, facts, _no_markdown)}


def _of_google(event: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Text; `<users/all>` and `<address|words>` are made harmless, because Google Chat knows no escapes."""
    return {"text": _text(event, facts, lambda text: str(text or "").replace("<", "‹").replace(">", "›").strip())}


def _of_email(event: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    heading = {RECOVERED: "Solved: ", REMINDER: "Still open: ", ESCALATED: "Nobody has answered: "}.get(event, "")
    rest = facts.get("note" if event == RECOVERED else "body")
    text = "\n\n".join(str(each) for each in (rest, facts.get("url")) if each)
    return {"subject": " ".join(f"[Causeway] {heading}{facts.get('title')}".split()), "text": text}


MAKERS: dict[str, Callable[[str, Mapping[str, Any]], dict[str, Any]]] = {
    CHAT: _of_chat, "slack": _of_slack, "teams": _of_teams, "mattermost": _of_mattermost, "google": _of_google,
    EMAIL: _of_email,
}  # fmt: skip


def _json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, sort_keys=True)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_CHAT else text[: LONGEST_CHAT - 1] + "…"


def _no_markdown(text: object) -> str:
    """Text in which nothing is formatted, linked or mentioned."""
    plain = re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", _plain(text))
    return re.sub(r"@(?=\w)", "@\u200b", plain)


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
