"""Variables in the texts of engagements, such as `{{user.name|there}}` or `{{account.attributes.renewal_date}}` (PX-03). Pure.

A variable is looked up in a table of facts, never evaluated (S-038). Values are put into the finished tree of nodes, so that a
customer's name can neither make a link nor close a tag.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from urllib.parse import quote

_VARIABLE = re.compile(r"\{\{\s*([A-Za-z0-9_.:-]{1,160})\s*(?:\|([^{}|\n]{0,120}))?\}\}")
_ROOTS = ("user", "account")
PLAIN = {
    "user": ("name", "first_name", "email", "external_id"),
    "account": ("name", "external_id", "website"),
}


class Missing(Exception):
    """A variable has neither a value for this person nor a text to stand in; its name is the message."""


def names_in(*texts: str) -> list[str]:
    """The variables used, each once, in order."""
    return list(dict.fromkeys(found[1] for text in texts for found in _VARIABLE.finditer(text)))


def unknown_in(texts: Iterable[str], *, attributes: Mapping[str, Iterable[str]], kpis: Iterable[str]) -> list[str]:
    """Variables that nobody could ever fill. `attributes` are the known keys under "user" and "account"."""
    known = {f"{root}.{name}" for root in _ROOTS for name in PLAIN[root]}
    known |= {f"{root}.attributes.{key}" for root in _ROOTS for key in attributes.get(root, ())}
    known |= {f"account.kpi.{key}" for key in kpis}
    return [name for name in names_in(*texts) if name not in known]


def fill(text: str, facts: Mapping[str, str | None]) -> str:
    """`text` with its variables replaced; raises `Missing` when one has neither value nor fallback."""
    return _VARIABLE.sub(lambda found: _value(found, facts), text)


def fill_address(address: str, facts: Mapping[str, str | None]) -> str:
    """The same for a link's address; values are percent-encoded, so that they stay one part of it."""
    return _VARIABLE.sub(lambda found: quote(_value(found, facts), safe=""), address)


def varies_before_path(address: str) -> bool:
    """Whether a variable could change the host or the scheme of an address."""
    head = address.split("{{", 1)[0]
    return "{{" in address and not re.match(r"(?:https?://[^/?#]+[/?#]|/(?!/|$)|mailto:)", head, re.IGNORECASE)


def _value(found: re.Match[str], facts: Mapping[str, str | None]) -> str:
    value = facts.get(found[1])
    if value:
        return value
    if found[2] is None:
        raise Missing(found[1])
    return found[2].strip()


def shown(value: object, kind: str = "STRING") -> str | None:
    """An attribute's stored value as people read it; None when there is none. `kind` is the product type (PX-26..PX-29)."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or kind == "BOOLEAN":
        return {"true": "yes", "false": "no"}.get(str(value).lower(), str(value))
    if kind == "NUMBER":
        return _number(value)
    if kind == "DATE_TIME":
        return _day(str(value))
    return str(value)


def _number(value: object) -> str:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return str(value)
    text = f"{number:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _day(value: str) -> str:
    """An instant in UTC; midnight is a date (PX-D10)."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    moment = moment.astimezone(UTC) if moment.tzinfo else moment
    day = f"{moment.day} {moment:%B %Y}"
    return day if (moment.hour, moment.minute, moment.second) == (0, 0, 0) else f"{day}, {moment:%H:%M} UTC"


def replace_all(text: str, value: str) -> str:
    """`text` with every variable replaced by the same value."""
    return _VARIABLE.sub(value, text)


def leftovers(text: str) -> bool:
    """Whether a brace pair is left that is no variable: somebody mistyped one."""
    rest = replace_all(text, "")
    return "{{" in rest or "}}" in rest
