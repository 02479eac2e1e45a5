"""One use or report of usage as it comes in: read strictly, each problem named by field (pure)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from integrations.models.exact import plain, problem_of

DELTA, SET, CONSUME = "delta", "set", "consume"
LARGEST = Decimal(10) ** 18
LONGEST_KEY, LONGEST_NAME = 200, 255
CLOCK_SKEW = timedelta(minutes=5)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
REPORT_FIELDS = frozenset(("customer", "feature", "amount", "action", "at", "idempotency_key"))
CONSUME_FIELDS = frozenset(("customer", "feature", "amount", "idempotency_key"))
Problems = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Use:
    """A use of a feature: consumed, added to the count, or the count itself. `key` is empty when the caller gave none."""

    customer: str
    feature: str
    action: str
    amount: Decimal
    at: datetime
    key: str = ""
    says_when: bool = True

    @property
    def digest(self) -> str:
        """Of what is asked: the same key with another digest is refused (R-197). Without a time given, none counts."""
        when = self.at.isoformat() if self.says_when else ""
        text = json.dumps([self.customer, self.feature, self.action, str(plain(self.amount)), when])
        return hashlib.sha256(text.encode()).hexdigest()


def read_use(given: object, *, consume: bool = False, now: datetime) -> Use | Problems:
    """The use that a caller describes, or what is wrong with it. `amount` defaults to 1 when consuming."""
    if not isinstance(given, Mapping):
        return {"report": ["must be an object with customer, feature and amount."]}
    problems: Problems = {}
    fields = CONSUME_FIELDS if consume else REPORT_FIELDS
    for name in sorted(str(each) for each in given if each not in fields):
        problems[name[:80]] = [f"is not known; {', '.join(sorted(fields))} are."]
    customer = _name(given, "customer", problems)
    feature = _name(given, "feature", problems)
    key = _name(given, "idempotency_key", problems, needed=False, longest=LONGEST_KEY)
    action = CONSUME if consume else given.get("action", DELTA)
    if action not in (CONSUME, DELTA, SET):
        problems["action"] = ["is delta (added to the count) or set (the count itself)."]
    amount = _amount(given.get("amount", 1 if consume else None), str(action), problems)
    at = _instant(given.get("at"), now, problems)
    if problems or amount is None:
        return problems
    return Use(customer, feature, str(action), amount, at, key, given.get("at") is not None)


def read_whole(text: object, name: str, *, least: int = 0) -> int | None:
    """A whole number from `least` to 10^18; None for nothing. ValueError names the field and what is wrong."""
    if text is None or text == "":
        return None
    number = read_number(text)
    if number is None or number != number.to_integral_value() or not least <= number <= LARGEST:
        raise ValueError(f"{name} must be a whole number from {least} to 10^18.")
    return int(number)


def read_number(value: object) -> Decimal | None:
    """A finite decimal out of a JSON number or text; None when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        number = Decimal(str(value).strip()) if len(str(value)) <= 60 else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() else None


def _name(given: Mapping[str, Any], name: str, problems: Problems, *, needed: bool = True, longest: int = LONGEST_NAME) -> str:
    value = given.get(name)
    if value is None or value == "":
        if needed:
            problems[name] = ["is needed."]
        return ""
    if not isinstance(value, str) or len(value) > longest:
        problems[name] = [f"must be text of at most {longest} characters."]
        return ""
    if "\0" in value or not is_encodable(value):
        problems[name] = ["has a character that cannot be stored."]
        return ""
    return value


def is_encodable(text: str) -> bool:
    """Whether the text has no half of a surrogate pair, which JSON can say and no database takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _amount(value: object, action: str, problems: Problems) -> Decimal | None:
    number = read_number(value)
    if value is None:
        problems["amount"] = ["is needed."]
    elif number is None:
        problems["amount"] = ["must be a number."]
    elif abs(number) > LARGEST or (trouble := problem_of(number, digits=38, places=12)):
        problems["amount"] = ["must lie within 10^18." if abs(number) > LARGEST else f"{trouble}."]
    elif action == CONSUME and (number < 1 or number != number.to_integral_value()):
        problems["amount"] = ["must be a whole number of at least 1."]
    elif action == SET and number < 0:
        problems["amount"] = ["must not be negative: it is the count itself."]
    elif action == DELTA and number == 0:
        problems["amount"] = ["must not be 0."]
    else:
        return plain(number)
    return None


def _instant(value: object, now: datetime, problems: Problems) -> datetime:
    if value is None:
        return now
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        problems["at"] = ["must be an instant with its offset, such as 2026-03-10T12:00:00Z."]
        return now
    try:
        utc = at.astimezone(UTC)
    except OverflowError:
        utc = EARLIEST - CLOCK_SKEW
    if utc > now + CLOCK_SKEW:
        problems["at"] = ["must not lie in the future."]
    elif utc < EARLIEST:
        problems["at"] = ["must not lie before the year 2000."]
    return utc
