"""One incoming event to a checked one, or to the field that is wrong. Pure, and one pass: no serializer per event (L-09).

Nothing is guessed and nothing is cut: a value that does not fit refuses its event with field and fix; the others stay.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from integrations.salesforce.values import read_moment
from integrations.sync.matching.incoming import (
    ATTRIBUTE_KEY,
    KEY_SHAPE,
    LONGEST_TEXT,
    PLACES,
    TEXT_LENGTHS,
    WHOLE_PLACES,
    text_problem,
)

TYPES = ("track", "page", "identify", "group", "nps", "engagement")
FIELDS = frozenset(("id", "type", "event", "user", "account", "at", "properties", "traits", "automatic", "signature"))
ACTIONS = ("shown", "clicked", "dismissed", "answered")
ID_LENGTH, NAME_LENGTH, KEY_LENGTH = 100, 200, 255
PROPERTY_KEYS, PROPERTY_NAME, PROPERTIES_LENGTH = 100, 100, 16_384  # the last in characters of JSON
TRAITS, COMMENT_LENGTH = 100, 4_000
AHEAD = timedelta(minutes=5)  # a clock may be that wrong (analytics-methods, section 1)
DEFAULT_SURVEY = "nps"
LARGEST = 10**WHOLE_PLACES
PLAIN = re.compile(r"[ -~]*\Z", re.ASCII)
NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
FUTURE, TOO_OLD = "future", "too_old"


class Checked(NamedTuple):
    """An event as the buffer holds it. `at` is milliseconds since 1970, `properties` a JSON text, `reason` why it goes into
    quarantine (empty: it does not)."""

    id: str
    type: str
    name: str
    user: str
    account: str
    at: int
    automatic: bool
    properties: str
    traits: dict[str, Any] | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that is not taken: its place in the request, the field, a stable code and a sentence with the fix."""

    index: int
    field: str
    code: str
    message: str


class Refused(Exception):
    """What is wrong with one event."""

    def __init__(self, field: str, code: str, message: str) -> None:
        super().__init__(message)
        self.field, self.code, self.message = field, code, message


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds for a whole request. `skew` is added to the sender's times when its clock is wrong."""

    now: datetime
    oldest: date
    skew: timedelta = timedelta(0)
    may_send: Callable[[str, str, str], bool] | None = None  # user, account, signature


def check_events(raw: Iterable[object], limits: Limits) -> tuple[list[Checked], list[Rejection]]:
    """The good ones in their order, and what is wrong with the others."""
    good: list[Checked] = []
    bad: list[Rejection] = []
    for index, each in enumerate(raw):
        try:
            good.append(check_event(each, limits))
        except Refused as refused:
            bad.append(Rejection(index, refused.field, refused.code, refused.message))
    return good, bad


def check_event(raw: object, limits: Limits) -> Checked:
    """One event; raises `Refused`."""
    if not isinstance(raw, dict):
        raise Refused("event", "not_an_object", "An event is an object with id, type and user.")
    if not FIELDS.issuperset(raw):
        name = next(str(name) for name in raw if name not in FIELDS)[:80]
        raise Refused(name, "unknown_field", f"Unknown field. Known: {', '.join(sorted(FIELDS))}.")
    kind = raw.get("type", "track")
    if kind not in TYPES:
        raise Refused("type", "invalid", f"Must be one of {', '.join(TYPES)}.")
    event_id = _key(raw, "id", ID_LENGTH, "Is required: send the same id with each repeat, so that it counts once.")
    user, account = _key(raw, "user", KEY_LENGTH), _key(raw, "account", KEY_LENGTH)
    _check_whom(kind, user, account)
    if limits.may_send is not None and not limits.may_send(user, account, _text(raw, "signature", 200)):
        raise Refused("signature", "invalid", "This key needs the user's signature; see the page on events.")
    at, reason = _moment(raw.get("at"), limits)
    given = _properties(raw.get("properties"))
    name = _name(kind, raw, given)
    automatic = kind in ("identify", "group") or _flag(raw)
    if kind == "nps":
        given = _answer(given)
    elif kind == "engagement":
        automatic = _check_engagement(given) == "shown" or automatic
    traits = _traits(kind, raw.get("traits"))
    return Checked(event_id, kind, name, user, account, at, automatic, _dump(given), traits, reason)


def moment_of(milliseconds: int) -> datetime:
    """The UTC instant of a checked event's `at`."""
    return datetime.fromtimestamp(milliseconds // 1000, UTC) + timedelta(milliseconds=milliseconds % 1000)


def milliseconds_of(moment: datetime) -> int:
    """Whole milliseconds since 1970, cut like the lake cuts them."""
    return (moment - EPOCH) // MILLISECOND


EPOCH, MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)


def _check_whom(kind: str, user: str, account: str) -> None:
    if kind == "group":
        if not account:
            raise Refused("account", "required", "Is required: the product's own id of the customer.")
    elif not user and (kind != "track" or not account):
        raise Refused("user", "required", "Is required: the product's own id of the end user.")


def _key(raw: dict[str, Any], field: str, longest: int, needed: str = "") -> str:
    value = raw.get(field)
    if value.__class__ is int:
        value = str(value)
    if value is None or value == "":
        if needed:
            raise Refused(field, "required", needed)
        return ""
    text = _checked_text(field, value, longest)
    if not text:
        raise Refused(field, "blank", "Must not be blank.")
    return text


def _text(raw: dict[str, Any], field: str, longest: int) -> str:
    value = raw.get(field)
    return "" if value is None else _checked_text(field, value, longest)


