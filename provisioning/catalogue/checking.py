"""What is wrong with something that somebody wants to put into the catalogue, all of it at once (pure)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from integrations.access import Refusal
from integrations.models.exact import plain, problem_of
from provisioning.catalogue.contents import BOOLEAN, METERED, NUMERIC, Contents, Line

PLAN, ADDON, FEATURE, PRODUCT = "plan", "addon", "feature", "product"
PREFIXES = {PLAN: "plan-", ADDON: "addon-", FEATURE: "feature-", PRODUCT: ""}  # ST-21
KINDS = (BOOLEAN, NUMERIC, METERED)
RESETS = ("", "hour", "day", "week", "month", "year")
KEY = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*\Z")
CURRENCY = re.compile(r"[A-Z]{3}\Z")
LONGEST_KEY, LONGEST_NAME, LONGEST_UNIT, LONGEST_EVENT, LONGEST_NOTE, LONGEST_TEXT = 120, 255, 40, 255, 255, 10_000
MOST_ENTITLEMENTS, LONGEST_TRIAL, LONGEST_PERIOD = 500, 730, 120  # lines, days, months
ENTITLEMENT_PARTS = ("feature", "limit", "per_seat", "unlimited", "soft", "reset")
PARTS_IN_WORDS = ", ".join(ENTITLEMENT_PARTS)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong, at a path such as `entitlements[2].limit`; `message` names the fix."""

    path: str
    message: str


class CatalogueProblems(Refusal):
    """What somebody wants cannot be saved; `problems` lists everything that is wrong with it."""

    status = 400

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        lines = [f"{each.path}: {each.message}" if each.path else each.message for each in self.problems[:20]]
        super().__init__("bad_catalogue", " ".join(lines))


@dataclass(frozen=True, slots=True)
class KnownFeature:
    """A feature as versions refer to it."""

    key: str
    name: str
    kind: str
    unit: str = ""
    archived: bool = False


def check_key(kind: str, key: object) -> list[Problem]:
    """Ids are stable words: small letters, digits and single separators, with the prefix of their kind (ST-21)."""
    if not isinstance(key, str) or not key:
        return [Problem("key", f"Give an id such as {PREFIXES[kind] or 'workspace'}{'' if kind == PRODUCT else 'team'}.")]
    found = []
    prefix = PREFIXES[kind]
    if not key.startswith(prefix) or len(key) == len(prefix):
        found.append(Problem("key", f"The id of {_a(kind)} starts with {prefix}, such as {prefix}{_tail(key) or 'team'}."))
    elif kind == PRODUCT and key.startswith(tuple(each for each in PREFIXES.values() if each)):
        found.append(Problem("key", "The id of a product must not look like one of a plan, add-on or feature."))
    elif not KEY.match(key):
        found.append(Problem("key", "An id has small letters and digits, with single -, _ or . between them."))
    if len(key) > LONGEST_KEY:
        found.append(Problem("key", f"An id has at most {LONGEST_KEY} characters, not {len(key)}."))
    return found


def _a(kind: str) -> str:
    return {PLAN: "a plan", ADDON: "an add-on", FEATURE: "a feature", PRODUCT: "a product"}[kind]


def _tail(key: str) -> str:
    """What is left of a key whose prefix is wrong, for the example in a message."""
    rest = next((key[len(each) :] for each in PREFIXES.values() if each and key.startswith(each)), key)
    return re.sub(r"[^a-z0-9]+", "-", rest.lower()).strip("-")[:60]


def slug(kind: str, name: str) -> str:
    """An id made of a name, with the prefix of its kind."""
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return f"{PREFIXES[kind]}{words[: LONGEST_KEY - 10].strip('-')}" if words else ""


def check_words(*, name: object, description: object = "") -> list[Problem]:
    """Name and description."""
    return [*_text("name", name, LONGEST_NAME, needed=True), *_text("description", description, LONGEST_TEXT)]


