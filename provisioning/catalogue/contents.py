"""What a version of a plan or add-on gives, as plain values: in words, and what differs between two of them (pure)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

BOOLEAN, NUMERIC, METERED = "boolean", "numeric", "metered"
MORE, LESS, OTHER = "more", "less", "other"
PERIODS = {"hour": "an hour", "day": "a day", "week": "a week", "month": "a month", "year": "a year"}


@dataclass(frozen=True, slots=True)
class Line:
    """One feature of a version. `limit` None with `unlimited` False only for features of yes or no."""

    feature: str
    name: str
    kind: str
    unit: str = ""
    limit: Decimal | None = None
    per_seat: bool = False
    unlimited: bool = False
    soft: bool = False
    reset: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """A version: its terms, and its features in the order of their keys."""

    per_seat: bool = False
    trial_days: int | None = None
    price: Decimal | None = None
    currency: str = ""
    period_months: int | None = None
    lines: tuple[Line, ...] = ()

    def line(self, feature: str) -> Line | None:
        """The line of that feature."""
        return next((each for each in self.lines if each.feature == feature), None)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs, as a sentence; `tone` is more, less or other as the customer sees it."""

    words: str
    tone: str = OTHER
    feature: str = ""


def number_words(number: Decimal) -> str:
    """10000 -> 10,000; 0.50 -> 0.5."""
    text = f"{number:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def unit_words(line: Line) -> str:
    """The unit for the limit: units are plurals, and one of them loses its ending where that is regular."""
    return line.unit if line.unlimited or line.limit != 1 else unit_of_one(line.unit)


def unit_of_one(unit: str) -> str:
    """sandboxes -> sandbox, calls -> call; what is no regular plural stays."""
    if not unit.endswith("s") or unit.endswith("ss"):
        return unit
    return unit[:-2] if unit.endswith(("xes", "ches", "shes", "sses")) else unit[:-1]


def line_words(line: Line) -> str:
    """What a customer has of a feature: "10,000 calls a month for each seat, soft limit"."""
    if line.kind == BOOLEAN:
        return "included"
    amount = "unlimited" if line.unlimited else number_words(line.limit or Decimal(0))
    counts_seats = line.per_seat and not line.unlimited and line.unit.casefold() in ("seat", "seats")
    if counts_seats and line.limit == 1:
        return "as many as bought" + (", soft limit" if line.soft else "")
    words = f"{amount} {'' if counts_seats else unit_words(line)}".rstrip()
    if line.kind == METERED and line.reset:
        words += f" {PERIODS[line.reset]}"
    elif line.kind == METERED and not line.unlimited:
        words += " in all"
    if line.per_seat and not line.unlimited:
        words += " for each seat"
    return words + (", soft limit" if line.soft and not line.unlimited else "")


def price_words(contents: Contents) -> str:
    """ "900 USD a year for each seat"; "no price" without one."""
    if contents.price is None:
        return "no price"
    words = f"{number_words(contents.price)} {contents.currency}"
    months = contents.period_months
    if months:
        words += " a month" if months == 1 else " a year" if months == 12 else f" every {months} months"
    else:
        words += " once"
    return words + (" for each seat" if contents.per_seat else "")


def differences(before: Contents | None, after: Contents) -> list[Difference]:
    """What a customer would see change from `before` to `after`; nothing to compare with = everything is new."""
    if before is None:
        return [Difference(f"{each.name} is new: {line_words(each)}.", MORE, each.feature) for each in after.lines]
    found = [*_of_terms(before, after)]
    for line in after.lines:
        old = before.line(line.feature)
        if old is None:
            found.append(Difference(f"{line.name} is new: {line_words(line)}.", MORE, line.feature))
        elif _given(old) != _given(line):
            words = f"{line.name}: {line_words(old)} → {line_words(line)}."
            found.append(Difference(words, _tone(old, line), line.feature))
    gone = (each for each in before.lines if after.line(each.feature) is None)
    return found + [Difference(f"{each.name} goes: {line_words(each)}.", LESS, each.feature) for each in gone]


def is_same(before: Contents, after: Contents) -> bool:
    """Whether two versions give the same: names and units of features are no part of them."""
    return _terms(before) == _terms(after) and {_given(each) for each in before.lines} == {_given(each) for each in after.lines}


def _terms(contents: Contents) -> tuple[object, ...]:
    return contents.per_seat, contents.trial_days, contents.price, contents.currency, contents.period_months


def _given(line: Line) -> tuple[object, ...]:
    return line.feature, line.limit, line.per_seat, line.unlimited, line.soft, line.reset


def _of_terms(before: Contents, after: Contents) -> Iterable[Difference]:
    if before.per_seat != after.per_seat:
        yield Difference("The quantity is the number of seats now." if after.per_seat else "It is no longer sold by the seat.")
    if before.trial_days != after.trial_days:
        days = [f"{each} days" if each else "no length of its own" for each in (before.trial_days, after.trial_days)]
        yield Difference(f"Trial: {days[0]} → {days[1]}.")
    if _price(before) != _price(after):
        yield Difference(f"Price: {price_words(before)} → {price_words(after)}.")


def _price(contents: Contents) -> tuple[object, ...]:
    return contents.price, contents.currency, contents.period_months


def _tone(old: Line, new: Line) -> str:
    if old.unlimited != new.unlimited:
        return MORE if new.unlimited else LESS
    if (old.per_seat, old.reset) != (new.per_seat, new.reset):
        return OTHER  # 100 a day against 1,000 a month: nobody can say which is more
    if old.limit != new.limit and not new.unlimited:
        return MORE if (new.limit or 0) > (old.limit or 0) else LESS
    if old.soft != new.soft and not new.unlimited:
        return MORE if new.soft else LESS
    return OTHER


def compare(versions: Sequence[Contents]) -> list[tuple[Line, list[Line | None]]]:
    """A row for each feature of any version, with what each gives of it, for a table side by side."""
    named: dict[str, Line] = {}
    for contents in versions:
        for line in contents.lines:
            named.setdefault(line.feature, line)
    ordered = sorted(named.values(), key=lambda line: (line.kind == BOOLEAN, line.name.casefold(), line.feature))
    return [(line, [contents.line(line.feature) for contents in versions]) for line in ordered]


def mismatches(plan: Contents, add_on: Contents) -> list[str]:
    """What does not fit together between a plan and an add-on for it: a sum over windows of different length means little."""
    found = []
    for line in add_on.lines:
        base = plan.line(line.feature)
        if base is None or line.kind != METERED or base.unlimited or line.unlimited or base.reset == line.reset:
            continue
        windows = [PERIODS.get(each, "in all") for each in (base.reset, line.reset)]
        found.append(f"{line.name} is counted {windows[0]} in the plan and {windows[1]} in the add-on.")
    return found