def _checked_text(field: str, value: object, longest: int) -> str:
    if not isinstance(value, str):
        raise Refused(field, "not_text", "Must be a text.")
    text = value.strip()
    if len(text) > longest or not PLAIN.match(text):
        problem = text_problem(text, longest)
        if problem:
            raise Refused(field, "too_long" if len(text) > longest else "invalid", problem)
    return text


def _flag(raw: dict[str, Any]) -> bool:
    value = raw.get("automatic", False)
    if not isinstance(value, bool):
        raise Refused("automatic", "invalid", "Must be true or false.")
    return value


def _moment(value: object, limits: Limits) -> tuple[int, str]:
    """Milliseconds, and why such a time cannot be true (R-239)."""
    if value is None:
        return milliseconds_of(limits.now), ""
    try:
        moment = read_moment(value if isinstance(value, str) else "") + limits.skew
    except (ValueError, OverflowError):
        raise Refused("at", "invalid", "Must be an instant with a time zone, such as 2027-01-31T08:00:00Z.") from None
    if moment > limits.now + AHEAD:
        return milliseconds_of(moment), FUTURE
    return milliseconds_of(moment), TOO_OLD if moment.date() < limits.oldest else ""


def _name(kind: str, raw: dict[str, Any], given: dict[str, Any]) -> str:
    name = _text(raw, "event", NAME_LENGTH)
    if kind == "track" and not name:
        raise Refused("event", "required", "Is required: what happened, such as Report exported.")
    return name if kind in ("track", "page") and name else kind


def _properties(given: object) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise Refused("properties", "not_an_object", "Must be an object.")
    if len(given) > PROPERTY_KEYS:
        raise Refused("properties", "too_many", f"Has {len(given)} names; at most {PROPERTY_KEYS}.")
    for name in given:
        if len(name) > PROPERTY_NAME:
            raise Refused(f"properties.{name[:40]}", "too_long", f"A name has at most {PROPERTY_NAME} characters.")
    return given


def _dump(given: dict[str, Any]) -> str:
    if not given:
        return "{}"
    try:
        text = json.dumps(given, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        text.encode()
    except (ValueError, RecursionError):  # Infinity, half of a character, nested without end
        raise Refused(
            "properties", "invalid", "Holds what cannot be stored: text, finite numbers, true and false can."
        ) from None
    if len(text) > PROPERTIES_LENGTH:
        longest = max(given, key=lambda name: len(json.dumps(given[name])))
        size = f"All properties together have {len(text):,} characters of JSON; at most {PROPERTIES_LENGTH:,}."
        raise Refused(f"properties.{longest}", "too_long", f"{size} This one is the longest.")
    if "\\u0000" in text and NUL.search(text):
        raise Refused("properties", "invalid", "Must not contain the character NUL.")
    return text


def _answer(given: dict[str, Any]) -> dict[str, Any]:
    """An NPS answer: rejected, not clamped, when it is out of range or no whole number (analytics-methods, section 3)."""
    score = given.get("score")
    if isinstance(score, float) and score.is_integer():
        score = int(score)
    if not isinstance(score, int) or isinstance(score, bool) or not 0 <= score <= 10:
        raise Refused("properties.score", "invalid", "Must be a whole number from 0 to 10.")
    survey, comment = given.get("survey"), given.get("comment")
    if survey.__class__ is int:
        survey = str(survey)
    survey = _checked_text("properties.survey", DEFAULT_SURVEY if survey in (None, "") else survey, ID_LENGTH)
    comment = _checked_text("properties.comment", "" if comment is None else comment, COMMENT_LENGTH)
    return {**given, "score": score, "survey": survey or DEFAULT_SURVEY, "comment": comment}


def _check_engagement(given: dict[str, Any]) -> str:
    engagement = given.get("engagement")
    if engagement.__class__ is int:
        engagement = given["engagement"] = str(engagement)
    if engagement is None or not _checked_text("properties.engagement", engagement, ID_LENGTH):
        raise Refused("properties.engagement", "required", "Is required: the id of the engagement.")
    if given.get("action") not in ACTIONS:
        raise Refused("properties.action", "invalid", f"Must be one of {', '.join(ACTIONS)}.")
    return given["action"]


def _traits(kind: str, given: object) -> dict[str, Any] | None:
    """Traits by name: columns of the record and attributes; a null or empty one clears (R-077)."""
    if given is None:
        return None
    if kind not in ("identify", "group"):
        raise Refused("traits", "misplaced", "Only identify and group carry traits; others carry properties.")
    if not isinstance(given, dict):
        raise Refused("traits", "not_an_object", "Must be an object.")
    if len(given) > TRAITS:
        raise Refused("traits", "too_many", f"Has {len(given)} names; at most {TRAITS}.")
    columns = TEXT_LENGTHS["customer" if kind == "group" else "end_user"]
    return {name: _trait(name, value, columns) for name, value in given.items()}


def _trait(name: str, value: object, columns: Mapping[str, int]) -> object:
    field = f"traits.{name[:80]}"
    if value is None:
        return None
    if name in columns:
        return _checked_text(field, value, columns[name])
    if not ATTRIBUTE_KEY.match(name):
        raise Refused(field, "invalid", KEY_SHAPE)
    if isinstance(value, str):
        return _checked_text(field, value, LONGEST_TEXT)
    if isinstance(value, bool):
        return value
    if not isinstance(value, int | float) or not -LARGEST < value < LARGEST:
        raise Refused(field, "invalid", "Must be a text, true, false or a number of at most 26 digits before the point.")
    return round(value, PLACES) if isinstance(value, float) else value  # a binary fraction has no more that means anything