def check_feature(*, kind: object, unit: object, event_name: object) -> list[Problem]:
    """What only features have."""
    if kind not in KINDS:
        return [Problem("kind", f"A feature is boolean, numeric or metered, not {str(kind)[:40]}.")]
    found = [*_text("unit", unit, LONGEST_UNIT), *_text("event_name", event_name, LONGEST_EVENT)]
    if unit and kind == BOOLEAN:
        found.append(Problem("unit", "A feature of yes or no counts nothing; leave the unit empty."))
    if event_name and kind != METERED:
        found.append(Problem("event_name", "Only a metered feature is counted from events."))
    return found


def _text(path: str, value: object, longest: int, *, needed: bool = False) -> list[Problem]:
    if not isinstance(value, str):
        return [Problem(path, "must be text.")]
    if "\0" in value:
        return [Problem(path, "contains a character that cannot be stored.")]
    if needed and not value.strip():
        return [Problem(path, "must not be empty.")]
    return [Problem(path, f"has at most {longest:,} characters, not {len(value):,}.")] if len(value) > longest else []


def check_contents(
    offer_kind: str, given: Mapping[str, Any], features: Mapping[str, KnownFeature], *, kept: frozenset[str] = frozenset()
) -> tuple[Contents, list[Problem]]:
    """Contents of a version of a plan or add-on out of plain values, and everything that is wrong with them.

    `given`: per_seat, trial_days, price, currency, period_months and `entitlements`, a list of {feature, limit, per_seat,
    unlimited, soft, reset}. `kept` are features that the latest version has: those may stay although they are archived.
    """
    problems: list[Problem] = []
    per_seat = _flag(given, "per_seat", problems)
    trial = _whole(given, "trial_days", LONGEST_TRIAL, "days", problems)
    months = _whole(given, "period_months", LONGEST_PERIOD, "months", problems)
    if offer_kind == ADDON and per_seat:
        problems.append(Problem("per_seat", "An add-on counts by its quantity, so it has no seats."))
    if offer_kind == ADDON and trial:
        problems.append(Problem("trial_days", "Only plans have trials."))
    price, currency = _price(given, months, problems)
    lines = _lines(offer_kind, given.get("entitlements", []), features, kept, per_seat=per_seat, problems=problems)
    return Contents(per_seat, trial, price, currency, months, lines), problems


def _price(given: Mapping[str, Any], months: int | None, problems: list[Problem]) -> tuple[Decimal | None, str]:
    price = _number(given.get("price"), "price", problems)
    currency = given.get("currency") or ""
    if not isinstance(currency, str) or (currency and not CURRENCY.match(currency)):
        problems.append(Problem("currency", "A currency has three capital letters, such as USD."))
        return price, ""
    if price is not None and not currency:
        problems.append(Problem("currency", "Name the currency of the price, such as USD."))
    if price is None and (currency or months) and given.get("price") in (None, ""):
        problems.append(Problem("price", "Give a price, or leave currency and period empty too."))
    return price, currency


def _lines(
    offer_kind: str, given: object, features: Mapping[str, KnownFeature], kept: frozenset[str], *, per_seat: bool,
    problems: list[Problem],
) -> tuple[Line, ...]:  # fmt: skip
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        problems.append(Problem("entitlements", "must be a list of {feature, limit ...}."))
        return ()
    if len(given) > MOST_ENTITLEMENTS:
        problems.append(Problem("entitlements", f"has at most {MOST_ENTITLEMENTS} lines, not {len(given):,}."))
        return ()
    lines: dict[str, Line] = {}
    for number, each in enumerate(given):
        path = f"entitlements[{number}]"
        if not isinstance(each, Mapping):
            problems.append(Problem(path, "must be an object with a feature."))
            continue
        unknown = sorted(str(name) for name in each if name not in ENTITLEMENT_PARTS)
        problems += [Problem(f"{path}.{name}", f"is not known; {PARTS_IN_WORDS} are.") for name in unknown]
        line = _line(offer_kind, each, path, features, kept, per_seat, problems)
        if line is not None and line.feature in lines:
            problems.append(Problem(f"{path}.feature", f"{line.feature} stands here twice."))
        elif line is not None:
            lines[line.feature] = line
    return tuple(lines[key] for key in sorted(lines))


