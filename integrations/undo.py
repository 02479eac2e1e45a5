"""Ten seconds to take something back, instead of a question before it (reversible actions only).

A page that did something offers the inverse: what it needs stays in the person's session, the toast carries only a token, and
pressing Undo posts it. Domains make their inverse verbs known in `apps.py`. A token works once, and for some minutes rather
than ten seconds on the server: pages without script keep the toast, and networks are slow.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest

from integrations.access import Refusal

_KEY, TAG = "undo", "undo-"
LASTS = timedelta(minutes=5)
MOST = 10  # offers kept in one session

Row = TypeVar("Row", bound=Model)
Verb = Callable[..., str]
_verbs: dict[str, Verb] = {}


def register(name: str, verb: Verb) -> None:
    """Make an inverse verb known: `verb(data, user=, now=)` does it and says so in a sentence, or raises `Refusal`."""
    if _verbs.get(name, verb) is not verb:
        raise ValueError(f"Two inverse verbs are called {name}.")
    _verbs[name] = verb


def offer_undo(request: HttpRequest, text: str, *, verb: str, data: dict[str, Any], back: str, now: datetime) -> None:
    """Tell the person what was done, with Undo beside it. `data` (plain JSON) goes to `verb`; `back` is where Undo leads."""
    if verb not in _verbs:
        raise KeyError(f"No inverse verb is called {verb!r}; known: {', '.join(sorted(_verbs))}.")
    token = secrets.token_urlsafe(12)
    offers = [each for each in request.session.get(_KEY, []) if _is_fresh(each, now)][-(MOST - 1) :]
    offers.append({"token": token, "verb": verb, "data": data, "back": back, "at": now.isoformat()})
    request.session[_KEY] = offers
    messages.success(request, text, extra_tags=f"{TAG}{token}")


@dataclass(frozen=True)
class Undone:
    """What Undo did, and the page to go to."""

    sentence: str
    back: str


def undo(request: HttpRequest, token: str, *, now: datetime) -> Undone:
    """Take back what `token` stands for; it works once. Refusals: `undo_over`, and those of the inverse verb."""
    offers: list[dict[str, Any]] = request.session.get(_KEY, [])
    offer = next((each for each in offers if token and secrets.compare_digest(each["token"], token)), None)
    if offer is None or not _is_fresh(offer, now) or offer["verb"] not in _verbs:
        raise Refusal("undo_over", "It is too late to undo this here; the page itself shows what can still be done.")
    request.session[_KEY] = [each for each in offers if each is not offer]
    sentence = _verbs[offer["verb"]](offer["data"], user=request.user, now=now)
    return Undone(sentence, offer["back"])


def token_of(tags: str) -> str:
    """The token that a message carries in its tags; "" for messages without Undo."""
    return next((tag.removeprefix(TAG) for tag in tags.split() if tag.startswith(TAG)), "")


def kept_row(row: Model) -> dict[str, Any]:
    """Every stored field of a row as plain JSON, for a row that is about to be deleted."""
    kept: dict[str, Any] = {}
    for field in row._meta.concrete_fields:
        value = getattr(row, field.attname)
        kept[field.attname] = (
            value.isoformat() if isinstance(value, date) else str(value) if isinstance(value, Decimal) else value
        )
    return kept


def row_of(model: type[Row], kept: dict[str, Any]) -> Row:
    """The row as it was, not saved; fields that were added to the model meanwhile have their defaults."""
    fields = [field for field in model._meta.concrete_fields if field.attname in kept]
    return model(**{field.attname: field.to_python(kept[field.attname]) for field in fields})


def _is_fresh(offer: dict[str, Any], now: datetime) -> bool:
    return now - datetime.fromisoformat(offer["at"]) <= LASTS
