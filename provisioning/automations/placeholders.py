"""Templates of requests: data only, no code. `{{ account.Name }}` stands for a value and nothing else (ST-35). Pure.

Inside quotes of a JSON text a value is escaped, outside of quotes it stands as JSON; in an address it is percent-encoded.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z][A-Za-z0-9_.]{0,254})\s*\}\}")
BRACES = re.compile(r"\{\{|\}\}")
FIELDS = {"opportunity.": "", "account.": "Account."}
CATALOGUE: tuple[tuple[str, str], ...] = (
    ("idempotency_key", "The same for each try of one deal; send it so that your side creates nothing twice"),
    ("kind", "won, trial, amendment or renewal"),
    ("org.id", "Id of the Salesforce org"),
    ("opportunity.Id", "Id of the opportunity; any other field of it by its API name, such as opportunity.Amount"),
    ("opportunity.Name", "Name of the opportunity"),
    ("account.Id", "Id of the account; any other field of it by its API name, such as account.Website"),
    ("account.Name", "Name of the account"),
    ("customer.id", "Id of the customer as it is known before the request, maybe empty"),
    ("customer.name", "Name of the customer"),
    ("subscription.product", "Product of the first subscription"),
    ("subscription.plan", "Its plan"),
    ("subscription.seats", "Its seats; null without"),
    ("subscription.action", "start, convert, amend, renew or cancel"),
    ("subscription.id", "Id of the subscription that it changes; empty for a new one"),
    ("subscription.starts_at", "When it takes effect (UTC)"),
    ("subscription.ends_at", "When it ends (UTC); null when open"),
    ("subscription.trial_ends_at", "When its trial ends (UTC); null without"),
    ("subscriptions", "All of them as a JSON list, with plan, seats, add-ons and limits (write it without quotes)"),
    ("lines", "The deal's lines as a JSON list (write it without quotes)"),
)
NAMES = frozenset(name for name, _ in CATALOGUE)


class TemplateWrong(ValueError):
    """A template that cannot be used; the sentence says where and what helps."""


def names_in(text: str) -> list[str]:
    """The placeholders of a text, in order."""
    return [match[1] for match in PLACEHOLDER.finditer(text)]


def fields_in(callout: Mapping[str, Any] | None) -> list[str]:
    """The Salesforce fields that a request asks for: `Amount`, `Account.Website`."""
    given = callout if isinstance(callout, Mapping) else {}
    headers = given.get("headers") or []
    texts = [given.get("url"), given.get("body"), *(each.get("value") for each in headers if isinstance(each, Mapping))]
    names = dict.fromkeys(name for text in texts if isinstance(text, str) for name in names_in(text))
    return [field for name in names if (field := field_of(name))]


def field_of(name: str) -> str:
    """The Salesforce field that a placeholder stands for, "" when it is none."""
    for prefix, path in FIELDS.items():
        rest = name.removeprefix(prefix)
        if name.startswith(prefix) and rest and "." not in rest:
            return path + rest
    return ""


def problem_of_names(text: str) -> str:
    """Why the placeholders of a text cannot be used, "" when they can."""
    left = PLACEHOLDER.sub("", text)
    if BRACES.search(left):
        return "has braces that make no placeholder; write {{ account.Name }}"
    unknown = next((name for name in names_in(text) if name not in NAMES and not field_of(name)), "")
    return f"has the unknown placeholder {unknown}" if unknown else ""


def fill_json(text: str, values: Mapping[str, Any]) -> str:
    """The JSON text with its values. Raises `TemplateWrong` when the outcome is no JSON."""
    parts: list[str] = []
    for piece, name, quoted in _pieces(text):
        parts.append(piece)
        if name:
            parts.append(_escaped(values.get(name)) if quoted else _as_json(values.get(name)))
    filled = "".join(parts)
    try:
        json.loads(filled, parse_constant=_refuse)
    except ValueError as error:
        raise TemplateWrong(
            f"The body is no JSON: {error}. A placeholder for a list or number stands without quotes."
        ) from None
    return filled


def fill_address(text: str, values: Mapping[str, Any]) -> str:
    """The address with percent-encoded values; none can leave its place in the path or query."""
    return _fill(text, lambda name: _in_address(name, values.get(name)))


def fill_header(text: str, values: Mapping[str, Any]) -> str:
    """A header value; control characters and what is not ASCII become blanks and question marks."""
    filled = _fill(text, lambda name: as_text(values.get(name)))
    return re.sub(r"[\x00-\x1f\x7f]+", " ", filled).encode("ascii", "replace").decode().strip()


def as_text(value: Any) -> str:
    """A value inside of a text: nothing for null, JSON for lists."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return _as_json(value).strip('"')


def _fill(text: str, give: Callable[[str], str]) -> str:
    return PLACEHOLDER.sub(lambda match: give(match[1]), text)


def _in_address(name: str, value: Any) -> str:
    text = as_text(value)
    if text in (".", ".."):  # a segment that would lead elsewhere
        raise TemplateWrong(f"The value of {name} cannot stand in an address.")
    return quote(text, safe="", errors="replace")


def _pieces(text: str) -> Iterator[tuple[str, str, bool]]:
    """(text before, placeholder, whether it stands inside of a JSON string), and the rest with an empty placeholder."""
    inside, start = False, 0
    for match in PLACEHOLDER.finditer(text):
        piece = text[start : match.start()]
        inside = _ends_inside(piece, inside)
        yield piece, match[1], inside
        start = match.end()
    yield text[start:], "", False


def _ends_inside(piece: str, inside: bool) -> bool:
    """Whether a JSON string is open at the end of `piece`."""
    escaped = False
    for sign in piece:
        if escaped:
            escaped = False
        elif inside and sign == "\\":
            escaped = True
        elif sign == '"':
            inside = not inside
    return inside


def _escaped(value: Any) -> str:
    return json.dumps(as_text(value))[1:-1]


def _as_json(value: Any) -> str:
    return json.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Iterable):
        return list(value)
    return str(value)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