def _line(
    offer_kind: str, given: Mapping[str, Any], path: str, features: Mapping[str, KnownFeature], kept: frozenset[str],
    seats: bool, problems: list[Problem],
) -> Line | None:  # fmt: skip
    key = given.get("feature")
    feature = features.get(key) if isinstance(key, str) else None
    if feature is None:
        problems.append(Problem(f"{path}.feature", f"There is no feature {str(key)[:80]!r}; make it first."))
        return None
    if feature.archived and feature.key not in kept:
        problems.append(Problem(f"{path}.feature", f"{feature.key} is archived; restore it first."))
    own: list[Problem] = []
    limit = _number(given.get("limit"), "limit", own)
    flags = {name: _flag(given, name, own) for name in ("per_seat", "unlimited", "soft")}
    reset = given.get("reset") or ""
    if reset not in RESETS:
        own.append(Problem("reset", f"is one of {', '.join(each for each in RESETS if each)}, or left out."))
        reset = ""
    line = Line(feature.key, feature.name, feature.kind, feature.unit, limit, reset=reset, **flags)
    own += check_line(offer_kind, line, seats=seats) if not own else []
    problems += [Problem(f"{path}.{each.path}", f"{feature.key}: {each.message}") for each in own]
    return None if own else line


def check_line(offer_kind: str, line: Line, *, seats: bool) -> list[Problem]:
    """What a feature can be given: of yes or no nothing but itself, a number a limit, a counted one a limit that may reset."""
    if line.kind == BOOLEAN:
        given = {"limit": line.limit is not None, "unlimited": line.unlimited, "soft": line.soft, "reset": bool(line.reset),
                 "per_seat": line.per_seat}  # fmt: skip
        return [Problem(name, "is a feature of yes or no; leave this out.") for name, there in given.items() if there]
    found = []
    if line.unlimited and line.limit is not None:
        found.append(Problem("limit", "is unlimited and has a limit; keep one of both."))
    if not line.unlimited and line.limit is None:
        found.append(Problem("limit", "Give a limit, or make it unlimited."))
    if line.kind == NUMERIC and line.reset:
        found.append(Problem("reset", "is a number that nothing is counted against; only metered features reset."))
    if line.soft and line.unlimited:
        found.append(Problem("soft", "is unlimited, so there is no limit that could be soft."))
    if line.per_seat and line.unlimited:
        found.append(Problem("per_seat", "is unlimited, so seats add nothing."))
    if line.per_seat and offer_kind == ADDON:
        found.append(Problem("per_seat", "An add-on's limit counts for each unit of it; leave this out."))
    elif line.per_seat and not seats:
        found.append(Problem("per_seat", "The plan is not sold by the seat; make it so, or leave this out."))
    return found


def _flag(given: Mapping[str, Any], name: str, problems: list[Problem]) -> bool:
    value = given.get(name, False)
    if value is None or isinstance(value, bool):
        return bool(value)
    problems.append(Problem(name, "is true or false."))
    return False


def _whole(given: Mapping[str, Any], name: str, most: int, unit: str, problems: list[Problem]) -> int | None:
    value = given.get(name)
    if value in (None, ""):
        return None
    try:
        number = int(str(value)) if not isinstance(value, bool) else 0
    except ValueError:
        number = 0
    if not 1 <= number <= most:
        problems.append(Problem(name, f"is a whole number from 1 to {most} ({unit}), or left out."))
        return None
    return number


def _number(value: Any, name: str, problems: list[Problem]) -> Decimal | None:
    if value is None or value == "":
        return None
    try:
        number = Decimal(str(value).strip()) if not isinstance(value, bool) else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite():
        problems.append(Problem(name, f"{str(value)[:40]!r} is not a number."))
        return None
    if trouble := problem_of(number, digits=38, places=12):
        problems.append(Problem(name, f"{trouble}."))
        return None
    if number < 0:
        problems.append(Problem(name, "must not be negative."))
        return None
    return plain(number)


def at(prefix: str, problems: Iterable[Problem]) -> list[Problem]:
    """The same problems below a path."""
    return [Problem(f"{prefix}.{each.path}" if each.path else prefix, each.message) for each in problems]
